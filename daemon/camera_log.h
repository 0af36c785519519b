/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * camera_log.h - the lines about the source's states, and about what became of its frames. Main thread only, never for
 * a frame.
 */
#ifndef LUMARING_CAMERA_LOG_H
#define LUMARING_CAMERA_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "capture.h"
#include "stream.h"

/* A source that is slower than it says stands still before each frame, and resumes with it. Zero-initialise. */
struct camera_log {
	uint64_t since_ns;  /* CLOCK_MONOTONIC: the first time of those that are counted */
	unsigned count;     /* how often it was told since */
	bool is_quiet_told; /* of the newest time */
};

/* The source is in the state of *report; `before` is not told any more. `sequence` is that of the newest frame. */
void camera_log_state(struct camera_log *log, const char *source, const struct capture_report *report,
		      enum capture_state before, uint64_t sequence);

/* What was published of a stream, and what was not. */
void camera_log_account(const struct stream *stream);

#endif
