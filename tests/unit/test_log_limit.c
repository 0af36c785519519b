/* SPDX-License-Identifier: BSD-2-Clause */
/* test_log_limit.c - what clients can make the daemon write, at times that the test makes up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_limit.h"

#define S NS_PER_SECOND
#define BEGAN (1000 * S)

static struct log_limit limit;
static struct log_entry told;
static char told_line[256];
static unsigned told_count;

static void note(const struct log_entry *entry)
{
	told = *entry;
	snprintf(told_line, sizeof(told_line), "%s", entry->line);
	told_count++;
}

static int setup(void **state)
{
	(void)state;
	memset(&limit, 0, sizeof(limit));
	told_count = 0;
	log_set_sink(note);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL);
	return 0;
}

/* How many of so many lines are written? */
static unsigned passed(uid_t uid, unsigned lines, uint64_t now_ns)
{
	unsigned count = 0;

	while (lines-- > 0)
		count += log_limit_pass(&limit, uid, now_ns);
	return count;
}

/* At the limit all is written and nothing told; one more is counted, and told once. */
static void test_limit(void **state)
{
	(void)state;
	assert_int_equal(passed(1000, LIMIT_LOG_LINES, BEGAN), LIMIT_LOG_LINES);
	assert_true(log_limit_next_ns(&limit) == UINT64_MAX);
	assert_int_equal(passed(1000, 1, BEGAN + S), 0);
	assert_true(log_limit_next_ns(&limit) == BEGAN + S + LIMIT_LOG_QUIET_S * S);
	log_limit_tell(&limit, BEGAN + S + LIMIT_LOG_QUIET_S * S - 1);
	assert_int_equal(told_count, 0);
	log_limit_tell(&limit, BEGAN + S + LIMIT_LOG_QUIET_S * S);
	assert_int_equal(told_count, 1);
	assert_string_equal(told_line, "clients of uid 1000: lines left out: 1, within 1 s");
	assert_int_equal(told.fields.event, LOG_EVENT_CLIENT_LEFT_OUT);
	assert_true(told.fields.is_client && told.fields.client_uid == 1000 && told.fields.client_pid == 0);
	log_limit_tell(&limit, UINT64_MAX);
	assert_int_equal(told_count, 1);
	assert_true(log_limit_next_ns(&limit) == UINT64_MAX);
}

/* Quiet for long enough, it has as many lines as before; also when nobody asked in between. */
static void test_quiet(void **state)
{
	(void)state;
	assert_int_equal(passed(1000, 100, BEGAN), LIMIT_LOG_LINES);
	assert_int_equal(passed(1000, 1, BEGAN + LIMIT_LOG_QUIET_S * S - 1), 0);
	assert_int_equal(told_count, 0);
	assert_int_equal(passed(1000, 100, BEGAN + 2 * LIMIT_LOG_QUIET_S * S), LIMIT_LOG_LINES);
	assert_int_equal(told_count, 1);
	assert_string_equal(told_line, "clients of uid 1000: lines left out: 96, within 10 s");
}

/* Some lines now and then are no flood. */
static void test_now_and_then(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(passed(1000, 1, BEGAN + i * LIMIT_LOG_QUIET_S * S), 1);
	assert_int_equal(told_count, 0);
}

/* One that never stops is told of all the same. */
static void test_for_ever(void **state)
{
	const unsigned seconds = 3 * LIMIT_LOG_MOST_S;
	unsigned written = 0;

	(void)state;
	for (unsigned i = 0; i < seconds; i++)
		written += passed(1000, 10, BEGAN + i * S);
	log_limit_tell(&limit, UINT64_MAX);
	assert_int_equal(written, 3 * LIMIT_LOG_LINES);
	assert_int_equal(told_count, 3);
	assert_string_equal(told_line, "clients of uid 1000: lines left out: 5995, within 599 s");
}

static void test_uids_apart(void **state)
{
	(void)state;
	assert_int_equal(passed(1000, 1000000, BEGAN), LIMIT_LOG_LINES);
	assert_int_equal(passed(1001, 1, BEGAN), 1);
	assert_int_equal(passed(0, 2, BEGAN), 2);
	log_limit_tell(&limit, UINT64_MAX);
	assert_int_equal(told_count, 1);
	assert_true(told.fields.client_uid == 1000);
}

/* Each uid up to the last place has its own lines, all beyond share what one has. */
static void test_no_place(void **state)
{
	unsigned written = 0;

	(void)state;
	for (uid_t uid = 0; uid < LIMIT_LOG_UIDS; uid++)
		assert_int_equal(passed(uid, LIMIT_LOG_LINES, BEGAN), LIMIT_LOG_LINES);
	for (uid_t uid = LIMIT_LOG_UIDS; uid < 3 * LIMIT_LOG_UIDS; uid++)
		written += passed(uid, 1, BEGAN);
	assert_int_equal(written, LIMIT_LOG_LINES);
	assert_true(log_limit_next_ns(&limit) == BEGAN + LIMIT_LOG_QUIET_S * S);
	log_limit_tell(&limit, BEGAN + LIMIT_LOG_QUIET_S * S);
	assert_int_equal(told_count, 1);
	assert_string_equal(told_line, "clients of many other uids: lines left out: 123, within 0 s");
	assert_false(told.fields.is_client);
	/* All places are free again. */
	assert_int_equal(passed(5000, LIMIT_LOG_LINES, BEGAN + LIMIT_LOG_QUIET_S * S), LIMIT_LOG_LINES);
	assert_int_equal(limit.uid_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_now_and_then, setup, teardown),
		cmocka_unit_test_setup_teardown(test_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uids_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_place, setup, teardown),
	};

	return cmocka_run_group_tests_name("log_limit", tests, NULL, NULL);
}
