/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * follow.c - find a very small moving object, then follow it with a region that moves with every frame.
 *
 *     follow [-c CAMERA] [-n FRAMES] [-w SIDE] [-s PIXELS] [-f | -b] [-q]
 *
 *     -n   frames to look at, with -b of each kind (default 0: until SIGINT)
 *     -w   side of the region around the object, pixels: more than twice what it moves from frame to frame (96)
 *     -s   pixels of the largest object (400)
 *     -f   whole frames always, to see what they cost
 *     -b   both, one after the other
 *     -q   only the summary
 *
 * There is one private stream with room for the whole image. While the object is not known its region is the whole
 * image; then it is a small square where the object will be in the next frame, so that the daemon copies no more than
 * that. While the object is not in it the square doubles with each frame, until it is the whole image again.
 *
 * An object is what differs from a background that is learnt all the time, hangs together, and has moved. The camera
 * must stand still.
 *
 * A line for each frame: sequence, what was done, position, region, and the microseconds from the sensor to the
 * position: from sensor_ns, the begin of the exposure, if its clock is CLOCK_MONOTONIC, else from ready_ns, when the
 * frame was complete. A position is the middle of the object in the whole image; the middle of a pixel in column 5 is
 * at 5.
 */
#include "cost.h"
#include "spots.h"

#include <lumaring/layout.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define MISSES_MAX 3 /* frames without the object after which it is lost */
#define SLOTS 4      /* of the stream's ring: only the newest frame is ever wanted */
#define WAIT_MS 5000

enum state { LEARNING, SEARCHING, FOLLOWING, STATES };
static const char *const state_names[STATES] = { "learning", "searching", "following" };

struct tracker {
	enum state state;
	struct spot object;
	double speed_x, speed_y; /* pixels a frame */
	unsigned misses;         /* frames since then without the object */
	uint64_t sequence;       /* of the frame that had the object, or `before` */
	unsigned before_count;
	struct spot before[SPOTS_MAX]; /* while searching: of the frame before */
	struct spots spots;
};

static struct {
	const char *camera;
	unsigned long frames;
	uint32_t side, largest;
	bool whole, both, quiet;
} wishes = { .side = 96, .largest = 400 };

static volatile sig_atomic_t stopping;

/* --- where the object is ------------------------------------------------------------------------------------------ */

static double distance2(const struct spot *a, double x, double y)
{
	return (a->x - x) * (a->x - x) + (a->y - y) * (a->y - y);
}

static void note_object(struct tracker *t, const struct lumaring_frame *f, const struct spot *spot,
			const struct spot *before)
{
	const double frames = (double)(f->sequence - t->sequence);

	t->speed_x = (spot->x - before->x) / frames;
	t->speed_y = (spot->y - before->y) / frames;
	t->object = *spot;
	t->misses = 0;
	t->state = FOLLOWING;
}

static bool is_alike(const struct spot *a, const struct spot *b)
{
	return a->pixels <= 4 * b->pixels + 8 && b->pixels <= 4 * a->pixels + 8;
}

/* Of the spots that have moved since the frame before, and not too far for the region, the largest. */
static bool search(struct tracker *t, const struct lumaring_frame *f)
{
	const double farthest = (double)wishes.side / 2 * (double)(f->sequence - t->sequence);
	const struct spot *best = NULL, *from = NULL;

	for (unsigned i = 0; i < t->spots.spot_count; i++)
		for (unsigned j = 0; j < t->before_count; j++) {
			const struct spot *spot = &t->spots.spots[i], *before = &t->before[j];
			const double moved2 = distance2(spot, before->x, before->y);

			if (moved2 < 1 || moved2 > farthest * farthest || !is_alike(spot, before) ||
			    (best && best->pixels >= spot->pixels))
				continue;
			best = spot;
			from = before;
		}
	if (best)
		note_object(t, f, best, from);
	memcpy(t->before, t->spots.spots, sizeof(t->before));
	t->before_count = t->spots.spot_count;
	t->sequence = f->sequence;
	return best;
}

/* The spot that is nearest to where the object should be. */
static bool follow(struct tracker *t, const struct lumaring_frame *f)
{
	const double frames = (double)(f->sequence - t->sequence);
	const double x = t->object.x + t->speed_x * frames, y = t->object.y + t->speed_y * frames;
	const double farthest = (double)(wishes.side << t->misses) / 2;
	const struct spot before = t->object, *best = NULL;

	for (unsigned i = 0; i < t->spots.spot_count; i++)
		if (is_alike(&t->spots.spots[i], &before) &&
		    distance2(&t->spots.spots[i], x, y) <= 2 * farthest * farthest &&
		    (!best || distance2(&t->spots.spots[i], x, y) < distance2(best, x, y)))
			best = &t->spots.spots[i];
	if (best) {
		note_object(t, f, best, &before);
		t->sequence = f->sequence;
	} else if (++t->misses >= MISSES_MAX) {
		t->state = SEARCHING;
		t->before_count = 0;
	}
	return best;
}

/* One axis of the region for the next frame. */
static void place(double middle, uint32_t side, uint32_t image_side, uint32_t *ret_begin, uint32_t *ret_side)
{
	const double begin = middle - side / 2.0, last = (double)image_side - side;

	*ret_side = side < image_side ? side : image_side;
	*ret_begin = begin <= 0 || last <= 0 ? 0 : (uint32_t)(begin < last ? begin : last);
}

/* Where the object will be in the frame that is captured next: by now that may be one more than the next after `f`. */
static struct lumaring_region next_region(const struct tracker *t, const struct lumaring_frame *f, uint64_t now_ns)
{
	struct lumaring_region region = { 0, 0, t->spots.width, t->spots.height };
	const uint64_t late = f->frame_duration_us ? (now_ns - f->ready_ns) / 1000 / f->frame_duration_us : 0;
	const double frames = (double)(f->sequence + 1 + late - t->sequence);
	const uint32_t side = (uint32_t)wishes.side << t->misses;

	if (wishes.whole || t->state != FOLLOWING)
		return region;
	place(t->object.x + t->speed_x * frames, side, t->spots.width, &region.x, &region.width);
	place(t->object.y + t->speed_y * frames, side, t->spots.height, &region.y, &region.height);
	return region;
}

/* Look at a frame. Whether the object is in it, or a negative number. */
static int look(struct tracker *t, const struct lumaring_frame *f)
{
	struct spots *s = &t->spots;

	if (s->width && !s->background) {
		spots_learn(s, f);
		t->state = s->background ? SEARCHING : LEARNING;
		t->before_count = 0;
		return 0;
	}
	if (s->width && spots_find(s, f, t->state == SEARCHING))
		return t->state == FOLLOWING ? follow(t, f) : search(t, f);
	if (s->width)
		fprintf(stderr, "frame %" PRIu64 ": the scene has changed, it is learnt anew\n", f->sequence);
	t->state = LEARNING;
	return spots_begin(s, f->image_width, f->image_height);
}

/* --- the program -------------------------------------------------------------------------------------------------- */

/* Kinds of frames: the object is looked for; followed with a region; followed on whole frames. */
enum kind { LOOKING, REGION, WHOLE, KINDS };
static const char *const kind_names[KINDS] = { "looking for it", "moving region", "whole frames" };

struct session {
	struct lumaring *ring;
	uint32_t pid;
	enum kind kind;
	uint64_t cpu_ns, daemon_ns; /* when the last frame was done; when the kind of frames last changed */
	uint64_t frames, found, first, lost, missed;
	struct tracker tracker;
};

static struct account accounts[KINDS];

static void change_kind(struct session *s, enum kind kind)
{
	const uint64_t daemon_ns = daemon_cpu_ns(s->pid);

	accounts[s->kind].daemon_ns += daemon_ns - s->daemon_ns;
	s->daemon_ns = daemon_ns;
	s->kind = kind;
	s->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void print_frame(const struct session *s, const struct lumaring_frame *f, bool found, enum state before,
			uint64_t latency_us)
{
	const struct tracker *t = &s->tracker;
	const bool missing = before == FOLLOWING && !found;
	const char *name = !missing ? state_names[t->state] : t->state == FOLLOWING ? "missing" : "lost";

	printf("%" PRIu64 " %s ", f->sequence, name);
	if (found)
		printf("%.2f %.2f", t->object.x, t->object.y);
	else
		printf("- -");
	printf(" %" PRIu32 "x%" PRIu32 " %" PRIu64 "\n", f->region.width, f->region.height, latency_us);
}

/* Look at a frame, and say where the next one is to be from. */
static int take(struct session *s, const struct lumaring_frame *f)
{
	struct tracker *t = &s->tracker;
	const enum state before = t->state;
	const enum kind kind = before != FOLLOWING ? LOOKING : wishes.whole ? WHOLE : REGION;
	const int found = look(t, f);
	const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	const bool has_sensor = f->sensor_ns && lumaring_info(s->ring)->sensor_clock == LUMARING_CLOCK_MONOTONIC;
	const uint64_t latency_us = (now_ns - (has_sensor ? f->sensor_ns : f->ready_ns)) / 1000;
	const struct lumaring_region region = next_region(t, f, now_ns);
	struct account *a = &accounts[kind];

	if (found < 0)
		return fprintf(stderr, "follow: no memory for the background\n"), -1;
	lumaring_set_region(s->ring, &region);
	a->frames++;
	a->found += (uint64_t)found;
	a->bytes += (uint64_t)f->width * f->height;
	a->cpu_ns += cpu_ns - s->cpu_ns;
	if (found && a->latency_count < LATENCIES_MAX)
		a->latencies_us[a->latency_count++] = (uint32_t)latency_us;
	s->cpu_ns = cpu_ns;
	s->frames++;
	s->found += (uint64_t)found;
	s->first = found && !s->first ? s->frames : s->first;
	s->lost += before == FOLLOWING && t->state != FOLLOWING;
	s->missed += f->missed;
	if (!wishes.quiet)
		print_frame(s, f, found, before, latency_us);
	if (s->kind != kind)
		change_kind(s, kind);
	return 0;
}

/* A stream of our own, with room for the whole image. */
static int open_stream(struct session *s)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	char text[256];

	options.flags = LUMARING_PRIVATE | LUMARING_FUTEX;
	options.slots = SLOTS;
	options.error_text = text;
	options.error_bytes = sizeof(text);
	lumaring_close(s->ring);
	s->ring = NULL;
	if (lumaring_open(wishes.camera, NULL, &options, &s->ring) < 0)
		return fprintf(stderr, "follow: %s\n", text), -1;
	s->pid = lumaring_info(s->ring)->daemon_pid;
	s->daemon_ns = daemon_cpu_ns(s->pid);
	s->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	s->tracker.state = SEARCHING;
	s->tracker.before_count = 0;
	return 0;
}

/* The camera has another size: so must our stream and the background. */
static int change_size(struct session *s)
{
	fprintf(stderr, "follow: the image has another size\n");
	s->tracker.spots.width = 0;
	return open_stream(s);
}

static int follow_frames(struct session *s)
{
	const struct spots *spots = &s->tracker.spots;
	int r = 0;

	while (r >= 0 && !stopping && (!wishes.frames || s->frames < wishes.frames)) {
		const struct lumaring_frame *frame;

		r = lumaring_latest(s->ring, WAIT_MS, &frame);
		if (r == 0 && spots->width &&
		    (frame->image_width != spots->width || frame->image_height != spots->height)) {
			r = change_size(s); /* this releases the frame */
		} else if (r == 0) {
			r = take(s, frame);
			lumaring_release(s->ring, frame);
		} else if (r == LUMARING_EVENT_CLOSED) {
			break;
		} else if (r == LUMARING_EVENT_RESTARTED) {
			r = open_stream(s); /* another daemon, whose sequences begin anew */
		} else if (r == -EINTR) {
			r = 0;
		} else if (r < 0) {
			fprintf(stderr, "follow: %s\n", lumaring_error_text(s->ring));
		}
	}
	return r;
}

static int run(bool whole)
{
	struct session *s = calloc(1, sizeof(*s));
	int r;

	wishes.whole = whole;
	if (!s || open_stream(s) < 0)
		return free(s), -1;
	s->tracker.spots.pixels_max = wishes.largest;
	r = follow_frames(s);
	if (s->ring)
		change_kind(s, LOOKING);
	printf("%s: position in %" PRIu64 " of %" PRIu64 " frames (%.2f %%), first in number %" PRIu64 ", lost %" PRIu64
	       " times, %" PRIu64 " frames not seen\n",
	       kind_names[whole ? WHOLE : REGION], s->found, s->frames,
	       s->frames ? 100 * (double)s->found / (double)s->frames : 0, s->first, s->lost, s->missed);
	lumaring_close(s->ring);
	spots_end(&s->tracker.spots);
	free(s);
	return r;
}

static void stop(int number)
{
	(void)number;
	stopping = 1;
}

static int read_words(int argc, char **argv)
{
	int code;

	while ((code = getopt(argc, argv, "c:n:w:s:fbq")) != -1) {
		if (code == 'c')
			wishes.camera = optarg;
		else if (code == 'n')
			wishes.frames = strtoul(optarg, NULL, 10);
		else if (code == 'w')
			wishes.side = (uint32_t)strtoul(optarg, NULL, 10);
		else if (code == 's')
			wishes.largest = (uint32_t)strtoul(optarg, NULL, 10);
		else if (code == 'f')
			wishes.whole = true;
		else if (code == 'b')
			wishes.both = true;
		else if (code == 'q')
			wishes.quiet = true;
		else
			return -1;
	}
	if (optind == argc && wishes.side >= 16 && wishes.side <= 4096 && wishes.largest >= PIXELS_MIN)
		return 0;
	fprintf(stderr, "follow: -w is 16 to 4096, -s at least %d; the head of follow.c says what there is\n",
		PIXELS_MIN);
	return -1;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = stop };
	int r;

	if (read_words(argc, argv) < 0)
		return 2;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	r = run(wishes.whole);
	if (r == 0 && wishes.both && !wishes.whole)
		r = run(true);
	accounts_print(accounts, kind_names, KINDS);
	return r < 0;
}
