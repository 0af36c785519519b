/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture.c - see capture.h: the thread, its events and its plans; deliver.c has what becomes of a frame. C1 to C6
 * label the atomics between this thread and the main thread.
 */
#include "capture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "deliver.h"

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
	uint32_t framed_serial; /* atomic */
	uint32_t state;         /* atomic: enum capture_state */
	uint32_t duration_us;   /* atomic: of the newest frame; until there is one, of the format */
	uint32_t sensor_clock;  /* atomic: enum lumaring_clock, likewise */
	bool told;              /* atomic: `state` is more than a guess */
	uint64_t quiet_ns;      /* atomic: of the newest pause */
	uint64_t still_ns;      /* atomic: how long that was, when it is over */
	uint64_t beats;         /* atomic: rings of the doorbell that were heard */
	struct source_format format;
	uint64_t before_ns, after_ns; /* stored before framed_serial, and not again before the next format's plan */
	char text[320];

	/* The thread's own. */
	struct deliver deliver;
	struct loop_op doorbell, readable;
	struct plan *plan;
	uint64_t newest_ns;        /* when the newest frame was complete */
	uint64_t resumed_ns;       /* since when frames of this format are fetched */
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

static void show_clock(const struct capture *capture, uint32_t sensor_clock)
{
	for (unsigned i = 0; i < capture->plan->stream_count; i++)
		ring_set_clock(capture->plan->streams[i].ring, (enum lumaring_clock)sensor_clock);
}

static void set_state(struct capture *capture, enum capture_state state)
{
	if (capture->state == state && capture->told)
		return;
	/* The rings first: who hears of the report tells clients to look at them. */
	show_state(capture, state);
	/* Relaxed: ordered by C1. */
	__atomic_store_n(&capture->told, true, __ATOMIC_RELAXED);
	/* C1 pairs with C1 in capture_read_report(): the rings' states, what was noted of a pause, and `text` before
	 * FAILED. */
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

/* A newer frame waits already: because copying is slow, or because nothing was fetched while the format changed. */
static unsigned cause_of(const struct capture *capture, const struct source_frame *frame)
{
	if (frame->damaged)
		return LUMARING_LOST_ERROR;
	if (!frame->behind || !source_is_live(capture->source))
		return DELIVER_IT;
	return frame->ready_ns < capture->resumed_ns ? LUMARING_LOST_RECONFIGURE : LUMARING_LOST_COPY_LATE;
}

/* The time around a change of format is from its last frame before to the first one after. */
static void note_frame(struct capture *capture, const struct source_frame *frame)
{
	if (capture->framed_serial != capture->format_serial) {
		capture->before_ns = capture->newest_ns;
		capture->after_ns = frame->ready_ns;
		/* C6 pairs with C6 in capture_read_report(): the times, and the frame in the rings, before the number.
		 */
		__atomic_store_n(&capture->framed_serial, capture->format_serial, __ATOMIC_RELEASE);
		loop_wake(capture->main_doorbell);
	}
	capture->newest_ns = frame->ready_ns;
	/* Relaxed: a word that stands alone. */
	if (frame->frame_duration_us)
		__atomic_store_n(&capture->duration_us, frame->frame_duration_us, __ATOMIC_RELAXED);
}

/* The rings first: whoever gets the frame finds the clock of its time there. */
static void note_clock(struct capture *capture, uint32_t sensor_clock)
{
	if (sensor_clock == capture->sensor_clock)
		return;
	show_clock(capture, sensor_clock);
	__atomic_store_n(&capture->sensor_clock, sensor_clock, __ATOMIC_RELAXED); /* as in note_frame() */
	loop_wake(capture->main_doorbell);
}

/* Relaxed, both: ordered by C1, and of a later pause they are good as well. */
static void note_pause(struct capture *capture, uint64_t quiet_ns)
{
	__atomic_store_n(&capture->quiet_ns, quiet_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&capture->still_ns, 0, __ATOMIC_RELAXED);
}

static void note_end_of_pause(struct capture *capture, uint64_t ready_ns)
{
	if (capture->state == CAPTURE_PAUSED && capture->quiet_ns && capture->newest_ns)
		__atomic_store_n(&capture->still_ns, ready_ns - capture->newest_ns, __ATOMIC_RELAXED);
}

static void take_frame(struct capture *capture, const struct source_frame *frame)
{
	uint64_t sequence = capture->stats.captured + 1;

	note_clock(capture, frame->sensor_clock);
	stats_captured(&capture->stats, sequence, frame->ready_ns);
	note_end_of_pause(capture, frame->ready_ns);
	set_state(capture, CAPTURE_LIVE);
	deliver_copy(&capture->deliver, capture->plan, frame, sequence, cause_of(capture, frame));
	note_frame(capture, frame);
	/* The buffer goes back before the many are told, so that the camera never waits for a client. */
	source_release(capture->source, frame->buffer);
	deliver_tell(&capture->deliver, capture->plan);
}

/* --- events of the source --- */

static bool plan_is_current(const struct capture *capture)
{
	return capture->plan && capture->plan->format_serial == capture->format_serial;
}

static void take_format(struct capture *capture, const struct source_format *format)
{
	capture->format = *format;
	/* As in note_frame(). */
	__atomic_store_n(&capture->duration_us, format->frame_duration_us, __ATOMIC_RELAXED);
	__atomic_store_n(&capture->sensor_clock, format->sensor_clock, __ATOMIC_RELAXED);
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
		note_pause(capture, event->quiet_ns);
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
	if (!capture->plan || capture->plan->format_serial != plan->format_serial)
		capture->resumed_ns = clock_monotonic_ns();
	capture->plan = plan;
	for (unsigned i = 0; i < plan->stream_count; i++) {
		const struct plan_stream *s = &plan->streams[i];

		if (s->previous)
			ring_carry(s->ring, s->previous);
		ring_begin(s->ring, capture->stats.captured + 1);
	}
	show_state(capture, (enum capture_state)capture->state);
	show_clock(capture, capture->sensor_clock);
	/* C2 pairs with C2 in capture_read_report(): the last use of the old plan before the number of the new one. */
	__atomic_store_n(&capture->acknowledged, plan->number, __ATOMIC_RELEASE);
	loop_wake(capture->main_doorbell);
}

static void on_doorbell(struct loop_op *op, int result)
{
	struct capture *capture = op->owner;
	struct plan *plan;

	(void)result;
	/* Relaxed: a count that stands alone. */
	__atomic_store_n(&capture->beats, capture->beats + 1, __ATOMIC_RELAXED);
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
	int r = copy_pool_enter(capture->deliver.pool);

	if (r < 0) {
		fail(capture, "the capture thread is refused the affinity or scheduling class of the copy threads", r);
		return NULL;
	}
	memory_lock_stack();
	r = loop_run(capture->loop);
	memory_unlock_stack();
	if (r < 0)
		fail(capture, "the capture thread cannot wait", r);
	return NULL;
}

/* --- calls of the main thread --- */

static int start_thread(struct capture *capture, char *text, size_t text_bytes)
{
	int r = loop_doorbell(capture->loop, &capture->doorbell);

	loop_readable(capture->loop, &capture->readable, source_fd(capture->source));
	if (r == 0)
		r = -pthread_create(&capture->thread, NULL, capture_thread, capture);
	if (r < 0)
		snprintf(text, text_bytes, "cannot start the capture thread: %s", strerror(-r));
	return r;
}

int capture_create(struct source *source, enum loop_backend backend, const struct capture_copying *copying,
		   struct loop_op *doorbell, struct capture **ret_capture, char *text, size_t text_bytes)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int r;

	if (!capture)
		return snprintf(text, text_bytes, "no memory for the capture thread"), -ENOMEM;
	capture->source = source;
	capture->deliver.source = source;
	capture->main_doorbell = doorbell;
	capture->doorbell = (struct loop_op){ .done = on_doorbell, .owner = capture };
	capture->readable = (struct loop_op){ .done = on_readable, .owner = capture };
	r = copy_pool_create(&copying->pool, &capture->deliver.pool, text, text_bytes);
	if (r == 0)
		r = loop_create(backend, &capture->loop, text, text_bytes);
	if (r == 0) {
		capture->deliver.teller.loop = capture->loop;
		tuner_init(&capture->deliver.tuner, copying->threads, copy_pool_threads(capture->deliver.pool),
			   copying->budget_percent);
		r = start_thread(capture, text, text_bytes);
	}
	if (r < 0) {
		capture_destroy(capture);
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
	copy_pool_destroy(capture->deliver.pool);
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
	/* C1 to C3 and C6 pair with those in set_state(), adopt_plan(), take_format() and note_frame(). */
	uint32_t format_serial = __atomic_load_n(&capture->format_serial, __ATOMIC_ACQUIRE), framed_serial;

	report->acknowledged = __atomic_load_n(&capture->acknowledged, __ATOMIC_ACQUIRE);
	if (format_serial != report->format_serial)
		report->format = capture->format; /* not written again before a plan for this number */
	report->format_serial = format_serial;
	framed_serial = __atomic_load_n(&capture->framed_serial, __ATOMIC_ACQUIRE);
	if (framed_serial != report->framed_serial) {
		report->before_ns = capture->before_ns; /* as the format */
		report->after_ns = capture->after_ns;
	}
	report->framed_serial = framed_serial;
	report->state = (enum capture_state)__atomic_load_n(&capture->state, __ATOMIC_ACQUIRE);
	report->told = __atomic_load_n(&capture->told, __ATOMIC_RELAXED); /* by C1, as the two below */
	report->quiet_ns = __atomic_load_n(&capture->quiet_ns, __ATOMIC_RELAXED);
	report->still_ns = __atomic_load_n(&capture->still_ns, __ATOMIC_RELAXED);
	if (report->state == CAPTURE_FAILED)
		memcpy(report->text, capture->text, sizeof(report->text));
}

uint32_t capture_frame_duration_us(const struct capture *capture)
{
	return __atomic_load_n(&capture->duration_us, __ATOMIC_RELAXED); /* as in note_frame() */
}

uint32_t capture_sensor_clock(const struct capture *capture)
{
	return __atomic_load_n(&capture->sensor_clock, __ATOMIC_RELAXED); /* as in note_frame() */
}

void capture_nudge(struct capture *capture)
{
	loop_wake(&capture->doorbell);
	copy_pool_nudge(capture->deliver.pool);
}

unsigned capture_threads(const struct capture *capture)
{
	return copy_pool_threads(capture->deliver.pool); /* its caller included */
}

uint64_t capture_beats(const struct capture *capture, unsigned thread)
{
	if (thread)
		return copy_pool_beats(capture->deliver.pool, thread);
	return __atomic_load_n(&capture->beats, __ATOMIC_RELAXED); /* as in on_doorbell() */
}

const struct camera_stats *capture_stats(const struct capture *capture)
{
	return &capture->stats;
}

const struct tuner *capture_tuner(const struct capture *capture)
{
	return &capture->deliver.tuner;
}

const struct loop *capture_loop(const struct capture *capture)
{
	return capture->loop;
}
