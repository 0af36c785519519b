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
	struct feeder feeder;          /* stays first */
	struct feeder_picture picture; /* from the next start on; the owner's while the producer stands still */
	uint64_t sequence;             /* of the newest frame, made or lost */
	uint32_t lost;                 /* since the newest frame made */
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

static bool is_made(enum pixels pixels)
{
	return pixels == PIXELS_R8 || put_function_of(pixels);
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

/* --- controls ----------------------------------------------------------------------------------------------- */

#define CONTROLS                                                                                                       \
	(SOURCE_BIT(SOURCE_EXPOSURE_US) | SOURCE_BIT(SOURCE_ANALOGUE_GAIN_MILLI) | SOURCE_BIT(SOURCE_AUTO_EXPOSURE))

/* The longest exposure of a frame that takes so long, 0: as long as it likes. */
static int64_t exposure_max_us(uint64_t period_ns)
{
	return (int64_t)((period_ns ? period_ns : SYNTHETIC_PERIOD_NS) / NS_PER_US);
}

static int64_t auto_exposure_us(uint64_t period_ns)
{
	int64_t half_us = exposure_max_us(period_ns) / 2;

	return half_us < SYNTHETIC_AUTO_EXPOSURE_MAX_US ? half_us : SYNTHETIC_AUTO_EXPOSURE_MAX_US;
}

/* What these controls come to in a frame that takes so long. */
static struct source_controls controls_in_force(const struct source_controls *wished, uint64_t period_ns)
{
	struct source_controls controls = *wished;

	controls.given = CONTROLS;
	if (controls.values[SOURCE_AUTO_EXPOSURE]) {
		controls.values[SOURCE_EXPOSURE_US] = auto_exposure_us(period_ns);
		controls.values[SOURCE_ANALOGUE_GAIN_MILLI] = SYNTHETIC_GAIN_MIN_MILLI;
	}
	if (controls.values[SOURCE_EXPOSURE_US] > exposure_max_us(period_ns))
		controls.values[SOURCE_EXPOSURE_US] = exposure_max_us(period_ns);
	return controls;
}

/* The time between frames as the owner last wished it. */
static uint64_t wished_period_ns(const struct feeder *feeder)
{
	return feeder_period(feeder, feeder->wishes.wished.frame_duration_min_ns, feeder->wishes.wished.frame_duration_max_ns,
			     SYNTHETIC_PERIOD_NS);
}

static void get_ranges(const struct feeder *feeder, struct source_range *ret_ranges)
{
	uint64_t period_ns = wished_period_ns(feeder);

	/* Whatever the rate: who asks for a slower one and a longer exposure need not mind the order. */
	ret_ranges[SOURCE_EXPOSURE_US] =
		(struct source_range){ 1, SYNTHETIC_EXPOSURE_MAX_US, auto_exposure_us(period_ns) };
	ret_ranges[SOURCE_ANALOGUE_GAIN_MILLI] =
		(struct source_range){ SYNTHETIC_GAIN_MIN_MILLI, SYNTHETIC_GAIN_MAX_MILLI, SYNTHETIC_GAIN_MIN_MILLI };
	ret_ranges[SOURCE_AUTO_EXPOSURE] = (struct source_range){ 0, 1, 1 };
}

static int check_controls(const struct feeder *feeder, const struct source_controls *wanted,
			  struct source_fault *ret_fault)
{
	struct source_range ranges[SOURCE_CONTROLS];

	get_ranges(feeder, ranges);
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++) {
		const char *name = source_control_names[control];
		int64_t value = wanted->values[control];

		if (!(wanted->given & SOURCE_BIT(control)))
			continue;
		if (!(CONTROLS & SOURCE_BIT(control)))
			return source_refuse(
				ret_fault, -ENOTSUP, name,
				"the source synthetic has no %s, only exposure_us, analogue_gain_milli and "
				"auto_exposure",
				name);
		if (value < ranges[control].minimum || value > ranges[control].maximum)
			return source_out_of_range(ret_fault, name, ranges[control].minimum, ranges[control].maximum,
						   value, name);
	}
	return 0;
}

static void synthetic_controls(const struct source *source, struct source_controls *ret_controls)
{
	const struct feeder *feeder = (const struct feeder *)source;

	*ret_controls = controls_in_force(&feeder->wishes.wished.controls, wished_period_ns(feeder));
}

static int synthetic_set_controls(struct source *source, const struct source_controls *wanted,
				  struct source_controls *ret_controls, struct source_fault *ret_fault)
{
	struct feeder *feeder = &synthetic_of(source)->feeder;
	struct source_controls next = feeder->wishes.wished.controls;
	int rc = check_controls(feeder, wanted, ret_fault);

	if (rc)
		return rc;
	/* Auto exposure that ends leaves what it had set; that begins, or goes on, it has its way. */
	if (wanted->given && next.values[SOURCE_AUTO_EXPOSURE]) {
		next = controls_in_force(&next, wished_period_ns(feeder));
		next.values[SOURCE_AUTO_EXPOSURE] = 0;
	}
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++)
		if (wanted->given & SOURCE_BIT(control))
			next.values[control] = wanted->values[control];
	feeder_set_controls(feeder, &next);
	synthetic_controls(source, ret_controls);
	return 0;
}

/* --- settings ----------------------------------------------------------------------------------------------- */

static void synthetic_capabilities(const struct source *source, struct source_capabilities *ret_capabilities)
{
	const struct feeder *feeder = (const struct feeder *)source;

	snprintf(ret_capabilities->id, sizeof(ret_capabilities->id), "synthetic");
	ret_capabilities->resizes = true;
	ret_capabilities->paces = !feeder->unpaced;
	ret_capabilities->controls = CONTROLS;
	get_ranges(feeder, ret_capabilities->ranges);
	for (unsigned group = 1; group <= 4; group *= 2) { /* formats whose pixels come in groups of so many */
		struct source_mode *mode = &ret_capabilities->modes[ret_capabilities->mode_count++];

		*mode = (struct source_mode){
			.width_min = group,
			.width_max = LUMARING_EXTENT_MAX / group * group,
			.width_step = group,
			.height_min = 1,
			.height_max = LUMARING_EXTENT_MAX,
			.height_step = 1,
			.frame_duration_min_ns = feeder->unpaced ? 0 : FEEDER_PERIOD_MIN_NS,
			.frame_duration_max_ns = feeder->unpaced ? 0 : FEEDER_PERIOD_MAX_NS,
		};
		for (unsigned pixels = 0; pixels < PIXELS_COUNT; pixels++)
			if (is_made(pixels) && pixels_facts(pixels)->group_pixels == group)
				mode->formats[mode->format_count++] = pixels_facts(pixels)->name;
	}
}

static struct feeder_picture picture_of(const struct source_settings *settings)
{
	return (struct feeder_picture){
		.width = settings->width,
		.height = settings->height,
		.pixels = settings->layout.pixels,
		.luma_range = LUMARING_RANGE_FULL,
	};
}

/* Whole groups: so many pixels or more, or less where that would be too many. */
static uint32_t whole_width(uint32_t width, enum pixels pixels)
{
	uint32_t group = pixels_facts(pixels)->group_pixels, groups = (width + group - 1) / group;

	return groups * group <= LUMARING_EXTENT_MAX ? groups * group : LUMARING_EXTENT_MAX / group * group;
}

static int synthetic_check(const struct source *source, const struct source_settings *wanted,
			   struct source_settings *ret_settings, struct source_fault *ret_fault)
{
	const struct feeder *feeder = (const struct feeder *)source;
	struct source_settings settings = *wanted;
	struct feeder_picture picture;
	char text[256];
	int rc;

	if (!settings.width)
		settings.width = SYNTHETIC_WIDTH;
	if (!settings.height)
		settings.height = SYNTHETIC_HEIGHT;
	if (!settings.layout.name)
		pixels_find_layout("R8", &settings.layout);
	if (settings.width > LUMARING_EXTENT_MAX)
		return source_out_of_range(ret_fault, "size.width", 1, LUMARING_EXTENT_MAX, settings.width,
					   "synthetic: width");
	if (settings.height > LUMARING_EXTENT_MAX)
		return source_out_of_range(ret_fault, "size.height", 1, LUMARING_EXTENT_MAX, settings.height,
					   "synthetic: height");
	if (settings.layout.chroma != PIXELS_CHROMA_NONE || !is_made(settings.layout.pixels))
		return source_refuse(ret_fault, -ENOTSUP, "pixel_format",
				     "synthetic: %s was asked for; R8, R10, R10_CSI2P, YUYV and UYVY can be made",
				     settings.layout.name);
	settings.width = whole_width(settings.width, settings.layout.pixels);
	picture = picture_of(&settings);
	rc = feeder_check_pool(feeder, "synthetic", &picture, text, sizeof(text));
	if (rc)
		return source_refuse(ret_fault, rc, "size", "%s", text);
	rc = feeder_check_rate(feeder, wanted, &settings, ret_fault);
	if (!rc)
		*ret_settings = settings;
	return rc;
}

static int synthetic_configure(struct source *source, const struct source_settings *wanted, char *text,
			       size_t text_bytes)
{
	struct synthetic *synthetic = synthetic_of(source);
	struct feeder_picture picture = picture_of(wanted);
	int rc = feeder_reserve(&synthetic->feeder, "synthetic", &picture);

	if (rc)
		return snprintf(text, text_bytes, "%s", synthetic->feeder.text), rc;
	synthetic->picture = picture;
	if (synthetic->feeder.unpaced)
		return 0;
	return feeder_set_rate(source, wanted->frame_duration_min_ns, wanted->frame_duration_max_ns, text, text_bytes);
}

/* --- frames ------------------------------------------------------------------------------------------------- */

static int synthetic_make(struct synthetic *synthetic, unsigned buffer, uint64_t begin_ns)
{
	struct feeder *feeder = &synthetic->feeder;
	const struct source_format *format = &feeder->format;
	struct source_controls controls = controls_in_force(&feeder_wish(feeder)->controls, feeder->frame_period_ns);
	struct source_frame frame = {
		.sensor_ns = begin_ns,
		.camera_sequence = synthetic->sequence + 1,
		.exposure_us = (uint32_t)controls.values[SOURCE_EXPOSURE_US],
		.analogue_gain_milli = (uint32_t)controls.values[SOURCE_ANALOGUE_GAIN_MILLI],
		.lost[LUMARING_LOST_SENSOR] = synthetic->lost,
	};
	int rc = 0;

	for (uint32_t y = 0; !rc && y < format->height; y++) {
		synthetic_row_of(feeder->buffers[buffer].pixels + (size_t)y * format->stride, format->pixels,
				 frame.camera_sequence, y, format->width);
		rc = feeder_orders(feeder);
	}
	if (rc) {
		feeder_put_back(feeder, buffer);
		return rc;
	}
	frame.ready_ns = clock_monotonic_ns();
	rc = feeder_deliver(feeder, buffer, frame);
	if (rc)
		return rc; /* nobody saw it: its number is the next one's */
	synthetic->sequence++;
	synthetic->lost = 0;
	return 0;
}

static int synthetic_tick(struct synthetic *synthetic)
{
	uint64_t skipped, due_ns;
	unsigned buffer;
	int rc = feeder_wait_tick(&synthetic->feeder, &due_ns, &skipped);

	if (rc)
		return rc;
	synthetic->sequence += skipped;
	synthetic->lost += (uint32_t)skipped;
	rc = feeder_try_take(&synthetic->feeder, &buffer);
	if (rc == -EAGAIN) {
		synthetic->sequence++;
		synthetic->lost++;
		return 0;
	}
	return rc ? rc : synthetic_make(synthetic, buffer, due_ns);
}

static int synthetic_next(struct synthetic *synthetic)
{
	uint64_t due_ns;
	unsigned buffer;
	int rc = feeder_take(&synthetic->feeder, &buffer);

	if (rc)
		return rc;
	rc = feeder_wait_due(&synthetic->feeder, &due_ns); /* at once, with what was wished since */
	if (rc) {
		feeder_put_back(&synthetic->feeder, buffer);
		return rc;
	}
	return synthetic_make(synthetic, buffer, clock_monotonic_ns());
}

static int synthetic_run(struct feeder *feeder)
{
	struct synthetic *synthetic = synthetic_of(&feeder->source);
	int rc;

	do {
		rc = feeder_wait_start(feeder);
		if (!rc)
			rc = feeder_set_format(feeder, "synthetic", &synthetic->picture);
		while (!rc)
			rc = feeder->unpaced ? synthetic_next(synthetic) : synthetic_tick(synthetic);
	} while (rc == -EINTR);
	return rc;
}

/* --- opening ------------------------------------------------------------------------------------------------ */

static int synthetic_prepare(struct synthetic *synthetic, const struct source_config *config)
{
	struct feeder *feeder = &synthetic->feeder;
	struct source_settings settings;
	struct source_fault fault;
	int rc = feeder_init(feeder, &synthetic_operations, config);

	if (rc)
		return rc;
	feeder_set_own_period(feeder, SYNTHETIC_PERIOD_NS);
	feeder->wishes.wished.controls.values[SOURCE_AUTO_EXPOSURE] = 1;
	wish_init(&feeder->wishes, &feeder->wishes.wished);
	rc = synthetic_check(&feeder->source, &config->settings, &settings, &fault);
	if (rc)
		return feeder_fail(feeder, rc, "%s", fault.text);
	synthetic->picture = picture_of(&settings);
	rc = feeder_reserve(feeder, "synthetic", &synthetic->picture);
	if (!rc)
		rc = feeder_set_format(feeder, "synthetic", &synthetic->picture);
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
	return !((const struct feeder *)source)->unpaced;
}

const struct source_operations synthetic_operations = {
	.name = "synthetic",
	.open = synthetic_open,
	.capabilities = synthetic_capabilities,
	.check = synthetic_check,
	.set_rate = feeder_set_rate,
	.set_controls = synthetic_set_controls,
	.controls = synthetic_controls,
	.start = feeder_start,
	.stop = feeder_stop,
	.configure = synthetic_configure,
	.fd = feeder_fd,
	.fetch = feeder_fetch,
	.release = feeder_release,
	.is_live = synthetic_is_live,
	.destroy = synthetic_destroy,
};
