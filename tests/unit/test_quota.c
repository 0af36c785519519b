/* SPDX-License-Identifier: BSD-2-Clause */
/* test_quota.c - connections and attaches per uid, at each limit and one beyond, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
/* The source, not the header: how many uids are remembered is nobody else's business. */
#include "publish/quota.c"

#define ROOT 0u
#define OWN 900u
#define ANNA 1000u
#define BERT 1001u
#define FAST 1000000u /* a rate that never refuses here */

static struct quota *quota;
static char text[240];

static void make(unsigned clients_max, unsigned clients_per_uid, unsigned attach_rate)
{
	const struct quota_limits limits = { clients_max, clients_per_uid, attach_rate };

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
	for (unsigned i = 0; i < count; i++)
		if (quota_take(quota, uid, now_ns, text, sizeof(text)) != 0)
			fail_msg("connection %u of uid %u at %llu: %s", i + 1, (unsigned)uid,
				 (unsigned long long)now_ns, text);
}

static void expect_refused(uid_t uid, uint64_t now_ns, int error, const char *sentence)
{
	text[0] = '\0';
	assert_int_equal(quota_take(quota, uid, now_ns, text, sizeof(text)), error);
	assert_string_equal(text, sentence);
}

static void give(unsigned count, uid_t uid)
{
	while (count-- > 0)
		quota_give(quota, uid);
}

static void test_clients_max(void **state)
{
	static const char full[] =
		"this camera has 4 clients already, its limit (clients-max): close some, or raise it";

	(void)state;
	make(4, 4, FAST);
	expect_taken(2, ANNA, 0);
	expect_taken(1, BERT, 0);
	expect_taken(1, OWN, 0);
	for (unsigned i = 0; i < 3; i++) { /* who is refused is not counted */
		expect_refused(ANNA, 0, -EUSERS, full);
		expect_refused(BERT, 0, -EUSERS, full);
		expect_refused(OWN, 0, -EUSERS, full);
	}
	give(1, OWN);
	expect_taken(1, BERT, 0);
	expect_refused(OWN, 0, -EUSERS, full);
}

static void test_reserve_for_root(void **state)
{
	(void)state;
	make(4, 4, FAST);
	expect_taken(4, ANNA, 0);
	expect_taken(QUOTA_RESERVE, ROOT, 0);
	expect_refused(ROOT, 0, -EUSERS,
		       "this camera has 12 clients already, its limit (clients-max, and some more for root): close "
		       "some, or raise it");
	give(4, ANNA);
	/* Root's count as any other's for those who have no reserve. */
	expect_refused(ANNA, 0, -EUSERS,
		       "this camera has 8 clients already, its limit (clients-max): close some, or raise it");
	give(5, ROOT);
	expect_taken(1, ANNA, 0);
	expect_refused(BERT, 0, -EUSERS,
		       "this camera has 4 clients already, its limit (clients-max): close some, or raise it");
}

static void test_clients_per_uid(void **state)
{
	static const char full[] =
		"uid 1000 has 3 clients of this camera already, its limit (clients-per-uid): close some, or raise it";

	(void)state;
	make(6, 3, FAST);
	expect_taken(3, ANNA, 0);
	for (unsigned i = 0; i < 3; i++)
		expect_refused(ANNA, 0, -EUSERS, full);
	expect_taken(2, BERT, 0);
	give(1, ANNA);
	expect_taken(1, ANNA, 0);
	expect_refused(ANNA, 0, -EUSERS, full);
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

static void test_burst(void **state)
{
	(void)state;
	assert_int_equal(quota_burst(&(struct quota_limits){ 512, 256, 200 }), 512);
	assert_int_equal(quota_burst(&(struct quota_limits){ 512, 256, 512 }), 512);
	assert_int_equal(quota_burst(&(struct quota_limits){ 512, 256, 513 }), 513);
	assert_int_equal(quota_burst(&(struct quota_limits){ 1, 1, 1 }), 2);
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
	static const char fast[] =
		"uid 1000 opens connections faster than 10 a second (attach-rate; 10 at once after a "
		"pause): try again later, or raise it";
	const uint64_t begin_ns = UINT64_C(5000) * NS_PER_SECOND, period_ns = NS_PER_SECOND / 10;
	uint64_t now_ns = begin_ns;

	(void)state;
	make(8, 2, 10);
	expect_visits(10, ANNA, now_ns);
	expect_refused(ANNA, now_ns, -EBUSY, fast);
	expect_visits(10, BERT, now_ns); /* another uid has a bucket of its own */
	/* One more in each period, not earlier; a refusal takes nothing. */
	for (unsigned i = 0; i < 20; i++) {
		expect_refused(ANNA, now_ns + period_ns - 1, -EBUSY, fast);
		now_ns += period_ns;
		expect_visits(1, ANNA, now_ns);
		expect_refused(ANNA, now_ns, -EBUSY, fast);
	}
	/* A whole burst after a second of rest, and no more after a year. */
	now_ns += NS_PER_SECOND;
	expect_visits(10, ANNA, now_ns);
	expect_refused(ANNA, now_ns, -EBUSY, fast);
	now_ns += UINT64_C(31557600) * NS_PER_SECOND;
	expect_visits(10, ANNA, now_ns);
	expect_refused(ANNA, now_ns, -EBUSY, fast);
}

/* The number of connections is looked at first, and costs nothing of the rate. */
static void test_refused_for_a_number(void **state)
{
	(void)state;
	make(4, 2, 4);
	expect_taken(2, ANNA, 0);
	for (unsigned i = 0; i < 10; i++)
		expect_refused(ANNA, 0, -EUSERS,
			       "uid 1000 has 2 clients of this camera already, its limit (clients-per-uid): close "
			       "some, or raise it");
	give(2, ANNA);
	expect_visits(2, ANNA, 0);
	expect_refused(ANNA, 0, -EBUSY,
		       "uid 1000 opens connections faster than 4 a second (attach-rate; 4 at once after a pause): try "
		       "again later, or raise it");
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
	expect_refused(
		ANNA, 0, -EUSERS,
		"uid 1000 has 2 clients of this camera already, its limit (clients-per-uid): close some, or raise "
		"it");
	expect_refused(
		BERT, 0, -EBUSY,
		"uid 1001 opens connections faster than 10 a second (attach-rate; 10 at once after a pause): try "
		"again later, or raise it");
	expect_taken(1, 3000, now_ns);
	expect_taken(1, 3001, now_ns);
	expect_refused(3002, now_ns, -EUSERS,
		       "this camera has 4 clients already, its limit (clients-max): close some, or raise it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_clients_max, teardown),
		cmocka_unit_test_teardown(test_reserve_for_root, teardown),
		cmocka_unit_test_teardown(test_clients_per_uid, teardown),
		cmocka_unit_test_teardown(test_exempt, teardown),
		cmocka_unit_test_teardown(test_burst, teardown),
		cmocka_unit_test_teardown(test_rate, teardown),
		cmocka_unit_test_teardown(test_refused_for_a_number, teardown),
		cmocka_unit_test_teardown(test_forgets, teardown),
		cmocka_unit_test_teardown(test_many_uids, teardown),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
