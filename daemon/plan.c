/* SPDX-License-Identifier: BSD-2-Clause */
/* plan.c - see plan.h. Main thread only. One pass counts, one fills: linear in streams and clients. */
#include "plan.h"

#include <stdlib.h>

static bool is_reader(const struct client *client)
{
	return client->plan && (client->state == CLIENT_ATTACHING || client->state == CLIENT_READING) &&
	       !client->stream->removed;
}

/* A private stream ends with its owner: the plan that leaves out the one must leave out the other. */
static bool is_served(const struct stream *stream)
{
	return stream->ring && !stream->removed && (!stream->owner || is_reader(stream->owner));
}

/* Number the streams that are served and note how many readers and cursors each has. */
static void count(struct plan *plan, struct stream *streams, struct client *clients)
{
	for (struct stream *s = streams; s; s = s->next) {
		if (!is_served(s))
			continue;
		s->plan_index = plan->stream_count++;
		plan->streams[s->plan_index].ring = s->ring;
		plan->streams[s->plan_index].previous = s->retired;
		plan->streams[s->plan_index].stats = &s->stats;
	}
	for (struct client *c = clients; c; c = c->next) {
		if (!is_reader(c))
			continue;
		plan->streams[c->stream->plan_index].client_count++;
		plan->streams[c->stream->plan_index].cursor_count += c->cursors;
	}
}

static void assign_room(struct plan *plan)
{
	const uint64_t **cursors = plan->cursors;
	struct client **clients = plan->clients;

	for (unsigned i = 0; i < plan->stream_count; i++) {
		struct plan_stream *s = &plan->streams[i];

		s->cursors = cursors;
		s->clients = clients;
		s->notice.iov = (struct iovec){ .iov_base = &s->notice.notice, .iov_len = sizeof(s->notice.notice) };
		s->notice.msg = (struct msghdr){ .msg_iov = &s->notice.iov, .msg_iovlen = 1 };
		cursors += s->cursor_count;
		clients += s->client_count;
		s->cursor_count = 0;
		s->client_count = 0;
	}
}

static void fill_readers(struct plan *plan, struct client *clients)
{
	for (struct client *c = clients; c; c = c->next) {
		struct plan_stream *s;

		if (!is_reader(c))
			continue;
		s = &plan->streams[c->stream->plan_index];
		((struct client **)s->clients)[s->client_count++] = c;
		for (uint32_t i = 0; i < c->cursors; i++)
			((const uint64_t **)s->cursors)[s->cursor_count++] = &c->page->cursors[i].sequence;
		if (c->stream->owner == c)
			s->wanted_region = &c->page->region;
	}
}

static void fill_streams(struct plan *plan, struct stream *streams)
{
	for (struct stream *s = streams; s; s = s->next) {
		struct plan_stream *p;

		if (!is_served(s))
			continue;
		p = &plan->streams[s->plan_index];
		p->limits = stream_limits(s);
		p->region = region_clamp(s->config.region, plan->format.width, plan->format.height, &p->limits);
		p->fourcc = s->config.fourcc;
		p->bytes_per_pixel = stream_bytes_per_pixel(s);
		p->conversion = s->conversion;
		p->inner = s->inner;
		p->has_inner = s->has_inner;
		/* A private stream outlives formats, also one of an image too small to be binned. */
		p->wanted = (p->client_count > 0 || s->config.always) && plan->format.width >= p->limits.bin &&
			    plan->format.height >= p->limits.bin;
	}
}

struct plan *plan_build(uint64_t number, uint32_t format_serial, const struct source_format *format,
			struct stream *streams, struct client *clients)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	size_t stream_max = 1, client_max = 1;

	if (!plan)
		return NULL;
	for (struct stream *s = streams; s; s = s->next)
		stream_max++;
	for (struct client *c = clients; c; c = c->next)
		client_max++;
	plan->number = number;
	plan->format_serial = format_serial;
	if (format_serial)
		plan->format = *format;
	plan->streams = calloc(stream_max, sizeof(*plan->streams));
	plan->parts = calloc(stream_max, sizeof(*plan->parts));
	plan->clients = calloc(client_max, sizeof(*plan->clients));
	plan->cursors = calloc(client_max * LUMARING_CURSORS_MAX, sizeof(*plan->cursors));
	if (!plan->streams || !plan->parts || !plan->clients || !plan->cursors) {
		plan_destroy(plan);
		return NULL;
	}
	count(plan, streams, clients);
	assign_room(plan);
	fill_readers(plan, clients);
	fill_streams(plan, streams);
	return plan;
}

void plan_destroy(struct plan *plan)
{
	if (!plan)
		return;
	free(plan->streams);
	free(plan->parts);
	free(plan->clients);
	free(plan->cursors);
	free(plan);
}
