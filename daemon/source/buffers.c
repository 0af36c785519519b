/* SPDX-License-Identifier: BSD-2-Clause */
/* buffers.c - see buffers.h: what device.c calls. The rest is in the files that buffers_private.h names. */
#include "source/buffers_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"

int buffers_create(const struct buffers_config *config, struct buffers **ret_buffers)
{
	struct buffers *buffers = calloc(1, sizeof(*buffers));

	if (!buffers)
		return -ENOMEM;
	buffers->config = *config;
	*ret_buffers = buffers;
	return 0;
}

void buffers_destroy(struct buffers *buffers)
{
	if (!buffers)
		return;
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++)
		dmabuf_finish(&buffers->pieces[i].memory);
	free(buffers);
}

/* --- owner ---------------------------------------------------------------------------------------------------- */

/* What was found out is another camera's. */
static void look_at_camera(struct buffers *buffers, const struct libcamera_camera *camera)
{
	struct libcamera_description description;

	libcamera_describe(camera, &description);
	if (strcmp(buffers->camera_id, description.identity.id) == 0)
		return;
	memcpy(buffers->camera_id, description.identity.id, sizeof(buffers->camera_id));
	buffers->chosen = false;
}

/* How many and how large, whole pages. */
static int set_demand(struct task *task, const struct libcamera_configuration *configuration)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t bytes = (uint64_t)task->format->stride * task->format->height;

	if (bytes < configuration->frame_bytes)
		bytes = configuration->frame_bytes;
	bytes = (bytes + page_bytes - 1) / page_bytes * page_bytes;
	task->count = configuration->buffer_count;
	if (!task->count || task->count > SOURCE_BUFFERS_MAX || !bytes)
		return task_fail(task, -EINVAL, "%u capture buffers of %llu bytes are not possible", task->count,
				 (unsigned long long)bytes);
	if (bytes > LIMIT_POOL_BYTES / task->count)
		return task_fail(task, -EFBIG,
				 "%u capture buffers for %ux%u pixels take %llu bytes and at most %llu are allowed; "
				 "use a smaller image",
				 task->count, configuration->width, configuration->height,
				 (unsigned long long)bytes * task->count, (unsigned long long)LIMIT_POOL_BYTES);
	task->bytes = (size_t)bytes;
	return 0;
}

/* Memory of the kind that was chosen for this camera. */
static int use_memory(struct task *task)
{
	int r;

	if (!task->buffers->chosen)
		return choose_memory(task);
	if (!task->buffers->heap)
		return export_pieces(task);
	r = pool_get(task, task->buffers->heap, task->count, true);
	if (r < 0)
		return r == -ENOMEM ? r : -EIO;
	return import_pieces(task, task->count);
}

int buffers_prepare(struct buffers *buffers, struct libcamera_camera *camera,
		    const struct libcamera_configuration *configuration, const struct source_format *format,
		    uint64_t held, unsigned ret_numbers[SOURCE_BUFFERS_MAX], bool *ret_uncached, char *text,
		    size_t text_bytes)
{
	struct task task = {
		.buffers = buffers,
		.camera = camera,
		.format = format,
		.held = held,
		.text = text,
		.text_bytes = text_bytes,
	};
	int r;

	text[0] = '\0';
	r = set_demand(&task, configuration);
	if (r < 0)
		return r;
	look_at_camera(buffers, camera);
	pool_drop_own(buffers, held);
	r = use_memory(&task);
	if (r < 0) {
		libcamera_forget(camera);
		pool_take_back(&task);
		return r;
	}
	pool_settle(&task, buffers->heap);
	buffers->count = task.count;
	buffers->bytes = buffers->pieces[task.numbers[0]].memory.bytes;
	memcpy(ret_numbers, task.numbers, task.count * sizeof(task.numbers[0]));
	*ret_uncached = !buffers->heap && buffers->own_uncached;
	return 0;
}

void buffers_detach(struct buffers *buffers, uint64_t held)
{
	pool_drop_own(buffers, held);
}

void buffers_report(const struct buffers *buffers, struct source_report *report)
{
	if (!buffers->chosen)
		return;
	snprintf(report->memory, sizeof(report->memory), "%s%s", buffers->heap ? "dma-heap " : "the driver's",
		 buffers->heap ? buffers->heap : "");
	memcpy(report->memory_reason, buffers->reason, sizeof(report->memory_reason));
	report->memory_chosen_by_measurement = buffers->by_measurement;
	report->cached_copy_ns = buffers->heap_ns;
	report->uncached_copy_ns = buffers->own_ns;
	report->buffer_count = buffers->count;
	report->buffer_bytes = buffers->bytes;
}

/* --- reader --------------------------------------------------------------------------------------------------- */

const uint8_t *buffers_pixels(const struct buffers *buffers, unsigned number)
{
	const struct piece *piece = &buffers->pieces[number];

	return piece->memory.pixels + piece->offset;
}

int buffers_begin_read(struct buffers *buffers, unsigned number)
{
	struct piece *piece = &buffers->pieces[number];
	int r = piece->synchronised ? dmabuf_begin_read(&piece->memory) : 0;

	/* What a driver exports need not be a dma-buf. */
	if (r == -ENOTTY && !piece->heap) {
		piece->synchronised = false;
		r = 0;
	}
	return r;
}

void buffers_end_read(struct buffers *buffers, unsigned number)
{
	const struct piece *piece = &buffers->pieces[number];

	/* There is nothing to be done about a failure: the device overwrites it anyhow. */
	if (piece->synchronised)
		(void)dmabuf_end_read(&piece->memory);
}
