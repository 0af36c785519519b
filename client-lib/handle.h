/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handle.h - one open stream, struct lumaring, and which file owns which part of it:
 *
 *   settings     options.c     what the caller asked for, copied; constant but for the region
 *   connection   connection.c  the socket's life; it alone puts rings and pages into the handle
 *   position     reader.c      what was returned so far, what was reported, what comes next
 *   store        frame.c       the frames held
 *
 * A handle belongs to one thread at a time.
 */
#ifndef LUMARING_CLIENT_HANDLE_H
#define LUMARING_CLIENT_HANDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include <lumaring/lumaring.h>

#include "frame.h"
#include "map.h"
#include "page.h"
#include "text.h"
#include "watch.h"

struct lr_settings {
	char camera[LUMARING_NAME_MAX + 1];
	char stream[LUMARING_NAME_MAX + 1]; /* empty: private */
	struct sockaddr_un address;
	uint32_t flags, cursors, frames_max, slots;
	int timeout_ms;
	struct lumaring_region region_first; /* as lumaring_open() was told */
	struct lumaring_region region;       /* as last asked for */
	uint32_t width_max, height_max;
	uint32_t fourcc, bin; /* of a private stream; 0: the daemon's default */
};

/*
 * DOWN -> GREETING (connected, hello sent)
 * GREETING -> UP (a welcome that makes sense) | DOWN (refusal, nonsense, end)
 * UP -> DOWN (end, nonsense)
 */
enum lr_connection_state {
	LR_DOWN,
	LR_GREETING,
	LR_UP,
};

struct lr_connection {
	enum lr_connection_state state;
	int socket;          /* -1 while DOWN; the page's once UP */
	uint32_t receive_ms; /* how long a receive from it may wait, 0: not set */
	struct lr_watch watch;
	uint32_t word_seen, events_seen; /* UP, LUMARING_FUTEX: the wake words as they were before the last look */
	bool socket_due;                 /* and whether there may be a message to receive */
	uint64_t retry_at_ns;            /* DOWN: CLOCK_MONOTONIC of the next attempt */
	uint32_t backoff_ms;             /* how long after a failed attempt the next one is due */
	uint64_t let_go_at_ns;           /* GREETING: when a ring of the daemon before is given back */
	bool opening;                    /* lumaring_open() still runs: an absent daemon is an error */
	int put_off; /* what the last attempt was refused with, when that passes by itself; else 0 */
	struct lr_error put_off_text;
};

/* The frame that `missed` of the next one is counted from. */
struct lr_account {
	bool valid;
	uint64_t sequence, publication;
	uint64_t lost[LUMARING_LOST_CAUSES];
};

struct lr_position {
	uint64_t publication; /* newest one returned, or found gone */
	struct lr_account account;
	bool generation_known;    /* false: the next frame's geometry is no news */
	uint32_t generation;      /* of the last frame returned, or as announced by an event since */
	struct lr_frame *waiting; /* taken, behind the geometry event that announced it; or NULL */
	bool waiting_newest;      /* it was taken by lumaring_latest() */
	bool lost_reported, closed_reported, gone_reported;
};

struct lumaring {
	struct lr_settings settings;
	struct lr_connection connection;
	struct lr_map *map;      /* the ring in use; NULL when it made no sense */
	struct lr_map *map_next; /* handed over, until the one in use is drained; or NULL */
	struct lr_page *page;    /* of the connection; NULL unless UP */
	struct lr_store store;
	struct lr_position position;
	struct lumaring_info info; /* what only messages tell is kept here; lumaring_info() fills in the rest */
	struct lr_error error;
};

#endif
