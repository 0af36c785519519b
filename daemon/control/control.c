/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.c - see control.h: the socket, who is let in, and how those are turned away who are not. Main thread only.
 *
 * A stranger, and who has as many connections as it may have, is told so in one answer. Those who wait for it have a
 * few places of their own and not for long, so that nobody who is served ever waits for a place that they hold; when
 * these are taken as well the answer goes out at once, whatever is asked.
 */
#include "control/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/paths.h"

#define PEEK_BYTES 4096u
#define SENTENCE_BYTES 512u

int control_listen(const char *path, const struct control_access *access, int *ret_fd, char *text, size_t text_bytes)
{
	const gid_t none = (gid_t)-1, group = access->group, control_group = access->control_group;
	const gid_t only = group == none ? control_group : group;
	const bool are_two = group != none && control_group != none && group != control_group;
	const mode_t mode = are_two ? 0666 : only != none ? 0660 : 0600;

	return paths_listen(path, SOCK_STREAM, mode, are_two ? none : only, ret_fd, text, text_bytes);
}

/* --- what is logged about peers --- */

void control_log_peer(struct control *control, const struct ucred *peer, enum log_event event, int error,
		      const char *format, ...)
{
	const struct log_fields fields = {
		.event = event,
		.client_pid = peer->pid,
		.client_uid = peer->uid,
		.is_client = true,
		.error = -error,
	};
	char text[SENTENCE_BYTES];
	va_list arguments;

	if (!log_peers_pass(&control->log, peer->uid))
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_event(event == LOG_EVENT_NO_MEMORY ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, &fields,
		  "control socket, client pid %d, uid %u: %s", (int)peer->pid, (unsigned)peer->uid, text);
}

static void log_stranger(struct control *control, const struct ucred *peer)
{
	const char *group = control->access.group_name, *other = control->access.control_group_name;

	if (strcmp(group, other) == 0)
		other = "";
	control_log_peer(control, peer, LOG_EVENT_CLIENT_DENIED, -EACCES, "refused, it is not root%s%s%s%s",
			 group[0] || other[0] ? " and in none of the groups that may: " : "", group,
			 group[0] && other[0] ? ", " : "", other);
}

static void log_refusal(struct control *control, const struct ucred *peer, const struct quota_refusal *refusal)
{
	if (refusal->limit == QUOTA_RATE)
		control_log_peer(control, peer, LOG_EVENT_CLIENT_LIMIT, -EBUSY,
				 "refused, its uid is faster than control-rate, which is %u a second",
				 refusal->maximum);
	else
		control_log_peer(control, peer, LOG_EVENT_CLIENT_LIMIT, -EUSERS,
				 "refused, there are %u connections%s already, the limit by control-connections",
				 refusal->count, refusal->limit == QUOTA_CONNECTIONS_UID ? " of its uid" : "");
}

/* --- connections --- */

/* Nothing is kept for this one. */
static void refuse_now(const struct control *control, int fd, const struct quota_refusal *refusal)
{
	char question[PEEK_BYTES];
	ssize_t n = recv(fd, question, sizeof(question), MSG_DONTWAIT);
	size_t bytes;
	char *text = call_refusal(control, refusal, "", n > 0 && question[n - 1] == '\n' ? '\n' : '\0', &bytes);

	if (text)
		send(fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(text);
	close(fd);
}

static void take_connection(struct control *control, int fd)
{
	struct quota_refusal refusal;
	struct ucred peer = { 0 };
	enum standing standing;
	int r = access_of_peer(fd, &control->access, control->own_uid, &peer, &standing);
	bool stranger = r == 0 && standing == STANDING_STRANGER, refused = false;

	control->stats.connections_refused += stranger;
	if (r == 0 && !stranger)
		refused = quota_take(control->quota, peer.uid, clock_monotonic_ns(), &refusal) < 0;
	if (stranger)
		log_stranger(control, &peer);
	else if (refused)
		log_refusal(control, &peer, &refusal);
	control->stats.connections_refused += refused;
	control->stats.connections_taken += r == 0 && !stranger && !refused;
	if (r == 0 && (stranger || refused) && control->turned_away >= LIMIT_CONTROL_TURNED_AWAY) {
		refuse_now(control, fd, refused ? &refusal : NULL);
		return;
	}
	if (r == 0) {
		r = connection_create(control, fd, &peer, standing, refused ? &refusal : NULL);
		if (r < 0 && !stranger && !refused)
			quota_give(control->quota, peer.uid);
	}
	if (r < 0) {
		control_log_peer(control, &peer, LOG_EVENT_CLIENT_FAILED, r, "it cannot be taken: %s", strerror(-r));
		close(fd);
	}
}

static void on_accepted(struct loop_op *op, int result)
{
	struct control *control = op->owner;

	if (result == -ECANCELED)
		return;
	if (result < 0) {
		log_peers_accept_failed(&control->log, result);
		return;
	}
	log_peers_accepted(&control->log);
	take_connection(control, result);
}

void control_get_stats(const struct control *control, struct control_stats *ret_stats)
{
	*ret_stats = control->stats;
	for (const struct connection *c = control->connections; c; c = c->next)
		ret_stats->connections += !c->turned_away && c->state != CONNECTION_LEAVING;
}

int control_create(struct loop *loop, int fd, const struct control_limits *limits, const struct control_access *access,
		   const struct control_service *service, struct control **ret_control)
{
	const struct quota_limits quota_limits = {
		.connections_max = limits->connections_max,
		.connections_uid = limits->connections_max > 1 ? limits->connections_max / 2 : 1,
		.rate = limits->rate,
		.burst = 2 * limits->rate,
	};
	struct control *control = calloc(1, sizeof(*control));
	int r = control ? quota_create(&quota_limits, geteuid(), &control->quota) : -ENOMEM;

	if (r < 0) {
		free(control);
		close(fd);
		return r;
	}
	control->loop = loop;
	control->limits = *limits;
	control->access = *access;
	control->service = *service;
	control->fd = fd;
	control->own_uid = geteuid();
	control->accept = (struct loop_op){ .done = on_accepted, .owner = control };
	log_peers_init(&control->log, loop, "connections of the control socket");
	loop_accept(loop, &control->accept, fd);
	*ret_control = control;
	return 0;
}

void control_destroy(struct control *control)
{
	if (!control)
		return;
	while (control->connections)
		connection_destroy(control->connections);
	log_peers_finish(&control->log);
	close(control->fd);
	quota_destroy(control->quota);
	free(control);
}
