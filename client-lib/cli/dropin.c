/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dropin.c - see dropin.h. The new file is made under a name that the daemon does not read, brought to the disk, and
 * then given its name. Must never leave half a file under the name, nor write over one that it could not read.
 */
#include "dropin.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

#define LOCK_TRIES 1500u
#define LOCK_PAUSE_NS 20000000L /* 30 s in all: whoever has it may be waiting for a camera */
#define HEAD "// Written by `lumaring set --save`, which keeps what else stands here, but no comments.\n"

static int failed(const char *what, const char *path, int error)
{
	talk("cannot %s %s: %s", what, path, strerror(error));
	return -error;
}

/* --- the directory ----------------------------------------------------------------------------------------------- */

static int sync_directory(const char *path)
{
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int make_directory(const char *path)
{
	char copy[PATH_MAX];
	int r;

	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? 0 : failed("make the directory", path, errno);
	snprintf(copy, sizeof(copy), "%s", path);
	r = sync_directory(dirname(copy));
	return r < 0 ? failed("bring to the disk what holds", path, -r) : 0;
}

/* One program at a time changes and saves; anybody who may read the directory could hold it for ever. The lock ends
 * with the process, however that ends. */
static int lock_directory(int fd, const char *path)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return failed("lock", path, errno);
		nanosleep(&pause, NULL);
	}
	talk("%s is locked by another program", path);
	return -EBUSY;
}

static int open_directory(struct dropin *d)
{
	d->fd = open(d->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return failed("open", d->directory, errno);
	return lock_directory(d->fd, d->directory);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static int parse(struct dropin *d, char *text)
{
	cJSON_Minify(text);
	d->values = cJSON_ParseWithOpts(text, NULL, true);
	if (cJSON_IsObject(d->values))
		return 0;
	talk("%s is no JSON object: correct it or remove it", d->path);
	return -EINVAL;
}

static int read_file(struct dropin *d, int fd)
{
	char text[DROPIN_BYTES_MAX + 2];
	size_t bytes = 0;
	struct stat status;
	ssize_t n = 0;

	if (fstat(fd, &status) < 0)
		return failed("read", d->path, errno);
	d->mode = status.st_mode & 07777;
	while (bytes < sizeof(text) - 1 && (n = read(fd, text + bytes, sizeof(text) - 1 - bytes)) > 0)
		bytes += (size_t)n;
	if (n < 0)
		return failed("read", d->path, errno);
	if (bytes > DROPIN_BYTES_MAX || memchr(text, '\0', bytes)) {
		talk("%s is no configuration: correct it or remove it", d->path);
		return -EINVAL;
	}
	text[bytes] = '\0';
	return parse(d, text);
}

int dropin_read(struct dropin *dropin)
{
	const int fd = openat(dropin->fd, DROPIN_NAME, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0 && errno != ENOENT)
		return failed("read", dropin->path, errno);
	if (fd < 0) {
		dropin->values = cJSON_CreateObject();
		return dropin->values ? 0 : failed("write", dropin->path, ENOMEM);
	}
	r = read_file(dropin, fd);
	close(fd);
	return r;
}

void dropin_end(struct dropin *dropin)
{
	cJSON_Delete(dropin->values);
	if (dropin->fd >= 0)
		close(dropin->fd);
}

int dropin_lock(struct dropin *dropin, const char *directory, const char *camera)
{
	const int n = snprintf(dropin->directory, sizeof(dropin->directory), "%s/%s.json.d", directory, camera);
	int r;

	dropin->fd = -1;
	dropin->mode = 0644;
	dropin->values = NULL;
	dropin->set_count = 0;
	if (n < 0 || snprintf(dropin->path, sizeof(dropin->path), "%s/%s", dropin->directory, DROPIN_NAME) >=
			     (int)sizeof(dropin->path))
		return failed("write below", directory, ENAMETOOLONG);
	r = make_directory(directory);
	if (r == 0)
		r = make_directory(dropin->directory);
	if (r == 0)
		r = open_directory(dropin);
	if (r < 0)
		dropin_end(dropin);
	return r;
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static void note(struct dropin *d, const char *key)
{
	for (unsigned i = 0; i < d->set_count; i++)
		if (strcmp(d->set[i], key) == 0)
			return;
	if (d->set_count < DROPIN_KEYS_MAX)
		d->set[d->set_count++] = key;
}

/* A value that could not be made, or not be put in its place, leaves nothing to write. */
static void set(struct dropin *d, const char *key, cJSON *value)
{
	note(d, key);
	cJSON_DeleteItemFromObjectCaseSensitive(d->values, key);
	if (d->values && value && cJSON_AddItemToObject(d->values, key, value))
		return;
	cJSON_Delete(value);
	cJSON_Delete(d->values);
	d->values = NULL;
}

void dropin_set_text(struct dropin *dropin, const char *key, const char *text)
{
	set(dropin, key, cJSON_CreateString(text));
}

void dropin_set_number(struct dropin *dropin, const char *key, int64_t number)
{
	set(dropin, key, cJSON_CreateNumber((double)number));
}

void dropin_set_bool(struct dropin *dropin, const char *key, bool value)
{
	set(dropin, key, cJSON_CreateBool(value));
}

void dropin_set_default(struct dropin *dropin, const char *key)
{
	set(dropin, key, cJSON_CreateNull());
}

static bool has_string(const cJSON *array, const char *text)
{
	for (const cJSON *item = cJSON_IsArray(array) ? array->child : NULL; item; item = item->next)
		if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
			return true;
	return false;
}

/* One stream as the configuration has it: what is all zeros follows the image, and is left out. */
static cJSON *stream_of(const cJSON *stream, bool default_slots)
{
	const cJSON *region = json_get(stream, "region"), *max_size = json_get(stream, "max_size");
	const double numbers[] = { json_number(region, "x"), json_number(region, "y"), json_number(region, "width"),
				   json_number(region, "height") };
	cJSON *object = cJSON_CreateObject();
	char text[96];
	bool good = cJSON_AddStringToObject(object, "name", json_text(stream, "name"));

	snprintf(text, sizeof(text), "%.0f,%.0f,%.0f,%.0f", numbers[0], numbers[1], numbers[2], numbers[3]);
	if (numbers[0] > 0 || numbers[1] > 0 || numbers[2] > 0 || numbers[3] > 0)
		good = good && cJSON_AddStringToObject(object, "region", text);
	snprintf(text, sizeof(text), "%.0fx%.0f", json_number(max_size, "width"), json_number(max_size, "height"));
	if (json_number(max_size, "width") > 0)
		good = good && cJSON_AddStringToObject(object, "max_size", text);
	if (json_number(stream, "slots") > 0 && !default_slots)
		good = good && cJSON_AddNumberToObject(object, "slots", json_number(stream, "slots"));
	if (json_text(stream, "format")[0] && strcmp(json_text(stream, "format"), "R8") != 0)
		good = good && cJSON_AddStringToObject(object, "format", json_text(stream, "format"));
	if (json_number(stream, "bin") > 1)
		good = good && cJSON_AddNumberToObject(object, "bin", json_number(stream, "bin"));
	if (json_is_true(stream, "always"))
		good = good && cJSON_AddTrueToObject(object, "always");
	if (!good) {
		cJSON_Delete(object);
		return NULL;
	}
	return object;
}

void dropin_set_streams(struct dropin *dropin, const cJSON *streams, const cJSON *default_slots)
{
	cJSON *array = cJSON_CreateArray();

	for (const cJSON *s = streams ? streams->child : NULL; array && s; s = s->next) {
		cJSON *stream = stream_of(s, has_string(default_slots, json_text(s, "name")));

		if (stream && cJSON_AddItemToArray(array, stream))
			continue;
		cJSON_Delete(stream);
		cJSON_Delete(array);
		array = NULL;
	}
	set(dropin, "streams", array);
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *text, size_t bytes)
{
	while (bytes > 0) {
		const ssize_t n = write(fd, text, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int write_and_rename(struct dropin *d, const char *text)
{
	char temporary[PATH_MAX + 32];
	int fd, r;

	/* The daemon reads *.json. */
	snprintf(temporary, sizeof(temporary), "%s/.%s.XXXXXX", d->directory, DROPIN_NAME);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_all(fd, HEAD, strlen(HEAD));
	if (r == 0)
		r = write_all(fd, text, strlen(text));
	if (r == 0)
		r = write_all(fd, "\n", 1);
	if (r == 0 && (fchmod(fd, d->mode) < 0 || fsync(fd) < 0))
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, d->path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	else if (fsync(d->fd) < 0)
		r = -errno;
	return r;
}

int dropin_write(struct dropin *dropin)
{
	char *text = cJSON_Print(dropin->values);
	int r = !text                                                ? -ENOMEM
		: strlen(HEAD) + strlen(text) + 1 > DROPIN_BYTES_MAX ? -EFBIG
								     : write_and_rename(dropin, text);

	free(text);
	return r < 0 ? failed("write", dropin->path, -r) : 0;
}
