/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw.h - the source "raw": frames one behind the other without headers, from a file, a FIFO or standard input ("-"):
 * what camera tools write, and ffmpeg -f rawvideo.
 *
 * What the data do not say, the configuration does: config.width, height and layout, and row_bytes where rows are
 * padded, frame_bytes where a frame ends with more than its colour. What becomes of footage is in footage.h. Of a file
 * 30 frames come in a second unless asked otherwise; a pipe sets its own pace. The format event is in the queue when
 * the source is opened.
 */
#ifndef LUMARING_SOURCE_RAW_H
#define LUMARING_SOURCE_RAW_H

#include "source/source.h"

#define RAW_PERIOD_NS UINT64_C(33333333)

extern const struct source_operations raw_operations;

#endif
