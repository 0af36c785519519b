/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_json_fuzz.c - daemon/base/json_tree: a million messages that are random or nearly right. No crash, no memory
 * that stays; and whatever is accepted means the same when it is written again, to this reader and to another (cJSON).
 */
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

#include "../tools/random.h"
#include "base/utf8.h"
#include "json_again.h"

#ifdef SANITIZED
#define FUZZ_ROUNDS 60000u
#else
#define FUZZ_ROUNDS 1000000u
#endif

static const char *const messages[] = {
	"{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}",
	"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"io.lumaring."
	"Camera\"}}",
	"{\"method\":\"io.lumaring.Camera.GetStatus\"}",
	"{\"method\":\"io.lumaring.Camera.GetCapabilities\",\"parameters\":{}}",
	"{\"method\":\"io.lumaring.Camera.Configure\",\"parameters\":{\"configuration\":{\"size\":{\"width\":2304,"
	"\"height\":"
	"1296},\"pixel_format\":\"R10_CSI2P\",\"frame_duration_us\":{\"minimum\":17857,\"maximum\":17857}},\"dry_run\":"
	"true,"
	"\"strict\":false}}",
	"{\"method\":\"io.lumaring.Camera.Configure\",\"parameters\":{\"configuration\":{\"streams\":[{\"name\":"
	"\"main\"},"
	"{\"name\":\"ball\",\"region\":{\"x\":100,\"y\":80,\"width\":640,\"height\":480},\"max_size\":{\"width\":640,"
	"\"height\":480},\"slots\":8,\"format\":\"R16\",\"bin\":2,\"always\":true}]}}}",
	"{\"method\":\"io.lumaring.Camera.SetControls\",\"parameters\":{\"controls\":{\"exposure_us\":10000,"
	"\"analogue_gain_milli\":1500,\"auto_exposure\":false,\"exposure_value_milli\":-500,\"brightness_milli\":-1000,"
	"\"contrast_milli\":1000,\"sharpness_milli\":null}}}",
	"{\"method\":\"io.lumaring.Camera.AddStream\",\"parameters\":{\"stream\":{\"name\":\"left-eye_2\",\"region\":{"
	"\"x\":0,"
	"\"y\":0,\"width\":64,\"height\":0}}}}",
	"{\"method\":\"io.lumaring.Camera.RemoveStream\",\"parameters\":{\"name\":\"ball\",\"force\":true}}",
	"{\"method\":\"io.lumaring.Camera.SetRegion\",\"parameters\":{\"stream\":\"main\",\"region\":{\"x\":1,\"y\":2,"
	"\"width\":"
	"3,\"height\":4}}}",
	"{\"method\":\"io.lumaring.Camera.Watch\",\"parameters\":{\"interval_us\":100000},\"more\":true}",
	"{ \"method\" : \"io.lumaring.Camera.Reload\" ,\n \"oneway\" : true }\n",
	"{\"method\":\"io.lumaring.Camera.GetMetrics\",\"parameters\":{\"x\":[1.5,-2e3,\"\\u00e4\\ud83d\\ude00\\n\","
	"\"\xc3\xa4\"]}}",
};

#define MESSAGES (sizeof(messages) / sizeof(messages[0]))
#define MESSAGE_MAX 2000u

static const char *const tokens[] = {
	"{", "}", "[", "]", ",", ":", "\"", "\\", "\"a\":", "null", "true", "false", "0", "-", "-0",
	"1e400", "1e-400", "01", "1.", "0.1", "1E+2", "NaN", "Infinity", "\\u", "\\u0000", "\\ud800",
	"\\ud83d\\ude00", "\\u0061", "\xff", "\xc3", "\xc3\xa4", "\xef\xbb\xbf", "//", "/*", "*/", "\n",
	"\t", " ", "9007199254740992", "9007199254740993", "-9007199254740993", "1e308",
	"18446744073709551616", "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]", "\"size\":{\"width\":1}",
	"\"method\":\"\"", "0.00000000000000000000000000000000000000000000000001"
};

#define TOKENS (sizeof(tokens) / sizeof(tokens[0]))

struct message {
	size_t bytes;
	char text[MESSAGE_MAX];
};

/* Replace some bytes at a place by others, as far as there is room. */
static void splice(struct message *m, size_t at, size_t cut, const char *text, size_t bytes)
{
	if (cut > m->bytes - at)
		cut = m->bytes - at;
	if (m->bytes - cut + bytes > MESSAGE_MAX)
		return;
	memmove(m->text + at + bytes, m->text + at + cut, m->bytes - at - cut);
	memcpy(m->text + at, text, bytes);
	m->bytes += bytes - cut;
}

static void mutate(struct message *m, uint64_t *seed)
{
	size_t at = random_below(seed, (uint32_t)m->bytes + 1);
	const char *other = messages[random_below(seed, MESSAGES)], *token = tokens[random_below(seed, TOKENS)];
	size_t from = random_below(seed, (uint32_t)strlen(other)), run = random_below(seed, 30);
	char byte = (char)random_below(seed, 256), piece[30];

	switch (random_below(seed, 6)) {
	case 0: /* another byte */
		splice(m, at, 1, &byte, 1);
		break;
	case 1: /* some bytes fewer */
		splice(m, at, run, "", 0);
		break;
	case 2: /* a piece of another message, instead of something or between */
		if (run > strlen(other) - from)
			run = strlen(other) - from;
		splice(m, at, random_below(seed, 2) * run, other + from, run);
		break;
	case 3: /* twice the same */
		if (run > m->bytes - at)
			run = m->bytes - at;
		memcpy(piece, m->text + at, run);
		splice(m, at, 0, piece, run);
		break;
	case 4:
		splice(m, at, 0, token, strlen(token));
		break;
	case 5: /* another value */
		while (at < m->bytes && m->text[at] != ':')
			at++;
		if (at < m->bytes)
			splice(m, at + 1, strcspn(m->text + at + 1, ",}"), token, strlen(token));
		break;
	}
}

static void make_message(struct message *m, uint64_t *seed)
{
	const char *base = messages[random_below(seed, MESSAGES)];
	uint32_t kind = random_below(seed, 10);

	m->bytes = 0;
	if (kind == 0) {
		for (m->bytes = random_below(seed, 40); kind < m->bytes; kind++)
			m->text[kind] = (char)random_below(seed, 256);
		return;
	}
	if (kind < 3) {
		for (uint32_t n = random_below(seed, 20); n > 0; n--) {
			const char *token = tokens[random_below(seed, TOKENS)];

			splice(m, m->bytes, 0, token, strlen(token));
		}
		return;
	}
	splice(m, 0, 0, base, strlen(base));
	for (uint32_t n = random_below(seed, 4); n > 0; n--)
		mutate(m, seed);
}

/* A fault is one sentence about a place that there is. */
static void check_fault(const struct message *m, const struct json_fault *fault)
{
	unsigned lines = 1;

	for (size_t i = 0; i < m->bytes; i++)
		lines += m->text[i] == '\n';
	assert_in_range(fault->line, 1, lines);
	assert_in_range(fault->column, 1, m->bytes + 1);
	assert_true(fault->text[0] && strlen(fault->text) < sizeof(fault->text) - 1);
	for (const char *at = fault->field; *at; at += utf8_length(at))
		assert_true(utf8_length(at) > 0);
}

/* Written again it is accepted, and the same text comes out; cJSON finds the same in it as in the message. */
static void check_again(const struct message *m, const struct json_tree *tree, bool commented)
{
	struct json_tree *second;
	struct json_fault fault;
	size_t bytes, second_bytes;
	char *text = printed(tree, &bytes), *second_text;

	assert_int_equal(json_tree_parse(text, bytes, &bounds, &second, &fault), 0);
	second_text = printed(second, &second_bytes);
	assert_string_equal(second_text, text);
	if (!commented) {
		char copy[MESSAGE_MAX + 1];
		cJSON *theirs, *ours = cJSON_ParseWithOpts(text, NULL, true);

		memcpy(copy, m->text, m->bytes);
		copy[m->bytes] = '\0';
		theirs = cJSON_ParseWithOpts(copy, NULL, true);
		assert_true(cJSON_Compare(theirs, ours, true));
		cJSON_Delete(theirs);
		cJSON_Delete(ours);
	}
	json_tree_destroy(second);
	free(second_text);
	free(text);
}

static void test_fuzz(void **state)
{
	static struct message m;
	uint64_t seed = 20261127;
	unsigned accepted = 0;
	size_t before = 0;
	ssize_t grown;

	(void)state;
	for (unsigned round = 0; round < FUZZ_ROUNDS; round++) {
		const struct json_bounds *limits = round % 4 ? &bounds : &with_comments;
		struct json_tree *tree = NULL;
		struct json_fault fault;

		if (round == FUZZ_ROUNDS / 10) /* pools are filled by now */
			before = mallinfo2().uordblks + mallinfo2().hblkhd;
		make_message(&m, &seed);
		if (parse(m.text, m.bytes, limits, &tree, &fault) < 0) {
			check_fault(&m, &fault);
			continue;
		}
		accepted++;
		check_again(&m, tree, limits->comments);
		json_tree_destroy(tree);
	}
	grown = (ssize_t)(mallinfo2().uordblks + mallinfo2().hblkhd - before);
	print_message("figure: %u messages, %u of them accepted, memory grew by %zd bytes\n", FUZZ_ROUNDS, accepted,
		      grown);
	assert_in_range(accepted, FUZZ_ROUNDS / 10, FUZZ_ROUNDS / 2);
	/* What malloc keeps at hand differs; a byte that stays of each message would be a megabyte. */
	assert_true(grown < 64 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fuzz) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
