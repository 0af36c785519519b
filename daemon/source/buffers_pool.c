/* SPDX-License-Identifier: BSD-2-Clause */
/* buffers_pool.c - see buffers_private.h: memory by number. Owner's side; what the reader holds is never touched. */
#include "source/buffers_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"

int task_fail(struct task *task, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(task->text, task->text_bytes, format, arguments);
	va_end(arguments);
	return error;
}

static bool is_used(const struct piece *piece)
{
	return piece->memory.pixels != NULL;
}

static void piece_free(struct piece *piece)
{
	dmabuf_finish(&piece->memory);
	*piece = (struct piece){ .heap = NULL };
}

/* It serves again, now or later. */
static bool fits(const struct task *task, const struct piece *piece, const char *heap)
{
	return is_used(piece) && !piece->stale && heap && piece->heap == heap && piece->memory.bytes >= task->bytes &&
	       piece->memory.bytes <= task->most_bytes;
}

/* Numbers that serve again: as many as there are, or as are needed, and then those that nobody holds. */
static uint64_t find_fitting(const struct task *task, const char *heap, unsigned count, bool held_too)
{
	uint64_t found = 0;

	for (unsigned pass = 0; pass < (held_too ? 2 : 1); pass++) {
		for (unsigned i = 0; i < SOURCE_BUFFERS_MAX && count; i++) {
			bool held = task->held & BUFFERS_BIT(i);

			if (held != (pass == 1) || !fits(task, &task->buffers->pieces[i], heap))
				continue;
			found |= BUFFERS_BIT(i);
			count--;
		}
	}
	return found;
}

/* Larger ones of before are kept as long as all together stay within the limit. */
static void bound_bytes(struct task *task, const char *heap)
{
	uint64_t total = 0;
	unsigned count = 0;

	task->most_bytes = SIZE_MAX;
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++) {
		if (!fits(task, &task->buffers->pieces[i], heap))
			continue;
		total += task->buffers->pieces[i].memory.bytes;
		count++;
	}
	if (count < task->count)
		total += (uint64_t)task->bytes * (task->count - count);
	if (total > LIMIT_POOL_BYTES)
		task->most_bytes = task->bytes;
}

static int free_number(const struct buffers *buffers)
{
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++)
		if (!is_used(&buffers->pieces[i]))
			return (int)i;
	return -1;
}

/* True: there is more room now. */
static bool give_up_others(struct task *task, const char *heap)
{
	bool any = false;

	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++) {
		struct piece *piece = &task->buffers->pieces[i];

		if (!is_used(piece) || task->held & BUFFERS_BIT(i) || fits(task, piece, heap))
			continue;
		task->given_up |= BUFFERS_BIT(i);
		task->before[i].heap = piece->heap;
		task->before[i].bytes = piece->memory.bytes;
		piece_free(piece);
		any = true;
	}
	return any;
}

/* One more of the heap, under this number or, if that is negative, the lowest that is free. */
static int allocate(struct task *task, int heap_fd, const char *heap, size_t bytes, int number)
{
	struct piece piece = { .heap = heap, .synchronised = true };
	int r;

	if (number < 0)
		number = free_number(task->buffers);
	if (number < 0)
		return task_fail(task, -ENOMEM, "all %u numbers of capture buffers are in use", SOURCE_BUFFERS_MAX);
	r = dmabuf_init(heap_fd, bytes, "lumaring capture", &piece.memory, task->text, task->text_bytes);
	if (r < 0)
		return r;
	task->buffers->pieces[number] = piece;
	return number;
}

static void list_numbers(struct task *task, uint64_t numbers)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++)
		if (numbers & BUFFERS_BIT(i))
			task->numbers[count++] = i;
}

/* Allocate what is missing of so many to `numbers`. */
static int get_more(struct task *task, const char *heap, unsigned count, uint64_t *numbers)
{
	bool gave_up = false;
	int heap_fd, r;

	r = dmabuf_heap_open(task->buffers->config.heap_directory, heap, &heap_fd, task->text, task->text_bytes);
	if (r < 0)
		return r;
	while (r >= 0 && (unsigned)__builtin_popcountll(*numbers) < count) {
		r = allocate(task, heap_fd, heap, task->bytes, -1);
		if (r >= 0) {
			task->fresh |= BUFFERS_BIT(r);
			*numbers |= BUFFERS_BIT(r);
		} else if (r == -ENOMEM && !gave_up) {
			gave_up = true;
			r = give_up_others(task, heap) ? 0 : r;
		}
	}
	close(heap_fd);
	return r < 0 ? r : 0;
}

int pool_get(struct task *task, const char *heap, unsigned count, bool held_too)
{
	uint64_t numbers;
	int r = 0;

	bound_bytes(task, heap);
	numbers = find_fitting(task, heap, count, held_too);
	if ((unsigned)__builtin_popcountll(numbers) < count)
		r = get_more(task, heap, count, &numbers);
	if (r == 0)
		list_numbers(task, numbers);
	return r;
}

int pool_adopt(struct task *task, const struct libcamera_memory *memories, unsigned count, bool synchronised)
{
	for (unsigned i = 0; i < count; i++) {
		struct piece piece = { .offset = memories[i].offset, .synchronised = synchronised };
		int number = free_number(task->buffers), r;
		size_t bytes;

		if (number < 0)
			return task_fail(task, -ENOMEM, "all %u numbers of capture buffers are in use",
					 SOURCE_BUFFERS_MAX);
		if (__builtin_add_overflow(memories[i].offset, memories[i].bytes, &bytes) ||
		    memories[i].bytes < (uint64_t)task->format->stride * task->format->height)
			return task_fail(task, -EIO, "the driver's buffers of %zu bytes are too small for the image",
					 memories[i].bytes);
		r = dmabuf_adopt(memories[i].fd, bytes, &piece.memory, task->text, task->text_bytes);
		if (r < 0)
			return r;
		task->buffers->pieces[number] = piece;
		task->fresh |= BUFFERS_BIT(number);
		task->numbers[i] = (unsigned)number;
	}
	return 0;
}

static int get_back(struct task *task, unsigned number)
{
	const char *heap = task->before[number].heap;
	int heap_fd, r;

	r = dmabuf_heap_open(task->buffers->config.heap_directory, heap, &heap_fd, task->text, task->text_bytes);
	if (r < 0)
		return r;
	r = allocate(task, heap_fd, heap, task->before[number].bytes, (int)number);
	close(heap_fd);
	return r;
}

void pool_take_back(struct task *task)
{
	char *text = task->text, why[128];
	size_t text_bytes = task->text_bytes, used = strlen(text);
	int r = 0;

	task->text = why;
	task->text_bytes = sizeof(why);
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++)
		if (task->fresh & BUFFERS_BIT(i))
			piece_free(&task->buffers->pieces[i]);
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX && r >= 0; i++)
		if (task->given_up & BUFFERS_BIT(i))
			r = get_back(task, i);
	task->fresh = task->given_up = 0;
	task->text = text;
	task->text_bytes = text_bytes;
	if (r < 0)
		snprintf(text + used, text_bytes - used, "; nor are those of before to be had again: %s", why);
}

/* Freed, or as soon as nobody holds it. */
static void drop(struct buffers *buffers, unsigned number, uint64_t held)
{
	if (held & BUFFERS_BIT(number))
		buffers->pieces[number].stale = true;
	else
		piece_free(&buffers->pieces[number]);
}

void pool_settle(struct task *task, const char *heap)
{
	uint64_t used = 0;

	for (unsigned i = 0; i < task->count; i++)
		used |= BUFFERS_BIT(task->numbers[i]);
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++) {
		const struct piece *piece = &task->buffers->pieces[i];

		if (is_used(piece) && !(used & BUFFERS_BIT(i)) && !fits(task, piece, heap))
			drop(task->buffers, i, task->held);
	}
	task->fresh = task->given_up = 0;
}

void pool_drop_own(struct buffers *buffers, uint64_t held)
{
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++)
		if (is_used(&buffers->pieces[i]) && !buffers->pieces[i].heap)
			drop(buffers, i, held);
}

void buffers_release_held(struct buffers *buffers, uint64_t numbers)
{
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++)
		if (numbers & BUFFERS_BIT(i) && buffers->pieces[i].stale)
			piece_free(&buffers->pieces[i]);
}
