/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_outage.h - trouble that comes and goes, as one outage in the log: it is told when it begins, and that it is over
 * when there was none for LIMIT_LOG_QUIET_S. All zero to begin with. Main thread only; time is passed in.
 */
#ifndef LUMARING_LOG_OUTAGE_H
#define LUMARING_LOG_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

struct log_outage {
	bool is_told, works;
	uint64_t failed_ns; /* the last time */
};

/* It failed. True: that is to be told. */
bool log_outage_fails(struct log_outage *outage, uint64_t now_ns);

/* It worked. */
void log_outage_works(struct log_outage *outage);

/* True, once: it is to be told that it is over. */
bool log_outage_ends(struct log_outage *outage, uint64_t now_ns);

/* When it will be over if it goes on working; UINT64_MAX: there is none, or it does not work. */
uint64_t log_outage_next_ns(const struct log_outage *outage);

#endif
