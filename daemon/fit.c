/* SPDX-License-Identifier: BSD-2-Clause */
/* fit.c - see fit.h. Main thread only; every failure is logged here. */
#include "fit.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

/* A daemon before this one may have had rings that its clients still hold: until they let go, there may be no room. */
#define WAIT_NS (2 * NS_PER_SECOND)
#define RETRY_NS (50 * NS_PER_MS)

static void log_stream(const struct stream *stream, const struct source_format *format)
{
	const struct region_limits limits = stream_limits(stream);
	struct region region = region_clamp(stream->config.region, format->width, format->height, &limits);
	char kernels[STREAM_KERNELS_BYTES];

	stream_kernels(stream, &region, kernels, sizeof(kernels));
	log_event(LOG_LEVEL_INFO,
		  &(struct log_fields){ .event = LOG_EVENT_STREAM_SERVED, .stream = stream->config.name },
		  "stream %s: %s of %ux%u%s, by %s", stream->config.name,
		  stream_bytes_per_pixel(stream) == 2 ? "R16" : "R8", region.width, region.height,
		  stream->config.bin == 2 ? ", bin 2" : "", kernels);
}

/*
 * Footage says what is in it, and a region that is not is a mistake. A camera may come back as another: whoever reads
 * gets what there is of the region, and all of it when the image is large enough again.
 */
static int check_region(const struct fit *fit, const struct stream *stream, char *text, size_t text_bytes)
{
	int r = stream_check_region(&stream->config, false, fit->format.width, fit->format.height, text, text_bytes);

	if (r == 0 || !source_is_live(fit->source))
		return r;
	log_event(LOG_LEVEL_WARNING,
		  &(struct log_fields){ .event = LOG_EVENT_REGION_CUT, .stream = stream->config.name },
		  "%s, taking what there is", text);
	return 0;
}

static bool is_fitted(const struct stream *stream)
{
	return !stream->removed && !stream->owner;
}

/*
 * Make all rings that a format needs, or none, and say which stream's failed. The n-th is for the n-th shared stream,
 * NULL where the old one will do.
 */
static int make_rings(const struct fit *fit, struct ring **ret_rings, const char **ret_failed, char *text,
		      size_t text_bytes)
{
	unsigned count = 0;
	int r = 0;

	for (struct stream *s = fit->attach->streams; s && r == 0; s = s->next)
		if (is_fitted(s)) {
			*ret_failed = s->config.name;
			r = stream_prepare(s, &s->config, fit->format.width, fit->format.height, &ret_rings[count],
					   text, text_bytes);
			count += r == 0;
		}
	while (r < 0 && count > 0)
		ring_destroy(ret_rings[--count]);
	return r;
}

/* Cannot fail: private streams keep their capacity. */
static void take_rings(const struct fit *fit, struct ring *const *rings)
{
	const struct source_format *format = &fit->format;
	char text[512];

	for (struct stream *s = fit->attach->streams; s; s = s->next) {
		const struct stream_config config = s->config;
		struct ring *ring;

		if (s->owner && s->ring && !s->removed)
			stream_fit(s, format, text, sizeof(text));
		if (!is_fitted(s))
			continue;
		ring = *rings++;
		if (ring)
			s->retired_plan = fit->handler.next_plan(fit->handler.owner);
		stream_take(s, &config, ring, format);
		log_stream(s, format);
	}
}

static void fail(struct fit *fit, const char *stream, int error, const char *text)
{
	const bool no_room = error == -ENOSPC, is_setting = error == -EINVAL || error == -EDQUOT;
	const struct log_fields fields = {
		.event = no_room      ? LOG_EVENT_NO_ROOM
			 : is_setting ? LOG_EVENT_REFUSED_SETTINGS
				      : LOG_EVENT_SYSTEM_FAILED,
		.stream = stream,
		.error = -error,
	};

	log_event(LOG_LEVEL_ERROR, &fields, "%s", text);
	fit->handler.failed(fit->handler.owner, no_room ? EXIT_ROOM : is_setting ? EXIT_USAGE : EXIT_SYSTEM);
}

/* False: it has been waited for long enough. */
static bool wait_for_room(struct fit *fit, const char *stream)
{
	const struct log_fields fields = { .event = LOG_EVENT_NO_ROOM_RETRYING, .stream = stream, .error = ENOSPC };
	const uint64_t now_ns = clock_monotonic_ns();

	if (!fit->until_ns) {
		fit->until_ns = now_ns + WAIT_NS;
		log_event(
			LOG_LEVEL_WARNING, &fields,
			"no room for the ring of stream %s in shared memory, where clients may still hold one that is "
			"gone, retrying for 2 s",
			stream);
	} else if (now_ns >= fit->until_ns) {
		return false;
	}
	if (!loop_op_active(&fit->timer))
		loop_timer(fit->loop, &fit->timer, now_ns + RETRY_NS);
	return true;
}

/* Make the rings, or wait for room, or fail. */
static void try_to_fit(struct fit *fit)
{
	struct ring *rings[LIMIT_STREAMS];
	const char *failed = NULL;
	char text[512];
	int r = make_rings(fit, rings, &failed, text, sizeof(text));

	if (r == -ENOSPC && wait_for_room(fit, failed))
		return;
	fit->waits = false;
	if (r < 0) {
		fail(fit, failed, r, text);
		return;
	}
	take_rings(fit, rings);
	fit->handler.fitted(fit->handler.owner, &fit->format);
}

static void on_timer(struct loop_op *op, int result)
{
	struct fit *fit = op->owner;

	if (result < 0 || !fit->waits)
		return;
	if (attach_is_replacing(fit->attach))
		loop_timer(fit->loop, op, clock_monotonic_ns() + RETRY_NS);
	else
		try_to_fit(fit);
}

void fit_init(struct fit *fit, struct loop *loop, struct attach *attach, const struct source *source,
	      const struct fit_handler *handler)
{
	*fit = (struct fit){
		.handler = *handler,
		.loop = loop,
		.attach = attach,
		.source = source,
		.timer = { .done = on_timer, .owner = fit },
	};
}

void fit_begin(struct fit *fit, const struct source_format *format)
{
	char text[512];
	int r = 0;

	fit->format = *format;
	fit->waits = true;
	fit->until_ns = 0;
	for (struct stream *s = fit->attach->streams; s && r == 0; s = s->next) {
		if (is_fitted(s))
			r = check_region(fit, s, text, sizeof(text));
		if (r < 0)
			fail(fit, s->config.name, r, text);
	}
	if (r == 0)
		try_to_fit(fit);
	else
		fit->waits = false;
}
