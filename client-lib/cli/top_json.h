/* SPDX-License-Identifier: BSD-2-Clause */
/* top_json.h - a sample as a line of JSON for programs; lumaring(1) lists the keys. */
#ifndef LUMARING_CLI_TOP_JSON_H
#define LUMARING_CLI_TOP_JSON_H

#include "top_sample.h"

/* To be freed, with its newline; NULL: no memory. */
char *top_json(const struct top_sample *sample);

/* The camera's daemon told nothing, and why. */
char *top_json_away(const char *camera, const char *reason);

#endif
