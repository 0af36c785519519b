/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_quiet.c - the replay source on a pipe whose writer is there and silent: told once, after its time, and
 * never when it is somebody else who makes frames wait. Times are waited for, none is an upper limit.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "source_probe.h"

#include "source/replay.h"

#define WIDTH 24
#define HEIGHT 10
#define FRAME_BYTES (6 + WIDTH * HEIGHT)

static char directory[] = "/tmp/lumaring-quiet-XXXXXX";
static char path[sizeof(directory) + 16];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/fifo", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

/* A source whose one writer has said what is to come. */
static struct source *open_written(const char *rate, bool unpaced, bool start, int *ret_fd)
{
	struct source_config config = { .name = "replay", .path = path, .unpaced = unpaced, .buffer_count = 4 };
	struct bytes bytes = { 0 };
	struct source *source;
	char more[64];

	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	source = open_source(&config);
	if (start)
		assert_int_equal(source_start(source), 0);
	assert_int_equal(expect_event(source, SOURCE_PAUSED).quiet_ns, 0); /* nobody is late: there is nobody */
	*ret_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(*ret_fd >= 0);
	snprintf(more, sizeof(more), "%s Cmono", rate);
	clip_header(&bytes, WIDTH, HEIGHT, more);
	assert_int_equal(write(*ret_fd, bytes.data, bytes.count), bytes.count);
	free(bytes.data);
	expect_format(source, WIDTH, HEIGHT);
	return source;
}

/* Bytes first..end of a frame. */
static void write_part(int fd, unsigned number, size_t first, size_t end)
{
	struct bytes bytes = { 0 };

	clip_frame(&bytes, 1, 2 * number + 1, WIDTH, HEIGHT, "mono"); /* odd: one kind of line */
	assert_int_equal(bytes.count, FRAME_BYTES);
	assert_int_equal(write(fd, bytes.data + first, end - first), end - first);
	free(bytes.data);
}

static void write_frame(int fd, unsigned number)
{
	write_part(fd, number, 0, FRAME_BYTES);
}

static void take_frame(struct source *source, unsigned number)
{
	expect_clip_frame(source, WIDTH, HEIGHT, 1, 2 * number + 1);
}

static void sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

static void expect_quiet(struct source *source, uint64_t least_ns)
{
	struct source_event event = expect_event(source, SOURCE_PAUSED);

	assert_true(event.quiet_ns >= least_ns);
	expect_nothing(source);
}

/* Between two frames, and within one; each time once. */
static void test_silent_writer(void **state)
{
	int fd;
	struct source *source = open_written("", true, true, &fd);

	(void)state;
	write_frame(fd, 1);
	take_frame(source, 1);
	expect_quiet(source, NS_PER_SECOND);
	sleep_ms(1100);
	expect_nothing(source);
	write_part(fd, 2, 0, 100);
	sleep_ms(50);
	expect_nothing(source);
	write_part(fd, 2, 100, FRAME_BYTES);
	take_frame(source, 2);
	write_part(fd, 3, 0, 3);
	expect_quiet(source, NS_PER_SECOND);
	write_part(fd, 3, 3, FRAME_BYTES);
	take_frame(source, 3);
	close(fd);
	expect_event(source, SOURCE_ENDED);
	source_destroy(source);
}

/* One that says a bit now and then, and never a frame. */
static void test_dripping_writer(void **state)
{
	struct source_event event;
	int fd;
	struct source *source = open_written("", true, true, &fd);

	(void)state;
	write_frame(fd, 1);
	take_frame(source, 1);
	for (size_t at = 0; !is_readable(source_fd(source)) || source_fetch(source, &event); at++) {
		assert_true(at < FRAME_BYTES);
		write_part(fd, 2, at, at + 1);
		sleep_ms(50);
	}
	assert_int_equal(event.kind, SOURCE_PAUSED);
	assert_true(event.quiet_ns >= NS_PER_SECOND);
	source_destroy(source);
	close(fd);
}

/* Frames that are far apart of themselves are not late. */
static void test_slow_pace(void **state)
{
	int fd;
	struct source *source = open_written(" F2:1", false, true, &fd);

	(void)state;
	write_frame(fd, 1);
	take_frame(source, 1);
	sleep_ms(1500);
	expect_nothing(source);
	expect_quiet(source, 2500 * NS_PER_MS);
	write_frame(fd, 2);
	take_frame(source, 2);
	source_destroy(source);
	close(fd);
}

/* All buffers are out: it is the reader who is late, and the writer has its whole time after that. */
static void test_slow_reader(void **state)
{
	struct source_frame held[4];
	struct source_event event;
	int fd;
	struct source *source = open_written("", true, true, &fd);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		write_frame(fd, i);
	write_part(fd, 4, 0, 10);
	for (unsigned i = 0; i < 4; i++)
		held[i] = expect_event(source, SOURCE_FRAME).frame;
	wait_asleep(source);
	sleep_ms(1500);
	expect_nothing(source);
	for (unsigned i = 0; i < 4; i++)
		source_release(source, held[i].buffer);
	event = expect_event(source, SOURCE_PAUSED);
	assert_true(event.quiet_ns >= NS_PER_SECOND);
	assert_true(clock_monotonic_ns() - held[3].ready_ns >= event.quiet_ns + 1500 * NS_PER_MS);
	source_destroy(source);
	close(fd);
}

/* Nobody wanted frames. */
static void test_not_started(void **state)
{
	int fd;
	struct source *source = open_written("", true, false, &fd);

	(void)state;
	write_part(fd, 1, 0, 50);
	sleep_ms(1500);
	expect_nothing(source);
	assert_int_equal(source_start(source), 0);
	expect_nothing(source);
	write_part(fd, 1, 50, FRAME_BYTES);
	take_frame(source, 1);
	source_destroy(source);
	close(fd);
}

/* Its silence is told, too, when nothing came at all; and that it left is not told again. */
static void test_silent_from_the_beginning(void **state)
{
	struct source_config config = { .name = "replay", .path = path, .unpaced = true, .loop = true };
	struct source *source;
	int fd;

	(void)state;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "YUV4", 4), 4);
	source = open_source(&config);
	assert_int_equal(source_start(source), 0);
	expect_quiet(source, NS_PER_SECOND);
	source_destroy(source); /* at once, also now */
	close(fd);
}

struct answer {
	struct feeder *feeder;
	int fd;
	uint64_t quiet_ns;
};

/* Data come as soon as it was told that there are none. */
static void *answer_silence(void *argument)
{
	struct answer *answer = argument;

	answer->quiet_ns = expect_event(&answer->feeder->source, SOURCE_PAUSED).quiet_ns;
	assert_int_equal(write(answer->fd, "x", 1), 1);
	return NULL;
}

/* As if this were the producer, who waits for this long already for a frame every ten seconds: told how late it was. */
static uint64_t told_after(uint64_t waits_ns, bool first)
{
	struct feeder *feeder = calloc(1, sizeof(*feeder));
	struct answer answer = { .feeder = feeder };
	int fds[2];
	pthread_t thread;

	assert_int_equal(feeder_init(feeder, &replay_operations, &(struct source_config){ 0 }), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	feeder_start(&feeder->source);
	feeder->period_ns = 10 * NS_PER_SECOND;
	feeder->due_ns = first ? 0 : 1;
	feeder->expected_ns = clock_monotonic_ns() - waits_ns;
	answer.fd = fds[1];
	assert_int_equal(pthread_create(&thread, NULL, answer_silence, &answer), 0);
	assert_int_equal(feeder_wait_data(feeder, fds[0]), 0);
	pthread_join(thread, NULL);
	feeder_finish(feeder);
	free(feeder);
	close(fds[0]);
	close(fds[1]);
	return answer.quiet_ns;
}

/* Whoever starts the daemon waits for the first one, but not for the others. */
static void test_first_frame(void **state)
{
	(void)state;
	assert_true(told_after(14 * NS_PER_SECOND, true) >= 15 * NS_PER_SECOND);
	assert_true(told_after(16 * NS_PER_SECOND, true) < 50 * NS_PER_SECOND);
	assert_true(told_after(49 * NS_PER_SECOND, false) >= 50 * NS_PER_SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_writer), cmocka_unit_test(test_dripping_writer),
		cmocka_unit_test(test_slow_pace),     cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_not_started),   cmocka_unit_test(test_silent_from_the_beginning),
		cmocka_unit_test(test_first_frame),
	};

	return cmocka_run_group_tests_name("source_quiet", tests, make_directory, remove_directory);
}
