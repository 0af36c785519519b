/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * view_scale.c - see view_scale.h. Pure functions. Whole numbers only: with lengths in units of 1/width of a sample, a
 * pixel spans as many as the frame has columns, and every share of a sample is exact.
 */
#include "view_scale.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <lumaring/layout.h>

/* --- samples -------------------------------------------------------------------------------------------------------
 */

static uint32_t sample16(const uint8_t *row, uint32_t x)
{
	return (uint32_t)row[2 * (size_t)x] | (uint32_t)row[2 * (size_t)x + 1] << 8;
}

static uint64_t sum8(const uint8_t *row, uint32_t begin, uint32_t end)
{
	uint32_t sum = 0; /* of at most 65535 samples */

	for (uint32_t x = begin; x < end; x++)
		sum += row[x];
	return sum;
}

static uint64_t sum16(const uint8_t *row, uint32_t begin, uint32_t end)
{
	uint64_t sum = 0;

	for (uint32_t x = begin; x < end; x++)
		sum += sample16(row, x);
	return sum;
}

static void widen8(struct view_range *range, const uint8_t *row, uint32_t width)
{
	uint8_t min = 255, max = 0;

	for (uint32_t x = 0; x < width; x++) {
		min = row[x] < min ? row[x] : min;
		max = row[x] > max ? row[x] : max;
	}
	range->min = min < range->min ? min : range->min;
	range->max = max > range->max ? max : range->max;
	range->mean += (double)sum8(row, 0, width);
}

static void widen16(struct view_range *range, const uint8_t *row, uint32_t width)
{
	uint32_t min = UINT16_MAX, max = 0;

	for (uint32_t x = 0; x < width; x++) {
		const uint32_t sample = sample16(row, x);

		min = sample < min ? sample : min;
		max = sample > max ? sample : max;
	}
	range->min = min < range->min ? min : range->min;
	range->max = max > range->max ? max : range->max;
	range->mean += (double)sum16(row, 0, width);
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

struct scale {
	const struct lumaring_frame *frame;
	uint32_t width, height;
	bool wide;     /* 16 bits */
	uint64_t *row; /* sums of one row of the frame, a number for each column of the picture */
	uint64_t *sums;
};

static uint32_t sample(const struct scale *s, const uint8_t *row, uint32_t x)
{
	return s->wide ? sample16(row, x) : row[x];
}

/* The samples from `begin` to `end`, in units of 1/width: whole ones, and the shares of those at the ends. */
static uint64_t sum_span(const struct scale *s, const uint8_t *row, uint64_t begin, uint64_t end)
{
	const uint32_t first = (uint32_t)(begin / s->width), last = (uint32_t)(end / s->width);
	const uint64_t before = begin % s->width, behind = end % s->width;
	uint64_t sum;

	sum = (s->wide ? sum16(row, first, last) : sum8(row, first, last)) * s->width;
	if (before > 0)
		sum -= before * sample(s, row, first);
	if (behind > 0)
		sum += behind * sample(s, row, last);
	return sum;
}

static void sum_row(const struct scale *s, const uint8_t *row)
{
	for (uint32_t i = 0; i < s->width; i++)
		s->row[i] = sum_span(s, row, (uint64_t)i * s->frame->width, (uint64_t)(i + 1) * s->frame->width);
}

static void finish_row(const struct scale *s, uint8_t *pixels)
{
	const uint64_t area = (uint64_t)s->frame->width * s->frame->height * (s->wide ? 257 : 1);

	for (uint32_t i = 0; i < s->width; i++) {
		pixels[i] = (uint8_t)((s->sums[i] + area / 2) / area);
		s->sums[i] = 0;
	}
}

/* Each row of the frame belongs to one row of the picture or to two, by shares of 1/height. */
static void average(const struct scale *s, uint8_t *pixels, struct view_range *range)
{
	uint64_t end = s->frame->height; /* of the picture's row, in those units */
	uint32_t j = 0;

	for (uint32_t y = 0; y < s->frame->height; y++) {
		const uint8_t *row = s->frame->pixels + (size_t)y * s->frame->stride;
		uint64_t at = (uint64_t)y * s->height;
		const uint64_t behind = at + s->height;

		(s->wide ? widen16 : widen8)(range, row, s->frame->width);
		sum_row(s, row);
		while (at < behind) {
			const uint64_t until = end < behind ? end : behind;

			for (uint32_t i = 0; i < s->width; i++)
				s->sums[i] += s->row[i] * (until - at);
			at = until;
			if (at == end) {
				finish_row(s, pixels + (size_t)j++ * s->width);
				end += s->frame->height;
			}
		}
	}
}

static void pick(const struct scale *s, uint8_t *pixels, struct view_range *range)
{
	for (uint32_t y = 0; y < s->frame->height; y++)
		(s->wide ? widen16 : widen8)(range, s->frame->pixels + (size_t)y * s->frame->stride, s->frame->width);
	for (uint32_t j = 0; j < s->height; j++) {
		const uint64_t y = (2 * (uint64_t)j + 1) * s->frame->height / (2 * s->height);
		const uint8_t *row = s->frame->pixels + y * s->frame->stride;

		for (uint32_t i = 0; i < s->width; i++) {
			const uint32_t x = (uint32_t)((2 * (uint64_t)i + 1) * s->frame->width / (2 * s->width));

			pixels[(size_t)j * s->width + i] = (uint8_t)(s->wide ? (sample16(row, x) + 128) / 257 : row[x]);
		}
	}
}

int view_scale(const struct lumaring_frame *frame, uint32_t width, uint32_t height, uint8_t *pixels,
	       struct view_range *ret_range)
{
	struct scale s = { .frame = frame, .width = width, .height = height };
	struct view_range range = { .min = UINT32_MAX };

	if (frame->fourcc != LUMARING_FORMAT_R8 && frame->fourcc != LUMARING_FORMAT_R16)
		return -ENOTSUP;
	s.wide = frame->fourcc == LUMARING_FORMAT_R16;
	s.row = calloc(2 * (size_t)width, sizeof(*s.row));
	if (!s.row)
		return -ENOMEM;
	s.sums = s.row + width;
	if (width >= frame->width && height >= frame->height)
		pick(&s, pixels, &range);
	else
		average(&s, pixels, &range);
	free(s.row);
	range.mean /= (double)frame->width * frame->height;
	*ret_range = range;
	return 0;
}

/* The value that `rest` pixels lie below, or above. */
static unsigned edge(const uint32_t counts[256], uint32_t rest, bool above)
{
	unsigned value = above ? 255 : 0;
	uint64_t sum = counts[value];

	while (sum <= rest && value != (above ? 0 : 255)) {
		value += above ? -1u : 1u;
		sum += counts[value];
	}
	return value;
}

void view_stretch(uint8_t *pixels, uint32_t count)
{
	uint32_t counts[256] = { 0 };
	unsigned low, high;

	for (uint32_t i = 0; i < count; i++)
		counts[pixels[i]]++;
	low = edge(counts, count / 100, false);
	high = edge(counts, count / 100, true);
	if (high <= low)
		return;
	for (uint32_t i = 0; i < count; i++) {
		const unsigned value = pixels[i] < low ? low : pixels[i] > high ? high : pixels[i];

		pixels[i] = (uint8_t)(((value - low) * 255 + (high - low) / 2) / (high - low));
	}
}
