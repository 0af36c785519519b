/* SPDX-License-Identifier: BSD-2-Clause */
/* log_limit.c - see log_limit.h. Places are searched in line: they are few. */
#include "base/log_limit.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

static uint64_t over_ns(const struct log_limit_uid *place)
{
	uint64_t quiet_ns = place->last_ns + LIMIT_LOG_QUIET_S * NS_PER_SECOND;
	uint64_t most_ns = place->first_ns + LIMIT_LOG_MOST_S * NS_PER_SECOND;

	return quiet_ns < most_ns ? quiet_ns : most_ns;
}

static void tell(const struct log_limit *limit, const struct log_limit_uid *place)
{
	struct log_fields fields = { .event = LOG_EVENT_CLIENT_LEFT_OUT };
	uint64_t seconds = (place->last_ns - place->first_ns + NS_PER_SECOND - 1) / NS_PER_SECOND;

	if (!place->left_out)
		return;
	if (place == &limit->others) {
		log_event(LOG_LEVEL_NOTICE, &fields,
			  "clients of many other uids: lines left out: %" PRIu64 ", within %" PRIu64 " s",
			  place->left_out, seconds);
		return;
	}
	fields.client_uid = place->uid;
	fields.is_client = true;
	log_event(LOG_LEVEL_NOTICE, &fields, "clients of uid %u: lines left out: %" PRIu64 ", within %" PRIu64 " s",
		  (unsigned)place->uid, place->left_out, seconds);
}

void log_limit_tell(struct log_limit *limit, uint64_t now_ns)
{
	for (unsigned i = limit->uid_count; i-- > 0;) {
		if (over_ns(&limit->uids[i]) > now_ns)
			continue;
		tell(limit, &limit->uids[i]);
		limit->uids[i] = limit->uids[--limit->uid_count];
	}
	if (limit->others.lines && over_ns(&limit->others) <= now_ns) {
		tell(limit, &limit->others);
		limit->others = (struct log_limit_uid){ 0 };
	}
}

/* Who has a place keeps it until it was told of, so that no other uid can give it new lines. */
static struct log_limit_uid *place_of(struct log_limit *limit, uid_t uid)
{
	struct log_limit_uid *place;

	for (unsigned i = 0; i < limit->uid_count; i++)
		if (limit->uids[i].uid == uid)
			return &limit->uids[i];
	if (limit->uid_count == LIMIT_LOG_UIDS)
		return &limit->others;
	place = &limit->uids[limit->uid_count++];
	*place = (struct log_limit_uid){ .uid = uid };
	return place;
}

bool log_limit_pass(struct log_limit *limit, uid_t uid, uint64_t now_ns)
{
	struct log_limit_uid *place;

	log_limit_tell(limit, now_ns);
	place = place_of(limit, uid);
	place->last_ns = now_ns;
	if (place->lines == 0)
		place->first_ns = now_ns;
	if (place->lines == LIMIT_LOG_LINES) {
		place->left_out++;
		return false;
	}
	place->lines++;
	return true;
}

uint64_t log_limit_next_ns(const struct log_limit *limit)
{
	uint64_t next_ns = limit->others.left_out ? over_ns(&limit->others) : UINT64_MAX;

	for (unsigned i = 0; i < limit->uid_count; i++)
		if (limit->uids[i].left_out && over_ns(&limit->uids[i]) < next_ns)
			next_ns = over_ns(&limit->uids[i]);
	return next_ns;
}
