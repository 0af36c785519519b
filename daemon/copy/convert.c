/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * convert.c - see convert.h. A conversion is a chain of at most four steps:
 *
 *   fetch    uncached source and more to do: the row's bytes, as they are
 *   take     luma out of what lies around it, at the source's depth
 *   bin      2x2 to 1, at the source's depth
 *   finish   to the depth of the stream
 *
 * Where take and finish follow each other and one kernel does both, it does. One step alone goes straight from image to
 * destination, all rows in one call; more go by chunks of a row through the scratch memory.
 */
#include "copy/convert.h"

#include <stdio.h>

/* --- choosing ------------------------------------------------------------------------------------------------ */

static struct copy_step *add(struct copy_conversion *c, enum copy_op op, unsigned bytes, unsigned cpu)
{
	struct copy_step *step = &c->steps[c->step_count++];

	*step = (struct copy_step){ .kernel = copy_kernel_for(op, false, cpu), .unit = 1, .bytes = bytes };
	c->last_streaming = copy_kernel_for(op, true, cpu);
	return step;
}

/* How a sample of `depth` bits becomes one of 16. */
static void scale(struct copy_step *step, unsigned depth, enum lumaring_luma_range range)
{
	step->parameters.left = 16 - depth;
	step->parameters.right = 2 * depth - 16;
	step->parameters.mask = range == LUMARING_RANGE_FULL ? 0xffff : 0;
}

static void add_rgb(struct copy_conversion *c, enum lumaring_luma_range range, unsigned cpu)
{
	struct copy_rows *p = &add(c, COPY_RGB, 1, cpu)->parameters;
	bool red_first = c->from == PIXELS_RGB24 || c->from == PIXELS_XBGR8888;

	p->step = pixels_facts(c->from)->group_bytes;
	p->red_at = red_first ? 0 : 2;
	p->blue_at = red_first ? 2 : 0;
	p->weights = range == LUMARING_RANGE_LIMITED ? &copy_weights_limited : &copy_weights_full;
}

/*
 * Packed samples: unpacked at their own depth where more follows, else at once to what is wanted. True: that was all.
 */
static bool add_packed(struct copy_conversion *c, enum lumaring_luma_range range, unsigned cpu)
{
	bool ten = c->from == PIXELS_R10_CSI2P;
	struct copy_step *step;

	if (c->bin == 1 && c->fourcc == LUMARING_FORMAT_R8)
		return add(c, ten ? COPY_PACKED10_8 : COPY_PACKED12_8, 1, cpu), true;
	step = add(c, ten ? COPY_PACKED10 : COPY_PACKED12, 2, cpu);
	if (c->bin == 1)
		scale(step, ten ? 10 : 12, range);
	return c->bin == 1;
}

/* From the samples of a source, a byte or two each, to those of the stream. */
static void add_finish(struct copy_conversion *c, unsigned depth, enum lumaring_luma_range range, unsigned cpu)
{
	if (depth == 8 && c->fourcc == LUMARING_FORMAT_R16) {
		add(c, COPY_WIDEN, 2, cpu)->parameters.mask = range == LUMARING_RANGE_FULL ? 0xffff : 0;
	} else if (depth > 8 && c->fourcc == LUMARING_FORMAT_R8) {
		add(c, COPY_NARROW, 1, cpu)->parameters.right = depth - 8;
	} else if (depth > 8 && depth < 16) {
		scale(add(c, COPY_SCALE, 2, cpu), depth, range);
	}
}

/* As it is: the one step, and it can be the one that reads past the caches. */
static void add_bytes(struct copy_conversion *c, unsigned unit, unsigned cpu)
{
	c->step_count = 0;
	add(c, c->uncached ? COPY_FETCH : COPY_BYTES, unit, cpu)->unit = unit;
}

void copy_conversion_init(struct copy_conversion *c, enum pixels from, enum lumaring_luma_range range, bool uncached,
			  uint32_t fourcc, unsigned bin, unsigned cpu)
{
	unsigned depth = pixels_facts(from)->depth;
	bool done = false;

	*c = (struct copy_conversion){ .from = from, .fourcc = fourcc, .bin = bin, .uncached = uncached };
	if (uncached)
		add(c, COPY_FETCH, 0, cpu);
	switch (from) {
	case PIXELS_R8:
	case PIXELS_R10:
	case PIXELS_R12:
	case PIXELS_R16:
		break;
	case PIXELS_YUYV:
	case PIXELS_YVYU:
		add(c, COPY_EVEN, 1, cpu);
		break;
	case PIXELS_UYVY:
	case PIXELS_VYUY:
		add(c, COPY_ODD, 1, cpu);
		break;
	case PIXELS_R10_CSI2P:
	case PIXELS_R12_CSI2P:
		done = add_packed(c, range, cpu);
		break;
	case PIXELS_RGB24:
	case PIXELS_BGR24:
	case PIXELS_XRGB8888:
	case PIXELS_XBGR8888:
		add_rgb(c, range, cpu);
		break;
	case PIXELS_COUNT:
		break;
	}
	if (bin == 2)
		add(c, depth > 8 ? COPY_BIN16 : COPY_BIN8, depth > 8 ? 2 : 1, cpu);
	if (!done)
		add_finish(c, depth, range, cpu);
	if (c->step_count == uncached)
		add_bytes(c, copy_pixel_bytes(fourcc), cpu);
}

bool copy_conversion_inner(const struct copy_conversion *outer, unsigned cpu, struct copy_conversion *ret_inner)
{
	enum pixels from = outer->fourcc == LUMARING_FORMAT_R16 ? PIXELS_R16 : PIXELS_R8;

	/* Binning comes before the change of depth, so the other one's samples must be those of the source. */
	if (outer->bin > 1 && pixels_facts(outer->from)->depth != pixels_facts(from)->depth)
		return false;
	copy_conversion_init(ret_inner, from, LUMARING_RANGE_FULL, false, outer->fourcc, outer->bin, cpu);
	return true;
}

void copy_conversion_text(const struct copy_conversion *c, bool streaming, char *text, size_t text_bytes)
{
	size_t used = 0;

	for (unsigned i = 0; i < c->step_count && used < text_bytes; i++) {
		bool last = i + 1 == c->step_count;

		used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i ? ", " : "",
					 (last && streaming ? c->last_streaming : c->steps[i].kernel)->name);
	}
}

/* --- doing --------------------------------------------------------------------------------------------------- */

static const struct copy_kernel *last_kernel(const struct copy_job *job)
{
	const struct copy_conversion *c = job->conversion;

	return job->streaming ? c->last_streaming : c->steps[c->step_count - 1].kernel;
}

/* Where the group of pixel x of an image row begins. */
static const uint8_t *group_at(const struct copy_job *job, uint32_t x, uint32_t y)
{
	const struct pixels_facts *facts = pixels_facts(job->conversion->from);

	return job->image + (size_t)y * job->image_stride + (size_t)(x / facts->group_pixels) * facts->group_bytes;
}

/* YUYV and the like: a pixel has two bytes of its group of four, and luma at the same place in both. */
static const uint8_t *pixel_at(const struct copy_job *job, uint32_t x, uint32_t y, unsigned *ret_first)
{
	const struct pixels_facts *facts = pixels_facts(job->conversion->from);
	unsigned first = x % facts->group_pixels;

	if (facts->group_bytes % facts->group_pixels == 0) {
		*ret_first = 0;
		return group_at(job, x, y) + first * (facts->group_bytes / facts->group_pixels);
	}
	*ret_first = first;
	return group_at(job, x, y);
}

static void run_at_once(const struct copy_job *job, uint32_t row, uint32_t rows)
{
	const struct copy_conversion *c = job->conversion;
	struct copy_rows r = c->steps[0].parameters;

	r.destination = job->destination + row * job->destination_stride;
	r.destination_stride = job->destination_stride;
	r.source = pixel_at(job, job->x, job->y + row * c->bin, &r.first);
	r.source_stride = job->image_stride;
	r.pixels = (size_t)job->width * c->steps[0].unit;
	r.rows = rows;
	last_kernel(job)->function(&r);
}

/*
 * Bytes of the image that `pixels` take from the group on whose pixel number `first` they begin: for the fetch, whole
 * groups, but of YUYV and the like what is at both ends is a pixel's own.
 */
static size_t bytes_of(enum pixels from, unsigned first, size_t pixels)
{
	const struct pixels_facts *facts = pixels_facts(from);

	if (facts->group_bytes % facts->group_pixels == 0)
		return pixels * (facts->group_bytes / facts->group_pixels);
	return pixels_row_bytes(from, first + pixels);
}

/* One chunk of one destination row, step by step: `pixels` from `column` on. */
static void run_chunk(const struct copy_job *job, uint32_t row, uint32_t column, uint32_t pixels, uint8_t *scratch)
{
	const struct copy_conversion *c = job->conversion;
	unsigned lines = c->bin, first;
	size_t count = (size_t)pixels * c->bin;
	const uint8_t *from = pixel_at(job, job->x + column * c->bin, job->y + row * c->bin, &first);
	size_t stride = job->image_stride;

	for (unsigned i = 0; i < c->step_count; i++) {
		const struct copy_step *step = &c->steps[i];
		enum copy_op op = step->kernel->op;
		bool last = i + 1 == c->step_count;
		struct copy_rows r = step->parameters;

		if (op == COPY_BIN8 || op == COPY_BIN16) {
			lines = 1;
			count = pixels;
		}
		r.source = from;
		r.source_stride = stride;
		r.first = op == COPY_FETCH ? 0 : first;
		r.pixels = op == COPY_FETCH ? bytes_of(c->from, first, count) : count;
		r.rows = lines;
		r.destination = last ? job->destination + row * job->destination_stride + (size_t)column * step->bytes
				     : scratch + i % 2 * COPY_AREA_BYTES;
		r.destination_stride = last ? job->destination_stride : COPY_AREA_BYTES / 2;
		(last ? last_kernel(job) : step->kernel)->function(&r);
		from = r.destination;
		stride = r.destination_stride;
		if (op != COPY_FETCH)
			first = 0;
	}
}

/*
 * Pixels of the first chunk of a row: where the image is read in whole groups of 64 bytes, chunks meet where two of
 * these do, so that none is read twice. From then on every chunk takes whole ones.
 */
static uint32_t first_chunk(const struct copy_job *job, uint32_t row)
{
	const struct copy_conversion *c = job->conversion;
	/* So many groups further on it is the same again; binned from an odd column on they may never meet. */
	uint32_t end = 64 * pixels_facts(c->from)->group_pixels;
	unsigned first;

	if (!c->uncached || job->width <= COPY_CHUNK_PIXELS)
		return COPY_CHUNK_PIXELS;
	for (uint32_t n = 1; n <= end; n++) {
		const uint8_t *at = pixel_at(job, job->x + n * c->bin, job->y + row * c->bin, &first);

		if (!first && (uintptr_t)at % 64 == 0)
			return n;
	}
	return COPY_CHUNK_PIXELS;
}

void copy_job_run(const struct copy_job *job, uint32_t row, uint32_t rows, void *scratch)
{
	bool rows_alike = job->image_stride % 64 == 0;
	uint32_t end = row + rows, begin = 0;

	if (job->conversion->step_count == 1) {
		run_at_once(job, row, rows);
		return;
	}
	for (uint32_t r = row; r < end; r++) {
		uint32_t chunk;

		if (r == row || !rows_alike)
			begin = first_chunk(job, r);
		chunk = begin;
		for (uint32_t column = 0; column < job->width; column += chunk, chunk = COPY_CHUNK_PIXELS) {
			uint32_t left = job->width - column;

			run_chunk(job, r, column, left < chunk ? left : chunk, scratch);
		}
	}
}
