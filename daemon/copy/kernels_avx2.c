/* SPDX-License-Identifier: BSD-2-Clause */
/* kernels_avx2.c - blocks of 32 pixels; entered only where the CPU has AVX2. See walk.h. */
#include <immintrin.h>

#include "copy/private.h"

#define VECTOR_BYTES 32
typedef __m256i vector;

struct constants {
	__m128i left, right;
	__m256i mask;
};

static inline struct constants constants_of(const struct copy_rows *rows)
{
	return (struct constants){ _mm_cvtsi32_si128((int)rows->left), _mm_cvtsi32_si128((int)rows->right),
				   _mm256_set1_epi16((short)rows->mask) };
}

#define vector_store(to, value) _mm256_storeu_si256((__m256i *)(void *)(to), (value))
#define vector_prefetch(from) _mm_prefetch((from), _MM_HINT_T1)
#define STREAM_INSTRUCTION "vmovntdq"
#define FETCH_INSTRUCTION "vmovntdqa"

#define SUM_VECTORS 4

#include "copy/walk.h"

INLINED __m256i load(const uint8_t *source)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)source);
}

/* Packing works in halves: the inner quarters change places afterwards. */
INLINED __m256i in_order(__m256i packed)
{
	return _mm256_permute4x64_epi64(packed, 0xd8);
}

INLINED __m256i pack(__m256i a, __m256i b)
{
	return in_order(_mm256_packus_epi16(a, b));
}

/* The low 8 bits of 32 words. */
INLINED __m256i pack_low(__m256i a, __m256i b)
{
	const __m256i low = _mm256_set1_epi16(0xff);

	return pack(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
}

INLINED __m256i scale(const struct constants *c, __m256i words)
{
	return _mm256_or_si256(_mm256_sll_epi16(words, c->left),
			       _mm256_and_si256(_mm256_srl_epi16(words, c->right), c->mask));
}

/* Two halves of 16 bytes. */
INLINED __m256i load_halves(const uint8_t *low, const uint8_t *high)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)low)),
				       _mm_loadu_si128((const __m128i *)(const void *)high), 1);
}

/* Each 16 pixels of 4 groups are 20 bytes: read as two overlapping halves, so as not to go beyond. */
INLINED __m256i packed10_8(const uint8_t *source)
{
	const __m256i three =
		_mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, -1, -1, -1, -1));
	const __m256i fourth = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 11, 12, 13, 14));

	return _mm256_or_si256(_mm256_shuffle_epi8(load_halves(source, source + 20), three),
			       _mm256_shuffle_epi8(load_halves(source + 4, source + 24), fourth));
}

/*
 * 16 pixels, to words of a pixel's high byte over the byte with the low bits of all four. The multiplication moves the
 * pixel's own two up to bits 7..6.
 */
INLINED __m256i packed10(const struct constants *c, const uint8_t *source)
{
	const __m256i pairs =
		_mm256_setr_epi8(4, 0, 4, 1, 4, 2, 4, 3, 9, 5, 9, 6, 9, 7, 9, 8, /* then from byte 4 on: */
				 10, 6, 10, 7, 10, 8, 10, 9, 15, 11, 15, 12, 15, 13, 15, 14);
	const __m256i up = _mm256_set1_epi64x(0x0001000400100040);
	__m256i words = _mm256_shuffle_epi8(load_halves(source, source + 4), pairs);
	__m256i low = _mm256_and_si256(_mm256_mullo_epi16(words, up), _mm256_set1_epi16(0xc0));

	words = _mm256_or_si256(_mm256_andnot_si256(_mm256_set1_epi16(0xff), words), low);
	return scale(c, _mm256_srli_epi16(words, 6));
}

/* Sums of neighbours, of 16 or 8 pairs. */
INLINED __m256i pairs8(const uint8_t *source)
{
	return _mm256_maddubs_epi16(load(source), _mm256_set1_epi8(1));
}

/* There is a sum of two words with a sign only: 32768 is taken off each; quarter16() puts four times that back. */
INLINED __m256i pairs16(const uint8_t *source)
{
	return _mm256_madd_epi16(_mm256_xor_si256(load(source), _mm256_set1_epi16(-32768)), _mm256_set1_epi16(1));
}

/* Times 8192 / 32768, rounded half up. */
INLINED __m256i quarter8(__m256i a, __m256i b)
{
	return _mm256_mulhrs_epi16(_mm256_add_epi16(a, b), _mm256_set1_epi16(8192));
}

INLINED __m256i quarter16(__m256i a, __m256i b)
{
	return _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_set1_epi32(4 * 32768 + 2)), 2);
}

/* A vector of pixels, of the sums of one row and those of the other. */
INLINED __m256i bin8(const __m256i *a, const __m256i *b)
{
	return pack(quarter8(a[0], b[0]), quarter8(a[1], b[1]));
}

INLINED __m256i bin16(const __m256i *a, const __m256i *b)
{
	return in_order(_mm256_packus_epi32(quarter16(a[0], b[0]), quarter16(a[1], b[1])));
}

INLINED void sum_line(enum copy_op op, const uint8_t *source, vector *sums)
{
	for (size_t i = 0; i < SUM_VECTORS; i++)
		sums[i] = op == COPY_BIN8 ? pairs8(source + 32 * i) : pairs16(source + 32 * i);
}

INLINED void finish_line(enum copy_op op, const uint8_t *below, const vector *sums, struct block *blocks)
{
	vector second[SUM_VECTORS];

	sum_line(op, below, second);
	if (op == COPY_BIN8) {
		blocks[0].part[0] = bin8(sums, second);
		blocks[1].part[0] = bin8(sums + 2, second + 2);
	} else {
		blocks[0].part[0] = bin16(sums, second);
		blocks[0].part[1] = bin16(sums + 2, second + 2);
	}
}

INLINED struct block binned_block(enum copy_op op, const uint8_t *source, const uint8_t *below)
{
	const size_t vectors = op == COPY_BIN8 ? 2 : 4;
	vector a[4], b[4];

	for (size_t i = 0; i < vectors; i++) {
		a[i] = op == COPY_BIN8 ? pairs8(source + 32 * i) : pairs16(source + 32 * i);
		b[i] = op == COPY_BIN8 ? pairs8(below + 32 * i) : pairs16(below + 32 * i);
	}
	if (op == COPY_BIN8)
		return (struct block){ { bin8(a, b) } };
	return (struct block){ { bin16(a, b), bin16(a + 2, b + 2) } };
}

INLINED struct block block_of(enum copy_op op, const struct constants *c, const uint8_t *s, size_t below)
{
	if (op == COPY_EVEN)
		return (struct block){ { pack_low(load(s), load(s + 32)) } };
	if (op == COPY_ODD)
		return (struct block){ { pack(_mm256_srli_epi16(load(s), 8), _mm256_srli_epi16(load(s + 32), 8)) } };
	if (op == COPY_NARROW)
		return (struct block){ { pack_low(_mm256_srl_epi16(load(s), c->right),
						  _mm256_srl_epi16(load(s + 32), c->right)) } };
	if (op == COPY_SCALE)
		return (struct block){ { scale(c, load(s)), scale(c, load(s + 32)) } };
	if (op == COPY_PACKED10_8)
		return (struct block){ { packed10_8(s) } };
	if (op == COPY_PACKED10)
		return (struct block){ { packed10(c, s), packed10(c, s + 20) } };
	if (binned(op))
		return binned_block(op, s, s + below);
	return (struct block){ { load(s) } };
}

FETCH(avx2, fetch_line)
KERNEL(BYTES, bytes, avx2)
KERNEL(EVEN, even, avx2)
KERNEL(ODD, odd, avx2)
KERNEL(NARROW, narrow, avx2)
KERNEL(SCALE, scale, avx2)
KERNEL(PACKED10_8, packed10_8, avx2)
KERNEL(PACKED10, packed10, avx2)
KERNEL(BIN8, bin8, avx2)
KERNEL(BIN16, bin16, avx2)
STREAMING(BYTES, bytes, avx2)
STREAMING(EVEN, even, avx2)
STREAMING(ODD, odd, avx2)
STREAMING(NARROW, narrow, avx2)
STREAMING(SCALE, scale, avx2)
STREAMING(PACKED10_8, packed10_8, avx2)
STREAMING(PACKED10, packed10, avx2)
STREAMING(BIN8, bin8, avx2)
STREAMING(BIN16, bin16, avx2)
