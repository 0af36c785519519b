/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forbid.c - run a program that may not use io_uring, as in a container:
 *
 *     forbid [EPERM | ENOSYS] PROGRAM ARGUMENT...
 *
 * Exit code 125 when the filter cannot be set, 126 when the program cannot be started, else that of the program.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "forbid.h"

int main(int argc, char **argv)
{
	int error = EPERM, at = 1, r;

	if (argc > 1 && !strcmp(argv[1], "ENOSYS")) {
		error = ENOSYS;
		at++;
	} else if (argc > 1 && !strcmp(argv[1], "EPERM")) {
		at++;
	}
	if (at >= argc) {
		fprintf(stderr, "usage: forbid [EPERM | ENOSYS] PROGRAM ARGUMENT...\n");
		return 2;
	}
	r = forbid_io_uring(FORBID_ALL, error);
	if (r < 0) {
		fprintf(stderr, "forbid: cannot set a system call filter: %s\n", strerror(-r));
		return 125;
	}
	execvp(argv[at], argv + at);
	fprintf(stderr, "forbid: %s: %s\n", argv[at], strerror(errno));
	return 126;
}
