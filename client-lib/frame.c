/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.c - see frame.h: steps R4 to R6 of layout.h. Runs in the caller's thread, once per frame. Must never hand out a
 * frame that was neither pinned by a validated cursor nor verified after its copy, must never write to the ring, and
 * never waits for the writer more than a bounded number of looks.
 */
#include "frame.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(descriptor, field) #field, offsetof(struct lumaring_descriptor, field), (descriptor)->field

/* How often a pin looks again while the writer is at the cursors: first on the spot, then behind other threads. */
#define LOOKS_SPINNING 1000
#define LOOKS_YIELDING 100

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

/*
 * A copy may race with the writer: it is verified afterwards. ThreadSanitizer must see atomic loads for that, and as it
 * knows no fences, each of them is an acquire load there instead of relaxed ones before a fence.
 */
#ifdef UNDER_TSAN
#define COPY_ORDER __ATOMIC_ACQUIRE
#else
#define COPY_ORDER __ATOMIC_RELAXED
#endif

static inline void fence_after_copy(void)
{
#ifndef UNDER_TSAN
	/* R6 pairs with W4 in daemon/ring/ring.c: if the copy saw anything of a newer frame, the load of the word
	 * after this fence sees that the slot was taken. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void copy_words(uint64_t *target, const uint64_t *words, size_t count)
{
	/* R6: relaxed before a fence, or acquire; see COPY_ORDER. */
	for (size_t i = 0; i < count; i++)
		target[i] = __atomic_load_n(&words[i], COPY_ORDER);
}

static void copy_descriptor(struct lumaring_descriptor *target, const struct lr_map *map, uint32_t slot)
{
	copy_words((uint64_t *)target, (const uint64_t *)lr_map_descriptor(map, slot), sizeof(*target) / 8);
}

static void copy_pixels(uint8_t *target, const uint8_t *pixels, size_t bytes)
{
#ifdef UNDER_TSAN
	const size_t words = bytes / 8;

	copy_words((uint64_t *)(void *)target, (const uint64_t *)(const void *)pixels, words);
	for (size_t i = words * 8; i < bytes; i++)
		target[i] = __atomic_load_n(&pixels[i], COPY_ORDER); /* R6 as in copy_words() */
#else
	memcpy(target, pixels, bytes);
#endif
}

/* The slot still holds the frame that everything read before this call belongs to. */
static bool still_there(const struct lr_map *map, uint32_t slot, uint64_t sequence)
{
	uint64_t word;

	fence_after_copy();
	/* R6: ordered after the copy by the fence. */
	word = __atomic_load_n(&lr_map_descriptor(map, slot)->word, __ATOMIC_RELAXED);
	return word == lumaring_word(sequence, LUMARING_STATE_LIVE) ||
	       word == lumaring_word(sequence, LUMARING_STATE_RETIRING);
}

static void unpin(uint64_t *cursor)
{
	/* R5 pairs with W3 in daemon/ring/ring.c: all reads of the pixels are over before the slot is free. */
	__atomic_store_n(cursor, 0, __ATOMIC_RELEASE);
}

/* R4. 0: pinned. -ENOENT: gone. -EBUSY: the writer has been at the cursors for too long, which says nothing. */
static int pin(uint64_t *cursor, const uint64_t *word, uint64_t sequence)
{
	int r = -EBUSY;

	/* R4 pairs with W2 and W3 in daemon/ring/ring.c: either the writer's scan sees this cursor, or the load below
	 * sees RETIRING or what came after it. */
	__atomic_store_n(cursor, sequence, __ATOMIC_SEQ_CST);
	for (int looks = 0; looks < LOOKS_SPINNING + LOOKS_YIELDING; looks++) {
		uint64_t now = __atomic_load_n(word, __ATOMIC_SEQ_CST); /* R4 as above, with W5 */

		if (now == lumaring_word(sequence, LUMARING_STATE_LIVE))
			return 0;
		if (now != lumaring_word(sequence, LUMARING_STATE_RETIRING)) {
			r = -ENOENT;
			break;
		}
		if (looks < LOOKS_SPINNING)
			pause_briefly();
		else
			sched_yield();
	}
	unpin(cursor);
	return r;
}

static int check_descriptor(const struct lr_map *map, const struct lumaring_descriptor *d, uint32_t slot,
			    struct lr_error *error)
{
	const uint32_t pixel_bytes = d->fourcc == LUMARING_FORMAT_R16 ? 2 : 1;
	const uint64_t width = (uint64_t)d->width * d->bin, height = (uint64_t)d->height * d->bin;
	const struct lr_field fields[] = {
		{ FIELD(d, width), 1, map->width_max, 0 },
		{ FIELD(d, height), 1, map->height_max, 0 },
		{ FIELD(d, stride), (uint64_t)d->width * pixel_bytes, map->slot_bytes / (d->height ? d->height : 1),
		  pixel_bytes },
		{ FIELD(d, bin), 1, 2, 0 },
		{ FIELD(d, region_width), width, width + d->bin - 1, 0 },
		{ FIELD(d, region_height), height, height + d->bin - 1, 0 },
		{ FIELD(d, image_width), (uint64_t)d->region_x + d->region_width, LUMARING_EXTENT_MAX, 0 },
		{ FIELD(d, image_height), (uint64_t)d->region_y + d->region_height, LUMARING_EXTENT_MAX, 0 },
	};
	int r;

	r = lr_text_check(fields, sizeof(fields) / sizeof(fields[0]), "frame descriptor", error);
	if (r == 0 && d->fourcc != LUMARING_FORMAT_R8 && d->fourcc != LUMARING_FORMAT_R16)
		r = lr_text_fail(error, -EBADMSG,
				 "frame descriptor: fourcc at byte %zu is 0x%08x, accepted: \"R8  \" or \"R16 \"",
				 offsetof(struct lumaring_descriptor, fourcc), d->fourcc);
	if (r < 0)
		snprintf(error->text + strlen(error->text), sizeof(error->text) - strlen(error->text),
			 " (slot %u of epoch %llu)", slot, (unsigned long long)map->epoch);
	return r;
}

static void fill(struct lr_frame *f, const struct lr_map *map, const struct lumaring_descriptor *d, uint64_t sequence,
		 const uint8_t *pixels, bool pinned)
{
	f->frame = (struct lumaring_frame){
		.pixels = pixels,
		.width = d->width,
		.height = d->height,
		.stride = d->stride,
		.fourcc = d->fourcc,
		.epoch = map->epoch,
		.sequence = sequence,
		.publication = d->publication,
		.camera_sequence = d->camera_sequence,
		.sensor_ns = d->sensor_ns,
		.ready_ns = d->ready_ns,
		.publish_ns = d->publish_ns,
		.region = { d->region_x, d->region_y, d->region_width, d->region_height },
		.image_width = d->image_width,
		.image_height = d->image_height,
		.bin = d->bin,
		.generation = d->generation,
		.frame_duration_us = d->frame_duration_us,
		.exposure_us = d->exposure_us,
		.analogue_gain_milli = d->analogue_gain_milli,
		.pinned = pinned,
	};
	memcpy(f->lost, d->lost, sizeof(f->lost));
}

/* As lr_frame_take(); -EBUSY: no cursor is free, or the word said RETIRING all the time. */
static int take_pinned(struct lr_frame *f, const struct lr_origin *from, uint32_t slot, uint64_t sequence,
		       uint64_t publication, struct lr_error *error)
{
	struct lumaring_descriptor d;
	int cursor = lr_page_take_cursor(from->page);
	int r;

	if (cursor < 0)
		return -EBUSY;
	r = pin(lr_page_cursor(from->page, cursor), &lr_map_descriptor(from->map, slot)->word, sequence);
	if (r == 0) {
		copy_descriptor(&d, from->map, slot);
		if (publication > 0 && d.publication != publication)
			r = -ENOENT;
		else
			r = check_descriptor(from->map, &d, slot, error);
		if (r < 0)
			unpin(lr_page_cursor(from->page, cursor));
	}
	if (r < 0) {
		lr_page_put_cursor(from->page, cursor);
		return r;
	}
	fill(f, from->map, &d, sequence, lr_map_pixels(from->map, slot), true);
	f->map = lr_map_ref(from->map);
	f->page = lr_page_ref(from->page);
	f->slot = slot;
	f->cursor = cursor;
	return 0;
}

static struct lr_buffer *take_buffer(struct lr_store *store, uint64_t bytes)
{
	struct lr_buffer *b;

	while ((b = store->buffers)) {
		store->buffers = b->next;
		if (b->bytes >= bytes)
			return b;
		free(b); /* made for a ring with smaller slots, held until now */
	}
	if (bytes > SIZE_MAX / 2)
		return NULL;
	b = aligned_alloc(64, sizeof(*b) + bytes); /* a slot's size is a multiple of 64, and so is this header's */
	if (b)
		b->bytes = bytes;
	return b;
}

static void put_buffer(struct lr_store *store, struct lr_buffer *buffer)
{
	buffer->next = store->buffers;
	store->buffers = buffer;
}

static int take_copied(struct lr_store *store, struct lr_frame *f, const struct lr_map *map, uint32_t slot,
		       uint64_t sequence, uint64_t publication, struct lr_error *error)
{
	struct lumaring_descriptor d;
	struct lr_buffer *buffer;
	size_t bytes;
	int r;

	copy_descriptor(&d, map, slot);
	if (!still_there(map, slot, sequence) || (publication > 0 && d.publication != publication))
		return -ENOENT;
	r = check_descriptor(map, &d, slot, error);
	if (r < 0)
		return r;
	buffer = take_buffer(store, map->slot_bytes);
	if (!buffer)
		return lr_text_fail(error, -ENOMEM, "out of memory for a copy of a frame");
	bytes = (size_t)d.stride * (d.height - 1) + (size_t)d.width * (d.fourcc == LUMARING_FORMAT_R16 ? 2 : 1);
	copy_pixels(buffer->pixels, lr_map_pixels(map, slot), bytes);
	if (!still_there(map, slot, sequence)) {
		put_buffer(store, buffer);
		return -ENOENT;
	}
	fill(f, map, &d, sequence, buffer->pixels, false);
	f->buffer = buffer;
	return 0;
}

int lr_frame_take(struct lr_store *store, const struct lr_origin *from, uint32_t slot, uint64_t sequence,
		  uint64_t publication, struct lr_frame **ret_frame, struct lr_error *error)
{
	struct lr_frame *f = store->idle;
	int r = -EBUSY;

	f->map = NULL;
	f->page = NULL;
	f->buffer = NULL;
	if (from->page)
		r = take_pinned(f, from, slot, sequence, publication, error);
	if (r == -EBUSY)
		r = take_copied(store, f, from->map, slot, sequence, publication, error);
	if (r < 0)
		return r;
	store->idle = f->next;
	f->next = NULL;
	*ret_frame = f;
	return 0;
}

int lr_frame_put(struct lr_store *store, struct lr_frame *frame)
{
	int r = 0;

	if (frame->map) {
		r = still_there(frame->map, frame->slot, frame->frame.sequence) ? 0 : -ESTALE;
		unpin(lr_page_cursor(frame->page, frame->cursor));
		lr_page_put_cursor(frame->page, frame->cursor);
		lr_page_unref(frame->page);
		lr_map_unref(frame->map);
	} else {
		put_buffer(store, frame->buffer);
	}
	frame->frame.pixels = NULL;
	if (frame->held)
		store->held--;
	frame->held = false;
	frame->next = store->idle;
	store->idle = frame;
	return r;
}

int lr_store_init(struct lr_store *store, uint32_t frames_max)
{
	*store = (struct lr_store){ .frames_max = frames_max };
	store->frames = calloc((size_t)frames_max + 1, sizeof(store->frames[0]));
	if (!store->frames)
		return -ENOMEM;
	for (uint32_t i = frames_max + 1; i-- > 0;) {
		store->frames[i].next = store->idle;
		store->idle = &store->frames[i];
	}
	return 0;
}

void lr_store_trim(struct lr_store *store)
{
	while (store->buffers) {
		struct lr_buffer *b = store->buffers;

		store->buffers = b->next;
		free(b);
	}
}

void lr_store_finish(struct lr_store *store)
{
	for (uint32_t i = 0; store->frames && i <= store->frames_max; i++)
		if (store->frames[i].frame.pixels)
			lr_frame_put(store, &store->frames[i]);
	lr_store_trim(store);
	free(store->frames);
	store->frames = NULL;
}

struct lr_frame *lr_store_find(struct lr_store *store, const struct lumaring_frame *frame)
{
	const uintptr_t offset = (uintptr_t)frame - (uintptr_t)store->frames;
	struct lr_frame *f;

	if (offset % sizeof(store->frames[0]) != 0 || offset / sizeof(store->frames[0]) > store->frames_max)
		return NULL;
	f = &store->frames[offset / sizeof(store->frames[0])];
	return f->held ? f : NULL;
}
