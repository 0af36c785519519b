/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stop.h - SIGINT and SIGTERM end the tool between two frames; a closed pipe and a file that may not grow are error
 * codes and not signals.
 */
#ifndef LUMARING_CLI_STOP_H
#define LUMARING_CLI_STOP_H

#define STOP_GRACE_S 2 /* for a reader that takes nothing: then the tool ends in the middle of a frame */

void stop_install(void);

/* The signal that asked to stop, or 0. */
int stop_signal(void);

#endif
