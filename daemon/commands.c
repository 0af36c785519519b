/* SPDX-License-Identifier: BSD-2-Clause */
/* commands.c - see commands.h: the table of methods, and the service that control/ makes of it. Main thread only. */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands_private.h"

static const struct control_method methods[] = {
	{ "GetStatus", CONTROL_READ, false, commands_get_status },
	{ "GetCapabilities", CONTROL_READ, false, commands_get_capabilities },
	{ "GetConfiguration", CONTROL_READ, false, commands_get_configuration },
	{ "ListClients", CONTROL_READ, false, commands_list_clients },
	{ "GetMetrics", CONTROL_READ, false, commands_get_metrics },
	{ "Watch", CONTROL_READ, true, commands_watch },
	{ "Configure", CONTROL_CHANGE, false, commands_configure },
	{ "SetControls", CONTROL_CHANGE, false, commands_set_controls },
	{ "AddStream", CONTROL_CHANGE, false, commands_add_stream },
	{ "RemoveStream", CONTROL_CHANGE, false, commands_remove_stream },
	{ "SetRegion", CONTROL_CHANGE, false, commands_set_region },
	{ "Reload", CONTROL_CHANGE, false, commands_call_reload },
};

static struct control_limits limits_of(const struct config *config)
{
	return (struct control_limits){
		.connections_max = config->control_connections_max,
		.message_bytes = config->control_message_bytes_max,
		.depth_max = config->control_depth_max,
		.values_max = config->control_values_max,
		.rate = config->control_rate,
		.message_ms = config->control_message_ms,
	};
}

static struct control_access access_of(const struct config *config, gid_t group, const char *group_name)
{
	return (struct control_access){
		.group = group,
		.control_group = config->control_gid,
		.group_name = group_name,
		.control_group_name = config->control_group,
	};
}

int commands_listen(const struct config *config, const char *path, int *ret_fd, char *text, size_t text_bytes)
{
	const struct control_access access = access_of(config, config->gid, config->group);

	return control_listen(path, &access, ret_fd, text, text_bytes);
}

int commands_create(const struct commands_view *view, int fd, struct commands **ret_commands)
{
	const struct control_limits limits = limits_of(view->config);
	const struct control_access access = access_of(view->config, view->group, view->group_name);
	struct commands *commands = calloc(1, sizeof(*commands));
	struct control_service service = {
		.owner = commands,
		.name = "io.lumaring.Camera",
		.description = control_text_io_lumaring_Camera,
		.methods = methods,
		.method_count = sizeof(methods) / sizeof(methods[0]),
	};
	int r;

	if (!commands) {
		close(fd);
		return -ENOMEM;
	}
	commands->view = *view;
	commands_reload_init(commands);
	commands_watch_init(commands);
	r = control_create(view->loop, fd, &limits, &access, &service, &commands->control);
	if (r < 0)
		free(commands);
	else
		*ret_commands = commands;
	return r;
}

void commands_get_stats(const struct commands *commands, struct control_stats *ret_stats)
{
	*ret_stats = (struct control_stats){ 0 };
	if (commands)
		control_get_stats(commands->control, ret_stats);
}

void commands_destroy(struct commands *commands)
{
	if (!commands)
		return;
	control_destroy(commands->control);
	commands_watch_finish(commands);
	free(commands);
}
