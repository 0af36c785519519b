/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source.c - the table of all sources, the search in it, and what is the same for every source: refusals, and a
 * reconfiguration that is taken back when a step fails. Main thread. A source that a build leaves out keeps its row, so
 * that its name is understood and the answer says what to use instead.
 */
#include "source/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "source/device.h"
#include "source/raw.h"
#include "source/replay.h"
#include "source/synthetic.h"

#ifdef LUMARING_NO_LIBCAMERA
#define LIBCAMERA_OPERATIONS NULL
#else
#define LIBCAMERA_OPERATIONS (&device_operations)
#endif

static const struct {
	const char *name;
	const struct source_operations *operations; /* NULL: not in this build */
} source_table[] = {
	{ "libcamera", LIBCAMERA_OPERATIONS },
	{ "replay", &replay_operations },
	{ "raw", &raw_operations },
	{ "synthetic", &synthetic_operations },
};

int source_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes)
{
	for (size_t i = 0; i < sizeof(source_table) / sizeof(source_table[0]); i++) {
		if (strcmp(config->name, source_table[i].name) != 0)
			continue;
		if (source_table[i].operations)
			return source_table[i].operations->open(config, ret_source, text, text_bytes);
		snprintf(text, text_bytes,
			 "this build of lumaringd has no %s source; use --source replay:FILE, raw:FILE or synthetic",
			 config->name);
		return -ENOTSUP;
	}
	snprintf(text, text_bytes,
		 "there is no source \"%.64s\"; the sources are libcamera, replay:FILE, raw:FILE and synthetic",
		 config->name);
	return -ENOENT;
}

/* --- refusals ----------------------------------------------------------------------------------------------- */

const char *const source_control_names[SOURCE_CONTROLS] = {
	[SOURCE_EXPOSURE_US] = "exposure_us",           [SOURCE_ANALOGUE_GAIN_MILLI] = "analogue_gain_milli",
	[SOURCE_AUTO_EXPOSURE] = "auto_exposure",       [SOURCE_EXPOSURE_VALUE_MILLI] = "exposure_value_milli",
	[SOURCE_BRIGHTNESS_MILLI] = "brightness_milli", [SOURCE_CONTRAST_MILLI] = "contrast_milli",
	[SOURCE_SHARPNESS_MILLI] = "sharpness_milli",   [SOURCE_SCALER_CROP_X] = "scaler_crop_x",
	[SOURCE_SCALER_CROP_Y] = "scaler_crop_y",       [SOURCE_SCALER_CROP_WIDTH] = "scaler_crop_width",
	[SOURCE_SCALER_CROP_HEIGHT] = "scaler_crop_height",
};

int source_refuse(struct source_fault *ret_fault, int error, const char *field, const char *format, ...)
{
	va_list arguments;

	*ret_fault = (struct source_fault){ 0 };
	snprintf(ret_fault->field, sizeof(ret_fault->field), "%s", field);
	va_start(arguments, format);
	vsnprintf(ret_fault->text, sizeof(ret_fault->text), format, arguments);
	va_end(arguments);
	return error;
}

int source_out_of_range(struct source_fault *ret_fault, const char *field, int64_t minimum, int64_t maximum,
			int64_t given, const char *what)
{
	source_refuse(ret_fault, -ERANGE, field, "%s %" PRId64 " is not in %" PRId64 "..%" PRId64, what, given, minimum,
		      maximum);
	ret_fault->minimum = minimum;
	ret_fault->maximum = maximum;
	ret_fault->given = given;
	return -ERANGE;
}

/* --- operations that a source may lack ---------------------------------------------------------------------- */

void source_get_capabilities(const struct source *source, struct source_capabilities *ret_capabilities)
{
	*ret_capabilities = (struct source_capabilities){ 0 };
	source->operations->capabilities(source, ret_capabilities);
}

int source_check(const struct source *source, const struct source_settings *wanted,
		 struct source_settings *ret_settings, struct source_fault *ret_fault)
{
	return source->operations->check(source, wanted, ret_settings, ret_fault);
}

int source_set_rate(struct source *source, uint64_t frame_duration_min_ns, uint64_t frame_duration_max_ns, char *text,
		    size_t text_bytes)
{
	return source->operations->set_rate(source, frame_duration_min_ns, frame_duration_max_ns, text, text_bytes);
}

int source_set_controls(struct source *source, const struct source_controls *wanted,
			struct source_controls *ret_controls, struct source_fault *ret_fault)
{
	if (source->operations->set_controls)
		return source->operations->set_controls(source, wanted, ret_controls, ret_fault);
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++)
		if (wanted->given & SOURCE_BIT(control))
			return source_refuse(ret_fault, -ENOTSUP, source_control_names[control],
					     "the source %s has no %s: its frames are as they were recorded",
					     source->operations->name, source_control_names[control]);
	*ret_controls = (struct source_controls){ 0 };
	return 0;
}

void source_get_controls(const struct source *source, struct source_controls *ret_controls)
{
	*ret_controls = (struct source_controls){ 0 };
	if (source->operations->controls)
		source->operations->controls(source, ret_controls);
}

void source_get_report(const struct source *source, struct source_report *ret_report)
{
	*ret_report = (struct source_report){ 0 };
	if (source->operations->report)
		source->operations->report(source, ret_report);
}

unsigned source_get_cameras(const struct source *source, struct source_identity *ret_cameras, unsigned max)
{
	return source->operations->cameras ? source->operations->cameras(source, ret_cameras, max) : 0;
}

int source_start(struct source *source)
{
	int r = source->operations->start(source);

	source->running = source->running || r == 0;
	return r;
}

/* --- reconfiguration ---------------------------------------------------------------------------------------- */

static int take_step(struct source *source, enum source_step step, const struct source_settings *settings, char *text,
		     size_t text_bytes)
{
	int r = -ENOTSUP;

	switch (step) {
	case SOURCE_STEP_STOP:
		r = source->operations->stop(source, text, text_bytes);
		source->running = source->running && r < 0;
		break;
	case SOURCE_STEP_CONFIGURE:
		r = source->operations->configure(source, settings, text, text_bytes);
		break;
	case SOURCE_STEP_START:
		r = source_start(source);
		if (r < 0)
			snprintf(text, text_bytes, "the source %s cannot start: %s", source->operations->name,
				 strerror(-r));
		break;
	}
	return r;
}

/* After a step that failed: as it was before, running if it ran. */
static bool restore(struct source *source, const struct source_settings *now, bool ran, char *text, size_t text_bytes)
{
	char why[256];
	size_t used;
	int r = take_step(source, SOURCE_STEP_CONFIGURE, now, why, sizeof(why));

	if (r == 0 && ran)
		r = take_step(source, SOURCE_STEP_START, now, why, sizeof(why));
	used = strlen(text);
	if (r < 0 && used < text_bytes)
		snprintf(text + used, text_bytes - used, "; nor can it go on as before: %s", why);
	return r == 0;
}

int source_reconfigure(struct source *source, const struct source_settings *now, const struct source_settings *wanted,
		       enum source_step *ret_step, bool *ret_restored, char *text, size_t text_bytes)
{
	bool ran = source->running;
	enum source_step step = ran ? SOURCE_STEP_STOP : SOURCE_STEP_CONFIGURE;
	enum source_step last = ran ? SOURCE_STEP_START : SOURCE_STEP_CONFIGURE;
	int r = 0;

	*ret_step = step;
	*ret_restored = true;
	if (!source->operations->configure)
		return snprintf(text, text_bytes, "the size and pixel format of the source %s cannot change",
				source->operations->name),
		       -ENOTSUP;
	for (; r == 0 && step <= last; step++) {
		*ret_step = step;
		r = take_step(source, step, wanted, text, text_bytes);
	}
	/* A stop() that failed has changed nothing. */
	if (r < 0 && *ret_step != SOURCE_STEP_STOP)
		*ret_restored = restore(source, now, ran, text, text_bytes);
	return r;
}
