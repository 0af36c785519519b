/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * framing.h - where a request ends in a stream of bytes: at a NUL, as in Varlink, or at a newline outside its object,
 * for people. Looks at every byte once, however the stream was cut into pieces; knows of JSON only where strings and
 * objects begin and end. Thread-safe.
 */
#ifndef LUMARING_CONTROL_FRAMING_H
#define LUMARING_CONTROL_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialise; zero again after each request. */
struct framing {
	size_t scanned; /* bytes of the request that were looked at */
	unsigned depth; /* of objects */
	bool in_string;
	bool escaped; /* a backslash stands before the next byte */
	bool newline; /* there was one, inside the object: a person, or a printer of pretty texts */
};

/* How many bytes at the beginning are between requests: blanks, empty lines, stray NULs. */
size_t framing_blanks(const char *text, size_t bytes);

/*
 * Look on in a request that begins at `text` and of which `bytes` are there by now. True: it ends, *ret_bytes long,
 * before *ret_terminator, '\0' or '\n'.
 */
bool framing_scan(struct framing *framing, const char *text, size_t bytes, size_t *ret_bytes, char *ret_terminator);

#endif
