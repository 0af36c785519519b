/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.h - the client page of one connection: its cursors, which of them are in use, the region word, the wake words
 * and the account. A page and its socket live together until the last frame pinned through it is released: the daemon
 * honours a cursor for as long as its connection stands.
 */
#ifndef LUMARING_CLIENT_PAGE_H
#define LUMARING_CLIENT_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <lumaring/protocol.h>

#include "text.h"

/* No page of any version needs more. */
#define LR_PAGE_BYTES_MAX (UINT32_C(1) << 20)

struct lr_page {
	unsigned references; /* the handle's, and one for each frame pinned through it */
	int socket;          /* closed with the page */
	uint8_t *base;
	uint32_t bytes, cursor_offset, cursor_stride, region_offset;
	uint32_t wake_offset, account_offset; /* 0: there is none */
	uint32_t cursors;                     /* that may be used: granted, and not more than were wanted */
	uint32_t used;                        /* bit i: cursor i holds a pin */
	uint64_t seen, missed, copied;        /* as the account says */
};

/*
 * Map the page behind `fd`, which stays the caller's, as the welcome describes it. `socket` becomes the page's on
 * success. -EBADMSG, -ENOMEM.
 */
int lr_page_open(int fd, int socket, const struct lumaring_welcome *welcome, uint32_t cursors_wanted,
		 struct lr_page **ret_page, struct lr_error *error);

struct lr_page *lr_page_ref(struct lr_page *page);
void lr_page_unref(struct lr_page *page); /* NULL is allowed */

/* The daemon grants more cursors with a replaced ring. -EBADMSG: the page has no room for so many. */
int lr_page_grant(struct lr_page *page, uint32_t granted, uint32_t wanted, struct lr_error *error);

/* A free cursor, or -1. */
int lr_page_take_cursor(struct lr_page *page);
void lr_page_put_cursor(struct lr_page *page, int cursor);

/* A frame was handed out; `copied` for lack of a free cursor. */
void lr_page_count(struct lr_page *page, uint64_t missed, bool copied, uint64_t publication);

static inline uint64_t *lr_page_cursor(const struct lr_page *page, int cursor)
{
	return (void *)(page->base + page->cursor_offset + (uint32_t)cursor * page->cursor_stride);
}

/* The page has one, that is, wake_offset is not 0. */
static inline struct lumaring_wake *lr_page_wake(const struct lr_page *page)
{
	return (void *)(page->base + page->wake_offset);
}

static inline void lr_page_set_region(const struct lr_page *page, uint64_t word)
{
	/* Pairs with the capture thread's load of the region word, once per frame; it stands alone, so that no order
	 * with anything else is needed. */
	__atomic_store_n((uint64_t *)(void *)(page->base + page->region_offset), word, __ATOMIC_RELAXED);
}

#endif
