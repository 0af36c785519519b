/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.c - see config.h: defaults, the list of faults, and the rules between settings. A rule is not looked at where
 * one of its settings was refused: that fault has been told, and what it leads to would only hide it. Main thread.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy/kernel.h"
#include "copy/tuner.h"

/* Cameras that are known by their number: cam0 to cam999999999. */
#define CAMERA_DIGITS_MAX 9u

void config_init(struct config *config)
{
	*config = (struct config){
		.camera = "cam0",
		.source = "libcamera",
		.private_bytes_max = LIMIT_PRIVATE_BYTES,
		.private_streams_max = LIMIT_PRIVATE_STREAMS,
		.gid = (gid_t)-1,
		.control_gid = (gid_t)-1,
		.clients_max = LIMIT_CLIENTS,
		.attach_rate = LIMIT_ATTACH_RATE,
		.control_connections_max = LIMIT_CONTROL_CONNECTIONS,
		.control_message_bytes_max = LIMIT_CONTROL_MESSAGE_BYTES,
		.control_depth_max = LIMIT_CONTROL_DEPTH,
		.control_values_max = LIMIT_CONTROL_VALUES,
		.control_rate = LIMIT_CONTROL_RATE,
		.control_message_ms = LIMIT_CONTROL_MESSAGE_MS,
		.size_change_rate = LIMIT_SIZE_CHANGE_RATE,
		.copy.policy = COPY_POLICY_INHERITED,
		.copy_budget_percent = TUNER_BUDGET_PERCENT,
		.streams = { { .name = "main" } },
		.stream_count = 1,
	};
}

void config_clear(struct config *config)
{
	for (unsigned i = 0; i < config->file_count; i++)
		free(config->files[i]);
	config->file_count = 0;
}

static void add_fault(struct config_faults *faults, char *line)
{
	if (line && faults->count < LIMIT_CONFIG_FAULTS) {
		faults->lines[faults->count++] = line;
		return;
	}
	faults->more++;
	free(line);
}

void config_fault(struct config_faults *faults, const char *format, ...)
{
	va_list arguments;
	char *line;

	va_start(arguments, format);
	if (vasprintf(&line, format, arguments) < 0)
		line = NULL;
	va_end(arguments);
	for (char *at = line; at && *at; at++) /* one line, and nothing that a terminal obeys */
		if ((unsigned char)*at < ' ' || *at == '\x7f')
			*at = '?';
	add_fault(faults, line);
}

void config_faults_clear(struct config_faults *faults)
{
	for (unsigned i = 0; i < faults->count; i++)
		free(faults->lines[i]);
	*faults = (struct config_faults){ 0 };
}

/* "FILE:LINE:COLUMN: key", "--option", or the key alone where nobody said it. */
static void say_place(const struct config *config, const struct config_place *place, const char *option,
		      const char *key, char *text, size_t text_bytes)
{
	switch (place->by) {
	case CONFIG_BY_DEFAULT:
		snprintf(text, text_bytes, "%s", key);
		break;
	case CONFIG_BY_FILE:
		snprintf(text, text_bytes, "%s:%u:%u: %s", config->files[place->file], place->line, place->column, key);
		break;
	case CONFIG_BY_OPTION:
		snprintf(text, text_bytes, "--%s", option);
		break;
	}
}

/*
 * Tell that settings do not go together, at the first of them that somebody said. `keys`, separated by spaces, are all
 * of settings.
 */
__attribute__((format(printf, 4, 5))) static void rule(const struct config *config, struct config_faults *faults,
						       const char *keys, const char *format, ...)
{
	const struct config_setting *setting = NULL;
	char text[128], *rest = text, where[PATHS_BYTES + 128], sentence[512];
	va_list arguments;

	snprintf(text, sizeof(text), "%s", keys);
	for (char *key; (key = strsep(&rest, " "));) {
		const struct config_setting *s = config_find(key);
		const struct config_place *place = &config->places[s - config_settings];

		if (place->faulty)
			return;
		if (!setting || (config->places[setting - config_settings].by == CONFIG_BY_DEFAULT && place->by))
			setting = s;
	}
	config_key(setting, text, sizeof(text));
	say_place(config, &config->places[setting - config_settings], setting->name, text, where, sizeof(where));
	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	config_fault(faults, "%s: %s", where, sentence);
}

/* The environment as for the clients, so that one setting serves both. */
static void finish_runtime_dir(struct config *config, struct config_faults *faults)
{
	const char *from_environment = secure_getenv("LUMARING_RUNTIME_DIR");
	char error[512];
	int r = 0;

	if (config->runtime_dir[0])
		return;
	if (from_environment && strlen(from_environment) >= sizeof(config->runtime_dir))
		r = (snprintf(error, sizeof(error), "LUMARING_RUNTIME_DIR: a directory of 1 to %zu bytes is wanted",
			      sizeof(config->runtime_dir) - 1),
		     -EINVAL);
	else if (from_environment && from_environment[0])
		strcpy(config->runtime_dir, from_environment);
	else
		r = paths_default_runtime_dir(config->runtime_dir, error, sizeof(error));
	if (r < 0)
		config_fault(faults, "%s", error);
}

/* Row and frame against what the pixels take, as raw.c would find out. */
static void check_raw(const struct config *config, struct config_faults *faults)
{
	uint64_t needed, row_bytes;

	if (!config->width || !config->layout.name) {
		rule(config, faults, "source size pixel_format",
		     "source raw: the frames do not say what they are: give size and pixel-format");
		return;
	}
	needed = pixels_row_bytes(config->layout.pixels, config->width);
	row_bytes = config->row_bytes ? config->row_bytes : needed;
	if (row_bytes < needed)
		rule(config, faults, "row_bytes size pixel_format",
		     "row-bytes %u is too small: a row of %u pixels of %s takes %llu bytes", config->row_bytes,
		     config->width, config->layout.name, (unsigned long long)needed);
	else if (config->frame_bytes && config->frame_bytes < row_bytes * config->height)
		rule(config, faults, "frame_bytes row_bytes size",
		     "frame-bytes %llu is too small: %u rows of %llu bytes take %llu",
		     (unsigned long long)config->frame_bytes, config->height, (unsigned long long)row_bytes,
		     (unsigned long long)(row_bytes * config->height));
}

/* Whether one of `words`, separated by spaces. */
static bool has_word(const char *words, const char *word)
{
	const size_t bytes = strlen(word);

	for (const char *at = words; *at; at += strspn(at, " ")) {
		const size_t n = strcspn(at, " ");

		if (n == bytes && !strncmp(at, word, n))
			return true;
		at += n;
	}
	return false;
}

/* What some sources read, and others would ignore. */
static void check_source(const struct config *config, struct config_faults *faults)
{
	const struct {
		const char *sources, *keys, *takers;
		bool said;
	} owned[] = {
		{ "raw", "row_bytes source", "the source raw alone", config->row_bytes },
		{ "raw", "frame_bytes source", "the source raw alone", config->frame_bytes },
		{ "raw", "luma_range source", "the source raw alone", config->luma_range },
		{ "libcamera", "buffers source", "the source libcamera alone", config->memory != SOURCE_MEMORY_AUTO },
		{ "libcamera", "buffer_count source", "the source libcamera alone", config->buffer_count },
		{ "libcamera", "sensor_mode source", "the source libcamera alone", config->sensor_width },
		{ "replay raw synthetic", "unpaced source", "the sources replay, raw and synthetic", config->unpaced },
		{ "replay raw", "loop source", "the sources replay and raw", config->loop },
	};

	for (unsigned i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		if (owned[i].said && !has_word(owned[i].sources, config->source))
			rule(config, faults, owned[i].keys, "this is for %s, not for %s", owned[i].takers,
			     config->source);
	if (!strcmp(config->source, "raw"))
		check_raw(config, faults);
}

/* Regions, where the size of the image is certain before the source is open; else camera.c finds out. */
static void check_streams(const struct config *config, struct config_faults *faults)
{
	if (!config->width || !strcmp(config->source, "libcamera"))
		return;
	for (unsigned i = 0; i < config->stream_count; i++) {
		char error[256], key[32], where[PATHS_BYTES + 128];

		if (stream_check_region(&config->streams[i], false, config->width, config->height, error,
					sizeof(error)) == 0)
			continue;
		snprintf(key, sizeof(key), "streams[%u]", i);
		say_place(config, &config->stream_places[i], "stream", key, where, sizeof(where));
		config_fault(faults, "%s: %s", where, error);
	}
}

static void check_numbers(const struct config *config, struct config_faults *faults)
{
	if (config->unpaced && config->framerate[0])
		rule(config, faults, "framerate unpaced", "framerate and unpaced exclude each other: give one of them");
	if (config->wait_clients > config->clients_max)
		rule(config, faults, "wait_clients clients_max",
		     "wait-clients %u is more than clients-max %u: nothing would ever start", config->wait_clients,
		     config->clients_max);
	if (config->clients_per_uid > config->clients_max)
		rule(config, faults, "clients_per_uid clients_max",
		     "clients-per-uid %u is more than clients-max %u: no uid would ever reach it",
		     config->clients_per_uid, config->clients_max);
}

/* camN is the Nth camera in the order of ids, unless the source says which. */
static void finish_source(struct config *config)
{
	const char *digits = config->camera + 3;
	size_t count = strspn(digits, "0123456789");

	if (strcmp(config->source, "libcamera") || config->source_path[0] || strncmp(config->camera, "cam", 3))
		return;
	if (count >= 1 && count <= CAMERA_DIGITS_MAX && !digits[count] && (*digits != '0' || count == 1))
		strcpy(config->source_path, digits);
}

void config_finish(struct config *config, struct config_faults *faults)
{
	if (copy_cpu_error())
		config_fault(faults, "%s", copy_cpu_error());
	check_source(config, faults);
	check_numbers(config, faults);
	finish_source(config);
	if (!config->clients_per_uid)
		config->clients_per_uid = config->clients_max > 1 ? config->clients_max / 2 : 1;
	for (unsigned i = 0; i < config->stream_count; i++)
		if (!config->streams[i].slot_count) {
			config->streams[i].slot_count = config->slot_count;
			config->streams[i].slots_default = true;
		}
	check_streams(config, faults);
	finish_runtime_dir(config, faults);
}
