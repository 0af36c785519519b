/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_json_tree.c - daemon/base/json_tree: what is JSON and what is not, where it is wrong and in which words, and
 * each bound at its value and one beyond. test_json_fuzz.c does the rest.
 */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "base/utf8.h"
#include "json_again.h"

static void expect_good(const char *text, const char *again)
{
	struct json_tree *tree;
	struct json_fault fault;
	size_t bytes;
	char *written;
	int r = parse(text, strlen(text), &with_comments, &tree, &fault);

	if (r < 0)
		fail_msg("%s: %u:%u: %s: %s", text, fault.line, fault.column, fault.field, fault.text);
	written = printed(tree, &bytes);
	assert_string_equal(written, again);
	free(written);
	json_tree_destroy(tree);
}

static void expect_bad(const char *text, size_t bytes, const struct json_bounds *limits, int error, unsigned line,
		       unsigned column, const char *field, const char *sentence)
{
	struct json_tree *tree = NULL;
	struct json_fault fault;
	int r = parse(text, bytes, limits, &tree, &fault);

	assert_null(tree);
	if (r != error || fault.line != line || fault.column != column || strcmp(fault.field, field) ||
	    !strstr(fault.text, sentence))
		fail_msg("%.80s: %d, %u:%u: \"%s\": %s", text, r, fault.line, fault.column, fault.field, fault.text);
}

static void test_good(void **state)
{
	static const struct {
		const char *text, *again;
	} good[] = {
		{ "{}", "{}" },
		{ "[]", "[]" },
		{ " \t\r\n[ ] \n", "[]" },
		{ "null", "null" },
		{ "true", "true" },
		{ "\"\"", "\"\"" },
		{ "[true,false,null]", "[true,false,null]" },
		{ "[0,-0,7,-12,10]", "[0,0,7,-12,10]" },
		{ "[9007199254740992,-9007199254740992]", "[9007199254740992,-9007199254740992]" },
		{ "[1.5,-0.5,1e2,1E+2,25e-2,0.0]",
		  "[1.50000000000000000e+00,-5.00000000000000000e-01,1.00000000000000000e+02,"
		  "1.00000000000000000e+02,2.50000000000000000e-01,0.00000000000000000e+00]" },
		{ "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e4\\u20ac\"",
		  "\"a\\\"\\\\/\\u0008\\u000c\\u000a\\u000d\\u0009A\xc3\xa4\xe2\x82\xac\"" },
		{ "\"\\ud83d\\ude00 \\uD83D\\uDE00 \xf0\x9f\x98\x80\"",
		  "\"\xf0\x9f\x98\x80 \xf0\x9f\x98\x80 \xf0\x9f\x98\x80\"" },
		{ "\"\x7f\"", "\"\x7f\"" },
		{ "{\"a\":{\"b\":[1,{\"c\":[]},{}]},\"\":2}", "{\"a\":{\"b\":[1,{\"c\":[]},{}]},\"\":2}" },
		{ "{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}" },
		{ "[{\"a\":1},{\"a\":1}]", "[{\"a\":1},{\"a\":1}]" },
		{ "// one\n[1,/* two, \" */2]/**/ // three", "[1,2]" },
		{ "\"// no /* comment\"", "\"// no /* comment\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		expect_good(good[i].text, good[i].again);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *field, *sentence;
	} bad[] = {
		{ "", 1, 1, "", "the text ends where a value is wanted" },
		{ " \n ", 2, 2, "", "the text ends where a value is wanted" },
		{ "{", 1, 2, "", "the text ends inside an object: } is missing" },
		{ "[1", 1, 3, "", "the text ends inside an array: ] is missing" },
		{ "{\"a\":", 1, 6, "a", "the text ends where a value is wanted" },
		{ "{\"a\"", 1, 5, "", "a colon is wanted behind a key" },
		{ "{\"a\":1,", 1, 8, "", "the text ends inside an object: } is missing" },
		{ "\"a", 1, 3, "", "the text ends inside a string: a quote is missing" },
		{ "[\"a\\", 1, 4, "[0]", "behind a backslash one of" },
		{ "{]", 1, 2, "", "a key in quotes is wanted" },
		{ "{1:2}", 1, 2, "", "a key in quotes is wanted" },
		{ "{'a':2}", 1, 2, "", "a key in quotes is wanted" },
		{ "{\"a\":1,}", 1, 8, "", "a key in quotes is wanted" },
		{ "{\"a\" 1}", 1, 6, "", "a colon is wanted behind a key" },
		{ "{\"a\":1\n\"b\":2}", 2, 1, "", "a comma or } is wanted" },
		{ "{\"a\":[1 2]}", 1, 9, "a", "a comma or ] is wanted" },
		{ "[1}", 1, 3, "", "a comma or ] is wanted" },
		{ "[1,]", 1, 4, "[1]", "a value is wanted" },
		{ "[,1]", 1, 2, "[0]", "a value is wanted" },
		{ "{\"a\":}", 1, 6, "a", "a value is wanted" },
		{ "[True]", 1, 2, "[0]", "a value is wanted" },
		{ "[nul]", 1, 2, "[0]", "a value is wanted" },
		{ "[truefalse]", 1, 6, "", "a comma or ] is wanted" },
		{ "[NaN]", 1, 2, "[0]", "a value is wanted" },
		{ "[Infinity]", 1, 2, "[0]", "a value is wanted" },
		{ "[-Infinity]", 1, 2, "[0]", "behind a minus sign a digit is wanted" },
		{ "[+1]", 1, 2, "[0]", "a value is wanted" },
		{ "[.5]", 1, 2, "[0]", "a value is wanted" },
		{ "[-]", 1, 2, "[0]", "behind a minus sign a digit is wanted" },
		{ "[01]", 1, 2, "[0]", "a number does not begin with 0 and other digits" },
		{ "[-00]", 1, 2, "[0]", "a number does not begin with 0 and other digits" },
		{ "[1.]", 1, 2, "[0]", "a digit is wanted behind the point of a number" },
		{ "[1.e3]", 1, 2, "[0]", "a digit is wanted behind the point of a number" },
		{ "[1e]", 1, 2, "[0]", "a digit is wanted in the exponent of a number" },
		{ "[1e+]", 1, 2, "[0]", "a digit is wanted in the exponent of a number" },
		{ "[0x1]", 1, 3, "", "a comma or ] is wanted" },
		{ "[1e400]", 1, 2, "[0]", "numbers reach from -9007199254740992 to 9007199254740992" },
		{ "[-1e400]", 1, 2, "[0]", "numbers reach from" },
		{ "[9007199254740993]", 1, 2, "[0]", "numbers reach from" },
		{ "[-9007199254740993]", 1, 2, "[0]", "numbers reach from" },
		{ "[9223372036854775808]", 1, 2, "[0]", "numbers reach from" },
		{ "[-9223372036854775808]", 1, 2, "[0]", "numbers reach from" },
		{ "[18446744073709551617]", 1, 2, "[0]", "numbers reach from" },
		{ "[9007199254740993.0]", 1, 2, "[0]", "numbers reach from" },
		{ "[-9007199254740992.5]", 1, 2, "[0]", "numbers reach from" },
		{ "[9007199254740993e0]", 1, 2, "[0]", "numbers reach from" },
		{ "[9007199254740994.0]", 1, 2, "[0]", "numbers reach from" },
		{ "[1e16]", 1, 2, "[0]", "numbers reach from" },
		{ "[1e-400]", 1, 2, "[0]", "so small that it would become 0" },
		{ "{\"a\":\"\\u0000\"}", 1, 7, "a", "\\u0000 is not allowed in a string" },
		{ "{\"\\u0000\":1}", 1, 3, "", "\\u0000 is not allowed in a string" },
		{ "\"\\ud800\"", 1, 2, "", "half of a surrogate pair" },
		{ "\"\\ud83dx\\ude00\"", 1, 2, "", "half of a surrogate pair" },
		{ "\"\\ud83d\\n\"", 1, 2, "", "half of a surrogate pair" },
		{ "\"\\ud83d\\ud83d\"", 1, 2, "", "half of a surrogate pair" },
		{ "\"ab\\ude00\"", 1, 4, "", "half of a surrogate pair" },
		{ "\"\\uDFFF\"", 1, 2, "", "half of a surrogate pair" },
		{ "\"\\ud83d\\u00\"", 1, 2, "", "half of a surrogate pair" },
		{ "\"\\u12g4\"", 1, 2, "", "four hexadecimal digits are wanted" },
		{ "\"\\u12", 1, 2, "", "four hexadecimal digits are wanted" },
		{ "\"\\x41\"", 1, 2, "", "behind a backslash one of" },
		{ "\"\\U0041\"", 1, 2, "", "behind a backslash one of" },
		{ "[\"a\tb\"]", 1, 4, "[0]", "a control character (byte 9) in a string" },
		{ "[\"a\nb\"]", 1, 4, "[0]", "a control character (byte 10) in a string" },
		{ "[\"\x1f\"]", 1, 3, "[0]", "a control character (byte 31) in a string" },
		{ "{\"a\n\":1}", 1, 4, "", "a control character (byte 10) in a string" },
		{ "\"\x80\"", 1, 2, "", "a byte that is not UTF-8 (0x80) in a string" },
		{ "\"\xc0\x80\"", 1, 2, "", "not UTF-8 (0xc0)" },
		{ "\"\xed\xa0\x80\"", 1, 2, "", "not UTF-8 (0xed)" },
		{ "\"\xf4\x90\x80\x80\"", 1, 2, "", "not UTF-8 (0xf4)" },
		{ "\"\xe2\x82\"", 1, 2, "", "not UTF-8 (0xe2)" },
		{ "\"\xf0\x9f", 1, 2, "", "not UTF-8 (0xf0)" },
		{ "[\x80]", 1, 2, "[0]", "a value is wanted" },
		{ "\xef\xbb\xbf{}", 1, 1, "", "begins with a byte order mark" },
		{ "{\"a\":1,\"a\":2}", 1, 12, "a", "this key stands there twice" },
		{ "{\"a\":1,\"\\u0061\":2}", 1, 17, "a", "this key stands there twice" },
		{ "{\"x\":[{\"b\":1,\"c\":2,\n\"b\":3}]}", 2, 5, "x[0].b", "this key stands there twice" },
		{ "{} {}", 1, 4, "", "nothing may stand behind the value" },
		{ "{}}", 1, 3, "", "nothing may stand behind the value" },
		{ "1,", 1, 2, "", "nothing may stand behind the value" },
		{ "{\"configuration\":{\"size\":{\"width\":01}}}", 1, 35, "configuration.size.width",
		  "does not begin" },
		{ "{\"streams\":[{},{\"name\":\"a\",\"bin\":.5}]}", 1, 34, "streams[1].bin", "a value is wanted" },
		{ "[[],[[],[x]]]", 1, 10, "[1][1][0]", "a value is wanted" },
		{ "[1,// no comment\n2]", 1, 4, "[1]", "a value is wanted" },
		{ "/**/1", 1, 1, "", "a value is wanted" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_bad(bad[i].text, strlen(bad[i].text), &bounds, -EINVAL, bad[i].line, bad[i].column, bad[i].field,
			   bad[i].sentence);
	expect_bad("[\"a\0\"]", 6, &bounds, -EINVAL, 1, 4, "[0]", "a control character (byte 0) in a string");
	expect_bad("[\0]", 3, &bounds, -EINVAL, 1, 2, "[0]", "a value is wanted");
	expect_bad("{}\0", 3, &bounds, -EINVAL, 1, 3, "", "nothing may stand behind the value");
}

static void test_comments(void **state)
{
	(void)state;
	expect_bad("{\"a\":1} /* b", 12, &with_comments, -EINVAL, 1, 9, "", "this comment has no end");
	expect_bad("/*/", 3, &with_comments, -EINVAL, 1, 1, "", "this comment has no end");
	expect_bad("/ /", 3, &with_comments, -EINVAL, 1, 1, "", "a value is wanted");
	expect_bad("[1] // [\n/", 10, &with_comments, -EINVAL, 2, 1, "", "nothing may stand behind the value");
	/* Places behind comments, of one line and of more. */
	expect_bad("/* a\n b */ [ // c \xff\n/**/x]", 26, &with_comments, -EINVAL, 3, 5, "[0]", "a value is wanted");
	expect_bad("//a\n//b\r\n  1 2", 14, &with_comments, -EINVAL, 3, 5, "", "nothing may stand behind the value");
}

/* What nodes say, and that they are in order. */
static void test_nodes(void **state)
{
	const char *text = "{\"a\": 1,\n \"b\": [\"x\", 2.5, true, null, {\"c\": -3}],\n\"e\": {}}";
	const struct json_node *root, *b, *n;
	struct json_tree *tree;
	struct json_fault fault;

	(void)state;
	assert_int_equal(parse(text, strlen(text), &bounds, &tree, &fault), 0);
	root = json_tree_root(tree);
	assert_true(root->kind == JSON_OBJECT && root->count == 3 && !root->name && !root->next);
	assert_true(root->line == 1 && root->column == 1);
	n = json_find(root, "a");
	assert_ptr_equal(n, root->first);
	assert_true(n->kind == JSON_NUMBER && n->whole && n->integer == 1 && n->number == 1 && !n->faulty);
	assert_true(n->line == 1 && n->column == 7);
	assert_string_equal(n->name, "a");
	b = json_find(root, "b");
	assert_true(b->kind == JSON_ARRAY && b->count == 5 && b->line == 2 && b->column == 7);
	n = b->first;
	assert_true(n->kind == JSON_STRING && !n->name && n->column == 8);
	assert_string_equal(n->string, "x");
	n = n->next;
	assert_true(n->kind == JSON_NUMBER && !n->whole && n->number == 2.5);
	n = n->next;
	assert_true(n->kind == JSON_BOOL && n->boolean);
	n = n->next;
	assert_true(n->kind == JSON_NULL);
	n = n->next;
	assert_true(n->kind == JSON_OBJECT && !n->next && n->first->integer == -3 && !n->first->next);
	n = json_find(root, "e");
	assert_true(n->kind == JSON_OBJECT && n->count == 0 && !n->first && n->line == 3);
	assert_null(json_find(root, "A"));
	assert_null(json_find(root, "c"));
	assert_null(json_find(b, "c"));
	assert_null(json_find(b->first, "c"));
	json_tree_destroy(tree);
	json_tree_destroy(NULL);
}

static void test_depth(void **state)
{
	char text[64] = "";

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		strcat(text, "[");
	for (unsigned i = 0; i < 16; i++)
		strcat(text, "]");
	expect_good(text, text);
	/* Beside each other they are no deeper. */
	expect_good("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]",
		    "[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]");
	expect_good("[[[[[[[[[[[[[[[{}],1]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[{}],1]]]]]]]]]]]]]]");
	expect_bad("[[[[[[[[[[[[[[[[[", 17, &bounds, -EFBIG, 1, 17, "[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]",
		   "arrays and objects stand more than 16 deep inside each other");
	expect_bad("[[{\"a\":{}}]]", 12, &(struct json_bounds){ 100, 3, 9, false }, -EFBIG, 1, 8, "[0][0].a",
		   "more than 3 deep");
	expect_bad("[]", 2, &(struct json_bounds){ 100, 0, 9, false }, -EFBIG, 1, 1, "", "more than 0 deep");
}

static void test_values(void **state)
{
	char text[1024] = "[1";
	struct json_tree *tree;
	struct json_fault fault;

	(void)state;
	for (unsigned i = 2; i < 256; i++) /* with the array there are as many as the bound has */
		strcat(text, ",1");
	strcat(text, "]");
	assert_int_equal(parse(text, strlen(text), &bounds, &tree, &fault), 0);
	assert_int_equal(json_tree_root(tree)->count, 255);
	json_tree_destroy(tree);
	text[strlen(text) - 1] = '\0';
	strcat(text, ",1]");
	expect_bad(text, strlen(text), &bounds, -EFBIG, 1, 2 + 2 * 255, "", "there are more than 256 values");
	expect_bad("{\"a\":[1]}", 9, &(struct json_bounds){ 100, 9, 2, false }, -EFBIG, 1, 7, "a",
		   "there are more than 2 values");
}

static void test_bytes(void **state)
{
	const struct json_bounds ten = { .bytes_max = 10, .depth_max = 9, .values_max = 9 };
	struct json_tree *tree;
	struct json_fault fault;

	(void)state;
	assert_int_equal(parse("[1       ]", 10, &ten, &tree, &fault), 0);
	json_tree_destroy(tree);
	expect_bad("[1        ]", 11, &ten, -EFBIG, 1, 1, "", "this has more than 10 bytes");
}

/* A number of the longest text, and one more character. */
static void test_number_length(void **state)
{
	char text[64];

	(void)state;
	snprintf(text, sizeof(text), "[0.%0*d]", (int)JSON_NUMBER_BYTES_MAX - 2, 5);
	expect_good(text, "[5.00000000000000033e-38]"); /* the 5 is in the 38th place */
	snprintf(text, sizeof(text), "[0.%0*d]", (int)JSON_NUMBER_BYTES_MAX - 1, 5);
	expect_bad(text, strlen(text), &bounds, -EINVAL, 1, 2, "[0]", "a number has at most 40 characters");
}

/* The name of a field that is longer than there is room for ends with a whole character. */
static void test_long_field(void **state)
{
	char text[300];

	(void)state;
	for (unsigned length = 85; length < 105; length++) {
		struct json_tree *tree;
		struct json_fault fault;
		size_t n = (size_t)snprintf(text, sizeof(text), "{\"%0*d", (int)length, 0);

		for (unsigned i = 0; i < 9; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "\xe2\x82\xac");
		snprintf(text + n, sizeof(text) - n, "\":[x]}");
		assert_int_equal(parse(text, strlen(text), &bounds, &tree, &fault), -EINVAL);
		n = 0;
		while (fault.field[n]) {
			size_t step = utf8_length(fault.field + n);

			assert_true(step > 0);
			n += step;
		}
		assert_in_range(n, sizeof(fault.field) - 3, sizeof(fault.field) - 1);
	}
}

struct findings {
	unsigned count;
	struct json_fault faults[8];
};

static void find(void *owner, const struct json_fault *fault)
{
	struct findings *findings = owner;

	assert_true(findings->count < 8);
	findings->faults[findings->count++] = *fault;
}

static void expect_finding(const struct findings *findings, unsigned index, unsigned line, unsigned column,
			   const char *field, const char *sentence)
{
	const struct json_fault *f = &findings->faults[index];

	assert_true(index < findings->count);
	if (f->line != line || f->column != column || strcmp(f->field, field) || !strstr(f->text, sentence))
		fail_msg("%u:%u: %s: %s", f->line, f->column, f->field, f->text);
}

/* All faults that leave a tree, and those that do not. */
static void test_examine(void **state)
{
	const char *text = "{\"a\":1,\n\"b\":[9007199254740993,1e400,\n7],\"a\":2}";
	const struct json_node *b;
	struct findings findings = { 0 };
	struct json_tree *tree = NULL;

	(void)state;
	assert_int_equal(json_tree_examine(text, strlen(text), &bounds, &tree, find, &findings), 0);
	assert_int_equal(findings.count, 3);
	expect_finding(&findings, 0, 3, 8, "a", "this key stands there twice");
	expect_finding(&findings, 1, 2, 6, "b[0]", "numbers reach");
	expect_finding(&findings, 2, 2, 23, "b[1]", "numbers reach");
	b = json_find(json_tree_root(tree), "b");
	assert_false(json_tree_root(tree)->first->faulty || b->faulty);
	assert_true(b->first->faulty && b->first->next->faulty && b->next->faulty);
	assert_true(b->first->next->next->integer == 7 && !b->first->next->next->faulty);
	json_tree_destroy(tree);

	tree = NULL;
	findings.count = 0;
	text = "{\"a\":1,\"a\":1e400,\n\"b\":[9007199254740993,1.]}";
	assert_int_equal(json_tree_examine(text, strlen(text), &bounds, &tree, find, &findings), -EINVAL);
	assert_null(tree);
	assert_int_equal(findings.count, 1); /* the rest would be looked at behind it */
	expect_finding(&findings, 0, 2, 23, "b[1]", "behind the point");
}

/* --- no memory ----------------------------------------------------------------------------------------------- */

static unsigned allocations_left;

static void *scarce_malloc(size_t bytes)
{
	return allocations_left && allocations_left-- ? malloc(bytes) : NULL;
}

/* The parser behind it has memory for fewer and fewer of its parts. */
static void test_no_memory(void **state)
{
	const char *text = "{\"a\":[1,\"b\",{}],\"c\":\"d\"}";
	cJSON_Hooks hooks = { .malloc_fn = scarce_malloc, .free_fn = free };
	struct json_tree *tree;
	struct json_fault fault;
	unsigned enough = 0;
	int r;

	(void)state;
	cJSON_InitHooks(&hooks);
	do {
		allocations_left = enough++;
		r = parse(text, strlen(text), &bounds, &tree, &fault);
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			assert_string_equal(fault.text, "there is no memory to read this");
		}
	} while (r < 0 && enough < 100);
	cJSON_InitHooks(NULL);
	assert_int_equal(r, 0);
	assert_true(enough > 8);
	json_tree_destroy(tree);
}

#ifndef SANITIZED
/* The costliest texts: what is refused takes a copy, what is accepted a few hundred bytes a value. */
static void test_memory(void **state)
{
	static char text[64 << 10];
	struct json_tree *tree;
	struct json_fault fault;
	size_t before, used;

	(void)state;
	memset(text, '[', sizeof(text));
	for (size_t i = 1; i < sizeof(text); i++)
		text[i] = i % 2 ? '0' : ',';
	assert_int_equal(json_tree_parse(text, sizeof(text), &bounds, &tree, &fault), -EFBIG);
	memset(text, 'x', sizeof(text));
	text[0] = text[sizeof(text) - 1] = '"';
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	assert_int_equal(json_tree_parse(text, sizeof(text), &bounds, &tree, &fault), 0);
	used = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	assert_in_range(used, sizeof(text) - 2, 2 * sizeof(text));
	json_tree_destroy(tree);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),    cmocka_unit_test(test_bad),           cmocka_unit_test(test_comments),
		cmocka_unit_test(test_nodes),   cmocka_unit_test(test_depth),         cmocka_unit_test(test_values),
		cmocka_unit_test(test_bytes),   cmocka_unit_test(test_number_length), cmocka_unit_test(test_long_field),
		cmocka_unit_test(test_examine), cmocka_unit_test(test_no_memory),
#ifndef SANITIZED
		cmocka_unit_test(test_memory),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
