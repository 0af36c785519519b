/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pixel.h - one pixel of each operation: what the C reference is made of, and the vector kernels' edges.
 *
 * All of it is static, so that each file has a copy compiled with its own instruction set, and none is ever linked
 * into another's.
 */
#ifndef LUMARING_COPY_PIXEL_H
#define LUMARING_COPY_PIXEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "copy/kernel.h"

/* A sample of 16 bits at any address; the machines this builds for are little endian, as the samples are. */
static inline unsigned pixel_16(const uint8_t *source)
{
	uint16_t value;

	memcpy(&value, source, sizeof(value));
	return value;
}

static inline unsigned pixel_scale(const struct copy_rows *rows, unsigned value)
{
	return value << rows->left | (value >> rows->right & rows->mask);
}

/* Pixel `at` of the groups from `source` on: 4 in 5 bytes, their bits 9..2, then bits 1..0 of all four. */
static inline unsigned pixel_packed10(const uint8_t *source, size_t at)
{
	const uint8_t *group = source + at / 4 * 5;
	unsigned which = at % 4;

	return (unsigned)group[which] << 2 | (group[4] >> which * 2 & 3);
}

/* 2 in 3 bytes: their bits 11..4, then bits 3..0 of both. */
static inline unsigned pixel_packed12(const uint8_t *source, size_t at)
{
	const uint8_t *group = source + at / 2 * 3;
	unsigned which = at % 2;

	return (unsigned)group[which] << 4 | (group[2] >> which * 4 & 15);
}

/* Mean of 2x2: two pixels here, two in the row below. */
static inline unsigned pixel_bin8(const uint8_t *source, const uint8_t *below)
{
	return (source[0] + source[1] + below[0] + below[1] + 2u) >> 2;
}

static inline unsigned pixel_bin16(const uint8_t *source, const uint8_t *below)
{
	return (pixel_16(source) + pixel_16(source + 2) + pixel_16(below) + pixel_16(below + 2) + 2) >> 2;
}

static inline unsigned pixel_luma(const struct copy_rows *rows, const uint8_t *source)
{
	const struct copy_weights *weights = rows->weights;
	uint32_t sum = weights->red * source[rows->red_at] + weights->green * source[1] +
		       weights->blue * source[rows->blue_at] + weights->offset;

	return sum >> 16 < 255 ? sum >> 16 : 255;
}

#endif
