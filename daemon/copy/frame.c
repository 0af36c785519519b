/* SPDX-License-Identifier: BSD-2-Clause */
/* frame.c - see frame.h. Capture thread, but for run_band(), which any worker may run. */
#include "copy/frame.h"

void copy_frame_begin(struct copy_frame *frame, struct copy_part *parts)
{
	*frame = (struct copy_frame){ .parts = parts, .y = UINT32_MAX };
}

static uint64_t bytes_of(const struct copy_job *job)
{
	return (uint64_t)job->width * job->height * copy_pixel_bytes(job->conversion->fourcc);
}

void copy_frame_add(struct copy_frame *frame, const struct copy_job *job)
{
	struct copy_part *part = &frame->parts[frame->count++];
	uint64_t bytes = bytes_of(job);
	uint32_t end = job->y + job->height * job->conversion->bin;

	*part = (struct copy_part){ .job = *job, .y = job->y };
	part->job.streaming = bytes >= COPY_STREAMING_BYTES;
	frame->bytes += bytes;
	if (job->y < frame->y)
		frame->y = job->y;
	if (end > frame->end)
		frame->end = end;
}

/* --- reading once ------------------------------------------------------------------------------------------- */

/* The unbinned job with the most pixels of a fourcc, NULL: none. */
static const struct copy_part *find_outer(const struct copy_frame *frame, uint32_t fourcc)
{
	const struct copy_part *outer = NULL;

	for (unsigned i = 0; i < frame->count; i++) {
		const struct copy_part *p = &frame->parts[i];

		if (p->job.conversion->uncached && p->job.conversion->bin == 1 && p->job.conversion->fourcc == fourcc &&
		    (!outer || bytes_of(&p->job) > bytes_of(&outer->job)))
			outer = p;
	}
	return outer;
}

/* Both sides of the comparison are inside the image: no sum overflows. */
static bool lies_inside(const struct copy_job *inner, const struct copy_job *outer)
{
	unsigned bin = inner->conversion->bin;

	return inner->x >= outer->x && inner->x + inner->width * bin <= outer->x + outer->width &&
	       inner->y >= outer->y && inner->y + inner->height * bin <= outer->y + outer->height;
}

/* A band must hold both rows that a binned row is made of: who else has made one of them may not be done. */
static bool keeps_to_bands(const struct copy_frame *frame, const struct copy_job *job)
{
	return job->conversion->bin == 1 || (job->y - frame->y) % 2 == 0;
}

/*
 * Move the widest job of a fourcc to the front, before whoever reads from it, and let those do so whose region lies
 * inside. Returns the next place at the front.
 */
static unsigned read_once(struct copy_frame *frame, uint32_t fourcc, unsigned front)
{
	const struct copy_part *found = find_outer(frame, fourcc);
	struct copy_part outer;

	if (!found)
		return front;
	outer = *found;
	frame->parts[found - frame->parts] = frame->parts[front];
	frame->parts[front++] = outer;
	for (unsigned i = front; i < frame->count; i++) {
		struct copy_job *job = &frame->parts[i].job;

		if (job->conversion->fourcc != fourcc || !job->inner || !lies_inside(job, &outer.job) ||
		    !keeps_to_bands(frame, job))
			continue;
		job->conversion = job->inner;
		job->image = outer.job.destination;
		job->image_stride = outer.job.destination_stride;
		job->x -= outer.job.x;
		job->y -= outer.job.y;
	}
	return front;
}

/* --- bands -------------------------------------------------------------------------------------------------- */

/* What is read and written. */
static uint64_t bytes_moved(const struct copy_frame *frame)
{
	uint64_t bytes = frame->bytes;

	for (unsigned i = 0; i < frame->count; i++) {
		const struct copy_job *job = &frame->parts[i].job;
		unsigned bin = job->conversion->bin;

		bytes += (uint64_t)pixels_row_bytes(job->conversion->from, job->width * bin) * job->height * bin;
	}
	return bytes;
}

static uint32_t bands_of(const struct copy_frame *frame, uint64_t moved, unsigned workers)
{
	uint64_t bands = (frame->bytes + COPY_FRAME_BAND_BYTES - 1) / COPY_FRAME_BAND_BYTES;
	uint64_t small = moved / COPY_FRAME_BAND_BYTES_MIN;

	/* Nothing to share out, and no other job to find the rows in the cache: kernels begin anew with each band. */
	if (workers == 1 && frame->count == 1)
		return 1;
	if (small > COPY_FRAME_BANDS_MIN)
		small = COPY_FRAME_BANDS_MIN;
	if (bands < small && workers > 1)
		bands = small;
	return bands < COPY_FRAME_BANDS ? (uint32_t)bands : COPY_FRAME_BANDS;
}

static void cut(struct copy_frame *frame, uint32_t bands)
{
	uint32_t rows = frame->end - frame->y;

	/* Even, for those that bin. */
	frame->band_rows = ((rows + bands - 1) / bands + 1) & ~1u;
	frame->bands = (rows + frame->band_rows - 1) / frame->band_rows;
}

/* Rows of the part whose last image row lies above `y`. */
static uint32_t rows_above(const struct copy_part *part, uint32_t y)
{
	uint32_t rows = y > part->y ? (y - part->y) / part->job.conversion->bin : 0;

	return rows < part->job.height ? rows : part->job.height;
}

static void run_band(void *owner, unsigned band, void *scratch)
{
	const struct copy_frame *frame = owner;
	uint32_t y = frame->y + band * frame->band_rows;

	for (unsigned i = 0; i < frame->count; i++) {
		const struct copy_part *part = &frame->parts[i];
		uint32_t begin = rows_above(part, y), end = rows_above(part, y + frame->band_rows);

		if (begin < end)
			copy_job_run(&part->job, begin, end - begin, scratch);
	}
}

void copy_frame_run(struct copy_frame *frame, struct copy_pool *pool, unsigned workers, struct copy_effort *ret_effort)
{
	uint64_t moved;

	read_once(frame, LUMARING_FORMAT_R8, read_once(frame, LUMARING_FORMAT_R16, 0));
	moved = bytes_moved(frame);
	workers = copy_pool_worth(pool, workers, moved);
	cut(frame, bands_of(frame, moved, workers));
	copy_pool_run(pool, workers, frame->bands, run_band, frame, ret_effort);
	copy_pool_note(pool, ret_effort, moved);
}
