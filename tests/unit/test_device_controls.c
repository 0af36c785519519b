/* SPDX-License-Identifier: BSD-2-Clause */
/* test_device_controls.c - exposure, gain, crop and rate of a camera: what is taken, refused, and told to it when. */
#include "device_probe.h"

#define EXPOSURE_BITS                                                                                                  \
	(SOURCE_BIT(SOURCE_EXPOSURE_US) | SOURCE_BIT(SOURCE_ANALOGUE_GAIN_MILLI) | SOURCE_BIT(SOURCE_AUTO_EXPOSURE))
#define CROP_BITS                                                                                                      \
	(SOURCE_BIT(SOURCE_SCALER_CROP_X) | SOURCE_BIT(SOURCE_SCALER_CROP_Y) | SOURCE_BIT(SOURCE_SCALER_CROP_WIDTH) |  \
	 SOURCE_BIT(SOURCE_SCALER_CROP_HEIGHT))

static struct source_controls wish(enum source_control control, int64_t value)
{
	struct source_controls controls = { .given = SOURCE_BIT(control) };

	controls.values[control] = value;
	return controls;
}

static struct source_controls with(struct source_controls controls, enum source_control control, int64_t value)
{
	controls.given |= SOURCE_BIT(control);
	controls.values[control] = value;
	return controls;
}

static struct source_controls told(const struct source *source)
{
	struct source_controls controls;

	source_get_controls(source, &controls);
	return controls;
}

/* Member by member: what is between them may be anything. */
static void expect_same(const struct source_controls *a, const struct source_controls *b)
{
	assert_int_equal(a->given, b->given);
	assert_memory_equal(a->values, b->values, sizeof(a->values));
}

static void set(struct source *source, struct source_controls wanted)
{
	struct source_controls got = { 0 }, now;
	struct source_fault fault;

	if (source_set_controls(source, &wanted, &got, &fault))
		fail_msg("%s: %s", fault.field, fault.text);
	now = told(source);
	expect_same(&got, &now);
	/* What it says is never refused, and changes nothing. */
	if (source_set_controls(source, &now, &got, &fault))
		fail_msg("%s: %s", fault.field, fault.text);
	expect_same(&got, &now);
}

static void expect(const struct source *source, int64_t exposure_us, int64_t gain_milli, int64_t is_auto)
{
	struct source_controls controls = told(source);

	assert_int_equal(controls.values[SOURCE_EXPOSURE_US], exposure_us);
	assert_int_equal(controls.values[SOURCE_ANALOGUE_GAIN_MILLI], gain_milli);
	assert_int_equal(controls.values[SOURCE_AUTO_EXPOSURE], is_auto);
}

static struct source_fault expect_fault(struct source *source, struct source_controls wanted, int rc, const char *field)
{
	struct source_controls before = told(source), after, got;
	struct source_fault fault = { 0 };

	memset(&got, 0x5a, sizeof(got));
	assert_int_equal(source_set_controls(source, &wanted, &got, &fault), rc);
	assert_string_equal(fault.field, field);
	assert_true(fault.text[0]);
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(((uint8_t *)&got)[i], 0x5a);
	after = told(source);
	expect_same(&before, &after);
	return fault;
}

/* A frame that says what it was taken with. */
static void frame_with(struct source *source, uint32_t number, uint32_t exposure_us, uint32_t gain_milli)
{
	fake_complete(&(struct libcamera_completion){ .status = LIBCAMERA_FRAME,
						      .sensor_ns = number * 10 * MS,
						      .camera_sequence = number,
						      .exposure_us = exposure_us,
						      .analogue_gain_milli = gain_milli });
	source_release(source, expect_event(source, SOURCE_FRAME).frame.buffer);
}

static void test_initial(void **state)
{
	struct source *source = open_plugged();
	struct source_capabilities capabilities;

	(void)state;
	assert_int_equal(told(source).given, (1u << SOURCE_CONTROLS) - 1);
	expect(source, 8000, 1000, 1);
	source_get_capabilities(source, &capabilities);
	assert_int_equal(capabilities.controls, (1u << SOURCE_CONTROLS) - 1);
	assert_int_equal(capabilities.ranges[SOURCE_EXPOSURE_US].maximum, 500000);
	start_device(source);
	/* Nobody asked for anything: it is left as it is. */
	assert_int_equal(fake_start_change().controls.given, 0);
	assert_int_equal(fake_start_change().frame_duration_min_ns, 0);
	assert_int_equal(fake_start_change().frame_duration_max_ns, 0);
	destroy_device(source);
}

static void test_auto_exposure(void **state)
{
	struct source *source = open_plugged();

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	start_device(source);
	frame_with(source, 1, 12345, 3000);
	expect(source, 12345, 3000, 1); /* as the camera found it */
	set(source, wish(SOURCE_EXPOSURE_US, 700));
	expect(source, 700, 3000, 0); /* ends it, and its gain stays */
	frame_with(source, 2, 12345, 4000);
	expect(source, 700, 3000, 0);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 1));
	expect(source, 12345, 4000, 1);
	set(source, wish(SOURCE_ANALOGUE_GAIN_MILLI, 2000));
	expect(source, 12345, 2000, 0);
	set(source, with(wish(SOURCE_AUTO_EXPOSURE, 1), SOURCE_EXPOSURE_US, 77)); /* has its way */
	expect(source, 12345, 4000, 1);
	set(source, wish(SOURCE_BRIGHTNESS_MILLI, 100)); /* not its business */
	expect(source, 12345, 4000, 1);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 0));
	expect(source, 12345, 4000, 0);
	destroy_device(source);
}

static void test_refusals(void **state)
{
	struct libcamera_description description = fake_description(CAMERA_ID);
	struct source_config config = device_config();
	struct source *source;
	struct source_fault fault;

	(void)state;
	description.controls &= ~SOURCE_BIT(SOURCE_SHARPNESS_MILLI);
	fake_plug(&description, true);
	source = open_device(&config);
	fault = expect_fault(source, wish(SOURCE_EXPOSURE_US, 9), -ERANGE, "exposure_us");
	assert_int_equal(fault.minimum, 10);
	assert_int_equal(fault.maximum, 500000);
	assert_int_equal(fault.given, 9);
	expect_fault(source, wish(SOURCE_EXPOSURE_US, 500001), -ERANGE, "exposure_us");
	expect_fault(source, wish(SOURCE_AUTO_EXPOSURE, 2), -ERANGE, "auto_exposure");
	expect_fault(source, wish(SOURCE_BRIGHTNESS_MILLI, -1001), -ERANGE, "brightness_milli");
	expect_fault(source, wish(SOURCE_SHARPNESS_MILLI, 0), -ENOTSUP, "sharpness_milli");
	expect_fault(source, with(wish(SOURCE_EXPOSURE_US, 50), SOURCE_CONTRAST_MILLI, -1), -ERANGE, "contrast_milli");
	assert_int_equal(told(source).given, (1u << SOURCE_CONTROLS) - 1 - SOURCE_BIT(SOURCE_SHARPNESS_MILLI));
	destroy_device(source);
}

static void test_crop(void **state)
{
	struct source *source = open_plugged();
	struct source_controls change, wanted = wish(SOURCE_SCALER_CROP_WIDTH, 800);
	struct source_fault fault;

	(void)state;
	/* The camera is told all four, or what it is not told of would be as it likes. */
	assert_int_equal(source_set_controls(source, &wanted, &change, &fault), 0);
	assert_int_equal(((struct device *)source)->wishes.wished.controls.given, CROP_BITS);
	set(source, with(wish(SOURCE_SCALER_CROP_WIDTH, 640), SOURCE_SCALER_CROP_HEIGHT, 400));
	set(source, wish(SOURCE_SCALER_CROP_X, 640));
	fault = expect_fault(source, wish(SOURCE_SCALER_CROP_X, 641), -ERANGE, "scaler_crop_x");
	assert_int_equal(fault.maximum, 640);
	fault = expect_fault(source, wish(SOURCE_SCALER_CROP_WIDTH, 648), -ERANGE, "scaler_crop_width");
	assert_int_equal(fault.maximum, 640);
	set(source, with(wish(SOURCE_SCALER_CROP_Y, 8), SOURCE_SCALER_CROP_HEIGHT, 792));
	start_device(source);
	change = fake_start_change().controls;
	assert_int_equal(change.given & CROP_BITS, CROP_BITS);
	assert_int_equal(change.values[SOURCE_SCALER_CROP_X], 640);
	assert_int_equal(change.values[SOURCE_SCALER_CROP_Y], 8);
	assert_int_equal(change.values[SOURCE_SCALER_CROP_WIDTH], 640);
	assert_int_equal(change.values[SOURCE_SCALER_CROP_HEIGHT], 792);
	destroy_device(source);
}

/* Exposure never exceeds the time there is; what was asked for comes back with a slower rate. */
static void test_rate_limits_exposure(void **state)
{
	struct source *source = open_plugged();

	(void)state;
	set(source, wish(SOURCE_EXPOSURE_US, 50000));
	set_rate(source, 20 * MS, 20 * MS);
	expect(source, 20000, 1000, 0);
	set_rate(source, 100 * MS, 100 * MS);
	expect(source, 50000, 1000, 0);
	destroy_device(source);
}

/* What a pipeline says of rates before it is configured, and of another size, limits nothing. */
static void test_rate_of_the_size(void **state)
{
	struct libcamera_description description = fake_description(CAMERA_ID);
	struct source_config config = device_config();
	struct source_settings wanted = { .width = 1280, .height = 800 }, got;
	struct source_fault fault;
	struct source *source;

	(void)state;
	description.frame_duration_min_ns = 33333 * NS_PER_US;
	description.frame_duration_max_ns = 120 * MS;
	fake_plug(&description, true);
	fake_set_durations(4 * MS, NS_PER_SECOND);
	set_fixed_rate(&config.settings, 10 * MS);
	source = open_device(&config);
	start_device(source);
	assert_int_equal(fake_start_change().frame_duration_min_ns, 10 * MS);
	assert_int_equal(fake_start_change().frame_duration_max_ns, 10 * MS);
	/* Of the size in force it is known, of another not yet. */
	set_fixed_rate(&wanted, 2 * MS);
	assert_int_equal(source_check(source, &wanted, &got, &fault), 0);
	assert_int_equal(got.frame_duration_min_ns, 2 * MS);
	assert_int_equal(stop_rc(source), 0);
	fake_set_durations(3 * MS, NS_PER_SECOND);
	configure_with(source, &got);
	start_device(source);
	assert_int_equal(fake_start_change().frame_duration_min_ns, 3 * MS);
	assert_int_equal(source_check(source, &wanted, &got, &fault), 0);
	assert_int_equal(got.frame_duration_min_ns, 3 * MS);
	destroy_device(source);
}

/* The camera's own rate stays its own, whatever that is at another size. */
static void test_own_rate_of_the_size(void **state)
{
	struct source_settings own = { .width = 640, .height = 480 }, got;
	struct source_fault fault;
	struct source *source;

	(void)state;
	fake_set_durations(20 * MS, NS_PER_SECOND);
	source = open_plugged();
	assert_int_equal(source_check(source, &own, &got, &fault), 0);
	assert_int_equal(got.frame_duration_min_ns, 20 * MS);
	got.width = 1280;
	got.height = 800;
	own = got;
	assert_int_equal(source_check(source, &own, &got, &fault), 0);
	assert_int_equal(got.frame_duration_min_ns, 0);
	assert_int_equal(got.frame_duration_max_ns, 0);
	fake_set_durations(5 * MS, NS_PER_SECOND);
	configure_with(source, &got);
	start_device(source);
	assert_int_equal(fake_start_change().frame_duration_max_ns, 0);
	assert_int_equal(source_check(source, &got, &own, &fault), 0);
	assert_int_equal(own.frame_duration_min_ns, 5 * MS);
	destroy_device(source);
}

/* The rate and what was set go with the next request, once; at a start, with that. */
static void test_told_with_next_request(void **state)
{
	struct source *source = open_plugged();
	struct libcamera_change change;
	struct source_event event;
	unsigned changes;

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 0));
	set_rate(source, 20 * MS, 20 * MS);
	start_device(source);
	change = fake_start_change();
	assert_int_equal(change.controls.given & EXPOSURE_BITS, EXPOSURE_BITS);
	assert_int_equal(change.controls.values[SOURCE_EXPOSURE_US], 8000);
	assert_int_equal(change.frame_duration_min_ns, 20 * MS);
	frame_with(source, 1, 0, 0);
	fake_frame(2); /* all are in flight, but for this one */
	event = expect_event(source, SOURCE_FRAME);
	changes = fake_queue_changes();
	set(source, wish(SOURCE_EXPOSURE_US, 4321));
	set_rate(source, 40 * MS, 50 * MS);
	assert_int_equal(fake_queue_changes(), changes);
	source_release(source, event.frame.buffer);
	assert_int_equal(fake_queue_changes(), changes + 1);
	assert_true(fake_queue_change(&change));
	assert_int_equal(change.controls.given & EXPOSURE_BITS, EXPOSURE_BITS);
	assert_int_equal(change.controls.values[SOURCE_EXPOSURE_US], 4321);
	assert_int_equal(change.frame_duration_min_ns, 40 * MS);
	assert_int_equal(change.frame_duration_max_ns, 50 * MS);
	frame_with(source, 3, 0, 0);
	assert_int_equal(fake_queue_changes(), changes + 1);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 1));
	frame_with(source, 4, 0, 0);
	assert_true(fake_queue_change(&change));
	assert_int_equal(change.controls.given & EXPOSURE_BITS, SOURCE_BIT(SOURCE_AUTO_EXPOSURE));
	/* Back to its own: that has to be said as long as it runs. */
	set_rate(source, NS_PER_SECOND / 120, NS_PER_SECOND);
	frame_with(source, 5, 0, 0);
	assert_true(fake_queue_change(&change));
	assert_int_equal(change.frame_duration_min_ns, NS_PER_SECOND / 120);
	assert_int_equal(change.frame_duration_max_ns, NS_PER_SECOND);
	destroy_device(source);
}

/* What went with a request that comes back cancelled is told again. */
static void test_told_again_after_cancelled(void **state)
{
	struct source *source = open_plugged();
	struct libcamera_change change;
	unsigned changes;

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	start_device(source);
	frame_with(source, 1, 0, 0);
	set(source, wish(SOURCE_BRIGHTNESS_MILLI, 77));
	for (uint32_t number = 2; number <= 5; number++) /* the last one in the queue has it */
		frame_with(source, number, 0, 0);
	changes = fake_queue_changes();
	fake_complete(&(struct libcamera_completion){ .status = LIBCAMERA_CANCELLED });
	expect_empty(source);
	assert_int_equal(fake_queue_changes(), changes + 1);
	assert_true(fake_queue_change(&change));
	assert_int_equal(change.controls.values[SOURCE_BRIGHTNESS_MILLI], 77);
	destroy_device(source);
}

/* A request that the camera did not take has not told it anything. */
static void test_told_again(void **state)
{
	struct source *source = open_plugged();
	struct libcamera_change change;
	unsigned changes;

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	start_device(source);
	frame_with(source, 1, 0, 0);
	changes = fake_queue_changes();
	set(source, wish(SOURCE_EXPOSURE_US, 4321));
	fake_fail(FAKE_QUEUE, -EACCES, 1);
	frame_with(source, 2, 0, 0);
	assert_int_equal(fake_queue_changes(), changes);
	/* The buffer of the one that failed is the camera's again with the next frame. */
	assert_int_equal(fake_queued(), FRAME_BUFFERS - 1);
	frame_with(source, 3, 0, 0);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	assert_int_equal(fake_queue_changes(), changes + 1);
	assert_true(fake_queue_change(&change));
	assert_int_equal(change.controls.values[SOURCE_EXPOSURE_US], 4321);
	/* Or with the next start. */
	fake_fail(FAKE_QUEUE, -EACCES, 1);
	frame_with(source, 4, 0, 0);
	assert_int_equal(fake_queued(), FRAME_BUFFERS - 1);
	assert_int_equal(stop_rc(source), 0);
	start_device(source);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	destroy_device(source);
}

/* It had been lost when it comes back. */
static void test_told_after_replug(void **state)
{
	struct source *source = open_plugged();

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	start_device(source);
	set(source, wish(SOURCE_CONTRAST_MILLI, 1500));
	fake_unplug(CAMERA_ID, true);
	expect_event(source, SOURCE_LOST);
	assert_string_equal(report_of(source).state, "absent");
	set(source, wish(SOURCE_EXPOSURE_US, 555));
	plug(true);
	await_state(source, "running");
	assert_int_equal(fake_start_change().controls.values[SOURCE_CONTRAST_MILLI], 1500);
	assert_int_equal(fake_start_change().controls.values[SOURCE_EXPOSURE_US], 555);
	destroy_device(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_initial, set_up_fake),
		cmocka_unit_test_setup(test_auto_exposure, set_up_fake),
		cmocka_unit_test_setup(test_refusals, set_up_fake),
		cmocka_unit_test_setup(test_crop, set_up_fake),
		cmocka_unit_test_setup(test_rate_limits_exposure, set_up_fake),
		cmocka_unit_test_setup(test_rate_of_the_size, set_up_fake),
		cmocka_unit_test_setup(test_own_rate_of_the_size, set_up_fake),
		cmocka_unit_test_setup(test_told_with_next_request, set_up_fake),
		cmocka_unit_test_setup(test_told_again, set_up_fake),
		cmocka_unit_test_setup(test_told_again_after_cancelled, set_up_fake),
		cmocka_unit_test_setup(test_told_after_replug, set_up_fake),
	};

	return cmocka_run_group_tests_name("device_controls", tests, NULL, NULL);
}
