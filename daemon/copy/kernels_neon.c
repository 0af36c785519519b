/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernels_neon.c - blocks of 16 pixels for 64-bit Arm, in instructions of Armv8.0 alone. See walk.h.
 *
 * What had to be decided without a board at hand rests on the results of tinymembench that users of sbc-bench sent in:
 * copies between cached buffers larger than the caches, and out of the framebuffer, which is mapped as capture buffers
 * are that come from no dma-heap. Median and range of the ratios, each within one result:
 *
 *                              Cortex-A53          Cortex-A72          Cortex-A76
 *   cached, to memcpy():       37 results          9 results           10 results
 *     ldp q, stp q             1.01 (0.95..1.18)   1.00 (0.99..1.00)   1.00 (0.91..1.00)
 *     the same with prfm       1.13 (1.05..1.31)   1.00 (0.93..1.01)   1.00 (0.75..1.01)
 *   filled, to stp q: stnp q   0.80 (0.33..0.99)   1.00 (0.85..1.00)   1.00 (0.96..1.03)
 *   uncached, to ldp q:        22 results          13 results          3 results
 *     ldp x                    0.52 (0.46..0.56)   0.73 (0.32..0.79)   0.99 (0.97..1.01)
 *     ld1 of four q            0.26 (0.22..0.30)   1.10 (0.60..2.44)   1.00 (0.99..1.01)
 *
 * So there is no kernel here for plain bytes in general, and none that streams: libc's copy is as good and follows the
 * core, and stnp never gained. On an A53 a prefetch does. Uncached, an A53 seems to make an access of each pair, and
 * more of them of an ld1; an A72 makes fewer of an ld1. The rest was compared by tests/mca: uzp is cheaper than ld2.
 */
#include <arm_neon.h>
#include <string.h>

#include "copy/private.h"

#define VECTOR_BYTES 16
typedef uint8x16_t vector;

struct constants {
	int16x8_t left, right, masked_right;
};

/* A shift to the right is one to the left by a negative number; one that leaves nothing does for a mask of 0. */
static inline struct constants constants_of(const struct copy_rows *rows)
{
	const int right = -(int)rows->right;

	return (struct constants){ vdupq_n_s16((int16_t)rows->left), vdupq_n_s16((int16_t)right),
				   vdupq_n_s16((int16_t)(rows->mask ? right : -16)) };
}

#define vector_store(to, value) vst1q_u8((to), (value))
#define vector_prefetch(from) (void)(from) /* measured for plain bytes only */

#include "copy/walk.h"

/* --- blocks --- */

INLINED uint8x16_t load(const uint8_t *source)
{
	return vld1q_u8(source);
}

INLINED uint16x8_t load_16(const uint8_t *source)
{
	return vreinterpretq_u16_u8(vld1q_u8(source));
}

INLINED uint8x16_t shift(const struct constants *c, const uint8_t *source)
{
	return vreinterpretq_u8_u16(vshlq_u16(load_16(source), c->right));
}

INLINED uint8x16_t scale(const struct constants *c, uint16x8_t words)
{
	return vreinterpretq_u8_u16(vorrq_u16(vshlq_u16(words, c->left), vshlq_u16(words, c->masked_right)));
}

/* 16 pixels of 4 groups are 20 bytes: three of the groups in one vector, and the pixels of the fourth as they are. */
INLINED uint8x16_t packed10_8(const uint8_t *source)
{
	static const uint8_t three[16] = { 0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 255, 255, 255, 255 };
	uint32x4_t pixels = vreinterpretq_u32_u8(vqtbl1q_u8(load(source), vld1q_u8(three)));

	return vreinterpretq_u8_u32(vld1q_lane_u32((const uint32_t *)(const void *)(source + 15), pixels, 3));
}

/*
 * 8 pixels of two groups that begin at byte `skip`. To words of a pixel's bits 9..2 over the byte with the bits 1..0 of
 * all four; its own two go up to the top of that byte, and what is left of the others falls out.
 */
INLINED uint8x16_t packed10(const struct constants *c, uint8x16_t groups, uint8_t skip)
{
	static const uint8_t pairs[16] = { 4, 0, 4, 1, 4, 2, 4, 3, 9, 5, 9, 6, 9, 7, 9, 8 };
	static const int8_t up[16] = { 6, 0, 4, 0, 2, 0, 0, 0, 6, 0, 4, 0, 2, 0, 0, 0 };
	uint8x16_t words = vqtbl1q_u8(groups, vaddq_u8(vld1q_u8(pairs), vdupq_n_u8(skip)));

	words = vshlq_u8(words, vld1q_s8(up));
	return scale(c, vshrq_n_u16(vreinterpretq_u16_u8(words), 6));
}

/* 8 pixels of 16 bytes in each of two rows; a shift that narrows and rounds. */
INLINED uint8x8_t bin8(const uint8_t *source, const uint8_t *below)
{
	return vrshrn_n_u16(vpadalq_u8(vpaddlq_u8(load(source)), load(below)), 2);
}

INLINED uint16x4_t bin16(const uint8_t *source, const uint8_t *below)
{
	return vrshrn_n_u32(vpadalq_u16(vpaddlq_u16(load_16(source)), load_16(below)), 2);
}

INLINED uint8x16_t bin16_vector(const uint8_t *source, const uint8_t *below)
{
	return vreinterpretq_u8_u16(vcombine_u16(bin16(source, below), bin16(source + 16, below + 16)));
}

INLINED struct block block_of(enum copy_op op, const struct constants *c, const uint8_t *s, size_t below)
{
	const uint8_t *b = s + below;

	if (op == COPY_EVEN)
		return (struct block){ { vuzp1q_u8(load(s), load(s + 16)) } };
	if (op == COPY_ODD)
		return (struct block){ { vuzp2q_u8(load(s), load(s + 16)) } };
	if (op == COPY_NARROW)
		return (struct block){ { vuzp1q_u8(shift(c, s), shift(c, s + 16)) } };
	if (op == COPY_SCALE)
		return (struct block){ { scale(c, load_16(s)), scale(c, load_16(s + 16)) } };
	if (op == COPY_PACKED10_8)
		return (struct block){ { packed10_8(s) } };
	if (op == COPY_PACKED10)
		return (struct block){ { packed10(c, load(s), 0), packed10(c, load(s + 4), 6) } };
	if (op == COPY_BIN8)
		return (struct block){ { vcombine_u8(bin8(s, b), bin8(s + 16, b + 16)) } };
	if (op == COPY_BIN16)
		return (struct block){ { bin16_vector(s, b), bin16_vector(s + 32, b + 32) } };
	return (struct block){ { load(s) } };
}

/* --- uncached memory --- */

/*
 * In assembler, since a compiler may put other instructions between the loads, or make other loads of them. A line may
 * begin before the pixels and end behind them, but within the page.
 */
INLINED struct line fetch_line_ldp(const uint8_t *source)
{
	struct line line;

	__asm__ volatile("ldp %q0, %q1, [%4]\n\t"
			 "ldp %q2, %q3, [%4, #32]"
			 : "=&w"(line.part[0]), "=&w"(line.part[1]), "=w"(line.part[2]), "=w"(line.part[3])
			 : "r"(source), "m"(*(const uint8_t(*)[LINE_BYTES])source));
	return line;
}

/* The registers have to be neighbours. */
INLINED struct line fetch_line_ld1(const uint8_t *source)
{
	register vector a __asm__("v0"), b __asm__("v1"), c __asm__("v2"), d __asm__("v3");

	__asm__ volatile("ld1 {%0.16b, %1.16b, %2.16b, %3.16b}, [%4]"
			 : "=w"(a), "=w"(b), "=w"(c), "=w"(d)
			 : "r"(source), "m"(*(const uint8_t(*)[LINE_BYTES])source));
	return (struct line){ { a, b, c, d } };
}

/* --- bytes on an A53 --- */

#define PREFETCH_BYTES 320 /* as far as those who measured looked ahead */

/* Looks ahead into the row at `next` when this one ends, since what lies between them may be of no use. */
static void prefetched_row(uint8_t *destination, const uint8_t *source, size_t bytes, const uint8_t *next)
{
	/* Stores across a boundary of 16 bytes cost a second access, and there are no more stores than loads. */
	size_t done = -(uintptr_t)destination % VECTOR_BYTES;
	vector line[4];

	vector_store(destination, load(source));
	for (; bytes - done > LINE_BYTES; done += LINE_BYTES) {
		const size_t ahead = done + PREFETCH_BYTES;

		__builtin_prefetch(ahead < bytes ? source + ahead : next + (ahead - bytes), 0, 3);
		for (size_t i = 0; i < 4; i++)
			line[i] = load(source + done + i * VECTOR_BYTES);
		for (size_t i = 0; i < 4; i++)
			vector_store(destination + done + i * VECTOR_BYTES, line[i]);
	}
	/* The last 64 bytes, some of which are there already. */
	for (size_t i = 0; i < 4; i++)
		line[i] = load(source + bytes - LINE_BYTES + i * VECTOR_BYTES);
	for (size_t i = 0; i < 4; i++)
		vector_store(destination + bytes - LINE_BYTES + i * VECTOR_BYTES, line[i]);
}

void copy_bytes_a53(const struct copy_rows *rows)
{
	struct copy_rows all = *rows;

	if (rows->destination_stride == rows->pixels && rows->source_stride == rows->pixels) {
		all.pixels *= rows->rows;
		all.rows = rows->rows ? 1 : 0;
	}
	for (; all.rows; all.rows--) {
		if (all.pixels < 2 * LINE_BYTES)
			memcpy(all.destination, all.source, all.pixels);
		else
			prefetched_row(all.destination, all.source, all.pixels,
				       all.source + (all.rows > 1 ? all.source_stride : 0));
		all.destination += all.destination_stride;
		all.source += all.source_stride;
	}
}

FETCH(neon, fetch_line_ldp)
FETCH(a72, fetch_line_ld1)
KERNEL(EVEN, even, neon)
KERNEL(ODD, odd, neon)
KERNEL(NARROW, narrow, neon)
KERNEL(SCALE, scale, neon)
KERNEL(PACKED10_8, packed10_8, neon)
KERNEL(PACKED10, packed10, neon)
KERNEL(BIN8, bin8, neon)
KERNEL(BIN16, bin16, neon)
