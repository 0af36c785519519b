/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dropin.h - the file of the daemon's configuration that `--save` writes, DIRECTORY/CAMERA.json.d/50-set.json: what it
 * said before, what is new over it, replaced as a whole or not at all.
 */
#ifndef LUMARING_CLI_DROPIN_H
#define LUMARING_CLI_DROPIN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

#define DROPIN_NAME "50-set.json"
#define DROPIN_KEYS_MAX 16u
#define DROPIN_BYTES_MAX 65536u /* of the file: more the daemon does not read */

struct dropin {
	char directory[PATH_MAX]; /* of the drop-ins */
	char path[PATH_MAX];
	int fd;        /* of the directory, locked */
	unsigned mode; /* of the file */
	cJSON *values;
	const char *set[DROPIN_KEYS_MAX]; /* keys that were set, as they were given */
	unsigned set_count;
};

/*
 * Lock the directory, which is made when it is missing, so that one program at a time changes what is in force and what
 * is kept of it: else one could do the first before another, and the second after it. Waits for 30 s at most. 0:
 * dropin_end() is due; else a negative errno after a sentence.
 */
int dropin_lock(struct dropin *dropin, const char *directory, const char *camera);

/* Read what is there. 0, or a negative errno after a sentence: then nothing may be set or written. */
int dropin_read(struct dropin *dropin);

/* Set a key, of static storage; to its default: whatever files that are read before say. Each failure shows when it is
 * written. */
void dropin_set_text(struct dropin *dropin, const char *key, const char *text);
void dropin_set_number(struct dropin *dropin, const char *key, int64_t number);
void dropin_set_bool(struct dropin *dropin, const char *key, bool value);
void dropin_set_default(struct dropin *dropin, const char *key);

/*
 * All shared streams, as GetConfiguration tells them, without what is a default. `default_slots`: names of those whose
 * number of slots nobody gave, as GetStatus tells them, NULL: it does not.
 */
void dropin_set_streams(struct dropin *dropin, const cJSON *streams, const cJSON *default_slots);

/* Write it. 0, or a negative errno after a sentence. */
int dropin_write(struct dropin *dropin);

/* Unlock and free. */
void dropin_end(struct dropin *dropin);

#endif
