/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * manners.h - the ways in which stress readers read: each step takes a frame or a few in one of the ways the library
 * offers, holds some of them for a while, compares every byte and keeps the books. A reader belongs to one thread.
 */
#ifndef LUMARING_TEST_MANNERS_H
#define LUMARING_TEST_MANNERS_H

#include <errno.h>
#include <time.h>

#include "random.h"
#include "tally.h"

enum manner {
	MANNER_NEXT,        /* in order, given back at once */
	MANNER_LATEST,      /* the newest, given back at once */
	MANNER_NEXT_KEEP,   /* in order; one frame in eight is kept while others are read */
	MANNER_LATEST_HOLD, /* the newest, looked at again after a while */
	MANNER_LAST,        /* the newest few, between frames in order */
	MANNER_EXACT,       /* by identity, old ones and ones to come, between frames in order */
	MANNER_NEXT_HOLD,   /* in order, so slowly that the writer is always about to take what it reads */
	MANNER_MIXED,       /* any of these */
	MANNERS,
};

static const char *const manner_names[] = { "next", "latest", "next-keep", "latest-hold",
					    "last", "exact",  "next-hold", "mixed" };

#define READER_LAST_MAX 4u
#define READER_KEPT_FOR_MAX 40u /* frames */

struct reader {
	enum manner manner;
	int timeout_ms;
	uint64_t random;
	uint32_t hold_us_max;
	struct lumaring *ring;
	struct tally tally;
	const struct lumaring_frame *kept;
	uint32_t kept_for;
	uint64_t epoch, sequence; /* of the newest frame seen */
};

static inline void reader_hold(struct reader *r)
{
	struct timespec time = { .tv_nsec = (long)random_below(&r->random, r->hold_us_max + 1) * 1000 };

	nanosleep(&time, NULL);
}

/* One frame by lumaring_next() or lumaring_latest(), in the books and compared; the caller releases it. */
static inline int reader_take(struct reader *r, bool latest, const struct lumaring_frame **ret_frame)
{
	int result = latest ? lumaring_latest(r->ring, r->timeout_ms, ret_frame) :
			      lumaring_next(r->ring, r->timeout_ms, ret_frame);

	if (result != 0)
		return result;
	tally_account(&r->tally, *ret_frame);
	tally_frame(&r->tally, *ret_frame);
	r->epoch = (*ret_frame)->epoch;
	r->sequence = (*ret_frame)->sequence;
	return 0;
}

static inline int reader_step_plain(struct reader *r, bool latest, bool hold)
{
	const struct lumaring_frame *f;
	int result = reader_take(r, latest, &f);

	if (result != 0)
		return result;
	if (hold) {
		reader_hold(r);
		tally_verify(&r->tally, f);
	}
	tally_release(&r->tally, r->ring, f);
	return 0;
}

static inline void reader_let_go(struct reader *r)
{
	if (!r->kept)
		return;
	tally_verify(&r->tally, r->kept);
	tally_release(&r->tally, r->ring, r->kept);
	r->kept = NULL;
}

static inline int reader_step_keep(struct reader *r)
{
	const struct lumaring_frame *f;
	int result = reader_take(r, false, &f);

	if (result != 0)
		return result;
	if (r->kept && r->kept_for-- == 0)
		reader_let_go(r);
	if (!r->kept && random_below(&r->random, 8) == 0) {
		r->kept = f;
		r->kept_for = random_below(&r->random, READER_KEPT_FOR_MAX);
		return 0;
	}
	tally_release(&r->tally, r->ring, f);
	return 0;
}

static inline int reader_step_last(struct reader *r)
{
	const struct lumaring_frame *frames[READER_LAST_MAX];
	unsigned count = 0;
	int result = lumaring_last(r->ring, 1 + random_below(&r->random, READER_LAST_MAX), frames, &count);

	for (unsigned i = 0; result == 0 && i < count; i++) {
		if (i > 0 && frames[i]->sequence <= frames[i - 1]->sequence)
			tally_fault(&r->tally, "lumaring_last(): frame %" PRIu64 " after %" PRIu64, frames[i]->sequence,
				    frames[i - 1]->sequence);
		tally_frame(&r->tally, frames[i]);
	}
	for (unsigned i = 0; result == 0 && i < count; i++)
		tally_release(&r->tally, r->ring, frames[i]);
	return result;
}

/* Some frame around the newest one seen: gone, there, being written just now, or still to come. */
static inline int reader_step_exact(struct reader *r)
{
	const struct lumaring_frame *f;
	uint64_t wanted = r->sequence + random_below(&r->random, 16);
	int result;

	wanted = wanted > 8 ? wanted - 8 : 1;
	result = lumaring_exact(r->ring, r->epoch, wanted, &f);
	if (result == -ENOENT)
		return 0;
	if (result != 0)
		return result;
	if (f->sequence != wanted)
		tally_fault(&r->tally, "lumaring_exact(): frame %" PRIu64 " instead of %" PRIu64, f->sequence, wanted);
	tally_frame(&r->tally, f);
	tally_release(&r->tally, r->ring, f);
	return 0;
}

static inline int reader_step_as(struct reader *r, enum manner manner)
{
	int result = 0;

	switch (manner) {
	case MANNER_NEXT:
		return reader_step_plain(r, false, false);
	case MANNER_LATEST:
		return reader_step_plain(r, true, false);
	case MANNER_NEXT_KEEP:
		return reader_step_keep(r);
	case MANNER_LATEST_HOLD:
		return reader_step_plain(r, true, true);
	case MANNER_NEXT_HOLD:
		return reader_step_plain(r, false, true);
	case MANNER_LAST:
		result = reader_step_last(r);
		break;
	case MANNER_EXACT:
		for (int i = 0; i < 4 && result == 0; i++)
			result = reader_step_exact(r);
		break;
	case MANNER_MIXED:
		return reader_step_as(r, (enum manner)random_below(&r->random, MANNER_MIXED));
	case MANNERS:
		return -EINVAL;
	}
	return result != 0 ? result : reader_step_plain(r, false, false);
}

/*
 * One step. 0, or an enum lumaring_event, or -EAGAIN when nothing is new; anything else is an error of the library and
 * noted in the tally.
 */
static inline int reader_step(struct reader *r)
{
	int result = reader_step_as(r, r->manner);

	if (result < 0 && result != -EAGAIN)
		tally_fault(&r->tally, "%s: %s (%s)", manner_names[r->manner], lumaring_error_text(r->ring),
			    lumaring_strerror(result));
	return result;
}

/* What stays held when the reading ends is compared a last time. */
static inline void reader_finish(struct reader *r)
{
	if (!r->ring)
		return;
	reader_let_go(r);
	lumaring_close(r->ring);
	r->ring = NULL;
}

#endif
