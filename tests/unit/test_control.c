/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control.c - the control socket as a peer sees it: requests in any pieces and with either terminator, answers in
 * order, what every Varlink service offers, streams, and the ends of a connection.
 */
#include "control_probe.h"

static void test_either_terminator(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	SAY(fd, ECHO("one") "\0");
	EXPECT(&w, fd, SAID("one") "\0");
	SAY(fd, ECHO("two") "\n");
	EXPECT(&w, fd, SAID("two") "\n");
	SAY(fd, "\n\n \r\n{\n\"method\":\n\"" PROBE ".Echo\",\n\n\"parameters\":{\"say\":\"three\"}\n}\r\n\n");
	EXPECT(&w, fd, SAID("three") "\n");
	SAY(fd, "\0" ECHO("four") " \0\0\n");
	EXPECT(&w, fd, SAID("four") "\0");
	expect_silence(&w, fd);
	close(fd);
	tear_down(&w);
}

/* Several requests, cut at every byte, and byte by byte. */
static void test_every_split(void **state)
{
	static const char questions[] = ECHO("a") "\0" ECHO("\\\"}{\\u00e9") "\n\n" ECHO("c") "\r\n{\"x\":[{}]}\0";
	static const char answers[] = SAID("a") "\0" SAID("\\\"}{\xc3\xa9") "\n" SAID("c") "\n" ERROR(
		"InvalidField", "\"field\":\"x\",\"reason\":\"it is not known here: there is method, parameters, "
				"oneway, more, upgrade\"");
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	for (size_t i = 0; i < sizeof(questions); i++) {
		say_bytes(fd, questions, i);
		turn_some(&w);
		say_bytes(fd, questions + i, sizeof(questions) - 1 - i);
		expect_bytes(&w, fd, answers, sizeof(answers));
		expect_silence(&w, fd);
	}
	for (size_t i = 0; i < sizeof(questions) - 1; i++) {
		say_bytes(fd, questions + i, 1);
		turn_some(&w);
		now_ns += NS_PER_SECOND / 100; /* who sends so small pieces is heard with pauses */
	}
	expect_bytes(&w, fd, answers, sizeof(answers));
	expect_silence(&w, fd);
	close(fd);
	tear_down(&w);
}

/* A hundred requests in one write, longer than the inbox. */
static void test_many_at_once(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	for (unsigned i = 0; i < 100; i++)
		SAY(fd, ECHO("again") "\n");
	for (unsigned i = 0; i < 100; i++)
		EXPECT(&w, fd, SAID("again") "\n");
	expect_silence(&w, fd);
	close(fd);
	tear_down(&w);
}

static void answer_kept(struct world *w)
{
	struct control_call *call = w->kept;

	w->kept = NULL;
	json_string(control_reply(call), "kept", "it");
	assert_true(control_send(call, false));
}

/* What is answered later holds back those behind it, on its connection only. */
static void test_order(void **state)
{
	struct world w;
	int fd, other;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	other = join(&w);
	SAY(fd, ECHO("before") "\0" CALL("Later") "\0" ECHO("behind") "\n" CALL("Later") "\n" CALL("Change") "\0");
	EXPECT(&w, fd, SAID("before") "\0");
	expect_silence(&w, fd);
	assert_string_equal(w.order, "el");
	SAY(other, ECHO("other") "\0");
	EXPECT(&w, other, SAID("other") "\0");
	answer_kept(&w);
	EXPECT(&w, fd, "{\"parameters\":{\"kept\":\"it\"}}\0" SAID("behind") "\n");
	expect_silence(&w, fd);
	assert_string_equal(w.order, "eleel");
	answer_kept(&w);
	EXPECT(&w, fd, "{\"parameters\":{\"kept\":\"it\"}}\n{\"parameters\":{\"changed\":");
	assert_string_equal(w.order, "eleelc");
	close(fd);
	close(other);
	tear_down(&w);
}

/* No answer, in order all the same, whatever becomes of it. */
static void test_oneway(void **state)
{
#define ONEWAY(name) "{\"method\":\"" PROBE "." name "\",\"oneway\":true}"
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	SAY(fd, ONEWAY("Change") "\0" ONEWAY("Later") "\0" CALL("Change") "\n" ECHO("last") "\0");
	expect_silence(&w, fd);
	assert_string_equal(w.order, "cl");
	answer_kept(&w);
	turn_some(&w);
	assert_string_equal(w.order, "clce");
	EXPECT(&w, fd, "{\"parameters\":{\"changed\":");
	hear(&w, fd, (char[8]){ 0 }, 8);
	while (w.calls < 4)
		turn_some(&w);
	close(fd);
	fd = join(&w);
	SAY(fd,
	    ONEWAY("Echo") "\0" ONEWAY("Nothing") "\0" ONEWAY(
		    "Stream") "\n{\"oneway\":true,\"method\":7}\n"
			      "{\"oneway\":true,\"x\":1}\n{\"method\":\"x.Y\",\"oneway\":true}\0"
			      "{\"method\":\"" PROBE ".Stream\",\"oneway\":true,\"more\":true}\0" ECHO("last") "\0");
	EXPECT(&w, fd, SAID("last") "\0");
	expect_silence(&w, fd);
	assert_string_equal(w.order, "clceee");
	close(fd);
	tear_down(&w);
#undef ONEWAY
}

static void test_service(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	SAY(fd, "{\"method\":\"org.varlink.service.GetInfo\"}\0");
	EXPECT(&w, fd,
	       "{\"parameters\":{\"vendor\":\"lumaring\",\"product\":\"lumaringd\",\"version\":"
	       "\"" LUMARING_BUILD_VERSION
	       "\",\"url\":\"\",\"interfaces\":[\"org.varlink.service\",\"org.example.probe\"]}}\0");
	SAY(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"" PROBE
		"\"}}\0");
	EXPECT(&w, fd, "{\"parameters\":{\"description\":\"interface org.example.probe\\u000a\"}}\0");
	SAY(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"org.varlink.service\"}}\n");
	EXPECT(&w, fd, "{\"parameters\":{\"description\":\"# What every Varlink service offers");
	close(fd);
	tear_down(&w);
}

/* The text is that of the file, to the last byte. */
static void test_description(void **state)
{
	FILE *file = fopen("daemon/control/io.lumaring.Camera.varlink", "r");
	char text[1 << 16];
	size_t bytes;

	(void)state;
	if (!file)
		skip();
	bytes = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[bytes] = '\0';
	assert_true(bytes > 1000);
	assert_string_equal(control_text_io_lumaring_Camera, text);
}

static const struct {
	const char *question, *answer;
} mistakes[] = {
#define FIELD(field, reason) ERROR("InvalidField", "\"field\":\"" field "\",\"reason\":\"" reason "\"")
#define SERVICE(name, parameters) "{\"method\":\"org.varlink.service." name "\",\"parameters\":{" parameters "}}"
	/* the envelope */
	{ "{}", FIELD("method", "it is missing and must be a string") },
	{ "{\"method\":7}", FIELD("method", "it must be a string") },
	{ "{\"method\":null}", FIELD("method", "it is missing and must be a string") },
	{ "{\"method\":\"x\",\"id\":1}",
	  FIELD("id", "it is not known here: there is method, parameters, oneway, more, upgrade") },
	{ "{\"method\":\"x\",\"parameters\":[]}", FIELD("parameters", "it must be an object") },
	{ "{\"method\":\"x\",\"more\":1}", FIELD("more", "it must be true or false") },
	{ "{\"method\":\"x\",\"upgrade\":\"true\"}", FIELD("upgrade", "it must be true or false") },
	{ "{\"method\":\"x\",\"oneway\":0}", FIELD("oneway", "it must be true or false") },
	{ "[]", FIELD("", "it must be an object") },
	{ "\"x\"", FIELD("", "it must be an object") },
	/* the method */
	{ "{\"method\":\"\"}",
	  FIELD("method", "\\\"\\\" is not the full name of a method, which is like org.varlink.service.GetInfo") },
	{ "{\"method\":\"Echo\"}",
	  FIELD("method", "\\\"Echo\\\" is not the full name of a method, which is like org.varlink.service.GetInfo") },
	{ "{\"method\":\".Echo\"}",
	  FIELD("method",
		"\\\".Echo\\\" is not the full name of a method, which is like org.varlink.service.GetInfo") },
	{ "{\"method\":\"" PROBE ".\"}",
	  FIELD("method",
		"\\\"" PROBE ".\\\" is not the full name of a method, which is like org.varlink.service.GetInfo") },
	{ "{\"method\":\"org.example.Echo\"}", SERVICE_ERROR("InterfaceNotFound", "\"interface\":\"org.example\"") },
	{ "{\"method\":\"org.example.probes.Echo\"}",
	  SERVICE_ERROR("InterfaceNotFound", "\"interface\":\"org.example.probes\"") },
	{ CALL("echo"), SERVICE_ERROR("MethodNotFound", "\"method\":\"" PROBE ".echo\"") },
	{ CALL("Ech"), SERVICE_ERROR("MethodNotFound", "\"method\":\"" PROBE ".Ech\"") },
	{ SERVICE("GetInf", ""), SERVICE_ERROR("MethodNotFound", "\"method\":\"org.varlink.service.GetInf\"") },
	{ CALL("Stream"), SERVICE_ERROR("ExpectedMore", "") },
	{ "{\"method\":\"" PROBE ".Stream\",\"more\":false}", SERVICE_ERROR("ExpectedMore", "") },
	{ "{\"method\":\"" PROBE ".Echo\",\"upgrade\":true}",
	  SERVICE_ERROR("MethodNotImplemented", "\"method\":\"" PROBE ".Echo\"") },
	{ "{\"method\":\"org.varlink.service.GetInfo\",\"upgrade\":true}",
	  SERVICE_ERROR("MethodNotImplemented", "\"method\":\"org.varlink.service.GetInfo\"") },
	/* the methods of every service */
	{ SERVICE("GetInfo", "\"x\":1"), SERVICE_ERROR("InvalidParameter", "\"parameter\":\"x\"") },
	{ SERVICE("GetInterfaceDescription", ""), SERVICE_ERROR("InvalidParameter", "\"parameter\":\"interface\"") },
	{ SERVICE("GetInterfaceDescription", "\"interface\":null"),
	  SERVICE_ERROR("InvalidParameter", "\"parameter\":\"interface\"") },
	{ SERVICE("GetInterfaceDescription", "\"interface\":1"),
	  SERVICE_ERROR("InvalidParameter", "\"parameter\":\"interface\"") },
	{ SERVICE("GetInterfaceDescription", "\"interface\":\"x\",\"y\":1"),
	  SERVICE_ERROR("InvalidParameter", "\"parameter\":\"y\"") },
	{ SERVICE("GetInterfaceDescription", "\"interface\":\"x.y\""),
	  SERVICE_ERROR("InterfaceNotFound", "\"interface\":\"x.y\"") },
	/* parameters: none, null and {} are the same */
	{ CALL("Echo"), FIELD("say", "it is missing and must be a string") },
	{ "{\"method\":\"" PROBE ".Echo\",\"parameters\":null}", FIELD("say", "it is missing and must be a string") },
	{ "{\"method\":\"" PROBE ".Echo\",\"parameters\":{}}", FIELD("say", "it is missing and must be a string") },
	{ "{\"method\":\"" PROBE
	  ".Echo\",\"parameters\":{\"say\":\"x\"},\"more\":null,\"oneway\":null,\"upgrade\":null}",
	  SAID("x") },
	{ "{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"say\":\"x\"},\"more\":true}", SAID("x") },
};

/* The connection goes on after each of them. */
static void test_mistakes(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	for (unsigned i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		say_bytes(fd, mistakes[i].question, strlen(mistakes[i].question) + 1);
		expect_bytes(&w, fd, mistakes[i].answer, strlen(mistakes[i].answer) + 1);
	}
	expect_silence(&w, fd);
	close(fd);
	tear_down(&w);
}

/* Faults of the text name the field, as it is called in the parameters, and say where it is. */
static void test_no_json(void **state)
{
	static const struct {
		const char *question, *field, *reason;
	} texts[] = {
		{ "hello", "", "(line 1, column 1)" },
		{ "{\"method\":\"x\",}", "", "(line 1, column 15)" },
		{ "{\"method\":\"x\"} x", "", "(line 1, column 16)" },
		{ "{\"method\":\"x\",\n\"method\":\"y\"}", "method", "this key stands there twice" },
		{ "{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"say\":\"\\u0000\"}}", "say", "\\\\u0000 is not" },
		{ "{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"a\":[{\"b\":9007199254740993}]}}", "a[0].b",
		  "numbers reach from" },
		{ "{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"say\":\"\xff\"}}", "say", "not UTF-8" },
		{ "{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"n\":NaN}}", "n", "(line 1, column" },
		{ "{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"n\":1e400}}", "n", "numbers reach from" },
	};
	struct world w;
	char answer[1024], field[128];
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t n = 0;

		memset(answer, 0, sizeof(answer));
		say_bytes(fd, texts[i].question, strlen(texts[i].question));
		SAY(fd, "\n");
		do
			assert_int_equal(hear(&w, fd, answer + n, 1), 1);
		while (answer[n++] != '\n');
		snprintf(field, sizeof(field), "\"field\":\"%s\",\"reason\":\"", texts[i].field);
		if (!strstr(answer, PROBE ".InvalidField") || !strstr(answer, field) ||
		    !strstr(answer, texts[i].reason))
			fail_msg("%s: %s", texts[i].question, answer);
	}
	expect_silence(&w, fd);
	assert_int_equal(w.calls, 0);
	close(fd);
	tear_down(&w);
}

/* Who says that it has no more requests gets the answers to those it had, then the end. */
static void test_half_close(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	SAY(fd, ECHO("one") "\0" ECHO("two") "\n");
	shutdown(fd, SHUT_WR);
	EXPECT(&w, fd, SAID("one") "\0" SAID("two") "\n");
	expect_end(&w, fd);
	close(fd);
	/* The end is a terminator as well. */
	fd = join(&w);
	SAY(fd, ECHO("three"));
	shutdown(fd, SHUT_WR);
	EXPECT(&w, fd, SAID("three") "\n");
	expect_end(&w, fd);
	close(fd);
	/* An answer that comes later, and a request behind it. */
	fd = join(&w);
	SAY(fd, CALL("Later") "\0" ECHO("four"));
	shutdown(fd, SHUT_WR);
	expect_silence(&w, fd);
	answer_kept(&w);
	EXPECT(&w, fd, "{\"parameters\":{\"kept\":\"it\"}}\0" SAID("four") "\n");
	expect_end(&w, fd);
	close(fd);
	/* Nothing at all, and half a request. */
	fd = join(&w);
	shutdown(fd, SHUT_WR);
	expect_end(&w, fd);
	close(fd);
	fd = join(&w);
	SAY(fd, "{\"method\":");
	shutdown(fd, SHUT_WR);
	EXPECT(&w, fd, "{\"error\":\"" PROBE ".InvalidField\"");
	close(fd);
	assert_int_equal(w.gone, 0);
	tear_down(&w);
}

static const char more[] = "{\"method\":\"" PROBE ".Stream\",\"more\":true}";

static bool stream_one(struct world *w, unsigned number, bool continues)
{
	json_number(control_reply(w->kept), "number", number);
	return control_send(w->kept, continues);
}

static void test_stream(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	say_bytes(fd, more, sizeof(more));
	SAY(fd, ECHO("behind") "\0");
	TURN_TO(&w, w.kept);
	expect_silence(&w, fd);
	for (unsigned i = 1; i < 4; i++)
		assert_true(stream_one(&w, i, true));
	EXPECT(&w, fd,
	       "{\"parameters\":{\"number\":1},\"continues\":true}\0{\"parameters\":{\"number\":2},\"continues\":true}"
	       "\0"
	       "{\"parameters\":{\"number\":3},\"continues\":true}\0");
	expect_silence(&w, fd);
	assert_true(stream_one(&w, 4, false));
	EXPECT(&w, fd, "{\"parameters\":{\"number\":4}}\0" SAID("behind") "\0");
	/* An error ends it too. */
	say_bytes(fd, more, sizeof(more));
	TURN_TO(&w, w.kept && w.calls == 3);
	assert_true(stream_one(&w, 5, true));
	control_fail_range(w.kept, "a.b", -5, INT64_MAX, INT64_MIN);
	EXPECT(&w, fd,
	       "{\"parameters\":{\"number\":5},\"continues\":true}\0" ERROR(
		       "OutOfRange", "\"field\":\"a.b\",\"minimum\":-5,\"maximum\":9223372036854775807,"
				     "\"given\":-9223372036854775808") "\0");
	expect_silence(&w, fd);
	assert_int_equal(w.gone, 0);
	close(fd);
	tear_down(&w);
}

/* The peer of a call goes away: at once, or after it said that it has no more requests. */
static void test_gone(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	say_bytes(fd, more, sizeof(more));
	TURN_TO(&w, w.kept);
	close(fd);
	TURN_TO(&w, w.gone == 1);
	fd = join(&w);
	say_bytes(fd, more, sizeof(more));
	shutdown(fd, SHUT_WR);
	TURN_TO(&w, w.kept);
	expect_silence(&w, fd);
	assert_true(stream_one(&w, 1, true));
	EXPECT(&w, fd, "{\"parameters\":{\"number\":1},\"continues\":true}\0");
	close(fd);
	turn_some(&w);
	now_ns += NS_PER_SECOND;
	TURN_TO(&w, w.gone == 2);
	/* Or when it is sent something. */
	fd = join(&w);
	say_bytes(fd, more, sizeof(more));
	shutdown(fd, SHUT_WR);
	TURN_TO(&w, w.kept);
	close(fd);
	assert_true(stream_one(&w, 1, true));
	TURN_TO(&w, w.gone == 3);
	assert_null(w.kept);
	tear_down(&w);
}

/* Who takes no answers is sent a bounded number of them, and the rest when it does. */
static void test_room(void **state)
{
	struct world w;
	unsigned sent = 0, heard = 0, waits = 0;
	char text[64];
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	say_bytes(fd, more, sizeof(more));
	TURN_TO(&w, w.kept);
	while (heard < 100000) {
		unsigned room = w.room;

		while (sent < 100000 && stream_one(&w, sent, true)) {
			sent++;
			if (sent % 100 == 0)
				turn_some(&w);
			assert_true(sent - heard < 40000); /* what the kernel takes, and the bound */
		}
		waits += sent < 100000;
		turn_some(&w);
		assert_int_equal(w.room, room); /* not before something was taken */
		while (heard < sent) {
			int n = snprintf(text, sizeof(text), "{\"parameters\":{\"number\":%u},\"continues\":true}",
					 heard);

			expect_bytes(&w, fd, text, (size_t)n + 1);
			heard++;
		}
		assert_int_equal(w.room, room + (sent < 100000));
	}
	assert_true(waits > 0);
	stream_one(&w, sent, false);
	EXPECT(&w, fd, "{\"parameters\":{\"number\":100000}}\0");
	close(fd);
	tear_down(&w);
}

/* An answer may have any length: it is sent in as many parts as the peer takes it. */
static void test_long_answer(void **state)
{
	enum { BYTES = 3 << 20 };
	char *text = malloc(BYTES + 1), part[4096];
	size_t heard = 0;
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	SAY(fd, CALL("Later") "\0");
	TURN_TO(&w, w.kept);
	for (size_t i = 0; i < BYTES; i++)
		text[i] = (char)('a' + i / 7 % 26);
	text[BYTES] = '\0';
	json_string(control_reply(w.kept), "long", text);
	control_send(w.kept, false);
	EXPECT(&w, fd, "{\"parameters\":{\"long\":\"");
	while (heard < BYTES) {
		size_t n = hear(&w, fd, part, sizeof(part) < BYTES - heard ? sizeof(part) : BYTES - heard);

		assert_memory_equal(part, text + heard, n);
		assert_true(n > 0);
		heard += n;
	}
	EXPECT(&w, fd, "\"}}\0");
	expect_silence(&w, fd);
	close(fd);
	free(text);
	tear_down(&w);
}

/* Who asks without end while a call is open is held up by its own socket, and nothing is lost. */
static void test_back_pressure(void **state)
{
	static const char question[] = ECHO("behind") "\n", answer[] = SAID("behind") "\n";
	struct world w;
	size_t sent = 0, whole;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	SAY(fd, CALL("Later") "\n");
	TURN_TO(&w, w.kept);
	for (;;) {
		size_t at = sent % (sizeof(question) - 1);
		ssize_t n = send(fd, question + at, sizeof(question) - 1 - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		turn_some(&w);
		if (n < 0)
			break;
		sent += (size_t)n;
		assert_true(sent < 1 << 20);
	}
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(w.calls, 1);
	whole = sent / (sizeof(question) - 1);
	assert_true(whole > 100);
	answer_kept(&w);
	EXPECT(&w, fd, "{\"parameters\":{\"kept\":\"it\"}}\n");
	for (size_t i = 0; i < whole; i++)
		expect_bytes(&w, fd, answer, sizeof(answer) - 1);
	expect_silence(&w, fd);
	close(fd);
	tear_down(&w);
}

static void test_stats(void **state)
{
	struct control_stats stats;
	struct world w;
	int fds[2], stranger;

	(void)state;
	set_up(&w, &probe_limits);
	fds[0] = join(&w);
	fds[1] = join(&w);
	next_is(ANNA, OTHERS);
	stranger = join(&w);
	SAY(stranger, ECHO("x") "\n");
	expect_bytes(&w, stranger, "{\"error\"", 8);
	SAY(fds[0], ECHO("x") "\0" CALL("Nothing") "\0{}\0");
	EXPECT(&w, fds[0], SAID("x") "\0" SERVICE_ERROR("MethodNotFound", "\"method\":\"" PROBE ".Nothing\"") "\0{");
	close(fds[1]);
	turn_some(&w);
	control_get_stats(w.control, &stats);
	assert_int_equal(stats.connections, 1);
	assert_int_equal(stats.connections_taken, 2);
	assert_int_equal(stats.connections_refused, 1);
	assert_int_equal(stats.requests, 4);
	assert_int_equal(stats.errors, 2); /* and one that is not counted: it had no connection */
	close(fds[0]);
	close(stranger);
	tear_down(&w);
}

/* Open calls, answers on their way, half a request: all of it goes. */
static void test_destroy_busy(void **state)
{
	struct world w;
	int fds[4];

	(void)state;
	set_up(&w, &probe_limits);
	for (unsigned i = 0; i < 4; i++)
		fds[i] = join(&w);
	SAY(fds[0], CALL("Later") "\n");
	SAY(fds[1], "{\"method\"");
	for (unsigned i = 0; i < 40; i++)
		SAY(fds[2], ECHO("x") "\n");
	say_bytes(fds[3], more, sizeof(more));
	TURN_TO(&w, w.calls >= 3 && w.kept);
	control_reply(w.kept); /* begun only */
	tear_down(&w);
	assert_int_equal(w.gone, 0);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_either_terminator),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_oneway),
		cmocka_unit_test(test_service),
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_no_json),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_long_answer),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_destroy_busy),
	};

	return RUN_ON_EACH(tests);
}
