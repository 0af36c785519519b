/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * before.c - record what happened before an event: what the ring still holds by then, and what comes after it.
 *
 *     before [-c CAMERA] [-s STREAM] [-a SECONDS] [-m X,Y,WIDTH,HEIGHT] FILE.y4m
 *
 *     -s   the stream that is recorded (main)
 *     -a   so many seconds after the event, too (0)
 *     -m   the event is that something moves in this part of the image
 *
 * Without -m the event is a line on standard input, such as the Enter key, or SIGUSR1. Until then the stream is not
 * looked at and costs this program nothing; nor does writing it slow the daemon down or take frames from others.
 *
 * A ring holds as many seconds as it has slots for, and they are filled while somebody reads the stream, as this
 * program does by being there. A stream that is `always` filled knows also what was before this program was started.
 * Two seconds of half the size, 84 MB:
 *
 *     lumaringd --size 2304x1296 --framerate 56 --stream main --stream history,bin=2,always=true,slots=112 ...
 */
#include <lumaring/layout.h>
#include <lumaring/lumaring.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIXELS_MAX 65536
#define LOOK_MS 200 /* a signal that comes just before a wait is seen after so long */

static struct {
	const char *camera, *stream, *file;
	double after_s;
	bool moves;
	struct lumaring_region region;
} wishes = { .stream = "main" };

static struct {
	uint64_t frames, missed, first_ns, last_ns;
} recorded;

static volatile sig_atomic_t signalled;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int fail(const char *sentence)
{
	fprintf(stderr, "before: %s\n", sentence);
	return -1;
}

static int open_ring(const char *stream, uint32_t flags, struct lumaring **ret_ring)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	char text[256];

	options.flags = flags | LUMARING_FUTEX; /* no message for each frame, of which we may want none */
	options.region = wishes.region;
	options.error_text = text;
	options.error_bytes = sizeof(text);
	return lumaring_open(wishes.camera, stream, &options, ret_ring) < 0 ? fail(text) : 0;
}

/* --- the event ---------------------------------------------------------------------------------------------------- */

static int wait_for_line(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[256];

	fprintf(stderr, "Enter, or SIGUSR1 to process %d, is the event\n", (int)getpid());
	while (!signalled) {
		if (poll(&input, 1, LOOK_MS) <= 0)
			continue;
		if (read(STDIN_FILENO, line, sizeof(line)) > 0)
			return 0;
		input.fd = -1; /* there is no input: by signal only */
	}
	return 0;
}

/* How much the frame differs from the one before, levels; below 0 for the first one, and of another size. */
static double change(const struct lumaring_frame *frame)
{
	static uint8_t before[PIXELS_MAX];
	static uint32_t width, height;
	const bool comparable = frame->width == width && frame->height == height;
	uint64_t sum = 0, i = 0;

	width = frame->width;
	height = frame->height;
	for (uint32_t y = 0; y < height; y++)
		for (uint32_t x = 0; x < width; x++, i++) {
			const uint8_t pixel = frame->pixels[(size_t)y * frame->stride + x];

			sum += (uint64_t)abs(pixel - before[i]);
			before[i] = pixel;
		}
	return comparable ? (double)sum / (double)i : -1;
}

/* Frames differ by their noise; when they do so by much more, something moves. */
static int wait_for_movement(void)
{
	const struct lumaring_frame *frame;
	struct lumaring *watched = NULL;
	double usual = -1;
	bool moved = false;
	int r = open_ring(NULL, LUMARING_PRIVATE, &watched);

	while (r >= 0 && !moved && !signalled) {
		double seen;

		r = lumaring_next(watched, LOOK_MS, &frame);
		if (r == -EINTR || r == -ETIMEDOUT)
			r = 0;
		else if (r == LUMARING_EVENT_CLOSED)
			r = fail("the camera has ended");
		else if (r < 0)
			r = fail(lumaring_error_text(watched));
		if (r != 0 || signalled)
			continue;
		seen = change(frame);
		lumaring_release(watched, frame);
		moved = usual >= 0 && seen > 2 * usual + 2;
		usual = usual < 0 ? seen : usual + (seen - usual) / 16;
	}
	lumaring_close(watched);
	return r < 0 ? r : 0;
}

/* --- the recording ------------------------------------------------------------------------------------------------ */

static int write_frame(FILE *file, const struct lumaring_frame *f)
{
	static uint32_t width, height;

	if (f->fourcc != LUMARING_FORMAT_R8)
		return fail("the stream has 16 bits a pixel, which this example does not write");
	if (!recorded.frames) {
		const unsigned duration_us = f->frame_duration_us ? f->frame_duration_us : 40000;

		width = f->width;
		height = f->height;
		recorded.first_ns = f->ready_ns;
		fprintf(file, "YUV4MPEG2 W%u H%u F1000000:%u Ip A1:1 Cmono\n", width, height, duration_us);
	}
	if (f->width != width || f->height != height)
		return fail("the frames have another size from here on, which a file of Y4M cannot have");
	fputs("FRAME\n", file);
	for (uint32_t y = 0; y < height; y++)
		if (fwrite(f->pixels + (size_t)y * f->stride, 1, width, file) != width)
			return fail("cannot write: is the disk full?");
	recorded.frames++;
	recorded.missed += f->missed;
	recorded.last_ns = f->ready_ns;
	return 0;
}

/* From the oldest frame in the ring on. Frames come meanwhile, but more slowly than they are written. */
static int record(struct lumaring *ring, FILE *file, uint64_t event_ns)
{
	const uint64_t end_ns = event_ns + (uint64_t)(wishes.after_s * 1e9);
	int r = 0;

	while (r >= 0 && r != LUMARING_EVENT_CLOSED) {
		const struct lumaring_frame *frame;
		const uint64_t now = now_ns();

		r = lumaring_next(ring, now < end_ns ? (int)((end_ns - now) / 1000000) : 0, &frame);
		if (r == 0) {
			const bool is_last = frame->ready_ns > end_ns;

			if (!is_last)
				r = write_frame(file, frame);
			lumaring_release(ring, frame);
			if (is_last || r < 0)
				return r;
		} else if (r == -EAGAIN || r == -ETIMEDOUT) {
			return 0;
		} else if (r == -EINTR) {
			r = 0;
		} else if (r < 0) {
			return fail(lumaring_error_text(ring));
		}
	}
	return 0;
}

static int record_file(struct lumaring *ring, uint64_t event_ns)
{
	FILE *file = fopen(wishes.file, "we");
	double before_s;
	int r;

	if (!file)
		return fail("cannot create the file");
	r = record(ring, file, event_ns);
	if (fclose(file) != 0 && r == 0)
		r = fail("cannot write: is the disk full?");
	before_s = recorded.frames ? ((double)event_ns - (double)recorded.first_ns) / 1e9 : 0;
	printf("%llu frames, from %.2f s before the event to %.2f s after it; %llu between them are missing\n",
	       (unsigned long long)recorded.frames, before_s,
	       recorded.frames ? ((double)recorded.last_ns - (double)event_ns) / 1e9 : 0,
	       (unsigned long long)recorded.missed);
	return r;
}

/* --- the program -------------------------------------------------------------------------------------------------- */

static void on_signal(int number)
{
	(void)number;
	signalled = 1;
}

static int read_words(int argc, char **argv)
{
	struct lumaring_region *r = &wishes.region;
	int code, bad = 0;

	while ((code = getopt(argc, argv, "c:s:a:m:")) != -1) {
		if (code == 'c')
			wishes.camera = optarg;
		else if (code == 's')
			wishes.stream = optarg;
		else if (code == 'a')
			wishes.after_s = atof(optarg);
		else if (code == 'm')
			bad += sscanf(optarg, "%u,%u,%u,%u", &r->x, &r->y, &r->width, &r->height) != 4 ||
			       r->width == 0 || r->height == 0 || (uint64_t)r->width * r->height > PIXELS_MAX;
		else
			bad++;
	}
	if (bad || optind + 1 != argc || !(wishes.after_s >= 0 && wishes.after_s <= 3600))
		return fail("[-c CAMERA] [-s STREAM] [-a SECONDS, up to 3600] [-m X,Y,WIDTH,HEIGHT, up to 65536 "
			    "pixels] FILE");
	wishes.moves = r->width > 0;
	wishes.file = argv[optind];
	return 0;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_signal };
	const struct lumaring_info *info;
	struct lumaring *ring;
	int r;

	if (read_words(argc, argv) < 0)
		return 2;
	sigaction(SIGUSR1, &action, NULL);
	if (open_ring(wishes.stream, LUMARING_OLDEST, &ring) < 0)
		return 1;
	info = lumaring_info(ring);
	fprintf(stderr, "stream %s: a ring of %u frames, %.1f MB", info->stream, info->slot_count,
		(double)info->ring_bytes / 1e6);
	/* The writer needs a slot for the next frame. */
	if (info->frame_duration_us)
		fprintf(stderr, ": the last %.2f s", (info->slot_count - 1) * (double)info->frame_duration_us / 1e6);
	fprintf(stderr, "\n");
	r = wishes.moves ? wait_for_movement() : wait_for_line();
	if (r == 0)
		r = record_file(ring, now_ns());
	lumaring_close(ring);
	return r < 0;
}
