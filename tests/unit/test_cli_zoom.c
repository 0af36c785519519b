/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli_zoom.c - the part of a frame that `lumaring view` shows: it lies inside whatever is pressed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../../client-lib/cli/view_zoom.c"

static uint8_t samples[64];

static struct lumaring_frame frame_of(uint32_t width, uint32_t height)
{
	return (struct lumaring_frame){ .pixels = samples,
					.width = width,
					.height = height,
					.stride = 2 * width,
					.fourcc = LUMARING_FORMAT_R8,
					.bin = 1,
					.region = { 0, 0, width, height },
					.image_width = width,
					.image_height = height };
}

static struct lumaring_frame frame;
static struct lumaring_region region;
static struct view_zoom zoom;

static void begin(uint32_t width, uint32_t height)
{
	frame = frame_of(width, height);
	region = (struct lumaring_region){ 0, 0, 0, 0 };
	zoom = (struct view_zoom){ 0 };
	view_zoom_fit(&zoom, &frame);
	assert_false(view_zoom_is_part(&zoom));
}

static void press(int key, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	view_zoom_obey(&zoom, key, &frame, &region);
	assert_int_equal(zoom.x, x);
	assert_int_equal(zoom.y, y);
	assert_int_equal(zoom.width, width);
	assert_int_equal(zoom.height, height);
}

static void test_keys(void **state)
{
	(void)state;
	begin(640, 480);
	press(TERMINAL_LEFT, 0, 0, 640, 480); /* there is no more */
	press('-', 0, 0, 640, 480);
	press('+', 160, 120, 320, 240);
	press('=', 240, 180, 160, 120);
	press(TERMINAL_RIGHT, 280, 180, 160, 120);
	press(TERMINAL_DOWN, 280, 210, 160, 120);
	press(TERMINAL_LEFT, 240, 210, 160, 120);
	press(TERMINAL_UP, 240, 180, 160, 120);
	press('x', 240, 180, 160, 120);
	press(TERMINAL_NONE, 240, 180, 160, 120);
	press(TERMINAL_CHANGED, 240, 180, 160, 120);
	assert_true(view_zoom_is_part(&zoom));
	for (unsigned i = 0; i < 20; i++)
		view_zoom_obey(&zoom, TERMINAL_RIGHT, &frame, &region);
	press(TERMINAL_UP, 480, 150, 160, 120);
	press('-', 320, 90, 320, 240);
	press('-', 0, 0, 640, 480);
	assert_false(view_zoom_is_part(&zoom));
}

static void test_region(void **state)
{
	(void)state;
	begin(640, 480);
	press('z', 240, 180, 160, 120); /* none: the middle */
	press('Z', 0, 0, 640, 480);
	region = (struct lumaring_region){ 100, 50, 64, 48 };
	press('z', 100, 50, 64, 48);
	press('z', 0, 0, 640, 480);
	region = (struct lumaring_region){ 600, 400, 0, 0 }; /* up to the edge */
	press('z', 600, 400, 40, 80);
	press('-', 560, 320, 80, 160);
	press('z', 0, 0, 640, 480);
	region = (struct lumaring_region){ 0, 0, 640, 480 }; /* all of it */
	press('z', 240, 180, 160, 120);
	press('z', 0, 0, 640, 480);
	region = (struct lumaring_region){ 65535, 65535, 65535, 65535 }; /* outside */
	press('z', 240, 180, 160, 120);
	/* Of a part of the image, where pixels are means of 2x2. */
	begin(100, 100);
	frame.region = (struct lumaring_region){ 200, 100, 200, 200 };
	frame.image_width = frame.image_height = 1000;
	frame.bin = 2;
	region = (struct lumaring_region){ 221, 0, 39, 121 };
	press('z', 10, 0, 20, 11);
	const struct lumaring_frame part = view_zoom_part(&zoom, &frame);

	assert_ptr_equal(part.pixels, samples + 10);
	assert_true(part.width == 20 && part.height == 11 && part.stride == frame.stride);
	assert_true(part.region.x == 220 && part.region.y == 100 && part.region.width == 40 &&
		    part.region.height == 22);
}

static void test_limits(void **state)
{
	(void)state;
	begin(640, 16);
	for (unsigned i = 0; i < 20; i++)
		view_zoom_obey(&zoom, '+', &frame, &region);
	press('+', 316, 4, 8, 8);
	press(TERMINAL_RIGHT, 318, 4, 8, 8);
	begin(3, 1);
	press('+', 0, 0, 3, 1);
	press(TERMINAL_DOWN, 0, 0, 3, 1);
	begin(65535, 65535);
	press('-', 0, 0, 65535, 65535);
	press('+', 16384, 16384, 32767, 32767);
}

/* Another size of frames begins anew; the same keeps the part. */
static void test_another_size(void **state)
{
	(void)state;
	begin(640, 480);
	press('+', 160, 120, 320, 240);
	view_zoom_fit(&zoom, &frame);
	press('x', 160, 120, 320, 240);
	frame = frame_of(32, 24);
	view_zoom_fit(&zoom, &frame);
	press('x', 0, 0, 32, 24);
}

static void test_inside(void **state)
{
	static const int keys[] = {
		'+', '-', 'z', TERMINAL_UP, TERMINAL_DOWN, TERMINAL_LEFT, TERMINAL_RIGHT, '+', '+'
	};

	(void)state;
	srandom(1);
	for (unsigned i = 0; i < 100000; i++) {
		if (i % 1000 == 0)
			begin(1 + (uint32_t)random() % 3000, 1 + (uint32_t)random() % 3000);
		region.x = (uint32_t)random() % 4000;
		region.width = (uint32_t)random() % 4000;
		view_zoom_obey(&zoom, keys[(size_t)random() % (sizeof(keys) / sizeof(keys[0]))], &frame, &region);
		assert_true(zoom.width > 0 && zoom.height > 0);
		assert_true(zoom.x + zoom.width <= frame.width && zoom.y + zoom.height <= frame.height);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),         cmocka_unit_test(test_region), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_another_size), cmocka_unit_test(test_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
