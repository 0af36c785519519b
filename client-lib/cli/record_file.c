/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_file.c - see record_file.h. Any thread, one at a time. The disk is told early and often to take what it is
 * given: left alone, the kernel gathers seconds of video and then stops the writer until they are written.
 */
#include "record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TELL_BYTES (UINT64_C(16) << 20)

/* What is there and no file, or a link to one that is not there yet, keeps its place. */
static bool in_place(const char *path)
{
	struct stat entry;

	if (lstat(path, &entry) < 0)
		return false;
	if (S_ISLNK(entry.st_mode) && stat(path, &entry) < 0)
		return true;
	return !S_ISREG(entry.st_mode);
}

/* Without symbolic links, and for the caller to free; NULL where its directory is not there, or without memory. */
static char *whole_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *whole = realpath(path, NULL), *directory, *real = NULL;

	if (whole)
		return whole;
	directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (directory)
		real = realpath(directory, NULL);
	if (real && asprintf(&whole, "%s/%s", real, slash ? slash + 1 : path) < 0)
		whole = NULL;
	free(directory);
	free(real);
	return whole;
}

bool record_file_same(const char *one, const char *other)
{
	struct stat entry;
	char *first, *second;
	bool same;

	if (strcmp(one, "-") == 0 || strcmp(other, "-") == 0)
		return strcmp(one, other) == 0;
	if (stat(one, &entry) == 0 && !S_ISREG(entry.st_mode))
		return false;
	first = whole_name(one);
	second = whole_name(other);
	same = first && second && strcmp(first, second) == 0;
	free(first);
	free(second);
	return same;
}

/* mkostemp(3) makes files that only the owner may read; ours get the mode that any new file would get. */
static int make_temporary(struct record_file *file)
{
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	file->target = realpath(file->path, NULL);
	if (!file->target)
		file->target = strdup(file->path);
	if (!file->target || asprintf(&file->temporary, "%s.XXXXXX", file->target) < 0) {
		file->temporary = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(file->temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0666 & ~mask) < 0) {
		const int error = -errno;

		close(fd);
		unlink(file->temporary);
		return error;
	}
	return fd;
}

static void forget_names(struct record_file *file)
{
	free(file->temporary);
	free(file->target);
	file->temporary = file->target = NULL;
}

/* It never waits for the reader of a FIFO: a signal that comes just before open(2) would not end that. */
static int open_in_place(const char *path)
{
	struct stat entry;
	const bool is_fifo = stat(path, &entry) == 0 && S_ISFIFO(entry.st_mode);
	const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (is_fifo ? O_NONBLOCK : 0), 0666);

	if (fd < 0)
		return is_fifo && errno == ENXIO ? -EAGAIN : -errno;
	if (is_fifo)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

int record_file_open(struct record_file *file, const char *path)
{
	struct stat entry;
	int fd, r = 0;

	memset(file, 0, sizeof(*file));
	file->path = strcmp(path, "-") == 0 ? NULL : path;
	if (!file->path)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	else if (in_place(path))
		r = fd = open_in_place(path);
	else
		r = fd = make_temporary(file);
	if (fd < 0) {
		r = r < 0 ? r : -errno;
		forget_names(file);
		return r;
	}
	output_init(&file->output, fd);
	file->regular = fstat(fd, &entry) == 0 && S_ISREG(entry.st_mode);
	if (file->regular)
		file->begin = fcntl(fd, F_GETFL) & O_APPEND ? entry.st_size : lseek(fd, 0, SEEK_CUR);
	return 0;
}

/* An error here is none of the recording: it will show when the data are written. */
static void tell_disk(struct record_file *file)
{
	const int64_t begin = file->begin + (int64_t)file->told;

	if (!file->regular || file->bytes - file->told < TELL_BYTES)
		return;
	sync_file_range(file->output.fd, begin, (int64_t)(file->bytes - file->told), SYNC_FILE_RANGE_WRITE);
	file->told = file->bytes;
}

int record_file_finish_piece(struct record_file *file, uint64_t bytes)
{
	int r = output_flush(&file->output);

	if (r < 0)
		return r;
	if (file->temporary) {
		if (rename(file->temporary, file->target) < 0)
			return -errno;
		free(file->temporary);
		file->temporary = NULL;
	}
	file->bytes += bytes;
	tell_disk(file);
	return 0;
}

void record_file_cut(struct record_file *file)
{
	const int64_t end = file->begin + (int64_t)file->bytes;

	file->output.count = 0;
	if (file->regular && ftruncate(file->output.fd, end) == 0)
		lseek(file->output.fd, end, SEEK_SET);
}

int record_file_close(struct record_file *file)
{
	int r = 0;

	if (file->output.fd <= 0)
		return 0;
	if (file->temporary)
		unlink(file->temporary);
	else if (file->regular && fsync(file->output.fd) < 0)
		r = -errno;
	if (close(file->output.fd) < 0 && r == 0)
		r = -errno;
	file->output.fd = -1;
	forget_names(file);
	return r;
}

const char *record_file_name(const struct record_file *file)
{
	return file->path ? file->path : "standard output";
}
