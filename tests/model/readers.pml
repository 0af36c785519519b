/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * readers.pml - the clients' side of pins.pml: readers that pin, readers that copy, and hostile ones. They read
 * anything and store nothing but their own cursors.
 */

inline any_slot()
{
	if
	:: slot = 0
	:: slot = 1
	:: slot = 2
	:: slot = 3
#if SLOTS > 4
	:: slot = 4
#endif
	fi
}

/* An honest reader with a cursor. */
#if PINNED
proctype pinned_reader(byte me)
{
	byte slot = NO_SLOT;
	byte seen;

#ifdef ATTACH
detached:
	/* The main thread makes a page, puts it into a plan, and welcomes the client when the plan is acknowledged. */
	atomic { page_mapped = true; plan = true };
#ifndef MUTATE_EARLY_WELCOME
	plan_acknowledged;
#endif
#endif
idle:
	/* R1, R2: the newest frame, or any slot: one named by an old notice, by a number, or by nothing. */
	if
	:: d_step { newest != NO_SLOT -> slot = newest; overtaken[me] = false }
	:: any_slot()
#ifdef ATTACH
	:: goto gone_away
#endif
	fi;
	/* R3 */
	d_step {
		seen = word[slot];
		newest_available = (overtaken[me] || STATE(seen) == LIVE);
		assert(newest_available);
		if
		:: STATE(seen) != WRITING -> sequence[me] = SEQUENCE(seen)
		:: else
		fi;
		seen = 0
	};
	if
	:: !sequence[me] -> goto clear
	:: else
	fi;
	/* R4, the store */
	d_step { CURSOR_READY -> STORE_CURSOR(me, sequence[me]) };
	FENCE_READER;
#ifdef MUTATE_NO_REREAD
	goto validated;
#endif
	/* R4, the load, again and again while the word says RETIRING */
	do
	:: atomic {
		d_step {
			seen = word[slot];
			newest_available = (overtaken[me] || seen == WORD(sequence[me], LIVE));
			assert(newest_available);
			overtaken[me] = true
		};
		if
#if defined(MUTATE_PIN_ANY_SEQUENCE)
		:: STATE(seen) == LIVE -> break
		:: STATE(seen) != LIVE -> goto clear
#elif defined(MUTATE_TRUST_RETIRING)
		:: SEQUENCE(seen) == sequence[me] && STATE(seen) != WRITING -> break
		:: SEQUENCE(seen) != sequence[me] || STATE(seen) == WRITING -> goto clear
#else
		:: seen == WORD(sequence[me], LIVE) -> break
		:: seen == WORD(sequence[me], RETIRING) -> seen = 0
		:: seen == WORD(sequence[me], RETIRING) -> goto clear
		:: SEQUENCE(seen) != sequence[me] || STATE(seen) == WRITING -> goto clear
#endif
		fi
	}
	od;
validated:
	atomic { d_step { seen = 0; overtaken[me] = true } };
#ifdef MUTATE_EARLY_UNPIN
	d_step { CURSOR_READY -> STORE_CURSOR(me, 0) };
#endif
	/* R5 */
	do
#ifndef WORD_ONLY
	:: d_step { pinned_frame_whole = (half[2 * slot] == sequence[me]); assert(pinned_frame_whole) }
	:: d_step { pinned_frame_whole = (half[2 * slot + 1] == sequence[me]); assert(pinned_frame_whole) }
#endif
#ifndef PIXELS_ONLY
	:: d_step {
		pinned_word_stays = (SEQUENCE(word[slot]) == sequence[me] && STATE(word[slot]) != WRITING);
		assert(pinned_word_stays)
	}
#endif
#ifdef ATTACH
	:: goto gone_away
#endif
	:: break
	od;
clear:
	/* the end of R4 or R5 */
	atomic { d_step {
		CURSOR_READY -> STORE_CURSOR(me, 0); sequence[me] = 0; slot = NO_SLOT; seen = 0; overtaken[me] = true
	} };
	goto idle;
#ifdef ATTACH
gone_away:
	/* Closed or killed, with or without a pin. The page goes when a plan without it is acknowledged. */
	atomic { d_step { sequence[me] = 0; slot = NO_SLOT; seen = 0; overtaken[me] = true; plan = false } };
#ifndef MUTATE_EARLY_FREE
	!plan_acknowledged;
#endif
	d_step { page_mapped = false; cursor[me] = 0 };
	goto detached
#endif
}
#endif

/* An honest reader without a cursor. */
#if COPYING
proctype copying_reader(byte me)
{
	byte slot = NO_SLOT;
	byte seen;
	byte which;
	bool whole;

	do
	::
		/* R3 */
		atomic {
			any_slot();
			seen = word[slot];
			if
			:: STATE(seen) != WRITING -> sequence[me] = SEQUENCE(seen); seen = 0
			:: else -> slot = NO_SLOT; seen = 0; goto next
			fi
		};
		/* R6: both halves, in either order */
		atomic {
			if
			:: which = 0
			:: which = 1
			fi;
			whole = (half[2 * slot + which] == sequence[me])
		};
		d_step { whole = whole && (half[2 * slot + 1 - which] == sequence[me]); which = 0 };
		/* R6: verify */
		d_step {
			seen = word[slot];
			if
#if defined(MUTATE_NO_VERIFY)
			:: true ->
#elif defined(MUTATE_VERIFY_STATE)
			:: STATE(seen) != WRITING ->
#else
			:: STATE(seen) != WRITING && SEQUENCE(seen) == sequence[me] ->
#endif
				verified_copy_whole = whole;
				assert(verified_copy_whole)
			:: else
			fi;
			sequence[me] = 0;
			slot = NO_SLOT;
			seen = 0;
			whole = false
		};
next:
		skip
	od
}
#endif

/* A hostile client: each value at any moment, of live frames, of old ones, and of frames still to come. */
#if CHASERS
proctype chaser(byte mine)
{
	byte value;

	do
	:: atomic { select(value : 0 .. LAST_SEQUENCE); cursor[mine] = value; value = 0 }
	od
}
#endif
