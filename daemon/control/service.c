/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.c - the interface that every Varlink service has: what it is, and what its interfaces are like. Main thread
 * only.
 */
#include <string.h>

#include "control/private.h"

extern const char control_text_org_varlink_service[]; /* org.varlink.service.varlink */

static void get_info(void *owner, struct control_call *call, const struct json_node *parameters)
{
	struct json *json;

	(void)owner;
	if (parameters->first) {
		service_fail(call, "InvalidParameter", "parameter", parameters->first->name);
		return;
	}
	json = control_reply(call);
	json_string(json, "vendor", "lumaring");
	json_string(json, "product", "lumaringd");
	json_string(json, "version", LUMARING_BUILD_VERSION);
	json_string(json, "url", "");
	json_array(json, "interfaces");
	json_string(json, NULL, service_of_every_socket.name);
	json_string(json, NULL, call->connection->control->service.name);
	json_close(json);
	control_send(call, false);
}

static void get_interface_description(void *owner, struct control_call *call, const struct json_node *parameters)
{
	const struct json_node *name = json_find(parameters, "interface");
	const struct control_service *service;

	(void)owner;
	for (const struct json_node *node = parameters->first; node; node = node->next) {
		if (node != name) {
			service_fail(call, "InvalidParameter", "parameter", node->name);
			return;
		}
	}
	if (!name || name->kind != JSON_STRING) {
		service_fail(call, "InvalidParameter", "parameter", "interface");
		return;
	}
	service = call_service(call->connection->control, name->string, strlen(name->string));
	if (!service) {
		service_fail(call, "InterfaceNotFound", "interface", name->string);
		return;
	}
	json_string(control_reply(call), "description", service->description);
	control_send(call, false);
}

static const struct control_method methods[] = {
	{ .name = "GetInfo", .right = CONTROL_READ, .call = get_info },
	{ .name = "GetInterfaceDescription", .right = CONTROL_READ, .call = get_interface_description },
};

const struct control_service service_of_every_socket = {
	.name = "org.varlink.service",
	.description = control_text_org_varlink_service,
	.methods = methods,
	.method_count = sizeof(methods) / sizeof(methods[0]),
};

void service_fail(struct control_call *call, const char *name, const char *parameter, const char *value)
{
	struct json *json = call_error(call, service_of_every_socket.name, name);

	if (parameter)
		json_string(json, parameter, value);
	control_send(call, false);
}
