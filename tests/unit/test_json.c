/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_json.c - daemon/base/json: numbers are exact, strings are valid whatever they were given, and a parser of others
 * (cJSON) reads what was written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "../tools/random.h"
#include "base/json.h"

static struct json json;

static void expect(const char *text)
{
	size_t bytes = 0;
	char *taken = json_take(&json, &bytes);

	assert_non_null(taken);
	assert_string_equal(taken, text);
	assert_int_equal(bytes, strlen(text));
	free(taken);
}

static void test_form(void **state)
{
	(void)state;
	json_object(&json, NULL);
	json_close(&json);
	expect("{}");
	json_array(&json, NULL);
	json_close(&json);
	expect("[]");
	json_object(&json, NULL);
	json_number(&json, "a", 1);
	json_array(&json, "b");
	json_object(&json, NULL);
	json_close(&json);
	json_object(&json, NULL);
	json_bool(&json, "yes", true);
	json_bool(&json, "no", false);
	json_close(&json);
	json_string(&json, NULL, "");
	json_close(&json);
	json_string(&json, "c", "d");
	json_close(&json);
	expect("{\"a\":1,\"b\":[{},{\"yes\":true,\"no\":false},\"\"],\"c\":\"d\"}");
}

static void test_numbers(void **state)
{
	(void)state;
	json_array(&json, NULL);
	json_number(&json, NULL, 0);
	json_number(&json, NULL, (UINT64_C(1) << 53) + 1);
	json_number(&json, NULL, UINT64_MAX);
	json_integer(&json, NULL, 0);
	json_integer(&json, NULL, -1);
	json_integer(&json, NULL, INT64_MIN);
	json_integer(&json, NULL, INT64_MAX);
	json_id(&json, NULL, 0);
	json_id(&json, NULL, (UINT64_C(1) << 53) + 1);
	json_id(&json, NULL, UINT64_MAX);
	json_close(&json);
	expect("[0,9007199254740993,18446744073709551615,"
	       "0,-1,-9223372036854775808,9223372036854775807,"
	       "\"0\",\"9007199254740993\",\"18446744073709551615\"]");
}

/* null, and values that are texts already, among others: the commas are right, and nothing of the text is changed. */
static void test_raw(void **state)
{
	(void)state;
	json_raw(&json, NULL, "{\"a\":[1,2]}", 11);
	expect("{\"a\":[1,2]}");
	json_object(&json, NULL);
	json_null(&json, "nothing");
	json_raw(&json, "r", "[1,\"\\u0001\"] and what lies behind it", 12);
	json_array(&json, "list");
	json_null(&json, NULL);
	json_raw(&json, NULL, "-0.5", 4);
	json_null(&json, NULL);
	json_close(&json);
	json_raw(&json, "last", "{}", 2);
	json_close(&json);
	expect("{\"nothing\":null,\"r\":[1,\"\\u0001\"],\"list\":[null,-0.5,null],\"last\":{}}");
}

static void test_deepest(void **state)
{
	(void)state;
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		json_array(&json, NULL);
	for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
		json_close(&json);
	expect("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]");
}

static void check_string(const char *value, const char *written)
{
	char text[512];

	snprintf(text, sizeof(text), "\"%s\"", written);
	json_string(&json, NULL, value);
	expect(text);
}

static void test_strings(void **state)
{
	(void)state;
	check_string("plain text 123 ~ /", "plain text 123 ~ /");
	check_string("\"\\", "\\\"\\\\");
	check_string("\x01\n\x1f\x7f", "\\u0001\\u000a\\u001f\x7f");
	/* The first and the last of each length, and the neighbours of the surrogates. */
	check_string("\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf");
	check_string("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
		     "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
	check_string("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	/* Too long, a surrogate, beyond the last, alone, cut off: a replacement for each byte. */
	check_string("\xc0\x80", "\\ufffd\\ufffd");
	check_string("\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd");
	check_string("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd");
	check_string("\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd");
	check_string("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
	check_string("\xf5\x80", "\\ufffd\\ufffd");
	check_string("\x80"
		     "a",
		     "\\ufffd"
		     "a");
	check_string("\xc3", "\\ufffd");
	check_string("\xe2\x82", "\\ufffd\\ufffd");
	check_string("\xf0\x9f\x98", "\\ufffd\\ufffd\\ufffd");
	check_string("\xc3\xc3\xa4", "\\ufffd\xc3\xa4");
}

/* Random bytes as a name and as a value: another parser takes the text, and finds both again. */
static void test_parsed(void **state)
{
	uint64_t seed = 8;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		char bytes[65] = { 0 }, name[] = "name";
		size_t length = random_below(&seed, 64), text_bytes;
		cJSON *parsed;
		char *text;

		for (size_t i = 0; i < length; i++)
			bytes[i] = (char)(1 + random_below(&seed, round % 2 ? 255 : 126));
		json_object(&json, NULL);
		json_string(&json, name, bytes);
		json_string(&json, bytes, name);
		json_close(&json);
		text = json_take(&json, &text_bytes);
		assert_non_null(text);
		parsed = cJSON_ParseWithOpts(text, NULL, true);
		assert_non_null(parsed);
		if (round % 2 == 0) {
			assert_string_equal(cJSON_GetObjectItemCaseSensitive(parsed, name)->valuestring, bytes);
			assert_string_equal(parsed->child->next->string, bytes);
		}
		cJSON_Delete(parsed);
		free(text);
	}
}

/* Every length across the points where the buffer grows; that nothing is written behind it, the sanitizer sees. */
static void test_growth(void **state)
{
	static char value[8300];

	(void)state;
	for (size_t length = 4000; length < sizeof(value) - 1; length += length == 4200 ? 3900 : 1) {
		size_t bytes = 0;
		char *text;

		memset(value, 'x', length);
		value[length] = '\0';
		json_string(&json, NULL, value);
		text = json_take(&json, &bytes);
		assert_non_null(text);
		assert_int_equal(bytes, length + 2);
		assert_int_equal(strlen(text), bytes);
		assert_int_equal(text[bytes - 1], '"');
		free(text);
	}
}

/* A text that leaves one byte of the first memory, which the NUL takes; one that leaves none; and one more. */
static void test_full(void **state)
{
	static const size_t rooms[] = { 4096, 8192, 8192 };
	char value[4096];

	(void)state;
	for (size_t bytes = 4095; bytes <= 4097; bytes++) {
		char expected[4098];

		/* With its quotes. */
		snprintf(value, sizeof(value), "%0*d", (int)bytes - 2, 0);
		snprintf(expected, sizeof(expected), "\"%s\"", value);
		json_string(&json, NULL, value);
		assert_int_equal(json.bytes, bytes);
		assert_int_equal(json.room, rooms[bytes - 4095]);
		expect(expected);
	}
}

static void test_nothing(void **state)
{
	size_t bytes = 42;

	(void)state;
	assert_null(json_take(&json, &bytes));
	assert_int_equal(bytes, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),    cmocka_unit_test(test_numbers), cmocka_unit_test(test_deepest),
		cmocka_unit_test(test_strings), cmocka_unit_test(test_parsed),  cmocka_unit_test(test_growth),
		cmocka_unit_test(test_full),    cmocka_unit_test(test_nothing), cmocka_unit_test(test_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
