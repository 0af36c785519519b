/* SPDX-License-Identifier: BSD-2-Clause */
/* words.c - see words.h. Pure functions. */
#include "words.h"

#include <stdio.h>
#include <string.h>

#include <lumaring/control.h>

const struct words_control words_controls[WORDS_CONTROLS] = {
	{ "shutter", "exposure_us", WORDS_WHOLE, offsetof(struct lumaring_controls, exposure_us), "us" },
	{ "gain", "analogue_gain_milli", WORDS_THOUSANDTHS, offsetof(struct lumaring_controls, analogue_gain_milli),
	  "" },
	{ "auto-exposure", "auto_exposure", WORDS_SWITCH, offsetof(struct lumaring_controls, auto_exposure), "" },
	{ "ev", "exposure_value_milli", WORDS_THOUSANDTHS, offsetof(struct lumaring_controls, exposure_value_milli),
	  "stops" },
	{ "brightness", "brightness_milli", WORDS_THOUSANDTHS, offsetof(struct lumaring_controls, brightness_milli),
	  "" },
	{ "contrast", "contrast_milli", WORDS_THOUSANDTHS, offsetof(struct lumaring_controls, contrast_milli), "" },
	{ "sharpness", "sharpness_milli", WORDS_THOUSANDTHS, offsetof(struct lumaring_controls, sharpness_milli), "" },
	{ "scaler-crop-x", "scaler_crop_x", WORDS_WHOLE, offsetof(struct lumaring_controls, scaler_crop_x), "px" },
	{ "scaler-crop-y", "scaler_crop_y", WORDS_WHOLE, offsetof(struct lumaring_controls, scaler_crop_y), "px" },
	{ "scaler-crop-width", "scaler_crop_width", WORDS_WHOLE, offsetof(struct lumaring_controls, scaler_crop_width),
	  "px" },
	{ "scaler-crop-height", "scaler_crop_height", WORDS_WHOLE,
	  offsetof(struct lumaring_controls, scaler_crop_height), "px" },
};

/* Without zeros that say nothing: "2.5", "30". */
static void trim(char *text)
{
	char *end = text + strlen(text);

	if (!strchr(text, '.'))
		return;
	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
}

struct words words_in_manner(enum words_manner manner, double value)
{
	struct words words;

	switch (manner) {
	case WORDS_WHOLE:
		snprintf(words.text, sizeof(words.text), "%.0f", value);
		break;
	case WORDS_THOUSANDTHS:
		snprintf(words.text, sizeof(words.text), "%.3f", value / 1000);
		trim(words.text);
		break;
	case WORDS_SWITCH:
		snprintf(words.text, sizeof(words.text), "%s", value != 0 ? "on" : "off");
		break;
	}
	return words;
}

struct words words_of_control(const struct words_control *word, const cJSON *item)
{
	return words_in_manner(word->manner, cJSON_IsNumber(item) ? item->valuedouble : cJSON_IsTrue(item));
}

/* Two places: 29.97 and 23.98 are told apart from 30 and 24, and 1e6/33333 is 30. */
static struct words in_rate(double us)
{
	struct words words = { "?" };

	if (us <= 0)
		return words;
	snprintf(words.text, sizeof(words.text), us > 1e6 ? "%.6f" : "%.2f", 1e6 / us);
	trim(words.text);
	return words;
}

/* "30", or "15-56"; "" where there is none. */
struct words words_of_rates(const cJSON *durations)
{
	const double min_us = json_number(durations, "minimum"), max_us = json_number(durations, "maximum");
	struct words words = { "" };

	if (min_us <= 0 || max_us <= 0)
		return words;
	if (min_us == max_us)
		return in_rate(min_us);
	snprintf(words.text, sizeof(words.text), "%.30s-%.30s", in_rate(max_us).text, in_rate(min_us).text);
	return words;
}

struct words words_of_size(const cJSON *size)
{
	struct words words = { "" };

	if (json_number(size, "width") > 0)
		snprintf(words.text, sizeof(words.text), "%.0fx%.0f", json_number(size, "width"),
			 json_number(size, "height"));
	return words;
}

/* Where width or height is 0, it follows the image. */
struct words words_of_region(const cJSON *region)
{
	const double x = json_number(region, "x"), y = json_number(region, "y");
	const double width = json_number(region, "width"), height = json_number(region, "height");
	struct words words = { "all" };

	if (x > 0 || y > 0 || width > 0 || height > 0)
		snprintf(words.text, sizeof(words.text), "%.0f,%.0f,%.0f,%.0f", x, y, width, height);
	return words;
}
