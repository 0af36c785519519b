/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.h - text for people that is written as a whole or, when something goes wrong in the middle, not at all.
 */
#ifndef LUMARING_CLI_PAGE_H
#define LUMARING_CLI_PAGE_H

#include <stddef.h>
#include <stdio.h>

struct page {
	FILE *file; /* to print to */
	char *text;
	size_t bytes;
};

/* 0, or -ENOMEM; page_end() in either case. */
int page_begin(struct page *page);

/*
 * Free it; and write it to standard output if `r`, what became of printing, is 0. The exit code; -ENOMEM is told here,
 * other errors have been told.
 */
int page_end(struct page *page, int r);

/* Free it, unwritten. */
void page_drop(struct page *page);

#endif
