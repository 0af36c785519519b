/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_screen.h - a sample as a screen of a terminal, or as plain tables. Only letters of the tool's own making and
 * printable ASCII get there, whatever clients are called.
 */
#ifndef LUMARING_CLI_TOP_SCREEN_H
#define LUMARING_CLI_TOP_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#include "top_sample.h"

struct top_view {
	unsigned columns, rows; /* of the terminal; 0: no limit, and plain: no escapes, nothing left out */
	enum top_order order;   /* that the clients are in */
	size_t first;           /* clients left out in front */
	const char *clock;      /* the time of day */
	const char *away;       /* why there is no daemon; NULL: there is one */
	double away_us;         /* for how long */
};

/*
 * Print it: for a terminal from its upper left corner on, over what is there, and clean the rest. 0, or -ENOMEM: what
 * was printed is worth nothing. *ret_clients, how many of the clients stand there, says how far a page is.
 */
int top_screen_print(const struct top_sample *sample, const struct top_view *view, FILE *file, size_t *ret_clients);

#endif
