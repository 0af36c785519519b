/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_table.h - what the control socket says, for people. Values stand in the words and units of `lumaring set`, so
 * that what `get` prints `set` takes. Each prints to a page: 0, -ENOMEM, or -EBADMSG after a sentence, when it makes no
 * sense of the text.
 */
#ifndef LUMARING_CLI_CONTROL_TABLE_H
#define LUMARING_CLI_CONTROL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

/* Of GetConfiguration: everything. */
int control_table_all(const char *json, FILE *file);

/* Of GetConfiguration: the value of one word. -ENOENT: the word is known, and there is no such value. */
int control_table_value(const char *json, const char *word, FILE *file);

/* The same as JSON. */
int control_table_value_json(const char *json, const char *word, FILE *file);

/* Is it a word of control_table_value()? */
bool control_table_knows(const char *word);

int control_table_streams(const char *json, FILE *file);
int control_table_clients(const char *json, FILE *file);
int control_table_capabilities(const char *json, FILE *file);

/* Of SetControls. */
int control_table_controls(const char *json, FILE *file);

/* The sentence, and -EBADMSG. */
int control_table_no_sense(void);

#endif
