/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_status_streams.c - daemon/status: every number of streams and clients stands under its key, and what is listed of
 * them has its limit.
 */
#include "status_probe.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stream),
		TEST(test_ring_bytes),
		TEST(test_losses),
		TEST(test_private_region),
		TEST(test_stream_states),
		TEST(test_client),
		TEST(test_lag_before_the_first_frame),
		TEST(test_client_states),
		TEST(test_limit_of_what_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
