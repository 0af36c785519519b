/* SPDX-License-Identifier: BSD-2-Clause */
/* private.h - what ring.c (the writer) and object.c (the shared-memory object) share; nobody else includes it. */
#ifndef LUMARING_RING_PRIVATE_H
#define LUMARING_RING_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/ring.h"

#define RING_NAME_BYTES (sizeof("/lumaring...18446744073709551615") + 2 * LUMARING_NAME_MAX)

/* The shape of an object, computed once from a configuration; the writer never reads it back from shared memory. */
struct ring_shape {
	uint64_t descriptors_offset, order_offset, slots_offset, slot_bytes, object_bytes;
	uint32_t slot_count, order_count;
};

/* The slots by age, oldest first: a list in the writer's own memory, so that no client can disturb it. */
struct ring_age {
	uint32_t next, previous;
};

struct ring {
	struct lumaring_header *header;
	uint8_t *base; /* the same, as bytes */
	struct ring_shape shape;
	int fd; /* read-only */
	bool named;
	char name[RING_NAME_BYTES];
	uint64_t epoch;
	uint32_t width_max, height_max, bytes_per_pixel;

	struct ring_account account; /* .published is stored atomically: main reads it */
	uint32_t generation;
	uint32_t width, height, stride, fourcc; /* of the newest frame, 0 before the first */

	bool taken;                /* between ring_take() and ring_publish() */
	struct ring_age *age;      /* slot_count entries and one for the ends of the list, at index slot_count */
	uint64_t *named_sequences; /* what the cursors said: slot_count entries */
	uint32_t *candidates;      /* slot_count entries */
};

/* False when the configuration is out of range or overflows. */
bool ring_shape_compute(const struct ring_config *config, struct ring_shape *ret_shape);

/*
 * Make the object with all of its memory: map it at ring->base and fill ring->fd, name and epoch. Errors and text as
 * ring_create().
 */
int ring_object_create(struct ring *ring, const struct ring_config *config, char *text, size_t text_bytes);
void ring_object_destroy(struct ring *ring);

static inline struct lumaring_descriptor *ring_descriptor(const struct ring *ring, uint32_t slot)
{
	return (struct lumaring_descriptor *)(ring->base + ring->shape.descriptors_offset) + slot;
}

#endif
