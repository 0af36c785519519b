/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * picture.h - frames as raw rows, YUV4MPEG2 and PGM, written through an output. Pixels go out from where the library
 * put them: flush before you release the frame.
 */
#ifndef LUMARING_CLI_PICTURE_H
#define LUMARING_CLI_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <lumaring/lumaring.h>

#include "output.h"

#define PICTURE_HEADER_BYTES 128u

/* Bytes of one sample: 1 or 2, or 0 for a format that this tool cannot write. */
unsigned picture_sample_bytes(uint32_t fourcc);

/*
 * Frames per second as a fraction: the whole or NTSC (N * 1000 / 1001) rate that rounds to this many microseconds,
 * else the exact one; 30:1 when it is unknown (0).
 */
void picture_rate(uint32_t frame_duration_us, uint32_t *ret_numerator, uint32_t *ret_denominator);

/* The stream header of YUV4MPEG2 in `text`, NUL-terminated; luma_range is an enum lumaring_luma_range. */
void picture_y4m_header(char text[PICTURE_HEADER_BYTES], const struct lumaring_frame *frame, uint32_t luma_range,
			uint32_t frame_duration_us, bool chroma);

/* The rows without padding, samples as in the ring (16-bit ones little endian). Gathers; 0 or a negative errno. */
int picture_put_rows(struct output *output, const struct lumaring_frame *frame);

/* Two planes of neutral chroma at half the width and height, rounded up. Flushes; 0 or a negative errno. */
int picture_write_chroma(struct output *output, const struct lumaring_frame *frame);

/* A whole binary PGM, 16-bit samples big endian as the format demands. Flushes; 0 or a negative errno. */
int picture_write_pgm(struct output *output, const struct lumaring_frame *frame);

#endif
