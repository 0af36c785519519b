/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify.c - clients that check the picture of a test camera, every pixel of every frame, while the camera comes and
 * goes and changes its size.
 *
 *   verify ramp DIR CAMERA STREAM...    the picture of tests/vm/fakeuvc
 *   verify bars DIR CAMERA STREAM...    of libcamera's virtual camera: rows that are all the same
 *   verify lines DIR CAMERA STREAM...   likewise: each row is the one above, one pixel on
 *   verify synthetic DIR CAMERA STREAM...  of the source "synthetic", in 8 bits and not binned: every byte
 *   verify same DIR CAMERA STREAM OTHER    of any camera: what lies in both streams is the same in frames of one number
 *
 *   --clients N   so many clients, one after the other on these streams; of four, two copy and one waits on its word
 *   --count N     each ends after N frames; else all end at the end of the input
 *
 * Lines on standard output: "attached" when all are; then "event CLIENT NAME MS" for each event, "event CLIENT paused MS"
 * when no frame comes and the ring says that none will for now, and "frame CLIENT MS" for the first frame after one, MS
 * being CLOCK_MONOTONIC; at the end one JSON object. Exits with 0 when all was well.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lumaring/layout.h>
#include <lumaring/lumaring.h>

#include "base/clock.h"
#include "source/synthetic.h"

#define CLIENTS_MAX 64u
#define STEP_MS 100
#define TIMEOUT_MS 60000 /* to attach */
#define RAMP_BYTES 4096u /* longer than any row, and 256 more */
#define MARK_BYTES 8u

/* NULL: the picture is right; else what is wrong with it, static storage. */
typedef const char *check_picture(const struct lumaring_frame *f, uint32_t *ret_x, uint32_t *ret_y);

struct client {
	unsigned number;
	check_picture *picture;
	struct lumaring *ring, *other;
	uint64_t verified, bad, pinned, regions, sizes, events, missed, unmatched;
	uint32_t width, height; /* of the frame before */
	bool told;              /* an event since the frame before */
	char fault[240];
	pthread_t thread;
};

static struct {
	const char *runtime_dir, *camera;
	char **streams;
	unsigned stream_count, clients;
	uint64_t count;
} arguments = { .clients = 1 };

static uint8_t ramp[RAMP_BYTES];
static bool stopping;  /* atomic */
static unsigned ended; /* atomic: clients that are over */

static void fault(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fault(struct client *c, const char *format, ...)
{
	va_list list;

	if (c->fault[0])
		return;
	va_start(list, format);
	vsnprintf(c->fault, sizeof(c->fault), format, list);
	va_end(list);
}

/* --- pictures ---------------------------------------------------------------------------------------------------- */

static const uint8_t *row_of(const struct lumaring_frame *f, uint32_t y)
{
	return f->pixels + (size_t)y * f->stride;
}

static uint32_t first_difference(const uint8_t *a, const uint8_t *b, uint32_t count)
{
	uint32_t i = 0;

	while (i < count && a[i] == b[i])
		i++;
	return i;
}

/* The pixels of row y that carry no number: from *ret_from to before *ret_to, in the frame. */
static void plain_pixels(const struct lumaring_frame *f, uint32_t y, uint32_t *ret_from, uint32_t *ret_to)
{
	uint32_t from = 0, to = f->image_width;

	if (f->region.y + y == 0)
		from = MARK_BYTES;
	if (f->region.y + y == f->image_height - 1)
		to -= MARK_BYTES;
	from = from > f->region.x ? from - f->region.x : 0;
	to = to > f->region.x ? to - f->region.x : 0;
	*ret_to = to < f->width ? to : f->width;
	*ret_from = from < *ret_to ? from : *ret_to;
}

/* As the first plain pixel of a frame has it. */
static uint8_t number_of(const struct lumaring_frame *f)
{
	for (uint32_t y = 0; y < f->height; y++) {
		uint32_t from, to;

		plain_pixels(f, y, &from, &to);
		if (from < to)
			return (uint8_t)(row_of(f, y)[from] - (f->region.x + from) - (f->region.y + y));
	}
	return 0;
}

/* Of the bytes that carry the number, those that lie in the frame. */
static const char *check_marks(const struct lumaring_frame *f, uint8_t number)
{
	uint64_t marks[2] = { 0 };
	bool complete[2] = { true, true };

	for (unsigned i = 0; i < 2 * MARK_BYTES; i++) {
		uint32_t x = i < MARK_BYTES ? i : f->image_width - 2 * MARK_BYTES + i;
		uint32_t y = i < MARK_BYTES ? 0 : f->image_height - 1;

		if (x < f->region.x || x - f->region.x >= f->width || y < f->region.y || y - f->region.y >= f->height) {
			complete[i / MARK_BYTES] = false;
			continue;
		}
		marks[i / MARK_BYTES] |= (uint64_t)row_of(f, y - f->region.y)[x - f->region.x] << 8 * (i % MARK_BYTES);
	}
	for (unsigned i = 0; i < 2; i++)
		if (complete[i] && (uint8_t)marks[i] != number)
			return "its number is not that of its pixels";
	if (complete[0] && complete[1] && marks[0] != marks[1])
		return "it begins as one frame and ends as another";
	return NULL;
}

static const char *check_ramp(const struct lumaring_frame *f, uint32_t *ret_x, uint32_t *ret_y)
{
	uint8_t number = number_of(f);

	for (uint32_t y = 0; y < f->height; y++) {
		uint32_t from, to;
		const uint8_t *expected;

		plain_pixels(f, y, &from, &to);
		expected = ramp + (uint8_t)(f->region.x + from + f->region.y + y + number);
		if (!memcmp(row_of(f, y) + from, expected, to - from))
			continue;
		*ret_x = from + first_difference(row_of(f, y) + from, expected, to - from);
		*ret_y = y;
		return "a pixel differs";
	}
	return check_marks(f, number);
}

/* Rows that follow from the first: each is the one above, `step` pixels on. */
static const char *check_rows(const struct lumaring_frame *f, uint32_t step, uint32_t *ret_x, uint32_t *ret_y)
{
	for (uint32_t y = 1; y < f->height; y++) {
		const uint8_t *above = row_of(f, y - 1) + step, *row = row_of(f, y);

		if (!memcmp(row, above, f->width - step))
			continue;
		*ret_x = first_difference(row, above, f->width - step);
		*ret_y = y;
		return "a row does not follow from the one above";
	}
	return NULL;
}

static const char *check_bars(const struct lumaring_frame *f, uint32_t *ret_x, uint32_t *ret_y)
{
	return check_rows(f, 0, ret_x, ret_y);
}

static const char *check_lines(const struct lumaring_frame *f, uint32_t *ret_x, uint32_t *ret_y)
{
	return check_rows(f, 1, ret_x, ret_y);
}

static const char *check_synthetic(const struct lumaring_frame *f, uint32_t *ret_x, uint32_t *ret_y)
{
	if (f->region.width != f->width || f->region.height != f->height || f->bin != 1)
		return "it is not as the source made it";
	if (synthetic_verify(f->pixels, f->stride, f->camera_sequence, f->region.x, f->region.y, f->width, f->height,
			     ret_x, ret_y))
		return NULL;
	*ret_x -= f->region.x;
	*ret_y -= f->region.y;
	return "a byte differs";
}

/* --- clients ----------------------------------------------------------------------------------------------------- */

static void note_frame(struct client *c, const struct lumaring_frame *f)
{
	if (c->told)
		printf("frame %u %" PRIu64 "\n", c->number, clock_monotonic_ns() / NS_PER_MS);
	c->told = false;
	c->sizes += f->image_width != c->width || f->image_height != c->height;
	c->width = f->image_width;
	c->height = f->image_height;
	c->regions += f->width != f->image_width || f->height != f->image_height;
	c->pinned += f->pinned;
	c->missed += f->missed;
}

static void tell_event(struct client *c, const char *name)
{
	c->told = true;
	printf("event %u %s %" PRIu64 "\n", c->number, name, clock_monotonic_ns() / NS_PER_MS);
}

static void note_event(struct client *c, int event)
{
	c->events++;
	tell_event(c, lumaring_event_name(event));
}

/* No frame came: a pause is a state of the ring, and no event. */
static void note_pause(struct client *c, struct lumaring *ring)
{
	if (!c->told && lumaring_info(ring)->state == LUMARING_RING_PAUSED)
		tell_event(c, "paused");
}

static void release(struct client *c, struct lumaring *ring, const struct lumaring_frame *f)
{
	uint64_t sequence = f->sequence;

	if (lumaring_release(ring, f) == 0)
		return;
	c->bad++;
	fault(c, "frame %" PRIu64 " changed under the reader", sequence);
}

static bool is_over(const struct client *c)
{
	return c->fault[0] || __atomic_load_n(&stopping, __ATOMIC_RELAXED) ||
	       (arguments.count && c->verified >= arguments.count);
}

static void look_at(struct client *c, const struct lumaring_frame *f)
{
	uint32_t x = 0, y = 0;
	const char *wrong = c->picture(f, &x, &y);

	c->verified++;
	if (!wrong)
		return;
	c->bad++;
	fault(c, "frame %" PRIu64 " (camera's %" PRIu64 ", %ux%u at %u,%u of %ux%u, %s), at %u,%u: %s", f->sequence,
	      f->camera_sequence, f->width, f->height, f->region.x, f->region.y, f->image_width, f->image_height,
	      f->pinned ? "pinned" : "copied", x, y, wrong);
}

/* The next frame of a ring, or NULL: there was none for now. */
static const struct lumaring_frame *next_frame(struct client *c, struct lumaring *ring)
{
	const struct lumaring_frame *f = NULL;
	int r = lumaring_next(ring, STEP_MS, &f);

	if (r == 0)
		return f;
	if (r > 0)
		note_event(c, r);
	else if (r == -ETIMEDOUT)
		note_pause(c, ring);
	else if (r != -EINTR)
		fault(c, "%s", lumaring_error_text(ring));
	return NULL;
}

static void *verify(void *argument)
{
	struct client *c = argument;

	while (!is_over(c)) {
		const struct lumaring_frame *f = next_frame(c, c->ring);

		if (!f)
			continue;
		note_frame(c, f);
		look_at(c, f);
		release(c, c->ring, f);
	}
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
	return NULL;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* What lies in both frames. */
static void compare(struct client *c, const struct lumaring_frame *a, const struct lumaring_frame *b)
{
	uint32_t x = a->region.x > b->region.x ? a->region.x : b->region.x;
	uint32_t y = a->region.y > b->region.y ? a->region.y : b->region.y;
	uint32_t right = least(a->region.x + a->width, b->region.x + b->width);
	uint32_t bottom = least(a->region.y + a->height, b->region.y + b->height);

	c->verified++;
	if (x >= right || y >= bottom)
		fault(c, "frames %" PRIu64 " have nothing in common", a->sequence);
	for (; x < right && y < bottom; y++) {
		const uint8_t *one = row_of(a, y - a->region.y) + (x - a->region.x);
		const uint8_t *two = row_of(b, y - b->region.y) + (x - b->region.x);

		if (!memcmp(one, two, right - x))
			continue;
		c->bad++;
		fault(c, "frame %" PRIu64 " at %u,%u: the streams differ", a->sequence,
		      x + first_difference(one, two, right - x), y);
		return;
	}
}

/* Side by side through both streams, by the numbers of their frames. */
static void *verify_same(void *argument)
{
	const struct lumaring_frame *a = NULL, *b = NULL;
	struct client *c = argument;

	while (!is_over(c)) {
		a = a ? a : next_frame(c, c->ring);
		b = b ? b : next_frame(c, c->other);
		if (!a || !b)
			continue;
		if (a->sequence == b->sequence) {
			note_frame(c, b);
			compare(c, a, b);
		} else {
			c->unmatched++;
		}
		if (a->sequence <= b->sequence) {
			bool both = a->sequence == b->sequence;

			release(c, c->ring, a);
			a = NULL;
			if (!both)
				continue;
		}
		release(c, c->other, b);
		b = NULL;
	}
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
	return NULL;
}

static struct lumaring *attach(const char *stream, unsigned manner)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	struct lumaring *ring = NULL;
	char text[320] = "";
	int r;

	options.runtime_dir = arguments.runtime_dir;
	options.flags = (manner % 2 ? LUMARING_COPY : 0) | (manner % 4 == 2 ? LUMARING_FUTEX : 0);
	options.cursors = manner % 2 ? 0 : 1;
	options.timeout_ms = TIMEOUT_MS;
	options.error_text = text;
	options.error_bytes = sizeof(text);
	r = lumaring_open(arguments.camera, stream, &options, &ring);
	if (r < 0) {
		fprintf(stderr, "verify: open %s: %s (%s)\n", stream, text, lumaring_strerror(r));
		exit(1);
	}
	return ring;
}

static int report(const struct client *clients)
{
	struct client sum = { .fault = "" };
	uint64_t fewest = UINT64_MAX;

	for (unsigned i = 0; i < arguments.clients; i++) {
		const struct client *c = &clients[i];

		sum.verified += c->verified;
		sum.bad += c->bad;
		sum.pinned += c->pinned;
		sum.regions += c->regions;
		sum.missed += c->missed;
		sum.events += c->events;
		sum.unmatched += c->unmatched;
		sum.sizes = c->sizes > sum.sizes ? c->sizes : sum.sizes;
		fewest = c->verified < fewest ? c->verified : fewest;
		if (c->fault[0])
			memcpy(sum.fault, c->fault, sizeof(sum.fault));
	}
	printf("{\"clients\": %u, \"verified\": %" PRIu64 ", \"fewest\": %" PRIu64 ", \"bad\": %" PRIu64
	       ", \"pinned\": %" PRIu64 ", \"regions\": %" PRIu64 ", \"sizes\": %" PRIu64 ", \"missed\": %" PRIu64
	       ", \"events\": %" PRIu64 ", \"unmatched\": %" PRIu64 ", \"fault\": \"%s\"}\n",
	       arguments.clients, sum.verified, fewest, sum.bad, sum.pinned, sum.regions, sum.sizes, sum.missed,
	       sum.events, sum.unmatched, sum.fault);
	return sum.bad || sum.fault[0];
}

/* Until the end of the input, or until all have seen enough, or one has a fault. */
static void wait_for_end(const struct client *clients)
{
	struct pollfd input = { .fd = arguments.count ? -1 : STDIN_FILENO, .events = POLLIN };
	char rest[64];

	while (__atomic_load_n(&ended, __ATOMIC_RELAXED) < (arguments.count ? arguments.clients : 1)) {
		if (poll(&input, 1, STEP_MS) > 0 && read(STDIN_FILENO, rest, sizeof(rest)) <= 0)
			break;
		for (unsigned i = 0; i < arguments.clients && __atomic_load_n(&ended, __ATOMIC_RELAXED); i++)
			if (clients[i].fault[0])
				return;
	}
}

static int run(const char *mode, check_picture *picture)
{
	static struct client clients[CLIENTS_MAX];
	bool same = !strcmp(mode, "same");

	for (unsigned i = 0; i < arguments.clients; i++) {
		clients[i].number = i;
		clients[i].picture = picture;
		clients[i].ring = attach(arguments.streams[same ? 0 : i % arguments.stream_count], i);
		clients[i].other = same ? attach(arguments.streams[1], i) : NULL;
	}
	printf("attached\n");
	for (unsigned i = 0; i < arguments.clients; i++)
		if (pthread_create(&clients[i].thread, NULL, same ? verify_same : verify, &clients[i]) != 0)
			return 1;
	wait_for_end(clients);
	__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < arguments.clients; i++) {
		pthread_join(clients[i].thread, NULL);
		lumaring_close(clients[i].ring);
		lumaring_close(clients[i].other);
	}
	return report(clients);
}

static int usage(void)
{
	fprintf(stderr, "usage: verify ramp|bars|lines|synthetic|same DIR CAMERA STREAM... [--clients N] [--count N]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "clients", required_argument, NULL, 'c' },
		{ "count", required_argument, NULL, 'n' },
		{ 0 },
	};
	static const struct {
		const char *name;
		check_picture *picture;
	} modes[] = { { "ramp", check_ramp },
		      { "bars", check_bars },
		      { "lines", check_lines },
		      { "synthetic", check_synthetic },
		      { "same", NULL } };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return usage();
		if (c == 'c')
			arguments.clients = (unsigned)atoi(optarg);
		else
			arguments.count = strtoull(optarg, NULL, 10);
	}
	if (argc - optind < 4 || arguments.clients < 1 || arguments.clients > CLIENTS_MAX)
		return usage();
	arguments.runtime_dir = argv[optind + 1];
	arguments.camera = argv[optind + 2];
	arguments.streams = argv + optind + 3;
	arguments.stream_count = (unsigned)(argc - optind - 3);
	for (unsigned i = 0; i < RAMP_BYTES; i++)
		ramp[i] = (uint8_t)i;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[optind], modes[i].name) && (modes[i].picture || arguments.stream_count == 2))
			return run(modes[i].name, modes[i].picture);
	return usage();
}
