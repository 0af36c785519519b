/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tuner.h - how many threads copy the next frame: the fewest that finish inside the budget, and more than one only
 * where each of them helps by more than it costs. CPU time belongs to the users.
 *
 * It is arithmetic: no thread, no clock, no allocation. The capture thread asks tuner_workers() before each frame's
 * copy and tells tuner_note() afterwards what it took; any thread may look with tuner_view().
 *
 *   budget   budget_percent of the frame period
 *   measure  of a number of threads: the medians over TUNER_FRAMES frames of wall and of CPU time, each in ns per byte,
 *            so that frames held up by something else do not count. All of them have as much to copy, within a quarter:
 *            one with more begins the measure anew, those with less are left out unless TUNER_FRAMES come in a row,
 *            or twice as many, and so on, where one with more comes back before these have made a measure
 *   late     a measure's wall time is above the budget
 *   helps    n + 1 threads instead of n, when
 *                wall(n + 1) <= 0.85 wall(n)   and   wall(n) - wall(n + 1) >= (cpu(n + 1) - cpu(n)) / 2
 *            at least 15 % sooner, and each ms of CPU time buys half a ms: two threads must be 1.33 times as fast as
 *            one, three 1.25 times as fast as two, four 1.2 times as fast as three
 *   wait     frames until the next trial of the same kind, doubled by each that was in vain
 *
 * SETTLED -> MORE   late in two measures in a row (in the first at the start), and the wait is over
 * MORE -> SETTLED   one measure: it helps, so keep it; or back, and wait 256, 512 ... 4096 frames
 * SETTLED -> FEWER  in time, and a smaller number is expected to take at most half of the budget; or, in time or not,
 *                   the wait is over and one thread less is expected to keep within the period. What is expected:
 *                   its last measure, changed as that of the present number has changed since
 * FEWER -> SETTLED  one measure: keep it if it takes at most 85 % of the budget or, where more threads are late as
 *                   well, at most 10 % longer than these; else back, and wait 512, 1024 ... 16384 frames
 * either -> SETTLED back, and no wait, when the amount to copy changed meanwhile
 *
 * Without a period (as fast as frames are taken) there is no budget, and nothing to be in time for: one thread, which
 * copies most per CPU time. More would take the CPUs from the source and the readers that the pace depends on.
 */
#ifndef LUMARING_COPY_TUNER_H
#define LUMARING_COPY_TUNER_H

#include <stdbool.h>
#include <stdint.h>

#include "copy/pool.h"

#define TUNER_FRAMES 7u
#define TUNER_BUDGET_PERCENT 25u /* the default */

enum tuner_reason {
	TUNER_FIXED,     /* the user chose */
	TUNER_MEASURING, /* at the start, and in a trial */
	TUNER_ENOUGH,    /* inside the budget */
	TUNER_NO_HELP,   /* late, but one more would not help, or did not when last tried */
	TUNER_ALL,       /* late, with all there are */
	TUNER_UNPACED,
};

/* "enough" ... */
const char *tuner_reason_text(enum tuner_reason reason);

/* In ns per byte. */
struct tuner_measure {
	double wall, cpu;
};

enum tuner_phase {
	TUNER_SETTLED,
	TUNER_MORE,
	TUNER_FEWER,
};

/* What any thread may see. Each field is atomic and stands alone. */
struct tuner_shown {
	uint32_t workers, reason;
	uint64_t changes, trials;
	uint64_t frame_ns, frame_bytes;               /* moving averages */
	uint32_t mb_per_second[COPY_THREADS_MAX + 1]; /* by number of threads: moving average of 10^6 bytes a second */
};

/* Private, but for its size. */
struct tuner {
	unsigned threads_fixed, threads_max, budget_percent;
	enum tuner_phase phase;
	unsigned workers, settled;
	bool started;  /* settled once */
	unsigned skip; /* frames after a change that are not measured: caches and threads are cold */
	double wall[TUNER_FRAMES], cpu[TUNER_FRAMES]; /* of the measure under way, in ns per byte */
	unsigned frame_count, left_out, left_out_max;
	bool of_less;                          /* it began with less than the one before had */
	uint64_t bytes;                        /* of its first frame, or of the measure before */
	struct tuner_measure last;             /* of `settled` */
	uint64_t last_bytes;                   /* of its first frame */
	double expected[COPY_THREADS_MAX + 1]; /* wall time by number of threads, 0: nothing */
	unsigned late;                         /* measures in a row */
	uint64_t now;                          /* frames noted */
	uint64_t more_at, fewer_at;            /* when the waits are over */
	uint32_t more_wait, fewer_wait;
	double frame_ns, frame_bytes, byte_ns[COPY_THREADS_MAX + 1];
	struct tuner_shown shown;
};

/* threads_fixed 0: find out, from 1 to threads_max. */
void tuner_init(struct tuner *tuner, unsigned threads_fixed, unsigned threads_max, unsigned budget_percent);

/* Threads for the next frame, the caller included. */
unsigned tuner_workers(const struct tuner *tuner);

/* A frame was copied: all runs of it added up, and all bytes. No bytes: nothing is learned. period_ns 0: unpaced. */
void tuner_note(struct tuner *tuner, const struct copy_effort *effort, uint64_t bytes, uint64_t period_ns);

struct tuner_view {
	unsigned workers, threads_max;
	enum tuner_reason reason;
	uint64_t changes; /* of mind: numbers of threads that were kept */
	uint64_t trials;  /* of another number */
	uint64_t frame_ns, frame_bytes;
	uint32_t mb_per_second[COPY_THREADS_MAX + 1]; /* [n]: with n threads, 0: never */
};

/* Any thread. */
void tuner_view(const struct tuner *tuner, struct tuner_view *ret_view);

#endif
