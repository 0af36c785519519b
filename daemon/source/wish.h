/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wish.h - what the owner of a source wants of the frames to come, handed to the thread that makes them.
 *
 * Wishes lie in three places: one is the owner's to write, one the taker's to read, and the third changes hands by one
 * atomic exchange on each side. So neither waits, and the taker gets the newest whole, or keeps the one it has.
 */
#ifndef LUMARING_SOURCE_WISH_H
#define LUMARING_SOURCE_WISH_H

#include "source/source.h"

struct wish {
	uint64_t frame_duration_min_ns, frame_duration_max_ns; /* 0: as the source likes */
	struct source_controls controls;
};

struct wish_exchange {
	struct wish wished; /* the newest: the owner's to change before wish_send() */
	struct wish places[3];
	unsigned owner, taker; /* index of the place that is theirs */
	uint32_t middle;       /* atomic: index of the third, and whether the taker has not taken it yet */
};

/* Before there is a taker: both sides have this wish. */
void wish_init(struct wish_exchange *exchange, const struct wish *wish);

/* Owner. Hand over `wished`. */
void wish_send(struct wish_exchange *exchange);

/* Any thread. Is there one that has not been taken? */
bool wish_is_fresh(const struct wish_exchange *exchange);

/* Taker. Take the newest: false, there is none but that of the last time. */
bool wish_take(struct wish_exchange *exchange);

/* Taker. The one that was taken last, whole until the next wish_take(). */
static inline const struct wish *wish_taken(const struct wish_exchange *exchange)
{
	return &exchange->places[exchange->taker];
}

#endif
