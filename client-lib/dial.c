/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial.c - see dial.h. Runs in the caller's thread. Must never wait, and must never believe a code of the daemon that
 * is not in its table.
 */
#include "dial.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lumaring/lumaring.h>

/* The address is RUNTIME_DIR/CAMERA/NAME, and a camera is an instance of the unit. */
static int nobody_serves(const char *path, int code, struct lr_error *error)
{
	const char *end = strrchr(path, '/'), *camera = end;

	while (camera > path && camera[-1] != '/')
		camera--;
	return lr_text_fail(error, -ECONNREFUSED,
			    "no daemon serves %s: %s: is it running? systemctl status lumaringd@%.*s", path,
			    strerror(code), (int)(end - camera), camera);
}

static int dial_failed(const struct sockaddr_un *address, int code, struct lr_error *error)
{
	switch (code) {
	case EAGAIN:
		return lr_text_fail(error, -EAGAIN, "the daemon's queue of connections is full");
	case EACCES:
	case EPERM:
		return lr_text_fail(error, -EACCES,
				    "permission denied: %s is for the daemon's group: join it, then log in again",
				    address->sun_path);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
		return lr_text_fail(error, code == ENOBUFS ? -ENOMEM : -code, "cannot make a socket: %s",
				    strerror(code));
	default:
		return nobody_serves(address->sun_path, code, error);
	}
}

int lr_dial(const struct sockaddr_un *address, int type, int *ret_socket, struct lr_error *error)
{
	const int s = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (s < 0)
		return dial_failed(address, errno, error);
	if (connect(s, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		r = dial_failed(address, errno, error);
		close(s);
		return r;
	}
	*ret_socket = s;
	return 0;
}

/* What a daemon may refuse with. */
static const struct {
	int code;
	bool passes;
} known[] = {
	{ EINVAL, false }, { ENOENT, false }, { EACCES, false },          { EUSERS, false },
	{ EDQUOT, false }, { ENOSPC, false }, { EPROTONOSUPPORT, false }, { ENOMEM, false },
	{ EBUSY, true },   { EMFILE, true },  { ENFILE, true },
};

int lr_dial_refused(const struct lumaring_refusal *refusal, struct lr_error *error)
{
	char text[sizeof(refusal->text) + 1];

	lr_text_from_peer(text, sizeof(text), refusal->text, sizeof(refusal->text));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (refusal->code == (uint32_t)known[i].code)
			return lr_text_fail(error, -known[i].code, "%s",
					    text[0] ? text : lumaring_strerror(-known[i].code));
	return lr_text_fail(error, -EBADMSG, "the daemon refused with code %u, which this library does not know: %s",
			    refusal->code, text);
}

bool lr_dial_passes(int error)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (error == -known[i].code)
			return known[i].passes;
	return false;
}
