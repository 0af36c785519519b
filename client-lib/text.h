/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - sentences about errors: the one that belongs to a handle, and the checks that make one for a bad field.
 *
 * Functions that the library's files share begin with lr_ and the file's name, so that the static library takes no
 * other names from a program; those of lumaring.h are marked LUMARING_API.
 */
#ifndef LUMARING_CLIENT_TEXT_H
#define LUMARING_CLIENT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define LUMARING_API __attribute__((visibility("default")))

struct lr_error {
	char text[320];
};

/* Write the sentence; returns `code`, a negative errno. */
int lr_text_fail(struct lr_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Copy a text a peer sent, of at most `bytes`, terminated or not; what is not printable ASCII becomes '?'. */
void lr_text_from_peer(char *target, size_t target_bytes, const char *text, size_t bytes);

/* Bytes of the character at the front of a text of at least one byte; 0: it is none of UTF-8, or NUL. */
size_t lr_text_character(const char *text, size_t bytes);

/* A field of a structure that a peer made, and what it may hold. */
struct lr_field {
	const char *name;
	size_t offset; /* in its structure, for the sentence */
	uint64_t value, min, max;
	uint32_t multiple; /* 0: of anything */
};

/* 0, or -EBADMSG and a sentence about the first field that is out of range. `where` names the structure. */
int lr_text_check(const struct lr_field *fields, size_t count, const char *where, struct lr_error *error);

/* 0 when the characters before the first NUL, or all of them, are a name: [a-z0-9_-]{1,32}. */
int lr_text_check_name(const char *name, size_t bytes);

#endif
