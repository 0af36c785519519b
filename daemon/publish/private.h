/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * private.h - what accepting (publish.c), a client's life (client.c), its events (events.c) and the answers to status
 * requests (report.c) share; nobody else.
 */
#ifndef LUMARING_PUBLISH_PRIVATE_H
#define LUMARING_PUBLISH_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "loop/log_peers.h"
#include "publish/publish.h"

/* Events still to be sent, in client->pending. */
enum {
	PENDING_WELCOME = 1,
	PENDING_REPLACED = 2,
	PENDING_STATE = 4,
	PENDING_REFUSAL = 8,
};

struct publish {
	struct loop *loop;
	struct publish_handler handler;
	struct loop_op accept;
	struct loop_op crowded; /* rung by the capture thread: a client is `full` */
	int fd;
	struct quota *quota;
	int spare_fd;          /* given up to tell those that knock when no other is free; -1: lost as well */
	unsigned report_count; /* status requests being answered */
	uint64_t client_count; /* so far */
	struct client *clients, *clients_end; /* the oldest first */
	struct log_peers log;
};

/* publish.c: log that a client was refused, unless its uid was too often. `stream` may be NULL or "". */
void publish_log_refusal(struct publish *publish, const struct ucred *peer, const char *stream, int error,
			 const char *text);

/* client.c: take over a connection that the quota has counted, and hear it. 0, or a negative errno; it is then the
 * caller's still. */
int client_create(struct publish *publish, int fd, const struct ucred *peer);

/* Withdraw what is under way and tell the handler; freed when all of that has ended. */
void client_leave(struct client *client);
void client_free_if_done(struct client *client);

/* Close and free at once. */
void client_destroy(struct client *client);

/* notify.c */
void notify_init(struct client *client);

/* One more thing to see for who waits on the word. True when the client is to be woken: it waits, or is about to. */
bool notify_count(struct lumaring_wake *wake);

/* events.c: begin to listen to the capture thread. 0 or a negative errno. */
int events_begin(struct publish *publish);

void events_init(struct client *client);

/* Start sending the first pending event; the others follow from its done. */
void events_send(struct client *client);

/* Begin a message in the outbox, all zero behind its header, with `msg` made for it. */
void events_begin_message(struct client *client, size_t bytes, enum lumaring_message_type type);

/* report.c: is the first message, received into the inbox, a STATUS_REQUEST? */
bool report_is_asked(const struct client *client, int bytes);

/* Answer it, or refuse; the client leaves when it has the last piece, or too late. */
void report_begin(struct client *client);
void report_destroy(struct client *client); /* its text, if there is one */

#endif
