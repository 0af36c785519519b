/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heaps.c - dma-heaps for a kernel that has none, as a library to be preloaded: $LUMARING_TEST_HEAPS names those that
 * there are ("system:linux,cma"), any other is not there, whatever the kernel has. A buffer of theirs is a memfd, which
 * libcamera's virtual camera takes like any memory; what is asked of a dma-buf is answered for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DIRECTORY "/dev/dma_heap/"
#define API __attribute__((visibility("default")))

API int open(const char *path, int flags, ...);
API int open64(const char *path, int flags, ...);
API int ioctl(int fd, unsigned long request, ...);

static bool is_there(const char *name)
{
	const char *names = getenv("LUMARING_TEST_HEAPS");
	size_t length = strlen(name);

	while (names && *names) {
		if (!strncmp(names, name, length) && (names[length] == ':' || !names[length]))
			return true;
		names = strchr(names, ':');
		names = names ? names + 1 : NULL;
	}
	return false;
}

static int open_any(const char *path, int flags, mode_t mode)
{
	if (strncmp(path, DIRECTORY, strlen(DIRECTORY)))
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (is_there(path + strlen(DIRECTORY)))
		return memfd_create("heap", MFD_CLOEXEC);
	errno = ENOENT;
	return -1;
}

static mode_t mode_of(int flags, va_list arguments)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list arguments;
	int fd;

	va_start(arguments, flags);
	fd = open_any(path, flags, mode_of(flags, arguments));
	va_end(arguments);
	return fd;
}

int open64(const char *path, int flags, ...)
{
	va_list arguments;
	int fd;

	va_start(arguments, flags);
	fd = open_any(path, flags, mode_of(flags, arguments));
	va_end(arguments);
	return fd;
}

static int allocate(struct dma_heap_allocation_data *data)
{
	int fd = memfd_create("dma-buf", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)data->len) < 0)
		return -1;
	data->fd = (uint32_t)fd;
	return 0;
}

/* What the kernel does not know of this descriptor, and is a memfd. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;
	int r;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	r = (int)syscall(SYS_ioctl, fd, request, argument);
	if (r >= 0 || errno != ENOTTY || fcntl(fd, F_GET_SEALS) < 0)
		return r;
	switch (request) {
	case DMA_HEAP_IOCTL_ALLOC:
		return allocate(argument);
	case DMA_BUF_IOCTL_SYNC:
	case DMA_BUF_SET_NAME_A:
	case DMA_BUF_SET_NAME_B:
		return 0;
	default:
		errno = ENOTTY;
		return -1;
	}
}
