/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control_fair.c - what one peer, or all connections of one uid, may cost the thread that serves everybody: so
 * many pieces, refusals and requests in a row, and nothing for those that are gone.
 */
#include "control_probe.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chatter),
		cmocka_unit_test(test_turns),
	};

	return RUN_ON_EACH(tests);
}
