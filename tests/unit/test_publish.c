/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_publish.c - what the main and the capture thread do to the same client, in an order that threads of their own
 * come to only now and then. Here one thread plays both, each on a loop of its own.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "loop_probe.h"
#include "publish/publish.h"

struct world {
	struct loop *loop; /* the main thread's */
	struct publish *publish;
	struct client *client;
	struct publish_teller teller;
	struct lumaring_notice notice;
	struct iovec iov;
	struct msghdr msg;
	int ring_fd, peer;
	uint64_t epoch;
};

static void on_attach(void *owner, struct client *client, const struct lumaring_hello *hello)
{
	struct world *w = owner;

	w->client = client;
	assert_int_equal(publish_make_page(client, hello->cursors), 0);
	publish_welcome(client);
}

static void on_detach(void *owner, struct client *client)
{
	struct world *w = owner;

	w->client = NULL;
	publish_release(client);
}

static void on_facts(void *owner, const struct client *client, struct publish_facts *ret_facts)
{
	struct world *w = owner;

	(void)client;
	*ret_facts = (struct publish_facts){ .ring_fd = w->ring_fd, .epoch = w->epoch, .stream = "main" };
}

/* Turn until it is true. */
#define TURN_UNTIL(w, condition)                                                                                       \
	do {                                                                                                           \
		uint64_t end_ns_ = clock_monotonic_ns() + PATIENCE_MS * NS_PER_MS;                                     \
		while (!(condition)) {                                                                                 \
			assert_true(clock_monotonic_ns() < end_ns_);                                                   \
			assert_int_equal(loop_turn((w)->loop, 10), 0);                                                 \
		}                                                                                                      \
	} while (0)

static void say_hello(struct world *w, const struct sockaddr_un *address, socklen_t bytes)
{
	struct lumaring_hello hello = {
		.message = { .type = LUMARING_MESSAGE_HELLO, .size = sizeof(hello) },
		.version = LUMARING_PROTOCOL_VERSION,
		.version_min = LUMARING_PROTOCOL_VERSION_MIN,
	};

	w->peer = make_client(address, bytes);
	assert_true(w->peer >= 0);
	assert_int_equal(send(w->peer, &hello, sizeof(hello), 0), sizeof(hello));
}

static void set_up(struct world *w)
{
	const struct quota_limits limits = { .connections_max = 8, .connections_uid = 8, .rate = 1000, .burst = 1000 };
	struct publish_handler handler = { .owner = w, .attach = on_attach, .detach = on_detach, .facts = on_facts };
	struct sockaddr_un address;
	socklen_t bytes;

	*w = (struct world){ .loop = make_loop(), .ring_fd = memfd_create("ring", MFD_CLOEXEC), .epoch = 1 };
	w->teller.loop = make_loop();
	w->notice.message = (struct lumaring_message){ LUMARING_MESSAGE_NOTICE, sizeof(w->notice), 0 };
	w->iov = (struct iovec){ &w->notice, sizeof(w->notice) };
	w->msg = (struct msghdr){ .msg_iov = &w->iov, .msg_iovlen = 1 };
	assert_int_equal(publish_create(w->loop, make_listener(&address, &bytes), &limits, &handler, &w->publish), 0);
	say_hello(w, &address, bytes);
	TURN_UNTIL(w, w->client && w->client->listening && !loop_op_active(&w->client->event));
}

static void tear_down(struct world *w)
{
	close(w->peer);
	TURN_UNTIL(w, !publish_clients(w->publish));
	loop_destroy(w->loop);
	publish_destroy(w->publish);
	loop_destroy(w->teller.loop);
	close(w->ring_fd);
}

/* The capture thread, at a frame. */
static void publish_frame(struct world *w)
{
	publish_notify_frame(&w->teller);
	publish_notify_begin(&w->teller);
	publish_notify(&w->teller, &w->client, 1, &w->msg);
	publish_notify_flush(&w->teller);
	publish_notify_costly(&w->teller, &w->client, 1, &w->msg);
}

/* Type of the peer's next message, 0: none. */
static unsigned next_message(const struct world *w)
{
	struct lumaring_message m[LUMARING_MESSAGE_MAX / sizeof(struct lumaring_message)];

	return recv(w->peer, m, sizeof(m), MSG_DONTWAIT) > 0 ? m[0].type : 0;
}

static void replace_ring(struct probe *probe, int result)
{
	struct world *w = (struct world *)(void *)probe->other;

	if (result != 0)
		return;
	w->epoch++;
	publish_tell_replaced(w->client);
}

/*
 * An event is under way when the doorbell says that the queue is full: both come to wait for room, once. Afterwards the
 * event comes through, and notices again.
 */
static void test_event_meets_full_queue(void **state)
{
	struct world w;
	struct probe early;
	unsigned notices = 0, type;

	(void)state;
	set_up(&w);
	probe_init(&early, w.loop, replace_ring);
	early.other = (void *)&w;
	assert_int_equal(loop_doorbell(w.loop, &early.op), 0);
	turn_idle(w.loop);
	loop_wake(&early.op); /* before the other one rings */
	while (!w.client->full)
		publish_frame(&w);
	assert_int_equal(w.client->notices_dropped, 1);
	TURN_UNTIL(&w, early.calls > 0);
	turn_idle(w.loop);
	assert_true(loop_op_active(&w.client->room));
	publish_frame(&w); /* is not even tried */
	assert_int_equal(w.client->notices_dropped, 2);
	while ((type = next_message(&w)) != 0)
		notices += type == LUMARING_MESSAGE_NOTICE;
	assert_true(notices > 0);
	TURN_UNTIL(&w, !w.client->full && !loop_op_active(&w.client->event));
	assert_int_equal(next_message(&w), LUMARING_MESSAGE_REPLACED);
	TURN_UNTIL(&w, w.client->pending == 0 && !loop_op_active(&w.client->event));
	assert_int_equal(next_message(&w), LUMARING_MESSAGE_STATE);
	publish_frame(&w);
	while ((type = next_message(&w)) == LUMARING_MESSAGE_STATE)
		;
	assert_int_equal(type, LUMARING_MESSAGE_NOTICE);
	loop_cancel(w.loop, &early.op);
	turn_idle(w.loop);
	tear_down(&w);
}

#define WATCHERS 864u
#define WATCHER_SETS 64u

/* 51200 entries of epoll sets for one socket: what comes makes the kernel go through all of them. */
static void watch_a_lot(int fd, int *fds)
{
	for (unsigned i = 0; i < WATCHERS; i++) {
		fds[i] = i < WATCHER_SETS ? epoll_create1(EPOLL_CLOEXEC) : fcntl(fd, F_DUPFD_CLOEXEC, 0);
		assert_true(fds[i] >= 0);
		for (unsigned set = 0; i >= WATCHER_SETS && set < WATCHER_SETS; set++) {
			struct epoll_event event = { .events = EPOLLIN };

			assert_int_equal(epoll_ctl(fds[set], EPOLL_CTL_ADD, fds[i], &event), 0);
		}
	}
}

/* Who is found to be costly by being told was told: nothing is dropped. Of the next frame it is not told. */
static void test_costly_is_told_once(void **state)
{
	struct world w;
	unsigned notices = 0, type;
	int fds[WATCHERS];

	(void)state;
	set_up(&w);
	while (next_message(&w) != 0)
		;
	watch_a_lot(w.peer, fds);
	w.teller.audit = true;
	publish_frame(&w);
	assert_true(w.client->probation > 0);
	assert_int_equal(w.client->notices_dropped, 0);
	publish_frame(&w);
	assert_int_equal(w.client->notices_dropped, 1);
	while ((type = next_message(&w)) != 0)
		notices += type == LUMARING_MESSAGE_NOTICE;
	assert_int_equal(notices, 1);
	for (unsigned i = 0; i < WATCHERS; i++)
		close(fds[i]);
	tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event_meets_full_queue),
		cmocka_unit_test(test_costly_is_told_once),
	};

	return RUN_ON_EACH(tests);
}
