/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access.c - see access.h. The groups are those of the process that connected, as SO_PEERCRED and SO_PEERGROUPS tell
 * them: nothing is looked up by name, so no name service can make the main thread wait.
 */
#include "control/access.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#define GROUPS_AT_ONCE 32u /* more take memory */

struct groups {
	gid_t some[GROUPS_AT_ONCE];
	gid_t *all; /* `some`, or memory */
	size_t count;
};

/* -ERANGE tells how much room it takes. The groups of a socket never change, so twice is enough. */
static int read_groups(int fd, struct groups *ret_groups)
{
	socklen_t bytes = sizeof(ret_groups->some);

	ret_groups->all = ret_groups->some;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret_groups->all, &bytes) < 0) {
		if (errno != ERANGE)
			return -errno;
		ret_groups->all = malloc(bytes);
		if (!ret_groups->all)
			return -ENOMEM;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret_groups->all, &bytes) < 0) {
			int r = -errno;

			free(ret_groups->all);
			return r;
		}
	}
	ret_groups->count = bytes / sizeof(gid_t);
	return 0;
}

static bool is_member(gid_t group, gid_t primary, const struct groups *groups)
{
	bool member = group == primary;

	for (size_t i = 0; i < groups->count && !member; i++)
		member = groups->all[i] == group;
	return group != (gid_t)-1 && member;
}

int access_of_peer(int fd, const struct control_access *access, uid_t own_uid, struct ucred *ret_peer,
		   enum standing *ret_standing)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	struct groups groups;
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
		return -errno;
	*ret_peer = peer;
	*ret_standing = STANDING_CHANGER;
	if (peer.uid == 0 || peer.uid == own_uid)
		return 0;
	r = read_groups(fd, &groups);
	if (r < 0)
		return r;
	if (is_member(access->control_group, peer.gid, &groups))
		*ret_standing = STANDING_CHANGER;
	else if (is_member(access->group, peer.gid, &groups))
		*ret_standing = STANDING_READER;
	else
		*ret_standing = STANDING_STRANGER;
	if (groups.all != groups.some)
		free(groups.all);
	return 0;
}
