/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * private.h - what accepting (control.c), a connection's life (connection.c), a request and its answer (call.c) and the
 * methods of every Varlink service (service.c) share; nobody else. Main thread only.
 */
#ifndef LUMARING_CONTROL_PRIVATE_H
#define LUMARING_CONTROL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/quota.h"
#include "control/access.h"
#include "control/control.h"
#include "control/framing.h"
#include "loop/log_peers.h"

#define CONTROL_INBOX_BYTES 1024u /* of every connection; longer requests take memory while they last */

struct control {
	struct loop *loop;
	struct control_limits limits;
	struct control_access access;
	struct control_service service;
	struct loop_op accept;
	int fd;
	uid_t own_uid;
	struct quota *quota;
	struct connection *connections;
	unsigned turned_away; /* connections that get one answer, why they are refused */
	struct control_stats stats;
	struct log_peers log;
};

/* The request that a connection is being answered. */
struct control_call {
	struct connection *connection;
	bool active;
	bool oneway, more; /* as it was asked */
	char terminator;   /* of the question and of each answer */
	struct json json;  /* the answer that was begun */
	bool wants_room;
	void *data;
	void (*gone)(struct control_call *call);
	void (*room)(struct control_call *call);
};

/* A text on its way to the peer. */
struct answer {
	struct answer *next;
	size_t bytes, sent;
	char text[];
};

/*
 * OPEN    -> LAST     nothing more is read: it was told why, or said that it has no more requests and has no call
 * OPEN    -> LEAVING  broken, too slow to take its answers, no memory
 * LAST    -> LEAVING  the last answer is sent, or it was too slow, or it broke
 * LEAVING -> freed    no operation is under way
 */
enum connection_state {
	CONNECTION_OPEN,
	CONNECTION_LAST,
	CONNECTION_LEAVING,
};

struct connection {
	struct connection *next, *previous;
	struct control *control;
	int fd;
	pid_t pid;
	uid_t uid;
	enum standing standing;
	enum connection_state state;
	bool turned_away;             /* it gets one answer; in control->turned_away instead of the quota */
	struct quota_refusal refusal; /* why, unless it is a stranger's */

	/* begin..end of the inbox was received and not used. It is moved only while no receive is under way. */
	char inbox_small[CONTROL_INBOX_BYTES];
	char *inbox; /* that, or memory */
	size_t inbox_room, begin, end;
	struct framing framing;
	size_t blanks;         /* between requests, since the last one */
	unsigned pieces;       /* received since the last request, and there was no more */
	char terminator;       /* of the last request */
	bool ended;            /* the peer sends nothing more */
	bool advancing;        /* requests are being handled: the call's end needs no wake */
	uint64_t paused_to_ns; /* 0: not paused; nothing is read and handled before */

	struct control_call call;

	struct answer *answers, **answers_end;
	size_t answers_bytes; /* of all that are not sent whole, with what keeping them takes */
	int unread_bytes;     /* that the kernel held of them when no more could be sent */
	struct iovec iov;
	struct msghdr msg;

	/* CLOCK_MONOTONIC, 0: none */
	uint64_t request_deadline_ns; /* for the last byte of a request that began */
	uint64_t answer_deadline_ns;  /* for taking some of the answers, when no more can be sent */
	uint64_t end_deadline_ns;     /* turned away: for everything */
	uint64_t look_ns;             /* next look whether the peer is gone */
	struct loop_op receive, send, writable, timer, wake;
};

/* --- control.c --- */

/* A line about who is at the other end, unless its uid had too many. `error` is an errno, negative or 0. */
void control_log_peer(struct control *control, const struct ucred *peer, enum log_event event, int error,
		      const char *format, ...) __attribute__((format(printf, 5, 6)));

/* --- connection.c --- */

/*
 * Take over a connection. `refusal`: it is turned away for that, or for being a stranger's (NULL and of that standing).
 * 0, or -ENOMEM; it is then the caller's still.
 */
int connection_create(struct control *control, int fd, const struct ucred *peer, enum standing standing,
		      const struct quota_refusal *refusal);

/* Close and free at once. */
void connection_destroy(struct connection *connection);

/* Withdraw what is under way; the call is told and all is freed when that has ended. */
void connection_leave(struct connection *connection);

/* The same, since there is no memory for `what`. */
void connection_starve(struct connection *connection, const char *what);

/* Is there room in the queue for so long an answer? One that is the only one may have any length. */
bool connection_has_room(const struct connection *connection, size_t bytes);

/* Put a copy of the text into the queue. */
void connection_answer(struct connection *connection, const char *text, size_t bytes);

/* The call is over, or has something to send; or it is the next request's turn. */
void connection_wake(struct connection *connection);

/* Read nothing more: close when all is sent. */
void connection_finish(struct connection *connection);

/*
 * Something is done for it that counts for the rate. False: it came too fast, *ret_refusal says until when nothing more
 * is read and handled; if the peer is gone already, so is what it sent.
 */
bool connection_spend(struct connection *connection, struct quota_refusal *ret_refusal);

/* --- call.c --- */

/* Handle one request, which is answered now or later. */
void call_handle(struct connection *connection, const char *text, size_t bytes, char terminator);

/* An error that is not about one request: the framing is lost. */
void call_fail_stream(struct connection *connection, char terminator, const char *limit, uint64_t maximum);

/* Why nobody is served on this connection, as an answer with its terminator; NULL: no memory. */
char *call_refusal(const struct control *control, const struct quota_refusal *refusal, const char *method,
		   char terminator, size_t *ret_bytes);

/* The call's connection is gone. */
void call_forget(struct control_call *call);

/* Begin an error of any interface. */
struct json *call_error(struct control_call *call, const char *interface, const char *name);

/* The service whose interface has this name, NULL: none. */
const struct control_service *call_service(const struct control *control, const char *name, size_t length);

/* --- service.c --- */

/* org.varlink.service: who serves it, and its interfaces. */
extern const struct control_service service_of_every_socket;

/* An error of it, with one parameter or none (NULL). */
void service_fail(struct control_call *call, const char *name, const char *parameter, const char *value);

#endif
