/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_copy_table.h - one table of `make bench-copy`: all kernels and their floors for one shape, back to back or
 * paced, by one thread or two. They take turns, frame by frame or slice by slice, so that a slow moment of the machine
 * hits all; what the scheduler interrupted is measured again. Reported are medians with the 10th and 90th percentile,
 * and ratios of medians. A part of bench_copy.c.
 */
#ifndef LUMARING_TESTS_BENCH_COPY_TABLE_H
#define LUMARING_TESTS_BENCH_COPY_TABLE_H

#include <sys/resource.h>
#include <time.h>

#include "bench_copy_work.h"

#define ENTRANTS_MAX 256u
#define SAMPLES_MAX 4096u
#define TRIES_MAX 16u /* of one sample */
#define FRAMERATE 56u
#define SLICES 15u            /* of each entrant, back to back */
#define BACK_TO_BACK_PART 20u /* of the time that is spent paced */

struct settings {
	double seconds;     /* of each entrant, paced */
	const char *kernel; /* only kernels with this in their names; NULL: all */
};

struct result {
	struct entrant entrant;
	unsigned frames; /* of a slice */
	unsigned count;
	double us[SAMPLES_MAX];
};

struct table {
	const struct shape *shape;
	bool paced;
	unsigned threads, count;
	unsigned disturbed; /* samples that were interrupted each time */
	struct result results[ENTRANTS_MAX];
};

static int compare_us(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of sorted values. */
static double percentile_us(const struct result *result, unsigned percent)
{
	return result->count ? result->us[((result->count - 1) * percent + 50) / 100] : 0;
}

/* --- who takes part ----------------------------------------------------------------------------------------------- */

/* The first work that moves as much in as many rows: its floors serve both. */
static const struct work *floor_work(const struct work *work, const struct shape *shape)
{
	uint64_t bytes = read_bytes(work, shape) + written_bytes(work, shape);

	for (size_t i = 0; i < WORKS; i++)
		if (works[i].bin == work->bin &&
		    read_bytes(&works[i], shape) + written_bytes(&works[i], shape) == bytes)
			return &works[i];
	return work;
}

static void add_entrant(struct table *table, const struct entrant *entrant)
{
	if (table->count == ENTRANTS_MAX)
		return;
	table->results[table->count].entrant = *entrant;
	table->results[table->count++].count = 0;
}

static void add_floors(struct table *table, const struct work *work)
{
	struct entrant entrant = { .kind = FLOOR, .work = floor_work(work, table->shape), .threads = table->threads };
	struct floor_kind kinds[FLOORS_MAX];
	unsigned kind_count = floor_kinds(kinds);

	for (unsigned i = 0; i < table->count; i++)
		if (table->results[i].entrant.kind == FLOOR && table->results[i].entrant.work == entrant.work)
			return;
	for (unsigned i = 0; i < kind_count; i++) {
		entrant.floor = kinds[i];
		add_entrant(table, &entrant);
	}
}

static void add_engine(struct table *table, const struct work *work)
{
	struct entrant entrant = { .kind = ENGINE, .work = work, .threads = table->threads };

	copy_conversion_init(&entrant.conversion, work->from, LUMARING_RANGE_FULL, work->op == COPY_FETCH,
			     work->write_bytes == 2 ? LUMARING_FORMAT_R16 : LUMARING_FORMAT_R8, work->bin, copy_cpu());
	add_entrant(table, &entrant);
}

static bool takes_part(const struct work *work, const struct copy_kernel *kernel, const struct settings *settings)
{
	return kernel->op == work->op && (kernel->cpu & copy_cpu()) == kernel->cpu &&
	       (!settings->kernel || strstr(kernel->name, settings->kernel));
}

/* By themselves, kernels have one thread; with two, there is only what an aim was set for. */
static void gather(struct table *table, const struct settings *settings)
{
	table->count = 0;
	for (size_t i = 0; i < WORKS; i++) {
		struct entrant entrant = { .kind = KERNEL, .work = &works[i], .threads = 1 };
		bool any = false;

		for (unsigned k = 0; k < copy_kernel_count; k++) {
			entrant.kernel = &copy_kernels[k];
			if (!takes_part(&works[i], entrant.kernel, settings))
				continue;
			any = true;
			if (table->threads == 1)
				add_entrant(table, &entrant);
		}
		if (any && (table->threads == 1 || works[i].aim > 0)) {
			add_engine(table, &works[i]);
			add_floors(table, &works[i]);
		}
	}
}

/* --- measuring ---------------------------------------------------------------------------------------------------- */

static double time_frames(struct arena *arena, const struct entrant *entrant, const struct shape *shape,
			  unsigned frames)
{
	uint64_t began_ns = measure_now_ns();

	for (unsigned i = 0; i < frames; i++)
		run_frame(arena, entrant, shape);
	return (double)(measure_now_ns() - began_ns) / 1e3 / frames;
}

/* How often the scheduler took a CPU away from a thread of ours. */
static long interruptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static void sleep_until(uint64_t due_ns)
{
	struct timespec due = { (time_t)(due_ns / MEASURE_NS_PER_SECOND), (long)(due_ns % MEASURE_NS_PER_SECOND) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void add_sample(struct result *result, double us)
{
	if (result->count < SAMPLES_MAX)
		result->us[result->count++] = us;
}

/* One sample without an interruption, if that can be had; paced, each try has a frame's time of its own. */
static void take_sample(struct arena *arena, struct table *table, struct result *result, uint64_t *due_ns)
{
	double us = 0;

	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		long before;

		if (table->paced) {
			*due_ns += MEASURE_NS_PER_SECOND / FRAMERATE;
			sleep_until(*due_ns);
		}
		before = interruptions();
		us = time_frames(arena, &result->entrant, table->shape, result->frames);
		if (interruptions() == before) {
			add_sample(result, us);
			return;
		}
	}
	table->disturbed++;
	add_sample(result, us);
}

/* Frames of a slice of this length, by a first try. */
static void set_slice(struct arena *arena, const struct shape *shape, struct result *result, double slice_us)
{
	double us;

	run_frame(arena, &result->entrant, shape);
	us = time_frames(arena, &result->entrant, shape, 1);
	result->frames = us > slice_us ? 1 : (unsigned)(slice_us / (us + 0.1)) + 1;
}

static void run_table(struct arena *arena, struct table *table, const struct settings *settings)
{
	double slice_us = table->paced ? 0 : settings->seconds / BACK_TO_BACK_PART / SLICES * 1e6;
	unsigned rounds = table->paced ? (unsigned)(settings->seconds * FRAMERATE) + 1 : SLICES;
	uint64_t due_ns = measure_now_ns();

	table->disturbed = 0;
	for (unsigned i = 0; i < table->count; i++)
		set_slice(arena, table->shape, &table->results[i], slice_us);
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned turn = 0; turn < table->count; turn++)
			take_sample(arena, table, &table->results[(round + turn) % table->count], &due_ns);
}

/* --- reporting ---------------------------------------------------------------------------------------------------- */

/* Median of a floor of this work, us; `kind` NULL: of the quickest. 0: there is none. */
static double floor_us(const struct table *table, const struct work *work, const char *kind)
{
	const struct work *same = floor_work(work, table->shape);
	double best = 0;

	for (unsigned i = 0; i < table->count; i++) {
		const struct result *result = &table->results[i];
		double us = percentile_us(result, 50);

		if (result->entrant.kind == FLOOR && result->entrant.work == same &&
		    (!kind || strcmp(result->entrant.floor.name, kind) == 0) && (best == 0 || us < best))
			best = us;
	}
	return best;
}

static double aim_of(const struct work *work, const struct shape *shape)
{
	return shape->width < shape->image_width ? work->aim_part : work->aim;
}

static void name_entrant(const struct table *table, const struct entrant *entrant, char *text, size_t text_bytes)
{
	char kernels[128];

	switch (entrant->kind) {
	case KERNEL:
		snprintf(text, text_bytes, "%s", entrant->kernel->name);
		break;
	case ENGINE:
		copy_conversion_text(&entrant->conversion,
				     written_bytes(entrant->work, table->shape) >= COPY_STREAMING_BYTES, kernels,
				     sizeof(kernels));
		snprintf(text, text_bytes, "**engine: %s**", kernels);
		break;
	case FLOOR:
		snprintf(text, text_bytes, "%s", entrant->floor.name);
		break;
	}
}

static void print_row(const struct table *table, const struct result *result, const struct floor_kind *kinds,
		      unsigned kind_count)
{
	const struct entrant *entrant = &result->entrant;
	const struct work *work = entrant->work;
	double us = percentile_us(result, 50), aim = aim_of(work, table->shape);
	double bytes = (double)(read_bytes(work, table->shape) + written_bytes(work, table->shape));
	char name[160];

	name_entrant(table, entrant, name, sizeof(name));
	printf("| %s%s | %s | %.1f [%.1f..%.1f] | %.1f |", entrant->kind == FLOOR ? "floor of " : "", work->name, name,
	       us, percentile_us(result, 10), percentile_us(result, 90), bytes / us / 1e3);
	for (unsigned i = 0; i < kind_count; i++)
		printf(" %.2f |", floor_us(table, work, kinds[i].name) / us);
	if (entrant->kind == ENGINE && aim > 0)
		printf(" %.2f of %.2f |\n", floor_us(table, work, NULL) / us, aim);
	else
		printf(" |\n");
}

static void print_table(const struct table *table)
{
	struct floor_kind kinds[FLOORS_MAX];
	unsigned kind_count = floor_kinds(kinds);

	printf("\n### %s, %s, %u thread%s\n\n| operation | kernel | us a frame [p10..p90] | GB/s |", table->shape->name,
	       table->paced ? "at 56 frames a second" : "back to back", table->threads, table->threads == 1 ? "" : "s");
	for (unsigned i = 0; i < kind_count; i++)
		printf(" of %s |", kinds[i].name);
	printf(" best, and aim |\n| --- | --- | --- | --- |");
	for (unsigned i = 0; i < kind_count; i++)
		printf(" --- |");
	printf(" --- |\n");
	for (unsigned i = 0; i < table->count; i++)
		print_row(table, &table->results[i], kinds, kind_count);
	if (table->disturbed)
		printf("\n%u samples were interrupted by other work each time.\n", table->disturbed);
	fflush(stdout);
}

/* --- the engine, in short ----------------------------------------------------------------------------------------- */

#define SUMMARIES_MAX 8u

/* A column of the last table: what the engine did in one of the others. */
struct summary {
	char title[64];
	double gbs[WORKS], of_best[WORKS]; /* 0: it did not take part */
};

static void sum_up(const struct table *table, struct summary *ret_summary)
{
	*ret_summary = (struct summary){ .title = "" };
	snprintf(ret_summary->title, sizeof(ret_summary->title), "%s, %s, %u", table->shape->name,
		 table->paced ? "paced" : "back to back", table->threads);
	for (unsigned i = 0; i < table->count; i++) {
		const struct result *result = &table->results[i];
		const struct work *work = result->entrant.work;
		double us = percentile_us(result, 50);

		if (result->entrant.kind != ENGINE)
			continue;
		ret_summary->of_best[work - works] = floor_us(table, work, NULL) / us;
		ret_summary->gbs[work - works] =
			(double)(read_bytes(work, table->shape) + written_bytes(work, table->shape)) / us / 1e3;
	}
}

static void print_summaries(const struct summary *summaries, unsigned count)
{
	printf("\n### The engine beside the best floor\n\nTimes as fast (GB/s read and written), with the number of "
	       "threads "
	       "in the heading.\n\n| operation | aim |");
	for (unsigned i = 0; i < count; i++)
		printf(" %s |", summaries[i].title);
	printf("\n| --- | --- |");
	for (unsigned i = 0; i < count; i++)
		printf(" --- |");
	printf("\n");
	for (size_t w = 0; w < WORKS; w++) {
		if (works[w].aim <= 0)
			continue;
		printf("| %s | %.2f |", works[w].name, works[w].aim);
		for (unsigned i = 0; i < count; i++)
			if (summaries[i].gbs[w] > 0)
				printf(" %.2f (%.1f) |", summaries[i].of_best[w], summaries[i].gbs[w]);
			else
				printf(" |");
		printf("\n");
	}
}

static void measure_table(struct arena *arena, struct table *table, const struct settings *settings)
{
	gather(table, settings);
	run_table(arena, table, settings);
	for (unsigned i = 0; i < table->count; i++)
		qsort(table->results[i].us, table->results[i].count, sizeof(double), compare_us);
	print_table(table);
}

#endif
