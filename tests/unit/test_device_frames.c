/* SPDX-License-Identifier: BSD-2-Clause */
/* test_device_frames.c - what becomes of requests that come back: events in order, and buffers back to the camera. */
#include "device_probe.h"

/* The Makefile has calls of these come here. */
int __real_buffers_begin_read(struct buffers *buffers, unsigned number);
int __wrap_buffers_begin_read(struct buffers *buffers, unsigned number);
void __real_buffers_end_read(struct buffers *buffers, unsigned number);
void __wrap_buffers_end_read(struct buffers *buffers, unsigned number);

static unsigned begun, ended;

int __wrap_buffers_begin_read(struct buffers *buffers, unsigned number)
{
	begun++;
	return __real_buffers_begin_read(buffers, number);
}

void __wrap_buffers_end_read(struct buffers *buffers, unsigned number)
{
	ended++;
	__real_buffers_end_read(buffers, number);
}

static struct source *open_started(void)
{
	struct source *source = open_plugged();

	expect_size(source, 640, 480);
	start_device(source);
	return source;
}

static void complete(enum libcamera_status status, uint32_t number, uint32_t bytes_used)
{
	fake_complete(&(struct libcamera_completion){
		.status = status,
		.ready_ns = clock_monotonic_ns(),
		.sensor_ns = number * 10 * MS,
		.camera_sequence = number,
		.bytes_used = bytes_used,
	});
}

static void test_format_first(void **state)
{
	struct source *source = open_plugged();
	struct source_event event = expect_size(source, 640, 480);

	(void)state;
	assert_int_equal(event.format.pixels, PIXELS_R8);
	assert_int_equal(event.format.luma_range, LUMARING_RANGE_FULL);
	assert_int_equal(event.format.sensor_clock, LUMARING_CLOCK_UNKNOWN);
	expect_empty(source);
	assert_int_equal(fake_queued(), 0);
	assert_true(source_is_live(source));
	start_device(source);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	expect_empty(source); /* not announced again */
	destroy_device(source);
}

static void test_frame(void **state)
{
	struct source *source = open_started();
	struct source_event event;

	(void)state;
	fake_complete(&(struct libcamera_completion){ .status = LIBCAMERA_FRAME,
						      .ready_ns = 77,
						      .sensor_ns = 55,
						      .camera_sequence = 9,
						      .bytes_used = 704 * 480 * 3 / 2,
						      .frame_duration_us = 8333,
						      .exposure_us = 5000,
						      .analogue_gain_milli = 1500 });
	event = expect_event(source, SOURCE_FRAME);
	assert_int_equal(event.frame.ready_ns, 77);
	assert_int_equal(event.frame.sensor_ns, 55);
	assert_int_equal(event.frame.camera_sequence, 9);
	assert_int_equal(event.frame.frame_duration_us, 8333);
	assert_int_equal(event.frame.exposure_us, 5000);
	assert_int_equal(event.frame.analogue_gain_milli, 1500);
	assert_int_equal(event.frame.behind, 0);
	assert_false(event.frame.damaged);
	assert_int_equal(fake_queued(), FRAME_BUFFERS - 1);
	source_release(source, event.frame.buffer);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	assert_int_equal(report_of(source).completed, 1);
	destroy_device(source);
}

/* Where metadata do not tell, timestamps do; what was lost in between is not counted in. */
static void test_duration(void **state)
{
	struct source *source = open_started();
	struct source_event event;

	(void)state;
	for (uint32_t number = 1; number <= 12; number += number == 10 ? 2 : 1) {
		fake_frame(number);
		event = expect_event(source, SOURCE_FRAME);
		if (number > 1 && number <= 10)
			assert_int_equal(event.frame.frame_duration_us, 10000);
		source_release(source, event.frame.buffer);
	}
	fake_frame(1000000); /* the machine slept */
	event = expect_event(source, SOURCE_FRAME);
	assert_int_equal(event.frame.frame_duration_us, 0);
	source_release(source, event.frame.buffer);
	destroy_device(source);
}

/* Frames that come late, after a newer one, are no measure. */
static void test_duration_of_late_frames(void **state)
{
	static const struct {
		uint32_t number, duration_us;
	} frames[] = { { 1, 0 }, { 2, 10000 }, { 6, 10000 }, { 4, 0 }, { 5, 0 }, { 7, 10000 } };
	struct source_config config = device_config();
	struct source_event event;
	struct source *source;

	(void)state;
	plug(true);
	set_fixed_rate(&config.settings, 10 * MS);
	source = open_device(&config);
	expect_size(source, 640, 480);
	start_device(source);
	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		fake_frame(frames[i].number);
		event = expect_event(source, SOURCE_FRAME);
		if (frames[i].duration_us)
			assert_int_equal(event.frame.frame_duration_us, frames[i].duration_us);
		source_release(source, event.frame.buffer);
	}
	destroy_device(source);
}

static void test_lost(void **state)
{
	struct source_config config = device_config();
	struct source *source;
	struct source_event event;

	(void)state;
	plug(true);
	set_fixed_rate(&config.settings, 10 * MS);
	source = open_device(&config);
	event = expect_size(source, 640, 480);
	assert_int_equal(event.format.frame_duration_us, 10000);
	start_device(source);
	fake_frame(1);
	take_frame(source, 1);
	for (uint32_t number = 4; number <= 6; number++) {
		fake_frame(number);
		event = expect_event(source, SOURCE_FRAME);
		/* One of the two might have come late. */
		assert_int_equal(event.frame.lost[LUMARING_LOST_CAMERA], number == 5 ? 2 : 0);
		assert_int_equal(event.frame.frame_duration_us, 10000);
		source_release(source, event.frame.buffer);
	}
	destroy_device(source);
}

/* What did not come between a stop and a start was not lost. */
static void test_nothing_lost_by_stop(void **state)
{
	struct source_config config = device_config();
	struct source *source;
	struct source_event event;

	(void)state;
	plug(true);
	set_fixed_rate(&config.settings, 10 * MS);
	source = open_device(&config);
	expect_size(source, 640, 480);
	start_device(source);
	fake_frame(1);
	take_frame(source, 1);
	assert_int_equal(stop_rc(source), 0);
	start_device(source);
	for (uint32_t number = 100; number <= 101; number++) {
		fake_frame(number);
		event = expect_event(source, SOURCE_FRAME);
		for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
			assert_int_equal(event.frame.lost[cause], 0);
		source_release(source, event.frame.buffer);
	}
	destroy_device(source);
}

/* Synchronising costs as much as a copy: what is not read goes back without. */
static void test_read(void **state)
{
	struct source *source = open_started();
	struct source_frame frame;
	struct source_event event;

	(void)state;
	begun = ended = 0;
	fake_frame(1);
	event = expect_event(source, SOURCE_FRAME);
	source_release(source, event.frame.buffer);
	assert_int_equal(begun, 0);
	assert_int_equal(ended, 0);
	fake_frame(2);
	frame = expect_frame(source, 2);
	assert_int_equal(begun, 1);
	assert_int_equal(ended, 0);
	source_release(source, frame.buffer);
	assert_int_equal(ended, 1);
	destroy_device(source);
}

/* Neither is an event; both go back to the camera as soon as they are seen. */
static void test_cancelled_and_startup(void **state)
{
	struct source *source = open_started();
	struct source_event event;

	(void)state;
	complete(LIBCAMERA_STARTUP, 1, 0);
	complete(LIBCAMERA_CANCELLED, 0, 0);
	assert_int_equal(fake_queued(), FRAME_BUFFERS - 2);
	expect_empty(source);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	fake_frame(2);
	event = expect_event(source, SOURCE_FRAME);
	assert_int_equal(event.frame.camera_sequence, 2);
	assert_int_equal(event.frame.behind, 0);
	assert_true(event.frame.lost[LUMARING_LOST_STARTUP] == 1);
	source_release(source, event.frame.buffer);
	destroy_device(source);
}

/* A camera that does nothing but cancel is not asked again and again. */
static void test_cancelled_for_ever(void **state)
{
	struct source *source = open_started();
	unsigned cancelled = 0;

	(void)state;
	while (fake_queued()) {
		complete(LIBCAMERA_CANCELLED, 0, 0);
		expect_empty(source);
		assert_true(++cancelled <= (DEVICE_CANCELLED_PER_BUFFER + 1) * FRAME_BUFFERS);
	}
	assert_true(cancelled > FRAME_BUFFERS);
	destroy_device(source);
}

/* Those that it was not asked with any more are the camera's again when it delivers. */
static void test_cancelled_for_a_while(void **state)
{
	struct source *source = open_started();

	(void)state;
	for (uint32_t number = 1; number <= 3; number++) {
		while (fake_queued() > 1) {
			complete(LIBCAMERA_CANCELLED, 0, 0);
			expect_empty(source);
		}
		fake_frame(number);
		take_frame(source, number);
		assert_int_equal(fake_queued(), FRAME_BUFFERS);
	}
	/* So is one that it refused. */
	fake_fail(FAKE_QUEUE, -EIO, 1);
	fake_frame(4);
	take_frame(source, 4);
	assert_int_equal(fake_queued(), FRAME_BUFFERS - 1);
	fake_frame(5);
	take_frame(source, 5);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	destroy_device(source);
}

static void test_damaged(void **state)
{
	struct source *source = open_started();
	struct source_event event;
	uint32_t luma = 704 * 479 + 640;

	(void)state;
	complete(LIBCAMERA_DAMAGED, 1, 0);
	complete(LIBCAMERA_FRAME, 2, luma - 1);
	complete(LIBCAMERA_FRAME, 3, luma);
	for (uint32_t number = 1; number <= 3; number++) {
		event = expect_event(source, SOURCE_FRAME);
		assert_int_equal(event.frame.camera_sequence, number);
		assert_int_equal(event.frame.damaged, number < 3);
		source_release(source, event.frame.buffer);
	}
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	destroy_device(source);
}

/* Only what can be used counts: the oldest go back, the newest is copied. */
static void test_behind(void **state)
{
	struct source *source = open_started();
	static const unsigned behind[] = { 1, 1, 0, 0 };
	struct source_event event;

	(void)state;
	complete(LIBCAMERA_FRAME, 1, 0);
	complete(LIBCAMERA_DAMAGED, 2, 0);
	complete(LIBCAMERA_FRAME, 3, 0);
	complete(LIBCAMERA_FRAME, 4, 1);
	assert_int_equal(fake_queued(), 0);
	for (uint32_t i = 0; i < 4; i++) {
		event = expect_event(source, SOURCE_FRAME);
		assert_int_equal(event.frame.camera_sequence, i + 1);
		assert_int_equal(event.frame.behind, behind[i]);
		source_release(source, event.frame.buffer);
		assert_int_equal(fake_queued(), i + 1);
	}
	destroy_device(source);
}

/* Frames of before a format come before it, are not behind those of after it, and keep their pixels. */
static void test_format_between(void **state)
{
	struct source *source = open_started();
	struct source_frame held;
	struct source_event event;

	(void)state;
	fake_frame(1);
	fake_frame(2);
	held = expect_frame(source, 1);
	assert_int_equal(held.behind, 1);
	assert_int_equal(stop_rc(source), 0);
	configure_device(source, 1280, 800);
	start_device(source);
	fake_frame(3);
	fake_frame(4);
	event = expect_event(source, SOURCE_FRAME);
	assert_int_equal(event.frame.camera_sequence, 2);
	assert_int_equal(event.frame.behind, 0);
	source_release(source, event.frame.buffer);
	expect_size(source, 1280, 800);
	event = expect_event(source, SOURCE_FRAME);
	assert_int_equal(event.frame.camera_sequence, 3);
	assert_int_equal(event.frame.behind, 1);
	source_release(source, event.frame.buffer);
	take_frame(source, 4);
	assert_int_equal(*(const uint64_t *)(const void *)held.image, 1);
	source_release(source, held.buffer);
	destroy_device(source);
}

static void test_descriptor(void **state)
{
	struct source *source = open_started();

	(void)state;
	expect_empty(source);
	expect_empty(source);
	assert_false(is_readable(source_fd(source)));
	fake_frame(1);
	assert_true(is_readable(source_fd(source)));
	take_frame(source, 1);
	expect_empty(source);
	assert_false(is_readable(source_fd(source)));
	destroy_device(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_format_first, set_up_fake),
		cmocka_unit_test_setup(test_frame, set_up_fake),
		cmocka_unit_test_setup(test_duration, set_up_fake),
		cmocka_unit_test_setup(test_duration_of_late_frames, set_up_fake),
		cmocka_unit_test_setup(test_lost, set_up_fake),
		cmocka_unit_test_setup(test_nothing_lost_by_stop, set_up_fake),
		cmocka_unit_test_setup(test_read, set_up_fake),
		cmocka_unit_test_setup(test_cancelled_and_startup, set_up_fake),
		cmocka_unit_test_setup(test_cancelled_for_ever, set_up_fake),
		cmocka_unit_test_setup(test_cancelled_for_a_while, set_up_fake),
		cmocka_unit_test_setup(test_damaged, set_up_fake),
		cmocka_unit_test_setup(test_behind, set_up_fake),
		cmocka_unit_test_setup(test_format_between, set_up_fake),
		cmocka_unit_test_setup(test_descriptor, set_up_fake),
	};

	return cmocka_run_group_tests_name("device_frames", tests, NULL, NULL);
}
