/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay.h - the source "replay": the luma of Y4M footage from a file, a FIFO or standard input ("-").
 *
 * Lossless: it waits for buffers and delivers every whole frame, at the footage's own rate, at config.frame_duration_ns
 * or unpaced. camera_sequence counts frames from 1 and goes on over loops and writers. A regular file is looked at when
 * it is opened, so what is wrong with its header fails there, and the format event is in the queue before the first
 * frame is asked for. A pipe's header is read by the source's thread, before source_start() already if it is there.
 *
 * With `loop` a file begins again at its end. A FIFO then waits for its next writer, whose stream begins with a header
 * of its own; a writer may leave at any place, and the frame it left unfinished is counted as LUMARING_LOST_SENSOR.
 * Without `loop` such a frame is SOURCE_FAILED, as anything is at any time that is not Y4M.
 */
#ifndef LUMARING_SOURCE_REPLAY_H
#define LUMARING_SOURCE_REPLAY_H

#include "source/source.h"

extern const struct source_operations replay_operations;

#endif
