/* SPDX-License-Identifier: BSD-2-Clause */
/* holders.c - see holders.h. A process that is gone when we look at it has nothing open: no failure here is told of. */
#include "source/holders.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES 16u                    /* of /proc/PID/comm, without its newline */
#define ENTRY_BYTES (4 * NAME_BYTES + 32) /* a name escaped, and its number */

/* --- one process -------------------------------------------------------------------------------------------- */

/* A number as the kernel writes it; 0: it is none. */
static unsigned long pid_of(const char *name)
{
	if (!name[0] || strlen(name) > 10 || name[strspn(name, "0123456789")])
		return 0;
	return strtoul(name, NULL, 10);
}

/* /dev/media0, /dev/video12; not /dev/video-codec. */
static bool is_camera(const char *path)
{
	static const char *const prefixes[] = { "/dev/media", "/dev/video" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], length) == 0 && path[length] >= '0' && path[length] <= '9')
			return true;
	}
	return false;
}

static DIR *open_directory(int at_fd, const char *path)
{
	int fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !directory)
		close(fd);
	return directory;
}

static bool has_camera_open(int proc_fd, unsigned long pid)
{
	char path[32], target[64];
	DIR *directory;
	struct dirent *entry;
	bool found = false;

	snprintf(path, sizeof(path), "%lu/fd", pid);
	directory = open_directory(proc_fd, path);
	if (!directory)
		return false;
	for (unsigned i = 0; !found && i < HOLDERS_DESCRIPTORS_MAX && (entry = readdir(directory)); i++) {
		ssize_t n = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = '\0';
		found = is_camera(target);
	}
	closedir(directory);
	return found;
}

/* "NAME (pid N)"; at least ENTRY_BYTES. */
static void describe(int proc_fd, unsigned long pid, char *text, size_t text_bytes)
{
	char path[32], name[NAME_BYTES] = "";
	size_t used = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%lu/comm", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	n = fd < 0 ? 0 : read(fd, name, sizeof(name));
	if (fd >= 0)
		close(fd);
	if (n > 0 && name[n - 1] == '\n')
		n--;
	for (ssize_t i = 0; i < n; i++) {
		bool plain = name[i] >= ' ' && name[i] <= '~' && name[i] != '\\';

		used += (size_t)snprintf(text + used, text_bytes - used, plain ? "%c" : "\\x%02x",
					 (unsigned char)name[i]);
	}
	snprintf(text + used, text_bytes - used, "%s(pid %lu)", used ? " " : "", pid);
}

/* --- all of them -------------------------------------------------------------------------------------------- */

/* Keep the lowest numbers, ascending. */
static void keep_lowest(unsigned long *pids, unsigned *count, unsigned long pid)
{
	unsigned at = *count;

	if (at == HOLDERS_NAMED_MAX && pids[--at] < pid)
		return;
	for (; at && pids[at - 1] > pid; at--)
		pids[at] = pids[at - 1];
	pids[at] = pid;
	if (*count < HOLDERS_NAMED_MAX)
		(*count)++;
}

static void write_holders(int proc_fd, const unsigned long *pids, unsigned count, unsigned total, char *text,
			  size_t text_bytes)
{
	static const char more[] = " and 4294967295 more";
	char entry[ENTRY_BYTES];
	size_t used = 0;
	unsigned i;

	for (i = 0; i < count; i++) {
		bool is_last = i + 1 == total;

		describe(proc_fd, pids[i], entry, sizeof(entry));
		if (used + strlen(entry) + 2 + (is_last ? 0 : sizeof(more)) >= text_bytes)
			break;
		used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i ? ", " : "", entry);
	}
	if (i < total && i)
		snprintf(text + used, text_bytes - used, " and %u more", total - i);
	else if (i < total)
		snprintf(text, text_bytes, "%u processes", total);
}

unsigned holders_find(const char *proc_directory, char *text, size_t text_bytes)
{
	DIR *proc = open_directory(AT_FDCWD, proc_directory ? proc_directory : "/proc");
	unsigned long pids[HOLDERS_NAMED_MAX], own = (unsigned long)getpid();
	unsigned total = 0, named = 0;
	struct dirent *entry;

	text[0] = '\0';
	if (!proc)
		return 0;
	for (unsigned looked = 0; looked < HOLDERS_PROCESSES_MAX && (entry = readdir(proc));) {
		unsigned long pid = pid_of(entry->d_name);

		looked += pid != 0;
		if (!pid || pid == own || !has_camera_open(dirfd(proc), pid))
			continue;
		total++;
		keep_lowest(pids, &named, pid);
	}
	write_holders(dirfd(proc), pids, named, total, text, text_bytes);
	closedir(proc);
	return total;
}
