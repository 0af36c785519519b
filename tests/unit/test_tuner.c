/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_tuner.c - daemon/copy/tuner: how many threads it settles on, on machines made of numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "copy/tuner.h"

#define FPS(rate) (1000000000ull / (rate))
#define FULL 2985984ull /* bytes of 2304x1296 */
#define SMALL 4096ull
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What copying takes: on an idle machine of 4 cores, all threads are busy until the last has finished. */
struct machine {
	double byte_ns;    /* of one thread */
	double speedup[5]; /* by number of threads, [1] is 1 */
	double start_ns;   /* of each frame */
	double noise;      /* at most so much more or less, of 1 */
	unsigned outlier;  /* one frame of so many is held up for 20 ms, 0: none */
	uint64_t random;
	uint64_t frame;
};

static const struct machine perfect = { .byte_ns = 3, .speedup = { 0, 1, 2, 3, 4 } };
/* picamera2 issue 740, Pi 3B, uncached: 30, 43, 45 and 46 frames per second of 2304x1296. */
static const struct machine pi3 = { .byte_ns = 11.16, .speedup = { 0, 1, 1.433, 1.5, 1.533 } };

static double random_unit(struct machine *machine)
{
	machine->random = machine->random * 6364136223846793005ull + 1442695040888963407ull;
	return (double)(machine->random >> 33) / (double)(1ull << 31) * 2 - 1;
}

static struct copy_effort copy(struct machine *machine, unsigned workers, uint64_t bytes)
{
	double wall_ns = machine->start_ns + machine->byte_ns * (double)bytes / machine->speedup[workers];
	/* Two throws: noise as a triangle, most of it near the middle. */
	double noise = machine->noise * (random_unit(machine) + random_unit(machine)) / 2;
	struct copy_effort effort = { .workers = workers };

	wall_ns *= 1 + noise;
	effort.busy_ns = (uint64_t)(wall_ns * workers);
	if (machine->outlier && ++machine->frame % machine->outlier == 0)
		wall_ns += 20e6;
	effort.wall_ns = (uint64_t)wall_ns;
	return effort;
}

static struct tuner_view view(const struct tuner *tuner)
{
	struct tuner_view view;

	tuner_view(tuner, &view);
	assert_int_equal(view.workers, tuner_workers(tuner));
	return view;
}

/* Copy so many frames; returns how many of them a number of threads other than `expected` had. */
static unsigned run(struct tuner *tuner, struct machine *machine, unsigned frames, uint64_t bytes, uint64_t period_ns,
		    unsigned expected)
{
	unsigned others = 0;

	for (unsigned i = 0; i < frames; i++) {
		unsigned workers = tuner_workers(tuner);
		struct copy_effort effort = copy(machine, workers, bytes);

		others += workers != expected;
		tuner_note(tuner, &effort, bytes, period_ns);
	}
	return others;
}

static void expect(const struct tuner *tuner, unsigned workers, enum tuner_reason reason, uint64_t changes)
{
	struct tuner_view seen = view(tuner);

	if (seen.workers != workers || seen.reason != reason || seen.changes != changes)
		fail_msg("%u threads, %s, %llu changes instead of %u, %s, %llu", seen.workers,
			 tuner_reason_text(seen.reason), (unsigned long long)seen.changes, workers,
			 tuner_reason_text(reason), (unsigned long long)changes);
}

static void test_one_suffices(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 0.12;
	tuner_init(&tuner, 0, 4, 25);
	expect(&tuner, 1, TUNER_MEASURING, 0);
	/* One is measured, and no other. */
	assert_int_equal(run(&tuner, &machine, 2 + TUNER_FRAMES, FULL, FPS(56), 1), 0);
	expect(&tuner, 1, TUNER_ENOUGH, 0);
	assert_int_equal(run(&tuner, &machine, 10000, FULL, FPS(56), 1), 0);
	expect(&tuner, 1, TUNER_ENOUGH, 0);
	assert_int_equal(view(&tuner).trials, 0);
	assert_in_range(view(&tuner).frame_ns, 358000, 359000);
	assert_in_range(view(&tuner).mb_per_second[1], 8330, 8340);
	assert_int_equal(view(&tuner).mb_per_second[2], 0);
	assert_int_equal(view(&tuner).threads_max, 4);
}

/* 9 ms by one, and 4.46 allowed. */
static void test_perfect_scaling(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 60, FULL, FPS(56), 3);
	expect(&tuner, 3, TUNER_ENOUGH, 2);
	assert_in_range(view(&tuner).mb_per_second[1], 333, 334);
	assert_in_range(view(&tuner).mb_per_second[2], 666, 667);
	assert_in_range(view(&tuner).mb_per_second[3], 999, 1000);
	/* Two would be late by an eighth: that is tried, ever more seldom, and never kept. */
	assert_in_range(run(&tuner, &machine, 10000, FULL, FPS(56), 3), 8, 5 * (TUNER_FRAMES + 1));
	expect(&tuner, 3, TUNER_ENOUGH, 2);
}

static void test_budget(void **state)
{
	static const struct {
		unsigned percent, threads;
	} cases[] = { { 100, 1 }, { 51, 1 }, { 50, 2 }, { 26, 2 }, { 17, 3 }, { 13, 4 } };

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct machine machine = perfect;
		struct tuner tuner;

		tuner_init(&tuner, 0, 4, cases[i].percent);
		run(&tuner, &machine, 200, FULL, FPS(56), 1);
		expect(&tuner, cases[i].threads, TUNER_ENOUGH, cases[i].threads - 1);
	}
}

static void test_all_threads(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	tuner_init(&tuner, 0, 4, 5);
	run(&tuner, &machine, 100, FULL, FPS(56), 4);
	expect(&tuner, 4, TUNER_ALL, 3);
	assert_in_range(run(&tuner, &machine, 5000, FULL, FPS(56), 4), 1, 4 * (TUNER_FRAMES + 1));
	expect(&tuner, 4, TUNER_ALL, 3);
	tuner_init(&tuner, 0, 1, 5);
	assert_int_equal(run(&tuner, &machine, 1000, FULL, FPS(56), 1), 0);
	expect(&tuner, 1, TUNER_ALL, 0);
}

/* The second thread is worth it, the third and fourth are not: found at once, and hardly asked again. */
static void test_pi3(void **state)
{
	struct machine machine = pi3;
	struct tuner tuner;
	unsigned others;

	(void)state;
	machine.noise = 0.1;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 60, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_NO_HELP, 1);
	others = run(&tuner, &machine, 10000, FULL, FPS(56), 2);
	assert_in_range(others, 1, 8 * (TUNER_FRAMES + 1));
	expect(&tuner, 2, TUNER_NO_HELP, 1);
}

static void test_no_scaling(void **state)
{
	struct machine machine = { .byte_ns = 3, .speedup = { 0, 1, 1, 1, 1 }, .noise = 0.1 };
	struct tuner tuner;

	(void)state;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 60, FULL, FPS(56), 1);
	expect(&tuner, 1, TUNER_NO_HELP, 0);
	assert_in_range(run(&tuner, &machine, 10000, FULL, FPS(56), 1), 1, 8 * (TUNER_FRAMES + 1));
	expect(&tuner, 1, TUNER_NO_HELP, 0);
	assert_in_range(view(&tuner).trials, 4, 8);
}

/* What a second thread must give, on both sides of each border: for 1.33 times the speed half of the CPU time added. */
static void test_helps(void **state)
{
	static const struct {
		double two, three;
		unsigned threads;
	} cases[] = { { 1.32, 1.32, 1 }, { 1.35, 1.35, 2 }, { 1.6, 1.6 * 1.24, 2 }, { 1.6, 1.6 * 1.26, 3 } };

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct machine machine = { .byte_ns = 9, .speedup = { 0, 1, cases[i].two, cases[i].three, 1 } };
		struct tuner tuner;

		tuner_init(&tuner, 0, 3, 10);
		run(&tuner, &machine, 100, FULL, FPS(56), 1);
		assert_int_equal(tuner_workers(&tuner), cases[i].threads);
	}
}

/* Threads that sleep most of their time cost nothing; still 15 % is the least. */
static void test_helps_by_time(void **state)
{
	static const double walls[][2] = { { 10e6, 8.4e6 }, { 10e6, 8.6e6 } };

	(void)state;
	for (unsigned i = 0; i < COUNT(walls); i++) {
		struct tuner tuner;

		tuner_init(&tuner, 0, 2, 25);
		for (unsigned frame = 0; frame < 50; frame++) {
			unsigned workers = tuner_workers(&tuner);
			struct copy_effort effort = { workers, (uint64_t)walls[i][workers - 1], 1000000 };

			tuner_note(&tuner, &effort, FULL, FPS(56));
		}
		assert_int_equal(tuner_workers(&tuner), 2 - i);
	}
}

/* 1 -> 2 -> 1, soon, and with no more than these two changes. */
static void slow_down_and_recover(unsigned slow_frames)
{
	struct machine machine = perfect;
	struct tuner tuner;

	machine.noise = 0.15;
	machine.byte_ns = 1;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 2000, FULL, FPS(56), 1);
	expect(&tuner, 1, TUNER_ENOUGH, 0);
	machine.byte_ns = 2.4;
	run(&tuner, &machine, 5 * TUNER_FRAMES, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ENOUGH, 1);
	run(&tuner, &machine, slow_frames, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ENOUGH, 1);
	machine.byte_ns = 0.6;
	run(&tuner, &machine, 10 * TUNER_FRAMES, FULL, FPS(56), 1);
	expect(&tuner, 1, TUNER_ENOUGH, 2);
	assert_int_equal(run(&tuner, &machine, 10000, FULL, FPS(56), 1), 0);
	expect(&tuner, 1, TUNER_ENOUGH, 2);
}

static void test_source_slows_down_and_recovers(void **state)
{
	(void)state;
	slow_down_and_recover(100); /* sooner than it would be asked for no reason */
	slow_down_and_recover(2000);
}

/* What is expected of one thread is wrong, too high, since it scaled better while it was slow: found out in time. */
static void test_recovery_that_is_not_expected(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 2.4;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 100, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ENOUGH, 1);
	machine.byte_ns = 1.2;
	machine.speedup[2] = 1.01;
	run(&tuner, &machine, 600, FULL, FPS(56), 2);
	expect(&tuner, 1, TUNER_ENOUGH, 2);
}

/* A stream of 64x64 after the whole plane, and back: a frame costs more per byte, and that is no change of speed. */
static void test_bytes_change(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 0.3;
	machine.start_ns = 20000; /* 5 ns per byte of the small ones */
	tuner_init(&tuner, 0, 4, 25);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(run(&tuner, &machine, 100, FULL, FPS(56), 1), 0);
		assert_int_equal(run(&tuner, &machine, 100, SMALL, FPS(56), 1), 0);
	}
	for (unsigned i = 0; i < 1000; i++) { /* from frame to frame */
		assert_int_equal(run(&tuner, &machine, 1 + i % 3, FULL, FPS(56), 1), 0);
		assert_int_equal(run(&tuner, &machine, 1 + i % 5, SMALL, FPS(56), 1), 0);
	}
	expect(&tuner, 1, TUNER_ENOUGH, 0);
	assert_int_equal(view(&tuner).trials, 0);
}

/* Where the plane needs two, the small stream gets one, soon after it begins; and the plane two again. */
static void test_bytes_change_what_is_needed(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 2.4;
	machine.start_ns = 20000;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 100, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ENOUGH, 1);
	for (unsigned i = 1; i <= 10; i++) {
		run(&tuner, &machine, 5 * TUNER_FRAMES, SMALL, FPS(56), 1);
		expect(&tuner, 1, TUNER_ENOUGH, 2 * i);
		run(&tuner, &machine, 5 * TUNER_FRAMES, FULL, FPS(56), 2);
		expect(&tuner, 2, TUNER_ENOUGH, 2 * i + 1);
	}
}

/*
 * Who searches for an object looks at the whole image every now and then. However often that is, it is noticed when the
 * source slows down, and the number that is found is kept.
 */
static void test_bytes_change_now_and_then(void **state)
{
	(void)state;
	for (unsigned every = 2; every <= 5 * TUNER_FRAMES; every++) {
		struct machine machine = perfect;
		struct tuner tuner;

		machine.byte_ns = 0.3;
		tuner_init(&tuner, 0, 4, 25);
		for (unsigned i = 0; i < 10000; i++) {
			uint64_t bytes = i % every ? FULL / 8 : FULL;
			struct copy_effort effort = copy(&machine, tuner_workers(&tuner), bytes);

			tuner_note(&tuner, &effort, bytes, FPS(56));
			if (i == 2000)
				machine.byte_ns = 30; /* the smaller ones take 11 ms, and 4.46 are allowed */
		}
		if (tuner_workers(&tuner) < 3 || view(&tuner).changes > 3 || view(&tuner).trials > 12)
			fail_msg("one frame of %u: %u threads, %llu changes, %llu trials", every, tuner_workers(&tuner),
				 (unsigned long long)view(&tuner).changes, (unsigned long long)view(&tuner).trials);
	}
}

/* A trial whose frames have another size than those before it says nothing: it is made again, and at once. */
static void test_bytes_change_in_a_trial(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 2;
	machine.start_ns = 20000;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 2 + TUNER_FRAMES, FULL, FPS(56), 1);
	assert_int_equal(tuner_workers(&tuner), 2);
	run(&tuner, &machine, 2 * TUNER_FRAMES, SMALL, FPS(56), 2);
	expect(&tuner, 1, TUNER_MEASURING, 0);
	run(&tuner, &machine, 3 * TUNER_FRAMES + 2, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ENOUGH, 1);
}

/* Times that lie around the budget: at most these many changes, whatever the noise does. */
static void test_noise_around_the_budget(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct machine machine = perfect;
		struct tuner tuner;

		machine.random = seed;
		machine.noise = 0.3;
		machine.byte_ns = 1 + 0.004 * seed; /* the budget is 1.495 a byte */
		machine.outlier = 50;
		tuner_init(&tuner, 0, 4, 25);
		run(&tuner, &machine, 10000, FULL, FPS(56), 1);
		if (view(&tuner).changes > 6)
			fail_msg("noise %u: %llu changes in 10000 frames", seed,
				 (unsigned long long)view(&tuner).changes);
	}
}

static void test_outliers(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 0.5;
	machine.outlier = 4;
	tuner_init(&tuner, 0, 4, 25);
	assert_int_equal(run(&tuner, &machine, 10000, FULL, FPS(56), 1), 0);
	expect(&tuner, 1, TUNER_ENOUGH, 0);
}

/* All frames held up for some time, but not for long enough. */
static void test_burst(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 0.5;
	tuner_init(&tuner, 0, 4, 25);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(run(&tuner, &machine, 100 + i, FULL, FPS(56), 1), 0);
		machine.byte_ns = 5;
		assert_int_equal(run(&tuner, &machine, TUNER_FRAMES, FULL, FPS(56), 1), 0);
		machine.byte_ns = 0.5;
	}
	assert_int_equal(view(&tuner).trials, 0);
}

/* The same the other way: for some frames one thread would do. */
static void test_burst_of_speed(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 2.4;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 10 * TUNER_FRAMES, FULL, FPS(56), 2);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(run(&tuner, &machine, 10 * TUNER_FRAMES, FULL, FPS(56), 2), 0);
		machine.byte_ns = 0.1;
		assert_int_equal(run(&tuner, &machine, TUNER_FRAMES, FULL, FPS(56), 2), 0);
		machine.byte_ns = 2.4;
	}
}

/* Room enough for one thread, but not so much that it would be tried before the wait is over. */
static void test_some_room(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 1.7;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 60, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ENOUGH, 1);
	machine.byte_ns = 0.9;
	assert_int_equal(run(&tuner, &machine, 420, FULL, FPS(56), 2), 0);
	run(&tuner, &machine, 100, FULL, FPS(56), 1);
	expect(&tuner, 1, TUNER_ENOUGH, 2);
}

/* Two become much better than one, and so one is expected to be: tried once, and not again soon. */
static void test_false_hope(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 2.4;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 60, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ENOUGH, 1);
	machine.speedup[2] = 8;
	run(&tuner, &machine, 400, FULL, FPS(56), 2);
	assert_int_equal(view(&tuner).trials, 2);
	expect(&tuner, 2, TUNER_ENOUGH, 1);
}

/* Late, and the second thread is worth nothing any more, since its CPU has other work: it is given back. */
static void test_help_that_ended(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 3.5;
	machine.noise = 0.15;
	tuner_init(&tuner, 0, 2, 25);
	run(&tuner, &machine, 60, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ALL, 1);
	run(&tuner, &machine, 5000, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ALL, 1);
	machine.speedup[2] = 1.3; /* not enough to be taken, and too much to be given back */
	run(&tuner, &machine, 5000, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ALL, 1);
	machine.speedup[2] = 1;
	run(&tuner, &machine, 20000, FULL, FPS(56), 1);
	expect(&tuner, 1, TUNER_NO_HELP, 2);
}

/* What was in vain for long is asked for soon once something has changed. */
static void test_waits_begin_anew(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;
	uint64_t before;

	(void)state;
	machine.byte_ns = 2.4;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 20000, FULL, FPS(56), 2);
	before = view(&tuner).trials;
	run(&tuner, &machine, 4000, FULL, FPS(56), 2);
	assert_int_equal(view(&tuner).trials, before);
	machine.byte_ns = 4;
	run(&tuner, &machine, 100, FULL, FPS(56), 3);
	expect(&tuner, 3, TUNER_ENOUGH, 2);
	before = view(&tuner).trials;
	run(&tuner, &machine, 600, FULL, FPS(56), 3);
	assert_int_equal(view(&tuner).trials, before + 1);
}

static void test_waits_begin_anew_for_more(void **state)
{
	struct machine machine = { .byte_ns = 9, .speedup = { 0, 1, 1, 1, 1 } };
	struct tuner tuner;
	uint64_t before;

	(void)state;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 10000, FULL, FPS(56), 1);
	before = view(&tuner).trials;
	machine.speedup[2] = machine.speedup[3] = 2;
	while (view(&tuner).changes == 0)
		run(&tuner, &machine, 1, FULL, FPS(56), 1);
	assert_int_equal(view(&tuner).trials, before + 1);
	run(&tuner, &machine, 300, FULL, FPS(56), 2);
	assert_int_equal(view(&tuner).trials, before + 3);
	expect(&tuner, 2, TUNER_NO_HELP, 1);
}

/* One thread less is expected to lose frames: never tried. */
static void test_no_trial_beyond_the_period(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	machine.byte_ns = 6.2;
	tuner_init(&tuner, 0, 4, 60);
	run(&tuner, &machine, 60, FULL, FPS(56), 2);
	expect(&tuner, 2, TUNER_ENOUGH, 1);
	assert_int_equal(run(&tuner, &machine, 10000, FULL, FPS(56), 2), 0);
}

static void test_period_changes(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	tuner_init(&tuner, 0, 4, 25);
	run(&tuner, &machine, 200, FULL, FPS(20), 1); /* 9 ms of 12.5 */
	expect(&tuner, 1, TUNER_ENOUGH, 0);
	run(&tuner, &machine, 200, FULL, FPS(50), 2); /* of 5 */
	expect(&tuner, 2, TUNER_ENOUGH, 1);
	run(&tuner, &machine, 200, FULL, FPS(10), 1); /* of 25 */
	expect(&tuner, 1, TUNER_ENOUGH, 2);
}

static void test_unpaced(void **state)
{
	struct machine machine = perfect;
	struct tuner tuner;

	(void)state;
	tuner_init(&tuner, 0, 4, 25);
	assert_int_equal(run(&tuner, &machine, 1000, FULL, 0, 1), 0);
	expect(&tuner, 1, TUNER_UNPACED, 0);
	run(&tuner, &machine, 200, FULL, FPS(56), 3);
	expect(&tuner, 3, TUNER_ENOUGH, 2);
	run(&tuner, &machine, 1, FULL, 0, 1);
	expect(&tuner, 1, TUNER_UNPACED, 3);
	assert_int_equal(run(&tuner, &machine, 100, FULL, 0, 1), 0);
	expect(&tuner, 1, TUNER_UNPACED, 3);
}

static void test_fixed(void **state)
{
	struct machine machine = pi3;
	struct tuner tuner;

	(void)state;
	tuner_init(&tuner, 3, 4, 25);
	assert_int_equal(run(&tuner, &machine, 1000, FULL, FPS(56), 3), 0);
	assert_int_equal(run(&tuner, &machine, 100, FULL, 0, 3), 0);
	expect(&tuner, 3, TUNER_FIXED, 0);
	assert_int_equal(view(&tuner).trials, 0);
	assert_in_range(view(&tuner).mb_per_second[3], 134, 135);
	tuner_init(&tuner, 4, 2, 25);
	assert_int_equal(view(&tuner).threads_max, 4);
}

/* Nothing was copied, or nothing is known: nothing is learned. */
static void test_nothing_copied(void **state)
{
	struct copy_effort effort = { .workers = 1, .wall_ns = 5000 };
	struct tuner tuner;

	(void)state;
	tuner_init(&tuner, 0, 4, 25);
	for (unsigned i = 0; i < 100; i++)
		tuner_note(&tuner, &effort, 0, FPS(56));
	effort.wall_ns = 0;
	for (unsigned i = 0; i < 100; i++)
		tuner_note(&tuner, &effort, SMALL, FPS(56));
	expect(&tuner, 1, TUNER_MEASURING, 0);
	assert_int_equal(view(&tuner).frame_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_suffices),
		cmocka_unit_test(test_perfect_scaling),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_all_threads),
		cmocka_unit_test(test_pi3),
		cmocka_unit_test(test_no_scaling),
		cmocka_unit_test(test_helps),
		cmocka_unit_test(test_helps_by_time),
		cmocka_unit_test(test_source_slows_down_and_recovers),
		cmocka_unit_test(test_recovery_that_is_not_expected),
		cmocka_unit_test(test_bytes_change),
		cmocka_unit_test(test_bytes_change_what_is_needed),
		cmocka_unit_test(test_bytes_change_now_and_then),
		cmocka_unit_test(test_bytes_change_in_a_trial),
		cmocka_unit_test(test_noise_around_the_budget),
		cmocka_unit_test(test_outliers),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_burst_of_speed),
		cmocka_unit_test(test_some_room),
		cmocka_unit_test(test_false_hope),
		cmocka_unit_test(test_help_that_ended),
		cmocka_unit_test(test_waits_begin_anew),
		cmocka_unit_test(test_waits_begin_anew_for_more),
		cmocka_unit_test(test_no_trial_beyond_the_period),
		cmocka_unit_test(test_period_changes),
		cmocka_unit_test(test_unpaced),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_nothing_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
