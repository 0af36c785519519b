/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * checkasm.h - every kernel beside the C reference of its operation.
 *
 * arena.c has memory that ends at pages nobody may touch, cases.c decides what is tried, main.c runs and tells, bench.c
 * measures instead. One thread.
 */
#ifndef LUMARING_TESTS_CHECKASM_H
#define LUMARING_TESTS_CHECKASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "copy/kernel.h"

#define CHECK_ROWS_MAX 5u
#define CHECK_PIXELS_MAX 2305u
#define CHECK_PADDING_MAX 127u
#define CHECK_GUARD_BYTES 128u
#define CHECK_LARGE_BYTES ((size_t)480 * 1024) /* of all rows of the largest case */
#define ARENA_BYTES ((size_t)512 * 1024)

enum input {
	INPUT_RANDOM,
	INPUT_LOW,  /* all bits 0 */
	INPUT_HIGH, /* all bits 1 */
	INPUTS,
};

enum place {
	PLACE_FREE,  /* at `align` */
	PLACE_BEGIN, /* the first byte behind an unmapped page */
	PLACE_END,   /* the last byte before one */
	PLACES,
};

/* Where one side lies. */
struct side {
	enum place place;
	size_t align;         /* of a line of 64 bytes */
	size_t padding_bytes; /* between rows */
};

struct check_case {
	const struct copy_kernel *kernel;
	enum input input;
	struct side source, destination;
	struct copy_rows rows; /* the addresses and strides are filled in by check_run() */
};

/* Bytes of one row of pixels, on either side, and rows of the source for one of the destination. */
size_t op_source_bytes(const struct copy_rows *rows, enum copy_op op);
size_t op_destination_bytes(const struct copy_rows *rows, enum copy_op op);
unsigned op_source_rows(enum copy_op op);

/* Fill in what an operation takes besides pixels: the `variant` of those in use, of op_variants(). */
unsigned op_variants(enum copy_op op);
void op_parameters(struct copy_rows *rows, enum copy_op op, unsigned variant);

/* ARENA_BYTES between two unmapped pages; ends the program when there is no memory. */
uint8_t *arena_create(void);
/* Where `bytes` lie in an arena. */
uint8_t *arena_place(uint8_t *arena, const struct side *side, size_t bytes);

/* Called by check_kernel() for each case; false ends it. */
typedef bool check_function(const struct check_case *check);
bool check_kernel(const struct copy_kernel *kernel, check_function *run, unsigned long *cases);

void checkasm_bench(unsigned cpu, const char *only);

#endif
