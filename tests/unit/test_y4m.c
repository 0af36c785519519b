/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_y4m.c - daemon/source/y4m: what is accepted, what is refused and with which words, and 200,000 headers that a
 * seeded generator spoilt. Every line lies at the end of memory of its own size, so that a read beyond it is found
 * by the address sanitizer.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "source/y4m.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int parse_bytes(const char *line, size_t bytes, struct y4m_header *ret_header, char *text, size_t text_bytes)
{
	char *copy = malloc(bytes ? bytes : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, line, bytes);
	rc = y4m_parse_header(copy, bytes, 1000, ret_header, text, text_bytes);
	free(copy);
	return rc;
}

static void test_accepts(void **state)
{
	static const struct {
		const char *line;
		struct y4m_header header;
		uint64_t chroma_bytes;
	} rows[] = {
		{ "YUV4MPEG2 W5 H3 C420p10 XYSCSS=420P10\n", { 5, 3, 0, 0, PIXELS_CHROMA_420, 0, PIXELS_R10 }, 24 },
		{ "YUV4MPEG2 W5 H3 C422p10\n", { 5, 3, 0, 0, PIXELS_CHROMA_422, 0, PIXELS_R10 }, 36 },
		{ "YUV4MPEG2 W5 H3 C444p10\n", { 5, 3, 0, 0, PIXELS_CHROMA_444, 0, PIXELS_R10 }, 60 },
		{ "YUV4MPEG2 W5 H3 Cmono10\n", { 5, 3, 0, 0, PIXELS_CHROMA_NONE, 0, PIXELS_R10 }, 0 },
		{ "YUV4MPEG2 W5 H3 C420p12\n", { 5, 3, 0, 0, PIXELS_CHROMA_420, 0, PIXELS_R12 }, 24 },
		{ "YUV4MPEG2 W5 H3 C422p12\n", { 5, 3, 0, 0, PIXELS_CHROMA_422, 0, PIXELS_R12 }, 36 },
		{ "YUV4MPEG2 W5 H3 C444p12\n", { 5, 3, 0, 0, PIXELS_CHROMA_444, 0, PIXELS_R12 }, 60 },
		{ "YUV4MPEG2 W5 H3 Cmono12\n", { 5, 3, 0, 0, PIXELS_CHROMA_NONE, 0, PIXELS_R12 }, 0 },
		{ "YUV4MPEG2 W5 H3 C420p16\n", { 5, 3, 0, 0, PIXELS_CHROMA_420, 0, PIXELS_R16 }, 24 },
		{ "YUV4MPEG2 W5 H3 C422p16\n", { 5, 3, 0, 0, PIXELS_CHROMA_422, 0, PIXELS_R16 }, 36 },
		{ "YUV4MPEG2 W5 H3 C444p16\n", { 5, 3, 0, 0, PIXELS_CHROMA_444, 0, PIXELS_R16 }, 60 },
		{ "YUV4MPEG2 W5 H3 Cmono16\n", { 5, 3, 0, 0, PIXELS_CHROMA_NONE, 0, PIXELS_R16 }, 0 },
		{ "YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg\n",
		  { 640, 480, 30, 1, PIXELS_CHROMA_420, 0, PIXELS_R8 },
		  153600 },
		{ "YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED\n",
		  { 640, 480, 30, 1, PIXELS_CHROMA_420, LUMARING_RANGE_LIMITED, PIXELS_R8 },
		  153600 },
		{ "YUV4MPEG2 C420paldv F25:1 H2 W4\n", { 4, 2, 25, 1, PIXELS_CHROMA_420, 0, PIXELS_R8 }, 4 },
		{ "YUV4MPEG2 W4 H2 C420\n", { 4, 2, 0, 0, PIXELS_CHROMA_420, 0, PIXELS_R8 }, 4 },
		{ "YUV4MPEG2 W5 H3\n", { 5, 3, 0, 0, PIXELS_CHROMA_420, 0, PIXELS_R8 }, 12 },
		{ "YUV4MPEG2 W5 H3 F0:0 C422\n", { 5, 3, 0, 0, PIXELS_CHROMA_422, 0, PIXELS_R8 }, 18 },
		{ "YUV4MPEG2 W5 H3 F30000:1001 I? C444 XCOLORRANGE=FULL\n",
		  { 5, 3, 30000, 1001, PIXELS_CHROMA_444, LUMARING_RANGE_FULL, PIXELS_R8 },
		  30 },
		{ "YUV4MPEG2 W5 H3 Cmono It A0:0\n", { 5, 3, 0, 0, PIXELS_CHROMA_NONE, 0, PIXELS_R8 }, 0 },
		{ "YUV4MPEG2  W1   H1 Ib A \n", { 1, 1, 0, 0, PIXELS_CHROMA_420, 0, PIXELS_R8 }, 2 },
		{ "YUV4MPEG2 W65535 H65535 Im C444 X X XFOO=BAR\n",
		  { 65535, 65535, 0, 0, PIXELS_CHROMA_444, 0, PIXELS_R8 },
		  UINT64_C(8589672450) },
		{ "YUV4MPEG2 W0640 H1 F4294967295:4294967295\n",
		  { 640, 1, UINT32_MAX, UINT32_MAX, PIXELS_CHROMA_420, 0, PIXELS_R8 },
		  640 },
		{ "YUV4MPEG2 W2 H2 XCOLORRANGE=WIDE\n",
		  { 2, 2, 0, 0, PIXELS_CHROMA_420, LUMARING_RANGE_UNKNOWN, PIXELS_R8 },
		  2 },
		{ "YUV4MPEG2 W2 H2 XCOLORRANGE=FULLER\n",
		  { 2, 2, 0, 0, PIXELS_CHROMA_420, LUMARING_RANGE_UNKNOWN, PIXELS_R8 },
		  2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct y4m_header header;
		char text[256] = "";
		int rc = parse_bytes(rows[i].line, strlen(rows[i].line), &header, text, sizeof(text));

		if (rc)
			fail_msg("%s: %s", rows[i].line, text);
		assert_int_equal(header.width, rows[i].header.width);
		assert_int_equal(header.height, rows[i].header.height);
		assert_int_equal(header.rate_numerator, rows[i].header.rate_numerator);
		assert_int_equal(header.rate_denominator, rows[i].header.rate_denominator);
		assert_int_equal(header.chroma, rows[i].header.chroma);
		assert_int_equal(header.luma_range, rows[i].header.luma_range);
		assert_int_equal(header.pixels, rows[i].header.pixels);
		assert_int_equal(pixels_chroma_bytes(header.chroma, header.width, header.height,
						     pixels_facts(header.pixels)->group_bytes),
				 rows[i].chroma_bytes);
	}
}

static void test_refuses(void **state)
{
	static const char accepted[] =
		"is none of 420, 422, 444, their p10, p12 and p16, mono, mono10, mono12, mono16, "
		"420jpeg, 420mpeg2 and 420paldv; ffmpeg -pix_fmt yuv420p converts it";
	static const struct {
		const char *line;
		const char *text;
		const char *more; /* another part of the sentence */
	} rows[] = {
		{ "RIFF\x01\x02 what else\n", "byte 1000: found \"RIFF\\x01\\x02 what else\"... where a Y4M stream has",
		  "ffmpeg -i INPUT -f yuv4mpegpipe OUTPUT" },
		{ "\n", "byte 1000: found \"\\x0a\" where", NULL },
		{ "yuv4mpeg2 W1 H1\n", "byte 1000: found \"yuv4mpeg2 W1 H1\\x0a\" where", NULL },
		{ "YUV4MPEG W1 H1\n", "byte 1000: \"YUV4MPEG W1 H1\\x0a\" is another version",
		  "only YUV4MPEG2 is read" },
		{ "YUV4MPEG3 W1 H1\n", "byte 1000: \"YUV4MPEG3 W1 H1\\x0a\" is another version", NULL },
		{ "YUV4MPEG22 W1 H1\n", "is another version", NULL },
		{ "YUV4MPEG2\tW1 H1\n", "is another version", NULL },
		{ "YUV4MPEG2\n", "byte 1000: the stream header has no width (W)", NULL },
		{ "YUV4MPEG2 H4\n", "byte 1000: the stream header has no width (W)", NULL },
		{ "YUV4MPEG2 W4\n", "byte 1000: the stream header has no height (H)", NULL },
		{ "YUV4MPEG2 W0 H4\n", "byte 1010: the width \"0\" is not in 1..65535", NULL },
		{ "YUV4MPEG2 W H4\n", "byte 1010: the width \"\" is not in 1..65535", NULL },
		{ "YUV4MPEG2 W65536 H4\n", "byte 1010: the width \"65536\" is not in 1..65535", NULL },
		{ "YUV4MPEG2 W-4 H4\n", "byte 1010: the width \"-4\" is not in 1..65535", NULL },
		{ "YUV4MPEG2 W4x H4\n", "byte 1010: the width \"4x\" is not in 1..65535", NULL },
		{ "YUV4MPEG2 W18446744073709551620 H4\n", "the width \"1844674407370955\"... is not in", NULL },
		{ "YUV4MPEG2 W4 H0\n", "byte 1013: the height \"0\" is not in 1..65535", NULL },
		{ "YUV4MPEG2 W4 H65536\n", "byte 1013: the height \"65536\" is not in 1..65535", NULL },
		{ "YUV4MPEG2 W4 H4 W4\n", "byte 1016: the field W \"4\" is given twice", NULL },
		{ "YUV4MPEG2 W4 H4 H4\n", "the field H \"4\" is given twice", NULL },
		{ "YUV4MPEG2 F1:1 W4 H4 F1:1\n", "the field F \"1:1\" is given twice", NULL },
		{ "YUV4MPEG2 Ip W4 H4 Ip\n", "the field I \"p\" is given twice", NULL },
		{ "YUV4MPEG2 A1:1 W4 H4 A1:1\n", "the field A \"1:1\" is given twice", NULL },
		{ "YUV4MPEG2 C420 W4 H4 C420\n", "the field C \"420\" is given twice", NULL },
		{ "YUV4MPEG2 W4 H4 XCOLORRANGE=FULL XCOLORRANGE=LIMITED\n",
		  "the extension \"COLORRANGE=LIMIT\"... is given twice", NULL },
		{ "YUV4MPEG2 W4 H4 F30\n", "byte 1016: the frame rate \"30\" is not NUMERATOR:DENOMINATOR",
		  "0:0 for none" },
		{ "YUV4MPEG2 W4 H4 F30:\n", "the frame rate \"30:\" is not", NULL },
		{ "YUV4MPEG2 W4 H4 F:1\n", "the frame rate \":1\" is not", NULL },
		{ "YUV4MPEG2 W4 H4 F30:0\n", "the frame rate \"30:0\" is not", NULL },
		{ "YUV4MPEG2 W4 H4 F0:1\n", "the frame rate \"0:1\" is not", NULL },
		{ "YUV4MPEG2 W4 H4 F30:1:1\n", "the frame rate \"30:1:1\" is not", NULL },
		{ "YUV4MPEG2 W4 H4 F4294967296:1\n", "the frame rate \"4294967296:1\" is not", NULL },
		{ "YUV4MPEG2 W4 H4 F1:4294967296\n", "the frame rate \"1:4294967296\" is not", NULL },
		{ "YUV4MPEG2 W4 H4 F-30:1\n", "the frame rate \"-30:1\" is not", NULL },
		{ "YUV4MPEG2 W4 H4 Ix\n", "the interlacing \"x\" is none of p, t, b, m and ?", NULL },
		{ "YUV4MPEG2 W4 H4 I\n", "the interlacing \"\" is none of", NULL },
		{ "YUV4MPEG2 W4 H4 Ipp\n", "the interlacing \"pp\" is none of", NULL },
		{ "YUV4MPEG2 W4 H4 C411\n", "byte 1016: the colourspace \"411\" is none of", accepted },
		{ "YUV4MPEG2 W4 H4 C444alpha\n", "the colourspace \"444alpha\" is none of", accepted },
		{ "YUV4MPEG2 W4 H4 C420p9 XYSCSS=420P9\n", "the colourspace \"420p9\" is none of", accepted },
		{ "YUV4MPEG2 W4 H4 C422p14\n", "the colourspace \"422p14\" is none of", accepted },
		{ "YUV4MPEG2 W4 H4 C440p10\n", "the colourspace \"440p10\" is none of", accepted },
		{ "YUV4MPEG2 W4 H4 Cmono9\n", "the colourspace \"mono9\" is none of", accepted },
		{ "YUV4MPEG2 W4 H4 C\n", "the colourspace \"\" is none of", accepted },
		{ "YUV4MPEG2 W4 H4 Z1\n", "byte 1016: the field \"Z1\" begins with none of the letters", NULL },
		{ "YUV4MPEG2 W4 H4 Ip\r\n", "the interlacing \"p\\x0d\" is none of", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct y4m_header header = { .width = 77 };
		char text[256] = "";
		int rc = parse_bytes(rows[i].line, strlen(rows[i].line), &header, text, sizeof(text));

		assert_int_equal(rc, -EINVAL);
		assert_int_equal(header.width, 77);
		if (!strstr(text, rows[i].text) || (rows[i].more && !strstr(text, rows[i].more)))
			fail_msg("%s gave: %s", rows[i].line, text);
	}
}

static void expect(int rc, const char *text, int rc_expected, const char *text_expected)
{
	if (rc != rc_expected || strcmp(text, text_expected) != 0)
		fail_msg("%d \"%s\" instead of %d \"%s\"", rc, text, rc_expected, text_expected);
}

/* Every header that ends too early, down to nothing, is told from one that is wrong. */
static void test_cut_off(void **state)
{
	static const char line[] = "YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg";

	(void)state;
	for (size_t bytes = 0; bytes < sizeof(line); bytes++) {
		struct y4m_header header;
		char text[256] = "", expected[128];

		snprintf(expected, sizeof(expected),
			 "byte 1000: the data end %zu bytes into the line of the stream header", bytes);
		expect(parse_bytes(line, bytes, &header, text, sizeof(text)), text, -ENODATA, expected);
		assert_true(y4m_is_header(line, bytes) == (bytes > 0));
	}
	assert_false(y4m_is_header("FRAME\n", 6));
	assert_false(y4m_is_header("YUV\n", 4));
	assert_true(y4m_is_header("YUV4MPEG2 W1", 12));
	assert_true(y4m_is_header("YUV4MPEG", 8));
}

static void test_longest_line(void **state)
{
	char line[Y4M_LINE_MAX + 1], text[256] = "";
	struct y4m_header header;

	(void)state;
	memset(line, ' ', sizeof(line));
	memcpy(line, "YUV4MPEG2 W4 H4 X", 17);
	line[Y4M_LINE_MAX - 1] = '\n';
	assert_int_equal(parse_bytes(line, Y4M_LINE_MAX, &header, text, sizeof(text)), 0);
	line[Y4M_LINE_MAX - 1] = ' ';
	line[Y4M_LINE_MAX] = '\n';
	for (size_t bytes = Y4M_LINE_MAX; bytes <= sizeof(line); bytes++)
		expect(parse_bytes(line, bytes, &header, text, sizeof(text)), text, -EINVAL,
		       "byte 1000: the line of the stream header has no end within 1024 bytes");
	memcpy(line, "FRAME X", 7);
	memset(line + 7, 'x', sizeof(line) - 7);
	line[Y4M_LINE_MAX - 1] = '\n';
	assert_int_equal(y4m_parse_frame(line, Y4M_LINE_MAX, 7, text, sizeof(text)), 0);
	line[Y4M_LINE_MAX - 1] = 'x';
	expect(y4m_parse_frame(line, Y4M_LINE_MAX, 7, text, sizeof(text)), text, -EINVAL,
	       "byte 7: the line of the frame header has no end within 1024 bytes");
}

static void test_frame_lines(void **state)
{
	static const struct {
		const char *line;
		int rc;
		const char *text;
	} rows[] = {
		{ "FRAME\n", 0, "" },
		{ "FRAME Ippp Xwhat=ever\n", 0, "" },
		{ "FRAME \n", 0, "" },
		{ "FRAMES\n", -EINVAL, "byte 7: found \"FRAMES\\x0a\" where \"FRAME\" begins a frame" },
		{ "frame\n", -EINVAL, "byte 7: found \"frame\\x0a\" where \"FRAME\" begins a frame" },
		{ "\x10\x20\xff\n", -EINVAL, "byte 7: found \"\\x10 \\xff\\x0a\" where \"FRAME\" begins a frame" },
		{ "FRA\n", -EINVAL, "byte 7: found \"FRA\\x0a\" where \"FRAME\" begins a frame" },
		{ "FRA", -ENODATA, "byte 7: the data end 3 bytes into the line of the frame header" },
		{ "FRAME X", -ENODATA, "byte 7: the data end 7 bytes into the line of the frame header" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t bytes = strlen(rows[i].line);
		char *copy = malloc(bytes), text[128] = "";

		assert_non_null(copy);
		memcpy(copy, rows[i].line, bytes);
		expect(y4m_parse_frame(copy, bytes, 7, text, sizeof(text)), text, rows[i].rc, rows[i].text);
		free(copy);
	}
}

/* The longest sentence fits what callers give, and less room than that is kept to. */
static void test_sentence_fits(void **state)
{
	static const char line[] = "YUV4MPEG2 W4 H4 C\1\2\3\4\5\6\7\x08\x09\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\n";
	struct y4m_header header;
	char text[256], little[9];

	(void)state;
	assert_int_equal(y4m_parse_header(line, sizeof(line) - 1, UINT64_MAX - 16, &header, text, sizeof(text)),
			 -EINVAL);
	assert_non_null(strstr(text, "-pix_fmt yuv420p"));
	memset(little, 'x', sizeof(little));
	assert_int_equal(y4m_parse_header(line, sizeof(line) - 1, 0, &header, little, sizeof(little) - 1), -EINVAL);
	assert_string_equal(little, "byte 16");
	assert_int_equal(little[8], 'x');
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t spoil(char *line, size_t bytes, size_t bytes_max, uint64_t *seed)
{
	static const char parts[] = " \n:0123456789WHFIACXp?-\\\"\0\xff";

	for (uint64_t changes = 1 + random_next(seed) % 4; changes; changes--) {
		size_t at = random_next(seed) % (bytes + 1);
		char part = parts[random_next(seed) % (sizeof(parts) - 1)];

		switch (random_next(seed) % 4) {
		case 0: /* replace */
			if (at < bytes)
				line[at] = part;
			break;
		case 1: /* insert */
			if (bytes < bytes_max) {
				memmove(line + at + 1, line + at, bytes - at);
				line[at] = part;
				bytes++;
			}
			break;
		case 2: /* remove */
			if (at < bytes) {
				memmove(line + at, line + at + 1, bytes - at - 1);
				bytes--;
			}
			break;
		case 3: /* cut off, seldom */
			if (random_next(seed) % 8 == 0)
				bytes = at;
			break;
		}
	}
	return bytes;
}

/* Whatever comes in: an answer that is true to its contract, and a sentence of one printable line. */
static void test_spoilt_headers(void **state)
{
	static const char *lines[] = {
		"YUV4MPEG2 W640 H480 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL\n",
		"YUV4MPEG2 W1 H1\n",
		"FRAME Ip\n",
	};
	unsigned accepted = 0, refused = 0;
	char printable[0x7f - 0x20 + 1] = "";
	uint64_t seed = 20240607;

	(void)state;
	for (unsigned char byte = 0x20; byte < 0x7f; byte++)
		printable[byte - 0x20] = (char)byte;
	for (unsigned i = 0; i < 200000; i++) {
		const char *model = lines[random_next(&seed) % COUNT(lines)];
		struct y4m_header header = { .width = 70000 };
		char line[160], text[256] = "";
		size_t bytes = strlen(model);
		char *copy;
		int rc;

		memcpy(line, model, bytes);
		bytes = spoil(line, bytes, sizeof(line), &seed);
		rc = parse_bytes(line, bytes, &header, text, sizeof(text));
		if (rc == 0) {
			accepted++;
			assert_in_range(header.width, 1, 65535);
			assert_in_range(header.height, 1, 65535);
			assert_true(!header.rate_numerator == !header.rate_denominator);
			assert_int_equal(line[bytes - 1], '\n');
			continue;
		}
		refused++;
		assert_true(rc == -EINVAL || rc == -ENODATA);
		assert_int_equal(header.width, 70000);
		assert_in_range(strlen(text), 10, sizeof(text) - 1);
		assert_int_equal(strspn(text, printable), strlen(text));
		copy = malloc(bytes ? bytes : 1);
		assert_non_null(copy);
		memcpy(copy, line, bytes);
		rc = y4m_parse_frame(copy, bytes, 0, text, sizeof(text));
		assert_true(rc == 0 || rc == -EINVAL || rc == -ENODATA);
		free(copy);
	}
	print_message("%u spoilt headers accepted, %u refused\n", accepted, refused);
	assert_true(accepted > 1000 && refused > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts),        cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_cut_off),        cmocka_unit_test(test_longest_line),
		cmocka_unit_test(test_frame_lines),    cmocka_unit_test(test_sentence_fits),
		cmocka_unit_test(test_spoilt_headers),
	};

	return cmocka_run_group_tests_name("y4m", tests, NULL, NULL);
}
