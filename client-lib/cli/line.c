/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line.c - see line.h. Pure functions: memory to text, no system calls, so that a line costs microseconds at any
 * frame rate.
 */
#include "line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <lumaring/layout.h>

#include "amount.h"

/* Causes from here on, up to the library's own, never had a sequence: see enum lumaring_missed. */
#define CAUSE_UNSEQUENCED LUMARING_MISSED_SENSOR
#define CAUSE_LIBRARY LUMARING_MISSED_SKIPPED

void line_add(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->bytes;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(line->text + line->bytes, room, format, arguments);
	va_end(arguments);
	if (n > 0)
		line->bytes += (size_t)n < room ? (size_t)n : room - 1;
}

void tally_add(struct tally *tally, const struct lumaring_frame *frame)
{
	tally->frames++;
	tally->missed += frame->missed;
	for (unsigned cause = 0; cause < LUMARING_MISSED_CAUSES; cause++)
		tally->missed_by[cause] += frame->missed_by[cause];
}

/* A cause that a newer daemon knows and this library does not still has its number. */
static void add_cause(struct line *line, const char *before, unsigned cause, const char *between, uint64_t count)
{
	const char *name = lumaring_missed_name(cause);

	if (name)
		line_add(line, "%s%s%s%" PRIu64, before, name, between, count);
	else
		line_add(line, "%scause-%u%s%" PRIu64, before, cause, between, count);
}

/* " (skipped 2, unread 1)" for the causes first <= cause < end, or nothing. */
static void add_causes(struct line *line, const uint64_t *counts, unsigned first, unsigned end)
{
	const char *before = " (";

	for (unsigned cause = first; cause < end; cause++) {
		if (!counts[cause])
			continue;
		add_cause(line, before, cause, " ", counts[cause]);
		before = ", ";
	}
	if (before[0] == ',')
		line_add(line, ")");
}

void line_frame(struct line *line, const struct lumaring_frame *frame, uint64_t latency_us)
{
	const struct lumaring_region *region = &frame->region;

	line->bytes = 0;
	line_add(line, "%8" PRIu64 "  %ux%u", frame->sequence, frame->width, frame->height);
	if (region->width != frame->image_width || region->height != frame->image_height)
		line_add(line, "+%u+%u", region->x, region->y);
	if (frame->fourcc == LUMARING_FORMAT_R16)
		line_add(line, " R16");
	if (frame->bin > 1)
		line_add(line, " bin %u", frame->bin);
	line_add(line, "  latency %6" PRIu64 " us  missed %" PRIu64, latency_us, frame->missed);
	add_causes(line, frame->missed_by, 0, LUMARING_MISSED_CAUSES);
	line_add(line, "\n");
}

/* The four characters of a fourcc; what is no letter, digit or blank cannot come from a sound daemon. */
static void add_fourcc(struct line *line, uint32_t fourcc)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)(fourcc >> 8 * i);
		int plain = c == ' ' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		line_add(line, "%c", plain ? c : '?');
	}
}

void line_frame_json(struct line *line, const struct lumaring_frame *frame, uint64_t latency_us)
{
	const struct lumaring_region *region = &frame->region;
	const char *before = "\"";

	line->bytes = 0;
	line_add(line, "{\"sequence\":%" PRIu64 ",\"width\":%u,\"height\":%u", frame->sequence, frame->width, frame->height);
	line_add(line, ",\"missed\":%" PRIu64 ",\"latency_us\":%" PRIu64, frame->missed, latency_us);
	line_add(line, ",\"epoch\":\"%" PRIu64 "\",\"publication\":%" PRIu64, frame->epoch, frame->publication);
	line_add(line, ",\"stride\":%u,\"fourcc\":\"", frame->stride);
	add_fourcc(line, frame->fourcc);
	line_add(line, "\",\"region\":{\"x\":%u,\"y\":%u,\"width\":%u,\"height\":%u}", region->x, region->y, region->width,
	    region->height);
	line_add(line, ",\"bin\":%u,\"generation\":%u,\"pinned\":%s", frame->bin, frame->generation,
	    frame->pinned ? "true" : "false");
	line_add(line, ",\"sensor_ns\":\"%" PRIu64 "\",\"ready_ns\":\"%" PRIu64 "\",\"publish_ns\":\"%" PRIu64 "\"",
	    frame->sensor_ns, frame->ready_ns, frame->publish_ns);
	line_add(line, ",\"missed_by\":{");
	for (unsigned cause = 0; cause < LUMARING_MISSED_CAUSES; cause++) {
		if (!frame->missed_by[cause])
			continue;
		add_cause(line, before, cause, "\":", frame->missed_by[cause]);
		before = ",\"";
	}
	line_add(line, "}}\n");
}

void line_event_json(struct line *line, int event)
{
	const char *name = lumaring_event_name(event);

	line->bytes = 0;
	line_add(line, "{\"event\":\"%s\"}\n", name ? name : "unknown");
}

void line_tally(struct line *line, const struct tally *tally)
{
	uint64_t lost = 0;

	for (unsigned cause = CAUSE_UNSEQUENCED; cause < CAUSE_LIBRARY; cause++)
		lost += tally->missed_by[cause];
	line->bytes = 0;
	line_add(line, "%" PRIu64 " frame%s, %" PRIu64 " missed", tally->frames,
	    amount_plural((double)tally->frames), tally->missed);
	if (tally->missed) {
		uint64_t counts[LUMARING_MISSED_CAUSES] = { 0 };

		for (unsigned cause = 0; cause < LUMARING_MISSED_CAUSES; cause++)
			if (cause < CAUSE_UNSEQUENCED || cause >= CAUSE_LIBRARY)
				counts[cause] = tally->missed_by[cause];
		add_causes(line, counts, 0, LUMARING_MISSED_CAUSES);
	}
	if (lost) {
		line_add(line, ", %" PRIu64 " lost before capture", lost);
		add_causes(line, tally->missed_by, CAUSE_UNSEQUENCED, CAUSE_LIBRARY);
	}
}
