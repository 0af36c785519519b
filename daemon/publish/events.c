/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * events.c - what the daemon says to one client: welcome, refusal, replaced ring, state, and the notices or wakes. Main
 * thread but for publish_notify(). Nothing here waits: what cannot be sent now is a dropped notice or a pending event.
 * Of the wake words in a client's page nothing is believed: they are added to, and one is compared with 0.
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

/* True when the client is to be woken: it waits, or is about to. */
static bool count_for_waiter(struct lumaring_wake *wake)
{
	/* N5 pairs with N1 and N3 in client-lib/wait.c: what there is to see before the word that tells of it; and it
	 * comes before N6 in the one order of both with N2, so that a waiter is seen or sees this. */
	__atomic_add_fetch(&wake->word, 1, __ATOMIC_SEQ_CST);
	/* N6 pairs with N2 in client-lib/wait.c. */
	return __atomic_load_n(&wake->waiting, __ATOMIC_SEQ_CST) != 0;
}

/* A message was sent to a client that does not look at its socket by itself. */
static void ring_bell(struct client *client)
{
	/* N7 pairs with N1 in client-lib/wait.c: the message before the count of them. */
	__atomic_add_fetch(&client->page->wake.events, 1, __ATOMIC_RELEASE);
	if (!count_for_waiter(&client->page->wake))
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
	/* P1 pairs with P1 in send_notice(): from here on notices follow, and the STATE below makes the client look
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
		if (client->by_futex)
			ring_bell(client);
		events_send(client);
	}
}

/* There is room for notices again. What was published meanwhile is found at the look that a STATE asks for. */
static void take_notices_again(struct client *client)
{
	/* P2 pairs with P2 in send_notice(), in one order with W8 in ring_publish(): either the notice is sent, or the
	 * STATE that follows this is received after the frame was published. */
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
	va_list arguments;

	events_begin_message(client, sizeof(*m), LUMARING_MESSAGE_REFUSAL);
	m->code = (uint32_t)-error;
	va_start(arguments, format);
	vsnprintf(m->text, sizeof(m->text), format, arguments);
	va_end(arguments);
	publish_log_refusal(client->publish, client->pid, client->uid, m->text);
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

void publish_tell_replaced(struct client *client)
{
	if (client->state != CLIENT_READING)
		return;
	client->pending |= PENDING_REPLACED;
	events_send(client);
}

/* --- notices --- */

static void drop_notice(struct client *client)
{
	/* Only the capture thread adds; main reads when it has let go of the client: relaxed. */
	__atomic_store_n(&client->notices_dropped, client->notices_dropped + 1, __ATOMIC_RELAXED);
}

/* Trying a full queue anew with every frame would make those that do not read cost as much as those that do. */
static void on_notice_sent(struct loop_op *op, int result)
{
	struct client *client = op->owner;

	if (result < 0)
		drop_notice(client);
	if (result != -EAGAIN || client->by_futex)
		return;
	__atomic_store_n(&client->full, true, __ATOMIC_RELAXED); /* ordered by the doorbell */
	loop_wake(&client->publish->crowded);
}

static void send_notice(struct loop *loop, struct client *client, const struct msghdr *notice)
{
	/* P1 pairs with P1 in welcome_sent(), in one order with W8 in ring_publish(): either the notice is sent, or the
	 * client's look after its STATE finds the frame. */
	if (!__atomic_load_n(&client->listening, __ATOMIC_SEQ_CST) || loop_op_active(&client->notice))
		return;
	/* P2 pairs with P2 in take_notices_again(). */
	if (__atomic_load_n(&client->full, __ATOMIC_SEQ_CST))
		drop_notice(client);
	else
		loop_send(loop, &client->notice, client->fd, notice);
}

/* From the first plan on that names the client: a frame that is counted before its WELCOME is found in the ring. */
static void wake(struct loop *loop, struct client *client)
{
	if (count_for_waiter(&client->page->wake) && !loop_op_active(&client->notice))
		loop_wake_word(loop, &client->notice, &client->page->wake.word);
}

void publish_notify(struct loop *loop, struct client *const *clients, unsigned client_count,
		    const struct msghdr *notice)
{
	for (unsigned i = 0; i < client_count; i++)
		if (clients[i]->by_futex)
			wake(loop, clients[i]);
		else
			send_notice(loop, clients[i], notice);
}

void events_init(struct client *client)
{
	client->event = (struct loop_op){ .done = on_event_sent, .owner = client };
	client->room = (struct loop_op){ .done = on_room, .owner = client };
	client->bell = (struct loop_op){ .done = on_bell, .owner = client };
	client->notice = (struct loop_op){ .done = on_notice_sent, .owner = client };
}
