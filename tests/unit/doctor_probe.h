/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_probe.h - a machine for the checks of `lumaring doctor`: files below a directory of the test's, a daemon's
 * status, what other programs say, users and groups. A test begins with a machine on which all is well, spoils one
 * thing, runs one check, and looks at what it says.
 */
#ifndef LUMARING_TEST_DOCTOR_PROBE_H
#define LUMARING_TEST_DOCTOR_PROBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lumaring/control.h>

#include "../../client-lib/cli/doctor.h"

#define VIDEO 44
#define PI 1000
#define SAYINGS 16u

/* What the machine is like beside its files. */
static struct {
	char root[64];
	struct options options;
	struct doctor doctor;
	bool may;  /* open devices */
	gid_t gid; /* of devices and sockets */
	enum host_membership video, lumaring;
	int control_error;            /* of a change */
	const char *denied;           /* the group that may, with -EPERM */
	const char *said[SAYINGS][2]; /* what programs say: the first words of the command, the text */
	int said_code[SAYINGS];
	unsigned said_count, asked;
	double captured_step; /* frames between two questions */
	double captured;
	bool has_ended; /* the daemon, after the first question */
	uint64_t clock_ns;
} world;

/* --- in the place of the machine's own ---------------------------------------------------------------------------- */

bool __wrap_host_may(const struct host *host, const char *path);
bool __real_host_stat(const struct host *host, const char *path, struct stat *ret_status);
bool __wrap_host_stat(const struct host *host, const char *path, struct stat *ret_status);
enum host_membership __wrap_host_membership(const struct host *host, const char *group);
struct host_name __wrap_host_group_name(gid_t gid);
struct host_name __wrap_host_user_name(uid_t uid);
uint64_t __wrap_session_now_ns(void);
int __wrap_nanosleep(const struct timespec *time, struct timespec *ret_left);
int __wrap_lumaring_status(const char *camera, const struct lumaring_options *options, char **ret_json);
int __wrap_lumaring_control_open(const char *camera, const struct lumaring_options *options,
				 struct lumaring_control **ret_control);
int __wrap_lumaring_control_call(struct lumaring_control *control, const char *method, const char *parameters,
				 int timeout_ms, const char **ret_json);
const char *__wrap_lumaring_control_error_json(const struct lumaring_control *control);
void __wrap_lumaring_control_close(struct lumaring_control *control);

bool __wrap_host_may(const struct host *host, const char *path)
{
	assert_ptr_equal(host, &world.doctor.host);
	assert_int_equal(path[0], '/');
	return world.may;
}

bool __wrap_host_stat(const struct host *host, const char *path, struct stat *ret_status)
{
	const bool is_there = __real_host_stat(host, path, ret_status);

	ret_status->st_gid = world.gid;
	ret_status->st_uid = 0;
	return is_there;
}

enum host_membership __wrap_host_membership(const struct host *host, const char *group)
{
	(void)host;
	if (strcmp(group, "video") == 0)
		return world.video;
	return strcmp(group, "lumaring") == 0 ? world.lumaring : HOST_NO_GROUP;
}

struct host_name __wrap_host_group_name(gid_t gid)
{
	struct host_name name = { "video" };

	if (gid != VIDEO)
		snprintf(name.text, sizeof(name.text), gid ? "%u" : "root", gid);
	return name;
}

struct host_name __wrap_host_user_name(uid_t uid)
{
	struct host_name name;

	snprintf(name.text, sizeof(name.text), "%s", uid == 0 ? "root" : uid == PI ? "pi" : "other");
	return name;
}

/* A wait takes four looks at the clock. */
uint64_t __wrap_session_now_ns(void)
{
	return world.clock_ns += 500000000;
}

/* Nor does it sleep. */
int __wrap_nanosleep(const struct timespec *time, struct timespec *ret_left)
{
	(void)time;
	(void)ret_left;
	return 0;
}

int __wrap_lumaring_status(const char *camera, const struct lumaring_options *options, char **ret_json)
{
	(void)camera;
	(void)options;
	if (world.has_ended)
		return -ECONNREFUSED;
	world.captured += world.captured_step;
	cJSON_ReplaceItemInObject(cJSON_GetObjectItem(world.doctor.status, "source"), "captured",
				  cJSON_CreateNumber(world.captured));
	*ret_json = cJSON_PrintUnformatted(world.doctor.status);
	return 0;
}

int __wrap_lumaring_control_open(const char *camera, const struct lumaring_options *options,
				 struct lumaring_control **ret_control)
{
	(void)camera;
	(void)options;
	*ret_control = NULL;
	return 0;
}

int __wrap_lumaring_control_call(struct lumaring_control *control, const char *method, const char *parameters,
				 int timeout_ms, const char **ret_json)
{
	(void)control;
	(void)timeout_ms;
	(void)ret_json;
	assert_string_equal(method, "Configure");
	assert_non_null(strstr(parameters, "\"dry_run\":true")); /* nothing is changed */
	return world.control_error;
}

const char *__wrap_lumaring_control_error_json(const struct lumaring_control *control)
{
	static char json[64];

	(void)control;
	snprintf(json, sizeof(json), "{\"group\":\"%s\"}", world.denied);
	return json;
}

void __wrap_lumaring_control_close(struct lumaring_control *control)
{
	(void)control;
}

/* The first words of the command decide. */
static int run(const char *const *words, char *text, size_t text_bytes)
{
	char command[256] = "";

	for (unsigned i = 0; words[i] && strlen(command) + strlen(words[i]) + 2 < sizeof(command); i++)
		snprintf(command + strlen(command), sizeof(command) - strlen(command), "%s%s", i ? " " : "", words[i]);
	world.asked++;
	text[0] = '\0';
	for (unsigned i = world.said_count; i-- > 0;) {
		if (strncmp(command, world.said[i][0], strlen(world.said[i][0])) != 0)
			continue;
		snprintf(text, text_bytes, "%s", world.said[i][1]);
		return world.said_code[i];
	}
	return -ENOENT;
}

/* --- spoiling it -------------------------------------------------------------------------------------------------- */

static void says(const char *command, int code, const char *text)
{
	assert_true(world.said_count < SAYINGS);
	world.said[world.said_count][0] = command;
	world.said[world.said_count][1] = text;
	world.said_code[world.said_count++] = code;
}

static void make_directories(char *path)
{
	for (char *c = path + strlen(world.root) + 1; (c = strchr(c, '/')); *c++ = '/') {
		*c = '\0';
		mkdir(path, 0755);
	}
}

static void put(const char *path, const char *text)
{
	struct host_path whole = host_path(&world.doctor.host, "%s", path);
	int fd;

	make_directories(whole.text);
	fd = open(whole.text, O_WRONLY | O_CREAT | O_TRUNC, 0660);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0660), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void put_link(const char *path, const char *target)
{
	struct host_path whole = host_path(&world.doctor.host, "%s", path);

	make_directories(whole.text);
	unlink(whole.text);
	assert_int_equal(symlink(target, whole.text), 0);
}

static void take(const char *path)
{
	const struct host_path whole = host_path(&world.doctor.host, "%s", path);

	assert_int_equal(unlink(whole.text), 0);
}

/* A member of the status: ' stands for ". */
static void status(const char *json)
{
	char *copy = strdup(json);

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	cJSON_Delete(world.doctor.status);
	world.doctor.status = cJSON_Parse(copy);
	assert_non_null(world.doctor.status);
	world.doctor.error = 0;
	free(copy);
}

static void no_daemon(void)
{
	cJSON_Delete(world.doctor.status);
	world.doctor.status = NULL;
	world.doctor.error = -ECONNREFUSED;
}

static void settings(const char *json)
{
	cJSON_Delete(world.doctor.program.settings);
	world.doctor.program.settings = cJSON_Parse(json);
	assert_non_null(world.doctor.program.settings);
}

/* --- what is said --------------------------------------------------------------------------------------------------
 */

/* Run one check; of its findings the one of that level has these texts. NULL: nothing is to be done. */
static void expect(void (*check)(struct doctor *doctor), enum doctor_level level, const char *text, const char *advice)
{
	struct doctor *doctor = &world.doctor;

	doctor->finding_count = 0;
	check(doctor);
	assert_true(doctor->finding_count > 0);
	for (unsigned i = 0; i < doctor->finding_count; i++) {
		const struct doctor_finding *finding = &doctor->findings[i];

		if (finding->level == level && strstr(finding->text, text) &&
		    (advice ? strstr(finding->advice, advice) != NULL : !finding->advice[0]))
			return;
	}
	for (unsigned i = 0; i < doctor->finding_count; i++)
		print_error("%u: %s -> %s\n", doctor->findings[i].level, doctor->findings[i].text,
			    doctor->findings[i].advice);
	fail_msg("none is of level %u and says \"%s\" and \"%s\"", level, text, advice ? advice : "");
}

/* --- one on which all is well ---------------------------------------------------------------------------------------
 */

#define STATUS                                                                                                         \
	"{'version':'0.1.0','uid':0,'pid':812,'uptime_us':7200000000,'loop':{'main':'io_uring','fallback_reason':''}," \
	"'source':{'name':'libcamera','state':'live','width':2304,'height':1296,'captured':1000,'memory':'cached',"    \
	"'frame_duration_us':17857,'measured_frame_duration_ns':17857000,'sensor_clock':'monotonic',"                  \
	"'device':{'library':'libcamera 0.7.1','state':'running','state_reason':'','memory':'dma-heap linux,cma',"     \
	"'memory_reason':'','buffer_count':6,'buffer_bytes':4478976}},'copy':{'cpu':'a72'},"                           \
	"'bytes':{'rings':23900000},'memory':{'wanted_bytes':50000000,'locked_bytes':50000000,'unlocked_reason':''},"  \
	"'streams':[{'name':'main','lost':{'unread':7,'copy_late':1}}]}"

#define SHOW                                                                                                           \
	"LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nResult=success\n"              \
	"ExecMainStatus=0\nNRestarts=0\nMainPID=812\nNeedDaemonReload=no\n\nActiveState=active\n\nActiveState="        \
	"active\n"

static void be_a_pi(unsigned generation)
{
	struct host *host = &world.doctor.host;

	snprintf(host->model, sizeof(host->model), "Raspberry Pi %u Model B", generation);
	host->is_pi = generation > 0;
	host->is_pi5 = generation == 5;
}

static void put_files(void)
{
	put("/dev/video0", "");
	put("/dev/media0", "");
	put("/sys/class/video4linux/video0/name", "unicam-image\n");
	put_link("/sys/class/video4linux/video0/device/driver", "../../bus/platform/drivers/unicam");
	put("/sys/class/video4linux/v4l-subdev0/name", "imx708 10-001a\n");
	put("/sys/class/video4linux/v4l-subdev1/name", "dw9807 10-000c\n");
	put("/dev/dma_heap/linux,cma", "");
	put("/dev/dma_heap/system", "");
	put_link("/dev/dma_heap/vidbuf_cached", "linux,cma");
	put("/proc/meminfo", "MemTotal: 3884444 kB\nCmaTotal: 524288 kB\nCmaFree: 400000 kB\n");
	put("/proc/self/status", "Name:\tlumaring\nSeccomp:\t0\n");
	put("/proc/812/comm", "lumaringd\n");
	put_link("/proc/812/fd/9", "/dev/video0");
	put("/proc/1/comm", "systemd\n");
	put_link("/proc/1/fd/0", "/dev/null");
	put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "arch_sys_counter\n");
	put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
	put("/sys/devices/system/cpu/cpu1/x", "");
	put("/sys/devices/system/cpu/cpufreq/x", "");
	put("/sys/devices/platform/soc/soc:firmware/get_throttled", "0\n");
	put("/boot/firmware/config.txt", "camera_auto_detect=1\n");
	put("/usr/lib/aarch64-linux-gnu/libcamera/ipa/ipa_rpi_vc4.so", "");
	put("/usr/lib/aarch64-linux-gnu/libcamera/ipa/ipa_rpi_vc4.so.sign", "");
	put("/run/lumaring/cam0/frames", "");
}

static int set_up(void **state)
{
	struct doctor *doctor = &world.doctor;

	(void)state;
	memset(&world, 0, sizeof(world));
	/* In memory: a thousand small files, which would have a disk be waited for. */
	snprintf(world.root, sizeof(world.root), "/dev/shm/doctor-test.XXXXXX");
	assert_non_null(mkdtemp(world.root));
	world.may = true;
	world.gid = VIDEO;
	world.video = world.lumaring = HOST_IN;
	world.captured = 1000;
	world.captured_step = 5;
	world.denied = "";
	*doctor = (struct doctor){ .options = &world.options, .camera = "cam0", .directory = "/run/lumaring" };
	doctor->host = (struct host){
		.root = world.root,
		.uid = PI,
		.release = "6.12.25",
		.machine = "aarch64",
		.page_bytes = 4096,
		.shm_bytes = UINT64_C(2) << 30,
		.shm_free_bytes = UINT64_C(1) << 30,
		.memlock_bytes = 8 << 20,
		.clock_step_ns = 1,
		.run = run,
	};
	snprintf(doctor->host.library_version, sizeof(doctor->host.library_version), "%s", lumaring_version());
	be_a_pi(4);
	put_files();
	status(STATUS);
	doctor->program = (struct doctor_program){ .path = "/usr/sbin/lumaringd", .libcamera = "0.7.1" };
	snprintf(doctor->program.version, sizeof(doctor->program.version), "%s", lumaring_version());
	settings("{\"source\":\"libcamera:0\",\"size\":null,\"slots\":null,\"streams\":[{\"name\":\"main\"}]}");
	says("systemctl show", 0, SHOW);
	says("systemd-analyze security", 0, "x\n-> Overall exposure level for lumaringd@cam0.service: 1.0 OK :-)\n");
	says("journalctl", 0, "");
	doctor_look_at_unit(doctor);
	return 0;
}

static int remove_one(const char *path, const struct stat *status_, int kind, struct FTW *walk)
{
	(void)status_;
	(void)kind;
	(void)walk;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	cJSON_Delete(world.doctor.status);
	cJSON_Delete(world.doctor.program.settings);
	return nftw(world.root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define MACHINE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
