/* SPDX-License-Identifier: BSD-2-Clause */
/* test_log_outage.c - when trouble that comes and goes is told, at times that the test makes up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log_outage.h"

#define S NS_PER_SECOND
#define BEGAN (1000 * S)
#define QUIET_NS (LIMIT_LOG_QUIET_S * S)

static void test_once(void **state)
{
	struct log_outage outage = { 0 };

	(void)state;
	log_outage_works(&outage);
	assert_true(log_outage_next_ns(&outage) == UINT64_MAX);
	assert_false(log_outage_ends(&outage, BEGAN));
	assert_true(log_outage_fails(&outage, BEGAN));
	assert_false(log_outage_fails(&outage, BEGAN + S));
	/* As long as nothing works it is not over. */
	assert_true(log_outage_next_ns(&outage) == UINT64_MAX);
	assert_false(log_outage_ends(&outage, BEGAN + 2 * QUIET_NS));
	log_outage_works(&outage);
	assert_true(log_outage_next_ns(&outage) == BEGAN + S + QUIET_NS);
	assert_false(log_outage_ends(&outage, BEGAN + S + QUIET_NS - 1));
	assert_true(log_outage_ends(&outage, BEGAN + S + QUIET_NS));
	assert_false(log_outage_ends(&outage, BEGAN + 3 * QUIET_NS));
	assert_true(log_outage_next_ns(&outage) == UINT64_MAX);
	/* The next one is another. */
	assert_true(log_outage_fails(&outage, BEGAN + 3 * QUIET_NS));
}

/* Working now and then it is one outage, told once. */
static void test_now_and_then(void **state)
{
	struct log_outage outage = { 0 };
	unsigned told = 0;

	(void)state;
	for (uint64_t at = BEGAN; at < BEGAN + 100 * QUIET_NS; at += QUIET_NS) {
		told += log_outage_fails(&outage, at);
		log_outage_works(&outage);
		assert_false(log_outage_ends(&outage, at + QUIET_NS - 1));
	}
	assert_int_equal(told, 1);
	assert_true(log_outage_ends(&outage, BEGAN + 100 * QUIET_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_now_and_then),
	};

	return cmocka_run_group_tests_name("log_outage", tests, NULL, NULL);
}
