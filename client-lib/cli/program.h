/* SPDX-License-Identifier: BSD-2-Clause */
/* program.h - where the daemon's program may be, for the verbs that have it do something. */
#ifndef LUMARING_CLI_PROGRAM_H
#define LUMARING_CLI_PROGRAM_H

#include <stddef.h>

#define PROGRAM_DAEMON "lumaringd"
#define PROGRAM_PATH_BYTES 4096u

/*
 * The place-th path to try, from 0 on: beside this program, and where it was built to be installed. "": this one is not
 * known. NULL: there are no more, and PROGRAM_DAEMON is left to be looked for where the shell would.
 */
const char *program_daemon(unsigned place, char path[PROGRAM_PATH_BYTES]);

#endif
