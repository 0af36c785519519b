/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options_set.c - see options_set.h. How a value is written is checked here; what the camera can do is the daemon's to
 * say.
 */
#include "options_set.h"

#include <errno.h>
#include <string.h>

#include "output.h"

#define MILLI_MAX INT64_C(1000000000) /* of a factor: a million */

static int parse_extent(const char *name, const char *text, uint32_t *ret_extent)
{
	uint64_t value = 0;

	if (value_whole(text, '\0', UINT16_MAX, &value, NULL) < 0 || value == 0) {
		talk("--%s is '%s'; it must be a whole number of pixels, 1 to %u", name, text, UINT16_MAX);
		return -EINVAL;
	}
	*ret_extent = (uint32_t)value;
	return 0;
}

static int parse_framerate(struct set_options *set, const char *text)
{
	if (value_framerate(text, &set->min_us, &set->max_us) < 0) {
		talk("--framerate is '%s'; it must be frames a second, from one an hour to 1000000, such as 30, 29.97 "
		     "or "
		     "30000/1001, or the slowest and the fastest, such as 15-56",
		     text);
		return -EINVAL;
	}
	set->framerate = text;
	return 0;
}

static int parse_format(struct set_options *set, const char *text)
{
	const size_t n = strlen(text);

	if (n == 0 || n > 31 || strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != n) {
		talk("--pixel-format is '%s'; it must be a name such as YUV420: 'lumaring capabilities' lists them",
		     text);
		return -EINVAL;
	}
	set->pixel_format = text;
	return 0;
}

static int parse_shutter(const char *text, int64_t *ret_us)
{
	int64_t us;

	if (value_time_us(text, INT64_C(3600000000), &us) < 0 || us == 0) {
		talk("--shutter is '%s'; it must be whole microseconds, such as 5000, or 5ms or 0.5s, up to an hour; "
		     "for "
		     "automatic exposure say --auto-exposure on",
		     text);
		return -EINVAL;
	}
	*ret_us = us;
	return 0;
}

/* A decimal number, in thousandths. */
static int parse_factor(const char *name, const char *text, int64_t min, int64_t max, int64_t *ret_milli)
{
	if (value_decimal(text, 3, min, max, ret_milli) < 0) {
		talk("--%s is '%s'; it must be a number from %.7g to %.7g, such as %s", name, text, (double)min / 1000,
		     (double)max / 1000, min < 0 ? "-0.5" : "1.5");
		return -EINVAL;
	}
	return 0;
}

static int parse_crop(const char *name, const char *text, uint64_t min, int64_t *ret_pixels)
{
	uint64_t pixels;

	if (value_whole(text, '\0', UINT16_MAX, &pixels, NULL) < 0 || pixels < min) {
		talk("--scaler-crop-%s is '%s'; it must be a whole number of the sensor's pixels, %u to %u", name, text,
		     (unsigned)min, UINT16_MAX);
		return -EINVAL;
	}
	*ret_pixels = (int64_t)pixels;
	return 0;
}

static int parse_switch(const char *text, int64_t *ret_on)
{
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0) {
		talk("--auto-exposure is '%s'; it must be on or off", text);
		return -EINVAL;
	}
	*ret_on = strcmp(text, "on") == 0;
	return 0;
}

static int parse_roi(struct set_options *set, const char *text)
{
	if (value_region(text, &set->roi, NULL) < 0) {
		talk("--roi is '%s'; it must be X,Y,WIDTH,HEIGHT in pixels, each 0 to %u, or in fractions of the "
		     "image, "
		     "such as 0.25,0.25,0.5,0.5",
		     text, UINT16_MAX);
		return -EINVAL;
	}
	set->has_roi = true;
	return 0;
}

int options_set(struct set_options *set, enum set_option option, const char *text)
{
	struct lumaring_controls *controls = &set->controls;

	switch (option) {
	case SET_WIDTH:
		return parse_extent("width", text, &set->width);
	case SET_HEIGHT:
		return parse_extent("height", text, &set->height);
	case SET_FRAMERATE:
		return parse_framerate(set, text);
	case SET_PIXEL_FORMAT:
		return parse_format(set, text);
	case SET_SHUTTER:
		return parse_shutter(text, &controls->exposure_us);
	case SET_GAIN:
		return parse_factor("gain", text, 1, MILLI_MAX, &controls->analogue_gain_milli);
	case SET_AUTO_EXPOSURE:
		return parse_switch(text, &controls->auto_exposure);
	case SET_EV:
		return parse_factor("ev", text, -MILLI_MAX, MILLI_MAX, &controls->exposure_value_milli);
	case SET_BRIGHTNESS:
		return parse_factor("brightness", text, -1000, 1000, &controls->brightness_milli);
	case SET_CONTRAST:
		return parse_factor("contrast", text, 0, MILLI_MAX, &controls->contrast_milli);
	case SET_SHARPNESS:
		return parse_factor("sharpness", text, 0, MILLI_MAX, &controls->sharpness_milli);
	case SET_CROP_X:
		return parse_crop("x", text, 0, &controls->scaler_crop_x);
	case SET_CROP_Y:
		return parse_crop("y", text, 0, &controls->scaler_crop_y);
	case SET_CROP_WIDTH:
		return parse_crop("width", text, 1, &controls->scaler_crop_width);
	case SET_CROP_HEIGHT:
		return parse_crop("height", text, 1, &controls->scaler_crop_height);
	case SET_ROI:
		return parse_roi(set, text);
	case SET_STRICT:
		set->strict = true;
		return 0;
	case SET_DRY_RUN:
		set->dry_run = true;
		return 0;
	case SET_SAVE:
		set->save = true;
		return 0;
	}
	return -EINVAL;
}

bool options_set_controls(const struct set_options *set)
{
	const struct lumaring_controls none = LUMARING_CONTROLS_INIT;

	return memcmp(&set->controls, &none, sizeof(none)) != 0;
}

static int refuse_set(const char *sentence)
{
	talk("%s", sentence);
	return -EINVAL;
}

int options_set_check(const struct set_options *set)
{
	if (!set->width != !set->height)
		return refuse_set("a size is --width and --height: give both");
	if (set->has_roi && set->dry_run)
		return refuse_set("a region cannot be tried without moving it: leave out --roi or --dry-run");
	if (set->save && set->dry_run)
		return refuse_set("--dry-run changes nothing and --save keeps a change: leave one out");
	if (!set->width && !set->max_us && !set->pixel_format && !set->has_roi && !options_set_controls(set))
		return refuse_set(
			"say what to set, for example --width 1280 --height 720 or --framerate 30; 'lumaring help "
			"set' lists it all");
	return 0;
}
