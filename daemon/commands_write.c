/* SPDX-License-Identifier: BSD-2-Clause */
/* commands_write.c - from settings, outcomes and faults to the types and errors of the interface. Main thread only. */
#include "commands_private.h"

#include <stdio.h>

#include "base/clock.h"

static void write_size(struct json *json, const char *name, uint32_t width, uint32_t height)
{
	json_object(json, name);
	json_number(json, "width", width);
	json_number(json, "height", height);
	json_close(json);
}

void commands_write_region(struct json *json, const char *name, const struct region *region)
{
	json_object(json, name);
	json_number(json, "x", region->x);
	json_number(json, "y", region->y);
	json_number(json, "width", region->width);
	json_number(json, "height", region->height);
	json_close(json);
}

void commands_write_stream(struct json *json, const char *name, const struct stream_config *config)
{
	json_object(json, name);
	json_string(json, "name", config->name);
	commands_write_region(json, "region", &config->region);
	if (config->width_max)
		write_size(json, "max_size", config->width_max, config->height_max);
	json_number(json, "slots", config->slot_count);
	json_string(json, "format", config->fourcc == LUMARING_FORMAT_R16 ? "R16" : "R8");
	json_number(json, "bin", config->bin);
	json_bool(json, "always", config->always);
	json_close(json);
}

void commands_write_configuration(struct json *json, const char *name, const struct settings *settings)
{
	const struct source_settings *source = &settings->source;

	json_object(json, name);
	if (source->width)
		write_size(json, "size", source->width, source->height);
	if (source->layout.name)
		json_string(json, "pixel_format", source->layout.name);
	if (source->frame_duration_max_ns) {
		json_object(json, "frame_duration_us");
		json_number(json, "minimum", source->frame_duration_min_ns / NS_PER_US);
		json_number(json, "maximum", source->frame_duration_max_ns / NS_PER_US);
		json_close(json);
	}
	json_array(json, "streams");
	for (unsigned i = 0; i < settings->stream_count; i++)
		commands_write_stream(json, NULL, &settings->streams[i]);
	json_close(json);
	json_close(json);
}

void commands_write_controls(struct json *json, const char *name, const struct source_controls *controls)
{
	json_object(json, name);
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++) {
		if (!(controls->given & SOURCE_BIT(control)))
			continue;
		if (control == SOURCE_AUTO_EXPOSURE)
			json_bool(json, source_control_names[control], controls->values[control]);
		else
			json_integer(json, source_control_names[control], controls->values[control]);
	}
	json_close(json);
}

static void write_adjustments(struct json *json, const struct adjustment *adjustments, unsigned count)
{
	json_array(json, "adjustments");
	for (unsigned i = 0; i < count; i++) {
		json_object(json, NULL);
		json_string(json, "field", adjustments[i].field);
		json_integer(json, "asked", adjustments[i].asked);
		json_integer(json, "got", adjustments[i].got);
		json_close(json);
	}
	json_close(json);
}

void commands_write_outcome(struct json *json, const char *name, const struct configure_outcome *outcome)
{
	json_object(json, name);
	commands_write_configuration(json, "configuration", &outcome->settings);
	write_adjustments(json, outcome->adjustments, outcome->adjustment_count);
	json_bool(json, "restarted", outcome->restarted);
	json_array(json, "replaced");
	for (unsigned i = 0; i < outcome->replaced_count; i++)
		json_string(json, NULL, outcome->replaced[i]);
	json_close(json);
	if (outcome->has_gap)
		json_number(json, "gap_us", outcome->gap_us);
	if (outcome->has_gap_frames)
		json_number(json, "gap_frames", outcome->gap_frames);
	json_close(json);
}

/* --- errors --- */

static void path_of(const struct fault *fault, const struct fault_place *place, char *ret_path, size_t path_bytes)
{
	size_t used;

	if (fault->stream < 0)
		used = (size_t)snprintf(ret_path, path_bytes, "%s%s", place->top, fault->field);
	else if (place->indexed)
		used = (size_t)snprintf(ret_path, path_bytes, "%s[%d].%s", place->stream, fault->stream, fault->field);
	else
		used = (size_t)snprintf(ret_path, path_bytes, "%s%s", place->stream, fault->field);
	if (used && used < path_bytes && ret_path[used - 1] == '.')
		ret_path[used - 1] = '\0'; /* all of it */
}

static void fail_no_stream(const struct commands *commands, struct json *json, const struct fault *fault)
{
	const struct settings *settings = &commands->view.configure->current;

	json_string(json, "stream", fault->name);
	json_array(json, "streams");
	for (unsigned i = 0; i < settings->stream_count; i++)
		json_string(json, NULL, settings->streams[i].name);
	json_close(json);
}

static void fail_no_room(struct json *json, const struct fault *fault)
{
	json_string(json, "stream", fault->name);
	json_string(json, "reason", fault->reason);
	json_id(json, "needed_bytes", fault->needed_bytes);
	json_id(json, "available_bytes", fault->available_bytes);
}

static void fail_source_refused(struct json *json, const struct fault *fault)
{
	static const char *const steps[] = {
		[SOURCE_STEP_STOP] = "stop", [SOURCE_STEP_CONFIGURE] = "configure", [SOURCE_STEP_START] = "start"
	};

	json_string(json, "step", steps[fault->step]);
	json_string(json, "reason", fault->reason);
	json_bool(json, "restored", fault->restored);
}

/* Errors that name no field. */
static void fail_otherwise(struct commands *commands, struct control_call *call, const struct fault *fault)
{
	static const char *const names[] = {
		[FAULT_NO_STREAM] = "NoSuchStream",
		[FAULT_STREAM_EXISTS] = "StreamExists",
		[FAULT_STREAM_IN_USE] = "StreamInUse",
		[FAULT_ADJUSTED] = "Adjusted",
		[FAULT_BUSY] = "Busy",
		[FAULT_NO_ROOM] = "NoRoom",
		[FAULT_SOURCE_REFUSED] = "SourceRefused",
	};
	struct json *json = control_error(call, names[fault->kind]);

	if (fault->kind == FAULT_NO_STREAM) {
		fail_no_stream(commands, json, fault);
	} else if (fault->kind == FAULT_STREAM_EXISTS) {
		json_string(json, "stream", fault->name);
	} else if (fault->kind == FAULT_STREAM_IN_USE) {
		json_string(json, "stream", fault->name);
		json_number(json, "clients", fault->clients);
	} else if (fault->kind == FAULT_ADJUSTED) {
		write_adjustments(json, fault->adjustments, fault->adjustment_count);
	} else if (fault->kind == FAULT_BUSY) {
		json_string(json, "reason", fault->reason);
		json_number(json, "retry_after_us", fault->retry_after_us);
	} else if (fault->kind == FAULT_NO_ROOM) {
		fail_no_room(json, fault);
	} else {
		fail_source_refused(json, fault);
	}
	control_send(call, false);
}

void commands_fail(struct commands *commands, struct control_call *call, const struct fault *fault,
		   const struct fault_place *place)
{
	char path[COMMANDS_FIELD_BYTES];

	path_of(fault, place, path, sizeof(path));
	if (fault->kind == FAULT_RANGE) {
		control_fail_range(call, path, fault->minimum, fault->maximum, fault->given);
	} else if (fault->kind == FAULT_FIELD) {
		control_fail_field(call, path, "%s", fault->reason);
	} else if (fault->kind == FAULT_UNSUPPORTED) {
		struct json *json = control_error(call, "NotSupported");

		json_string(json, "field", path);
		json_string(json, "reason", fault->reason);
		control_send(call, false);
	} else {
		fail_otherwise(commands, call, fault);
	}
}
