/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.c - lumaring_status(): a connection of its own that asks one question and gathers the answer. Runs in the
 * caller's thread, without a handle. Must never gather more than LR_STATUS_BYTES_MAX, and never hand out bytes that are
 * no text.
 */
#include <lumaring/lumaring.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "denied.h"
#include "dial.h"
#include "options.h"
#include "packet.h"
#include "wait.h"

#define LR_STATUS_BYTES_MAX (UINT32_C(4) << 20)
#define ROOM_FIRST 16384u
#define RETRY_NS (20 * LR_NS_PER_MS)

struct answer {
	char *text;
	size_t bytes, room;
	bool complete;
};

/* --- the text ---------------------------------------------------------------------------------------------------- */

static int check_text(const struct answer *a, struct lr_error *error)
{
	size_t n;

	for (size_t at = 0; at < a->bytes; at += n) {
		n = lr_text_character(a->text + at, a->bytes - at);
		if (n == 0)
			return lr_text_fail(error, -EBADMSG, "STATUS: byte %zu of the text belongs to no character",
					    at);
	}
	return 0;
}

static int grow(struct answer *a, size_t bytes, struct lr_error *error)
{
	size_t room = a->room > 0 ? a->room : ROOM_FIRST;
	char *text;

	/* One more for the NUL. */
	while (room < a->bytes + bytes + 1)
		room *= 2;
	if (room == a->room)
		return 0;
	text = realloc(a->text, room);
	if (!text)
		return lr_text_fail(error, -ENOMEM, "out of memory");
	a->text = text;
	a->room = room;
	return 0;
}

static int add_piece(struct answer *a, const struct lr_packet *packet, struct lr_error *error)
{
	const size_t bytes = packet->message.size - sizeof(packet->message);
	int r = lr_packet_expect_fds(packet, 0, error);

	if (r < 0)
		return r;
	if (bytes == 0 || packet->message.flags & ~LUMARING_STATUS_LAST)
		return lr_text_fail(error, -EBADMSG, "the daemon sent a STATUS with %zu bytes of text and flags 0x%x",
				    bytes, packet->message.flags);
	if (bytes > LR_STATUS_BYTES_MAX - a->bytes)
		return lr_text_fail(error, -EBADMSG, "the daemon's status has more than %u bytes", LR_STATUS_BYTES_MAX);
	r = grow(a, bytes, error);
	if (r < 0)
		return r;
	memcpy(a->text + a->bytes, packet->status.text, bytes);
	a->bytes += bytes;
	a->text[a->bytes] = '\0';
	a->complete = packet->message.flags & LUMARING_STATUS_LAST;
	return a->complete ? check_text(a, error) : 0;
}

/* --- the connection ---------------------------------------------------------------------------------------------- */

static int refused(const struct lumaring_refusal *refusal, struct lr_error *error)
{
	struct lr_error words;
	const int r = lr_dial_refused(refusal, &words);

	/* Nothing is wrong with the question, so this daemon does not know it. */
	if (r == -EINVAL)
		return lr_text_fail(error, -EPROTONOSUPPORT, "the daemon is older and tells no status: update it (%s)",
				    words.text);
	*error = words;
	return r;
}

static int handle(struct answer *a, const struct lr_packet *packet, struct lr_error *error)
{
	switch (packet->message.type) {
	case LUMARING_MESSAGE_STATUS:
		return add_piece(a, packet, error);
	case LUMARING_MESSAGE_REFUSAL:
		return refused(&packet->refusal, error);
	default: /* of a later version */
		return 0;
	}
}

static int time_is_over(const struct lr_settings *s, struct lr_error *error)
{
	return lr_text_fail(error, -ETIMEDOUT, "the daemon behind %s did not tell its status within %d ms",
			    s->address.sun_path, s->timeout_ms);
}

/* Wait for a message, or for nothing but a while (socket -1). */
static int wait_for(const struct lr_settings *s, struct lr_wait *wait, int socket, struct lr_error *error)
{
	const uint64_t left_ns = lr_wait_left_ns(wait);
	int r;

	/* One look is free; a daemon that talks without end gets no second one. */
	if (left_ns == 0 && wait->packets++ > 0)
		return time_is_over(s, error);
	r = lr_wait_for_fd(wait, socket, socket < 0 && left_ns > RETRY_NS ? RETRY_NS : left_ns);
	if (r < 0)
		return lr_text_fail(error, r, "cannot wait: %s", strerror(-r));
	if (wait->interrupted)
		return lr_text_fail(error, -EINTR, "a signal arrived first");
	return r > 0 || socket < 0 ? 0 : time_is_over(s, error);
}

static int gather(const struct lr_settings *s, struct lr_wait *wait, int socket, struct answer *a,
		  struct lr_error *error)
{
	struct lr_packet packet;

	while (!a->complete) {
		int r = wait_for(s, wait, socket, error);

		if (r == 0)
			r = lr_packet_receive(socket, MSG_DONTWAIT, &packet, error);
		if (r == -EAGAIN)
			continue;
		if (r == -ECONNRESET)
			return lr_text_fail(error, -ENOTCONN, "the daemon left before its status was complete");
		if (r < 0)
			return r;
		r = handle(a, &packet, error);
		lr_packet_close(&packet);
		if (r < 0)
			return r;
	}
	return 0;
}

static int ask(const struct lr_settings *s, struct lr_wait *wait, struct answer *a, struct lr_error *error)
{
	const struct lumaring_message request = { .type = LUMARING_MESSAGE_STATUS_REQUEST, .size = sizeof(request) };
	int socket = -1, r = lr_dial(&s->address, SOCK_SEQPACKET, &socket, error);

	if (r == -EACCES)
		lr_denied_connect(&s->address, error);
	if (r < 0)
		return r;
	/* A daemon that refuses without a look at the question has closed already: its words are still to be read. */
	if (send(socket, &request, sizeof(request), MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		r = lr_text_fail(error, -ENOTCONN, "cannot ask the daemon: %s", strerror(errno));
	if (r == 0)
		r = gather(s, wait, socket, a, error);
	close(socket);
	if (r < 0) {
		free(a->text);
		*a = (struct answer){ 0 };
	}
	return r;
}

/* What goes away by itself is tried again. */
static bool passes(int error)
{
	return error == -EAGAIN || error == -EBUSY || error == -ENOTCONN;
}

/* When the time is over, why it was not answered before is more than that. */
static int ask_until_answered(const struct lr_settings *s, struct answer *a, struct lr_error *error)
{
	struct lr_wait wait = lr_wait_begin(s->timeout_ms);
	int r = ask(s, &wait, a, error);

	while (passes(r)) {
		const struct lr_error why = *error;
		const int passed = r;

		r = lr_wait_left_ns(&wait) > 0 ? wait_for(s, &wait, -1, error) : time_is_over(s, error);
		if (r == 0)
			r = ask(s, &wait, a, error);
		if (r == -ETIMEDOUT && passed != -EAGAIN) {
			*error = why;
			return passed;
		}
	}
	return r;
}

LUMARING_API int lumaring_status(const char *camera, const struct lumaring_options *options, char **ret_json)
{
	struct lumaring_options o = { .size = sizeof(o) };
	struct lr_error error = { "" };
	struct lr_settings settings;
	struct answer answer = { 0 };
	int r = lr_options_read(options, &o, &error);

	if (r == 0 && !ret_json)
		r = lr_text_fail(&error, -EINVAL, "lumaring_status() needs a place for the text");
	if (r == 0)
		r = lr_options_settle(camera, NULL, &o, &settings, &error);
	if (r == 0)
		r = ask_until_answered(&settings, &answer, &error);
	if (r == 0)
		*ret_json = answer.text;
	else if (o.error_text && o.error_bytes > 0)
		snprintf(o.error_text, o.error_bytes, "%s", error.text);
	return r;
}
