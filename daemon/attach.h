/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.h - which client reads which stream: answers HELLOs, makes private streams within their limits, grants
 * cursors, and takes all of it back. Owns the streams and the frame socket. Main thread only.
 */
#ifndef LUMARING_ATTACH_H
#define LUMARING_ATTACH_H

#include <stdint.h>

#include "config.h"
#include "loop/loop.h"
#include "publish/publish.h"
#include "source/source.h"
#include "stream.h"

/* Who builds the plans. */
struct attach_handler {
	void *owner;
	/* Number of the plan that will hold what is changed now. */
	uint64_t (*next_plan)(const void *owner);
	/* Streams or clients were changed: to be in the next plan. */
	void (*replan)(void *owner);
	/* As publish_handler.status. */
	char *(*status)(void *owner, size_t *ret_bytes);
};

struct attach {
	struct attach_handler handler;
	const struct config *config;
	struct loop *loop;
	struct publish *publish;
	const struct source_format
		*format; /* set by the camera: every shared stream has a ring for it. NULL: none yet */

	struct stream *streams;
	bool held;              /* no client is attached for now */
	uint64_t private_bytes; /* of all private rings */
	unsigned private_count; /* private streams, also those without a ring yet */
	unsigned private_number;
	struct loop_op private_rest; /* until private_rest_ns, while a client waits for a private ring */
	uint64_t private_rest_ns;
};

/* Make the streams of the configuration, without rings. 0 or -ENOMEM; attach_finish() is needed in both cases. */
int attach_init(struct attach *attach, const struct config *config, struct loop *loop,
		const struct attach_handler *handler);

/* Free streams and clients; no other thread may use them any more. What is all zero is allowed. */
void attach_finish(struct attach *attach);

/* Take over the listening frame socket. 0 or a negative errno; `frames_fd` is then still the caller's. */
int attach_listen(struct attach *attach, int frames_fd);

/* Clients that had to wait, for a format or for others' private rings, go on. */
void attach_waiting(struct attach *attach);

/* The shared stream of that name, or NULL. */
struct stream *attach_find(const struct attach *attach, const char *name);

/* How many clients read it or are about to; those that are leaving do not count. */
unsigned attach_clients(const struct attach *attach, const struct stream *stream);

/* One more shared stream, behind the others: from stream_create(). */
void attach_add(struct attach *attach, struct stream *stream);

/*
 * The capture thread has taken over the plan of that number: streams that were removed before it are closed, their
 * clients told and let go.
 */
void attach_settle(struct attach *attach, uint64_t plan);

/* Is a ring on its way out? A stream has one such at a time: nothing else can take its ring's place before. */
bool attach_is_replacing(const struct attach *attach);

/* While held no client is attached: those that come wait, for attach_waiting() after that. */
void attach_hold(struct attach *attach, bool held);

/* The capture thread does not know the client any more: give back what it had. */
void attach_let_go(struct attach *attach, struct client *client);

#endif
