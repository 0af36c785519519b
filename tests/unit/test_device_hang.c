/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_device_hang.c - a camera that hangs whatever is tried, where somebody starts the daemon anew, and a libcamera
 * that does not come back.
 */
#include "device_probe.h"

#include <pthread.h>

/* Without a frame for so long it is thought to stand still. */
#define STUCK_NS (50 * MS)

static struct source *open_that_gives_up(uint64_t stuck_ns)
{
	struct source_config config = device_config();

	set_times(20 * MS, stuck_ns);
	config.gives_up = true;
	plug(true);
	return open_device(&config);
}

static void expect_given_up(struct source *source, const char *why)
{
	struct source_event event = expect_event(source, SOURCE_FAILED);

	if (!strstr(event.text, why) || !strstr(event.text, CAMERA_ID) || !strstr(event.text, "3 restarts"))
		fail_msg("\"%s\" has no \"%s\"", event.text, why);
	assert_true(report_of(source).given_up);
	assert_string_equal(report_of(source).state, "absent");
}

/* Nor is it looked for any more. */
static void expect_left_alone(struct source *source)
{
	unsigned opened = fake_count(FAKE_OPEN), acquired = fake_count(FAKE_ACQUIRE);

	usleep(200 * 1000); /* ten looks */
	assert_int_equal(fake_count(FAKE_OPEN), opened);
	assert_int_equal(fake_count(FAKE_ACQUIRE), acquired);
	expect_empty(source);
}

static void test_gives_up(void **state)
{
	struct source *source = open_that_gives_up(STUCK_NS);

	(void)state;
	expect_size(source, 640, 480);
	start_device(source);
	assert_false(report_of(source).given_up);
	expect_event(source, SOURCE_LOST);
	expect_given_up(source, "no frame came for");
	assert_int_equal(report_of(source).restarts, 3);
	assert_int_equal(fake_count(FAKE_START), 4);
	expect_left_alone(source);
	destroy_device(source);
}

/* A frame after a restart, and the row begins anew. */
static void test_a_frame_between(void **state)
{
	struct source *source = open_that_gives_up(STUCK_NS);
	struct source_event event;

	(void)state;
	expect_size(source, 640, 480);
	start_device(source);
	fake_hold(FAKE_START, true);
	fake_await_held(FAKE_START); /* the first restart */
	fake_set_pace(FAKE_INSTANT);
	fake_hold(FAKE_START, false);
	expect_event(source, SOURCE_LOST);
	event = expect_event(source, SOURCE_FRAME);
	fake_set_pace(FAKE_MANUAL);
	while (event.kind != SOURCE_LOST) {
		if (event.kind == SOURCE_FRAME)
			source_release(source, event.frame.buffer);
		event = next_event(source);
	}
	expect_given_up(source, "no frame came for");
	assert_int_equal(report_of(source).restarts, 4);
	destroy_device(source);
}

/* One that cannot even be stopped. */
static void test_restarts_that_fail(void **state)
{
	struct source *source = open_that_gives_up(STUCK_NS);

	(void)state;
	expect_size(source, 640, 480);
	fake_fail(FAKE_STOP, -EIO, UINT32_MAX);
	start_device(source);
	expect_event(source, SOURCE_LOST);
	expect_given_up(source, "cannot be stopped");
	expect_left_alone(source);
	fake_fail(FAKE_STOP, 0, 0);
	destroy_device(source);
}

/* That it is gone is no failure of its own, however often. */
static void test_unplugged_again_and_again(void **state)
{
	struct source *source = open_that_gives_up(NEVER_NS);

	(void)state;
	expect_size(source, 640, 480);
	start_device(source);
	for (unsigned i = 1; i <= 5; i++) {
		fake_unplug(CAMERA_ID, true);
		while (report_of(source).losses < i)
			usleep(200);
		plug(true);
		await_state(source, "running");
		assert_false(report_of(source).given_up);
		fake_frame(i);
	}
	destroy_device(source);
}

/* --- in the library --- */

static void await_hung(struct source *source, bool hung)
{
	while (report_of(source).hung != hung)
		usleep(200);
}

/* Nobody who looks at it waits for it; and when it is back, it is back. */
static void test_library_that_hangs(void **state)
{
	struct source *source;

	(void)state;
	set_times(20 * MS, STUCK_NS);
	device_times.hang_ns = 100 * MS;
	source = open_plugged();
	expect_size(source, 640, 480);
	fake_hold(FAKE_STOP, true);
	start_device(source);
	fake_await_held(FAKE_STOP);
	await_hung(source, true);
	assert_false(report_of(source).given_up);
	fake_hold(FAKE_STOP, false);
	await_hung(source, false);
	destroy_device(source);
}

/* Its thread sleeps as long as nothing is wanted: that is no hang. */
static void test_idle(void **state)
{
	struct source *source;

	(void)state;
	set_times(20 * MS, NEVER_NS);
	device_times.hang_ns = 20 * MS;
	source = open_plugged();
	fake_log(LOG_LEVEL_INFO, "a line, which has it look");
	while (!report_of(source).looks)
		usleep(200);
	await_hung(source, false);
	usleep(100 * 1000);
	assert_false(report_of(source).hung);
	destroy_device(source);
}

static void *try_as_keeper(void *argument)
{
	struct device *device = argument;

	device_expect_back(device, 0);
	assert_int_equal(device_try_capture(device), -ETIMEDOUT);
	return NULL;
}

/* A capture that is tried takes as long as a frame may: one second here, which is not the library's. */
static void test_trial_takes_its_time(void **state)
{
	uint64_t began_ns = clock_monotonic_ns();
	struct source *source;
	pthread_t thread;

	(void)state;
	device_times.hang_ns = 300 * MS;
	source = open_plugged();
	assert_int_equal(pthread_create(&thread, NULL, try_as_keeper, source), 0);
	fake_await(FAKE_START, 1);
	fake_await_queued(1);
	for (;;) {
		bool hung = report_of(source).hung;

		/* It has not been away for that long. */
		if (clock_monotonic_ns() - began_ns > 1000 * MS)
			break;
		assert_false(hung);
		usleep(5000);
	}
	pthread_join(thread, NULL);
	await_hung(source, true); /* and after that it has to be back */
	destroy_device(source);
}

/* Whoever waits for the first frame sees that somebody looks after it, also when that frame may take an hour. */
static void test_looks_before_the_first_frame(void **state)
{
	struct source *source;
	uint64_t looks;

	(void)state;
	set_times(20 * MS, NEVER_NS);
	source = open_plugged();
	expect_size(source, 640, 480);
	start_device(source);
	looks = report_of(source).looks;
	while (report_of(source).looks < looks + 3)
		usleep(200);
	destroy_device(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_gives_up, set_up_fake),
		cmocka_unit_test_setup(test_a_frame_between, set_up_fake),
		cmocka_unit_test_setup(test_restarts_that_fail, set_up_fake),
		cmocka_unit_test_setup(test_unplugged_again_and_again, set_up_fake),
		cmocka_unit_test_setup(test_library_that_hangs, set_up_fake),
		cmocka_unit_test_setup(test_idle, set_up_fake),
		cmocka_unit_test_setup(test_trial_takes_its_time, set_up_fake),
		cmocka_unit_test_setup(test_looks_before_the_first_frame, set_up_fake),
	};

	return cmocka_run_group_tests_name("device_hang", tests, NULL, NULL);
}
