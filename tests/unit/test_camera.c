/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_camera.c - daemon/camera with a camera that is not there at first, comes back as another, or is none, played by
 * a script, in front of real clients. The daemon's main loop runs in a thread of its own.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <lumaring/control.h>

#include "base/log.h"
#include "camera.h"
#include "script_source.h"

#define TIMEOUT_MS SCRIPT_HANG_MS

static struct {
	char directory[64], path[96], log[16384];
	pthread_mutex_t log_lock;
	struct config config;
	struct loop *loop;
	struct loop_op stop;
	struct camera *camera;
	pthread_t thread;
	int notify_fd;
	bool there;          /* atomic: the camera, so that it can say what it makes of settings */
	bool given_up, hung; /* atomic: what becomes of it */
} world = { .log_lock = PTHREAD_MUTEX_INITIALIZER };

/* --- the source --- */

static int check(const struct source *source, const struct source_settings *wanted,
		 struct source_settings *ret_settings, struct source_fault *ret_fault)
{
	(void)source;
	(void)ret_fault;
	*ret_settings = *wanted;
	if (__atomic_load_n(&world.there, __ATOMIC_SEQ_CST) && !wanted->frame_duration_max_ns) {
		ret_settings->frame_duration_min_ns = 10000000;
		ret_settings->frame_duration_max_ns = 40000000;
	}
	return 0;
}

static void report(const struct source *source, struct source_report *ret_report)
{
	(void)source;
	strcpy(ret_report->library, "script 1");
	ret_report->given_up = __atomic_load_n(&world.given_up, __ATOMIC_SEQ_CST);
	ret_report->hung = __atomic_load_n(&world.hung, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&world.there, __ATOMIC_SEQ_CST))
		strcpy(ret_report->state_reason, "no camera is there");
}

static void capabilities(const struct source *source, struct source_capabilities *ret_capabilities)
{
	(void)source;
	strcpy(ret_capabilities->id, "script");
}

static const struct source_operations operations = { SCRIPT_OPERATIONS, .check = check, .report = report,
						     .capabilities = capabilities };

int __wrap_source_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes);
int __wrap_source_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes)
{
	(void)config;
	(void)text;
	(void)text_bytes;
	*ret_source = &script.source;
	return 0;
}

static void lose(void)
{
	const struct source_event lost = { .kind = SOURCE_LOST };

	__atomic_store_n(&world.there, false, __ATOMIC_SEQ_CST);
	script_give(&lost);
}

static void appear(uint32_t width, uint32_t height)
{
	__atomic_store_n(&world.there, true, __ATOMIC_SEQ_CST);
	script_give_format(width, height);
}

/* --- the daemon --- */

static void note_line(const struct log_entry *entry)
{
	size_t used;

	pthread_mutex_lock(&world.log_lock);
	used = strlen(world.log);
	snprintf(world.log + used, sizeof(world.log) - used, "%s\n", entry->line);
	pthread_mutex_unlock(&world.log_lock);
	script_tell();
}

static unsigned count_lines(const char *text)
{
	unsigned count = 0;

	pthread_mutex_lock(&world.log_lock);
	for (const char *at = world.log; (at = strstr(at, text)); at++)
		count++;
	pthread_mutex_unlock(&world.log_lock);
	return count;
}

static void await_line(const char *text, unsigned count)
{
	while (count_lines(text) < count)
		script_wait(text);
}

static void *run(void *argument)
{
	(void)argument;
	loop_run(world.loop);
	return NULL;
}

static void *do_nothing(void *argument)
{
	return argument;
}

static void on_stop(struct loop_op *op, int result)
{
	(void)op;
	(void)result;
	loop_stop(world.loop);
}

static int listen_at(const char *name, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", world.path, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (type != SOCK_DGRAM)
		assert_int_equal(listen(fd, 8), 0);
	else
		setenv("NOTIFY_SOCKET", address.sun_path, true);
	return fd;
}

static void begin(const char *stream, unsigned wait_clients)
{
	const struct reload_origin origin = { .config = &world.config };
	struct camera_sockets sockets;
	char text[512] = "";

	script_init(&operations);
	world.log[0] = '\0';
	world.there = world.given_up = world.hung = false;
	log_set_sink(note_line);
	strcpy(world.directory, "/tmp/lumaring-camera.XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	config_init(&world.config);
	snprintf(world.config.camera, sizeof(world.config.camera), "camera-%d", (int)getpid());
	world.config.stream_count = 0;
	assert_int_equal(config_read_stream(&world.config.streams[0], "stream", stream, text, sizeof(text)), 0);
	world.config.stream_count = 1;
	world.config.wait_clients = wait_clients;
	world.config.clients_per_uid = world.config.clients_max;
	snprintf(world.path, sizeof(world.path), "%s/%s", world.directory, world.config.camera);
	assert_int_equal(mkdir(world.path, 0700), 0);
	world.notify_fd = listen_at("notify", SOCK_DGRAM);
	sockets = (struct camera_sockets){ listen_at("frames", SOCK_SEQPACKET), listen_at("control", SOCK_STREAM),
					   (gid_t)-1, "" };
	assert_int_equal(loop_create(LOOP_EPOLL, &world.loop, text, sizeof(text)), 0);
	world.stop = (struct loop_op){ .done = on_stop };
	assert_int_equal(loop_doorbell(world.loop, &world.stop), 0);
	if (camera_create(&origin, world.loop, &sockets, &world.camera, text, sizeof(text)) != EXIT_OK)
		fail_msg("%s", text);
	assert_int_equal(pthread_create(&world.thread, NULL, run, NULL), 0);
}

/* The daemon ends by itself, or is stopped: why. */
static enum exit_code end(bool by_itself)
{
	char command[128];
	enum exit_code code;

	if (!by_itself)
		loop_wake(&world.stop);
	pthread_join(world.thread, NULL);
	camera_stop(world.camera);
	loop_destroy(world.loop);
	code = camera_exit_code(world.camera);
	camera_destroy(world.camera);
	config_clear(&world.config);
	close(world.notify_fd);
	unsetenv("NOTIFY_SOCKET");
	log_set_sink(NULL);
	script_finish();
	snprintf(command, sizeof(command), "rm -r %s", world.directory);
	assert_int_equal(system(command), 0);
	return code;
}

/* --- clients --- */

static struct lumaring_options client_options(void)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;

	options.runtime_dir = world.directory;
	options.timeout_ms = TIMEOUT_MS;
	return options;
}

static void *attach(void *argument)
{
	const struct lumaring_options options = client_options();
	struct lumaring *ring = NULL;

	(void)argument;
	lumaring_open(world.config.camera, world.config.streams[0].name, &options, &ring);
	return ring;
}

/* The next frame of the stream is of that region. */
static void expect_frame(struct lumaring *ring, unsigned buffer, uint32_t x, uint32_t y, uint32_t width,
			 uint32_t height)
{
	const struct lumaring_frame *frame = NULL;
	int r;

	script_give_frame(buffer, LUMARING_CLOCK_UNKNOWN, false);
	do
		r = lumaring_next(ring, TIMEOUT_MS, &frame);
	while (r > 0); /* lost, and back */
	assert_int_equal(r, 0);
	assert_int_equal(frame->region.x, x);
	assert_int_equal(frame->region.y, y);
	assert_int_equal(frame->region.width, width);
	assert_int_equal(frame->region.height, height);
	lumaring_release(ring, frame);
}

static void expect_status(const char *text)
{
	struct pollfd poll_fd = { .fd = world.notify_fd, .events = POLLIN };
	char message[1024];
	ssize_t n;

	do {
		if (poll(&poll_fd, 1, SCRIPT_HANG_MS) != 1)
			fail_msg("the service manager was not told %s", text);
		n = recv(world.notify_fd, message, sizeof(message) - 1, 0);
		assert_true(n >= 0);
		message[n] = '\0';
	} while (!strstr(message, text));
}

/* --- tests --- */

/* Absent at start: it is looked for, clients wait, and nothing starts before it is there and enough of them are. */
static void test_a_camera_that_comes_late(void **state)
{
	static const char configuration[] = "\"frame_duration_us\":{\"minimum\":10000,\"maximum\":40000}";
	const struct lumaring_options options = client_options();
	struct lumaring_control *control;
	const char *json;
	pthread_t first, second;
	void *rings[2];

	(void)state;
	begin("main", 2);
	lose();
	await_line("source libcamera: source lost", 1);
	expect_status("STATUS=no camera: no camera is there; 0 clients waiting\nREADY=1");
	pthread_create(&first, NULL, attach, NULL);
	assert_int_equal(lumaring_control_open(world.config.camera, &options, &control), 0);
	assert_int_equal(lumaring_control_call(control, "GetConfiguration", NULL, TIMEOUT_MS, &json), 0);
	assert_null(strstr(json, "\"frame_duration_us\""));
	appear(64, 48);
	pthread_join(first, &rings[0]);
	assert_non_null(rings[0]);
	/* What it makes of the settings can be asked only now. */
	assert_int_equal(lumaring_control_call(control, "GetConfiguration", NULL, TIMEOUT_MS, &json), 0);
	assert_non_null(strstr(json, configuration));
	assert_non_null(strstr(json, "\"size\":{\"width\":64,\"height\":48}"));
	assert_int_equal(__atomic_load_n(&script.started, __ATOMIC_SEQ_CST), 0);
	pthread_create(&second, NULL, attach, NULL);
	pthread_join(second, &rings[1]);
	assert_non_null(rings[1]);
	while (!__atomic_load_n(&script.started, __ATOMIC_SEQ_CST))
		script_wait("the source is started");
	expect_frame(rings[0], 0, 0, 0, 64, 48);
	await_line("source libcamera: live\n", 1);
	expect_status("STATUS=64x48, 2 clients, 0 of ");
	lumaring_close(rings[0]);
	lumaring_close(rings[1]);
	lumaring_control_close(control);
	assert_int_equal(end(false), EXIT_OK);
	assert_int_equal(script.started, 1);
}

/* Comes back with another size: who reads a region gets what there is of it, and all when it is there again. */
static void test_a_camera_that_comes_back_smaller(void **state)
{
	static const char sentence[] = "region 300,200,64,48 does not lie inside the image of ";
	struct lumaring *ring;

	(void)state;
	begin("ball=300,200,64,48", 0);
	appear(640, 480);
	ring = attach(NULL);
	assert_non_null(ring);
	expect_frame(ring, 0, 300, 200, 64, 48);
	lose();
	appear(320, 240);
	expect_frame(ring, 1, 256, 192, 64, 48);
	expect_frame(ring, 2, 256, 192, 64, 48);
	lose();
	appear(32, 16);
	expect_frame(ring, 3, 0, 0, 32, 16);
	lose();
	appear(640, 480);
	expect_frame(ring, 4, 300, 200, 64, 48);
	assert_int_equal(count_lines(sentence), 2); /* once each */
	assert_int_equal(count_lines("taking what there is"), 2);
	lumaring_close(ring);
	assert_int_equal(end(false), EXIT_OK);
}

/* Of what was recorded it is a mistake. */
static void test_a_region_outside_of_footage(void **state)
{
	(void)state;
	begin("ball=300,200,64,48", 0);
	script.stored = true;
	appear(320, 240);
	assert_int_equal(end(true), EXIT_USAGE);
	assert_non_null(strstr(world.log, "does not lie inside the image of 320x240\n"));
}

/* --- what only a new process may help --- */

/* Readers hear of it as of any other end. */
static void test_a_camera_that_is_given_up(void **state)
{
	struct lumaring *ring;

	(void)state;
	begin("main", 0);
	appear(64, 48);
	ring = attach(NULL);
	assert_non_null(ring);
	expect_frame(ring, 0, 0, 0, 64, 48);
	__atomic_store_n(&world.given_up, true, __ATOMIC_SEQ_CST);
	script_give(&(struct source_event){ .kind = SOURCE_FAILED, .text = "it does nothing" });
	assert_int_equal(end(true), EXIT_HUNG);
	assert_non_null(strstr(world.log, "it does nothing, ending for the service manager to start anew\n"));
	assert_int_equal(count_lines("it does nothing"), 1);
	lumaring_close(ring);
}

static void test_a_source_that_failed(void **state)
{
	(void)state;
	begin("main", 0);
	script_give(&(struct source_event){ .kind = SOURCE_FAILED, .text = "it does nothing" });
	assert_int_equal(end(true), EXIT_SOURCE);
	assert_non_null(strstr(world.log, "it does nothing\n"));
}

/* Nothing else tells of it: no frame, no event. */
static void test_a_library_that_hangs(void **state)
{
	(void)state;
	begin("main", 0);
	appear(64, 48);
	await_line("source libcamera: 64x48", 1);
	__atomic_store_n(&world.hung, true, __ATOMIC_SEQ_CST);
	pthread_join(world.thread, NULL);
	assert_true(camera_hangs(world.camera));
	assert_int_equal(pthread_create(&world.thread, NULL, do_nothing, NULL), 0);
	assert_int_equal(end(true), EXIT_HUNG);
	assert_int_equal(count_lines("libcamera has not come back from a call"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_camera_that_comes_late),
		cmocka_unit_test(test_a_camera_that_comes_back_smaller),
		cmocka_unit_test(test_a_region_outside_of_footage),
		cmocka_unit_test(test_a_camera_that_is_given_up),
		cmocka_unit_test(test_a_source_that_failed),
		cmocka_unit_test(test_a_library_that_hangs),
	};

	return cmocka_run_group_tests_name("camera", tests, NULL, NULL);
}
