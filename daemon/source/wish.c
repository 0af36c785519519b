/* SPDX-License-Identifier: BSD-2-Clause */
/* wish.c - see wish.h. */
#include "source/wish.h"

/* In `middle`, beside the index. */
#define FRESH 4u

void wish_init(struct wish_exchange *exchange, const struct wish *wish)
{
	exchange->wished = exchange->places[0] = *wish;
	exchange->taker = 0;
	exchange->owner = 1;
	exchange->middle = 2;
}

void wish_send(struct wish_exchange *exchange)
{
	exchange->places[exchange->owner] = exchange->wished;
	/* W2 (acq_rel) pairs with W1 in wish_take(). */
	exchange->owner = __atomic_exchange_n(&exchange->middle, exchange->owner | FRESH, __ATOMIC_ACQ_REL) & ~FRESH;
}

bool wish_is_fresh(const struct wish_exchange *exchange)
{
	/* Relaxed: only whether to look; W1 has the order. */
	return __atomic_load_n(&exchange->middle, __ATOMIC_RELAXED) & FRESH;
}

bool wish_take(struct wish_exchange *exchange)
{
	if (!wish_is_fresh(exchange))
		return false;
	/* W1 (acq_rel) pairs with W2 in wish_send(): the wish before its index, and our last look at the old one before
	 * its place is written again. */
	exchange->taker = __atomic_exchange_n(&exchange->middle, exchange->taker, __ATOMIC_ACQ_REL) & ~FRESH;
	return true;
}
