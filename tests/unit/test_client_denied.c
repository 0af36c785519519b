/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_denied.c - the sentences for who may not connect or call: each has the line that helps, and no other.
 * Users, groups and the process's own groups are the test's; nothing of this machine's is looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../client-lib/denied.h"
#include "../../client-lib/dial.h"

#define VIDEO 44
#define PI 1000

/* What the databases have, and what this session knows. */
static struct {
	const char *user, *group; /* NULL: there is none */
	size_t group_bytes;       /* that its record takes */
	gid_t session, member;    /* a group of the process, and of the user */
	mode_t mode;
	uid_t owner;
	gid_t gid;
	int stat_error;
	unsigned asked; /* times that a name was looked up */
} world;

int __wrap_getpwuid_r(uid_t uid, struct passwd *user, char *room, size_t bytes, struct passwd **ret_found);
int __wrap_getgrgid_r(gid_t gid, struct group *group, char *room, size_t bytes, struct group **ret_found);
int __wrap_getgrnam_r(const char *name, struct group *group, char *room, size_t bytes, struct group **ret_found);
int __wrap_getgrouplist(const char *user, gid_t gid, gid_t *groups, int *count);
int __wrap_getgroups(int count, gid_t *groups);
gid_t __wrap_getegid(void);
uid_t __wrap_geteuid(void);
int __wrap_stat(const char *path, struct stat *ret_status);

int __wrap_getpwuid_r(uid_t uid, struct passwd *user, char *room, size_t bytes, struct passwd **ret_found)
{
	assert_true(uid == PI || uid == world.owner);
	world.asked++;
	*ret_found = NULL;
	if (!world.user)
		return 0;
	assert_true((size_t)snprintf(room, bytes, "%s", world.user) < bytes);
	user->pw_name = room;
	user->pw_gid = PI;
	*ret_found = user;
	return 0;
}

static int find_group(struct group *group, char *room, size_t bytes, struct group **ret_found)
{
	world.asked++;
	*ret_found = NULL;
	if (!world.group)
		return 0;
	if (bytes < world.group_bytes)
		return ERANGE;
	assert_true((size_t)snprintf(room, bytes, "%s", world.group) < bytes);
	group->gr_name = room;
	group->gr_gid = VIDEO;
	*ret_found = group;
	return 0;
}

int __wrap_getgrgid_r(gid_t gid, struct group *group, char *room, size_t bytes, struct group **ret_found)
{
	assert_int_equal(gid, VIDEO);
	return find_group(group, room, bytes, ret_found);
}

int __wrap_getgrnam_r(const char *name, struct group *group, char *room, size_t bytes, struct group **ret_found)
{
	if (world.group)
		assert_string_equal(name, world.group);
	return find_group(group, room, bytes, ret_found);
}

int __wrap_getgrouplist(const char *user, gid_t gid, gid_t *groups, int *count)
{
	assert_string_equal(user, world.user);
	assert_int_equal(gid, PI);
	assert_true(*count >= 2);
	groups[0] = gid;
	groups[1] = world.member;
	return *count = 2;
}

int __wrap_getgroups(int count, gid_t *groups)
{
	assert_true(count >= 1);
	groups[0] = world.session;
	return 1;
}

gid_t __wrap_getegid(void)
{
	return PI;
}

uid_t __wrap_geteuid(void)
{
	return PI;
}

int __wrap_stat(const char *path, struct stat *ret_status)
{
	assert_string_equal(path, "/run/lumaring/cam0/frames");
	errno = world.stat_error;
	*ret_status = (struct stat){ .st_mode = S_IFSOCK | world.mode, .st_uid = world.owner, .st_gid = world.gid };
	return world.stat_error ? -1 : 0;
}

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.user = "pi";
	world.group = "video";
	world.mode = 0660;
	world.gid = VIDEO;
	return 0;
}

static void expect_connect(const char *sentence)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/lumaring/cam0/frames" };
	struct lr_error error = { "" };

	lr_denied_connect(&address, &error);
	assert_string_equal(error.text, sentence);
}

static void expect_call(const char *sentence)
{
	struct lr_error error = { "" };

	lr_denied_call("Configure", "video", &error);
	assert_string_equal(error.text, sentence);
}

static void test_no_member(void **state)
{
	(void)state;
	expect_connect(
		"permission denied: /run/lumaring/cam0/frames is for the group video: sudo usermod -aG video pi, then "
		"log in again");
	expect_call(
		"permission denied: Configure is for the group video: sudo usermod -aG video pi, then log in again");
}

/* A member of the database's alone needs no usermod any more. */
static void test_member_of_the_next_session(void **state)
{
	(void)state;
	world.member = VIDEO;
	expect_connect(
		"permission denied: /run/lumaring/cam0/frames is for the group video, and this session began before "
		"pi was in it: log in again");
	expect_call("permission denied: Configure is for the group video, and this session began before pi was in it: "
		    "log in "
		    "again");
}

static void test_member(void **state)
{
	(void)state;
	world.session = world.member = VIDEO;
	expect_connect(
		"permission denied: /run/lumaring/cam0/frames is for the group video, which you are in: something "
		"else forbids it");
	expect_call("permission denied: Configure is for the group video, which you are in: something else forbids it");
}

/* No line is made of names that are not there. */
static void test_no_names(void **state)
{
	(void)state;
	world.user = NULL;
	expect_connect(
		"permission denied: /run/lumaring/cam0/frames is for the group video, and uid 1000, which has no name "
		"here, is not in it");
	world.group = NULL;
	expect_connect("permission denied: /run/lumaring/cam0/frames is for the group 44, which has no name here");
	expect_call("permission denied: Configure is for the group video, which this machine does not know");
}

static void test_no_group(void **state)
{
	(void)state;
	world.gid = 0;
	expect_connect("permission denied: /run/lumaring/cam0/frames is for root alone: the daemon's setting \"group\" "
		       "changes that");
	world.mode = 0600;
	world.owner = 1001;
	expect_connect("permission denied: /run/lumaring/cam0/frames is for the user pi alone, who started the daemon");
	world.user = NULL;
	expect_connect(
		"permission denied: /run/lumaring/cam0/frames is for the user with uid 1001 alone, who started the "
		"daemon");
	world.stat_error = EACCES;
	expect_connect("permission denied: you may not look into the directory of /run/lumaring/cam0/frames");
}

/* A group with thousands of members; one whose record has no end. */
static void test_large_group(void **state)
{
	(void)state;
	world.group_bytes = 100000;
	expect_call(
		"permission denied: Configure is for the group video: sudo usermod -aG video pi, then log in again");
	world.group_bytes = SIZE_MAX;
	world.asked = 0;
	expect_call("permission denied: Configure is for the group video, which this machine does not know");
	assert_in_range(world.asked, 2, 10);
}

/* The longest names there may be: the line is whole. */
static void test_long_names(void **state)
{
	static char user[33], group[33];
	struct lr_error error = { "" };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char line[128];

	(void)state;
	memset(user, 'u', sizeof(user) - 1);
	memset(group, 'g', sizeof(group) - 1);
	memset(address.sun_path, 'p', sizeof(address.sun_path) - 1);
	world.user = user;
	world.group = group;
	lr_denied_call(address.sun_path, group, &error);
	snprintf(line, sizeof(line), ": sudo usermod -aG %s %s, then log in again", group, user);
	assert_non_null(strstr(error.text, line));
}

/* The way to a socket asks nobody for a name, whatever it ends with. */
static void test_dialling_asks_nobody(void **state)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/nowhere/cam0/frames" };
	struct lr_error error;
	int socket;

	(void)state;
	assert_int_equal(lr_dial(&address, SOCK_SEQPACKET, &socket, &error), -ECONNREFUSED);
	assert_string_equal(error.text,
			    "no daemon serves /nowhere/cam0/frames: No such file or directory: is it running? "
			    "systemctl status lumaringd@cam0");
	assert_int_equal(world.asked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_member, set_up),
		cmocka_unit_test_setup(test_member_of_the_next_session, set_up),
		cmocka_unit_test_setup(test_member, set_up),
		cmocka_unit_test_setup(test_no_names, set_up),
		cmocka_unit_test_setup(test_no_group, set_up),
		cmocka_unit_test_setup(test_large_group, set_up),
		cmocka_unit_test_setup(test_long_names, set_up),
		cmocka_unit_test_setup(test_dialling_asks_nobody, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
