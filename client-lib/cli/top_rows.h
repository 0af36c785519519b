/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_rows.h - the two tables of `lumaring top`, of streams and of clients, as lines. Narrow screens have fewer
 * columns: those that say who is in trouble remain.
 */
#ifndef LUMARING_CLI_TOP_ROWS_H
#define LUMARING_CLI_TOP_ROWS_H

#include "top_sample.h"

struct top_rows {
	char *text;  /* all of them */
	char **line; /* the heads, then a line for each row */
};

/* Those of all streams, or of so many clients from `first` on, on a screen of so many columns; 0: all there are. 0, or
 * -ENOMEM; then there is nothing to free. */
int top_rows_of_streams(const struct top_sample *sample, unsigned columns, struct top_rows *ret_rows);
int top_rows_of_clients(const struct top_sample *sample, size_t first, size_t count, unsigned columns,
			struct top_rows *ret_rows);

void top_rows_free(struct top_rows *rows);

#endif
