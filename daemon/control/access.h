/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access.h - who is at the other end of a connection, and what it may do: by the credentials that the kernel noted when
 * it connected, its supplementary groups among them. Main thread only.
 */
#ifndef LUMARING_CONTROL_ACCESS_H
#define LUMARING_CONTROL_ACCESS_H

#include <sys/socket.h>
#include <sys/types.h>

#include "control/control.h"

enum standing {
	STANDING_STRANGER, /* may nothing */
	STANDING_READER,   /* CONTROL_READ */
	STANDING_CHANGER,  /* everything */
};

/* 0, or a negative errno: the peer is not to be served. */
int access_of_peer(int fd, const struct control_access *access, uid_t own_uid, struct ucred *ret_peer,
		   enum standing *ret_standing);

#endif
