/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control_access.c - who may do what on the control socket: by primary and supplementary groups, root, the
 * daemon's own user, strangers; and that strangers hold nothing up.
 */
#include "control_probe.h"

#include <grp.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "base/paths.h"
#include "control/access.h"

#define REAL_UID 1234u
#define DENIED(method, group) ERROR("PermissionDenied", "\"method\":\"" method "\",\"group\":\"" group "\"")

/* Whoever next_is() says asks to look and to change. */
static void expect_rights(struct world *w, bool may_read, bool may_change)
{
	int fd = join(w);

	SAY(fd, ECHO("look") "\n" CALL("Change") "\n");
	if (!may_read) {
		EXPECT(w, fd, DENIED(PROBE ".Echo", "video") "\n");
		expect_end(w, fd);
	} else {
		EXPECT(w, fd, SAID("look") "\n");
		if (may_change)
			EXPECT(w, fd, "{\"parameters\":{\"changed\":");
		else
			EXPECT(w, fd, DENIED(PROBE ".Change", "operators") "\n");
	}
	close(fd);
	turn_some(w);
}

static void test_groups(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, &probe_limits);
	next_is(ANNA, VIDEO);
	expect_rights(&w, true, false);
	next_is(ANNA, OPERATORS);
	expect_rights(&w, true, true);
	next_is(ANNA, OTHERS);
	expect_rights(&w, false, false);
	/* Supplementary ones, whatever their number and order. */
	for (unsigned count = 1; count <= 40; count += 13) {
		for (unsigned at = 0; at<count; at += count> 1 ? count - 1 : 1) {
			next_is(ANNA, OTHERS);
			for (unsigned i = 0; i < count; i++)
				peer_is.groups[i] = 5000 + i;
			peer_is.group_count = count;
			expect_rights(&w, false, false);
			peer_is.groups[at] = VIDEO;
			expect_rights(&w, true, false);
			peer_is.groups[at] = OPERATORS;
			expect_rights(&w, true, true);
		}
	}
	tear_down(&w);
}

static void test_root_and_own(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, &probe_limits);
	next_is(0, OTHERS);
	expect_rights(&w, true, true);
	next_is(geteuid(), OTHERS);
	expect_rights(&w, true, true);
	peer_is.error = ENOMEM; /* they are not asked for their groups */
	expect_rights(&w, true, true);
	tear_down(&w);
}

/* A daemon of another user's than root: its own, root, and those of the groups. */
static void test_own_user(void **state)
{
	static const struct {
		uid_t uid;
		gid_t group;
		enum standing standing;
	} people[] = { { BERT, OTHERS, STANDING_CHANGER },
		       { 0, OTHERS, STANDING_CHANGER },
		       { ANNA, OTHERS, STANDING_STRANGER },
		       { ANNA, VIDEO, STANDING_READER },
		       { ANNA, OPERATORS, STANDING_CHANGER } };

	(void)state;
	for (unsigned i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
		enum standing standing = STANDING_STRANGER;
		struct ucred peer = { .uid = 77 };

		next_is(people[i].uid, people[i].group);
		assert_int_equal(access_of_peer(0, &probe_access, BERT, &peer, &standing), 0);
		assert_int_equal(peer.uid, people[i].uid);
		assert_int_equal(standing, people[i].standing);
	}
}

/* Nobody is in a group that is not given: not even who has the number that stands for none. */
static void test_no_groups(void **state)
{
	static const struct control_access nobody = { (gid_t)-1, (gid_t)-1, "", "" };
	const struct control_service service = { .name = PROBE, .methods = probe_methods, .method_count = 4 };
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	tear_down(&w);
	w.loop = make_loop();
	listen_here(&w, &fd);
	assert_int_equal(control_create(w.loop, fd, &probe_limits, &nobody, &service, &w.control), 0);
	next_is(ANNA, (gid_t)-1);
	fd = join(&w);
	SAY(fd, ECHO("look") "\0");
	EXPECT(&w, fd, DENIED(PROBE ".Echo", "") "\0");
	expect_end(&w, fd);
	close(fd);
	tear_down(&w);
}

/* A stranger is told the group that helps: of who may do just this, and the other one where none may only look. */
static void test_group_that_helps(void **state)
{
	static const struct control_access changers = { (gid_t)-1, OPERATORS, "", "operators" };
	const struct control_service service = { .name = PROBE, .methods = probe_methods, .method_count = 4 };
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	next_is(ANNA, OTHERS);
	fd = join(&w);
	SAY(fd, CALL("Change") "\0");
	EXPECT(&w, fd, DENIED(PROBE ".Change", "operators") "\0");
	close(fd);
	tear_down(&w);
	w.loop = make_loop();
	listen_here(&w, &fd);
	assert_int_equal(control_create(w.loop, fd, &probe_limits, &changers, &service, &w.control), 0);
	fd = join(&w);
	SAY(fd, ECHO("look") "\0");
	EXPECT(&w, fd, DENIED(PROBE ".Echo", "operators") "\0");
	close(fd);
	tear_down(&w);
}

/* Whose groups cannot be read is not served, and the next one is. */
static void test_groups_unknown(void **state)
{
	struct world w;
	int fd;

	(void)state;
	set_up(&w, &probe_limits);
	next_is(ANNA, VIDEO);
	peer_is.error = ENOMEM;
	fd = join(&w);
	expect_end(&w, fd);
	close(fd);
	next_is(ANNA, VIDEO);
	expect_rights(&w, true, false);
	tear_down(&w);
}

/* The real thing: a process with these groups, which the kernel tells. */
static void test_real_groups(void **state)
{
	static const struct {
		gid_t primary, supplementary;
		const char *answer;
	} people[] = {
		{ OTHERS, VIDEO, SAID("look") "\n" DENIED(PROBE ".Change", "operators") "\n" },
		{ VIDEO, OTHERS, SAID("look") "\n" DENIED(PROBE ".Change", "operators") "\n" },
		{ OTHERS, OPERATORS, SAID("look") "\n{\"parameters\":{\"changed\":true}}\n" },
		{ OPERATORS, OTHERS, SAID("look") "\n{\"parameters\":{\"changed\":true}}\n" },
		{ OTHERS, OTHERS, DENIED(PROBE ".Echo", "video") "\n" },
	};
	struct world w;

	(void)state;
	if (geteuid() != 0) {
		printf("only root can be somebody else\n");
		skip();
	}
	set_up(&w, &probe_limits);
	for (unsigned i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
		size_t bytes = strlen(people[i].answer);
		char answer[512];
		int pipes[2], status;
		pid_t pid;

		assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			int fd = socket(AF_UNIX, SOCK_STREAM, 0);
			ssize_t n;

			if (setgroups(1, &people[i].supplementary) < 0 || setgid(people[i].primary) < 0 ||
			    setuid(REAL_UID) < 0 || connect(fd, (struct sockaddr *)&w.address, w.address_bytes) < 0)
				_exit(1);
			SAY(fd, ECHO("look") "\n" CALL("Change") "\n");
			while ((n = recv(fd, answer, sizeof(answer), 0)) > 0)
				if (write(pipes[1], answer, (size_t)n) != n)
					_exit(2);
			_exit(0);
		}
		close(pipes[1]);
		fcntl(pipes[0], F_SETFL, O_NONBLOCK);
		for (size_t heard = 0; heard < bytes;) {
			ssize_t n = read(pipes[0], answer + heard, sizeof(answer) - heard);

			assert_true(n != 0);
			heard += n > 0 ? (size_t)n : 0;
			assert_int_equal(loop_turn(w.loop, 1), 0);
			assert_true(heard <= bytes);
		}
		assert_memory_equal(answer, people[i].answer, bytes);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		close(pipes[0]);
		turn_some(&w);
	}
	tear_down(&w);
}

/* Who is denied everything is told which method and by which terminator, once, whatever it asks. */
static void test_stranger_answered_once(void **state)
{
	static const struct {
		const char *question;
		size_t bytes;
		const char *answer;
		size_t answer_bytes;
	} talks[] = {
#define TALK(question, answer) { question, sizeof(question) - 1, answer, sizeof(answer) - 1 }
		TALK(ECHO("a") "\0" ECHO("b") "\0", DENIED(PROBE ".Echo", "video") "\0"),
		TALK("{\"method\":\"org.varlink.service.GetInfo\"}\n",
		     DENIED("org.varlink.service.GetInfo", "video") "\n"),
		TALK(CALL("Change") "\n", DENIED(PROBE ".Change", "operators") "\n"),
		TALK(CALL("Nothing") "\n", DENIED(PROBE ".Nothing", "video") "\n"),
		TALK("{\"method\":7}\n", DENIED("", "video") "\n"),
		TALK("[]\0", DENIED("", "video") "\0"),
		TALK("nonsense\n", DENIED("", "video") "\n"),
		TALK("{\"method\":\"a.B\",\"oneway\":true}\n" ECHO("b") "\n", ""),
#undef TALK
	};
	struct world w;

	(void)state;
	set_up(&w, &probe_limits);
	next_is(ANNA, OTHERS);
	for (unsigned i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		int fd = join(&w);

		say_bytes(fd, talks[i].question, talks[i].bytes);
		expect_bytes(&w, fd, talks[i].answer, talks[i].answer_bytes);
		expect_end(&w, fd);
		close(fd);
	}
	assert_int_equal(w.calls, 0);
	tear_down(&w);
}

/* A long request of a stranger gets no memory: it is answered as soon as it is longer than the little there is. */
static void test_stranger_long_request(void **state)
{
	struct world w;
	char blah[2000];
	int fd;

	(void)state;
	memset(blah, 'x', sizeof(blah));
	set_up(&w, &probe_limits);
	next_is(ANNA, OTHERS);
	fd = join(&w);
	SAY(fd, "{\"method\":\"");
	say_bytes(fd, blah, sizeof(blah));
	EXPECT(&w, fd, DENIED("", "video") "\0");
	expect_end(&w, fd);
	close(fd);
	tear_down(&w);
}

/* Who has not asked to the end by then is told why it is turned away, not of a limit that is not its concern. */
static void test_stranger_half_request(void **state)
{
	struct control_limits limits = probe_limits;
	struct world w;
	int fd;

	(void)state;
	limits.message_ms = LIMIT_CONTROL_MESSAGE_MS_MIN;
	set_up(&w, &limits);
	next_is(ANNA, OTHERS);
	fd = join(&w);
	SAY(fd, "{\n");
	expect_silence(&w, fd);
	now_ns += LIMIT_CONTROL_MESSAGE_MS_MIN * NS_PER_MS;
	EXPECT(&w, fd, DENIED("", "video") "\n");
	expect_end(&w, fd);
	close(fd);
	tear_down(&w);
}

/* Silent strangers have some places for a second, no more, and none that others need. */
static void test_silent_strangers(void **state)
{
	struct world w;
	struct control_stats stats;
	int fds[LIMIT_CONTROL_TURNED_AWAY], more[20], served[8];

	(void)state;
	set_up(&w, &probe_limits);
	next_is(ANNA, OTHERS);
	for (unsigned i = 0; i < LIMIT_CONTROL_TURNED_AWAY; i++)
		fds[i] = join(&w);
	for (unsigned i = 0; i < LIMIT_CONTROL_TURNED_AWAY; i++)
		expect_silence(&w, fds[i]);
	control_get_stats(w.control, &stats);
	assert_int_equal(stats.connections, 0);
	/* The places are taken: the answer comes at once. */
	for (unsigned i = 0; i < 20; i++) {
		more[i] = join(&w);
		EXPECT(&w, more[i], DENIED("", "video") "\0");
		expect_end(&w, more[i]);
		close(more[i]);
	}
	/* Those who are served have all of theirs. */
	next_is(geteuid(), OTHERS);
	for (unsigned i = 0; i < 8; i++) {
		served[i] = join(&w);
		SAY(served[i], ECHO("served") "\0");
		EXPECT(&w, served[i], SAID("served") "\0");
	}
	now_ns += (LIMIT_CONTROL_TURNED_AWAY_MS - 1) * NS_PER_MS;
	for (unsigned i = 0; i < LIMIT_CONTROL_TURNED_AWAY; i++)
		expect_silence(&w, fds[i]);
	now_ns += NS_PER_MS;
	for (unsigned i = 0; i < LIMIT_CONTROL_TURNED_AWAY; i++) {
		expect_end(&w, fds[i]);
		close(fds[i]);
	}
	/* There are places again. */
	next_is(ANNA, OTHERS);
	fds[0] = join(&w);
	expect_silence(&w, fds[0]);
	SAY(fds[0], ECHO("x") "\n");
	EXPECT(&w, fds[0], DENIED(PROBE ".Echo", "video") "\n");
	close(fds[0]);
	for (unsigned i = 0; i < 8; i++)
		close(served[i]);
	tear_down(&w);
}

/* At once, and with the terminator of what was asked already. */
static void test_refused_at_once_by_line(void **state)
{
	struct world w;
	int fds[LIMIT_CONTROL_TURNED_AWAY], fd;

	(void)state;
	set_up(&w, &probe_limits);
	next_is(ANNA, OTHERS);
	for (unsigned i = 0; i < LIMIT_CONTROL_TURNED_AWAY; i++)
		fds[i] = join(&w);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_return_code(connect(fd, (struct sockaddr *)&w.address, w.address_bytes), errno);
	SAY(fd, ECHO("x") "\n");
	EXPECT(&w, fd, DENIED("", "video") "\n");
	expect_end(&w, fd);
	close(fd);
	for (unsigned i = 0; i < LIMIT_CONTROL_TURNED_AWAY; i++)
		close(fds[i]);
	tear_down(&w);
}

/* The file lets in whom it can name, one group; of two, credentials decide. */
static void test_socket_mode(void **state)
{
	const gid_t own = getegid(), none = (gid_t)-1;
	const struct {
		gid_t group, control_group;
		mode_t mode;
	} given[] = {
		{ none, none, 0600 }, { own, none, 0660 },      { none, own, 0660 },
		{ own, own, 0660 },   { own, OPERATORS, 0666 }, { OPERATORS, own, 0666 },
	};
	char root[] = "/tmp/lumaring-test-XXXXXX", path[64], text[256];

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/control", root);
	for (unsigned i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		const struct control_access access = { given[i].group, given[i].control_group, "", "" };
		struct stat st;
		int fd = -1;

		assert_int_equal(control_listen(path, &access, &fd, text, sizeof(text)), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, given[i].mode);
		assert_int_equal(st.st_gid, own);
		close(fd);
		assert_int_equal(unlink(path), 0);
	}
	rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_root_and_own),
		cmocka_unit_test(test_own_user),
		cmocka_unit_test(test_no_groups),
		cmocka_unit_test(test_group_that_helps),
		cmocka_unit_test(test_groups_unknown),
		cmocka_unit_test(test_real_groups),
		cmocka_unit_test(test_stranger_answered_once),
		cmocka_unit_test(test_stranger_long_request),
		cmocka_unit_test(test_stranger_half_request),
		cmocka_unit_test(test_silent_strangers),
		cmocka_unit_test(test_refused_at_once_by_line),
		cmocka_unit_test(test_socket_mode),
	};

	return RUN_ON_EACH(tests);
}
