/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.h - one call that may wait: how long it has, and the ways to wait without the socket's help: for a descriptor,
 * and for the wake word of the client page, steps N1 to N3 of layout.h.
 */
#ifndef LUMARING_CLIENT_WAIT_H
#define LUMARING_CLIENT_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <lumaring/layout.h>

#define LR_NS_PER_SECOND UINT64_C(1000000000)
#define LR_NS_PER_MS UINT64_C(1000000)
#define LR_FOR_EVER UINT64_MAX

/* One waiting call. */
struct lr_wait {
	int timeout_ms;       /* negative: for ever */
	uint64_t deadline_ns; /* set when it is first asked for, 0: not yet */
	bool interrupted;     /* by a signal: to be told, unless the next look finds something */
	unsigned packets;     /* received in this call */
};

static inline struct lr_wait lr_wait_begin(int timeout_ms)
{
	return (struct lr_wait){ .timeout_ms = timeout_ms };
}

static inline uint64_t lr_clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * LR_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* What is left of the call's time: LR_FOR_EVER, or 0 when it is over. It begins with the first question. */
uint64_t lr_wait_left_ns(struct lr_wait *wait);

/*
 * Wait until `fd` (-1: none) is ready for these events of poll(2), for at most so long. 1: it is; 0: not, or
 * interrupted; or a negative errno.
 */
int lr_wait_for(struct lr_wait *wait, int fd, short events, uint64_t left_ns);

/* Likewise, until it is readable. */
int lr_wait_for_fd(struct lr_wait *wait, int fd, uint64_t left_ns);

/* N1: the word, before a look at the ring; and the count of messages that it tells of. */
uint32_t lr_wait_word(const struct lumaring_wake *wake);
uint32_t lr_wait_events(const struct lumaring_wake *wake);

/*
 * N2 and N3, after that look: wait while the word is `seen`, for at most so long. 1: there may be something new; 0: the
 * time is over, or interrupted; or a negative errno.
 */
int lr_wait_for_word(struct lr_wait *wait, struct lumaring_wake *wake, uint32_t seen, uint64_t left_ns);

#endif
