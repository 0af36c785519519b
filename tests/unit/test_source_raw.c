/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_raw.c - the raw source: every byte of every format, padded rows and what follows the luma, every place
 * where data can end, loops and writers, and what it refuses. What it shares with replay, test_source_replay.c and
 * test_source_pipe.c look at.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "source/raw.h"
#include "source_probe.h"

static char directory[] = "/tmp/lumaring-raw-XXXXXX";
static char path[sizeof(directory) + 16];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/clip.raw", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static struct source_config config_of(uint32_t width, uint32_t height, const char *format)
{
	struct source_config config = {
		.name = "raw", .path = path, .settings = { .width = width, .height = height }, .unpaced = true
	};

	assert_true(pixels_find_layout(format, &config.settings.layout));
	return config;
}

/* Frames 1 to `frames`: so many bytes that are kept, so many that are not. */
static void add_frames(struct bytes *bytes, unsigned clip, unsigned frames, size_t kept, size_t rest)
{
	for (unsigned frame = 1; frame <= frames; frame++) {
		clip_plane(bytes, clip, frame, 0, kept);
		clip_plane(bytes, clip, frame, 1, rest);
	}
}

static void save(struct bytes *bytes, size_t count)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	if (count)
		assert_int_equal(fwrite(bytes->data, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static void save_frames(unsigned clip, unsigned frames, size_t kept, size_t rest)
{
	struct bytes bytes = { 0 };

	add_frames(&bytes, clip, frames, kept, rest);
	save(&bytes, bytes.count);
	free(bytes.data);
}

static struct source *start(const struct source_config *config)
{
	struct source *source = open_source(config);

	assert_false(source_is_live(source));
	assert_int_equal(source_start(source), 0);
	return source;
}

/* Three frames, each byte of a row at its place. */
static void check(const struct source_config *config, uint32_t row_bytes, size_t rest)
{
	struct source *source;

	save_frames(5, 3, (size_t)row_bytes * config->settings.height, rest);
	source = start(config);
	expect_format_of(source, config->settings.width, config->settings.height, config->settings.layout.pixels);
	for (unsigned frame = 1; frame <= 3; frame++)
		expect_clip_frame(source, row_bytes, config->settings.height, 5, frame);
	expect_event(source, SOURCE_ENDED);
	expect_nothing(source);
	source_destroy(source);
}

static void test_every_format(void **state)
{
	static const uint32_t sizes[][2] = { { 1, 1 }, { 2, 2 }, { 5, 3 }, { 33, 7 }, { 7, 1000 }, { 3000, 3 } };

	(void)state;
	for (unsigned pixels = 0; pixels < PIXELS_COUNT; pixels++) {
		for (size_t i = 0; i < COUNT(sizes); i++) {
			uint32_t width = sizes[i][0], height = sizes[i][1];
			struct source_config config = config_of(width, height, pixels_facts((enum pixels)pixels)->name);
			uint32_t row_bytes = (uint32_t)pixels_row_bytes((enum pixels)pixels, width);

			check(&config, row_bytes, 0);
			config.row_bytes = row_bytes;
			config.frame_bytes = (uint64_t)row_bytes * height;
			check(&config, row_bytes, 0);
			config.row_bytes = row_bytes + 1;
			config.frame_bytes = 0;
			check(&config, row_bytes + 1, 0);
			config.row_bytes = row_bytes + 61;
			config.frame_bytes = (uint64_t)config.row_bytes * height + 7;
			check(&config, row_bytes + 61, 7);
		}
	}
}

/* What follows the luma of planar formats, with rows as they are and padded. */
static void test_planar(void **state)
{
	static const struct {
		const char *name;
		size_t rest, rest_padded; /* of 5x3, and with rows of 8 bytes */
	} rows[] = {
		{ "NV12", 12, 16 }, { "NV21", 12, 16 }, { "YUV420", 12, 16 }, { "YVU420", 12, 16 },
		{ "NV16", 18, 24 }, { "NV61", 18, 24 }, { "YUV422", 18, 24 }, { "YVU422", 18, 24 },
		{ "NV24", 30, 48 }, { "NV42", 30, 48 }, { "YUV444", 30, 48 }, { "YVU444", 30, 48 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct source_config config = config_of(5, 3, rows[i].name);

		assert_int_equal(config.settings.layout.pixels, PIXELS_R8);
		check(&config, 5, rows[i].rest);
		config.row_bytes = 8;
		check(&config, 8, rows[i].rest_padded);
		config.frame_bytes = 24; /* what is told goes before what is known */
		check(&config, 8, 0);
	}
}

/* Cut the third frame after each of its bytes: two whole frames come, then the truth. */
static void test_cut_off(void **state)
{
	struct source_config config = config_of(5, 3, "YUYV");
	struct bytes bytes = { 0 };

	(void)state;
	config.frame_bytes = 50;
	add_frames(&bytes, 4, 3, 36, 14);
	for (size_t count = 100; count <= 150; count++) {
		struct source *source;
		char text[160];

		save(&bytes, count);
		source = start(&config);
		expect_format_of(source, 5, 3, PIXELS_YUYV);
		expect_clip_frame(source, 12, 3, 4, 1);
		expect_clip_frame(source, 12, 3, 4, 2);
		if (count == 150)
			expect_clip_frame(source, 12, 3, 4, 3);
		if (count == 100 || count == 150) {
			expect_event(source, SOURCE_ENDED);
		} else {
			snprintf(text, sizeof(text),
				 "clip.raw: frame 3, at byte 100, is cut off: %zu of its 50 bytes are there",
				 count - 100);
			expect_failure(source, text);
		}
		expect_nothing(source);
		source_destroy(source);
	}
	free(bytes.data);
}

static void test_loop(void **state)
{
	struct source_config config = config_of(6, 2, "BGR24");
	struct source *source;

	(void)state;
	config.loop = true;
	save_frames(9, 2, 36, 0);
	source = start(&config);
	expect_format_of(source, 6, 2, PIXELS_BGR24);
	for (uint64_t number = 1; number <= 40; number++) {
		struct source_event event = expect_event(source, SOURCE_FRAME);

		assert_int_equal(event.frame.camera_sequence, number);
		check_pixels(&event.frame, 18, 2, 9, number % 2 ? 1 : 2);
		source_release(source, event.frame.buffer);
	}
	source_destroy(source);
}

/* Writers of a FIFO, one of which leaves within a frame, and one that has nothing to say. */
static void test_writers(void **state)
{
	struct source_config config = config_of(40, 10, "NV12");
	struct bytes bytes = { 0 };
	struct source_event event;
	struct source *source;
	int fd;

	(void)state;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	config.loop = true;
	source = open_source(&config);
	expect_format(source, 40, 10); /* known before any writer comes */
	expect_event(source, SOURCE_PAUSED);
	assert_int_equal(source_start(source), 0);
	add_frames(&bytes, 3, 3, 400, 200);
	for (unsigned round = 0; round < 3; round++) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		assert_int_equal(write(fd, bytes.data, 1250), 1250);
		close(fd);
		for (unsigned frame = 1; frame <= 2; frame++) {
			event = expect_event(source, SOURCE_FRAME);
			assert_int_equal(event.frame.camera_sequence, 3 * round + frame);
			assert_int_equal(event.frame.lost[LUMARING_LOST_SENSOR], round && frame == 1);
			check_pixels(&event.frame, 40, 10, 3, frame);
			source_release(source, event.frame.buffer);
		}
		expect_event(source, SOURCE_PAUSED);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		close(fd);
		expect_event(source, SOURCE_PAUSED);
	}
	expect_nothing(source);
	source_destroy(source);
	free(bytes.data);
	unlink(path);
}

/* A file comes at 30 frames a second unless told otherwise, a pipe as it comes. */
static void test_rates(void **state)
{
	struct source_config config = config_of(4, 4, "R8");
	struct source *source;

	(void)state;
	config.unpaced = false;
	save_frames(1, 1, 16, 0);
	source = open_source(&config);
	assert_int_equal(expect_event(source, SOURCE_FORMAT).format.frame_duration_us, 33333);
	source_destroy(source);
	set_fixed_rate(&config.settings, 20000000);
	source = open_source(&config);
	assert_int_equal(expect_event(source, SOURCE_FORMAT).format.frame_duration_us, 20000);
	source_destroy(source);
	config.unpaced = true;
	set_fixed_rate(&config.settings, 0);
	source = open_source(&config);
	assert_int_equal(expect_event(source, SOURCE_FORMAT).format.frame_duration_us, 0);
	source_destroy(source);
	config = config_of(4, 4, "R8");
	config.unpaced = false;
	config.path = "/dev/null";
	source = open_source(&config);
	assert_int_equal(expect_event(source, SOURCE_FORMAT).format.frame_duration_us, 0);
	source_destroy(source);
	set_fixed_rate(&config.settings, 20000000);
	source = open_source(&config);
	assert_int_equal(expect_event(source, SOURCE_FORMAT).format.frame_duration_us, 20000);
	source_destroy(source);
}

static void test_range(void **state)
{
	struct source_config config = config_of(4, 4, "R8");
	struct source *source;

	(void)state;
	save_frames(1, 1, 16, 0);
	source = open_source(&config);
	assert_int_equal(expect_event(source, SOURCE_FORMAT).format.luma_range, LUMARING_RANGE_FULL);
	source_destroy(source);
	config.luma_range = LUMARING_RANGE_LIMITED;
	source = open_source(&config);
	assert_int_equal(expect_event(source, SOURCE_FORMAT).format.luma_range, LUMARING_RANGE_LIMITED);
	source_destroy(source);
}

/* Of rows and frames at their least and one below, and of the pool at its most and one beyond. */
static void test_refused(void **state)
{
	struct source_config config = config_of(5, 3, "R10_CSI2P");

	(void)state;
	save_frames(1, 1, 30, 0);
	config.row_bytes = 10;
	config.frame_bytes = 30;
	source_destroy(open_source(&config));
	config.row_bytes = 9;
	expect_refusal(&config, -EINVAL,
		       "clip.raw: rows of 9 bytes were asked for (row-bytes), and 5 pixels of R10_CSI2P take 10");
	config.row_bytes = 0;
	config.frame_bytes = 29;
	expect_refusal(&config, -EINVAL,
		       "clip.raw: frames of 29 bytes were asked for (frame-bytes), and 3 rows of 10 bytes take 30");
	config.frame_bytes = 31;
	expect_refusal(&config, -ENODATA, "clip.raw: holds 30 bytes, and one frame of 5x3 pixels takes 31");
	config.frame_bytes = 0;
	config.settings.width = 0;
	expect_refusal(&config, -EINVAL,
		       "clip.raw: raw frames do not say what they are: give --size and --pixel-format");
	config.settings.width = 5;
	config.settings.height = 0;
	expect_refusal(&config, -EINVAL, "give --size and --pixel-format");
	config.settings.height = 3;
	config.settings.layout.name = NULL;
	expect_refusal(&config, -EINVAL, "give --size and --pixel-format");
	config = config_of(5, 3, "R8");
	config.path = directory;
	expect_refusal(&config, -EISDIR, ": is a directory; name a file of frames");
	config.path = NULL;
	expect_refusal(&config, -EINVAL, "raw needs a file of frames, a FIFO or -: --source raw:FILE");
}

static void test_pool_limit(void **state)
{
	struct source_config config = config_of(16, 2048, "R8");

	(void)state;
	config.path = "/dev/null";
	config.buffer_count = 1;
	config.row_bytes = (1 << 20) - 32; /* 1 MiB from row to row */
	source_destroy(open_source(&config));
	config.row_bytes++;
	expect_refusal(&config, -EFBIG, "take 2147614720 bytes and at most 2147483648 are allowed");
	config.row_bytes = UINT32_MAX; /* overflows nothing */
	expect_refusal(&config, -EFBIG, "take 8796093153280 bytes and at most 2147483648 are allowed");
}

/* Not even one frame. */
static void test_empty(void **state)
{
	struct source_config config = config_of(4, 4, "R8");
	struct source *source;

	(void)state;
	save_frames(1, 0, 0, 0);
	expect_refusal(&config, -ENODATA, "clip.raw: holds 0 bytes, and one frame of 4x4 pixels takes 16");
	config.path = "/dev/null";
	source = start(&config);
	expect_format(source, 4, 4);
	expect_event(source, SOURCE_ENDED);
	source_destroy(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format), cmocka_unit_test(test_planar),  cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_loop),         cmocka_unit_test(test_writers), cmocka_unit_test(test_rates),
		cmocka_unit_test(test_range),        cmocka_unit_test(test_refused), cmocka_unit_test(test_pool_limit),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests_name("source_raw", tests, make_directory, remove_directory);
}
