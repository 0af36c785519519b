/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_png.c - frames as PNG, read back by a decoder of our own: chunks, checksums, filters, samples, text; and
 * what happens at each byte that does not get out and each piece of memory that is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include <lumaring/layout.h>

/* libpng gets its memory from here: counted, and at an end where the test wants it. */
struct png_struct_def;
static unsigned blocks_used, blocks_left = UINT32_MAX;

static void *take_block(struct png_struct_def *png, size_t bytes)
{
	(void)png;
	if (blocks_left == 0)
		return NULL;
	blocks_left--;
	blocks_used++;
	return malloc(bytes);
}

static void give_block(struct png_struct_def *png, void *block)
{
	(void)png;
	blocks_used -= block != NULL;
	free(block);
}

#define png_create_write_struct(version, data, on_error, on_warning)                                                   \
	png_create_write_struct_2(version, data, on_error, on_warning, NULL, take_block, give_block)

#include "../../client-lib/cli/output.c"
#include "../../client-lib/cli/picture.c"
#include "../../client-lib/cli/picture_png.c"

#define TEXTS_MAX 8u

/* --- a decoder ---------------------------------------------------------------------------------------------------- */

struct decoded {
	uint32_t width, height;
	unsigned sample_bytes, text_count;
	char texts[TEXTS_MAX][128]; /* "keyword=value" */
	uint8_t *packed;            /* all IDAT */
	size_t packed_bytes;
	uint8_t *samples; /* without filter bytes, big endian */
	bool ended;
};

static uint32_t big32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void take_header(struct decoded *d, const uint8_t *data, uint32_t bytes)
{
	assert_int_equal(bytes, 13);
	d->width = big32(data);
	d->height = big32(data + 4);
	assert_true(data[8] == 8 || data[8] == 16);
	d->sample_bytes = data[8] / 8;
	assert_memory_equal(data + 9, "\0\0\0\0", 4); /* grey, deflate, the five filters, not interlaced */
}

static void take_text(struct decoded *d, const uint8_t *data, uint32_t bytes)
{
	size_t keyword = strnlen((const char *)data, bytes);

	assert_true(keyword < bytes && bytes < sizeof(d->texts[0]) && d->text_count < TEXTS_MAX);
	snprintf(d->texts[d->text_count++], sizeof(d->texts[0]), "%s=%.*s", (const char *)data,
		 (int)(bytes - keyword - 1), (const char *)data + keyword + 1);
}

static void take_chunk(struct decoded *d, const char *type, const uint8_t *data, uint32_t bytes)
{
	assert_false(d->ended);
	if (memcmp(type, "IHDR", 4) == 0) {
		take_header(d, data, bytes);
	} else if (memcmp(type, "tEXt", 4) == 0) {
		take_text(d, data, bytes);
	} else if (memcmp(type, "IDAT", 4) == 0) {
		memcpy(d->packed + d->packed_bytes, data, bytes);
		d->packed_bytes += bytes;
	} else {
		assert_memory_equal(type, "IEND", 4);
		assert_int_equal(bytes, 0);
		d->ended = true;
	}
}

static int paeth(int left, int above, int corner)
{
	int to_left = abs(above - corner), to_above = abs(left - corner), to_corner = abs(left + above - 2 * corner);

	if (to_left <= to_above && to_left <= to_corner)
		return left;
	return to_above <= to_corner ? above : corner;
}

static void unfilter_row(uint8_t *row, const uint8_t *above, size_t bytes, unsigned filter, unsigned step)
{
	for (size_t i = 0; i < bytes; i++) {
		int a = i >= step ? row[i - step] : 0, b = above ? above[i] : 0;
		int c = above && i >= step ? above[i - step] : 0;
		int guesses[] = { 0, a, b, (a + b) / 2, paeth(a, b, c) };

		assert_true(filter < 5);
		row[i] = (uint8_t)(row[i] + guesses[filter]);
	}
}

static void unpack(struct decoded *d)
{
	size_t row_bytes = (size_t)d->width * d->sample_bytes;
	uLongf raw_bytes = (row_bytes + 1) * d->height;
	uint8_t *raw = malloc(raw_bytes);

	d->samples = malloc(row_bytes * d->height);
	assert_true(raw && d->samples);
	assert_int_equal(uncompress(raw, &raw_bytes, d->packed, d->packed_bytes), Z_OK);
	assert_int_equal(raw_bytes, (row_bytes + 1) * d->height);
	for (uint32_t y = 0; y < d->height; y++) {
		uint8_t *row = d->samples + y * row_bytes;

		memcpy(row, raw + y * (row_bytes + 1) + 1, row_bytes);
		unfilter_row(row, y ? row - row_bytes : NULL, row_bytes, raw[y * (row_bytes + 1)], d->sample_bytes);
	}
	free(raw);
}

static struct decoded decode(const uint8_t *data, size_t bytes)
{
	struct decoded d = { .packed = malloc(bytes) };
	size_t at = 8;

	assert_true(bytes > 8 && d.packed);
	assert_memory_equal(data, "\x89PNG\r\n\x1a\n", 8);
	while (at < bytes) {
		uint32_t length = big32(data + at);

		assert_true(at + 12 + length <= bytes);
		assert_int_equal(crc32(0, data + at + 4, length + 4), big32(data + at + 8 + length));
		take_chunk(&d, (const char *)data + at + 4, data + at + 8, length);
		at += 12 + length;
	}
	assert_true(d.ended);
	unpack(&d);
	return d;
}

static void forget(struct decoded *d)
{
	free(d->packed);
	free(d->samples);
}

/* --- pictures ----------------------------------------------------------------------------------------------------- */

static struct decoded write_and_decode(const struct lumaring_frame *frame)
{
	int fd = memfd_create("picture", MFD_CLOEXEC);
	struct output output;
	struct decoded d;
	uint8_t *data;
	off_t bytes;

	assert_true(fd >= 0);
	output_init(&output, fd);
	assert_int_equal(picture_write_png(&output, frame), 0);
	assert_int_equal(blocks_used, 0);
	bytes = lseek(fd, 0, SEEK_END);
	data = malloc((size_t)bytes);
	assert_non_null(data);
	assert_int_equal(pread(fd, data, (size_t)bytes, 0), bytes);
	close(fd);
	d = decode(data, (size_t)bytes);
	free(data);
	return d;
}

/* What lies behind the samples of a row is 0xee, and must not get out. */
static struct lumaring_frame make_frame(uint32_t width, uint32_t height, unsigned sample_bytes, uint32_t stride)
{
	uint8_t *pixels = malloc((size_t)stride * height);

	assert_non_null(pixels);
	memset(pixels, 0xee, (size_t)stride * height);
	for (uint32_t y = 0; y < height; y++)
		for (uint32_t i = 0; i < width * sample_bytes; i++)
			pixels[(size_t)y * stride + i] = (uint8_t)(y * 31 + i * 7 + (i * i >> 5));
	return (struct lumaring_frame){
		.pixels = pixels,
		.width = width,
		.height = height,
		.stride = stride,
		.fourcc = sample_bytes == 2 ? LUMARING_FORMAT_R16 : LUMARING_FORMAT_R8,
		.region = { 0, 0, width, height },
	};
}

static void free_frame(const struct lumaring_frame *frame)
{
	free((void *)(uintptr_t)frame->pixels);
}

static void check_shape(uint32_t width, uint32_t height, unsigned sample_bytes, uint32_t padding)
{
	struct lumaring_frame frame = make_frame(width, height, sample_bytes, width * sample_bytes + padding);
	struct decoded d = write_and_decode(&frame);

	assert_int_equal(d.width, width);
	assert_int_equal(d.height, height);
	assert_int_equal(d.sample_bytes, sample_bytes);
	for (uint32_t y = 0; y < height; y++)
		for (uint32_t i = 0; i < width * sample_bytes; i++) {
			size_t here = ((size_t)y * width * sample_bytes + i) ^ (sample_bytes - 1); /* big endian */

			if (d.samples[here] != frame.pixels[(size_t)y * frame.stride + i])
				fail_msg("%ux%u, %u bytes: byte %u of row %u differs", width, height, sample_bytes, i,
					 y);
		}
	forget(&d);
	free_frame(&frame);
}

static void test_shapes(void **state)
{
	(void)state;
	for (unsigned sample_bytes = 1; sample_bytes <= 2; sample_bytes++) {
		check_shape(1, 1, sample_bytes, 0);
		check_shape(1, 1, sample_bytes, 63);
		check_shape(3, 5, sample_bytes, 0);
		check_shape(3, 5, sample_bytes, 58);
		check_shape(64, 2, sample_bytes, 64);
		check_shape(641, 361, sample_bytes, 1); /* several IDAT */
		check_shape(65535, 2, sample_bytes, 0);
		check_shape(1, 65535, sample_bytes, 3);
	}
}

static void check_texts(const struct lumaring_frame *frame, const char *const *expected, unsigned count)
{
	struct decoded d = write_and_decode(frame);

	assert_int_equal(d.text_count, count);
	for (unsigned i = 0; i < count; i++)
		assert_string_equal(d.texts[i], expected[i]);
	forget(&d);
}

static void test_texts(void **state)
{
	static const char *const all[] = {
		("Software=lumaring " LUMARING_BUILD_VERSION),
		"sequence=18446744073709551615",
		"epoch=18446744073709551614",
		"region=65535,65534,65533,65532",
		"sensor_ns=18446744073709551613",
		"exposure_us=4294967295",
	};
	struct lumaring_frame frame = make_frame(3, 5, 1, 64);

	(void)state;
	frame.sequence = UINT64_MAX;
	frame.epoch = UINT64_MAX - 1;
	frame.sensor_ns = UINT64_MAX - 2;
	frame.exposure_us = UINT32_MAX;
	frame.region = (struct lumaring_region){ 65535, 65534, 65533, 65532 };
	check_texts(&frame, all, 6);
	frame.exposure_us = 0; /* unknown: not told */
	check_texts(&frame, all, 5);
	frame.sensor_ns = 0;
	check_texts(&frame, all, 4);
	{
		const char *binned[] = { all[0], all[1], all[2], all[3], "bin=2" };

		frame.bin = 2;
		check_texts(&frame, binned, 5);
	}
	free_frame(&frame);
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

static int write_within(const struct lumaring_frame *frame, rlim_t limit_bytes)
{
	struct rlimit before, limit;
	struct output output;
	int fd = memfd_create("picture", MFD_CLOEXEC), r;

	assert_true(fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){ limit_bytes, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	output_init(&output, fd);
	r = picture_write_png(&output, frame);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	close(fd);
	return r;
}

/* The file may not grow beyond any length that is less than the picture's. */
static void test_each_length(void **state)
{
	struct lumaring_frame frame = make_frame(40, 30, 1, 64);
	rlim_t bytes = 0;
	int r;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	while ((r = write_within(&frame, bytes)) == -EFBIG) {
		assert_int_equal(blocks_used, 0);
		bytes++;
	}
	assert_int_equal(r, 0);
	assert_true(bytes > 200 && bytes < 40 * 30 + 500);
	free_frame(&frame);
}

/* Any piece of memory is refused. */
static void test_each_block(void **state)
{
	struct lumaring_frame frame = make_frame(40, 30, 2, 128);
	unsigned blocks = 0;
	int r = -ENOMEM;

	(void)state;
	for (; r == -ENOMEM; blocks++) {
		blocks_left = blocks;
		r = write_within(&frame, RLIM_INFINITY);
		assert_int_equal(blocks_used, 0);
	}
	blocks_left = UINT32_MAX;
	assert_int_equal(r, 0);
	assert_true(blocks > 8);
	free_frame(&frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_each_length),
		cmocka_unit_test(test_each_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
