/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_file.h - a file that grows by whole pieces. It is made under a name of its own in the same directory, and
 * takes its name, and the place of an older file, once its first piece is whole; whatever fails later, it ends with a
 * whole piece. What is there already and is no file (a device, a FIFO) is written to as it is, and so is standard
 * output.
 */
#ifndef LUMARING_CLI_RECORD_FILE_H
#define LUMARING_CLI_RECORD_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "output.h"

struct record_file {
	const char *path; /* NULL: standard output */
	char *target;     /* the path behind symbolic links; NULL: written to as it is */
	char *temporary;  /* until the first piece is whole, then NULL */
	bool regular;     /* and so can be cut */
	int64_t begin;    /* where it began, and */
	uint64_t bytes;   /* how much of it is whole pieces */
	uint64_t told;    /* of these, what the disk was told to take */
	struct output output;
};

/*
 * A negative errno, -EAGAIN for a FIFO that nobody reads yet; nothing is there then, and there is nothing to close. path
 * "-": standard output.
 */
int record_file_open(struct record_file *file, const char *path);

/* Whether both names are of one regular file, there or not, or both are standard output. */
bool record_file_same(const char *one, const char *other);

/* What was put into file->output since the last piece, `bytes` of it, is a piece, and complete. 0 or a negative errno.
 */
int record_file_finish_piece(struct record_file *file, uint64_t bytes);

/* A piece failed: cut what there is of it. */
void record_file_cut(struct record_file *file);

/*
 * Close; on the disk it is all when this returns 0. Else a negative errno. A file without a piece is removed. One that
 * is closed already, or was never opened but is all zero, may be closed.
 */
int record_file_close(struct record_file *file);

/* As it is told of. */
const char *record_file_name(const struct record_file *file);

#endif
