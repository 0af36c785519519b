/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quota.c - see quota.h. Main thread only.
 *
 * One entry per uid that has connections, or had some and has not been quiet long enough since. The rate is a bucket of
 * tokens, kept as the time at which it will be full again: each connection puts that off by one period, as does what
 * else is spent, and what would put it off beyond a whole burst from now is refused. A full bucket without connections
 * is what an unknown uid has, so such an entry may be forgotten and leaving early gains nothing.
 *
 * The entries are searched in line: uids are few, and a thousand of them take a microsecond.
 */
#include "base/quota.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"

struct entry {
	uid_t uid;
	unsigned connections;
	uint64_t full_at_ns; /* its bucket is full from then on */
};

struct quota {
	struct quota_limits limits;
	uid_t own_uid;
	unsigned connection_count;
	uint64_t period_ns; /* of the rate */
	unsigned entry_count, entry_max;
	struct entry entries[];
};

/* Room for each connection to have a uid of its own, and as many again for uids that have left. */
int quota_create(const struct quota_limits *limits, uid_t own_uid, struct quota **ret_quota)
{
	unsigned entry_max = 2 * limits->connections_max;
	struct quota *quota = calloc(1, sizeof(*quota) + entry_max * sizeof(quota->entries[0]));

	if (!quota)
		return -ENOMEM;
	quota->limits = *limits;
	quota->own_uid = own_uid;
	quota->period_ns = NS_PER_SECOND / limits->rate;
	quota->entry_max = entry_max;
	*ret_quota = quota;
	return 0;
}

void quota_destroy(struct quota *quota)
{
	free(quota);
}

static bool is_exempt(const struct quota *quota, uid_t uid)
{
	return uid == 0 || uid == quota->own_uid;
}

static struct entry *find_entry(struct quota *quota, uid_t uid)
{
	for (unsigned i = 0; i < quota->entry_count; i++)
		if (quota->entries[i].uid == uid)
			return &quota->entries[i];
	return NULL;
}

static void forget_recovered(struct quota *quota, uint64_t now_ns)
{
	for (unsigned i = quota->entry_count; i-- > 0;) {
		const struct entry *entry = &quota->entries[i];

		if (!entry->connections && entry->full_at_ns <= now_ns)
			quota->entries[i] = quota->entries[--quota->entry_count];
	}
}

/*
 * A place for a new uid. Should more uids than there is room for have come and left within moments, the one nearest to
 * a full bucket is forgotten. There is one without connections, as those with some are fewer than connections_max.
 */
static struct entry *add_entry(struct quota *quota, uid_t uid, uint64_t now_ns)
{
	struct entry *place = NULL;

	forget_recovered(quota, now_ns);
	if (quota->entry_count < quota->entry_max) {
		place = &quota->entries[quota->entry_count++];
	} else {
		for (struct entry *e = quota->entries; e < quota->entries + quota->entry_count; e++)
			if (!e->connections && (!place || e->full_at_ns < place->full_at_ns))
				place = e;
	}
	*place = (struct entry){ .uid = uid };
	return place;
}

static int refuse(struct quota_refusal *ret_refusal, enum quota_limit limit, unsigned maximum, unsigned count)
{
	*ret_refusal = (struct quota_refusal){ .limit = limit, .maximum = maximum, .count = count };
	return -EUSERS;
}

/* When the bucket of a uid (NULL: a full one) is full again if one more is spent. 0 or -EBUSY. */
static int spend(const struct quota *quota, const struct entry *entry, uint64_t now_ns, uint64_t *ret_full_at_ns,
		 struct quota_refusal *ret_refusal)
{
	const struct quota_limits *limits = &quota->limits;
	uint64_t burst_ns = limits->burst * quota->period_ns;
	uint64_t full_at_ns = (entry && entry->full_at_ns > now_ns ? entry->full_at_ns : now_ns) + quota->period_ns;

	if (full_at_ns - now_ns > burst_ns) {
		*ret_refusal = (struct quota_refusal){ .limit = QUOTA_RATE,
						       .maximum = limits->rate,
						       .count = limits->burst,
						       .retry_after_ns = full_at_ns - now_ns - burst_ns };
		return -EBUSY;
	}
	*ret_full_at_ns = full_at_ns;
	return 0;
}

static int take_of_uid(struct quota *quota, uid_t uid, uint64_t now_ns, struct quota_refusal *ret_refusal)
{
	const struct quota_limits *limits = &quota->limits;
	struct entry *entry = find_entry(quota, uid);
	uint64_t full_at_ns;
	int r;

	if (entry && entry->connections >= limits->connections_uid)
		return refuse(ret_refusal, QUOTA_CONNECTIONS_UID, limits->connections_uid, entry->connections);
	r = spend(quota, entry, now_ns, &full_at_ns, ret_refusal);
	if (r < 0)
		return r;
	if (!entry)
		entry = add_entry(quota, uid, now_ns);
	entry->full_at_ns = full_at_ns;
	entry->connections++;
	return 0;
}

int quota_take(struct quota *quota, uid_t uid, uint64_t now_ns, struct quota_refusal *ret_refusal)
{
	unsigned maximum = quota->limits.connections_max + (uid == 0 ? QUOTA_RESERVE : 0);
	int r = 0;

	if (quota->connection_count >= maximum)
		return refuse(ret_refusal, QUOTA_CONNECTIONS, maximum, quota->connection_count);
	if (!is_exempt(quota, uid))
		r = take_of_uid(quota, uid, now_ns, ret_refusal);
	if (r == 0)
		quota->connection_count++;
	return r;
}

int quota_spend(struct quota *quota, uid_t uid, uint64_t now_ns, struct quota_refusal *ret_refusal)
{
	struct entry *entry = is_exempt(quota, uid) ? NULL : find_entry(quota, uid);

	return entry ? spend(quota, entry, now_ns, &entry->full_at_ns, ret_refusal) : 0;
}

void quota_give(struct quota *quota, uid_t uid)
{
	struct entry *entry = is_exempt(quota, uid) ? NULL : find_entry(quota, uid);

	quota->connection_count--;
	if (entry)
		entry->connections--;
}
