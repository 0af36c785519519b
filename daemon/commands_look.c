/* SPDX-License-Identifier: BSD-2-Clause */
/* commands_look.c - the methods that only look. Main thread only; answered at once, also while a change is under way.
 */
#include "commands_private.h"

#include <string.h>

#include "base/clock.h"

COMMANDS_METHOD(commands_get_status)
{
	const struct commands *commands = owner;
	struct status_view view;

	if (!commands_read_nothing(call, parameters))
		return;
	commands->view.status(commands->view.owner, &view);
	status_write(control_reply(call), "status", &view);
	control_send(call, false);
}

/* --- GetCapabilities --- */

static void write_mode_size(struct json *json, const char *name, uint32_t width, uint32_t height)
{
	json_object(json, name);
	json_number(json, "width", width);
	json_number(json, "height", height);
	json_close(json);
}

static void write_mode(struct json *json, const struct source_mode *mode)
{
	json_object(json, NULL);
	write_mode_size(json, "minimum", mode->width_min, mode->height_min);
	write_mode_size(json, "maximum", mode->width_max, mode->height_max);
	write_mode_size(json, "step", mode->width_step, mode->height_step);
	json_array(json, "pixel_formats");
	for (unsigned i = 0; i < mode->format_count; i++)
		json_string(json, NULL, mode->formats[i]);
	json_close(json);
	json_object(json, "frame_duration_us");
	json_number(json, "minimum", mode->frame_duration_min_ns / NS_PER_US);
	json_number(json, "maximum", mode->frame_duration_max_ns / NS_PER_US);
	json_close(json);
	json_close(json);
}

static void write_ranges(struct json *json, const struct source_capabilities *capabilities)
{
	json_object(json, "controls");
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++) {
		const struct source_range *range = &capabilities->ranges[control];

		if (!(capabilities->controls & SOURCE_BIT(control)))
			continue;
		json_object(json, source_control_names[control]);
		json_integer(json, "minimum", range->minimum);
		json_integer(json, "maximum", range->maximum);
		json_integer(json, "default", range->initial);
		json_close(json);
	}
	json_close(json);
}

static void write_camera(struct json *json, const struct source_identity *camera, bool served)
{
	json_object(json, NULL);
	json_string(json, "id", camera->id);
	if (camera->model[0])
		json_string(json, "model", camera->model);
	if (camera->location[0])
		json_string(json, "location", camera->location);
	json_bool(json, "served", served);
	json_close(json);
}

/* A source that knows of no others is one itself. */
static void write_cameras(struct json *json, const struct source *source,
			  const struct source_capabilities *capabilities)
{
	struct source_identity cameras[SOURCE_CAMERAS_MAX], own = { 0 };
	unsigned count = source_get_cameras(source, cameras, SOURCE_CAMERAS_MAX);

	json_array(json, "cameras");
	for (unsigned i = 0; i < count; i++)
		write_camera(json, &cameras[i], !strcmp(cameras[i].id, capabilities->id));
	memcpy(own.id, capabilities->id, sizeof(own.id));
	memcpy(own.model, capabilities->model, sizeof(own.model));
	if (!count && own.id[0])
		write_camera(json, &own, true);
	json_close(json);
}

COMMANDS_METHOD(commands_get_capabilities)
{
	const struct commands *commands = owner;
	struct source_capabilities capabilities;
	struct json *json;

	if (!commands_read_nothing(call, parameters))
		return;
	source_get_capabilities(commands->view.source, &capabilities);
	json = control_reply(call);
	write_cameras(json, commands->view.source, &capabilities);
	json_array(json, "modes");
	for (unsigned i = 0; i < capabilities.mode_count; i++)
		write_mode(json, &capabilities.modes[i]);
	json_close(json);
	write_ranges(json, &capabilities);
	json_bool(json, "size_changes", capabilities.resizes);
	json_bool(json, "rate_changes", capabilities.paces);
	control_send(call, false);
}

COMMANDS_METHOD(commands_get_configuration)
{
	const struct commands *commands = owner;
	struct source_controls controls;
	struct json *json;

	if (!commands_read_nothing(call, parameters))
		return;
	source_get_controls(commands->view.source, &controls);
	json = control_reply(call);
	commands_write_configuration(json, "configuration", &commands->view.configure->current);
	commands_write_controls(json, "controls", &controls);
	control_send(call, false);
}

/* --- ListClients --- */

static void write_client(struct json *json, const struct client *client)
{
	static const char *const states[] = {
		[CLIENT_GREETING] = "greeting", [CLIENT_REPORTING] = "reporting", [CLIENT_ATTACHING] = "attaching",
		[CLIENT_READING] = "reading",   [CLIENT_LEAVING] = "leaving",
	};

	json_object(json, NULL);
	json_number(json, "pid", (uint64_t)client->pid);
	json_number(json, "uid", client->uid);
	if (client->stream)
		json_string(json, "stream", client->stream->config.name);
	json_string(json, "state", states[client->state]);
	json_bool(json, "private", client->stream && client->stream->owner);
	json_number(json, "cursors", client->plan ? client->cursors : 0);
	json_bool(json, "futex", client->by_futex);
	/* Pairs with on_notice_sent() of publish/notify.c: a counter that stands alone, relaxed. */
	json_number(json, "notices_dropped", __atomic_load_n(&client->notices_dropped, __ATOMIC_RELAXED));
	json_close(json);
}

COMMANDS_METHOD(commands_list_clients)
{
	const struct commands *commands = owner;
	unsigned listed = 0;
	struct json *json;

	if (!commands_read_nothing(call, parameters))
		return;
	json = control_reply(call);
	json_array(json, "clients");
	for (const struct client *c = publish_clients(commands->view.attach->publish); c; c = c->next)
		if (listed++ < LIMIT_STATUS_LISTED)
			write_client(json, c);
	json_close(json);
	control_send(call, false);
}
