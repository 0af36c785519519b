/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.c - see page.h. Runs in the caller's thread. Must never take an offset from the daemon that it has not compared
 * with the size of a memfd that cannot shrink.
 */
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIELD(welcome, field) #field, offsetof(struct lumaring_welcome, field), (welcome)->field

static int check_file(int fd, uint32_t page_bytes, struct lr_error *error)
{
	struct stat status;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &status) < 0)
		return lr_text_fail(error, -EBADMSG,
				    "the client page the daemon handed over is no memfd sealed against shrinking");
	if (status.st_size < (off_t)page_bytes)
		return lr_text_fail(error, -EBADMSG, "the client page is %lld bytes long, the daemon said %u",
				    (long long)status.st_size, page_bytes);
	return 0;
}

static int check_layout(const struct lumaring_welcome *w, struct lr_error *error)
{
	const uint64_t word = sizeof(uint64_t);
	const struct lr_field fields[] = {
		{ FIELD(w, cursors), 0, LUMARING_CURSORS_MAX, 0 },
		{ FIELD(w, page_bytes), word, LR_PAGE_BYTES_MAX, 0 },
		{ FIELD(w, cursor_stride), word, LR_PAGE_BYTES_MAX, 8 },
		{ FIELD(w, cursor_offset), 0, w->page_bytes - word, 8 },
		{ FIELD(w, region_offset), 0, w->page_bytes - word, 8 },
	};

	return lr_text_check(fields, sizeof(fields) / sizeof(fields[0]), "WELCOME", error);
}

int lr_page_grant(struct lr_page *page, uint32_t granted, uint32_t wanted, struct lr_error *error)
{
	if (granted > LUMARING_CURSORS_MAX)
		return lr_text_fail(error, -EBADMSG, "the daemon granted %u cursors, accepted: 0 to %u", granted,
				    LUMARING_CURSORS_MAX);
	for (uint32_t i = 0; i < granted; i++) {
		/* Fits 64 bits: all three were compared with LR_PAGE_BYTES_MAX. */
		uint64_t offset = page->cursor_offset + (uint64_t)i * page->cursor_stride;

		if (offset + sizeof(uint64_t) > page->bytes || offset == page->region_offset)
			return lr_text_fail(error, -EBADMSG,
					    "the daemon granted %u cursors, but number %u does not fit the client page",
					    granted, i);
	}
	page->cursors = granted < wanted ? granted : wanted;
	return 0;
}

int lr_page_open(int fd, int socket, const struct lumaring_welcome *welcome, uint32_t cursors_wanted,
		 struct lr_page **ret_page, struct lr_error *error)
{
	struct lr_page *page;
	void *base;
	int r = check_layout(welcome, error);

	if (r == 0)
		r = check_file(fd, welcome->page_bytes, error);
	if (r < 0)
		return r;
	page = malloc(sizeof(*page));
	if (!page)
		return lr_text_fail(error, -ENOMEM, "out of memory");
	*page = (struct lr_page){
		.references = 1,
		.socket = socket,
		.bytes = welcome->page_bytes,
		.cursor_offset = welcome->cursor_offset,
		.cursor_stride = welcome->cursor_stride,
		.region_offset = welcome->region_offset,
	};
	r = lr_page_grant(page, welcome->cursors, cursors_wanted, error);
	if (r < 0) {
		free(page);
		return r;
	}
	base = mmap(NULL, page->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		r = lr_text_fail(error, errno == ENOMEM ? -ENOMEM : -EBADMSG, "the client page cannot be mapped: %s",
				 strerror(errno));
		free(page);
		return r;
	}
	page->base = base;
	*ret_page = page;
	return 0;
}

struct lr_page *lr_page_ref(struct lr_page *page)
{
	page->references++;
	return page;
}

void lr_page_unref(struct lr_page *page)
{
	if (!page || --page->references > 0)
		return;
	munmap(page->base, page->bytes);
	close(page->socket);
	free(page);
}

int lr_page_take_cursor(struct lr_page *page)
{
	for (uint32_t i = 0; i < page->cursors; i++) {
		if (!(page->used & UINT32_C(1) << i)) {
			page->used |= UINT32_C(1) << i;
			return (int)i;
		}
	}
	return -1;
}

void lr_page_put_cursor(struct lr_page *page, int cursor)
{
	page->used &= ~(UINT32_C(1) << cursor);
}
