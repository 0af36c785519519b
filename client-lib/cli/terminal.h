/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * terminal.h - the terminal as a screen: entered, drawn on, asked for keys, and left as it was found whatever ends the
 * program.
 *
 * A verb that draws calls terminal_enter(), then draws whole screens with terminal_draw() and waits in terminal_key(),
 * which also tells that the size changed and that it is time to end. Between enter and leave, standard error belongs to
 * the screen as well: say nothing before terminal_leave().
 *
 * SIGINT, SIGTERM and SIGHUP are noted (stop_signal() says which) and end every wait of the library's with -EINTR; a
 * second one, or 2 seconds, end the program at once, with the terminal restored. So is it when the program crashes or
 * is made to dump its core (SIGQUIT). SIGTSTP (Ctrl-Z) stops the program in the next terminal_key(), outside of the
 * screen; it comes back there when the program is continued. One process has one terminal; one thread uses it.
 */
#ifndef LUMARING_CLI_TERMINAL_H
#define LUMARING_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* What a terminal of any size is taken for at most. */
#define TERMINAL_COLUMNS_MAX 1000u
#define TERMINAL_ROWS_MAX 1000u

struct terminal_size {
	unsigned columns, rows;
};

enum terminal_colours {
	TERMINAL_COLOURS_NONE,
	TERMINAL_COLOURS_256,
	TERMINAL_COLOURS_TRUE, /* 24 bits */
};

/* Keys that are no character, and what else terminal_key() may say. A character is its ASCII code. */
enum terminal_key {
	TERMINAL_NONE = 0,      /* the time is over */
	TERMINAL_ESCAPE = 27,
	TERMINAL_CHANGED = 256, /* another size, or continued after a stop: draw anew */
	TERMINAL_END,           /* a signal asks to end, or the terminal is gone */
	TERMINAL_UP,
	TERMINAL_DOWN,
	TERMINAL_RIGHT,
	TERMINAL_LEFT,
	TERMINAL_PAGE_UP,
	TERMINAL_PAGE_DOWN,
	TERMINAL_HOME,
	TERMINAL_LAST, /* the key End */
};

/* Is standard output a terminal that can be drawn on? Not so: a file, a pipe, and TERM unset or "dumb". */
bool terminal_is_screen(void);

/* Of standard output; else what COLUMNS and LINES say, else 80 by 24. Never 0, never above the limits. */
struct terminal_size terminal_size(void);

/* What the environment says: NO_COLOR, COLORTERM and TERM. */
enum terminal_colours terminal_colours(void);

/* Do its letters come as UTF-8? As LC_ALL, LC_CTYPE or LANG says. */
bool terminal_is_utf8(void);

/*
 * Take the terminal: the other screen, no cursor, no lines broken, keys as they are pressed and unseen. Keys come from
 * standard input, or from /dev/tty where that is none; where neither is there, there are no keys. 0, or a negative
 * errno, and then nothing was changed. terminal_leave() undoes it, also at exit(3); more than once does no harm.
 */
int terminal_enter(void);
void terminal_leave(void);

/* All of it, in one write as far as the terminal takes it. 0, or a negative errno: -EINTR when it is time to end. */
int terminal_draw(const char *text, size_t bytes);

/* Wait so long for a key, for ever when negative. */
int terminal_key(int timeout_ms);

#endif
