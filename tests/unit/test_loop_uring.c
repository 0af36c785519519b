/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_loop_uring.c - what only the back-end on io_uring has: a restricted ring, full queues, the thread that owns it,
 * buffers that the kernel must have let go of, and the reasons why there is none.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "loop_probe.h"
#include "../tools/forbid.h"

/* make_loop() makes one of the best kind, or, for the tests that ask, of the other. */
static void skip_without_io_uring(void)
{
	const char *why_not;

	probed = PROBED_URING;
	why_not = why_not_probed();
	if (why_not) {
		printf("%s\n", why_not);
		skip();
	}
}

/* --- the ring ------------------------------------------------------------------------------------------------------
 */

static struct io_uring open_ring(enum uring_setup setup)
{
	struct io_uring ring;
	bool wakes_words;
	char why[256] = "";

	assert_int_equal(uring_open(setup, &ring, &wakes_words, why, sizeof(why)), 0);
	assert_string_equal(why, "");
	return ring;
}

/* What the kernel says of an entry of this operation, and of nothing more than that. */
static int result_of(struct io_uring *ring, unsigned opcode, unsigned flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe = NULL;
	int result;

	assert_non_null(sqe);
	io_uring_prep_rw((int)opcode, sqe, -1, NULL, 0, 0);
	sqe->flags = (uint8_t)flags;
	assert_int_equal(io_uring_submit_and_wait(ring, 1), 1);
	assert_int_equal(io_uring_peek_cqe(ring, &cqe), 0);
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

static bool is_listed(unsigned opcode)
{
	for (unsigned i = 0; i < uring_opcode_count; i++)
		if (uring_opcodes[i] == opcode)
			return true;
	return false;
}

/* The operations of the list reach the kernel's own checks; all others end at the restriction, and so does every flag.
 */
static void check_restriction(enum uring_setup setup)
{
	struct io_uring ring = open_ring(setup);
	struct io_uring_restriction more = { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_OPENAT };
	static const unsigned known[] = { IORING_OP_NOP,     IORING_OP_OPENAT, IORING_OP_READ,
					  IORING_OP_CONNECT, IORING_OP_CLOSE,  IORING_OP_RECVMSG };
	char probe[4096] = { 0 };

	assert_int_equal(io_uring_submit_and_wait(&ring, 0), 0);
	assert_int_equal(io_uring_register((unsigned)ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0), 0);
	for (unsigned opcode = 0; opcode < 128; opcode++) { /* -EINVAL: this kernel does not know it anyhow */
		int result = result_of(&ring, opcode, 0);

		if (is_listed(opcode) && opcode < IORING_OP_LAST)
			assert_int_not_equal(result, -EACCES);
		else if (is_listed(opcode)) /* newer than these headers, and maybe than this kernel */
			assert_true(result == -EFAULT || result == -EINVAL || result == -EACCES);
		else
			assert_true(result == -EACCES || result == -EINVAL);
	}
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(result_of(&ring, known[i], 0), -EACCES);
	assert_int_equal(result_of(&ring, IORING_OP_RECV, IOSQE_ASYNC), -EACCES);
	assert_int_equal(result_of(&ring, IORING_OP_SENDMSG, IOSQE_IO_LINK), -EACCES);
	assert_int_equal(io_uring_register((unsigned)ring.ring_fd, IORING_REGISTER_PROBE, probe, 256), -EACCES);
	assert_int_not_equal(io_uring_register((unsigned)ring.ring_fd, IORING_REGISTER_RESTRICTIONS, &more, 1), 0);
	assert_int_equal(result_of(&ring, IORING_OP_OPENAT, 0), -EACCES);
	io_uring_queue_exit(&ring);
}

static void test_restriction(void **state)
{
	(void)state;
	skip_without_io_uring();
	check_restriction(URING_DEFERRED);
	check_restriction(URING_COOPERATIVE);
}

static void *turn_elsewhere(void *loop)
{
	return (void *)(intptr_t)loop_turn(loop, 0);
}

/* Made here, run there: it belongs to the thread that first ran it. */
static void test_owner_thread(void **state)
{
	struct io_uring ring;
	struct loop *loop;
	struct probe bell;
	pthread_t thread;
	void *result;
	bool single;

	(void)state;
	skip_without_io_uring();
	ring = open_ring(URING_DEFERRED);
	single = ring.flags & IORING_SETUP_SINGLE_ISSUER;
	io_uring_queue_exit(&ring);
	if (!single) {
		printf("this kernel does not keep other threads out: it takes Linux 6.1\n");
		skip();
	}
	loop = make_loop();
	probe_init(&bell, loop, NULL);
	assert_int_equal(loop_doorbell(loop, &bell.op), 0);
	loop_wake(&bell.op);
	assert_int_equal(pthread_create(&thread, NULL, turn_elsewhere, loop), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 0);
	assert_int_equal(bell.calls, 1);
	assert_int_equal(loop_turn(loop, 0), -EEXIST);
	assert_int_equal(loop_turn(loop, 0), -EEXIST); /* and stays so */
	loop_destroy(loop);
}

/* --- full queues ---------------------------------------------------------------------------------------------------
 */

#define MANY (3 * URING_COMPLETIONS)

/* More sends than both queues hold, in one flush. */
static void test_many_sends(void **state)
{
	struct probe *probes = calloc(MANY, sizeof(*probes));
	struct loop *loop;
	unsigned sent = 0, refused = 0;
	char text[8];
	int fds[2];

	(void)state;
	assert_non_null(probes);
	skip_without_io_uring();
	loop = make_loop();
	turn_idle(loop);
	make_pair(fds);
	for (unsigned i = 0; i < MANY; i++) {
		probe_init(&probes[i], loop, NULL);
		start_send(&probes[i], fds[0], "x", 1);
		assert_int_equal(probes[i].calls, 0);
	}
	loop_flush(loop);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(probes[i].calls, 1);
		sent += last_result(&probes[i]) == 1;
		refused += last_result(&probes[i]) == -EAGAIN;
	}
	assert_int_equal(sent + refused, MANY);
	assert_true(sent > 0 && refused > 0);
	for (unsigned i = 0; i < sent; i++)
		assert_int_equal(recv(fds[1], text, sizeof(text), MSG_DONTWAIT), 1);
	assert_int_equal(recv(fds[1], text, sizeof(text), MSG_DONTWAIT), -1);
	loop_destroy(loop);
	close(fds[0]);
	close(fds[1]);
	free(probes);
}

/* More doorbells than both queues hold ring at once, and are cancelled at once. */
static void test_many_doorbells(void **state)
{
	const unsigned count = 2 * URING_COMPLETIONS + 1;
	struct probe *bells = calloc(count, sizeof(*bells));
	struct rlimit limit;
	struct loop *loop;
	unsigned fds = count_fds();

	(void)state;
	assert_non_null(bells);
	skip_without_io_uring();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < count + 100) {
		printf("%u descriptors are not to be had\n", count);
		skip();
	}
	loop = make_loop();
	turn_idle(loop);
	for (unsigned i = 0; i < count; i++) {
		probe_init(&bells[i], loop, NULL);
		assert_int_equal(loop_doorbell(loop, &bells[i].op), 0);
	}
	for (unsigned round = 1; round <= 2; round++) {
		for (unsigned i = 0; i < count; i++)
			loop_wake(&bells[i].op);
		for (unsigned i = 0; i < count; i++)
			turn_until(loop, &bells[i], round);
	}
	for (unsigned i = 0; i < count; i++)
		loop_cancel(loop, &bells[i].op);
	for (unsigned i = 0; i < count; i++) {
		turn_until(loop, &bells[i], 3);
		assert_int_equal(last_result(&bells[i]), -ECANCELED);
	}
	loop_destroy(loop);
	assert_int_equal(count_fds(), fds);
	free(bells);
}

/* Before the loop runs, its ring takes no submission: what does not fit is told. */
static void test_full_before_first_turn(void **state)
{
	struct probe *probes = calloc(URING_ENTRIES + 1, sizeof(*probes));
	struct loop *loop;
	int fds[2];

	(void)state;
	assert_non_null(probes);
	skip_without_io_uring();
	loop = make_loop();
	make_pair(fds);
	for (unsigned i = 0; i <= URING_ENTRIES; i++) {
		probe_init(&probes[i], loop, NULL);
		start_receive(&probes[i], fds[0]);
	}
	turn_until(loop, &probes[URING_ENTRIES], 1);
	assert_int_equal(last_result(&probes[URING_ENTRIES]), -ENOBUFS);
	assert_int_equal(probes[URING_ENTRIES - 1].calls, 0);
	send_text(fds[1], "for one of them");
	turn_idle(loop);
	for (unsigned i = 0, told = 0; i < URING_ENTRIES || told != 1; i++) {
		assert_true(i < URING_ENTRIES);
		told += probes[i].calls;
	}
	loop_destroy(loop);
	close(fds[0]);
	close(fds[1]);
	free(probes);
}

/* --- the end -------------------------------------------------------------------------------------------------------
 */

static void check_destroy_ends_receives(void)
{
	struct loop *loop = make_loop();
	struct probe probe, listener;
	struct sockaddr_un address;
	socklen_t bytes;
	int fds[2], fd = make_listener(&address, &bytes);

	make_pair(fds);
	probe_init(&probe, loop, NULL);
	probe_init(&listener, loop, NULL);
	start_receive(&probe, fds[0]);
	loop_accept(loop, &listener.op, fd);
	turn_idle(loop);
	loop_destroy(loop);
	close(fds[0]);
	assert_int_equal(send(fds[1], "too late", 8, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_string_equal(probe.buffer, "");
	assert_int_equal(probe.calls + listener.calls, 0);
	close(fd);
	close(fds[1]);
}

/* After the loop's end the kernel has neither the buffer nor the socket of a receive any more. */
static void test_destroy_ends_receives(void **state)
{
	(void)state;
	skip_without_io_uring();
	for (unsigned i = 0; i < 200; i++) {
		probed = i % 2 ? PROBED_URING : PROBED_URING_OLD;
		check_destroy_ends_receives();
	}
}

static void check_accepted_and_not_told(void)
{
	struct loop *loop = make_loop();
	struct probe probe;
	struct sockaddr_un address;
	socklen_t bytes;
	int fd = make_listener(&address, &bytes), clients[4], byte;

	probe_init(&probe, loop, NULL);
	loop_accept(loop, &probe.op, fd);
	turn_idle(loop);
	for (unsigned i = 0; i < 3; i++)
		assert_true((clients[i] = make_client(&address, bytes)) >= 0);
	assert_int_equal(loop_turn(loop, PATIENCE_MS), 0);
	assert_int_equal(probe.calls, 1);
	close(last_result(&probe));
	loop_cancel(loop, &probe.op);
	assert_true((clients[3] = make_client(&address, bytes)) >= 0);
	turn_until(loop, &probe, 2);
	assert_int_equal(last_result(&probe), -ECANCELED);
	assert_false(loop_op_active(&probe.op));
	turn_idle(loop);
	close(fd);
	for (unsigned i = 0; i < 4; i++) {
		struct pollfd end = { .fd = clients[i], .events = POLLIN };

		assert_int_equal(poll(&end, 1, PATIENCE_MS), 1);
		assert_true(recv(clients[i], &byte, 1, 0) <= 0);
		close(clients[i]);
	}
	loop_destroy(loop);
}

/* What was accepted and not told of is closed: connections behind the first of one turn, and those after a cancel. */
static void test_accepted_and_not_told(void **state)
{
	unsigned fds = count_fds();

	(void)state;
	skip_without_io_uring();
	check_accepted_and_not_told();
	assert_int_equal(count_fds(), fds);
	probed = PROBED_URING_OLD; /* here the kernel accepts before it hears of the cancellation */
	check_accepted_and_not_told();
	assert_int_equal(count_fds(), fds);
}

/* --- why there is none ---------------------------------------------------------------------------------------------
 */

/* In a child: forbid, then create. */
static void check_refused(long call, int forbidden_error, const char *cause)
{
	char text[512], expected[512];
	struct loop *loop;
	int status, r;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		return;
	}
	if (forbid_io_uring(call, forbidden_error) < 0)
		_exit(1);
	r = loop_create(LOOP_URING, &loop, text, sizeof(text));
	snprintf(expected, sizeof(expected), "io_uring cannot be used: %s; use --io auto or --io epoll", cause);
	if (r != -forbidden_error || strcmp(text, expected) != 0) {
		fprintf(stderr, "%d: %s\n", r, text);
		_exit(2);
	}
	r = loop_create(LOOP_AUTO, &loop, text, sizeof(text));
	snprintf(expected, sizeof(expected), "io_uring cannot be used: %s; using epoll", cause);
	if (r < 0 || strcmp(text, expected) != 0 || loop_backend(loop) != LOOP_EPOLL ||
	    strcmp(loop_fallback(loop), cause) != 0 || loop_turn(loop, 0) < 0)
		_exit(3);
	loop_destroy(loop);
	_exit(0);
}

static void test_refused(void **state)
{
	static const char filter[] =
		"a system call filter forbids it (of a container, or SystemCallFilter= without @aio)";
	static const char none[] = "this kernel has none, or a system call filter hides it";

	(void)state;
	skip_without_io_uring();
	check_refused(FORBID_ALL, EPERM, filter);
	check_refused(SYS_io_uring_setup, EACCES, filter);
	check_refused(SYS_io_uring_register, EPERM, filter);
	check_refused(SYS_io_uring_enter, EPERM, filter);
	check_refused(FORBID_ALL, ENOSYS, none);
	check_refused(SYS_io_uring_enter, ENOSYS, none);
	check_refused(FORBID_ALL, EINVAL, "this kernel's is too old: it takes Linux 5.19");
	check_refused(FORBID_ALL, ENOMEM, "no memory for its queues, or no more may be locked (RLIMIT_MEMLOCK)");
	check_refused(FORBID_ALL, EMFILE, "Too many open files");
}

/* Settings are hidden in a unit with ProcSubset=pid: then it may be either. */
static void test_refused_out_of_sight(void **state)
{
	(void)state;
	skip_without_io_uring();
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/proc/sys", "tmpfs", 0, NULL) < 0) {
		printf("/proc/sys cannot be hidden here: %s\n", strerror(errno));
		skip();
	}
	check_refused(FORBID_ALL, EPERM,
		      "the setting kernel.io_uring_disabled or a system call filter forbids it (of a container, or "
		      "SystemCallFilter= without @aio)");
	assert_int_equal(umount("/proc/sys"), 0);
}

static void test_names(void **state)
{
	struct loop *loop = NULL;
	char text[256];

	(void)state;
	skip_without_io_uring();
	assert_int_equal(loop_create(LOOP_AUTO, &loop, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(loop_backend(loop), LOOP_URING);
	assert_string_equal(loop_backend_name(loop), "io_uring");
	assert_string_equal(loop_fallback(loop), "");
	loop_destroy(loop);
	assert_int_equal(loop_create(LOOP_EPOLL, &loop, text, sizeof(text)), 0);
	assert_int_equal(loop_backend(loop), LOOP_EPOLL);
	assert_string_equal(loop_backend_name(loop), "epoll");
	assert_string_equal(loop_fallback(loop), "");
	loop_destroy(loop);
	loop_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_restriction),
		cmocka_unit_test(test_owner_thread),
		cmocka_unit_test(test_many_sends),
		cmocka_unit_test(test_many_doorbells),
		cmocka_unit_test(test_full_before_first_turn),
		cmocka_unit_test(test_destroy_ends_receives),
		cmocka_unit_test(test_accepted_and_not_told),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_out_of_sight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
