/* SPDX-License-Identifier: BSD-2-Clause */
/* timers.c - see timers.h. A loop has as many timers as it has clients in some state, at most: a list will do. */
#include "loop/timers.h"

void timers_insert(struct loop_op **timers, struct loop_op *op)
{
	struct loop_op **place = timers;

	while (*place && (*place)->deadline_ns <= op->deadline_ns)
		place = &(*place)->next_timer;
	op->next_timer = *place;
	*place = op;
}

void timers_remove(struct loop_op **timers, const struct loop_op *op)
{
	struct loop_op **place = timers;

	while (*place && *place != op)
		place = &(*place)->next_timer;
	if (*place)
		*place = op->next_timer;
}

struct loop_op *timers_take_due(struct loop_op **timers, uint64_t now_ns)
{
	struct loop_op *op = *timers;

	if (!op || op->deadline_ns > now_ns)
		return NULL;
	*timers = op->next_timer;
	return op;
}
