/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.c - the writer of a ring: takes a slot that no client has pinned, publishes it, keeps the ledger.
 *
 * The capture thread runs ring_take() to ring_count_lost(); it never waits for a client, allocates nothing and loops
 * over nothing but slots and granted cursors. What a client can write (its cursors) is compared with sequences and used
 * for nothing else. Everything else the writer needs it keeps in its own memory.
 *
 * W1..W8 are the steps the reader's R1..R6 in layout.h pair with:
 *   W1  read each granted cursor, to prefer slots that none of them names
 *   W2  set granted + 1 candidates to RETIRING, or all but the newest if there are fewer
 *   W3  read each granted cursor once more: a candidate that one of them names is not taken
 *   W4  take the oldest of the others: WRITING with the new sequence, then a release fence
 *   W5  set the rest back to LIVE
 *   W6  the pixels and the descriptor
 *   W7  LIVE
 *   W8  the order entry, then published
 * Why it always succeeds: each cursor is read once in W3 and so names at most one candidate, and there is one candidate
 * more than there are cursors. Why a pin holds: its owner stored the cursor, then read LIVE. All of these accesses are
 * sequentially consistent, so either W3 sees the cursor, or the owner's read comes after W2 and does not see LIVE of
 * this round.
 */
#include "ring/ring.h"
#include "ring/private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

/* --- slots by age --- */

static void age_remove(struct ring *ring, uint32_t slot)
{
	ring->age[ring->age[slot].previous].next = ring->age[slot].next;
	ring->age[ring->age[slot].next].previous = ring->age[slot].previous;
}

static void age_append_newest(struct ring *ring, uint32_t slot)
{
	uint32_t end = ring->shape.slot_count, newest = ring->age[end].previous;

	ring->age[slot] = (struct ring_age){ .next = end, .previous = newest };
	ring->age[newest].next = slot;
	ring->age[end].previous = slot;
}

static uint32_t age_oldest(const struct ring *ring)
{
	return ring->age[ring->shape.slot_count].next;
}

static void age_init(struct ring *ring)
{
	uint32_t end = ring->shape.slot_count;

	ring->age[end] = (struct ring_age){ .next = end, .previous = end };
	for (uint32_t slot = 0; slot < end; slot++)
		age_append_newest(ring, slot);
}

/* --- making and unmaking --- */

uint32_t ring_stride(uint32_t width, uint32_t bytes_per_pixel)
{
	return (width * bytes_per_pixel + 63u) / 64u * 64u;
}

static void header_fill(struct ring *ring, const struct ring_config *config)
{
	struct lumaring_header *h = ring->header;

	h->magic = LUMARING_MAGIC;
	h->layout_version = LUMARING_LAYOUT_VERSION;
	h->reader_version_min = LUMARING_LAYOUT_READER_MIN;
	h->header_bytes = sizeof(*h);
	h->descriptor_bytes = sizeof(struct lumaring_descriptor);
	h->object_bytes = ring->shape.object_bytes;
	h->epoch = ring->epoch;
	boot_id_read(h->boot_id);
	h->descriptors_offset = ring->shape.descriptors_offset;
	h->order_offset = ring->shape.order_offset;
	h->slots_offset = ring->shape.slots_offset;
	h->slot_bytes = ring->shape.slot_bytes;
	h->slot_count = ring->shape.slot_count;
	h->order_count = ring->shape.order_count;
	h->width_max = ring->width_max;
	h->height_max = ring->height_max;
	h->writer_pid = (uint32_t)getpid();
	h->writer_start = process_start_ticks(getpid());
	memcpy(h->camera, config->camera, strnlen(config->camera, sizeof(h->camera)));
	memcpy(h->stream, config->stream, strnlen(config->stream, sizeof(h->stream)));
}

static int allocate_lists(struct ring *ring)
{
	size_t n = ring->shape.slot_count;

	ring->age = calloc(n + 1, sizeof(*ring->age));
	ring->named_sequences = calloc(n, sizeof(*ring->named_sequences));
	ring->candidates = calloc(n, sizeof(*ring->candidates));
	if (!ring->age || !ring->named_sequences || !ring->candidates)
		return -ENOMEM;
	age_init(ring);
	return 0;
}

int ring_create(const struct ring_config *config, struct ring **ret_ring, char *text, size_t text_bytes)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int r = ring ? 0 : -ENOMEM;

	if (!ring)
		return snprintf(text, text_bytes, "no memory for a ring"), r;
	ring->fd = -1;
	ring->width_max = config->width_max;
	ring->height_max = config->height_max;
	ring->bytes_per_pixel = config->bytes_per_pixel;
	if (!ring_shape_compute(config, &ring->shape)) {
		snprintf(text, text_bytes,
			 "a ring of %u slots for %ux%u pixels is out of range: %u to %u slots, each side 1 to %u",
			 config->slot_count, config->width_max, config->height_max, LUMARING_SLOTS_MIN,
			 LUMARING_SLOTS_MAX, LUMARING_EXTENT_MAX);
		r = -EINVAL;
	} else if (config->bytes_max && ring->shape.object_bytes > config->bytes_max) {
		snprintf(text, text_bytes,
			 "the ring of stream %s needs %llu bytes for %u slots, more than the allowed %llu: use fewer "
			 "slots or allow more (--slots, --ring-bytes)",
			 config->stream, (unsigned long long)ring->shape.object_bytes, config->slot_count,
			 (unsigned long long)config->bytes_max);
		r = -EDQUOT;
	} else if ((r = allocate_lists(ring)) < 0) {
		snprintf(text, text_bytes, "no memory for a ring of %u slots", config->slot_count);
	} else if ((r = ring_object_create(ring, config, text, text_bytes)) == 0) {
		header_fill(ring, config);
		*ret_ring = ring;
		return 0;
	}
	ring_destroy(ring);
	return r;
}

void ring_destroy(struct ring *ring)
{
	if (!ring)
		return;
	ring_object_destroy(ring);
	free(ring->age);
	free(ring->named_sequences);
	free(ring->candidates);
	free(ring);
}

/* --- taking a slot --- */

/* The sequences that cursors name now; a cursor of 0 names none. */
static uint32_t scan_cursors(struct ring *ring, const uint64_t *const *cursors, uint32_t cursor_count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cursor_count; i++) {
		/* W3 pairs with R4 (a pin stored before is seen) and R5 (its reads are over before W6). */
		uint64_t sequence = __atomic_load_n(cursors[i], __ATOMIC_SEQ_CST);

		if (sequence)
			ring->named_sequences[n++] = sequence;
	}
	return n;
}

static bool is_named(const struct ring *ring, uint32_t named_count, uint64_t sequence)
{
	for (uint32_t i = 0; i < named_count; i++)
		if (ring->named_sequences[i] == sequence)
			return true;
	return false;
}

static uint64_t slot_word(const struct ring *ring, uint32_t slot)
{
	/* Only this thread stores words while the ring is in use: relaxed. */
	return __atomic_load_n(&ring_descriptor(ring, slot)->word, __ATOMIC_RELAXED);
}

/* Oldest first, those that no cursor names before the others; never the newest frame. */
static uint32_t choose_candidates(struct ring *ring, uint32_t wanted, uint32_t named_count)
{
	uint32_t end = ring->shape.slot_count, newest = ring->age[end].previous;
	uint32_t n = 0;

	for (int pinned = 0; pinned <= 1; pinned++)
		for (uint32_t slot = age_oldest(ring); slot != newest && n < wanted; slot = ring->age[slot].next) {
			uint64_t sequence = lumaring_word_sequence(slot_word(ring, slot));

			if (is_named(ring, named_count, sequence) == (pinned == 1))
				ring->candidates[n++] = slot;
		}
	return n;
}

static void set_candidates(struct ring *ring, uint32_t candidate_count, unsigned state)
{
	for (uint32_t i = 0; i < candidate_count; i++) {
		uint64_t *word = &ring_descriptor(ring, ring->candidates[i])->word;
		uint64_t sequence = lumaring_word_sequence(slot_word(ring, ring->candidates[i]));

		/* W2 and W5 pair with R4 in client-lib/reader.c: in one order with its cursor store and word load. */
		__atomic_store_n(word, lumaring_word(sequence, state), __ATOMIC_SEQ_CST);
	}
}

static void mark_writing(struct ring *ring, uint32_t slot, uint64_t sequence)
{
	/* W4 pairs with R6 in client-lib/reader.c: whoever reads a byte of W6 finds this word afterwards. */
	__atomic_store_n(&ring_descriptor(ring, slot)->word, lumaring_word(sequence, LUMARING_STATE_WRITING),
			 __ATOMIC_SEQ_CST);
#ifndef __SANITIZE_THREAD__ /* gcc warns there, as ThreadSanitizer knows no fences; every W6 store is atomic then */
	__atomic_thread_fence(__ATOMIC_RELEASE);
#endif
	ring->taken = true;
}

int ring_take(struct ring *ring, uint64_t sequence, const uint64_t *const *cursors, uint32_t cursor_count,
	      uint32_t *ret_slot)
{
	uint32_t slot = age_oldest(ring), named_count, candidate_count, taken;

	assert(!ring->taken);
	if (cursor_count > ring_cursors_max(ring->shape.slot_count))
		return -EINVAL;
	if (lumaring_word_state(slot_word(ring, slot)) == LUMARING_STATE_WRITING) {
		/* Never written: no pin can be on it. */
		mark_writing(ring, slot, sequence);
		*ret_slot = slot;
		return 0;
	}
	candidate_count = choose_candidates(ring, cursor_count + 1, scan_cursors(ring, cursors, cursor_count));
	set_candidates(ring, candidate_count, LUMARING_STATE_RETIRING);
	named_count = scan_cursors(ring, cursors, cursor_count);
	for (taken = 0; taken < candidate_count; taken++)
		if (!is_named(ring, named_count, lumaring_word_sequence(slot_word(ring, ring->candidates[taken]))))
			break;
	if (taken < candidate_count) {
		slot = ring->candidates[taken];
		ring->candidates[taken] = ring->candidates[--candidate_count];
		mark_writing(ring, slot, sequence);
		*ret_slot = slot;
		taken = UINT32_MAX;
	}
	set_candidates(ring, candidate_count, LUMARING_STATE_LIVE);
	return taken == UINT32_MAX ? 0 : -ENOBUFS;
}

static void set_lost(struct ring *ring, unsigned cause, uint64_t count)
{
	ring->account.lost[cause] = count;
	/* For people who look between frames; each descriptor has its own copy: relaxed. */
	__atomic_store_n(&ring->header->lost[cause], count, __ATOMIC_RELAXED);
}

void ring_carry(struct ring *ring, const struct ring *previous)
{
	ring->account.sequence_first = previous->account.sequence_first;
	ring->header->sequence_first = previous->account.sequence_first;
	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
		set_lost(ring, cause, previous->account.lost[cause]);
	/* W9, as in ring_publish(). */
	__atomic_store_n(&ring->account.published, previous->account.published, __ATOMIC_RELEASE);
}

void ring_begin(struct ring *ring, uint64_t sequence)
{
	if (ring->account.sequence_first)
		return;
	ring->account.sequence_first = sequence;
	ring->header->sequence_first = sequence; /* before any client was handed the ring */
}

uint8_t *ring_pixels(const struct ring *ring, uint32_t slot)
{
	return ring->base + ring->shape.slots_offset + slot * ring->shape.slot_bytes;
}

/* --- publishing --- */

static void count_generation(struct ring *ring, const struct lumaring_descriptor *d)
{
	if (ring->width == d->width && ring->height == d->height && ring->stride == d->stride &&
	    ring->fourcc == d->fourcc)
		return;
	ring->width = d->width;
	ring->height = d->height;
	ring->stride = d->stride;
	ring->fourcc = d->fourcc;
	ring->generation++;
	/* Announces only; what counts is in each descriptor: relaxed. */
	__atomic_store_n(&ring->header->generation, ring->generation, __ATOMIC_RELAXED);
}

/* W6: everything but the word, in 64-bit stores that a reader may race with and then throws away. */
static void store_descriptor(struct ring *ring, uint32_t slot, const struct lumaring_descriptor *d)
{
	uint64_t *to = (uint64_t *)ring_descriptor(ring, slot);
	uint64_t words[sizeof(*d) / sizeof(uint64_t)];

	memcpy(words, d, sizeof(words));
	for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++)
		__atomic_store_n(&to[i], words[i], __ATOMIC_RELAXED);
}

void ring_publish(struct ring *ring, uint32_t slot, uint64_t sequence, struct lumaring_descriptor *descriptor)
{
	uint64_t *order = (uint64_t *)(ring->base + ring->shape.order_offset);
	uint64_t publication = ring->account.published + 1;

	ring->taken = false;
	count_generation(ring, descriptor);
	descriptor->word = lumaring_word(sequence, LUMARING_STATE_LIVE);
	descriptor->publication = publication;
	descriptor->generation = ring->generation;
	memcpy(descriptor->lost, ring->account.lost, sizeof(descriptor->lost));
	descriptor->publish_ns = clock_monotonic_ns();
	store_descriptor(ring, slot, descriptor);
	/* W7 pairs with R3 and R4: the pixels and the descriptor before the word. */
	__atomic_store_n(&ring_descriptor(ring, slot)->word, descriptor->word, __ATOMIC_SEQ_CST);
	/* W8 pairs with R2 and R1: the word before the entry, the entry before the number. */
	__atomic_store_n(&order[publication % ring->shape.order_count], lumaring_order_entry(publication, slot),
			 __ATOMIC_RELEASE);
	/* Also in one order with send_notice()'s look at `listening`, see there. */
	__atomic_store_n(&ring->header->published, publication, __ATOMIC_SEQ_CST);
	/* W9 pairs with ring_published(): a WELCOME never says a number that the header does not show yet. */
	__atomic_store_n(&ring->account.published, publication, __ATOMIC_RELEASE);
	age_remove(ring, slot);
	age_append_newest(ring, slot);
}

void ring_count_lost(struct ring *ring, enum lumaring_lost cause, uint64_t count)
{
	set_lost(ring, cause, ring->account.lost[cause] + count);
}

/* --- state and facts --- */

void ring_set_state(struct ring *ring, enum lumaring_ring_state state)
{
	/* Pairs with the library's look at the state: every publication before "closed" is seen with it. */
	__atomic_store_n(&ring->header->state, (uint32_t)state, __ATOMIC_SEQ_CST);
}

enum lumaring_ring_state ring_state(const struct ring *ring)
{
	/* The daemon's own view of what it stored itself: relaxed. */
	return (enum lumaring_ring_state)__atomic_load_n(&ring->header->state, __ATOMIC_RELAXED);
}

uint32_t ring_generation(const struct ring *ring)
{
	/* As ring_state(): relaxed. */
	return __atomic_load_n(&ring->header->generation, __ATOMIC_RELAXED);
}

void ring_set_source(struct ring *ring, enum lumaring_luma_range range, enum lumaring_clock clock)
{
	/* Facts about the frames from the next generation of the source on, for people: relaxed. */
	__atomic_store_n(&ring->header->luma_range, (uint32_t)range, __ATOMIC_RELAXED);
	ring_set_clock(ring, clock);
}

void ring_set_clock(struct ring *ring, enum lumaring_clock clock)
{
	/* As ring_set_source(): relaxed. */
	__atomic_store_n(&ring->header->sensor_clock, (uint32_t)clock, __ATOMIC_RELAXED);
}

int ring_fd(const struct ring *ring)
{
	return ring->fd;
}

uint64_t ring_epoch(const struct ring *ring)
{
	return ring->epoch;
}

uint64_t ring_bytes(const struct ring *ring)
{
	return ring->shape.object_bytes;
}

uint64_t ring_slot_bytes(const struct ring *ring)
{
	return ring->shape.slot_bytes;
}

uint32_t ring_slot_count(const struct ring *ring)
{
	return ring->shape.slot_count;
}

uint32_t ring_width_max(const struct ring *ring)
{
	return ring->width_max;
}

uint32_t ring_height_max(const struct ring *ring)
{
	return ring->height_max;
}

uint32_t ring_bytes_per_pixel(const struct ring *ring)
{
	return ring->bytes_per_pixel;
}

uint64_t ring_published(const struct ring *ring)
{
	/* Pairs with W9 in ring_publish(). */
	return __atomic_load_n(&ring->account.published, __ATOMIC_ACQUIRE);
}

uint64_t ring_lost(const struct ring *ring, enum lumaring_lost cause)
{
	/* Pairs with ring_count_lost(): each cause stands alone, relaxed. */
	return __atomic_load_n(&ring->header->lost[cause], __ATOMIC_RELAXED);
}

struct ring_account ring_account(const struct ring *ring)
{
	return ring->account;
}
