/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_loop_accept.c - the event loop: accepting, also with a full descriptor table, and cancelling in every state.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "loop_probe.h"

/* --- accept ------------------------------------------------------------------------------------------------------- */

static void close_accepted(struct probe *probe, int result)
{
	(void)probe;
	if (result >= 0)
		close(result);
}

static void test_accept(void **state)
{
	struct loop *loop = make_loop();
	struct sockaddr_un address;
	struct probe probe;
	socklen_t bytes;
	int listener = make_listener(&address, &bytes), clients[3];

	(void)state;
	probe_init(&probe, loop, NULL);
	loop_accept(loop, &probe.op, listener);
	turn_idle(loop);
	assert_int_equal(probe.calls, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true((clients[i] = make_client(&address, bytes)) >= 0);
	assert_int_equal(probe.calls, 0);
	for (unsigned i = 0; i < 3; i++) { /* one a turn */
		assert_int_equal(loop_turn(loop, PATIENCE_MS), 0);
		assert_int_equal(probe.calls, i + 1);
		assert_true(fcntl(last_result(&probe), F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(last_result(&probe), F_GETFL) & O_NONBLOCK);
		close(last_result(&probe));
		close(clients[i]);
	}
	loop_cancel(loop, &probe.op);
	turn_until(loop, &probe, 4);
	assert_int_equal(last_result(&probe), -ECANCELED);
	close(listener);
	loop_destroy(loop);
}

/*
 * Others connect faster than connections are told: they come to wait in the socket's own queue, and are told in the
 * end.
 */
static void test_accept_flood(void **state)
{
	struct loop *loop = make_loop();
	struct sockaddr_un address;
	struct probe probe;
	socklen_t bytes;
	int listener = make_listener(&address, &bytes), clients[1000];
	unsigned count = 0, fds;
	bool full = false;

	(void)state;
	probe_init(&probe, loop, close_accepted);
	loop_accept(loop, &probe.op, listener);
	turn_idle(loop);
	fds = count_fds();
	while (!full) {
		for (unsigned i = 0; i < 10 && !full; i++) {
			clients[count] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
			full = connect(clients[count], (struct sockaddr *)&address, bytes) < 0;
			assert_true(!full || errno == EAGAIN);
			if (full)
				close(clients[count]);
			else
				assert_true(++count < 1000);
		}
		assert_int_equal(loop_turn(loop, 0), 0);
	}
	assert_true(count_fds() - fds - count < 200); /* accepted, and not told yet */
	turn_until(loop, &probe, count);
	for (unsigned i = 0; i < probe.calls && i < RESULTS_MAX; i++)
		assert_true(probe.results[i] >= 0);
	assert_int_equal(count_fds(), fds + count);
	clients[count] = make_client(&address, bytes);
	turn_until(loop, &probe, count + 1);
	for (unsigned i = 0; i <= count; i++)
		close(clients[i]);
	close(listener);
	loop_destroy(loop);
}

/* Both descriptors of one listener are ready, and the connection is gone when the second one looks. */
static void test_accept_shared(void **state)
{
	struct loop *loop = make_loop();
	struct sockaddr_un address;
	struct probe probes[2];
	socklen_t bytes;
	int listener = make_listener(&address, &bytes), copy = dup(listener), client;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		probe_init(&probes[i], loop, close_accepted);
		loop_accept(loop, &probes[i].op, i ? copy : listener);
	}
	for (unsigned i = 1; i <= 10; i++) {
		assert_true((client = make_client(&address, bytes)) >= 0);
		turn_idle(loop);
		assert_int_equal(probes[0].calls + probes[1].calls, i);
		close(client);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_true(probes[i].calls == 0 || last_result(&probes[i]) >= 0);
	close(copy);
	close(listener);
	loop_destroy(loop);
}

static void test_accept_cancelled_when_due(void **state)
{
	struct loop *loop = make_loop();
	struct sockaddr_un address;
	struct probe bell, accept;
	socklen_t bytes;
	int listener = make_listener(&address, &bytes), client;
	unsigned fds;

	(void)state;
	probe_init(&bell, loop, cancel_other);
	probe_init(&accept, loop, close_accepted);
	bell.other = &accept;
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	loop_accept(loop, &accept.op, listener);
	loop_wake(&bell.op);
	assert_true((client = make_client(&address, bytes)) >= 0);
	fds = count_fds();
	assert_int_equal(loop_turn(loop, PATIENCE_MS), 0); /* the bell is told first, since it rang first */
	assert_int_equal(accept.calls, 1);
	assert_int_equal(last_result(&accept), -ECANCELED);
	assert_false(loop_op_active(&accept.op));
	assert_int_equal(count_fds(), fds); /* the accepted socket was closed */
	assert_int_equal(recv(client, &bytes, 1, 0), 0);
	turn_idle(loop);
	assert_int_equal(accept.calls, 1);
	close(client);
	close(listener);
	loop_destroy(loop);
}

/* The children below report the line that failed. */
#define CHILD_CHECK(condition)                                                                                         \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Fill the descriptor table; the number of descriptors that it took. */
static int fill_fds(int fds[64])
{
	int count = 0, fd;

	while (count < 64 && (fd = dup(STDIN_FILENO)) >= 0)
		fds[count++] = fd;
	return errno == EMFILE ? count : -1;
}

/* With a full table: tried and told again after each pause, and not a turn more than that. */
static void check_outage(struct loop *loop, struct probe *accept)
{
	uint64_t begin_ns = clock_monotonic_ns(), begin_cpu_ns = cpu_ns();
	unsigned calls = accept->calls, turns = 0;

	for (; accept->calls < calls + 6; turns++)
		CHILD_CHECK(loop_turn(loop, PATIENCE_MS) == 0 && turns < 20);
	CHILD_CHECK(clock_monotonic_ns() - begin_ns >= 5 * LOOP_ACCEPT_RETRY_MS * NS_PER_MS);
	for (unsigned i = calls; i < accept->calls; i++)
		CHILD_CHECK(accept->results[i % RESULTS_MAX] == -EMFILE);
	CHILD_CHECK(loop_op_active(&accept->op));
	printf("accept with a full descriptor table: %u turns and %llu us of CPU in %llu ms\n", turns,
	       (unsigned long long)((cpu_ns() - begin_cpu_ns) / NS_PER_US),
	       (unsigned long long)((clock_monotonic_ns() - begin_ns) / NS_PER_MS));
}

static void outage_child(void)
{
	struct loop *loop = make_loop();
	struct probe accept, timer;
	struct rlimit limit;
	struct sockaddr_un address;
	socklen_t bytes;
	int listener = make_listener(&address, &bytes), fds[64], count;
	unsigned told;

	probe_init(&accept, loop, close_accepted);
	probe_init(&timer, loop, NULL);
	loop_accept(loop, &accept.op, listener);
	CHILD_CHECK(make_client(&address, bytes) >= 0 && make_client(&address, bytes) >= 0);
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 64;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (unsigned outage = 0; outage < 2; outage++) {
		CHILD_CHECK((count = fill_fds(fds)) > 0);
		if (outage == 1) {
			close(fds[--count]); /* what the client takes is the last one */
			CHILD_CHECK(make_client(&address, bytes) >= 0);
		}
		check_outage(loop, &accept);
		if (outage == 1)
			break;
		while (count > 0)
			close(fds[--count]);
		for (unsigned calls = accept.calls, turns = 0; accept.calls < calls + 2; turns++) {
			CHILD_CHECK(loop_turn(loop, PATIENCE_MS) == 0 && turns < 20);
			CHILD_CHECK(last_result(&accept) >= 0 || accept.calls == calls);
		}
	}
	/* The listener is pausing now; cancel it there. */
	loop_cancel(loop, &accept.op);
	for (unsigned calls = accept.calls; accept.calls == calls;)
		CHILD_CHECK(loop_turn(loop, 0) == 0);
	CHILD_CHECK(last_result(&accept) == -ECANCELED && !loop_op_active(&accept.op));
	told = accept.calls;
	while (count > 0)
		close(fds[--count]);
	loop_timer(loop, &timer.op, clock_monotonic_ns() + 2 * LOOP_ACCEPT_RETRY_MS * NS_PER_MS);
	for (unsigned calls = timer.calls, turns = 0; timer.calls == calls; turns++)
		CHILD_CHECK(loop_turn(loop, PATIENCE_MS) == 0 && turns < 3);
	CHILD_CHECK(accept.calls == told);
	loop_destroy(loop);
}

static void test_accept_outage(void **state)
{
	const char *preload = getenv("LD_PRELOAD");
	int status;
	pid_t pid;

	(void)state;
	if (preload && strstr(preload, "vgpreload")) {
		printf("valgrind takes connections of its own accord when there are no descriptors\n");
		skip();
	}
	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		outage_child();
		fflush(stdout);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* --- cancel ------------------------------------------------------------------------------------------------------- */

static void test_cancel_idle_and_waiting(void **state)
{
	struct loop *loop = make_loop();
	struct probe idle, receive, timer, bell, writable;
	unsigned fd_count = count_fds();
	int fds[2];

	(void)state;
	make_pair(fds);
	while (send(fds[1], "full", 4, MSG_NOSIGNAL) == 4)
		;
	probe_init(&idle, loop, NULL);
	probe_init(&receive, loop, NULL);
	probe_init(&timer, loop, NULL);
	probe_init(&bell, loop, NULL);
	probe_init(&writable, loop, NULL);
	loop_cancel(loop, &idle.op);
	loop_writable(loop, &writable.op, fds[1]);
	start_receive(&receive, fds[1]);
	loop_timer(loop, &timer.op, UINT64_MAX);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	turn_idle(loop);
	for (unsigned i = 0; i < 2; i++) { /* the second time is one time too many and changes nothing */
		loop_cancel(loop, &receive.op);
		loop_cancel(loop, &writable.op);
		loop_cancel(loop, &timer.op);
		loop_cancel(loop, &bell.op);
	}
	assert_int_equal(receive.calls + writable.calls + timer.calls + bell.calls, 0);
	turn_idle(loop);
	assert_int_equal(idle.calls, 0);
	for (struct probe **p = (struct probe *[]){ &receive, &writable, &timer, &bell, NULL }; *p; p++) {
		assert_int_equal((*p)->calls, 1);
		assert_int_equal(last_result(*p), -ECANCELED);
		assert_false(loop_op_active(&(*p)->op));
	}
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(count_fds(), fd_count); /* the doorbell's too */
	loop_destroy(loop);
}

static void test_cancel_when_due(void **state)
{
	struct loop *loop = make_loop();
	struct probe first, second, timer, bell;
	int a[2], b[2];

	(void)state;
	make_pair(a);
	make_pair(b);
	probe_init(&first, loop, cancel_other);
	probe_init(&second, loop, cancel_other);
	probe_init(&timer, loop, cancel_other);
	probe_init(&bell, loop, NULL);
	first.other = &second;
	second.other = &timer;
	timer.other = &bell;
	start_receive(&first, a[0]);
	start_receive(&second, b[0]);
	loop_timer(loop, &timer.op, 0);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	send_text(a[1], "a");
	send_text(b[1], "b");
	loop_wake(&bell.op);
	assert_int_equal(loop_turn(loop, PATIENCE_MS), 0);
	assert_int_equal(last_result(&first), 1);
	assert_int_equal(last_result(&second), -ECANCELED);
	assert_int_equal(last_result(&timer), -ECANCELED);
	turn_idle(loop);
	assert_int_equal(first.calls + second.calls + timer.calls, 3);
	/* The bell came before the timer in the same turn, so it was told first and cancelled afterwards. */
	assert_int_equal(bell.calls, 2);
	assert_int_equal(last_result(&bell), -ECANCELED);
	assert_false(loop_op_active(&second.op) || loop_op_active(&bell.op));
	for (unsigned i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	loop_destroy(loop);
}

static void test_cancel_in_own_done(void **state)
{
	struct loop *loop = make_loop();
	struct probe readable, bell;
	int fds[2];

	(void)state;
	make_pair(fds);
	probe_init(&readable, loop, cancel_self);
	probe_init(&bell, loop, cancel_self);
	loop_readable(loop, &readable.op, fds[0]);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	send_text(fds[1], "stays there");
	loop_wake(&bell.op);
	turn_until(loop, &readable, 2);
	turn_idle(loop);
	assert_int_equal(readable.calls, 2);
	assert_int_equal(readable.results[0], 0);
	assert_int_equal(readable.results[1], -ECANCELED);
	assert_int_equal(bell.calls, 2);
	assert_int_equal(last_result(&bell), -ECANCELED);
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept),          cmocka_unit_test(test_accept_flood),
		cmocka_unit_test(test_accept_shared),   cmocka_unit_test(test_accept_cancelled_when_due),
		cmocka_unit_test(test_accept_outage),   cmocka_unit_test(test_cancel_idle_and_waiting),
		cmocka_unit_test(test_cancel_when_due), cmocka_unit_test(test_cancel_in_own_done),
	};

	return RUN_ON_EACH(tests);
}
