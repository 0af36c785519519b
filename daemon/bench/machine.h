/* SPDX-License-Identifier: BSD-2-Clause */
/* machine.h - what this machine is, as far as it bears on copying: for the head of a report. */
#ifndef LUMARING_BENCH_MACHINE_H
#define LUMARING_BENCH_MACHINE_H

#include <stdio.h>

/* Lines of a Markdown list. What cannot be found out is left out, or called unknown. */
void machine_print(FILE *out);

#endif
