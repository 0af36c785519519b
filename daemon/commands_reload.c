/* SPDX-License-Identifier: BSD-2-Clause */
/* commands_reload.c - Reload, also for those who send SIGHUP. Main thread only. */
#include "commands_private.h"

#include <errno.h>

#include "base/clock.h"

#define RETRY_US_MAX 1000000u

static void write_names(struct json *json, const char *name, const struct config_setting *const *settings,
			unsigned count)
{
	json_array(json, name);
	for (unsigned i = 0; i < count; i++) {
		char key[64];

		config_key(settings[i], key, sizeof(key));
		json_string(json, NULL, key);
	}
	json_close(json);
}

static void on_reloaded(void *data, const struct reload_outcome *outcome)
{
	struct commands *commands = data;
	struct control_call *call = commands->reload_call;

	if (outcome->controls)
		commands_changed(commands, WATCH_CONTROLS);
	commands->reload_call = NULL;
	if (call) {
		struct json *json = control_reply(call);

		write_names(json, "changed", outcome->changes->live, outcome->changes->live_count);
		write_names(json, "needs_restart", outcome->changes->restart, outcome->changes->restart_count);
		if (outcome->applied)
			commands_write_outcome(json, "applied", outcome->applied);
		control_send(call, false);
	}
}

static void on_gone(struct control_call *call)
{
	struct commands *commands = control_data(call);

	if (commands->reload_call == call)
		commands->reload_call = NULL;
}

static void fail_bad(struct control_call *call, const struct config_faults *faults)
{
	struct json *json = control_error(call, "BadConfiguration");

	json_array(json, "faults");
	for (unsigned i = 0; i < faults->count; i++)
		json_string(json, NULL, faults->lines[i]);
	json_close(json);
	control_send(call, false);
}

/* Each time after twice as long: what it waits for may take as long as it likes, as a pipe that nobody writes to. */
static void retry(struct commands *commands, uint64_t after_us)
{
	if (loop_op_active(&commands->retry))
		return;
	if (after_us < commands->retry_us)
		after_us = commands->retry_us;
	commands->retry_us = 2 * after_us < RETRY_US_MAX ? 2 * after_us : RETRY_US_MAX;
	loop_timer(commands->view.loop, &commands->retry, clock_monotonic_ns() + after_us * NS_PER_US);
}

/* Of a call, or of nobody: then nobody could ask again, so that is done here. */
static void reload(struct commands *commands, struct control_call *call)
{
	static const struct fault_place place = { "", "streams", true };
	struct control_call *before = commands->reload_call;
	struct config_faults faults = { 0 };
	struct fault fault = { .stream = -1 };
	int r;

	if (!commands->view.reload->active)
		commands->reload_call = call;
	r = reload_begin(commands->view.reload, on_reloaded, commands, &faults, &fault);
	if (r < 0)
		commands->reload_call = before;
	if (r == -EBUSY && fault.kind == FAULT_BUSY && !call)
		retry(commands, fault.retry_after_us);
	else if (r < 0 && call && r == -EINVAL)
		fail_bad(call, &faults);
	else if (r < 0 && call)
		commands_fail(commands, call, &fault, &place);
	else if (call && commands->reload_call == call)
		control_keep(call, commands, on_gone, NULL);
	config_faults_clear(&faults);
}

void commands_reload(struct commands *commands)
{
	commands->retry_us = 0;
	reload(commands, NULL);
}

static void on_retry(struct loop_op *op, int result)
{
	if (result == 0)
		reload(op->owner, NULL);
}

void commands_reload_init(struct commands *commands)
{
	commands->retry = (struct loop_op){ .done = on_retry, .owner = commands };
}

COMMANDS_METHOD(commands_call_reload)
{
	if (commands_read_nothing(call, parameters))
		reload(owner, call);
}
