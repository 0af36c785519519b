/* SPDX-License-Identifier: BSD-2-Clause */
/* memory.c - see memory.h. */
#include "bench/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CACHES 2u /* times the largest cache */

static size_t cache_bytes(void)
{
	long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE), l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);

	/* 0 or -1: not known, as on most Arm boards; the least number of buffers is enough for what these have. */
	return l3 > l2 ? (size_t)l3 : l2 > 0 ? (size_t)l2 : 0;
}

static size_t memory_bytes(void)
{
	return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

unsigned bench_buffer_count(size_t buffer_bytes)
{
	size_t count = (CACHES * cache_bytes() + buffer_bytes - 1) / buffer_bytes;

	if (count < BENCH_BUFFERS_MIN)
		count = BENCH_BUFFERS_MIN;
	if (count > BENCH_BUFFERS_MAX)
		count = BENCH_BUFFERS_MAX;
	while (count > 1 && count * buffer_bytes > memory_bytes() / 8)
		count--;
	return (unsigned)count;
}

size_t bench_layout_bytes(const struct bench_layout *layout)
{
	return layout->stride * layout->height;
}

int bench_check_room(size_t image_bytes, unsigned slots, char *text, size_t text_bytes)
{
	size_t needed = image_bytes * (slots + 1), most = memory_bytes() / 4;

	if (needed <= most)
		return 0;
	snprintf(text, text_bytes,
		 "to measure images of %zu bytes takes %zu MB of memory, and at most %zu MB are taken, a quarter of "
		 "this machine's: give a smaller --size",
		 image_bytes, needed / 1000000, most / 1000000);
	return -EFBIG;
}

int bench_memory_plain(const struct bench_layout *layout, struct bench_memory *ret_memory)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (bench_layout_bytes(layout) + page_bytes - 1) / page_bytes * page_bytes;
	struct bench_memory memory = { .name = "plain", .layout = *layout, .count = bench_buffer_count(bytes) };

	memory.plain_bytes = bytes * memory.count;
	memory.plain = mmap(NULL, memory.plain_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory.plain == MAP_FAILED)
		return -ENOMEM;
	/* Pages that were never written are all the same one. */
	memset(memory.plain, 0x55, memory.plain_bytes);
	for (unsigned i = 0; i < memory.count; i++)
		memory.buffers[i] = (const uint8_t *)memory.plain + i * bytes;
	*ret_memory = memory;
	return 0;
}

int bench_memory_heap(const char *heap, const struct bench_layout *layout, size_t buffer_bytes, unsigned count,
		      struct bench_memory *ret_memory, char *text, size_t text_bytes)
{
	struct bench_memory memory = { .layout = *layout, .synchronised = true };
	int heap_fd, r = dmabuf_heap_open(NULL, heap, &heap_fd, text, text_bytes);

	if (r < 0)
		return r;
	snprintf(memory.name, sizeof(memory.name), "%s", heap);
	for (; r == 0 && memory.count < count; memory.count++) {
		struct dmabuf *buffer = &memory.dmabufs[memory.count];

		r = dmabuf_init(heap_fd, buffer_bytes, "lumaring benchmark", buffer, text, text_bytes);
		memory.buffers[memory.count] = buffer->pixels;
	}
	close(heap_fd);
	if (r < 0)
		bench_memory_finish(&memory);
	else
		*ret_memory = memory;
	return r;
}

void bench_memory_finish(struct bench_memory *memory)
{
	for (unsigned i = 0; i < BENCH_BUFFERS_MAX; i++)
		dmabuf_finish(&memory->dmabufs[i]);
	if (memory->plain)
		munmap(memory->plain, memory->plain_bytes);
	memset(memory, 0, sizeof(*memory));
}
