/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_announce.c - daemon/announce: when a daemon is ready, the line of `systemctl status` in each state, and which
 * messages the service manager gets of it, on a socket that is played.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "announce.h"
#include "base/clock.h"
#include "service.h"

#define CLIENTS 3u

static struct {
	int fd;
	char path[64];
} manager;

static struct {
	struct config config;
	struct source_format format;
	struct camera_stats stats;
	struct source_report device;
	struct status_view status;
	struct announce_view view;
	struct announce announce;
	struct client clients[CLIENTS];
	struct stream *streams[2];
	char message[1024];
} world;

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.config.camera, sizeof(world.config.camera), "announce-%d", (int)getpid());
	strcpy(world.config.source, "replay");
	world.format = (struct source_format){ .width = 64, .height = 48, .stride = 128, .frame_duration_us = 20000 };
	world.format.pixels = PIXELS_R8;
	world.status = (struct status_view){ .config = &world.config,
					     .format = &world.format,
					     .device = &world.device,
					     .stats = &world.stats,
					     .clients = world.clients };
	for (unsigned i = 0; i + 1 < CLIENTS; i++)
		world.clients[i].next = &world.clients[i + 1];
	world.view.status = &world.status;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		stream_destroy(world.streams[i]);
	return 0;
}

static void expect_line(const char *expected)
{
	char line[ANNOUNCE_LINE_BYTES];

	announce_line(&world.view, false, line, sizeof(line));
	assert_string_equal(line, expected);
}

static struct stream *add_stream(const char *name)
{
	struct stream_config config = { .slot_count = 4 };
	struct stream *stream;
	char text[512];

	snprintf(config.name, sizeof(config.name), "%s", name);
	stream = stream_create(&config, world.config.camera, (gid_t)-1, 0);
	assert_non_null(stream);
	if (stream_fit(stream, &world.format, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	ring_begin(stream->ring, 1);
	world.streams[world.streams[0] != NULL] = stream;
	if (world.streams[1])
		world.streams[0]->next = stream;
	world.status.streams = world.streams[0];
	return stream;
}

static void publish(struct stream *stream, uint64_t sequence)
{
	struct lumaring_descriptor d = {
		.width = 64, .height = 48, .stride = 64, .fourcc = LUMARING_FORMAT_R8, .bin = 1
	};
	uint32_t slot;

	assert_int_equal(ring_take(stream->ring, sequence, NULL, 0, &slot), 0);
	ring_publish(stream->ring, slot, sequence, &d);
}

/* --- the line --- */

static void test_not_yet(void **state)
{
	(void)state;
	assert_false(announce_is_ready(&world.view));
	expect_line("starting: no frame has come yet");
}

static void test_live(void **state)
{
	struct stream *main, *ball;
	char line[ANNOUNCE_LINE_BYTES];

	(void)state;
	world.view.told = true;
	world.status.state = CAPTURE_LIVE;
	assert_true(announce_is_ready(&world.view));
	expect_line("64x48 at 50.0 frames/s, 0 clients, 0 of 0 frames lost");
	world.stats.frame_duration_ns = 17857143;
	world.clients[1].state = CLIENT_READING;
	expect_line("64x48 at 56.0 frames/s, 1 client, 0 of 0 frames lost");
	world.clients[2].state = CLIENT_READING;
	main = add_stream("main");
	ball = add_stream("ball");
	publish(main, 1);
	publish(main, 2);
	publish(ball, 1);
	ring_count_lost(ball->ring, LUMARING_LOST_UNREAD, 7); /* nobody wanted them */
	ring_count_lost(ball->ring, LUMARING_LOST_COPY_LATE, 2);
	ring_count_lost(main->ring, LUMARING_LOST_SENSOR, 1);
	expect_line("64x48 at 56.0 frames/s, 2 clients, 3 of 6 frames lost (copy late 2, sensor 1)");
	announce_line(&world.view, true, line, sizeof(line));
	assert_string_equal(line, "64x48 at a rate, 2 clients, 3 frames lost (copy late 2, sensor 1)");
	ball->owner = &world.clients[1]; /* private ones come and go */
	expect_line("64x48 at 56.0 frames/s, 2 clients, 1 of 3 frames lost (sensor 1)");
	ball->owner = NULL;
}

static void test_waiting_for_clients(void **state)
{
	(void)state;
	world.view.wait_clients = 2;
	world.clients[0].state = CLIENT_READING;
	assert_true(announce_is_ready(&world.view));
	expect_line("waiting for clients before the source replay starts: 1 of 2 are there");
	world.view.told = true;
	world.status.state = CAPTURE_LOST; /* and what shall start then is gone, too */
	strcpy(world.device.state_reason, "it was unplugged");
	expect_line("no camera: it was unplugged; 1 client waiting");
	world.device.state_reason[0] = '\0';
	expect_line("waiting for clients before the source replay starts: 1 of 2 are there");
}

static void test_paused(void **state)
{
	(void)state;
	world.view.told = true;
	assert_true(announce_is_ready(&world.view));
	expect_line("source replay paused: nothing comes for now; 0 clients waiting");
	world.view.quiet_ns = 2500000000;
	world.clients[0].state = CLIENT_READING;
	expect_line("source replay paused: no frame came for 2.5 s; 1 client waiting");
}

static void test_no_camera(void **state)
{
	(void)state;
	world.view.told = true;
	world.status.state = CAPTURE_LOST;
	assert_true(announce_is_ready(&world.view));
	strcpy(world.device.state, "absent");
	strcpy(world.device.state_reason, "libcamera finds no camera");
	world.device.retry_ms = 2000;
	expect_line("no camera: libcamera finds no camera, looking for it every 2 s; 0 clients waiting");
	strcpy(world.device.state, "stuck");
	strcpy(world.device.state_reason, "no frame came for 1000 ms");
	expect_line("the camera hangs: no frame came for 1000 ms, its capture was started anew; 0 clients waiting");
	strcpy(world.device.state, "running");
	world.device.state_reason[0] = '\0';
	expect_line("the camera is there, no frame of it has come yet; 0 clients waiting");
}

static void test_ended(void **state)
{
	(void)state;
	world.view.told = true;
	world.status.state = CAPTURE_ENDED;
	assert_true(announce_is_ready(&world.view));
	expect_line("source replay ended: the footage is over; 0 clients waiting");
}

/* Whatever it is, it stays a line, and its memory. */
static void test_too_long(void **state)
{
	char line[24 + 1];

	(void)state;
	line[24] = '!';
	world.view.told = true;
	world.status.state = CAPTURE_LOST;
	memset(world.device.state_reason, 'x', sizeof(world.device.state_reason) - 1);
	announce_line(&world.view, false, line, 24);
	assert_string_equal(line, "no camera: xxxxxxxxxxxx");
	assert_int_equal(line[24], '!');
}

/* --- messages --- */

static int listen_as_manager(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	strcpy(manager.path, "/tmp/lumaring-announce-XXXXXX");
	if (!mkdtemp(manager.path))
		return -1;
	strcat(manager.path, "/notify");
	strcpy(address.sun_path, manager.path);
	manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setenv("NOTIFY_SOCKET", manager.path, 1);
	return bind(manager.fd, (struct sockaddr *)&address, sizeof(address));
}

static int stop_listening(void **state)
{
	(void)state;
	close(manager.fd);
	unlink(manager.path);
	*strrchr(manager.path, '/') = '\0';
	return rmdir(manager.path);
}

/* The next one, "": none. What is sent to a datagram socket is there. */
static const char *next_message(void)
{
	ssize_t n = recv(manager.fd, world.message, sizeof(world.message) - 1, 0);

	assert_true(n >= 0 || errno == EAGAIN);
	world.message[n > 0 ? n : 0] = '\0';
	return world.message;
}

static void expect_message(const char *message)
{
	assert_string_equal(next_message(), message);
}

static void tell(void)
{
	announce_tell(&world.announce, &world.view);
}

/* The one program's life: it starts, is ready once, and tells what is new. */
static void test_messages(void **state)
{
	(void)state;
	assert_true(service_is_managed());
	tell();
	expect_message("STATUS=starting: no frame has come yet");
	expect_message("");
	service_reloading(); /* that early its end would count as ready */
	service_reloaded();
	expect_message("");
	/* Only what moves is waited for. */
	for (unsigned i = 0; i < 3; i++)
		tell();
	expect_message("");
	world.device.looks = 1;
	tell();
	expect_message("EXTEND_TIMEOUT_USEC=15000000");
	tell();
	expect_message("");
	world.device.looks = 2;
	world.device.hung = true;
	tell();
	expect_message("");
	world.device.hung = false;

	world.view.told = true;
	world.status.state = CAPTURE_LIVE;
	tell();
	expect_message("STATUS=64x48 at 50.0 frames/s, 0 clients, 0 of 0 frames lost\nREADY=1");
	expect_message("");
	world.device.looks = 3; /* started it has */
	tell();
	expect_message("");
	service_reloading();
	assert_ptr_equal(strstr(next_message(), "RELOADING=1\nMONOTONIC_USEC="), world.message);
	service_reloaded();
	expect_message("READY=1");

	/* That frames go on is told now and then, all else at once; and nothing twice. */
	add_stream("main");
	publish(world.streams[0], 1);
	tell();
	expect_message("");
	world.announce.told_ns -= ANNOUNCE_COUNTS_NS;
	tell();
	expect_message("STATUS=64x48 at 50.0 frames/s, 0 clients, 0 of 1 frames lost");
	world.announce.told_ns -= ANNOUNCE_COUNTS_NS;
	tell();
	expect_message("");
	ring_count_lost(world.streams[0]->ring, LUMARING_LOST_COPY_LATE, 1);
	tell();
	expect_message("STATUS=64x48 at 50.0 frames/s, 0 clients, 1 of 2 frames lost (copy late 1)");
	world.stats.frame_duration_ns = NS_PER_SECOND / 40; /* nor is it news that frames come at their own pace */
	tell();
	expect_message("");
	world.stats.frame_duration_ns = 0;
	world.status.state = CAPTURE_LOST;
	strcpy(world.device.state_reason, "two\nREADY=1 lines");
	tell();
	expect_message("STATUS=no camera: two READY=1 lines; 0 clients waiting");
	world.status.state = CAPTURE_LIVE;
	tell();
	expect_message("STATUS=64x48 at 50.0 frames/s, 0 clients, 1 of 2 frames lost (copy late 1)");
	service_stopping();
	service_stopping();
	expect_message("STOPPING=1");
	expect_message("");
}

/* Nobody is told, and nothing else is otherwise. */
static void test_without_a_manager(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_false(service_is_managed());
	service_ready("nobody hears it");
	service_status("nor this");
	service_reloading();
	service_reloaded();
	service_pet();
	setenv("NOTIFY_SOCKET", "", 1);
	assert_false(service_is_managed());
	setenv("NOTIFY_SOCKET", manager.path, 1);
	assert_true(service_is_managed());
	expect_message("");
}

static void test_watchdog(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(service_watchdog_ns(), 0);
	setenv("WATCHDOG_USEC", "1500000", 1);
	snprintf(pid, sizeof(pid), "%d", (int)getpid() + 1);
	setenv("WATCHDOG_PID", pid, 1); /* another process is meant */
	assert_int_equal(service_watchdog_ns(), 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(service_watchdog_ns(), 1500 * NS_PER_MS);
	service_pet();
	expect_message("WATCHDOG=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_not_yet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_live, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waiting_for_clients, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_paused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_camera, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_a_manager, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watchdog, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("announce", tests, listen_as_manager, stop_listening);
}
