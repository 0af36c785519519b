/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quota.h - what a socket bears: connections at once, how many of them one uid may have, and how fast a uid may make it
 * work. A connection is counted when it is accepted, before a word is read from it, so that no way of talking or of
 * keeping silent is cheaper than another. One quota for each socket. Main thread only; time is passed in.
 *
 * Root and the daemon's own uid (in user mode all its processes are trusted) are exempt from what is per uid, not from
 * the number of connections. Root has QUOTA_RESERVE connections beyond that number, to look what is going on.
 */
#ifndef LUMARING_QUOTA_H
#define LUMARING_QUOTA_H

#include <stdint.h>
#include <sys/types.h>

#define QUOTA_RESERVE 8u

struct quota;

struct quota_limits {
	unsigned connections_max; /* at once */
	unsigned connections_uid; /* of one uid */
	unsigned rate;            /* connections, and what else is spent, a second and uid in the long run; 1 or more */
	unsigned burst;           /* as many at once after a pause; 1 or more */
};

enum quota_limit {
	QUOTA_CONNECTIONS,
	QUOTA_CONNECTIONS_UID,
	QUOTA_RATE,
};

/* Why somebody was refused. */
struct quota_refusal {
	enum quota_limit limit;
	unsigned maximum;        /* the limit, for this uid */
	unsigned count;          /* connections that there are, or of this uid; QUOTA_RATE: the burst */
	uint64_t retry_after_ns; /* QUOTA_RATE: it would not be refused then; else 0, not known */
};

/* 0 or -ENOMEM. */
int quota_create(const struct quota_limits *limits, uid_t own_uid, struct quota **ret_quota);
void quota_destroy(struct quota *quota); /* NULL is allowed */

/*
 * Count a new connection, which spends from the rate as well. 0, or it is not counted and *ret_refusal says why:
 * -EUSERS for a number of connections, -EBUSY for the rate.
 */
int quota_take(struct quota *quota, uid_t uid, uint64_t now_ns, struct quota_refusal *ret_refusal);

/* Something else was done on a connection that was counted. 0 or -EBUSY. */
int quota_spend(struct quota *quota, uid_t uid, uint64_t now_ns, struct quota_refusal *ret_refusal);

/* A connection that was counted is gone. What it took from the rate comes back with time only. */
void quota_give(struct quota *quota, uid_t uid);

#endif
