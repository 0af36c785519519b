/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_controls.c - see device_private.h: what is asked of exposure, gain and the like, what comes of it, and what
 * the camera has to be told. Owner.
 *
 * Told is only what somebody ever set: the rest is the camera's own. Auto exposure has exposure and gain to itself as
 * long as it is on, and leaves them as they were then.
 */
#include "source/device_private.h"

#include <errno.h>
#include <stdio.h>

#define BY_HAND (SOURCE_BIT(SOURCE_EXPOSURE_US) | SOURCE_BIT(SOURCE_ANALOGUE_GAIN_MILLI))
#define EXPOSURE (BY_HAND | SOURCE_BIT(SOURCE_AUTO_EXPOSURE))
#define CROP                                                                                                           \
	(SOURCE_BIT(SOURCE_SCALER_CROP_X) | SOURCE_BIT(SOURCE_SCALER_CROP_Y) | SOURCE_BIT(SOURCE_SCALER_CROP_WIDTH) |  \
	 SOURCE_BIT(SOURCE_SCALER_CROP_HEIGHT))

static int64_t clamp(int64_t value, const struct source_range *range)
{
	if (value < range->minimum)
		return range->minimum;
	return value > range->maximum ? range->maximum : value;
}

static bool is_auto(const struct source_controls *controls)
{
	return controls->given & SOURCE_BIT(SOURCE_AUTO_EXPOSURE) && controls->values[SOURCE_AUTO_EXPOSURE];
}

/* What auto exposure has come to, as frames say; 0 is not told. */
static void set_as_found(const struct device *device, struct source_controls *controls)
{
	/* Relaxed: see note_newest(). */
	const uint32_t found[] = { __atomic_load_n(&device->exposure_us, __ATOMIC_RELAXED),
				   __atomic_load_n(&device->analogue_gain_milli, __ATOMIC_RELAXED) };
	static const enum source_control which[] = { SOURCE_EXPOSURE_US, SOURCE_ANALOGUE_GAIN_MILLI };

	for (unsigned i = 0; i < 2; i++) {
		const struct source_range *range = &device->description.ranges[which[i]];

		controls->values[which[i]] = found[i] ? clamp(found[i], range) : range->initial;
	}
}

/* No longer than a frame may take. */
static void cut_exposure(const struct device *device, struct source_controls *controls)
{
	int64_t longest_us = (int64_t)(device->settings.frame_duration_max_ns / NS_PER_US);
	int64_t *exposure_us = &controls->values[SOURCE_EXPOSURE_US];

	if (!longest_us || *exposure_us <= longest_us)
		return;
	*exposure_us = clamp(longest_us, &device->description.ranges[SOURCE_EXPOSURE_US]);
}

void device_controls(const struct device *device, struct source_controls *ret_controls)
{
	struct source_controls controls = device->asked;

	if (device->has_description) {
		controls.given = device->description.controls;
		for (unsigned control = 0; control < SOURCE_CONTROLS; control++) {
			if (!(controls.given & SOURCE_BIT(control)))
				controls.values[control] = 0;
			else if (!(device->asked.given & SOURCE_BIT(control)))
				controls.values[control] = device->description.ranges[control].initial;
		}
		if (is_auto(&controls))
			set_as_found(device, &controls);
		if (controls.given & SOURCE_BIT(SOURCE_EXPOSURE_US))
			cut_exposure(device, &controls);
	}
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++)
		if (!(controls.given & SOURCE_BIT(control)))
			controls.values[control] = 0;
	*ret_controls = controls;
}

/* --- asking --------------------------------------------------------------------------------------------------- */

static int check_ranges(const struct device *device, const struct source_controls *wanted,
			struct source_fault *ret_fault)
{
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++) {
		const struct source_range *range = &device->description.ranges[control];
		const char *name = source_control_names[control];
		int64_t value = wanted->values[control];

		if (!(wanted->given & SOURCE_BIT(control)))
			continue;
		if (!(device->description.controls & SOURCE_BIT(control)))
			return source_refuse(ret_fault, -ENOTSUP, name, "the camera %s has no %s", device_name(device),
					     name);
		if (value < range->minimum || value > range->maximum)
			return source_out_of_range(ret_fault, name, range->minimum, range->maximum, value, name);
	}
	return 0;
}

/* A part and its size lie on the sensor, `at` being its left or upper edge. */
static int check_crop_side(const struct device *device, const struct source_controls *next, uint32_t wanted,
			   enum source_control at, enum source_control size, struct source_fault *ret_fault)
{
	const struct source_range *ranges = device->description.ranges;
	int64_t end = ranges[at].minimum + ranges[size].maximum, room = end - next->values[at];

	if (next->values[at] + next->values[size] <= end)
		return 0;
	if (wanted & SOURCE_BIT(size))
		return source_out_of_range(ret_fault, source_control_names[size], ranges[size].minimum,
					   room > ranges[size].minimum ? room : ranges[size].minimum,
					   next->values[size], source_control_names[size]);
	return source_out_of_range(ret_fault, source_control_names[at], ranges[at].minimum, end - next->values[size],
				   next->values[at], source_control_names[at]);
}

static int check_crop(const struct device *device, const struct source_controls *next, uint32_t wanted,
		      struct source_fault *ret_fault)
{
	int rc;

	if (!(wanted & CROP) || (device->description.controls & CROP) != CROP)
		return 0;
	rc = check_crop_side(device, next, wanted, SOURCE_SCALER_CROP_X, SOURCE_SCALER_CROP_WIDTH, ret_fault);
	return rc ? rc
		  : check_crop_side(device, next, wanted, SOURCE_SCALER_CROP_Y, SOURCE_SCALER_CROP_HEIGHT, ret_fault);
}

/* What is asked for from now on: *wanted over what was. */
static struct source_controls put_over(const struct device *device, const struct source_controls *wanted)
{
	struct source_controls now, next = device->asked;
	uint32_t leaves = 0;

	device_controls(device, &now);
	if (wanted->given & EXPOSURE && is_auto(&now))
		leaves |= EXPOSURE & now.given;
	if (wanted->given & CROP)
		leaves |= CROP & now.given;
	now.values[SOURCE_AUTO_EXPOSURE] = 0;
	for (unsigned control = 0; control < SOURCE_CONTROLS; control++) {
		if (leaves & SOURCE_BIT(control) &&
		    !(SOURCE_BIT(control) & CROP & next.given)) /* a crop that was set stays as it was set */
			next.values[control] = now.values[control];
		if (wanted->given & SOURCE_BIT(control))
			next.values[control] = wanted->values[control];
	}
	next.given |= leaves | wanted->given;
	return next;
}

int device_take_controls(struct device *device, const struct source_controls *wanted, struct source_fault *ret_fault)
{
	struct source_controls next = put_over(device, wanted);
	int rc = 0;

	if (device->has_description)
		rc = check_ranges(device, wanted, ret_fault);
	if (rc == 0 && device->has_description)
		rc = check_crop(device, &next, wanted->given, ret_fault);
	if (rc == 0)
		device->asked = next;
	return rc;
}

void device_fit_controls(struct device *device)
{
	const uint32_t given = device->asked.given;
	struct source_controls one = device->asked;
	struct source_fault fault;

	for (unsigned control = 0; control < SOURCE_CONTROLS; control++) {
		one.given = given & SOURCE_BIT(control);
		if (check_ranges(device, &one, &fault) == 0)
			continue;
		log_event(LOG_LEVEL_WARNING, &(struct log_fields){ .event = LOG_EVENT_SETTING_NOT_MET },
			  "camera %s: %s, ignoring it", device_name(device), fault.text);
		device->asked.given &= ~SOURCE_BIT(control);
	}
	/* What was set by hand ends the auto exposure that it turns out to have. */
	if (device->asked.given & BY_HAND && !(device->asked.given & SOURCE_BIT(SOURCE_AUTO_EXPOSURE))) {
		device->asked.given |= device->description.controls & SOURCE_BIT(SOURCE_AUTO_EXPOSURE);
		device->asked.values[SOURCE_AUTO_EXPOSURE] = 0;
	}
}

/* --- telling -------------------------------------------------------------------------------------------------- */

bool device_rate_is_own(const struct device *device, const struct source_settings *settings)
{
	if (!settings->frame_duration_min_ns && !settings->frame_duration_max_ns)
		return true;
	return settings->frame_duration_min_ns == device->description.frame_duration_min_ns &&
	       settings->frame_duration_max_ns == device->description.frame_duration_max_ns;
}

void device_fit_rate(const struct device *device, struct source_settings *settings)
{
	const struct libcamera_description *description = &device->description;
	uint64_t *const durations_ns[] = { &settings->frame_duration_min_ns, &settings->frame_duration_max_ns };

	if (!device_was_configured(device))
		return;
	if (!settings->frame_duration_min_ns)
		settings->frame_duration_min_ns = description->frame_duration_min_ns;
	if (!settings->frame_duration_max_ns)
		settings->frame_duration_max_ns = description->frame_duration_max_ns;
	for (unsigned i = 0; i < 2; i++) {
		if (*durations_ns[i] < description->frame_duration_min_ns)
			*durations_ns[i] = description->frame_duration_min_ns;
		if (*durations_ns[i] > description->frame_duration_max_ns)
			*durations_ns[i] = description->frame_duration_max_ns; /* 0: it has no such control */
	}
}

void device_send_wish(struct device *device)
{
	struct wish *wish = &device->wishes.wished;
	bool own = device_rate_is_own(device, &device->settings) && !device->rate_changed;

	device_controls(device, &wish->controls);
	wish->controls.given &= device->asked.given;
	if (is_auto(&wish->controls))
		wish->controls.given &= ~BY_HAND;
	wish->frame_duration_min_ns = own ? 0 : device->settings.frame_duration_min_ns;
	wish->frame_duration_max_ns = own ? 0 : device->settings.frame_duration_max_ns;
	wish_send(&device->wishes);
}
