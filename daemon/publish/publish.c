/* SPDX-License-Identifier: BSD-2-Clause */
/* publish.c - see publish.h: accepts clients and keeps the list of them. Main thread only. */
#include "publish/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "publish/private.h"

#define PUBLISH_REFUSALS_LOGGED 5 /* a second */

void publish_log_refusal(struct publish *publish, const struct client *client, const char *text)
{
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
	int r;

	if (!publish)
		return -ENOMEM;
	publish->loop = loop;
	publish->handler = *handler;
	publish->fd = fd;
	publish->clients_max = clients_max;
	r = events_begin(publish);
	if (r < 0) {
		free(publish);
		return r;
	}
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
		client_destroy(client);
	}
	close(publish->fd);
	free(publish);
}

struct client *publish_clients(const struct publish *publish)
{
	return publish->clients;
}
