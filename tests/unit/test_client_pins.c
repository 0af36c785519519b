/* SPDX-License-Identifier: BSD-2-Clause */
/* test_client_pins.c - cursors: when they are stored and cleared, what a pin survives, and what release says. */
#include "fake_daemon.h"

static struct lumaring *open_with_cursors(struct fake *f, uint32_t wanted, uint32_t granted)
{
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	options.cursors = wanted;
	fake_answer_welcome(f)->cursors = granted;
	assert_int_equal(fake_open_with(f, &options, &ring), 0);
	return ring;
}

static void publish(struct fake *f, unsigned count)
{
	while (count-- > 0)
		fake_publish(&f->ring);
}

static void test_cursor_holds_the_sequence(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *first, *second, *third, *fourth;

	fake_lose(&f->ring, LUMARING_LOST_UNREAD, 40);
	publish(f, 4);
	first = expect_frame(ring, 41);
	second = expect_frame(ring, 42);
	third = expect_frame(ring, 43);
	assert_int_equal(first->pinned, 1);
	assert_int_equal(second->pinned, 1);
	assert_int_equal(third->pinned, 0);
	assert_int_equal(fake_cursor(f, 0), 41);
	assert_int_equal(fake_cursor(f, 1), 42);
	assert_int_equal(lumaring_release(ring, first), 0);
	assert_int_equal(fake_cursor(f, 0), 0);
	fourth = expect_frame(ring, 44); /* in the cursor that became free */
	assert_int_equal(fourth->pinned, 1);
	assert_int_equal(fake_cursor(f, 0), 44);
	assert_int_equal(fake_cursor(f, 1), 42);
	assert_int_equal(lumaring_release(ring, second), 0);
	assert_int_equal(lumaring_release(ring, third), 0);
	assert_int_equal(lumaring_release(ring, fourth), 0);
	assert_int_equal(fake_cursor(f, 0) | fake_cursor(f, 1), 0);
	lumaring_close(ring);
}

static void test_grants(void **state)
{
	static const struct {
		uint32_t wanted, granted, used;
	} rows[] = { { 8, 8, 8 }, { 8, 3, 3 }, { 1, 2, 1 }, { 2, 0, 0 }, { 0, 2, 0 } };
	struct fake *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lumaring *ring = open_with_cursors(f, rows[i].wanted, rows[i].granted);
		const struct lumaring_frame *frame = NULL;

		assert_int_equal(f->hello.cursors, rows[i].wanted);
		assert_int_equal(lumaring_info(ring)->cursors, rows[i].used);
		publish(f, 1);
		for (uint32_t n = 0; n < 10; n++) {
			assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, f->ring.sequence, &frame), 0);
			assert_int_equal(frame->pinned, n < rows[i].used);
		}
		for (uint32_t n = 0; n < LUMARING_CURSORS_MAX; n++)
			assert_int_equal(fake_cursor(f, n), n < rows[i].used ? f->ring.sequence : 0);
		lumaring_close(ring);
		fake_hang_up(f);
	}
}

static void test_other_page_layout(void **state)
{
	struct fake *f = *state;
	struct lumaring_welcome *w = fake_answer_welcome(f);
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;
	const uint64_t *page = (const void *)f->page;

	w->cursor_offset = 2048;
	w->cursor_stride = 256;
	assert_int_equal(fake_open_with(f, &options, &ring), 0);
	publish(f, 2);
	expect_frame(ring, 1);
	expect_frame(ring, 2);
	assert_int_equal(page[2048 / 8], 1);
	assert_int_equal(page[(2048 + 256) / 8], 2);
	lumaring_close(ring);
}

static void test_release_tells_the_truth(void **state)
{
	static const struct {
		uint64_t sequence;
		unsigned state;
		int result;
	} rows[] = {
		{ 1, LUMARING_STATE_LIVE, 0 },
		{ 1, LUMARING_STATE_RETIRING, 0 },
		{ 1, LUMARING_STATE_WRITING, -ESTALE },
		{ 9, LUMARING_STATE_LIVE, -ESTALE },
		{ 9, LUMARING_STATE_RETIRING, -ESTALE },
		{ 9, LUMARING_STATE_WRITING, -ESTALE },
		{ 1, 3, -ESTALE },
		{ 0, LUMARING_STATE_WRITING, -ESTALE },
	};
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame;

	publish(f, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_set_word(&f->ring, 0, 1, LUMARING_STATE_LIVE);
		assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 1, &frame), 0);
		assert_int_equal(frame->pinned, 1);
		fake_set_word(&f->ring, 0, rows[i].sequence, rows[i].state);
		assert_int_equal(lumaring_release(ring, frame), rows[i].result);
		assert_int_equal(fake_cursor(f, 0), 0);
	}
	lumaring_close(ring);
}

static void test_slot_that_went_on_to_another_frame(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	publish(f, 2);
	/* As if the writer came by between the order table and the word: the slot is live with another publication. */
	fake_descriptor(&f->ring, 0)->publication = 5;
	fake_set_word(&f->ring, 0, 5, LUMARING_STATE_LIVE);
	expect_frame_and_release(ring, 2);
	assert_int_equal(fake_cursor(f, 0) | fake_cursor(f, 1), 0);
	lumaring_close(ring);
}

static void test_retiring_for_ever_gives_a_copy(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame;

	publish(f, 1);
	fake_set_word(&f->ring, 0, 1, LUMARING_STATE_RETIRING);
	frame = expect_frame(ring, 1);
	assert_int_equal(frame->pinned, 0);
	assert_int_equal(fake_cursor(f, 0) | fake_cursor(f, 1), 0);
	assert_int_equal(lumaring_release(ring, frame), 0);
	lumaring_close(ring);
}

/* The writer's side of a scan: as soon as a cursor names the candidate, it is set back. */
struct scan {
	struct fake *f;
	uint32_t slot;
	unsigned end_state; /* what becomes of the candidate */
	bool stop;
};

static void *scan_thread(void *argument)
{
	struct scan *s = argument;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) { /* pairs with the store in run_scan() */
		uint64_t word = __atomic_load_n(&fake_descriptor(&s->f->ring, s->slot)->word, __ATOMIC_SEQ_CST);

		if (lumaring_word_state(word) == LUMARING_STATE_RETIRING &&
		    fake_cursor(s->f, 0) == lumaring_word_sequence(word))
			fake_set_word(&s->f->ring, s->slot, lumaring_word_sequence(word), s->end_state);
	}
	return NULL;
}

/* Ask for a frame that is RETIRING until the cursor was seen, until that was once decided within the pin's patience. */
static void run_scan(struct fake *f, struct lumaring *ring, unsigned end_state)
{
	struct scan scan = { .f = f, .end_state = end_state };
	const struct lumaring_frame *frame = NULL;
	pthread_t thread;
	bool decided = false;
	int r;

	publish(f, 1);
	scan.slot = (f->ring.next_slot + FAKE_SLOTS - 1) % FAKE_SLOTS;
	assert_int_equal(pthread_create(&thread, NULL, scan_thread, &scan), 0);
	for (int i = 0; i < 100000 && !decided; i++) {
		fake_set_word(&f->ring, scan.slot, f->ring.sequence, LUMARING_STATE_RETIRING);
		r = lumaring_exact(ring, FAKE_EPOCH, f->ring.sequence, &frame);
		if (r == 0) {
			check_pixels(frame);
			decided = end_state == LUMARING_STATE_LIVE && frame->pinned;
			if (decided)
				assert_int_equal(fake_cursor(f, 0), f->ring.sequence);
			/* A copy is as good: its state was RETIRING all the time. */
			assert_int_equal(lumaring_release(ring, frame), 0);
		} else {
			assert_int_equal(r, -ENOENT);
			assert_int_equal(end_state, LUMARING_STATE_WRITING);
			decided = true;
		}
		assert_int_equal(fake_cursor(f, 0), 0);
	}
	__atomic_store_n(&scan.stop, true, __ATOMIC_RELEASE); /* pairs with the load in scan_thread() */
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(decided);
}

static void test_retiring_is_waited_for(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = open_with_cursors(f, 1, 1);

	run_scan(f, ring, LUMARING_STATE_LIVE);
	run_scan(f, ring, LUMARING_STATE_WRITING);
	lumaring_close(ring);
}

/* The daemon honours cursors while the connection stands: it stands as long as a frame is pinned through it. */
static void test_socket_stays_while_pinned(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame;
	const struct lumaring_message nonsense = { .type = LUMARING_MESSAGE_HELLO, .size = sizeof(nonsense) };

	publish(f, 1);
	frame = expect_frame(ring, 1);
	fake_send(f->socket, &nonsense, sizeof(nonsense), NULL, 0);
	expect_next(ring, -EBADMSG);
	assert_int_equal(lumaring_info(ring)->connected, 0);
	assert_false(is_readable(f->socket)); /* no end */
	assert_int_equal(fake_cursor(f, 0), 1);
	check_pixels(frame);
	assert_int_equal(lumaring_release(ring, frame), 0);
	assert_true(is_readable(f->socket));
	assert_int_equal(fake_cursor(f, 0), 0);
	lumaring_close(ring);
}

static void test_pinned_frame_outlives_the_daemon(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *pinned, *copied;

	publish(f, 2);
	pinned = expect_frame(ring, 1);
	fake_die(f);
	expect_frame_and_release(ring, 2); /* what is in the ring comes first */
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	check_pixels(pinned);
	assert_int_equal(lumaring_release(ring, pinned), 0);
	/* Nobody looks at the cursors any more: what is read now is copied. */
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 2, &copied), 0);
	assert_int_equal(copied->pinned, 0);
	assert_int_equal(lumaring_release(ring, copied), 0);
	lumaring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_BOTH(test_cursor_holds_the_sequence),
		FAKE_BOTH(test_grants),
		FAKE_BOTH(test_other_page_layout),
		FAKE_BOTH(test_release_tells_the_truth),
		FAKE_BOTH(test_slot_that_went_on_to_another_frame),
		FAKE_BOTH(test_retiring_for_ever_gives_a_copy),
		FAKE_BOTH(test_retiring_is_waited_for),
		FAKE_BOTH(test_socket_stays_while_pinned),
		FAKE_BOTH(test_pinned_frame_outlives_the_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
