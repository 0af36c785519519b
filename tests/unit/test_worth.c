/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_worth.c - daemon/copy/worth: who is called for a run, by efforts made of numbers; and that a pool listens to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "copy/pool.h"
#include "copy/worth.h"

#define US 1000u
#define PART 614400ull   /* bytes read and written of 640x480 */
#define WHOLE 5971968ull /* of 2304x1296 */

static void note(struct copy_worth *worth, unsigned workers, uint64_t busy_ns, uint64_t bytes)
{
	const struct copy_effort effort = { .workers = workers, .wall_ns = busy_ns / workers, .busy_ns = busy_ns };

	copy_worth_note(worth, &effort, bytes);
}

/* A run of a machine on which one thread takes `alone_ns`, and several twice the CPU time; how many did it. */
static unsigned run(struct copy_worth *worth, unsigned workers, uint64_t alone_ns, uint64_t bytes)
{
	unsigned used = copy_worth_workers(worth, workers, bytes, false);

	note(worth, used, used > 1 ? 2 * alone_ns : alone_ns, bytes);
	return used;
}

static unsigned runs_by_several(struct copy_worth *worth, unsigned count, uint64_t alone_ns)
{
	unsigned several = 0;

	for (unsigned i = 0; i < count; i++)
		several += run(worth, 2, alone_ns, PART) > 1;
	return several;
}

static void test_what_is_not_known_is_left_as_it_is(void **state)
{
	struct copy_worth worth = { .doubts = 0 };

	(void)state;
	assert_int_equal(copy_worth_workers(&worth, 4, PART, false), 4);
	assert_int_equal(copy_worth_workers(&worth, 1, PART, false), 1);
	note(&worth, 1, 10 * US, PART);
	/* Nothing is told of it, and nothing is learned. */
	note(&worth, 1, 10 * US, 0);
	assert_int_equal(copy_worth_workers(&worth, 4, 0, false), 4);
}

static void test_the_limit(void **state)
{
	struct copy_worth worth = { .doubts = 1 };

	(void)state;
	note(&worth, 1, COPY_WORTH_ASLEEP_NS - 1, PART);
	assert_int_equal(copy_worth_workers(&worth, 2, PART, false), 1);
	worth = (struct copy_worth){ .doubts = 1 };
	note(&worth, 1, COPY_WORTH_ASLEEP_NS, PART);
	assert_int_equal(copy_worth_workers(&worth, 2, PART, false), 2);
	worth = (struct copy_worth){ .doubts = 1 };
	note(&worth, 1, COPY_WORTH_AWAKE_NS - 1, PART);
	assert_int_equal(copy_worth_workers(&worth, 2, PART, true), 1);
	worth = (struct copy_worth){ .doubts = 1 };
	note(&worth, 1, COPY_WORTH_AWAKE_NS, PART);
	assert_int_equal(copy_worth_workers(&worth, 2, PART, true), 2);
	assert_int_equal(copy_worth_workers(&worth, 2, PART, false), 1);
}

static void test_sizes_are_kept_apart(void **state)
{
	struct copy_worth worth = { .doubts = 1 };

	(void)state;
	note(&worth, 1, 60 * US, PART);
	note(&worth, 1, 800 * US, WHOLE);
	assert_int_equal(copy_worth_workers(&worth, 2, PART, false), 1);
	assert_int_equal(copy_worth_workers(&worth, 2, WHOLE, false), 2);
	/* Within a factor of two, they are not. */
	assert_int_equal(copy_worth_workers(&worth, 2, 1 << 19, false), 1);
	assert_int_equal(copy_worth_workers(&worth, 2, (1 << 20) - 1, false), 1);
	assert_int_equal(copy_worth_workers(&worth, 2, (1 << 19) - 1, false), 2);
	assert_int_equal(copy_worth_workers(&worth, 2, UINT64_MAX, false), 2);
	assert_int_equal(copy_worth_workers(&worth, 2, 1, false), 2);
}

/* Two took 120 us of CPU time for what takes one 60: found out by a doubt, and soon. */
static void test_what_several_did_first_comes_back_to_one(void **state)
{
	struct copy_worth worth = { .doubts = 0 };

	(void)state;
	assert_int_equal(runs_by_several(&worth, 200, 60 * US), 1);
	assert_int_equal(runs_by_several(&worth, 200, 60 * US), 0);
	worth = (struct copy_worth){ .doubts = 1 };
	assert_in_range(runs_by_several(&worth, 200, 60 * US), 2, 3 * COPY_WORTH_DOUBTS);
	assert_int_equal(runs_by_several(&worth, 200, 60 * US), 0);
}

/* Memory that is slow, from the start or later: several, but for the doubts where it is not far from the limit. */
static void test_slow_memory_takes_several(void **state)
{
	struct copy_worth worth = { .doubts = 0 };

	(void)state;
	assert_int_equal(runs_by_several(&worth, 320, 3000 * US), 320);
	worth = (struct copy_worth){ .doubts = 0 };
	assert_int_equal(runs_by_several(&worth, 320, 150 * US), 320 - 320 / COPY_WORTH_DOUBTS);
	worth = (struct copy_worth){ .doubts = 0 };
	runs_by_several(&worth, 100, 60 * US);
	assert_in_range(runs_by_several(&worth, 100, 3000 * US), 80, 99);
	/* And back, when it is quick again. */
	runs_by_several(&worth, 3 * COPY_WORTH_DOUBTS, 60 * US);
	assert_int_equal(runs_by_several(&worth, 100, 60 * US), 0);
}

static void test_what_is_held_up_changes_little(void **state)
{
	struct copy_worth worth = { .doubts = 0 };

	(void)state;
	/* The first of all, by several. */
	note(&worth, 2, 20000 * US, PART);
	runs_by_several(&worth, 2 * COPY_WORTH_DOUBTS, 50 * US);
	assert_int_equal(runs_by_several(&worth, 100, 50 * US), 0);
	worth = (struct copy_worth){ .doubts = 0 };
	runs_by_several(&worth, 100, 50 * US);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(run(&worth, 2, i % 10 ? 50 * US : 20000 * US, PART), 1);
		assert_int_equal(run(&worth, 4, 50 * US, PART), 1);
	}
}

static void burn_band(void *owner, unsigned band, void *scratch)
{
	unsigned *count = owner;

	(void)band, (void)scratch;
	__atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
}

static void test_a_pool_listens(void **state)
{
	const struct copy_pool_config config = { .threads = 2, .policy = COPY_POLICY_INHERITED };
	struct copy_effort effort = { .workers = 2, .wall_ns = 6 * US, .busy_ns = 10 * US };
	struct copy_pool *pool;
	unsigned count = 0;
	char text[256];

	(void)state;
	assert_int_equal(copy_pool_create(&config, &pool, text, sizeof(text)), 0);
	assert_int_equal(copy_pool_worth(pool, 9, PART), 2); /* never more than it has */
	copy_pool_note(pool, &effort, PART);
	assert_int_equal(copy_pool_worth(pool, 9, PART), 1);
	copy_pool_run(pool, 1, 3, burn_band, &count, &effort);
	assert_int_equal(effort.workers, 1);
	assert_int_equal(count, 3);
	effort.busy_ns = 10 * US;
	copy_pool_note(pool, &effort, PART);
	assert_int_equal(copy_pool_worth(pool, 2, PART), 1);
	/* Whoever wanted one only is no measure for several. */
	assert_int_equal(copy_pool_worth(pool, 1, WHOLE), 1);
	copy_pool_note(pool, &effort, WHOLE);
	assert_int_equal(copy_pool_worth(pool, 2, WHOLE), 2);
	copy_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_known_is_left_as_it_is),
		cmocka_unit_test(test_the_limit),
		cmocka_unit_test(test_sizes_are_kept_apart),
		cmocka_unit_test(test_what_several_did_first_comes_back_to_one),
		cmocka_unit_test(test_slow_memory_takes_several),
		cmocka_unit_test(test_what_is_held_up_changes_little),
		cmocka_unit_test(test_a_pool_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
