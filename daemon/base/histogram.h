/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * histogram.h - how values are spread, in fixed memory: buckets that grow with the value, 16 to each power of two.
 *
 * Shows what happens now: percentiles are over the newest 1024 to 2048 values only (fewer before so many came).
 * `count`, `sum` and `max` are over all values since the start. A percentile is never below the value of that rank, and
 * above it by less than a sixteenth of it; from 2^42 on (in ns: 73 minutes) it is `max`.
 *
 * One thread adds, without a lock, an allocation or a wait; any other thread may look meanwhile, and sees values that
 * were added, if not always the last few.
 */
#ifndef LUMARING_HISTOGRAM_H
#define LUMARING_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS 42u     /* values below 2^42 have a bucket of their size */
#define HISTOGRAM_STEP_BITS 4u /* buckets per power of two, as a power of two */
#define HISTOGRAM_STEPS (1u << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_BUCKETS ((HISTOGRAM_BITS - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS + 1) /* one for larger ones */
#define HISTOGRAM_PART 1024u /* values that fill a part */
#define HISTOGRAM_PARTS 3u   /* one is filled, one is full, one is old: it can be emptied while others look */

/* Zero-initialise. */
struct histogram {
	uint64_t count;   /* atomic */
	uint64_t sum;     /* atomic */
	uint64_t max;     /* atomic */
	uint32_t filling; /* atomic: the part that values go to; the one before it is full */
	uint16_t parts[HISTOGRAM_PARTS][HISTOGRAM_BUCKETS]; /* atomic */
};

/* What one look saw: all percentiles of it fit together. */
struct histogram_view {
	uint64_t count, sum, max;
	uint32_t samples; /* in the buckets */
	uint16_t buckets[HISTOGRAM_BUCKETS];
};

/* The one thread that adds. */
void histogram_add(struct histogram *histogram, uint64_t value);

void histogram_look(const struct histogram *histogram, struct histogram_view *ret_view);

/* Nearest rank: the smallest value that so many percent (1 to 100) of the values do not exceed. 0: no values. */
uint64_t histogram_percentile(const struct histogram_view *view, unsigned percent);

#endif
