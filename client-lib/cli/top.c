/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.c - `lumaring top`: asks the daemon for its status again and again, as `lumaring status` does once, and shows
 * what changed; on a terminal as a screen, else as tables, or as JSON, one after the other. It is no client of any
 * stream.
 *
 * A daemon that goes away is waited for, and told; before the first status, as every other verb does it, with --wait.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "page.h"
#include "session.h"
#include "stop.h"
#include "terminal.h"
#include "top_json.h"
#include "top_sample.h"
#include "top_screen.h"
#include "verbs.h"

#define ANSWER_MS 2000 /* what the daemon has for an answer */
#define SECOND_MS 500  /* the first screen has no rates, so the second comes soon */
#define NS_PER_MS UINT64_C(1000000)
#define REASON_BYTES 320

enum top_manner {
	TOP_SCREEN,
	TOP_TABLES,
	TOP_JSON,
};

struct top {
	const struct options *options;
	enum top_manner manner;
	cJSON *before, *now; /* statuses */
	struct top_sample sample;
	bool away; /* no status was to be had, since: */
	uint64_t away_ns;
	char reason[REASON_BYTES];
	enum top_order order;
	size_t first, page; /* clients left out in front, and those that stand on the screen */
	uint64_t shown;     /* samples */
};

/* --- asking ------------------------------------------------------------------------------------------------------ */

static int ask(const struct options *options, const struct lumaring_options *how, void *result)
{
	char **ret_json = result;

	return lumaring_status(options->camera, how, ret_json);
}

/* The newest status is the one before from now on. */
static int take(struct top *top, const char *json)
{
	cJSON *now = cJSON_ParseWithOpts(json, NULL, true);

	if (!cJSON_IsObject(now)) {
		cJSON_Delete(now);
		return -EBADMSG;
	}
	top_sample_finish(&top->sample);
	cJSON_Delete(top->before);
	top->before = top->now;
	top->now = now;
	return top_sample_make(top->before, top->now, &top->sample);
}

static void note_away(struct top *top)
{
	if (!top->away) {
		top->away_ns = session_now_ns();
		if (top->manner == TOP_TABLES)
			talk("%s; asking again", top->reason);
	}
	top->away = true;
}

static void note_back(struct top *top)
{
	if (top->away && top->manner == TOP_TABLES)
		talk("the daemon is back");
	top->away = false;
}

/* 0 also when there is none, which is noted; -EINTR: a signal came first; other errors are the end. */
static int look(struct top *top)
{
	struct lumaring_options how = LUMARING_OPTIONS_INIT;
	char *json = NULL;
	int r;

	how.runtime_dir = top->options->runtime_dir;
	how.timeout_ms = ANSWER_MS;
	how.error_text = top->reason;
	how.error_bytes = sizeof(top->reason);
	r = lumaring_status(top->options->camera, &how, &json);
	if (r == -EINTR)
		return r;
	if (r == 0)
		r = take(top, json);
	free(json);
	if (r == -EBADMSG)
		snprintf(top->reason, sizeof(top->reason), "the daemon's status is no JSON object");
	if (r == 0)
		note_back(top);
	else
		note_away(top);
	return r == -ENOMEM ? r : 0;
}

/* --- showing ----------------------------------------------------------------------------------------------------- */

static void tell_time(char *text, size_t bytes)
{
	const time_t now = time(NULL);
	struct tm local;

	if (!localtime_r(&now, &local) || strftime(text, bytes, "%H:%M:%S", &local) == 0)
		text[0] = '\0';
}

/* The screen, or the tables; -EPIPE: who read them has had enough. */
static int show_tables(struct top *top)
{
	const struct terminal_size size = terminal_size();
	const bool screen = top->manner == TOP_SCREEN;
	struct top_view view = { .order = top->order, .first = top->first };
	struct output output;
	char clock[32];
	struct page page;
	int r = page_begin(&page);

	tell_time(clock, sizeof(clock));
	view.clock = clock;
	if (screen) {
		view.columns = size.columns;
		view.rows = size.rows;
	}
	if (top->away) {
		view.away = top->reason;
		view.away_us = (double)(session_now_ns() - top->away_ns) / 1000;
	}
	top_sample_sort(&top->sample, top->order);
	if (r == 0)
		r = top_screen_print(&top->sample, &view, page.file, &top->page);
	if (r == 0 && !screen)
		fputc('\n', page.file);
	if (r == 0 && fflush(page.file) != 0)
		r = -ENOMEM;
	if (r == 0 && screen) {
		r = terminal_draw(page.text, page.bytes);
	} else if (r == 0) {
		output_init(&output, STDOUT_FILENO);
		r = output_put(&output, page.text, page.bytes);
		if (r == 0)
			r = output_flush(&output);
	}
	page_drop(&page);
	return r;
}

static int show_json(struct top *top)
{
	struct output output;
	char *line = top->away ? top_json_away(options_camera(top->options), top->reason) : top_json(&top->sample);
	int r;

	if (!line)
		return -ENOMEM;
	output_init(&output, STDOUT_FILENO);
	r = output_put(&output, line, strlen(line));
	if (r == 0)
		r = output_flush(&output);
	free(line);
	return r;
}

/* Tables and JSON have rates from the first on; a screen has to show something. */
static int show(struct top *top)
{
	const bool has_rates = !top->away && top->sample.interval_us > 0;

	if (top->manner != TOP_SCREEN && !has_rates && !(top->manner == TOP_JSON && top->away))
		return 0;
	top->shown += has_rates;
	return top->manner == TOP_JSON ? show_json(top) : show_tables(top);
}

/* --- keys -------------------------------------------------------------------------------------------------------- */

static void scroll(struct top *top, long by)
{
	const size_t count = top->sample.client_count;

	if (by < 0)
		top->first = top->first > (size_t)-by ? top->first - (size_t)-by : 0;
	else
		top->first += (size_t)by;
	if (top->first + top->page > count)
		top->first = count > top->page ? count - top->page : 0;
}

enum top_wish {
	WISH_NONE,
	WISH_DRAW, /* the same anew */
	WISH_LOOK, /* now */
	WISH_QUIT,
};

static enum top_wish sort_by(struct top *top, enum top_order order)
{
	top->order = order;
	top->first = 0;
	return WISH_DRAW;
}

static enum top_wish scroll_by(struct top *top, long by)
{
	scroll(top, by);
	return WISH_DRAW;
}

static enum top_wish obey(struct top *top, int key)
{
	const long page = top->page > 1 ? (long)top->page - 1 : 1, all = (long)top->sample.client_count;

	switch (key) {
	case 'q':
	case 'Q':
	case TERMINAL_ESCAPE:
	case TERMINAL_END:
		return WISH_QUIT;
	case ' ':
		return WISH_LOOK;
	case 'l':
		return sort_by(top, TOP_BY_LAG);
	case 'm':
		return sort_by(top, TOP_BY_MISSED);
	case 's':
		return sort_by(top, TOP_BY_STREAM);
	case 'p':
		return sort_by(top, TOP_BY_PID);
	case TERMINAL_UP:
		return scroll_by(top, -1);
	case TERMINAL_DOWN:
		return scroll_by(top, 1);
	case TERMINAL_PAGE_UP:
		return scroll_by(top, -page);
	case TERMINAL_PAGE_DOWN:
		return scroll_by(top, page);
	case TERMINAL_HOME:
		return scroll_by(top, -all);
	case TERMINAL_LAST:
		return scroll_by(top, all);
	case TERMINAL_CHANGED:
		return WISH_DRAW;
	}
	return WISH_NONE;
}

/* --- the loop ---------------------------------------------------------------------------------------------------- */

/* What is left until then, rounded up. */
static int left_ms(uint64_t due_ns)
{
	const uint64_t now_ns = session_now_ns();

	return due_ns > now_ns ? (int)((due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

/* Until it is time for the next look. 1: it is; 0: quit; or a negative errno. */
static int wait_until(struct top *top, uint64_t due_ns)
{
	for (;;) {
		const int key = terminal_key(left_ms(due_ns));
		const enum top_wish wish = obey(top, key);
		int r = 0;

		if (wish == WISH_QUIT)
			return 0;
		if (key == TERMINAL_NONE || wish == WISH_LOOK)
			return 1;
		if (wish == WISH_DRAW && top->manner == TOP_SCREEN)
			r = show_tables(top);
		if (r < 0)
			return r;
	}
}

static int first_interval_ms(const struct top *top)
{
	const int interval_ms = top->options->interval_ms;

	return top->manner == TOP_SCREEN && interval_ms > SECOND_MS ? SECOND_MS : interval_ms;
}

/* 0, or a negative errno, -EINTR for a signal that asks to end. */
static int run(struct top *top)
{
	uint64_t due_ns = session_now_ns() + (uint64_t)first_interval_ms(top) * NS_PER_MS;
	int r = show(top);

	while (r == 0 && (!top->options->count || top->shown < top->options->count)) {
		r = wait_until(top, due_ns);
		if (r <= 0)
			return r;
		r = look(top);
		if (r == -EINTR) { /* the signal is obeyed in wait_until(), then this is done again */
			r = 0;
			continue;
		}
		/* From now on, so that a machine that was suspended does not catch up. */
		due_ns = session_now_ns() + (uint64_t)top->options->interval_ms * NS_PER_MS;
		if (r == 0)
			r = show(top);
	}
	return r;
}

/* How it ended, told. */
static int exit_code(int r)
{
	if (stop_signal() == SIGHUP)
		return 128 + SIGHUP;
	if (r == 0 || r == -EINTR || r == -EPIPE)
		return CODE_OK;
	if (r == -ENOMEM)
		talk("out of memory");
	else
		talk("cannot write to standard output: %s", strerror(-r));
	return CODE_FAILED;
}

static int run_on_terminal(struct top *top)
{
	int r = terminal_enter();

	if (r == 0)
		r = run(top);
	terminal_leave();
	return r;
}

static enum top_manner manner_of(const struct options *options)
{
	if (options->json)
		return TOP_JSON;
	return terminal_is_screen() ? TOP_SCREEN : TOP_TABLES;
}

int top_run(const struct options *options)
{
	struct lumaring_options how = LUMARING_OPTIONS_INIT;
	struct top top = { .options = options, .manner = manner_of(options) };
	char *json = NULL;
	int code = session_ask(options, &how, ask, &json), r;

	if (code != CODE_OK)
		return stop_signal() ? CODE_OK : code;
	r = take(&top, json);
	free(json);
	if (r == -EBADMSG)
		talk("the daemon's status is no JSON object; 'lumaring status --json' shows it as it came");
	if (r == 0)
		r = top.manner == TOP_SCREEN ? run_on_terminal(&top) : run(&top);
	code = r == -EBADMSG ? CODE_FAILED : exit_code(r);
	top_sample_finish(&top.sample);
	cJSON_Delete(top.before);
	cJSON_Delete(top.now);
	return code;
}
