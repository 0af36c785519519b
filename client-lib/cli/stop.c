/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stop.c - see stop.h. The handlers only note the signal and start the grace period; a second signal, or the end of
 * that period, ends the process at once.
 */
#include "stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t stop_noted, stop_patient;
static void (*volatile stop_before_end)(void);

static void stop_note(int signal_number)
{
	stop_noted = signal_number;
	if (!stop_patient)
		alarm(STOP_GRACE_S);
}

static void stop_now(int signal_number)
{
	if (stop_before_end)
		stop_before_end();
	_exit(128 + (stop_noted ? stop_noted : signal_number));
}

void stop_install(void)
{
	struct sigaction note = { .sa_handler = stop_note, .sa_flags = SA_RESETHAND };
	struct sigaction now = { .sa_handler = stop_now };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	/* Without SA_RESTART: a wait that the library is in returns -EINTR. */
	sigaction(SIGINT, &note, NULL);
	sigaction(SIGTERM, &note, NULL);
	sigaction(SIGALRM, &now, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

static void stop_note_or_now(int signal_number)
{
	if (stop_noted)
		stop_now(signal_number);
	stop_note(signal_number);
}

void stop_call_before_end(void (*call)(void))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction note = { .sa_handler = stop_note_or_now }, before;

	stop_before_end = call;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], NULL, &before);
		if (before.sa_handler != SIG_IGN) /* by nohup(1), say */
			sigaction(signals[i], &note, NULL);
	}
}

void stop_at_hangup(void)
{
	struct sigaction note = { .sa_handler = stop_note, .sa_flags = SA_RESETHAND }, before;

	sigaction(SIGHUP, NULL, &before);
	if (before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &note, NULL);
}

void stop_patiently(void)
{
	stop_patient = 1;
	alarm(0);
}

int stop_signal(void)
{
	return stop_noted;
}
