/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * track.h - which of the spots in the frames is the object, and where it will be in the next one. The part of follow.c
 * that knows about movement.
 */
#ifndef LUMARING_EXAMPLE_TRACK_H
#define LUMARING_EXAMPLE_TRACK_H

#include "spots.h"

#include <inttypes.h>
#include <stdio.h>

#define MISSES_MAX 3    /* frames without the object after which it is lost */
#define STILL_FRAMES 60 /* that something may stand still, and STILL_PIXELS what is no movement */
#define TRIAL_FRAMES 8  /* after it was found, in which it must be there and move */
#define STILL_PIXELS 3.0
#define SAME_PIXELS 1.5
#define PACE_KEPT 0.99 /* from frame to frame */
#define UNSTEADY 0.04  /* from here on something does not move on steadily: a fifth of its speed, squared */
#define STRANGE 5.0    /* from here on something is not the object: twice its speed from where it should be is 4 */

enum state { LEARNING, SEARCHING, FOLLOWING, STATES };

/* The spots of a frame. */
struct sighting {
	uint64_t sequence;
	unsigned count;
	struct spot spots[SPOTS_MAX];
};

struct tracker {
	uint32_t side; /* of the region, pixels */
	bool whole;    /* no region is wanted */
	enum state state;
	struct spot object;
	double speed_x, speed_y; /* pixels a frame */
	double pace2;            /* square of the greatest speed, not long ago */
	unsigned misses;         /* frames since then without the object */
	uint64_t sequence;       /* of the frame that had the object */
	struct spot anchor;      /* where it was when it last moved, and in which frame */
	uint64_t anchored;
	uint64_t seen_anew;        /* the frame in which it was found, or found again */
	struct sighting before[2]; /* the frame before, and the one before that */
	struct spots spots;
};

static inline double square(double x, double y)
{
	return x * x + y * y;
}

/* How unlike two spots are in size: 0 for the same. */
static inline double unlike(const struct spot *a, const struct spot *b)
{
	const double larger = a->pixels > b->pixels ? a->pixels : b->pixels;
	const double smaller = a->pixels > b->pixels ? b->pixels : a->pixels;
	const double ratio = (larger + PIXELS_MIN * 2) / (smaller + PIXELS_MIN * 2); /* of a few pixels noise decides */

	return 4 * (ratio - 1) * (ratio - 1);
}

static inline void note_object(struct tracker *t, uint64_t sequence, const struct spot *spot, const struct spot *before)
{
	const double frames = (double)(sequence - t->sequence);

	t->speed_x = (spot->x - before->x) / frames;
	t->speed_y = (spot->y - before->y) / frames;
	t->pace2 = t->state == FOLLOWING ? t->pace2 * PACE_KEPT : 0;
	if (t->pace2 < square(t->speed_x, t->speed_y))
		t->pace2 = square(t->speed_x, t->speed_y);
	if (t->state != FOLLOWING || t->misses)
		t->seen_anew = sequence;
	t->object = *spot;
	t->sequence = sequence;
	t->misses = 0;
	if (t->seen_anew == sequence ||
	    square(spot->x - t->anchor.x, spot->y - t->anchor.y) >= STILL_PIXELS * STILL_PIXELS) {
		t->anchor = *spot;
		t->anchored = sequence;
	}
	t->state = FOLLOWING;
}

static inline void track_lose(struct tracker *t)
{
	t->state = SEARCHING;
	memset(t->before, 0, sizeof(t->before));
}

static inline bool is_at(const struct spot *a, const struct spot *b)
{
	return square(a->x - b->x, a->y - b->y) < SAME_PIXELS * SAME_PIXELS;
}

/* How unsteadily something moved that was at a, then at b, then at c; UNSTEADY for what did not move, or too fast. */
static inline double unsteady(const struct tracker *t, const struct spot *a, uint64_t a_at, const struct spot *b,
			      uint64_t b_at, const struct spot *c, uint64_t c_at)
{
	const double first = (double)(b_at - a_at), second = (double)(c_at - b_at), side = (double)t->side;
	const double x = (c->x - b->x) / second, y = (c->y - b->y) / second;

	if (square(x, y) < 1 || square(x, y) > side * side / 4)
		return UNSTEADY;
	return square(x - (b->x - a->x) / first, y - (b->y - a->y) / first) / (4 + square(x, y)) + unlike(a, b) / 100 +
	       unlike(b, c) / 100;
}

/* Of all that moved in the last three frames what did so most steadily. */
static inline bool search(struct tracker *t, uint64_t sequence)
{
	const struct sighting *last = &t->before[0], *first = &t->before[1];
	const struct spot *best = NULL, *from = NULL;
	double least = UNSTEADY;

	for (unsigned i = 0; i < t->spots.spot_count; i++)
		for (unsigned j = 0; j < last->count; j++)
			for (unsigned k = 0; k < first->count; k++) {
				const struct spot *spot = &t->spots.spots[i];
				const double value = unsteady(t, &first->spots[k], first->sequence, &last->spots[j],
							      last->sequence, spot, sequence);

				if (value >= least)
					continue;
				least = value;
				best = spot;
				from = &last->spots[j];
			}
	if (best) {
		t->sequence = last->sequence;
		note_object(t, sequence, best, from);
		return true;
	}
	return false;
}

/* Whether something stood there in the frame before that was not the object. */
static inline bool is_scenery(const struct tracker *t, const struct spot *spot)
{
	const struct sighting *last = &t->before[0];

	if (is_at(spot, &t->object))
		return false;
	for (unsigned i = 0; i < last->count; i++)
		if (is_at(&last->spots[i], spot) && !is_at(&last->spots[i], &t->object))
			return true;
	return false;
}

/* What stands still for long is no object, nor what does so, or is gone again, as soon as it was seen. */
static inline bool is_doubtful(const struct tracker *t, uint64_t sequence)
{
	if (sequence - t->seen_anew <= TRIAL_FRAMES)
		return t->misses > 0;
	return sequence - t->anchored > (t->anchored == t->seen_anew ? TRIAL_FRAMES : STILL_FRAMES);
}

/* The spot that is nearest to where the object should be, and most like it. */
static inline bool follow(struct tracker *t, uint64_t sequence)
{
	const double frames = (double)(sequence - t->sequence);
	const double x = t->object.x + t->speed_x * frames, y = t->object.y + t->speed_y * frames;
	const double near2 = (16 + t->pace2) * frames * frames;
	const struct spot before = t->object, *best = NULL;
	double least = STRANGE;

	for (unsigned i = 0; i < t->spots.spot_count; i++) {
		const struct spot *spot = &t->spots.spots[i];
		const double value = square(spot->x - x, spot->y - y) / near2 + unlike(spot, &before);

		if (value >= least || is_scenery(t, spot))
			continue;
		least = value;
		best = spot;
	}
	if (best)
		note_object(t, sequence, best, &before);
	else
		t->misses++;
	if (t->misses >= MISSES_MAX || is_doubtful(t, sequence))
		track_lose(t);
	return best;
}

/* One axis of the region for the next frame. */
static inline void place(double middle, uint32_t side, uint32_t image_side, uint32_t *ret_begin, uint32_t *ret_side)
{
	const double begin = middle - side / 2.0, last = (double)image_side - side;

	*ret_side = side < image_side ? side : image_side;
	*ret_begin = begin <= 0 || last <= 0 ? 0 : (uint32_t)(begin < last ? begin : last);
}

/* Where the object will be in the frame that is captured next: by now that may be one more than the next after `f`. */
static inline struct lumaring_region track_next(const struct tracker *t, const struct lumaring_frame *f,
						uint64_t now_ns)
{
	struct lumaring_region region = { 0, 0, t->spots.width, t->spots.height };
	const uint64_t late = f->frame_duration_us ? (now_ns - f->ready_ns) / 1000 / f->frame_duration_us : 0;
	const double frames = (double)(f->sequence + 1 + late - t->sequence);
	const uint32_t side = t->side << t->misses;

	if (t->whole || t->state != FOLLOWING)
		return region;
	place(t->object.x + t->speed_x * frames, side, t->spots.width, &region.x, &region.width);
	place(t->object.y + t->speed_y * frames, side, t->spots.height, &region.y, &region.height);
	return region;
}

/* Look at a frame. Whether the object is in it, or a negative number. */
static inline int track_look(struct tracker *t, const struct lumaring_frame *f)
{
	struct spots *s = &t->spots;

	if (s->width && !s->background) {
		spots_learn(s, f);
		if (s->background)
			track_lose(t);
		return 0;
	}
	if (s->width && spots_find(s, f, t->state == SEARCHING)) {
		const bool found = t->state == FOLLOWING ? follow(t, f->sequence) : search(t, f->sequence);

		t->before[1] = t->before[0];
		t->before[0].sequence = f->sequence;
		t->before[0].count = s->spot_count;
		memcpy(t->before[0].spots, s->spots, s->spot_count * sizeof(s->spots[0]));
		return found;
	}
	if (s->width)
		fprintf(stderr, "frame %" PRIu64 ": the scene has changed, it is learnt anew\n", f->sequence);
	t->state = LEARNING;
	return spots_begin(s, f->image_width, f->image_height);
}

#endif
