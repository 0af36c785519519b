/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_configure.c - size and pixel format of the synthetic source while it runs: old frames, a format, new
 * frames; nothing made in between, nothing lost by it. test_source_memory.c has what becomes of the buffers.
 */
#include "synthetic_probe.h"

/* --- order -------------------------------------------------------------------------------------------------- */

/* With every buffer out: what was made before the stop comes first, then the format, then frames of the next numbers.
 */
static void test_order(void **state)
{
	struct source *source = start_synthetic(64, 4, 0, 3);
	struct source_format old = expect_event(source, SOURCE_FORMAT).format, new;
	struct source_event events[4];

	(void)state;
	events[0] = expect_frame(source, 1, &old);
	wait_asleep(source); /* two more are in the queue, no buffer is left */
	stop_source(source);
	configure_size(source, 333, 11, 0);
	assert_int_equal(source_start(source), 0);
	for (unsigned i = 1; i < 3; i++)
		events[i] = expect_frame(source, i + 1, &old);
	new = expect_event(source, SOURCE_FORMAT).format;
	assert_int_equal(new.width, 333);
	assert_int_equal(new.height, 11);
	wait_asleep(source);
	expect_nothing(source);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(shows(&events[i].frame, &old)); /* as long as they are held */
		source_release(source, events[i].frame.buffer);
		events[3] = expect_frame(source, 4 + i, &new);
		assert_int_equal(events[3].frame.buffer, events[i].frame.buffer);
	}
	source_destroy(source);
}

/* Nothing is made between stop() and start_synthetic(), however long that is and whatever is released. */
static void test_stands_still(void **state)
{
	struct source *source = start_synthetic(64, 4, 0, 3);
	struct feeder *feeder = (struct feeder *)source;
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;
	uint64_t sequence = 1;

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct source_event event;
		uint64_t head;

		stop_source(source);
		head = __atomic_load_n(&feeder->head, __ATOMIC_SEQ_CST);
		stop_source(source); /* again: it stands already */
		while (source_fetch(source, &event) == 0) {
			assert_int_equal(event.kind, SOURCE_FRAME);
			assert_int_equal(event.frame.camera_sequence, sequence++);
			source_release(source, event.frame.buffer);
		}
		usleep(round % 5 * 1000);
		assert_int_equal(__atomic_load_n(&feeder->head, __ATOMIC_SEQ_CST), head);
		expect_nothing(source);
		assert_int_equal(source_start(source), 0); /* with the format as it was: not announced again */
		event = expect_frame(source, sequence++, &format);
		source_release(source, event.frame.buffer);
	}
	source_destroy(source);
}

static bool is_full(struct source *source)
{
	struct feeder *feeder = (struct feeder *)source;

	return __atomic_load_n(&feeder->head, __ATOMIC_ACQUIRE) - feeder->tail == FEEDER_EVENTS;
}

/*
 * A consumer that fetches nothing at all, as the capture thread between a format and its plan: the owner never waits
 * for it. The queue fills up with formats, and those that found no room were never announced.
 */
static void test_nobody_fetches(void **state)
{
	static const uint32_t widths[] = { 64, 33, 128 };
	struct source *source = start_synthetic(8, 4, 0, 3);
	uint64_t sequence = 0;
	uint32_t width = 0;

	(void)state;
	for (unsigned i = 0; !is_full(source); i++) {
		stop_source(source);
		configure_size(source, widths[i % COUNT(widths)], 4, 0);
		assert_int_equal(source_start(source), 0);
		if (i % 3)
			wait_asleep(source);
	}
	for (unsigned i = 0; i < 2; i++) { /* a last one, and the same again: it was not announced yet */
		stop_source(source);
		configure_size(source, 200, 4, 0);
		assert_int_equal(source_start(source), 0);
		wait_asleep(source);
	}
	while (sequence < 20) {
		struct source_event event = next_event(source);

		if (event.kind == SOURCE_FORMAT) {
			assert_int_not_equal(event.format.width, width);
			width = event.format.width;
			continue;
		}
		assert_int_equal(event.kind, SOURCE_FRAME);
		assert_int_equal(event.frame.camera_sequence, ++sequence);
		assert_true(synthetic_verify(event.frame.image, FEEDER_STRIDE(width), sequence, 0, 0, width, 4, NULL,
					     NULL));
		source_release(source, event.frame.buffer);
	}
	assert_int_equal(width, 200);
	source_destroy(source);
}

/* Stopped when a frame is made and finds no room: its buffer and its number are used again. */
static void test_frame_without_room(void **state)
{
	struct source *source = start_synthetic(8, 4, 0, 3);
	struct feeder *feeder = (struct feeder *)source;
	struct source_event event, events[3];
	uint32_t width = 8;

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	for (unsigned i = 0; i < 3; i++)
		events[i] = expect_event(source, SOURCE_FRAME);
	while (__atomic_load_n(&feeder->head, __ATOMIC_ACQUIRE) - feeder->tail < FEEDER_EVENTS - 1) {
		stop_source(source);
		configure_size(source, ++width, 4, 0);
		assert_int_equal(source_start(source), 0);
		while (__atomic_load_n(&feeder->head, __ATOMIC_ACQUIRE) - feeder->tail < width - 8)
			usleep(10);
		stop_source(source);
	}
	source_release(source, events[0].frame.buffer);
	configure_size(source, ++width, 4, 0); /* the last place is for the format */
	assert_int_equal(source_start(source), 0);
	while (__atomic_load_n(&feeder->free_buffers, __ATOMIC_SEQ_CST))
		usleep(10);
	wait_asleep(source);
	stop_source(source);
	assert_int_equal(feeder->free_buffers, UINT64_C(1) << events[0].frame.buffer);
	assert_int_equal(source_start(source), 0);
	do
		event = next_event(source);
	while (event.kind == SOURCE_FORMAT);
	assert_int_equal(event.kind, SOURCE_FRAME);
	assert_int_equal(event.frame.camera_sequence, 4);
	source_destroy(source);
}

static void test_same_again(void **state)
{
	struct source *source = start_synthetic(64, 4, 0, 3);
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;
	struct source_event event;

	(void)state;
	event = expect_frame(source, 1, &format);
	wait_asleep(source);
	stop_source(source);
	configure_size(source, 100, 100, 0);
	configure_size(source, 64, 4, 0); /* taken back before it was ever announced */
	assert_int_equal(source_start(source), 0);
	for (uint64_t sequence = 2; sequence < 10; sequence++) {
		source_release(source, event.frame.buffer);
		event = expect_frame(source, sequence, &format);
	}
	source_destroy(source);
}

static void test_before_start(void **state)
{
	struct source *source = open_source(&(struct source_config){ .name = "synthetic", .unpaced = true });
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;

	(void)state;
	assert_int_equal(format.width, 640);
	configure_size(source, 31, 7, 0);
	wait_asleep(source);
	expect_nothing(source);
	assert_int_equal(source_start(source), 0);
	format = expect_event(source, SOURCE_FORMAT).format;
	assert_int_equal(format.width, 31);
	expect_frame(source, 1, &format);
	source_destroy(source);
}

static void test_destroy_stopped(void **state)
{
	struct source *source = start_synthetic(64, 4, 0, 3);

	(void)state;
	stop_source(source);
	source_destroy(source);
	source = start_synthetic(64, 4, HOUR_NS, 3);
	stop_source(source);
	configure_size(source, 32, 4, HOUR_NS);
	source_destroy(source);
}

/* --- time --------------------------------------------------------------------------------------------------- */

/* Stopped in an hour's wait: the next frame comes at once, and what would have been due meanwhile is no loss. */
static void test_stop_between_ticks(void **state)
{
	struct source *source = start_synthetic(64, 4, HOUR_NS, 3);
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;

	(void)state;
	for (uint64_t sequence = 1; sequence < 20; sequence++) {
		struct source_event event = expect_frame(source, sequence, &format);

		assert_int_equal(event.frame.frame_duration_us, 3600000000);
		source_release(source, event.frame.buffer);
		stop_source(source);
		configure_size(source, sequence % 2 ? 64 : 65, sequence % 2 ? 5 : 4, HOUR_NS);
		assert_int_equal(source_start(source), 0);
		format = expect_event(source, SOURCE_FORMAT).format;
	}
	source_destroy(source);
}

/* Ticks that pass while it stands are neither made up for nor lost; time begins anew, at the new rate. */
static void test_ticks_while_stopped(void **state)
{
	struct source *source = start_synthetic(64, 4, 5 * MS, SOURCE_BUFFERS_MAX);
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;
	uint64_t before_ns = 0, started_ns, sequence = 1;
	struct source_event event;

	(void)state;
	stop_source(source);
	while (source_fetch(source, &event) == 0) {
		assert_int_equal(event.frame.camera_sequence, sequence++);
		source_release(source, event.frame.buffer);
	}
	usleep(50000);
	configure_size(source, 32, 4, 10 * MS);
	started_ns = clock_monotonic_ns();
	assert_int_equal(source_start(source), 0);
	format = expect_event(source, SOURCE_FORMAT).format;
	assert_int_equal(format.frame_duration_us, 10000);
	for (unsigned i = 0; i < 10; i++) {
		event = expect_frame(source, sequence++, &format);
		assert_int_equal(event.frame.frame_duration_us, 10000);
		assert_true(event.frame.sensor_ns >= started_ns);
		if (before_ns)
			assert_int_equal(event.frame.sensor_ns - before_ns, 10 * MS);
		before_ns = event.frame.sensor_ns;
		source_release(source, event.frame.buffer);
	}
	source_destroy(source);
}

/* Frames that found no buffer before the stop are told after it. */
static void test_losses_are_kept(void **state)
{
	struct source *source = start_synthetic(64, 4, MS, 1);
	uint64_t sequence = 0, lost = 0;

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	for (unsigned round = 0; lost < 10; round++) {
		struct source_event event = expect_event(source, SOURCE_FRAME);

		assert_int_equal(event.frame.camera_sequence - sequence, 1 + event.frame.lost[LUMARING_LOST_SENSOR]);
		lost += event.frame.lost[LUMARING_LOST_SENSOR];
		sequence = event.frame.camera_sequence;
		assert_true(round < 1000);
		usleep(5000); /* ticks pass, the only buffer is not free */
		stop_source(source);
		source_release(source, event.frame.buffer);
		assert_int_equal(source_start(source), 0);
	}
	source_destroy(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_stands_still),
		cmocka_unit_test(test_nobody_fetches),
		cmocka_unit_test(test_frame_without_room),
		cmocka_unit_test(test_same_again),
		cmocka_unit_test(test_before_start),
		cmocka_unit_test(test_destroy_stopped),
		cmocka_unit_test(test_stop_between_ticks),
		cmocka_unit_test(test_ticks_while_stopped),
		cmocka_unit_test(test_losses_are_kept),
	};

	return cmocka_run_group_tests_name("source_configure", tests, NULL, NULL);
}
