/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * convert.h - from the pixels of a capture buffer to those of a stream: which kernels, in which order.
 *
 * What comes out is defined here, whatever CPU and kernels do it:
 *
 *   8 bits from more    v >> (depth - 8)
 *   16 bits from fewer  v << (16 - depth); for luma of full range the low bits repeat the high ones, so that white is
 *                       65535: from 8 bits that is v * 257, from 10 or 12 it is | v >> (2 * depth - 16)
 *   bin 2               mean of 2x2 samples of the source's own depth, rounded half up, then as above; a last column or
 *                       row without a partner is left out
 *   luma of RGB         BT.601, of the range that the source announces (see copy_weights_full)
 *
 * ffmpeg makes the same of the same formats.
 *
 * A conversion is made once per format and stream; a job is one region of one frame. copy_job_run() is pure and for any
 * thread: several may do rows of one job at once.
 */
#ifndef LUMARING_COPY_CONVERT_H
#define LUMARING_COPY_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lumaring/layout.h>

#include "base/pixels.h"
#include "copy/kernel.h"

/* Pixels of a destination row that are done at a time where more than one kernel is needed: what lies between two of
 * them stays in the first-level cache. 1024 pixels of any format take whole groups of 64 bytes. */
#define COPY_CHUNK_PIXELS 1024u

/* Per thread: two areas for what lies between kernels; two source rows of twice a chunk, 4 bytes a pixel, is the most.
 */
#define COPY_AREA_BYTES (2u * (2u * COPY_CHUNK_PIXELS * 4u + 64u))
#define COPY_SCRATCH_BYTES (2u * COPY_AREA_BYTES)

#define COPY_STEPS_MAX 4u

struct copy_step {
	const struct copy_kernel *kernel;
	struct copy_rows parameters; /* shifts, mask, weights: what does not change from row to row */
	unsigned unit;               /* COPY_BYTES and COPY_FETCH: bytes a pixel; else 1 */
	unsigned bytes;              /* of a pixel that comes out, 0: as it came in */
};

/* Constant after copy_conversion_init(). */
struct copy_conversion {
	enum pixels from;
	uint32_t fourcc;
	unsigned bin;
	bool uncached;
	struct copy_step steps[COPY_STEPS_MAX];
	unsigned step_count;
	const struct copy_kernel *last_streaming; /* instead of the last step's kernel */
};

struct copy_job {
	const struct copy_conversion *conversion;
	const struct copy_conversion
		*inner;         /* for when another job's destination is read instead of the image, or NULL */
	const uint8_t *image;   /* of the capture buffer; begins a page */
	size_t image_stride;    /* bytes */
	uint32_t x, y;          /* corner of the region in the image */
	uint32_t width, height; /* of the destination, pixels: width * bin of the image from x on */
	uint8_t *destination;
	size_t destination_stride; /* bytes */
	bool streaming;            /* store past the caches; copy_fence() is due */
};

/*
 * Choose kernels for these CPU flags. `range` is the source's, `fourcc` LUMARING_FORMAT_R8 or _R16, `bin` 1 or 2;
 * `uncached`: nothing but whole groups of 64 bytes is read from the image, each once for a row; twice where two chunks
 * cannot meet between groups (bin 2 from an odd column, a stride that no pixel divides).
 */
void copy_conversion_init(struct copy_conversion *conversion, enum pixels from, enum lumaring_luma_range range,
			  bool uncached, uint32_t fourcc, unsigned bin, unsigned cpu);

/*
 * The conversion for a stream whose region lies inside that of another one of the same fourcc, unbinned, and which
 * reads from there what `outer`, its own, would make of the image. False: the result would not be the same to the last
 * bit.
 */
bool copy_conversion_inner(const struct copy_conversion *outer, unsigned cpu, struct copy_conversion *ret_inner);

/* Its kernels by name, in order: "even-avx2, bin8-avx2". */
void copy_conversion_text(const struct copy_conversion *conversion, bool streaming, char *text, size_t text_bytes);

/* Do rows row .. row + rows - 1 of the destination. `scratch`: COPY_SCRATCH_BYTES at 64 bytes, the thread's own. */
void copy_job_run(const struct copy_job *job, uint32_t row, uint32_t rows, void *scratch);

/* Bytes a pixel of a stream has. */
static inline unsigned copy_pixel_bytes(uint32_t fourcc)
{
	return fourcc == LUMARING_FORMAT_R16 ? 2 : 1;
}

#endif
