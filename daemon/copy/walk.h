/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * walk.h - how the vector kernels go over rows, blocks and edges. Each file of kernels includes it and compiles all of
 * it anew with its own instruction set; it is static throughout, so nothing of it can run where that is missing.
 *
 * A block is VECTOR_BYTES pixels: one vector of 8 bits each, or two of 16. Before the inclusion there are:
 *   VECTOR_BYTES, vector                   16, 32 or 64, and its type
 *   vector_store()                         to any address
 *   vector_prefetch()                      ask for a line to come
 *   STREAM_INSTRUCTION, FETCH_INSTRUCTION  x86: store past the caches, load from uncached memory
 *   struct constants, constants_of(rows)   what one call needs in registers
 *   SUM_VECTORS                            binning in two passes, if defined: vectors of sums for a line
 * and after it block_of(): the block of pixels that begins at `source`, of which only the bytes of these pixels are
 * read; `below` is how far down the second row lies. Where SUM_VECTORS is defined, sum_line() and finish_line() as
 * well. `op` and `streaming` are constants wherever they are passed.
 */
#ifndef LUMARING_COPY_WALK_H
#define LUMARING_COPY_WALK_H

#include <string.h>

#include "copy/pixel.h"
#include "copy/private.h"

#define LINE_BYTES ((size_t)64)
#define BLOCK ((size_t)VECTOR_BYTES)
#define AHEAD_BYTES ((size_t)4096)
#define GAP_BYTES ((size_t)256)
#define INLINED static inline __attribute__((always_inline))

struct block {
	vector part[2]; /* the second with 16 bits a pixel only */
};

INLINED struct block block_of(enum copy_op op, const struct constants *constants, const uint8_t *source, size_t below);

/* --- past the caches --- */

#ifdef STREAM_INSTRUCTION

/*
 * In assembler, since clang makes ordinary loads and stores of the intrinsics where it sees a plain copy. To and from
 * aligned addresses.
 */
INLINED void vector_stream(uint8_t *destination, vector value)
{
	__asm__ volatile(STREAM_INSTRUCTION " %1, %0" : "=m"(*(vector *)(void *)destination) : "v"(value));
}

INLINED vector vector_fetch(const uint8_t *source)
{
	vector value;

	__asm__ volatile(FETCH_INSTRUCTION " %1, %0" : "=v"(value) : "m"(*(const vector *)(const void *)source));
	return value;
}

#else

/* Where no kernel streams. */
INLINED void vector_stream(uint8_t *destination, vector value)
{
	vector_store(destination, value);
}

#endif

/* --- what an operation takes and gives --- */

/* Bytes of a pixel of the destination. */
INLINED size_t wide(enum copy_op op)
{
	return op == COPY_SCALE || op == COPY_PACKED10 || op == COPY_BIN16 ? 2 : 1;
}

INLINED bool packed(enum copy_op op)
{
	return op == COPY_PACKED10_8 || op == COPY_PACKED10;
}

INLINED bool binned(enum copy_op op)
{
	return op == COPY_BIN8 || op == COPY_BIN16;
}

/* Pixels that share bytes; a block begins where a group begins. */
INLINED size_t grouped(enum copy_op op)
{
	return packed(op) ? 4 : 1;
}

/* How far into a row of the source pixel `x`, the first of a group, begins. */
INLINED size_t source_at(enum copy_op op, size_t x)
{
	if (packed(op))
		return x / 4 * 5;
	return op == COPY_BYTES ? x : op == COPY_BIN16 ? 4 * x : 2 * x;
}

/* --- a row --- */

struct row {
	uint8_t *destination;
	const uint8_t *source;
	size_t pixels;
	size_t below; /* bytes to the second of two rows that are read together */
	size_t ahead; /* bytes from here to the same place of the row to ask for, 0: none */
	bool apart;   /* by a gap from the next */
};

INLINED struct block row_block(enum copy_op op, const struct constants *constants, struct row row, size_t x)
{
	return block_of(op, constants, row.source + source_at(op, x), row.below);
}

INLINED void block_store(enum copy_op op, uint8_t *destination, struct block block)
{
	vector_store(destination, block.part[0]);
	if (wide(op) == 2)
		vector_store(destination + VECTOR_BYTES, block.part[1]);
}

INLINED void block_stream(enum copy_op op, uint8_t *destination, struct block block)
{
	vector_stream(destination, block.part[0]);
	if (wide(op) == 2)
		vector_stream(destination + VECTOR_BYTES, block.part[1]);
}

/* Of the pixels that fill a line at `x`, ask for those of a row to come. */
INLINED void row_look_ahead(enum copy_op op, struct row row, size_t x)
{
	const uint8_t *source = row.source + source_at(op, x) + row.ahead;

	if (!row.ahead)
		return;
	for (size_t i = 0; i < source_at(op, LINE_BYTES / wide(op)); i += LINE_BYTES) {
		vector_prefetch(source + i);
		if (binned(op))
			vector_prefetch(source + row.below + i);
	}
}

INLINED unsigned row_pixel(enum copy_op op, const struct copy_rows *rows, struct row row, size_t x)
{
	const uint8_t *source = row.source, *below = row.source + row.below;

	if (op == COPY_EVEN)
		return source[2 * x];
	if (op == COPY_ODD)
		return source[2 * x + 1];
	if (op == COPY_NARROW)
		return pixel_16(source + 2 * x) >> rows->right;
	if (op == COPY_SCALE)
		return pixel_scale(rows, pixel_16(source + 2 * x));
	if (op == COPY_PACKED10_8)
		return pixel_packed10(source, x) >> 2;
	if (op == COPY_PACKED10)
		return pixel_scale(rows, pixel_packed10(source, x));
	if (op == COPY_BIN8)
		return pixel_bin8(source + 2 * x, below + 2 * x);
	if (op == COPY_BIN16)
		return pixel_bin16(source + 4 * x, below + 4 * x);
	return source[x];
}

/* Pixels from..to - 1 one by one, where there is no room for a block; the first goes to `destination`. */
INLINED void put_pixels(enum copy_op op, const struct copy_rows *rows, struct row row, uint8_t *destination,
			size_t from, size_t to)
{
	for (size_t x = from; x < to; x++) {
		unsigned value = row_pixel(op, rows, row, x);

		memcpy(destination, &value, wide(op));
		destination += wide(op);
	}
}

/* Fewer than 64 bytes, in moves of fixed size. */
INLINED void put_some(uint8_t *destination, const uint8_t *from, size_t bytes)
{
#define PUT_IF(size)                                                                                                   \
	if (bytes & (size)) {                                                                                          \
		memcpy(destination, from, size);                                                                       \
		destination += (size);                                                                                 \
		from += (size);                                                                                        \
	}
	PUT_IF(32)
	PUT_IF(16)
	PUT_IF(8)
	PUT_IF(4)
	PUT_IF(2)
	PUT_IF(1)
#undef PUT_IF
}

/* Pixels from..to - 1 and not one more, since the lines beside them are streamed. The row has at least a block. */
INLINED void row_edge(enum copy_op op, const struct constants *constants, const struct copy_rows *rows, struct row row,
		      size_t from, size_t to)
{
	_Alignas(64) uint8_t bytes[2 * VECTOR_BYTES];
	size_t at, end;

	for (; to - from >= BLOCK; from += BLOCK)
		block_store(op, row.destination + from * wide(op), row_block(op, constants, row, from));
	if (from == to)
		return;
	/* A block is computed where there is one in the row, and some of it is stored. */
	at = row.pixels - from >= BLOCK ? from : (row.pixels - BLOCK) / grouped(op) * grouped(op);
	end = at + BLOCK < to ? at + BLOCK : to;
	block_store(op, bytes, row_block(op, constants, row, at));
	put_some(row.destination + from * wide(op), bytes + (from - at) * wide(op), (end - from) * wide(op));
	put_pixels(op, rows, row, row.destination + end * wide(op), end, to);
}

INLINED void line_put(enum copy_op op, bool streaming, uint8_t *destination, const struct block *blocks)
{
	for (size_t i = 0; i < LINE_BYTES / wide(op) / BLOCK; i++) {
		if (streaming)
			block_stream(op, destination + i * BLOCK * wide(op), blocks[i]);
		else
			block_store(op, destination + i * BLOCK * wide(op), blocks[i]);
	}
}

#ifdef SUM_VECTORS

/* Lines of destination whose sums are kept: 16 KiB with vectors of 32 bytes, half of a first-level cache. */
#define SUM_LINES ((size_t)128)

/* What one line of the destination takes of the first row; and the line, when the second comes. */
INLINED void sum_line(enum copy_op op, const uint8_t *source, vector *sums);
INLINED void finish_line(enum copy_op op, const uint8_t *below, const vector *sums, struct block *blocks);

/*
 * Two rows that are read together are two streams, which the hardware runs ahead of less well than of one. So the first
 * row is read alone, its sums wait in the cache, always in the same place, and then the second. Rows that lie apart
 * begin anew each time, are asked for ahead of time, and so are read together.
 */
INLINED size_t row_binned_lines(enum copy_op op, bool streaming, struct row row, size_t x)
{
	const size_t line = LINE_BYTES / wide(op), step = source_at(op, line);
	size_t lines = (row.pixels - x) / line, some;
	_Alignas(64) vector sums[SUM_LINES][SUM_VECTORS];
	struct block blocks[4];

	for (; lines; lines -= some) {
		const uint8_t *source = row.source + source_at(op, x);

		some = lines < SUM_LINES ? lines : SUM_LINES;
		for (size_t i = 0; i < some; i++)
			sum_line(op, source + i * step, sums[i]);
		for (size_t i = 0; i < some; i++) {
			finish_line(op, source + row.below + i * step, sums[i], blocks);
			line_put(op, streaming, row.destination + (x + i * line) * wide(op), blocks);
		}
		x += some * line;
	}
	return x;
}

#endif

/*
 * From `x` on, for as long as there is a whole line of destination; returns where it ends. The source goes on by
 * itself, since source_at() of what is no constant costs where pixels share bytes.
 */
INLINED size_t row_lines(enum copy_op op, bool streaming, const struct constants *constants, struct row row, size_t x)
{
	const size_t line = LINE_BYTES / wide(op);
	const uint8_t *source = row.source + source_at(op, x);
	struct block blocks[4];

#ifdef SUM_VECTORS
	if (binned(op) && !row.apart)
		return row_binned_lines(op, streaming, row, x);
#endif
	for (; row.pixels - x >= line; x += line) {
		row_look_ahead(op, row, x);
		for (size_t i = 0; i < line / BLOCK; i++)
			blocks[i] = block_of(op, constants, source + source_at(op, i * BLOCK), row.below);
		line_put(op, streaming, row.destination + x * wide(op), blocks);
		source += source_at(op, line);
	}
	return x;
}

/* False with nothing stored: the row is too short, or its pixels never meet the beginning of a line. */
INLINED bool row_stream(enum copy_op op, const struct constants *constants, const struct copy_rows *rows,
			struct row row)
{
	const size_t line = LINE_BYTES / wide(op);
	size_t head_bytes = -(uintptr_t)row.destination % LINE_BYTES, x = head_bytes / wide(op);

	if (head_bytes % (wide(op) * grouped(op)) || row.pixels < x + line)
		return false;
	row_edge(op, constants, rows, row, 0, x);
	x = row_lines(op, true, constants, row, x);
	row_edge(op, constants, rows, row, x, row.pixels);
	return true;
}

INLINED void row_store(enum copy_op op, const struct constants *constants, const struct copy_rows *rows, struct row row)
{
	size_t x = row_lines(op, false, constants, row, 0);

	for (; row.pixels - x >= BLOCK; x += BLOCK)
		block_store(op, row.destination + x * wide(op), row_block(op, constants, row, x));
	if (x < row.pixels && row.pixels >= BLOCK) {
		/* The last block of the row, over pixels that are there already. */
		size_t at = (row.pixels - BLOCK) / grouped(op) * grouped(op);

		block_store(op, row.destination + at * wide(op), row_block(op, constants, row, at));
		x = at + BLOCK;
	}
	put_pixels(op, rows, row, row.destination + x * wide(op), x, row.pixels);
}

/* --- all rows --- */

/* The pixels of a first group that is taken in part; the row then begins with the next group. */
INLINED void row_begin_group(enum copy_op op, const struct copy_rows *rows, struct row *row)
{
	size_t pixels = (4 - rows->first) % 4;

	if (!rows->first)
		return;
	if (pixels > row->pixels)
		pixels = row->pixels;
	put_pixels(op, rows, *row, row->destination, rows->first, rows->first + pixels);
	row->destination += pixels * wide(op);
	row->source += 5;
	row->pixels -= pixels;
}

/* Bytes of the source that a row takes, but for what a last group has. */
INLINED size_t row_bytes(enum copy_op op, const struct copy_rows *rows)
{
	return source_at(op, rows->pixels / grouped(op) * grouped(op));
}

/* The hardware, which runs ahead by itself as long as addresses go on, begins anew behind a gap. */
INLINED bool rows_apart(enum copy_op op, const struct copy_rows *rows)
{
	return rows->source_stride >= row_bytes(op, rows) + GAP_BYTES;
}

/*
 * How many rows ahead of the copy memory is asked for: behind gaps, and where two rows are read together, which the
 * hardware does not follow. Where it does well, asking costs more than it gives.
 */
#ifdef SUM_VECTORS
#define TOGETHER(op) false
#else
#define TOGETHER(op) binned(op)
#endif
INLINED size_t rows_ahead(enum copy_op op, const struct copy_rows *rows)
{
	size_t bytes = row_bytes(op, rows) * (binned(op) ? 2 : 1);

	if (!bytes || (!TOGETHER(op) && !rows_apart(op, rows)))
		return 0;
	return (AHEAD_BYTES + bytes - 1) / bytes;
}

/* --- two places at a time --- */

/* So far apart that the hardware takes them for two: rows that lie nearer slow each other down. */
#define HALVES_BYTES ((size_t)160 << 10)

/* Two rows whose destinations lie alike within lines, line by line in turn. */
INLINED void rows_stream_two(enum copy_op op, const struct constants *constants, const struct copy_rows *rows,
			     struct row upper, struct row lower)
{
	const size_t line = LINE_BYTES / wide(op);
	size_t head = -(uintptr_t)upper.destination % LINE_BYTES / wide(op), x;
	struct block blocks[2][4];

	row_edge(op, constants, rows, upper, 0, head);
	row_edge(op, constants, rows, lower, 0, head);
	for (x = head; upper.pixels - x >= line; x += line) {
		for (size_t i = 0; i < line / BLOCK; i++) {
			blocks[0][i] = row_block(op, constants, upper, x + i * BLOCK);
			blocks[1][i] = row_block(op, constants, lower, x + i * BLOCK);
		}
		line_put(op, true, upper.destination + x * wide(op), blocks[0]);
		line_put(op, true, lower.destination + x * wide(op), blocks[1]);
	}
	row_edge(op, constants, rows, upper, x, upper.pixels);
	row_edge(op, constants, rows, lower, x, lower.pixels);
}

/*
 * What streams waits for what it reads. Where a source goes on from row to row, two streams of reads bring more than
 * one: the rows of the upper half of all, and those of the lower. Returns how many rows are done so, an even number, 0
 * where it does not pay or lines of the destination do not begin alike in both.
 */
INLINED size_t walk_halves(enum copy_op op, const struct constants *constants, const struct copy_rows *rows,
			   struct row upper)
{
	size_t half = rows->rows / 2;
	struct row lower = upper;

	if (packed(op) || binned(op) || upper.apart || rows->pixels < 2 * LINE_BYTES ||
	    half * rows->source_stride < HALVES_BYTES || half * rows->destination_stride % LINE_BYTES ||
	    ((uintptr_t)rows->destination | rows->destination_stride) % wide(op))
		return 0;
	lower.destination += half * rows->destination_stride;
	lower.source += half * rows->source_stride;
	for (size_t y = 0; y < half; y++) {
		rows_stream_two(op, constants, rows, upper, lower);
		upper.destination += rows->destination_stride;
		upper.source += rows->source_stride;
		lower.destination += rows->destination_stride;
		lower.source += rows->source_stride;
	}
	return 2 * half;
}

INLINED void walk(enum copy_op op, bool streaming, const struct copy_rows *rows)
{
	const struct copy_rows own = *rows; /* that no store can change, so that it stays in registers */
	const struct constants constants = constants_of(&own);
	size_t step = binned(op) ? 2 * own.source_stride : own.source_stride, count = own.rows;
	size_t ahead = rows_ahead(op, &own);
	struct row next = { own.destination,   own.source,   own.pixels,
			    own.source_stride, ahead * step, rows_apart(op, &own) };
	size_t done = streaming ? walk_halves(op, &constants, &own, next) : 0;

	next.destination += done * own.destination_stride;
	next.source += done * step;
	count -= done;
	/* Rows without padding are one row. */
	if (!packed(op) && !binned(op) && own.destination_stride == own.pixels * wide(op) &&
	    own.source_stride == source_at(op, own.pixels)) {
		next.pixels *= count;
		count = 1;
	}
	for (; count; count--) {
		struct row row = next;

		if (count <= ahead)
			row.ahead = 0;
		if (packed(op))
			row_begin_group(op, &own, &row);
		if (!streaming || !row_stream(op, &constants, &own, row))
			row_store(op, &constants, &own, row);
		next.destination += own.destination_stride;
		next.source += step;
	}
}

/* --- uncached memory: nothing is asked for ahead, since the CPU would not --- */

struct line {
	vector part[LINE_BYTES / VECTOR_BYTES];
};

/*
 * An aligned line, each byte read once, at full width, the loads back to back. It may begin before the pixels and end
 * behind them: outside of the object, but within the page. AddressSanitizer does not look into assembler.
 */
typedef struct line fetch_function(const uint8_t *source);

#ifdef FETCH_INSTRUCTION
INLINED struct line fetch_line(const uint8_t *source)
{
	struct line line;

	for (size_t i = 0; i < LINE_BYTES / VECTOR_BYTES; i++)
		line.part[i] = vector_fetch(source + i * VECTOR_BYTES);
	return line;
}
#endif

/* Some of a line: fewer than all of its bytes. */
INLINED void fetch_some(fetch_function *fetch, uint8_t *destination, const uint8_t *source, size_t bytes)
{
	size_t skip = (uintptr_t)source % LINE_BYTES;
	struct line line = fetch(source - skip);

	put_some(destination, (const uint8_t *)&line + skip, bytes);
}

INLINED void fetch_row(fetch_function *fetch, uint8_t *destination, const uint8_t *source, size_t bytes)
{
	size_t head = -(uintptr_t)source % LINE_BYTES, done;

	if (head > bytes)
		head = bytes;
	if (head)
		fetch_some(fetch, destination, source, head);
	for (done = head; bytes - done >= LINE_BYTES; done += LINE_BYTES) {
		struct line line = fetch(source + done);

		for (size_t i = 0; i < LINE_BYTES / VECTOR_BYTES; i++)
			vector_store(destination + done + i * VECTOR_BYTES, line.part[i]);
	}
	if (done < bytes)
		fetch_some(fetch, destination + done, source + done, bytes - done);
}

INLINED void walk_fetch(fetch_function *fetch, const struct copy_rows *rows)
{
	uint8_t *destination = rows->destination;
	const uint8_t *source = rows->source;

	for (size_t y = 0; y < rows->rows; y++) {
		fetch_row(fetch, destination, source, rows->pixels);
		destination += rows->destination_stride;
		source += rows->source_stride;
	}
}

/* --- a kernel of the table --- */

#define KERNEL(OP, name, cpu)                                                                                          \
	void copy_##name##_##cpu(const struct copy_rows *rows)                                                         \
	{                                                                                                              \
		walk(COPY_##OP, false, rows);                                                                          \
	}
#define STREAMING(OP, name, cpu)                                                                                       \
	void copy_##name##_##cpu##_streaming(const struct copy_rows *rows)                                             \
	{                                                                                                              \
		walk(COPY_##OP, true, rows);                                                                           \
	}
#define FETCH(cpu, fetch)                                                                                              \
	void copy_fetch_##cpu(const struct copy_rows *rows)                                                            \
	{                                                                                                              \
		walk_fetch(fetch, rows);                                                                               \
	}

#endif
