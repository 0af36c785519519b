/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - life of one client of the frame socket: made for a connection, heard, let go. Main thread only. It is
 * never trusted and never waited for: its HELLO is checked for form here, what else it sends is skipped.
 */
#include "publish/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/names.h"
#include "publish/page.h"

/* --- leaving --- */

void client_destroy(struct client *client)
{
	report_destroy(client);
	page_destroy(client->page);
	if (client->page_fd >= 0)
		close(client->page_fd);
	close(client->fd);
	free(client);
}

static bool client_idle(const struct client *client)
{
	return !loop_op_active(&client->receive) && !loop_op_active(&client->greeting) &&
	       !loop_op_active(&client->pause) && !loop_op_active(&client->event) && !loop_op_active(&client->room) &&
	       !loop_op_active(&client->bell) && !loop_op_active(&client->notice);
}

void client_free_if_done(struct client *client)
{
	struct publish *publish = client->publish;

	if (client->state != CLIENT_LEAVING || !client->released || !client_idle(client))
		return;
	if (client->previous)
		client->previous->next = client->next;
	else
		publish->clients = client->next;
	if (client->next)
		client->next->previous = client->previous;
	else
		publish->clients_end = client->previous;
	quota_give(publish->quota, client->uid);
	client_destroy(client);
}

void publish_release(struct client *client)
{
	client->released = true;
	client_free_if_done(client);
}

void client_leave(struct client *client)
{
	struct publish *publish = client->publish;
	bool attached = client->state == CLIENT_ATTACHING || client->state == CLIENT_READING;

	if (client->state == CLIENT_LEAVING)
		return;
	client->state = CLIENT_LEAVING;
	loop_cancel(publish->loop, &client->receive);
	loop_cancel(publish->loop, &client->greeting);
	loop_cancel(publish->loop, &client->pause);
	loop_cancel(publish->loop, &client->room);
	loop_cancel(publish->loop, &client->event);
	if (attached)
		publish->handler.detach(publish->handler.owner, client);
	else
		publish_release(client);
}

/* --- receiving --- */

/* What a HELLO must be like whatever it asks for; NULL, or what is wrong with it. */
static const char *hello_fault(const struct lumaring_hello *hello, int bytes)
{
	if (bytes < (int)sizeof(struct lumaring_message))
		return "the message is shorter than a message header";
	if (hello->message.size != bytes)
		return "the size in the message is not the size of the packet";
	if (hello->message.type != LUMARING_MESSAGE_HELLO)
		return "the first message must be HELLO, or a bare STATUS_REQUEST";
	if (bytes < (int)LUMARING_HELLO_BYTES_MIN)
		return "HELLO is shorter than 80 bytes";
	if (hello->message.flags & ~(LUMARING_HELLO_PRIVATE | LUMARING_HELLO_FUTEX))
		return "HELLO has a flag this daemon does not know";
	if (hello->cursors > LUMARING_CURSORS_MAX)
		return "HELLO asks for more than 8 cursors";
	return NULL;
}

/* What is no name of a stream is not for the journal's fields. */
static void note_asked(struct client *client, const struct lumaring_hello *hello)
{
	memcpy(client->asked, hello->stream[0] ? hello->stream : "main", hello->stream[0] ? LUMARING_NAME_MAX : 5);
	if (hello->message.flags & LUMARING_HELLO_PRIVATE || !name_valid(client->asked))
		client->asked[0] = '\0';
}

static void hear_hello(struct client *client, int bytes)
{
	struct publish *publish = client->publish;
	struct lumaring_hello hello;
	const char *fault;

	memset(&hello, 0, sizeof(hello));
	memcpy(&hello, client->inbox, (size_t)bytes < sizeof(hello) ? (size_t)bytes : sizeof(hello));
	loop_cancel(publish->loop, &client->greeting);
	fault = bytes > (int)LUMARING_MESSAGE_MAX ? "the message is longer than 512 bytes" : hello_fault(&hello, bytes);
	if (fault) {
		publish_refuse(client, -EINVAL, "bad hello: %s", fault);
	} else if (hello.version < LUMARING_PROTOCOL_VERSION_MIN || hello.version_min > LUMARING_PROTOCOL_VERSION) {
		publish_refuse(client, -EPROTONOSUPPORT,
			       "the client speaks versions %u to %u of the protocol, this daemon %u to %u: update the "
			       "older of the two",
			       hello.version_min, hello.version, LUMARING_PROTOCOL_VERSION_MIN,
			       LUMARING_PROTOCOL_VERSION);
	} else {
		client->state = CLIENT_ATTACHING;
		note_asked(client, &hello);
		client->by_futex = hello.message.flags & LUMARING_HELLO_FUTEX;
		publish->handler.attach(publish->handler.owner, client, &hello);
	}
}

static void hear_more(struct client *client)
{
	if (client->state != CLIENT_LEAVING)
		loop_receive(client->publish->loop, &client->receive, client->fd, client->inbox, sizeof(client->inbox));
}

static void on_received(struct loop_op *op, int result)
{
	struct client *client = op->owner;
	struct publish *publish = client->publish;

	if (client->state == CLIENT_LEAVING) {
		client_free_if_done(client);
		return;
	}
	if (result <= 0) {
		client_leave(client);
		return;
	}
	if (client->state == CLIENT_GREETING && !client->refused) {
		if (report_is_asked(client, result))
			report_begin(client);
		else
			hear_hello(client, result);
		hear_more(client);
	} else {
		/* Of a type this version does not know: skipped. Who floods us waits, not the others. */
		loop_timer(publish->loop, &client->pause, clock_monotonic_ns() + PUBLISH_CHATTER_MS * NS_PER_MS);
	}
}

static void on_pause_over(struct loop_op *op, int result)
{
	struct client *client = op->owner;

	(void)result;
	if (client->state == CLIENT_LEAVING)
		client_free_if_done(client);
	else
		hear_more(client);
}

static void on_greeting_late(struct loop_op *op, int result)
{
	struct client *client = op->owner;

	if (client->state == CLIENT_LEAVING)
		client_free_if_done(client);
	else if (result == 0 && (client->state == CLIENT_GREETING || client->state == CLIENT_REPORTING))
		client_leave(client);
}

/* --- making --- */

int publish_make_page(struct client *client, uint32_t cursors)
{
	client->cursors = cursors;
	return page_create(&client->page, &client->page_fd);
}

int client_create(struct publish *publish, int fd, const struct ucred *peer)
{
	int buffer_bytes = PUBLISH_SEND_BUFFER_BYTES;
	struct client *client;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes)) < 0)
		return -errno;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->publish = publish;
	client->fd = fd;
	client->page_fd = -1;
	client->number = ++publish->client_count;
	client->pid = peer->pid;
	client->uid = peer->uid;
	client->receive = (struct loop_op){ .done = on_received, .owner = client };
	client->greeting = (struct loop_op){ .done = on_greeting_late, .owner = client };
	client->pause = (struct loop_op){ .done = on_pause_over, .owner = client };
	events_init(client);
	client->previous = publish->clients_end;
	if (client->previous)
		client->previous->next = client;
	else
		publish->clients = client;
	publish->clients_end = client;
	hear_more(client);
	loop_timer(publish->loop, &client->greeting, clock_monotonic_ns() + PUBLISH_GREETING_MS * NS_PER_MS);
	return 0;
}
