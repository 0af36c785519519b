/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lumaring.c - the calls of lumaring.h on a handle: arguments are checked here, and frames, events and errors of the
 * parts below are put together. Runs in the caller's thread; never writes an output unless the call succeeds.
 */
#include <lumaring/lumaring.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "handle.h"
#include "options.h"
#include "reader.h"

static int open_failed(const struct lumaring_options *options, const struct lr_error *error, int r)
{
	if (options->error_text && options->error_bytes > 0)
		snprintf(options->error_text, options->error_bytes, "%s", error->text);
	return r;
}

/* Until the daemon has handed a ring over. */
static int connect_first(struct lumaring *l)
{
	struct lr_wait wait = lr_wait_begin(l->settings.timeout_ms);
	int r = 0;

	while (r == 0 && l->connection.state != LR_UP)
		r = lr_connection_step(l, &wait);
	if ((r == -EAGAIN || r == -ETIMEDOUT) && l->connection.put_off)
		return lr_text_fail(&l->error, l->connection.put_off, "%s", l->connection.put_off_text.text);
	if (r == -EAGAIN || r == -ETIMEDOUT)
		return lr_text_fail(&l->error, -ETIMEDOUT,
				    "the daemon behind %s did not answer, or had no ring yet, within %d ms",
				    l->settings.address.sun_path, l->settings.timeout_ms);
	l->connection.opening = false;
	return r;
}

LUMARING_API int lumaring_open(const char *camera, const char *stream, const struct lumaring_options *options,
			       struct lumaring **ret_ring)
{
	struct lumaring_options o = { .size = sizeof(o) };
	struct lr_error error = { "" };
	struct lumaring *l;
	int r = lr_options_read(options, &o, &error);

	if (r == 0 && !ret_ring)
		r = lr_text_fail(&error, -EINVAL, "lumaring_open() needs a place for the handle");
	if (r < 0)
		return open_failed(&o, &error, r);
	l = calloc(1, sizeof(*l));
	if (!l)
		return open_failed(&o, &error, lr_text_fail(&error, -ENOMEM, "out of memory"));
	lr_connection_init(l);
	r = lr_options_settle(camera, stream, &o, &l->settings, &l->error);
	if (r == 0 && lr_store_init(&l->store, l->settings.frames_max) < 0)
		r = lr_text_fail(&l->error, -ENOMEM, "out of memory");
	if (r == 0)
		r = connect_first(l);
	if (r < 0) {
		open_failed(&o, &l->error, r);
		lumaring_close(l);
		return r;
	}
	l->error.text[0] = '\0';
	*ret_ring = l;
	return 0;
}

LUMARING_API void lumaring_close(struct lumaring *ring)
{
	if (!ring)
		return;
	lr_connection_finish(ring);
	lr_store_finish(&ring->store);
	free(ring);
}

LUMARING_API int lumaring_fd(struct lumaring *ring)
{
	return lr_connection_fd(ring);
}

/* A ring that makes no sense is not looked at again. */
static int finish(struct lumaring *l, int r)
{
	if (r == -EBADMSG)
		lr_connection_reset(l);
	return r;
}

static int check_room(struct lumaring *l, unsigned count)
{
	if (count > l->store.frames_max - l->store.held)
		return lr_text_fail(&l->error, -ENOBUFS,
				    "%u frames are held and %u wanted, frames_max is %u: release some", l->store.held,
				    count, l->store.frames_max);
	return 0;
}

static int wait_for_frame(struct lumaring *l, bool newest, int timeout_ms, const struct lumaring_frame **ret_frame)
{
	struct lr_wait wait = lr_wait_begin(timeout_ms);
	int r = check_room(l, 1);

	if (r < 0)
		return r;
	for (;;) {
		r = lr_reader_look(l, newest, ret_frame);
		if (r != -EAGAIN)
			return finish(l, r);
		r = lr_connection_step(l, &wait);
		if (r != 0)
			return r;
	}
}

LUMARING_API int lumaring_next(struct lumaring *ring, int timeout_ms, const struct lumaring_frame **ret_frame)
{
	return wait_for_frame(ring, false, timeout_ms, ret_frame);
}

LUMARING_API int lumaring_latest(struct lumaring *ring, int timeout_ms, const struct lumaring_frame **ret_frame)
{
	return wait_for_frame(ring, true, timeout_ms, ret_frame);
}

LUMARING_API int lumaring_exact(struct lumaring *ring, uint64_t epoch, uint64_t sequence,
				const struct lumaring_frame **ret_frame)
{
	int r = check_room(ring, 1);

	if (r < 0)
		return r;
	r = ring->map && ring->map->epoch == epoch ? lr_reader_exact(ring, sequence, ret_frame) : -ENOENT;
	if (r == -ENOENT)
		return lr_text_fail(&ring->error, -ENOENT, "frame %llu of epoch %llu is not in the ring",
				    (unsigned long long)sequence, (unsigned long long)epoch);
	return finish(ring, r);
}

LUMARING_API int lumaring_last(struct lumaring *ring, unsigned count, const struct lumaring_frame **ret_frames,
			       unsigned *ret_count)
{
	int r;

	if (count == 0)
		return lr_text_fail(&ring->error, -EINVAL, "lumaring_last() needs a count of at least 1");
	r = check_room(ring, count);
	if (r < 0)
		return r;
	if (!ring->map) {
		*ret_count = 0;
		return 0;
	}
	return finish(ring, lr_reader_last(ring, count, ret_frames, ret_count));
}

LUMARING_API int lumaring_release(struct lumaring *ring, const struct lumaring_frame *frame)
{
	struct lr_frame *f;
	int r;

	if (!frame)
		return 0;
	f = lr_store_find(&ring->store, frame);
	if (!f)
		return lr_text_fail(&ring->error, -EINVAL, "lumaring_release() got no frame that this handle holds");
	r = lr_frame_put(&ring->store, f);
	return r < 0 ? lr_text_fail(&ring->error, r, "the frame was overwritten while it was held") : 0;
}

LUMARING_API int lumaring_set_region(struct lumaring *ring, const struct lumaring_region *region)
{
	int r;

	if (!(ring->settings.flags & LUMARING_PRIVATE))
		return lr_text_fail(&ring->error, -ENOTSUP,
				    "stream \"%s\" is not private: its region is the daemon's to choose",
				    ring->settings.stream);
	if (!region)
		return lr_text_fail(&ring->error, -EINVAL, "lumaring_set_region() needs a region");
	r = lr_options_check_region(region, &ring->error);
	if (r < 0)
		return r;
	ring->settings.region = *region;
	if (!ring->page)
		return lr_text_fail(&ring->error, -ENOTCONN,
				    "the daemon is away: the region is asked for when it is back");
	lr_page_set_region(ring->page, lumaring_region_word(region->x, region->y, region->width, region->height));
	return 0;
}

LUMARING_API const struct lumaring_info *lumaring_info(struct lumaring *ring)
{
	struct lumaring_info *info = &ring->info;
	const struct lumaring_header *header;

	info->connected = ring->connection.state == LR_UP;
	info->cursors = ring->page ? ring->page->cursors : 0;
	info->futex = ring->page && ring->settings.flags & LUMARING_FUTEX;
	if (!ring->map)
		return info;
	header = lr_map_header(ring->map);
	info->epoch = ring->map->epoch;
	memcpy(info->boot_id, ring->map->boot_id, sizeof(info->boot_id));
	info->ring_bytes = ring->map->bytes;
	info->published = lr_map_published(ring->map);
	info->slot_count = ring->map->slot_count;
	info->width_max = ring->map->width_max;
	info->height_max = ring->map->height_max;
	info->state = lr_map_state(ring->map);
	/* Pair with ring_set_source() in daemon/ring/ring.c: each stands alone, so that no order is needed. */
	info->luma_range = __atomic_load_n(&header->luma_range, __ATOMIC_RELAXED);
	info->sensor_clock = __atomic_load_n(&header->sensor_clock, __ATOMIC_RELAXED);
	return info;
}

LUMARING_API const char *lumaring_error_text(const struct lumaring *ring)
{
	return ring->error.text;
}
