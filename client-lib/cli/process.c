/* SPDX-License-Identifier: BSD-2-Clause */
/* process.c - see process.h. */
#include "process.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct process_name process_name(double pid)
{
	struct process_name process = { "?" };
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.0f/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return process;
	n = read(fd, process.name, sizeof(process.name) - 1);
	close(fd);
	process.name[n > 0 ? n : 0] = '\0';
	process.name[strcspn(process.name, "\n")] = '\0';
	return process;
}
