/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * paths.c - see paths.h: directories, lock and listening socket of one camera. For the main thread, at start.
 *
 * The daemon is often root and the runtime directory may be named by anybody, so: last components are never followed
 * through symbolic links, owners are checked on the opened descriptor, and only what is provably a left-over of our
 * own kind is removed.
 */
#include "base/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"

#define DIR_MODE 0755
#define LOCK_MODE 0600

/* One sentence and the error it goes with. */
__attribute__((format(printf, 4, 5))) static int fail(int error, char *text, size_t text_bytes, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, text_bytes, format, arguments);
	va_end(arguments);
	return error;
}

static bool owner_trusted(uid_t owner)
{
	return owner == 0 || owner == geteuid();
}

int paths_default_runtime_dir(char ret_dir[PATHS_BYTES], char *text, size_t text_bytes)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0) {
		snprintf(ret_dir, PATHS_BYTES, "/run/lumaring");
		return 0;
	}
	if (!base || base[0] != '/')
		return fail(-ENOENT, text, text_bytes,
			    "XDG_RUNTIME_DIR is %s, so there is no place for the sockets: use --runtime-dir",
			    !base || !*base ? "not set" : "not an absolute path");
	if (strlen(base) + sizeof("/lumaring") > PATHS_BYTES)
		return fail(-ENAMETOOLONG, text, text_bytes, "XDG_RUNTIME_DIR is too long: use --runtime-dir");
	snprintf(ret_dir, PATHS_BYTES, "%s/lumaring", base);
	return 0;
}

/* Is this opened directory one whose entries nobody else can replace? */
static int check_dir(int fd, const char *path, bool sticky_allowed, char *text, size_t text_bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(-errno, text, text_bytes, "cannot look at %s: %s", path, strerror(errno));
	if (!owner_trusted(st.st_uid))
		return fail(-EPERM, text, text_bytes,
			    "the directory %s belongs to uid %u, not to uid %u or root: remove it or choose another "
			    "--runtime-dir",
			    path, st.st_uid, geteuid());
	if ((st.st_mode & S_IWOTH) && !(sticky_allowed && (st.st_mode & S_ISVTX)))
		return fail(-EPERM, text, text_bytes,
			    "everybody may write to the directory %s (mode %04o): take that away with chmod o-w "
			    "or choose another --runtime-dir",
			    path, st.st_mode & 07777);
	return 0;
}

static int make_dir(const char *path, bool sticky_allowed, char *text, size_t text_bytes)
{
	bool made = mkdir(path, DIR_MODE) == 0;
	int fd, r;

	if (!made && errno != EEXIST)
		return fail(-errno, text, text_bytes, "cannot make the directory %s: %s: %s", path, strerror(errno),
			    errno == ENOENT ? "make the one above it first" : "choose another --runtime-dir");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return fail(-ENOTDIR, text, text_bytes,
			    "%s is in the way, a symbolic link or not a directory: remove it or choose another "
			    "--runtime-dir",
			    path);
	if (fd < 0)
		return fail(-errno, text, text_bytes, "cannot open the directory %s: %s", path, strerror(errno));
	r = check_dir(fd, path, sticky_allowed, text, text_bytes);
	if (r == 0 && made && fchmod(fd, DIR_MODE) < 0)
		r = fail(-errno, text, text_bytes, "cannot set the mode of %s: %s", path, strerror(errno));
	close(fd);
	return r;
}

int paths_make_dirs(const char *runtime_dir, const char *camera, char ret_camera_dir[PATHS_BYTES], char *text,
		    size_t text_bytes)
{
	char base[PATHS_BYTES], dir[PATHS_BYTES];
	size_t n = strlen(runtime_dir);
	int r;

	/* A slash at the end would follow a symbolic link. */
	while (n > 1 && runtime_dir[n - 1] == '/')
		n--;
	if (n == 0)
		return fail(-ENOENT, text, text_bytes, "the runtime directory is empty: give --runtime-dir a path");
	if (n + 1 + strlen(camera) >= PATHS_BYTES)
		return fail(-ENAMETOOLONG, text, text_bytes,
			    "the path of the runtime directory is %zu bytes long: choose a shorter --runtime-dir", n);
	snprintf(base, sizeof(base), "%.*s", (int)n, runtime_dir);
	memcpy(dir, base, n);
	snprintf(dir + n, sizeof(dir) - n, "/%s", camera);
	r = make_dir(base, true, text, text_bytes);
	if (r == 0)
		r = make_dir(dir, false, text, text_bytes);
	if (r == 0)
		memcpy(ret_camera_dir, dir, sizeof(dir));
	return r;
}

/* Open the lock file: a plain file of our own, or nothing that we touch. The descriptor or a negative errno. */
static int open_lock(const char *path, char *text, size_t text_bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, LOCK_MODE);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return fail(-EPERM, text, text_bytes, "%s is a symbolic link: remove it", path);
	if (fd < 0)
		return fail(-errno, text, text_bytes, "cannot open the lock %s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && owner_trusted(st.st_uid))
		return fd;
	close(fd);
	return fail(-EPERM, text, text_bytes, "%s is not a plain file of uid %u or root: remove it", path, geteuid());
}

/* The pid in a lock file; 0 when it says none, as between locking and writing. */
static long read_pid(int fd)
{
	char digits[24];
	ssize_t n = pread(fd, digits, sizeof(digits) - 1, 0);

	if (n <= 0)
		return 0;
	digits[n] = '\0';
	return strtol(digits, NULL, 10);
}

static int write_pid(int fd)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) < 0)
		return -errno;
	return pwrite(fd, digits, (size_t)n, 0) == n ? 0 : -EIO;
}

static int fail_busy(int fd, const char *camera_dir, const char *camera, char *text, size_t text_bytes)
{
	long pid = read_pid(fd);
	char who[32] = "";

	if (pid > 0)
		snprintf(who, sizeof(who), ", pid %ld,", pid);
	return fail(-EBUSY, text, text_bytes,
		    "camera %s is already served by lumaringd%s in %s: stop it first or choose another --camera or "
		    "--runtime-dir",
		    camera, who, camera_dir);
}

int paths_lock_instance(const char *camera_dir, const char *camera, int *ret_fd, char *text, size_t text_bytes)
{
	char path[PATHS_BYTES + sizeof("/lock")];
	int fd, r = 0;

	snprintf(path, sizeof(path), "%s/lock", camera_dir);
	fd = open_lock(path, text, text_bytes);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? fail_busy(fd, camera_dir, camera, text, text_bytes)
					 : fail(-errno, text, text_bytes, "cannot lock %s: %s", path, strerror(errno));
	if (r == 0) {
		r = write_pid(fd);
		if (r < 0)
			fail(r, text, text_bytes, "cannot write the pid to %s: %s", path, strerror(-r));
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

#define LEFT_OVER_TRIES 50u
#define LEFT_OVER_PAUSE_US 10000u

/*
 * True when nobody is behind the socket. The kernel may need a moment to take down a listener that a killed process had
 * given to io_uring: it is still there then, and its process is not.
 */
static bool is_left_over(int fd, const struct sockaddr_un *address)
{
	struct ucred listener = { 0 };
	socklen_t bytes = sizeof(listener);

	/* A queue that is full may be that of such a listener: nobody takes from it, and it will be gone. */
	for (unsigned tries = 0; connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0; tries++) {
		if (errno != EAGAIN || tries == LEFT_OVER_TRIES)
			return errno == ECONNREFUSED;
		usleep(LEFT_OVER_PAUSE_US);
	}
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &bytes) == 0 && process_has_ended(listener.pid);
}

/* Make the place of a socket free: only one that nobody is behind is a left-over. */
static int clear_left_over(const struct sockaddr_un *address, int type, char *text, size_t text_bytes)
{
	const char *path = address->sun_path;
	struct stat st;
	bool left_over;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : fail(-errno, text, text_bytes, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return fail(-EEXIST, text, text_bytes, "%s is in the way and not a socket: remove it", path);
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(-errno, text, text_bytes, "cannot make a socket: %s", strerror(errno));
	left_over = is_left_over(fd, address);
	close(fd);
	if (!left_over)
		return fail(-EADDRINUSE, text, text_bytes,
			    "another process listens on %s: stop it or choose another --camera or --runtime-dir", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return fail(-errno, text, text_bytes, "cannot remove the left-over socket %s: %s", path,
			    strerror(errno));
	log_event(LOG_LEVEL_NOTICE, &(struct log_fields){ .event = LOG_EVENT_LEFT_OVER_REMOVED },
		  "removed the socket %s: nobody listens on it", path);
	return 0;
}

/* Nobody can connect before listen(), so until then mode and group may still be wrong. */
static int bind_and_listen(int fd, const struct sockaddr_un *address, mode_t mode, gid_t group, char *text,
			   size_t text_bytes)
{
	const char *path = address->sun_path;
	int r = 0;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return fail(-errno, text, text_bytes, "cannot make the socket %s: %s", path, strerror(errno));
	if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group) < 0)
		r = fail(-errno, text, text_bytes, "cannot give the socket %s to group %u: %s", path, group,
			 strerror(errno));
	else if (chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0)
		r = fail(-errno, text, text_bytes, "cannot listen on %s: %s", path, strerror(errno));
	if (r < 0)
		unlink(path);
	return r;
}

int paths_listen(const char *path, int type, mode_t mode, gid_t group, int *ret_fd, char *text, size_t text_bytes)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd, r;

	if (n >= sizeof(address.sun_path))
		return fail(-ENAMETOOLONG, text, text_bytes,
			    "the socket's path %s is %zu bytes long and may have %zu: choose a shorter --runtime-dir",
			    path, n, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, n);
	r = clear_left_over(&address, type, text, text_bytes);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(-errno, text, text_bytes, "cannot make a socket: %s", strerror(errno));
	r = bind_and_listen(fd, &address, mode, group, text, text_bytes);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}
