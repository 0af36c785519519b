/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pool_fence.c - daemon/copy/pool: each thread that did bands fences once, behind its last one, and before it
 * reports. Without that, streaming stores may come after the word that tells a reader of them; on most machines they do
 * so too rarely for a test to see, so copy_fence() is this file's own and counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "copy/kernel.h"
#include "copy/pool.h"

#define THREADS 3u
#define BANDS 24u
#define LATE_US 300 /* more than a caller needs that would not wait for the fence */

static unsigned stored, fenced, threads, fences; /* atomic: bands done and bands fenced; of a run */
static _Thread_local unsigned since_fence;
static _Thread_local bool had_band;

/* Relaxed, each: copy_pool_run() orders what its threads did before its return. */
static void add(unsigned *value, unsigned count)
{
	__atomic_add_fetch(value, count, __ATOMIC_RELAXED);
}

static unsigned take(unsigned *value)
{
	return __atomic_exchange_n(value, 0, __ATOMIC_RELAXED);
}

/* Instead of the one in kernels.c, which is not linked then. */
void copy_fence(void)
{
	usleep(LATE_US);
	add(&fences, 1);
	add(&fenced, since_fence);
	since_fence = 0;
	had_band = false;
}

static void store(void *owner, unsigned band, void *scratch)
{
	(void)owner, (void)band, (void)scratch;
	usleep(20); /* for others to have some, too */
	if (!had_band)
		add(&threads, 1);
	had_band = true;
	since_fence++;
	add(&stored, 1);
}

static void test_one_fence_of_each(void **state)
{
	struct copy_pool_config config = { .threads = THREADS, .policy = COPY_POLICY_INHERITED };
	struct copy_pool *pool = NULL;
	struct copy_effort effort;
	unsigned together = 0;
	char text[320];

	(void)state;
	assert_int_equal(copy_pool_create(&config, &pool, text, sizeof(text)), 0);
	for (unsigned run = 0; run < 60; run++) {
		unsigned workers = 1 + run % THREADS, did;

		copy_pool_run(pool, workers, BANDS, store, NULL, &effort);
		did = take(&threads);
		assert_int_equal(take(&stored), BANDS);
		assert_int_equal(take(&fenced), BANDS);
		assert_int_equal(take(&fences), did);
		assert_in_range(did, 1, workers);
		together += did > 1;
	}
	assert_true(together > 0);
	copy_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_fence_of_each) };

	return cmocka_run_group_tests_name("pool_fence", tests, NULL, NULL);
}
