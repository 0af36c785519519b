/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_control.c - the library's control calls: what is asked, replies in pieces, every error of the
 * daemon's, and a daemon that lies, is silent, leaves or comes back; with nothing left behind.
 */
#include "fake_control.h"

#include <poll.h>
#include <signal.h>
#include <sys/time.h>

#include "../../client-lib/control.h"

#define REPLY "{\"parameters\":{\"a\":1}}"

static void expect_requests(struct fake *f, unsigned requests, unsigned connections)
{
	fake_stop(f);
	assert_int_equal(f->request_count, requests);
	assert_int_equal(f->connection_count, connections);
}

/* --- any call ---------------------------------------------------------------------------------------------------- */

static void test_call(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	const char *json = NULL;

	fake_reply(f, REPLY);
	fake_reply(f, "{}");
	fake_reply(f, "{\"parameters\":null,\"continues\":false,\"error\":null}");
	assert_string_equal(lumaring_control_reply(control), "");
	assert_int_equal(lumaring_control_call(control, "GetStatus", NULL, FAKE_WAIT_MS, &json), 0);
	assert_string_equal(json, "{\"a\":1}");
	assert_ptr_equal(lumaring_control_reply(control), json);
	assert_int_equal(lumaring_control_call(control, "org.varlink.service.GetInfo", " {\"x\": [1]}", -1, &json), 0);
	assert_string_equal(json, "{}");
	assert_int_equal(lumaring_control_call(control, "Reload", "{}", FAKE_WAIT_MS, NULL), 0);
	assert_string_equal(lumaring_control_reply(control), "{}");
	assert_string_equal(lumaring_control_error_text(control), "");
	assert_string_equal(lumaring_control_error_name(control), "");
	assert_string_equal(lumaring_control_error_json(control), "");
	lumaring_control_close(control);
	expect_requests(f, 3, 1);
	assert_string_equal(f->requests[0], "{\"method\":\"io.lumaring.Camera.GetStatus\",\"parameters\":{}}");
	assert_string_equal(f->requests[1],
			    "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\": {\"x\": [1]}}");
	assert_string_equal(f->requests[2], "{\"method\":\"io.lumaring.Camera.Reload\",\"parameters\":{}}");
}

/* Whatever the sizes of the pieces, and around the sizes of the room for them. */
static void test_pieces(void **state)
{
	static const size_t sizes[] = { 1, 16383, 16384, 16385, 100000 };
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	char *texts[5];

	for (size_t i = 0; i < 5; i++) {
		texts[i] = malloc(sizes[i] + 64);
		sprintf(texts[i], "{\"parameters\":{\"a\":\"%*s\"}}", (int)sizes[i], "");
		fake_reply(f, texts[i])->piece = i == 0 ? 1 : 1000;
	}
	for (size_t i = 0; i < 5; i++) {
		const char *json = NULL;

		assert_int_equal(lumaring_control_call(control, "GetStatus", NULL, FAKE_WAIT_MS, &json), 0);
		assert_int_equal(strlen(json), sizes[i] + strlen("{\"a\":\"\"}"));
		assert_memory_equal(json, texts[i] + strlen("{\"parameters\":"), strlen(json));
	}
	lumaring_control_close(control);
	expect_requests(f, 5, 1);
	for (size_t i = 0; i < 5; i++)
		free(texts[i]);
}

static void test_largest(void **state)
{
	const size_t most = LR_CHANNEL_BYTES_MAX - 1; /* with room for the NUL */
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	char *text = malloc(most + 2), *longer = malloc(most + 2);

	memset(text, ' ', most + 1);
	memcpy(text, REPLY, strlen(REPLY));
	text[most + 1] = '\0';
	strcpy(longer, text);
	text[most] = '\0';
	fake_bytes(f, longer, most)->hang_up = true; /* as many as are taken, without an end */
	fake_bytes(f, longer, most + 2);
	fake_bytes(f, text, most + 1);
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), -ENOTCONN);
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), -EBADMSG);
	assert_non_null(strstr(lumaring_control_error_text(control), "has more than 8388607 bytes"));
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_requests(f, 3, 3);
	free(text);
	free(longer);
}

static void test_bad_arguments(void **state)
{
	static const char *const methods[] = { NULL, "", "a b", "a\"b", "a/b", "a\n", "\xc3\xa4" };
	static const char *const parameters[] = { "", "1", "[]", "{", "{\"a\":1}}", "{\"a\":1} x" };
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	char name[129];

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		assert_int_equal(lumaring_control_call(control, methods[i], NULL, 0, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		assert_int_equal(lumaring_control_call(control, "A", parameters[i], 0, NULL), -EINVAL);
	assert_string_equal(lumaring_control_error_text(control),
			    "the parameters are not a JSON object: byte 8, at \"x\", cannot be there");
	memset(name, 'a', 128);
	name[128] = '\0';
	assert_int_equal(lumaring_control_call(control, name, NULL, 0, NULL), -EINVAL);
	name[127] = '\0';
	fake_reply(f, "{}");
	assert_int_equal(lumaring_control_call(control, name, NULL, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_requests(f, 1, 1);
}

/* --- refusals ---------------------------------------------------------------------------------------------------- */

static const struct refusal {
	const char *name, *parameters;
	int code;
	const char *sentence;
} refusals[] = {
	{ "io.lumaring.Camera.OutOfRange",
	  "{\"field\":\"configuration.size.width\",\"minimum\":1,\"maximum\":65535,\"given\":70000}", ERANGE,
	  "size.width 70000 is out of range: 1 to 65535" },
	{ "io.lumaring.Camera.OutOfRange",
	  "{\"field\":\"controls.brightness_milli\",\"minimum\":-1000,\"maximum\":1000,\"given\":-1001}", ERANGE,
	  "brightness_milli -1001 is out of range: -1000 to 1000" },
	{ "io.lumaring.Camera.InvalidField", "{\"field\":\"stream.name\",\"reason\":\"this is no name\"}", EINVAL,
	  "stream.name: this is no name" },
	{ "io.lumaring.Camera.NotSupported", "{\"field\":\"controls.ev\",\"reason\":\"there is no lens\"}", ENOTSUP,
	  "ev: there is no lens" },
	{ "io.lumaring.Camera.NoSuchStream", "{\"stream\":\"bal\",\"streams\":[\"main\",\"ball\"]}", ENOENT,
	  "there is no stream \"bal\", only main, ball" },
	{ "io.lumaring.Camera.NoSuchStream", "{\"stream\":\"bal\",\"streams\":[]}", ENOENT,
	  "there is no stream \"bal\"" },
	{ "io.lumaring.Camera.StreamExists", "{\"stream\":\"ball\"}", EEXIST, "there is a stream \"ball\" already" },
	{ "io.lumaring.Camera.StreamInUse", "{\"stream\":\"ball\",\"clients\":1}", ENOTEMPTY,
	  "stream \"ball\" has 1 client: they are disconnected only when that is asked for" },
	{ "io.lumaring.Camera.Adjusted",
	  "{\"adjustments\":[{\"field\":\"size.width\",\"asked\":643,\"got\":640},{\"field\":\"size.height\",\"asked\":"
	  "3,"
	  "\"got\":2}]}",
	  EDOM, "the source cannot do exactly that: size.width 643 would become 640, size.height 3 would become 2" },
	{ "io.lumaring.Camera.Busy", "{\"reason\":\"the size changes too often\",\"retry_after_us\":180001}", EBUSY,
	  "the size changes too often: try again in 181 ms" },
	{ "io.lumaring.Camera.NoRoom",
	  "{\"stream\":\"main\",\"reason\":\"ring-bytes\",\"needed_bytes\":\"9\",\"available_bytes\":\"8\"}", ENOSPC,
	  "no room for stream \"main\": ring-bytes (9 bytes needed, 8 available)" },
	{ "io.lumaring.Camera.SourceRefused", "{\"step\":\"start\",\"reason\":\"no bandwidth\",\"restored\":true}", EIO,
	  "the source refused to start: no bandwidth; it runs as before" },
	{ "io.lumaring.Camera.SourceRefused", "{\"step\":\"stop\",\"reason\":\"x\",\"restored\":false}", EIO,
	  "the source refused to stop: x; it does not run any more" },
	{ "io.lumaring.Camera.BadConfiguration", "{\"faults\":[\"a.json:1:2: bad\"]}", EUCLEAN, "a.json:1:2: bad" },
	{ "io.lumaring.Camera.BadConfiguration", "{\"faults\":[\"a\",\"b\",\"c\"]}", EUCLEAN, "a (and 2 more)" },
	{ "io.lumaring.Camera.LimitReached", "{\"limit\":\"control-connections\",\"maximum\":64,\"retry_after_us\":0}",
	  EDQUOT, "more than the daemon allows, control-connections is 64" },
	{ "io.lumaring.Camera.PermissionDenied", "{\"method\":\"Configure\",\"group\":\"no such; group\"}", EPERM,
	  "permission denied: Configure is for the group no such; group, which this machine does not know" },
	{ "io.lumaring.Camera.PermissionDenied", "{\"method\":\"Configure\",\"group\":\"\"}", EPERM,
	  "you may not call Configure: root and the daemon's user may" },
	{ "org.varlink.service.MethodNotFound", "{\"method\":\"io.lumaring.Camera.Nod\"}", ENOSYS,
	  "this daemon has no method io.lumaring.Camera.Nod: it may be older" },
	{ "org.varlink.service.InterfaceNotFound", "{\"interface\":\"a.b\"}", ENOSYS,
	  "this daemon has no interface a.b: it may be older" },
	{ "org.varlink.service.InvalidParameter", "{\"parameter\":\"x\"}", EINVAL,
	  "the daemon does not take the parameter \"x\"" },
	{ "org.varlink.service.ExpectedMore", "{}", EINVAL,
	  "this method has many replies: it must be called as one that has" },
	{ "com.example.Odd", "{\"a\":\"b\xc3\xa4\"}", EREMOTEIO,
	  "the daemon refused with com.example.Odd, which this library does not know: {\"a\":\"b??\"}" },
	/* What it does not say, or says as something else. */
	{ "io.lumaring.Camera.OutOfRange", "{}", ERANGE, "? 0 is out of range: 0 to 0" },
	{ "io.lumaring.Camera.OutOfRange", "{\"field\":7,\"minimum\":\"1\",\"given\":1.5,\"maximum\":[]}", ERANGE,
	  "? 0 is out of range: 0 to 0" },
	{ "io.lumaring.Camera.NoSuchStream", "{\"stream\":\"\\u001b[2J\",\"streams\":{}}", ENOENT,
	  "there is no stream \"?[2J\"" },
	{ "io.lumaring.Camera.Adjusted", "{\"adjustments\":[1,{}]}", EDOM,
	  "the source cannot do exactly that: ? 0 would become 0, ? 0 would become 0" },
	{ "io.lumaring.Camera.Busy", "{}", EBUSY, "?" },
	{ "io.lumaring.Camera.BadConfiguration", "{\"faults\":[]}", EUCLEAN, "?" },
	{ "io.lumaring.Camera.SourceRefused", "{\"restored\":1}", EIO,
	  "the source refused to ?: ?; it does not run any more" },
};

#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static void test_refused(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	static char texts[REFUSALS][512];

	for (size_t i = 0; i < REFUSALS; i++) {
		snprintf(texts[i], sizeof(texts[i]), "{\"error\":\"%s\",\"parameters\":%s}", refusals[i].name,
			 refusals[i].parameters);
		fake_reply(f, texts[i]);
	}
	for (size_t i = 0; i < REFUSALS; i++) {
		const char *json = (const char *)f;

		assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, &json), -refusals[i].code);
		assert_string_equal(lumaring_control_error_text(control), refusals[i].sentence);
		assert_string_equal(lumaring_control_error_name(control), refusals[i].name);
		assert_string_equal(lumaring_control_error_json(control), refusals[i].parameters);
		assert_string_equal(lumaring_control_reply(control), "");
		assert_ptr_equal(json, f); /* untouched */
		if (strcmp(lumaring_strerror(-refusals[i].code), "unknown error") == 0)
			fail_msg("no sentence for %s", refusals[i].name);
	}
	lumaring_control_close(control);
	expect_requests(f, REFUSALS, 1);
}

/* No parameters at all; and a list that is longer than a sentence. */
static void test_refused_oddly(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	char text[4096] = "{\"error\":\"io.lumaring.Camera.Adjusted\",\"parameters\":{\"adjustments\":[{}";

	for (int i = 0; i < 40; i++)
		strcat(text,
		       ",{\"field\":\"streams[0].region.width\",\"asked\":-9007199254740992,\"got\":9007199254740992}");
	strcat(text, "]}}");
	fake_reply(f, "{\"error\":\"io.lumaring.Camera.Busy\"}");
	fake_reply(f, text);
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), -EBUSY);
	assert_string_equal(lumaring_control_error_json(control), "{}");
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), -EDOM);
	assert_int_equal(strlen(lumaring_control_error_text(control)), sizeof(control->error.text) - 1);
	lumaring_control_close(control);
	expect_requests(f, 2, 1);
}

/* --- lies -------------------------------------------------------------------------------------------------------- */

static void test_nonsense(void **state)
{
	static const struct {
		const char *text, *sentence;
	} lies[] = {
		{ "", "is not a JSON object: byte 0 of 0 cannot be there" },
		{ "hello", "is not a JSON object: byte 0 of 5 cannot be there" },
		{ "{\"parameters\":{}", "byte 16 of 16" },
		{ "{\"parameters\":{}}\n{}", "byte 18 of 20" },
		{ "{\"parameters\":[]}", "\"parameters\" is not an object" },
		{ "{\"parameters\":\"\"}", "\"parameters\" is not an object" },
		{ "{\"error\":7}", "\"error\" is not a name" },
		{ "{\"error\":\"\"}", "\"error\" is not a name" },
		{ "{\"error\":\"a\\\"b\"}", "\"error\" is not a name" },
		{ "{\"error\":\"a\",\"parameters\":1}", "\"parameters\" is not an object" },
		{ "{\"parameters\":{},\"continues\":true}", "it says that more follow" },
	};
	const unsigned count = sizeof(lies) / sizeof(lies[0]);
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);

	for (unsigned i = 0; i < count; i++)
		fake_reply(f, lies[i].text);
	for (unsigned i = 0; i < count; i++) {
		if (lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL) != -EBADMSG ||
		    !strstr(lumaring_control_error_text(control), lies[i].sentence))
			fail_msg("'%s': %s", lies[i].text, lumaring_control_error_text(control));
		assert_string_equal(lumaring_control_error_name(control), "");
		assert_string_equal(lumaring_control_reply(control), "");
	}
	lumaring_control_close(control);
	expect_requests(f, count, count); /* none is asked again on such a connection */
}

/* More than was asked for is no answer to the next question. */
static void test_talks_too_much(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	static const char twice[] = REPLY "\0{\"parameters\":{\"b\":2}}";
	const char *json = NULL;

	fake_bytes(f, twice, sizeof(twice));
	fake_reply(f, "{\"parameters\":{\"c\":3}}");
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, &json), 0);
	assert_string_equal(json, "{\"a\":1}");
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, &json), 0);
	assert_string_equal(json, "{\"c\":3}");
	lumaring_control_close(control);
	expect_requests(f, 2, 2);
}

static void test_silence(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);

	fake_silence(f);
	fake_bytes(f, "{\"parameters\":", 14);
	fake_silence(f);
	fake_reply(f, REPLY);
	assert_int_equal(lumaring_control_call(control, "A", NULL, 30, NULL), -ETIMEDOUT);
	assert_string_equal(lumaring_control_error_text(control), "the daemon did not answer within 30 ms");
	assert_int_equal(lumaring_control_call(control, "A", NULL, 30, NULL), -ETIMEDOUT);
	assert_int_equal(lumaring_control_call(control, "A", NULL, 0, NULL), -ETIMEDOUT);
	/* A late answer is not taken for the next one's: that connection is gone. */
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_requests(f, 4, 4);
}

static void note(int signal_number)
{
	(void)signal_number;
}

static void test_signal(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	struct sigaction action = { .sa_handler = note }, before;
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, off = { 0 };

	fake_silence(f);
	sigaction(SIGALRM, &action, &before);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(lumaring_control_call(control, "A", NULL, -1, NULL), -EINTR);
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &before, NULL);
	assert_string_equal(lumaring_control_error_text(control), "a signal arrived first");
	lumaring_control_close(control);
}

/* --- coming and going -------------------------------------------------------------------------------------------- */

static void test_leaves(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);

	fake_silence(f)->hang_up = true;
	fake_bytes(f, "{\"parameters\":", 14)->hang_up = true;
	fake_reply(f, REPLY);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), -ENOTCONN);
		assert_string_equal(lumaring_control_error_text(control), "the daemon left before it answered");
	}
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_requests(f, 3, 3);
}

static void wait_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&pollfd, 1, FAKE_WAIT_MS), 1);
}

static void test_restart(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);

	fake_reply(f, REPLY)->hang_up = true;
	fake_reply(f, REPLY);
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), 0);
	wait_readable(control->channel.socket);
	fake_stop(f);
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), -ECONNREFUSED);
	assert_non_null(strstr(lumaring_control_error_text(control), "no daemon serves"));
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), -ECONNREFUSED);
	fake_start(f);
	assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_requests(f, 2, 2);
}

static bool waits_for_the_question;

static void *refuse_unread(void *fake)
{
	struct fake *f = fake;
	const int socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	static const char words[] =
		"{\"error\":\"io.lumaring.Camera.LimitReached\",\"parameters\":{\"limit\":\"x\",\"maximum\":3}}";

	if (waits_for_the_question)
		wait_readable(socket);
	send(socket, words, sizeof(words), MSG_NOSIGNAL);
	close(socket);
	return NULL;
}

/* A daemon that has enough connections says so without a look at the question, before it is asked or after, and hangs
 * up. */
static void test_refused_unread(void **state)
{
	struct fake *f = *state;

	fake_stop(f);
	f->listener = fake_listen_at(f->path, SOCK_STREAM);
	for (int i = 0; i < 2; i++) {
		struct lumaring_control *control;

		waits_for_the_question = i > 0;
		assert_int_equal(pthread_create(&f->thread, NULL, refuse_unread, f), 0);
		control = fake_open(f);
		if (!waits_for_the_question)
			wait_readable(control->channel.socket);
		assert_int_equal(lumaring_control_call(control, "A", NULL, FAKE_WAIT_MS, NULL), -EDQUOT);
		assert_int_equal(pthread_join(f->thread, NULL), 0);
		lumaring_control_close(control);
	}
	close(f->listener);
	unlink(f->path);
	f->listener = -1;
}

static void test_open_fails(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring_control *control = (struct lumaring_control *)f;
	struct sockaddr_un address;
	char frames[128], path[128];
	int listener;

	assert_int_equal(lumaring_control_open("Cam0", &options, &control), -EINVAL);
	assert_non_null(strstr(f->text, "the camera's name \"Cam0\""));
	assert_int_equal(lumaring_control_open("cam0", &options, NULL), -EINVAL);
	assert_non_null(strstr(f->text, "needs a place"));
	options.timeout_ms = -2;
	assert_int_equal(lumaring_control_open("cam0", &options, &control), -EINVAL);
	options.size = 1;
	assert_int_equal(lumaring_control_open("cam0", &options, &control), -EINVAL);
	/* The longest path, and one more. */
	options = fake_options(f);
	options.runtime_dir = path;
	for (int spare = 0; spare < 2; spare++) {
		memset(path, 'x', sizeof(path));
		path[0] = '/';
		path[sizeof(address.sun_path) - 1 - strlen("/cam0/control") + (size_t)spare] = '\0';
		assert_int_equal(lumaring_control_open("cam0", &options, &control),
				 spare == 0 ? -ECONNREFUSED : -EINVAL);
	}
	assert_non_null(strstr(f->text, "has 108 bytes, accepted: up to 107"));
	options = fake_options(f);
	fake_stop(f);
	assert_int_equal(lumaring_control_open("cam0", &options, &control), -ECONNREFUSED);
	assert_non_null(strstr(f->text, "/cam0/control: No such file or directory"));
	/* A daemon from before there was a control socket. */
	snprintf(frames, sizeof(frames), "%s/frames", f->camera);
	listener = fake_listen_at(frames, SOCK_SEQPACKET);
	assert_int_equal(lumaring_control_open("cam0", &options, &control), -EPROTONOSUPPORT);
	assert_non_null(strstr(f->text, "is older and cannot be controlled: update it"));
	close(listener);
	assert_int_equal(lumaring_control_open("cam0", &options, &control), -ECONNREFUSED);
	unlink(frames);
	assert_ptr_equal(control, f); /* untouched */
	lumaring_control_close(NULL);
}

/* A queue of connections that is full empties by itself, or not in time. */
static void test_full_queue(void **state)
{
	struct fake *f = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct lumaring_options options = fake_options(f);
	struct lumaring_control *control = NULL;
	int sockets[32], count = 0;

	fake_stop(f);
	f->listener = fake_listen_at(f->path, SOCK_STREAM);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", f->path);
	for (; count < 32; count++) {
		sockets[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(sockets[count], (struct sockaddr *)&address, sizeof(address)) < 0)
			break;
	}
	assert_int_equal(errno, EAGAIN);
	options.timeout_ms = 30;
	assert_int_equal(lumaring_control_open("cam0", &options, &control), -ETIMEDOUT);
	for (; count >= 0; count--)
		close(sockets[count]);
	assert_null(control);
	close(f->listener);
	unlink(f->path);
	f->listener = -1;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_call),           TEST(test_pieces),        TEST(test_largest),    TEST(test_bad_arguments),
		TEST(test_refused),        TEST(test_refused_oddly), TEST(test_nonsense),   TEST(test_talks_too_much),
		TEST(test_silence),        TEST(test_signal),        TEST(test_leaves),     TEST(test_restart),
		TEST(test_refused_unread), TEST(test_open_fails),    TEST(test_full_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
