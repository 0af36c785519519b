/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uring.h - what the files of the back-end on io_uring share: uring.c (operations), uring_accept.c (accepting) and
 * uring_setup.c (the ring); nobody outside daemon/loop includes it. Everything here runs in the loop's thread.
 */
#ifndef LUMARING_LOOP_URING_H
#define LUMARING_LOOP_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <liburing.h>

#include "loop/backend.h"

#define URING_ENTRIES 512u      /* of the submission queue; more are started by submitting it when it is full */
#define URING_COMPLETIONS 1024u /* more are kept by the kernel until there is room */

/*
 * What a completion belongs to: a struct loop_op by its address, if a receive with DATA_RECEIVE; a struct listener by
 * its address with DATA_LISTENER; the timer; or nobody (a cancellation, or a change of the timer).
 */
#define DATA_NOBODY UINT64_C(0)
#define DATA_TIMER UINT64_C(2)
#define DATA_LISTENER UINT64_C(1)
#define DATA_RECEIVE UINT64_C(4)
#define DATA_BITS UINT64_C(7)

struct listener;

struct uring_loop {
	struct loop base;
	struct io_uring ring;
	bool enabled;
	bool wakes_words;       /* URING_OP_FUTEX_WAKE is there */
	int failed;             /* negative errno: the kernel takes no more entries */
	unsigned receives;      /* that the kernel has: it may write to their buffers */
	unsigned sends;         /* that the kernel has not completed */
	struct loop_op *timers; /* soonest first; paused listeners too */
	uint64_t armed_ns;      /* what the kernel's timer is set to, 0: nothing */
	struct __kernel_timespec when;
	struct listener *listeners;
};

/* Ways to set a ring up, the best first. */
enum uring_setup {
	URING_DEFERRED, /* Linux 6.1: completions only when asked for, and only in the thread that enabled the ring */
	URING_COOPERATIVE, /* Linux 5.19 */
	URING_SETUPS,
};

/* Linux 6.7; not in the headers of liburing 2.3. */
#define URING_OP_FUTEX_WAKE 52
#define URING_FUTEX_U32 2

/* What may be submitted, and nothing else: IORING_OP_*. The last one, URING_OP_FUTEX_WAKE, only where it is known. */
extern const uint8_t uring_opcodes[];
extern const unsigned uring_opcode_count;

/*
 * Make a ring, disabled and restricted to uring_opcodes[]; the only thing left to register is
 * IORING_REGISTER_ENABLE_RINGS. Tries the ways from `setup` on. *ret_wakes_words: the kernel has URING_OP_FUTEX_WAKE. A
 * negative errno: `why` says in some words, without a full stop, what forbids it.
 */
int uring_open(enum uring_setup setup, struct io_uring *ret_ring, bool *ret_wakes_words, char *why, size_t why_bytes);

/* A free entry, or NULL when the kernel takes none. A full queue is emptied by submitting it. */
struct io_uring_sqe *uring_entry(struct uring_loop *loop);

/*
 * Have the kernel end what carries `user_data`; its last completion follows. Without an entry the loop has failed, and
 * nothing is told any more.
 */
void uring_disarm(struct uring_loop *loop, uint64_t user_data, unsigned flags);

/* Complete an operation for the last time. */
void uring_fail(struct uring_loop *loop, struct loop_op *op, int error);

/* Accepting: begin; `done` has returned; the pause after a failure is over; end; a completion; all of it goes. */
void uring_accept_start(struct uring_loop *loop, struct loop_op *op);
void uring_accept_settle(struct uring_loop *loop, struct loop_op *op);
void uring_accept_resume(struct uring_loop *loop, struct loop_op *op);
void uring_accept_cancel(struct uring_loop *loop, struct loop_op *op);
void uring_accept_completed(struct uring_loop *loop, struct listener *listener, int result, bool more);
void uring_accept_finish(struct uring_loop *loop);

#endif
