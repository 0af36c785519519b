/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * configure.c - the calls of lumaring.h about control that have a C type: structs to parameters, and replies to
 * structs. Runs in the caller's thread. Ranges are the daemon's to check; what it answers is checked here.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <lumaring/layout.h>

#include "control.h"
#include "options.h"
#include "request.h"

#define END_OF(type, member) (offsetof(struct type, member) + sizeof(((struct type *)0)->member))

static const struct lr_options_kind configuration_kind = {
	"configuration",
	"LUMARING_CONFIGURATION_INIT",
	END_OF(lumaring_configuration, stream_count),
	sizeof(struct lumaring_configuration),
	0,
};
static const struct lr_options_kind stream_kind = {
	"stream", "LUMARING_STREAM_INIT", END_OF(lumaring_stream, always), sizeof(struct lumaring_stream), 0,
};
static const struct lr_options_kind controls_kind = {
	"controls",
	"LUMARING_CONTROLS_INIT",
	END_OF(lumaring_controls, sharpness_milli),
	sizeof(struct lumaring_controls),
	(uint64_t)LUMARING_KEEP,
};

/* The controls by the names that the interface gives them; auto_exposure is the one that is true or false. */
static const struct {
	const char *name;
	size_t offset;
} control_rows[] = {
	{ "exposure_us", offsetof(struct lumaring_controls, exposure_us) },
	{ "analogue_gain_milli", offsetof(struct lumaring_controls, analogue_gain_milli) },
	{ "auto_exposure", offsetof(struct lumaring_controls, auto_exposure) },
	{ "exposure_value_milli", offsetof(struct lumaring_controls, exposure_value_milli) },
	{ "brightness_milli", offsetof(struct lumaring_controls, brightness_milli) },
	{ "contrast_milli", offsetof(struct lumaring_controls, contrast_milli) },
	{ "sharpness_milli", offsetof(struct lumaring_controls, sharpness_milli) },
	{ "scaler_crop_x", offsetof(struct lumaring_controls, scaler_crop_x) },
	{ "scaler_crop_y", offsetof(struct lumaring_controls, scaler_crop_y) },
	{ "scaler_crop_width", offsetof(struct lumaring_controls, scaler_crop_width) },
	{ "scaler_crop_height", offsetof(struct lumaring_controls, scaler_crop_height) },
};

#define CONTROL_ROWS (sizeof(control_rows) / sizeof(control_rows[0]))

static int64_t *control_at(struct lumaring_controls *controls, size_t row)
{
	return (int64_t *)(void *)((char *)controls + control_rows[row].offset);
}

/* Ask what was written, if it could be. */
static int ask(struct lumaring_control *control, const char *method, struct lr_request *request, int timeout_ms)
{
	int r = request->failed ? lr_text_fail(&control->error, -ENOMEM, "out of memory")
				: lr_control_ask(control, method, request->text, timeout_ms);

	lr_request_finish(request);
	return r;
}

/* A mistake of the caller's: nothing was asked. */
static int refuse(struct lumaring_control *control, const struct lr_error *error)
{
	control->reply = control->error_json = "";
	control->error_name[0] = '\0';
	control->error = *error;
	return -EINVAL;
}

static int check_flags(uint32_t flags, uint32_t known, struct lr_error *error)
{
	if (flags & ~known)
		return lr_text_fail(error, -EINVAL, "flags is 0x%x, of which this call knows 0x%x", flags, known);
	return 0;
}

/* --- reading replies --------------------------------------------------------------------------------------------- */

/* The reply of one call; `bad` is set by what cannot be in it. */
struct reply {
	const struct lr_json parameters;
	const char *bad;
};

/* `otherwise` where there is nothing, or null. */
static int64_t number(struct reply *reply, const char *path, int64_t max, int64_t otherwise)
{
	struct lr_json value;
	int64_t integer = otherwise;

	if (!lr_json_find(reply->parameters, path, &value) || *value.begin == 'n')
		return otherwise;
	if (!lr_json_integer(value, 0, max, &integer))
		reply->bad = path;
	return integer;
}

static uint32_t count(struct reply *reply, const char *path)
{
	struct lr_json array;

	return lr_json_find(reply->parameters, path, &array) ? (uint32_t)lr_json_count(array) : 0;
}

/* The change was made; only what it came to is not known. */
static int check_reply(struct lumaring_control *control, const struct reply *reply)
{
	if (!reply->bad)
		return 0;
	return lr_text_fail(&control->error, -EBADMSG,
			    "the daemon's answer makes no sense: \"%s\" is missing, or not what it is to be",
			    reply->bad);
}

static int read_applied(struct lumaring_control *control)
{
	static const char format_path[] = "applied.configuration.pixel_format";
	struct reply reply = { .parameters = control->parameters };
	struct lr_json value;
	struct lumaring_applied a = {
		.width = (uint32_t)number(&reply, "applied.configuration.size.width", LUMARING_EXTENT_MAX, 0),
		.height = (uint32_t)number(&reply, "applied.configuration.size.height", LUMARING_EXTENT_MAX, 0),
		.frame_duration_min_us =
			(uint32_t)number(&reply, "applied.configuration.frame_duration_us.minimum", UINT32_MAX, 0),
		.frame_duration_max_us =
			(uint32_t)number(&reply, "applied.configuration.frame_duration_us.maximum", UINT32_MAX, 0),
		.adjustments = count(&reply, "applied.adjustments"),
		.replaced = count(&reply, "applied.replaced"),
		.gap_us = number(&reply, "applied.gap_us", INT64_MAX, -1),
		.gap_frames = number(&reply, "applied.gap_frames", INT64_MAX, -1),
		.pixel_format = control->pixel_format,
	};

	if (!lr_json_find(reply.parameters, "applied.configuration", &value) || !lr_json_is_object(value))
		reply.bad = "applied.configuration";
	a.restarted = lr_json_find(reply.parameters, "applied.restarted", &value) && lr_json_is_true(value);
	control->pixel_format[0] = '\0';
	if (lr_json_find(reply.parameters, format_path, &value) && *value.begin != 'n' &&
	    !lr_json_text(value, control->pixel_format, sizeof(control->pixel_format)))
		reply.bad = format_path;
	control->applied = a;
	return check_reply(control, &reply);
}

/* --- streams ----------------------------------------------------------------------------------------------------- */

static void put_region(struct lr_request *request, const struct lumaring_region *region)
{
	lr_request_open(request, "region", '{');
	lr_request_integer(request, "x", region->x);
	lr_request_integer(request, "y", region->y);
	lr_request_integer(request, "width", region->width);
	lr_request_integer(request, "height", region->height);
	lr_request_close(request, '}');
}

static void put_size(struct lr_request *request, const char *key, uint32_t width, uint32_t height)
{
	lr_request_open(request, key, '{');
	lr_request_integer(request, "width", width);
	lr_request_integer(request, "height", height);
	lr_request_close(request, '}');
}

static int put_stream(struct lr_request *request, const char *key, const struct lumaring_stream *given,
		      struct lr_error *error)
{
	struct lumaring_stream s = LUMARING_STREAM_INIT;
	const int r = lr_options_copy(&stream_kind, given, &s, error);

	if (r < 0)
		return r;
	if (!s.name)
		return lr_text_fail(error, -EINVAL, "a stream needs a name");
	if (s.fourcc && s.fourcc != LUMARING_FORMAT_R8 && s.fourcc != LUMARING_FORMAT_R16)
		return lr_text_fail(error, -EINVAL,
				    "stream.fourcc is 0x%08x, accepted: LUMARING_FORMAT_R8, LUMARING_FORMAT_R16, or 0",
				    s.fourcc);
	if (s.always < -1 || s.always > 1)
		return lr_text_fail(error, -EINVAL, "stream.always is %d, accepted: 1, 0, or -1", s.always);
	lr_request_open(request, key, '{');
	lr_request_text(request, "name", s.name);
	if (s.region.x || s.region.y || s.region.width || s.region.height)
		put_region(request, &s.region);
	if (s.width_max || s.height_max)
		put_size(request, "max_size", s.width_max, s.height_max);
	if (s.slots)
		lr_request_integer(request, "slots", s.slots);
	if (s.fourcc)
		lr_request_text(request, "format", s.fourcc == LUMARING_FORMAT_R8 ? "R8" : "R16");
	if (s.bin)
		lr_request_integer(request, "bin", s.bin);
	if (s.always >= 0)
		lr_request_bool(request, "always", s.always);
	lr_request_close(request, '}');
	return 0;
}

static int put_streams(struct lr_request *request, const struct lumaring_configuration *configuration,
		       struct lr_error *error)
{
	const char *at = (const char *)configuration->streams;
	int r = 0;

	if (!at)
		return 0;
	lr_request_open(request, "streams", '[');
	for (size_t i = 0; r == 0 && i < configuration->stream_count; i++, at += configuration->streams->size)
		r = put_stream(request, NULL, (const struct lumaring_stream *)(const void *)at, error);
	lr_request_close(request, ']');
	return r;
}

LUMARING_API int lumaring_add_stream(struct lumaring_control *control, const struct lumaring_stream *stream,
				     int timeout_ms)
{
	struct lr_request request = { 0 };
	struct lr_error error = { "lumaring_add_stream() needs a stream" };
	int r;

	lr_request_open(&request, NULL, '{');
	r = stream ? put_stream(&request, "stream", stream, &error) : -EINVAL;
	lr_request_close(&request, '}');
	if (r == 0)
		return ask(control, "AddStream", &request, timeout_ms);
	lr_request_finish(&request);
	return refuse(control, &error);
}

LUMARING_API int lumaring_remove_stream(struct lumaring_control *control, const char *stream, uint32_t flags,
					int timeout_ms)
{
	struct lr_request request = { 0 };
	struct lr_error error = { "lumaring_remove_stream() needs a stream" };

	if (!stream || check_flags(flags, LUMARING_FORCE, &error) < 0)
		return refuse(control, &error);
	lr_request_open(&request, NULL, '{');
	lr_request_text(&request, "name", stream);
	if (flags & LUMARING_FORCE)
		lr_request_bool(&request, "force", true);
	lr_request_close(&request, '}');
	return ask(control, "RemoveStream", &request, timeout_ms);
}

LUMARING_API int lumaring_set_stream_region(struct lumaring_control *control, const char *stream,
					    const struct lumaring_region *region, int timeout_ms,
					    struct lumaring_region *ret_region)
{
	struct lr_request request = { 0 };
	const struct lr_error error = { "lumaring_set_stream_region() needs a stream and a region" };
	struct lumaring_region got;
	int r;

	if (!stream || !region)
		return refuse(control, &error);
	lr_request_open(&request, NULL, '{');
	lr_request_text(&request, "stream", stream);
	put_region(&request, region);
	lr_request_close(&request, '}');
	r = ask(control, "SetRegion", &request, timeout_ms);
	if (r == 0) {
		struct reply reply = { .parameters = control->parameters };

		got.x = (uint32_t)number(&reply, "region.x", LUMARING_EXTENT_MAX, 0);
		got.y = (uint32_t)number(&reply, "region.y", LUMARING_EXTENT_MAX, 0);
		got.width = (uint32_t)number(&reply, "region.width", LUMARING_EXTENT_MAX, 0);
		got.height = (uint32_t)number(&reply, "region.height", LUMARING_EXTENT_MAX, 0);
		r = check_reply(control, &reply);
	}
	if (r == 0 && ret_region)
		*ret_region = got;
	return r;
}

/* --- configuration and controls ---------------------------------------------------------------------------------- */

static int put_configuration(struct lr_request *request, const struct lumaring_configuration *c, struct lr_error *error)
{
	int r;

	lr_request_open(request, "configuration", '{');
	if (c->width || c->height)
		put_size(request, "size", c->width, c->height);
	if (c->pixel_format)
		lr_request_text(request, "pixel_format", c->pixel_format);
	if (c->frame_duration_min_us || c->frame_duration_max_us) {
		lr_request_open(request, "frame_duration_us", '{');
		lr_request_integer(request, "minimum", c->frame_duration_min_us);
		lr_request_integer(request, "maximum", c->frame_duration_max_us);
		lr_request_close(request, '}');
	}
	r = put_streams(request, c, error);
	lr_request_close(request, '}');
	return r;
}

LUMARING_API int lumaring_configure(struct lumaring_control *control,
				    const struct lumaring_configuration *configuration, uint32_t flags, int timeout_ms,
				    const struct lumaring_applied **ret_applied)
{
	struct lumaring_configuration c = LUMARING_CONFIGURATION_INIT;
	struct lr_error error = { "lumaring_configure() needs a configuration" };
	struct lr_request request = { 0 };
	int r = configuration ? lr_options_copy(&configuration_kind, configuration, &c, &error) : -EINVAL;

	if (r == 0)
		r = check_flags(flags, LUMARING_DRY_RUN | LUMARING_STRICT, &error);
	if (r < 0)
		return refuse(control, &error);
	lr_request_open(&request, NULL, '{');
	r = put_configuration(&request, &c, &error);
	if (flags & LUMARING_DRY_RUN)
		lr_request_bool(&request, "dry_run", true);
	if (flags & LUMARING_STRICT)
		lr_request_bool(&request, "strict", true);
	lr_request_close(&request, '}');
	if (r < 0) {
		lr_request_finish(&request);
		return refuse(control, &error);
	}
	r = ask(control, "Configure", &request, timeout_ms);
	if (r == 0)
		r = read_applied(control);
	if (r == 0 && ret_applied)
		*ret_applied = &control->applied;
	return r;
}

/* What the source does not have is missing. */
static int read_controls(struct lumaring_control *control)
{
	struct lumaring_controls c = LUMARING_CONTROLS_INIT;
	const char *bad = NULL;
	struct lr_json object, value;

	if (!lr_json_find(control->parameters, "controls", &object) || !lr_json_is_object(object))
		bad = "controls";
	for (size_t i = 0; !bad && i < CONTROL_ROWS; i++) {
		int64_t *number = control_at(&c, i);

		if (!lr_json_find(object, control_rows[i].name, &value) || *value.begin == 'n')
			continue;
		if (number == &c.auto_exposure && (lr_json_is_true(value) || *value.begin == 'f'))
			*number = lr_json_is_true(value);
		else if (number == &c.auto_exposure || !lr_json_integer(value, INT32_MIN, INT64_MAX, number))
			bad = control_rows[i].name;
	}
	control->controls = c;
	return check_reply(control, &(const struct reply){ .bad = bad });
}

LUMARING_API int lumaring_set_controls(struct lumaring_control *control, const struct lumaring_controls *controls,
				       int timeout_ms, const struct lumaring_controls **ret_controls)
{
	struct lumaring_controls c = LUMARING_CONTROLS_INIT;
	struct lr_error error = { "lumaring_set_controls() needs controls" };
	struct lr_request request = { 0 };
	int r = controls ? lr_options_copy(&controls_kind, controls, &c, &error) : -EINVAL;

	if (r == 0 && c.auto_exposure != LUMARING_KEEP && c.auto_exposure != 0 && c.auto_exposure != 1)
		r = lr_text_fail(&error, -EINVAL, "controls.auto_exposure is %lld, accepted: 1, 0, or LUMARING_KEEP",
				 (long long)c.auto_exposure);
	if (r < 0)
		return refuse(control, &error);
	lr_request_open(&request, NULL, '{');
	lr_request_open(&request, "controls", '{');
	for (size_t i = 0; i < CONTROL_ROWS; i++) {
		const int64_t *number = control_at(&c, i);

		if (*number == LUMARING_KEEP)
			continue;
		if (number == &c.auto_exposure)
			lr_request_bool(&request, control_rows[i].name, *number);
		else
			lr_request_integer(&request, control_rows[i].name, *number);
	}
	lr_request_close(&request, '}');
	lr_request_close(&request, '}');
	r = ask(control, "SetControls", &request, timeout_ms);
	if (r == 0)
		r = read_controls(control);
	if (r == 0 && ret_controls)
		*ret_controls = &control->controls;
	return r;
}
