/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernels_c.c - the C reference of every operation: what the others have to equal, and what runs where there are no
 * others. Meant to be read; the compiler makes vectors of it where it can.
 */
#include "copy/private.h"

#include <string.h>

#include "copy/pixel.h"

#define FETCH_BYTES 64u

/* --- stores --- */

#ifdef COPY_UNDER_TSAN

/* Relaxed: the order is given by the fences around the sequence word in ring/ring.c and in the reader. */
static inline void put_8(uint8_t *destination, unsigned value)
{
	__atomic_store_n(destination, (uint8_t)value, __ATOMIC_RELAXED);
}

static inline void put_16(uint8_t *destination, unsigned value)
{
	put_8(destination, value);
	put_8(destination + 1, value >> 8);
}

static inline void put_bytes(uint8_t *destination, const uint8_t *source, size_t bytes)
{
	size_t i = 0;

	for (; i < bytes && (uintptr_t)(destination + i) % sizeof(uint64_t); i++)
		put_8(destination + i, source[i]);
	for (; bytes - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, source + i, sizeof(word));
		__atomic_store_n((uint64_t *)(void *)(destination + i), word, __ATOMIC_RELAXED);
	}
	for (; i < bytes; i++)
		put_8(destination + i, source[i]);
}

#else

static inline void put_8(uint8_t *destination, unsigned value)
{
	*destination = (uint8_t)value;
}

static inline void put_16(uint8_t *destination, unsigned value)
{
	uint16_t sample = (uint16_t)value;

	memcpy(destination, &sample, sizeof(sample));
}

static inline void put_bytes(uint8_t *destination, const uint8_t *source, size_t bytes)
{
	memcpy(destination, source, bytes);
}

#endif

/* --- rows --- */

typedef void row_function(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source);

/* `step`: how many rows of the source one of the destination takes. */
static inline void each_row(const struct copy_rows *rows, unsigned step, row_function *row)
{
	uint8_t *destination = rows->destination;
	const uint8_t *source = rows->source;

	for (size_t y = 0; y < rows->rows; y++) {
		row(rows, destination, source);
		destination += rows->destination_stride;
		source += rows->source_stride * step;
	}
}

static void bytes_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	put_bytes(destination, source, rows->pixels);
}

void copy_bytes_c(const struct copy_rows *rows)
{
	struct copy_rows all = *rows;

	if (rows->destination_stride == rows->pixels && rows->source_stride == rows->pixels) {
		all.pixels *= rows->rows;
		all.rows = 1;
	}
	each_row(&all, 1, bytes_row);
}

/*
 * The eight words of an aligned group, each read once: volatile, or the compiler makes bytes or two reads of one. The
 * group may begin before the pixels and end behind them: outside of an object that AddressSanitizer knows, but within
 * the page.
 */
__attribute__((no_sanitize("address"))) static void fetch_group(uint64_t *ret_words, const uint8_t *group)
{
	typedef uint64_t __attribute__((may_alias)) word;
	const volatile word *from = (const volatile word *)(const volatile void *)group;

	for (unsigned i = 0; i < FETCH_BYTES / sizeof(word); i++)
		ret_words[i] = from[i];
}

static void fetch_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	size_t skip = (uintptr_t)source % FETCH_BYTES;

	for (size_t done = 0; done < rows->pixels; skip = 0) {
		uint64_t words[FETCH_BYTES / sizeof(uint64_t)];
		size_t bytes = FETCH_BYTES - skip;

		if (bytes > rows->pixels - done)
			bytes = rows->pixels - done;
		fetch_group(words, source + done - skip);
		put_bytes(destination + done, (const uint8_t *)words + skip, bytes);
		done += bytes;
	}
}

void copy_fetch_c(const struct copy_rows *rows)
{
	each_row(rows, 1, fetch_row);
}

static void even_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_8(destination + x, source[2 * x]);
}

void copy_even_c(const struct copy_rows *rows)
{
	each_row(rows, 1, even_row);
}

static void odd_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_8(destination + x, source[2 * x + 1]);
}

void copy_odd_c(const struct copy_rows *rows)
{
	each_row(rows, 1, odd_row);
}

static void narrow_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_8(destination + x, pixel_16(source + 2 * x) >> rows->right);
}

void copy_narrow_c(const struct copy_rows *rows)
{
	each_row(rows, 1, narrow_row);
}

static void scale_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_16(destination + 2 * x, pixel_scale(rows, pixel_16(source + 2 * x)));
}

void copy_scale_c(const struct copy_rows *rows)
{
	each_row(rows, 1, scale_row);
}

static void widen_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_16(destination + 2 * x, (unsigned)source[x] << 8 | (source[x] & rows->mask));
}

void copy_widen_c(const struct copy_rows *rows)
{
	each_row(rows, 1, widen_row);
}

/* --- packed samples --- */

static void packed10_8_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_8(destination + x, pixel_packed10(source, rows->first + x) >> 2);
}

void copy_packed10_8_c(const struct copy_rows *rows)
{
	each_row(rows, 1, packed10_8_row);
}

static void packed10_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_16(destination + 2 * x, pixel_scale(rows, pixel_packed10(source, rows->first + x)));
}

void copy_packed10_c(const struct copy_rows *rows)
{
	each_row(rows, 1, packed10_row);
}

static void packed12_8_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_8(destination + x, pixel_packed12(source, rows->first + x) >> 4);
}

void copy_packed12_8_c(const struct copy_rows *rows)
{
	each_row(rows, 1, packed12_8_row);
}

static void packed12_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_16(destination + 2 * x, pixel_scale(rows, pixel_packed12(source, rows->first + x)));
}

void copy_packed12_c(const struct copy_rows *rows)
{
	each_row(rows, 1, packed12_row);
}

/* --- colour, and 2x2 --- */

static void rgb_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	for (size_t x = 0; x < rows->pixels; x++)
		put_8(destination + x, pixel_luma(rows, source + x * rows->step));
}

void copy_rgb_c(const struct copy_rows *rows)
{
	each_row(rows, 1, rgb_row);
}

static void bin8_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	const uint8_t *below = source + rows->source_stride;

	for (size_t x = 0; x < rows->pixels; x++)
		put_8(destination + x, pixel_bin8(source + 2 * x, below + 2 * x));
}

void copy_bin8_c(const struct copy_rows *rows)
{
	each_row(rows, 2, bin8_row);
}

static void bin16_row(const struct copy_rows *rows, uint8_t *restrict destination, const uint8_t *restrict source)
{
	const uint8_t *below = source + rows->source_stride;

	for (size_t x = 0; x < rows->pixels; x++)
		put_16(destination + 2 * x, pixel_bin16(source + 4 * x, below + 4 * x));
}

void copy_bin16_c(const struct copy_rows *rows)
{
	each_row(rows, 2, bin16_row);
}
