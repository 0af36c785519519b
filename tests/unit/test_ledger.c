/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ledger.c - daemon/source/ledger: each cause by itself, what must not be taken for a loss, random schedules whose
 * truth is known, and clocks that a test sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../tools/random.h"
#include "base/clock.h"
#include "source/ledger.h"

#define MS NS_PER_MS
#define S NS_PER_SECOND
#define PERIOD (33 * MS)
#define START (1000 * S)

/* A camera of a steady rate, and what the ledger made of it. */
struct camera {
	struct ledger ledger;
	uint64_t now_ns, period_ns;
	uint32_t sequence;
	uint32_t told_us; /* in each frame's metadata */
	uint32_t lost[LUMARING_LOST_CAUSES];
};

static struct camera camera_of(uint64_t period_ns)
{
	return (struct camera){ .now_ns = START, .period_ns = period_ns };
}

static struct camera fixed_camera(void)
{
	struct camera camera = camera_of(PERIOD);

	ledger_set_rate(&camera.ledger, PERIOD, PERIOD);
	return camera;
}

static void note(struct camera *camera, enum libcamera_status status, uint64_t sensor_ns, bool asked)
{
	const struct libcamera_completion completion = {
		.status = status,
		.sensor_ns = sensor_ns,
		.ready_ns = camera->now_ns + 5 * MS,
		.camera_sequence = camera->sequence,
		.frame_duration_us = camera->told_us,
	};
	uint32_t lost[LUMARING_LOST_CAUSES] = { 0 };

	ledger_note(&camera->ledger, &completion, asked, lost);
	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
		camera->lost[cause] += lost[cause];
}

/* The next frame, off its time by so much. */
static void frame_off(struct camera *camera, int64_t off_ns)
{
	camera->now_ns += camera->period_ns;
	camera->sequence++;
	note(camera, LIBCAMERA_FRAME, camera->now_ns + (uint64_t)off_ns, false);
}

static void frames(struct camera *camera, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		frame_off(camera, 0);
}

/* The sensor's: nobody numbers them. */
static void miss(struct camera *camera, unsigned count)
{
	camera->now_ns += count * camera->period_ns;
}

static void cancel(struct camera *camera, bool asked)
{
	note(camera, LIBCAMERA_CANCELLED, 0, asked);
}

static uint32_t all_lost(const struct camera *camera)
{
	uint32_t sum = 0;

	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
		sum += camera->lost[cause];
	return sum;
}

static void assert_lost(const struct camera *camera, uint32_t sensor, uint32_t number, uint32_t cancelled)
{
	assert_int_equal(camera->lost[LUMARING_LOST_SENSOR], sensor);
	assert_int_equal(camera->lost[LUMARING_LOST_CAMERA], number);
	assert_int_equal(camera->lost[LUMARING_LOST_CANCELLED], cancelled);
	assert_int_equal(all_lost(camera), sensor + number + cancelled + camera->lost[LUMARING_LOST_STARTUP]);
}

/* --- causes --- */

static void test_what_comes_in_time_is_no_loss(void **state)
{
	struct camera fixed = fixed_camera(), learnt = camera_of(PERIOD);

	(void)state;
	frames(&fixed, 100);
	frames(&learnt, 100);
	assert_int_equal(all_lost(&fixed) + all_lost(&learnt), 0);
}

static void test_what_timestamps_miss_is_the_sensors(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	frames(&camera, 2);
	miss(&camera, 1);
	frames(&camera, 1);
	assert_lost(&camera, 1, 0, 0); /* with the frame after it, not later */
	miss(&camera, 7);
	frames(&camera, 3);
	assert_lost(&camera, 8, 0, 0);
}

static void test_what_the_cameras_numbers_skip_is_the_cameras(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	frames(&camera, 2);
	miss(&camera, 3);
	camera.sequence += 2;
	frames(&camera, 2);
	assert_lost(&camera, 1, 2, 0);
	/* Without a timestamp the numbers are all there is. */
	camera.sequence += 4;
	miss(&camera, 4);
	camera.now_ns += PERIOD;
	camera.sequence++;
	note(&camera, LIBCAMERA_FRAME, 0, false);
	frames(&camera, 2);
	assert_lost(&camera, 1, 2, 0); /* they might come late */
	frames(&camera, 1);            /* nor do they count once more when timestamps are back */
	assert_lost(&camera, 1, 6, 0);
}

static void test_cancelled_are_of_those_that_are_missing(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	cancel(&camera, false); /* before the first frame nothing is counted */
	frames(&camera, 1);
	miss(&camera, 1);
	frames(&camera, 1);
	assert_lost(&camera, 1, 0, 0);
	camera.lost[LUMARING_LOST_SENSOR] = 0;
	cancel(&camera, false);
	cancel(&camera, false);
	miss(&camera, 4);
	camera.sequence += 1;
	frames(&camera, 2);
	assert_lost(&camera, 1, 1, 2);
	/* One request too many is refused by the driver, and the camera goes on. */
	cancel(&camera, false);
	frames(&camera, 2);
	assert_lost(&camera, 1, 1, 2);
	/* Numbers that it took are told once. */
	cancel(&camera, false);
	miss(&camera, 1);
	camera.sequence += 1;
	frames(&camera, 2);
	assert_lost(&camera, 1, 2, 2);
}

static void test_cancelled_beside_a_damaged_time(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	frames(&camera, 5);
	cancel(&camera, false);
	frame_off(&camera, -(int64_t)(100 * MS));
	frames(&camera, 5);
	assert_int_equal(all_lost(&camera), 0);
	cancel(&camera, false);
	miss(&camera, 1);
	frame_off(&camera, -(int64_t)(100 * MS));
	frames(&camera, 5);
	assert_lost(&camera, 0, 0, 1);
}

static void test_cancelled_when_nothing_tells_the_time(void **state)
{
	struct camera camera = camera_of(PERIOD);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		camera.sequence++;
		note(&camera, LIBCAMERA_FRAME, 0, false);
	}
	cancel(&camera, false);
	cancel(&camera, false);
	camera.sequence += 2;
	note(&camera, LIBCAMERA_FRAME, 0, false);
	assert_lost(&camera, 0, 1, 1);
}

static void test_what_a_stop_cancels_is_no_loss(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	frames(&camera, 2);
	for (unsigned i = 0; i < 4; i++)
		cancel(&camera, true);
	miss(&camera, 5);
	frames(&camera, 1);
	assert_lost(&camera, 5, 0, 0); /* only a restart says that they need not have come */
	cancel(&camera, true);
	ledger_restart(&camera.ledger);
	miss(&camera, 20);
	camera.sequence = 0;
	frames(&camera, 3);
	assert_lost(&camera, 5, 0, 0);
}

static void test_startup_frames(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		camera.now_ns += 2 * PERIOD;
		camera.sequence += 2;
		cancel(&camera, false);
		note(&camera, LIBCAMERA_STARTUP, camera.now_ns, false);
	}
	assert_int_equal(all_lost(&camera), 0); /* to be told with a frame */
	miss(&camera, 1);
	frames(&camera, 2);
	assert_int_equal(camera.lost[LUMARING_LOST_STARTUP], 3);
	assert_lost(&camera, 1, 0, 0);
}

static void test_damaged_frames_are_frames(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	frames(&camera, 2);
	miss(&camera, 1);
	for (unsigned i = 0; i < 3; i++) {
		camera.now_ns += PERIOD;
		camera.sequence++;
		note(&camera, LIBCAMERA_DAMAGED, camera.now_ns, false);
	}
	assert_lost(&camera, 1, 0, 0);
	frames(&camera, 2);
	assert_lost(&camera, 1, 0, 0);
}

static void test_stood_still(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	ledger_stood_still(&camera.ledger, camera.now_ns + 50 * PERIOD); /* no frame before: nobody knows */
	frames(&camera, 2);
	ledger_stood_still(&camera.ledger, camera.now_ns + 5 * MS + 30 * PERIOD + PERIOD / 2);
	assert_int_equal(all_lost(&camera), 0);
	miss(&camera, 40);
	camera.sequence = 0;
	frames(&camera, 2);
	assert_lost(&camera, 30, 0, 0);
}

/* --- frames that come late --- */

/* The number so many periods after the first frame's, at its time. */
static void number(struct camera *camera, uint32_t sequence)
{
	camera->sequence = sequence;
	note(camera, LIBCAMERA_FRAME, START + sequence * camera->period_ns - 5 * MS * (sequence == 13), false);
}

static void numbers(struct camera *camera, const uint32_t *sequences, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		number(camera, sequences[i]);
}

/* As seen of uvcvideo, which puts the buffer of a damaged frame behind its others: 9 was lost. */
static const uint32_t one_damaged[] = { 6, 7, 8, 13, 10, 11, 12, 14, 15, 16 };
/* Two in a row; and one, whose buffer gets another damaged frame. */
static const uint32_t two_damaged[] = { 6, 7, 8, 13, 14, 11, 12, 15, 16, 17 };
static const uint32_t twice_damaged[] = { 6, 7, 8, 14, 10, 11, 12, 15, 16, 17 };

static void test_frames_that_come_late(void **state)
{
	static const struct {
		const uint32_t *sequences;
		uint32_t lost;
	} cases[] = { { one_damaged, 1 }, { two_damaged, 2 }, { twice_damaged, 2 } };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct camera fixed = camera_of(250 * MS), told = camera_of(250 * MS), slow = camera_of(900 * MS);
		struct camera learnt = camera_of(250 * MS);

		ledger_set_rate(&fixed.ledger, 250 * MS, 250 * MS);
		ledger_set_rate(&slow.ledger, 900 * MS, 900 * MS);
		told.told_us = 250000;
		for (uint32_t sequence = 0; sequence < 6; sequence++)
			number(&learnt, sequence);
		numbers(&fixed, cases[i].sequences, 10);
		numbers(&told, cases[i].sequences, 10);
		numbers(&slow, cases[i].sequences, 10);
		numbers(&learnt, cases[i].sequences, 10);
		assert_lost(&fixed, 0, cases[i].lost, 0);
		assert_lost(&told, 0, cases[i].lost, 0);
		assert_lost(&slow, 0, cases[i].lost, 0);
		assert_lost(&learnt, 0, cases[i].lost, 0);
	}
}

/* No loss is forgotten while frames may still come. */
static void test_gaps_while_frames_may_come_late(void **state)
{
	static const uint32_t again[] = { 1, 6, 3, 4, 11, 8, 9, 10, 12, 13, 14, 15 };
	static const uint32_t wraps[] = { UINT32_MAX - 2, 2, UINT32_MAX, 0, 1, 3, 4, 5 };
	struct camera camera = fixed_camera();

	(void)state;
	for (unsigned i = 0; i < sizeof(again) / sizeof(again[0]); i++)
		number(&camera, again[i]);
	assert_lost(&camera, 0, 3, 0); /* 2, 5, 7 */
	ledger_restart(&camera.ledger);
	for (unsigned i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		camera.sequence = wraps[i];
		note(&camera, LIBCAMERA_FRAME, 2 * START + (uint32_t)(wraps[i] + 3) * PERIOD, false);
	}
	assert_lost(&camera, 0, 4, 0); /* UINT32_MAX - 1 */
	camera.sequence = 10;
	note(&camera, LIBCAMERA_FRAME, 2 * START + 13 * PERIOD, false);
	assert_lost(&camera, 0, 4, 0); /* 6 to 9 may come */
	ledger_restart(&camera.ledger);
	frames(&camera, 1);
	assert_lost(&camera, 0, 8, 0);
}

/* --- what is no loss --- */

static void test_timestamps_that_step_back(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	frames(&camera, 5);
	frame_off(&camera, -(int64_t)(100 * MS));
	frames(&camera, 5);
	assert_int_equal(all_lost(&camera), 0);
	/* Two of them, and a loss in between is found when time has caught up. */
	frame_off(&camera, -(int64_t)(100 * MS));
	miss(&camera, 2);
	frame_off(&camera, -(int64_t)(150 * MS));
	assert_int_equal(all_lost(&camera), 0);
	frames(&camera, 2);
	assert_lost(&camera, 2, 0, 0);
}

static void test_a_clock_that_begins_anew(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	frames(&camera, 5);
	camera.now_ns = 20 * S;
	frames(&camera, 5);
	assert_int_equal(all_lost(&camera), 0);
	miss(&camera, 1);
	frames(&camera, 1);
	assert_lost(&camera, 1, 0, 0);
}

static void test_absurd_jumps(void **state)
{
	struct camera camera = fixed_camera();
	struct camera slow = camera_of(10 * S);

	(void)state;
	frames(&camera, 5);
	camera.now_ns += 600 * S; /* the machine slept */
	frames(&camera, 5);
	assert_int_equal(all_lost(&camera), 0);
	camera.sequence += 1u << 20;
	frames(&camera, 2);
	camera.sequence = 3;
	frames(&camera, 2);
	camera.sequence = UINT32_MAX - 1;
	frames(&camera, 5); /* it wraps */
	assert_int_equal(all_lost(&camera), 0);
	ledger_set_rate(&slow.ledger, 10 * S, 10 * S);
	frames(&slow, 3);
	miss(&slow, 2);
	frames(&slow, 3);
	assert_lost(&slow, 2, 0, 0);
}

static void test_a_late_frame(void **state)
{
	struct camera camera = fixed_camera();

	(void)state;
	frames(&camera, 5);
	camera.sequence++; /* lost, and the next one seems too early for that */
	miss(&camera, 1);
	frame_off(&camera, -(int64_t)(PERIOD * 6 / 10));
	frames(&camera, 5);
	assert_lost(&camera, 0, 1, 0);
}

static void test_a_source_without_a_pace(void **state)
{
	struct camera fixed = camera_of(MS / 2), range = camera_of(MS / 2);

	(void)state;
	ledger_set_rate(&fixed.ledger, PERIOD, PERIOD);
	ledger_set_rate(&range.ledger, 16 * MS, PERIOD);
	for (unsigned i = 0; i < 20; i++) {
		frames(&fixed, 50);
		frames(&range, 50);
		fixed.now_ns += 100 * MS; /* it was held up */
		range.now_ns += 100 * MS;
	}
	assert_int_equal(all_lost(&fixed) + all_lost(&range), 0);
}

/* --- rates --- */

static void test_a_change_of_a_fixed_rate(void **state)
{
	static const unsigned late[] = { 0, 1, 3, 9 };

	(void)state;
	for (unsigned i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		struct camera camera = fixed_camera();

		frames(&camera, 20);
		ledger_set_rate(&camera.ledger, 3 * PERIOD, 3 * PERIOD);
		frames(&camera, late[i]); /* those that were under way */
		camera.period_ns = 3 * PERIOD;
		frames(&camera, 20);
		assert_int_equal(all_lost(&camera), 0);
		miss(&camera, 1);
		frames(&camera, 1);
		assert_lost(&camera, 1, 0, 0);
		ledger_set_rate(&camera.ledger, PERIOD, PERIOD);
		frames(&camera, late[i]);
		camera.period_ns = PERIOD;
		frames(&camera, 1); /* the first one of the new rate ends the doubt */
		miss(&camera, 1);
		frames(&camera, 2);
		assert_lost(&camera, 2, 0, 0);
	}
}

/* Stopped and started for it: nothing is under way. */
static void test_a_change_of_rate_with_a_restart(void **state)
{
	struct camera camera = camera_of(3 * PERIOD);

	(void)state;
	ledger_set_rate(&camera.ledger, 3 * PERIOD, 3 * PERIOD);
	frames(&camera, 5);
	ledger_restart(&camera.ledger);
	ledger_set_rate(&camera.ledger, PERIOD, PERIOD);
	camera.period_ns = PERIOD;
	frames(&camera, 1);
	miss(&camera, 1);
	frames(&camera, 1);
	assert_lost(&camera, 1, 0, 0);
}

static void test_the_old_rate_is_not_believed_for_ever(void **state)
{
	struct camera camera = camera_of(3 * PERIOD);

	(void)state;
	ledger_set_rate(&camera.ledger, 3 * PERIOD, 3 * PERIOD);
	frames(&camera, 5);
	ledger_set_rate(&camera.ledger, PERIOD, PERIOD);
	frames(&camera, 16);
	assert_int_equal(all_lost(&camera), 0);
	frames(&camera, 2);
	assert_lost(&camera, 4, 0, 0);
}

static void test_what_frames_say_of_themselves(void **state)
{
	struct camera camera = camera_of(PERIOD);

	(void)state;
	ledger_set_rate(&camera.ledger, 10 * MS, S); /* auto exposure may do that */
	camera.told_us = 33000;
	frames(&camera, 1);
	miss(&camera, 1);
	frames(&camera, 1);
	assert_lost(&camera, 1, 0, 0); /* nothing to be learnt first */
	/* An interval may belong to the frame before or to the one after. */
	camera.told_us = 66000;
	frames(&camera, 1);
	camera.period_ns = 66 * MS;
	frames(&camera, 50);
	camera.told_us = 33000;
	frames(&camera, 1);
	camera.period_ns = PERIOD;
	frames(&camera, 5);
	assert_lost(&camera, 1, 0, 0);
	miss(&camera, 2);
	frames(&camera, 1);
	assert_lost(&camera, 3, 0, 0);
}

static void test_a_rate_that_is_learnt(void **state)
{
	struct camera camera = camera_of(PERIOD);

	(void)state;
	frames(&camera, 2);
	miss(&camera, 2); /* also among those that it is learnt of */
	frames(&camera, 3);
	assert_lost(&camera, 0, 0, 0);
	frames(&camera, 1);
	assert_lost(&camera, 2, 0, 0);
	miss(&camera, 3);
	frames(&camera, 1);
	assert_lost(&camera, 2, 0, 0); /* it may be the first one of a slower camera */
	frames(&camera, 1);
	assert_lost(&camera, 5, 0, 0);
	camera.sequence += 2;
	miss(&camera, 2);
	frames(&camera, 2); /* one of the two might come late */
	assert_lost(&camera, 5, 2, 0);
	for (unsigned i = 0; i < 7; i++) {
		miss(&camera, 1);
		frames(&camera, 1);
	}
	frames(&camera, 1);
	assert_lost(&camera, 12, 2, 0);
	miss(&camera, 1);
	frames(&camera, 1);
	ledger_restart(&camera.ledger); /* what was held back is not forgotten */
	frames(&camera, 1);
	assert_lost(&camera, 13, 2, 0);
}

static void test_a_webcam_in_the_dark(void **state)
{
	struct camera camera = camera_of(PERIOD);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		camera.period_ns = PERIOD;
		frames(&camera, 30);
		camera.period_ns = 4 * PERIOD;
		frames(&camera, 30);
		assert_int_equal(all_lost(&camera), 0);
		miss(&camera, 1);
		frames(&camera, 2);
		assert_lost(&camera, 1, 0, 0);
		memset(camera.lost, 0, sizeof(camera.lost));
	}
	camera.period_ns = PERIOD;
	frames(&camera, 30);
	miss(&camera, 1);
	frames(&camera, 2);
	assert_lost(&camera, 1, 0, 0);
}

static void test_a_range_bounds_what_is_learnt(void **state)
{
	struct camera camera = camera_of(PERIOD);

	(void)state;
	ledger_set_rate(&camera.ledger, 20 * MS, 40 * MS);
	frames(&camera, 10);
	for (unsigned i = 0; i < 20; i++) { /* every second one is lost: so slow it may not be */
		miss(&camera, 1);
		frames(&camera, 1);
	}
	assert_lost(&camera, 20, 0, 0);
}

/* --- random schedules --- */

struct schedule {
	uint64_t state;
	unsigned jitter_percent, burst;
	bool damaged_times;                   /* 100 ms in the past, now and then */
	uint32_t dropped, skipped, cancelled; /* the truth */
};

/* Missing frames of all kinds before the next one. */
static void random_losses(struct camera *camera, struct schedule *schedule)
{
	unsigned room = schedule->burst + 1, dropped = random_below(&schedule->state, room);
	unsigned skipped = random_below(&schedule->state, room - dropped);
	unsigned cancelled = random_below(&schedule->state, room - dropped - skipped);

	miss(camera, dropped + skipped + cancelled);
	camera->sequence += skipped;
	for (unsigned i = 0; i < cancelled; i++)
		cancel(camera, false);
	if (random_below(&schedule->state, 2))
		cancel(camera, true);
	schedule->dropped += dropped;
	schedule->skipped += skipped;
	schedule->cancelled += cancelled;
}

static void random_frame(struct camera *camera, struct schedule *schedule)
{
	uint32_t most = (uint32_t)(camera->period_ns * schedule->jitter_percent / 100);
	int64_t off = (int64_t)random_below(&schedule->state, 2 * most + 1) - most;
	bool damaged = !random_below(&schedule->state, 20);

	if (damaged && schedule->damaged_times)
		off = -(int64_t)(100 * MS);
	camera->now_ns += camera->period_ns;
	camera->sequence++;
	note(camera, damaged ? LIBCAMERA_DAMAGED : LIBCAMERA_FRAME, camera->now_ns + (uint64_t)off, false);
}

/* By cause; where times are damaged only all together, since what is missing then is seen late. */
static void run_schedule(struct camera camera, struct schedule schedule)
{
	uint32_t truth;

	frames(&camera, 50);
	for (unsigned i = 0; i < 1000; i++) {
		if (!random_below(&schedule.state, 8))
			random_losses(&camera, &schedule);
		random_frame(&camera, &schedule);
	}
	frames(&camera, 10);
	truth = schedule.dropped + schedule.skipped + schedule.cancelled;
	assert_in_range(truth, 100, 3000);
	if (schedule.damaged_times)
		assert_int_equal(all_lost(&camera), truth);
	else
		assert_lost(&camera, schedule.dropped, schedule.skipped, schedule.cancelled);
}

static void test_random_schedules_of_a_known_rate(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct schedule schedule = {
			.state = seed, .jitter_percent = 20, .burst = 12, .damaged_times = seed % 2
		};
		struct camera told = camera_of(PERIOD);

		told.told_us = 33000;
		run_schedule(fixed_camera(), schedule);
		run_schedule(told, schedule);
	}
}

static void test_random_schedules_of_a_learnt_rate(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct schedule schedule = { .state = seed, .jitter_percent = 15, .burst = 4 };
		struct camera bounded = camera_of(PERIOD);

		ledger_set_rate(&bounded.ledger, 5 * MS, S);
		run_schedule(camera_of(PERIOD), schedule);
		run_schedule(bounded, schedule);
	}
}

/* --- clocks --- */

#define SLEPT (600 * S)

/* Frames of a clock, 33 ms old each: what the last one says. */
static uint32_t clock_after(struct ledger *ledger, unsigned count, uint64_t *now_ns, uint64_t slept_ns, bool boottime)
{
	uint32_t clock = LUMARING_CLOCK_UNKNOWN;

	for (unsigned i = 0; i < count; i++) {
		*now_ns += PERIOD;
		clock = ledger_note_clock(ledger, *now_ns - PERIOD + (boottime ? slept_ns : 0), *now_ns,
					  *now_ns + slept_ns + i % 3);
	}
	return clock;
}

static void test_clocks_that_do_not_differ(void **state)
{
	struct ledger ledger = { 0 };
	uint64_t now = START;

	(void)state;
	assert_int_equal(clock_after(&ledger, 1000, &now, 0, true), LUMARING_CLOCK_UNKNOWN);
	assert_int_equal(clock_after(&ledger, 1000, &now, S, true), LUMARING_CLOCK_UNKNOWN);
}

static void test_a_suspend_before_the_camera_began(void **state)
{
	(void)state;
	for (unsigned boottime = 0; boottime < 2; boottime++) {
		struct ledger ledger = { 0 };
		uint64_t now = START;
		uint32_t clock = boottime ? LUMARING_CLOCK_BOOTTIME : LUMARING_CLOCK_MONOTONIC;

		/* At once, but not by one frame. */
		assert_int_equal(clock_after(&ledger, 2, &now, SLEPT, boottime), LUMARING_CLOCK_UNKNOWN);
		assert_int_equal(clock_after(&ledger, 1, &now, SLEPT, boottime), clock);
	}
}

static void test_a_suspend_while_frames_came(void **state)
{
	(void)state;
	for (unsigned boottime = 0; boottime < 2; boottime++) {
		struct ledger ledger = { 0 };
		uint64_t now = START, taken;
		uint32_t clock = boottime ? LUMARING_CLOCK_BOOTTIME : LUMARING_CLOCK_MONOTONIC;

		assert_int_equal(clock_after(&ledger, 100, &now, 0, boottime), LUMARING_CLOCK_UNKNOWN);
		/* Those that were under way have the time of before, which both clocks had. */
		taken = now;
		for (unsigned i = 0; i < 6; i++) {
			now += PERIOD;
			assert_int_equal(ledger_note_clock(&ledger, taken, now, now + SLEPT), LUMARING_CLOCK_UNKNOWN);
		}
		assert_int_equal(clock_after(&ledger, 200, &now, SLEPT, boottime), clock);
		/* Once known it stays so: with another suspend, a damaged timestamp, none. */
		assert_int_equal(clock_after(&ledger, 1, &now, 3 * SLEPT, boottime), clock);
		assert_int_equal(ledger_note_clock(&ledger, 0, now, now + SLEPT), clock);
		assert_int_equal(ledger_note_clock(&ledger, 7, now, now + SLEPT), clock);
		clock_after(&ledger, 200, &now, SLEPT, boottime);
		assert_int_equal(clock_after(&ledger, 2, &now, SLEPT, !boottime), clock);
		/* But who says otherwise again and again is believed. */
		assert_int_not_equal(clock_after(&ledger, 3, &now, SLEPT, !boottime), clock);
	}
}

static void test_clocks_that_are_not_there(void **state)
{
	struct ledger ledger = { 0 };

	(void)state;
	for (unsigned i = 1; i < 100; i++) {
		uint64_t now = START + i * PERIOD;

		assert_int_equal(ledger_note_clock(&ledger, now, now, 0), LUMARING_CLOCK_UNKNOWN);
		assert_int_equal(ledger_note_clock(&ledger, 0, now, now + SLEPT), LUMARING_CLOCK_UNKNOWN);
		/* Of neither clock: the camera's own. */
		assert_int_equal(ledger_note_clock(&ledger, i * PERIOD, now, now + SLEPT), LUMARING_CLOCK_UNKNOWN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_comes_in_time_is_no_loss),
		cmocka_unit_test(test_what_timestamps_miss_is_the_sensors),
		cmocka_unit_test(test_what_the_cameras_numbers_skip_is_the_cameras),
		cmocka_unit_test(test_cancelled_are_of_those_that_are_missing),
		cmocka_unit_test(test_cancelled_beside_a_damaged_time),
		cmocka_unit_test(test_cancelled_when_nothing_tells_the_time),
		cmocka_unit_test(test_what_a_stop_cancels_is_no_loss),
		cmocka_unit_test(test_startup_frames),
		cmocka_unit_test(test_damaged_frames_are_frames),
		cmocka_unit_test(test_stood_still),
		cmocka_unit_test(test_frames_that_come_late),
		cmocka_unit_test(test_gaps_while_frames_may_come_late),
		cmocka_unit_test(test_timestamps_that_step_back),
		cmocka_unit_test(test_a_clock_that_begins_anew),
		cmocka_unit_test(test_absurd_jumps),
		cmocka_unit_test(test_a_late_frame),
		cmocka_unit_test(test_a_source_without_a_pace),
		cmocka_unit_test(test_a_change_of_a_fixed_rate),
		cmocka_unit_test(test_a_change_of_rate_with_a_restart),
		cmocka_unit_test(test_the_old_rate_is_not_believed_for_ever),
		cmocka_unit_test(test_what_frames_say_of_themselves),
		cmocka_unit_test(test_a_rate_that_is_learnt),
		cmocka_unit_test(test_a_webcam_in_the_dark),
		cmocka_unit_test(test_a_range_bounds_what_is_learnt),
		cmocka_unit_test(test_random_schedules_of_a_known_rate),
		cmocka_unit_test(test_random_schedules_of_a_learnt_rate),
		cmocka_unit_test(test_clocks_that_do_not_differ),
		cmocka_unit_test(test_a_suspend_before_the_camera_began),
		cmocka_unit_test(test_a_suspend_while_frames_came),
		cmocka_unit_test(test_clocks_that_are_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
