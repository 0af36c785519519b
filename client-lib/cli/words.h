/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * words.h - what the interface's numbers are called and how they are written for people: in the words and units of
 * `lumaring set`, so that what is printed can be set.
 */
#ifndef LUMARING_CLI_WORDS_H
#define LUMARING_CLI_WORDS_H

#include <stddef.h>

#include "json.h"

struct words {
	char text[64];
};

/* How a value is written: as it is, in thousandths, or on and off. */
enum words_manner {
	WORDS_WHOLE,
	WORDS_THOUSANDTHS,
	WORDS_SWITCH,
};

struct words_control {
	const char *word, *name; /* of `set`; of the interface's Controls */
	enum words_manner manner;
	size_t offset; /* in struct lumaring_controls */
	const char *unit;
};

#define WORDS_CONTROLS 11u

extern const struct words_control words_controls[WORDS_CONTROLS];

struct words words_in_manner(enum words_manner manner, double value);

/* The value of a control. */
struct words words_of_control(const struct words_control *control, const cJSON *item);

/* Of FrameDurations: "30", or "15-56"; "" where there is none. */
struct words words_of_rates(const cJSON *durations);

/* Of Size: "640x480"; "" where there is none. */
struct words words_of_size(const cJSON *size);

/* Of Region, as set takes it; "all" where it is the whole image whatever that is. */
struct words words_of_region(const cJSON *region);

#endif
