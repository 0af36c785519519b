/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uring.c - the loop's back-end on io_uring(7), Linux 5.19 or later: an operation is an entry of the submission queue,
 * its result one of the completion queue.
 *
 * Owns the ring and the list of timers; accepting is uring_accept.c's. Runs in the loop's thread only; from Linux 6.1
 * on the kernel enforces that. It must never call `done`, and never wait anywhere but in wait(), and in flush() for
 * sends, which the kernel never holds back.
 *
 * The ring is made disabled, restricted to the operations below (uring_setup.c), and enabled by the thread that runs
 * it: whoever took over the process could not use it to walk round the system call filter of its unit.
 *
 * Entries go to the kernel with the next wait or flush, so a turn costs one system call whatever was started in it.
 * Only accepting is multishot. What repeats otherwise (readable, signals, doorbells) is one poll at a time, begun again
 * when its `done` has returned, so that no result meets an earlier one that was not told yet.
 */
#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/backend.h"
#include "loop/timers.h"
#include "loop/uring.h"

/* Submissions that the kernel has no memory for are tried so often before the loop gives up. */
#define SUBMIT_TRIES 1000

static struct uring_loop *uring_loop(struct loop *loop)
{
	return (struct uring_loop *)loop;
}

/* --- entries -------------------------------------------------------------------------------------------------------
 */

/* Hand over what was prepared and wait for so many completions. 0, or a negative errno: the loop is of no use any more.
 */
static int submit(struct uring_loop *loop, unsigned wait_count)
{
	int r = loop->failed;

	for (int tries = 0; !loop->failed && tries < SUBMIT_TRIES; tries++) {
		r = io_uring_submit_and_wait(&loop->ring, wait_count);
		if (r != -EAGAIN && r != -EBUSY && r != -EINTR)
			break;
		io_uring_get_events(&loop->ring); /* what found no room in the queue of completions holds it up */
	}
	if (r < 0)
		loop->failed = r;
	return loop->failed;
}

struct io_uring_sqe *uring_entry(struct uring_loop *loop)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	if (!sqe && loop->enabled && submit(loop, 0) == 0)
		sqe = io_uring_get_sqe(&loop->ring);
	return sqe;
}

static void prepare_entry(struct io_uring_sqe *sqe, const struct loop_op *op)
{
	switch (op->kind) {
	case LOOP_RECEIVE:
		io_uring_prep_recv(sqe, op->fd, op->buffer, op->buffer_bytes, 0);
		break;
	case LOOP_SEND:
		io_uring_prep_sendmsg(sqe, op->fd, op->msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case LOOP_WRITABLE:
		io_uring_prep_poll_add(sqe, op->fd, POLLOUT);
		break;
	case LOOP_READABLE:
	case LOOP_SIGNAL:
	case LOOP_WAKE:
		io_uring_prep_poll_add(sqe, op->fd, POLLIN);
		break;
	case LOOP_WAKE_WORD:
		/* As io_uring_prep_futex_wake() of liburing 2.5: flags, word, how many, of which bits. */
		io_uring_prep_rw(URING_OP_FUTEX_WAKE, sqe, URING_FUTEX_U32, op->word, 0, 1);
		sqe->addr3 = FUTEX_BITSET_MATCH_ANY;
		break;
	case LOOP_IDLE:
	case LOOP_ACCEPT:
	case LOOP_TIMER:
		assert(false); /* these are no entries of their own */
		break;
	}
}

/* What flush() waits for. */
static bool is_send(const struct loop_op *op)
{
	return op->kind == LOOP_SEND || op->kind == LOOP_WAKE_WORD;
}

void uring_fail(struct uring_loop *loop, struct loop_op *op, int error)
{
	op->repeats = false;
	loop_complete(&loop->base, op, error);
}

static uint64_t op_data(const struct loop_op *op)
{
	return (uintptr_t)op | (op->kind == LOOP_RECEIVE ? DATA_RECEIVE : 0);
}

/* Give an operation to the kernel. */
static void arm(struct uring_loop *loop, struct loop_op *op)
{
	struct io_uring_sqe *sqe = uring_entry(loop);

	if (!sqe) {
		uring_fail(loop, op, loop->failed ? loop->failed : -ENOBUFS);
		return;
	}
	prepare_entry(sqe, op);
	sqe->user_data = op_data(op);
	op->in_kernel = true;
	loop->receives += op->kind == LOOP_RECEIVE;
	loop->sends += is_send(op);
}

void uring_disarm(struct uring_loop *loop, uint64_t user_data, unsigned flags)
{
	struct io_uring_sqe *sqe = uring_entry(loop);

	if (!sqe)
		return;
	io_uring_prep_cancel64(sqe, user_data, (int)flags);
	sqe->user_data = DATA_NOBODY;
}

/* --- completions ---------------------------------------------------------------------------------------------------
 */

static void op_completed(struct uring_loop *loop, struct loop_op *op, int result)
{
	bool poll = op->kind != LOOP_RECEIVE && !is_send(op);

	op->in_kernel = false;
	loop->receives -= op->kind == LOOP_RECEIVE;
	loop->sends -= is_send(op);
	if (op->cancelled) {
		loop_complete(&loop->base, op, -ECANCELED);
		return;
	}
	if (poll && result < 0) {
		uring_fail(loop, op, result);
		return;
	}
	if (poll)
		result = loop_take_event(op);
	if (poll && result == -EAGAIN)
		arm(loop, op); /* somebody else was faster */
	else
		loop_complete(&loop->base, op, result);
}

static void take_completion(struct uring_loop *loop, const struct io_uring_cqe *cqe)
{
	if (cqe->user_data == DATA_NOBODY)
		return;
	if (cqe->user_data == DATA_TIMER)
		loop->armed_ns = 0;
	else if (cqe->user_data & DATA_LISTENER)
		uring_accept_completed(loop, (struct listener *)(uintptr_t)(cqe->user_data & ~DATA_BITS), cqe->res,
				       cqe->flags & IORING_CQE_F_MORE);
	else
		op_completed(loop, (struct loop_op *)(uintptr_t)(cqe->user_data & ~DATA_BITS), cqe->res);
}

/* Take what there is, at most a full queue, so that a flood does not keep the loop here. */
static void take_completions(struct uring_loop *loop)
{
	struct io_uring_cqe *next, cqe;

	for (unsigned i = 0; i < URING_COMPLETIONS && io_uring_peek_cqe(&loop->ring, &next) == 0; i++) {
		cqe = *next; /* taking it may start operations, which may need the room */
		io_uring_cqe_seen(&loop->ring, next);
		take_completion(loop, &cqe);
	}
}

/* --- the timer -----------------------------------------------------------------------------------------------------
 */

/* Set the kernel's timer to `next_ns`, unless it rings earlier anyhow: then it is set again when it has. */
static void arm_timer(struct uring_loop *loop, uint64_t next_ns)
{
	struct io_uring_sqe *sqe;

	if (loop->armed_ns && loop->armed_ns <= next_ns)
		return;
	sqe = uring_entry(loop);
	if (!sqe)
		return; /* the loop has failed */
	loop->when.tv_sec = (int64_t)(next_ns / NS_PER_SECOND);
	loop->when.tv_nsec = (int64_t)(next_ns % NS_PER_SECOND);
	if (loop->armed_ns) {
		io_uring_prep_timeout_update(sqe, &loop->when, DATA_TIMER, IORING_TIMEOUT_ABS);
		sqe->user_data = DATA_NOBODY;
	} else {
		io_uring_prep_timeout(sqe, &loop->when, 0, IORING_TIMEOUT_ABS);
		sqe->user_data = DATA_TIMER;
	}
	loop->armed_ns = next_ns;
}

static void expire_timers(struct uring_loop *loop)
{
	uint64_t now_ns = loop->timers ? clock_monotonic_ns() : 0;
	struct loop_op *op;

	while ((op = timers_take_due(&loop->timers, now_ns))) {
		if (op->kind == LOOP_TIMER)
			loop_complete(&loop->base, op, 0);
		else
			uring_accept_resume(loop, op);
	}
}

/* When the kernel is to wake us at the latest, UINT64_MAX: only for an event. */
static uint64_t wake_ns(const struct uring_loop *loop, int timeout_ms)
{
	uint64_t next_ns = UINT64_MAX;

	if (timeout_ms > 0)
		next_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	if (loop->timers && loop->timers->deadline_ns < next_ns)
		next_ns = loop->timers->deadline_ns;
	return next_ns ? next_ns : 1; /* 0 stands for none */
}

/* --- operations ----------------------------------------------------------------------------------------------------
 */

static int enable(struct uring_loop *loop)
{
	int r;

	if (loop->enabled)
		return 0;
	r = io_uring_register(loop->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (r < 0)
		return r;
	loop->enabled = true;
	return 0;
}

static int uring_wait(struct loop *base, int timeout_ms)
{
	struct uring_loop *loop = uring_loop(base);
	uint64_t next_ns = wake_ns(loop, timeout_ms);
	int r = enable(loop);

	if (r < 0)
		return r;
	if (timeout_ms != 0 && next_ns != UINT64_MAX)
		arm_timer(loop, next_ns);
	if (timeout_ms == 0 && !loop->failed)
		r = io_uring_submit_and_get_events(&loop->ring);
	else if (!loop->failed)
		r = io_uring_submit_and_wait(&loop->ring, 1);
	if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY)
		loop->failed = r;
	if (loop->failed)
		return loop->failed;
	take_completions(loop);
	expire_timers(loop);
	return 0;
}

/* Sends are complete when the kernel has seen them. */
static void uring_flush(struct loop *base)
{
	struct uring_loop *loop = uring_loop(base);
	int r = enable(loop);

	while (r == 0 && loop->sends > 0) {
		r = submit(loop, 1);
		take_completions(loop);
	}
}

static void uring_start(struct loop *base, struct loop_op *op)
{
	struct uring_loop *loop = uring_loop(base);

	op->in_kernel = false;
	if (op->kind == LOOP_TIMER)
		timers_insert(&loop->timers, op);
	else if (op->kind == LOOP_ACCEPT)
		uring_accept_start(loop, op);
	else if (op->kind == LOOP_WAKE_WORD && !loop->wakes_words)
		loop_complete(base, op, loop_wake_word_now(op->word));
	else
		arm(loop, op);
}

/* What the kernel has is told when the kernel has let go of it. */
static void uring_cancel(struct loop *base, struct loop_op *op)
{
	struct uring_loop *loop = uring_loop(base);

	if (op->kind == LOOP_TIMER)
		timers_remove(&loop->timers, op);
	else if (op->kind == LOOP_ACCEPT && op->repeats)
		uring_accept_cancel(loop, op);
	if (op->in_kernel)
		uring_disarm(loop, op_data(op), 0);
	else if (!op->queued)
		loop_complete(base, op, -ECANCELED);
}

static void uring_settle(struct loop *base, struct loop_op *op, int fd)
{
	struct uring_loop *loop = uring_loop(base);

	(void)fd;
	if (!op || op->cancelled)
		return;
	if (op->kind == LOOP_ACCEPT)
		uring_accept_settle(loop, op);
	else if (!op->in_kernel && !op->queued)
		arm(loop, op);
}

/*
 * A receive that the kernel has would still write to its buffer: end those first. Only the loop's own thread can; after
 * that one has ended, the kernel does by itself.
 */
static void end_receives(struct uring_loop *loop)
{
	struct io_uring_cqe *cqe;

	uring_disarm(loop, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
	while (loop->receives > 0 && submit(loop, 1) == 0) {
		while (io_uring_peek_cqe(&loop->ring, &cqe) == 0) {
			loop->receives -= (cqe->user_data & DATA_RECEIVE) != 0;
			io_uring_cqe_seen(&loop->ring, cqe);
		}
	}
}

static void uring_destroy(struct loop *base)
{
	struct uring_loop *loop = uring_loop(base);

	if (loop->enabled && loop->receives > 0)
		end_receives(loop);
	uring_accept_finish(loop);
	io_uring_queue_exit(&loop->ring);
	free(loop);
}

static const struct loop_operations uring_operations = {
	.backend = LOOP_URING,
	.name = "io_uring",
	.destroy = uring_destroy,
	.wait = uring_wait,
	.flush = uring_flush,
	.start = uring_start,
	.cancel = uring_cancel,
	.settle = uring_settle,
};

int loop_uring_create(unsigned setup, struct loop **ret_loop, char *why, size_t why_bytes)
{
	struct uring_loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop) {
		snprintf(why, why_bytes, "no memory");
		return -ENOMEM;
	}
	loop->base.operations = &uring_operations;
	r = uring_open((enum uring_setup)setup, &loop->ring, &loop->wakes_words, why, why_bytes);
	if (r < 0) {
		free(loop);
		return r;
	}
	*ret_loop = &loop->base;
	return 0;
}
