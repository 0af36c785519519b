/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pool.c - daemon/copy/pool: each band once, whatever the threads do; what is stored is seen; CPUs, rights,
 * limits.
 *
 * Times are burned to mix the threads and waited for so that a hang is a failed test; no test passes or fails by them.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "copy/pool.h"
#include "own_futex.h"

#define HANG_NS (60 * NS_PER_SECOND)
#define BANDS_MAX 512u

static struct copy_pool *create(unsigned threads)
{
	struct copy_pool_config config = { .threads = threads, .policy = COPY_POLICY_INHERITED, .scratch_bytes = 64 };
	struct copy_pool *pool = NULL;
	char text[320] = "";

	if (copy_pool_create(&config, &pool, text, sizeof(text)))
		fail_msg("%s", text);
	return pool;
}

static void expect_refusal(const struct copy_pool_config *config, int error, const char *sentence)
{
	struct copy_pool *pool = NULL;
	char text[320] = "";
	int r = copy_pool_create(config, &pool, text, sizeof(text));

	if (r != error || !strstr(text, sentence))
		fail_msg("%d \"%s\" came instead of %d \"%s\"", r, text, error, sentence);
	assert_null(pool);
}

/* Wait until another thread has made a value what it shall be. */
static void wait_for(const unsigned *value, unsigned least)
{
	uint64_t deadline_ns = clock_monotonic_ns() + HANG_NS;

	/* Pairs with the release of whoever counts. */
	while (__atomic_load_n(value, __ATOMIC_ACQUIRE) < least) {
		if (clock_monotonic_ns() > deadline_ns)
			fail_msg("no thread came");
		usleep(50);
	}
}

static void count(unsigned *value)
{
	__atomic_add_fetch(value, 1, __ATOMIC_ACQ_REL);
}

static void burn(uint64_t ns)
{
	uint64_t end_ns = clock_monotonic_ns() + ns;

	while (ns && clock_monotonic_ns() < end_ns)
		;
}

/* --- each band once ------------------------------------------------------------------------------------------ */

/* A run's own: what an earlier one left behind is of another number, and mostly freed. */
struct tally {
	unsigned number; /* of the run */
	unsigned bands;  /* of the run */
	unsigned uneven; /* burn more in some bands than in others */
	pthread_t caller;
	unsigned by_others;    /* atomic */
	unsigned char times[]; /* atomic, of each band */
};

static struct tally *tally_create(unsigned number, unsigned bands, unsigned uneven)
{
	struct tally *tally = calloc(1, sizeof(*tally) + bands);

	assert_non_null(tally);
	tally->number = number;
	tally->bands = bands;
	tally->uneven = uneven;
	tally->caller = pthread_self();
	return tally;
}

static void tally_band(void *owner, unsigned band, void *scratch)
{
	struct tally *tally = owner;

	(void)scratch;
	if (band >= tally->bands)
		abort();
	__atomic_add_fetch(&tally->times[band], 1, __ATOMIC_RELAXED);
	if (!pthread_equal(pthread_self(), tally->caller))
		__atomic_add_fetch(&tally->by_others, 1, __ATOMIC_RELAXED);
	if (tally->uneven)
		burn((band * 7919 + tally->number) % tally->uneven == 0 ? 20 * NS_PER_US : 0);
}

static void tally_check(const struct tally *tally)
{
	for (unsigned band = 0; band < tally->bands; band++)
		if (tally->times[band] != 1)
			fail_msg("run %u: band %u of %u was done %u times", tally->number, band, tally->bands,
				 tally->times[band]);
}

static unsigned tally_run(struct copy_pool *pool, unsigned number, unsigned workers, unsigned bands, unsigned uneven)
{
	struct tally *tally = tally_create(number, bands, uneven);
	unsigned threads = copy_pool_threads(pool), by_others;
	struct copy_effort effort = { 0 };
	unsigned most = workers < threads ? workers : threads;

	copy_pool_run(pool, workers, bands, tally_band, tally, &effort);
	tally_check(tally);
	most = most < bands ? most : bands;
	assert_int_equal(effort.workers, most ? most : 1);
	by_others = tally->by_others;
	if (most <= 1)
		assert_int_equal(by_others, 0);
	free(tally);
	return by_others;
}

/* Fewer bands than threads and more, workers from one to more than there are, one run close on another. */
static void test_each_band_once(void **state)
{
	unsigned by_others = 0, random = 1;

	(void)state;
	for (unsigned threads = 1; threads <= 5; threads++) {
		struct copy_pool *pool = create(threads);

		for (unsigned number = 0; number < 2000; number++) {
			random = random * 1103515245 + 12345;
			by_others += tally_run(pool, number, 1 + (random >> 16) % (threads + 1), (random >> 8) % 40,
					       number % 3 ? 0 : 5);
		}
		copy_pool_destroy(pool);
	}
	assert_true(by_others > 0);
}

static void test_many_bands(void **state)
{
	struct copy_pool *pool = create(3);

	(void)state;
	for (unsigned number = 0; number < 20; number++)
		tally_run(pool, number, 3, 70000, 0);
	copy_pool_destroy(pool);
}

static void test_uneven_bands(void **state)
{
	struct copy_pool *pool = create(4);

	(void)state;
	for (unsigned number = 0; number < 500; number++)
		tally_run(pool, number, 4, 1 + number % 64, 3 + number % 17);
	copy_pool_destroy(pool);
}

/* --- a worker held up ---------------------------------------------------------------------------------------- */

struct hold {
	pthread_t caller;
	unsigned held, done; /* atomic */
	unsigned bands;
};

/* Whoever else comes first stays in its band until all others are done; the caller begins when somebody is there. */
static void hold_band(void *owner, unsigned band, void *scratch)
{
	struct hold *hold = owner;

	(void)band, (void)scratch;
	if (pthread_equal(pthread_self(), hold->caller)) {
		wait_for(&hold->held, 1);
	} else {
		count(&hold->held);
		wait_for(&hold->done, hold->bands - 1);
	}
	count(&hold->done);
}

static void test_worker_held_in_a_band(void **state)
{
	struct copy_pool *pool = create(2);
	struct copy_effort effort;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct hold hold = { .caller = pthread_self(), .bands = 9 };

		copy_pool_run(pool, 2, hold.bands, hold_band, &hold, &effort);
		assert_int_equal(hold.done, hold.bands);
		assert_int_equal(hold.held, 1);
	}
	copy_pool_destroy(pool);
}

/*
 * Workers that are woken and do not come: the caller does it all, and does not wait. When they come, in the middle of a
 * later run or after it, that run's bands are done once too, and the earlier one's, whose memory is gone, are let
 * alone.
 */
static void test_worker_that_does_not_wake(void **state)
{
	struct copy_pool *pool = create(4);
	unsigned by_others = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		own_futex_hold();
		/* All sleep now, or are held at the end of it: none takes a band. */
		own_futex_wait_all(3);
		for (unsigned number = 0; number < 5; number++)
			by_others += tally_run(pool, number, 4, 20, 0);
		own_futex_release();
		assert_int_equal(by_others, 0);
		for (unsigned number = 0; number < 20; number++)
			tally_run(pool, number, 2 + number % 3, 20, number % 2 ? 0 : 4);
	}
	copy_pool_destroy(pool);
}

/* Only as many are let in as the run says, though all are awake. */
static void test_fewer_workers_than_threads(void **state)
{
	struct copy_pool *pool = create(4);

	(void)state;
	for (unsigned number = 0; number < 1000; number++) {
		tally_run(pool, number, 4, 8, 0);
		assert_int_equal(tally_run(pool, number, 1, 8, 0), 0);
	}
	copy_pool_destroy(pool);
}

/* How many threads do bands: the scratch says whether its thread was counted in this run. */
struct crowd {
	unsigned number; /* of the run, from 1 */
	unsigned count;  /* atomic */
};

static void crowd_band(void *owner, unsigned band, void *scratch)
{
	struct crowd *crowd = owner;
	unsigned *last = scratch;

	(void)band;
	if (*last != crowd->number) {
		*last = crowd->number;
		count(&crowd->count);
	}
	burn(2 * NS_PER_US);
}

static void test_no_more_than_let_in(void **state)
{
	struct copy_pool *pool = create(6);
	struct copy_effort effort;

	(void)state;
	for (unsigned number = 1; number <= 600; number++) {
		struct crowd crowd = { .number = number };

		copy_pool_run(pool, 1 + number % 6, 30, crowd_band, &crowd, &effort);
		assert_in_range(crowd.count, 1, 1 + number % 6);
	}
	copy_pool_destroy(pool);
}

/* --- what was stored is seen --------------------------------------------------------------------------------- */

#define BAND_WORDS 512u

struct field {
	uint64_t number;
	uint64_t *words;
};

static void store_past_caches(uint64_t *word, uint64_t value)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	__builtin_ia32_movnti64((long long *)(void *)word, (long long)value);
#else
	*word = value;
#endif
}

static void fill_band(void *owner, unsigned band, void *scratch)
{
	struct field *field = owner;
	uint64_t *words = field->words + band * BAND_WORDS;

	(void)scratch;
	for (unsigned i = 0; i < BAND_WORDS; i++) {
		if (i % 2)
			store_past_caches(&words[i], field->number + i);
		else
			words[i] = field->number + i;
	}
}

struct onlooker {
	const struct field *field;
	uint64_t told; /* atomic: number of the run that is over */
	uint64_t seen; /* atomic */
	bool good;
};

static bool field_is_full(const struct field *field, uint64_t number)
{
	for (unsigned i = 0; i < 16 * BAND_WORDS; i++)
		if (field->words[i] != number + i % BAND_WORDS)
			return false;
	return true;
}

/* A reader that hears of the run by a store of the caller's, as clients do. */
static void *look_on(void *argument)
{
	struct onlooker *onlooker = argument;
	uint64_t told, seen = 0;

	/* Pairs with the release in test_stores_are_seen(). */
	while ((told = __atomic_load_n(&onlooker->told, __ATOMIC_ACQUIRE)) != UINT64_MAX) {
		if (told == seen)
			continue;
		onlooker->good &= field_is_full(onlooker->field, told);
		seen = told;
		__atomic_store_n(&onlooker->seen, seen, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void test_stores_are_seen(void **state)
{
	struct field field = { .words = calloc(16 * BAND_WORDS, sizeof(uint64_t)) };
	struct onlooker onlooker = { .field = &field, .good = true };
	struct copy_pool *pool = create(3);
	struct copy_effort effort;
	pthread_t thread;

	(void)state;
	assert_non_null(field.words);
	assert_int_equal(pthread_create(&thread, NULL, look_on, &onlooker), 0);
	for (unsigned i = 1; i <= 300; i++) {
		field.number = i * 1000000ull;
		copy_pool_run(pool, 1 + i % 3, 16, fill_band, &field, &effort);
		assert_true(field_is_full(&field, field.number));
		__atomic_store_n(&onlooker.told, field.number, __ATOMIC_RELEASE);
		while (__atomic_load_n(&onlooker.seen, __ATOMIC_ACQUIRE) != field.number)
			sched_yield();
	}
	__atomic_store_n(&onlooker.told, UINT64_MAX, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(onlooker.good);
	copy_pool_destroy(pool);
	free(field.words);
}

/* --- threads ------------------------------------------------------------------------------------------------- */

static void test_create_and_destroy(void **state)
{
	(void)state;
	copy_pool_destroy(NULL);
	for (unsigned i = 0; i < 200; i++) {
		struct copy_pool *pool = create(1 + i % 5);

		if (i % 2) /* right after a run, whose workers may still be on their way */
			tally_run(pool, i, 5, 10, 0);
		copy_pool_destroy(pool);
	}
}

static unsigned cpus_allowed(void)
{
	cpu_set_t cpus;

	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	return (unsigned)CPU_COUNT(&cpus);
}

static void test_limits(void **state)
{
	struct copy_pool_config config = { .threads = COPY_THREADS_MAX + 1, .policy = COPY_POLICY_INHERITED };
	struct copy_pool *pool = create(COPY_THREADS_MAX);
	unsigned cpus = cpus_allowed();

	(void)state;
	assert_int_equal(copy_pool_threads(pool), COPY_THREADS_MAX);
	tally_run(pool, 1, COPY_THREADS_MAX + 1, 100, 0);
	copy_pool_destroy(pool);
	expect_refusal(&config, -EINVAL, "17 copy threads were asked for, 1..16 are possible");
	pool = create(0);
	assert_int_equal(copy_pool_threads(pool), cpus < COPY_THREADS_MAX ? cpus : COPY_THREADS_MAX);
	copy_pool_destroy(pool);
}

#define ANY_CPU ~0u

struct place {
	pthread_t caller;
	unsigned others; /* atomic: bands that a worker did */
	unsigned astray; /* atomic: of these, on a CPU or in a class that is not the one wanted */
	unsigned cpu;    /* wanted, or ANY_CPU */
	int policy, priority;
};

static void place_band(void *owner, unsigned band, void *scratch)
{
	struct place *place = owner;
	struct sched_param parameters = { 0 };
	int policy = 0;

	(void)band, (void)scratch;
	if (pthread_equal(pthread_self(), place->caller)) {
		if (band == 0)
			wait_for(&place->others, 1);
		return;
	}
	pthread_getschedparam(pthread_self(), &policy, &parameters);
	if ((place->cpu != ANY_CPU && (unsigned)sched_getcpu() != place->cpu) || policy != place->policy ||
	    parameters.sched_priority != place->priority)
		count(&place->astray);
	count(&place->others);
}

static int first_cpu(void)
{
	cpu_set_t cpus;

	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			return cpu;
	return -1;
}

/* One CPU for all: workers stay there, though the caller is kept apart from them elsewhere. */
static void test_affinity(void **state)
{
	struct copy_pool_config config = { .threads = 3, .policy = COPY_POLICY_INHERITED };
	struct place place = { .caller = pthread_self(), .cpu = (unsigned)first_cpu(), .policy = SCHED_OTHER };
	struct copy_pool *pool = NULL;
	struct copy_effort effort;
	cpu_set_t before;
	char text[320];

	(void)state;
	CPU_SET(first_cpu(), &config.affinity);
	assert_int_equal(copy_pool_threads_default(&config.affinity), 1);
	assert_int_equal(copy_pool_create(&config, &pool, text, sizeof(text)), 0);
	for (unsigned i = 0; i < 20; i++) {
		place.others = 0;
		copy_pool_run(pool, 3, 30, place_band, &place, &effort);
		assert_int_equal(place.astray, 0);
	}
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(copy_pool_enter(pool), 0);
	assert_int_equal(cpus_allowed(), 1);
	assert_int_equal(sched_getcpu(), first_cpu());
	place.others = 0;
	copy_pool_run(pool, 3, 30, place_band, &place, &effort);
	assert_int_equal(place.astray, 0);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	copy_pool_destroy(pool);
	CPU_ZERO(&config.affinity);
	CPU_SET(CPU_SETSIZE - 1, &config.affinity);
	expect_refusal(&config, -EINVAL, "none of the CPUs given for them can be used");
	config.threads = 1;
	expect_refusal(&config, -EINVAL, "none of the CPUs given for them can be used");
}

static void take_all_but(unsigned cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

static void stay_band(void *owner, unsigned band, void *scratch)
{
	const struct place *place = owner;

	if (!pthread_equal(pthread_self(), place->caller))
		take_all_but(place->cpu);
	place_band(owner, band, scratch);
}

/* Somebody takes all CPUs but one from the daemon, and later that one for another: workers do not go back. */
static void test_cpus_taken_away(void **state)
{
	struct copy_pool_config config = { .threads = 2, .policy = COPY_POLICY_INHERITED };
	struct place place = { .caller = pthread_self(), .policy = SCHED_OTHER };
	struct copy_pool *pool = NULL;
	struct copy_effort effort;
	cpu_set_t before;
	char text[320];

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(copy_pool_create(&config, &pool, text, sizeof(text)), 0);
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
		if (!CPU_ISSET(cpu, &before))
			continue;
		place.cpu = (unsigned)cpu;
		place.others = 0;
		copy_pool_run(pool, 2, 10, stay_band, &place, &effort);
		take_all_but(place.cpu);
		place.astray = 0;
		for (unsigned i = 0; i < 3; i++) {
			place.others = 0;
			copy_pool_run(pool, 2, 10, place_band, &place, &effort);
			assert_int_equal(place.astray, 0);
		}
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	copy_pool_destroy(pool);
}

/* With the right to it; where the test has none, it is refused. */
static void try_class(int policy, int priority)
{
	struct copy_pool_config config = { .threads = 2, .policy = policy, .priority = priority };
	struct place place = { .caller = pthread_self(), .cpu = ANY_CPU, .policy = policy, .priority = priority };
	struct copy_pool *pool = NULL;
	struct copy_effort effort;
	char text[320] = "";
	int r = copy_pool_create(&config, &pool, text, sizeof(text));

	if (r == -EPERM && policy != SCHED_OTHER) {
		print_message("no right to class %d here\n", policy);
		return;
	}
	assert_int_equal(r, 0);
	copy_pool_run(pool, 2, 10, place_band, &place, &effort);
	assert_true(place.others > 0);
	assert_int_equal(place.astray, 0);
	copy_pool_destroy(pool);
}

static int refuse_class(void)
{
	struct copy_pool_config config = { .threads = 2, .policy = SCHED_FIFO, .priority = 50 };
	struct copy_pool *pool = NULL;
	struct rlimit none = { 0 };
	char text[320] = "";

	if (setrlimit(RLIMIT_RTPRIO, &none) || (getuid() == 0 && setuid(65534)))
		return 77;
	for (config.threads = 1; config.threads <= 2; config.threads++)
		if (copy_pool_create(&config, &pool, text, sizeof(text)) != -EPERM || pool ||
		    !strstr(text, "scheduling class fifo, priority 50: that takes root, CAP_SYS_NICE, or LimitRTPRIO"))
			return 1;
	return 0;
}

static void test_scheduling(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(refuse_class());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	try_class(SCHED_OTHER, 0);
	try_class(SCHED_FIFO, 1);
	try_class(SCHED_RR, 2);
}

/* A bit for each N of the threads named copy-N. */
static unsigned count_workers(bool *ret_all_blocked)
{
	/* Of 1..31 all that can be blocked; where qemu's user mode runs this, it keeps some more for itself. */
	const unsigned long long of_qemu = 1ull << (SIGABRT - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGSEGV - 1);
	const unsigned long long never =
		1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | (getenv("LUMARING_TEST_EMULATED") ? of_qemu : 0);
	DIR *directory = opendir("/proc/self/task");
	unsigned found = 0;
	struct dirent *entry;

	assert_non_null(directory);
	*ret_all_blocked = true;
	while ((entry = readdir(directory))) {
		char path[300], line[256], name[32] = "";
		unsigned long long blocked = 0;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		file = fopen(path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			sscanf(line, "Name: %31s", name);
			sscanf(line, "SigBlk: %llx", &blocked);
		}
		if (file)
			fclose(file);
		if (strncmp(name, "copy-", 5))
			continue;
		found |= 1u << strtoul(name + 5, NULL, 10);
		*ret_all_blocked &= (~blocked & 0x7fffffffull & ~never) == 0;
	}
	closedir(directory);
	return found;
}

static void test_names_and_signals(void **state)
{
	struct copy_pool *pool = create(4);
	sigset_t before, after;
	unsigned found;
	bool blocked;

	(void)state;
	own_futex_hold();
	own_futex_wait_all(3); /* they have their names now */
	found = count_workers(&blocked);
	own_futex_release();
	assert_int_equal(found, 0xe);
	assert_true(blocked);
	copy_pool_destroy(pool);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	pool = create(2);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int number = 1; number < SIGRTMAX; number++)
		assert_int_equal(sigismember(&before, number), sigismember(&after, number));
	copy_pool_destroy(pool);
}

/* --- scratch and effort -------------------------------------------------------------------------------------- */

#define SCRATCH_BYTES 10000u

struct scratches {
	pthread_t caller;
	unsigned others;
	void *of_caller, *of_other; /* written by one each */
};

static void scratch_band(void *owner, unsigned band, void *scratch)
{
	struct scratches *scratches = owner;
	bool is_caller = pthread_equal(pthread_self(), scratches->caller);

	memset(scratch, (int)band, SCRATCH_BYTES);
	if (is_caller) {
		scratches->of_caller = scratch;
		wait_for(&scratches->others, 1);
	} else {
		scratches->of_other = scratch;
		count(&scratches->others);
	}
	for (unsigned i = 0; i < SCRATCH_BYTES; i++)
		if (((unsigned char *)scratch)[i] != (unsigned char)band)
			abort();
}

static void test_scratch(void **state)
{
	struct copy_pool_config config = { .threads = 2,
					   .policy = COPY_POLICY_INHERITED,
					   .scratch_bytes = SCRATCH_BYTES };
	struct scratches scratches = { .caller = pthread_self() };
	struct copy_pool *pool = NULL;
	struct copy_effort effort;
	char text[320];

	(void)state;
	assert_int_equal(copy_pool_create(&config, &pool, text, sizeof(text)), 0);
	copy_pool_run(pool, 2, 16, scratch_band, &scratches, &effort);
	assert_int_equal((uintptr_t)scratches.of_caller % 4096, 0);
	assert_int_equal((uintptr_t)scratches.of_other % 4096, 0);
	assert_true(labs((char *)scratches.of_caller - (char *)scratches.of_other) >= (long)SCRATCH_BYTES);
	copy_pool_destroy(pool);
}

static void burn_band(void *owner, unsigned band, void *scratch)
{
	(void)owner, (void)band, (void)scratch;
	burn(100 * NS_PER_US);
}

static void test_effort(void **state)
{
	struct copy_pool *pool = create(3);
	struct copy_effort effort;

	(void)state;
	copy_pool_run(pool, 1, 10, burn_band, NULL, &effort);
	assert_int_equal(effort.workers, 1);
	assert_true(effort.wall_ns >= 10 * 100 * NS_PER_US);
	assert_int_equal(effort.busy_ns, effort.wall_ns);
	copy_pool_run(pool, 9, 2, burn_band, NULL, &effort);
	assert_int_equal(effort.workers, 2);
	assert_true(effort.wall_ns >= 100 * NS_PER_US);
	assert_true(effort.busy_ns > 0);
	copy_pool_run(pool, 3, 0, burn_band, NULL, &effort);
	assert_int_equal(effort.workers, 1);
	assert_true(effort.wall_ns < HANG_NS);
	copy_pool_destroy(pool);
}

/* CPU time is counted once, however many runs share it: never more than the process took. */
static void test_busy_time(void **state)
{
	struct copy_pool *pool = create(3);
	uint64_t began_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID), busy_ns = 0;
	struct copy_effort effort;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		copy_pool_run(pool, 2 + i % 2, 6, burn_band, NULL, &effort);
		busy_ns += effort.busy_ns;
	}
	assert_in_range(busy_ns, 1, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - began_ns);
	copy_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_band_once),
		cmocka_unit_test(test_many_bands),
		cmocka_unit_test(test_uneven_bands),
		cmocka_unit_test(test_worker_held_in_a_band),
		cmocka_unit_test(test_worker_that_does_not_wake),
		cmocka_unit_test(test_fewer_workers_than_threads),
		cmocka_unit_test(test_no_more_than_let_in),
		cmocka_unit_test(test_stores_are_seen),
		cmocka_unit_test(test_create_and_destroy),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_affinity),
		cmocka_unit_test(test_cpus_taken_away),
		cmocka_unit_test(test_scheduling),
		cmocka_unit_test(test_names_and_signals),
		cmocka_unit_test(test_scratch),
		cmocka_unit_test(test_effort),
		cmocka_unit_test(test_busy_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
