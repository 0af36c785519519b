/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_commands.c - daemon/commands: what Watch tells, and keeps to itself while there is no room; the numbers of
 * GetMetrics. The calls of the control socket are made by hand here, streams and rings are the real ones, and nothing
 * runs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "commands_private.h"

#define TEXTS_MAX 32u

/* --- the control socket, by hand --- */

struct control_call {
	struct json json;
	void *data;
	void (*gone)(struct control_call *call), (*room)(struct control_call *call);
	unsigned room_left; /* answers that still fit */
	bool over;          /* the last answer was sent */
	bool failed;
	char *texts[TEXTS_MAX]; /* sent */
	unsigned text_count;
};

struct json *control_reply(struct control_call *call)
{
	free(call->json.text);
	call->json = (struct json){ 0 };
	json_object(&call->json, NULL);
	return &call->json;
}

struct json *control_error(struct control_call *call, const char *name)
{
	struct json *json = control_reply(call);

	call->failed = true;
	json_string(json, "error", name);
	return json;
}

bool control_send(struct control_call *call, bool continues)
{
	size_t bytes;

	assert_false(call->over);
	if (continues && !call->room_left)
		return false;
	call->room_left -= continues;
	call->over = !continues;
	while (call->json.depth)
		json_close(&call->json);
	assert_true(call->text_count < TEXTS_MAX);
	call->texts[call->text_count++] = json_take(&call->json, &bytes);
	return true;
}

void control_keep(struct control_call *call, void *data, void (*gone)(struct control_call *call),
		  void (*room)(struct control_call *call))
{
	call->data = data;
	call->gone = gone;
	call->room = room;
}

void *control_data(const struct control_call *call)
{
	return call->data;
}

void control_fail_range(struct control_call *call, const char *field, int64_t minimum, int64_t maximum, int64_t given)
{
	(void)minimum, (void)maximum, (void)given;
	json_string(control_error(call, "OutOfRange"), "field", field);
	control_send(call, false);
}

void control_fail_field(struct control_call *call, const char *field, const char *format, ...)
{
	(void)format;
	json_string(control_error(call, "InvalidField"), "field", field);
	control_send(call, false);
}

/* --- the camera around it --- */

static struct {
	struct config config;
	struct loop *loop;
	struct attach attach;
	struct configure configure;
	struct commands commands;
	struct camera_stats stats;
	struct tuner tuner;
	struct control_stats control;
	enum capture_state state;
	char directory[64];
	struct control_call call;
} world;

static void on_status(void *owner, struct status_view *ret_view)
{
	(void)owner;
	*ret_view = (struct status_view){
		.config = &world.config,
		.settings = &world.configure.current,
		.started_ns = 1,
		.state = world.state,
		.stats = &world.stats,
		.tuner = &world.tuner,
		.streams = world.attach.streams,
		.clients = publish_clients(world.attach.publish),
		.control = &world.control,
	};
}

static void get_controls(const struct source *source, struct source_controls *ret_controls)
{
	(void)source;
	*ret_controls = (struct source_controls){ .given = SOURCE_BIT(SOURCE_EXPOSURE_US), .values = { 700 } };
}

static const struct source_identity cameras[] = { { "/base/a", "imx708", "back" }, { "/base/b", "", "" } };
static unsigned camera_count;

static void get_capabilities(const struct source *source, struct source_capabilities *ret_capabilities)
{
	(void)source;
	strcpy(ret_capabilities->id, "/base/b");
	strcpy(ret_capabilities->model, "ov9281");
}

static unsigned get_cameras(const struct source *source, struct source_identity *ret_cameras, unsigned max)
{
	(void)source;
	assert_true(max >= camera_count);
	memcpy(ret_cameras, cameras, camera_count * sizeof(cameras[0]));
	return camera_count;
}

static const struct source_operations operations = {
	.name = "fake", .controls = get_controls, .capabilities = get_capabilities, .cameras = get_cameras
};
static struct source source = { .operations = &operations };

static void be_quiet(const struct log_entry *entry)
{
	(void)entry;
}

static void listen_for_clients(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(world.directory, sizeof(world.directory), "/tmp/lumaring-commands.XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/frames", world.directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(attach_listen(&world.attach, fd), 0);
}

static int set_up(void **state)
{
	static const struct source_format format = { .width = 64, .height = 48, .stride = 64 };
	struct attach_handler handler = { .owner = NULL };
	char text[512] = "";

	(void)state;
	log_set_sink(be_quiet);
	memset(&world, 0, sizeof(world));
	config_init(&world.config);
	snprintf(world.config.camera, sizeof(world.config.camera), "commands-%d", (int)getpid());
	world.config.streams[0] = (struct stream_config){ .name = "main" };
	world.config.streams[1] = (struct stream_config){ .name = "part" };
	world.config.stream_count = 2;
	assert_int_equal(loop_create(LOOP_EPOLL, &world.loop, text, sizeof(text)), 0);
	assert_int_equal(attach_init(&world.attach, &world.config, world.loop, &handler), 0);
	listen_for_clients();
	tuner_init(&world.tuner, 1, 1, 25);
	for (struct stream *s = world.attach.streams; s; s = s->next)
		assert_int_equal(stream_fit(s, &format, text, sizeof(text)), 1);
	world.configure.current.source.width = 64;
	world.configure.current.source.height = 48;
	world.commands.view = (struct commands_view){
		.loop = world.loop,
		.config = &world.config,
		.configure = &world.configure,
		.source = &source,
		.attach = &world.attach,
		.status = on_status,
	};
	commands_watch_init(&world.commands);
	return 0;
}

static void forget_texts(void)
{
	while (world.call.text_count)
		free(world.call.texts[--world.call.text_count]);
}

static int tear_down(void **state)
{
	char path[96];

	(void)state;
	forget_texts();
	free(world.call.json.text);
	loop_destroy(world.loop);
	commands_watch_finish(&world.commands);
	attach_finish(&world.attach);
	snprintf(path, sizeof(path), "%s/frames", world.directory);
	unlink(path);
	rmdir(world.directory);
	return 0;
}

static bool says(unsigned at, const char *text)
{
	return at < world.call.text_count && strstr(world.call.texts[at], text);
}

/* --- Watch --- */

static const struct json_node nothing = { .kind = JSON_OBJECT };

/* With the shortest interval. */
static void watch(unsigned room)
{
	static const char text[] = "{\"interval_us\": 100000}";
	const struct json_bounds bounds = { .bytes_max = 100, .depth_max = 2, .values_max = 4 };
	struct json_fault fault;
	struct json_tree *tree;

	world.call.room_left = room;
	assert_int_equal(json_tree_parse(text, sizeof(text) - 1, &bounds, &tree, &fault), 0);
	commands_watch(&world.commands, &world.call, json_tree_root(tree));
	json_tree_destroy(tree);
}

static void make_room(unsigned room)
{
	world.call.room_left = room;
	world.call.room(&world.call);
}

/* Until its interval is over. */
static void tick(void)
{
	uint64_t rung_ns = world.commands.tick_ns;

	while (world.commands.tick_ns == rung_ns)
		loop_turn(world.loop, -1);
}

static struct stream *stream_of(const char *name)
{
	return attach_find(&world.attach, name);
}

/* So many replies in all. */
static void wait_for(unsigned texts)
{
	while (world.call.text_count < texts)
		loop_turn(world.loop, -1);
	assert_int_equal(world.call.text_count, texts);
}

static void test_state_first(void **state)
{
	(void)state;
	world.state = CAPTURE_LIVE;
	watch(100);
	assert_int_equal(world.call.text_count, 1);
	assert_true(says(0, "\"state\":\"live\""));
	commands_changed(&world.commands, WATCH_CONFIGURATION);
	commands_changed(&world.commands, WATCH_CONTROLS);
	wait_for(3);
	assert_true(says(1, "\"configuration\":{\"size\":{\"width\":64"));
	assert_true(says(2, "\"exposure_us\":700"));
}

/* However often it changes while there is no room, what is told is how it is then, once of each kind. */
static void test_coalesced(void **state)
{
	(void)state;
	watch(1);
	for (unsigned n = 0; n < 1000; n++) {
		world.state = n % 2 ? CAPTURE_LIVE : CAPTURE_PAUSED;
		world.configure.current.source.width = n;
		commands_changed(&world.commands, WATCH_CONFIGURATION);
		commands_changed(&world.commands, WATCH_STATE);
	}
	assert_int_equal(world.call.text_count, 1);
	make_room(1);
	assert_int_equal(world.call.text_count, 2);
	assert_true(says(1, "\"state\":\"live\""));
	make_room(5);
	assert_int_equal(world.call.text_count, 3);
	assert_true(says(2, "\"width\":999"));
	make_room(5);
	assert_int_equal(world.call.text_count, 3);
}

/* With room for all: the first change is told at once, and those that follow it closely once, as it is then. */
static void test_spacing(void **state)
{
	uint64_t began_ns = clock_monotonic_ns();

	(void)state;
	watch(100);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned n = 0; n < 1000; n++) {
			world.configure.current.source.width = 1000 * round + n;
			commands_changed(&world.commands, WATCH_CONFIGURATION);
		}
		assert_int_equal(world.call.text_count, 1 + round);
		wait_for(2 + round);
	}
	assert_true(says(3, "\"width\":2999"));
	assert_true(clock_monotonic_ns() - began_ns >= 3 * 50 * NS_PER_MS);
	began_ns = clock_monotonic_ns();
	while (clock_monotonic_ns() < began_ns + 50 * NS_PER_MS)
		loop_turn(world.loop, 1);
	commands_changed(&world.commands, WATCH_CONFIGURATION);
	assert_int_equal(world.call.text_count, 5);
}

/* Sums since the last time that were told, whatever there was no room for. */
static void test_losses(void **state)
{
	struct stream *main = stream_of("main"), *part = stream_of("part");

	(void)state;
	ring_count_lost(main->ring, LUMARING_LOST_UNREAD, 7); /* before anybody watched */
	watch(1);
	ring_count_lost(main->ring, LUMARING_LOST_UNREAD, 3);
	ring_count_lost(part->ring, LUMARING_LOST_SENSOR, 2);
	tick(); /* no room */
	ring_count_lost(main->ring, LUMARING_LOST_UNREAD, 1);
	assert_int_equal(world.call.text_count, 1);
	make_room(1);
	assert_int_equal(world.call.text_count, 2);
	assert_true(says(1, "\"stream\":\"main\",\"lost\":{\"unread\":4}"));
	make_room(5);
	assert_int_equal(world.call.text_count, 3);
	assert_true(says(2, "\"stream\":\"part\",\"lost\":{\"sensor\":2}"));
	tick(); /* nothing more was lost */
	assert_int_equal(world.call.text_count, 3);
}

/* A stream that comes while others watch begins with what it has lost by then. */
static void test_losses_of_new_streams(void **state)
{
	struct stream *part = stream_of("part");

	(void)state;
	part->removed = true;
	watch(100);
	ring_count_lost(part->ring, LUMARING_LOST_UNREAD, 5);
	tick();
	part->removed = false;
	tick();
	assert_int_equal(world.call.text_count, 1);
	ring_count_lost(part->ring, LUMARING_LOST_UNREAD, 1);
	tick();
	assert_true(says(1, "\"stream\":\"part\",\"lost\":{\"unread\":1}"));
}

static void test_gone(void **state)
{
	(void)state;
	watch(100);
	world.call.gone(&world.call);
	assert_null(world.commands.watches);
	commands_changed(&world.commands, WATCH_STATE);
	commands_changed(NULL, WATCH_STATE);
	assert_int_equal(world.call.text_count, 1);
}

/* --- GetMetrics --- */

static void test_metrics(void **state)
{
	(void)state;
	ring_count_lost(stream_of("main")->ring, LUMARING_LOST_NO_SLOT, 9);
	stream_of("part")->notices_dropped = 4;
	stats_captured(&world.stats, 12, 1000);
	world.state = CAPTURE_LIVE;
	world.control.requests = 77;
	commands_get_metrics(&world.commands, &world.call, &nothing);
	assert_true(world.call.over && !world.call.failed);
	assert_true(says(0, "{\"name\":\"frames_captured_total\",\"kind\":\"counter\",\"labels\":{},\"value\":12}"));
	assert_true(says(0, "{\"name\":\"source_live\",\"kind\":\"gauge\",\"labels\":{},\"value\":1}"));
	assert_true(says(0, "{\"name\":\"control_requests_total\",\"kind\":\"counter\",\"labels\":{},\"value\":77}"));
	assert_true(says(
		0, "{\"name\":\"frames_lost_total\",\"kind\":\"counter\",\"labels\":{\"stream\":\"main\",\"cause\":"
		   "\"no_slot\"},\"value\":9}"));
	assert_true(says(0, "{\"name\":\"notices_dropped_total\",\"kind\":\"counter\",\"labels\":{\"stream\":\"part\"},"
			    "\"value\":4}"));
	assert_true(says(0, "{\"name\":\"cpu_us_total\",\"kind\":\"counter\","));
	assert_true(says(
		0,
		"{\"name\":\"sensor_to_published_us\",\"kind\":\"gauge\",\"labels\":{\"stream\":\"main\",\"quantile\":"
		"\"0.5\"},\"value\":0}"));
	assert_true(says(0, "{\"name\":\"copy_us\",\"kind\":\"gauge\",\"labels\":{\"stream\":\"main\",\"quantile\":"
			    "\"0.99\"},\"value\":0}"));
}

/* A stream that was removed is none any more, though a client may still hold it. */
static void test_metrics_of_removed(void **state)
{
	(void)state;
	stream_of("part")->removed = true;
	commands_get_metrics(&world.commands, &world.call, &nothing);
	assert_true(says(0, "\"stream\":\"main\""));
	assert_false(says(0, "\"stream\":\"part\""));
}

/* All that there are, and which of them is this daemon's; a source that knows of none is one itself. */
static void test_cameras(void **state)
{
	(void)state;
	camera_count = 2;
	commands_get_capabilities(&world.commands, &world.call, &nothing);
	assert_true(says(0, "{\"cameras\":[{\"id\":\"/base/a\",\"model\":\"imx708\",\"location\":\"back\","
			    "\"served\":false},{\"id\":\"/base/b\",\"served\":true}],"));
	camera_count = 0;
	world.call.over = false;
	commands_get_capabilities(&world.commands, &world.call, &nothing);
	assert_true(says(1, "{\"cameras\":[{\"id\":\"/base/b\",\"model\":\"ov9281\",\"served\":true}],"));
	/* Its camera is not there. */
	camera_count = 1;
	world.call.over = false;
	commands_get_capabilities(&world.commands, &world.call, &nothing);
	assert_true(says(2, "\"location\":\"back\",\"served\":false}],"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_state_first),
		TEST(test_coalesced),
		TEST(test_spacing),
		TEST(test_losses),
		TEST(test_losses_of_new_streams),
		TEST(test_gone),
		TEST(test_metrics),
		TEST(test_metrics_of_removed),
		TEST(test_cameras),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
