/* SPDX-License-Identifier: BSD-2-Clause */
/* page.c - see page.h. */
#include "page.h"

#include <errno.h>
#include <stdlib.h>

#include "options.h"
#include "output.h"

int page_begin(struct page *page)
{
	*page = (struct page){ 0 };
	page->file = open_memstream(&page->text, &page->bytes);
	return page->file ? 0 : -ENOMEM;
}

int page_end(struct page *page, int r)
{
	if (page->file && fclose(page->file) < 0 && r == 0)
		r = -ENOMEM;
	if (r == 0)
		r = output_deliver(page->text, page->bytes);
	else if (r == -ENOMEM)
		talk("out of memory");
	free(page->text);
	return r < 0 ? CODE_FAILED : CODE_OK;
}

void page_drop(struct page *page)
{
	if (page->file)
		fclose(page->file);
	free(page->text);
}
