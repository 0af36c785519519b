/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.c - see json.h. Pure functions over memory. Must never read beyond a text's end, and never go deeper than
 * LR_JSON_DEPTH_MAX. What reads a value relies on the check alone: no text that was not checked may get there.
 */
#include "json.h"

#include <errno.h>
#include <string.h>

#include "text.h"

/* --- checking ---------------------------------------------------------------------------------------------------- */

struct scan {
	const char *at, *end;
};

static bool check_value(struct scan *s, unsigned depth);

static void skip_blanks(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

/* The next byte; NUL, which no text may have, at the end. */
static char peek(const struct scan *s)
{
	return s->at < s->end ? *s->at : '\0';
}

static bool take(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool take_digits(struct scan *s)
{
	const char *first = s->at;

	while (is_digit(peek(s)))
		s->at++;
	return s->at > first;
}

static bool check_number(struct scan *s)
{
	take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return false;
	if (take(s, '.') && !take_digits(s))
		return false;
	if (!take(s, 'e') && !take(s, 'E'))
		return true;
	if (!take(s, '+'))
		take(s, '-');
	return take_digits(s);
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind the backslash. */
static bool check_escape(struct scan *s)
{
	if (!take(s, 'u')) {
		if (!peek(s) || !strchr("\"\\/bfnrt", peek(s)))
			return false;
		s->at++;
		return true;
	}
	for (unsigned i = 0; i < 4; i++) {
		if (!is_hex(peek(s)))
			return false;
		s->at++;
	}
	return true;
}

static bool check_string(struct scan *s)
{
	if (!take(s, '"'))
		return false;
	while (!take(s, '"')) {
		const unsigned char c = (unsigned char)peek(s);
		size_t n;

		if (take(s, '\\')) {
			if (!check_escape(s))
				return false;
			continue;
		}
		n = c < ' ' ? 0 : lr_text_character(s->at, (size_t)(s->end - s->at));
		if (n == 0)
			return false;
		s->at += n;
	}
	return true;
}

static bool check_word(struct scan *s, const char *word)
{
	for (; *word; word++)
		if (!take(s, *word))
			return false;
	return true;
}

/* Behind the opening bracket. */
static bool check_members(struct scan *s, unsigned depth, char close)
{
	if (depth == LR_JSON_DEPTH_MAX)
		return false;
	skip_blanks(s);
	if (take(s, close))
		return true;
	do {
		skip_blanks(s);
		if (close == '}') {
			if (!check_string(s))
				return false;
			skip_blanks(s);
			if (!take(s, ':'))
				return false;
			skip_blanks(s);
		}
		if (!check_value(s, depth + 1))
			return false;
		skip_blanks(s);
	} while (take(s, ','));
	return take(s, close);
}

static bool check_value(struct scan *s, unsigned depth)
{
	switch (peek(s)) {
	case '{':
		s->at++;
		return check_members(s, depth, '}');
	case '[':
		s->at++;
		return check_members(s, depth, ']');
	case '"':
		return check_string(s);
	case 't':
		return check_word(s, "true");
	case 'f':
		return check_word(s, "false");
	case 'n':
		return check_word(s, "null");
	default:
		return check_number(s);
	}
}

int lr_json_check(const char *text, size_t bytes, struct lr_json *ret_object, size_t *ret_offset)
{
	struct scan s = { text, text + bytes };
	struct lr_json object;
	bool good;

	skip_blanks(&s);
	object.begin = s.at;
	good = peek(&s) == '{' && check_value(&s, 0);
	object.end = s.at;
	if (good)
		skip_blanks(&s);
	if (!good || s.at < s.end) {
		*ret_offset = (size_t)(s.at - text);
		return -EBADMSG;
	}
	*ret_object = object;
	return 0;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* Past the string that begins here. */
static void skip_string(struct scan *s)
{
	for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
		if (*s->at == '\\')
			s->at++;
	s->at++;
}

/* Past the value that begins here, and the blanks behind it; the value. */
static struct lr_json skip_value(struct scan *s)
{
	struct lr_json value = { .begin = s->at };
	unsigned depth = 0;

	do {
		const char c = peek(s);

		if (c == '"') {
			skip_string(s);
			continue;
		}
		s->at++;
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		else if (depth == 0) /* a number or a word */
			while (peek(s) && !strchr(" \t\r\n,]}", peek(s)))
				s->at++;
	} while (depth > 0 && s->at < s->end);
	value.end = s->at;
	skip_blanks(s);
	return value;
}

static bool find_key(struct lr_json object, const char *key, size_t key_bytes, struct lr_json *ret_value)
{
	struct scan s = { object.begin, object.end };

	if (!take(&s, '{'))
		return false;
	skip_blanks(&s);
	while (peek(&s) == '"') {
		const char *name = s.at + 1;
		struct lr_json value;
		size_t name_bytes;

		skip_string(&s);
		name_bytes = (size_t)(s.at - name - 1);
		skip_blanks(&s);
		take(&s, ':');
		skip_blanks(&s);
		value = skip_value(&s);
		if (name_bytes == key_bytes && memcmp(name, key, key_bytes) == 0) {
			*ret_value = value;
			return true;
		}
		take(&s, ',');
		skip_blanks(&s);
	}
	return false;
}

bool lr_json_find(struct lr_json object, const char *path, struct lr_json *ret_value)
{
	struct lr_json value = object;

	for (;;) {
		const size_t n = strcspn(path, ".");

		if (!find_key(value, path, n, &value))
			return false;
		if (!path[n])
			break;
		path += n + 1;
	}
	*ret_value = value;
	return true;
}

bool lr_json_is_object(struct lr_json value)
{
	return *value.begin == '{';
}

bool lr_json_is_true(struct lr_json value)
{
	return *value.begin == 't';
}

bool lr_json_is_string(struct lr_json value)
{
	return *value.begin == '"';
}

bool lr_json_next(struct lr_json array, struct lr_json *element)
{
	struct scan s = { element->begin ? element->end : array.begin, array.end };

	if (!element->begin && !take(&s, '['))
		return false;
	skip_blanks(&s);
	if (element->begin && !take(&s, ','))
		return false;
	skip_blanks(&s);
	if (peek(&s) == ']')
		return false;
	*element = skip_value(&s);
	return true;
}

size_t lr_json_count(struct lr_json array)
{
	struct lr_json element = { NULL, NULL };
	size_t n = 0;

	while (lr_json_next(array, &element))
		n++;
	return n;
}

bool lr_json_integer(struct lr_json value, int64_t min, int64_t max, int64_t *ret_integer)
{
	const bool negative = *value.begin == '-';
	int64_t integer = 0;

	for (const char *p = value.begin + negative; p < value.end; p++) {
		/* Beyond 2^53 no number of the interface goes; this stops long before an overflow. */
		if (!is_digit(*p) || integer > INT64_MAX / 100)
			return false;
		integer = integer * 10 + (*p - '0');
	}
	integer = negative ? -integer : integer;
	if (integer < min || integer > max)
		return false;
	*ret_integer = integer;
	return true;
}

/* Behind the backslash: the character, or '?', and past it. */
static char unescape(const char **at)
{
	static const char from[] = "\"\\/";
	const char c = *(*at)++;
	unsigned code = 0;

	if (c != 'u')
		return strchr(from, c) ? c : '?';
	for (unsigned i = 0; i < 4; i++) {
		const char digit = *(*at)++;

		code = code * 16 + (unsigned)(is_digit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return code >= ' ' && code <= '~' ? (char)code : '?';
}

bool lr_json_text(struct lr_json value, char *text, size_t text_bytes)
{
	size_t n = 0;

	if (lr_json_is_string(value)) {
		for (const char *p = value.begin + 1; p < value.end - 1 && n + 1 < text_bytes; n++) {
			char c = *p++;

			if (c == '\\')
				c = unescape(&p);
			text[n] = c >= ' ' && c <= '~' ? c : '?';
		}
	}
	text[n] = '\0';
	return lr_json_is_string(value);
}
