/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_tree.h - reads one JSON text (RFC 8259), from people or from peers that may be hostile, into a tree of nodes.
 *
 * The whole text is checked before the parser behind this sees a byte of it: bytes, depth and number of values; UTF-8,
 * without a byte order mark; no control characters, no \u0000, no half of a surrogate pair; numbers as the RFC has
 * them, finite, and of a magnitude up to 2^53, so that none loses a digit; no key twice in an object; nothing behind
 * the value. What is wrong is told with its place and in one sentence that has no name of a file in it. Thread-safe.
 */
#ifndef LUMARING_JSON_TREE_H
#define LUMARING_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Greatest magnitude of a number: what doubles, and so most other readers of JSON, hold without a gap. With a fraction
 * or an exponent it is below that. */
#define JSON_NUMBER_MAX (INT64_C(1) << 53)

/* Characters that a number may have: more than any number needs that keeps its digits. */
#define JSON_NUMBER_BYTES_MAX 40u

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Belongs to its tree, with all that it points to. */
struct json_node {
	enum json_kind kind;
	bool boolean;                  /* JSON_BOOL */
	bool whole;                    /* JSON_NUMBER: written without fraction and exponent */
	bool faulty;                   /* json_tree_examine() alone: a fault was told of it */
	const char *name;              /* its key, in an object, else NULL */
	const char *string;            /* JSON_STRING: UTF-8 */
	double number;                 /* JSON_NUMBER: finite */
	int64_t integer;               /* JSON_NUMBER that is whole: exactly, |integer| <= JSON_NUMBER_MAX */
	uint32_t line, column;         /* of its first byte; both count from 1, columns are bytes */
	unsigned count;                /* JSON_ARRAY, JSON_OBJECT: its children */
	const struct json_node *first; /* of these, in the order of the text */
	const struct json_node *next;  /* of its siblings */
};

struct json_bounds {
	size_t bytes_max;    /* of the text, at most UINT32_MAX */
	unsigned depth_max;  /* arrays and objects inside each other: [[]] has 2; at least 1 */
	unsigned values_max; /* values of all kinds, also arrays and objects, but not keys: [1,2] has 3; at least 1 */
	bool comments; /* // to the end of the line and what stands between slash star and star slash is skipped */
};

enum json_bound {
	JSON_BOUND_NONE,
	JSON_BOUND_BYTES,
	JSON_BOUND_DEPTH,
	JSON_BOUND_VALUES,
};

struct json_fault {
	enum json_bound bound; /* that the text breaks: with -EFBIG */
	uint32_t line, column; /* of a value, or of the first byte that cannot stand where it does */
	char field[96]; /* "streams[2].bin", "" at the top or not known; the end is cut off if there is no room */
	char text[160]; /* the sentence, for example "this key stands there twice" */
};

struct json_tree;

/*
 * Parse `bytes` bytes, with or without a NUL behind them. -EINVAL, -EFBIG (one of the bounds) or -ENOMEM, and the first
 * fault in *ret_fault.
 */
int json_tree_parse(const char *text, size_t bytes, const struct json_bounds *bounds, struct json_tree **ret_tree,
		    struct json_fault *ret_fault);

/*
 * Likewise, for people who want to know of all faults at once: numbers that are out of range and keys that stand there
 * twice are told and marked as `faulty`, and the rest is a tree all the same. Beyond the first other fault, which
 * makes it fail, nothing is known. `found` is called for each, in the order in which they are found.
 */
int json_tree_examine(const char *text, size_t bytes, const struct json_bounds *bounds, struct json_tree **ret_tree,
		      void (*found)(void *owner, const struct json_fault *fault), void *owner);

void json_tree_destroy(struct json_tree *tree); /* NULL is allowed */

const struct json_node *json_tree_root(const struct json_tree *tree);

/* The value of a key, NULL: not there, or `object` is none. */
const struct json_node *json_find(const struct json_node *object, const char *name);

#endif
