/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service_sockets.c - see service_sockets.h. What was handed over is looked at closely, since units are edited by hand:
 * a daemon that listened at a place where nobody looks would be alive and of no use. Nothing is ever unlinked here.
 */
#include "service_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { FRAMES, CONTROL, SOCKETS };

static const struct {
	const char *name, *listen;
	int type;
} kinds[SOCKETS] = {
	[FRAMES] = { "frames", "ListenSequentialPacket", SOCK_SEQPACKET },
	[CONTROL] = { "control", "ListenStream", SOCK_STREAM },
};

/* By its FileDescriptorName=. SOCKETS: none of ours. */
static unsigned kind_of(const char *name)
{
	unsigned kind = 0;

	while (kind < SOCKETS && strcmp(name, kinds[kind].name) != 0)
		kind++;
	return kind;
}

/* Put each in its place. What is left over or missing is told. */
static int sort_out(int count, char *const *names, int fds[SOCKETS], char *text, size_t text_bytes)
{
	for (int i = 0; i < count; i++) {
		unsigned kind = kind_of(names[i]);

		if (kind == SOCKETS)
			return snprintf(text, text_bytes,
					"a descriptor called \"%.64s\" was handed over: FileDescriptorName= of a "
					"socket unit is "
					"frames or control",
					names[i]),
			       -EINVAL;
		if (fds[kind] >= 0)
			return snprintf(text, text_bytes,
					"two sockets called \"%s\" were handed over: the unit listens at one place",
					names[i]),
			       -EINVAL;
		fds[kind] = SD_LISTEN_FDS_START + i;
	}
	for (unsigned kind = 0; kind < SOCKETS; kind++)
		if (fds[kind] < 0)
			return snprintf(
				       text, text_bytes,
				       "the socket \"%s\" was handed over and \"%s\" was not: start both socket units, "
				       "lumaringd-frames@ and lumaringd-control@",
				       kinds[!kind].name, kinds[kind].name),
			       -EINVAL;
	return 0;
}

/* Where it is bound to, as far as that is a path. */
static void describe_place(int fd, char *place, size_t place_bytes)
{
	struct sockaddr_un address = { 0 };
	socklen_t bytes = sizeof(address) - 1; /* a path may fill it */

	snprintf(place, place_bytes, "somewhere else");
	if (getsockname(fd, (struct sockaddr *)&address, &bytes) == 0 && address.sun_family == AF_UNIX &&
	    address.sun_path[0])
		snprintf(place, place_bytes, "at %s", address.sun_path);
}

static int check(unsigned kind, int fd, const char *path, char *text, size_t text_bytes)
{
	const char *name = kinds[kind].name;
	char place[sizeof(struct sockaddr_un) + 8];

	if (sd_is_socket_unix(fd, kinds[kind].type, -1, NULL, 0) <= 0)
		return snprintf(text, text_bytes, "the socket \"%s\" that was handed over is none of %s=", name,
				kinds[kind].listen),
		       -EINVAL;
	if (sd_is_socket_unix(fd, kinds[kind].type, 1, NULL, 0) <= 0)
		return snprintf(text, text_bytes,
				"the socket \"%s\" that was handed over does not listen: its unit needs Accept=no",
				name),
		       -EINVAL;
	if (sd_is_socket_unix(fd, kinds[kind].type, 1, path, 0) > 0)
		return 0;
	describe_place(fd, place, sizeof(place));
	return snprintf(text, text_bytes,
			"the socket \"%s\" that was handed over listens %s, not at %s: make the camera's name and "
			"runtime directory those of %s= in its unit",
			name, place, path, kinds[kind].listen),
	       -EINVAL;
}

/* systemd hands them over blocking. */
static int set_nonblocking(int fd, char *text, size_t text_bytes)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
		return 0;
	return snprintf(text, text_bytes, "cannot use the sockets that were handed over: %s", strerror(errno)), -errno;
}

static void forget(int count, char **names)
{
	for (int i = 0; i < count && names; i++)
		free(names[i]);
	free(names);
}

int service_take_sockets(const char *frames_path, const char *control_path, int *ret_frames_fd, int *ret_control_fd,
			 char *text, size_t text_bytes)
{
	const char *const paths[SOCKETS] = { [FRAMES] = frames_path, [CONTROL] = control_path };
	int fds[SOCKETS] = { -1, -1 };
	char **names = NULL;
	int count = sd_listen_fds_with_names(true, &names), r;

	if (count < 0)
		return snprintf(text, text_bytes, "cannot take the sockets that were handed over: %s",
				strerror(-count)),
		       count;
	*ret_frames_fd = *ret_control_fd = -1;
	if (count == 0)
		return 0;
	r = sort_out(count, names, fds, text, text_bytes);
	for (unsigned kind = 0; kind < SOCKETS && r == 0; kind++) {
		r = check(kind, fds[kind], paths[kind], text, text_bytes);
		if (r == 0)
			r = set_nonblocking(fds[kind], text, text_bytes);
	}
	for (int i = 0; i < count && r < 0; i++)
		close(SD_LISTEN_FDS_START + i);
	forget(count, names);
	if (r < 0)
		return r;
	*ret_frames_fd = fds[FRAMES];
	*ret_control_fd = fds[CONTROL];
	return 1;
}
