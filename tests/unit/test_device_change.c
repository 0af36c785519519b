/* SPDX-License-Identifier: BSD-2-Clause */
/* test_device_change.c - stop, configure, start: what is out stays valid, what fails has changed nothing. */
#include "device_probe.h"

#include <pthread.h>

static struct source *open_started(void)
{
	struct source *source = open_plugged();

	expect_size(source, 640, 480);
	start_device(source);
	return source;
}

static void test_stop(void **state)
{
	struct source *source = open_started();

	(void)state;
	fake_frame(1);
	fake_frame(2);
	assert_int_equal(stop_rc(source), 0);
	assert_string_equal(report_of(source).state, "ready");
	assert_false(fake_is_running());
	take_frame(source, 1); /* no loss, no cancelled request is told */
	take_frame(source, 2);
	expect_empty(source);
	assert_int_equal(fake_queued(), 0);
	start_device(source);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	fake_frame(3);
	take_frame(source, 3);
	destroy_device(source);
}

static void test_stop_failed(void **state)
{
	struct source *source = open_started();

	(void)state;
	fake_fail(FAKE_STOP, -EBUSY, 1);
	assert_int_equal(stop_rc(source), -EBUSY);
	assert_string_equal(report_of(source).state, "running");
	fake_frame(1);
	take_frame(source, 1);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	destroy_device(source);
}

/* Stopped is stopped, whatever the camera does meanwhile. */
static void test_stop_while_absent(void **state)
{
	struct source *source = open_started();

	(void)state;
	fake_unplug(CAMERA_ID, true);
	expect_event(source, SOURCE_LOST);
	assert_int_equal(stop_rc(source), 0);
	plug(true);
	await_state(source, "ready");
	assert_false(fake_is_running());
	expect_empty(source);
	start_device(source);
	fake_frame(1);
	take_frame(source, 1);
	destroy_device(source);
}

/* stop() and the others do not wait for a CameraManager that is being made. */
static void test_change_while_opening(void **state)
{
	struct source_config config = device_config();
	struct source *source;
	struct source_controls controls;

	(void)state;
	source = open_device(&config);
	expect_event(source, SOURCE_LOST);
	fake_hold(FAKE_OPEN, true);
	fake_await_held(FAKE_OPEN);
	start_device(source);
	assert_int_equal(stop_rc(source), 0);
	configure_device(source, 320, 240);
	set_rate(source, 20 * MS, 20 * MS);
	source_get_controls(source, &controls);
	start_device(source);
	assert_string_equal(report_of(source).state, "absent");
	plug(false);
	fake_hold(FAKE_OPEN, false);
	expect_size(source, 320, 240);
	fake_frame(1);
	take_frame(source, 1);
	destroy_device(source);
}

static void test_stop_while_stuck(void **state)
{
	struct source *source;

	(void)state;
	set_times(20 * MS, 20 * MS);
	source = open_plugged();
	expect_size(source, 640, 480);
	start_device(source);
	expect_event(source, SOURCE_LOST);
	assert_int_equal(stop_rc(source), 0);
	assert_false(fake_is_running());
	destroy_device(source);
}

static void test_sizes(void **state)
{
	struct source *source = open_started();
	static const uint32_t sizes[][2] = { { 1280, 800 }, { 320, 240 }, { 640, 480 } };
	unsigned descriptors = count_descriptors();

	(void)state;
	for (uint32_t i = 0; i < 90; i++) {
		const uint32_t *size = sizes[i % 3];

		fake_frame(2 * i + 1);
		fake_frame(2 * i + 2);
		take_frame(source, 2 * i + 1);
		assert_int_equal(stop_rc(source), 0);
		configure_device(source, size[0], size[1]);
		start_device(source);
		take_frame(source, 2 * i + 2);
		expect_size(source, size[0], size[1]);
		assert_int_equal(fake_wish().width, size[0]);
	}
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	while (count_descriptors() > descriptors) /* the keeper frees what was out of older sizes */
		usleep(200);
	destroy_device(source);
}

/* The same format is not announced again. */
static void test_same_size(void **state)
{
	struct source *source = open_started();

	(void)state;
	assert_int_equal(stop_rc(source), 0);
	configure_device(source, 640, 480);
	start_device(source);
	fake_frame(1);
	take_frame(source, 1);
	destroy_device(source);
}

static void *configure_larger(void *source)
{
	configure_device(source, 1280, 800);
	return NULL;
}

/* A buffer that comes back while others are prepared is freed all the same. */
static void test_released_while_configuring(void **state)
{
	struct source *source = open_plugged();
	struct source_frame frame;
	unsigned descriptors;
	pthread_t thread;

	(void)state;
	expect_size(source, 640, 480);
	descriptors = count_descriptors();
	start_device(source);
	fake_frame(1);
	frame = expect_frame(source, 1);
	assert_int_equal(stop_rc(source), 0);
	fake_hold(FAKE_EXPORT, true);
	assert_int_equal(pthread_create(&thread, NULL, configure_larger, source), 0);
	fake_await_held(FAKE_EXPORT);
	source_release(source, frame.buffer);
	fake_hold(FAKE_EXPORT, false);
	pthread_join(thread, NULL);
	while (count_descriptors() > descriptors)
		usleep(200);
	destroy_device(source);
}

/* All buffers out while the camera begins anew: each is its again when it is released, none is lost or queued twice. */
static void test_all_outstanding(void **state)
{
	struct source *source = open_started();
	struct source_frame held[FRAME_BUFFERS];

	(void)state;
	for (uint32_t i = 0; i < FRAME_BUFFERS; i++) {
		fake_frame(i + 1);
		held[i] = expect_frame(source, i + 1);
	}
	assert_int_equal(stop_rc(source), 0);
	source_release(source, held[0].buffer); /* while it is stopped */
	start_device(source);
	assert_int_equal(fake_queued(), 1);
	for (uint32_t i = 1; i < FRAME_BUFFERS; i++) {
		source_release(source, held[i].buffer);
		assert_int_equal(fake_queued(), i + 1);
	}
	/* Now across another size: what they hold stays. */
	for (uint32_t i = 0; i < FRAME_BUFFERS; i++) {
		fake_frame(i + 10);
		held[i] = expect_frame(source, i + 10);
	}
	assert_int_equal(stop_rc(source), 0);
	configure_device(source, 1280, 800);
	start_device(source);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	expect_size(source, 1280, 800);
	fake_frame(20);
	take_frame(source, 20);
	for (uint32_t i = 0; i < FRAME_BUFFERS; i++) {
		assert_int_equal(*(const uint64_t *)(const void *)held[i].image, i + 10);
		source_release(source, held[i].buffer);
	}
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	destroy_device(source);
}

static void expect_restored(struct source *source, enum source_step failed)
{
	const struct source_settings now = settings_of(source, 640, 480), wanted = settings_of(source, 1280, 800);
	enum source_step seen;
	bool restored = false;
	char text[512] = "";

	assert_int_equal(source_reconfigure(source, &now, &wanted, &seen, &restored, text, sizeof(text)) < 0, 1);
	assert_int_equal(seen, failed);
	assert_true(restored);
	assert_string_equal(report_of(source).state, "running");
	assert_int_equal(fake_wish().width, 640);
}

static void test_refused(void **state)
{
	struct source *source = open_started();

	(void)state;
	fake_fail(FAKE_CONFIGURE, -EINVAL, 1);
	expect_restored(source, SOURCE_STEP_CONFIGURE);
	fake_frame(1);
	take_frame(source, 1);
	fake_fail(FAKE_EXPORT, -ENOMEM, 1);
	expect_restored(source, SOURCE_STEP_CONFIGURE);
	fake_frame(2);
	take_frame(source, 2);
	fake_fail(FAKE_STOP, -EBUSY, 1);
	expect_restored(source, SOURCE_STEP_STOP);
	fake_frame(3);
	take_frame(source, 3);
	fake_fail(FAKE_START, -EIO, 1);
	expect_restored(source, SOURCE_STEP_START);
	expect_size(source, 1280, 800); /* was announced, and taken back */
	expect_size(source, 640, 480);
	fake_frame(4);
	take_frame(source, 4);
	destroy_device(source);
}

/* It cannot even be as before: away, until another look brings it back as it was. */
static void test_refused_for_good(void **state)
{
	struct source *source = open_started();
	char text[320];

	(void)state;
	assert_int_equal(stop_rc(source), 0);
	fake_fail(FAKE_CONFIGURE, -EINVAL, 3);
	assert_int_equal(configure_rc(source, 1280, 800, text, sizeof(text)), -EINVAL);
	assert_string_equal(text, "the fake says no");
	expect_event(source, SOURCE_LOST);
	start_device(source);
	fake_frame(1);
	take_frame(source, 1);
	assert_int_equal(fake_wish().width, 640);
	destroy_device(source);
}

/* Unplugged while it is configured: that is not refused, it holds when the camera is there again. */
static void test_unplugged_while_stopped(void **state)
{
	struct source *source = open_started();

	(void)state;
	assert_int_equal(stop_rc(source), 0);
	fake_unplug(CAMERA_ID, true);
	configure_device(source, 1280, 800);
	start_device(source);
	expect_event(source, SOURCE_LOST);
	plug(true);
	expect_size(source, 1280, 800);
	fake_frame(1);
	take_frame(source, 1);
	destroy_device(source);
}

/* More happens than the reader has fetched: the camera waits for room, and nothing is lost of what was told. */
static void test_reader_does_not_fetch(void **state)
{
	struct source *source = open_started();
	unsigned changes = 0;

	(void)state;
	do {
		if (stop_rc(source) || ++changes > 2 * DEVICE_NOTES)
			fail_msg("the notes never fill");
		configure_device(source, changes % 2 ? 1280 : 640, changes % 2 ? 800 : 480);
		start_device(source);
	} while (fake_is_running());
	assert_string_equal(report_of(source).state, "ready");
	for (unsigned i = 1; i < changes; i++)
		expect_size(source, i % 2 ? 1280 : 640, i % 2 ? 800 : 480);
	expect_size(source, changes % 2 ? 1280 : 640, changes % 2 ? 800 : 480);
	fake_frame(1);
	take_frame(source, 1);
	destroy_device(source);
}

static void test_check(void **state)
{
	struct source *source = open_started();
	struct source_settings wanted = { .width = 600, .height = 400 }, got;
	struct source_fault fault;
	struct source_capabilities capabilities;

	(void)state;
	got = checked(source, &wanted);
	assert_int_equal(got.width, 640);
	assert_int_equal(got.height, 480);
	assert_string_equal(got.layout.name, "YUV420");
	assert_int_equal(got.frame_duration_min_ns, NS_PER_SECOND / 120);
	assert_int_equal(got.frame_duration_max_ns, NS_PER_SECOND);
	wanted.frame_duration_min_ns = wanted.frame_duration_max_ns = MS;
	got = checked(source, &wanted);
	assert_int_equal(got.frame_duration_min_ns, NS_PER_SECOND / 120);
	assert_int_equal(got.frame_duration_max_ns, NS_PER_SECOND / 120);
	wanted.frame_duration_min_ns = 2 * MS;
	assert_int_equal(source_check(source, &wanted, &got, &fault), -EINVAL);
	assert_string_equal(fault.field, "frame_duration_us.minimum");
	fake_fail(FAKE_VALIDATE, -EINVAL, 1);
	wanted.frame_duration_min_ns = 0;
	assert_int_equal(source_check(source, &wanted, &got, &fault), -EINVAL);
	assert_string_equal(fault.text, "the fake says no");
	source_get_capabilities(source, &capabilities);
	assert_string_equal(capabilities.id, CAMERA_ID);
	assert_true(capabilities.paces && capabilities.resizes);
	/* As before while it is away. */
	fake_unplug(CAMERA_ID, true);
	expect_event(source, SOURCE_LOST);
	got = checked(source, &(struct source_settings){ .width = 600, .height = 400 });
	assert_int_equal(got.width, 640);
	destroy_device(source);
}

static void test_no_pace(void **state)
{
	struct libcamera_description description = fake_description(CAMERA_ID);
	struct source_config config = device_config();
	struct source_settings wanted = { 0 }, got;
	struct source_capabilities capabilities;
	struct source *source;
	char text[320] = "";

	(void)state;
	description.frame_duration_min_ns = description.frame_duration_max_ns = 0;
	fake_plug(&description, true);
	set_fixed_rate(&config.settings, 10 * MS);
	source = open_device(&config);
	set_fixed_rate(&wanted, 10 * MS);
	got = checked(source, &wanted);
	assert_int_equal(got.frame_duration_min_ns, 0);
	assert_int_equal(got.frame_duration_max_ns, 0);
	source_get_capabilities(source, &capabilities);
	assert_false(capabilities.paces);
	assert_int_equal(source_set_rate(source, 10 * MS, 10 * MS, text, sizeof(text)), -ENOTSUP);
	start_device(source);
	assert_int_equal(fake_start_change().frame_duration_max_ns, 0);
	destroy_device(source);
}

/* --- the trial of memory -------------------------------------------------------------------------------------- */

static void *cancel_one(void *argument)
{
	(void)argument;
	fake_complete(&(struct libcamera_completion){ .status = LIBCAMERA_CANCELLED });
	return NULL;
}

/* None of it reaches the reader, and the camera is as it was. */
static void test_trial(void **state)
{
	struct source *source = open_plugged();
	pthread_t thread;

	(void)state;
	expect_size(source, 640, 480);
	fake_set_pace(FAKE_INSTANT);
	assert_int_equal(device_try_capture(source), 0);
	fake_set_pace(FAKE_MANUAL);
	assert_int_equal(device_try_capture(source), -ETIMEDOUT);
	assert_int_equal(pthread_create(&thread, NULL, cancel_one, NULL), 0);
	assert_int_equal(device_try_capture(source), -EIO);
	pthread_join(thread, NULL);
	assert_false(fake_is_running());
	assert_int_equal(report_of(source).completed, 0);
	expect_empty(source);
	start_device(source);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	fake_frame(1);
	take_frame(source, 1);
	destroy_device(source);
}

/* --- the end -------------------------------------------------------------------------------------------------- */

static void test_destroy(void **state)
{
	struct source_config config = device_config();
	struct source *source;

	(void)state;
	source = open_device(&config); /* absent */
	destroy_device(source);
	fake_fail(FAKE_ACQUIRE, -EBUSY, UINT32_MAX);
	source = open_plugged(); /* busy */
	destroy_device(source);
	fake_reset();
	source = open_plugged(); /* ready */
	destroy_device(source);
	source = open_device(&config);
	start_device(source); /* running */
	fake_frame(1);
	fake_frame(2);
	destroy_device(source); /* with frames that nobody fetched */
	source = open_device(&config);
	start_device(source);
	fake_frame(3);
	expect_size(source, 640, 480);
	expect_frame(source, 3);
	destroy_device(source); /* and one that nobody released */
	set_times(20 * MS, 10 * MS);
	source = open_device(&config);
	start_device(source);
	await_state(source, "stuck");
	destroy_device(source);
	source = open_device(&config);
	start_device(source);
	fake_unplug(CAMERA_ID, false);
	destroy_device(source); /* while it is found out */
}

static void *let_open(void *argument)
{
	struct device *device = argument;

	while (!__atomic_load_n(&device->finishing, __ATOMIC_ACQUIRE))
		usleep(200);
	fake_hold(FAKE_OPEN, false);
	return NULL;
}

/* Waits for the CameraManager that is being made; then takes no camera any more. */
static void test_destroy_while_opening(void **state)
{
	struct source_config config = device_config();
	struct source *source = open_device(&config);
	pthread_t thread;
	unsigned acquired;

	(void)state;
	start_device(source);
	fake_hold(FAKE_OPEN, true);
	fake_await_held(FAKE_OPEN);
	plug(false);
	acquired = fake_count(FAKE_ACQUIRE);
	assert_int_equal(pthread_create(&thread, NULL, let_open, source), 0);
	destroy_device(source);
	pthread_join(thread, NULL);
	assert_int_equal(fake_count(FAKE_ACQUIRE), acquired);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stop, set_up_fake),
		cmocka_unit_test_setup(test_stop_failed, set_up_fake),
		cmocka_unit_test_setup(test_stop_while_absent, set_up_fake),
		cmocka_unit_test_setup(test_change_while_opening, set_up_fake),
		cmocka_unit_test_setup(test_stop_while_stuck, set_up_fake),
		cmocka_unit_test_setup(test_sizes, set_up_fake),
		cmocka_unit_test_setup(test_same_size, set_up_fake),
		cmocka_unit_test_setup(test_released_while_configuring, set_up_fake),
		cmocka_unit_test_setup(test_all_outstanding, set_up_fake),
		cmocka_unit_test_setup(test_refused, set_up_fake),
		cmocka_unit_test_setup(test_refused_for_good, set_up_fake),
		cmocka_unit_test_setup(test_unplugged_while_stopped, set_up_fake),
		cmocka_unit_test_setup(test_reader_does_not_fetch, set_up_fake),
		cmocka_unit_test_setup(test_check, set_up_fake),
		cmocka_unit_test_setup(test_no_pace, set_up_fake),
		cmocka_unit_test_setup(test_trial, set_up_fake),
		cmocka_unit_test_setup(test_destroy, set_up_fake),
		cmocka_unit_test_setup(test_destroy_while_opening, set_up_fake),
	};

	return cmocka_run_group_tests_name("device_change", tests, NULL, NULL);
}
