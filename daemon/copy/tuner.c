/* SPDX-License-Identifier: BSD-2-Clause */
/* tuner.c - see tuner.h. The capture thread's, but for tuner_view(). */
#include "copy/tuner.h"

#define LATE_MEASURES 2u
#define SKIP_AT_START 2u
#define SKIP_AT_CHANGE 1u
#define LEFT_OUT_MAX (8 * TUNER_FRAMES)

#define MORE_WAIT_MIN 256u
#define MORE_WAIT_MAX 4096u
#define FEWER_WAIT_MIN 512u
#define FEWER_WAIT_MAX 16384u

#define HELPS_AT_MOST 0.85
#define HELPS_PER_CPU 0.5
#define ROOMY 0.5
#define KEPT_AT_MOST 0.85
#define LATE_KEPT_AT_MOST 1.1

#define LEARN 0.5     /* weight of a measure in what is expected */
#define AVERAGE 0.125 /* weight of a frame in what is shown */

const char *tuner_reason_text(enum tuner_reason reason)
{
	switch (reason) {
	case TUNER_FIXED:
		return "fixed";
	case TUNER_MEASURING:
		return "measuring";
	case TUNER_ENOUGH:
		return "enough";
	case TUNER_NO_HELP:
		return "late, but more would not help";
	case TUNER_ALL:
		return "late with all threads";
	case TUNER_UNPACED:
		return "not paced";
	}
	return "";
}

/* --- what is shown ------------------------------------------------------------------------------------------- */

/* V1 pairs with V1 in tuner_view(): each value stands alone, so that no order is needed. */
static void show(uint64_t *value, uint64_t now)
{
	__atomic_store_n(value, now, __ATOMIC_RELAXED);
}

static void show_small(uint32_t *value, uint32_t now)
{
	__atomic_store_n(value, now, __ATOMIC_RELAXED); /* V1 */
}

static void show_reason(struct tuner *tuner, enum tuner_reason reason)
{
	show_small(&tuner->shown.reason, reason);
}

static void average(double *value, double now)
{
	*value = *value > 0 ? *value + (now - *value) * AVERAGE : now;
}

static void show_frame(struct tuner *tuner, const struct copy_effort *effort, uint64_t bytes)
{
	unsigned n = effort->workers <= COPY_THREADS_MAX ? effort->workers : COPY_THREADS_MAX;
	double mb_per_second;

	average(&tuner->frame_ns, (double)effort->wall_ns);
	average(&tuner->frame_bytes, (double)bytes);
	average(&tuner->byte_ns[n], (double)effort->wall_ns / (double)bytes);
	mb_per_second = 1000 / tuner->byte_ns[n];
	show(&tuner->shown.frame_ns, (uint64_t)tuner->frame_ns);
	show(&tuner->shown.frame_bytes, (uint64_t)tuner->frame_bytes);
	show_small(&tuner->shown.mb_per_second[n], mb_per_second < UINT32_MAX ? (uint32_t)mb_per_second : UINT32_MAX);
}

/* --- measures ------------------------------------------------------------------------------------------------ */

static double median(const double *values)
{
	double sorted[TUNER_FRAMES];

	for (unsigned i = 0; i < TUNER_FRAMES; i++) {
		unsigned at = i;

		for (; at && sorted[at - 1] > values[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = values[i];
	}
	return sorted[TUNER_FRAMES / 2];
}

static bool is_less(uint64_t bytes, uint64_t than)
{
	return bytes < than - than / 4;
}

/*
 * Whether this frame belongs to the measure under way, which may begin with it. Where frames with more come back before
 * those with less have made a measure, these are left out for longer: or no measure would ever be complete.
 */
static bool belongs(struct tuner *tuner, uint64_t bytes)
{
	bool more = is_less(tuner->bytes, bytes), less = is_less(bytes, tuner->bytes);

	if (tuner->skip) {
		tuner->skip--;
		return false;
	}
	if (less && ++tuner->left_out < tuner->left_out_max)
		return false;
	if (more && tuner->of_less && tuner->left_out_max < LEFT_OUT_MAX)
		tuner->left_out_max *= 2;
	if (more || less) {
		tuner->frame_count = 0;
		tuner->of_less = less;
	}
	if (!tuner->frame_count)
		tuner->bytes = bytes;
	tuner->left_out = 0;
	return true;
}

/* True when this frame completed a measure. */
static bool measure(struct tuner *tuner, const struct copy_effort *effort, uint64_t bytes,
		    struct tuner_measure *ret_measure)
{
	if (!belongs(tuner, bytes))
		return false;
	tuner->wall[tuner->frame_count] = (double)effort->wall_ns / (double)bytes;
	tuner->cpu[tuner->frame_count] = (double)effort->busy_ns / (double)bytes;
	if (++tuner->frame_count < TUNER_FRAMES)
		return false;
	tuner->frame_count = 0;
	if (tuner->of_less)
		tuner->left_out_max = TUNER_FRAMES;
	tuner->of_less = false;
	*ret_measure = (struct tuner_measure){ .wall = median(tuner->wall), .cpu = median(tuner->cpu) };
	return true;
}

/* A measure of the settled number: what is expected of the others changes with it. */
static void learn(struct tuner *tuner, const struct tuner_measure *measured)
{
	double before = tuner->expected[tuner->settled], now = measured->wall;

	tuner->last = *measured;
	tuner->last_bytes = tuner->bytes;
	if (before > 0) {
		now = before + (now - before) * LEARN;
		for (unsigned n = 1; n <= tuner->threads_max; n++)
			tuner->expected[n] *= now / before;
	}
	tuner->expected[tuner->settled] = now;
}

static bool helps(const struct tuner_measure *before, const struct tuner_measure *after)
{
	return after->wall <= HELPS_AT_MOST * before->wall &&
	       before->wall - after->wall >= HELPS_PER_CPU * (after->cpu - before->cpu);
}

/* --- changes of mind ----------------------------------------------------------------------------------------- */

static void use(struct tuner *tuner, unsigned workers, enum tuner_phase phase)
{
	tuner->phase = phase;
	tuner->workers = workers;
	tuner->frame_count = 0;
	tuner->skip = SKIP_AT_CHANGE;
	show_small(&tuner->shown.workers, workers);
}

static void begin_trial(struct tuner *tuner, unsigned workers)
{
	use(tuner, workers, workers > tuner->settled ? TUNER_MORE : TUNER_FEWER);
	show(&tuner->shown.trials, tuner->shown.trials + 1);
	show_reason(tuner, TUNER_MEASURING);
}

/* Keep `workers`, or go back to it. */
static void settle(struct tuner *tuner, unsigned workers, enum tuner_reason reason)
{
	if (workers != tuner->settled)
		show(&tuner->shown.changes, tuner->shown.changes + 1);
	tuner->settled = workers;
	tuner->late = 0;
	use(tuner, workers, TUNER_SETTLED);
	show_reason(tuner, reason);
}

static uint32_t longer(uint32_t wait, uint32_t max)
{
	return wait < max / 2 ? wait * 2 : max;
}

static void judge_more(struct tuner *tuner, const struct tuner_measure *measured, bool late)
{
	if (!helps(&tuner->last, measured)) {
		tuner->more_at = tuner->now + tuner->more_wait;
		tuner->more_wait = longer(tuner->more_wait, MORE_WAIT_MAX);
		tuner->started = true;
		settle(tuner, tuner->settled, TUNER_NO_HELP);
		return;
	}
	tuner->more_wait = MORE_WAIT_MIN;
	tuner->fewer_wait = FEWER_WAIT_MIN;
	tuner->fewer_at = tuner->now + tuner->fewer_wait;
	tuner->started |= !late;
	settle(tuner, tuner->workers, late ? TUNER_MEASURING : TUNER_ENOUGH);
}

static void judge_fewer(struct tuner *tuner, const struct tuner_measure *measured, double budget_share)
{
	tuner->fewer_at = tuner->now + tuner->fewer_wait;
	if (budget_share <= KEPT_AT_MOST) {
		settle(tuner, tuner->workers, TUNER_ENOUGH);
	} else if (tuner->late && measured->wall <= LATE_KEPT_AT_MOST * tuner->last.wall) {
		tuner->more_at = tuner->now + tuner->more_wait;
		settle(tuner, tuner->workers, TUNER_NO_HELP);
	} else {
		tuner->fewer_wait = longer(tuner->fewer_wait, FEWER_WAIT_MAX);
		settle(tuner, tuner->settled, tuner->late ? TUNER_NO_HELP : TUNER_ENOUGH);
	}
}

/* One thread less, for no other reason than that it was not tried for long. */
static bool may_try_fewer(const struct tuner *tuner, double period_ns)
{
	return tuner->settled > 1 && tuner->now >= tuner->fewer_at &&
	       tuner->expected[tuner->settled - 1] * (double)tuner->bytes <= period_ns;
}

static void consider_late(struct tuner *tuner, double period_ns)
{
	if (tuner->started && tuner->late < LATE_MEASURES)
		return;
	if (tuner->settled < tuner->threads_max && tuner->now >= tuner->more_at) {
		begin_trial(tuner, tuner->settled + 1);
		return;
	}
	tuner->started = true;
	show_reason(tuner, tuner->settled < tuner->threads_max ? TUNER_NO_HELP : TUNER_ALL);
	if (may_try_fewer(tuner, period_ns))
		begin_trial(tuner, tuner->settled - 1);
}

static void consider_in_time(struct tuner *tuner, double budget_ns, double period_ns)
{
	double roomy = ROOMY * budget_ns / (double)tuner->bytes;
	unsigned fewest = 1;

	tuner->started = true;
	show_reason(tuner, TUNER_ENOUGH);
	while (fewest < tuner->settled && tuner->expected[fewest] > roomy)
		fewest++;
	if (fewest < tuner->settled)
		begin_trial(tuner, fewest);
	else if (may_try_fewer(tuner, period_ns))
		begin_trial(tuner, tuner->settled - 1);
}

static void consider(struct tuner *tuner, const struct tuner_measure *measured, uint64_t period_ns)
{
	double budget_ns = (double)period_ns * tuner->budget_percent / 100;
	double budget_share = measured->wall * (double)tuner->bytes / budget_ns;

	if (tuner->phase != TUNER_SETTLED &&
	    (is_less(tuner->bytes, tuner->last_bytes) || is_less(tuner->last_bytes, tuner->bytes))) {
		settle(tuner, tuner->settled, TUNER_MEASURING);
		return;
	}
	switch (tuner->phase) {
	case TUNER_MORE:
		tuner->expected[tuner->workers] = measured->wall;
		judge_more(tuner, measured, budget_share > 1);
		break;
	case TUNER_FEWER:
		tuner->expected[tuner->workers] = measured->wall;
		judge_fewer(tuner, measured, budget_share);
		break;
	case TUNER_SETTLED:
		learn(tuner, measured);
		tuner->late = budget_share > 1 ? tuner->late + 1 : 0;
		if (tuner->late)
			consider_late(tuner, (double)period_ns);
		else
			consider_in_time(tuner, budget_ns, (double)period_ns);
		break;
	}
}

/* --- calls --------------------------------------------------------------------------------------------------- */

void tuner_init(struct tuner *tuner, unsigned threads_fixed, unsigned threads_max, unsigned budget_percent)
{
	*tuner = (struct tuner){
		.threads_fixed = threads_fixed,
		.threads_max = threads_fixed > threads_max ? threads_fixed : threads_max,
		.budget_percent = budget_percent,
		.settled = threads_fixed ? threads_fixed : 1,
		.more_wait = MORE_WAIT_MIN,
		.fewer_wait = FEWER_WAIT_MIN,
		.left_out_max = TUNER_FRAMES,
	};
	use(tuner, tuner->settled, TUNER_SETTLED);
	tuner->skip = SKIP_AT_START;
	show_reason(tuner, threads_fixed ? TUNER_FIXED : TUNER_MEASURING);
}

unsigned tuner_workers(const struct tuner *tuner)
{
	return tuner->workers;
}

void tuner_note(struct tuner *tuner, const struct copy_effort *effort, uint64_t bytes, uint64_t period_ns)
{
	struct tuner_measure measured;

	if (!bytes || !effort->wall_ns)
		return;
	tuner->now++;
	show_frame(tuner, effort, bytes);
	if (tuner->threads_fixed)
		return;
	if (!period_ns)
		settle(tuner, 1, TUNER_UNPACED);
	else if (measure(tuner, effort, bytes, &measured))
		consider(tuner, &measured, period_ns);
}

void tuner_view(const struct tuner *tuner, struct tuner_view *ret_view)
{
	const struct tuner_shown *shown = &tuner->shown;

	/* V1 pairs with V1 in show(). threads_max never changes. */
	*ret_view = (struct tuner_view){
		.workers = __atomic_load_n(&shown->workers, __ATOMIC_RELAXED),
		.threads_max = tuner->threads_max,
		.reason = (enum tuner_reason)__atomic_load_n(&shown->reason, __ATOMIC_RELAXED),
		.changes = __atomic_load_n(&shown->changes, __ATOMIC_RELAXED),
		.trials = __atomic_load_n(&shown->trials, __ATOMIC_RELAXED),
		.frame_ns = __atomic_load_n(&shown->frame_ns, __ATOMIC_RELAXED),
		.frame_bytes = __atomic_load_n(&shown->frame_bytes, __ATOMIC_RELAXED),
	};
	for (unsigned n = 1; n <= COPY_THREADS_MAX; n++)
		ret_view->mb_per_second[n] = __atomic_load_n(&shown->mb_per_second[n], __ATOMIC_RELAXED);
}
