/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - the command line: one table of options for all verbs, before or after the verb, and the exit codes.
 */
#ifndef LUMARING_CLI_OPTIONS_H
#define LUMARING_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <lumaring/lumaring.h>

#include "options_set.h"

/* Exit codes; besides these 128 + the number of a signal. */
enum code {
	CODE_OK = 0,
	CODE_FAILED = 1,    /* a read or a write went wrong */
	CODE_USAGE = 2,     /* the command line */
	CODE_NO_DAEMON = 3, /* nobody serves the camera */
	CODE_REFUSED = 4,   /* no permission, no such stream, a limit, no common version, the source */
	CODE_CLOSED = 5,    /* closed or lost before the first frame, or the frames changed their size */
	CODE_TIMEOUT = 6,   /* no frame, or no answer of the daemon, in time */
	CODE_UNWELL = 7,    /* doctor has found a problem */
};

/* Which verb takes an option, as bits. */
enum verb_flag {
	VERB_WATCH = 1,
	VERB_SNAP = 2,
	VERB_CAT = 4,
	VERB_STATUS = 8,
	VERB_GET = 16,
	VERB_SET = 32,
	VERB_REGION = 64,
	VERB_STREAMS = 128,
	VERB_CLIENTS = 256,
	VERB_CAPABILITIES = 512,
	VERB_RELOAD = 1024,
	VERB_CALL = 2048,
	VERB_TOP = 4096,
	VERB_METRICS = 8192,
	VERB_VIEW = 16384,
	VERB_RECORD = 32768,
	VERB_DOCTOR = 65536,
	VERB_FRAMES = 32775, /* those that read frames, and can have a private stream */
	VERB_CONTROL = 4080, /* those that use the control socket */
	VERB_ALL = 131071,
};

enum cat_format {
	CAT_NONE,
	CAT_Y4M,
	CAT_Y4M_420,
	CAT_RAW,
};

enum snap_format {
	SNAP_NONE,
	SNAP_PNG,
	SNAP_PGM,
};

#define OPTIONS_OPERANDS 3u
#define OPTIONS_COUNT_MAX UINT64_C(1000000000000000) /* -n */
#define OPTIONS_SECONDS_MAX 2000000u         /* --wait, --timeout, --last, --seconds: 23 days, so that ms fit an int */
#define OPTIONS_BUFFER_MAX UINT64_C(1000000) /* --buffer */
#define OPTIONS_INTERVAL_MIN_MS 100          /* --interval */

struct options {
	const char *camera, *stream, *runtime_dir; /* NULL: the library's defaults */
	int wait_ms;
	int timeout_ms;            /* -1: the verb's default */
	int last_ms, seconds_ms;   /* --last, --seconds; -1: not given */
	uint64_t buffer_megabytes; /* --buffer, 0: the verb's default */
	uint32_t frames_max;       /* that a verb holds at once; no option of its own; 0: the library's default */
	int interval_ms;           /* --interval */
	const char *output;        /* --output, NULL: standard output */
	const char *times;         /* --times, NULL: none */
	uint64_t count;            /* 0: no limit */
	bool json, latest, copy, futex, oldest, follow, private, all, more, force;
	bool help, version;
	struct lumaring_region region;
	uint32_t fourcc, bin; /* of a private stream, 0: the default */
	enum cat_format format;
	enum snap_format picture;               /* --format */
	struct set_options set;                 /* what control verbs alone take */
	const char *operands[OPTIONS_OPERANDS]; /* the verb and what follows it; NULL: not there */
	uint64_t given;                         /* bit per row of the option table */
};

/* Read the command line. 0, or -EINVAL after one sentence on standard error. */
int options_parse(int argc, char **argv, struct options *ret_options);

/* Does the verb take what was given, and do the options go together? 0, or -EINVAL after one sentence. */
int options_check(const struct options *options, const char *verb, unsigned flag);

/* Was the option of that long name given? */
bool options_has(const struct options *options, const char *name);

/* The camera that is meant, as the library has it when none is given. */
const char *options_camera(const struct options *options);

/* One line for each option that all of these verbs take, and not every verb there is; or with VERB_ALL those that do.
 */
void options_print(FILE *file, unsigned verbs);

#endif
