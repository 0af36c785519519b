/* SPDX-License-Identifier: BSD-2-Clause */
/* worth.c - see worth.h. */
#include "copy/worth.h"

#define LEARN 8 /* weight of what is known beside that of a run */
#define DOUBTFUL 4

/* Sizes within a factor of two are alike. */
static uint64_t *alone_ns(struct copy_worth *worth, uint64_t bytes)
{
	return &worth->alone_ns[63 - __builtin_clzll(bytes)];
}

unsigned copy_worth_workers(struct copy_worth *worth, unsigned workers, uint64_t bytes, bool awake)
{
	uint64_t least_ns = awake ? COPY_WORTH_AWAKE_NS : COPY_WORTH_ASLEEP_NS, ns;

	if (workers <= 1 || !bytes)
		return workers;
	ns = *alone_ns(worth, bytes);
	if (ns && ns < least_ns)
		return 1;
	/* The CPU time of several threads has their waking and waiting in it: by that one alone is not known. */
	if (ns && ns < DOUBTFUL * least_ns && worth->doubts++ % COPY_WORTH_DOUBTS == 0)
		return 1;
	return workers;
}

void copy_worth_note(struct copy_worth *worth, const struct copy_effort *effort, uint64_t bytes)
{
	uint64_t took_ns = effort->busy_ns, *ns;

	if (!bytes)
		return;
	ns = alone_ns(worth, bytes);
	if (!*ns || (effort->workers > 1 && took_ns < *ns))
		*ns = took_ns;
	if (effort->workers > 1)
		return;
	/* What is above the usual was held up, most often, and does not count for more than twice of that. */
	if (took_ns > 2 * *ns)
		took_ns = 2 * *ns;
	if (took_ns < *ns)
		*ns = (*ns + took_ns) / 2;
	else
		*ns = (*ns * (LEARN - 1) + took_ns) / LEARN;
}
