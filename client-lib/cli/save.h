/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * save.h - what `--save` keeps of a change that is in force already. Each returns the exit code; a failure is told, and
 * that the change stays until the daemon ends; so is what is saved, and yet will not be in force at its next start.
 */
#ifndef LUMARING_CLI_SAVE_H
#define LUMARING_CLI_SAVE_H

#include <lumaring/control.h>

#include "dropin.h"
#include "json.h"
#include "options.h"

/* Zero-initialise. */
struct save {
	struct dropin dropin;
	cJSON *status; /* of the daemon, NULL: not begun */
};

/*
 * Before the change, if it is to be saved: wait until nobody else saves, so that the last change in force is the last
 * one saved. A failure is told, and again as what it means by the functions below; the change can be made all the same.
 */
void save_begin(struct save *save, const struct options *options, struct lumaring_control *control);
void save_end(struct save *save);

/*
 * What `set` was given, or where the source took something else (`applied`, NULL: that was not called for), what it
 * took: a daemon may not start with what it could not have. With a region, also all streams.
 */
int save_set(struct save *save, const struct options *options, struct lumaring_control *control,
	     const struct lumaring_applied *applied);

/* All streams as they are. */
int save_streams(struct save *save, const struct options *options, struct lumaring_control *control);

#endif
