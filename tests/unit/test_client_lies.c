/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_lies.c - a ring and a daemon that make no sense while they are in use: descriptors, words, the order
 * table, messages. Each lie is -EBADMSG, drops the connection, touches no frame that is held, and the next calls begin
 * anew.
 */
#include "fake_daemon.h"

#define AT(field) #field, offsetof(struct lumaring_descriptor, field)

static const struct {
	const char *name;
	size_t offset;
	uint32_t value;
	int result;
} rows[] = {
	{ AT(fourcc), 0, -EBADMSG },
	{ AT(fourcc), LUMARING_FOURCC('R', '8', ' ', 'x'), -EBADMSG },
	{ AT(fourcc), LUMARING_FORMAT_R16, -EBADMSG }, /* 100 pixels of two bytes in a stride of 128 */
	{ AT(width), 0, -EBADMSG },
	{ AT(width), FAKE_WIDTH + 1, -EBADMSG },          /* more than the region it comes from */
	{ AT(width), FAKE_SLOT_BYTES / 8 + 1, -EBADMSG }, /* more than the capacity */
	{ AT(width), UINT32_MAX, -EBADMSG },
	{ AT(height), 0, -EBADMSG },
	{ AT(height), 9, -EBADMSG },
	{ AT(height), UINT32_MAX, -EBADMSG },
	{ AT(stride), 0, -EBADMSG },
	{ AT(stride), FAKE_WIDTH - 1, -EBADMSG },
	{ AT(stride), FAKE_SLOT_BYTES / FAKE_HEIGHT, 0 },
	{ AT(stride), FAKE_SLOT_BYTES / FAKE_HEIGHT + 1, -EBADMSG }, /* the last row ends beyond the slot */
	{ AT(stride), UINT32_MAX, -EBADMSG },
	{ AT(stride), UINT32_MAX / FAKE_HEIGHT + 1, -EBADMSG }, /* times the height it is small in 32 bits */
	{ AT(bin), 0, -EBADMSG },
	{ AT(bin), 2, -EBADMSG }, /* the region is not twice as large */
	{ AT(bin), 3, -EBADMSG },
	{ AT(bin), UINT32_MAX, -EBADMSG },
	{ AT(region_x), 640 - FAKE_WIDTH, 0 },
	{ AT(region_x), 640 - FAKE_WIDTH + 1, -EBADMSG },
	{ AT(region_x), UINT32_MAX, -EBADMSG }, /* plus the width it is small in 32 bits */
	{ AT(region_y), 480 - FAKE_HEIGHT, 0 },
	{ AT(region_y), 480 - FAKE_HEIGHT + 1, -EBADMSG },
	{ AT(region_y), UINT32_MAX, -EBADMSG },
	{ AT(region_width), FAKE_WIDTH - 1, -EBADMSG },
	{ AT(region_width), FAKE_WIDTH + 1, -EBADMSG },
	{ AT(region_height), FAKE_HEIGHT - 1, -EBADMSG },
	{ AT(region_height), FAKE_HEIGHT + 1, -EBADMSG },
	{ AT(image_width), 8 + FAKE_WIDTH, 0 },
	{ AT(image_width), 8 + FAKE_WIDTH - 1, -EBADMSG },
	{ AT(image_width), 65535, 0 },
	{ AT(image_width), 65536, -EBADMSG },
	{ AT(image_height), 4 + FAKE_HEIGHT - 1, -EBADMSG },
	{ AT(image_height), 65536, -EBADMSG },
	/* What a reader must not mind. */
	{ AT(sensor_ns), UINT32_MAX, 0 },
	{ AT(ready_ns), UINT32_MAX, 0 },
	{ AT(publish_ns), 0, 0 },
	{ AT(camera_sequence), 0, 0 },
	{ AT(frame_duration_us), UINT32_MAX, 0 },
	{ AT(exposure_us), UINT32_MAX, 0 },
	{ AT(analogue_gain_milli), UINT32_MAX, 0 },
	{ AT(flags), UINT32_MAX, 0 },
	{ AT(reserved), UINT32_MAX, 0 },
};

static void each_descriptor_field(struct fake *f, uint32_t flags)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lumaring *ring = fake_open(f, flags, 16);
		const struct lumaring_frame *frame = NULL;
		const uint32_t slot = fake_publish(&f->ring);
		int r;

		memcpy((char *)fake_descriptor(&f->ring, slot) + rows[i].offset, &rows[i].value, 4);
		r = lumaring_next(ring, 0, &frame);
		if (r != rows[i].result)
			fail_msg("%s = %u: %d (%s)", rows[i].name, rows[i].value, r, lumaring_error_text(ring));
		assert_int_equal(fake_cursor(f, 0), r == 0 && !(flags & LUMARING_COPY) ? f->ring.sequence : 0);
		if (r < 0) {
			assert_null(frame);
			assert_true(strlen(lumaring_error_text(ring)) > 20);
			assert_int_equal(lumaring_info(ring)->connected, 0);
		}
		lumaring_close(ring);
		fake_hang_up(f);
		*fake_descriptor(&f->ring, slot) = (struct lumaring_descriptor){ 0 };
	}
}

static void test_descriptors_pinned(void **state)
{
	each_descriptor_field(*state, 0);
}

static void test_descriptors_copied(void **state)
{
	each_descriptor_field(*state, LUMARING_COPY);
}

static void test_exact_and_last_see_lies(void **state)
{
	struct fake *f = *state;
	const struct lumaring_frame *frames[4] = { NULL };
	struct lumaring *ring;
	unsigned count = 77;

	for (int last = 0; last <= 1; last++) {
		ring = fake_open(f, 0, 16);
		fake_publish(&f->ring);
		fake_descriptor(&f->ring, fake_publish(&f->ring))->width = 0;
		fake_publish(&f->ring);
		assert_int_equal(last ? lumaring_last(ring, 4, frames, &count)
				      : lumaring_exact(ring, FAKE_EPOCH, f->ring.sequence - 1, frames),
				 -EBADMSG);
		assert_null(frames[0]);
		assert_int_equal(count, 77);
		/* Also the good ones taken before the lie are given back, and the ring is not looked at again. */
		assert_int_equal(fake_cursor(f, 0) | fake_cursor(f, 1), 0);
		assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, f->ring.sequence, frames), -ENOENT);
		assert_int_equal(lumaring_last(ring, 4, frames, &count), 0);
		assert_int_equal(count, 0);
		count = 77;
		lumaring_close(ring);
		fake_hang_up(f);
		for (uint32_t slot = 0; slot < FAKE_SLOTS; slot++)
			fake_set_word(&f->ring, slot, 0, LUMARING_STATE_WRITING);
	}
}

/* The frame that waits behind an event goes with the ring it lies in. */
static void test_lie_while_a_frame_waits(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame;

	fake_publish(&f->ring);
	expect_frame_and_release(ring, 1);
	f->ring.generation++;
	fake_publish(&f->ring);
	expect_next(ring, LUMARING_EVENT_GEOMETRY);
	fake_set_word(&f->ring, 3, 9, 3);
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 99, &frame), -EBADMSG);
	assert_int_equal(fake_cursor(f, 0) | fake_cursor(f, 1), 0);
	assert_true(is_readable(f->socket)); /* the end: nothing keeps the connection open */
	lumaring_close(ring);
}

static void expect_lie(struct fake *f, struct lumaring *ring, const char *text)
{
	expect_next(ring, -EBADMSG);
	if (!strstr(lumaring_error_text(ring), text))
		fail_msg("\"%s\" does not say \"%s\"", lumaring_error_text(ring), text);
	lumaring_close(ring);
	fake_hang_up(f);
}

static void test_words_and_order(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	uint32_t slot = fake_publish(&f->ring);

	fake_set_word(&f->ring, slot, f->ring.sequence, 3);
	expect_lie(f, ring, "no sequence and state");

	ring = fake_open(f, 0, 16);
	slot = fake_publish(&f->ring);
	fake_set_word(&f->ring, slot, 0, LUMARING_STATE_LIVE);
	expect_lie(f, ring, "no sequence and state");

	ring = fake_open(f, 0, 16);
	fake_publish(&f->ring);
	fake_order(&f->ring)[f->ring.published % FAKE_ORDER] = lumaring_order_entry(f->ring.published, FAKE_SLOTS);
	expect_lie(f, ring, "in slot 4 of 4");

	ring = fake_open(f, 0, 16);
	f->ring.header->published = UINT64_C(1) << 48;
	expect_lie(f, ring, "less than 2^48");
	f->ring.header->published = f->ring.published;

	/* As large as it may be, with nothing behind it: a bounded search. */
	ring = fake_open(f, 0, 16);
	f->ring.header->published = (UINT64_C(1) << 48) - 1;
	expect_next(ring, -EAGAIN);
	f->ring.header->published = 0; /* back to the beginning: nothing newer */
	expect_next(ring, -EAGAIN);
	lumaring_close(ring);
}

static void test_numbers_that_fall(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	f->ring.sequence = 10;
	fake_lose(&f->ring, LUMARING_LOST_SENSOR, 3);
	fake_publish(&f->ring);
	expect_frame_and_release(ring, 11);
	f->ring.sequence = 10; /* 11 again */
	fake_publish(&f->ring);
	expect_lie(f, ring, "sequence 11 of publication 2 follows 11");

	ring = fake_open(f, 0, 16);
	fake_publish(&f->ring);
	expect_frame_and_release(ring, 12);
	f->ring.lost[LUMARING_LOST_SENSOR] = 2;
	fake_publish(&f->ring);
	expect_lie(f, ring, "lost[8] at byte 192 fell from 3 to 2");
}

/* After a lie: what is held stays, and the next calls begin anew with a new connection. */
static void test_begins_anew(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *held[2], *frame = NULL;

	fake_publish(&f->ring);
	fake_publish(&f->ring);
	held[0] = expect_frame(ring, 1);
	held[1] = expect_frame(ring, 2);
	fake_descriptor(&f->ring, fake_publish(&f->ring))->bin = 7;
	expect_next(ring, -EBADMSG);

	fake_answer_welcome(f);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
	assert_int_equal(lumaring_next(ring, FAKE_WAIT_MS, &frame), LUMARING_EVENT_RESTARTED);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	expect_next(ring, -EAGAIN);
	fake_publish(&f->ring);
	assert_int_equal(expect_frame(ring, 4)->missed, 0);
	for (int i = 0; i < 2; i++) {
		check_pixels(held[i]);
		assert_int_equal(lumaring_release(ring, held[i]), 0);
	}
	lumaring_close(ring);
}

/* --- messages on a connection that is up --- */

struct bad_message {
	size_t bytes, size;
	uint16_t type;
	unsigned fds;
	const char *text;
};

static void expect_bad_message(struct fake *f, struct fake_ring *next, const struct bad_message *bad)
{
	const int fds[] = { next->fd, next->fd, next->fd, next->fd, next->fd, next->fd };
	struct lumaring *ring = fake_open(f, 0, 16);
	const unsigned open_fds = count_fds();
	const struct lumaring_replaced m = fake_replaced(f, next);
	uint8_t bytes[600] = { 0 };

	memcpy(bytes, &m, sizeof(m));
	((struct lumaring_message *)bytes)->type = bad->type;
	((struct lumaring_message *)bytes)->size = (uint16_t)bad->size;
	fake_send(f->socket, bytes, bad->bytes, fds, bad->fds);
	expect_next(ring, -EBADMSG);
	if (!strstr(lumaring_error_text(ring), bad->text))
		fail_msg("\"%s\" does not say \"%s\"", lumaring_error_text(ring), bad->text);
	assert_int_equal(count_fds(), open_fds - 1); /* the socket */
	lumaring_close(ring);
	fake_hang_up(f);
}

static void test_bad_messages(void **state)
{
	static const struct bad_message messages[] = {
		{ 4, 4, LUMARING_MESSAGE_NOTICE, 0, "4 bytes" },
		{ 63, 63, LUMARING_MESSAGE_NOTICE, 0, "64 is the least" },
		{ 64, 63, LUMARING_MESSAGE_NOTICE, 0, "says 63" },
		{ 23, 23, LUMARING_MESSAGE_STATE, 0, "24 is the least" },
		{ 513, 513, LUMARING_MESSAGE_STATE, 0, "more than 512" },
		{ 80, 80, LUMARING_MESSAGE_HELLO, 0, "after its welcome" },
		{ 112, 112, LUMARING_MESSAGE_WELCOME, 2, "after its welcome" },
		{ 47, 47, LUMARING_MESSAGE_REPLACED, 1, "48 is the least" },
		{ 48, 48, LUMARING_MESSAGE_REPLACED, 0, "0 descriptors, not 1" },
		{ 48, 48, LUMARING_MESSAGE_REPLACED, 2, "2 descriptors, not 1" },
	};
	struct fake_ring next;

	fake_ring_create(&next, FAKE_EPOCH + 1, FAKE_SLOT_BYTES);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		expect_bad_message(*state, &next, &messages[i]);
	fake_ring_destroy(&next);
}

static void test_more_descriptors_than_room(void **state)
{
	static const struct bad_message six = { 48, 48, LUMARING_MESSAGE_REPLACED, 6, "descriptors, not 1" };
	struct fake_ring next;

	need_kernel_that_cuts_descriptors();
	fake_ring_create(&next, FAKE_EPOCH + 1, FAKE_SLOT_BYTES);
	expect_bad_message(*state, &next, &six);
	fake_ring_destroy(&next);
}

static void test_bad_replacements(void **state)
{
	struct fake *f = *state;
	struct fake_ring next;

	fake_ring_create(&next, FAKE_EPOCH + 1, FAKE_SLOT_BYTES);
	for (int i = 0; i < 6; i++) {
		struct lumaring *ring = fake_open(f, 0, 16);
		struct lumaring_replaced m = fake_replaced(f, &next);

		m.epoch += i == 0;
		m.ring_bytes += i == 1;
		m.image_width = i == 2 ? 65536 : 1;
		m.image_height = i == 3 ? 65536 : 1;
		m.cursors = i == 4 ? 9 : 2;
		next.header->stream[0] = i == 5 ? 'x' : 'm';
		fake_send(f->socket, &m, sizeof(m), &next.fd, 1);
		expect_next(ring, -EBADMSG);
		lumaring_close(ring);
		fake_hang_up(f);
	}
	fake_ring_destroy(&next);
}

/* Unknown types, notices that lie, descriptors nobody asked for: skipped, with the descriptors closed. */
static void test_harmless_messages(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	struct lumaring_message later = { .type = 77, .size = sizeof(later) };
	struct lumaring_notice notice;
	uint8_t longer[300] = { 0 };
	const int fd = lumaring_fd(ring);
	const unsigned fds = count_fds();

	memset(&notice, 0xff, sizeof(notice));
	notice.message = (struct lumaring_message){ .type = LUMARING_MESSAGE_NOTICE, .size = sizeof(notice) };
	fake_send(f->socket, &notice, sizeof(notice), &f->page_fd, 1);
	fake_send(f->socket, &later, sizeof(later), &f->page_fd, 1);
	later = (struct lumaring_message){ .type = LUMARING_MESSAGE_STATE, .size = sizeof(longer) };
	memcpy(longer, &later, sizeof(later));
	fake_send(f->socket, longer, sizeof(longer), NULL, 0);
	expect_next(ring, -EAGAIN);
	assert_false(is_readable(fd));
	assert_int_equal(count_fds(), fds);
	fake_frame(f);
	expect_frame_and_release(ring, 1);
	lumaring_close(ring);
}

static void test_refusal_while_up(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_refusal m = { .message = { .type = LUMARING_MESSAGE_REFUSAL, .size = sizeof(m) },
					    .code = EACCES,
					    .text = "you were thrown out" };

	fake_send(f->socket, &m, sizeof(m), NULL, 0);
	expect_next(ring, -EACCES);
	assert_string_equal(lumaring_error_text(ring), "you were thrown out");
	assert_int_equal(lumaring_info(ring)->connected, 0);
	lumaring_close(ring);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_descriptors_pinned),
		TEST(test_descriptors_copied),
		TEST(test_exact_and_last_see_lies),
		TEST(test_lie_while_a_frame_waits),
		TEST(test_words_and_order),
		TEST(test_numbers_that_fall),
		TEST(test_begins_anew),
		TEST(test_bad_messages),
		TEST(test_more_descriptors_than_room),
		TEST(test_bad_replacements),
		TEST(test_harmless_messages),
		TEST(test_refusal_while_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
