/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * configure.c - see configure.h. Main thread only. The order is the promise: up to change_source() nothing that a
 * client could see has happened, and what was made so far is destroyed again when something is refused; after it
 * nothing can fail any more.
 */
#include "configure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define NO_ANSWER_RETRY_US 500000u

/* --- what may be --- */

static int busy(struct fault *ret_fault, uint64_t retry_after_us, const char *reason)
{
	fault_field(ret_fault, -1, "", "%s", reason);
	ret_fault->kind = FAULT_BUSY;
	ret_fault->retry_after_us = retry_after_us;
	return -EBUSY;
}

/* There is no format yet, and why, a source with a device can tell. */
static int no_format(const struct configure *c, struct fault *ret_fault)
{
	struct source_report report;
	char text[sizeof(report.state_reason) + 64];

	source_get_report(c->source, &report);
	if (!report.state_reason[0])
		return busy(ret_fault, CONFIGURE_RETRY_US, "the source has not said yet what its frames look like");
	snprintf(text, sizeof(text), "the camera is not ready: %s", report.state_reason);
	return busy(ret_fault, CONFIGURE_CAMERA_RETRY_US, text);
}

static int check_ready(const struct configure *c, bool dry_run, struct fault *ret_fault)
{
	if (!c->attach->format)
		return no_format(c, ret_fault);
	if (c->stage != CONFIGURE_IDLE && !dry_run)
		return busy(ret_fault, CONFIGURE_RETRY_US, "another change is under way");
	if (attach_is_replacing(c->attach) && !dry_run)
		return busy(ret_fault, CONFIGURE_RETRY_US, "a ring is just being replaced");
	return 0;
}

int configure_check_ready(const struct configure *c, struct fault *ret_fault)
{
	return check_ready(c, false, ret_fault);
}

/* A rate that is the source's own and will be another is nothing that anybody asked for. */
static unsigned find_adjustments(const struct source_settings *asked, const struct source_settings *now,
				 const struct source_settings *got, struct adjustment *ret_adjustments)
{
	struct source_settings told = *got;

	if (!got->frame_duration_max_ns && !settings_differ_in_rate(asked, now)) {
		told.frame_duration_min_ns = asked->frame_duration_min_ns;
		told.frame_duration_max_ns = asked->frame_duration_max_ns;
	}
	return settings_adjustments(asked, &told, ret_adjustments);
}

/* Ask the source what it would make of the settings, and put that in their place. */
static int check_source(const struct configure *c, struct change *change, bool strict, struct fault *ret_fault)
{
	const struct source_settings asked = change->next.source, *now = &c->current.source;
	struct configure_outcome *outcome = &change->outcome;
	struct source_settings *got = &change->next.source;
	struct source_fault fault;
	int r;

	if (!settings_differ_in_format(&asked, now) && !settings_differ_in_rate(&asked, now))
		return 0;
	r = source_check(c->source, &asked, got, &fault);
	if (r == -EAGAIN)
		return busy(ret_fault, NO_ANSWER_RETRY_US, fault.text);
	if (r < 0) {
		fault_from_source(ret_fault, r, &fault);
		return r;
	}
	outcome->adjustment_count = find_adjustments(&asked, now, got, outcome->adjustments);
	outcome->restarted = settings_differ_in_format(got, now);
	if (!strict || !outcome->adjustment_count)
		return 0;
	fault_field(ret_fault, -1, "", "the source would take other values than those");
	ret_fault->kind = FAULT_ADJUSTED;
	ret_fault->adjustment_count = outcome->adjustment_count;
	memcpy(ret_fault->adjustments, outcome->adjustments, sizeof(ret_fault->adjustments));
	return -EINVAL;
}

/* Clients of streams that would go, and pins that a smaller ring would not bear. */
static int check_clients(const struct configure *c, const struct settings *next, bool force, struct fault *ret_fault)
{
	for (const struct stream *s = c->attach->streams; s; s = s->next) {
		int at = settings_find(next, s->config.name);
		unsigned clients = attach_clients(c->attach, s);

		if (s->owner || s->removed)
			continue;
		if (at < 0 && clients && !force) {
			fault_field(ret_fault, -1, "", "stream %s has %u client%s", s->config.name, clients,
				    clients == 1 ? "" : "s");
			ret_fault->kind = FAULT_STREAM_IN_USE;
			ret_fault->clients = clients;
			memcpy(ret_fault->name, s->config.name, sizeof(ret_fault->name));
			return -EBUSY;
		}
		if (at >= 0 && s->cursors_granted > ring_cursors_max(next->streams[at].slot_count))
			return fault_field(ret_fault, at, "slots",
					   "clients of stream %s may pin %u frames, a ring of %u slots bears %u",
					   s->config.name, s->cursors_granted, next->streams[at].slot_count,
					   ring_cursors_max(next->streams[at].slot_count));
	}
	return 0;
}

static int no_room(const struct stream_config *stream, uint64_t needed, uint64_t available, const char *reason,
		   struct fault *ret_fault)
{
	fault_field(ret_fault, -1, "", "%s", reason);
	ret_fault->kind = FAULT_NO_ROOM;
	memcpy(ret_fault->name, stream->name, sizeof(ret_fault->name));
	ret_fault->needed_bytes = needed;
	ret_fault->available_bytes = available;
	return -ENOSPC;
}

static struct stream *new_stream(const struct configure *c, const struct stream_config *config)
{
	return stream_create(config, c->config->camera, c->config->gid, c->config->ring_bytes_max);
}

/* Is there room for one more ring, beside those that the change would have been given before it? */
static int find_room(struct change *change, const struct stream_config *config, uint64_t needed,
		     struct fault *ret_fault)
{
	uint64_t available = ring_bytes_available();

	available = available > change->rings_bytes ? available - change->rings_bytes : 0;
	change->rings_bytes += needed;
	if (needed <= available)
		return 0;
	return no_room(config, needed, available, "/dev/shm has less room than its ring takes", ret_fault);
}

/* One stream of the change: it gets a ring where it needs one; in a dry run only what that takes is found out. */
static int prepare_stream(const struct configure *c, struct change *change, unsigned at, bool dry_run,
			  struct fault *ret_fault)
{
	const struct stream_config *config = &change->next.streams[at];
	uint32_t width = change->next.source.width, height = change->next.source.height;
	struct stream *stream = attach_find(c->attach, config->name);
	bool is_new = !stream;
	uint64_t needed;
	char text[512];
	int r;

	if (is_new)
		stream = change->fresh[at] = new_stream(c, config);
	if (!stream)
		return no_room(config, 0, 0, "no memory for another stream", ret_fault);
	if (!stream_needs_ring(stream, config, width, height))
		return 0;
	needed = stream_bytes_needed(stream, config, width, height);
	if (!needed)
		return fault_field(ret_fault, (int)at, "slots", "a ring of %u slots for these pictures is out of range",
				   config->slot_count);
	if (c->config->ring_bytes_max && needed > c->config->ring_bytes_max) {
		snprintf(text, sizeof(text), "the ring of stream %s would take more than ring-bytes allows",
			 config->name);
		return no_room(config, needed, c->config->ring_bytes_max, text, ret_fault);
	}
	if (!is_new)
		memcpy(change->outcome.replaced[change->outcome.replaced_count++], config->name, sizeof(config->name));
	if (dry_run)
		return find_room(change, config, needed, ret_fault);
	r = stream_prepare(stream, config, width, height, &change->rings[at], text, sizeof(text));
	return r < 0 ? no_room(config, needed, ring_bytes_available(), text, ret_fault) : 0;
}

static void drop_prepared(struct change *change)
{
	for (unsigned i = 0; i < LIMIT_STREAMS; i++) {
		ring_destroy(change->rings[i]);
		stream_destroy(change->fresh[i]);
		change->rings[i] = NULL;
		change->fresh[i] = NULL;
	}
}

/* --- the source --- */

static int refused(enum source_step step, bool restored, int error, const char *text, struct fault *ret_fault)
{
	log_event(LOG_LEVEL_WARNING, &(struct log_fields){ .event = LOG_EVENT_CHANGE_REFUSED, .error = -error },
		  "the source refused a change: %s", text);
	fault_field(ret_fault, -1, "", "%s", text);
	ret_fault->kind = FAULT_SOURCE_REFUSED;
	ret_fault->step = step;
	ret_fault->restored = restored;
	return -EIO;
}

static int change_source(struct configure *c, const struct change *change, struct fault *ret_fault)
{
	const struct source_settings *now = &c->current.source, *next = &change->next.source;
	enum source_step step = SOURCE_STEP_CONFIGURE;
	bool restored = true;
	char text[512] = "";
	int r = 0;

	if (change->outcome.restarted)
		r = source_reconfigure(c->source, now, next, &step, &restored, text, sizeof(text));
	else if (settings_differ_in_rate(now, next))
		r = source_set_rate(c->source, next->frame_duration_min_ns, next->frame_duration_max_ns, text,
				    sizeof(text));
	if (r == 0)
		return 0;
	if (r == -EAGAIN && step == SOURCE_STEP_STOP) /* so nothing has changed */
		return busy(ret_fault, NO_ANSWER_RETRY_US, text);
	r = refused(step, restored, r, text, ret_fault);
	if (!restored)
		c->handler.failed(c->handler.owner);
	return r;
}

/* --- putting in place --- */

static void put_stream(struct configure *c, unsigned at, const struct source_format *format)
{
	struct stream *fresh = c->change.fresh[at];
	struct ring *ring = c->change.rings[at];
	const struct stream_config *config = &c->change.next.streams[at];
	struct stream *stream = fresh ? fresh : attach_find(c->attach, config->name);

	if (fresh)
		attach_add(c->attach, fresh);
	else if (ring)
		stream->retired_plan = c->plan;
	/* A region may move with every frame: that is for those who watch, not for the log. */
	if (fresh || ring)
		log_event(LOG_LEVEL_INFO,
			  &(struct log_fields){ .event = LOG_EVENT_CONFIG_CHANGED, .stream = config->name },
			  "stream %s: %s", config->name, fresh ? "added" : "changed, with another ring");
	stream_take(stream, config, ring, format);
	c->change.fresh[at] = NULL;
	c->change.rings[at] = NULL;
}

/* Which rates go with another size a source may know only when it has that. */
static void take_rate(struct configure *c)
{
	struct source_settings *next = &c->change.next.source, asked = *next, got;
	struct configure_outcome *outcome = &c->change.outcome;
	struct adjustment adjustments[SETTINGS_ADJUSTMENTS_MAX];
	struct source_fault fault;
	unsigned count;

	if (!outcome->restarted || source_check(c->source, &asked, &got, &fault) < 0)
		return;
	next->frame_duration_min_ns = got.frame_duration_min_ns;
	next->frame_duration_max_ns = got.frame_duration_max_ns;
	got.width = asked.width;
	got.height = asked.height;
	count = settings_adjustments(&asked, &got, adjustments);
	for (unsigned i = 0; i < count && outcome->adjustment_count < SETTINGS_ADJUSTMENTS_MAX; i++)
		outcome->adjustments[outcome->adjustment_count++] = adjustments[i];
}

/* Its plan is still to be made, when all streams fit the format. */
static void put_in_place(struct configure *c, const struct source_format *format)
{
	const struct settings *next = &c->change.next;
	bool changed;

	take_rate(c);
	changed = !settings_equal(next, &c->current);
	c->plan = c->handler.next_plan(c->handler.owner);
	for (struct stream *s = c->attach->streams; s; s = s->next)
		if (!s->owner && !s->removed && settings_find(next, s->config.name) < 0) {
			log_event(LOG_LEVEL_INFO,
				  &(struct log_fields){ .event = LOG_EVENT_CONFIG_CHANGED, .stream = s->config.name },
				  "stream %s: removed", s->config.name);
			s->removed = true;
			s->removed_plan = c->plan;
		}
	for (unsigned i = 0; i < next->stream_count; i++)
		put_stream(c, i, format);
	c->current = *next;
	c->stage = CONFIGURE_SETTLING;
	attach_hold(c->attach, false);
	if (changed)
		c->handler.changed(c->handler.owner);
}

static void put_in_place_now(struct configure *c)
{
	put_in_place(c, c->attach->format);
	attach_waiting(c->attach);
	c->handler.replan(c->handler.owner);
}

static void finish(struct configure *c)
{
	c->change.outcome.settings = c->current;
	c->stage = CONFIGURE_IDLE;
	c->done(c->data, &c->change.outcome);
}

/* --- waiting, but not here --- */

/* Once the capture thread has the plan: is there something that may still come? */
static bool is_awaited(const struct configure *c, const struct capture_report *report)
{
	if (clock_monotonic_ns() >= c->deadline_ns)
		return false;
	for (const struct stream *s = c->attach->streams; s; s = s->next)
		if (s->removed)
			return true;
	return c->format_serial && report->framed_serial != c->format_serial && report->state == CAPTURE_LIVE;
}

static void note_gap(struct configure *c, const struct capture_report *report)
{
	struct configure_outcome *outcome = &c->change.outcome;

	if (!c->format_serial || report->framed_serial != c->format_serial || !report->before_ns)
		return;
	outcome->has_gap = true;
	outcome->gap_us = (report->after_ns - report->before_ns) / NS_PER_US;
	outcome->has_gap_frames = report->format.frame_duration_us > 0;
	if (outcome->has_gap_frames)
		outcome->gap_frames = settings_gap_frames(outcome->gap_us, report->format.frame_duration_us);
}

void configure_progress(struct configure *c, const struct capture_report *report)
{
	if (c->stage != CONFIGURE_SETTLING || report->acknowledged < c->plan || is_awaited(c, report))
		return;
	note_gap(c, report);
	finish(c);
}

/* A camera that was not there when it was asked has said nothing but what it was asked: it knows now. */
static void ask_again(const struct configure *c, struct source_settings *source)
{
	struct source_settings got;
	struct source_fault fault;

	if (!source->frame_duration_max_ns && source_check(c->source, source, &got, &fault) == 0)
		*source = got;
}

/* Its own doing: another clip, another camera. */
static void follow_source(struct configure *c, const struct source_format *format)
{
	struct source_settings *source = &c->current.source, before = *source;
	uint64_t duration_ns = format->frame_duration_us * NS_PER_US;

	ask_again(c, source);
	source->width = format->width;
	source->height = format->height;
	if (source->layout.pixels != format->pixels || !source->layout.name)
		pixels_find_layout(pixels_facts(format->pixels)->name, &source->layout);
	/* Within what is allowed, and to the microsecond, it keeps its own pace. */
	if (duration_ns && (duration_ns / NS_PER_US < source->frame_duration_min_ns / NS_PER_US ||
			    duration_ns / NS_PER_US > source->frame_duration_max_ns / NS_PER_US))
		source->frame_duration_min_ns = source->frame_duration_max_ns = duration_ns;
	if (settings_differ_in_format(source, &before) || settings_differ_in_rate(source, &before))
		c->handler.changed(c->handler.owner);
}

void configure_take_format(struct configure *c, const struct source_format *format, uint32_t format_serial)
{
	if (c->stage == CONFIGURE_FORMAT && format->width == c->change.next.source.width &&
	    format->height == c->change.next.source.height) {
		c->format_serial = format_serial;
		put_in_place(c, format);
	} else {
		follow_source(c, format);
	}
}

static void on_timer(struct loop_op *op, int result)
{
	struct configure *c = op->owner;

	if (result < 0 || c->stage == CONFIGURE_IDLE)
		return;
	if (clock_monotonic_ns() < c->deadline_ns) {
		loop_timer(c->loop, &c->timer, c->deadline_ns);
	} else if (c->stage == CONFIGURE_FORMAT && attach_is_replacing(c->attach)) {
		loop_timer(c->loop, &c->timer, clock_monotonic_ns() + CONFIGURE_RETRY_US * NS_PER_US);
	} else if (c->stage == CONFIGURE_FORMAT) {
		/* It may look the same to us, and so was not announced; or the source was not started yet. */
		put_in_place_now(c);
	} else {
		c->handler.replan(c->handler.owner); /* its acknowledgement brings configure_progress() */
	}
}

/* --- beginning --- */

/* Stopping and starting is dear to all who read. */
static int check_pace(const struct configure *c, struct fault *ret_fault)
{
	uint64_t wait_ns = settings_pace_wait_ns(c->size_changes_ns, clock_monotonic_ns(), c->config->size_change_rate);
	char text[128];

	if (!wait_ns)
		return 0;
	snprintf(text, sizeof(text), "size and pixel format may change %u times a second (size-change-rate)",
		 c->config->size_change_rate);
	return busy(ret_fault, (wait_ns + NS_PER_US - 1) / NS_PER_US, text);
}

static int check_all(const struct configure *c, const struct configure_request *request, struct change *change,
		     struct fault *ret_fault)
{
	int r = check_ready(c, request->dry_run, ret_fault);

	if (r == 0)
		r = check_source(c, change, request->strict, ret_fault);
	if (r == 0)
		r = settings_check(&change->next, ret_fault);
	if (r == 0)
		r = check_clients(c, &change->next, request->force, ret_fault);
	return r < 0 || request->dry_run || !change->outcome.restarted ? r : check_pace(c, ret_fault);
}

/* Nothing can fail any more. */
static void begin(struct configure *c, const struct configure_request *request, const struct change *change)
{
	c->change = *change;
	c->done = request->done;
	c->data = request->data;
	c->format_serial = 0;
	c->deadline_ns = clock_monotonic_ns() + CONFIGURE_PATIENCE_MS * NS_PER_MS;
	/* One that rings for an earlier change is started anew from on_timer(). */
	if (!loop_op_active(&c->timer))
		loop_timer(c->loop, &c->timer, c->deadline_ns);
	if (change->outcome.restarted) {
		c->stage = CONFIGURE_FORMAT;
		attach_hold(c->attach, true);
	} else {
		put_in_place_now(c);
	}
}

int configure_begin(struct configure *c, const struct configure_request *request, struct fault *ret_fault)
{
	struct change change = { .next = *request->wanted };
	int r = check_all(c, request, &change, ret_fault);

	for (unsigned i = 0; r == 0 && i < change.next.stream_count; i++)
		r = prepare_stream(c, &change, i, request->dry_run, ret_fault);
	if (r == 0 && !request->dry_run) {
		if (change.outcome.restarted)
			settings_pace_pay(&c->size_changes_ns, clock_monotonic_ns(), c->config->size_change_rate);
		r = change_source(c, &change, ret_fault);
	}
	if (r < 0 || request->dry_run)
		drop_prepared(&change);
	if (r < 0)
		return r;
	if (request->dry_run) {
		change.outcome.settings = change.next;
		request->done(request->data, &change.outcome);
	} else {
		begin(c, request, &change);
	}
	return 0;
}

/* --- making and unmaking --- */

void configure_init(struct configure *c, const struct config *config, struct loop *loop, struct attach *attach,
		    const struct configure_handler *handler)
{
	*c = (struct configure){ .handler = *handler, .config = config, .loop = loop, .attach = attach };
	c->timer = (struct loop_op){ .done = on_timer, .owner = c };
	c->current.stream_count = config->stream_count;
	for (unsigned i = 0; i < config->stream_count; i++) {
		c->current.streams[i] = config->streams[i];
		stream_config_complete(&c->current.streams[i]);
	}
}

int configure_open(struct configure *c, struct source *source, char *text, size_t text_bytes)
{
	const struct config *config = c->config;
	const struct source_settings asked = {
		.width = config->width,
		.height = config->height,
		.layout = config->layout,
		.frame_duration_min_ns = config->frame_duration_min_ns,
		.frame_duration_max_ns = config->frame_duration_max_ns,
	};
	struct source_controls controls;
	struct source_fault fault;
	int r;

	c->source = source;
	r = source_check(source, &asked, &c->current.source, &fault);
	if (r == 0 && config->controls.given)
		r = source_set_controls(source, &config->controls, &controls, &fault);
	if (r < 0)
		snprintf(text, text_bytes, "%s", fault.text);
	return r;
}

void configure_finish(struct configure *c)
{
	drop_prepared(&c->change);
}
