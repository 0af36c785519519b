/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status_table.c - see status_table.h. A key that is missing counts as 0 or "", so that the tool can read a daemon of
 * any version; numbers beyond 2^53 lose digits, which --json keeps.
 */
#include "status_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "json.h"
#include "process.h"
#include "table.h"

#define COLUMNS 80u   /* of a terminal */
#define LOST_WIDTH 44 /* of the causes on one line, so that it fits a terminal */

/* --- numbers in words ------------------------------------------------------------------------------------------- */

/* "640x480", and "+X+Y" when it is a part of the image. */
static struct amount in_pixels(const cJSON *region, const cJSON *source)
{
	double width = json_number(region, "width"), height = json_number(region, "height");
	struct amount amount;
	int n = snprintf(amount.text, sizeof(amount.text), "%.0fx%.0f", width, height);

	if ((width != json_number(source, "width") || height != json_number(source, "height")) &&
	    n < (int)sizeof(amount.text))
		snprintf(amount.text + n, sizeof(amount.text) - (size_t)n, "+%.0f+%.0f", json_number(region, "x"),
			 json_number(region, "y"));
	return amount;
}

/* --- the head ---------------------------------------------------------------------------------------------------- */

/* On as many lines as it takes, broken between words. */
static void print_sentence(const char *sentence, FILE *file)
{
	char line[TABLE_LINE_BYTES];

	while (strlen(sentence) > COLUMNS) {
		size_t end = COLUMNS;

		while (end > 0 && sentence[end] != ' ')
			end--;
		if (end == 0)
			break; /* one word */
		snprintf(line, sizeof(line), "%.*s", (int)end, sentence);
		table_line(line, file);
		sentence += end + 1;
	}
	table_line(sentence, file);
}

/* What may be long stands on lines of its own. */
static void print_daemon(const cJSON *status, FILE *file)
{
	const cJSON *loop = json_get(status, "loop");
	const char *fallback = json_text(loop, "fallback_reason");
	char line[TABLE_LINE_BYTES];

	snprintf(line, sizeof(line), "%s: lumaringd %s, pid %.0f, up %s, loop %s", json_text(status, "camera"),
		 json_text(status, "version"), json_number(status, "pid"),
		 amount_age(json_number(status, "uptime_us")).text, json_text(loop, "main"));
	table_line(line, file);
	if (fallback[0]) {
		snprintf(line, sizeof(line), "no io_uring: %s", fallback);
		print_sentence(line, file);
	}
}

/* ", 50.0 frames/s of 56.0": as measured, and as asked for; "" when neither is known. */
static struct amount in_rates(const cJSON *source)
{
	double asked_us = json_number(source, "frame_duration_us"),
	       ns = json_number(source, "measured_frame_duration_ns");
	double asked = asked_us > 0 ? 1e6 / asked_us : 0, rate;
	struct amount amount = { "" };

	if (ns <= 0) /* a daemon that tells microseconds only */
		ns = json_number(source, "measured_frame_duration_us") * 1000;
	rate = ns > 0 ? 1e9 / ns : 0;
	if (rate > 0 && asked > 0)
		snprintf(amount.text, sizeof(amount.text), ", %.20s frames/s of %.20s", amount_rate(rate).text,
			 amount_rate(asked).text);
	else if (rate > 0)
		snprintf(amount.text, sizeof(amount.text), ", %.20s frames/s", amount_rate(rate).text);
	else if (asked > 0)
		snprintf(amount.text, sizeof(amount.text), ", %.20s frames/s asked for", amount_rate(asked).text);
	return amount;
}

/* "6 buffers of 1.4 MiB, dma-heap system, cached: REASON", which has what was measured. */
static void print_buffers(const cJSON *source, const cJSON *device, FILE *file)
{
	const char *why = json_text(device, "memory_reason");
	const double count = json_number(device, "buffer_count");
	char line[TABLE_LINE_BYTES];

	snprintf(line, sizeof(line), "%.0f buffer%s of %s, %s, %s%s%s", count, amount_plural(count),
		 amount_bytes(json_number(device, "buffer_bytes")).text, json_text(device, "memory"),
		 json_text(source, "memory"), why[0] ? ": " : "", why);
	print_sentence(line, file);
}

/*
 * "camera ID: running, full luma of YUV420, clock monotonic"
 * "libcamera 0.7.1: 1234 requests, 1 restart, lost 2 times, longest call 12 us"
 */
static void print_device(const cJSON *source, const cJSON *device, FILE *file)
{
	const char *reason = json_text(device, "state_reason"), *id = json_text(device, "camera");
	double completed = json_number(device, "completed"), restarts = json_number(device, "restarts");
	double losses = json_number(device, "losses");
	char line[TABLE_LINE_BYTES];
	int n;

	if (!device)
		return; /* it has none, or the daemon does not tell */
	if (!id[0])
		id = json_text(source, "path"); /* not seen yet: as it was asked for */
	n = snprintf(line, sizeof(line), "camera%s%s: %s%s%s", id[0] ? " " : "", id, json_text(device, "state"),
		     reason[0] ? ": " : "", reason);
	if (json_text(device, "format")[0] && n < (int)sizeof(line))
		snprintf(line + n, sizeof(line) - (size_t)n, ", %s luma of %s, clock %s",
			 json_text(source, "luma_range"), json_text(device, "format"),
			 json_text(device, "sensor_clock"));
	print_sentence(line, file);
	if (json_number(device, "buffer_count") > 0)
		print_buffers(source, device, file);
	snprintf(line, sizeof(line), "%s: %.0f request%s, %.0f restart%s, lost %.0f time%s, longest call %s",
		 json_text(device, "library"), completed, amount_plural(completed), restarts, amount_plural(restarts),
		 losses, amount_plural(losses), amount_time(json_number(device, "callback_longest_ns") / 1000).text);
	table_line(line, file);
}

static void print_source(const cJSON *source, FILE *file)
{
	const cJSON *device = json_get(source, "device");
	const char *path = json_text(source, "path");
	char line[TABLE_LINE_BYTES];

	snprintf(line, sizeof(line), "source %s: %s, %.0fx%.0f%s, %.0f captured", json_text(source, "name"),
		 json_text(source, "state"), json_number(source, "width"), json_number(source, "height"),
		 in_rates(source).text, json_number(source, "captured"));
	table_line(line, file);
	/* Of a camera, the next line has more than its number. */
	if (path[0] && !device) {
		snprintf(line, sizeof(line), "from %s", path);
		table_line(line, file);
	}
	print_device(source, device, file);
}

/* "copy avx2, 1 of 2 threads (enough), 312 us for 2.8 MiB a frame, 9540 MB/s". */
static void print_copy(const cJSON *copy, FILE *file)
{
	double workers = json_number(copy, "workers"), threads = json_number(copy, "threads"), mb_per_second = 0;
	char line[TABLE_LINE_BYTES];
	int n = 1;

	if (!copy)
		return; /* a daemon that does not tell */
	for (const cJSON *rate = json_first(copy, "megabytes_per_second"); rate; rate = rate->next)
		if (n++ == workers && cJSON_IsNumber(rate))
			mb_per_second = rate->valuedouble;
	snprintf(line, sizeof(line), "copy %s, %.0f of %.0f thread%s (%s)", json_text(copy, "cpu"), workers, threads,
		 amount_plural(threads), json_text(copy, "reason"));
	if (mb_per_second > 0)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), ", %s for %s a frame, %.0f MB/s",
			 amount_time(json_number(copy, "frame_us")).text,
			 amount_bytes(json_number(copy, "frame_bytes")).text, mb_per_second);
	table_line(line, file);
}

static void print_limits(const cJSON *status, FILE *file)
{
	const cJSON *bytes = json_get(status, "bytes"), *limits = json_get(status, "limits");

	fprintf(file, "rings %s, private %s of %s; connections %.0f of %.0f\n",
		amount_bytes(json_number(bytes, "rings")).text, amount_bytes(json_number(bytes, "private_rings")).text,
		amount_bytes(json_number(bytes, "private_rings_max")).text, json_number(limits, "connections"),
		json_number(limits, "clients_max"));
}

/* "memory locked 23.6 MiB", or why not all of it is. */
static void print_memory(const cJSON *memory, FILE *file)
{
	const char *reason = json_text(memory, "unlocked_reason");
	char line[TABLE_LINE_BYTES];

	if (!memory)
		return; /* a daemon that does not tell */
	if (reason[0])
		snprintf(line, sizeof(line), "memory not locked: %s", reason);
	else
		snprintf(line, sizeof(line), "memory locked %s",
			 amount_bytes(json_number(memory, "locked_bytes")).text);
	print_sentence(line, file);
}

/* What an older daemon does not tell is left out. */
static void print_control(const cJSON *status, FILE *file)
{
	const cJSON *control = json_get(status, "control");
	const double requests = json_number(control, "requests"), errors = json_number(control, "errors");
	char line[TABLE_LINE_BYTES];

	if (control)
		fprintf(file, "control connections %.0f of %.0f, %.0f request%s, %.0f error%s\n",
			json_number(control, "connections"), json_number(control, "connections_max"), requests,
			amount_plural(requests), errors, amount_plural(errors));
	for (const cJSON *f = json_first(json_get(status, "configuration"), "files"); f; f = f->next) {
		snprintf(line, sizeof(line), "configured by %s", cJSON_IsString(f) ? f->valuestring : "?");
		table_line(line, file);
	}
}

/* --- streams ----------------------------------------------------------------------------------------------------- */

typedef void (*stream_row)(struct table *table, const cJSON *stream, const cJSON *status);

/* A row for each stream that is shown: all that are shared, then so many private ones. Returns how many are not. */
static double each_stream(const cJSON *status, struct table *table, bool all, stream_row row)
{
	unsigned private = 0;

	for (const cJSON *s = json_first(status, "streams"); s; s = s->next)
		if (!json_is_true(s, "private"))
			row(table, s, status);
	for (const cJSON *s = json_first(status, "streams"); s; s = s->next) {
		if (!json_is_true(s, "private"))
			continue;
		if (private < STATUS_SHOWN || all)
			row(table, s, status);
		private++;
	}
	return (all || private < STATUS_SHOWN ? 0 : private - STATUS_SHOWN) + json_number(status, "streams_omitted");
}

static void add_use(struct table *table, const cJSON *stream, const cJSON *status)
{
	table_cell(table, "%s", json_text(stream, "name"));
	table_cell(table, "%s", json_text(stream, "state"));
	if (json_is_true(stream, "private"))
		table_cell(table, "of pid %.0f", json_number(stream, "owner_pid"));
	else
		table_cell(table, "%s", json_is_true(stream, "always") ? "always" : "shared");
	table_cell(table, "%s", in_pixels(json_get(stream, "region"), json_get(status, "source")).text);
	table_cell(table, "%.0f/%.0f", json_number(stream, "cursors_granted"), json_number(stream, "cursors_max"));
	table_cell(table, "%.0f", json_number(stream, "clients"));
}

static void add_ring(struct table *table, const cJSON *stream, const cJSON *status)
{
	(void)status;
	table_cell(table, "%s", json_text(stream, "name"));
	table_cell(table, "%s", amount_bytes(json_number(stream, "bytes")).text);
	table_cell(table, "%.0f", json_number(stream, "slots"));
	table_cell(table, "%.0fx%.0f", json_number(stream, "width_max"), json_number(stream, "height_max"));
	table_cell(table, "%s", json_text(stream, "epoch"));
	table_cell(table, "%.0f", json_number(stream, "generation"));
}

static void add_percentiles(struct table *table, const cJSON *times)
{
	static const char *const keys[] = { "p50", "p99", "max" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		table_cell(table, "%s",
			   json_number(times, "count") > 0 ? amount_time(json_number(times, keys[i])).text : "-");
}

/* What is made, and how long that takes: the copy, and from the frame complete in the capture buffer to its
 * publication. */
static void add_times(struct table *table, const cJSON *stream, const cJSON *status)
{
	(void)status;
	table_cell(table, "%s", json_text(stream, "name"));
	table_cell(table, "%s%s", json_text(stream, "format"), json_number(stream, "bin") == 2 ? " bin 2" : "");
	add_percentiles(table, json_get(stream, "copy_us"));
	add_percentiles(table, json_get(stream, "ready_to_published_us"));
}

/* "30 unread, 4 copy_late", or "none"; what does not fit goes on in a row below, whose `before` cells are empty. */
static void add_losses(struct table *table, const cJSON *stream, unsigned before)
{
	char line[TABLE_CELL_BYTES] = "", loss[TABLE_CELL_BYTES];

	for (const cJSON *cause = json_first(stream, "lost"); cause; cause = cause->next) {
		if (!cJSON_IsNumber(cause) || !cause->string || cause->valuedouble <= 0)
			continue;
		snprintf(loss, sizeof(loss), "%.0f %s", cause->valuedouble, cause->string);
		if (line[0] && strlen(line) + strlen(", ") + strlen(loss) > LOST_WIDTH) {
			table_cell(table, "%s,", line);
			for (unsigned i = 0; i < before; i++)
				table_cell(table, "%s", "");
			line[0] = '\0';
		}
		size_t used = strlen(line);
		snprintf(line + used, sizeof(line) - used, "%s%s", used ? ", " : "", loss);
	}
	table_cell(table, "%s", line[0] ? line : "none");
}

static void add_frames(struct table *table, const cJSON *stream, const cJSON *status)
{
	(void)status;
	table_cell(table, "%s", json_text(stream, "name"));
	table_cell(table, "%.0f", json_number(stream, "published"));
	table_cell(table, "%.0f", json_number(stream, "notices_dropped"));
	add_losses(table, stream, 3);
}

/* Tables below each other, each narrow enough for a terminal of 80 columns. */
static int print_streams(const cJSON *status, bool all, FILE *file)
{
	static const struct {
		stream_row row;
		const char *heads[9];
	} tables[] = {
		{ add_use, { "STREAM", "STATE", "KIND", ">REGION px", ">PINS", ">CLIENTS", NULL } },
		{ add_ring, { "STREAM", ">RING", ">SLOTS", ">CAPACITY px", ">EPOCH", ">GENERATION", NULL } },
		{ add_times, { "STREAM", "FORMAT", ">COPY p50", ">p99", ">max", ">READY p50", ">p99", ">max", NULL } },
		{ add_frames, { "STREAM", ">PUBLISHED", ">DROPPED", "LOST", NULL } },
	};
	double more = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(tables) / sizeof(tables[0]); i++) {
		struct table table;

		table_begin(&table, tables[i].heads);
		more = each_stream(status, &table, all, tables[i].row);
		fputc('\n', file);
		r = table_end(&table, file);
	}
	if (r == 0 && more > 0)
		fprintf(file, "... and %.0f more private one%s%s\n", more, amount_plural(more), all ? "" : " (--all)");
	return r;
}

/* --- clients ----------------------------------------------------------------------------------------------------- */

/* Frames that it did not have, or has not had: who hangs misses none until it looks again. */
static double not_had(const cJSON *client)
{
	return json_number(client, "missed") + json_number(client, "lag");
}

/* Who has trouble stands in front. */
static int compare_clients(const void *a, const void *b)
{
	static const char *const keys[] = { "copied", "notices_dropped" };
	const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;

	if (not_had(x) != not_had(y))
		return not_had(x) < not_had(y) ? 1 : -1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_number(x, keys[i]) != json_number(y, keys[i]))
			return json_number(x, keys[i]) < json_number(y, keys[i]) ? 1 : -1;
	return (json_number(x, "pid") > json_number(y, "pid")) - (json_number(x, "pid") < json_number(y, "pid"));
}

typedef void (*client_row)(struct table *table, const cJSON *client);

static void add_process(struct table *table, const cJSON *client)
{
	table_cell(table, "%.0f", json_number(client, "pid"));
	table_cell(table, "%s", process_name(json_number(client, "pid")).name);
}

static void add_account(struct table *table, const cJSON *client)
{
	static const char *const counts[] = { "seen", "missed", "lag", "copied", "notices_dropped" };

	add_process(table, client);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		table_cell(table, "%.0f", json_number(client, counts[i]));
}

static void add_reading(struct table *table, const cJSON *client)
{
	add_process(table, client);
	table_cell(table, "%.0f", json_number(client, "uid"));
	table_cell(table, "%s", json_text(client, "stream"));
	table_cell(table, "%s", json_text(client, "state"));
	table_cell(table, "%s", json_text(client, "manner"));
	table_cell(table, "%.0f", json_number(client, "cursors"));
}

/* How each fares, then what it is, in the same order. */
static int print_sorted_clients(const cJSON **clients, size_t count, size_t shown, FILE *file)
{
	static const struct {
		client_row row;
		const char *heads[9];
	} tables[] = {
		{ add_account, { ">PID", "PROCESS", ">SEEN", ">MISSED", ">BEHIND", ">COPIED", ">DROPPED", NULL } },
		{ add_reading, { ">PID", "PROCESS", ">UID", "STREAM", "STATE", "WOKEN BY", ">PINS", NULL } },
	};
	int r = 0;

	qsort(clients, count, sizeof(*clients), compare_clients);
	for (size_t i = 0; r == 0 && i < sizeof(tables) / sizeof(tables[0]); i++) {
		struct table table;

		table_begin(&table, tables[i].heads);
		for (size_t n = 0; n < shown; n++)
			tables[i].row(&table, clients[n]);
		fputc('\n', file);
		r = table_end(&table, file);
	}
	return r;
}

static int print_clients(const cJSON *status, bool all, FILE *file)
{
	size_t count = (size_t)cJSON_GetArraySize(json_get(status, "clients")), n = 0;
	size_t shown = all || count < STATUS_SHOWN ? count : STATUS_SHOWN;
	double more = (double)(count - shown) + json_number(status, "clients_omitted");
	const cJSON **clients = calloc(count + 1, sizeof(*clients));
	int r;

	if (!clients)
		return -ENOMEM;
	for (const cJSON *client = json_first(status, "clients"); client; client = client->next)
		clients[n++] = client;
	r = count > 0 ? print_sorted_clients(clients, count, shown, file) : 0;
	free(clients);
	if (r == 0 && count == 0)
		fprintf(file, "\nno clients\n");
	if (r == 0 && more > 0)
		fprintf(file, "... and %.0f more%s\n", more, all ? "" : " (--all)");
	return r;
}

int status_table_print(const char *json, bool all, FILE *file)
{
	cJSON *status = cJSON_ParseWithOpts(json, NULL, true);
	int r = cJSON_IsObject(status) ? 0 : -EBADMSG;

	if (r == 0) {
		print_daemon(status, file);
		print_source(json_get(status, "source"), file);
		print_copy(json_get(status, "copy"), file);
		print_limits(status, file);
		print_memory(json_get(status, "memory"), file);
		print_control(status, file);
		r = print_streams(status, all, file);
	}
	if (r == 0)
		r = print_clients(status, all, file);
	cJSON_Delete(status);
	return r;
}
