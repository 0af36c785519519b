/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_base.c - names and numbers that people write, and processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/names.h"
#include "base/process.h"

/* --- names -------------------------------------------------------------------------------------------------------- */

static void test_name_valid(void **state)
{
	static const char *const good[] = { "a", "cam0", "left_eye-2", "_", "-", "abcdefghijklmnopqrstuvwxyz012345" };
	static const char *const bad[] = {
		"", "Cam", "a b", "a/b", "..", "a.b", "caf\xc3\xa9", "a\n",
		"abcdefghijklmnopqrstuvwxyz0123456"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(name_valid(bad[i]));
}

static void test_parse_size(void **state)
{
	static const char *const bad[] = {
		"", "x", "12x", "x12", "12", "0x1", "1x0", "1x1x1", "1X1", " 1x1", "1x1 ", "+1x1", "-1x1",
		"1x-1", "65536x1", "1x65536", "1.5x1", "0x10x", "1x 1", "1,1", "4294967297x1",
		"1x18446744073709551617"
	};
	uint32_t width = 7, height = 8;
	char error[256] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse_size("--size", bad[i], &width, &height, error, sizeof(error)), -EINVAL);
		assert_int_equal(width, 7);
		assert_int_equal(height, 8);
	}
	assert_int_equal(parse_size("--size", "12x", &width, &height, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "--size: \"12x\" is not WIDTHxHEIGHT, each 1 to 65535");
	assert_int_equal(parse_size("--size", "2304x1296", &width, &height, error, sizeof(error)), 0);
	assert_int_equal(width, 2304);
	assert_int_equal(height, 1296);
	assert_int_equal(parse_size("--size", "1x65535", &width, &height, error, sizeof(error)), 0);
	assert_int_equal(parse_size("--size", "65535x1", &width, &height, error, sizeof(error)), 0);
	assert_int_equal(width, 65535);
	assert_int_equal(height, 1);
}

static void test_parse_region(void **state)
{
	static const char *const bad[] = {
		"", "1,2,3", "1,2,3,", "1,2,3,4,", "1,2,0,4", "1,2,3,0", "65536,0,1,1", "0,65536,1,1",
		"0,0,65536,1", "0,0,1,65536", "-1,0,1,1", ",0,1,1", "1, 2,3,4", "1;2;3;4", "1,2,3,4x",
		"1,,3,4"
	};
	struct region region = { 9, 9, 9, 9 };
	char error[256] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse_region("region", bad[i], &region, error, sizeof(error)), -EINVAL);
		assert_int_equal(region.x + region.y + region.width + region.height, 36);
	}
	assert_int_equal(parse_region("region", "1,2,0,4", &region, error, sizeof(error)), -EINVAL);
	assert_string_equal(error,
			    "region: \"1,2,0,4\" is not X,Y,WIDTH,HEIGHT, X and Y 0 to 65535, WIDTH and HEIGHT 1 "
			    "to 65535");
	assert_int_equal(parse_region("region", "0,65535,1,65535", &region, error, sizeof(error)), 0);
	assert_int_equal(region.x, 0);
	assert_int_equal(region.y, 65535);
	assert_int_equal(region.width, 1);
	assert_int_equal(region.height, 65535);
}

static void test_parse_framerates(void **state)
{
	static const struct {
		const char *text;
		uint64_t min_ns, max_ns; /* max 0: the same */
	} good[] = {
		{ "30", 33333333, 0 },
		{ "60", 16666667, 0 },
		{ "29.97", 33366700, 0 },
		{ "30000/1001", 33366667, 0 },
		{ "56", 17857143, 0 },
		{ "56.03", 17847582, 0 },
		{ "10000", 100000, 0 },
		{ "10000.000000000", 100000, 0 },
		{ "1", 1000000000, 0 },
		{ "0.5", 2000000000, 0 },
		{ "1/4294967295", UINT64_C(4294967295000000000), 0 },
		{ "0.000000001", UINT64_C(1000000000000000000), 0 },
		{ "4294967295/4294967295", 1000000000, 0 },
		{ "4294967295/429497", 100000, 0 },
		{ "2/3", 1500000000, 0 },
		{ "15-56", 17857143, 66666667 },
		{ "0.5-30000/1001", 33366667, 2000000000 },
		{ "30-30", 33333333, 33333333 },
	};
	static const char *const bad[] = {
		"", "0", "0.0", "0/1", "1/0", "-1", "+1", "1e3", ".5", "5.", "1.2.3", "1/2/3", "1.5/2", "1/",
		"/1", "10000.000000001", "10001", "20001/2", "inf", "nan", "30fps", "30 ", "0.0000000001",
		"4294967296/2", "1/4294967296", "0x1e", "4294967295/429495", "99999999999999999999", "56-15",
		"30-29.999999", "15-", "-56", "0-56", "15-10001", "15-30-56", "15 - 56"
	};
	uint64_t min_ns = 5, max_ns = 6;
	char error[256] = "", text[80];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse_framerates("f", bad[i], &min_ns, &max_ns, error, sizeof(error)), -EINVAL);
		assert_true(min_ns == 5 && max_ns == 6);
	}
	assert_int_equal(parse_framerates("--framerate", "0", &min_ns, &max_ns, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "--framerate: \"0\" is not frames per second, such as 30, 29.97, 30000/1001 or, "
				   "slowest and fastest, 15-56, above 0 and up to 10000");
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(parse_framerates("f", good[i].text, &min_ns, &max_ns, error, sizeof(error)), 0);
		assert_int_equal(min_ns, good[i].min_ns);
		assert_int_equal(max_ns, good[i].max_ns ? good[i].max_ns : good[i].min_ns);
	}
	/* The longest, and one more. */
	snprintf(text, sizeof(text), "%0*d", (int)FRAMERATE_BYTES - 1, 30);
	assert_int_equal(parse_framerates("f", text, &min_ns, &max_ns, error, sizeof(error)), 0);
	snprintf(text, sizeof(text), "%0*d", (int)FRAMERATE_BYTES, 30);
	assert_int_equal(parse_framerates("f", text, &min_ns, &max_ns, error, sizeof(error)), -EINVAL);
}

static void test_parse_integer(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "-1", -1 },
		{ "007", 7 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775807", -INT64_MAX },
	};
	static const char *const bad[] = {
		"", "-", "--1", "+1", "1-", " 1", "1 ", "1.0", "9223372036854775808", "-1k"
	};
	int64_t value = 5;
	char error[256] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse_integer("n", bad[i], INT64_MIN, INT64_MAX, &value, error, sizeof(error)),
				 -EINVAL);
		assert_int_equal(value, 5);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(parse_integer("n", good[i].text, INT64_MIN, INT64_MAX, &value, error, sizeof(error)),
				 0);
		assert_true(value == good[i].value);
	}
	assert_int_equal(parse_integer("n", "-8000", -8000, 8000, &value, error, sizeof(error)), 0);
	assert_int_equal(parse_integer("n", "-8001", -8000, 8000, &value, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "n: \"-8001\" is not a whole number, -8000 to 8000");
	assert_int_equal(parse_integer("n", "8001", -8000, 8000, &value, error, sizeof(error)), -EINVAL);
	assert_true(value == -8000);
}

static void test_parse_bytes(void **state)
{
	static const char *const bad[] = {
		"", "k", "1kB", "1 k", "-1", "1.5k", "1T", "1kk", "18446744073709551616",
		"18014398509481984k", "17179869184G", "99999999999999999999999"
	};
	uint64_t bytes = 5;
	char error[256] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse_bytes("b", bad[i], 0, UINT64_MAX, &bytes, error, sizeof(error)), -EINVAL);
		assert_int_equal(bytes, 5);
	}
	assert_int_equal(parse_bytes("--ring-bytes", "4095", 4096, 1 << 20, &bytes, error, sizeof(error)), -EINVAL);
	assert_string_equal(error,
			    "--ring-bytes: \"4095\" is not a number of bytes, such as 4096, 64k, 16M or 1G, 4096 to "
			    "1048576");
	assert_int_equal(parse_bytes("b", "1025k", 4096, 1 << 20, &bytes, error, sizeof(error)), -EINVAL);
	assert_int_equal(parse_bytes("b", "1024k", 4096, 1 << 20, &bytes, error, sizeof(error)), 0);
	assert_int_equal(bytes, 1 << 20);
	assert_int_equal(parse_bytes("b", "4K", 4096, 1 << 20, &bytes, error, sizeof(error)), 0);
	assert_int_equal(bytes, 4096);
	assert_int_equal(parse_bytes("b", "1M", 4096, 1 << 20, &bytes, error, sizeof(error)), 0);
	assert_int_equal(bytes, 1 << 20);
	assert_int_equal(parse_bytes("b", "3G", 0, UINT64_MAX, &bytes, error, sizeof(error)), 0);
	assert_int_equal(bytes, UINT64_C(3) << 30);
	assert_int_equal(parse_bytes("b", "18446744073709551615", 0, UINT64_MAX, &bytes, error, sizeof(error)), 0);
	assert_true(bytes == UINT64_MAX);
}

static void test_parse_unsigned(void **state)
{
	static const char *const bad[] = {
		"", "3", "65536", "4x", " 4", "4 ", "+4", "-4", "0x10", "4.0", "18446744073709551620",
		"184467440737095516160"
	};
	uint64_t value = 5;
	char error[256] = "", text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse_unsigned("n", bad[i], 4, 65535, &value, error, sizeof(error)), -EINVAL);
		assert_int_equal(value, 5);
	}
	assert_int_equal(parse_unsigned("--slots", "3", 4, 65535, &value, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "--slots: \"3\" is not a whole number, 4 to 65535");
	assert_int_equal(parse_unsigned("n", "4", 4, 65535, &value, error, sizeof(error)), 0);
	assert_int_equal(value, 4);
	assert_int_equal(parse_unsigned("n", "0065535", 4, 65535, &value, error, sizeof(error)), 0);
	assert_int_equal(value, 65535);
	assert_int_equal(parse_unsigned("n", "18446744073709551615", 0, UINT64_MAX, &value, error, sizeof(error)), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(parse_unsigned("n", "0", 0, 0, &value, error, sizeof(error)), 0);
	assert_int_equal(parse_unsigned("n", "1", 0, 0, &value, error, sizeof(error)), -EINVAL);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse_unsigned("n", text, 1, 2, &value, error, sizeof(error)), -EINVAL);
	assert_string_equal(error,
			    "n: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" is not a whole "
			    "number, 1 to 2");
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

static void test_process(void **state)
{
	uint64_t start = process_start_ticks(getpid()), child_start;
	int gate[2];
	siginfo_t info;
	pid_t pid;

	(void)state;
	assert_true(start > 0);
	assert_true(process_is(getpid(), start));
	assert_false(process_is(getpid(), start + 1));
	assert_false(process_is(getpid(), 0));
	assert_false(process_is(INT32_MAX, 0));
	assert_int_equal(process_start_ticks(0), 0);
	assert_int_equal(process_start_ticks(-1), 0);
	assert_int_equal(process_start_ticks(INT32_MAX), 0);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		close(gate[1]);
		_exit((int)read(gate[0], &byte, 1));
	}
	assert_true(pid > 0);
	child_start = process_start_ticks(pid);
	assert_true(child_start >= start);
	assert_true(process_is(pid, child_start));
	assert_false(process_has_ended(pid));
	close(gate[1]);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(process_start_ticks(pid), 0); /* ended, though its parent has not waited for it */
	assert_false(process_is(pid, child_start));
	assert_true(process_has_ended(pid));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(process_has_ended(pid));
	assert_false(process_has_ended(getpid()));
	assert_false(process_has_ended(0)); /* of another namespace */
	assert_false(process_has_ended(-1));
	assert_false(process_is(pid, child_start));
	close(gate[0]);
}

/* A process can call itself anything. */
static void test_process_name(void **state)
{
	static const char *const names[] = { "a) Z 1 2 3", ") ) )", "(", ")", "x y\nz", "a) S 1" };
	uint64_t start = process_start_ticks(getpid());
	char before[16];

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(prctl(PR_SET_NAME, names[i]), 0);
		assert_int_equal(process_start_ticks(getpid()), start);
	}
	prctl(PR_SET_NAME, before);
}

/* 0: as it is to be; in a process of its own, whose session it changes. */
static int look_for_terminal(void)
{
	int pty = posix_openpt(O_RDWR | O_NOCTTY);

	if (setsid() < 0 || process_has_terminal())
		return 1;
	if (pty < 0 || grantpt(pty) < 0 || unlockpt(pty) < 0)
		return 77;
	if (open(ptsname(pty), O_RDWR) < 0) /* of a leader without one, it becomes its terminal */
		return 2;
	return process_has_terminal() ? 0 : 3;
}

static void test_terminal(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(look_for_terminal());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_boot_id(void **state)
{
	uint8_t id[16] = { 0 };
	char expected[64] = "", text[64];
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	(void)state;
	assert_non_null(file);
	assert_non_null(fgets(expected, sizeof(expected), file));
	fclose(file);
	assert_int_equal(boot_id_read(id), 0);
	snprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n", id[0],
		 id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13], id[14],
		 id[15]);
	assert_string_equal(text, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_valid),
		cmocka_unit_test(test_parse_size),
		cmocka_unit_test(test_parse_region),
		cmocka_unit_test(test_parse_framerates),
		cmocka_unit_test(test_parse_integer),
		cmocka_unit_test(test_parse_bytes),
		cmocka_unit_test(test_parse_unsigned),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_process_name),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_boot_id),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
