/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_follow.h - the section "copy" of `make bench`: what a small part that follows an object costs the daemon,
 * beside the whole image, and beside a camera that nobody reads. A part of bench.c, which is the one client itself.
 *
 * Counted is the CPU time of the daemon's capture thread and its copy workers; that of the main thread, which does
 * nothing here, and of the source's thread are not.
 */
#ifndef LUMARING_TESTS_BENCH_FOLLOW_H
#define LUMARING_TESTS_BENCH_FOLLOW_H

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <lumaring/lumaring.h>

#include "bench_run.h"
#include "bench_table.h"

#define FOLLOW_WIDTH 2304u
#define FOLLOW_HEIGHT 1296u
#define FOLLOW_SIZE 64u
#define FOLLOW_REPEATS 5u
#define FOLLOW_WARM_UP 16u
#define FOLLOW_WORKERS_MAX 16u
#define FOLLOW_AIM (1.0 / 20)

enum { NOBODY, PART_UNTOLD, WHOLE_UNTOLD, FOLLOWING, FOLLOWING_BY_WORD, WHOLE, WAKING, FOLLOW_ROWS };

/* Telling a client costs the same whatever it reads, and no less than waking a process: so also without that,
 * `always` and nobody to be told, and that alone. */
static const struct {
	const char *name, *stream;
	bool client;
	unsigned whole; /* what it is a part of */
} follow_rows[FOLLOW_ROWS] = {
	[NOBODY] = { "nothing is copied", NULL, false, WHOLE_UNTOLD },
	[PART_UNTOLD] = { "64x64, nobody to tell", "main=1000,600,64,64,always=true", false, WHOLE_UNTOLD },
	[WHOLE_UNTOLD] = { "2304x1296, nobody to tell", "main,always=true", false, WHOLE_UNTOLD },
	[FOLLOWING] = { "64x64, moved each frame by its client", NULL, true, WHOLE },
	[FOLLOWING_BY_WORD] = { "the same, woken by its word", NULL, true, WHOLE },
	[WHOLE] = { "2304x1296, for one client", NULL, true, WHOLE },
	[WAKING] = { "not lumaring: a process wakes another", NULL, false, WHOLE },
};

struct followed {
	double cpu_us;  /* of a frame */
	double copy_us; /* p50 of the copy, by the daemon's status; 0: none */
};

/* A whole number of the daemon's status: the one behind "key": after the place where it says `after`. */
static double status_number(const struct bench *bench, const char *after, const char *key)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	char quoted[64], *json, *at;
	double value = 0;

	options.runtime_dir = bench->work;
	if (lumaring_status("bench", &options, &json) < 0)
		return 0;
	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(json, after);
	at = at ? strstr(at, quoted) : NULL;
	if (at)
		value = strtod(at + strlen(quoted), NULL);
	free(json);
	return value;
}

static uint64_t copying_cpu_ns(const struct bench *bench)
{
	uint64_t sum_ns = measure_threads_cpu_ns(bench->server, "capture");

	for (unsigned i = 1; i < FOLLOW_WORKERS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "copy-%u", i);
		sum_ns += measure_threads_cpu_ns(bench->server, name);
	}
	return sum_ns;
}

/* Take so many frames, and more until that moment; when it is a part, each at another place of the image. */
static int follow_frames(struct lumaring *ring, bool part, unsigned frames, uint64_t until_ns)
{
	for (unsigned i = 0; i < frames || measure_now_ns() < until_ns; i++) {
		struct lumaring_region region = { 0, 0, FOLLOW_SIZE, FOLLOW_SIZE };
		const struct lumaring_frame *frame;
		int r = lumaring_next(ring, 2000, &frame);

		if (r > 0)
			continue;
		if (r < 0)
			return fprintf(stderr, "bench: %s\n", lumaring_error_text(ring)), -1;
		region.x = (uint32_t)(frame->sequence * 37 % (FOLLOW_WIDTH - FOLLOW_SIZE));
		region.y = (uint32_t)(frame->sequence * 23 % (FOLLOW_HEIGHT - FOLLOW_SIZE));
		lumaring_release(ring, frame);
		if (part)
			lumaring_set_region(ring, &region);
	}
	return 0;
}

static int follow(const struct bench *bench, unsigned row, struct followed *ret_followed)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	const bool is_part = row == FOLLOWING || row == FOLLOWING_BY_WORD;
	struct lumaring *ring = NULL;
	double captured;
	uint64_t cpu_ns;
	int r = 0;

	options.runtime_dir = bench->work;
	options.flags = is_part ? LUMARING_PRIVATE : 0;
	options.flags |= row == FOLLOWING_BY_WORD ? LUMARING_FUTEX : 0;
	options.region = (struct lumaring_region){ 0, 0, FOLLOW_SIZE, FOLLOW_SIZE };
	if (follow_rows[row].client && lumaring_open("bench", NULL, &options, &ring) < 0)
		return fprintf(stderr, "bench: cannot open a ring\n"), -1;
	if (ring)
		r = follow_frames(ring, is_part, FOLLOW_WARM_UP, 0);
	captured = status_number(bench, "\"source\"", "captured");
	cpu_ns = copying_cpu_ns(bench);
	if (ring && r == 0)
		r = follow_frames(ring, is_part, 0, measure_now_ns() + bench->run_ns);
	else
		measure_sleep_ns(bench->run_ns);
	cpu_ns = copying_cpu_ns(bench) - cpu_ns;
	captured = status_number(bench, "\"source\"", "captured") - captured;
	ret_followed->cpu_us = captured > 0 ? (double)cpu_ns / 1e3 / captured : 0;
	ret_followed->copy_us =
		row == NOBODY ? 0 : status_number(bench, is_part ? "\"private\":true" : "\"copy_us\"", "p50");
	lumaring_close(ring);
	return r < 0 || captured <= 0 ? -1 : 0;
}

static int measure_followed(struct bench *bench, unsigned row, struct followed *ret_followed)
{
	const struct setup setup = {
		.manner = &manner_lumaring,
		.slots = slots_for(1),
		.width = FOLLOW_WIDTH,
		.height = FOLLOW_HEIGHT,
		.stream = follow_rows[row].stream,
	};
	int r;

	remove_logs(bench);
	bench->server = start_lumaringd(bench, &setup);
	r = wait_for_server(bench, &setup);
	if (r == 0)
		r = follow(bench, row, ret_followed);
	stop_server(bench);
	if (r < 0)
		show_logs(bench);
	return r;
}

/* --- the floor of telling: FUTEX_WAKE of a process that waits, and nothing else --- */

static void wait_on_word(uint32_t *word)
{
	for (uint32_t seen = 0; seen != UINT32_MAX; seen = __atomic_load_n(word, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
	_exit(0);
}

/* CPU time of this thread for each tick, with and without a wake in it. */
static double tick_us(const struct bench *bench, uint32_t *word, bool wakes)
{
	uint64_t until_ns = measure_now_ns() + bench->run_ns / 2;
	uint64_t began_ns = measure_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	unsigned ticks = 0;

	for (; measure_now_ns() < until_ns; ticks++) {
		measure_sleep_ns(MEASURE_NS_PER_SECOND / FRAMERATE);
		__atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
		if (wakes)
			syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	return ticks ? (double)(measure_clock_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns) / 1e3 / ticks : 0;
}

/* What it takes above a tick without it, as a row of the table. */
static int measure_waking(struct bench *bench, const struct followed *nobody, struct followed *ret_followed)
{
	uint32_t *word = mmap(NULL, sizeof(*word), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = word == MAP_FAILED ? -1 : fork();
	double above_us;

	if (child < 0)
		return fprintf(stderr, "bench: cannot begin a process: %s\n", strerror(errno)), -1;
	if (child == 0)
		wait_on_word(word);
	above_us = tick_us(bench, word, true);
	above_us -= tick_us(bench, word, false);
	__atomic_store_n(word, UINT32_MAX, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
	waitpid(child, NULL, 0);
	munmap(word, sizeof(*word));
	*ret_followed = (struct followed){ .cpu_us = nobody->cpu_us + above_us };
	return 0;
}

static void print_spread(double *values, unsigned repeats, int digits)
{
	struct spread s = spread_of(values, repeats);
	char text[CELL_BYTES];

	spread_text(text, &s, digits);
	printf(" %s |", text);
}

static void report_row(struct followed followed[FOLLOW_ROWS][REPEATS_MAX], unsigned row, unsigned repeats)
{
	const struct followed *nobody = followed[NOBODY], *whole = followed[follow_rows[row].whole];
	double cpu[REPEATS_MAX], above[REPEATS_MAX], part[REPEATS_MAX], copy[REPEATS_MAX], copy_part[REPEATS_MAX];

	for (unsigned i = 0; i < repeats; i++) {
		cpu[i] = followed[row][i].cpu_us;
		above[i] = cpu[i] - nobody[i].cpu_us;
		part[i] = above[i] / (whole[i].cpu_us - nobody[i].cpu_us);
		copy[i] = followed[row][i].copy_us;
		copy_part[i] = copy[i] / whole[i].copy_us;
	}
	printf("| %s |", follow_rows[row].name);
	print_spread(cpu, repeats, 1);
	print_spread(above, repeats, 1);
	print_spread(part, repeats, 3);
	printf(" %.0f | %.3f |\n", spread_of(copy, repeats).median, spread_of(copy_part, repeats).median);
}

static int bench_follow(struct bench *bench)
{
	static struct followed followed[FOLLOW_ROWS][REPEATS_MAX];
	unsigned repeats = repeats_of(bench, FOLLOW_REPEATS);

	for (unsigned i = 0; i < repeats; i++)
		for (unsigned turn = 0; turn < FOLLOW_ROWS; turn++) {
			unsigned row = (i + turn) % FOLLOW_ROWS;

			if (row != WAKING && measure_followed(bench, row, &followed[row][i]) < 0)
				return -1;
		}
	for (unsigned i = 0; i < repeats; i++)
		if (measure_waking(bench, &followed[NOBODY][i], &followed[WAKING][i]) < 0)
			return -1;
	printf("\n## A part that follows an object\n\n"
	       "%ux%u at %u frames/s. CPU of the capture thread and the copy workers per frame captured; above what it "
	       "takes to\nsee that nobody reads; and of the copy alone the time. Telling a client costs the same for a "
	       "part as for the whole,\nand no less than waking a process, the last row.\n\n"
	       "| | CPU per frame, us | above nothing, us | of the whole | copy p50, us | of the whole |\n"
	       "| --- | --- | --- | --- | --- | --- |\n",
	       FOLLOW_WIDTH, FOLLOW_HEIGHT, FRAMERATE);
	for (unsigned row = 0; row < FOLLOW_ROWS; row++)
		report_row(followed, row, repeats);
	printf("\nAim: the part at most %.2f of the whole, beside what it takes to wake its client.\n", FOLLOW_AIM);
	return 0;
}

#endif
