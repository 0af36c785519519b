/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forbid.h - a system call filter as containers and units set it, for the calls of io_uring: for this process and all
 * that it starts, for good.
 */
#ifndef LUMARING_TESTS_FORBID_H
#define LUMARING_TESTS_FORBID_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define FORBID_ALL 0

/* Have `call` (SYS_io_uring_*, or FORBID_ALL of the three) fail with `error`. 0 or a negative errno. */
static inline int forbid_io_uring(long call, int error)
{
	const unsigned first = call == FORBID_ALL ? SYS_io_uring_setup : (unsigned)call;
	const unsigned last = call == FORBID_ALL ? SYS_io_uring_register : (unsigned)call;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return -errno;
	return 0;
}

#endif
