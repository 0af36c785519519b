/* SPDX-License-Identifier: BSD-2-Clause */
/* options.h - the command line of lumaringd. */
#ifndef LUMARING_OPTIONS_H
#define LUMARING_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

enum options_action {
	OPTIONS_RUN,
	OPTIONS_CHECK, /* --check-config */
	OPTIONS_BENCH, /* --bench-camera, of *ret_device; NULL: of all */
	OPTIONS_STOP,  /* --help or --version was printed */
};

/*
 * Read the configuration file that the command line names, then the command line over it. 0, or -EINVAL (or the errno
 * of reading the file) with one sentence in `error`.
 */
int options_read(int argc, char **argv, struct config *config, enum options_action *ret_action, const char **ret_device,
		 char *error, size_t error_bytes);

#endif
