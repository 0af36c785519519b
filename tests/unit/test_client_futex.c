/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_futex.c - what is peculiar to LUMARING_FUTEX: the wake words, when the socket is looked at, and daemons
 * without such words. All that both manners have in common is tested in both, in the other files.
 */
#include "fake_daemon.h"

#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#include "../../client-lib/wait.h"

/* --- the words alone --------------------------------------------------------------------------------------------- */

/* As the daemon does it: add, and wake only who says that it waits. */
static void *ring_when_awaited(void *fake)
{
	struct fake *f = fake;

	while (__atomic_load_n(&f->page->wake.waiting, __ATOMIC_SEQ_CST) == 0)
		sched_yield();
	fake_ring_bell(f);
	return NULL;
}

static void test_wait_for_word(void **state)
{
	struct fake *f = *state;
	struct lumaring_wake *wake = &f->page->wake;
	struct lr_wait wait = lr_wait_begin(-1);
	const uint64_t long_ns = FAKE_WAIT_MS * LR_NS_PER_MS;

	for (uint32_t word = 0; word < 20; word++) {
		assert_int_equal(lr_wait_word(wake), word);
		assert_int_equal(pthread_create(&f->thread, NULL, ring_when_awaited, f), 0);
		assert_int_equal(lr_wait_for_word(&wait, wake, word, long_ns), 1);
		assert_int_equal(pthread_join(f->thread, NULL), 0);
		assert_int_equal(wake->waiting, 0);
		/* It has changed already. */
		assert_int_equal(lr_wait_for_word(&wait, wake, word, long_ns), 1);
		assert_int_equal(wake->waiting, 0);
		assert_false(wait.interrupted);
	}
	assert_int_equal(lr_wait_for_word(&wait, wake, wake->word, LR_NS_PER_MS), 0);
	assert_int_equal(lr_wait_for_word(&wait, wake, wake->word, 0), 0);
	assert_int_equal(wake->waiting, 0);
	assert_false(wait.interrupted);
	assert_int_equal(wake->word, 20); /* it is the daemon's alone */
	assert_int_equal(wake->events, 0);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void test_wait_for_word_and_a_signal(void **state)
{
	struct fake *f = *state;
	struct lr_wait wait = lr_wait_begin(-1);
	const struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction old;

	assert_return_code(sigaction(SIGALRM, &action, &old), errno);
	assert_return_code(setitimer(ITIMER_REAL, &often, NULL), errno);
	assert_int_equal(lr_wait_for_word(&wait, &f->page->wake, 0, FAKE_WAIT_MS * LR_NS_PER_MS), 0);
	assert_return_code(setitimer(ITIMER_REAL, &never, NULL), errno);
	assert_return_code(sigaction(SIGALRM, &old, NULL), errno);
	assert_true(wait.interrupted);
	assert_int_equal(f->page->wake.waiting, 0);
}

/* --- handles ----------------------------------------------------------------------------------------------------- */

static void test_is_asked_for(void **state)
{
	struct fake *f = *state;
	const unsigned before = count_fds();
	struct lumaring *ring = fake_open(f, LUMARING_COPY, 16);

	assert_int_equal(f->hello.message.flags, LUMARING_HELLO_FUTEX);
	assert_int_equal(lumaring_info(ring)->futex, 1);
	assert_int_equal(lumaring_fd(ring), -ENOTSUP);
	assert_non_null(strstr(lumaring_error_text(ring), "LUMARING_FUTEX"));
	assert_int_equal(count_fds(), before + 2); /* the handle's socket and the fake's */
	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	assert_int_equal(lumaring_info(ring)->futex, 0);
	assert_int_equal(lumaring_fd(ring), -ENOTSUP);
	lumaring_close(ring);
}

static void test_is_not_asked_for(void **state)
{
	struct fake *f = *state;
	const struct lumaring_wake before = f->page->wake;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;

	assert_int_equal(f->hello.message.flags, 0);
	assert_int_equal(lumaring_info(ring)->futex, 0);
	assert_int_equal(lumaring_next(ring, 20, &frame), -ETIMEDOUT);
	fake_frame(f);
	expect_frame_and_release(ring, 1);
	assert_memory_equal(&f->page->wake, &before, sizeof(before)); /* and its words stay as they are */
	lumaring_close(ring);
}

static void test_private_by_futex(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	options.flags = LUMARING_PRIVATE;
	strcpy(f->ring.header->stream, "private");
	strcpy(fake_answer_welcome(f)->stream, "private");
	assert_int_equal(fake_open_with(f, &options, &ring), 0);
	assert_int_equal(f->hello.message.flags, LUMARING_HELLO_FUTEX | LUMARING_HELLO_PRIVATE);
	lumaring_close(ring);
}

static void test_daemon_without_words(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring = NULL;
	struct lumaring_refusal refusal = { .message = { .type = LUMARING_MESSAGE_REFUSAL, .size = sizeof(refusal) },
					    .code = EINVAL,
					    .text = "bad hello: HELLO has a flag this daemon does not know" };

	fake_answer_welcome(f)->wake_offset = 0;
	assert_int_equal(fake_open_with(f, &options, &ring), -ENOTSUP);
	assert_string_equal(f->text, "this daemon offers no word to wait on: open without LUMARING_FUTEX");
	f->answer_bytes = ((struct lumaring_welcome *)(void *)f->answer)->message.size = LUMARING_WELCOME_BYTES_MIN;
	assert_int_equal(fake_open_with(f, &options, &ring), -ENOTSUP);
	/* One from before the flag refuses in its own words. */
	memcpy(f->answer, &refusal, sizeof(refusal));
	f->answer_bytes = sizeof(refusal);
	f->answer_fd_count = 0;
	assert_int_equal(fake_open_with(f, &options, &ring), -EINVAL);
	assert_string_equal(f->text, refusal.text);
	assert_null(ring);
}

/* A daemon that comes back without them. */
static void test_words_are_gone_after_a_restart(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	int r;

	for (int i = 0; i < 2; i++) {
		fake_hang_up(f);
		fake_answer_welcome(f)->wake_offset = i == 0 ? 0 : offsetof(struct lumaring_client_page, wake);
		assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
		while ((r = lumaring_next(ring, -1, &frame)) == LUMARING_EVENT_DISCONNECTED)
			;
		assert_int_equal(pthread_join(f->thread, NULL), 0);
		assert_int_equal(r, i == 0 ? -ENOTSUP : LUMARING_EVENT_RESTARTED);
	}
	lumaring_close(ring);
}

/* --- when the socket is looked at -------------------------------------------------------------------------------- */

/* Publish a frame for a handle that waits. */
static void *publish_when_awaited(void *fake)
{
	struct fake *f = fake;

	while (__atomic_load_n(&f->page->wake.waiting, __ATOMIC_SEQ_CST) == 0)
		sched_yield();
	fake_frame(f);
	return NULL;
}

/* In the handle's name, so that who waits for that comes to an end. */
static void say_waiting(struct fake *f)
{
	__atomic_store_n(&f->page->wake.waiting, 1, __ATOMIC_SEQ_CST); /* N2 */
}

/* Not for a frame: then a wait costs one system call. For a message, as soon as it is counted. */
static void test_socket_is_left_alone(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_message nonsense = { .type = LUMARING_MESSAGE_HELLO, .size = sizeof(nonsense) };
	const struct lumaring_frame *frame = NULL;

	expect_next(ring, -EAGAIN); /* whatever came with the welcome is taken */
	fake_send(f->socket, &nonsense, sizeof(nonsense), NULL, 0);
	for (uint64_t sequence = 1; sequence <= 20; sequence++) {
		assert_int_equal(pthread_create(&f->thread, NULL, publish_when_awaited, f), 0);
		assert_int_equal(lumaring_next(ring, -1, &frame), 0);
		assert_int_equal(pthread_join(f->thread, NULL), 0);
		assert_int_equal(frame->sequence, sequence);
		assert_int_equal(lumaring_release(ring, frame), 0);
	}
	/* Waiting for it would find a frame first. */
	assert_int_equal(pthread_create(&f->thread, NULL, publish_when_awaited, f), 0);
	fake_count_message(f);
	assert_int_equal(lumaring_next(ring, -1, &frame), -EBADMSG);
	say_waiting(f);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	lumaring_close(ring);
}

/* What was said before the handle had its page is looked for without a word. */
static void test_message_with_the_welcome(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;
	const struct lumaring_message nonsense = { .type = LUMARING_MESSAGE_HELLO, .size = sizeof(nonsense) };
	const struct lumaring_frame *frame = NULL;

	f->page->wake.events = f->page->wake.word = 7;
	ring = fake_open(f, 0, 16);
	fake_send(f->socket, &nonsense, sizeof(nonsense), NULL, 0);
	assert_int_equal(pthread_create(&f->thread, NULL, publish_when_awaited, f), 0);
	assert_int_equal(lumaring_next(ring, -1, &frame), -EBADMSG);
	say_waiting(f);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	lumaring_close(ring);
}

/* A new daemon counts from the start: a count that the old one ended with is news from the new one. */
static void test_messages_of_a_new_daemon(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_message nonsense = { .type = LUMARING_MESSAGE_HELLO, .size = sizeof(nonsense) };
	const struct lumaring_frame *frame = NULL;

	fake_tell_state(f);
	expect_next(ring, -EAGAIN);
	fake_hang_up(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	fake_page_destroy(f);
	fake_page_create(f);
	fake_answer_welcome(f);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
	assert_int_equal(lumaring_next(ring, -1, &frame), LUMARING_EVENT_RESTARTED);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	expect_next(ring, -EAGAIN);
	fake_send(f->socket, &nonsense, sizeof(nonsense), NULL, 0);
	assert_int_equal(pthread_create(&f->thread, NULL, publish_when_awaited, f), 0);
	fake_count_message(f); /* the first, as before */
	assert_int_equal(lumaring_next(ring, -1, &frame), -EBADMSG);
	say_waiting(f);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	lumaring_close(ring);
}

/* A daemon that is killed adds to no word: found by time, also by a caller who never waits long. */
static void test_killed_daemon(void **state)
{
	static const int times_ms[] = { -1, 1, 0, FAKE_WAIT_MS };
	struct fake *f = *state;
	const struct lumaring_frame *frame = NULL;

	for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
		struct lumaring *ring = fake_open(f, 0, 16);
		int calls = 0, r;

		expect_next(ring, -EAGAIN);
		fake_hang_up(f);
		do
			r = lumaring_next(ring, times_ms[i], &frame);
		while ((r == -ETIMEDOUT || r == -EAGAIN) && ++calls < 3);
		assert_int_equal(r, LUMARING_EVENT_DISCONNECTED);
		lumaring_close(ring);
	}
}

/* A daemon that adds to its words without end, and says nothing. */
static void *ring_for_ever(void *fake)
{
	struct fake *f = fake;
	struct pollfd pollfd = { .fd = f->socket, .events = POLLIN };

	while (poll(&pollfd, 1, 0) == 0)
		for (int i = 0; i < 100; i++)
			fake_ring_bell(f);
	return NULL;
}

static void test_word_that_never_rests(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;

	assert_int_equal(pthread_create(&f->thread, NULL, ring_for_ever, f), 0);
	assert_int_equal(lumaring_next(ring, 0, &frame), -EAGAIN);
	assert_int_equal(lumaring_next(ring, 30, &frame), -ETIMEDOUT);
	assert_int_equal(lumaring_next(ring, 150, &frame), -ETIMEDOUT);
	lumaring_close(ring);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)
#define TEST_BY_FUTEX(function) cmocka_unit_test_setup_teardown(function, fake_setup_by_futex, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_wait_for_word),
		TEST(test_wait_for_word_and_a_signal),
		TEST_BY_FUTEX(test_is_asked_for),
		TEST(test_is_not_asked_for),
		TEST_BY_FUTEX(test_private_by_futex),
		TEST_BY_FUTEX(test_daemon_without_words),
		TEST_BY_FUTEX(test_words_are_gone_after_a_restart),
		TEST_BY_FUTEX(test_socket_is_left_alone),
		TEST_BY_FUTEX(test_message_with_the_welcome),
		TEST_BY_FUTEX(test_messages_of_a_new_daemon),
		TEST_BY_FUTEX(test_killed_daemon),
		TEST_BY_FUTEX(test_word_that_never_rests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
