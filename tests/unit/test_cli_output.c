/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli_output.c - gathered writes arrive whole through small, slow, non-blocking and broken pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

/* Posted when the reader may begin: at once, or when the writer has found the pipe full and waits for it. */
static sem_t reader_may_begin;

static int poll_and_begin(struct pollfd *wanted, nfds_t count, int timeout_ms)
{
	sem_post(&reader_may_begin);
	return poll(wanted, count, timeout_ms);
}

#define poll poll_and_begin
#include "../../client-lib/cli/output.c"
#undef poll

#define DATA_BYTES 500000u
#define PIPE_SMALL 4096

struct reader {
	int fd;
	uint8_t data[DATA_BYTES + 1];
	size_t bytes;
};

/* Reads odd amounts, so that writes end in the middle of pieces. */
static void *reader_run(void *argument)
{
	struct reader *reader = argument;
	ssize_t n;

	sem_wait(&reader_may_begin);
	do {
		size_t room = sizeof(reader->data) - reader->bytes;

		n = read(reader->fd, reader->data + reader->bytes, room < 777 ? room : 777);
		if (n > 0)
			reader->bytes += (size_t)n;
	} while (n > 0);
	return NULL;
}

/* DATA_BYTES in pieces of 1 to 999 bytes with gaps between them, through a pipe of one page. */
static void through_pipe(int flags)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	uint8_t *data = malloc(2 * DATA_BYTES);
	struct output output;
	size_t put = 0, at = 0;
	pthread_t thread;
	int ends[2];

	assert_non_null(reader);
	assert_non_null(data);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_SMALL);
	assert_int_equal(fcntl(ends[1], F_SETFL, flags), 0);
	assert_int_equal(sem_init(&reader_may_begin, 0, flags & O_NONBLOCK ? 0 : 1), 0);
	reader->fd = ends[0];
	assert_int_equal(pthread_create(&thread, NULL, reader_run, reader), 0);
	output_init(&output, ends[1]);
	for (unsigned length = 1; put < DATA_BYTES; length = length * 7 % 999 + 1) {
		size_t bytes = length < DATA_BYTES - put ? length : DATA_BYTES - put;

		for (size_t i = 0; i < bytes; i++)
			data[at + i] = (uint8_t)((put + i) * 31 >> 3);
		assert_int_equal(output_put(&output, data + at, bytes), 0);
		put += bytes;
		at += bytes + length % 2; /* some pieces touch and are joined */
	}
	assert_int_equal(output_flush(&output), 0);
	close(ends[1]);
	pthread_join(thread, NULL);
	close(ends[0]);
	assert_int_equal(reader->bytes, DATA_BYTES);
	for (size_t i = 0; i < DATA_BYTES; i++)
		if (reader->data[i] != (uint8_t)(i * 31 >> 3))
			fail_msg("byte %zu is wrong", i);
	free(data);
	free(reader);
}

static void test_blocking(void **state)
{
	(void)state;
	through_pipe(0);
}

static void test_non_blocking(void **state)
{
	(void)state;
	through_pipe(O_NONBLOCK);
}

static void test_joined(void **state)
{
	uint8_t data[64] = { 0 };
	struct output output;

	(void)state;
	output_init(&output, -1);
	assert_int_equal(output_put(&output, data, 10), 0);
	assert_int_equal(output_put(&output, data + 10, 10), 0);
	assert_int_equal(output_put(&output, data + 20, 0), 0);
	assert_int_equal(output.count, 1);
	assert_int_equal(output.pieces[0].iov_len, 20);
	assert_int_equal(output_put(&output, data + 21, 10), 0);
	assert_int_equal(output.count, 2);
}

static void test_reader_gone(void **state)
{
	struct output output;
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	output_init(&output, ends[1]);
	assert_int_equal(output_put(&output, "x", 1), 0);
	assert_int_equal(output_flush(&output), -EPIPE);
	assert_int_equal(output.count, 0);
	assert_int_equal(output_flush(&output), 0);
	close(ends[1]);
}

static void test_disk_full(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct output output;

	(void)state;
	if (fd < 0)
		skip();
	output_init(&output, fd);
	assert_int_equal(output_put(&output, "x", 1), 0);
	assert_int_equal(output_flush(&output), -ENOSPC);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocking),    cmocka_unit_test(test_non_blocking), cmocka_unit_test(test_joined),
		cmocka_unit_test(test_reader_gone), cmocka_unit_test(test_disk_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
