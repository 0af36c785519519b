/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop_probe.h - what the tests of the event loop share: an operation that remembers what it was told, and sockets.
 *
 * Nothing depends on how fast the machine is; a loop that never comes to its end fails after PATIENCE_MS.
 */
#ifndef LOOP_PROBE_H
#define LOOP_PROBE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/backend.h"
#include "loop/loop.h"
#include "loop/uring.h"

#define PATIENCE_MS 20000
#define RESULTS_MAX 16

/* An operation that remembers what it was told, and does one thing more. */
struct probe {
	struct loop_op op;
	struct loop *loop;
	void (*then)(struct probe *probe, int result);
	struct probe *other;
	unsigned calls;
	int results[RESULTS_MAX];
	char buffer[64];
	int fd;
	struct msghdr msg;
	struct iovec part;
	uint64_t done_ns;
	unsigned *order, place; /* place: *order when it was called */
};

static inline void on_done(struct loop_op *op, int result)
{
	struct probe *probe = op->owner;

	probe->results[probe->calls++ % RESULTS_MAX] = result;
	probe->done_ns = clock_monotonic_ns();
	if (probe->order)
		probe->place = (*probe->order)++;
	if (probe->then)
		probe->then(probe, result);
}

/* In place: the operation's owner is where it lies. */
static inline void probe_init(struct probe *probe, struct loop *loop, void (*then)(struct probe *probe, int result))
{
	*probe = (struct probe){ .loop = loop, .then = then, .fd = -1 };
	probe->op = (struct loop_op){ .done = on_done, .owner = probe };
}

static inline int last_result(const struct probe *probe)
{
	assert_true(probe->calls > 0);
	return probe->results[(probe->calls - 1) % RESULTS_MAX];
}

/* Turn until the operation was told so many times. */
static inline void turn_until(struct loop *loop, const struct probe *probe, unsigned calls)
{
	uint64_t end_ns = clock_monotonic_ns() + PATIENCE_MS * NS_PER_MS;

	while (probe->calls < calls) {
		assert_true(clock_monotonic_ns() < end_ns);
		assert_int_equal(loop_turn(loop, PATIENCE_MS), 0);
	}
	assert_int_equal(probe->calls, calls);
}

/* Turn a few times without waiting: whatever is due is told, and what is not due is not. */
static inline void turn_idle(struct loop *loop)
{
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(loop_turn(loop, 0), 0);
}

/* The loop has nothing to do: it sleeps instead of turning round and round. */
static inline void check_sleeps(struct loop *loop)
{
	struct probe timer;
	unsigned turns = 0;

	probe_init(&timer, loop, NULL);
	loop_timer(loop, &timer.op, clock_monotonic_ns() + 20 * NS_PER_MS);
	for (; timer.calls == 0; turns++)
		assert_int_equal(loop_turn(loop, PATIENCE_MS), 0);
	assert_true(turns <= 3);
}

/* What the tests of a group run on. */
enum probed {
	PROBED_EPOLL,
	PROBED_URING,
	PROBED_URING_OLD, /* set up as on the oldest kernel that will do */
};
static enum probed probed;

/* ThreadSanitizer does not see the order that io_uring keeps, and valgrind does not know the calls. */
static inline const char *why_not_probed(void)
{
	static char text[256];
	const char *preload = getenv("LD_PRELOAD");
	struct loop *loop;

#ifdef __SANITIZE_THREAD__
	if (probed != PROBED_EPOLL)
		return "ThreadSanitizer does not see the order that io_uring keeps";
#endif
	if (probed != PROBED_EPOLL && preload && strstr(preload, "vgpreload"))
		return "valgrind does not know io_uring";
	if (probed != PROBED_EPOLL) {
		if (loop_create(LOOP_URING, &loop, text, sizeof(text)) < 0)
			return text;
		loop_destroy(loop);
	}
	return NULL;
}

static inline struct loop *make_loop(void)
{
	struct loop *loop = NULL;
	const char *why_not = why_not_probed();
	char text[256] = "";

	if (why_not) {
		printf("%s\n", why_not);
		skip();
	}
	if (probed == PROBED_URING_OLD) {
		assert_int_equal(loop_uring_create(URING_COOPERATIVE, &loop, text, sizeof(text)), 0);
		loop_init(loop);
		return loop;
	}
	assert_int_equal(loop_create(probed == PROBED_EPOLL ? LOOP_EPOLL : LOOP_URING, &loop, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	return loop;
}

/* Run the tests once on each back-end; the sum of the failures. */
#define RUN_ON_EACH(tests) run_on_each((tests), sizeof(tests) / sizeof((tests)[0]))
static inline int run_on_each(const struct CMUnitTest *tests, size_t count)
{
	static const char *const names[] = { "epoll", "io_uring", "io_uring as of Linux 5.19" };
	int failed = 0;

	for (probed = PROBED_EPOLL; probed <= PROBED_URING_OLD; probed++)
		failed += _cmocka_run_group_tests(names[probed], tests, count, NULL, NULL);
	return failed;
}

static inline void make_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

/* A listening socket of an address that the kernel chose, and its address. */
static inline int make_listener(struct sockaddr_un *ret_address, socklen_t *ret_bytes)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*ret_bytes = sizeof(*ret_address);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address.sun_family)) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)ret_address, ret_bytes) < 0)
		return -1;
	return fd;
}

static inline int make_client(const struct sockaddr_un *address, socklen_t bytes)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, bytes) == 0 ? fd : -1;
}

static inline unsigned count_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static inline void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void start_receive(struct probe *probe, int fd)
{
	probe->fd = fd;
	memset(probe->buffer, 0, sizeof(probe->buffer));
	loop_receive(probe->loop, &probe->op, fd, probe->buffer, sizeof(probe->buffer) - 1);
}

static inline void start_send(struct probe *probe, int fd, const void *data, size_t bytes)
{
	probe->part = (struct iovec){ (void *)(uintptr_t)data, bytes };
	probe->msg = (struct msghdr){ .msg_iov = &probe->part, .msg_iovlen = 1 };
	loop_send(probe->loop, &probe->op, fd, &probe->msg);
}

static inline void receive_again(struct probe *probe, int result)
{
	if (result > 0)
		start_receive(probe, probe->fd);
}

static inline void cancel_other(struct probe *probe, int result)
{
	(void)result;
	loop_cancel(probe->loop, &probe->other->op);
}

static inline void cancel_self(struct probe *probe, int result)
{
	if (result != -ECANCELED)
		loop_cancel(probe->loop, &probe->op);
}

#endif
