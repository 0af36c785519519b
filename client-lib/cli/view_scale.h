/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * view_scale.h - a frame as a small picture of 8 bits, in one pass: each of its pixels is the mean of the area that it
 * stands for, also where that is no whole number of the frame's; or the nearest one where there are fewer of those.
 */
#ifndef LUMARING_CLI_VIEW_SCALE_H
#define LUMARING_CLI_VIEW_SCALE_H

#include <stdint.h>

#include <lumaring/lumaring.h>

#define VIEW_EXTENT_MAX                                                                                                \
	2000u /* columns and rows of a small picture: a terminal has at most 1000, with two pixels a cell */

/* Of a whole frame, of its samples. */
struct view_range {
	uint32_t min, max;
	double mean;
};

/*
 * `pixels` has room for width * height, each 1 to VIEW_EXTENT_MAX. 0, or -ENOMEM, or -ENOTSUP: a pixel format that this
 * tool does not know.
 */
int view_scale(const struct lumaring_frame *frame, uint32_t width, uint32_t height, uint8_t *pixels,
	       struct view_range *ret_range);

/* Stretch what lies between the darkest and the brightest hundredth of the picture to all of the range. */
void view_stretch(uint8_t *pixels, uint32_t count);

#endif
