/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli_line.c - the lines of `lumaring watch` and the totals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <lumaring/layout.h>

#include "../../client-lib/cli/amount.c"
#include "../../client-lib/cli/line.c"

static struct lumaring_frame sample(void)
{
	struct lumaring_frame frame;

	memset(&frame, 0, sizeof(frame));
	frame.width = 640;
	frame.height = 480;
	frame.stride = 704;
	frame.fourcc = LUMARING_FORMAT_R8;
	frame.epoch = UINT64_MAX;
	frame.sequence = 123;
	frame.publication = 120;
	frame.sensor_ns = 1;
	frame.ready_ns = 9007199254740993; /* 2^53 + 1: a double cannot hold it */
	frame.publish_ns = 3;
	frame.region = (struct lumaring_region){ 0, 0, 640, 480 };
	frame.image_width = 640;
	frame.image_height = 480;
	frame.bin = 1;
	frame.generation = 2;
	frame.pinned = 1;
	return frame;
}

static void test_json_frame(void **state)
{
	struct lumaring_frame frame = sample();
	struct line line;

	(void)state;
	line_frame_json(&line, &frame, 85);
	assert_string_equal(line.text,
			    "{\"sequence\":123,\"width\":640,\"height\":480,\"missed\":0,\"latency_us\":85,"
			    "\"epoch\":\"18446744073709551615\",\"publication\":120,\"stride\":704,\"fourcc\":\"R8  \","
			    "\"region\":{\"x\":0,\"y\":0,\"width\":640,\"height\":480},\"bin\":1,"
			    "\"generation\":2,"
			    "\"pinned\":true,"
			    "\"sensor_ns\":\"1\",\"ready_ns\":\"9007199254740993\",\"publish_ns\":\"3\","
			    "\"missed_by\":{}}\n");
	assert_int_equal(line.bytes, strlen(line.text));
}

static void test_json_missed(void **state)
{
	struct lumaring_frame frame = sample();
	struct line line;

	(void)state;
	frame.pinned = 0;
	frame.missed = 5;
	frame.missed_by[LUMARING_MISSED_UNREAD] = 1;
	frame.missed_by[LUMARING_MISSED_SKIPPED] = 4;
	frame.missed_by[13] = 7; /* a cause this library has no name for */
	line_frame_json(&line, &frame, 0);
	assert_non_null(strstr(line.text, "\"missed\":5,"));
	assert_non_null(strstr(line.text, "\"pinned\":false,"));
	assert_non_null(strstr(line.text, "\"missed_by\":{\"unread\":1,\"cause-13\":7,\"skipped\":4}}\n"));
}

/* Every field at its largest still fits, and the line ends as it should. */
static void test_json_largest(void **state)
{
	struct lumaring_frame frame;
	struct line line;

	(void)state;
	memset(&frame, 0xff, sizeof(frame));
	frame.fourcc = LUMARING_FORMAT_R16;
	line_frame_json(&line, &frame, UINT64_MAX);
	assert_in_range(line.bytes, 1, 1199);
	assert_string_equal(line.text + line.bytes - 3, "}}\n");
}

/* A fourcc from a daemon that lies does not break the line. */
static void test_json_fourcc(void **state)
{
	struct lumaring_frame frame = sample();
	struct line line;

	(void)state;
	frame.fourcc = LUMARING_FOURCC('"', '\\', '\n', 'z');
	line_frame_json(&line, &frame, 0);
	assert_non_null(strstr(line.text, "\"fourcc\":\"???z\","));
	frame.fourcc = 0;
	line_frame_json(&line, &frame, 0);
	assert_non_null(strstr(line.text, "\"fourcc\":\"????\","));
	frame.fourcc = LUMARING_FOURCC('R', '8', ' ', 0xb1); /* '1' with the high bit */
	line_frame_json(&line, &frame, 0);
	assert_non_null(strstr(line.text, "\"fourcc\":\"R8 ?\","));
}

static void test_json_events(void **state)
{
	struct line line;

	(void)state;
	line_event_json(&line, LUMARING_EVENT_CLOSED);
	assert_string_equal(line.text, "{\"event\":\"closed\"}\n");
	line_event_json(&line, 1000);
	assert_string_equal(line.text, "{\"event\":\"unknown\"}\n");
}

static void test_human(void **state)
{
	struct lumaring_frame frame = sample();
	struct line line;

	(void)state;
	line_frame(&line, &frame, 85);
	assert_string_equal(line.text, "     123  640x480  latency     85 us  missed 0\n");
	frame.image_width = 1280;
	frame.region = (struct lumaring_region){ 10, 20, 640, 480 };
	frame.missed = 3;
	frame.missed_by[LUMARING_MISSED_UNREAD] = 1;
	frame.missed_by[LUMARING_MISSED_SKIPPED] = 2;
	line_frame(&line, &frame, 85);
	assert_string_equal(line.text, "     123  640x480+10+20  latency     85 us  missed 3 (unread 1, skipped 2)\n");
	frame = sample();
	frame.fourcc = LUMARING_FORMAT_R16;
	line_frame(&line, &frame, 85);
	assert_string_equal(line.text, "     123  640x480 R16  latency     85 us  missed 0\n");
	frame.bin = 2;
	frame.region = (struct lumaring_region){ 0, 2, 1280, 960 };
	line_frame(&line, &frame, 85);
	assert_string_equal(line.text, "     123  640x480+0+2 R16 bin 2  latency     85 us  missed 0\n");
}

static void test_tally(void **state)
{
	struct lumaring_frame frame = sample();
	struct tally tally = { 0 };
	struct line line;

	(void)state;
	line_tally(&line, &tally);
	assert_string_equal(line.text, "0 frames, 0 missed");
	tally_add(&tally, &frame);
	line_tally(&line, &tally);
	assert_string_equal(line.text, "1 frame, 0 missed");
	frame.missed = 3;
	frame.missed_by[LUMARING_MISSED_UNREAD] = 1;
	frame.missed_by[LUMARING_MISSED_SKIPPED] = 2;
	frame.missed_by[LUMARING_MISSED_SENSOR] = 4;
	tally_add(&tally, &frame);
	tally_add(&tally, &frame);
	line_tally(&line, &tally);
	assert_string_equal(line.text, "3 frames, 6 missed (unread 2, skipped 4), 8 lost before capture (sensor 8)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_frame),   cmocka_unit_test(test_json_missed),
		cmocka_unit_test(test_json_largest), cmocka_unit_test(test_json_fourcc),
		cmocka_unit_test(test_json_events),  cmocka_unit_test(test_human),
		cmocka_unit_test(test_tally),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
