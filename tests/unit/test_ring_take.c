/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_ring_take.c - daemon/ring: which slot the writer takes while cursors name frames, and what the words say
 * meanwhile. One thread: the moments within ring_take() are made visible by cursors on pages of their own that fault
 * when they are read, so each look of the writer at a cursor is seen, in order, and can be answered with anything.
 */
#include "ring_probe.h"

#include <signal.h>

#define SLOTS_MAX 12u
#define CURSORS_TEST_MAX (SLOTS_MAX - 2)

struct cursors {
	uint64_t values[CURSORS_TEST_MAX];
	const uint64_t *pointers[CURSORS_TEST_MAX];
};

static void cursors_init(struct cursors *cursors)
{
	for (unsigned i = 0; i < CURSORS_TEST_MAX; i++) {
		cursors->values[i] = 0;
		cursors->pointers[i] = &cursors->values[i];
	}
}

/* Publish so that slot order and age are known: frames 1..slots, the newest last. */
static void fill_ring(struct probe *probe, uint32_t slots)
{
	struct ring_config config = probe_config(slots, 16, 10);

	probe_open(probe, &config);
	ring_begin(probe->ring, 1);
	for (uint64_t n = 1; n <= slots; n++)
		probe_publish(probe, n);
}

static uint32_t slot_of(const struct probe *probe, uint64_t sequence)
{
	for (uint32_t slot = 0; slot < probe->header->slot_count; slot++)
		if (lumaring_word_sequence(probe_word(probe, slot)) == sequence)
			return slot;
	fail_msg("no slot carries %llu", (unsigned long long)sequence);
	return 0;
}

/* Take a slot that must be the one of frame `expected`, look at all words, publish. */
static void take_expecting(struct probe *probe, const struct cursors *cursors, uint32_t count, uint64_t sequence,
			   uint64_t expected)
{
	uint32_t wanted = slot_of(probe, expected), slot;
	uint64_t before[SLOTS_MAX];

	for (uint32_t i = 0; i < probe->header->slot_count; i++)
		before[i] = probe_word(probe, i);
	assert_int_equal(ring_take(probe->ring, sequence, cursors->pointers, count, &slot), 0);
	assert_int_equal(slot, wanted);
	for (uint32_t i = 0; i < probe->header->slot_count; i++)
		assert_int_equal(probe_word(probe, i),
				 i == slot ? lumaring_word(sequence, LUMARING_STATE_WRITING) : before[i]);
	probe_fill(probe, slot, sequence);
	assert_int_equal(probe_word(probe, slot), lumaring_word(sequence, LUMARING_STATE_LIVE));
}

/* --- which slot --- */

/* Without cursors the oldest, round and round; never written ones first. */
static void test_oldest(void **state)
{
	struct ring_config config = probe_config(4, 16, 10);
	struct cursors cursors;
	struct probe probe;
	uint32_t seen = 0;

	(void)state;
	cursors_init(&cursors);
	probe_open(&probe, &config);
	ring_begin(probe.ring, 1);
	for (uint64_t n = 1; n <= 4; n++) {
		uint32_t slot;

		assert_int_equal(ring_take(probe.ring, n, cursors.pointers, 2, &slot), 0);
		assert_int_equal(probe_word(&probe, slot), lumaring_word(n, LUMARING_STATE_WRITING));
		assert_false(seen & 1u << slot);
		seen |= 1u << slot;
		probe_fill(&probe, slot, n);
	}
	for (uint64_t n = 5; n <= 20; n++)
		take_expecting(&probe, &cursors, 2, n, n - 4);
	probe_close(&probe);
}

/* Pinned frames stay for as long as they are pinned, and the others go in their order. */
static void test_pinned_stay(void **state)
{
	struct cursors cursors;
	struct probe probe;

	(void)state;
	cursors_init(&cursors);
	fill_ring(&probe, 4);
	cursors.values[0] = 1;
	cursors.values[1] = 3;
	take_expecting(&probe, &cursors, 2, 5, 2);
	for (uint64_t n = 6; n < 100; n++)
		take_expecting(&probe, &cursors, 2, n, n - 2); /* two slots are left, and one of them has the newest */
	cursors.values[1] = 0;
	take_expecting(&probe, &cursors, 2, 100, 3);
	cursors.values[0] = 0;
	take_expecting(&probe, &cursors, 2, 101, 1);
	probe_close(&probe);
}

/* A value that names nothing that is live means nothing. */
static void test_values_that_name_nothing(void **state)
{
	static const uint64_t values[] = { 0, 100, UINT64_MAX, UINT64_MAX >> 2, 1ull << 62, 3ull << 62 };
	struct cursors cursors;
	struct probe probe;
	uint64_t n = 5;

	(void)state;
	cursors_init(&cursors);
	fill_ring(&probe, 4);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++, n++) {
		cursors.values[0] = values[i];
		cursors.values[1] = n - 5; /* gone just now */
		take_expecting(&probe, &cursors, 2, n, n - 4);
	}
	/* The newest is not for taking anyway; two cursors on one frame are one pin. */
	cursors.values[0] = cursors.values[1] = n - 1;
	take_expecting(&probe, &cursors, 2, n, n - 4);
	n++;
	cursors.values[0] = cursors.values[1] = n - 4;
	take_expecting(&probe, &cursors, 2, n, n - 3);
	probe_close(&probe);
}

/* Not more than can be borne: then nothing is touched. */
static void test_too_many_cursors(void **state)
{
	struct cursors cursors;
	struct probe probe;
	uint32_t slot = 77;

	(void)state;
	cursors_init(&cursors);
	fill_ring(&probe, 8);
	assert_int_equal(ring_cursors_max(8), 6);
	assert_int_equal(ring_take(probe.ring, 9, cursors.pointers, 7, &slot), -EINVAL);
	assert_int_equal(slot, 77);
	for (uint64_t n = 1; n <= 8; n++)
		assert_int_equal(probe_word(&probe, slot_of(&probe, n)), lumaring_word(n, LUMARING_STATE_LIVE));
	take_expecting(&probe, &cursors, 6, 9, 1);
	probe_close(&probe);
}

static bool is_named(const struct cursors *cursors, uint32_t count, uint64_t sequence)
{
	for (uint32_t i = 0; i < count; i++)
		if (cursors->values[i] == sequence)
			return true;
	return false;
}

/* Any cursors whatever, as many as may be granted: the oldest frame that none names is taken, but never the newest. */
static void test_any_cursors(void **state)
{
	(void)state;
	for (uint32_t slots = LUMARING_SLOTS_MIN; slots <= SLOTS_MAX; slots++) {
		uint64_t live[SLOTS_MAX]; /* oldest first */
		struct cursors cursors;
		struct probe probe;

		cursors_init(&cursors);
		fill_ring(&probe, slots);
		for (uint32_t i = 0; i < slots; i++)
			live[i] = i + 1;
		for (uint64_t n = slots + 1; n < 500; n++) {
			uint32_t count = probe_random() % (ring_cursors_max(slots) + 1), oldest = 0;

			for (uint32_t i = 0; i < count; i++)
				cursors.values[i] = probe_random() % 4 ? live[probe_random() % slots] :
									 probe_random() % n;
			while (is_named(&cursors, count, live[oldest]))
				oldest++;
			assert_true(oldest < slots - 1);
			take_expecting(&probe, &cursors, count, n, live[oldest]);
			memmove(&live[oldest], &live[oldest + 1], (slots - 1 - oldest) * sizeof(live[0]));
			live[slots - 1] = n;
		}
		probe_close(&probe);
	}
}

/* --- the moments within --- */

/* Cursors that fault: one page each, at most one of them open. */
static struct {
	struct probe *probe;
	uint8_t *pages;
	size_t page_bytes;
	uint32_t count;
	const uint64_t *pointers[CURSORS_TEST_MAX];
	uint32_t open; /* which, or `count` */
	unsigned looks; /* faults so far: the first `count` are the preference, then comes the decision */
	unsigned reads[CURSORS_TEST_MAX];
	uint64_t words[2 * CURSORS_TEST_MAX][SLOTS_MAX]; /* at each look */
	uint64_t (*answer)(uint32_t cursor);
} watch;

static uint64_t *watched_cursor(uint32_t cursor)
{
	return (uint64_t *)(watch.pages + cursor * watch.page_bytes);
}

static void on_look(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr - (uintptr_t)watch.pages;
	uint32_t cursor = (uint32_t)(at / watch.page_bytes);

	(void)context;
	if (cursor >= watch.count || watch.looks == 2 * watch.count) {
		signal(number, SIG_DFL); /* a fault of another kind, or a look too many: die of it */
		return;
	}
	for (uint32_t slot = 0; slot < watch.probe->header->slot_count; slot++)
		watch.words[watch.looks][slot] = probe_word(watch.probe, slot);
	if (watch.open < watch.count)
		mprotect(watched_cursor(watch.open), watch.page_bytes, PROT_NONE);
	mprotect(watched_cursor(cursor), watch.page_bytes, PROT_READ | PROT_WRITE);
	watch.open = cursor;
	watch.reads[cursor]++;
	*watched_cursor(cursor) = watch.answer(cursor);
	watch.looks++;
}

static struct sigaction previous_action;

static void watch_begin(struct probe *probe, uint32_t count, uint64_t (*answer)(uint32_t cursor))
{
	struct sigaction action = { .sa_sigaction = on_look, .sa_flags = SA_SIGINFO };

	memset(&watch, 0, sizeof(watch));
	watch.probe = probe;
	watch.count = watch.open = count;
	watch.answer = answer;
	watch.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	watch.pages = mmap(NULL, count * watch.page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(watch.pages, MAP_FAILED);
	for (uint32_t i = 0; i < count; i++)
		watch.pointers[i] = watched_cursor(i);
	assert_int_equal(sigaction(SIGSEGV, &action, &previous_action), 0);
}

static void watch_end(void)
{
	sigaction(SIGSEGV, &previous_action, NULL);
	munmap(watch.pages, watch.count * watch.page_bytes);
}

static unsigned retiring_at(unsigned look)
{
	unsigned n = 0;

	for (uint32_t slot = 0; slot < watch.probe->header->slot_count; slot++)
		n += lumaring_word_state(watch.words[look][slot]) == LUMARING_STATE_RETIRING;
	return n;
}

/* The writer looks at each cursor once to prefer and once to decide; meanwhile granted + 1 slots are RETIRING. */
static void check_looks(uint32_t newest_slot)
{
	uint32_t count = watch.count;

	assert_int_equal(watch.looks, 2 * count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(watch.reads[i], 2);
	for (unsigned look = 0; look < 2 * count; look++) {
		assert_int_equal(retiring_at(look), look < count ? 0 : count + 1);
		assert_int_equal(lumaring_word_state(watch.words[look][newest_slot]), LUMARING_STATE_LIVE);
		/* All candidates were retired before the first cursor was read, and stay so until the last was. */
		if (look > count)
			assert_memory_equal(watch.words[look], watch.words[count], sizeof(watch.words[look]));
	}
}

static uint64_t answer_nothing(uint32_t cursor)
{
	(void)cursor;
	return 0;
}

/* The chaser: names whatever is about to be taken and not yet named, the most harmful answer there is. */
static uint64_t answer_candidate(uint32_t cursor)
{
	unsigned nth = 0;

	for (uint32_t slot = 0; slot < watch.probe->header->slot_count; slot++) {
		uint64_t word = watch.words[watch.looks][slot];

		if (lumaring_word_state(word) == LUMARING_STATE_RETIRING && nth++ == cursor)
			return lumaring_word_sequence(word);
	}
	return 0;
}

/* As the chaser, but also says something else each time it is asked for a preference. */
static uint64_t answer_restlessly(uint32_t cursor)
{
	if (watch.looks >= watch.count)
		return answer_candidate(cursor);
	return lumaring_word_sequence(watch.words[watch.looks][probe_random() % watch.probe->header->slot_count]);
}

static void chase(uint32_t slots, uint32_t count, uint64_t (*answer)(uint32_t cursor), unsigned rounds)
{
	struct probe probe;
	uint32_t newest, slot;

	fill_ring(&probe, slots);
	newest = slot_of(&probe, slots);
	for (uint64_t n = slots + 1; n <= slots + rounds; n++) {
		int r;

		watch_begin(&probe, count, answer);
		r = ring_take(probe.ring, n, watch.pointers, count, &slot);
		watch_end();
		if (r != 0)
			fail_msg("%u slots, %u cursors, frame %llu: %d", slots, count, (unsigned long long)n, r);
		check_looks(newest);
		/* It was a candidate, no cursor named it when it was decided, and all others are as before. */
		for (uint32_t i = 0; i < slots; i++) {
			uint64_t word = watch.words[count][i];

			if (i != slot)
				assert_int_equal(probe_word(&probe, i),
						 lumaring_word(lumaring_word_sequence(word), LUMARING_STATE_LIVE));
		}
		assert_int_equal(lumaring_word_state(watch.words[count][slot]), LUMARING_STATE_RETIRING);
		assert_int_equal(probe_word(&probe, slot), lumaring_word(n, LUMARING_STATE_WRITING));
		probe_fill(&probe, slot, n);
		newest = slot;
	}
	probe_close(&probe);
}

static void test_looks(void **state)
{
	(void)state;
	for (uint32_t slots = LUMARING_SLOTS_MIN; slots <= SLOTS_MAX; slots++)
		for (uint32_t count = 2; count <= ring_cursors_max(slots); count++)
			chase(slots, count, answer_nothing, 3);
}

/* Each cursor jumps to a candidate of its own when it is read: one is left over, every time. */
static void test_chaser(void **state)
{
	(void)state;
	for (uint32_t slots = LUMARING_SLOTS_MIN; slots <= SLOTS_MAX; slots++)
		for (uint32_t count = 2; count <= ring_cursors_max(slots); count++)
			chase(slots, count, answer_candidate, 20);
}

static void test_restless(void **state)
{
	(void)state;
	for (uint32_t slots = LUMARING_SLOTS_MIN; slots <= SLOTS_MAX; slots++)
		for (uint32_t count = 2; count <= ring_cursors_max(slots); count++)
			chase(slots, count, answer_restlessly, 20);
}

/* The chaser's answers are respected: none of the frames it named at the decision was taken. */
static uint64_t answered[CURSORS_TEST_MAX];

static uint64_t answer_and_note(uint32_t cursor)
{
	return answered[cursor] = answer_candidate(cursor);
}

static void test_answers_count(void **state)
{
	struct probe probe;
	uint32_t slot;

	(void)state;
	fill_ring(&probe, 8);
	for (uint64_t n = 9; n < 60; n++) {
		watch_begin(&probe, 6, answer_and_note);
		assert_int_equal(ring_take(probe.ring, n, watch.pointers, 6, &slot), 0);
		watch_end();
		for (uint32_t i = 0; i < 6; i++) {
			assert_int_not_equal(answered[i], 0);
			assert_int_not_equal(answered[i], lumaring_word_sequence(watch.words[6][slot]));
			assert_int_equal(probe_word(&probe, slot_of(&probe, answered[i])),
					 lumaring_word(answered[i], LUMARING_STATE_LIVE));
		}
		probe_fill(&probe, slot, n);
	}
	probe_close(&probe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oldest),
		cmocka_unit_test(test_pinned_stay),
		cmocka_unit_test(test_values_that_name_nothing),
		cmocka_unit_test(test_too_many_cursors),
		cmocka_unit_test(test_any_cursors),
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_chaser),
		cmocka_unit_test(test_restless),
		cmocka_unit_test(test_answers_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
