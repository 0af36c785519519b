/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * save.h - what `--save` keeps of a change that is in force already. Each returns the exit code; a failure is told, and
 * that the change stays until the daemon ends.
 */
#ifndef LUMARING_CLI_SAVE_H
#define LUMARING_CLI_SAVE_H

#include <lumaring/lumaring.h>

#include "options.h"

/* What `set` was given; with a region, also all streams. */
int save_set(const struct options *options, struct lumaring_control *control);

/* All streams as they are. */
int save_streams(const struct options *options, struct lumaring_control *control);

#endif
