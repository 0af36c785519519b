/* SPDX-License-Identifier: BSD-2-Clause */
/* stream.c - see stream.h. Main thread only; holds the rule of how many cursors a ring can bear. */
#include "stream.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy/frame.h"

#define STREAM_SLOTS_DEFAULT 8u

void stream_config_complete(struct stream_config *config)
{
	if (!config->slot_count) {
		config->slot_count = STREAM_SLOTS_DEFAULT;
		config->slots_default = true;
	}
	if (!config->fourcc)
		config->fourcc = LUMARING_FORMAT_R8;
	if (!config->bin)
		config->bin = 1;
}

struct stream *stream_create(const struct stream_config *config, const char *camera, gid_t group, uint64_t bytes_max)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->config = *config;
	stream_config_complete(&stream->config);
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

static uint32_t bytes_per_pixel(const struct stream_config *config)
{
	return config->fourcc == LUMARING_FORMAT_R16 ? 2 : 1;
}

uint32_t stream_bytes_per_pixel(const struct stream *stream)
{
	return bytes_per_pixel(&stream->config);
}

struct region_limits stream_limits(const struct stream *stream)
{
	uint32_t bin = stream->config.bin;

	return (struct region_limits){ ring_width_max(stream->ring) * bin, ring_height_max(stream->ring) * bin, bin };
}

/* False when there is not one pixel to be made of bin x bin. */
static bool can_bin(const struct stream_config *config, bool clamped, uint32_t image_width, uint32_t image_height)
{
	const struct region *r = &config->region;
	uint32_t width = r->width ? r->width : image_width - r->x;
	uint32_t height = r->height ? r->height : image_height - r->y;

	if (clamped) {
		width = image_width;
		height = image_height;
	}
	return width >= config->bin && height >= config->bin;
}

int stream_check_region(const struct stream_config *config, bool clamped, uint32_t image_width, uint32_t image_height,
			char *text, size_t text_bytes)
{
	const struct region *r = &config->region;

	if (!region_is_inside(r, image_width, image_height))
		return snprintf(text, text_bytes,
				"stream %s: region %u,%u,%u,%u does not lie inside the image of %ux%u", config->name,
				r->x, r->y, r->width, r->height, image_width, image_height),
		       -EINVAL;
	if (!can_bin(config, clamped, image_width, image_height))
		return snprintf(text, text_bytes,
				"stream %s: bin 2 needs at least 2x2 pixels, region %u,%u,%u,%u of the image of %ux%u "
				"has fewer",
				config->name, r->x, r->y, r->width, r->height, image_width, image_height),
		       -EINVAL;
	return 0;
}

/* A side of the pictures from a side of a region. */
static uint32_t binned(const struct stream_config *config, uint32_t side)
{
	return max_u32(side / config->bin, 1);
}

static struct ring_config ring_configuration(const struct stream *stream, const struct stream_config *c,
					     uint32_t image_width, uint32_t image_height)
{
	const struct region_limits none = { UINT32_MAX, UINT32_MAX, c->bin };
	struct region first = region_clamp(c->region, image_width, image_height, &none);
	/* A capacity that a larger image has outgrown grows with it, else the ring would never fit. */
	bool own_width = c->width_max && (stream->owner || c->width_max > first.width);
	bool own_height = c->height_max && (stream->owner || c->height_max > first.height);

	return (struct ring_config){
		.camera = stream->camera,
		.stream = c->name,
		.slot_count = c->slot_count,
		.width_max = binned(c, own_width ? c->width_max : first.width),
		.height_max = binned(c, own_height ? c->height_max : first.height),
		.bytes_per_pixel = bytes_per_pixel(c),
		.bytes_max = stream->bytes_max,
		.group = stream->group,
		.named = !stream->owner,
	};
}

uint64_t stream_bytes_needed(const struct stream *stream, const struct stream_config *config, uint32_t image_width,
			     uint32_t image_height)
{
	struct ring_config needed = ring_configuration(stream, config, image_width, image_height);

	return ring_bytes_needed(&needed);
}

/*
 * A ring may be larger than is needed, unless another capacity was asked for since it was made. A private stream keeps
 * its own for life: its region is clamped to it.
 */
static bool ring_will_do(const struct stream *stream, const struct stream_config *config,
			 const struct ring_config *needed)
{
	const struct ring *ring = stream->ring;
	uint32_t width = ring ? ring_width_max(ring) : 0, height = ring ? ring_height_max(ring) : 0;

	if (!ring || stream->owner)
		return ring;
	if (ring_slot_count(ring) != needed->slot_count || ring_bytes_per_pixel(ring) < needed->bytes_per_pixel)
		return false;
	if (config->width_max != stream->config.width_max || config->height_max != stream->config.height_max)
		return width == needed->width_max && height == needed->height_max;
	return width >= needed->width_max && height >= needed->height_max;
}

bool stream_needs_ring(const struct stream *stream, const struct stream_config *config, uint32_t image_width,
		       uint32_t image_height)
{
	struct ring_config needed = ring_configuration(stream, config, image_width, image_height);

	return !ring_will_do(stream, config, &needed);
}

int stream_prepare(const struct stream *stream, const struct stream_config *config, uint32_t image_width,
		   uint32_t image_height, struct ring **ret_ring, char *text, size_t text_bytes)
{
	struct ring_config needed = ring_configuration(stream, config, image_width, image_height);

	*ret_ring = NULL;
	return ring_will_do(stream, config, &needed) ? 0 : ring_create(&needed, ret_ring, text, text_bytes);
}

static void choose_kernels(struct stream *stream, const struct source_format *format)
{
	copy_conversion_init(&stream->conversion, format->pixels, (enum lumaring_luma_range)format->luma_range,
			     format->uncached, stream->config.fourcc, stream->config.bin, copy_cpu());
	stream->has_inner = copy_conversion_inner(&stream->conversion, copy_cpu(), &stream->inner);
}

void stream_take(struct stream *stream, const struct stream_config *config, struct ring *prepared,
		 const struct source_format *format)
{
	assert(!prepared || !stream->retired);
	stream->config = *config;
	choose_kernels(stream, format);
	if (prepared) {
		stream->retired = stream->ring;
		stream->ring = prepared;
	}
	ring_set_source(stream->ring, (enum lumaring_luma_range)format->luma_range,
			(enum lumaring_clock)format->sensor_clock);
}

int stream_fit(struct stream *stream, const struct source_format *format, char *text, size_t text_bytes)
{
	const struct stream_config config = stream->config;
	struct ring *ring;
	int r = stream_prepare(stream, &config, format->width, format->height, &ring, text, text_bytes);

	if (r < 0)
		return r;
	stream_take(stream, &config, ring, format);
	return ring != NULL;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Until the capture thread has carried it over, the account is with the ring that is replaced. */
uint64_t stream_published(const struct stream *stream)
{
	return max_u64(stream->ring ? ring_published(stream->ring) : 0,
		       stream->retired ? ring_published(stream->retired) : 0);
}

uint64_t stream_lost(const struct stream *stream, enum lumaring_lost cause)
{
	return max_u64(stream->ring ? ring_lost(stream->ring, cause) : 0,
		       stream->retired ? ring_lost(stream->retired, cause) : 0);
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
