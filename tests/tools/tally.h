/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tally.h - what a test client keeps of the frames it was handed: every byte compared with the synthetic source's
 * picture, and the books: each sequence between the first and the last frame was either seen or counted as missed.
 * For daemons whose source is synthetic. One tally belongs to one thread.
 */
#ifndef LUMARING_TEST_TALLY_H
#define LUMARING_TEST_TALLY_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <lumaring/layout.h>
#include <lumaring/lumaring.h>

#include "source/synthetic.h"

struct tally {
	uint64_t verified, pinned, copied, bad;
	/* Of the frames that lumaring_next() and lumaring_latest() returned, since the last tally_begin(). */
	uint64_t seen, missed;
	uint64_t first, last;
	uint64_t first_publication, last_publication;
	char fault[240]; /* the first thing that was wrong; "" while all is well */
};

static inline void tally_fault(struct tally *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void tally_fault(struct tally *t, const char *format, ...)
{
	va_list arguments;

	if (t->fault[0])
		return;
	va_start(arguments, format);
	vsnprintf(t->fault, sizeof(t->fault), format, arguments);
	va_end(arguments);
}

/* Compare every byte; false and counted as bad when one differs. */
static inline bool tally_verify(struct tally *t, const struct lumaring_frame *f)
{
	uint32_t x = f->region.x, y = f->region.y;

	t->verified++;
	if (f->region.width == f->width && f->region.height == f->height && f->bin == 1 &&
	    synthetic_verify(f->pixels, f->stride, f->camera_sequence, f->region.x, f->region.y, f->width, f->height,
			     &x, &y))
		return true;
	t->bad++;
	tally_fault(t, "frame %" PRIu64 " (camera %" PRIu64 ", %s) is torn at %u,%u", f->sequence, f->camera_sequence,
		    f->pinned ? "pinned" : "copied", x, y);
	return false;
}

/* Compare, and count how the frame was handed out. */
static inline void tally_frame(struct tally *t, const struct lumaring_frame *f)
{
	tally_verify(t, f);
	t->pinned += f->pinned;
	t->copied += !f->pinned;
}

/* Forget what came before: the sequences begin anew. */
static inline void tally_begin(struct tally *t)
{
	t->seen = t->missed = 0;
}

/* Enter a frame of lumaring_next() or lumaring_latest() in the books. */
static inline void tally_account(struct tally *t, const struct lumaring_frame *f)
{
	uint64_t causes = f->missed_by[LUMARING_MISSED_SKIPPED];

	for (unsigned c = 0; c < LUMARING_LOST_SEQUENCED; c++)
		causes += f->missed_by[c];
	if (causes != f->missed)
		tally_fault(t, "frame %" PRIu64 ": %" PRIu64 " missed, but %" PRIu64 " by cause", f->sequence,
			    f->missed, causes);
	if (t->seen == 0) {
		t->first = f->sequence;
		t->first_publication = f->publication;
	}
	t->seen++;
	t->missed += f->missed;
	t->last = f->sequence;
	t->last_publication = f->publication;
	if (t->last - t->first + 1 != t->seen + t->missed)
		tally_fault(t, "frames %" PRIu64 " to %" PRIu64 ": %" PRIu64 " seen and %" PRIu64 " missed", t->first,
			    t->last, t->seen, t->missed);
}

/* Give a frame back; one that changed under the reader's eyes is bad. */
static inline void tally_release(struct tally *t, struct lumaring *ring, const struct lumaring_frame *f)
{
	uint64_t sequence = f->sequence;
	int r = lumaring_release(ring, f);

	if (r == 0)
		return;
	t->bad++;
	tally_fault(t, "release of frame %" PRIu64 ": %s", sequence, lumaring_strerror(r));
}

#endif
