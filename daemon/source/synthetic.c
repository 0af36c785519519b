/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * synthetic.c - see synthetic.h. Frames are made in the feeder's thread; synthetic_row() and synthetic_verify() are
 * pure functions for any thread.
 */
#include "source/synthetic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/feeder.h"

/* Pixels that synthetic_verify() makes and compares at a time, a multiple of 8. */
#define VERIFY_PIXELS 512u

/* Pixels that synthetic_row_of() puts in a format at a time, a multiple of any group. */
#define FORMAT_PIXELS 512u

struct synthetic {
	struct feeder feeder; /* stays first */
	uint64_t period_ns;   /* 0: unpaced */
	uint64_t sequence;    /* of the newest frame, made or lost */
	uint32_t lost;        /* since the newest frame made */
};

static struct synthetic *synthetic_of(struct source *source)
{
	return (struct synthetic *)source;
}

/* --- the picture -------------------------------------------------------------------------------------------- */

void synthetic_row(uint8_t *pixels, uint64_t sequence, uint32_t x, uint32_t y, uint32_t width)
{
	uint32_t seed = synthetic_seed(sequence, y), shade = synthetic_shade(sequence, y), block = x / 8;
	uint64_t word;

	if (x % 8 && width) { /* the rest of a block that begins to the left */
		uint32_t count = 8 - x % 8 < width ? 8 - x % 8 : width;

		word = synthetic_block(seed, shade, block++) >> x % 8 * 8;
		memcpy(pixels, &word, count);
		pixels += count;
		width -= count;
	}
	for (uint32_t i = 0; i < width / 8; i++) {
		word = synthetic_block(seed, shade, block + i);
		memcpy(pixels + 8 * i, &word, 8);
	}
	word = synthetic_block(seed, shade, block + width / 8);
	memcpy(pixels + width / 8 * 8, &word, width % 8);
}

static void put_r10(uint8_t *row, const uint8_t *luma, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		unsigned value = (unsigned)luma[i] << 2 | synthetic_low(luma[i]);

		row[2 * i] = (uint8_t)value;
		row[2 * i + 1] = (uint8_t)(value >> 8);
	}
}

static void put_r10_csi2p(uint8_t *row, const uint8_t *luma, uint32_t count)
{
	for (; count >= 4; count -= 4, luma += 4, row += 5) {
		memcpy(row, luma, 4);
		row[4] = (uint8_t)(synthetic_low(luma[0]) | synthetic_low(luma[1]) << 2 | synthetic_low(luma[2]) << 4 |
				   synthetic_low(luma[3]) << 6);
	}
}

static void put_yuyv(uint8_t *row, const uint8_t *luma, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		row[2 * i] = luma[i];
		row[2 * i + 1] = (uint8_t)~luma[i];
	}
}

static void put_uyvy(uint8_t *row, const uint8_t *luma, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		row[2 * i] = (uint8_t)~luma[i];
		row[2 * i + 1] = luma[i];
	}
}

typedef void put_function(uint8_t *row, const uint8_t *luma, uint32_t count);

/* NULL: not made. */
static put_function *put_function_of(enum pixels pixels)
{
	static put_function *const functions[PIXELS_COUNT] = {
		[PIXELS_R10] = put_r10,
		[PIXELS_R10_CSI2P] = put_r10_csi2p,
		[PIXELS_YUYV] = put_yuyv,
		[PIXELS_UYVY] = put_uyvy,
	};

	return functions[pixels];
}

bool synthetic_row_of(uint8_t *row, enum pixels pixels, uint64_t sequence, uint32_t y, uint32_t width)
{
	put_function *put = put_function_of(pixels);
	uint32_t group = pixels_facts(pixels)->group_pixels, whole = (width + group - 1) / group * group;
	uint8_t luma[FORMAT_PIXELS];

	if (pixels == PIXELS_R8)
		synthetic_row(row, sequence, 0, y, width);
	for (uint32_t x = 0; put && x < whole; x += FORMAT_PIXELS) {
		uint32_t count = whole - x < FORMAT_PIXELS ? whole - x : FORMAT_PIXELS;

		synthetic_row(luma, sequence, x, y, count);
		put(row + pixels_row_bytes(pixels, x), luma, count);
	}
	return put || pixels == PIXELS_R8;
}

/* Column of the first wrong pixel, or `width`. */
static uint32_t verify_row(const uint8_t *pixels, uint64_t sequence, uint32_t x, uint32_t y, uint32_t width)
{
	uint8_t expected[VERIFY_PIXELS];

	for (uint32_t done = 0; done < width; done += VERIFY_PIXELS) {
		uint32_t count = width - done < VERIFY_PIXELS ? width - done : VERIFY_PIXELS;

		synthetic_row(expected, sequence, x + done, y, count);
		if (memcmp(pixels + done, expected, count) == 0)
			continue;
		while (pixels[done] == expected[done % VERIFY_PIXELS])
			done++;
		return done;
	}
	return width;
}

bool synthetic_verify(const uint8_t *pixels, size_t stride, uint64_t sequence, uint32_t x, uint32_t y, uint32_t width,
		      uint32_t height, uint32_t *ret_x, uint32_t *ret_y)
{
	for (uint32_t row = 0; row < height; row++) {
		uint32_t column = verify_row(pixels + row * stride, sequence, x, y + row, width);

		if (column == width)
			continue;
		if (ret_x)
			*ret_x = x + column;
		if (ret_y)
			*ret_y = y + row;
		return false;
	}
	return true;
}

/* --- the source --------------------------------------------------------------------------------------------- */

static int synthetic_make(struct synthetic *synthetic, unsigned buffer, uint64_t begin_ns)
{
	const struct source_format *format = &synthetic->feeder.format;
	uint8_t *pixels = synthetic->feeder.buffers[buffer].pixels;
	struct source_frame frame = { .sensor_ns = begin_ns, .camera_sequence = synthetic->sequence };

	for (uint32_t y = 0; y < format->height; y++)
		synthetic_row_of(pixels + (size_t)y * format->stride, format->pixels, synthetic->sequence, y,
				 format->width);
	frame.ready_ns = clock_monotonic_ns();
	frame.lost[LUMARING_LOST_SENSOR] = synthetic->lost;
	synthetic->lost = 0;
	return feeder_deliver(&synthetic->feeder, buffer, frame);
}

static int synthetic_tick(struct synthetic *synthetic)
{
	uint64_t skipped, due_ns;
	unsigned buffer;
	int rc;

	due_ns = feeder_next_tick(&synthetic->feeder, synthetic->period_ns, clock_monotonic_ns(), &skipped);
	rc = feeder_wait_until(&synthetic->feeder, due_ns);
	if (rc)
		return rc;
	synthetic->sequence += skipped + 1;
	synthetic->lost += (uint32_t)skipped;
	rc = feeder_try_take(&synthetic->feeder, &buffer);
	if (rc == -EAGAIN) {
		synthetic->lost++;
		return 0;
	}
	return rc ? rc : synthetic_make(synthetic, buffer, due_ns);
}

static int synthetic_next(struct synthetic *synthetic)
{
	unsigned buffer;
	int rc = feeder_take(&synthetic->feeder, &buffer);

	if (rc)
		return rc;
	synthetic->sequence++;
	return synthetic_make(synthetic, buffer, clock_monotonic_ns());
}

static int synthetic_run(struct feeder *feeder)
{
	struct synthetic *synthetic = synthetic_of(&feeder->source);
	int rc = feeder_wait_start(feeder);

	while (!rc)
		rc = synthetic->period_ns ? synthetic_tick(synthetic) : synthetic_next(synthetic);
	return rc;
}

static int synthetic_prepare(struct synthetic *synthetic, const struct source_config *config)
{
	uint32_t width = config->settings.width ? config->settings.width : SYNTHETIC_WIDTH;
	uint32_t height = config->settings.height ? config->settings.height : SYNTHETIC_HEIGHT;
	struct feeder *feeder = &synthetic->feeder;
	int rc = feeder_init(feeder, &synthetic_operations, config);

	if (rc)
		return rc;
	if (width > LUMARING_EXTENT_MAX || height > LUMARING_EXTENT_MAX)
		return feeder_fail(feeder, -EINVAL,
				   "synthetic: %ux%u pixels were asked for, at most %ux%u are possible", width, height,
				   LUMARING_EXTENT_MAX, LUMARING_EXTENT_MAX);
	if (config->settings.layout.name &&
	    (config->settings.layout.chroma != PIXELS_CHROMA_NONE ||
	     (config->settings.layout.pixels != PIXELS_R8 && !put_function_of(config->settings.layout.pixels))))
		return feeder_fail(feeder, -EINVAL,
				   "synthetic: %s was asked for; R8, R10, R10_CSI2P, YUYV and UYVY can be made",
				   config->settings.layout.name);
	if (!config->unpaced)
		synthetic->period_ns = config->settings.frame_duration_min_ns ? config->settings.frame_duration_min_ns
									      : SYNTHETIC_PERIOD_NS;
	rc = feeder_set_format(feeder, "synthetic",
			       &(struct feeder_picture){ .width = width,
							 .height = height,
							 .pixels = config->settings.layout.pixels,
							 .luma_range = LUMARING_RANGE_FULL },
			       synthetic->period_ns);
	return rc ? rc : feeder_launch(feeder, "synthetic", synthetic_run);
}

static void synthetic_destroy(struct source *source)
{
	struct synthetic *synthetic = synthetic_of(source);

	feeder_finish(&synthetic->feeder);
	free(synthetic);
}

static int synthetic_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes)
{
	struct synthetic *synthetic = calloc(1, sizeof(*synthetic));
	int rc;

	if (!synthetic) {
		snprintf(text, text_bytes, "no memory for the synthetic source");
		return -ENOMEM;
	}
	rc = synthetic_prepare(synthetic, config);
	if (rc) {
		snprintf(text, text_bytes, "%s", synthetic->feeder.text);
		synthetic_destroy(&synthetic->feeder.source);
		return rc;
	}
	*ret_source = &synthetic->feeder.source;
	return 0;
}

static bool synthetic_is_live(const struct source *source)
{
	return ((const struct synthetic *)source)->period_ns != 0;
}

const struct source_operations synthetic_operations = {
	.name = "synthetic",
	.open = synthetic_open,
	.start = feeder_start,
	.fd = feeder_fd,
	.fetch = feeder_fetch,
	.release = feeder_release,
	.is_live = synthetic_is_live,
	.destroy = synthetic_destroy,
};
