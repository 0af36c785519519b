/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * view.c - `lumaring view`: the newest picture, again and again, on the terminal. One frame is held, the one that is
 * shown, so that another size and another part of it can be had at any time. Pictures that the terminal does not take
 * in time are left out and never queued: the next one is due when a period is over, when as much time has gone by as
 * the last one took to be sent, and never more than a megabyte a second.
 */
#include <errno.h>
#include <signal.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lumaring/layout.h>

#include "output.h"
#include "session.h"
#include "stop.h"
#include "terminal.h"
#include "verbs.h"
#include "view_draw.h"
#include "view_scale.h"
#include "view_zoom.h"

#define NS_PER_MS UINT64_C(1000000)
#define PERIOD_US 100000u       /* ten pictures a second */
#define KEY_NS (50 * NS_PER_MS) /* how long a key may wait for a frame */
#define BYTE_NS UINT64_C(1000)  /* a megabyte a second, whatever changes */
#define STATUS_BYTES 512u

struct view {
	const struct options *options;
	struct session session;
	struct view_draw draw;
	struct view_manner manner;
	uint8_t *pixels;                    /* the small picture, as it is */
	uint8_t *shades;                    /* as it is shown */
	const struct lumaring_frame *frame; /* the newest, held; NULL: none yet */
	struct view_zoom zoom;
	struct view_range range; /* of what is shown */
	const char *trouble;     /* what is wrong, or NULL */
	uint64_t lost, pictures;
	uint64_t rate_ns, rate_sequence; /* where the rate is measured from */
	double rate;                     /* frames a second; 0: unknown */
	bool screen, stretch, paused;
};

/* --- pictures ------------------------------------------------------------------------------------------------------
 */

static void measure_rate(struct view *view, const struct lumaring_frame *frame)
{
	const uint64_t gone_ns = frame->publish_ns - view->rate_ns;

	if (!view->frame || frame->epoch != view->frame->epoch || frame->sequence <= view->rate_sequence) {
		view->rate = 0;
	} else if (gone_ns < 1000 * NS_PER_MS && view->rate > 0) {
		return;
	} else {
		view->rate = (double)(frame->sequence - view->rate_sequence) * 1e9 / (double)(gone_ns ? gone_ns : 1);
	}
	view->rate_ns = frame->publish_ns;
	view->rate_sequence = frame->sequence;
}

static int begin_place(struct view *view, uint32_t width, uint32_t height)
{
	const struct terminal_size size = terminal_size();
	const unsigned rows = size.rows > 1 ? size.rows - 1 : 1; /* the last one tells */
	const struct view_place place = view_place(&view->manner, width, height, size.columns, rows);
	const struct view_place before = view->draw.place;
	const size_t count = (size_t)place.width * place.height;
	uint8_t *pixels;

	if (view_draw_begin(&view->draw, &view->manner, &place) < 0)
		return -ENOMEM;
	if (view->pixels && memcmp(&before, &place, sizeof(place)) == 0)
		return 0;
	pixels = realloc(view->pixels, 2 * count);
	if (!pixels)
		return -ENOMEM;
	view->pixels = pixels;
	view->shades = pixels + count;
	return 0;
}

/* Make the part of the frame that is to be seen small. 0 or a negative errno. */
static int fit(struct view *view)
{
	const struct lumaring_frame part = view_zoom_part(&view->zoom, view->frame);
	int r = begin_place(view, part.width, part.height);

	return r < 0 ? r
		     : view_scale(&part, view->draw.place.width, view->draw.place.height, view->pixels, &view->range);
}

/* It is held, and the one before is given back. 0 or a negative errno. */
static int take(struct view *view, const struct lumaring_frame *frame)
{
	for (unsigned cause = 0; cause < LUMARING_MISSED_SKIPPED; cause++)
		view->lost += frame->missed_by[cause];
	measure_rate(view, frame);
	lumaring_release(view->session.ring, view->frame);
	view->frame = frame;
	view->trouble = NULL;
	view_zoom_fit(&view->zoom, frame);
	return fit(view);
}

static void shade(struct view *view)
{
	const struct lumaring_frame part = view_zoom_part(&view->zoom, view->frame);
	const uint32_t count = view->draw.place.width * view->draw.place.height;

	memcpy(view->shades, view->pixels, count);
	if (view->stretch)
		view_stretch(view->shades, count);
	view_draw_picture(&view->draw, view->shades);
	if (view->options->region.width || view->options->region.height || view->options->private)
		view_draw_region(&view->draw, &part, &view->options->region);
}

/* --- the last row --------------------------------------------------------------------------------------------------
 */

static int size_text(const struct view *view, char *text, size_t bytes)
{
	const struct lumaring_frame *f = view->frame;
	const bool part = f->region.width != f->image_width || f->region.height != f->image_height;
	char place[32] = "";

	if (part)
		snprintf(place, sizeof(place), "+%u+%u", f->region.x, f->region.y);
	return snprintf(text, bytes, "%s %ux%u%s%s%s", view->options->stream ? view->options->stream : "main", f->width,
			f->height, place, f->fourcc == LUMARING_FORMAT_R16 ? " R16" : "", f->bin > 1 ? " bin 2" : "");
}

/* As --region takes it. */
static size_t zoom_text(const struct view *view, char *text, size_t bytes)
{
	const struct lumaring_region part = view_zoom_part(&view->zoom, view->frame).region;

	if (!view_zoom_is_part(&view->zoom))
		return 0;
	return (size_t)snprintf(text, bytes, " ZOOM %u,%u,%u,%u", part.x, part.y, part.width, part.height);
}

/* What matters most comes first: a narrow terminal cuts the end. */
static void status_text(const struct view *view, char text[STATUS_BYTES])
{
	size_t n = 0;

	if (view->trouble)
		n += (size_t)snprintf(text, STATUS_BYTES, "%s, q: quit | ", view->trouble);
	if (!view->frame) {
		if (n == 0)
			snprintf(text, STATUS_BYTES, "no frame yet, waiting, q: quit");
		else
			text[n - 3] = '\0';
		return;
	}
	n += (size_t)size_text(view, text + n, STATUS_BYTES - n);
	n += (size_t)snprintf(text + n, STATUS_BYTES - n, "%s%s", view->paused ? " PAUSED" : "",
			      view->stretch ? " STRETCHED" : "");
	n += zoom_text(view, text + n, STATUS_BYTES - n);
	if (view->rate > 0)
		n += (size_t)snprintf(text + n, STATUS_BYTES - n, " %.1f/s", view->rate);
	snprintf(text + n, STATUS_BYTES - n,
		 " lost %" PRIu64 " mean %.0f min %u max %u seq %" PRIu64
		 " | q: quit a: %s space: %s + - z arrows: zoom",
		 view->lost, view->range.mean, view->range.min, view->range.max, view->frame->sequence,
		 view->stretch ? "plain" : "stretch", view->paused ? "go on" : "pause");
}

static int put_status(struct view *view)
{
	const struct terminal_size size = terminal_size();
	char text[STATUS_BYTES];
	unsigned wide = size.columns - (size.columns > 1 ? 1 : 0);

	status_text(view, text);
	if (size.rows < 2)
		return 0;
	return view_draw_text(&view->draw, "\033[%u;1H%s%.*s\033[K\033[0m", size.rows,
			      view->manner.colours == TERMINAL_COLOURS_NONE ? "" : "\033[0;7m", (int)wide, text);
}

static int show(struct view *view)
{
	int r = 0;

	view->draw.bytes = 0;
	if (view->frame) {
		shade(view);
		r = view_draw_screen(&view->draw);
	}
	if (r == 0)
		r = put_status(view);
	return r < 0 ? r : terminal_draw(view->draw.text, view->draw.bytes);
}

/* --- on a screen ---------------------------------------------------------------------------------------------------
 */

/* In a thing of its own: the sentences of session.c would be written over the picture. */
static const char *trouble_of(int event)
{
	switch ((enum lumaring_event)event) {
	case LUMARING_EVENT_SOURCE_LOST:
		return "the camera is gone, waiting for it";
	case LUMARING_EVENT_CLOSED:
		return "the stream was closed, waiting for it to come back";
	case LUMARING_EVENT_DISCONNECTED:
		return "the daemon vanished, waiting for one to come back";
	case LUMARING_EVENT_GEOMETRY:
	case LUMARING_EVENT_REPLACED:
	case LUMARING_EVENT_RESTARTED:
	case LUMARING_EVENT_SOURCE_BACK:
		break;
	}
	return NULL;
}

static int act_on_key(struct view *view, int key)
{
	switch (key) {
	case TERMINAL_END:
	case TERMINAL_ESCAPE:
	case 'q':
	case 'Q':
		return CODE_OK;
	case 'a':
	case 'A':
		view->stretch = !view->stretch;
		break;
	case ' ':
		view->paused = !view->paused;
		view->session.frame_ns = session_now_ns(); /* nothing was waited for */
		break;
	case TERMINAL_CHANGED:
		view->draw.anew = true;
		break;
	}
	if (!view->frame)
		return SESSION_GO_ON;
	view_zoom_obey(&view->zoom, key, view->frame, &view->options->region);
	return fit(view) < 0 ? CODE_FAILED : SESSION_GO_ON;
}

/* Keys until it is time for the next picture. */
static int wait_for_keys(struct view *view, uint64_t until_ns)
{
	for (;;) {
		const uint64_t now_ns = session_now_ns();
		const int key = terminal_key(now_ns < until_ns ? (int)((until_ns - now_ns) / NS_PER_MS) : 0);
		int code, r;

		if (key == TERMINAL_NONE)
			return SESSION_GO_ON;
		code = act_on_key(view, key);
		if (code != SESSION_GO_ON)
			return code;
		r = show(view);
		if (r < 0)
			return CODE_OK;
	}
}

/* SESSION_GO_ON, or an exit code, and then *ret_error is what the library said, 0: nothing. */
static int take_newest(struct view *view, int *ret_error)
{
	const struct lumaring_frame *frame;
	int r;

	view->session.until_ns = session_now_ns() + KEY_NS;
	r = session_wait(&view->session, lumaring_latest, &frame);
	if (r == 0)
		r = take(view, frame);
	else if (r > 0)
		view->trouble = trouble_of(r);
	if (r >= 0 || r == -ETIME)
		return SESSION_GO_ON;
	*ret_error = r;
	return CODE_FAILED;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static int run_on_screen(struct view *view, uint64_t period_ns, int *ret_error)
{
	int code = SESSION_GO_ON;

	while (code == SESSION_GO_ON) {
		const uint64_t begin_ns = session_now_ns();
		const struct lumaring_frame *before = view->frame;
		uint64_t send_ns, sent_ns;

		if (!view->paused)
			code = take_newest(view, ret_error);
		if (code != SESSION_GO_ON)
			break;
		send_ns = session_now_ns();
		if (show(view) < 0)
			return CODE_OK; /* the terminal is gone, or a signal asks to stop */
		sent_ns = session_now_ns();
		if (view->frame != before && ++view->pictures == view->options->count)
			return CODE_OK;
		code = wait_for_keys(view, later(later(begin_ns + period_ns, sent_ns + (sent_ns - send_ns)),
						 send_ns + view->draw.bytes * BYTE_NS));
	}
	return code;
}

static int view_on_screen(struct view *view)
{
	const uint64_t period_us = view->options->set.framerate ? view->options->set.min_us : PERIOD_US;
	int error = 0, code;
	int r = terminal_enter();

	if (r < 0) {
		talk("the terminal cannot be used as a screen: %s", strerror(-r));
		return CODE_FAILED;
	}
	code = run_on_screen(view, period_us * 1000, &error);
	terminal_leave();
	if (error == -EINTR)
		return CODE_OK;
	if (error == -ENOMEM || error == -ENOTSUP)
		talk("cannot show the picture: %s", error == -ENOMEM ? strerror(ENOMEM) : "unknown pixel format");
	else if (error < 0)
		code = session_failure(&view->session, error);
	return code;
}

/* --- as text -------------------------------------------------------------------------------------------------------
 */

static int print(struct view *view, const struct lumaring_frame *frame)
{
	int r = take(view, frame);

	view->draw.bytes = 0;
	if (r == 0) {
		shade(view);
		r = view_draw_lines(&view->draw);
	}
	if (r < 0) {
		talk("cannot show the picture: %s", r == -ENOTSUP ? "unknown pixel format" : strerror(-r));
		return CODE_FAILED;
	}
	if (output_deliver(view->draw.text, view->draw.bytes) < 0)
		return CODE_FAILED;
	view->session.tally.frames++;
	return ++view->pictures >= view->options->count ? CODE_OK : SESSION_GO_ON;
}

static int print_event(struct view *view, int event)
{
	if (event == LUMARING_EVENT_CLOSED && view->session.tally.frames == 0)
		return session_closed(&view->session); /* which says it */
	session_tell_event(event);
	return event == LUMARING_EVENT_CLOSED ? CODE_OK : SESSION_GO_ON;
}

/* Each one below the one before, from the next frame on. */
static int view_as_text(struct view *view)
{
	int code = SESSION_GO_ON;

	while (code == SESSION_GO_ON) {
		const struct lumaring_frame *frame;
		int r = session_wait(&view->session, lumaring_latest, &frame);

		if (r == 0)
			code = print(view, frame);
		else if (r > 0)
			code = print_event(view, r);
		else
			code = r == -EINTR ? CODE_OK : session_failure(&view->session, r);
	}
	return code;
}

int view_run(const struct options *options)
{
	struct options how = *options;
	struct view view = { .options = options };
	int code;

	if (options->set.framerate && options->set.min_us != options->set.max_us) {
		talk("--framerate is '%s'; for 'view' it must be one rate, pictures a second at most",
		     options->set.framerate);
		return CODE_USAGE;
	}
	how.private = false; /* the region is drawn, not read */
	view.screen = terminal_is_screen() && options->count != 1;
	view.manner = view_manner(terminal_is_screen());
	view.stretch = view.manner.colours == TERMINAL_COLOURS_NONE; /* ten letters cannot show less */
	code = session_open(&view.session, &how);
	if (code != CODE_OK)
		return stop_signal() ? CODE_OK : code;
	code = view.screen ? view_on_screen(&view) : view_as_text(&view);
	if (view.screen && code == CODE_OK && stop_signal() == SIGHUP)
		code = 128 + SIGHUP; /* whoever looked is gone */
	lumaring_release(view.session.ring, view.frame);
	session_close(&view.session);
	view_draw_finish(&view.draw);
	free(view.pixels);
	return code;
}
