/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_doctor_exec.c - programs that `lumaring doctor` runs: what they say and how they end, and that none of them
 * keeps it waiting. The clock is the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../../client-lib/cli/doctor_exec.c"

static uint64_t step_ns; /* that each look at the clock takes */

uint64_t session_now_ns(void)
{
	static uint64_t now_ns;

	return now_ns += step_ns;
}

static char text[64];

static int shell(const char *script)
{
	const char *const words[] = { "sh", "-c", script, NULL };

	return doctor_exec(words, text, sizeof(text));
}

static int set_up(void **state)
{
	(void)state;
	step_ns = 1000; /* as good as none */
	return 0;
}

static void test_what_it_says(void **state)
{
	(void)state;
	assert_int_equal(shell("echo out; echo error >&2; exit 3"), 3);
	assert_string_equal(text, "out\nerror\n");
	assert_int_equal(shell("cat; echo $LC_ALL"), 0); /* there is nothing to read */
	assert_string_equal(text, "C\n");
	assert_int_equal(shell("kill -9 $$"), 128 + SIGKILL);
	assert_string_equal(text, "");
}

static void test_it_is_not_there(void **state)
{
	const char *const words[] = { "/nowhere/program", NULL };

	(void)state;
	assert_int_equal(doctor_exec(words, text, sizeof(text)), -ENOENT);
	assert_int_equal(shell("exit 127"), -ENOENT);
	assert_int_equal(shell("echo something else; exit 127"), 127);
}

static void test_it_says_too_much(void **state)
{
	(void)state;
	assert_int_equal(shell("yes | head -c 300000; exit 4"), 4);
	assert_int_equal(strlen(text), sizeof(text) - 1);
	assert_memory_equal(text, "y\ny\n", 4);
}

/* Whatever it does: it is killed with all that it started, and what it said before is there. */
static void test_it_does_not_end(void **state)
{
	static const char *const scripts[] = {
		"echo $$; exec sleep 1000",                             /* says no more */
		"echo $$; exec >/dev/null 2>&1; exec sleep 1000",       /* has nothing more to say, and stays */
		"echo $$; sleep 1000 & exit 0",                         /* leaves another one with its output */
		"echo $$; trap '' TERM INT; while :; do sleep 9; done", /* ignores what can be ignored */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		int group;

		step_ns = UINT64_C(1000000000);
		assert_int_equal(shell(scripts[i]), -ETIMEDOUT);
		assert_int_equal(sscanf(text, "%d", &group), 1);
		while (kill(-group, 0) == 0) /* one that was killed may take a while to go */
			;
		assert_int_equal(errno, ESRCH);
	}
}

static void test_no_descriptor_is_left(void **state)
{
	int before = dup(0), after;

	(void)state;
	close(before);
	for (unsigned i = 0; i < 3; i++)
		shell("true");
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_it_says, set_up),
		cmocka_unit_test_setup(test_it_is_not_there, set_up),
		cmocka_unit_test_setup(test_it_says_too_much, set_up),
		cmocka_unit_test_setup(test_it_does_not_end, set_up),
		cmocka_unit_test_setup(test_no_descriptor_is_left, set_up),
	};

	return cmocka_run_group_tests_name("doctor_exec", tests, NULL, NULL);
}
