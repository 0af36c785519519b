/* SPDX-License-Identifier: BSD-2-Clause */
/* verbs.h - what main.c dispatches to. Each verb says what went wrong itself and returns the exit code. */
#ifndef LUMARING_CLI_VERBS_H
#define LUMARING_CLI_VERBS_H

#include "options.h"

int watch_run(const struct options *options);
int snap_run(const struct options *options);
int cat_run(const struct options *options);
int status_run(const struct options *options);

#endif
