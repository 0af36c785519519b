/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.c - `lumaring watch`: a line per frame, in one write each. It looks at no pixel and holds no frame while it
 * writes, so a slow terminal costs the ring nothing.
 */
#include <errno.h>
#include <unistd.h>

#include "output.h"
#include "session.h"
#include "stop.h"
#include "verbs.h"

static int write_line(struct session *session, const struct line *line)
{
	struct output output;
	int r;

	output_init(&output, STDOUT_FILENO);
	r = output_put(&output, line->text, line->bytes);
	if (r == 0)
		r = output_flush(&output);
	return r < 0 ? session_write_failure(session, r, "standard output") : SESSION_GO_ON;
}

/* From the frame complete in the capture buffer to the pointer in our hand. */
static uint64_t latency_us(const struct lumaring_frame *frame)
{
	uint64_t now_ns = session_now_ns();

	return now_ns > frame->ready_ns ? (now_ns - frame->ready_ns) / 1000 : 0;
}

static int watch_frame(struct session *session, const struct options *options, const struct lumaring_frame *frame)
{
	uint64_t late_us = latency_us(frame);
	struct line line;
	int code;

	if (options->json)
		line_frame_json(&line, frame, late_us);
	else
		line_frame(&line, frame, late_us);
	tally_add(&session->tally, frame);
	if (session_release(session, frame) < 0)
		return CODE_FAILED;
	code = write_line(session, &line);
	if (code != SESSION_GO_ON)
		return code;
	return session->tally.frames == options->count ? CODE_OK : SESSION_GO_ON;
}

static int watch_event(struct session *session, const struct options *options, int event)
{
	const bool is_end = event == LUMARING_EVENT_CLOSED && !options->follow;
	struct line line;
	int code = SESSION_GO_ON;

	if (options->json) {
		line_event_json(&line, event);
		code = write_line(session, &line);
	} else if (!is_end || session->tally.frames > 0) { /* else session_closed() says it */
		session_tell_event(event);
	}
	if (code != SESSION_GO_ON)
		return code;
	return is_end ? session_closed(session) : SESSION_GO_ON;
}

int watch_run(const struct options *options)
{
	session_take take = options->latest ? lumaring_latest : lumaring_next;
	struct session session;
	int code = session_open(&session, options);

	if (code != CODE_OK)
		return stop_signal() ? CODE_OK : code;
	code = SESSION_GO_ON;
	while (code == SESSION_GO_ON) {
		const struct lumaring_frame *frame;
		int r = session_wait(&session, take, &frame);

		if (r == 0)
			code = watch_frame(&session, options, frame);
		else if (r > 0)
			code = watch_event(&session, options, r);
		else
			code = r == -EINTR ? CODE_OK : session_failure(&session, r);
	}
	session_tell_tally(&session);
	session_close(&session);
	return code;
}
