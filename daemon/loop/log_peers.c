/* SPDX-License-Identifier: BSD-2-Clause */
/* log_peers.c - see log_peers.h. */
#include "loop/log_peers.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* There may be something to tell later, all of it within LIMIT_LOG_QUIET_S: so late it may be when the timer runs. */
static void tell_later(struct log_peers *peers)
{
	uint64_t limit_ns = log_limit_next_ns(&peers->limit), outage_ns = log_outage_next_ns(&peers->outage);
	uint64_t next_ns = limit_ns < outage_ns ? limit_ns : outage_ns;

	if (next_ns != UINT64_MAX && !loop_op_active(&peers->later))
		loop_timer(peers->loop, &peers->later, next_ns);
}

static void on_later(struct loop_op *op, int result)
{
	struct log_peers *peers = op->owner;

	if (result < 0)
		return;
	log_limit_tell(&peers->limit, clock_monotonic_ns());
	if (log_outage_ends(&peers->outage, clock_monotonic_ns()))
		log_event(LOG_LEVEL_NOTICE, &(struct log_fields){ .event = LOG_EVENT_ACCEPT_RESUMED },
			  "taking %s again", peers->what);
	tell_later(peers);
}

void log_peers_init(struct log_peers *peers, struct loop *loop, const char *what)
{
	*peers = (struct log_peers){
		.loop = loop,
		.what = what,
		.later = { .done = on_later, .owner = peers },
	};
}

bool log_peers_pass(struct log_peers *peers, uid_t uid)
{
	bool passes = log_limit_pass(&peers->limit, uid, clock_monotonic_ns());

	if (!passes)
		tell_later(peers);
	return passes;
}

bool log_peers_accept_failed(struct log_peers *peers, int error)
{
	bool is_out = error == -EMFILE || error == -ENFILE;
	const struct log_fields fields = {
		.event = is_out ? LOG_EVENT_DESCRIPTORS_OUT : LOG_EVENT_ACCEPT_FAILED,
		.error = -error,
	};

	if (log_outage_fails(&peers->outage, clock_monotonic_ns()))
		log_event(LOG_LEVEL_WARNING, &fields, "cannot take %s: %s, retrying every %d ms", peers->what,
			  strerror(-error), LOOP_ACCEPT_RETRY_MS);
	return is_out;
}

void log_peers_accepted(struct log_peers *peers)
{
	log_outage_works(&peers->outage);
	tell_later(peers);
}

void log_peers_finish(struct log_peers *peers)
{
	log_limit_tell(&peers->limit, UINT64_MAX);
}
