/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control_fair.c - what one peer, or all connections of one uid, may cost the thread that serves everybody: so
 * many pieces, refusals and requests in a row, and nothing for those that are gone.
 */
#include "control_probe.h"

#define LIMIT_RATE(rate, retry)                                                                                        \
	ERROR("LimitReached", "\"limit\":\"control-rate\",\"maximum\":" rate ",\"retry_after_us\":" retry)

/* Byte by byte without an end, a request or blanks: one piece is heard in a while, however long that goes on. */
static void test_chatter(void **state)
{
	static const char *const rest[] = { ECHO("x") "\n", &ECHO("x")[1] };
	struct world w;

	(void)state;
	set_up(&w, &probe_limits);
	for (unsigned in_request = 0; in_request < 2; in_request++) {
		int fd = join(&w);

		if (in_request)
			SAY(fd, "{");
		for (unsigned i = 0; i < 65; i++) {
			turn_some(&w);
			SAY(fd, " ");
		}
		expect_silence(&w, fd);
		for (unsigned i = 0; i < 3; i++) {
			now_ns += 50 * NS_PER_MS;
			turn_some(&w);
			SAY(fd, " ");
			turn_some(&w);
		}
		say_bytes(fd, rest[in_request], strlen(rest[in_request]) + 1);
		expect_silence(&w, fd);
		now_ns += 50 * NS_PER_MS;
		EXPECT(&w, fd, SAID("x"));
		close(fd);
	}
	tear_down(&w);
}

/* Who asks for much at once is not served before who asks for little. */
static void test_turns(void **state)
{
	struct world w;
	int much, little;

	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		set_up(&w, &probe_limits);
		much = join(&w);
		little = join(&w);
		if (order)
			SAY(little, CALL("Change") "\n");
		for (unsigned i = 0; i < 30; i++)
			SAY(much, ECHO("much") "\n");
		if (!order)
			SAY(little, CALL("Change") "\n");
		TURN_TO(&w, w.calls == 31);
		assert_in_range(strchr(w.order, 'c') - w.order, 0, 1);
		close(much);
		close(little);
		tear_down(&w);
	}
}

/* Four connections that are too fast wait in line for the same rate, and each is told for how long. */
static void test_rate_of_many(void **state)
{
	static const char answers[4][sizeof(LIMIT_RATE("5", "200000"))] = { LIMIT_RATE("5", "200000"),
									    LIMIT_RATE("5", "400000"),
									    LIMIT_RATE("5", "600000"),
									    LIMIT_RATE("5", "800000") };
	struct control_limits limits = probe_limits;
	struct world w;
	int fds[4];

	(void)state;
	limits.rate = 5;
	set_up(&w, &limits);
	next_is(ANNA, VIDEO);
	for (unsigned i = 0; i < 4; i++)
		fds[i] = join(&w);
	for (unsigned i = 0; i < 6; i++) {
		SAY(fds[0], ECHO("burst") "\0");
		EXPECT(&w, fds[0], SAID("burst") "\0");
	}
	for (unsigned i = 0; i < 4; i++) {
		SAY(fds[i], ECHO("too fast") "\0" ECHO("waits") "\0");
		expect_bytes(&w, fds[i], answers[i], sizeof(answers[i]));
	}
	for (unsigned i = 0; i < 4; i++) {
		now_ns += 199 * NS_PER_MS;
		for (unsigned n = i; n < 4; n++)
			expect_silence(&w, fds[n]);
		now_ns += NS_PER_MS;
		EXPECT(&w, fds[i], SAID("waits") "\0");
	}
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
	tear_down(&w);
}

/* What a peer left behind that was too fast is not done, and keeps no place. */
static void test_rate_of_gone(void **state)
{
	struct control_limits limits = probe_limits;
	struct control_stats stats;
	struct world w;
	int fd;

	(void)state;
	limits.rate = 2;
	set_up(&w, &limits);
	next_is(ANNA, VIDEO);
	fd = join(&w);
	for (unsigned i = 0; i < 20; i++)
		SAY(fd, "{\"method\":\"" PROBE ".Echo\",\"parameters\":{\"say\":\"x\"},\"oneway\":true}\0");
	close(fd);
	TURN_TO(&w, (control_get_stats(w.control, &stats), stats.connections == 0));
	assert_int_equal(w.calls, 3);
	tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chatter),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_rate_of_many),
		cmocka_unit_test(test_rate_of_gone),
	};

	return RUN_ON_EACH(tests);
}
