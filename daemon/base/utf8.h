/* SPDX-License-Identifier: BSD-2-Clause */
/* utf8.h - which bytes are UTF-8 (RFC 3629): for what writes JSON and what reads it. Thread-safe. */
#ifndef LUMARING_UTF8_H
#define LUMARING_UTF8_H

#include <stddef.h>

/*
 * Bytes of the character that the text begins with, 1 to 4; 0: it begins with none. The NUL at its end is none, and
 * nothing behind it is looked at.
 */
size_t utf8_length(const char *text);

#endif
