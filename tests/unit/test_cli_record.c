/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_record.c - frames on their way to the disk: all come out once and in order however slow the writer is, what
 * it could not write comes back, and a file holds whole pieces only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../../client-lib/cli/amount.c"
#include "../../client-lib/cli/line.c"
#include "../../client-lib/cli/output.c"
#include "../../client-lib/cli/record_file.c"
#include "../../client-lib/cli/record_progress.c"
#include "../../client-lib/cli/record_queue.c"

#define FRAMES 10000u

static struct lumaring_frame frames[FRAMES];

/* A writer that checks the order, and fails where it is told to. */
struct sink {
	uint64_t written, fails_at;
};

static int sink_write(void *user, const struct lumaring_frame *frame)
{
	struct sink *sink = user;

	if (sink->written == sink->fails_at)
		return -ENOSPC;
	return frame == &frames[sink->written++] ? 0 : -EBADMSG;
}

static void reap_some(struct record_queue *queue, uint64_t *reaped)
{
	const struct lumaring_frame *frame;

	while ((frame = record_queue_reap(queue)))
		assert_ptr_equal(frame, &frames[(*reaped)++]);
}

static void test_queue(void **state)
{
	struct record_queue *queue = malloc(sizeof(*queue));
	struct sink sink = { .fails_at = UINT64_MAX };
	uint64_t reaped = 0;

	(void)state;
	assert_non_null(queue);
	assert_int_equal(record_queue_start(queue, sink_write, &sink), 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		while (record_queue_held(queue) == RECORD_QUEUE_FRAMES) {
			record_queue_wait(queue, 60000);
			reap_some(queue, &reaped);
		}
		record_queue_put(queue, &frames[i]);
	}
	record_queue_stop(queue);
	reap_some(queue, &reaped);
	assert_int_equal(record_queue_error(queue), 0);
	assert_int_equal(sink.written, FRAMES);
	assert_int_equal(reaped, FRAMES);
	assert_int_equal(record_queue_held(queue), 0);
	assert_null(record_queue_take_back(queue));
	free(queue);
}

static void test_queue_fails(void **state)
{
	struct record_queue *queue = malloc(sizeof(*queue));
	struct sink sink = { .fails_at = 7 };
	uint64_t reaped = 0, back = 0;
	const struct lumaring_frame *frame;

	(void)state;
	assert_non_null(queue);
	assert_int_equal(record_queue_start(queue, sink_write, &sink), 0);
	for (unsigned i = 0; i < 20; i++)
		record_queue_put(queue, &frames[i]);
	record_queue_stop(queue);
	assert_int_equal(record_queue_error(queue), -ENOSPC);
	reap_some(queue, &reaped);
	assert_int_equal(reaped, 7);
	assert_int_equal(record_queue_waiting(queue), 13);
	for (; (frame = record_queue_take_back(queue)); back++)
		assert_ptr_equal(frame, &frames[7 + back]);
	assert_int_equal(back, 13);
	free(queue);
}

static int put_piece(struct record_file *file, const char *text)
{
	int r = output_put(&file->output, text, strlen(text));

	return r < 0 ? r : record_file_finish_piece(file, strlen(text));
}

static void check_content(const char *path, const char *expected)
{
	char text[64];
	FILE *file = fopen(path, "re");
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	assert_string_equal(text, expected);
}

/* An old file stays until the first piece is whole, and a piece that is not is cut. */
static void test_file(void **state)
{
	char directory[] = "/tmp/test_cli_record.XXXXXX";
	struct record_file file;

	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(record_file_open(&file, "a"), 0);
	assert_int_not_equal(access("a", F_OK), 0);
	assert_int_equal(put_piece(&file, "one"), 0);
	check_content("a", "one");
	assert_int_equal(put_piece(&file, "two"), 0);
	assert_int_equal(write(file.output.fd, "thr", 3), 3);
	record_file_cut(&file);
	check_content("a", "onetwo");
	assert_int_equal(put_piece(&file, "four"), 0);
	assert_int_equal(record_file_close(&file), 0);
	assert_int_equal(record_file_close(&file), 0);
	check_content("a", "onetwofour");

	assert_int_equal(record_file_open(&file, "a"), 0);
	assert_int_equal(record_file_close(&file), 0);
	check_content("a", "onetwofour");
	assert_int_equal(unlink("a"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(directory), 0); /* nothing else was left */
}

/* What a shell had put into a file that it appends to stays there. */
static void test_appended(void **state)
{
	char path[] = "/tmp/test_cli_record.XXXXXX";
	struct record_file file;
	int fd = mkstemp(path), kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	(void)state;
	assert_true(fd >= 0 && kept >= 0);
	assert_int_equal(write(fd, "old", 3), 3);
	assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	fflush(stdout);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(record_file_open(&file, "-"), 0);
	assert_int_equal(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(put_piece(&file, "one"), 0);
	assert_int_equal(write(file.output.fd, "tw", 2), 2);
	record_file_cut(&file);
	assert_string_equal(record_file_name(&file), "standard output");
	assert_int_equal(record_file_close(&file), 0);
	check_content(path, "oldone");
	close(fd);
	close(kept);
	unlink(path);
}

static void test_sum(void **state)
{
	struct record_figures figures = { .tally = { .frames = 3, .missed = 2 }, .span_us = 1234567, .bytes = 9876543 };
	struct line line;

	(void)state;
	figures.tally.missed_by[LUMARING_MISSED_SKIPPED] = 2;
	record_progress_sum(&line, &figures);
	assert_string_equal(line.text, "3 frames, 2 missed (skipped 2); 1.23 s, 9.9 MB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue),    cmocka_unit_test(test_queue_fails), cmocka_unit_test(test_file),
		cmocka_unit_test(test_appended), cmocka_unit_test(test_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
