/* SPDX-License-Identifier: BSD-2-Clause */
/* stats.c - see stats.h. Capture thread; some tens of nanoseconds per frame. */
#include "stats.h"

/* The average follows a change of rate within some twenty frames. */
#define STATS_AVERAGE_FRAMES 8

/* S1 pairs with S1 in stats_load(). */
static void store(uint64_t *value, uint64_t now)
{
	__atomic_store_n(value, now, __ATOMIC_RELAXED);
}

static uint64_t average(uint64_t before, uint64_t now)
{
	int64_t off = (int64_t)(now - before);

	return before ? before + (uint64_t)(off / STATS_AVERAGE_FRAMES) : now;
}

void stats_captured(struct camera_stats *stats, uint64_t sequence, uint64_t ready_ns)
{
	store(&stats->captured, sequence);
	if (stats->ready_ns && ready_ns > stats->ready_ns)
		store(&stats->frame_duration_ns, average(stats->frame_duration_ns, ready_ns - stats->ready_ns));
	stats->ready_ns = ready_ns;
}

void stats_interrupted(struct camera_stats *stats)
{
	stats->ready_ns = 0;
}

static uint64_t since(uint64_t end_ns, uint64_t begin_ns)
{
	return end_ns > begin_ns ? end_ns - begin_ns : 0;
}

static uint64_t bytes_of(const struct lumaring_descriptor *d)
{
	return (uint64_t)d->width * d->height * (d->fourcc == LUMARING_FORMAT_R16 ? 2 : 1);
}

void stats_published(struct stream_stats *stats, uint64_t began_ns, uint64_t sensor_ns,
		     const struct lumaring_descriptor *d)
{
	/* Nothing but the descriptor lies between the last pixel and publish_ns. */
	histogram_add(&stats->copy_ns, since(d->publish_ns, began_ns));
	histogram_add(&stats->ready_to_published_ns, since(d->publish_ns, d->ready_ns));
	/* One that is yet to come is of a clock that is not what it is taken for. */
	if (sensor_ns && sensor_ns <= d->publish_ns)
		histogram_add(&stats->sensor_to_published_ns, d->publish_ns - sensor_ns);
	store(&stats->bytes_copied, stats->bytes_copied + bytes_of(d));
}
