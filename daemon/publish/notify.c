/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notify.c - tells clients of a frame: a notice on the socket, or a wake of the thread that waits on the client's word.
 * Capture thread. Nothing here waits: what cannot be sent is a dropped notice. Of the wake words in a client's page
 * nothing is believed: they are added to, and one is compared with 0.
 *
 * Telling a client makes the kernel do work in this thread, and the client can make that a lot: thousands of epoll sets
 * that watch its socket, thousands of threads that wait on words in the same bucket of the kernel's table as its own.
 * So telling is measured, in CPU time of this thread. When a frame's telling took more than its share, the next one is
 * told one client at a time, and who cost too much is *costly*: told after everybody else, measured each time, and
 * only for one part in COSTLY_REST of the time. Nothing is lost by that but notices, and who costs little again for a
 * while is like the others again.
 */
#include "publish/private.h"

#include <errno.h>

#include "base/clock.h"

/* Of CPU time for one frame: what is always granted, and for each client told: several times what is usual. */
#define TELLING_NS NS_PER_MS
#define TELLING_CLIENT_NS (60 * NS_PER_US)

/* One that takes as long as this by itself is costly. */
#define COSTLY_NS (250 * NS_PER_US)
#define VERY_COSTLY_NS NS_PER_MS
#define COSTLY_REST 64u     /* for what it took, it is not told for so many times as long */
#define COSTLY_FEW 8u       /* so many of them rest no longer than that */
#define COSTLY_PROBATION 64 /* times in a row that it must be cheap */

static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

bool notify_count(struct lumaring_wake *wake)
{
	/* N5 pairs with N1 and N3 in client-lib/wait.c: what there is to see before the word that tells of it; and it
	 * comes before N6 in the one order of both with N2, so that a waiter is seen or sees this. */
	__atomic_add_fetch(&wake->word, 1, __ATOMIC_SEQ_CST);
	/* N6 pairs with N2 in client-lib/wait.c. */
	return __atomic_load_n(&wake->waiting, __ATOMIC_SEQ_CST) != 0;
}

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

void notify_init(struct client *client)
{
	client->notice = (struct loop_op){ .done = on_notice_sent, .owner = client };
}

static void send_notice(struct loop *loop, struct client *client, const struct msghdr *notice)
{
	/* P1 pairs with P1 in welcome_sent(), in one order with W8 in ring_publish(): either the notice is sent, or the
	 * client's look after its STATE finds the frame. */
	if (!__atomic_load_n(&client->listening, __ATOMIC_SEQ_CST) || loop_op_active(&client->notice))
		return;
	/* P2 pairs with P2 in take_notices_again() of events.c. */
	if (__atomic_load_n(&client->full, __ATOMIC_SEQ_CST))
		drop_notice(client);
	else
		loop_send(loop, &client->notice, client->fd, notice);
}

/* From the first plan on that names the client: a frame that is counted before its WELCOME is found in the ring. */
static void wake(struct loop *loop, struct client *client)
{
	if (notify_count(&client->page->wake) && !loop_op_active(&client->notice))
		loop_wake_word(loop, &client->notice, &client->page->wake.word);
}

static void tell(struct loop *loop, struct client *client, const struct msghdr *notice)
{
	if (client->by_futex)
		wake(loop, client);
	else
		send_notice(loop, client, notice);
}

/* Tell one alone; the CPU time that took. */
static uint64_t tell_measured(struct loop *loop, struct client *client, const struct msghdr *notice)
{
	uint64_t began_ns = cpu_ns();

	tell(loop, client, notice);
	loop_flush(loop);
	return cpu_ns() - began_ns;
}

/* The more of them there are, the longer each rests; what a very costly one took, all others of its kind wait for. */
static void judge(struct publish_teller *teller, struct client *client, uint64_t took_ns)
{
	uint64_t rest_ns = COSTLY_REST * took_ns, now_ns;

	if (took_ns <= COSTLY_NS) {
		client->probation -= client->probation > 0;
		return;
	}
	now_ns = clock_monotonic_ns();
	client->probation = COSTLY_PROBATION;
	client->very_costly = took_ns > VERY_COSTLY_NS;
	client->rest_until_ns = now_ns + rest_ns * (1 + teller->costly / COSTLY_FEW);
	if (client->very_costly)
		teller->rest_until_ns = now_ns + rest_ns;
}

static bool rests(const struct publish_teller *teller, const struct client *client)
{
	uint64_t now_ns = clock_monotonic_ns();

	return now_ns < client->rest_until_ns || (client->very_costly && now_ns < teller->rest_until_ns);
}

void publish_notify_frame(struct publish_teller *teller)
{
	if (teller->told_frame > 0) /* else there was nobody to be told, and nothing was found out */
		teller->audit = teller->too_long;
	teller->too_long = false;
	teller->told_frame = 0;
	teller->costly = teller->costly_now;
	teller->costly_now = 0;
}

void publish_notify_begin(struct publish_teller *teller)
{
	teller->began_ns = cpu_ns();
	teller->told = 0;
}

void publish_notify(struct publish_teller *teller, struct client *const *clients, unsigned client_count,
		    const struct msghdr *notice)
{
	for (unsigned i = 0; i < client_count; i++) {
		if (clients[i]->probation > 0)
			continue;
		if (teller->audit) {
			judge(teller, clients[i], tell_measured(teller->loop, clients[i], notice));
			clients[i]->told = clients[i]->probation > 0;
		} else {
			tell(teller->loop, clients[i], notice);
		}
		teller->told++;
	}
}

void publish_notify_flush(struct publish_teller *teller)
{
	loop_flush(teller->loop);
	teller->told_frame += teller->told;
	if (cpu_ns() - teller->began_ns > TELLING_NS + teller->told * TELLING_CLIENT_NS)
		teller->too_long = true;
}

/* The word counts all the same, so that whoever looks at it before it waits does not wait. */
static void keep_quiet(struct client *client)
{
	if (client->by_futex)
		notify_count(&client->page->wake);
	drop_notice(client);
}

void publish_notify_costly(struct publish_teller *teller, struct client *const *clients, unsigned client_count,
			   const struct msghdr *notice)
{
	for (unsigned i = 0; i < client_count; i++) {
		/* From another one each time, so that each has its turn. */
		struct client *client = clients[(i + teller->turn) % client_count];

		if (client->probation == 0)
			continue;
		teller->costly_now++;
		if (client->told)
			client->told = false;
		else if (rests(teller, client))
			keep_quiet(client);
		else
			judge(teller, client, tell_measured(teller->loop, client, notice));
	}
	teller->turn++;
}
