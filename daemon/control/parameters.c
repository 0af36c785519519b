/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parameters.c - see parameters.h. First all is checked, then all is stored: a struct is filled in whole or not at all.
 */
#include "control/parameters.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_BYTES 160

/* The path of a field, as errors name it. */
static const char *path_of(const char *where, const char *name, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s%s%s", where, where[0] && name[0] ? "." : "", name);
	return path;
}

static int fail(struct control_call *call, const char *where, const char *name, const char *reason)
{
	char path[PATH_BYTES];

	control_fail_field(call, path_of(where, name, path), "%s", reason);
	return -EINVAL;
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

static int check_integer(struct control_call *call, const char *where, const struct parameter *parameter,
			 const struct json_node *node)
{
	char path[PATH_BYTES];

	if (node->kind != JSON_NUMBER || !node->whole)
		return fail(call, where, parameter->name, "it must be a whole number, without fraction and exponent");
	if (node->integer >= parameter->minimum && node->integer <= parameter->maximum)
		return 0;
	control_fail_range(call, path_of(where, parameter->name, path), parameter->minimum, parameter->maximum,
			   node->integer);
	return -EINVAL;
}

static int check(struct control_call *call, const char *where, const struct parameter *parameter,
		 const struct json_node *node)
{
	if (!node && parameter->given_offset == SIZE_MAX)
		return fail(call, where, parameter->name, "it is missing");
	if (!node)
		return 0;
	switch (parameter->kind) {
	case PARAMETER_INTEGER:
		return check_integer(call, where, parameter, node);
	case PARAMETER_BOOL:
		return node->kind == JSON_BOOL ? 0 : fail(call, where, parameter->name, "it must be true or false");
	case PARAMETER_STRING:
		return node->kind == JSON_STRING ? 0 : fail(call, where, parameter->name, "it must be a string");
	case PARAMETER_OBJECT:
		return node->kind == JSON_OBJECT ? 0 : fail(call, where, parameter->name, "it must be an object");
	case PARAMETER_ARRAY:
		return node->kind == JSON_ARRAY ? 0 : fail(call, where, parameter->name, "it must be an array");
	}
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
	if (object->kind != JSON_OBJECT)
		return fail(call, where, "", "it must be an object");
	for (const struct json_node *node = object->first; node; node = node->next)
		if (!find_parameter(table, count, node->name))
			return fail(call, where, node->name, "it is not known here");
	for (unsigned i = 0; i < count; i++) {
		int r = check(call, where, &table[i], find_value(object, &table[i]));

		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < count; i++)
		store(&table[i], find_value(object, &table[i]), ret_struct);
	return 0;
}
