/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * framing.c - see framing.h. A text that is no JSON is cut somewhere as well; what is wrong with it is found by who
 * parses it. Only braces count: with one bracket forgotten the request ends at its line all the same, and is told so.
 */
#include "control/framing.h"

size_t framing_blanks(const char *text, size_t bytes)
{
	size_t n = 0;

	while (n < bytes &&
	       (text[n] == '\n' || text[n] == '\r' || text[n] == ' ' || text[n] == '\t' || text[n] == '\0'))
		n++;
	return n;
}

/* A byte inside a string. */
static void scan_string(struct framing *framing, char byte)
{
	if (framing->escaped)
		framing->escaped = false;
	else if (byte == '\\')
		framing->escaped = true;
	else if (byte == '"')
		framing->in_string = false;
}

/* A byte outside of strings. True: a newline that ends the request. */
static bool scan_plain(struct framing *framing, char byte)
{
	if (byte == '"')
		framing->in_string = true;
	else if (byte == '{')
		framing->depth++;
	else if (byte == '}' && framing->depth > 0)
		framing->depth--;
	return byte == '\n' && framing->depth == 0;
}

bool framing_scan(struct framing *framing, const char *text, size_t bytes, size_t *ret_bytes, char *ret_terminator)
{
	for (size_t i = framing->scanned; i < bytes; i++) {
		bool ends = text[i] == '\0';

		if (framing->in_string)
			scan_string(framing, text[i]);
		else if (scan_plain(framing, text[i]))
			ends = true;
		if (ends) {
			*ret_bytes = i;
			*ret_terminator = text[i];
			*framing = (struct framing){ 0 };
			return true;
		}
		framing->newline |= text[i] == '\n';
	}
	framing->scanned = bytes;
	return false;
}
