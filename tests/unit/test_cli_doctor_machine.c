/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_doctor_machine.c - each failure of a machine that `lumaring doctor` knows is provoked once: cameras, heaps,
 * memory, kernel, processor, libcamera; and there may be more processes, descriptors and names than it looks at.
 */
#include "doctor_probe.h"

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

/* --- limits ---------------------------------------------------------------------------------------------------------
 */

/* As many names of one file as wanted, "DIRECTORY/900001" and on. */
static void put_many(const char *directory, unsigned count)
{
	const struct host_path whole = host_path(&world.doctor.host, "%s", directory);
	const struct host_path one = host_path(&world.doctor.host, "%s/900001", directory);
	char name[16];
	int fd;

	put(one.text + strlen(world.root), "");
	fd = open(whole.text, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (unsigned i = 2; i <= count; i++) {
		snprintf(name, sizeof(name), "%u", 900000 + i);
		assert_int_equal(linkat(fd, "900001", fd, name, 0), 0);
	}
	close(fd);
}

#define PROCESSES_MAX 32768u
#define DESCRIPTORS_MAX 4096u

/* What was not looked at is told. */
static void test_too_many_processes(void **state)
{
	(void)state;
	put_many("/proc", PROCESSES_MAX - 2); /* and 1 and 812 */
	expect(doctor_check_holders, DOCTOR_OK, "only the daemon has a camera open", NULL);
	assert_null(strstr(world.doctor.findings[0].text, "32768"));
	put("/proc/7/comm", "one more\n");
	expect(doctor_check_holders, DOCTOR_OK,
	       " has a camera open, of the first 32768 processes and 4096 descriptors of each", NULL);
}

static void test_too_many_descriptors(void **state)
{
	(void)state;
	put_many("/proc/1/fd", DESCRIPTORS_MAX - 1); /* and 0 */
	expect(doctor_check_holders, DOCTOR_OK, "only the daemon has a camera open", NULL);
	assert_null(strstr(world.doctor.findings[0].text, "4096"));
	put_link("/proc/1/fd/7", "/dev/null");
	expect(doctor_check_holders, DOCTOR_OK,
	       "only the daemon has a camera open, of the first 32768 processes and 4096 descriptors of each", NULL);
}

/* As many names of a directory as are listed, and one more. */
static void test_too_many_names(void **state)
{
	char path[64];

	(void)state;
	take("/sys/devices/system/cpu/cpufreq/x");
	for (unsigned i = 2; i < HOST_NAMES_MAX - 1; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/x", i);
		put(path, "");
	}
	expect(doctor_check_cpu, DOCTOR_OK, "255, governor performance", NULL); /* cpufreq is there, too */
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/x", HOST_NAMES_MAX);
	put(path, "");
	expect(doctor_check_cpu, DOCTOR_OK, " or more, governor performance", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		MACHINE_TEST(test_too_many_processes),
		MACHINE_TEST(test_too_many_descriptors),
		MACHINE_TEST(test_too_many_names),
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
