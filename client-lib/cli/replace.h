/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replace.h - a file that is replaced as a whole or not at all; what is no file, a device or a FIFO, is written to, and
 * keeps its place.
 */
#ifndef LUMARING_CLI_REPLACE_H
#define LUMARING_CLI_REPLACE_H

/* What is to be in it. 0, or a negative errno: then the file stays as it was. */
typedef int (*replace_write)(int fd, const void *content);

/*
 * Have it written under another name in the same directory, PATH.XXXXXX, and renamed when it is complete and on the
 * disk. It has the mode that any new file would get. A link stays, and the file behind it is replaced. 0, or a negative
 * errno.
 */
int replace_file(const char *path, replace_write write_content, const void *content);

#endif
