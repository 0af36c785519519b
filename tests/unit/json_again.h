/* SPDX-License-Identifier: BSD-2-Clause */
/* json_again.h - for the tests of base/json_tree: parse from memory of the exact size, and write a tree again. */
#ifndef LUMARING_TEST_JSON_AGAIN_H
#define LUMARING_TEST_JSON_AGAIN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_tree.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1 /* mallinfo2() knows nothing then, and their own search for leaks does more */
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

static const struct json_bounds bounds = { .bytes_max = 64 << 10, .depth_max = 16, .values_max = 256 };
static const struct json_bounds with_comments = {
	.bytes_max = 64 << 10, .depth_max = 16, .values_max = 256, .comments = true
};

/* Write a tree again. */
static inline void print(struct json *json, const struct json_node *node)
{
	char number[40];

	switch (node->kind) {
	case JSON_NULL:
		json_null(json, node->name);
		break;
	case JSON_BOOL:
		json_bool(json, node->name, node->boolean);
		break;
	case JSON_NUMBER:
		if (node->whole)
			json_integer(json, node->name, node->integer);
		else
			json_raw(json, node->name, number,
				 (size_t)snprintf(number, sizeof(number), "%.17e", node->number));
		break;
	case JSON_STRING:
		json_string(json, node->name, node->string);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		if (node->kind == JSON_ARRAY)
			json_array(json, node->name);
		else
			json_object(json, node->name);
		for (const struct json_node *child = node->first; child; child = child->next)
			print(json, child);
		json_close(json);
		break;
	}
}

/* From memory of exactly that size, so that a sanitizer sees a byte that is read behind it. */
static inline int parse(const char *text, size_t bytes, const struct json_bounds *limits, struct json_tree **ret_tree,
			struct json_fault *ret_fault)
{
	char *copy = malloc(bytes ? bytes : 1);
	int r;

	if (!copy)
		abort();
	memcpy(copy, text, bytes);
	r = json_tree_parse(copy, bytes, limits, ret_tree, ret_fault);
	free(copy);
	return r;
}

static inline char *printed(const struct json_tree *tree, size_t *ret_bytes)
{
	struct json json = { 0 };
	char *text;

	print(&json, json_tree_root(tree));
	text = json_take(&json, ret_bytes);
	if (!text)
		abort();
	return text;
}

#endif
