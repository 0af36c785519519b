/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream.h - a named product of the camera: its region, its capacity, its ring. Main thread only; the capture thread
 * sees a stream through the plan.
 */
#ifndef LUMARING_STREAM_H
#define LUMARING_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/names.h"
#include "copy/convert.h"
#include "ring/ring.h"
#include "source/source.h"
#include "stats.h"

struct client;

/* Names of private streams: this and a number. */
#define STREAM_PRIVATE_PREFIX "private-"

/* What the configuration, or a client's HELLO for a private stream, says. */
struct stream_config {
	char name[LUMARING_NAME_MAX + 1];
	struct region region;           /* width or height 0: up to the edge */
	uint32_t width_max, height_max; /* largest region it has room for, 0: the first one's size */
	uint32_t slot_count;            /* 0: the default */
	bool slots_default; /* slot_count is the default of the daemon or its configuration: nobody gave it */
	uint32_t fourcc;    /* of its frames: LUMARING_FORMAT_R8 or _R16, 0: R8 */
	uint32_t bin;       /* 1, or 2: 2x2 pixels averaged to one; 0: 1 */
	bool always;        /* copy also when nobody reads, for history */
};

struct stream {
	struct stream *next;
	struct stream_config config;
	const char *camera;
	gid_t group;
	uint64_t bytes_max;

	/* How its pixels are made of the format that stream_fit() was last called for. */
	struct copy_conversion conversion; /* from the image */
	struct copy_conversion inner;      /* from another stream's picture */
	bool has_inner;
	struct ring *ring;     /* NULL until the source's format is known */
	struct ring *retired;  /* replaced: destroyed when the capture thread has a plan without it */
	uint64_t retired_plan; /* number of that plan */
	bool removed;          /* no longer wanted, no client may have it any more */
	uint64_t removed_plan; /* number of the first plan without it */
	bool closed;           /* removed, and that plan is in use: freed with its last client */
	uint32_t cursors_granted;
	struct client *owner;      /* of a private stream */
	uint64_t notices_dropped;  /* by clients that have left */
	unsigned plan_index;       /* scratch of plan_build() */
	struct stream_stats stats; /* written by the capture thread */
};

/* Fill in the defaults of what is 0. */
void stream_config_complete(struct stream_config *config);

/* Allocate; `config` is copied and completed. NULL: no memory. */
struct stream *stream_create(const struct stream_config *config, const char *camera, gid_t group, uint64_t bytes_max);
void stream_destroy(struct stream *stream); /* and its rings; NULL is allowed */

/* What regions of a stream are clamped to: its capacity in pixels of the image, and multiples of `bin` in size. */
struct region_limits {
	uint32_t width_max, height_max; /* at least `bin` */
	uint32_t bin;                   /* at least 1 */
};

/*
 * The region within an image of that size: a size of 0 reaches up to the edge, then the size is limited to the capacity
 * and the image and cut down to whole multiples of `bin`, at least one, then the position is moved so that all of it
 * lies inside. Never empty; of an image smaller than `bin` it is what there is.
 */
struct region region_clamp(struct region wanted, uint32_t image_width, uint32_t image_height,
			   const struct region_limits *limits);

/* The region a word of a client page stands for, see lumaring_region_word(). */
struct region region_from_word(uint64_t word);

/* True when the region, as configured, lies wholly inside the image. */
bool region_is_inside(const struct region *region, uint32_t image_width, uint32_t image_height);

/* Bytes of a sample of the stream's frames. */
uint32_t stream_bytes_per_pixel(const struct stream *stream);

/*
 * What was published and lost so far: over the rings it had, and never less than before, also while one takes another's
 * place.
 */
uint64_t stream_published(const struct stream *stream);
uint64_t stream_lost(const struct stream *stream, enum lumaring_lost cause);

/* What its regions are limited to; the stream has a ring. */
struct region_limits stream_limits(const struct stream *stream);

/*
 * 0, or -EINVAL and a sentence in `text` when the region, as configured, does not lie inside an image of that size, or
 * the stream bins and it has less than 2x2 pixels (clamped, as a private stream's is: the image has).
 */
int stream_check_region(const struct stream_config *config, bool clamped, uint32_t image_width, uint32_t image_height,
			char *text, size_t text_bytes);

/*
 * Make what the stream needs to be of that configuration, completed, in images of that size, without changing it: 0,
 * and *ret_ring is NULL when the ring it has will do; else as ring_create() with a sentence in `text`.
 */
int stream_prepare(const struct stream *stream, const struct stream_config *config, uint32_t image_width,
		   uint32_t image_height, struct ring **ret_ring, char *text, size_t text_bytes);

/* Would stream_prepare() make a ring? */
bool stream_needs_ring(const struct stream *stream, const struct stream_config *config, uint32_t image_width,
		       uint32_t image_height);

/* Bytes of that ring, 0: out of range. */
uint64_t stream_bytes_needed(const struct stream *stream, const struct stream_config *config, uint32_t image_width,
			     uint32_t image_height);

/*
 * Be of that configuration and format from the next plan on, with the ring that was prepared, NULL: its own. The old
 * one is then in ->retired, which must be NULL before.
 */
void stream_take(struct stream *stream, const struct stream_config *config, struct ring *prepared,
		 const struct source_format *format);

/*
 * Make the stream's ring fit a format: 0 when the ring it has will do, 1 when it got a (new) one and the old one is in
 * ->retired, else as ring_create() with a sentence in `text`; the old ring then stays in use.
 */
int stream_fit(struct stream *stream, const struct source_format *format, char *text, size_t text_bytes);

/* Room for the names of all kernels that a conversion may have. */
#define STREAM_KERNELS_BYTES 160u

/* The names of the kernels that make its pictures, of a region of that size. After stream_fit(). */
void stream_kernels(const struct stream *stream, const struct region *region, char *text, size_t text_bytes);

/* Cursors that can be granted now, at most `wanted`. */
uint32_t stream_grant(const struct stream *stream, uint32_t wanted);

#endif
