/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * commands_read.c - from the parameters of a call to settings: the fields of each type of the interface and what they
 * may be. What makes sense together is checked with all of the settings, in settings.c. Main thread only.
 */
#include "commands_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Exact in the doubles that JSON has; what the source takes is its own business. */
#define INTEGER_MAX (INT64_C(1) << 53)
#define DURATION_US_MAX INT64_C(3600000000)

bool commands_read_nothing(struct control_call *call, const struct json_node *parameters)
{
	return parameters_read(call, "", parameters, NULL, 0, NULL) == 0;
}

/* The path of a field of a type: "configuration" and "size". */
static void below(char *ret_path, const char *where, const char *field)
{
	snprintf(ret_path, COMMANDS_FIELD_BYTES, "%s%s%s", where, where[0] ? "." : "", field);
}

/* --- small types --- */

struct size_parameters {
	int64_t width, height;
};

static int read_size(struct control_call *call, const char *where, const struct json_node *node, uint32_t *ret_width,
		     uint32_t *ret_height)
{
	static const struct parameter table[] = {
		PARAMETER_INTEGER_REQUIRED(struct size_parameters, width, 1, LUMARING_EXTENT_MAX),
		PARAMETER_INTEGER_REQUIRED(struct size_parameters, height, 1, LUMARING_EXTENT_MAX),
	};
	struct size_parameters size;
	int r = parameters_read(call, where, node, table, COUNT(table), &size);

	if (r == 0) {
		*ret_width = (uint32_t)size.width;
		*ret_height = (uint32_t)size.height;
	}
	return r;
}

struct region_parameters {
	int64_t x, y, width, height;
};

int commands_read_region(struct control_call *call, const char *where, const struct json_node *node,
			 struct region *ret_region)
{
	static const struct parameter table[] = {
		PARAMETER_INTEGER_REQUIRED(struct region_parameters, x, 0, LUMARING_EXTENT_MAX),
		PARAMETER_INTEGER_REQUIRED(struct region_parameters, y, 0, LUMARING_EXTENT_MAX),
		PARAMETER_INTEGER_REQUIRED(struct region_parameters, width, 0, LUMARING_EXTENT_MAX),
		PARAMETER_INTEGER_REQUIRED(struct region_parameters, height, 0, LUMARING_EXTENT_MAX),
	};
	struct region_parameters region;
	int r = parameters_read(call, where, node, table, COUNT(table), &region);

	if (r == 0)
		*ret_region = (struct region){ (uint32_t)region.x, (uint32_t)region.y, (uint32_t)region.width,
					       (uint32_t)region.height };
	return r;
}

/* --- streams --- */

struct stream_parameters {
	const char *name, *format;
	const struct json_node *region, *max_size;
	int64_t slots, bin;
	bool always, has_region, has_max_size, has_slots, has_format, has_bin, has_always;
};

static const struct parameter stream_table[] = {
	PARAMETER_REQUIRED(PARAMETER_STRING, struct stream_parameters, name),
	PARAMETER_OPTIONAL(PARAMETER_OBJECT, struct stream_parameters, region, has_region),
	PARAMETER_OPTIONAL(PARAMETER_OBJECT, struct stream_parameters, max_size, has_max_size),
	PARAMETER_INTEGER_OPTIONAL(struct stream_parameters, slots, has_slots, LUMARING_SLOTS_MIN, LUMARING_SLOTS_MAX),
	PARAMETER_OPTIONAL(PARAMETER_STRING, struct stream_parameters, format, has_format),
	PARAMETER_INTEGER_OPTIONAL(struct stream_parameters, bin, has_bin, 1, 2),
	PARAMETER_OPTIONAL(PARAMETER_BOOL, struct stream_parameters, always, has_always),
};

static int read_name(struct control_call *call, const char *where, const char *name, char *ret_name)
{
	char path[COMMANDS_FIELD_BYTES];

	if (name_valid(name)) {
		snprintf(ret_name, LUMARING_NAME_MAX + 1, "%s", name);
		return 0;
	}
	below(path, where, "name");
	control_fail_field(call, path, "a stream's name is 1 to 32 of a-z, 0-9, _ and -");
	return -EINVAL;
}

static int read_format(struct control_call *call, const char *where, const char *format, uint32_t *ret_fourcc)
{
	char path[COMMANDS_FIELD_BYTES];
	bool wide = !strcmp(format, "R16");

	if (wide || !strcmp(format, "R8")) {
		*ret_fourcc = wide ? LUMARING_FORMAT_R16 : LUMARING_FORMAT_R8;
		return 0;
	}
	below(path, where, "format");
	control_fail_field(call, path, "\"%.32s\" is not R8 or R16", format);
	return -EINVAL;
}

int commands_read_stream(struct control_call *call, const char *where, const struct json_node *node,
			 struct stream_wish *ret_wish)
{
	struct stream_parameters p = { 0 };
	struct stream_config *config = &ret_wish->config;
	char path[COMMANDS_FIELD_BYTES];
	int r = parameters_read(call, where, node, stream_table, COUNT(stream_table), &p);

	*ret_wish = (struct stream_wish){ .region = p.has_region,
					  .max_size = p.has_max_size,
					  .slots = p.has_slots,
					  .format = p.has_format,
					  .bin = p.has_bin,
					  .always = p.has_always };
	if (r == 0)
		r = read_name(call, where, p.name, config->name);
	if (r == 0 && p.has_region) {
		below(path, where, "region");
		r = commands_read_region(call, path, p.region, &config->region);
	}
	if (r == 0 && p.has_max_size) {
		below(path, where, "max_size");
		r = read_size(call, path, p.max_size, &config->width_max, &config->height_max);
	}
	if (r == 0 && p.has_format)
		r = read_format(call, where, p.format, &config->fourcc);
	config->slot_count = (uint32_t)p.slots;
	config->bin = (uint32_t)p.bin;
	config->always = p.always;
	return r;
}

void commands_default_slots(const struct settings *settings, uint32_t slot_count, struct stream_wish *wish)
{
	if (wish->slots || !slot_count || settings_find(settings, wish->config.name) >= 0)
		return;
	wish->slots = true;
	wish->config.slot_count = slot_count;
	wish->config.slots_default = true;
}

static int read_streams(struct control_call *call, const char *where, const struct json_node *array,
			uint32_t slot_count, struct settings *settings)
{
	struct stream_wish wishes[LIMIT_STREAMS];
	struct fault fault;
	unsigned count = 0;

	if (array->count > LIMIT_STREAMS) {
		control_fail_field(call, where, "%u streams are more than the %u that a camera may have", array->count,
				   LIMIT_STREAMS);
		return -EINVAL;
	}
	for (const struct json_node *node = array->first; node; node = node->next) {
		char path[COMMANDS_FIELD_BYTES];

		snprintf(path, sizeof(path), "%s[%u]", where, count);
		if (commands_read_stream(call, path, node, &wishes[count]) < 0)
			return -EINVAL;
		commands_default_slots(settings, slot_count, &wishes[count++]);
	}
	return settings_set_streams(settings, wishes, count, &fault); /* few enough: cannot fail */
}

/* --- the configuration --- */

struct durations_parameters {
	int64_t minimum, maximum;
};

/* The same in microseconds is the same: a rate may have been given more exactly. */
static uint64_t nanoseconds(int64_t us, uint64_t now_ns)
{
	return now_ns / NS_PER_US == (uint64_t)us ? now_ns : (uint64_t)us * NS_PER_US;
}

static int read_durations(struct control_call *call, const char *where, const struct json_node *node,
			  struct source_settings *source)
{
	static const struct parameter table[] = {
		PARAMETER_INTEGER_REQUIRED(struct durations_parameters, minimum, 1, DURATION_US_MAX),
		PARAMETER_INTEGER_REQUIRED(struct durations_parameters, maximum, 1, DURATION_US_MAX),
	};
	struct durations_parameters p;
	int r = parameters_read(call, where, node, table, COUNT(table), &p);

	if (r < 0)
		return r;
	if (p.minimum > p.maximum) {
		control_fail_field(call, where, "the minimum is above the maximum");
		return -EINVAL;
	}
	source->frame_duration_min_ns = nanoseconds(p.minimum, source->frame_duration_min_ns);
	source->frame_duration_max_ns = nanoseconds(p.maximum, source->frame_duration_max_ns);
	return 0;
}

static int read_pixel_format(struct control_call *call, const char *where, const char *name,
			     struct source_settings *source)
{
	char known[256];

	if (pixels_find_layout(name, &source->layout))
		return 0;
	pixels_list_layouts(known, sizeof(known));
	control_fail_field(call, where, "\"%.32s\" is none of %s", name, known);
	return -EINVAL;
}

struct configuration_parameters {
	const struct json_node *size, *frame_duration_us, *streams;
	const char *pixel_format;
	bool has_size, has_pixel_format, has_frame_duration_us, has_streams;
};

int commands_read_configuration(struct control_call *call, const char *where, const struct json_node *node,
				uint32_t slot_count, struct settings *settings)
{
	static const struct parameter table[] = {
		PARAMETER_OPTIONAL(PARAMETER_OBJECT, struct configuration_parameters, size, has_size),
		PARAMETER_OPTIONAL(PARAMETER_STRING, struct configuration_parameters, pixel_format, has_pixel_format),
		PARAMETER_OPTIONAL(PARAMETER_OBJECT, struct configuration_parameters, frame_duration_us,
				   has_frame_duration_us),
		PARAMETER_OPTIONAL(PARAMETER_ARRAY, struct configuration_parameters, streams, has_streams),
	};
	struct configuration_parameters p = { 0 };
	char path[COMMANDS_FIELD_BYTES];
	int r = parameters_read(call, where, node, table, COUNT(table), &p);

	if (r == 0 && p.has_size) {
		below(path, where, "size");
		r = read_size(call, path, p.size, &settings->source.width, &settings->source.height);
	}
	if (r == 0 && p.has_pixel_format) {
		below(path, where, "pixel_format");
		r = read_pixel_format(call, path, p.pixel_format, &settings->source);
	}
	if (r == 0 && p.has_frame_duration_us) {
		below(path, where, "frame_duration_us");
		r = read_durations(call, path, p.frame_duration_us, &settings->source);
	}
	if (r == 0 && p.has_streams) {
		below(path, where, "streams");
		r = read_streams(call, path, p.streams, slot_count, settings);
	}
	return r;
}

/* --- controls --- */

struct controls_parameters {
	int64_t exposure_us, analogue_gain_milli, exposure_value_milli, brightness_milli, contrast_milli,
		sharpness_milli, scaler_crop_x, scaler_crop_y, scaler_crop_width, scaler_crop_height;
	bool auto_exposure, has_exposure_us, has_analogue_gain_milli, has_auto_exposure, has_exposure_value_milli,
		has_brightness_milli, has_contrast_milli, has_sharpness_milli, has_scaler_crop_x, has_scaler_crop_y,
		has_scaler_crop_width, has_scaler_crop_height;
};

#define CONTROL_PARAMETER(control)                                                                                     \
	PARAMETER_INTEGER_OPTIONAL(struct controls_parameters, control, has_##control, -INTEGER_MAX, INTEGER_MAX)

static void take(struct source_controls *controls, bool given, enum source_control control, int64_t value)
{
	if (!given)
		return;
	controls->given |= SOURCE_BIT(control);
	controls->values[control] = value;
}

int commands_read_controls(struct control_call *call, const char *where, const struct json_node *node,
			   struct source_controls *ret_controls)
{
	static const struct parameter table[] = {
		CONTROL_PARAMETER(exposure_us),
		CONTROL_PARAMETER(analogue_gain_milli),
		PARAMETER_OPTIONAL(PARAMETER_BOOL, struct controls_parameters, auto_exposure, has_auto_exposure),
		CONTROL_PARAMETER(exposure_value_milli),
		CONTROL_PARAMETER(brightness_milli),
		CONTROL_PARAMETER(contrast_milli),
		CONTROL_PARAMETER(sharpness_milli),
		CONTROL_PARAMETER(scaler_crop_x),
		CONTROL_PARAMETER(scaler_crop_y),
		CONTROL_PARAMETER(scaler_crop_width),
		CONTROL_PARAMETER(scaler_crop_height),
	};
	struct controls_parameters p = { 0 };
	int r = parameters_read(call, where, node, table, COUNT(table), &p);

	*ret_controls = (struct source_controls){ 0 };
	take(ret_controls, p.has_exposure_us, SOURCE_EXPOSURE_US, p.exposure_us);
	take(ret_controls, p.has_analogue_gain_milli, SOURCE_ANALOGUE_GAIN_MILLI, p.analogue_gain_milli);
	take(ret_controls, p.has_auto_exposure, SOURCE_AUTO_EXPOSURE, p.auto_exposure);
	take(ret_controls, p.has_exposure_value_milli, SOURCE_EXPOSURE_VALUE_MILLI, p.exposure_value_milli);
	take(ret_controls, p.has_brightness_milli, SOURCE_BRIGHTNESS_MILLI, p.brightness_milli);
	take(ret_controls, p.has_contrast_milli, SOURCE_CONTRAST_MILLI, p.contrast_milli);
	take(ret_controls, p.has_sharpness_milli, SOURCE_SHARPNESS_MILLI, p.sharpness_milli);
	take(ret_controls, p.has_scaler_crop_x, SOURCE_SCALER_CROP_X, p.scaler_crop_x);
	take(ret_controls, p.has_scaler_crop_y, SOURCE_SCALER_CROP_Y, p.scaler_crop_y);
	take(ret_controls, p.has_scaler_crop_width, SOURCE_SCALER_CROP_WIDTH, p.scaler_crop_width);
	take(ret_controls, p.has_scaler_crop_height, SOURCE_SCALER_CROP_HEIGHT, p.scaler_crop_height);
	return r;
}
