/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli_picture.c - the frame rate as a fraction, and frames as Y4M, raw rows and PGM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../client-lib/cli/output.c"
#include "../../client-lib/cli/picture.c"

static const struct {
	uint32_t duration_us, numerator, denominator;
} rates[] = {
	{ 0, 30, 1 },           /* unknown */
	{ 33333, 30, 1 },       /* 30 Hz */
	{ 33334, 30, 1 },       /* rounded up */
	{ 16666, 60, 1 },       /* 60 Hz, cut */
	{ 16667, 60, 1 },       /* 60 Hz, rounded */
	{ 17857, 56, 1 },       /* 56 Hz */
	{ 40000, 25, 1 },       /* PAL */
	{ 33367, 30000, 1001 }, /* NTSC */
	{ 16683, 60000, 1001 }, /* its double */
	{ 41708, 24000, 1001 }, /* film on NTSC */
	{ 80000, 25, 2 },       /* 12.5 Hz */
	{ 33523, 1000000, 33523 },
	{ 2000000, 1, 2 },
	{ 1500000, 2, 3 },
	{ 2000, 500, 1 },
	{ 100, 10000, 1 },
	{ 1, 1000000, 1 },
	{ UINT32_MAX, 200000, 858993459 }, /* 1000000 / 4294967295 */
};

static void test_rate(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint32_t numerator = 0, denominator = 0;

		picture_rate(rates[i].duration_us, &numerator, &denominator);
		if (numerator != rates[i].numerator || denominator != rates[i].denominator)
			fail_msg("%u us gives %u:%u, not %u:%u", rates[i].duration_us, numerator, denominator,
				 rates[i].numerator, rates[i].denominator);
	}
}

/* Whatever the duration, the rate is never off by a whole microsecond. */
static void test_rate_close(void **state)
{
	(void)state;
	for (uint32_t us = 1; us < 200000; us += us / 100 + 1) {
		uint32_t numerator, denominator;
		double made_us;

		picture_rate(us, &numerator, &denominator);
		made_us = 1e6 * denominator / numerator;
		assert_true(made_us > us - 1.0 && made_us < us + 1.0);
	}
}

static void test_y4m_header(void **state)
{
	struct lumaring_frame frame = { .width = 641, .height = 361, .fourcc = LUMARING_FORMAT_R8 };
	char text[PICTURE_HEADER_BYTES];

	(void)state;
	picture_y4m_header(text, &frame, LUMARING_RANGE_FULL, 40000, false);
	assert_string_equal(text, "YUV4MPEG2 W641 H361 F25:1 Ip A1:1 Cmono XCOLORRANGE=FULL\n");
	picture_y4m_header(text, &frame, LUMARING_RANGE_LIMITED, 0, true);
	assert_string_equal(text, "YUV4MPEG2 W641 H361 F30:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n");
	picture_y4m_header(text, &frame, LUMARING_RANGE_UNKNOWN, 0, true);
	assert_string_equal(text, "YUV4MPEG2 W641 H361 F30:1 Ip A1:1 C420jpeg\n");
	frame.fourcc = LUMARING_FORMAT_R16;
	picture_y4m_header(text, &frame, LUMARING_RANGE_UNKNOWN, 0, false);
	assert_string_equal(text, "YUV4MPEG2 W641 H361 F30:1 Ip A1:1 Cmono16\n");
	frame.width = frame.height = 65535;
	picture_y4m_header(text, &frame, LUMARING_RANGE_LIMITED, UINT32_MAX, true);
	assert_string_equal(text, "YUV4MPEG2 W65535 H65535 F200000:858993459 Ip A1:1 C420p16 XYSCSS=420P16 "
				  "XCOLORRANGE=LIMITED\n");
}

/* What a function wrote, read back. */
struct written {
	struct output output;
	uint8_t *data;
	size_t bytes;
};

static void begin(struct written *written)
{
	int fd = memfd_create("picture", MFD_CLOEXEC);

	assert_true(fd >= 0);
	output_init(&written->output, fd);
	written->data = NULL;
}

static void end(struct written *written)
{
	written->bytes = (size_t)lseek(written->output.fd, 0, SEEK_END);
	written->data = malloc(written->bytes + 1);
	assert_non_null(written->data);
	assert_int_equal(pread(written->output.fd, written->data, written->bytes, 0), written->bytes);
	close(written->output.fd);
}

/* 5x3 samples with rows of 16 bytes; what lies behind the samples must not get out. */
static uint8_t rows8[3 * 16], rows16[3 * 16];

static struct lumaring_frame frame8(void)
{
	memset(rows8, 0xee, sizeof(rows8));
	for (unsigned i = 0; i < 15; i++)
		rows8[i / 5 * 16 + i % 5] = (uint8_t)(i + 1);
	return (struct lumaring_frame){
		.pixels = rows8, .width = 5, .height = 3, .stride = 16, .fourcc = LUMARING_FORMAT_R8
	};
}

static struct lumaring_frame frame16(void)
{
	memset(rows16, 0xee, sizeof(rows16));
	for (unsigned i = 0; i < 15; i++) {
		rows16[i / 5 * 16 + i % 5 * 2] = (uint8_t)(i + 1);
		rows16[i / 5 * 16 + i % 5 * 2 + 1] = (uint8_t)(0x80 + i);
	}
	return (struct lumaring_frame){
		.pixels = rows16, .width = 5, .height = 3, .stride = 16, .fourcc = LUMARING_FORMAT_R16
	};
}

static void test_rows(void **state)
{
	struct lumaring_frame frame = frame8();
	struct written written;

	(void)state;
	begin(&written);
	assert_int_equal(picture_put_rows(&written.output, &frame), 0);
	assert_int_equal(output_flush(&written.output), 0);
	end(&written);
	assert_int_equal(written.bytes, 15);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(written.data[i], i + 1);
	free(written.data);
}

/* More rows than fit one writev(2). */
static void test_rows_many(void **state)
{
	enum { HEIGHT = 3 * OUTPUT_PIECES + 7, STRIDE = 8, WIDTH = 3 };
	uint8_t *pixels = malloc((size_t)HEIGHT * STRIDE);
	struct lumaring_frame frame = {
		.pixels = pixels, .width = WIDTH, .height = HEIGHT, .stride = STRIDE, .fourcc = LUMARING_FORMAT_R8
	};
	struct written written;

	(void)state;
	assert_non_null(pixels);
	for (size_t i = 0; i < (size_t)HEIGHT * STRIDE; i++)
		pixels[i] = (uint8_t)(i % STRIDE < WIDTH ? i / STRIDE * 3 + i % STRIDE : 0xee);
	begin(&written);
	assert_int_equal(picture_put_rows(&written.output, &frame), 0);
	assert_int_equal(output_flush(&written.output), 0);
	end(&written);
	assert_int_equal(written.bytes, HEIGHT * WIDTH);
	for (size_t i = 0; i < written.bytes; i++)
		assert_int_equal(written.data[i], (uint8_t)i);
	free(written.data);
	free(pixels);
}

static void test_pgm8(void **state)
{
	static const char header[] = "P5\n5 3\n255\n";
	struct lumaring_frame frame = frame8();
	struct written written;

	(void)state;
	begin(&written);
	assert_int_equal(picture_write_pgm(&written.output, &frame), 0);
	end(&written);
	assert_int_equal(written.bytes, sizeof(header) - 1 + 15);
	assert_memory_equal(written.data, header, sizeof(header) - 1);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(written.data[sizeof(header) - 1 + i], i + 1);
	free(written.data);
}

static void test_pgm16(void **state)
{
	static const char header[] = "P5\n5 3\n65535\n";
	struct lumaring_frame frame = frame16();
	struct written written;

	(void)state;
	begin(&written);
	assert_int_equal(picture_write_pgm(&written.output, &frame), 0);
	end(&written);
	assert_int_equal(written.bytes, sizeof(header) - 1 + 30);
	assert_memory_equal(written.data, header, sizeof(header) - 1);
	for (unsigned i = 0; i < 15; i++) {
		assert_int_equal(written.data[sizeof(header) - 1 + 2 * i], 0x80 + i);
		assert_int_equal(written.data[sizeof(header) - 1 + 2 * i + 1], i + 1);
	}
	free(written.data);
}

/* Rows wider than the block in which samples are swapped. */
static void test_pgm16_wide(void **state)
{
	enum { WIDTH = BLOCK_BYTES + 3, HEADER = sizeof("P5\n4099 2\n65535\n") - 1 };
	uint16_t *pixels = malloc(WIDTH * 2 * sizeof(*pixels));
	struct lumaring_frame frame = { .pixels = (const uint8_t *)pixels,
					.width = WIDTH,
					.height = 2,
					.stride = WIDTH * 2,
					.fourcc = LUMARING_FORMAT_R16 };
	struct written written;

	(void)state;
	assert_non_null(pixels);
	for (unsigned i = 0; i < WIDTH * 2; i++)
		pixels[i] = (uint16_t)(i * 257 + 13);
	begin(&written);
	assert_int_equal(picture_write_pgm(&written.output, &frame), 0);
	end(&written);
	assert_int_equal(written.bytes, HEADER + WIDTH * 4);
	for (unsigned i = 0; i < WIDTH * 2; i++)
		assert_int_equal(written.data[HEADER + 2 * i] << 8 | written.data[HEADER + 2 * i + 1], pixels[i]);
	free(written.data);
	free(pixels);
}

static void test_chroma(void **state)
{
	struct lumaring_frame frame = frame8();
	struct written written;

	(void)state;
	begin(&written);
	assert_int_equal(picture_write_chroma(&written.output, &frame), 0);
	end(&written);
	assert_int_equal(written.bytes, 2 * 3 * 2);
	for (size_t i = 0; i < written.bytes; i++)
		assert_int_equal(written.data[i], 128);
	free(written.data);

	frame = frame16();
	frame.width = 3001; /* more than a block */
	frame.height = 5;
	begin(&written);
	assert_int_equal(picture_write_chroma(&written.output, &frame), 0);
	end(&written);
	assert_int_equal(written.bytes, 2 * 2 * 1501 * 3);
	for (size_t i = 0; i < written.bytes; i++)
		assert_int_equal(written.data[i], i % 2 ? 0x80 : 0);
	free(written.data);
}

static void test_unknown_format(void **state)
{
	(void)state;
	assert_int_equal(picture_sample_bytes(LUMARING_FORMAT_R8), 1);
	assert_int_equal(picture_sample_bytes(LUMARING_FORMAT_R16), 2);
	assert_int_equal(picture_sample_bytes(LUMARING_FOURCC('N', 'V', '1', '2')), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),       cmocka_unit_test(test_rate_close),
		cmocka_unit_test(test_y4m_header), cmocka_unit_test(test_rows),
		cmocka_unit_test(test_rows_many),  cmocka_unit_test(test_pgm8),
		cmocka_unit_test(test_pgm16),      cmocka_unit_test(test_pgm16_wide),
		cmocka_unit_test(test_chroma),     cmocka_unit_test(test_unknown_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
