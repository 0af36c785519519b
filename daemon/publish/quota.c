/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quota.c - see quota.h. Main thread only.
 *
 * One entry per uid that has connections, or had some and has not been quiet long enough since. The rate is a bucket of
 * tokens, kept as the time at which it will be full again: each connection puts that off by one period, and one that
 * would put it off beyond a whole burst from now is refused. A full bucket without connections is what an unknown uid
 * has, so such an entry may be forgotten and leaving early gains nothing.
 *
 * The entries are searched in line: uids are few, and a thousand of them take a microsecond.
 */
#include "publish/quota.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

struct entry {
	uid_t uid;
	unsigned clients;
	uint64_t full_at_ns; /* its bucket is full from then on */
};

struct quota {
	struct quota_limits limits;
	uid_t own_uid;
	unsigned client_count;
	uint64_t period_ns; /* between two connections in the long run */
	unsigned entry_count, entry_max;
	struct entry entries[];
};

/* All clients of a uid twice, since they come back at once when the daemon was restarted; or those of a second. */
unsigned quota_burst(const struct quota_limits *limits)
{
	unsigned twice = 2 * limits->clients_per_uid;

	return twice > limits->attach_rate ? twice : limits->attach_rate;
}

/* Room for each connection to have a uid of its own, and as many again for uids that have left. */
int quota_create(const struct quota_limits *limits, uid_t own_uid, struct quota **ret_quota)
{
	unsigned entry_max = 2 * limits->clients_max;
	struct quota *quota = calloc(1, sizeof(*quota) + entry_max * sizeof(quota->entries[0]));

	if (!quota)
		return -ENOMEM;
	quota->limits = *limits;
	quota->own_uid = own_uid;
	quota->period_ns = NS_PER_SECOND / limits->attach_rate;
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

		if (!entry->clients && entry->full_at_ns <= now_ns)
			quota->entries[i] = quota->entries[--quota->entry_count];
	}
}

/*
 * A place for a new uid. Should more uids than there is room for have come and left within moments, the one nearest to
 * a full bucket is forgotten. There is one without connections, as those with some are fewer than clients_max.
 */
static struct entry *add_entry(struct quota *quota, uid_t uid, uint64_t now_ns)
{
	struct entry *place = NULL;

	forget_recovered(quota, now_ns);
	if (quota->entry_count < quota->entry_max) {
		place = &quota->entries[quota->entry_count++];
	} else {
		for (struct entry *e = quota->entries; e < quota->entries + quota->entry_count; e++)
			if (!e->clients && (!place || e->full_at_ns < place->full_at_ns))
				place = e;
	}
	*place = (struct entry){ .uid = uid };
	return place;
}

static int take_of_uid(struct quota *quota, uid_t uid, uint64_t now_ns, char *text, size_t text_bytes)
{
	const struct quota_limits *limits = &quota->limits;
	struct entry *entry = find_entry(quota, uid);
	uint64_t full_at_ns = (entry && entry->full_at_ns > now_ns ? entry->full_at_ns : now_ns) + quota->period_ns;
	unsigned burst = quota_burst(limits);

	if (entry && entry->clients >= limits->clients_per_uid)
		return snprintf(text, text_bytes,
				"uid %u has %u clients of this camera already, its limit (clients-per-uid): close "
				"some, or raise it",
				(unsigned)uid, entry->clients),
		       -EUSERS;
	if (full_at_ns - now_ns > burst * quota->period_ns)
		return snprintf(text, text_bytes,
				"uid %u opens connections faster than %u a second (attach-rate; %u at once after a "
				"pause): try again later, or raise it",
				(unsigned)uid, limits->attach_rate, burst),
		       -EBUSY;
	if (!entry)
		entry = add_entry(quota, uid, now_ns);
	entry->full_at_ns = full_at_ns;
	entry->clients++;
	return 0;
}

int quota_take(struct quota *quota, uid_t uid, uint64_t now_ns, char *text, size_t text_bytes)
{
	unsigned reserve = uid == 0 ? QUOTA_RESERVE : 0;
	int r = 0;

	if (quota->client_count >= quota->limits.clients_max + reserve)
		return snprintf(
			       text, text_bytes,
			       "this camera has %u clients already, its limit (clients-max%s): close some, or raise it",
			       quota->client_count, reserve ? ", and some more for root" : ""),
		       -EUSERS;
	if (!is_exempt(quota, uid))
		r = take_of_uid(quota, uid, now_ns, text, text_bytes);
	if (r == 0)
		quota->client_count++;
	return r;
}

void quota_give(struct quota *quota, uid_t uid)
{
	struct entry *entry = is_exempt(quota, uid) ? NULL : find_entry(quota, uid);

	quota->client_count--;
	if (entry)
		entry->clients--;
}
