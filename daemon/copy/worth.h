/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worth.h - whether it is worth while to call other threads for a run, by what one alone took for as much.
 *
 * A thread that sleeps costs its caller the wake-up, and begins only when that has happened: what one thread has done
 * by then, or soon after, is done sooner and for less CPU time by one alone. How long that is the machine and its
 * memory decide, so it is measured and not counted in bytes: of runs of about the same size, the moving average.
 *
 * It is arithmetic: no thread, no clock, no allocation. The pool's caller has it.
 */
#ifndef LUMARING_COPY_WORTH_H
#define LUMARING_COPY_WORTH_H

#include <stdbool.h>
#include <stdint.h>

#include "copy/pool.h"

/*
 * What takes one thread less than this is left to it: 640x480 out of cold caches, 60 us by one, took 95 us by two where
 * the second one slept. Workers that are awake, since the run before was moments ago, pay from 20 us on.
 */
#define COPY_WORTH_ASLEEP_NS (100u * 1000)
#define COPY_WORTH_AWAKE_NS (20u * 1000)

/* One run in so many is given to one thread where it may be that it would do. */
#define COPY_WORTH_DOUBTS 32u

struct copy_worth {
	uint64_t alone_ns[64]; /* of one thread alone, or the CPU time of several; by bits of the bytes; 0: unknown */
	uint32_t doubts;
};

/* How many of `workers` threads, the caller included, to use for a run that moves so many bytes, 0: all of them. */
unsigned copy_worth_workers(struct copy_worth *worth, unsigned workers, uint64_t bytes, bool awake);

/* What that run took. */
void copy_worth_note(struct copy_worth *worth, const struct copy_effort *effort, uint64_t bytes);

#endif
