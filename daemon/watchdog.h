/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watchdog.h - the proof that the daemon's threads move, for a service manager that ends and restarts one whose threads
 * do not. Main thread only, whose own proof is that its loop comes to the timer.
 *
 * It counts the beats of threads, not frames: a camera that is missing, a source that is paused or over, a daemon that
 * nobody reads from are states, in which all threads turn as they should. That a camera brings no frames is the
 * business of the source (device_life.c), and a libcamera that does not come back is that of camera.c.
 */
#ifndef LUMARING_WATCHDOG_H
#define LUMARING_WATCHDOG_H

#include "loop/loop.h"

/* Times that the threads are looked at in the interval of the service manager: one that is late once is not ended. */
#define WATCHDOG_LOOKS 3u

#define WATCHDOG_THREADS_MAX 16u

/* The threads beside the main thread: 0 captures, the others copy. */
struct watchdog_threads {
	void *owner;
	unsigned count; /* up to WATCHDOG_THREADS_MAX */
	/* Have each beat that is not held up. */
	void (*nudge)(void *owner);
	/* How often it has, another number after each nudge. */
	uint64_t (*beats)(const void *owner, unsigned thread);
};

struct watchdog {
	struct loop *loop;
	struct loop_op timer;
	struct watchdog_threads threads;
	void (*pet)(void);
	uint64_t look_ns; /* from one look to the next */
	struct {
		uint64_t beats, moved_ns; /* as of the last look, and when there was another number */
		bool missed;              /* it was logged */
	} seen[WATCHDOG_THREADS_MAX];
};

/*
 * From now on call `pet` several times in each interval_ns, while all threads have moved since the time before; what
 * was logged of one that has not, is followed by a line when it moves again. Until the loop is destroyed.
 */
void watchdog_begin(struct watchdog *watchdog, struct loop *loop, const struct watchdog_threads *threads,
		    uint64_t interval_ns, void (*pet)(void));

#endif
