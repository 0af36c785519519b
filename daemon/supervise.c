/* SPDX-License-Identifier: BSD-2-Clause */
/* supervise.c - see supervise.h. */
#include "supervise.h"

#include <assert.h>

#include "base/clock.h"
#include "copy/pool.h"
#include "service.h"

static_assert(COPY_THREADS_MAX <= WATCHDOG_THREADS_MAX, "the watchdog knows each thread that copies");

static void tell(struct supervise *supervise, struct announce_view *view, struct status_view *status)
{
	*view = (struct announce_view){ 0 };
	supervise->handler.view(supervise->handler.owner, view, status);
	announce_tell(&supervise->announce, view);
}

void supervise_tell(struct supervise *supervise)
{
	struct status_view status;
	struct announce_view view;

	if (supervise->managed)
		tell(supervise, &view, &status);
}

static void on_second(struct loop_op *op, int result)
{
	struct supervise *supervise = op->owner;
	struct status_view status;
	struct announce_view view;

	if (result < 0)
		return;
	tell(supervise, &view, &status);
	/* No thread of ours that the watchdog knows stands still for it, but there will be no frames any more. */
	if (status.device->hung)
		supervise->handler.hung(supervise->handler.owner);
	loop_timer(supervise->loop, &supervise->second, clock_monotonic_ns() + SUPERVISE_TELL_NS);
}

static void nudge(void *owner)
{
	capture_nudge(owner);
}

static uint64_t beats(const void *owner, unsigned thread)
{
	return capture_beats(owner, thread);
}

void supervise_begin(struct supervise *supervise, struct loop *loop, struct capture *capture,
		     const struct supervise_handler *handler)
{
	const struct watchdog_threads threads = {
		.owner = capture,
		.count = capture_threads(capture),
		.nudge = nudge,
		.beats = beats,
	};
	uint64_t interval_ns = service_watchdog_ns();

	*supervise = (struct supervise){
		.loop = loop,
		.handler = *handler,
		.managed = service_is_managed(),
		.second = { .done = on_second, .owner = supervise },
	};
	if (!supervise->managed)
		return;
	on_second(&supervise->second, 0);
	if (interval_ns)
		watchdog_begin(&supervise->watchdog, loop, &threads, interval_ns, service_pet);
}
