/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buffers_choose.c - see buffers_private.h: which memory a camera's driver takes, found out by capturing into it, and
 * which of two that it takes is read faster. Once for each camera; owner's side. Each kind that is refused is logged
 * once, and so is what was chosen.
 */
#include "source/buffers_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* The driver's own memory has to be read so much faster that this part of the heap's time is saved. */
#define WORTH_PART 10u

static void add_reason(struct buffers *buffers, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_reason(struct buffers *buffers, const char *format, ...)
{
	size_t used = strlen(buffers->reason);
	va_list arguments;

	if (used)
		used += (size_t)snprintf(buffers->reason + used, sizeof(buffers->reason) - used, "; ");
	if (used >= sizeof(buffers->reason))
		return;
	va_start(arguments, format);
	vsnprintf(buffers->reason + used, sizeof(buffers->reason) - used, format, arguments);
	va_end(arguments);
}

static void set_figures(struct buffers *buffers, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What was measured, also a reason. */
static void set_figures(struct buffers *buffers, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(buffers->figures, sizeof(buffers->figures), format, arguments);
	va_end(arguments);
	add_reason(buffers, "%s", buffers->figures);
}

int import_pieces(struct task *task, unsigned count)
{
	struct libcamera_memory memories[SOURCE_BUFFERS_MAX];
	int r;

	for (unsigned i = 0; i < count; i++) {
		const struct piece *piece = &task->buffers->pieces[task->numbers[i]];

		memories[i] = (struct libcamera_memory){ .fd = piece->memory.fd, .bytes = piece->memory.bytes };
	}
	r = libcamera_import(task->camera, memories, count, task->text, task->text_bytes);
	return r < 0 && r != -ENODEV ? -EIO : r;
}

/* Where it is known that the CPU reads it past its caches, there is nothing to tell. */
static bool is_own_synchronised(const struct buffers *buffers)
{
	return !buffers->own_ns || !buffers->own_uncached;
}

int export_pieces(struct task *task)
{
	struct libcamera_memory memories[SOURCE_BUFFERS_MAX];
	unsigned count = 0;
	int r = libcamera_export(task->camera, memories, task->count, &count, task->text, task->text_bytes);

	if (r < 0)
		return r == -ENODEV || r == -ENOMEM ? r : -EIO;
	if (count < task->count)
		return task_fail(task, -ENOMEM, "the driver has memory for %u of %u capture buffers only", count,
				 task->count);
	return pool_adopt(task, memories, task->count, is_own_synchronised(task->buffers));
}

/* --- a heap --------------------------------------------------------------------------------------------------- */

static int capture_one(struct task *task, const char *heap)
{
	const struct buffers_config *config = &task->buffers->config;
	const struct dmabuf *memory = &task->buffers->pieces[task->numbers[0]].memory;
	int r = config->try_capture(config->try_owner);

	if (r == -ENODEV)
		return task_fail(task, r, "the camera went away");
	if (r == -EIO)
		return task_fail(task, r, "the driver cannot capture into its memory");
	if (r < 0 && r != -ETIMEDOUT)
		return task_fail(task, -EIO, "no frame can be captured into its memory: %s", strerror(-r));
	if (r == -ETIMEDOUT) {
		log_notice("dma-heap %s: no frame came in time, using it all the same", heap);
		add_reason(task->buffers, "no frame came to try dma-heap %s with", heap);
	}
	r = dmabuf_begin_read(memory);
	if (r == 0)
		r = dmabuf_end_read(memory);
	return r < 0 ? task_fail(task, -EIO, "its memory cannot be synchronised: %s", strerror(-r)) : 0;
}

/* One buffer of it: the camera takes it, and it can be read. -ENODEV: the camera is gone. -ENOENT: no such heap. */
static int try_heap(struct task *task, const char *heap)
{
	int r = pool_get(task, heap, 1, false);

	if (r < 0)
		return r == -ENODEV ? -ENXIO : r;
	r = import_pieces(task, 1);
	return r < 0 ? r : capture_one(task, heap);
}

/* All of them. */
static int use_heap(struct task *task, const char *heap)
{
	int r = pool_get(task, heap, task->count, true);

	return r < 0 ? r : import_pieces(task, task->count);
}

/* --- which is read faster ------------------------------------------------------------------------------------- */

/* Have the driver allocate, only to measure. 0: it cannot be told, and task->text says why. */
static uint64_t look_at_own(struct task *task, bool *ret_uncached)
{
	struct libcamera_memory memories[SOURCE_BUFFERS_MAX];
	struct piece piece = { .synchronised = true };
	uint64_t own_ns = 0;
	unsigned count = 0;
	int r;

	libcamera_forget(task->camera);
	r = libcamera_export(task->camera, memories, task->count, &count, task->text, task->text_bytes);
	if (r == 0 && (!count || memories[0].bytes < (uint64_t)task->format->stride * task->format->height))
		r = task_fail(task, -EIO, "they are too small");
	if (r == 0)
		r = dmabuf_adopt(memories[0].fd, memories[0].offset + memories[0].bytes, &piece.memory, task->text,
				 task->text_bytes);
	piece.offset = count ? memories[0].offset : 0;
	if (r == 0)
		own_ns = measure_own(task->buffers, &piece, task->format, ret_uncached);
	if (r == 0 && !own_ns)
		task_fail(task, 0, "nothing is copied");
	dmabuf_finish(&piece.memory);
	libcamera_forget(task->camera);
	return own_ns;
}

/* The driver's own memory is read faster than the heap's, which task->numbers[0] is of. */
static bool is_own_faster(struct task *task, const char *heap)
{
	struct buffers *buffers = task->buffers;
	char why[128] = "";
	bool uncached = true;
	struct task look = *task;

	if (buffers->config.memory != SOURCE_MEMORY_AUTO || !buffers->config.copy_ns)
		return false;
	look.text = why;
	look.text_bytes = sizeof(why);
	buffers->heap_ns = measure_heap(buffers, &buffers->pieces[task->numbers[0]], task->format);
	buffers->own_ns = buffers->heap_ns ? look_at_own(&look, &uncached) : 0;
	buffers->own_uncached = uncached;
	buffers->by_measurement = buffers->own_ns != 0;
	if (!buffers->by_measurement) {
		set_figures(buffers, "how fast it is read could not be compared: %s",
			    buffers->heap_ns ? why : "nothing is copied");
		return false;
	}
	set_figures(buffers, "a frame is read in %llu us out of dma-heap %s, in %llu us out of the driver's own%s",
		    (unsigned long long)(buffers->heap_ns / NS_PER_US), heap,
		    (unsigned long long)(buffers->own_ns / NS_PER_US),
		    uncached ? " past the caches" : ", which are cached");
	return buffers->own_ns + buffers->heap_ns / WORTH_PART < buffers->heap_ns;
}

/* --- the choice ----------------------------------------------------------------------------------------------- */

/* Whoever tries again and again is not told the same each time. */
static void refuse_heap(struct buffers *buffers, const char *heap, int error, const char *why)
{
	const struct log_fields fields = { .event = LOG_EVENT_HEAP_REFUSED, .error = -error };
	char sentence[320];

	snprintf(sentence, sizeof(sentence), "dma-heap %s: %s", heap, why);
	add_reason(buffers, "%s", sentence);
	if (!strstr(buffers->told, sentence))
		log_event(LOG_LEVEL_NOTICE, &fields, "dma-heap %s is not used: %s; trying what is next", heap, why);
}

/* How a heap ended that was tried. */
enum heap_end { HEAP_USED, HEAP_REFUSED, HEAP_SLOWER, HEAP_CAMERA_GONE };

static enum heap_end try_to_use(struct task *task, const char *heap)
{
	int r = try_heap(task, heap);

	if (r == 0 && is_own_faster(task, heap))
		return HEAP_SLOWER;
	if (r == 0)
		r = use_heap(task, heap);
	if (r == 0)
		return HEAP_USED;
	if (r == -ENODEV)
		return HEAP_CAMERA_GONE;
	if (r == -ENOENT)
		add_reason(task->buffers, "%s", task->text);
	else
		refuse_heap(task->buffers, heap, r, task->text);
	return HEAP_REFUSED;
}

/* 0: *ret_heap is in use, NULL: none is. -ENODEV. */
static int choose_heap(struct task *task, const char **ret_heap)
{
	*ret_heap = NULL;
	for (unsigned i = 0; dmabuf_heaps[i]; i++) {
		enum heap_end end = try_to_use(task, dmabuf_heaps[i]);

		if (end == HEAP_USED)
			*ret_heap = dmabuf_heaps[i];
		if (end == HEAP_USED)
			return 0;
		libcamera_forget(task->camera);
		pool_take_back(task);
		if (end == HEAP_CAMERA_GONE)
			return -ENODEV;
		if (end == HEAP_SLOWER)
			return 0;
		task->buffers->by_measurement = false;
	}
	return 0;
}

/* The driver's own, and how it is to be read if that is not known yet. */
static int choose_own(struct task *task)
{
	struct buffers *buffers = task->buffers;
	int r = export_pieces(task);

	if (r < 0 || buffers->own_ns)
		return r;
	buffers->own_ns =
		measure_own(buffers, &buffers->pieces[task->numbers[0]], task->format, &buffers->own_uncached);
	if (!buffers->own_ns)
		return 0;
	for (unsigned i = 0; i < task->count; i++)
		buffers->pieces[task->numbers[i]].synchronised = is_own_synchronised(buffers);
	set_figures(buffers, "a frame is read in %llu us%s", (unsigned long long)(buffers->own_ns / NS_PER_US),
		    buffers->own_uncached ? " past the caches" : ", the driver's memory is cached here");
	return 0;
}

/* After what is wrong with the driver's own memory: why it is needed. */
static void append_reason(struct task *task)
{
	size_t used = strlen(task->text);

	if (task->buffers->reason[0])
		snprintf(task->text + used, task->text_bytes - used, "; %s", task->buffers->reason);
}

int choose_memory(struct task *task)
{
	struct buffers *buffers = task->buffers;
	const char *heap = NULL;
	int r = 0;

	memcpy(buffers->told, buffers->reason, sizeof(buffers->told));
	buffers->reason[0] = buffers->figures[0] = '\0';
	buffers->heap_ns = buffers->own_ns = 0;
	buffers->by_measurement = false;
	buffers->own_uncached = true;
	if (buffers->config.memory == SOURCE_MEMORY_UNCACHED)
		add_reason(buffers, "uncached memory was asked for");
	else
		r = choose_heap(task, &heap);
	if (r == 0 && !heap && buffers->config.memory == SOURCE_MEMORY_CACHED)
		return task_fail(task, -EIO,
				 "no dma-heap can be used, and only cached capture buffers are allowed; give lumaringd "
				 "access to a dma-heap, or use --buffers auto: %s",
				 buffers->reason);
	if (r == 0 && !heap)
		r = choose_own(task);
	if (r < 0 && r != -ENODEV)
		append_reason(task);
	if (r < 0)
		return r;
	buffers->heap = heap;
	buffers->chosen = true;
	log_event(LOG_LEVEL_INFO, &(struct log_fields){ .event = LOG_EVENT_BUFFERS_CHOSEN },
		  "capture buffers: %s%s%s%s", heap ? "dma-heap " : "the driver's", heap ? heap : "",
		  buffers->figures[0] ? "; " : "", buffers->figures);
	return 0;
}
