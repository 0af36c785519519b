/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line.h - frames, events and totals as lines of text, for people and as JSON. Names of events and causes are
 * [a-z0-9_-], so nothing needs escaping.
 */
#ifndef LUMARING_CLI_LINE_H
#define LUMARING_CLI_LINE_H

#include <stddef.h>
#include <stdint.h>

#include <lumaring/lumaring.h>

#define LINE_BYTES 2048u /* the longest JSON line is below 1200 bytes */

struct line {
	size_t bytes; /* without the NUL */
	char text[LINE_BYTES];
};

/* What a reader saw so far. */
struct tally {
	uint64_t frames;
	uint64_t missed; /* had a sequence, and was not seen */
	uint64_t missed_by[LUMARING_MISSED_CAUSES];
};

void tally_add(struct tally *tally, const struct lumaring_frame *frame);

/* Each makes one line that ends with a newline. */
void line_frame(struct line *line, const struct lumaring_frame *frame, uint64_t latency_us);
void line_frame_json(struct line *line, const struct lumaring_frame *frame, uint64_t latency_us);
void line_event_json(struct line *line, int event);

/* Add to what stands there, or as much of it as there is room for. */
__attribute__((format(printf, 2, 3))) void line_add(struct line *line, const char *format, ...);

/* "1189 frames, 2 missed (skipped 2), 1 lost before capture (sensor 1)", without a newline. */
void line_tally(struct line *line, const struct tally *tally);

#endif
