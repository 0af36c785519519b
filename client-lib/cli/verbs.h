/* SPDX-License-Identifier: BSD-2-Clause */
/* verbs.h - what main.c dispatches to. Each verb says what went wrong itself and returns the exit code. */
#ifndef LUMARING_CLI_VERBS_H
#define LUMARING_CLI_VERBS_H

#include "options.h"

int watch_run(const struct options *options);
int snap_run(const struct options *options);
int cat_run(const struct options *options);
int record_run(const struct options *options);
int view_run(const struct options *options);
int status_run(const struct options *options);
int top_run(const struct options *options);
int metrics_run(const struct options *options);
int get_run(const struct options *options);
int set_run(const struct options *options);
int region_run(const struct options *options);
int streams_run(const struct options *options);
int clients_run(const struct options *options);
int capabilities_run(const struct options *options);
int reload_run(const struct options *options);
int call_run(const struct options *options);
int doctor_run(const struct options *options);

#endif
