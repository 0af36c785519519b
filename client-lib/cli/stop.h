/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stop.h - SIGINT and SIGTERM end the tool between two frames; a closed pipe and a file that may not grow are error
 * codes and not signals.
 */
#ifndef LUMARING_CLI_STOP_H
#define LUMARING_CLI_STOP_H

#define STOP_GRACE_S 2 /* for a reader that takes nothing: then the tool ends in the middle of a frame */

void stop_install(void);

/*
 * When a second signal or the end of the grace period ends the tool at once, call this first, in the handler: it may
 * use async-signal-safe functions only. From now on SIGHUP counts as SIGINT and SIGTERM do, unless it is ignored.
 */
void stop_call_before_end(void (*call)(void));

/* From now on SIGHUP counts as SIGINT and SIGTERM do, unless it is ignored, as by nohup(1). */
void stop_at_hangup(void);

/* From now on no time is too long: what is left goes to a file, and a slow disk is no reader that takes nothing. */
void stop_patiently(void);

/* The signal that asked to stop, or 0. */
int stop_signal(void);

#endif
