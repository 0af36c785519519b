/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snap.c - `lumaring snap`: one frame as a PNG or PGM picture. A file is replaced as a whole, so nobody ever sees half
 * a picture, and an old one stays until the new one is whole.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "picture.h"
#include "picture_png.h"
#include "replace.h"
#include "session.h"
#include "verbs.h"

#define SNAP_TIMEOUT_MS 5000 /* one picture is wanted now: a paused source should not hang a script */

/* Where the picture goes, and as what. */
struct target {
	const char *path; /* NULL: standard output */
	enum snap_format format;
};

static enum snap_format format_of(const char *path)
{
	size_t length = strlen(path);
	const char *end = length >= 4 ? path + length - 4 : "";

	if (strcmp(end, ".png") == 0)
		return SNAP_PNG;
	return strcmp(end, ".pgm") == 0 ? SNAP_PGM : SNAP_NONE;
}

static int check_stdout(const struct options *options, struct target *ret_target)
{
	if (isatty(STDOUT_FILENO)) {
		talk("standard output is a terminal, and a picture is no text: use '> FILE' or '| PROGRAM'");
		return -EINVAL;
	}
	*ret_target = (struct target){ .format = options->picture == SNAP_NONE ? SNAP_PGM : options->picture };
	return 0;
}

static int check_usage(const struct options *options, struct target *ret_target)
{
	const char *path = options->operands[1];
	enum snap_format format;

	if (!path) {
		talk("'snap' needs a file: lumaring snap FILE.png, or - for standard output");
		return -EINVAL;
	}
	if (strcmp(path, "-") == 0)
		return check_stdout(options, ret_target);
	format = format_of(path);
	if (format == SNAP_NONE) {
		talk("the file '%s' ends neither in .png nor in .pgm, the formats of 'snap'", path);
		return -EINVAL;
	}
	if (strlen(path) == 4 || path[strlen(path) - 5] == '/') {
		talk("the file '%s' is an ending without a name: a name must stand before the ending", path);
		return -EINVAL;
	}
	if (options->picture != SNAP_NONE && options->picture != format) {
		talk("the name of '%s' and --format contradict each other: leave --format out", path);
		return -EINVAL;
	}
	*ret_target = (struct target){ path, format };
	return 0;
}

struct content {
	enum snap_format format;
	const struct lumaring_frame *frame;
};

static int write_to(int fd, const void *content)
{
	const struct content *c = content;
	struct output output;

	output_init(&output, fd);
	return c->format == SNAP_PNG ? picture_write_png(&output, c->frame) : picture_write_pgm(&output, c->frame);
}

static int snap_frame(struct session *session, const struct target *target, const struct lumaring_frame *frame)
{
	const struct content content = { target->format, frame };
	int code = CODE_OK, r;

	if (picture_sample_bytes(frame->fourcc) == 0) {
		talk("the frames have the pixel format 0x%08x, which this version cannot write", frame->fourcc);
		code = CODE_FAILED;
	} else {
		r = target->path ? replace_file(target->path, write_to, &content) : write_to(STDOUT_FILENO, &content);
		if (r < 0)
			code = session_write_failure(session, r, target->path ? target->path : "standard output");
		else if (target->path)
			talk("%s: %ux%u, frame %llu", target->path, frame->width, frame->height,
			     (unsigned long long)frame->sequence);
	}
	return session_release(session, frame) < 0 ? CODE_FAILED : code;
}

/* The footage is over: its last frame is the newest there will be. */
static int snap_last(struct session *session, const struct target *target)
{
	const struct lumaring_frame *frame;
	unsigned count = 0;

	if (lumaring_last(session->ring, 1, &frame, &count) < 0 || count == 0)
		return session_closed(session);
	return snap_frame(session, target, frame);
}

static int snap_event(struct session *session, const struct target *target, int event)
{
	if (event == LUMARING_EVENT_CLOSED)
		return snap_last(session, target);
	if (event == LUMARING_EVENT_SOURCE_LOST) {
		talk("the camera is gone: no picture");
		return CODE_CLOSED;
	}
	return SESSION_GO_ON;
}

int snap_run(const struct options *options)
{
	struct options patient = *options;
	struct session session;
	struct target target;
	int code;

	if (check_usage(options, &target) < 0)
		return CODE_USAGE;
	if (patient.timeout_ms < 0)
		patient.timeout_ms = SNAP_TIMEOUT_MS;
	code = session_open(&session, &patient);
	if (code != CODE_OK)
		return code;
	code = SESSION_GO_ON;
	while (code == SESSION_GO_ON) {
		const struct lumaring_frame *frame;
		/* Not lumaring_latest(): what is in the ring already may be old, where nobody read the stream. */
		int r = session_wait(&session, lumaring_next, &frame);

		if (r == 0)
			code = snap_frame(&session, &target, frame);
		else if (r > 0)
			code = snap_event(&session, &target, r);
		else
			code = session_failure(&session, r);
	}
	session_close(&session);
	return code;
}
