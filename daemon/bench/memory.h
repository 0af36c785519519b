/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.h - capture buffers of one kind, as the benchmark reads them: plain ones and those of a dma-heap. The buffers
 * of a driver are in v4l2.h.
 */
#ifndef LUMARING_BENCH_MEMORY_H
#define LUMARING_BENCH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pixels.h"
#include "source/dmabuf.h"

#define BENCH_BUFFERS_MAX 32u /* as many as a V4L2 queue takes */
#define BENCH_BUFFERS_MIN 6u

/* How an image lies in a buffer. */
struct bench_layout {
	uint32_t width, height; /* pixels; `bytes_only`: bytes and rows */
	size_t stride;          /* bytes */
	enum pixels pixels;
	bool bytes_only; /* a format without luma that we know: its bytes are read as they are */
};

struct bench_memory {
	char name[24]; /* in the table: "plain", "video0", "system" */
	struct bench_layout layout;
	unsigned count;
	const uint8_t *buffers[BENCH_BUFFERS_MAX];
	bool uncached;                            /* as measured */
	bool synchronised;                        /* each frame between SYNC START and END: */
	struct dmabuf dmabufs[BENCH_BUFFERS_MAX]; /* of a dma-heap */
	void *plain;                              /* of plain memory */
	size_t plain_bytes;
};

/*
 * How many buffers of this size: more than any cache holds, as far as it is known, so that no copy is flattered, and
 * no more than an eighth of the memory.
 */
unsigned bench_buffer_count(size_t buffer_bytes);

/* The bytes of one image. */
size_t bench_layout_bytes(const struct bench_layout *layout);

/*
 * Whether a buffer and the slots of a ring, all of this size, are at most a quarter of the memory: 0, or -EFBIG with
 * one sentence. All of it is written to, so beyond that other programs would be driven out of theirs.
 */
int bench_check_room(size_t image_bytes, unsigned slots, char *text, size_t text_bytes);

/* 0 or -ENOMEM. */
int bench_memory_plain(const struct bench_layout *layout, struct bench_memory *ret_memory);

/* Buffers of so many bytes from this heap; see dmabuf.h for errors and `text`. */
int bench_memory_heap(const char *heap, const struct bench_layout *layout, size_t buffer_bytes, unsigned count,
		      struct bench_memory *ret_memory, char *text, size_t text_bytes);

/* Zeroed memory is allowed; not for a driver's buffers. */
void bench_memory_finish(struct bench_memory *memory);

#endif
