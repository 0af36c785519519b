/* SPDX-License-Identifier: BSD-2-Clause */
/* table.c - see table.h. All cells are kept until the end, since the last one may be the widest. */
#include "table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16u
#define GAP 2

void table_safe(char *target, size_t target_bytes, const char *text)
{
	size_t n = 0;

	for (; text[n] && n + 1 < target_bytes; n++)
		target[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	target[n] = '\0';
}

static char *add_cell(struct table *table)
{
	size_t room = table->room ? table->room * 2 : 64;
	void *cells;

	if (table->cell_count < table->room)
		return table->cells[table->cell_count++];
	cells = realloc(table->cells, room * sizeof(*table->cells));
	if (!cells) {
		table->failed = true;
		return NULL;
	}
	table->cells = cells;
	table->room = room;
	return table->cells[table->cell_count++];
}

void table_begin(struct table *table, const char *const *heads)
{
	*table = (struct table){ 0 };
	for (; heads[table->columns] && table->columns < COLUMNS_MAX; table->columns++)
		table_cell(table, "%s", heads[table->columns]);
}

void table_cell(struct table *table, const char *format, ...)
{
	char text[TABLE_CELL_BYTES], *cell = add_cell(table);
	va_list arguments;

	if (!cell)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table_safe(cell, TABLE_CELL_BYTES, text);
}

/* The mark of a head that makes its column flush right is not for reading. */
static const char *shown(const struct table *table, size_t cell)
{
	const char *text = table->cells[cell];

	return cell < table->columns && text[0] == '>' ? text + 1 : text;
}

static void print_row(const struct table *table, size_t first, const int *widths, FILE *file)
{
	for (unsigned c = 0; c < table->columns; c++) {
		const char *text = shown(table, first + c);
		int blanks = widths[c] - (int)strlen(text);

		if (table->cells[c][0] == '>')
			fprintf(file, "%*s%s", blanks, "", text);
		else
			fprintf(file, "%s%*s", text, c + 1 < table->columns ? blanks : 0, "");
		fprintf(file, "%*s", c + 1 < table->columns ? GAP : 0, "");
	}
	fputc('\n', file);
}

int table_end(struct table *table, FILE *file)
{
	int widths[COLUMNS_MAX] = { 0 }, r = table->failed ? -ENOMEM : 0;

	for (size_t i = 0; r == 0 && i < table->cell_count; i++) {
		int width = (int)strlen(shown(table, i)), *widest = &widths[i % table->columns];

		*widest = width > *widest ? width : *widest;
	}
	for (size_t i = 0; r == 0 && i + table->columns <= table->cell_count; i += table->columns)
		print_row(table, i, widths, file);
	free(table->cells);
	*table = (struct table){ 0 };
	return r;
}

void table_line(const char *line, FILE *file)
{
	char safe[TABLE_LINE_BYTES];

	table_safe(safe, sizeof(safe), line);
	fprintf(file, "%s\n", safe);
}
