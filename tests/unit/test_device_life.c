/* SPDX-License-Identifier: BSD-2-Clause */
/* test_device_life.c - a camera that is not there, is busy, goes, comes back, or stands still. */
#include "device_probe.h"

#include <pthread.h>

static void expect_lost(struct source *source)
{
	expect_event(source, SOURCE_LOST);
}

static char logged[16384];
static pthread_mutex_t logged_lock = PTHREAD_MUTEX_INITIALIZER;

/* "LEVEL LINE [EVENT ERRNO]" */
static void on_log(const struct log_entry *entry)
{
	const char *name = log_event_name(entry->fields.event);
	size_t used;

	pthread_mutex_lock(&logged_lock);
	used = strlen(logged);
	snprintf(logged + used, sizeof(logged) - used, "%d %s [%s %d]\n", (int)entry->level, entry->line,
		 name ? name : "NONE", entry->fields.error);
	pthread_mutex_unlock(&logged_lock);
}

static unsigned count_logged(const char *part)
{
	unsigned count = 0;

	pthread_mutex_lock(&logged_lock);
	for (const char *at = logged; (at = strstr(at, part)); at++)
		count++;
	pthread_mutex_unlock(&logged_lock);
	return count;
}

/* Opened without a camera, started all the same; it comes, and a CameraManager that was not told finds it. */
static void test_absent_at_start(void **state)
{
	struct source_config config = device_config();
	struct source *source = open_device(&config);
	struct source_settings settings;

	(void)state;
	expect_lost(source);
	expect_empty(source);
	assert_string_equal(report_of(source).state, "absent");
	assert_non_null(strstr(report_of(source).state_reason, "no camera"));
	settings = settings_of(source, 0, 0); /* not known yet */
	assert_int_equal(settings.width, 0);
	assert_null(settings.layout.name);
	fake_await(FAKE_OPEN, 3);
	plug(false);
	expect_size(source, 640, 480); /* before start() */
	assert_string_equal(report_of(source).state, "ready");
	assert_string_equal(report_of(source).camera, CAMERA_ID);
	assert_int_equal(fake_count(FAKE_START), 0);
	start_device(source);
	fake_frame(1);
	take_frame(source, 1);
	assert_int_equal(report_of(source).losses, 0);
	destroy_device(source);
}

/* What was asked for meanwhile holds when it is there. */
static void test_configured_while_absent(void **state)
{
	struct source_config config = device_config();
	struct source *source = open_device(&config);
	struct source_controls controls = {
		.given = SOURCE_BIT(SOURCE_EXPOSURE_US) | SOURCE_BIT(SOURCE_SHARPNESS_MILLI),
		.values = { [SOURCE_EXPOSURE_US] = 777, [SOURCE_SHARPNESS_MILLI] = 99999 }
	};
	struct source_fault fault;
	struct libcamera_change change;

	(void)state;
	expect_lost(source);
	configure_device(source, 320, 240);
	assert_int_equal(source_set_controls(source, &controls, &controls, &fault), 0);
	set_rate(source, 20 * MS, 20 * MS);
	start_device(source);
	assert_int_equal(stop_rc(source), 0);
	start_device(source);
	plug(true);
	expect_size(source, 320, 240);
	fake_frame(1);
	take_frame(source, 1);
	change = fake_start_change();
	assert_int_equal(change.frame_duration_min_ns, 20 * MS);
	assert_int_equal(change.frame_duration_max_ns, 20 * MS);
	/* The sharpness that it has not is forgotten. */
	assert_int_equal(change.controls.given, SOURCE_BIT(SOURCE_EXPOSURE_US) | SOURCE_BIT(SOURCE_AUTO_EXPOSURE));
	assert_int_equal(change.controls.values[SOURCE_AUTO_EXPOSURE], 0);
	assert_int_equal(change.controls.values[SOURCE_EXPOSURE_US], 777);
	destroy_device(source);
}

/* At once when libcamera tells, without another CameraManager. */
static void test_told(void **state)
{
	struct source_config config = device_config();
	struct source *source;

	(void)state;
	set_times(NEVER_NS, NEVER_NS);
	source = open_device(&config);
	expect_lost(source);
	start_device(source);
	plug(true);
	expect_size(source, 640, 480);
	assert_int_equal(fake_count(FAKE_OPEN), 1);
	destroy_device(source);
}

static void test_busy(void **state)
{
	struct source_config config = device_config();
	struct source *source;

	(void)state;
	plug(true);
	fake_fail(FAKE_ACQUIRE, -EBUSY, UINT32_MAX);
	source = open_device(&config);
	expect_lost(source);
	start_device(source);
	assert_non_null(strstr(report_of(source).state_reason, "another process has it"));
	fake_await(FAKE_ACQUIRE, 3);
	assert_string_equal(report_of(source).state, "absent");
	/* It may have gone, with nobody to tell: now and then all cameras are looked for. */
	fake_await(FAKE_OPEN, 3);
	assert_true(fake_count(FAKE_ACQUIRE) > 3 * fake_count(FAKE_OPEN));
	fake_fail(FAKE_ACQUIRE, 0, 0);
	expect_size(source, 640, 480);
	fake_frame(1);
	take_frame(source, 1);
	await_state(source, "running");
	assert_string_equal(report_of(source).state_reason, "");
	destroy_device(source);
}

/* By a program that libcamera knows nothing of. */
static void test_busy_driver(void **state)
{
	struct source_config config = device_config();
	struct source *source;

	(void)state;
	plug(true);
	fake_fail(FAKE_CONFIGURE, -EBUSY, UINT32_MAX);
	source = open_device(&config);
	expect_lost(source);
	start_device(source);
	assert_non_null(strstr(report_of(source).state_reason, "another process has it"));
	fake_await(FAKE_CONFIGURE, 3);
	fake_fail(FAKE_CONFIGURE, 0, 0);
	expect_size(source, 640, 480);
	fake_frame(1);
	take_frame(source, 1);
	destroy_device(source);
}

static void expect_no_device(const struct source_config *config, int rc, const char *sentence)
{
	struct source *source = NULL;
	char text[320] = "";

	assert_int_equal(device_operations.open(config, &source, text, sizeof(text)), rc);
	if (!strstr(text, sentence))
		fail_msg("\"%s\" came instead of \"%s\"", text, sentence);
	assert_null(source);
}

/* What the system refuses at start may be had later. */
static void refused_at_start(enum fake_call call, int rc)
{
	struct source_config config = device_config();
	struct source *source;

	fake_fail(call, rc, 1);
	source = open_device(&config);
	expect_lost(source);
	await_state(source, "ready");
	expect_size(source, 640, 480);
	destroy_device(source);
}

static void test_refused_at_start(void **state)
{
	(void)state;
	plug(true);
	refused_at_start(FAKE_OPEN, -ENODEV); /* no driver of a camera is loaded yet */
	refused_at_start(FAKE_ACQUIRE, -EPERM);
	refused_at_start(FAKE_CONFIGURE, -ENOMEM);
	refused_at_start(FAKE_EXPORT, -ENOMEM);
}

/* What was asked for is wrong: waiting would not help. */
static void test_mistaken_at_start(void **state)
{
	struct source_config config = device_config();

	(void)state;
	plug(true);
	fake_fail(FAKE_CONFIGURE, -EINVAL, 1);
	expect_no_device(&config, -EINVAL, "the fake says no");
	fake_fail(FAKE_OPEN, -EIO, 1);
	expect_no_device(&config, -EIO, "the fake says no");
	config.buffer_count = SOURCE_BUFFERS_MAX + 1;
	expect_no_device(&config, -EINVAL, "65 capture buffers");
	config = device_config();
	config.settings.frame_duration_min_ns = 2;
	config.settings.frame_duration_max_ns = 1;
	expect_no_device(&config, -EINVAL, "more than the longest");
	assert_int_equal(fake_live(), 0);
}

/* Reads as the capture thread does, one buffer always in hand, until LOST came. */
static void read_until_lost(struct source *source, uint64_t *frames)
{
	bool holds = false;
	unsigned held = 0;

	for (;;) {
		struct source_event event = next_event(source);

		if (event.kind == SOURCE_LOST)
			break;
		if (event.kind == SOURCE_FORMAT)
			continue;
		assert_int_equal(event.kind, SOURCE_FRAME);
		assert_int_equal(source_begin_read(source, event.frame.buffer), 0);
		if (holds)
			source_release(source, held);
		held = event.frame.buffer;
		holds = true;
		(*frames)++;
	}
	/* Its pixels are there as long as we have it. */
	if (holds)
		source_release(source, held);
}

struct unplugger {
	struct source *source;
	unsigned times;
	bool told;
};

/* Unplug as soon as frames come, plug in as soon as that was noticed. */
static void *unplug_and_replug(void *argument)
{
	struct unplugger *unplugger = argument;

	for (unsigned i = 0; i < unplugger->times; i++) {
		uint64_t completed = report_of(unplugger->source).completed;

		while (report_of(unplugger->source).completed < completed + 20)
			usleep(200);
		fake_unplug(CAMERA_ID, unplugger->told);
		while (report_of(unplugger->source).losses < i + 1)
			usleep(200);
		plug(unplugger->told);
	}
	return NULL;
}

static void unplug_under_load(bool told)
{
	struct source *source = open_plugged();
	struct unplugger unplugger = { .source = source, .times = 10, .told = told };
	unsigned descriptors;
	uint64_t frames = 0;
	pthread_t thread;

	expect_size(source, 640, 480);
	start_device(source);
	descriptors = count_descriptors(); /* everything is open, which later it may not be at any moment */
	fake_set_pace(FAKE_INSTANT);
	assert_int_equal(pthread_create(&thread, NULL, unplug_and_replug, &unplugger), 0);
	for (unsigned i = 0; i < unplugger.times; i++) {
		read_until_lost(source, &frames);
		source_release(source, expect_event(source, SOURCE_FRAME).frame.buffer); /* frames come again */
	}
	pthread_join(thread, NULL);
	assert_true(frames >= 200);
	assert_true(count_descriptors() <= descriptors);
	assert_int_equal(report_of(source).losses, 10);
	fake_set_pace(FAKE_MANUAL);
	destroy_device(source);
}

static void test_unplug(void **state)
{
	(void)state;
	unplug_under_load(true);
}

static void test_unplug_without_udev(void **state)
{
	(void)state;
	unplug_under_load(false);
}

/* Nobody tells: a look at its devices finds out, also of one that takes long for a frame, and the library that has it
 * still is closed at once. */
static void test_unplug_unheard(void **state)
{
	struct source *source;
	unsigned opened;

	(void)state;
	logged[0] = '\0';
	log_set_sink(on_log);
	fake_set_deaf();
	set_times(60 * NS_PER_SECOND, 200 * MS);
	source = open_plugged();
	assert_int_equal(count_logged("nobody tells of cameras that come and go"), 1);
	expect_size(source, 640, 480);
	start_device(source);
	fake_frame(1);
	take_frame(source, 1);
	opened = fake_count(FAKE_OPEN);
	fake_unplug(CAMERA_ID, false);
	expect_lost(source);
	assert_int_equal(report_of(source).restarts, 0);
	assert_int_equal(report_of(source).losses, 1);
	assert_int_equal(fake_left(), 1);
	fake_await(FAKE_OPEN, opened + 1); /* not only a minute later */
	await_reason(source, "no camera");
	assert_int_equal(count_logged("absent: it was unplugged"), 1);
	assert_int_equal(count_logged("stuck"), 0);
	destroy_device(source);
	log_set_sink(NULL);
}

/* Whoever is to tell is late: before a capture that stands still is started anew there is a look whether it is gone. */
static void test_unplug_heard_late(void **state)
{
	struct source *source;

	(void)state;
	set_times(20 * MS, 50 * MS);
	source = open_plugged();
	fake_set_deaf();
	expect_size(source, 640, 480);
	start_device(source);
	fake_unplug(CAMERA_ID, false);
	expect_lost(source);
	await_reason(source, "no camera");
	assert_int_equal(report_of(source).restarts, 0);
	assert_int_equal(report_of(source).losses, 1);
	destroy_device(source);
}

/* It is another one where the camera was, before anybody looked. */
static void test_replug_unheard(void **state)
{
	struct source *source;

	(void)state;
	fake_set_deaf();
	set_times(20 * MS, 100 * MS);
	source = open_plugged();
	expect_size(source, 640, 480);
	start_device(source);
	for (uint32_t number = 1; number <= 3; number++) {
		fake_frame(number);
		take_frame(source, number);
		fake_unplug(CAMERA_ID, false);
		plug(false);
		expect_lost(source);
		await_state(source, "running");
	}
	assert_int_equal(report_of(source).restarts, 0);
	assert_int_equal(report_of(source).losses, 3);
	destroy_device(source);
}

/* One that does not run has no frames to miss. */
static void test_unplug_stopped_unheard(void **state)
{
	struct source *source;

	(void)state;
	fake_set_deaf();
	source = open_plugged();
	expect_size(source, 640, 480);
	await_state(source, "ready");
	fake_unplug(CAMERA_ID, false);
	await_state(source, "absent");
	expect_lost(source);
	plug(false);
	await_state(source, "ready");
	start_device(source);
	fake_frame(1);
	take_frame(source, 1);
	destroy_device(source);
}

/* What fails of one that is gone fails for that reason, whoever finds out first. */
static void test_start_of_one_that_went(void **state)
{
	struct source *source;

	(void)state;
	logged[0] = '\0';
	log_set_sink(on_log);
	fake_set_deaf();
	set_times(60 * NS_PER_SECOND, NEVER_NS);
	source = open_plugged();
	expect_size(source, 640, 480);
	fake_unplug(CAMERA_ID, false);
	fake_fail(FAKE_START, -EIO, 1);
	start_device(source);
	expect_lost(source);
	await_reason(source, "no camera");
	assert_int_equal(count_logged("the fake says no"), 0);
	destroy_device(source);
	log_set_sink(NULL);
}

/* What waits in the queue stays valid, and is told before the loss. */
static void test_unplug_with_frames(void **state)
{
	struct source *source = open_plugged();
	struct source_frame held;

	(void)state;
	expect_size(source, 640, 480);
	start_device(source);
	for (uint32_t number = 1; number <= FRAME_BUFFERS; number++)
		fake_frame(number);
	held = expect_frame(source, 1);
	fake_unplug(CAMERA_ID, true);
	await_reason(source, "no camera");
	assert_string_equal(report_of(source).state, "absent");
	for (uint32_t number = 2; number <= FRAME_BUFFERS; number++)
		take_frame(source, number);
	expect_lost(source);
	plug(true);
	await_state(source, "running");
	fake_frame(9);
	take_frame(source, 9); /* the same format: not told again */
	assert_int_equal(*(const uint64_t *)(const void *)held.image, 1);
	source_release(source, held.buffer);
	destroy_device(source);
}

/* Another camera is not taken for the one that was there. */
static void test_another_camera(void **state)
{
	struct source *source = open_plugged();
	struct libcamera_description other = fake_description("/base/usb@0");

	(void)state;
	expect_size(source, 640, 480);
	start_device(source);
	snprintf(other.identity.model, sizeof(other.identity.model), "other");
	fake_plug(&other, true);
	fake_unplug(CAMERA_ID, true);
	expect_lost(source);
	await_reason(source, "not there");
	fake_await(FAKE_OPEN, fake_count(FAKE_OPEN) + 2);
	assert_string_equal(report_of(source).state, "absent");
	plug(true);
	await_state(source, "running");
	assert_string_equal(report_of(source).camera, CAMERA_ID);
	destroy_device(source);
}

/* Started anew; the frame that comes then ends it, and those in between are counted. */
static void test_stuck(void **state)
{
	struct source_config config = device_config();
	struct source *source;
	struct source_event event;

	(void)state;
	set_times(20 * MS, 50 * MS);
	device_times.first_frame_ns = NEVER_NS;
	plug(true);
	set_fixed_rate(&config.settings, 10 * MS);
	source = open_device(&config);
	expect_size(source, 640, 480);
	start_device(source);
	fake_frame(1);
	take_frame(source, 1);
	fake_hold(FAKE_START, true);
	expect_lost(source);
	/* Whoever hears of it finds out why. */
	assert_string_equal(report_of(source).state, "stuck");
	assert_non_null(strstr(report_of(source).state_reason, "no frame came for"));
	fake_hold(FAKE_START, false);
	fake_frame(2);
	event = expect_event(source, SOURCE_FRAME);
	assert_true(event.frame.lost[LUMARING_LOST_SENSOR] > 0);
	source_release(source, event.frame.buffer);
	assert_true(report_of(source).restarts >= 1);
	destroy_device(source);
}

/* A camera that comes back with nothing but cancelled requests stands still, too. */
static void test_stuck_cancelling(void **state)
{
	struct source *source;

	(void)state;
	set_times(20 * MS, 50 * MS);
	source = open_plugged();
	expect_size(source, 640, 480);
	start_device(source);
	for (unsigned i = 0; i < 3; i++)
		fake_complete(&(struct libcamera_completion){ .status = LIBCAMERA_CANCELLED });
	expect_lost(source);
	destroy_device(source);
}

/* After so many restarts without a frame it is opened anew, and LOST was told once. */
static void test_stuck_for_good(void **state)
{
	struct source *source;

	(void)state;
	set_times(20 * MS, 50 * MS);
	logged[0] = '\0';
	log_set_sink(on_log);
	source = open_plugged();
	expect_size(source, 640, 480);
	start_device(source);
	fake_await(FAKE_ACQUIRE, 4);
	/* Said once, however often it is tried. */
	assert_int_equal(count_logged(": stuck"), 1);
	assert_int_equal(count_logged(": absent"), 1);
	assert_int_equal(count_logged(": running"), 1);
	assert_int_equal(count_logged("[CAMERA_FOUND 0]"), 1);
	assert_int_equal(count_logged("[CAMERA_STUCK 0]"), 1);
	assert_int_equal(count_logged("[CAMERA_GIVEN_UP 0]"), 1);
	assert_true(report_of(source).restarts >= DEVICE_RESTARTS_MAX);
	assert_true(fake_count(FAKE_OPEN) >= 2);
	expect_lost(source);
	fake_frame(5);
	take_frame(source, 5);
	destroy_device(source);
	log_set_sink(NULL);
}

/* All buffers with the reader: it is he who is late. */
static void test_slow_reader_is_not_stuck(void **state)
{
	unsigned held[FRAME_BUFFERS], count = 0;
	struct source *source;
	uint64_t restarts;

	(void)state;
	set_times(20 * MS, 20 * MS);
	source = open_plugged();
	fake_set_pace(FAKE_INSTANT);
	start_device(source);
	while (count < FRAME_BUFFERS) {
		struct source_event event = next_event(source);

		if (event.kind == SOURCE_FRAME)
			held[count++] = event.frame.buffer;
	}
	restarts = report_of(source).restarts;
	/* What it would have noticed it has had several times the time for. */
	for (uint64_t until_ns = clock_monotonic_ns() + 200 * MS; clock_monotonic_ns() < until_ns;)
		usleep(5000);
	expect_empty(source);
	assert_int_equal(report_of(source).restarts, restarts);
	while (count)
		source_release(source, held[--count]);
	destroy_device(source);
}

/* It is gone before anybody tells: nothing else is the matter. */
static void test_unplugged_while_stuck(void **state)
{
	struct source *source;

	(void)state;
	logged[0] = '\0';
	log_set_sink(on_log);
	set_times(20 * MS, 20 * MS);
	source = open_plugged();
	expect_size(source, 640, 480);
	fake_hold(FAKE_STOP, true);
	start_device(source);
	fake_await_held(FAKE_STOP);
	fake_unplug(CAMERA_ID, false);
	fake_hold(FAKE_STOP, false);
	expect_lost(source);
	await_reason(source, "no camera");
	assert_int_equal(count_logged("absent: it was unplugged [CAMERA_LOST 0]"), 1);
	assert_int_equal(count_logged("[CAMERA_GIVEN_UP"), 0);
	destroy_device(source);
	log_set_sink(NULL);
}

/* It cannot be started when it is back, or at all: tried again, and said once. */
static void start_refused(bool there)
{
	struct source_config config = device_config();
	struct source *source;

	logged[0] = '\0';
	log_set_sink(on_log);
	if (there)
		plug(true);
	source = open_device(&config);
	fake_fail(FAKE_START, -EIO, 3);
	if (!there)
		expect_lost(source);
	start_device(source);
	if (!there)
		plug(true);
	expect_size(source, 640, 480);
	if (there)
		expect_lost(source);
	fake_frame(1);
	take_frame(source, 1);
	assert_true(fake_count(FAKE_START) >= 4);
	assert_int_equal(count_logged("the fake says no, retrying every"), 1);
	assert_int_equal(count_logged("the fake says no"), 1);
	assert_int_equal(count_logged("[CAMERA_FAILED 5]"), 1);
	assert_int_equal(count_logged(": ready"), 1);
	/* What comes after it is told. */
	fake_unplug(CAMERA_ID, true);
	expect_lost(source);
	await_state(source, "absent");
	while (!count_logged("it was unplugged [CAMERA_LOST 0]"))
		usleep(200);
	destroy_device(source);
	log_set_sink(NULL);
}

static void test_start_refused(void **state)
{
	(void)state;
	start_refused(false);
}

static void test_first_start_refused(void **state)
{
	(void)state;
	start_refused(true);
}

/* Each kind of trouble is logged once, and libcamera's lines with their level. */
static void test_log(void **state)
{
	struct source_config config = device_config();
	struct source *source;

	(void)state;
	logged[0] = '\0';
	log_set_sink(on_log);
	source = open_device(&config);
	fake_await(FAKE_OPEN, 4);
	assert_int_equal(count_logged("finds no camera"), 1);
	assert_int_equal(count_logged("[CAMERA_ABSENT 19]"), 1);
	fake_fail(FAKE_ACQUIRE, -EBUSY, UINT32_MAX);
	plug(false);
	await_reason(source, "another process has it");
	fake_await(FAKE_ACQUIRE, 3);
	assert_int_equal(count_logged("another process has it"), 1);
	assert_int_equal(count_logged("[CAMERA_BUSY 16]"), 1);
	assert_int_equal(count_logged("retrying every"), 2);
	/* As long as there is none, the same line once. */
	for (unsigned i = 0; i < 3; i++)
		fake_log(LOG_LEVEL_WARNING, "Camera camera.cpp:1 hello");
	fake_log(LOG_LEVEL_INFO, "the last");
	while (!count_logged("6 libcamera: the last [LIBCAMERA 0]"))
		usleep(200);
	assert_int_equal(count_logged("4 libcamera: Camera camera.cpp:1 hello"), 1);
	fake_fail(FAKE_ACQUIRE, 0, 0);
	await_state(source, "ready");
	for (unsigned i = 0; i < 3; i++)
		fake_log(LOG_LEVEL_ERROR, "Camera camera.cpp:2 again");
	while (count_logged("3 libcamera: Camera camera.cpp:2 again") < 3)
		usleep(200);
	destroy_device(source);
	log_set_sink(NULL);
}

static void test_cameras(void **state)
{
	struct source *source = open_plugged();
	struct source_identity cameras[SOURCE_CAMERAS_MAX];
	struct libcamera_description other = fake_description("/base/aaa");

	(void)state;
	assert_int_equal(source_get_cameras(source, cameras, SOURCE_CAMERAS_MAX), 1);
	fake_plug(&other, true);
	while (source_get_cameras(source, cameras, SOURCE_CAMERAS_MAX) < 2)
		usleep(200);
	assert_string_equal(cameras[0].id, "/base/aaa");
	assert_string_equal(cameras[1].id, CAMERA_ID);
	assert_int_equal(source_get_cameras(source, cameras, 1), 1);
	destroy_device(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_absent_at_start, set_up_fake),
		cmocka_unit_test_setup(test_configured_while_absent, set_up_fake),
		cmocka_unit_test_setup(test_told, set_up_fake),
		cmocka_unit_test_setup(test_busy, set_up_fake),
		cmocka_unit_test_setup(test_busy_driver, set_up_fake),
		cmocka_unit_test_setup(test_refused_at_start, set_up_fake),
		cmocka_unit_test_setup(test_mistaken_at_start, set_up_fake),
		cmocka_unit_test_setup(test_unplug, set_up_fake),
		cmocka_unit_test_setup(test_unplug_without_udev, set_up_fake),
		cmocka_unit_test_setup(test_unplug_unheard, set_up_fake),
		cmocka_unit_test_setup(test_unplug_heard_late, set_up_fake),
		cmocka_unit_test_setup(test_replug_unheard, set_up_fake),
		cmocka_unit_test_setup(test_unplug_stopped_unheard, set_up_fake),
		cmocka_unit_test_setup(test_start_of_one_that_went, set_up_fake),
		cmocka_unit_test_setup(test_unplug_with_frames, set_up_fake),
		cmocka_unit_test_setup(test_another_camera, set_up_fake),
		cmocka_unit_test_setup(test_stuck, set_up_fake),
		cmocka_unit_test_setup(test_stuck_cancelling, set_up_fake),
		cmocka_unit_test_setup(test_stuck_for_good, set_up_fake),
		cmocka_unit_test_setup(test_unplugged_while_stuck, set_up_fake),
		cmocka_unit_test_setup(test_slow_reader_is_not_stuck, set_up_fake),
		cmocka_unit_test_setup(test_start_refused, set_up_fake),
		cmocka_unit_test_setup(test_first_start_refused, set_up_fake),
		cmocka_unit_test_setup(test_log, set_up_fake),
		cmocka_unit_test_setup(test_cameras, set_up_fake),
	};

	return cmocka_run_group_tests_name("device_life", tests, NULL, NULL);
}
