/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_terminal_kind.c - what kind of terminal it is, as the environment says: colours, letters, and whether it is
 * a screen at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pty.h>
#include <stdio.h>

#include "../../client-lib/cli/stop.c"
#include "../../client-lib/cli/terminal.c"
#include "../../client-lib/cli/terminal_keys.c"

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static void test_colours(void **state)
{
	static const struct {
		const char *no_color, *colorterm, *term;
		enum terminal_colours colours;
	} cases[] = {
		{ NULL, "truecolor", "xterm", TERMINAL_COLOURS_TRUE },
		{ NULL, "24bit", NULL, TERMINAL_COLOURS_TRUE },
		{ "", NULL, "screen-256color", TERMINAL_COLOURS_256 },
		{ NULL, NULL, "linux", TERMINAL_COLOURS_NONE },
		{ NULL, "yes", NULL, TERMINAL_COLOURS_NONE },
		{ "1", "truecolor", "xterm-256color", TERMINAL_COLOURS_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set("NO_COLOR", cases[i].no_color);
		set("COLORTERM", cases[i].colorterm);
		set("TERM", cases[i].term);
		assert_int_equal(terminal_colours(), cases[i].colours);
	}
}

static void test_letters(void **state)
{
	static const struct {
		const char *all, *ctype, *lang;
		bool utf8;
	} cases[] = {
		{ NULL, NULL, "de_DE.UTF-8", true },       { NULL, NULL, "C.utf8", true },
		{ NULL, "C", "en_GB.UTF-8", false },       { "POSIX", "C.UTF-8", "C.UTF-8", false },
		{ "", "en_GB.UTF-8", "C", true },          { NULL, NULL, NULL, false },
		{ NULL, NULL, "en_GB.ISO-8859-1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set("LC_ALL", cases[i].all);
		set("LC_CTYPE", cases[i].ctype);
		set("LANG", cases[i].lang);
		assert_int_equal(terminal_is_utf8(), cases[i].utf8);
	}
}

static void test_no_screen(void **state)
{
	int out = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY), master = -1, terminal_end = -1;

	(void)state;
	set("TERM", "xterm");
	assert_true(out >= 0 && null >= 0 && openpty(&master, &terminal_end, NULL, NULL, NULL) == 0);
	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	const bool file = terminal_is_screen();

	dup2(terminal_end, STDOUT_FILENO);
	const bool screen = terminal_is_screen();

	set("TERM", "dumb");
	const bool dumb = terminal_is_screen();

	set("TERM", NULL);
	const bool unknown = terminal_is_screen();

	dup2(out, STDOUT_FILENO);
	assert_false(file);
	assert_true(screen);
	assert_false(dumb);
	assert_false(unknown);
	close(out);
	close(null);
	close(master);
	close(terminal_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_no_screen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
