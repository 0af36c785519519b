/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_top.c - what `lumaring top` makes of two statuses: the rates, the order, the screens of several sizes as
 * they would stand on a terminal, and that nobody can put more than letters there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../../client-lib/cli/top_json.h"
#include "../../client-lib/cli/top_sample.h"
#include "../../client-lib/cli/top_screen.h"

#define WHOLE_BYTES 65536u

static struct {
	cJSON *before, *now;
	struct top_sample sample;
	char *printed;
	size_t clients; /* that stand on the screen */
	struct top_view view;
} world;

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.view.clock = "09:12:33";
	prctl(PR_SET_NAME, "reader");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	top_sample_finish(&world.sample);
	cJSON_Delete(world.before);
	cJSON_Delete(world.now);
	free(world.printed);
	return 0;
}

/* ' stands for ", @ for the pid of this process. */
static cJSON *parse(const char *json)
{
	char *text = malloc(WHOLE_BYTES);
	size_t n = 0;
	cJSON *object;

	for (; *json; json++) {
		if (*json == '@')
			n += (size_t)sprintf(text + n, "%d", (int)getpid());
		else
			text[n++] = *json == '\'' ? '"' : *json;
	}
	text[n] = '\0';
	object = cJSON_ParseWithOpts(text, NULL, true);
	assert_non_null(object);
	free(text);
	return object;
}

static void make(const char *before, const char *now)
{
	tear_down(NULL);
	world.printed = NULL;
	world.before = before ? parse(before) : NULL;
	world.now = parse(now);
	assert_int_equal(top_sample_make(world.before, world.now, &world.sample), 0);
	top_sample_sort(&world.sample, world.view.order);
}

static const char *show(unsigned columns, unsigned rows)
{
	size_t bytes = 0;
	FILE *file;

	free(world.printed);
	world.printed = NULL;
	file = open_memstream(&world.printed, &bytes);
	assert_non_null(file);
	world.view.columns = columns;
	world.view.rows = rows;
	assert_int_equal(top_screen_print(&world.sample, &world.view, file, &world.clients), 0);
	fclose(file);
	return world.printed;
}

/* A screen without its escapes, bold lines marked with *, bars with =; checks that it has no other escapes, and that
 * no line is too wide and none too many. */
static const char *shown(unsigned columns, unsigned rows)
{
	static char text[WHOLE_BYTES];
	const char *at = show(columns, rows);
	size_t n = 0, width = 0, lines = 1;

	static const struct {
		const char *escape, *mark;
	} escapes[] = { { "\033[H", "" },  { "\033[7m", "=" }, { "\033[1m", "*" },
			{ "\033[0m", "" }, { "\033[K", "" },   { "\033[J", "" } };

	while (*at) {
		size_t i = 0;

		while (*at == '\033' && i < 6 && strncmp(at, escapes[i].escape, strlen(escapes[i].escape)) != 0)
			i++;
		if (*at == '\033') {
			assert_in_range(i, 0, 5);
			n += (size_t)sprintf(text + n, "%s", escapes[i].mark);
			at += strlen(escapes[i].escape);
		} else if (strncmp(at, "\r\n", 2) == 0) {
			while (n > 0 && text[n - 1] == ' ')
				n--;
			text[n++] = '\n';
			at += 2;
			width = 0;
			lines++;
		} else {
			assert_in_range((unsigned char)*at, ' ', '~');
			assert_true(++width <= columns);
			text[n++] = *at++;
		}
	}
	while (n > 0 && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
	assert_true(lines <= rows);
	return text;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in:\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in:\n%s", part, text);
}

/* --- two statuses, a second apart --- */

#define STATUS(uptime, cpu, captured, published, no_slot, bytes, seen, missed)                                         \
	"{'version':'1.2.3','camera':'cam0','pid':77,'uptime_us':" uptime ",'cpu_us':" cpu ",'loop':{'main':"          \
	"'io_uring','capture':'io_uring'},'source':{'name':'libcamera','state':'live','width':2304,'height':1296,"     \
	"'format':'YUV420','memory':'cached','frame_duration_us':17857,'captured':" captured ",'device':{'camera':"    \
	"'imx708','state':'running','state_reason':'','format':'YUV420','memory':'dma-heap system','buffer_count':6,"  \
	"'buffer_bytes':4478976}},'copy':{'cpu':'neon','workers':1,'threads':4,'reason':'enough','frame_us':312,"      \
	"'megabytes_per_second':[9540,0,0,0]},'bytes':{'rings':24117248},'limits':{'connections':3,'clients_max':"     \
	"512},'streams':[{'name':'private-1','private':true,'slots':4,'published':7,'lost':{}},{'name':'main',"        \
	"'private':false,'state':'live','format':'R8','bin':1,'slots':8,'cursors_granted':2,'clients':2,'region':"     \
	"{'width':2304,'height':1296},'published':" published ",'lost':{'unread':30,'no_slot':" no_slot                \
	",'copy_late':0},'bytes_copied':" bytes ",'copy_us':{'count':9,'p50':312,'p99':400},'ready_to_published_us':"  \
	"{'count':9,'p50':350,'p99':1500},'sensor_to_published_us':{'count':9,'p50':9000,'p99':20000}}],'clients':["   \
	"{'connection':1,'pid':@,'uid':1000,'stream':'main','state':'reading','manner':'notice','cursors':1,'seen'"    \
	":" seen ",'missed':5,'copied':1,'lag':1,'notices_dropped':2},{'connection':2,'pid':0,'uid':0,'stream':"       \
	"'private-1','state':'reading','seen':1,'missed':" missed ",'lag':5}]}"

#define BEFORE STATUS("10000000", "1000000", "560", "560", "0", "0", "500", "7")
#define NOW STATUS("12000000", "1042000", "672", "666", "6", "334430208", "604", "7")

static void test_rates(void **state)
{
	const struct top_sample *s = &world.sample;

	(void)state;
	make(BEFORE, NOW);
	assert_true(s->interval_us == 2e6);
	assert_true(s->captured_hz == 56);
	assert_true(s->cpu_percent == 2.1);
	assert_true(s->cpu_per_frame_us == 375);
	assert_true(s->copied_bytes_hz == 167215104);
	assert_string_equal(json_text(s->streams[0].now, "name"), "main"); /* private ones behind */
	assert_true(s->streams[0].published_hz == 53);
	assert_true(s->streams[0].lost_hz == 3);
	assert_true(top_sample_lost_hz(s, &s->streams[0], "no_slot") == 3);
	assert_true(top_sample_lost_hz(s, &s->streams[0], "unread") == 0);
	assert_true(s->streams[1].published_hz == 0);
	/* Who is most behind is first. */
	assert_true(json_number(s->clients[0].now, "connection") == 2);
	assert_true(s->clients[1].seen_hz == 52 && s->clients[1].missed_hz == 0);
}

/* No rate of what cannot be compared. */
static void test_unknown(void **state)
{
	const struct top_sample *s = &world.sample;

	(void)state;
	make(NULL, NOW);
	assert_true(s->interval_us == 0 && s->captured_hz < 0 && s->cpu_percent < 0 && s->cpu_per_frame_us < 0);
	assert_true(s->copied_bytes_hz < 0 && s->streams[0].published_hz < 0 && s->clients[0].seen_hz < 0);
	make(NOW, BEFORE); /* another daemon */
	assert_true(s->interval_us == 0 && s->captured_hz < 0 && s->clients[0].seen_hz < 0);
	make("{'pid':1,'uptime_us':1,'source':{'captured':1}}", "{'pid':2,'uptime_us':2,'source':{'captured':2}}");
	assert_true(s->captured_hz < 0);
	/* A client that came, and one of a daemon that tells no connections; a stream made anew. */
	make("{'pid':1,'uptime_us':1,'streams':[{'name':'a','published':9}],'clients':[{'connection':1,'seen':1},"
	     "{'seen':1}]}",
	     "{'pid':1,'uptime_us':1000001,'streams':[{'name':'a','published':5},{'name':'b','published':5}],"
	     "'clients':[{'connection':2,'seen':7},{'connection':1,'seen':8},{'seen':9}]}");
	assert_true(s->streams[0].published_hz < 0 && s->streams[1].published_hz < 0);
	for (size_t i = 0; i < 3; i++)
		assert_true(s->clients[i].seen_hz == (json_number(s->clients[i].now, "connection") == 1 ? 7 : -1));
	/* Frames do not come: no CPU time for each. */
	make("{'pid':1,'uptime_us':1,'cpu_us':1,'source':{'captured':1}}",
	     "{'pid':1,'uptime_us':1000001,'cpu_us':9,'source':{'captured':1}}");
	assert_true(s->captured_hz == 0 && s->cpu_per_frame_us < 0 && s->cpu_percent > 0);
}

static void test_screen(void **state)
{
	char wanted[4096];

	(void)state;
	make(BEFORE, NOW);
	snprintf(wanted, sizeof(wanted),
		 "09:12:33  cam0 live, 2304x1296 YUV420, 56.0 frames/s of 56.0, up 12 s, lumaringd 1.2.3, pid 77\n"
		 "source libcamera: 6 buffers of 4.3 MiB, dma-heap system, cached; YUV420 of imx708\n"
		 "copy 0.167 GB/s by neon, 1 of 4 threads (enough); 312 us a frame, at 9.54 GB/s\n"
		 "cpu 2.1 %% of one core, 375 us a frame; loops io_uring; rings 23.0 MiB; 3 connections of 512\n"
		 "\n"
		 "=STREAM        RATE   LOST/s  CLIENTS  READY p50      p99  SENSOR p50      p99  COPY p50      p99\n"
		 "*main          53.0      3.0        2     350 us  1.50 ms     9.00 ms  20.0 ms    312 us   400 us\n"
		 "*  lost 30 unread, 6 no_slot (+3.0/s)\n"
		 "private-1      0.0        -        0          -        -           -        -         -        -\n"
		 "\n"
		 "=    PID  PROCESS          STREAM        LAG  MISSED/s    RATE   MISSED    UID  COPIED  DROPPED\n"
		 "*      0  ?                private-1       5       0.0     0.0        7      0       0        0\n"
		 "%7d  reader           main            1       0.0    52.0        5   1000       1        2\n"
		 "\n"
		 "\n"
		 "q quit  by: l lag  m missed  s stream  p pid  up, down: more clients  space: now",
		 (int)getpid());
	assert_string_equal(shown(100, 16), wanted);
	assert_int_equal(world.clients, 2);
	/* Narrow, and low: who is in trouble remains. */
	assert_string_equal(shown(60, 11), "09:12:33  cam0 live, 2304x1296 YUV420, 56.0 frames/s of 56.0\n"
					   "source libcamera: 6 buffers of 4.3 MiB, dma-heap system, cac\n"
					   "copy 0.167 GB/s by neon, 1 of 4 threads (enough); 312 us a f\n"
					   "cpu 2.1 % of one core, 375 us a frame; loops io_uring; rings\n"
					   "\n"
					   "=STREAM        RATE   LOST/s  CLIENTS  READY p50      p99\n"
					   "*main          53.0      3.0        2     350 us  1.50 ms\n"
					   "*  lost 30 unread, 6 no_slot (+3.0/s)\n"
					   "private-1      0.0        -        0          -        -\n"
					   "\n"
					   "2 clients, for whom there is no line");
	assert_int_equal(world.clients, 0);
	/* Any size at all. */
	for (unsigned columns = 1; columns < 220; columns += 7)
		for (unsigned rows = 1; rows < 40; rows++)
			shown(columns, rows);
}

/* For a file: everything, and no escape. */
static void test_tables(void **state)
{
	(void)state;
	make(NULL, NOW);
	show(0, 0);
	assert_null(strchr(world.printed, '\033'));
	assert_null(strchr(world.printed, '\r'));
	has(world.printed, "cam0 live, 2304x1296 YUV420, - frames/s of 56.0, up");
	has(world.printed, "copy - GB/s by neon");
	has(world.printed, "cpu - of one core, - a frame;");
	has(world.printed, "main             -        -        2     350 us");
	has(world.printed, "WOKEN BY\n");
	has_not(world.printed, "q quit");
}

static const char *clients_of(unsigned count, const char *omitted)
{
	static char text[WHOLE_BYTES];
	size_t n = (size_t)sprintf(text, "{'streams':[{'name':'main','slots':8}],'clients_omitted':%s,'clients':[",
				   omitted);

	for (unsigned i = 1; i <= count; i++)
		n += (size_t)sprintf(text + n, "%s{'connection':%u,'pid':-%u,'stream':'main','lag':%u}",
				     i > 1 ? "," : "", i, i, i);
	strcpy(text + n, "]}");
	return text;
}

/* Of 40 clients as many as there are lines for, those most behind in front; and where the others are. */
static void test_many_clients(void **state)
{
	(void)state;
	make(NULL, clients_of(40, "0"));
	has(shown(80, 20), "-40  ?                main          40");
	has(shown(80, 20), "\n... and 31 more\nq quit");
	assert_int_equal(world.clients, 9);
	world.view.first = 5;
	has_not(shown(80, 20), "-36  ?");
	has(shown(80, 20), "\n*    -35  ?");
	has(shown(80, 20), "\n... 5 more above, and 26 more\nq quit");
	world.view.first = 1000; /* too far */
	has(shown(80, 20), "-1  ?");
	has(shown(80, 20), "\n... 31 more above\nq quit");
	has_not(shown(80, 60), "more");
	assert_int_equal(world.clients, 40);
	world.view.first = 0;
	make(NULL, clients_of(40, "7"));
	has(shown(80, 60), "\n... and 7 more\n");
	make(NULL, clients_of(0, "7"));
	has(shown(80, 60), "\n... and 7 more\n");
	make(NULL, clients_of(0, "0"));
	has(shown(80, 60), "\nno clients\n");
	make(NULL, clients_of(1, "0"));
	has(shown(80, 9), "\n1 client, for whom there is no line");
	make(NULL, clients_of(2, "0"));
	has(shown(80, 9), "\n2 clients, for whom there is no line");
}

/* Streams leave half of the lines to clients. */
static void test_many_streams(void **state)
{
	static char text[WHOLE_BYTES];
	size_t n = (size_t)sprintf(
		text, "{'pid':1,'uptime_us':2000000,'streams_omitted':3,'clients':[{'pid':-7}],'streams':[");

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		n += (size_t)sprintf(text + n, "%s{'name':'p%u','private':%s,'lost':{'no_slot':%u}}", i ? "," : "", i,
				     i == 39 ? "false" : "true", i == 7 ? 900 : 0);
	strcpy(text + n, "]}");
	make("{'pid':1,'uptime_us':1000000,'streams':[{'name':'p7','lost':{'no_slot':1}}]}", text);
	has(shown(80, 24), "RATE   LOST/s  CLIENTS  READY p50      p99  SENSOR p50      p99\np39 ");
	has(shown(80, 24), "\n*p7              -    899.0");
	has(shown(80, 24), "\n... and 37 more streams\n\n=");
	has(shown(80, 24), "     -7  ?");
	make(NULL, "{'copy':{'threads':1},'source':{'device':{'buffer_count':1}},'streams_omitted':1}");
	has(shown(80, 24), ": 1 buffer of ");
	has(shown(80, 24), " of 1 thread (");
	has(shown(80, 24), "\n... and 1 more stream\n");
}

static void expect_order(enum top_order order, const char *pids)
{
	char found[64];
	size_t n = 0;

	top_sample_sort(&world.sample, order);
	for (size_t i = 0; i < world.sample.client_count; i++)
		n += (size_t)snprintf(found + n, sizeof(found) - n, "%s%.0f", i ? " " : "",
				      json_number(world.sample.clients[i].now, "pid"));
	assert_string_equal(found, pids);
}

static void test_order(void **state)
{
	(void)state;
	make(NULL, "{'clients':[{'pid':5,'lag':2,'missed':9,'stream':'b'},{'pid':3,'lag':3,'missed':1,'stream':'a'},"
		   "{'pid':4,'lag':1,'missed':10,'stream':'a'},{'pid':2,'lag':0,'missed':9,'stream':'b'}]}");
	expect_order(TOP_BY_LAG, "3 4 2 5"); /* a frame or two are nothing */
	expect_order(TOP_BY_MISSED, "4 2 5 3");
	expect_order(TOP_BY_STREAM, "3 4 2 5");
	expect_order(TOP_BY_PID, "2 3 4 5");
}

/* Whatever a process is called, and whatever a daemon says. */
static void test_hostile(void **state)
{
	(void)state;
	prctl(PR_SET_NAME, "\033[2J\xff\r\x9b");
	make(BEFORE, NOW);
	has(shown(100, 30), "  ?[2J???  ");
	make(NULL,
	     "{'version':'\x1b[2J','camera':7,'source':{'name':'\\u001b[H','path':'\\u009b','device':{'state_reason':"
	     "'\\u001b]0;x\\u0007'},'width':1e300},'copy':{'workers':1e300,'megabytes_per_second':[1]},'streams':[7,"
	     "{'name':'\\n\\r','lost':{'\\u001b[1m':1e300}}],'clients':[[],{'pid':1e300,'stream':'\\t','lag':1e300}]}");
	shown(100, 30);
	make(NULL, "{'streams':7,'clients':'x','copy':[],'limits':1}");
	shown(100, 30);
}

static void test_away(void **state)
{
	(void)state;
	make(BEFORE, NOW);
	world.view.away = "no daemon serves /run/lumaring/cam0/frames: No such file or directory: is it running?\033";
	world.view.away_us = 12e6;
	assert_string_equal(shown(60, 10), "*09:12:33  no status for 12 s, asking again: no daemon serves\n"
					   "*/run/lumaring/cam0/frames: No such file or directory: is it\n"
					   "*running??");
	shown(10, 3);
}

static void test_json(void **state)
{
	char *line, name[64];
	cJSON *object;

	(void)state;
	prctl(PR_SET_NAME, "\xff\"\n");
	make(BEFORE, NOW);
	line = top_json(&world.sample);
	assert_non_null(line);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	object = cJSON_Parse(line);
	assert_true(cJSON_IsTrue(json_get(object, "up")));
	assert_true(json_number(object, "captured_per_second") == 56);
	assert_true(json_number(object, "cpu_per_frame_us") == 375);
	assert_true(json_number(object, "interval_us") == 2000000);
	assert_true(json_number(json_get(json_first(object, "streams"), "lost_per_second"), "no_slot") == 3);
	assert_null(json_get(json_get(json_first(object, "streams"), "lost_per_second"), "unread"));
	snprintf(name, sizeof(name), "%s", json_text(json_first(object, "clients")->next, "process"));
	assert_string_equal(name, "?\""); /* process_name() ends at the newline */
	cJSON_Delete(object);
	free(line);
	line = top_json_away("cam0", "no\ndaemon");
	assert_string_equal(line, "{\"camera\":\"cam0\",\"up\":false,\"reason\":\"no\\ndaemon\"}\n");
	free(line);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rates),        TEST(test_unknown),      TEST(test_screen), TEST(test_tables),
		TEST(test_many_clients), TEST(test_many_streams), TEST(test_order),  TEST(test_hostile),
		TEST(test_away),         TEST(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
