/* SPDX-License-Identifier: BSD-2-Clause */
/* top_rows.c - see top_rows.h. Heads with blanks in front keep their columns from moving when numbers grow. */
#include "top_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "process.h"
#include "table.h"

#define COLUMNS_MAX 16u

/* What a row is made of, of a stream or of a client. */
struct row {
	const cJSON *now;
	double hz, bad_hz; /* published or seen, and lost or missed */
};

enum cell {
	CELL_TEXT,
	CELL_NUMBER,
	CELL_RATE,
	CELL_BAD_RATE,
	CELL_P50,
	CELL_P99,
	CELL_REGION,
	CELL_FORMAT,
	CELL_PROCESS,
};

struct column {
	const char *head; /* as table_begin() takes it; NULL: the end */
	enum cell cell;
	const char *key;
	unsigned from; /* how wide the screen is that has it */
};

static const struct column stream_columns[] = {
	{ "STREAM  ", CELL_TEXT, "name", 0 },
	{ ">   RATE", CELL_RATE, NULL, 0 },
	{ "> LOST/s", CELL_BAD_RATE, NULL, 0 },
	{ ">CLIENTS", CELL_NUMBER, "clients", 0 },
	{ ">READY p50", CELL_P50, "ready_to_published_us", 0 },
	{ ">    p99", CELL_P99, "ready_to_published_us", 0 },
	{ ">SENSOR p50", CELL_P50, "sensor_to_published_us", 80 },
	{ ">    p99", CELL_P99, "sensor_to_published_us", 80 },
	{ ">COPY p50", CELL_P50, "copy_us", 100 },
	{ ">    p99", CELL_P99, "copy_us", 100 },
	{ ">SLOTS", CELL_NUMBER, "slots", 106 },
	{ ">PINS", CELL_NUMBER, "cursors_granted", 112 },
	{ ">   SIZE", CELL_REGION, "region", 124 },
	{ "FORMAT", CELL_FORMAT, "format", 132 },
	{ "STATE", CELL_TEXT, "state", 140 },
	{ NULL, CELL_TEXT, NULL, 0 },
};

static const struct column client_columns[] = {
	{ ">    PID", CELL_NUMBER, "pid", 0 },     { "PROCESS        ", CELL_PROCESS, "pid", 0 },
	{ "STREAM  ", CELL_TEXT, "stream", 0 },    { ">   LAG", CELL_NUMBER, "lag", 0 },
	{ ">MISSED/s", CELL_BAD_RATE, NULL, 0 },   { ">  RATE", CELL_RATE, NULL, 64 },
	{ "> MISSED", CELL_NUMBER, "missed", 73 }, { ">  UID", CELL_NUMBER, "uid", 80 },
	{ ">COPIED", CELL_NUMBER, "copied", 92 },  { ">DROPPED", CELL_NUMBER, "notices_dropped", 100 },
	{ ">PINS", CELL_NUMBER, "cursors", 112 },  { "STATE   ", CELL_TEXT, "state", 120 },
	{ "WOKEN BY", CELL_TEXT, "manner", 128 },  { NULL, CELL_TEXT, NULL, 0 },
};

static void add_rate(struct table *table, double hz)
{
	table_cell(table, "%s", hz >= 0 ? amount_rate(hz).text : "-");
}

/* "-" where there is no frame, or none any more. */
static void add_percentile(struct table *table, const struct row *row, const cJSON *times, const char *percentile)
{
	if (json_number(times, "count") > 0 && row->hz != 0)
		table_cell(table, "%s", amount_time(json_number(times, percentile)).text);
	else
		table_cell(table, "-");
}

static void add_cell(struct table *table, const struct row *row, const struct column *column)
{
	const cJSON *item = column->key ? json_get(row->now, column->key) : NULL;

	switch (column->cell) {
	case CELL_TEXT:
		table_cell(table, "%s", json_text(row->now, column->key));
		return;
	case CELL_NUMBER:
		table_cell(table, "%.0f", json_number(row->now, column->key));
		return;
	case CELL_RATE:
		add_rate(table, row->hz);
		return;
	case CELL_BAD_RATE:
		add_rate(table, row->bad_hz);
		return;
	case CELL_P50:
		add_percentile(table, row, item, "p50");
		return;
	case CELL_P99:
		add_percentile(table, row, item, "p99");
		return;
	case CELL_REGION:
		table_cell(table, "%.0fx%.0f", json_number(item, "width"), json_number(item, "height"));
		return;
	case CELL_FORMAT:
		table_cell(table, "%s%s", json_text(row->now, column->key),
			   json_number(row->now, "bin") == 2 ? " bin 2" : "");
		return;
	case CELL_PROCESS:
		table_cell(table, "%s", process_name(json_number(row->now, column->key)).name);
		return;
	}
}

/* So many lines of the text, each ended where its newline was. */
static int split(struct top_rows *rows, size_t count)
{
	char *at = rows->text;

	rows->line = calloc(count, sizeof(*rows->line));
	if (!rows->line)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		rows->line[i] = at;
		at = strchr(at, '\n');
		if (!at)
			return -ENOMEM;
		*at++ = '\0';
	}
	return 0;
}

/* Print the rows as a table. */
static int print(const struct column *columns, unsigned screen_columns, const struct row *rows, size_t count,
		 FILE *file)
{
	const struct column *shown[COLUMNS_MAX];
	const char *heads[COLUMNS_MAX + 1] = { NULL };
	struct table table;
	size_t n = 0;

	for (; columns->head && n < COLUMNS_MAX; columns++) {
		if (screen_columns && screen_columns < columns->from)
			continue;
		shown[n] = columns;
		heads[n++] = columns->head;
	}
	table_begin(&table, heads);
	for (size_t i = 0; i < count; i++)
		for (size_t c = 0; c < n; c++)
			add_cell(&table, &rows[i], shown[c]);
	return table_end(&table, file);
}

static int make(const struct column *columns, unsigned screen_columns, const struct row *rows, size_t count,
		struct top_rows *ret_rows)
{
	struct top_rows made = { 0 };
	size_t bytes;
	FILE *file = open_memstream(&made.text, &bytes);
	int r;

	if (!file)
		return -ENOMEM;
	r = print(columns, screen_columns, rows, count, file);
	if (fclose(file) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = split(&made, count + 1);
	if (r < 0)
		top_rows_free(&made);
	else
		*ret_rows = made;
	return r;
}

int top_rows_of_streams(const struct top_sample *sample, unsigned columns, struct top_rows *ret_rows)
{
	struct row *rows = calloc(sample->stream_count + 1, sizeof(*rows));
	int r;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < sample->stream_count; i++) {
		const struct top_stream *stream = &sample->streams[i];

		rows[i] = (struct row){ stream->now, stream->published_hz, stream->lost_hz };
	}
	r = make(stream_columns, columns, rows, sample->stream_count, ret_rows);
	free(rows);
	return r;
}

int top_rows_of_clients(const struct top_sample *sample, size_t first, size_t count, unsigned columns,
			struct top_rows *ret_rows)
{
	struct row *rows = calloc(count + 1, sizeof(*rows));
	int r;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct top_client *client = &sample->clients[first + i];

		rows[i] = (struct row){ client->now, client->seen_hz, client->missed_hz };
	}
	r = make(client_columns, columns, rows, count, ret_rows);
	free(rows);
	return r;
}

void top_rows_free(struct top_rows *rows)
{
	free(rows->text);
	free(rows->line);
	*rows = (struct top_rows){ 0 };
}
