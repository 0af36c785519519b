/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay.h - the source "replay": the luma of Y4M footage from a file, a FIFO or standard input ("-").
 *
 * What becomes of footage, and when its frames come, is in footage.h; here it goes at the footage's own rate unless
 * asked otherwise. A regular file is looked at when it is opened, so what is wrong with its header fails there, and the
 * format event is in the queue before the first frame is asked for. A pipe's header is read by the source's thread,
 * before source_start() already if it is there. Each writer of a FIFO begins with a header of its own. What is not Y4M
 * is SOURCE_FAILED at any time.
 */
#ifndef LUMARING_SOURCE_REPLAY_H
#define LUMARING_SOURCE_REPLAY_H

#include "source/source.h"

extern const struct source_operations replay_operations;

#endif
