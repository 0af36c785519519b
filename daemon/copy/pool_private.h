/* SPDX-License-Identifier: BSD-2-Clause */
/* pool_private.h - what pool.c, which runs, and pool_create.c, which begins and ends, share. */
#ifndef LUMARING_COPY_POOL_PRIVATE_H
#define LUMARING_COPY_POOL_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>

#include "copy/pool.h"
#include "copy/worth.h"

#define LINE_BYTES 128 /* two lines, as some CPUs fetch them in pairs */

struct worker {
	struct copy_pool *pool;
	pthread_t thread;
	unsigned index;  /* 1.. */
	int kept_off;    /* the caller's: CPU that it may not use, -1: any */
	uint64_t cpu_ns; /* CPU time that was reported */
	uint64_t beats;  /* atomic: calls that it heard */
};

struct copy_pool {
	_Alignas(LINE_BYTES) uint64_t turn; /* atomic */

	/* The record: each field atomic. */
	_Alignas(LINE_BYTES) copy_band *run;
	void *owner;
	uint32_t bands, workers;

	_Alignas(LINE_BYTES) uint32_t calls; /* atomic, futex: counts calls of workers, for a run or a beat */
	uint32_t asleep;                     /* atomic: bit of each worker that sleeps, or is about to */
	bool stopping;                       /* atomic */
	uint32_t close_runs;                 /* atomic: above 0, the next run may follow at once */
	uint64_t ended_ns;                   /* the caller's: of the last run of, or meant for, several threads */
	struct copy_worth worth;             /* the caller's */
	bool left_alone;                     /* the caller's: the run under way was meant for several */

	_Alignas(LINE_BYTES) uint32_t done; /* atomic, futex: bands of this run that workers have done */
	bool caller_sleeps;                 /* atomic */
	uint64_t busy_ns;                   /* atomic: CPU time that workers reported in this run */

	_Alignas(LINE_BYTES) struct copy_pool_config config; /* from here on constant */
	unsigned threads;                                    /* begun, the caller included */
	uint8_t *scratch;
	size_t scratch_stride;
	struct worker workers_of[COPY_THREADS_MAX]; /* [0] is nobody */
};

/* CPUs that the calling thread may use and that are in `affinity`, empty: all. None when there are too many to tell. */
cpu_set_t pool_cpus(const cpu_set_t *affinity);

/* A worker's thread: takes a struct worker. */
void *pool_worker(void *argument);

/* Call workers 1..workers - 1, for a run that is open, or to end. */
void pool_call(struct copy_pool *pool, unsigned workers);

#endif
