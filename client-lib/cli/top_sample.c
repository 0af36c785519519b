/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_sample.c - see top_sample.h. Streams are found again by their name and clients by the number of their connection,
 * which no two have; there may be thousands of each, so they are looked up in sorted lists.
 */
#include "top_sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef int (*compare_items)(const void *a, const void *b);

/* The items of an array of the older status, sorted to be found. */
struct index {
	const cJSON **items;
	size_t count;
	compare_items compare;
};

static int compare_numbers(double x, double y)
{
	return (x > y) - (x < y);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(json_text(*(const cJSON *const *)a, "name"), json_text(*(const cJSON *const *)b, "name"));
}

static int compare_connections(const void *a, const void *b)
{
	return compare_numbers(json_number(*(const cJSON *const *)a, "connection"),
			       json_number(*(const cJSON *const *)b, "connection"));
}

static int index_make(const cJSON *status, const char *key, compare_items compare, struct index *ret_index)
{
	struct index index = { .compare = compare };

	index.items = calloc((size_t)cJSON_GetArraySize(json_get(status, key)) + 1, sizeof(*index.items));
	if (!index.items)
		return -ENOMEM;
	for (const cJSON *item = json_first(status, key); item; item = item->next)
		index.items[index.count++] = item;
	qsort(index.items, index.count, sizeof(*index.items), compare);
	*ret_index = index;
	return 0;
}

static const cJSON *index_find(const struct index *index, const cJSON *item)
{
	const cJSON **found = bsearch(&item, index->items, index->count, sizeof(*index->items), index->compare);

	return found ? *found : NULL;
}

/* By how much a number rose each second. */
static double rise(const struct top_sample *sample, const cJSON *before, const cJSON *now, const char *key)
{
	const cJSON *b = json_get(before, key), *n = json_get(now, key);

	if (sample->interval_us <= 0 || !cJSON_IsNumber(b) || !cJSON_IsNumber(n) || n->valuedouble < b->valuedouble)
		return TOP_UNKNOWN;
	return (n->valuedouble - b->valuedouble) * 1e6 / sample->interval_us;
}

double top_sample_lost_hz(const struct top_sample *sample, const struct top_stream *stream, const char *cause)
{
	return rise(sample, json_get(stream->before, "lost"), json_get(stream->now, "lost"), cause);
}

static double all_lost_hz(const struct top_sample *sample, const struct top_stream *stream)
{
	double all = TOP_UNKNOWN;

	for (const cJSON *cause = json_first(stream->now, "lost"); cause; cause = cause->next) {
		const double hz = cause->string && strcmp(cause->string, "unread") != 0
					  ? top_sample_lost_hz(sample, stream, cause->string)
					  : TOP_UNKNOWN;

		if (hz >= 0)
			all = (all > 0 ? all : 0) + hz;
	}
	return all;
}

/* Shared ones in front, in the daemon's order; of the private ones, those with losses. */
static int compare_streams(const void *a, const void *b)
{
	const struct top_stream *x = a, *y = b;
	const bool x_private = json_is_true(x->now, "private"), y_private = json_is_true(y->now, "private");

	if (x_private != y_private)
		return x_private - y_private;
	if (x_private && x->lost_hz != y->lost_hz)
		return compare_numbers(y->lost_hz, x->lost_hz);
	return (x->place > y->place) - (x->place < y->place);
}

static int add_streams(struct top_sample *sample, const cJSON *before)
{
	struct index index;
	double copied = TOP_UNKNOWN;

	sample->streams =
		calloc((size_t)cJSON_GetArraySize(json_get(sample->now, "streams")) + 1, sizeof(*sample->streams));
	if (!sample->streams || index_make(before, "streams", compare_names, &index) < 0)
		return -ENOMEM;
	for (const cJSON *now = json_first(sample->now, "streams"); now; now = now->next) {
		struct top_stream *stream = &sample->streams[sample->stream_count];
		double hz;

		stream->now = now;
		stream->place = sample->stream_count++;
		stream->before = index_find(&index, now);
		stream->published_hz = rise(sample, stream->before, now, "published");
		stream->lost_hz = all_lost_hz(sample, stream);
		hz = rise(sample, stream->before, now, "bytes_copied");
		if (hz >= 0)
			copied = (copied > 0 ? copied : 0) + hz;
	}
	free(index.items);
	sample->copied_bytes_hz = copied;
	qsort(sample->streams, sample->stream_count, sizeof(*sample->streams), compare_streams);
	return 0;
}

static int add_clients(struct top_sample *sample, const cJSON *before)
{
	struct index index;

	sample->clients =
		calloc((size_t)cJSON_GetArraySize(json_get(sample->now, "clients")) + 1, sizeof(*sample->clients));
	if (!sample->clients || index_make(before, "clients", compare_connections, &index) < 0)
		return -ENOMEM;
	for (const cJSON *now = json_first(sample->now, "clients"); now; now = now->next) {
		const bool told = json_get(now, "connection");
		const cJSON *old = told ? index_find(&index, now) : NULL;

		sample->clients[sample->client_count++] = (struct top_client){
			.now = now,
			.seen_hz = rise(sample, old, now, "seen"),
			.missed_hz = rise(sample, old, now, "missed"),
		};
	}
	free(index.items);
	return 0;
}

/* 0 unless both are of one daemon. */
static double interval_us(const cJSON *before, const cJSON *now)
{
	const double us = json_number(now, "uptime_us") - json_number(before, "uptime_us");

	return before && us > 0 && json_number(before, "pid") == json_number(now, "pid") ? us : 0;
}

int top_sample_make(const cJSON *before, const cJSON *now, struct top_sample *ret_sample)
{
	struct top_sample sample = { .now = now, .interval_us = interval_us(before, now) };
	double cpu_hz = rise(&sample, before, now, "cpu_us");
	int r;

	sample.captured_hz = rise(&sample, json_get(before, "source"), json_get(now, "source"), "captured");
	sample.cpu_percent = cpu_hz >= 0 ? cpu_hz / 1e4 : TOP_UNKNOWN;
	sample.cpu_per_frame_us = cpu_hz >= 0 && sample.captured_hz > 0 ? cpu_hz / sample.captured_hz : TOP_UNKNOWN;
	r = add_streams(&sample, before);
	if (r == 0)
		r = add_clients(&sample, before);
	if (r < 0)
		top_sample_finish(&sample);
	else
		*ret_sample = sample;
	return r;
}

void top_sample_finish(struct top_sample *sample)
{
	free(sample->streams);
	free(sample->clients);
	*sample = (struct top_sample){ 0 };
}

/* --- the order of clients ---------------------------------------------------------------------------------------- */

static int compare_key(const struct top_client *x, const struct top_client *y, const char *key)
{
	return compare_numbers(json_number(x->now, key), json_number(y->now, key));
}

/* What remains equal stays in the order of connections. */
static int compare_last(const struct top_client *x, const struct top_client *y)
{
	const int r = compare_key(x, y, "pid");

	return r ? r : compare_key(x, y, "connection");
}

/* Rows that change their places at each look cannot be read. */
static double trouble(const struct top_client *client)
{
	const double lag = json_number(client->now, "lag");

	return lag > TOP_LAG_ORDINARY ? lag : 0;
}

static int compare_by_lag(const void *a, const void *b)
{
	const struct top_client *x = a, *y = b;
	int r = compare_numbers(trouble(y), trouble(x));

	if (!r)
		r = compare_numbers(y->missed_hz, x->missed_hz);
	if (!r)
		r = compare_key(y, x, "missed");
	return r ? r : compare_last(x, y);
}

static int compare_by_missed(const void *a, const void *b)
{
	const int r = compare_key(b, a, "missed");

	return r ? r : compare_by_lag(a, b);
}

static int compare_by_stream(const void *a, const void *b)
{
	const struct top_client *x = a, *y = b;
	const int r = strcmp(json_text(x->now, "stream"), json_text(y->now, "stream"));

	return r ? r : compare_by_lag(a, b);
}

static int compare_by_pid(const void *a, const void *b)
{
	return compare_last(a, b);
}

void top_sample_sort(struct top_sample *sample, enum top_order order)
{
	static const compare_items by[] = {
		[TOP_BY_LAG] = compare_by_lag,
		[TOP_BY_MISSED] = compare_by_missed,
		[TOP_BY_STREAM] = compare_by_stream,
		[TOP_BY_PID] = compare_by_pid,
	};

	qsort(sample->clients, sample->client_count, sizeof(*sample->clients), by[order]);
}
