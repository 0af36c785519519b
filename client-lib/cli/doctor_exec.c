/* SPDX-License-Identifier: BSD-2-Clause */
/* doctor_exec.c - see doctor_exec.h. Must never wait for a program that does not end, or that closed its output. */
#include "doctor_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session.h"

#define NS_PER_MS UINT64_C(1000000)
#define SLICE_MS 50 /* between two looks at the clock */
#define PAUSE_MS 2  /* between two looks at a program that has closed its output and not ended */

extern char **environ;

static int left_ms(uint64_t until_ns)
{
	const uint64_t now_ns = session_now_ns();

	return now_ns >= until_ns ? 0 : (int)((until_ns - now_ns) / NS_PER_MS) + 1;
}

/* A process group of its own, and signals as nobody has touched them. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setsigmask(attributes, &none);
	return posix_spawnattr_setflags(attributes,
					POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

static int spawn(const char *const *words, int output, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	r = set_attributes(&attributes);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	if (r == 0)
		r = posix_spawnp(ret_pid, words[0], &actions, &attributes, (char *const *)(uintptr_t)words, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* What has come, into the room that is left; what has none is read all the same. False: there will be no more. */
static bool read_some(int input, char *text, size_t text_bytes, size_t *used)
{
	char rest[512];
	const bool has_room = *used + 1 < text_bytes;
	const ssize_t n =
		has_room ? read(input, text + *used, text_bytes - *used - 1) : read(input, rest, sizeof(rest));

	if (n > 0 && has_room)
		*used += (size_t)n;
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until its end; false when the time is over. */
static bool read_all(int input, char *text, size_t text_bytes, uint64_t until_ns)
{
	struct pollfd wanted = { .fd = input, .events = POLLIN };
	size_t used = 0;
	bool goes_on = true;

	while (goes_on && left_ms(until_ns) > 0)
		if (poll(&wanted, 1, SLICE_MS) > 0)
			goes_on = read_some(input, text, text_bytes, &used);
	text[used] = '\0';
	return !goes_on;
}

/* False: it runs still. */
static bool reap(pid_t pid, uint64_t until_ns, int *ret_status)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * (long)NS_PER_MS };
	pid_t gone;

	while ((gone = waitpid(pid, ret_status, WNOHANG)) == 0 && left_ms(until_ns) > 0)
		nanosleep(&pause, NULL);
	return gone == pid;
}

static int finish(pid_t pid, bool ended, uint64_t until_ns)
{
	int status = 0;

	if (ended && reap(pid, until_ns, &status))
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -ETIMEDOUT;
}

/* In words that we know, and without a pager or colours. */
static void set_environment(void)
{
	static const char *const variables[][2] = {
		{ "LC_ALL", "C" },
		{ "SYSTEMD_PAGER", "" },
		{ "SYSTEMD_COLORS", "0" },
		{ "SYSTEMD_URLIFY", "0" },
	};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		setenv(variables[i][0], variables[i][1], 1);
}

int doctor_exec(const char *const *words, char *text, size_t text_bytes)
{
	const uint64_t until_ns = session_now_ns() + DOCTOR_EXEC_MS * NS_PER_MS;
	int ends[2], r;
	pid_t pid = 0;

	text[0] = '\0';
	set_environment();
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = spawn(words, ends[1], &pid);
	close(ends[1]);
	if (r == 0)
		r = finish(pid, read_all(ends[0], text, text_bytes, until_ns), until_ns);
	close(ends[0]);
	/* As a shell says it, and a kernel that is only emulated, where spawning is not told of its failure. */
	return r == 127 && !text[0] ? -ENOENT : r;
}
