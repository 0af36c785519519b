/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_doctor.c - each failure of a daemon, its unit, its settings and groups that `lumaring doctor` knows is
 * provoked once, on a machine of the test's making, and each check is silent on one where all is well. What can be had
 * for real is in test_doctor.py, and failures of the machine in test_cli_doctor_machine.c.
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
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
