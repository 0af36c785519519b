/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config_load.c - daemon/config_load and config_show: which files are read and in which order, what takes back
 * what, where faults and rules say they are; that a configuration that is shown says the same when it is read; and what
 * differs between two. Works in a directory of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
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

#include "config_load.h"

#define WORDS_MAX 96

const char config_vendor_file[] = "vendor.json";

static char directory[] = "/tmp/lumaring-layers.XXXXXX";
static struct config config;
static struct config_faults faults;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* A command line, given as one string of words. The directory of all tests is etc, that of sockets run. */
static int load_into(struct config *into, const char *text)
{
	static char copy[4096];
	char *words[WORDS_MAX], *rest = copy;
	int count = 0;

	snprintf(copy, sizeof(copy), "lumaringd --runtime-dir run --config-dir etc %s", text);
	for (char *word; (word = strsep(&rest, " "));)
		if (*word) {
			assert_true(count < WORDS_MAX - 1);
			words[count++] = word;
		}
	words[count] = NULL;
	config_faults_clear(&faults);
	return config_load(count, words, into, &faults);
}

static int load(const char *text)
{
	config_clear(&config);
	return load_into(&config, text);
}

static void expect_good(const char *text)
{
	if (load(text) != 0)
		fail_msg("%s: %s", text, faults.count ? faults.lines[0] : "no sentence");
}

/* These lines and no others, in this order. */
static void expect_faults(const char *text, unsigned count, const char *const *lines)
{
	assert_int_equal(load(text), -EINVAL);
	for (unsigned i = 0; i < count && i < faults.count; i++)
		assert_string_equal(faults.lines[i], lines[i]);
	assert_int_equal(faults.count, count);
	assert_int_equal(faults.more, 0);
}

#define EXPECT_FAULTS(text, ...)                                                                                       \
	expect_faults(text, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *),                       \
		      (const char *const[]){ __VA_ARGS__ })

static void expect_files(unsigned count, const char *const *paths)
{
	assert_int_equal(config.file_count, count);
	for (unsigned i = 0; i < count; i++)
		assert_string_equal(config.files[i], paths[i]);
}

static const struct config_place *place(const char *key)
{
	return &config.places[config_find(key) - config_settings];
}

static int remove_files(void **state)
{
	(void)state;
	return system("rm -rf vendor.json etc* one.json; mkdir -p etc/cam0.json.d; chmod 755 etc/cam0.json.d");
}

/* Each layer says one thing that no other says, and one that the next says anew. */
static void test_order(void **state)
{
	(void)state;
	write_file("vendor.json", "{\"io\": \"epoll\",\n \"slots\": 5}");
	write_file("etc/cam0.json", "{\"slots\": 6, \"wait_clients\": 1}");
	write_file("etc/cam0.json.d/9.json", "{\"wait_clients\": 3, \"attach_rate\": 4}");
	write_file("etc/cam0.json.d/10.json", "{\"wait_clients\": 2,\n\n   \"copy_budget\": 7}");
	write_file("etc/cam0.json.d/Z.json", "{\"attach_rate\": 5, \"private_streams\": 1}");
	write_file("etc/cam0.json.d/\xc3\xa4.json", "{\"private_streams\": 2, \"clients_max\": 8}");
	expect_good("--clients-max 9");
	expect_files(6, (const char *const[]){ "vendor.json", "etc/cam0.json", "etc/cam0.json.d/10.json",
					       "etc/cam0.json.d/9.json", "etc/cam0.json.d/Z.json",
					       "etc/cam0.json.d/\xc3\xa4.json" });
	assert_int_equal(config.io, LOOP_EPOLL);
	assert_int_equal(config.slot_count, 6);
	assert_int_equal(config.wait_clients, 3);
	assert_int_equal(config.copy_budget_percent, 7);
	assert_int_equal(config.attach_rate, 5);
	assert_int_equal(config.private_streams_max, 2);
	assert_int_equal(config.clients_max, 9);
	assert_true(place("io")->by == CONFIG_BY_FILE && place("io")->file == 0 && place("io")->line == 1);
	assert_true(place("slots")->file == 1 && place("slots")->column == 11);
	assert_true(place("copy_budget")->file == 2 && place("copy_budget")->line == 3 &&
		    place("copy_budget")->column == 19);
	assert_int_equal(place("wait_clients")->file, 3);
	assert_int_equal(place("clients_max")->by, CONFIG_BY_OPTION);
	assert_int_equal(place("size")->by, CONFIG_BY_DEFAULT);
}

/* Nothing need be there, and what is no drop-in is left alone. */
static void test_other_files(void **state)
{
	static const char *const names[] = { ".hidden.json", "a.json~", "a.JSON", "a.json.dpkg-new", ".json", "json" };

	(void)state;
	expect_good("");
	assert_int_equal(config.file_count, 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "etc/cam0.json.d/%s", names[i]);
		write_file(path, "no JSON");
	}
	expect_good("");
	assert_int_equal(config.file_count, 0);
	assert_int_equal(rename("etc/cam0.json.d", "etc/cam1.json.d"), 0);
	write_file("etc/cam0.json.d", "a file where a directory is looked for");
	expect_good("");
	expect_good("--config-dir etc/cam0.json.d");
}

/* Of each camera its own files; with --config no other than that. */
static void test_which_files(void **state)
{
	(void)state;
	write_file("vendor.json", "{\"slots\": 5}");
	write_file("etc/cam0.json", "{\"slots\": 6, \"camera\": \"cam0\"}");
	write_file("etc/left.json", "{\"slots\": 7}");
	write_file("one.json", "{\"io\": \"epoll\", \"camera\": \"other\"}");
	expect_good("");
	assert_int_equal(config.slot_count, 6);
	expect_good("--camera left");
	assert_int_equal(config.slot_count, 7);
	assert_string_equal(config.camera, "left");
	expect_good("--camera right");
	assert_int_equal(config.slot_count, 5);
	expect_good("--config one.json");
	assert_int_equal(config.slot_count, 0);
	assert_string_equal(config.camera, "other");
	expect_files(1, (const char *const[]){ "one.json" });
	expect_good("--config one.json --camera left");
	assert_string_equal(config.camera, "left");
	expect_good("--config-dir /nowhere --camera left");
	assert_int_equal(config.slot_count, 5);
	/* A name that is none leads to no file. */
	write_file("etc/Left.json", "no JSON");
	EXPECT_FAULTS("--camera Left", "--camera: \"Left\" is not a name: 1 to 32 of a-z, 0-9, _ and -");
	write_file("etc/cam0.json", "{\n \"camera\": \"cam1\"}");
	EXPECT_FAULTS("", "etc/cam0.json:2:12: camera: the camera is cam0, by --camera or its default, and its files "
			  "cannot change that: leave this key out");
	/* A number is a name too; what it leads to is not read either. */
	write_file("vendor.json", "{\"camera\": 1}");
	write_file("etc/cam0.json", "{\"slots\": 6}");
	write_file("etc/1.json", "no JSON");
	EXPECT_FAULTS("", "vendor.json:1:12: camera: the camera is cam0, by --camera or its default, and its files "
			  "cannot change that: leave this key out");
	assert_string_equal(config.camera, "cam0");
	assert_int_equal(config.slot_count, 6);
}

static void test_environment(void **state)
{
	char *words[] = { (char[]){ "lumaringd" }, NULL };

	(void)state;
	write_file("etc/cam0.json", "{\"slots\": 6, \"runtime_dir\": \"run\"}");
	assert_int_equal(mkdir("etc2", 0755), 0);
	write_file("etc2/cam0.json", "{\"slots\": 7, \"runtime_dir\": \"run\"}");
	setenv("LUMARING_CONFIG_DIR", "etc2", 1);
	config_clear(&config);
	config_faults_clear(&faults);
	assert_int_equal(config_load(1, words, &config, &faults), 0);
	assert_int_equal(config.slot_count, 7);
	expect_good(""); /* --config-dir etc */
	assert_int_equal(config.slot_count, 6);
	unsetenv("LUMARING_CONFIG_DIR");
}

/* null is the default again, of whatever kind; false and an empty list are values. */
static void test_taken_back(void **state)
{
	(void)state;
	write_file("vendor.json",
		   "{\"source\": \"replay:-\", \"size\": \"64x48\", \"framerate\": \"15-56\", \"unpaced\": false, "
		   "\"loop\": true, \"slots\": 9, \"private_bytes\": 1, \"exposure_us\": 5, \"contrast_milli\": 6, "
		   "\"auto_exposure\": true, \"copy_affinity\": \"0\", \"copy_scheduling\": \"rr:5\", "
		   "\"copy_threads\": 3, "
		   "\"pixel_format\": \"R10\", \"runtime_dir\": \"there\", \"streams\": [{\"name\": \"a\"}, {\"name\": "
		   "\"b\"}]}");
	expect_good("--runtime-dir run");
	assert_true(config.loop);
	assert_int_equal(config.controls.given, SOURCE_BIT(SOURCE_EXPOSURE_US) | SOURCE_BIT(SOURCE_CONTRAST_MILLI) |
							SOURCE_BIT(SOURCE_AUTO_EXPOSURE));
	write_file(
		"etc/cam0.json",
		"{\"source\": null, \"size\": null, \"framerate\": null, \"loop\": false, \"slots\": null, "
		"\"private_bytes\": null, \"exposure_us\": null, \"copy_affinity\": null, \"copy_scheduling\": null, "
		"\"copy_threads\": null, \"pixel_format\": null, \"streams\": null}");
	expect_good("");
	assert_string_equal(config.source, "libcamera");
	assert_int_equal(config.width | config.height | config.slot_count | config.copy.threads, 0);
	assert_int_equal(config.frame_duration_min_ns | config.frame_duration_max_ns, 0);
	assert_string_equal(config.framerate, "");
	assert_true(!config.unpaced && !config.loop);
	assert_int_equal(config.private_bytes_max, LIMIT_PRIVATE_BYTES);
	assert_int_equal(config.controls.given, SOURCE_BIT(SOURCE_CONTRAST_MILLI) | SOURCE_BIT(SOURCE_AUTO_EXPOSURE));
	assert_int_equal(CPU_COUNT(&config.copy.affinity), 0);
	assert_int_equal(config.copy.policy, COPY_POLICY_INHERITED);
	assert_null(config.layout.name);
	assert_int_equal(config.stream_count, 1);
	assert_string_equal(config.streams[0].name, "main");
	assert_int_equal(place("slots")->file, 1);
	write_file("etc/cam0.json", "{\"streams\": [{\"name\": \"c\", \"bin\": null}]}");
	expect_good("");
	assert_int_equal(config.stream_count, 1);
	assert_string_equal(config.streams[0].name, "c");
	write_file("etc/cam0.json", "{\"streams\": []}");
	expect_good("");
	assert_int_equal(config.stream_count, 0);
	write_file("etc/cam0.json.d/10.json", "{\"streams\": null}");
	expect_good("");
	assert_int_equal(config.stream_count, 1);
	assert_string_equal(config.streams[0].name, "main");
	expect_good("--stream d --stream e");
	assert_int_equal(config.stream_count, 2);
	assert_string_equal(config.streams[0].name, "d");
}

/* All files, and the command line behind them. */
static void test_all_faults(void **state)
{
	(void)state;
	write_file("vendor.json", "{\"slots\": 3,\n\"nonsense\": 1, \"io\": 7}");
	write_file("etc/cam0.json", "{\"size\": \"0x1\"\n");
	write_file("etc/cam0.json.d/a.json",
		   "{\"streams\": [{\"name\": \"a\", \"bin\": 3, \"slots\": 1},\n{\"name\": \"B\"},"
		   "\n7, {\"name\": \"a\"}], \"loop\": 1, \"loop\": true, \"clients_max\": 1e400}");
	write_file("etc/cam0.json.d/b.json", "");
	EXPECT_FAULTS(
		"--slots 70000 --bogus --exposure-us 0 --wait-clients 600", /* told of the options first */
		"--bogus is not an option of lumaringd, or has a value it does not take: see lumaringd --help",
		"vendor.json:1:11: slots: \"3\" is not a whole number, 4 to 65535",
		"vendor.json:2:13: nonsense: this key is not known (keys are the long options of lumaringd --help "
		"with _ for -, and \"streams\")",
		"vendor.json:2:22: io: \"7\" is not auto, uring or epoll",
		"etc/cam0.json:2:1: the text ends inside an object: } is missing",
		"etc/cam0.json.d/a.json:3:39: loop: this key stands there twice",
		"etc/cam0.json.d/a.json:3:60: clients_max: numbers reach from -9007199254740992 to "
		"9007199254740992, beyond them digits would be lost",
		"etc/cam0.json.d/a.json:1:35: streams[0].bin: \"3\" is not a whole number, 1 to 2",
		"etc/cam0.json.d/a.json:1:47: streams[0].slots: \"1\" is not a whole number, 4 to 65535",
		"etc/cam0.json.d/a.json:2:1: streams[1]: a stream needs a name, 1 to 32 of a-z, 0-9, _ and -, then "
		"nothing, =X,Y,W,H or ,KEY=VALUE",
		"etc/cam0.json.d/a.json:3:1: streams[2]: an object with a name is wanted",
		"etc/cam0.json.d/a.json:3:4: streams[3]: there are two streams \"a\"",
		"etc/cam0.json.d/a.json:3:28: loop: true or false is wanted",
		"etc/cam0.json.d/b.json:1:1: the text ends where a value is wanted",
		"--slots: \"70000\" is not a whole number, 4 to 65535",
		"--exposure-us: \"0\" is not a whole number, 1 to 1000000000");
	/* wait_clients 600 is more than 512, which is not what was meant by clients_max: that has been told. */
}

/* Rules between settings name the place of the first of them that somebody said. */
static void test_rules(void **state)
{
	(void)state;
	write_file("vendor.json", "{\"wait_clients\": 4}");
	write_file("etc/cam0.json",
		   "{\"clients_max\": 3,\n\"size\": \"64x48\", \"source\": \"synthetic\", \"row_bytes\": 64,"
		   "\n\"streams\": [{\"name\": \"a\"},\n {\"name\": \"b\", \"region\": \"60,0,5,1\"}]}");
	EXPECT_FAULTS(
		"--clients-per-uid 4 --unpaced --framerate 5 --stream c=0,0,65,1 --luma-range full",
		"etc/cam0.json:2:54: row_bytes: this is for the source raw alone, not for synthetic",
		"--luma-range: this is for the source raw alone, not for synthetic",
		"--framerate: framerate and unpaced exclude each other: give one of them",
		"vendor.json:1:18: wait_clients: wait-clients 4 is more than clients-max 3: nothing would ever start",
		"--clients-per-uid: clients-per-uid 4 is more than clients-max 3: no uid would ever reach it",
		"--stream: stream c: region 0,0,65,1 does not lie inside the image of 64x48");
	EXPECT_FAULTS(
		"--clients-max 5", "etc/cam0.json:2:54: row_bytes: this is for the source raw alone, not for synthetic",
		"etc/cam0.json:4:2: streams[1]: stream b: region 60,0,5,1 does not lie inside the image of 64x48");
	EXPECT_FAULTS(
		"--config /dev/null --clients-max 5",
		"/dev/null: everybody may write to it (mode 0666), and it is not read: change that with chmod o-w");
	write_file("one.json", "{\"clients_max\": 5, \"source\": \"raw:-\", \"wait_clients\": 6}");
	EXPECT_FAULTS(
		"--config one.json",
		"one.json:1:30: source: source raw: the frames do not say what they are: give size and pixel-format",
		"one.json:1:55: wait_clients: wait-clients 6 is more than clients-max 5: nothing would ever start");
	EXPECT_FAULTS(
		"--config one.json --clients-max 0", "--clients-max: \"0\" is not a whole number, 1 to 16384",
		"one.json:1:30: source: source raw: the frames do not say what they are: give size and pixel-format");
}

static void test_trust(void **state)
{
	(void)state;
	write_file("etc/cam0.json.d/a.json", "{\"slots\": 6}");
	assert_int_equal(chmod("etc/cam0.json.d/a.json", 0602), 0);
	EXPECT_FAULTS("",
		      "etc/cam0.json.d/a.json: everybody may write to it (mode 0602), and it is not read: change that "
		      "with chmod o-w");
	assert_int_equal(chmod("etc/cam0.json.d/a.json", 0664), 0);
	expect_good("");
	assert_int_equal(config.slot_count, 6);
	assert_int_equal(chmod("etc/cam0.json.d", 01777), 0);
	assert_int_equal(load(""), -EINVAL);
	assert_non_null(strstr(faults.lines[0], "etc/cam0.json.d: the directory belongs neither to root nor to uid "));
	assert_int_equal(config.slot_count, 0);
	assert_int_equal(chmod("etc/cam0.json.d", 0775), 0);
	expect_good("");
	if (geteuid() == 0) {
		assert_int_equal(chown("etc/cam0.json.d/a.json", 12345, 0), 0);
		EXPECT_FAULTS("",
			      "etc/cam0.json.d/a.json: it belongs to uid 12345, not to uid 0 or root, and is not read: "
			      "change that with chown");
		assert_int_equal(chown("etc/cam0.json.d", 12345, 0), 0);
		assert_int_equal(load(""), -EINVAL);
		assert_int_equal(chown("etc/cam0.json.d", 0, 0), 0);
	}
	assert_int_equal(unlink("etc/cam0.json.d/a.json"), 0);
	assert_int_equal(symlink("nowhere", "etc/cam0.json.d/a.json"), 0);
	EXPECT_FAULTS("", "cannot read etc/cam0.json.d/a.json: it leads nowhere, or has just been removed");
}

/* As many drop-ins as there may be, and one more; as many sentences, and one more. */
static void test_limits(void **state)
{
	char text[LIMIT_CONFIG_FAULTS * 16] = "{";

	(void)state;
	for (unsigned i = 0; i <= LIMIT_CONFIG_FILES; i++) {
		char path[64];

		if (i == LIMIT_CONFIG_FILES) {
			expect_good("");
			assert_int_equal(config.file_count, LIMIT_CONFIG_FILES);
		}
		snprintf(path, sizeof(path), "etc/cam0.json.d/%u.json", i);
		write_file(path, "{}");
	}
	EXPECT_FAULTS("", "etc/cam0.json.d: there are more than 64 files in it: put some of them together");
	for (unsigned i = 0; i < LIMIT_CONFIG_FAULTS; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\"no%u\": 1", i ? ", " : "", i);
	strcat(text, "}");
	write_file("one.json", text);
	assert_int_equal(load("--config one.json"), -EINVAL);
	assert_int_equal(faults.count, LIMIT_CONFIG_FAULTS);
	assert_int_equal(faults.more, 0);
	assert_int_equal(load("--config one.json --slots 3"), -EINVAL);
	assert_int_equal(faults.count, LIMIT_CONFIG_FAULTS);
	assert_int_equal(faults.more, 1);
	config_faults_clear(&faults);
	assert_true(config_is_good(&faults));
}

static void test_camera_number(void **state)
{
	static const struct {
		const char *words, *path;
	} cases[] = {
		{ "", "0" },
		{ "--camera cam7", "7" },
		{ "--camera cam12", "12" },
		{ "--camera cam999999999", "999999999" },
		{ "--camera cam1000000000", "" },
		{ "--camera cam", "" },
		{ "--camera cam01", "" },
		{ "--camera cam1a", "" },
		{ "--camera xcam1", "" },
		{ "--camera left", "" },
		{ "--camera cam7 --source libcamera:/base/soc/i2c0mux/imx708@1a", "/base/soc/i2c0mux/imx708@1a" },
		{ "--camera cam7 --source libcamera:3", "3" },
		{ "--camera cam7 --source synthetic", "" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect_good(cases[i].words);
		assert_string_equal(config.source_path, cases[i].path);
	}
}

/* The shown configuration as a file, with nothing else said: it is shown again, and nothing differs. */
static void check_shown(const char *words)
{
	static struct config again;
	char *arguments[] = { (char[]){ "lumaringd" }, (char[]){ "--config" }, (char[]){ "one.json" }, NULL };
	struct config_changes changes;
	char *text, *second;

	expect_good(words);
	text = config_text(&config);
	assert_non_null(text);
	write_file("one.json", text);
	config_faults_clear(&faults);
	if (config_load(3, arguments, &again, &faults) != 0)
		fail_msg("%s: %s", text, faults.lines[0]);
	second = config_text(&again);
	assert_string_equal(text, second);
	assert_int_equal(config_compare(&config, &again, &changes), 0);
	assert_int_equal(changes.live_count + changes.restart_count, 0);
	assert_int_equal(again.frame_duration_min_ns, config.frame_duration_min_ns);
	assert_int_equal(again.gid, config.gid);
	assert_int_equal(again.control_gid, config.control_gid);
	free(text);
	free(second);
	config_clear(&again);
}

#define EVERYTHING                                                                                                     \
	"--camera left-eye_2 --source raw:/a:b/c\\d\"e --size 2304x1296 --pixel-format nv12 --row-bytes 1M "           \
	"--frame-bytes 4G --luma-range limited --framerate 30000/1001-56.5 --loop --exposure-us 1000000000 "           \
	"--analogue-gain-milli 1 --auto-exposure false --exposure-value-milli -8000 --brightness-milli -1 "            \
	"--contrast-milli 0 --sharpness-milli 32000 --scaler-crop-x 0 --scaler-crop-y 1 "                              \
	"--scaler-crop-width 65535 --scaler-crop-height 2 --stream "                                                   \
	"a=1,2,3,4,format=R16,bin=2,max_size=5x6,slots=7,always=true "                                                 \
	"--stream b,format=r8,bin=1 --slots 65535 --ring-bytes 9223372036854775807 --private-bytes 9007199254740993 "  \
	"--private-streams 0 --runtime-dir run/x --io uring --wait-clients 1 --clients-max 2 --clients-per-uid 1 "     \
	"--attach-rate 1 --control-connections 1 --control-message-bytes 1M --control-depth 8 --control-values 4096 "  \
	"--control-rate 7 --control-message-ms 100 --size-change-rate 1000 --copy-threads 16 --copy-budget 100 "       \
	"--copy-affinity 0-2,5,7,1021-1023 --copy-scheduling fifo:99"

static void test_shown(void **state)
{
	const char *group = getgrgid(0)->gr_name;
	char words[2048], list[CPU_SETSIZE * 5 + 64] = "--copy-affinity 0";

	(void)state;
	check_shown("");
	check_shown("--framerate 29.97 --source libcamera:/base/soc/i2c");
	check_shown("--buffers uncached --buffer-count 64 --sensor-mode 4608x2592:10");
	check_shown("--buffers auto --buffer-count 0 --sensor-mode 1x65535");
	check_shown("--source synthetic --unpaced --copy-scheduling other --auto-exposure true");
	snprintf(words, sizeof(words), EVERYTHING " --group %s --control-group %s", group, group);
	/* 2304x1296 of NV12 in rows of a megabyte and frames of four gigabytes fits. */
	check_shown(words);
	for (unsigned cpu = 2; cpu < CPU_SETSIZE; cpu += 2) /* the longest list */
		snprintf(list + strlen(list), sizeof(list) - strlen(list), ",%u", cpu);
	check_shown(list);
}

static void expect_names(const struct config_setting *const *settings, unsigned count, const char *names)
{
	char text[1024] = "", key[CONFIG_KEY_BYTES];

	for (unsigned i = 0; i < count; i++) {
		config_key(settings[i], key, sizeof(key));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", key);
	}
	assert_string_equal(text, names);
}

/* Which settings can change live; each is named when it differs, and no other. */
static void test_compare(void **state)
{
	static struct config next;
	struct config_changes changes;

	(void)state;
	expect_good("");
	assert_int_equal(load_into(&next, EVERYTHING), 0);
	assert_int_equal(config_compare(&config, &next, &changes), 0);
	expect_names(changes.live, changes.live_count,
		     "size pixel_format framerate exposure_us analogue_gain_milli auto_exposure exposure_value_milli "
		     "brightness_milli contrast_milli sharpness_milli scaler_crop_x scaler_crop_y scaler_crop_width "
		     "scaler_crop_height streams slots private_bytes private_streams "
		     "size_change_rate");
	expect_names(changes.restart, changes.restart_count,
		     "camera source row_bytes frame_bytes luma_range loop ring_bytes runtime_dir io wait_clients "
		     "clients_max clients_per_uid attach_rate control_connections control_message_bytes control_depth "
		     "control_values control_rate control_message_ms copy_threads copy_budget copy_affinity "
		     "copy_scheduling");
	config_clear(&next);
	assert_int_equal(load_into(&next, "--source synthetic --unpaced"), 0);
	assert_int_equal(config_compare(&config, &next, &changes), 0);
	expect_names(changes.live, changes.live_count, "");
	expect_names(changes.restart, changes.restart_count, "source unpaced");
	config_clear(&next);
	assert_int_equal(load_into(&next, "--contrast-milli 0"), 0); /* given, though nothing but that it is */
	assert_int_equal(config_compare(&config, &next, &changes), 0);
	expect_names(changes.live, changes.live_count, "contrast_milli");
	config_clear(&next);
}

/* What can change is taken over; the rest differs still, and places and files are those of the new one. */
static void test_adopt(void **state)
{
	static struct config next;
	struct config_changes changes;

	(void)state;
	write_file("vendor.json", "{\"slots\": 5}");
	write_file("etc/cam0.json", "{\"exposure_us\": 7, \"contrast_milli\": 9}");
	expect_good("--source synthetic");
	write_file("etc/cam0.json", "{\"size\": \"64x48\", \"framerate\": 20, \"clients_max\": 5, \"exposure_us\": 8,\n"
				    "\"streams\": [{\"name\": \"a\"}, {\"name\": \"b\", \"bin\": 2}]}");
	write_file("etc/cam0.json.d/a.json", "{\"private_bytes\": 1}");
	assert_int_equal(load_into(&next, "--source synthetic"), 0);
	assert_int_equal(config_compare(&config, &next, &changes), 0);
	config_adopt(&config, &next, &changes);
	config_clear(&next);
	assert_int_equal(config.width, 64);
	assert_int_equal(config.frame_duration_max_ns, 50000000);
	assert_int_equal(config.controls.given, SOURCE_BIT(SOURCE_EXPOSURE_US));
	assert_int_equal(config.controls.values[SOURCE_EXPOSURE_US], 8);
	assert_int_equal(config.stream_count, 2);
	assert_int_equal(config.streams[1].bin, 2);
	assert_int_equal(config.streams[1].slot_count, 5);
	assert_int_equal(config.stream_places[1].line, 2);
	assert_int_equal(config.private_bytes_max, 1);
	assert_int_equal(config.clients_max, LIMIT_CLIENTS);
	expect_files(3, (const char *const[]){ "vendor.json", "etc/cam0.json", "etc/cam0.json.d/a.json" });
	assert_int_equal(place("private_bytes")->file, 2);
	assert_true(place("clients_max")->by == CONFIG_BY_FILE && place("clients_max")->file == 1);
	assert_int_equal(load_into(&next, "--source synthetic"), 0);
	assert_int_equal(config_compare(&config, &next, &changes), 0);
	expect_names(changes.live, changes.live_count, "");
	expect_names(changes.restart, changes.restart_count, "clients_max clients_per_uid");
	config_clear(&next);
}

/* A benchmark uses the size alone, and no files that --config does not name. */
static void test_benchmark(void **state)
{
	(void)state;
	write_file("etc/cam0.json", "no JSON");
	expect_good("--bench-camera --size 64x48");
	assert_int_equal(config.width, 64);
	EXPECT_FAULTS("--bench-camera --config etc/cam0.json",
		      "etc/cam0.json:1:1: a value is wanted: a string in quotes, "
		      "a number, true, false, null, an array or an object");
}

static int make_directory(void **state)
{
	unsetenv("LUMARING_CONFIG_DIR");
	umask(022);
	return mkdtemp(directory) && chdir(directory) == 0 ? remove_files(state) : -1;
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
		cmocka_unit_test_setup(test_order, remove_files),
		cmocka_unit_test_setup(test_other_files, remove_files),
		cmocka_unit_test_setup(test_which_files, remove_files),
		cmocka_unit_test_setup(test_environment, remove_files),
		cmocka_unit_test_setup(test_taken_back, remove_files),
		cmocka_unit_test_setup(test_all_faults, remove_files),
		cmocka_unit_test_setup(test_rules, remove_files),
		cmocka_unit_test_setup(test_trust, remove_files),
		cmocka_unit_test_setup(test_limits, remove_files),
		cmocka_unit_test_setup(test_camera_number, remove_files),
		cmocka_unit_test_setup(test_shown, remove_files),
		cmocka_unit_test_setup(test_compare, remove_files),
		cmocka_unit_test_setup(test_adopt, remove_files),
		cmocka_unit_test_setup(test_benchmark, remove_files),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
