/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options_set.h - the options of `lumaring set`: what the camera is to be told, in the words of rpicam-apps and
 * v4l2-ctl.
 */
#ifndef LUMARING_CLI_OPTIONS_SET_H
#define LUMARING_CLI_OPTIONS_SET_H

#include <stdbool.h>
#include <stdint.h>

#include <lumaring/control.h>

#include "value.h"

enum set_option {
	SET_WIDTH,
	SET_HEIGHT,
	SET_FRAMERATE,
	SET_PIXEL_FORMAT,
	SET_SHUTTER,
	SET_GAIN,
	SET_AUTO_EXPOSURE,
	SET_EV,
	SET_BRIGHTNESS,
	SET_CONTRAST,
	SET_SHARPNESS,
	SET_CROP_X,
	SET_CROP_Y,
	SET_CROP_WIDTH,
	SET_CROP_HEIGHT,
	SET_ROI,
	SET_STRICT,
	SET_DRY_RUN,
	SET_SAVE,
};

struct set_options {
	uint32_t width, height;   /* 0: not given */
	uint32_t min_us, max_us;  /* from frame to frame; 0: not given */
	const char *framerate;    /* the same as it was given */
	const char *pixel_format; /* NULL: not given */
	struct lumaring_controls controls;
	struct value_region roi;
	bool has_roi, strict, dry_run, save;
};

#define SET_OPTIONS_INIT                                                                                               \
	{                                                                                                              \
		.controls = LUMARING_CONTROLS_INIT                                                                     \
	}

/* One option. 0, or -EINVAL after one sentence on standard error. */
int options_set(struct set_options *set, enum set_option option, const char *text);

/* Is one of the sensor's controls among them? */
bool options_set_controls(const struct set_options *set);

/* What is to be checked when all are known: 0, or -EINVAL after one sentence. */
int options_set_check(const struct set_options *set);

#endif
