/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timers.h - the timers of one loop: a list of operations by their deadline_ns, the soonest first. Also of listeners
 * that pause. The list holds no memory of its own; all calls are the loop thread's.
 */
#ifndef LUMARING_LOOP_TIMERS_H
#define LUMARING_LOOP_TIMERS_H

#include "loop/loop.h"

/* Put an operation in its place, behind those of the same deadline. It is in no list. */
void timers_insert(struct loop_op **timers, struct loop_op *op);

/* Take an operation out, if it is there. */
void timers_remove(struct loop_op **timers, const struct loop_op *op);

/* Take out the soonest operation if its deadline is not after now_ns, else NULL. */
struct loop_op *timers_take_due(struct loop_op **timers, uint64_t now_ns);

#endif
