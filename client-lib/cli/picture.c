/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * picture.c - see picture.h. Knows file formats and nothing of rings or daemons.
 */
#include "picture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lumaring/layout.h>

#define BLOCK_BYTES 4096u

unsigned picture_sample_bytes(uint32_t fourcc)
{
	switch (fourcc) {
	case LUMARING_FORMAT_R8:
		return 1;
	case LUMARING_FORMAT_R16:
		return 2;
	}
	return 0;
}

/* Does a duration of duration_us, rounded either way, stand for `frames` frames in seconds_us? */
static bool rate_matches(uint64_t duration_us, uint64_t frames, uint64_t seconds_us)
{
	uint64_t product = duration_us * frames;

	return frames > 0 && product + frames > seconds_us && product < seconds_us + frames;
}

void picture_rate(uint32_t frame_duration_us, uint32_t *ret_numerator, uint32_t *ret_denominator)
{
	uint64_t duration_us = frame_duration_us ? frame_duration_us : 1;
	uint64_t whole = (1000000 + duration_us / 2) / duration_us;
	uint32_t a = 1000000, b = frame_duration_us;

	if (frame_duration_us == 0) {
		*ret_numerator = 30;
		*ret_denominator = 1;
		return;
	}
	if (rate_matches(duration_us, whole, 1000000)) {
		*ret_numerator = (uint32_t)whole;
		*ret_denominator = 1;
		return;
	}
	if (rate_matches(duration_us, whole, 1001000)) {
		*ret_numerator = (uint32_t)whole * 1000;
		*ret_denominator = 1001;
		return;
	}
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	*ret_numerator = 1000000 / a;
	*ret_denominator = frame_duration_us / a;
}

void picture_y4m_header(char text[PICTURE_HEADER_BYTES], const struct lumaring_frame *frame, uint32_t luma_range,
			uint32_t frame_duration_us, bool chroma)
{
	bool wide = picture_sample_bytes(frame->fourcc) == 2;
	const char *format = wide ? "mono16" : "mono", *range = "";
	uint32_t numerator, denominator;

	if (chroma)
		format = wide ? "420p16 XYSCSS=420P16" : "420jpeg";
	if (luma_range == LUMARING_RANGE_FULL)
		range = " XCOLORRANGE=FULL";
	else if (luma_range == LUMARING_RANGE_LIMITED)
		range = " XCOLORRANGE=LIMITED";
	picture_rate(frame_duration_us, &numerator, &denominator);
	snprintf(text, PICTURE_HEADER_BYTES, "YUV4MPEG2 W%u H%u F%u:%u Ip A1:1 C%s%s\n", frame->width, frame->height,
		 numerator, denominator, format, range);
}

int picture_put_rows(struct output *output, const struct lumaring_frame *frame)
{
	size_t row_bytes = (size_t)frame->width * picture_sample_bytes(frame->fourcc);
	int r = 0;

	for (uint32_t y = 0; r == 0 && y < frame->height; y++)
		r = output_put(output, frame->pixels + (size_t)y * frame->stride, row_bytes);
	return r;
}

int picture_write_chroma(struct output *output, const struct lumaring_frame *frame)
{
	size_t pixels = ((size_t)frame->width + 1) / 2 * (((size_t)frame->height + 1) / 2);
	size_t bytes = 2 * pixels * picture_sample_bytes(frame->fourcc);
	uint8_t block[BLOCK_BYTES];
	int r = 0;

	memset(block, 0x80, sizeof(block));
	if (picture_sample_bytes(frame->fourcc) == 2)
		for (size_t i = 0; i < sizeof(block); i += 2)
			block[i] = 0;
	while (r == 0 && bytes > 0) {
		size_t part = bytes < sizeof(block) ? bytes : sizeof(block);

		r = output_put(output, block, part);
		bytes -= part;
	}
	return r < 0 ? r : output_flush(output);
}

static int write_row_swapped(struct output *output, const uint8_t *row, size_t bytes)
{
	uint8_t block[BLOCK_BYTES];
	int r = 0;

	while (r == 0 && bytes > 0) {
		size_t part = bytes < sizeof(block) ? bytes : sizeof(block);

		for (size_t i = 0; i < part; i += 2) {
			block[i] = row[i + 1];
			block[i + 1] = row[i];
		}
		r = output_put(output, block, part);
		if (r == 0)
			r = output_flush(output);
		row += part;
		bytes -= part;
	}
	return r;
}

int picture_write_pgm(struct output *output, const struct lumaring_frame *frame)
{
	unsigned sample_bytes = picture_sample_bytes(frame->fourcc);
	char header[PICTURE_HEADER_BYTES];
	int n = snprintf(header, sizeof(header), "P5\n%u %u\n%u\n", frame->width, frame->height,
			 sample_bytes == 2 ? 65535u : 255u);
	int r = output_put(output, header, (size_t)n);

	if (sample_bytes == 1 && r == 0)
		r = picture_put_rows(output, frame);
	for (uint32_t y = 0; sample_bytes == 2 && r == 0 && y < frame->height; y++)
		r = write_row_swapped(output, frame->pixels + (size_t)y * frame->stride, (size_t)frame->width * 2);
	return r < 0 ? r : output_flush(output);
}
