/* SPDX-License-Identifier: BSD-2-Clause */
/* log_outage.c - see log_outage.h. */
#include "base/log_outage.h"

#include "base/clock.h"
#include "base/limits.h"

bool log_outage_fails(struct log_outage *outage, uint64_t now_ns)
{
	bool is_new = !outage->is_told;

	outage->is_told = true;
	outage->works = false;
	outage->failed_ns = now_ns;
	return is_new;
}

void log_outage_works(struct log_outage *outage)
{
	outage->works = true;
}

bool log_outage_ends(struct log_outage *outage, uint64_t now_ns)
{
	if (now_ns < log_outage_next_ns(outage))
		return false;
	outage->is_told = false;
	return true;
}

uint64_t log_outage_next_ns(const struct log_outage *outage)
{
	return outage->is_told && outage->works ? outage->failed_ns + LIMIT_LOG_QUIET_S * NS_PER_SECOND : UINT64_MAX;
}
