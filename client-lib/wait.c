/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.c - see wait.h. Runs in the caller's thread. Must never wait longer than it is told.
 */
#include "wait.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t lr_wait_left_ns(struct lr_wait *wait)
{
	uint64_t now_ns;

	if (wait->timeout_ms < 0)
		return LR_FOR_EVER;
	now_ns = lr_clock_now_ns();
	if (wait->deadline_ns == 0)
		wait->deadline_ns = now_ns + (uint64_t)wait->timeout_ms * LR_NS_PER_MS;
	return now_ns < wait->deadline_ns ? wait->deadline_ns - now_ns : 0;
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / LR_NS_PER_SECOND), .tv_nsec = (long)(ns % LR_NS_PER_SECOND) };
}

int lr_wait_for(struct lr_wait *wait, int fd, short events, uint64_t left_ns)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	const struct timespec left = timespec_of(left_ns);
	const int n = ppoll(&pollfd, 1, left_ns == LR_FOR_EVER ? NULL : &left, NULL);

	if (n < 0 && errno != EINTR)
		return -errno;
	wait->interrupted = n < 0;
	return n > 0;
}

int lr_wait_for_fd(struct lr_wait *wait, int fd, uint64_t left_ns)
{
	return lr_wait_for(wait, fd, POLLIN, left_ns);
}

uint32_t lr_wait_word(const struct lumaring_wake *wake)
{
	/* N1 pairs with N5 in daemon/publish/events.c: who sees the word sees the frame or the count it tells of. */
	return __atomic_load_n(&wake->word, __ATOMIC_SEQ_CST);
}

uint32_t lr_wait_events(const struct lumaring_wake *wake)
{
	/* N1 pairs with N7 in daemon/publish/events.c: the messages so counted are in the socket. */
	return __atomic_load_n(&wake->events, __ATOMIC_ACQUIRE);
}

int lr_wait_for_word(struct lr_wait *wait, struct lumaring_wake *wake, uint32_t seen, uint64_t left_ns)
{
	const struct timespec left = timespec_of(left_ns);
	long r;

	/* N2 pairs with N6 in daemon/publish/events.c: either the daemon sees this and wakes, or the kernel sees its N5
	 * below and does not wait. */
	__atomic_store_n(&wake->waiting, 1, __ATOMIC_SEQ_CST);
	/* N3: not the private kind, since who wakes is another process. */
	r = syscall(SYS_futex, &wake->word, FUTEX_WAIT, seen, &left, NULL, 0) < 0 ? -errno : 0;
	/* N3: a daemon that still sees the 1 wakes nobody: relaxed. */
	__atomic_store_n(&wake->waiting, 0, __ATOMIC_RELAXED);
	wait->interrupted = r == -EINTR;
	if (r == 0 || r == -EAGAIN)
		return 1;
	return r == -ETIMEDOUT || r == -EINTR ? 0 : (int)r;
}
