/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cases.c - what is tried of each kernel. Not every combination, but every value of each with others beside it:
 *   widths of 1 to 257 pixels, four lines of 64 bytes and one more, and some of a whole image
 *   each way an operation is used (shifts, masks, order of colours, first pixel within a group)
 *   every alignment of one side within a line with every one of the other
 *   either side ending right before and beginning right behind an unmapped page
 *   copies so large that they may be done in two places at a time, their rows alike in alignment and not
 *   inputs, numbers of rows, padding of any size between them
 */
#include "checkasm.h"

#include "../tools/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WIDTHS 257u

size_t op_source_bytes(const struct copy_rows *rows, enum copy_op op)
{
	size_t pixels = rows->pixels;

	switch (op) {
	case COPY_BYTES:
	case COPY_FETCH:
	case COPY_WIDEN:
		return pixels;
	case COPY_EVEN:
	case COPY_ODD:
	case COPY_NARROW:
	case COPY_SCALE:
	case COPY_BIN8:
		return 2 * pixels;
	case COPY_PACKED10_8:
	case COPY_PACKED10:
		return (rows->first + pixels + 3) / 4 * 5;
	case COPY_PACKED12_8:
	case COPY_PACKED12:
		return (rows->first + pixels + 1) / 2 * 3;
	case COPY_RGB:
		return rows->step * pixels;
	case COPY_BIN16:
		return 4 * pixels;
	case COPY_OPS:
		break;
	}
	return 0;
}

size_t op_destination_bytes(const struct copy_rows *rows, enum copy_op op)
{
	bool wide =
		op == COPY_SCALE || op == COPY_WIDEN || op == COPY_PACKED10 || op == COPY_PACKED12 || op == COPY_BIN16;

	return wide ? 2 * rows->pixels : rows->pixels;
}

unsigned op_source_rows(enum copy_op op)
{
	return op == COPY_BIN8 || op == COPY_BIN16 ? 2 : 1;
}

/* The shifts of 10, 12 and 16 bits to 16, full range and limited, and those that do nothing and most. */
static const struct shifts {
	unsigned left, right;
	uint16_t mask;
} shifts[] = { { 6, 4, 0xffff }, { 6, 4, 0 }, { 4, 8, 0xffff }, { 4, 8, 0 }, { 0, 0, 0 }, { 15, 15, 0xffff } };

static const unsigned narrow[] = { 2, 4, 8, 0, 15 };

unsigned op_variants(enum copy_op op)
{
	switch (op) {
	case COPY_NARROW:
		return COUNT(narrow);
	case COPY_SCALE:
		return COUNT(shifts);
	case COPY_WIDEN:
	case COPY_PACKED12_8:
		return 2;
	case COPY_PACKED10_8:
		return 4;
	case COPY_PACKED10:
		return 4 * COUNT(shifts);
	case COPY_PACKED12:
		return 2 * COUNT(shifts);
	case COPY_RGB:
		return 8;
	case COPY_BYTES:
	case COPY_FETCH:
	case COPY_EVEN:
	case COPY_ODD:
	case COPY_BIN8:
	case COPY_BIN16:
	case COPY_OPS:
		break;
	}
	return 1;
}

static void set_shifts(struct copy_rows *rows, unsigned which)
{
	rows->left = shifts[which].left;
	rows->right = shifts[which].right;
	rows->mask = shifts[which].mask;
}

void op_parameters(struct copy_rows *rows, enum copy_op op, unsigned variant)
{
	if (op == COPY_NARROW)
		rows->right = narrow[variant];
	if (op == COPY_SCALE)
		set_shifts(rows, variant);
	if (op == COPY_WIDEN)
		rows->mask = variant ? 0xffff : 0;
	if (op == COPY_PACKED10_8 || op == COPY_PACKED10)
		rows->first = variant % 4;
	if (op == COPY_PACKED12_8 || op == COPY_PACKED12)
		rows->first = variant % 2;
	if (op == COPY_PACKED10)
		set_shifts(rows, variant / 4);
	if (op == COPY_PACKED12)
		set_shifts(rows, variant / 2);
	if (op == COPY_RGB) {
		rows->step = 3 + variant % 2;
		rows->red_at = variant / 2 % 2 * 2;
		rows->blue_at = 2 - rows->red_at;
		rows->weights = variant / 4 ? &copy_weights_limited : &copy_weights_full;
	}
}

/* --- the sets --- */

struct trial {
	const struct copy_kernel *kernel;
	check_function *run;
	unsigned long cases;
	uint64_t random;
};

static size_t below(struct trial *trial, size_t limit)
{
	return (size_t)(random_next(&trial->random) % limit);
}

static struct side any_side(struct trial *trial)
{
	struct side side = { PLACE_FREE, below(trial, 64), 0 };

	/* Odd paddings, even ones, and none, where rows are one. */
	if (below(trial, 4))
		side.padding_bytes = below(trial, CHECK_PADDING_MAX + 1);
	return side;
}

static bool try(struct trial *trial, size_t pixels, unsigned variant, struct side source, struct side destination)
{
	struct check_case check = {
		.kernel = trial->kernel,
		.input = below(trial, 4) ? INPUT_RANDOM : (enum input)below(trial, INPUTS),
		.source = source,
		.destination = destination,
	};

	check.rows.pixels = pixels;
	check.rows.rows = 1 + below(trial, CHECK_ROWS_MAX);
	op_parameters(&check.rows, trial->kernel->op, variant);
	trial->cases++;
	return trial->run(&check);
}

static bool try_widths(struct trial *trial)
{
	unsigned variants = op_variants(trial->kernel->op);

	for (size_t pixels = 0; pixels <= WIDTHS; pixels++) {
		for (unsigned i = 0; i < variants || i < 8; i++) {
			if (!try(trial, pixels, i % variants, any_side(trial), any_side(trial)))
				return false;
		}
	}
	return true;
}

static bool try_whole_rows(struct trial *trial)
{
	static const size_t widths[] = { 320, 640, 1001, 1920, 2304, CHECK_PIXELS_MAX };
	unsigned variants = op_variants(trial->kernel->op);

	for (unsigned i = 0; i < 4 * COUNT(widths); i++) {
		if (!try(trial, widths[i % COUNT(widths)], i % variants, any_side(trial), any_side(trial)))
			return false;
	}
	return true;
}

static bool try_alignments(struct trial *trial)
{
	static const size_t widths[] = { 31, 64, 129, WIDTHS };
	unsigned variants = op_variants(trial->kernel->op);

	for (unsigned i = 0; i < 64 * 64; i++) {
		struct side source = { PLACE_FREE, i / 64, 64 }, destination = { PLACE_FREE, i % 64, 64 };
		size_t pixels = widths[below(trial, COUNT(widths))];

		if (!try(trial, pixels, (unsigned)below(trial, variants), source, destination))
			return false;
	}
	return true;
}

static bool try_page_edges(struct trial *trial)
{
	unsigned variants = op_variants(trial->kernel->op);

	for (size_t pixels = 1; pixels <= WIDTHS; pixels++) {
		for (unsigned edge = 0; edge < 4; edge++) {
			struct side at = any_side(trial), other = any_side(trial);
			unsigned variant = (unsigned)(pixels + edge) % variants;

			at.place = edge % 2 ? PLACE_BEGIN : PLACE_END;
			if (!try(trial, pixels, variant, edge < 2 ? at : other, edge < 2 ? other : at))
				return false;
		}
	}
	return true;
}

/* Each kind of input alone, with every variant: the extremes are where sums overflow. */
static bool try_inputs(struct trial *trial)
{
	unsigned variants = op_variants(trial->kernel->op);

	for (unsigned i = 0; i < INPUTS * variants; i++) {
		struct check_case check = {
			.kernel = trial->kernel,
			.input = (enum input)(i % INPUTS),
			.source = any_side(trial),
			.destination = any_side(trial),
		};

		check.rows.pixels = WIDTHS;
		check.rows.rows = 2;
		op_parameters(&check.rows, trial->kernel->op, i / INPUTS);
		trial->cases++;
		if (!trial->run(&check))
			return false;
	}
	return true;
}

/* Pixels of each of so many rows that an arena has room for on both sides, and a bit to spare for padding. */
static size_t large_pixels(const struct copy_rows *rows, enum copy_op op)
{
	const size_t some = 1024;
	struct copy_rows few = *rows;
	size_t source, destination;

	few.pixels = some;
	source = op_source_bytes(&few, op) * op_source_rows(op);
	destination = op_destination_bytes(&few, op);
	return CHECK_LARGE_BYTES / rows->rows * some / (source > destination ? source : destination) -
	       2 * CHECK_PADDING_MAX;
}

/* Rows as wide as they can be, or somewhat less; in most cases lines of the destination begin alike in all. */
static bool try_large(struct trial *trial)
{
	unsigned variants = op_variants(trial->kernel->op);

	for (unsigned i = 0; trial->kernel->streaming && i < 12 * CHECK_ROWS_MAX; i++) {
		struct side source = any_side(trial), destination = any_side(trial);
		struct check_case check = { .kernel = trial->kernel, .rows.rows = 1 + i % CHECK_ROWS_MAX };

		op_parameters(&check.rows, trial->kernel->op, i % variants);
		check.rows.pixels = large_pixels(&check.rows, trial->kernel->op) - below(trial, 4096);
		if (i % 3 == 0)
			source.place = PLACE_END;
		if (i % 4)
			destination.padding_bytes = -op_destination_bytes(&check.rows, trial->kernel->op) % 64;
		check.source = source;
		check.destination = destination;
		trial->cases++;
		if (!trial->run(&check))
			return false;
	}
	return true;
}

bool check_kernel(const struct copy_kernel *kernel, check_function *run, unsigned long *cases)
{
	struct trial trial = { kernel, run, 0, 1 };
	bool good = try_inputs(&trial) && try_widths(&trial) && try_alignments(&trial) && try_page_edges(&trial) &&
		    try_whole_rows(&trial) && try_large(&trial);

	*cases = trial.cases;
	return good;
}
