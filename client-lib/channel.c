/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.c - see channel.h. Runs in the caller's thread. Must never wait longer than the call has, and never keep more
 * than LR_CHANNEL_BYTES_MAX of what the daemon sends.
 */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dial.h"

#define ROOM_FIRST 16384u
#define RETRY_NS (20 * LR_NS_PER_MS)

void lr_channel_init(struct lr_channel *channel)
{
	*channel = (struct lr_channel){ .socket = -1 };
}

void lr_channel_finish(struct lr_channel *channel)
{
	lr_channel_close(channel);
	free(channel->text);
	channel->text = NULL;
}

void lr_channel_close(struct lr_channel *channel)
{
	if (channel->socket >= 0)
		close(channel->socket);
	channel->socket = -1;
}

static int time_is_over(const struct lr_wait *wait, struct lr_error *error)
{
	return lr_text_fail(error, -ETIMEDOUT, "the daemon did not answer within %d ms", wait->timeout_ms);
}

/* Wait for the socket (-1: for nothing but a while). 0: look again. */
static int wait_for(struct lr_wait *wait, int socket, short events, struct lr_error *error)
{
	const uint64_t left_ns = lr_wait_left_ns(wait);
	int r;

	if (left_ns == 0)
		return time_is_over(wait, error);
	r = lr_wait_for(wait, socket, events, socket < 0 && left_ns > RETRY_NS ? RETRY_NS : left_ns);
	if (r < 0)
		return lr_text_fail(error, r, "cannot wait: %s", strerror(-r));
	if (wait->interrupted)
		return lr_text_fail(error, -EINTR, "a signal arrived first");
	return 0;
}

int lr_channel_connect(struct lr_channel *channel, const struct sockaddr_un *address, struct lr_wait *wait,
		       struct lr_error *error)
{
	int r;

	channel->bytes = channel->taken = channel->searched = 0;
	channel->asked = false;
	while ((r = lr_dial(address, SOCK_STREAM, &channel->socket, error)) == -EAGAIN) {
		r = wait_for(wait, -1, 0, error);
		if (r < 0)
			return r;
	}
	return r;
}

bool lr_channel_is_fit(const struct lr_channel *channel)
{
	ssize_t n;
	char byte;

	if (channel->socket < 0 || channel->bytes != channel->taken)
		return false;
	n = recv(channel->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n < 0 ? errno == EAGAIN : n > 0 && !channel->asked;
}

int lr_channel_send(struct lr_channel *channel, const char *text, size_t bytes, struct lr_wait *wait,
		    struct lr_error *error)
{
	channel->asked = true;
	while (bytes > 0) {
		const ssize_t n = send(channel->socket, text, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r = 0;

		if (n >= 0) {
			text += n;
			bytes -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = wait_for(wait, channel->socket, POLLOUT, error);
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0;
		} else if (errno != EINTR) {
			r = lr_text_fail(error, -ENOTCONN, "cannot ask the daemon: %s", strerror(errno));
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* What was handed out makes room for what comes. */
static void drop_taken(struct lr_channel *c)
{
	if (c->taken == 0)
		return;
	memmove(c->text, c->text + c->taken, c->bytes - c->taken);
	c->bytes -= c->taken;
	c->searched = c->taken = 0;
}

static int grow(struct lr_channel *c, struct lr_error *error)
{
	const size_t room = c->room > 0 ? c->room * 2 : ROOM_FIRST;
	char *text;

	if (c->bytes < c->room)
		return 0;
	if (c->room == LR_CHANNEL_BYTES_MAX)
		return lr_text_fail(error, -EBADMSG, "the daemon's answer has more than %zu bytes",
				    LR_CHANNEL_BYTES_MAX - 1);
	text = realloc(c->text, room);
	if (!text)
		return lr_text_fail(error, -ENOMEM, "out of memory");
	c->text = text;
	c->room = room;
	return 0;
}

/* How many bytes came, 0: none yet. */
static ssize_t receive_some(struct lr_channel *c, struct lr_error *error)
{
	const int r = grow(c, error);
	ssize_t n;

	if (r < 0)
		return r;
	n = recv(c->socket, c->text + c->bytes, c->room - c->bytes, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return lr_text_fail(error, -ENOTCONN, "the daemon left before it answered");
	c->bytes += (size_t)n;
	return n;
}

/* NULL: none is complete. */
static char *find_end(struct lr_channel *c)
{
	char *end = c->bytes > 0 ? memchr(c->text + c->searched, '\0', c->bytes - c->searched) : NULL;

	c->searched = c->bytes;
	return end;
}

int lr_channel_receive(struct lr_channel *channel, struct lr_wait *wait, char **ret_text, size_t *ret_bytes,
		       struct lr_error *error)
{
	bool over = false;
	char *end;

	drop_taken(channel);
	while (!(end = find_end(channel))) {
		ssize_t r;

		if (over)
			return time_is_over(wait, error);
		/* One look is free; a daemon that talks without end gets no second one. */
		over = lr_wait_left_ns(wait) == 0;
		r = receive_some(channel, error);
		if (r == 0 && !over)
			r = wait_for(wait, channel->socket, POLLIN, error);
		if (r < 0)
			return (int)r;
	}
	*ret_text = channel->text;
	*ret_bytes = (size_t)(end - channel->text);
	channel->taken = *ret_bytes + 1;
	return 0;
}
