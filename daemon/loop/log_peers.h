/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_peers.h - what a listening socket has the log say: lines about its peers, as many as log_limit.h lets pass, and
 * that accepting fails, as one outage (log_outage.h). A timer tells later what was left out, and that the outage is
 * over. One for each socket, in the thread of its loop.
 */
#ifndef LUMARING_LOOP_LOG_PEERS_H
#define LUMARING_LOOP_LOG_PEERS_H

#include "base/log_limit.h"
#include "base/log_outage.h"
#include "loop/loop.h"

struct log_peers {
	struct loop *loop;
	const char *what; /* that is accepted, "new clients" */
	struct log_limit limit;
	struct log_outage outage;
	struct loop_op later;
};

/* `what` stays where it is. Until the loop is destroyed. */
void log_peers_init(struct log_peers *peers, struct loop *loop, const char *what);

/* May a line about a client of this uid be written now? What is left out is counted. */
bool log_peers_pass(struct log_peers *peers, uid_t uid);

/* Accepting failed, for an error that is negative: logged once for an outage. True: there was no descriptor for it. */
bool log_peers_accept_failed(struct log_peers *peers, int error);
void log_peers_accepted(struct log_peers *peers);

/* Tell all that was left out: nothing comes any more. */
void log_peers_finish(struct log_peers *peers);

#endif
