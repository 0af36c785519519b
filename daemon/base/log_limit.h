/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_limit.h - how many lines clients can make the daemon write. Each uid has a few (a pid is new with every fork),
 * then its lines are left out and counted until it has been quiet for a while, which one line tells; one that never is
 * quiet gets a few more, and is told of, from time to time. Uids do not silence each other; those for which there is no
 * place share one. One for each socket. Main thread only; time is passed in.
 */
#ifndef LUMARING_LOG_LIMIT_H
#define LUMARING_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/limits.h"

struct log_limit_uid {
	uid_t uid;
	unsigned lines;    /* that were written, 0: nobody's place */
	uint64_t left_out; /* that were not */
	uint64_t first_ns, last_ns;
};

/* All zero to begin with. */
struct log_limit {
	unsigned uid_count;
	struct log_limit_uid uids[LIMIT_LOG_UIDS];
	struct log_limit_uid others;
};

/* May a line about a client of this uid be written now? */
bool log_limit_pass(struct log_limit *limit, uid_t uid, uint64_t now_ns);

/* Tell what was left out of those that are quiet again. UINT64_MAX: of all. */
void log_limit_tell(struct log_limit *limit, uint64_t now_ns);

/* When there is something to tell if nothing else happens; UINT64_MAX: never. */
uint64_t log_limit_next_ns(const struct log_limit *limit);

#endif
