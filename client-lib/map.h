/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.h - a ring as this process sees it: mapped read-only, checked once as a file that somebody hostile could have
 * written. What was checked is kept here and never read from shared memory again; only the atomic fields are.
 */
#ifndef LUMARING_CLIENT_MAP_H
#define LUMARING_CLIENT_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include <lumaring/layout.h>

#include "text.h"

/* More entries would only make a lapped reader look at more of what is gone. */
#define LR_MAP_ORDER_MAX (UINT32_C(1) << 20)

/* A publication's number has this many bits in the order table. */
#define LR_MAP_PUBLICATION_BITS 48

struct lr_map {
	unsigned references; /* the handle's, and one for each frame held in place */
	const uint8_t *base;
	uint64_t bytes;
	uint64_t epoch;
	uint8_t boot_id[16];
	uint64_t descriptors_offset, order_offset, slots_offset, slot_bytes;
	uint32_t descriptor_bytes, slot_count, order_count;
	uint32_t width_max, height_max;
};

/* What the message that brought the ring said of it. */
struct lr_map_claim {
	uint64_t epoch, ring_bytes;
	const char *stream;
};

/*
 * Map the ring behind `fd`, which stays the caller's. -EBADMSG: it makes no sense; -EPROTONOSUPPORT: a layout this
 * library cannot read; -ENOMEM.
 */
int lr_map_open(int fd, const struct lr_map_claim *claim, struct lr_map **ret_map, struct lr_error *error);

struct lr_map *lr_map_ref(struct lr_map *map);
void lr_map_unref(struct lr_map *map); /* NULL is allowed */

static inline const struct lumaring_header *lr_map_header(const struct lr_map *map)
{
	return (const struct lumaring_header *)map->base;
}

/* The caller has checked the slot against slot_count, here and below. */
static inline const struct lumaring_descriptor *lr_map_descriptor(const struct lr_map *map, uint32_t slot)
{
	return (const void *)(map->base + map->descriptors_offset + (uint64_t)slot * map->descriptor_bytes);
}

static inline const uint8_t *lr_map_pixels(const struct lr_map *map, uint32_t slot)
{
	return map->base + map->slots_offset + slot * map->slot_bytes;
}

static inline uint64_t lr_map_published(const struct lr_map *map)
{
	/* R1 pairs with W8 in daemon/ring/ring.c: the entry and the slot's word before the number that leads there. */
	return __atomic_load_n(&lr_map_header(map)->published, __ATOMIC_ACQUIRE);
}

static inline uint64_t lr_map_order_entry(const struct lr_map *map, uint64_t publication)
{
	const uint64_t *order = (const void *)(map->base + map->order_offset);

	/* R2 pairs with W8 in daemon/ring/ring.c: the slot's word before the entry. */
	return __atomic_load_n(&order[publication % map->order_count], __ATOMIC_ACQUIRE);
}

static inline uint64_t lr_map_word(const struct lr_map *map, uint32_t slot)
{
	/* R3 pairs with W7 in daemon/ring/ring.c: descriptor and pixels before the word. */
	return __atomic_load_n(&lr_map_descriptor(map, slot)->word, __ATOMIC_ACQUIRE);
}

static inline uint32_t lr_map_state(const struct lr_map *map)
{
	/* Pairs with ring_set_state() in daemon/ring/ring.c: once a final state is seen, the last publication is
	 * seen by a later R1, so that a ring can be drained. */
	return __atomic_load_n(&lr_map_header(map)->state, __ATOMIC_ACQUIRE);
}

#endif
