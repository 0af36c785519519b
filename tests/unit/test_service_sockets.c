/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_service_sockets.c - sockets that a service manager hands over: each test is a process that was started with
 * some, right or wrong, at descriptors 3 and up. What is wrong is told in one sentence, and nothing is unlinked.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "service_sockets.h"

#define FIRST_FD 3

static char directory[64], frames_path[96], control_path[96];

/* What is handed over as one descriptor. */
enum what {
	NOTHING,
	FRAMES,
	CONTROL,
	FRAMES_ELSEWHERE,
	FRAMES_DEAF,
	FRAMES_DATAGRAM,
	FRAMES_NO_SOCKET,
	FRAMES_INTERNET
};

struct handed {
	enum what what[3];
	const char *names, *count; /* count NULL: as many as there are */
};

static int make_socket(int type, const char *path, bool listens)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || (listens && listen(fd, 4) < 0))
		_exit(99);
	return fd;
}

static int make_descriptor(enum what what)
{
	char elsewhere[128];

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", directory);
	switch (what) {
	case FRAMES:
		return make_socket(SOCK_SEQPACKET, frames_path, true);
	case CONTROL:
		return make_socket(SOCK_STREAM, control_path, true);
	case FRAMES_ELSEWHERE:
		return make_socket(SOCK_SEQPACKET, elsewhere, true);
	case FRAMES_DEAF:
		return make_socket(SOCK_SEQPACKET, frames_path, false);
	case FRAMES_DATAGRAM:
		return make_socket(SOCK_DGRAM, frames_path, false);
	case FRAMES_NO_SOCKET:
		return open("/dev/null", O_RDWR);
	case FRAMES_INTERNET:
		return socket(AF_INET, SOCK_STREAM, 0);
	case NOTHING:
		break;
	}
	return -1;
}

/* As a service manager leaves its child before exec(): the numbers from 3 on, not close-on-exec, blocking. */
static void hand_over(const struct handed *handed)
{
	char number[16];
	unsigned count = 0;
	int made[3];

	for (; count < 3 && handed->what[count] != NOTHING; count++) {
		int fd = make_descriptor(handed->what[count]);

		made[count] = fcntl(fd, F_DUPFD, 64);
		close(fd);
	}
	for (unsigned i = 0; i < count; i++)
		if (dup2(made[i], FIRST_FD + (int)i) < 0 || close(made[i]) < 0)
			_exit(98);
	snprintf(number, sizeof(number), "%u", count);
	setenv("LISTEN_FDS", handed->count ? handed->count : number, true);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, true);
	if (handed->names)
		setenv("LISTEN_FDNAMES", handed->names, true);
}

struct outcome {
	int result, frames_fd, control_fd;
	char text[512];
	bool ready;      /* both are close-on-exec and do not block */
	bool left_open;  /* one of the descriptors is still there */
	bool told_twice; /* the environment still says so */
};

static bool is_ready(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK;
}

static void take(const struct handed *handed, struct outcome *ret_outcome)
{
	struct outcome *o = ret_outcome;

	hand_over(handed);
	o->frames_fd = o->control_fd = -2;
	o->result = service_take_sockets(frames_path, control_path, &o->frames_fd, &o->control_fd, o->text,
					 sizeof(o->text));
	o->ready = is_ready(o->frames_fd) && is_ready(o->control_fd);
	for (int fd = FIRST_FD; fd < FIRST_FD + 3; fd++)
		o->left_open |= fcntl(fd, F_GETFD) >= 0;
	o->told_twice = getenv("LISTEN_FDS") != NULL;
}

/* In a process of its own, whose low descriptors nobody else needs: the outcome comes back by a pipe. */
static struct outcome outcome_of(const struct handed *handed)
{
	struct outcome outcome = { 0 };
	int pipe_fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int out = fcntl(pipe_fds[1], F_DUPFD, 100);

		for (int fd = FIRST_FD; fd < 64; fd++)
			close(fd);
		take(handed, &outcome);
		_exit(write(out, &outcome, sizeof(outcome)) == sizeof(outcome) ? 0 : 97);
	}
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &outcome, sizeof(outcome)), sizeof(outcome));
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return outcome;
}

static bool is_socket(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void test_both(void **state)
{
	const struct handed orders[] = { { { FRAMES, CONTROL }, "frames:control", NULL },
					 { { CONTROL, FRAMES }, "control:frames", NULL } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct outcome o = outcome_of(&orders[i]);

		if (o.result != 1)
			fail_msg("%d: %s", o.result, o.text);
		assert_int_equal(o.frames_fd, FIRST_FD + i);
		assert_int_equal(o.control_fd, FIRST_FD + 1 - i);
		assert_true(o.ready);
		assert_false(o.told_twice);
		assert_true(is_socket(frames_path) && is_socket(control_path));
	}
}

static void test_nothing(void **state)
{
	int frames_fd = -2, control_fd = -2;
	char text[512] = "", pid[16];

	(void)state;
	unsetenv("LISTEN_FDS");
	assert_int_equal(service_take_sockets("f", "c", &frames_fd, &control_fd, text, sizeof(text)), 0);
	assert_int_equal(frames_fd, -1);
	assert_int_equal(control_fd, -1);
	/* Meant for the process that started us. */
	setenv("LISTEN_FDS", "2", true);
	snprintf(pid, sizeof(pid), "%d", (int)getppid());
	setenv("LISTEN_PID", pid, true);
	assert_int_equal(service_take_sockets("f", "c", &frames_fd, &control_fd, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
}

static void test_refused(void **state)
{
	static const struct {
		struct handed handed;
		const char *sentence;
	} cases[] = {
		{ { { FRAMES }, "frames", NULL },
		  "the socket \"frames\" was handed over and \"control\" was not: start both socket units" },
		{ { { CONTROL }, "control", NULL }, "the socket \"control\" was handed over and \"frames\" was not" },
		{ { { FRAMES, CONTROL }, "frames:lumaringd-control@cam0.socket", NULL },
		  "a descriptor called \"lumaringd-control@cam0.socket\" was handed over: FileDescriptorName= " },
		{ { { FRAMES, CONTROL }, NULL, NULL }, "a descriptor called \"unknown\" was handed over" },
		{ { { FRAMES, CONTROL, FRAMES_NO_SOCKET }, "frames:control:stored", NULL },
		  "a descriptor called \"stored\" was handed over" },
		{ { { FRAMES, FRAMES_ELSEWHERE, CONTROL }, "frames:frames:control", NULL },
		  "two sockets called \"frames\" were handed over" },
		{ { { FRAMES, CONTROL }, "control:frames", NULL },
		  "the socket \"frames\" that was handed over is none of ListenSequentialPacket=" },
		{ { { FRAMES, FRAMES_ELSEWHERE }, "frames:control", NULL },
		  "the socket \"control\" that was handed over is none of ListenStream=" },
		{ { { FRAMES_DATAGRAM, CONTROL }, "frames:control", NULL }, "is none of ListenSequentialPacket=" },
		{ { { FRAMES_NO_SOCKET, CONTROL }, "frames:control", NULL }, "is none of ListenSequentialPacket=" },
		{ { { FRAMES_INTERNET, CONTROL }, "frames:control", NULL }, "is none of ListenSequentialPacket=" },
		{ { { FRAMES_DEAF, CONTROL }, "frames:control", NULL },
		  "the socket \"frames\" that was handed over does not listen: its unit needs Accept=no" },
		{ { { FRAMES_ELSEWHERE, CONTROL }, "frames:control", NULL }, "/elsewhere, not at " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome o = outcome_of(&cases[i].handed);

		if (o.result != -EINVAL || !strstr(o.text, cases[i].sentence))
			fail_msg("%zu: %d, \"%s\" instead of \"%s\"", i, o.result, o.text, cases[i].sentence);
		assert_false(o.left_open);
		assert_int_equal(o.frames_fd, -1);
		assert_int_equal(o.control_fd, -1);
		assert_true(cases[i].handed.what[0] != FRAMES || is_socket(frames_path));
	}
}

static void test_nonsense(void **state)
{
	const struct handed wrong[] = { { { FRAMES, CONTROL }, "frames:control", "two" },
					{ { FRAMES, CONTROL }, "frames:control", "-1" },
					{ { FRAMES, CONTROL }, "frames:control", "3" },
					{ { FRAMES, CONTROL }, "frames", NULL } };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct outcome o = outcome_of(&wrong[i]);

		assert_true(o.result < 0);
		assert_ptr_equal(strstr(o.text, "cannot take the sockets that were handed over: "), o.text);
	}
}

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/lumaring-handed.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(frames_path, sizeof(frames_path), "%s/frames", directory);
	snprintf(control_path, sizeof(control_path), "%s/control", directory);
	return 0;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both),
		TEST(test_nothing),
		TEST(test_refused),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
