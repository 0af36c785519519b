/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands_change.c - the methods that change something. Each makes a copy of the settings in force, changes that, and
 * hands it to the transaction; the answer comes when all of it is in force. Main thread only.
 */
#include "commands_private.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* --- answers --- */

static void answer_add_stream(struct json *json, const struct answer *answer, const struct configure_outcome *outcome)
{
	int at = settings_find(&outcome->settings, answer->stream);

	if (at >= 0)
		commands_write_stream(json, "stream", &outcome->settings.streams[at]);
}

/* What descriptors will say. */
static void answer_set_region(struct json *json, const struct answer *answer, const struct configure_outcome *outcome)
{
	const struct attach *attach = answer->commands->view.attach;
	const struct stream *stream = attach_find(attach, answer->stream);
	struct region region = { 0 };

	if (stream && stream->ring) {
		const struct region_limits limits = stream_limits(stream);

		region = region_clamp(stream->config.region, attach->format->width, attach->format->height, &limits);
	}
	commands_write_region(json, "region", &region);
	json_bool(json, "replaced", outcome->replaced_count > 0);
}

void commands_answer(void *data, const struct configure_outcome *outcome)
{
	struct answer *answer = data;
	struct json *json;

	if (!answer->call)
		return;
	json = control_reply(answer->call);
	if (answer->kind == ANSWER_CONFIGURE)
		commands_write_outcome(json, "applied", outcome);
	else if (answer->kind == ANSWER_ADD_STREAM)
		answer_add_stream(json, answer, outcome);
	else if (answer->kind == ANSWER_SET_REGION)
		answer_set_region(json, answer, outcome);
	control_send(answer->call, false);
	answer->call = NULL;
}

/* The change goes on without whoever asked for it. */
static void on_gone(struct control_call *call)
{
	struct commands *commands = control_data(call);

	if (commands->answer.call == call)
		commands->answer.call = NULL;
}

static void change(const struct answer *answer, struct configure_request *request, const struct fault_place *place)
{
	struct commands *commands = answer->commands;
	struct answer at_once = *answer;
	struct fault fault;

	request->done = commands_answer;
	request->data = request->dry_run ? &at_once : &commands->answer;
	if (configure_begin(commands->view.configure, request, &fault) < 0) {
		commands_fail(commands, answer->call, &fault, place);
	} else if (!request->dry_run) {
		commands->answer = *answer;
		control_keep(answer->call, commands, on_gone, NULL);
	}
}

static struct answer answer_to(struct commands *commands, struct control_call *call, enum answer_kind kind,
			       const char *stream)
{
	struct answer answer = { .commands = commands, .call = call, .kind = kind };

	snprintf(answer.stream, sizeof(answer.stream), "%s", stream);
	return answer;
}

/* --- methods --- */

struct configure_parameters {
	const struct json_node *configuration;
	bool dry_run, strict, has_dry_run, has_strict;
};

COMMANDS_METHOD(commands_configure)
{
	static const struct parameter table[] = {
		PARAMETER_REQUIRED(PARAMETER_OBJECT, struct configure_parameters, configuration),
		PARAMETER_OPTIONAL(PARAMETER_BOOL, struct configure_parameters, dry_run, has_dry_run),
		PARAMETER_OPTIONAL(PARAMETER_BOOL, struct configure_parameters, strict, has_strict),
	};
	static const struct fault_place place = { "configuration.", "configuration.streams", true };
	struct commands *commands = owner;
	struct settings wanted = commands->view.configure->current;
	struct configure_parameters p = { 0 };
	struct configure_request request = { .wanted = &wanted };
	struct answer answer = answer_to(commands, call, ANSWER_CONFIGURE, "");

	if (parameters_read(call, "", parameters, table, COUNT(table), &p) < 0 ||
	    commands_read_configuration(call, "configuration", p.configuration, commands->view.config->slot_count,
					&wanted) < 0)
		return;
	request.dry_run = p.dry_run;
	request.strict = p.strict;
	change(&answer, &request, &place);
}

struct stream_call {
	const struct json_node *stream;
};

COMMANDS_METHOD(commands_add_stream)
{
	static const struct parameter table[] = { PARAMETER_REQUIRED(PARAMETER_OBJECT, struct stream_call, stream) };
	static const struct fault_place place = { "", "stream.", false };
	struct commands *commands = owner;
	struct settings wanted = commands->view.configure->current;
	struct configure_request request = { .wanted = &wanted };
	struct stream_call p = { 0 };
	struct stream_wish wish;
	struct answer answer;
	struct fault fault;

	if (parameters_read(call, "", parameters, table, COUNT(table), &p) < 0 ||
	    commands_read_stream(call, "stream", p.stream, &wish) < 0)
		return;
	commands_default_slots(&wanted, commands->view.config->slot_count, &wish);
	if (settings_add_stream(&wanted, &wish, &fault) < 0) {
		commands_fail(commands, call, &fault, &place);
		return;
	}
	answer = answer_to(commands, call, ANSWER_ADD_STREAM, wish.config.name);
	change(&answer, &request, &place);
}

struct remove_parameters {
	const char *name;
	bool force, has_force;
};

COMMANDS_METHOD(commands_remove_stream)
{
	static const struct parameter table[] = {
		PARAMETER_REQUIRED(PARAMETER_STRING, struct remove_parameters, name),
		PARAMETER_OPTIONAL(PARAMETER_BOOL, struct remove_parameters, force, has_force),
	};
	static const struct fault_place place = { "", "", false };
	struct commands *commands = owner;
	struct settings wanted = commands->view.configure->current;
	struct configure_request request = { .wanted = &wanted };
	struct remove_parameters p = { 0 };
	struct answer answer;
	struct fault fault;

	if (parameters_read(call, "", parameters, table, COUNT(table), &p) < 0)
		return;
	if (settings_remove_stream(&wanted, p.name, &fault) < 0) {
		commands_fail(commands, call, &fault, &place);
		return;
	}
	request.force = p.force;
	answer = answer_to(commands, call, ANSWER_REMOVE_STREAM, p.name);
	change(&answer, &request, &place);
}

struct set_region_parameters {
	const char *stream;
	const struct json_node *region;
};

COMMANDS_METHOD(commands_set_region)
{
	static const struct parameter table[] = {
		PARAMETER_REQUIRED(PARAMETER_STRING, struct set_region_parameters, stream),
		PARAMETER_REQUIRED(PARAMETER_OBJECT, struct set_region_parameters, region),
	};
	static const struct fault_place place = { "", "", false };
	struct commands *commands = owner;
	struct settings wanted = commands->view.configure->current;
	struct configure_request request = { .wanted = &wanted };
	struct set_region_parameters p = { 0 };
	struct region region;
	struct answer answer;
	struct fault fault;

	if (parameters_read(call, "", parameters, table, COUNT(table), &p) < 0 ||
	    commands_read_region(call, "region", p.region, &region) < 0)
		return;
	if (settings_set_region(&wanted, p.stream, region, &fault) < 0) {
		commands_fail(commands, call, &fault, &place);
		return;
	}
	answer = answer_to(commands, call, ANSWER_SET_REGION, p.stream);
	change(&answer, &request, &place);
}

struct controls_call {
	const struct json_node *controls;
};

COMMANDS_METHOD(commands_set_controls)
{
	static const struct parameter table[] = { PARAMETER_REQUIRED(PARAMETER_OBJECT, struct controls_call,
								     controls) };
	static const struct fault_place place = { "controls.", "", false };
	struct commands *commands = owner;
	struct controls_call p = { 0 };
	struct source_controls wanted, now;
	struct source_fault refusal;
	int r;

	if (parameters_read(call, "", parameters, table, COUNT(table), &p) < 0 ||
	    commands_read_controls(call, "controls", p.controls, &wanted) < 0)
		return;
	r = source_set_controls(commands->view.source, &wanted, &now, &refusal);
	if (r < 0) {
		struct fault fault;

		fault_from_source(&fault, r, &refusal);
		commands_fail(commands, call, &fault, &place);
		return;
	}
	commands_write_controls(control_reply(call), "controls", &now);
	control_send(call, false);
	commands_changed(commands, WATCH_CONTROLS);
}
