/* SPDX-License-Identifier: BSD-2-Clause */
/* test_client_welcome.c - every way in which a welcome, its descriptors or the client page can be malformed. */
#include "fake_daemon.h"

#include "../../client-lib/packet.h"

/* The answer as it stands is refused with this code, and nothing of it stays behind. */
static void expect_refused(struct fake *f, int result, const char *text)
{
	struct lumaring_options options = fake_options(f);
	struct lumaring *untouched = (void *)f, *ring = untouched;
	const unsigned fds = count_fds(), maps = count_maps();

	assert_int_equal(fake_open_with(f, &options, &ring), result);
	assert_ptr_equal(ring, untouched);
	if (!strstr(f->text, text))
		fail_msg("\"%s\" does not say \"%s\"", f->text, text);
	fake_hang_up(f);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(count_maps(), maps);
}

static void expect_accepted(struct fake *f)
{
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	if (fake_open_with(f, &options, &ring) != 0)
		fail_msg("refused: %s", f->text);
	lumaring_close(ring);
	fake_hang_up(f);
}

static void test_fields(void **state)
{
#define ROW(field, value, result)                                                                                      \
	{                                                                                                              \
#field, offsetof(struct lumaring_welcome, field), value, result                                        \
	}
	static const struct {
		const char *text;
		size_t offset;
		uint64_t value; /* of 32 bits, or 64 bits for those of 64 */
		int result;
	} rows[] = {
		ROW(version, 0, -EPROTONOSUPPORT),
		ROW(version, 2, -EPROTONOSUPPORT),
		ROW(cursors, 9, -EBADMSG),
		ROW(cursors, UINT32_MAX, -EBADMSG),
		ROW(epoch, FAKE_EPOCH + 1, -EBADMSG),
		ROW(published, 2, -EBADMSG),
		ROW(published, UINT64_MAX, -EBADMSG),
		ROW(ring_bytes, 4096 + FAKE_SLOTS * FAKE_SLOT_BYTES - 1, -EBADMSG),
		ROW(ring_bytes, 4096 + FAKE_SLOTS * FAKE_SLOT_BYTES + 1, -EBADMSG),
		ROW(ring_bytes, 0, -EBADMSG),
		ROW(page_bytes, 0, -EBADMSG),
		ROW(page_bytes, 7, -EBADMSG),
		ROW(page_bytes, 135, -EBADMSG),  /* cuts the second of two cursors */
		ROW(page_bytes, 4104, -EBADMSG), /* beyond the file */
		ROW(page_bytes, UINT32_MAX, -EBADMSG),
		ROW(cursor_offset, 4, -EBADMSG),
		ROW(cursor_offset, 4096 - 128, -EBADMSG), /* the second cursor is outside */
		ROW(cursor_offset, 4096, -EBADMSG),
		ROW(cursor_offset, UINT32_MAX - 7, -EBADMSG),
		ROW(cursor_stride, 0, -EBADMSG),
		ROW(cursor_stride, 4, -EBADMSG),
		ROW(cursor_stride, 12, -EBADMSG),
		ROW(cursor_stride, 4096, -EBADMSG),
		ROW(cursor_stride, UINT32_MAX - 7, -EBADMSG),
		ROW(region_offset, 0, -EBADMSG),   /* where the first cursor is */
		ROW(region_offset, 128, -EBADMSG), /* where the second is */
		ROW(region_offset, 1025, -EBADMSG),
		ROW(region_offset, 4096, -EBADMSG),
		ROW(region_offset, UINT32_MAX - 7, -EBADMSG),
		ROW(wake_offset, 128, -EBADMSG),  /* where the second cursor is */
		ROW(wake_offset, 124, -EBADMSG),  /* reaches into it */
		ROW(wake_offset, 132, -EBADMSG),  /* begins within it */
		ROW(wake_offset, 1016, -EBADMSG), /* reaches into the region word */
		ROW(wake_offset, 1024, -EBADMSG),
		ROW(wake_offset, 1028, -EBADMSG),
		ROW(wake_offset, 1272, -EBADMSG), /* reaches into the account */
		ROW(wake_offset, 1308, -EBADMSG), /* its last bytes */
		ROW(wake_offset, 1154, -EBADMSG),
		ROW(wake_offset, 4088, -EBADMSG), /* reaches beyond the page */
		ROW(wake_offset, 4096, -EBADMSG),
		ROW(wake_offset, UINT32_MAX - 3, -EBADMSG),
		ROW(account_offset, 128, -EBADMSG),
		ROW(account_offset, 104, -EBADMSG),
		ROW(account_offset, 1000, -EBADMSG),
		ROW(account_offset, 1024, -EBADMSG),
		ROW(account_offset, 1128, -EBADMSG), /* reaches into the wake words */
		ROW(account_offset, 1160, -EBADMSG), /* their last bytes */
		ROW(account_offset, 1284, -EBADMSG),
		ROW(account_offset, 4072, -EBADMSG),
		ROW(account_offset, 4096, -EBADMSG),
		ROW(account_offset, UINT32_MAX - 7, -EBADMSG),
		ROW(image_width, 65536, -EBADMSG),
		ROW(image_height, 65536, -EBADMSG),
		ROW(stream, 0, -EBADMSG),
		ROW(stream, 'x', -EBADMSG),
	};
#undef ROW
	struct fake *f = *state;

	f->ring.header->published = 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const bool wide = rows[i].offset == offsetof(struct lumaring_welcome, epoch) ||
				  rows[i].offset == offsetof(struct lumaring_welcome, published) ||
				  rows[i].offset == offsetof(struct lumaring_welcome, ring_bytes);

		fake_answer_welcome(f);
		memcpy(f->answer + rows[i].offset, &rows[i].value, wide ? 8 : 4);
		expect_refused(f, rows[i].result, "");
		assert_true(strlen(f->text) > 20);
	}
}

static void test_limits_are_accepted(void **state)
{
	struct fake *f = *state;
	struct lumaring_welcome *w = fake_answer_welcome(f);

	w->published = 100; /* a ring that replaced another one is empty; the stream's count goes on */
	expect_accepted(f);
	w->published = 0;
	w->cursors = 8;
	expect_accepted(f);
	w->cursors = 0;
	w->cursor_offset = 4096 - 8;
	w->region_offset = 4096 - 8; /* no cursor is there */
	expect_accepted(f);
	w->wake_offset = w->account_offset = 0; /* the daemon offers none */
	expect_accepted(f);
	w->cursors = 2;
	w->cursor_offset = 4096 - 16;
	w->cursor_stride = 8;
	w->region_offset = 0;
	w->wake_offset = 8; /* side by side up to the cursors */
	w->account_offset = 4096 - 16 - 32;
	expect_accepted(f);
	w->account_offset = 24;
	w->wake_offset = 4096 - 16 - 12;
	expect_accepted(f);
	w->cursors = 0;
	w->wake_offset = 4096 - 12;
	expect_accepted(f);
	w->wake_offset = 8;
	w->account_offset = 4096 - 32;
	expect_accepted(f);
	w->cursors = 2;
	w->account_offset = 0;
	w->image_width = w->image_height = 65535;
	expect_accepted(f);
}

static void test_sizes(void **state)
{
	struct fake *f = *state;
	struct lumaring_welcome *w = fake_answer_welcome(f);

	/* A later version may say more. */
	f->answer_bytes = w->message.size = LUMARING_MESSAGE_MAX;
	expect_accepted(f);
	f->answer_bytes = w->message.size = LUMARING_MESSAGE_MAX + 1;
	expect_refused(f, -EBADMSG, "more than 512 bytes");
	/* An earlier one said less. */
	f->answer_bytes = w->message.size = LUMARING_WELCOME_BYTES_MIN;
	expect_accepted(f);
	f->answer_bytes = w->message.size = LUMARING_WELCOME_BYTES_MIN - 1;
	expect_refused(f, -EBADMSG, "type 2");
	f->answer_bytes = LUMARING_WELCOME_BYTES_MIN;
	expect_refused(f, -EBADMSG, "says 103");
	f->answer_bytes = sizeof(w->message) - 1;
	expect_refused(f, -EBADMSG, "7 bytes");
	f->answer_bytes = 1;
	expect_refused(f, -EBADMSG, "1 bytes");
	memset(f->answer, 0, sizeof(f->answer));
	f->answer_bytes = sizeof(*w);
	expect_refused(f, -EBADMSG, "says 0");
}

/* What an earlier daemon does not say is 0, whatever was in the packet's place before. */
static void test_of_an_earlier_version(void **state)
{
	const struct lumaring_welcome sent = { .message = { .type = LUMARING_MESSAGE_WELCOME,
							    .size = LUMARING_WELCOME_BYTES_MIN },
					       .daemon_pid = 4711,
					       .wake_offset = 1,
					       .account_offset = 1 };
	struct lr_packet packet;
	struct lr_error error;
	int sockets[2];

	(void)state;
	memset(&packet, 0xff, sizeof(packet));
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), errno);
	fake_send(sockets[0], &sent, LUMARING_WELCOME_BYTES_MIN, NULL, 0);
	assert_int_equal(lr_packet_receive(sockets[1], MSG_DONTWAIT, &packet, &error), 0);
	assert_int_equal(packet.welcome.daemon_pid, 4711);
	assert_int_equal(packet.welcome.wake_offset, 0);
	assert_int_equal(packet.welcome.account_offset, 0);
	close(sockets[0]);
	close(sockets[1]);
}

static void test_other_types(void **state)
{
	struct fake *f = *state;
	struct lumaring_message *m = (void *)f->answer;

	fake_answer_welcome(f);
	m->type = LUMARING_MESSAGE_REPLACED;
	expect_refused(f, -EBADMSG, "before its welcome");
	m->type = LUMARING_MESSAGE_HELLO;
	expect_refused(f, -EBADMSG, "before its welcome");
	/* A refusal that is too short to be one. */
	m->type = LUMARING_MESSAGE_REFUSAL;
	expect_refused(f, -EBADMSG, "256 is the least");
}

static void expect_descriptor_counts(struct fake *f, unsigned from, unsigned to)
{
	fake_answer_welcome(f);
	for (unsigned i = 0; i < 8; i++)
		f->answer_fds[i] = i % 2 ? f->page_fd : f->ring.fd;
	for (unsigned n = from; n <= to; n++) {
		f->answer_fd_count = n;
		if (n == 2)
			expect_accepted(f);
		else
			expect_refused(f, -EBADMSG, "descriptors");
	}
}

static void test_descriptor_counts(void **state)
{
	expect_descriptor_counts(*state, 0, LR_PACKET_FDS_MAX);
}

static void test_more_descriptors_than_room(void **state)
{
	need_kernel_that_cuts_descriptors();
	expect_descriptor_counts(*state, LR_PACKET_FDS_MAX + 1, 8);
}

static void test_wrong_descriptors(void **state)
{
	struct fake *f = *state;
	int pipes[2], directory = open("/", O_RDONLY | O_CLOEXEC), write_only;
	char path[64];

	assert_return_code(pipe2(pipes, O_CLOEXEC), errno);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->ring.fd);
	write_only = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(write_only >= 0);

	fake_answer_welcome(f);
	f->answer_fds[0] = pipes[0];
	expect_refused(f, -EBADMSG, "no shared memory");
	f->answer_fds[0] = directory;
	expect_refused(f, -EBADMSG, "no shared memory");
	f->answer_fds[0] = write_only;
	expect_refused(f, -EBADMSG, "cannot be read");
	f->answer_fds[0] = f->page_fd;
	expect_refused(f, -EBADMSG, "magic");
	f->answer_fds[0] = f->ring.fd;
	f->answer_fds[1] = pipes[0];
	expect_refused(f, -EBADMSG, "sealed");
	f->answer_fds[1] = f->ring.fd; /* not sealed */
	expect_refused(f, -EBADMSG, "sealed");
	close(pipes[0]);
	close(pipes[1]);
	close(directory);
	close(write_only);
}

static void test_read_only_page(void **state)
{
	struct fake *f = *state;
	char path[64];
	int read_only;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->page_fd);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	fake_answer_welcome(f);
	f->answer_fds[1] = read_only;
	expect_refused(f, -EBADMSG, "client page cannot be mapped");
	close(read_only);
}

static void *serve_with_a_prelude(void *fake)
{
	struct fake *f = fake;
	const struct lumaring_message unknown = { .type = 999, .size = sizeof(unknown) };
	struct fake prelude = *f;

	/* Messages that mean nothing before the welcome, with descriptors that nobody asked for. */
	prelude.answer_bytes = 0;
	prelude.close_after_answer = false;
	fake_serve(&prelude);
	f->socket = prelude.socket;
	fake_send(f->socket, &unknown, sizeof(unknown), f->answer_fds, 2);
	fake_notice(f);
	fake_tell_state(f);
	fake_send(f->socket, f->answer, f->answer_bytes, f->answer_fds, f->answer_fd_count);
	return NULL;
}

static void test_unknown_messages_are_skipped(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	fake_answer_welcome(f);
	assert_int_equal(pthread_create(&f->thread, NULL, serve_with_a_prelude, f), 0);
	assert_int_equal(lumaring_open("cam0", "main", &options, &ring), 0);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	lumaring_close(ring);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fields),
		TEST(test_limits_are_accepted),
		TEST(test_sizes),
		TEST(test_of_an_earlier_version),
		TEST(test_other_types),
		TEST(test_descriptor_counts),
		TEST(test_more_descriptors_than_room),
		TEST(test_wrong_descriptors),
		TEST(test_read_only_page),
		TEST(test_unknown_messages_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
