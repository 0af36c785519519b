/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * follow.c - clients that go along with whatever changes while they read: sizes, rings, regions. The source is
 * synthetic, so that every byte can be compared; each frame must be whole, of a size and region that was asked for, and
 * newer than the one before.
 *
 *   follow sizes DIR CAMERA STREAM --handles N --size WxH...   whole images, of one of these sizes; every other handle
 *                                                             copies, every fourth waits on its word
 *   follow regions DIR CAMERA STREAM [--handles N]            regions of follow_region(), in order
 *   follow move DIR CAMERA --count N                          a stream of its own, whose region it moves at each frame
 *   follow rates DIR CAMERA STREAM                            no frame missed; how long each one took. Of any source
 *   follow any DIR CAMERA STREAM... [--handles N]             whatever becomes of these streams, which may go and come
 *                                                             again: every fourth handle has one of its own instead
 *
 * Ends at the end of its input, when the stream is closed, or at the first fault. Prints one line of JSON. Exits with 0
 * when all was well.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tally.h"

#define HANDLES_MAX 64u
#define SIZES_MAX 16u
#define STEP_MS 100
#define TIMEOUT_MS 60000
#define LATE_MAX 64u

struct arguments {
	const char *runtime_dir, *camera, *stream;
	char **streams; /* any: all of them */
	unsigned stream_count;
	unsigned handles, size_count;
	uint32_t sizes[SIZES_MAX][2];
	uint64_t count;
};

static struct arguments arguments = { .stream = "main", .handles = 1 };
static bool stopping;  /* atomic */
static unsigned ended; /* atomic: followers that are over */

struct follower {
	const char *mode;
	unsigned number;
	struct lumaring *ring;
	struct tally tally;
	uint64_t epoch, sequence; /* of the frame before */
	uint64_t geometries, replacements, reopened;
	uint64_t step;           /* the newest region seen, or asked for */
	uint64_t asked_at;       /* move: sequence of the frame after which `step` was asked for */
	uint64_t late[LATE_MAX]; /* move: how many regions came so many frames late */
	bool closed;
	pthread_t thread;
};

/* The region of a step, as tests/e2e/test_configure.py has it: each is another one. */
static struct lumaring_region follow_region(uint64_t step)
{
	return (struct lumaring_region){ (uint32_t)(step % 500), (uint32_t)(step * 3 % 300), 64 + (uint32_t)(step % 5),
					 48 + (uint32_t)(step % 7) };
}

static bool is_region(const struct lumaring_region *a, const struct lumaring_region *b)
{
	return a->x == b->x && a->y == b->y && a->width == b->width && a->height == b->height;
}

/* --- what each frame must be --- */

static void check_order(struct follower *w, const struct lumaring_frame *f)
{
	if (f->epoch < w->epoch || f->sequence <= w->sequence)
		tally_fault(&w->tally, "frame %" PRIu64 " of epoch %" PRIu64 " after %" PRIu64 " of %" PRIu64,
			    f->sequence, f->epoch, w->sequence, w->epoch);
	w->epoch = f->epoch;
	w->sequence = f->sequence;
}

static void check_size(struct follower *w, const struct lumaring_frame *f)
{
	if (f->region.x || f->region.y || f->width != f->image_width || f->height != f->image_height)
		tally_fault(&w->tally, "frame %" PRIu64 " is not the whole image", f->sequence);
	for (unsigned i = 0; i < arguments.size_count; i++)
		if (f->width == arguments.sizes[i][0] && f->height == arguments.sizes[i][1])
			return;
	tally_fault(&w->tally, "frame %" PRIu64 " has %ux%u, which nobody asked for", f->sequence, f->width, f->height);
}

static void check_region(struct follower *w, const struct lumaring_frame *f)
{
	uint64_t step = w->step;
	struct lumaring_region region;

	for (; step < w->step + 500; step++) {
		region = follow_region(step);
		if (is_region(&region, &f->region))
			break;
	}
	if (step == w->step + 500)
		tally_fault(&w->tally, "frame %" PRIu64 ": region %u,%u,%u,%u, not asked for since step %" PRIu64,
			    f->sequence, f->region.x, f->region.y, f->region.width, f->region.height, w->step);
	w->step = step;
}

/* The region that was asked for, or the one before while the daemon has not seen it yet; then the next one. */
static void check_move(struct follower *w, const struct lumaring_frame *f)
{
	struct lumaring_region asked = follow_region(w->step), before = follow_region(w->step - 1);
	uint64_t late;

	if (!is_region(&asked, &f->region)) {
		if (!is_region(&before, &f->region))
			tally_fault(&w->tally, "frame %" PRIu64 ": region %u,%u, asked for %u,%u", f->sequence,
				    f->region.x, f->region.y, asked.x, asked.y);
		return;
	}
	late = f->sequence - w->asked_at - 1;
	w->late[late < LATE_MAX ? late : LATE_MAX - 1]++;
	asked = follow_region(++w->step);
	w->asked_at = f->sequence;
	if (lumaring_set_region(w->ring, &asked) < 0)
		tally_fault(&w->tally, "cannot move: %s", lumaring_error_text(w->ring));
}

static void check_rate(struct follower *w, const struct lumaring_frame *f)
{
	if (w->tally.missed)
		tally_fault(&w->tally, "%" PRIu64 " frames were missed before %" PRIu64, w->tally.missed, f->sequence);
	for (unsigned cause = LUMARING_LOST_SEQUENCED; cause < LUMARING_LOST_CAUSES; cause++)
		if (f->missed_by[cause])
			tally_fault(&w->tally, "%" PRIu64 " frames were lost (%s) before %" PRIu64, f->missed_by[cause],
				    lumaring_missed_name(cause), f->sequence);
	printf("%" PRIu64 " %u %" PRIu64 "\n", f->sequence, f->frame_duration_us, f->ready_ns);
}

/* What the stream makes of 8 bits of luma, at one pixel. */
static unsigned any_pixel(const struct lumaring_frame *f, uint32_t x, uint32_t y)
{
	uint32_t at_x = f->region.x + x * f->bin, at_y = f->region.y + y * f->bin;
	unsigned value = synthetic_pixel(f->camera_sequence, at_x, at_y);

	if (f->bin == 2)
		value = (value + synthetic_pixel(f->camera_sequence, at_x + 1, at_y) +
			 synthetic_pixel(f->camera_sequence, at_x, at_y + 1) +
			 synthetic_pixel(f->camera_sequence, at_x + 1, at_y + 1) + 2) >>
			2;
	return f->fourcc == LUMARING_FORMAT_R16 ? value << 8 | value : value;
}

static bool any_verify(const struct lumaring_frame *f)
{
	bool wide = f->fourcc == LUMARING_FORMAT_R16;

	for (uint32_t y = 0; y < f->height; y++) {
		const uint8_t *row = f->pixels + (size_t)y * f->stride;

		for (uint32_t x = 0; x < f->width; x++) {
			unsigned is = wide ? row[2 * x] | row[2 * x + 1] << 8 : row[x];

			if (is != any_pixel(f, x, y))
				return false;
		}
	}
	return true;
}

static void check_any(struct follower *w, const struct lumaring_frame *f)
{
	w->tally.verified++;
	w->tally.pinned += f->pinned;
	if (f->region.x + f->region.width > f->image_width || f->region.y + f->region.height > f->image_height ||
	    f->region.width != f->width * f->bin || f->region.height != f->height * f->bin)
		tally_fault(&w->tally, "frame %" PRIu64 ": %ux%u of %u,%u,%u,%u of %ux%u", f->sequence, f->width,
			    f->height, f->region.x, f->region.y, f->region.width, f->region.height, f->image_width,
			    f->image_height);
	if (any_verify(f))
		return;
	w->tally.bad++;
	tally_fault(&w->tally, "frame %" PRIu64 " (%s, bin %u) is torn", f->sequence, f->pinned ? "pinned" : "copied",
		    f->bin);
}

static void check(struct follower *w, const struct lumaring_frame *f)
{
	bool any = !strcmp(w->mode, "any");

	check_order(w, f);
	tally_account(&w->tally, f);
	if (any)
		check_any(w, f);
	else if (strcmp(w->mode, "rates"))
		tally_frame(&w->tally, f);
	if (!strcmp(w->mode, "sizes"))
		check_size(w, f);
	else if (!strcmp(w->mode, "regions"))
		check_region(w, f);
	else if (!strcmp(w->mode, "move"))
		check_move(w, f);
	else if (!any)
		check_rate(w, f);
}

/* --- following --- */

/* Of another daemon, or another stream of that name: epochs rise, sequences do not. */
static void begin_anew(struct follower *w)
{
	w->sequence = 0;
	tally_begin(&w->tally);
}

static void note_event(struct follower *w, int event)
{
	if (event == LUMARING_EVENT_GEOMETRY)
		w->geometries++;
	else if (event == LUMARING_EVENT_REPLACED)
		w->replacements++;
	else if (event == LUMARING_EVENT_CLOSED)
		w->closed = true;
	else if (event == LUMARING_EVENT_RESTARTED && !strcmp(w->mode, "any"))
		begin_anew(w);
	else if (strcmp(w->mode, "any"))
		tally_fault(&w->tally, "event %s", lumaring_event_name(event));
}

static bool is_over(const struct follower *w)
{
	return w->tally.fault[0] || w->closed || __atomic_load_n(&stopping, __ATOMIC_RELAXED) ||
	       (arguments.count && w->tally.seen >= arguments.count);
}

static int try_open(struct follower *w, const char *stream, char *text, size_t text_bytes)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;

	options.runtime_dir = arguments.runtime_dir;
	options.flags = (w->number % 2 ? LUMARING_COPY : 0) | (w->number % 4 == 2 ? LUMARING_FUTEX : 0);
	options.cursors = w->number % 2 ? 0 : 1;
	options.timeout_ms = TIMEOUT_MS;
	options.error_text = text;
	options.error_bytes = text_bytes;
	if (!strcmp(w->mode, "move")) {
		w->step = 1;
		options.flags = LUMARING_PRIVATE;
		options.region = follow_region(1);
		options.width_max = 80;
		options.height_max = 60;
	} else if (!strcmp(w->mode, "any") && w->number % 4 == 3) {
		options.flags |= LUMARING_PRIVATE;
		options.region = (struct lumaring_region){ 3, 5, 33, 21 };
		options.fourcc = w->number % 8 == 3 ? LUMARING_FORMAT_R16 : LUMARING_FORMAT_R8;
		options.bin = 2;
	}
	return lumaring_open(arguments.camera, stream, &options, &w->ring);
}

/* Its stream, or the daemon, is gone: until there is one again, with an account of its own. */
static void open_again(struct follower *w)
{
	const char *stream = arguments.streams[w->number % arguments.stream_count];
	char text[320] = "";
	int r = -ENOENT;

	lumaring_close(w->ring);
	w->ring = NULL;
	while ((r == -ENOENT || r == -ECONNREFUSED) && !__atomic_load_n(&stopping, __ATOMIC_RELAXED)) {
		poll(NULL, 0, 2);
		r = try_open(w, stream, text, sizeof(text));
	}
	if (r < 0 && r != -ENOENT && r != -ECONNREFUSED)
		tally_fault(&w->tally, "open: %s", text);
	w->closed = false;
	w->reopened++;
	begin_anew(w);
}

static void *follow(void *argument)
{
	struct follower *w = argument;
	const struct lumaring_frame *f;

	while (!is_over(w)) {
		int r = lumaring_next(w->ring, STEP_MS, &f);

		if (r > 0) {
			note_event(w, r);
		} else if (r == 0) {
			check(w, f);
			tally_release(&w->tally, w->ring, f);
		} else if (r != -ETIMEDOUT && r != -ENOENT) {
			tally_fault(&w->tally, "%s", lumaring_error_text(w->ring));
		}
		if ((w->closed || r == -ENOENT) && !strcmp(w->mode, "any"))
			open_again(w);
	}
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void open_follower(struct follower *w)
{
	const char *stream =
		strcmp(w->mode, "any") ? arguments.stream : arguments.streams[w->number % arguments.stream_count];
	char text[320] = "";
	int r = try_open(w, stream, text, sizeof(text));

	if (r < 0) {
		fprintf(stderr, "follow: open: %s (%s)\n", text, lumaring_strerror(r));
		exit(1);
	}
}

static int report(const struct follower *followers)
{
	const char *fault = "";
	struct tally sum = { .fault = "" };
	uint64_t geometries = 0, replacements = 0, reopened = 0, least = UINT64_MAX;

	for (unsigned i = 0; i < arguments.handles; i++) {
		const struct follower *w = &followers[i];

		sum.verified += w->tally.verified;
		sum.pinned += w->tally.pinned;
		sum.missed += w->tally.missed;
		sum.bad += w->tally.bad;
		geometries += w->geometries;
		replacements += w->replacements;
		reopened += w->reopened;
		least = w->tally.seen < least ? w->tally.seen : least;
		if (w->tally.fault[0])
			fault = w->tally.fault;
	}
	printf("{\"handles\": %u, \"verified\": %" PRIu64 ", \"pinned\": %" PRIu64 ", \"missed\": %" PRIu64
	       ", \"bad\": %" PRIu64 ", \"least\": %" PRIu64 ", \"geometries\": %" PRIu64 ", \"replacements\": %" PRIu64
	       ", \"reopened\": %" PRIu64 ", \"step\": %" PRIu64 ", \"late\": [",
	       arguments.handles, sum.verified, sum.pinned, sum.missed, sum.bad, least, geometries, replacements,
	       reopened, followers[0].step);
	for (unsigned i = 0; i < LATE_MAX; i++)
		printf("%s%" PRIu64, i ? ", " : "", followers[0].late[i]);
	printf("], \"fault\": \"%s\"}\n", fault);
	return fault[0] || sum.bad;
}

/* Until the end of the input, or until one has ended by itself. */
static void wait_for_end(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char rest[64];

	while (!__atomic_load_n(&ended, __ATOMIC_RELAXED)) {
		if (poll(&input, 1, STEP_MS) > 0 && read(STDIN_FILENO, rest, sizeof(rest)) <= 0)
			break;
	}
	if (!arguments.count)
		__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
}

static int run(const char *mode)
{
	static struct follower followers[HANDLES_MAX];

	for (unsigned i = 0; i < arguments.handles; i++) {
		followers[i] = (struct follower){ .mode = mode, .number = i };
		open_follower(&followers[i]);
	}
	fprintf(stderr, "following\n");
	for (unsigned i = 0; i < arguments.handles; i++)
		if (pthread_create(&followers[i].thread, NULL, follow, &followers[i]) != 0)
			return 1;
	wait_for_end();
	for (unsigned i = 0; i < arguments.handles; i++)
		pthread_join(followers[i].thread, NULL);
	for (unsigned i = 0; i < arguments.handles; i++)
		lumaring_close(followers[i].ring);
	return report(followers);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "handles", required_argument, NULL, 'h' },
		{ "size", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'n' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			arguments.handles = (unsigned)atoi(optarg);
		else if (c == 'n')
			arguments.count = strtoull(optarg, NULL, 10);
		else if (c != 's' || arguments.size_count == SIZES_MAX ||
			 sscanf(optarg, "%ux%u", &arguments.sizes[arguments.size_count][0],
				&arguments.sizes[arguments.size_count][1]) != 2)
			return 2;
		arguments.size_count += c == 's';
	}
	if (argc - optind < 3 || arguments.handles < 1 || arguments.handles > HANDLES_MAX) {
		fprintf(stderr, "usage: follow MODE DIR CAMERA [STREAM] [OPTION]...\n");
		return 2;
	}
	arguments.runtime_dir = argv[optind + 1];
	arguments.camera = argv[optind + 2];
	if (argc - optind > 3)
		arguments.stream = argv[optind + 3];
	arguments.streams = argv + optind + 3;
	arguments.stream_count = (unsigned)(argc - optind - 3);
	setvbuf(stdout, NULL, _IOLBF, 0);
	return run(argv[optind]);
}
