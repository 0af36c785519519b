/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * camera.h - one camera: joins the source, the streams, the frame socket and the capture thread. Main thread only.
 */
#ifndef LUMARING_CAMERA_H
#define LUMARING_CAMERA_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"
#include "reload.h"
#include "exit.h"
#include "loop/loop.h"

struct camera;

/* The listening sockets, to be taken over, and whose members may read; (gid_t)-1 and "": nobody's. */
struct camera_sockets {
	int frames_fd, control_fd;
	gid_t group;
	const char *group_name; /* stays where it is */
};

/*
 * Open the source, sweep left-over rings, listen. The sockets are taken over, also on failure. On failure an exit code
 * and one sentence in `text`; *ret_camera is stopped and destroyed then as well.
 */
enum exit_code camera_create(const struct reload_origin *origin, struct loop *loop,
			     const struct camera_sockets *sockets, struct camera **ret_camera, char *text,
			     size_t text_bytes);

/* Read the configuration anew; the log says what became of it. */
void camera_reload(struct camera *camera);

/*
 * Close every ring, tell the clients, stop the threads. Logs one line per stream of what became of its frames. NULL is
 * allowed.
 */
void camera_stop(struct camera *camera);

/*
 * libcamera has not come back to the source's thread: camera_destroy() might never return, and the process has to end
 * without it. False for NULL.
 */
bool camera_hangs(const struct camera *camera);

/* Free all that was stopped, once the loop is gone: until then it knows operations that live in here. NULL is allowed.
 */
void camera_destroy(struct camera *camera);

/* Why the loop was stopped: EXIT_OK unless the camera gave up by itself. */
enum exit_code camera_exit_code(const struct camera *camera);

#endif
