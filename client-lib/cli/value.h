/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * value.h - what people write for numbers, rates, times and regions, read strictly: what is not wholly a value in range
 * is refused, and never clipped. Decimals are read into whole numbers of the smaller unit, without floating point.
 */
#ifndef LUMARING_CLI_VALUE_H
#define LUMARING_CLI_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include <lumaring/lumaring.h>

/*
 * Each returns 0, -EINVAL (not written as such a value) or -ERANGE, and then no output is touched.
 */

/* Digits only, up to the character `end`; *ret_end (unless NULL): behind that. */
int value_whole(const char *text, char end, uint64_t max, uint64_t *ret_value, const char **ret_end);

/* "-1.25" times 10^places, rounded, halves away from zero. */
int value_decimal(const char *text, unsigned places, int64_t min, int64_t max, int64_t *ret_value);

/* Frames a second: "56", "29.97", "30000/1001", or slowest and fastest, "15-56"; as microseconds from frame to frame.
 */
int value_framerate(const char *text, uint32_t *ret_min_us, uint32_t *ret_max_us);

/* "5000", "5000us", "5ms", "0.5s" in microseconds. */
int value_time_us(const char *text, int64_t max, int64_t *ret_us);

/* X,Y,WIDTH,HEIGHT: pixels, or fractions of the image when one of them has a point. */
struct value_region {
	bool fractions;
	uint32_t numbers[4]; /* pixels, or billionths */
};

/* `end`: behind the region, or NULL: there must be nothing. */
int value_region(const char *text, struct value_region *ret_region, const char **ret_end);

/*
 * In pixels of an image. Of fractions the edges are rounded, so that regions that touch as fractions touch as pixels.
 * -EINVAL: a fraction of it is less than a pixel.
 */
int value_region_in(const struct value_region *region, uint32_t width, uint32_t height,
		    struct lumaring_region *ret_region);

#endif
