/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_frames.h - the section "frames" of `make bench`: what a frame costs with lumaring, beside the floor of
 * bench_floor.c in the same run. A part of bench.c.
 *
 * For each number of clients the two take turns, with one size, rate, source, copy, number of slots and work of the
 * clients, so that a slow minute of the machine hits both.
 */
#ifndef LUMARING_TESTS_BENCH_FRAMES_H
#define LUMARING_TESTS_BENCH_FRAMES_H

#include <lumaring/lumaring.h>

#include "bench_run.h"
#include "bench_table.h"

#define WIDTH 2304u
#define HEIGHT 1296u
#define ATTACHES 300u
#define FRAMES_REPEATS 5u
#define AIM 1.10

enum kind { LUMARING, FLOOR, KINDS };

static const struct manner *const kinds[KINDS] = { &manner_lumaring, &manner_floor };

static const char *const figure_names[FIGURES] = {
	"ready to pointer, p50",      "ready to pointer, p99",  "daemon CPU per frame",
	"  with its source's thread", "clients' CPU per frame", "all CPU per frame",
};

struct cell {
	struct result results[KINDS][REPEATS_MAX];
	struct spread spreads[KINDS][FIGURES], ratios[FIGURES];
	uint64_t frames[KINDS], missed[KINDS];
	unsigned balanced; /* clients of lumaring, over all repeats */
};

static void sum_up(struct cell *cell, unsigned repeats)
{
	double values[REPEATS_MAX];

	for (int figure = 0; figure < FIGURES; figure++) {
		for (int kind = 0; kind < KINDS; kind++) {
			for (unsigned i = 0; i < repeats; i++)
				values[i] = cell->results[kind][i].us[figure];
			cell->spreads[kind][figure] = spread_of(values, repeats);
		}
		for (unsigned i = 0; i < repeats; i++)
			values[i] = cell->results[LUMARING][i].us[figure] / cell->results[FLOOR][i].us[figure];
		cell->ratios[figure] = spread_of(values, repeats);
	}
	for (int kind = 0; kind < KINDS; kind++)
		for (unsigned i = 0; i < repeats; i++) {
			cell->frames[kind] += cell->results[kind][i].frames;
			cell->missed[kind] += cell->results[kind][i].missed;
		}
	for (unsigned i = 0; i < repeats; i++)
		cell->balanced += cell->results[LUMARING][i].balanced;
}

static void report_cell(const struct cell *cell, unsigned clients, unsigned slots, unsigned repeats)
{
	char title[64];

	snprintf(title, sizeof(title), "%u client%s, %u slots", clients, clients == 1 ? "" : "s", slots);
	printf("\n%-30s%22s%27s%26s\n", title, "lumaring, us", "floor, us", "lumaring / floor");
	for (int i = 0; i < FIGURES; i++) {
		const struct spread *l = &cell->spreads[LUMARING][i], *f = &cell->spreads[FLOOR][i];
		const struct spread *r = &cell->ratios[i];

		printf("  %-26s %6.0f [%6.0f .. %6.0f]   %6.0f [%6.0f .. %6.0f]   %5.2f [%.2f .. %.2f]\n",
		       figure_names[i], l->median, l->least, l->most, f->median, f->least, f->most, r->median, r->least,
		       r->most);
	}
	printf("  missed: lumaring %" PRIu64 " of %" PRIu64 ", floor %" PRIu64 " of %" PRIu64
	       " (frames times clients); balanced: %u of %u\n",
	       cell->missed[LUMARING], cell->frames[LUMARING] * clients, cell->missed[FLOOR],
	       cell->frames[FLOOR] * clients, cell->balanced, clients * repeats);
	fflush(stdout);
}

static int measure_cell(struct bench *bench, struct setup *setup, struct cell *cell)
{
	unsigned repeats = repeats_of(bench, FRAMES_REPEATS);

	for (unsigned i = 0; i < repeats; i++)
		for (unsigned turn = 0; turn < KINDS; turn++) {
			unsigned kind = (i + turn) % KINDS;

			setup->manner = kinds[kind];
			if (run(bench, setup, &cell->results[kind][i]) < 0)
				return -1;
		}
	sum_up(cell, repeats);
	report_cell(cell, setup->clients, setup->slots, repeats);
	return 0;
}

/* --- the tables --------------------------------------------------------------------------------------------------- */

static void report_one_more(const struct bench *bench, const struct cell *cells, const bool *measured)
{
	int before = -1;

	if (bench->count_total < 2)
		return;
	printf("\nOne more client costs, us of CPU per frame (medians): %17s %32s\n", "lumaring", "floor");
	for (unsigned i = 0; i < bench->count_total; i++) {
		if (!measured[i])
			continue;
		if (before >= 0 && bench->counts[i] > bench->counts[before]) {
			double more = bench->counts[i] - bench->counts[before];
			double us[KINDS][2];

			for (int kind = 0; kind < KINDS; kind++) {
				const struct spread *a = cells[before].spreads[kind], *b = cells[i].spreads[kind];

				us[kind][0] = (b[DAEMON].median - a[DAEMON].median) / more;
				us[kind][1] = (b[CLIENTS].median - a[CLIENTS].median) / more;
			}
			printf("  from %2u to %2u clients   daemon %6.1f + client %6.1f   daemon %6.1f + "
			       "client %6.1f\n",
			       bench->counts[before], bench->counts[i], us[LUMARING][0], us[LUMARING][1], us[FLOOR][0],
			       us[FLOOR][1]);
		}
		before = (int)i;
	}
}

static int report_rates(struct bench *bench)
{
	static const struct {
		unsigned width, height, clients;
	} rows[] = {
		{ WIDTH, HEIGHT, 1 }, { WIDTH, HEIGHT, 8 }, { 640, 480, 1 },
		{ 640, 480, 8 },      { 64, 64, 1 },        { 64, 64, 8 },
	};

	printf("\nUnpaced, frames per second (the source makes each picture first):   lumaring      floor\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct result results[KINDS];

		for (int kind = 0; kind < KINDS; kind++) {
			struct setup setup = {
				.manner = kinds[kind],
				.clients = rows[i].clients,
				.slots = slots_for(rows[i].clients),
				.width = rows[i].width,
				.height = rows[i].height,
				.unpaced = true,
				.run_ns = MEASURE_NS_PER_SECOND / 2,
			};

			if (run(bench, &setup, &results[kind]) < 0)
				return -1;
		}
		printf("  %4ux%-4u, %u client%s %41s %10.0f %10.0f\n", rows[i].width, rows[i].height, rows[i].clients,
		       rows[i].clients == 1 ? " " : "s", "", results[LUMARING].fps, results[FLOOR].fps);
	}
	return 0;
}

static int attach_often(const struct bench *bench, uint32_t *open_ns, uint32_t *close_ns)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;

	options.runtime_dir = bench->work;
	for (unsigned i = 0; i < ATTACHES; i++) {
		uint64_t before_ns = measure_now_ns(), between_ns;
		struct lumaring *ring;
		int r = lumaring_open("bench", NULL, &options, &ring);

		if (r < 0)
			return fprintf(stderr, "bench: attach: %s\n", lumaring_strerror(r)), -1;
		between_ns = measure_now_ns();
		lumaring_close(ring);
		open_ns[i] = (uint32_t)(between_ns - before_ns);
		close_ns[i] = (uint32_t)(measure_now_ns() - between_ns);
	}
	return 0;
}

static int report_attach(struct bench *bench)
{
	struct setup setup = { .manner = &manner_lumaring, .slots = 8, .width = WIDTH, .height = HEIGHT };
	uint32_t open_ns[ATTACHES], close_ns[ATTACHES];
	uint64_t cpu_ns;
	int r;

	remove_logs(bench);
	bench->server = start_lumaringd(bench, &setup);
	r = wait_for_server(bench, &setup);
	cpu_ns = measure_process_cpu_ns(bench->server) - measure_threads_cpu_ns(bench->server, "synthetic");
	if (r == 0)
		r = attach_often(bench, open_ns, close_ns);
	cpu_ns = measure_process_cpu_ns(bench->server) - measure_threads_cpu_ns(bench->server, "synthetic") - cpu_ns;
	stop_server(bench);
	if (r < 0)
		return show_logs(bench), -1;
	printf("\nAttach and detach, %u times, while frames come: open p50 %.0f us, p99 %.0f us; close p50 %.0f us; "
	       "daemon CPU %.0f us each\n",
	       ATTACHES, measure_percentile(open_ns, ATTACHES, 50) / 1e3,
	       measure_percentile(open_ns, ATTACHES, 99) / 1e3, measure_percentile(close_ns, ATTACHES, 50) / 1e3,
	       (double)cpu_ns / 1e3 / ATTACHES);
	return 0;
}

static void report_aim(const struct bench *bench, const struct cell *cells, const bool *measured)
{
	static const enum figure aimed[] = { P50, DAEMON, ALL };
	unsigned over = 0;

	printf("\nAim: p50 and CPU at most %.2f of the floor.", AIM);
	for (unsigned i = 0; i < bench->count_total; i++)
		for (size_t j = 0; measured[i] && j < sizeof(aimed) / sizeof(aimed[0]); j++)
			if (cells[i].ratios[aimed[j]].median > AIM) {
				printf("%s %s with %u client%s: %.2f",
				       over++ ? ";" : " Over it:", figure_names[aimed[j]], bench->counts[i],
				       bench->counts[i] == 1 ? "" : "s", cells[i].ratios[aimed[j]].median);
			}
	printf("%s\n", over ? "." : " Met everywhere, by the medians.");
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static int bench_frames(struct bench *bench)
{
	static struct cell cells[COUNTS_MAX];
	bool measured[COUNTS_MAX] = { false };

	printf("\n## Frames: lumaring beside the floor\n\n"
	       "%ux%u, %u frames/s from the synthetic source; %u repeats of %.1f s in turn; in [] least and most.\n"
	       "Clients take the newest frame and read one byte of each page. The floor is the same source and copy,\n"
	       "into unprotected memory, and one send() a client. \"All\" is daemon and clients without the source.\n",
	       WIDTH, HEIGHT, FRAMERATE, repeats_of(bench, FRAMES_REPEATS), (double)bench->run_ns / 1e9);
	for (unsigned i = 0; i < bench->count_total; i++) {
		struct setup setup = {
			.clients = bench->counts[i],
			.slots = slots_for(bench->counts[i]),
			.width = WIDTH,
			.height = HEIGHT,
			.run_ns = bench->run_ns,
		};

		if (!has_room(&setup))
			continue;
		if (measure_cell(bench, &setup, &cells[i]) < 0)
			return -1;
		measured[i] = true;
	}
	report_one_more(bench, cells, measured);
	if (report_rates(bench) < 0 || report_attach(bench) < 0)
		return -1;
	report_aim(bench, cells, measured);
	return 0;
}

#endif
