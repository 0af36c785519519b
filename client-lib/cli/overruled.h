/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * overruled.h - whether what `--save` wrote will be in force at the daemon's next start: the daemon's command line and
 * drop-ins that are read later say more than the file it is in.
 */
#ifndef LUMARING_CLI_OVERRULED_H
#define LUMARING_CLI_OVERRULED_H

#include <stdbool.h>

#include "dropin.h"

/*
 * Tell of each key that was set in `dropin` and stands there as well. `command_line`: the keys that the daemon says it
 * was given there, an array of strings, NULL: it does not say. True: there was one.
 */
bool overruled_tell(const struct dropin *dropin, const cJSON *command_line);

#endif
