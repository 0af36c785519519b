/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wake.pml - the wake words of a client page, steps N1 to N7 of include/lumaring/layout.h: one daemon that publishes
 * frames and sends messages, one client that waits with futex(2). N3's bound of 100 ms is left out: nobody is woken by
 * time, so a wake that is lost is a client that sleeps for ever.
 *
 * When nothing moves any more, whenever the daemon stops talking, the client has seen every frame and every message
 * (nothing_slept_over). Every step is one atomic access in one order of all, which is what seq_cst makes of N1, N2, N5
 * and N6; N3 is one step, since the kernel compares and queues under the lock that a wake takes.
 *
 * The MUTATE_ flags break one step each; `run` says which error each must cause.
 */
#ifndef TALKS
#define TALKS 3 /* frames and messages together */
#endif

byte published;   /* R1: number of the newest frame */
byte socket;      /* messages sent */
byte word, events;
bool waiting;
bool asleep;      /* the kernel's: the client is queued on the word */

byte frame_seen, socket_seen; /* the client's */
bool nothing_slept_over;

inline wake()
{
#ifdef MUTATE_ADD_LATE
	/* N6 before N5 */
	if
	:: waiting -> word++; asleep = false
	:: else -> word++
	fi
#else
#ifndef MUTATE_NO_ADD
	word++; /* N5 */
#endif
	if /* N6 */
#ifdef MUTATE_NO_WAKE
	:: waiting -> skip
#else
	:: waiting -> asleep = false
#endif
	:: else
	fi
#endif
}

inline tell()
{
	socket++;
#ifdef MUTATE_EVENTS_LATE
	wake();
	events++
#else
	events++; /* N7 */
	wake()
#endif
}

active proctype daemon()
{
	byte talks;

	do
	:: talks < TALKS ->
		talks++;
		if
		:: published++; wake()
		:: tell()
		fi
	:: break
	od
}

/* One look at the ring, and at the socket when it is due. */
inline look()
{
	frame_seen = published;
	if
	:: events != events_seen -> events_seen = events; socket_seen = socket
	:: else
	fi
}

active proctype client()
{
	byte seen, events_seen;

end:
	do
	::
#ifdef MUTATE_LOOK_FIRST
		look();
		seen = word;
#else
		seen = word; /* N1 */
		look();
#endif
#ifndef MUTATE_STORE_LATE
#ifndef MUTATE_NO_STORE
		waiting = true; /* N2 */
#endif
#endif
		atomic { /* N3 */
			if
#ifdef MUTATE_NO_COMPARE
			:: asleep = true
#else
			:: word == seen -> asleep = true
			:: else
#endif
			fi
		};
#ifdef MUTATE_STORE_LATE
		waiting = true;
#endif
end_asleep:
		!asleep;
		waiting = false
	od
}

active proctype judge()
{
	timeout;
	nothing_slept_over = (frame_seen == published && socket_seen == socket);
	assert(nothing_slept_over)
}
