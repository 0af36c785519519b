/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_scan.h - for json_tree.c alone: checks a JSON text and makes a node of each value, without kinds of memory of
 * its own. Strings, names, and numbers that are not whole are left open.
 */
#ifndef LUMARING_JSON_SCAN_H
#define LUMARING_JSON_SCAN_H

#include "base/json_tree.h"

#define JSON_SCAN_NONE UINT32_MAX

/* What is known of a node beside what others may see. */
struct json_place {
	uint32_t parent; /* JSON_SCAN_NONE: of the root */
	uint32_t last;   /* child so far, JSON_SCAN_NONE: none */
	uint32_t index;  /* among its siblings */
	uint32_t key_at, key_bytes;
	bool nonzero; /* a number with a digit that is not 0 before its exponent */
	const void *item;
};

/* The caller fills the first part, the rest is 0. */
struct json_scan {
	const struct json_bounds *bounds;
	void (*found)(void *owner, const struct json_fault *fault);
	void *owner;
	bool forgiving;            /* goes on after a value that is at fault */
	struct json_node *nodes;   /* room for each value, and for one that is missing at the end */
	struct json_place *places; /* as many */
	uint32_t room;
	char *text; /* with a NUL behind it; comments are overwritten */
	uint32_t bytes;

	uint32_t count; /* of nodes */
	uint32_t open;  /* the innermost array or object that is not closed, JSON_SCAN_NONE: none */
	unsigned depth;
	enum json_bound bound; /* that was broken */
	uint32_t at;
	uint32_t line, line_at; /* where that begins */
	uint32_t key_at, key_bytes;
};

/* Before anything else. */
void json_scan_begin(struct json_scan *scan);

/* All of it. 0, or the error of the fault that made it end. */
int json_scan_text(struct json_scan *scan);

/* Tell of what makes the text unreadable from here on; `node`: of which value, or JSON_SCAN_NONE. Returns `error`. */
int json_refuse(struct json_scan *scan, uint32_t node, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Tell of what is wrong with one value only. 0: go on. */
int json_blame(struct json_scan *scan, uint32_t node, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
