/* SPDX-License-Identifier: BSD-2-Clause */
/* replace.c - see replace.h. */
#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkostemp(3) makes files that only the owner may read. */
static int finish(int fd)
{
	mode_t mask = umask(0);

	umask(mask);
	return fchmod(fd, 0666 & ~mask) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int close_file(int fd, int r)
{
	return close(fd) < 0 && r == 0 ? -errno : r;
}

/* A device, a FIFO, or the file behind a link that leads nowhere yet. */
static int write_in_place(const char *path, replace_write write_content, const void *content)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	return fd < 0 ? -errno : close_file(fd, write_content(fd, content));
}

static int write_and_rename(const char *path, replace_write write_content, const void *content)
{
	char *temporary;
	int fd, r;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		free(temporary);
		return r;
	}
	r = write_content(fd, content);
	if (r == 0)
		r = finish(fd);
	r = close_file(fd, r);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	free(temporary);
	return r;
}

/* /dev/stdout, say: what others wrote there stays. */
static bool is_standard_output(const struct stat *entry)
{
	struct stat output;

	return fstat(STDOUT_FILENO, &output) == 0 && entry->st_dev == output.st_dev && entry->st_ino == output.st_ino;
}

int replace_file(const char *path, replace_write write_content, const void *content)
{
	struct stat entry;
	char *target;
	int r;

	if (stat(path, &entry) < 0)
		return lstat(path, &entry) < 0 ? write_and_rename(path, write_content, content)
					       : write_in_place(path, write_content, content);
	if (S_ISDIR(entry.st_mode))
		return -EISDIR;
	if (is_standard_output(&entry))
		return write_content(STDOUT_FILENO, content);
	if (!S_ISREG(entry.st_mode))
		return write_in_place(path, write_content, content);
	target = realpath(path, NULL);
	if (!target)
		return -errno;
	r = write_and_rename(target, write_content, content);
	free(target);
	return r;
}
