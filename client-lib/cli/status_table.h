/* SPDX-License-Identifier: BSD-2-Clause */
/* status_table.h - the daemon's status for people. */
#ifndef LUMARING_CLI_STATUS_TABLE_H
#define LUMARING_CLI_STATUS_TABLE_H

#include <stdbool.h>
#include <stdio.h>

/* Clients, and private streams, that are shown unless all are wanted. */
#define STATUS_SHOWN 20u

/* Print it. 0, -EBADMSG: the text is no JSON object; -ENOMEM. */
int status_table_print(const char *json, bool all, FILE *file);

#endif
