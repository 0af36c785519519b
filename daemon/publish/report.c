/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.c - answers a STATUS_REQUEST: the text is asked from the handler once and sent piece by piece, as the
 * requester takes it, until PUBLISH_GREETING_MS after it connected. Main thread. Nothing here waits, and who does not
 * read costs one text for that long; at most LIMIT_STATUS_REQUESTS do at once.
 */
#include "publish/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

struct report {
	size_t bytes, sent;
	char *text;
};

bool report_is_asked(const struct client *client, int bytes)
{
	struct lumaring_message message;

	if (bytes < (int)sizeof(message) || bytes > (int)LUMARING_MESSAGE_MAX)
		return false;
	memcpy(&message, client->inbox, sizeof(message));
	return message.type == LUMARING_MESSAGE_STATUS_REQUEST && message.size == bytes && message.flags == 0;
}

static void send_piece(struct client *client)
{
	struct report *report = client->report;
	struct lumaring_status_piece *m = (struct lumaring_status_piece *)client->outbox;
	size_t left = report->bytes - report->sent, bytes = left < sizeof(m->text) ? left : sizeof(m->text);

	events_begin_message(client, offsetof(struct lumaring_status_piece, text) + bytes, LUMARING_MESSAGE_STATUS);
	m->message.flags = bytes == left ? LUMARING_STATUS_LAST : 0;
	memcpy(m->text, report->text + report->sent, bytes);
	loop_send(client->publish->loop, &client->event, client->fd, &client->msg);
}

static void on_piece_sent(struct loop_op *op, int result)
{
	struct client *client = op->owner;
	struct report *report = client->report;

	if (client->state == CLIENT_LEAVING) {
		client_free_if_done(client);
	} else if (result == -EAGAIN) {
		loop_writable(client->publish->loop, &client->room, client->fd);
	} else if (result < 0) {
		client_leave(client);
	} else {
		report->sent += client->iov.iov_len - offsetof(struct lumaring_status_piece, text);
		if (report->sent == report->bytes)
			client_leave(client);
		else
			send_piece(client);
	}
}

static void on_room(struct loop_op *op, int result)
{
	struct client *client = op->owner;

	if (client->state == CLIENT_LEAVING)
		client_free_if_done(client);
	else if (result < 0)
		client_leave(client);
	else
		send_piece(client);
}

/* Who does not read its answer keeps a place for PUBLISH_GREETING_MS: one uid must not have all of them, but root may.
 */
static bool may_ask(struct client *client)
{
	const struct publish *publish = client->publish;
	unsigned own = 0;

	for (const struct client *c = publish->clients; c; c = c->next)
		own += c->report && c->uid == client->uid;
	if (client->uid != 0 && own >= LIMIT_STATUS_REQUESTS_UID)
		publish_refuse(client, -EBUSY, "%u status requests of uid %u are being answered already, its limit",
			       own, (unsigned)client->uid);
	else if (publish->report_count >= LIMIT_STATUS_REQUESTS + (client->uid == 0 ? LIMIT_STATUS_REQUESTS_UID : 0))
		publish_refuse(client, -EBUSY, "%u status requests are being answered already, the limit",
			       publish->report_count);
	else
		return true;
	return false;
}

void report_begin(struct client *client)
{
	struct publish *publish = client->publish;
	struct report *report;

	client->state = CLIENT_REPORTING; /* the status knows it from the others by that */
	if (!may_ask(client))
		return;
	report = calloc(1, sizeof(*report));
	if (report)
		report->text = publish->handler.status(publish->handler.owner, &report->bytes);
	if (!report || !report->text) {
		free(report);
		publish_refuse(client, -ENOMEM, "the daemon has no memory for its status");
		return;
	}
	publish->report_count++;
	client->report = report;
	client->event = (struct loop_op){ .done = on_piece_sent, .owner = client };
	client->room = (struct loop_op){ .done = on_room, .owner = client };
	send_piece(client);
}

void report_destroy(struct client *client)
{
	if (!client->report)
		return;
	client->publish->report_count--;
	free(client->report->text);
	free(client->report);
	client->report = NULL;
}
