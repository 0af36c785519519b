/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - `lumaring bench --camera`: the one verb with options of its own, since --camera says here what is measured
 * and not whose frames are read. The daemon has what is measured, so it does the work.
 */
#ifndef LUMARING_CLI_BENCH_H
#define LUMARING_CLI_BENCH_H

#include <stdbool.h>
#include <stdio.h>

/* Become lumaringd. `argv` begins with the verb. Returns only to have help printed, or an exit code after a sentence.
 */
int bench_run(int argc, char **argv, bool *ret_help);

void bench_print_options(FILE *file);

#endif
