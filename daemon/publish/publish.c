/* SPDX-License-Identifier: BSD-2-Clause */
/* publish.c - see publish.h: accepts clients and keeps the list of them. Main thread only. */
#include "publish/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "publish/private.h"

#define PUBLISH_TURNED_AWAY_MAX 8u /* at a time, without descriptors */
#define PUBLISH_TEXT_BYTES (sizeof(((struct lumaring_refusal *)NULL)->text))

/* --- what is logged about clients --- */

/* What the kernel or the system would not give is no fault of the client's, and no limit of ours. */
static enum log_event event_of_refusal(int error)
{
	switch (-error) {
	case EUSERS:
	case EBUSY:
	case EDQUOT:
		return LOG_EVENT_CLIENT_LIMIT;
	case EMFILE:
	case ENFILE:
		return LOG_EVENT_DESCRIPTORS_OUT;
	case ENOMEM:
	case ENOSPC:
		return LOG_EVENT_CLIENT_FAILED;
	default:
		return LOG_EVENT_CLIENT_REFUSED;
	}
}

void publish_log_refusal(struct publish *publish, const struct ucred *peer, const char *stream, int error,
			 const char *text)
{
	const struct log_fields fields = {
		.event = event_of_refusal(error),
		.stream = stream && stream[0] ? stream : NULL,
		.client_pid = peer->pid,
		.client_uid = peer->uid,
		.is_client = true,
		.error = -error,
	};

	if (log_peers_pass(&publish->log, peer->uid))
		log_event(LOG_LEVEL_NOTICE, &fields, "refused client pid %d, uid %u: %s", (int)peer->pid,
			  (unsigned)peer->uid, text);
}

/* --- connections --- */

/* Tell a connection that is not to become a client why: nothing is kept for it, nothing waited for. */
static void refuse_connection(int fd, int error, const char *text)
{
	struct lumaring_refusal refusal = {
		.message = { .type = LUMARING_MESSAGE_REFUSAL, .size = sizeof(refusal) },
		.code = (uint32_t)-error,
	};
	uint8_t hello[LUMARING_MESSAGE_MAX];

	snprintf(refusal.text, sizeof(refusal.text), "%s", text);
	/* With its hello unread the kernel would show the peer a reset in front of our words. */
	recv(fd, hello, sizeof(hello), MSG_DONTWAIT);
	send(fd, &refusal, sizeof(refusal), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

/* The settings' names are those of the frame socket. */
static void describe_refusal(uid_t uid, const struct quota_refusal *refusal, char *text, size_t text_bytes)
{
	switch (refusal->limit) {
	case QUOTA_CONNECTIONS:
		snprintf(text, text_bytes,
			 "this camera has %u clients already, its limit (clients-max%s): close some, or raise it",
			 refusal->count, uid == 0 ? ", and some more for root" : "");
		break;
	case QUOTA_CONNECTIONS_UID:
		snprintf(text, text_bytes,
			 "uid %u has %u clients of this camera already, its limit (clients-per-uid): close some, or "
			 "raise it",
			 (unsigned)uid, refusal->count);
		break;
	case QUOTA_RATE:
		snprintf(text, text_bytes,
			 "uid %u opens connections faster than %u a second (attach-rate; %u at once after a pause): "
			 "try again later, or raise it",
			 (unsigned)uid, refusal->maximum, refusal->count);
		break;
	}
}

static void take_connection(struct publish *publish, int fd)
{
	struct ucred peer = { 0 };
	socklen_t peer_bytes = sizeof(peer);
	struct quota_refusal refusal;
	char text[PUBLISH_TEXT_BYTES];
	int r = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) < 0 ? -errno : 0;

	if (r == 0) {
		r = quota_take(publish->quota, peer.uid, clock_monotonic_ns(), &refusal);
		if (r < 0) {
			describe_refusal(peer.uid, &refusal, text, sizeof(text));
			publish_log_refusal(publish, &peer, NULL, r, text);
			refuse_connection(fd, r, text);
			return;
		}
		r = client_create(publish, fd, &peer);
		if (r < 0)
			quota_give(publish->quota, peer.uid);
	}
	if (r < 0) {
		snprintf(text, sizeof(text), "it cannot be taken: %s", strerror(-r));
		publish_log_refusal(publish, &peer, NULL, r, text);
		close(fd);
	}
}

static void keep_spare(struct publish *publish)
{
	publish->spare_fd = eventfd(0, EFD_CLOEXEC);
}

/*
 * No descriptor is free for a new client. With the spare one, those that knock are told so, instead of being left to
 * wait for an answer: a few each time, since the loop tries again, and tells again, every LOOP_ACCEPT_RETRY_MS.
 */
static void turn_away(struct publish *publish, int error)
{
	char text[PUBLISH_TEXT_BYTES];
	struct rlimit limit = { .rlim_cur = 0 };

	getrlimit(RLIMIT_NOFILE, &limit);
	snprintf(
		text, sizeof(text),
		"the daemon has no free descriptor for another client (limit of open files: %llu): try again later, or "
		"raise it (LimitNOFILE= of the unit)",
		(unsigned long long)limit.rlim_cur);
	for (unsigned i = 0; i < PUBLISH_TURNED_AWAY_MAX && publish->spare_fd >= 0; i++) {
		int fd;

		close(publish->spare_fd);
		fd = accept4(publish->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			refuse_connection(fd, error, text);
		keep_spare(publish);
		if (fd < 0)
			return;
	}
}

static void on_accepted(struct loop_op *op, int result)
{
	struct publish *publish = op->owner;

	if (result == -ECANCELED)
		return;
	if (result < 0) {
		if (log_peers_accept_failed(&publish->log, result))
			turn_away(publish, result);
		return;
	}
	log_peers_accepted(&publish->log);
	if (publish->spare_fd < 0)
		keep_spare(publish);
	take_connection(publish, result);
}

int publish_create(struct loop *loop, int fd, const struct quota_limits *limits, const struct publish_handler *handler,
		   struct publish **ret_publish)
{
	struct publish *publish = calloc(1, sizeof(*publish));
	int r;

	if (!publish)
		return -ENOMEM;
	publish->loop = loop;
	publish->handler = *handler;
	publish->fd = fd;
	publish->accept = (struct loop_op){ .done = on_accepted, .owner = publish };
	log_peers_init(&publish->log, loop, "new clients");
	r = quota_create(limits, geteuid(), &publish->quota);
	if (r == 0)
		r = events_begin(publish);
	if (r < 0) {
		quota_destroy(publish->quota);
		free(publish);
		return r;
	}
	keep_spare(publish);
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
		client_destroy(client);
	}
	log_peers_finish(&publish->log);
	if (publish->spare_fd >= 0)
		close(publish->spare_fd);
	close(publish->fd);
	quota_destroy(publish->quota);
	free(publish);
}

struct client *publish_clients(const struct publish *publish)
{
	return publish->clients;
}
