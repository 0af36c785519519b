/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics_text.h - the daemon's status in Prometheus' text format: each metric once, with its help and its type, in
 * base units; what the daemon does not tell is left out.
 */
#ifndef LUMARING_CLI_METRICS_TEXT_H
#define LUMARING_CLI_METRICS_TEXT_H

#include <stdio.h>

/* Print it. 0, or -EBADMSG: the text is no JSON object, and nothing was printed. */
int metrics_text_print(const char *json, FILE *file);

/* No daemon told anything of this camera. */
void metrics_text_print_down(const char *camera, FILE *file);

#endif
