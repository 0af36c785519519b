/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_synthetic.c - the synthetic source: its picture is the documented function, which finds what it is to
 * find, and every number that was used is a frame or a counted loss.
 */
#include "source/synthetic.h"
#include "source_probe.h"

static uint8_t *make_image(uint64_t sequence, uint32_t width, uint32_t height)
{
	uint8_t *pixels = malloc((size_t)width * height);

	assert_non_null(pixels);
	for (uint32_t y = 0; y < height; y++)
		synthetic_row(pixels + (size_t)y * width, sequence, 0, y, width);
	return pixels;
}

/* Every start and length within a row, each in memory that ends with it. */
static void test_row_is_the_pixel_function(void **state)
{
	(void)state;
	for (uint32_t x = 0; x < 20; x++) {
		for (uint32_t width = 0; width < 40; width++) {
			uint8_t *row = malloc(width ? width : 1);

			assert_non_null(row);
			synthetic_row(row, 77 + x, x, 5, width);
			for (uint32_t i = 0; i < width; i++)
				assert_int_equal(row[i], synthetic_pixel(77 + x, x + i, 5));
			assert_true(synthetic_verify(row, width, 77 + x, x, 5, width, 1, NULL, NULL));
			free(row);
		}
	}
}

/* Values once taken down: readers elsewhere rely on them. */
static void test_known_pixels(void **state)
{
	(void)state;
	assert_int_equal(synthetic_pixel(1, 0, 0), 21);
	assert_int_equal(synthetic_pixel(1, 639, 479), 189);
	assert_int_equal(synthetic_pixel(UINT64_C(1) << 40, 65534, 65534), 231);
}

static void test_wrong_pixels_are_found(void **state)
{
	uint32_t width = 1031, height = 7;
	uint8_t *pixels = make_image(9, width, height);

	(void)state;
	assert_true(synthetic_verify(pixels, width, 9, 0, 0, width, height, NULL, NULL));
	for (size_t at = 0; at < (size_t)width * height; at += 13) {
		uint32_t x = 0, y = 0;

		pixels[at] ^= 1;
		assert_false(synthetic_verify(pixels, width, 9, 0, 0, width, height, &x, &y));
		assert_int_equal(x, at % width);
		assert_int_equal(y, at / width);
		pixels[at] ^= 1;
	}
	/* A region of it is verified in place, and its bad pixel named in pixels of the image. */
	assert_true(synthetic_verify(pixels + 2 * width + 3, width, 9, 3, 2, 700, 4, NULL, NULL));
	pixels[4 * width + 600]++;
	{
		uint32_t x = 0, y = 0;

		assert_false(synthetic_verify(pixels + 2 * width + 3, width, 9, 3, 2, 700, 4, &x, &y));
		assert_int_equal(x, 600);
		assert_int_equal(y, 4);
	}
	free(pixels);
}

static int compare_blocks(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void check_all_differ(uint64_t *blocks, size_t count)
{
	qsort(blocks, count, sizeof(*blocks), compare_blocks);
	for (size_t i = 1; i < count; i++)
		assert_true(blocks[i - 1] != blocks[i]);
}

/* One place, 20,000 sequences: no two blocks of eight bytes are the same. So a stale block cannot pass. */
static void test_sequences_differ_everywhere(void **state)
{
	static const uint32_t places[][2] = {
		{ 0, 0 }, { 1, 0 }, { 0, 1 }, { 79, 479 }, { 287, 1295 }, { 8191, 65534 }
	};
	static const uint64_t first[] = { 1, 4294957296, UINT64_C(1) << 40 };
	static uint64_t blocks[20000];

	(void)state;
	for (size_t p = 0; p < COUNT(places); p++) {
		for (size_t f = 0; f < COUNT(first); f++) {
			for (size_t i = 0; i < COUNT(blocks); i++) {
				blocks[i] = 0;
				synthetic_row((uint8_t *)&blocks[i], first[f] + i, 8 * places[p][0], places[p][1], 8);
			}
			check_all_differ(blocks, COUNT(blocks));
		}
	}
}

/* One frame: no block is the same as another of its row or of its column. */
static void test_shifts_differ(void **state)
{
	static uint64_t row[8192], column[65535];

	(void)state;
	synthetic_row((uint8_t *)row, 5, 0, 100, sizeof(row) - 1);
	check_all_differ(row, COUNT(row));
	for (uint32_t y = 0; y < COUNT(column); y++)
		synthetic_row((uint8_t *)&column[y], 5, 800, y, 8);
	check_all_differ(column, COUNT(column));
}

/* Each row of a picture that is shifted by any few pixels is found out. */
static void test_shifted_rows(void **state)
{
	(void)state;
	for (uint32_t x = 0; x < 64; x++) {
		for (uint32_t y = 0; y < 16; y++) {
			uint8_t row[64];

			synthetic_row(row, 3, x, y, sizeof(row));
			assert_true(synthetic_verify(row, 64, 3, x, y, 64, 1, NULL, NULL));
			for (uint32_t other = 0; other < 64; other++) {
				if (other != x)
					assert_false(synthetic_verify(row, 64, 3, other, y, 64, 1, NULL, NULL));
				if (other != y)
					assert_false(synthetic_verify(row, 64, 3, x, other, 64, 1, NULL, NULL));
			}
		}
	}
}

/* The value of one pixel, by the words of pixels.h: luma of up to 16 bits, and the byte of colour beside it or -1. */
static unsigned take_apart(const uint8_t *row, enum pixels pixels, uint32_t x, int *ret_colour)
{
	const uint8_t *group;

	*ret_colour = -1;
	switch (pixels) {
	case PIXELS_R10:
		return row[2 * x] | (unsigned)row[2 * x + 1] << 8;
	case PIXELS_R10_CSI2P:
		group = row + x / 4 * 5;
		return (unsigned)group[x % 4] << 2 | (group[4] >> 2 * (x % 4) & 3);
	case PIXELS_YUYV:
		group = row + x / 2 * 4;
		*ret_colour = group[x % 2 ? 3 : 1];
		return group[x % 2 ? 2 : 0];
	case PIXELS_UYVY:
		group = row + x / 2 * 4;
		*ret_colour = group[x % 2 ? 2 : 0];
		return group[x % 2 ? 3 : 1];
	default:
		return row[x];
	}
}

/* Every width around those that are put together at a time, in memory that ends with the row. */
static void test_formats(void **state)
{
	static const enum pixels made[] = { PIXELS_R8, PIXELS_R10, PIXELS_R10_CSI2P, PIXELS_YUYV, PIXELS_UYVY };
	uint8_t nothing[64];

	(void)state;
	for (size_t i = 0; i < COUNT(made); i++) {
		const struct pixels_facts *facts = pixels_facts(made[i]);

		for (uint32_t width = 1; width < 1100; width += width < 20 || width % 512 > 500 ? 1 : 37) {
			uint8_t *row = malloc(pixels_row_bytes(made[i], width));
			uint32_t whole = (width + facts->group_pixels - 1) / facts->group_pixels * facts->group_pixels;

			assert_non_null(row);
			assert_true(synthetic_row_of(row, made[i], 31, 7, width));
			for (uint32_t x = 0; x < whole; x++) {
				uint8_t pixel = synthetic_pixel(31, x, 7);
				int colour;
				unsigned value = take_apart(row, made[i], x, &colour);

				assert_int_equal(value >> (facts->depth - 8), pixel);
				if (facts->depth == 10)
					assert_int_equal(value & 3, synthetic_low(pixel));
				if (colour >= 0)
					assert_int_equal(colour, pixel ^ 0xff);
			}
			free(row);
		}
	}
	memset(nothing, 0xa5, sizeof(nothing));
	for (unsigned pixels = 0; pixels < PIXELS_COUNT; pixels++) {
		bool is_made = false;

		for (size_t i = 0; i < COUNT(made); i++)
			is_made |= made[i] == (enum pixels)pixels;
		if (is_made)
			continue;
		assert_false(synthetic_row_of(nothing, (enum pixels)pixels, 1, 0, 8));
		for (size_t i = 0; i < sizeof(nothing); i++)
			assert_int_equal(nothing[i], 0xa5);
	}
}

/* --- the source --------------------------------------------------------------------------------------------- */

static void check_frame(const struct source_event *event, uint32_t width, uint32_t height)
{
	uint32_t stride = FEEDER_STRIDE(width);

	assert_true(synthetic_verify(event->frame.image, stride, event->frame.camera_sequence, 0, 0, width, height,
				     NULL, NULL));
	for (uint32_t y = 0; y < height; y++) {
		for (uint32_t x = width; x < stride; x++)
			assert_int_equal(event->frame.image[(size_t)y * stride + x], FEEDER_PADDING);
	}
	assert_true(event->frame.ready_ns >= event->frame.sensor_ns);
}

static void test_unpaced(void **state)
{
	static const uint32_t sizes[][2] = { { 1, 1 }, { 7, 3 }, { 640, 48 }, { 333, 11 } };

	(void)state;
	for (size_t s = 0; s < COUNT(sizes); s++) {
		struct source_config config = { .name = "synthetic",
						.settings = { .width = sizes[s][0], .height = sizes[s][1] },
						.unpaced = true,
						.buffer_count = 3 };
		struct source *source = open_source(&config);
		struct source_event held = { 0 };

		assert_false(source_is_live(source));
		assert_int_equal(source_start(source), 0);
		expect_format(source, sizes[s][0], sizes[s][1]);
		for (uint64_t number = 1; number <= 300; number++) {
			struct source_event event = expect_event(source, SOURCE_FRAME);

			assert_int_equal(event.frame.camera_sequence, number);
			assert_int_equal(event.frame.lost[LUMARING_LOST_SENSOR], 0);
			assert_int_equal(event.frame.frame_duration_us, 0);
			check_frame(&event, sizes[s][0], sizes[s][1]);
			if (number > 1) { /* one frame is always held, and stays good */
				check_frame(&held, sizes[s][0], sizes[s][1]);
				source_release(source, held.frame.buffer);
			}
			held = event;
		}
		source_destroy(source);
	}
}

static void test_format_of_the_source(void **state)
{
	struct source_config config = { .name = "synthetic",
					.settings = { .width = 33, .height = 5 },
					.unpaced = true };
	uint8_t row[100];

	(void)state;
	assert_true(pixels_find_layout("UYVY", &config.settings.layout));
	{
		struct source *source = open_source(&config);
		struct source_event event;

		assert_int_equal(source_start(source), 0);
		expect_format_of(source, 34, 5, PIXELS_UYVY); /* whole groups */
		event = expect_event(source, SOURCE_FRAME);
		for (uint32_t y = 0; y < 5; y++) {
			const uint8_t *at = event.frame.image + (size_t)y * FEEDER_STRIDE(68u);

			synthetic_row_of(row, PIXELS_UYVY, 1, y, 34);
			assert_memory_equal(at, row, 68);
			for (uint32_t i = 68; i < FEEDER_STRIDE(68u); i++)
				assert_int_equal(at[i], FEEDER_PADDING);
		}
		source_destroy(source);
	}
	assert_true(pixels_find_layout("RGB24", &config.settings.layout));
	expect_refusal(&config, -ENOTSUP,
		       "synthetic: RGB24 was asked for; R8, R10, R10_CSI2P, YUYV and UYVY can be made");
	assert_true(pixels_find_layout("NV12", &config.settings.layout));
	expect_refusal(&config, -ENOTSUP, "synthetic: NV12 was asked for");
}

static void test_defaults(void **state)
{
	struct source *source = open_source(&(struct source_config){ .name = "synthetic" });
	struct source_event event = expect_event(source, SOURCE_FORMAT);

	(void)state;
	assert_true(source_is_live(source));
	assert_int_equal(event.format.width, 640);
	assert_int_equal(event.format.height, 480);
	assert_int_equal(event.format.frame_duration_us, 33333);
	assert_int_equal(event.format.luma_range, LUMARING_RANGE_FULL);
	wait_asleep(source);
	expect_nothing(source); /* not started */
	source_destroy(source);
}

/* A consumer that holds every buffer makes the source lose frames; the numbers and the losses always agree. */
static void test_live_losses(void **state)
{
	struct source_config config = { .name = "synthetic",
					.settings = { .width = 64,
						      .height = 4,
						      .frame_duration_min_ns = 100000,
						      .frame_duration_max_ns = 100000 },
					.buffer_count = 3 };
	struct source *source = open_source(&config);
	uint64_t before = 0, before_ns = 0, lost = 0;

	(void)state;
	assert_int_equal(source_start(source), 0);
	expect_format(source, 64, 4);
	while (lost < 1000) {
		struct source_event events[3];

		for (unsigned i = 0; i < 3; i++) {
			const struct source_frame *frame = &events[i].frame;

			events[i] = expect_event(source, SOURCE_FRAME);
			check_frame(&events[i], 64, 4);
			assert_int_equal(frame->camera_sequence - before, 1 + frame->lost[LUMARING_LOST_SENSOR]);
			assert_int_equal(frame->frame_duration_us, 100);
			if (before) /* frames are due at their tick, lost ones too */
				assert_int_equal(frame->sensor_ns - before_ns,
						 (frame->camera_sequence - before) * 100000);
			before = frame->camera_sequence;
			before_ns = frame->sensor_ns;
			lost += frame->lost[LUMARING_LOST_SENSOR];
		}
		while (clock_monotonic_ns() < before_ns + 50 * 100000)
			usleep(1000); /* ticks pass, no buffer is free */
		for (unsigned i = 0; i < 3; i++)
			source_release(source, events[i].frame.buffer);
	}
	source_destroy(source);
}

/* Between ticks an hour apart, and with nobody taking frames. */
static void test_destroy_while_waiting(void **state)
{
	struct source_config config = { .name = "synthetic",
					.settings = { .frame_duration_min_ns = FEEDER_PERIOD_MAX_NS,
						      .frame_duration_max_ns = FEEDER_PERIOD_MAX_NS } };

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct source *source = open_source(&config);

		if (i)
			assert_int_equal(source_start(source), 0);
		expect_event(source, SOURCE_FORMAT);
		if (i)
			expect_event(source, SOURCE_FRAME);
		source_destroy(source);
	}
	config.unpaced = true;
	set_fixed_rate(&config.settings, 0);
	for (unsigned i = 0; i < 10; i++) {
		struct source *source = open_source(&config);

		assert_int_equal(source_start(source), 0);
		wait_readable(source_fd(source));
		wait_asleep(source);
		source_destroy(source);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_row_is_the_pixel_function),
		cmocka_unit_test(test_known_pixels),
		cmocka_unit_test(test_wrong_pixels_are_found),
		cmocka_unit_test(test_sequences_differ_everywhere),
		cmocka_unit_test(test_shifts_differ),
		cmocka_unit_test(test_shifted_rows),
		cmocka_unit_test(test_unpaced),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_format_of_the_source),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_live_losses),
		cmocka_unit_test(test_destroy_while_waiting),
	};

	return cmocka_run_group_tests_name("source_synthetic", tests, NULL, NULL);
}
