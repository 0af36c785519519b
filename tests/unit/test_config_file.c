/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_file.c - daemon/config_file: what one file may be, and what its values may be. Works in a directory of
 * its own.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

static char directory[] = "/tmp/lumaring-file.XXXXXX";
static struct config config;
static struct config_faults faults;

static void read_text(const char *text)
{
	int fd = open("f.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	config_clear(&config);
	config_faults_clear(&faults);
	config_init(&config);
	assert_true(config_read_file(&config, "f.json", NULL, &faults));
}

static void expect_good(const char *text)
{
	read_text(text);
	if (!config_is_good(&faults))
		fail_msg("%s: %s", text, faults.lines[0]);
}

/* This fault and no other. */
static void expect_fault(const char *text, const char *line)
{
	read_text(text);
	assert_int_equal(faults.count, 1);
	assert_string_equal(faults.lines[0], line);
}

/* What is too long is told as that, and not as no string. */
static void test_long_strings(void **state)
{
	char text[PATHS_BYTES + 512], name[PATHS_BYTES];
	const int room = PATHS_BYTES - 1 - (int)strlen("replay:");

	(void)state;
	memset(name, 'x', sizeof(name));
	snprintf(text, sizeof(text), "{\"source\": \"replay:%.*s\"}", room, name);
	expect_good(text);
	assert_int_equal(strlen(config.source_path), room);
	snprintf(text, sizeof(text), "{\"source\": \"replay:%.*s\"}", room + 1, name);
	expect_fault(text, "f.json:1:12: source: a string of at most 4095 bytes is wanted (SOURCE)");
	snprintf(text, sizeof(text), "{\"streams\": [{\"name\": \"a\",\n\"region\": \"%.*s\"}]}", 128, name);
	expect_fault(text, "f.json:2:11: streams[0].region: a string of at most 127 bytes is wanted");
	expect_fault("{\"size\": [1]}", "f.json:1:10: size: a string or a number is wanted (WxH)");
	expect_fault("{\"streams\": [{\"name\": \"a\", \"bin\": {}}]}",
		     "f.json:1:35: streams[0].bin: a string or a number is wanted");
}

/* Numbers with a fraction or an exponent are what they say, or refused. */
static void test_fractions(void **state)
{
	(void)state;
	expect_good("{\"slots\": 8.0, \"attach_rate\": 1e2, \"framerate\": 29.970029970029970}");
	assert_int_equal(config.slot_count, 8);
	assert_int_equal(config.attach_rate, 100);
	assert_string_equal(config.framerate, "29.97002997");
	expect_fault("{\"slots\": 8.5}", "f.json:1:11: slots: \"8.5\" is not a whole number, 4 to 65535");
	expect_fault("{\"slots\": 8.00000000023283064365386962890625}",
		     "f.json:1:11: slots: \"8.0000000002328306\" is not a whole number, 4 to 65535");
	expect_fault("{\"brightness_milli\": -1e-10}",
		     "f.json:1:22: brightness_milli: \"-1e-10\" is not a whole number, -1000 to 1000");
}

/* What a file says is shown in one line, and moves no cursor. */
static void test_control_characters(void **state)
{
	(void)state;
	expect_fault("{\"io\": \"a\\n\\u001b[2J\\u007f\\u00e4\"}",
		     "f.json:1:8: io: \"a??[2J?\xc3\xa4\" is not auto, uring or epoll");
	expect_fault("{\"streams\": [{\"name\": \"a\", \"b\\r\": 1}]}",
		     "f.json:1:35: streams[0].b?: this key is not known (a stream has name, region, max_size, slots, "
		     "format, bin, always)");
}

static void expect_no_file(const char *path, const char *line)
{
	config_faults_clear(&faults);
	assert_true(config_read_file(&config, path, NULL, &faults));
	assert_int_equal(faults.count, 1);
	assert_string_equal(faults.lines[0], line);
}

/* Nothing but a regular file is read: a pipe would take what is in it away from others, or be empty for now. */
static void test_no_files(void **state)
{
	char text[4] = "";
	int fd;

	(void)state;
	assert_int_equal(mkdir("directory", 0755), 0);
	expect_no_file("directory", "directory: it is a directory, and not read: give a regular file");
	assert_int_equal(mkfifo("pipe", 0600), 0);
	fd = open("pipe", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(write(fd, "{}", 2), 2);
	expect_no_file("pipe", "pipe: it is a pipe or device, and not read: give a regular file");
	assert_int_equal(read(fd, text, sizeof(text)), 2);
	close(fd);
	assert_int_equal(symlink("pipe", "link"), 0);
	expect_no_file("link", "link: it is a pipe or device, and not read: give a regular file");
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[64];

	(void)state;
	config_clear(&config);
	config_faults_clear(&faults);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return chdir("/") == 0 ? system(command) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_fractions),
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_no_files),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
