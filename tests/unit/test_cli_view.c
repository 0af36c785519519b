/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli_view.c - frames made small, and small pictures as cells, in each manner that a terminal may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../client-lib/cli/view_draw.c"
#include "../../client-lib/cli/view_scale.c"

static enum terminal_colours colours;
static bool utf8;

enum terminal_colours terminal_colours(void)
{
	return colours;
}

bool terminal_is_utf8(void)
{
	return utf8;
}

#define WIDTH 641u
#define HEIGHT 359u
#define STRIDE 1344u

static uint8_t samples[HEIGHT * STRIDE];

static struct lumaring_frame frame_of(uint32_t width, uint32_t height, uint32_t fourcc)
{
	return (struct lumaring_frame){ .pixels = samples,
					.width = width,
					.height = height,
					.stride = STRIDE,
					.fourcc = fourcc,
					.bin = 1,
					.region = { 0, 0, width, height },
					.image_width = width,
					.image_height = height };
}

static void fill(void)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < sizeof(samples); i++) {
		seed = seed * 1664525 + 1013904223;
		samples[i] = (uint8_t)(seed >> 24);
	}
}

static double share(double a_begin, double a_end, double b_begin, double b_end)
{
	const double begin = a_begin > b_begin ? a_begin : b_begin, end = a_end < b_end ? a_end : b_end;

	return end > begin ? end - begin : 0;
}

/* The mean of an area, by the definition. */
static double mean_of(const struct lumaring_frame *f, uint32_t width, uint32_t height, uint32_t i, uint32_t j)
{
	const double x_begin = (double)i * f->width / width, x_end = (double)(i + 1) * f->width / width;
	const double y_begin = (double)j * f->height / height, y_end = (double)(j + 1) * f->height / height;
	double sum = 0;

	for (uint32_t y = (uint32_t)y_begin; y < f->height && y < y_end; y++)
		for (uint32_t x = (uint32_t)x_begin; x < f->width && x < x_end; x++) {
			const uint8_t *row = f->pixels + (size_t)y * f->stride;
			const double value = f->fourcc == LUMARING_FORMAT_R16 ? sample16(row, x) / 257.0 : row[x];

			sum += value * share(x, x + 1.0, x_begin, x_end) * share(y, y + 1.0, y_begin, y_end);
		}
	return sum / ((x_end - x_begin) * (y_end - y_begin));
}

static void check_means(uint32_t fourcc, uint32_t width, uint32_t height)
{
	const struct lumaring_frame frame = frame_of(WIDTH, HEIGHT, fourcc);
	uint8_t *pixels = malloc((size_t)width * height);
	struct view_range range;

	assert_non_null(pixels);
	assert_int_equal(view_scale(&frame, width, height, pixels, &range), 0);
	for (uint32_t j = 0; j < height; j++)
		for (uint32_t i = 0; i < width; i++) {
			const double wrong = pixels[j * width + i] - mean_of(&frame, width, height, i, j);

			if (wrong > 0.5001 || wrong < -0.5001)
				fail_msg("%ux%u: pixel %u,%u is %f off", width, height, i, j, wrong);
		}
	assert_int_equal(range.min, 0);
	assert_true(range.max >= 255 && range.mean > 0.49 * range.max && range.mean < 0.51 * range.max);
	free(pixels);
}

/* Odd ratios, one that is 1 in one direction, and all of it as one pixel. */
static void test_means(void **state)
{
	static const uint32_t sizes[][2] = {
		{ 100, 57 }, { 640, 358 }, { 641, 100 }, { 7, 358 }, { 700, 30 }, { 1, 1 }
	};

	(void)state;
	fill();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		check_means(LUMARING_FORMAT_R8, sizes[i][0], sizes[i][1]);
		check_means(LUMARING_FORMAT_R16, sizes[i][0], sizes[i][1]);
	}
}

/* The largest sums there are. */
static void test_white(void **state)
{
	uint8_t *row = malloc(2 * 65535), pixels[4];
	struct lumaring_frame frame = { .pixels = row, .width = 65535, .height = 65535, .fourcc = LUMARING_FORMAT_R16 };
	struct view_range range;

	(void)state;
	assert_non_null(row);
	memset(row, 0xff, 2 * 65535);
	frame.height = 3000; /* each the same row */
	assert_int_equal(view_scale(&frame, 2, 2, pixels, &range), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pixels[i], 255);
	assert_true(range.min == 65535 && range.max == 65535 && range.mean == 65535);
	free(row);
}

static void test_nearest(void **state)
{
	static const uint8_t expected[] = { 10, 10, 20, 20, 10, 10, 20, 20, 30, 30, 40, 40, 30, 30, 40, 40 };
	const struct lumaring_frame frame = frame_of(2, 2, LUMARING_FORMAT_R8);
	struct lumaring_frame other = frame;
	struct view_range range;
	uint8_t pixels[16];

	(void)state;
	samples[0] = 10;
	samples[1] = 20;
	samples[STRIDE] = 30;
	samples[STRIDE + 1] = 40;
	assert_int_equal(view_scale(&frame, 4, 4, pixels, &range), 0);
	assert_memory_equal(pixels, expected, sizeof(expected));
	assert_true(range.min == 10 && range.max == 40 && range.mean == 25);
	other.fourcc = LUMARING_FOURCC('N', 'V', '1', '2');
	assert_int_equal(view_scale(&other, 4, 4, pixels, &range), -ENOTSUP);
}

static void test_stretch(void **state)
{
	uint8_t pixels[200], flat[4] = { 7, 7, 7, 7 };

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		pixels[i] = (uint8_t)(i < 100 ? 50 : 100);
	pixels[0] = 0; /* a single one does not count */
	pixels[199] = 255;
	view_stretch(pixels, 200);
	assert_int_equal(pixels[0], 0);
	assert_int_equal(pixels[1], 0);
	assert_int_equal(pixels[198], 255);
	assert_int_equal(pixels[199], 255);
	view_stretch(flat, 4);
	assert_int_equal(flat[3], 7);
}

static void test_place(void **state)
{
	const struct view_manner halves = { TERMINAL_COLOURS_TRUE, true }, letters = { TERMINAL_COLOURS_NONE, false };
	struct view_place place = view_place(&halves, 2304, 1296, 100, 39);

	(void)state;
	assert_int_equal(place.columns, 100); /* 100 by 56.25 */
	assert_int_equal(place.rows, 28);
	assert_int_equal(place.height, 56);
	assert_int_equal(place.row, 5);
	place = view_place(&letters, 2304, 1296, 200, 20);
	assert_int_equal(place.rows, 20);
	assert_int_equal(place.columns, 71);
	assert_int_equal(place.height, 20);
	assert_int_equal(place.column, 64);
	for (uint32_t i = 1; i < 1000; i += 37) { /* never none, never more than there is */
		place = view_place(&halves, i, 65536 / i, 1 + i % 90, 1 + i % 7);
		assert_in_range(place.columns, 1, 1 + i % 90);
		assert_in_range(place.rows, 1, 1 + i % 7);
	}
	place = view_place(&halves, 65535, 1, 1, 1);
	assert_true(place.columns == 1 && place.rows == 1 && place.height == 2);
}

/* A picture of 3x2 pixels, drawn by hand. */
static const char *drawn(struct view_draw *draw, enum terminal_colours now, bool is_utf8, const uint8_t *pixels,
			 bool region, bool lines)
{
	const struct lumaring_frame frame = frame_of(30, 20, LUMARING_FORMAT_R8);
	const struct lumaring_region all = { 0, 0, 10, 10 };
	struct view_manner manner;
	struct view_place place;

	colours = now;
	utf8 = is_utf8;
	manner = view_manner(true);
	place = (struct view_place){ 2, 1, 3, manner.halves ? 1 : 2, 3, 2 };
	assert_int_equal(view_draw_begin(draw, &manner, &place), 0);
	draw->bytes = 0;
	view_draw_picture(draw, pixels);
	if (region)
		view_draw_region(draw, &frame, &all);
	assert_int_equal(lines ? view_draw_lines(draw) : view_draw_screen(draw), 0);
	assert_int_equal(view_draw_text(draw, "%s", ""), 0);
	return draw->text;
}

static const uint8_t picture[] = { 0, 100, 255, 0, 200, 255 }, moved[] = { 2, 100, 255, 3, 200, 0 };

#define HALF "\xe2\x96\x80"

static void test_true(void **state)
{
	struct view_draw draw = { .bytes = 0 };

	(void)state;
	assert_string_equal(drawn(&draw, TERMINAL_COLOURS_TRUE, true, picture, false, false),
			    "\033[0m\033[2J\033[2;3H\033[48;2;0;0;0m \033[38;2;100;100;100m\033[48;2;200;200;200m" HALF
			    "\033[48;2;255;255;255m \033[0m");
	/* Only what changed, and noise is no change. */
	assert_string_equal(drawn(&draw, TERMINAL_COLOURS_TRUE, true, picture, false, false), "");
	assert_string_equal(drawn(&draw, TERMINAL_COLOURS_TRUE, true, moved, false, false),
			    "\033[2;5H\033[38;2;255;255;255m\033[48;2;0;0;0m" HALF "\033[0m");
	assert_string_equal(drawn(&draw, TERMINAL_COLOURS_TRUE, true, moved, true, false),
			    "\033[2;3H\033[38;2;255;200;0m\033[48;2;3;3;3m" HALF "\033[0m");
	view_draw_finish(&draw);
}

static void test_256(void **state)
{
	struct view_draw draw = { .bytes = 0 };

	(void)state;
	assert_string_equal(drawn(&draw, TERMINAL_COLOURS_256, true, picture, true, false),
			    "\033[0m\033[2J\033[2;3H\033[38;5;220m\033[48;5;16m" HALF
			    "\033[38;5;241m\033[48;5;251m" HALF "\033[48;5;231m \033[0m");
	view_draw_finish(&draw);
	assert_string_equal(drawn(&draw, TERMINAL_COLOURS_256, false, picture, false, true),
			    "\033[48;5;16m \033[48;5;241m \033[48;5;231m \033[0m\n"
			    "\033[48;5;16m \033[48;5;251m \033[48;5;231m \033[0m\n");
	view_draw_finish(&draw);
}

static void test_letters(void **state)
{
	struct view_draw draw = { .bytes = 0 };

	(void)state;
	assert_string_equal(drawn(&draw, TERMINAL_COLOURS_NONE, true, picture, false, true), " -@\n #@\n");
	assert_string_equal(drawn(&draw, TERMINAL_COLOURS_NONE, true, picture, true, false),
			    "\033[0m\033[2J\033[2;3H+-@\033[3;3H #@");
	view_draw_finish(&draw);
}

/* Each of the 256 values is shown by a grey that is at most 5 away. */
static void test_greys(void **state)
{
	(void)state;
	for (int value = 0; value < 256; value++) {
		const int code = (int)grey_of((unsigned)value);
		static const int cube[] = { 0, 95, 135, 175, 215, 255 };
		const int shown = code >= 232 ? 8 + 10 * (code - 232) : cube[(code - 16) / 43];

		assert_true(code >= 232 || (code - 16) % 43 == 0);
		assert_in_range(abs(shown - value), 0, value > 238 ? 8 : 5);
	}
}

/* The line around a region: on its outer pixels; what is outside of the picture is not drawn. */
static void test_region(void **state)
{
	const struct view_manner manner = { TERMINAL_COLOURS_NONE, false };
	const struct view_place place = { 0, 0, 8, 4, 8, 4 };
	struct lumaring_frame frame = frame_of(80, 40, LUMARING_FORMAT_R8);
	struct lumaring_region region = { 110, 100, 40, 30 };
	struct view_draw draw = { .bytes = 0 };
	uint8_t black[32] = { 0 };

	(void)state;
	frame.region = (struct lumaring_region){ 100, 100, 80, 40 };
	frame.image_width = frame.image_height = 1000;
	assert_int_equal(view_draw_begin(&draw, &manner, &place), 0);
	view_draw_picture(&draw, black);
	view_draw_region(&draw, &frame, &region);
	assert_int_equal(view_draw_lines(&draw), 0);
	assert_string_equal(draw.text, " +--+   \n |  |   \n +--+   \n        \n");
	draw.bytes = 0;
	view_draw_picture(&draw, black);
	region = (struct lumaring_region){ 150, 120, 0, 0 }; /* up to the image's edge, which is not to be seen */
	view_draw_region(&draw, &frame, &region);
	assert_int_equal(view_draw_lines(&draw), 0);
	assert_string_equal(draw.text, "        \n        \n     +--\n     |  \n");
	draw.bytes = 0;
	frame.bin = 2;
	frame.region = (struct lumaring_region){ 100, 100, 160, 80 };
	region = (struct lumaring_region){ 0, 0, 140, 140 };
	view_draw_picture(&draw, black);
	view_draw_region(&draw, &frame, &region);
	assert_int_equal(view_draw_lines(&draw), 0);
	assert_string_equal(draw.text, " |      \n-+      \n        \n        \n");
	view_draw_finish(&draw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_means),   cmocka_unit_test(test_white),   cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_stretch), cmocka_unit_test(test_place),   cmocka_unit_test(test_true),
		cmocka_unit_test(test_256),     cmocka_unit_test(test_letters), cmocka_unit_test(test_greys),
		cmocka_unit_test(test_region),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
