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
#include "../../client-lib/cli/options_set.c"
#include "../../client-lib/cli/output.c"
#include "../../client-lib/cli/value.c"

#define WORDS_MAX 40

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
	assert_int_equal(options.last_ms, -1);
	assert_int_equal(options.seconds_ms, -1);
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
	assert_int_equal(parse("record a.y4m --last 5 --seconds 0 --buffer 1000000 --times a.csv --y4m-420 --follow -n 3",
			       &options),
			 0);
	assert_int_equal(options_check(&options, "record", VERB_RECORD), 0);
	assert_int_equal(options.last_ms, 5000);
	assert_int_equal(options.seconds_ms, 0);
	assert_int_equal(options.buffer_megabytes, 1000000);
	assert_string_equal(options.times, "a.csv");
	assert_int_equal(options.format, CAT_Y4M_420);
	assert_int_equal(parse("view --stream ball --region 1,2,3,4 --framerate 5 -n 3", &options), 0);
	assert_int_equal(options_check(&options, "view", VERB_VIEW), 0);
	assert_int_equal(options.set.min_us, 200000);
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
		"record a.y4m --last 2000000.1",
		"record a.y4m --seconds -1",
		"record a.y4m --buffer 0",
		"record a.y4m --buffer 1000001",
		"record a.y4m --times",
		"streams add a b",
		"set --width 0",
		"set --width 65536",
		"set --height -1",
		"set --height 480.5",
		"set --width=",
		"set --framerate 0",
		"set --framerate 56-15",
		"set --framerate fast",
		"set --shutter 0",
		"set --shutter 3600000001",
		"set --shutter 1.5",
		"set --gain 0",
		"set --gain 0.0004",
		"set --gain 1000000.001",
		"set --gain x",
		"set --brightness 1.001",
		"set --brightness -1.001",
		"set --contrast -0.1",
		"set --sharpness -1",
		"set --scaler-crop-x -1",
		"set --scaler-crop-y 65536",
		"set --scaler-crop-width 0",
		"set --scaler-crop-height 1.5",
		"set --ev 1000001",
		"set --auto-exposure yes",
		"set --auto-exposure",
		"set --pixel-format=",
		"set --pixel-format YU\"V",
		"set --pixel-format 0123456789012345678901234567890x",
		"set --roi 1,2,3",
		"set --roi 0.5,0.5,0.6,0.5",
		"set --roi 65536,0,1,1",
		"set --save=1",
	};
	struct options options = { .count = 42 };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (parse(lines[i], &options) != -EINVAL || options.count != 42)
			fail_msg("'%s' was taken", lines[i]);
}

/* Every value at its limits. */
static void test_set(void **state)
{
	struct options options;
	const struct set_options *set = &options.set;

	(void)state;
	assert_int_equal(
		parse("set --width 1 --height 65535 --framerate 15-56 --pixel-format 0123456789012345678901234567890 "
		      "--shutter 1 --gain 0.001 --ev -1000000 --brightness -1 --contrast 0 --sharpness 1000000 "
		      "--scaler-crop-x 0 --scaler-crop-y 65535 --scaler-crop-width 1 --scaler-crop-height 65535 "
		      "--auto-exposure on --roi 0.25,0,0.5,1 --stream ball --strict --save --json",
		      &options),
		0);
	assert_int_equal(options_check(&options, "set", VERB_SET), 0);
	assert_int_equal(options_set_check(set), 0);
	assert_int_equal(set->width, 1);
	assert_int_equal(set->height, 65535);
	assert_int_equal(set->min_us, 17857);
	assert_int_equal(set->max_us, 66667);
	assert_string_equal(set->framerate, "15-56");
	assert_int_equal(strlen(set->pixel_format), 31);
	assert_int_equal(set->controls.exposure_us, 1);
	assert_int_equal(set->controls.analogue_gain_milli, 1);
	assert_int_equal(set->controls.exposure_value_milli, -1000000000);
	assert_int_equal(set->controls.brightness_milli, -1000);
	assert_int_equal(set->controls.contrast_milli, 0);
	assert_int_equal(set->controls.sharpness_milli, 1000000000);
	assert_int_equal(set->controls.scaler_crop_x, 0);
	assert_int_equal(set->controls.scaler_crop_y, 65535);
	assert_int_equal(set->controls.scaler_crop_width, 1);
	assert_int_equal(set->controls.scaler_crop_height, 65535);
	assert_int_equal(set->controls.auto_exposure, 1);
	assert_true(set->has_roi && set->roi.fractions && set->strict && set->save && !set->dry_run);
	assert_int_equal(
		parse("set --shutter 3600s --gain 1000000 --brightness 1 --auto-exposure off --dry-run", &options), 0);
	assert_int_equal(options_set_check(set), 0);
	assert_true(set->controls.exposure_us == INT64_C(3600000000));
	assert_int_equal(set->controls.analogue_gain_milli, 1000000000);
	assert_int_equal(set->controls.brightness_milli, 1000);
	assert_int_equal(set->controls.auto_exposure, 0);
	assert_true(set->controls.contrast_milli == LUMARING_KEEP && options_set_controls(set) && set->dry_run);
}

static void test_set_refused(void **state)
{
	static const char *const lines[] = {
		"set",
		"set --strict --save",
		"set --width 640",
		"set --height 480",
		"set --width 640 --framerate 30",
		"set --framerate 30 --save --dry-run",
		"set --framerate 30 --roi 1,2,3,4 --dry-run",
	};
	struct options options;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(parse(lines[i], &options), 0);
		if (options_set_check(&options.set) != -EINVAL)
			fail_msg("'%s' was taken", lines[i]);
	}
}

static void test_control_verbs(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("streams remove ball --force --save", &options), 0);
	assert_int_equal(options_check(&options, "streams", VERB_STREAMS), 0);
	assert_string_equal(options.operands[2], "ball");
	assert_true(options.force && options.set.save);
	assert_int_equal(parse("call Watch {} --more --timeout 3 --json", &options), 0);
	assert_int_equal(options_check(&options, "call", VERB_CALL), 0);
	assert_true(options.more);
	assert_int_equal(options.timeout_ms, 3000);
	assert_int_equal(parse("region main 1,2,3,4 --save", &options), 0);
	assert_int_equal(options_check(&options, "region", VERB_REGION), 0);
	assert_int_equal(parse("get size --json", &options), 0);
	assert_int_equal(options_check(&options, "get", VERB_GET), 0);
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
	check_refused("record --raw a.y4m", "record", VERB_RECORD);
	check_refused("record --oldest a.y4m", "record", VERB_RECORD);
	check_refused("cat --raw --seconds 3", "cat", VERB_CAT);
	check_refused("view --bin 2", "view", VERB_VIEW);
	check_refused("view --oldest", "view", VERB_VIEW);
	check_refused("watch --framerate 5", "watch", VERB_WATCH);
	check_refused("watch --raw", "watch", VERB_WATCH);
	check_refused("watch --all", "watch", VERB_WATCH);
	check_refused("status --stream main", "status", VERB_STATUS);
	check_refused("status --region 0,0,8,8", "status", VERB_STATUS);
	check_refused("status --timeout 1", "status", VERB_STATUS);
	check_refused("set --framerate 30 --stream ball", "set", VERB_SET);
	check_refused("set --force", "set", VERB_SET);
	check_refused("get --save", "get", VERB_GET);
	check_refused("get --width 3", "get", VERB_GET);
	check_refused("reload -n 1", "reload", VERB_RELOAD);
	check_refused("call A --force", "call", VERB_CALL);
	check_refused("clients --stream main", "clients", VERB_CLIENTS);
	check_refused("capabilities --all", "capabilities", VERB_CAPABILITIES);
	check_refused("region a 1,2,3,4 --roi 1,2,3,4", "region", VERB_REGION);
	check_refused("watch --more", "watch", VERB_WATCH);
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
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_control_verbs),
		cmocka_unit_test_setup_teardown(test_set_refused, silence, speak),
		cmocka_unit_test_setup_teardown(test_refused, silence, speak),
		cmocka_unit_test_setup_teardown(test_refused_by_verb, silence, speak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
