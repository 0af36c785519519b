/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_tree.c - see json_tree.h. The only file of the daemon that includes cJSON.h.
 *
 * Two walks over the same values in the same order. The scan (json_scan.c) reads a copy of the text, refuses what must
 * be refused and makes a node of each value, with its place: after it the text is JSON, and small. Then cJSON parses it
 * and decodes strings and numbers, and each of its items is tied to its node; if the two do not agree, the text is
 * refused. What cJSON lets pass by itself (1.7.15: no bound but a depth of 1000, forty times the memory of the text, 01
 * and 1., 1e400, keys twice, \u0000 that cuts a string off, any bytes) never reaches it.
 *
 * Nothing recurses here; cJSON does, as deep as depth_max. Memory is one block for the scan, given back at its end, one
 * for the nodes, and what cJSON takes for so many values. Any thread.
 */
#include "base/json_tree.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_scan.h"

struct json_tree {
	cJSON *root; /* owns all strings */
	struct json_node nodes[];
};

static const cJSON *item_of(const struct json_scan *scan, uint32_t node)
{
	return scan->places[node].item;
}

/* Does cJSON see in the value what the scan saw? */
static bool item_matches(const struct json_node *node, const cJSON *item)
{
	switch (node->kind) {
	case JSON_NULL:
		return cJSON_IsNull(item);
	case JSON_BOOL:
		return cJSON_IsBool(item) && cJSON_IsTrue(item) == node->boolean;
	case JSON_NUMBER:
		return cJSON_IsNumber(item);
	case JSON_STRING:
		return cJSON_IsString(item);
	case JSON_ARRAY:
		return cJSON_IsArray(item) && (unsigned)cJSON_GetArraySize(item) == node->count;
	case JSON_OBJECT:
		return cJSON_IsObject(item) && (unsigned)cJSON_GetArraySize(item) == node->count;
	}
	return false;
}

/* A number that is not finite is none that the tree may hold: 0, and `faulty`. */
static int link_number(struct json_scan *scan, uint32_t node)
{
	struct json_node *n = &scan->nodes[node];
	double number = item_of(scan, node)->valuedouble;

	/* 2^53 as a double may have been 2^53 + 1 in the text. */
	n->number = n->whole ? (double)n->integer : isfinite(number) ? number : 0;
	if (n->whole ? llabs(n->integer) > JSON_NUMBER_MAX
		     : !isfinite(number) || fabs(number) >= (double)JSON_NUMBER_MAX)
		return json_blame(scan, node, "numbers reach from -%lld to %lld, beyond them digits would be lost",
				  (long long)JSON_NUMBER_MAX, (long long)JSON_NUMBER_MAX);
	if (!n->whole && number == 0 && scan->places[node].nonzero)
		return json_blame(scan, node, "this number is so small that it would become 0");
	return 0;
}

static int find_twins(struct json_scan *scan, const struct json_node *object)
{
	const struct json_node *first = object->first;
	int r = 0;

	for (const struct json_node *n = first; r == 0 && n; n = n->next)
		for (const struct json_node *before = first; before != n; before = before->next)
			if (!strcmp(before->name, n->name)) {
				r = json_blame(scan, (uint32_t)(n - scan->nodes), "this key stands there twice");
				break;
			}
	return r;
}

/* Tie the items of the children of one array or object to their nodes. */
static void link_children(struct json_scan *scan, uint32_t node)
{
	const struct json_node *nodes = scan->nodes, *child = nodes[node].first;
	const cJSON *item = item_of(scan, node)->child;

	for (; child; child = child->next, item = item->next) {
		uint32_t n = (uint32_t)(child - nodes);

		scan->places[n].item = item;
		if (nodes[node].kind == JSON_OBJECT)
			scan->nodes[n].name = item->string;
	}
}

/* Nodes are in the order of the text, so parents come first. */
static int link_items(struct json_scan *scan)
{
	int r = 0;

	for (uint32_t node = 0; r == 0 && node < scan->count; node++) {
		struct json_node *n = &scan->nodes[node];

		if (!item_matches(n, item_of(scan, node)))
			return json_blame(scan, node, "this cannot be understood in one way only"), -EINVAL;
		if (n->kind == JSON_STRING)
			n->string = item_of(scan, node)->valuestring;
		if (n->kind == JSON_NUMBER)
			r = link_number(scan, node);
		if (n->kind == JSON_ARRAY || n->kind == JSON_OBJECT)
			link_children(scan, node);
		if (n->kind == JSON_OBJECT)
			r = find_twins(scan, n);
	}
	return r;
}

/* What the scan works in is one block: places, then the text. */
static int scan_copy(struct json_scan *scan, const char *text, struct json_tree **ret_tree)
{
	struct json_tree *tree;

	scan->room = scan->bounds->values_max;
	if (scan->room > scan->bytes) /* each value has a byte, but for one that is missing at the end */
		scan->room = scan->bytes + 1;
	tree = malloc(sizeof(*tree) + scan->room * sizeof(tree->nodes[0]));
	scan->places = malloc(scan->room * sizeof(scan->places[0]) + scan->bytes + 1);
	*ret_tree = tree;
	if (tree)
		tree->root = NULL;
	if (!tree || !scan->places)
		return json_refuse(scan, JSON_SCAN_NONE, -ENOMEM, "there is no memory to read this");
	scan->nodes = tree->nodes;
	scan->text = (char *)&scan->places[scan->room];
	memcpy(scan->text, text, scan->bytes);
	scan->text[scan->bytes] = '\0';
	return json_scan_text(scan);
}

static int examine(struct json_scan *scan, const char *text, size_t bytes, struct json_tree **ret_tree)
{
	struct json_tree *tree = NULL;
	int r;

	json_scan_begin(scan);
	if (bytes > scan->bounds->bytes_max) {
		scan->bound = JSON_BOUND_BYTES;
		return json_refuse(scan, JSON_SCAN_NONE, -EFBIG, "this has more than %zu bytes",
				   scan->bounds->bytes_max);
	}
	scan->bytes = (uint32_t)bytes;
	r = scan_copy(scan, text, &tree);
	if (r == 0) {
		tree->root = cJSON_ParseWithOpts(scan->text, NULL, true);
		scan->places[0].item = tree->root;
		r = tree->root ? link_items(scan)
			       : json_refuse(scan, JSON_SCAN_NONE, -ENOMEM, "there is no memory to read this");
	}
	free(scan->places);
	if (r == 0)
		*ret_tree = tree;
	else
		json_tree_destroy(tree);
	return r;
}

int json_tree_examine(const char *text, size_t bytes, const struct json_bounds *bounds, struct json_tree **ret_tree,
		      void (*found)(void *owner, const struct json_fault *fault), void *owner)
{
	struct json_scan scan = { .bounds = bounds, .found = found, .owner = owner, .forgiving = true };

	return examine(&scan, text, bytes, ret_tree);
}

static void keep_fault(void *owner, const struct json_fault *fault)
{
	struct json_fault *kept = owner;

	*kept = *fault;
}

int json_tree_parse(const char *text, size_t bytes, const struct json_bounds *bounds, struct json_tree **ret_tree,
		    struct json_fault *ret_fault)
{
	struct json_scan scan = { .bounds = bounds, .found = keep_fault, .owner = ret_fault };

	return examine(&scan, text, bytes, ret_tree);
}

void json_tree_destroy(struct json_tree *tree)
{
	if (!tree)
		return;
	cJSON_Delete(tree->root);
	free(tree);
}

const struct json_node *json_tree_root(const struct json_tree *tree)
{
	return tree->nodes;
}

const struct json_node *json_find(const struct json_node *object, const char *name)
{
	if (object->kind == JSON_OBJECT)
		for (const struct json_node *n = object->first; n; n = n->next)
			if (!strcmp(n->name, name))
				return n;
	return NULL;
}
