/* SPDX-License-Identifier: BSD-2-Clause */
/* doctor_system.c - what the kernel and the processor are like: io_uring, version, clocks, frequency: see doctor.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define KERNEL_MAJOR 5u /* what the daemon's loop takes of io_uring; with less it uses epoll */
#define KERNEL_MINOR 19u
#define COARSE_NS 1000 /* a clock that goes in larger steps does not tell microseconds */

/* --- io_uring ---------------------------------------------------------------------------------------------------- */

static char io_uring_setting(const struct doctor *doctor)
{
	char value[16];

	host_read(&doctor->host, "/proc/sys/kernel/io_uring_disabled", value, sizeof(value));
	return value[0] ? value[0] : '0';
}

/* Is a system call filter over this process? */
static bool is_filtered(const struct doctor *doctor)
{
	char text[4096];
	const char *at;

	host_read(&doctor->host, "/proc/self/status", text, sizeof(text));
	at = strstr(text, "\nSeccomp:");
	return at && strtoul(at + strlen("\nSeccomp:"), NULL, 10) == 2;
}

/* Why this process may not; and what would help the daemon. */
static void say_forbidden(struct doctor *doctor, enum doctor_level level, const char *then)
{
	const int error = doctor->host.uring_error;
	const char setting = io_uring_setting(doctor);

	if ((error == EPERM || error == EACCES) && setting != '0') {
		doctor_add(doctor, "io_uring", level, "kernel.io_uring_disabled = %c forbids it%s: %s", setting,
			   setting == '1' ? " to all but a group and root" : "", then);
		doctor_command(doctor, "sudo sysctl kernel.io_uring_disabled=0  # if that is allowed where you are");
	} else if (error == EPERM || error == EACCES || (error == ENOSYS && is_filtered(doctor))) {
		doctor_add(doctor, "io_uring", level, "a system call filter forbids it: %s", then);
		doctor_advise(doctor,
			      "allow io_uring_setup, _enter and _register in the container's profile, or leave it "
			      "so: epoll serves as well");
	} else if (error == ENOSYS) {
		doctor_add(doctor, "io_uring", level, "this kernel has none: %s", then);
	} else {
		doctor_add(doctor, "io_uring", level, "it cannot be set up (%s): %s", strerror(error), then);
	}
}

void doctor_check_io_uring(struct doctor *doctor)
{
	const cJSON *loop = json_get(doctor->status, "loop");
	const char *used = json_text(loop, "main"), *reason = json_text(loop, "fallback_reason");

	if (reason[0] && doctor->host.uring_error) {
		say_forbidden(doctor, DOCTOR_NOTE, "the daemon uses epoll");
	} else if (reason[0]) {
		doctor_add(doctor, "io_uring", DOCTOR_NOTE, "allowed here, but not to the daemon, which uses %s: %s",
			   used, reason);
		doctor_command_restart(doctor);
	} else if (used[0]) {
		doctor_add(doctor, "io_uring", DOCTOR_OK, "%s; the daemon uses %s%s",
			   doctor->host.uring_error ? "not allowed to you" : "allowed", used,
			   strcmp(used, "epoll") == 0 ? ", as its settings say" : "");
	} else if (doctor->host.uring_error) {
		say_forbidden(doctor, DOCTOR_NOTE, "a daemon would use epoll");
	} else {
		doctor_add(doctor, "io_uring", DOCTOR_OK, "allowed");
	}
}

/* --- the kernel -------------------------------------------------------------------------------------------------- */

/* "Raspberry Pi 5", without " Model B Rev 1.0". */
static int board_length(const char *model)
{
	const char *end = strstr(model, " Model ");

	if (!end)
		end = strstr(model, " Rev ");
	return (int)(end ? (size_t)(end - model) : strlen(model));
}

void doctor_check_kernel(struct doctor *doctor)
{
	const struct host *host = &doctor->host;
	unsigned major = 0, minor = 0;

	sscanf(host->release, "%u.%u", &major, &minor);
	if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR)) {
		doctor_add(doctor, "kernel", DOCTOR_NOTE,
			   "Linux %s is older than %u.%u: no io_uring, the daemon uses epoll", host->release,
			   KERNEL_MAJOR, KERNEL_MINOR);
		doctor_command(doctor, "sudo apt update && sudo apt full-upgrade  # then reboot");
	} else {
		doctor_add(doctor, "kernel", DOCTOR_OK, "Linux %s, pages of %ld KiB%s%.*s", host->release,
			   host->page_bytes / 1024, host->model[0] ? ", " : "", board_length(host->model), host->model);
	}
}

/* --- clocks ------------------------------------------------------------------------------------------------------ */

/* Those that take a system call and a slow device to be read. */
static bool is_slow_clock(const char *name)
{
	static const char *const slow[] = { "hpet", "acpi_pm", "jiffies", "pit" };

	for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
		if (strcmp(name, slow[i]) == 0)
			return true;
	return false;
}

/* The date does not matter: no time of a frame is of CLOCK_REALTIME. */
void doctor_check_clock(struct doctor *doctor)
{
	const char *sensor = json_text(json_get(doctor->status, "source"), "sensor_clock");
	const double suspended_s = (double)doctor->host.suspended_ns / 1e9;
	char source[32];

	host_read(&doctor->host, "/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
		  sizeof(source));
	if (doctor->host.clock_step_ns > COARSE_NS || is_slow_clock(source)) {
		doctor_add(doctor, "clock", DOCTOR_NOTE, "%s%s in steps of %.0f ns: %s", source[0] ? source : "a clock",
			   source[0] ? "," : "", (double)doctor->host.clock_step_ns,
			   is_slow_clock(source) ? "slow to be read, and it is for every frame"
						 : "latencies are not to be measured by it");
		doctor_advise(doctor,
			      "cat /sys/devices/system/clocksource/clocksource0/available_clocksource has others; "
			      "clocksource= on the kernel's command line chooses");
	} else if (strcmp(sensor, "unknown") == 0 && suspended_s >= 1) {
		doctor_add(
			doctor, "clock", DOCTOR_NOTE,
			"of the sensor's it is not known whether it counts the %.0f s that this machine was suspended",
			suspended_s);
		doctor_advise(doctor,
			      "it will be with the next frames; until then compare no sensor_ns with other clocks");
	} else {
		doctor_add(doctor, "clock", DOCTOR_OK, "%s%s; any date will do", sensor[0] ? "sensor: " : source,
			   strcmp(sensor, "unknown") == 0 ? "monotonic (never suspended)" : sensor);
	}
}

/* --- the processor ----------------------------------------------------------------------------------------------- */

#define THROTTLED_NOW 0x0000fu  /* under-voltage, capped, throttled, soft temperature limit */
#define THROTTLED_PAST 0xf0000u /* the same since the machine was started */

/* The firmware's word; without one what the sensor of the supply says. */
static unsigned long throttled(const struct doctor *doctor)
{
	static struct host_names sensors;
	char text[64], path[128];

	if (host_read(&doctor->host, "/sys/devices/platform/soc/soc:firmware/get_throttled", text, sizeof(text)))
		return strtoul(text, NULL, 16);
	host_list(&doctor->host, "/sys/class/hwmon", "hwmon", &sensors);
	for (unsigned i = 0; i < sensors.count; i++) {
		snprintf(path, sizeof(path), "/sys/class/hwmon/%s/name", sensors.names[i]);
		if (!host_read(&doctor->host, path, text, sizeof(text)) || strcmp(text, "rpi_volt") != 0)
			continue;
		snprintf(path, sizeof(path), "/sys/class/hwmon/%s/in0_lcrit_alarm", sensors.names[i]);
		host_read(&doctor->host, path, text, sizeof(text));
		return text[0] == '1' ? 1 : 0;
	}
	return 0;
}

static void say_throttled(struct doctor *doctor, unsigned long word)
{
	const bool is_now = word & THROTTLED_NOW, is_hot = (word & 8u) || (!is_now && (word & 0x80000u));
	const bool is_under = (word & 1u) || (!is_now && (word & 0x10000u));

	doctor_add(doctor, "cpu", is_now ? DOCTOR_PROBLEM : DOCTOR_NOTE, "%s slowed down%s (%s, 0x%lx)",
		   is_now ? "it is" : "it was", is_now ? "" : " since the start",
		   is_under ? "too little voltage"
		   : is_hot ? "too hot"
			    : "by the firmware",
		   word);
	if (is_under)
		doctor_advise(doctor,
			      "use the board's own power supply and a short cable: 5 V and 3 A, a Raspberry Pi 5 5 A");
	else
		doctor_advise(doctor, "cool it: a heat sink, a fan, room around it");
}

static void say_governor(struct doctor *doctor, const char *governor, const char *driver, const char *cpus)
{
	/* These two have a "powersave" that is none. */
	const bool is_own = strncmp(driver, "intel_pstate", 12) == 0 || strncmp(driver, "amd-pstate", 10) == 0;
	const bool is_low = strcmp(governor, "powersave") == 0 && !is_own;

	if (is_low || (doctor->host.is_pi && strcmp(governor, "ondemand") == 0)) {
		doctor_add(doctor, "cpu", DOCTOR_NOTE, "%s, governor %s: %s", cpus, governor,
			   is_low ? "always at the lowest frequency" : "frames after a pause take longer");
		doctor_command(doctor,
			       "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
	} else {
		doctor_add(doctor, "cpu", DOCTOR_OK, "%s%s%s%s%s", cpus, governor[0] ? ", governor " : "", governor,
			   doctor->status ? ", kernels for " : "", json_text(json_get(doctor->status, "copy"), "cpu"));
	}
}

/* cpu0, cpu1; not cpufreq and cpuidle. */
static struct host_name count_cpus(const struct doctor *doctor)
{
	static struct host_names names;
	struct host_name text;
	unsigned count = 0;

	host_list(&doctor->host, "/sys/devices/system/cpu", "cpu", &names);
	for (unsigned i = 0; i < names.count; i++)
		count += names.names[i][3] >= '0' && names.names[i][3] <= '9';
	snprintf(text.text, sizeof(text.text), "%u%s", count, names.is_cut ? " or more" : "");
	return text;
}

void doctor_check_cpu(struct doctor *doctor)
{
	const unsigned long word = throttled(doctor);
	char governor[32], driver[32];

	host_read(&doctor->host, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor, sizeof(governor));
	host_read(&doctor->host, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", driver, sizeof(driver));
	say_governor(doctor, governor, driver, count_cpus(doctor).text);
	if (word & (THROTTLED_NOW | THROTTLED_PAST))
		say_throttled(doctor, word);
}
