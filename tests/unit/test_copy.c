/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_copy.c - daemon/copy: every pixel arrives, and no byte beside the rows is written or, by the address sanitizer,
 * read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "copy/copy.h"

#define GUARD 0x5a
#define GUARD_BYTES 64u

static uint8_t source_byte(size_t at)
{
	return (uint8_t)(at * 167 + at / 251);
}

/* Copy from a plane that ends with its last pixel to one with guard bytes all around, then look at all of it. */
static void check(size_t row_bytes, size_t rows, size_t source_gap, size_t destination_gap, size_t source_at,
		  size_t destination_at)
{
	size_t source_stride = row_bytes + source_gap, stride = row_bytes + destination_gap;
	size_t source_bytes = rows ? source_at + source_stride * (rows - 1) + row_bytes : source_at;
	size_t bytes = GUARD_BYTES + destination_at + stride * rows + GUARD_BYTES;
	uint8_t *source = malloc(source_bytes ? source_bytes : 1), *all = malloc(bytes);
	uint8_t *destination = all + GUARD_BYTES + destination_at;

	assert_non_null(source);
	assert_non_null(all);
	for (size_t i = 0; i < source_bytes; i++)
		source[i] = source_byte(i);
	memset(all, GUARD, bytes);
	copy_plane(destination, stride, source + source_at, source_stride, row_bytes, rows);
	for (size_t i = 0; i < bytes; i++) {
		size_t at = i - GUARD_BYTES - destination_at, row = stride ? at / stride : 0;
		uint8_t expected = GUARD;

		if (row_bytes && i >= GUARD_BYTES + destination_at && row < rows && at % stride < row_bytes)
			expected = source_byte(source_at + row * source_stride + at % stride);
		if (all[i] != expected)
			fail_msg("%zu x %zu, gaps %zu and %zu, from %zu to %zu: byte %zu is %02x, not %02x", row_bytes,
				 rows, source_gap, destination_gap, source_at, destination_at, i, all[i], expected);
	}
	free(source);
	free(all);
}

static void test_shapes(void **state)
{
	static const size_t widths[] = { 0, 1, 7, 8, 9, 63, 64, 65, 255, 640 }, heights[] = { 0, 1, 2, 5 },
			    gaps[] = { 0, 1, 31, 64 };

	(void)state;
	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
		for (size_t h = 0; h < sizeof(heights) / sizeof(heights[0]); h++) {
			for (size_t gap = 0; gap < 16; gap++)
				check(widths[w], heights[h], gaps[gap % 4], gaps[gap / 4], 0, 0);
		}
	}
}

static void test_alignments(void **state)
{
	(void)state;
	for (size_t from = 0; from < 9; from++) {
		for (size_t to = 0; to < 9; to++) {
			for (size_t width = 1; width < 34; width += 3)
				check(width, 3, 5, 11, from, to);
			check(1001, 3, 0, 0, from, to);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_alignments),
	};

	return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
