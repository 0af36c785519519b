/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * map.c - see map.h. Runs in the caller's thread when a ring is handed over, never per frame. Must never use a number
 * from the ring before it was compared with the size of the object, and must never write to the ring.
 */
#include "map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIELD(header, field) #field, offsetof(struct lumaring_header, field), (header)->field

/* A part of the object: `count` pieces of `bytes` each. */
struct area {
	const char *name;
	uint64_t offset, count, bytes;
};

static int check_version(const struct lumaring_header *h, struct lr_error *error)
{
	if (h->magic != LUMARING_MAGIC)
		return lr_text_fail(error, -EBADMSG,
				    "ring header: magic at byte 0 is 0x%016" PRIx64 ", not \"LUMARING\"", h->magic);
	if (h->reader_version_min > LUMARING_LAYOUT_VERSION || h->layout_version < LUMARING_LAYOUT_READER_MIN)
		return lr_text_fail(error, -EPROTONOSUPPORT,
				    "the ring has layout version %" PRIu32 ", for readers of version %" PRIu32
				    " and up; this library reads version %u: update the older of the two",
				    h->layout_version, h->reader_version_min, LUMARING_LAYOUT_VERSION);
	return 0;
}

static int check_fields(const struct lumaring_header *h, uint64_t file_bytes, const struct lr_map_claim *claim,
			struct lr_error *error)
{
	const uint64_t all = h->object_bytes;
	const struct lr_field fields[] = {
		{ FIELD(h, reader_version_min), 1, h->layout_version, 0 },
		{ FIELD(h, object_bytes), sizeof(*h), file_bytes, 0 },
		{ FIELD(h, object_bytes), claim->ring_bytes, claim->ring_bytes, 0 },
		{ FIELD(h, header_bytes), sizeof(*h), all, 8 },
		{ FIELD(h, descriptor_bytes), sizeof(struct lumaring_descriptor), all, 8 },
		{ FIELD(h, epoch), claim->epoch, claim->epoch, 0 },
		{ FIELD(h, slot_count), LUMARING_SLOTS_MIN, LUMARING_SLOTS_MAX, 0 },
		{ FIELD(h, order_count), h->slot_count, LR_MAP_ORDER_MAX, 0 },
		{ FIELD(h, width_max), 1, LUMARING_EXTENT_MAX, 0 },
		{ FIELD(h, height_max), 1, LUMARING_EXTENT_MAX, 0 },
		{ FIELD(h, slot_bytes), (uint64_t)h->width_max * h->height_max, all, 64 },
		{ FIELD(h, descriptors_offset), h->header_bytes, all, 8 },
		{ FIELD(h, order_offset), h->header_bytes, all, 8 },
		{ FIELD(h, slots_offset), h->header_bytes, all, 64 },
	};

	return lr_text_check(fields, sizeof(fields) / sizeof(fields[0]), "ring header", error);
}

static int check_names(const struct lumaring_header *h, const struct lr_map_claim *claim, struct lr_error *error)
{
	if (lr_text_check_name(h->camera, sizeof(h->camera)) < 0)
		return lr_text_fail(error, -EBADMSG, "ring header: camera at byte %zu is not a name",
				    offsetof(struct lumaring_header, camera));
	if (lr_text_check_name(h->stream, sizeof(h->stream)) < 0 ||
	    strncmp(h->stream, claim->stream, sizeof(h->stream)) != 0)
		return lr_text_fail(error, -EBADMSG, "ring header: stream at byte %zu is not \"%s\"",
				    offsetof(struct lumaring_header, stream), claim->stream);
	return 0;
}

/* All areas lie within the object, and no two of them share a byte. */
static int check_areas(const struct lumaring_header *h, struct lr_error *error)
{
	const struct area areas[] = {
		{ "header", 0, 1, h->header_bytes },
		{ "descriptors", h->descriptors_offset, h->slot_count, h->descriptor_bytes },
		{ "order", h->order_offset, h->order_count, sizeof(uint64_t) },
		{ "slots", h->slots_offset, h->slot_count, h->slot_bytes },
	};
	uint64_t ends[sizeof(areas) / sizeof(areas[0])];

	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		const struct area *a = &areas[i];
		uint64_t size;

		if (__builtin_mul_overflow(a->count, a->bytes, &size) ||
		    __builtin_add_overflow(a->offset, size, &ends[i]) || ends[i] > h->object_bytes)
			return lr_text_fail(error, -EBADMSG,
					    "ring header: the %s, %" PRIu64 " of %" PRIu64 " bytes from byte %" PRIu64
					    ", reach beyond the object's %" PRIu64 " bytes",
					    a->name, a->count, a->bytes, a->offset, h->object_bytes);
		for (size_t k = 0; k < i; k++)
			if (a->offset < ends[k] && areas[k].offset < ends[i])
				return lr_text_fail(error, -EBADMSG,
						    "ring header: the %s from byte %" PRIu64
						    " overlap the %s from byte %" PRIu64,
						    a->name, a->offset, areas[k].name, areas[k].offset);
	}
	return 0;
}

/* Read the header once, as a file: what is checked here cannot change between the check and the use. */
static int read_header(int fd, const struct lr_map_claim *claim, struct lumaring_header *ret_header,
		       struct lr_error *error)
{
	struct lumaring_header h;
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return lr_text_fail(error, -EBADMSG, "the daemon handed over something that is no shared memory");
	if (status.st_size < (off_t)sizeof(h))
		return lr_text_fail(error, -EBADMSG, "the ring is %lld bytes long, its header alone has %zu",
				    (long long)status.st_size, sizeof(h));
	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return lr_text_fail(error, -EBADMSG, "the ring cannot be read: %s", strerror(errno));

	r = check_version(&h, error);
	if (r == 0)
		r = check_fields(&h, (uint64_t)status.st_size, claim, error);
	if (r == 0)
		r = check_names(&h, claim, error);
	if (r == 0)
		r = check_areas(&h, error);
	if (r == 0)
		*ret_header = h;
	return r;
}

int lr_map_open(int fd, const struct lr_map_claim *claim, struct lr_map **ret_map, struct lr_error *error)
{
	struct lumaring_header h = { .magic = 0 };
	struct lr_map *map;
	void *base;
	int r = read_header(fd, claim, &h, error);

	if (r < 0)
		return r;
	base = mmap(NULL, h.object_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return lr_text_fail(error, errno == ENOMEM ? -ENOMEM : -EBADMSG,
				    "the ring of %" PRIu64 " bytes cannot be mapped: %s", h.object_bytes,
				    strerror(errno));
	(void)madvise(base, h.object_bytes, MADV_DONTDUMP); /* a core file need not have all frames of the camera */
	map = malloc(sizeof(*map));
	if (!map) {
		munmap(base, h.object_bytes);
		return lr_text_fail(error, -ENOMEM, "out of memory");
	}
	*map = (struct lr_map){
		.references = 1,
		.base = base,
		.bytes = h.object_bytes,
		.epoch = h.epoch,
		.descriptors_offset = h.descriptors_offset,
		.order_offset = h.order_offset,
		.slots_offset = h.slots_offset,
		.slot_bytes = h.slot_bytes,
		.descriptor_bytes = h.descriptor_bytes,
		.slot_count = h.slot_count,
		.order_count = h.order_count,
		.width_max = h.width_max,
		.height_max = h.height_max,
	};
	memcpy(map->boot_id, h.boot_id, sizeof(map->boot_id));
	*ret_map = map;
	return 0;
}

struct lr_map *lr_map_ref(struct lr_map *map)
{
	map->references++;
	return map;
}

void lr_map_unref(struct lr_map *map)
{
	if (!map || --map->references > 0)
		return;
	munmap((void *)(uintptr_t)map->base, map->bytes);
	free(map);
}
