/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * terminal.c - see terminal.h. Signals that only change the screen are noted by their handlers and acted on in
 * terminal_key(); those that end the program at once restore the terminal in the handler, so what they call,
 * restore() and below, uses async-signal-safe functions only and never waits for a terminal that takes nothing.
 *
 * OUTSIDE -> INSIDE   terminal_enter(), or continued after a stop
 * INSIDE -> OUTSIDE   terminal_leave(), a stop, or the end
 */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "stop.h"
#include "terminal_keys.h"

#define RESTORE_MS 100 /* how long to wait for a terminal that takes nothing before it is left as it is */
#define NS_PER_MS 1000000

static int escape_ms = 100; /* how long the rest of a key's sequence may take, over a slow line */

static const char enter_text[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
static const char leave_text[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

/* Handlers look at `keys` and `before` only while it is inside, and then nobody sets them. */
static struct {
	struct termios before;
	int keys; /* where they come from, or -1 */
	bool own_keys;
	volatile sig_atomic_t inside;
	volatile sig_atomic_t changed, stopped, continued; /* signals, noted */
	struct terminal_keys pressed;                      /* and not yet told */
} terminal = { .keys = -1 };

/* What ends the program without asking it. */
static const int crashes[] = { SIGSEGV, SIGBUS,  SIGILL, SIGFPE,  SIGABRT, SIGQUIT,   SIGUSR1,
			       SIGUSR2, SIGTRAP, SIGSYS, SIGXCPU, SIGPROF, SIGVTALRM, SIGIO };
#define CRASHES (sizeof(crashes) / sizeof(crashes[0]))
static struct sigaction crash_before[CRASHES];

/* --- what it is -------------------------------------------------------------------------------------------------- */

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

bool terminal_is_screen(void)
{
	const char *type = environment("TERM");

	return isatty(STDOUT_FILENO) && type[0] && strcmp(type, "dumb") != 0;
}

static unsigned extent(unsigned told, const char *variable, unsigned otherwise, unsigned max)
{
	unsigned long value = told ? told : strtoul(environment(variable), NULL, 10);

	if (value == 0)
		return otherwise;
	return value < max ? (unsigned)value : max;
}

struct terminal_size terminal_size(void)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		size = (struct winsize){ 0 };
	return (struct terminal_size){ extent(size.ws_col, "COLUMNS", 80, TERMINAL_COLUMNS_MAX),
				       extent(size.ws_row, "LINES", 24, TERMINAL_ROWS_MAX) };
}

enum terminal_colours terminal_colours(void)
{
	const char *colours = environment("COLORTERM");

	if (environment("NO_COLOR")[0])
		return TERMINAL_COLOURS_NONE;
	if (strcmp(colours, "truecolor") == 0 || strcmp(colours, "24bit") == 0)
		return TERMINAL_COLOURS_TRUE;
	return strstr(environment("TERM"), "256color") ? TERMINAL_COLOURS_256 : TERMINAL_COLOURS_NONE;
}

bool terminal_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = environment(names[i]);

		if (value[0])
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

/* --- entering and leaving ---------------------------------------------------------------------------------------- */

/* Who is in the background may not touch the modes: they are the shell's then. A terminal that is not the session's has
 * no background. */
static bool in_front(void)
{
	const pid_t front = terminal.keys >= 0 ? tcgetpgrp(terminal.keys) : 0;

	return front < 0 || front == getpgrp();
}

/* Leave the screen. Whoever is in the background would be stopped by what is written, instead of ending. */
static void restore(void)
{
	struct pollfd room = { .fd = STDOUT_FILENO, .events = POLLOUT };
	int error = errno;
	sigset_t set, before;

	if (!terminal.inside)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	if (in_front()) {
		tcflow(terminal.keys, TCOOFF); /* Ctrl-S may have stopped it; only what is stopped so can be started */
		tcflow(terminal.keys, TCOON);
		tcsetattr(terminal.keys, TCSANOW, &terminal.before);
	}
	if (poll(&room, 1, RESTORE_MS) == 1 && write(STDOUT_FILENO, leave_text, sizeof(leave_text) - 1) < 0)
		room.revents = 0; /* it is gone */
	terminal.inside = 0;      /* not before: what interrupts this does it again */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
}

/* Into the screen, with the modes as they are for keys. In the background this stops the program until it is in front,
 * as it should. */
static int take(void)
{
	struct termios modes = terminal.before;

	modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL | IEXTEN);
	modes.c_cc[VMIN] = 0;
	modes.c_cc[VTIME] = 0;
	terminal.inside = 1;
	while (terminal.keys >= 0 && tcsetattr(terminal.keys, TCSANOW, &modes) < 0)
		if (errno != EINTR || stop_signal())
			return -errno;
	terminal.pressed = (struct terminal_keys){ .count = 0 };
	return terminal_draw(enter_text, sizeof(enter_text) - 1);
}

static void note_changed(int signal_number)
{
	(void)signal_number;
	terminal.changed = 1;
}

static void note_stopped(int signal_number)
{
	(void)signal_number;
	terminal.stopped = 1;
}

static void note_continued(int signal_number)
{
	(void)signal_number;
	terminal.continued = 1;
}

static void crash(int signal_number)
{
	restore();
	for (size_t i = 0; i < CRASHES; i++)
		sigaction(crashes[i], &crash_before[i], NULL);
	raise(signal_number); /* as if there were no handler, as soon as it returns */
}

static void hear(int signal_number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigemptyset(&action.sa_mask);
	/* Without SA_RESTART, as in stop.c. */
	sigaction(signal_number, &action, NULL);
}

/* One that is ignored already, as SIGQUIT is by what a shell runs in the background, stays so. */
static void hear_crash(size_t i)
{
	sigaction(crashes[i], NULL, &crash_before[i]);
	if (crash_before[i].sa_handler != SIG_IGN)
		hear(crashes[i], crash);
}

static void hear_all(void)
{
	stop_call_before_end(restore);
	hear(SIGWINCH, note_changed);
	hear(SIGTSTP, note_stopped);
	hear(SIGCONT, note_continued);
	for (size_t i = 0; i < CRASHES; i++)
		hear_crash(i);
}

static void open_keys(void)
{
	if (isatty(STDIN_FILENO)) {
		terminal.keys = STDIN_FILENO;
		return;
	}
	terminal.keys = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	terminal.own_keys = terminal.keys >= 0;
}

int terminal_enter(void)
{
	static bool heard;
	int r;

	if (terminal.inside)
		return 0;
	open_keys();
	if (terminal.keys >= 0 && tcgetattr(terminal.keys, &terminal.before) < 0)
		return -errno;
	if (!heard) {
		hear_all();
		atexit(terminal_leave);
		heard = true;
	}
	r = take();
	if (r < 0)
		terminal_leave();
	return r;
}

void terminal_leave(void)
{
	restore();
	if (terminal.own_keys)
		close(terminal.keys);
	terminal.own_keys = false;
	terminal.keys = -1;
}

int terminal_draw(const char *text, size_t bytes)
{
	struct pollfd room = { .fd = STDOUT_FILENO, .events = POLLOUT };

	while (bytes > 0) {
		ssize_t n = write(STDOUT_FILENO, text, bytes);

		if (n >= 0) {
			text += n;
			bytes -= (size_t)n;
		} else if (stop_signal()) {
			return -EINTR;
		} else if (errno == EAGAIN) {
			poll(&room, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* --- keys -------------------------------------------------------------------------------------------------------- */

/* Ctrl-Z: out of the screen, stopped as if there were no handler, and back when it goes on. */
static void stop_here(void)
{
	restore();
	terminal.stopped = 0;
	signal(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	/* Here again, or, in a session without a shell, never stopped. */
	hear(SIGTSTP, note_stopped);
	terminal.continued = 1;
}

/* What was noted: TERMINAL_NONE when it was nothing. */
static int act(void)
{
	if (stop_signal())
		return TERMINAL_END;
	if (terminal.stopped)
		stop_here();
	if (stop_signal())
		return TERMINAL_END;
	if (terminal.continued) {
		terminal.continued = 0;
		return take() < 0 ? TERMINAL_END : TERMINAL_CHANGED;
	}
	if (terminal.changed) {
		terminal.changed = 0;
		return TERMINAL_CHANGED;
	}
	return TERMINAL_NONE;
}

/* Bytes that came: how many, 0 where there were none after all, negative when there will never be any. */
static int read_keys(short events)
{
	struct terminal_keys *pressed = &terminal.pressed;
	ssize_t n = read(terminal.keys, pressed->bytes + pressed->count, sizeof(pressed->bytes) - pressed->count);

	if (n > 0) {
		pressed->count += (size_t)n;
		return (int)n;
	}
	if (n < 0 && errno == EINTR)
		return 0;
	return n < 0 || events & (POLLHUP | POLLERR | POLLNVAL) ? -1 : 0;
}

/* A signal waits for act(). */
static bool is_noted(void)
{
	return stop_signal() || terminal.changed || terminal.stopped || terminal.continued;
}

/* Wait for bytes or a signal; signals arrive in here only, so that none is overlooked before it waits. How many bytes
 * came, or negative when there will never be any. */
static int wait_for_bytes(int timeout_ms)
{
	const struct timespec timeout = { timeout_ms / 1000, (long)(timeout_ms % 1000) * NS_PER_MS };
	struct pollfd keys = { .fd = terminal.keys, .events = POLLIN };
	static const int noted[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT };
	sigset_t set, before;
	int r;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++)
		sigaddset(&set, noted[i]);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	r = is_noted() ? 0 : 1;
	if (r > 0)
		r = ppoll(&keys, 1, timeout_ms < 0 ? NULL : &timeout, &before);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r > 0 ? read_keys(keys.revents) : 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

/* A sequence is begun: the rest of it comes soon, or it was the key Escape. */
static int finish_sequence(void)
{
	const int bytes = wait_for_bytes(escape_ms);

	if (bytes < 0)
		return TERMINAL_END;
	if (bytes == 0 && is_noted())
		return TERMINAL_NONE; /* no time has gone by that says anything */
	return terminal_keys_next(&terminal.pressed, bytes > 0);
}

int terminal_key(int timeout_ms)
{
	const int64_t until_ms = now_ms() + timeout_ms;
	bool looked = false;

	for (;;) {
		int key = act(), left_ms = timeout_ms;

		if (key == TERMINAL_NONE)
			key = terminal_keys_next(&terminal.pressed, true);
		if (key == TERMINAL_NONE && terminal_keys_wait(&terminal.pressed))
			key = finish_sequence();
		if (key != TERMINAL_NONE)
			return key;
		if (timeout_ms >= 0)
			left_ms = until_ms > now_ms() ? (int)(until_ms - now_ms()) : 0;
		if (looked && left_ms == 0)
			return TERMINAL_NONE;
		if (!terminal_keys_wait(&terminal.pressed) && wait_for_bytes(left_ms) < 0)
			return TERMINAL_END;
		looked = true;
	}
}
