/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_life.h - what one client of the demo does, from opening the stream to its end: a part of demo_client.c, which
 * starts each in a process of its own. It knows the daemon through liblumaring only, notes what it sees in memory that
 * it shares with its parent, and never waits for the parent.
 */
#ifndef LUMARING_TESTS_DEMO_LIFE_H
#define LUMARING_TESTS_DEMO_LIFE_H

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include <lumaring/lumaring.h>

#include "measure.h"
#include "source/synthetic.h"

#define SAMPLES_MAX (1u << 20)
#define FIRST_FRAME_MS 20000u /* a clip may take a moment to be opened */
#define SLOW_MS 500u          /* longer than the ring takes to come round */
#define REGION_WIDTH 640u
#define REGION_HEIGHT 480u
#define REGION_STEP 8u
#define ROWS_APART 16u /* a client that reads everything checks one row in so many, and others each time */

enum manner { IN_ORDER, SLOW, REGION, KILLED, RESTARTED, MANNERS };

/* What a client tells the parent. Atomic fields are read while it runs, the others after it ended or while it holds. */
struct figures {
	uint64_t frames;       /* atomic */
	uint64_t missed;       /* atomic: with a sequence */
	uint32_t sample_count; /* atomic: latencies so far */
	uint32_t hold;         /* atomic: set by the parent: keep the next frame and wait for the end */
	uint32_t holding;      /* atomic: done so */
	uint32_t stop;         /* atomic: set by the parent: finish */
	uint64_t missed_by[LUMARING_MISSED_CAUSES];
	uint64_t sequence_first, sequence_last, publication_first, publication_last;
	uint64_t published; /* in order only: what the ring said when the last frame was read */
	uint64_t bytes_checked, frames_wrong, frames_stale, frames_copied;
	uint32_t width, height, image_width, image_height; /* at first */
	uint32_t last_image_width;                         /* atomic */
	char text[320];                                    /* why it failed */
	uint32_t samples_ns[SAMPLES_MAX];
};

struct life {
	const char *camera, *runtime_dir;
	bool synthetic; /* the pixels are known */
	enum manner manner;
	struct figures *figures;
	struct lumaring *ring;
	char error[256];
};

__attribute__((format(printf, 2, 3))) static int fail(struct life *life, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(life->figures->text, sizeof(life->figures->text), format, arguments);
	va_end(arguments);
	return -1;
}

static int open_stream(struct life *life, struct lumaring_options *options)
{
	int r;

	options->runtime_dir = life->runtime_dir;
	options->timeout_ms = FIRST_FRAME_MS;
	options->error_text = life->error;
	options->error_bytes = sizeof(life->error);
	r = lumaring_open(life->camera, NULL, options, &life->ring);
	if (r < 0)
		return fail(life, "cannot open the stream: %s", life->error[0] ? life->error : lumaring_strerror(r));
	life->figures->image_width = lumaring_info(life->ring)->image_width;
	life->figures->image_height = lumaring_info(life->ring)->image_height;
	return 0;
}

/* Of an image of unknown size: ask for it first, since a region must lie inside. */
static int open_region(struct life *life)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	const struct figures *f = life->figures;

	options.cursors = 0; /* none of the others' pins */
	if (open_stream(life, &options) < 0)
		return -1;
	lumaring_close(life->ring);
	options = (struct lumaring_options)LUMARING_OPTIONS_INIT;
	options.flags = LUMARING_PRIVATE;
	options.region.width = f->image_width / 2 < REGION_WIDTH ? (f->image_width + 1) / 2 : REGION_WIDTH;
	options.region.height = f->image_height / 2 < REGION_HEIGHT ? (f->image_height + 1) / 2 : REGION_HEIGHT;
	return open_stream(life, &options);
}

/* From left to right and from the top down, a step a frame, and back at the edges. */
static int move_region(struct life *life, const struct lumaring_frame *frame)
{
	uint32_t room_x = frame->image_width - frame->width, room_y = frame->image_height - frame->height;
	uint32_t way = (uint32_t)frame->sequence * REGION_STEP;
	uint32_t x = way % (2 * room_x + 1), y = way % (2 * room_y + 1);
	struct lumaring_region region = {
		x > room_x ? 2 * room_x - x : x,
		y > room_y ? 2 * room_y - y : y,
		frame->width,
		frame->height,
	};
	int r = lumaring_set_region(life->ring, &region);

	return r < 0 ? fail(life, "cannot move the region: %s", lumaring_strerror(r)) : 0;
}

/* The synthetic source's pixels are known, so a torn or wrong frame shows. */
static void check_pixels(struct life *life, const struct lumaring_frame *frame)
{
	struct figures *f = life->figures;
	bool whole = life->manner == SLOW || life->manner == REGION, good = true;
	uint32_t first = whole ? 0 : (uint32_t)(frame->sequence % ROWS_APART), step = whole ? 1 : ROWS_APART;

	for (uint32_t y = first; y < frame->height && good; y += step) {
		good = synthetic_verify(frame->pixels + (size_t)y * frame->stride, frame->stride,
					frame->camera_sequence, frame->region.x, frame->region.y + y, frame->width, 1,
					NULL, NULL);
		f->bytes_checked += frame->width;
	}
	f->frames_wrong += !good;
}

static void count_frame(struct figures *f, const struct lumaring_frame *frame, uint64_t late_ns)
{
	uint32_t n = f->sample_count;

	if (!f->frames) {
		f->sequence_first = frame->sequence;
		f->publication_first = frame->publication;
		f->width = frame->width;
		f->height = frame->height;
	}
	__atomic_store_n(&f->last_image_width, frame->image_width, __ATOMIC_RELAXED); /* read in wait_for_size() */
	f->sequence_last = frame->sequence;
	f->publication_last = frame->publication;
	for (unsigned cause = 0; cause < LUMARING_MISSED_CAUSES; cause++)
		f->missed_by[cause] += frame->missed_by[cause];
	f->frames_copied += !frame->pinned;
	if (n < SAMPLES_MAX) {
		f->samples_ns[n] = late_ns < UINT32_MAX ? (uint32_t)late_ns : UINT32_MAX;
		/* Pairs with show_row(): the sample before the count. */
		__atomic_store_n(&f->sample_count, n + 1, __ATOMIC_RELEASE);
	}
	/* Single figures for the eye, read in show_row() and wait_for_frames(): relaxed. */
	__atomic_store_n(&f->missed, f->missed + frame->missed, __ATOMIC_RELAXED);
	__atomic_store_n(&f->frames, f->frames + 1, __ATOMIC_RELAXED);
}

/* To be killed with a frame in the hand, not just any time. */
static void hold_if_asked(struct figures *f)
{
	/* Only a wish, it may be seen late: relaxed. */
	if (!__atomic_load_n(&f->hold, __ATOMIC_RELAXED))
		return;
	/* Pairs with kill_one(): the figures before this. */
	__atomic_store_n(&f->holding, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

static int use_frame(struct life *life, const struct lumaring_frame *frame, uint64_t taken_ns)
{
	struct figures *f = life->figures;

	count_frame(f, frame, taken_ns - frame->ready_ns);
	if (life->manner == SLOW)
		measure_sleep_ns(SLOW_MS * UINT64_C(1000000));
	if (life->manner == REGION && move_region(life, frame) < 0)
		return -1;
	if (life->synthetic)
		check_pixels(life, frame);
	hold_if_asked(f);
	f->frames_stale += lumaring_release(life->ring, frame) < 0;
	return 0;
}

/* One frame, if there is one in time: 0, or -1 with text. */
static int take_frame(struct life *life, int timeout_ms)
{
	const struct lumaring_frame *frame;
	int r = life->manner == SLOW ? lumaring_latest(life->ring, timeout_ms, &frame)
				     : lumaring_next(life->ring, timeout_ms, &frame);

	if (r == 0)
		return use_frame(life, frame, measure_now_ns());
	if (r == LUMARING_EVENT_CLOSED || r == LUMARING_EVENT_DISCONNECTED)
		return fail(life, "the daemon ended the stream");
	if (r < 0 && r != -ETIMEDOUT && r != -EAGAIN && r != -EINTR)
		return fail(life, "%s: %s", lumaring_strerror(r), lumaring_error_text(life->ring));
	return 0;
}

/* Up to a moment when the last frame read is the newest published. */
static int catch_up(struct life *life)
{
	struct figures *f = life->figures;

	for (int tries = 0; tries < 1000; tries++) {
		f->published = lumaring_info(life->ring)->published;
		if (f->published == f->publication_last)
			return 0;
		if (take_frame(life, 0) < 0)
			return -1;
	}
	return fail(life, "publication %" PRIu64 " was read last and %" PRIu64 " is the newest: it cannot catch up",
		    f->publication_last, f->published);
}

static int live(struct life *life)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	int r = life->manner == REGION ? open_region(life) : open_stream(life, &options);

	/* Only a wish, seen after the frame at hand: relaxed. */
	while (r == 0 && !__atomic_load_n(&life->figures->stop, __ATOMIC_RELAXED))
		r = take_frame(life, 200);
	if (r == 0 && life->manner == IN_ORDER)
		r = catch_up(life);
	if (life->ring)
		lumaring_close(life->ring);
	return r;
}

#endif
