/* SPDX-License-Identifier: BSD-2-Clause */
/* trial.c - see trial.h. The same conversions, bands and scratch as a frame's, but into memory that nobody reads. */
#include "trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/memory.h"
#include "copy/frame.h"

#define PAGE_BYTES 4096u

struct trial {
	struct copy_pool *pool; /* of the caller alone: it has no thread */
	unsigned stream_count;
	struct stream_config streams[LIMIT_STREAMS];
};

int trial_create(const struct config *config, struct trial **ret_trial, char *text, size_t text_bytes)
{
	const struct copy_pool_config pool = { .threads = 1,
					       .scratch_bytes = COPY_SCRATCH_BYTES,
					       .policy = COPY_POLICY_INHERITED };
	struct trial *trial = calloc(1, sizeof(*trial));
	int r;

	if (!trial)
		return snprintf(text, text_bytes, "no memory to try out copies"), -ENOMEM;
	/* Without a shared stream, clients make their own: of all of it, for want of anything better. */
	trial->stream_count = config->stream_count ? config->stream_count : 1;
	memcpy(trial->streams, config->streams, config->stream_count * sizeof(trial->streams[0]));
	for (unsigned i = 0; i < trial->stream_count; i++)
		stream_config_complete(&trial->streams[i]);
	r = copy_pool_create(&pool, &trial->pool, text, text_bytes);
	if (r < 0) {
		trial_destroy(trial);
		return r;
	}
	*ret_trial = trial;
	return 0;
}

void trial_destroy(struct trial *trial)
{
	if (!trial)
		return;
	copy_pool_destroy(trial->pool);
	free(trial);
}

struct pictures {
	struct copy_conversion conversions[LIMIT_STREAMS], inner[LIMIT_STREAMS];
	struct copy_part parts[LIMIT_STREAMS];
	struct copy_frame frame;
	size_t offsets[LIMIT_STREAMS]; /* of the destinations, each from a page on */
	size_t bytes;                  /* of all */
};

/* What deliver.c would make of the stream, but for its destination; it may be empty, of an image too small to be
 * binned.
 */
static void add_picture(struct pictures *pictures, const struct stream_config *stream, const uint8_t *image,
			const struct source_format *format)
{
	const struct region_limits limits = { UINT32_MAX, UINT32_MAX, stream->bin };
	struct region region = region_clamp(stream->region, format->width, format->height, &limits);
	unsigned at = pictures->frame.count;
	struct copy_conversion *conversion = &pictures->conversions[at], *inner = &pictures->inner[at];
	struct copy_job job = { .conversion = conversion,
				.image = image,
				.image_stride = format->stride,
				.x = region.x,
				.y = region.y,
				.width = region.width / stream->bin,
				.height = region.height / stream->bin };

	copy_conversion_init(conversion, format->pixels, (enum lumaring_luma_range)format->luma_range, format->uncached,
			     stream->fourcc, stream->bin, copy_cpu());
	job.inner = copy_conversion_inner(conversion, copy_cpu(), inner) ? inner : NULL;
	job.destination_stride = ring_stride(job.width, copy_pixel_bytes(stream->fourcc));
	pictures->offsets[at] = pictures->bytes;
	pictures->bytes += (job.destination_stride * job.height + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	copy_frame_add(&pictures->frame, &job);
}

uint64_t trial_copy_ns(const void *owner, const uint8_t *image, const struct source_format *format)
{
	const struct trial *trial = owner;
	struct pictures pictures;
	struct copy_effort effort;
	uint64_t began_ns, ns;
	uint8_t *memory;

	memset(&pictures, 0, sizeof(pictures));
	copy_frame_begin(&pictures.frame, pictures.parts);
	for (unsigned i = 0; i < trial->stream_count; i++)
		add_picture(&pictures, &trial->streams[i], image, format);
	memory = mmap(NULL, pictures.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		return 0;
	memory_hide(memory, pictures.bytes);
	for (unsigned i = 0; i < pictures.frame.count; i++)
		pictures.parts[i].job.destination = memory + pictures.offsets[i];
	began_ns = clock_monotonic_ns();
	copy_frame_run(&pictures.frame, trial->pool, 1, &effort);
	ns = clock_monotonic_ns() - began_ns;
	munmap(memory, pictures.bytes);
	return ns ? ns : 1;
}
