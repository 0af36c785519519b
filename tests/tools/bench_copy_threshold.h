/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_copy_threshold.h - from which size of the destination on streaming stores pay: what the writer takes, and what
 * a reader takes who sums the frame right after, on the same core or on another. A part of bench_copy.c.
 */
#ifndef LUMARING_TESTS_BENCH_COPY_THRESHOLD_H
#define LUMARING_TESTS_BENCH_COPY_THRESHOLD_H

#include <sched.h>

#include "bench_copy_table.h"

#define THRESHOLD_ROW_BYTES 2048u
#define THRESHOLD_LEAST (16u << 10)
#define THRESHOLD_MOST SLOT_BYTES_MIN
#define THRESHOLD_BYTES (UINT64_C(192) << 20) /* written of each size, back to back */
#define THRESHOLD_PACED 24u                   /* frames of each size */

enum { WRITE, READ_SAME, WRITE_OTHER, READ_OTHER, THRESHOLD_TIMES };

/* Another thread, on another CPU as far as there is one, that sums what it is given. */
struct reader {
	pthread_t thread;
	const uint8_t *pixels;
	size_t bytes;
	double us;
	uint32_t asked, answered; /* atomic; asked is what it sleeps on */
	bool stopping;
	int cpu;
};

static uint64_t reader_sum; /* so that no sum is left out */

/* Four sums at once, so that the loads are what takes the time. */
static double read_us(const uint8_t *pixels, size_t bytes)
{
	uint64_t began_ns = measure_now_ns(), sums[4] = { 0 };

	for (size_t i = 0; i < bytes; i += 32) {
		uint64_t words[4];

		memcpy(words, pixels + i, 32);
		for (unsigned k = 0; k < 4; k++)
			sums[k] += words[k];
	}
	/* Relaxed, without a partner: nobody reads it. */
	__atomic_fetch_add(&reader_sum, sums[0] + sums[1] + sums[2] + sums[3], __ATOMIC_RELAXED);
	return (double)(measure_now_ns() - began_ns) / 1e3;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *reader_thread(void *argument)
{
	struct reader *reader = argument;

	pin(reader->cpu);
	for (uint32_t turn = 1;; turn++) {
		/* R1 (acquire) pairs with R2 in ask(): the pixels before the question. */
		while (__atomic_load_n(&reader->asked, __ATOMIC_ACQUIRE) != turn)
			team_futex(&reader->asked, FUTEX_WAIT, turn - 1);
		if (reader->stopping)
			return NULL;
		reader->us = read_us(reader->pixels, reader->bytes);
		/* R3 (release) pairs with R4: the time before the answer. */
		__atomic_store_n(&reader->answered, turn, __ATOMIC_RELEASE);
	}
}

static void ask(struct reader *reader)
{
	/* R2 (release) pairs with R1. */
	__atomic_store_n(&reader->asked, reader->asked + 1, __ATOMIC_RELEASE);
	team_futex(&reader->asked, FUTEX_WAKE, 1);
}

static double ask_us(struct reader *reader, const uint8_t *pixels, size_t bytes)
{
	reader->pixels = pixels;
	reader->bytes = bytes;
	ask(reader);
	/* R4 (acquire) pairs with R3. */
	while (__atomic_load_n(&reader->answered, __ATOMIC_ACQUIRE) != reader->asked)
		sched_yield();
	return reader->us;
}

/* --- one size ----------------------------------------------------------------------------------------------------- */

struct threshold {
	size_t bytes;
	struct result times[2][THRESHOLD_TIMES]; /* ordinary, streaming */
};

/* One frame into this slot by one kind of stores, and its reader. */
static void threshold_frame(struct arena *arena, struct reader *reader, struct threshold *threshold, unsigned turn,
			    unsigned slot, bool counts)
{
	bool streaming = turn / 2, other = turn % 2;
	const struct copy_kernel *kernel = copy_kernel_for(COPY_BYTES, streaming, copy_cpu());
	struct copy_rows rows = {
		.destination = arena->slots + slot * threshold->bytes,
		.destination_stride = THRESHOLD_ROW_BYTES,
		.source_stride = THRESHOLD_ROW_BYTES + 64,
		.pixels = THRESHOLD_ROW_BYTES,
		.rows = threshold->bytes / THRESHOLD_ROW_BYTES,
	};
	struct result *times = threshold->times[streaming];
	uint64_t began_ns;
	double write_us, sum_us;

	rows.source = next_image(arena, rows.source_stride * rows.rows);
	began_ns = measure_now_ns();
	kernel->function(&rows);
	copy_fence();
	write_us = (double)(measure_now_ns() - began_ns) / 1e3;
	if (other)
		sum_us = ask_us(reader, rows.destination, threshold->bytes);
	else
		sum_us = read_us(rows.destination, threshold->bytes);
	if (!counts)
		return;
	add_sample(&times[other ? WRITE_OTHER : WRITE], write_us);
	add_sample(&times[other ? READ_OTHER : READ_SAME], sum_us);
}

/*
 * As in a ring, a slot is written again after it was written and read in the same way. Back to back, all slots are gone
 * through twice in each turn, and the second time counts; paced, each way has slots of its own.
 */
static void threshold_turn(struct arena *arena, struct reader *reader, struct threshold *threshold, bool paced,
			   unsigned round, unsigned turn, uint64_t *due_ns)
{
	if (paced) {
		*due_ns += MEASURE_NS_PER_SECOND / FRAMERATE;
		sleep_until(*due_ns);
		threshold_frame(arena, reader, threshold, turn, turn * SLOTS / 4 + round % (SLOTS / 4),
				round >= SLOTS / 4);
		return;
	}
	for (unsigned i = 0; i < 2 * SLOTS; i++)
		threshold_frame(arena, reader, threshold, turn, i % SLOTS, i >= SLOTS);
}

static void measure_threshold(struct arena *arena, struct reader *reader, struct threshold *threshold, bool paced,
			      double seconds)
{
	unsigned frames = (unsigned)(paced ? THRESHOLD_PACED * seconds
					   : (double)THRESHOLD_BYTES / (double)threshold->bytes / SLOTS * seconds);
	unsigned rounds = frames < SLOTS ? SLOTS : frames > SAMPLES_MAX / SLOTS ? SAMPLES_MAX / SLOTS : frames;
	uint64_t due_ns = measure_now_ns();

	for (unsigned kind = 0; kind < 2; kind++)
		for (unsigned i = 0; i < THRESHOLD_TIMES; i++)
			threshold->times[kind][i].count = 0;
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned turn = 0; turn < 4; turn++)
			threshold_turn(arena, reader, threshold, paced, round, turn, &due_ns);
	for (unsigned kind = 0; kind < 2; kind++)
		for (unsigned i = 0; i < THRESHOLD_TIMES; i++)
			qsort(threshold->times[kind][i].us, threshold->times[kind][i].count, sizeof(double),
			      compare_us);
}

static void print_threshold(const struct threshold *threshold)
{
	double us[2][THRESHOLD_TIMES];

	for (unsigned kind = 0; kind < 2; kind++)
		for (unsigned i = 0; i < THRESHOLD_TIMES; i++)
			us[kind][i] = percentile_us(&threshold->times[kind][i], 50);
	printf("| %zu |", threshold->bytes >> 10);
	for (unsigned i = 0; i < THRESHOLD_TIMES; i++)
		printf(" %.1f / %.1f |", us[0][i], us[1][i]);
	printf(" %.2f | %.2f |\n", (us[1][WRITE] + us[1][READ_SAME]) / (us[0][WRITE] + us[0][READ_SAME]),
	       (us[1][WRITE_OTHER] + us[1][READ_OTHER]) / (us[0][WRITE_OTHER] + us[0][READ_OTHER]));
	fflush(stdout);
}

static int measure_thresholds(struct arena *arena, const struct settings *settings)
{
	static struct threshold threshold;
	struct reader reader = { .cpu = -1 };
	cpu_set_t before;
	int mine = sched_getcpu();

	sched_getaffinity(0, sizeof(before), &before);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET((unsigned)cpu, &before) && cpu != mine)
			reader.cpu = cpu;
	if (reader.cpu < 0)
		return printf("\n### Streaming threshold\n\nNot measured: it needs two CPUs.\n"), 0;
	if (pthread_create(&reader.thread, NULL, reader_thread, &reader) != 0)
		return -1;
	pin(mine);
	for (unsigned paced = 0; paced < 2; paced++) {
		printf("\n### Ordinary or streaming stores, %s\n\n"
		       "us, ordinary / streaming; a reader sums the frame right after. Last: streaming over ordinary, "
		       "writer and reader\ntogether; below 1 streaming pays.\n\n"
		       "| KiB | write | then read on the same core | write | then read on another | same | other |\n"
		       "| --- | --- | --- | --- | --- | --- | --- |\n",
		       paced ? "at 56 frames a second" : "back to back");
		for (threshold.bytes = THRESHOLD_LEAST; threshold.bytes <= THRESHOLD_MOST; threshold.bytes *= 2) {
			measure_threshold(arena, &reader, &threshold, paced, settings->seconds);
			print_threshold(&threshold);
		}
	}
	reader.stopping = true;
	ask(&reader);
	pthread_join(reader.thread, NULL);
	sched_setaffinity(0, sizeof(before), &before);
	return 0;
}

#endif
