/* SPDX-License-Identifier: BSD-2-Clause */
/* private.h - what the files of daemon/copy share: the kernels by name, and LUMARING_CPU as a pure function. */
#ifndef LUMARING_COPY_PRIVATE_H
#define LUMARING_COPY_PRIVATE_H

#include <stddef.h>

#include "copy/kernel.h"

/*
 * Set under ThreadSanitizer, where only the C reference is used. A client without a pin may be reading the slot while
 * it is written: it throws away what it read, as the sequence word tells it to. That is a data race to the C language
 * and to ThreadSanitizer, which is right for every other place. The reference stores with relaxed atomics there, which
 * vector code cannot.
 */
#ifdef __SANITIZE_THREAD__
#define COPY_UNDER_TSAN 1
#endif
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define COPY_UNDER_TSAN 1
#endif
#endif

#if defined(__x86_64__) && !defined(COPY_UNDER_TSAN)
#define COPY_X86 1
#endif
#if defined(__aarch64__) && !defined(COPY_UNDER_TSAN)
#define COPY_ARM 1
#endif

/* kernels_c.c: the reference of every operation. */
copy_function copy_bytes_c, copy_fetch_c, copy_even_c, copy_odd_c, copy_narrow_c, copy_scale_c, copy_widen_c;
copy_function copy_packed10_8_c, copy_packed10_c, copy_packed12_8_c, copy_packed12_c, copy_rgb_c, copy_bin8_c,
	copy_bin16_c;

/* kernels_avx512.c, kernels_avx2.c, kernels_sse41.c */
copy_function copy_bytes_avx512, copy_fetch_avx512;
copy_function copy_bytes_avx2, copy_fetch_avx2, copy_even_avx2, copy_odd_avx2, copy_narrow_avx2, copy_scale_avx2;
copy_function copy_packed10_8_avx2, copy_packed10_avx2, copy_bin8_avx2, copy_bin16_avx2;
copy_function copy_bytes_avx2_streaming, copy_even_avx2_streaming, copy_odd_avx2_streaming, copy_narrow_avx2_streaming;
copy_function copy_scale_avx2_streaming, copy_packed10_8_avx2_streaming, copy_packed10_avx2_streaming,
	copy_bin8_avx2_streaming, copy_bin16_avx2_streaming;
copy_function copy_fetch_sse41, copy_even_sse41, copy_odd_sse41, copy_narrow_sse41, copy_scale_sse41;
copy_function copy_packed10_8_sse41, copy_packed10_sse41, copy_bin8_sse41, copy_bin16_sse41;
copy_function copy_bytes_sse41_streaming, copy_even_sse41_streaming, copy_odd_sse41_streaming,
	copy_narrow_sse41_streaming;
copy_function copy_scale_sse41_streaming, copy_packed10_8_sse41_streaming, copy_bin8_sse41_streaming,
	copy_bin16_sse41_streaming;

/* kernels_neon.c */
copy_function copy_bytes_a53, copy_fetch_a72, copy_fetch_neon, copy_even_neon, copy_odd_neon, copy_narrow_neon;
copy_function copy_scale_neon, copy_packed10_8_neon, copy_packed10_neon, copy_bin8_neon, copy_bin16_neon;

/*
 * The flags that are left of `has` when LUMARING_CPU is `value`, NULL or empty when it is not set. When the value is
 * refused all are left, and `text` has a sentence; else it is empty.
 */
unsigned copy_cpu_limit(const char *value, unsigned has, char *text, size_t text_bytes);

#endif
