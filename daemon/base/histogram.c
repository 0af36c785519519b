/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * histogram.c - see histogram.h. H1 to H3 label the atomics between the thread that adds and one that looks.
 *
 * A look takes the part that is filled and the full one before it. The third is emptied only when it is to be filled,
 * HISTOGRAM_PART values after it was last taken: a look that lasts longer than that may find it half emptied.
 */
#include "base/histogram.h"

static unsigned bucket_of(uint64_t value)
{
	unsigned power;

	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	power = 63u - (unsigned)__builtin_clzll(value);
	if (power >= HISTOGRAM_BITS)
		return HISTOGRAM_BUCKETS - 1;
	/* The leading bit says which power of two, the next four which step of it. */
	return (power - HISTOGRAM_STEP_BITS) * HISTOGRAM_STEPS + (unsigned)(value >> (power - HISTOGRAM_STEP_BITS));
}

/* The largest value of a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
	unsigned power = bucket / HISTOGRAM_STEPS;

	if (bucket == HISTOGRAM_BUCKETS - 1)
		return UINT64_MAX;
	if (power == 0)
		return bucket;
	return ((uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS + 1) << (power - 1)) - 1;
}

/* The filled part is full: empty the oldest, which no look has taken since the one before was full, and fill that. */
static void turn_over(struct histogram *h)
{
	unsigned next = (h->filling + 1) % HISTOGRAM_PARTS;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		__atomic_store_n(&h->parts[next][i], 0, __ATOMIC_RELAXED);
	/* H1 pairs with H1 in histogram_look(): empty before it is looked at. */
	__atomic_store_n(&h->filling, next, __ATOMIC_RELEASE);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	uint16_t *bucket = &h->parts[h->filling][bucket_of(value)];

	/* H2 pairs with H2 in histogram_look(): who sees the value in its bucket sees a max that is not below it. */
	if (value > h->max)
		__atomic_store_n(&h->max, value, __ATOMIC_RELAXED);
	__atomic_store_n(bucket, (uint16_t)(*bucket + 1), __ATOMIC_RELEASE);
	/* H3 pairs with H3 in histogram_look(): each stands alone, relaxed. */
	__atomic_store_n(&h->sum, h->sum + value, __ATOMIC_RELAXED);
	__atomic_store_n(&h->count, h->count + 1, __ATOMIC_RELAXED);
	if (h->count % HISTOGRAM_PART == 0)
		turn_over(h);
}

void histogram_look(const struct histogram *h, struct histogram_view *ret_view)
{
	/* H1 pairs with H1 in turn_over(). */
	unsigned filling = __atomic_load_n(&h->filling, __ATOMIC_ACQUIRE);
	unsigned full = (filling + HISTOGRAM_PARTS - 1) % HISTOGRAM_PARTS;

	ret_view->samples = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		/* H2 pairs with H2 in histogram_add(). */
		ret_view->buckets[i] = (uint16_t)(__atomic_load_n(&h->parts[filling][i], __ATOMIC_ACQUIRE) +
						  __atomic_load_n(&h->parts[full][i], __ATOMIC_ACQUIRE));
		ret_view->samples += ret_view->buckets[i];
	}
	ret_view->max = __atomic_load_n(&h->max, __ATOMIC_RELAXED);
	/* H3 pairs with H3 in histogram_add(). */
	ret_view->sum = __atomic_load_n(&h->sum, __ATOMIC_RELAXED);
	ret_view->count = __atomic_load_n(&h->count, __ATOMIC_RELAXED);
}

uint64_t histogram_percentile(const struct histogram_view *view, unsigned percent)
{
	uint64_t rank = ((uint64_t)view->samples * percent + 99) / 100, below = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += view->buckets[i];
		if (below >= rank && below > 0)
			return bucket_end(i) < view->max ? bucket_end(i) : view->max;
	}
	return 0;
}
