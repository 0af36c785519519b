/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control_log.c - what the log says of those who are refused something on the control socket: each once, with who
 * it was; and no more than so many lines of a uid, however often it comes.
 */
#include "control_probe.h"

#include "base/limits.h"
#include "base/log.h"

#define PID 1 /* of next_is() */
#define DENIED(method, group) ERROR("PermissionDenied", "\"method\":\"" method "\",\"group\":\"" group "\"")

static struct {
	unsigned count;
	struct log_entry last;
	char line[256];
} logged;

static void on_log(const struct log_entry *entry)
{
	logged.count++;
	logged.last = *entry;
	snprintf(logged.line, sizeof(logged.line), "%s", entry->line);
}

static int begin(void **state)
{
	(void)state;
	memset(&logged, 0, sizeof(logged));
	log_set_sink(on_log);
	return 0;
}

static int end(void **state)
{
	(void)state;
	log_set_sink(NULL);
	return 0;
}

/* One line since the last look, of this kind and about this uid. */
static void expect_line(enum log_event event, uid_t uid, int error, const char *line)
{
	assert_string_equal(logged.line, line);
	assert_int_equal(logged.count, 1);
	assert_int_equal(logged.last.fields.event, event);
	assert_int_equal(logged.last.fields.client_pid, PID);
	assert_int_equal(logged.last.fields.client_uid, uid);
	assert_int_equal(logged.last.fields.error, error);
	assert_true(logged.last.fields.is_client);
	logged.count = 0;
	logged.line[0] = '\0';
}

static void test_stranger(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	next_is(ANNA, OTHERS);
	fd = join(&w);
	SAY(fd, ECHO("look") "\n");
	EXPECT(&w, fd, DENIED(PROBE ".Echo", "video") "\n");
	expect_end(&w, fd);
	expect_line(LOG_EVENT_CLIENT_DENIED, ANNA, EACCES,
		    "control socket, client pid 1, uid 900001: refused, it is not root and in none of the groups that "
		    "may: video, operators");
	close(fd);
	tear_down(&w);
	assert_int_equal(logged.count, 0);
}

/* Who may look only and asks for a change; looking is no matter for the log. */
static void test_denied(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	next_is(ANNA, VIDEO);
	fd = join(&w);
	SAY(fd, ECHO("look") "\n");
	EXPECT(&w, fd, SAID("look") "\n");
	assert_int_equal(logged.count, 0);
	SAY(fd, CALL("Change") "\n");
	EXPECT(&w, fd, DENIED(PROBE ".Change", "operators") "\n");
	expect_line(LOG_EVENT_CLIENT_DENIED, ANNA, EACCES,
		    "control socket, client pid 1, uid 900001: org.example.probe.Change is not allowed, it is for root "
		    "and members of operators");
	close(fd);
	tear_down(&w);
}

static void test_limits(void **state)
{
	struct control_limits limits = probe_limits;
	char blah[2000];
	struct world w;
	int fd, other;

	(void)state;
	limits.connections_max = 2;
	limits.message_bytes = 1000;
	set_up(&w, &limits);
	next_is(ANNA, VIDEO);
	fd = join(&w);
	other = join(&w);
	expect_line(
		LOG_EVENT_CLIENT_LIMIT, ANNA, EUSERS,
		"control socket, client pid 1, uid 900001: refused, there are 1 connections of its uid already, the "
		"limit by control-connections");
	close(other);
	memset(blah, 'x', sizeof(blah));
	say_bytes(fd, blah, sizeof(blah));
	TURN_TO(&w, logged.count);
	expect_line(LOG_EVENT_CLIENT_LIMIT, ANNA, 0,
		    "control socket, client pid 1, uid 900001: closing its connection: a request is beyond "
		    "control-message-bytes, which is 1000");
	close(fd);
	tear_down(&w);
}

static void knock(struct world *w, uid_t uid, unsigned times)
{
	next_is(uid, OTHERS);
	for (unsigned i = 0; i < times; i++)
		close(join(w));
}

/* One that knocks again and again does not keep another's line out, and what was left out is told by itself. */
static void test_flood(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, &probe_limits);
	knock(&w, ANNA, LIMIT_LOG_LINES + 95);
	assert_int_equal(logged.count, LIMIT_LOG_LINES);
	assert_int_equal(logged.last.fields.client_uid, ANNA);
	knock(&w, BERT, 1);
	assert_int_equal(logged.count, LIMIT_LOG_LINES + 1);
	assert_int_equal(logged.last.fields.client_uid, BERT);
	now_ns += LIMIT_LOG_QUIET_S * NS_PER_SECOND - 1;
	turn_some(&w);
	assert_int_equal(logged.count, LIMIT_LOG_LINES + 1);
	now_ns++;
	TURN_TO(&w, logged.count > LIMIT_LOG_LINES + 1);
	turn_some(&w);
	assert_int_equal(logged.count, LIMIT_LOG_LINES + 2);
	assert_string_equal(logged.line, "clients of uid 900001: lines left out: 95, within 0 s");
	assert_int_equal(logged.last.fields.event, LOG_EVENT_CLIENT_LEFT_OUT);
	assert_int_equal(logged.last.fields.client_uid, ANNA);
	/* It has lines again, and the end does not wait for quiet. */
	knock(&w, ANNA, LIMIT_LOG_LINES + 1);
	assert_int_equal(logged.count, 2 * LIMIT_LOG_LINES + 2);
	tear_down(&w);
	assert_int_equal(logged.count, 2 * LIMIT_LOG_LINES + 3);
	assert_string_equal(logged.line, "clients of uid 900001: lines left out: 1, within 0 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stranger, begin, end),
		cmocka_unit_test_setup_teardown(test_denied, begin, end),
		cmocka_unit_test_setup_teardown(test_limits, begin, end),
		cmocka_unit_test_setup_teardown(test_flood, begin, end),
	};

	return RUN_ON_EACH(tests);
}
