/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * y4m.h - the two kinds of text line in a YUV4MPEG2 (Y4M) stream: bytes in, a struct or one sentence out.
 *
 * Pure functions without state or input and output, for any thread. They read `bytes` bytes and never one more, and a
 * line may hold anything, also NULs. `offset` is where the line begins in its file: sentences tell byte positions of
 * the file, as in `byte 17: the width "70000" is not in 1..65535`, and the caller puts the file's name in front.
 */
#ifndef LUMARING_SOURCE_Y4M_H
#define LUMARING_SOURCE_Y4M_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lumaring/layout.h>

#include "base/pixels.h"

/* Longest stream or frame header line, its newline included. */
#define Y4M_LINE_MAX 1024u

/* Width and height, pixels. */
#define Y4M_EXTENT_MAX LUMARING_EXTENT_MAX

struct y4m_header {
	uint32_t width, height;                    /* pixels, 1..Y4M_EXTENT_MAX */
	uint32_t rate_numerator, rate_denominator; /* frames per second, 0:0 when not told */
	enum pixels_chroma chroma;
	enum lumaring_luma_range luma_range;
	enum pixels pixels; /* PIXELS_R8, _R10, _R12 or _R16 */
};

/* True when the line is meant to be a stream header, of whatever version, also when it is cut off. */
bool y4m_is_header(const char *line, size_t bytes);

/*
 * Parse a stream header line, its newline included. Errors, with one sentence in `text`:
 *   -ENODATA  no newline, in less than Y4M_LINE_MAX bytes: the data ended within a line that was right so far
 *   -EINVAL   this is not a header, or not of footage that can be replayed
 */
int y4m_parse_header(const char *line, size_t bytes, uint64_t offset, struct y4m_header *ret_header, char *text,
		     size_t text_bytes);

/* The same for the line before each frame; its parameters are skipped. */
int y4m_parse_frame(const char *line, size_t bytes, uint64_t offset, char *text, size_t text_bytes);

#endif
