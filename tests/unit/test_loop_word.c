/* SPDX-License-Identifier: BSD-2-Clause */
/* test_loop_word.c - the event loop wakes threads of other processes that wait on a word with futex(2). */
#include "loop_probe.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SLEEPERS 3u

static uint32_t *make_word(void)
{
	uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(word != MAP_FAILED);
	return word;
}

/* A process that sleeps on the word until it is woken, not until the word changes. */
static pid_t make_sleeper(uint32_t *word)
{
	const pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		if (syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0) == 0)
			_exit(0);
	_exit(1);
}

/* Wake the word until somebody was there. */
static void wake_one(struct probe *probe, uint32_t *word)
{
	const uint64_t end_ns = clock_monotonic_ns() + PATIENCE_MS * NS_PER_MS;

	do {
		const unsigned calls = probe->calls;

		assert_true(clock_monotonic_ns() < end_ns);
		sched_yield();
		loop_wake_word(probe->loop, &probe->op, word);
		assert_int_equal(probe->calls, calls); /* never from inside the call that starts it */
		loop_flush(probe->loop);
		assert_int_equal(probe->calls, calls + 1);
		assert_false(loop_op_active(&probe->op));
	} while (last_result(probe) == 0);
}

static void test_nobody_waits(void **state)
{
	struct loop *loop = make_loop();
	uint32_t *word = make_word();
	struct probe probe;

	(void)state;
	probe_init(&probe, loop, NULL);
	for (unsigned i = 1; i <= 3; i++) {
		loop_wake_word(loop, &probe.op, word);
		loop_flush(loop);
		assert_int_equal(probe.calls, i);
		assert_int_equal(last_result(&probe), 0);
	}
	assert_int_equal(*word, 0); /* only woken: what it says is its owner's */
	check_sleeps(loop);
	loop_destroy(loop);
	munmap(word, 4096);
}

/* Each wake wakes one of them. */
static void test_other_processes(void **state)
{
	struct loop *loop = make_loop();
	uint32_t *word = make_word();
	pid_t pids[SLEEPERS];
	struct probe probe;

	(void)state;
	probe_init(&probe, loop, NULL);
	for (unsigned i = 0; i < SLEEPERS; i++)
		pids[i] = make_sleeper(word);
	for (unsigned i = 0; i < SLEEPERS; i++) {
		wake_one(&probe, word);
		assert_int_equal(last_result(&probe), 1);
	}
	for (unsigned i = 0; i < SLEEPERS; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	loop_wake_word(loop, &probe.op, word);
	loop_flush(loop);
	assert_int_equal(last_result(&probe), 0);
	loop_destroy(loop);
	munmap(word, 4096);
}

static void test_no_word(void **state)
{
	struct loop *loop = make_loop();
	uint32_t *word = make_word();
	struct probe probe;

	(void)state;
	munmap(word, 4096);
	probe_init(&probe, loop, NULL);
	loop_wake_word(loop, &probe.op, word);
	loop_flush(loop);
	assert_int_equal(last_result(&probe), -EFAULT);
	assert_false(loop_op_active(&probe.op));
	loop_destroy(loop);
}

/* Told as the others are, also by a turn and after a cancellation that came too late. */
static void test_is_told_once(void **state)
{
	struct loop *loop = make_loop();
	uint32_t *word = make_word();
	struct probe probe;

	(void)state;
	probe_init(&probe, loop, NULL);
	loop_wake_word(loop, &probe.op, word);
	turn_until(loop, &probe, 1);
	loop_wake_word(loop, &probe.op, word);
	loop_cancel(loop, &probe.op);
	assert_int_equal(probe.calls, 1);
	turn_until(loop, &probe, 2);
	assert_int_equal(last_result(&probe), -ECANCELED);
	turn_idle(loop);
	assert_int_equal(probe.calls, 2);
	loop_destroy(loop);
	munmap(word, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_waits),
		cmocka_unit_test(test_other_processes),
		cmocka_unit_test(test_no_word),
		cmocka_unit_test(test_is_told_once),
	};

	return RUN_ON_EACH(tests);
}
