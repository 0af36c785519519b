/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaser.h - threads that try to starve the writer of a ring: they watch the sequence words and name in their cursors
 * exactly what the writer is about to take. Used against the ring's code in one process and against a daemon.
 */
#ifndef LUMARING_TEST_CHASER_H
#define LUMARING_TEST_CHASER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <lumaring/layout.h>

enum chaser_strategy {
	CHASER_SWARM, /* every cursor in turn names the word that was just seen RETIRING */
	CHASER_JUMP,  /* all cursors but one hold a frame each for ever, the last one jumps */
};

#define CHASER_FREE_MAX 64u

struct chaser {
	pthread_t thread;
	enum chaser_strategy strategy;
	const uint8_t *words; /* of slot 0 */
	uint64_t word_stride; /* bytes */
	uint32_t slot_count;
	uint64_t **cursors;
	uint32_t cursor_count;
	bool stop;     /* atomic */
	uint64_t hits; /* atomic: times a RETIRING word was named */
};

static inline uint64_t chaser_word(const struct chaser *c, uint32_t slot)
{
	/* An attacker needs no order: relaxed. */
	return __atomic_load_n((const uint64_t *)(const void *)(c->words + slot * c->word_stride), __ATOMIC_RELAXED);
}

/* R4 of layout.h, without any of its manners; pairs with W1 and W3 in daemon/ring/ring.c. */
static inline void chaser_store(const struct chaser *c, uint32_t cursor, uint64_t sequence)
{
	__atomic_store_n(c->cursors[cursor], sequence, __ATOMIC_SEQ_CST);
}

/* A counter that others look at to see how it goes: relaxed. */
static inline void chaser_count(struct chaser *c)
{
	__atomic_store_n(&c->hits, c->hits + 1, __ATOMIC_RELAXED);
}

static inline void chaser_swarm(struct chaser *c)
{
	uint32_t next = 0;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED))
		for (uint32_t slot = 0; slot < c->slot_count; slot++) {
			uint64_t word = chaser_word(c, slot);

			if (lumaring_word_state(word) != LUMARING_STATE_RETIRING)
				continue;
			chaser_store(c, next, lumaring_word_sequence(word));
			next = (next + 1) % c->cursor_count;
			chaser_count(c);
		}
}

/*
 * Put every cursor but the last on a frame of its own; named, it stays in its slot for ever. What remains for the last
 * cursor to guard are the other slots.
 */
static inline uint32_t chaser_anchor(struct chaser *c, uint32_t *ret_free)
{
	uint32_t anchored = 0, free_count = 0;

	for (uint32_t slot = 0; slot < c->slot_count; slot++) {
		uint64_t word = chaser_word(c, slot);

		if (anchored + 1 < c->cursor_count && lumaring_word_state(word) == LUMARING_STATE_LIVE) {
			chaser_store(c, anchored, lumaring_word_sequence(word));
			/* R4: it holds if the frame is still there now. */
			if (__atomic_load_n((const uint64_t *)(const void *)(c->words + slot * c->word_stride),
					    __ATOMIC_SEQ_CST) == word) {
				anchored++;
				continue;
			}
		}
		if (free_count < CHASER_FREE_MAX)
			ret_free[free_count++] = slot;
	}
	return free_count;
}

static inline void chaser_jump(struct chaser *c)
{
	uint32_t guarded[CHASER_FREE_MAX], count = chaser_anchor(c, guarded);
	uint64_t named = 0;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		/* The same values again: the lines are then far from the writer, whose look at all takes longer. */
		for (uint32_t i = 0; i + 1 < c->cursor_count; i++)
			__atomic_store_n(c->cursors[i], *c->cursors[i], __ATOMIC_RELAXED);
		for (uint32_t i = 0; i < count; i++) {
			uint64_t word = chaser_word(c, guarded[i]), sequence = lumaring_word_sequence(word);

			if (lumaring_word_state(word) != LUMARING_STATE_RETIRING || sequence == named)
				continue;
			chaser_store(c, c->cursor_count - 1, sequence);
			named = sequence;
			chaser_count(c);
		}
	}
}

static inline void *chaser_run(void *argument)
{
	struct chaser *c = argument;

	if (c->strategy == CHASER_SWARM)
		chaser_swarm(c);
	else
		chaser_jump(c);
	return NULL;
}

static inline int chaser_start(struct chaser *c)
{
	return -pthread_create(&c->thread, NULL, chaser_run, c);
}

static inline void chaser_stop(struct chaser *c)
{
	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	pthread_join(c->thread, NULL);
}

#endif
