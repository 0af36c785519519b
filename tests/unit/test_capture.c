/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_capture.c - daemon/capture with a source whose every event a test gives: what becomes of a frame that is damaged
 * or cannot be read, that its buffer goes back, and which clock rings say that its time is of; what a pause is, and
 * that the threads move. The thread is the real one; this one is the main thread.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "capture.h"
#include "script_source.h"

static struct {
	char camera[LUMARING_NAME_MAX];
	struct loop *loop;
	struct loop_op doorbell;
	struct capture *capture;
	struct capture_report report;
	struct stream *stream;
	struct source_format format;
	struct plan *plan, *plan_old;
	uint64_t plans;
} world;

static const struct source_operations operations = { SCRIPT_OPERATIONS };

static void on_doorbell(struct loop_op *op, int result)
{
	(void)op;
	(void)result;
	loop_stop(world.loop);
}

/* One turn of the main thread, when the capture thread rings. */
static void hear(void)
{
	assert_int_equal(loop_run(world.loop), 0);
	capture_read_report(world.capture, &world.report);
}

static void hand_plan(void)
{
	world.plan_old = world.plan;
	world.plan = plan_build(++world.plans, world.report.format_serial, &world.format, world.stream, NULL);
	assert_non_null(world.plan);
	capture_hand_plan(world.capture, world.plan);
	while (world.report.acknowledged < world.plans)
		hear();
	plan_destroy(world.plan_old);
	world.plan_old = NULL;
}

static const struct lumaring_header *map_header(void)
{
	void *header = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ring_fd(world.stream->ring), 0);

	assert_ptr_not_equal(header, MAP_FAILED);
	return header;
}

static uint32_t clock_shown(void)
{
	const struct lumaring_header *header = map_header();
	uint32_t clock = __atomic_load_n(&header->sensor_clock, __ATOMIC_RELAXED);

	munmap((void *)header, 4096);
	return clock;
}

static int set_up(void **state)
{
	const struct capture_copying copying = { .pool = { .threads = 3, .scratch_bytes = COPY_SCRATCH_BYTES },
						 .threads = 1,
						 .budget_percent = 25 };
	const struct stream_config config = { .name = "main", .slot_count = 4, .always = true };
	char text[512] = "";

	(void)state;
	memset(&world, 0, sizeof(world));
	world.format = script_format(64, 48);
	script_init(&operations);
	snprintf(world.camera, sizeof(world.camera), "capture-%d", (int)getpid());
	assert_int_equal(loop_create(LOOP_EPOLL, &world.loop, text, sizeof(text)), 0);
	world.doorbell = (struct loop_op){ .done = on_doorbell };
	assert_int_equal(loop_doorbell(world.loop, &world.doorbell), 0);
	world.stream = stream_create(&config, world.camera, (gid_t)-1, 0);
	assert_non_null(world.stream);
	if (stream_fit(world.stream, &world.format, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	if (capture_create(&script.source, LOOP_EPOLL, &copying, &world.doorbell, &world.capture, text, sizeof(text)))
		fail_msg("%s", text);
	script_give_format(64, 48);
	while (!world.report.format_serial)
		hear();
	hand_plan();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	capture_stop(world.capture);
	plan_destroy(world.plan);
	stream_destroy(world.stream);
	capture_destroy(world.capture);
	loop_destroy(world.loop);
	script_finish();
	return 0;
}

static void test_damaged_frames(void **state)
{
	(void)state;
	script_give_frame(0, LUMARING_CLOCK_UNKNOWN, false);
	script_give_frame(1, LUMARING_CLOCK_UNKNOWN, true);
	script_give_frame(2, LUMARING_CLOCK_UNKNOWN, true);
	script_await_released(2);
	assert_int_equal(script.released, 7);
	assert_int_equal(ring_lost(world.stream->ring, LUMARING_LOST_ERROR), 2);
	/* They have been overtaken as well, but were damaged first. */
	assert_int_equal(ring_lost(world.stream->ring, LUMARING_LOST_COPY_LATE), 0);
	assert_int_equal(script.begun, 1);
	assert_int_equal(stats_load(&capture_stats(world.capture)->captured), 3);
	assert_int_equal(ring_published(world.stream->ring), 1);
}

static void test_frames_that_cannot_be_read(void **state)
{
	(void)state;
	__atomic_store_n(&script.error, -EIO, __ATOMIC_SEQ_CST);
	script_give_frame(0, LUMARING_CLOCK_UNKNOWN, false);
	script_await_released(0);
	__atomic_store_n(&script.error, 0, __ATOMIC_SEQ_CST);
	script_give_frame(1, LUMARING_CLOCK_UNKNOWN, false);
	script_await_released(1);
	assert_int_equal(script.begun, 2);
	assert_int_equal(ring_lost(world.stream->ring, LUMARING_LOST_ERROR), 1);
	assert_int_equal(ring_published(world.stream->ring), 1);
	assert_int_equal(stats_load(&capture_stats(world.capture)->captured), 2);
}

static void test_a_clock_that_becomes_known(void **state)
{
	char text[512] = "";

	(void)state;
	script_give_frame(0, LUMARING_CLOCK_UNKNOWN, false);
	script_await_released(0);
	assert_int_equal(clock_shown(), LUMARING_CLOCK_UNKNOWN);
	script_give_frame(1, LUMARING_CLOCK_BOOTTIME, false);
	while (capture_sensor_clock(world.capture) != LUMARING_CLOCK_BOOTTIME)
		hear(); /* the main thread is told, too */
	assert_int_equal(clock_shown(), LUMARING_CLOCK_BOOTTIME);
	/* A ring that was made of what was known before. */
	assert_int_equal(stream_fit(world.stream, &world.format, text, sizeof(text)), 0);
	assert_int_equal(clock_shown(), LUMARING_CLOCK_UNKNOWN);
	hand_plan();
	assert_int_equal(clock_shown(), LUMARING_CLOCK_BOOTTIME);
	script_give_frame(2, LUMARING_CLOCK_MONOTONIC, true); /* also by one that nobody gets */
	script_await_released(2);
	assert_int_equal(clock_shown(), LUMARING_CLOCK_MONOTONIC);
}

static void await_state(enum capture_state state)
{
	while (world.report.state != state || !world.report.told)
		hear();
}

static void give_frame_at(uint64_t ready_ns)
{
	const struct source_event event = { .kind = SOURCE_FRAME,
					    .frame = { .image = script_image, .ready_ns = ready_ns } };

	script_give(&event);
}

static void give_pause(uint64_t quiet_ns)
{
	const struct source_event event = { .kind = SOURCE_PAUSED, .quiet_ns = quiet_ns };

	script_give(&event);
}

/* Paused it is from the beginning, but that is a guess until the source says so. */
static void test_a_pause_that_is_told(void **state)
{
	(void)state;
	assert_int_equal(world.report.state, CAPTURE_PAUSED);
	assert_false(world.report.told);
	give_pause(0);
	await_state(CAPTURE_PAUSED);
	assert_int_equal(world.report.quiet_ns, 0);
}

static void test_a_source_that_stands_still(void **state)
{
	(void)state;
	give_frame_at(1000);
	await_state(CAPTURE_LIVE);
	assert_int_equal(world.report.still_ns, 0);
	give_pause(500);
	await_state(CAPTURE_PAUSED);
	assert_int_equal(world.report.quiet_ns, 500);
	give_frame_at(3000);
	await_state(CAPTURE_LIVE);
	assert_int_equal(world.report.still_ns, 2000);
	give_pause(0); /* nothing to come: how long that takes is nobody's fault */
	await_state(CAPTURE_PAUSED);
	give_frame_at(9000);
	await_state(CAPTURE_LIVE);
	assert_int_equal(world.report.still_ns, 0);
}

/* Whatever the source does, or does not. */
static void test_threads_that_move(void **state)
{
	(void)state;
	assert_int_equal(capture_threads(world.capture), 3);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t before[3];

		for (unsigned thread = 0; thread < 3; thread++)
			before[thread] = capture_beats(world.capture, thread);
		if (i % 3 == 1 && i < 200)
			script_give_frame(i % 2, LUMARING_CLOCK_UNKNOWN, false);
		if (i == 200)
			script_give(&(struct source_event){ .kind = SOURCE_ENDED });
		capture_nudge(world.capture);
		for (unsigned thread = 0; thread < 3; thread++)
			while (capture_beats(world.capture, thread) == before[thread])
				usleep(50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_damaged_frames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_frames_that_cannot_be_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_clock_that_becomes_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_pause_that_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_source_that_stands_still, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_threads_that_move, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
