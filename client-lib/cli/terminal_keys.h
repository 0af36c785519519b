/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * terminal_keys.h - the bytes that a terminal sends, as keys. A key is a byte, or a sequence that begins with Escape;
 * so is what is no key: reports of a mouse, of the focus, answers to questions that another program left behind. Only
 * an Escape that nothing follows is the key Escape, since it may end the program.
 */
#ifndef LUMARING_CLI_TERMINAL_KEYS_H
#define LUMARING_CLI_TERMINAL_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#define TERMINAL_KEYS_BYTES 64u /* longer sequences are cut, and are no keys */

struct terminal_keys {
	char bytes[TERMINAL_KEYS_BYTES]; /* read and not yet told */
	size_t count;
	bool in_string; /* what comes is text, up to its end */
};

/*
 * The next key, as enum terminal_key has them. TERMINAL_NONE: there is none. With `more`, what is begun may be
 * finished by bytes that still come; else it is all.
 */
int terminal_keys_next(struct terminal_keys *keys, bool more);

/* Is something begun that only time or more bytes finish? */
bool terminal_keys_wait(const struct terminal_keys *keys);

#endif
