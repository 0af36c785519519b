/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_device_gate.c - the reader gives buffers back while the camera is stopped, configured and started, again and
 * again. At the end each buffer is the camera's, once: the fake fails when one is queued twice.
 */
#include "device_probe.h"

#include <pthread.h>
#include <sched.h>

#define CHANGES 300u

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

static void storm(bool resize)
{
	struct storm storm = { .source = open_plugged() };
	pthread_t thread;

	start_device(storm.source);
	fake_set_pace(FAKE_INSTANT);
	assert_int_equal(pthread_create(&thread, NULL, read_all, &storm), 0);
	for (unsigned i = 0; i < CHANGES; i++) {
		await_frames(&storm, i % 4);
		assert_int_equal(stop_rc(storm.source), 0);
		if (resize)
			configure_device(storm.source, i % 2 ? 640 : 320, i % 2 ? 480 : 240);
		start_device(storm.source);
	}
	await_state(storm.source, "running");
	await_frames(&storm, 100);
	fake_set_pace(FAKE_MANUAL);
	__atomic_store_n(&storm.over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(fake_queued(), FRAME_BUFFERS);
	destroy_device(storm.source);
}

static void test_restarts(void **state)
{
	(void)state;
	storm(false);
}

static void test_sizes(void **state)
{
	(void)state;
	storm(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_restarts, set_up_fake),
		cmocka_unit_test_setup(test_sizes, set_up_fake),
	};

	return cmocka_run_group_tests_name("device_gate", tests, NULL, NULL);
}
