/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * synthetic.h - the source "synthetic", and its picture as a function, so that readers and tests can verify any pixel.
 *
 * A byte depends on nothing but the frame's number and its place in the image: synthetic_pixel(sequence, x, y). The
 * number is camera_sequence of the frame (source_frame, and the descriptor in the ring), from 1; it is not the ring's
 * sequence, which counts captured frames only. It goes on for a frame that found no free buffer, and such frames
 * are counted in lost[LUMARING_LOST_SENSOR] of the next one: so numbers of two frames differ by 1 + lost.
 *
 * The upper half of a byte is a grey wedge that moves, for the eye. The lower half is grain: eight bytes in a row, from
 * an x that divides by eight, carry one 32-bit number. At one place no two sequences (of 2^32 in turn) have the same
 * number, in one frame no two rows of a column of blocks, and no two blocks of a row. So a picture that is torn,
 * shifted or another's does not pass wherever eight whole bytes of it are looked at.
 *
 * With config.layout it is made as R10, R10_CSI2P, YUYV or UYVY: the upper eight bits of luma are the same function,
 * the two bits below them synthetic_low() of these, and each byte of colour the complement of the luma beside it.
 * synthetic_row_of() ends a row with a whole group, as if the image went on.
 *
 * A paced source is live, like a camera: a frame that finds no free buffer is lost. An unpaced one waits.
 *
 * Like a camera it adjusts some of what is asked for (source_check() tells): where pixels share bytes (YUYV and UYVY 2,
 * R10_CSI2P 4), a width is made up to whole groups, or down to them beyond 65535; times between frames are moved into
 * 100 us .. 1 h. All else is taken as it is, or refused.
 *
 * It has three controls. exposure_us, 1 .. 1000000, and analogue_gain_milli, 1000..16000, change nothing in the
 * picture. auto_exposure, which it begins with, takes half of the time between frames, at most 10 ms, and gain 1000;
 * setting exposure or gain ends it, and ending it alone keeps the values of the moment. An exposure that is longer than
 * the time between frames is cut to that, as cameras do, and comes back with a slower rate. A change holds from the frame on
 * that is being waited for; a frame that is late already when it comes may be the last without. Each frame says what it
 * was taken with.
 */
#ifndef LUMARING_SOURCE_SYNTHETIC_H
#define LUMARING_SOURCE_SYNTHETIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/source.h"

#define SYNTHETIC_WIDTH 640u
#define SYNTHETIC_HEIGHT 480u
#define SYNTHETIC_PERIOD_NS UINT64_C(33333333)
#define SYNTHETIC_GAIN_MIN_MILLI 1000
#define SYNTHETIC_GAIN_MAX_MILLI 16000
#define SYNTHETIC_EXPOSURE_MAX_US 1000000
#define SYNTHETIC_AUTO_EXPOSURE_MAX_US 10000

extern const struct source_operations synthetic_operations;

/* A bijection of 32-bit numbers in which each bit of the result depends on all bits given (constants: lowbias32). */
static inline uint32_t synthetic_mix(uint32_t number)
{
	number ^= number >> 16;
	number *= 0x7feb352du;
	number ^= number >> 15;
	number *= 0x846ca68bu;
	return number ^ number >> 16;
}

/* The grain number of block 0 of a row. */
static inline uint32_t synthetic_seed(uint64_t sequence, uint32_t y)
{
	return synthetic_mix(synthetic_mix((uint32_t)sequence) + y * 0x9e3779b1u);
}

/* Brightness of block 0 of a row, modulo 16. */
static inline uint32_t synthetic_shade(uint64_t sequence, uint32_t y)
{
	return (uint32_t)sequence + y / 8;
}

/* Pixels 8 * block .. 8 * block + 7 of a row, the first one in the lowest byte. */
static inline uint64_t synthetic_block(uint32_t seed, uint32_t shade, uint32_t block)
{
	uint32_t grain = seed + block * 0x85ebca6bu; /* its even half bytes to pixels 0..3, its odd ones to 4..7 */
	uint64_t lower = (grain & 0x0f0f0f0fu) | (uint64_t)(grain >> 4 & 0x0f0f0f0fu) << 32;

	return lower | (uint64_t)((shade + block) & 15u) * UINT64_C(0x1010101010101010);
}

/* The definition: the pixel at column x, row y of the image. */
static inline uint8_t synthetic_pixel(uint64_t sequence, uint32_t x, uint32_t y)
{
	uint64_t block = synthetic_block(synthetic_seed(sequence, y), synthetic_shade(sequence, y), x / 8);

	return (uint8_t)(block >> x % 8 * 8);
}

/* What follows the eight bits of a pixel where luma has ten. */
static inline unsigned synthetic_low(uint8_t pixel)
{
	return (pixel ^ (unsigned)pixel >> 2) & 3u;
}

/* Row y of an image so wide in a pixel format: whole groups. False, and nothing done: it is not made in that format. */
bool synthetic_row_of(uint8_t *row, enum pixels pixels, uint64_t sequence, uint32_t y, uint32_t width);

/* Pixels x .. x + width - 1 of row y of the image, quickly. */
void synthetic_row(uint8_t *pixels, uint64_t sequence, uint32_t x, uint32_t y, uint32_t width);

/*
 * True when `pixels`, rows `stride` apart, hold exactly the region x, y, width, height of the image of `sequence`. If
 * not, *ret_x and *ret_y (unless NULL) tell the first wrong pixel, in pixels of the image.
 */
bool synthetic_verify(const uint8_t *pixels, size_t stride, uint64_t sequence, uint32_t x, uint32_t y, uint32_t width,
		      uint32_t height, uint32_t *ret_x, uint32_t *ret_y);

#endif
