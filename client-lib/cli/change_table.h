/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * change_table.h - what became of a change, for people, or could become of it. Each prints to a page: 0, -ENOMEM, or
 * -EBADMSG after a sentence.
 */
#ifndef LUMARING_CLI_CHANGE_TABLE_H
#define LUMARING_CLI_CHANGE_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include <lumaring/control.h>

/* Of Configure, what was made of it; or would be. */
int change_table_applied(const char *json, bool dry_run, FILE *file);

int change_table_reload(const char *json, FILE *file);

/*
 * Of GetCapabilities: has the source each of these controls, in its range? 0, or -ENOTSUP, -ERANGE or -EBADMSG after a
 * sentence.
 */
int change_table_check(const char *json, const struct lumaring_controls *controls);

#endif
