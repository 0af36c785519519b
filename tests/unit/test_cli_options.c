/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli_options.c - the command line of `lumaring`: every option, every limit at its value and one beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "../../client-lib/cli/options.c"
#include "../../client-lib/cli/output.c"

#define WORDS_MAX 16

/* Parse a command line of words parted by single blanks; "" stands for no words. */
static int parse(const char *text, struct options *ret_options)
{
	static char copy[512]; /* the options point into it */
	char *argv[WORDS_MAX + 2] = { (char *)(uintptr_t) "lumaring" };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok(copy, " "); word && argc <= WORDS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	optind = 0; /* glibc: begin anew */
	return options_parse(argc, argv, ret_options);
}

static void test_defaults(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("watch", &options), 0);
	assert_string_equal(options.operands[0], "watch");
	assert_null(options.operands[1]);
	assert_null(options.camera);
	assert_null(options.stream);
	assert_null(options.runtime_dir);
	assert_int_equal(options.wait_ms, 2000);
	assert_int_equal(options.timeout_ms, -1);
	assert_int_equal(options.count, 0);
	assert_false(options.json || options.latest || options.copy || options.futex || options.oldest ||
		     options.follow);
	assert_false(options.private || options.help || options.version);
	assert_int_equal(options.format, CAT_NONE);
	assert_int_equal(options.picture, SNAP_NONE);
	assert_int_equal(parse("", &options), 0);
	assert_null(options.operands[0]);
}

static void check_everywhere(const char *text)
{
	struct options options;

	assert_int_equal(parse(text, &options), 0);
	assert_string_equal(options.operands[0], "snap");
	assert_string_equal(options.operands[1], "a.pgm");
	assert_string_equal(options.camera, "front");
	assert_string_equal(options.stream, "left");
	assert_string_equal(options.runtime_dir, "/tmp/x");
	assert_int_equal(options.timeout_ms, 2500);
	assert_int_equal(options_check(&options, "snap", VERB_SNAP), 0);
}

static void test_before_and_after(void **state)
{
	(void)state;
	check_everywhere("--camera front --stream=left --runtime-dir /tmp/x --timeout 2.5 snap a.pgm");
	check_everywhere("snap a.pgm --camera front --stream=left --runtime-dir /tmp/x --timeout 2.5");
	check_everywhere("--camera=front snap --stream left a.pgm --runtime-dir=/tmp/x --timeout=2.5");
	setenv("POSIXLY_CORRECT", "1", 1);
	check_everywhere("snap a.pgm --camera front --stream=left --runtime-dir /tmp/x --timeout 2.5");
	unsetenv("POSIXLY_CORRECT");
	check_everywhere("--camera front --stream left --runtime-dir /tmp/x --timeout 2.5 -- snap a.pgm");
}

static void test_flags(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("watch --json --latest --copy --futex --follow -n 7", &options), 0);
	assert_true(options.json && options.latest && options.copy && options.futex && options.follow);
	assert_int_equal(options.count, 7);
	assert_int_equal(options_check(&options, "watch", VERB_WATCH), 0);
	assert_int_equal(parse("cat --y4m-420 --oldest --count=8", &options), 0);
	assert_int_equal(options.format, CAT_Y4M_420);
	assert_true(options.oldest);
	assert_int_equal(options.count, 8);
	assert_int_equal(options_check(&options, "cat", VERB_CAT), 0);
	assert_int_equal(parse("cat --y4m --y4m", &options), 0);
	assert_int_equal(options.format, CAT_Y4M);
	assert_int_equal(parse("cat --raw", &options), 0);
	assert_int_equal(options.format, CAT_RAW);
	assert_int_equal(parse("snap - --format png", &options), 0);
	assert_int_equal(options.picture, SNAP_PNG);
	assert_int_equal(parse("snap - --format=pgm", &options), 0);
	assert_int_equal(options.picture, SNAP_PGM);
	assert_int_equal(options_check(&options, "snap", VERB_SNAP), 0);
	assert_int_equal(parse("status --json --all --wait 1", &options), 0);
	assert_true(options.json && options.all);
	assert_int_equal(options_check(&options, "status", VERB_STATUS), 0);
	assert_int_equal(parse("-h", &options), 0);
	assert_true(options.help);
	assert_int_equal(parse("-V", &options), 0);
	assert_true(options.version);
}

static void test_numbers(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("watch -n 1000000000000000", &options), 0);
	assert_true(options.count == OPTIONS_COUNT_MAX);
	assert_int_equal(parse("watch --timeout 0 --wait 2000000", &options), 0);
	assert_int_equal(options.timeout_ms, 0);
	assert_int_equal(options.wait_ms, 2000000000);
	assert_int_equal(parse("watch --timeout .5", &options), 0);
	assert_int_equal(options.timeout_ms, 500);
	assert_int_equal(parse("watch --region 65535,65535,65535,65535", &options), 0);
	assert_true(options.private);
	assert_int_equal(options.region.x, 65535);
	assert_int_equal(options.region.height, 65535);
	assert_int_equal(parse("watch --region 1,2,0,4", &options), 0);
	assert_int_equal(options.region.x, 1);
	assert_int_equal(options.region.y, 2);
	assert_int_equal(options.region.width, 0);
	assert_int_equal(options.region.height, 4);
	assert_int_equal(options.fourcc | options.bin, 0);
	assert_int_equal(parse("snap --pixels R16 --bin 2 a.png", &options), 0);
	assert_true(options.private);
	assert_int_equal(options.fourcc, LUMARING_FORMAT_R16);
	assert_int_equal(options.bin, 2);
	assert_int_equal(options.region.width, 0);
	assert_int_equal(parse("cat --pixels r8 --bin 1 --raw", &options), 0);
	assert_int_equal(options.fourcc, LUMARING_FORMAT_R8);
	assert_int_equal(options.bin, 1);
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"watch -n 0",
		"watch -n 1000000000000001",
		"watch -n 99999999999999999999999",
		"watch -n -1",
		"watch -n +1",
		"watch -n 0x10",
		"watch -n 1.5",
		"watch -n",
		"watch --timeout 2000000.1",
		"watch --timeout 1e3",
		"watch --timeout -1",
		"watch --timeout nan",
		"watch --timeout .",
		"watch --timeout 1.2.3",
		"watch --timeout=",
		"watch --wait 2s",
		"watch --region 1,2,3",
		"watch --region 1,2,3,4,5",
		"watch --region 1,2,3,",
		"watch --region ,2,3,4",
		"watch --region 65536,0,1,1",
		"watch --region 0,0,1,65536",
		"watch --region 0,-1,1,1",
		"watch --region 640x480",
		"watch --pixels R10",
		"watch --pixels 16",
		"watch --pixels=",
		"watch --bin 0",
		"watch --bin 3",
		"watch --bin 2x2",
		"watch --nonsense",
		"watch -x",
		"watch --json=1",
		"watch --c 1",
		"watch --camera",
		"snap - --format jpg",
		"snap - --format=",
		"snap - --format",
		"cat --y4m --raw",
		"cat --y4m --y4m-420",
		"snap a.pgm b.pgm",
	};
	struct options options = { .count = 42 };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (parse(lines[i], &options) != -EINVAL || options.count != 42)
			fail_msg("'%s' was taken", lines[i]);
}

static void check_refused(const char *text, const char *verb, unsigned flag)
{
	struct options options;

	assert_int_equal(parse(text, &options), 0);
	if (options_check(&options, verb, flag) != -EINVAL)
		fail_msg("'%s' was taken", text);
}

static void test_refused_by_verb(void **state)
{
	(void)state;
	check_refused("snap --json a.pgm", "snap", VERB_SNAP);
	check_refused("snap -n 2 a.pgm", "snap", VERB_SNAP);
	check_refused("snap --y4m a.pgm", "snap", VERB_SNAP);
	check_refused("cat --format png", "cat", VERB_CAT);
	check_refused("cat --json", "cat", VERB_CAT);
	check_refused("cat --latest", "cat", VERB_CAT);
	check_refused("watch --raw", "watch", VERB_WATCH);
	check_refused("watch --all", "watch", VERB_WATCH);
	check_refused("status --stream main", "status", VERB_STATUS);
	check_refused("status --region 0,0,8,8", "status", VERB_STATUS);
	check_refused("status --timeout 1", "status", VERB_STATUS);
	check_refused("status -n 1", "status", VERB_STATUS);
	check_refused("watch --region 0,0,8,8 --stream left", "watch", VERB_WATCH);
	check_refused("watch --pixels R16 --stream left", "watch", VERB_WATCH);
	check_refused("watch --bin 2 --stream left", "watch", VERB_WATCH);
	check_refused("status --bin 2", "status", VERB_STATUS);
	check_refused("watch --latest --oldest", "watch", VERB_WATCH);
}

/* The refusals are for people; a test's output is not the place for them. */
static int silence(void **state)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	static int kept;

	kept = dup(STDERR_FILENO);
	*state = &kept;
	if (fd < 0 || kept < 0 || dup2(fd, STDERR_FILENO) < 0)
		return -1;
	return close(fd);
}

static int speak(void **state)
{
	int kept = *(int *)*state;

	return dup2(kept, STDERR_FILENO) < 0 ? -1 : close(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_before_and_after),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test_setup_teardown(test_refused, silence, speak),
		cmocka_unit_test_setup_teardown(test_refused_by_verb, silence, speak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
