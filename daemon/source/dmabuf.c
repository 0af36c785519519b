/* SPDX-License-Identifier: BSD-2-Clause */
/* dmabuf.c - see dmabuf.h. Needs no library: three requests of ioctl(2). */
#include "source/dmabuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>

#include "base/memory.h"

/* The first is the distribution's own choice for this board; those after it are names of contiguous memory, old and
 * new; memory in pieces comes last, since a device without an address translation of its own cannot use it. */
const char *const dmabuf_heaps[] = {
	"vidbuf_cached", "linux,cma", "reserved", "default_cma_region", "system", NULL,
};

int dmabuf_heap_open(const char *directory, const char *heap, int *ret_fd, char *text, size_t text_bytes)
{
	char path[256];
	int fd, r;

	if (!directory)
		directory = DMABUF_HEAP_DIRECTORY;
	if (snprintf(path, sizeof(path), "%s/%s", directory, heap) >= (int)sizeof(path)) {
		snprintf(text, text_bytes, "the path of heap %s is too long", heap);
		return -ENAMETOOLONG;
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		if (r == -ENOENT)
			snprintf(text, text_bytes, "there is no %s", path);
		else
			snprintf(text, text_bytes, "cannot open %s: %s", path, strerror(-r));
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int allocate(int heap_fd, size_t bytes, int *ret_fd, char *text, size_t text_bytes)
{
	struct dma_heap_allocation_data data = { .len = bytes, .fd_flags = O_RDWR | O_CLOEXEC };
	int r;

	do
		r = ioctl(heap_fd, DMA_HEAP_IOCTL_ALLOC, &data) < 0 ? -errno : 0;
	while (r == -EINTR);
	if (r == -ENOTTY)
		snprintf(text, text_bytes, "this is no dma-heap");
	else if (r < 0)
		snprintf(text, text_bytes, "the heap gives no %zu bytes: %s", bytes, strerror(-r));
	else
		*ret_fd = (int)data.fd;
	return r;
}

static int map(int fd, size_t bytes, const uint8_t **ret_pixels)
{
	void *pixels = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (pixels == MAP_FAILED)
		return -errno;
	/* Nor is it worth the time to read them past the caches. There is nothing to be locked: devices write there. */
	memory_hide(pixels, bytes);
	*ret_pixels = pixels;
	return 0;
}

int dmabuf_init(int heap_fd, size_t bytes, const char *name, struct dmabuf *ret_buffer, char *text, size_t text_bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	char short_name[DMABUF_NAME_MAX + 1];
	const uint8_t *pixels = NULL;
	int fd, r;

	if (bytes == 0 || bytes > DMABUF_BYTES_MAX) {
		snprintf(text, text_bytes, "a buffer of %zu bytes is not possible, 1 to %llu are", bytes,
			 (unsigned long long)DMABUF_BYTES_MAX);
		return -EINVAL;
	}
	bytes = (bytes + page_bytes - 1) / page_bytes * page_bytes;
	r = allocate(heap_fd, bytes, &fd, text, text_bytes);
	if (r < 0)
		return r;
	r = map(fd, bytes, &pixels);
	if (r < 0) {
		snprintf(text, text_bytes, "cannot map a buffer of the heap: %s", strerror(-r));
		close(fd);
		return r;
	}
	snprintf(short_name, sizeof(short_name), "%s", name);
	/* Kernels before 5.8 have no names, and nothing depends on them. */
	(void)ioctl(fd, DMA_BUF_SET_NAME_B, (uint64_t)(uintptr_t)short_name);
	*ret_buffer = (struct dmabuf){ .fd = fd, .bytes = bytes, .pixels = pixels };
	return 0;
}

int dmabuf_adopt(int fd, size_t bytes, struct dmabuf *ret_buffer, char *text, size_t text_bytes)
{
	struct dmabuf buffer = { .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .bytes = bytes };
	int r = buffer.fd < 0 ? -errno : map(buffer.fd, bytes, &buffer.pixels);

	if (r < 0) {
		snprintf(text, text_bytes, "cannot map a buffer of the driver's: %s", strerror(-r));
		if (buffer.fd >= 0)
			close(buffer.fd);
		return r;
	}
	*ret_buffer = buffer;
	return 0;
}

void dmabuf_finish(struct dmabuf *buffer)
{
	if (buffer->pixels) {
		munmap((void *)(uintptr_t)buffer->pixels, buffer->bytes);
		close(buffer->fd);
	}
	memset(buffer, 0, sizeof(*buffer));
}

static int synchronise(const struct dmabuf *buffer, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	for (unsigned tries = 0; tries < DMABUF_SYNC_TRIES_MAX; tries++) {
		if (ioctl(buffer->fd, DMA_BUF_IOCTL_SYNC, &sync) == 0)
			return 0;
		if (errno == ENOSYS)
			return -ENOTTY; /* qemu's user mode, of a request that it does not know */
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return -EAGAIN;
}

int dmabuf_begin_read(const struct dmabuf *buffer)
{
	return synchronise(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
}

int dmabuf_end_read(const struct dmabuf *buffer)
{
	return synchronise(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
}
