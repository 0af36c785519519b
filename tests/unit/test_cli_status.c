/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_status.c - the tables of `lumaring status`: what stands where, what is left out, and that no daemon and no
 * client of one can put more than letters on a terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/prctl.h>

#include "../../client-lib/cli/amount.c"
#include "../../client-lib/cli/process.c"
#include "../../client-lib/cli/status_table.c"
#include "../../client-lib/cli/table.c"

static char *printed;

/* What is printed for a status; ' stands for ". */
static const char *print(const char *json, bool all)
{
	char *copy = strdup(json);
	size_t bytes = 0;
	FILE *memory;

	free(printed);
	printed = NULL;
	memory = open_memstream(&printed, &bytes);
	assert_non_null(memory);
	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	assert_int_equal(status_table_print(copy, all, memory), 0);
	fclose(memory);
	free(copy);
	for (const char *c = printed; *c; c++)
		if ((*c < ' ' || *c > '~') && *c != '\n')
			fail_msg("byte 0x%02x is printed", (unsigned char)*c);
	return printed;
}

static void expect(const char *text)
{
	if (!strstr(printed, text))
		fail_msg("this is not there:\n%s\nbut:\n%s", text, printed);
}

static int forget(void **state)
{
	(void)state;
	free(printed);
	printed = NULL;
	return 0;
}

static unsigned lines_with(const char *text)
{
	unsigned count = 0;

	for (const char *at = printed; (at = strstr(at, text)); at++)
		count++;
	return count;
}

static void test_table(void **state)
{
	static const char *const heads[] = { "NAME", ">N", "LAST", NULL };
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	struct table table;

	(void)state;
	table_begin(&table, heads);
	table_cell(&table, "a");
	table_cell(&table, "%u", 1);
	table_cell(&table, ">x");
	table_cell(&table, "longest");
	table_cell(&table, "%u", 12345);
	table_cell(&table, "y\x1b\xff");
	assert_int_equal(table_end(&table, memory), 0);
	fclose(memory);
	assert_string_equal(text, "NAME         N  LAST\n"
				  "a            1  >x\n"
				  "longest  12345  y??\n");
	free(text);
}

static void test_control(void **state)
{
	(void)state;
	print("{'limits':{'connections':3,'clients_max':512},'control':{'connections':1,'connections_max':64,'requests'"
	      ":17,"
	      "'errors':2},'configuration':{'directory':'/etc/lumaring','files':['/etc/a.json','b\x1b',7]}}",
	      false);
	expect("connections 3 of 512\n"
	       "control connections 1 of 64, 17 requests, 2 errors\n"
	       "configured by /etc/a.json\n"
	       "configured by b?\n"
	       "configured by ?\n\n");
}

static void test_memory(void **state)
{
	(void)state;
	print("{'limits':{'connections':3,'clients_max':512},'memory':{'wanted_bytes':24702976,'locked_bytes':24702976,"
	      "'unlocked_reason':''}}",
	      false);
	expect("connections 3 of 512\nmemory locked 23.6 MiB\n");
	print("{'memory':{'wanted_bytes':24702976,'locked_bytes':8372224,'unlocked_reason':'a limit\\u001b'}}", false);
	expect("\nmemory not locked: a limit?\n");
	print("{}", false);
	assert_int_equal(lines_with("memory"), 0);
}

static void test_device(void **state)
{
	(void)state;
	print("{'source':{'name':'libcamera','path':'imx708','state':'live','memory':'cached','luma_range':'full',"
	      "'device':{"
	      "'library':'libcamera "
	      "0.7.1','camera':'/base/imx708','state':'running','state_reason':'','format':'YUV420',"
	      "'memory':'dma-heap linux,cma','memory_reason':'dma-heap vidbuf_cached is not there; a frame is read in "
	      "9 "
	      "us out of it','cached_copy_ns':"
	      "1234567,'uncached_copy_ns':45678901,'buffer_count':6,'buffer_bytes':4478976,'completed':123,'restarts':"
	      "1,"
	      "'losses':2,'callback_longest_ns':12345,'sensor_clock':'unknown'}}}",
	      false);
	expect("\ncamera /base/imx708: running, full luma of YUV420, clock unknown\n"
	       "6 buffers of 4.3 MiB, dma-heap linux,cma, cached: dma-heap vidbuf_cached is not\n"
	       "there; a frame is read in 9 us out of it\n"
	       "libcamera 0.7.1: 123 requests, 1 restart, lost 2 times, longest call 12 us\n");
	/* Gone: there are no buffers, and a reason. */
	print("{'source':{'name':'libcamera','state':'lost','device':{'library':'libcamera 0.7.1','camera':'imx708',"
	      "'state':'absent','state_reason':'there is no camera imx708','restarts':0,'losses':1}}}",
	      false);
	expect("\ncamera imx708: absent: there is no camera imx708\n");
	expect("0 restarts, lost 1 time, longest call 0 us\n");
	print("{'source':{'name':'libcamera','path':'7','device':{'state':'absent','state_reason':'why'}}}", false);
	expect("\ncamera 7: absent: why\n");
	print("{'source':{'name':'libcamera','path':'','device':{'state':'absent','state_reason':'why'}}}", false);
	expect("\ncamera: absent: why\n");
	assert_int_equal(lines_with("buffers of"), 0);
	print("{'source':{'name':'synthetic','state':'live'}}", false);
	assert_int_equal(lines_with("camera "), 0);
	/* Whatever it says. */
	print("{'source':{'device':[]}}", false);
	print("{'source':{'device':{'library':7,'camera':'\x1b[2J','buffer_count':1e300,'cached_copy_ns':1e300,"
	      "'uncached_copy_ns':1e300,'buffer_bytes':-1}}}",
	      false);
}

/* A noun after 1 is none after 2. */
static void test_one_of_each(void **state)
{
	(void)state;
	print("{'source':{'device':{'library':'libcamera','memory':'driver','buffer_count':1,'buffer_bytes':1024,"
	      "'completed':1,'restarts':2,'losses':1}},'copy':{'cpu':'c','workers':1,'threads':1,'reason':'fixed'},"
	      "'control':{'connections':1,'connections_max':1,'requests':1,'errors':1},'streams_omitted':1}",
	      false);
	expect("\n1 buffer of 1.0 KiB, ");
	expect("1 request, 2 restarts, lost 1 time, ");
	expect("1 of 1 thread (fixed)\n");
	expect("1 request, 1 error\n");
	expect("... and 1 more private one (--all)\n");
	print("{'copy':{'threads':2},'control':{'requests':2,'errors':0},'streams_omitted':2}", false);
	expect("0 of 2 threads (");
	expect("2 requests, 0 errors\n");
	expect("... and 2 more private ones (--all)\n");
}

static void test_whole(void **state)
{
	(void)state;
	print("{'version':'1.2.3','camera':'cam0','pid':77,'uptime_us':7380000000,'loop':{'main':'epoll'},"
	      "'source':{'name':'replay','path':'a b.y4m','state':'live','width':640,'height':480,"
	      "'frame_duration_us':17857,'measured_frame_duration_us':20000,'captured':1234567},"
	      "'copy':{'cpu':'neon','workers':2,'threads':4,'reason':'enough','frame_us':1234,'frame_bytes':2985984,'"
	      "megabytes_per_second':[1,2420,3]},"
	      "'bytes':{'rings':24117248,'private_rings':1536,'private_rings_max':536870912},"
	      "'limits':{'connections':3,'clients_max':512},"
	      "'streams':[{'name':'private-1','private':true,'owner_pid':99,'format':'R16','bin':2,'state':'live','"
	      "slots':4,'bytes':4096,"
	      "'width_max':16,'height_max':8,'epoch':'18446744073709551615','generation':3,'cursors_granted':1,"
	      "'cursors_max':2,'clients':1,'region':{'x':5,'y':6,'width':16,'height':8},'published':10,"
	      "'copy_us':{'count':10,'p50':1,'p90':2,'p99':3,'max':4000},"
	      "'ready_to_published_us':{'count':10,'p50':50,'p90':51,'p99':52,'max':53},'notices_dropped':8,"
	      "'lost':{'unread':30,'no_slot':0,'copy_late':4,'new_cause':1}},"
	      "{'name':'main','private':false,'always':true,'format':'R8','bin':1,'state':'paused','region':{'width':"
	      "640,'height':480},"
	      "'lost':{'unread':0},'copy_us':{'count':0}}],"
	      "'clients':[{'pid':4294967290,'uid':1000,'stream':'main','state':'reading','manner':'futex','cursors':2,"
	      "'seen':100,'missed':3,'copied':4,'lag':5,'notices_dropped':6}]}",
	      false);
	expect("cam0: lumaringd 1.2.3, pid 77, up 2 h 3 min, loop epoll\n"
	       "source replay: live, 640x480, 50.0 frames/s of 56.0, 1234567 captured\n"
	       "from a b.y4m\n"
	       "copy neon, 2 of 4 threads (enough), 1.23 ms for 2.8 MiB a frame, 2420 MB/s\n"
	       "rings 23.0 MiB, private 1.5 KiB of 512.0 MiB; connections 3 of 512\n\n");
	/* The shared one first. */
	expect("\n\n"
	       "STREAM     STATE   KIND       REGION px  PINS  CLIENTS\n"
	       "main       paused  always       640x480   0/0        0\n"
	       "private-1  live    of pid 99   16x8+5+6   1/2        1\n\n");
	expect("\n\n"
	       "STREAM        RING  SLOTS  CAPACITY px                 EPOCH  GENERATION\n"
	       "main           0 B      0          0x0                                 0\n"
	       "private-1  4.0 KiB      4         16x8  18446744073709551615           3\n\n");
	expect("\n\n"
	       "STREAM     FORMAT     COPY p50   p99      max  READY p50    p99    max\n"
	       "main       R8                -     -        -          -      -      -\n"
	       "private-1  R16 bin 2      1 us  3 us  4.00 ms      50 us  52 us  53 us\n\n");
	expect("\n\n"
	       "STREAM     PUBLISHED  DROPPED  LOST\n"
	       "main               0        0  none\n"
	       "private-1         10        8  30 unread, 4 copy_late, 1 new_cause\n\n");
	expect("\n\n"
	       "       PID  PROCESS  SEEN  MISSED  BEHIND  COPIED  DROPPED\n"
	       "4294967290  ?         100       3       5       4        6\n\n");
	expect("\n\n"
	       "       PID  PROCESS   UID  STREAM  STATE    WOKEN BY  PINS\n"
	       "4294967290  ?        1000  main    reading  futex        2\n");
}

/* Causes that do not fit a line go on in the next, each whole. */
static void test_many_losses(void **state)
{
	(void)state;
	print("{'streams':[{'name':'main','published':5,'lost':{'unread':1234567,'no_slot':123456789,'copy_late':"
	      "1234567,"
	      "'reconfigure':12,'startup':0,'camera':1}},{'name':'b','lost':{'error':1}}]}",
	      false);
	expect("STREAM  PUBLISHED  DROPPED  LOST\n"
	       "main            5        0  1234567 unread, 123456789 no_slot,\n"
	       "                            1234567 copy_late, 12 reconfigure, 1 camera\n"
	       "b               0        0  1 error\n");
}

static void check_width(void)
{
	for (const char *line = printed; *line; line += strcspn(line, "\n") + 1)
		if (strcspn(line, "\n") > 80)
			fail_msg("%zu columns: %.*s", strcspn(line, "\n"), (int)strcspn(line, "\n"), line);
}

#define TIMES "{'count':9,'p50':99940,'p99':999999,'max':99940000}"
#define LOST                                                                                                           \
	"{'unread':4567890,'no_slot':4567890,'copy_late':4567890,'reconfigure':4567890,'error':4567890,"               \
	"'sensor':4567890,'camera':4567890,'cancelled':4567890,'startup':4567890}"
#define LARGE                                                                                                          \
	"'format':'R16','bin':2,'slots':65535,'bytes':1072693248,'width_max':16384,'height_max':16384,'epoch':'"       \
	"18446744073709551615',"                                                                                       \
	"'generation':1234567890,'cursors_granted':100,'cursors_max':100,'clients':9999,'published':1234567890,"       \
	"'notices_dropped':1234567,'copy_us':" TIMES ",'ready_to_published_us':" TIMES ",'lost':" LOST                 \
	",'region':{'x':1920,'y':1088,'width':1920,'height':1088}"

/* All large, names of 12 letters: what a terminal of 80 columns shows without a broken line. */
static void test_width(void **state)
{
	char json[256];

	(void)state;
	print("{'version':'1.22.333','camera':'camera-front','pid':4194304,'uptime_us':86399000000,"
	      "'loop':{'main':'io_uring','fallback_reason':'a system call filter forbids it (of a container, or "
	      "SystemCallFilter= without @aio)'},"
	      "'source':{'name':'synthetic','path':'/home/somebody/footage/a-day-in-the-life-of-a-camera.y4m',"
	      "'state':'paused','width':1920,'height':1088,'frame_duration_us':17857,"
	      "'measured_frame_duration_ns':17857000,'captured':1234567890},"
	      "'bytes':{'rings':1072693248,'private_rings':1072693248,'private_rings_max':1072693248},"
	      "'limits':{'connections':4096,'clients_max':4096},"
	      "'streams':[{'name':'foveal-left1','state':'source_lost'," LARGE "},"
	      "{'name':'private-1234','private':true,'owner_pid':4194304,'state':'live'," LARGE "}],"
	      "'clients':[{'pid':3000000000,'uid':4294967294,'stream':'foveal-left1','state':'attaching',"
	      "'manner':'notice','cursors':100,'seen':1234567890,'missed':123456789,'copied':123456789,"
	      "'lag':123456789,'notices_dropped':123456789}]}",
	      false);
	check_width();
	expect("\nno io_uring: a system call filter forbids it (of a container, or\nSystemCallFilter= without @aio)\n"
	       "source ");
	/* As long as a line, one more, and what cannot be broken. */
	snprintf(json, sizeof(json), "{'loop':{'fallback_reason':'%058d 345678 0'}}", 1);
	print(json, false);
	expect("1 345678 0\nsource");
	snprintf(json, sizeof(json), "{'loop':{'fallback_reason':'%058d 345678 01'}}", 1);
	print(json, false);
	expect("1 345678\n01\nsource");
	snprintf(json, sizeof(json), "{'loop':{'fallback_reason':'%0100d 2'}}", 1);
	print(json, false);
	expect("00001 2\nsource");
}

static void test_rates(void **state)
{
	(void)state;
	print("{'source':{'name':'synthetic','state':'paused','frame_duration_us':40000}}", false);
	expect("source synthetic: paused, 0x0, 25.0 frames/s asked for, 0 captured\n");
	print("{'source':{'name':'synthetic','state':'live','measured_frame_duration_us':40}}", false);
	expect("source synthetic: live, 0x0, 25000 frames/s, 0 captured\n");
	print("{'source':{'name':'synthetic','state':'live','frame_duration_us':100,"
	      "'measured_frame_duration_us':16,'measured_frame_duration_ns':15500}}",
	      false);
	expect("source synthetic: live, 0x0, 64516 frames/s of 10000, 0 captured\n");
	print("{'source':{'measured_frame_duration_ns':1000100}}", false);
	expect(", 999.9 frames/s,");
	print("{'source':{'measured_frame_duration_ns':1000010}}", false);
	expect(", 1000 frames/s,");
	print("{'source':{'name':'synthetic','state':'ended'}}", false);
	expect("source synthetic: ended, 0x0, 0 captured\n");
	print("{'loop':{'main':'epoll','fallback_reason':'it is forbidden'}}", false);
	expect("loop epoll\nno io_uring: it is forbidden\n");
}

static void test_words(void **state)
{
	static const struct {
		double value;
		const char *words;
	} bytes[] = { { 0, "0 B" },
		      { 1023, "1023 B" },
		      { 1024, "1.0 KiB" },
		      { 1048524, "1023.9 KiB" },
		      { 1048575, "1.0 MiB" },
		      { 1073741824, "1.0 GiB" },
		      { 18446744073709551615.0, "16777216.0 TiB" } },
	  days[] = { { 0, "0 s" },
		     { 59999999, "59 s" },
		     { 60e6, "1 min 0 s" },
		     { 3599e6, "59 min 59 s" },
		     { 3600e6, "1 h 0 min" },
		     { 86399e6, "23 h 59 min" },
		     { 86400e6, "1 d 0 h" } },
	  times[] = { { 0, "0 us" },        { 999, "999 us" },    { 1000, "1.00 ms" }, { 9994, "9.99 ms" },
		      { 9995, "10.0 ms" },  { 99949, "99.9 ms" }, { 99950, "100 ms" }, { 999499, "999 ms" },
		      { 999500, "1.00 s" }, { 3600e6, "3600 s" }, { 999.7, "1.00 ms" } },
	  rates[] = { { 0, "0.0" },      { 0.25, "0.250" },   { 0.99949, "0.999" }, { 0.9995, "1.0" },
		      { 29.97, "30.0" }, { 999.94, "999.9" }, { 999.95, "1000" },   { 64516.1, "64516" } };

	(void)state;
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		assert_string_equal(amount_bytes(bytes[i].value).text, bytes[i].words);
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
		assert_string_equal(amount_age(days[i].value).text, days[i].words);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_string_equal(amount_time(times[i].value).text, times[i].words);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		assert_string_equal(amount_rate(rates[i].value).text, rates[i].words);
}

/* So many clients, of which each has a pid of no process and its number as `missed`. */
static const char *print_clients_of(unsigned count, bool all)
{
	char json[16384] = "{'clients':[";
	size_t used = strlen(json);

	for (unsigned i = 0; i < count; i++)
		used += (size_t)snprintf(json + used, sizeof(json) - used, "%s{'pid':%u,'state':'reading','missed':%u}",
					 i ? "," : "", 3000000000u + i, i);
	snprintf(json + used, sizeof(json) - used, "]}");
	return print(json, all);
}

static void test_limit_of_clients(void **state)
{
	(void)state;
	print_clients_of(STATUS_SHOWN, false);
	assert_int_equal(lines_with("\n300"), 2 * STATUS_SHOWN);
	assert_int_equal(lines_with("more"), 0);
	print_clients_of(STATUS_SHOWN + 1, false);
	assert_int_equal(lines_with("\n300"), 2 * STATUS_SHOWN);
	expect("... and 1 more (--all)\n");
	/* The one without trouble is left out, and the worst is the first. */
	assert_null(strstr(printed, "3000000000"));
	assert_true(strstr(printed, "3000000020") < strstr(printed, "3000000019"));
	print_clients_of(STATUS_SHOWN + 1, true);
	assert_int_equal(lines_with("\n300"), 2 * (STATUS_SHOWN + 1));
	assert_int_equal(lines_with("more"), 0);
	print("{'clients':[],'clients_omitted':5}", true);
	expect("\nno clients\n... and 5 more\n");
}

static void test_order_of_clients(void **state)
{
	const char *last;

	(void)state;
	print("{'clients':[{'pid':3000000008},{'pid':3000000007},{'pid':3000000006,'notices_dropped':9},"
	      "{'pid':3000000005,'copied':1},{'pid':3000000004,'lag':1,'copied':0},"
	      "{'pid':3000000003,'lag':1,'copied':1},{'pid':3000000002,'missed':50},"
	      "{'pid':3000000001,'missed':1,'lag':50}]}",
	      false);
	last = printed;
	for (unsigned pid = 1; pid <= 8; pid++) {
		char text[16];
		const char *at;

		snprintf(text, sizeof(text), "%u", 3000000000u + pid);
		at = strstr(printed, text);
		assert_non_null(at);
		assert_true(at > last);
		last = at;
	}
}

static void test_limit_of_streams(void **state)
{
	(void)state;
	for (unsigned count = STATUS_SHOWN; count <= STATUS_SHOWN + 1; count++) {
		char json[8192] = "{'streams':[";
		size_t used = strlen(json);

		for (unsigned i = 0; i < count; i++)
			used += (size_t)snprintf(json + used, sizeof(json) - used, "{'name':'p%u','private':true},", i);
		snprintf(json + used, sizeof(json) - used, "{'name':'main'}],'streams_omitted':%u}", count % 2);
		print(json, false);
		/* A line in each of four tables. */
		assert_int_equal(lines_with("\np"), 4 * STATUS_SHOWN);
		assert_int_equal(lines_with("\nmain"), 4);
		assert_int_equal(lines_with("more"), count > STATUS_SHOWN);
		if (count > STATUS_SHOWN)
			expect("... and 2 more private ones (--all)\n");
		print(json, true);
		assert_int_equal(lines_with("\np"), 4 * count);
	}
}

/* The name of a process is read from the system. */
static void test_process(void **state)
{
	char json[64];

	(void)state;
	assert_return_code(prctl(PR_SET_NAME, "a name of ours"), errno);
	snprintf(json, sizeof(json), "{'clients':[{'pid':%d}]}", (int)getpid());
	print(json, false);
	expect(" a name of ours ");
}

/* Escapes for terminals, in every place that text can stand in. */
static void test_nothing_but_letters(void **state)
{
	(void)state;
	print("{'version':'\\u001b[31m','camera':'\\n\\r\\t','loop':{'main':'\\u0007','fallback_reason':'\\u001b'},"
	      "'source':{'name':'\\u009b','path':'/tmp/\xc3\xa4\\u001b]0;x','state':'\\u0001'},"
	      "'streams':[{'name':'\\u001b[2J','state':'\\u007f','epoch':'\\u001b','lost':{'\\u001b[31m':1}}],"
	      "'clients':[{'pid':3000000000,'stream':'\\u001b','state':'\\u001b','manner':'\\n'}]}",
	      false);
	expect("source ?");
	expect("from /tmp/???]0;x");
	expect("1 ?[31m");
}

/* Of the wrong types, of the wrong depth, too large: something is printed, and nothing breaks. */
static void test_strange_objects(void **state)
{
	static const char *const objects[] = {
		"{}",
		"{'streams':5,'clients':'x','source':[],'bytes':null,'limits':true}",
		"{'streams':[1,'a',null,[],{}],'clients':[1,'a',null,[],{}]}",
		"{'streams':{'a':{'name':'b'}},'clients':{'c':1}}",
		"{'streams':[{'lost':[1,2,3]},{'lost':5}]}",
		"{'uptime_us':1e308,'pid':-1e308,'bytes':{'rings':-5},'clients':[{'pid':1e308,'seen':-1e308}]}",
		"{'streams':[{'region':{'width':1e300,'height':1e300,'x':1e300},'lost':{'a':1e308,'b':{},'c':'d'}}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		print(objects[i], false);
		print(objects[i], true);
	}
}

static void test_no_object(void **state)
{
	static const char *const texts[] = { "", "nonsense", "5", "[]", "{}x", "{", "\"a\"" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(status_table_print(texts[i], false, NULL), -EBADMSG);
}

#define TEST(function) cmocka_unit_test_teardown(function, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_table),
		TEST(test_device),
		TEST(test_one_of_each),
		TEST(test_whole),
		TEST(test_control),
		TEST(test_memory),
		TEST(test_many_losses),
		TEST(test_width),
		TEST(test_rates),
		TEST(test_words),
		TEST(test_limit_of_clients),
		TEST(test_order_of_clients),
		TEST(test_limit_of_streams),
		TEST(test_process),
		TEST(test_nothing_but_letters),
		TEST(test_strange_objects),
		TEST(test_no_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
