/* SPDX-License-Identifier: BSD-2-Clause */
/* test_quota.c - connections and a rate per uid, at each limit and one beyond, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
/* The source, not the header: how many uids are remembered is nobody else's business. */
#include "base/quota.c"

#define ROOT 0u
#define OWN 900u
#define ANNA 1000u
#define BERT 1001u
#define FAST 1000000u /* a rate that never refuses here */

static struct quota *quota;

static void make(unsigned connections_max, unsigned connections_uid, unsigned rate)
{
	const struct quota_limits limits = { connections_max, connections_uid, rate, .burst = rate };

	quota_destroy(quota);
	quota = NULL;
	assert_int_equal(quota_create(&limits, OWN, &quota), 0);
}

static int teardown(void **state)
{
	(void)state;
	quota_destroy(quota);
	quota = NULL;
	return 0;
}

static void expect_taken(unsigned count, uid_t uid, uint64_t now_ns)
{
	struct quota_refusal refusal;

	for (unsigned i = 0; i < count; i++)
		if (quota_take(quota, uid, now_ns, &refusal) != 0)
			fail_msg("connection %u of uid %u at %llu: limit %u", i + 1, (unsigned)uid,
				 (unsigned long long)now_ns, (unsigned)refusal.limit);
}

static void check_refusal(const struct quota_refusal *refusal, enum quota_limit limit, unsigned maximum, unsigned count)
{
	assert_int_equal(refusal->limit, limit);
	assert_int_equal(refusal->maximum, maximum);
	assert_int_equal(refusal->count, count);
}

/* For a number: `count` connections are there. */
static void expect_full(uid_t uid, uint64_t now_ns, enum quota_limit limit, unsigned maximum, unsigned count)
{
	struct quota_refusal refusal;

	assert_int_equal(quota_take(quota, uid, now_ns, &refusal), -EUSERS);
	check_refusal(&refusal, limit, maximum, count);
	assert_int_equal(refusal.retry_after_ns, 0);
}

static void expect_too_fast(uid_t uid, uint64_t now_ns, unsigned rate, uint64_t retry_after_ns)
{
	struct quota_refusal refusal;

	assert_int_equal(quota_take(quota, uid, now_ns, &refusal), -EBUSY);
	check_refusal(&refusal, QUOTA_RATE, rate, rate);
	assert_int_equal(refusal.retry_after_ns, retry_after_ns);
}

static void give(unsigned count, uid_t uid)
{
	while (count-- > 0)
		quota_give(quota, uid);
}

static void test_connections_max(void **state)
{
	(void)state;
	make(4, 4, FAST);
	expect_taken(2, ANNA, 0);
	expect_taken(1, BERT, 0);
	expect_taken(1, OWN, 0);
	for (unsigned i = 0; i < 3; i++) { /* who is refused is not counted */
		expect_full(ANNA, 0, QUOTA_CONNECTIONS, 4, 4);
		expect_full(BERT, 0, QUOTA_CONNECTIONS, 4, 4);
		expect_full(OWN, 0, QUOTA_CONNECTIONS, 4, 4);
	}
	give(1, OWN);
	expect_taken(1, BERT, 0);
	expect_full(OWN, 0, QUOTA_CONNECTIONS, 4, 4);
}

static void test_reserve_for_root(void **state)
{
	(void)state;
	make(4, 4, FAST);
	expect_taken(4, ANNA, 0);
	expect_taken(QUOTA_RESERVE, ROOT, 0);
	expect_full(ROOT, 0, QUOTA_CONNECTIONS, 12, 12);
	give(4, ANNA);
	/* Root's count as any other's for those who have no reserve. */
	expect_full(ANNA, 0, QUOTA_CONNECTIONS, 4, 8);
	give(5, ROOT);
	expect_taken(1, ANNA, 0);
	expect_full(BERT, 0, QUOTA_CONNECTIONS, 4, 4);
}

static void test_connections_uid(void **state)
{
	(void)state;
	make(6, 3, FAST);
	expect_taken(3, ANNA, 0);
	for (unsigned i = 0; i < 3; i++)
		expect_full(ANNA, 0, QUOTA_CONNECTIONS_UID, 3, 3);
	expect_taken(2, BERT, 0);
	give(1, ANNA);
	expect_taken(1, ANNA, 0);
	expect_full(ANNA, 0, QUOTA_CONNECTIONS_UID, 3, 3);
	expect_taken(1, BERT, 0);
}

static void test_exempt(void **state)
{
	(void)state;
	make(100, 1, 1);
	expect_taken(50, ROOT, 0);
	expect_taken(50, OWN, 0);
	assert_int_equal(quota->entry_count, 0);
	give(50, ROOT);
	give(50, OWN);
	expect_taken(1, ANNA, 0);
	assert_int_equal(quota->entry_count, 1);
}

/* Connect and leave, so that only the rate is left to refuse. */
static void expect_visits(unsigned count, uid_t uid, uint64_t now_ns)
{
	for (unsigned i = 0; i < count; i++) {
		expect_taken(1, uid, now_ns);
		give(1, uid);
	}
}

static void test_rate(void **state)
{
	const uint64_t begin_ns = UINT64_C(5000) * NS_PER_SECOND, period_ns = NS_PER_SECOND / 10;
	uint64_t now_ns = begin_ns;

	(void)state;
	make(8, 2, 10);
	expect_visits(10, ANNA, now_ns);
	expect_too_fast(ANNA, now_ns, 10, period_ns);
	expect_visits(10, BERT, now_ns); /* another uid has a bucket of its own */
	/* One more in each period, not earlier; a refusal takes nothing. */
	for (unsigned i = 0; i < 20; i++) {
		expect_too_fast(ANNA, now_ns + period_ns - 1, 10, 1);
		now_ns += period_ns;
		expect_visits(1, ANNA, now_ns);
		expect_too_fast(ANNA, now_ns, 10, period_ns);
	}
	/* A whole burst after a second of rest, and no more after a year. */
	now_ns += NS_PER_SECOND;
	expect_visits(10, ANNA, now_ns);
	expect_too_fast(ANNA, now_ns, 10, period_ns);
	now_ns += UINT64_C(31557600) * NS_PER_SECOND;
	expect_visits(10, ANNA, now_ns);
	expect_too_fast(ANNA, now_ns, 10, period_ns);
}

/* The burst is a number of its own. */
static void test_burst(void **state)
{
	const struct quota_limits limits = { .connections_max = 8, .connections_uid = 2, .rate = 10, .burst = 20 };
	struct quota_refusal refusal;

	(void)state;
	assert_int_equal(quota_create(&limits, OWN, &quota), 0);
	expect_visits(20, ANNA, 0);
	assert_int_equal(quota_take(quota, ANNA, 0, &refusal), -EBUSY);
	check_refusal(&refusal, QUOTA_RATE, 10, 20);
}

/* What a connection does spends from the same bucket; who is exempt has none. */
static void test_spend(void **state)
{
	struct quota_refusal refusal;

	(void)state;
	make(8, 2, 10);
	expect_taken(1, ANNA, 0);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(quota_spend(quota, ANNA, 0, &refusal), 0);
	assert_int_equal(quota_spend(quota, ANNA, 0, &refusal), -EBUSY);
	check_refusal(&refusal, QUOTA_RATE, 10, 10);
	assert_int_equal(refusal.retry_after_ns, NS_PER_SECOND / 10);
	expect_too_fast(ANNA, 0, 10, NS_PER_SECOND / 10);
	assert_int_equal(quota_spend(quota, ANNA, NS_PER_SECOND / 10, &refusal), 0);
	assert_int_equal(quota_spend(quota, ANNA, NS_PER_SECOND / 10, &refusal), -EBUSY);
	expect_taken(1, ROOT, 0);
	expect_taken(1, OWN, 0);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(quota_spend(quota, ROOT, 0, &refusal), 0);
		assert_int_equal(quota_spend(quota, OWN, 0, &refusal), 0);
	}
}

/* The number of connections is looked at first, and costs nothing of the rate. */
static void test_refused_for_a_number(void **state)
{
	(void)state;
	make(4, 2, 4);
	expect_taken(2, ANNA, 0);
	for (unsigned i = 0; i < 10; i++)
		expect_full(ANNA, 0, QUOTA_CONNECTIONS_UID, 2, 2);
	give(2, ANNA);
	expect_visits(2, ANNA, 0);
	expect_too_fast(ANNA, 0, 4, NS_PER_SECOND / 4);
}

/* A uid is remembered while it is connected or its bucket is not full, and no longer. */
static void test_forgets(void **state)
{
	(void)state;
	make(4, 2, 10);
	expect_visits(1, ANNA, 0);
	expect_taken(1, BERT, 0);
	expect_taken(1, BERT + 1, NS_PER_SECOND / 10 - 1);
	assert_int_equal(quota->entry_count, 3);
	expect_taken(1, BERT + 2, NS_PER_SECOND / 10); /* Anna's is full now, Bert is still there */
	assert_int_equal(quota->entry_count, 3);
	give(1, BERT);
	give(1, BERT + 1);
	give(1, BERT + 2);
	expect_visits(1, ANNA, NS_PER_SECOND);
	assert_int_equal(quota->entry_count, 1);
}

/* More uids than there are entries, all at once: who is connected and who took most of the rate stay remembered. */
static void test_many_uids(void **state)
{
	const uint64_t now_ns = NS_PER_SECOND; /* Anna's bucket is full again, yet she is connected */

	(void)state;
	make(4, 2, 10);
	expect_taken(2, ANNA, 0);
	expect_visits(10, BERT, now_ns);
	for (unsigned uid = 2000; uid < 3000; uid++) {
		expect_visits(1, uid, now_ns);
		assert_true(quota->entry_count <= 8);
	}
	expect_full(ANNA, 0, QUOTA_CONNECTIONS_UID, 2, 2);
	expect_too_fast(BERT, now_ns, 10, NS_PER_SECOND / 10);
	expect_taken(1, 3000, now_ns);
	expect_taken(1, 3001, now_ns);
	expect_full(3002, now_ns, QUOTA_CONNECTIONS, 4, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_connections_max, teardown),
		cmocka_unit_test_teardown(test_reserve_for_root, teardown),
		cmocka_unit_test_teardown(test_connections_uid, teardown),
		cmocka_unit_test_teardown(test_exempt, teardown),
		cmocka_unit_test_teardown(test_burst, teardown),
		cmocka_unit_test_teardown(test_rate, teardown),
		cmocka_unit_test_teardown(test_spend, teardown),
		cmocka_unit_test_teardown(test_refused_for_a_number, teardown),
		cmocka_unit_test_teardown(test_forgets, teardown),
		cmocka_unit_test_teardown(test_many_uids, teardown),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
