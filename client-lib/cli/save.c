/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * save.c - see save.h. Where the configuration is, the daemon says. Keys are those of its configuration file. Of the
 * streams all are written, since the daemon takes a list of them as a whole.
 */
#include "save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "dropin.h"
#include "json.h"
#include "output.h"

/* The directory of the configuration and the camera's name, into the drop-in that is begun. */
static int begin(const struct options *options, struct lumaring_control *control, struct dropin *dropin)
{
	const char *json, *camera;
	const cJSON *directory;
	cJSON *root;
	int code = control_call(options, control, "GetStatus", NULL, &json);
	int r = -EBADMSG;

	if (code != CODE_OK)
		return -EIO;
	root = cJSON_ParseWithOpts(json, NULL, true);
	directory = json_get(json_get(json_get(root, "status"), "configuration"), "directory");
	camera = json_text(json_get(root, "status"), "camera");
	/* A path of the daemon's own making; a camera's name has no slash. */
	if (cJSON_IsString(directory) && !directory->valuestring[0])
		talk("the daemon was started with a configuration file of its own (--config), which is not written to");
	else if (!cJSON_IsString(directory) || directory->valuestring[0] != '/' || !camera[0] || strchr(camera, '/'))
		talk("the daemon does not say where its configuration is: it may be older");
	else
		r = dropin_begin(dropin, directory->valuestring, camera);
	cJSON_Delete(root);
	return r;
}

/* A rate whose period is whole microseconds, exactly. */
static void put_durations(struct dropin *dropin, const struct lumaring_applied *applied)
{
	char rate[64];

	if (applied->frame_duration_min_us == applied->frame_duration_max_us)
		snprintf(rate, sizeof(rate), "1000000/%u", applied->frame_duration_min_us);
	else
		snprintf(rate, sizeof(rate), "1000000/%u-1000000/%u", applied->frame_duration_max_us,
			 applied->frame_duration_min_us);
	dropin_set_text(dropin, "framerate", rate);
}

static void put_configuration(struct dropin *dropin, const struct set_options *set,
			      const struct lumaring_applied *applied)
{
	const bool other = applied && applied->adjustments > 0;
	char size[32];

	snprintf(size, sizeof(size), "%ux%u", other ? applied->width : set->width,
		 other ? applied->height : set->height);
	if (set->width)
		dropin_set_text(dropin, "size", size);
	if (set->pixel_format)
		dropin_set_text(dropin, "pixel_format", set->pixel_format);
	if (set->framerate && other && applied->frame_duration_min_us > 0)
		put_durations(dropin, applied);
	else if (set->framerate)
		dropin_set_text(dropin, "framerate", set->framerate);
}

/* As the call does it: a time or a gain ends auto exposure, and that ends them. */
static void put_exposure(struct dropin *dropin, const struct lumaring_controls *c)
{
	const bool fixed = c->exposure_us != LUMARING_KEEP || c->analogue_gain_milli != LUMARING_KEEP;

	if (c->auto_exposure != LUMARING_KEEP)
		dropin_set_bool(dropin, "auto_exposure", c->auto_exposure);
	else if (fixed)
		dropin_set_bool(dropin, "auto_exposure", false);
	if (c->auto_exposure == 1 && !fixed) {
		dropin_remove(dropin, "exposure_us");
		dropin_remove(dropin, "analogue_gain_milli");
	}
}

static void put_controls(struct dropin *dropin, const struct lumaring_controls *c)
{
	const struct {
		const char *key;
		int64_t value;
	} rows[] = {
		{ "exposure_us", c->exposure_us },
		{ "analogue_gain_milli", c->analogue_gain_milli },
		{ "exposure_value_milli", c->exposure_value_milli },
		{ "brightness_milli", c->brightness_milli },
		{ "contrast_milli", c->contrast_milli },
		{ "sharpness_milli", c->sharpness_milli },
	};

	put_exposure(dropin, c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].value != LUMARING_KEEP)
			dropin_set_number(dropin, rows[i].key, rows[i].value);
}

static int put_streams(const struct options *options, struct lumaring_control *control, struct dropin *dropin)
{
	const char *json;
	const cJSON *streams;
	cJSON *root;
	int r = 0;

	if (control_call(options, control, "GetConfiguration", NULL, &json) != CODE_OK)
		return -EIO;
	root = cJSON_ParseWithOpts(json, NULL, true);
	streams = json_get(json_get(root, "configuration"), "streams");
	if (cJSON_IsArray(streams))
		dropin_set_streams(dropin, streams);
	else
		r = -EBADMSG;
	if (r < 0)
		talk("the daemon does not say which streams it has");
	cJSON_Delete(root);
	return r;
}

static int save(const struct options *options, struct lumaring_control *control, const struct lumaring_applied *applied,
		bool with_streams)
{
	struct dropin dropin;
	int r = begin(options, control, &dropin);

	if (r == 0) {
		put_configuration(&dropin, &options->set, applied);
		put_controls(&dropin, &options->set.controls);
		if (with_streams)
			r = put_streams(options, control, &dropin);
		r = dropin_end(&dropin, r);
	}
	if (r == 0)
		return CODE_OK;
	talk("not saved: the change is in force, but will not survive a restart of the daemon");
	return CODE_FAILED;
}

int save_set(const struct options *options, struct lumaring_control *control, const struct lumaring_applied *applied)
{
	return save(options, control, applied, options->set.has_roi);
}

int save_streams(const struct options *options, struct lumaring_control *control)
{
	return save(options, control, NULL, true);
}
