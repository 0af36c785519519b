/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.h - the tool's one way to cJSON, and how it reads what a daemon of any version says: what is missing, or of
 * another type, counts as 0, "" or false.
 */
#ifndef LUMARING_CLI_JSON_H
#define LUMARING_CLI_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>

static inline const cJSON *json_get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static inline double json_number(const cJSON *object, const char *key)
{
	const cJSON *item = json_get(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static inline const char *json_text(const cJSON *object, const char *key)
{
	const cJSON *item = json_get(object, key);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static inline bool json_is_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(json_get(object, key));
}

/* The first item of an array, the others are linked by `next`. */
static inline const cJSON *json_first(const cJSON *object, const char *key)
{
	const cJSON *item = json_get(object, key);

	return item ? item->child : NULL;
}

#endif
