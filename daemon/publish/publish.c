/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publish.c - see publish.h. A client is never trusted and never waited for: its HELLO is checked for form here, what
 * else it sends is skipped, and whatever cannot be sent now is a dropped notice or a pending event.
 */
#include "publish/publish.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "publish/page.h"

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
	int fd;
	unsigned client_count, clients_max;
	struct client *clients;
	bool accept_failing;        /* logged once per outage */
	uint64_t refusals_since_ns; /* begin of the second in which they are counted */
	unsigned refusals;
};

#define PUBLISH_REFUSALS_LOGGED 5 /* a second */

/* --- life of a client --- */

static bool client_idle(const struct client *client)
{
	return !loop_op_active(&client->receive) && !loop_op_active(&client->greeting) &&
	       !loop_op_active(&client->pause) && !loop_op_active(&client->event) && !loop_op_active(&client->room) &&
	       !loop_op_active(&client->notice);
}

static void client_free_if_done(struct client *client)
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
	publish->client_count--;
	page_destroy(client->page);
	if (client->page_fd >= 0)
		close(client->page_fd);
	close(client->fd);
	free(client);
}

void publish_release(struct client *client)
{
	client->released = true;
	client_free_if_done(client);
}

static void client_leave(struct client *client)
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

/* --- sending --- */

static void message_begin(struct client *client, size_t bytes, enum lumaring_message_type type)
{
	struct lumaring_message message = { .type = (uint16_t)type, .size = (uint16_t)bytes };

	memset(client->outbox, 0, sizeof(client->outbox));
	memcpy(client->outbox, &message, sizeof(message));
	client->iov = (struct iovec){ .iov_base = client->outbox, .iov_len = bytes };
	client->msg = (struct msghdr){ .msg_iov = &client->iov, .msg_iovlen = 1 };
}

static void message_attach(struct client *client, const int *fds, size_t fd_count)
{
	struct cmsghdr *cmsg;

	memset(client->ancillary, 0, sizeof(client->ancillary));
	client->msg.msg_control = client->ancillary;
	client->msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	cmsg = CMSG_FIRSTHDR(&client->msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, fd_count * sizeof(int));
}

static void fill_welcome(struct client *client, const struct publish_facts *facts)
{
	struct lumaring_welcome *m = (struct lumaring_welcome *)client->outbox;
	int fds[2] = { facts->ring_fd, client->page_fd };

	message_begin(client, sizeof(*m), LUMARING_MESSAGE_WELCOME);
	m->version = LUMARING_PROTOCOL_VERSION;
	m->cursors = client->cursors;
	m->epoch = facts->epoch;
	m->published = facts->published;
	m->ring_bytes = facts->ring_bytes;
	m->page_bytes = sizeof(struct lumaring_client_page);
	m->cursor_offset = offsetof(struct lumaring_client_page, cursors);
	m->cursor_stride = sizeof(struct lumaring_cursor);
	m->region_offset = offsetof(struct lumaring_client_page, region);
	m->image_width = facts->image_width;
	m->image_height = facts->image_height;
	m->frame_duration_us = facts->frame_duration_us;
	m->daemon_pid = (uint32_t)getpid();
	memcpy(m->stream, facts->stream, strnlen(facts->stream, sizeof(m->stream)));
	message_attach(client, fds, 2);
}

static void fill_replaced(struct client *client, const struct publish_facts *facts)
{
	struct lumaring_replaced *m = (struct lumaring_replaced *)client->outbox;

	message_begin(client, sizeof(*m), LUMARING_MESSAGE_REPLACED);
	m->epoch_old = client->epoch;
	m->epoch = facts->epoch;
	m->ring_bytes = facts->ring_bytes;
	m->image_width = facts->image_width;
	m->image_height = facts->image_height;
	m->cursors = client->cursors;
	message_attach(client, &facts->ring_fd, 1);
}

static void fill_state(struct client *client, const struct publish_facts *facts)
{
	struct lumaring_state *m = (struct lumaring_state *)client->outbox;

	message_begin(client, sizeof(*m), LUMARING_MESSAGE_STATE);
	m->epoch = facts->epoch;
	m->state = facts->state;
	m->generation = facts->generation;
}

/* Make ready what is to be said first of what is pending; false when there is nothing to say for now. */
static bool fill_pending(struct client *client)
{
	struct publish_facts facts = { .ring_fd = -1 };

	client->publish->handler.facts(client->publish->handler.owner, client, &facts);
	if (client->pending & PENDING_WELCOME) {
		fill_welcome(client, &facts);
		client->sending = PENDING_WELCOME;
	} else if (facts.epoch != client->epoch) {
		/* Nothing of a new ring is said before it is handed over. */
		if (!(client->pending & PENDING_REPLACED))
			return false;
		fill_replaced(client, &facts);
		client->sending = PENDING_REPLACED;
	} else {
		/* It has the newest ring, if only since its WELCOME. */
		client->pending &= ~(unsigned)PENDING_REPLACED;
		if (!client->pending)
			return false;
		fill_state(client, &facts);
		client->sending = PENDING_STATE;
	}
	client->epoch_sending = facts.epoch;
	return true;
}

/* Start sending the first pending event; the others follow from its done. */
static void send_pending(struct client *client)
{
	if (!client->pending || client->state == CLIENT_LEAVING || loop_op_active(&client->event) ||
	    loop_op_active(&client->room))
		return;
	if (client->refused)
		client->sending = PENDING_REFUSAL;
	else if (!fill_pending(client))
		return;
	/* What is asked for from here on is news, and said once more. */
	client->pending &= ~client->sending;
	loop_send(client->publish->loop, &client->event, client->fd, &client->msg);
}

static void welcome_sent(struct client *client)
{
	close(client->page_fd);
	client->page_fd = -1;
	/* P1 pairs with P1 in publish_notify(): from here on notices follow, and the STATE below makes the client look
	 * once more at what was published before. */
	__atomic_store_n(&client->listening, true, __ATOMIC_SEQ_CST);
	client->pending |= PENDING_STATE;
}

static void on_event_sent(struct loop_op *op, int result)
{
	struct client *client = op->owner;

	if (client->state == CLIENT_LEAVING) {
		client_free_if_done(client);
	} else if (result == -EAGAIN) {
		client->pending |= client->sending;
		loop_writable(client->publish->loop, &client->room, client->fd);
	} else if (result < 0 || client->refused) {
		client_leave(client);
	} else {
		client->epoch = client->epoch_sending;
		if (client->sending == PENDING_WELCOME)
			welcome_sent(client);
		send_pending(client);
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
		send_pending(client);
}

int publish_make_page(struct client *client, uint32_t cursors)
{
	client->cursors = cursors;
	return page_create(&client->page, &client->page_fd);
}

void publish_welcome(struct client *client)
{
	client->state = CLIENT_READING;
	client->pending |= PENDING_WELCOME;
	send_pending(client);
}

/* A client that is refused in a loop must not fill the log. */
static void log_refusal(const struct client *client, const char *text)
{
	struct publish *publish = client->publish;
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns - publish->refusals_since_ns >= NS_PER_SECOND) {
		if (publish->refusals > PUBLISH_REFUSALS_LOGGED)
			log_info("refused %u more clients meanwhile", publish->refusals - PUBLISH_REFUSALS_LOGGED);
		publish->refusals_since_ns = now_ns;
		publish->refusals = 0;
	}
	if (++publish->refusals <= PUBLISH_REFUSALS_LOGGED)
		log_info("refused client pid %d, uid %u: %s", (int)client->pid, (unsigned)client->uid, text);
}

void publish_refuse(struct client *client, int error, const char *format, ...)
{
	struct lumaring_refusal *m = (struct lumaring_refusal *)client->outbox;
	va_list arguments;

	message_begin(client, sizeof(*m), LUMARING_MESSAGE_REFUSAL);
	m->code = (uint32_t)-error;
	va_start(arguments, format);
	vsnprintf(m->text, sizeof(m->text), format, arguments);
	va_end(arguments);
	log_refusal(client, m->text);
	client->refused = true;
	client->pending = PENDING_REFUSAL;
	send_pending(client);
}

void publish_tell_state(struct client *client)
{
	if (client->state != CLIENT_READING)
		return;
	client->pending |= PENDING_STATE;
	send_pending(client);
}

void publish_tell_replaced(struct client *client)
{
	if (client->state != CLIENT_READING)
		return;
	client->pending |= PENDING_REPLACED;
	send_pending(client);
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
		return "the first message must be HELLO";
	if (bytes < (int)sizeof(*hello))
		return "HELLO is shorter than 80 bytes";
	if (hello->message.flags & ~LUMARING_HELLO_PRIVATE)
		return "HELLO has a flag this daemon does not know";
	if (hello->cursors > LUMARING_CURSORS_MAX)
		return "HELLO asks for more than 8 cursors";
	return NULL;
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
	else if (result == 0 && client->state == CLIENT_GREETING)
		client_leave(client);
}

static void on_notice_sent(struct loop_op *op, int result)
{
	struct client *client = op->owner;
	/* Only the capture thread adds; main reads when it has let go of the client: relaxed. */
	if (result < 0)
		__atomic_store_n(&client->notices_dropped, client->notices_dropped + 1, __ATOMIC_RELAXED);
}

void publish_notify(struct loop *loop, struct client *const *clients, unsigned client_count,
		    const struct msghdr *notice)
{
	for (unsigned i = 0; i < client_count; i++) {
		struct client *client = clients[i];

		/* P1 pairs with P1 in welcome_sent(), in one order with W8 in ring_publish(): either the notice is
		 * sent, or the client's look after its STATE finds the frame. */
		if (__atomic_load_n(&client->listening, __ATOMIC_SEQ_CST) && !loop_op_active(&client->notice))
			loop_send(loop, &client->notice, client->fd, notice);
	}
}

/* --- accepting --- */

static void client_create(struct publish *publish, int fd)
{
	int buffer_bytes = PUBLISH_SEND_BUFFER_BYTES;
	struct ucred peer = { 0 };
	socklen_t peer_bytes = sizeof(peer);
	struct client *client = calloc(1, sizeof(*client));

	if (!client || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes)) < 0) {
		log_warning("cannot take a client: %s, ignoring", strerror(errno));
		free(client);
		close(fd);
		return;
	}
	client->publish = publish;
	client->fd = fd;
	client->page_fd = -1;
	client->pid = peer.pid;
	client->uid = peer.uid;
	client->receive = (struct loop_op){ .done = on_received, .owner = client };
	client->greeting = (struct loop_op){ .done = on_greeting_late, .owner = client };
	client->pause = (struct loop_op){ .done = on_pause_over, .owner = client };
	client->event = (struct loop_op){ .done = on_event_sent, .owner = client };
	client->room = (struct loop_op){ .done = on_room, .owner = client };
	client->notice = (struct loop_op){ .done = on_notice_sent, .owner = client };
	client->next = publish->clients;
	if (client->next)
		client->next->previous = client;
	publish->clients = client;
	publish->client_count++;
	if (publish->client_count > publish->clients_max) {
		publish_refuse(client, -EUSERS, "this camera has %u clients already, its limit", publish->clients_max);
		return;
	}
	hear_more(client);
	loop_timer(publish->loop, &client->greeting, clock_monotonic_ns() + PUBLISH_GREETING_MS * NS_PER_MS);
}

static void on_accepted(struct loop_op *op, int result)
{
	struct publish *publish = op->owner;

	if (result >= 0) {
		if (publish->accept_failing)
			log_notice("taking new clients again");
		publish->accept_failing = false;
		client_create(publish, result);
	} else if (result != -ECANCELED && !publish->accept_failing) {
		publish->accept_failing = true;
		log_warning("cannot take new clients: %s, retrying every %d ms", strerror(-result),
			    LOOP_ACCEPT_RETRY_MS);
	}
}

int publish_create(struct loop *loop, int fd, unsigned clients_max, const struct publish_handler *handler,
		   struct publish **ret_publish)
{
	struct publish *publish = calloc(1, sizeof(*publish));

	if (!publish)
		return -ENOMEM;
	publish->loop = loop;
	publish->handler = *handler;
	publish->fd = fd;
	publish->clients_max = clients_max;
	publish->accept = (struct loop_op){ .done = on_accepted, .owner = publish };
	loop_accept(loop, &publish->accept, fd);
	*ret_publish = publish;
	return 0;
}

void publish_destroy(struct publish *publish)
{
	struct client *next;

	if (!publish)
		return;
	for (struct client *client = publish->clients; client; client = next) {
		next = client->next;
		page_destroy(client->page);
		if (client->page_fd >= 0)
			close(client->page_fd);
		close(client->fd);
		free(client);
	}
	close(publish->fd);
	free(publish);
}

struct client *publish_clients(const struct publish *publish)
{
	return publish->clients;
}
