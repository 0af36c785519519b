/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * waiters.h - a crowd of threads that sleep on the wake word of one client page, far more than the one that a client
 * has: each wake of the daemon's finds somebody, and the word never rests.
 */
#ifndef LUMARING_TEST_WAITERS_H
#define LUMARING_TEST_WAITERS_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <lumaring/layout.h>

#define WAITERS_MAX 256u
#define WAITER_STACK_BYTES (64u << 10)

struct waiters {
	struct lumaring_wake *wake;
	bool stop;      /* atomic */
	uint64_t woken; /* atomic: waits that the daemon ended */
	unsigned count;
	pthread_t threads[WAITERS_MAX];
};

static inline void *waiter_run(void *argument)
{
	struct waiters *w = argument;
	const struct timespec a_while = { .tv_sec = 1 };

	/* Only tells when to stop, and that somebody waits: relaxed. */
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		const uint32_t seen = __atomic_load_n(&w->wake->word, __ATOMIC_SEQ_CST); /* N1 */

		__atomic_store_n(&w->wake->waiting, 1, __ATOMIC_SEQ_CST); /* N2, and never taken back */
		if (syscall(SYS_futex, &w->wake->word, FUTEX_WAIT, seen, &a_while, NULL, 0) == 0)
			__atomic_add_fetch(&w->woken, 1, __ATOMIC_RELAXED); /* a figure: relaxed */
	}
	return NULL;
}

/* Threads that wait until waiters_stop(). A negative errno when not even one could be made. */
static inline int waiters_start(struct waiters *w, struct lumaring_wake *wake, unsigned count)
{
	pthread_attr_t attributes;
	int r = 0;

	w->wake = wake;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, WAITER_STACK_BYTES);
	while (r == 0 && w->count < count) {
		r = pthread_create(&w->threads[w->count], &attributes, waiter_run, w);
		w->count += r == 0;
	}
	pthread_attr_destroy(&attributes);
	return w->count > 0 ? 0 : -r;
}

static inline void waiters_stop(struct waiters *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED); /* see waiter_run() */
	for (unsigned i = 0; i < w->count; i++) {
		syscall(SYS_futex, &w->wake->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
		pthread_join(w->threads[i], NULL);
	}
}

#endif
