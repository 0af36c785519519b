/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * view_zoom.h - which part of a frame `lumaring view` shows, and the keys that change it: + and - for half and twice as
 * much of it, the arrows for a quarter to the side, z for a region, or the middle, and back to all.
 */
#ifndef LUMARING_CLI_VIEW_ZOOM_H
#define LUMARING_CLI_VIEW_ZOOM_H

#include <stdbool.h>
#include <stdint.h>

#include <lumaring/lumaring.h>

/* Pixels of a frame. All zero: of none yet. */
struct view_zoom {
	uint32_t frame_width, frame_height;
	uint32_t x, y, width, height; /* the part, which lies inside */
};

/* For this frame: all of it, where the one before was of another size. */
void view_zoom_fit(struct view_zoom *zoom, const struct lumaring_frame *frame);

/* Is it less than all? */
bool view_zoom_is_part(const struct view_zoom *zoom);

/* What a key does to the part of this frame, which it fits; `region` is of the captured image. Keys of others do
 * nothing. */
void view_zoom_obey(struct view_zoom *zoom, int key, const struct lumaring_frame *frame,
		    const struct lumaring_region *region);

/* The part as a frame of its own, in the same memory. */
struct lumaring_frame view_zoom_part(const struct view_zoom *zoom, const struct lumaring_frame *frame);

#endif
