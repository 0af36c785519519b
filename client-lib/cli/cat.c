/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cat.c - `lumaring cat`: every frame in order to standard output. The pixels go from the ring to the pipe directly;
 * the frame stays pinned (or copied) until they are written. Each of the formats has one size for all frames, so a
 * change of size ends it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "picture.h"
#include "session.h"
#include "shape.h"
#include "verbs.h"

struct cat {
	const struct options *options;
	struct session session;
	struct output output;
	struct shape shape; /* of all frames */
};

static int write_header(struct cat *cat, const struct lumaring_frame *frame)
{
	const struct lumaring_info *info = lumaring_info(cat->session.ring);
	uint32_t duration_us = frame->frame_duration_us ? frame->frame_duration_us : info->frame_duration_us;
	char header[PICTURE_HEADER_BYTES];
	int r;

	picture_y4m_header(header, frame, info->luma_range, duration_us, cat->options->format == CAT_Y4M_420);
	r = output_put(&cat->output, header, strlen(header));
	return r < 0 ? r : output_flush(&cat->output);
}

static int write_frame(struct cat *cat, const struct lumaring_frame *frame)
{
	static const char marker[] = "FRAME\n";
	int r = 0;

	if (cat->options->format != CAT_RAW)
		r = output_put(&cat->output, marker, sizeof(marker) - 1);
	if (r == 0)
		r = picture_put_rows(&cat->output, frame);
	if (r == 0 && cat->options->format == CAT_Y4M_420)
		r = picture_write_chroma(&cat->output, frame);
	return r < 0 ? r : output_flush(&cat->output);
}

static int cat_frame(struct cat *cat, const struct lumaring_frame *frame)
{
	bool first = cat->shape.width == 0;
	int code = shape_keep(&cat->shape, frame);
	int r = 0;

	if (code == SESSION_GO_ON) {
		if (first && cat->options->format != CAT_RAW)
			r = write_header(cat, frame);
		if (r == 0)
			r = write_frame(cat, frame);
		if (r < 0)
			code = session_write_failure(&cat->session, r, "standard output");
		else
			tally_add(&cat->session.tally, frame);
	}
	if (session_release(&cat->session, frame) < 0)
		return CODE_FAILED;
	if (code != SESSION_GO_ON)
		return code;
	return cat->session.tally.frames == cat->options->count ? CODE_OK : SESSION_GO_ON;
}

static int cat_event(struct cat *cat, int event)
{
	if (event == LUMARING_EVENT_CLOSED && !cat->options->follow)
		return session_closed(&cat->session);
	/* What a change of geometry means for the output is decided, and said, with the frame after it. */
	if (event != LUMARING_EVENT_GEOMETRY)
		session_tell_event(event);
	return SESSION_GO_ON;
}

static int check_usage(const struct options *options)
{
	if (options->format == CAT_NONE) {
		talk("'cat' needs a format: --y4m, --y4m-420 or --raw");
		return -EINVAL;
	}
	if (isatty(STDOUT_FILENO)) {
		talk("standard output is a terminal, and frames are no text: use '> FILE' or '| PROGRAM'");
		return -EINVAL;
	}
	return 0;
}

int cat_run(const struct options *options)
{
	struct cat cat = { .options = options };
	int code;

	if (check_usage(options) < 0)
		return CODE_USAGE;
	code = session_open(&cat.session, options);
	if (code != CODE_OK)
		return code;
	output_init(&cat.output, STDOUT_FILENO);
	code = SESSION_GO_ON;
	while (code == SESSION_GO_ON) {
		const struct lumaring_frame *frame;
		int r = session_wait(&cat.session, lumaring_next, &frame);

		if (r == 0)
			code = cat_frame(&cat, frame);
		else if (r > 0)
			code = cat_event(&cat, r);
		else
			code = session_failure(&cat.session, r);
	}
	session_tell_tally(&cat.session);
	session_close(&cat.session);
	return code;
}
