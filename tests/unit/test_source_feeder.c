/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_feeder.c - daemon/source/feeder: the queue, the buffers, the wake-ups and the end, with producers made
 * for it. The test is owner and consumer.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "source_probe.h"

static const struct source_operations operations = {
	.name = "test",
	.start = feeder_start,
	.fd = feeder_fd,
	.fetch = feeder_fetch,
	.release = feeder_release,
};

static struct feeder *create(unsigned buffer_count, int (*produce)(struct feeder *feeder))
{
	struct source_config config = { .name = "test", .buffer_count = buffer_count };
	struct feeder *feeder = calloc(1, sizeof(*feeder));

	assert_non_null(feeder);
	assert_int_equal(feeder_init(feeder, &operations, &config), 0);
	if (produce)
		assert_int_equal(feeder_launch(feeder, "test", produce), 0);
	return feeder;
}

static void destroy(struct feeder *feeder)
{
	feeder_finish(feeder);
	free(feeder);
}

/* A frame whose pixels all say its number. */
static int make_frame(struct feeder *feeder, uint64_t number)
{
	const struct source_format *format = &feeder->format;
	unsigned buffer;
	int rc = feeder_take(feeder, &buffer);

	if (rc)
		return rc;
	for (uint32_t y = 0; y < format->height; y++)
		memset(feeder->buffers[buffer].pixels + (size_t)y * format->stride, (int)(number & 0xff),
		       format->width);
	return feeder_deliver(feeder, buffer, (struct source_frame){ .camera_sequence = number });
}

static bool shows(const struct source_frame *frame, uint32_t width, uint32_t height, uint64_t number)
{
	for (uint32_t y = 0; y < height; y++) {
		const uint8_t *row = frame->image + (size_t)y * FEEDER_STRIDE(width);

		for (uint32_t x = 0; x < FEEDER_STRIDE(width); x++) {
			if (row[x] != (x < width ? (number & 0xff) : FEEDER_PADDING))
				return false;
		}
	}
	return true;
}

static int set_size(struct feeder *feeder, uint32_t width, uint32_t height)
{
	return feeder_set_format(feeder, "test", &(struct feeder_picture){ .width = width, .height = height });
}

#define MANY 20000

static int make_many(struct feeder *feeder)
{
	int rc = set_size(feeder, 8, 2);

	for (uint64_t number = 1; !rc && number <= MANY; number++)
		rc = make_frame(feeder, number);
	return rc;
}

/* Nothing is lost, doubled, or found without its wake-up, one event per wake-up or all of them. */
static void check_wake_ups(unsigned buffer_count, bool drain)
{
	struct feeder *feeder = create(buffer_count, make_many);
	uint64_t seen = 0;
	bool ended = false;

	while (!ended) {
		struct source_event event;
		int rc;

		wait_readable(feeder_fd(&feeder->source));
		do {
			rc = feeder_fetch(&feeder->source, &event);
			if (rc || event.kind == SOURCE_FORMAT)
				continue;
			ended = event.kind == SOURCE_ENDED;
			if (ended)
				break;
			assert_int_equal(event.kind, SOURCE_FRAME);
			assert_int_equal(event.frame.camera_sequence, ++seen);
			assert_int_equal(event.frame.buffer, (seen - 1) % buffer_count); /* in turn */
			assert_true(shows(&event.frame, 8, 2, seen));
			feeder_release(&feeder->source, event.frame.buffer);
		} while (drain && !rc);
	}
	assert_int_equal(seen, MANY);
	expect_nothing(&feeder->source);
	destroy(feeder);
}

static void test_wake_ups(void **state)
{
	(void)state;
	check_wake_ups(1, true);
	check_wake_ups(1, false);
	check_wake_ups(2, false);
	check_wake_ups(6, true);
	check_wake_ups(64, false);
}

/*
 * The narrowest place of a wake-up: events that come after the consumer found nothing and before it clears the
 * descriptor. The test is all three threads; this read(2) stands in for the C library's and lets the producer in.
 */
static struct feeder *interrupted;

ssize_t read(int fd, void *buffer, size_t bytes)
{
	struct feeder *feeder = interrupted;

	if (feeder && fd == feeder->ready_fd) {
		interrupted = NULL;
		feeder_post(feeder, SOURCE_PAUSED);
		feeder_post(feeder, SOURCE_LOST);
	}
	return syscall(SYS_read, fd, buffer, bytes);
}

static void test_event_while_clearing(void **state)
{
	struct feeder *feeder = create(1, NULL);
	struct source_event event;

	(void)state;
	interrupted = feeder;
	assert_int_equal(feeder_fetch(&feeder->source, &event), 0);
	assert_null(interrupted);
	assert_int_equal(event.kind, SOURCE_PAUSED);
	assert_true(is_readable(feeder->ready_fd)); /* there is one more */
	expect_event(&feeder->source, SOURCE_LOST);
	expect_nothing(&feeder->source);
	destroy(feeder);
}

#define FORMATS (10 * FEEDER_EVENTS)

static int make_formats(struct feeder *feeder)
{
	int rc = 0;

	for (uint32_t i = 1; !rc && i <= FORMATS; i++) {
		rc = set_size(feeder, i, 1);
		if (!rc)
			rc = set_size(feeder, i, 1); /* the same again is no event */
	}
	return rc;
}

/* A consumer who does not come finds a full queue, a producer who waits, and then everything in order. */
static void test_full_queue(void **state)
{
	struct feeder *feeder = create(1, make_formats);

	(void)state;
	wait_asleep(&feeder->source);
	assert_int_equal(feeder->head, FEEDER_EVENTS);
	for (uint32_t i = 1; i <= FORMATS; i++)
		expect_format(&feeder->source, i, 1);
	expect_event(&feeder->source, SOURCE_ENDED);
	expect_nothing(&feeder->source);
	destroy(feeder);
}

static int make_three_sizes(struct feeder *feeder)
{
	static const uint32_t sizes[][2] = { { 16, 4 }, { 33, 9 }, { 3, 2 } };
	int rc = 0;

	for (unsigned i = 0; i < 3; i++) {
		if (!rc)
			rc = set_size(feeder, sizes[i][0], sizes[i][1]);
		for (unsigned number = 1; !rc && number <= 2; number++)
			rc = make_frame(feeder, 10 * i + number);
	}
	return rc;
}

/* Frames of an old format stay as they are until released, in whatever order; `behind` counts within a format. */
static void test_formats_overlap(void **state)
{
	struct feeder *feeder = create(6, make_three_sizes);
	struct source *source = &feeder->source;
	struct source_event events[6];

	(void)state;
	while (__atomic_load_n(&feeder->head, __ATOMIC_ACQUIRE) < 10)
		usleep(100);
	for (unsigned i = 0; i < 6; i++) {
		if (i % 2 == 0)
			expect_event(source, SOURCE_FORMAT);
		events[i] = expect_event(source, SOURCE_FRAME);
		assert_int_equal(events[i].frame.behind, i % 2 == 0);
	}
	expect_event(source, SOURCE_ENDED);
	assert_true(shows(&events[0].frame, 16, 4, 1));
	assert_true(shows(&events[1].frame, 16, 4, 2));
	assert_true(shows(&events[2].frame, 33, 9, 11));
	assert_true(shows(&events[3].frame, 33, 9, 12));
	assert_true(shows(&events[4].frame, 3, 2, 21));
	assert_true(shows(&events[5].frame, 3, 2, 22));
	destroy(feeder);
}

/* The same size in rows of other lengths, by one buffer. */
static int make_three_rows(struct feeder *feeder)
{
	static const uint32_t row_bytes[] = { 0, 100, 33 };
	int rc = 0;

	for (unsigned i = 0; !rc && i < 3; i++) {
		struct feeder_picture picture = { .width = 16, .height = 4, .row_bytes = row_bytes[i] };

		rc = feeder_set_format(feeder, "test", &picture);
		if (!rc)
			rc = make_frame(feeder, i + 1);
	}
	return rc;
}

static void test_rows_of_the_source(void **state)
{
	static const uint32_t strides[] = { 64, 192, 128 };
	struct feeder *feeder = create(1, make_three_rows);
	struct source *source = &feeder->source;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct source_event event = expect_event(source, SOURCE_FORMAT);

		assert_int_equal(event.format.width, 16);
		assert_int_equal(event.format.stride, strides[i]);
		event = expect_event(source, SOURCE_FRAME);
		for (uint32_t at = 0; at < 4 * strides[i]; at++) /* a buffer that is too small is not kept */
			assert_int_equal(event.frame.image[at], at % strides[i] < 16 ? i + 1 : FEEDER_PADDING);
		source_release(source, event.frame.buffer);
	}
	expect_event(source, SOURCE_ENDED);
	destroy(feeder);
}

static int make_endlessly(struct feeder *feeder)
{
	int rc = 0;

	for (uint64_t number = 1; !rc; number++) {
		rc = set_size(feeder, 5 + number / 50 % 3, 3);
		if (!rc)
			rc = make_frame(feeder, number);
	}
	return rc;
}

/* A consumer that gives buffers back late and in another order: what it holds never changes. */
static void test_held_frames(void **state)
{
	struct feeder *feeder = create(5, make_endlessly);
	struct source *source = &feeder->source;
	struct source_event held[3];
	uint32_t widths[3], width = 0;
	uint64_t next = 1;

	(void)state;
	for (unsigned count = 0; next <= 5000;) {
		struct source_event event = next_event(source);

		if (event.kind == SOURCE_FORMAT) {
			width = event.format.width;
			continue;
		}
		assert_int_equal(event.kind, SOURCE_FRAME);
		assert_int_equal(event.frame.camera_sequence, next++);
		if (count == 3) {
			unsigned last = (unsigned)(next * 7 % 3);

			assert_true(shows(&held[last].frame, widths[last], 3, held[last].frame.camera_sequence));
			source_release(source, held[last].frame.buffer);
			held[last] = held[--count];
			widths[last] = widths[count];
		}
		widths[count] = width;
		held[count++] = event;
	}
	destroy(feeder);
}

/* With every buffer held the producer waits, and one release lets it make one frame. */
static void test_lossless_waits(void **state)
{
	struct feeder *feeder = create(3, make_endlessly);
	struct source *source = &feeder->source;
	struct source_event events[3];

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	for (unsigned i = 0; i < 3; i++)
		events[i] = expect_event(source, SOURCE_FRAME);
	wait_asleep(source);
	expect_nothing(source);
	source_release(source, events[1].frame.buffer);
	events[2] = expect_event(source, SOURCE_FRAME);
	assert_int_equal(events[2].frame.buffer, events[1].frame.buffer);
	assert_int_equal(events[2].frame.camera_sequence, 4);
	wait_asleep(source);
	expect_nothing(source);
	while (is_readable(feeder->wake_fd)) /* else it would not sleep but spin */
		usleep(100);
	destroy(feeder);
}

/* --- the end ------------------------------------------------------------------------------------------------ */

static int wait_for_start(struct feeder *feeder)
{
	int rc = feeder_post(feeder, SOURCE_PAUSED);

	return rc ? rc : feeder_wait_start(feeder);
}

static int wait_an_hour(struct feeder *feeder)
{
	int rc = feeder_post(feeder, SOURCE_PAUSED);

	return rc ? rc : feeder_wait_until(feeder, clock_monotonic_ns() + 3600 * NS_PER_SECOND);
}

static int wait_for_silence(struct feeder *feeder)
{
	int fd = eventfd(0, EFD_CLOEXEC), rc = feeder_post(feeder, SOURCE_PAUSED);

	if (!rc)
		rc = feeder_wait_readable(feeder, fd);
	close(fd);
	return rc;
}

static int wait_for_room(struct feeder *feeder)
{
	int rc = 0;

	while (!rc)
		rc = feeder_post(feeder, SOURCE_PAUSED);
	return rc;
}

static int wait_for_buffer(struct feeder *feeder)
{
	int rc = feeder_post(feeder, SOURCE_PAUSED);

	return rc ? rc : make_endlessly(feeder);
}

/* A hang is ended by whoever runs the test. */
static void test_destroy_while_waiting(void **state)
{
	static int (*const producers[])(struct feeder * feeder) = { wait_for_start, wait_an_hour, wait_for_silence,
								    wait_for_room, wait_for_buffer };

	(void)state;
	for (size_t i = 0; i < COUNT(producers); i++) {
		for (unsigned round = 0; round < 20; round++) {
			struct feeder *feeder = create(2, producers[i]);

			if (round)
				expect_event(&feeder->source, SOURCE_PAUSED);
			if (round % 2 && producers[i] != wait_an_hour && producers[i] != wait_for_silence &&
			    producers[i] != wait_for_room)
				wait_asleep(&feeder->source);
			destroy(feeder);
		}
	}
}

static void test_destroy_never_launched(void **state)
{
	struct source_config config = { .buffer_count = SOURCE_BUFFERS_MAX + 1 };
	struct feeder *feeder = create(1, NULL);

	(void)state;
	destroy(feeder);
	feeder = calloc(1, sizeof(*feeder));
	assert_non_null(feeder);
	assert_int_equal(feeder_init(feeder, &operations, &config), -EINVAL);
	destroy(feeder);
}

static int fail_at_once(struct feeder *feeder)
{
	return feeder_fail(feeder, -EIO, "clip %d is %s", 5, "gone");
}

static void test_failure(void **state)
{
	struct feeder *feeder = create(1, fail_at_once);

	(void)state;
	assert_string_equal(expect_event(&feeder->source, SOURCE_FAILED).text, "clip 5 is gone");
	expect_nothing(&feeder->source);
	destroy(feeder);
}

static int look_at_signals(struct feeder *feeder)
{
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (int number = 1; number < 32; number++) {
		if (number != SIGKILL && number != SIGSTOP && !sigismember(&mask, number))
			return feeder_fail(feeder, -EINVAL, "signal %d is not blocked", number);
	}
	return 0;
}

static void test_signals_are_blocked(void **state)
{
	sigset_t before, after;
	struct feeder *feeder;

	(void)state;
	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	feeder = create(1, look_at_signals);
	expect_event(&feeder->source, SOURCE_ENDED);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	for (int number = 1; number < 32; number++)
		assert_int_equal(sigismember(&after, number), number == SIGUSR2);
	destroy(feeder);
}

/* --- time --------------------------------------------------------------------------------------------------- */

static void test_lossless_schedule(void **state)
{
	struct feeder *feeder = create(1, NULL);

	(void)state;
	assert_int_equal(feeder_next_due(feeder, 1000, 70), 70); /* the first one is due at once */
	assert_int_equal(feeder_next_due(feeder, 1000, 80), 1070);
	assert_int_equal(feeder_next_due(feeder, 200, 90), 1270);
	assert_int_equal(feeder_next_due(feeder, 1000, 3270), 2270); /* a period late: it keeps its time */
	assert_int_equal(feeder_next_due(feeder, 1000, 4271), 4271); /* more: begin anew */
	assert_int_equal(feeder_next_due(feeder, 1000, 4300), 5271);
	destroy(feeder);
}

static void test_live_schedule(void **state)
{
	struct feeder *feeder = create(3, NULL);
	uint64_t skipped;

	(void)state;
	assert_int_equal(feeder_next_tick(feeder, 1000, 70, &skipped), 70);
	assert_int_equal(skipped, 0);
	assert_int_equal(feeder_next_tick(feeder, 1000, 80, &skipped), 1070);
	assert_int_equal(skipped, 0);
	assert_int_equal(feeder_next_tick(feeder, 1000, 5070, &skipped), 2070); /* three buffers would have taken it */
	assert_int_equal(skipped, 0);
	assert_int_equal(feeder_next_tick(feeder, 1000, 6071, &skipped), 6070); /* but not this: 3070, 4070, 5070 */
	assert_int_equal(skipped, 3);
	assert_int_equal(feeder_next_tick(feeder, 1000, 6071, &skipped), 7070);
	assert_int_equal(skipped, 0);
	destroy(feeder);
}

static void test_wait_until(void **state)
{
	struct feeder *feeder = create(1, NULL);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		uint64_t deadline_ns = clock_monotonic_ns() + i * 300000;

		assert_int_equal(feeder_wait_until(feeder, deadline_ns), 0);
		assert_true(clock_monotonic_ns() >= deadline_ns);
	}
	assert_int_equal(feeder_wait_until(feeder, 0), 0);
	destroy(feeder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wake_ups),
		cmocka_unit_test(test_event_while_clearing),
		cmocka_unit_test(test_full_queue),
		cmocka_unit_test(test_formats_overlap),
		cmocka_unit_test(test_held_frames),
		cmocka_unit_test(test_rows_of_the_source),
		cmocka_unit_test(test_lossless_waits),
		cmocka_unit_test(test_destroy_while_waiting),
		cmocka_unit_test(test_destroy_never_launched),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_signals_are_blocked),
		cmocka_unit_test(test_lossless_schedule),
		cmocka_unit_test(test_live_schedule),
		cmocka_unit_test(test_wait_until),
	};

	return cmocka_run_group_tests_name("source_feeder", tests, NULL, NULL);
}
