/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_metrics.c - the text of `lumaring metrics` from given statuses: units, labels and what is in them, and what
 * is left out. Whether it is Prometheus' format as a whole, tests/e2e/test_metrics.py asks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../../client-lib/cli/metrics_text.c"

static char *printed;

static void print_json(const char *json, int wanted)
{
	size_t bytes = 0;
	FILE *memory;

	free(printed);
	memory = open_memstream(&printed, &bytes);
	assert_non_null(memory);
	assert_int_equal(metrics_text_print(json, memory), wanted);
	fclose(memory);
}

/* ' stands for ". */
static void print(const char *json)
{
	char *copy = strdup(json);

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	print_json(copy, 0);
	free(copy);
}

/* A whole line. */
static void expect(const char *line)
{
	char wanted[512];

	snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	if (!strstr(printed, wanted))
		fail_msg("no line '%s' in:\n%s", line, printed);
}

static void expect_none(const char *part)
{
	if (strstr(printed, part))
		fail_msg("'%s' is in:\n%s", part, printed);
}

static void test_units(void **state)
{
	(void)state;
	print("{'camera':'cam0','uptime_us':7380000001,'cpu_us':123456789012,'source':{'state':'live','captured':"
	      "9007199254740991,'measured_frame_duration_ns':17857142,'frame_duration_us':17857,'width':2304,"
	      "'height':1296,'device':{'completed':12,'restarts':1,'losses':2,'buffer_count':6,'buffer_bytes':4478976,"
	      "'callback_longest_ns':12345}},'bytes':{'rings':24117248}}");
	expect("lumaring_uptime_seconds{camera=\"cam0\"} 7380.000001");
	expect("lumaring_cpu_seconds_total{camera=\"cam0\"} 123456.789012");
	expect("lumaring_frames_captured_total{camera=\"cam0\"} 9007199254740991");
	expect("lumaring_frame_duration_seconds{camera=\"cam0\"} 0.017857142");
	expect("lumaring_frame_duration_wanted_seconds{camera=\"cam0\"} 0.017857");
	expect("lumaring_image_width_pixels{camera=\"cam0\"} 2304");
	expect("lumaring_device_requests_total{camera=\"cam0\"} 12");
	expect("lumaring_device_losses_total{camera=\"cam0\"} 2");
	expect("lumaring_device_callback_longest_seconds{camera=\"cam0\"} 1.2345e-05");
	expect("lumaring_rings_bytes{camera=\"cam0\"} 24117248");
	expect("# TYPE lumaring_cpu_seconds_total counter");
	expect("# TYPE lumaring_uptime_seconds gauge");
}

/* Each stream under one head; private ones not at all. */
static void test_streams(void **state)
{
	(void)state;
	print("{'camera':'cam0','streams':[{'name':'main','private':false,'published':10,'slots':8,'lost':{'unread':3,"
	      "'no_slot':0},'copy_us':{'count':4,'sum':1000,'p50':197,'p90':300,'p99':689,'max':700}},"
	      "{'name':'private-1','private':true,'published':99},"
	      "{'name':'ball','private':false,'published':20,'copy_us':{'count':0,'sum':0,'p50':0,'p90':0,'p99':0}}],"
	      "'clients':[{'stream':'main','lag':3},{'stream':'main','lag':7},{'stream':'private-1','lag':100}]}");
	expect("# HELP lumaring_stream_frames_published_total Frames published.\n"
	       "# TYPE lumaring_stream_frames_published_total counter\n"
	       "lumaring_stream_frames_published_total{camera=\"cam0\",stream=\"main\"} 10\n"
	       "lumaring_stream_frames_published_total{camera=\"cam0\",stream=\"ball\"} 20");
	expect("lumaring_stream_frames_lost_total{camera=\"cam0\",stream=\"main\",cause=\"unread\"} 3");
	expect("lumaring_stream_client_lag_frames{camera=\"cam0\",stream=\"main\"} 7\n"
	       "lumaring_stream_client_lag_frames{camera=\"cam0\",stream=\"ball\"} 0");
	expect("# TYPE lumaring_stream_copy_seconds summary\n"
	       "lumaring_stream_copy_seconds{camera=\"cam0\",stream=\"main\",quantile=\"0.5\"} 0.000197\n"
	       "lumaring_stream_copy_seconds{camera=\"cam0\",stream=\"main\",quantile=\"0.9\"} 0.0003\n"
	       "lumaring_stream_copy_seconds{camera=\"cam0\",stream=\"main\",quantile=\"0.99\"} 0.000689\n"
	       "lumaring_stream_copy_seconds_sum{camera=\"cam0\",stream=\"main\"} 0.001\n"
	       "lumaring_stream_copy_seconds_count{camera=\"cam0\",stream=\"main\"} 4\n"
	       "lumaring_stream_copy_seconds{camera=\"cam0\",stream=\"ball\",quantile=\"0.5\"} NaN");
	expect("lumaring_stream_copy_seconds_sum{camera=\"cam0\",stream=\"ball\"} 0\n"
	       "lumaring_stream_copy_seconds_count{camera=\"cam0\",stream=\"ball\"} 0");
	expect_none("private-1");
}

static void test_escapes(void **state)
{
	(void)state;
	print_json("{\"camera\":\"c\",\"version\":\"a\\\\b\\\"c\\nd\\u00e9\\t\",\"source\":{\"device\":{\"camera\":"
		   "\"\\\\\\\\_SB\"}}}",
		   0);
	expect("lumaring_info{camera=\"c\",version=\"a\\\\b\\\"c\\nd\xc3\xa9\t\",source=\"\",device=\"\\\\\\\\_SB\","
	       "library=\"\",format=\"\",buffers=\"\",memory=\"\",cpu=\"\",loop=\"\"} 1");
}

static void test_states(void **state)
{
	(void)state;
	print("{'camera':'c','source':{'state':'lost'}}");
	expect("lumaring_source_state{camera=\"c\",state=\"live\"} 0");
	expect("lumaring_source_state{camera=\"c\",state=\"lost\"} 1");
	print("{'camera':'c','source':{'state':'asleep'}}");
	expect("lumaring_source_state{camera=\"c\",state=\"failed\"} 0\n"
	       "lumaring_source_state{camera=\"c\",state=\"asleep\"} 1");
}

/* A daemon of another version: what it does not tell, or tells otherwise, is no 0. */
static void test_others(void **state)
{
	(void)state;
	print("{'camera':'c','cpu_us':'many','source':[],'streams':[{'lost':7,'copy_us':[1]}]}");
	expect_none("cpu_seconds");
	expect_none("captured");
	expect_none("copy_seconds");
	expect("lumaring_up{camera=\"c\"} 1");
	print("{}");
	expect("lumaring_up{camera=\"\"} 1");
	print("{'streams':7,'clients':[1],'camera':7,'source':{'width':1e400}}");
	print_json("[]", -EBADMSG);
	print_json("{\"camera\":", -EBADMSG);
	assert_string_equal(printed, "");
}

static void test_down(void **state)
{
	size_t bytes = 0;
	FILE *memory;

	(void)state;
	free(printed);
	memory = open_memstream(&printed, &bytes);
	metrics_text_print_down("cam0", memory);
	fclose(memory);
	assert_string_equal(printed, "# HELP lumaring_up Whether the daemon told its status.\n"
				     "# TYPE lumaring_up gauge\n"
				     "lumaring_up{camera=\"cam0\"} 0\n");
}

static int finish(void **state)
{
	(void)state;
	free(printed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),  cmocka_unit_test(test_streams), cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_states), cmocka_unit_test(test_others),  cmocka_unit_test(test_down),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
