/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * measure.h - times of copies out of one kind of memory: the whole image and parts of it, by one thread and by more,
 * by the daemon's engine into shared memory as a ring's.
 *
 * Rows of one memory take turns, so that a slow moment of the machine hits all of them.
 */
#ifndef LUMARING_BENCH_MEASURE_H
#define LUMARING_BENCH_MEASURE_H

#include <stdint.h>

#include "bench/memory.h"
#include "copy/pool.h"

#define BENCH_THREADS_MAX 4u
#define BENCH_PARTS 3u /* the whole, 640x480, 64x64 */
#define BENCH_ROWS_MAX (BENCH_PARTS * BENCH_THREADS_MAX)
#define BENCH_SAMPLES_MAX 64u
#define BENCH_SLOTS 8u
#define BENCH_FRAMERATE 56u

struct bench_samples {
	double values[BENCH_SAMPLES_MAX];
	unsigned count;
};

/* One row of the table. */
struct bench_row {
	uint32_t width, height;            /* of the part */
	unsigned threads;                  /* in */
	struct bench_samples wall_us;      /* of a frame, back to back */
	struct bench_samples paced_us;     /* with a frame every BENCH_FRAMERATE-th second */
	struct bench_samples paced_cpu_us; /* of all threads together */
};

/* What copies, and where to. */
struct bench_engine {
	struct copy_pool *pool;
	unsigned threads;
	uint8_t *ring;
	size_t slot_bytes;
};

/* `slot_bytes`: the most that a row copies. 0, or a negative errno with one sentence. */
int bench_engine_init(struct bench_engine *engine, unsigned threads, size_t slot_bytes, char *text, size_t text_bytes);
void bench_engine_finish(struct bench_engine *engine);

/* The rows of a memory, all zero but for what is to be measured; their number. */
unsigned bench_rows(const struct bench_layout *layout, unsigned threads, struct bench_row rows[BENCH_ROWS_MAX]);

/* Fill in the rows: 0, -ECANCELED after bench_stop(), or a negative errno of the synchronisation. */
int bench_measure(const struct bench_engine *engine, const struct bench_memory *memory, struct bench_row *rows,
		  unsigned row_count);

/*
 * Read the same few KiB again and again, MB/s: through a cache that is quick, past it as slow as ever. Tells for sure
 * what kind of memory it is.
 */
double bench_reread_mbs(const uint8_t *pixels);

/* Time of SYNC START and END of a buffer, us: 0 or a negative errno. */
int bench_measure_sync(const struct bench_memory *memory, struct bench_samples *ret_us);

/* Names of the kernels that copy the whole image. */
void bench_kernel_names(const struct bench_memory *memory, char *text, size_t text_bytes);

/* Any percentile, 0 to 100; 0 of no values. Sorts. */
double bench_percentile(struct bench_samples *samples, unsigned percent);

/* For a signal handler: end the measurement that is under way. */
void bench_stop(void);

#endif
