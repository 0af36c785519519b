/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * camera.c - see camera.h. Main thread only. Every change (a client comes or goes, a format is announced) is made in
 * the streams and clients of attach.c, goes to the capture thread as a new plan, and takes effect when that is
 * acknowledged: only then is a client welcomed, a grant given back, a ring or a client freed. One plan is under way at
 * a time; what changes meanwhile goes into the next.
 */
#include "camera.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "camera_log.h"
#include "capture.h"
#include "commands.h"
#include "configure.h"
#include "fit.h"
#include "plan.h"
#include "publish/publish.h"
#include "service.h"
#include "source/source.h"
#include "status.h"
#include "stream.h"
#include "supervise.h"
#include "trial.h"

struct camera {
	const struct config *config;
	struct loop *loop;
	struct trial *trial;
	struct source *source;
	struct capture *capture;
	struct attach attach;
	struct configure configure;
	struct reload reload;
	struct commands *commands;
	struct control_stats control_stats; /* as of the last status */
	struct source_report device;        /* likewise */
	struct loop_op doorbell;            /* rung by the capture thread */

	struct plan *plan, *plan_old; /* handed over last, and the one before until `plan` is acknowledged */
	bool plan_stale;              /* something changed since `plan` was built */

	struct capture_report report;
	struct source_format format; /* the rings fit it */
	uint32_t format_serial;      /* and this is its number */
	uint32_t fitting_serial;     /* of the one that rings are made for, until they are */
	struct fit fit;
	enum capture_state state;
	struct camera_log log;
	bool told;    /* by the source, and not only assumed */
	bool started; /* the source */
	bool waits;   /* for clients, before it is */

	/* The service manager. */
	struct supervise supervise;
	bool hangs; /* libcamera has not come back */

	uint64_t created_ns; /* CLOCK_MONOTONIC */
	enum exit_code exit_code;
};

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

static uint64_t next_plan_number(const struct camera *camera)
{
	return camera->plan ? camera->plan->number + 1 : 1;
}

static void replan(struct camera *camera)
{
	struct plan *plan;

	camera->plan_stale = true;
	if (plan_under_way(camera))
		return;
	plan = plan_build(next_plan_number(camera), camera->format_serial, &camera->format, camera->attach.streams,
			  publish_clients(camera->attach.publish));
	if (!plan) {
		log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_SYSTEM_FAILED, .error = ENOMEM },
			  "no memory for a plan of the capture thread, giving up");
		give_up(camera, EXIT_SYSTEM);
		return;
	}
	camera->plan_stale = false;
	camera->plan_old = camera->plan;
	camera->plan = plan;
	capture_hand_plan(camera->capture, plan);
	if (camera->format_serial)
		memory_tell(); /* rings may be new */
}

static uint64_t on_next_plan(const void *owner)
{
	return next_plan_number(owner);
}

static void on_replan(void *owner)
{
	replan(owner);
}

static void on_changed(void *owner)
{
	struct camera *camera = owner;

	commands_changed(camera->commands, WATCH_CONFIGURATION);
}

/* It stands still, and no event of its will say so. */
static void on_source_failed(void *owner)
{
	struct camera *camera = owner;

	log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_SYSTEM_FAILED },
		  "the source %s stands still after a change that was refused, giving up", camera->config->source);
	give_up(camera, EXIT_SYSTEM); /* a fresh start may help */
}

/* --- what others ask --- */

/* What clients and people are told of the format follows the frames. */
static void refresh_format(struct camera *camera)
{
	camera->format.frame_duration_us = capture_frame_duration_us(camera->capture);
	camera->format.sensor_clock = capture_sensor_clock(camera->capture);
}

static void on_view(void *owner, struct status_view *ret_view)
{
	struct camera *camera = owner;
	const struct loop *loop = camera->loop, *capture = capture_loop(camera->capture);

	refresh_format(camera);
	commands_get_stats(camera->commands, &camera->control_stats);
	source_get_report(camera->source, &camera->device);
	*ret_view = (struct status_view){
		.config = camera->config,
		.settings = &camera->configure.current,
		.started_ns = camera->created_ns,
		.loop_main = loop_backend_name(loop),
		.loop_capture = loop_backend_name(capture),
		.loop_fallback = loop_fallback(loop)[0] ? loop_fallback(loop) : loop_fallback(capture),
		.state = camera->state,
		.format = camera->attach.format,
		.device = &camera->device,
		.stats = capture_stats(camera->capture),
		.tuner = capture_tuner(camera->capture),
		.streams = camera->attach.streams,
		.clients = publish_clients(camera->attach.publish),
		.private_bytes = camera->attach.private_bytes,
		.control = &camera->control_stats,
	};
}

static char *on_status(void *owner, size_t *ret_bytes)
{
	struct json json = { 0 };
	struct status_view view;

	on_view(owner, &view);
	status_write(&json, NULL, &view);
	return json_take(&json, ret_bytes);
}

/* --- the service manager --- */

static void on_announce(void *owner, struct announce_view *ret_view, struct status_view *ret_status)
{
	struct camera *camera = owner;

	on_view(camera, ret_status);
	*ret_view = (struct announce_view){
		.status = ret_status,
		.told = camera->told,
		.quiet_ns = camera->report.quiet_ns,
		.wait_clients = camera->waits ? camera->config->wait_clients : 0,
	};
}

static void on_hung(void *owner)
{
	struct camera *camera = owner;

	camera->hangs = true;
	log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_CAMERA_GIVEN_UP },
		  "camera %s: libcamera has not come back from a call for too long, ending for the service manager to "
		  "start anew",
		  camera->device.camera[0] ? camera->device.camera : "of this machine");
	give_up(camera, EXIT_HUNG);
}

/* --- what the capture thread reports --- */

/* The rings fit it. */
static void on_fitted(void *owner, const struct source_format *format)
{
	struct camera *camera = owner;

	camera->format = *format;
	camera->format_serial = camera->fitting_serial;
	camera->attach.format = &camera->format;
	attach_waiting(&camera->attach);
	replan(camera);
}

static void on_unfit(void *owner, enum exit_code code)
{
	give_up(owner, code);
}

/* The source announced a format: once for each. */
static void take_format(struct camera *camera)
{
	const struct source_format *format = &camera->report.format;

	if (camera->fitting_serial == camera->report.format_serial)
		return; /* there is no room yet */
	camera->fitting_serial = camera->report.format_serial;
	configure_take_format(&camera->configure, format, camera->report.format_serial);
	log_event(LOG_LEVEL_INFO, &(struct log_fields){ .event = LOG_EVENT_SOURCE_FORMAT },
		  "source %s: %ux%u %s, stride %u", camera->config->source, format->width, format->height,
		  pixels_facts(format->pixels)->name, format->stride);
	fit_begin(&camera->fit, format);
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
	for (struct client *c = publish_clients(camera->attach.publish); c; c = next) {
		next = c->next;
		if (!c->stream || !c->plan)
			continue;
		if (c->state == CLIENT_READING && retired_by(c->stream, acknowledged))
			publish_tell_replaced(c);
		if (c->state == CLIENT_ATTACHING && c->plan <= acknowledged)
			publish_welcome(c);
		else if (c->state == CLIENT_LEAVING && c->plan <= acknowledged)
			attach_let_go(&camera->attach, c);
	}
	for (struct stream *s = camera->attach.streams; s; s = s->next) {
		if (!retired_by(s, acknowledged))
			continue;
		ring_set_state(s->retired, LUMARING_RING_REPLACED);
		ring_destroy(s->retired);
		s->retired = NULL;
	}
	attach_settle(&camera->attach, acknowledged);
}

static uint64_t newest_sequence(const struct camera *camera)
{
	return stats_load(&capture_stats(camera->capture)->captured);
}

static void log_state(struct camera *camera, enum capture_state before)
{
	camera_log_state(&camera->log, camera->config->source, &camera->report, before, newest_sequence(camera));
}

/* A camera that hangs is for a new process; other failures are no better in one. */
static void take_failure(struct camera *camera)
{
	const uint64_t sequence = newest_sequence(camera);

	source_get_report(camera->source, &camera->device);
	if (camera->device.given_up) {
		log_event(LOG_LEVEL_ERROR,
			  &(struct log_fields){ .event = LOG_EVENT_CAMERA_GIVEN_UP, .sequence = sequence },
			  "%s, ending for the service manager to start anew", camera->report.text);
		give_up(camera, EXIT_HUNG);
		return;
	}
	log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_SOURCE_FAILED, .sequence = sequence }, "%s",
		  camera->report.text);
	give_up(camera, EXIT_SOURCE);
}

static void take_state(struct camera *camera)
{
	enum capture_state before = camera->state;

	camera->state = camera->report.state;
	if (camera->state == CAPTURE_FAILED) {
		take_failure(camera);
		return;
	}
	log_state(camera, before);
	for (struct client *c = publish_clients(camera->attach.publish); c; c = c->next)
		publish_tell_state(c);
	commands_changed(camera->commands, WATCH_STATE);
}

/* What it begins as is told when the source says so, too; who reads knows it from the beginning. */
static void take_news(struct camera *camera)
{
	bool told = camera->report.told && !camera->told;

	camera->told = camera->report.told;
	if (camera->report.state != camera->state)
		take_state(camera);
	else if (told)
		log_state(camera, camera->state);
	else
		return;
	supervise_tell(&camera->supervise);
}

/* The source starts when the rings are there and enough clients have been welcomed. */
static void start_when_ready(struct camera *camera)
{
	unsigned reading = 0;
	int r;

	if (camera->started || !camera->format_serial || camera->plan_stale || plan_under_way(camera))
		return;
	for (struct client *c = publish_clients(camera->attach.publish); c; c = c->next)
		reading += c->state == CLIENT_READING;
	if (reading < camera->config->wait_clients) {
		camera->waits = true;
		supervise_tell(&camera->supervise);
		return;
	}
	camera->waits = false;
	camera->started = true;
	r = source_start(camera->source);
	if (r < 0) {
		log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_SOURCE_FAILED, .error = -r },
			  "the source %s cannot start: %s", camera->config->source, strerror(-r));
		give_up(camera, EXIT_SOURCE);
	}
}

static void on_doorbell(struct loop_op *op, int result)
{
	struct camera *camera = op->owner;

	if (result == -ECANCELED)
		return;
	if (result < 0) {
		log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_SYSTEM_FAILED, .error = -result },
			  "cannot hear the capture thread: %s, giving up", strerror(-result));
		give_up(camera, EXIT_SYSTEM);
		return;
	}
	capture_read_report(camera->capture, &camera->report);
	refresh_format(camera);
	if (camera->plan && camera->plan->number == camera->report.acknowledged)
		settle_plan(camera);
	if (camera->report.format_serial != camera->format_serial && !attach_is_replacing(&camera->attach))
		take_format(camera);
	if (camera->plan_stale)
		replan(camera);
	take_news(camera);
	start_when_ready(camera);
	configure_progress(&camera->configure, &camera->report);
}

/* --- making and unmaking --- */

static enum exit_code open_source(struct camera *camera, char *text, size_t text_bytes)
{
	const struct config *c = camera->config;
	struct source_config config = {
		.name = c->source,
		.path = c->source_path,
		.settings = {
			.width = c->width,
			.height = c->height,
			.layout = c->layout,
			.frame_duration_min_ns = c->frame_duration_min_ns,
			.frame_duration_max_ns = c->frame_duration_max_ns,
		},
		.row_bytes = c->row_bytes,
		.frame_bytes = c->frame_bytes,
		.luma_range = c->luma_range,
		.unpaced = c->unpaced,
		.loop = c->loop,
		.buffer_count = c->buffer_count,
		.memory = c->memory,
		.sensor_width = c->sensor_width,
		.sensor_height = c->sensor_height,
		.sensor_depth = c->sensor_depth,
		.gives_up = service_is_managed(),
		.copy_ns = trial_copy_ns,
		.copy_owner = camera->trial,
	};

	if (strcmp(c->source, "libcamera") == 0) /* which may take seconds */
		service_extend_start(ANNOUNCE_EXTEND_NS);
	if (source_open(&config, &camera->source, text, text_bytes) < 0 ||
	    configure_open(&camera->configure, camera->source, text, text_bytes) < 0)
		return EXIT_SOURCE;
	return EXIT_OK;
}

/* What the main loop was refused need not be asked for, and told, once more. */
static enum loop_backend capture_backend(const struct camera *camera)
{
	return loop_backend(camera->loop) == LOOP_EPOLL ? LOOP_EPOLL : camera->config->io;
}

static int start_capture(struct camera *camera, char *text, size_t text_bytes)
{
	struct capture_copying copying = {
		.pool = camera->config->copy,
		.threads = camera->config->copy.threads,
		.budget_percent = camera->config->copy_budget_percent,
	};
	int r;

	copying.pool.scratch_bytes = COPY_SCRATCH_BYTES;
	camera->doorbell = (struct loop_op){ .done = on_doorbell, .owner = camera };
	r = loop_doorbell(camera->loop, &camera->doorbell);
	if (r < 0)
		return snprintf(text, text_bytes, "cannot hear the capture thread: %s", strerror(-r)), r;
	r = capture_create(camera->source, capture_backend(camera), &copying, &camera->doorbell, &camera->capture, text,
			   text_bytes);
	if (r == 0 && text[0])
		log_event(LOG_LEVEL_NOTICE, &(struct log_fields){ .event = LOG_EVENT_IO_FALLBACK },
			  "capture thread: %s", text);
	return r;
}

/* Takes over what is taken from *sockets. */
static int listen_to_others(struct camera *camera, struct camera_sockets *sockets, char *text, size_t text_bytes)
{
	const struct commands_view view = {
		.owner = camera,
		.loop = camera->loop,
		.config = camera->config,
		.group = sockets->group,
		.group_name = sockets->group_name,
		.configure = &camera->configure,
		.source = camera->source,
		.attach = &camera->attach,
		.reload = &camera->reload,
		.status = on_view,
	};
	int r = attach_listen(&camera->attach, sockets->frames_fd);

	if (r < 0)
		return snprintf(text, text_bytes, "cannot set up the frame socket: %s", strerror(-r)), r;
	sockets->frames_fd = -1;
	r = commands_create(&view, sockets->control_fd, &camera->commands);
	sockets->control_fd = -1;
	if (r < 0)
		snprintf(text, text_bytes, "cannot set up the control socket: %s", strerror(-r));
	return r;
}

static enum exit_code set_up(struct camera *camera, struct camera_sockets *sockets, char *text, size_t text_bytes)
{
	struct attach_handler handler = {
		.owner = camera,
		.next_plan = on_next_plan,
		.replan = on_replan,
		.status = on_status,
	};
	struct configure_handler changes = {
		.owner = camera,
		.next_plan = on_next_plan,
		.replan = on_replan,
		.changed = on_changed,
		.failed = on_source_failed,
	};
	const struct fit_handler fits = {
		.owner = camera,
		.next_plan = on_next_plan,
		.fitted = on_fitted,
		.failed = on_unfit,
	};
	const struct supervise_handler supervisor = { .owner = camera, .view = on_announce, .hung = on_hung };
	int r;

	memory_lock_code(); /* of what stays: libcamera loads and unloads modules */
	configure_init(&camera->configure, camera->config, camera->loop, &camera->attach, &changes);
	if (attach_init(&camera->attach, camera->config, camera->loop, &handler) < 0)
		return snprintf(text, text_bytes, "no memory"), EXIT_SYSTEM;
	if (trial_create(camera->config, &camera->trial, text, text_bytes) < 0)
		return EXIT_SYSTEM;
	if (open_source(camera, text, text_bytes) != EXIT_OK)
		return EXIT_SOURCE;
	fit_init(&camera->fit, camera->loop, &camera->attach, camera->source, &fits);
	if (listen_to_others(camera, sockets, text, text_bytes) < 0)
		return EXIT_SYSTEM;
	r = start_capture(camera, text, text_bytes);
	if (r < 0) /* copy_scheduling, copy_affinity */
		return r == -EPERM || r == -EINVAL ? EXIT_USAGE : EXIT_SYSTEM;
	supervise_begin(&camera->supervise, camera->loop, camera->capture, &supervisor);
	return EXIT_OK;
}

enum exit_code camera_create(const struct reload_origin *origin, struct loop *loop,
			     const struct camera_sockets *sockets, struct camera **ret_camera, char *text,
			     size_t text_bytes)
{
	struct camera *camera = calloc(1, sizeof(*camera));
	struct camera_sockets left = *sockets;
	enum exit_code code = EXIT_SYSTEM;

	snprintf(text, text_bytes, "no memory");
	if (camera) {
		camera->config = origin->config;
		reload_init(&camera->reload, origin, &camera->configure);
		camera->loop = loop;
		camera->created_ns = clock_monotonic_ns();
		ring_sweep(camera->config->camera);
		code = set_up(camera, &left, text, text_bytes);
	}
	if (left.frames_fd >= 0)
		close(left.frames_fd);
	if (left.control_fd >= 0)
		close(left.control_fd);
	*ret_camera = camera;
	return code;
}

void camera_stop(struct camera *camera)
{
	if (!camera)
		return;
	capture_stop(camera->capture);
	if (camera->attach.publish)
		for (struct client *c = publish_clients(camera->attach.publish); c; c = c->next)
			if (c->stream)
				c->stream->notices_dropped += c->notices_dropped;
	for (struct stream *s = camera->attach.streams; s; s = s->next) {
		if (!s->ring)
			continue;
		ring_set_state(s->ring, LUMARING_RING_CLOSED);
		if (s->retired)
			ring_set_state(s->retired, LUMARING_RING_CLOSED);
		if (!s->owner)
			camera_log_account(s);
	}
	if (camera->attach.publish)
		for (struct client *c = publish_clients(camera->attach.publish); c; c = c->next)
			publish_tell_state(c);
	loop_flush(camera->loop); /* the messages, */
	loop_flush(camera->loop); /* and the wakes that follow them */
}

bool camera_hangs(const struct camera *camera)
{
	return camera && camera->hangs;
}

void camera_destroy(struct camera *camera)
{
	if (!camera)
		return;
	configure_finish(&camera->configure);
	commands_destroy(camera->commands);
	reload_finish(&camera->reload);
	attach_finish(&camera->attach);
	plan_destroy(camera->plan);
	plan_destroy(camera->plan_old);
	capture_destroy(camera->capture);
	source_destroy(camera->source);
	trial_destroy(camera->trial);
	free(camera);
}

void camera_reload(struct camera *camera)
{
	commands_reload(camera->commands);
}

enum exit_code camera_exit_code(const struct camera *camera)
{
	return camera->exit_code;
}
