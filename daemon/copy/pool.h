/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.h - threads that share the bands of a frame's copy.
 *
 * The threads are made once. copy_pool_run() is called by one thread, the caller, which works too; it allocates nothing
 * and takes no lock. Bands are handed out by one atomic counter, so a worker that the kernel holds up delays the one
 * band it took, and nothing at all when it took none. Workers sleep when there is nothing to do.
 */
#ifndef LUMARING_COPY_POOL_H
#define LUMARING_COPY_POOL_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#define COPY_THREADS_MAX 16u
#define COPY_BANDS_MAX 0xfffffeu

#define COPY_POLICY_INHERITED (-1)

struct copy_pool;

struct copy_pool_config {
	unsigned threads;     /* the caller included: 1..COPY_THREADS_MAX, 0: copy_pool_threads_default() */
	size_t scratch_bytes; /* of each thread: at a page of its own, prefaulted, never shared */
	/* Of the workers; the caller sets its own with copy_pool_enter(). */
	cpu_set_t affinity; /* empty: as inherited */
	int policy;         /* SCHED_OTHER, SCHED_FIFO, SCHED_RR or COPY_POLICY_INHERITED */
	int priority;       /* of FIFO and RR: 1..99 */
};

/* Do one band. `scratch` is the thread's own. */
typedef void copy_band(void *owner, unsigned band, void *scratch);

/* What one run took. */
struct copy_effort {
	unsigned workers; /* threads that were let in, the caller included */
	uint64_t wall_ns; /* from the call until all bands were done */
	uint64_t busy_ns; /* CPU time of all threads, with waking and waiting; of one thread alone: the wall time */
};

/* How many threads can run at once: CPUs the process may use and that are in `affinity` (empty: all), at most
 * COPY_THREADS_MAX. */
unsigned copy_pool_threads_default(const cpu_set_t *affinity);

/*
 * 0, or a negative errno with one sentence in `text`: -EPERM when the rights for the scheduling class are missing, and
 * -EINVAL when no CPU of the affinity may be used, also with one thread only; -ENOMEM, -EAGAIN. The threads are named
 * copy-1, copy-2 ... and have all signals blocked.
 */
int copy_pool_create(const struct copy_pool_config *config, struct copy_pool **ret_pool, char *text, size_t text_bytes);
void copy_pool_destroy(struct copy_pool *pool); /* NULL is allowed; no run is under way */

/* Give the calling thread the affinity and scheduling class of the workers: 0, or a negative errno. */
int copy_pool_enter(const struct copy_pool *pool);

/*
 * Do bands 0..bands - 1, each once, by the caller and at most workers - 1 others (limited to the pool's threads and to
 * the bands). When it returns, all that any of them stored is there for whoever is told of it by a store of the
 * caller's: each thread fenced once, after its last band. 16 bands per worker are plenty, COPY_BANDS_MAX the limit.
 */
void copy_pool_run(struct copy_pool *pool, unsigned workers, unsigned bands, copy_band *run, void *owner,
		   struct copy_effort *ret_effort);

/*
 * How many of `workers` threads it is worth while to let in to a run that moves so many bytes: 1, where the caller is
 * likely to have done it before others would help (see worth.h), or all. After the run, copy_pool_note() what it took.
 */
unsigned copy_pool_worth(struct copy_pool *pool, unsigned workers, uint64_t bytes);
void copy_pool_note(struct copy_pool *pool, const struct copy_effort *effort, uint64_t bytes);

unsigned copy_pool_threads(const struct copy_pool *pool);

/*
 * Any thread, beside runs: have each worker show that it moves. One that is not held up beats after that; a run is none
 * the slower for it, and nothing waits. Workers are 1..copy_pool_threads() - 1.
 */
void copy_pool_nudge(struct copy_pool *pool);
uint64_t copy_pool_beats(const struct copy_pool *pool, unsigned worker);

#endif
