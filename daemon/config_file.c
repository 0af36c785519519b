/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_file.c - reads a configuration file, JSON with comments, over what a configuration says already. Goes on
 * behind whatever is wrong, so that all of it is told at once, each with its place. A file of another user, or one that
 * everybody may write to, is not read. Main thread; never waits for a file.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_tree.h"

#define SENTENCE_BYTES 1024
#define WHERE_BYTES (PATHS_BYTES + 512)
#define FIELD_BYTES 128

struct reader {
	struct config *config;
	struct config_faults *faults;
	const char *path;
	const char *camera; /* NULL: any */
	unsigned file;
};

/* A file, and of somebody who may say what the daemon does. */
static bool is_trusted(int fd, const char *path, struct config_faults *faults)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		config_fault(faults, "cannot look at %s: %s", path, strerror(errno));
		return false;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		config_fault(faults,
			     "%s: it belongs to uid %u, not to uid %u or root, and is not read: change that with chown",
			     path, st.st_uid, geteuid());
		return false;
	}
	if (st.st_mode & S_IWOTH) {
		config_fault(
			faults,
			"%s: everybody may write to it (mode %04o), and it is not read: change that with chmod o-w",
			path, st.st_mode & 07777);
		return false;
	}
	if (!S_ISREG(st.st_mode)) { /* whoever writes to a pipe might think for ever */
		config_fault(faults, "%s: it is a %s, and not read: give a regular file", path,
			     S_ISDIR(st.st_mode) ? "directory" : "pipe or device");
		return false;
	}
	return true;
}

/* One byte more than a configuration may have, where there is more. Bytes, or a negative errno. */
static ssize_t read_text(int fd, char text[LIMIT_CONFIG_BYTES + 1])
{
	ssize_t n, total = 0;

	while (total <= (ssize_t)LIMIT_CONFIG_BYTES &&
	       (n = read(fd, text + total, LIMIT_CONFIG_BYTES + 1 - (size_t)total)) > 0)
		total += n;
	return total <= (ssize_t)LIMIT_CONFIG_BYTES && n < 0 ? -errno : total;
}

static void tell_of_text(void *owner, const struct json_fault *fault)
{
	const struct reader *reader = owner;

	config_fault(reader->faults, "%s:%u:%u: %s%s%s", reader->path, fault->line, fault->column, fault->field,
		     fault->field[0] ? ": " : "", fault->text);
}

/* "FILE:LINE:COLUMN: field" */
static void say_where(const struct reader *reader, const struct json_node *node, const char *field, char *where)
{
	snprintf(where, WHERE_BYTES, "%s:%u:%u: %s", reader->path, node->line, node->column, field);
}

static void tell(const struct reader *reader, const struct json_node *node, const char *field, const char *sentence)
{
	config_fault(reader->faults, "%s:%u:%u: %s: %s", reader->path, node->line, node->column, field, sentence);
}

static struct config_place place_of(const struct reader *reader, const struct json_node *node)
{
	return (struct config_place){
		.by = CONFIG_BY_FILE, .file = reader->file, .line = node->line, .column = node->column
	};
}

/* A value as the text that the command line would have; false when its kind has none. */
static bool value_text(const struct json_node *node, char *text, size_t text_bytes)
{
	size_t n;

	switch (node->kind) {
	case JSON_STRING:
		return snprintf(text, text_bytes, "%s", node->string) < (int)text_bytes;
	case JSON_NUMBER:
		if (node->whole)
			return snprintf(text, text_bytes, "%" PRId64, node->integer) < (int)text_bytes;
		/* As many places as a rate may have, and none that say nothing: 29.97 stays 29.97. */
		n = (size_t)snprintf(text, text_bytes, "%.9f", node->number);
		while (text[n - 1] == '0')
			text[--n] = '\0';
		if (text[n - 1] == '.')
			text[--n] = '\0';
		/* A fraction that is too small for so many places is told of, and not dropped. */
		if (!strchr(text, '.') && strtod(text, NULL) != node->number)
			snprintf(text, text_bytes, "%.17g", node->number);
		return true;
	case JSON_BOOL:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

/* Tell that value_text() had none; `hint` is behind what is wanted. */
static void tell_of_kind(const struct reader *reader, const struct json_node *node, const char *field,
			 size_t text_bytes, const char *hint)
{
	char sentence[128];

	if (node->kind == JSON_STRING)
		snprintf(sentence, sizeof(sentence), "a string of at most %zu bytes is wanted%s", text_bytes - 1, hint);
	else
		snprintf(sentence, sizeof(sentence), "a string or a number is wanted%s", hint);
	tell(reader, node, field, sentence);
}

/* One field of an object in "streams". False: it was at fault. */
static bool apply_stream_field(const struct reader *reader, struct stream_config *stream, const struct json_node *node,
			       const char *field)
{
	char where[WHERE_BYTES], text[FIELD_BYTES], error[WHERE_BYTES + SENTENCE_BYTES];
	bool is_always = !strcmp(node->name, "always");

	if (node->faulty || node->kind == JSON_NULL)
		return !node->faulty;
	if (is_always && node->kind != JSON_BOOL)
		return tell(reader, node, field, "true or false is wanted"), false;
	if (!strcmp(node->name, "name")) { /* else it stays empty, and that is refused */
		if (value_text(node, text, sizeof(text)) && strlen(text) < sizeof(stream->name))
			strcpy(stream->name, text);
		return true;
	}
	if (is_always)
		strcpy(text, node->boolean ? "true" : "false");
	else if (!value_text(node, text, sizeof(text)))
		return tell_of_kind(reader, node, field, sizeof(text), ""), false;
	say_where(reader, node, field, where);
	if (config_set_stream(stream, where, node->name, text, error, sizeof(error)) == 0)
		return true;
	config_fault(reader->faults, "%s", error);
	return false;
}

static bool apply_stream(const struct reader *reader, const struct json_node *object, unsigned index)
{
	struct config *config = reader->config;
	char field[FIELD_BYTES], where[WHERE_BYTES], error[WHERE_BYTES + SENTENCE_BYTES];
	struct stream_config stream = { 0 };
	bool good = true;

	snprintf(field, sizeof(field), "streams[%u]", index);
	if (object->kind != JSON_OBJECT)
		return tell(reader, object, field, "an object with a name is wanted"), false;
	for (const struct json_node *node = object->first; node; node = node->next) {
		snprintf(field, sizeof(field), "streams[%u].%.64s", index, node->name);
		good = apply_stream_field(reader, &stream, node, field) && good;
	}
	snprintf(field, sizeof(field), "streams[%u]", index);
	say_where(reader, object, field, where);
	if (config_add_stream(config, where, &stream, error, sizeof(error)) < 0)
		return config_fault(reader->faults, "%s", error), false;
	config->stream_places[config->stream_count - 1] = place_of(reader, object);
	return good;
}

/* They replace those of the files before, as a whole. */
static bool apply_streams(const struct reader *reader, const struct json_node *streams)
{
	unsigned index = 0;
	bool good = true;

	if (streams->kind != JSON_ARRAY)
		return tell(reader, streams, "streams", "an array of objects is wanted"), false;
	reader->config->stream_count = 0;
	for (const struct json_node *object = streams->first; object; object = object->next)
		good = apply_stream(reader, object, index++) && good;
	return good;
}

/* null: as if nobody had said anything yet. */
static bool apply_default(struct config *config, const struct config_setting *setting)
{
	static struct config defaults;

	config_init(&defaults);
	config_copy_setting(setting, config, &defaults);
	return true;
}

static bool apply_value(const struct reader *reader, const struct config_setting *setting, const struct json_node *node)
{
	char where[WHERE_BYTES], text[PATHS_BYTES], error[WHERE_BYTES + SENTENCE_BYTES], hint[48];

	if (setting->argument != CONFIG_VALUE && node->kind != JSON_BOOL)
		return tell(reader, node, node->name, "true or false is wanted"), false;
	if (setting->argument != CONFIG_VALUE) {
		strcpy(text, node->boolean ? "true" : "false");
	} else if (!value_text(node, text, sizeof(text))) {
		snprintf(hint, sizeof(hint), " (%s)", setting->placeholder);
		return tell_of_kind(reader, node, node->name, sizeof(text), hint), false;
	}
	say_where(reader, node, node->name, where);
	if (setting->set(setting, reader->config, where, text, error, sizeof(error)) == 0)
		return true;
	config_fault(reader->faults, "%s", error);
	return false;
}

/* A camera's file that says another camera's name was copied from there, and not looked through. */
static bool is_other_camera(const struct reader *reader, const struct json_node *node)
{
	char text[FIELD_BYTES];

	if (!reader->camera || strcmp(node->name, "camera") || !value_text(node, text, sizeof(text)) ||
	    !strcmp(text, reader->camera))
		return false;
	config_fault(reader->faults,
		     "%s:%u:%u: camera: the camera is %s, by --camera or its default, and its files cannot change "
		     "that: leave this key out",
		     reader->path, node->line, node->column, reader->camera);
	return true;
}

static void apply(const struct reader *reader, const struct json_node *node)
{
	const struct config_setting *setting = config_find(node->name);
	struct config *config = reader->config;
	char field[FIELD_BYTES];
	bool good;

	snprintf(field, sizeof(field), "%.100s", node->name);
	if (!setting) {
		tell(reader, node, field,
		     "this key is not known (keys are the long options of lumaringd --help with _ for -, and "
		     "\"streams\")");
		return;
	}
	if (node->faulty || is_other_camera(reader, node))
		good = false; /* told already */
	else if (node->kind == JSON_NULL)
		good = apply_default(config, setting);
	else if (setting->argument == CONFIG_STREAMS)
		good = apply_streams(reader, node);
	else
		good = apply_value(reader, setting, node);
	config->places[setting - config_settings] = place_of(reader, node);
	config->places[setting - config_settings].faulty = !good;
}

static void read_tree(struct reader *reader, const char *text, size_t bytes)
{
	static const struct json_bounds bounds = { .bytes_max = LIMIT_CONFIG_BYTES,
						   .depth_max = LIMIT_CONFIG_DEPTH,
						   .values_max = LIMIT_CONFIG_VALUES,
						   .comments = true };
	const struct json_node *root;
	struct json_tree *tree;

	if (json_tree_examine(text, bytes, &bounds, &tree, tell_of_text, reader) < 0)
		return;
	root = json_tree_root(tree);
	if (root->kind != JSON_OBJECT)
		config_fault(reader->faults, "%s:%u:%u: a configuration is one JSON object, { ... }", reader->path,
			     root->line, root->column);
	for (const struct json_node *node = root->kind == JSON_OBJECT ? root->first : NULL; node; node = node->next)
		apply(reader, node);
	json_tree_destroy(tree);
}

bool config_read_file(struct config *config, const char *path, const char *camera, struct config_faults *faults)
{
	struct reader reader = { .config = config, .faults = faults, .path = path, .camera = camera };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text, *kept;
	ssize_t bytes;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return false;
	if (fd >= 0 && !is_trusted(fd, path, faults)) {
		close(fd);
		return true;
	}
	text = malloc(LIMIT_CONFIG_BYTES + 1);
	kept = strdup(path);
	bytes = fd < 0 || !text || !kept ? -errno : read_text(fd, text);
	if (bytes < 0) {
		config_fault(faults, "cannot read %s: %s", path, strerror((int)-bytes));
	} else {
		reader.file = config->file_count;
		config->files[config->file_count++] = kept;
		kept = NULL;
		read_tree(&reader, text, (size_t)bytes);
	}
	free(kept);
	free(text);
	if (fd >= 0)
		close(fd);
	return true;
}
