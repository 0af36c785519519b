/* SPDX-License-Identifier: BSD-2-Clause */
/* test_client_frames.c - next, latest, exact, last: which frames come, in which order, and what is said to be missing.
 */
#include "fake_daemon.h"

static void publish(struct fake *f, unsigned count)
{
	while (count-- > 0)
		fake_publish(&f->ring);
}

static const struct lumaring_frame *latest(struct lumaring *ring)
{
	const struct lumaring_frame *frame = NULL;

	assert_int_equal(lumaring_latest(ring, 0, &frame), 0);
	check_pixels(frame);
	check_account(frame);
	return frame;
}

static void test_every_field(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame;

	expect_next(ring, -EAGAIN);
	fake_publish(&f->ring);
	frame = expect_frame(ring, 1);
	assert_int_equal(frame->width, FAKE_WIDTH);
	assert_int_equal(frame->height, FAKE_HEIGHT);
	assert_int_equal(frame->stride, FAKE_STRIDE);
	assert_int_equal(frame->fourcc, LUMARING_FORMAT_R8);
	assert_int_equal(frame->epoch, FAKE_EPOCH);
	assert_int_equal(frame->publication, 1);
	assert_int_equal(frame->camera_sequence, 501);
	assert_int_equal(frame->sensor_ns, 10);
	assert_int_equal(frame->ready_ns, 11);
	assert_int_equal(frame->publish_ns, 12);
	assert_int_equal(frame->region.x, 8);
	assert_int_equal(frame->region.y, 4);
	assert_int_equal(frame->region.width, FAKE_WIDTH);
	assert_int_equal(frame->region.height, FAKE_HEIGHT);
	assert_int_equal(frame->image_width, 640);
	assert_int_equal(frame->image_height, 480);
	assert_int_equal(frame->bin, 1);
	assert_int_equal(frame->generation, 0);
	assert_int_equal(frame->frame_duration_us, 17857);
	assert_int_equal(frame->exposure_us, 5000);
	assert_int_equal(frame->analogue_gain_milli, 1500);
	assert_int_equal(frame->pinned, 1);
	assert_int_equal(frame->missed, 0);
	assert_int_equal(lumaring_release(ring, frame), 0);
	assert_int_equal(lumaring_info(ring)->published, 1);
	lumaring_close(ring);
}

static void test_next_begins_with_the_next_new_one(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;

	publish(f, 3);
	ring = fake_open(f, 0, 16);
	expect_next(ring, -EAGAIN);
	publish(f, 2);
	expect_frame_and_release(ring, 4);
	expect_frame_and_release(ring, 5);
	expect_next(ring, -EAGAIN);
	lumaring_close(ring);
}

static void test_oldest_begins_with_the_ring(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;

	publish(f, 6); /* four slots: 3 to 6 are there */
	ring = fake_open(f, LUMARING_OLDEST, 16);
	assert_int_equal(expect_frame(ring, 3)->missed, 0); /* the first: nothing is missing */
	for (uint64_t sequence = 4; sequence <= 6; sequence++)
		expect_frame_and_release(ring, sequence);
	expect_next(ring, -EAGAIN);
	lumaring_close(ring);
}

static void test_next_skips_what_is_gone(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame;

	publish(f, 1);
	expect_frame_and_release(ring, 1);
	publish(f, 5); /* 2 is overwritten, its entry in the order table is not */
	frame = expect_frame(ring, 3);
	assert_int_equal(frame->missed, 1);
	assert_int_equal(frame->missed_by[LUMARING_MISSED_SKIPPED], 1);
	lumaring_release(ring, frame);
	publish(f, 100); /* far beyond the order table */
	frame = expect_frame(ring, 103);
	assert_int_equal(frame->missed, 99);
	assert_int_equal(frame->missed_by[LUMARING_MISSED_SKIPPED], 99);
	lumaring_release(ring, frame);
	expect_frame_and_release(ring, 104);
	lumaring_close(ring);
}

static void test_slot_in_writing_is_gone(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	publish(f, 4);
	fake_set_word(&f->ring, 1, 5, LUMARING_STATE_WRITING);
	expect_frame_and_release(ring, 1);
	expect_frame_and_release(ring, 3);
	/* The newest is being written: nothing newer is there, and the call does not turn in circles. */
	fake_set_word(&f->ring, 3, 6, LUMARING_STATE_WRITING);
	expect_next(ring, -EAGAIN);
	lumaring_close(ring);
}

static void test_every_cause_is_told(void **state)
{
	static const enum lumaring_lost causes[] = {
		LUMARING_LOST_UNREAD,    LUMARING_LOST_NO_SLOT, LUMARING_LOST_COPY_LATE, LUMARING_LOST_RECONFIGURE,
		LUMARING_LOST_ERROR,     (enum lumaring_lost)7, LUMARING_LOST_SENSOR,    LUMARING_LOST_CAMERA,
		LUMARING_LOST_CANCELLED, LUMARING_LOST_STARTUP, (enum lumaring_lost)15
	};
	struct fake *f = *state;
	struct lumaring *ring;
	const struct lumaring_frame *frame;
	uint64_t sequenced = 0;

	/* What was lost before the first frame is not this handle's. */
	fake_lose(&f->ring, LUMARING_LOST_STARTUP, 3);
	fake_lose(&f->ring, LUMARING_LOST_UNREAD, 5);
	publish(f, 1);
	ring = fake_open(f, LUMARING_OLDEST, 16);
	frame = expect_frame(ring, 6);
	assert_int_equal(frame->missed, 0);
	for (unsigned c = 0; c < LUMARING_MISSED_CAUSES; c++)
		assert_int_equal(frame->missed_by[c], 0);
	lumaring_release(ring, frame);

	for (unsigned i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		fake_lose(&f->ring, causes[i], i + 1);
		sequenced += causes[i] < LUMARING_LOST_SEQUENCED ? i + 1 : 0;
	}
	publish(f, 5); /* one of them too many for this reader */
	frame = expect_frame(ring, 6 + sequenced + 2);
	assert_int_equal(frame->missed, sequenced + 1);
	for (unsigned i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		assert_int_equal(frame->missed_by[causes[i]], i + 1);
	assert_int_equal(frame->missed_by[5] | frame->missed_by[6] | frame->missed_by[12], 0);
	assert_int_equal(frame->missed_by[LUMARING_MISSED_SKIPPED], 1);
	lumaring_release(ring, frame);
	assert_int_equal(expect_frame(ring, 6 + sequenced + 3)->missed, 0);
	lumaring_close(ring);
}

static void test_latest(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;
	const struct lumaring_frame *frame;

	publish(f, 2);
	ring = fake_open(f, 0, 16);
	assert_int_equal(lumaring_latest(ring, 0, &frame), -EAGAIN); /* both are from before this reader's time */
	publish(f, 3);
	frame = latest(ring);
	assert_int_equal(frame->sequence, 5);
	assert_int_equal(frame->missed, 0);
	lumaring_release(ring, frame);
	assert_int_equal(lumaring_latest(ring, 0, &frame), -EAGAIN);
	publish(f, 7);
	frame = latest(ring);
	assert_int_equal(frame->sequence, 12);
	assert_int_equal(frame->missed, 6);
	assert_int_equal(frame->missed_by[LUMARING_MISSED_SKIPPED], 6);
	lumaring_release(ring, frame);
	/* Both ways of reading share one position. */
	expect_next(ring, -EAGAIN);
	publish(f, 2);
	expect_frame_and_release(ring, 13);
	assert_int_equal(latest(ring)->sequence, 14);
	expect_next(ring, -EAGAIN);
	lumaring_close(ring);
}

static void test_latest_with_oldest(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;

	publish(f, 2);
	ring = fake_open(f, LUMARING_OLDEST, 16);
	assert_int_equal(latest(ring)->sequence, 2);
	expect_next(ring, -EAGAIN);
	lumaring_close(ring);
}

static void test_exact(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;

	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 0, &frame), -ENOENT); /* no slot was written yet */
	fake_lose(&f->ring, LUMARING_LOST_UNREAD, 10);
	publish(f, 6);
	expect_frame_and_release(ring, 13);
	for (uint64_t sequence = 13; sequence <= 16; sequence++) {
		assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, sequence, &frame), 0);
		assert_int_equal(frame->sequence, sequence);
		assert_int_equal(frame->publication, sequence - 10);
		assert_int_equal(frame->missed, 0);
		check_pixels(frame);
		assert_int_equal(lumaring_release(ring, frame), 0);
	}
	frame = NULL;
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 12, &frame), -ENOENT);
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 17, &frame), -ENOENT);
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 5, &frame), -ENOENT); /* lost */
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH + 1, 13, &frame), -ENOENT);
	assert_non_null(strstr(lumaring_error_text(ring), "frame 13 of epoch 1001"));
	fake_set_word(&f->ring, 2, 19, LUMARING_STATE_WRITING);
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 19, &frame), -ENOENT);
	assert_null(frame);
	expect_frame_and_release(ring, 14); /* the order is as if nothing had been asked for */
	lumaring_close(ring);
}

static void test_last(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frames[16];
	unsigned count = 77;

	assert_int_equal(lumaring_last(ring, 0, frames, &count), -EINVAL);
	assert_int_equal(count, 77);
	assert_int_equal(lumaring_last(ring, 3, frames, &count), 0);
	assert_int_equal(count, 0);
	publish(f, 2);
	assert_int_equal(lumaring_last(ring, 3, frames, &count), 0);
	assert_int_equal(count, 2);
	lumaring_release(ring, frames[0]);
	lumaring_release(ring, frames[1]);

	fake_lose(&f->ring, LUMARING_LOST_COPY_LATE, 2);
	publish(f, 3); /* 5 6 7 */
	assert_int_equal(lumaring_last(ring, 16, frames, &count), 0);
	assert_int_equal(count, 4);
	for (unsigned i = 0; i < 4; i++) {
		static const uint64_t sequences[] = { 2, 5, 6, 7 };

		assert_int_equal(frames[i]->sequence, sequences[i]);
		assert_int_equal(frames[i]->pinned, i >= 2); /* the newest two hold the cursors */
		assert_int_equal(frames[i]->missed, i == 1 ? 2 : 0);
		check_pixels(frames[i]);
		check_account(frames[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(lumaring_release(ring, frames[i]), 0);
	assert_int_equal(lumaring_last(ring, 1, frames, &count), 0);
	assert_int_equal(frames[0]->sequence, 7);
	lumaring_release(ring, frames[0]);
	expect_frame_and_release(ring, 2); /* the order is as if nothing had been asked for */
	lumaring_close(ring);
}

static void test_frames_max(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 3);
	const struct lumaring_frame *held[3], *frame = NULL;
	unsigned count = 77;

	publish(f, 4);
	held[0] = expect_frame(ring, 1);
	held[1] = expect_frame(ring, 2);
	assert_int_equal(lumaring_last(ring, 2, &frame, &count), -ENOBUFS);
	held[2] = expect_frame(ring, 3);
	expect_next(ring, -ENOBUFS);
	assert_non_null(strstr(lumaring_error_text(ring), "frames_max is 3"));
	assert_int_equal(lumaring_latest(ring, -1, &frame), -ENOBUFS);
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 4, &frame), -ENOBUFS);
	assert_int_equal(lumaring_last(ring, 1, &frame, &count), -ENOBUFS);
	assert_null(frame);
	assert_int_equal(count, 77);
	for (int i = 0; i < 3; i++) {
		check_pixels(held[i]);
		assert_int_equal(lumaring_release(ring, held[i]), 0);
	}
	expect_frame_and_release(ring, 4);
	lumaring_close(ring);
}

static void test_release_checks_its_argument(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 2);
	const struct lumaring_frame *frame;
	struct lumaring_frame copy;

	publish(f, 2);
	frame = expect_frame(ring, 1);
	copy = *frame;
	assert_int_equal(lumaring_release(ring, NULL), 0);
	assert_int_equal(lumaring_release(ring, &copy), -EINVAL);
	assert_int_equal(lumaring_release(ring, (const void *)((const char *)frame + 8)), -EINVAL);
	assert_int_equal(lumaring_release(ring, frame), 0);
	assert_int_equal(lumaring_release(ring, frame), -EINVAL); /* twice */
	expect_frame_and_release(ring, 2);
	lumaring_close(ring);
}

static void test_close_gives_back_what_is_held(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	publish(f, 3);
	for (uint64_t sequence = 1; sequence <= 3; sequence++)
		expect_frame(ring, sequence); /* two pinned, one copied */
	assert_int_equal(fake_cursor(f, 0), 1);
	assert_int_equal(fake_cursor(f, 1), 2);
	lumaring_close(ring);
	assert_int_equal(fake_cursor(f, 0) | fake_cursor(f, 1), 0);
}

static void test_sixteen_bits(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	uint32_t slot;

	for (int copied = 0; copied <= 1; copied++) {
		f->ring.width = 50;
		slot = fake_publish(&f->ring);
		fake_descriptor(&f->ring, slot)->fourcc = LUMARING_FORMAT_R16;
		assert_int_equal(lumaring_next(ring, 0, &frame), 0);
		assert_int_equal(frame->fourcc, LUMARING_FORMAT_R16);
		assert_int_equal(frame->width, 50);
		assert_memory_equal(frame->pixels, fake_pixels(&f->ring, slot),
				    (FAKE_HEIGHT - 1) * FAKE_STRIDE +
					    50); /* the rest is no part of the fake's picture */
		if (copied)
			assert_int_equal(frame->pinned, 0);
		expect_next(ring, -EAGAIN);
		fake_publish(&f->ring);
		expect_frame(ring, f->ring.sequence); /* kept: it holds the other cursor */
	}
	lumaring_close(ring);
}

static void test_binned(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	struct lumaring_descriptor *d = fake_descriptor(&f->ring, fake_publish(&f->ring));

	d->bin = 2;
	d->region_width = 2 * FAKE_WIDTH + 1; /* the odd column is in no pixel */
	d->region_height = 2 * FAKE_HEIGHT;
	assert_int_equal(lumaring_next(ring, 0, &frame), 0);
	assert_int_equal(frame->bin, 2);
	assert_int_equal(frame->region.width, 2 * FAKE_WIDTH + 1);
	lumaring_close(ring);
}

static void expect_account(const struct fake *f, uint64_t seen, uint64_t missed, uint64_t copied, uint64_t publication)
{
	const struct lumaring_account *account = &f->page->account;

	assert_int_equal(account->seen, seen);
	assert_int_equal(account->missed, missed);
	assert_int_equal(account->copied, copied);
	assert_int_equal(account->publication, publication);
}

/* The library says in the page what became of the frames, for the daemon's status. */
static void test_account_in_the_page(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *held[3], *frame = NULL;
	unsigned count = 0;

	expect_account(f, 0, 0, 0, 0);
	publish(f, 1);
	expect_frame_and_release(ring, 1);
	expect_account(f, 1, 0, 0, 1);
	fake_lose(&f->ring, LUMARING_LOST_COPY_LATE, 4);
	publish(f, 3); /* 6 7 8 */
	for (unsigned i = 0; i < 3; i++)
		held[i] = expect_frame(ring, 6 + i); /* two cursors, so the third is a copy */
	expect_account(f, 4, 4, 1, 4);
	for (unsigned i = 0; i < 3; i++)
		lumaring_release(ring, held[i]);
	fake_lose(&f->ring, LUMARING_LOST_SENSOR, 100); /* without a sequence */
	publish(f, 2);
	lumaring_release(ring, latest(ring));
	expect_account(f, 5, 5, 1, 6);
	/* What was asked for by number is no part of it. */
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 9, &frame), 0);
	lumaring_release(ring, frame);
	assert_int_equal(lumaring_last(ring, 1, &frame, &count), 0);
	expect_account(f, 5, 5, 1, 6);
	lumaring_close(ring);
	memset(&f->page->account, 0, sizeof(f->page->account));
	ring = fake_open(f, LUMARING_COPY, 16); /* wants no cursor, so lacks none */
	publish(f, 1);
	expect_frame_and_release(ring, 11);
	expect_account(f, 1, 0, 0, 7);
	lumaring_close(ring);
}

static void test_no_account_in_the_page(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	const struct lumaring_client_page before = *f->page;
	struct lumaring *ring;

	fake_answer_welcome(f)->account_offset = 0;
	assert_int_equal(fake_open_with(f, &options, &ring), 0);
	publish(f, 1);
	expect_frame_and_release(ring, 1);
	assert_memory_equal(f->page, &before, sizeof(before));
	lumaring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_BOTH(test_every_field),
		FAKE_BOTH(test_next_begins_with_the_next_new_one),
		FAKE_BOTH(test_oldest_begins_with_the_ring),
		FAKE_BOTH(test_next_skips_what_is_gone),
		FAKE_BOTH(test_slot_in_writing_is_gone),
		FAKE_BOTH(test_every_cause_is_told),
		FAKE_BOTH(test_latest),
		FAKE_BOTH(test_latest_with_oldest),
		FAKE_BOTH(test_exact),
		FAKE_BOTH(test_last),
		FAKE_BOTH(test_frames_max),
		FAKE_BOTH(test_release_checks_its_argument),
		FAKE_BOTH(test_close_gives_back_what_is_held),
		FAKE_BOTH(test_sixteen_bits),
		FAKE_BOTH(test_binned),
		FAKE_BOTH(test_account_in_the_page),
		FAKE_BOTH(test_no_account_in_the_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
