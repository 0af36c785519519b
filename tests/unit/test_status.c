/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_status.c - daemon/status: every number of a daemon that is made by hand stands under its key; and the text takes
 * no time worth mentioning. Streams and clients are in test_status_streams.c.
 */
#include "status_probe.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_daemon_and_source),
		TEST(test_device),
		TEST(test_copying),
		TEST(test_kernels),
		TEST(test_source_states),
		TEST(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
