/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy.h - pixels from a capture buffer to a slot of the ring.
 *
 * Pure functions, called by the capture thread for its own frames only. No alignment is needed, no byte outside the
 * rows is read or written, and padding between rows is left alone on both sides.
 */
#ifndef LUMARING_COPY_COPY_H
#define LUMARING_COPY_COPY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Copy `rows` rows of row_bytes. Strides are in bytes and at least row_bytes; source and destination do not overlap.
 * This is the reference: whatever is faster does the same.
 */
void copy_plane(uint8_t *destination, size_t destination_stride, const uint8_t *source, size_t source_stride,
		size_t row_bytes, size_t rows);

#endif
