/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.c - see attach.h. Main thread only. A client is put into its stream here, goes to the capture thread with the
 * next plan, and is welcomed when that is acknowledged (camera.c); what it had is given back the same way. A client
 * never makes the main thread spend more than a part of its time on private rings.
 */
#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define PRIVATE_REST 4

struct stream *attach_find(const struct attach *attach, const char *name)
{
	for (struct stream *s = attach->streams; s; s = s->next)
		if (!s->owner && !s->removed && !strcmp(s->config.name, name))
			return s;
	return NULL;
}

static void remove_stream(struct attach *attach, struct stream *stream)
{
	struct stream **link = &attach->streams;

	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	if (stream->owner)
		attach->private_count--;
	if (stream->owner && stream->ring)
		attach->private_bytes -= ring_bytes(stream->ring);
	stream_destroy(stream);
}

/* Grant cursors and put the client into the next plan: the stream has a ring. */
static void join_stream(struct attach *attach, struct client *client)
{
	client->cursors = stream_grant(client->stream, client->cursors);
	client->stream->cursors_granted += client->cursors;
	client->plan = attach->handler.next_plan(attach->handler.owner);
	attach->handler.replan(attach->handler.owner);
}

/* Does any client, also one that is leaving, still point to it? */
static bool is_held(const struct attach *attach, const struct stream *stream)
{
	for (const struct client *c = publish_clients(attach->publish); c; c = c->next)
		if (c->stream == stream)
			return true;
	return false;
}

/* The capture thread does not know the client any more: give back what it had. */
void attach_let_go(struct attach *attach, struct client *client)
{
	struct stream *stream = client->stream;

	client->stream = NULL;
	if (client->plan) {
		stream->cursors_granted -= client->cursors;
		stream->notices_dropped += client->notices_dropped;
	}
	if (stream && (stream->owner == client || (stream->closed && !is_held(attach, stream))))
		remove_stream(attach, stream);
	publish_release(client);
}

/* --- shared streams that come and go --- */

unsigned attach_clients(const struct attach *attach, const struct stream *stream)
{
	unsigned count = 0;

	for (const struct client *c = publish_clients(attach->publish); c; c = c->next)
		count += c->stream == stream && c->state != CLIENT_LEAVING;
	return count;
}

void attach_add(struct attach *attach, struct stream *stream)
{
	struct stream **link = &attach->streams;

	while (*link)
		link = &(*link)->next;
	stream->next = NULL;
	*link = stream;
}

static void dismiss_clients(struct attach *attach, const struct stream *stream)
{
	struct client *next;

	for (struct client *c = publish_clients(attach->publish); c; c = next) {
		next = c->next;
		if (c->stream != stream)
			continue;
		if (c->state == CLIENT_READING)
			publish_dismiss(c);
		else if (c->state == CLIENT_ATTACHING && !c->refused)
			publish_refuse(c, -ENOENT, "the stream \"%s\" was just removed", stream->config.name);
	}
}

void attach_settle(struct attach *attach, uint64_t plan)
{
	struct stream *next;

	for (struct stream *s = attach->streams; s; s = next) {
		next = s->next;
		if (!s->removed || s->removed_plan > plan)
			continue;
		if (!s->closed && s->ring)
			ring_set_state(s->ring, LUMARING_RING_CLOSED);
		s->closed = true;
		dismiss_clients(attach, s);
		if (!is_held(attach, s))
			remove_stream(attach, s);
	}
}

bool attach_is_replacing(const struct attach *attach)
{
	for (const struct stream *s = attach->streams; s; s = s->next)
		if (s->retired)
			return true;
	return false;
}

void attach_hold(struct attach *attach, bool held)
{
	attach->held = held;
}

/*
 * Make a private stream's ring, within the limit. The client's page says the region from now on.
 */
static int fit_private(struct attach *attach, struct stream *stream, char *text, size_t text_bytes)
{
	const struct source_format *format = attach->format;
	uint64_t needed = stream_bytes_needed(stream, &stream->config, format->width, format->height);
	uint64_t max = attach->config->private_bytes_max; /* may have been lowered meanwhile */
	uint64_t room = max > attach->private_bytes ? max - attach->private_bytes : 0;
	int r;

	r = stream_check_region(&stream->config, true, format->width, format->height, text, text_bytes);
	if (r < 0)
		return r;
	if (needed > room)
		return snprintf(text, text_bytes,
				"a private ring of %llu bytes is beyond what is left of private-bytes %llu: %llu; ask "
				"for fewer slots or a smaller capacity, or raise it",
				(unsigned long long)needed, (unsigned long long)max, (unsigned long long)room),
		       -EDQUOT;
	r = stream_fit(stream, format, text, text_bytes);
	if (r > 0)
		attach->private_bytes += ring_bytes(stream->ring);
	return r;
}

static void attach_private(struct attach *attach, struct client *client)
{
	char text[512];
	int r = fit_private(attach, client->stream, text, sizeof(text));

	if (r >= 0)
		join_stream(attach, client);
	else
		publish_refuse(client, r, "%s", text);
}

/*
 * Making a large ring takes the main thread a while. Whatever clients ask for, it spends at most one part in
 * PRIVATE_REST of its time on that: who comes earlier waits.
 */
static bool private_may_be_made(struct attach *attach)
{
	/* While somebody waits, who comes later waits as well: attach_waiting() begins with the oldest. */
	if (loop_op_active(&attach->private_rest))
		return false;
	if (clock_monotonic_ns() >= attach->private_rest_ns)
		return true;
	loop_timer(attach->loop, &attach->private_rest, attach->private_rest_ns);
	return false;
}

/* At once, or from attach_waiting() when the source's format is known and a private ring may be made. */
static void attach_when_ready(struct attach *attach, struct client *client)
{
	uint64_t began_ns;

	if (!attach->format || attach->held || client->plan || client->refused)
		return;
	if (!client->stream->owner) {
		join_stream(attach, client);
	} else if (private_may_be_made(attach)) {
		began_ns = clock_monotonic_ns();
		attach_private(attach, client);
		attach->private_rest_ns = clock_monotonic_ns() + PRIVATE_REST * (clock_monotonic_ns() - began_ns);
	}
}

static struct stream *create_private(struct attach *attach, struct client *client, const struct lumaring_hello *hello)
{
	struct stream_config config = {
		.region = { hello->region_x, hello->region_y, hello->region_width, hello->region_height },
		.width_max = hello->width_max,
		.height_max = hello->height_max,
		.slot_count = hello->slots ? hello->slots : attach->config->slot_count,
		.fourcc = hello->fourcc,
		.bin = hello->bin,
	};
	struct stream *stream;

	snprintf(config.name, sizeof(config.name), STREAM_PRIVATE_PREFIX "%u", ++attach->private_number);
	stream = stream_create(&config, attach->config->camera, attach->config->gid, attach->config->ring_bytes_max);
	if (!stream)
		return NULL;
	stream->owner = client;
	attach->private_count++;
	stream->next = attach->streams;
	attach->streams = stream;
	return stream;
}

/* NULL, or what is wrong with the numbers of a private stream. */
static const char *private_fault(const struct lumaring_hello *hello)
{
	if (hello->region_x > LUMARING_EXTENT_MAX || hello->region_y > LUMARING_EXTENT_MAX ||
	    hello->region_width > LUMARING_EXTENT_MAX || hello->region_height > LUMARING_EXTENT_MAX)
		return "a value of the region is above 65535";
	if (hello->width_max > LUMARING_EXTENT_MAX || hello->height_max > LUMARING_EXTENT_MAX)
		return "a side of the capacity is above 65535";
	if (hello->slots && (hello->slots < LUMARING_SLOTS_MIN || hello->slots > LUMARING_SLOTS_MAX))
		return "slots must be 4 to 65535, or 0 for the default";
	if (hello->fourcc && hello->fourcc != LUMARING_FORMAT_R8 && hello->fourcc != LUMARING_FORMAT_R16)
		return "the pixel format must be the fourcc R8 or R16, or 0 for R8";
	if (hello->bin > 2)
		return "bin must be 1 or 2, or 0 for 1";
	return NULL;
}

static void refuse_unknown(struct attach *attach, struct client *client, const char *name)
{
	char known[160] = "";
	size_t used = 0;

	for (struct stream *s = attach->streams; s && used < sizeof(known) - 1; s = s->next)
		if (!s->owner && !s->removed)
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "",
						 s->config.name);
	if (used > 0)
		publish_refuse(client, -ENOENT, "there is no stream \"%s\"; streams of %s are: %s", name,
			       attach->config->camera, known);
	else
		publish_refuse(client, -ENOENT, "there is no stream \"%s\": %s has none", name, attach->config->camera);
}

/* A stream for the client alone, or NULL when it was refused. */
static struct stream *private_stream(struct attach *attach, struct client *client, const struct lumaring_hello *hello)
{
	const char *fault = private_fault(hello);
	struct stream *stream = NULL;

	if (fault) {
		publish_refuse(client, -EINVAL, "bad hello: %s", fault);
	} else if (attach->private_count >= attach->config->private_streams_max) {
		publish_refuse(client, -EDQUOT,
			       "this camera has %u private streams already, its limit (private-streams): close some, "
			       "or raise it",
			       attach->private_count);
	} else {
		stream = create_private(attach, client, hello);
		if (!stream)
			publish_refuse(client, -ENOMEM, "the daemon has no memory for another private stream");
	}
	return stream;
}

/* The stream that the client names, or NULL when it was refused. */
static struct stream *shared_stream(struct attach *attach, struct client *client, const struct lumaring_hello *hello)
{
	char name[LUMARING_NAME_MAX + 1] = "main";
	struct stream *stream = NULL;

	if (hello->stream[0])
		memcpy(name, hello->stream, LUMARING_NAME_MAX);
	if (!name_valid(name)) {
		publish_refuse(client, -EINVAL, "bad hello: the stream's name is not 1 to 32 of a-z, 0-9, _ and -");
	} else {
		stream = attach_find(attach, name);
		if (!stream)
			refuse_unknown(attach, client, name);
	}
	return stream;
}

static void on_attach(void *owner, struct client *client, const struct lumaring_hello *hello)
{
	struct attach *attach = owner;
	bool private = hello->message.flags & LUMARING_HELLO_PRIVATE;
	int r;

	client->stream = private ? private_stream(attach, client, hello) : shared_stream(attach, client, hello);
	if (!client->stream)
		return;
	r = publish_make_page(client, hello->cursors);
	if (r < 0) {
		/* What comes back by itself keeps its code: the library asks again. */
		publish_refuse(client, r == -EMFILE || r == -ENFILE ? r : -ENOMEM,
			       "the daemon has no memory or descriptors for another client: %s", strerror(-r));
		return;
	}
	client->page->region =
		lumaring_region_word(hello->region_x, hello->region_y, hello->region_width, hello->region_height);
	attach_when_ready(attach, client);
}

static void on_detach(void *owner, struct client *client)
{
	struct attach *attach = owner;

	if (!client->plan) {
		attach_let_go(attach, client); /* refused, or still waiting: no plan ever named it */
		return;
	}
	client->plan = attach->handler.next_plan(attach->handler.owner);
	attach->handler.replan(attach->handler.owner);
}

static void on_facts(void *owner, const struct client *client, struct publish_facts *ret_facts)
{
	const struct attach *attach = owner;
	const struct ring *ring = client->stream->ring;

	*ret_facts = (struct publish_facts){
		.ring_fd = ring_fd(ring),
		.epoch = ring_epoch(ring),
		.published = ring_published(ring),
		.ring_bytes = ring_bytes(ring),
		.image_width = attach->format->width,
		.image_height = attach->format->height,
		.frame_duration_us = attach->format->frame_duration_us,
		.generation = ring_generation(ring),
		.state = (uint32_t)ring_state(ring),
		.stream = client->stream->config.name,
	};
}

static char *on_status(void *owner, size_t *ret_bytes)
{
	struct attach *attach = owner;

	return attach->handler.status(attach->handler.owner, ret_bytes);
}

void attach_waiting(struct attach *attach)
{
	struct client *next;

	for (struct client *c = publish_clients(attach->publish); c; c = next) {
		next = c->next;
		if (c->state == CLIENT_ATTACHING && c->stream)
			attach_when_ready(attach, c);
	}
}

static void on_private_rest(struct loop_op *op, int result)
{
	if (result == 0)
		attach_waiting(op->owner);
}

/* --- making and unmaking --- */

static bool create_streams(struct attach *attach)
{
	const struct config *c = attach->config;

	for (unsigned i = c->stream_count; i-- > 0;) {
		struct stream *stream = stream_create(&c->streams[i], c->camera, c->gid, c->ring_bytes_max);

		if (!stream)
			return false;
		stream->next = attach->streams;
		attach->streams = stream;
	}
	return true;
}

int attach_init(struct attach *attach, const struct config *config, struct loop *loop,
		const struct attach_handler *handler)
{
	*attach = (struct attach){ .handler = *handler, .config = config, .loop = loop };
	attach->private_rest = (struct loop_op){ .done = on_private_rest, .owner = attach };
	return create_streams(attach) ? 0 : -ENOMEM;
}

/* At once: all clients of a uid twice, since they come back when the daemon was restarted; or those of a second. */
static unsigned attach_burst(const struct config *config)
{
	unsigned twice = 2 * config->clients_per_uid;

	return twice > config->attach_rate ? twice : config->attach_rate;
}

int attach_listen(struct attach *attach, int frames_fd)
{
	struct quota_limits limits = {
		.connections_max = attach->config->clients_max,
		.connections_uid = attach->config->clients_per_uid,
		.rate = attach->config->attach_rate,
		.burst = attach_burst(attach->config),
	};
	struct publish_handler handler = {
		.owner = attach,
		.attach = on_attach,
		.detach = on_detach,
		.facts = on_facts,
		.status = on_status,
	};

	return publish_create(attach->loop, frames_fd, &limits, &handler, &attach->publish);
}

void attach_finish(struct attach *attach)
{
	struct stream *next;

	publish_destroy(attach->publish);
	for (struct stream *s = attach->streams; s; s = next) {
		next = s->next;
		stream_destroy(s);
	}
}
