/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parameters.h - reads the parameters of a call into a struct, by a table of what may be there. Main thread only.
 *
 *     struct set_region { const char *stream; const struct json_node *region; };
 *     static const struct parameter table[] = {
 *         PARAMETER_REQUIRED(PARAMETER_STRING, struct set_region, stream),
 *         PARAMETER_REQUIRED(PARAMETER_OBJECT, struct set_region, region),
 *     };
 *     if (parameters_read(call, "", parameters, table, 2, &set_region) < 0)
 *         return;
 */
#ifndef LUMARING_PARAMETERS_H
#define LUMARING_PARAMETERS_H

#include <stddef.h>
#include <stdint.h>

#include "control/control.h"

enum parameter_kind {
	PARAMETER_INTEGER, /* int64_t: a whole number from minimum to maximum */
	PARAMETER_BOOL,    /* bool */
	PARAMETER_STRING,  /* const char *, lives as long as the tree */
	PARAMETER_OBJECT,  /* const struct json_node *, likewise */
	PARAMETER_ARRAY,   /* const struct json_node *, likewise */
};

struct parameter {
	const char *name;
	enum parameter_kind kind;
	size_t offset;            /* of the value in the struct */
	size_t given_offset;      /* of a bool that says whether it was there, SIZE_MAX: it is required */
	int64_t minimum, maximum; /* PARAMETER_INTEGER */
};

#define PARAMETER_REQUIRED(kind_, type, member)                                                                        \
	{                                                                                                              \
		.name = #member, .kind = (kind_), .offset = offsetof(type, member), .given_offset = SIZE_MAX           \
	}
#define PARAMETER_OPTIONAL(kind_, type, member, given)                                                                 \
	{                                                                                                              \
		.name = #member, .kind = (kind_), .offset = offsetof(type, member),                                    \
		.given_offset = offsetof(type, given)                                                                  \
	}
#define PARAMETER_INTEGER_REQUIRED(type, member, minimum_, maximum_)                                                   \
	{                                                                                                              \
		.name = #member, .kind = PARAMETER_INTEGER, .offset = offsetof(type, member),                          \
		.given_offset = SIZE_MAX, .minimum = (minimum_), .maximum = (maximum_)                                 \
	}
#define PARAMETER_INTEGER_OPTIONAL(type, member, given, minimum_, maximum_)                                            \
	{                                                                                                              \
		.name = #member, .kind = PARAMETER_INTEGER, .offset = offsetof(type, member),                          \
		.given_offset = offsetof(type, given), .minimum = (minimum_), .maximum = (maximum_)                    \
	}

/*
 * `where`: the path of the object, "" at the top, else for example "configuration.streams[1]". null counts as missing;
 * what is missing leaves its value in the struct alone, and `given` is false. 0, or -EINVAL: not an object, or with
 * something in it that is unknown, missing, of another type or out of range, and the call has been answered with the
 * typed error.
 */
int parameters_read(struct control_call *call, const char *where, const struct json_node *object,
		    const struct parameter *table, unsigned count, void *ret_struct);

#endif
