/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload.c - see reload.h. Main thread only. Controls of the sensor are changed first, since they can be changed back
 * when the transaction is refused.
 */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "service.h"

static bool is_changed(const struct config_changes *changes, const char *name)
{
	for (unsigned i = 0; i < changes->live_count; i++)
		if (!strcmp(changes->live[i]->name, name))
			return true;
	return false;
}

/* --- source and streams --- */

/* To the microsecond, as clients ask for it. */
static bool same_rate(const struct source_settings *a, const struct source_settings *b)
{
	return a->frame_duration_min_ns / NS_PER_US == b->frame_duration_min_ns / NS_PER_US &&
	       a->frame_duration_max_ns / NS_PER_US == b->frame_duration_max_ns / NS_PER_US;
}

/* Put what changed in the files over the settings. */
static void change_settings(const struct reload *reload, struct settings *settings)
{
	const struct config_changes *changes = &reload->changes;
	struct source_settings *source = &settings->source, now = *source;
	const struct config *next = &reload->next;

	if (is_changed(changes, "size")) {
		source->width = next->width;
		source->height = next->height;
	}
	if (is_changed(changes, "pixel-format"))
		source->layout = next->layout;
	if (is_changed(changes, "framerate")) {
		source->frame_duration_min_ns = next->frame_duration_min_ns;
		source->frame_duration_max_ns = next->frame_duration_max_ns;
		if (same_rate(source, &now)) {
			source->frame_duration_min_ns = now.frame_duration_min_ns;
			source->frame_duration_max_ns = now.frame_duration_max_ns;
		}
	}
	if (is_changed(changes, "stream")) {
		settings->stream_count = next->stream_count;
		memcpy(settings->streams, next->streams, sizeof(settings->streams));
		for (unsigned i = 0; i < next->stream_count; i++)
			stream_config_complete(&settings->streams[i]);
	}
}

/* --- controls of the sensor --- */

#define AUTO SOURCE_BIT(SOURCE_AUTO_EXPOSURE)
#define MANUAL (SOURCE_BIT(SOURCE_EXPOSURE_US) | SOURCE_BIT(SOURCE_ANALOGUE_GAIN_MILLI))

static bool is_auto(const struct source_controls *controls)
{
	return controls->given & AUTO && controls->values[SOURCE_AUTO_EXPOSURE];
}

/* What a source that starts with what the files say comes to. */
static struct source_controls at_start(const struct source_controls *said,
				       const struct source_capabilities *capabilities)
{
	struct source_controls controls = { .given = capabilities->controls | said->given };

	for (unsigned control = 0; control < SOURCE_CONTROLS; control++)
		controls.values[control] = said->given & SOURCE_BIT(control) ? said->values[control]
									     : capabilities->ranges[control].initial;
	if (said->given & MANUAL && !(said->given & AUTO))
		controls.values[SOURCE_AUTO_EXPOSURE] = 0;
	return controls;
}

/*
 * Controls that the files say otherwise now, and that are not so already; those they do not name any more go back to
 * what the source begins with. Auto exposure sets the other two itself: only if the files say both they are both asked
 * for, and auto exposure has its way as at a start.
 */
static struct source_controls changed_controls(const struct reload *reload)
{
	const struct source_controls *said_before = &reload->origin.config->controls, *said = &reload->next.controls;
	struct source_controls before, after, now;
	struct source_capabilities capabilities;

	source_get_capabilities(reload->configure->source, &capabilities);
	source_get_controls(reload->configure->source, &now);
	before = at_start(said_before, &capabilities);
	after = at_start(said, &capabilities);
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++) {
		uint32_t bit = SOURCE_BIT(control);
		bool named = (said_before->given ^ said->given) & bit;
		bool is_so = now.given & bit && now.values[control] == after.values[control] &&
			     !(bit & MANUAL && is_auto(&now));

		if ((!named && before.values[control] == after.values[control]) || is_so ||
		    (bit & MANUAL & ~said->given && is_auto(&after)))
			after.given &= ~bit;
	}
	return after;
}

/* --- what became of it --- */

/* Is what the setting says in force already? */
static bool is_in_force(const struct reload *reload, const struct config_setting *setting,
			const struct settings *wanted, const struct source_controls *controls)
{
	const struct settings *now = &reload->configure->current;
	char key[CONFIG_KEY_BYTES];

	if (!strcmp(setting->name, "size"))
		return wanted->source.width == now->source.width && wanted->source.height == now->source.height;
	if (!strcmp(setting->name, "pixel-format"))
		return wanted->source.layout.pixels == now->source.layout.pixels &&
		       wanted->source.layout.chroma == now->source.layout.chroma && wanted->source.layout.name;
	if (!strcmp(setting->name, "framerate"))
		return same_rate(&wanted->source, &now->source);
	if (!strcmp(setting->name, "stream"))
		return settings_same_streams(wanted, now);
	config_key(setting, key, sizeof(key));
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++)
		if (!strcmp(key, source_control_names[control]))
			return !(controls->given & (SOURCE_BIT(control) | (SOURCE_BIT(control) & MANUAL ? AUTO : 0)));
	return false;
}

/* Who asks is told of what is another than it was, not of what only the files say otherwise. */
static void note_changes(struct reload *reload, const struct settings *wanted, const struct source_controls *controls)
{
	struct config_changes *told = &reload->told;

	*told = reload->changes;
	told->live_count = 0;
	for (unsigned i = 0; i < reload->changes.live_count; i++)
		if (!is_in_force(reload, reload->changes.live[i], wanted, controls))
			told->live[told->live_count++] = reload->changes.live[i];
}

/* Names of settings as the files have them. */
static void list(const struct config_setting *const *settings, unsigned count, char *text, size_t text_bytes)
{
	size_t used = 0;

	snprintf(text, text_bytes, "nothing");
	for (unsigned i = 0; i < count && used < text_bytes; i++) {
		char key[64];

		config_key(settings[i], key, sizeof(key));
		used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i ? ", " : "", key);
	}
}

static void finish(struct reload *reload, const struct configure_outcome *applied)
{
	const struct config_changes *changes = &reload->told;
	const struct reload_outcome outcome = { .changes = changes, .applied = applied, .controls = reload->controls };
	char changed[512], restart[512];

	list(changes->live, changes->live_count, changed, sizeof(changed));
	list(changes->restart, changes->restart_count, restart, sizeof(restart));
	log_event(LOG_LEVEL_NOTICE, &(struct log_fields){ .event = LOG_EVENT_CONFIG_RELOADED },
		  "read the configuration anew: changed %s; needs a restart: %s", changed, restart);
	config_adopt(reload->origin.config, &reload->next, &reload->changes);
	config_clear(&reload->next);
	reload->active = false;
	service_reloaded();
	reload->done(reload->data, &outcome);
}

static void on_configured(void *data, const struct configure_outcome *outcome)
{
	finish(data, outcome);
}

static int change_controls(struct reload *reload, const struct source_controls *wanted, struct fault *ret_fault)
{
	struct source_controls now;
	struct source_fault fault;
	int r;

	reload->controls = wanted->given;
	if (!wanted->given)
		return 0;
	r = source_set_controls(reload->configure->source, wanted, &now, &fault);
	if (r < 0)
		fault_from_source(ret_fault, r, &fault);
	return r;
}

static void restore_controls(const struct reload *reload, struct source_controls before)
{
	struct source_controls now;
	struct source_fault fault;

	if (is_auto(&before))
		before.given &= ~MANUAL;
	if (reload->controls && source_set_controls(reload->configure->source, &before, &now, &fault) < 0)
		log_event(LOG_LEVEL_WARNING, &(struct log_fields){ .event = LOG_EVENT_CHANGE_REFUSED },
			  "controls are not as they were before the configuration was refused: %s", fault.text);
}

static int apply(struct reload *reload, struct fault *ret_fault)
{
	const struct settings *current = &reload->configure->current;
	const struct source_controls controls = changed_controls(reload);
	struct settings wanted = *current;
	struct configure_request request = { .wanted = &wanted, .done = on_configured, .data = reload };
	struct source_controls before;
	int r = 0;

	change_settings(reload, &wanted);
	note_changes(reload, &wanted, &controls);
	source_get_controls(reload->configure->source, &before);
	if (!settings_equal(&wanted, current))
		r = configure_check_ready(reload->configure,
					  ret_fault); /* else controls would come and go at each try */
	if (r == 0)
		r = change_controls(reload, &controls, ret_fault);
	if (r < 0)
		return r;
	if (settings_equal(&wanted, current)) {
		finish(reload, NULL);
		return 0;
	}
	r = configure_begin(reload->configure, &request, ret_fault);
	if (r < 0)
		restore_controls(reload, before);
	return r;
}

static int busy(struct fault *ret_fault)
{
	fault_field(ret_fault, -1, "", "the configuration is just being read");
	ret_fault->kind = FAULT_BUSY;
	ret_fault->retry_after_us = CONFIGURE_RETRY_US;
	return -EBUSY;
}

int reload_begin(struct reload *reload, void (*done)(void *data, const struct reload_outcome *outcome), void *data,
		 struct config_faults *faults, struct fault *ret_fault)
{
	static const struct log_fields fields = { .event = LOG_EVENT_CONFIG_REFUSED };
	const struct reload_origin *origin = &reload->origin;
	int r;

	if (reload->active)
		return busy(ret_fault);
	service_reloading();
	r = config_load(origin->argc, origin->argv, &reload->next, faults);
	if (r == 0 && config_compare(origin->config, &reload->next, &reload->changes) < 0) {
		config_fault(faults, "there is no memory to compare the configuration");
		r = -EINVAL;
	}
	if (r == 0) {
		reload->active = true;
		reload->done = done;
		reload->data = data;
		r = apply(reload, ret_fault);
		if (r == 0)
			return 0;
		r = r == -EINVAL ? -ECANCELED : r; /* not a fault of the files */
	}
	for (unsigned i = 0; i < faults->count; i++)
		log_event(LOG_LEVEL_ERROR, &fields, "%s", faults->lines[i]);
	if (r == -EINVAL)
		log_error("the configuration has %u fault%s and is left as it was", faults->count + faults->more,
			  faults->count + faults->more == 1 ? "" : "s");
	else if (ret_fault->kind != FAULT_BUSY)
		log_event(LOG_LEVEL_ERROR, &fields, "the configuration is left as it was: %s", ret_fault->reason);
	config_clear(&reload->next);
	reload->active = false;
	service_reloaded();
	return r;
}

void reload_init(struct reload *reload, const struct reload_origin *origin, struct configure *configure)
{
	*reload = (struct reload){ .origin = *origin, .configure = configure };
}

void reload_finish(struct reload *reload)
{
	if (reload->active)
		config_clear(&reload->next);
}
