/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * writer.pml - the capture thread's side of pins.pml: ring_take() is W1..W5, the copy W6, ring_publish() W7 and W8. It reads cursors and the plan, stores words, halves and `newest`, and must wait for nobody.
 */

/*
 * The ways to read the cursor `index` and add the slot it names to `mask`, as options of an if or do. The words are the
 * writer's own: looking at them is no access.
 */
#if CURSORS
#define READ_CURSOR(mask) \
	:: d_step { \
		index < CURSORS -> \
		CHECK_PAGE; \
		if \
		:: cursor[index] && SEQUENCE(word[SLOT_OF(cursor[index])]) == cursor[index] -> \
			mask = mask | BIT(SLOT_OF(cursor[index])) \
		:: else \
		fi; \
		index++ \
	}
#else
#define READ_CURSOR(mask)
#endif
#ifdef ATTACH
#define CHECK_PAGE \
	if \
	:: index == 0 -> assert(page_mapped) \
	:: else \
	fi
#else
#define CHECK_PAGE skip
#endif
#if HOSTILE
#define READ_HOSTILE(mask) \
	:: d_step { index >= CURSORS && index < GRANTED -> index++ } \
	:: d_step { index >= CURSORS && index < GRANTED -> mask = mask | BIT(0); index++ } \
	:: d_step { index >= CURSORS && index < GRANTED -> mask = mask | BIT(1); index++ } \
	:: d_step { index >= CURSORS && index < GRANTED -> mask = mask | BIT(2); index++ } \
	:: d_step { index >= CURSORS && index < GRANTED -> mask = mask | BIT(3); index++ } \
	READ_HOSTILE_4(mask)
#else
#define READ_HOSTILE(mask)
#endif
#if SLOTS > 4
#define READ_HOSTILE_4(mask) :: d_step { index >= CURSORS && index < GRANTED -> mask = mask | BIT(4); index++ }
#else
#define READ_HOSTILE_4(mask)
#endif

/* W1, W3: read each cursor of the plan once, in steps of their own: they may move in between. */
inline read_cursors(mask)
{
	index = index_first;
	do
	READ_CURSOR(mask)
	READ_HOSTILE(mask)
	:: index == GRANTED -> index = 0; break
	od
}

/* Where there are as many candidates as slots but the newest, W1 decides nothing. */
#if SLOTS == GRANTED + 2 && !defined(ATTACH) && !defined(MUTATE_FEW_CANDIDATES)
#define ALL_BUT_NEWEST
#endif

#ifdef MUTATE_RETIRE_NEWEST
#define MAY_RETIRE ALL_SLOTS
#else
#define MAY_RETIRE (ALL_SLOTS & ~BIT(newest))
#endif

inline any_of_choice(variable)
{
	if
	:: choice & BIT(0) -> variable = 0
	:: choice & BIT(1) -> variable = 1
	:: choice & BIT(2) -> variable = 2
	:: choice & BIT(3) -> variable = 3
#if SLOTS > 4
	:: choice & BIT(4) -> variable = 4
#endif
	fi
}

/* W2, the choice: granted cursors + 1 slots, or all but the newest; those that W1 found free go first. */
inline choose_candidates()
{
#ifdef ALL_BUT_NEWEST
	candidates = MAY_RETIRE
#else
	candidates = 0;
	wanted = GRANTED - index_first + 1;
#ifdef MUTATE_FEW_CANDIDATES
	wanted--;
#endif
	do
	:: wanted && (MAY_RETIRE & ~candidates) ->
		choice = MAY_RETIRE & ~candidates;
		if
		:: choice & ~held -> choice = choice & ~held
		:: else
		fi;
		any_of_choice(slot);
		candidates = candidates | BIT(slot);
		wanted--
	:: else -> break
	od;
	held = 0;
	choice = 0;
	wanted = 0;
	slot = 0
#endif
}

/* W2: LIVE -> RETIRING for all candidates, one step each. */
inline retire()
{
	do
	:: d_step {
		slot < SLOTS && STORE_READY ->
		if
		:: candidates & BIT(slot) -> STORE_WORD(slot, WORD(SEQUENCE(word[slot]), RETIRING))
		:: else
		fi;
		slot++
	}
	:: slot == SLOTS -> slot = 0; break
	od
}

/* Mutation: a cursor of W3 after each store of W2, instead of all after all. */
inline retire_and_read_by_turns()
{
	do
	:: slot < SLOTS && (candidates & BIT(slot)) ->
		word[slot] = WORD(SEQUENCE(word[slot]), RETIRING);
		if
		READ_CURSOR(named)
		READ_HOSTILE(named)
		:: index == GRANTED
		fi;
		slot++
	:: slot < SLOTS && !(candidates & BIT(slot)) -> slot++
	:: slot == SLOTS -> slot = 0; index = 0; break
	od
}

/* Mutations: W2 and W3, or W3 alone, for one candidate after the other. */
inline try_one_by_one()
{
	do
	:: slot < SLOTS && (candidates & BIT(slot)) ->
#ifndef MUTATE_SCAN_PER_CANDIDATE
		word[slot] = WORD(SEQUENCE(word[slot]), RETIRING);
#endif
		named = 0;
		read_cursors(named);
		if
		:: !(named & BIT(slot)) -> taken = slot; slot = 0; break
		:: else
		fi;
#ifndef MUTATE_SCAN_PER_CANDIDATE
		word[slot] = WORD(SEQUENCE(word[slot]), LIVE);
#endif
		slot++
	:: slot < SLOTS && !(candidates & BIT(slot)) -> slot++
	:: slot == SLOTS ->
		slot = 0;
#ifndef MUTATE_ONE_BY_ONE_FOR_EVER
		slot_found = false;
		assert(slot_found)
#endif
	od;
#ifndef MUTATE_SCAN_PER_CANDIDATE
	candidates = BIT(taken);
#endif
	named = 0
}

/* The choice of W4: a candidate that no cursor names. */
inline take()
{
	d_step {
		choice = candidates & ~named;
		slot_found = (choice != 0);
		assert(slot_found);
		named = 0
	};
	any_of_choice(taken);
	choice = 0
}

/*
 * A new frame always gets the first of its slot's names: whoever still carries that name for the frame that goes now is
 * given another one, all in one step. This is the same as a number never used before, with far fewer states. Hostile
 * cursors need no care: they hold anything.
 */
inline rename(place)
{
	if
	:: place == fresh -> place = spare
	:: else
	fi
}

inline look_for_name(place)
{
	if
	:: place > fresh && place < FIRST_SEQUENCE(taken + 1) -> spares = spares & ~BIT(place - fresh)
	:: else
	fi
}

#define EVERYWHERE(do_this) \
	do_this(half[2 * taken]); \
	do_this(half[2 * taken + 1]); \
	FOR_READERS(do_this) \
	FOR_CURSORS(do_this) \
	FOR_BUFFER(do_this)
#if READERS
#define FOR_READERS(do_this) for (each : 0 .. READERS - 1) { do_this(sequence[each]) }
#else
#define FOR_READERS(do_this)
#endif
#if PINNED
#define FOR_CURSORS(do_this) for (each : 0 .. PINNED - 1) { do_this(cursor[each]) }
#else
#define FOR_CURSORS(do_this)
#endif
#ifdef READER_BUFFER
#define FOR_BUFFER(do_this) do_this(reader_buffer);
#else
#define FOR_BUFFER(do_this)
#endif

inline name_frame()
{
	fresh = FIRST_SEQUENCE(taken);
	spares = BIT(NAMES) - 2;
	EVERYWHERE(look_for_name);
	names_suffice = (spares != 0);
	assert(names_suffice);
	spare = fresh + 1;
	do
	:: spares & BIT(spare - fresh) -> break
	:: else -> spare++
	od;
	EVERYWHERE(rename);
	if
	:: SEQUENCE(word[taken]) == fresh -> word[taken] = WORD(spare, STATE(word[taken]))
	:: else
	fi;
#ifdef WRITER_BUFFER
	if
	:: writer_buffered == taken -> writer_buffer = WORD(spare, STATE(writer_buffer))
	:: else
	fi;
#endif
	each = 0;
	spare = 0;
	spares = 0
}

/*
 * W4 and W5: RETIRING -> WRITING for the one taken, RETIRING -> LIVE for the others, in the order of the slots; as any
 * slot may be the one taken, W4 comes before, between and after the steps of W5.
 */
inline settle()
{
	do
	:: d_step {
		slot < SLOTS && STORE_READY ->
		if
		:: slot == taken -> STORE_WORD(slot, WORD(fresh, WRITING))
		:: slot != taken && (candidates & BIT(slot)) -> STORE_WORD(slot, WORD(SEQUENCE(word[slot]), LIVE))
		:: else
		fi;
		slot++
	}
	:: slot == SLOTS -> slot = 0; candidates = 0; break
	od
}

/* W8: the order entry and header.published. */
inline publish()
{
	newest = taken;
#if PINNED > 0
	overtaken[0] = true;
#endif
#if PINNED > 1
	overtaken[1] = true;
#endif
	taken = NO_SLOT;
	fresh = 0
}

/* A slot without a frame is taken as it is, by W4 alone: nobody can hold it. */
inline find_unwritten()
{
	do
	:: slot < SLOTS && STATE(word[slot]) == WRITING -> taken = slot; break
	:: slot < SLOTS && STATE(word[slot]) != WRITING -> slot++
	:: slot == SLOTS -> break
	od;
	slot = 0
}

proctype writer()
{
	byte slot;           /* of the loops */
	byte index;          /* of the cursor being read */
	byte index_first;    /* 1 while the plan lacks reader 0 */
	byte held;           /* slots named in the first look */
	byte candidates;     /* slots */
	byte named;          /* slots named in the scan */
	byte choice;         /* slots */
	byte wanted;         /* candidates still to choose */
	byte fresh;          /* sequence of the new frame */
	byte spare, spares, each; /* of name_frame() */
	byte taken = NO_SLOT;

	do
	::
#ifdef ATTACH
		index_first = (plan -> 0 : 1);
		plan_acknowledged = !index_first;
#endif
#ifdef UNWRITTEN
		d_step { find_unwritten() };
		if
		:: taken != NO_SLOT -> goto found
		:: else
		fi;
#endif
		/* W1; with ATTACH a choice at random stands for it. */
#if !defined(ALL_BUT_NEWEST) && !defined(ATTACH)
		read_cursors(held);
#endif
		atomic { choose_candidates() };
#if defined(MUTATE_ONE_BY_ONE) || defined(MUTATE_ONE_BY_ONE_FOR_EVER)
		try_one_by_one();
#elif defined(MUTATE_SCAN_PER_CANDIDATE)
		retire();
		try_one_by_one();
#else
#if defined(MUTATE_SCAN_FIRST)
		read_cursors(named);
		retire();
#elif defined(MUTATE_BY_TURNS)
		retire_and_read_by_turns();
#elif defined(MUTATE_NO_SCAN)
		retire();
#else
		retire();
		FENCE_WRITER;
		read_cursors(named);
#endif
		atomic { take() };
#endif
found:
		atomic { d_step { name_frame() } };
		/* W4, W5 */
#ifdef MUTATE_PIXELS_EARLY
		half[2 * taken] = fresh;
#endif
		settle();
		/* W6 */
		atomic { d_step { STORE_READY -> STORE_HALF(2 * taken, fresh) } };
#ifdef MUTATE_LIVE_EARLY
		word[taken] = WORD(fresh, LIVE);
#endif
		d_step { STORE_READY -> STORE_HALF(2 * taken + 1, fresh) };
		/* W7 */
		d_step { STORE_READY -> STORE_WORD(taken, WORD(fresh, LIVE)) };
		/* W8. No fence: the store only leaves the buffer after what was stored before it. */
progress_published:
		atomic { d_step { STORE_READY -> publish() } };
	od
}
