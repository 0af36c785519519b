/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h - one connection for control as the verbs use it: opening with patience, calls within --timeout, and every
 * failure as a sentence and an exit code; with --json the daemon's error too, as an object on standard output.
 */
#ifndef LUMARING_CLI_CONTROL_H
#define LUMARING_CLI_CONTROL_H

#include <lumaring/control.h>

#include "options.h"

/* CODE_OK and a handle to close, or another exit code after a sentence. */
int control_open(const struct options *options, struct lumaring_control **ret_control);

/* What a call may take. */
int control_timeout_ms(const struct options *options);

/* Of one call that is made again and again; zero-initialise. */
struct control_patience {
	uint64_t since_ns; /* the first time that the daemon was busy, 0: not yet */
};

/*
 * After a call that ended with `error`: was the daemon busy with another change, and is there time left to wait for it?
 * Then true, after the pause that the daemon wished for.
 */
bool control_again(const struct options *options, const struct lumaring_control *control, int error,
		   struct control_patience *patience);

/* Say what a call failed with; the exit code for it. */
int control_failure(const struct options *options, const struct lumaring_control *control, int error);

/* Any call: CODE_OK and the reply's parameters, valid until the next call; or an exit code after a sentence. */
int control_call(const struct options *options, struct lumaring_control *control, const char *method,
		 const char *parameters, const char **ret_json);

/* An object as a line of its own on standard output. The exit code. */
int control_show_json(const char *json);

#endif
