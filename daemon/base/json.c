/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.c - see json.h. One buffer that doubles: a text of 100 KiB costs a dozen allocations. Must never put a byte into
 * a string that JSON or UTF-8 does not allow.
 */
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define JSON_ROOM_FIRST 4096u

static void append(struct json *json, const char *text, size_t bytes)
{
	size_t room = json->room ? json->room : JSON_ROOM_FIRST;
	char *grown;

	if (json->failed)
		return;
	/* One more for the NUL. */
	while (room - json->bytes < bytes + 1)
		room *= 2;
	if (room != json->room) {
		grown = realloc(json->text, room);
		if (!grown) {
			json->failed = true;
			return;
		}
		json->text = grown;
		json->room = room;
	}
	memcpy(json->text + json->bytes, text, bytes);
	json->bytes += bytes;
}

/* Characters that stand for themselves: most strings are nothing else. */
static size_t plain_length(const char *text)
{
	size_t n = 0;

	while (text[n] >= ' ' && text[n] <= '~' && text[n] != '"' && text[n] != '\\')
		n++;
	return n;
}

static void append_string(struct json *json, const char *value)
{
	char escaped[8];

	append(json, "\"", 1);
	while (*value) {
		size_t plain = plain_length(value), length = plain ? plain : utf8_length(value);

		if (length == 0) {
			append(json, "\\ufffd", 6);
			length = 1;
		} else if (*value == '"' || *value == '\\') {
			append(json, (const char[]){ '\\', *value }, 2);
		} else if ((unsigned char)*value < 0x20) {
			snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)*value);
			append(json, escaped, 6);
		} else {
			append(json, value, length);
		}
		value += length;
	}
	append(json, "\"", 1);
}

/* What stands before each value. */
static void begin(struct json *json, const char *name)
{
	if (json->comma)
		append(json, ",", 1);
	json->comma = true;
	if (!name)
		return;
	append_string(json, name);
	append(json, ":", 1);
}

static void open_level(struct json *json, const char *name, const char *opener, char closer)
{
	assert(json->depth < JSON_DEPTH_MAX);
	begin(json, name);
	append(json, opener, 1);
	json->comma = false;
	json->closers[json->depth++] = closer;
}

void json_object(struct json *json, const char *name)
{
	open_level(json, name, "{", '}');
}

void json_array(struct json *json, const char *name)
{
	open_level(json, name, "[", ']');
}

void json_close(struct json *json)
{
	assert(json->depth > 0);
	append(json, &json->closers[--json->depth], 1);
	json->comma = true;
}

void json_number(struct json *json, const char *name, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRIu64, value);

	begin(json, name);
	append(json, text, (size_t)n);
}

void json_integer(struct json *json, const char *name, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRId64, value);

	begin(json, name);
	append(json, text, (size_t)n);
}

void json_id(struct json *json, const char *name, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "\"%" PRIu64 "\"", value);

	begin(json, name);
	append(json, text, (size_t)n);
}

void json_bool(struct json *json, const char *name, bool value)
{
	begin(json, name);
	append(json, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *json, const char *name)
{
	json_raw(json, name, "null", 4);
}

void json_string(struct json *json, const char *name, const char *value)
{
	begin(json, name);
	append_string(json, value);
}

void json_raw(struct json *json, const char *name, const char *text, size_t bytes)
{
	begin(json, name);
	append(json, text, bytes);
}

char *json_take(struct json *json, size_t *ret_bytes)
{
	char *text = json->text;

	assert(json->depth == 0);
	if (json->failed || !text) {
		free(text);
		text = NULL;
	} else {
		text[json->bytes] = '\0';
		*ret_bytes = json->bytes;
	}
	*json = (struct json){ 0 };
	return text;
}
