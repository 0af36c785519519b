/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.c - see pool.h. One word hands out bands, one futex calls the workers, another tells the caller that all is
 * done.
 *
 * A worker can be held up by the kernel at any place and for any time, so nothing waits for one that has not taken a
 * band: what it does not take, the caller does. It may wake in the middle of a later run and then helps there.
 *
 *   turn    generation of the run << 24 | next band; taking a band adds one, by compare and swap
 *   record  what to do and for how many; written by the caller while no band can be taken
 *
 * The compare and swap is what makes the record good: it succeeds only while the run is the one whose record was read.
 * A generation comes again after 2^40 runs, 35 years of 1000 runs a second: a worker would have to be held up for just
 * as long between its load and its swap. tests/model/pool.pml searches all ways in which workers can be late.
 */
#include "copy/pool.h"

#include <assert.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "copy/kernel.h"
#include "copy/pool_private.h"

#define BAND_BITS 24
#define BAND_CLOSED ((1u << BAND_BITS) - 1) /* more than any run has */

static_assert(COPY_BANDS_MAX < BAND_CLOSED, "a band must fit into the word");
static_assert(COPY_THREADS_MAX <= 32, "each worker has a bit in the futex's mask");

/*
 * For so long the caller waits for the last bands before it sleeps. Sleeping and being woken took 25 to 50 us, and
 * bands take less: with bands of 10 us a run of two threads took 222 us, and 245 without this.
 */
#define CALLER_SPIN_NS (50 * NS_PER_US)

/*
 * For so long a worker waits for the next run before it sleeps, and only where runs do follow each other as closely:
 * several in one frame. Four runs of 100 us, 3 us apart, took 272 us by two threads, and 320 without this.
 */
#define WORKER_SPIN_NS (10 * NS_PER_US)
#define CLOSE_RUNS 16 /* so many runs after a close one count as close */

/* --- sleeping and waking ------------------------------------------------------------------------------------- */

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Sleep while the word is `expected`, until woken with one of these bits, or for no reason. */
static void futex_wait(uint32_t *word, uint32_t expected, uint32_t bits)
{
	syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, NULL, NULL, bits);
}

static void futex_wake(uint32_t *word, uint32_t bits)
{
	syscall(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, COPY_THREADS_MAX, NULL, NULL, bits);
}

static uint32_t bit_of(unsigned index)
{
	return UINT32_C(1) << index;
}

/* --- bands --------------------------------------------------------------------------------------------------- */

/* What a thread that took a band does. */
struct share {
	copy_band *run;
	void *owner;
	unsigned band;
};

/* Any thread of the pool: take one band of the run under way, if there is one left and thread `index` is let in. */
static bool take(struct copy_pool *pool, unsigned index, struct share *share)
{
	/* T1 (acquire) pairs with T2 in open_run(): the record of this run, or of a later one. */
	uint64_t turn = __atomic_load_n(&pool->turn, __ATOMIC_ACQUIRE);
	uint32_t bands, workers;

	do {
		/* T3 (acquire, each) pairs with T3 in open_run(): who reads any field of a later run sees the word
		 * closed at the swap, if not later, and so fails. */
		share->run = __atomic_load_n(&pool->run, __ATOMIC_ACQUIRE);
		share->owner = __atomic_load_n(&pool->owner, __ATOMIC_ACQUIRE);
		bands = __atomic_load_n(&pool->bands, __ATOMIC_ACQUIRE);
		workers = __atomic_load_n(&pool->workers, __ATOMIC_ACQUIRE);
		share->band = (unsigned)(turn & BAND_CLOSED);
		if (index >= workers || share->band >= bands)
			return false;
		/* T4 (acquire, as T1, for the next try): the loads above are acquires and so stay above. What the run
		 * works on is seen by T1, since swaps continue the release of T2. */
	} while (!__atomic_compare_exchange_n(&pool->turn, &turn, turn + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
	return true;
}

/* Any thread of the pool: take bands and do them until none is left; returns how many. */
static uint32_t take_all(struct copy_pool *pool, unsigned index)
{
	uint8_t *scratch = pool->scratch ? pool->scratch + index * pool->scratch_stride : NULL;
	struct share share;
	uint32_t count = 0;

	for (; take(pool, index, &share); count++)
		share.run(share.owner, share.band, scratch);
	if (count)
		copy_fence();
	return count;
}

/* --- workers ------------------------------------------------------------------------------------------------- */

/*
 * The CPU time is all since the last report, so the way out of and into sleep is in it; the clock is a system call of
 * half a microsecond and read once.
 */
static void report(struct worker *worker, uint32_t count)
{
	struct copy_pool *pool = worker->pool;
	uint64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	/* Relaxed: ordered by D1. */
	__atomic_add_fetch(&pool->busy_ns, cpu_ns - worker->cpu_ns, __ATOMIC_RELAXED);
	worker->cpu_ns = cpu_ns;
	/* D1 (release) pairs with D2 in wait_done(): the bands' pixels before the count. Also D3 (seq_cst), pairs with
	 * D4: of the two stores, this one and caller_sleeps, at least one is seen by the other side. */
	__atomic_add_fetch(&pool->done, count, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&pool->caller_sleeps, __ATOMIC_SEQ_CST))
		futex_wake(&pool->done, FUTEX_BITSET_MATCH_ANY);
}

static void spin_for_call(const struct copy_pool *pool, uint32_t heard)
{
	uint64_t deadline_ns = clock_monotonic_ns() + WORKER_SPIN_NS;

	/* Relaxed: wait_call() looks again. */
	while (__atomic_load_n(&pool->calls, __ATOMIC_RELAXED) == heard && clock_monotonic_ns() < deadline_ns)
		relax();
}

/* Sleep until there is a call after number `heard`; returns its number. */
static uint32_t wait_call(struct worker *worker, uint32_t heard)
{
	struct copy_pool *pool = worker->pool;
	uint32_t call;

	/* Relaxed, as where it is written: a hint that stands alone. */
	if (__atomic_load_n(&pool->close_runs, __ATOMIC_RELAXED))
		spin_for_call(pool, heard);
	/* C1 (acquire) pairs with C2 in pool_call(): the open run before the call; and `stopping`. */
	while ((call = __atomic_load_n(&pool->calls, __ATOMIC_ACQUIRE)) == heard) {
		/* C3 (seq_cst) pairs with C4 in pool_call(): of the two stores, this one and the call, at least one
		 * is seen by the other side, so either we do not sleep or we are woken. */
		__atomic_or_fetch(&pool->asleep, bit_of(worker->index), __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&pool->calls, __ATOMIC_SEQ_CST) == heard)
			futex_wait(&pool->calls, heard, bit_of(worker->index));
		/* Relaxed: who is woken for nothing looks once more. */
		__atomic_and_fetch(&pool->asleep, ~bit_of(worker->index), __ATOMIC_RELAXED);
	}
	return call;
}

void *pool_worker(void *argument)
{
	struct worker *worker = argument;
	struct copy_pool *pool = worker->pool;
	uint32_t call = 0, count;
	char name[16];

	snprintf(name, sizeof(name), "copy-%u", worker->index);
	pthread_setname_np(pthread_self(), name);
	memory_lock_stack();
	worker->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (;;) {
		call = wait_call(worker, call);
		/* Relaxed: a count that stands alone. */
		__atomic_store_n(&worker->beats, worker->beats + 1, __ATOMIC_RELAXED);
		/* Relaxed: ordered by C1. */
		if (__atomic_load_n(&pool->stopping, __ATOMIC_RELAXED))
			break;
		count = take_all(pool, worker->index);
		if (count)
			report(worker, count);
	}
	memory_unlock_stack();
	return NULL;
}

/* --- the caller ---------------------------------------------------------------------------------------------- */

static void open_run(struct copy_pool *pool, unsigned workers, unsigned bands, copy_band *run, void *owner)
{
	/* Relaxed: the caller alone changes the generation, and no band is left to take that would change the rest. */
	uint64_t generation = (__atomic_load_n(&pool->turn, __ATOMIC_RELAXED) >> BAND_BITS) + 1;

	/* Nobody counts in either now: all bands that were taken are done. Relaxed: ordered by T2. */
	__atomic_store_n(&pool->done, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&pool->busy_ns, 0, __ATOMIC_RELAXED);
	/* Relaxed: ordered by T3. */
	__atomic_store_n(&pool->turn, generation << BAND_BITS | BAND_CLOSED, __ATOMIC_RELAXED);
	/* T3 (release, each) pairs with T3 in take(): closed before any of them changes. */
	__atomic_store_n(&pool->run, run, __ATOMIC_RELEASE);
	__atomic_store_n(&pool->owner, owner, __ATOMIC_RELEASE);
	__atomic_store_n(&pool->bands, bands, __ATOMIC_RELEASE);
	__atomic_store_n(&pool->workers, workers, __ATOMIC_RELEASE);
	/* T2 (release) pairs with T1 in take(): the record, and what it speaks of, before the first band. */
	__atomic_store_n(&pool->turn, generation << BAND_BITS, __ATOMIC_RELEASE);
}

/*
 * Keep workers off the CPU that the caller runs on: two threads of one job on one CPU are no faster than one, yet the
 * scheduler wakes a thread there even when another CPU idles (every second time on the machine this was measured on).
 * Costs 2.5 us a worker, and only when the caller has moved.
 */
static void keep_apart(struct copy_pool *pool, unsigned workers)
{
	int cpu = sched_getcpu();
	bool known = false;
	cpu_set_t others;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	for (unsigned i = 1; i < workers; i++) {
		struct worker *worker = &pool->workers_of[i];

		if (worker->kept_off == cpu)
			continue;
		worker->kept_off = cpu;
		/* Not what could be used once: CPUs can be taken from the daemon, and given to it, while it runs. */
		if (!known)
			others = pool_cpus(&pool->config.affinity);
		known = true;
		CPU_CLR(cpu, &others);
		if (CPU_COUNT(&others))
			pthread_setaffinity_np(worker->thread, sizeof(others), &others);
	}
}

/* Wake those of workers 1..workers - 1 that sleep, by one system call or none. */
void pool_call(struct copy_pool *pool, unsigned workers)
{
	uint32_t wanted = (bit_of(workers) - 1) & ~bit_of(0), asleep;

	/* C2 (release) pairs with C1 in wait_call(). Also C4 (seq_cst), pairs with C3. */
	__atomic_add_fetch(&pool->calls, 1, __ATOMIC_SEQ_CST);
	asleep = __atomic_load_n(&pool->asleep, __ATOMIC_SEQ_CST) & wanted;
	if (asleep)
		futex_wake(&pool->calls, asleep);
}

/* A call like those of the caller, whenever it comes: who hears it and finds no band to take goes back to sleep, as one
 * does that was late for a run. */
void copy_pool_nudge(struct copy_pool *pool)
{
	pool_call(pool, pool->threads);
}

uint64_t copy_pool_beats(const struct copy_pool *pool, unsigned worker)
{
	/* Relaxed, as where it is written. */
	return __atomic_load_n(&pool->workers_of[worker].beats, __ATOMIC_RELAXED);
}

/* Wait until workers have done so many bands, all of which they have taken. */
static void wait_done(struct copy_pool *pool, uint32_t count)
{
	uint64_t deadline_ns = 0;
	uint32_t done;

	/* D2 (acquire) pairs with D1 in report(). */
	while ((done = __atomic_load_n(&pool->done, __ATOMIC_ACQUIRE)) != count) {
		uint64_t now_ns = clock_monotonic_ns();

		if (!deadline_ns)
			deadline_ns = now_ns + CALLER_SPIN_NS;
		relax();
		if (now_ns < deadline_ns)
			continue;
		/* D4 (seq_cst) pairs with D3 in report(). */
		__atomic_store_n(&pool->caller_sleeps, true, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&pool->done, __ATOMIC_SEQ_CST) == done)
			futex_wait(&pool->done, done, FUTEX_BITSET_MATCH_ANY);
		/* Relaxed: to be woken for nothing does no harm. */
		__atomic_store_n(&pool->caller_sleeps, false, __ATOMIC_RELAXED);
	}
}

static void run_alone(struct copy_pool *pool, unsigned bands, copy_band *run, void *owner)
{
	for (unsigned band = 0; band < bands; band++)
		run(owner, band, pool->scratch);
	copy_fence();
}

static void note_distance(struct copy_pool *pool, uint64_t began_ns)
{
	/* Relaxed: the caller alone writes it, and it stands alone. */
	uint32_t close_runs = __atomic_load_n(&pool->close_runs, __ATOMIC_RELAXED);

	if (began_ns - pool->ended_ns < WORKER_SPIN_NS)
		close_runs = CLOSE_RUNS;
	else if (close_runs)
		close_runs--;
	__atomic_store_n(&pool->close_runs, close_runs, __ATOMIC_RELAXED);
}

/* Returns the CPU time of all. */
static uint64_t run_together(struct copy_pool *pool, unsigned workers, unsigned bands, copy_band *run, void *owner)
{
	uint64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	keep_apart(pool, workers);
	open_run(pool, workers, bands, run, owner);
	pool_call(pool, workers);
	wait_done(pool, bands - take_all(pool, 0));
	/* Relaxed: ordered by D2. */
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns + __atomic_load_n(&pool->busy_ns, __ATOMIC_RELAXED);
}

void copy_pool_run(struct copy_pool *pool, unsigned workers, unsigned bands, copy_band *run, void *owner,
		   struct copy_effort *ret_effort)
{
	uint64_t began_ns = clock_monotonic_ns(), ended_ns, cpu_ns = 0;

	assert(bands <= COPY_BANDS_MAX);
	workers = workers < pool->threads ? workers : pool->threads;
	workers = workers < bands ? workers : bands;
	if (workers > 1) {
		note_distance(pool, began_ns);
		cpu_ns = run_together(pool, workers, bands, run, owner);
	} else {
		run_alone(pool, bands, run, owner);
	}
	ended_ns = clock_monotonic_ns();
	if (workers > 1)
		pool->ended_ns = ended_ns;
	/* Two reads of the CPU clock cost more than a small region does. One thread alone waits for nobody and is busy
	 * all the time. */
	*ret_effort = (struct copy_effort){
		.workers = workers > 1 ? workers : 1,
		.wall_ns = ended_ns - began_ns,
		.busy_ns = workers > 1 ? cpu_ns : ended_ns - began_ns,
	};
}

unsigned copy_pool_worth(struct copy_pool *pool, unsigned workers, uint64_t bytes)
{
	uint64_t now_ns = clock_monotonic_ns();
	/* Relaxed: the caller alone writes it. */
	bool awake =
		now_ns - pool->ended_ns < WORKER_SPIN_NS || __atomic_load_n(&pool->close_runs, __ATOMIC_RELAXED) > 0;
	unsigned worth;

	workers = workers < pool->threads ? workers : pool->threads;
	worth = copy_worth_workers(&pool->worth, workers, bytes, awake);
	pool->left_alone = worth < workers;
	if (pool->left_alone)
		note_distance(pool, now_ns);
	return worth;
}

void copy_pool_note(struct copy_pool *pool, const struct copy_effort *effort, uint64_t bytes)
{
	if (pool->left_alone)
		pool->ended_ns = clock_monotonic_ns();
	if (pool->left_alone || effort->workers > 1)
		copy_worth_note(&pool->worth, effort, bytes);
}

unsigned copy_pool_threads(const struct copy_pool *pool)
{
	return pool->threads;
}
