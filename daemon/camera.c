/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * camera.c - see camera.h. Main thread only. Every change (a client comes or goes, a format is announced) is made in
 * the streams and clients here, goes to the capture thread as a new plan, and takes effect when that is acknowledged:
 * only then is a client welcomed, a grant given back, a ring or a client freed. One plan is under way at a time; what
 * changes meanwhile goes into the next.
 */
#include "camera.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture.h"
#include "plan.h"
#include "publish/publish.h"
#include "service.h"
#include "source/source.h"
#include "stream.h"

struct camera {
	const struct config *config;
	struct loop *loop;
	struct source *source;
	struct capture *capture;
	struct publish *publish;
	struct loop_op doorbell; /* rung by the capture thread */

	struct stream *streams;
	uint64_t private_bytes;
	unsigned private_number;
	struct loop_op private_rest; /* until private_rest_ns, while a client waits for a private ring */
	uint64_t private_rest_ns;

	struct plan *plan, *plan_old; /* handed over last, and the one before until `plan` is acknowledged */
	bool plan_stale;              /* something changed since `plan` was built */

	struct capture_report report;
	uint32_t format_serial; /* the rings fit this format */
	enum capture_state state;
	bool started;
	enum exit_code exit_code;
};

#define PRIVATE_REST 4

static void give_up(struct camera *camera, enum exit_code code)
{
	if (camera->exit_code == EXIT_OK)
		camera->exit_code = code;
	loop_stop(camera->loop);
}

/* --- plans --- */

static bool plan_under_way(const struct camera *camera)
{
	return camera->plan && camera->report.acknowledged < camera->plan->number;
}

static void replan(struct camera *camera)
{
	struct plan *plan;

	camera->plan_stale = true;
	if (plan_under_way(camera))
		return;
	plan = plan_build(camera->plan ? camera->plan->number + 1 : 1, camera->format_serial, &camera->report.format,
			  camera->streams, publish_clients(camera->publish));
	if (!plan) {
		log_error("no memory for a plan of the capture thread, giving up");
		give_up(camera, EXIT_SYSTEM);
		return;
	}
	camera->plan_stale = false;
	camera->plan_old = camera->plan;
	camera->plan = plan;
	capture_hand_plan(camera->capture, plan);
}

/* The number of the plan that will hold what is changed now. */
static uint64_t next_plan_number(const struct camera *camera)
{
	return camera->plan ? camera->plan->number + 1 : 1;
}

/* --- streams and their clients --- */

static struct stream *find_stream(const struct camera *camera, const char *name)
{
	for (struct stream *s = camera->streams; s; s = s->next)
		if (!s->owner && !strcmp(s->config.name, name))
			return s;
	return NULL;
}

static void remove_stream(struct camera *camera, struct stream *stream)
{
	struct stream **link = &camera->streams;

	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	if (stream->owner && stream->ring)
		camera->private_bytes -= ring_bytes(stream->ring);
	stream_destroy(stream);
}

/* Grant cursors and put the client into the next plan: the stream has a ring. */
static void join_stream(struct camera *camera, struct client *client)
{
	client->cursors = stream_grant(client->stream, client->cursors);
	client->stream->cursors_granted += client->cursors;
	client->plan = next_plan_number(camera);
	replan(camera);
}

/* The capture thread does not know the client any more: give back what it had. */
static void let_go(struct camera *camera, struct client *client)
{
	struct stream *stream = client->stream;

	client->stream = NULL;
	if (client->plan) {
		stream->cursors_granted -= client->cursors;
		stream->notices_dropped += client->notices_dropped;
	}
	if (stream && stream->owner == client)
		remove_stream(camera, stream);
	publish_release(client);
}

/*
 * Make a private stream's ring, within the limit. The client's page says the region from now on.
 */
static int fit_private(struct camera *camera, struct stream *stream, char *text, size_t text_bytes)
{
	const struct source_format *format = &camera->report.format;
	uint64_t needed = stream_bytes_needed(stream, format);
	uint64_t room = camera->config->private_bytes_max - camera->private_bytes;
	int r;

	if (!region_is_inside(&stream->config.region, format->width, format->height))
		return snprintf(text, text_bytes, "region %u,%u,%u,%u does not lie inside the image of %ux%u",
				stream->config.region.x, stream->config.region.y, stream->config.region.width,
				stream->config.region.height, format->width, format->height),
		       -EINVAL;
	if (needed > room)
		return snprintf(text, text_bytes,
				"a private ring of %llu bytes is beyond what is left of private-bytes "
				"%llu: %llu",
				(unsigned long long)needed, (unsigned long long)camera->config->private_bytes_max,
				(unsigned long long)room),
		       -EDQUOT;
	r = stream_fit(stream, format, text, text_bytes);
	if (r > 0)
		camera->private_bytes += ring_bytes(stream->ring);
	return r;
}

static void attach_private(struct camera *camera, struct client *client)
{
	char text[512];
	int r = fit_private(camera, client->stream, text, sizeof(text));

	if (r >= 0)
		join_stream(camera, client);
	else
		publish_refuse(client, r, "%s", text);
}

/*
 * Making a large ring takes the main thread a while. Whatever clients ask for, it spends at most one part in
 * PRIVATE_REST of its time on that: who comes earlier waits.
 */
static bool private_may_be_made(struct camera *camera)
{
	if (clock_monotonic_ns() >= camera->private_rest_ns)
		return true;
	if (!loop_op_active(&camera->private_rest))
		loop_timer(camera->loop, &camera->private_rest, camera->private_rest_ns);
	return false;
}

/* At once, or from attach_waiting() when the source's format is known and a private ring may be made. */
static void attach_when_ready(struct camera *camera, struct client *client)
{
	uint64_t began_ns;

	if (!camera->format_serial || client->plan || client->refused)
		return;
	if (!client->stream->owner) {
		join_stream(camera, client);
	} else if (private_may_be_made(camera)) {
		began_ns = clock_monotonic_ns();
		attach_private(camera, client);
		camera->private_rest_ns = clock_monotonic_ns() + PRIVATE_REST * (clock_monotonic_ns() - began_ns);
	}
}

static struct stream *create_private(struct camera *camera, struct client *client, const struct lumaring_hello *hello)
{
	struct stream_config config = {
		.region = { hello->region_x, hello->region_y, hello->region_width, hello->region_height },
		.width_max = hello->width_max,
		.height_max = hello->height_max,
		.slot_count = hello->slots ? hello->slots : camera->config->slot_count,
	};
	struct stream *stream;

	snprintf(config.name, sizeof(config.name), STREAM_PRIVATE_PREFIX "%u", ++camera->private_number);
	stream = stream_create(&config, camera->config->camera, camera->config->gid, camera->config->ring_bytes_max);
	if (!stream)
		return NULL;
	stream->owner = client;
	stream->next = camera->streams;
	camera->streams = stream;
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
	return NULL;
}

static void refuse_unknown(struct camera *camera, struct client *client, const char *name)
{
	char known[160] = "";
	size_t used = 0;

	for (struct stream *s = camera->streams; s && used < sizeof(known) - 1; s = s->next)
		if (!s->owner)
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "",
						 s->config.name);
	publish_refuse(client, -ENOENT, "there is no stream \"%s\"; streams of %s are: %s", name,
		       camera->config->camera, known);
}

static void on_attach(void *owner, struct client *client, const struct lumaring_hello *hello)
{
	struct camera *camera = owner;
	char name[LUMARING_NAME_MAX + 1] = { 0 };
	bool private = hello->message.flags & LUMARING_HELLO_PRIVATE;
	const char *fault = private ? private_fault(hello) : NULL;

	memcpy(name, hello->stream, LUMARING_NAME_MAX);
	if (fault) {
		publish_refuse(client, -EINVAL, "bad hello: %s", fault);
		return;
	}
	if (!private && name[0] && !name_valid(name)) {
		publish_refuse(client, -EINVAL, "bad hello: the stream's name is not 1 to 32 of a-z, 0-9, _ and -");
		return;
	}
	client->stream = private ? create_private(camera, client, hello) : find_stream(camera, name[0] ? name : "main");
	if (!client->stream && !private) {
		refuse_unknown(camera, client, name[0] ? name : "main");
	} else if (!client->stream || publish_make_page(client, hello->cursors) < 0) {
		publish_refuse(client, -ENOMEM, "the daemon has no memory or descriptors for another client");
	} else {
		client->page->region = lumaring_region_word(hello->region_x, hello->region_y, hello->region_width,
							    hello->region_height);
		attach_when_ready(camera, client);
	}
}

static void on_detach(void *owner, struct client *client)
{
	struct camera *camera = owner;

	if (!client->plan) {
		let_go(camera, client); /* refused, or still waiting: no plan ever named it */
		return;
	}
	client->plan = next_plan_number(camera);
	replan(camera);
}

static void on_facts(void *owner, const struct client *client, struct publish_facts *ret_facts)
{
	const struct camera *camera = owner;
	const struct ring *ring = client->stream->ring;

	*ret_facts = (struct publish_facts){
		.ring_fd = ring_fd(ring),
		.epoch = ring_epoch(ring),
		.published = ring_published(ring),
		.ring_bytes = ring_bytes(ring),
		.image_width = camera->report.format.width,
		.image_height = camera->report.format.height,
		.frame_duration_us = camera->report.format.frame_duration_us,
		.generation = ring_generation(ring),
		.state = (uint32_t)ring_state(ring),
		.stream = client->stream->config.name,
	};
}

/* --- what the capture thread reports --- */

static void attach_waiting(struct camera *camera)
{
	struct client *next;

	for (struct client *c = publish_clients(camera->publish); c; c = next) {
		next = c->next;
		if (c->state == CLIENT_ATTACHING && c->stream)
			attach_when_ready(camera, c);
	}
}

static void on_private_rest(struct loop_op *op, int result)
{
	if (result == 0)
		attach_waiting(op->owner);
}

/* The source announced a format: make every shared stream's ring fit, or give up. */
static void take_format(struct camera *camera)
{
	const struct source_format *format = &camera->report.format;
	char text[512];

	log_info("source %s: %ux%u, stride %u", camera->config->source, format->width, format->height, format->stride);
	for (struct stream *s = camera->streams; s; s = s->next) {
		int r;

		if (s->owner) {
			if (s->ring)
				stream_fit(s, format, text, sizeof(text)); /* its capacity stays: cannot fail */
			continue;
		}
		if (!region_is_inside(&s->config.region, format->width, format->height)) {
			snprintf(text, sizeof(text),
				 "stream %s: region %u,%u,%u,%u does not lie inside the image of %ux%u", s->config.name,
				 s->config.region.x, s->config.region.y, s->config.region.width,
				 s->config.region.height, format->width, format->height);
			r = -EINVAL;
		} else {
			r = stream_fit(s, format, text, sizeof(text));
			s->retired_plan = next_plan_number(camera);
		}
		if (r < 0) {
			log_error("%s", text);
			give_up(camera, r == -EINVAL                   ? EXIT_USAGE
					: r == -ENOSPC || r == -EDQUOT ? EXIT_ROOM
								       : EXIT_SYSTEM);
			return;
		}
	}
	camera->format_serial = camera->report.format_serial;
	attach_waiting(camera);
	replan(camera);
}

static bool retired_by(const struct stream *stream, uint64_t plan_number)
{
	return stream->retired && stream->retired_plan <= plan_number;
}

/* The capture thread has the new plan: what only the old one named is free, and who waited for it goes on. */
static void settle_plan(struct camera *camera)
{
	uint64_t acknowledged = camera->report.acknowledged;
	struct client *next;

	plan_destroy(camera->plan_old);
	camera->plan_old = NULL;
	for (struct client *c = publish_clients(camera->publish); c; c = next) {
		next = c->next;
		if (!c->stream || !c->plan)
			continue;
		if (c->state == CLIENT_READING && retired_by(c->stream, acknowledged))
			publish_tell_replaced(c);
		if (c->state == CLIENT_ATTACHING && c->plan <= acknowledged)
			publish_welcome(c);
		else if (c->state == CLIENT_LEAVING && c->plan <= acknowledged)
			let_go(camera, c);
	}
	for (struct stream *s = camera->streams; s; s = s->next) {
		if (!retired_by(s, acknowledged))
			continue;
		ring_set_state(s->retired, LUMARING_RING_REPLACED);
		ring_destroy(s->retired);
		s->retired = NULL;
	}
}

static void take_state(struct camera *camera)
{
	static const char *const names[] = { "paused", "live", "source lost", "ended", "failed" };

	camera->state = camera->report.state;
	if (camera->state == CAPTURE_FAILED) {
		log_error("%s", camera->report.text);
		give_up(camera, EXIT_SOURCE);
		return;
	}
	log_info("source %s: %s", camera->config->source, names[camera->state]);
	service_status("%s", names[camera->state]);
	for (struct client *c = publish_clients(camera->publish); c; c = c->next)
		publish_tell_state(c);
}

/* The source starts when the rings are there and enough clients have been welcomed. */
static void start_when_ready(struct camera *camera)
{
	unsigned reading = 0;
	int r;

	if (camera->started || !camera->format_serial || camera->plan_stale || plan_under_way(camera))
		return;
	for (struct client *c = publish_clients(camera->publish); c; c = c->next)
		reading += c->state == CLIENT_READING;
	if (reading < camera->config->wait_clients)
		return;
	camera->started = true;
	r = source_start(camera->source);
	if (r < 0) {
		log_error("the source %s cannot start: %s", camera->config->source, strerror(-r));
		give_up(camera, EXIT_SOURCE);
	}
}

static void on_doorbell(struct loop_op *op, int result)
{
	struct camera *camera = op->owner;

	if (result == -ECANCELED)
		return;
	if (result < 0) {
		log_error("cannot hear the capture thread: %s, giving up", strerror(-result));
		give_up(camera, EXIT_SYSTEM);
		return;
	}
	capture_read_report(camera->capture, &camera->report);
	if (camera->plan && camera->plan->number == camera->report.acknowledged)
		settle_plan(camera);
	if (camera->report.format_serial != camera->format_serial)
		take_format(camera);
	if (camera->plan_stale)
		replan(camera);
	if (camera->report.state != camera->state)
		take_state(camera);
	start_when_ready(camera);
}

/* --- making and unmaking --- */

static enum exit_code open_source(struct camera *camera, char *text, size_t text_bytes)
{
	const struct config *c = camera->config;
	struct source_config config = {
		.name = c->source,
		.path = c->source_path,
		.width = c->width,
		.height = c->height,
		.frame_duration_ns = c->frame_duration_ns,
		.unpaced = c->unpaced,
		.loop = c->loop,
	};

	return source_open(&config, &camera->source, text, text_bytes) < 0 ? EXIT_SOURCE : EXIT_OK;
}

static bool create_streams(struct camera *camera)
{
	const struct config *c = camera->config;

	for (unsigned i = c->stream_count; i-- > 0;) {
		struct stream *stream = stream_create(&c->streams[i], c->camera, c->gid, c->ring_bytes_max);

		if (!stream)
			return false;
		stream->next = camera->streams;
		camera->streams = stream;
	}
	return true;
}

static int start_threads(struct camera *camera, int frames_fd, char *text, size_t text_bytes)
{
	struct publish_handler handler = {
		.owner = camera,
		.attach = on_attach,
		.detach = on_detach,
		.facts = on_facts,
	};
	int r;

	camera->doorbell = (struct loop_op){ .done = on_doorbell, .owner = camera };
	camera->private_rest = (struct loop_op){ .done = on_private_rest, .owner = camera };
	r = publish_create(camera->loop, frames_fd, camera->config->clients_max, &handler, &camera->publish);
	if (r == 0)
		r = loop_doorbell(camera->loop, &camera->doorbell);
	if (r < 0)
		return snprintf(text, text_bytes, "cannot set up the frame socket: %s", strerror(-r)), r;
	return capture_create(camera->source, camera->config->io, &camera->doorbell, &camera->capture, text,
			      text_bytes);
}

enum exit_code camera_create(const struct config *config, struct loop *loop, int frames_fd, struct camera **ret_camera,
			     char *text, size_t text_bytes)
{
	struct camera *camera = calloc(1, sizeof(*camera));
	enum exit_code code = EXIT_SYSTEM;

	snprintf(text, text_bytes, "no memory");
	if (camera) {
		camera->config = config;
		camera->loop = loop;
		ring_sweep(config->camera);
		code = create_streams(camera) ? open_source(camera, text, text_bytes) : EXIT_SYSTEM;
		if (code == EXIT_OK && start_threads(camera, frames_fd, text, text_bytes) < 0)
			code = EXIT_SYSTEM;
	}
	if (!camera || !camera->publish)
		close(frames_fd);
	*ret_camera = camera;
	return code;
}

static void say_account(const struct stream *stream)
{
	static const char *const names[LUMARING_LOST_CAUSES] = { "unread",  "no slot", "copy late", "reconfigured",
								 "damaged", "",        "",          "",
								 "sensor",  "camera",  "cancelled", "start-up" };
	struct ring_account account = ring_account(stream->ring);
	char text[256];
	size_t used = (size_t)snprintf(text, sizeof(text), "stream %s: %llu published", stream->config.name,
				       (unsigned long long)account.published);

	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES && used < sizeof(text); cause++)
		if (account.lost[cause])
			used += (size_t)snprintf(text + used, sizeof(text) - used, ", %llu %s",
						 (unsigned long long)account.lost[cause], names[cause]);
	if (stream->notices_dropped && used < sizeof(text))
		snprintf(text + used, sizeof(text) - used, ", %llu notices dropped",
			 (unsigned long long)stream->notices_dropped);
	log_info("%s", text);
}

void camera_stop(struct camera *camera)
{
	if (!camera)
		return;
	capture_stop(camera->capture);
	if (camera->publish)
		for (struct client *c = publish_clients(camera->publish); c; c = c->next)
			if (c->stream)
				c->stream->notices_dropped += c->notices_dropped;
	for (struct stream *s = camera->streams; s; s = s->next) {
		if (!s->ring)
			continue;
		ring_set_state(s->ring, LUMARING_RING_CLOSED);
		if (s->retired)
			ring_set_state(s->retired, LUMARING_RING_CLOSED);
		if (!s->owner)
			say_account(s);
	}
	if (camera->publish)
		for (struct client *c = publish_clients(camera->publish); c; c = c->next)
			publish_tell_state(c);
	loop_flush(camera->loop);
}

void camera_destroy(struct camera *camera)
{
	struct stream *next;

	if (!camera)
		return;
	publish_destroy(camera->publish);
	for (struct stream *s = camera->streams; s; s = next) {
		next = s->next;
		stream_destroy(s);
	}
	plan_destroy(camera->plan);
	plan_destroy(camera->plan_old);
	capture_destroy(camera->capture);
	source_destroy(camera->source);
	free(camera);
}

enum exit_code camera_exit_code(const struct camera *camera)
{
	return camera->exit_code;
}
