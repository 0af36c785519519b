/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bell.h - one thread wakes another: an eventfd (non-blocking) that is readable once it was rung, until it is cleared.
 * Any thread. Whoever clears looks at what the ring was for after that, and so misses nothing.
 */
#ifndef LUMARING_BELL_H
#define LUMARING_BELL_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

/* An eventfd is only full after 2^64 - 2 rings that nobody heard, and is readable then: nothing to do. */
static inline void bell_ring(int fd)
{
	uint64_t one = 1;
	ssize_t written = write(fd, &one, sizeof(one));

	(void)written;
}

/* True: it had been rung. */
static inline bool bell_clear(int fd)
{
	uint64_t rings;

	return read(fd, &rings, sizeof(rings)) == sizeof(rings);
}

#endif
