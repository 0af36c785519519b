/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.h - `lumaring doctor`: what the checks know and what they say. Each check is a function of one of the files
 * doctor_*.c, looks at one thing of this machine, and adds at least one finding. A check changes nothing, waits for a
 * bounded time, and works without a daemon.
 *
 * Facts that are asked of more than one check are gathered first, in the order of the fields below. All files are read
 * below host.root, so that a test can have a machine of its own.
 */
#ifndef LUMARING_CLI_DOCTOR_H
#define LUMARING_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "doctor_host.h"
#include "json.h"
#include "options.h"

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_NOTE,    /* it works, and something about it is worth knowing */
	DOCTOR_PROBLEM, /* frames do not come, or not to this user, or many are lost */
};

struct doctor_finding {
	const char *check;
	enum doctor_level level;
	char text[400];
	char advice[400]; /* what to do, "": nothing */
	bool is_command;  /* the advice is a line for the shell, exactly */
};

#define DOCTOR_FINDINGS_MAX 64u /* of 19 checks, which add three each at most */

/* What the service manager says. */
struct doctor_unit {
	bool is_known;   /* there is a manager, and it has the unit */
	char why[160];   /* else: why not */
	bool no_manager; /* it is that nobody manages services here */
	char active[32], sub[32], enabled[32], result[32];
	unsigned exit_code, restarts;
	unsigned long pid;
	bool is_outdated;   /* its files changed since they were read */
	char socket[2][32]; /* ActiveState of those for frames and for control */
};

/* What the daemon's program says of itself. */
struct doctor_program {
	char path[512];     /* "": there is none */
	char version[32];   /* of lumaringd, as installed */
	char libcamera[32]; /* that it is linked with; "": with none, or it does not tell */
	int faults;         /* lines that --check-config has to tell; -1: it was not to be had */
	char fault[300];    /* the first of them */
	cJSON *settings;    /* in force, NULL: not known */
};

struct doctor {
	const struct options *options;
	struct host host;
	char camera[64], directory[512]; /* whose sockets are in directory/camera */
	cJSON *status;                   /* of the daemon, NULL: it gave none */
	int error;                       /* why not, a negative errno, */
	char error_text[320];            /* and as a sentence */
	struct doctor_unit unit;
	struct doctor_program program;
	struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
	unsigned finding_count;
};

/* --- findings --------------------------------------------------------------------------------------------------- */

void doctor_add(struct doctor *doctor, const char *check, enum doctor_level level, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* What to do about the newest finding: a sentence, or a line for the shell. */
void doctor_advise(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_command(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));

unsigned doctor_count(const struct doctor *doctor, enum doctor_level level);

/* For people, in lines of so many columns; for programs, an object on one line: 0, or -ENOMEM. */
void doctor_print(const struct doctor *doctor, unsigned columns, bool is_coloured, FILE *file);
int doctor_print_json(const struct doctor *doctor, FILE *file);

/* --- facts ------------------------------------------------------------------------------------------------------ */

/* Ask the daemon, with patience as long as --wait says if it was given. 0, or -EINVAL: what was asked makes no sense.
 */
int doctor_ask(struct doctor *doctor);
void doctor_look_at_unit(struct doctor *doctor);
void doctor_look_at_program(struct doctor *doctor);

/* The socket that readers connect to. */
struct host_path doctor_frames_path(const struct doctor *doctor);

/* Does the daemon capture from a camera, or will it? */
bool doctor_wants_camera(const struct doctor *doctor);

/* Who opens devices: the daemon's user, or who would be. */
bool doctor_is_opened_by_root(const struct doctor *doctor);

/* "source.device" of the status; NULL: there is none. */
const cJSON *doctor_device(const struct doctor *doctor);

/* How the daemon is started anew, for doctor_command(). */
void doctor_command_restart(struct doctor *doctor);

/* --- checks, in the order in which they are shown ----------------------------------------------------------------- */

void doctor_check_daemon(struct doctor *doctor);
void doctor_check_version(struct doctor *doctor);
void doctor_check_frames(struct doctor *doctor);
void doctor_check_unit(struct doctor *doctor);
void doctor_check_sandbox(struct doctor *doctor);
void doctor_check_settings(struct doctor *doctor);
void doctor_check_groups(struct doctor *doctor);
void doctor_check_camera(struct doctor *doctor);
void doctor_check_holders(struct doctor *doctor);
void doctor_check_heaps(struct doctor *doctor);
void doctor_check_cma(struct doctor *doctor);
void doctor_check_shm(struct doctor *doctor);
void doctor_check_memlock(struct doctor *doctor);
void doctor_check_io_uring(struct doctor *doctor);
void doctor_check_libcamera(struct doctor *doctor);
void doctor_check_ipa(struct doctor *doctor);
void doctor_check_kernel(struct doctor *doctor);
void doctor_check_clock(struct doctor *doctor);
void doctor_check_cpu(struct doctor *doctor);

#endif
