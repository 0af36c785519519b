/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * denied.c - see denied.h. Runs in the caller's thread. Must never put a name into a command line that this machine's
 * own databases do not have.
 */
#include "denied.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM_FIRST 4096u
#define ROOM_MAX (1u << 20) /* a group's record has all of its members */
#define GROUPS_MAX 1024     /* of a user; more are not looked at */

/* A group; or a user and its primary group. */
struct record {
	char name[64];
	gid_t gid;
};

/* 0; ENOENT: there is none; ERANGE: it takes more room. */
typedef int (*reader)(const void *key, char *room, size_t bytes, struct record *ret_record);

static int take(int r, const char *name, gid_t gid, struct record *ret_record)
{
	if (r != 0)
		return r;
	if (!name || snprintf(ret_record->name, sizeof(ret_record->name), "%s", name) >= (int)sizeof(ret_record->name))
		return ENOENT;
	ret_record->gid = gid;
	return 0;
}

static int read_group(const void *key, char *room, size_t bytes, struct record *ret_record)
{
	struct group group, *found = NULL;
	const int r = getgrgid_r(*(const gid_t *)key, &group, room, bytes, &found);

	return take(r, found ? found->gr_name : NULL, found ? found->gr_gid : 0, ret_record);
}

static int read_group_named(const void *key, char *room, size_t bytes, struct record *ret_record)
{
	struct group group, *found = NULL;
	const int r = getgrnam_r(key, &group, room, bytes, &found);

	return take(r, found ? found->gr_name : NULL, found ? found->gr_gid : 0, ret_record);
}

static int read_user(const void *key, char *room, size_t bytes, struct record *ret_record)
{
	struct passwd user, *found = NULL;
	const int r = getpwuid_r(*(const uid_t *)key, &user, room, bytes, &found);

	return take(r, found ? found->pw_name : NULL, found ? found->pw_gid : 0, ret_record);
}

static bool find(reader read_record, const void *key, struct record *ret_record)
{
	int r = ERANGE;

	for (size_t bytes = ROOM_FIRST; r == ERANGE && bytes <= ROOM_MAX; bytes *= 4) {
		char *room = malloc(bytes);

		r = room ? read_record(key, room, bytes, ret_record) : ENOMEM;
		free(room);
	}
	return r == 0;
}

static bool has(const gid_t *groups, int count, gid_t group)
{
	for (int i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* As the session began. */
static bool is_member_now(gid_t group)
{
	gid_t groups[GROUPS_MAX];

	return getegid() == group || has(groups, getgroups(GROUPS_MAX, groups), group);
}

/* As the next session will be. */
static bool is_member_then(const struct record *user, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	int count = GROUPS_MAX;

	if (getgrouplist(user->name, user->gid, groups, &count) < 0)
		count = GROUPS_MAX;
	return has(groups, count, group);
}

/* `what` is for members of the group, and the caller was taken for none. */
static void say_group(const char *what, const struct record *group, struct lr_error *error)
{
	const uid_t uid = geteuid();
	struct record user;

	if (is_member_now(group->gid))
		lr_text_fail(error, 0,
			     "permission denied: %s is for the group %s, which you are in: something else forbids it",
			     what, group->name);
	else if (!find(read_user, &uid, &user))
		lr_text_fail(
			error, 0,
			"permission denied: %s is for the group %s, and uid %u, which has no name here, is not in it",
			what, group->name, uid);
	else if (is_member_then(&user, group->gid))
		lr_text_fail(error, 0,
			     "permission denied: %s is for the group %s, and this session began before %s was in it: "
			     "log in again",
			     what, group->name, user.name);
	else
		lr_text_fail(error, 0,
			     "permission denied: %s is for the group %s: sudo usermod -aG %s %s, then log in again",
			     what, group->name, group->name, user.name);
}

/* A daemon that was started without root. */
static void say_owner(const char *path, uid_t uid, struct lr_error *error)
{
	struct record user;

	if (!find(read_user, &uid, &user))
		snprintf(user.name, sizeof(user.name), "with uid %u", uid);
	lr_text_fail(error, 0, "permission denied: %s is for the user %s alone, who started the daemon", path,
		     user.name);
}

void lr_denied_connect(const struct sockaddr_un *address, struct lr_error *error)
{
	const char *path = address->sun_path;
	struct record group;
	struct stat status;

	if (stat(path, &status) < 0)
		lr_text_fail(error, 0, "permission denied: you may not look into the directory of %s", path);
	else if (!(status.st_mode & S_IWGRP))
		say_owner(path, status.st_uid, error);
	else if (status.st_gid == 0)
		lr_text_fail(error, 0,
			     "permission denied: %s is for root alone: the daemon's setting \"group\" changes that",
			     path);
	else if (!find(read_group, &status.st_gid, &group))
		lr_text_fail(error, 0, "permission denied: %s is for the group %u, which has no name here", path,
			     status.st_gid);
	else
		say_group(path, &group, error);
}

void lr_denied_call(const char *method, const char *group, struct lr_error *error)
{
	struct record record;

	if (find(read_group_named, group, &record))
		say_group(method, &record, error);
	else
		lr_text_fail(error, 0, "permission denied: %s is for the group %s, which this machine does not know",
			     method, group);
}
