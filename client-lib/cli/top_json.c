/* SPDX-License-Identifier: BSD-2-Clause */
/* top_json.c - see top_json.h. What is not known is left out. */
#include "top_json.h"

#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "table.h"

/* Two decimals are more than was measured, and three a program can round itself. */
static void add(cJSON *object, const char *key, double value)
{
	if (value >= 0)
		cJSON_AddNumberToObject(object, key, (double)(long long)(value * 1000 + 0.5) / 1000);
}

static void copy(cJSON *object, const cJSON *from, const char *key)
{
	const cJSON *item = json_get(from, key);

	if (item)
		cJSON_AddItemToObject(object, key, cJSON_Duplicate(item, true));
}

/* Per second, by cause; only those that rose. */
static void add_losses(cJSON *object, const struct top_sample *sample, const struct top_stream *stream)
{
	cJSON *losses = cJSON_AddObjectToObject(object, "lost_per_second");

	for (const cJSON *cause = json_first(stream->now, "lost"); cause; cause = cause->next) {
		const double hz = cause->string ? top_sample_lost_hz(sample, stream, cause->string) : TOP_UNKNOWN;

		if (hz > 0)
			add(losses, cause->string, hz);
	}
}

static void add_stream(cJSON *streams, const struct top_sample *sample, const struct top_stream *stream)
{
	static const char *const keys[] = { "name",
					    "private",
					    "state",
					    "clients",
					    "slots",
					    "lost",
					    "copy_us",
					    "ready_to_published_us",
					    "sensor_to_published_us" };
	cJSON *object = cJSON_CreateObject();

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		copy(object, stream->now, keys[i]);
	add(object, "published_per_second", stream->published_hz);
	add_losses(object, sample, stream);
	cJSON_AddItemToArray(streams, object);
}

static void add_client(cJSON *clients, const struct top_client *client)
{
	static const char *const keys[] = { "connection", "pid", "uid", "stream", "state", "lag", "missed", "copied" };
	cJSON *object = cJSON_CreateObject();
	char name[TABLE_CELL_BYTES];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		copy(object, client->now, keys[i]);
	table_safe(name, sizeof(name), process_name(json_number(client->now, "pid")).name);
	cJSON_AddStringToObject(object, "process", name);
	add(object, "seen_per_second", client->seen_hz);
	add(object, "missed_per_second", client->missed_hz);
	cJSON_AddItemToArray(clients, object);
}

/* Printed and freed. */
static char *line_of(cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object), *line = text ? realloc(text, strlen(text) + 2) : NULL;

	cJSON_Delete(object);
	if (!line)
		free(text);
	else
		strcat(line, "\n");
	return line;
}

char *top_json(const struct top_sample *sample)
{
	const cJSON *source = json_get(sample->now, "source");
	cJSON *object = cJSON_CreateObject(), *array;

	copy(object, sample->now, "camera");
	cJSON_AddTrueToObject(object, "up");
	copy(object, source, "state");
	copy(object, sample->now, "uptime_us");
	add(object, "interval_us", sample->interval_us);
	add(object, "captured_per_second", sample->captured_hz);
	add(object, "cpu_percent", sample->cpu_percent);
	add(object, "cpu_per_frame_us", sample->cpu_per_frame_us);
	add(object, "copied_bytes_per_second", sample->copied_bytes_hz);
	copy(object, json_get(sample->now, "copy"), "workers");
	array = cJSON_AddArrayToObject(object, "streams");
	for (size_t i = 0; i < sample->stream_count; i++)
		add_stream(array, sample, &sample->streams[i]);
	copy(object, sample->now, "streams_omitted");
	array = cJSON_AddArrayToObject(object, "clients");
	for (size_t i = 0; i < sample->client_count; i++)
		add_client(array, &sample->clients[i]);
	copy(object, sample->now, "clients_omitted");
	return line_of(object);
}

char *top_json_away(const char *camera, const char *reason)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "camera", camera);
	cJSON_AddFalseToObject(object, "up");
	cJSON_AddStringToObject(object, "reason", reason);
	return line_of(object);
}
