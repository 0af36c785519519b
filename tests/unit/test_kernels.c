/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_kernels.c - daemon/copy/kernels_c.c against values worked out by hand from each format's description, the choice
 * from the table, and LUMARING_CPU. tests/checkasm compares all other kernels with this reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "copy/kernel.h"
#include "copy/private.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROW(...)                                                                                                       \
	(const uint8_t[])                                                                                              \
	{                                                                                                              \
		__VA_ARGS__                                                                                            \
	}

/* Run the reference over one row (COPY_BIN*: two, the second right behind the first), and compare. */
static void check_row(enum copy_op op, struct copy_rows rows, const uint8_t *source, size_t source_stride,
		      size_t pixels, const uint8_t *expected, size_t expected_bytes)
{
	uint8_t destination[64];

	assert_true(expected_bytes < sizeof(destination));
	memset(destination, 0x5a, sizeof(destination));
	rows.destination = destination;
	rows.source = source;
	rows.source_stride = source_stride;
	rows.pixels = pixels;
	rows.rows = 1;
	copy_kernel_for(op, false, 0)->function(&rows);
	assert_memory_equal(destination, expected, expected_bytes);
	assert_int_equal(destination[expected_bytes], 0x5a);
}

static void check_8(enum copy_op op, struct copy_rows rows, const uint8_t *source, size_t source_stride,
		    const uint8_t *expected, size_t pixels)
{
	check_row(op, rows, source, source_stride, pixels, expected, pixels);
}

static void check_16(enum copy_op op, struct copy_rows rows, const uint8_t *source, size_t source_stride,
		     const uint16_t *expected, size_t pixels)
{
	check_row(op, rows, source, source_stride, pixels, (const uint8_t *)expected, 2 * pixels);
}

static void test_bytes(void **state)
{
	const uint8_t *source = ROW(1, 2, 3, 4, 5);

	(void)state;
	for (size_t pixels = 0; pixels <= 5; pixels++) {
		check_8(COPY_BYTES, (struct copy_rows){ 0 }, source, 5, source, pixels);
		check_8(COPY_FETCH, (struct copy_rows){ 0 }, source, 5, source, pixels);
	}
}

/* Beyond an object, by whatever alignment it has, but within its lines: nothing that AddressSanitizer may stop. */
static void test_fetch_beyond(void **state)
{
	uint8_t *source = malloc(5), destination[6] = { 0 };

	(void)state;
	assert_non_null(source);
	memcpy(source, "\1\2\3\4\5", 5);
	for (unsigned i = 0; i < copy_kernel_count; i++) {
		struct copy_rows rows = { destination, 5, source, 5, 5, 1, .mask = 0 };

		if (copy_kernels[i].op != COPY_FETCH || copy_kernels[i].cpu & ~copy_cpu())
			continue;
		memset(destination, 0x5a, sizeof(destination));
		copy_kernels[i].function(&rows);
		assert_memory_equal(destination, ROW(1, 2, 3, 4, 5, 0x5a), 6);
	}
	free(source);
}

static void test_luma_of_422(void **state)
{
	const uint8_t *source = ROW(16, 128, 17, 129, 235, 130);

	(void)state;
	check_8(COPY_EVEN, (struct copy_rows){ 0 }, source, 6, ROW(16, 17, 235), 3);
	check_8(COPY_ODD, (struct copy_rows){ 0 }, source, 6, ROW(128, 129, 130), 3);
}

/* 10 bits: 0, 1, 3, 4, 512, 1023, and what no camera should send. */
static void test_narrow(void **state)
{
	const uint16_t source[] = { 0, 1, 3, 4, 512, 1023, 1024, 65535 };

	(void)state;
	check_8(COPY_NARROW, (struct copy_rows){ .right = 2 }, (const uint8_t *)source, 16,
		ROW(0, 0, 0, 1, 128, 255, 0, 255), 8);
	check_8(COPY_NARROW, (struct copy_rows){ .right = 4 }, (const uint8_t *)source, 16,
		ROW(0, 0, 0, 0, 32, 63, 64, 255), 8);
	check_8(COPY_NARROW, (struct copy_rows){ .right = 8 }, (const uint8_t *)source, 16,
		ROW(0, 0, 0, 0, 2, 3, 4, 255), 8);
}

static void test_scale(void **state)
{
	const uint16_t source[] = { 0, 1, 512, 1023, 1024 };

	(void)state;
	/* 10 bits, full range: the high bits once more at the low end, so that 1023 is 65535. */
	check_16(COPY_SCALE, (struct copy_rows){ .left = 6, .right = 4, .mask = 0xffff }, (const uint8_t *)source, 10,
		 (const uint16_t[]){ 0, 64, 32768 + 32, 65535, 64 }, 5);
	/* Limited range: 16 * 4 becomes 16 * 256. */
	check_16(COPY_SCALE, (struct copy_rows){ .left = 6, .right = 4 }, (const uint8_t *)source, 10,
		 (const uint16_t[]){ 0, 64, 32768, 65472, 0 }, 5);
	/* 12 bits, and 16. */
	check_16(COPY_SCALE, (struct copy_rows){ .left = 4, .right = 8, .mask = 0xffff }, (const uint8_t *)source, 10,
		 (const uint16_t[]){ 0, 16, 8194, 16371, 16388 }, 5);
	check_16(COPY_SCALE, (struct copy_rows){ 0 }, (const uint8_t *)source, 10, source, 5);
}

static void test_widen(void **state)
{
	(void)state;
	check_16(COPY_WIDEN, (struct copy_rows){ .mask = 0xffff }, ROW(0, 1, 128, 255), 4,
		 (const uint16_t[]){ 0, 257, 32896, 65535 }, 4);
	check_16(COPY_WIDEN, (struct copy_rows){ 0 }, ROW(0, 1, 16, 235), 4, (const uint16_t[]){ 0, 256, 4096, 60160 },
		 4);
}

/*
 * RAW10: 4 bytes of bits 9..2, then bits 1..0 of all four, pixel 0 lowest. 0x001, 0x2ab, 0x3ff, 0x100 are 0x00, 0xaa,
 * 0xff, 0x40 with 1, 3, 3, 0: 0b00111101. Then 0x3fc, 0x003, 0x200, 0x1fe.
 */
static void test_packed10(void **state)
{
	const uint8_t *source = ROW(0x00, 0xaa, 0xff, 0x40, 0x3d, 0xff, 0x00, 0x80, 0x7f, 0x8c);
	const uint16_t pixels[] = { 0x001, 0x2ab, 0x3ff, 0x100, 0x3fc, 0x003, 0x200, 0x1fe };
	uint8_t high[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		high[i] = (uint8_t)(pixels[i] >> 2);
	for (unsigned first = 0; first < 4; first++) {
		for (size_t count = 0; count <= 8 - first; count++) {
			check_8(COPY_PACKED10_8, (struct copy_rows){ .first = first }, source, 10, high + first, count);
			check_16(COPY_PACKED10, (struct copy_rows){ .first = first }, source, 10, pixels + first,
				 count);
		}
	}
	check_16(COPY_PACKED10, (struct copy_rows){ .first = 1, .left = 6, .right = 4, .mask = 0xffff }, source, 10,
		 (const uint16_t[]){ 0xaaea, 0xffff, 0x4010 }, 3);
	check_16(COPY_PACKED10, (struct copy_rows){ .first = 1, .left = 6, .right = 4 }, source, 10,
		 (const uint16_t[]){ 0xaac0, 0xffc0, 0x4000 }, 3);
}

/* RAW12: 0x123, 0xabc are 0x12, 0xab with 3, c: 0xc3. Then 0xfff, 0x00f. */
static void test_packed12(void **state)
{
	const uint8_t *source = ROW(0x12, 0xab, 0xc3, 0xff, 0x00, 0xff);
	const uint16_t pixels[] = { 0x123, 0xabc, 0xfff, 0x00f };
	uint8_t high[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		high[i] = (uint8_t)(pixels[i] >> 4);
	for (unsigned first = 0; first < 2; first++) {
		for (size_t count = 0; count <= 4 - first; count++) {
			check_8(COPY_PACKED12_8, (struct copy_rows){ .first = first }, source, 6, high + first, count);
			check_16(COPY_PACKED12, (struct copy_rows){ .first = first }, source, 6, pixels + first, count);
		}
	}
	check_16(COPY_PACKED12, (struct copy_rows){ .left = 4, .right = 8, .mask = 0xffff }, source, 6,
		 (const uint16_t[]){ 0x1231, 0xabca, 0xffff, 0x00f0 }, 4);
}

/*
 * Black, white, red, green, blue, and a mixture. Full range: 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 =
 * 29.07, and 0.299 * 10 + 0.587 * 200 + 0.114 * 30 = 123.8. Limited: 16 + 219 / 255 of it.
 */
static void test_rgb(void **state)
{
	static const uint8_t full[] = { 0, 255, 76, 150, 29, 124 }, limited[] = { 16, 235, 81, 145, 41, 122 };
	static const uint8_t colours[6][3] = { { 0, 0, 0 },   { 255, 255, 255 }, { 255, 0, 0 },
					       { 0, 255, 0 }, { 0, 0, 255 },     { 10, 200, 30 } };

	(void)state;
	for (unsigned step = 3; step <= 4; step++) {
		for (unsigned red_at = 0; red_at <= 2; red_at += 2) {
			struct copy_rows rows = { .step = step, .red_at = red_at, .blue_at = 2 - red_at };
			uint8_t source[24];

			memset(source, 0xee, sizeof(source));
			for (unsigned i = 0; i < COUNT(colours); i++) {
				source[i * step + red_at] = colours[i][0];
				source[i * step + 1] = colours[i][1];
				source[i * step + 2 - red_at] = colours[i][2];
			}
			rows.weights = &copy_weights_full;
			check_8(COPY_RGB, rows, source, sizeof(source), full, COUNT(colours));
			rows.weights = &copy_weights_limited;
			check_8(COPY_RGB, rows, source, sizeof(source), limited, COUNT(colours));
		}
	}
}

/*
 * Colours so near to the half that a weight or an offset which is off by one shows: 176.5 and 136.499 by JFIF; limited
 * 170.499 and 69.503, of which ffmpeg makes 171 and 70, as it rounds from 0.492 on.
 */
static void test_rgb_near_the_half(void **state)
{
	struct copy_rows rows = { .step = 3, .blue_at = 2, .weights = &copy_weights_full };

	(void)state;
	check_8(COPY_RGB, rows, ROW(101, 237, 63, 67, 192, 33), 6, ROW(177, 136), 2);
	rows.weights = &copy_weights_limited;
	check_8(COPY_RGB, rows, ROW(132, 200, 202, 94, 54, 32), 6, ROW(171, 70), 2);
}

static void test_rgb_at_most_255(void **state)
{
	static const struct copy_weights heavy = { 65536, 65536, 0, 0 };

	(void)state;
	check_8(COPY_RGB, (struct copy_rows){ .step = 3, .blue_at = 2, .weights = &heavy },
		ROW(100, 155, 9, 100, 156, 9), 6, ROW(255, 255), 2);
}

/* Sums of four: 0, 1, 2, 5, 6, 1020, 1019, 1018, and in between. Means are rounded, a half upwards. */
static void test_bin8(void **state)
{
	(void)state;
	check_8(COPY_BIN8, (struct copy_rows){ 0 },
		ROW(0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 255, 255, 255, 255, 255, 254, 0, 255, /* below: */
		    0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 255, 255, 255, 254, 254, 255, 255, 0),
		18, ROW(0, 0, 1, 1, 2, 255, 255, 255, 128), 9);
}

static void test_bin16(void **state)
{
	const uint16_t source[] = { 0, 1, 1, 1, 1023, 1023, 65535, 65535, 0,     65535, 32767, 32768, /* below: */
				    0, 0, 0, 0, 1023, 1022, 65535, 65533, 65535, 0,     32768, 32767 };

	(void)state;
	check_16(COPY_BIN16, (struct copy_rows){ 0 }, (const uint8_t *)source, 24,
		 (const uint16_t[]){ 0, 1, 1023, 65535, 32768, 32768 }, 6);
}

/* Rows go down by the strides, the two of COPY_BIN* by twice the source's; padding stays as it is. */
static void test_strides(void **state)
{
	const uint8_t *source = ROW(1, 2, 3, 4, 99, 5, 6, 7, 8, 99, 11, 12, 13, 14, 99, 15, 16, 17, 18);
	uint8_t destination[9];
	struct copy_rows rows = { destination, 3, source, 5, 2, 2, .mask = 0 };

	(void)state;
	memset(destination, 0x5a, sizeof(destination));
	copy_bin8_c(&rows);
	assert_memory_equal(destination, ROW(4, 6, 0x5a, 14, 16, 0x5a, 0x5a, 0x5a, 0x5a), 9);
	rows.rows = 3;
	copy_bytes_c(&rows);
	assert_memory_equal(destination, ROW(1, 2, 0x5a, 5, 6, 0x5a, 11, 12, 0x5a), 9);
	rows.destination_stride = 2;
	copy_odd_c(&rows);
	assert_memory_equal(destination, ROW(2, 4, 6, 8, 12, 14, 11, 12, 0x5a), 9);
}

/* Rows without padding on both sides, on one, and none at all. */
static void test_bytes_without_padding(void **state)
{
	const uint8_t *source = ROW(1, 2, 3, 4, 5, 6, 7, 8);
	uint8_t destination[8];
	struct copy_rows rows = { destination, 2, source, 2, 2, 3, .mask = 0 };

	(void)state;
	memset(destination, 0x5a, sizeof(destination));
	copy_bytes_c(&rows);
	assert_memory_equal(destination, ROW(1, 2, 3, 4, 5, 6, 0x5a, 0x5a), 8);
	memset(destination, 0x5a, sizeof(destination));
	rows.destination_stride = 3;
	copy_bytes_c(&rows);
	assert_memory_equal(destination, ROW(1, 2, 0x5a, 3, 4, 0x5a, 5, 6), 8);
	rows.destination_stride = 2;
	rows.source_stride = 3;
	copy_bytes_c(&rows);
	assert_memory_equal(destination, ROW(1, 2, 4, 5, 7, 8, 5, 6), 8);
	memset(destination, 0x5a, sizeof(destination));
	rows.source_stride = 2;
	rows.rows = 0;
	copy_bytes_c(&rows);
	assert_int_equal(destination[0], 0x5a);
}

/* For every operation, both manners and any flags there is one, it is of that operation, and it needs no more. */
static void test_choice(void **state)
{
	(void)state;
	for (unsigned op = 0; op < COPY_OPS; op++) {
		const struct copy_kernel *reference = copy_kernel_for((enum copy_op)op, true, 0);

		assert_false(reference->streaming);
		for (unsigned cpu = 0; cpu < 16; cpu++) {
			const struct copy_kernel *ordinary = copy_kernel_for((enum copy_op)op, false, cpu);
			const struct copy_kernel *streaming = copy_kernel_for((enum copy_op)op, true, cpu);

			assert_true(ordinary->op == (enum copy_op)op && streaming->op == (enum copy_op)op);
			assert_false(ordinary->streaming);
			assert_true(streaming->streaming || streaming == ordinary);
			assert_int_equal((ordinary->cpu | streaming->cpu) & ~cpu, 0);
		}
	}
}

/* Names differ, and the last of each operation is the reference. */
static void test_table(void **state)
{
	unsigned last[COPY_OPS] = { 0 };

	(void)state;
	for (unsigned i = 0; i < copy_kernel_count; i++) {
		last[copy_kernels[i].op] = i;
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(copy_kernels[i].name, copy_kernels[k].name);
	}
	for (unsigned op = 0; op < COPY_OPS; op++) {
		const char *end = strrchr(copy_kernels[last[op]].name, '-');

		assert_int_equal(copy_kernels[last[op]].cpu, 0);
		assert_string_equal(end, "-c");
	}
}

static void check_limit(const char *value, unsigned has, unsigned left, const char *expected)
{
	char text[160] = "unset";

	assert_int_equal(copy_cpu_limit(value, has, text, sizeof(text)), left);
	assert_string_equal(text, expected);
}

static void test_cpu(void **state)
{
	const unsigned avx2 = COPY_CPU_SSE41 | COPY_CPU_AVX2, avx512 = avx2 | COPY_CPU_AVX512;
	const unsigned a53 = COPY_CPU_NEON | COPY_CPU_A53;

	(void)state;
	check_limit(NULL, avx512, avx512, "");
	check_limit("", avx512, avx512, "");
	check_limit("avx512", avx512, avx512, "");
	check_limit("avx2", avx512, avx2, "");
	check_limit("sse41", avx512, COPY_CPU_SSE41, "");
	check_limit("c", avx512, 0, "");
	check_limit("c", 0, 0, "");
	check_limit("neon", COPY_CPU_NEON, COPY_CPU_NEON, "");
	check_limit("neon", a53, COPY_CPU_NEON, "");
	check_limit("a53", a53, a53, "");
	check_limit("a72", a53, a53, "LUMARING_CPU is \"a72\"; on this machine it can be c, neon or a53");
	check_limit("neon", avx512, avx512,
		    "LUMARING_CPU is \"neon\"; on this machine it can be c, sse41, avx2 or avx512");
	check_limit("avx512", avx2, avx2, "LUMARING_CPU is \"avx512\"; on this machine it can be c, sse41 or avx2");
	check_limit("AVX2", COPY_CPU_NEON, COPY_CPU_NEON,
		    "LUMARING_CPU is \"AVX2\"; on this machine it can be c or neon");
	check_limit("sse41", 0, 0, "LUMARING_CPU is \"sse41\"; on this machine it can be c");
	check_limit("c ", 0, 0, "LUMARING_CPU is \"c \"; on this machine it can be c");
}

static void test_cpu_names(void **state)
{
	(void)state;
	assert_string_equal(copy_cpu_name(0), "c");
	assert_string_equal(copy_cpu_name(COPY_CPU_SSE41), "sse41");
	assert_string_equal(copy_cpu_name(COPY_CPU_SSE41 | COPY_CPU_AVX2), "avx2");
	assert_string_equal(copy_cpu_name(COPY_CPU_SSE41 | COPY_CPU_AVX2 | COPY_CPU_AVX512), "avx512");
	assert_string_equal(copy_cpu_name(COPY_CPU_NEON), "neon");
	assert_string_equal(copy_cpu_name(COPY_CPU_NEON | COPY_CPU_A53), "a53");
	assert_string_equal(copy_cpu_name(COPY_CPU_NEON | COPY_CPU_A72), "a72");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_fetch_beyond),
		cmocka_unit_test(test_luma_of_422),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_widen),
		cmocka_unit_test(test_packed10),
		cmocka_unit_test(test_packed12),
		cmocka_unit_test(test_rgb),
		cmocka_unit_test(test_rgb_near_the_half),
		cmocka_unit_test(test_rgb_at_most_255),
		cmocka_unit_test(test_bin8),
		cmocka_unit_test(test_bin16),
		cmocka_unit_test(test_strides),
		cmocka_unit_test(test_bytes_without_padding),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_cpu_names),
	};

	return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
