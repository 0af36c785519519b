/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * process.c - see process.h: what /proc says of processes and of this boot. Keeps no state, any thread.
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_STATE 3u
#define STAT_START 22u

/* Read a small file of /proc whole, NUL-terminated. Its length, or a negative errno. */
static int read_text(const char *path, char *text, size_t text_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, text_bytes - 1);
	if (n < 0)
		n = -errno;
	else
		text[n] = '\0';
	close(fd);
	return (int)n;
}

/* 0: *ret_ticks is its start time, 0 once it has ended. Else it is not there, or not to be seen. */
static int look_at(pid_t pid, uint64_t *ret_ticks)
{
	char path[32], text[1024], state;
	uint64_t ticks;
	char *field;
	int n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = read_text(path, text, sizeof(text));
	if (n <= 0)
		return n < 0 ? n : -ENOENT;
	*ret_ticks = 0;
	/* Field 2 is a name of the process's own choice, in parentheses, and may hold spaces and parentheses. */
	field = strrchr(text, ')');
	if (!field || field[1] != ' ')
		return 0;
	field += 2;
	state = *field;
	if (state == 'Z' || state == 'X')
		return 0;
	for (unsigned i = STAT_STATE; field && i < STAT_START; i++) {
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	if (field && sscanf(field, "%" SCNu64, &ticks) == 1)
		*ret_ticks = ticks;
	return 0;
}

uint64_t process_start_ticks(pid_t pid)
{
	uint64_t ticks;

	return look_at(pid, &ticks) == 0 ? ticks : 0;
}

/* Also of those that /proc hides. A signal that is not sent may be forbidden, and some emulators have no pidfd. */
static bool is_gone(pid_t pid)
{
	bool gone = kill(pid, 0) < 0 && errno == ESRCH;
	int fd = gone ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);

	gone |= fd < 0 && errno == ESRCH;
	if (fd >= 0)
		close(fd);
	return gone;
}

bool process_is(pid_t pid, uint64_t start_ticks)
{
	uint64_t ticks;

	if (pid <= 0 || start_ticks == 0)
		return false;
	return look_at(pid, &ticks) == 0 ? ticks == start_ticks : !is_gone(pid);
}

bool process_has_ended(pid_t pid)
{
	uint64_t ticks;

	if (pid <= 0)
		return false;
	return look_at(pid, &ticks) == 0 ? ticks == 0 : is_gone(pid);
}

bool process_has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef", *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

int boot_id_read(uint8_t ret_id[16])
{
	char text[64];
	uint8_t id[16];
	unsigned nibbles = 0;
	int r = read_text("/proc/sys/kernel/random/boot_id", text, sizeof(text));
	const char *given = getenv("LUMARING_BOOT_ID");

	if (r < 0 && !given)
		return r;
	if (r < 0)
		snprintf(text, sizeof(text), "%s", given);
	for (const char *c = text; *c && *c != '\n'; c++) {
		int value = hex_value(*c);

		if (*c == '-')
			continue;
		if (value < 0 || nibbles == 2 * sizeof(id))
			return -EBADMSG;
		id[nibbles / 2] = (uint8_t)(nibbles % 2 ? id[nibbles / 2] << 4 | value : value);
		nibbles++;
	}
	if (nibbles != 2 * sizeof(id))
		return -EBADMSG;
	memcpy(ret_id, id, sizeof(id));
	return 0;
}
