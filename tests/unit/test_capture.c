/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_capture.c - daemon/capture with a source whose every event a test gives: what becomes of a frame that is damaged
 * or cannot be read, that its buffer goes back, and which clock rings say that its time is of. The thread is the real
 * one; this one is the main thread.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture.h"

#define HANG_MS 60000
#define WIDTH 64u
#define HEIGHT 48u
#define EVENTS_MAX 32u

static const struct source_format format = {
	.width = WIDTH, .height = HEIGHT, .pixels = PIXELS_R8, .stride = 128, .luma_range = LUMARING_RANGE_FULL
};
static uint8_t image[128 * HEIGHT] __attribute__((aligned(4096)));

/* The source. Given by this thread, fetched and released by the capture thread. */
static struct {
	struct source source;
	int fd, released_fd;
	struct source_event events[EVENTS_MAX];
	uint64_t given, fetched; /* atomic */
	uint64_t begun;          /* atomic */
	uint64_t released;       /* atomic: bit per buffer */
	int error;               /* of begin_read() */
} script;

static struct {
	char camera[LUMARING_NAME_MAX];
	struct loop *loop;
	struct loop_op doorbell;
	struct capture *capture;
	struct capture_report report;
	struct stream *stream;
	struct plan *plan, *plan_old;
	uint64_t plans;
} world;

static int script_fd(const struct source *source)
{
	(void)source;
	return script.fd;
}

static int script_fetch(struct source *source, struct source_event *ret_event)
{
	uint64_t fetched = script.fetched, count;

	(void)source;
	if (fetched == __atomic_load_n(&script.given, __ATOMIC_ACQUIRE)) {
		(void)!read(script.fd, &count, sizeof(count));
		if (fetched == __atomic_load_n(&script.given, __ATOMIC_ACQUIRE))
			return -EAGAIN;
	}
	*ret_event = script.events[fetched % EVENTS_MAX];
	__atomic_store_n(&script.fetched, fetched + 1, __ATOMIC_RELEASE);
	return 0;
}

static int script_begin_read(struct source *source, unsigned buffer)
{
	(void)source;
	(void)buffer;
	__atomic_fetch_add(&script.begun, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&script.error, __ATOMIC_SEQ_CST);
}

static void script_release(struct source *source, unsigned buffer)
{
	uint64_t one = 1;

	(void)source;
	__atomic_fetch_or(&script.released, UINT64_C(1) << buffer, __ATOMIC_SEQ_CST);
	(void)!write(script.released_fd, &one, sizeof(one));
}

static bool script_is_live(const struct source *source)
{
	(void)source;
	return true;
}

static const struct source_operations script_operations = { .name = "script",
							    .fd = script_fd,
							    .fetch = script_fetch,
							    .begin_read = script_begin_read,
							    .release = script_release,
							    .is_live = script_is_live };

static void give(const struct source_event *event)
{
	uint64_t one = 1;

	assert_true(script.given - __atomic_load_n(&script.fetched, __ATOMIC_ACQUIRE) < EVENTS_MAX);
	script.events[script.given % EVENTS_MAX] = *event;
	__atomic_store_n(&script.given, script.given + 1, __ATOMIC_RELEASE);
	assert_int_equal(write(script.fd, &one, sizeof(one)), sizeof(one));
}

static void give_frame(unsigned buffer, uint32_t clock, bool damaged)
{
	struct source_event event = { .kind = SOURCE_FRAME,
				      .frame = { .image = image,
						 .buffer = buffer,
						 .ready_ns = 1,
						 .sensor_clock = clock,
						 .damaged = damaged,
						 .behind = damaged } };

	give(&event);
}

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
	world.plan = plan_build(++world.plans, world.report.format_serial, &format, world.stream, NULL);
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

/* Until the buffer of the newest frame is back: all is done with it but telling. */
static void await_released(unsigned buffer)
{
	struct pollfd poll_fd = { .fd = script.released_fd, .events = POLLIN };
	uint64_t count;

	while (!(__atomic_load_n(&script.released, __ATOMIC_SEQ_CST) & UINT64_C(1) << buffer)) {
		if (poll(&poll_fd, 1, HANG_MS) != 1)
			fail_msg("buffer %u did not come back", buffer);
		assert_int_equal(read(script.released_fd, &count, sizeof(count)), sizeof(count));
	}
}

static int set_up(void **state)
{
	const struct capture_copying copying = { .pool = { .threads = 1, .scratch_bytes = COPY_SCRATCH_BYTES },
						 .threads = 1,
						 .budget_percent = 25 };
	const struct stream_config config = { .name = "main", .slot_count = 4, .always = true };
	const struct source_event announced = { .kind = SOURCE_FORMAT, .format = format };
	char text[512] = "";

	(void)state;
	memset(&world, 0, sizeof(world));
	memset(&script, 0, sizeof(script));
	snprintf(world.camera, sizeof(world.camera), "capture-%d", (int)getpid());
	script.source.operations = &script_operations;
	script.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	script.released_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(loop_create(LOOP_EPOLL, &world.loop, text, sizeof(text)), 0);
	world.doorbell = (struct loop_op){ .done = on_doorbell };
	assert_int_equal(loop_doorbell(world.loop, &world.doorbell), 0);
	world.stream = stream_create(&config, world.camera, (gid_t)-1, 0);
	assert_non_null(world.stream);
	if (stream_fit(world.stream, &format, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	if (capture_create(&script.source, LOOP_EPOLL, &copying, &world.doorbell, &world.capture, text, sizeof(text)))
		fail_msg("%s", text);
	give(&announced);
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
	close(script.fd);
	close(script.released_fd);
	return 0;
}

static void test_damaged_frames(void **state)
{
	(void)state;
	give_frame(0, LUMARING_CLOCK_UNKNOWN, false);
	give_frame(1, LUMARING_CLOCK_UNKNOWN, true);
	give_frame(2, LUMARING_CLOCK_UNKNOWN, true);
	await_released(2);
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
	give_frame(0, LUMARING_CLOCK_UNKNOWN, false);
	await_released(0);
	__atomic_store_n(&script.error, 0, __ATOMIC_SEQ_CST);
	give_frame(1, LUMARING_CLOCK_UNKNOWN, false);
	await_released(1);
	assert_int_equal(script.begun, 2);
	assert_int_equal(ring_lost(world.stream->ring, LUMARING_LOST_ERROR), 1);
	assert_int_equal(ring_published(world.stream->ring), 1);
	assert_int_equal(stats_load(&capture_stats(world.capture)->captured), 2);
}

static void test_a_clock_that_becomes_known(void **state)
{
	char text[512] = "";

	(void)state;
	give_frame(0, LUMARING_CLOCK_UNKNOWN, false);
	await_released(0);
	assert_int_equal(clock_shown(), LUMARING_CLOCK_UNKNOWN);
	give_frame(1, LUMARING_CLOCK_BOOTTIME, false);
	while (capture_sensor_clock(world.capture) != LUMARING_CLOCK_BOOTTIME)
		hear(); /* the main thread is told, too */
	assert_int_equal(clock_shown(), LUMARING_CLOCK_BOOTTIME);
	/* A ring that was made of what was known before. */
	assert_int_equal(stream_fit(world.stream, &format, text, sizeof(text)), 0);
	assert_int_equal(clock_shown(), LUMARING_CLOCK_UNKNOWN);
	hand_plan();
	assert_int_equal(clock_shown(), LUMARING_CLOCK_BOOTTIME);
	give_frame(2, LUMARING_CLOCK_MONOTONIC, true); /* also by one that nobody gets */
	await_released(2);
	assert_int_equal(clock_shown(), LUMARING_CLOCK_MONOTONIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_damaged_frames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_frames_that_cannot_be_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_clock_that_becomes_known, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
