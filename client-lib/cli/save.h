/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * save.h - what `--save` keeps of a change that is in force already. Each returns the exit code; a failure is told, and
 * that the change stays until the daemon ends; so is what is saved, and yet will not be in force at its next start.
 */
#ifndef LUMARING_CLI_SAVE_H
#define LUMARING_CLI_SAVE_H

#include <lumaring/control.h>

#include "options.h"

/*
 * What `set` was given, or where the source took something else (`applied`, NULL: that was not called for), what it
 * took: a daemon may not start with what it could not have. With a region, also all streams.
 */
int save_set(const struct options *options, struct lumaring_control *control, const struct lumaring_applied *applied);

/* All streams as they are. */
int save_streams(const struct options *options, struct lumaring_control *control);

#endif
