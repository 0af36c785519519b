/* SPDX-License-Identifier: BSD-2-Clause */
/* announce.c - see announce.h. */
#include "announce.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "service.h"

/* A line that grows; what does not fit is cut. */
struct text {
	char *line;
	size_t bytes, used;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *text, const char *format, ...)
{
	va_list arguments;
	int n;

	if (text->used + 1 >= text->bytes)
		return;
	va_start(arguments, format);
	n = vsnprintf(text->line + text->used, text->bytes - text->used, format, arguments);
	va_end(arguments);
	text->used += n > 0 ? (size_t)n : 0;
}

static double seconds(uint64_t ns)
{
	return (double)ns / (double)NS_PER_SECOND;
}

static unsigned count_clients(const struct status_view *status)
{
	unsigned count = 0;

	for (const struct client *c = status->clients; c; c = c->next)
		count += c->state == CLIENT_READING;
	return count;
}

/* --- what is lost --- */

struct losses {
	uint64_t published, all, by_cause[LUMARING_LOST_CAUSES];
};

/* Of all streams that stay. A frame that nobody wanted is not lost. */
static void count_losses(const struct status_view *status, struct losses *losses)
{
	for (const struct stream *s = status->streams; s; s = s->next) {
		if (s->owner)
			continue;
		losses->published += stream_published(s);
		for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++) {
			uint64_t lost = stream_lost(s, (enum lumaring_lost)cause);

			if (cause == LUMARING_LOST_UNREAD || !status_lost_name(cause))
				continue;
			losses->by_cause[cause] += lost;
			losses->all += lost;
		}
	}
}

static void add_cause(struct text *text, const char *separator, const char *name, uint64_t count)
{
	add(text, "%s", separator);
	for (; *name; name++)
		add(text, "%c", *name == '_' ? ' ' : *name);
	add(text, " %llu", (unsigned long long)count);
}

static void add_losses(struct text *text, const struct status_view *status, bool brief)
{
	struct losses losses = { 0 };
	const char *separator = " (";

	count_losses(status, &losses);
	add(text, ", %llu", (unsigned long long)losses.all);
	if (!brief)
		add(text, " of %llu", (unsigned long long)(losses.published + losses.all));
	add(text, " frames lost");
	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++) {
		if (!losses.by_cause[cause])
			continue;
		add_cause(text, separator, status_lost_name(cause), losses.by_cause[cause]);
		separator = ", ";
	}
	if (losses.all)
		add(text, ")");
}

/* --- the line --- */

static void add_live(struct text *text, const struct status_view *status, bool brief)
{
	uint64_t duration_ns = stats_load(&status->stats->frame_duration_ns);
	unsigned clients = count_clients(status);

	if (status->format)
		add(text, "%ux%u", status->format->width, status->format->height);
	if (!duration_ns && status->format)
		duration_ns = status->format->frame_duration_us * NS_PER_US;
	if (duration_ns && brief) /* few keep to it: that it is known is news */
		add(text, " at a rate");
	else if (duration_ns)
		add(text, " at %.1f frames/s", (double)NS_PER_SECOND / (double)duration_ns);
	add(text, ", %u client%s", clients, clients == 1 ? "" : "s");
	add_losses(text, status, brief);
}

static void add_waiting_clients(struct text *text, const struct status_view *status)
{
	unsigned clients = count_clients(status);

	add(text, "; %u client%s waiting", clients, clients == 1 ? "" : "s");
}

static void add_lost(struct text *text, const struct source_report *device)
{
	if (!device->state_reason[0])
		add(text, "the camera is there, no frame of it has come yet");
	else if (strcmp(device->state, "stuck") == 0)
		add(text, "the camera hangs: %s, its capture was started anew", device->state_reason);
	else if (device->retry_ms)
		add(text, "no camera: %s, looking for it every %g s", device->state_reason, device->retry_ms / 1000.0);
	else
		add(text, "no camera: %s", device->state_reason);
}

static void add_paused(struct text *text, const struct announce_view *view)
{
	const char *name = view->status->config->source;

	if (view->quiet_ns)
		add(text, "source %s paused: no frame came for %.1f s", name, seconds(view->quiet_ns));
	else
		add(text, "source %s paused: nothing comes for now", name);
}

/* There is something to start. */
static bool waits_for_clients(const struct announce_view *view)
{
	return view->wait_clients && !(view->status->state == CAPTURE_LOST && view->status->device->state_reason[0]);
}

void announce_line(const struct announce_view *view, bool brief, char *line, size_t line_bytes)
{
	const struct status_view *status = view->status;
	struct text text = { line, line_bytes, 0 };

	if (!announce_is_ready(view)) {
		add(&text, "starting: no frame has come yet");
		return;
	}
	if (waits_for_clients(view)) {
		add(&text, "waiting for clients before the source %s starts: %u of %u are there",
		    status->config->source, count_clients(status), view->wait_clients);
		return;
	}
	switch (status->state) {
	case CAPTURE_LIVE:
		add_live(&text, status, brief);
		return;
	case CAPTURE_PAUSED:
		add_paused(&text, view);
		break;
	case CAPTURE_LOST:
		add_lost(&text, status->device);
		break;
	case CAPTURE_ENDED:
		add(&text, "source %s ended: the footage is over", status->config->source);
		break;
	case CAPTURE_FAILED:
		add(&text, "source %s failed", status->config->source);
		break;
	}
	add_waiting_clients(&text, status);
}

bool announce_is_ready(const struct announce_view *view)
{
	return view->told || view->wait_clients;
}

/* --- telling --- */

static bool is_news(const struct announce *announce, const char *brief, const char *line, uint64_t now_ns)
{
	if (strcmp(brief, announce->brief) != 0)
		return true;
	return strcmp(line, announce->line) != 0 && now_ns - announce->told_ns >= ANNOUNCE_COUNTS_NS;
}

/* While a camera starts: its thread looks after it, so it is worth waiting for. */
static void extend(struct announce *announce, const struct source_report *device)
{
	if (device->looks == announce->looks || device->hung)
		return;
	announce->looks = device->looks;
	service_extend_start(ANNOUNCE_EXTEND_NS);
}

void announce_tell(struct announce *announce, const struct announce_view *view)
{
	bool ready = announce->ready || announce_is_ready(view);
	char brief[ANNOUNCE_LINE_BYTES], line[ANNOUNCE_LINE_BYTES];
	uint64_t now_ns = clock_monotonic_ns();

	announce_line(view, true, brief, sizeof(brief));
	announce_line(view, false, line, sizeof(line));
	if (ready && !announce->ready)
		service_ready(line);
	else if (is_news(announce, brief, line, now_ns))
		service_status(line);
	else
		now_ns = 0;
	if (!ready)
		extend(announce, view->status->device);
	announce->ready = ready;
	if (!now_ns)
		return;
	announce->told_ns = now_ns;
	memcpy(announce->brief, brief, sizeof(brief));
	memcpy(announce->line, line, sizeof(line));
}
