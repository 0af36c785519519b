/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * request.c - see request.h. Commas are put where they belong; whether brackets match is the caller's to see to.
 */
#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 512u

static void add(struct lr_request *r, const char *text, size_t bytes)
{
	size_t room = r->room > 0 ? r->room : ROOM_FIRST;
	char *grown;

	while (room < r->bytes + bytes + 1)
		room *= 2;
	if (!r->failed && room > r->room) {
		grown = realloc(r->text, room);
		r->failed = !grown;
		if (grown) {
			r->text = grown;
			r->room = room;
		}
	}
	if (r->failed)
		return;
	memcpy(r->text + r->bytes, text, bytes);
	r->bytes += bytes;
	r->text[r->bytes] = '\0';
}

static void add_string(struct lr_request *r, const char *text)
{
	add(r, "\"", 1);
	for (; *text; text++) {
		char escape[8];

		if (*text == '"' || *text == '\\')
			add(r, escape, (size_t)snprintf(escape, sizeof(escape), "\\%c", *text));
		else if ((unsigned char)*text < ' ')
			add(r, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", *text));
		else
			add(r, text, 1);
	}
	add(r, "\"", 1);
}

static void add_key(struct lr_request *r, const char *key)
{
	if (r->bytes > 0 && !strchr("{[", r->text[r->bytes - 1]))
		add(r, ",", 1);
	if (!key)
		return;
	add_string(r, key);
	add(r, ":", 1);
}

void lr_request_open(struct lr_request *request, const char *key, char bracket)
{
	add_key(request, key);
	add(request, &bracket, 1);
}

void lr_request_close(struct lr_request *request, char bracket)
{
	add(request, &bracket, 1);
}

void lr_request_integer(struct lr_request *request, const char *key, int64_t value)
{
	char text[24];

	add_key(request, key);
	add(request, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

void lr_request_bool(struct lr_request *request, const char *key, bool value)
{
	add_key(request, key);
	add(request, value ? "true" : "false", value ? 4 : 5);
}

void lr_request_text(struct lr_request *request, const char *key, const char *value)
{
	add_key(request, key);
	add_string(request, value);
}

void lr_request_finish(struct lr_request *request)
{
	free(request->text);
	*request = (struct lr_request){ 0 };
}
