/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control_limits.c - each limit of the control socket, at it and one beyond: what is answered, whether the
 * connection goes on, and that nobody else is held up.
 */
#include "control_probe.h"

#include <malloc.h>

#include "base/limits.h"
#include "base/quota.h"

#define LIMIT(name, maximum, retry)                                                                                    \
	ERROR("LimitReached", "\"limit\":\"" name "\",\"maximum\":" maximum ",\"retry_after_us\":" retry)

/* A request of so many bytes, not NUL-terminated. */
static char *long_request(size_t bytes)
{
	static const char head[] = "{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"say\":\"", tail[] = "\"}}";
	char *text = malloc(bytes);

	memset(text, 'x', bytes);
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + bytes - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
	return text;
}

/* In pieces, so that the daemon's inbox grows on the way. */
static void say_in_pieces(struct world *w, int fd, const char *text, size_t bytes, size_t piece)
{
	for (size_t at = 0; at < bytes; at += piece) {
		say_bytes(fd, text + at, bytes - at < piece ? bytes - at : piece);
		turn_some(w);
	}
}

static void test_message_bytes(void **state)
{
	static const size_t pieces[] = { 1u << 20, 4096, 1000, 97 };
	struct world w;
	int fd;

	(void)state;
	for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		char *text = long_request(4097), *just = long_request(4096), answer[64];

		set_up(&w, &probe_limits);
		fd = join(&w);
		for (unsigned round = 0; round < 3; round++) { /* the framing goes on behind it */
			say_in_pieces(&w, fd, just, 4096, pieces[i]);
			SAY(fd, "\n");
			EXPECT(&w, fd, "{\"parameters\":{\"said\":\"xxx");
			while (hear(&w, fd, answer, 1) == 1 && answer[0] != '\n')
				;
		}
		assert_int_equal(w.calls, 3);
		say_in_pieces(&w, fd, text, 4097, pieces[i]);
		EXPECT(&w, fd, LIMIT("control-message-bytes", "4096", "0") "\n");
		expect_end(&w, fd);
		close(fd);
		/* Also when it ends after all. */
		fd = join(&w);
		say_bytes(fd, text, 4097);
		SAY(fd, "\0");
		EXPECT(&w, fd, LIMIT("control-message-bytes", "4096", "0") "\0");
		expect_end(&w, fd);
		close(fd);
		assert_int_equal(w.calls, 3);
		tear_down(&w);
		free(text);
		free(just);
	}
}

/* A limit below what is read at once: the request is whole, and ends in its own way. */
static void test_message_bytes_few(void **state)
{
	struct control_limits limits = probe_limits;
	char *text = long_request(101), *just = long_request(100), line[102];
	struct world w;
	int fd;

	(void)state;
	limits.message_bytes = 100;
	set_up(&w, &limits);
	fd = join(&w);
	say_bytes(fd, just, 100);
	SAY(fd, "\0");
	EXPECT(&w, fd, "{\"parameters\":{\"said\":\"");
	TURN_TO(&w, recv(fd, (char[100]){ 0 }, 100, MSG_DONTWAIT) > 0);
	memcpy(line, text, 101);
	line[101] = '\n';
	say_bytes(fd, line, sizeof(line));
	EXPECT(&w, fd, LIMIT("control-message-bytes", "100", "0") "\n");
	expect_end(&w, fd);
	close(fd);
	tear_down(&w);
	free(text);
	free(just);
}

/* The limit is that of one request: a blank line before it is none of its bytes. */
static void test_blanks_do_not_count(void **state)
{
	struct world w;
	char blanks[6000], *just = long_request(4096);
	int fd;

	(void)state;
	memset(blanks, '\n', sizeof(blanks));
	set_up(&w, &probe_limits);
	fd = join(&w);
	say_bytes(fd, blanks, sizeof(blanks));
	say_bytes(fd, just, 4096);
	SAY(fd, "\0");
	EXPECT(&w, fd, "{\"parameters\":{\"said\":\"xxx");
	close(fd);
	free(just);
	tear_down(&w);
}

/* The request itself is one level, its parameters one, and eight are allowed. */
static void test_depth(void **state)
{
	static const char *const inner[] = { "[[[[[[]]]]]]", "[[[[[[[]]]]]]]" };
	struct world w;
	char text[256];
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	for (unsigned i = 0; i < 2; i++) {
		int n = snprintf(text, sizeof(text), "{\"method\":\"%s.Echo\",\"parameters\":{\"say\":%s}}", PROBE,
				 inner[i]);

		say_bytes(fd, text, (size_t)n + 1);
		if (i == 0)
			EXPECT(&w, fd,
			       ERROR("InvalidField", "\"field\":\"say\",\"reason\":\"it must be a string\"") "\0");
		else
			EXPECT(&w, fd, LIMIT("control-depth", "8", "0") "\0");
	}
	SAY(fd, ECHO("on") "\0");
	EXPECT(&w, fd, SAID("on") "\0");
	close(fd);
	tear_down(&w);
}

/* Request, method, parameters and `say` are four of 32. */
static void test_values(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	for (unsigned count = 28; count <= 29; count++) {
		char text[256];
		int n = snprintf(text, sizeof(text), "{\"method\":\"%s.Echo\",\"parameters\":{\"say\":[0", PROBE);

		for (unsigned i = 1; i < count; i++)
			n += snprintf(text + n, sizeof(text) - (size_t)n, ",0");
		n += snprintf(text + n, sizeof(text) - (size_t)n, "]}}");
		say_bytes(fd, text, (size_t)n + 1);
		if (count == 28)
			EXPECT(&w, fd,
			       ERROR("InvalidField", "\"field\":\"say\",\"reason\":\"it must be a string\"") "\0");
		else
			EXPECT(&w, fd, LIMIT("control-values", "32", "0") "\0");
	}
	SAY(fd, ECHO("on") "\0");
	EXPECT(&w, fd, SAID("on") "\0");
	close(fd);
	tear_down(&w);
}

/* Eight connections, four of one uid, and some beyond for root. */
static void test_connections(void **state)
{
	struct control_stats stats;
	struct world w;
	int fds[8 + QUOTA_RESERVE + 1], fd;

	(void)state;
	set_up(&w, &probe_limits);
	next_is(ANNA, VIDEO);
	for (unsigned i = 0; i < 4; i++)
		fds[i] = join(&w);
	fd = join(&w);
	expect_silence(&w, fd); /* it is told when it asks, in its own way */
	SAY(fd, ECHO("x") "\n");
	EXPECT(&w, fd, LIMIT("control-connections", "4", "0") "\n");
	expect_end(&w, fd);
	close(fd);
	control_get_stats(w.control, &stats);
	assert_int_equal(stats.connections_refused, 1);
	assert_int_equal(stats.connections_taken, 4);
	next_is(BERT, VIDEO);
	for (unsigned i = 4; i < 8; i++)
		fds[i] = join(&w);
	next_is(BERT + 1, VIDEO);
	fd = join(&w);
	SAY(fd, ECHO("x") "\0");
	EXPECT(&w, fd, LIMIT("control-connections", "8", "0") "\0");
	expect_end(&w, fd);
	close(fd);
	next_is(0, OTHERS);
	for (unsigned i = 8; i < 8 + QUOTA_RESERVE; i++) {
		fds[i] = join(&w);
		SAY(fds[i], ECHO("root") "\0");
		EXPECT(&w, fds[i], SAID("root") "\0");
	}
	fd = join(&w);
	SAY(fd, ECHO("x") "\0");
	EXPECT(&w, fd, LIMIT("control-connections", "16", "0") "\0");
	close(fd);
	/* All of them are served, and one that leaves makes room. */
	for (unsigned i = 0; i < 8; i++) {
		SAY(fds[i], ECHO("all") "\0");
		EXPECT(&w, fds[i], SAID("all") "\0");
	}
	close(fds[0]);
	for (unsigned i = 8; i < 8 + QUOTA_RESERVE; i++)
		close(fds[i]);
	turn_some(&w);
	next_is(BERT + 1, VIDEO);
	fd = join(&w);
	SAY(fd, ECHO("x") "\0");
	EXPECT(&w, fd, SAID("x") "\0");
	close(fd);
	for (unsigned i = 1; i < 8; i++)
		close(fds[i]);
	tear_down(&w);
}

/* One connection and nine requests at once, then one each period; the connection goes on. */
static void test_rate(void **state)
{
	struct control_limits limits = probe_limits;
	struct world w;
	int fd, other;

	(void)state;
	limits.rate = 5;
	set_up(&w, &limits);
	next_is(ANNA, VIDEO);
	fd = join(&w);
	for (unsigned i = 0; i < 9; i++) {
		SAY(fd, ECHO("burst") "\0");
		EXPECT(&w, fd, SAID("burst") "\0");
	}
	SAY(fd, ECHO("too fast") "\n" ECHO("waits") "\n");
	EXPECT(&w, fd, LIMIT("control-rate", "5", "200000") "\n");
	/* Who was told is not heard until it could be served: the second one is. */
	expect_silence(&w, fd);
	assert_int_equal(w.calls, 9);
	next_is(BERT, VIDEO);
	other = join(&w);
	SAY(other, ECHO("other") "\0");
	EXPECT(&w, other, SAID("other") "\0");
	now_ns += NS_PER_SECOND / 5 - 1;
	expect_silence(&w, fd);
	now_ns += 1;
	EXPECT(&w, fd, SAID("waits") "\n");
	/* What wants no answer gets none, and is not done. */
	SAY(fd, "{\"method\":\"" PROBE ".Change\",\"oneway\":true}\n");
	expect_silence(&w, fd);
	assert_int_equal(w.calls, 11);
	now_ns += NS_PER_SECOND / 5;
	SAY(fd, ECHO("on") "\n");
	EXPECT(&w, fd, SAID("on") "\n");
	assert_int_equal(w.calls, 12);
	/* What is no request costs as much. */
	now_ns += NS_PER_SECOND / 5;
	SAY(fd, "x\n");
	EXPECT(&w, fd, "{\"error\":\"" PROBE ".InvalidField\"");
	SAY(fd, "x\n");
	TURN_TO(&w, recv(fd, (char[512]){ 0 }, 512, MSG_DONTWAIT) > 0);
	close(fd);
	close(other);
	tear_down(&w);
}

/* Root and the daemon's own user ask as fast as they like. */
static void test_rate_exempt(void **state)
{
	struct control_limits limits = probe_limits;
	struct world w;

	(void)state;
	limits.rate = 1;
	set_up(&w, &limits);
	for (unsigned who = 0; who < 2; who++) {
		int fd;

		next_is(who == 0 ? 0 : geteuid(), OTHERS);
		fd = join(&w);
		for (unsigned i = 0; i < 300; i++) {
			SAY(fd, ECHO("fast") "\0");
			EXPECT(&w, fd, SAID("fast") "\0");
		}
		close(fd);
	}
	tear_down(&w);
}

/* A connection costs one of the rate; who opens them too fast is told. */
static void test_rate_of_connections(void **state)
{
	struct control_limits limits = probe_limits;
	struct world w;
	int fd;

	(void)state;
	limits.rate = 2;
	set_up(&w, &limits);
	next_is(ANNA, VIDEO);
	for (unsigned i = 0; i < 4; i++) {
		close(join(&w));
		turn_some(&w);
	}
	fd = join(&w);
	SAY(fd, ECHO("x") "\n");
	EXPECT(&w, fd, LIMIT("control-rate", "2", "500000") "\n");
	expect_end(&w, fd);
	close(fd);
	tear_down(&w);
}

/* Fill the socket as far as it is read; how many bytes that took. */
static size_t pour(struct world *w, int fd, const char *bytes, size_t count)
{
	size_t poured = 0;

	for (unsigned full = 0; full < 3;) { /* it may be read meanwhile */
		ssize_t n = send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);

		full = n < 0 ? full + 1 : 0;
		poured += n > 0 ? (size_t)n : 0;
		turn_some(w);
		assert_true(poured < 16u << 20);
	}
	return poured;
}

/* Blanks are heard as fast as requests of the greatest length would be, no faster. */
static void test_blanks_cost(void **state)
{
	struct control_limits limits = probe_limits;
	char blanks[4096];
	struct world w;
	size_t held, poured;
	int fd;

	(void)state;
	memset(blanks, '\n', sizeof(blanks));
	limits.rate = 2;
	set_up(&w, &limits);
	next_is(ANNA, VIDEO);
	fd = join(&w);
	held = pour(&w, fd, blanks, sizeof(blanks));
	assert_int_equal(pour(&w, fd, blanks, sizeof(blanks)), 0);
	for (unsigned second = 0; second < 10; second++) {
		now_ns += NS_PER_SECOND;
		poured = pour(&w, fd, blanks, sizeof(blanks));
		assert_true(poured < held);
	}
	close(fd);
	/* Root's are not held up. */
	next_is(0, OTHERS);
	fd = join(&w);
	for (unsigned i = 0; i < 1000; i++) {
		say_bytes(fd, blanks, sizeof(blanks));
		turn_some(&w);
	}
	SAY(fd, ECHO("on") "\0");
	EXPECT(&w, fd, SAID("on") "\0");
	close(fd);
	tear_down(&w);
}

/* A request in a great many pieces is heard with pauses. */
static void test_pieces(void **state)
{
	static const char question[] = ECHO("piece by piece") " \n";
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	for (size_t i = 0; i < sizeof(question) - 1; i++) {
		say_bytes(fd, question + i, 1);
		turn_some(&w);
	}
	assert_true(sizeof(question) > 66);
	expect_silence(&w, fd);
	now_ns += NS_PER_SECOND / 20;
	EXPECT(&w, fd, SAID("piece by piece") "\n");
	close(fd);
	tear_down(&w);
}

/* A request takes at most so long from its first byte to its last; between requests there is all the time. */
static void test_slow_request(void **state)
{
	struct world w;
	int fd, person;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	person = join(&w);
	now_ns += 60 * NS_PER_SECOND;
	expect_silence(&w, fd);
	SAY(fd, ECHO("one") "\0 {");
	SAY(person, "{\n");
	EXPECT(&w, fd, SAID("one") "\0");
	for (unsigned ms = 0; ms < 4999; ms += 1000) {
		expect_silence(&w, fd);
		SAY(fd, " ");
		turn_some(&w);
		now_ns += (ms == 4000 ? 999 : 1000) * NS_PER_MS;
	}
	expect_silence(&w, fd);
	now_ns += NS_PER_MS;
	EXPECT(&w, fd, LIMIT("control-message-ms", "5000", "0") "\0");
	EXPECT(&w, person, LIMIT("control-message-ms", "5000", "0") "\n");
	expect_end(&w, fd);
	expect_end(&w, person);
	close(fd);
	close(person);
	/* In time: the last byte at the last moment. */
	fd = join(&w);
	SAY(fd, "{");
	turn_some(&w);
	now_ns += 5 * NS_PER_SECOND - 1;
	SAY(fd, "\"method\":\"" PROBE ".Change\"}\0");
	EXPECT(&w, fd, "{\"parameters\":{\"changed\":");
	now_ns += 60 * NS_PER_SECOND;
	turn_some(&w);
	SAY(fd, ECHO("on") "\0");
	close(fd);
	tear_down(&w);
}

static unsigned connections(const struct world *w)
{
	struct control_stats stats;

	control_get_stats(w->control, &stats);
	return stats.connections;
}

/* Ask for long answers until no more are made, since those that were are not taken. */
static void ask_until_held_up(struct world *w, int fd, const char *text, size_t bytes)
{
	for (unsigned calls = w->calls - 1; calls != w->calls;) {
		calls = w->calls;
		say_bytes(fd, text, bytes);
		SAY(fd, "\0");
		turn_some(w);
		turn_some(w);
	}
}

/* Who does not take an answer is let go after as long; who takes one in that time is not. */
static void test_slow_reader(void **state)
{
	static char answer[60000];
	struct control_limits limits = probe_limits;
	struct world w;
	const size_t bytes = 50000, answer_bytes = bytes - sizeof(ECHO("")) + sizeof(SAID("") "\0");
	char *text = long_request(bytes);
	int fd, other;

	(void)state;
	limits.message_bytes = 65536;
	set_up(&w, &limits);
	fd = join(&w);
	other = join(&w);
	ask_until_held_up(&w, fd, text, bytes);
	assert_true(w.calls > 2);
	now_ns += 5 * NS_PER_SECOND - 1;
	turn_some(&w);
	SAY(other, ECHO("other") "\0"); /* nobody else is */
	EXPECT(&w, other, SAID("other") "\0");
	assert_int_equal(connections(&w), 2);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(hear(&w, fd, answer, answer_bytes), answer_bytes);
		assert_int_equal(answer[answer_bytes - 1], '\0');
		turn_some(&w);
		now_ns += 4 * NS_PER_SECOND;
		turn_some(&w);
		assert_int_equal(connections(&w), 2);
	}
	/* With all taken it may be idle as long as it likes. */
	while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		turn_some(&w);
	for (unsigned i = 0; i < 4; i++) {
		now_ns += 6 * NS_PER_SECOND;
		turn_some(&w);
		assert_int_equal(connections(&w), 2);
	}
	/* Each time something has to be taken. */
	ask_until_held_up(&w, fd, text, bytes);
	assert_int_equal(hear(&w, fd, answer, answer_bytes), answer_bytes);
	now_ns += 5 * NS_PER_SECOND;
	turn_some(&w);
	assert_int_equal(connections(&w), 2);
	now_ns += 5 * NS_PER_SECOND;
	turn_some(&w);
	assert_int_equal(connections(&w), 1);
	close(fd);
	close(other);
	free(text);
	tear_down(&w);
}

/* Idle connections cost little, also when each had a request of the greatest length before. */
static void test_idle_memory(void **state)
{
	struct control_limits limits = probe_limits;
	struct world w;
	char *text = long_request(65536), *answer = malloc(65536);
	size_t before, after;
	int fds[64];

	(void)state;
	limits.message_bytes = 65536;
	limits.connections_max = 64;
	set_up(&w, &limits);
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < 64; i++) {
		fds[i] = join(&w);
		say_bytes(fds[i], text, 65536);
		SAY(fds[i], "\0");
		hear(&w, fds[i], answer,
		     65536 - sizeof("{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"say\":\"\"}}") + 1 +
			     sizeof(SAID("")));
	}
	turn_some(&w);
	after = mallinfo2().uordblks;
	if (after > 0) /* a sanitizer's allocator does not say */
		assert_true(after - before < 64 * 4096);
	for (unsigned i = 0; i < 64; i++)
		close(fds[i]);
	free(text);
	free(answer);
	tear_down(&w);
}

/* Short answers that are not taken cost no more than long ones. */
static void test_unread_memory(void **state)
{
	struct world w;
	size_t before;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	fd = join(&w);
	SAY(fd, "{\"method\":\"" PROBE ".Stream\",\"more\":true}\0");
	TURN_TO(&w, w.kept);
	before = mallinfo2().uordblks;
	do {
		control_reply(w.kept);
		turn_some(&w);
	} while (control_send(w.kept, true));
	assert_true(mallinfo2().uordblks < before + 3 * LIMIT_CONTROL_ANSWER_BYTES / 2);
	close(fd);
	tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_bytes),
		cmocka_unit_test(test_message_bytes_few),
		cmocka_unit_test(test_blanks_do_not_count),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_exempt),
		cmocka_unit_test(test_rate_of_connections),
		cmocka_unit_test(test_blanks_cost),
		cmocka_unit_test(test_slow_request),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_idle_memory),
		cmocka_unit_test(test_unread_memory),
	};

	return RUN_ON_EACH(tests);
}
