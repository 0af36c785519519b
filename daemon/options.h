/* SPDX-License-Identifier: BSD-2-Clause */
/* options.h - the command line of lumaringd. */
#ifndef LUMARING_OPTIONS_H
#define LUMARING_OPTIONS_H

#include "config.h"

enum options_action {
	OPTIONS_RUN,
	OPTIONS_CHECK, /* --check-config */
	OPTIONS_BENCH, /* --bench-camera */
	OPTIONS_LIST,  /* --list-cameras */
	OPTIONS_STOP,  /* --help or --version was printed */
};

/* What is no setting, and what must be known before the settings. NULL: was not said. */
struct options {
	enum options_action action;
	const char *device;     /* of --bench-camera; NULL: all */
	const char *file;       /* --config */
	const char *config_dir; /* --config-dir */
	const char *camera;     /* --camera, a name or not */
};

/* Look through the command line. What is no option, or lacks a value, is told. */
void options_scan(int argc, char **argv, struct options *ret_options, struct config_faults *faults);

/* Apply all settings of the command line that are good; the others are told. */
void options_apply(int argc, char **argv, struct config *config, struct config_faults *faults);

#endif
