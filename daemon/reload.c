/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload.c - see reload.h. Main thread only. Controls of the sensor are changed first, since they can be changed back
 * when the transaction is refused.
 */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "service.h"

static bool is_changed(const struct config_changes *changes, const char *name)
{
	for (unsigned i = 0; i < changes->live_count; i++)
		if (!strcmp(changes->live[i]->name, name))
			return true;
	return false;
}

/* What of the changes concerns source and streams; false: nothing. */
static bool change_settings(const struct reload *reload, struct settings *settings)
{
	const struct config_changes *changes = &reload->changes;
	const struct config *next = &reload->next;
	bool size = is_changed(changes, "size"), format = is_changed(changes, "pixel-format");
	bool rate = is_changed(changes, "framerate"), streams = is_changed(changes, "stream");

	if (size) {
		settings->source.width = next->width;
		settings->source.height = next->height;
	}
	if (format)
		settings->source.layout = next->layout;
	if (rate) {
		settings->source.frame_duration_min_ns = next->frame_duration_min_ns;
		settings->source.frame_duration_max_ns = next->frame_duration_max_ns;
	}
	if (streams) {
		settings->stream_count = next->stream_count;
		memcpy(settings->streams, next->streams, sizeof(settings->streams));
		for (unsigned i = 0; i < next->stream_count; i++)
			stream_config_complete(&settings->streams[i]);
	}
	return size || format || rate || streams;
}

/* Controls that the files say otherwise now; those they do not name any more go back to what the source begins with. */
static struct source_controls changed_controls(const struct reload *reload)
{
	const struct source_controls *before = &reload->origin.config->controls, *after = &reload->next.controls;
	struct source_controls controls = { 0 };
	struct source_capabilities capabilities;

	source_get_capabilities(reload->configure->source, &capabilities);
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++) {
		uint32_t bit = SOURCE_BIT(control);
		bool given = after->given & bit;

		if ((before->given & bit) == (after->given & bit) &&
		    (!given || before->values[control] == after->values[control]))
			continue;
		controls.given |= bit;
		controls.values[control] = given ? after->values[control] : capabilities.ranges[control].initial;
	}
	return controls;
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
	const struct config_changes *changes = &reload->changes;
	const struct reload_outcome outcome = { .changes = changes, .applied = applied, .controls = reload->controls };
	char changed[512], restart[512];

	list(changes->live, changes->live_count, changed, sizeof(changed));
	list(changes->restart, changes->restart_count, restart, sizeof(restart));
	log_notice("read the configuration anew: changed %s; needs a restart: %s", changed, restart);
	config_adopt(reload->origin.config, &reload->next, changes);
	config_clear(&reload->next);
	reload->active = false;
	service_ready();
	reload->done(reload->data, &outcome);
}

static void on_configured(void *data, const struct configure_outcome *outcome)
{
	finish(data, outcome);
}

static int change_controls(struct reload *reload, struct fault *ret_fault)
{
	struct source_controls wanted = changed_controls(reload), now;
	struct source_fault fault;
	int r;

	reload->controls = wanted.given;
	if (!wanted.given)
		return 0;
	r = source_set_controls(reload->configure->source, &wanted, &now, &fault);
	if (r < 0)
		fault_from_source(ret_fault, r, &fault);
	return r;
}

static int apply(struct reload *reload, struct fault *ret_fault)
{
	struct settings wanted = reload->configure->current;
	struct configure_request request = { .wanted = &wanted, .done = on_configured, .data = reload };
	struct source_controls before, now;
	struct source_fault fault;
	int r;

	source_get_controls(reload->configure->source, &before);
	r = change_controls(reload, ret_fault);
	if (r < 0)
		return r;
	if (!change_settings(reload, &wanted)) {
		finish(reload, NULL);
		return 0;
	}
	r = configure_begin(reload->configure, &request, ret_fault);
	if (r < 0 && reload->controls)
		source_set_controls(reload->configure->source, &before, &now, &fault);
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
		log_error("%s", faults->lines[i]);
	if (r == -EINVAL)
		log_error("the configuration has %u faults and is left as it was", faults->count + faults->more);
	else if (ret_fault->kind != FAULT_BUSY)
		log_error("the configuration is left as it was: %s", ret_fault->reason);
	config_clear(&reload->next);
	reload->active = false;
	service_ready();
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
