/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture.h - the capture thread: fetches frames from the source, copies what is wanted into the rings, publishes,
 * gives the buffer back, notifies. The main thread talks to it through the calls below and hears from it through one
 * doorbell and struct capture_report.
 */
#ifndef LUMARING_CAPTURE_H
#define LUMARING_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "copy/pool.h"
#include "copy/tuner.h"
#include "loop/loop.h"
#include "plan.h"
#include "source/source.h"
#include "stats.h"

struct capture;

/*
 * What the source is doing, as the capture thread saw it.
 *
 * PAUSED -> LIVE    a frame came
 * LIVE   -> PAUSED  the source said so; it is what it begins with, too
 * any    -> LOST    the camera is gone;  LOST -> LIVE  a frame came
 * any    -> ENDED   final
 * any    -> FAILED  final, `text` says why
 */
enum capture_state {
	CAPTURE_PAUSED,
	CAPTURE_LIVE,
	CAPTURE_LOST,
	CAPTURE_ENDED,
	CAPTURE_FAILED,
};

struct capture_report {
	uint64_t acknowledged;       /* number of the plan in use: older ones, and what only they name, are free */
	uint32_t format_serial;      /* counts the formats the source announced, 0: none yet */
	struct source_format format; /* of that number; the capture thread waits until a plan is made for it */
	uint32_t framed_serial;      /* number of the newest format that a frame came of, 0: none yet */
	uint64_t before_ns;          /* CLOCK_MONOTONIC when the last frame before that format was complete, 0: none */
	uint64_t after_ns;           /* and the first one of it */
	enum capture_state state;
	bool told;         /* the source said so, or a frame did */
	uint64_t quiet_ns; /* PAUSED: for so long no frame had come that was due, 0: none is due */
	uint64_t still_ns; /* LIVE: the time from the last frame before that pause to the first one after, 0: no such */
	char text[320];    /* FAILED */
};

/* How frames are copied. */
struct capture_copying {
	struct copy_pool_config pool;
	unsigned threads;        /* always so many, 0: as few as suffice */
	unsigned budget_percent; /* of the frame period, that a frame's copies may take */
};

/*
 * Start the thread. `doorbell` is an operation of the main loop, rung whenever the report changed. `text` is as for
 * loop_create(): one sentence on failure, or when LOOP_AUTO came to take epoll, else "".
 */
int capture_create(struct source *source, enum loop_backend backend, const struct capture_copying *copying,
		   struct loop_op *doorbell, struct capture **ret_capture, char *text, size_t text_bytes);

/* Stop the thread and wait for it: it never blocks for longer than one frame's copy. NULL is allowed. */
void capture_destroy(struct capture *capture);

/* Hand over a plan. At most one may be unacknowledged. */
void capture_hand_plan(struct capture *capture, struct plan *plan);

/* Main thread: bring the report up to date. Begin with a zeroed one and keep it: the format is copied once. */
void capture_read_report(struct capture *capture, struct capture_report *report);

/* The time from frame to frame as the newest one says it: a change of rate comes without a format. 0: unpaced. */
uint32_t capture_frame_duration_us(const struct capture *capture);

/* enum lumaring_clock of the newest frame: it may become known while frames come. */
uint32_t capture_sensor_clock(const struct capture *capture);

/* What it noted so far; valid as long as `capture`, and written to all the time: see stats_load(). */
const struct camera_stats *capture_stats(const struct capture *capture);

/* How many threads copy, and why: to look at with tuner_view(). */
const struct tuner *capture_tuner(const struct capture *capture);

/* Its loop, to look at: loop_backend_name(), loop_fallback(). */
const struct loop *capture_loop(const struct capture *capture);

/*
 * For a watchdog: have each thread that works on frames show that it moves, 0 the capture thread, the others those that
 * copy. One that is not held up beats after that, whether or not there is anything to do.
 */
void capture_nudge(struct capture *capture);
unsigned capture_threads(const struct capture *capture);
uint64_t capture_beats(const struct capture *capture, unsigned thread);

/* Stop the thread, but keep the object: afterwards the rings are the main thread's. */
void capture_stop(struct capture *capture);

#endif
