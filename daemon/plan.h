/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.h - what the capture thread works from: which streams, rings, cursors and clients. Built by the main thread,
 * handed over by one atomic pointer, never changed afterwards but for pictures, notices and parts, which are the
 * capture thread's scratch; freed by the main thread once the capture thread has acknowledged a newer one. What a plan
 * names must live as long.
 */
#ifndef LUMARING_PLAN_H
#define LUMARING_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "copy/frame.h"
#include "publish/publish.h"
#include "ring/ring.h"
#include "source/source.h"
#include "stats.h"
#include "stream.h"

/* The picture of a stream that is being made of a frame. */
struct plan_picture {
	bool due;   /* a slot is taken, or the notice is still to be sent */
	bool early; /* copied, published and told before the others */
	uint32_t slot;
	struct lumaring_descriptor descriptor;
};

/* The notice of a stream's newest frame: in place until all of its sends are done. */
struct plan_notice {
	struct lumaring_notice notice;
	struct iovec iov;
	struct msghdr msg;
};

struct plan_stream {
	struct ring *ring;
	const struct ring
		*previous; /* whose account it goes on with when the plan is taken over; NULL: it has its own */
	struct stream_stats *stats;  /* the stream's */
	struct region region;        /* of a shared stream, clamped to the image and the ring */
	struct region_limits limits; /* what a wanted region is clamped to; its `bin` is the stream's */
	uint32_t fourcc;             /* LUMARING_FORMAT_* */
	uint32_t bytes_per_pixel;
	struct copy_conversion conversion,
		inner; /* from the image; from another stream's picture, unless has_inner is false */
	bool has_inner;
	const uint64_t *wanted_region;  /* of a private stream: the word in its client page, else NULL */
	bool wanted;                    /* somebody reads, or `always`, and there is a picture to be made */
	const uint64_t *const *cursors; /* granted, in client pages */
	uint32_t cursor_count;
	struct client *const *clients; /* to be told of each frame */
	uint32_t client_count;
	struct plan_picture picture;
	struct plan_notice notice;
};

struct plan {
	uint64_t number;
	uint32_t format_serial; /* the source's format this plan was made for, 0: none yet */
	struct source_format format;
	unsigned stream_count;
	struct plan_stream *streams;
	struct copy_part *parts; /* room for the copies of a frame, one a stream */
	/* Room the streams point into. */
	const uint64_t **cursors;
	struct client **clients;
};

/*
 * Build a plan from the streams that have a ring and the clients that are attached to them (ATTACHING or READING).
 * NULL: no memory.
 */
struct plan *plan_build(uint64_t number, uint32_t format_serial, const struct source_format *format,
			struct stream *streams, struct client *clients);
void plan_destroy(struct plan *plan); /* NULL is allowed */

#endif
