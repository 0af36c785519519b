/* SPDX-License-Identifier: BSD-2-Clause */
/* test_loop_stream.c - the event loop on a stream: results are any part of what there is, and of what was to be sent.
 */
#include "loop_probe.h"

#define TEXT_BYTES (1u << 20) /* more than a socket holds */

static void make_stream(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

/* What came in several packets is received together, and what is longer than the buffer in parts; nothing is cut off.
 */
static void test_receive_parts(void **state)
{
	struct loop *loop = make_loop();
	struct probe probe;
	char text[100], heard[100];
	int fds[2];

	(void)state;
	make_stream(fds);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('!' + i % 64);
	assert_int_equal(send(fds[1], text, 60, 0), 60);
	assert_int_equal(send(fds[1], text + 60, 40, 0), 40);
	probe_init(&probe, loop, NULL);
	for (size_t n = 0; n < sizeof(text);) {
		unsigned calls = probe.calls;

		start_receive(&probe, fds[0]);
		turn_until(loop, &probe, calls + 1);
		assert_true(last_result(&probe) > 0 && n + (size_t)last_result(&probe) <= sizeof(heard));
		memcpy(heard + n, probe.buffer, (size_t)last_result(&probe));
		n += (size_t)last_result(&probe);
	}
	assert_memory_equal(heard, text, sizeof(text));
	/* One side is shut down: the end, and the other way goes on. */
	shutdown(fds[1], SHUT_WR);
	start_receive(&probe, fds[0]);
	turn_until(loop, &probe, probe.calls + 1);
	assert_int_equal(last_result(&probe), 0);
	start_send(&probe, fds[0], "on", 2);
	turn_until(loop, &probe, probe.calls + 1);
	assert_int_equal(last_result(&probe), 2);
	assert_int_equal(recv(fds[1], heard, sizeof(heard), 0), 2);
	check_sleeps(loop);
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

/* A text that a socket does not hold: parts, -EAGAIN, and on when there is room. */
static void test_send_parts(void **state)
{
	struct loop *loop = make_loop();
	struct probe probe;
	char *text = malloc(TEXT_BYTES), *heard = malloc(TEXT_BYTES);
	size_t sent = 0, received = 0;
	unsigned parts = 0, full = 0;
	int fds[2];

	(void)state;
	for (size_t i = 0; i < TEXT_BYTES; i++)
		text[i] = (char)(i * 7 >> 3);
	make_stream(fds);
	probe_init(&probe, loop, NULL);
	while (received < TEXT_BYTES) {
		ssize_t n;

		if (sent < TEXT_BYTES) {
			start_send(&probe, fds[0], text + sent, TEXT_BYTES - sent);
			turn_until(loop, &probe, probe.calls + 1);
			parts += last_result(&probe) > 0;
			sent += last_result(&probe) > 0 ? (size_t)last_result(&probe) : 0;
		}
		if (last_result(&probe) != -EAGAIN && sent < TEXT_BYTES)
			continue;
		full += sent < TEXT_BYTES;
		while ((n = recv(fds[1], heard + received, TEXT_BYTES - received, MSG_DONTWAIT)) > 0)
			received += (size_t)n;
		if (sent == TEXT_BYTES)
			continue;
		loop_writable(loop, &probe.op, fds[0]);
		turn_until(loop, &probe, probe.calls + 1);
		assert_int_equal(last_result(&probe), 0);
	}
	assert_memory_equal(heard, text, TEXT_BYTES);
	assert_true(parts > 1 && full > 0);
	close(fds[1]);
	start_send(&probe, fds[0], "x", 1);
	turn_until(loop, &probe, probe.calls + 1);
	assert_int_equal(last_result(&probe), -EPIPE);
	close(fds[0]);
	loop_destroy(loop);
	free(text);
	free(heard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receive_parts),
		cmocka_unit_test(test_send_parts),
	};

	return RUN_ON_EACH(tests);
}
