/* SPDX-License-Identifier: BSD-2-Clause */
/* test_source_holders.c - who has a camera open, in a /proc that is made up: files and dangling links under /tmp. */
#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "source/holders.h"

static char proc[64], text[256];

static void make_file(const char *path, const char *content, size_t bytes)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(content, 1, bytes, file), bytes);
	assert_int_equal(fclose(file), 0);
}

/* A process with these descriptors; name NULL: it has no name any more. */
static void add_process(const char *pid, const char *name, const char *const *targets)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", proc, pid);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/fd", proc, pid);
	assert_int_equal(mkdir(path, 0700), 0);
	for (unsigned i = 0; targets[i]; i++) {
		snprintf(path, sizeof(path), "%s/%s/fd/%u", proc, pid, i);
		assert_int_equal(symlink(targets[i], path), 0);
	}
	snprintf(path, sizeof(path), "%s/%s/comm", proc, pid);
	if (name)
		make_file(path, name, strlen(name));
}

static const char *const media[] = { "/dev/null", "/dev/media0", NULL };
static const char *const video[] = { "socket:[123]", "/dev/video12", "/dev/video13", NULL };

static int setup(void **state)
{
	(void)state;
	snprintf(proc, sizeof(proc), "/tmp/lumaring-proc.XXXXXX");
	assert_non_null(mkdtemp(proc));
	memset(text, 'x', sizeof(text));
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", proc);
	return system(command);
}

static void expect(unsigned count, const char *expected)
{
	assert_int_equal(holders_find(proc, text, sizeof(text)), count);
	assert_string_equal(text, expected);
}

static void test_none(void **state)
{
	static const char *const others[] = {
		"/dev/null", "/dev/video", "/dev/video-codec", "/tmp/dev/video0", "/dev/mediate", "/dev/video/0", NULL
	};

	(void)state;
	expect(0, "");
	add_process("12", "motion\n", others);
	expect(0, "");
	assert_int_equal(holders_find("/nowhere", text, sizeof(text)), 0);
	assert_string_equal(text, "");
}

static void test_some(void **state)
{
	char own[16];

	(void)state;
	add_process("900", "motion\n", video);
	add_process("812", "wireplumber\n", media);
	add_process("acpi", "no process\n", video);
	add_process("0", "no process\n", video);
	add_process("12345678901", "no process\n", video);
	snprintf(own, sizeof(own), "%d", (int)getpid());
	add_process(own, "lumaringd\n", media);
	expect(2, "wireplumber (pid 812), motion (pid 900)");
}

/* It went, or changed, between one look and the next. */
static void test_vanishing(void **state)
{
	char path[160];

	(void)state;
	add_process("10", NULL, video);
	add_process("11", "", video);
	snprintf(path, sizeof(path), "%s/12", proc);
	make_file(path, "", 0);
	snprintf(path, sizeof(path), "%s/13", proc);
	assert_int_equal(mkdir(path, 0700), 0);
	add_process("14", "motion\n", video);
	snprintf(path, sizeof(path), "%s/14/fd/9", proc);
	make_file(path, "no link", 7);
	expect(3, "(pid 10), (pid 11), motion (pid 14)");
}

static void test_hostile_names(void **state)
{
	(void)state;
	add_process("1", "\x1b[2J\n\\\xff\"%s\n", video);
	add_process("2", "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", media);
	expect(2, "\\x1b[2J\\x0a\\x5c\\xff\"%s (pid 1), "
		  "\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a\\x0a (pid 2)");
}

/* The longest path there is, and one that is cut where it begins like a camera's. */
static void test_long_targets(void **state)
{
	char target[1000];
	const char *const targets[] = { target, NULL };

	(void)state;
	memset(target, '0', sizeof(target));
	memcpy(target, "/dev/not/", 9);
	target[sizeof(target) - 1] = '\0';
	add_process("1", "a\n", targets);
	expect(0, "");
	memcpy(target, "/dev/video", 10);
	add_process("2", "b\n", targets);
	expect(1, "b (pid 2)");
}

/* Named are as many as there is room for, those of the lowest numbers. */
static void test_many(void **state)
{
	(void)state;
	for (unsigned pid = 2 * HOLDERS_NAMED_MAX; pid > 0; pid--) {
		char name[16];

		snprintf(name, sizeof(name), "%u", pid * 7 % (2 * HOLDERS_NAMED_MAX + 1) + 100);
		add_process(name, "a\n", video);
	}
	expect(16, "a (pid 101), a (pid 102), a (pid 103), a (pid 104), a (pid 105), a (pid 106), a (pid 107), "
		   "a (pid 108) and 8 more");
	assert_int_equal(holders_find(proc, text, 50), 16);
	assert_string_equal(text, "a (pid 101), a (pid 102) and 14 more");
	assert_int_equal(holders_find(proc, text, 16), 16);
	assert_string_equal(text, "16 processes");
	assert_int_equal(holders_find(proc, text, 1), 16);
	assert_string_equal(text, "");
}

/* One descriptor more than is looked at; only that of number `camera` is one. */
static void add_crowded(const char *pid, unsigned camera)
{
	char path[160];

	add_process(pid, "a\n", video + 3);
	for (unsigned i = 0; i < HOLDERS_DESCRIPTORS_MAX - 1; i++) { /* "." and ".." count */
		snprintf(path, sizeof(path), "%s/%s/fd/%u", proc, pid, i);
		assert_int_equal(symlink(i == camera ? "/dev/video0" : "/dev/null", path), 0);
	}
}

/* Directories made alike are read alike: the first one tells which descriptor comes last, and which before it. */
static void test_bounds(void **state)
{
	unsigned last[2] = { 0, 0 };
	struct dirent *entry;
	char path[96];
	DIR *directory;

	(void)state;
	add_crowded("1", UINT_MAX);
	snprintf(path, sizeof(path), "%s/1/fd", proc);
	directory = opendir(path);
	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		last[0] = last[1];
		last[1] = entry->d_name[0] == '.' ? UINT_MAX : (unsigned)atoi(entry->d_name);
	}
	closedir(directory);
	assert_true(last[0] != UINT_MAX && last[1] != UINT_MAX);
	add_crowded("2", last[0]);
	add_crowded("3", last[1]);
	expect(1, "a (pid 2)");
}

static void test_real_proc(void **state)
{
	(void)state;
	(void)holders_find(NULL, text, sizeof(text)); /* whoever that is */
	assert_true(strlen(text) < sizeof(text));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_some, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vanishing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_targets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_real_proc, setup, teardown),
	};

	return cmocka_run_group_tests_name("source_holders", tests, NULL, NULL);
}
