/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buffers.h - capture buffers of a camera: of a dma-heap, imported, or the driver's own.
 *
 * Heaps are tried in the order of dmabuf_heaps[], each by a real capture into one buffer of it, since only that tells
 * whether the driver takes it; what was found is remembered for the life of this object, until a camera of another id
 * comes. Buffers are allocated once and mapped once (MADV_DONTDUMP), and serve every later configuration that fits.
 *
 * A buffer keeps its number, and its pixels stay mapped, as long as somebody holds it, whatever is prepared meanwhile:
 * larger ones get other numbers. Numbers are 0..SOURCE_BUFFERS_MAX-1.
 *
 * The *owner* (device.c, under its lock) prepares; the *reader* (capture thread) looks at pixels and synchronises
 * buffers that it holds.
 */
#ifndef LUMARING_SOURCE_BUFFERS_H
#define LUMARING_SOURCE_BUFFERS_H

#include "source/libcamera.h"

struct buffers;

struct buffers_config {
	enum source_memory memory;
	const char *heap_directory; /* NULL: DMABUF_HEAP_DIRECTORY; kept by reference */
	/* As in source_config. */
	uint64_t (*copy_ns)(const void *owner, const uint8_t *image, const struct source_format *format);
	const void *copy_owner;
	/* One frame into buffer 0 of what the camera has imported: 0, it came; -EIO: the request came back cancelled,
	 * the driver refuses the memory; -ETIMEDOUT: nothing came; -ENODEV. Starts and stops the camera. */
	int (*try_capture)(void *owner);
	void *try_owner;
};

int buffers_create(const struct buffers_config *config, struct buffers **ret_buffers);
void buffers_destroy(struct buffers *buffers);

/*
 * Owner. The camera is configured and stopped: give it configuration->buffer_count buffers, of what there is already or
 * new. `held` is a bit for each number that the reader has: these are not touched, and are given back with
 * buffers_release_held(). On success *ret_numbers[i] is the number of the camera's buffer i. `format` is what is read
 * from them; *ret_uncached: how. On failure (-ENOMEM; -EFBIG: more than is allowed; -EIO: refused by the driver
 * and no other kind was allowed; -ENODEV) what was there is there still, and text says it.
 */
int buffers_prepare(struct buffers *buffers, struct libcamera_camera *camera,
		    const struct libcamera_configuration *configuration, const struct source_format *format,
		    uint64_t held, unsigned ret_numbers[SOURCE_BUFFERS_MAX], bool *ret_uncached, char *text,
		    size_t text_bytes);

/* Owner. These are held no more: what was replaced meanwhile is freed. */
void buffers_release_held(struct buffers *buffers, uint64_t numbers);

/* Owner. The camera is about to be released: the driver's own buffers go with it; those that are held stay mapped. */
void buffers_detach(struct buffers *buffers, uint64_t held);

/* Reader. */
const uint8_t *buffers_pixels(const struct buffers *buffers, unsigned number);
int buffers_begin_read(struct buffers *buffers, unsigned number);
void buffers_end_read(struct buffers *buffers, unsigned number);

/* Owner. Fills in memory, memory_reason, the measurement, buffer_count and buffer_bytes. */
void buffers_report(const struct buffers *buffers, struct source_report *report);

#endif
