/* SPDX-License-Identifier: BSD-2-Clause */
/* test_client_open.c - lumaring_open(): arguments, options, the hello, refusals, absent and silent daemons. */
#include "fake_daemon.h"

#include <semaphore.h>

#include "own_calls.h"

/* lumaring_open() that fails before or while it connects, without an answer; the handle stays untouched. */
static void expect_open(struct fake *f, const char *camera, const char *stream, const struct lumaring_options *options,
			int result, const char *text)
{
	struct lumaring *untouched = (void *)f, *ring = untouched;

	assert_int_equal(lumaring_open(camera, stream, options, &ring), result);
	assert_ptr_equal(ring, untouched);
	if (!strstr(f->text, text))
		fail_msg("\"%s\" does not say \"%s\"", f->text, text);
}

static void test_hello_and_info(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_info *info = lumaring_info(ring);

	assert_int_equal(f->hello.message.type, LUMARING_MESSAGE_HELLO);
	assert_int_equal(f->hello.message.size, sizeof(f->hello));
	assert_int_equal(f->hello.message.flags, 0);
	assert_int_equal(f->hello.version, LUMARING_PROTOCOL_VERSION);
	assert_int_equal(f->hello.version_min, LUMARING_PROTOCOL_VERSION_MIN);
	assert_string_equal(f->hello.stream, "main");
	assert_int_equal(f->hello.cursors, 2);
	assert_int_equal(f->hello.slots | f->hello.width_max | f->hello.region_width, 0);

	assert_int_equal(info->epoch, FAKE_EPOCH);
	assert_memory_equal(info->boot_id, "fifteen letters", 16);
	assert_int_equal(info->ring_bytes, f->ring.bytes);
	assert_int_equal(info->published, 0);
	assert_int_equal(info->slot_count, FAKE_SLOTS);
	assert_int_equal(info->width_max, FAKE_SLOT_BYTES / 8);
	assert_int_equal(info->height_max, 8);
	assert_int_equal(info->image_width, 640);
	assert_int_equal(info->image_height, 480);
	assert_int_equal(info->frame_duration_us, 17857);
	assert_int_equal(info->cursors, 2);
	assert_int_equal(info->state, LUMARING_RING_LIVE);
	assert_int_equal(info->luma_range, LUMARING_RANGE_FULL);
	assert_int_equal(info->sensor_clock, LUMARING_CLOCK_BOOTTIME);
	assert_int_equal(info->daemon_pid, 4711);
	assert_int_equal(info->connected, 1);
	assert_string_equal(info->stream, "main");
	assert_string_equal(lumaring_error_text(ring), "");
	lumaring_close(ring);
	lumaring_close(NULL);
}

static void test_copy_asks_for_no_cursor(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, LUMARING_COPY, 16);

	assert_int_equal(f->hello.cursors, 0);
	assert_int_equal(lumaring_info(ring)->cursors, 0); /* though the fake granted two */
	lumaring_close(ring);
}

static void test_private_hello(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	options.flags = LUMARING_PRIVATE;
	options.region = (struct lumaring_region){ 1, 2, 65535, 4 };
	options.width_max = 5;
	options.height_max = 6;
	options.slots = 7;
	options.fourcc = LUMARING_FORMAT_R16;
	options.bin = 2;
	strcpy(f->ring.header->stream, "private-1");
	strcpy(fake_answer_welcome(f)->stream, "private-1");
	assert_int_equal(fake_open_with(f, &options, &ring), 0);
	assert_int_equal(f->hello.message.flags, LUMARING_HELLO_PRIVATE);
	assert_string_equal(f->hello.stream, "");
	assert_int_equal(f->hello.region_x, 1);
	assert_int_equal(f->hello.region_y, 2);
	assert_int_equal(f->hello.region_width, 65535);
	assert_int_equal(f->hello.region_height, 4);
	assert_int_equal(f->hello.width_max, 5);
	assert_int_equal(f->hello.height_max, 6);
	assert_int_equal(f->hello.slots, 7);
	assert_int_equal(f->hello.fourcc, LUMARING_FORMAT_R16);
	assert_int_equal(f->hello.bin, 2);
	assert_string_equal(lumaring_info(ring)->stream, "private-1");
	lumaring_close(ring);
}

static void test_names(void **state)
{
	static const char *const bad[] = {
		"", "Cam0", "cam 0", "../cam0", "cam/0", "cam.0", "123456789012345678901234567890123"
	};
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_open(f, bad[i], "main", &options, -EINVAL, "camera's name");
		expect_open(f, "cam0", bad[i], &options, -EINVAL, "stream's name");
	}
	/* 32 characters of all kinds are a name, of a camera that is not there. */
	expect_open(f, "az09_-78901234567890123456789012", "main", &options, -ECONNREFUSED, "no daemon");
	assert_int_equal(lumaring_open("cam0", "main", &options, NULL), -EINVAL);
}

static void test_environment(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	setenv("LUMARING_CAMERA", "no camera", 1);
	expect_open(f, NULL, NULL, &options, -EINVAL, "\"no camera\"");
	setenv("LUMARING_CAMERA", "", 1); /* as if it were not there: cam0 */
	setenv("LUMARING_RUNTIME_DIR", f->directory, 1);
	options.runtime_dir = NULL;
	fake_answer_welcome(f);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
	assert_int_equal(lumaring_open(NULL, NULL, &options, &ring), 0);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	assert_string_equal(f->hello.stream, "main");
	lumaring_close(ring);

	setenv("LUMARING_RUNTIME_DIR", "/nowhere/at/all", 1);
	expect_open(f, NULL, NULL, &options, -ECONNREFUSED, "/nowhere/at/all/cam0/frames");
	unsetenv("LUMARING_RUNTIME_DIR");
	/* A camera that surely is not below /run/lumaring: the user's own directory is looked at. */
	setenv("XDG_RUNTIME_DIR", f->directory, 1);
	expect_open(f, "no-such-camera-of-the-tests", NULL, &options, -ECONNREFUSED, "/lumaring/no-such-camera");
	assert_non_null(strstr(f->text, f->directory));
	unsetenv("XDG_RUNTIME_DIR");
	expect_open(f, "no-such-camera-of-the-tests", NULL, &options, -ECONNREFUSED, "/run/lumaring/no-such-camera");
	unsetenv("LUMARING_CAMERA");
}

static void test_path_too_long(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	char directory[120];

	memset(directory, 'd', sizeof(directory));
	directory[0] = '/';
	directory[107 - strlen("/cam0/frames")] = '\0';
	options.runtime_dir = directory;
	expect_open(f, "cam0", "main", &options, -ECONNREFUSED, directory);
	strcat(directory, "d");
	expect_open(f, "cam0", "main", &options, -EINVAL, "108 bytes, accepted: up to 107");
}

static void test_option_ranges(void **state)
{
	static const struct {
		const char *field;
		size_t offset;
		uint32_t good, bad;
	} rows[] = {
		{ "flags", offsetof(struct lumaring_options, flags), 15, 16 },
		{ "cursors", offsetof(struct lumaring_options, cursors), 8, 9 },
		{ "frames_max", offsetof(struct lumaring_options, frames_max), 1, 0 },
		{ "frames_max", offsetof(struct lumaring_options, frames_max), 4096, 4097 },
		{ "timeout_ms", offsetof(struct lumaring_options, timeout_ms), (uint32_t)-1, (uint32_t)-2 },
		{ "region.x", offsetof(struct lumaring_options, region.x), 65535, 65536 },
		{ "region.y", offsetof(struct lumaring_options, region.y), 65535, 65536 },
		{ "region.width", offsetof(struct lumaring_options, region.width), 65535, 65536 },
		{ "region.height", offsetof(struct lumaring_options, region.height), 65535, 65536 },
		{ "width_max", offsetof(struct lumaring_options, width_max), 65535, 65536 },
		{ "height_max", offsetof(struct lumaring_options, height_max), 65535, 65536 },
		{ "slots", offsetof(struct lumaring_options, slots), 4, 3 },
		{ "slots", offsetof(struct lumaring_options, slots), 65535, 65536 },
		{ "bin", offsetof(struct lumaring_options, bin), 2, 3 },
		{ "fourcc", offsetof(struct lumaring_options, fourcc), LUMARING_FORMAT_R8, 1 },
		{ "fourcc", offsetof(struct lumaring_options, fourcc), LUMARING_FORMAT_R16,
		  LUMARING_FOURCC('R', '1', '0', ' ') },
	};
	struct fake *f = *state;

	fake_die(f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lumaring_options options = fake_options(f);

		memcpy((char *)&options + rows[i].offset, &rows[i].good, 4);
		expect_open(f, "cam0", "main", &options, -ECONNREFUSED, "no daemon");
		memcpy((char *)&options + rows[i].offset, &rows[i].bad, 4);
		expect_open(f, "cam0", "main", &options, -EINVAL, rows[i].field);
	}
}

static void test_option_sizes(void **state)
{
	struct {
		struct lumaring_options known;
		uint64_t later[2];
	} options = { .later = { 0, 0 } };
	struct fake *f = *state;
	const size_t known = sizeof(options.known);
	const size_t sizes_bad[] = { 0, 8, 24, 33, known - 4, known + 4 };

	fake_die(f);
	setenv("LUMARING_RUNTIME_DIR", f->directory, 1);
	for (size_t i = 0; i < sizeof(sizes_bad) / sizeof(sizes_bad[0]); i++) {
		options.known = fake_options(f);
		options.known.size = sizes_bad[i];
		expect_open(f, "cam0", "main", &options.known, -EINVAL, "");
	}
	/* An older caller: what lies behind its struct is not looked at. */
	options.known = fake_options(f);
	options.known.size = offsetof(struct lumaring_options, region);
	options.known.region.x = 65536;
	expect_open(f, "cam0", "main", &options.known, -ECONNREFUSED, "");
	options.known.size += 8;
	expect_open(f, "cam0", "main", &options.known, -EINVAL, "");
	/* A newer caller: may not ask for what is not known here. */
	options.known = fake_options(f);
	options.known.size = sizeof(options);
	expect_open(f, "cam0", "main", &options.known, -ECONNREFUSED, "no daemon");
	options.later[1] = UINT64_C(1) << 56;
	expect_open(f, "cam0", "main", &options.known, -EINVAL, "byte 103 is set");
	expect_open(f, "cam0", "main", NULL, -ECONNREFUSED, "");
	unsetenv("LUMARING_RUNTIME_DIR");
}

static void test_error_text_is_cut(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);

	fake_die(f);
	memset(f->text, 'x', sizeof(f->text) - 1);
	options.error_bytes = 5;
	expect_open(f, "cam0", "main", &options, -ECONNREFUSED, "no d");
	assert_int_equal(strlen(f->text), 4);
	assert_int_equal(f->text[5], 'x');
	options.error_bytes = 0;
	f->text[0] = 'y';
	expect_open(f, "cam0", "main", &options, -ECONNREFUSED, "yo d");
}

static void test_nobody_there(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);

	/* The socket's name is there, its daemon is not. */
	close(f->listener);
	expect_open(f, "cam0", "main", &options, -ECONNREFUSED, "Connection refused");
	unlink(f->path);
	expect_open(f, "cam0", "main", &options, -ECONNREFUSED, "No such file");
	rmdir(f->camera);
	expect_open(f, "cam0", "main", &options, -ECONNREFUSED, "No such file");
	f->listener = -1;
}

static void test_no_permission(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);

	chmod(f->camera, 0);
	if (geteuid() == 0)
		assert_return_code(seteuid(65534), errno);
	expect_open(f, "cam0", "main", &options, -EACCES, "may not look into the directory");
	if (getuid() == 0)
		assert_return_code(seteuid(0), errno);
	chmod(f->camera, 0755);
}

static void test_silent_daemon(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);

	/* Connected by the kernel, accepted and answered by nobody. */
	options.timeout_ms = 30;
	expect_open(f, "cam0", "main", &options, -ETIMEDOUT, "did not answer");
	options.timeout_ms = 0;
	expect_open(f, "cam0", "main", &options, -ETIMEDOUT, "did not answer");
}

static void test_daemon_closes_without_a_word(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	f->answer_bytes = 0;
	f->close_after_answer = true;
	options.timeout_ms = 100;
	assert_int_equal(fake_open_with(f, &options, &ring), -ETIMEDOUT);
}

static void *serve_after_the_queue(void *fake)
{
	struct fake *f = fake;

	/* Those who filled the queue go first; none of them says anything. */
	for (int i = 0; i < 2; i++) {
		wait_readable(f->listener);
		close(accept4(f->listener, NULL, NULL, SOCK_CLOEXEC));
	}
	fake_serve(f);
	return NULL;
}

static void test_full_queue_is_waited_for(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct lumaring *ring;
	int fillers[3], r;

	assert_return_code(listen(f->listener, 1), errno);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", f->path);
	for (int i = 0; i < 3; i++) {
		fillers[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		r = connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
		assert_int_equal(r < 0 ? errno : 0, i < 2 ? 0 : EAGAIN);
	}
	options.timeout_ms = 30;
	expect_open(f, "cam0", "main", &options, -ETIMEDOUT, "did not answer");
	options.timeout_ms = FAKE_WAIT_MS;
	assert_int_equal(pthread_create(&f->thread, NULL, serve_after_the_queue, f), 0);
	assert_int_equal(lumaring_open("cam0", "main", &options, &ring), 0);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	lumaring_close(ring);
	for (int i = 0; i < 3; i++)
		close(fillers[i]);
}

static void test_refusals(void **state)
{
	static const int passed[] = { EINVAL, ENOENT, EACCES, EUSERS, EDQUOT, ENOSPC, EPROTONOSUPPORT, ENOMEM };
	static const int strange[] = { 0, EAGAIN, ETIMEDOUT, 4096, -1, -ENOENT };
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
		fake_answer_refusal(f, passed[i], "in the daemon's own words");
		assert_int_equal(fake_open_with(f, &options, &ring), -passed[i]);
		assert_string_equal(f->text, "in the daemon's own words");
	}
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		fake_answer_refusal(f, strange[i], "odd words");
		assert_int_equal(fake_open_with(f, &options, &ring), -EBADMSG);
		assert_non_null(strstr(f->text, "odd words"));
	}
	fake_answer_refusal(f, ENOENT, "");
	assert_int_equal(fake_open_with(f, &options, &ring), -ENOENT);
	assert_string_equal(f->text, lumaring_strerror(-ENOENT));
	fake_answer_refusal(f, ENOENT, "red \033[31m and\nnewline");
	assert_int_equal(fake_open_with(f, &options, &ring), -ENOENT);
	assert_string_equal(f->text, "red ?[31m and?newline");
	memset(fake_answer_refusal(f, ENOENT, "")->text, 'w', 240); /* not terminated */
	assert_int_equal(fake_open_with(f, &options, &ring), -ENOENT);
	assert_int_equal(strlen(f->text), 240);
}

static sem_t has_hung_up;

static void await_hang_up(void)
{
	sem_wait(&has_hung_up);
	before_recvmsg = NULL;
}

static void *refuse_unread(void *fake)
{
	struct fake *f = fake;
	int socket;

	wait_readable(f->listener);
	socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	wait_readable(socket);
	fake_send(socket, f->answer, f->answer_bytes, NULL, 0);
	close(socket);
	sem_post(&has_hung_up);
	return NULL;
}

/* A daemon that closes with the hello unread: there is a reset in front of its words. */
static void test_refused_before_the_hello_was_read(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	fake_answer_refusal(f, EUSERS, "full");
	options.timeout_ms = 2000; /* who overlooks the words asks again, and nobody answers */
	assert_int_equal(sem_init(&has_hung_up, 0, 0), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, refuse_unread, f), 0);
	before_recvmsg = await_hang_up;
	assert_int_equal(lumaring_open("cam0", "main", &options, &ring), -EUSERS);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	assert_string_equal(f->text, "full");
	sem_destroy(&has_hung_up);
}

static void *refuse_twice_then_welcome(void *fake)
{
	struct fake *f = fake;

	fake_serve(f);
	fake_serve(f);
	fake_answer_welcome(f);
	fake_serve(f);
	return NULL;
}

/* What passes by itself is asked for again, until there is a welcome or no time left. */
static void test_put_off(void **state)
{
	static const int passing[] = { EBUSY, EMFILE, ENFILE };
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;
	int r;

	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		fake_answer_refusal(f, passing[i], "not now");
		assert_int_equal(pthread_create(&f->thread, NULL, refuse_twice_then_welcome, f), 0);
		assert_int_equal(lumaring_open("cam0", "main", &options, &ring), 0);
		assert_int_equal(pthread_join(f->thread, NULL), 0);
		assert_string_equal(lumaring_error_text(ring), "");
		lumaring_close(ring);
	}
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		fake_answer_refusal(f, passing[i], "not now");
		assert_int_equal(pthread_create(&f->thread, NULL, fake_thread_of_many, f), 0);
		options.timeout_ms = 30;
		/* A slow fake did not answer in time: give it more. */
		while ((r = lumaring_open("cam0", "main", &options, &ring)) == -ETIMEDOUT)
			options.timeout_ms *= 2;
		assert_int_equal(r, -passing[i]);
		assert_string_equal(f->text, "not now");
		shutdown(f->listener, SHUT_RDWR);
		assert_int_equal(pthread_join(f->thread, NULL), 0);
		fake_die(f);
		fake_listen(f);
	}
}

static void test_words(void **state)
{
	char version[32];

	(void)state;
	snprintf(version, sizeof(version), "%d.%d.%d", LUMARING_VERSION_MAJOR, LUMARING_VERSION_MINOR,
		 LUMARING_VERSION_PATCH);
	assert_string_equal(lumaring_version(), version);
	assert_string_equal(lumaring_strerror(-ECONNREFUSED), "no daemon serves this camera");
	assert_string_equal(lumaring_strerror(ECONNREFUSED), "unknown error");
	assert_string_equal(lumaring_strerror(0), "unknown error");
	assert_string_equal(lumaring_strerror(INT32_MIN), "unknown error");
	for (int e = LUMARING_EVENT_GEOMETRY; e <= LUMARING_EVENT_DISCONNECTED; e++)
		assert_non_null(lumaring_event_name(e));
	assert_string_equal(lumaring_event_name(LUMARING_EVENT_REPLACED), "replaced");
	assert_null(lumaring_event_name(-1));
	assert_null(lumaring_event_name(0));
	assert_null(lumaring_event_name(LUMARING_EVENT_DISCONNECTED + 1));
	assert_string_equal(lumaring_missed_name(LUMARING_MISSED_UNREAD), "unread");
	assert_string_equal(lumaring_missed_name(LUMARING_MISSED_SKIPPED), "skipped");
	assert_null(lumaring_missed_name(5));
	assert_null(lumaring_missed_name(LUMARING_MISSED_CAUSES));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hello_and_info),
		TEST(test_copy_asks_for_no_cursor),
		TEST(test_private_hello),
		TEST(test_names),
		TEST(test_environment),
		TEST(test_path_too_long),
		TEST(test_option_ranges),
		TEST(test_option_sizes),
		TEST(test_error_text_is_cut),
		TEST(test_nobody_there),
		TEST(test_no_permission),
		TEST(test_silent_daemon),
		TEST(test_daemon_closes_without_a_word),
		TEST(test_full_queue_is_waited_for),
		TEST(test_refusals),
		TEST(test_refused_before_the_hello_was_read),
		TEST(test_put_off),

		cmocka_unit_test(test_words),
	};

	unsetenv("LUMARING_RUNTIME_DIR");
	unsetenv("LUMARING_CAMERA");
	unsetenv("XDG_RUNTIME_DIR");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
