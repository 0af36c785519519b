/* SPDX-License-Identifier: BSD-2-Clause */
/* program.c - see program.h. */
#include "program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The directory of this program, with a slash; "" when that cannot be told. */
static void own_directory(char *text, size_t text_bytes)
{
	ssize_t length = readlink("/proc/self/exe", text, text_bytes - 1);
	char *slash;

	text[length > 0 ? length : 0] = '\0';
	slash = strrchr(text, '/');
	text[slash ? slash + 1 - text : 0] = '\0';
}

const char *program_daemon(unsigned place, char path[PROGRAM_PATH_BYTES])
{
	char own[PROGRAM_PATH_BYTES - sizeof(PROGRAM_DAEMON)];

	if (place > 1)
		return NULL;
	own_directory(own, sizeof(own));
	if (place == 0)
		snprintf(path, PROGRAM_PATH_BYTES, "%s%s", own, own[0] ? PROGRAM_DAEMON : "");
	else
		snprintf(path, PROGRAM_PATH_BYTES, "%s", LUMARING_SBINDIR "/" PROGRAM_DAEMON);
	return path;
}
