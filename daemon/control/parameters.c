/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parameters.c - see parameters.h. First all is checked, then all is stored: a struct is filled in whole or not at all.
 */
#include "control/parameters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_BYTES 160
#define KNOWN_BYTES 256 /* all names of a table, with what is between */

/* The path of a field, as errors name it. */
static const char *path_of(const char *where, const char *name, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s%s%s", where, where[0] && name[0] ? "." : "", name);
	return path;
}

static const struct parameter *find_parameter(const struct parameter *table, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* NULL counts as missing. */
static const struct json_node *find_value(const struct json_node *object, const struct parameter *parameter)
{
	const struct json_node *node = json_find(object, parameter->name);

	return node && node->kind != JSON_NULL ? node : NULL;
}

/* What a parameter of each kind is in JSON, and in a sentence. */
static const struct {
	enum json_kind kind;
	const char *what;
} kinds[] = {
	[PARAMETER_INTEGER] = { JSON_NUMBER, "a whole number, without fraction and exponent, from" },
	[PARAMETER_BOOL] = { JSON_BOOL, "true or false" },
	[PARAMETER_STRING] = { JSON_STRING, "a string" },
	[PARAMETER_OBJECT] = { JSON_OBJECT, "an object" },
	[PARAMETER_ARRAY] = { JSON_ARRAY, "an array" },
};

/* It is missing, or of another type. */
static int fail_type(struct control_call *call, const char *where, const struct parameter *parameter, bool missing)
{
	char path[PATH_BYTES], range[64] = "";

	if (parameter->kind == PARAMETER_INTEGER)
		snprintf(range, sizeof(range), " %" PRId64 " to %" PRId64, parameter->minimum, parameter->maximum);
	control_fail_field(call, path_of(where, parameter->name, path), "it %smust be %s%s",
			   missing ? "is missing and " : "", kinds[parameter->kind].what, range);
	return -EINVAL;
}

static int check(struct control_call *call, const char *where, const struct parameter *parameter,
		 const struct json_node *node)
{
	bool integer = parameter->kind == PARAMETER_INTEGER;
	char path[PATH_BYTES];

	if (!node && parameter->given_offset != SIZE_MAX)
		return 0;
	if (!node || node->kind != kinds[parameter->kind].kind || (integer && !node->whole))
		return fail_type(call, where, parameter, !node);
	if (!integer || (node->integer >= parameter->minimum && node->integer <= parameter->maximum))
		return 0;
	control_fail_range(call, path_of(where, parameter->name, path), parameter->minimum, parameter->maximum,
			   node->integer);
	return -EINVAL;
}

/* Tell what there is instead. */
static int fail_unknown(struct control_call *call, const char *where, const char *name, const struct parameter *table,
			unsigned count)
{
	char path[PATH_BYTES], known[KNOWN_BYTES] = "leave it out";
	int n = 0;

	for (unsigned i = 0; i < count && (size_t)n < sizeof(known); i++)
		n += snprintf(known + n, sizeof(known) - (size_t)n, "%s%s", i == 0 ? "there is " : ", ", table[i].name);
	control_fail_field(call, path_of(where, name, path), "it is not known here: %s", known);
	return -EINVAL;
}

static void store(const struct parameter *parameter, const struct json_node *node, void *ret_struct)
{
	char *place = (char *)ret_struct + parameter->offset;
	bool given = node != NULL;

	if (parameter->given_offset != SIZE_MAX)
		memcpy((char *)ret_struct + parameter->given_offset, &given, sizeof(given));
	if (!node)
		return;
	switch (parameter->kind) {
	case PARAMETER_INTEGER:
		memcpy(place, &node->integer, sizeof(node->integer));
		break;
	case PARAMETER_BOOL:
		memcpy(place, &node->boolean, sizeof(node->boolean));
		break;
	case PARAMETER_STRING:
		memcpy(place, &node->string, sizeof(node->string));
		break;
	case PARAMETER_OBJECT:
	case PARAMETER_ARRAY:
		memcpy(place, &node, sizeof(node));
		break;
	}
}

int parameters_read(struct control_call *call, const char *where, const struct json_node *object,
		    const struct parameter *table, unsigned count, void *ret_struct)
{
	if (object->kind != JSON_OBJECT) {
		control_fail_field(call, where, "it must be an object");
		return -EINVAL;
	}
	for (const struct json_node *node = object->first; node; node = node->next)
		if (!find_parameter(table, count, node->name))
			return fail_unknown(call, where, node->name, table, count);
	for (unsigned i = 0; i < count; i++) {
		int r = check(call, where, &table[i], find_value(object, &table[i]));

		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < count; i++)
		store(&table[i], find_value(object, &table[i]), ret_struct);
	return 0;
}
