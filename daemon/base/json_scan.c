/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_scan.c - see json_scan.h. Reads every byte once, from front to back, with no recursion and no memory of its own:
 * where it is in arrays and objects, the nodes say. Comments are overwritten with spaces and not taken out, as
 * cJSON_Minify() does, so that places in the text stay true. Any thread.
 */
#include "base/json_scan.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define END (-1)

void json_scan_begin(struct json_scan *scan)
{
	scan->open = JSON_SCAN_NONE;
	scan->line = 1;
}

/* Put the field's name behind what there is: as much as there is room for, in whole characters. */
static void append(char *field, size_t field_bytes, const char *text, size_t bytes)
{
	size_t used = strlen(field), room = field_bytes - 1 - used;

	if (bytes > room)
		for (bytes = room; bytes > 0 && ((unsigned char)text[bytes] & 0xc0) == 0x80;)
			bytes--;
	memcpy(field + used, text, bytes);
	field[used + bytes] = '\0';
}

/* "streams[2].bin" */
static void say_field(const struct json_scan *scan, uint32_t node, char *field, size_t field_bytes)
{
	unsigned levels = 0;

	field[0] = '\0';
	for (uint32_t n = node; n != JSON_SCAN_NONE && scan->places[n].parent != JSON_SCAN_NONE;
	     n = scan->places[n].parent)
		levels++;
	for (; levels > 0; levels--) {
		uint32_t n = node;
		char index[16];

		for (unsigned i = 1; i < levels; i++)
			n = scan->places[n].parent;
		if (scan->nodes[scan->places[n].parent].kind == JSON_ARRAY) {
			append(field, field_bytes, index,
			       (size_t)snprintf(index, sizeof(index), "[%u]", scan->places[n].index));
			continue;
		}
		if (field[0])
			append(field, field_bytes, ".", 1);
		if (scan->nodes[n].name) /* once it is known, without escapes */
			append(field, field_bytes, scan->nodes[n].name, strlen(scan->nodes[n].name));
		else
			append(field, field_bytes, scan->text + scan->places[n].key_at, scan->places[n].key_bytes);
	}
}

/* Tell of a fault of this node (JSON_SCAN_NONE: of the text). */
__attribute__((format(printf, 5, 0))) static void tell(struct json_scan *scan, uint32_t node, uint32_t line,
						       uint32_t column, const char *format, va_list arguments)
{
	struct json_fault fault = { .bound = scan->bound, .line = line, .column = column };

	say_field(scan, node, fault.field, sizeof(fault.field));
	vsnprintf(fault.text, sizeof(fault.text), format, arguments);
	scan->found(scan->owner, &fault);
}

/* What makes the text unreadable from here on. */
int json_refuse(struct json_scan *scan, uint32_t node, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	tell(scan, node, scan->line, scan->at - scan->line_at + 1, format, arguments);
	va_end(arguments);
	return error;
}

/* What is wrong with one value only. */
int json_blame(struct json_scan *scan, uint32_t node, const char *format, ...)
{
	struct json_node *n = &scan->nodes[node];
	va_list arguments;

	va_start(arguments, format);
	tell(scan, node, n->line, n->column, format, arguments);
	va_end(arguments);
	n->faulty = true;
	return scan->forgiving ? 0 : -EINVAL;
}

static int peek(const struct json_scan *scan)
{
	return scan->at < scan->bytes ? (unsigned char)scan->text[scan->at] : END;
}

/* Stands for itself in a string. */
static bool is_plain(int c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static void next_line(struct json_scan *scan)
{
	scan->line++;
	scan->line_at = scan->at + 1;
}

/* Overwrite a comment that begins here. */
static int blank_comment(struct json_scan *scan)
{
	const char *end = scan->text[scan->at + 1] == '/' ? "\n" : "*/";
	char *from = scan->text + scan->at, *to = strstr(from + 2, end);

	if (!to && *end == '*')
		return json_refuse(scan, scan->open, -EINVAL, "this comment has no end");
	if (!to)
		to = from + strlen(from);
	else if (*end == '*')
		to += 2;
	for (; from < to; from++) {
		scan->at = (uint32_t)(from - scan->text);
		if (*from == '\n')
			next_line(scan);
		else
			*from = ' ';
	}
	scan->at = (uint32_t)(to - scan->text);
	return 0;
}

static int skip_space(struct json_scan *scan)
{
	int r;

	for (;;) {
		int c = peek(scan), second = c == '/' ? scan->text[scan->at + 1] : '\0';

		if (c == '\n')
			next_line(scan);
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			scan->at++;
			continue;
		}
		if (!scan->bounds->comments || (second != '/' && second != '*'))
			return 0;
		r = blank_comment(scan);
		if (r < 0)
			return r;
	}
}

/* Four hexadecimal digits, -1: they are not there. */
static int hex4(const char *text)
{
	int value = 0;

	for (unsigned i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef", *digit;
		int c = text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i];

		digit = c ? strchr(digits, c) : NULL;
		if (!digit)
			return -1;
		value = value * 16 + (int)(digit - digits);
	}
	return value;
}

/* Behind a backslash. */
static int scan_escape(struct json_scan *scan, uint32_t node)
{
	const char *text = scan->text + scan->at;
	int first, second;

	if (text[1] != 'u') {
		if (!text[1] || !strchr("\"\\/bfnrt", text[1]))
			return json_refuse(
				scan, node, -EINVAL,
				"behind a backslash one of \" \\ / b f n r t, or u and four hexadecimal digits, is "
				"wanted");
		scan->at += 2;
		return 0;
	}
	first = hex4(text + 2);
	if (first < 0)
		return json_refuse(scan, node, -EINVAL, "behind \\u four hexadecimal digits are wanted");
	if (first == 0)
		return json_refuse(scan, node, -EINVAL, "\\u0000 is not allowed in a string");
	scan->at += 6;
	if (first < 0xd800 || first > 0xdfff)
		return 0;
	second = first < 0xdc00 && text[6] == '\\' && text[7] == 'u' ? hex4(text + 8) : -1;
	if (second < 0xdc00 || second > 0xdfff) {
		scan->at -= 6;
		return json_refuse(scan, node, -EINVAL,
				   "this is half of a surrogate pair, which stands for no character");
	}
	scan->at += 6;
	return 0;
}

/* A string, which begins here; node: of the value, or of the object whose key it is. */
static int scan_string(struct json_scan *scan, uint32_t node)
{
	int r = 0;

	scan->at++;
	while (r == 0) {
		size_t length;
		int c;

		while (is_plain(c = peek(scan))) /* most of most strings */
			scan->at++;
		if (c == '"') {
			scan->at++;
			return 0;
		}
		if (c == END)
			return json_refuse(scan, node, -EINVAL, "the text ends inside a string: a quote is missing");
		if (c < ' ')
			return json_refuse(scan, node, -EINVAL,
					   "a control character (byte %d) in a string: write it as an escape", c);
		if (c == '\\') {
			r = scan_escape(scan, node);
			continue;
		}
		length = utf8_length(scan->text + scan->at);
		if (length == 0)
			return json_refuse(scan, node, -EINVAL, "a byte that is not UTF-8 (0x%02x) in a string",
					   (unsigned)c);
		scan->at += (uint32_t)length;
	}
	return r;
}

static uint32_t count_digits(const struct json_scan *scan, uint32_t at)
{
	uint32_t n = 0;

	while (is_digit(scan->text[at + n]))
		n++;
	return n;
}

/* The value of a whole number, as far as numbers go that are allowed; one more for all that are beyond. */
static int64_t whole_value(const char *text, uint32_t bytes)
{
	bool minus = *text == '-';
	int64_t value = 0;

	for (uint32_t i = minus; i < bytes && value <= JSON_NUMBER_MAX; i++)
		value = value * 10 + (text[i] - '0');
	if (value > JSON_NUMBER_MAX)
		value = JSON_NUMBER_MAX + 1;
	return minus ? -value : value;
}

static int scan_number(struct json_scan *scan, uint32_t node)
{
	struct json_node *n = &scan->nodes[node];
	const char *text = scan->text;
	uint32_t first = scan->at + (text[scan->at] == '-'), end = first, digits = count_digits(scan, end);

	n->kind = JSON_NUMBER;
	if (digits == 0)
		return json_refuse(scan, node, -EINVAL, "behind a minus sign a digit is wanted");
	if (digits > 1 && text[first] == '0')
		return json_refuse(scan, node, -EINVAL, "a number does not begin with 0 and other digits");
	end += digits;
	n->whole = text[end] != '.' && text[end] != 'e' && text[end] != 'E';
	if (text[end] == '.') {
		digits = count_digits(scan, end + 1);
		if (digits == 0)
			return json_refuse(scan, node, -EINVAL, "a digit is wanted behind the point of a number");
		end += 1 + digits;
	}
	for (uint32_t i = first; i < end && !scan->places[node].nonzero; i++)
		scan->places[node].nonzero = text[i] >= '1' && text[i] <= '9';
	if (text[end] == 'e' || text[end] == 'E') {
		end += text[end + 1] == '-' || text[end + 1] == '+' ? 2 : 1;
		digits = count_digits(scan, end);
		if (digits == 0)
			return json_refuse(scan, node, -EINVAL, "a digit is wanted in the exponent of a number");
		end += digits;
	}
	if (end - scan->at > JSON_NUMBER_BYTES_MAX)
		return json_refuse(scan, node, -EINVAL, "a number has at most %u characters", JSON_NUMBER_BYTES_MAX);
	if (n->whole)
		n->integer = whole_value(text + scan->at, end - scan->at);
	scan->at = end;
	return 0;
}

/* true, false or null. */
static int scan_word(struct json_scan *scan, uint32_t node)
{
	static const struct {
		const char *word;
		enum json_kind kind;
		bool boolean;
	} words[] = { { "true", JSON_BOOL, true }, { "false", JSON_BOOL, false }, { "null", JSON_NULL, false } };
	const char *text = scan->text + scan->at;
	struct json_node *n = &scan->nodes[node];

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(text, words[i].word, strlen(words[i].word))) {
			n->kind = words[i].kind;
			n->boolean = words[i].boolean;
			scan->at += (uint32_t)strlen(words[i].word);
			return 0;
		}
	if (peek(scan) == END)
		return json_refuse(scan, node, -EINVAL, "the text ends where a value is wanted");
	return json_refuse(scan, node, -EINVAL,
			   "a value is wanted: a string in quotes, a number, true, false, null, an array or an object");
}

/* Make the node of the value that begins here. */
static int add_node(struct json_scan *scan, uint32_t *ret_node)
{
	uint32_t node = scan->count, parent = scan->open;
	struct json_node *nodes = scan->nodes;

	if (node == scan->bounds->values_max) {
		scan->bound = JSON_BOUND_VALUES;
		return json_refuse(scan, parent, -EFBIG, "there are more than %u values", scan->bounds->values_max);
	}
	assert(node < scan->room);
	nodes[node] = (struct json_node){ .line = scan->line, .column = scan->at - scan->line_at + 1 };
	scan->places[node] = (struct json_place){
		.parent = parent,
		.last = JSON_SCAN_NONE,
		.key_at = scan->key_at,
		.key_bytes = scan->key_bytes,
	};
	scan->count++;
	*ret_node = node;
	if (parent == JSON_SCAN_NONE)
		return 0;
	scan->places[node].index = nodes[parent].count++;
	if (scan->places[parent].last == JSON_SCAN_NONE)
		nodes[parent].first = &nodes[node];
	else
		nodes[scan->places[parent].last].next = &nodes[node];
	scan->places[parent].last = node;
	return 0;
}

static int open_level(struct json_scan *scan, uint32_t node, enum json_kind kind)
{
	if (scan->depth == scan->bounds->depth_max) {
		scan->bound = JSON_BOUND_DEPTH;
		return json_refuse(scan, node, -EFBIG, "arrays and objects stand more than %u deep inside each other",
				   scan->bounds->depth_max);
	}
	scan->depth++;
	scan->nodes[node].kind = kind;
	scan->open = node;
	scan->at++;
	return 0;
}

static int scan_value(struct json_scan *scan)
{
	uint32_t node = JSON_SCAN_NONE;
	int r = add_node(scan, &node), c = peek(scan);

	if (r < 0)
		return r;
	if (c == '{' || c == '[')
		return open_level(scan, node, c == '{' ? JSON_OBJECT : JSON_ARRAY);
	if (c == '"') {
		scan->nodes[node].kind = JSON_STRING;
		return scan_string(scan, node);
	}
	return c == '-' || is_digit(c) ? scan_number(scan, node) : scan_word(scan, node);
}

/* "key": and what is between; the value follows. */
static int scan_key(struct json_scan *scan)
{
	int r;

	if (peek(scan) == END)
		return json_refuse(scan, scan->open, -EINVAL, "the text ends inside an object: } is missing");
	if (peek(scan) != '"')
		return json_refuse(scan, scan->open, -EINVAL, "a key in quotes is wanted");
	scan->key_at = scan->at + 1;
	r = scan_string(scan, scan->open);
	if (r < 0)
		return r;
	scan->key_bytes = scan->at - 1 - scan->key_at;
	r = skip_space(scan);
	if (r < 0)
		return r;
	if (peek(scan) != ':')
		return json_refuse(scan, scan->open, -EINVAL, "a colon is wanted behind a key");
	scan->at++;
	return skip_space(scan);
}

/* Behind a value: what closes its level, and the ones around it, or the comma before the next one. */
static int scan_after(struct json_scan *scan)
{
	while (scan->open != JSON_SCAN_NONE) {
		bool array = scan->nodes[scan->open].kind == JSON_ARRAY;
		int r = skip_space(scan), c = peek(scan);

		if (r < 0)
			return r;
		if (c == ',') {
			scan->at++;
			return 0;
		}
		if (c == END)
			return json_refuse(scan, scan->open, -EINVAL, "the text ends inside an %s: %s is missing",
					   array ? "array" : "object", array ? "]" : "}");
		if (c != (array ? ']' : '}'))
			return json_refuse(scan, scan->open, -EINVAL, "a comma or %s is wanted", array ? "]" : "}");
		scan->at++;
		scan->depth--;
		scan->open = scan->places[scan->open].parent;
	}
	return 0;
}

/* True just behind [ or {, where it is closed again. */
static bool at_empty(const struct json_scan *scan)
{
	const struct json_node *open = scan->open == JSON_SCAN_NONE ? NULL : &scan->nodes[scan->open];

	return open && open->count == 0 && peek(scan) == (open->kind == JSON_ARRAY ? ']' : '}');
}

int json_scan_text(struct json_scan *scan)
{
	int r = 0;

	if (!strncmp(scan->text, "\xef\xbb\xbf", 3))
		return json_refuse(scan, JSON_SCAN_NONE, -EINVAL,
				   "the text begins with a byte order mark: leave it out");
	do {
		uint32_t open = scan->open;

		r = skip_space(scan);
		if (r == 0 && at_empty(scan)) {
			r = scan_after(scan);
			continue;
		}
		if (r == 0 && open != JSON_SCAN_NONE && scan->nodes[open].kind == JSON_OBJECT)
			r = scan_key(scan);
		if (r == 0)
			r = scan_value(scan);
		if (r == 0 && scan->open == open)
			r = scan_after(scan);
	} while (r == 0 && scan->open != JSON_SCAN_NONE);
	if (r == 0)
		r = skip_space(scan);
	if (r == 0 && peek(scan) != END)
		r = json_refuse(scan, JSON_SCAN_NONE, -EINVAL,
				"nothing may stand behind the value, which ends before this");
	return r;
}
