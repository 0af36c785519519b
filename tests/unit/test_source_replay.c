/* SPDX-License-Identifier: BSD-2-Clause */
/* test_source_replay.c - the replay source on regular files: every pixel, every way a file can be wrong, loops, rates.
 */
#include <sys/stat.h>

#include "source_probe.h"

static char directory[] = "/tmp/lumaring-replay-XXXXXX";
static char path[sizeof(directory) + 16];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/clip.y4m", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

/* Write the first `count` bytes to the clip and free them all. */
static void save_part(struct bytes *bytes, size_t count)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes->data, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static void save(struct bytes *bytes)
{
	save_part(bytes, bytes->count);
	free(bytes->data);
	*bytes = (struct bytes){ 0 };
}

static void save_text(const char *text)
{
	struct bytes bytes = { 0 };

	bytes_text(&bytes, text);
	save(&bytes);
}

static struct source_config unpaced(void)
{
	return (struct source_config){ .name = "replay", .path = path, .unpaced = true };
}

static struct source *start(const struct source_config *config)
{
	struct source *source = open_source(config);

	assert_false(source_is_live(source));
	assert_int_equal(source_start(source), 0);
	return source;
}

static void check_clip(uint32_t width, uint32_t height, const char *colour, enum pixels pixels, unsigned buffers)
{
	struct source_config config = unpaced();
	struct bytes bytes = { 0 };
	struct source *source;

	config.buffer_count = buffers;
	clip(&bytes, 7, 5, width, height, colour);
	save(&bytes);
	source = start(&config);
	expect_format_of(source, width, height, pixels);
	for (unsigned frame = 1; frame <= 5; frame++)
		expect_clip_frame(source, (uint32_t)pixels_row_bytes(pixels, width), height, 7, frame);
	expect_event(source, SOURCE_ENDED);
	expect_nothing(source);
	source_destroy(source);
}

static void test_every_pixel(void **state)
{
	static const struct {
		const char *name;
		enum pixels pixels;
	} colours[] = {
		{ "", PIXELS_R8 },         { "420", PIXELS_R8 },      { "420jpeg", PIXELS_R8 },
		{ "420mpeg2", PIXELS_R8 }, { "420paldv", PIXELS_R8 }, { "422", PIXELS_R8 },
		{ "444", PIXELS_R8 },      { "mono", PIXELS_R8 },     { "420p10", PIXELS_R10 },
		{ "422p10", PIXELS_R10 },  { "444p12", PIXELS_R12 },  { "mono10", PIXELS_R10 },
		{ "420p16", PIXELS_R16 },  { "mono12", PIXELS_R12 },  { "mono16", PIXELS_R16 },
	};
	static const uint32_t sizes[][2] = { { 1, 1 },   { 2, 1 },    { 1, 2 },    { 5, 3 },    { 32, 2 },
					     { 97, 33 }, { 3, 1000 }, { 1000, 3 }, { 320, 240 } };

	(void)state;
	for (size_t c = 0; c < COUNT(colours); c++) {
		for (size_t s = 0; s < COUNT(sizes); s++)
			check_clip(sizes[s][0], sizes[s][1], colours[c].name, colours[c].pixels, (unsigned)(c % 3));
	}
}

/* Concatenated clips: a format event where the format changes, no other, and the old buffers stay until released. */
static void concatenate(void)
{
	struct bytes bytes = { 0 };

	clip(&bytes, 1, 2, 64, 48, "420");
	clip(&bytes, 2, 1, 64, 48, "444");
	clip(&bytes, 3, 2, 31, 100, "mono");
	save(&bytes);
}

static void test_concatenated(void **state)
{
	struct source_config config = unpaced();
	struct source_event held[3];
	struct source *source;

	(void)state;
	concatenate();
	source = start(&config);
	expect_format(source, 64, 48);
	for (unsigned i = 0; i < 3; i++)
		held[i] = expect_event(source, SOURCE_FRAME);
	expect_format(source, 31, 100);
	expect_clip_frame(source, 31, 100, 3, 1);
	expect_clip_frame(source, 31, 100, 3, 2);
	expect_event(source, SOURCE_ENDED);
	check_pixels(&held[0].frame, 64, 48, 1, 1);
	check_pixels(&held[1].frame, 64, 48, 1, 2);
	check_pixels(&held[2].frame, 64, 48, 2, 1);
	source_destroy(source);
}

static void test_loop(void **state)
{
	struct source_config config = unpaced();
	struct source *source;

	(void)state;
	config.loop = true;
	config.buffer_count = 2;
	concatenate();
	source = start(&config);
	for (unsigned round = 0; round < 20; round++) {
		expect_format(source, 64, 48);
		expect_clip_frame(source, 64, 48, 1, 1);
		expect_clip_frame(source, 64, 48, 1, 2);
		expect_clip_frame(source, 64, 48, 2, 1);
		expect_format(source, 31, 100);
		expect_clip_frame(source, 31, 100, 3, 1);
		expect_clip_frame(source, 31, 100, 3, 2);
	}
	source_destroy(source);
}

static void test_loop_of_one_format(void **state)
{
	struct source_config config = unpaced();
	struct bytes bytes = { 0 };
	struct source *source;

	(void)state;
	config.loop = true;
	clip(&bytes, 1, 1, 8, 8, "444");
	save(&bytes);
	source = start(&config);
	expect_format(source, 8, 8);
	for (uint64_t number = 1; number < 100; number++) {
		struct source_event event = expect_event(source, SOURCE_FRAME);

		assert_int_equal(event.frame.camera_sequence, number);
		assert_int_equal(event.frame.lost[LUMARING_LOST_SENSOR], 0);
		check_pixels(&event.frame, 8, 8, 1, 1);
		source_release(source, event.frame.buffer);
	}
	source_destroy(source);
}

/* Cut the third frame after each of its bytes: two whole frames come, then the truth. */
static void test_cut_off(void **state)
{
	struct source_config config = unpaced();
	struct bytes bytes = { 0 };
	size_t two_frames;

	(void)state;
	clip(&bytes, 4, 2, 5, 3, "420");
	two_frames = bytes.count;
	clip_frame(&bytes, 4, 3, 5, 3, "420");
	for (size_t count = two_frames; count <= bytes.count; count++) {
		struct source *source;
		char text[160];

		save_part(&bytes, count);
		source = start(&config);
		expect_format(source, 5, 3);
		expect_clip_frame(source, 5, 3, 4, 1);
		expect_clip_frame(source, 5, 3, 4, 2);
		if (count == two_frames || count == bytes.count) {
			if (count == bytes.count)
				expect_clip_frame(source, 5, 3, 4, 3);
			expect_event(source, SOURCE_ENDED);
		} else {
			if (count < two_frames + 6)
				snprintf(text, sizeof(text),
					 "clip.y4m: frame 3, at byte %zu: the data end %zu bytes into the line of the "
					 "frame header",
					 two_frames, count - two_frames);
			else
				snprintf(text, sizeof(text),
					 "clip.y4m: frame 3, at byte %zu, is cut off: %zu of its 27 bytes are there",
					 two_frames, count - two_frames - 6);
			expect_failure(source, text);
			expect_nothing(source);
		}
		source_destroy(source);
	}
	free(bytes.data);
}

/* The same in frames far larger than what is read ahead, cut in the luma and in the colour. */
static void test_cut_off_large(void **state)
{
	static const size_t cuts[] = { 0, 1, 2047, 2048, 5000, 9999, 10000, 10001, 13000, 14999 };
	struct source_config config = unpaced();

	(void)state;
	for (size_t i = 0; i < COUNT(cuts); i++) {
		struct bytes bytes = { 0 };
		struct source *source;
		char text[160];
		size_t begin;

		clip(&bytes, 4, 2, 100, 100, "420");
		begin = bytes.count;
		clip_frame(&bytes, 4, 3, 100, 100, "420");
		save_part(&bytes, begin + 6 + cuts[i]);
		free(bytes.data);
		source = start(&config);
		expect_format(source, 100, 100);
		expect_clip_frame(source, 100, 100, 4, 1);
		expect_clip_frame(source, 100, 100, 4, 2);
		snprintf(text, sizeof(text), "frame 3, at byte %zu, is cut off: %zu of its 15000 bytes are there",
			 begin, cuts[i]);
		expect_failure(source, text);
		source_destroy(source);
	}
}

/* Headers without frames are no error, but nothing to repeat either. */
static void test_no_frames(void **state)
{
	struct source_config config = unpaced();
	struct source *source;

	(void)state;
	save_text("YUV4MPEG2 W1 H1 Cmono\nYUV4MPEG2 W1 H1 Cmono\n");
	source = start(&config);
	expect_format(source, 1, 1);
	expect_event(source, SOURCE_ENDED);
	source_destroy(source);
	config.loop = true;
	source = start(&config);
	expect_format(source, 1, 1);
	expect_failure(source, "clip.y4m: holds no frame to repeat");
	source_destroy(source);
}

static void test_endless_lines(void **state)
{
	struct source_config config = unpaced();
	char endless[3000];
	struct bytes bytes = { 0 };
	struct source *source;

	(void)state;
	memset(endless, 'X', sizeof(endless));
	bytes_text(&bytes, "YUV4MPEG2 W1 H1 ");
	bytes_add(&bytes, endless, sizeof(endless));
	save(&bytes);
	expect_refusal(&config, -EINVAL,
		       "clip.y4m: byte 0: the line of the stream header has no end within 1024 bytes");
	clip(&bytes, 1, 1, 4, 4, "420");
	bytes_text(&bytes, "FRAME ");
	bytes_add(&bytes, endless, sizeof(endless));
	save(&bytes);
	source = start(&config);
	expect_format(source, 4, 4);
	expect_clip_frame(source, 4, 4, 1, 1);
	expect_failure(source, "frame 2, at byte 51: the line of the frame header has no end within 1024 bytes");
	source_destroy(source);
}

static void test_rubbish_between_frames(void **state)
{
	struct source_config config = unpaced();
	struct bytes bytes = { 0 };
	struct source *source;

	(void)state;
	config.loop = true; /* does not make it any better */
	clip(&bytes, 4, 1, 4, 4, "mono");
	bytes_text(&bytes, "FRAMING\n");
	save(&bytes);
	source = start(&config);
	expect_format(source, 4, 4);
	expect_clip_frame(source, 4, 4, 4, 1);
	expect_failure(source, "clip.y4m: frame 2, at byte 44: found \"FRAMING\\x0a\" where \"FRAME\" begins a frame");
	source_destroy(source);

	clip(&bytes, 4, 1, 4, 4, "mono");
	clip_header(&bytes, 70000, 4, "");
	save(&bytes);
	source = start(&config);
	expect_format(source, 4, 4);
	expect_clip_frame(source, 4, 4, 4, 1);
	expect_failure(source, "clip.y4m: byte 54: the width \"70000\" is not in 1..65535");
	source_destroy(source);
}

static void test_refused_when_opened(void **state)
{
	struct source_config config = unpaced();

	(void)state;
	unlink(path);
	expect_refusal(&config, -ENOENT, "clip.y4m: cannot be opened: No such file or directory");
	save_text("");
	expect_refusal(&config, -ENODATA, "clip.y4m: byte 0: the data end 0 bytes into the line of the stream header");
	save_text("P5 640 480 255\n");
	expect_refusal(&config, -EINVAL, "clip.y4m: byte 0: found \"P5 640 480 255\\x0a\" where a Y4M stream has");
	save_text("YUV4MPEG2 W640 H480 C420p14\n");
	expect_refusal(&config, -EINVAL, "clip.y4m: byte 20: the colourspace \"420p14\" is none of 420, 422");
	save_text("YUV4MPEG2 W4 H4 Cmono10\nFRAME\n1234567890123456789012345678901");
	expect_refusal(&config, -ENODATA,
		       "clip.y4m: holds 61 bytes, and its header with one frame of 4x4 pixels takes 62");
	save_text("YUV4MPEG2 W4 H4 Cmono\nFRAME\n123456789012345");
	expect_refusal(&config, -ENODATA,
		       "clip.y4m: holds 43 bytes, and its header with one frame of 4x4 pixels takes 44");
	save_text("YUV4MPEG2 W65535 H65535\n");
	expect_refusal(&config, -EFBIG, "6 capture buffers for 65535x65535 pixels take 25794576000 bytes");
	save_text("YUV4MPEG2 W4 H4 Cmono\nFRAME\n1234567890123456");
	config.settings.width = 4;
	config.settings.height = 5;
	expect_refusal(&config, -EINVAL, "clip.y4m: byte 0: the footage has 4x4 pixels and 4x5 were asked for");
	config.settings.height = 0;
	source_destroy(open_source(&config));
	assert_true(pixels_find_layout("NV12", &config.settings.layout));
	expect_refusal(&config, -EINVAL, "clip.y4m: byte 0: the footage is R8 and NV12 was asked for");
	assert_true(pixels_find_layout("R8", &config.settings.layout));
	source_destroy(open_source(&config));
	config.path = directory;
	expect_refusal(&config, -EISDIR, ": is a directory; name a Y4M file");
	config.path = "/dev/null";
	config.loop = true;
	expect_refusal(&config, -EINVAL, "/dev/null: cannot be read again; --loop is for files and named pipes");
}

/* However long a path is, the sentence keeps its end and says what is wrong. */
static void test_long_path(void **state)
{
	struct source_config config = unpaced();
	char name[201], expected[320];

	(void)state;
	for (size_t length = 60; length < sizeof(name); length++) {
		memset(name, 'x', length);
		memcpy(name, "/tmp/", 5);
		memcpy(name + length - 8, "last.y4m", 9);
		config.path = name;
		snprintf(expected, sizeof(expected), "%s%s: cannot be opened: No such file or directory",
			 length < 72 ? "" : "...", length < 72 ? name : name + length - 68);
		expect_refusal(&config, -ENOENT, expected);
	}
}

static uint32_t duration_us(const char *more, uint64_t asked_ns, bool is_unpaced)
{
	struct source_config config = unpaced();
	struct bytes bytes = { 0 };
	struct source *source;
	struct source_event event;

	config.unpaced = is_unpaced;
	set_fixed_rate(&config.settings, asked_ns);
	clip_header(&bytes, 2, 1, more);
	bytes_text(&bytes, "FRAME\n1234");
	save(&bytes);
	source = open_source(&config);
	event = expect_event(source, SOURCE_FORMAT);
	source_destroy(source);
	return event.format.frame_duration_us;
}

static void test_rates(void **state)
{
	struct source_config config = unpaced();

	(void)state;
	assert_int_equal(duration_us(" F25:1", 0, false), 40000);
	assert_int_equal(duration_us(" F30000:1001", 0, false), 33367);
	assert_int_equal(duration_us(" F10000:1", 0, false), 100);
	assert_int_equal(duration_us(" F1:3600", 0, false), 3600000000);
	assert_int_equal(duration_us(" F4294967295:4294967295", 0, false), 1000000);
	assert_int_equal(duration_us(" F99502884:10000", 0, false), 101); /* 100,499.6 ns: rounded, then rounded */
	assert_int_equal(duration_us("", 0, false), 0);
	assert_int_equal(duration_us(" F0:0", 0, false), 0);
	assert_int_equal(duration_us("", 20000000, false), 20000);
	assert_int_equal(duration_us(" F25:1", 20000000, false), 20000);
	assert_int_equal(duration_us(" F1000000:1", 20000000, false), 20000);
	assert_int_equal(duration_us(" F25:1", 0, true), 0);
	assert_int_equal(duration_us(" F1000000:1", 0, true), 0);
	config.unpaced = false;
	save_text("YUV4MPEG2 W2 H1 F10001:1\nFRAME\n1234");
	expect_refusal(&config, -EINVAL,
		       "10001:1 frames a second; from one an hour to 10000 a second are possible, or "
		       "give --framerate");
	save_text("YUV4MPEG2 W2 H1 F1:3601\nFRAME\n1234");
	expect_refusal(&config, -EINVAL, "1:3601 frames a second");
	save_text("YUV4MPEG2 W2 H1 F1:4294967295\nFRAME\n1234");
	expect_refusal(&config, -EINVAL, "1:4294967295 frames a second");
	save_text("YUV4MPEG2 W2 H1 F4294967295:1\nFRAME\n1234");
	expect_refusal(&config, -EINVAL, "4294967295:1 frames a second");
}

static void test_range(void **state)
{
	struct source_config config = unpaced();
	struct source *source;

	(void)state;
	save_text("YUV4MPEG2 W2 H1 XCOLORRANGE=FULL\nFRAME\n1234YUV4MPEG2 W2 H1 XCOLORRANGE=LIMITED\nFRAME\n1234");
	source = start(&config);
	assert_int_equal(expect_event(source, SOURCE_FORMAT).format.luma_range, LUMARING_RANGE_FULL);
	expect_event(source, SOURCE_FRAME);
	assert_int_equal(expect_event(source, SOURCE_FORMAT).format.luma_range, LUMARING_RANGE_LIMITED);
	source_destroy(source);
}

/* Paced: no two frames are nearer than a period, however late the consumer was, and all come. */
static void test_paced(void **state)
{
	struct source_config config = { .name = "replay", .path = path, .buffer_count = 2 };
	uint64_t period_ns = 2000000, before_ns = 0;
	struct bytes bytes = { 0 };
	struct source *source;

	(void)state;
	clip_header(&bytes, 8, 8, " F500:1 Cmono");
	for (unsigned frame = 1; frame <= 40; frame++)
		clip_frame(&bytes, 1, frame, 8, 8, "mono");
	save(&bytes);
	source = start(&config);
	expect_format(source, 8, 8);
	for (unsigned frame = 1; frame <= 40; frame++) {
		struct source_event event = expect_event(source, SOURCE_FRAME);

		assert_int_equal(event.frame.camera_sequence, frame);
		assert_int_equal(event.frame.frame_duration_us, 2000);
		check_pixels(&event.frame, 8, 8, 1, frame);
		assert_true(event.frame.sensor_ns >= before_ns + period_ns);
		assert_true(event.frame.ready_ns >= event.frame.sensor_ns);
		before_ns = event.frame.sensor_ns;
		while (frame == 10 && clock_monotonic_ns() < before_ns + 10 * period_ns)
			usleep(1000); /* the source misses its times, since one buffer is kept */
		source_release(source, event.frame.buffer);
	}
	expect_event(source, SOURCE_ENDED);
	source_destroy(source);
}

/* The format is there when the file has been opened; frames begin with source_start() only. */
static void test_start(void **state)
{
	struct source_config config = unpaced();
	struct source_event event;
	struct bytes bytes = { 0 };
	struct source *source;

	(void)state;
	clip(&bytes, 1, 1, 8, 8, "420");
	save(&bytes);
	source = open_source(&config);
	assert_true(is_readable(source_fd(source)));
	assert_int_equal(source_fetch(source, &event), 0);
	assert_int_equal(event.kind, SOURCE_FORMAT);
	wait_asleep(source);
	expect_nothing(source);
	assert_int_equal(source_start(source), 0);
	expect_clip_frame(source, 8, 8, 1, 1);
	source_destroy(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pixel),
		cmocka_unit_test(test_concatenated),
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_loop_of_one_format),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_cut_off_large),
		cmocka_unit_test(test_no_frames),
		cmocka_unit_test(test_endless_lines),
		cmocka_unit_test(test_rubbish_between_frames),
		cmocka_unit_test(test_refused_when_opened),
		cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_paced),
		cmocka_unit_test(test_start),
	};

	return cmocka_run_group_tests_name("source_replay", tests, make_directory, remove_directory);
}
