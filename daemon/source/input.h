/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * input.h - bytes of a file or a pipe, as lines and as rows of pixels, for sources that read footage.
 *
 * Used by one thread at a time: the owner of the feeder while a regular file is opened, then the feeder's thread. Reads
 * from a pipe wait in the feeder, so that finishing it ends them at once (-ECANCELED). Pixels go straight to where they
 * belong; only what came along with a line is copied from the buffer.
 */
#ifndef LUMARING_SOURCE_INPUT_H
#define LUMARING_SOURCE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct feeder;

#define INPUT_BUFFER_BYTES 2048u
#define INPUT_SCRATCH_BYTES 65536u

struct input {
	struct feeder *feeder;
	int fd;
	bool seekable;    /* a regular file: reads do not wait, skipping is free */
	bool nonblocking; /* opened O_NONBLOCK by us: a read tells "no data" from "no writer" */
	uint64_t offset;  /* of the next byte in the file, or since the writer began */
	size_t from, to;  /* bytes read ahead: buffer[from..to) */
	char buffer[INPUT_BUFFER_BYTES];
	char scratch[INPUT_SCRATCH_BYTES];
};

/* Begin at this offset of a file, or with the next writer of a pipe: then input_wait() comes first. 0 or -errno. */
int input_begin(struct input *input, int fd, uint64_t offset);

/* True if the next read would have to wait. */
bool input_would_wait(const struct input *input);

/* Wait until the next read does not. */
int input_wait(struct input *input);

/*
 * Take a line: bytes up to and with a newline; without one at the end of the data or when `bytes_max` bytes have none.
 * No bytes at all: the end. The line stays valid until the next call.
 */
int input_line(struct input *input, size_t bytes_max, const char **ret_line, size_t *ret_bytes);

/* Read `rows` rows of row_bytes to rows `stride` apart. *ret_bytes is less than all of them only at the end. */
int input_rows(struct input *input, uint8_t *pixels, size_t stride, size_t row_bytes, size_t rows, uint64_t *ret_bytes);

/* Leave out so many bytes. *ret_bytes is less only at the end. */
int input_skip(struct input *input, uint64_t bytes, uint64_t *ret_bytes);

#endif
