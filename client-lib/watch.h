/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.h - the descriptor that a caller polls, lumaring_fd(): an epoll set of the socket and of a timer that tells
 * when to connect again. It is made when it is asked for, and not before: whoever sends to a socket that is in an epoll
 * set pays for that with every message.
 */
#ifndef LUMARING_CLIENT_WATCH_H
#define LUMARING_CLIENT_WATCH_H

#include <stdint.h>

#include "text.h"

struct lr_watch {
	int epoll, timer; /* -1: nobody asked */
};

#define LR_WATCH_NONE ((struct lr_watch){ -1, -1 })

/* Make it, with nothing to tell yet. -EMFILE, -ENFILE, -ENOMEM, and then *watch is as before. */
int lr_watch_open(struct lr_watch *watch, struct lr_error *error);
void lr_watch_close(struct lr_watch *watch);

/* The calls below do nothing while nobody asked. */

/* Readable when the socket is, until it is forgotten or closed. 0 or a negative errno. */
int lr_watch_socket(const struct lr_watch *watch, int socket);
void lr_watch_forget(const struct lr_watch *watch, int socket);

/* Readable from CLOCK_MONOTONIC `at_ns` on; 0: not by time. */
void lr_watch_set_time(const struct lr_watch *watch, uint64_t at_ns);

#endif
