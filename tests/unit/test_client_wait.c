/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_wait.c - waiting for frames: inside a call, over its time and over signals, and with a loop of one's own
 * and the descriptor for it.
 */
#include "fake_daemon.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

/* --- the descriptor ---------------------------------------------------------------------------------------------- */

static void test_fd(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const int fd = lumaring_fd(ring);

	assert_false(is_readable(fd));
	fake_frame(f);
	fake_frame(f);
	assert_true(is_readable(fd));
	expect_frame_and_release(ring, 1);
	expect_frame_and_release(ring, 2);
	expect_next(ring, -EAGAIN);
	assert_false(is_readable(fd)); /* both notices are taken */
	fake_set_state(&f->ring, LUMARING_RING_SOURCE_LOST);
	fake_tell_state(f);
	assert_true(is_readable(fd));
	expect_next(ring, LUMARING_EVENT_SOURCE_LOST);
	expect_next(ring, -EAGAIN);
	assert_false(is_readable(fd));

	fake_die(f);
	assert_true(is_readable(fd));
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	assert_true(is_readable(fd)); /* the first attempt is due at once */
	expect_next(ring, -EAGAIN);
	wait_readable(fd); /* the next attempt, by time alone */
	lumaring_close(ring);
}

/* Who does not ask has none, and pays for none. */
static void test_fd_is_made_when_asked_for(void **state)
{
	struct fake *f = *state;
	const unsigned before = count_fds();
	struct lumaring *ring = fake_open(f, 0, 16);
	int fd;

	assert_int_equal(count_fds(), before + 2); /* the handle's socket and the fake's */
	fake_frame(f);
	fd = lumaring_fd(ring);
	assert_int_equal(count_fds(), before + 4);
	assert_true(is_readable(fd)); /* by what came before it was asked for */
	expect_frame_and_release(ring, 1);
	expect_next(ring, -EAGAIN);
	assert_false(is_readable(fd));
	assert_int_equal(lumaring_fd(ring), fd);
	lumaring_close(ring);
}

static void test_fd_asked_for_while_away(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	int fd, socket;

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	fd = lumaring_fd(ring);
	assert_true(is_readable(fd)); /* the first attempt is due at once */
	expect_next(ring, -EAGAIN);
	wait_readable(fd);
	fake_listen(f);
	while (!is_readable(f->listener)) {
		expect_next(ring, -EAGAIN);
		if (!is_readable(f->listener))
			wait_readable(fd);
	}
	socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_false(is_readable(fd));
	fake_answer_welcome(f);
	fake_send(socket, f->answer, f->answer_bytes, f->answer_fds, f->answer_fd_count);
	assert_true(is_readable(fd));
	expect_next(ring, LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
	close(socket);
}

/* Between hello and welcome there is a socket to watch, and no time. */
static void test_fd_asked_for_while_greeting(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	int fd, socket;

	fake_die(f);
	fake_listen(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	expect_next(ring, -EAGAIN);
	socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(socket >= 0);
	fd = lumaring_fd(ring);
	assert_false(is_readable(fd));
	fake_answer_welcome(f);
	fake_send(socket, f->answer, f->answer_bytes, f->answer_fds, f->answer_fd_count);
	assert_true(is_readable(fd));
	expect_next(ring, LUMARING_EVENT_RESTARTED);
	assert_int_equal(lumaring_fd(ring), fd);
	lumaring_close(ring);
	close(socket);
}

/* It takes two descriptors; without room for both it takes none, and the handle works on. */
static void test_fd_without_room(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const unsigned before = count_fds();
	struct rlimit old, few;
	int fd = dup(f->socket); /* the lowest that is free: what is open lies below */

	close(fd);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &old), errno);
	for (rlim_t free = 0; free < 2; free++) {
		few = (struct rlimit){ (rlim_t)fd + free, old.rlim_max };
		assert_return_code(setrlimit(RLIMIT_NOFILE, &few), errno);
		assert_int_equal(lumaring_fd(ring), -EMFILE);
		assert_non_null(strstr(lumaring_error_text(ring), "descriptor to poll"));
		assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
		assert_int_equal(count_fds(), before);
	}
	fake_frame(f);
	expect_frame_and_release(ring, 1);
	few.rlim_cur = (rlim_t)fd + 2;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &few), errno);
	assert_true(lumaring_fd(ring) >= 0);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
	lumaring_close(ring);
}

/* --- time -------------------------------------------------------------------------------------------------------- */

static void test_waits_for_a_frame(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	uint32_t slot;

	assert_int_equal(lumaring_next(ring, 10, &frame), -ETIMEDOUT);
	assert_int_equal(lumaring_latest(ring, 10, &frame), -ETIMEDOUT);
	assert_null(frame);
	assert_true(strlen(lumaring_error_text(ring)) > 0);
	for (int i = 0; i < 3; i++) {
		fake_notice(f); /* says that there is one, but there is none: waits on */
		assert_int_equal(lumaring_next(ring, 10, &frame), -ETIMEDOUT);
		slot = fake_frame(f);
		assert_int_equal(lumaring_next(ring, i % 2 ? -1 : FAKE_WAIT_MS, &frame), 0);
		assert_ptr_not_equal(frame->pixels, fake_pixels(&f->ring, slot)); /* another map of it */
		assert_int_equal(lumaring_release(ring, frame), 0);
	}
	lumaring_close(ring);
}

/* A daemon that talks without end does not keep a call. */
static void test_flood(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	struct lumaring_message noise = { .type = 99, .size = sizeof(noise) };
	unsigned sent = 0, calls = 0;

	while (send(f->socket, &noise, sizeof(noise), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		sent++;
	assert_true(sent > 64);
	while (is_readable(lumaring_fd(ring))) {
		assert_int_equal(lumaring_next(ring, 0, &frame), -EAGAIN);
		calls++;
	}
	assert_true(calls > 1 && calls <= sent / 64 + 1);
	lumaring_close(ring);
}

struct talker {
	const struct fake *fake;
	bool pauses;
	pthread_t thread;
};

/* Say nothing of meaning until the connection ends. */
static void *talk(void *argument)
{
	const struct talker *talker = argument;
	const struct lumaring_message noise = { .type = 99, .size = sizeof(noise) };

	while (send(talker->fake->socket, &noise, sizeof(noise), MSG_NOSIGNAL) > 0) {
		if (talker->fake->by_futex)
			fake_count_message(talker->fake);
		if (talker->pauses)
			poll(NULL, 0, 1);
	}
	return NULL;
}

/* However often a call is woken for nothing, it ends when its time is over. */
static void test_time_of_a_call(void **state)
{
	struct fake *f = *state;
	const struct lumaring_frame *frame = NULL;

	for (int i = 0; i < 2; i++) {
		struct lumaring *ring = fake_open(f, 0, 16);
		struct talker talker = { .fake = f, .pauses = i > 0 };

		assert_int_equal(pthread_create(&talker.thread, NULL, talk, &talker), 0);
		assert_int_equal(lumaring_next(ring, 150, &frame), -ETIMEDOUT);
		assert_int_equal(lumaring_next(ring, 20, &frame), -ETIMEDOUT);
		fake_publish(&f->ring); /* and no notice of it would be needed */
		assert_int_equal(lumaring_latest(ring, -1, &frame), 0);
		lumaring_close(ring);
		assert_int_equal(pthread_join(talker.thread, NULL), 0);
	}
}

/* A call's time is its own: neither a longer nor a shorter one of before is left over. */
static void test_times_of_calls(void **state)
{
	static const int times_ms[] = { -1, 120, 5000, 101, 99, 0, FAKE_WAIT_MS, 110, 300, -1, INT32_MAX, 130 };
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;

	for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
		const bool is_short = times_ms[i] >= 0 && times_ms[i] <= 130;

		fake_notice(f); /* of nothing: the call waits on for what is left */
		if (!is_short) {
			fake_frame(f);
			assert_int_equal(lumaring_next(ring, times_ms[i], &frame), 0);
			assert_int_equal(lumaring_release(ring, frame), 0);
		} else {
			assert_int_equal(lumaring_next(ring, times_ms[i], &frame),
					 times_ms[i] == 0 ? -EAGAIN : -ETIMEDOUT);
		}
	}
	lumaring_close(ring);
}

/* --- signals ----------------------------------------------------------------------------------------------------- */

static struct fake_ring *ring_of_signals; /* published to by the handler, or NULL */

static void on_alarm(int signal)
{
	(void)signal;
	if (ring_of_signals)
		fake_publish(ring_of_signals);
}

/* Have SIGALRM come every millisecond, to a handler that restarts calls or not; or never, and *old is back. */
static void set_signals(bool on, bool restart, struct sigaction *old)
{
	const struct sigaction action = { .sa_handler = on_alarm, .sa_flags = restart ? SA_RESTART : 0 };
	const struct itimerval every = { { 0, on ? 1000 : 0 }, { 0, on ? 1000 : 0 } };

	if (on)
		assert_return_code(sigaction(SIGALRM, &action, old), errno);
	assert_return_code(setitimer(ITIMER_REAL, &every, NULL), errno);
	if (!on)
		assert_return_code(sigaction(SIGALRM, old, NULL), errno);
}

static void test_signal(void **state)
{
	static const int times_ms[] = { -1, FAKE_WAIT_MS, 90 }; /* waited for in three ways */
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	struct sigaction old;
	int r;

	for (int restart = 0; restart < 2; restart++) {
		set_signals(true, restart, &old);
		for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++)
			assert_int_equal(lumaring_next(ring, times_ms[i], &frame), -EINTR);
		set_signals(false, false, &old);
	}
	set_signals(true, true, &old);
	fake_die(f);
	do
		r = lumaring_next(ring, -1, &frame);
	while (r == -EINTR);
	assert_int_equal(r, LUMARING_EVENT_DISCONNECTED); /* however often it is interrupted */
	assert_int_equal(lumaring_next(ring, -1, &frame), -EINTR);
	set_signals(false, false, &old);
	assert_null(frame);
	lumaring_close(ring);
}

/* A frame that is there is not kept back by the signal that ended the wait. */
static void test_signal_and_a_frame(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	struct sigaction old;

	ring_of_signals = &f->ring;
	set_signals(true, false, &old);
	assert_int_equal(lumaring_next(ring, -1, &frame), 0);
	set_signals(false, false, &old);
	ring_of_signals = NULL;
	lumaring_close(ring);
}

static char state_of(pid_t pid)
{
	char path[32], state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return state;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	fclose(file);
	return state;
}

/* In another process: stop the test when it waits, publish a frame without a word, and let it go on. */
static void stop_and_continue(struct fake *f, pid_t pid)
{
	while (state_of(pid) != 'S')
		sched_yield();
	kill(pid, SIGSTOP);
	while (state_of(pid) != 'T')
		sched_yield();
	fake_publish(&f->ring);
	kill(pid, SIGCONT);
	_exit(0);
}

/* A program that is stopped and continued (by a shell, by a debugger) meets a frame and no error. */
static void test_stopped_and_continued(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	const pid_t own = getpid(), child = fork();
	int status = -1;

	assert_true(child >= 0);
	if (child == 0)
		stop_and_continue(f, own);
	assert_int_equal(lumaring_next(ring, -1, &frame), 0);
	assert_int_equal(frame->sequence, 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	lumaring_close(ring);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fd),
		TEST(test_fd_is_made_when_asked_for),
		TEST(test_fd_asked_for_while_away),
		TEST(test_fd_asked_for_while_greeting),
		TEST(test_fd_without_room),
		FAKE_BOTH(test_waits_for_a_frame),
		TEST(test_flood),
		FAKE_BOTH(test_time_of_a_call),
		FAKE_BOTH(test_times_of_calls),
		FAKE_BOTH(test_signal),
		FAKE_BOTH(test_signal_and_a_frame),
		FAKE_BOTH(test_stopped_and_continued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
