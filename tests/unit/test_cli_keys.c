/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_keys.c - bytes of a terminal as keys: all at once, byte by byte, and broken off. The key Escape ends the
 * program, so nothing else may be taken for it, nor a letter inside of a report for a key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "../../client-lib/cli/terminal.h"
#include "../../client-lib/cli/terminal_keys.c"

#define KEYS_MAX 8u

struct told {
	int keys[KEYS_MAX];
	size_t count;
};

static void take_all(struct terminal_keys *keys, bool more, struct told *told)
{
	int key;

	while ((key = terminal_keys_next(keys, more)) != TERMINAL_NONE) {
		assert_true(told->count < KEYS_MAX);
		told->keys[told->count++] = key;
	}
}

/* So many bytes at a time; then the time is over. */
static struct told tell(const char *bytes, size_t step)
{
	struct terminal_keys keys = { .count = 0 };
	struct told told = { .count = 0 };
	const size_t length = strlen(bytes);
	size_t at = 0;

	while (at < length) {
		size_t n = length - at < step ? length - at : step;

		n = n < sizeof(keys.bytes) - keys.count ? n : sizeof(keys.bytes) - keys.count;
		memcpy(keys.bytes + keys.count, bytes + at, n);
		keys.count += n;
		at += n;
		take_all(&keys, true, &told);
		assert_true(keys.count < sizeof(keys.bytes));
	}
	take_all(&keys, false, &told);
	assert_false(terminal_keys_wait(&keys));
	return told;
}

static void expect(const char *bytes, size_t count, const int *wanted)
{
	for (size_t step = 1; step <= sizeof(((struct terminal_keys *)0)->bytes); step++) {
		const struct told told = tell(bytes, step);

		assert_int_equal(told.count, count);
		assert_memory_equal(told.keys, wanted, count * sizeof(*wanted));
	}
}

#define EXPECT(bytes, ...)                                                                                             \
	expect(bytes, sizeof((int[]){ 0, ##__VA_ARGS__ }) / sizeof(int) - 1, (int[]){ 0, ##__VA_ARGS__ } + 1)

static void test_keys(void **state)
{
	(void)state;
	EXPECT("kq", 'k', 'q');
	EXPECT("\033[A\033OB", TERMINAL_UP, TERMINAL_DOWN);
	EXPECT("\033[C\033[1;5D", TERMINAL_RIGHT, TERMINAL_LEFT);
	EXPECT("\033[5~\033[6~", TERMINAL_PAGE_UP, TERMINAL_PAGE_DOWN);
	EXPECT("\033[H\033[1~\033[7~\033OH", TERMINAL_HOME, TERMINAL_HOME, TERMINAL_HOME, TERMINAL_HOME);
	EXPECT("\033[F\033[4~\033[8~", TERMINAL_LAST, TERMINAL_LAST, TERMINAL_LAST);
	EXPECT("\xc3\xa9k", 'k');
}

static void test_escape(void **state)
{
	(void)state;
	EXPECT("\033", TERMINAL_ESCAPE);
	EXPECT("a\033", 'a', TERMINAL_ESCAPE);
	EXPECT("\033\033", TERMINAL_ESCAPE, TERMINAL_ESCAPE);
	EXPECT("\033[A\033", TERMINAL_UP, TERMINAL_ESCAPE);
}

/* With Alt. */
static void test_alt(void **state)
{
	(void)state;
	EXPECT("\033qk", 'k');
	EXPECT("\033\xc3\xa9k", 'k');
	EXPECT("\033\033[Ak", TERMINAL_UP, 'k');
	EXPECT("\033\033OBk", TERMINAL_DOWN, 'k');
}

/* q and A are in there, and Escape in front. */
static void test_no_keys(void **state)
{
	(void)state;
	EXPECT("\033[M q!k", 'k'); /* a mouse, as of old */
	EXPECT("\033[M !Ak", 'k');
	EXPECT("\033[<0;12;7Mk\033[<0;12;7mk", 'k', 'k'); /* and as now */
	EXPECT("\033[32;12;7Mk", 'k');
	EXPECT("\033[Ik\033[Ok", 'k', 'k');   /* the focus */
	EXPECT("\033[[Ak", 'k');              /* F1, of the Linux console */
	EXPECT("\033OPk\033[15~k", 'k', 'k'); /* F1 and F5 */
	EXPECT("\033[99~k", 'k');
	EXPECT("\033[24;80Rk\033[?62;22ck", 'k', 'k');
	EXPECT("\033]11;rgb:1111/aaaa/qqqq\033\\k", 'k'); /* what the ground's colour is */
	EXPECT("\033]11;rgb:1111/aaaa/qqqq\ak", 'k');
	EXPECT("\033P1$r0 qA\033\\k", 'k');
	EXPECT("\033_Gi=31;OKAq\033\\k", 'k');
}

/* Longer than there is room for; and never finished. */
static void test_limits(void **state)
{
	char text[3 * TERMINAL_KEYS_BYTES];

	(void)state;
	memset(text, 'q', sizeof(text));
	memcpy(text, "\033]", 2);
	memcpy(text + sizeof(text) - 3, "\ak", 3);
	EXPECT(text, 'k');
	memset(text, '1', sizeof(text));
	memcpy(text, "\033[", 2);
	memcpy(text + TERMINAL_KEYS_BYTES - 1, "~k", 3);
	EXPECT(text, 'k');
	text[TERMINAL_KEYS_BYTES - 1] = '1';
	text[TERMINAL_KEYS_BYTES] = '\0';
	EXPECT(text);
	EXPECT("\033[");
	EXPECT("\033[12;");
	EXPECT("\033O");
	EXPECT("\033P");
	EXPECT("\033[M q");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),    cmocka_unit_test(test_escape), cmocka_unit_test(test_alt),
		cmocka_unit_test(test_no_keys), cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
