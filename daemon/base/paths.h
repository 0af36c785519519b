/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * paths.h - what a camera's daemon has in the file system: RUNTIME_DIR/CAMERA with its lock and its sockets.
 *
 * In order: paths_default_runtime_dir() unless one is given, paths_make_dirs(), paths_lock_instance(), paths_listen().
 * Nothing of others is ever followed, taken over or removed: it is refused. All return 0 or a negative errno with one
 * sentence in `text`. For the main thread.
 */
#ifndef LUMARING_PATHS_H
#define LUMARING_PATHS_H

#include <stddef.h>
#include <sys/types.h>

/* Room for any path made here, with its NUL. */
#define PATHS_BYTES 4096

/* "/run/lumaring" for root, else "$XDG_RUNTIME_DIR/lumaring". -ENOENT: XDG_RUNTIME_DIR says nothing usable. */
int paths_default_runtime_dir(char ret_dir[PATHS_BYTES], char *text, size_t text_bytes);

/*
 * Make the runtime directory and in it the camera's, both 0755 whatever the umask, unless they are there. One that is
 * there is used as it is if it is a directory of the caller's or of root's that not everybody may write to (a sticky
 * runtime directory is fine); a symbolic link is refused. -ENOTDIR, -EPERM, -ENAMETOOLONG, or as mkdir(2).
 */
int paths_make_dirs(const char *runtime_dir, const char *camera, char ret_camera_dir[PATHS_BYTES], char *text,
		    size_t text_bytes);

/*
 * Make sure that this process alone serves the camera. The lock is held until *ret_fd is closed or the process ends,
 * however it ends; the file CAMERA_DIR/lock stays and holds the pid. -EBUSY: another process has it, `text` names it.
 */
int paths_lock_instance(const char *camera_dir, const char *camera, int *ret_fd, char *text, size_t text_bytes);

/*
 * Make a listening socket (non-blocking, close-on-exec) at `path`, of type SOCK_SEQPACKET or SOCK_STREAM. A socket that nobody listens on is
 * taken for a left-over and replaced. Mode and group ((gid_t)-1: leave) are set before anybody can connect.
 * -EADDRINUSE: somebody listens there; -EEXIST: something else is there; -ENAMETOOLONG; or as socket(2) and chown(2).
 */
int paths_listen(const char *path, int type, mode_t mode, gid_t group, int *ret_fd, char *text, size_t text_bytes);

#endif
