/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture.c - see capture.h. The frame path: from source_fetch() to publish_notify() it allocates nothing, takes no
 * lock, logs nothing and waits for nobody. C1 to C5 label the atomics between this thread and the main thread.
 */
#include "capture.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "copy/copy.h"

/* Frames taken in one turn of the loop before plans and stops are looked at again. */
#define CAPTURE_EVENTS_PER_TURN 4

struct capture {
	struct source *source;
	struct loop *loop;
	struct loop_op *main_doorbell;
	pthread_t thread;
	bool running;

	/* Main -> capture. */
	struct plan *handed; /* atomic: NULL, or the plan to be taken over */
	bool stop;           /* atomic */

	/* Capture -> main. `text` and `format` are stored before the number that announces them, and not again before
	 * the main thread has answered with a plan (format) or ever (text). */
	uint64_t acknowledged;  /* atomic */
	uint32_t format_serial; /* atomic */
	uint32_t state;         /* atomic: enum capture_state */
	struct source_format format;
	char text[320];

	/* The thread's own. */
	struct publish_teller teller;
	struct loop_op doorbell, readable;
	struct plan *plan;
	struct camera_stats stats; /* the main thread looks at them */
};

/* --- state --- */

static enum lumaring_ring_state ring_state_for(enum capture_state state)
{
	switch (state) {
	case CAPTURE_PAUSED:
		return LUMARING_RING_PAUSED;
	case CAPTURE_LIVE:
		return LUMARING_RING_LIVE;
	case CAPTURE_LOST:
		return LUMARING_RING_SOURCE_LOST;
	case CAPTURE_ENDED:
	case CAPTURE_FAILED:
		return LUMARING_RING_CLOSED;
	}
	return LUMARING_RING_CLOSED;
}

static void show_state(const struct capture *capture, enum capture_state state)
{
	for (unsigned i = 0; capture->plan && i < capture->plan->stream_count; i++)
		ring_set_state(capture->plan->streams[i].ring, ring_state_for(state));
}

static void set_state(struct capture *capture, enum capture_state state)
{
	if (capture->state == state)
		return;
	/* The rings first: who hears of the report tells clients to look at them. */
	show_state(capture, state);
	/* C1 pairs with C1 in capture_read_report(): the rings' states, and `text` before FAILED. */
	__atomic_store_n(&capture->state, (uint32_t)state, __ATOMIC_RELEASE);
	loop_wake(capture->main_doorbell);
}

static void fail(struct capture *capture, const char *what, int error)
{
	snprintf(capture->text, sizeof(capture->text), "%s: %s", what, strerror(-error));
	set_state(capture, CAPTURE_FAILED);
}

static bool is_over(const struct capture *capture)
{
	return capture->state == CAPTURE_ENDED || capture->state == CAPTURE_FAILED;
}

/* --- one frame --- */

static struct region region_for(const struct capture *capture, const struct plan_stream *stream)
{
	if (!stream->wanted_region)
		return stream->region;
	/* Pairs with lr_page_set_region() of the library: may change at any time, and stands alone: relaxed. */
	return region_clamp(region_from_word(__atomic_load_n(stream->wanted_region, __ATOMIC_RELAXED)),
			    capture->plan->format.width, capture->plan->format.height, &stream->limits);
}

static void describe(const struct capture *capture, const struct source_frame *frame, const struct region *region,
		     struct lumaring_descriptor *d)
{
	*d = (struct lumaring_descriptor){
		.sensor_ns = frame->sensor_ns,
		.ready_ns = frame->ready_ns,
		.camera_sequence = frame->camera_sequence,
		.fourcc = LUMARING_FORMAT_R8,
		.width = region->width,
		.height = region->height,
		.stride = ring_stride(region->width, 1),
		.bin = 1,
		.region_x = region->x,
		.region_y = region->y,
		.region_width = region->width,
		.region_height = region->height,
		.image_width = capture->plan->format.width,
		.image_height = capture->plan->format.height,
		.frame_duration_us = frame->frame_duration_us,
		.exposure_us = frame->exposure_us,
		.analogue_gain_milli = frame->analogue_gain_milli,
	};
}

static void fill_notice(struct plan_stream *stream, uint32_t slot, uint64_t sequence,
			const struct lumaring_descriptor *d)
{
	stream->notice.due = true;
	stream->notice.notice = (struct lumaring_notice){
		.message = { .type = LUMARING_MESSAGE_NOTICE, .size = sizeof(stream->notice.notice) },
		.epoch = ring_epoch(stream->ring),
		.sequence = sequence,
		.publication = d->publication,
		.sensor_ns = d->sensor_ns,
		.ready_ns = d->ready_ns,
		.publish_ns = d->publish_ns,
		.slot = slot,
		.generation = d->generation,
	};
}

static void copy_frame(const struct capture *capture, struct plan_stream *stream, const struct source_frame *frame,
		       uint64_t sequence)
{
	struct region region = region_for(capture, stream);
	uint32_t source_stride = capture->plan->format.stride, slot;
	uint64_t began_ns = clock_monotonic_ns();
	struct lumaring_descriptor d;

	if (ring_take(stream->ring, sequence, stream->cursors, stream->cursor_count, &slot) < 0) {
		ring_count_lost(stream->ring, LUMARING_LOST_NO_SLOT, 1);
		return;
	}
	describe(capture, frame, &region, &d);
	assert((uint64_t)d.stride * d.height <= ring_slot_bytes(stream->ring));
	copy_plane(ring_pixels(stream->ring, slot), d.stride,
		   frame->image + (size_t)region.y * source_stride + region.x, source_stride, region.width,
		   region.height);
	ring_publish(stream->ring, slot, sequence, &d);
	stats_published(stream->stats, began_ns, &d);
	fill_notice(stream, slot, sequence, &d);
}

static void count_before_capture(struct ring *ring, const struct source_frame *frame)
{
	for (unsigned cause = LUMARING_LOST_SEQUENCED; cause < LUMARING_LOST_CAUSES; cause++)
		if (frame->lost[cause])
			ring_count_lost(ring, (enum lumaring_lost)cause, frame->lost[cause]);
}

/* Publish the frame in the stream's ring, or count it under the one cause why not. */
static void serve_stream(const struct capture *capture, struct plan_stream *stream, const struct source_frame *frame,
			 uint64_t sequence)
{
	count_before_capture(stream->ring, frame);
	if (!stream->wanted)
		ring_count_lost(stream->ring, LUMARING_LOST_UNREAD, 1);
	else if (frame->behind > 0 && source_is_live(capture->source))
		ring_count_lost(stream->ring, LUMARING_LOST_COPY_LATE, 1);
	else
		copy_frame(capture, stream, frame, sequence);
}

static void notify_all(struct capture *capture)
{
	struct publish_teller *teller = &capture->teller;

	publish_notify_frame(teller);
	publish_notify_begin(teller);
	for (unsigned i = 0; i < capture->plan->stream_count; i++) {
		struct plan_stream *stream = &capture->plan->streams[i];

		if (stream->notice.due)
			publish_notify(teller, stream->clients, stream->client_count, &stream->notice.msg);
	}
	publish_notify_flush(teller);
	for (unsigned i = 0; i < capture->plan->stream_count; i++) {
		struct plan_stream *stream = &capture->plan->streams[i];

		if (stream->notice.due)
			publish_notify_costly(teller, stream->clients, stream->client_count, &stream->notice.msg);
		stream->notice.due = false;
	}
}

/* The buffer goes back before anybody is told, so that the camera never waits for a client. */
static void take_frame(struct capture *capture, const struct source_frame *frame)
{
	uint64_t sequence = capture->stats.captured + 1;

	stats_captured(&capture->stats, sequence, frame->ready_ns);
	set_state(capture, CAPTURE_LIVE);
	for (unsigned i = 0; i < capture->plan->stream_count; i++)
		serve_stream(capture, &capture->plan->streams[i], frame, sequence);
	source_release(capture->source, frame->buffer);
	notify_all(capture);
}

/* --- events of the source --- */

static bool plan_is_current(const struct capture *capture)
{
	return capture->plan && capture->plan->format_serial == capture->format_serial;
}

static void take_format(struct capture *capture, const struct source_format *format)
{
	capture->format = *format;
	/* C3 pairs with C3 in capture_read_report(): the format before its number. */
	__atomic_store_n(&capture->format_serial, capture->format_serial + 1, __ATOMIC_RELEASE);
	loop_wake(capture->main_doorbell);
}

static void take_event(struct capture *capture, const struct source_event *event)
{
	switch (event->kind) {
	case SOURCE_FRAME:
		take_frame(capture, &event->frame);
		break;
	case SOURCE_FORMAT:
		take_format(capture, &event->format);
		break;
	case SOURCE_PAUSED:
		stats_interrupted(&capture->stats);
		set_state(capture, CAPTURE_PAUSED);
		break;
	case SOURCE_LOST:
		stats_interrupted(&capture->stats);
		set_state(capture, CAPTURE_LOST);
		break;
	case SOURCE_ENDED:
		set_state(capture, CAPTURE_ENDED);
		break;
	case SOURCE_FAILED:
		memcpy(capture->text, event->text, sizeof(capture->text));
		capture->text[sizeof(capture->text) - 1] = '\0';
		set_state(capture, CAPTURE_FAILED);
		break;
	}
}

/* After a format nothing is fetched until the main thread has made rings and a plan for it; after the end, nothing. */
static bool may_fetch(const struct capture *capture)
{
	return (!capture->format_serial || plan_is_current(capture)) && !is_over(capture);
}

static void listen_to_source(struct capture *capture)
{
	if (may_fetch(capture) && !loop_op_active(&capture->readable))
		loop_readable(capture->loop, &capture->readable, source_fd(capture->source));
}

static void on_readable(struct loop_op *op, int result)
{
	struct capture *capture = op->owner;
	struct source_event event;

	if (result == -ECANCELED) {
		listen_to_source(capture); /* cancelled below; a plan may have come since */
		return;
	}
	if (result < 0) {
		fail(capture, "the capture thread cannot listen to the source", result);
		return;
	}
	for (int i = 0; i < CAPTURE_EVENTS_PER_TURN; i++) {
		if (!may_fetch(capture)) {
			loop_cancel(capture->loop, &capture->readable);
			return;
		}
		if (source_fetch(capture->source, &event) < 0)
			return;
		take_event(capture, &event);
	}
}

/* --- plans --- */

static void adopt_plan(struct capture *capture, struct plan *plan)
{
	capture->plan = plan;
	for (unsigned i = 0; i < plan->stream_count; i++)
		ring_begin(plan->streams[i].ring, capture->stats.captured + 1);
	show_state(capture, (enum capture_state)capture->state);
	/* C2 pairs with C2 in capture_read_report(): the last use of the old plan before the number of the new one. */
	__atomic_store_n(&capture->acknowledged, plan->number, __ATOMIC_RELEASE);
	loop_wake(capture->main_doorbell);
}

static void on_doorbell(struct loop_op *op, int result)
{
	struct capture *capture = op->owner;
	struct plan *plan;

	(void)result;
	/* C4 pairs with C4 in capture_hand_plan(). */
	plan = __atomic_exchange_n(&capture->handed, NULL, __ATOMIC_ACQ_REL);
	if (plan)
		adopt_plan(capture, plan);
	listen_to_source(capture);
	/* C5 pairs with C5 in capture_stop(). */
	if (__atomic_load_n(&capture->stop, __ATOMIC_ACQUIRE))
		loop_stop(capture->loop);
}

static void *capture_thread(void *argument)
{
	struct capture *capture = argument;
	int r = loop_run(capture->loop);

	if (r < 0)
		fail(capture, "the capture thread cannot wait", r);
	return NULL;
}

/* --- calls of the main thread --- */

int capture_create(struct source *source, enum loop_backend backend, struct loop_op *doorbell,
		   struct capture **ret_capture, char *text, size_t text_bytes)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int r;

	if (!capture)
		return snprintf(text, text_bytes, "no memory for the capture thread"), -ENOMEM;
	capture->source = source;
	capture->main_doorbell = doorbell;
	capture->doorbell = (struct loop_op){ .done = on_doorbell, .owner = capture };
	capture->readable = (struct loop_op){ .done = on_readable, .owner = capture };
	r = loop_create(backend, &capture->loop, text, text_bytes);
	if (r == 0) {
		capture->teller.loop = capture->loop;
		loop_readable(capture->loop, &capture->readable, source_fd(source));
		r = loop_doorbell(capture->loop, &capture->doorbell);
		if (r == 0)
			r = -pthread_create(&capture->thread, NULL, capture_thread, capture);
		if (r < 0)
			snprintf(text, text_bytes, "cannot start the capture thread: %s", strerror(-r));
	}
	if (r < 0) {
		loop_destroy(capture->loop);
		free(capture);
		return r;
	}
	capture->running = true;
	pthread_setname_np(capture->thread, "capture");
	*ret_capture = capture;
	return 0;
}

void capture_stop(struct capture *capture)
{
	if (!capture || !capture->running)
		return;
	/* C5 pairs with C5 in on_doorbell(). */
	__atomic_store_n(&capture->stop, true, __ATOMIC_RELEASE);
	loop_wake(&capture->doorbell);
	pthread_join(capture->thread, NULL);
	capture->running = false;
}

void capture_destroy(struct capture *capture)
{
	if (!capture)
		return;
	capture_stop(capture);
	loop_destroy(capture->loop);
	free(capture);
}

void capture_hand_plan(struct capture *capture, struct plan *plan)
{
	/* C4 pairs with C4 in on_doorbell(): the plan's contents before the pointer. */
	__atomic_store_n(&capture->handed, plan, __ATOMIC_RELEASE);
	loop_wake(&capture->doorbell);
}

void capture_read_report(struct capture *capture, struct capture_report *report)
{
	/* C1 to C3 pair with those in set_state(), adopt_plan() and take_format(). */
	uint32_t format_serial = __atomic_load_n(&capture->format_serial, __ATOMIC_ACQUIRE);

	report->acknowledged = __atomic_load_n(&capture->acknowledged, __ATOMIC_ACQUIRE);
	if (format_serial != report->format_serial)
		report->format = capture->format; /* not written again before a plan for this number */
	report->format_serial = format_serial;
	report->state = (enum capture_state)__atomic_load_n(&capture->state, __ATOMIC_ACQUIRE);
	if (report->state == CAPTURE_FAILED)
		memcpy(report->text, capture->text, sizeof(report->text));
}

const struct camera_stats *capture_stats(const struct capture *capture)
{
	return &capture->stats;
}

const struct loop *capture_loop(const struct capture *capture)
{
	return capture->loop;
}
