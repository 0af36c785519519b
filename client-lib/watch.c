/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.c - see watch.h. Runs in the caller's thread. Owns the epoll and timer descriptors and nothing they watch;
 * never waits and never reads.
 */
#include "watch.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND UINT64_C(1000000000)

static int add(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	return errno == ENOSPC ? -ENOMEM : -errno; /* ENOSPC: the user's limit of watches */
}

int lr_watch_open(struct lr_watch *watch, struct lr_error *error)
{
	struct lr_watch made = LR_WATCH_NONE;
	int r;

	made.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (made.epoll >= 0)
		made.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r = made.timer < 0 ? -errno : add(made.epoll, made.timer);
	if (r < 0) {
		lr_watch_close(&made);
		return lr_text_fail(error, r, "cannot make a descriptor to poll: %s", strerror(-r));
	}
	*watch = made;
	return 0;
}

void lr_watch_close(struct lr_watch *watch)
{
	if (watch->timer >= 0)
		close(watch->timer);
	if (watch->epoll >= 0)
		close(watch->epoll);
	*watch = LR_WATCH_NONE;
}

int lr_watch_socket(const struct lr_watch *watch, int socket)
{
	return watch->epoll >= 0 ? add(watch->epoll, socket) : 0;
}

void lr_watch_forget(const struct lr_watch *watch, int socket)
{
	if (watch->epoll >= 0)
		epoll_ctl(watch->epoll, EPOLL_CTL_DEL, socket, NULL);
}

void lr_watch_set_time(const struct lr_watch *watch, uint64_t at_ns)
{
	const struct itimerspec at = { .it_value = { .tv_sec = (time_t)(at_ns / NS_PER_SECOND),
						     .tv_nsec = (long)(at_ns % NS_PER_SECOND) } };

	if (watch->timer >= 0)
		timerfd_settime(watch->timer, TFD_TIMER_ABSTIME, &at, NULL);
}
