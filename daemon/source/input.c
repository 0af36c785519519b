/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * input.c - see input.h. Everything that enters goes through input_readv(), which alone knows how to wait.
 *
 * A FIFO needs care, since "no writer yet" and "the writer has left" look the same to read(): both give 0. poll() tells
 * them apart: on Linux a FIFO that was opened for reading while nobody writes is not hung up until a writer has come
 * and gone. So whoever begins with a FIFO calls input_wait() first, and sleeps there at no cost. From then on read() is
 * asked first: 0 is now the end, and EAGAIN a writer who thinks; poll() would wait for ever if the writer of what lay
 * in the pipe had already left when it was opened. Descriptors that others opened may block in read(), so they are
 * polled before each.
 */
#include "source/input.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/feeder.h"

/* Rows per readv(2), at most IOV_MAX (1024). */
#define INPUT_ROWS_MAX 256u

int input_begin(struct input *input, int fd, uint64_t offset)
{
	if (input->seekable && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	input->fd = fd;
	input->offset = offset;
	input->from = input->to = 0;
	return 0;
}

bool input_would_wait(const struct input *input)
{
	struct pollfd fd = { .fd = input->fd, .events = POLLIN };

	return !input->seekable && poll(&fd, 1, 0) == 0;
}

int input_wait(struct input *input)
{
	return input->seekable ? 0 : feeder_wait_data(input->feeder, input->fd);
}

/* Bytes read, 0 at the end, or a negative errno. */
static ssize_t input_readv(struct input *input, const struct iovec *parts, int count)
{
	bool wait = !input->nonblocking;

	while (!feeder_is_finishing(input->feeder)) {
		int rc = wait ? input_wait(input) : 0;
		ssize_t bytes;

		if (rc)
			return rc;
		bytes = readv(input->fd, parts, count);
		if (bytes >= 0)
			return bytes;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		wait = true;
	}
	return -ECANCELED;
}

/* Read more into the buffer, behind what is there. */
static ssize_t input_fill(struct input *input)
{
	struct iovec rest;
	ssize_t bytes;

	if (input->from) {
		memmove(input->buffer, input->buffer + input->from, input->to - input->from);
		input->to -= input->from;
		input->from = 0;
	}
	rest = (struct iovec){ input->buffer + input->to, sizeof(input->buffer) - input->to };
	bytes = input_readv(input, &rest, 1);
	if (bytes > 0)
		input->to += (size_t)bytes;
	return bytes;
}

static void input_consume(struct input *input, size_t bytes)
{
	input->from += bytes;
	input->offset += bytes;
}

int input_line(struct input *input, size_t bytes_max, const char **ret_line, size_t *ret_bytes)
{
	ssize_t more = 1;
	size_t bytes;

	for (;;) {
		const char *begin = input->buffer + input->from, *newline;

		bytes = input->to - input->from;
		if (bytes > bytes_max)
			bytes = bytes_max;
		newline = memchr(begin, '\n', bytes);
		if (newline)
			bytes = (size_t)(newline - begin) + 1;
		if (newline || bytes == bytes_max || more == 0)
			break;
		more = input_fill(input);
		if (more < 0)
			return (int)more;
	}
	*ret_line = input->buffer + input->from;
	*ret_bytes = bytes;
	input_consume(input, bytes);
	return 0;
}

/* The rows from byte `done` of all on, as parts for readv(2). */
static int rows_left(struct iovec *parts, uint8_t *pixels, size_t stride, size_t row_bytes, size_t rows, uint64_t done)
{
	size_t row = (size_t)(done / row_bytes), column = (size_t)(done % row_bytes);
	int count = 0;

	for (; row < rows && count < (int)INPUT_ROWS_MAX; row++, column = 0)
		parts[count++] = (struct iovec){ pixels + row * stride + column, row_bytes - column };
	return count;
}

/* Copy what was read ahead to the parts. */
static size_t input_drain(struct input *input, const struct iovec *parts, int count)
{
	size_t done = 0;

	for (int i = 0; i < count && input->from < input->to; i++) {
		size_t bytes = input->to - input->from;

		if (bytes > parts[i].iov_len)
			bytes = parts[i].iov_len;
		memcpy(parts[i].iov_base, input->buffer + input->from, bytes);
		input->from += bytes;
		done += bytes;
	}
	return done;
}

int input_rows(struct input *input, uint8_t *pixels, size_t stride, size_t row_bytes, size_t rows, uint64_t *ret_bytes)
{
	uint64_t done = 0, all = (uint64_t)row_bytes * rows;
	struct iovec parts[INPUT_ROWS_MAX];

	while (done < all) {
		int count = rows_left(parts, pixels, stride, row_bytes, rows, done);
		ssize_t bytes;

		if (input->from < input->to)
			bytes = (ssize_t)input_drain(input, parts, count);
		else
			bytes = input_readv(input, parts, count);
		if (bytes < 0)
			return (int)bytes;
		if (bytes == 0)
			break;
		done += (uint64_t)bytes;
		input->offset += (uint64_t)bytes;
	}
	*ret_bytes = done;
	return 0;
}

/* A seek beyond the end succeeds, so the end is looked at; the file may be growing, or shrink. */
static int skip_by_seek(struct input *input, uint64_t bytes, uint64_t *ret_bytes)
{
	struct stat status;

	if (fstat(input->fd, &status))
		return -errno;
	if ((uint64_t)status.st_size < input->offset + bytes)
		bytes = (uint64_t)status.st_size > input->offset ? (uint64_t)status.st_size - input->offset : 0;
	if (lseek(input->fd, (off_t)(input->offset + bytes), SEEK_SET) < 0)
		return -errno;
	input->offset += bytes;
	*ret_bytes = bytes;
	return 0;
}

static int skip_by_read(struct input *input, uint64_t bytes, uint64_t *ret_bytes)
{
	uint64_t done = 0;

	while (done < bytes) {
		struct iovec part = { input->scratch, sizeof(input->scratch) };
		ssize_t got;

		if (part.iov_len > bytes - done)
			part.iov_len = (size_t)(bytes - done);
		got = input_readv(input, &part, 1);
		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		done += (uint64_t)got;
		input->offset += (uint64_t)got;
	}
	*ret_bytes = done;
	return 0;
}

int input_skip(struct input *input, uint64_t bytes, uint64_t *ret_bytes)
{
	size_t ahead = input->to - input->from;
	uint64_t skipped = 0;
	int rc = 0;

	if (ahead > bytes)
		ahead = (size_t)bytes;
	input_consume(input, ahead);
	bytes -= ahead;
	/* Not for nothing: with bytes left in the buffer the file's own position is ahead of ours. */
	if (bytes)
		rc = input->seekable ? skip_by_seek(input, bytes, &skipped) : skip_by_read(input, bytes, &skipped);
	if (!rc)
		*ret_bytes = ahead + skipped;
	return rc;
}
