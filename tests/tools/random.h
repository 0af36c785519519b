/* SPDX-License-Identifier: BSD-2-Clause */
/* random.h - a small generator of numbers that a test can repeat (splitmix64). One state belongs to one thread. */
#ifndef LUMARING_TEST_RANDOM_H
#define LUMARING_TEST_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t n = *state += UINT64_C(0x9e3779b97f4a7c15);

	n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
	return n ^ n >> 31;
}

/* 0 .. bound - 1 */
static inline uint32_t random_below(uint64_t *state, uint32_t bound)
{
	return (uint32_t)((random_next(state) >> 32) * bound >> 32);
}

#endif
