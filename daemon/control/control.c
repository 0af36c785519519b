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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/paths.h"

#define PEEK_BYTES 4096u

int control_listen(const char *path, const struct control_access *access, int *ret_fd, char *text, size_t text_bytes)
{
	const gid_t none = (gid_t)-1, group = access->group, control_group = access->control_group;
	const gid_t only = group == none ? control_group : group;
	const bool are_two = group != none && control_group != none && group != control_group;
	const mode_t mode = are_two ? 0666 : only != none ? 0660 : 0600;

	return paths_listen(path, SOCK_STREAM, mode, are_two ? none : only, ret_fd, text, text_bytes);
}

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
	enum standing standing;
	uid_t uid;
	int r = access_of_peer(fd, &control->access, control->own_uid, &uid, &standing);
	bool stranger = r == 0 && standing == STANDING_STRANGER, refused = false;

	control->stats.connections_refused += stranger;
	if (r == 0 && !stranger)
		refused = quota_take(control->quota, uid, clock_monotonic_ns(), &refusal) < 0;
	control->stats.connections_refused += refused;
	control->stats.connections_taken += r == 0 && !stranger && !refused;
	if (r == 0 && (stranger || refused) && control->turned_away >= LIMIT_CONTROL_TURNED_AWAY) {
		refuse_now(control, fd, refused ? &refusal : NULL);
		return;
	}
	if (r == 0) {
		r = connection_create(control, fd, uid, standing, refused ? &refusal : NULL);
		if (r < 0 && !stranger && !refused)
			quota_give(control->quota, uid);
	}
	if (r < 0) {
		log_warning("cannot take a connection of the control socket: %s, ignoring", strerror(-r));
		close(fd);
	}
}

static void on_accepted(struct loop_op *op, int result)
{
	struct control *control = op->owner;

	if (result == -ECANCELED)
		return;
	if (result < 0) {
		if (!control->accept_failing)
			log_warning("cannot take connections of the control socket: %s, retrying every %d ms",
				    strerror(-result), LOOP_ACCEPT_RETRY_MS);
		control->accept_failing = true;
		return;
	}
	if (control->accept_failing)
		log_notice("taking connections of the control socket again");
	control->accept_failing = false;
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
	close(control->fd);
	quota_destroy(control->quota);
	free(control);
}
