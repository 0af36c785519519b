/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connection.c - see connection.h. Runs in the caller's thread. Must never block but within the caller's own timeout,
 * must never believe a number in a message about frames (those only wake), and never loses a descriptor.
 */
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "denied.h"
#include "dial.h"
#include "packet.h"
#include "reader.h"

#define BACKOFF_MIN_MS 10u
#define BACKOFF_MAX_MS 500u
/* Somebody keeps the socket, so the daemon is not away for long: it has a queue that is full for now. */
#define BACKOFF_QUEUE_MAX_MS 50u

/*
 * Who is connected and not welcomed for so long waits for a daemon that starts, and may lack the very memory that is
 * still mapped here: nothing new comes in a ring whose daemon is gone. A daemon waits for that longer
 * (daemon/fit.c).
 */
#define LET_GO_MS 200u

/* After so many messages a call looks at the clock: a daemon that talks without end cannot keep it. */
#define PACKETS_PER_CLOCK 64u

/*
 * A blocking receive is one system call where poll and receive are two, but the kernel keeps its time in ticks of 1 to
 * 10 ms: the last RECEIVE_REST_MS of a call's time are waited for with poll. It is never told to wait for ever, since
 * only one with a time ends for a signal whose handler restarts calls.
 */
#define RECEIVE_REST_MS 50u
#define RECEIVE_MAX_MS 3600000u

/* A wait on the wake word is cut into pieces of this length, after each of which the socket is looked at. */
#define WORD_MAX_NS (100 * LR_NS_PER_MS)

static void try_at(struct lr_connection *c, uint64_t at_ns)
{
	c->retry_at_ns = at_ns;
	lr_watch_set_time(&c->watch, at_ns);
}

static void try_later(struct lr_connection *c)
{
	c->put_off = 0;
	try_at(c, lr_clock_now_ns() + c->backoff_ms * LR_NS_PER_MS);
	c->backoff_ms = c->backoff_ms * 2 < BACKOFF_MAX_MS ? c->backoff_ms * 2 : BACKOFF_MAX_MS;
}

/* The socket stays open behind the page while frames pinned through it are held: the daemon honours them that long. */
static void disconnect(struct lumaring *l)
{
	struct lr_connection *c = &l->connection;

	lr_reader_forget(l);
	lr_map_unref(l->map_next);
	l->map_next = NULL;
	if (c->socket >= 0) {
		lr_watch_forget(&c->watch, c->socket);
		if (!l->page)
			close(c->socket);
	}
	lr_page_unref(l->page);
	l->page = NULL;
	c->socket = -1;
	c->state = LR_DOWN;
}

void lr_connection_reset(struct lumaring *l)
{
	disconnect(l);
	lr_map_unref(l->map);
	l->map = NULL;
	try_later(&l->connection);
}

void lr_connection_init(struct lumaring *l)
{
	l->connection = (struct lr_connection){
		.state = LR_DOWN, .socket = -1, .watch = LR_WATCH_NONE, .backoff_ms = BACKOFF_MIN_MS, .opening = true
	};
}

void lr_connection_finish(struct lumaring *l)
{
	disconnect(l);
	lr_map_unref(l->map);
	l->map = NULL;
	lr_watch_close(&l->connection.watch);
}

/* When there is something to do even if nobody says a word, 0: never. */
static uint64_t due_ns(const struct lumaring *l)
{
	const struct lr_connection *c = &l->connection;

	if (c->state == LR_DOWN)
		return c->retry_at_ns;
	return c->state == LR_GREETING && l->map ? c->let_go_at_ns : 0;
}

int lr_connection_fd(struct lumaring *l)
{
	struct lr_connection *c = &l->connection;
	int r;

	if (l->settings.flags & LUMARING_FUTEX)
		return lr_text_fail(&l->error, -ENOTSUP,
				    "a handle opened with LUMARING_FUTEX has no descriptor to poll");
	if (c->watch.epoll >= 0)
		return c->watch.epoll;
	r = lr_watch_open(&c->watch, &l->error);
	if (r < 0)
		return r;
	lr_watch_set_time(&c->watch, due_ns(l));
	if (c->state != LR_DOWN)
		r = lr_watch_socket(&c->watch, c->socket);
	if (r < 0) {
		lr_watch_close(&c->watch);
		return lr_text_fail(&l->error, r, "cannot make a descriptor to poll: %s", strerror(-r));
	}
	return c->watch.epoll;
}

/* --- connect ----------------------------------------------------------------------------------------------------- */

static struct lumaring_hello make_hello(const struct lumaring *l)
{
	const struct lr_settings *s = &l->settings;
	struct lumaring_hello hello = {
		.message = { .type = LUMARING_MESSAGE_HELLO, .size = sizeof(hello) },
		.version = LUMARING_PROTOCOL_VERSION,
		.version_min = LUMARING_PROTOCOL_VERSION_MIN,
		.cursors = s->cursors,
	};

	memcpy(hello.stream, s->stream, sizeof(hello.stream));
	if (s->flags & LUMARING_FUTEX)
		hello.message.flags = LUMARING_HELLO_FUTEX;
	if (!(s->flags & LUMARING_PRIVATE))
		return hello;
	hello.message.flags |= LUMARING_HELLO_PRIVATE;
	hello.slots = s->slots;
	/* The first region: one that was moved to since may reach over the edge, and goes into the page (welcomed()).
	 */
	hello.region_x = s->region_first.x;
	hello.region_y = s->region_first.y;
	hello.region_width = s->region_first.width;
	hello.region_height = s->region_first.height;
	hello.width_max = s->width_max;
	hello.height_max = s->height_max;
	hello.fourcc = s->fourcc;
	hello.bin = s->bin;
	return hello;
}

/* An attempt failed: 0 when it is tried again later without a word, else the error for the caller. */
static int connect_failed(struct lumaring *l, int r, const struct lr_error *error)
{
	if (r == -EAGAIN && l->connection.backoff_ms > BACKOFF_QUEUE_MAX_MS)
		l->connection.backoff_ms = BACKOFF_QUEUE_MAX_MS;
	try_later(&l->connection);
	if (r == -EAGAIN || (r == -ECONNREFUSED && !l->connection.opening))
		return 0;
	l->error = *error;
	/* Who reads frames has no time for it. */
	if (r == -EACCES && l->connection.opening)
		lr_denied_connect(&l->settings.address, &l->error);
	return r;
}

/* The first word on a new connection. Fails as lr_dial() does. */
static int greet(struct lumaring *l, struct lr_error *error)
{
	struct lr_connection *c = &l->connection;
	const struct lumaring_hello hello = make_hello(l);
	int r;

	c->receive_ms = 0;
	/* It was connected without waiting for a place in the daemon's queue; a receive with a time may wait. */
	if (fcntl(c->socket, F_SETFL, 0) < 0)
		return -EAGAIN;
	r = lr_watch_socket(&c->watch, c->socket);
	if (r < 0)
		return r == -ENOMEM ? lr_text_fail(error, r, "cannot make a socket: %s", strerror(-r)) : -EAGAIN;
	/* A daemon that refuses without a look at the hello has closed already: its words are still to be read. */
	if (send(c->socket, &hello, sizeof(hello), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		return -EAGAIN;
	return 0;
}

static int connect_now(struct lumaring *l)
{
	struct lr_connection *c = &l->connection;
	struct lr_error error;
	int r = lr_dial(&l->settings.address, SOCK_SEQPACKET, &c->socket, &error);

	if (r == 0)
		r = greet(l, &error);
	if (r < 0) {
		disconnect(l);
		return connect_failed(l, r, &error);
	}
	c->state = LR_GREETING;
	c->let_go_at_ns = lr_clock_now_ns() + LET_GO_MS * LR_NS_PER_MS;
	lr_watch_set_time(&c->watch, due_ns(l));
	return 0;
}

/* --- what the daemon says ---------------------------------------------------------------------------------------- */

static int check_welcome(struct lumaring *l, const struct lumaring_welcome *w)
{
	if (w->version < LUMARING_PROTOCOL_VERSION_MIN || w->version > LUMARING_PROTOCOL_VERSION)
		return lr_text_fail(
			&l->error, -EPROTONOSUPPORT,
			"the daemon speaks protocol version %u, this library %u to %u: update the older one",
			w->version, LUMARING_PROTOCOL_VERSION_MIN, LUMARING_PROTOCOL_VERSION);
	if (w->image_width > LUMARING_EXTENT_MAX || w->image_height > LUMARING_EXTENT_MAX)
		return lr_text_fail(&l->error, -EBADMSG, "WELCOME: an image of %ux%u, accepted: up to %ux%u",
				    w->image_width, w->image_height, LUMARING_EXTENT_MAX, LUMARING_EXTENT_MAX);
	if (l->settings.flags & LUMARING_FUTEX && w->wake_offset == 0)
		return lr_text_fail(&l->error, -ENOTSUP,
				    "this daemon offers no word to wait on: open without LUMARING_FUTEX");
	if (lr_text_check_name(w->stream, sizeof(w->stream)) < 0 ||
	    (!(l->settings.flags & LUMARING_PRIVATE) && strncmp(w->stream, l->settings.stream, sizeof(w->stream)) != 0))
		return lr_text_fail(&l->error, -EBADMSG, "WELCOME: stream at byte %zu is not \"%s\"",
				    offsetof(struct lumaring_welcome, stream), l->settings.stream);
	return 0;
}

/* What lumaring_info() tells and no memory holds. */
static void note_welcome(struct lumaring *l, const struct lumaring_welcome *w, const char *stream)
{
	l->info.image_width = w->image_width;
	l->info.image_height = w->image_height;
	l->info.frame_duration_us = w->frame_duration_us;
	l->info.daemon_pid = w->daemon_pid;
	memcpy(l->info.stream, stream, sizeof(l->info.stream));
	l->info.width_max = l->map->width_max;
	l->info.height_max = l->map->height_max;
}

/* The ring and the page of a welcome, both or none. */
static int open_memory(struct lumaring *l, const struct lr_packet *packet, const char *stream, struct lr_map **ret_map,
		       struct lr_page **ret_page)
{
	const struct lumaring_welcome *w = &packet->welcome;
	const struct lr_map_claim claim = { w->epoch, w->ring_bytes, stream };
	struct lr_map *map;
	uint64_t published;
	int r = lr_map_open(packet->fds[0], &claim, &map, &l->error);

	if (r < 0)
		return r;
	/* A ring that replaced another one says 0 until its first frame; the stream's count goes on. */
	published = lr_map_published(map);
	if (published && w->published > published)
		r = lr_text_fail(&l->error, -EBADMSG, "WELCOME: published at byte %zu is beyond what the ring holds",
				 offsetof(struct lumaring_welcome, published));
	if (r == 0)
		r = lr_page_open(packet->fds[1], l->connection.socket, w, l->settings.cursors, ret_page, &l->error);
	if (r < 0) {
		lr_map_unref(map);
		return r;
	}
	*ret_map = map;
	return 0;
}

/* Before the first look at the ring: N1, with whatever is in the socket already. */
static void begin_to_wait(struct lumaring *l)
{
	if (!(l->settings.flags & LUMARING_FUTEX))
		return;
	l->connection.word_seen = lr_wait_word(lr_page_wake(l->page));
	l->connection.events_seen = lr_wait_events(lr_page_wake(l->page));
	l->connection.socket_due = true;
}

static int welcomed(struct lumaring *l, const struct lr_packet *packet)
{
	const struct lumaring_welcome *w = &packet->welcome;
	struct lr_connection *c = &l->connection;
	char stream[LUMARING_NAME_MAX + 1];
	struct lr_map *map;
	struct lr_page *page;
	int r = check_welcome(l, w);

	if (r == 0)
		r = lr_packet_expect_fds(packet, 2, &l->error);
	if (r < 0)
		return r;
	lr_text_from_peer(stream, sizeof(stream), w->stream, sizeof(w->stream));
	r = open_memory(l, packet, stream, &map, &page);
	if (r < 0)
		return r;
	lr_map_unref(l->map);
	l->map = map;
	l->page = page;
	begin_to_wait(l);
	lr_store_trim(&l->store);
	lr_reader_begin(l, w->published);
	note_welcome(l, w, stream);
	/* The region may have been moved since the hello. */
	if (l->settings.flags & LUMARING_PRIVATE)
		lr_page_set_region(page, lumaring_region_word(l->settings.region.x, l->settings.region.y,
							      l->settings.region.width, l->settings.region.height));
	c->state = LR_UP;
	lr_watch_set_time(&c->watch, due_ns(l)); /* the old ring is gone: who polls need not wake for it */
	c->backoff_ms = BACKOFF_MIN_MS;
	c->put_off = 0;
	return c->opening ? 0 : LUMARING_EVENT_RESTARTED;
}

/* Refused for now: a failed attempt, whose words are kept for when the caller's time is over. */
static int put_off(struct lumaring *l, int r)
{
	struct lr_connection *c = &l->connection;

	disconnect(l);
	try_later(c);
	c->put_off = r;
	c->put_off_text = l->error;
	return 0;
}

static int refused(struct lumaring *l, const struct lumaring_refusal *refusal)
{
	const int r = lr_dial_refused(refusal, &l->error);

	return lr_dial_passes(r) ? put_off(l, r) : r;
}

static int replaced(struct lumaring *l, const struct lr_packet *packet)
{
	const struct lumaring_replaced *m = &packet->replaced;
	const struct lr_map_claim claim = { m->epoch, m->ring_bytes, l->info.stream };
	struct lr_map *map;
	int r = lr_packet_expect_fds(packet, 1, &l->error);

	if (r == 0 && (m->image_width > LUMARING_EXTENT_MAX || m->image_height > LUMARING_EXTENT_MAX))
		r = lr_text_fail(&l->error, -EBADMSG, "REPLACED: an image of %ux%u, accepted: up to %ux%u",
				 m->image_width, m->image_height, LUMARING_EXTENT_MAX, LUMARING_EXTENT_MAX);
	if (r == 0)
		r = lr_map_open(packet->fds[0], &claim, &map, &l->error);
	if (r < 0)
		return r;
	r = lr_page_grant(l->page, m->cursors, l->settings.cursors, &l->error);
	if (r < 0) {
		lr_map_unref(map);
		return r;
	}
	l->info.image_width = m->image_width;
	l->info.image_height = m->image_height;
	l->map_next = map;
	return 0;
}

static int handle(struct lumaring *l, const struct lr_packet *packet)
{
	const bool up = l->connection.state == LR_UP;

	switch (packet->message.type) {
	case LUMARING_MESSAGE_WELCOME:
		if (!up)
			return welcomed(l, packet);
		break;
	case LUMARING_MESSAGE_REPLACED:
		if (up)
			return replaced(l, packet);
		break;
	case LUMARING_MESSAGE_REFUSAL:
		return refused(l, &packet->refusal);
	case LUMARING_MESSAGE_HELLO:
		break;
	default: /* NOTICE and STATE only wake, and a type of a later version means nothing here */
		return 0;
	}
	return lr_text_fail(&l->error, -EBADMSG, "the daemon sent a message of type %u %s its welcome",
			    packet->message.type, up ? "after" : "before");
}

/* The daemon closed: drain the ring first, then try again at once; but a greeting that ends so is a failed attempt. */
static void ended(struct lumaring *l)
{
	const bool was_up = l->connection.state == LR_UP;

	disconnect(l);
	if (was_up)
		try_at(&l->connection, lr_clock_now_ns());
	else
		try_later(&l->connection);
}

/* One message, as lr_packet_receive() waits for it. As lr_connection_step(); -EAGAIN: none came. */
static int receive(struct lumaring *l, int flags)
{
	struct lr_packet packet;
	int r = lr_packet_receive(l->connection.socket, flags, &packet, &l->error);

	if (r == -EAGAIN || r == -EINTR)
		return r;
	if (r == -ECONNRESET) {
		ended(l);
		return 0;
	}
	if (r == 0) {
		r = handle(l, &packet);
		lr_packet_close(&packet);
	}
	if (r < 0)
		lr_connection_reset(l);
	return r;
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

static int timed_out(struct lumaring *l, const struct lr_wait *wait)
{
	if (wait->timeout_ms == 0)
		return -EAGAIN;
	if (l->connection.put_off)
		return lr_text_fail(&l->error, -ETIMEDOUT, "%s (asked again for %d ms)",
				    l->connection.put_off_text.text, wait->timeout_ms);
	return lr_text_fail(&l->error, -ETIMEDOUT, "%s within %d ms",
			    l->connection.state == LR_UP ? "no new frame" : "the daemon is away and did not come back",
			    wait->timeout_ms);
}

static int cannot_wait(struct lumaring *l, int error)
{
	return lr_text_fail(&l->error, error, "cannot wait: %s", strerror(-error));
}

/*
 * The socket keeps the time that its receives may wait, so it is only set when the old one is longer than what is left,
 * or so short that the receive would end for nothing.
 */
static int limit_receive(struct lr_connection *c, uint32_t left_ms)
{
	const struct timeval time = { .tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000 };

	if (c->receive_ms <= left_ms && c->receive_ms > left_ms / 2)
		return 0;
	if (setsockopt(c->socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) < 0)
		return -errno;
	c->receive_ms = left_ms;
	return 0;
}

/* The ring of the daemon before, once the new one has had its time to answer. Frames that are held keep it. */
static void let_go(struct lumaring *l)
{
	lr_map_unref(l->map);
	l->map = NULL;
	lr_watch_set_time(&l->connection.watch, due_ns(l));
}

/* How long until then; LR_FOR_EVER when nothing is to be given back. */
static uint64_t until_let_go_ns(const struct lumaring *l)
{
	const uint64_t now_ns = lr_clock_now_ns(), at_ns = l->connection.let_go_at_ns;

	if (l->connection.state != LR_GREETING || !l->map)
		return LR_FOR_EVER;
	return now_ns < at_ns ? at_ns - now_ns : 0;
}

/* As receive(), within the call's time; -ETIMEDOUT when that is over. */
static int wait_and_receive(struct lumaring *l, struct lr_wait *wait)
{
	const uint64_t all_ns = lr_wait_left_ns(wait), until_ns = until_let_go_ns(l);
	const uint64_t left_ns = until_ns < all_ns ? until_ns : all_ns;
	uint64_t left_ms = left_ns / LR_NS_PER_MS;
	int r;

	if (left_ms >= 2 * RECEIVE_REST_MS) {
		left_ms -= RECEIVE_REST_MS;
		r = limit_receive(&l->connection, left_ms < RECEIVE_MAX_MS ? (uint32_t)left_ms : RECEIVE_MAX_MS);
		return r < 0 ? cannot_wait(l, r) : receive(l, 0);
	}
	r = lr_wait_for_fd(wait, l->connection.socket, left_ns);
	if (r > 0)
		return receive(l, MSG_DONTWAIT);
	if (r < 0)
		return cannot_wait(l, r);
	if (wait->interrupted)
		return -EINTR;
	return left_ns < all_ns ? 0 : timed_out(l, wait);
}

static int step_down(struct lumaring *l, struct lr_wait *wait)
{
	const uint64_t now_ns = lr_clock_now_ns(), at_ns = l->connection.retry_at_ns;
	uint64_t left_ns;
	int r;

	if (now_ns >= at_ns)
		return connect_now(l);
	left_ns = lr_wait_left_ns(wait);
	if (left_ns == 0)
		return timed_out(l, wait);
	r = lr_wait_for_fd(wait, -1, left_ns < at_ns - now_ns ? left_ns : at_ns - now_ns);
	return r < 0 ? cannot_wait(l, r) : 0;
}

/*
 * One step of N1 to N4 of layout.h, with the look at the ring between two of them. As lr_connection_step(); -EAGAIN:
 * there was no message.
 */
static int step_by_word(struct lumaring *l, struct lr_wait *wait)
{
	struct lr_connection *c = &l->connection;
	struct lumaring_wake *wake = lr_page_wake(l->page);
	const uint32_t word = lr_wait_word(wake);
	uint64_t left_ns;
	int r;

	if (word != c->word_seen) {
		const uint32_t events = lr_wait_events(wake);

		c->socket_due |= events != c->events_seen;
		c->word_seen = word;
		c->events_seen = events;
		return 0;
	}
	if (c->socket_due || wait->timeout_ms == 0) {
		r = receive(l, MSG_DONTWAIT);
		c->socket_due = r != -EAGAIN;
		return r;
	}
	left_ns = lr_wait_left_ns(wait);
	if (left_ns == 0)
		return timed_out(l, wait);
	r = lr_wait_for_word(wait, wake, word, left_ns < WORD_MAX_NS ? left_ns : WORD_MAX_NS);
	if (r < 0)
		return cannot_wait(l, r);
	c->socket_due = r == 0; /* N4; and who is interrupted all the time has no time that ends */
	return 0;
}

/*
 * A reader that keeps up costs one receive per frame: the notice is taken when it wakes the reader. One that fell
 * behind finds frames without any call, and stale notices later: those are taken until none is left, with a look at the
 * ring after each. The ring is looked at before a signal is told as well, so that a program that was only stopped and
 * continued finds the newest frame instead.
 */
int lr_connection_step(struct lumaring *l, struct lr_wait *wait)
{
	int r;

	if (wait->interrupted)
		return lr_text_fail(&l->error, -EINTR, "a signal arrived first");
	if (l->connection.state == LR_DOWN)
		return step_down(l, wait);
	if (until_let_go_ns(l) == 0)
		let_go(l);
	if (l->connection.state == LR_UP && l->settings.flags & LUMARING_FUTEX)
		r = step_by_word(l, wait);
	else
		r = wait->timeout_ms == 0 ? receive(l, MSG_DONTWAIT) : wait_and_receive(l, wait);
	if (r == -EINTR)
		wait->interrupted = true;
	if (r == -EINTR || (r == -EAGAIN && wait->timeout_ms != 0))
		return 0;
	if (r == 0 && ++wait->packets % PACKETS_PER_CLOCK == 0 && lr_wait_left_ns(wait) == 0)
		return timed_out(l, wait);
	return r;
}
