/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - see session.h. Uses the public library only. It never waits longer than SLICE_MS at a time, so that a
 * signal that comes just before a wait is seen soon after.
 */
#include "session.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <lumaring/layout.h>

#include "output.h"
#include "stop.h"

#define SLICE_MS 250
#define RETRY_MS 50
#define ANSWER_MS 2000 /* what a daemon that is there has at least for its answer */
#define NS_PER_MS UINT64_C(1000000)
#define TEXT_BYTES 320

uint64_t session_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
}

/* What is left of a time span, 0 when it is over. */
static int left_ms(uint64_t since_ns, int span_ms)
{
	uint64_t gone_ms = (session_now_ns() - since_ns) / NS_PER_MS;

	return gone_ms >= (uint64_t)span_ms ? 0 : (int)((uint64_t)span_ms - gone_ms);
}

int session_exit_code(int error)
{
	switch (-error) {
	case EINVAL:
	case ERANGE:
		return CODE_USAGE;
	case ECONNREFUSED:
	case ENOTCONN:
		return CODE_NO_DAEMON;
	case EACCES:
	case EPERM:
	case EBUSY:
	case EMFILE: /* as a daemon refuses; that this short program itself has none left is not worth a code */
	case ENFILE:
	case ENOENT:
	case EEXIST:
	case ENOTEMPTY:
	case EUSERS:
	case EDQUOT:
	case ENOSPC:
	case ENOTSUP:
	case ENOSYS:
	case EDOM:
	case EIO:
	case EUCLEAN:
	case EREMOTEIO:
	case EPROTONOSUPPORT:
		return CODE_REFUSED;
	case ETIMEDOUT:
		return CODE_TIMEOUT;
	case EINTR:
		return 128 + stop_signal();
	}
	return CODE_FAILED;
}

/* Until there is a daemon, the time is over, or a signal asks to stop. */
static int attempt_patiently(const struct options *options, struct lumaring_options *how, session_attempt attempt,
			     void *result)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * (long)NS_PER_MS };
	uint64_t since_ns = session_now_ns();
	int r;

	for (;;) {
		const int left = left_ms(since_ns, options->wait_ms);

		how->timeout_ms = left > ANSWER_MS ? left : ANSWER_MS;
		r = attempt(options, how, result);
		if (stop_signal() || (r != -ECONNREFUSED && r != -EINTR))
			return r;
		if (r == -ECONNREFUSED && left == 0)
			return r;
		if (r == -ECONNREFUSED)
			nanosleep(&pause, NULL);
	}
}

int session_ask(const struct options *options, struct lumaring_options *how, session_attempt attempt, void *result)
{
	char text[TEXT_BYTES] = "";
	int r;

	how->runtime_dir = options->runtime_dir;
	how->error_text = text;
	how->error_bytes = sizeof(text);
	r = attempt_patiently(options, how, attempt, result);
	if (r < 0 && stop_signal())
		return 128 + stop_signal();
	if (r < 0) {
		talk("%s", text[0] ? text : lumaring_strerror(r));
		return session_exit_code(r);
	}
	return CODE_OK;
}

static int attempt_open(const struct options *options, const struct lumaring_options *how, void *result)
{
	struct lumaring **ret_ring = result;

	return lumaring_open(options->camera, options->stream, how, ret_ring);
}

int session_open(struct session *session, const struct options *options)
{
	struct lumaring_options how = LUMARING_OPTIONS_INIT;
	int code;

	how.flags = (options->copy ? LUMARING_COPY : 0) | (options->private ? LUMARING_PRIVATE : 0) |
		    (options->oldest ? LUMARING_OLDEST : 0) | (options->futex ? LUMARING_FUTEX : 0);
	how.region = options->region;
	how.fourcc = options->fourcc;
	how.bin = options->bin;
	if (options->frames_max)
		how.frames_max = options->frames_max;
	memset(session, 0, sizeof(*session));
	session->timeout_ms = options->timeout_ms;
	session->fourcc = options->fourcc;
	session->bin = options->bin;
	code = session_ask(options, &how, attempt_open, &session->ring);
	session->frame_ns = session_now_ns();
	return code;
}

void session_close(struct session *session)
{
	lumaring_close(session->ring);
	session->ring = NULL;
}

/* A daemon that is older than an option ignores it. */
static int check_format(struct session *session, const struct lumaring_frame *frame)
{
	const uint32_t fourcc = session->fourcc ? session->fourcc : frame->fourcc;
	const uint32_t bin = session->bin ? session->bin : frame->bin;

	if (frame->fourcc == fourcc && frame->bin == bin)
		return 0;
	talk("this daemon gives %s with bin %u where %s with bin %u was asked for: it is older than that and must be "
	     "updated",
	     frame->fourcc == LUMARING_FORMAT_R16 ? "R16" : "R8", frame->bin,
	     fourcc == LUMARING_FORMAT_R16 ? "R16" : "R8", bin);
	lumaring_release(session->ring, frame);
	return -EPROTO;
}

/* How long to wait now. */
static int slice_ms(const struct session *session)
{
	uint64_t now_ns;
	int wait_ms = SLICE_MS;

	if (session->timeout_ms >= 0) {
		wait_ms = left_ms(session->frame_ns, session->timeout_ms);
		wait_ms = wait_ms < SLICE_MS ? wait_ms : SLICE_MS;
	}
	if (session->until_ns == 0)
		return wait_ms;
	now_ns = session_now_ns();
	if (now_ns >= session->until_ns)
		return 0;
	if (session->until_ns - now_ns < (uint64_t)wait_ms * NS_PER_MS)
		wait_ms = (int)((session->until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
	return wait_ms;
}

int session_wait(struct session *session, session_take take, const struct lumaring_frame **ret_frame)
{
	for (;;) {
		int r;

		if (stop_signal())
			return -EINTR;
		r = take(session->ring, slice_ms(session), ret_frame);
		if (r == 0) {
			session->frame_ns = session_now_ns();
			r = check_format(session, *ret_frame);
		}
		if (r != -ETIMEDOUT && r != -EAGAIN && r != -EINTR)
			return r;
		if (r != -EINTR && session->timeout_ms >= 0 && left_ms(session->frame_ns, session->timeout_ms) == 0)
			return -ETIMEDOUT;
		if (r != -EINTR && session->until_ns > 0 && session_now_ns() >= session->until_ns)
			return -ETIME;
	}
}

int session_release(struct session *session, const struct lumaring_frame *frame)
{
	uint64_t sequence = frame->sequence;
	int r = lumaring_release(session->ring, frame);

	if (r < 0)
		talk("frame %llu changed while it was read: what was made of it is worth nothing",
		     (unsigned long long)sequence);
	return r;
}

/* NULL: there is no reason. */
static const char *why_no_frame(const struct lumaring_info *info)
{
	if (!info->connected)
		return "the daemon is away";
	switch ((enum lumaring_ring_state)info->state) {
	case LUMARING_RING_PAUSED:
		return "the source is paused";
	case LUMARING_RING_SOURCE_LOST:
		return "the camera is gone";
	case LUMARING_RING_CLOSED:
		return "the stream is closed";
	case LUMARING_RING_LIVE:
	case LUMARING_RING_REPLACED:
		break;
	}
	return NULL;
}

static void tell_no_frame(const struct session *session, const char *why)
{
	const double patience_s = session->timeout_ms / 1000.0;
	const double duration_s = lumaring_info(session->ring)->frame_duration_us / 1e6;

	if (session->timeout_ms > 0 && !why && duration_s >= patience_s)
		talk("no frame came for %g s: one comes every %g s", patience_s, duration_s);
	else if (session->timeout_ms > 0)
		talk("no frame came for %g s (%s)", patience_s, why ? why : "although the daemon says that they come");
	else
		talk("no frame is there%s%s%s", why ? " (" : "", why ? why : "", why ? ")" : "");
}

int session_failure(struct session *session, int error)
{
	const char *text;

	if (error == -EINTR)
		return session_exit_code(error);
	if (error == -EPROTO) /* session_wait() said why */
		return CODE_REFUSED;
	if (error == -ETIMEDOUT) {
		tell_no_frame(session, why_no_frame(lumaring_info(session->ring)));
		return session_exit_code(error);
	}
	text = lumaring_error_text(session->ring);
	talk("%s", text && text[0] ? text : lumaring_strerror(error));
	return session_exit_code(error);
}

int session_write_failure(struct session *session, int error, const char *where)
{
	if (error == -EPIPE) {
		session->reader_gone = true;
		return CODE_OK;
	}
	if (error == -EINTR) /* a FIFO had no reader until a signal asked to stop */
		return session_exit_code(error);
	talk("cannot write to %s: %s", where, strerror(-error));
	return CODE_FAILED;
}

void session_tell_event(int event)
{
	switch ((enum lumaring_event)event) {
	case LUMARING_EVENT_GEOMETRY:
		talk("the size or the format of the frames changes");
		return;
	case LUMARING_EVENT_REPLACED:
		talk("the daemon replaced the ring; the next frame has a new epoch");
		return;
	case LUMARING_EVENT_RESTARTED:
		talk("a new daemon was found; sequences start anew");
		return;
	case LUMARING_EVENT_SOURCE_LOST:
		talk("the camera is gone, waiting for it");
		return;
	case LUMARING_EVENT_SOURCE_BACK:
		talk("the camera is back");
		return;
	case LUMARING_EVENT_CLOSED:
		talk("the stream was closed");
		return;
	case LUMARING_EVENT_DISCONNECTED:
		talk("the daemon vanished, waiting for one to come back");
		return;
	}
	talk("event %d, which this version does not know", event);
}

void session_tell_tally(const struct session *session)
{
	struct line line;

	if (session->reader_gone)
		return;
	line_tally(&line, &session->tally);
	talk("%s", line.text);
}

int session_closed(const struct session *session)
{
	if (session->tally.frames)
		return CODE_OK;
	talk("the stream was closed before a frame came: its footage is over, or somebody removed it");
	return CODE_CLOSED;
}
