/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands_watch.c - Watch: tells those who asked what changed. What happens while one of them has no room is told
 * once, as it is then: a bit for each kind, and for losses what was told last. Main thread only.
 */
#include "commands_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define INTERVAL_US_MIN 100000
#define INTERVAL_US_MAX INT64_C(3600000000)
#define INTERVAL_US_DEFAULT 1000000
#define SPACING_NS (50 * NS_PER_MS) /* between replies of one watcher; the first after a while comes at once */

/* What a watcher knows of one stream's losses. */
struct told {
	char stream[LUMARING_NAME_MAX + 1];
	uint64_t lost[LUMARING_LOST_CAUSES];
};

struct watch {
	struct watch *next;
	struct commands *commands;
	struct control_call *call;
	unsigned pending; /* bit of each watch_kind that is to be told */
	bool full;        /* what is pending waits for room */
	uint64_t interval_ns, due_ns;
	uint64_t quiet_ns; /* CLOCK_MONOTONIC: no change is told before */
	struct told told[LIMIT_STREAMS];
	unsigned told_count;
};

static unsigned bit(enum watch_kind kind)
{
	return 1u << kind;
}

/* --- what is told --- */

static struct json *begin(struct watch *watch, const char *kind)
{
	struct json *json = control_reply(watch->call);

	json_string(json, "kind", kind);
	json_number(json, "time_us", clock_monotonic_ns() / NS_PER_US);
	return json;
}

static bool tell_state(struct watch *watch)
{
	const struct commands_view *view = &watch->commands->view;
	struct status_view status;

	view->status(view->owner, &status);
	json_string(begin(watch, "state"), "state", status_source_state(status.state));
	return control_send(watch->call, true);
}

static bool tell_configuration(struct watch *watch)
{
	commands_write_configuration(begin(watch, "configuration"), "configuration",
				     &watch->commands->view.configure->current);
	return control_send(watch->call, true);
}

static bool tell_controls(struct watch *watch)
{
	struct source_controls controls;

	source_get_controls(watch->commands->view.source, &controls);
	commands_write_controls(begin(watch, "controls"), "controls", &controls);
	return control_send(watch->call, true);
}

/* --- losses --- */

/* What was told of a stream last; one that is new, or there again, begins with what it has lost now. */
static struct told *told_of(struct watch *watch, const struct stream *stream)
{
	struct told *told = watch->told;

	while (told < watch->told + watch->told_count && strcmp(told->stream, stream->config.name))
		told++;
	return told < watch->told + watch->told_count ? told : NULL;
}

static void note_losses(struct told *told, const struct stream *stream)
{
	memcpy(told->stream, stream->config.name, sizeof(told->stream));
	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
		told->lost[cause] = stream_lost(stream, (enum lumaring_lost)cause);
}

static bool tell_losses_of(struct watch *watch, struct told *told, const struct stream *stream)
{
	struct told now;
	struct json *json;
	uint64_t sum = 0;

	/* What is lost from here on is told the next time. */
	note_losses(&now, stream);
	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
		sum += now.lost[cause] > told->lost[cause];
	if (sum) {
		json = begin(watch, "losses");
		json_string(json, "stream", stream->config.name);
		json_object(json, "lost");
		for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
			if (status_lost_name(cause) && now.lost[cause] > told->lost[cause])
				json_number(json, status_lost_name(cause), now.lost[cause] - told->lost[cause]);
		json_close(json);
		if (!control_send(watch->call, true))
			return false;
	}
	*told = now;
	return true;
}

static bool tell_losses(struct watch *watch)
{
	struct told told[LIMIT_STREAMS];
	unsigned count = 0;
	bool room = true;

	for (const struct stream *s = watch->commands->view.attach->streams; s; s = s->next) {
		const struct told *before = told_of(watch, s);

		if (s->owner || s->removed)
			continue;
		if (before)
			told[count] = *before;
		else
			note_losses(&told[count], s);
		room = room && tell_losses_of(watch, &told[count], s);
		count++;
	}
	memcpy(watch->told, told, count * sizeof(told[0]));
	watch->told_count = count;
	return room;
}

/* --- when --- */

static void flush(struct watch *watch)
{
	static bool (*const tell[])(struct watch * watch) = {
		[WATCH_STATE] = tell_state,
		[WATCH_CONFIGURATION] = tell_configuration,
		[WATCH_CONTROLS] = tell_controls,
		[WATCH_LOSSES] = tell_losses,
	};

	if (watch->pending & ~bit(WATCH_LOSSES))
		watch->quiet_ns = clock_monotonic_ns() + SPACING_NS;
	for (unsigned kind = 0; kind < sizeof(tell) / sizeof(tell[0]); kind++) {
		if (!(watch->pending & bit(kind)))
			continue;
		watch->full = !tell[kind](watch);
		if (watch->full)
			return; /* on_room() goes on */
		watch->pending &= ~bit(kind);
	}
}

static void on_room(struct control_call *call)
{
	flush(control_data(call));
}

static void on_gone(struct control_call *call)
{
	struct watch *watch = control_data(call), **link = &watch->commands->watches;

	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	free(watch);
}

/* When there may be something to tell next. */
static uint64_t next_ns(const struct watch *watch)
{
	bool is_held_back = watch->pending && !watch->full;

	return is_held_back && watch->quiet_ns < watch->due_ns ? watch->quiet_ns : watch->due_ns;
}

static void start_tick(struct commands *commands)
{
	uint64_t first_ns = UINT64_MAX;

	for (const struct watch *w = commands->watches; w; w = w->next)
		if (next_ns(w) < first_ns)
			first_ns = next_ns(w);
	if (first_ns == UINT64_MAX)
		return;
	if (!loop_op_active(&commands->tick)) {
		commands->tick_ns = first_ns;
		loop_timer(commands->view.loop, &commands->tick, first_ns);
	} else if (first_ns < commands->tick_ns) {
		loop_cancel(commands->view.loop, &commands->tick);
	}
}

static void on_tick(struct loop_op *op, int result)
{
	struct commands *commands = op->owner;
	uint64_t now_ns = clock_monotonic_ns();

	for (struct watch *w = commands->watches; result == 0 && w; w = w->next) {
		if (next_ns(w) > now_ns)
			continue;
		if (w->due_ns <= now_ns) {
			w->due_ns = now_ns + w->interval_ns;
			w->pending |= bit(WATCH_LOSSES);
		}
		if (!w->full)
			flush(w);
	}
	start_tick(commands);
}

void commands_changed(struct commands *commands, enum watch_kind kind)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (!commands || !commands->watches)
		return;
	for (struct watch *w = commands->watches; w; w = w->next) {
		w->pending |= bit(kind);
		if (!w->full && now_ns >= w->quiet_ns)
			flush(w);
	}
	start_tick(commands);
}

struct watch_parameters {
	int64_t interval_us;
	bool has_interval_us;
};

COMMANDS_METHOD(commands_watch)
{
	static const struct parameter table[] = { PARAMETER_INTEGER_OPTIONAL(
		struct watch_parameters, interval_us, has_interval_us, INTERVAL_US_MIN, INTERVAL_US_MAX) };
	struct commands *commands = owner;
	struct watch_parameters p = { .interval_us = INTERVAL_US_DEFAULT };
	struct watch *watch;
	struct json *json;

	if (parameters_read(call, "", parameters, table, 1, &p) < 0)
		return;
	watch = calloc(1, sizeof(*watch));
	if (!watch) {
		/* There may be some again soon. */
		json = control_error(call, "Busy");
		json_string(json, "reason", "the daemon has no memory for another who watches");
		json_number(json, "retry_after_us", INTERVAL_US_DEFAULT);
		control_send(call, false);
		return;
	}
	watch->commands = commands;
	watch->call = call;
	watch->interval_ns = (uint64_t)p.interval_us * NS_PER_US;
	watch->due_ns = clock_monotonic_ns() + watch->interval_ns;
	watch->pending = bit(WATCH_STATE);
	watch->next = commands->watches;
	commands->watches = watch;
	control_keep(call, watch, on_gone, on_room);
	tell_losses(watch); /* nothing yet: what was lost before is not told */
	flush(watch);
	start_tick(commands);
}

void commands_watch_init(struct commands *commands)
{
	commands->tick = (struct loop_op){ .done = on_tick, .owner = commands };
}

void commands_watch_finish(struct commands *commands)
{
	while (commands->watches) {
		struct watch *watch = commands->watches;

		commands->watches = watch->next;
		free(watch);
	}
}
