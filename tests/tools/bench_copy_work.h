/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_copy_work.h - what `make bench-copy` lets kernels and floors do: pictures of one shape out of many source
 * buffers into a ring's slots, by one thread or two. A part of bench_copy.c.
 *
 * Sources are taken in turn from one large piece of memory, whoever reads next: what was read lately is not read again
 * before all the rest was, so the caches hold none of it. Destinations are the slots of a ring in shared memory, as the
 * daemon's are. A floor moves as many bytes as the kernel that it is compared with reads and writes, in as many rows.
 */
#ifndef LUMARING_TESTS_BENCH_COPY_WORK_H
#define LUMARING_TESTS_BENCH_COPY_WORK_H

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_copy_floor.h"
#include "copy/frame.h"
#include "measure.h"

#define SLOTS 8u
#define SLOT_BYTES_MIN (8u << 20) /* for the sizes around the threshold */
#define BUFFERS_MIN 24u           /* source buffers of one shape */
#define ARENA_BYTES_MIN (UINT64_C(96) << 20)
#define ARENA_BYTES_MAX (UINT64_C(1500) << 20)
#define ARENA_CACHES 3u /* times the last-level cache */
#define PIXEL_BYTES_MAX 4u

/* The part of an image that is copied. */
struct shape {
	const char *name;
	uint32_t image_width, image_height, width, height;
};

/* What an operation reads and writes, and for which streams the daemon's engine uses it. */
struct work {
	enum copy_op op;
	const char *name;
	enum pixels from;
	unsigned write_bytes; /* for each pixel */
	unsigned bin;         /* 2: of 2x2 pixels each */
	double aim, aim_part; /* of the best floor; 0: none was set */
};

static const struct work works[] = {
	{ COPY_BYTES, "copy", PIXELS_R8, 1, 1, 0.95, 0.9 },
	{ COPY_FETCH, "copy, as from uncached memory", PIXELS_R8, 1, 1, 0, 0 },
	{ COPY_EVEN, "luma of YUYV", PIXELS_YUYV, 1, 1, 0.85, 0.85 },
	{ COPY_ODD, "luma of UYVY", PIXELS_UYVY, 1, 1, 0.85, 0.85 },
	{ COPY_NARROW, "10 bit in 16 to 8", PIXELS_R10, 1, 1, 0.7, 0.7 },
	{ COPY_SCALE, "10 bit in 16 to 16", PIXELS_R10, 2, 1, 0, 0 },
	{ COPY_WIDEN, "8 bit to 16", PIXELS_R8, 2, 1, 0, 0 },
	{ COPY_PACKED10_8, "RAW10 packed to 8", PIXELS_R10_CSI2P, 1, 1, 0.7, 0.7 },
	{ COPY_PACKED10, "RAW10 packed to 16", PIXELS_R10_CSI2P, 2, 1, 0, 0 },
	{ COPY_PACKED12_8, "RAW12 packed to 8", PIXELS_R12_CSI2P, 1, 1, 0, 0 },
	{ COPY_PACKED12, "RAW12 packed to 16", PIXELS_R12_CSI2P, 2, 1, 0, 0 },
	{ COPY_RGB, "luma of RGB24", PIXELS_RGB24, 1, 1, 0, 0 },
	{ COPY_RGB, "luma of XRGB8888", PIXELS_XRGB8888, 1, 1, 0, 0 },
	{ COPY_BIN8, "2x2 of 8 bit", PIXELS_R8, 1, 2, 0.7, 0.7 },
	{ COPY_BIN16, "2x2 of 16 bit", PIXELS_R16, 2, 2, 0.7, 0.7 },
};

#define WORKS (sizeof(works) / sizeof(works[0]))

/* Who does the work: a kernel by itself, the daemon's engine, or a floor. */
enum entrant_kind { KERNEL, ENGINE, FLOOR };

struct entrant {
	enum entrant_kind kind;
	const struct work *work;
	unsigned threads;
	const struct copy_kernel *kernel;
	struct copy_conversion conversion; /* of the engine */
	struct floor_kind floor;
};

struct arena {
	uint8_t *memory, *slots;
	uint64_t bytes, slots_bytes, at;
	unsigned frame; /* for the slot, and the place of a part */
	struct team team;
	struct copy_pool *pool;
};

static size_t round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* As the sources lay out their buffers: a stride is never a width. */
static size_t source_stride(const struct work *work, const struct shape *shape)
{
	return round_up(pixels_row_bytes(work->from, shape->image_width) + 32, 64);
}

static uint64_t written_bytes(const struct work *work, const struct shape *shape)
{
	return (uint64_t)(shape->width / work->bin) * (shape->height / work->bin) * work->write_bytes;
}

static uint64_t read_bytes(const struct work *work, const struct shape *shape)
{
	return (uint64_t)pixels_row_bytes(work->from, shape->width / work->bin * work->bin) *
	       (shape->height / work->bin * work->bin);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static uint64_t cache_bytes(void)
{
	long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE), l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);

	return l3 > l2 ? (uint64_t)l3 : l2 > 0 ? (uint64_t)l2 : 0;
}

static uint64_t within(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* The most that a row of an image takes, and one of a slot: of what a floor moves, half of that and of what is written.
 */
static uint64_t image_bytes_max(const struct shape *shape)
{
	return (uint64_t)round_up((size_t)shape->image_width * PIXEL_BYTES_MAX + 32, 64) * shape->image_height;
}

static uint64_t slot_bytes_max(const struct shape *shape)
{
	return (uint64_t)round_up((size_t)shape->width * (PIXEL_BYTES_MAX + 2) / 2, 64) * shape->height;
}

/* Room for BUFFERS_MIN of the largest image, and for more than the caches hold, as far as there is memory. */
static void arena_measure(struct arena *arena, const struct shape *shapes, unsigned count)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t image_bytes = 0, slot_bytes = SLOT_BYTES_MIN;

	for (unsigned i = 0; i < count; i++) {
		image_bytes = within(image_bytes_max(&shapes[i]), image_bytes, UINT64_MAX);
		slot_bytes = within(slot_bytes_max(&shapes[i]), slot_bytes, UINT64_MAX);
	}
	arena->bytes = within(BUFFERS_MIN * image_bytes, ARENA_CACHES * cache_bytes(), ARENA_BYTES_MAX);
	arena->bytes = within(arena->bytes, ARENA_BYTES_MIN, memory / 3);
	image_bytes = round_up(image_bytes, 4096);
	if (arena->bytes < image_bytes)
		arena->bytes = image_bytes;
	arena->slots_bytes = SLOTS * round_up(slot_bytes, 4096);
}

static int arena_create(struct arena *arena, const struct shape *shapes, unsigned count)
{
	int fd = memfd_create("bench-copy", 0);

	arena_measure(arena, shapes, count);
	arena->memory = mmap(NULL, arena->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || ftruncate(fd, (off_t)arena->slots_bytes) < 0)
		return fprintf(stderr, "bench-copy: no shared memory: %s\n", strerror(errno)), -1;
	arena->slots = mmap(NULL, arena->slots_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (arena->memory == MAP_FAILED || arena->slots == MAP_FAILED)
		return fprintf(stderr, "bench-copy: no memory\n"), -1;
	for (uint64_t i = 0; i < arena->bytes; i++)
		arena->memory[i] = (uint8_t)(i * 197 >> 3);
	memset(arena->slots, 0, arena->slots_bytes);
	return 0;
}

/* An image that was not read for longest. */
static const uint8_t *next_image(struct arena *arena, size_t bytes)
{
	bytes = round_up(bytes, 4096);
	if (arena->at + bytes > arena->bytes)
		arena->at = 0;
	assert(bytes <= arena->bytes);
	arena->at += bytes;
	return arena->memory + arena->at - bytes;
}

static uint8_t *next_slot(struct arena *arena, size_t bytes)
{
	assert(SLOTS * round_up(bytes, 4096) <= arena->slots_bytes);
	return arena->slots + arena->frame % SLOTS * round_up(bytes, 4096);
}

/* --- one frame ---------------------------------------------------------------------------------------------------- */

/* Where a part lies in its image: somewhere else in each frame. */
static uint32_t part_x(const struct arena *arena, const struct shape *shape)
{
	return arena->frame * 97 % (shape->image_width - shape->width + 1);
}

static uint32_t part_y(const struct arena *arena, const struct shape *shape)
{
	return arena->frame * 61 % (shape->image_height - shape->height + 1);
}

/* The kernel itself, told the same as the engine tells it. */
static struct copy_rows kernel_rows(struct arena *arena, const struct entrant *entrant, const struct shape *shape)
{
	const struct work *work = entrant->work;
	const struct pixels_facts *facts = pixels_facts(work->from);
	size_t stride = source_stride(work, shape), rows = shape->height / work->bin;
	uint32_t x = part_x(arena, shape);
	struct copy_rows copy = {
		.destination_stride = round_up((size_t)shape->width / work->bin * work->write_bytes, 64),
		.source_stride = stride,
		.pixels = shape->width / work->bin,
		.rows = rows,
		.left = (16 - facts->depth) % 16, /* where there is something to shift */
		.right = work->op == COPY_NARROW ? facts->depth - 8 : (2 * facts->depth - 16) % 16,
		.mask = 0xffff,
		.step = facts->group_bytes,
		.blue_at = 2,
		.weights = &copy_weights_full,
	};

	copy.source = next_image(arena, stride * shape->image_height) + part_y(arena, shape) * stride +
		      x / facts->group_pixels * facts->group_bytes;
	if (facts->group_bytes % facts->group_pixels)
		copy.first = x % facts->group_pixels;
	copy.destination = next_slot(arena, copy.destination_stride * rows);
	return copy;
}

static struct floor_rows floor_rows(struct arena *arena, const struct work *work, const struct shape *shape)
{
	size_t rows = shape->height / work->bin;
	size_t row_bytes = (size_t)(read_bytes(work, shape) + written_bytes(work, shape)) / 2 / rows;
	size_t stride = round_up(row_bytes * shape->image_width / shape->width + 32, 64);
	size_t x = part_x(arena, shape) * row_bytes / shape->width;
	size_t image_rows = (size_t)shape->image_height / work->bin;
	struct floor_rows floor = {
		.destination_stride = round_up(row_bytes, 64),
		.source_stride = stride,
		.row_bytes = row_bytes,
		.rows = rows,
	};

	floor.source = next_image(arena, stride * image_rows) + part_y(arena, shape) / work->bin * stride + x;
	floor.destination = next_slot(arena, floor.destination_stride * rows);
	return floor;
}

/* As the daemon does it for a frame that one stream wants. */
static void run_engine(struct arena *arena, const struct entrant *entrant, const struct shape *shape)
{
	const struct work *work = entrant->work;
	size_t row_bytes = round_up((size_t)shape->width / work->bin * work->write_bytes, 64);
	struct copy_job job = {
		.conversion = &entrant->conversion,
		.image_stride = source_stride(work, shape),
		.x = part_x(arena, shape),
		.y = part_y(arena, shape),
		.width = shape->width / work->bin,
		.height = shape->height / work->bin,
		.destination_stride = row_bytes,
	};
	struct copy_part part;
	struct copy_frame frame;
	struct copy_effort effort;

	job.image = next_image(arena, job.image_stride * shape->image_height);
	job.destination = next_slot(arena, row_bytes * job.height);
	copy_frame_begin(&frame, &part);
	copy_frame_add(&frame, &job);
	copy_frame_run(&frame, arena->pool, entrant->threads, &effort);
}

static void run_floor(struct arena *arena, const struct entrant *entrant, const struct shape *shape)
{
	struct floor_rows rows = floor_rows(arena, entrant->work, shape);

	if (entrant->threads == 1)
		entrant->floor.function(&rows);
	else
		team_run(&arena->team, entrant->floor.function, &rows);
}

static void run_kernel(struct arena *arena, const struct entrant *entrant, const struct shape *shape)
{
	struct copy_rows rows = kernel_rows(arena, entrant, shape);

	entrant->kernel->function(&rows);
	copy_fence();
}

/* One frame, from its start to the moment when others may be told of it. */
static void run_frame(struct arena *arena, const struct entrant *entrant, const struct shape *shape)
{
	switch (entrant->kind) {
	case KERNEL:
		run_kernel(arena, entrant, shape);
		break;
	case ENGINE:
		run_engine(arena, entrant, shape);
		break;
	case FLOOR:
		run_floor(arena, entrant, shape);
		break;
	}
	arena->frame++;
}

#endif
