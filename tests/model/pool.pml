/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.pml - how bands are handed out, daemon/copy/pool.c: one caller that makes RUNS runs one after another, and
 * WORKERS workers that come whenever they like (called for a run, or to show that they move), at every step of theirs
 * held up for as long as may be.
 *
 * Each band is done once, for the run whose record it was taken with, and while that run is under way (band_of_its_run,
 * band_once); when a run is over, all of its bands are done (all_done). The bands of a run, and how many workers are let
 * in, change from run to run.
 *
 * Every step is one atomic access in one order of all. The code asks for less: a worker that reads any field of a later
 * record (T3) has seen the word closed. That is what one order gives here; that it is so there, the labels say.
 *
 * Numbers of runs do not come again here, as those of the code do after 2^40 runs. The MUTATE_ flags break one step
 * each; `run` says which error each must cause.
 */
#ifndef RUNS
#define RUNS 3
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#define BANDS_MAX 2
#define CLOSED 9

typedef word_t {
	byte generation, band;
};

word_t turn; /* one word: every access to it is atomic */
byte record, bands, let_in; /* `record` stands for what to do: the number of the run */
byte done;

byte under_way;        /* number of the run, 0 between two */
byte times[BANDS_MAX]; /* each band of it was done */
bool band_of_its_run = true, band_once = true, all_done = true;

inline take(index)
{
	atomic { seen.generation = turn.generation; seen.band = turn.band } /* T1 */
	do
	::
		my_record = record; /* T3, in an order of its own: any would do */
		my_bands = bands;
		my_let_in = let_in;
		if
		:: index >= my_let_in || seen.band >= my_bands -> taken = false; break
		:: else
		fi;
		atomic { /* T4 */
			if
#ifdef MUTATE_NO_GENERATION
			:: turn.band == seen.band ->
#else
			:: turn.generation == seen.generation && turn.band == seen.band ->
#endif
				turn.band++;
				taken = true;
				break
			:: else -> seen.generation = turn.generation; seen.band = turn.band
			fi
		}
	od;
	my_bands = 0; my_let_in = 0; seen.generation = 0
}

inline do_band()
{
	atomic {
		band_of_its_run = (my_record == under_way);
		assert(band_of_its_run);
		times[seen.band]++;
		band_once = (times[seen.band] == 1);
		assert(band_once);
		seen.band = 0; my_record = 0
	}
}

proctype worker(byte index)
{
	byte my_record, my_bands, my_let_in, count;
	bool taken;
	word_t seen;

end:
	do
	:: take(index);
		if
		:: taken ->
#ifdef MUTATE_REPORT_EARLY
			done++;
			do_band()
#else
			do_band();
			count++
#endif
		:: else ->
			done = done + count; /* D1 */
			count = 0;
			seen.band = 0; my_record = 0
		fi
	od
}

inline open_run(number)
{
#ifndef MUTATE_NEVER_CLOSED
	atomic { turn.generation = number; turn.band = CLOSED }
#endif
	done = 0;
	record = number; /* T3 */
	bands = 1 + number % BANDS_MAX;
	let_in = 1 + number % (WORKERS + 1);
	atomic { /* T2 */
		under_way = number;
		turn.generation = number;
		turn.band = 0
	}
}

active proctype caller()
{
	byte number, my_record, my_bands, my_let_in, count, i;
	bool taken;
	word_t seen;

	atomic {
		i = 1;
		do
		:: i <= WORKERS -> run worker(i); i++
		:: else -> break
		od;
		i = 0
	}
	do
	:: number < RUNS ->
		number++;
		open_run(number);
		do
		:: take(0);
			if
			:: taken -> do_band(); count++
			:: else -> break
			fi
		od;
#ifndef MUTATE_NO_WAIT
		done == bands - count; /* D2 */
#endif
		atomic {
			count = 0; seen.band = 0; my_record = 0;
			do
			:: i < bands -> all_done = all_done && times[i] == 1; times[i] = 0; i++
			:: else -> break
			od;
			assert(all_done);
			i = 0;
			under_way = 0
		}
	:: else -> break
	od
}
