/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.h - writes JSON text into memory that grows: whole numbers as they are, whatever their size, and strings that
 * are valid UTF-8 whatever bytes they were given. Nothing is parsed here.
 *
 *     struct json json = { 0 };
 *     json_object(&json, NULL);
 *     json_number(&json, "captured", n);
 *     json_close(&json);
 *     text = json_take(&json, &bytes);
 *
 * `name` is the key inside an object, and NULL inside an array and outside of everything. Without memory the calls do
 * nothing more, and json_take() says so. Any thread, one at a time for one text.
 */
#ifndef LUMARING_JSON_H
#define LUMARING_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 16u

/* Zero-initialise. */
struct json {
	char *text;
	size_t bytes, room;
	bool comma;  /* a value stands before the next one */
	bool failed; /* no memory */
	unsigned depth;
	char closers[JSON_DEPTH_MAX];
};

void json_object(struct json *json, const char *name);
void json_array(struct json *json, const char *name);
void json_close(struct json *json); /* the innermost of these */

void json_number(struct json *json, const char *name, uint64_t value);
void json_integer(struct json *json, const char *name, int64_t value);
void json_id(struct json *json, const char *name, uint64_t value); /* as a string: for readers with doubles only */
void json_bool(struct json *json, const char *name, bool value);
void json_null(struct json *json, const char *name);
void json_string(struct json *json, const char *name, const char *value);
/* A value that is JSON already, of another json_take() for example. */
void json_raw(struct json *json, const char *name, const char *text, size_t bytes);

/* The finished text, NUL-terminated, the caller's to free(3); NULL: no memory. *json is zero again. */
char *json_take(struct json *json, size_t *ret_bytes);

#endif
