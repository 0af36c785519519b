/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_json.c - the library's reader of JSON: what it takes and where it stops, what it finds, and that no
 * mutation of a text makes it read beyond its end, or take what cJSON does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client-lib/json.h"

static struct lr_json parse(const char *text)
{
	struct lr_json object = { NULL, NULL };
	size_t offset;

	if (lr_json_check(text, strlen(text), &object, &offset) < 0)
		fail_msg("'%s' was refused at byte %zu", text, offset);
	return object;
}

static void test_taken(void **state)
{
	static const char *const texts[] = {
		"{}",
		" \t\r\n{ } \n",
		"{\"a\":1}",
		"{\"\":-0}",
		"{\"a\":[],\"b\":{},\"c\":[1,2.5,-3e7,4E+1,5e-2,0.0]}",
		"{\"a\":true,\"b\":false,\"c\":null}",
		"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\uD800\"}",
		"{\"\xc3\xa4\":\"\xf4\x8f\xbf\xbf \x7f\"}",
		"{ \"a\" : [ 1 , 2 ] , \"b\" : { \"c\" : \"]}\" } }",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		parse(texts[i]);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		size_t offset;
	} texts[] = {
		{ "", 0 },
		{ "  ", 2 },
		{ "[]", 0 },
		{ "1", 0 },
		{ "{", 1 },
		{ "{}}", 2 },
		{ "{} x", 3 },
		{ "{\"a\"}", 4 },
		{ "{\"a\":}", 5 },
		{ "{\"a\":1,}", 7 },
		{ "{\"a\":1 \"b\":2}", 7 },
		{ "{a:1}", 1 },
		{ "{'a':1}", 1 },
		{ "{\"a\":[1,]}", 8 },
		{ "{\"a\":[1}", 7 },
		{ "{\"a\":01}", 6 },
		{ "{\"a\":-}", 6 },
		{ "{\"a\":+1}", 5 },
		{ "{\"a\":.5}", 5 },
		{ "{\"a\":1.}", 7 },
		{ "{\"a\":1e}", 7 },
		{ "{\"a\":0x1}", 6 },
		{ "{\"a\":NaN}", 5 },
		{ "{\"a\":tru}", 8 },
		{ "{\"a\":truee}", 9 },
		{ "{\"a\":\"b}", 8 },
		{ "{\"a\":\"\\x\"}", 7 },
		{ "{\"a\":\"\\u12g4\"}", 10 },
		{ "{\"a\":\"\x01\"}", 6 },
		{ "{\"a\":\"\xff\"}", 6 },
		{ "{\"a\":\"\xed\xa0\x80\"}", 6 },
		{ "{\"a\":1/*c*/}", 6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct lr_json object = { NULL, NULL };
		size_t offset = SIZE_MAX;

		assert_int_equal(lr_json_check(texts[i].text, strlen(texts[i].text), &object, &offset), -EBADMSG);
		if (offset != texts[i].offset)
			fail_msg("'%s' was refused at byte %zu", texts[i].text, offset);
		assert_null(object.begin);
	}
}

static void test_depth(void **state)
{
	char text[4 * LR_JSON_DEPTH_MAX];
	struct lr_json object;
	size_t offset;

	(void)state;
	for (unsigned depth = LR_JSON_DEPTH_MAX; depth <= LR_JSON_DEPTH_MAX + 1; depth++) {
		size_t n = 0;

		n += (size_t)sprintf(text, "{\"a\":");
		memset(text + n, '[', depth - 1);
		n += depth - 1;
		memset(text + n, ']', depth - 1);
		n += depth - 1;
		text[n++] = '}';
		assert_int_equal(lr_json_check(text, n, &object, &offset), depth == LR_JSON_DEPTH_MAX ? 0 : -EBADMSG);
	}
	assert_int_equal(offset, strlen("{\"a\":") + LR_JSON_DEPTH_MAX);
}

/* A text without a NUL behind it, and of a NUL inside. */
static void test_ends(void **state)
{
	struct lr_json object;
	size_t offset;

	(void)state;
	assert_int_equal(lr_json_check("{}x", 2, &object, &offset), 0);
	assert_int_equal(object.end - object.begin, 2);
	assert_int_equal(lr_json_check("{\"a\0\":1}", 8, &object, &offset), -EBADMSG);
	assert_int_equal(lr_json_check("{}\0", 3, &object, &offset), -EBADMSG);
	assert_int_equal(offset, 2);
}

static int64_t integer_at(struct lr_json object, const char *path)
{
	struct lr_json value;
	int64_t integer = INT64_MIN;

	if (!lr_json_find(object, path, &value) || !lr_json_integer(value, INT64_MIN, INT64_MAX, &integer))
		fail_msg("no whole number at %s", path);
	return integer;
}

static void test_found(void **state)
{
	const struct lr_json object = parse("{ \"s\": \"{\\\"a\\\":9,\" , \"a\": 1, \"b\": {\"a\":[{\"a\":5}], \"c\" : "
					    "-2 }, \"a\":3, \"d\":{}, \"e.f\":4}");
	struct lr_json value = object;

	(void)state;
	assert_int_equal(integer_at(object, "a"), 1);
	assert_int_equal(integer_at(object, "b.c"), -2);
	assert_true(lr_json_find(object, "b.a", &value));
	assert_int_equal(value.end - value.begin, strlen("[{\"a\":5}]"));
	assert_true(lr_json_find(object, "d", &value) && lr_json_is_object(value));
	value = object;
	assert_false(lr_json_find(object, "c", &value));
	assert_false(lr_json_find(object, "a.b", &value));
	assert_false(lr_json_find(object, "b.a.a", &value));
	assert_false(lr_json_find(object, "e.f", &value));
	assert_false(lr_json_find(object, "", &value));
	assert_ptr_equal(value.begin, object.begin);
}

static void test_arrays(void **state)
{
	const struct lr_json object =
		parse("{\"a\":[ 1 ,\"x,]\",[2,3],{\"b\":[4]} ,null],\"b\":[],\"c\":7,\"d\":[true]}");
	static const char *const elements[] = { "1", "\"x,]\"", "[2,3]", "{\"b\":[4]}", "null" };
	struct lr_json array, element = { NULL, NULL };

	(void)state;
	assert_true(lr_json_find(object, "a", &array));
	assert_int_equal(lr_json_count(array), 5);
	for (size_t i = 0; i < 5; i++) {
		assert_true(lr_json_next(array, &element));
		assert_int_equal(element.end - element.begin, strlen(elements[i]));
		assert_memory_equal(element.begin, elements[i], strlen(elements[i]));
	}
	assert_false(lr_json_next(array, &element));
	assert_true(lr_json_find(object, "b", &array));
	assert_int_equal(lr_json_count(array), 0);
	assert_true(lr_json_find(object, "c", &array));
	assert_int_equal(lr_json_count(array), 0);
	assert_true(lr_json_find(object, "d", &array));
	assert_int_equal(lr_json_count(array), 1);
	assert_int_equal(lr_json_count(object), 0);
}

static void test_integers(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t integer;
	} texts[] = {
		{ "{\"a\":0}", true, 0 },
		{ "{\"a\":-0}", true, 0 },
		{ "{\"a\":9007199254740992}", true, INT64_C(1) << 53 },
		{ "{\"a\":-9007199254740992}", true, -(INT64_C(1) << 53) },
		{ "{\"a\":99999999999999999999999999}", false, 0 },
		{ "{\"a\":1.0}", false, 0 },
		{ "{\"a\":1e2}", false, 0 },
		{ "{\"a\":\"1\"}", false, 0 },
		{ "{\"a\":true}", false, 0 },
		{ "{\"a\":null}", false, 0 },
		{ "{\"a\":[1]}", false, 0 },
	};
	struct lr_json value;
	int64_t integer;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		integer = 42;
		assert_true(lr_json_find(parse(texts[i].text), "a", &value));
		assert_int_equal(lr_json_integer(value, INT64_MIN, INT64_MAX, &integer), texts[i].good);
		assert_int_equal(integer, texts[i].good ? texts[i].integer : 42);
	}
	assert_true(lr_json_find(parse("{\"a\":7}"), "a", &value));
	assert_true(lr_json_integer(value, 7, 7, &integer));
	assert_false(lr_json_integer(value, 8, 9, &integer));
	assert_false(lr_json_integer(value, -9, 6, &integer));
}

static void test_texts(void **state)
{
	const struct lr_json object =
		parse("{\"a\":\"\\\"\\\\\\/ "
		      "\\u0041\\u00e4\\n\\u001b[31m\",\"b\":\"\xc3\xa4\x7f\",\"c\":1,\"d\":\"\",\"e\":\"0123456789\"}");
	struct lr_json value;
	char text[32];

	(void)state;
	assert_true(lr_json_find(object, "a", &value) && lr_json_text(value, text, sizeof(text)));
	assert_string_equal(text, "\"\\/ A???[31m");
	assert_true(lr_json_find(object, "b", &value) && lr_json_text(value, text, sizeof(text)));
	assert_string_equal(text, "???");
	assert_true(lr_json_find(object, "c", &value));
	assert_false(lr_json_text(value, text, sizeof(text)));
	assert_string_equal(text, "");
	assert_true(lr_json_find(object, "d", &value) && lr_json_text(value, text, sizeof(text)));
	assert_string_equal(text, "");
	assert_true(lr_json_find(object, "e", &value) && lr_json_text(value, text, 5));
	assert_string_equal(text, "0123");
}

/* --- mutations --------------------------------------------------------------------------------------------------- */

#define MUTATIONS 200000u
#define TEXT_BYTES 256u

static uint32_t random_below(uint32_t bound)
{
	static uint64_t seed = 20261127;

	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % bound;
}

static const char *const seeds[] = {
	"{\"parameters\":{\"applied\":{\"configuration\":{\"size\":{\"width\":640,\"height\":480}},\"adjustments\":[]}}"
	"}",
	"{\"error\":\"io.lumaring.Camera.OutOfRange\",\"parameters\":{\"field\":\"size.width\",\"minimum\":1,\"given\":"
	"-7}}",
	"{\"a\":[1,2.5e3,true,false,null,{\"b\":\"\\u0041\\n\xc3\xa4\"},[[]]],\"continues\":true}",
};

static size_t mutate(char *text)
{
	static const char pieces[] = "{}[]\",:\\u0041tfn-+.eE19 \xc3\xa4\xff";
	const char *seed = seeds[random_below(sizeof(seeds) / sizeof(seeds[0]))];
	size_t n = strlen(seed);

	memcpy(text, seed, n);
	for (uint32_t i = random_below(4); i > 0; i--) {
		const size_t at = random_below((uint32_t)n);

		switch (random_below(4)) {
		case 0:
			text[at] = pieces[random_below(sizeof(pieces) - 1)];
			break;
		case 1:
			if (n > 1)
				memmove(text + at, text + at + 1, --n - at);
			break;
		case 2:
			memmove(text + at + 1, text + at, n++ - at);
			text[at] = pieces[random_below(sizeof(pieces) - 1)];
			break;
		default:
			n = at + 1;
		}
	}
	return n;
}

/* Looks at every value; each lies in the one that it is of. */
static void walk(struct lr_json value, unsigned depth)
{
	struct lr_json inner = { NULL, NULL };
	int64_t integer;
	char text[16];

	assert_true(value.begin < value.end);
	assert_true(depth <= LR_JSON_DEPTH_MAX);
	lr_json_integer(value, INT64_MIN, INT64_MAX, &integer);
	lr_json_text(value, text, sizeof(text));
	while (lr_json_next(value, &inner)) {
		assert_true(inner.begin > value.begin && inner.end < value.end);
		walk(inner, depth + 1);
	}
	if (lr_json_find(value, "parameters", &inner) || lr_json_find(value, "a", &inner) ||
	    lr_json_find(value, "applied.configuration", &inner) || lr_json_find(value, "b", &inner))
		walk(inner, depth + 1);
}

static void test_mutations(void **state)
{
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < MUTATIONS; i++) {
		char text[TEXT_BYTES];
		const size_t n = mutate(text);
		char *exact = malloc(n); /* so that a sanitizer sees a byte too many */
		struct lr_json object;
		size_t offset = 0;

		assert_non_null(exact);
		memcpy(exact, text, n);
		text[n] = '\0';
		if (lr_json_check(exact, n, &object, &offset) == 0) {
			cJSON *tree = cJSON_ParseWithOpts(text, NULL, true);

			/* Which is stricter in one thing: halves of a pair of \u. */
			if (!tree && !strstr(text, "\\u"))
				fail_msg("'%s' was taken", text);
			cJSON_Delete(tree);
			walk(object, 0);
			taken++;
		} else {
			assert_true(offset <= n);
		}
		free(exact);
	}
	assert_in_range(taken, MUTATIONS / 10, MUTATIONS - MUTATIONS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),    cmocka_unit_test(test_refused), cmocka_unit_test(test_depth),
		cmocka_unit_test(test_ends),     cmocka_unit_test(test_found),   cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_integers), cmocka_unit_test(test_texts),   cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
