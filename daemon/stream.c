/* SPDX-License-Identifier: BSD-2-Clause */
/* stream.c - see stream.h. Main thread only; holds the rule of how many cursors a ring can bear. */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_SLOTS_DEFAULT 8u

struct stream *stream_create(const struct stream_config *config, const char *camera, gid_t group, uint64_t bytes_max)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->config = *config;
	if (!stream->config.slot_count)
		stream->config.slot_count = STREAM_SLOTS_DEFAULT;
	stream->camera = camera;
	stream->group = group;
	stream->bytes_max = bytes_max;
	return stream;
}

void stream_destroy(struct stream *stream)
{
	if (!stream)
		return;
	ring_destroy(stream->ring);
	ring_destroy(stream->retired);
	free(stream);
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* One side of region_clamp(). */
static void clamp_side(uint32_t *position, uint32_t *size, uint32_t image, uint32_t size_max)
{
	if (*position >= image)
		*position = image - 1;
	if (!*size)
		*size = image - *position;
	*size = min_u32(*size, min_u32(image, size_max));
	*position = min_u32(*position, image - *size);
}

struct region region_clamp(struct region wanted, uint32_t image_width, uint32_t image_height, uint32_t width_max,
			   uint32_t height_max)
{
	clamp_side(&wanted.x, &wanted.width, image_width, width_max);
	clamp_side(&wanted.y, &wanted.height, image_height, height_max);
	return wanted;
}

struct region region_from_word(uint64_t word)
{
	return (struct region){
		.x = word & 0xffff, .y = word >> 16 & 0xffff, .width = word >> 32 & 0xffff, .height = word >> 48
	};
}

bool region_is_inside(const struct region *region, uint32_t image_width, uint32_t image_height)
{
	return region->x < image_width && region->y < image_height && region->width <= image_width - region->x &&
	       region->height <= image_height - region->y;
}

static struct ring_config ring_configuration(const struct stream *stream, const struct source_format *format)
{
	const struct stream_config *c = &stream->config;
	struct region first = region_clamp(c->region, format->width, format->height, UINT32_MAX, UINT32_MAX);

	return (struct ring_config){
		.camera = stream->camera,
		.stream = c->name,
		.slot_count = c->slot_count,
		/* A capacity that a larger image has outgrown grows with it, else the ring would never fit. */
		.width_max = c->width_max && (stream->owner || c->width_max > first.width) ? c->width_max : first.width,
		.height_max =
			c->height_max && (stream->owner || c->height_max > first.height) ? c->height_max : first.height,
		.bytes_per_pixel = 1,
		.bytes_max = stream->bytes_max,
		.group = stream->group,
		.named = !stream->owner,
		.account = stream->ring ? ring_account(stream->ring) : (struct ring_account){ 0 },
	};
}

uint64_t stream_bytes_needed(const struct stream *stream, const struct source_format *format)
{
	struct ring_config config = ring_configuration(stream, format);

	return ring_bytes_needed(&config);
}

/* A private stream keeps its capacity for life: its region is clamped to it. */
static bool ring_will_do(const struct stream *stream, const struct ring_config *needed)
{
	return stream->ring && (stream->owner || (ring_width_max(stream->ring) >= needed->width_max &&
						  ring_height_max(stream->ring) >= needed->height_max));
}

static void set_source(struct ring *ring, const struct source_format *format)
{
	ring_set_source(ring, (enum lumaring_luma_range)format->luma_range, (enum lumaring_clock)format->sensor_clock);
}

int stream_fit(struct stream *stream, const struct source_format *format, char *text, size_t text_bytes)
{
	struct ring_config config = ring_configuration(stream, format);
	struct ring *ring;
	int r;

	if (ring_will_do(stream, &config)) {
		set_source(stream->ring, format);
		return 0;
	}
	r = ring_create(&config, &ring, text, text_bytes);
	if (r < 0)
		return r;
	set_source(ring, format);
	stream->retired = stream->ring;
	stream->ring = ring;
	return 1;
}

uint32_t stream_grant(const struct stream *stream, uint32_t wanted)
{
	return min_u32(wanted, ring_cursors_max(stream->config.slot_count) - stream->cursors_granted);
}
