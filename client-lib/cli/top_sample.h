/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_sample.h - what happened between two statuses of a daemon, per second; and what the newer one says.
 *
 * What is not known is negative: where there is no older status, or it is of another daemon; where a stream or a client
 * was not there yet; where the daemon does not tell.
 */
#ifndef LUMARING_CLI_TOP_SAMPLE_H
#define LUMARING_CLI_TOP_SAMPLE_H

#include <stddef.h>

#include "json.h"

#define TOP_UNKNOWN (-1.0)
#define TOP_LAG_ORDINARY 2 /* frames that a client is behind which has just not been given the CPU */

struct top_stream {
	const cJSON *now, *before; /* of the statuses; before: NULL where it was not there */
	double published_hz;
	size_t place;   /* in the daemon's order */
	double lost_hz; /* of all causes but unread: frames that somebody would have had */
};

struct top_client {
	const cJSON *now;
	double seen_hz, missed_hz;
};

struct top_sample {
	const cJSON *now;   /* the status */
	double interval_us; /* between the two; 0: there is only one */
	double captured_hz;
	double cpu_percent;      /* of one CPU */
	double cpu_per_frame_us; /* of each captured frame */
	double copied_bytes_hz;
	struct top_stream *streams; /* shared ones in the daemon's order, then the private ones that lose most */
	struct top_client *clients; /* in the order that was asked for */
	size_t stream_count, client_count;
};

/* Which clients come first. */
enum top_order {
	TOP_BY_LAG,    /* that are most behind, then those that miss most */
	TOP_BY_MISSED, /* that have missed most in all */
	TOP_BY_STREAM, /* by the stream's name, in it by lag */
	TOP_BY_PID,
};

/*
 * `before` may be NULL. Both stay the caller's, and must be there as long as the sample. 0, or -ENOMEM; then there is
 * none to finish.
 */
int top_sample_make(const cJSON *before, const cJSON *now, struct top_sample *ret_sample);
void top_sample_finish(struct top_sample *sample);

void top_sample_sort(struct top_sample *sample, enum top_order order);

/* How often a second a cause of a stream's losses went up. */
double top_sample_lost_hz(const struct top_sample *sample, const struct top_stream *stream, const char *cause);

#endif
