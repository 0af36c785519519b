/* SPDX-License-Identifier: BSD-2-Clause */
/* page.h - client pages: one sealed memfd per connection, see struct lumaring_client_page. Main thread. */
#ifndef LUMARING_PAGE_H
#define LUMARING_PAGE_H

#include <lumaring/layout.h>

/* Make and map one, all zero. *ret_fd is for the client; the mapping is ours until page_destroy(). */
int page_create(struct lumaring_client_page **ret_page, int *ret_fd);
void page_destroy(struct lumaring_client_page *page); /* NULL is allowed */

#endif
