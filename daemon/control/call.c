/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * call.c - one request of a connection: what form it must have, who may make it and how fast, which method it is for;
 * and the text of its answer. All typed errors are made here. Main thread only.
 *
 * A request with `oneway` is handled like any other, and what would be its answer is dropped.
 */
#include "control/private.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/parameters.h"

#define SENTENCE_BYTES 512
#define NAME_SHOWN 64 /* bytes of a name in a sentence */

/* --- the text of an answer --- */

static const struct control_service *service_of(const struct control_call *call)
{
	return &call->connection->control->service;
}

static struct json *begin(struct control_call *call)
{
	free(call->json.text);
	call->json = (struct json){ 0 };
	json_object(&call->json, NULL);
	return &call->json;
}

/* "error": "INTERFACE.NAME", and the object of its parameters is open. */
static void begin_error(struct json *json, const char *interface, const char *name)
{
	char error[128];

	snprintf(error, sizeof(error), "%s.%s", interface, name);
	json_string(json, "error", error);
	json_object(json, "parameters");
}

struct json *call_error(struct control_call *call, const char *interface, const char *name)
{
	struct json *json = begin(call);

	call->connection->control->stats.errors++;
	begin_error(json, interface, name);
	return json;
}

struct json *control_reply(struct control_call *call)
{
	struct json *json = begin(call);

	json_object(json, "parameters");
	return json;
}

struct json *control_error(struct control_call *call, const char *name)
{
	return call_error(call, service_of(call)->name, name);
}

/* Close all and take the text with its terminator. NULL: no memory. */
static char *finish(struct json *json, char terminator, size_t *ret_bytes)
{
	char *text;

	while (json->depth > 0)
		json_close(json);
	text = json_take(json, ret_bytes);
	if (text)
		text[(*ret_bytes)++] = terminator;
	return text;
}

bool control_send(struct control_call *call, bool continues)
{
	struct connection *connection = call->connection;
	size_t bytes = 0;
	char *text;

	assert(call->active && call->json.depth == 2);
	assert(!continues || call->more);
	json_close(&call->json);
	if (continues)
		json_bool(&call->json, "continues", true);
	text = finish(&call->json, call->terminator, &bytes);
	if (continues && text && !connection_has_room(connection, bytes)) {
		free(text);
		call->wants_room = true;
		return false;
	}
	call->active = continues;
	if (!text) {
		connection_starve(connection, "an answer");
	} else if (!call->oneway) {
		connection_answer(connection, text, bytes);
	}
	free(text);
	connection_wake(connection);
	return true;
}

/* --- errors --- */

static void add_limit(struct json *json, const char *limit, uint64_t maximum, uint64_t retry_after_ns)
{
	json_string(json, "limit", limit);
	json_number(json, "maximum", maximum);
	json_number(json, "retry_after_us", (retry_after_ns + NS_PER_US - 1) / NS_PER_US);
}

static void fail_limit(struct control_call *call, const char *limit, uint64_t maximum, uint64_t retry_after_ns)
{
	add_limit(control_error(call, "LimitReached"), limit, maximum, retry_after_ns);
	control_send(call, false);
}

void control_fail_range(struct control_call *call, const char *field, int64_t minimum, int64_t maximum, int64_t given)
{
	struct json *json = control_error(call, "OutOfRange");

	json_string(json, "field", field);
	json_integer(json, "minimum", minimum);
	json_integer(json, "maximum", maximum);
	json_integer(json, "given", given);
	control_send(call, false);
}

void control_fail_field(struct control_call *call, const char *field, const char *format, ...)
{
	struct json *json = control_error(call, "InvalidField");
	char reason[SENTENCE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	json_string(json, "field", field);
	json_string(json, "reason", reason);
	control_send(call, false);
}

const struct control_service *call_service(const struct control *control, const char *name, size_t length)
{
	const struct control_service *services[] = { &service_of_every_socket, &control->service };

	for (unsigned i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (strlen(services[i]->name) == length && memcmp(services[i]->name, name, length) == 0)
			return services[i];
	return NULL;
}

static const struct control_method *find_method(const struct control_service *service, const char *name)
{
	for (unsigned i = 0; i < service->method_count; i++)
		if (strcmp(service->methods[i].name, name) == 0)
			return &service->methods[i];
	return NULL;
}

/* Whose members may call the method: those who may change may look as well. */
static const char *group_of_method(const struct control *control, const char *name)
{
	const char *dot = strrchr(name, '.');
	const struct control_service *service = dot ? call_service(control, name, (size_t)(dot - name)) : NULL;
	const struct control_method *method = service ? find_method(service, dot + 1) : NULL;
	bool looks = !method || method->right == CONTROL_READ;

	return looks && control->access.group_name[0] ? control->access.group_name : control->access.control_group_name;
}

static void add_denied(struct json *json, const struct control *control, const char *method)
{
	json_string(json, "method", method);
	json_string(json, "group", group_of_method(control, method));
}

char *call_refusal(const struct control *control, const struct quota_refusal *refusal, const char *method,
		   char terminator, size_t *ret_bytes)
{
	struct json json = { 0 };

	json_object(&json, NULL);
	begin_error(&json, control->service.name, refusal ? "LimitReached" : "PermissionDenied");
	if (!refusal)
		add_denied(&json, control, method);
	else
		add_limit(&json, refusal->limit == QUOTA_RATE ? "control-rate" : "control-connections",
			  refusal->maximum, refusal->retry_after_ns);
	return finish(&json, terminator, ret_bytes);
}

/* A call that nobody made, so that somebody is told. */
static struct control_call *begin_call(struct connection *connection, char terminator)
{
	struct control_call *call = &connection->call;

	assert(!call->active);
	free(call->json.text);
	*call = (struct control_call){ .connection = connection, .active = true, .terminator = terminator };
	return call;
}

void call_forget(struct control_call *call)
{
	bool forgotten = call->active && call->gone;

	call->active = false;
	if (forgotten)
		call->gone(call);
}

/* --- later answers --- */

void control_keep(struct control_call *call, void *data, void (*gone)(struct control_call *call),
		  void (*room)(struct control_call *call))
{
	call->data = data;
	call->gone = gone;
	call->room = room;
}

void *control_data(const struct control_call *call)
{
	return call->data;
}

/* --- requests --- */

/* What a request says. */
struct envelope {
	const char *method;
	const struct json_node *parameters;
	bool oneway, more, upgrade;
	bool has_parameters, has_oneway, has_more, has_upgrade;
};

static const struct parameter envelope_table[] = {
	PARAMETER_REQUIRED(PARAMETER_STRING, struct envelope, method),
	PARAMETER_OPTIONAL(PARAMETER_OBJECT, struct envelope, parameters, has_parameters),
	PARAMETER_OPTIONAL(PARAMETER_BOOL, struct envelope, oneway, has_oneway),
	PARAMETER_OPTIONAL(PARAMETER_BOOL, struct envelope, more, has_more),
	PARAMETER_OPTIONAL(PARAMETER_BOOL, struct envelope, upgrade, has_upgrade),
};
static const unsigned envelope_count = sizeof(envelope_table) / sizeof(envelope_table[0]);

static const struct json_node no_parameters = { .kind = JSON_OBJECT };

/* A text that is not JSON, or not within its bounds. Fields are told as in the parameters, as ever. */
static void fail_parse(struct control_call *call, int error, const struct json_fault *fault)
{
	const struct control_limits *limits = &call->connection->control->limits;
	const char *field = fault->field;

	if (strncmp(field, "parameters.", sizeof("parameters.") - 1) == 0)
		field += sizeof("parameters.") - 1;
	if (error == -ENOMEM) {
		connection_starve(call->connection, "a request");
	} else if (error == -EFBIG && fault->bound == JSON_BOUND_DEPTH) {
		fail_limit(call, "control-depth", limits->depth_max, 0);
	} else if (error == -EFBIG && fault->bound == JSON_BOUND_VALUES) {
		fail_limit(call, "control-values", limits->values_max, 0);
	} else {
		control_fail_field(call, field, "%s (line %u, column %u)", fault->text, fault->line, fault->column);
	}
}

/* Whoever runs the service wants to know who tried. */
static void log_denied(const struct connection *connection, const char *method)
{
	const struct ucred peer = { .pid = connection->pid, .uid = connection->uid };
	const char *group = group_of_method(connection->control, method);

	control_log_peer(connection->control, &peer, LOG_EVENT_CLIENT_DENIED, -EACCES,
			 "%s is not allowed, it is for root%s%s", method, group[0] ? " and members of " : "", group);
}

/* A method of which all is known but whether it is to be. */
static void call_method(struct control_call *call, const struct control_service *service,
			const struct control_method *method, const struct envelope *envelope)
{
	const struct connection *connection = call->connection;

	if (envelope->upgrade) {
		service_fail(call, "MethodNotImplemented", "method", envelope->method);
	} else if (method->right == CONTROL_CHANGE && connection->standing != STANDING_CHANGER) {
		log_denied(connection, envelope->method);
		add_denied(control_error(call, "PermissionDenied"), connection->control, envelope->method);
		control_send(call, false);
	} else if (method->streams && !envelope->more) {
		service_fail(call, "ExpectedMore", NULL, NULL);
	} else {
		call->more = envelope->more;
		method->call(service->owner, call, envelope->has_parameters ? envelope->parameters : &no_parameters);
	}
}

static void dispatch(struct control_call *call, const struct envelope *envelope)
{
	const struct control *control = call->connection->control;
	const char *dot = strrchr(envelope->method, '.');
	size_t length = dot ? (size_t)(dot - envelope->method) : 0;
	const struct control_service *service = call_service(control, envelope->method, length);
	const struct control_method *method;

	if (length == 0 || !dot[1]) {
		control_fail_field(call, "method",
				   "\"%.*s\" is not the full name of a method, which is like %s.GetInfo", NAME_SHOWN,
				   envelope->method, service_of_every_socket.name);
		return;
	}
	if (!service) {
		char *interface = strndup(envelope->method, length);

		service_fail(call, "InterfaceNotFound", "interface", interface ? interface : "");
		free(interface);
		return;
	}
	method = find_method(service, dot + 1);
	if (method)
		call_method(call, service, method, envelope);
	else
		service_fail(call, "MethodNotFound", "method", envelope->method);
}

/* `oneway` counts before anything else is known to be right: an answer that nobody waits for would be taken for that to
 * the next request. */
static bool is_oneway(const struct json_node *request)
{
	const struct json_node *node = json_find(request, "oneway");

	return node && node->kind == JSON_BOOL && node->boolean;
}

/* Of one who may have no answer but why; NULL: the request is not JSON, or not whole. */
static void turn_away(struct control_call *call, const struct json_node *request)
{
	struct connection *connection = call->connection;
	const struct json_node *method = request ? json_find(request, "method") : NULL;
	const struct quota_refusal *refusal = connection->standing == STANDING_STRANGER ? NULL : &connection->refusal;
	size_t bytes;
	char *text =
		call_refusal(connection->control, refusal, method && method->kind == JSON_STRING ? method->string : "",
			     call->terminator, &bytes);

	call->active = false;
	if (text && !call->oneway)
		connection_answer(connection, text, bytes);
	free(text);
	connection_finish(connection);
}

void call_fail_stream(struct connection *connection, char terminator, const char *limit, uint64_t maximum)
{
	struct control_call *call = begin_call(connection, terminator);

	if (connection->turned_away) {
		turn_away(call, NULL);
	} else {
		const struct ucred peer = { .pid = connection->pid, .uid = connection->uid };

		control_log_peer(connection->control, &peer, LOG_EVENT_CLIENT_LIMIT, 0,
				 "closing its connection: a request is beyond %s, which is %llu", limit,
				 (unsigned long long)maximum);
		fail_limit(call, limit, maximum, 0);
		connection_finish(connection);
	}
}

/* A request that is JSON. `refusal`: it came too fast, or NULL. */
static void handle_request(struct control_call *call, const struct json_node *request,
			   const struct quota_refusal *refusal)
{
	struct envelope envelope = { .method = NULL };

	call->oneway = is_oneway(request);
	if (call->connection->turned_away) {
		turn_away(call, request);
	} else if (refusal) {
		fail_limit(call, "control-rate", refusal->maximum, refusal->retry_after_ns);
	} else if (parameters_read(call, "", request, envelope_table, envelope_count, &envelope) == 0) {
		if (envelope.oneway && envelope.more)
			control_fail_field(call, "more", "a request with \"oneway\" has no answer, let alone more");
		else
			dispatch(call, &envelope);
	}
}

void call_handle(struct connection *connection, const char *text, size_t bytes, char terminator)
{
	const struct control_limits *limits = &connection->control->limits;
	const struct json_bounds bounds = { .bytes_max = limits->message_bytes,
					    .depth_max = limits->depth_max,
					    .values_max = limits->values_max };
	struct control_call *call = begin_call(connection, terminator);
	struct quota_refusal refusal;
	struct json_tree *tree = NULL;
	struct json_fault fault;
	/* Who is too fast costs one look at a request, so it can be told, or not if it wants no answer. */
	bool too_fast = !connection->turned_away && !connection_spend(connection, &refusal);
	int r = json_tree_parse(text, bytes, &bounds, &tree, &fault);

	connection->control->stats.requests++;
	if (r == 0)
		handle_request(call, json_tree_root(tree), too_fast ? &refusal : NULL);
	else if (connection->turned_away)
		turn_away(call, NULL);
	else if (too_fast)
		fail_limit(call, "control-rate", refusal.maximum, refusal.retry_after_ns);
	else
		fail_parse(call, r, &fault);
	json_tree_destroy(tree);
}
