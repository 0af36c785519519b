/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_load.c - see config_load.h: which files there are, and the order of what is said. Keeps nothing from one call
 * to the next. Main thread.
 */
#include "config_load.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names of drop-ins: of files that are meant, and not those that editors and package managers leave. */
static bool is_drop_in(const char *name)
{
	size_t bytes = strlen(name);

	return name[0] != '.' && bytes > 5 && !strcmp(name + bytes - 5, ".json");
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Who may put a file there decides what the daemon does. */
static bool is_trusted(DIR *dir, const char *path, struct config_faults *faults)
{
	struct stat st;

	if (fstat(dirfd(dir), &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) && !(st.st_mode & S_IWOTH))
		return true;
	config_fault(faults,
		     "%s: the directory belongs neither to root nor to uid %u, or everybody may write to it, and is "
		     "not read: "
		     "change that with chown or chmod o-w",
		     path, geteuid());
	return false;
}

/* Its drop-ins, allocated, at most LIMIT_CONFIG_FILES. */
static unsigned list_drop_ins(DIR *dir, const char *path, char **names, struct config_faults *faults)
{
	const struct dirent *entry;
	unsigned count = 0;

	while ((entry = readdir(dir))) {
		if (!is_drop_in(entry->d_name))
			continue;
		if (count == LIMIT_CONFIG_FILES) {
			config_fault(faults, "%s: there are more than %u files in it: put some of them together", path,
				     LIMIT_CONFIG_FILES);
			break;
		}
		names[count] = strdup(entry->d_name);
		if (!names[count]) {
			config_fault(faults, "%s: there is no memory to read it", path);
			break;
		}
		count++;
	}
	qsort(names, count, sizeof(names[0]), by_bytes);
	return count;
}

static void read_drop_ins(struct config *config, const char *path, const char *camera, struct config_faults *faults)
{
	char *names[LIMIT_CONFIG_FILES], file[PATHS_BYTES + 300];
	DIR *dir = opendir(path);
	unsigned count;

	if (!dir) {
		if (errno != ENOENT && errno != ENOTDIR)
			config_fault(faults, "cannot read %s: %s", path, strerror(errno));
		return;
	}
	count = is_trusted(dir, path, faults) ? list_drop_ins(dir, path, names, faults) : 0;
	closedir(dir);
	for (unsigned i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		if (!config_read_file(config, file, camera, faults))
			config_fault(faults, "cannot read %s: it leads nowhere, or has just been removed", file);
		free(names[i]);
	}
}

/* Without --config: the vendor's, the camera's, and what is dropped in over them. */
static void read_layers(struct config *config, const struct options *options, struct config_faults *faults)
{
	const char *from_environment = secure_getenv("LUMARING_CONFIG_DIR"), *dir = options->config_dir;
	const char *camera = options->camera;
	char path[PATHS_BYTES];

	if (!dir)
		dir = from_environment && from_environment[0] ? from_environment : CONFIG_DIR_DEFAULT;
	snprintf(config->config_dir, sizeof(config->config_dir), "%s", dir);
	config_read_file(config, config_vendor_file, camera, faults);
	if (snprintf(path, sizeof(path), "%s/%s.json.d", dir, camera) >= (int)sizeof(path)) {
		config_fault(faults, "the name of the directory of configurations is too long: choose another");
		return;
	}
	path[strlen(path) - 2] = '\0';
	config_read_file(config, path, camera, faults);
	strcat(path, ".d");
	read_drop_ins(config, path, camera, faults);
}

int config_load(int argc, char **argv, struct config *ret_config, struct config_faults *faults)
{
	struct options options;

	config_init(ret_config);
	options_scan(argc, argv, &options, faults);
	if (options.file && !config_read_file(ret_config, options.file, NULL, faults))
		config_fault(faults, "cannot read %s: %s", options.file, strerror(ENOENT));
	if (!options.camera)
		options.camera = ret_config->camera;
	/* A benchmark has no camera, no sockets and no rings. */
	if (!options.file && options.action != OPTIONS_BENCH && name_valid(options.camera))
		read_layers(ret_config, &options, faults);
	options_apply(argc, argv, ret_config, faults);
	if (options.action != OPTIONS_BENCH)
		config_finish(ret_config, faults);
	return config_is_good(faults) ? 0 : -EINVAL;
}
