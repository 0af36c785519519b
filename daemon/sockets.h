/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockets.h - the lock and the listening sockets of a camera: those that a service manager keeps and hands over, or
 * made here. Who may read comes with them. Main thread, at start and end.
 */
#ifndef LUMARING_SOCKETS_H
#define LUMARING_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"
#include "exit.h"

struct sockets {
	char camera_dir[PATHS_BYTES], frames_path[PATHS_BYTES + 16], control_path[PATHS_BYTES + 16];
	int lock_fd;
	int frames_fd, control_fd; /* for the camera to take over, both or none */
	bool handed_over;          /* then the names are not ours */
	gid_t group;               /* whose members may read; (gid_t)-1: nobody besides the daemon's own user */
	char group_name[sizeof(((struct config *)NULL)->group)]; /* "" then */
};

/*
 * Take the lock, then the sockets. On failure an exit code and one sentence in `text`; sockets_close() in any case.
 * EXIT_BUSY: another daemon serves the camera. EXIT_USAGE: what was handed over does not fit the settings.
 */
enum exit_code sockets_open(struct sockets *sockets, const struct config *config, char *text, size_t text_bytes);

/* Nobody connects any more, unless who keeps the sockets lets them wait for the next daemon. */
void sockets_unlink(const struct sockets *sockets);

/* Give back the lock, as the last of all. */
void sockets_close(struct sockets *sockets);

#endif
