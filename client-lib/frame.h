/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.h - the frames of one handle: a fixed number of them, taken from a ring by a pin or by a verified copy, and
 * given back. Buffers for copies are kept and used again, so that a reader in its stride allocates nothing.
 */
#ifndef LUMARING_CLIENT_FRAME_H
#define LUMARING_CLIENT_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include <lumaring/lumaring.h>

#include "map.h"
#include "page.h"
#include "text.h"

struct lr_buffer {
	struct lr_buffer *next;
	uint64_t bytes; /* from pixels on */
	uint8_t reserved[48];
	uint8_t pixels[]; /* 64-byte aligned */
};

struct lr_frame {
	struct lumaring_frame frame; /* what the user sees; first, so that one address names both */
	uint64_t lost[LUMARING_LOST_CAUSES];
	struct lr_map *map; /* pinned: the ring it lies in, else NULL */
	struct lr_page *page;
	uint32_t slot;
	int cursor;
	struct lr_buffer *buffer; /* copied: where to, else NULL */
	bool held;                /* the user has it */
	struct lr_frame *next;    /* in the list of idle ones, or in a list of the taker's */
};

struct lr_store {
	struct lr_frame *frames; /* frames_max and one that waits behind an event */
	uint32_t frames_max, held;
	struct lr_frame *idle;
	struct lr_buffer *buffers;
};

/* Where to take a frame from. */
struct lr_origin {
	struct lr_map *map;
	struct lr_page *page; /* NULL: no connection stands behind the cursors, take copies */
};

int lr_store_init(struct lr_store *store, uint32_t frames_max); /* -ENOMEM */
void lr_store_finish(struct lr_store *store);                   /* gives every frame back first */

/* Free the buffers that wait for use; called when rings with slots of another size are in use. */
void lr_store_trim(struct lr_store *store);

/* The user's pointer as a frame that the user holds, or NULL. */
struct lr_frame *lr_store_find(struct lr_store *store, const struct lumaring_frame *frame);

/*
 * Take the frame `sequence` from `slot`, by a pin if a cursor is free, else by a copy. `publication` is what the
 * descriptor must say, 0: anything. The store has an idle frame (the caller counts). missed and missed_by are zero.
 *   -ENOENT   gone, or was another frame
 *   -EBADMSG  the frame is there and its descriptor lies
 *   -ENOMEM
 */
int lr_frame_take(struct lr_store *store, const struct lr_origin *from, uint32_t slot, uint64_t sequence,
		  uint64_t publication, struct lr_frame **ret_frame, struct lr_error *error);

/* Give it back. 0, or -ESTALE when it was not valid until now. */
int lr_frame_put(struct lr_store *store, struct lr_frame *frame);

#endif
