/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.c - see wait.h. Runs in the caller's thread. Must never wait longer than it is told.
 */
#include "wait.h"

#include <errno.h>
#include <poll.h>

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

int lr_wait_for_fd(struct lr_wait *wait, int fd, uint64_t left_ns)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	const struct timespec left = { .tv_sec = (time_t)(left_ns / LR_NS_PER_SECOND),
				       .tv_nsec = (long)(left_ns % LR_NS_PER_SECOND) };
	const int n = ppoll(&pollfd, 1, left_ns == LR_FOR_EVER ? NULL : &left, NULL);

	if (n < 0 && errno != EINTR)
		return -errno;
	wait->interrupted = n < 0;
	return n > 0;
}
