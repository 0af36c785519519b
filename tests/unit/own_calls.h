/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * own_calls.h - the library's calls of send(2) and recvmsg(2), with a step of the test before each: so what happens
 * between two calls of the library happens there in every run. Takes the place of the C library's functions in the one
 * program that includes it; a thread without a step calls as ever.
 */
#ifndef LUMARING_OWN_CALLS_H
#define LUMARING_OWN_CALLS_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local void (*before_send)(void);
static _Thread_local void (*before_recvmsg)(void);

ssize_t send(int socket, const void *bytes, size_t count, int flags)
{
	if (before_send)
		before_send();
	return sendto(socket, bytes, count, flags, NULL, 0);
}

ssize_t recvmsg(int socket, struct msghdr *message, int flags)
{
	if (before_recvmsg)
		before_recvmsg();
	return syscall(SYS_recvmsg, socket, message, flags);
}

#endif
