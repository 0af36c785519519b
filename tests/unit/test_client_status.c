/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_status.c - lumaring_status(): pieces of any sizes become one text, and a daemon that lies about them,
 * that leaves, refuses or says nothing is told apart, with nothing left behind.
 */
#include "fake_daemon.h"

#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>

#include "own_calls.h"

#define STATUS_MAX ((size_t)4 << 20)
#define PIECES_MAX 8400u /* one more than the largest text takes, and some */

/* One connection of the daemon: what it sends, and whether it then closes or stays until the requester has gone. */
struct script {
	struct lumaring_status_piece pieces[PIECES_MAX];
	size_t sizes[PIECES_MAX]; /* of the packets, whatever the messages say */
	size_t count;
	int fd; /* sent along with the first; -1: none */
	bool stays;
	unsigned hang_ups; /* so many connections before are closed at once, after `refusal` if there is one */
	const struct lumaring_refusal *refusal;
};

static struct script script;
static unsigned connections; /* taken so far; the serving thread's until it is joined */

static int set_up(void **state)
{
	int r = fake_setup(state);

	memset(&script, 0, sizeof(script));
	script.fd = -1;
	connections = 0;
	return r;
}

static struct lumaring_status_piece *add_piece(const char *text, size_t bytes, uint32_t flags)
{
	struct lumaring_status_piece *piece;

	assert_true(script.count < PIECES_MAX);
	piece = &script.pieces[script.count];
	script.sizes[script.count++] = sizeof(piece->message) + bytes;
	memset(piece, 0, sizeof(*piece));
	piece->message = (struct lumaring_message){ .type = LUMARING_MESSAGE_STATUS,
						    .size = (uint16_t)(sizeof(piece->message) + bytes),
						    .flags = flags };
	memcpy(piece->text, text, bytes);
	return piece;
}

/* A text as the daemon cuts it. */
static void add_text(const char *text, size_t bytes, uint32_t last)
{
	const size_t most = sizeof(script.pieces->text);

	for (size_t at = 0; at < bytes; at += most)
		add_piece(text + at, bytes - at < most ? bytes - at : most, bytes - at <= most ? last : 0);
}

static void serve_one(int socket)
{
	struct lumaring_message request = { 0 };
	char more[8];

	recv(socket, &request, sizeof(request), 0);
	if (request.type != LUMARING_MESSAGE_STATUS_REQUEST || request.size != sizeof(request) || request.flags)
		return; /* and the test fails for want of an answer */
	if (connections <= script.hang_ups) {
		if (script.refusal)
			send(socket, script.refusal, sizeof(*script.refusal), MSG_NOSIGNAL);
		return;
	}
	for (size_t i = 0; i < script.count; i++) {
		struct iovec part = { &script.pieces[i], script.sizes[i] };
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
					 .cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS } };
		struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

		if (i == 0 && script.fd >= 0) {
			memcpy(CMSG_DATA(&control.align), &script.fd, sizeof(int));
			msg.msg_control = &control;
			msg.msg_controllen = sizeof(control);
		}
		if (sendmsg(socket, &msg, MSG_NOSIGNAL) < 0)
			return;
	}
	if (script.stays)
		recv(socket, more, sizeof(more), 0);
}

static void *serve(void *argument)
{
	struct fake *f = argument;
	int socket;

	/* Ends when the test shuts the listener down. */
	while ((socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		connections++;
		serve_one(socket);
		close(socket);
	}
	return NULL;
}

static int ask(struct fake *f, int timeout_ms, char **ret_json)
{
	struct lumaring_options options = fake_options(f);
	int r;

	options.timeout_ms = timeout_ms;
	assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
	r = lumaring_status("cam0", &options, ret_json);
	shutdown(f->listener, SHUT_RDWR);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	close(f->listener);
	unlink(f->path);
	fake_listen(f);
	return r;
}

static void expect_text(struct fake *f, const char *text)
{
	char *json = NULL;

	assert_int_equal(ask(f, FAKE_WAIT_MS, &json), 0);
	assert_string_equal(json, text);
	free(json);
}

static void expect_failure(struct fake *f, int timeout_ms, int error, const char *sentence)
{
	char *json = (char *)f;

	if (ask(f, timeout_ms, &json) != error || !strstr(f->text, sentence))
		fail_msg("not %d with \"%s\", but \"%s\"", error, sentence, f->text);
	assert_ptr_equal(json, f); /* untouched */
}

static void forget(void)
{
	script.count = 0;
}

static void test_one_piece(void **state)
{
	add_text("{}", 2, LUMARING_STATUS_LAST);
	expect_text(*state, "{}");
	/* Not one byte behind it is looked at. */
	script.pieces[0].text[2] = '!';
	expect_text(*state, "{}");
}

/* Texts around the size of a piece and of the first room, cut as the daemon does and byte by byte. */
static void test_many_pieces(void **state)
{
	static const size_t sizes[] = { 503, 504, 505, 1008, 16383, 16384, 16385, 100000 };
	char *text = malloc(100001);

	assert_non_null(text);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t n = 0; n < sizes[i]; n++)
			text[n] = (char)('a' + n % 23);
		text[sizes[i]] = '\0';
		forget();
		add_text(text, sizes[i], LUMARING_STATUS_LAST);
		expect_text(*state, text);
	}
	forget();
	text[300] = '\0';
	for (size_t n = 0; n < 300; n++)
		add_piece(text + n, 1, n == 299 ? LUMARING_STATUS_LAST : 0);
	expect_text(*state, text);
	free(text);
}

static void test_largest(void **state)
{
	char *text = malloc(STATUS_MAX + 2);

	assert_non_null(text);
	memset(text, '7', STATUS_MAX + 1);
	text[STATUS_MAX + 1] = '\0';
	add_text(text, STATUS_MAX + 1, LUMARING_STATUS_LAST);
	expect_failure(*state, FAKE_WAIT_MS, -EBADMSG, "the daemon's status has more than 4194304 bytes");
	forget();
	text[STATUS_MAX] = '\0';
	add_text(text, STATUS_MAX, LUMARING_STATUS_LAST);
	expect_text(*state, text);
	free(text);
}

/* A daemon of a later version says other things in between. */
static void test_unknown_messages(void **state)
{
	add_piece("{", 1, 0);
	add_piece("noise", 5, 77)->message.type = 4711;
	add_piece("}", 1, LUMARING_STATUS_LAST);
	add_piece("and more that nobody asked for", 30, 0);
	expect_text(*state, "{}");
}

static void test_bad_pieces(void **state)
{
	struct fake *f = *state;

	add_piece("", 0, 0);
	expect_failure(f, FAKE_WAIT_MS, -EBADMSG, "a STATUS with 0 bytes of text and flags 0x0");
	script.pieces[0].message.flags = LUMARING_STATUS_LAST;
	expect_failure(f, FAKE_WAIT_MS, -EBADMSG, "a STATUS with 0 bytes of text and flags 0x1");
	forget();
	add_piece("{}", 2, LUMARING_STATUS_LAST | 2);
	expect_failure(f, FAKE_WAIT_MS, -EBADMSG, "a STATUS with 2 bytes of text and flags 0x3");
	script.pieces[0].message.flags = LUMARING_STATUS_LAST;
	script.pieces[0].message.size = 11;
	expect_failure(f, FAKE_WAIT_MS, -EBADMSG, "a message of type 8 with 10 bytes that says 11");
	script.pieces[0].message.size = 9;
	expect_failure(f, FAKE_WAIT_MS, -EBADMSG, "a message of type 8 with 10 bytes that says 9");
	script.sizes[0] = 7;
	expect_failure(f, FAKE_WAIT_MS, -EBADMSG, "a message of 7 bytes, 8 is the least");
	forget();
	add_piece("{}", 2, LUMARING_STATUS_LAST);
	script.fd = f->ring.fd;
	expect_failure(f, FAKE_WAIT_MS, -EBADMSG, "a message of type 8 with 1 descriptors, not 0");
}

/* The message before the end is good, so that something was gathered. */
static void test_too_long_packet(void **state)
{
	add_piece("{", 1, 0);
	add_piece("}", 1, LUMARING_STATUS_LAST);
	add_piece("", 0, 0); /* room for the packet */
	script.count = 2;
	script.sizes[1] = LUMARING_MESSAGE_MAX + 1;
	expect_failure(*state, FAKE_WAIT_MS, -EBADMSG, "a message of more than 512 bytes");
}

static void test_text(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
		int bad_at; /* -1: good */
	} texts[] = {
		{ "\x01\x7f", 2, -1 },
		{ "\xc2\x80\xdf\xbf", 4, -1 },
		{ "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", 12, -1 },
		{ "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8, -1 },
		{ "ab\0c", 4, 2 },
		{ "a\x80", 2, 1 },
		{ "\xc1\xbf", 2, 0 },
		{ "\xe0\x9f\xbf", 3, 0 },
		{ "a\xed\xa0\x80", 4, 1 },
		{ "\xed\xbf\xbf", 3, 0 },
		{ "\xf0\x8f\xbf\xbf", 4, 0 },
		{ "\xf4\x90\x80\x80", 4, 0 },
		{ "\xf8\x88\x80\x80\x80", 5, 0 },
		{ "\xff", 1, 0 },
		{ "aa\xc3", 3, 2 },
		{ "a\xe2\x82", 3, 1 },
		{ "\xf0\x9f\x98", 3, 0 },
		{ "\xc3\xc3\xa4", 3, 0 },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char sentence[80];

		forget();
		/* In two pieces: a character may be cut. */
		add_piece(texts[i].text, 1, texts[i].bytes == 1 ? LUMARING_STATUS_LAST : 0);
		if (texts[i].bytes > 1)
			add_piece(texts[i].text + 1, texts[i].bytes - 1, LUMARING_STATUS_LAST);
		snprintf(sentence, sizeof(sentence), "byte %d of the text belongs to no character", texts[i].bad_at);
		if (texts[i].bad_at < 0)
			expect_text(*state, texts[i].text);
		else
			expect_failure(*state, FAKE_WAIT_MS, -EBADMSG, sentence);
	}
}

#define GIVE_UP_MS 1000 /* longer than the first answer takes */

/* A daemon that leaves in between is asked again, as long as there is time. */
static void test_leaves(void **state)
{
	add_text("{}", 2, LUMARING_STATUS_LAST);
	script.hang_ups = 3;
	expect_text(*state, "{}");
	assert_int_equal(connections, 4);
	forget();
	add_piece("{", 1, 0);
	expect_failure(*state, GIVE_UP_MS, -ENOTCONN, "the daemon left before its status was complete");
	assert_true(connections > 5);
}

static void test_says_nothing(void **state)
{
	script.stays = true;
	expect_failure(*state, 30, -ETIMEDOUT, "did not tell its status within 30 ms");
	add_piece("{", 1, 0);
	expect_failure(*state, 30, -ETIMEDOUT, "did not tell its status within 30 ms");
	assert_int_equal(connections, 2);
}

#define TALKS_MAX 5000000u /* far more than there is time for: the talk has an end only for who never gives up */

static int talker; /* the daemon's socket */
static unsigned talks;
static sem_t talks_already;

static void talk(void)
{
	const struct lumaring_message noise = { .type = 4711, .size = sizeof(noise) };

	fake_send(talker, &noise, sizeof(noise), NULL, 0);
}

static void await_talk(void)
{
	sem_wait(&talks_already);
	before_send = NULL;
}

/* One more behind each that is received, so that the socket is never empty. */
static void talk_on(void)
{
	if (talks++ < TALKS_MAX)
		talk();
}

static void *serve_talk(void *argument)
{
	struct fake *f = argument;

	talker = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	talk();
	sem_post(&talks_already);
	return NULL;
}

static void test_talks_without_end(void **state)
{
	static const int timeouts[] = { 0, 200 };
	struct fake *f = *state;

	assert_int_equal(sem_init(&talks_already, 0, 0), 0);
	for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
		struct lumaring_options options = fake_options(f);
		char *json = NULL;

		options.timeout_ms = timeouts[i];
		talks = 0;
		before_send = await_talk;
		before_recvmsg = talk_on;
		assert_int_equal(pthread_create(&f->thread, NULL, serve_talk, f), 0);
		assert_int_equal(lumaring_status("cam0", &options, &json), -ETIMEDOUT);
		before_recvmsg = NULL;
		assert_int_equal(pthread_join(f->thread, NULL), 0);
		close(talker);
		assert_null(json);
		assert_non_null(strstr(f->text, "did not tell its status within"));
		assert_in_range(talks, 1, timeouts[i] == 0 ? 1 : TALKS_MAX);
	}
	sem_destroy(&talks_already);
}

static void add_refusal(uint32_t code, const char *sentence)
{
	struct lumaring_refusal refusal = { .message = { .type = LUMARING_MESSAGE_REFUSAL, .size = sizeof(refusal) },
					    .code = code };
	struct lumaring_status_piece *piece;

	strcpy(refusal.text, sentence);
	forget();
	piece = add_piece("", 0, 0);
	memcpy(piece, &refusal, sizeof(refusal));
	script.sizes[0] = sizeof(refusal);
}

static void test_refused(void **state)
{
	static const int codes[] = { EACCES, EUSERS, ENOMEM, EMFILE, ENFILE };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		add_refusal((uint32_t)codes[i], "for a reason\x1b[31m");
		expect_failure(*state, FAKE_WAIT_MS, -codes[i], "for a reason?[31m");
	}
	assert_int_equal(connections, 5);
	add_refusal(EINVAL, "bad hello: the first message must be HELLO");
	expect_failure(*state, FAKE_WAIT_MS, -EPROTONOSUPPORT,
		       "the daemon is older and tells no status: update it (bad hello: the first");
	add_refusal(12345, "what");
	expect_failure(*state, FAKE_WAIT_MS, -EBADMSG, "refused with code 12345");
}

static sem_t has_hung_up;
static bool waits_for_the_question;

static void await_hang_up(void)
{
	sem_wait(&has_hung_up);
	before_send = before_recvmsg = NULL;
}

static void *refuse_unread(void *argument)
{
	struct fake *f = argument;
	const int socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);

	if (waits_for_the_question)
		wait_readable(socket);
	fake_send(socket, script.pieces, script.sizes[0], NULL, 0);
	close(socket);
	sem_post(&has_hung_up);
	return NULL;
}

/* A daemon that closes without a look at the question, before it is asked or after: its words still come through. */
static void test_refused_unread(void **state)
{
	struct fake *f = *state;

	add_refusal(EUSERS, "full");
	assert_int_equal(sem_init(&has_hung_up, 0, 0), 0);
	for (int i = 0; i < 2; i++) {
		struct lumaring_options options = fake_options(f);
		char *json = NULL;

		options.timeout_ms = GIVE_UP_MS; /* who overlooks the words asks again, and nobody answers */
		waits_for_the_question = i > 0;
		*(i > 0 ? &before_recvmsg : &before_send) = await_hang_up;
		assert_int_equal(pthread_create(&f->thread, NULL, refuse_unread, f), 0);
		assert_int_equal(lumaring_status("cam0", &options, &json), -EUSERS);
		assert_int_equal(pthread_join(f->thread, NULL), 0);
		assert_string_equal(f->text, "full");
	}
	sem_destroy(&has_hung_up);
}

/* What passes by itself is asked for again, and told when the time is over. */
static void test_busy(void **state)
{
	const struct lumaring_refusal refusal = { .message = { .type = LUMARING_MESSAGE_REFUSAL,
							       .size = sizeof(refusal) },
						  .code = EBUSY,
						  .text = "16 status requests are being answered already" };

	add_text("{}", 2, LUMARING_STATUS_LAST);
	script.refusal = &refusal;
	script.hang_ups = 3;
	expect_text(*state, "{}");
	assert_int_equal(connections, 4);
	script.hang_ups = UINT_MAX;
	expect_failure(*state, GIVE_UP_MS, -EBUSY, "16 status requests are being answered already");
	assert_true(connections > 5);
}

static void test_no_daemon(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	char *json = NULL;

	fake_die(f);
	assert_int_equal(lumaring_status("cam0", &options, &json), -ECONNREFUSED);
	assert_non_null(strstr(f->text, "no daemon serves"));
	assert_int_equal(lumaring_status("Cam0", &options, &json), -EINVAL);
	assert_non_null(strstr(f->text, "the camera's name \"Cam0\""));
	assert_int_equal(lumaring_status("cam0", &options, NULL), -EINVAL);
	assert_non_null(strstr(f->text, "needs a place"));
	options.timeout_ms = -2;
	assert_int_equal(lumaring_status("cam0", &options, &json), -EINVAL);
	options.size = 1;
	assert_int_equal(lumaring_status("cam0", &options, &json), -EINVAL);
	assert_null(json);
	fake_listen(f);
}

/* A queue of connections that is full empties by itself, or not in time. */
static void test_full_queue(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sockets[32], count = 0;
	char *json = NULL;

	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", f->path);
	for (; count < 32; count++) {
		sockets[count] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(sockets[count], (struct sockaddr *)&address, sizeof(address)) < 0)
			break;
	}
	assert_int_equal(errno, EAGAIN);
	options.timeout_ms = 30;
	assert_int_equal(lumaring_status("cam0", &options, &json), -ETIMEDOUT);
	for (; count >= 0; count--)
		close(sockets[count]);
	assert_null(json);
}

static void note(int signal_number)
{
	(void)signal_number;
}

static void test_signal(void **state)
{
	struct sigaction action = { .sa_handler = note }, before;
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, off = { 0 };

	script.stays = true;
	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &often, NULL);
	expect_failure(*state, -1, -EINTR, "a signal arrived first");
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &before, NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_piece),      TEST(test_many_pieces),
		TEST(test_largest),        TEST(test_unknown_messages),
		TEST(test_bad_pieces),     TEST(test_too_long_packet),
		TEST(test_text),           TEST(test_leaves),
		TEST(test_says_nothing),   TEST(test_talks_without_end),
		TEST(test_refused),        TEST(test_busy),
		TEST(test_refused_unread), TEST(test_no_daemon),
		TEST(test_full_queue),     TEST(test_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
