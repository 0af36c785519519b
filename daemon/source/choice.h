/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * choice.h - which camera, which of its formats and sizes: luma first. Pure functions over what libcamera.h describes.
 */
#ifndef LUMARING_SOURCE_CHOICE_H
#define LUMARING_SOURCE_CHOICE_H

#include "source/libcamera.h"

/*
 * The camera that `which` means: an id; else an index in order of ids; else a model, or a location, that one camera alone
 * has; "": the first. -ENODEV, or -EINVAL if more than one has it, and a sentence that names those there are.
 */
int choice_find_camera(const struct source_identity *cameras, unsigned count, const char *which, unsigned *ret_index,
		       char *text, size_t text_bytes);

/* libcamera's name of a format as one that luma can be taken from. False: it cannot ("MJPEG", "SRGGB10_CSI2P"). */
bool choice_layout(const char *libcamera_name, struct pixels_layout *ret_layout);

/*
 * What to ask of the camera. wanted->layout NULL: the best there is: YUV420, NV12 and the like first; raw R8, R10 ... if
 * there is nothing else (a mono sensor without an ISP); YUYV and the like; RGB last. Named: that one, processed or raw.
 * Size 0: the camera's largest that is not larger than 1920x1080, else its smallest. A size that it has not: the nearest
 * it has that is at least as large, else the largest. Faults name field and sentence; MJPEG-only cameras get one of
 * their own.
 */
int choice_make(const struct libcamera_description *description, const struct source_settings *wanted,
		struct libcamera_wish *ret_wish, struct pixels_layout *ret_layout, struct source_fault *ret_fault);

/* Modes, controls and ranges as GetCapabilities tells them. */
void choice_capabilities(const struct libcamera_description *description, struct source_capabilities *ret_capabilities);

#endif
