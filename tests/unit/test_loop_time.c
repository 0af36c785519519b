/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_loop_time.c - the event loop: timers, doorbells rung by threads and signal handlers, and signals.
 */
#include <pthread.h>
#include <sys/time.h>

#include "loop_probe.h"

/* --- timers ------------------------------------------------------------------------------------------------------- */

static void test_timer_order(void **state)
{
	/* In units of 2 ms after the beginning; 0 is long past. Equal ones keep the order of their start. */
	static const unsigned at[] = { 5, 1, 3, 0, 3, 9, 1, 0, 7, 5 }, expected[] = { 6, 2, 4, 0, 5, 8, 3, 1, 7 };
	struct loop *loop = make_loop();
	uint64_t begin_ns = clock_monotonic_ns();
	unsigned order = 0;
	struct probe timers[10];

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		probe_init(&timers[i], loop, NULL);
		timers[i].order = &order;
		loop_timer(loop, &timers[i].op, at[i] ? begin_ns + at[i] * 2 * NS_PER_MS : 0);
	}
	timers[9].order = NULL;
	loop_cancel(loop, &timers[9].op);
	turn_until(loop, &timers[5], 1);
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(timers[i].calls, 1);
		assert_int_equal(timers[i].results[0], 0);
		assert_int_equal(timers[i].place, expected[i]);
		assert_true(timers[i].done_ns >= timers[i].op.deadline_ns);
	}
	assert_int_equal(timers[9].calls, 1);
	assert_int_equal(last_result(&timers[9]), -ECANCELED);
	/* Nothing is left that could wake it. */
	begin_ns = clock_monotonic_ns();
	assert_int_equal(loop_turn(loop, 20), 0);
	assert_true(clock_monotonic_ns() - begin_ns >= 19 * NS_PER_MS);
	loop_destroy(loop);
}

static void timer_again(struct probe *probe, int result)
{
	if (result == 0)
		loop_timer(probe->loop, &probe->op, 0);
}

static void test_timer_starves_nobody(void **state)
{
	struct loop *loop = make_loop();
	struct probe timer, receive;
	int fds[2];

	(void)state;
	make_pair(fds);
	probe_init(&timer, loop, timer_again);
	probe_init(&receive, loop, NULL);
	loop_timer(loop, &timer.op, 0);
	start_receive(&receive, fds[0]);
	send_text(fds[1], "x");
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(loop_turn(loop, PATIENCE_MS), 0);
		assert_int_equal(timer.calls, i);
	}
	assert_int_equal(receive.calls, 1);
	loop_cancel(loop, &timer.op);
	turn_until(loop, &timer, 11);
	close(fds[0]);
	close(fds[1]);
	loop_destroy(loop);
}

/* --- doorbell and signals ----------------------------------------------------------------------------------------- */

#define RINGS 100000u

struct ringer {
	struct probe *bell;
	unsigned rung; /* atomic, relaxed: only counts */
	unsigned payload;
};

static void *ring_many(void *argument)
{
	struct ringer *ringer = argument;

	for (unsigned i = 1; i <= RINGS; i++) {
		__atomic_store_n(&ringer->rung, i, __ATOMIC_RELAXED);
		loop_wake(&ringer->bell->op);
	}
	return NULL;
}

/* Rings may be merged, but while one is to come or was not told yet, the loop does not sleep through it. */
static void test_doorbell_from_thread(void **state)
{
	struct loop *loop = make_loop();
	struct probe bell;
	struct ringer ringer = { .bell = &bell };
	pthread_t thread;

	(void)state;
	probe_init(&bell, loop, NULL);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	assert_int_equal(pthread_create(&thread, NULL, ring_many, &ringer), 0);
	while (__atomic_load_n(&ringer.rung, __ATOMIC_RELAXED) < RINGS)
		turn_until(loop, &bell, bell.calls + 1);
	pthread_join(thread, NULL);
	turn_idle(loop);
	assert_true(bell.calls >= 1 && bell.calls <= RINGS);
	printf("doorbell: %u rings, told %u times\n", RINGS, bell.calls);
	loop_destroy(loop);
}

static void *ring_once(void *argument)
{
	struct ringer *ringer = argument;

	ringer->payload = 42;
	loop_wake(&ringer->bell->op);
	return NULL;
}

/* A plain word needs no more than the doorbell: the thread sanitizer agrees. */
static void test_doorbell_orders(void **state)
{
	struct loop *loop = make_loop();
	struct probe bell;
	struct ringer ringer = { .bell = &bell };
	pthread_t thread;

	(void)state;
	probe_init(&bell, loop, NULL);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	assert_int_equal(pthread_create(&thread, NULL, ring_once, &ringer), 0);
	turn_until(loop, &bell, 1);
	assert_int_equal(ringer.payload, 42);
	pthread_join(thread, NULL);
	loop_destroy(loop);
}

static void test_doorbell_merges(void **state)
{
	struct loop *loop = make_loop();
	struct probe bell;

	(void)state;
	probe_init(&bell, loop, NULL);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	for (unsigned i = 0; i < 5; i++)
		loop_wake(&bell.op);
	turn_until(loop, &bell, 1);
	turn_idle(loop);
	assert_int_equal(bell.calls, 1);
	loop_wake(&bell.op);
	turn_until(loop, &bell, 2);
	loop_destroy(loop);
}

/* The counter behind it can be full, which changes neither errno nor that it rings. */
static void test_doorbell_full(void **state)
{
	const uint64_t most = UINT64_MAX - 1;
	struct loop *loop = make_loop();
	struct probe bell;

	(void)state;
	probe_init(&bell, loop, NULL);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	assert_int_equal(write(bell.op.fd, &most, sizeof(most)), sizeof(most));
	errno = ENOTTY;
	loop_wake(&bell.op);
	assert_int_equal(errno, ENOTTY);
	turn_until(loop, &bell, 1);
	assert_int_equal(last_result(&bell), 0);
	loop_destroy(loop);
}

static struct probe *handler_bell;

static void ring_in_handler(int number)
{
	(void)number;
	loop_wake(&handler_bell->op);
}

/* A signal arrives while the loop waits, and its handler rings. */
static void test_doorbell_from_handler(void **state)
{
	struct sigaction action = { .sa_handler = ring_in_handler }, before;
	struct itimerval soon = { .it_value = { 0, 5000 } };
	struct loop *loop = make_loop();
	struct probe bell;

	(void)state;
	probe_init(&bell, loop, NULL);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	handler_bell = &bell;
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	turn_until(loop, &bell, 1);
	sigaction(SIGALRM, &before, NULL);
	loop_destroy(loop);
}

static void test_signals(void **state)
{
	struct loop *loop = make_loop();
	struct probe probe;
	sigset_t signals, before;
	int seen;

	(void)state;
	probe_init(&probe, loop, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &signals, &before), 0);
	assert_int_equal(loop_signal(loop, &probe.op, &signals), 0);
	turn_idle(loop);
	assert_int_equal(probe.calls, 0);
	raise(SIGUSR1);
	raise(SIGTERM);
	turn_until(loop, &probe, 1);
	seen = last_result(&probe);
	turn_until(loop, &probe, 2);
	assert_int_equal(seen + last_result(&probe), SIGUSR1 + SIGTERM);
	assert_true(seen == SIGUSR1 || seen == SIGTERM);
	loop_cancel(loop, &probe.op);
	turn_until(loop, &probe, 3);
	assert_int_equal(last_result(&probe), -ECANCELED);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	loop_destroy(loop);
}

/* Two wait for the same signal; one is told, and the other one goes on waiting. */
static void test_signal_taken_by_another(void **state)
{
	struct loop *loop = make_loop();
	struct probe probes[2], *told, *other;
	sigset_t signals;

	(void)state;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		probe_init(&probes[i], loop, NULL);
		assert_int_equal(loop_signal(loop, &probes[i].op, &signals), 0);
	}
	raise(SIGUSR1);
	turn_idle(loop);
	assert_int_equal(probes[0].calls + probes[1].calls, 1);
	told = probes[0].calls ? &probes[0] : &probes[1];
	other = probes[0].calls ? &probes[1] : &probes[0];
	loop_cancel(loop, &told->op);
	turn_until(loop, told, 2);
	raise(SIGUSR1);
	turn_until(loop, other, 1);
	assert_int_equal(last_result(other), SIGUSR1);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer_order),
		cmocka_unit_test(test_timer_starves_nobody),
		cmocka_unit_test(test_doorbell_from_thread),
		cmocka_unit_test(test_doorbell_orders),
		cmocka_unit_test(test_doorbell_merges),
		cmocka_unit_test(test_doorbell_full),
		cmocka_unit_test(test_doorbell_from_handler),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_signal_taken_by_another),
	};

	return RUN_ON_EACH(tests);
}
