/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spots.h - what is small and moves, in the frames of a camera that stands still: all that hangs together and differs
 * from a background that is learnt as it goes. The half of follow.c that is about pictures.
 *
 * A frame may be the whole image or any part of it: it is compared with the background of that part.
 */
#ifndef LUMARING_EXAMPLE_SPOTS_H
#define LUMARING_EXAMPLE_SPOTS_H

#include <lumaring/lumaring.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SPOTS_MAX 64
#define RUNS_MAX 8192   /* with more of them it is the scene that has changed */
#define PIXELS_MIN 4    /* of a spot */
#define LEARN_FRAMES 3  /* the background begins as their median, so that nothing that passes is in it */
#define LEARN_EVERY 4   /* frames from one of them to the next */
#define NOISES 5        /* a pixel differs when it does so by this many standard deviations of the noise */
#define ALONE_PIXELS 16 /* that a spot must be away from what is too large to be one */
#define PIECE 64u       /* pixels of a row looked at in one go: a constant, so that compilers make vectors */

struct spot {
	double x, y; /* its middle in the whole image; the middle of a pixel in column 5 is at 5 */
	uint32_t pixels;
};

/* Pixels of one row that differ, from x on, before end; those that hang together have the same root. */
struct run {
	uint32_t x, end, y, root;
};

/* All that hang together. */
struct blob {
	uint32_t x, end, y, bottom, pixels;
};

struct spots {
	uint32_t width, height; /* of the image */
	uint8_t *learnt[LEARN_FRAMES];
	uint8_t *background; /* one of them; NULL until all are there */
	unsigned learnt_count, skip;
	double noise; /* mean difference from the background, levels */
	uint8_t threshold;
	uint8_t down, up;    /* levels by which the light is to be corrected to be that of the background */
	uint32_t pixels_max; /* of a spot */
	uint32_t run_count, spot_count;
	struct spot spots[SPOTS_MAX]; /* of the last frame */
	struct run runs[RUNS_MAX];
	struct blob blobs[RUNS_MAX];
};

/* Forget the background; it is learnt from the frames to come. */
static inline int spots_begin(struct spots *s, uint32_t width, uint32_t height)
{
	s->background = NULL;
	s->learnt_count = s->skip = 0;
	s->noise = 0;
	s->width = width;
	s->height = height;
	for (unsigned i = 0; i < LEARN_FRAMES; i++) {
		free(s->learnt[i]);
		s->learnt[i] = malloc((size_t)width * height);
		if (!s->learnt[i])
			return -1;
	}
	return 0;
}

static inline void spots_end(struct spots *s)
{
	for (unsigned i = 0; i < LEARN_FRAMES; i++)
		free(s->learnt[i]);
}

/* The background of a pixel is the median of three frames. */
static inline void take_medians(uint8_t *restrict a, const uint8_t *restrict b, const uint8_t *restrict c, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t low = a[i] < b[i] ? a[i] : b[i], high = a[i] > b[i] ? a[i] : b[i];
		const uint8_t middle = c[i] < high ? c[i] : high;

		a[i] = middle > low ? middle : low;
	}
}

/* For whole frames, until there is a background. */
static inline void spots_learn(struct spots *s, const struct lumaring_frame *f)
{
	if (f->region.width != s->width || f->region.height != s->height || (s->skip && s->skip--))
		return;
	for (uint32_t y = 0; y < s->height; y++)
		memcpy(s->learnt[s->learnt_count] + (size_t)y * s->width, f->pixels + (size_t)y * f->stride, s->width);
	s->skip = LEARN_EVERY - 1;
	if (++s->learnt_count < LEARN_FRAMES)
		return;
	take_medians(s->learnt[0], s->learnt[1], s->learnt[2], (size_t)s->width * s->height);
	s->background = s->learnt[0];
}

/*
 * Compare a piece of a row with the background, and move the background by one level towards it where they differ by no
 * more than `limit`. Returns the largest difference. Bytes only and no branch: compilers make vectors of it.
 */
static inline uint8_t compare(const uint8_t *restrict p, uint8_t *restrict b, uint32_t count, uint8_t down, uint8_t up,
			      uint8_t limit)
{
	const uint8_t top = (uint8_t)(255 - up);
	uint8_t most = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint8_t v = p[i] > down ? p[i] : down, high, low, d;

		v = (uint8_t)(v - down);
		v = (uint8_t)((v < top ? v : top) + up);
		high = v > b[i] ? v : b[i];
		low = v < b[i] ? v : b[i];
		d = (uint8_t)(high - low);
		most = d > most ? d : most;
		b[i] = (uint8_t)(b[i] + (d > limit ? 0 : (v > b[i]) - (v < b[i])));
	}
	return most;
}

static inline uint8_t *background_at(const struct spots *s, uint32_t x, uint32_t y)
{
	return s->background + (size_t)y * s->width + x;
}

static inline const uint8_t *pixel_at(const struct lumaring_frame *f, uint32_t x, uint32_t y)
{
	return f->pixels + (size_t)(y - f->region.y) * f->stride + (x - f->region.x);
}

static inline int difference(const struct spots *s, const struct lumaring_frame *f, uint32_t x, uint32_t y)
{
	return *pixel_at(f, x, y) - s->down + s->up - *background_at(s, x, y);
}

/* How the light has changed, and the noise, from some rows of what is looked at. */
static inline void measure(struct spots *s, const struct lumaring_frame *f)
{
	const struct lumaring_region *view = &f->region;
	const uint32_t step = view->height / 32 + 1;
	int64_t light = 0, noise = 0, count = 0;
	int change;

	for (uint32_t y = view->y; y < view->y + view->height; y += step, count += view->width)
		for (uint32_t i = 0; i < view->width; i++)
			light += pixel_at(f, view->x, y)[i] - background_at(s, view->x, y)[i];
	change = (int)((2 * light + (light > 0 ? count : -count)) / (2 * count));
	s->down = (uint8_t)(change > 0 ? change : 0);
	s->up = (uint8_t)(change < 0 ? -change : 0);
	for (uint32_t y = view->y; y < view->y + view->height; y += step)
		for (uint32_t i = 0; i < view->width; i++)
			noise += abs(pixel_at(f, view->x, y)[i] - background_at(s, view->x, y)[i] - change);
	s->noise += ((double)noise / (double)count - s->noise) / (s->noise > 0 ? 8 : 1);
	change = (int)(1.25 * NOISES * s->noise + 2); /* Gaussian noise has 1.25 times its mean as standard deviation */
	s->threshold = (uint8_t)(change < 8 ? 8 : change < 200 ? change : 200);
}

static inline void add_run(struct spots *s, uint32_t x, uint32_t y)
{
	struct run *last = s->run_count ? &s->runs[s->run_count - 1] : NULL;

	if (last && last->y == y && x <= last->end + 1) {
		last->end = x + 1;
	} else if (s->run_count < RUNS_MAX) {
		s->runs[s->run_count] = (struct run){ x, x + 1, y, s->run_count };
		s->run_count++;
	}
}

static inline void find_runs(struct spots *s, const struct lumaring_frame *f, uint8_t limit)
{
	const struct lumaring_region *view = &f->region;
	const uint32_t right = view->x + view->width;

	s->run_count = 0;
	for (uint32_t y = view->y; y < view->y + view->height; y++)
		for (uint32_t x = view->x; x < right; x += PIECE) {
			const uint8_t *p = pixel_at(f, x, y);
			uint8_t *b = background_at(s, x, y);
			const uint32_t count = right - x < PIECE ? right - x : PIECE;
			const uint8_t most = count == PIECE ? compare(p, b, PIECE, s->down, s->up, limit)
							    : compare(p, b, count, s->down, s->up, limit);

			for (uint32_t i = 0; most > s->threshold && i < count; i++)
				if (abs(difference(s, f, x + i, y)) >= s->threshold)
					add_run(s, x + i, y);
		}
}

static inline uint32_t root_of(struct run *runs, uint32_t i)
{
	while (runs[i].root != i)
		i = runs[i].root = runs[runs[i].root].root;
	return i;
}

/* Runs that touch, or nearly do, have the same root. */
static inline void join_runs(struct spots *s)
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < s->run_count; i++) {
		const struct run *run = &s->runs[i];

		while (s->runs[first].y + 2 < run->y)
			first++;
		for (uint32_t j = first; j < i; j++)
			if (s->runs[j].x <= run->end + 1 && run->x <= s->runs[j].end + 1)
				s->runs[root_of(s->runs, j)].root = root_of(s->runs, i);
	}
}

/* The middle of what differs there, as far as it stands out of the noise, each pixel by how much it does. */
static inline struct spot middle_of(const struct spots *s, const struct lumaring_frame *f, const struct blob *blob)
{
	const struct lumaring_region *r = &f->region;
	const uint32_t margin = 2, right = r->x + r->width, below = r->y + r->height;
	double sum = 0, sum_x = 0, sum_y = 0;

	for (uint32_t y = blob->y > r->y + margin ? blob->y - margin : r->y; y < below && y < blob->bottom + margin;
	     y++)
		for (uint32_t x = blob->x > r->x + margin ? blob->x - margin : r->x;
		     x < right && x < blob->end + margin; x++) {
			double weight = abs(difference(s, f, x, y)) - 2 * s->noise;

			weight = weight > 0 ? weight : 0;
			sum += weight;
			sum_x += weight * x;
			sum_y += weight * y;
		}
	return (struct spot){ sum_x / sum, sum_y / sum, blob->pixels };
}

/* What is near something large is a part of it, or its edge. */
static inline bool stands_alone(const struct spots *s, uint32_t spot)
{
	const struct blob *a = &s->blobs[spot];

	for (uint32_t i = 0; i < s->run_count; i++) {
		const struct blob *b = &s->blobs[i];

		if (b->pixels > s->pixels_max && a->x < b->end + ALONE_PIXELS && b->x < a->end + ALONE_PIXELS &&
		    a->y < b->bottom + ALONE_PIXELS && b->y < a->bottom + ALONE_PIXELS)
			return false;
	}
	return true;
}

/* What hangs together and is not too large. */
static inline void gather_spots(struct spots *s, const struct lumaring_frame *f)
{
	memset(s->blobs, 0, s->run_count * sizeof(s->blobs[0]));
	for (uint32_t i = 0; i < s->run_count; i++) {
		const struct run *run = &s->runs[i];
		struct blob *blob = &s->blobs[root_of(s->runs, i)];

		if (!blob->pixels)
			*blob = (struct blob){ run->x, run->end, run->y, run->y + 1, 0 };
		blob->pixels += run->end - run->x;
		blob->x = run->x < blob->x ? run->x : blob->x;
		blob->end = run->end > blob->end ? run->end : blob->end;
		blob->bottom = run->y + 1;
	}
	s->spot_count = 0;
	for (uint32_t i = 0; i < s->run_count && s->spot_count < SPOTS_MAX; i++)
		if (s->blobs[i].pixels >= PIXELS_MIN && s->blobs[i].pixels <= s->pixels_max && stands_alone(s, i))
			s->spots[s->spot_count++] = middle_of(s, f, &s->blobs[i]);
}

/*
 * Find the spots of a frame. With `learn_all` the background learns also from what differs, so that what stands still
 * is no spot after some time. False: the whole scene has changed.
 */
static inline bool spots_find(struct spots *s, const struct lumaring_frame *f, bool learn_all)
{
	measure(s, f);
	find_runs(s, f, learn_all ? 255 : s->threshold);
	if (s->run_count == RUNS_MAX)
		return false;
	join_runs(s);
	gather_spots(s, f);
	return true;
}

#endif
