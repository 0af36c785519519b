/* SPDX-License-Identifier: BSD-2-Clause */
/* kernels.c - the table of all kernels, how one is chosen, and what they share that is no row operation. */
#include "copy/private.h"

#ifdef COPY_X86
#include <immintrin.h>
#endif

#define KERNEL(OP, name, cpu, CPU)                                                                                     \
	{                                                                                                              \
		COPY_##OP, false, #name "-" #cpu, COPY_CPU_##CPU, copy_##name##_##cpu                                  \
	}
#define STREAMING(OP, name, cpu, CPU)                                                                                  \
	{                                                                                                              \
		COPY_##OP, true, #name "-" #cpu "-streaming", COPY_CPU_##CPU, copy_##name##_##cpu##_streaming          \
	}
#define COPY_CPU_C 0
#define REFERENCE(OP, name) KERNEL(OP, name, c, C)

const struct copy_kernel copy_kernels[] = {
#ifdef COPY_X86
	KERNEL(BYTES, bytes, avx512, AVX512),
	KERNEL(FETCH, fetch, avx512, AVX512),
	KERNEL(BYTES, bytes, avx2, AVX2),
	STREAMING(BYTES, bytes, avx2, AVX2),
	KERNEL(FETCH, fetch, avx2, AVX2),
	KERNEL(EVEN, even, avx2, AVX2),
	STREAMING(EVEN, even, avx2, AVX2),
	KERNEL(ODD, odd, avx2, AVX2),
	STREAMING(ODD, odd, avx2, AVX2),
	KERNEL(NARROW, narrow, avx2, AVX2),
	STREAMING(NARROW, narrow, avx2, AVX2),
	KERNEL(SCALE, scale, avx2, AVX2),
	STREAMING(SCALE, scale, avx2, AVX2),
	KERNEL(PACKED10_8, packed10_8, avx2, AVX2),
	STREAMING(PACKED10_8, packed10_8, avx2, AVX2),
	KERNEL(PACKED10, packed10, avx2, AVX2),
	STREAMING(PACKED10, packed10, avx2, AVX2),
	KERNEL(BIN8, bin8, avx2, AVX2),
	STREAMING(BIN8, bin8, avx2, AVX2),
	KERNEL(BIN16, bin16, avx2, AVX2),
	STREAMING(BIN16, bin16, avx2, AVX2),
	STREAMING(BYTES, bytes, sse41, SSE41),
	KERNEL(FETCH, fetch, sse41, SSE41),
	KERNEL(EVEN, even, sse41, SSE41),
	STREAMING(EVEN, even, sse41, SSE41),
	KERNEL(ODD, odd, sse41, SSE41),
	STREAMING(ODD, odd, sse41, SSE41),
	KERNEL(NARROW, narrow, sse41, SSE41),
	STREAMING(NARROW, narrow, sse41, SSE41),
	KERNEL(SCALE, scale, sse41, SSE41),
	STREAMING(SCALE, scale, sse41, SSE41),
	KERNEL(PACKED10_8, packed10_8, sse41, SSE41),
	STREAMING(PACKED10_8, packed10_8, sse41, SSE41),
	KERNEL(PACKED10, packed10, sse41, SSE41),
	KERNEL(BIN8, bin8, sse41, SSE41),
	STREAMING(BIN8, bin8, sse41, SSE41),
	KERNEL(BIN16, bin16, sse41, SSE41),
	STREAMING(BIN16, bin16, sse41, SSE41),
#endif
#ifdef COPY_ARM
	KERNEL(BYTES, bytes, a53, A53),
	KERNEL(FETCH, fetch, a72, A72),
	KERNEL(FETCH, fetch, neon, NEON),
	KERNEL(EVEN, even, neon, NEON),
	KERNEL(ODD, odd, neon, NEON),
	KERNEL(NARROW, narrow, neon, NEON),
	KERNEL(SCALE, scale, neon, NEON),
	KERNEL(PACKED10_8, packed10_8, neon, NEON),
	KERNEL(PACKED10, packed10, neon, NEON),
	KERNEL(BIN8, bin8, neon, NEON),
	KERNEL(BIN16, bin16, neon, NEON),
#endif
	REFERENCE(BYTES, bytes),
	REFERENCE(FETCH, fetch),
	REFERENCE(EVEN, even),
	REFERENCE(ODD, odd),
	REFERENCE(NARROW, narrow),
	REFERENCE(SCALE, scale),
	REFERENCE(WIDEN, widen),
	REFERENCE(PACKED10_8, packed10_8),
	REFERENCE(PACKED10, packed10),
	REFERENCE(PACKED12_8, packed12_8),
	REFERENCE(PACKED12, packed12),
	REFERENCE(RGB, rgb),
	REFERENCE(BIN8, bin8),
	REFERENCE(BIN16, bin16),
};

const unsigned copy_kernel_count = sizeof(copy_kernels) / sizeof(copy_kernels[0]);

static const struct copy_kernel *find(enum copy_op op, bool streaming, unsigned cpu)
{
	for (unsigned i = 0; i < copy_kernel_count; i++) {
		const struct copy_kernel *kernel = &copy_kernels[i];

		if (kernel->op == op && kernel->streaming == streaming && !(kernel->cpu & ~cpu))
			return kernel;
	}
	return NULL;
}

const struct copy_kernel *copy_kernel_for(enum copy_op op, bool streaming, unsigned cpu)
{
	const struct copy_kernel *kernel = streaming ? find(op, true, cpu) : NULL;

	return kernel ? kernel : find(op, false, cpu);
}

void copy_fence(void)
{
#ifdef COPY_X86
	_mm_sfence();
#endif
#ifndef COPY_UNDER_TSAN /* gcc warns there, as ThreadSanitizer knows no fences; every store is atomic then */
	__atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

const struct copy_weights copy_weights_full = { 19595, 38470, 7471, 32768 };
const struct copy_weights copy_weights_limited = { 16828, 33038, 6416, 1081856 };
