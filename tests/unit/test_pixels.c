/* SPDX-License-Identifier: BSD-2-Clause */
/* test_pixels.c - daemon/base/pixels: names, bytes of rows, and of the colour behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pixels.h"

/* Whole groups, however many pixels of the last one there are. */
static void test_row_bytes(void **state)
{
	static const struct {
		enum pixels pixels;
		size_t bytes[9]; /* of 1 to 8 pixels, and of 65535 */
	} rows[] = {
		{ PIXELS_R8, { 1, 2, 3, 4, 5, 6, 7, 8, 65535 } },
		{ PIXELS_R10, { 2, 4, 6, 8, 10, 12, 14, 16, 131070 } },
		{ PIXELS_R10_CSI2P, { 5, 5, 5, 5, 10, 10, 10, 10, 81920 } },
		{ PIXELS_R12_CSI2P, { 3, 3, 6, 6, 9, 9, 12, 12, 98304 } },
		{ PIXELS_YVYU, { 4, 4, 8, 8, 12, 12, 16, 16, 131072 } },
		{ PIXELS_BGR24, { 3, 6, 9, 12, 15, 18, 21, 24, 196605 } },
		{ PIXELS_XRGB8888, { 4, 8, 12, 16, 20, 24, 28, 32, 262140 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t width = 1; width <= 8; width++)
			assert_int_equal(pixels_row_bytes(rows[i].pixels, width), rows[i].bytes[width - 1]);
		assert_int_equal(pixels_row_bytes(rows[i].pixels, 65535), rows[i].bytes[8]);
	}
}

static void test_chroma_bytes(void **state)
{
	(void)state;
	assert_int_equal(pixels_chroma_bytes(PIXELS_CHROMA_NONE, 640, 480, 1), 0);
	assert_int_equal(pixels_chroma_bytes(PIXELS_CHROMA_420, 640, 480, 1), 153600);
	assert_int_equal(pixels_chroma_bytes(PIXELS_CHROMA_420, 5, 3, 1), 12);
	assert_int_equal(pixels_chroma_bytes(PIXELS_CHROMA_420, 5, 3, 2), 24);
	assert_int_equal(pixels_chroma_bytes(PIXELS_CHROMA_422, 5, 3, 1), 18);
	assert_int_equal(pixels_chroma_bytes(PIXELS_CHROMA_422, 5, 3, 2), 36);
	assert_int_equal(pixels_chroma_bytes(PIXELS_CHROMA_444, 5, 3, 1), 30);
	assert_int_equal(pixels_chroma_bytes(PIXELS_CHROMA_444, 65535, 65535, 2), UINT64_C(17179344900));
	assert_int_equal(pixels_chroma_bytes(PIXELS_CHROMA_420, 65535, 65535, 2), UINT64_C(4294967296));
}

static void test_layouts(void **state)
{
	static const char *planar[] = { "NV12",   "NV21",   "YUV420", "YVU420", "NV16",   "NV61",
					"YUV422", "YVU422", "NV24",   "NV42",   "YUV444", "YVU444" };
	struct pixels_layout layout;
	char names[256], less[20];

	(void)state;
	pixels_list_layouts(names, sizeof(names));
	for (unsigned i = 0; i < PIXELS_COUNT; i++) {
		const char *name = pixels_facts((enum pixels)i)->name;

		assert_true(pixels_find_layout(name, &layout));
		assert_string_equal(layout.name, name);
		assert_int_equal(layout.pixels, i);
		assert_int_equal(layout.chroma, PIXELS_CHROMA_NONE);
		assert_non_null(strstr(names, name));
	}
	for (unsigned i = 0; i < sizeof(planar) / sizeof(planar[0]); i++) {
		assert_true(pixels_find_layout(planar[i], &layout));
		assert_int_equal(layout.pixels, PIXELS_R8);
		assert_int_equal(layout.chroma, i < 4   ? PIXELS_CHROMA_420
						: i < 8 ? PIXELS_CHROMA_422
							: PIXELS_CHROMA_444);
	}
	assert_true(pixels_find_layout("nv12", &layout));
	layout.name = "untouched";
	assert_false(pixels_find_layout("NV13", &layout));
	assert_false(pixels_find_layout("", &layout));
	assert_false(pixels_find_layout("R", &layout));
	assert_false(pixels_find_layout("R8 ", &layout));
	assert_string_equal(layout.name, "untouched");
	assert_string_equal(names + strlen(names) - 8, ", YVU444"); /* all of them fit */
	memset(less, 'x', sizeof(less));
	pixels_list_layouts(less, sizeof(less) - 1);
	assert_string_equal(less, "R8, R10, R12, R16,");
	assert_int_equal(less[sizeof(less) - 1], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_row_bytes),
		cmocka_unit_test(test_chroma_bytes),
		cmocka_unit_test(test_layouts),
	};

	return cmocka_run_group_tests_name("pixels", tests, NULL, NULL);
}
