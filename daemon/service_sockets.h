/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service_sockets.h - listening sockets that a service manager made and keeps: those of lumaringd-frames@.socket and
 * lumaringd-control@.socket. Main thread, at start.
 */
#ifndef LUMARING_SERVICE_SOCKETS_H
#define LUMARING_SERVICE_SOCKETS_H

#include <stddef.h>

/*
 * Take over what was handed over with LISTEN_FDS; once, before anything is started that could inherit it. 0: nothing
 * was, both are -1. 1: both are there, listening at these paths, and are close-on-exec and do not block. -EINVAL with a
 * sentence when it is anything else, which is closed; or as the system has it.
 */
int service_take_sockets(const char *frames_path, const char *control_path, int *ret_frames_fd, int *ret_control_fd,
			 char *text, size_t text_bytes);

#endif
