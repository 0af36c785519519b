/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status_probe.h - a daemon that is made by hand, with streams and clients, for the tests of daemon/status: what it
 * tells is read by a parser of others (cJSON).
 */
#ifndef LUMARING_TEST_STATUS_PROBE_H
#define LUMARING_TEST_STATUS_PROBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <lumaring/lumaring.h>

#include "base/clock.h"
#include "status.h"

#define CLIENTS (LIMIT_STATUS_LISTED + 3)
#define STREAMS (LIMIT_STATUS_LISTED + 3)

static struct {
	struct config config;
	struct settings settings;
	struct source_format format;
	struct tuner tuner;
	struct camera_stats stats;
	struct control_stats control;
	struct source_report device;
	struct status_view view;
	struct stream *streams[STREAMS];
	struct client clients[CLIENTS];
	unsigned stream_count, client_count;
	char *text;
	size_t bytes;
	cJSON *status;
} world;

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.config.camera, sizeof(world.config.camera), "status-%d", (int)getpid());
	strcpy(world.config.source, "replay");
	strcpy(world.config.source_path, "/tmp/\"a\\b\xff.y4m");
	world.config.clients_max = 512;
	world.config.private_bytes_max = UINT64_MAX;
	world.format = (struct source_format){
		.width = 64, .height = 48, .pixels = PIXELS_R8, .stride = 128, .frame_duration_us = 17857
	};
	world.stats = (struct camera_stats){ .captured = (UINT64_C(1) << 53) + 1, .frame_duration_ns = 17900500 };
	tuner_init(&world.tuner, 2, 3, 25);
	world.view = (struct status_view){ .config = &world.config,
					   .settings = &world.settings,
					   .started_ns = clock_monotonic_ns() - 5 * NS_PER_MS,
					   .loop_main = "epoll",
					   .loop_capture = "io_uring",
					   .loop_fallback = "because",
					   .state = CAPTURE_LIVE,
					   .format = &world.format,
					   .device = &world.device,
					   .stats = &world.stats,
					   .tuner = &world.tuner,
					   .private_bytes = 4711,
					   .control = &world.control };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < world.stream_count; i++)
		stream_destroy(world.streams[i]);
	for (unsigned i = 0; i < world.client_count; i++)
		free(world.clients[i].page);
	cJSON_Delete(world.status);
	free(world.text);
	return 0;
}

static struct stream *add_stream(const char *name, struct region region, bool with_ring)
{
	struct stream_config config = { .region = region, .slot_count = 6 };
	struct stream *stream;
	char text[512] = "";

	snprintf(config.name, sizeof(config.name), "%s", name);
	stream = stream_create(&config, world.config.camera, (gid_t)-1, 0);
	assert_non_null(stream);
	if (with_ring && stream_fit(stream, &world.format, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	if (world.stream_count)
		world.streams[world.stream_count - 1]->next = stream;
	world.streams[world.stream_count++] = stream;
	world.view.streams = world.streams[0];
	return stream;
}

static struct client *add_client(struct stream *stream, enum client_state state)
{
	struct client *client = &world.clients[world.client_count];

	*client = (struct client){ .state = state,
				   .stream = stream,
				   .number = 1 + world.client_count,
				   .pid = 100 + (int)world.client_count,
				   .uid = 1000,
				   .plan = stream != NULL };
	if (world.client_count++)
		client[-1].next = client;
	world.view.clients = world.clients;
	if (!stream)
		return client;
	client->page = calloc(1, sizeof(*client->page));
	assert_non_null(client->page);
	return client;
}

/* Write the status and read it again. */
static const cJSON *look(void)
{
	struct json json = { 0 };

	cJSON_Delete(world.status);
	free(world.text);
	status_write(&json, NULL, &world.view);
	world.text = json_take(&json, &world.bytes);
	assert_non_null(world.text);
	world.status = cJSON_ParseWithOpts(world.text, NULL, true);
	assert_non_null(world.status);
	return world.status;
}

static const cJSON *get(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (!item)
		fail_msg("there is no %s", key);
	return item;
}

static uint64_t number(const cJSON *object, const char *key)
{
	const cJSON *item = get(object, key);

	assert_true(cJSON_IsNumber(item));
	return (uint64_t)item->valuedouble;
}

static void expect(const cJSON *object, const char *key, uint64_t value)
{
	if (number(object, key) != value)
		fail_msg("%s is %llu, not %llu", key, (unsigned long long)number(object, key),
			 (unsigned long long)value);
}

static void expect_text(const cJSON *object, const char *key, const char *value)
{
	assert_true(cJSON_IsString(get(object, key)));
	assert_string_equal(get(object, key)->valuestring, value);
}

/* "key":VALUE as it stands in the text: a parser's doubles would hide a digit. */
static void expect_exactly(const char *key_and_value)
{
	if (!strstr(world.text, key_and_value))
		fail_msg("%s is not in %s", key_and_value, world.text);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
