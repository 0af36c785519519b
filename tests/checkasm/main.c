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
static volatile sig_atomic_t fault_signal;

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
	fault_signal = signal;
	siglongjmp(fault, 1);
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

/* The bytes of a destination, and those around it that must not change; behind a page's edge there are none. */
struct window {
	uint8_t *from;
	size_t bytes;
	size_t before;
};

static struct window window_of(uint8_t *arena, const struct side *side, size_t bytes)
{
	size_t before = side->place == PLACE_BEGIN ? 0 : CHECK_GUARD_BYTES;
	size_t behind = side->place == PLACE_END ? 0 : CHECK_GUARD_BYTES;
	uint8_t *at = arena_place(arena, side, bytes);

	memset(at - before, FILL, before + bytes + behind);
	return (struct window){ at - before, before + bytes + behind, before };
}

/* What differs first, by its place in the row; before the rows by its distance. */
static bool same(const struct check_case *check, struct window expected, struct window actual)
{
	size_t stride = check->rows.destination_stride, i = 0;

	if (!memcmp(expected.from, actual.from, actual.bytes))
		return true;
	while (expected.from[i] == actual.from[i])
		i++;
	if (i < actual.before)
		printf("    %zu bytes before the destination: ", actual.before - i);
	else
		printf("    row %zu, byte %zu: ", stride ? (i - actual.before) / stride : 0,
		       stride ? (i - actual.before) % stride : i - actual.before);
	printf("is %02x, not %02x (%02x was there before)\n", actual.from[i], expected.from[i], FILL);
	return false;
}

/* Fill in strides and source; the bytes of the destination. */
static size_t lay_out(struct check_case *check)
{
	struct copy_rows *rows = &check->rows;
	enum copy_op op = check->kernel->op;
	size_t source_row = op_source_bytes(rows, op), row = op_destination_bytes(rows, op), source_bytes;

	rows->source_stride = source_row + check->source.padding_bytes;
	rows->destination_stride = row + check->destination.padding_bytes;
	source_bytes = rows->source_stride * (rows->rows * op_source_rows(op) - 1) + source_row;
	rows->source = arena_place(sources[check->input], &check->source, source_bytes);
	return rows->destination_stride * (rows->rows - 1) + row;
}

/* What is fetched is what is copied: so the C of COPY_FETCH is compared with something else than itself. */
static const struct copy_kernel *reference(enum copy_op op)
{
	return copy_kernel_for(op == COPY_FETCH ? COPY_BYTES : op, false, 0);
}

static bool survives(const struct check_case *check)
{
	if (sigsetjmp(fault, 0)) {
		printf("    %s\n", strsignal(fault_signal));
		return false;
	}
	check->kernel->function(&check->rows);
	return true;
}

static bool check_run(const struct check_case *check)
{
	struct check_case now = *check;
	size_t bytes = lay_out(&now);
	struct window expected = window_of(expected_arena, &now.destination, bytes);
	struct window actual = window_of(actual_arena, &now.destination, bytes);

	now.rows.destination = expected.from + expected.before;
	reference(now.kernel->op)->function(&now.rows);
	now.rows.destination = actual.from + actual.before;
	if (survives(&now) && same(&now, expected, actual))
		return true;
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
