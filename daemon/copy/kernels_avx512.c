/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernels_avx512.c - whole lines at a time; entered only where the CPU has AVX-512 F, BW and VL. Plain copies only,
 * into the caches or from uncached memory: what computes waits for memory already with half of that width, and what is
 * stored past the caches is slower in whole lines than in two halves. See walk.h.
 */
#include <immintrin.h>

#include "copy/private.h"

#define VECTOR_BYTES 64
typedef __m512i vector;

struct constants {
	char none;
};

static inline struct constants constants_of(const struct copy_rows *rows)
{
	(void)rows;
	return (struct constants){ 0 };
}

#define vector_store(to, value) _mm512_storeu_si512((void *)(to), (value))
#define vector_prefetch(from) _mm_prefetch((from), _MM_HINT_T1)
#define STREAM_INSTRUCTION "vmovntdq"
#define FETCH_INSTRUCTION "vmovntdqa"

#include "copy/walk.h"

INLINED struct block block_of(enum copy_op op, const struct constants *constants, const uint8_t *source, size_t below)
{
	(void)op, (void)constants, (void)below;
	return (struct block){ { _mm512_loadu_si512(source) } };
}

FETCH(avx512, fetch_line)
KERNEL(BYTES, bytes, avx512)
