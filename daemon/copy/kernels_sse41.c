/* SPDX-License-Identifier: BSD-2-Clause */
/* kernels_sse41.c - blocks of 16 pixels; entered only where the CPU has SSE4.1. See walk.h. */
#include <immintrin.h>

#include "copy/private.h"

#define VECTOR_BYTES 16
typedef __m128i vector;

struct constants {
	__m128i left, right, mask;
};

static inline struct constants constants_of(const struct copy_rows *rows)
{
	return (struct constants){ _mm_cvtsi32_si128((int)rows->left), _mm_cvtsi32_si128((int)rows->right),
				   _mm_set1_epi16((short)rows->mask) };
}

#define vector_store(to, value) _mm_storeu_si128((__m128i *)(void *)(to), (value))
#define vector_prefetch(from) _mm_prefetch((from), _MM_HINT_T1)
#define STREAM_INSTRUCTION "movntdq"
#define FETCH_INSTRUCTION "movntdqa"

#include "copy/walk.h"

INLINED __m128i load(const uint8_t *source)
{
	return _mm_loadu_si128((const __m128i *)(const void *)source);
}

/* The low 8 bits of 16 words. */
INLINED __m128i pack_low(__m128i a, __m128i b)
{
	const __m128i low = _mm_set1_epi16(0xff);

	return _mm_packus_epi16(_mm_and_si128(a, low), _mm_and_si128(b, low));
}

INLINED __m128i scale(const struct constants *c, __m128i words)
{
	return _mm_or_si128(_mm_sll_epi16(words, c->left), _mm_and_si128(_mm_srl_epi16(words, c->right), c->mask));
}

/* 16 pixels of 4 groups are 20 bytes: read as two overlapping vectors, so as not to go beyond. */
INLINED __m128i packed10_8(const uint8_t *source)
{
	const __m128i three = _mm_setr_epi8(0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, -1, -1, -1, -1);
	const __m128i fourth = _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 11, 12, 13, 14);

	return _mm_or_si128(_mm_shuffle_epi8(load(source), three), _mm_shuffle_epi8(load(source + 4), fourth));
}

/*
 * `pairs` takes two groups to words of a pixel's high byte over the byte with the low bits of all four. The
 * multiplication moves the pixel's own two up to bits 7..6.
 */
INLINED __m128i packed10(const struct constants *c, __m128i bytes, __m128i pairs)
{
	const __m128i up = _mm_setr_epi16(64, 16, 4, 1, 64, 16, 4, 1);
	__m128i words = _mm_shuffle_epi8(bytes, pairs);
	__m128i low = _mm_and_si128(_mm_mullo_epi16(words, up), _mm_set1_epi16(0xc0));

	words = _mm_or_si128(_mm_andnot_si128(_mm_set1_epi16(0xff), words), low);
	return scale(c, _mm_srli_epi16(words, 6));
}

INLINED __m128i bin8(const uint8_t *source, const uint8_t *below)
{
	const __m128i ones = _mm_set1_epi8(1);
	__m128i sums = _mm_add_epi16(_mm_maddubs_epi16(load(source), ones), _mm_maddubs_epi16(load(below), ones));

	return _mm_mulhrs_epi16(sums, _mm_set1_epi16(8192)); /* a quarter, rounded half up */
}

/* There is a sum of two words with a sign only: 32768 is taken off each, and four times that put back. */
INLINED __m128i bin16(const uint8_t *source, const uint8_t *below)
{
	const __m128i ones = _mm_set1_epi16(1), sign = _mm_set1_epi16(-32768);
	__m128i sums = _mm_add_epi32(_mm_madd_epi16(_mm_xor_si128(load(source), sign), ones),
				     _mm_madd_epi16(_mm_xor_si128(load(below), sign), ones));

	return _mm_srli_epi32(_mm_add_epi32(sums, _mm_set1_epi32(4 * 32768 + 2)), 2);
}

INLINED struct block block_of(enum copy_op op, const struct constants *c, const uint8_t *s, size_t below)
{
	const __m128i first = _mm_setr_epi8(4, 0, 4, 1, 4, 2, 4, 3, 9, 5, 9, 6, 9, 7, 9, 8);
	const __m128i last = _mm_add_epi8(first, _mm_set1_epi8(6));
	const uint8_t *b = s + below;

	if (op == COPY_EVEN)
		return (struct block){ { pack_low(load(s), load(s + 16)) } };
	if (op == COPY_ODD)
		return (struct block){ { _mm_packus_epi16(_mm_srli_epi16(load(s), 8),
							  _mm_srli_epi16(load(s + 16), 8)) } };
	if (op == COPY_NARROW)
		return (struct block){ { pack_low(_mm_srl_epi16(load(s), c->right),
						  _mm_srl_epi16(load(s + 16), c->right)) } };
	if (op == COPY_SCALE)
		return (struct block){ { scale(c, load(s)), scale(c, load(s + 16)) } };
	if (op == COPY_PACKED10_8)
		return (struct block){ { packed10_8(s) } };
	if (op == COPY_PACKED10)
		return (struct block){ { packed10(c, load(s), first), packed10(c, load(s + 4), last) } };
	if (op == COPY_BIN8)
		return (struct block){ { _mm_packus_epi16(bin8(s, b), bin8(s + 16, b + 16)) } };
	if (op == COPY_BIN16)
		return (struct block){ { _mm_packus_epi32(bin16(s, b), bin16(s + 16, b + 16)),
					 _mm_packus_epi32(bin16(s + 32, b + 32), bin16(s + 48, b + 48)) } };
	return (struct block){ { load(s) } };
}

FETCH(sse41, fetch_line)
KERNEL(EVEN, even, sse41)
KERNEL(ODD, odd, sse41)
KERNEL(NARROW, narrow, sse41)
KERNEL(SCALE, scale, sse41)
KERNEL(PACKED10_8, packed10_8, sse41)
KERNEL(PACKED10, packed10, sse41)
KERNEL(BIN8, bin8, sse41)
KERNEL(BIN16, bin16, sse41)
STREAMING(BYTES, bytes, sse41)
STREAMING(EVEN, even, sse41)
STREAMING(ODD, odd, sse41)
STREAMING(NARROW, narrow, sse41)
STREAMING(SCALE, scale, sse41)
STREAMING(PACKED10_8, packed10_8, sse41)
STREAMING(BIN8, bin8, sse41)
STREAMING(BIN16, bin16, sse41)
