/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_dmabuf.c - what is asked of a dma-heap, in which order, and what is said when it refuses. The heap is a
 * file in a directory under /tmp, its memory a memfd, and the three requests go to an ioctl() of our own: so this shows
 * what we ask the kernel for, and not what a kernel does.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>

#include <cmocka.h>

#include "source/dmabuf.h"

static char directory[64], text[256];

static struct {
	bool heap;     /* false: as an ordinary file answers */
	bool mappable; /* what is allocated */
	int refusal;   /* errno of the allocation, 0: none */
	int answer;    /* errno of the next `times` requests to synchronise */
	unsigned times;
	uint64_t bytes, flags; /* of the last requests */
	uint32_t fd_flags;
	unsigned allocations, syncs;
	char name[64];
} kernel;

static int refuse(int error)
{
	errno = error;
	return -1;
}

static int fake_allocate(struct dma_heap_allocation_data *data)
{
	kernel.allocations++;
	kernel.bytes = data->len;
	kernel.fd_flags = data->fd_flags;
	if (kernel.refusal)
		return refuse(kernel.refusal);
	data->fd = (uint32_t)(kernel.mappable ? memfd_create("heap", 0) : open("/dev/null", O_WRONLY));
	assert_int_equal(ftruncate((int)data->fd, (off_t)data->len), kernel.mappable ? 0 : -1);
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	if (!kernel.heap)
		return refuse(ENOTTY);
	switch (request) {
	case DMA_HEAP_IOCTL_ALLOC:
		return fake_allocate(argument);
	case DMA_BUF_SET_NAME_B:
		snprintf(kernel.name, sizeof(kernel.name), "%s", (const char *)argument);
		return 0;
	case DMA_BUF_IOCTL_SYNC:
		kernel.syncs++;
		kernel.flags = ((const struct dma_buf_sync *)argument)->flags;
		if (!kernel.times)
			return 0;
		kernel.times--;
		return refuse(kernel.answer);
	}
	fail_msg("request %lx was not expected", request);
	return -1;
}

static int setup(void **state)
{
	char path[80];
	int fd;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.heap = kernel.mappable = true;
	snprintf(directory, sizeof(directory), "/tmp/lumaring-dmabuf.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/system", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
	text[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	char path[80];

	(void)state;
	snprintf(path, sizeof(path), "%s/system", directory);
	unlink(path);
	return rmdir(directory);
}

static int open_heap(void)
{
	int fd = -1;

	assert_int_equal(dmabuf_heap_open(directory, "system", &fd, text, sizeof(text)), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	return fd;
}

static struct dmabuf make(size_t bytes)
{
	struct dmabuf buffer;
	int heap_fd = open_heap();

	assert_int_equal(dmabuf_init(heap_fd, bytes, "a name of more than 31 characters", &buffer, text, sizeof(text)),
			 0);
	close(heap_fd);
	return buffer;
}

static void test_order(void **state)
{
	static const char *const order[] = { "vidbuf_cached", "linux,cma", "reserved", "default_cma_region", "system" };

	(void)state;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		assert_string_equal(dmabuf_heaps[i], order[i]);
	assert_null(dmabuf_heaps[sizeof(order) / sizeof(order[0])]);
}

static void test_no_heap(void **state)
{
	char long_directory[300], expected[128];
	int fd = -7;

	(void)state;
	assert_int_equal(dmabuf_heap_open(directory, "reserved", &fd, text, sizeof(text)), -ENOENT);
	snprintf(expected, sizeof(expected), "there is no %s/reserved", directory);
	assert_string_equal(text, expected);
	memset(long_directory, 'x', sizeof(long_directory) - 1);
	long_directory[sizeof(long_directory) - 1] = '\0';
	assert_int_equal(dmabuf_heap_open(long_directory, "system", &fd, text, sizeof(text)), -ENAMETOOLONG);
	assert_int_equal(dmabuf_heap_open("/dev/null", "system", &fd, text, sizeof(text)), -ENOTDIR);
	assert_string_equal(text, "cannot open /dev/null/system: Not a directory");
	assert_int_equal(fd, -7);
}

static void test_not_a_heap(void **state)
{
	struct dmabuf buffer = { .fd = -7 };
	int fd = open_heap();

	(void)state;
	kernel.heap = false;
	assert_int_equal(dmabuf_init(fd, 4096, "x", &buffer, text, sizeof(text)), -ENOTTY);
	assert_string_equal(text, "this is no dma-heap");
	assert_int_equal(buffer.fd, -7);
	close(fd);
}

static void test_sizes(void **state)
{
	struct dmabuf buffer = { .fd = -7 };
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open_heap();

	(void)state;
	assert_int_equal(dmabuf_init(fd, 0, "x", &buffer, text, sizeof(text)), -EINVAL);
	assert_string_equal(text, "a buffer of 0 bytes is not possible, 1 to 1073741824 are");
	assert_int_equal(dmabuf_init(fd, DMABUF_BYTES_MAX + 1, "x", &buffer, text, sizeof(text)), -EINVAL);
	assert_int_equal(kernel.allocations, 0);
	kernel.refusal = ENOMEM; /* the size itself is asked for */
	assert_int_equal(dmabuf_init(fd, DMABUF_BYTES_MAX, "x", &buffer, text, sizeof(text)), -ENOMEM);
	assert_int_equal(kernel.bytes, DMABUF_BYTES_MAX);
	assert_string_equal(text, "the heap gives no 1073741824 bytes: Cannot allocate memory");
	assert_int_equal(buffer.fd, -7);
	close(fd);
	kernel.refusal = 0;
	buffer = make(page_bytes + 1);
	assert_int_equal(buffer.bytes, 2 * page_bytes);
	assert_int_equal(kernel.bytes, 2 * page_bytes);
	assert_int_equal(buffer.pixels[2 * page_bytes - 1], 0);
	dmabuf_finish(&buffer);
}

static void test_for_a_driver(void **state)
{
	struct dmabuf buffer = make(1);
	int fd = buffer.fd;

	(void)state;
	assert_int_equal(kernel.fd_flags, O_RDWR | O_CLOEXEC); /* drivers map what they write */
	assert_string_equal(kernel.name, "a name of more than 31 characte");
	dmabuf_finish(&buffer);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_null(buffer.pixels);
	assert_true(fcntl(0, F_GETFD) >= 0 || open("/dev/null", O_RDONLY) == 0);
	dmabuf_finish(&buffer); /* zeroed memory is nothing to close, and descriptor 0 not its own */
	assert_true(fcntl(0, F_GETFD) >= 0);
}

static void test_not_mappable(void **state)
{
	struct dmabuf buffer = { .fd = -7 };
	int fd = open_heap(), next;

	(void)state;
	kernel.mappable = false;
	next = dup(fd);
	close(next);
	assert_int_equal(dmabuf_init(fd, 4096, "x", &buffer, text, sizeof(text)), -EACCES);
	assert_string_equal(text, "cannot map a buffer of the heap: Permission denied");
	assert_int_equal(buffer.fd, -7);
	assert_int_equal(fcntl(next, F_GETFD), -1); /* what was allocated is given back */
	close(fd);
}

/* qemu's user mode keeps to itself what it is told of core files. */
static bool is_emulated(void)
{
	return getenv("LUMARING_TEST_EMULATED") != NULL;
}

/* The flags of a mapping, as the kernel lists them. */
static bool is_left_out_of_core_files(const void *pixels)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	char line[512], begin[32];
	bool here = false, found = false;

	assert_non_null(file);
	snprintf(begin, sizeof(begin), "%lx-", (unsigned long)(uintptr_t)pixels);
	while (!found && fgets(line, sizeof(line), file)) {
		if (strncmp(line, begin, strlen(begin)) == 0)
			here = true;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			break;
	}
	found = here && strstr(line, " dd") != NULL;
	fclose(file);
	return found;
}

static void test_core_files(void **state)
{
	struct dmabuf buffer = make(4096);
	void *other = mmap(NULL, 4096, PROT_READ, MAP_SHARED, buffer.fd, 0);

	(void)state;
	if (is_emulated()) {
		munmap(other, 4096);
		dmabuf_finish(&buffer);
		skip();
	}
	assert_true(is_left_out_of_core_files(buffer.pixels));
	assert_false(is_left_out_of_core_files(other));
	munmap(other, 4096);
	dmabuf_finish(&buffer);
}

static void test_adopt(void **state)
{
	struct dmabuf buffer = { .fd = -7 };
	int fd = memfd_create("driver", 0), null_fd = open("/dev/null", O_WRONLY);

	(void)state;
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(pwrite(fd, "pixels", 6, 4096), 6);
	assert_int_equal(dmabuf_adopt(fd, 8192, &buffer, text, sizeof(text)), 0);
	close(fd);
	assert_memory_equal(buffer.pixels + 4096, "pixels", 6);
	assert_int_equal(buffer.bytes, 8192);
	assert_true(fcntl(buffer.fd, F_GETFD) & FD_CLOEXEC);
	assert_true(is_emulated() || is_left_out_of_core_files(buffer.pixels));
	dmabuf_finish(&buffer);
	buffer.fd = -7;
	assert_int_equal(dmabuf_adopt(-1, 8192, &buffer, text, sizeof(text)), -EBADF);
	assert_string_equal(text, "cannot map a buffer of the driver's: Bad file descriptor");
	fd = dup(null_fd);
	close(fd);
	assert_int_equal(dmabuf_adopt(null_fd, 8192, &buffer, text, sizeof(text)), -EACCES);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* the duplicate is closed */
	assert_int_equal(buffer.fd, -7);
	close(null_fd);
}

static void test_brackets(void **state)
{
	struct dmabuf buffer = make(4096);

	(void)state;
	assert_int_equal(dmabuf_begin_read(&buffer), 0);
	assert_int_equal(kernel.flags, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	assert_int_equal(dmabuf_end_read(&buffer), 0);
	assert_int_equal(kernel.flags, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	assert_int_equal(kernel.syncs, 2);
	dmabuf_finish(&buffer);
}

static void test_again(void **state)
{
	static const int answers[] = { EINTR, EAGAIN };
	struct dmabuf buffer = make(4096);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		kernel.answer = answers[i];
		kernel.syncs = 0;
		kernel.times = DMABUF_SYNC_TRIES_MAX - 1;
		assert_int_equal(dmabuf_begin_read(&buffer), 0);
		assert_int_equal(kernel.syncs, DMABUF_SYNC_TRIES_MAX);
		kernel.times = DMABUF_SYNC_TRIES_MAX;
		assert_int_equal(dmabuf_end_read(&buffer), -EAGAIN);
		assert_int_equal(kernel.syncs, 2 * DMABUF_SYNC_TRIES_MAX);
	}
	kernel.answer = EINVAL;
	kernel.times = 1;
	kernel.syncs = 0;
	assert_int_equal(dmabuf_begin_read(&buffer), -EINVAL);
	assert_int_equal(kernel.syncs, 1);
	dmabuf_finish(&buffer);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_heap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_a_heap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_for_a_driver, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_mappable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_core_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_brackets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
	};

	return cmocka_run_group_tests_name("source_dmabuf", tests, NULL, NULL);
}
