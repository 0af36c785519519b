/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pool_beats.c - daemon/copy/pool: each worker shows that it moves whenever it is nudged, one that is held up does
 * not, and runs beside that are as they were.
 *
 * Waits have no limit of their own: a hang is a failed test, by the runner's.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "copy/pool.h"
#include "own_futex.h"

#define THREADS 4u
#define BANDS 40u

static struct copy_pool *create(unsigned threads)
{
	struct copy_pool_config config = { .threads = threads, .policy = COPY_POLICY_INHERITED };
	struct copy_pool *pool = NULL;
	char text[320] = "";

	if (copy_pool_create(&config, &pool, text, sizeof(text)))
		fail_msg("%s", text);
	return pool;
}

static void read_beats(const struct copy_pool *pool, uint64_t beats[THREADS])
{
	for (unsigned i = 1; i < THREADS; i++)
		beats[i] = copy_pool_beats(pool, i);
}

static bool has_beaten(const struct copy_pool *pool, unsigned worker, const uint64_t before[THREADS])
{
	return copy_pool_beats(pool, worker) != before[worker];
}

static void await_beats(const struct copy_pool *pool, const uint64_t before[THREADS])
{
	for (unsigned i = 1; i < THREADS; i++)
		while (!has_beaten(pool, i, before))
			sched_yield();
}

/* One nudge is enough, wherever on its way to sleep a worker is: none is lost. */
static void test_each_nudge_is_answered(void **state)
{
	struct copy_pool *pool = create(THREADS);
	uint64_t before[THREADS];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		read_beats(pool, before);
		copy_pool_nudge(pool);
		await_beats(pool, before);
	}
	copy_pool_destroy(pool);
}

static void test_no_worker(void **state)
{
	struct copy_pool *pool = create(1);

	(void)state;
	copy_pool_nudge(pool);
	copy_pool_destroy(pool);
}

/* Woken, but not let go: it does not move, however often it is nudged. */
static void test_held_workers(void **state)
{
	struct copy_pool *pool = create(THREADS);
	uint64_t before[THREADS];

	(void)state;
	own_futex_hold();
	own_futex_wait_all(THREADS - 1);
	read_beats(pool, before);
	for (unsigned i = 0; i < 100; i++)
		copy_pool_nudge(pool);
	for (unsigned i = 1; i < THREADS; i++)
		assert_false(has_beaten(pool, i, before));
	own_futex_release();
	await_beats(pool, before);
	copy_pool_destroy(pool);
}

/* --- beside runs --- */

struct tally {
	pthread_t caller;
	unsigned held;         /* atomic: workers in the band that does not end */
	bool ends;             /* atomic: it does now */
	unsigned times[BANDS]; /* atomic */
};

static void tally_band(void *owner, unsigned band, void *scratch)
{
	struct tally *tally = owner;

	(void)scratch;
	__atomic_add_fetch(&tally->times[band], 1, __ATOMIC_RELAXED);
}

struct nudger {
	struct copy_pool *pool;
	bool stop; /* atomic */
};

static void *nudge_on(void *argument)
{
	struct nudger *nudger = argument;

	while (!__atomic_load_n(&nudger->stop, __ATOMIC_ACQUIRE))
		copy_pool_nudge(nudger->pool);
	return NULL;
}

static void test_runs_beside_nudges(void **state)
{
	struct nudger nudger = { .pool = create(THREADS) };
	struct copy_effort effort;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, nudge_on, &nudger), 0);
	for (unsigned i = 0; i < 3000; i++) {
		struct tally tally = { .held = 0 };
		unsigned bands = 1 + i % BANDS;

		copy_pool_run(nudger.pool, 1 + i % THREADS, bands, tally_band, &tally, &effort);
		for (unsigned band = 0; band < BANDS; band++)
			assert_int_equal(tally.times[band], band < bands);
	}
	__atomic_store_n(&nudger.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	copy_pool_destroy(nudger.pool);
}

/* The first worker that comes stays in its band, and so does the caller until there is one. */
static void stay_in_band(void *owner, unsigned band, void *scratch)
{
	struct tally *tally = owner;

	(void)band, (void)scratch;
	if (!pthread_equal(pthread_self(), tally->caller))
		__atomic_add_fetch(&tally->held, 1, __ATOMIC_ACQ_REL);
	while (!__atomic_load_n(&tally->ends, __ATOMIC_ACQUIRE))
		sched_yield();
}

struct holder {
	struct copy_pool *pool;
	struct tally tally;
};

static void *run_and_stay(void *argument)
{
	struct holder *holder = argument;
	struct copy_effort effort;

	holder->tally.caller = pthread_self();
	copy_pool_run(holder->pool, 2, 2, stay_in_band, &holder->tally, &effort);
	return NULL;
}

static void test_a_worker_in_a_band(void **state)
{
	struct holder holder = { .pool = create(THREADS) };
	uint64_t before[THREADS];
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, run_and_stay, &holder), 0);
	while (!__atomic_load_n(&holder.tally.held, __ATOMIC_ACQUIRE))
		sched_yield();
	read_beats(holder.pool, before);
	copy_pool_nudge(holder.pool);
	for (unsigned i = 2; i < THREADS; i++)
		while (!has_beaten(holder.pool, i, before))
			sched_yield();
	assert_false(has_beaten(holder.pool, 1, before));
	__atomic_store_n(&holder.tally.ends, true, __ATOMIC_RELEASE);
	while (!has_beaten(holder.pool, 1, before))
		sched_yield();
	pthread_join(thread, NULL);
	copy_pool_destroy(holder.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_nudge_is_answered), cmocka_unit_test(test_no_worker),
		cmocka_unit_test(test_held_workers),           cmocka_unit_test(test_runs_beside_nudges),
		cmocka_unit_test(test_a_worker_in_a_band),
	};

	return cmocka_run_group_tests_name("pool_beats", tests, NULL, NULL);
}
