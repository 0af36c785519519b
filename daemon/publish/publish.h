/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publish.h - the frame socket: accepts clients, reads their HELLO, answers, sends notices and events; and answers
 * those that only ask for the status.
 *
 * All of it runs on the main thread but publish_notify*(), which the capture thread calls with the clients of its plan.
 * What a stream is, and who may have which, is the business of the handler (daemon/attach.c); here a client only
 * carries what the socket and the client page need.
 */
#ifndef LUMARING_PUBLISH_H
#define LUMARING_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <lumaring/protocol.h>

#include "base/quota.h"
#include "loop/loop.h"

struct publish;
struct report;
struct stream; /* the handler's */

/*
 * GREETING  -> ATTACHING  a good HELLO came: the handler was told
 * GREETING  -> LEAVING    end of file, no HELLO within PUBLISH_GREETING_MS, or a refusal
 * GREETING  -> REPORTING  a STATUS_REQUEST came: pieces of the status are on their way
 * REPORTING -> LEAVING    the last piece is sent, a refusal, end of file, or PUBLISH_GREETING_MS are over
 * ATTACHING -> READING    its WELCOME is on the way (publish_welcome())
 * ATTACHING -> LEAVING    end of file, refusal, daemon stopping
 * READING   -> LEAVING    end of file, dismissed, daemon stopping
 * LEAVING   -> freed      the handler let go of it and no operation of its is under way
 */
enum client_state {
	CLIENT_GREETING,
	CLIENT_REPORTING,
	CLIENT_ATTACHING,
	CLIENT_READING,
	CLIENT_LEAVING,
};

#define PUBLISH_GREETING_MS 5000
#define PUBLISH_CHATTER_MS 10 /* a client that talks after its HELLO is heard once in so long */
#define PUBLISH_SEND_BUFFER_BYTES                                                                                      \
	2304 /* SO_SNDBUF, which the kernel doubles: half a dozen notices of 768 bytes each                            \
	      */

struct client {
	struct client *next, *previous;
	struct publish *publish;
	int fd;
	uint64_t number; /* of the connection, from 1; none has that of another */
	pid_t pid;
	uid_t uid;
	enum client_state state;
	char asked[LUMARING_NAME_MAX + 1]; /* the shared stream that its HELLO names, for the log; "": none */

	/* The handler's. */
	struct stream *stream;
	uint64_t plan;    /* number of the first plan with it, then of the first without it */
	uint32_t cursors; /* granted */
	bool released;    /* the handler let go */
	bool refused;     /* a REFUSAL is on its way; nothing else will follow */
	bool dismissed;   /* leaves when it has been told the state, or cannot be told */
	bool by_futex;    /* it waits on the wake word of its page and gets no notices; fixed by its HELLO */

	/* The client page, shared with the client, which writes anything into it. */
	struct lumaring_client_page *page;
	int page_fd; /* until it was sent */

	/* Main thread's operations. */
	struct loop_op receive, greeting, pause, event, room, bell;
	bool bell_again;                                  /* another event was sent while the bell was under way */
	uint8_t inbox[LUMARING_MESSAGE_MAX + 1];          /* one more than any message: a longer packet shows */
	_Alignas(8) uint8_t outbox[LUMARING_MESSAGE_MAX]; /* filled in as a message */
	_Alignas(8) uint8_t ancillary[64];                /* filled in as a struct cmsghdr */
	struct msghdr msg;
	struct iovec iov;
	struct report *report;  /* REPORTING: what is still to be sent */
	unsigned pending;       /* PENDING_*: events still to be sent */
	unsigned sending;       /* the one under way */
	uint64_t published;     /* frames of its stream when it was welcomed */
	uint64_t epoch;         /* of the ring it was last handed */
	uint64_t epoch_sending; /* of what is under way */

	/* Capture thread's. */
	struct loop_op notice;    /* or the wake that takes its place */
	bool listening;           /* atomic: WELCOME is out, notices may follow */
	unsigned probation;       /* costly to tell, until it was not for so many times in a row */
	bool very_costly;         /* the last time that it was */
	bool told;                /* of this frame, which showed that it is costly */
	uint64_t rest_until_ns;   /* CLOCK_MONOTONIC: not told before */
	bool full;                /* atomic: a notice found no room; main clears it when there is some again */
	uint64_t notices_dropped; /* atomic: capture writes, main reads for the stream's account */
};

/* What a WELCOME, REPLACED or STATE says; asked from the handler when it is sent, since it may have changed. */
struct publish_facts {
	int ring_fd;
	uint64_t epoch, published, ring_bytes;
	uint32_t image_width, image_height, frame_duration_us, generation, state;
	const char *stream;
};

struct publish_handler {
	void *owner;
	/* A HELLO whose form is right. Answer with publish_welcome() or publish_refuse(), now or later. */
	void (*attach)(void *owner, struct client *client, const struct lumaring_hello *hello);
	/* The client is LEAVING after attach(): publish_release() it when no thread uses it any more. */
	void (*detach)(void *owner, struct client *client);
	void (*facts)(void *owner, const struct client *client, struct publish_facts *ret_facts);
	/* The status as text, for the caller to free(3). NULL: no memory. */
	char *(*status)(void *owner, size_t *ret_bytes);
};

/* Take over the listening socket `fd`. Connections beyond the limits are refused with a sentence. */
int publish_create(struct loop *loop, int fd, const struct quota_limits *limits, const struct publish_handler *handler,
		   struct publish **ret_publish);

/* Close everything at once; no other thread may use a client any more. NULL is allowed. */
void publish_destroy(struct publish *publish);

/* Give the client its page with so many cursors: before a plan names it. 0 or a negative errno. */
int publish_make_page(struct client *client, uint32_t cursors);

void publish_welcome(struct client *client);
void publish_refuse(struct client *client, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Tell that the state changed, or that the ring was replaced: sent as soon as there is room, newest facts. */
void publish_tell_state(struct client *client);
void publish_tell_replaced(struct client *client);

/* Tell a client that reads the state, if there is room, and disconnect it. */
void publish_dismiss(struct client *client);

/* The handler is done with a client that left; it is freed when its last operation is done. */
void publish_release(struct client *client);

/* Capture thread: what telling clients of frames has cost. Zeroed, with `loop` set. */
struct publish_teller {
	struct loop *loop;
	uint64_t began_ns;      /* CPU time of the thread */
	unsigned told;          /* since then */
	unsigned told_frame;    /* since the frame began */
	bool too_long;          /* telling took more than its share, in this frame so far */
	bool audit;             /* it did in the frame before: find out whose */
	uint64_t rest_until_ns; /* CLOCK_MONOTONIC: no very costly client is told before */
	unsigned costly;        /* how many there were at the last frame */
	unsigned costly_now;    /* and so far at this one */
	unsigned turn;          /* with which of the costly ones to begin */
};

/*
 * Capture thread, in this order: frame, once; then for some streams or for all: begin; for each with a new frame tell
 * its clients, without waiting; flush; and once more for those that are costly to tell (notify.c). `notice` stays as it
 * is until the last call returned.
 */
void publish_notify_frame(struct publish_teller *teller);
void publish_notify_begin(struct publish_teller *teller);
void publish_notify(struct publish_teller *teller, struct client *const *clients, unsigned client_count,
		    const struct msghdr *notice);
void publish_notify_flush(struct publish_teller *teller);
void publish_notify_costly(struct publish_teller *teller, struct client *const *clients, unsigned client_count,
			   const struct msghdr *notice);

/* All clients, linked by `next`, the oldest first. */
struct client *publish_clients(const struct publish *publish);

#endif
