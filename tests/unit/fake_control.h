/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_control.h - the other side of the library's control calls, made by hand for its tests: a control socket in a
 * directory of its own, and a thread that answers the Nth request with the Nth answer, cut into pieces as the test
 * likes, whatever it is. Nothing of it is timed.
 */
#ifndef LUMARING_FAKE_CONTROL_H
#define LUMARING_FAKE_CONTROL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lumaring/control.h>

#define FAKE_ANSWERS 2048u
#define FAKE_REQUEST_BYTES 1024u
#define FAKE_WAIT_MS 20000 /* for what must come; how long it takes decides nothing */

struct fake_answer {
	const char *text;
	size_t bytes;
	size_t piece; /* sent so many bytes at a time; 0: at once */
	bool hang_up; /* afterwards */
};

struct fake {
	char directory[64], camera[96], path[112];
	int listener;
	pthread_t thread;
	struct fake_answer answers[FAKE_ANSWERS];
	unsigned answer_count;
	/* The thread's until it is joined by fake_stop(). */
	char requests[FAKE_ANSWERS][FAKE_REQUEST_BYTES];
	unsigned request_count, connection_count;
	unsigned open_fds;
	char text[256]; /* error text of lumaring_control_open() */
};

static inline unsigned count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

/* --- what it answers --------------------------------------------------------------------------------------------- */

static inline struct fake_answer *fake_bytes(struct fake *f, const char *text, size_t bytes)
{
	struct fake_answer *answer = &f->answers[f->answer_count++];

	assert_true(f->answer_count <= FAKE_ANSWERS);
	*answer = (struct fake_answer){ .text = text, .bytes = bytes };
	return answer;
}

/* With its NUL. */
static inline struct fake_answer *fake_reply(struct fake *f, const char *text)
{
	return fake_bytes(f, text, strlen(text) + 1);
}

static inline struct fake_answer *fake_silence(struct fake *f)
{
	return fake_bytes(f, "", 0);
}

/* --- the thread -------------------------------------------------------------------------------------------------- */

/* False: the client hung up. */
static inline bool fake_read_request(struct fake *f, int socket)
{
	char *request = f->requests[f->request_count % FAKE_ANSWERS];
	size_t n = 0;

	do {
		if (n == FAKE_REQUEST_BYTES || recv(socket, request + n, 1, 0) != 1)
			return false;
	} while (request[n++]);
	f->request_count++;
	return true;
}

static inline bool fake_send_answer(const struct fake_answer *answer, int socket)
{
	for (size_t at = 0; at < answer->bytes;) {
		const size_t left = answer->bytes - at;
		const size_t bytes = answer->piece && answer->piece < left ? answer->piece : left;
		const ssize_t n = send(socket, answer->text + at, bytes, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		at += (size_t)n;
	}
	return !answer->hang_up;
}

static inline void *fake_serve(void *fake)
{
	struct fake *f = fake;
	int socket;

	/* Ends when the listener is shut down. */
	while ((socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		bool goes_on = true;

		f->connection_count++;
		while (goes_on && fake_read_request(f, socket))
			goes_on = f->request_count <= f->answer_count &&
				  fake_send_answer(&f->answers[f->request_count - 1], socket);
		close(socket);
	}
	return NULL;
}

static inline int fake_listen_at(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int listener = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", path);
	assert_true(listener >= 0);
	assert_return_code(bind(listener, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(listener, 8), errno);
	return listener;
}

static inline void fake_start(struct fake *f)
{
	f->listener = fake_listen_at(f->path, SOCK_STREAM);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_serve, f), 0);
}

/* The daemon is gone; handles must be closed, or have been hung up on. What it was asked may be looked at. */
static inline void fake_stop(struct fake *f)
{
	if (f->listener < 0)
		return;
	shutdown(f->listener, SHUT_RDWR);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	close(f->listener);
	unlink(f->path);
	f->listener = -1;
}

static inline struct lumaring_options fake_options(struct fake *f)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;

	options.runtime_dir = f->directory;
	options.timeout_ms = FAKE_WAIT_MS;
	options.error_text = f->text;
	options.error_bytes = sizeof(f->text);
	return options;
}

static inline struct lumaring_control *fake_open(struct fake *f)
{
	const struct lumaring_options options = fake_options(f);
	struct lumaring_control *control = NULL;

	if (lumaring_control_open("cam0", &options, &control) < 0)
		fail_msg("%s", f->text);
	return control;
}

static inline int fake_setup(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->open_fds = count_fds();
	strcpy(f->directory, "/tmp/lumaring-test-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->camera, sizeof(f->camera), "%s/cam0", f->directory);
	snprintf(f->path, sizeof(f->path), "%s/control", f->camera);
	assert_return_code(mkdir(f->camera, 0755), errno);
	fake_start(f);
	alarm(120); /* a call that never returns must end the test */
	*state = f;
	return 0;
}

/* Also checks that the library left no descriptor behind. */
static inline int fake_teardown(void **state)
{
	struct fake *f = *state;

	fake_stop(f);
	rmdir(f->camera);
	rmdir(f->directory);
	assert_int_equal(count_fds(), f->open_fds);
	free(f);
	return 0;
}

#endif
