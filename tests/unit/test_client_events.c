/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_events.c - what a ring says besides frames: geometry, replaced, source lost and back, closed; and that
 * every frame comes before the event that ends it. Each event is told once.
 */
#include "fake_daemon.h"

static void publish(struct fake *f, unsigned count)
{
	while (count-- > 0)
		fake_publish(&f->ring);
}

static void change_geometry(struct fake *f, uint32_t width)
{
	f->ring.width = width;
	f->ring.generation++;
}

/* A ring that goes on where the fake's ends: its accounts, sequences and publications. */
static struct fake_ring make_successor(const struct fake *f)
{
	struct fake_ring next;

	fake_ring_create(&next, f->ring.header->epoch + 1, FAKE_SLOT_BYTES);
	next.published = f->ring.published;
	next.sequence = f->ring.sequence;
	memcpy(next.lost, f->ring.lost, sizeof(next.lost));
	return next;
}

/* The daemon replaces the ring; the fake's own becomes the new one. */
static void replace(struct fake *f, uint32_t cursors, bool tell)
{
	struct fake_ring next = make_successor(f);
	struct lumaring_replaced m = fake_replaced(f, &next);

	m.cursors = cursors;
	fake_set_state(&f->ring, LUMARING_RING_REPLACED);
	if (tell)
		fake_say(f, &m, sizeof(m), &next.fd, 1);
	fake_ring_destroy(&f->ring);
	f->ring = next;
}

static void test_geometry(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame;

	f->ring.generation = 5; /* whatever it is, the first frame's is no news */
	publish(f, 1);
	expect_frame_and_release(ring, 1);
	change_geometry(f, 64);
	publish(f, 1);
	change_geometry(f, 32);
	publish(f, 2);
	for (uint64_t sequence = 2; sequence <= 3; sequence++) {
		expect_next(ring, LUMARING_EVENT_GEOMETRY);
		frame = expect_frame(ring, sequence); /* nothing is lost by the event */
		assert_int_equal(frame->missed, 0);
		assert_int_equal(frame->width, sequence == 2 ? 64 : 32);
		assert_int_equal(frame->pinned, 1);
		assert_int_equal(lumaring_release(ring, frame), 0);
	}
	expect_frame_and_release(ring, 4);
	assert_int_equal(fake_cursor(f, 0) | fake_cursor(f, 1), 0);
	lumaring_close(ring);
}

/* The frame that waits behind the event is kept from the writer, and given back when the handle is closed. */
static void test_geometry_then_close(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 1);

	publish(f, 1);
	expect_frame_and_release(ring, 1);
	change_geometry(f, 64);
	publish(f, 1);
	expect_next(ring, LUMARING_EVENT_GEOMETRY);
	assert_int_equal(fake_cursor(f, 0), 2);
	lumaring_close(ring);
	assert_int_equal(fake_cursor(f, 0), 0);
}

static void test_geometry_of_the_newest(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 1);
	const struct lumaring_frame *frame = NULL;

	publish(f, 1);
	expect_frame_and_release(ring, 1);
	publish(f, 1); /* 2 */
	change_geometry(f, 64);
	publish(f, 1); /* 3 */
	assert_int_equal(lumaring_latest(ring, 0, &frame), LUMARING_EVENT_GEOMETRY);
	publish(f, 1); /* 4 is newer than what waits */
	assert_int_equal(lumaring_latest(ring, 0, &frame), 0);
	assert_int_equal(frame->sequence, 4);
	assert_int_equal(frame->missed, 2);
	assert_int_equal(frame->missed_by[LUMARING_MISSED_SKIPPED], 2);
	expect_next(ring, -ENOBUFS); /* frames_max is 1: what waited was never the user's */
	assert_int_equal(lumaring_release(ring, frame), 0);
	assert_int_equal(fake_cursor(f, 0) | fake_cursor(f, 1), 0);
	lumaring_close(ring);
}

/* The event of one way of reading does not lose frames of the other. */
static void test_geometry_between_both_ways(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 1);
	const struct lumaring_frame *frame = NULL;

	publish(f, 1);
	expect_frame_and_release(ring, 1);
	publish(f, 1); /* 2 looks as 1 */
	change_geometry(f, 64);
	publish(f, 1); /* 3 does not */
	assert_int_equal(lumaring_latest(ring, 0, &frame), LUMARING_EVENT_GEOMETRY);
	expect_next(ring, LUMARING_EVENT_GEOMETRY); /* 2 looks different from what was announced */
	expect_frame_and_release(ring, 2);
	expect_next(ring, LUMARING_EVENT_GEOMETRY);
	assert_int_equal(lumaring_latest(ring, 0, &frame), 0);
	assert_int_equal(frame->sequence, 3);
	assert_int_equal(lumaring_release(ring, frame), 0);
	lumaring_close(ring);
}

static void test_source_lost_and_back(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	publish(f, 2);
	fake_set_state(&f->ring, LUMARING_RING_SOURCE_LOST);
	fake_tell_state(f);
	expect_frame_and_release(ring, 1);
	expect_frame_and_release(ring, 2);
	expect_next(ring, LUMARING_EVENT_SOURCE_LOST);
	expect_next(ring, -EAGAIN);
	assert_int_equal(lumaring_info(ring)->state, LUMARING_RING_SOURCE_LOST);
	fake_set_state(&f->ring, LUMARING_RING_PAUSED); /* no frames yet */
	expect_next(ring, -EAGAIN);
	fake_set_state(&f->ring, LUMARING_RING_LIVE);
	fake_lose(&f->ring, LUMARING_LOST_SENSOR, 100);
	publish(f, 1);
	expect_next(ring, LUMARING_EVENT_SOURCE_BACK);
	assert_int_equal(expect_frame(ring, 3)->missed_by[LUMARING_MISSED_SENSOR], 100);
	expect_next(ring, -EAGAIN);
	fake_set_state(&f->ring, LUMARING_RING_SOURCE_LOST); /* once more: told once more */
	expect_next(ring, LUMARING_EVENT_SOURCE_LOST);
	expect_next(ring, -EAGAIN);
	lumaring_close(ring);
}

static void test_closed(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;

	publish(f, 3);
	fake_set_state(&f->ring, LUMARING_RING_CLOSED);
	fake_tell_state(f);
	for (uint64_t sequence = 1; sequence <= 3; sequence++)
		expect_frame_and_release(ring, sequence);
	expect_next(ring, LUMARING_EVENT_CLOSED);
	expect_next(ring, -EAGAIN);
	assert_int_equal(lumaring_next(ring, 20, &frame), -ETIMEDOUT);
	/* The daemon goes away after it: nothing that was not said already. */
	fake_die(f);
	expect_next(ring, -EAGAIN);
	assert_int_equal(lumaring_latest(ring, 20, &frame), -ETIMEDOUT);
	lumaring_close(ring);
}

static void test_opened_after_the_end(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;

	publish(f, 2);
	fake_set_state(&f->ring, LUMARING_RING_CLOSED);
	ring = fake_open(f, LUMARING_OLDEST, 16);
	expect_frame_and_release(ring, 1);
	expect_frame_and_release(ring, 2);
	expect_next(ring, LUMARING_EVENT_CLOSED);
	lumaring_close(ring);
}

static void test_unknown_state_is_ignored(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	f->ring.header->state = 99;
	publish(f, 1);
	expect_frame_and_release(ring, 1);
	expect_next(ring, -EAGAIN);
	lumaring_close(ring);
}

/* Over a replaced ring nothing is lost, and the accounts go on. */
static void test_replaced(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame, *old;

	publish(f, 3);
	old = expect_frame(ring, 1);
	replace(f, 2, true);
	fake_lose(&f->ring, LUMARING_LOST_RECONFIGURE, 2);
	f->ring.generation = 9; /* another generation in another ring is no news */
	publish(f, 1);
	expect_frame_and_release(ring, 2);
	expect_frame_and_release(ring, 3);
	expect_next(ring, LUMARING_EVENT_REPLACED);
	frame = expect_frame(ring, 6);
	assert_int_equal(frame->epoch, FAKE_EPOCH + 1);
	assert_int_equal(frame->missed, 2);
	assert_int_equal(frame->missed_by[LUMARING_MISSED_RECONFIGURE], 2);
	assert_int_equal(lumaring_info(ring)->epoch, FAKE_EPOCH + 1);
	assert_int_equal(lumaring_info(ring)->image_width, 1280);
	assert_int_equal(lumaring_info(ring)->image_height, 960);

	/* The frame of the old ring stays, and so does its cursor. */
	check_pixels(old);
	assert_int_equal(old->pinned, 1);
	assert_int_equal(fake_cursor(f, 0), 1);
	assert_int_equal(fake_cursor(f, 1), 6);
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 1, &old), -ENOENT);
	assert_int_equal(count_maps(), 2 + 3); /* the fake's ring and page; page, old and new ring */
	assert_int_equal(lumaring_release(ring, old), 0);
	assert_int_equal(count_maps(), 2 + 2);
	assert_int_equal(lumaring_release(ring, frame), 0);
	lumaring_close(ring);
}

static void test_replaced_twice(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	publish(f, 1);
	replace(f, 2, true);
	publish(f, 1);
	replace(f, 2, true);
	publish(f, 1);
	expect_frame_and_release(ring, 1);
	for (uint64_t i = 1; i <= 2; i++) {
		expect_next(ring, LUMARING_EVENT_REPLACED);
		assert_int_equal(lumaring_info(ring)->epoch, FAKE_EPOCH + i);
		expect_frame_and_release(ring, i + 1);
	}
	expect_next(ring, -EAGAIN);
	lumaring_close(ring);
}

/* The ring says it before the message with the new one has come. */
static void test_replaced_is_waited_for(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	struct fake_ring next = make_successor(f);
	struct lumaring_replaced m = fake_replaced(f, &next);
	const struct lumaring_frame *frame;

	publish(f, 1);
	fake_set_state(&f->ring, LUMARING_RING_REPLACED);
	expect_frame_and_release(ring, 1);
	expect_next(ring, -EAGAIN);
	assert_int_equal(lumaring_next(ring, 20, &frame), -ETIMEDOUT);
	next.published = next.header->published = 1;
	next.sequence = 1;
	fake_say(f, &m, sizeof(m), &next.fd, 1);
	fake_ring_destroy(&f->ring);
	f->ring = next;
	expect_next(ring, LUMARING_EVENT_REPLACED);
	expect_next(ring, -EAGAIN);
	publish(f, 1);
	expect_frame_and_release(ring, 2);
	lumaring_close(ring);
}

static void test_replaced_then_gone(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	publish(f, 1);
	replace(f, 2, true);
	publish(f, 1);
	fake_die(f);
	expect_frame_and_release(ring, 1);
	expect_next(ring, LUMARING_EVENT_REPLACED);
	expect_frame_and_release(ring, 2);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	lumaring_close(ring);
}

/* The message with the new ring never came. */
static void test_replacement_lost_with_the_daemon(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	publish(f, 1);
	replace(f, 2, false);
	fake_die(f);
	expect_frame_and_release(ring, 1);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	lumaring_close(ring);
}

static void test_more_cursors_with_a_new_ring(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	options.cursors = 8;
	fake_answer_welcome(f)->cursors = 1;
	assert_int_equal(fake_open_with(f, &options, &ring), 0);
	publish(f, 2);
	assert_int_equal(expect_frame(ring, 1)->pinned, 1);
	assert_int_equal(expect_frame(ring, 2)->pinned, 0);
	replace(f, 3, true);
	expect_next(ring, LUMARING_EVENT_REPLACED);
	assert_int_equal(lumaring_info(ring)->cursors, 3);
	publish(f, 3);
	assert_int_equal(expect_frame(ring, 3)->pinned, 1);
	assert_int_equal(expect_frame(ring, 4)->pinned, 1);
	assert_int_equal(expect_frame(ring, 5)->pinned, 0);
	lumaring_close(ring);
}

/* Larger slots: copies find room, also when a buffer of before comes back later. */
static void test_larger_slots(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, LUMARING_COPY, 16);
	struct fake_ring next;
	struct lumaring_replaced m;
	const struct lumaring_frame *old;
	const uint8_t *buffer;

	publish(f, 1);
	old = expect_frame(ring, 1);
	buffer = old->pixels;
	fake_ring_create(&next, FAKE_EPOCH + 1, 65536);
	next.published = next.header->published = next.sequence = 1;
	next.header->width_max = 1024;
	next.header->height_max = 64;
	next.height = 64; /* eight times what the buffers had to hold until now */
	m = fake_replaced(f, &next);
	fake_set_state(&f->ring, LUMARING_RING_REPLACED);
	fake_say(f, &m, sizeof(m), &next.fd, 1);
	fake_ring_destroy(&f->ring);
	f->ring = next;
	expect_next(ring, LUMARING_EVENT_REPLACED);
	check_pixels(old);
	assert_int_equal(lumaring_release(ring, old), 0); /* its small buffer is the first that is looked at now */
	publish(f, 3);
	for (uint64_t sequence = 2; sequence <= 4; sequence++)
		assert_ptr_not_equal(expect_frame(ring, sequence)->pixels, buffer);
	lumaring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_BOTH(test_geometry),
		FAKE_BOTH(test_geometry_then_close),
		FAKE_BOTH(test_geometry_of_the_newest),
		FAKE_BOTH(test_geometry_between_both_ways),
		FAKE_BOTH(test_source_lost_and_back),
		FAKE_BOTH(test_closed),
		FAKE_BOTH(test_opened_after_the_end),
		FAKE_BOTH(test_unknown_state_is_ignored),
		FAKE_BOTH(test_replaced),
		FAKE_BOTH(test_replaced_twice),
		FAKE_BOTH(test_replaced_is_waited_for),
		FAKE_BOTH(test_replaced_then_gone),
		FAKE_BOTH(test_replacement_lost_with_the_daemon),
		FAKE_BOTH(test_more_cursors_with_a_new_ring),
		FAKE_BOTH(test_larger_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
