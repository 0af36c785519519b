/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel.h - row operations, from a capture buffer to where the pixels are wanted, and the one table of all versions.
 *
 * A kernel does one operation on some rows. The C reference of each says what it does, is always built, and stands last
 * in the table; the others do the same to the last bit, whatever the input. Kernels are pure: any thread, no state, no
 * allocation. They read no byte of the source that lies outside the rows' pixels (packed: outside the groups that hold
 * them; COPY_FETCH: outside the aligned 64 bytes that hold them, so never beyond the page), write no byte outside the
 * destination's pixels, and need no alignment on either side. Source and destination do not overlap. Samples of 16 bits
 * are little endian. What does not fit the destination's pixel loses its high bits.
 *
 * Streaming kernels store past the caches. Their stores are ordered with others only by copy_fence(), which whoever
 * hands the pixels on calls once, after all rows.
 */
#ifndef LUMARING_COPY_KERNEL_H
#define LUMARING_COPY_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum copy_op {
	COPY_BYTES,      /* as it is: `pixels` counts bytes */
	COPY_FETCH,      /* the same from uncached memory: aligned groups of 64 bytes, each read once a row, at full
			    width and back to back; no prefetch */
	COPY_EVEN,       /* bytes 0, 2, 4 ... : luma of YUYV and YVYU */
	COPY_ODD,        /* bytes 1, 3, 5 ... : luma of UYVY and VYUY */
	COPY_NARROW,     /* 16 bits to 8: v >> right */
	COPY_SCALE,      /* 16 bits to 16: v << left | (v >> right & mask) */
	COPY_WIDEN,      /* 8 bits to 16: v << 8 | (v & mask) */
	COPY_PACKED10_8, /* RAW10 packed to 8 bits: bits 9..2 of each pixel */
	COPY_PACKED10,   /* RAW10 packed to 16 bits: v << left | (v >> right & mask) */
	COPY_PACKED12_8, /* RAW12 packed to 8 bits: bits 11..4 */
	COPY_PACKED12,   /* RAW12 packed to 16 bits: v << left | (v >> right & mask) */
	COPY_RGB,   /* luma of 3 or 4 bytes a pixel: (r * red + g * green + b * blue + offset) >> 16, at most 255 */
	COPY_BIN8,  /* mean of 2x2 of 8 bits, rounded: (a + b + c + d + 2) >> 2 */
	COPY_BIN16, /* of 16 bits */
	COPY_OPS,
};

/* Weights of COPY_RGB, 16 bits of fraction. Their sum times 255 plus the offset is below 2^32. */
struct copy_weights {
	uint32_t red, green, blue, offset;
};

/* What a kernel works on. */
struct copy_rows {
	uint8_t *destination;
	size_t destination_stride; /* bytes */
	const uint8_t *source;     /* of the first pixel; packed: of the first group */
	size_t source_stride;      /* bytes; COPY_BIN*: of one source row, of which each destination row takes two */
	size_t pixels;             /* of a destination row */
	size_t rows;               /* of the destination */
	/* Of some operations only: */
	unsigned first;           /* packed: pixels of the first group to be left out, less than a group has */
	unsigned left, right;     /* bits to shift by, 0..15 */
	uint16_t mask;            /* 0 or 0xffff */
	unsigned step;            /* COPY_RGB: bytes a pixel, 3 or 4 */
	unsigned red_at, blue_at; /* COPY_RGB: 0 and 2, or 2 and 0; green is at 1 */
	const struct copy_weights *weights;
};

typedef void copy_function(const struct copy_rows *rows);

/* Bits of cpu flags; a kernel runs where all of its own are there. */
#define COPY_CPU_SSE41 1u
#define COPY_CPU_AVX2 2u
#define COPY_CPU_AVX512 4u /* F, BW and VL */
#define COPY_CPU_NEON 8u
#define COPY_CPU_A53 16u /* Cortex-A53 or A35: in order, gains by prefetching */
#define COPY_CPU_A72 32u /* Cortex-A57 or A72: joins the accesses of one load to uncached memory */

struct copy_kernel {
	enum copy_op op;
	bool streaming;   /* stores past the caches where it can */
	const char *name; /* "bytes-avx2-streaming" */
	unsigned cpu;     /* COPY_CPU_* that it needs, 0: C */
	copy_function *function;
};

/* All that were built, best first, C last for each operation. */
extern const struct copy_kernel copy_kernels[];
extern const unsigned copy_kernel_count;

/*
 * The CPU's flags, of those that kernels were built for, cut down to what the environment variable LUMARING_CPU names:
 * c, sse41, avx2, avx512, neon, a53 or a72; each level has those below it. Looked up at the first call, the same ever
 * after. copy_cpu_error() is NULL, or one sentence when LUMARING_CPU names something else or more than this CPU has:
 * the daemon refuses to start then. Any thread.
 */
unsigned copy_cpu(void);
const char *copy_cpu_error(void);

/* "avx512", "neon", "c" ... : the highest of the flags, spelled as in LUMARING_CPU. */
const char *copy_cpu_name(unsigned cpu);

/*
 * The best kernel for these flags. Where there is none that streams, an ordinary one is given; never the other way
 * round, and never NULL.
 */
const struct copy_kernel *copy_kernel_for(enum copy_op op, bool streaming, unsigned cpu);

/* Orders all stores of this thread's kernels, streaming ones too, before whatever it stores next. */
void copy_fence(void);

/*
 * BT.601 luma of R'G'B': full range as in JFIF (ITU-T T.871, 0.299, 0.587, 0.114), or limited, 16..235 (the same times
 * 219/255).
 */
extern const struct copy_weights copy_weights_full, copy_weights_limited;

#endif
