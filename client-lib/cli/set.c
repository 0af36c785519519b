/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * set.c - `lumaring set`: what was given becomes a call for size, rate and format, one for the sensor's controls, one
 * for a region, in this order. What can be known to be refused later is refused before anything is changed.
 */
#include <errno.h>
#include <stdio.h>

#include "change_table.h"
#include "control.h"
#include "control_table.h"
#include "output.h"
#include "page.h"
#include "save.h"
#include "session.h"
#include "streams.h"
#include "verbs.h"

static bool has_configuration(const struct set_options *set)
{
	return set->width || set->max_us || set->pixel_format;
}

/* The daemon tries controls on nothing but the camera. */
static int check_controls(const struct options *options, struct lumaring_control *control)
{
	const char *json;
	int r, code = control_call(options, control, "GetCapabilities", NULL, &json);

	if (code != CODE_OK)
		return code;
	r = change_table_check(json, &options->set.controls);
	return r < 0 ? session_exit_code(r) : CODE_OK;
}

static int show_applied(const struct options *options, const char *json)
{
	struct page page;
	int r;

	if (options->json)
		return control_show_json(json);
	r = page_begin(&page);
	return page_end(&page, r < 0 ? r : change_table_applied(json, options->set.dry_run, page.file));
}

static int configure(const struct options *options, struct lumaring_control *control,
		     struct lumaring_applied *ret_applied)
{
	const struct set_options *set = &options->set;
	struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
	const uint32_t flags = (set->dry_run ? LUMARING_DRY_RUN : 0) | (set->strict ? LUMARING_STRICT : 0);
	const struct lumaring_applied *applied;
	struct control_patience patience = { 0 };
	int r;

	wanted.width = set->width;
	wanted.height = set->height;
	wanted.frame_duration_min_us = set->min_us;
	wanted.frame_duration_max_us = set->max_us;
	wanted.pixel_format = set->pixel_format;
	do
		r = lumaring_configure(control, &wanted, flags, control_timeout_ms(options), &applied);
	while (control_again(options, control, r, &patience));
	if (r < 0)
		return control_failure(options, control, r);
	*ret_applied = *applied;
	ret_applied->pixel_format = NULL; /* the handle's */
	return show_applied(options, lumaring_control_reply(control));
}

/* In the words and units of the options rather than in the daemon's, where the capabilities tell why. */
static int controls_refused(const struct options *options, struct lumaring_control *control, int error)
{
	char text[320];
	const char *json;

	if (options->json || (error != -ERANGE && error != -ENOTSUP))
		return control_failure(options, control, error);
	snprintf(text, sizeof(text), "%s", lumaring_control_error_text(control));
	if (lumaring_control_call(control, "GetCapabilities", NULL, control_timeout_ms(options), &json) < 0 ||
	    change_table_check(json, &options->set.controls) == 0)
		talk("%s", text);
	return session_exit_code(error);
}

static int set_controls(const struct options *options, struct lumaring_control *control)
{
	struct page page;
	int r = lumaring_set_controls(control, &options->set.controls, control_timeout_ms(options), NULL);

	if (r < 0)
		return controls_refused(options, control, r);
	if (options->json)
		return control_show_json(lumaring_control_reply(control));
	r = page_begin(&page);
	return page_end(&page, r < 0 ? r : control_table_controls(lumaring_control_reply(control), page.file));
}

static int set_region(const struct options *options, struct lumaring_control *control)
{
	return streams_set_region(options, control, options->stream ? options->stream : "main", &options->set.roi);
}

/* Each step that was asked for, until one fails. */
static int set_all(const struct options *options, struct lumaring_control *control, struct save *save)
{
	const struct set_options *set = &options->set;
	const bool controls = options_set_controls(set), configuration = has_configuration(set);
	int code = controls && (configuration || set->dry_run) ? check_controls(options, control) : CODE_OK;
	struct lumaring_applied applied;
	bool changed = false;

	if (code == CODE_OK && configuration) {
		code = configure(options, control, &applied);
		changed = code == CODE_OK;
	}
	if (code == CODE_OK && controls && !set->dry_run) {
		code = set_controls(options, control);
		changed |= code == CODE_OK;
	}
	if (code == CODE_OK && set->has_roi)
		code = set_region(options, control);
	if (code != CODE_OK && changed)
		talk("what was set before that stays");
	if (code == CODE_OK && set->save)
		code = save_set(save, options, control, configuration ? &applied : NULL);
	return code;
}

int set_run(const struct options *options)
{
	struct lumaring_control *control;
	struct save save = { 0 };
	int code;

	if (options_set_check(&options->set) < 0)
		return CODE_USAGE;
	code = control_open(options, &control);
	if (code != CODE_OK)
		return code;
	save_begin(&save, options, control);
	code = set_all(options, control, &save);
	save_end(&save);
	lumaring_control_close(control);
	return code;
}
