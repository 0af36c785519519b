/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_device_gate.c - the reader gives buffers back while the camera is stopped, configured and started, again and
 * again. At the end each buffer is the camera's, once: the fake fails when one is queued twice.
 */
#include "device_probe.h"

#include <pthread.h>
#include <sched.h>

#define CHANGES 300u
#define ROUNDS 2000u

struct storm {
	struct source *source;
	uint64_t frames; /* atomic */
	bool over;       /* atomic */
	uint64_t last;
};

/* Holds up to two frames, and gives them back in either order. */
static void *read_all(void *argument)
{
	struct storm *storm = argument;
	struct source_event event;
	unsigned held[2], count = 0;

	for (;;) {
		int rc = source_fetch(storm->source, &event);

		if (rc == -EAGAIN && __atomic_load_n(&storm->over, __ATOMIC_ACQUIRE))
			break;
		if (rc == -EAGAIN) {
			struct pollfd fd = { .fd = source_fd(storm->source), .events = POLLIN };

			poll(&fd, 1, 1);
			continue;
		}
		if (event.kind != SOURCE_FRAME)
			continue;
		assert_true(event.frame.camera_sequence > storm->last);
		storm->last = event.frame.camera_sequence;
		assert_int_equal(source_begin_read(storm->source, event.frame.buffer), 0);
		held[count++] = event.frame.buffer;
		if (count == 2) {
			unsigned first = event.frame.camera_sequence % 2;

			source_release(storm->source, held[first]);
			source_release(storm->source, held[!first]);
			count = 0;
		}
		__atomic_add_fetch(&storm->frames, 1, __ATOMIC_RELAXED);
	}
	while (count)
		source_release(storm->source, held[--count]);
	return NULL;
}

static void await_frames(struct storm *storm, uint64_t count)
{
	uint64_t until = __atomic_load_n(&storm->frames, __ATOMIC_RELAXED) + count;

	while (__atomic_load_n(&storm->frames, __ATOMIC_RELAXED) < until)
		sched_yield();
}

static void storm(bool resize, bool refuse)
{
	struct storm storm = { .source = open_plugged() };
	unsigned descriptors = count_descriptors();
	pthread_t thread;

	start_device(storm.source);
	fake_set_pace(FAKE_INSTANT);
	assert_int_equal(pthread_create(&thread, NULL, read_all, &storm), 0);
	for (unsigned i = 0; i < CHANGES; i++) {
		if (refuse)
			fake_fail(FAKE_QUEUE, -EIO, i % 3);
		await_frames(&storm, i % 4);
		assert_int_equal(stop_rc(storm.source), 0);
		if (resize)
			configure_device(storm.source, i % 2 ? 640 : 320, i % 2 ? 480 : 240);
		start_device(storm.source);
	}
	fake_fail(FAKE_QUEUE, 0, 0);
	await_state(storm.source, "running");
	await_frames(&storm, 100);
	fake_set_pace(FAKE_MANUAL);
	__atomic_store_n(&storm.over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	/* Memory of sizes before goes with its last reader. */
	while (count_descriptors() > descriptors)
		usleep(200);
	destroy_device(storm.source);
}

/* --- a stop waits for a request that is being queued ----------------------------------------------------------- */

struct one {
	struct source *source;
	unsigned buffer;
};

static void *release_one(void *argument)
{
	const struct one *one = argument;

	source_release(one->source, one->buffer);
	return NULL;
}

static void *stop_it(void *argument)
{
	assert_int_equal(stop_rc(argument), 0);
	return NULL;
}

static void test_stop_awaits_reader(void **state)
{
	struct one one = { .source = open_plugged() };
	struct device *device = (struct device *)one.source;
	pthread_t reader, owner;

	(void)state;
	expect_size(one.source, 640, 480);
	start_device(one.source);
	fake_frame(1);
	one.buffer = expect_frame(one.source, 1).buffer;
	fake_hold(FAKE_QUEUE, true);
	assert_int_equal(pthread_create(&reader, NULL, release_one, &one), 0);
	fake_await_held(FAKE_QUEUE);
	assert_int_equal(pthread_create(&owner, NULL, stop_it, one.source), 0);
	while (__atomic_load_n(&device->open, __ATOMIC_SEQ_CST))
		sched_yield();
	usleep(20000); /* to go wrong in: the fake fails if it is stopped now */
	fake_hold(FAKE_QUEUE, false);
	pthread_join(reader, NULL);
	pthread_join(owner, NULL);
	start_device(one.source);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	destroy_device(one.source);
}

/* --- buffers that come back just when the gate opens ------------------------------------------------------------ */

struct race {
	struct source *source;
	pthread_barrier_t begin, end;
	unsigned held[FRAME_BUFFERS];
	bool over; /* before `begin` */
};

static void *release_all(void *argument)
{
	struct race *race = argument;

	for (unsigned round = 0;; round++) {
		pthread_barrier_wait(&race->begin);
		if (race->over)
			return NULL;
		for (unsigned i = 0; i < FRAME_BUFFERS; i++) {
			for (volatile unsigned spin = 0; spin < round % 64 * 32;)
				spin++;
			source_release(race->source, race->held[i]);
		}
		pthread_barrier_wait(&race->end);
	}
}

/* All of them are with the camera after that, whoever was first. */
static void test_race(void **state)
{
	struct race race = { .source = open_plugged() };
	uint32_t number = 0;
	pthread_t thread;

	(void)state;
	expect_size(race.source, 640, 480);
	start_device(race.source);
	pthread_barrier_init(&race.begin, NULL, 2);
	pthread_barrier_init(&race.end, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, release_all, &race), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < FRAME_BUFFERS; i++) {
			fake_frame(++number);
			race.held[i] = expect_frame(race.source, number).buffer;
		}
		pthread_barrier_wait(&race.begin);
		assert_int_equal(stop_rc(race.source), 0);
		start_device(race.source);
		pthread_barrier_wait(&race.end);
		expect_empty(race.source);
		assert_int_equal(fake_queued(), FRAME_BUFFERS);
	}
	race.over = true;
	pthread_barrier_wait(&race.begin);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&race.begin);
	pthread_barrier_destroy(&race.end);
	destroy_device(race.source);
}

static void test_restarts(void **state)
{
	(void)state;
	storm(false, false);
}

static void test_sizes(void **state)
{
	(void)state;
	storm(true, false);
}

/* What the camera does not take at once comes back to it, be it by the reader or by who starts it. */
static void test_refusals(void **state)
{
	(void)state;
	storm(true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stop_awaits_reader, set_up_fake),
		cmocka_unit_test_setup(test_race, set_up_fake),
		cmocka_unit_test_setup(test_restarts, set_up_fake),
		cmocka_unit_test_setup(test_sizes, set_up_fake),
		cmocka_unit_test_setup(test_refusals, set_up_fake),
	};

	return cmocka_run_group_tests_name("device_gate", tests, NULL, NULL);
}
