/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_pipe.c - the replay source on FIFOs and standard input: writers that come late, leave early, leave in the
 * middle, come again, write in bits or nothing at all.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "source_probe.h"

#define WIDTH 24
#define HEIGHT 10

static char directory[] = "/tmp/lumaring-pipe-XXXXXX";
static char path[sizeof(directory) + 16];

static int make_fifo(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/fifo", directory);
	return 0;
}

static int remove_fifo(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static struct source *open_fifo(bool loop, bool start)
{
	struct source_config config = { .name = "replay", .path = path, .unpaced = true, .loop = loop };
	struct source *source;

	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	source = open_source(&config);
	if (start)
		assert_int_equal(source_start(source), 0);
	return source;
}

static int open_writer(void)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0); /* the source is there, so nobody waits for a reader */
	return fd;
}

static void put(int fd, const void *data, size_t count)
{
	assert_int_equal(write(fd, data, count), count);
}

/* A writer's whole life: a clip, of which the first `part` bytes come, all if 0. */
static void write_clip(unsigned number, unsigned frames, uint32_t width, uint32_t height, size_t part)
{
	struct bytes bytes = { 0 };
	int fd = open_writer();

	clip(&bytes, number, frames, width, height, "420");
	put(fd, bytes.data, part ? part : bytes.count);
	close(fd);
	free(bytes.data);
}

static void test_late_writer(void **state)
{
	struct source *source = open_fifo(false, true);
	struct bytes bytes = { 0 };
	size_t header_bytes;
	int fd;

	(void)state;
	expect_event(source, SOURCE_PAUSED);
	expect_nothing(source);
	fd = open_writer();
	expect_nothing(source);
	clip_header(&bytes, WIDTH, HEIGHT, " C420");
	header_bytes = bytes.count;
	clip_frame(&bytes, 1, 1, WIDTH, HEIGHT, "420");
	clip_frame(&bytes, 1, 2, WIDTH, HEIGHT, "420");
	put(fd, bytes.data, header_bytes);
	expect_format(source, WIDTH, HEIGHT);
	put(fd, bytes.data + header_bytes, bytes.count - header_bytes - 1);
	expect_clip_frame(source, WIDTH, HEIGHT, 1, 1);
	expect_nothing(source); /* the second frame lacks a byte of its colour */
	put(fd, bytes.data + bytes.count - 1, 1);
	expect_clip_frame(source, WIDTH, HEIGHT, 1, 2);
	close(fd);
	expect_event(source, SOURCE_ENDED);
	expect_nothing(source);
	source_destroy(source);
	free(bytes.data);
}

static void test_header_before_start(void **state)
{
	struct source *source = open_fifo(false, false);

	(void)state;
	expect_event(source, SOURCE_PAUSED);
	write_clip(3, 2, WIDTH, HEIGHT, 0);
	expect_format(source, WIDTH, HEIGHT);
	wait_asleep(source);
	expect_nothing(source);
	assert_int_equal(source_start(source), 0);
	expect_clip_frame(source, WIDTH, HEIGHT, 3, 1);
	expect_clip_frame(source, WIDTH, HEIGHT, 3, 2);
	expect_event(source, SOURCE_ENDED);
	source_destroy(source);
}

static void test_one_byte_at_a_time(void **state)
{
	struct source *source = open_fifo(false, true);
	struct bytes bytes = { 0 };
	int fd;

	(void)state;
	expect_event(source, SOURCE_PAUSED);
	fd = open_writer();
	clip(&bytes, 5, 3, WIDTH, HEIGHT, "422");
	for (size_t i = 0; i < bytes.count; i++)
		put(fd, bytes.data + i, 1);
	close(fd);
	expect_format(source, WIDTH, HEIGHT);
	for (unsigned frame = 1; frame <= 3; frame++)
		expect_clip_frame(source, WIDTH, HEIGHT, 5, frame);
	expect_event(source, SOURCE_ENDED);
	source_destroy(source);
	free(bytes.data);
}

static void test_writers_in_turn(void **state)
{
	struct source *source = open_fifo(true, true);
	struct source_event event;

	(void)state;
	expect_event(source, SOURCE_PAUSED);
	write_clip(1, 2, WIDTH, HEIGHT, 0);
	expect_format(source, WIDTH, HEIGHT);
	expect_clip_frame(source, WIDTH, HEIGHT, 1, 1);
	expect_clip_frame(source, WIDTH, HEIGHT, 1, 2);
	expect_event(source, SOURCE_PAUSED);
	write_clip(2, 1, 16, 16, 0);
	expect_format(source, 16, 16);
	expect_clip_frame(source, 16, 16, 2, 1);
	expect_event(source, SOURCE_PAUSED);
	expect_nothing(source);
	/* The same format again is not announced; frame 2 is left unfinished, 100 bytes after its beginning. */
	write_clip(3, 2, 16, 16, sizeof("YUV4MPEG2 W16 H16 C420\nFRAME\n") - 1 + 384 + 100);
	expect_clip_frame(source, 16, 16, 3, 1);
	expect_event(source, SOURCE_PAUSED);
	write_clip(4, 1, 16, 16, 0);
	event = expect_event(source, SOURCE_FRAME);
	check_pixels(&event.frame, 16, 16, 4, 1);
	assert_int_equal(event.frame.camera_sequence, 6);
	assert_int_equal(event.frame.lost[LUMARING_LOST_SENSOR], 1);
	source_release(source, event.frame.buffer);
	expect_event(source, SOURCE_PAUSED);
	source_destroy(source);
}

/* With a next writer to come, one may leave after any byte of what it had to say. */
static void test_writer_leaves_anywhere(void **state)
{
	struct source *source = open_fifo(true, true);
	size_t header_bytes = sizeof("YUV4MPEG2 W24 H10 C420\n") - 1, frame_bytes = 6 + WIDTH * HEIGHT * 3 / 2;
	uint64_t sequence = 1;

	(void)state;
	expect_event(source, SOURCE_PAUSED);
	write_clip(1, 1, WIDTH, HEIGHT, 0);
	expect_format(source, WIDTH, HEIGHT);
	expect_clip_frame(source, WIDTH, HEIGHT, 1, 1);
	expect_event(source, SOURCE_PAUSED);
	for (size_t part = 1; part < header_bytes + frame_bytes; part += part < header_bytes + 10 ? 1 : 37) {
		bool began_frame = part > header_bytes;
		struct source_event event;

		write_clip(2, 1, WIDTH, HEIGHT, part);
		expect_event(source, SOURCE_PAUSED);
		write_clip(3, 1, WIDTH, HEIGHT, 0);
		event = expect_event(source, SOURCE_FRAME);
		check_pixels(&event.frame, WIDTH, HEIGHT, 3, 1);
		sequence += 1 + began_frame;
		assert_int_equal(event.frame.camera_sequence, sequence);
		assert_int_equal(event.frame.lost[LUMARING_LOST_SENSOR], began_frame);
		source_release(source, event.frame.buffer);
		expect_event(source, SOURCE_PAUSED);
	}
	for (unsigned i = 0; i < 10; i++) { /* or say nothing at all */
		close(open_writer());
		expect_event(source, SOURCE_PAUSED);
	}
	source_destroy(source);
}

/*
 * Writers that follow each other at once: their streams may meet in the pipe, or come and go while it is being opened
 * again. No frame is lost, and when the last of them has gone the source says so.
 */
static void test_writers_in_a_hurry(void **state)
{
	struct source *source = open_fifo(true, true);
	unsigned written = 0, seen = 0, descriptors = count_descriptors();

	(void)state;
	expect_event(source, SOURCE_PAUSED);
	for (unsigned round = 0; round < 1000; round++) {
		bool paused = false;

		for (unsigned i = 0; i <= round % 5; i++)
			write_clip(++written, 1, WIDTH, HEIGHT, 0);
		while (seen < written || !paused) {
			struct source_event event = next_event(source);

			assert_true(event.kind == SOURCE_FRAME || event.kind == SOURCE_PAUSED ||
				    (event.kind == SOURCE_FORMAT && seen == 0));
			paused = event.kind == SOURCE_PAUSED;
			if (event.kind != SOURCE_FRAME)
				continue;
			seen++;
			assert_int_equal(event.frame.camera_sequence, seen);
			check_pixels(&event.frame, WIDTH, HEIGHT, seen, 1);
			source_release(source, event.frame.buffer);
		}
	}
	assert_int_equal(count_descriptors(), descriptors);
	source_destroy(source);
}

/*
 * What a writer left in the pipe before the source opened it is replayed, and that nobody writes any more is noticed.
 * Somebody else keeps the pipe open meanwhile.
 */
static void test_writer_has_left(void **state)
{
	for (int loop = 0; loop < 2; loop++) {
		struct source_config config = { .name = "replay", .path = path, .unpaced = true, .loop = loop };
		struct source *source;
		int keeper;

		(void)state;
		unlink(path);
		assert_int_equal(mkfifo(path, 0600), 0);
		keeper = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		assert_true(keeper >= 0);
		write_clip(1, 2, WIDTH, HEIGHT, 0);
		source = open_source(&config);
		assert_int_equal(source_start(source), 0);
		expect_format(source, WIDTH, HEIGHT);
		expect_clip_frame(source, WIDTH, HEIGHT, 1, 1);
		expect_clip_frame(source, WIDTH, HEIGHT, 1, 2);
		expect_event(source, loop ? SOURCE_PAUSED : SOURCE_ENDED);
		source_destroy(source);
		close(keeper);
	}
}

/* --- one writer, once --------------------------------------------------------------------------------------- */

static void test_only_writer_fails(void **state)
{
	static const struct {
		const char *written, *sentence;
	} rows[] = {
		{ "", "fifo: byte 0: the data end 0 bytes into the line of the stream header" },
		{ "YUV4MPEG2 W6", "fifo: byte 0: the data end 12 bytes into the line of the stream header" },
		{ "hello\n", "fifo: byte 0: found \"hello\\x0a\" where a Y4M stream has" },
		{ "YUV4MPEG2 W4 H4 C411\n", "fifo: byte 16: the colourspace \"411\" is none of" },
		{ "YUV4MPEG2 W65535 H65535\n", "fifo: 6 capture buffers for 65535x65535 pixels take" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct source *source = open_fifo(false, false);
		int fd;

		expect_event(source, SOURCE_PAUSED);
		fd = open_writer();
		put(fd, rows[i].written, strlen(rows[i].written));
		close(fd);
		expect_failure(source, rows[i].sentence);
		expect_nothing(source);
		source_destroy(source);
	}
}

static void test_only_writer_cut_off(void **state)
{
	struct source *source = open_fifo(false, true);

	(void)state;
	expect_event(source, SOURCE_PAUSED);
	write_clip(1, 2, 16, 16, sizeof("YUV4MPEG2 W16 H16 C420\n") - 1 + 22 + 384 + 6 + 383);
	expect_format(source, 16, 16);
	expect_clip_frame(source, 16, 16, 1, 1);
	expect_failure(source, "fifo: frame 2, at byte 413, is cut off: 383 of its 384 bytes are there");
	source_destroy(source);
}

/* Destroying comes back at once, wherever the source waits. A hang is ended by whoever runs the test. */
static void test_destroy_while_silent(void **state)
{
	static const size_t parts[] = { 0, 5, 23, 25, 29, 100, 269, 300 };

	(void)state;
	source_destroy(open_fifo(false, false));
	source_destroy(open_fifo(true, true));
	for (size_t i = 0; i < COUNT(parts); i++) {
		for (int loop = 0; loop < 2; loop++) {
			struct source *source = open_fifo(loop, true);
			struct bytes bytes = { 0 };
			int fd, unread = 1;

			clip(&bytes, 1, 1, WIDTH, HEIGHT, "420");
			expect_event(source, SOURCE_PAUSED);
			fd = open_writer();
			put(fd, bytes.data, parts[i]);
			while (unread)
				assert_int_equal(ioctl(fd, FIONREAD, &unread), 0);
			source_destroy(source);
			close(fd);
			free(bytes.data);
		}
	}
}

static void test_fifo_is_replaced(void **state)
{
	struct source *source = open_fifo(true, true);
	int fd;

	(void)state;
	expect_event(source, SOURCE_PAUSED);
	fd = open_writer();
	unlink(path);
	close(fd);
	expect_failure(source, "fifo: cannot be opened again: No such file or directory");
	source_destroy(source);

	source = open_fifo(true, true);
	expect_event(source, SOURCE_PAUSED);
	fd = open_writer();
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(fd);
	expect_failure(source, "fifo: is no longer a FIFO");
	source_destroy(source);
}

/* --- standard input ----------------------------------------------------------------------------------------- */

/* Put `fd` in the place of standard input while the source is opened. */
static int open_standard_input(int fd, bool loop, struct source **ret_source, char *text, size_t text_bytes)
{
	struct source_config config = { .name = "replay", .path = "-", .unpaced = true, .loop = loop };
	int before = dup(STDIN_FILENO), rc;

	assert_true(before >= 0);
	assert_true(dup2(fd, STDIN_FILENO) >= 0);
	close(fd);
	rc = source_open(&config, ret_source, text, text_bytes);
	assert_true(dup2(before, STDIN_FILENO) >= 0);
	close(before);
	return rc;
}

struct writer {
	int fd;
	struct bytes bytes;
};

/* Write in bits of all sizes, waiting wherever the pipe is full. */
static void *write_in_bits(void *argument)
{
	struct writer *writer = argument;

	for (size_t done = 0, part = 1; done < writer->bytes.count; done += part) {
		part = 1 + done * 7919 % 9973;
		if (part > writer->bytes.count - done)
			part = writer->bytes.count - done;
		put(writer->fd, writer->bytes.data + done, part);
	}
	close(writer->fd);
	return NULL;
}

static void check_standard_input(int flags)
{
	struct writer writer = { 0 };
	struct source *source = NULL;
	pthread_t thread;
	char text[320];
	int pipe_fds[2];

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(pipe_fds[0], F_SETFL, flags), 0);
	writer.fd = pipe_fds[1];
	clip(&writer.bytes, 8, 20, 321, 123, "444");
	clip(&writer.bytes, 9, 20, 100, 50, "mono");
	assert_int_equal(pthread_create(&thread, NULL, write_in_bits, &writer), 0);
	assert_int_equal(open_standard_input(pipe_fds[0], false, &source, text, sizeof(text)), 0);
	assert_int_equal(source_start(source), 0);
	for (unsigned number = 8; number < 10; number++) {
		uint32_t width = number == 8 ? 321 : 100, height = number == 8 ? 123 : 50;
		struct source_event event = next_event(source);

		while (event.kind == SOURCE_PAUSED)
			event = next_event(source);
		assert_int_equal(event.kind, SOURCE_FORMAT);
		for (unsigned frame = 1; frame <= 20; frame++)
			expect_clip_frame(source, width, height, number, frame);
	}
	expect_event(source, SOURCE_ENDED);
	source_destroy(source);
	pthread_join(thread, NULL);
	free(writer.bytes.data);
}

static void test_standard_input(void **state)
{
	(void)state;
	check_standard_input(0);
	check_standard_input(O_NONBLOCK);
}

/* Also from a pipe whose reads block. */
static void test_destroy_standard_input(void **state)
{
	(void)state;
	for (size_t part = 0; part < 100; part += 33) {
		struct source *source = NULL;
		struct bytes bytes = { 0 };
		int pipe_fds[2], unread = 1;
		char text[320];

		assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
		assert_int_equal(open_standard_input(pipe_fds[0], false, &source, text, sizeof(text)), 0);
		assert_int_equal(source_start(source), 0);
		clip(&bytes, 1, 1, WIDTH, HEIGHT, "420");
		put(pipe_fds[1], bytes.data, part);
		while (unread)
			assert_int_equal(ioctl(pipe_fds[1], FIONREAD, &unread), 0);
		source_destroy(source);
		close(pipe_fds[1]);
		free(bytes.data);
	}
}

static void test_standard_input_loop(void **state)
{
	struct source *source = NULL;
	char text[320] = "";
	int pipe_fds[2];

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(open_standard_input(pipe_fds[0], true, &source, text, sizeof(text)), -EINVAL);
	assert_string_equal(text, "standard input: cannot be read again; --loop is for files and named pipes");
	assert_null(source);
	close(pipe_fds[1]);
}

/* A file on standard input is a file: it loops, from where it stood when it was handed over. */
static void test_file_on_standard_input(void **state)
{
	struct source *source = NULL;
	struct bytes bytes = { 0 };
	char text[320] = "";
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	bytes_text(&bytes, "somebody read this");
	clip(&bytes, 2, 2, WIDTH, HEIGHT, "420");
	assert_int_equal(fwrite(bytes.data, 1, bytes.count, file), bytes.count);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(lseek(fileno(file), 18, SEEK_SET), 18);
	assert_int_equal(open_standard_input(dup(fileno(file)), true, &source, text, sizeof(text)), 0);
	assert_int_equal(source_start(source), 0);
	expect_format(source, WIDTH, HEIGHT);
	for (unsigned round = 0; round < 3; round++) {
		expect_clip_frame(source, WIDTH, HEIGHT, 2, 1);
		expect_clip_frame(source, WIDTH, HEIGHT, 2, 2);
	}
	source_destroy(source);
	fclose(file);
	free(bytes.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_writer),
		cmocka_unit_test(test_header_before_start),
		cmocka_unit_test(test_one_byte_at_a_time),
		cmocka_unit_test(test_writers_in_turn),
		cmocka_unit_test(test_writer_leaves_anywhere),
		cmocka_unit_test(test_writers_in_a_hurry),
		cmocka_unit_test(test_writer_has_left),
		cmocka_unit_test(test_only_writer_fails),
		cmocka_unit_test(test_only_writer_cut_off),
		cmocka_unit_test(test_destroy_while_silent),
		cmocka_unit_test(test_fifo_is_replaced),
		cmocka_unit_test(test_standard_input),
		cmocka_unit_test(test_destroy_standard_input),
		cmocka_unit_test(test_standard_input_loop),
		cmocka_unit_test(test_file_on_standard_input),
	};

	return cmocka_run_group_tests_name("source_pipe", tests, make_fifo, remove_fifo);
}
