/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_screen.c - see top_screen.h. The head, a row for each stream with a line for its losses, then the clients, as far
 * as there are lines.
 */
#include "top_screen.h"

#include <stdarg.h>
#include <string.h>

#include "amount.h"
#include "table.h"
#include "top_rows.h"

#define STREAM_LINES_MIN 4u /* the head, a stream with its losses, and what is left out */
#define ROWS_FOR_KEYS 12u   /* a screen that has a line for what keys do */

static const char keys_text[] = "q quit  by: l lag  m missed  s stream  p pid  up, down: more clients  space: now";
static const char keys_short[] = "q quit  sort l m s p  up down  space";

enum style {
	STYLE_PLAIN,
	STYLE_HEAD, /* of a table */
	STYLE_LOUD, /* trouble */
};

struct screen {
	FILE *file;
	unsigned columns, rows; /* 0: no limit */
	unsigned lines;         /* so far */
};

/* --- lines ------------------------------------------------------------------------------------------------------- */

static unsigned lines_left(const struct screen *screen)
{
	if (!screen->rows)
		return 1000000;
	return screen->rows > screen->lines ? screen->rows - screen->lines : 0;
}

static void put_line(struct screen *screen, enum style style, const char *text)
{
	static const char *const begins[] = { "", "\033[7m", "\033[1m" };
	char safe[TABLE_LINE_BYTES];
	int width = 0;

	if (!lines_left(screen))
		return;
	table_safe(safe, sizeof(safe), text);
	if (!screen->columns) {
		fprintf(screen->file, "%s\n", safe);
	} else {
		width = style == STYLE_HEAD ? (int)screen->columns : 0; /* a bar from side to side */
		fprintf(screen->file, "%s%s%-*.*s%s\033[K", screen->lines ? "\r\n" : "\033[H", begins[style], width,
			(int)screen->columns, safe, style == STYLE_PLAIN ? "" : "\033[0m");
	}
	screen->lines++;
}

static void put_format(struct screen *screen, enum style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void put_format(struct screen *screen, enum style style, const char *format, ...)
{
	char text[TABLE_LINE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	put_line(screen, style, text);
}

/* --- the head ---------------------------------------------------------------------------------------------------- */

static const char *or_dash(double known, const char *text)
{
	return known >= 0 ? text : "-";
}

static struct amount rate_of(double hz)
{
	struct amount amount;

	snprintf(amount.text, sizeof(amount.text), "%s", or_dash(hz, amount_rate(hz).text));
	return amount;
}

/* "09:12:33  cam0 live, 2304x1296 R8, 56.0 frames/s of 56.0, up 3 h 12 min, lumaringd 0.1.0, pid 1234". */
static void put_camera(struct screen *screen, const struct top_sample *sample, const char *clock)
{
	const cJSON *now = sample->now, *source = json_get(now, "source");
	const double asked_us = json_number(source, "frame_duration_us");
	const char *state = json_text(source, "state");

	put_format(screen, strcmp(state, "live") == 0 ? STYLE_PLAIN : STYLE_LOUD,
		   "%s  %s %s, %.0fx%.0f %s, %s frames/s%s%s, up %s, lumaringd %s, pid %.0f", clock,
		   json_text(now, "camera"), state, json_number(source, "width"), json_number(source, "height"),
		   json_text(source, "format"), rate_of(sample->captured_hz).text, asked_us > 0 ? " of " : "",
		   asked_us > 0 ? amount_rate(1e6 / asked_us).text : "", amount_age(json_number(now, "uptime_us")).text,
		   json_text(now, "version"), json_number(now, "pid"));
}

/* "source libcamera: 6 buffers of 4.3 MiB, dma-heap system, cached; YUV420 of imx708". */
static void put_source(struct screen *screen, const cJSON *source)
{
	const cJSON *device = json_get(source, "device");
	const char *reason = json_text(device, "state_reason"), *path = json_text(source, "path");
	const double buffers = json_number(device, "buffer_count");

	if (device)
		put_format(screen, STYLE_PLAIN, "source %s: %.0f buffer%s of %s, %s, %s; %s of %s",
			   json_text(source, "name"), buffers, amount_plural(buffers),
			   amount_bytes(json_number(device, "buffer_bytes")).text, json_text(device, "memory"),
			   json_text(source, "memory"), json_text(device, "format"), json_text(device, "camera"));
	else
		put_format(screen, STYLE_PLAIN, "source %s: %s buffers%s%s", json_text(source, "name"),
			   json_text(source, "memory"), path[0] ? ", from " : "", path);
	if (reason[0])
		put_format(screen, STYLE_LOUD, "camera %s: %s", json_text(device, "state"), reason);
}

/* 10^6 bytes a second with as many threads as copy now; 0: not measured. */
static double copy_speed(const cJSON *copy)
{
	const double workers = json_number(copy, "workers");
	double n = 1;

	for (const cJSON *speed = json_first(copy, "megabytes_per_second"); speed; speed = speed->next)
		if (n++ == workers && cJSON_IsNumber(speed))
			return speed->valuedouble;
	return 0;
}

/* "copy 0.167 GB/s by avx2, 1 of 2 threads (enough); 312 us a frame, at 9.54 GB/s". */
static void put_copy(struct screen *screen, const struct top_sample *sample)
{
	const cJSON *copy = json_get(sample->now, "copy");
	const double speed = copy_speed(copy), threads = json_number(copy, "threads");
	char now[64] = "-", each[128] = "";

	if (sample->copied_bytes_hz >= 0)
		snprintf(now, sizeof(now), "%.3f", sample->copied_bytes_hz / 1e9);
	if (speed > 0)
		snprintf(each, sizeof(each), "; %s a frame, at %.2f GB/s",
			 amount_time(json_number(copy, "frame_us")).text, speed / 1000);
	put_format(screen, STYLE_PLAIN, "copy %s GB/s by %s, %.0f of %.0f thread%s (%s)%s", now, json_text(copy, "cpu"),
		   json_number(copy, "workers"), threads, amount_plural(threads), json_text(copy, "reason"), each);
}

/* "cpu 2.1 % of one core, 380 us a frame; loops io_uring; rings 45.0 MiB; 4 connections of 512". */
static void put_daemon(struct screen *screen, const struct top_sample *sample)
{
	const cJSON *now = sample->now, *limits = json_get(now, "limits"), *loop = json_get(now, "loop");
	const char *main = json_text(loop, "main"), *capture = json_text(loop, "capture");
	const double connections = json_number(limits, "connections");
	const bool alike = strcmp(main, capture) == 0;
	char cpu[64] = "-";

	if (sample->cpu_percent >= 0)
		snprintf(cpu, sizeof(cpu), "%.1f %%", sample->cpu_percent);
	put_format(screen, STYLE_PLAIN,
		   "cpu %s of one core, %s a frame; loops %s%s%s; rings %s; %.0f connection%s of %.0f", cpu,
		   or_dash(sample->cpu_per_frame_us, amount_time(sample->cpu_per_frame_us).text), main,
		   alike ? "" : " and ", alike ? "" : capture,
		   amount_bytes(json_number(json_get(now, "bytes"), "rings")).text, connections,
		   amount_plural(connections), json_number(limits, "clients_max"));
}

/* --- streams ----------------------------------------------------------------------------------------------------- */

/* "  lost 1234 unread (+56.0/s), 3 no_slot"; nothing where nothing was lost. */
static void put_losses(struct screen *screen, const struct top_sample *sample, const struct top_stream *stream)
{
	char line[TABLE_LINE_BYTES] = "";
	size_t used = 0;

	for (const cJSON *cause = json_first(stream->now, "lost"); cause; cause = cause->next) {
		double hz;

		if (!cJSON_IsNumber(cause) || !cause->string || cause->valuedouble <= 0 || used >= sizeof(line))
			continue;
		hz = top_sample_lost_hz(sample, stream, cause->string);
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%.0f %s%s%s%s", used ? ", " : "  lost ",
					 cause->valuedouble, cause->string, hz > 0 ? " (+" : "",
					 hz > 0 ? amount_rate(hz).text : "", hz > 0 ? "/s)" : "");
	}
	if (used > 0)
		put_line(screen, stream->lost_hz > 0 ? STYLE_LOUD : STYLE_PLAIN, line);
}

static unsigned lines_of(const struct top_stream *stream)
{
	for (const cJSON *cause = json_first(stream->now, "lost"); cause; cause = cause->next)
		if (cJSON_IsNumber(cause) && cause->valuedouble > 0)
			return 2;
	return 1;
}

/* As many as so many lines have room for, and how many are left. */
static int put_streams(struct screen *screen, const struct top_sample *sample, unsigned lines)
{
	const double omitted = json_number(sample->now, "streams_omitted");
	struct top_rows rows;
	unsigned used = 1;
	double left;
	size_t i;
	int r = top_rows_of_streams(sample, screen->columns, &rows);

	if (r < 0)
		return r;
	put_line(screen, STYLE_HEAD, rows.line[0]);
	for (i = 0; i < sample->stream_count; i++) {
		const struct top_stream *stream = &sample->streams[i];

		/* A line for what is left, unless this is all. */
		if (used + lines_of(stream) + (i + 1 < sample->stream_count || omitted > 0) > lines)
			break;
		put_line(screen, stream->lost_hz > 0 ? STYLE_LOUD : STYLE_PLAIN, rows.line[i + 1]);
		put_losses(screen, sample, stream);
		used += lines_of(stream);
	}
	left = (double)(sample->stream_count - i) + omitted;
	if (left > 0)
		put_format(screen, STYLE_PLAIN, "... and %.0f more stream%s", left, amount_plural(left));
	top_rows_free(&rows);
	return 0;
}

/* --- clients ----------------------------------------------------------------------------------------------------- */

/* It misses frames now, or will when it looks again: there are more than the ring holds. */
static bool in_trouble(const struct top_sample *sample, const struct top_client *client)
{
	if (client->missed_hz > 0)
		return true;
	for (size_t i = 0; i < sample->stream_count; i++)
		if (strcmp(json_text(sample->streams[i].now, "name"), json_text(client->now, "stream")) == 0)
			return json_number(client->now, "lag") > json_number(sample->streams[i].now, "slots");
	return false;
}

/* "... 20 more above, 37 more". */
static void put_rest(struct screen *screen, size_t above, double below)
{
	if (above > 0 && below > 0)
		put_format(screen, STYLE_PLAIN, "... %zu more above, and %.0f more", above, below);
	else if (above > 0)
		put_format(screen, STYLE_PLAIN, "... %zu more above", above);
	else if (below > 0)
		put_format(screen, STYLE_PLAIN, "... and %.0f more", below);
}

static int put_some_clients(struct screen *screen, const struct top_sample *sample, size_t first, size_t count)
{
	struct top_rows rows;
	int r = top_rows_of_clients(sample, first, count, screen->columns, &rows);

	if (r < 0)
		return r;
	put_line(screen, STYLE_HEAD, rows.line[0]);
	for (size_t i = 0; i < count; i++)
		put_line(screen, in_trouble(sample, &sample->clients[first + i]) ? STYLE_LOUD : STYLE_PLAIN,
			 rows.line[i + 1]);
	top_rows_free(&rows);
	return 0;
}

/* In so many lines. Scrolled too far, the last page stands there. */
static int put_clients(struct screen *screen, const struct top_sample *sample, size_t first, unsigned lines,
		       size_t *ret_count)
{
	const double omitted = json_number(sample->now, "clients_omitted"),
		     all = (double)sample->client_count + omitted;
	size_t room = lines > 0 ? lines - 1 : 0, count = sample->client_count;
	int r;

	*ret_count = 0;
	if (count == 0 && omitted == 0) {
		put_line(screen, STYLE_PLAIN, "no clients");
		return 0;
	}
	if (lines < 3 && (count > room || omitted > 0)) {
		put_format(screen, STYLE_PLAIN, "%.0f client%s, for whom there is no line", all, amount_plural(all));
		return 0;
	}
	if (count > room || omitted > 0) {
		room--; /* a line for what is left */
		first = first + room > count ? count - (room < count ? room : count) : first;
		count = room < count - first ? room : count - first;
	} else {
		first = 0;
	}
	r = put_some_clients(screen, sample, first, count);
	if (r == 0)
		put_rest(screen, first, (double)(sample->client_count - first - count) + omitted);
	*ret_count = count;
	return r;
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

/* On as many lines as it takes, broken between words: what to do may stand at the end of it. */
static void put_sentence(struct screen *screen, const char *sentence)
{
	while (screen->columns && strlen(sentence) > screen->columns) {
		size_t end = screen->columns;

		while (end > 0 && sentence[end] != ' ')
			end--;
		if (end == 0)
			break; /* one word */
		put_format(screen, STYLE_LOUD, "%.*s", (int)end, sentence);
		sentence += end + 1;
	}
	put_line(screen, STYLE_LOUD, sentence);
}

static void put_away(struct screen *screen, const struct top_view *view)
{
	char sentence[TABLE_LINE_BYTES];

	snprintf(sentence, sizeof(sentence), "%s  no status for %s, asking again: %s", view->clock,
		 amount_age(view->away_us).text, view->away);
	put_sentence(screen, sentence);
}

static int put_sample(struct screen *screen, const struct top_sample *sample, const struct top_view *view,
		      size_t *ret_clients)
{
	const bool keys = screen->rows >= ROWS_FOR_KEYS;
	unsigned left;
	int r;

	put_camera(screen, sample, view->clock);
	put_source(screen, json_get(sample->now, "source"));
	put_copy(screen, sample);
	put_daemon(screen, sample);
	put_line(screen, STYLE_PLAIN, "");
	left = lines_left(screen);
	/* Streams have at most half of what is there, and clients what they leave. */
	r = put_streams(screen, sample, screen->rows && left / 2 > STREAM_LINES_MIN ? left / 2 : left);
	if (r < 0)
		return r;
	put_line(screen, STYLE_PLAIN, "");
	left = lines_left(screen);
	r = put_clients(screen, sample, view->first, keys && left > 0 ? left - 1 : left, ret_clients);
	while (keys && lines_left(screen) > 1)
		put_line(screen, STYLE_PLAIN, "");
	if (keys)
		put_line(screen, STYLE_PLAIN, screen->columns < sizeof(keys_text) ? keys_short : keys_text);
	return r;
}

int top_screen_print(const struct top_sample *sample, const struct top_view *view, FILE *file, size_t *ret_clients)
{
	struct screen screen = { .file = file, .columns = view->columns, .rows = view->rows };
	int r = 0;

	*ret_clients = 0;
	if (view->away)
		put_away(&screen, view);
	else
		r = put_sample(&screen, sample, view, ret_clients);
	if (view->columns)
		fputs("\033[J", file);
	return r;
}
