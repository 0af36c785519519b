/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_choice.c - which camera, format and size is chosen of cameras like those there are: a Raspberry Pi's
 * with its ISP, mono sensors with and without one, USB cameras; and what is said when nothing fits.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "source/choice.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct libcamera_description camera;
static struct libcamera_wish wish;
static struct pixels_layout layout;
static struct source_fault fault;
static struct source_capabilities capabilities;

static struct libcamera_format *add_format(const char *name, bool raw)
{
	struct libcamera_format *format = &camera.formats[camera.format_count++];

	assert_true(camera.format_count <= LIBCAMERA_FORMATS_MAX);
	memset(format, 0, sizeof(*format));
	snprintf(format->name, sizeof(format->name), "%s", name);
	format->raw = raw;
	return format;
}

static void add_sizes(const char *name, bool raw, const struct libcamera_size *sizes, unsigned count)
{
	struct libcamera_format *format = add_format(name, raw);

	memcpy(format->sizes, sizes, count * sizeof(sizes[0]));
	format->size_count = count;
}

static void add_size(const char *name, bool raw, uint32_t width, uint32_t height)
{
	add_sizes(name, raw, &(struct libcamera_size){ width, height }, 1);
}

static void add_range(const char *name, uint32_t min_width, uint32_t min_height, uint32_t max_width,
		      uint32_t max_height, uint32_t step)
{
	struct libcamera_format *format = add_format(name, false);

	format->minimum = (struct libcamera_size){ min_width, min_height };
	format->maximum = (struct libcamera_size){ max_width, max_height };
	format->step = (struct libcamera_size){ step, step };
}

static int setup(void **state)
{
	(void)state;
	memset(&camera, 0, sizeof(camera));
	return 0;
}

static int make(uint32_t width, uint32_t height, const char *name)
{
	struct source_settings wanted = { .width = width, .height = height };

	if (name)
		assert_true(pixels_find_layout(name, &wanted.layout));
	memset(&wish, 0x55, sizeof(wish));
	memset(&layout, 0x55, sizeof(layout));
	memset(&fault, 0x55, sizeof(fault));
	return choice_make(&camera, &wanted, &wish, &layout, &fault);
}

static void expect(uint32_t width, uint32_t height, const char *name, const char *expected, uint32_t expected_width,
		   uint32_t expected_height)
{
	int r = make(width, height, name);

	if (r)
		fail_msg("%ux%u %s: %d %s", width, height, name ? name : "", r, fault.text);
	assert_string_equal(wish.format, expected);
	assert_int_equal(wish.width, expected_width);
	assert_int_equal(wish.height, expected_height);
	assert_true(wish.full_range);
	assert_int_equal(wish.buffer_count, 0);
	assert_int_equal(wish.sensor_width, 0);
}

/* --- formats ------------------------------------------------------------------------------------------------ */

static void test_layouts(void **state)
{
	static const struct {
		const char *name, *layout;
		enum pixels pixels;
	} rows[] = {
		{ "BGR888", "RGB24", PIXELS_RGB24 },
		{ "RGB888", "BGR24", PIXELS_BGR24 },
		{ "XRGB8888", "XRGB8888", PIXELS_XRGB8888 },
		{ "XBGR8888", "XBGR8888", PIXELS_XBGR8888 },
		{ "ARGB8888", "XRGB8888", PIXELS_XRGB8888 },
		{ "ABGR8888", "XBGR8888", PIXELS_XBGR8888 },
		{ "R8", "R8", PIXELS_R8 },
		{ "R10", "R10", PIXELS_R10 },
		{ "R12", "R12", PIXELS_R12 },
		{ "R16", "R16", PIXELS_R16 },
		{ "R10_CSI2P", "R10_CSI2P", PIXELS_R10_CSI2P },
		{ "R12_CSI2P", "R12_CSI2P", PIXELS_R12_CSI2P },
		{ "NV12", "NV12", PIXELS_R8 },
		{ "YUV420", "YUV420", PIXELS_R8 },
		{ "NV61", "NV61", PIXELS_R8 },
		{ "YVU422", "YVU422", PIXELS_R8 },
		{ "NV42", "NV42", PIXELS_R8 },
		{ "YUV444", "YUV444", PIXELS_R8 },
		{ "YUYV", "YUYV", PIXELS_YUYV },
		{ "VYUY", "VYUY", PIXELS_VYUY },
	};
	static const char *const none[] = {
		"MJPEG",     "RGBX8888",        "BGRX8888", "RGBA8888", "SRGGB8", "SRGGB10_CSI2P", "RGB565",
		"BGR161616", "MONO_PISP_COMP1", "R14",      "nv12",     "",       "RGB24",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pixels_layout found;

		assert_true(choice_layout(rows[i].name, &found));
		assert_string_equal(found.name, rows[i].layout);
		assert_int_equal(found.pixels, rows[i].pixels);
	}
	for (size_t i = 0; i < COUNT(none); i++) {
		struct pixels_layout found = { .name = "untouched" };

		if (choice_layout(none[i], &found))
			fail_msg("%s is %s", none[i], found.name);
		assert_string_equal(found.name, "untouched");
	}
}

/* Every layout that pixels.h has is some format of libcamera's. */
static void test_all_layouts(void **state)
{
	static const char *const others[] = { "RGB24", "BGR24" }, *const names[] = { "BGR888", "RGB888" };
	char list[512], *name, *rest = list;

	(void)state;
	pixels_list_layouts(list, sizeof(list));
	while ((name = strsep(&rest, ", "))) {
		struct pixels_layout found = { .name = NULL };

		if (!name[0])
			continue;
		for (size_t i = 0; i < COUNT(others); i++)
			assert_true(strcmp(name, others[i]) || choice_layout(names[i], &found));
		if (!found.name && !choice_layout(name, &found))
			fail_msg("nothing of libcamera's is %s", name);
		assert_string_equal(found.name, name);
	}
}

static void test_luma_first(void **state)
{
	/* Best last, so that each is chosen over those before. */
	static const char *const order[] = { "XBGR8888", "XRGB8888", "RGB888", "BGR888", "VYUY", "YVYU",   "UYVY",
					     "YUYV",     "NV16",     "NV21",   "YVU420", "NV12", "YUV420", "R8" };

	(void)state;
	add_size("MJPEG", false, 4000, 3000);
	add_size("SRGGB10_CSI2P", true, 4000, 3000);
	add_size("R8", true, 640, 480);
	expect(0, 0, NULL, "R8", 640, 480);
	assert_true(wish.raw);
	assert_string_equal(layout.name, "R8");
	for (size_t i = 0; i < COUNT(order); i++) {
		add_size(order[i], false, 640, 480);
		expect(0, 0, NULL, order[i], 640, 480);
		assert_false(wish.raw);
	}
	assert_string_equal(layout.name, "R8");
}

static void test_mono_sensor(void **state)
{
	add_size("R10_CSI2P", true, 1280, 800);
	add_size("R8", true, 1280, 800);
	expect(0, 0, NULL, "R8", 1280, 800);
	assert_true(wish.raw);
	expect(0, 0, "R10_CSI2P", "R10_CSI2P", 1280, 800);
	assert_true(wish.raw);
	/* With an ISP it is taken only when it is asked for. */
	add_range("YUV420", 32, 32, 1280, 800, 2);
	expect(0, 0, NULL, "YUV420", 1280, 800);
	assert_false(wish.raw);
	expect(640, 480, NULL, "YUV420", 640, 480);
	expect(0, 0, "R8", "R8", 1280, 800);
	assert_true(wish.raw);
	(void)state;
}

static void test_processed_before_raw(void **state)
{
	(void)state;
	add_size("R8", true, 640, 480);
	add_size("R8", false, 640, 480);
	expect(640, 480, "R8", "R8", 640, 480);
	assert_false(wish.raw);
}

static void test_by_our_name(void **state)
{
	(void)state;
	add_size("RGB888", false, 640, 480);
	add_size("BGR888", false, 320, 240);
	add_size("ABGR8888", false, 160, 120);
	expect(0, 0, "RGB24", "BGR888", 320, 240);
	assert_string_equal(layout.name, "RGB24");
	expect(0, 0, "BGR24", "RGB888", 640, 480);
	expect(0, 0, "XBGR8888", "ABGR8888", 160, 120);
	add_size("XBGR8888", false, 80, 60);
	expect(0, 0, "XBGR8888", "XBGR8888", 80, 60);
}

static void expect_refusal(const char *name, const char *sentence)
{
	assert_int_equal(make(0, 0, name), -ENOTSUP);
	assert_string_equal(fault.field, "pixel_format");
	assert_string_equal(fault.text, sentence);
	assert_int_equal(wish.width, 0x55555555); /* untouched */
}

static void test_refusals(void **state)
{
	(void)state;
	expect_refusal(NULL, "the camera has no pixel format that luma can be taken from, it has none at all");
	add_size("SRGGB10_CSI2P", true, 640, 480);
	expect_refusal("NV12", "the camera has no pixel format that luma can be taken from, it has SRGGB10_CSI2P");
	camera.format_count = 0;
	add_size("MJPEG", false, 640, 480);
	expect_refusal(NULL, "the camera delivers compressed pictures only (MJPEG), which are not supported");
	expect_refusal("R8", "the camera delivers compressed pictures only (MJPEG), which are not supported");
	add_size("YUYV", false, 640, 480);
	add_size("XRGB8888", false, 640, 480);
	add_size("ARGB8888", false, 640, 480);
	add_size("RGB888", false, 640, 480);
	add_size("R8", true, 640, 480);
	expect_refusal("NV12", "the camera has no NV12, only YUYV, XRGB8888, BGR24, R8 (raw)");
}

/* --- sizes -------------------------------------------------------------------------------------------------- */

static void test_listed_sizes(void **state)
{
	static const struct libcamera_size sizes[] = { { 320, 240 },   { 640, 480 },   { 1280, 720 }, { 1280, 800 },
						       { 1920, 1080 }, { 1200, 1920 }, { 2592, 1944 } };

	(void)state;
	add_sizes("NV12", false, sizes, COUNT(sizes));
	expect(0, 0, NULL, "NV12", 1920, 1080); /* 1200x1920 is larger in one direction */
	expect(1280, 720, NULL, "NV12", 1280, 720);
	expect(1280, 0, NULL, "NV12", 1920, 1080);
	expect(1000, 500, NULL, "NV12", 1280, 720);
	expect(1280, 721, NULL, "NV12", 1280, 800);
	expect(100, 1081, NULL, "NV12", 1200, 1920);
	expect(1, 1, NULL, "NV12", 320, 240);
	expect(2593, 1, NULL, "NV12", 2592, 1944);
	expect(65535, 65535, NULL, "NV12", 2592, 1944);
}

/* The order in which sizes are listed, and ties, make no difference. */
static void test_listed_any_order(void **state)
{
	static const struct libcamera_size sizes[] = { { 400, 200 }, { 3000, 3000 }, { 200, 400 }, { 2000, 2000 } };
	static const struct libcamera_size turned[] = { { 2000, 2000 }, { 200, 400 }, { 3000, 3000 }, { 400, 200 } };

	(void)state;
	add_sizes("NV12", false, sizes, COUNT(sizes));
	add_sizes("YUYV", false, turned, COUNT(turned));
	expect(0, 0, "NV12", "NV12", 400, 200);
	expect(0, 0, "YUYV", "YUYV", 400, 200);
	expect(100, 100, "NV12", "NV12", 200, 400);
	expect(100, 100, "YUYV", "YUYV", 200, 400);
	expect(4000, 1, "NV12", "NV12", 3000, 3000);
	expect(4000, 1, "YUYV", "YUYV", 3000, 3000);
}

static void test_only_large_sizes(void **state)
{
	static const struct libcamera_size sizes[] = { { 4056, 3040 }, { 2028, 1520 } };
	static const struct libcamera_size just[] = { { 64, 64 }, { 1921, 1080 }, { 1920, 1081 } };

	(void)state;
	add_sizes("NV12", false, sizes, COUNT(sizes));
	expect(0, 0, NULL, "NV12", 2028, 1520);
	camera.format_count = 0;
	add_range("NV12", 2000, 16, 4000, 3000, 1);
	expect(0, 0, NULL, "NV12", 2000, 16);
	camera.format_count = 0;
	add_sizes("NV12", false, just, COUNT(just));
	expect(0, 0, NULL, "NV12", 64, 64);
}

static void test_ranges(void **state)
{
	(void)state;
	add_range("YUV420", 32, 24, 4608, 2592, 2);
	expect(0, 0, NULL, "YUV420", 1920, 1080);
	expect(641, 479, NULL, "YUV420", 642, 480);
	expect(642, 480, NULL, "YUV420", 642, 480);
	expect(1, 1, NULL, "YUV420", 32, 24);
	expect(5000, 1000, NULL, "YUV420", 4608, 1000);
	expect(UINT32_MAX, UINT32_MAX, NULL, "YUV420", 4608, 2592);
	camera.format_count = 0;
	add_range("YUV420", 16, 16, 1000, 1000, 48); /* the last step is 976 */
	expect(0, 0, NULL, "YUV420", 976, 976);
	expect(64, 65, NULL, "YUV420", 64, 112);
	expect(977, 1000, NULL, "YUV420", 976, 976);
	camera.format_count = 0;
	add_range("YUV420", 16, 16, 801, 601, 0);
	expect(0, 0, NULL, "YUV420", 801, 601);
	expect(77, 601, NULL, "YUV420", 77, 601);
}

/* Of formats that are processed the one that has the size that was asked for. */
static void test_size_decides(void **state)
{
	(void)state;
	add_size("NV12", false, 640, 480);
	add_size("YUYV", false, 1280, 720);
	add_size("RGB888", false, 1920, 1080);
	add_size("R8", true, 1600, 1200);
	expect(0, 0, NULL, "NV12", 640, 480);
	expect(1280, 720, NULL, "YUYV", 1280, 720);
	expect(1280, 720, "NV12", "NV12", 640, 480);
	expect(320, 240, NULL, "NV12", 640, 480);
	expect(1000, 700, NULL, "YUYV", 1280, 720);
	expect(1600, 1200, NULL, "NV12", 640, 480); /* raw only if there is nothing else */
}

/* --- cameras ------------------------------------------------------------------------------------------------ */

static const struct source_identity cameras[] = {
	{ "/base/i2c@1/imx219@10", "imx219", "back" },
	{ "/base/i2c@1/ov9281@60", "ov9281", "external" },
	{ "/base/i2c@2/imx219@10", "imx219", "front" },
	{ "/base/usb-1:1", "", "external" },
	{ "/base/usb-1:2", "7", "" },
};

static void expect_camera(const char *which, unsigned expected)
{
	unsigned index = 99;
	char text[400] = "";

	if (choice_find_camera(cameras, COUNT(cameras), which, &index, text, sizeof(text)))
		fail_msg("%s: %s", which, text);
	assert_int_equal(index, expected);
}

static void expect_no_camera(const char *which, unsigned count, int error, const char *sentence)
{
	unsigned index = 99;
	char text[400] = "";

	assert_int_equal(choice_find_camera(cameras, count, which, &index, text, sizeof(text)), error);
	assert_string_equal(text, sentence);
	assert_int_equal(index, 99);
}

static void test_find_camera(void **state)
{
	(void)state;
	expect_camera("", 0);
	expect_camera("/base/i2c@2/imx219@10", 2);
	expect_camera("0", 0);
	expect_camera("4", 4);
	expect_camera("7", 4); /* no such index, but a model */
	expect_camera("ov9281", 1);
	expect_camera("OV9281", 1);
	expect_camera("front", 2);
}

#define ALL                                                                                                            \
	"0 = \"/base/i2c@1/imx219@10\" (imx219, back), 1 = \"/base/i2c@1/ov9281@60\" (ov9281, external), "             \
	"2 = \"/base/i2c@2/imx219@10\" (imx219, front), 3 = \"/base/usb-1:1\" (external), 4 = \"/base/usb-1:2\" (7)"

static void test_find_no_camera(void **state)
{
	unsigned index = 99;
	char text[16] = "";

	(void)state;
	expect_no_camera("", 0, -ENODEV, "libcamera finds no camera");
	expect_no_camera("ov9281", 0, -ENODEV, "libcamera finds no camera");
	expect_no_camera("5", 5, -ENODEV, "there is no camera \"5\", only " ALL);
	expect_no_camera("-1", 5, -ENODEV, "there is no camera \"-1\", only " ALL);
	expect_no_camera(" 1", 5, -ENODEV, "there is no camera \" 1\", only " ALL);
	expect_no_camera("4294967296", 5, -ENODEV, "there is no camera \"4294967296\", only " ALL);
	expect_no_camera("/BASE/usb-1:1", 5, -ENODEV, "there is no camera \"/BASE/usb-1:1\", only " ALL);
	expect_no_camera("imx219", 5, -EINVAL,
			 "\"imx219\" means 2 cameras, name one by its number or id: 0 = \"/base/i2c@1/imx219@10\" "
			 "(imx219, back), 2 = \"/base/i2c@2/imx219@10\" (imx219, front)");
	expect_no_camera("external", 5, -EINVAL,
			 "\"external\" means 2 cameras, name one by its number or id: 1 = \"/base/i2c@1/ov9281@60\" "
			 "(ov9281, external), 3 = \"/base/usb-1:1\" (external)");
	assert_int_equal(choice_find_camera(cameras, 5, "x", &index, text, sizeof(text)), -ENODEV);
	assert_string_equal(text, "there is no cam"); /* cut, no more */
}

/* --- capabilities ------------------------------------------------------------------------------------------- */

static void expect_mode(unsigned number, uint32_t width_min, uint32_t width_max, uint32_t step, const char *names)
{
	const struct source_mode *mode = &capabilities.modes[number];
	char text[400] = "";

	assert_true(number < capabilities.mode_count);
	for (unsigned i = 0; i < mode->format_count; i++) {
		strcat(text, i ? " " : "");
		strcat(text, mode->formats[i]);
	}
	assert_int_equal(mode->width_min, width_min);
	assert_int_equal(mode->width_max, width_max);
	assert_int_equal(mode->width_step, step);
	assert_int_equal(mode->height_step, step);
	assert_string_equal(text, names);
}

static void test_capabilities(void **state)
{
	static const struct libcamera_size sizes[] = { { 640, 480 }, { 1280, 720 } };

	(void)state;
	snprintf(camera.identity.id, sizeof(camera.identity.id), "usb-1:1");
	snprintf(camera.identity.model, sizeof(camera.identity.model), "Webcam");
	camera.controls = SOURCE_BIT(SOURCE_EXPOSURE_US);
	camera.ranges[SOURCE_EXPOSURE_US] = (struct source_range){ 1, 66666, 10000 };
	camera.frame_duration_min_ns = 5000000;
	camera.frame_duration_max_ns = 1000000000;
	add_sizes("MJPEG", false, sizes, 2);
	add_sizes("YUYV", false, sizes, 2);
	add_sizes("NV12", false, sizes, 1);
	add_size("R8", true, 1280, 720);
	add_size("SRGGB8", true, 1280, 720);
	add_size("XRGB8888", false, 640, 480);
	add_size("ARGB8888", false, 640, 480); /* the same to us */
	add_range("YUV420", 32, 32, 4000, 3000, 2);
	choice_capabilities(&camera, &capabilities);
	assert_int_equal(capabilities.mode_count, 3);
	expect_mode(0, 640, 640, 1, "NV12 YUYV XRGB8888");
	expect_mode(1, 1280, 1280, 1, "R8 YUYV");
	expect_mode(2, 32, 4000, 2, "YUV420");
	assert_int_equal(capabilities.modes[2].height_min, 32);
	assert_int_equal(capabilities.modes[2].height_max, 3000);
	assert_int_equal(capabilities.modes[1].height_max, 720);
	assert_int_equal(capabilities.modes[1].frame_duration_min_ns, 5000000);
	assert_int_equal(capabilities.modes[1].frame_duration_max_ns, 1000000000);
	assert_string_equal(capabilities.id, "usb-1:1");
	assert_string_equal(capabilities.model, "Webcam");
	assert_int_equal(capabilities.controls, SOURCE_BIT(SOURCE_EXPOSURE_US));
	assert_int_equal(capabilities.ranges[SOURCE_EXPOSURE_US].maximum, 66666);
	assert_true(capabilities.resizes);
	assert_true(capabilities.paces);
	camera.frame_duration_min_ns = 0;
	choice_capabilities(&camera, &capabilities);
	assert_false(capabilities.paces);
}

/* One more than there is room for: the smallest is left out, whenever it comes. */
static void test_most_modes(void **state)
{
	(void)state;
	for (unsigned first = 1; first <= SOURCE_MODES_MAX + 1; first++) {
		setup(NULL);
		for (unsigned i = 0; i <= SOURCE_MODES_MAX; i++) {
			unsigned width = (first + i) % (SOURCE_MODES_MAX + 1) + 1;

			add_size("NV12", false, width, 10);
		}
		add_size("YUYV", false, 1, 10);
		choice_capabilities(&camera, &capabilities);
		assert_int_equal(capabilities.mode_count, SOURCE_MODES_MAX);
		for (unsigned i = 0; i < SOURCE_MODES_MAX; i++)
			expect_mode(i, i + 2, i + 2, 1, "NV12");
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_layouts, setup),
	cmocka_unit_test_setup(test_all_layouts, setup),
	cmocka_unit_test_setup(test_luma_first, setup),
	cmocka_unit_test_setup(test_mono_sensor, setup),
	cmocka_unit_test_setup(test_processed_before_raw, setup),
	cmocka_unit_test_setup(test_by_our_name, setup),
	cmocka_unit_test_setup(test_refusals, setup),
	cmocka_unit_test_setup(test_listed_sizes, setup),
	cmocka_unit_test_setup(test_listed_any_order, setup),
	cmocka_unit_test_setup(test_only_large_sizes, setup),
	cmocka_unit_test_setup(test_ranges, setup),
	cmocka_unit_test_setup(test_size_decides, setup),
	cmocka_unit_test_setup(test_find_camera, setup),
	cmocka_unit_test_setup(test_find_no_camera, setup),
	cmocka_unit_test_setup(test_capabilities, setup),
	cmocka_unit_test_setup(test_most_modes, setup),
};

int main(void)
{
	return cmocka_run_group_tests_name("source_choice", tests, NULL, NULL);
}
