/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_history.h - what a ring holds of the time before now: the frames up to the newest one between which nobody
 * ceased to read and nothing changed. What lies before such a gap may be an hour old, and is no part of it.
 */
#ifndef LUMARING_CLI_RECORD_HISTORY_H
#define LUMARING_CLI_RECORD_HISTORY_H

#include <stdint.h>

#include "options.h"
#include "session.h"

struct record_history {
	uint64_t from_ns;              /* CLOCK_MONOTONIC: what was published then, or later, is wanted */
	uint64_t frames, span_us;      /* that are wanted of what the ring holds, and how long they last */
	uint64_t frames_held, held_us; /* all that it holds */
};

/*
 * Look through the ring by a handle of its own. Whoever records has one open already, since a stream is copied only
 * while it is read. CODE_OK, or another exit code after a sentence.
 */
int record_history_look(struct record_history *history, const struct options *options);

/* Say how much there is. */
void record_history_tell(const struct record_history *history, const struct options *options);

#endif
