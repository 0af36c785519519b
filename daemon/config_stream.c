/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_stream.c - see config.h: what is said of one stream, in an object of "streams" or behind --stream. One table
 * of keys serves both. Main thread, before anything is opened.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Longest text behind --stream. */
#define STREAM_TEXT_MAX 255u

#define STREAM_KEYS 6u

static int set_region(struct stream_config *stream, const char *what, const char *value, char *error,
		      size_t error_bytes)
{
	return parse_region(what, value, &stream->region, error, error_bytes);
}

static int set_max_size(struct stream_config *stream, const char *what, const char *value, char *error,
			size_t error_bytes)
{
	return parse_size(what, value, &stream->width_max, &stream->height_max, error, error_bytes);
}

static int set_slots(struct stream_config *stream, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_u32(what, value, LUMARING_SLOTS_MIN, LUMARING_SLOTS_MAX, &stream->slot_count, error, error_bytes);
}

static int set_format(struct stream_config *stream, const char *what, const char *value, char *error,
		      size_t error_bytes)
{
	bool wide = !strcasecmp(value, "R16");

	if (!wide && strcasecmp(value, "R8"))
		return snprintf(error, error_bytes, "%s: \"%.64s\" is not R8 or R16", what, value), -EINVAL;
	stream->fourcc = wide ? LUMARING_FORMAT_R16 : LUMARING_FORMAT_R8;
	return 0;
}

static int set_bin(struct stream_config *stream, const char *what, const char *value, char *error, size_t error_bytes)
{
	return parse_u32(what, value, 1, 2, &stream->bin, error, error_bytes);
}

static int set_always(struct stream_config *stream, const char *what, const char *value, char *error,
		      size_t error_bytes)
{
	bool always = !strcmp(value, "true");

	if (!always && strcmp(value, "false"))
		return snprintf(error, error_bytes, "%s: \"%.64s\" is not true or false", what, value), -EINVAL;
	stream->always = always;
	return 0;
}

int config_set_stream(struct stream_config *stream, const char *what, const char *key, const char *value, char *error,
		      size_t error_bytes)
{
	static const struct {
		const char *key;
		int (*set)(struct stream_config *stream, const char *what, const char *value, char *error,
			   size_t error_bytes);
	} keys[STREAM_KEYS] = {
		{ "region", set_region }, { "max_size", set_max_size }, { "slots", set_slots },
		{ "format", set_format }, { "bin", set_bin },           { "always", set_always },
	};

	for (unsigned i = 0; i < STREAM_KEYS; i++)
		if (!strcmp(key, keys[i].key))
			return keys[i].set(stream, what, value, error, error_bytes);
	return snprintf(error, error_bytes,
			"%s: this key is not known (a stream has name, region, max_size, slots, format, bin, always)",
			what),
	       -EINVAL;
}

/* KEY=VALUE, for as long as there is a comma. The text is cut up. */
static int read_keys(struct stream_config *stream, const char *what, char *text, bool has_region, char *error,
		     size_t error_bytes)
{
	const char *seen[STREAM_KEYS] = { has_region ? "region" : NULL };
	unsigned count = has_region;
	char *key, where[96];
	int r = 0;

	while (r == 0 && (key = strsep(&text, ","))) {
		char *value = strchr(key, '=');

		if (!value)
			return snprintf(error, error_bytes, "%s: \"%.64s\" is not KEY=VALUE", what, key), -EINVAL;
		*value++ = '\0';
		snprintf(where, sizeof(where), "%.48s: %.40s", what, key);
		for (unsigned i = 0; i < count; i++)
			if (!strcmp(seen[i], key))
				return snprintf(error, error_bytes, "%s: this key stands there twice", where), -EINVAL;
		r = config_set_stream(stream, where, key, value, error, error_bytes);
		if (r == 0)
			seen[count++] = key; /* one of the table, and none twice: there is room */
	}
	return r;
}

/* Past the fourth number of a region: the comma there, or the end. */
static char *end_of_region(char *text)
{
	for (unsigned numbers = 4; *text; text++)
		if (*text == ',' && --numbers == 0)
			break;
	return text;
}

int config_read_stream(struct stream_config *ret_stream, const char *what, const char *value, char *error,
		       size_t error_bytes)
{
	struct stream_config stream = { 0 };
	char text[STREAM_TEXT_MAX + 1], *at = text;
	size_t name_bytes;
	bool has_region;
	int r = 0;

	if (strlen(value) > STREAM_TEXT_MAX)
		return snprintf(error, error_bytes, "%s: \"%.64s...\" has more than %u bytes", what, value,
				STREAM_TEXT_MAX),
		       -EINVAL;
	strcpy(text, value);
	name_bytes = strcspn(text, "=,");
	if (name_bytes <= LUMARING_NAME_MAX) /* else it stays empty, and that is refused */
		memcpy(stream.name, text, name_bytes);
	at += name_bytes;
	has_region = *at == '=';
	if (has_region) {
		char *region = at + 1;
		bool more;

		at = end_of_region(region);
		more = *at;
		*at = '\0';
		r = parse_region(what, region, &stream.region, error, error_bytes);
		if (more)
			*at = ',';
	}
	if (r == 0 && *at == ',')
		r = read_keys(&stream, what, at + 1, has_region, error, error_bytes);
	if (r == 0)
		*ret_stream = stream;
	return r;
}

int config_add_stream(struct config *config, const char *what, const struct stream_config *stream, char *error,
		      size_t error_bytes)
{
	if (!name_valid(stream->name))
		return snprintf(error, error_bytes,
				"%s: a stream needs a name, 1 to 32 of a-z, 0-9, _ and -, then nothing, =X,Y,W,H or "
				",KEY=VALUE",
				what),
		       -EINVAL;
	if (!strncmp(stream->name, STREAM_PRIVATE_PREFIX, strlen(STREAM_PRIVATE_PREFIX)))
		return snprintf(error, error_bytes, "%s: names that begin with \"%s\" are for clients' private streams",
				what, STREAM_PRIVATE_PREFIX),
		       -EINVAL;
	for (unsigned i = 0; i < config->stream_count; i++)
		if (!strcmp(config->streams[i].name, stream->name))
			return snprintf(error, error_bytes, "%s: there are two streams \"%s\"", what, stream->name),
			       -EINVAL;
	if (config->stream_count == LIMIT_STREAMS)
		return snprintf(error, error_bytes, "%s: more than %u streams", what, LIMIT_STREAMS), -E2BIG;
	config->streams[config->stream_count++] = *stream;
	return 0;
}

/* What was not said is left out. */
static void print_stream(const struct stream_config *stream, struct json *json)
{
	const struct region *region = &stream->region;
	char text[48];

	json_object(json, NULL);
	json_string(json, "name", stream->name);
	if (region->width) {
		snprintf(text, sizeof(text), "%u,%u,%u,%u", region->x, region->y, region->width, region->height);
		json_string(json, "region", text);
	}
	if (stream->width_max) {
		snprintf(text, sizeof(text), "%ux%u", stream->width_max, stream->height_max);
		json_string(json, "max_size", text);
	}
	if (stream->slot_count)
		json_number(json, "slots", stream->slot_count);
	if (stream->fourcc)
		json_string(json, "format", stream->fourcc == LUMARING_FORMAT_R16 ? "R16" : "R8");
	if (stream->bin)
		json_number(json, "bin", stream->bin);
	if (stream->always)
		json_bool(json, "always", true);
	json_close(json);
}

void config_print_streams(const struct config_setting *setting, const struct config *config, struct json *json,
			  const char *name)
{
	(void)setting;
	json_array(json, name);
	for (unsigned i = 0; i < config->stream_count; i++)
		print_stream(&config->streams[i], json);
	json_close(json);
}
