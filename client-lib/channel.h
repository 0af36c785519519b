/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.h - a connection to the control socket: texts that a NUL ends, both ways.
 */
#ifndef LUMARING_CLIENT_CHANNEL_H
#define LUMARING_CLIENT_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#include "text.h"
#include "wait.h"

#define LR_CHANNEL_BYTES_MAX ((size_t)8 << 20) /* of one text of the daemon */

struct lr_channel {
	int socket; /* -1: not connected */
	bool asked; /* something was sent */
	char *text; /* what was received; stays when the connection is closed */
	size_t bytes, room;
	size_t taken;    /* bytes of the text that was handed out, with its NUL */
	size_t searched; /* bytes that have no NUL */
};

void lr_channel_init(struct lr_channel *channel);
void lr_channel_finish(struct lr_channel *channel);

/* Connect; waits only where the daemon's queue of connections is full. Fails as lr_dial(), or -ETIMEDOUT or -EINTR. */
int lr_channel_connect(struct lr_channel *channel, const struct sockaddr_un *address, struct lr_wait *wait,
		       struct lr_error *error);

/* What was handed out stays readable until the next text is received. */
void lr_channel_close(struct lr_channel *channel);

/*
 * Connected, and fit for a question: the daemon has nothing to say, not even that it left. Only to the first question
 * it may have given its answer already: that it takes none.
 */
bool lr_channel_is_fit(const struct lr_channel *channel);

/*
 * Send the bytes. 0 also when the daemon hung up meanwhile: its last words are still to be received. -ETIMEDOUT,
 * -EINTR.
 */
int lr_channel_send(struct lr_channel *channel, const char *text, size_t bytes, struct lr_wait *wait,
		    struct lr_error *error);

/*
 * The next text, ended by a NUL, the caller's to change until the next call of this function. -ETIMEDOUT, -EINTR: not
 * complete yet, what came is kept; -ENOTCONN: the daemon left; -EBADMSG: it is too long; -ENOMEM.
 */
int lr_channel_receive(struct lr_channel *channel, struct lr_wait *wait, char **ret_text, size_t *ret_bytes,
		       struct lr_error *error);

#endif
