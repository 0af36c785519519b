/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_progress.h - a line on a terminal that tells how a recording goes, written anew a few times a second; nothing
 * where standard error is no terminal.
 */
#ifndef LUMARING_CLI_RECORD_PROGRESS_H
#define LUMARING_CLI_RECORD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "line.h"

struct record_progress {
	bool terminal;
	bool shown;
	uint64_t next_ns; /* when it is due, CLOCK_MONOTONIC */
};

/* What it tells. */
struct record_figures {
	struct tally tally; /* frames written */
	uint64_t span_us;   /* from the first to the last of these */
	uint64_t bytes;
	unsigned waiting; /* frames taken and not written yet */
};

void record_progress_init(struct record_progress *progress);

/* When the line is due. */
void record_progress_show(struct record_progress *progress, const struct record_figures *figures, uint64_t now_ns);

/* Take it away: something else is to be said. */
void record_progress_clear(struct record_progress *progress);

/* "689 frames, 0 missed; 12.30 s, 2057.3 MB", without a newline. */
void record_progress_sum(struct line *line, const struct record_figures *figures);

#endif
