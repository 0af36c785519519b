/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uring_setup.c - see uring.h: a ring that can do what the loop needs and nothing else, or the reason why there is
 * none. It must find out here, not in the middle of a frame, that a system call filter lets only some of the three
 * calls of io_uring through.
 */
#include "loop/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const uint8_t uring_opcodes[] = {
	IORING_OP_ACCEPT,  IORING_OP_RECV,           IORING_OP_SENDMSG,      IORING_OP_POLL_ADD,
	IORING_OP_TIMEOUT, IORING_OP_TIMEOUT_REMOVE, IORING_OP_ASYNC_CANCEL, URING_OP_FUTEX_WAKE,
};
const unsigned uring_opcode_count = sizeof(uring_opcodes);

/* kernel.io_uring_disabled (Linux 6.6): 0, 1, 2; 0 as well where there is no such setting, '?': it is not to be seen.
 */
static char sysctl_disabled(void)
{
	char value = '0';
	int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return access("/proc/sys/kernel", F_OK) < 0 ? '?' : '0';
	if (read(fd, &value, 1) != 1)
		value = '0';
	close(fd);
	return value;
}

static const char *who_forbids(void)
{
	switch (sysctl_disabled()) {
	case '2':
		return "the setting kernel.io_uring_disabled = 2 forbids it";
	case '1':
		return "the setting kernel.io_uring_disabled = 1 forbids it to all but CAP_SYS_ADMIN and the group of "
		       "kernel.io_uring_group";
	case '?':
		return "the setting kernel.io_uring_disabled or a system call filter forbids it (of a container, or "
		       "SystemCallFilter= without @aio)";
	default:
		return "a system call filter forbids it (of a container, or SystemCallFilter= without @aio)";
	}
}

static void explain(int error, char *why, size_t why_bytes)
{
	switch (error) {
	case -EPERM:
	case -EACCES:
		snprintf(why, why_bytes, "%s", who_forbids());
		break;
	case -ENOSYS:
		snprintf(why, why_bytes, "this kernel has none, or a system call filter hides it");
		break;
	case -EINVAL:
	case -EOPNOTSUPP:
		snprintf(why, why_bytes, "this kernel's is too old: it takes Linux 5.19");
		break;
	case -ENOMEM:
		snprintf(why, why_bytes, "no memory for its queues, or no more may be locked (RLIMIT_MEMLOCK)");
		break;
	default:
		snprintf(why, why_bytes, "%s", strerror(-error));
	}
}

static int set_up(enum uring_setup first, struct io_uring *ring)
{
	static const unsigned flags[URING_SETUPS] = {
		[URING_DEFERRED] = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		[URING_COOPERATIVE] = IORING_SETUP_COOP_TASKRUN,
	};
	int r = -EINVAL;

	for (unsigned i = first; i < URING_SETUPS && r == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = flags[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP |
				 IORING_SETUP_CQSIZE,
			.cq_entries = URING_COMPLETIONS,
		};

		r = io_uring_queue_init_params(URING_ENTRIES, ring, &params);
	}
	return r;
}

static bool knows_futex_wake(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool known = probe && io_uring_opcode_supported(probe, URING_OP_FUTEX_WAKE);

	io_uring_free_probe(probe);
	return known;
}

static int restrict_to_opcodes(const struct io_uring *ring, unsigned count)
{
	struct io_uring_restriction restrictions[sizeof(uring_opcodes) + 1] = {
		{ .opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_ENABLE_RINGS },
	};

	for (unsigned i = 0; i < count; i++)
		restrictions[i + 1] = (struct io_uring_restriction){
			.opcode = IORING_RESTRICTION_SQE_OP,
			.sqe_op = uring_opcodes[i],
		};
	/* Not io_uring_register_restrictions(): liburing 2.3 declares it and does not export it. */
	return io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_RESTRICTIONS, restrictions, count + 1);
}

/* A ring that is not enabled yet takes nothing, which is the right answer; a filter gives another one. */
static int may_enter(const struct io_uring *ring)
{
	int r = io_uring_enter((unsigned)ring->ring_fd, 0, 0, 0, NULL);

	return r == -EBADFD ? 0 : r < 0 ? r : -EINVAL;
}

int uring_open(enum uring_setup setup, struct io_uring *ret_ring, bool *ret_wakes_words, char *why, size_t why_bytes)
{
	struct io_uring ring;
	bool wakes_words = false;
	int r = set_up(setup, &ring);

	if (r == 0) {
		wakes_words = knows_futex_wake(&ring);
		r = restrict_to_opcodes(&ring, uring_opcode_count - !wakes_words);
		if (r == 0)
			r = may_enter(&ring);
		if (r < 0)
			io_uring_queue_exit(&ring);
	}
	if (r < 0) {
		explain(r, why, why_bytes);
		return r;
	}
	*ret_ring = ring;
	*ret_wakes_words = wakes_words;
	return 0;
}
