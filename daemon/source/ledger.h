/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger.h - which frames of a camera never came, by cause, from what its requests say; and which clock its timestamps
 * are of. Pure: whoever calls tells the time. Not locked; the capture thread's.
 *
 * A missing frame is counted once. Timestamps say how many are missing (the only thing that does on a Raspberry Pi,
 * whose ISP numbers its own output); of these, as many as the camera's own numbers skip are LUMARING_LOST_CAMERA, and
 * as many as came back cancelled LUMARING_LOST_CANCELLED; the rest LUMARING_LOST_SENSOR. A timestamp that steps back,
 * as near a damaged frame of a USB camera, says nothing, and neither does the one after it until time has caught up.
 * Numbers that skip are believed where timestamps say less.
 *
 * A driver may put a buffer whose frame was damaged behind its others, and libcamera completes requests in order: then
 * frames whose numbers are skipped come after the one that skips them, and only the damaged one is lost. At least one
 * of the skipped numbers is, so those that come are among the frames that follow, one fewer than were skipped; what has
 * not come by then is counted.
 *
 * The time from frame to frame is what the frames' metadata say, else the fixed rate in force, else it is learnt: then
 * a loss is told one frame later than it is seen, and what takes longer again and again is a slower camera, no loss.
 */
#ifndef LUMARING_SOURCE_LEDGER_H
#define LUMARING_SOURCE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "source/libcamera.h"

#define LEDGER_FIRST_INTERVALS 5u

/* From one good timestamp to the next. */
struct ledger_interval {
	uint64_t ns;
	uint32_t frames;    /* that came meanwhile, the last one included */
	uint32_t explained; /* missing ones that were counted already */
};

/* Zero-initialise. Fields are ledger.c's. */
struct ledger {
	uint64_t min_ns, max_ns; /* the rate in force, 0: not known */
	uint64_t before_ns;      /* and the one before, while frames may still have that; 0: they may not */
	uint32_t before_frames;  /* so many */

	/* The newest frame; without one nothing is counted. */
	bool has_frame;
	uint64_t sensor_ns; /* the newest good timestamp, 0: none */
	uint64_t ready_ns;
	uint32_t sequence, duration_us;
	struct ledger_interval open; /* since sensor_ns, without the frame to come */
	uint32_t cancelled;          /* since that frame */
	uint64_t ahead_ns;           /* frames came earlier than was thought, by this much */
	/* Numbers from late_first on that were skipped and may still come, and with how many frames. */
	uint32_t late_first, late, late_frames;
	uint32_t missing; /* see ledger_missing() */

	/* The time from frame to frame that was learnt, 0: not yet, from the first intervals. */
	uint64_t learnt_ns;
	unsigned learnt_count; /* intervals that it is of, up to a bound */
	struct ledger_interval first[LEDGER_FIRST_INTERVALS];
	unsigned first_count;
	/* Intervals in a row that are longer, or shorter, than it by about the same. */
	unsigned run, run_short;
	uint64_t run_ns, run_short_ns; /* all together */
	uint32_t run_missing;          /* to be counted if it ends soon */

	uint32_t owed[LUMARING_LOST_CAUSES]; /* counted, to be told with the next frame */

	/* Clocks. */
	uint32_t clock, clock_next; /* enum lumaring_clock: what is told; what the last frames say */
	unsigned clock_votes;
	bool has_offset;
	int64_t offset_ns;         /* boottime minus monotonic */
	uint64_t offset_settle_ns; /* CLOCK_MONOTONIC: frames from before it changed are gone by then */
};

/* The camera begins anew: nothing is counted between the frame before and the next one. */
void ledger_restart(struct ledger *ledger);

/*
 * The frames that should have come from the newest one until now_ns, CLOCK_MONOTONIC, never will: the capture stood
 * still. They are told with the next frame, up to which nothing else is counted.
 */
void ledger_stood_still(struct ledger *ledger, uint64_t now_ns);

/* In force from now on: shortest and longest time from frame to frame, 0: not known. Equal: a fixed rate. */
void ledger_set_rate(struct ledger *ledger, uint64_t frame_duration_min_ns, uint64_t frame_duration_max_ns);

/*
 * A request came back. `asked`: because the camera was stopped, which is no loss. For LIBCAMERA_FRAME and _DAMAGED
 * lost[] (zeroed by the caller) is what was lost since the frame before, causes without a sequence only.
 */
void ledger_note(struct ledger *ledger, const struct libcamera_completion *completion, bool asked,
		 uint32_t lost[LUMARING_LOST_CAUSES]);

/* Frames that are missing between the newest one and the one before, as far as it was seen at once; some of them may be
 * told as lost later, and not all if they come after all. */
uint32_t ledger_missing(const struct ledger *ledger);

/*
 * enum lumaring_clock of sensor_ns, by the frames so far; both clocks as of now. Unknown as long as the two are within
 * seconds of each other, as they are until the machine is suspended; boottime_ns 0: there is no such clock.
 */
uint32_t ledger_note_clock(struct ledger *ledger, uint64_t sensor_ns, uint64_t monotonic_ns, uint64_t boottime_ns);

#endif
