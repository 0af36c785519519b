/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connection.h - the life of the frame socket: connect, hello, welcome, what the daemon sends, and connecting again
 * with a growing pause while it is away. Everything happens inside the caller's calls, within the time they allow.
 */
#ifndef LUMARING_CLIENT_CONNECTION_H
#define LUMARING_CLIENT_CONNECTION_H

#include "handle.h"
#include "wait.h"

/* DOWN; the first attempt is due at once. */
void lr_connection_init(struct lumaring *l);
void lr_connection_finish(struct lumaring *l);

/* The descriptor that the caller polls, made at the first call. -EMFILE, -ENFILE, -ENOMEM, -ENOTSUP. */
int lr_connection_fd(struct lumaring *l);

/*
 * One step: receive a message, or wait for one, or try to connect. 0: look at the ring again, then come back; an enum
 * lumaring_event; -EAGAIN (timeout 0), -ETIMEDOUT, -EINTR; or what a refusal or nonsense was answered with, after which
 * the connection is down.
 */
int lr_connection_step(struct lumaring *l, struct lr_wait *wait);

/* The ring makes no sense: forget it and its connection. Frames held stay. */
void lr_connection_reset(struct lumaring *l);

#endif
