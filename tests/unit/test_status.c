/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_status.c - daemon/status: every number of a daemon that is made by hand stands under its key, read by a parser
 * of others (cJSON); what is listed has its limit; and the text takes no time worth mentioning.
 */
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

static void test_daemon_and_source(void **state)
{
	const cJSON *status;

	(void)state;
	status = look();
	expect_text(status, "version", LUMARING_BUILD_VERSION);
	expect(status, "protocol_version", LUMARING_PROTOCOL_VERSION);
	expect_text(status, "camera", world.config.camera);
	expect(status, "pid", (uint64_t)getpid());
	expect(status, "uid", geteuid());
	assert_in_range(number(status, "uptime_us"), 5000, 60000000);
	assert_in_range(number(status, "cpu_us"), 1, 600000000);
	expect_text(get(status, "loop"), "main", "epoll");
	expect_text(get(status, "loop"), "capture", "io_uring");
	expect_text(get(status, "loop"), "fallback_reason", "because");
	expect_text(get(status, "source"), "name", "replay");
	expect_text(get(status, "source"), "path", "/tmp/\"a\\b\xef\xbf\xbd.y4m");
	expect_text(get(status, "source"), "state", "live");
	expect(get(status, "source"), "width", 64);
	expect(get(status, "source"), "height", 48);
	expect(get(status, "source"), "stride", 128);
	expect_text(get(status, "source"), "format", "R8");
	expect_text(get(status, "source"), "memory", "cached");
	expect_text(get(status, "source"), "luma_range", "unknown");
	expect_text(get(status, "source"), "sensor_clock", "unknown");
	assert_null(cJSON_GetObjectItemCaseSensitive(get(status, "source"), "device"));
	expect(get(status, "source"), "frame_duration_us", 17857);
	expect(get(status, "source"), "measured_frame_duration_us", 17901);
	expect(get(status, "source"), "measured_frame_duration_ns", 17900500);
	expect_exactly("\"captured\":9007199254740993}");
	expect(get(status, "bytes"), "rings", 0);
	expect(get(status, "bytes"), "private_rings", 4711);
	expect_exactly("\"private_rings_max\":18446744073709551615}");
	expect(get(status, "limits"), "clients_max", 512);
	expect(get(status, "memory"), "wanted_bytes", 0);
	expect(get(status, "memory"), "locked_bytes", 0);
	expect_text(get(status, "memory"), "unlocked_reason", "");
}

static void test_device(void **state)
{
	const cJSON *source, *device;

	(void)state;
	world.device = (struct source_report){
		.library = "libcamera 0.7.1",
		.camera = "/base/a\"b",
		.state = "running",
		.state_reason = "why",
		.format = "YUV420",
		.memory = "dma-heap system",
		.memory_reason = "the others are not there",
		.memory_chosen_by_measurement = true,
		.cached_copy_ns = 1234567,
		.uncached_copy_ns = UINT64_MAX,
		.buffer_count = 6,
		.buffer_bytes = (UINT64_C(1) << 53) + 1,
		.completed = 101,
		.restarts = 102,
		.losses = 103,
		.callback_longest_ns = 104,
		.sensor_clock = LUMARING_CLOCK_BOOTTIME,
	};
	world.format.uncached = true;
	world.format.luma_range = LUMARING_RANGE_FULL;
	world.format.sensor_clock = LUMARING_CLOCK_MONOTONIC;
	source = get(look(), "source");
	device = get(source, "device");
	expect_text(source, "memory", "uncached");
	expect_text(source, "luma_range", "full");
	expect_text(source, "sensor_clock", "monotonic");
	expect_text(device, "library", "libcamera 0.7.1");
	expect_text(device, "camera", "/base/a\"b");
	expect_text(device, "state", "running");
	expect_text(device, "state_reason", "why");
	expect_text(device, "format", "YUV420");
	expect_text(device, "memory", "dma-heap system");
	expect_text(device, "memory_reason", "the others are not there");
	assert_true(cJSON_IsTrue(get(device, "memory_chosen_by_measurement")));
	expect(device, "cached_copy_ns", 1234567);
	expect_exactly("\"uncached_copy_ns\":18446744073709551615,");
	expect(device, "buffer_count", 6);
	expect_exactly("\"buffer_bytes\":9007199254740993,");
	expect(device, "completed", 101);
	expect(device, "restarts", 102);
	expect(device, "losses", 103);
	expect(device, "callback_longest_ns", 104);
	expect_text(device, "sensor_clock", "boottime");
	world.format.luma_range = LUMARING_RANGE_LIMITED;
	world.device.sensor_clock = 7;
	expect_text(get(look(), "source"), "luma_range", "limited");
	expect_text(get(get(look(), "source"), "device"), "sensor_clock", "unknown");
}

/* With one thread, then with two, as tuner_note() is told. */
static void test_copying(void **state)
{
	struct copy_effort effort = { .workers = 1, .wall_ns = 2000500, .busy_ns = 2000500 };
	const cJSON *copy, *rates;

	(void)state;
	copy = get(look(), "copy");
	expect_text(copy, "cpu", copy_cpu_name(copy_cpu()));
	expect_text(copy, "reason", "fixed");
	expect(copy, "workers", 2);
	expect(copy, "threads", 3);
	expect(copy, "frame_us", 0);
	expect(copy, "frame_bytes", 0);
	assert_int_equal(cJSON_GetArraySize(get(copy, "megabytes_per_second")), 3);
	tuner_note(&world.tuner, &effort, 2000500, 18000000);
	copy = get(look(), "copy");
	expect(copy, "frame_us", 2001); /* rounded up */
	expect(copy, "frame_bytes", 2000500);
	rates = get(copy, "megabytes_per_second");
	assert_int_equal(cJSON_GetArrayItem(rates, 0)->valuedouble, 1000);
	assert_int_equal(cJSON_GetArrayItem(rates, 1)->valuedouble, 0);
	expect(copy, "changes", 0);
	expect(copy, "trials", 0);
	tuner_note(&world.tuner, &effort, 1000500, 18000000);
	expect(get(look(), "copy"), "frame_bytes", 1875500); /* a moving average */
}

/* A picture that is larger than a cache is stored past it. */
static void test_kernels(void **state)
{
	struct stream *stream = add_stream("main", (struct region){ 0 }, true);
	char plain[160], streaming[160];

	(void)state;
	copy_conversion_text(&stream->conversion, false, plain, sizeof(plain));
	copy_conversion_text(&stream->conversion, true, streaming, sizeof(streaming));
	expect_text(cJSON_GetArrayItem(get(look(), "streams"), 0), "kernels", plain);
	world.format.width = 2048;
	world.format.height = 1024;
	world.format.stride = 2112;
	expect_text(cJSON_GetArrayItem(get(look(), "streams"), 0), "kernels",
		    plain); /* its ring is as small as before */
	assert_int_equal(stream_fit(stream, &world.format, plain, sizeof(plain)), 1);
	expect_text(cJSON_GetArrayItem(get(look(), "streams"), 0), "kernels", streaming);
}

static void test_source_states(void **state)
{
	static const char *const names[] = { "paused", "live", "lost", "ended", "failed" };

	(void)state;
	world.view.format = NULL;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const cJSON *source;

		world.view.state = (enum capture_state)i;
		source = get(look(), "source");
		expect_text(source, "state", names[i]);
		expect_text(source, "format", "");
		expect(source, "width", 0);
		/* What was measured before says nothing while no frames come. */
		expect(source, "measured_frame_duration_us", i == CAPTURE_LIVE ? 17901 : 0);
		expect(source, "measured_frame_duration_ns", i == CAPTURE_LIVE ? 17900500 : 0);
	}
}

/* Three frames: one published, one unread, one lost before capture. */
static void publish_some(struct stream *stream)
{
	struct lumaring_descriptor d = {
		.width = 16, .height = 8, .stride = 64, .fourcc = LUMARING_FORMAT_R8, .bin = 1
	};
	uint64_t now_ns = clock_monotonic_ns();
	uint32_t slot;

	ring_begin(stream->ring, 1);
	ring_set_state(stream->ring, LUMARING_RING_LIVE);
	assert_int_equal(ring_take(stream->ring, 1, NULL, 0, &slot), 0);
	d.ready_ns = now_ns - 1500;
	ring_publish(stream->ring, slot, 1, &d);
	d.publish_ns = now_ns;
	stats_published(&stream->stats, now_ns - 999, now_ns - 7000, &d);
	ring_count_lost(stream->ring, LUMARING_LOST_UNREAD, 1);
	ring_count_lost(stream->ring, LUMARING_LOST_SENSOR, 3);
}

/* After publish_some(), until so many are published. */
static void publish_more(struct stream *stream, uint64_t published)
{
	struct lumaring_descriptor d = { .width = 16, .height = 8, .stride = 64 };
	uint32_t slot;

	for (uint64_t sequence = ring_published(stream->ring) + 1; sequence <= published; sequence++) {
		assert_int_equal(ring_take(stream->ring, sequence, NULL, 0, &slot), 0);
		ring_publish(stream->ring, slot, sequence, &d);
	}
}

static void test_stream(void **state)
{
	const cJSON *stream, *times;
	struct stream *part;
	char epoch[64];

	(void)state;
	part = add_stream("part", (struct region){ 40, 40, 16, 8 }, true);
	part->config.always = true;
	part->cursors_granted = 3;
	part->notices_dropped = 5;
	add_client(part, CLIENT_READING)->notices_dropped = 7;
	add_client(part, CLIENT_READING);
	add_client(NULL, CLIENT_GREETING)->notices_dropped = 11;
	publish_some(part);
	stream = cJSON_GetArrayItem(get(look(), "streams"), 0);
	expect_text(stream, "name", "part");
	assert_true(cJSON_IsFalse(get(stream, "private")));
	assert_true(cJSON_IsTrue(get(stream, "always")));
	expect_text(stream, "format", "R8");
	expect(stream, "bin", 1);
	assert_null(cJSON_GetObjectItemCaseSensitive(stream, "owner_pid"));
	expect_text(stream, "state", "live");
	snprintf(epoch, sizeof(epoch), "\"epoch\":\"%llu\"", (unsigned long long)ring_epoch(part->ring));
	expect_exactly(epoch);
	expect(stream, "slots", 6);
	expect(stream, "slot_bytes", ring_slot_bytes(part->ring));
	expect(stream, "bytes", ring_bytes(part->ring));
	expect(get(world.status, "bytes"), "rings", ring_bytes(part->ring));
	expect(stream, "width_max", 16);
	expect(stream, "height_max", 8);
	expect(stream, "generation", 1);
	expect(stream, "published", 1);
	expect(get(stream, "region"), "x", 40);
	expect(get(stream, "region"), "y", 40);
	expect(get(stream, "region"), "width", 16);
	expect(get(stream, "region"), "height", 8);
	expect(stream, "cursors_granted", 3);
	expect(stream, "cursors_max", 4);
	expect(stream, "clients", 2);
	expect(stream, "notices_dropped", 12);
	expect(stream, "bytes_copied", 128);
	times = get(stream, "copy_us");
	expect(times, "count", 1);
	expect(times, "p50", 1);
	expect(times, "max", 1);
	times = get(stream, "ready_to_published_us");
	expect(times, "sum", 2);
	expect(times, "p50", 2);
	expect(times, "p90", 2);
	expect(times, "p99", 2);
	expect(times, "max", 2);
	times = get(stream, "sensor_to_published_us");
	expect(times, "count", 1);
	expect(times, "p50", 7);
}

/* A ring that was replaced counts as long as it is there, a stream without a ring not at all. */
static void test_ring_bytes(void **state)
{
	struct stream *main_stream;
	char text[512] = "";

	(void)state;
	add_stream("without", (struct region){ 0 }, false);
	main_stream = add_stream("main", (struct region){ 0 }, true);
	world.format.width = 640;
	assert_int_equal(stream_fit(main_stream, &world.format, text, sizeof(text)), 1);
	assert_true(ring_bytes(main_stream->ring) > ring_bytes(main_stream->retired));
	expect(get(look(), "bytes"), "rings", ring_bytes(main_stream->ring) + ring_bytes(main_stream->retired));
	expect(cJSON_GetArrayItem(get(world.status, "streams"), 1), "bytes", ring_bytes(main_stream->ring));
}

/* The library's names and no other, each with its number. */
static void test_losses(void **state)
{
	struct stream *main_stream;
	const cJSON *lost;
	int known = 0;

	(void)state;
	main_stream = add_stream("main", (struct region){ 0 }, true);
	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++)
		ring_count_lost(main_stream->ring, (enum lumaring_lost)cause, 100 + cause);
	lost = get(cJSON_GetArrayItem(get(look(), "streams"), 0), "lost");
	for (unsigned cause = 0; cause < LUMARING_LOST_CAUSES; cause++) {
		const char *name = lumaring_missed_name(cause);

		if (!name)
			continue;
		expect(lost, name, 100 + cause);
		known++;
	}
	assert_int_equal(cJSON_GetArraySize(lost), known);
}

/* A private stream shows the region its owner wants, as far as it can have it. */
static void test_private_region(void **state)
{
	struct stream *private;
	const cJSON *stream;

	(void)state;
	private = add_stream("private-1", (struct region){ 0, 0, 16, 16 }, true);
	private->owner = add_client(private, CLIENT_READING);
	private->owner->notices_dropped = 3;
	private->owner->page->region = lumaring_region_word(60, 5, 40, 10);
	stream = cJSON_GetArrayItem(get(look(), "streams"), 0);
	assert_true(cJSON_IsTrue(get(stream, "private")));
	expect(stream, "owner_pid", (uint64_t) private->owner->pid);
	expect(stream, "clients", 1);
	expect(stream, "notices_dropped", 3);
	expect(get(stream, "region"), "x", 48);
	expect(get(stream, "region"), "y", 5);
	expect(get(stream, "region"), "width", 16);
	expect(get(stream, "region"), "height", 10);
}

static void test_stream_states(void **state)
{
	static const char *const names[] = { "paused", "live", "source_lost", "replaced", "closed" };
	struct stream *with, *without;

	(void)state;
	without = add_stream("without", (struct region){ 0 }, false);
	with = add_stream("with", (struct region){ 0 }, true);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ring_set_state(with->ring, (enum lumaring_ring_state)i);
		expect_text(cJSON_GetArrayItem(get(look(), "streams"), 1), "state", names[i]);
	}
	assert_null(without->ring);
	expect_text(cJSON_GetArrayItem(get(look(), "streams"), 0), "state", "waiting");
	expect_text(cJSON_GetArrayItem(get(look(), "streams"), 0), "epoch", "0");
}

/* What a client says of itself is shown as it is, whatever it is. */
static void test_client(void **state)
{
	struct stream *main_stream;
	struct client *client;
	const cJSON *shown;

	(void)state;
	main_stream = add_stream("main", (struct region){ 0 }, true);
	client = add_client(main_stream, CLIENT_READING);
	client->cursors = 2;
	client->notices_dropped = 6;
	client->page->account = (struct lumaring_account){ UINT64_MAX, (UINT64_C(1) << 53) + 1, 3, 1, { 0 } };
	publish_some(main_stream);
	publish_more(main_stream, 9);
	shown = cJSON_GetArrayItem(get(look(), "clients"), 0);
	expect(shown, "connection", 1);
	expect(shown, "pid", 100);
	expect(shown, "uid", 1000);
	expect_text(shown, "stream", "main");
	expect_text(shown, "state", "reading");
	expect_text(shown, "manner", "notice");
	client->by_futex = true;
	expect_text(cJSON_GetArrayItem(get(look(), "clients"), 0), "manner", "futex");
	shown = cJSON_GetArrayItem(get(world.status, "clients"), 0);
	expect(shown, "cursors", 2);
	expect_exactly("\"seen\":18446744073709551615,\"missed\":9007199254740993,");
	expect(shown, "copied", 3);
	expect(shown, "lag", 8);
	expect(shown, "notices_dropped", 6);
	/* More taken than there is: not behind. */
	client->page->account.publication = UINT64_MAX;
	expect(cJSON_GetArrayItem(get(look(), "clients"), 0), "lag", 0);
}

/* Before it takes a frame a client is behind by what was published since its WELCOME, and by nothing before that. */
static void test_lag_before_the_first_frame(void **state)
{
	static const struct {
		enum client_state state;
		uint64_t published, publication, lag;
	} cases[] = {
		{ CLIENT_READING, 0, 0, 9 }, { CLIENT_READING, 3, 0, 6 },   { CLIENT_READING, 9, 0, 0 },
		{ CLIENT_READING, 3, 8, 1 }, { CLIENT_ATTACHING, 0, 0, 0 }, { CLIENT_LEAVING, 0, 0, 0 },
		{ CLIENT_LEAVING, 3, 0, 0 },
	};
	struct stream *main_stream;
	struct client *client;

	(void)state;
	main_stream = add_stream("main", (struct region){ 0 }, true);
	client = add_client(main_stream, CLIENT_READING);
	publish_some(main_stream);
	publish_more(main_stream, 9);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client->state = cases[i].state;
		client->published = cases[i].published;
		client->page->account.publication = cases[i].publication;
		expect(cJSON_GetArrayItem(get(look(), "clients"), 0), "lag", cases[i].lag);
	}
}

static void test_client_states(void **state)
{
	static const char *const names[] = { "greeting", "attaching", "reading", "leaving", "refused" };
	static const enum client_state states[] = { CLIENT_GREETING, CLIENT_ATTACHING, CLIENT_READING, CLIENT_LEAVING,
						    CLIENT_GREETING };
	struct stream *main_stream;

	(void)state;
	main_stream = add_stream("main", (struct region){ 0 }, true);
	for (unsigned i = 0; i < 5; i++) {
		struct client *client = add_client(i == 1 || i == 2 ? main_stream : NULL, states[i]);

		client->refused = i == 4;
		client->cursors = 2; /* wanted, as long as no plan names it */
		client->plan = i == 2;
	}
	add_client(NULL, CLIENT_REPORTING); /* who asks is no client, but is connected */
	assert_int_equal(cJSON_GetArraySize(get(look(), "clients")), 5);
	for (int i = 0; i < 5; i++) {
		expect_text(cJSON_GetArrayItem(get(world.status, "clients"), i), "state", names[i]);
		expect(cJSON_GetArrayItem(get(world.status, "clients"), i), "cursors", i == 2 ? 2 : 0);
	}
	expect(get(world.status, "limits"), "connections", 6);
}

static void check_listed(unsigned clients, unsigned streams)
{
	while (world.client_count < clients)
		add_client(NULL, CLIENT_GREETING);
	while (world.stream_count < streams)
		add_stream("private", (struct region){ 0 }, false)->owner = &world.clients[0];
	look();
	assert_int_equal(cJSON_GetArraySize(get(world.status, "clients")),
			 clients < LIMIT_STATUS_LISTED ? clients : LIMIT_STATUS_LISTED);
	expect(world.status, "clients_omitted", clients < LIMIT_STATUS_LISTED ? 0 : clients - LIMIT_STATUS_LISTED);
	/* One of the streams is shared: those are listed in any case. */
	assert_int_equal(cJSON_GetArraySize(get(world.status, "streams")),
			 streams < LIMIT_STATUS_LISTED + 1 ? streams : LIMIT_STATUS_LISTED + 1);
	expect(world.status, "streams_omitted",
	       streams < LIMIT_STATUS_LISTED + 1 ? 0 : streams - LIMIT_STATUS_LISTED - 1);
}

static void test_limit_of_what_is_listed(void **state)
{
	(void)state;
	add_stream("main", (struct region){ 0 }, false);
	check_listed(LIMIT_STATUS_LISTED, LIMIT_STATUS_LISTED + 1);
	check_listed(LIMIT_STATUS_LISTED + 1, LIMIT_STATUS_LISTED + 2);
	print_message("figure: a status with all that it lists at most has %zu bytes\n", world.bytes);
	assert_true(world.bytes < UINT32_C(4) << 20);
}

/* What the main thread spends on 512 clients of two streams. */
static void test_time(void **state)
{
	uint64_t began_ns;

	(void)state;
	add_stream("main", (struct region){ 0 }, true);
	add_stream("ball", (struct region){ 8, 8, 16, 16 }, true);
	for (unsigned i = 0; i < 512; i++)
		add_client(world.streams[i % 2], CLIENT_READING)->page->account =
			(struct lumaring_account){ 123456, 17, 0, 123450, { 0 } };
	look();
	began_ns = clock_monotonic_ns();
	for (unsigned i = 0; i < 100; i++) {
		struct json json = { 0 };

		status_write(&json, NULL, &world.view);
		free(json_take(&json, &world.bytes));
	}
	print_message("figure: a status with 512 clients has %zu bytes and takes %llu us\n", world.bytes,
		      (unsigned long long)((clock_monotonic_ns() - began_ns) / 100 / NS_PER_US));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_daemon_and_source),
		TEST(test_device),
		TEST(test_copying),
		TEST(test_kernels),
		TEST(test_source_states),
		TEST(test_stream),
		TEST(test_ring_bytes),
		TEST(test_losses),
		TEST(test_private_region),
		TEST(test_stream_states),
		TEST(test_client),
		TEST(test_lag_before_the_first_frame),
		TEST(test_client_states),
		TEST(test_limit_of_what_is_listed),
		TEST(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
