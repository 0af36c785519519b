/* SPDX-License-Identifier: BSD-2-Clause */
/* test_control_framing.c - where requests end, however the stream is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/framing.h"

#define REQUESTS_MAX 16

struct request {
	size_t at, bytes;
	char terminator;
};

struct requests {
	unsigned count;
	struct request all[REQUESTS_MAX];
	size_t rest; /* bytes of one that has not ended */
};

/* As a connection does: the bytes come up to `ends[i]` at a time. */
static void cut(const char *text, const size_t *ends, unsigned end_count, struct requests *ret_requests)
{
	struct framing framing = { 0 };
	size_t begin = 0;

	memset(ret_requests, 0, sizeof(*ret_requests));
	for (unsigned i = 0; i < end_count; i++) {
		for (;;) {
			struct request *request = &ret_requests->all[ret_requests->count];

			if (framing.scanned == 0)
				begin += framing_blanks(text + begin, ends[i] - begin);
			if (!framing_scan(&framing, text + begin, ends[i] - begin, &request->bytes,
					  &request->terminator))
				break;
			request->at = begin;
			begin += request->bytes + 1;
			ret_requests->count++;
			assert_true(ret_requests->count < REQUESTS_MAX);
		}
		ret_requests->rest = ends[i] - begin;
	}
	memset(&ret_requests->all[ret_requests->count], 0, sizeof(struct request));
}

static const struct {
	const char *text;
	size_t bytes;
	unsigned count;
	const char *lengths; /* of the requests, in letters: 'b' is 1 */
	const char *terminators;
	size_t rest;
} cases[] = {
#define CASE(text, ...)                                                                                                \
	{                                                                                                              \
		text, sizeof(text) - 1, __VA_ARGS__                                                                    \
	}
	CASE("", 0, "", "", 0),
	CASE(" \r\n\t\n", 0, "", "", 0),
	CASE("{}", 0, "", "", 2),
	CASE("{}\n", 1, "c", "n", 0),
	CASE("{}\0", 1, "c", "0", 0),
	CASE("{}\r\n", 1, "d", "n", 0),
	CASE("{}\n\0{}\0\n{}\n", 3, "ccc", "n0n", 0),
	CASE("\n\n  {}\n\n\n", 1, "c", "n", 0),
	CASE("{\n\n}\n{\n}\0", 2, "ed", "n0", 0),
	CASE("{\"a\":\"}\n\"}\n", 1, "k", "n", 0),
	CASE("{\"a\":\"\\\"}\"}\n{}\n", 2, "lc", "nn", 0),
	CASE("{\"\\\\\":{\"}\":{\n}}}\n", 1, "q", "n", 0),
	CASE("{\"a\0\"b\n", 1, "d", "0", 3),
	CASE("{\"a\\\0{}\n", 2, "ec", "0n", 0),
	CASE("hello\n{}\n", 2, "fc", "nn", 0),
	CASE("}}}\n{}\n", 2, "dc", "nn", 0),
	CASE("[1,\n2]\n", 2, "dc", "nn", 0),
	CASE("{}{}\n", 1, "e", "n", 0),
	CASE("{{}\n", 0, "", "", 4),
	CASE("{} x\n", 1, "e", "n", 0),
#undef CASE
};

static void check(const struct requests *requests, unsigned number)
{
	assert_int_equal(requests->count, cases[number].count);
	for (unsigned i = 0; i < requests->count; i++) {
		assert_int_equal(requests->all[i].bytes, cases[number].lengths[i] - 'a');
		assert_int_equal(requests->all[i].terminator, cases[number].terminators[i] == 'n' ? '\n' : '\0');
	}
	assert_int_equal(requests->rest, cases[number].rest);
}

/* Whole, in every two pieces, and byte by byte. */
static void test_every_cut(void **state)
{
	(void)state;
	for (unsigned number = 0; number < sizeof(cases) / sizeof(cases[0]); number++) {
		size_t ends[64];
		struct requests requests;

		for (size_t i = 0; i <= cases[number].bytes; i++) {
			cut(cases[number].text, (size_t[]){ i, cases[number].bytes }, 2, &requests);
			check(&requests, number);
			ends[i] = i;
		}
		cut(cases[number].text, ends, (unsigned)cases[number].bytes + 1, &requests);
		check(&requests, number);
	}
}

/* Random bytes of the few that matter: every cut gives the same requests as none. */
static void test_random_cuts(void **state)
{
	static const char bytes[] = { '{', '}', '"', '\\', '\n', '\0', ' ', 'a' };

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		char text[REQUESTS_MAX - 1];
		struct requests whole, cut_up;
		size_t ends[sizeof(text)];

		for (size_t i = 0; i < sizeof(text); i++) {
			text[i] = bytes[(unsigned)rand() % sizeof(bytes)];
			ends[i] = i + 1;
		}
		cut(text, (size_t[]){ sizeof(text) }, 1, &whole);
		cut(text, ends, sizeof(text), &cut_up);
		assert_memory_equal(&whole, &cut_up, sizeof(whole));
		for (size_t i = 0; i < sizeof(text); i++) {
			cut(text, (size_t[]){ i, sizeof(text) }, 2, &cut_up);
			assert_memory_equal(&whole, &cut_up, sizeof(whole));
		}
	}
}

/* A newline inside an object is noted: who sends one likes an answer that ends with one. */
static void test_newline_noted(void **state)
{
	struct framing framing = { 0 };
	size_t bytes;
	char terminator;

	(void)state;
	assert_false(framing_scan(&framing, "{\"a\"", 4, &bytes, &terminator));
	assert_false(framing.newline);
	assert_false(framing_scan(&framing, "{\"a\"\n", 5, &bytes, &terminator));
	assert_true(framing.newline);
	assert_true(framing_scan(&framing, "{\"a\"\n\0", 6, &bytes, &terminator));
	assert_int_equal(bytes, 5);
	assert_false(framing.newline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_random_cuts),
		cmocka_unit_test(test_newline_noted),
	};

	return cmocka_run_group_tests_name("control framing", tests, NULL, NULL);
}
