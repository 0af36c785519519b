/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring_probe.h - what the tests of daemon/ring share: a ring and a client's view of it, mapped from the read-only
 * descriptor. One thread.
 */
#ifndef RING_PROBE_H
#define RING_PROBE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring/ring.h"

struct probe {
	struct ring *ring;
	const uint8_t *base;
	const struct lumaring_header *header;
	size_t bytes;
};

/* A camera of this process's own. */
static inline const char *probe_camera(void)
{
	static char name[LUMARING_NAME_MAX];

	if (!name[0])
		snprintf(name, sizeof(name), "unit-%d", (int)getpid());
	return name;
}

static inline uint32_t probe_random(void)
{
	static uint64_t seed = 1;

	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

static inline struct ring_config probe_config(uint32_t slots, uint32_t width, uint32_t height)
{
	return (struct ring_config){
		.camera = probe_camera(),
		.stream = "main",
		.slot_count = slots,
		.width_max = width,
		.height_max = height,
		.bytes_per_pixel = 1,
		.group = (gid_t)-1,
		.named = true,
	};
}

static inline void probe_open(struct probe *probe, const struct ring_config *config)
{
	char text[512] = "";
	void *base;

	if (ring_create(config, &probe->ring, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	probe->bytes = ring_bytes(probe->ring);
	base = mmap(NULL, probe->bytes, PROT_READ, MAP_SHARED, ring_fd(probe->ring), 0);
	assert_ptr_not_equal(base, MAP_FAILED);
	probe->base = base;
	probe->header = base;
}

static inline void probe_close(struct probe *probe)
{
	ring_destroy(probe->ring);
	munmap((void *)probe->base, probe->bytes);
}

static inline const struct lumaring_descriptor *probe_descriptor(const struct probe *probe, uint32_t slot)
{
	const struct lumaring_header *h = probe->header;

	return (const void *)(probe->base + h->descriptors_offset + (size_t)slot * h->descriptor_bytes);
}

static inline uint64_t probe_word(const struct probe *probe, uint32_t slot)
{
	return __atomic_load_n(&probe_descriptor(probe, slot)->word, __ATOMIC_SEQ_CST);
}

static inline uint64_t probe_order(const struct probe *probe, uint64_t publication)
{
	const struct lumaring_header *h = probe->header;

	return ((const uint64_t *)(probe->base + h->order_offset))[publication % h->order_count];
}

static inline const uint8_t *probe_pixels(const struct probe *probe, uint32_t slot)
{
	return probe->base + probe->header->slots_offset + slot * probe->header->slot_bytes;
}

/* Publish a frame in a slot already taken; its first pixel and camera_sequence tell which. */
static inline const struct lumaring_descriptor *probe_fill(struct probe *probe, uint32_t slot, uint64_t sequence)
{
	struct lumaring_descriptor d = { .width = 16, .height = 10, .stride = 64, .fourcc = LUMARING_FORMAT_R8,
					 .bin = 1, .camera_sequence = 7000 + sequence };

	ring_pixels(probe->ring, slot)[0] = (uint8_t)sequence;
	ring_publish(probe->ring, slot, sequence, &d);
	assert_memory_equal(&d, probe_descriptor(probe, slot), sizeof(d));
	return probe_descriptor(probe, slot);
}

static inline const struct lumaring_descriptor *probe_publish(struct probe *probe, uint64_t sequence)
{
	uint32_t slot;

	assert_int_equal(ring_take(probe->ring, sequence, NULL, 0, &slot), 0);
	return probe_fill(probe, slot, sequence);
}

#endif
