/* SPDX-License-Identifier: BSD-2-Clause */
/* deliver.c - see deliver.h. Capture thread. */
#include "deliver.h"

#include <assert.h>

#include "base/clock.h"

/* --- slots --- */

static struct region region_for(const struct plan *plan, const struct plan_stream *stream)
{
	if (!stream->wanted_region)
		return stream->region;
	/* Pairs with lr_page_set_region() of the library: may change at any time, and stands alone: relaxed. */
	return region_clamp(region_from_word(__atomic_load_n(stream->wanted_region, __ATOMIC_RELAXED)),
			    plan->format.width, plan->format.height, &stream->limits);
}

static void describe(const struct plan *plan, const struct plan_stream *stream, const struct source_frame *frame,
		     struct lumaring_descriptor *d)
{
	struct region region = region_for(plan, stream);
	uint32_t bin = stream->limits.bin, width = region.width / bin;

	*d = (struct lumaring_descriptor){
		.sensor_ns = frame->sensor_ns,
		.ready_ns = frame->ready_ns,
		.camera_sequence = frame->camera_sequence,
		.fourcc = stream->fourcc,
		.width = width,
		.height = region.height / bin,
		.stride = ring_stride(width, stream->bytes_per_pixel),
		.bin = bin,
		.region_x = region.x,
		.region_y = region.y,
		.region_width = region.width,
		.region_height = region.height,
		.image_width = plan->format.width,
		.image_height = plan->format.height,
		.frame_duration_us = frame->frame_duration_us,
		.exposure_us = frame->exposure_us,
		.analogue_gain_milli = frame->analogue_gain_milli,
	};
	assert((uint64_t)d->stride * d->height <= ring_slot_bytes(stream->ring));
}

static void count_before_capture(struct ring *ring, const struct source_frame *frame)
{
	for (unsigned cause = LUMARING_LOST_SEQUENCED; cause < LUMARING_LOST_CAUSES; cause++)
		if (frame->lost[cause])
			ring_count_lost(ring, (enum lumaring_lost)cause, frame->lost[cause]);
}

/* Take a slot and say what will be in it, or count the one cause why there is none. */
static void take_slot(const struct plan *plan, struct plan_stream *stream, const struct source_frame *frame,
		      uint64_t sequence, unsigned cause)
{
	struct plan_picture *picture = &stream->picture;

	count_before_capture(stream->ring, frame);
	if (!stream->wanted)
		ring_count_lost(stream->ring, LUMARING_LOST_UNREAD, 1);
	else if (cause != DELIVER_IT)
		ring_count_lost(stream->ring, (enum lumaring_lost)cause, 1);
	else if (ring_take(stream->ring, sequence, stream->cursors, stream->cursor_count, &picture->slot) < 0)
		ring_count_lost(stream->ring, LUMARING_LOST_NO_SLOT, 1);
	else
		picture->due = true;
	picture->early = false;
	if (picture->due)
		describe(plan, stream, frame, &picture->descriptor);
}

/* --- pixels --- */

static uint64_t bytes_of(const struct plan_stream *stream)
{
	const struct lumaring_descriptor *d = &stream->picture.descriptor;

	return (uint64_t)d->width * d->height * stream->bytes_per_pixel;
}

/*
 * Which streams go first. True: some do. All of them together are a small part: one thread copies them while the others
 * idle and the image waits. Who reads a stream has a client of it; nobody would be told of one without.
 */
static bool choose_early(struct plan *plan)
{
	uint64_t bytes = 0, room;
	unsigned clients = 0;

	for (unsigned i = 0; i < plan->stream_count; i++)
		if (plan->streams[i].picture.due)
			bytes += bytes_of(&plan->streams[i]);
	room = bytes / DELIVER_EARLY_PART;
	for (unsigned i = 0; i < plan->stream_count; i++) {
		struct plan_stream *s = &plan->streams[i];

		if (!s->picture.due || !s->client_count || bytes_of(s) > room ||
		    clients + s->client_count > DELIVER_EARLY_CLIENTS)
			continue;
		s->picture.early = true;
		clients += s->client_count;
		room -= bytes_of(s);
	}
	return clients > 0;
}

static void add_job(struct copy_frame *work, const struct plan *plan, const struct plan_stream *stream,
		    const struct source_frame *frame)
{
	const struct plan_picture *picture = &stream->picture;
	struct copy_job job = {
		.conversion = &stream->conversion,
		.inner = stream->has_inner ? &stream->inner : NULL,
		.image = frame->image,
		.image_stride = plan->format.stride,
		.x = picture->descriptor.region_x,
		.y = picture->descriptor.region_y,
		.width = picture->descriptor.width,
		.height = picture->descriptor.height,
		.destination = ring_pixels(stream->ring, picture->slot),
		.destination_stride = picture->descriptor.stride,
	};

	copy_frame_add(work, &job);
}

static void fill_notice(struct plan_stream *stream, uint64_t sequence)
{
	const struct lumaring_descriptor *d = &stream->picture.descriptor;

	stream->notice.notice = (struct lumaring_notice){
		.message = { .type = LUMARING_MESSAGE_NOTICE, .size = sizeof(stream->notice.notice) },
		.epoch = ring_epoch(stream->ring),
		.sequence = sequence,
		.publication = d->publication,
		.sensor_ns = d->sensor_ns,
		.ready_ns = d->ready_ns,
		.publish_ns = d->publish_ns,
		.slot = stream->picture.slot,
		.generation = d->generation,
	};
}

/* 0: unpaced. A frame whose own duration is unknown has that of its format. */
static uint64_t period_ns(const struct plan *plan, const struct source_frame *frame)
{
	uint32_t us = frame->frame_duration_us ? frame->frame_duration_us : plan->format.frame_duration_us;

	return us * NS_PER_US;
}

/* When its exposure began, by CLOCK_MONOTONIC; 0: not known. Only after a suspend do the two clocks differ. */
static uint64_t sensor_monotonic_ns(const struct source_frame *frame)
{
	if (!frame->sensor_ns || frame->sensor_clock != LUMARING_CLOCK_BOOTTIME)
		return frame->sensor_ns;
	return frame->sensor_ns + clock_monotonic_ns() - clock_ns(CLOCK_BOOTTIME);
}

/* Copy and publish the early ones, or the others. */
static void copy_some(struct deliver *deliver, struct plan *plan, const struct source_frame *frame, uint64_t sequence,
		      bool early)
{
	uint64_t began_ns = clock_monotonic_ns(), sensor_ns = sensor_monotonic_ns(frame);
	struct copy_effort effort;
	struct copy_frame work;

	copy_frame_begin(&work, plan->parts);
	for (unsigned i = 0; i < plan->stream_count; i++)
		if (plan->streams[i].picture.due && plan->streams[i].picture.early == early)
			add_job(&work, plan, &plan->streams[i], frame);
	if (!work.count)
		return;
	copy_frame_run(&work, deliver->pool, early ? 1 : tuner_workers(&deliver->tuner), &effort);
	for (unsigned i = 0; i < plan->stream_count; i++) {
		struct plan_stream *s = &plan->streams[i];

		if (!s->picture.due || s->picture.early != early)
			continue;
		ring_publish(s->ring, s->picture.slot, sequence, &s->picture.descriptor);
		stats_published(s->stats, began_ns, sensor_ns, &s->picture.descriptor);
		fill_notice(s, sequence);
	}
	if (!early)
		tuner_note(&deliver->tuner, &effort, work.bytes, period_ns(plan, frame));
}

/* --- telling --- */

static void tell(struct deliver *deliver, struct plan *plan, bool early)
{
	struct publish_teller *teller = &deliver->teller;

	publish_notify_begin(teller);
	for (unsigned i = 0; i < plan->stream_count; i++) {
		struct plan_stream *s = &plan->streams[i];

		if (s->picture.due && s->picture.early == early)
			publish_notify(teller, s->clients, s->client_count, &s->notice.msg);
	}
	publish_notify_flush(teller);
}

static bool is_wanted(const struct plan *plan)
{
	for (unsigned i = 0; i < plan->stream_count; i++)
		if (plan->streams[i].wanted)
			return true;
	return false;
}

void deliver_copy(struct deliver *deliver, struct plan *plan, const struct source_frame *frame, uint64_t sequence,
		  unsigned cause)
{
	publish_notify_frame(&deliver->teller);
	/* Before a slot is taken: it would have to be published. */
	if (cause == DELIVER_IT && is_wanted(plan) && source_begin_read(deliver->source, frame->buffer) < 0)
		cause = LUMARING_LOST_ERROR;
	for (unsigned i = 0; i < plan->stream_count; i++)
		take_slot(plan, &plan->streams[i], frame, sequence, cause);
	if (choose_early(plan)) {
		copy_some(deliver, plan, frame, sequence, true);
		tell(deliver, plan, true);
	}
	copy_some(deliver, plan, frame, sequence, false);
}

void deliver_tell(struct deliver *deliver, struct plan *plan)
{
	tell(deliver, plan, false);
	for (unsigned i = 0; i < plan->stream_count; i++) {
		struct plan_stream *s = &plan->streams[i];

		if (s->picture.due)
			publish_notify_costly(&deliver->teller, s->clients, s->client_count, &s->notice.msg);
		s->picture.due = false;
	}
}
