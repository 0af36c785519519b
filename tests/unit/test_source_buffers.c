/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_buffers.c - which memory a camera gets, how long it is kept, and what becomes of it when there is too
 * little. libcamera is the fake one; a heap is a file under /tmp and its memory a memfd of the heap's name, by an
 * ioctl() of our own; times are what the test says.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>

#include <cmocka.h>

#include "base/limits.h"
#include "fake_libcamera.h"
#include "source/buffers_private.h"

#define ID "/base/camera"
#define OTHER_ID "/base/other"
#define HEAP_BYTE 'h' /* in each of a heap's buffers; the driver's own have 0, ordinary memory 0x55 */
#define AT 100        /* where it is */
#define SECOND_NS 1000000000ull
#define LINES_MAX 32u
#define SMALL_BYTES 139264u /* of 320x240 pixels, whole pages */
#define LARGE_BYTES 507904u /* 640x480 */

static char directory[64], text[400];
static struct buffers *buffers;
static struct libcamera_library *library;
static struct libcamera_camera *camera;
static struct libcamera_configuration configuration;
static struct source_format format;
static struct source_report report;
static unsigned numbers[SOURCE_BUFFERS_MAX];
static bool uncached;
static int life_fd;
static unsigned descriptors; /* that are open at the beginning of a test */
static unsigned more_count;  /* buffers, than the driver gives */
static unsigned wider;       /* times the camera's stride */

static struct {
	const char *cancels, *refuses, *not_a_heap, *no_sync; /* names of heaps */
	const char *scarce;                                   /* the heap that has so much room, NULL: all */
	size_t room_bytes;                                    /* of all heaps together, 0: any */
	unsigned refusals;                                    /* allocations that fail whatever room there is */
	bool own_sync;                                        /* the driver's memory is a dma-buf */
	unsigned allocations, begins, ends, own_syncs;
} kernel;

static struct {
	uint64_t heap_ns, own_ns, own_uncached_ns, ordinary_ns;
	unsigned calls;
	size_t heap_bytes; /* that there were when the driver's own memory was read last */
} copies;

static struct {
	int result; /* instead of a capture, 0: a capture */
	unsigned count;
} tries;

static sem_t completed;
static struct libcamera_completion completion;

static char lines[LINES_MAX][512];
static unsigned line_count;

/* --- heaps ---------------------------------------------------------------------------------------------------- */

/* The file's name, without directory and "memfd:". */
static const char *name_of(int fd, char *path, size_t path_bytes)
{
	char link[64], *end;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, path_bytes - 1);
	if (n < 0)
		return "";
	path[n] = '\0';
	end = strstr(path, " (deleted)");
	if (end)
		*end = '\0';
	return strncmp(path, "/memfd:", 7) == 0 ? path + 7 : strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

static bool is_of(int fd, const char *name)
{
	char path[300];

	return name && strcmp(name_of(fd, path, sizeof(path)), name) == 0;
}

/* Descriptors of memory of this heap (NULL: all heaps), each piece once. */
static size_t memory_of(const char *heap, unsigned *ret_count)
{
	ino_t seen[4 * SOURCE_BUFFERS_MAX];
	unsigned count = 0;
	size_t bytes = 0;

	for (int fd = 3; fd < 600; fd++) {
		struct stat stat;
		char path[300];
		bool known = false;

		if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) || !stat.st_size ||
		    strcmp(name_of(fd, path, sizeof(path)), "fake camera") == 0 || (heap && !is_of(fd, heap)))
			continue;
		for (unsigned i = 0; i < count; i++)
			known = known || seen[i] == stat.st_ino;
		if (known)
			continue;
		assert_true(count < sizeof(seen) / sizeof(seen[0]));
		seen[count++] = stat.st_ino;
		bytes += (size_t)stat.st_size;
	}
	if (ret_count)
		*ret_count = count;
	return bytes;
}

static unsigned count_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 600; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Of the driver's own memory, the fake camera's included. */
static unsigned count_own_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 600; fd++)
		count += is_of(fd, "fake camera");
	return count;
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

static int fake_allocate(int heap_fd, struct dma_heap_allocation_data *data)
{
	char path[300], byte = HEAP_BYTE;
	const char *heap = name_of(heap_fd, path, sizeof(path));
	int fd;

	if (is_of(heap_fd, kernel.not_a_heap))
		return refuse(ENOTTY);
	if (kernel.refusals) {
		kernel.refusals--;
		return refuse(ENOMEM);
	}
	if (kernel.room_bytes && (!kernel.scarce || is_of(heap_fd, kernel.scarce)) &&
	    memory_of(kernel.scarce, NULL) + data->len > kernel.room_bytes)
		return refuse(ENOMEM);
	kernel.allocations++;
	fd = memfd_create(heap, MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)data->len), 0);
	assert_int_equal(pwrite(fd, &byte, 1, AT), 1);
	data->fd = (uint32_t)fd;
	return 0;
}

static int fake_sync(int fd, uint64_t flags)
{
	bool own = is_of(fd, "fake camera");

	if (own)
		__atomic_fetch_add(&kernel.own_syncs, 1, __ATOMIC_RELAXED);
	if (own && !kernel.own_sync)
		return refuse(ENOTTY);
	if (is_of(fd, kernel.no_sync) && !(flags & DMA_BUF_SYNC_END))
		return refuse(EINVAL);
	__atomic_fetch_add(flags & DMA_BUF_SYNC_END ? &kernel.ends : &kernel.begins, 1, __ATOMIC_RELAXED);
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	switch (request) {
	case DMA_HEAP_IOCTL_ALLOC:
		return fake_allocate(fd, argument);
	case DMA_BUF_SET_NAME_B:
		return 0;
	case DMA_BUF_IOCTL_SYNC:
		return fake_sync(fd, ((const struct dma_buf_sync *)argument)->flags);
	}
	return refuse(ENOTTY);
}

static bool refuses(int fd)
{
	return is_of(fd, kernel.refuses);
}

static bool cancels(int fd)
{
	return is_of(fd, kernel.cancels);
}

static void make_heap(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* --- a camera ------------------------------------------------------------------------------------------------- */

static void on_completed(void *owner, const struct libcamera_completion *what)
{
	(void)owner;
	completion = *what;
	sem_post(&completed);
}

/* One frame into the camera's buffer `index`: what came back. */
static enum libcamera_status capture(unsigned index)
{
	assert_int_equal(libcamera_start(camera, NULL, text, sizeof(text)), 0);
	assert_int_equal(libcamera_queue(camera, index, NULL), 0);
	sem_wait(&completed);
	assert_int_equal(libcamera_stop(camera), 0);
	return completion.status;
}

static int try_capture(void *owner)
{
	assert_ptr_equal(owner, &tries);
	tries.count++;
	if (tries.result)
		return tries.result;
	return capture(0) == LIBCAMERA_FRAME ? 0 : -EIO;
}

static uint64_t copy_ns(const void *owner, const uint8_t *image, const struct source_format *how)
{
	assert_ptr_equal(owner, &copies);
	assert_int_equal(how->width, format.width);
	copies.calls++;
	if (image[AT] == HEAP_BYTE)
		return how->uncached ? UINT64_MAX / 4 : copies.heap_ns;
	if (image[AT] == 0x55)
		return copies.ordinary_ns;
	copies.heap_bytes = memory_of(NULL, NULL);
	return how->uncached ? copies.own_uncached_ns : copies.own_ns;
}

static void note_line(const struct log_entry *entry)
{
	assert_true(line_count < LINES_MAX);
	snprintf(lines[line_count++], sizeof(lines[0]), "%s", entry->line);
}

static unsigned count_lines(const char *part)
{
	unsigned count = 0;

	for (unsigned i = 0; i < line_count; i++)
		count += strstr(lines[i], part) != NULL;
	return count;
}

static void acquire(const char *id)
{
	static const struct libcamera_listener listener = { .completed = on_completed };

	assert_int_equal(libcamera_acquire(library, id, &listener, &camera, text, sizeof(text)), 0);
}

static int setup(void **state)
{
	struct libcamera_description description = fake_description(ID);

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	memset(&copies, 0, sizeof(copies));
	memset(&tries, 0, sizeof(tries));
	memset(&report, 0, sizeof(report));
	line_count = more_count = 0;
	wider = 1;
	descriptors = count_descriptors();
	log_set_sink(note_line);
	snprintf(directory, sizeof(directory), "/tmp/lumaring-heaps.XXXXXX");
	assert_non_null(mkdtemp(directory));
	sem_init(&completed, 0, 0);
	fake_reset();
	fake_set_pace(FAKE_INSTANT);
	fake_refuse_memory(refuses, cancels);
	fake_plug(&description, true);
	description = fake_description(OTHER_ID);
	fake_plug(&description, true);
	life_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(libcamera_open(life_fd, &library, text, sizeof(text)), 0);
	acquire(ID);
	return 0;
}

static void create(enum source_memory memory, bool measured)
{
	const struct buffers_config config = {
		.memory = memory,
		.heap_directory = directory,
		.copy_ns = measured ? copy_ns : NULL,
		.copy_owner = &copies,
		.try_capture = try_capture,
		.try_owner = &tries,
	};

	assert_int_equal(buffers_create(&config, &buffers), 0);
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	libcamera_release(camera);
	libcamera_close(library);
	close(life_fd);
	buffers_destroy(buffers);
	buffers = NULL;
	log_set_sink(NULL);
	assert_int_equal(count_descriptors(), descriptors);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static int prepare(uint32_t width, uint32_t height, unsigned count, uint64_t held)
{
	struct libcamera_wish wish = { .format = "YUV420", .width = width, .height = height, .buffer_count = count };

	assert_int_equal(libcamera_configure(camera, &wish, &configuration, text, sizeof(text)), 0);
	configuration.buffer_count += more_count;
	format = (struct source_format){ .width = width, .height = height, .stride = wider * configuration.stride };
	memset(text, 'x', sizeof(text) - 1);
	return buffers_prepare(buffers, camera, &configuration, &format, held, numbers, &uncached, text, sizeof(text));
}

static void expect_prepared(uint32_t width, uint32_t height, unsigned count, uint64_t held)
{
	int r = prepare(width, height, count, held);

	if (r)
		fail_msg("%ux%u: %d %s", width, height, r, text);
	buffers_report(buffers, &report);
	assert_int_equal(report.buffer_count, count);
	assert_true(report.buffer_bytes >= configuration.frame_bytes);
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < i; j++)
			assert_true(numbers[i] != numbers[j]);
}

/* Each buffer of the camera gets a frame, which is seen under its number. */
static void expect_frames(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t sequence;

		assert_int_equal(capture(i), LIBCAMERA_FRAME);
		assert_int_equal(buffers_begin_read(buffers, numbers[i]), 0);
		memcpy(&sequence, buffers_pixels(buffers, numbers[i]), sizeof(sequence));
		buffers_end_read(buffers, numbers[i]);
		assert_int_equal(sequence, completion.camera_sequence);
	}
}

static void expect_kind(const char *memory, const char *reason)
{
	assert_string_equal(report.memory, memory);
	if (!strstr(report.memory_reason, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, report.memory_reason);
}

/* --- which memory --------------------------------------------------------------------------------------------- */

static void test_heap(void **state)
{
	char expected[256];

	(void)state;
	make_heap("system");
	create(SOURCE_MEMORY_AUTO, false);
	expect_prepared(640, 480, 4, 0);
	snprintf(expected, sizeof(expected), "there is no %s/vidbuf_cached; there is no %s/linux,cma; ", directory,
		 directory);
	expect_kind("dma-heap system", expected);
	assert_false(uncached);
	assert_false(report.memory_chosen_by_measurement);
	assert_int_equal(tries.count, 1);
	assert_int_equal(kernel.allocations, 4); /* the one that was tried serves */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(numbers[i], i);
	assert_int_equal(line_count, 1);
	assert_string_equal(lines[0], "capture buffers: dma-heap system");
	kernel.begins = kernel.ends = 0;
	expect_frames(4);
	assert_int_equal(kernel.begins, 4);
	assert_int_equal(kernel.ends, 4);
}

/* In the order of dmabuf_heaps[], and with one line for each that is refused. */
static void expect_next_heap(const char *why)
{
	unsigned count;
	char line[256];

	expect_prepared(640, 480, 4, 0);
	assert_string_equal(report.memory, "dma-heap system");
	snprintf(line, sizeof(line), "dma-heap reserved is not used: %s; trying what is next", why);
	if (!count_lines(line))
		fail_msg("%s", lines[0]);
	assert_int_equal(count_lines("reserved"), 1);
	assert_int_equal(count_lines("capture buffers: dma-heap system"), 1);
	assert_int_equal(line_count, 2);
	snprintf(line, sizeof(line), "dma-heap reserved: %s", why);
	expect_kind("dma-heap system", line);
	memory_of("reserved", &count);
	assert_int_equal(count, 0);
	expect_frames(4);
}

static int setup_two(void **state)
{
	int r = setup(state);

	make_heap("reserved");
	make_heap("system");
	create(SOURCE_MEMORY_AUTO, false);
	return r;
}

static void test_cancelled(void **state)
{
	(void)state;
	kernel.cancels = "reserved";
	expect_next_heap("the driver cannot capture into its memory");
	assert_int_equal(tries.count, 2);
}

static void test_not_imported(void **state)
{
	(void)state;
	kernel.refuses = "reserved";
	expect_next_heap("the memory is refused");
	assert_int_equal(tries.count, 1);
}

static void test_not_a_heap(void **state)
{
	(void)state;
	kernel.not_a_heap = "reserved";
	expect_next_heap("this is no dma-heap");
}

static void test_not_synchronised(void **state)
{
	(void)state;
	kernel.no_sync = "reserved";
	expect_next_heap("its memory cannot be synchronised: Invalid argument");
}

static void test_too_little(void **state)
{
	(void)state;
	kernel.scarce = "reserved";
	kernel.room_bytes = 3 * LARGE_BYTES;
	expect_next_heap("the heap gives no 507904 bytes: Cannot allocate memory");
	assert_int_equal(tries.count, 2);
}

/* What was refused is given back before the next is tried: there is room for one. */
static void test_refused_is_freed(void **state)
{
	(void)state;
	kernel.cancels = "reserved";
	kernel.room_bytes = LARGE_BYTES;
	expect_prepared(640, 480, 1, 0);
	assert_string_equal(report.memory, "dma-heap system");
	expect_frames(1);
}

static void test_first_is_best(void **state)
{
	(void)state;
	expect_prepared(640, 480, 4, 0);
	expect_kind("dma-heap reserved", "there is no ");
	assert_int_equal(line_count, 1);
}

/* It is taken, for all that is known, and said. */
static void test_no_frame_came(void **state)
{
	(void)state;
	tries.result = -ETIMEDOUT;
	expect_prepared(640, 480, 4, 0);
	expect_kind("dma-heap reserved", "no frame came to try dma-heap reserved with");
	assert_int_equal(count_lines("dma-heap reserved: no frame came in time, using it all the same"), 1);
	assert_int_equal(line_count, 2);
	assert_int_equal(tries.count, 1);
}

static void test_camera_gone(void **state)
{
	unsigned count;

	(void)state;
	tries.result = -ENODEV;
	assert_int_equal(prepare(640, 480, 4, 0), -ENODEV);
	assert_string_equal(text, "the camera went away");
	memory_of(NULL, &count);
	assert_int_equal(count, 0);
	assert_int_equal(line_count, 0);
	tries.result = 0;
	fake_fail(FAKE_IMPORT, -ENODEV, 1);
	assert_int_equal(prepare(640, 480, 4, 0), -ENODEV);
	assert_int_equal(line_count, 0);
	expect_prepared(640, 480, 4, 0);
	fake_fail(FAKE_IMPORT, -ENODEV, 1);
	assert_int_equal(prepare(640, 480, 4, 0), -ENODEV);
	expect_prepared(640, 480, 4, 0);
	assert_int_equal(tries.count, 2);
}

/* Once for a camera; another one is another matter. */
static void test_remembered(void **state)
{
	(void)state;
	kernel.cancels = "reserved";
	expect_prepared(640, 480, 4, 0);
	expect_prepared(320, 240, 4, 0);
	assert_int_equal(tries.count, 2);
	buffers_detach(buffers, 0);
	libcamera_release(camera);
	acquire(ID);
	expect_prepared(640, 480, 4, 0);
	assert_int_equal(tries.count, 2);
	assert_int_equal(line_count, 2);
	assert_int_equal(kernel.allocations, 5);
	buffers_detach(buffers, 0);
	libcamera_release(camera);
	acquire(OTHER_ID);
	kernel.cancels = NULL;
	expect_prepared(640, 480, 4, 0);
	assert_int_equal(tries.count, 3);
	expect_kind("dma-heap reserved", "");
	assert_null(strstr(report.memory_reason, "cannot capture"));
	assert_int_equal(memory_of("reserved", NULL), 4 * LARGE_BYTES);
	assert_int_equal(memory_of("system", NULL), 0);
}

/* A frame that is held is not what another camera is tried with. */
static void test_held_is_not_tried(void **state)
{
	uint64_t held;

	(void)state;
	expect_prepared(640, 480, 4, 0);
	expect_frames(4);
	memcpy(&held, buffers_pixels(buffers, 0), sizeof(held));
	libcamera_release(camera);
	acquire(OTHER_ID);
	expect_prepared(640, 480, 4, 0xf);
	assert_int_equal(tries.count, 2);
	for (unsigned i = 0; i < 4; i++)
		assert_true(*(const uint64_t *)(const void *)buffers_pixels(buffers, i) == held + i);
}

/* --- the driver's own ----------------------------------------------------------------------------------------- */

static void test_own(void **state)
{
	(void)state;
	make_heap("system");
	kernel.cancels = "system";
	create(SOURCE_MEMORY_AUTO, false);
	expect_prepared(640, 480, 4, 0);
	expect_kind("the driver's", "dma-heap system: the driver cannot capture into its memory");
	assert_true(uncached);
	assert_int_equal(count_lines("capture buffers: the driver's"), 1);
	assert_int_equal(line_count, 2);
	expect_frames(4);
	/* No dma-buf: it is asked once for each. */
	assert_int_equal(kernel.own_syncs, 4);
	expect_frames(4);
	assert_int_equal(kernel.own_syncs, 4);
	expect_prepared(320, 240, 3, 0);
	expect_frames(3);
	assert_int_equal(tries.count, 1);
}

static void test_own_not_enough(void **state)
{
	(void)state;
	create(SOURCE_MEMORY_UNCACHED, false);
	fake_fail(FAKE_EXPORT, -ENOMEM, 1);
	assert_int_equal(prepare(640, 480, 4, 0), -ENOMEM);
	assert_string_equal(text, "the fake says no; uncached memory was asked for");
	fake_fail(FAKE_EXPORT, -EPERM, 1);
	assert_int_equal(prepare(640, 480, 4, 0), -EIO);
	more_count = 1;
	assert_int_equal(prepare(640, 480, 4, 0), -ENOMEM);
	assert_string_equal(text,
			    "the driver has memory for 4 of 5 capture buffers only; uncached memory was asked for");
	more_count = 0;
	wider = 2;
	assert_int_equal(prepare(640, 480, 4, 0), -EIO);
	assert_string_equal(text, "the driver's buffers of 507904 bytes are too small for the image; uncached memory "
				  "was asked for");
	wider = 1;
	assert_int_equal(count_own_descriptors(), 0);
	expect_prepared(640, 480, 4, 0);
	expect_frames(4);
}

/* The driver may put more than one buffer, or something else before it, into a piece of memory. */
static void test_own_offset(void **state)
{
	struct task task = { .format = &format, .text = text, .text_bytes = sizeof(text) };
	struct libcamera_memory memory = { .fd = memfd_create("driver", MFD_CLOEXEC), .offset = 4096, .bytes = 4096 };

	(void)state;
	create(SOURCE_MEMORY_UNCACHED, false);
	task.buffers = buffers;
	format = (struct source_format){ .width = 64, .height = 64, .stride = 64 };
	assert_int_equal(ftruncate(memory.fd, 8192), 0);
	assert_int_equal(pwrite(memory.fd, "pixels", 6, 4096 + 4090), 6);
	assert_int_equal(pool_adopt(&task, &memory, 1, false), 0);
	assert_memory_equal(buffers_pixels(buffers, task.numbers[0]) + 4090, "pixels", 6);
	memory.offset = SIZE_MAX;
	assert_int_equal(pool_adopt(&task, &memory, 1, false), -EIO);
	close(memory.fd);
}

static void test_uncached_asked_for(void **state)
{
	(void)state;
	make_heap("system");
	create(SOURCE_MEMORY_UNCACHED, true);
	copies.ordinary_ns = copies.own_uncached_ns = SECOND_NS;
	copies.own_ns = 10 * SECOND_NS;
	expect_prepared(640, 480, 4, 0);
	expect_kind("the driver's", "uncached memory was asked for; a frame is read in 1000000 us past the caches");
	assert_true(uncached);
	assert_int_equal(kernel.allocations, 0);
	assert_int_equal(tries.count, 0);
	assert_false(report.memory_chosen_by_measurement);
	kernel.own_sync = true;
	kernel.own_syncs = 0;
	expect_frames(4);
	assert_int_equal(kernel.own_syncs, 0);
}

static void test_cached_only(void **state)
{
	(void)state;
	make_heap("reserved");
	make_heap("system");
	create(SOURCE_MEMORY_CACHED, true);
	kernel.cancels = "reserved";
	kernel.not_a_heap = "system";
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(prepare(640, 480, 4, 0), -EIO);
		assert_non_null(strstr(text, "no dma-heap can be used, and only cached capture buffers are allowed; "
					     "give lumaringd access to a dma-heap, or use --buffers auto: there is "));
		assert_non_null(strstr(text, "dma-heap reserved: the driver cannot capture into its memory"));
	}
	assert_int_equal(line_count, 2); /* not again each time */
	assert_int_equal(fake_count(FAKE_EXPORT), 0);
	kernel.cancels = NULL;
	copies.heap_ns = 10 * SECOND_NS;
	expect_prepared(640, 480, 4, 0);
	expect_kind("dma-heap reserved", "");
	assert_int_equal(copies.calls, 0);
	assert_int_equal(fake_count(FAKE_EXPORT), 0);
}

/* --- which is faster ------------------------------------------------------------------------------------------ */

static void expect_choice(uint64_t heap_ns, uint64_t own_ns, uint64_t own_uncached_ns, const char *memory)
{
	if (buffers) {
		buffers_destroy(buffers);
		memset(&report, 0, sizeof(report));
	}
	create(SOURCE_MEMORY_AUTO, true);
	copies.heap_ns = heap_ns;
	copies.own_ns = own_ns;
	copies.own_uncached_ns = own_uncached_ns;
	copies.ordinary_ns = SECOND_NS;
	line_count = 0;
	expect_prepared(640, 480, 4, 0);
	assert_string_equal(report.memory, memory);
	assert_int_equal(line_count, 1);
	expect_frames(4);
}

static void test_measured(void **state)
{
	const char *figures;

	(void)state;
	make_heap("system");
	kernel.own_sync = true;
	expect_choice(2 * SECOND_NS, 40 * SECOND_NS, 20 * SECOND_NS, "dma-heap system");
	assert_true(report.memory_chosen_by_measurement);
	assert_true(report.cached_copy_ns >= 2 * SECOND_NS && report.cached_copy_ns < 3 * SECOND_NS);
	assert_int_equal(report.uncached_copy_ns, 20 * SECOND_NS);
	assert_int_equal(count_lines("capture buffers: dma-heap system; a frame is read in 200"), 1);
	assert_int_equal(count_lines("in 20000000 us out of the driver's own past the caches"), 1);
	assert_false(uncached);
	/* A small part is read faster than a whole buffer is synchronised. */
	expect_choice(20 * SECOND_NS, 40 * SECOND_NS, 2 * SECOND_NS, "the driver's");
	assert_true(report.memory_chosen_by_measurement);
	assert_true(uncached);
	assert_int_equal(memory_of("system", NULL), 0);
	figures = strstr(report.memory_reason, "a frame is read");
	assert_non_null(figures);
	assert_null(strstr(figures + 1, "a frame is read")); /* measured once */
	kernel.own_syncs = 0;
	expect_frames(4);
	assert_int_equal(kernel.own_syncs, 0);
	/* As fast, or not worth it. */
	expect_choice(20 * SECOND_NS, 40 * SECOND_NS, 20 * SECOND_NS, "dma-heap system");
	expect_choice(20 * SECOND_NS, 40 * SECOND_NS, 19 * SECOND_NS, "dma-heap system");
	expect_choice(20 * SECOND_NS, 40 * SECOND_NS, 17 * SECOND_NS, "the driver's");
}

/* What a driver exports may be cached: it is read no slower than ordinary memory, and has to be synchronised. */
static void test_own_is_cached(void **state)
{
	(void)state;
	make_heap("system");
	kernel.own_sync = true;
	expect_choice(9 * SECOND_NS, SECOND_NS * 3 / 2, SECOND_NS, "the driver's");
	assert_false(uncached);
	assert_true(report.uncached_copy_ns >= SECOND_NS * 3 / 2);
	assert_non_null(strstr(report.memory_reason, "out of the driver's own, which are cached"));
	kernel.begins = kernel.ends = 0;
	expect_frames(4);
	assert_int_equal(kernel.begins, 4);
	assert_int_equal(kernel.ends, 4);
	expect_choice(9 * SECOND_NS, SECOND_NS * 3 / 2 + 1, SECOND_NS, "the driver's");
	assert_true(uncached);
	expect_choice(SECOND_NS, SECOND_NS, SECOND_NS, "dma-heap system");
	kernel.cancels = "system";
	buffers_destroy(buffers);
	create(SOURCE_MEMORY_AUTO, true);
	expect_prepared(640, 480, 4, 0);
	assert_false(uncached);
	assert_int_equal(copies.heap_bytes, 0); /* what was refused is not in the driver's way */
	expect_kind("the driver's", "a frame is read in 100");
	expect_kind("the driver's", "the driver's memory is cached here");
	assert_false(report.memory_chosen_by_measurement);
}

static void test_not_measured(void **state)
{
	(void)state;
	make_heap("system");
	expect_choice(0, SECOND_NS, SECOND_NS, "dma-heap system");
	expect_kind("dma-heap system", "how fast it is read could not be compared: nothing is copied");
	assert_false(report.memory_chosen_by_measurement);
	expect_choice(SECOND_NS, 0, 0, "dma-heap system");
	expect_kind("dma-heap system", "how fast it is read could not be compared: nothing is copied");
	fake_fail(FAKE_EXPORT, -ENOMEM, 1);
	expect_choice(9 * SECOND_NS, SECOND_NS, SECOND_NS, "dma-heap system");
	expect_kind("dma-heap system", "how fast it is read could not be compared: the fake says no");
	assert_int_equal(report.uncached_copy_ns, 0);
	assert_false(report.memory_chosen_by_measurement);
	/* It was faster, but there was not enough of it. */
	kernel.room_bytes = 3 * LARGE_BYTES;
	buffers_destroy(buffers);
	create(SOURCE_MEMORY_AUTO, true);
	copies.heap_ns = SECOND_NS;
	copies.own_uncached_ns = 9 * SECOND_NS;
	copies.own_ns = 9 * SECOND_NS;
	expect_prepared(640, 480, 4, 0);
	expect_kind("the driver's", "dma-heap system: the heap gives no 507904 bytes");
	assert_false(report.memory_chosen_by_measurement);
}

/* --- kept ----------------------------------------------------------------------------------------------------- */

static int setup_one(void **state)
{
	int r = setup(state);

	make_heap("system");
	create(SOURCE_MEMORY_AUTO, false);
	return r;
}

static void test_reused(void **state)
{
	static const uint32_t sizes[][2] = { { 1280, 800 }, { 320, 240 }, { 640, 480 }, { 1280, 720 } };
	const uint8_t *pixels[4];

	(void)state;
	expect_prepared(1280, 800, 4, 0);
	for (unsigned i = 0; i < 4; i++)
		pixels[i] = buffers_pixels(buffers, i);
	for (unsigned round = 0; round < 30; round++) {
		expect_prepared(sizes[round % 4][0], sizes[round % 4][1], 4, 0);
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(numbers[i], i);
			assert_ptr_equal(buffers_pixels(buffers, i), pixels[i]);
		}
		expect_frames(4);
	}
	assert_int_equal(kernel.allocations, 4);
}

/* For what there is nobody is asked. */
static void test_heap_vanishes(void **state)
{
	char path[128];

	(void)state;
	expect_prepared(640, 480, 4, 0);
	snprintf(path, sizeof(path), "%s/system", directory);
	assert_int_equal(unlink(path), 0);
	expect_prepared(320, 240, 4, 0);
	expect_frames(4);
	assert_int_equal(prepare(320, 240, 5, 0), -EIO);
	assert_non_null(strstr(text, "there is no "));
	expect_prepared(640, 480, 4, 0);
}

static void test_more_and_fewer(void **state)
{
	unsigned count;

	(void)state;
	expect_prepared(640, 480, 4, 0);
	expect_prepared(640, 480, 2, 0);
	assert_int_equal(numbers[1], 1);
	memory_of(NULL, &count);
	assert_int_equal(count, 4); /* kept for later */
	expect_prepared(640, 480, 6, 0);
	assert_int_equal(kernel.allocations, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(numbers[i], i);
	/* Those that nobody holds first. */
	expect_prepared(640, 480, 3, 0x3);
	assert_int_equal(numbers[0], 2);
	assert_int_equal(numbers[2], 4);
	expect_prepared(640, 480, 5, 0x3);
	assert_int_equal(numbers[0], 0);
	assert_int_equal(numbers[4], 5);
	assert_int_equal(kernel.allocations, 6);
}

/* Larger ones get other numbers while those of before are held, and these can be read. */
static void test_held_while_growing(void **state)
{
	const uint8_t *pixels;
	unsigned count;

	(void)state;
	expect_prepared(320, 240, 4, 0);
	expect_frames(4);
	pixels = buffers_pixels(buffers, 2);
	expect_prepared(640, 480, 4, 0x4);
	for (unsigned i = 0; i < 4; i++)
		assert_true(numbers[i] >= 4);
	memory_of(NULL, &count);
	assert_int_equal(count, 5);
	assert_ptr_equal(buffers_pixels(buffers, 2), pixels);
	assert_int_equal(pixels[AT], HEAP_BYTE);
	assert_int_equal(buffers_begin_read(buffers, 2), 0);
	/* Also if it is small enough again: it has been replaced. */
	expect_prepared(320, 240, 4, 0x4);
	for (unsigned i = 0; i < 4; i++)
		assert_true(numbers[i] >= 4);
	expect_prepared(320, 240, 5, 0x4);
	for (unsigned i = 0; i < 5; i++)
		assert_true(numbers[i] != 2);
	buffers_end_read(buffers, 2);
	buffers_release_held(buffers, 0x4);
	memory_of(NULL, &count);
	assert_int_equal(count, 5);
	buffers_release_held(buffers, UINT64_MAX); /* those in use stay */
	memory_of(NULL, &count);
	assert_int_equal(count, 5);
	expect_frames(5);
}

/* No room for both: those of before go, but for those that are held. */
static void test_room_by_giving_up(void **state)
{
	unsigned count;

	(void)state;
	expect_prepared(320, 240, 4, 0);
	assert_int_equal(report.buffer_bytes, SMALL_BYTES);
	kernel.room_bytes = 4 * LARGE_BYTES + SMALL_BYTES;
	expect_prepared(640, 480, 4, 0x8);
	assert_int_equal(report.buffer_bytes, LARGE_BYTES);
	memory_of(NULL, &count);
	assert_int_equal(count, 5);
	assert_int_equal(buffers_pixels(buffers, 3)[AT], HEAP_BYTE);
	expect_frames(4);
}

static void test_no_room(void **state)
{
	const uint8_t *held;
	unsigned count;

	(void)state;
	expect_prepared(320, 240, 4, 0);
	expect_frames(4);
	held = buffers_pixels(buffers, 1);
	kernel.room_bytes = 4 * LARGE_BYTES + SMALL_BYTES - 1;
	assert_int_equal(prepare(640, 480, 4, 0x2), -ENOMEM);
	assert_string_equal(text, "the heap gives no 507904 bytes: Cannot allocate memory");
	assert_ptr_equal(buffers_pixels(buffers, 1), held);
	assert_int_equal(held[AT], HEAP_BYTE);
	memory_of(NULL, &count);
	assert_int_equal(count, 4);
	kernel.allocations = 0;
	expect_prepared(320, 240, 4, 0x2);
	assert_int_equal(kernel.allocations, 0); /* there still */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(numbers[i], i);
	expect_frames(4);
	assert_string_equal(report.memory, "dma-heap system");
	/* The same where the lowest numbers are not in use. */
	kernel.room_bytes = 0;
	expect_prepared(400, 240, 4, 0xf);
	buffers_release_held(buffers, 0xf);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(numbers[i], 4 + i);
	kernel.room_bytes = 4 * LARGE_BYTES;
	assert_int_equal(prepare(800, 600, 4, 0), -ENOMEM);
	expect_prepared(400, 240, 4, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(numbers[i], 4 + i);
}

static void test_no_way_back(void **state)
{
	(void)state;
	expect_prepared(320, 240, 4, 0);
	kernel.refusals = 3; /* one more, one more after giving up, one of before */
	assert_int_equal(prepare(640, 480, 4, 0), -ENOMEM);
	assert_string_equal(text, "the heap gives no 507904 bytes: Cannot allocate memory; nor are those of before to "
				  "be had again: the heap gives no 139264 bytes: Cannot allocate memory");
	expect_prepared(320, 240, 4, 0);
	expect_frames(4);
}

/* What fails after memory was found takes it back, too. */
static void test_import_fails(void **state)
{
	unsigned count;

	(void)state;
	expect_prepared(320, 240, 4, 0);
	fake_fail(FAKE_IMPORT, -EPERM, 1);
	assert_int_equal(prepare(640, 480, 4, 0), -EIO);
	assert_string_equal(text, "the fake says no");
	assert_int_equal(memory_of(NULL, &count), 4 * SMALL_BYTES);
	kernel.allocations = 0;
	expect_prepared(320, 240, 4, 0);
	assert_int_equal(kernel.allocations, 0);
}

/* The driver's own go with the camera; who holds one has it as long as he likes. */
static void test_own_held(void **state)
{
	const uint8_t *pixels;
	uint64_t sequence, now;

	(void)state;
	buffers_destroy(buffers);
	create(SOURCE_MEMORY_UNCACHED, false);
	expect_prepared(640, 480, 4, 0);
	expect_frames(4);
	pixels = buffers_pixels(buffers, 3);
	memcpy(&sequence, pixels, sizeof(sequence));
	expect_prepared(640, 480, 4, 0x8);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(numbers[i], i < 3 ? i : 4);
	expect_frames(4);
	buffers_detach(buffers, 0x9);
	libcamera_release(camera);
	assert_ptr_equal(buffers_pixels(buffers, 3), pixels);
	memcpy(&now, pixels, sizeof(now));
	assert_int_equal(now, sequence);
	memcpy(&now, buffers_pixels(buffers, 0), sizeof(now));
	assert_true(now > sequence);
	buffers_release_held(buffers, 0x1);
	acquire(ID);
	expect_prepared(640, 480, 4, 0x8);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(numbers[i], i < 3 ? i : 4);
	buffers_release_held(buffers, 0x8);
	expect_prepared(640, 480, 4, 0);
	assert_int_equal(numbers[3], 3);
}

/* --- limits --------------------------------------------------------------------------------------------------- */

static void test_counts(void **state)
{
	(void)state;
	expect_prepared(320, 240, SOURCE_BUFFERS_MAX, 0);
	assert_int_equal(prepare(320, 240, SOURCE_BUFFERS_MAX + 1, 0), -EINVAL);
	assert_string_equal(text, "65 capture buffers of 139264 bytes are not possible");
	assert_int_equal(prepare(320, 240, 0, 0), -EINVAL);
	/* A number more than there are: */
	assert_int_equal(prepare(640, 480, SOURCE_BUFFERS_MAX, 0x1), -ENOMEM);
	assert_string_equal(text, "all 64 numbers of capture buffers are in use");
	expect_prepared(640, 480, SOURCE_BUFFERS_MAX - 1, 0x1);
	expect_frames(SOURCE_BUFFERS_MAX - 1);
	expect_prepared(640, 480, SOURCE_BUFFERS_MAX - 1, 0x1);
	buffers_release_held(buffers, 0x1);
	expect_prepared(640, 480, SOURCE_BUFFERS_MAX, 0);
}

static void test_own_counts(void **state)
{
	(void)state;
	buffers_destroy(buffers);
	create(SOURCE_MEMORY_UNCACHED, false);
	expect_prepared(320, 240, SOURCE_BUFFERS_MAX, 0);
	assert_int_equal(prepare(320, 240, SOURCE_BUFFERS_MAX, 0x1), -ENOMEM);
	assert_string_equal(text, "all 64 numbers of capture buffers are in use");
	assert_int_equal(count_own_descriptors(), 1);
	expect_prepared(320, 240, SOURCE_BUFFERS_MAX - 1, 0x1);
	expect_frames(SOURCE_BUFFERS_MAX - 1);
}

/* Sparse memory: it is never written to. */
static void test_bytes(void **state)
{
	size_t bytes;

	(void)state;
	/* 32 MiB and a page, and 32 MiB: 64 of the former are too many. */
	assert_int_equal(prepare(4000, 5549, SOURCE_BUFFERS_MAX, 0), -EFBIG);
	assert_string_equal(text,
			    "64 capture buffers for 4000x5549 pixels take 2148007936 bytes and at most 2147483648 "
			    "are allowed; use a smaller image");
	expect_prepared(4000, 5548, SOURCE_BUFFERS_MAX, 0);
	assert_int_equal(report.buffer_bytes * SOURCE_BUFFERS_MAX, LIMIT_POOL_BYTES);
	/* Few large ones and many small ones: what is kept from before counts. */
	expect_prepared(8000, 16384, 10, 0);
	bytes = memory_of(NULL, NULL);
	assert_true(bytes > LIMIT_POOL_BYTES * 8 / 10);
	expect_prepared(4000, 5000, 12, 0);
	assert_int_equal(memory_of(NULL, NULL), bytes + 2 * 30240768);
	expect_prepared(4000, 5400, SOURCE_BUFFERS_MAX, 0);
	assert_true(memory_of(NULL, NULL) <= LIMIT_POOL_BYTES);
}

static void test_nothing_yet(void **state)
{
	(void)state;
	buffers_report(buffers, &report);
	assert_string_equal(report.memory, "");
	buffers_detach(buffers, 0);
	buffers_release_held(buffers, UINT64_MAX);
	buffers_destroy(NULL);
}

/* --- owner and reader at once --------------------------------------------------------------------------------- */

static struct {
	unsigned number;
	sem_t begin, end;
	uint64_t wrong;
} reader;

/* Reads one buffer again and again until it is told to give it back. */
static void *read_held(void *argument)
{
	(void)argument;
	sem_wait(&reader.begin);
	do {
		if (buffers_begin_read(buffers, reader.number) < 0 ||
		    buffers_pixels(buffers, reader.number)[AT] != HEAP_BYTE)
			reader.wrong++;
		buffers_end_read(buffers, reader.number);
	} while (sem_trywait(&reader.end) < 0);
	return NULL;
}

static void test_reads_meanwhile(void **state)
{
	(void)state;
	sem_init(&reader.begin, 0, 0);
	sem_init(&reader.end, 0, 0);
	reader.wrong = 0;
	expect_prepared(320, 240, 4, 0);
	for (unsigned round = 0; round < 20; round++) {
		pthread_t thread;

		reader.number = numbers[round % 4];
		assert_int_equal(pthread_create(&thread, NULL, read_held, NULL), 0);
		sem_post(&reader.begin);
		expect_prepared(640 + 64 * round, 480, 4, UINT64_C(1) << reader.number);
		expect_prepared(320, 240, 6, UINT64_C(1) << reader.number);
		sem_post(&reader.end);
		pthread_join(thread, NULL);
		buffers_release_held(buffers, UINT64_C(1) << reader.number);
		expect_prepared(320, 240, 4, 0);
	}
	assert_int_equal(reader.wrong, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_heap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_not_imported, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_not_a_heap, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_not_synchronised, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_too_little, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_refused_is_freed, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_first_is_best, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_no_frame_came, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_camera_gone, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_remembered, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_held_is_not_tried, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_not_enough, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_offset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uncached_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cached_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_measured, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_is_cached, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_measured, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reused, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_heap_vanishes, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_more_and_fewer, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_held_while_growing, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_room_by_giving_up, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_no_way_back, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_import_fails, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_own_held, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_counts, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_own_counts, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_bytes, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_yet, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_reads_meanwhile, setup_one, teardown),
	};

	return cmocka_run_group_tests_name("source_buffers", tests, NULL, NULL);
}
