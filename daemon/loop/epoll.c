/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll.c - the loop's back-end on epoll(7): readiness from the kernel, turned into completions.
 *
 * Owns the epoll and timer descriptors, a table of what is awaited on each descriptor, and the list of timers. Runs in
 * the loop's thread only. It must never call `done`, and never wait anywhere but in epoll_wait().
 *
 * A one-shot operation usually begins again inside its own `done`. So the kernel is left watching until `done` has
 * returned (settle), and beginning again costs no system call: between the turns, what is registered in the kernel is
 * exactly what the table wants.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/backend.h"
#include "loop/timers.h"

#define EVENTS_PER_TURN 64
#define WATCHES_MIN 64

enum side {
	INPUT,
	OUTPUT,
};

/* One descriptor. */
struct watch {
	struct loop_op *op[2];         /* by enum side: what is awaited */
	const struct loop_op *last[2]; /* whose completion left its side registered; never followed */
	uint32_t registered;           /* EPOLLIN | EPOLLOUT, as the kernel has it */
};

struct epoll_loop {
	struct loop base;
	int epoll_fd;
	int timer_fd;
	uint64_t armed_ns;      /* what timer_fd is set to, 0: nothing */
	struct loop_op *timers; /* soonest first; paused listeners too */
	struct watch *watches;  /* by descriptor */
	size_t watch_count;
};

static struct epoll_loop *epoll_loop(struct loop *loop)
{
	return (struct epoll_loop *)loop;
}

static enum side side_of(const struct loop_op *op)
{
	return op->kind == LOOP_WRITABLE ? OUTPUT : INPUT;
}

static uint32_t wanted(const struct watch *watch)
{
	return (watch->op[INPUT] ? EPOLLIN : 0u) | (watch->op[OUTPUT] ? EPOLLOUT : 0u);
}

/* Room in the table for the descriptor, or NULL without memory. */
static struct watch *watch_of(struct epoll_loop *loop, int fd)
{
	size_t count = loop->watch_count ? loop->watch_count : WATCHES_MIN;
	struct watch *watches;

	assert(fd >= 0);
	if ((size_t)fd < loop->watch_count)
		return &loop->watches[fd];
	while (count <= (size_t)fd)
		count *= 2;
	watches = realloc(loop->watches, count * sizeof(*watches));
	if (!watches)
		return NULL;
	for (size_t i = loop->watch_count; i < count; i++)
		watches[i] = (struct watch){ .registered = 0 };
	loop->watches = watches;
	loop->watch_count = count;
	return &watches[fd];
}

/*
 * Have the kernel watch for `events`. A descriptor that was closed inside a `done` took its registration with it, so
 * the table may be wrong about one whose number was used again: the kernel says so.
 */
static int watch_register(struct epoll_loop *loop, int fd, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	int r = epoll_ctl(loop->epoll_fd, watch->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);

	if (r < 0 && watch->registered && errno == ENOENT)
		r = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	if (r < 0)
		return -errno;
	watch->registered = events;
	return 0;
}

/* Leave registered what is still wanted. */
static void watch_trim(struct epoll_loop *loop, int fd, struct watch *watch)
{
	uint32_t events = wanted(watch);

	watch->last[INPUT] = watch->last[OUTPUT] = NULL;
	if (watch->registered == events)
		return;
	if (events && watch_register(loop, fd, watch, events) == 0)
		return;
	/* It fails when the caller closed the descriptor, and then there is nothing to remove. */
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	watch->registered = 0;
}

static void epoll_settle(struct loop *base, struct loop_op *op, int fd)
{
	struct epoll_loop *loop = epoll_loop(base);

	(void)op;
	if (fd >= 0 && (size_t)fd < loop->watch_count)
		watch_trim(loop, fd, &loop->watches[fd]);
}

/* Await the descriptor for this operation. */
static int watch_start(struct epoll_loop *loop, struct loop_op *op)
{
	struct watch *watch = watch_of(loop, op->fd);
	enum side side = side_of(op);
	uint32_t event = side == INPUT ? EPOLLIN : EPOLLOUT;
	int r;

	if (!watch)
		return -ENOMEM;
	assert(!watch->op[side]);
	/* Still registered: true for the operation that left it so, doubtful for another one, so ask. */
	if (!(watch->registered & event) || watch->last[side] != op) {
		r = watch_register(loop, op->fd, watch, watch->registered | event);
		if (r < 0)
			return r;
	}
	watch->op[side] = op;
	return 0;
}

/* A one-shot operation got its result. */
static void watch_complete(struct epoll_loop *loop, struct loop_op *op, int result)
{
	struct watch *watch = &loop->watches[op->fd];
	enum side side = side_of(op);

	watch->op[side] = NULL;
	if (side == OUTPUT || result > 0)
		watch->last[side] = op;
	else /* the end of this file: `done` may well close it and begin again with another one of the same number */
		watch_trim(loop, op->fd, watch);
	loop_complete(&loop->base, op, result);
}

/* Leave a listener alone for a while, so that what cannot be accepted now costs no CPU. */
static void accept_pause(struct epoll_loop *loop, struct loop_op *op)
{
	op->deadline_ns = clock_monotonic_ns() + LOOP_ACCEPT_RETRY_MS * NS_PER_MS;
	timers_insert(&loop->timers, op);
}

static void accept_resume(struct epoll_loop *loop, struct loop_op *op)
{
	if (watch_start(loop, op) < 0)
		accept_pause(loop, op);
}

static void accept_ready(struct epoll_loop *loop, struct loop_op *op)
{
	int fd = accept4(op->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int result = fd < 0 ? -errno : fd;

	/* Gone again before it was accepted, or nothing there: the listener stays registered. */
	if (result == -EAGAIN || result == -ECONNABORTED || result == -EINTR)
		return;
	if (result < 0) {
		loop->watches[op->fd].op[INPUT] = NULL;
		watch_trim(loop, op->fd, &loop->watches[op->fd]);
		accept_pause(loop, op);
	}
	loop_complete(&loop->base, op, result);
}

/* recv(2), which has no room for descriptors: those that a peer attached are closed by the kernel. */
static void receive_ready(struct epoll_loop *loop, struct loop_op *op)
{
	ssize_t n = recv(op->fd, op->buffer, op->buffer_bytes, MSG_DONTWAIT);

	if (n >= 0)
		watch_complete(loop, op, (int)n);
	else if (errno != EAGAIN && errno != EINTR)
		watch_complete(loop, op, -errno);
}

static void event_ready(struct epoll_loop *loop, struct loop_op *op)
{
	int result = loop_take_event(op);

	if (result != -EAGAIN)
		loop_complete(&loop->base, op, result);
}

static void input_ready(struct epoll_loop *loop, struct loop_op *op)
{
	switch (op->kind) {
	case LOOP_ACCEPT:
		accept_ready(loop, op);
		break;
	case LOOP_RECEIVE:
		receive_ready(loop, op);
		break;
	case LOOP_READABLE:
	case LOOP_SIGNAL:
	case LOOP_WAKE:
		event_ready(loop, op);
		break;
	case LOOP_IDLE:
	case LOOP_SEND:
	case LOOP_WRITABLE:
	case LOOP_TIMER:
	case LOOP_WAKE_WORD:
		break;
	}
}

static void expire_timers(struct epoll_loop *loop)
{
	uint64_t now_ns = loop->timers ? clock_monotonic_ns() : 0;
	struct loop_op *op;

	while ((op = timers_take_due(&loop->timers, now_ns))) {
		if (op->kind == LOOP_TIMER)
			loop_complete(&loop->base, op, 0);
		else
			accept_resume(loop, op);
	}
}

/* Set the timer descriptor to the soonest deadline. It is never read: setting it makes it unreadable as well. */
static int arm_timer(struct epoll_loop *loop)
{
	uint64_t next_ns = loop->timers ? loop->timers->deadline_ns : 0;
	struct itimerspec when = { .it_interval = { 0, 0 } };

	if (loop->timers && next_ns == 0)
		next_ns = 1; /* zero would disarm it */
	if (next_ns == loop->armed_ns)
		return 0;
	when.it_value.tv_sec = (time_t)(next_ns / NS_PER_SECOND);
	when.it_value.tv_nsec = (long)(next_ns % NS_PER_SECOND);
	if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		return -errno;
	loop->armed_ns = next_ns;
	return 0;
}

static int epoll_turn(struct loop *base, int timeout_ms)
{
	struct epoll_loop *loop = epoll_loop(base);
	struct epoll_event events[EVENTS_PER_TURN];
	int n, r = arm_timer(loop);

	if (r < 0)
		return r;
	n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;
		struct loop_op *in, *out;

		if (fd == loop->timer_fd)
			continue;
		in = loop->watches[fd].op[INPUT];
		out = loop->watches[fd].op[OUTPUT];
		if (in && (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
			input_ready(loop, in);
		if (out && (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			watch_complete(loop, out, 0);
	}
	expire_timers(loop);
	return 0;
}

static void send_now(struct epoll_loop *loop, struct loop_op *op)
{
	ssize_t n;

	do
		n = sendmsg(op->fd, op->msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	loop_complete(&loop->base, op, n < 0 ? -errno : (int)n);
}

/* Sends are complete when they are started. */
static void epoll_flush(struct loop *loop)
{
	(void)loop;
}

static void epoll_start(struct loop *base, struct loop_op *op)
{
	struct epoll_loop *loop = epoll_loop(base);
	int r;

	switch (op->kind) {
	case LOOP_SEND:
		send_now(loop, op);
		return;
	case LOOP_WAKE_WORD:
		loop_complete(base, op, loop_wake_word_now(op->word));
		return;
	case LOOP_TIMER:
		timers_insert(&loop->timers, op);
		return;
	case LOOP_IDLE:
		return;
	case LOOP_ACCEPT:
	case LOOP_RECEIVE:
	case LOOP_WRITABLE:
	case LOOP_READABLE:
	case LOOP_SIGNAL:
	case LOOP_WAKE:
		break;
	}
	r = watch_start(loop, op);
	if (r < 0) {
		op->repeats = false;
		loop_complete(base, op, r);
	}
}

/* A paused listener is a timer as well. Its owner may close the descriptor as soon as it is told. */
static void epoll_cancel(struct loop *base, struct loop_op *op)
{
	struct epoll_loop *loop = epoll_loop(base);
	enum side side = side_of(op);

	if (op->kind == LOOP_TIMER || op->kind == LOOP_ACCEPT)
		timers_remove(&loop->timers, op);
	if (op->fd >= 0 && (size_t)op->fd < loop->watch_count) {
		struct watch *watch = &loop->watches[op->fd];

		if (watch->op[side] == op)
			watch->op[side] = NULL;
		watch_trim(loop, op->fd, watch);
	}
	if (!op->queued)
		loop_complete(base, op, -ECANCELED);
}

static void epoll_destroy(struct loop *base)
{
	struct epoll_loop *loop = epoll_loop(base);

	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop->watches);
	free(loop);
}

static const struct loop_operations epoll_operations = {
	.backend = LOOP_EPOLL,
	.name = "epoll",
	.destroy = epoll_destroy,
	.wait = epoll_turn,
	.flush = epoll_flush,
	.start = epoll_start,
	.cancel = epoll_cancel,
	.settle = epoll_settle,
};

int loop_epoll_create(struct loop **ret_loop)
{
	struct epoll_loop *loop = calloc(1, sizeof(*loop));
	struct epoll_event event = { .events = EPOLLIN };
	int r;

	if (!loop)
		return -ENOMEM;
	loop->base.operations = &epoll_operations;
	loop->timer_fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd >= 0)
		loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	event.data.fd = loop->timer_fd;
	if (loop->timer_fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) < 0) {
		r = -errno;
		epoll_destroy(&loop->base);
		return r;
	}
	*ret_loop = &loop->base;
	return 0;
}
