/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_device_wait.c - a driver that takes its time: who only looks, or wants another rate or exposure, never waits for
 * it; who stops or ends waits no longer than for the call that is under way, and who changes something not even so
 * long.
 */
#include "device_probe.h"

#include <pthread.h>

/* All calls of the main thread but stop(), configure(), start() and check(). That they return is the test. */
static void call_all(struct source *source, unsigned times)
{
	struct source_identity cameras[SOURCE_CAMERAS_MAX];
	struct source_capabilities capabilities;
	struct source_controls controls;
	struct source_fault fault;

	for (unsigned i = 0; i < times; i++) {
		report_of(source);
		source_get_cameras(source, cameras, SOURCE_CAMERAS_MAX);
		source_get_capabilities(source, &capabilities);
		source_get_controls(source, &controls);
		set_rate(source, (20 + i % 2) * MS, 30 * MS);
		controls = (struct source_controls){ .given = SOURCE_BIT(SOURCE_EXPOSURE_US) };
		controls.values[SOURCE_EXPOSURE_US] = 100 + i % 100;
		assert_int_equal(source_set_controls(source, &controls, &controls, &fault), 0);
	}
}

static void test_looks_while_opening(void **state)
{
	static const enum fake_call calls[] = { FAKE_OPEN, FAKE_ACQUIRE, FAKE_CONFIGURE, FAKE_EXPORT, FAKE_START };
	struct source *source;

	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++) {
		struct source_config config = device_config();

		fake_reset();
		source = open_device(&config);
		start_device(source);
		fake_hold(calls[i], true);
		plug(calls[i] != FAKE_OPEN);
		fake_await_held(calls[i]);
		call_all(source, 3);
		assert_string_equal(report_of(source).state, calls[i] == FAKE_START ? "ready" : "absent");
		fake_hold(calls[i], false);
		await_state(source, "running");
		destroy_device(source);
	}
}

/* What is wished meanwhile holds. */
static void test_wish_while_starting(void **state)
{
	struct source_config config = device_config();
	struct source *source = open_device(&config);
	struct libcamera_change change;

	(void)state;
	start_device(source);
	fake_hold(FAKE_START, true);
	plug(true);
	fake_await_held(FAKE_START);
	set_rate(source, 50 * MS, 50 * MS);
	fake_hold(FAKE_START, false);
	await_state(source, "running");
	fake_frame(1);
	expect_event(source, SOURCE_LOST);
	expect_size(source, 640, 480);
	take_frame(source, 1);
	assert_true(fake_queue_change(&change));
	assert_int_equal(change.frame_duration_max_ns, 50 * MS);
	destroy_device(source);
}

static void test_looks_while_stuck(void **state)
{
	struct source *source;

	(void)state;
	set_times(20 * MS, 20 * MS);
	source = open_plugged();
	start_device(source);
	fake_hold(FAKE_STOP, true);
	fake_await_held(FAKE_STOP);
	call_all(source, 3);
	fake_hold(FAKE_STOP, false);
	destroy_device(source);
}

/* Who calls without a pause has the lock nearly all the time, and it is no fair one. */
static void call_now_and_then(struct source *source)
{
	call_all(source, 1);
	usleep(100);
}

/* Nothing of it is torn, whatever goes on. */
static void test_looks_under_load(void **state)
{
	struct source *source = open_plugged();

	(void)state;
	start_device(source);
	for (unsigned i = 0; i < 10; i++) {
		uint64_t losses = report_of(source).losses;
		struct source_event event;

		fake_unplug(CAMERA_ID, true);
		do
			call_now_and_then(source);
		while (report_of(source).losses == losses);
		plug(true);
		do
			call_now_and_then(source);
		while (strcmp(report_of(source).state, "running") != 0);
		while (source_fetch(source, &event) == 0)
			assert_int_not_equal(event.kind, SOURCE_FRAME);
	}
	destroy_device(source);
}

/* --- who changes something, and the camera does not answer ------------------------------------------------------- */

static int check_rc(struct source *source, struct source_fault *ret_fault)
{
	const struct source_settings wanted = { .width = 320, .height = 240 };
	struct source_settings settings;

	return source_check(source, &wanted, &settings, ret_fault);
}

/* What changes nothing is refused in time, once the time is over at once, and is as ever when the keeper is back. */
static void test_changes_while_it_hangs(void **state)
{
	const struct source_settings wanted = { .width = 320, .height = 240 };
	struct source_fault fault = { 0 };
	struct source *source;
	char text[320] = "";

	(void)state;
	set_times(20 * MS, 20 * MS);
	device_times.answer_ns = 20 * MS;
	source = open_plugged();
	start_device(source);
	fake_hold(FAKE_STOP, true);
	fake_await_held(FAKE_STOP);
	assert_int_equal(check_rc(source, &fault), -EAGAIN);
	assert_string_equal(fault.text, "the camera does not answer just now: libcamera has not come back from a call");
	/* Whoever comes now does not have the main thread wait as well, which would be for an hour. */
	((struct device *)source)->times.answer_ns = NEVER_NS;
	assert_int_equal(check_rc(source, &fault), -EAGAIN);
	assert_int_equal(stop_rc(source), -EAGAIN);
	assert_int_equal(device_operations.configure(source, &wanted, text, sizeof(text)), -EAGAIN);
	assert_string_equal(text, fault.text);
	start_device(source);
	assert_string_equal(report_of(source).state, "stuck");
	fake_hold(FAKE_STOP, false);
	while (check_rc(source, &fault) == -EAGAIN)
		usleep(200);
	assert_int_equal(check_rc(source, &fault), 0);
	destroy_device(source);
}

/* A start has not to be asked for again: the keeper does it. */
static void test_start_while_opening(void **state)
{
	struct source_config config = device_config();
	struct source *source;

	(void)state;
	device_times.answer_ns = 20 * MS;
	source = open_device(&config);
	fake_hold(FAKE_ACQUIRE, true);
	plug(true);
	fake_await_held(FAKE_ACQUIRE);
	start_device(source);
	fake_hold(FAKE_ACQUIRE, false);
	await_state(source, "running");
	destroy_device(source);
}

/* --- a trial of memory that nobody waits for any more ----------------------------------------------------------- */

struct trial {
	struct device *device;
	int rc;
};

/* As the keeper does. */
static void *try_memory(void *argument)
{
	struct trial *trial = argument;

	pthread_mutex_lock(&trial->device->lock);
	trial->rc = device_try_capture(trial->device);
	pthread_mutex_unlock(&trial->device->lock);
	return NULL;
}

static void begin_trial(struct trial *trial, pthread_t *ret_thread)
{
	/* It would wait for an hour. */
	trial->device->description.frame_duration_min_ns = NEVER_NS;
	assert_int_equal(pthread_create(ret_thread, NULL, try_memory, trial), 0);
	fake_await_queued(1);
	usleep(20000); /* so that it most likely sleeps, and has to be woken */
}

static void test_stop_ends_trial(void **state)
{
	struct source *source = open_plugged();
	struct trial trial = { .device = (struct device *)source };
	pthread_t thread;

	(void)state;
	begin_trial(&trial, &thread);
	assert_int_equal(stop_rc(source), 0);
	pthread_join(thread, NULL);
	assert_int_equal(trial.rc, -ENODEV);
	assert_false(fake_is_running());
	destroy_device(source);
}

static void test_end_ends_trial(void **state)
{
	struct source *source = open_plugged();
	struct trial trial = { .device = (struct device *)source };
	pthread_t thread;

	(void)state;
	begin_trial(&trial, &thread);
	device_finish(trial.device);
	pthread_join(thread, NULL);
	assert_int_equal(trial.rc, -ENODEV);
	destroy_device(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_looks_while_opening, set_up_fake),
		cmocka_unit_test_setup(test_wish_while_starting, set_up_fake),
		cmocka_unit_test_setup(test_looks_while_stuck, set_up_fake),
		cmocka_unit_test_setup(test_changes_while_it_hangs, set_up_fake),
		cmocka_unit_test_setup(test_start_while_opening, set_up_fake),
		cmocka_unit_test_setup(test_looks_under_load, set_up_fake),
		cmocka_unit_test_setup(test_stop_ends_trial, set_up_fake),
		cmocka_unit_test_setup(test_end_ends_trial, set_up_fake),
	};

	return cmocka_run_group_tests_name("device_wait", tests, NULL, NULL);
}
