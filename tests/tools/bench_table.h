/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_table.h - repeats as a median with the least and the most, and as a cell of a table. A part of bench.c. */
#ifndef LUMARING_TESTS_BENCH_TABLE_H
#define LUMARING_TESTS_BENCH_TABLE_H

#include <stdio.h>
#include <stdlib.h>

#define REPEATS_MAX 31u
#define CELL_BYTES 64u

struct spread {
	double median, least, most;
};

static inline int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values. */
static inline struct spread spread_of(double *values, unsigned count)
{
	qsort(values, count, sizeof(values[0]), compare_doubles);
	return (struct spread){
		.median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2,
		.least = values[0],
		.most = values[count - 1],
	};
}

/* "1012 [990..1050]" */
static inline void spread_text(char text[CELL_BYTES], const struct spread *s, int digits)
{
	snprintf(text, CELL_BYTES, "%.*f [%.*f..%.*f]", digits, s->median, digits, s->least, digits, s->most);
}

#endif
