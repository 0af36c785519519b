/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.h - rows of cells as aligned columns, each as wide as its widest cell. What a terminal could take for more than
 * a letter becomes a question mark: cells may come from anybody.
 */
#ifndef LUMARING_CLI_TABLE_H
#define LUMARING_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_CELL_BYTES 256u  /* a longer one is cut */
#define TABLE_LINE_BYTES 4400u /* likewise: a path and more */

struct table {
	unsigned columns;
	size_t cell_count, room;
	char (*cells)[TABLE_CELL_BYTES];
	bool failed; /* no memory */
};

/* Begin with the heads of the columns, NULL at the end; one that begins with '>' makes its column flush right. */
void table_begin(struct table *table, const char *const *heads);

/* The next cell, row by row. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print and free it. 0, or -ENOMEM when a cell was lost, and then nothing is printed. */
int table_end(struct table *table, FILE *file);

/* Copy text, with a question mark for each byte that is not printable ASCII. */
void table_safe(char *target, size_t target_bytes, const char *text);

/* A line that may hold what others said. */
void table_line(const char *line, FILE *file);

#endif
