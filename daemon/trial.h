/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trial.h - how long a frame's copies take, found by making them once: what a source whose buffers may be cached or not
 * compares the two by.
 *
 * Streams are those of the configuration at start; constant after trial_create(), so trial_copy_ns() is for any thread.
 */
#ifndef LUMARING_TRIAL_H
#define LUMARING_TRIAL_H

#include "config.h"
#include "source/source.h"

struct trial;

/* 0, or a negative errno and one sentence in `text`. */
int trial_create(const struct config *config, struct trial **ret_trial, char *text, size_t text_bytes);
void trial_destroy(struct trial *trial); /* NULL is allowed */

/*
 * Copy of such an image all that the streams want, each region clamped to it, as one thread does it for a frame;
 * `owner` is a struct trial. Nanoseconds, with memory to copy to in place beforehand; 0: no memory for it, or nothing
 * to copy. One call at a time.
 */
uint64_t trial_copy_ns(const void *owner, const uint8_t *image, const struct source_format *format);

#endif
