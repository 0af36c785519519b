/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status_table.c - see status_table.h. The only file of the tool that includes cJSON.h. A key that is missing counts as
 * 0 or "", so that the tool can read a daemon of any version; numbers beyond 2^53 lose digits, which --json keeps.
 */
#include "status_table.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table.h"

/* --- reading ----------------------------------------------------------------------------------------------------- */

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static double number(const cJSON *object, const char *key)
{
	const cJSON *item = get(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *text(const cJSON *object, const char *key)
{
	const cJSON *item = get(object, key);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static bool is_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(get(object, key));
}

/* The first item of an array, the others are linked by `next`. */
static const cJSON *first(const cJSON *object, const char *key)
{
	const cJSON *item = get(object, key);

	return item ? item->child : NULL;
}

/* --- words for numbers ------------------------------------------------------------------------------------------- */

struct words {
	char text[64];
};

static struct words in_bytes(double bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	struct words words;
	unsigned unit = 0;

	if (bytes < 1024) {
		snprintf(words.text, sizeof(words.text), "%.0f B", bytes);
		return words;
	}
	for (bytes /= 1024; bytes >= 1023.95 && unit < 3; unit++)
		bytes /= 1024;
	snprintf(words.text, sizeof(words.text), "%.1f %s", bytes, units[unit]);
	return words;
}

static struct words in_days(double us)
{
	unsigned long s = us > 0 && us < 1e18 ? (unsigned long)(us / 1000000) : 0;
	struct words words;

	if (s < 60)
		snprintf(words.text, sizeof(words.text), "%lu s", s);
	else if (s < 3600)
		snprintf(words.text, sizeof(words.text), "%lu min %lu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(words.text, sizeof(words.text), "%lu h %lu min", s / 3600, s / 60 % 60);
	else
		snprintf(words.text, sizeof(words.text), "%lu d %lu h", s / 86400, s / 3600 % 24);
	return words;
}

/* Decimals of a rate: none that nobody measured. */
static int decimals(double hertz)
{
	return hertz < 999.95;
}

/* "640x480", and "+X+Y" when it is a part of the image. */
static struct words in_pixels(const cJSON *region, const cJSON *source)
{
	double width = number(region, "width"), height = number(region, "height");
	struct words words;
	int n = snprintf(words.text, sizeof(words.text), "%.0fx%.0f", width, height);

	if ((width != number(source, "width") || height != number(source, "height")) && n < (int)sizeof(words.text))
		snprintf(words.text + n, sizeof(words.text) - (size_t)n, "+%.0f+%.0f", number(region, "x"),
			 number(region, "y"));
	return words;
}

/* --- the head ---------------------------------------------------------------------------------------------------- */

static void print_daemon(const cJSON *status, FILE *file)
{
	const cJSON *loop = get(status, "loop");
	const char *fallback = text(loop, "fallback_reason");
	char line[1024], safe[1024];

	snprintf(line, sizeof(line), "%s: lumaringd %s, pid %.0f, up %s, loop %s%s%s%s", text(status, "camera"),
		 text(status, "version"), number(status, "pid"), in_days(number(status, "uptime_us")).text,
		 text(loop, "main"), fallback[0] ? " (" : "", fallback, fallback[0] ? ")" : "");
	table_safe(safe, sizeof(safe), line);
	fprintf(file, "%s\n", safe);
}

/* ", 50.0 frames/s of 56.0": as measured, and as asked for; "" when neither is known. */
static struct words in_rates(const cJSON *source)
{
	double asked_us = number(source, "frame_duration_us"), ns = number(source, "measured_frame_duration_ns");
	double asked = asked_us > 0 ? 1e6 / asked_us : 0, rate;
	struct words words = { "" };

	if (ns <= 0) /* a daemon that tells microseconds only */
		ns = number(source, "measured_frame_duration_us") * 1000;
	rate = ns > 0 ? 1e9 / ns : 0;
	if (rate > 0 && asked > 0)
		snprintf(words.text, sizeof(words.text), ", %.*f frames/s of %.*f", decimals(rate), rate,
			 decimals(asked), asked);
	else if (rate > 0)
		snprintf(words.text, sizeof(words.text), ", %.*f frames/s", decimals(rate), rate);
	else if (asked > 0)
		snprintf(words.text, sizeof(words.text), ", %.*f frames/s asked for", decimals(asked), asked);
	return words;
}

static void print_source(const cJSON *source, FILE *file)
{
	const char *path = text(source, "path");
	char line[4400], safe[4400];

	snprintf(line, sizeof(line), "source %s%s%s: %s, %.0fx%.0f%s, %.0f captured", text(source, "name"),
		 path[0] ? " " : "", path, text(source, "state"), number(source, "width"), number(source, "height"),
		 in_rates(source).text, number(source, "captured"));
	table_safe(safe, sizeof(safe), line);
	fprintf(file, "%s\n", safe);
}

static void print_limits(const cJSON *status, FILE *file)
{
	const cJSON *bytes = get(status, "bytes"), *limits = get(status, "limits");

	fprintf(file, "rings %s, private ones %s of %s; connections %.0f of %.0f\n",
		in_bytes(number(bytes, "rings")).text, in_bytes(number(bytes, "private_rings")).text,
		in_bytes(number(bytes, "private_rings_max")).text, number(limits, "connections"),
		number(limits, "clients_max"));
}

/* --- streams ----------------------------------------------------------------------------------------------------- */

typedef void (*stream_row)(struct table *table, const cJSON *stream, const cJSON *status);

/* A row for each stream that is shown: all that are shared, then so many private ones. Returns how many are not. */
static double each_stream(const cJSON *status, struct table *table, bool all, stream_row row)
{
	unsigned private = 0;

	for (const cJSON *s = first(status, "streams"); s; s = s->next)
		if (!is_true(s, "private"))
			row(table, s, status);
	for (const cJSON *s = first(status, "streams"); s; s = s->next) {
		if (!is_true(s, "private"))
			continue;
		if (private < STATUS_SHOWN || all)
			row(table, s, status);
		private++;
	}
	return (all || private < STATUS_SHOWN ? 0 : private - STATUS_SHOWN) + number(status, "streams_omitted");
}

static void add_stream(struct table *table, const cJSON *stream, const cJSON *status)
{
	table_cell(table, "%s", text(stream, "name"));
	table_cell(table, "%s", text(stream, "state"));
	table_cell(table, "%s", in_pixels(get(stream, "region"), get(status, "source")).text);
	table_cell(table, "%.0fx%.0f", number(stream, "width_max"), number(stream, "height_max"));
	table_cell(table, "%.0f", number(stream, "slots"));
	table_cell(table, "%s", in_bytes(number(stream, "bytes")).text);
	table_cell(table, "%.0f/%.0f", number(stream, "cursors_granted"), number(stream, "cursors_max"));
	table_cell(table, "%.0f", number(stream, "clients"));
	table_cell(table, "%s", text(stream, "epoch"));
	table_cell(table, "%.0f", number(stream, "generation"));
	if (is_true(stream, "private"))
		table_cell(table, "of pid %.0f", number(stream, "owner_pid"));
	else
		table_cell(table, "%s", is_true(stream, "always") ? "always" : "shared");
}

static int print_streams(const cJSON *status, bool all, FILE *file)
{
	static const char *const heads[] = { "STREAM", "STATE",    ">REGION", ">CAPACITY",   ">SLOTS", ">SIZE",
					     ">PINS",  ">CLIENTS", ">EPOCH",  ">GENERATION", "KIND",   NULL };
	struct table table;
	double more;
	int r;

	table_begin(&table, heads);
	more = each_stream(status, &table, all, add_stream);
	fputc('\n', file);
	r = table_end(&table, file);
	if (r == 0 && more > 0)
		fprintf(file, "... and %.0f more private ones%s\n", more, all ? "" : " (--all)");
	return r;
}

static void add_times(struct table *table, const cJSON *times)
{
	static const char *const keys[] = { "p50", "p99", "max" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (number(times, "count") > 0)
			table_cell(table, "%.0f", number(times, keys[i]));
		else
			table_cell(table, "-");
	}
}

/* "30 unread, 4 copy_late", or "none". */
static void add_losses(struct table *table, const cJSON *stream)
{
	char line[TABLE_CELL_BYTES] = "none";
	size_t used = 0;

	for (const cJSON *cause = first(stream, "lost"); cause; cause = cause->next) {
		if (!cJSON_IsNumber(cause) || !cause->string || cause->valuedouble <= 0 || used >= sizeof(line))
			continue;
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%.0f %s", used ? ", " : "",
					 cause->valuedouble, cause->string);
	}
	table_cell(table, "%s", line);
}

static void add_frames(struct table *table, const cJSON *stream, const cJSON *status)
{
	(void)status;
	table_cell(table, "%s", text(stream, "name"));
	table_cell(table, "%.0f", number(stream, "published"));
	add_times(table, get(stream, "copy_us"));
	add_times(table, get(stream, "ready_to_published_us"));
	table_cell(table, "%.0f", number(stream, "notices_dropped"));
	add_losses(table, stream);
}

/* Microseconds: of the copy, and from the frame complete in the capture buffer to its publication. */
static int print_frames(const cJSON *status, bool all, FILE *file)
{
	static const char *const heads[] = { "STREAM", ">PUBLISHED", ">COPY us p50", ">p99", ">max", ">READY us p50",
					     ">p99",   ">max",       ">DROPPED",     "LOST", NULL };
	struct table table;

	table_begin(&table, heads);
	each_stream(status, &table, all, add_frames);
	fputc('\n', file);
	return table_end(&table, file);
}

/* --- clients ----------------------------------------------------------------------------------------------------- */

/* Frames that it did not have, or has not had: who hangs misses none until it looks again. */
static double not_had(const cJSON *client)
{
	return number(client, "missed") + number(client, "lag");
}

/* Who has trouble stands in front. */
static int compare_clients(const void *a, const void *b)
{
	static const char *const keys[] = { "copied", "notices_dropped" };
	const cJSON *x = *(const cJSON *const *)a, *y = *(const cJSON *const *)b;

	if (not_had(x) != not_had(y))
		return not_had(x) < not_had(y) ? 1 : -1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (number(x, keys[i]) != number(y, keys[i]))
			return number(x, keys[i]) < number(y, keys[i]) ? 1 : -1;
	return (number(x, "pid") > number(y, "pid")) - (number(x, "pid") < number(y, "pid"));
}

/* "?" for a process that is gone, or of another machine's numbers. */
static struct words process_name(double pid)
{
	struct words words = { "?" };
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.0f/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return words;
	n = read(fd, words.text, sizeof(words.text) - 1);
	close(fd);
	words.text[n > 0 ? n : 0] = '\0';
	words.text[strcspn(words.text, "\n")] = '\0';
	return words;
}

static void add_client(struct table *table, const cJSON *client)
{
	static const char *const counts[] = { "cursors", "seen", "missed", "copied", "lag", "notices_dropped" };

	table_cell(table, "%.0f", number(client, "pid"));
	table_cell(table, "%s", process_name(number(client, "pid")).text);
	table_cell(table, "%.0f", number(client, "uid"));
	table_cell(table, "%s", text(client, "stream"));
	table_cell(table, "%s", text(client, "state"));
	table_cell(table, "%s", text(client, "manner"));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		table_cell(table, "%.0f", number(client, counts[i]));
}

static int print_sorted_clients(const cJSON **clients, size_t count, size_t shown, FILE *file)
{
	static const char *const heads[] = { ">PID",  "PROCESS", ">UID",    "STREAM",  "STATE",    "WOKEN BY", ">PINS",
					     ">SEEN", ">MISSED", ">COPIED", ">BEHIND", ">DROPPED", NULL };
	struct table table;

	qsort(clients, count, sizeof(*clients), compare_clients);
	table_begin(&table, heads);
	for (size_t i = 0; i < shown; i++)
		add_client(&table, clients[i]);
	fputc('\n', file);
	return table_end(&table, file);
}

static int print_clients(const cJSON *status, bool all, FILE *file)
{
	size_t count = (size_t)cJSON_GetArraySize(get(status, "clients")), n = 0;
	size_t shown = all || count < STATUS_SHOWN ? count : STATUS_SHOWN;
	double more = (double)(count - shown) + number(status, "clients_omitted");
	const cJSON **clients = calloc(count + 1, sizeof(*clients));
	int r;

	if (!clients)
		return -ENOMEM;
	for (const cJSON *client = first(status, "clients"); client; client = client->next)
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
		print_source(get(status, "source"), file);
		print_limits(status, file);
		r = print_streams(status, all, file);
	}
	if (r == 0)
		r = print_frames(status, all, file);
	if (r == 0)
		r = print_clients(status, all, file);
	cJSON_Delete(status);
	return r;
}
