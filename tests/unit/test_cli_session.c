/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_session.c - a reader as the tool's verbs use it, against a daemon that is older than its options: what is
 * not as it was asked for is said and refused, and never written as if it were.
 */
#include "fake_daemon.h"

#include "../../client-lib/cli/amount.c"
#include "../../client-lib/cli/line.c"
#include "../../client-lib/cli/session.c"

static char said[1024]; /* last */

void talk(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
}

int stop_signal(void)
{
	return 0;
}

static struct options asked(struct fake *f, uint32_t fourcc, uint32_t bin)
{
	return (struct options){ .camera = "cam0",
				 .runtime_dir = f->directory,
				 .wait_ms = FAKE_WAIT_MS,
				 .timeout_ms = FAKE_WAIT_MS,
				 .private = fourcc || bin,
				 .fourcc = fourcc,
				 .bin = bin };
}

/* What a frame of the fake, R8 and bin 1, is taken for. */
static int first_frame(struct fake *f, uint32_t fourcc, uint32_t bin)
{
	const struct options options = asked(f, fourcc, bin);
	const struct lumaring_frame *frame = NULL;
	struct session session;
	int r;

	said[0] = '\0';
	fake_answer_welcome(f);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
	assert_int_equal(session_open(&session, &options), CODE_OK);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	fake_frame(f);
	r = session_wait(&session, lumaring_next, &frame);
	if (r < 0)
		assert_int_equal(session_failure(&session, r), CODE_REFUSED);
	else
		assert_int_equal(session_release(&session, frame), 0);
	session_close(&session);
	return r;
}

static void test_as_asked(void **state)
{
	assert_int_equal(first_frame(*state, 0, 0), 0);
	assert_int_equal(first_frame(*state, LUMARING_FORMAT_R8, 0), 0);
	assert_int_equal(first_frame(*state, LUMARING_FORMAT_R8, 1), 0);
	assert_string_equal(said, "");
}

static void test_older_daemon(void **state)
{
	assert_int_equal(first_frame(*state, LUMARING_FORMAT_R16, 0), -EPROTO);
	assert_string_equal(said,
			    "this daemon gives R8 with bin 1 where R16 with bin 1 was asked for: it is older than that "
			    "and must be updated");
	assert_int_equal(first_frame(*state, 0, 2), -EPROTO);
	assert_string_equal(said,
			    "this daemon gives R8 with bin 1 where R8 with bin 2 was asked for: it is older than that "
			    "and must be updated");
	assert_int_equal(first_frame(*state, LUMARING_FORMAT_R16, 2), -EPROTO);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_as_asked),
		TEST(test_older_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
