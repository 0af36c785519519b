/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend.h - what the two halves of the loop know of each other; nobody outside daemon/loop includes it.
 *
 * loop.c owns the operations' life (started, due, done) and the list of those whose `done` is due. A back-end
 * talks to the kernel and reports each result through loop_complete(); it never calls `done`. Everything here runs in
 * the loop's own thread.
 */
#ifndef LUMARING_LOOP_BACKEND_H
#define LUMARING_LOOP_BACKEND_H

#include "loop/loop.h"

/*
 * started  -> due      loop_complete(), or loop_cancel() of the operation
 * due      -> started  `done` is being called, op->repeats
 * due      -> idle     `done` is being called, once or for the last time
 */
struct loop_operations {
	enum loop_backend backend;
	const char *name;
	/* Give up all that the back-end holds. The operations may be gone already: they are not looked at. */
	void (*destroy)(struct loop *loop);
	/* Wait at most timeout_ms (-1: for ever) and complete what the kernel reports. 0 or a negative errno. */
	int (*wait)(struct loop *loop, int timeout_ms);
	/* Complete the sends that were started. Other operations may complete as well. */
	void (*flush)(struct loop *loop);
	/* Begin; a failure to begin is a completion with op->repeats cleared. */
	void (*start)(struct loop *loop, struct loop_op *op);
	/* Withdraw; unless it is due, complete it with -ECANCELED, at once or later. */
	void (*cancel)(struct loop *loop, struct loop_op *op);
	/* `done` has returned, of `op` if that goes on, or of one that is over (NULL). Its descriptor, or -1, may be
	 * closed or be another file by now. */
	void (*settle)(struct loop *loop, struct loop_op *op, int fd);
};

/* Operations linked by `next`, in the order in which their `done` is to be called. */
struct loop_queue {
	struct loop_op *first, **end;
};

/* Every back-end's loop begins with this. */
struct loop {
	const struct loop_operations *operations;
	struct loop_queue due;  /* but for sends and wakes of words */
	struct loop_queue sent; /* told first, and by loop_flush() */
	bool stopped;
	char fallback[256]; /* see loop_fallback() */
	int *owned;         /* descriptors made for signals and doorbells */
	unsigned owned_count;
};

/* Set up what all back-ends have. */
void loop_init(struct loop *loop);

/* Put the operation at the end of its queue. It must be started and not due yet. */
void loop_complete(struct loop *loop, struct loop_op *op, int result);

/* Wake a thread that waits on the word, at once: the number woken, or a negative errno. */
int loop_wake_word_now(uint32_t *word);

/*
 * The descriptor of a READABLE, WRITABLE, SIGNAL or WAKE is ready: the result to complete it with, or -EAGAIN when
 * nothing is there after all.
 */
int loop_take_event(const struct loop_op *op);

int loop_epoll_create(struct loop **ret_loop);

/* `setup`: the first way to try, enum uring_setup. `why`: what forbids it, as uring_open(). */
int loop_uring_create(unsigned setup, struct loop **ret_loop, char *why, size_t why_bytes);

#endif
