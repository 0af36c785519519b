/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * supervise.h - under a service manager: tells it of the camera (announce.h) and that our threads move (watchdog.h),
 * and finds out when nothing but a new process helps. Main thread only; without a service manager it does nothing.
 *
 * Who finds out what: threads of ours that do not move, the service manager, by the watchdog; a camera without frames,
 * the keeper (device_life.c), which restarts the capture and gives up after some times; a keeper that does not come
 * back from libcamera, this, after DEVICE_HANG_NS.
 */
#ifndef LUMARING_SUPERVISE_H
#define LUMARING_SUPERVISE_H

#include "announce.h"
#include "capture.h"
#include "watchdog.h"

/* How often the service manager may hear something new. */
#define SUPERVISE_TELL_NS UINT64_C(1000000000)

struct supervise_handler {
	void *owner;
	/* What there is to tell; *ret_status is what ret_view->status is to point to. */
	void (*view)(void *owner, struct announce_view *ret_view, struct status_view *ret_status);
	/* libcamera has not come back to the source's thread. */
	void (*hung)(void *owner);
};

struct supervise {
	struct loop *loop;
	struct supervise_handler handler;
	bool managed;
	struct announce announce;
	struct watchdog watchdog;
	struct loop_op second;
};

/* Until the loop is destroyed. */
void supervise_begin(struct supervise *supervise, struct loop *loop, struct capture *capture,
		     const struct supervise_handler *handler);

/* The state of the camera changed: do not wait for the next second. Nothing before supervise_begin(). */
void supervise_tell(struct supervise *supervise);

#endif
