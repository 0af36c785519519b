/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_exec.h - run a program of this machine, without a shell, for a bounded time, and read what it says.
 */
#ifndef LUMARING_CLI_DOCTOR_EXEC_H
#define LUMARING_CLI_DOCTOR_EXEC_H

#include <stddef.h>

#define DOCTOR_EXEC_MS 5000

/*
 * `words` end with NULL; the first is a path, or a name that is looked for as the shell would. It is run in LC_ALL=C,
 * with nothing to read. What it writes to standard output and standard error goes into `text`, what has no room there
 * is lost. The exit code, 128 and the number of the signal that ended it, or a negative errno: -ENOENT where there is
 * no such program, -ETIMEDOUT after DOCTOR_EXEC_MS, when it and what it started were killed.
 */
int doctor_exec(const char *const *words, char *text, size_t text_bytes);

#endif
