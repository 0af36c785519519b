/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy.c - see copy.h. The C reference.
 *
 * A client without a pin may be reading the slot while it is written here: it throws away what it read, as the sequence
 * word tells it to. That is a data race to the C language and to ThreadSanitizer, which is right for every other place.
 * Under ThreadSanitizer the stores are therefore relaxed atomics; elsewhere memcpy() does the same in less time.
 */
#include "copy/copy.h"

#include <string.h>

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define COPY_UNDER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define COPY_UNDER_TSAN 1
#endif

#ifdef COPY_UNDER_TSAN

static void copy_bytes(uint8_t *destination, const uint8_t *source, size_t bytes)
{
	size_t i = 0;

	/* Relaxed, both: the order is given by the fences around the sequence word in ring/ring.c and in the reader. */
	for (; i < bytes && (uintptr_t)(destination + i) % sizeof(uint64_t); i++)
		__atomic_store_n(destination + i, source[i], __ATOMIC_RELAXED);
	for (; bytes - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, source + i, sizeof(word));
		__atomic_store_n((uint64_t *)(void *)(destination + i), word, __ATOMIC_RELAXED);
	}
	for (; i < bytes; i++)
		__atomic_store_n(destination + i, source[i], __ATOMIC_RELAXED);
}

#else

static void copy_bytes(uint8_t *destination, const uint8_t *source, size_t bytes)
{
	memcpy(destination, source, bytes);
}

#endif

void copy_plane(uint8_t *destination, size_t destination_stride, const uint8_t *source, size_t source_stride,
		size_t row_bytes, size_t rows)
{
	if (destination_stride == row_bytes && source_stride == row_bytes) {
		copy_bytes(destination, source, row_bytes * rows);
		return;
	}
	for (; rows; rows--) {
		copy_bytes(destination, source, row_bytes);
		destination += destination_stride;
		source += source_stride;
	}
}
