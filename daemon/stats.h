/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.h - what the capture thread notes of its work, for the status: how long copies take, how late frames are, how
 * fast they come.
 *
 * The capture thread alone writes, without a lock or an allocation; the main thread looks at any time. A stream's
 * belong to the stream and so outlive plans and rings; the camera's belong to the capture thread's object.
 */
#ifndef LUMARING_STATS_H
#define LUMARING_STATS_H

#include <stdint.h>

#include <lumaring/layout.h>

#include "base/histogram.h"

/* Zero-initialise both. */
struct stream_stats {
	struct histogram copy_ns; /* of its frame's copies, all that are made together */
	struct histogram
		ready_to_published_ns; /* from the frame complete in the capture buffer until it is published */
	struct histogram sensor_to_published_ns; /* from the start of its exposure, where that is known */
	uint64_t bytes_copied;                   /* atomic: pixels, without the padding of rows */
};

struct camera_stats {
	uint64_t captured;          /* atomic: sequence of the newest captured frame */
	uint64_t frame_duration_ns; /* atomic: moving average from frame to frame, 0: not known yet */
	uint64_t ready_ns;          /* the capture thread's: of the newest frame, 0: the next one has none before it */
};

/* A frame was captured, complete at ready_ns. */
void stats_captured(struct camera_stats *stats, uint64_t sequence, uint64_t ready_ns);

/* Frames stopped coming: the time until the next one says nothing about their rate. */
void stats_interrupted(struct camera_stats *stats);

/* A frame was published whose copy began at began_ns, and its exposure at sensor_ns, 0: not known. CLOCK_MONOTONIC. */
void stats_published(struct stream_stats *stats, uint64_t began_ns, uint64_t sensor_ns,
		     const struct lumaring_descriptor *descriptor);

/* For the main thread. */
static inline uint64_t stats_load(const uint64_t *value)
{
	/* S1 pairs with S1 in stats.c: each stands alone, so that no order is needed. */
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

#endif
