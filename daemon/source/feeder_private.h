/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feeder_private.h - what the files of the feeder share: its bells, which are eventfds, and the one way in which the
 * producer waits.
 */
#ifndef LUMARING_SOURCE_FEEDER_PRIVATE_H
#define LUMARING_SOURCE_FEEDER_PRIVATE_H

#include "base/bell.h"
#include "source/feeder.h"

/*
 * Producer. Wait until `fd` (-1: none) is readable or hung up, *ret_ready, or the owner rings, or timeout_ms (-1: none)
 * have passed: look at orders and wishes after that, and before the next call.
 */
int feeder_poll(struct feeder *feeder, int fd, int timeout_ms, bool *ret_ready);

/* Producer. Take the wish that is there, if any. */
void feeder_adopt(struct feeder *feeder);

/* Make memory for a capture buffer: NULL if there is none. */
uint8_t *feeder_map(size_t bytes);
void feeder_unmap(uint8_t *pixels, size_t bytes);

/* Bytes from row to row in a capture buffer. */
static inline uint64_t feeder_stride(const struct feeder_picture *picture)
{
	uint64_t row_bytes = picture->row_bytes;

	if (!row_bytes)
		row_bytes = pixels_row_bytes(picture->pixels, picture->width);
	return FEEDER_STRIDE(row_bytes);
}

/* Microseconds, rounded. */
static inline uint32_t feeder_us(uint64_t period_ns)
{
	return (uint32_t)((period_ns + NS_PER_US / 2) / NS_PER_US);
}

#endif
