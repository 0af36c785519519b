/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_loop.c - the event loop: its life, and receiving and sending over real sockets.
 *
 * epoll_ctl() is defined here and counts before it asks the kernel, so that what an operation costs can be checked.
 */
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "loop_probe.h"

static unsigned epoll_ctl_calls;

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	epoll_ctl_calls++;
	return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
}

/* --- creation ----------------------------------------------------------------------------------------------------- */

static void stop_loop(struct probe *probe, int result)
{
	(void)result;
	loop_stop(probe->loop);
}

static void test_run_and_stop(void **state)
{
	struct loop *loop = make_loop();
	struct probe timer;

	(void)state;
	probe_init(&timer, loop, stop_loop);
	for (unsigned i = 1; i <= 2; i++) { /* a stopped loop runs again */
		loop_timer(loop, &timer.op, 0);
		assert_int_equal(loop_run(loop), 0);
		assert_int_equal(timer.calls, i);
	}
	loop_destroy(loop);
}

static void test_destroy_closes(void **state)
{
	unsigned fds = count_fds();
	struct loop *loop = make_loop();
	struct probe *probes = malloc(4 * sizeof(*probes));
	unsigned made = count_fds();
	sigset_t signals;

	(void)state;
	assert_non_null(probes);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR2);
	for (unsigned i = 0; i < 4; i++)
		probe_init(&probes[i], loop, NULL);
	assert_int_equal(loop_doorbell(loop, &probes[0].op), 0);
	assert_int_equal(loop_doorbell(loop, &probes[1].op), 0);
	assert_int_equal(loop_signal(loop, &probes[2].op, &signals), 0);
	loop_timer(loop, &probes[3].op, UINT64_MAX);
	loop_cancel(loop, &probes[1].op);
	assert_int_equal(count_fds(), made + 3);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(probes[i].calls, 0);
	free(probes); /* not looked at any more */
	loop_destroy(loop);
	assert_int_equal(count_fds(), fds);
}

static void test_start_fails(void **state)
{
	struct loop *loop = make_loop();
	struct probe probe;
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(file >= 0);
	probe_init(&probe, loop, NULL);
	if (probed == PROBED_EPOLL) { /* the other one calls it ready */
		loop_readable(loop, &probe.op, file);
		assert_int_equal(probe.calls, 0);
		turn_until(loop, &probe, 1);
		assert_int_equal(last_result(&probe), -EPERM);
		assert_false(loop_op_active(&probe.op));
	}
	loop_accept(loop, &probe.op, file);
	turn_until(loop, &probe, probe.calls + 1);
	assert_true(last_result(&probe) == -EPERM || last_result(&probe) == -ENOTSOCK);
	assert_false(loop_op_active(&probe.op));
	close(file);
	loop_accept(loop, &probe.op, file);
	turn_until(loop, &probe, probe.calls + 1);
	assert_int_equal(last_result(&probe), -EBADF);
	assert_false(loop_op_active(&probe.op));
	loop_readable(loop, &probe.op, file);
	turn_until(loop, &probe, probe.calls + 1);
	assert_int_equal(last_result(&probe), -EBADF);
	assert_false(loop_op_active(&probe.op));
	loop_destroy(loop);
}

/* --- receive ------------------------------------------------------------------------------------------------------ */

static void test_receive_many(void **state)
{
	struct loop *loop = make_loop();
	struct probe probe;
	int fds[2];
	unsigned calls;
	char text[16];

	(void)state;
	make_pair(fds);
	probe_init(&probe, loop, receive_again);
	start_receive(&probe, fds[0]);
	calls = epoll_ctl_calls;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "packet %u", i);
		send_text(fds[1], text);
	}
	assert_int_equal(probe.calls, 0);
	for (unsigned i = 1; i <= 100; i++) { /* one a turn */
		assert_int_equal(loop_turn(loop, PATIENCE_MS), 0);
		assert_int_equal(probe.calls, i);
		assert_int_equal(last_result(&probe), i <= 10 ? 8 : 9);
	}
	assert_int_equal(epoll_ctl_calls, calls); /* beginning again inside `done` is free */
	turn_idle(loop);
	close(fds[1]);
	turn_until(loop, &probe, 101);
	assert_int_equal(last_result(&probe), 0);
	assert_false(loop_op_active(&probe.op));
	turn_idle(loop);
	assert_int_equal(probe.calls, 101);
	close(fds[0]);
	loop_destroy(loop);
}

static void test_receive_later(void **state)
{
	struct loop *loop = make_loop();
	struct probe probe;
	int fds[2];

	(void)state;
	make_pair(fds);
	probe_init(&probe, loop, NULL);
	start_receive(&probe, fds[0]);
	send_text(fds[1], "one");
	send_text(fds[1], "two");
	turn_until(loop, &probe, 1);
	assert_string_equal(probe.buffer, "one");
	check_sleeps(loop); /* though there is a second packet: nobody wants it now */
	start_receive(&probe, fds[0]);
	turn_until(loop, &probe, 2);
	assert_string_equal(probe.buffer, "two");
	close(fds[1]);
	check_sleeps(loop); /* though there is the end */
	start_receive(&probe, fds[0]);
	turn_until(loop, &probe, 3);
	assert_int_equal(last_result(&probe), 0);
	close(fds[0]);
	loop_destroy(loop);
}

/* Both descriptors of one socket are ready, and what was there is gone when the second one looks. */
static void test_receive_shared(void **state)
{
	struct loop *loop = make_loop();
	struct probe probes[2];
	int fds[2], copy;

	(void)state;
	make_pair(fds);
	copy = dup(fds[0]);
	for (unsigned i = 0; i < 2; i++) {
		probe_init(&probes[i], loop, NULL);
		start_receive(&probes[i], i ? copy : fds[0]);
	}
	send_text(fds[1], "one");
	turn_idle(loop);
	assert_int_equal(probes[0].calls + probes[1].calls, 1);
	send_text(fds[1], "two");
	turn_idle(loop);
	assert_int_equal(probes[0].calls, 1);
	assert_int_equal(probes[1].calls, 1);
	assert_int_equal(last_result(&probes[0]) + last_result(&probes[1]), 6);
	close(copy);
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

static void test_receive_cut_and_fair(void **state)
{
	struct loop *loop = make_loop();
	struct probe busy, quiet;
	int a[2], b[2];
	char long_text[200];

	(void)state;
	make_pair(a);
	make_pair(b);
	probe_init(&busy, loop, receive_again);
	probe_init(&quiet, loop, receive_again);
	start_receive(&busy, a[0]);
	start_receive(&quiet, b[0]);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	for (unsigned i = 0; i < 10; i++)
		send_text(a[1], long_text);
	send_text(b[1], "me too");
	assert_int_equal(loop_turn(loop, PATIENCE_MS), 0);
	assert_int_equal(busy.calls, 1);
	assert_int_equal(last_result(&busy), sizeof(busy.buffer) - 1);
	assert_int_equal(quiet.calls, 1);
	assert_int_equal(last_result(&quiet), 6);
	for (unsigned i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	loop_destroy(loop);
}

static void test_attached_descriptors(void **state)
{
	struct loop *loop = make_loop();
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control = { .room = { 0 } };
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)
	};
	struct probe probe;
	int fds[2];
	unsigned count;

	(void)state;
	make_pair(fds);
	control.header = (struct cmsghdr){ CMSG_LEN(3 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), (int[]){ 0, 1, 2 }, 3 * sizeof(int));
	probe_init(&probe, loop, receive_again);
	start_receive(&probe, fds[0]);
	count = count_fds();
	for (unsigned i = 1; i <= 20; i++) {
		assert_int_equal(sendmsg(fds[1], &msg, 0), 1);
		turn_until(loop, &probe, i);
		assert_int_equal(last_result(&probe), 1);
		assert_int_equal(count_fds(), count);
	}
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

/* --- descriptor numbers that are used again ----------------------------------------------------------------------- */

/* Close the descriptor and begin on another file of the same number. */
static void reopen(struct probe *probe, int result)
{
	int pair[2], fd = probe->fd;
	struct probe *other = probe->other;

	if (!other || result == -ECANCELED)
		return;
	probe->other = NULL;
	close(fd);
	make_pair(pair);
	assert_int_equal(pair[0], fd); /* the lowest free number */
	start_receive(other, fd);
	other->place = (unsigned)pair[1];
}

/* A descriptor that was closed after `text` came ("": at the end), and its number used again for `second`. */
static void check_reuse(const char *text, bool same_operation)
{
	struct loop *loop = make_loop();
	struct probe probe, fresh;
	struct probe *second = same_operation ? &probe : &fresh;
	unsigned calls = same_operation ? 2 : 1;
	int fds[2];

	make_pair(fds);
	probe_init(&probe, loop, reopen);
	probe_init(&fresh, loop, NULL);
	probe.other = second;
	start_receive(&probe, fds[0]);
	if (*text)
		send_text(fds[1], text);
	close(fds[1]);
	turn_until(loop, &probe, 1);
	assert_int_equal(last_result(&probe), strlen(text));
	turn_idle(loop);
	send_text((int)second->place, "another file");
	turn_until(loop, second, calls);
	assert_string_equal(second->buffer, "another file");
	close((int)second->place);
	close(fds[0]);
	loop_destroy(loop);
}

static void test_descriptor_reuse(void **state)
{
	(void)state;
	check_reuse("", true);
	check_reuse("", false);
	check_reuse("last words", false);
}

static void close_fd(struct probe *probe, int result)
{
	if (result == -ECANCELED)
		close(probe->fd);
}

static void test_reuse_after_cancel(void **state)
{
	struct loop *loop = make_loop();
	struct probe probe;
	int fds[2], copy;

	(void)state;
	make_pair(fds);
	probe_init(&probe, loop, close_fd);
	start_receive(&probe, fds[0]);
	copy = dup(fds[0]); /* keeps the file, and with it a registration that was not taken back */
	loop_cancel(loop, &probe.op);
	turn_until(loop, &probe, 1);
	send_text(fds[1], "nobody waits");
	check_sleeps(loop);
	assert_int_equal(dup2(copy, fds[0]), fds[0]);
	start_receive(&probe, fds[0]);
	turn_until(loop, &probe, 2);
	assert_int_equal(last_result(&probe), 12);
	close(copy);
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

/* --- send and writable -------------------------------------------------------------------------------------------- */

static void test_send(void **state)
{
	struct loop *loop = make_loop();
	struct probe probe, writable;
	char block[1024] = { 0 };
	unsigned sent = 0;
	int fds[2];

	(void)state;
	make_pair(fds);
	probe_init(&probe, loop, NULL);
	probe_init(&writable, loop, NULL);
	do {
		unsigned calls = probe.calls;

		start_send(&probe, fds[0], block, sizeof(block));
		assert_int_equal(probe.calls, calls);
		loop_flush(loop);
		assert_int_equal(probe.calls, calls + 1);
		sent++;
	} while (last_result(&probe) == (int)sizeof(block));
	assert_int_equal(last_result(&probe), -EAGAIN);
	assert_true(sent > 1);
	loop_writable(loop, &writable.op, fds[0]);
	turn_idle(loop);
	assert_int_equal(writable.calls, 0);
	while (recv(fds[1], block, sizeof(block), 0) > 0)
		;
	turn_until(loop, &writable, 1);
	assert_int_equal(last_result(&writable), 0);
	turn_idle(loop);
	assert_int_equal(writable.calls, 1);
	start_send(&probe, fds[0], block, sizeof(block));
	loop_cancel(loop, &probe.op);
	loop_flush(loop);
	assert_int_equal(last_result(&probe), -ECANCELED);
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

/* The peer is gone: an error, without SIGPIPE, which only a stream would raise; and a writer is told of it. */
static void test_send_to_nobody(void **state)
{
	struct loop *loop = make_loop();
	struct probe probe;
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_DFL);
	probe_init(&probe, loop, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	close(fds[1]);
	start_send(&probe, fds[0], "x", 1);
	loop_flush(loop);
	assert_int_equal(last_result(&probe), -EPIPE);
	close(fds[0]);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(fds[1], "full", 4) == 4)
		;
	loop_writable(loop, &probe.op, fds[1]);
	turn_idle(loop);
	assert_int_equal(probe.calls, 1);
	close(fds[0]);
	turn_until(loop, &probe, 2);
	assert_int_equal(last_result(&probe), 0);
	close(fds[1]);
	loop_destroy(loop);
}

static void test_both_sides(void **state)
{
	struct loop *loop = make_loop();
	struct probe receive, writable;
	int fds[2];
	unsigned calls;

	(void)state;
	make_pair(fds);
	probe_init(&receive, loop, receive_again);
	probe_init(&writable, loop, NULL);
	start_receive(&receive, fds[0]);
	loop_writable(loop, &writable.op, fds[0]);
	turn_until(loop, &writable, 1);
	calls = epoll_ctl_calls;
	turn_idle(loop);
	assert_int_equal(receive.calls, 0);
	send_text(fds[1], "in");
	turn_until(loop, &receive, 1);
	assert_int_equal(epoll_ctl_calls, calls);
	loop_writable(loop, &writable.op, fds[0]);
	close(fds[1]); /* both see the end */
	turn_until(loop, &writable, 2);
	turn_until(loop, &receive, 2);
	assert_int_equal(last_result(&receive), 0);
	close(fds[0]);
	loop_destroy(loop);
}

/* Send inside `done`, and see it done before flush returns. */
static void send_inside(struct probe *probe, int result)
{
	unsigned calls = probe->other->calls;

	if (result != 0)
		return;
	start_send(probe->other, probe->fd, "inside", 6);
	assert_int_equal(probe->other->calls, calls);
	loop_flush(probe->loop);
	assert_int_equal(probe->other->calls, calls + 1);
	assert_int_equal(last_result(probe->other), 6);
}

/* Answer a packet, then wait for the next one. */
static void answer(struct probe *probe, int result)
{
	if (result <= 0)
		return;
	start_send(probe->other, probe->fd, "answer", 6);
	loop_flush(probe->loop);
	start_receive(probe, probe->fd);
}

static void test_answer_inside_done(void **state)
{
	struct loop *loop = make_loop();
	struct probe receive, send;
	int fds[2];
	unsigned calls;
	char text[8];

	(void)state;
	make_pair(fds);
	probe_init(&receive, loop, answer);
	probe_init(&send, loop, NULL);
	receive.other = &send;
	start_receive(&receive, fds[0]);
	calls = epoll_ctl_calls;
	for (unsigned i = 1; i <= 3; i++) {
		send_text(fds[1], "question");
		turn_until(loop, &receive, i);
		assert_int_equal(recv(fds[1], text, sizeof(text), 0), 6);
	}
	assert_int_equal(epoll_ctl_calls, calls);
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

static void test_flush_inside_done(void **state)
{
	struct loop *loop = make_loop();
	struct probe bell, send, timers[2];
	int fds[2];

	(void)state;
	make_pair(fds);
	probe_init(&bell, loop, send_inside);
	probe_init(&send, loop, NULL);
	bell.other = &send;
	bell.fd = fds[0];
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	for (unsigned i = 0; i < 2; i++) {
		probe_init(&timers[i], loop, NULL);
		loop_timer(loop, &timers[i].op, 0);
	}
	loop_wake(&bell.op);
	assert_int_equal(loop_turn(loop, PATIENCE_MS), 0);
	assert_int_equal(bell.calls, 1);
	assert_int_equal(send.calls, 1);
	assert_int_equal(timers[0].calls + timers[1].calls, 2); /* those behind it in the same turn are not lost */
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

/* What else has happened is told by the next turn, not by a flush. */
static void test_flush_tells_sends_only(void **state)
{
	struct loop *loop = make_loop();
	struct probe bell, receive, send, timer;
	int fds[2];

	(void)state;
	make_pair(fds);
	probe_init(&bell, loop, NULL);
	probe_init(&receive, loop, NULL);
	probe_init(&send, loop, NULL);
	probe_init(&timer, loop, NULL);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	start_receive(&receive, fds[0]);
	turn_idle(loop);
	loop_wake(&bell.op);
	send_text(fds[1], "in");
	loop_timer(loop, &timer.op, 0);
	start_send(&send, fds[0], "out", 3);
	loop_flush(loop);
	assert_int_equal(send.calls, 1);
	assert_int_equal(last_result(&send), 3);
	assert_int_equal(bell.calls + receive.calls + timer.calls, 0);
	turn_idle(loop);
	assert_int_equal(bell.calls, 1);
	assert_int_equal(receive.calls, 1);
	assert_int_equal(timer.calls, 1);
	assert_int_equal(send.calls, 1);
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_and_stop),
		cmocka_unit_test(test_destroy_closes),
		cmocka_unit_test(test_start_fails),
		cmocka_unit_test(test_receive_many),
		cmocka_unit_test(test_receive_later),
		cmocka_unit_test(test_receive_shared),
		cmocka_unit_test(test_receive_cut_and_fair),
		cmocka_unit_test(test_attached_descriptors),
		cmocka_unit_test(test_descriptor_reuse),
		cmocka_unit_test(test_reuse_after_cancel),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_send_to_nobody),
		cmocka_unit_test(test_both_sides),
		cmocka_unit_test(test_answer_inside_done),
		cmocka_unit_test(test_flush_inside_done),
		cmocka_unit_test(test_flush_tells_sends_only),
	};

	return RUN_ON_EACH(tests);
}
