/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * save.c - see save.h. Where the configuration is, the daemon says. Keys are those of its configuration file. Of the
 * streams all are written, since the daemon takes a list of them as a whole.
 */
#include "save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "json.h"
#include "output.h"
#include "overruled.h"

/* A path of the daemon's own making; a camera's name has no slash. */
static int begin_at(struct dropin *dropin, const cJSON *directory, const char *camera)
{
	if (cJSON_IsString(directory) && !directory->valuestring[0])
		talk("the daemon was started with a configuration file of its own (--config), which is not written to");
	else if (!cJSON_IsString(directory) || directory->valuestring[0] != '/' || !camera[0] || strchr(camera, '/'))
		talk("the daemon does not say where its configuration is: it may be older");
	else
		return dropin_lock(dropin, directory->valuestring, camera);
	return -EBADMSG;
}

/* A file of anybody else's would keep it from starting. */
static int check_owner(const cJSON *status)
{
	const cJSON *uid = json_get(status, "uid");

	if (geteuid() == 0 || !cJSON_IsNumber(uid) || uid->valuedouble == (double)geteuid())
		return 0;
	if (uid->valuedouble == 0)
		talk("the daemon takes configuration from root only: save as root");
	else
		talk("the daemon takes configuration from root and uid %.0f only: save as one of them",
		     uid->valuedouble);
	return -EACCES;
}

/* An answer of a method without parameters, to be freed; NULL after a sentence. */
static cJSON *ask(const struct options *options, struct lumaring_control *control, const char *method)
{
	const char *json;

	return control_call(options, control, method, NULL, &json) == CODE_OK ? cJSON_ParseWithOpts(json, NULL, true)
									      : NULL;
}

void save_begin(struct save *save, const struct options *options, struct lumaring_control *control)
{
	const cJSON *status;
	cJSON *root = options->set.save ? ask(options, control, "GetStatus") : NULL;

	if (!root)
		return;
	status = json_get(root, "status");
	if (check_owner(status) == 0 &&
	    begin_at(&save->dropin, json_get(json_get(status, "configuration"), "directory"),
		     json_text(status, "camera")) == 0)
		save->status = root;
	else
		cJSON_Delete(root);
}

void save_end(struct save *save)
{
	if (!save->status)
		return;
	dropin_end(&save->dropin);
	cJSON_Delete(save->status);
	save->status = NULL;
}

/* A rate whose period is whole microseconds, exactly. */
static void put_durations(struct dropin *dropin, uint32_t min_us, uint32_t max_us)
{
	char rate[64];

	if (min_us == max_us)
		snprintf(rate, sizeof(rate), "1000000/%u", min_us);
	else
		snprintf(rate, sizeof(rate), "1000000/%u-1000000/%u", max_us, min_us);
	dropin_set_text(dropin, "framerate", rate);
}

/* "30", "29.97", "30000/1001": what is behind it; NULL: the daemon's files take no rate that is written so. */
static const char *skip_rate(const char *text)
{
	static const char digits[] = "0123456789";
	size_t n = strspn(text, digits);

	if (n == 0 || n > 9)
		return NULL;
	text += n;
	if (*text != '.' && *text != '/')
		return text;
	n = strspn(text + 1, digits);
	return n == 0 || n > (*text == '.' ? 6 : 9) ? NULL : text + 1 + n;
}

static bool is_plain_rate(const char *text)
{
	text = skip_rate(text);
	if (text && *text == '-')
		text = skip_rate(text + 1);
	return text && !*text;
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
		put_durations(dropin, applied->frame_duration_min_us, applied->frame_duration_max_us);
	else if (set->framerate && is_plain_rate(set->framerate))
		dropin_set_text(dropin, "framerate", set->framerate);
	else if (set->framerate)
		put_durations(dropin, set->min_us, set->max_us);
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
		dropin_set_default(dropin, "exposure_us");
		dropin_set_default(dropin, "analogue_gain_milli");
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
		{ "scaler_crop_x", c->scaler_crop_x },
		{ "scaler_crop_y", c->scaler_crop_y },
		{ "scaler_crop_width", c->scaler_crop_width },
		{ "scaler_crop_height", c->scaler_crop_height },
	};

	put_exposure(dropin, c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].value != LUMARING_KEEP)
			dropin_set_number(dropin, rows[i].key, rows[i].value);
}

static int put_streams(const struct options *options, struct lumaring_control *control, struct dropin *dropin)
{
	cJSON *configured = ask(options, control, "GetConfiguration"), *status = ask(options, control, "GetStatus");
	const cJSON *streams = json_get(json_get(configured, "configuration"), "streams");
	const cJSON *configuration = json_get(json_get(status, "status"), "configuration");
	int r = configured && status ? 0 : -EIO;

	if (r == 0 && !cJSON_IsArray(streams)) {
		talk("the daemon does not say which streams it has");
		r = -EBADMSG;
	}
	if (r == 0)
		dropin_set_streams(dropin, streams, json_get(configuration, "default_slots"));
	cJSON_Delete(configured);
	cJSON_Delete(status);
	return r;
}

static int put_all(const struct options *options, struct lumaring_control *control,
		   const struct lumaring_applied *applied, bool with_streams, struct dropin *dropin)
{
	put_configuration(dropin, &options->set, applied);
	put_controls(dropin, &options->set.controls);
	return with_streams ? put_streams(options, control, dropin) : 0;
}

static int keep(struct save *save, const struct options *options, struct lumaring_control *control,
		const struct lumaring_applied *applied, bool with_streams)
{
	bool overruled = false;
	int r = save->status ? dropin_read(&save->dropin) : -EIO;

	if (r == 0)
		r = put_all(options, control, applied, with_streams, &save->dropin);
	if (r == 0)
		r = dropin_write(&save->dropin);
	if (r == 0)
		overruled = overruled_tell(
			&save->dropin,
			json_get(json_get(json_get(save->status, "status"), "configuration"), "command_line"));
	if (r < 0)
		talk("not saved: the change is in force, but will not survive a restart of the daemon");
	return r < 0 || overruled ? CODE_FAILED : CODE_OK;
}

int save_set(struct save *save, const struct options *options, struct lumaring_control *control,
	     const struct lumaring_applied *applied)
{
	return keep(save, options, control, applied, options->set.has_roi);
}

int save_streams(struct save *save, const struct options *options, struct lumaring_control *control)
{
	return keep(save, options, control, NULL, true);
}
