/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_history.c - see record_history.h. Frames are looked at and given back at once: microseconds each, while the
 * ring moves on below.
 */
#include "record_history.h"

#include <errno.h>
#include <string.h>

#include <lumaring/layout.h>

#include "amount.h"
#include "output.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define FRESH_DURATIONS 2  /* a newest frame that is younger was read: the stream is being copied */
#define STALE_WAIT_MS 1000 /* and three durations: for the next frame, which says whether older ones are */

/* What was seen while looking. */
struct look {
	struct record_history *history;
	uint64_t asked_ns, now_ns;              /* when the first frame that is wanted may be published; the end */
	uint64_t first_ns, begin_ns, newest_ns; /* of the first that is held, of the first wanted, of the newest */
	uint32_t duration_us, width, height, fourcc;
	bool changed; /* the next frame is the first of its kind */
};

static void forget(struct look *look)
{
	struct record_history *history = look->history;

	history->frames = history->frames_held = 0;
	look->changed = false;
}

static void see(struct look *look, const struct lumaring_frame *frame)
{
	struct record_history *history = look->history;

	if (look->changed || frame->missed_by[LUMARING_MISSED_UNREAD] > 0 || frame->width != look->width ||
	    frame->height != look->height || frame->fourcc != look->fourcc)
		forget(look);
	look->width = frame->width;
	look->height = frame->height;
	look->fourcc = frame->fourcc;
	look->duration_us = frame->frame_duration_us;
	if (frame->publish_ns >= look->now_ns)
		return;
	look->newest_ns = frame->publish_ns;
	if (history->frames_held++ == 0)
		look->first_ns = frame->publish_ns;
	if (frame->publish_ns >= look->asked_ns && history->frames++ == 0)
		look->begin_ns = frame->publish_ns;
}

/* All that is there now; 0, or what the last call returned but -EAGAIN. */
static int see_all(struct look *look, struct session *session, int timeout_ms)
{
	for (;;) {
		const struct lumaring_frame *frame;
		int r = lumaring_next(session->ring, timeout_ms, &frame);

		if (r == 0) {
			see(look, frame);
			lumaring_release(session->ring, frame);
			timeout_ms = 0;
		} else if (r == LUMARING_EVENT_CLOSED || r == LUMARING_EVENT_DISCONNECTED || r == -EINTR) {
			return 0;
		} else if (r > 0) {
			look->changed = true;
		} else {
			return r == -EAGAIN || r == -ETIMEDOUT ? 0 : r;
		}
	}
}

static bool is_stale(const struct look *look, struct session *session)
{
	const uint64_t age_us = (session_now_ns() - look->newest_ns) / NS_PER_US;

	return look->history->frames_held > 0 && age_us > FRESH_DURATIONS * (uint64_t)look->duration_us &&
	       lumaring_info(session->ring)->state == LUMARING_RING_LIVE;
}

static void sum_up(struct look *look)
{
	struct record_history *history = look->history;

	if (look->changed)
		forget(look);
	history->from_ns = history->frames > 0 ? look->begin_ns : look->now_ns;
	if (history->frames > 0)
		history->span_us = (look->newest_ns - look->begin_ns) / NS_PER_US + look->duration_us;
	if (history->frames_held > 0)
		history->held_us = (look->newest_ns - look->first_ns) / NS_PER_US + look->duration_us;
}

int record_history_look(struct record_history *history, const struct options *options)
{
	struct options how = *options;
	struct look look = { .history = history, .now_ns = session_now_ns() };
	struct session second;
	int code, r;

	memset(history, 0, sizeof(*history));
	if (options->last_ms >= 0 && look.now_ns > (uint64_t)options->last_ms * NS_PER_MS)
		look.asked_ns = look.now_ns - (uint64_t)options->last_ms * NS_PER_MS;
	how.oldest = true;
	code = session_open(&second, &how);
	if (code != CODE_OK)
		return code;
	r = see_all(&look, &second, 0);
	/* Nothing moves in a stale ring, so this costs no history. */
	if (r == 0 && is_stale(&look, &second))
		r = see_all(&look, &second, STALE_WAIT_MS + (int)(3 * (look.duration_us / 1000 % 100000)));
	if (r < 0)
		code = session_failure(&second, r);
	else
		sum_up(&look);
	session_close(&second);
	return code;
}

void record_history_tell(const struct record_history *history, const struct options *options)
{
	const unsigned long long held = history->frames_held, wanted = history->frames;
	const double asked_s = options->last_ms / 1000.0;

	if (history->frames_held == 0)
		talk("the ring holds nothing of before now: a stream that nobody reads is copied only where it has "
		     "always=true");
	else if (options->last_ms >= 0 && history->held_us < (uint64_t)options->last_ms * 1000)
		talk("the ring holds only %.2f s (%llu frame%s) of the %g s before now that were asked for: a stream of "
		     "more slots holds more",
		     (double)history->held_us / 1e6, held, amount_plural((double)held), asked_s);
	else
		talk("the ring holds %.2f s (%llu frame%s) of before now; of these %.2f s (%llu frame%s) come%s first",
		     (double)history->held_us / 1e6, held, amount_plural((double)held), (double)history->span_us / 1e6,
		     wanted, amount_plural((double)wanted), wanted == 1 ? "s" : "");
}
