/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_wake.h - the section "wake-ups" of `make bench`: many clients, by each way in which the daemon can wake them,
 * beside the floor. A part of bench.c.
 *
 * A first run with one client tells what the clients after it cost, and whether this build, kernel and library can do
 * it at all: what is refused has the reason in its row. Then all others take turns.
 */
#ifndef LUMARING_TESTS_BENCH_WAKE_H
#define LUMARING_TESTS_BENCH_WAKE_H

#include "bench_run.h"
#include "bench_table.h"

#define WAKE_REPEATS 3u

static const struct manner wake_manners[] = {
	{ "floor", "floor", NULL }, /* the first: the others are compared with it */
	{ "--io epoll", "lumaring", "epoll" },
	{ "--io uring", "lumaring", "uring" },
	{ "--io uring, wake word", "lumaring-futex", "uring" },
};

#define WAKE_MANNERS (sizeof(wake_manners) / sizeof(wake_manners[0]))

struct wake_row {
	struct result one; /* with one client */
	struct result results[REPEATS_MAX];
	char refusal[256]; /* "": it was not */
};

static struct spread wake_spread(const struct wake_row *row, enum figure figure, unsigned repeats)
{
	double values[REPEATS_MAX];

	for (unsigned i = 0; i < repeats; i++)
		values[i] = row->results[i].us[figure];
	return spread_of(values, repeats);
}

/* " 1012 [990..1050], 1.05 |": the last is the ratio to the floor of the same turn. */
static void print_figure(const struct wake_row *row, const struct wake_row *floor, enum figure figure, unsigned repeats)
{
	struct spread s = wake_spread(row, figure, repeats);
	double ratios[REPEATS_MAX];
	char text[CELL_BYTES];

	spread_text(text, &s, 0);
	for (unsigned i = 0; i < repeats; i++)
		ratios[i] = row->results[i].us[figure] / floor->results[i].us[figure];
	if (row == floor)
		printf(" %s |", text);
	else
		printf(" %s, %.2f |", text, spread_of(ratios, repeats).median);
}

static void print_row(const char *name, const struct wake_row *row, const struct wake_row *floor, unsigned clients,
		      unsigned repeats)
{
	double daemon_us = wake_spread(row, DAEMON, repeats).median;
	uint64_t missed = 0, frames = 0;
	unsigned clients_missed = 0, balanced = 0;

	for (unsigned i = 0; i < repeats; i++) {
		missed += row->results[i].missed;
		frames += row->results[i].frames * clients;
		clients_missed += row->results[i].clients_missed;
		balanced += row->results[i].balanced;
	}
	printf("| %s |", name);
	print_figure(row, floor, P50, repeats);
	print_figure(row, floor, P99, repeats);
	print_figure(row, floor, DAEMON, repeats);
	printf(" %.2f |", (daemon_us - row->one.us[DAEMON]) / (clients - 1));
	print_figure(row, floor, CLIENTS, repeats);
	printf(" %" PRIu64 " of %" PRIu64 ", by %u |", missed, frames, clients_missed);
	if (row == floor)
		printf(" |\n");
	else
		printf(" %u of %u |\n", balanced, clients * repeats);
}

static void report_wake(const struct wake_row *rows, const struct setup *setup, unsigned repeats)
{
	printf("\n| %u clients, %ux%u | ready to pointer p50, us | p99, us | daemon CPU per frame, us | and per client "
	       "| clients' CPU per frame, us | missed | balanced |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- |\n",
	       setup->clients, setup->width, setup->height);
	for (size_t i = 0; i < WAKE_MANNERS; i++) {
		if (rows[i].refusal[0])
			printf("| %s | %s |\n", wake_manners[i].name, rows[i].refusal);
		else
			print_row(wake_manners[i].name, &rows[i], &rows[0], setup->clients, repeats);
	}
	fflush(stdout);
}

/* The first run of each manner. */
static int try_manners(struct bench *bench, const struct setup *setup, struct wake_row *rows)
{
	for (size_t i = 0; i < WAKE_MANNERS; i++) {
		struct setup one = *setup;
		int r;

		one.manner = &wake_manners[i];
		one.clients = 1;
		one.may_be_refused = i > 0;
		r = run(bench, &one, &rows[i].one);
		if (r < 0)
			return -1;
		snprintf(rows[i].refusal, sizeof(rows[i].refusal), "%s", r == RUN_REFUSED ? bench->refusal : "");
	}
	return 0;
}

static int measure_wake(struct bench *bench, struct setup *setup)
{
	static struct wake_row rows[WAKE_MANNERS];
	unsigned repeats = repeats_of(bench, WAKE_REPEATS);

	if (!has_room(setup))
		return 0;
	if (try_manners(bench, setup, rows) < 0)
		return -1;
	for (unsigned i = 0; i < repeats; i++)
		for (size_t turn = 0; turn < WAKE_MANNERS; turn++) {
			size_t manner = (i + turn) % WAKE_MANNERS;

			setup->manner = &wake_manners[manner];
			if (!rows[manner].refusal[0] && run(bench, setup, &rows[manner].results[i]) < 0)
				return -1;
		}
	report_wake(rows, setup, repeats);
	return 0;
}

static int bench_wake(struct bench *bench)
{
	static const struct {
		unsigned clients, width, height;
	} tables[] = { { 256, 320, 240 }, { 64, 2304, 1296 } };

	printf("\n## Wake-ups: many clients, each way to wake them\n\n"
	       "%u frames/s from the synthetic source, a pin for each client; %u repeats of %.1f s in turn; median, "
	       "in\n"
	       "[] least and most, then the ratio to the floor of the same turn. The daemon is without its source's\n"
	       "thread; \"per client\" is what each after the first adds. Clients take the newest frame and miss what\n"
	       "they are too late for; the floor's take each notice. \"by\": clients that missed any. \"balanced\":\n"
	       "clients whose seen + missed = captured and seen + skipped = published.\n",
	       FRAMERATE, repeats_of(bench, WAKE_REPEATS), (double)bench->run_ns / 1e9);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		struct setup setup = {
			.clients = tables[i].clients,
			.slots = slots_for(tables[i].clients),
			.width = tables[i].width,
			.height = tables[i].height,
			.run_ns = bench->run_ns,
		};

		if (measure_wake(bench, &setup) < 0)
			return -1;
	}
	return 0;
}

#endif
