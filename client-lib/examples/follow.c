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
 * An object is what differs from a background that is learnt all the time, hangs together, and moves on. The camera
 * must stand still.
 *
 * A line for each frame: sequence, what was done, position, region, and the microseconds from the sensor to the
 * position: from sensor_ns, the begin of the exposure, if its clock is CLOCK_MONOTONIC, else from ready_ns, when the
 * frame was complete. A position is the middle of the object in the whole image; the middle of a pixel in column 5 is
 * at 5.
 */
#include "cost.h"
#include "track.h"

#include <lumaring/layout.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define SLOTS 4 /* of the stream's ring: only the newest frame is ever wanted */
#define WAIT_MS 5000
#define HOPE_FRAMES 50 /* after so many it should have been found */

static const char *const state_names[STATES] = { "learning", "searching", "following" };

static struct {
	const char *camera;
	unsigned long frames;
	uint32_t side, largest;
	bool whole, both, quiet;
} wishes = { .side = 96, .largest = 400 };

static volatile sig_atomic_t stopping;

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
	const int found = track_look(t, f);
	const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	const bool has_sensor = f->sensor_ns && lumaring_info(s->ring)->sensor_clock == LUMARING_CLOCK_MONOTONIC;
	const uint64_t latency_us = (now_ns - (has_sensor ? f->sensor_ns : f->ready_ns)) / 1000;
	const struct lumaring_region region = track_next(t, f, now_ns);
	struct account *a = &accounts[kind];

	if (found < 0)
		return fprintf(stderr, "follow: no memory for the background\n"), -1;
	lumaring_set_region(s->ring, &region);
	a->frames++;
	a->found += (uint64_t)found;
	a->bytes += (uint64_t)f->width * f->height;
	if (found && a->latency_count < LATENCIES_MAX)
		a->latencies_us[a->latency_count++] = (uint32_t)latency_us;
	s->frames++;
	s->found += (uint64_t)found;
	s->first = found && !s->first ? s->frames : s->first;
	s->lost += before == FOLLOWING && t->state != FOLLOWING;
	s->missed += f->missed;
	a->cpu_ns += clock_ns(CLOCK_PROCESS_CPUTIME_ID) - s->cpu_ns;
	if (!wishes.quiet)
		print_frame(s, f, found, before, latency_us);
	s->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID); /* the line is not what following costs */
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
	track_lose(&s->tracker);
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
	s->tracker.side = wishes.side;
	s->tracker.whole = whole;
	r = follow_frames(s);
	if (s->ring)
		change_kind(s, LOOKING);
	printf("%s: position in %" PRIu64 " of %" PRIu64 " frames (%.2f %%), first in number %" PRIu64 ", lost %" PRIu64
	       " times, %" PRIu64 " frames not seen\n",
	       kind_names[whole ? WHOLE : REGION], s->found, s->frames,
	       s->frames ? 100 * (double)s->found / (double)s->frames : 0, s->first, s->lost, s->missed);
	if (s->frames > HOPE_FRAMES && !s->found)
		fprintf(stderr,
			"follow: nothing found: what moves more than %u pixels a frame needs a larger -w, and "
			"what is larger than %u pixels a larger -s\n",
			wishes.side / 2, wishes.largest);
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
	setvbuf(stdout, NULL, _IOLBF, 0); /* each line at once, also into a pipe */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	r = run(wishes.whole);
	if (r == 0 && wishes.both && !wishes.whole)
		r = run(true);
	accounts_print(accounts, kind_names, KINDS);
	return r < 0;
}
