/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output.h - data to a file or a pipe in whole pieces, and sentences to standard error.
 *
 * An output gathers pieces of memory and writes them with as few system calls as possible: the pixels go from the ring
 * to the pipe without a copy in between. It owns no memory: a piece must stay as it is until output_flush().
 */
#ifndef LUMARING_CLI_OUTPUT_H
#define LUMARING_CLI_OUTPUT_H

#include <stddef.h>
#include <sys/uio.h>

#define OUTPUT_PIECES 1024u /* IOV_MAX of Linux: more are refused by one writev(2) */

struct output {
	int fd;
	unsigned count;
	struct iovec pieces[OUTPUT_PIECES];
};

void output_init(struct output *output, int fd);

/* Add a piece; writes what was gathered when there is no room. 0 or a negative errno of writev(2). */
int output_put(struct output *output, const void *data, size_t bytes);

/*
 * Write everything that was gathered, however many calls it takes. 0 or a negative errno, -EPIPE when the reader is
 * gone; the output is empty afterwards in either case.
 */
int output_flush(struct output *output);

/*
 * All of a text to standard output. 0 also when the reader has had enough, else a negative errno after one sentence.
 */
int output_deliver(const char *text, size_t bytes);

/* A line to standard error: "lumaring: ", the sentence, a newline; in one write. */
void talk(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
