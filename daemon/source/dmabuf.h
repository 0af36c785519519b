/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dmabuf.h - capture buffers that the CPU reads through its caches: memory of the kernel's dma-heaps, for a camera's
 * driver to import.
 *
 * What a driver allocates itself is mapped past the caches on many boards, and reading it is what costs most of all. A
 * heap's memory is cached; the price is that both sides have to be told of each access: what the device wrote is there
 * for the CPU between dmabuf_begin_read() and dmabuf_end_read() only. Both work on the whole buffer, whatever part of
 * it is read.
 *
 * Not every driver can use the memory of every heap, and only an import tells: try the heaps in the order of
 * dmabuf_heaps[]. Allocate once and keep: memory that is contiguous is scarce, and gets scarcer with each time.
 *
 * Functions that can fail return 0 or a negative errno; those with `text` put one sentence there. Any thread, but one
 * at a time for one buffer.
 */
#ifndef LUMARING_DMABUF_H
#define LUMARING_DMABUF_H

#include <stddef.h>
#include <stdint.h>

#define DMABUF_HEAP_DIRECTORY "/dev/dma_heap"
#define DMABUF_BYTES_MAX (UINT64_C(1) << 30) /* of one buffer */
#define DMABUF_NAME_MAX 31u                  /* characters of a name that the kernel takes */
#define DMABUF_SYNC_TRIES_MAX 1000u          /* while the kernel says "again" */

/* Names below DMABUF_HEAP_DIRECTORY, best first; NULL ends them. */
extern const char *const dmabuf_heaps[];

struct dmabuf {
	int fd;                /* for the driver to import, which may write through it; close-on-exec */
	size_t bytes;          /* as asked for, rounded up to whole pages */
	const uint8_t *pixels; /* mapped for reading, all of it, and left out of core files; NULL: there is no buffer */
};

/*
 * Open a heap of this directory (NULL: DMABUF_HEAP_DIRECTORY). The descriptor is the caller's to close, at any time:
 * buffers do not need it. -ENOENT: this kernel has no such heap; -EACCES: it is for others; or as open(2).
 */
int dmabuf_heap_open(const char *directory, const char *heap, int *ret_fd, char *text, size_t text_bytes);

/*
 * Allocate `bytes` (1..DMABUF_BYTES_MAX) from an open heap, all zero, and map them. `name` is for people who look at
 * the kernel's list of buffers, cut at DMABUF_NAME_MAX. -EINVAL: so many bytes are not possible; -ENOTTY: no heap; or
 * as the kernel says, -ENOMEM above all. *ret_buffer is untouched on failure.
 */
int dmabuf_init(int heap_fd, size_t bytes, const char *name, struct dmabuf *ret_buffer, char *text, size_t text_bytes);

/*
 * Map so many bytes, from the first one, of memory that a driver has allocated. Its descriptor is duplicated: the
 * memory stays when the driver is done with it. As mmap(2) and fcntl(2) fail; *ret_buffer is untouched then.
 */
int dmabuf_adopt(int fd, size_t bytes, struct dmabuf *ret_buffer, char *text, size_t text_bytes);

/* Zeroed memory is allowed, and what is left is zeroed memory. A driver that imported it keeps it alive. */
void dmabuf_finish(struct dmabuf *buffer);

/*
 * From here on the CPU may read what the device has written; call when the device is done with it. Once for any number
 * of threads and processes. Starts again when a signal came; -EAGAIN: the kernel would not, again and again.
 */
int dmabuf_begin_read(const struct dmabuf *buffer);

/* The CPU has read, all threads of it; call before the device gets it again. */
int dmabuf_end_read(const struct dmabuf *buffer);

#endif
