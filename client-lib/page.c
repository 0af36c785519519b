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

/* Bytes of the page that this version uses. */
#define WORD_BYTES sizeof(uint64_t)
#define WAKE_BYTES offsetof(struct lumaring_wake, reserved_0)
#define ACCOUNT_BYTES offsetof(struct lumaring_account, reserved)

/* A part of the page besides the cursors. */
struct area {
	const char *name;
	uint64_t offset, bytes;
};
#define AREAS 3

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

/* The last offset at which so many bytes fit. */
static uint64_t last_offset(uint32_t page_bytes, uint64_t bytes)
{
	return page_bytes > bytes ? page_bytes - bytes : 0;
}

static int check_layout(const struct lumaring_welcome *w, struct lr_error *error)
{
	const struct lr_field fields[] = {
		{ FIELD(w, cursors), 0, LUMARING_CURSORS_MAX, 0 },
		{ FIELD(w, page_bytes), WORD_BYTES, LR_PAGE_BYTES_MAX, 0 },
		{ FIELD(w, cursor_stride), WORD_BYTES, LR_PAGE_BYTES_MAX, 8 },
		{ FIELD(w, cursor_offset), 0, last_offset(w->page_bytes, WORD_BYTES), 8 },
		{ FIELD(w, region_offset), 0, last_offset(w->page_bytes, WORD_BYTES), 8 },
		{ FIELD(w, wake_offset), 0, last_offset(w->page_bytes, WAKE_BYTES), 4 },
		{ FIELD(w, account_offset), 0, last_offset(w->page_bytes, ACCOUNT_BYTES), 8 },
	};

	return lr_text_check(fields, sizeof(fields) / sizeof(fields[0]), "WELCOME", error);
}

static void list_areas(const struct lr_page *page, struct area areas[AREAS])
{
	areas[0] = (struct area){ "region", page->region_offset, WORD_BYTES };
	areas[1] = (struct area){ "wake word", page->wake_offset, page->wake_offset ? WAKE_BYTES : 0 };
	areas[2] = (struct area){ "account", page->account_offset, page->account_offset ? ACCOUNT_BYTES : 0 };
}

static bool overlap(const struct area *a, const struct area *b)
{
	return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static int check_areas(const struct lr_page *page, struct lr_error *error)
{
	struct area areas[AREAS];

	list_areas(page, areas);
	for (unsigned i = 0; i < AREAS; i++)
		for (unsigned k = 0; k < i; k++)
			if (overlap(&areas[i], &areas[k]))
				return lr_text_fail(error, -EBADMSG,
						    "WELCOME: the %s at byte %llu of the client page overlaps the %s "
						    "at byte %llu",
						    areas[i].name, (unsigned long long)areas[i].offset, areas[k].name,
						    (unsigned long long)areas[k].offset);
	return 0;
}

int lr_page_grant(struct lr_page *page, uint32_t granted, uint32_t wanted, struct lr_error *error)
{
	struct area areas[AREAS];

	if (granted > LUMARING_CURSORS_MAX)
		return lr_text_fail(error, -EBADMSG, "the daemon granted %u cursors, accepted: 0 to %u", granted,
				    LUMARING_CURSORS_MAX);
	list_areas(page, areas);
	for (uint32_t i = 0; i < granted; i++) {
		/* Fits 64 bits: all three were compared with LR_PAGE_BYTES_MAX. */
		const struct area cursor = { "cursor", page->cursor_offset + (uint64_t)i * page->cursor_stride,
					     WORD_BYTES };

		if (cursor.offset + cursor.bytes > page->bytes || overlap(&cursor, &areas[0]) ||
		    overlap(&cursor, &areas[1]) || overlap(&cursor, &areas[2]))
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
		.wake_offset = welcome->wake_offset,
		.account_offset = welcome->account_offset,
	};
	r = check_areas(page, error);
	if (r == 0)
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

void lr_page_count(struct lr_page *page, uint64_t missed, bool copied, uint64_t publication)
{
	struct lumaring_account *account = (void *)(page->base + page->account_offset);

	if (page->account_offset == 0)
		return;
	page->seen++;
	page->missed += missed;
	page->copied += copied;
	/* A1 pairs with the daemon's loads for its status: each number stands alone, so that no order is needed. */
	__atomic_store_n(&account->seen, page->seen, __ATOMIC_RELAXED);
	__atomic_store_n(&account->missed, page->missed, __ATOMIC_RELAXED);
	__atomic_store_n(&account->copied, page->copied, __ATOMIC_RELAXED);
	__atomic_store_n(&account->publication, publication, __ATOMIC_RELAXED);
}
