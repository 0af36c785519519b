/* SPDX-License-Identifier: BSD-2-Clause */
/* doctor_host.c - see doctor_host.h. Changes nothing of the machine. What is not there, or may not be seen, is empty.
 */
#include "doctor_host.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "doctor_exec.h"

#define LIBRARY "liblumaring.so.0"
#define GROUPS_MAX 1024 /* of a user; more are not looked at */
#define PARAMS_WORDS 64 /* at least the kernel's struct io_uring_params, in words of 8 bytes */

/* --- what the kernel says ---------------------------------------------------------------------------------------- */

/* The smallest ring there is, closed at once. */
static int try_io_uring(void)
{
	uint64_t params[PARAMS_WORDS] = { 0 };
	const long fd = syscall(SYS_io_uring_setup, 1, params);

	if (fd < 0)
		return errno;
	close((int)fd);
	return 0;
}

static void look_at_shm(struct host *host)
{
	const struct host_path path = host_path(host, "/dev/shm");
	struct statvfs status;

	if (statvfs(path.text, &status) < 0) {
		host->shm_error = errno;
		return;
	}
	host->shm_bytes = (uint64_t)status.f_blocks * status.f_frsize;
	host->shm_free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void look_at_clocks(struct host *host)
{
	struct timespec step = { 0 };

	host->suspended_ns = now_ns(CLOCK_BOOTTIME) - now_ns(CLOCK_MONOTONIC);
	clock_getres(CLOCK_MONOTONIC, &step);
	host->clock_step_ns = (int64_t)step.tv_sec * 1000000000 + step.tv_nsec;
}

static void look_at_board(struct host *host)
{
	static const char *const fifth[] = { "Raspberry Pi 5", "Compute Module 5" };

	if (!host_read(host, "/proc/device-tree/model", host->model, sizeof(host->model)))
		host_read(host, "/sys/firmware/devicetree/base/model", host->model, sizeof(host->model));
	host->is_pi = strstr(host->model, "Raspberry Pi") != NULL;
	for (size_t i = 0; i < sizeof(fifth) / sizeof(fifth[0]); i++)
		host->is_pi5 |= host->is_pi && strstr(host->model, fifth[i]);
}

/* As the programs of this machine find it, which are linked with it; this tool has its own. */
static void look_at_library(struct host *host)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
	const char *(*version)(void) = NULL;

	if (!library)
		return;
	*(void **)&version = dlsym(library, "lumaring_version");
	if (version)
		snprintf(host->library_version, sizeof(host->library_version), "%s", version());
	dlclose(library);
}

void host_look(struct host *host)
{
	struct utsname names;
	struct rlimit limit;

	*host = (struct host){ .root = "", .uid = geteuid(), .run = doctor_exec };
	if (uname(&names) == 0) {
		snprintf(host->release, sizeof(host->release), "%.64s", names.release);
		snprintf(host->machine, sizeof(host->machine), "%.64s", names.machine);
	}
	host->page_bytes = sysconf(_SC_PAGESIZE);
	host->uring_error = try_io_uring();
	host->memlock_bytes = UINT64_MAX;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		host->memlock_bytes = limit.rlim_cur;
	look_at_shm(host);
	look_at_clocks(host);
	look_at_board(host);
	look_at_library(host);
}

/* --- files below the root ---------------------------------------------------------------------------------------- */

struct host_path host_path(const struct host *host, const char *format, ...)
{
	struct host_path path;
	const int n = snprintf(path.text, sizeof(path.text), "%s", host->root);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path.text + n, sizeof(path.text) - (size_t)n, format, arguments);
	va_end(arguments);
	return path;
}

/* O_NONBLOCK: whatever stands under that name, nothing is waited for. */
bool host_read(const struct host *host, const char *path, char *text, size_t text_bytes)
{
	const struct host_path whole = host_path(host, "%s", path);
	const int fd = open(whole.text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;
	ssize_t n = 0;

	while (fd >= 0 && used + 1 < text_bytes && (n = read(fd, text + used, text_bytes - used - 1)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	used = strlen(text);
	while (used > 0 && text[used - 1] == '\n')
		text[--used] = '\0';
	if (fd >= 0)
		close(fd);
	return fd >= 0 && n >= 0;
}

struct host_name host_link(const struct host *host, const char *path)
{
	const struct host_path whole = host_path(host, "%s", path);
	struct host_name name = { "" };
	char target[1024];
	const ssize_t n = readlink(whole.text, target, sizeof(target) - 1);
	const char *last;

	target[n > 0 ? n : 0] = '\0';
	last = strrchr(target, '/');
	snprintf(name.text, sizeof(name.text), "%.63s", last ? last + 1 : target);
	return name;
}

/* "video2" before "video10". */
static int compare(const void *one, const void *other)
{
	return strverscmp(one, other);
}

void host_list(const struct host *host, const char *directory, const char *prefix, struct host_names *ret_names)
{
	const struct host_path whole = host_path(host, "%s", directory);
	DIR *dir = opendir(whole.text);
	struct dirent *entry;

	ret_names->count = 0;
	ret_names->is_cut = false;
	while (dir && !ret_names->is_cut && (entry = readdir(dir))) {
		const size_t length = strlen(entry->d_name);

		if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
		    length >= HOST_NAME_BYTES)
			continue;
		ret_names->is_cut = ret_names->count == HOST_NAMES_MAX;
		if (!ret_names->is_cut)
			memcpy(ret_names->names[ret_names->count++], entry->d_name, length + 1);
	}
	if (dir)
		closedir(dir);
	qsort(ret_names->names, ret_names->count, HOST_NAME_BYTES, compare);
}

bool host_stat(const struct host *host, const char *path, struct stat *ret_status)
{
	const struct host_path whole = host_path(host, "%s", path);

	return stat(whole.text, ret_status) == 0;
}

bool host_may(const struct host *host, const char *path)
{
	const struct host_path whole = host_path(host, "%s", path);

	return faccessat(AT_FDCWD, whole.text, R_OK | W_OK, AT_EACCESS) == 0;
}

/* --- users and groups -------------------------------------------------------------------------------------------- */

static bool has(const gid_t *groups, int count, gid_t group)
{
	for (int i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

enum host_membership host_membership(const struct host *host, const char *group)
{
	const struct group *record = getgrnam(group);
	gid_t groups[GROUPS_MAX], gid;
	const struct passwd *user;
	int count = GROUPS_MAX;

	if (!record)
		return HOST_NO_GROUP;
	gid = record->gr_gid;
	if (getegid() == gid || has(groups, getgroups(GROUPS_MAX, groups), gid))
		return HOST_IN;
	user = getpwuid(host->uid);
	if (!user)
		return HOST_NOT_IN;
	if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
		count = GROUPS_MAX;
	return has(groups, count, gid) ? HOST_NEXT_TIME : HOST_NOT_IN;
}

struct host_name host_group_name(gid_t gid)
{
	const struct group *record = getgrgid(gid);
	struct host_name name;

	if (record)
		snprintf(name.text, sizeof(name.text), "%s", record->gr_name);
	else
		snprintf(name.text, sizeof(name.text), "%u", gid);
	return name;
}

struct host_name host_user_name(uid_t uid)
{
	const struct passwd *record = getpwuid(uid);
	struct host_name name;

	if (record)
		snprintf(name.text, sizeof(name.text), "%s", record->pw_name);
	else
		snprintf(name.text, sizeof(name.text), "%u", uid);
	return name;
}

/* --- words ------------------------------------------------------------------------------------------------------- */

struct host_name host_bytes(double bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	struct host_name name;
	unsigned unit = 0;

	for (bytes /= 1024; bytes >= 1023.95 && unit < 3; unit++)
		bytes /= 1024;
	snprintf(name.text, sizeof(name.text), "%.*f %s", bytes < 9.95, bytes, units[unit]);
	return name;
}

void host_join(char *text, size_t text_bytes, const char *word)
{
	const size_t used = strlen(text);

	if (used + strlen(word) + 3 < text_bytes)
		snprintf(text + used, text_bytes - used, "%s%s", used ? ", " : "", word);
}
