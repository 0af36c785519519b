/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.h - all copies of one captured frame as one piece of work: bands of image rows for the worker pool.
 *
 * The bands go through the image from top to bottom, each with the rows of every job that end in it, so that where
 * regions overlap the second job finds the rows in the cache. From an uncached image nested regions are read once: the
 * widest job of a fourcc reads the image, and whose region lies inside takes its pixels from there (what it gets is the
 * same to the last bit). Regions that overlap in part are read by each.
 *
 * Capture thread; allocates nothing. What a frame's jobs point to stays until copy_frame_run() has returned.
 */
#ifndef LUMARING_COPY_FRAME_H
#define LUMARING_COPY_FRAME_H

#include "copy/convert.h"
#include "copy/pool.h"

/*
 * Pixels of a job from this size on are stored past the caches: they need not be fetched from memory only to be
 * overwritten, and most of them would have left the cache before a reader comes. Where that pays for writer and reader
 * together, frames coming at a pace, `make bench-copy` shows.
 */
#define COPY_STREAMING_BYTES (512u << 10)

/* A piece of work for one thread: small enough to be shared out evenly, and for the rows in it to stay in a cache. */
#define COPY_FRAME_BAND_BYTES (128u << 10)
#define COPY_FRAME_BANDS 64u

/* For several threads, what would be fewer pieces than this is cut up smaller, as long as each reads and writes so much
 * together: of three bands, a second thread can take but one. */
#define COPY_FRAME_BANDS_MIN 8u
#define COPY_FRAME_BAND_BYTES_MIN (32u << 10)

/* A job within its frame. */
struct copy_part {
	struct copy_job job;
	uint32_t y; /* first image row, also when the job reads from another's destination */
};

struct copy_frame {
	struct copy_part *parts; /* the owner's */
	unsigned count;
	uint64_t bytes;                    /* of all destinations */
	uint32_t y, end, band_rows, bands; /* image rows, by copy_frame_run() */
};

/* Begin a frame; `parts` has room for as many jobs as will be added. */
void copy_frame_begin(struct copy_frame *frame, struct copy_part *parts);

/* Add a job; whether it stores past the caches is decided here. */
void copy_frame_add(struct copy_frame *frame, const struct copy_job *job);

/*
 * Do all jobs on at most `workers` threads of the pool, the caller being one, each of which has COPY_SCRATCH_BYTES of
 * scratch; on the caller alone where others would come too late to help (see worth.h). When it returns all pixels are
 * there for whoever is told of them by a store of the caller's.
 */
void copy_frame_run(struct copy_frame *frame, struct copy_pool *pool, unsigned workers, struct copy_effort *ret_effort);

#endif
