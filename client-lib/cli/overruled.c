/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * overruled.c - see overruled.h. Reads only. A file that cannot be read or is no JSON is passed over: the daemon tells
 * of it, with the place.
 */
#include "overruled.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

static bool by_command_line(const char *key, const cJSON *command_line)
{
	for (const cJSON *said = command_line ? command_line->child : NULL; said; said = said->next)
		if (cJSON_IsString(said) && strcmp(said->valuestring, key) == 0)
			return true;
	return false;
}

/* As an option: "streams" is the one that is called otherwise there. */
static void tell_command_line(const char *key)
{
	char option[40];

	snprintf(option, sizeof(option), "%s", strcmp(key, "streams") == 0 ? "stream" : key);
	for (char *c = option; *c; c++)
		if (*c == '_')
			*c = '-';
	talk("%s is saved, but will not be in force after a restart: the daemon's command line has --%s, which wins",
	     key, option);
}

/* As the daemon takes them: in the order of their bytes, the last one wins. */
static bool is_later_dropin(const char *name)
{
	const size_t n = strlen(name);

	return name[0] != '.' && n > 5 && strcmp(name + n - 5, ".json") == 0 && strcmp(name, DROPIN_NAME) > 0;
}

static cJSON *read_dropin(int directory, const char *name)
{
	const int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[DROPIN_BYTES_MAX + 1];
	size_t bytes = 0;
	ssize_t n;

	if (fd < 0)
		return NULL;
	while (bytes < sizeof(text) - 1 && (n = read(fd, text + bytes, sizeof(text) - 1 - bytes)) > 0)
		bytes += (size_t)n;
	close(fd);
	text[bytes] = '\0';
	cJSON_Minify(text);
	return cJSON_ParseWithOpts(text, NULL, true);
}

static bool tell_file(const struct dropin *dropin, const char *name)
{
	cJSON *values = read_dropin(dropin->fd, name);
	bool told = false;

	for (unsigned i = 0; i < dropin->set_count; i++) {
		if (!json_get(values, dropin->set[i]))
			continue;
		talk("%s is saved, but will not be in force after a restart: %s/%s says it as well, and is read later",
		     dropin->set[i], dropin->directory, name);
		told = true;
	}
	cJSON_Delete(values);
	return told;
}

static bool tell_files(const struct dropin *dropin)
{
	DIR *directory = opendir(dropin->directory);
	const struct dirent *entry;
	bool told = false;

	while (directory && (entry = readdir(directory)))
		if (is_later_dropin(entry->d_name))
			told |= tell_file(dropin, entry->d_name);
	if (directory)
		closedir(directory);
	return told;
}

bool overruled_tell(const struct dropin *dropin, const cJSON *command_line)
{
	bool told = false;

	for (unsigned i = 0; i < dropin->set_count; i++) {
		if (!by_command_line(dropin->set[i], command_line))
			continue;
		tell_command_line(dropin->set[i]);
		told = true;
	}
	return tell_files(dropin) || told;
}
