/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.h - a small reader of JSON texts that the daemon sent. A text is checked once, whole and strictly; after that
 * its values are slices of it, which nothing is copied or allocated for. Of keys that stand in an object twice the
 * first counts; a key that is written with escapes is not found.
 */
#ifndef LUMARING_CLIENT_JSON_H
#define LUMARING_CLIENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LR_JSON_DEPTH_MAX 32u

/* A value in a text that was checked: its first byte, and the one behind its last. */
struct lr_json {
	const char *begin, *end;
};

/*
 * Is the text one JSON object, and nothing besides but blanks? 0; or -EBADMSG and in *ret_offset the byte that cannot
 * be where it is, which may be the one behind the end.
 */
int lr_json_check(const char *text, size_t bytes, struct lr_json *ret_object, size_t *ret_offset);

/* The value at a path of keys, "configuration.size.width". */
bool lr_json_find(struct lr_json object, const char *path, struct lr_json *ret_value);

bool lr_json_is_object(struct lr_json value);
bool lr_json_is_true(struct lr_json value);
bool lr_json_is_string(struct lr_json value);

/* Elements of an array; 0 for what is none. */
size_t lr_json_count(struct lr_json array);

/* The element of an array that follows the one in *element, or the first when that is all zeros. False: no more. */
bool lr_json_next(struct lr_json array, struct lr_json *element);

/* A whole number within the range, written without fraction and exponent. */
bool lr_json_integer(struct lr_json value, int64_t min, int64_t max, int64_t *ret_integer);

/*
 * A string as text for people: what is not printable ASCII becomes '?', what does not fit is cut off. False: no string,
 * and then the text is empty.
 */
bool lr_json_text(struct lr_json value, char *text, size_t text_bytes);

#endif
