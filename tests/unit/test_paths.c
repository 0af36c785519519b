/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_paths.c - directories, lock and listening socket of one camera, in a directory under /tmp; what is in the way
 * must be refused and left as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/paths.h"

#define OTHER_UID 65534

static char root[64], text[512], log_text[512];
static mode_t umask_before;

/* A path under the test's directory; the last eight stay valid. */
__attribute__((format(printf, 1, 2))) static const char *at(const char *format, ...)
{
	static char paths[8][PATHS_BYTES];
	static unsigned next;
	char *path = paths[next++ % 8];
	int n = snprintf(path, PATHS_BYTES, "%s", root);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path + n, PATHS_BYTES - (size_t)n, format, arguments);
	va_end(arguments);
	return path;
}

/* What was said, with the test's directory taken out. */
static const char *said(void)
{
	char *found;

	while ((found = strstr(text, root)) != NULL)
		memmove(found, found + strlen(root), strlen(found + strlen(root)) + 1);
	return text;
}

static void remember_log(const struct log_entry *entry)
{
	snprintf(log_text, sizeof(log_text), "%s", entry->line);
}

static int setup(void **state)
{
	(void)state;
	strcpy(root, "/tmp/lumaring-test-XXXXXX");
	strcpy(text, "");
	strcpy(log_text, "");
	log_set_sink(remember_log);
	umask_before = umask(077);
	return mkdtemp(root) && chmod(root, 0755) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	umask(umask_before);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_mode & 07777u : 0xffffu;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int make_dirs(const char *runtime_dir, char ret_dir[PATHS_BYTES])
{
	return paths_make_dirs(runtime_dir, "cam0", ret_dir, text, sizeof(text));
}

static int lock(const char *dir, int *ret_fd)
{
	return paths_lock_instance(dir, "cam0", ret_fd, text, sizeof(text));
}

static int listen_at(const char *path, mode_t mode, gid_t group, int *ret_fd)
{
	return paths_listen(path, SOCK_SEQPACKET, mode, group, ret_fd, text, sizeof(text));
}

/* Bind a socket at the path; it listens if a backlog is given. */
static int bind_at(const char *path, int type, int backlog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (backlog > 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* Run in a child without root's rights; its exit code is the number of the check that failed. */
static void as_other(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 &&
		    (setresgid(OTHER_UID, OTHER_UID, OTHER_UID) < 0 || setresuid(OTHER_UID, OTHER_UID, OTHER_UID) < 0))
			_exit(99);
		_exit(body());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* --- the runtime directory ---------------------------------------------------------------------------------------- */

static int default_dir_body(void)
{
	char dir[PATHS_BYTES] = "untouched", *long_path = malloc(PATHS_BYTES);

	setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
	if (paths_default_runtime_dir(dir, text, sizeof(text)) != 0 || strcmp(dir, "/run/user/1000/lumaring") != 0)
		return 1;
	unsetenv("XDG_RUNTIME_DIR");
	strcpy(dir, "untouched");
	if (paths_default_runtime_dir(dir, text, sizeof(text)) != -ENOENT || strcmp(dir, "untouched") != 0 ||
	    strcmp(text, "XDG_RUNTIME_DIR is not set, so there is no place for the sockets: use --runtime-dir") != 0)
		return 2;
	setenv("XDG_RUNTIME_DIR", "here", 1);
	if (paths_default_runtime_dir(dir, text, sizeof(text)) != -ENOENT || !strstr(text, "not an absolute path"))
		return 3;
	memset(long_path, '/', PATHS_BYTES);
	long_path[PATHS_BYTES - sizeof("/lumaring")] = '\0';
	setenv("XDG_RUNTIME_DIR", long_path, 1);
	if (paths_default_runtime_dir(dir, text, sizeof(text)) != 0 || strlen(dir) != PATHS_BYTES - 1)
		return 4;
	long_path[PATHS_BYTES - sizeof("/lumaring")] = '/';
	long_path[PATHS_BYTES - sizeof("/lumaring") + 1] = '\0';
	setenv("XDG_RUNTIME_DIR", long_path, 1);
	free(long_path);
	return paths_default_runtime_dir(dir, text, sizeof(text)) == -ENAMETOOLONG ? 0 : 5;
}

static void test_default_dir(void **state)
{
	char dir[PATHS_BYTES] = "";

	(void)state;
	as_other(default_dir_body);
	if (geteuid() == 0) {
		assert_int_equal(paths_default_runtime_dir(dir, text, sizeof(text)), 0);
		assert_string_equal(dir, "/run/lumaring");
	}
}

static void test_make_dirs(void **state)
{
	char dir[PATHS_BYTES] = "untouched", *long_path = malloc(PATHS_BYTES);

	(void)state;
	assert_int_equal(make_dirs(at("/run"), dir), 0); /* under the umask 077 */
	assert_string_equal(dir, at("/run/cam0"));
	assert_int_equal(mode_of(at("/run")), 0755);
	assert_int_equal(mode_of(dir), 0755);
	assert_int_equal(chmod(at("/run"), 0750), 0); /* somebody's wish, kept */
	assert_int_equal(make_dirs(at("/run///"), dir), 0);
	assert_string_equal(dir, at("/run/cam0"));
	assert_int_equal(mode_of(at("/run")), 0750);
	assert_int_equal(chmod(at("/run"), 01777), 0);
	assert_int_equal(make_dirs(at("/run"), dir), 0);

	strcpy(dir, "untouched");
	assert_int_equal(make_dirs("", dir), -ENOENT);
	assert_string_equal(said(), "the runtime directory is empty: give --runtime-dir a path");
	assert_int_equal(make_dirs(at("/a/b"), dir), -ENOENT);
	assert_string_equal(said(),
			    "cannot make the directory /a/b: No such file or directory: make the one above it first");
	memset(long_path, 'x', PATHS_BYTES - 5);
	long_path[PATHS_BYTES - 5] = '\0';
	assert_int_equal(make_dirs(long_path, dir), -ENAMETOOLONG);
	assert_non_null(strstr(text, "4091 bytes long"));
	long_path[PATHS_BYTES - 6] = '\0'; /* fits here, though not in the file system */
	assert_int_equal(make_dirs(long_path, dir), -ENAMETOOLONG);
	assert_non_null(strstr(text, "cannot make the directory xxx"));
	assert_string_equal(dir, "untouched");
	free(long_path);
}

static void test_dirs_in_the_way(void **state)
{
	char dir[PATHS_BYTES] = "untouched";

	(void)state;
	assert_int_equal(mkdir(at("/real"), 0755), 0);
	assert_int_equal(symlink(at("/real"), at("/link")), 0);
	assert_int_equal(make_dirs(at("/link/"), dir), -ENOTDIR);
	assert_string_equal(said(),
			    "/link is in the way, a symbolic link or not a directory: remove it or choose another "
			    "--runtime-dir");
	assert_int_equal(symlink(at("/real"), at("/real/cam0")), 0);
	assert_int_equal(make_dirs(at("/real"), dir), -ENOTDIR);
	assert_int_equal(unlink(at("/real/cam0")), 0);
	close(open(at("/real/cam0"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(make_dirs(at("/real"), dir), -ENOTDIR);
	assert_true(exists(at("/real/cam0")));
	assert_int_equal(unlink(at("/real/cam0")), 0);
	assert_int_equal(mkdir(at("/real/cam0"), 0700), 0);
	assert_int_equal(chmod(at("/real/cam0"), 01777), 0);
	assert_int_equal(make_dirs(at("/real"), dir), -EPERM);
	assert_string_equal(said(),
			    "everybody may write to the directory /real/cam0 (mode 1777): take that away with chmod "
			    "o-w or choose another --runtime-dir");
	assert_int_equal(chmod(at("/real"), 0777), 0);
	assert_int_equal(make_dirs(at("/real"), dir), -EPERM);
	assert_non_null(strstr(said(), "directory /real (mode 0777)"));
	assert_string_equal(dir, "untouched");
}

static void test_dirs_of_others(void **state)
{
	char dir[PATHS_BYTES] = "untouched";

	(void)state;
	if (geteuid() != 0) {
		printf("needs to be root to make a directory of somebody else's\n");
		skip();
	}
	assert_int_equal(mkdir(at("/run"), 0755), 0);
	assert_int_equal(mkdir(at("/run/cam0"), 0755), 0);
	assert_int_equal(chown(at("/run/cam0"), OTHER_UID, (gid_t)-1), 0);
	assert_int_equal(make_dirs(at("/run"), dir), -EPERM);
	assert_string_equal(said(),
			    "the directory /run/cam0 belongs to uid 65534, not to uid 0 or root: remove it or choose "
			    "another --runtime-dir");
	assert_int_equal(chown(at("/run/cam0"), 0, (gid_t)-1), 0);
	assert_int_equal(make_dirs(at("/run"), dir), 0);
	assert_int_equal(chown(at("/run"), OTHER_UID, (gid_t)-1), 0);
	assert_int_equal(make_dirs(at("/run"), dir), -EPERM);
}

/* --- the lock ----------------------------------------------------------------------------------------------------- */

static void read_lock(char ret_content[32])
{
	int fd = open(at("/lock"), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, ret_content, 31);

	ret_content[n > 0 ? n : 0] = '\0';
	close(fd);
}

static int lock_again_body(void)
{
	char expected[256];
	int fd = -7;

	snprintf(expected, sizeof(expected),
		 "camera cam0 is already served by lumaringd, pid %ld, in %s: stop it first or choose another "
		 "--camera or --runtime-dir",
		 (long)getppid(), root);
	return lock(root, &fd) == -EBUSY && fd == -7 && strcmp(text, expected) == 0 ? 0 : 1;
}

static void run_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_lock(void **state)
{
	char content[32], expected[32];
	int fd = -1, other = open(at("/lock"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	/* Of a process long gone, and longer than ours. */
	assert_int_equal(write(other, "99999999999999999999\n", 21), 21);
	close(other);
	other = -7;
	assert_int_equal(lock(root, &fd), 0);
	assert_int_equal(mode_of(at("/lock")), 0600);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	read_lock(content);
	snprintf(expected, sizeof(expected), "%ld\n", (long)getpid());
	assert_string_equal(content, expected);
	run_child(lock_again_body);
	read_lock(content);
	assert_string_equal(content, expected);
	assert_int_equal(ftruncate(fd, 0), 0); /* between locking and writing */
	assert_int_equal(lock(root, &other), -EBUSY);
	assert_string_equal(said(),
			    "camera cam0 is already served by lumaringd in : stop it first or choose another --camera "
			    "or --runtime-dir");
	assert_int_equal(other, -7);
	close(fd);
	assert_int_equal(lock(root, &fd), 0);
	close(fd);
}

static int lock_and_die_body(void)
{
	int fd;

	return lock(root, &fd) == 0 ? 0 : 1; /* without closing */
}

static void test_lock_of_the_dead(void **state)
{
	int fd = -1;

	(void)state;
	run_child(lock_and_die_body);
	assert_int_equal(lock(root, &fd), 0);
	close(fd);
}

static void test_lock_in_the_way(void **state)
{
	char content[32];
	int fd = -7, file = open(at("/precious"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(write(file, "keep", 4), 4);
	assert_int_equal(symlink(at("/precious"), at("/lock")), 0);
	assert_int_equal(lock(root, &fd), -EPERM);
	assert_string_equal(said(), "/lock is a symbolic link: remove it");
	assert_int_equal(pread(file, content, sizeof(content), 0), 4);
	close(file);
	assert_int_equal(unlink(at("/lock")), 0);
	assert_int_equal(mkfifo(at("/lock"), 0600), 0);
	assert_int_equal(lock(root, &fd), -EPERM);
	assert_non_null(strstr(said(), "/lock is not a plain file of uid "));
	assert_int_equal(unlink(at("/lock")), 0);
	assert_int_equal(mkdir(at("/lock"), 0700), 0);
	assert_int_equal(lock(root, &fd), -EISDIR);
	assert_int_equal(rmdir(at("/lock")), 0);
	if (geteuid() == 0) {
		close(open(at("/lock"), O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
		assert_int_equal(chown(at("/lock"), OTHER_UID, (gid_t)-1), 0);
		assert_int_equal(lock(root, &fd), -EPERM);
	}
	assert_int_equal(fd, -7);
}

/* --- the socket --------------------------------------------------------------------------------------------------- */

static void test_listen(void **state)
{
	struct stat st;
	int fd = -1, type = 0;
	socklen_t bytes = sizeof(type);
	gid_t group = geteuid() == 0 ? 12345 : getegid();

	(void)state;
	assert_int_equal(listen_at(at("/frames"), 0660, group, &fd), 0); /* under the umask 077 */
	assert_int_equal(lstat(at("/frames"), &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	assert_int_equal(st.st_gid, group);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes), 0);
	assert_int_equal(type, SOCK_SEQPACKET);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(connect_to(at("/frames")), 0);
	assert_int_equal(umask(077), 077); /* the process's, left alone */
	close(fd);
	assert_string_equal(log_text, "");
}

/* The control socket: of the other type, and a left-over of it is one whatever its type. */
static void test_listen_stream(void **state)
{
	int fd = -1, type = 0, other;
	socklen_t bytes = sizeof(type);

	(void)state;
	assert_int_equal(paths_listen(at("/control"), SOCK_STREAM, 0666, (gid_t)-1, &fd, text, sizeof(text)), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes), 0);
	assert_int_equal(type, SOCK_STREAM);
	assert_int_equal(mode_of(at("/control")), 0666);
	assert_int_equal(connect_to(at("/control")), -EPROTOTYPE);
	other = -7;
	assert_int_equal(paths_listen(at("/control"), SOCK_STREAM, 0666, (gid_t)-1, &other, text, sizeof(text)),
			 -EADDRINUSE);
	assert_int_equal(other, -7);
	close(fd);
	assert_string_equal(log_text, "");
	assert_int_equal(paths_listen(at("/control"), SOCK_STREAM, 0600, (gid_t)-1, &fd, text, sizeof(text)), 0);
	assert_non_null(strstr(log_text, "/control: nobody listens on it"));
	close(fd);
	assert_int_equal(listen_at(at("/control"), 0600, (gid_t)-1, &fd), 0);
	close(fd);
	assert_int_equal(unlink(at("/control")), 0);
}

static void test_listen_replaces_left_over(void **state)
{
	int fd = -1;

	(void)state;
	/* What a stopped daemon left, and what one left that died before it listened. */
	for (unsigned i = 0; i < 2; i++) {
		close(bind_at(at("/frames"), SOCK_SEQPACKET, i == 0));
		assert_int_equal(connect_to(at("/frames")), -ECONNREFUSED);
		strcpy(log_text, "");
		assert_int_equal(listen_at(at("/frames"), 0600, (gid_t)-1, &fd), 0);
		assert_non_null(strstr(log_text, "/frames: nobody listens on it"));
		assert_int_equal(mode_of(at("/frames")), 0600);
		assert_int_equal(connect_to(at("/frames")), 0);
		close(fd);
		assert_int_equal(unlink(at("/frames")), 0);
	}
}

/*
 * The listener is still there, but the process that called listen() is not: so the kernel leaves it for a moment when a
 * process is killed that had given it to io_uring. Here a child of that process holds it.
 */
static void test_listen_replaces_dead_listener(void **state)
{
	int gate[2], fd = -1;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(gate[1]);
		bind_at(at("/frames"), SOCK_SEQPACKET, 1);
		if (fork() == 0)
			_exit((int)read(gate[0], &byte, 1)); /* until the other end is closed */
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(gate[0]);
	assert_int_equal(connect_to(at("/frames")), 0);
	assert_int_equal(listen_at(at("/frames"), 0600, (gid_t)-1, &fd), 0);
	assert_int_equal(connect_to(at("/frames")), 0);
	close(fd);
	close(gate[1]);
	assert_int_equal(unlink(at("/frames")), 0);
}

static void test_listen_in_the_way(void **state)
{
	int fd = -7, other;

	(void)state;
	other = bind_at(at("/live"), SOCK_SEQPACKET, 1);
	for (unsigned i = 0; i < 3; i++) { /* also when its queue is full */
		assert_int_equal(listen_at(at("/live"), 0600, (gid_t)-1, &fd), -EADDRINUSE);
		assert_string_equal(said(), "another process listens on /live: stop it or choose another --camera or "
					    "--runtime-dir");
	}
	close(other);
	other = bind_at(at("/stream"), SOCK_STREAM, 1);
	assert_int_equal(listen_at(at("/stream"), 0600, (gid_t)-1, &fd), -EADDRINUSE);
	assert_true(exists(at("/stream")));
	close(other);
	close(open(at("/file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(listen_at(at("/file"), 0600, (gid_t)-1, &fd), -EEXIST);
	assert_string_equal(said(), "/file is in the way and not a socket: remove it");
	assert_true(exists(at("/file")));
	assert_int_equal(symlink("/nowhere", at("/link")), 0);
	assert_int_equal(listen_at(at("/link"), 0600, (gid_t)-1, &fd), -EEXIST);
	assert_true(exists(at("/link")));
	assert_int_equal(listen_at(at("/none/frames"), 0600, (gid_t)-1, &fd), -ENOENT);
	assert_int_equal(fd, -7);
}

static int listen_for_foreign_group_body(void)
{
	int fd = -7;

	if (listen_at(at("/open/frames"), 0660, 0, &fd) != -EPERM || fd != -7)
		return 1;
	if (!strstr(text, "cannot give the socket") || !strstr(text, "to group 0: Operation not permitted"))
		return 2;
	return exists(at("/open/frames")) ? 3 : 0;
}

static void test_listen_foreign_group(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("/open"), 0700), 0);
	assert_int_equal(chmod(at("/open"), 0777), 0);
	as_other(listen_for_foreign_group_body);
}

static void test_listen_path_too_long(void **state)
{
	const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	const char *long_name = at("/%0*d", (int)(most - strlen(root) - 1), 0);
	int fd = -7;

	(void)state;
	assert_int_equal(strlen(long_name), most);
	assert_int_equal(listen_at(at("/%0*d", (int)(most - strlen(root)), 0), 0600, (gid_t)-1, &fd), -ENAMETOOLONG);
	assert_non_null(strstr(text, " is 108 bytes long and may have 107: choose a shorter --runtime-dir"));
	assert_int_equal(fd, -7);
	assert_int_equal(listen_at(long_name, 0600, (gid_t)-1, &fd), 0);
	assert_int_equal(connect_to(long_name), 0);
	close(fd);
}

#define PATHS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATHS_TEST(test_default_dir),
		PATHS_TEST(test_make_dirs),
		PATHS_TEST(test_dirs_in_the_way),
		PATHS_TEST(test_dirs_of_others),
		PATHS_TEST(test_lock),
		PATHS_TEST(test_lock_of_the_dead),
		PATHS_TEST(test_lock_in_the_way),
		PATHS_TEST(test_listen),
		PATHS_TEST(test_listen_stream),
		PATHS_TEST(test_listen_replaces_left_over),
		PATHS_TEST(test_listen_replaces_dead_listener),
		PATHS_TEST(test_listen_in_the_way),
		PATHS_TEST(test_listen_foreign_group),
		PATHS_TEST(test_listen_path_too_long),
	};

	return cmocka_run_group_tests_name("paths", tests, NULL, NULL);
}
