/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.c - see loop.h: creation, the life of an operation, and the list of operations whose `done` is due.
 *
 * What is common to all back-ends. Runs in the loop's thread, loop_wake() apart. It must never call `done` from the
 * call that starts or cancels an operation, and never touch an operation after its last `done` was called.
 */
#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop/backend.h"

#define WHY_BYTES sizeof(((struct loop *)NULL)->fallback)

/* The best back-end that is asked for. `why`: what forbids io_uring, "" where nothing does or nobody asked. */
static int create_backend(enum loop_backend backend, struct loop **ret_loop, char *why, char *text, size_t text_bytes)
{
	int r;

	why[0] = text[0] = '\0';
	if (backend != LOOP_EPOLL) {
		r = loop_uring_create(0, ret_loop, why, WHY_BYTES);
		if (r == 0)
			return 0;
		snprintf(text, text_bytes, "io_uring cannot be used: %s; %s", why,
			 backend == LOOP_URING ? "use --io auto or --io epoll" : "using epoll");
		if (backend == LOOP_URING)
			return r;
	}
	r = loop_epoll_create(ret_loop);
	if (r < 0)
		snprintf(text, text_bytes, "cannot make an event loop: epoll: %s", strerror(-r));
	return r;
}

void loop_init(struct loop *loop)
{
	loop->due.end = &loop->due.first;
	loop->due.first = NULL;
	loop->sent.end = &loop->sent.first;
	loop->sent.first = NULL;
	loop->stopped = false;
	loop->owned = NULL;
	loop->owned_count = 0;
}

int loop_create(enum loop_backend backend, struct loop **ret_loop, char *text, size_t text_bytes)
{
	struct loop *loop;
	char why[WHY_BYTES];
	int r = create_backend(backend, &loop, why, text, text_bytes);

	if (r < 0)
		return r;
	loop_init(loop);
	snprintf(loop->fallback, sizeof(loop->fallback), "%s", why);
	*ret_loop = loop;
	return 0;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	for (unsigned i = 0; i < loop->owned_count; i++)
		close(loop->owned[i]);
	free(loop->owned);
	loop->operations->destroy(loop);
}

enum loop_backend loop_backend(const struct loop *loop)
{
	return loop->operations->backend;
}

const char *loop_backend_name(const struct loop *loop)
{
	return loop->operations->name;
}

const char *loop_fallback(const struct loop *loop)
{
	return loop->fallback;
}

/* Remember a descriptor that the loop made; closed here when that fails. 0 or -ENOMEM. */
static int own(struct loop *loop, int fd)
{
	int *owned = realloc(loop->owned, (loop->owned_count + 1) * sizeof(*owned));

	if (!owned) {
		close(fd);
		return -ENOMEM;
	}
	loop->owned = owned;
	loop->owned[loop->owned_count++] = fd;
	return 0;
}

static void disown_and_close(struct loop *loop, int fd)
{
	unsigned i = 0;

	while (loop->owned[i] != fd)
		i++;
	loop->owned[i] = loop->owned[--loop->owned_count];
	close(fd);
}

void loop_complete(struct loop *loop, struct loop_op *op, int result)
{
	bool send = op->kind == LOOP_SEND || op->kind == LOOP_WAKE_WORD;
	struct loop_queue *queue = send ? &loop->sent : &loop->due;

	assert(loop_op_active(op) && !op->queued);
	op->result = result;
	op->queued = true;
	op->next = NULL;
	*queue->end = op;
	queue->end = &op->next;
}

/* Not the private kind: who waits is another process. */
int loop_wake_word_now(uint32_t *word)
{
	long n = syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);

	return n < 0 ? -errno : (int)n;
}

int loop_take_event(const struct loop_op *op)
{
	struct signalfd_siginfo signal;
	uint64_t rings;

	switch (op->kind) {
	case LOOP_SIGNAL:
		return read(op->fd, &signal, sizeof(signal)) == (ssize_t)sizeof(signal) ? (int)signal.ssi_signo
											: -EAGAIN;
	case LOOP_WAKE:
		return read(op->fd, &rings, sizeof(rings)) == (ssize_t)sizeof(rings) ? 0 : -EAGAIN;
	case LOOP_READABLE:
	case LOOP_WRITABLE:
		return 0;
	case LOOP_IDLE:
	case LOOP_ACCEPT:
	case LOOP_RECEIVE:
	case LOOP_SEND:
	case LOOP_WAKE_WORD:
	case LOOP_TIMER:
		break;
	}
	return -EAGAIN;
}

static void finish(struct loop *loop, struct loop_op *op)
{
	/* Sends are not awaited: nothing to settle, and `done` of another operation on it may be in progress. */
	int settled_fd = op->kind == LOOP_SEND ? -1 : op->fd;
	bool last = op->cancelled || !op->repeats;
	int result = op->result;

	op->queued = false;
	if (last) {
		if (op->kind == LOOP_SIGNAL || op->kind == LOOP_WAKE)
			disown_and_close(loop, op->fd);
		op->kind = LOOP_IDLE;
		op->cancelled = false;
	}
	op->done(op, result);
	/* After its last `done` the operation may be gone. */
	loop->operations->settle(loop, last ? NULL : op, settled_fd);
}

/*
 * Call `done` for what is in the queue now. What comes into it meanwhile is left for the next time, so nobody can keep
 * the loop from looking at the others. A callback may call loop_flush(), which comes here again with a list of its own.
 */
static void dispatch(struct loop *loop, struct loop_queue *queue)
{
	struct loop_op *op = queue->first, *next;

	queue->first = NULL;
	queue->end = &queue->first;
	for (; op; op = next) {
		next = op->next;
		finish(loop, op);
	}
}

int loop_turn(struct loop *loop, int timeout_ms)
{
	bool busy = loop->due.first || loop->sent.first;
	int r = loop->operations->wait(loop, busy ? 0 : timeout_ms);

	dispatch(loop, &loop->sent);
	dispatch(loop, &loop->due);
	return r;
}

int loop_run(struct loop *loop)
{
	int r = 0;

	while (!loop->stopped && r == 0)
		r = loop_turn(loop, -1);
	loop->stopped = false;
	return r;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

void loop_flush(struct loop *loop)
{
	loop->operations->flush(loop);
	dispatch(loop, &loop->sent);
}

/* Make the operation a started one of this kind. */
static void prepare(struct loop_op *op, enum loop_kind kind, bool repeats, int fd)
{
	assert(!loop_op_active(op));
	op->kind = kind;
	op->repeats = repeats;
	op->cancelled = false;
	op->queued = false;
	op->fd = fd;
	op->deadline_ns = 0;
}

void loop_accept(struct loop *loop, struct loop_op *op, int fd)
{
	prepare(op, LOOP_ACCEPT, true, fd);
	loop->operations->start(loop, op);
}

void loop_receive(struct loop *loop, struct loop_op *op, int fd, void *buffer, size_t buffer_bytes)
{
	prepare(op, LOOP_RECEIVE, false, fd);
	op->buffer = buffer;
	op->buffer_bytes = buffer_bytes;
	loop->operations->start(loop, op);
}

void loop_send(struct loop *loop, struct loop_op *op, int fd, const struct msghdr *msg)
{
	prepare(op, LOOP_SEND, false, fd);
	op->msg = msg;
	loop->operations->start(loop, op);
}

void loop_wake_word(struct loop *loop, struct loop_op *op, uint32_t *word)
{
	prepare(op, LOOP_WAKE_WORD, false, -1);
	op->word = word;
	loop->operations->start(loop, op);
}

void loop_writable(struct loop *loop, struct loop_op *op, int fd)
{
	prepare(op, LOOP_WRITABLE, false, fd);
	loop->operations->start(loop, op);
}

void loop_readable(struct loop *loop, struct loop_op *op, int fd)
{
	prepare(op, LOOP_READABLE, true, fd);
	loop->operations->start(loop, op);
}

void loop_timer(struct loop *loop, struct loop_op *op, uint64_t deadline_ns)
{
	prepare(op, LOOP_TIMER, false, -1);
	op->deadline_ns = deadline_ns;
	loop->operations->start(loop, op);
}

int loop_signal(struct loop *loop, struct loop_op *op, const sigset_t *signals)
{
	int fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	int r = fd < 0 ? -errno : own(loop, fd);

	if (r < 0)
		return r;
	prepare(op, LOOP_SIGNAL, true, fd);
	loop->operations->start(loop, op);
	return 0;
}

int loop_doorbell(struct loop *loop, struct loop_op *op)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = fd < 0 ? -errno : own(loop, fd);

	if (r < 0)
		return r;
	prepare(op, LOOP_WAKE, true, fd);
	loop->operations->start(loop, op);
	return 0;
}

void loop_wake(struct loop_op *op)
{
	const uint64_t one = 1;
	int saved_errno = errno;

	/* EAGAIN: the counter is full, so it rings anyhow. */
	if (write(op->fd, &one, sizeof(one)) < 0)
		errno = saved_errno;
}

void loop_cancel(struct loop *loop, struct loop_op *op)
{
	if (!loop_op_active(op) || op->cancelled)
		return;
	op->cancelled = true;
	if (op->queued) {
		if (op->kind == LOOP_ACCEPT && op->result >= 0)
			close(op->result); /* nobody will be told of it */
		op->result = -ECANCELED;
	}
	loop->operations->cancel(loop, op);
}
