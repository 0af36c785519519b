/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pixels.h - how pixels lie in a capture buffer: one table of the formats that luma can be taken from.
 *
 * Names are libcamera's and V4L2's where these agree; where they do not (the order of red and blue), the bytes as they
 * lie in memory decide and are told beside each row. Pure functions for any thread.
 */
#ifndef LUMARING_BASE_PIXELS_H
#define LUMARING_BASE_PIXELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pixels {
	PIXELS_R8,        /* a byte a pixel: mono sensors, and the luma plane of NV12, NV21, YUV420, YVU420, NV16 ... */
	PIXELS_R10,       /* 16 bits a pixel, little endian, the low 10 used, the others zero: if they are not, such a
			     pixel's value is anything, and no other's is */
	PIXELS_R12,       /* the same with 12 */
	PIXELS_R16,       /* the same with all 16 */
	PIXELS_R10_CSI2P, /* MIPI CSI-2 RAW10: 4 pixels in 5 bytes, 4 times bits 9..2, then the bits 1..0 of all four,
			     pixel 0 in the lowest two */
	PIXELS_R12_CSI2P, /* RAW12: 2 pixels in 3 bytes, 2 times bits 11..4, then bits 3..0 of both, pixel 0 in the
			     lower */
	PIXELS_YUYV,      /* 2 pixels in 4 bytes: Y U Y V */
	PIXELS_YVYU,      /* Y V Y U */
	PIXELS_UYVY,      /* U Y V Y */
	PIXELS_VYUY,      /* V Y U Y */
	PIXELS_RGB24,     /* 3 bytes a pixel: R G B (libcamera's BGR888, ffmpeg's rgb24) */
	PIXELS_BGR24,     /* B G R (libcamera's RGB888, ffmpeg's bgr24) */
	PIXELS_XRGB8888,  /* 4 bytes a pixel: B G R and one unused (ffmpeg's bgr0) */
	PIXELS_XBGR8888,  /* R G B and one unused (ffmpeg's rgb0) */
	PIXELS_COUNT,
};

/* Planes of colour that follow a plane of luma where frames lie one behind the other, in a file or a pipe. */
enum pixels_chroma {
	PIXELS_CHROMA_NONE,
	PIXELS_CHROMA_420, /* half the width and the height, both rounded up; twice */
	PIXELS_CHROMA_422, /* half the width */
	PIXELS_CHROMA_444, /* as many as luma */
};

struct pixels_facts {
	const char *name;
	unsigned group_pixels; /* pixels that share ... */
	unsigned group_bytes;  /* ... these bytes */
	unsigned depth;        /* significant bits of its luma: 8, 10, 12 or 16 */
};

/* Whole frames, one behind the other: luma in one of the formats above, then colour that nobody wants. */
struct pixels_layout {
	const char *name; /* static storage */
	enum pixels pixels;
	enum pixels_chroma chroma;
};

/* Never NULL for a value of the enum. */
const struct pixels_facts *pixels_facts(enum pixels pixels);

/*
 * Find a layout by name, in either case: each format above (without colour behind it), and with luma as R8 NV12, NV21,
 * YUV420 and YVU420, NV16, NV61, YUV422 and YVU422, NV24, NV42, YUV444 and YVU444. False: there is none.
 */
bool pixels_find_layout(const char *name, struct pixels_layout *ret_layout);

/* All names of layouts, with commas; at most text_bytes. */
void pixels_list_layouts(char *text, size_t text_bytes);

/* Bytes of the colour behind the luma of an image of so many pixels, each sample of sample_bytes. */
uint64_t pixels_chroma_bytes(enum pixels_chroma chroma, uint32_t width, uint32_t height, unsigned sample_bytes);

/* Bytes of a row of so many pixels: whole groups. */
static inline size_t pixels_row_bytes(enum pixels pixels, size_t width)
{
	const struct pixels_facts *facts = pixels_facts(pixels);

	return (width + facts->group_pixels - 1) / facts->group_pixels * facts->group_bytes;
}

#endif
