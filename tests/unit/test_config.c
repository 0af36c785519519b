/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config.c - daemon/config, config_table, config_file and options: where each setting ends up, from a file, from
 * the command line, and from both. Files over each other: test_config_load.c. What is refused, and in which words,
 * tests/e2e/test_config.py and test_daemon.py look at as well.
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
#include <unistd.h>

#include <cmocka.h>

#include "config_load.h"

#define WORDS_MAX 64

/* No file of this machine. */
const char config_vendor_file[] = "/nowhere/lumaringd.json";

static char path[] = "/tmp/lumaring-config.XXXXXX";
static struct config config;
static char error[4096 + 1024], device[64];

static void write_file(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Read a command line, given as one string of words. What is wrong is in `error`, a line each. */
static int read_words(const char *text, enum options_action *ret_action)
{
	char copy[1024], name[] = "lumaringd", *words[WORDS_MAX] = { name }, *rest = copy;
	struct config_faults faults = { 0 };
	struct options options;
	int count = 1, r;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word; (word = strsep(&rest, " ")) && count < WORDS_MAX - 1;)
		if (*word)
			words[count++] = word;
	error[0] = '\0';
	options_scan(count, words, &options, &faults);
	config_faults_clear(&faults);
	config_clear(&config);
	r = config_load(count, words, &config, &faults);
	assert_int_equal(r, config_is_good(&faults) ? 0 : -EINVAL);
	for (unsigned i = 0; i < faults.count; i++)
		snprintf(error + strlen(error), sizeof(error) - strlen(error), "%s\n", faults.lines[i]);
	config_faults_clear(&faults);
	*ret_action = options.action;
	snprintf(device, sizeof(device), "%s", options.device ? options.device : "none");
	return r;
}

static void expect_good(const char *text)
{
	enum options_action action;

	if (read_words(text, &action) != 0)
		fail_msg("%s: %s", text, error);
	assert_int_equal(action, OPTIONS_RUN);
}

static void expect_bad(const char *text, const char *sentence)
{
	enum options_action action;

	if (read_words(text, &action) >= 0 || !strstr(error, sentence))
		fail_msg("%s: \"%s\"", text, error);
}

static void test_defaults(void **state)
{
	(void)state;
	expect_good("--runtime-dir /nowhere");
	assert_string_equal(config.camera, "cam0");
	assert_string_equal(config.source, "libcamera");
	assert_string_equal(config.source_path, "0");
	assert_null(config.layout.name);
	assert_int_equal(config.row_bytes | config.frame_bytes | config.luma_range, 0);
	assert_int_equal(config.width, 0);
	assert_int_equal(config.height, 0);
	assert_int_equal(config.frame_duration_min_ns | config.frame_duration_max_ns, 0);
	assert_false(config.unpaced);
	assert_false(config.loop);
	assert_int_equal(config.stream_count, 1);
	assert_string_equal(config.streams[0].name, "main");
	assert_int_equal(config.streams[0].region.width, 0);
	assert_false(config.streams[0].always);
	assert_int_equal(config.slot_count, 0);
	assert_int_equal(config.ring_bytes_max, 0);
	assert_int_equal(config.private_bytes_max, 512u << 20);
	assert_int_equal(config.gid, (gid_t)-1);
	assert_int_equal(config.io, LOOP_AUTO);
	assert_int_equal(config.wait_clients, 0);
	assert_int_equal(config.clients_max, 512);
	assert_int_equal(config.clients_per_uid, 256);
	assert_int_equal(config.attach_rate, 200);
	assert_int_equal(config.private_streams_max, 64);
	assert_int_equal(config.copy.threads, 0);
	assert_int_equal(CPU_COUNT(&config.copy.affinity), 0);
	assert_int_equal(config.copy.policy, COPY_POLICY_INHERITED);
	assert_int_equal(config.copy_budget_percent, 25);
}

/* The same values from the command line and from the file. */
static void check_all(const char *group)
{
	assert_string_equal(config.camera, "left-eye_2");
	assert_string_equal(config.source, "replay");
	assert_string_equal(config.source_path, "/a:b/c.y4m");
	assert_int_equal(config.width, 2304);
	assert_int_equal(config.height, 1296);
	assert_int_equal(config.frame_duration_min_ns, 33366667);
	assert_int_equal(config.frame_duration_max_ns, 33366667);
	assert_true(config.loop);
	assert_int_equal(config.slot_count, 12);
	assert_int_equal(config.ring_bytes_max, 3ull << 30);
	assert_int_equal(config.private_bytes_max, 64 << 10);
	assert_string_equal(config.runtime_dir, "/run/there");
	assert_string_equal(config.group, group);
	assert_int_equal(config.gid, getgrnam(group)->gr_gid);
	assert_int_equal(config.io, LOOP_EPOLL);
	assert_int_equal(config.wait_clients, 3);
	assert_int_equal(config.clients_max, 16384);
	assert_int_equal(config.clients_per_uid, 100);
	assert_int_equal(config.attach_rate, 1000000);
	assert_int_equal(config.private_streams_max, 7);
	assert_int_equal(config.copy.threads, 3);
	assert_int_equal(CPU_COUNT(&config.copy.affinity), 3);
	assert_true(CPU_ISSET(0, &config.copy.affinity) && CPU_ISSET(2, &config.copy.affinity) &&
		    CPU_ISSET(3, &config.copy.affinity));
	assert_int_equal(config.copy.policy, SCHED_FIFO);
	assert_int_equal(config.copy.priority, 50);
	assert_int_equal(config.copy_budget_percent, 40);
	assert_int_equal(config.stream_count, 2);
	assert_string_equal(config.streams[0].name, "main");
	assert_int_equal(config.streams[0].slot_count, 12);
	assert_string_equal(config.streams[1].name, "ball");
	assert_memory_equal(&config.streams[1].region, (&(struct region){ 100, 80, 64, 32 }), sizeof(struct region));
}

static void test_all(void **state)
{
	const char *group = getgrgid(0)->gr_name;
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text),
		 "--camera left-eye_2 --source replay:/a:b/c.y4m --size 2304x1296 --framerate 30000/1001 --loop "
		 "--slots 12 --ring-bytes 3G --private-bytes 64k --runtime-dir /run/there --group %s --io epoll "
		 "--wait-clients 3 --clients-max 16384 --clients-per-uid 100 "
		 "--attach-rate 1000000 --private-streams 7 --copy-threads 3 --copy-affinity 0,2-3 "
		 "--copy-scheduling fifo:50 --copy-budget 40 --stream main --stream ball=100,80,64,32",
		 group);
	expect_good(text);
	check_all(group);
	snprintf(text, sizeof(text),
		 "{\"camera\": \"left-eye_2\", \"source\": \"replay:/a:b/c.y4m\", \"size\": \"2304x1296\","
		 "\"framerate\": \"30000/1001\", \"loop\": true, \"unpaced\": false, \"slots\": 12,"
		 "\"ring_bytes\": \"3G\", \"private_bytes\": 65536, \"runtime_dir\": \"/run/there\", \"group\": \"%s\","
		 "\"io\": \"epoll\","
		 "\"wait_clients\": \"3\", \"clients_max\": 16384, \"clients_per_uid\": 100,"
		 "\"attach_rate\": 1000000, \"private_streams\": 7, \"copy_threads\": 3,"
		 "\"copy_affinity\": \"0,2-3\", \"copy_scheduling\": \"fifo:50\", \"copy_budget\": 40, \"streams\": "
		 "[{\"name\": \"main\"},"
		 "{\"name\": \"ball\", \"region\": \"100,80,64,32\"}]}",
		 group);
	write_file(text);
	snprintf(text, sizeof(text), "--config %s", path);
	expect_good(text);
	check_all(group);
}

static void check_raw(void)
{
	assert_string_equal(config.source, "raw");
	assert_string_equal(config.source_path, "-");
	assert_string_equal(config.layout.name, "NV12");
	assert_int_equal(config.layout.pixels, PIXELS_R8);
	assert_int_equal(config.layout.chroma, PIXELS_CHROMA_420);
	assert_int_equal(config.row_bytes, 1 << 20);
	assert_int_equal(config.frame_bytes, 4ull << 30);
	assert_int_equal(config.luma_range, LUMARING_RANGE_LIMITED);
}

/* What is said of frames that say nothing themselves, limits at their value and one beyond. */
static void test_raw(void **state)
{
	char text[128];

	(void)state;
	expect_good("--runtime-dir . --source raw:- --size 640x480 --pixel-format nv12 --row-bytes 1M --frame-bytes 4G "
		    "--luma-range limited");
	check_raw();
	write_file("{\"source\": \"raw:-\", \"size\": \"640x480\", \"pixel_format\": \"NV12\", \"row_bytes\": 1048576,"
		   "\"frame_bytes\": 4294967296, \"luma_range\": \"limited\", \"runtime_dir\": \".\"}");
	snprintf(text, sizeof(text), "--config %s", path);
	expect_good(text);
	check_raw();
	expect_good("--runtime-dir . --source raw:/dev/video-pipe --size 1x1 --pixel-format R8 --luma-range full");
	assert_int_equal(config.luma_range, LUMARING_RANGE_FULL);
	expect_bad("--row-bytes 1048577", "--row-bytes: \"1048577\" is not a number of bytes");
	expect_bad("--row-bytes 0", "1 to 1048576");
	expect_bad("--frame-bytes 4294967297", "1 to 4294967296");
	expect_bad("--frame-bytes 0", "1 to 4294967296");
	expect_bad("--luma-range FULL", "--luma-range: \"FULL\" is not full or limited");
	expect_bad("--pixel-format RGB",
		   "--pixel-format: \"RGB\" is none of R8, R10, R12, R16, R10_CSI2P, R12_CSI2P, "
		   "YUYV, YVYU, UYVY, VYUY, RGB24, BGR24, XRGB8888, XBGR8888, NV12, NV21, YUV420");
	expect_bad("--runtime-dir . --source raw:- --size 640x480", "give size and pixel-format");
	expect_bad("--runtime-dir . --source raw:- --pixel-format R8", "give size and pixel-format");
	expect_bad("--source raw", "is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE");
	expect_bad("--source raw:", "is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE");
	expect_bad("--source raws:-", "is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE");
	expect_bad("--source replay:- --row-bytes 8", "this is for the source raw alone");
	expect_bad("--source synthetic --frame-bytes 8",
		   "--frame-bytes: this is for the source raw alone, not for synthetic");
	expect_bad("--source synthetic --luma-range full", "this is for the source raw alone");
	expect_bad("--unpaced", "--unpaced: this is for the sources replay, raw and synthetic, not for libcamera");
	expect_bad("--loop", "--loop: this is for the sources replay and raw, not for libcamera");
	expect_bad("--source synthetic --loop", "--loop: this is for the sources replay and raw, not for synthetic");
	expect_good("--runtime-dir . --source synthetic --unpaced");
	expect_good("--runtime-dir . --source replay:- --unpaced --loop");
	expect_good("--runtime-dir . --source raw:- --size 8x8 --pixel-format R8 --unpaced --loop");
}

static void test_streams_of_the_file(void **state)
{
	char text[128];

	(void)state;
	write_file("{\"slots\": 9, \"runtime_dir\": \".\", \"source\": \"synthetic\", \"unpaced\": true, \"streams\": ["
		   "{\"name\": \"a\", \"max_size\": \"640x480\", \"slots\": 20, \"always\": true},"
		   "{\"name\": \"b\", \"always\": false}, {\"name\": 7}]}");
	snprintf(text, sizeof(text), "--config %s", path);
	expect_good(text);
	assert_true(config.unpaced);
	assert_int_equal(config.stream_count, 3);
	assert_int_equal(config.streams[0].width_max, 640);
	assert_int_equal(config.streams[0].height_max, 480);
	assert_int_equal(config.streams[0].slot_count, 20);
	assert_true(config.streams[0].always);
	assert_int_equal(config.streams[1].width_max, 0);
	assert_int_equal(config.streams[1].slot_count, 9);
	assert_false(config.streams[1].always);
	assert_string_equal(config.streams[2].name, "7");
}

static void check_streams(void)
{
	const struct stream_config *s = config.streams;

	assert_int_equal(config.stream_count, 4);
	assert_string_equal(s[0].name, "main");
	assert_int_equal(s[0].fourcc, LUMARING_FORMAT_R16);
	assert_int_equal(s[0].bin, 2);
	assert_int_equal(s[0].region.width, 0);
	assert_string_equal(s[1].name, "ball");
	assert_memory_equal(&s[1].region, (&(struct region){ 1, 2, 3, 4 }), sizeof(struct region));
	assert_int_equal(s[1].fourcc, LUMARING_FORMAT_R8);
	assert_int_equal(s[1].bin, 1);
	assert_int_equal(s[1].slot_count, 65535);
	assert_int_equal(s[1].width_max, 640);
	assert_int_equal(s[1].height_max, 480);
	assert_true(s[1].always);
	assert_string_equal(s[2].name, "plain");
	assert_int_equal(s[2].fourcc | s[2].bin, 0);
	assert_string_equal(s[3].name, "low");
	assert_int_equal(s[3].fourcc, LUMARING_FORMAT_R16);
	assert_false(s[3].always);
}

/* What a stream is like, on the command line and in the file. */
static void test_streams(void **state)
{
	char text[512];

	(void)state;
	expect_good("--runtime-dir . --stream main,format=R16,bin=2 --stream "
		    "ball=1,2,3,4,format=R8,bin=1,slots=65535,max_size=640x480,always=true --stream plain --stream "
		    "low,format=r16,always=false");
	check_streams();
	write_file("{\"runtime_dir\": \".\", \"streams\": [{\"name\": \"main\", \"format\": \"R16\", \"bin\": 2},"
		   "{\"name\": \"ball\", \"region\": \"1,2,3,4\", \"format\": \"R8\", \"bin\": 1, \"slots\": 65535,"
		   "\"max_size\": \"640x480\", \"always\": true}, {\"name\": \"plain\"},"
		   "{\"name\": \"low\", \"format\": \"r16\", \"always\": false}]}");
	snprintf(text, sizeof(text), "--config %s", path);
	expect_good(text);
	check_streams();
	expect_bad("--stream a,format=R10", "--stream: format: \"R10\" is not R8 or R16");
	expect_bad("--stream a,format=", "--stream: format: \"\" is not R8 or R16");
	expect_bad("--stream a,bin=0", "--stream: bin: \"0\" is not a whole number, 1 to 2");
	expect_bad("--stream a,bin=3", "--stream: bin: \"3\" is not a whole number, 1 to 2");
	expect_bad("--stream a,always", "--stream: \"always\" is not KEY=VALUE");
	expect_bad("--stream a,always=yes", "--stream: always: \"yes\" is not true or false");
	expect_bad("--stream a,slots=3", "--stream: slots: \"3\" is not a whole number, 4 to 65535");
	expect_bad("--stream a,name=b", "--stream: name: this key is not known");
	expect_bad("--stream a,", "--stream: \"\" is not KEY=VALUE");
	expect_bad("--stream a,bin=1,", "--stream: \"\" is not KEY=VALUE");
	expect_bad("--stream a=1,2,3,4,", "--stream: \"\" is not KEY=VALUE");
	expect_bad("--stream a=1,2,3,4,5", "--stream: \"5\" is not KEY=VALUE");
	expect_bad("--stream a=bin=2", "--stream: \"bin=2\" is not X,Y,WIDTH,HEIGHT");
	expect_bad("--stream a=1,2,bin=2", "--stream: \"1,2,bin=2\" is not X,Y,WIDTH,HEIGHT");
	expect_bad("--stream ,bin=2", "--stream: a stream needs a name");
}

/* Positions and sizes at their limits and one beyond, and a text of 255 bytes and of 256. */
static void test_stream_limits(void **state)
{
	char text[400];

	(void)state;
	expect_good("--runtime-dir . --stream a=65535,65535,65535,65535 --stream b=0,0,1,1");
	assert_int_equal(config.streams[0].region.x, 65535);
	expect_bad("--stream a=65536,0,1,1", "X and Y 0 to 65535, WIDTH and HEIGHT 1 to 65535");
	expect_bad("--stream a=0,65536,1,1", "is not X,Y,WIDTH,HEIGHT");
	expect_bad("--stream a=0,0,65536,1", "is not X,Y,WIDTH,HEIGHT");
	expect_bad("--stream a=0,0,1,65536", "is not X,Y,WIDTH,HEIGHT");
	expect_bad("--stream a=0,0,0,1", "is not X,Y,WIDTH,HEIGHT");
	expect_bad("--stream a=0,0,1,0", "is not X,Y,WIDTH,HEIGHT");
	expect_bad("--stream a=-1,0,1,1", "is not X,Y,WIDTH,HEIGHT");
	expect_bad("--stream a=18446744073709551616,0,1,1", "is not X,Y,WIDTH,HEIGHT");
	snprintf(text, sizeof(text), "--runtime-dir . --stream a,slots=%0247u", 8);
	expect_good(text);
	assert_int_equal(config.streams[0].slot_count, 8);
	snprintf(text, sizeof(text), "--runtime-dir . --stream a,slots=%0248u", 8);
	expect_bad(text, "has more than 255 bytes");
}

/* Wherever --config stands among the options; streams are replaced as a whole. */
static void test_command_line_wins(void **state)
{
	char text[256];

	(void)state;
	write_file("{\"slots\": 9, \"size\": \"10x10\", \"camera\": \"file\", \"runtime_dir\": \".\","
		   "\"streams\": [{\"name\": \"a\", \"slots\": 20}, {\"name\": \"b\"}]}");
	snprintf(text, sizeof(text), "--slots 5 --stream b=1,2,3,4 --config %s --size 20x30", path);
	expect_good(text);
	assert_string_equal(config.camera, "file");
	assert_int_equal(config.width, 20);
	assert_int_equal(config.height, 30);
	assert_int_equal(config.slot_count, 5);
	assert_int_equal(config.stream_count, 1);
	assert_string_equal(config.streams[0].name, "b");
	assert_int_equal(config.streams[0].region.x, 1);
	assert_int_equal(config.streams[0].slot_count, 5);
	snprintf(text, sizeof(text), "--config %s --slots 6", path);
	expect_good(text);
	assert_int_equal(config.stream_count, 2);
	assert_int_equal(config.streams[0].slot_count, 20);
	assert_int_equal(config.streams[1].slot_count, 6);
}

static void test_actions(void **state)
{
	enum options_action action;

	(void)state;
	assert_int_equal(read_words("--check-config --runtime-dir .", &action), 0);
	assert_int_equal(action, OPTIONS_CHECK);
	assert_true(read_words("--check-config --runtime-dir . --slots 3", &action) < 0);
	assert_int_equal(read_words("--bench-camera", &action), 0); /* needs no directory */
	assert_int_equal(action, OPTIONS_BENCH);
	assert_string_equal(device, "none");
	assert_int_equal(read_words("--size 640x480 --bench-camera=/dev/video0", &action), 0);
	assert_int_equal(action, OPTIONS_BENCH);
	assert_string_equal(device, "/dev/video0");
	assert_int_equal(config.width, 640);
	expect_bad("--bench-camera --size 0x480", "--size");
	expect_bad("--bench-camera /dev/video0", "\"/dev/video0\" is not an option");
	expect_bad("--nonsense", "--nonsense is not an option of lumaringd");
	expect_bad("--unpaced -xy", "-x is not an option of lumaringd");
	expect_bad("--slots", "--slots needs a value");
	expect_bad("--config /nowhere/at/all", "cannot read /nowhere/at/all: No such file or directory");
}

/* Limits at their value and one beyond. */
static void test_limits(void **state)
{
	char text[1024] = "--runtime-dir .";

	(void)state;
	for (unsigned i = 0; i < LIMIT_STREAMS; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " --stream s%u", i);
	expect_good(text);
	assert_int_equal(config.stream_count, LIMIT_STREAMS);
	strcat(text, " --stream one-more");
	expect_bad(text, "--stream: more than 16 streams");
	expect_good("--runtime-dir . --camera abcdefghijklmnopqrstuvwxyz012345 "
		    "--stream abcdefghijklmnopqrstuvwxyz012345");
	assert_int_equal(strlen(config.camera), LUMARING_NAME_MAX);
	assert_int_equal(strlen(config.streams[0].name), LUMARING_NAME_MAX);
	expect_bad("--camera abcdefghijklmnopqrstuvwxyz0123456", "is not a name");
	expect_bad("--stream abcdefghijklmnopqrstuvwxyz0123456", "a stream needs a name");
	expect_good("--runtime-dir . --clients-max 16384 --wait-clients 16384 --slots 65535 --framerate 10000");
	expect_bad("--clients-max 16385", "1 to 16384");
	expect_good("--runtime-dir . --clients-max 3 --clients-per-uid 3");
	expect_bad("--clients-max 3 --clients-per-uid 4", "clients-per-uid 4 is more than clients-max 3");
	expect_good("--runtime-dir . --clients-max 1");
	assert_int_equal(config.clients_per_uid, 1);
	expect_good("--runtime-dir . --clients-max 7");
	assert_int_equal(config.clients_per_uid, 3);
	expect_bad("--clients-per-uid 0", "1 to 16384");
	expect_good("--runtime-dir . --attach-rate 1000000 --private-streams 16384");
	expect_bad("--attach-rate 1000001", "1 to 1000000");
	expect_bad("--private-streams 16385", "0 to 16384");
	expect_bad("--slots 65536", "4 to 65535");
	expect_bad("--framerate 10000.000000001", "up to 10000");
	expect_good("--runtime-dir . --clients-max 1 --wait-clients 1 --slots 4 --private-bytes 0 --ring-bytes 1");
	expect_bad("--clients-max 1 --wait-clients 2", "wait-clients 2 is more than clients-max 1");
}

static void test_copy_threads(void **state)
{
	(void)state;
	expect_good("--runtime-dir . --copy-threads 1 --copy-budget 1");
	assert_int_equal(config.copy.threads, 1);
	assert_int_equal(config.copy_budget_percent, 1);
	expect_good("--runtime-dir . --copy-threads 16 --copy-budget 100");
	assert_int_equal(config.copy.threads, 16);
	assert_int_equal(config.copy_budget_percent, 100);
	expect_good("--runtime-dir . --copy-threads 4 --copy-threads auto");
	assert_int_equal(config.copy.threads, 0);
	expect_bad("--copy-threads 0", "--copy-threads: \"0\" is not auto or a whole number, 1 to 16");
	expect_bad("--copy-threads 17", "--copy-threads: \"17\" is not auto or a whole number, 1 to 16");
	expect_bad("--copy-threads all", "is not auto or a whole number, 1 to 16");
	expect_bad("--copy-budget 0", "1 to 100");
	expect_bad("--copy-budget 101", "--copy-budget: \"101\" is not a whole number, 1 to 100");
}

static void test_copy_affinity(void **state)
{
	static const char *const bad[] = { "1024", "0-1024", "3-2", "1,", ",1", "1-", "-1", "1--2", "all", "0x1" };

	(void)state;
	expect_good("--runtime-dir . --copy-affinity 1023");
	assert_int_equal(CPU_COUNT(&config.copy.affinity), 1);
	assert_true(CPU_ISSET(1023, &config.copy.affinity));
	expect_good("--runtime-dir . --copy-affinity 0-1023");
	assert_int_equal(CPU_COUNT(&config.copy.affinity), 1024);
	expect_good("--runtime-dir . --copy-affinity 5-5,1,1,4-6");
	assert_int_equal(CPU_COUNT(&config.copy.affinity), 4);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "--copy-affinity %s", bad[i]);
		expect_bad(text, "is not a list of CPUs, such as 0,2-3, each 0 to 1023");
	}
}

static void test_copy_scheduling(void **state)
{
	static const char *const bad[] = { "fifo:0", "fifo:100", "rr:0", "rr:100", "fifo",
					   "rr:",    "other:1",  "idle", "fifo:1x" };

	(void)state;
	expect_good("--runtime-dir . --copy-scheduling fifo:1");
	assert_int_equal(config.copy.policy, SCHED_FIFO);
	assert_int_equal(config.copy.priority, 1);
	expect_good("--runtime-dir . --copy-scheduling rr:99");
	assert_int_equal(config.copy.policy, SCHED_RR);
	assert_int_equal(config.copy.priority, 99);
	expect_good("--runtime-dir . --copy-scheduling rr:99 --copy-scheduling other");
	assert_int_equal(config.copy.policy, SCHED_OTHER);
	assert_int_equal(config.copy.priority, 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "--copy-scheduling %s", bad[i]);
		expect_bad(text, "is not other, fifo:PRIORITY or rr:PRIORITY, each PRIORITY 1 to 99");
	}
}

/* A refused value leaves what was set before. */
static void test_untouched(void **state)
{
	static struct config before;

	(void)state;
	for (unsigned i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];

		if (setting->argument == CONFIG_FLAG || !strcmp(setting->name, "runtime-dir"))
			continue;
		config_clear(&config);
		config_init(&config);
		memcpy(&before, &config, sizeof(config));
		assert_true(setting->set(setting, &config, setting->name, "no such value!", error, sizeof(error)) < 0);
		assert_non_null(strstr(error, setting->name));
		assert_memory_equal(&before, &config, sizeof(config));
	}
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	setenv("LUMARING_CONFIG_DIR", "/nowhere", 1);
	(void)state;
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : -1;
}

static int remove_file(void **state)
{
	(void)state;
	config_clear(&config);
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_stream_limits),
		cmocka_unit_test(test_streams_of_the_file),
		cmocka_unit_test(test_command_line_wins),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_copy_threads),
		cmocka_unit_test(test_copy_affinity),
		cmocka_unit_test(test_copy_scheduling),
		cmocka_unit_test(test_untouched),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
