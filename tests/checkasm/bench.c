/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - the same kernels, measured: GB/s of bytes read and written, best of several turns, back to back. `hot` has
 * one small image over and over, the others so many images in turn that none is in a cache when it comes round.
 */
#include "checkasm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TURNS 5u
#define COLD_BYTES ((size_t)64 * 1024 * 1024)
#define SLOTS 8u
#define TURN_NS UINT64_C(10000000)

static const struct size {
	const char *name;
	size_t width, height;
	bool cold;
} sizes[] = {
	{ "64x64 hot", 64, 64, false },    { "64x64", 64, 64, true },         { "640x480", 640, 480, true },
	{ "1920x1080", 1920, 1080, true }, { "2304x1296", 2304, 1296, true },
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint8_t *pages(size_t bytes)
{
	uint8_t *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);

	if (!memory) {
		perror("checkasm: memory");
		exit(1);
	}
	memset(memory, 0x5a, bytes);
	return memory;
}

static size_t up(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

/* Nanoseconds of one image. */
static double turn(const struct copy_kernel *kernel, struct copy_rows rows, size_t source_bytes, size_t images,
		   size_t slot_bytes, size_t slots)
{
	const uint8_t *source = rows.source;
	uint8_t *destination = rows.destination;
	uint64_t began = now_ns(), elapsed;
	size_t done = 0;

	do {
		rows.source = source + done % images * source_bytes;
		rows.destination = destination + done % slots * slot_bytes;
		kernel->function(&rows);
		copy_fence();
		done++;
		elapsed = now_ns() - began;
	} while (elapsed < TURN_NS);
	return (double)elapsed / (double)done;
}

static double measure(const struct copy_kernel *kernel, const struct size *size, uint8_t *sources, uint8_t *slots)
{
	struct copy_rows rows = { .pixels = size->width, .rows = size->height };
	size_t source_bytes, slot_bytes, images, row, source_row;
	double best = 0;

	op_parameters(&rows, kernel->op, 0);
	source_row = op_source_bytes(&rows, kernel->op);
	row = op_destination_bytes(&rows, kernel->op);
	rows.source = sources;
	rows.source_stride = up(source_row) + 64;
	rows.destination = slots;
	rows.destination_stride = up(row);
	source_bytes = rows.source_stride * size->height * op_source_rows(kernel->op);
	slot_bytes = rows.destination_stride * size->height;
	images = size->cold ? COLD_BYTES / source_bytes : 1;
	for (unsigned i = 0; i < TURNS; i++) {
		double ns = turn(kernel, rows, source_bytes, images, slot_bytes, size->cold ? SLOTS : 1);

		if (!i || ns < best)
			best = ns;
	}
	return (double)((source_row * op_source_rows(kernel->op) + row) * size->height) / best;
}

void checkasm_bench(unsigned cpu, const char *only)
{
	uint8_t *sources = pages(COLD_BYTES), *slots = pages(SLOTS * 2 * up(2304) * 1296);

	printf("%-32s", "GB/s");
	for (unsigned i = 0; i < COUNT(sizes); i++)
		printf(" %10s", sizes[i].name);
	printf("\n");
	for (unsigned i = 0; i < copy_kernel_count; i++) {
		const struct copy_kernel *kernel = &copy_kernels[i];

		if (kernel->cpu & ~cpu || strncmp(kernel->name, only, strlen(only)))
			continue;
		printf("%-32s", kernel->name);
		for (unsigned s = 0; s < COUNT(sizes); s++) {
			printf(" %10.2f", measure(kernel, &sizes[s], sources, slots));
			fflush(stdout);
		}
		printf("\n");
	}
	free(sources);
	free(slots);
}
