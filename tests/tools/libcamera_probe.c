/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libcamera_probe.c - speaks to source/libcamera.h alone, without a daemon: what cameras there are, what one can do,
 * and whether frames arrive complete and in order. A by-hand tool, and what end-to-end tests of the bridge call.
 *
 *   libcamera_probe list
 *   libcamera_probe describe ID
 *   libcamera_probe capture ID FORMAT WIDTHxHEIGHT FRAMES memfd|HEAP|export
 *
 * HEAP is a device below /dev/dma_heap. Exit code 0: as it should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dma-heap.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "source/libcamera.h"

#define BUFFERS_MAX 16u
#define QUEUE_SLOTS 64u

struct queue {
	pthread_mutex_t mutex;
	struct libcamera_completion items[QUEUE_SLOTS];
	unsigned head, tail;
	int fd;
};

static void die(const char *text)
{
	fprintf(stderr, "libcamera_probe: %s\n", text);
	exit(1);
}

static void on_log(enum log_level level, const char *text)
{
	fprintf(stderr, "<%d> %s\n", (int)level, text);
}

static void on_completed(void *owner, const struct libcamera_completion *completion)
{
	struct queue *queue = owner;

	pthread_mutex_lock(&queue->mutex);
	queue->items[queue->tail++ % QUEUE_SLOTS] = *completion;
	pthread_mutex_unlock(&queue->mutex);
	eventfd_write(queue->fd, 1);
}

static bool take(struct queue *queue, struct libcamera_completion *ret_completion)
{
	struct pollfd pollfd = { .fd = queue->fd, .events = POLLIN };
	eventfd_t count;

	for (;;) {
		bool got;

		pthread_mutex_lock(&queue->mutex);
		got = queue->head != queue->tail;
		if (got)
			*ret_completion = queue->items[queue->head++ % QUEUE_SLOTS];
		pthread_mutex_unlock(&queue->mutex);
		if (got)
			return true;
		if (poll(&pollfd, 1, 5000) <= 0)
			return false;
		eventfd_read(queue->fd, &count);
	}
}

static void list(const struct libcamera_library *library)
{
	struct source_identity cameras[SOURCE_CAMERAS_MAX];
	unsigned count = libcamera_list(library, cameras, SOURCE_CAMERAS_MAX);

	for (unsigned i = 0; i < count; i++)
		printf("%u: %s model \"%s\" location \"%s\"\n", i, cameras[i].id, cameras[i].model,
		       cameras[i].location);
	printf("%u cameras, libcamera %s\n", count, libcamera_version());
}

static void describe(const struct libcamera_camera *camera)
{
	static struct libcamera_description d;

	libcamera_describe(camera, &d);
	printf("%s: %" PRIu64 "..%" PRIu64 " ns a frame\n", d.identity.id, d.frame_duration_min_ns,
	       d.frame_duration_max_ns);
	for (unsigned i = 0; i < d.format_count; i++) {
		const struct libcamera_format *f = &d.formats[i];

		printf("%s%s %ux%u..%ux%u step %ux%u:", f->name, f->raw ? " (raw)" : "", f->minimum.width,
		       f->minimum.height, f->maximum.width, f->maximum.height, f->step.width, f->step.height);
		for (unsigned k = 0; k < f->size_count; k++)
			printf(" %ux%u", f->sizes[k].width, f->sizes[k].height);
		printf("\n");
	}
	for (unsigned i = 0; i < SOURCE_CONTROLS; i++)
		if (d.controls & SOURCE_BIT(i))
			printf("control %u: %" PRId64 "..%" PRId64 " initially %" PRId64 "\n", i, d.ranges[i].minimum,
			       d.ranges[i].maximum, d.ranges[i].initial);
}

static struct libcamera_memory make_memory(const char *from, size_t bytes)
{
	struct libcamera_memory memory = { .bytes = bytes };
	struct dma_heap_allocation_data data = { .len = bytes, .fd_flags = O_RDWR | O_CLOEXEC };
	char path[128];
	int heap;

	if (strcmp(from, "memfd") == 0) {
		memory.fd = memfd_create("frame", MFD_CLOEXEC);
		if (memory.fd < 0 || ftruncate(memory.fd, (off_t)bytes) < 0)
			die("no memfd");
		return memory;
	}
	snprintf(path, sizeof(path), "/dev/dma_heap/%s", from);
	heap = open(path, O_RDWR | O_CLOEXEC);
	if (heap < 0 || ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) < 0)
		die("no memory of this heap");
	close(heap);
	memory.fd = (int)data.fd;
	return memory;
}

static unsigned get_buffers(struct libcamera_camera *camera, const struct libcamera_configuration *configuration,
			    const char *from, struct libcamera_memory memories[BUFFERS_MAX])
{
	unsigned count = configuration->buffer_count < BUFFERS_MAX ? configuration->buffer_count : BUFFERS_MAX;
	char text[256];
	int r;

	if (strcmp(from, "export") == 0) {
		r = libcamera_export(camera, memories, BUFFERS_MAX, &count, text, sizeof(text));
	} else {
		for (unsigned i = 0; i < count; i++)
			memories[i] = make_memory(from, configuration->frame_bytes);
		r = libcamera_import(camera, memories, count, text, sizeof(text));
	}
	if (r < 0)
		die(text);
	return count;
}

/* Each frame whole, from the first byte of colour to its last, and later than the one before. */
static void check_frame(const struct libcamera_completion *completion, const struct libcamera_memory *memory,
			const struct libcamera_configuration *configuration, struct libcamera_completion *last)
{
	const uint8_t *image = mmap(NULL, memory->bytes, PROT_READ, MAP_SHARED, memory->fd, (off_t)memory->offset);
	const size_t luma_bytes = (size_t)configuration->stride * configuration->height;
	unsigned seen = 0;

	if (image == MAP_FAILED)
		die("a buffer cannot be mapped");
	if (luma_bytes < configuration->frame_bytes && (!image[luma_bytes] || !image[configuration->frame_bytes - 1]))
		die("colour is missing");
	for (uint32_t y = 0; y < configuration->height; y++)
		seen |= image[(size_t)y * configuration->stride];
	munmap((void *)(uintptr_t)image, memory->bytes);
	if (seen == 0)
		die("an image is all black");
	if (completion->bytes_used != 0 && completion->bytes_used < luma_bytes)
		die("a frame is shorter than its luma");
	if (completion->sensor_ns == 0 || completion->sensor_ns < last->sensor_ns)
		die("a frame has no time, or is earlier than the one before");
	if (last->sensor_ns != 0 && completion->camera_sequence <= last->camera_sequence)
		die("a sequence does not rise");
	*last = *completion;
}

static void capture(struct libcamera_camera *camera, struct queue *queue, char **argv)
{
	struct libcamera_wish wish = { .buffer_count = 6, .full_range = true };
	struct libcamera_change change = { .frame_duration_min_ns = 33333000, .frame_duration_max_ns = 33333000 };
	struct libcamera_memory memories[BUFFERS_MAX];
	struct libcamera_configuration configuration;
	struct libcamera_completion completion, last = { 0 };
	unsigned frames = (unsigned)strtoul(argv[5], NULL, 10), count, good = 0, cancelled = 0;
	char text[256];

	snprintf(wish.format, sizeof(wish.format), "%s", argv[3]);
	if (sscanf(argv[4], "%" SCNu32 "x%" SCNu32, &wish.width, &wish.height) != 2)
		die("a size is WIDTHxHEIGHT");
	if (libcamera_configure(camera, &wish, &configuration, text, sizeof(text)) < 0)
		die(text);
	printf("%s %ux%u stride %u, %u bytes, %u buffers, luma range %d\n", configuration.format, configuration.width,
	       configuration.height, configuration.stride, configuration.frame_bytes, configuration.buffer_count,
	       (int)configuration.luma_range);
	count = get_buffers(camera, &configuration, argv[6], memories);
	if (libcamera_queue(camera, 0, NULL) != -EACCES)
		die("a request was taken before the start");
	if (libcamera_start(camera, &change, text, sizeof(text)) < 0)
		die(text);
	for (unsigned i = 0; i < count; i++)
		if (libcamera_queue(camera, i, NULL) < 0)
			die("a request was refused");
	for (; good < frames; good++) {
		if (!take(queue, &completion))
			die("no frame for 5 seconds");
		if (completion.status != LIBCAMERA_FRAME)
			die("a frame is not good");
		check_frame(&completion, &memories[completion.buffer], &configuration, &last);
		if (libcamera_queue(camera, completion.buffer, good % 2 ? &change : NULL) < 0)
			die("a request was refused");
	}
	if (libcamera_stop(camera) < 0 || libcamera_queue(camera, 0, NULL) != -EACCES)
		die("it does not stop");
	for (unsigned i = 0; i < count && take(queue, &completion); i++)
		cancelled += completion.status == LIBCAMERA_CANCELLED;
	printf("%u frames, then %u cancelled of %u; duration %u us, exposure %u us; longest callback %" PRIu64 " ns\n",
	       good, cancelled, count, last.frame_duration_us, last.exposure_us, libcamera_longest_ns(camera));
}

int main(int argc, char **argv)
{
	static struct queue queue = { .mutex = PTHREAD_MUTEX_INITIALIZER };
	const struct libcamera_listener listener = { &queue, on_completed };
	struct libcamera_library *library = NULL;
	struct libcamera_camera *camera = NULL;
	char text[256];

	if (argc != 2 && argc != 3 && argc != 7)
		die("usage: list | describe ID | capture ID FORMAT WIDTHxHEIGHT FRAMES memfd|HEAP|export");
	queue.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	libcamera_set_log(on_log);
	if (libcamera_open(queue.fd, &library, text, sizeof(text)) < 0)
		die(text);
	if (argc == 2) {
		list(library);
	} else if (libcamera_acquire(library, argv[2], &listener, &camera, text, sizeof(text)) < 0) {
		die(text);
	} else {
		/* What is given back can be had again. */
		libcamera_release(camera);
		if (libcamera_acquire(library, argv[2], &listener, &camera, text, sizeof(text)) < 0)
			die(text);
		describe(camera);
		for (int i = 0; argc == 7 && i < 2; i++)
			capture(camera, &queue, argv);
		libcamera_release(camera);
	}
	libcamera_close(library);
	libcamera_set_log(NULL);
	return 0;
}
