/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_file.c - reads a configuration file: JSON with comments. The only file of the daemon that includes cJSON.h.
 * Bounded before the parser sees it (size, depth, values), since cJSON takes forty times the memory of its input. Main
 * thread.
 */
#include "config.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_DEPTH_MAX 4
#define CONFIG_VALUES_MAX 512

static int read_text(const char *path, char **ret_text, char *error, size_t error_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = malloc(LIMIT_CONFIG_BYTES + 2);
	ssize_t n = 0, total = 0;
	int r;

	if (fd >= 0 && text)
		while (total <= (ssize_t)LIMIT_CONFIG_BYTES &&
		       (n = read(fd, text + total, LIMIT_CONFIG_BYTES + 1 - (size_t)total)) > 0)
			total += n;
	r = fd < 0 || !text || n < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		snprintf(error, error_bytes, "cannot read %s: %s", path, strerror(-r));
	} else if (total > (ssize_t)LIMIT_CONFIG_BYTES) {
		snprintf(error, error_bytes, "%s: a configuration has at most %u bytes", path, LIMIT_CONFIG_BYTES);
		r = -EFBIG;
	} else if (memchr(text, '\0', (size_t)total)) {
		snprintf(error, error_bytes, "%s: a NUL byte in a configuration", path);
		r = -EINVAL;
	}
	if (r < 0) {
		free(text);
		return r;
	}
	text[total] = '\0';
	*ret_text = text;
	return 0;
}

/* Overwrite comments with spaces, so that positions in the text stay true, and count what the parser would build. */
static bool prepare(char *text)
{
	int depth = 0, values = 0;

	for (char *p = text; *p; p++) {
		if (*p == '"') {
			for (p++; *p && *p != '"'; p++)
				if (*p == '\\' && p[1])
					p++;
			if (!*p)
				return true; /* the parser tells where */
		} else if (p[0] == '/' && p[1] == '/') {
			while (*p && *p != '\n')
				*p++ = ' ';
			if (!*p)
				return true;
		} else if (p[0] == '/' && p[1] == '*') {
			char *end = strstr(p + 2, "*/");

			for (; *p && (!end || p < end + 2); p++)
				if (*p != '\n')
					*p = ' ';
			p--;
		} else if (*p == '[' || *p == '{') {
			depth++;
			values++;
		} else if (*p == ']' || *p == '}') {
			depth--;
		} else if (*p == ',') {
			values++;
		}
		if (depth > CONFIG_DEPTH_MAX || values > CONFIG_VALUES_MAX)
			return false;
	}
	return true;
}

static void say_position(const char *path, const char *text, const char *at, char *error, size_t error_bytes)
{
	unsigned line = 1, column = 1;

	for (const char *p = text; p < at && *p; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	snprintf(error, error_bytes,
		 "%s:%u:%u: this is not JSON: a key in quotes, a value, a comma or a bracket is "
		 "missing or misplaced",
		 path, line, column);
}

/* A value as the text the command line would have; false when its type has none. */
static bool value_text(const cJSON *item, char *text, size_t text_bytes)
{
	char *end;

	if (cJSON_IsString(item))
		return snprintf(text, text_bytes, "%s", item->valuestring) < (int)text_bytes;
	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
		return false;
	/* Six places at most, and none for a whole number: 29.97 stays 29.97 and 8 stays 8. */
	if (snprintf(text, text_bytes, "%.6f", item->valuedouble) >= (int)text_bytes)
		return false;
	end = strchr(text, '.');
	if (end && !strcmp(end, ".000000"))
		*end = '\0';
	return true;
}

static const struct config_setting *find_setting(const char *key)
{
	for (unsigned i = 0; i < config_setting_count; i++) {
		const char *a = config_settings[i].name, *b = key;

		while (*a && (*a == *b || (*a == '-' && *b == '_')))
			a++, b++;
		if (!*a && !*b && strcmp(key, "stream"))
			return &config_settings[i];
	}
	return NULL;
}

static bool is_duplicate(const cJSON *object, const cJSON *item)
{
	return cJSON_GetObjectItemCaseSensitive(object, item->string) != item;
}

static int apply(struct config *config, const char *path, const cJSON *item, char *error, size_t error_bytes)
{
	const struct config_setting *setting = find_setting(item->string);
	char what[PATHS_BYTES + 80], text[PATHS_BYTES];

	snprintf(what, sizeof(what), "%s: %s", path, item->string);
	if (!setting)
		return snprintf(error, error_bytes,
				"%s: this key is not known (keys are the long options of "
				"lumaringd --help with _ for -, and \"streams\")",
				what),
		       -EINVAL;
	if (setting->argument == CONFIG_FLAG) {
		if (!cJSON_IsBool(item))
			return snprintf(error, error_bytes, "%s: true or false is wanted", what), -EINVAL;
		return cJSON_IsTrue(item) ? setting->set(config, what, "", error, error_bytes) : 0;
	}
	if (!value_text(item, text, sizeof(text)))
		return snprintf(error, error_bytes, "%s: a string or a number is wanted (%s)", what,
				setting->placeholder),
		       -EINVAL;
	return setting->set(config, what, text, error, error_bytes);
}

/* One field of an object in "streams". */
static int apply_stream_field(struct stream_config *stream, const char *what, const cJSON *item, char *error,
			      size_t error_bytes)
{
	bool is_always = !strcmp(item->string, "always");
	char text[128];

	if (is_always && !cJSON_IsBool(item))
		return snprintf(error, error_bytes, "%s: true or false is wanted", what), -EINVAL;
	if (is_always)
		strcpy(text, cJSON_IsTrue(item) ? "true" : "false");
	else if (!value_text(item, text, sizeof(text)))
		return snprintf(error, error_bytes, "%s: a string or a number is wanted", what), -EINVAL;
	if (strcmp(item->string, "name"))
		return config_set_stream(stream, what, item->string, text, error, error_bytes);
	if (strlen(text) < sizeof(stream->name)) /* else it stays empty, and that is refused */
		strcpy(stream->name, text);
	return 0;
}

static int apply_streams(struct config *config, const char *path, const cJSON *streams, char *error, size_t error_bytes)
{
	char what[PATHS_BYTES + 80];
	const cJSON *object, *item;
	unsigned index = 0;
	int r;

	if (!cJSON_IsArray(streams))
		return snprintf(error, error_bytes, "%s: streams: an array of objects is wanted", path), -EINVAL;
	cJSON_ArrayForEach(object, streams)
	{
		struct stream_config stream = { 0 };

		snprintf(what, sizeof(what), "%s: streams[%u]", path, index++);
		if (!cJSON_IsObject(object))
			return snprintf(error, error_bytes, "%s: an object with a name is wanted", what), -EINVAL;
		cJSON_ArrayForEach(item, object)
		{
			snprintf(what, sizeof(what), "%s: streams[%u].%s", path, index - 1, item->string);
			if (is_duplicate(object, item))
				return snprintf(error, error_bytes, "%s: this key stands there twice", what), -EINVAL;
			r = apply_stream_field(&stream, what, item, error, error_bytes);
			if (r < 0)
				return r;
		}
		snprintf(what, sizeof(what), "%s: streams[%u]", path, index - 1);
		r = config_add_stream(config, what, &stream, error, error_bytes);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_all(struct config *config, const char *path, const cJSON *root, char *error, size_t error_bytes)
{
	const cJSON *item;
	int r = 0;

	if (!cJSON_IsObject(root))
		return snprintf(error, error_bytes, "%s: a configuration is one JSON object, { ... }", path), -EINVAL;
	cJSON_ArrayForEach(item, root)
	{
		if (is_duplicate(root, item))
			r = (snprintf(error, error_bytes, "%s: %s: this key stands there twice", path, item->string),
			     -EINVAL);
		else if (!strcmp(item->string, "streams"))
			r = apply_streams(config, path, item, error, error_bytes);
		else
			r = apply(config, path, item, error, error_bytes);
		if (r < 0)
			break;
	}
	return r;
}

int config_read_file(struct config *config, const char *path, char *error, size_t error_bytes)
{
	const char *end = NULL;
	cJSON *root = NULL;
	char *text;
	int r = read_text(path, &text, error, error_bytes);

	if (r < 0)
		return r;
	if (!prepare(text)) {
		snprintf(error, error_bytes, "%s: a configuration nests at most %d deep and has at most %d values",
			 path, CONFIG_DEPTH_MAX, CONFIG_VALUES_MAX);
		r = -EINVAL;
	} else if (!(root = cJSON_ParseWithOpts(text, &end, true))) {
		say_position(path, text, end ? end : text, error, error_bytes);
		r = -EINVAL;
	} else {
		r = apply_all(config, path, root, error, error_bytes);
	}
	cJSON_Delete(root);
	free(text);
	return r;
}
