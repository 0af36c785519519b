/* SPDX-License-Identifier: BSD-2-Clause */
/* stream.c - see stream.h. Main thread only; holds the rule of how many cursors a ring can bear. */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy/frame.h"

#define STREAM_SLOTS_DEFAULT 8u

struct stream *stream_create(const struct stream_config *config, const char *camera, gid_t group, uint64_t bytes_max)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->config = *config;
	if (!stream->config.slot_count)
		stream->config.slot_count = STREAM_SLOTS_DEFAULT;
	if (!stream->config.fourcc)
		stream->config.fourcc = LUMARING_FORMAT_R8;
	if (!stream->config.bin)
		stream->config.bin = 1;
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

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* One side of region_clamp(). */
static void clamp_side(uint32_t *position, uint32_t *size, uint32_t image, uint32_t size_max, uint32_t bin)
{
	if (*position >= image)
		*position = image - 1;
	if (!*size)
		*size = image - *position;
	*size = min_u32(*size, min_u32(image, size_max));
	*size = min_u32(max_u32(*size - *size % bin, bin), image);
	*position = min_u32(*position, image - *size);
}

struct region region_clamp(struct region wanted, uint32_t image_width, uint32_t image_height,
			   const struct region_limits *limits)
{
	clamp_side(&wanted.x, &wanted.width, image_width, limits->width_max, limits->bin);
	clamp_side(&wanted.y, &wanted.height, image_height, limits->height_max, limits->bin);
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

uint32_t stream_bytes_per_pixel(const struct stream *stream)
{
	return stream->config.fourcc == LUMARING_FORMAT_R16 ? 2 : 1;
}

struct region_limits stream_limits(const struct stream *stream)
{
	uint32_t bin = stream->config.bin;

	return (struct region_limits){ ring_width_max(stream->ring) * bin, ring_height_max(stream->ring) * bin, bin };
}

/* False when there is not one pixel to be made of bin x bin. */
static bool can_bin(const struct stream *stream, const struct source_format *format)
{
	const struct region *r = &stream->config.region;
	uint32_t width = r->width ? r->width : format->width - r->x;
	uint32_t height = r->height ? r->height : format->height - r->y;

	/* A private region is clamped, as it is whenever its owner moves it. */
	if (stream->owner) {
		width = format->width;
		height = format->height;
	}
	return width >= stream->config.bin && height >= stream->config.bin;
}

int stream_check_region(const struct stream *stream, const struct source_format *format, char *text, size_t text_bytes)
{
	const struct region *r = &stream->config.region;

	if (!region_is_inside(r, format->width, format->height))
		return snprintf(text, text_bytes,
				"stream %s: region %u,%u,%u,%u does not lie inside the image of %ux%u",
				stream->config.name, r->x, r->y, r->width, r->height, format->width, format->height),
		       -EINVAL;
	if (!can_bin(stream, format))
		return snprintf(text, text_bytes,
				"stream %s: bin 2 needs at least 2x2 pixels, region %u,%u,%u,%u of the image of %ux%u "
				"has fewer",
				stream->config.name, r->x, r->y, r->width, r->height, format->width, format->height),
		       -EINVAL;
	return 0;
}

/* A side of the pictures from a side of a region. */
static uint32_t binned(const struct stream *stream, uint32_t side)
{
	return max_u32(side / stream->config.bin, 1);
}

static struct ring_config ring_configuration(const struct stream *stream, const struct source_format *format)
{
	const struct stream_config *c = &stream->config;
	const struct region_limits none = { UINT32_MAX, UINT32_MAX, c->bin };
	struct region first = region_clamp(c->region, format->width, format->height, &none);
	/* A capacity that a larger image has outgrown grows with it, else the ring would never fit. */
	bool own_width = c->width_max && (stream->owner || c->width_max > first.width);
	bool own_height = c->height_max && (stream->owner || c->height_max > first.height);

	return (struct ring_config){
		.camera = stream->camera,
		.stream = c->name,
		.slot_count = c->slot_count,
		.width_max = binned(stream, own_width ? c->width_max : first.width),
		.height_max = binned(stream, own_height ? c->height_max : first.height),
		.bytes_per_pixel = stream_bytes_per_pixel(stream),
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
						  ring_height_max(stream->ring) >= needed->height_max &&
						  ring_bytes_per_pixel(stream->ring) >= needed->bytes_per_pixel));
}

static void set_source(struct ring *ring, const struct source_format *format)
{
	ring_set_source(ring, (enum lumaring_luma_range)format->luma_range, (enum lumaring_clock)format->sensor_clock);
}

static void choose_kernels(struct stream *stream, const struct source_format *format)
{
	copy_conversion_init(&stream->conversion, format->pixels, (enum lumaring_luma_range)format->luma_range,
			     format->uncached, stream->config.fourcc, stream->config.bin, copy_cpu());
	stream->has_inner = copy_conversion_inner(&stream->conversion, copy_cpu(), &stream->inner);
}

int stream_fit(struct stream *stream, const struct source_format *format, char *text, size_t text_bytes)
{
	struct ring_config config = ring_configuration(stream, format);
	struct ring *ring;
	int r;

	choose_kernels(stream, format);
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

void stream_kernels(const struct stream *stream, const struct region *region, char *text, size_t text_bytes)
{
	uint32_t bin = stream->config.bin;
	uint64_t bytes = (uint64_t)(region->width / bin) * (region->height / bin) * stream_bytes_per_pixel(stream);

	copy_conversion_text(&stream->conversion, bytes >= COPY_STREAMING_BYTES, text, text_bytes);
}

uint32_t stream_grant(const struct stream *stream, uint32_t wanted)
{
	return min_u32(wanted, ring_cursors_max(stream->config.slot_count) - stream->cursors_granted);
}
