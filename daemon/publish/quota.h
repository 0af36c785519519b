/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quota.h - what the frame socket bears: connections at once, how many of them one uid may have, and how fast a uid may
 * open them. Counted when a connection is accepted, before a word is read from it, so that no way of talking or of
 * keeping silent is cheaper than another. Main thread only; time is passed in.
 *
 * Root and the daemon's own uid (in user mode all its processes are trusted) are exempt from what is per uid, not from
 * the number of connections. Root has QUOTA_RESERVE connections beyond that number, to look what is going on.
 */
#ifndef LUMARING_QUOTA_H
#define LUMARING_QUOTA_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define QUOTA_RESERVE 8u

struct quota;

struct quota_limits {
	unsigned clients_max;     /* connections at once */
	unsigned clients_per_uid; /* of one uid */
	unsigned attach_rate;     /* connections a second that a uid may open in the long run, 1 or more */
};

/* 0 or -ENOMEM. */
int quota_create(const struct quota_limits *limits, uid_t own_uid, struct quota **ret_quota);
void quota_destroy(struct quota *quota); /* NULL is allowed */

/*
 * Count a new connection. 0, or it is not counted and a sentence that names the limit stands in `text`: -EUSERS for a
 * number of connections, -EBUSY for the rate.
 */
int quota_take(struct quota *quota, uid_t uid, uint64_t now_ns, char *text, size_t text_bytes);

/* A connection that was counted is gone. What it took from the rate comes back with time only. */
void quota_give(struct quota *quota, uid_t uid);

/* How many connections a uid may open at once when it has opened none for a while. */
unsigned quota_burst(const struct quota_limits *limits);

#endif
