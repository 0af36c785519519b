/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snap.c - `lumaring snap`: one frame as a PGM picture. A file is made under a name of its own in the same directory
 * and renamed when it is complete, so nobody ever sees half a picture, and an old one stays until the new one is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "picture.h"
#include "session.h"
#include "verbs.h"

#define SNAP_TIMEOUT_MS 5000 /* one picture is wanted now: a paused source should not hang a script */
#define SUFFIX ".pgm"

static int check_usage(const char *path)
{
	size_t length = path ? strlen(path) : 0;

	if (!path) {
		talk("'snap' needs a file: lumaring snap FILE%s, or - for standard output", SUFFIX);
		return -EINVAL;
	}
	if (strcmp(path, "-") == 0) {
		if (!isatty(STDOUT_FILENO))
			return 0;
		talk("standard output is a terminal, and a picture is no text: use '> FILE' or '| PROGRAM'");
		return -EINVAL;
	}
	if (length > sizeof(SUFFIX) - 1 && strcmp(path + length - (sizeof(SUFFIX) - 1), SUFFIX) == 0)
		return 0;
	talk("the file '%s' does not end in %s, the only format of 'snap'", path, SUFFIX);
	return -EINVAL;
}

static int write_to(int fd, const struct lumaring_frame *frame)
{
	struct output output;

	output_init(&output, fd);
	return picture_write_pgm(&output, frame);
}

/* mkostemp(3) makes files that only the owner may read; a picture gets the mode that any new file would get. */
static int finish_file(int fd)
{
	mode_t mask = umask(0);

	umask(mask);
	return fchmod(fd, 0666 & ~mask) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_file(const char *path, const struct lumaring_frame *frame)
{
	char *temporary;
	int fd, r;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		free(temporary);
		return r;
	}
	r = write_to(fd, frame);
	if (r == 0)
		r = finish_file(fd);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	free(temporary);
	return r;
}

static int snap_frame(struct session *session, const char *path, const struct lumaring_frame *frame)
{
	bool to_stdout = strcmp(path, "-") == 0;
	int code = CODE_OK, r;

	if (picture_sample_bytes(frame->fourcc) == 0) {
		talk("the frames have the pixel format 0x%08x, which this version cannot write", frame->fourcc);
		code = CODE_FAILED;
	} else {
		r = to_stdout ? write_to(STDOUT_FILENO, frame) : write_file(path, frame);
		if (r < 0)
			code = session_write_failure(session, r, to_stdout ? "standard output" : path);
		else if (!to_stdout)
			talk("%s: %ux%u, frame %llu", path, frame->width, frame->height,
			     (unsigned long long)frame->sequence);
	}
	return session_release(session, frame) < 0 ? CODE_FAILED : code;
}

/* The footage is over: its last frame is the newest there will be. */
static int snap_last(struct session *session, const char *path)
{
	const struct lumaring_frame *frame;
	unsigned count = 0;

	if (lumaring_last(session->ring, 1, &frame, &count) < 0 || count == 0)
		return session_closed(session);
	return snap_frame(session, path, frame);
}

static int snap_event(struct session *session, const char *path, int event)
{
	if (event == LUMARING_EVENT_CLOSED)
		return snap_last(session, path);
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
	int code;

	if (check_usage(options->operands[1]) < 0)
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
			code = snap_frame(&session, options->operands[1], frame);
		else if (r > 0)
			code = snap_event(&session, options->operands[1], r);
		else
			code = session_failure(&session, r);
	}
	session_close(&session);
	return code;
}
