/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader.c - see reader.h: steps R1 to R3 of layout.h, the accounts, and the order of frames and events: every frame
 * in the ring first, in order, then what became of the ring. Runs in the caller's thread. Must never look at more
 * publications than the order table has entries, however fast the writer is.
 */
#include "reader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* How often the newest frame is tried while it is overwritten under the reader's hands. */
#define NEWEST_TRIES 8

void lr_reader_begin(struct lumaring *l, uint64_t published)
{
	lr_reader_forget(l);
	l->position = (struct lr_position){
		.publication = l->settings.flags & LUMARING_OLDEST ? 0 : published,
	};
}

void lr_reader_forget(struct lumaring *l)
{
	if (l->position.waiting)
		lr_frame_put(&l->store, l->position.waiting);
	l->position.waiting = NULL;
}

/* Cursors count only while their connection stands; without one, copies are still good. */
static struct lr_origin origin(const struct lumaring *l)
{
	return (struct lr_origin){ l->map, l->page };
}

/* Newest publication. -EBADMSG: a number that no order table can hold. */
static int newest_publication(struct lumaring *l, uint64_t *ret_published)
{
	const uint64_t published = lr_map_published(l->map);

	if (published >> LR_MAP_PUBLICATION_BITS)
		return lr_text_fail(&l->error, -EBADMSG,
				    "ring header: published at byte %zu is %" PRIu64 ", accepted: less than 2^%d",
				    offsetof(struct lumaring_header, published), published, LR_MAP_PUBLICATION_BITS);
	*ret_published = published;
	return 0;
}

/* The oldest publication that the order table can still name. */
static uint64_t oldest_publication(const struct lr_map *map, uint64_t published)
{
	return published > map->order_count ? published - map->order_count + 1 : 1;
}

/* R3. 0: a frame that may be taken; -ENOENT: none, or being written; -EBADMSG. */
static int look_at_slot(struct lumaring *l, uint32_t slot, uint64_t *ret_sequence)
{
	const uint64_t word = lr_map_word(l->map, slot);
	const unsigned state = lumaring_word_state(word);

	if (state == LUMARING_STATE_WRITING)
		return -ENOENT;
	if (state > LUMARING_STATE_RETIRING || lumaring_word_sequence(word) == 0)
		return lr_text_fail(&l->error, -EBADMSG,
				    "frame descriptor: word of slot %" PRIu32 " at byte 0 is 0x%" PRIx64
				    ", which is no sequence and state",
				    slot, word);
	*ret_sequence = lumaring_word_sequence(word);
	return 0;
}

/* R2 to R6 for one publication. -ENOENT: gone. */
static int take_publication(struct lumaring *l, uint64_t publication, struct lr_frame **ret_frame)
{
	const struct lr_origin from = origin(l);
	const uint64_t entry = lr_map_order_entry(l->map, publication);
	const uint32_t slot = (uint32_t)(entry & 0xffff);
	uint64_t sequence = 0;
	int r;

	if (entry >> 16 != publication)
		return -ENOENT;
	if (slot >= l->map->slot_count)
		return lr_text_fail(&l->error, -EBADMSG,
				    "order table: publication %" PRIu64 " is in slot %" PRIu32 " of %" PRIu32,
				    publication, slot, l->map->slot_count);
	r = look_at_slot(l, slot, &sequence);
	if (r < 0)
		return r;
	return lr_frame_take(&l->store, &from, slot, sequence, publication, ret_frame, &l->error);
}

/* Fill in what lies between two frames. -EBADMSG, nothing changed: numbers that only rise fell. */
static int count_missed(struct lumaring *l, const struct lr_account *before, struct lr_frame *f)
{
	struct lumaring_frame *frame = &f->frame;

	if (!before->valid)
		return 0;
	if (frame->sequence <= before->sequence)
		return lr_text_fail(&l->error, -EBADMSG,
				    "frame descriptor: sequence %" PRIu64 " of publication %" PRIu64
				    " follows %" PRIu64,
				    frame->sequence, frame->publication, before->sequence);
	for (unsigned c = 0; c < LUMARING_LOST_CAUSES; c++)
		if (f->lost[c] < before->lost[c])
			return lr_text_fail(&l->error, -EBADMSG,
					    "frame descriptor: lost[%u] at byte %zu fell from %" PRIu64 " to %" PRIu64,
					    c, offsetof(struct lumaring_descriptor, lost) + c * sizeof(uint64_t),
					    before->lost[c], f->lost[c]);
	frame->missed = frame->sequence - before->sequence - 1;
	frame->missed_by[LUMARING_MISSED_SKIPPED] = frame->publication - before->publication - 1;
	for (unsigned c = 0; c < LUMARING_LOST_CAUSES; c++)
		frame->missed_by[c] = f->lost[c] - before->lost[c];
	return 0;
}

static void set_account(struct lr_account *account, const struct lr_frame *f)
{
	account->valid = true;
	account->sequence = f->frame.sequence;
	account->publication = f->frame.publication;
	memcpy(account->lost, f->lost, sizeof(account->lost));
}

/* The oldest frame after the position. -ENOENT: none, and the position is where the ring is. */
static int find_next(struct lumaring *l, uint64_t published, struct lr_frame **ret_frame)
{
	uint64_t p = l->position.publication + 1;
	const uint64_t oldest = oldest_publication(l->map, published);

	for (p = p < oldest ? oldest : p; p <= published; p++) {
		int r = take_publication(l, p, ret_frame);

		if (r != -ENOENT)
			return r;
		l->position.publication = p;
	}
	return -ENOENT;
}

/* The newest frame, if it is after the position. */
static int find_newest(struct lumaring *l, uint64_t published, struct lr_frame **ret_frame)
{
	int r = -ENOENT;

	for (int tries = 0; tries < NEWEST_TRIES && r == -ENOENT && published > l->position.publication; tries++) {
		r = take_publication(l, published, ret_frame);
		if (r == -ENOENT) {
			int failed = newest_publication(l, &published);

			if (failed < 0)
				return failed;
		}
	}
	return r;
}

/* The frame behind the last event, if it is still what this call would return. */
static struct lr_frame *find_waiting(struct lumaring *l, bool newest, uint64_t published)
{
	struct lr_frame *f = l->position.waiting;

	if (!f)
		return NULL;
	if (newest ? f->frame.publication == published : !l->position.waiting_newest) {
		l->position.waiting = NULL;
		return f;
	}
	lr_reader_forget(l);
	return NULL;
}

static int find(struct lumaring *l, bool newest, struct lr_frame **ret_frame)
{
	uint64_t published = 0;
	int r = newest_publication(l, &published);

	if (r < 0)
		return r;
	*ret_frame = find_waiting(l, newest, published);
	if (*ret_frame)
		return 0;
	return newest ? find_newest(l, published, ret_frame) : find_next(l, published, ret_frame);
}

/* Hand a frame out, or announce that it looks different from the one before. */
static int offer(struct lumaring *l, struct lr_frame *f, bool newest, const struct lumaring_frame **ret_frame)
{
	struct lr_position *at = &l->position;
	int r;

	if (at->generation_known && f->frame.generation != at->generation) {
		at->generation = f->frame.generation;
		at->waiting = f;
		at->waiting_newest = newest;
		return LUMARING_EVENT_GEOMETRY;
	}
	r = count_missed(l, &at->account, f);
	if (r < 0) {
		lr_frame_put(&l->store, f);
		return r;
	}
	set_account(&at->account, f);
	at->publication = f->frame.publication;
	at->generation_known = true;
	at->generation = f->frame.generation;
	f->held = true;
	l->store.held++;
	if (l->page)
		lr_page_count(l->page, f->frame.missed, !f->frame.pinned && l->settings.cursors > 0,
			      f->frame.publication);
	*ret_frame = &f->frame;
	return 0;
}

/* The accounts go on in the new ring; how its frames look is told by the event. */
static int use_next_map(struct lumaring *l)
{
	lr_map_unref(l->map);
	l->map = l->map_next;
	l->map_next = NULL;
	lr_store_trim(&l->store);
	l->position.generation_known = false;
	l->position.closed_reported = false;
	return LUMARING_EVENT_REPLACED;
}

/* Nothing is left in the ring: what became of it? A ring that says REPLACED waits for the message with the new one. */
static int report(struct lumaring *l, uint32_t state)
{
	struct lr_position *at = &l->position;

	if (l->map_next)
		return use_next_map(l);
	if (state == LUMARING_RING_CLOSED && !at->closed_reported) {
		at->closed_reported = true;
		return LUMARING_EVENT_CLOSED;
	}
	if (state == LUMARING_RING_SOURCE_LOST && !at->lost_reported) {
		at->lost_reported = true;
		return LUMARING_EVENT_SOURCE_LOST;
	}
	if (l->connection.state != LR_UP && !at->gone_reported) {
		at->gone_reported = true;
		return at->closed_reported ? -EAGAIN : LUMARING_EVENT_DISCONNECTED;
	}
	return -EAGAIN;
}

int lr_reader_look(struct lumaring *l, bool newest, const struct lumaring_frame **ret_frame)
{
	struct lr_frame *f;
	uint32_t state;
	int r;

	if (!l->map)
		return -EAGAIN;
	/* The state before the frames: a ring that is closed now gets no frame after those that are looked at below. */
	state = lr_map_state(l->map);
	if (l->position.lost_reported && state == LUMARING_RING_LIVE) {
		l->position.lost_reported = false;
		return LUMARING_EVENT_SOURCE_BACK;
	}
	r = find(l, newest, &f);
	if (r == 0)
		return offer(l, f, newest, ret_frame);
	return r == -ENOENT ? report(l, state) : r;
}

int lr_reader_exact(struct lumaring *l, uint64_t sequence, const struct lumaring_frame **ret_frame)
{
	const struct lr_origin from = origin(l);

	for (uint32_t slot = 0; slot < l->map->slot_count; slot++) {
		struct lr_frame *f;
		uint64_t found = 0;
		int r = look_at_slot(l, slot, &found);

		if (r == 0 && found == sequence)
			r = lr_frame_take(&l->store, &from, slot, sequence, 0, &f, &l->error);
		else if (r == 0)
			r = -ENOENT;
		if (r == 0) {
			f->held = true;
			l->store.held++;
			*ret_frame = &f->frame;
			return 0;
		}
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

/* Take up to `count` frames, the newest first, as a list with the oldest in front. */
static int take_last(struct lumaring *l, unsigned count, struct lr_frame **list, unsigned *taken)
{
	uint64_t published = 0;
	int r = newest_publication(l, &published);

	if (r < 0)
		return r;
	for (uint64_t p = published; p >= oldest_publication(l->map, published) && *taken < count; p--) {
		struct lr_frame *f;

		r = take_publication(l, p, &f);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		f->next = *list;
		*list = f;
		(*taken)++;
	}
	return 0;
}

/* What was missed is counted from frame to frame of the list. */
static int count_missed_between(struct lumaring *l, struct lr_frame *list)
{
	struct lr_account before = { .valid = false };

	for (struct lr_frame *f = list; f; f = f->next) {
		int r = count_missed(l, &before, f);

		if (r < 0)
			return r;
		set_account(&before, f);
	}
	return 0;
}

int lr_reader_last(struct lumaring *l, unsigned count, const struct lumaring_frame **ret_frames, unsigned *ret_count)
{
	struct lr_frame *list = NULL;
	unsigned taken = 0;
	int r = take_last(l, count, &list, &taken);

	if (r == 0)
		r = count_missed_between(l, list);
	if (r == 0)
		*ret_count = taken;
	while (list) {
		struct lr_frame *f = list;

		list = f->next;
		if (r < 0) {
			lr_frame_put(&l->store, f);
			continue;
		}
		f->next = NULL;
		f->held = true;
		l->store.held++;
		*ret_frames++ = &f->frame;
	}
	return r;
}
