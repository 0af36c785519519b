/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger.c - see ledger.h. Capture thread; no system call, no allocation, a few divisions a frame.
 *
 * What is missing is found from one good timestamp to the next: the periods that fit in between, less the frames that
 * came. Rounding forgives any one frame almost half a period of lateness; `ahead` forgives more, also the frames of a
 * source that has no pace at all, by keeping how much earlier frames came than was thought.
 *
 * A median of some intervals would learn a rate as well, but it takes a slower camera (a webcam in the dark) for one
 * that loses frames until half of them are slow, and every second frame lost for a slower camera. So only the first
 * few give a median; then the mean follows slowly, and what does not fit is held back until the next frame tells: it
 * was a loss if that came in time. LEDGER_RUN in a row that are alike are another rate.
 */
#include "source/ledger.h"

#include <string.h>

#include "base/clock.h"

#define LEDGER_RUN 8u
#define LEDGER_LEARN_INTERVALS 64u /* whose mean the learnt time is, about */
#define LEDGER_AHEAD_PART 16u      /* of `ahead` that is forgotten with each frame: no rate is exact */
#define LEDGER_AHEAD_PERIODS 8u    /* at most */
#define LEDGER_CHANGE_FRAMES                                                                                           \
	16u /* that may have the old rate after a change: those in flight, and a sensor's delay                        \
	     */
#define LEDGER_JUMP_NS                                                                                                 \
	(5 * NS_PER_SECOND) /* that far, and LEDGER_JUMP_PERIODS, is no time in which frames were lost                 \
			     */
#define LEDGER_JUMP_PERIODS 8u
#define LEDGER_BACK_NS NS_PER_SECOND /* that far back is a clock that began anew */
#define LEDGER_GAP_SLACK 4u          /* missing frames by the camera's numbers beyond those that time has room for */
#define LEDGER_GAP_MAX 1000u         /* where time says nothing */
#define LEDGER_LATE_FRAMES 8u        /* that come late at most: they lie in a driver's other buffers */

#define LEDGER_CLOCKS_APART_NS (2 * (int64_t)NS_PER_SECOND)
#define LEDGER_OFFSET_SLACK_NS (100 * (int64_t)NS_PER_MS) /* the two are not read in the same instant */
#define LEDGER_SETTLE_NS (5 * NS_PER_SECOND)
#define LEDGER_VOTES 3u

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint32_t rounded(uint64_t ns, uint64_t period_ns)
{
	uint64_t periods = (ns + period_ns / 2) / period_ns;

	return periods > UINT32_MAX ? UINT32_MAX : (uint32_t)periods;
}

/* --- the time from frame to frame ----------------------------------------------------------------------------- */

static bool has_fixed_rate(const struct ledger *ledger)
{
	return ledger->min_ns && ledger->min_ns == ledger->max_ns;
}

/* The durations of both frames, since libraries do not agree on which one an interval belongs to. 0: not told. */
static uint64_t told_period(const struct ledger *ledger, const struct libcamera_completion *completion)
{
	return most(ledger->duration_us, completion->frame_duration_us) * NS_PER_US;
}

/* While either rate may be in force the longer one explains an interval with fewer losses. */
static uint64_t period_ns(const struct ledger *ledger, const struct libcamera_completion *completion)
{
	uint64_t told_ns = completion ? told_period(ledger, completion) : ledger->duration_us * NS_PER_US;
	uint64_t ns = has_fixed_rate(ledger) ? ledger->max_ns : ledger->learnt_ns;

	if (told_ns)
		return told_ns;
	return ns ? most(ns, ledger->before_ns) : 0;
}

static bool is_learning(const struct ledger *ledger, const struct libcamera_completion *completion)
{
	return !told_period(ledger, completion) && !has_fixed_rate(ledger);
}

/* Time of each frame, came or missing, of an interval. */
static uint64_t each(const struct ledger_interval *interval)
{
	return interval->ns / (interval->frames + interval->explained);
}

static uint64_t within_rate(const struct ledger *ledger, uint64_t ns)
{
	ns = ledger->max_ns ? least(ns, ledger->max_ns) : ns;
	return most(ns, ledger->min_ns);
}

static bool is_like(uint64_t ns, uint64_t period_ns)
{
	return ns > period_ns - period_ns / 4 && ns < period_ns + period_ns / 4;
}

/* One interval that only the new rate explains, and the old one is no more. */
static void end_change(struct ledger *ledger, uint64_t ns)
{
	if (!ledger->before_ns)
		return;
	if (--ledger->before_frames && (!is_like(ns, ledger->max_ns) || is_like(ns, ledger->before_ns)))
		return;
	ledger->before_ns = 0;
	ledger->ahead_ns = 0;
}

static void forget_learnt(struct ledger *ledger)
{
	ledger->learnt_ns = 0;
	ledger->first_count = 0;
	ledger->run = ledger->run_short = 0;
}

/* What was held back is a loss. */
static void settle_run(struct ledger *ledger)
{
	if (ledger->run)
		ledger->owed[LUMARING_LOST_SENSOR] += ledger->run_missing;
	ledger->run = 0;
}

/* --- what is missing ------------------------------------------------------------------------------------------ */

/* Missing frames of an interval that were not counted yet; `ahead` moves on. */
static uint32_t count_missing(struct ledger *ledger, const struct ledger_interval *interval, uint64_t period)
{
	uint64_t late_ns = interval->ns - least(interval->ns, ledger->ahead_ns);
	uint64_t came = (uint64_t)interval->frames + interval->explained, fitted = rounded(late_ns, period);
	uint32_t missing = fitted > came ? (uint32_t)(fitted - came) : 0;
	uint64_t thought_ns = ledger->ahead_ns + (came + missing) * period;

	ledger->ahead_ns = least(thought_ns - least(thought_ns, interval->ns), LEDGER_AHEAD_PERIODS * period);
	ledger->ahead_ns -= ledger->ahead_ns / LEDGER_AHEAD_PART;
	return missing;
}

static void learn(struct ledger *ledger, uint64_t ns)
{
	ledger->learnt_ns = within_rate(ledger, ns);
	ledger->learnt_count = LEDGER_FIRST_INTERVALS;
	ledger->run = ledger->run_short = 0;
	ledger->ahead_ns = 0;
}

/* An interval with missing frames that nothing explains: held back, up to as many as make it another rate. */
static void hold_back(struct ledger *ledger, uint64_t ns, uint32_t missing)
{
	ledger->run_short = 0;
	if (ledger->max_ns && ns > ledger->max_ns + ledger->max_ns / 4) {
		ledger->owed[LUMARING_LOST_SENSOR] += missing; /* that slow it may not be */
		return;
	}
	if (ledger->run && !is_like(ns, ledger->run_ns / ledger->run))
		settle_run(ledger);
	if (!ledger->run)
		ledger->run_ns = ledger->run_missing = 0;
	ledger->run++;
	ledger->run_ns += ns;
	ledger->run_missing += missing;
	ledger->ahead_ns = 0;
	if (ledger->run == LEDGER_RUN)
		learn(ledger, ledger->run_ns / ledger->run);
}

/* The mean of what does not lie far off. */
static void follow(struct ledger *ledger, uint64_t ns)
{
	int64_t off = (int64_t)ns - (int64_t)ledger->learnt_ns;

	if (ns < ledger->learnt_ns / 2)
		return;
	ledger->learnt_count += ledger->learnt_count < LEDGER_LEARN_INTERVALS;
	ledger->learnt_ns = within_rate(ledger, ledger->learnt_ns + (uint64_t)(off / (int64_t)ledger->learnt_count));
}

/* Shorter than the rate allows are those of a source that has no pace, and no rate to learn. */
static void note_short(struct ledger *ledger, uint64_t ns)
{
	if (ns > ledger->learnt_ns - ledger->learnt_ns / 4 || ledger->learnt_ns <= ledger->min_ns) {
		ledger->run_short = 0;
		return;
	}
	if (!ledger->run_short)
		ledger->run_short_ns = 0;
	ledger->run_short_ns += ns;
	if (++ledger->run_short == LEDGER_RUN)
		learn(ledger, ledger->run_short_ns / LEDGER_RUN);
}

static void judge(struct ledger *ledger, const struct ledger_interval *interval)
{
	uint32_t missing = count_missing(ledger, interval, ledger->learnt_ns);
	uint64_t ns = each(interval);

	if (missing) {
		hold_back(ledger, ns, missing);
		return;
	}
	settle_run(ledger);
	follow(ledger, ns);
	note_short(ledger, ns);
}

/* The mean of those of the first intervals that are like their median: neither a lost frame nor a late one counts. */
static uint64_t learn_from_first(const struct ledger *ledger)
{
	uint64_t sorted[LEDGER_FIRST_INTERVALS], median, sum = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < LEDGER_FIRST_INTERVALS; i++) {
		uint64_t ns = each(&ledger->first[i]);
		unsigned at = i;

		for (; at && sorted[at - 1] > ns; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = ns;
	}
	median = sorted[LEDGER_FIRST_INTERVALS / 2];
	for (unsigned i = 0; i < LEDGER_FIRST_INTERVALS; i++) {
		bool alike = sorted[i] >= median / 2 && sorted[i] <= median + median / 2;

		sum += alike ? sorted[i] : 0;
		count += alike;
	}
	return sum / count;
}

static void judge_learning(struct ledger *ledger, const struct ledger_interval *interval)
{
	if (ledger->learnt_ns) {
		judge(ledger, interval);
		return;
	}
	ledger->first[ledger->first_count++] = *interval;
	if (ledger->first_count < LEDGER_FIRST_INTERVALS)
		return;
	learn(ledger, learn_from_first(ledger));
	if (!ledger->learnt_ns)
		ledger->first_count = 0; /* less than a nanosecond is no rate */
	for (unsigned i = 0; ledger->learnt_ns && i < LEDGER_FIRST_INTERVALS; i++)
		judge(ledger, &ledger->first[i]);
}

/* --- a frame -------------------------------------------------------------------------------------------------- */

/* What the camera's own numbers skip, believed as far as time has room for it; 0 where they begin anew. */
static uint32_t believed_gap(const struct ledger *ledger, uint32_t sequence, uint64_t ns, uint64_t period)
{
	uint32_t gap = sequence - ledger->sequence - 1;
	uint64_t room = ns && period ? (uint64_t)rounded(ns, period) + LEDGER_GAP_SLACK : LEDGER_GAP_MAX;

	return gap <= room ? gap : 0;
}

static void explain(struct ledger *ledger, enum lumaring_lost cause, uint32_t count)
{
	ledger->owed[cause] += count;
	ledger->open.explained += count;
}

static void settle_late(struct ledger *ledger)
{
	ledger->owed[LUMARING_LOST_CAMERA] += ledger->late;
	ledger->late = ledger->late_frames = 0;
}

/* Time has counted them; whether they are lost the next frames tell. */
static void explain_gap(struct ledger *ledger, uint32_t gap)
{
	if (!gap)
		return;
	if (!ledger->late)
		ledger->late_first = ledger->sequence + 1;
	ledger->late += gap;
	ledger->late_frames = (uint32_t)most(ledger->late_frames, least(gap - 1, LEDGER_LATE_FRAMES));
	ledger->open.explained += gap;
	if (!ledger->late_frames)
		settle_late(ledger);
}

/* One of those whose numbers were skipped. */
static bool is_late(const struct ledger *ledger, uint32_t sequence)
{
	return ledger->late && sequence - ledger->late_first < ledger->sequence - ledger->late_first;
}

/* From the newest good timestamp; 0: this one says nothing. */
static uint64_t since_newest(const struct ledger *ledger, uint64_t sensor_ns)
{
	return ledger->sensor_ns && sensor_ns > ledger->sensor_ns ? sensor_ns - ledger->sensor_ns : 0;
}

static bool is_absurd(const struct ledger *ledger, uint64_t sensor_ns, uint64_t period)
{
	uint64_t far_ns = most(LEDGER_JUMP_NS, LEDGER_JUMP_PERIODS * period);

	return sensor_ns && ledger->sensor_ns &&
	       (sensor_ns > ledger->sensor_ns ? sensor_ns - ledger->sensor_ns > far_ns
					      : ledger->sensor_ns - sensor_ns > LEDGER_BACK_NS);
}

/* As many as are missing by time may be those that came back cancelled; without time, all of them beyond the gap. */
static void count_cancelled(struct ledger *ledger, uint64_t ns, uint64_t period, uint32_t gap)
{
	uint32_t cancelled = ledger->cancelled > gap ? ledger->cancelled - gap : 0;

	if (period && ns) {
		uint64_t late_ns = ns - least(ns, ledger->ahead_ns);
		uint64_t came = (uint64_t)ledger->open.frames + ledger->open.explained,
			 fitted = rounded(late_ns, period);

		cancelled = (uint32_t)least(ledger->cancelled, fitted > came ? fitted - came : 0);
	}
	if (period && !ns && ledger->sensor_ns)
		return; /* time will tell */
	explain(ledger, LUMARING_LOST_CANCELLED, cancelled);
	ledger->cancelled = 0;
}

static void count_between(struct ledger *ledger, const struct libcamera_completion *completion)
{
	uint64_t period = period_ns(ledger, completion), ns = since_newest(ledger, completion->sensor_ns);
	bool absurd = is_absurd(ledger, completion->sensor_ns, period);
	uint32_t gap = believed_gap(ledger, completion->camera_sequence, absurd ? 0 : ns, period);
	uint32_t explained = ledger->open.explained;

	ledger->open.frames++;
	explain_gap(ledger, gap);
	count_cancelled(ledger, absurd ? 0 : ns, absurd ? 0 : period, gap);
	ledger->missing = ledger->open.explained - explained;
	if (absurd || !ns)
		return;
	ledger->open.ns = ns;
	if (is_learning(ledger, completion))
		judge_learning(ledger, &ledger->open);
	else
		explain(ledger, LUMARING_LOST_SENSOR, count_missing(ledger, &ledger->open, period));
	ledger->missing = ledger->open.explained - explained;
	end_change(ledger, each(&ledger->open));
}

static void take_newest(struct ledger *ledger, const struct libcamera_completion *completion)
{
	uint64_t ns = completion->sensor_ns;
	bool good = ns > ledger->sensor_ns || is_absurd(ledger, ns, period_ns(ledger, completion));

	if (ns && (!ledger->has_frame || good)) {
		ledger->sensor_ns = ns;
		ledger->open = (struct ledger_interval){ 0 };
	}
	ledger->has_frame = true;
	ledger->sequence = completion->camera_sequence;
	ledger->duration_us = completion->frame_duration_us;
}

static void note_frame(struct ledger *ledger, const struct libcamera_completion *completion)
{
	bool late = ledger->has_frame && is_late(ledger, completion->camera_sequence);

	ledger->missing = 0;
	ledger->late -= late;
	if (ledger->late_frames && !--ledger->late_frames)
		settle_late(ledger);
	if (ledger->has_frame && !late)
		count_between(ledger, completion);
	if (!late)
		take_newest(ledger, completion);
	ledger->ready_ns = completion->ready_ns;
}

void ledger_note(struct ledger *ledger, const struct libcamera_completion *completion, bool asked,
		 uint32_t lost[LUMARING_LOST_CAUSES])
{
	switch (completion->status) {
	case LIBCAMERA_CANCELLED:
		ledger->cancelled += !asked && ledger->has_frame;
		return;
	case LIBCAMERA_STARTUP:
		/* Exposure and rate settle meanwhile: times and numbers say nothing. */
		ledger->owed[LUMARING_LOST_STARTUP]++;
		ledger_restart(ledger);
		take_newest(ledger, completion);
		ledger->ready_ns = completion->ready_ns;
		return;
	case LIBCAMERA_FRAME:
	case LIBCAMERA_DAMAGED:
		break;
	}
	note_frame(ledger, completion);
	memcpy(lost, ledger->owed, sizeof(ledger->owed));
	memset(ledger->owed, 0, sizeof(ledger->owed));
}

uint32_t ledger_missing(const struct ledger *ledger)
{
	return ledger->missing;
}

void ledger_restart(struct ledger *ledger)
{
	settle_run(ledger);
	settle_late(ledger);
	forget_learnt(ledger);
	ledger->has_frame = false;
	ledger->sensor_ns = 0;
	ledger->duration_us = 0;
	ledger->cancelled = 0;
	ledger->ahead_ns = 0;
	ledger->before_ns = 0;
	ledger->open = (struct ledger_interval){ 0 };
}

void ledger_stood_still(struct ledger *ledger, uint64_t now_ns)
{
	uint64_t period = period_ns(ledger, NULL);
	uint32_t came = 0;

	/* By the clock of ready_ns; the part of a period until now is nobody's loss. */
	if (ledger->has_frame && period && now_ns > ledger->ready_ns)
		came = (uint32_t)least((now_ns - ledger->ready_ns) / period, UINT32_MAX);
	ledger->owed[LUMARING_LOST_SENSOR] += came;
	ledger_restart(ledger);
}

void ledger_set_rate(struct ledger *ledger, uint64_t frame_duration_min_ns, uint64_t frame_duration_max_ns)
{
	uint64_t before = period_ns(ledger, NULL);
	bool learnt = !has_fixed_rate(ledger);

	if (ledger->min_ns == frame_duration_min_ns && ledger->max_ns == frame_duration_max_ns)
		return;
	ledger->min_ns = frame_duration_min_ns;
	ledger->max_ns = frame_duration_max_ns;
	settle_run(ledger);
	ledger->before_ns = ledger->before_frames = 0;
	if (has_fixed_rate(ledger)) {
		forget_learnt(ledger);
		ledger->before_ns = ledger->has_frame ? before : 0; /* of a camera that begins anew, none has it */
		ledger->before_frames = LEDGER_CHANGE_FRAMES;
	} else if (!learnt || within_rate(ledger, ledger->learnt_ns) != ledger->learnt_ns) {
		forget_learnt(ledger);
	}
}

/* --- clocks --------------------------------------------------------------------------------------------------- */

/* Frames that were under way when the machine was suspended are old by both clocks: wait until they are through. */
static bool clocks_are_settled(struct ledger *ledger, int64_t offset_ns, uint64_t monotonic_ns)
{
	int64_t moved_ns = offset_ns - ledger->offset_ns;

	if (!ledger->has_offset || moved_ns > LEDGER_OFFSET_SLACK_NS || moved_ns < -LEDGER_OFFSET_SLACK_NS) {
		ledger->offset_settle_ns = ledger->has_offset ? monotonic_ns + LEDGER_SETTLE_NS : 0;
		ledger->offset_ns = offset_ns;
		ledger->has_offset = true;
		ledger->clock_votes = 0;
	}
	return monotonic_ns >= ledger->offset_settle_ns;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

uint32_t ledger_note_clock(struct ledger *ledger, uint64_t sensor_ns, uint64_t monotonic_ns, uint64_t boottime_ns)
{
	int64_t offset_ns = (int64_t)(boottime_ns - monotonic_ns);
	uint64_t monotonic_age, boottime_age;
	uint32_t clock;

	if (!sensor_ns || !boottime_ns || !clocks_are_settled(ledger, offset_ns, monotonic_ns) ||
	    offset_ns < LEDGER_CLOCKS_APART_NS)
		return ledger->clock;
	monotonic_age = distance(sensor_ns, monotonic_ns);
	boottime_age = distance(sensor_ns, boottime_ns);
	if (least(monotonic_age, boottime_age) > (uint64_t)offset_ns / 4)
		return ledger->clock; /* of neither, or damaged */
	clock = monotonic_age < boottime_age ? LUMARING_CLOCK_MONOTONIC : LUMARING_CLOCK_BOOTTIME;
	ledger->clock_votes = clock == ledger->clock_next ? ledger->clock_votes + 1 : 1;
	ledger->clock_next = clock;
	if (ledger->clock_votes >= LEDGER_VOTES)
		ledger->clock = clock;
	return ledger->clock;
}
