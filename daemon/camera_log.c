/* SPDX-License-Identifier: BSD-2-Clause */
/* camera_log.c - see camera_log.h. */
#include "camera_log.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

static enum log_event event_of_state(enum capture_state state, bool recovered)
{
	switch (state) {
	case CAPTURE_PAUSED:
		return LOG_EVENT_SOURCE_PAUSED;
	case CAPTURE_LIVE:
		return recovered ? LOG_EVENT_CAMERA_RECOVERED : LOG_EVENT_SOURCE_LIVE;
	case CAPTURE_ENDED:
		return LOG_EVENT_SOURCE_ENDED;
	case CAPTURE_FAILED:
		return LOG_EVENT_SOURCE_FAILED;
	case CAPTURE_LOST: /* why, its source knows, and has logged */
		break;
	}
	return LOG_EVENT_NONE;
}

/* As often as a uid has lines, then no more for as long. True: it is to be told; *ret_last: for the last time. */
static bool may_tell_quiet(struct camera_log *log, bool *ret_last)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (!log->count || now_ns - log->since_ns >= LIMIT_LOG_MOST_S * NS_PER_SECOND)
		*log = (struct camera_log){ .since_ns = now_ns };
	log->is_quiet_told = log->count < LIMIT_LOG_LINES;
	log->count += log->is_quiet_told;
	*ret_last = log->count == LIMIT_LOG_LINES;
	return log->is_quiet_told;
}

static void tell_quiet(struct camera_log *log, const char *source, uint64_t quiet_ns, uint64_t sequence)
{
	const struct log_fields fields = { .event = LOG_EVENT_SOURCE_QUIET, .sequence = sequence };
	char later[64] = "";
	bool last;

	if (!may_tell_quiet(log, &last))
		return;
	if (last)
		snprintf(later, sizeof(later), ", as often before: not told again within %u s", LIMIT_LOG_MOST_S);
	log_event(LOG_LEVEL_WARNING, &fields, "source %s: no frame came for %.1f s, waiting for the next%s", source,
		  (double)quiet_ns / (double)NS_PER_SECOND, later);
}

void camera_log_state(struct camera_log *log, const char *source, const struct capture_report *report,
		      enum capture_state before, uint64_t sequence)
{
	static const char *const names[] = { "paused", "live", "source lost", "ended", "failed" };
	const struct log_fields fields = {
		.event = event_of_state(report->state, before == CAPTURE_LOST || report->still_ns),
		.sequence = sequence,
	};

	if (report->state == CAPTURE_PAUSED && report->quiet_ns)
		tell_quiet(log, source, report->quiet_ns, sequence);
	else if (report->state != CAPTURE_LIVE || !report->still_ns)
		log_event(LOG_LEVEL_INFO, &fields, "source %s: %s", source, names[report->state]);
	else if (log->is_quiet_told)
		log_event(LOG_LEVEL_INFO, &fields, "source %s: live, after it had stood still for %.1f s", source,
			  (double)report->still_ns / (double)NS_PER_SECOND);
}

void camera_log_account(const struct stream *stream)
{
	static const char *const names[LUMARING_LOST_CAUSES] = { "unread",  "no slot", "copy late", "reconfigured",
								 "damaged", "",        "",          "",
								 "sensor",  "camera",  "cancelled", "start-up" };
	struct ring_account account = ring_account(stream->ring);
	char text[512];
	size_t used = (size_t)snprintf(text, sizeof(text), "stream %s: %llu published", stream->config.name,
				       (unsigned long long)account.published);

	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES && used < sizeof(text); cause++)
		if (account.lost[cause])
			used += (size_t)snprintf(text + used, sizeof(text) - used, ", %llu %s",
						 (unsigned long long)account.lost[cause], names[cause]);
	if (stream->notices_dropped && used < sizeof(text))
		snprintf(text + used, sizeof(text) - used, ", %llu notices dropped",
			 (unsigned long long)stream->notices_dropped);
	log_event(LOG_LEVEL_INFO,
		  &(struct log_fields){ .event = LOG_EVENT_STREAM_ACCOUNT, .stream = stream->config.name }, "%s", text);
}
