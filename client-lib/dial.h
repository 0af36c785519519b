/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial.h - the way to a socket of the daemon's, and what it means when its frame socket refuses: the same for a handle
 * and for the question for the status.
 */
#ifndef LUMARING_CLIENT_DIAL_H
#define LUMARING_CLIENT_DIAL_H

#include <stdbool.h>
#include <sys/un.h>

#include <lumaring/protocol.h>

#include "text.h"

/*
 * Connect a new socket of a type, SOCK_SEQPACKET or SOCK_STREAM, without waiting. 0: *ret_socket is the caller's, and
 * does not block. Else a sentence, and
 *   -EAGAIN                    the daemon's queue of connections is full
 *   -EACCES                    no permission: lr_denied_connect() knows more
 *   -EMFILE, -ENFILE, -ENOMEM  no socket to be had
 *   -ECONNREFUSED              nobody serves the address
 */
int lr_dial(const struct sockaddr_un *address, int type, int *ret_socket, struct lr_error *error);

/* The daemon's sentence and its code as a negative errno; -EBADMSG: a code that this library does not know. */
int lr_dial_refused(const struct lumaring_refusal *refusal, struct lr_error *error);

/* Does what lr_dial_refused() returned pass by itself, so that the daemon may be asked again? */
bool lr_dial_passes(int error);

#endif
