/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_show.c - see config.h: a configuration as text, and what differs between two. Settings are compared as they
 * are shown, so that nothing is said to differ that looks the same. Main thread.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One setting's value as a file would have it. NULL: no memory. */
static char *value_text(const struct config_setting *setting, const struct config *config)
{
	struct json json = { 0 };
	size_t bytes;

	setting->print(setting, config, &json, NULL);
	return json_take(&json, &bytes);
}

char *config_text(const struct config *config)
{
	char *text = NULL;
	size_t bytes;
	FILE *file = open_memstream(&text, &bytes);
	bool good = file;

	for (unsigned i = 0; good && i < config_setting_count; i++) {
		char *value = value_text(&config_settings[i], config), key[CONFIG_KEY_BYTES];

		config_key(&config_settings[i], key, sizeof(key));
		good = value && fprintf(file, "%s    \"%s\": %s", i ? ",\n" : "{\n", key, value) > 0;
		free(value);
	}
	good = good && fprintf(file, "\n}\n") > 0;
	if (file && (fclose(file) != 0 || !good)) {
		free(text);
		text = NULL;
	}
	return text;
}

int config_compare(const struct config *config, const struct config *next, struct config_changes *ret_changes)
{
	struct config_changes changes = { 0 };

	for (unsigned i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];
		char *before = value_text(s, config), *after = value_text(s, next);
		int r = !before || !after ? -ENOMEM : strcmp(before, after) != 0;

		free(before);
		free(after);
		if (r < 0)
			return r;
		if (r > 0 && s->live)
			changes.live[changes.live_count++] = s;
		else if (r > 0)
			changes.restart[changes.restart_count++] = s;
	}
	*ret_changes = changes;
	return 0;
}

void config_adopt(struct config *config, struct config *next, const struct config_changes *changes)
{
	char *files[CONFIG_FILES_MAX];
	unsigned file_count = config->file_count;

	for (unsigned i = 0; i < changes->live_count; i++)
		config_copy_setting(changes->live[i], config, next);
	/* Places and files belong together, also of what stays as it was. */
	memcpy(config->places, next->places, sizeof(config->places));
	memcpy(config->stream_places, next->stream_places, sizeof(config->stream_places));
	memcpy(files, config->files, sizeof(files));
	memcpy(config->files, next->files, sizeof(config->files));
	memcpy(next->files, files, sizeof(next->files));
	config->file_count = next->file_count;
	next->file_count = file_count;
}
