/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_replies.c - the library's control calls that have many replies: in order, however they arrive, and how
 * they end; and what the handle can do meanwhile and afterwards.
 */
#include "fake_control.h"

#define REPLY "{\"parameters\":{\"a\":1}}"

static void expect_requests(struct fake *f, unsigned requests, unsigned connections)
{
	fake_stop(f);
	assert_int_equal(f->request_count, requests);
	assert_int_equal(f->connection_count, connections);
}

#define NTH(n) "{\"parameters\":{\"n\":" #n "},\"continues\":true}"

static void expect_next(struct lumaring_control *control, int result, const char *text)
{
	const char *json = NULL;

	assert_int_equal(lumaring_control_next(control, FAKE_WAIT_MS, &json), result);
	assert_string_equal(json, text);
}

static void test_watch(void **state)
{
	static const char three[] = NTH(1) "\0" NTH(2) "\0{\"parameters\":{\"n\":3}}";
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);

	assert_int_equal(lumaring_control_next(control, 0, NULL), -EINVAL);
	assert_int_equal(lumaring_control_fd(control), -EINVAL);
	fake_bytes(f, three, sizeof(three)); /* in one read */
	fake_bytes(f, three, sizeof(three))->piece = 1;
	fake_reply(f, REPLY);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(lumaring_control_watch(control, "Watch", "{\"interval_us\":1}", FAKE_WAIT_MS), 0);
		expect_next(control, 0, "{\"n\":1}");
		assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), -EBUSY);
		assert_int_equal(lumaring_control_watch(control, "A", NULL, FAKE_WAIT_MS), -EBUSY);
		assert_true(lumaring_control_fd(control) >= 0);
		expect_next(control, 0, "{\"n\":2}");
		expect_next(control, 1, "{\"n\":3}");
		assert_int_equal(lumaring_control_fd(control), -EINVAL);
		assert_int_equal(lumaring_control_next(control, 0, NULL), -EINVAL);
	}
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_requests(f, 3, 1);
	assert_string_equal(
		f->requests[0],
		"{\"method\":\"io.lumaring.Camera.Watch\",\"parameters\":{\"interval_us\":1},\"more\":true}");
}

static void test_watch_waits(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	static const char half[] = NTH(1) "\0{\"parame";
	const char *json = (const char *)f;

	fake_bytes(f, half, sizeof(half) - 1);
	fake_reply(f, REPLY);
	assert_int_equal(lumaring_control_watch(control, "Watch", NULL, FAKE_WAIT_MS), 0);
	expect_next(control, 0, "{\"n\":1}");
	assert_int_equal(lumaring_control_next(control, 0, &json), -EAGAIN);
	assert_int_equal(lumaring_control_next(control, 20, &json), -ETIMEDOUT);
	assert_int_equal(lumaring_control_next(control, 0, &json), -EAGAIN);
	assert_ptr_equal(json, f);
	lumaring_control_stop(control);
	assert_int_equal(lumaring_control_fd(control), -EINVAL);
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_requests(f, 2, 2);
}

static void test_watch_ends_badly(void **state)
{
	static const struct {
		const char *text;
		bool hang_up;
		int code;
	} ends[] = {
		{ "{\"error\":\"io.lumaring.Camera.PermissionDenied\"}", false, -EPERM },
		{ "nonsense", false, -EBADMSG },
		{ "{}}", false, -EBADMSG },
		{ NTH(1), true, -ENOTCONN },
	};
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);

	for (size_t i = 0; i < 4; i++)
		fake_reply(f, ends[i].text)->hang_up = ends[i].hang_up;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(lumaring_control_watch(control, "Watch", NULL, FAKE_WAIT_MS), 0);
		if (ends[i].hang_up)
			expect_next(control, 0, "{\"n\":1}");
		assert_int_equal(lumaring_control_next(control, FAKE_WAIT_MS, NULL), ends[i].code);
		assert_int_equal(lumaring_control_next(control, FAKE_WAIT_MS, NULL), -EINVAL);
	}
	lumaring_control_close(control);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_watch),
		TEST(test_watch_waits),
		TEST(test_watch_ends_badly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
