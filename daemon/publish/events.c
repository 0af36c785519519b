/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * events.c - what the main thread says to one client: welcome, refusal, replaced ring, state. Nothing here waits: what
 * cannot be sent now is a pending event.
 */
#include "publish/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void events_begin_message(struct client *client, size_t bytes, enum lumaring_message_type type)
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

	events_begin_message(client, sizeof(*m), LUMARING_MESSAGE_WELCOME);
	m->version = LUMARING_PROTOCOL_VERSION;
	m->cursors = client->cursors;
	m->epoch = facts->epoch;
	m->published = client->published = facts->published;
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
	m->wake_offset = offsetof(struct lumaring_client_page, wake);
	m->account_offset = offsetof(struct lumaring_client_page, account);
	message_attach(client, fds, 2);
}

static void fill_replaced(struct client *client, const struct publish_facts *facts)
{
	struct lumaring_replaced *m = (struct lumaring_replaced *)client->outbox;

	events_begin_message(client, sizeof(*m), LUMARING_MESSAGE_REPLACED);
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

	events_begin_message(client, sizeof(*m), LUMARING_MESSAGE_STATE);
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

void events_send(struct client *client)
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

/* --- wakes --- */

/* A message was sent to a client that does not look at its socket by itself. */
static void ring_bell(struct client *client)
{
	/* N7 pairs with N1 in client-lib/wait.c: the message before the count of them. */
	__atomic_add_fetch(&client->page->wake.events, 1, __ATOMIC_RELEASE);
	if (!notify_count(&client->page->wake))
		return;
	client->bell_again = loop_op_active(&client->bell);
	if (!client->bell_again)
		loop_wake_word(client->publish->loop, &client->bell, &client->page->wake.word);
}

static void on_bell(struct loop_op *op, int result)
{
	struct client *client = op->owner;

	(void)result;
	if (client->state == CLIENT_LEAVING) {
		client_free_if_done(client);
	} else if (client->bell_again) {
		client->bell_again = false;
		loop_wake_word(client->publish->loop, &client->bell, &client->page->wake.word);
	}
}

/* --- events --- */

static void welcome_sent(struct client *client)
{
	close(client->page_fd);
	client->page_fd = -1;
	/* P1 pairs with P1 in send_notice() of notify.c: from here on notices follow, and the STATE below makes the
	 * client look once more at what was published before. */
	__atomic_store_n(&client->listening, true, __ATOMIC_SEQ_CST);
	client->pending |= PENDING_STATE;
}

/* Who is dismissed leaves with the last word, or when there is no room for it: its ring says it as well. */
static void send_or_leave(struct client *client)
{
	events_send(client);
	if (client->dismissed && !loop_op_active(&client->event))
		client_leave(client);
}

static void on_event_sent(struct loop_op *op, int result)
{
	struct client *client = op->owner;

	if (client->state == CLIENT_LEAVING) {
		client_free_if_done(client);
	} else if (result == -EAGAIN && !client->dismissed) {
		client->pending |= client->sending;
		/* on_crowded() may have found the queue full meanwhile. */
		if (!loop_op_active(&client->room))
			loop_writable(client->publish->loop, &client->room, client->fd);
	} else if (result < 0 || client->refused) {
		client_leave(client);
	} else {
		client->epoch = client->epoch_sending;
		if (client->sending == PENDING_WELCOME)
			welcome_sent(client);
		if (client->by_futex)
			ring_bell(client);
		send_or_leave(client);
	}
}

/* There is room for notices again. What was published meanwhile is found at the look that a STATE asks for. */
static void take_notices_again(struct client *client)
{
	/* P2 pairs with P2 in send_notice() of notify.c, in one order with W8 in ring_publish(): either the notice is
	 * sent, or the STATE that follows this is received after the frame was published. */
	__atomic_store_n(&client->full, false, __ATOMIC_SEQ_CST);
	client->pending |= PENDING_STATE;
}

static void on_room(struct loop_op *op, int result)
{
	struct client *client = op->owner;

	if (client->state == CLIENT_LEAVING) {
		client_free_if_done(client);
		return;
	}
	if (result < 0) {
		client_leave(client);
		return;
	}
	if (__atomic_load_n(&client->full, __ATOMIC_RELAXED)) /* as below */
		take_notices_again(client);
	events_send(client);
}

/* The capture thread found somebody's queue full. */
static void on_crowded(struct loop_op *op, int result)
{
	struct publish *publish = op->owner;

	if (result < 0)
		return;
	for (struct client *c = publish->clients; c; c = c->next) {
		/* Set before the doorbell was rung, which orders it: relaxed. */
		bool full = __atomic_load_n(&c->full, __ATOMIC_RELAXED);

		if (full && c->state == CLIENT_READING && !loop_op_active(&c->room))
			loop_writable(publish->loop, &c->room, c->fd);
	}
}

int events_begin(struct publish *publish)
{
	publish->crowded = (struct loop_op){ .done = on_crowded, .owner = publish };
	return loop_doorbell(publish->loop, &publish->crowded);
}

/* --- what others ask for --- */

void publish_welcome(struct client *client)
{
	client->state = CLIENT_READING;
	client->pending |= PENDING_WELCOME;
	events_send(client);
}

void publish_refuse(struct client *client, int error, const char *format, ...)
{
	struct lumaring_refusal *m = (struct lumaring_refusal *)client->outbox;
	const struct ucred peer = { .pid = client->pid, .uid = client->uid };
	va_list arguments;

	events_begin_message(client, sizeof(*m), LUMARING_MESSAGE_REFUSAL);
	m->code = (uint32_t)-error;
	va_start(arguments, format);
	vsnprintf(m->text, sizeof(m->text), format, arguments);
	va_end(arguments);
	publish_log_refusal(client->publish, &peer, client->asked, error, m->text);
	client->refused = true;
	client->pending = PENDING_REFUSAL;
	events_send(client);
}

void publish_tell_state(struct client *client)
{
	if (client->state != CLIENT_READING)
		return;
	client->pending |= PENDING_STATE;
	events_send(client);
}

void publish_dismiss(struct client *client)
{
	if (client->state != CLIENT_READING || client->dismissed)
		return;
	client->dismissed = true;
	client->pending |= PENDING_STATE;
	send_or_leave(client);
}

void publish_tell_replaced(struct client *client)
{
	if (client->state != CLIENT_READING)
		return;
	client->pending |= PENDING_REPLACED;
	events_send(client);
}

void events_init(struct client *client)
{
	client->event = (struct loop_op){ .done = on_event_sent, .owner = client };
	client->room = (struct loop_op){ .done = on_room, .owner = client };
	client->bell = (struct loop_op){ .done = on_bell, .owner = client };
	notify_init(client);
}
