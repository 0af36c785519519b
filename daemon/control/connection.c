/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connection.c - life of one connection of the control socket: reads requests out of a stream, one at a time, and sends
 * the answers. Main thread only. The peer is never trusted and never waited for.
 *
 * The next request is looked at when the one before it was answered and its answers take little room; while there is
 * one to look at nothing more is read, so that who asks without taking answers, or faster than they can be given, is
 * held up by its own socket. While a call is open there still is a receive, as long as the inbox has room: the peer may
 * leave meanwhile. No connection has two requests handled in one turn of the loop.
 */
#include "control/private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"

#define CHATTER_PIECES 64u /* in which little came since the last request; who sends more is heard once in */
#define CHATTER_MS 50u
#define LOOK_MS 1000u /* between looks whether the peer of an open call is gone, when no receive would tell */

/* --- leaving --- */

void connection_destroy(struct connection *connection)
{
	struct control *control = connection->control;
	struct answer *next;

	if (connection->previous)
		connection->previous->next = connection->next;
	else
		control->connections = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	if (connection->turned_away)
		control->turned_away--;
	else
		quota_give(control->quota, connection->uid);
	for (struct answer *answer = connection->answers; answer; answer = next) {
		next = answer->next;
		free(answer);
	}
	if (connection->inbox != connection->inbox_small)
		free(connection->inbox);
	free(connection->call.json.text);
	close(connection->fd);
	free(connection);
}

static bool is_idle(const struct connection *connection)
{
	return !loop_op_active(&connection->receive) && !loop_op_active(&connection->send) &&
	       !loop_op_active(&connection->writable) && !loop_op_active(&connection->timer) &&
	       !loop_op_active(&connection->wake);
}

/* One of its operations ended. */
static void free_if_done(struct connection *connection)
{
	call_forget(&connection->call);
	if (is_idle(connection))
		connection_destroy(connection);
}

void connection_leave(struct connection *connection)
{
	struct loop *loop = connection->control->loop;

	if (connection->state == CONNECTION_LEAVING)
		return;
	connection->state = CONNECTION_LEAVING;
	loop_cancel(loop, &connection->receive);
	loop_cancel(loop, &connection->send);
	loop_cancel(loop, &connection->writable);
	loop_cancel(loop, &connection->timer);
	/* One at least is told, and from the loop, so whoever called this may still touch it. */
	if (!loop_op_active(&connection->wake))
		loop_timer(loop, &connection->wake, 0);
	loop_cancel(loop, &connection->wake);
}

void connection_starve(struct connection *connection, const char *what)
{
	const struct ucred peer = { .pid = connection->pid, .uid = connection->uid };

	control_log_peer(connection->control, &peer, LOG_EVENT_NO_MEMORY, -ENOMEM,
			 "closing its connection: no memory for %s", what);
	connection_leave(connection);
}

void connection_finish(struct connection *connection)
{
	if (connection->state == CONNECTION_OPEN)
		connection->state = CONNECTION_LAST;
}

/* --- sending --- */

bool connection_has_room(const struct connection *connection, size_t bytes)
{
	return !connection->answers ||
	       connection->answers_bytes + sizeof(struct answer) + bytes <= LIMIT_CONTROL_ANSWER_BYTES;
}

void connection_answer(struct connection *connection, const char *text, size_t bytes)
{
	struct answer *answer = malloc(sizeof(*answer) + bytes);

	if (!answer) {
		connection_starve(connection, "an answer");
		return;
	}
	*answer = (struct answer){ .bytes = bytes };
	memcpy(answer->text, text, bytes);
	*connection->answers_end = answer;
	connection->answers_end = &answer->next;
	connection->answers_bytes += sizeof(*answer) + bytes;
}

static void send_next(struct connection *connection)
{
	struct answer *answer = connection->answers;

	if (!answer || loop_op_active(&connection->send) || loop_op_active(&connection->writable))
		return;
	connection->iov = (struct iovec){ answer->text + answer->sent, answer->bytes - answer->sent };
	connection->msg = (struct msghdr){ .msg_iov = &connection->iov, .msg_iovlen = 1 };
	loop_send(connection->control->loop, &connection->send, connection->fd, &connection->msg);
}

/* So much of the first answer is with the kernel. */
static void count_sent(struct connection *connection, size_t bytes)
{
	struct answer *answer = connection->answers;

	answer->sent += bytes;
	if (answer->sent < answer->bytes)
		return;
	connection->answers = answer->next;
	if (!answer->next)
		connection->answers_end = &connection->answers;
	connection->answers_bytes -= sizeof(*answer) + answer->bytes;
	connection->answer_deadline_ns = 0;
	free(answer);
}

/* What the kernel holds of answers. */
static int unread_bytes(const struct connection *connection)
{
	int bytes = 0;

	return ioctl(connection->fd, SIOCOUTQ, &bytes) < 0 ? 0 : bytes;
}

/* --- receiving --- */

static void empty_inbox(struct connection *connection)
{
	if (connection->inbox != connection->inbox_small)
		free(connection->inbox);
	connection->inbox = connection->inbox_small;
	connection->inbox_room = sizeof(connection->inbox_small);
	connection->begin = connection->end = 0;
}

/* Twice the room, or what a request with its terminator takes at most. */
static void grow_inbox(struct connection *connection)
{
	size_t most = connection->control->limits.message_bytes + 1;
	size_t room = 2 * connection->inbox_room < most ? 2 * connection->inbox_room : most;
	char *inbox;

	/* While a call is open there is time; and a request that is too long is told so. */
	if (connection->call.active || room <= connection->inbox_room)
		return;
	inbox = malloc(room);
	if (!inbox) {
		connection_starve(connection, "a request");
		return;
	}
	memcpy(inbox, connection->inbox, connection->end);
	if (connection->inbox != connection->inbox_small)
		free(connection->inbox);
	connection->inbox = inbox;
	connection->inbox_room = room;
}

static void make_room(struct connection *connection)
{
	size_t bytes = connection->end - connection->begin;

	if (bytes == 0) {
		empty_inbox(connection);
	} else if (connection->begin > 0) {
		memmove(connection->inbox, connection->inbox + connection->begin, bytes);
		connection->begin = 0;
		connection->end = bytes;
	}
	if (connection->end == connection->inbox_room)
		grow_inbox(connection);
}

static bool is_held_up(const struct connection *connection)
{
	return connection->paused_to_ns || !connection_has_room(connection, 1);
}

static void receive_more(struct connection *connection)
{
	if (connection->state != CONNECTION_OPEN || connection->ended || loop_op_active(&connection->receive) ||
	    is_held_up(connection))
		return;
	make_room(connection);
	if (connection->state == CONNECTION_OPEN && connection->end < connection->inbox_room)
		loop_receive(connection->control->loop, &connection->receive, connection->fd,
			     connection->inbox + connection->end, connection->inbox_room - connection->end);
}

/* --- time --- */

/* Read and handle nothing for so long. */
static void pause_for(struct connection *connection, uint64_t duration_ns)
{
	uint64_t to_ns = clock_monotonic_ns() + duration_ns;

	if (to_ns > connection->paused_to_ns)
		connection->paused_to_ns = to_ns;
	if (!loop_op_active(&connection->wake))
		loop_timer(connection->control->loop, &connection->wake, connection->paused_to_ns);
}

/* Closed, not only shut down on its side. */
static bool peer_is_gone(const struct connection *connection)
{
	struct pollfd poller = { .fd = connection->fd }; /* for POLLHUP */

	return poll(&poller, 1, 0) > 0;
}

/* Other connections of its uid that were too fast as well. */
static unsigned count_waiting(const struct connection *connection)
{
	unsigned count = 0;

	for (const struct connection *c = connection->control->connections; c; c = c->next)
		count += c != connection && c->uid == connection->uid && c->paused_to_ns;
	return count;
}

bool connection_spend(struct connection *connection, struct quota_refusal *ret_refusal)
{
	struct control *control = connection->control;

	if (quota_spend(control->quota, connection->uid, clock_monotonic_ns(), ret_refusal) == 0)
		return true;
	/* They wait in line for the same rate, so the refusals of a uid come no faster either. */
	ret_refusal->retry_after_ns *= 1 + count_waiting(connection);
	if (peer_is_gone(connection)) /* what it left in its socket would keep a place for as long as that takes */
		connection_leave(connection);
	else
		pause_for(connection, ret_refusal->retry_after_ns);
	return false;
}

static uint64_t sooner(uint64_t a_ns, uint64_t b_ns)
{
	if (!a_ns || !b_ns)
		return a_ns ? a_ns : b_ns;
	return a_ns < b_ns ? a_ns : b_ns;
}

/* One timer for all: it may ring early, and is then set again; it is put off only when it rings. */
static void arm_timer(struct connection *connection)
{
	struct loop *loop = connection->control->loop;
	uint64_t next_ns = sooner(sooner(connection->request_deadline_ns, connection->answer_deadline_ns),
				  sooner(connection->end_deadline_ns, connection->look_ns));

	if (!next_ns || connection->state == CONNECTION_LEAVING)
		return;
	if (!loop_op_active(&connection->timer))
		loop_timer(loop, &connection->timer, next_ns);
	else if (next_ns < connection->timer.deadline_ns)
		loop_cancel(loop, &connection->timer); /* set again when that is told */
}

static uint64_t deadline_ns(const struct connection *connection)
{
	return clock_monotonic_ns() + connection->control->limits.message_ms * NS_PER_MS;
}

static bool is_over(uint64_t deadline, uint64_t now_ns)
{
	return deadline && deadline <= now_ns;
}

/*
 * A call with `more` may stay open for ever, and without a receive under way nobody would tell that its peer is gone:
 * one that sends nothing more may take answers still (it shut down that side only), or not.
 */
static void look_for_peer(struct connection *connection)
{
	if (!connection->call.active || !connection->call.more || loop_op_active(&connection->receive)) {
		connection->look_ns = 0;
		return;
	}
	if (connection->look_ns > clock_monotonic_ns())
		return;
	connection->look_ns = clock_monotonic_ns() + LOOK_MS * NS_PER_MS;
	if (peer_is_gone(connection))
		connection_leave(connection);
}

/* --- requests --- */

/* Of a request that has not ended. */
static char likely_terminator(const struct connection *connection)
{
	return connection->framing.newline ? '\n' : connection->terminator;
}

/* Blanks are not to be had for nothing: as many as a request may be long cost as much. */
static void skip_blanks(struct connection *connection)
{
	struct quota_refusal refusal;
	size_t blanks;

	if (connection->framing.scanned)
		return; /* inside a request */
	blanks = framing_blanks(connection->inbox + connection->begin, connection->end - connection->begin);
	connection->begin += blanks;
	connection->blanks += blanks;
	if (connection->blanks <= connection->control->limits.message_bytes)
		return;
	connection->blanks = 0;
	connection_spend(connection, &refusal);
}

/* Bytes that come one by one, blanks too, cost as much as requests each: not so many of them in so short a time. */
static void slow_chatter(struct connection *connection)
{
	if (connection->pieces <= CHATTER_PIECES)
		return;
	connection->pieces = CHATTER_PIECES;
	pause_for(connection, CHATTER_MS * NS_PER_MS);
}

/* Handle the next request of the inbox. False: there is no whole one. */
static bool handle_next(struct connection *connection)
{
	const size_t bytes_max =
		connection->turned_away ? CONTROL_INBOX_BYTES - 1 : connection->control->limits.message_bytes;
	const char *text;
	size_t bytes, there;
	char terminator = '\n';
	bool whole;

	skip_blanks(connection);
	text = connection->inbox + connection->begin;
	there = bytes = connection->end - connection->begin;
	if (there == 0) {
		slow_chatter(connection);
		return false;
	}
	whole = framing_scan(&connection->framing, text, there, &bytes, &terminator);
	if (bytes > bytes_max) {
		call_fail_stream(connection, whole ? terminator : likely_terminator(connection),
				 "control-message-bytes", connection->control->limits.message_bytes);
		return false;
	}
	if (!whole && !connection->ended) {
		if (!connection->request_deadline_ns)
			connection->request_deadline_ns = deadline_ns(connection);
		slow_chatter(connection);
		return false;
	}
	/* The end of the stream ends a request as well: nobody who sends one that way waits for more. */
	connection->begin += whole ? bytes + 1 : bytes;
	connection->framing = (struct framing){ 0 };
	connection->request_deadline_ns = 0;
	connection->pieces = 0;
	connection->blanks = 0;
	connection->terminator = terminator;
	call_handle(connection, text, bytes, terminator);
	return true;
}

/*
 * Do what can be done now, one request at most: others have their turn before the next one. Called from the loop only.
 */
static void advance(struct connection *connection)
{
	bool handled;

	connection->advancing = true;
	handled = connection->state == CONNECTION_OPEN && !connection->call.active && !is_held_up(connection) &&
		  handle_next(connection);
	connection->advancing = false;
	if (connection->ended && !connection->call.active && connection->begin == connection->end)
		connection_finish(connection);
	if (connection->state == CONNECTION_LAST && !connection->answers)
		connection_leave(connection);
	if (connection->state == CONNECTION_LEAVING)
		return;
	if (handled && !connection->call.active && connection->begin < connection->end)
		connection_wake(connection);
	else
		receive_more(connection);
	send_next(connection);
	look_for_peer(connection);
	arm_timer(connection);
}

void connection_wake(struct connection *connection)
{
	if (connection->advancing || connection->state == CONNECTION_LEAVING)
		return;
	send_next(connection);
	if (!loop_op_active(&connection->wake))
		loop_timer(connection->control->loop, &connection->wake, 0);
}

/* --- from the loop --- */

static void on_received(struct loop_op *op, int result)
{
	struct connection *connection = op->owner;

	if (connection->state == CONNECTION_LEAVING) {
		free_if_done(connection);
		return;
	}
	if (result < 0) {
		connection_leave(connection);
		return;
	}
	connection->ended = result == 0;
	connection->end += (size_t)result;
	connection->pieces += connection->end < connection->inbox_room;
	advance(connection);
}

static void on_sent(struct loop_op *op, int result)
{
	struct connection *connection = op->owner;
	struct control_call *call = &connection->call;

	if (connection->state == CONNECTION_LEAVING) {
		free_if_done(connection);
		return;
	}
	if (result < 0 && result != -EAGAIN) {
		connection_leave(connection);
		return;
	}
	if (result > 0)
		count_sent(connection, (size_t)result);
	else
		loop_writable(connection->control->loop, &connection->writable, connection->fd);
	if (connection->answers && (result < 0 || connection->answers->sent > 0) && !connection->answer_deadline_ns) {
		connection->answer_deadline_ns = deadline_ns(connection);
		connection->unread_bytes = unread_bytes(connection);
	}
	if (call->active && call->wants_room && call->room &&
	    connection->answers_bytes <= LIMIT_CONTROL_ANSWER_BYTES / 2) {
		call->wants_room = false;
		call->room(call);
	}
	advance(connection);
}

static void on_writable(struct loop_op *op, int result)
{
	struct connection *connection = op->owner;

	if (connection->state == CONNECTION_LEAVING)
		free_if_done(connection);
	else if (result < 0)
		connection_leave(connection);
	else
		send_next(connection);
}

/* The kernel has room again only when most of what it holds was read: so look whether some of it was. */
static bool takes_nothing(struct connection *connection, uint64_t now_ns)
{
	int unread;

	if (!is_over(connection->answer_deadline_ns, now_ns))
		return false;
	unread = unread_bytes(connection);
	if (unread >= connection->unread_bytes)
		return true;
	connection->unread_bytes = unread;
	connection->answer_deadline_ns = deadline_ns(connection);
	return false;
}

static void on_timer(struct loop_op *op, int result)
{
	struct connection *connection = op->owner;
	uint64_t now_ns = clock_monotonic_ns();

	(void)result;
	if (connection->state == CONNECTION_LEAVING) {
		free_if_done(connection);
		return;
	}
	if (takes_nothing(connection, now_ns) || is_over(connection->end_deadline_ns, now_ns)) {
		connection_leave(connection);
		return;
	}
	if (is_over(connection->request_deadline_ns, now_ns)) {
		connection->request_deadline_ns = 0;
		if (connection->state == CONNECTION_OPEN)
			call_fail_stream(connection, likely_terminator(connection), "control-message-ms",
					 connection->control->limits.message_ms);
	}
	advance(connection);
}

static void on_wake(struct loop_op *op, int result)
{
	struct connection *connection = op->owner;

	(void)result;
	if (connection->state == CONNECTION_LEAVING) {
		free_if_done(connection);
	} else if (connection->paused_to_ns > clock_monotonic_ns()) {
		/* It was woken for something else. */
		loop_timer(connection->control->loop, op, connection->paused_to_ns);
		send_next(connection);
	} else {
		connection->paused_to_ns = 0;
		advance(connection);
	}
}

/* --- making --- */

int connection_create(struct control *control, int fd, const struct ucred *peer, enum standing standing,
		      const struct quota_refusal *refusal)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return -ENOMEM;
	connection->control = control;
	connection->fd = fd;
	connection->pid = peer->pid;
	connection->uid = peer->uid;
	connection->standing = standing;
	connection->turned_away = refusal || standing == STANDING_STRANGER;
	if (refusal)
		connection->refusal = *refusal;
	connection->answers_end = &connection->answers;
	connection->receive = (struct loop_op){ .done = on_received, .owner = connection };
	connection->send = (struct loop_op){ .done = on_sent, .owner = connection };
	connection->writable = (struct loop_op){ .done = on_writable, .owner = connection };
	connection->timer = (struct loop_op){ .done = on_timer, .owner = connection };
	connection->wake = (struct loop_op){ .done = on_wake, .owner = connection };
	connection->next = control->connections;
	if (connection->next)
		connection->next->previous = connection;
	control->connections = connection;
	if (connection->turned_away) {
		control->turned_away++;
		connection->end_deadline_ns = clock_monotonic_ns() + LIMIT_CONTROL_TURNED_AWAY_MS * NS_PER_MS;
	}
	receive_more(connection);
	arm_timer(connection);
	return 0;
}
