/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output.c - see output.h. One thread. A signal in the middle does not end a write: what was begun is finished, so
 * that a stopped recording ends with a whole frame; stop.c bounds how long that may take.
 */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TALK_BYTES 1024

void output_init(struct output *output, int fd)
{
	output->fd = fd;
	output->count = 0;
}

int output_put(struct output *output, const void *data, size_t bytes)
{
	struct iovec *last = output->count ? &output->pieces[output->count - 1] : NULL;
	int r;

	if (bytes == 0)
		return 0;
	if (last && (const uint8_t *)last->iov_base + last->iov_len == data) {
		last->iov_len += bytes;
		return 0;
	}
	if (output->count == OUTPUT_PIECES) {
		r = output_flush(output);
		if (r < 0)
			return r;
	}
	output->pieces[output->count++] = (struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };
	return 0;
}

/* Drop the first `bytes` of the pieces; *first is the first piece that still has some. */
static void output_advance(struct output *output, unsigned *first, size_t bytes)
{
	while (*first < output->count && bytes >= output->pieces[*first].iov_len)
		bytes -= output->pieces[(*first)++].iov_len;
	if (bytes == 0)
		return;
	output->pieces[*first].iov_base = (uint8_t *)output->pieces[*first].iov_base + bytes;
	output->pieces[*first].iov_len -= bytes;
}

/* Whoever started us may have left the descriptor non-blocking: then wait here. */
static int output_wait(int fd)
{
	struct pollfd wanted = { .fd = fd, .events = POLLOUT };

	return poll(&wanted, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int output_flush(struct output *output)
{
	unsigned first = 0;
	int r = 0;

	while (r == 0 && first < output->count) {
		ssize_t n = writev(output->fd, &output->pieces[first], (int)(output->count - first));

		if (n >= 0)
			output_advance(output, &first, (size_t)n);
		else if (errno == EAGAIN)
			r = output_wait(output->fd);
		else if (errno != EINTR)
			r = -errno;
	}
	output->count = 0;
	return r;
}

int output_deliver(const char *text, size_t bytes)
{
	struct output output;
	int r;

	output_init(&output, STDOUT_FILENO);
	r = output_put(&output, text, bytes);
	if (r == 0)
		r = output_flush(&output);
	if (r == 0 || r == -EPIPE)
		return 0;
	talk("cannot write to standard output: %s", strerror(-r));
	return r;
}

void talk(const char *format, ...)
{
	char text[TALK_BYTES];
	va_list arguments;
	int begin, n;

	begin = snprintf(text, sizeof(text), "lumaring: ");
	va_start(arguments, format);
	n = vsnprintf(text + begin, sizeof(text) - (size_t)begin, format, arguments);
	va_end(arguments);
	n += begin;
	if (n > (int)sizeof(text) - 1)
		n = (int)sizeof(text) - 1;
	text[n++] = '\n';
	if (write(STDERR_FILENO, text, (size_t)n) < 0)
		return; /* nowhere left to say it */
}
