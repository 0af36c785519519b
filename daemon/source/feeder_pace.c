/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feeder_pace.c - see feeder.h: when the next frame is due, and the wishes that change it. Producer, but for what says
 * otherwise.
 */
#include "source/feeder_private.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

uint64_t feeder_period(const struct feeder *feeder, uint64_t min_ns, uint64_t max_ns, uint64_t own_ns)
{
	uint64_t period_ns = own_ns;

	if (feeder->unpaced)
		return 0;
	if (period_ns < min_ns)
		period_ns = min_ns;
	if (max_ns && period_ns > max_ns)
		period_ns = max_ns;
	return period_ns;
}

const struct wish *feeder_wish(const struct feeder *feeder)
{
	return wish_taken(&feeder->wishes);
}

static void set_period(struct feeder *feeder)
{
	const struct wish *wish = feeder_wish(feeder);

	feeder->period_ns =
		feeder_period(feeder, wish->frame_duration_min_ns, wish->frame_duration_max_ns, feeder->own_period_ns);
}

void feeder_set_own_period(struct feeder *feeder, uint64_t period_ns)
{
	/* Relaxed: a number that stands alone, for feeder_check_rate(). */
	__atomic_store_n(&feeder->own_period_ns, period_ns, __ATOMIC_RELAXED);
	set_period(feeder);
	feeder_adopt(feeder); /* what was wished while a pipe was silent */
}

void feeder_adopt(struct feeder *feeder)
{
	uint64_t before_ns = feeder->period_ns, now_ns;

	if (!wish_take(&feeder->wishes))
		return;
	set_period(feeder);
	if (feeder->period_ns == before_ns)
		return;
	/* Each frame tells its own duration: that is no new format. */
	if (feeder->format.width)
		feeder->format.frame_duration_us = feeder_us(feeder->period_ns);
	/* What is overdue at the new pace is due now, and no frame before it was missed. */
	now_ns = clock_monotonic_ns();
	if (feeder->due_ns && feeder->due_ns + feeder->period_ns < now_ns)
		feeder->due_ns = now_ns - feeder->period_ns;
}

/* A timer of its own, since poll()'s timeout is relative and may come 50 us late by the default timer slack. */
int feeder_wait_until(struct feeder *feeder, uint64_t deadline_ns)
{
	struct itimerspec deadline = {
		.it_value = { .tv_sec = (time_t)(deadline_ns / NS_PER_SECOND),
			      .tv_nsec = (long)(deadline_ns % NS_PER_SECOND) },
	};
	bool due = false;
	int rc = 0;

	if (clock_monotonic_ns() >= deadline_ns)
		return 0;
	if (timerfd_settime(feeder->timer_fd, TFD_TIMER_ABSTIME, &deadline, NULL))
		return feeder_fail(feeder, -errno, "cannot set a timer: %s", strerror(errno));
	while (!rc && !due) {
		rc = feeder_orders(feeder);
		if (!rc && wish_is_fresh(&feeder->wishes))
			rc = FEEDER_NEWS;
		if (!rc)
			rc = feeder_poll(feeder, feeder->timer_fd, -1, &due);
	}
	return rc;
}

uint64_t feeder_next_due(struct feeder *feeder, uint64_t period_ns, uint64_t now_ns)
{
	bool first = !feeder->due_ns;

	feeder->due_ns += period_ns;
	if (first || now_ns > feeder->due_ns + period_ns)
		feeder->due_ns = now_ns;
	return feeder->due_ns;
}

uint64_t feeder_next_tick(struct feeder *feeder, uint64_t period_ns, uint64_t now_ns, uint64_t *ret_skipped)
{
	uint64_t skipped = 0;

	if (!feeder->due_ns)
		feeder->due_ns = now_ns;
	else
		feeder->due_ns += period_ns;
	if (now_ns > feeder->due_ns + feeder->buffer_count * period_ns) {
		skipped = (now_ns - feeder->due_ns) / period_ns;
		feeder->due_ns += skipped * period_ns;
	}
	*ret_skipped = skipped;
	return feeder->due_ns;
}

/* When the next frame is due, at the pace of now. */
static uint64_t next_turn(struct feeder *feeder, bool live, uint64_t now_ns, uint64_t *ret_skipped)
{
	*ret_skipped = 0;
	feeder->frame_period_ns = feeder->period_ns;
	if (!feeder->period_ns)
		return 0;
	if (live)
		return feeder_next_tick(feeder, feeder->period_ns, now_ns, ret_skipped);
	return feeder_next_due(feeder, feeder->period_ns, now_ns);
}

static int wait_turn(struct feeder *feeder, bool live, uint64_t *ret_due_ns, uint64_t *ret_skipped)
{
	int rc;

	do {
		uint64_t before_ns = feeder->due_ns;

		rc = feeder_orders(feeder);
		if (rc)
			return rc;
		*ret_due_ns = next_turn(feeder, live, clock_monotonic_ns(), ret_skipped);
		rc = feeder_wait_until(feeder, *ret_due_ns);
		if (rc == FEEDER_NEWS)
			feeder->due_ns = before_ns; /* not yet due, perhaps at another time */
		if (rc >= 0)
			feeder_adopt(feeder);
	} while (rc == FEEDER_NEWS);
	return rc;
}

int feeder_wait_due(struct feeder *feeder, uint64_t *ret_due_ns)
{
	uint64_t skipped;

	return wait_turn(feeder, false, ret_due_ns, &skipped);
}

int feeder_wait_tick(struct feeder *feeder, uint64_t *ret_due_ns, uint64_t *ret_skipped)
{
	return wait_turn(feeder, true, ret_due_ns, ret_skipped);
}
