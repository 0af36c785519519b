/* SPDX-License-Identifier: BSD-2-Clause */
/* view_zoom.c - see view_zoom.h. Pure functions. */
#include "view_zoom.h"

#include <lumaring/layout.h>

#include "terminal.h"

#define EXTENT_MIN 8u /* pixels of a side: fewer say nothing */

static uint32_t clamp(int64_t value, uint32_t min, uint32_t max)
{
	return value < (int64_t)min ? min : value > (int64_t)max ? max : (uint32_t)value;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* What a side of a part may be. */
static uint32_t extent(int64_t pixels, uint32_t of_frame)
{
	return clamp(pixels, lesser(EXTENT_MIN, of_frame), of_frame);
}

/* As near to this place, and to this size, as the frame allows. */
static void put(struct view_zoom *zoom, int64_t x, int64_t y, int64_t width, int64_t height)
{
	zoom->width = extent(width, zoom->frame_width);
	zoom->height = extent(height, zoom->frame_height);
	zoom->x = clamp(x, 0, zoom->frame_width - zoom->width);
	zoom->y = clamp(y, 0, zoom->frame_height - zoom->height);
}

static void put_all(struct view_zoom *zoom)
{
	put(zoom, 0, 0, zoom->frame_width, zoom->frame_height);
}

void view_zoom_fit(struct view_zoom *zoom, const struct lumaring_frame *frame)
{
	if (zoom->frame_width == frame->width && zoom->frame_height == frame->height)
		return;
	zoom->frame_width = frame->width;
	zoom->frame_height = frame->height;
	put_all(zoom);
}

bool view_zoom_is_part(const struct view_zoom *zoom)
{
	return zoom->width < zoom->frame_width || zoom->height < zoom->frame_height;
}

/* By the middle. */
static void scale(struct view_zoom *zoom, unsigned times, unsigned parts)
{
	const int64_t width = extent((int64_t)zoom->width * times / parts, zoom->frame_width);
	const int64_t height = extent((int64_t)zoom->height * times / parts, zoom->frame_height);

	put(zoom, zoom->x + (zoom->width - width) / 2, zoom->y + (zoom->height - height) / 2, width, height);
}

static void move(struct view_zoom *zoom, int right, int down)
{
	put(zoom, zoom->x + (int64_t)right * ((zoom->width + 3) / 4),
	    zoom->y + (int64_t)down * ((zoom->height + 3) / 4), zoom->width, zoom->height);
}

/* All of the region that the frame has, where it has some of it; else a quarter of the width and height. */
static void put_region(struct view_zoom *zoom, const struct lumaring_frame *frame, const struct lumaring_region *region)
{
	const uint32_t right = region->width ? region->x + region->width : frame->image_width;
	const uint32_t bottom = region->height ? region->y + region->height : frame->image_height;
	const int64_t bin = frame->bin;
	const uint32_t x = clamp(((int64_t)region->x - frame->region.x) / bin, 0, frame->width);
	const uint32_t y = clamp(((int64_t)region->y - frame->region.y) / bin, 0, frame->height);
	const uint32_t end_x = clamp(((int64_t)right - frame->region.x + bin - 1) / bin, 0, frame->width);
	const uint32_t end_y = clamp(((int64_t)bottom - frame->region.y + bin - 1) / bin, 0, frame->height);

	if (end_x > x && end_y > y)
		put(zoom, x, y, end_x - x, end_y - y);
	if (!view_zoom_is_part(zoom))
		scale(zoom, 1, 4);
}

void view_zoom_obey(struct view_zoom *zoom, int key, const struct lumaring_frame *frame,
		    const struct lumaring_region *region)
{
	switch (key) {
	case '+':
	case '=': /* the same key */
		scale(zoom, 1, 2);
		return;
	case '-':
		scale(zoom, 2, 1);
		return;
	case 'z':
	case 'Z':
		if (view_zoom_is_part(zoom))
			put_all(zoom);
		else
			put_region(zoom, frame, region);
		return;
	case TERMINAL_LEFT:
		move(zoom, -1, 0);
		return;
	case TERMINAL_RIGHT:
		move(zoom, 1, 0);
		return;
	case TERMINAL_UP:
		move(zoom, 0, -1);
		return;
	case TERMINAL_DOWN:
		move(zoom, 0, 1);
		return;
	}
}

struct lumaring_frame view_zoom_part(const struct view_zoom *zoom, const struct lumaring_frame *frame)
{
	const size_t sample_bytes = frame->fourcc == LUMARING_FORMAT_R16 ? 2 : 1;
	struct lumaring_frame part = *frame;

	part.pixels = frame->pixels + (size_t)zoom->y * frame->stride + zoom->x * sample_bytes;
	part.width = zoom->width;
	part.height = zoom->height;
	part.region = (struct lumaring_region){ frame->region.x + zoom->x * frame->bin,
						frame->region.y + zoom->y * frame->bin, zoom->width * frame->bin,
						zoom->height * frame->bin };
	return part;
}
