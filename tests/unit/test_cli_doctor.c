/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_doctor.c - each failure that `lumaring doctor` knows is provoked once, on a machine of the test's making,
 * and each check is silent on one where all is well. What can be had for real is in test_doctor.py.
 */
#include "doctor_probe.h"

/* --- the whole ------------------------------------------------------------------------------------------------------
 */

static void (*const all[])(struct doctor *doctor) = {
	doctor_check_daemon,  doctor_check_version,  doctor_check_frames,    doctor_check_unit,
	doctor_check_sandbox, doctor_check_settings, doctor_check_groups,    doctor_check_camera,
	doctor_check_holders, doctor_check_heaps,    doctor_check_cma,       doctor_check_shm,
	doctor_check_memlock, doctor_check_io_uring, doctor_check_libcamera, doctor_check_ipa,
	doctor_check_kernel,  doctor_check_clock,    doctor_check_cpu,
};

#define SCREEN_LINES 22 /* and with the command and the next prompt 24 */
#define ALL (sizeof(all) / sizeof(all[0]))

static char *print(unsigned columns, bool is_coloured)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *file = open_memstream(&text, &bytes);

	doctor_print(&world.doctor, columns, is_coloured, file);
	fclose(file);
	return text;
}

static void test_all_is_well_on_one_screen(void **state)
{
	unsigned lines = 0, longest = 0, line = 0;
	char *text;

	(void)state;
	for (size_t i = 0; i < ALL; i++)
		all[i](&world.doctor);
	text = print(80, false);
	for (const char *c = text; *c; c++) {
		line = *c == '\n' ? 0 : line + 1;
		longest = line > longest ? line : longest;
		lines += *c == '\n';
	}
	if (doctor_count(&world.doctor, DOCTOR_OK) != ALL || longest > 80 || lines > SCREEN_LINES) {
		write(STDERR_FILENO, text, strlen(text)); /* cmocka has less room */
		fail_msg("%u lines of up to %u columns", lines, longest);
	}
	assert_non_null(strstr(text, "cam0: nothing is wrong\n"));
	free(text);
}

static void test_long_texts_are_wrapped_and_commands_are_not(void **state)
{
	struct doctor *doctor = &world.doctor;
	char *text;

	(void)state;
	doctor_add(doctor, "one", DOCTOR_PROBLEM, "%s",
		   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccc");
	doctor_command(doctor, "%s",
		       "0123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789");
	doctor_add(doctor, "two", DOCTOR_NOTE, "short");
	doctor_advise(doctor, "%s", "0123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789");
	text = print(80, false);
	assert_string_equal(text, "problem  one        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
				  "                    bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccc\n"
				  "         -> 0123456789 123456789 123456789 123456789 123456789 123456789 123456789 "
				  "123456789\n"
				  "note     two        short\n"
				  "         -> 0123456789 123456789 123456789 123456789 123456789 123456789\n"
				  "            123456789 123456789\n"
				  "cam0: 1 problem (one), 1 note (two)\n");
	free(text);
	text = print(80, true);
	assert_non_null(strstr(text, "\033[1;31mproblem\033[0m  one"));
	free(text);
}

static void test_nobody_writes_on_the_terminal(void **state)
{
	struct doctor *doctor = &world.doctor;
	char *text = NULL;
	size_t bytes = 0;
	FILE *file = open_memstream(&text, &bytes);
	cJSON *root, *check;

	(void)state;
	doctor_add(doctor, "evil", DOCTOR_NOTE, "%s", "a\033[2Jb\nc\x9b");
	doctor_advise(doctor, "%s", "\033]0;x\007");
	assert_string_equal(doctor->findings[0].text, "a?[2Jb?c?");
	assert_string_equal(doctor->findings[0].advice, "?]0;x?");
	doctor_add(doctor, "other", DOCTOR_PROBLEM, "\"quoted\"");
	doctor_command(doctor, "do it");
	assert_int_equal(doctor_print_json(doctor, file), 0);
	fclose(file);
	root = cJSON_Parse(text);
	assert_int_equal(json_number(root, "problems"), 1);
	assert_int_equal(json_number(root, "notes"), 1);
	assert_string_equal(json_text(root, "camera"), "cam0");
	check = cJSON_GetArrayItem(json_get(root, "checks"), 1);
	assert_string_equal(json_text(check, "level"), "problem");
	assert_string_equal(json_text(check, "text"), "\"quoted\"");
	assert_string_equal(json_text(check, "command"), "do it");
	assert_null(json_get(check, "advice"));
	cJSON_Delete(root);
	free(text);
	for (unsigned i = 0; i < DOCTOR_FINDINGS_MAX + 5; i++)
		doctor_add(doctor, "many", DOCTOR_OK, "x");
	assert_int_equal(doctor->finding_count, DOCTOR_FINDINGS_MAX);
}

/* --- the daemon -----------------------------------------------------------------------------------------------------
 */

static void test_daemon_is_not_there(void **state)
{
	(void)state;
	no_daemon();
	expect(doctor_check_daemon, DOCTOR_PROBLEM, "frames is there, but nobody listens",
	       "systemctl restart lumaringd@cam0");
	take("/run/lumaring/cam0/frames");
	snprintf(world.doctor.unit.active, sizeof(world.doctor.unit.active), "inactive");
	expect(doctor_check_daemon, DOCTOR_PROBLEM, "is not there: no daemon", "see unit");
	snprintf(world.doctor.unit.active, sizeof(world.doctor.unit.active), "failed");
	expect(doctor_check_daemon, DOCTOR_PROBLEM, "no daemon", "see unit");
	world.doctor.unit.is_known = false;
	expect(doctor_check_daemon, DOCTOR_PROBLEM, "no daemon", "lumaringd --camera cam0");
	world.doctor.program.path[0] = '\0';
	expect(doctor_check_daemon, DOCTOR_PROBLEM, "no daemon", "install the package");
	expect(doctor_check_frames, DOCTOR_NOTE, "not known without a daemon", NULL);
}

static void test_daemon_does_not_answer(void **state)
{
	(void)state;
	no_daemon();
	world.doctor.error = -ETIMEDOUT;
	expect(doctor_check_daemon, DOCTOR_PROBLEM, "does not answer", "sudo systemctl restart lumaringd@cam0");
	world.doctor.unit.is_known = false;
	expect(doctor_check_daemon, DOCTOR_PROBLEM, "does not answer", "stop the daemon of cam0");
	world.doctor.error = -EACCES;
	expect(doctor_check_daemon, DOCTOR_PROBLEM, "not for you", "see groups");
}

static void test_versions_differ(void **state)
{
	(void)state;
	snprintf(world.doctor.program.version, sizeof(world.doctor.program.version), "9.9");
	expect(doctor_check_version, DOCTOR_NOTE, "runs is 0.1.0, the one that is installed 9.9", "systemctl restart");
	no_daemon();
	expect(doctor_check_version, DOCTOR_NOTE, "the daemon 9.9", "the same version of all packages");
	snprintf(world.doctor.program.version, sizeof(world.doctor.program.version), "%s", lumaring_version());
	snprintf(world.doctor.host.library_version, sizeof(world.doctor.host.library_version), "0.0.9");
	expect(doctor_check_version, DOCTOR_NOTE, "the library 0.0.9", "the same version of all packages");
}

static void test_frames_stand_still(void **state)
{
	(void)state;
	world.captured_step = 0;
	expect(doctor_check_frames, DOCTOR_PROBLEM, "none came while it was waited", "systemctl restart");
	status("{'source':{'state':'live','captured':1000,'frame_duration_us':10000000}}");
	expect(doctor_check_frames, DOCTOR_NOTE, "none came within 10 s, but so few were asked for", NULL);
	status(STATUS);
	world.has_ended = true;
	expect(doctor_check_frames, DOCTOR_PROBLEM, "none came", "systemctl restart");
}

#define SOURCE(state, device)                                                                                          \
	"{'uid':0,'source':{'name':'" device "','state':'" state "','captured':0,'device':{'state_reason':'no "        \
	"cable'}}}"

static void test_frames_of_a_lost_camera(void **state)
{
	(void)state;
	status(SOURCE("lost", "libcamera"));
	expect(doctor_check_frames, DOCTOR_PROBLEM, "none come: the source is lost: no cable", "see camera");
	status("{'source':{'name':'replay','state':'ended'}}");
	expect(doctor_check_frames, DOCTOR_NOTE, "the source is ended", "lumaring status");
	status("{'source':{'name':'replay','state':'failed'}}");
	expect(doctor_check_frames, DOCTOR_PROBLEM, "the source is failed", "lumaring status");
}

static void expect_lost(const char *cause, const char *advice)
{
	char json[512];

	snprintf(json, sizeof(json),
		 "{'source':{'state':'live','captured':1000},'streams':[{'lost':{'unread':500,'%s':20,'startup':90}},"
		 "{'lost':{'%s':3}}]}",
		 cause, cause);
	status(json);
	world.captured = 980;
	world.captured_step = 5;
	expect(doctor_check_frames, DOCTOR_PROBLEM, "but 20 of 10", advice);
	expect(doctor_check_frames, DOCTOR_PROBLEM, cause, advice);
}

static void test_frames_are_lost(void **state)
{
	(void)state;
	expect_lost("copy_late", "copying cannot keep up");
	expect_lost("no_slot", "\"slots\"");
	expect_lost("error", "cable");
	expect_lost("sensor", "never came from the sensor");
	expect_lost("camera", "skips them itself");
	expect_lost("cancelled", "dmesg");
	/* Few of many are told of, and no problem. */
	status("{'source':{'state':'live','captured':1000},'streams':[{'lost':{'copy_late':4}}]}");
	world.captured = 10;
	expect(doctor_check_frames, DOCTOR_OK, "4 of 19 lost", NULL);
}

static void test_frames_are_slow(void **state)
{
	(void)state;
	status("{'source':{'state':'live','captured':1,'frame_duration_us':20000,'measured_frame_duration_ns':25000000}"
	       "}");
	expect(doctor_check_frames, DOCTOR_NOTE, "at 40.0 frames/s, where 50.0 were asked for", "--shutter");
}

/* --- the unit -------------------------------------------------------------------------------------------------------
 */

#define SHOWN(active, sub, enabled, result, code, restarts, reload, socket)                                            \
	"LoadState=loaded\nActiveState=" active "\nSubState=" sub "\nUnitFileState=" enabled "\nResult=" result        \
	"\nExecMainStatus=" code "\nNRestarts=" restarts "\nNeedDaemonReload=" reload "\n\nActiveState=" socket        \
	"\n\nActiveState=" socket "\n"

static void show(int code, const char *text)
{
	says("systemctl show", code, text);
	world.doctor.unit = (struct doctor_unit){ 0 };
	doctor_look_at_unit(&world.doctor);
}

static void test_unit_is_not_there(void **state)
{
	(void)state;
	show(-ENOENT, "");
	expect(doctor_check_unit, DOCTOR_NOTE, "no systemd here", NULL);
	show(1, "System has not been booted with systemd as init system (PID 1). Can't operate.\nmore");
	expect(doctor_check_unit, DOCTOR_NOTE, "no systemd here", NULL);
	world.doctor.finding_count = 0;
	doctor_check_sandbox(&world.doctor);
	assert_int_equal(world.doctor.finding_count, 0);
	show(1, "Failed to connect to bus\n");
	expect(doctor_check_unit, DOCTOR_NOTE, "does not answer: Failed to connect to bus", NULL);
	show(-ETIMEDOUT, "");
	expect(doctor_check_unit, DOCTOR_NOTE, "it takes too long", NULL);
	show(0, "LoadState=not-found\nActiveState=inactive\n\n\n");
	expect(doctor_check_unit, DOCTOR_NOTE, "knows no lumaringd@.service", NULL);
}

static void test_unit_has_failed(void **state)
{
	(void)state;
	says("journalctl", 0, "no room for the ring\nmore\n");
	show(0, SHOWN("failed", "failed", "enabled", "exit-code", "5", "0", "no", "inactive"));
	expect(doctor_check_unit, DOCTOR_PROBLEM, "exit code 5, no room in shared memory: no room for the ring",
	       "journalctl -xeu lumaringd@cam0");
	show(0, SHOWN("failed", "failed", "enabled", "exit-code", "2", "0", "no", "inactive"));
	expect(doctor_check_unit, DOCTOR_PROBLEM, "exit code 2, its settings are wrong",
	       "see settings; then sudo systemctl");

	show(0, SHOWN("failed", "failed", "enabled", "exit-code", "77", "0", "no", "inactive"));
	expect(doctor_check_unit, DOCTOR_PROBLEM, "exit code 77: no room", "journalctl");
	show(0, SHOWN("failed", "failed", "enabled", "watchdog", "6", "0", "no", "inactive"));
	expect(doctor_check_unit, DOCTOR_PROBLEM, "has failed: watchdog", "journalctl");
	show(0, SHOWN("activating", "auto-restart", "enabled", "exit-code", "6", "9", "no", "active"));
	expect(doctor_check_unit, DOCTOR_PROBLEM, "again and again (9 restarts)", "journalctl");
	show(0, SHOWN("activating", "auto-restart", "enabled", "exit-code", "6", "1", "no", "active"));
	expect(doctor_check_unit, DOCTOR_PROBLEM, "again and again (1 restart)", "journalctl");
}

static void test_unit_does_not_run(void **state)
{
	(void)state;
	show(0, SHOWN("inactive", "dead", "disabled", "success", "0", "0", "no", "inactive"));
	expect(doctor_check_unit, DOCTOR_NOTE, "was started otherwise", NULL);
	no_daemon();
	expect(doctor_check_unit, DOCTOR_PROBLEM, "is inactive (dead), disabled",
	       "sudo systemctl enable --now lumaringd@cam0");
}

static void test_unit_is_not_as_it_should(void **state)
{
	(void)state;
	show(0, SHOWN("active", "running", "enabled", "success", "0", "0", "no", "inactive"));
	expect(doctor_check_unit, DOCTOR_PROBLEM, "does not listen on its sockets", "systemctl restart");
	show(0, SHOWN("active", "running", "disabled", "success", "0", "0", "no", "active"));
	expect(doctor_check_unit, DOCTOR_NOTE, "will not be after a reboot", "sudo systemctl enable lumaringd@cam0");
	show(0, SHOWN("active", "running", "enabled", "success", "0", "0", "yes", "active"));
	expect(doctor_check_unit, DOCTOR_NOTE, "files have changed", "daemon-reload");
	show(0, SHOWN("active", "running", "enabled", "success", "0", "4", "no", "active"));
	expect(doctor_check_unit, DOCTOR_NOTE, "restarted 4 times", "journalctl");
}

static void test_sandbox_has_holes(void **state)
{
	(void)state;
	says("systemd-analyze security", 0, "Overall exposure level for lumaringd@cam0.service: 7.6 EXPOSED :-(\n");
	expect(doctor_check_sandbox, DOCTOR_NOTE, "exposure 7.6 EXPOSED", "systemctl cat lumaringd@cam0");
	says("systemd-analyze security", -ENOENT, "");
	expect(doctor_check_sandbox, DOCTOR_NOTE, "is not there", NULL);
}

/* --- settings --------------------------------------------------------------------------------------------------------
 */

static void look(int code, const char *text)
{
	cJSON_Delete(world.doctor.program.settings);
	world.doctor.program = (struct doctor_program){ .settings = NULL };
	world.said_count = 0;
	says("", code, text); /* to whatever is asked, under whatever path the program is found */
	doctor_look_at_program(&world.doctor);
}

static void test_settings(void **state)
{
	(void)state;
	look(-ENOENT, "");
	assert_string_equal(world.doctor.program.path, "");
	expect(doctor_check_settings, DOCTOR_NOTE, "not installed here", NULL);
	look(0, "lumaringd 0.2.0~rc1 (libcamera 0.7.1)\n");
	assert_string_equal(world.doctor.program.version, "0.2.0~rc1");
	assert_string_equal(world.doctor.program.libcamera, "0.7.1");
	look(0, "lumaringd 0.2.0\n");
	assert_string_equal(world.doctor.program.libcamera, "");
	look(0, "something else\n");
	assert_string_equal(world.doctor.program.path, "");
	snprintf(world.doctor.program.path, sizeof(world.doctor.program.path), "lumaringd");
	world.doctor.program.faults = 2;
	snprintf(world.doctor.program.fault, sizeof(world.doctor.program.fault),
		 "/etc/lumaring/cam0.json:3:5: size: no");
	expect(doctor_check_settings, DOCTOR_PROBLEM, "cam0.json:3:5: size: no (and more)",
	       "lumaringd --check-config --camera cam0");
	snprintf(world.doctor.program.fault, sizeof(world.doctor.program.fault), "/etc/x: Permission denied");
	expect(doctor_check_settings, DOCTOR_NOTE, "you may not read them", "sudo lumaring doctor");
	world.doctor.program.faults = -1;
	expect(doctor_check_settings, DOCTOR_NOTE, "does not say", NULL);
}

/* --- groups ----------------------------------------------------------------------------------------------------------
 */

static void test_groups_for_frames(void **state)
{
	(void)state;
	no_daemon();
	world.doctor.error = -EACCES;
	world.video = HOST_NOT_IN;
	expect(doctor_check_groups, DOCTOR_PROBLEM, "for the group video, which you are not in",
	       "sudo usermod -aG video pi  # then log in again");
	world.video = HOST_NEXT_TIME;
	expect(doctor_check_groups, DOCTOR_PROBLEM, "this session is not yet",
	       "log in again: pi was put into the group video");
	world.video = HOST_NO_GROUP;
	expect(doctor_check_groups, DOCTOR_PROBLEM, "this machine does not know", "sudo groupadd -r video");
	world.video = HOST_IN;
	expect(doctor_check_groups, DOCTOR_PROBLEM, "which you are in", "something else forbids it");
	world.gid = 0;
	expect(doctor_check_groups, DOCTOR_PROBLEM, "for root alone", "--group video");
}

static void test_groups_for_changes(void **state)
{
	(void)state;
	world.control_error = -EPERM;
	world.denied = "lumaring";
	world.lumaring = HOST_NOT_IN;
	expect(doctor_check_groups, DOCTOR_NOTE, "changes are for the group lumaring, which you are not in",
	       "sudo usermod -aG lumaring pi  # then log in again");
	world.lumaring = HOST_NEXT_TIME;
	expect(doctor_check_groups, DOCTOR_NOTE, "lumaring, whose member", "log in again");
	world.denied = "";
	expect(doctor_check_groups, DOCTOR_OK, "changes are for root", NULL);
	world.control_error = -EBUSY; /* asked whether it may, it may */
	expect(doctor_check_groups, DOCTOR_OK, "and change things", NULL);
}

static void test_groups_are_not_needed(void **state)
{
	(void)state;
	world.video = world.lumaring = HOST_NOT_IN;
	world.doctor.host.uid = 0;
	expect(doctor_check_groups, DOCTOR_OK, "root may", NULL);
	world.doctor.host.uid = PI;
	status("{'uid':1000}");
	expect(doctor_check_groups, DOCTOR_OK, "the daemon is yours", NULL);
}

/* --- the camera ------------------------------------------------------------------------------------------------------
 */

static void test_no_sensor(void **state)
{
	(void)state;
	put("/sys/class/video4linux/video0/name", "bcm2835-isp-output0\n");
	expect(doctor_check_camera, DOCTOR_PROBLEM, "no sensor was found: of 1 video and 1 media", "cable");
	put("/boot/firmware/config.txt", "[all]\n#camera_auto_detect=1\n");
	expect(doctor_check_camera, DOCTOR_PROBLEM, "no sensor", "write camera_auto_detect=1 into");
	put("/boot/firmware/config.txt", "[all]\ndtoverlay=imx219\n");
	expect(doctor_check_camera, DOCTOR_PROBLEM, "no sensor", "cable");
	take("/dev/video0");
	take("/dev/media0");
	be_a_pi(0);
	expect(doctor_check_camera, DOCTOR_PROBLEM, "neither /dev/video* nor /dev/media*", "plug one in");
	no_daemon();
	world.doctor.error = -EACCES;
	expect(doctor_check_camera, DOCTOR_NOTE, "neither", "plug one in");
	world.doctor.error = -ECONNREFUSED;
	world.doctor.program.faults = 1;
	expect(doctor_check_camera, DOCTOR_NOTE, "neither", "plug one in");

	status("{'source':{'name':'replay'}}");
	expect(doctor_check_camera, DOCTOR_OK, "none is needed: the source is replay", NULL);
}

static void test_camera_may_not_be_opened(void **state)
{
	(void)state;
	world.may = false;
	expect(doctor_check_camera, DOCTOR_OK, "imx708 by unicam, 1 device, root:video 0660",
	       NULL); /* the daemon is root's */
	no_daemon();
	world.doctor.unit.is_known = false;
	expect(doctor_check_camera, DOCTOR_PROBLEM, "/dev/video0 is for root and group video",
	       "sudo usermod -aG video pi  # then log in again");
	world.gid = 0;
	expect(doctor_check_camera, DOCTOR_PROBLEM, "/dev/video0 is for root", "a rule of udev");
}

static void test_camera_is_absent_to_the_daemon(void **state)
{
	(void)state;
	status("{'source':{'name':'libcamera','device':{'state':'absent','state_reason':'in use by motion'}}}");
	expect(doctor_check_camera, DOCTOR_PROBLEM,
	       "unicam (imx708), but the daemon's camera is absent: in use by motion", "--list-cameras");
}

static void test_camera_is_held(void **state)
{
	(void)state;
	expect(doctor_check_holders, DOCTOR_OK, "only the daemon has a camera open", NULL);
	put("/proc/900/comm", "mo\033tion\n");
	put_link("/proc/900/fd/3", "/dev/media0");
	expect(doctor_check_holders, DOCTOR_NOTE, "mo?tion (pid 900) has a camera's device open, too", NULL);
	no_daemon();
	take("/proc/812/fd/9");
	expect(doctor_check_holders, DOCTOR_PROBLEM, "mo?tion (pid 900) has a camera open", "sudo kill 900");
	status("{'source':{'name':'replay'}}");
	expect(doctor_check_holders, DOCTOR_OK, "mo?tion", NULL);
}

/* --- memory ----------------------------------------------------------------------------------------------------------
 */

static void test_heaps_are_missing(void **state)
{
	(void)state;
	no_daemon();
	take("/dev/dma_heap/vidbuf_cached");
	expect(doctor_check_heaps, DOCTOR_NOTE, "vidbuf_cached is missing", "raspberrypi-sys-mods");
	be_a_pi(5);
	put_link("/dev/dma_heap/vidbuf_cached", "linux,cma");
	expect(doctor_check_heaps, DOCTOR_NOTE, "vidbuf_cached = linux,cma: vidbuf_cached should be system",
	       "udevadm trigger");
	take("/dev/dma_heap/vidbuf_cached");
	take("/dev/dma_heap/system");
	take("/dev/dma_heap/linux,cma");
	expect(doctor_check_heaps, DOCTOR_PROBLEM, "there is no /dev/dma_heap", "linux-image");
	be_a_pi(0);
	expect(doctor_check_heaps, DOCTOR_OK, "none", NULL);
}

static void test_heaps_may_not_be_opened(void **state)
{
	(void)state;
	no_daemon();
	world.doctor.unit.is_known = false;
	world.may = false;
	expect(doctor_check_heaps, DOCTOR_PROBLEM, "is for root and group video", "sudo usermod -aG video pi");
	world.gid = 0;
	expect(doctor_check_heaps, DOCTOR_PROBLEM, "linux,cma is for root, and", "60-dma-heap.rules");
}

static void test_heap_in_use(void **state)
{
	(void)state;
	expect(doctor_check_heaps, DOCTOR_OK,
	       "linux,cma, system, vidbuf_cached = linux,cma; used: dma-heap linux,cma, cached", NULL);
	status("{'source':{'name':'libcamera','memory':'uncached','device':{'memory':'driver','buffer_count':6,"
	       "'memory_reason':'no heap is taken'}}}");
	expect(doctor_check_heaps, DOCTOR_NOTE, "used: driver, uncached: no heap is taken", "lumaring bench --camera");
}

static void test_cma_is_small(void **state)
{
	(void)state;
	expect(doctor_check_cma, DOCTOR_OK, "6 buffers of 4.3 MiB are used", NULL);
	status("{'source':{'device':{'buffer_count':1,'buffer_bytes':1048576}}}");
	expect(doctor_check_cma, DOCTOR_OK, "1 buffer of 1.0 MiB is used", NULL);
	status(STATUS);
	put("/proc/meminfo", "CmaTotal: 65536 kB\nCmaFree: 1000 kB\n");
	expect(doctor_check_cma, DOCTOR_NOTE, "less than one buffer more", "cma-256");
	no_daemon();
	expect(doctor_check_cma, DOCTOR_PROBLEM, "1000 KiB of 64 MiB are free: too little", "cma-256");
	put("/proc/meminfo", "MemTotal: 1 kB\n");
	expect(doctor_check_cma, DOCTOR_PROBLEM, "there is none", "cma-256");
	be_a_pi(5);
	expect(doctor_check_cma, DOCTOR_OK, "none is needed", NULL);
	be_a_pi(0);
	status("{'source':{'name':'libcamera','device':{'memory':'dma-heap "
	       "reserved','buffer_count':6,'buffer_bytes':9e6}}}");
	put("/proc/meminfo", "CmaTotal: 65536 kB\nCmaFree: 1000 kB\n");
	expect(doctor_check_cma, DOCTOR_NOTE, "less than one buffer", "cma=256M");
}

static void test_shm_is_full(void **state)
{
	struct host *host = &world.doctor.host;

	(void)state;
	host->shm_bytes = 64 << 20;
	host->shm_free_bytes = 8 << 20;
	expect(doctor_check_shm, DOCTOR_NOTE, "no room to replace the rings (23 MiB)", "remount,size=128M");
	host->shm_free_bytes = 1000;
	expect(doctor_check_shm, DOCTOR_PROBLEM, "no private stream", "remount,size=128M");
	no_daemon();
	expect(doctor_check_shm, DOCTOR_PROBLEM, "where rings of about 23 MiB are to be", "--shm-size=128m");
	settings("{\"size\":\"4608x2592\",\"slots\":16,\"streams\":[{},{}]}");
	host->shm_free_bytes = 256 << 20;
	expect(doctor_check_shm, DOCTOR_PROBLEM, "rings of about 364 MiB", "remount,size=1024M");
	host->shm_bytes = 0;
	expect(doctor_check_shm, DOCTOR_PROBLEM, "nothing is mounted", "mount -t tmpfs");
	host->shm_error = ENOENT;
	expect(doctor_check_shm, DOCTOR_PROBLEM, "No such file", "mount -t tmpfs");
}

static void test_memory_is_not_locked(void **state)
{
	(void)state;
	status("{'memory':{'wanted_bytes':10485760,'locked_bytes':0,'unlocked_reason':'8.0 of 9.0 MiB may be paged "
	       "out'}}");
	expect(doctor_check_memlock, DOCTOR_NOTE, "8.0 of 9.0 MiB", "LimitMEMLOCK=infinity");
	world.doctor.unit.is_known = false;
	expect(doctor_check_memlock, DOCTOR_NOTE, "8.0 of 9.0 MiB", "ulimit -l");
	no_daemon();
	expect(doctor_check_memlock, DOCTOR_OK, "up to 8.0 MiB for a daemon of yours", NULL);
	world.doctor.host.memlock_bytes = UINT64_MAX;
	expect(doctor_check_memlock, DOCTOR_OK, "no limit", NULL);
}

/* --- the kernel and the processor
 * -------------------------------------------------------------------------------------- */

static void test_io_uring_is_forbidden(void **state)
{
	(void)state;
	no_daemon();
	world.doctor.host.uring_error = EPERM;
	expect(doctor_check_io_uring, DOCTOR_NOTE, "a system call filter forbids it: a daemon would use epoll",
	       "profile");
	put("/proc/sys/kernel/io_uring_disabled", "2\n");
	expect(doctor_check_io_uring, DOCTOR_NOTE, "kernel.io_uring_disabled = 2 forbids it: a",
	       "sudo sysctl kernel.io_uring_disabled=0");
	put("/proc/sys/kernel/io_uring_disabled", "1\n");
	expect(doctor_check_io_uring, DOCTOR_NOTE, "= 1 forbids it to all but a group and root", "sudo sysctl");
	world.doctor.host.uring_error = ENOSYS;
	expect(doctor_check_io_uring, DOCTOR_NOTE, "this kernel has none", NULL);
	put("/proc/self/status", "Name:\tx\nSeccomp:\t2\n");
	expect(doctor_check_io_uring, DOCTOR_NOTE, "a system call filter", "profile");
	world.doctor.host.uring_error = ENOMEM;
	expect(doctor_check_io_uring, DOCTOR_NOTE, "cannot be set up (Cannot allocate memory)", NULL);
}

static void test_io_uring_is_not_used(void **state)
{
	(void)state;
	status("{'loop':{'main':'epoll','fallback_reason':'a filter'}}");
	expect(doctor_check_io_uring, DOCTOR_NOTE, "allowed here, but not to the daemon, which uses epoll: a filter",
	       "systemctl restart");
	world.doctor.host.uring_error = EPERM;
	expect(doctor_check_io_uring, DOCTOR_NOTE, "a system call filter forbids it: the daemon uses epoll", "profile");
	status("{'loop':{'main':'epoll','fallback_reason':''}}");
	expect(doctor_check_io_uring, DOCTOR_OK, "epoll, as its settings say", NULL);
	status("{'loop':{'main':'io_uring','fallback_reason':''}}");
	expect(doctor_check_io_uring, DOCTOR_OK, "not allowed to you; the daemon uses io_uring", NULL);
}

static void test_kernel_is_old(void **state)
{
	(void)state;
	snprintf(world.doctor.host.release, sizeof(world.doctor.host.release), "5.18.19-v8+");
	expect(doctor_check_kernel, DOCTOR_NOTE, "Linux 5.18.19-v8+ is older than 5.19", "full-upgrade");
	snprintf(world.doctor.host.release, sizeof(world.doctor.host.release), "6.1.0");
	world.doctor.host.page_bytes = 16384;
	expect(doctor_check_kernel, DOCTOR_OK, "Linux 6.1.0, pages of 16 KiB, Raspberry Pi 4", NULL);
}

static void test_clocks(void **state)
{
	(void)state;
	put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
	expect(doctor_check_clock, DOCTOR_NOTE, "hpet, in steps of 1 ns: slow", "available_clocksource");
	put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
	world.doctor.host.clock_step_ns = 4000000;
	expect(doctor_check_clock, DOCTOR_NOTE, "tsc, in steps of 4000000 ns: latencies", "available_clocksource");
	world.doctor.host.clock_step_ns = 1;
	status("{'source':{'sensor_clock':'unknown'}}");
	expect(doctor_check_clock, DOCTOR_OK, "monotonic (never suspended)", NULL);
	world.doctor.host.suspended_ns = 3600000000000;
	expect(doctor_check_clock, DOCTOR_NOTE, "the 3600 s that this machine was suspended", "compare no sensor_ns");
}

static void test_cpu_is_slow(void **state)
{
	(void)state;
	put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
	expect(doctor_check_cpu, DOCTOR_NOTE, "2, governor powersave: always", "echo performance | sudo tee");
	put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "intel_pstate\n");
	expect(doctor_check_cpu, DOCTOR_OK, "2, governor powersave", NULL);
	put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n");
	expect(doctor_check_cpu, DOCTOR_NOTE, "ondemand: frames after a pause", "echo performance");
	be_a_pi(0);
	expect(doctor_check_cpu, DOCTOR_OK, "ondemand", NULL);
}

static void test_cpu_is_throttled(void **state)
{
	(void)state;
	put("/sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
	expect(doctor_check_cpu, DOCTOR_PROBLEM, "it is slowed down (too little voltage, 0x50005)", "power supply");
	put("/sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n");
	expect(doctor_check_cpu, DOCTOR_NOTE, "it was slowed down since the start (too little voltage", "power supply");
	put("/sys/devices/platform/soc/soc:firmware/get_throttled", "80008\n");
	expect(doctor_check_cpu, DOCTOR_PROBLEM, "too hot", "cool it");
	take("/sys/devices/platform/soc/soc:firmware/get_throttled");
	put("/sys/class/hwmon/hwmon1/name", "rpi_volt\n");
	put("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
	expect(doctor_check_cpu, DOCTOR_PROBLEM, "too little voltage", "power supply");
}

/* --- libcamera
 * --------------------------------------------------------------------------------------------------------- */

static void test_libcamera_is_old(void **state)
{
	(void)state;
	no_daemon();
	snprintf(world.doctor.program.libcamera, sizeof(world.doctor.program.libcamera), "0.0.3");
	expect(doctor_check_libcamera, DOCTOR_NOTE, "0.0.3 is old", "Raspberry Pi OS");
	be_a_pi(5);
	expect(doctor_check_libcamera, DOCTOR_PROBLEM, "does not know this board", "Raspberry Pi OS");
	be_a_pi(0);
	expect(doctor_check_libcamera, DOCTOR_NOTE, "0.0.3 is old", "Debian 13");
	world.doctor.program.libcamera[0] = '\0';
	expect(doctor_check_libcamera, DOCTOR_PROBLEM, "built without it", "make deb");
	settings("{\"source\":\"synthetic\"}");
	expect(doctor_check_libcamera, DOCTOR_OK, "not used", NULL);
	world.doctor.program.path[0] = '\0';
	expect(doctor_check_libcamera, DOCTOR_NOTE, "not known without a daemon", NULL);
}

static void test_modules_are_missing(void **state)
{
	(void)state;
	be_a_pi(5);
	expect(doctor_check_ipa, DOCTOR_PROBLEM,
	       "/usr/lib/aarch64-linux-gnu/libcamera/ipa has no module for this board (ipa_rpi_pisp.so)",
	       "apt install --reinstall libcamera-ipa");
	status("{'source':{'name':'replay'}}");
	expect(doctor_check_ipa, DOCTOR_NOTE, "has no module for this board", "--reinstall libcamera-ipa");
	status(STATUS);
	be_a_pi(4);
	take("/usr/lib/aarch64-linux-gnu/libcamera/ipa/ipa_rpi_vc4.so");
	expect(doctor_check_ipa, DOCTOR_PROBLEM, "not installed", "sudo apt install libcamera-ipa");
	be_a_pi(0);
	expect(doctor_check_ipa, DOCTOR_NOTE, "only USB cameras", "sudo apt install libcamera-ipa");
}

static void test_modules_are_not_signed(void **state)
{
	(void)state;
	put("/usr/lib/libcamera/ipa_rpi.so", "");
	expect(doctor_check_ipa, DOCTOR_NOTE, "ipa_rpi.so has no signature (1 of 2", "--reinstall libcamera-ipa");
	put("/usr/lib/libcamera/ipa_rpi.so.sign", "");
	expect(doctor_check_ipa, DOCTOR_OK, "2 modules, signed: ", NULL);
	says("journalctl", 0, "IPAManager ipa_manager.cpp:1 IPA module signature is not valid\n");
	expect(doctor_check_ipa, DOCTOR_NOTE, "libcamera says: IPAManager", "--reinstall libcamera-ipa");
}

#define MACHINE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(test_all_is_well_on_one_screen),
		MACHINE_TEST(test_long_texts_are_wrapped_and_commands_are_not),
		MACHINE_TEST(test_nobody_writes_on_the_terminal),
		MACHINE_TEST(test_daemon_is_not_there),
		MACHINE_TEST(test_daemon_does_not_answer),
		MACHINE_TEST(test_versions_differ),
		MACHINE_TEST(test_frames_stand_still),
		MACHINE_TEST(test_frames_of_a_lost_camera),
		MACHINE_TEST(test_frames_are_lost),
		MACHINE_TEST(test_frames_are_slow),
		MACHINE_TEST(test_unit_is_not_there),
		MACHINE_TEST(test_unit_has_failed),
		MACHINE_TEST(test_unit_does_not_run),
		MACHINE_TEST(test_unit_is_not_as_it_should),
		MACHINE_TEST(test_sandbox_has_holes),
		MACHINE_TEST(test_settings),
		MACHINE_TEST(test_groups_for_frames),
		MACHINE_TEST(test_groups_for_changes),
		MACHINE_TEST(test_groups_are_not_needed),
		MACHINE_TEST(test_no_sensor),
		MACHINE_TEST(test_camera_may_not_be_opened),
		MACHINE_TEST(test_camera_is_absent_to_the_daemon),
		MACHINE_TEST(test_camera_is_held),
		MACHINE_TEST(test_heaps_are_missing),
		MACHINE_TEST(test_heaps_may_not_be_opened),
		MACHINE_TEST(test_heap_in_use),
		MACHINE_TEST(test_cma_is_small),
		MACHINE_TEST(test_shm_is_full),
		MACHINE_TEST(test_memory_is_not_locked),
		MACHINE_TEST(test_io_uring_is_forbidden),
		MACHINE_TEST(test_io_uring_is_not_used),
		MACHINE_TEST(test_kernel_is_old),
		MACHINE_TEST(test_clocks),
		MACHINE_TEST(test_cpu_is_slow),
		MACHINE_TEST(test_cpu_is_throttled),
		MACHINE_TEST(test_libcamera_is_old),
		MACHINE_TEST(test_modules_are_missing),
		MACHINE_TEST(test_modules_are_not_signed),
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
