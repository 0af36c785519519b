/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_host.h - the machine that `lumaring doctor` looks at: what the kernel says when it is asked, files below a
 * root, users and groups, and other programs. It is a struct, so that a test can say otherwise.
 */
#ifndef LUMARING_CLI_DOCTOR_HOST_H
#define LUMARING_CLI_DOCTOR_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define HOST_NAME_BYTES 64u
#define HOST_NAMES_MAX 256u /* of a directory; more are not looked at */

/* How a program ended: its exit code, or a negative errno; -ETIMEDOUT: it was killed. */
typedef int (*host_run)(const char *const *words, char *text, size_t text_bytes);

struct host {
	const char *root; /* "": this machine */
	uid_t uid;
	char release[65], machine[65];
	char model[128];    /* of the board, "": not known */
	bool is_pi, is_pi5; /* a Raspberry Pi; one with the chip of the fifth */
	long page_bytes;
	int uring_error; /* of io_uring_setup(2), a positive errno; 0: it works */
	int shm_error;   /* of statvfs(3) of /dev/shm, likewise */
	uint64_t shm_bytes, shm_free_bytes;
	uint64_t memlock_bytes;   /* RLIMIT_MEMLOCK of this process, UINT64_MAX: none */
	int64_t suspended_ns;     /* CLOCK_BOOTTIME before CLOCK_MONOTONIC */
	int64_t clock_step_ns;    /* resolution of CLOCK_MONOTONIC */
	char library_version[32]; /* of liblumaring as programs of this machine find it, "": they do not */
	host_run run;
};

/* Ask the kernel. */
void host_look(struct host *host);

/* --- files below the root ---------------------------------------------------------------------------------------- */

struct host_path {
	char text[1024];
};

struct host_path host_path(const struct host *host, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The beginning of a file, without what stands after its first NUL and without newlines at its end. False: there is
 * none to be read, and the text is "". */
bool host_read(const struct host *host, const char *path, char *text, size_t text_bytes);

/* The last word of where a link leads; "": it is none. */
struct host_name {
	char text[HOST_NAME_BYTES];
};
struct host_name host_link(const struct host *host, const char *path);

/* Names in a directory that begin so, in the order of their numbers. How many. */
struct host_names {
	unsigned count;
	bool is_cut; /* there are more */
	char names[HOST_NAMES_MAX][HOST_NAME_BYTES];
};
void host_list(const struct host *host, const char *directory, const char *prefix, struct host_names *ret_names);

/* False: it is not there. */
bool host_stat(const struct host *host, const char *path, struct stat *ret_status);

/* May this process read and write it? */
bool host_may(const struct host *host, const char *path);

/* --- users and groups -------------------------------------------------------------------------------------------- */

enum host_membership {
	HOST_NO_GROUP, /* this machine has no such group */
	HOST_NOT_IN,
	HOST_NEXT_TIME, /* in it, but this session began before that */
	HOST_IN,
};

enum host_membership host_membership(const struct host *host, const char *group);

/* Numbers as names; as digits where there is none. */
struct host_name host_group_name(gid_t gid);
struct host_name host_user_name(uid_t uid);

/* --- words ------------------------------------------------------------------------------------------------------- */

/* "12.3 MiB" */
struct host_name host_bytes(double bytes);

/* One word more of "a, b, c", if there is room. */
void host_join(char *text, size_t text_bytes, const char *word);

#endif
