/* SPDX-License-Identifier: BSD-2-Clause */
/* terminal_keys.c - see terminal_keys.h. Pure functions. */
#include "terminal_keys.h"

#include <string.h>

#include "terminal.h"

#define ESCAPE '\033'
#define MOUSE_BYTES 6u    /* ESC [ M and three that may be any */
#define FUNCTION_BYTES 4u /* ESC [ [ A, of the Linux console */

static bool is_one_of(char byte, const char *bytes)
{
	return byte != '\0' && strchr(bytes, byte);
}

/* No part of a letter beyond ASCII. Not every machine's char has a sign. */
static bool is_ascii(char byte)
{
	return byte != '\0' && (unsigned char)byte < 0x80;
}

/* Take so many bytes off. */
static void drop(struct terminal_keys *keys, size_t count)
{
	keys->count -= count;
	memmove(keys->bytes, keys->bytes + count, keys->count);
}

/* Of ESC [ or ESC O, what is between, and a letter. */
static int key_of_sequence(const char *sequence, size_t bytes)
{
	static const struct {
		char text;
		int key;
	} known[] = {
		{ 'A', TERMINAL_UP },      { 'B', TERMINAL_DOWN },      { 'C', TERMINAL_RIGHT }, { 'D', TERMINAL_LEFT },
		{ 'H', TERMINAL_HOME },    { 'F', TERMINAL_LAST },      { '1', TERMINAL_HOME },  { '4', TERMINAL_LAST },
		{ '5', TERMINAL_PAGE_UP }, { '6', TERMINAL_PAGE_DOWN }, { '7', TERMINAL_HOME },  { '8', TERMINAL_LAST },
	};
	const char first = sequence[2], last = sequence[bytes - 1];

	if (is_one_of(first, "M[<") || last < '@') /* a mouse, F1 to F5, or cut */
		return TERMINAL_NONE;
	if (last == '~' && !is_one_of(sequence[3], "~;")) /* 15~ is F5 */
		return TERMINAL_NONE;
	/* "5~", or a letter, which may have numbers before it. */
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].text == (last == '~' ? first : last))
			return known[i].key;
	return TERMINAL_NONE;
}

/* The sequence that begins the bytes, ESC [ ... letter or ESC O letter: its length, or 0 when it is not all there. */
static size_t sequence_bytes(const struct terminal_keys *keys)
{
	const char kind = keys->bytes[1], first = keys->count > 2 ? keys->bytes[2] : '\0';

	if (kind == '[' && first == 'M')
		return keys->count >= MOUSE_BYTES ? MOUSE_BYTES : 0;
	if (kind == '[' && first == '[')
		return keys->count >= FUNCTION_BYTES ? FUNCTION_BYTES : 0;
	for (size_t i = 2; i < keys->count; i++)
		if (keys->bytes[i] >= '@' && keys->bytes[i] <= '~')
			return i + 1;
	return keys->count == TERMINAL_KEYS_BYTES ? TERMINAL_KEYS_BYTES : 0;
}

static int take_sequence(struct terminal_keys *keys, bool more)
{
	size_t bytes = sequence_bytes(keys);
	int key = TERMINAL_NONE;

	if (bytes == 0 && more)
		return TERMINAL_NONE;
	if (bytes > 2)
		key = key_of_sequence(keys->bytes, bytes);
	drop(keys, bytes > 0 ? bytes : keys->count); /* the rest does not come */
	return key;
}

/* A string ends with BEL, or with ESC \. */
static void drop_string(struct terminal_keys *keys)
{
	size_t end = 0;

	while (end < keys->count && keys->bytes[end] != '\a' && keys->bytes[end] != ESCAPE)
		end++;
	keys->in_string = end == keys->count;
	drop(keys, end < keys->count && keys->bytes[end] == '\a' ? end + 1 : end);
}

/* Escape, and what is behind it: a key, or TERMINAL_NONE where it was none, or where it is not all there. */
static int take_escape(struct terminal_keys *keys, bool more)
{
	const char kind = keys->count > 1 ? keys->bytes[1] : '\0';

	if (keys->count == 1) {
		if (more)
			return TERMINAL_NONE;
		drop(keys, 1);
		return TERMINAL_ESCAPE;
	}
	if (is_one_of(kind, "[O"))
		return take_sequence(keys, more);
	if (kind == ESCAPE) { /* pressed twice; or with Alt, which is no other key than without */
		if (keys->count == 2 && more)
			return TERMINAL_NONE;
		drop(keys, 1);
		return keys->count > 1 && is_one_of(keys->bytes[1], "[O") ? TERMINAL_NONE : TERMINAL_ESCAPE;
	}
	keys->in_string = is_one_of(kind, "P]^_X");
	drop(keys, 2); /* a letter with Alt is none */
	return TERMINAL_NONE;
}

int terminal_keys_next(struct terminal_keys *keys, bool more)
{
	while (keys->count > 0) {
		const size_t before = keys->count;
		const char first = keys->bytes[0];
		int key = TERMINAL_NONE;

		if (keys->in_string) {
			drop_string(keys);
			continue;
		}
		if (first == ESCAPE)
			key = take_escape(keys, more);
		else
			drop(keys, 1);
		if (first != ESCAPE && is_ascii(first))
			key = first;
		if (key != TERMINAL_NONE || keys->count == before)
			return key;
	}
	keys->in_string = keys->in_string && more;
	return TERMINAL_NONE;
}

bool terminal_keys_wait(const struct terminal_keys *keys)
{
	return keys->count > 0 || keys->in_string;
}
