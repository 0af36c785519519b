/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_cli_terminal.c - a terminal is left as it was found, whatever ends the program; sizes, keys, and a stop and its
 * end are told.
 *
 * Each program runs as a job of a little shell on a pseudo terminal, since only a job can be stopped. It enters, draws
 * what terminal_key() tells as "<N>", and does what some keys ask for. The shell tells how the job fares on a pipe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pty.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../../client-lib/cli/stop.c"
#include "../../client-lib/cli/terminal.c"
#include "../../client-lib/cli/terminal_keys.c"

#define DEADLINE_MS 60000
#define SCREEN_BYTES 65536u

static struct {
	pid_t shell, job;
	int master, tells, asks;   /* pipes from and to the shell */
	char screen[SCREEN_BYTES]; /* all that was written to the terminal */
	size_t screen_bytes, looked;
} world;

/* --- the program ------------------------------------------------------------------------------------------------- */

static void draw(const char *text)
{
	terminal_draw(text, strlen(text));
}

static void draw_key(int key)
{
	const struct terminal_size size = terminal_size();
	char text[64];

	snprintf(text, sizeof(text), "<%d %ux%u>", key, size.columns, size.rows);
	draw(text);
}

static void run_program(void)
{
	stop_install();
	signal(SIGUSR1, SIG_IGN);
	if (terminal_enter() < 0)
		exit(3);
	draw("ready");
	for (;;) {
		const int key = terminal_key(-1);

		draw_key(key);
		if (key == 'q' || key == TERMINAL_END)
			break;
		if (key == 'x')
			exit(4); /* without leaving */
		if (key == 'a')
			abort();
		if (key == 'e')
			escape_ms = DEADLINE_MS;
		while (key == 'b' || key == 'w') /* busy, and deaf to the first signal */
			if (key == 'b')
				pause();
			else
				draw("a terminal that takes nothing keeps this for ever\n");
	}
	terminal_leave();
	exit(stop_signal() ? 128 + stop_signal() : 0);
}

/* --- the shell --------------------------------------------------------------------------------------------------- */

static void put_in_front(pid_t group)
{
	if (tcsetpgrp(STDIN_FILENO, group) < 0)
		_exit(99);
}

/* Start the job, then tell each stop and the end of it; a byte asks to continue it in front. */
static void run_shell(int tells, int asks)
{
	const struct rlimit none = { 0, 0 };
	int status;
	pid_t job;
	char ask;

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	job = fork();
	if (job == 0) {
		setpgid(0, 0);
		put_in_front(getpgrp());
		signal(SIGTTOU, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		run_program();
	}
	if (write(tells, &job, sizeof(job)) < 0)
		_exit(99);
	while (waitpid(job, &status, WUNTRACED) == job) {
		if (WIFSTOPPED(status))
			put_in_front(getpgrp());
		if (write(tells, &status, sizeof(status)) < 0 || !WIFSTOPPED(status) || read(asks, &ask, 1) != 1)
			break;
		if (ask == 'f')
			put_in_front(job);
		kill(-job, SIGCONT);
	}
	_exit(0);
}

static int told(void)
{
	struct pollfd wanted = { .fd = world.tells, .events = POLLIN };
	int status = -1;

	assert_int_equal(poll(&wanted, 1, DEADLINE_MS), 1);
	assert_int_equal(read(world.tells, &status, sizeof(status)), sizeof(status));
	return status;
}

static int begin(void **state)
{
	const struct winsize size = { .ws_col = 70, .ws_row = 20 };
	int tells[2], asks[2];

	(void)state;
	memset(&world, 0, sizeof(world));
	fflush(NULL);
	if (pipe(tells) < 0 || pipe(asks) < 0)
		return -1;
	world.shell = forkpty(&world.master, NULL, NULL, &size);
	if (world.shell < 0)
		return -1;
	if (world.shell == 0) {
		close(tells[0]);
		close(asks[1]);
		run_shell(tells[1], asks[0]);
	}
	close(tells[1]);
	close(asks[0]);
	world.tells = tells[0];
	world.asks = asks[1];
	world.job = told();
	return 0;
}

static int end(void **state)
{
	(void)state;
	kill(world.shell, SIGKILL);
	kill(world.job, SIGKILL);
	waitpid(world.shell, NULL, 0);
	close(world.tells);
	close(world.asks);
	if (world.master >= 0)
		close(world.master);
	return 0;
}

/* --- what the test does ------------------------------------------------------------------------------------------ */

/* Read what is drawn until this is in it, behind what was found before. */
static void expect(const char *text)
{
	struct pollfd wanted = { .fd = world.master, .events = POLLIN };
	const char *found;

	while (!(found = strstr(world.screen + world.looked, text))) {
		ssize_t n;

		if (poll(&wanted, 1, DEADLINE_MS) != 1)
			fail_msg("no '%s' in: %s", text, world.screen + world.looked);
		n = read(world.master, world.screen + world.screen_bytes, SCREEN_BYTES - 1 - world.screen_bytes);
		if (n <= 0)
			fail_msg("the terminal is gone; no '%s' in: %s", text, world.screen + world.looked);
		world.screen_bytes += (size_t)n;
	}
	world.looked = (size_t)(found - world.screen) + strlen(text);
}

static void press(const char *keys)
{
	assert_int_equal(write(world.master, keys, strlen(keys)), strlen(keys));
}

/* Until the program has taken what was pressed. */
static void wait_until_read(void)
{
	const struct timespec pause = { .tv_nsec = NS_PER_MS };
	const int terminal_end = open(ptsname(world.master), O_RDONLY | O_NOCTTY | O_CLOEXEC);
	int left = 1;

	assert_true(terminal_end >= 0);
	for (unsigned ms = 0; left > 0 && ms < DEADLINE_MS; ms++) {
		assert_int_equal(ioctl(terminal_end, FIONREAD, &left), 0);
		nanosleep(&pause, NULL);
	}
	assert_int_equal(left, 0);
	close(terminal_end);
}

static tcflag_t modes(void)
{
	struct termios now;

	assert_int_equal(tcgetattr(world.master, &now), 0);
	return now.c_lflag & (ICANON | ECHO | ECHONL | IEXTEN | ISIG);
}

static void expect_inside(void)
{
	expect(enter_text);
	expect("ready");
	assert_int_equal(modes(), ISIG);
}

/* What a terminal has when it is made. */
static void expect_outside(void)
{
	expect(leave_text);
	assert_int_equal(modes(), ICANON | ECHO | IEXTEN | ISIG);
}

static void expect_exit(int code)
{
	const int status = told();

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
	expect_outside();
}

static void test_quit(void **state)
{
	(void)state;
	expect_inside();
	press("q");
	expect("<113 70x20>");
	expect_exit(0);
}

static void test_exit(void **state)
{
	(void)state;
	expect_inside();
	press("x");
	expect_exit(4);
}

static void test_crash(void **state)
{
	int status;

	(void)state;
	expect_inside();
	press("a");
	status = told();
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	expect_outside();
}

static void test_core_dump(void **state)
{
	int status;

	(void)state;
	expect_inside();
	press("\x1c"); /* Ctrl-\: SIGQUIT */
	status = told();
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGQUIT);
	expect_outside();
}

/* What was ignored before it came in, SIGUSR1 here, stays so. */
static void test_ignored(void **state)
{
	(void)state;
	expect_inside();
	kill(world.job, SIGUSR1);
	press("5");
	expect("<53 70x20>");
	press("q");
	expect_exit(0);
}

static void end_by(int signal_number)
{
	expect_inside();
	kill(world.job, signal_number);
	expect("<257 70x20>");
	expect_exit(128 + signal_number);
}

static void test_term(void **state)
{
	(void)state;
	end_by(SIGTERM);
}

static void test_hup(void **state)
{
	(void)state;
	end_by(SIGHUP);
}

static void test_interrupt_key(void **state)
{
	(void)state;
	expect_inside();
	press("\x03");
	expect("<257 70x20>");
	expect_exit(128 + SIGINT);
}

/* The program hears the first, whichever that is, and does nothing. */
static void test_second_signal(void **state)
{
	int status;

	(void)state;
	expect_inside();
	press("b");
	expect("<98 70x20>");
	kill(world.job, SIGTERM);
	kill(world.job, SIGINT);
	status = told();
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 128 + SIGTERM || WEXITSTATUS(status) == 128 + SIGINT);
	expect_outside();
}

/* Nobody reads what is drawn, and there is no second signal: the end comes all the same, when the time is over. */
static void test_nobody_reads(void **state)
{
	int status;

	(void)state;
	expect_inside();
	press("w");
	expect("for ever");
	kill(world.job, SIGTERM);
	status = told();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
	assert_int_equal(modes(), ICANON | ECHO | IEXTEN | ISIG);
}

/* Ctrl-S: nothing that is drawn is shown, and the end starts it again. */
static void test_stopped_output(void **state)
{
	int status;

	(void)state;
	expect_inside();
	press("\x13x"); /* x cannot be drawn, until a signal ends the wait */
	wait_until_read();
	kill(world.job, SIGTERM);
	status = told();
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 4 || WEXITSTATUS(status) == 128 + SIGTERM);
	expect_outside();
}

/* Ctrl-Z and fg. */
static void test_stop(void **state)
{
	int status;

	(void)state;
	expect_inside();
	press("\x1a");
	status = told();
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGTSTP);
	expect_outside();
	assert_int_equal(write(world.asks, "f", 1), 1);
	expect(enter_text);
	expect("<256 70x20>");
	assert_int_equal(modes(), ISIG);
	press("q");
	expect("<113 70x20>");
	expect_exit(0);
}

/* Stopped, and ended by the shell: it goes on in the background, and leaves the terminal alone. */
static void test_end_while_stopped(void **state)
{
	(void)state;
	expect_inside();
	press("\x1a");
	assert_true(WIFSTOPPED(told()));
	expect_outside();
	kill(world.job, SIGTERM);
	assert_int_equal(write(world.asks, "b", 1), 1);
	assert_int_equal(told(), (128 + SIGTERM) << 8);
	assert_int_equal(modes(), ICANON | ECHO | IEXTEN | ISIG);
	expect("<257 70x20>");
	assert_null(strstr(world.screen + world.looked, enter_text));
}

/* SIGSTOP cannot be heard; SIGCONT makes good what others did to the terminal meanwhile. */
static void test_stop_unheard(void **state)
{
	struct termios as_shell;

	(void)state;
	expect_inside();
	kill(world.job, SIGSTOP);
	assert_true(WIFSTOPPED(told()));
	assert_int_equal(tcgetattr(world.master, &as_shell), 0);
	as_shell.c_lflag |= ICANON | ECHO | IEXTEN;
	assert_int_equal(tcsetattr(world.master, TCSANOW, &as_shell), 0);
	assert_int_equal(write(world.asks, "f", 1), 1);
	expect(enter_text);
	expect("<256 70x20>");
	assert_int_equal(modes(), ISIG);
	press("q");
	expect_exit(0);
}

/* Ended in the background, it leaves the screen and not the modes, which are the shell's. */
static void test_end_in_background(void **state)
{
	struct termios as_shell;

	(void)state;
	expect_inside();
	kill(world.job, SIGSTOP);
	assert_true(WIFSTOPPED(told()));
	assert_int_equal(tcgetattr(world.master, &as_shell), 0);
	as_shell.c_lflag |= ECHONL;
	assert_int_equal(tcsetattr(world.master, TCSANOW, &as_shell), 0);
	kill(world.job, SIGTERM);
	assert_int_equal(write(world.asks, "b", 1), 1);
	assert_int_equal(told(), (128 + SIGTERM) << 8);
	expect(leave_text);
	assert_int_equal(modes(), ECHONL | ISIG);
}

static void test_size(void **state)
{
	static const struct {
		unsigned short columns, rows;
		const char *drawn;
	} sizes[] = { { 132, 43, "<256 132x43>" },
		      { 1, 1, "<256 1x1>" },
		      { 65535, 65535, "<256 1000x1000>" },
		      { 0, 0, "<256 80x24>" } };

	(void)state;
	expect_inside();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct winsize size = { .ws_col = sizes[i].columns, .ws_row = sizes[i].rows };

		assert_int_equal(ioctl(world.master, TIOCSWINSZ, &size), 0);
		expect(sizes[i].drawn);
	}
	press("q");
	expect_exit(0);
}

static void test_keys(void **state)
{
	static const struct {
		const char *bytes;
		int key;
	} keys[] = {
		{ "k", 'k' },
		{ "\033[A", TERMINAL_UP },
		{ "\033OB", TERMINAL_DOWN },
		{ "\033[1;5C", TERMINAL_RIGHT },
		{ "\033[D", TERMINAL_LEFT },
		{ "\033[5~", TERMINAL_PAGE_UP },
		{ "\033[6~", TERMINAL_PAGE_DOWN },
		{ "\033[H", TERMINAL_HOME },
		{ "\033[4~", TERMINAL_LAST },
		{ "\033", 27 },
		{ "\r", '\n' },
		/* what is no key at all comes before one */
		{ "\xc3\xa9k", 'k' },
		{ "\033[99~k", 'k' },
		{ "\033[200;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1~k", 'k' },
	};
	char text[64];

	(void)state;
	expect_inside();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		press(keys[i].bytes);
		snprintf(text, sizeof(text), "<%d ", keys[i].key);
		expect(text);
	}
	press("\033[A\033[Bq"); /* together */
	snprintf(text, sizeof(text), "<%d 70x20><%d 70x20><113 70x20>", TERMINAL_UP, TERMINAL_DOWN);
	expect(text);
	expect_exit(0);
}

/* A window that is pulled at in the middle of a key makes no Escape of it. */
static void test_size_within_a_key(void **state)
{
	const struct winsize size = { .ws_col = 71, .ws_row = 20 };
	char text[64];

	(void)state;
	expect_inside();
	press("e");
	expect("<101 70x20>");
	press("\033");
	wait_until_read();
	assert_int_equal(ioctl(world.master, TIOCSWINSZ, &size), 0);
	expect("<256 71x20>");
	press("[A");
	snprintf(text, sizeof(text), "<%d 71x20>", TERMINAL_UP);
	expect(text);
	press("q");
	expect_exit(0);
}

/* The window is closed: no program may go on without one, nor spin. */
static void test_terminal_gone(void **state)
{
	int status;

	(void)state;
	expect_inside();
	close(world.master);
	world.master = -1;
	status = told();
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 128 + SIGHUP || WEXITSTATUS(status) == 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_quit),
		TEST(test_exit),
		TEST(test_crash),
		TEST(test_core_dump),
		TEST(test_ignored),
		TEST(test_term),
		TEST(test_hup),
		TEST(test_interrupt_key),
		TEST(test_second_signal),
		TEST(test_nobody_reads),
		TEST(test_stopped_output),
		TEST(test_stop),
		TEST(test_end_while_stopped),
		TEST(test_stop_unheard),
		TEST(test_end_in_background),
		TEST(test_size),
		TEST(test_keys),
		TEST(test_size_within_a_key),
		TEST(test_terminal_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
