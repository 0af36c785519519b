/* SPDX-License-Identifier: BSD-2-Clause */
/* process.h - what a process is called. */
#ifndef LUMARING_CLI_PROCESS_H
#define LUMARING_CLI_PROCESS_H

struct process_name {
	char name[64];
};

/* "?" for a process that is gone, or of another machine's numbers. */
struct process_name process_name(double pid);

#endif
