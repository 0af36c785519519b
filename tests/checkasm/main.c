/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - checkasm [--bench] [NAME]: try, or measure, every kernel that LUMARING_CPU leaves whose name begins with
 * NAME.
 *
 * Each kernel is one test and stops at its first fault, with all that is needed to see it again. A kernel that touches
 * an unmapped page or has an instruction this CPU lacks has failed, and the next goes on. The last line is for
 * tests/run. Exit code 77: this CPU lacks what LUMARING_CPU names.
 */
#include "checkasm.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/random.h"

#define FILL 0xa5

static uint8_t *sources[INPUTS], *expected_arena, *actual_arena;
static sigjmp_buf fault;

static void make_arenas(void)
{
	uint64_t random = 2;

	for (unsigned i = 0; i < INPUTS; i++)
		sources[i] = arena_create();
	expected_arena = arena_create();
	actual_arena = arena_create();
	for (size_t i = 0; i < ARENA_BYTES; i++)
		sources[INPUT_RANDOM][i] = (uint8_t)(random_next(&random) >> 32);
	memset(sources[INPUT_LOW], 0, ARENA_BYTES);
	memset(sources[INPUT_HIGH], 0xff, ARENA_BYTES);
}

static void on_fault(int signal)
{
	siglongjmp(fault, signal);
}

static void catch_faults(void)
{
	const struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
}

static void print_side(const char *name, const struct side *side, const void *at, size_t stride)
{
	static const char *const places[] = { "free", "begins at a page", "ends at a page" };

	printf("    %-11s %s, %zu bytes behind a line, stride %zu\n", name, places[side->place], (uintptr_t)at % 64,
	       stride);
}

static void print_case(const struct check_case *check)
{
	static const char *const inputs[] = { "random", "all low", "all high" };
	const struct copy_rows *r = &check->rows;

	printf("    %s: op %d, %zu pixels, %zu rows, input %s\n", check->kernel->name, (int)check->kernel->op,
	       r->pixels, r->rows, inputs[check->input]);
	print_side("source", &check->source, r->source, r->source_stride);
	print_side("destination", &check->destination, r->destination, r->destination_stride);
	printf("    first %u, left %u, right %u, mask %#x, step %u, red at %u, blue at %u", r->first, r->left, r->right,
	       r->mask, r->step, r->red_at, r->blue_at);
	if (r->weights)
		printf(", weights %u %u %u %u", r->weights->red, r->weights->green, r->weights->blue,
		       r->weights->offset);
	printf("\n");
}

/* What differs first, by its place in the row; outside of the rows by its distance. */
static void print_difference(const struct check_case *check, const uint8_t *expected, const uint8_t *actual,
			     ptrdiff_t at)
{
	ptrdiff_t stride = (ptrdiff_t)check->rows.destination_stride;

	if (at < 0)
		printf("    %td bytes before the destination: ", -at);
	else
		printf("    row %td, byte %td: ", stride ? at / stride : 0, stride ? at % stride : at);
	printf("is %02x, not %02x (%02x was there before)\n", *actual, *expected, FILL);
}

static bool same(const struct check_case *check, const uint8_t *expected, const uint8_t *actual, size_t bytes,
		 size_t offset)
{
	if (!memcmp(expected, actual, bytes))
		return true;
	for (size_t i = 0; i < bytes; i++) {
		if (expected[i] == actual[i])
			continue;
		print_difference(check, expected + i, actual + i, (ptrdiff_t)(i - offset));
		break;
	}
	return false;
}

/* What is fetched is what is copied: so the C of COPY_FETCH is compared with something else than itself. */
static const struct copy_kernel *reference(enum copy_op op)
{
	return copy_kernel_for(op == COPY_FETCH ? COPY_BYTES : op, false, 0);
}

static bool check_run(const struct check_case *check)
{
	struct check_case now = *check;
	struct copy_rows *rows = &now.rows;
	enum copy_op op = check->kernel->op;
	size_t source_row = op_source_bytes(rows, op), row = op_destination_bytes(rows, op), bytes, source_bytes;
	uint8_t *expected, *actual, *from, *to;
	int signal;

	rows->source_stride = source_row + check->source.padding_bytes;
	rows->destination_stride = row + check->destination.padding_bytes;
	source_bytes = rows->source_stride * (rows->rows * op_source_rows(op) - 1) + source_row;
	bytes = rows->destination_stride * (rows->rows - 1) + row;
	rows->source = arena_place(sources[check->input], &check->source, source_bytes);
	expected = arena_place(expected_arena, &check->destination, bytes);
	actual = arena_place(actual_arena, &check->destination, bytes);
	from = check->destination.place == PLACE_BEGIN ? actual : actual - CHECK_GUARD_BYTES;
	to = check->destination.place == PLACE_END ? actual + bytes : actual + bytes + CHECK_GUARD_BYTES;
	memset(from, FILL, (size_t)(to - from));
	memset(expected - (actual - from), FILL, (size_t)(to - from));

	rows->destination = expected;
	reference(op)->function(rows);
	rows->destination = actual;
	signal = sigsetjmp(fault, 0);
	if (signal) {
		printf("    %s\n", strsignal(signal));
	} else {
		check->kernel->function(rows);
		if (same(check, expected - (actual - from), from, (size_t)(to - from), (size_t)(actual - from)))
			return true;
	}
	print_case(&now);
	return false;
}

static int check_all(unsigned cpu, const char *only)
{
	unsigned good = 0, bad = 0;

	make_arenas();
	catch_faults();
	for (unsigned i = 0; i < copy_kernel_count; i++) {
		const struct copy_kernel *kernel = &copy_kernels[i];
		unsigned long cases;

		if (kernel->cpu & ~cpu || strncmp(kernel->name, only, strlen(only)))
			continue;
		if (check_kernel(kernel, check_run, &cases)) {
			good++;
			printf("ok     %s (%lu cases)\n", kernel->name, cases);
		} else {
			bad++;
			printf("FAILED %s (case %lu)\n", kernel->name, cases);
		}
	}
	printf("%u passed, %u failed\n", good, bad);
	return bad || !good;
}

/* LUMARING_CPU is refused: as a name that is none, or as one that is for another CPU. */
static int refused(void)
{
	for (unsigned cpu = 0; cpu <= COPY_CPU_A72; cpu = cpu ? 2 * cpu : 1) {
		if (strcmp(copy_cpu_name(cpu), getenv("LUMARING_CPU")))
			continue;
		printf("%s\n", copy_cpu_error());
		return 77;
	}
	fprintf(stderr, "checkasm: %s\n", copy_cpu_error());
	return 2;
}

int main(int argc, char **argv)
{
	bool bench = argc > 1 && !strcmp(argv[1], "--bench");
	const char *only = argc > 1 + bench ? argv[1 + bench] : "";

	if (argc > 2 + bench || only[0] == '-') {
		fprintf(stderr, "usage: checkasm [--bench] [NAME]\n");
		return 2;
	}
	if (copy_cpu_error())
		return refused();
	if (bench) {
		checkasm_bench(copy_cpu(), only);
		return 0;
	}
	return check_all(copy_cpu(), only);
}
