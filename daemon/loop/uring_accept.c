/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uring_accept.c - see uring.h: accepting connections with one multishot entry for each listening socket.
 *
 * The kernel accepts as fast as others connect, the loop tells one connection a turn. What waits in between is bounded:
 * behind ACCEPTED_AHEAD of them the kernel is stopped, and the others wait in the socket's own queue, as they do
 * without io_uring; before it hears of that, it may add what fits in the queue of completions. It must never lose a
 * descriptor: each is told or closed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/timers.h"
#include "loop/uring.h"

#define ACCEPTED_AHEAD 64u

/*
 * One accepting operation and the entry behind it. It outlives the operation when that is cancelled, since the kernel
 * may hand over a connection until it has confirmed.
 *
 * armed -> held    ACCEPTED_AHEAD results wait; held -> armed  none waits any more
 * armed -> paused  no descriptors or memory;    paused -> armed  LOOP_ACCEPT_RETRY_MS later
 */
struct listener {
	struct listener *next;
	struct loop_op *op; /* NULL: cancelled; close what still comes */
	int fd;
	bool armed;    /* the kernel has it */
	bool disarmed; /* the kernel was told to stop */
	bool held;     /* until the results that wait are told */
	int *results;  /* that came while an earlier one was not told yet */
	unsigned result_count;
};

static struct listener *listener_of(const struct uring_loop *loop, const struct loop_op *op)
{
	struct listener *listener = loop->listeners;

	while (listener->op != op)
		listener = listener->next;
	return listener;
}

static void listener_free(struct uring_loop *loop, struct listener *listener)
{
	struct listener **link = &loop->listeners;

	while (*link != listener)
		link = &(*link)->next;
	*link = listener->next;
	for (unsigned i = 0; i < listener->result_count; i++)
		if (listener->results[i] >= 0)
			close(listener->results[i]);
	free(listener->results);
	free(listener);
}

static void arm(struct uring_loop *loop, struct listener *listener)
{
	struct io_uring_sqe *sqe = uring_entry(loop);

	if (!sqe)
		return; /* the loop has failed */
	io_uring_prep_multishot_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	sqe->user_data = (uintptr_t)listener | DATA_LISTENER;
	listener->armed = true;
	listener->disarmed = false;
	listener->held = false;
}

static void disarm(struct uring_loop *loop, struct listener *listener)
{
	uring_disarm(loop, (uintptr_t)listener | DATA_LISTENER, 0);
}

void uring_accept_start(struct uring_loop *loop, struct loop_op *op)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener) {
		uring_fail(loop, op, -ENOMEM);
		return;
	}
	listener->op = op;
	listener->fd = op->fd;
	listener->next = loop->listeners;
	loop->listeners = listener;
	arm(loop, listener);
}

void uring_accept_resume(struct uring_loop *loop, struct loop_op *op)
{
	struct listener *listener = listener_of(loop, op);

	if (listener->result_count > 0)
		listener->held = true;
	else
		arm(loop, listener);
}

/* Its operation is over, and may be gone. */
void uring_accept_cancel(struct uring_loop *loop, struct loop_op *op)
{
	struct listener *listener = listener_of(loop, op);

	timers_remove(&loop->timers, op);
	listener->op = NULL;
	if (listener->armed)
		disarm(loop, listener);
	else
		listener_free(loop, listener);
}

/* No further try will do. */
static bool is_hopeless(int result)
{
	return result == -EBADF || result == -EINVAL || result == -ENOTSOCK || result == -EOPNOTSUPP;
}

/* Nothing to tell of: we stopped it, or a connection was gone before it was accepted. */
static bool is_nothing(int result)
{
	return result == -ECANCELED || result == -ECONNABORTED || result == -EAGAIN || result == -EINTR;
}

static void tell(struct uring_loop *loop, struct listener *listener, int result)
{
	if (!is_hopeless(result)) {
		loop_complete(&loop->base, listener->op, result);
		return;
	}
	uring_fail(loop, listener->op, result);
	listener_free(loop, listener);
}

/* One result a turn: the others wait. A connection that there is no memory to remember is closed. */
static void take(struct uring_loop *loop, struct listener *listener, int result)
{
	int *results;

	if (!listener->op->queued) {
		tell(loop, listener, result);
		return;
	}
	results = realloc(listener->results, (listener->result_count + 1) * sizeof(*results));
	if (!results) {
		if (result >= 0)
			close(result);
		return;
	}
	listener->results = results;
	listener->results[listener->result_count++] = result;
	if (listener->result_count >= ACCEPTED_AHEAD && listener->armed && !listener->disarmed) {
		listener->disarmed = true;
		disarm(loop, listener);
	}
}

void uring_accept_settle(struct uring_loop *loop, struct loop_op *op)
{
	struct listener *listener = listener_of(loop, op);
	int result;

	if (op->queued)
		return;
	if (listener->result_count == 0) {
		if (listener->held)
			arm(loop, listener);
		return;
	}
	result = listener->results[0];
	memmove(listener->results, listener->results + 1, --listener->result_count * sizeof(*listener->results));
	tell(loop, listener, result);
}

/* The kernel has ended the entry. After what may last, such as a lack of descriptors, begin again only in a while. */
static void ended(struct uring_loop *loop, struct listener *listener, int result)
{
	if (result < 0 && !is_nothing(result) && !is_hopeless(result)) {
		listener->op->deadline_ns = clock_monotonic_ns() + LOOP_ACCEPT_RETRY_MS * NS_PER_MS;
		timers_insert(&loop->timers, listener->op);
	} else if (listener->result_count > 0) {
		listener->held = true;
	} else if (!is_hopeless(result)) {
		arm(loop, listener);
	}
}

void uring_accept_completed(struct uring_loop *loop, struct listener *listener, int result, bool more)
{
	listener->armed = more;
	if (!listener->op) {
		if (result >= 0)
			close(result);
		if (!more)
			listener_free(loop, listener);
		return;
	}
	if (!more)
		ended(loop, listener, result);
	if (!is_nothing(result))
		take(loop, listener, result);
}

void uring_accept_finish(struct uring_loop *loop)
{
	while (loop->listeners)
		listener_free(loop, loop->listeners);
}
