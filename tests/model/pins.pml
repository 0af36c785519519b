/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pins.pml - the sequence word and the pins (include/lumaring/layout.h, daemon/ring/ring.c) as a Promela model.
 * tests/model/run searches each configuration completely, and breaks the protocol in each way that is known to matter
 * (MUTATE_...) to see that the model notices. R1..R6 are the reader's steps in layout.h, W1..W8 the writer's in ring.c.
 * One step of the model is one access to shared memory; accesses happen in one order that all see alike (words and
 * cursors are sequentially consistent), except where a store buffer is configured. The model must never use what the
 * other side has not stored: only words, halves, cursors, `newest` and the plans are shared; what is called a ghost
 * serves the assertions alone. spin allows no jump into a d_step, so one that a label or the end of a loop leads to
 * stands in an atomic.
 *
 * What it claims, each the name of an assertion:
 *   pinned_frame_whole   the pixels of a pinned frame are that frame's, from the validation to the unpin
 *   pinned_word_stays    the word of a pinned frame keeps its sequence, LIVE or RETIRING
 *   verified_copy_whole  a copy whose word did not change (R6) is of one frame
 *   slot_found           the writer finds a slot in one pass, whatever hostile cursors do meanwhile
 *   newest_available     who asks for the newest frame pins it at the first attempt, unless a newer one was published
 *   page_mapped          the writer reads no client page that was taken away
 *   names_suffice        of the model itself, see Bounds
 * and, as a search for non-progress cycles: the writer keeps publishing while readers and hostile cursors run.
 *
 * Bounds, and why they are enough:
 *   Sequences. The protocol only asks whether two sequences are equal. One that is not remembered anywhere can
 *   therefore be used again and nobody can tell. Each slot has NAMES sequences of its own, and a new frame gets one
 *   that no word, half, cursor or reader carries; names_suffice says that there is always one. So runs are endless:
 *   neither the number of frames nor the time a reader sleeps is bounded.
 *   Slots and cursors. 4 slots and 2 cursors are the smallest ring (LUMARING_SLOTS_MIN) at its largest grant, where
 *   every slot but the newest is a candidate. 5 slots and 2 cursors have one slot more than candidates, so that the
 *   writer's first look matters. Each race is one between the writer, one reader and one slot; more of them add pairs
 *   of the same kind, and their cursors only name fewer slots than hostile ones can.
 *   Pixels. Two halves: a frame is torn when two parts of it differ.
 *   Retries. A reader that finds RETIRING tries again or gives up, as it likes: this holds each bound on the retries.
 *   Hostile cursors. Their client stores any value at any moment, so a read of one gives any value: HOSTILE cursors
 *   have no memory, and each read of one names any slot, or none. CHASERS are the same as processes.
 *   Preference. Where the first look leaves a choice the writer chooses at random: this holds each rule of age.
 *
 * Configuration by -D: SLOTS; PINNED readers with a cursor each; CHASERS; HOSTILE; COPYING readers without a cursor;
 * UNWRITTEN (slots begin without a frame); ATTACH (the first pinned reader comes, goes and
 * is killed); READER_BUFFER, WRITER_BUFFER (stores of that side pass a store buffer, as on x86), UNFENCED_READER,
 * UNFENCED_WRITER (no fence between that side's store and load); PIXELS_ONLY and WORD_ONLY (look at a pinned
 * frame's pixels, or at its word, alone: each has to show a fault without the other).
 */

#ifndef SLOTS
#define SLOTS 4
#endif
#ifndef PINNED
#define PINNED 0
#endif
#ifndef CHASERS
#define CHASERS 0
#endif
#ifndef HOSTILE
#define HOSTILE 0
#endif
#ifndef COPYING
#define COPYING 0
#endif

#define CURSORS (PINNED + CHASERS) /* those with a memory; the HOSTILE ones come after them */
#define GRANTED (CURSORS + HOSTILE)
#define READERS (PINNED + COPYING)

/* The bound that the daemon keeps. */
#if GRANTED > SLOTS - 2 && !defined(MUTATE_GRANTS)
#error "more cursors granted than slots - 2"
#endif

/* The word's, one for each reader, the new one; and a cursor still in a store buffer. */
#ifdef MUTATE_FEW_NAMES
#define NAMES (READERS + 1)
#elif defined(READER_BUFFER)
#define NAMES (READERS + 3)
#else
#define NAMES (READERS + 2)
#endif

#define WRITING 0
#define LIVE 1
#define RETIRING 2
#define WORD(sequence, state) ((sequence) * 4 + (state))
#define SEQUENCE(word) ((word) / 4)
#define STATE(word) ((word) % 4)
#define FIRST_SEQUENCE(slot) (1 + (slot) * NAMES)
#define LAST_SEQUENCE (SLOTS * NAMES)
#define SLOT_OF(sequence) (((sequence) - 1) / NAMES)
#define NO_SLOT 15
#define BIT(slot) (1 << (slot))
#define ALL_SLOTS (BIT(SLOTS) - 1)

byte word[SLOTS];      /* descriptor[slot].word */
byte half[2 * SLOTS];  /* the pixels: each half carries the sequence of the frame it was written for */
byte newest = NO_SLOT; /* header.published and the order entry it leads to */
#if CURSORS
byte cursor[CURSORS];
#endif
#if READERS
byte sequence[READERS]; /* what a reader remembers; 0 while that would not matter */
#endif
#if PINNED
bool overtaken[PINNED]; /* ghost: a newer frame was published since the reader asked for the newest, or it did not */
#endif
#ifdef ATTACH
bool plan;              /* the main thread's newest plan: has it the page of reader 0? */
bool plan_acknowledged; /* the plan that the capture thread said it works with */
bool page_mapped;       /* ghost */
#endif

/* ghosts: what must stay true */
bool pinned_frame_whole = true;
bool pinned_word_stays = true;
bool verified_copy_whole = true;
bool slot_found = true;
bool newest_available = true;
bool names_suffice = true;

/* --- stores, direct or through a buffer of one store that others see some time later, in order -------------------- */

/* Each store is guarded: CURSOR_READY -> STORE_CURSOR(), STORE_READY -> STORE_WORD() or STORE_HALF(). */

#ifdef READER_BUFFER
bool reader_buffered;
byte reader_buffer;
#define CURSOR_READY !reader_buffered
#define STORE_CURSOR(me, value) reader_buffer = value; reader_buffered = true

active proctype drain_reader()
{
	do
	:: d_step { reader_buffered -> cursor[0] = reader_buffer; reader_buffer = 0; reader_buffered = false }
	od
}
#else
#define CURSOR_READY true
#define STORE_CURSOR(me, value) cursor[me] = value
#endif

#if defined(READER_BUFFER) && !defined(UNFENCED_READER)
#define FENCE_READER CURSOR_READY
#else
#define FENCE_READER skip
#endif

#ifdef WRITER_BUFFER
#define NOWHERE 255
byte writer_buffered = NOWHERE; /* below SLOTS a word, else a half */
byte writer_buffer;
#define STORE_READY (writer_buffered == NOWHERE)
#define STORE(place, value) writer_buffered = place; writer_buffer = value
#define STORE_WORD(slot, value) STORE(slot, value)
#define STORE_HALF(number, value) STORE(SLOTS + (number), value)

active proctype drain_writer()
{
	do
	:: d_step {
		writer_buffered != NOWHERE ->
		if
		:: writer_buffered < SLOTS -> word[writer_buffered] = writer_buffer
		:: else -> half[writer_buffered - SLOTS] = writer_buffer
		fi;
		writer_buffer = 0;
		writer_buffered = NOWHERE
	}
	od
}
#else
#define STORE_READY true
#define STORE_WORD(slot, value) word[slot] = value
#define STORE_HALF(number, value) half[number] = value
#endif

#if defined(WRITER_BUFFER) && !defined(UNFENCED_WRITER)
#define FENCE_WRITER STORE_READY
#else
#define FENCE_WRITER skip
#endif

#include "writer.pml"
#include "readers.pml"

init
{
	byte each;

	atomic {
#ifndef UNWRITTEN
		for (each : 0 .. SLOTS - 1) {
			word[each] = WORD(FIRST_SEQUENCE(each), LIVE);
			half[2 * each] = FIRST_SEQUENCE(each);
			half[2 * each + 1] = FIRST_SEQUENCE(each)
		}
		newest = 0;
#endif
#if PINNED
		for (each : 0 .. PINNED - 1) {
			overtaken[each] = true;
			run pinned_reader(each)
		}
#endif
#if COPYING
		for (each : PINNED .. READERS - 1) {
			run copying_reader(each)
		}
#endif
#if CHASERS
		for (each : PINNED .. CURSORS - 1) {
			run chaser(each)
		}
#endif
		each = 0;
		run writer()
	}
}
