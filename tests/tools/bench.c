/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - `make bench`: what lumaring costs on this machine, beside floors measured in the same run.
 *
 *     bench BUILD_DIR WORK_DIR
 *
 * Each section is a header of its own. What is compared takes turns, some repeats each, so that a slow minute of the
 * machine hits all of it; reported are the median of the repeats, the least and the most, and ratios of neighbouring
 * runs. It judges no figure: the exit code says whether it could measure, and whether each client's account adds up.
 *
 *   BENCH_SECTIONS="frames wake-ups never-read descriptors copy"   BENCH_CLIENTS="1 4 8 64" (of "frames")
 *   BENCH_SECONDS=2 (of each run)   BENCH_REPEATS=N (5 of "frames" and "copy", 3 of the others)
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_follow.h"
#include "bench_frames.h"
#include "bench_outage.h"
#include "bench_silent.h"
#include "bench_wake.h"

#define NO_NUMBER (-1.0)

static const struct section {
	const char *name;
	int (*run)(struct bench *bench); /* 0, or -1 after a sentence */
} sections[] = {
	{ "frames", bench_frames },      { "wake-ups", bench_wake }, { "never-read", bench_silent },
	{ "descriptors", bench_outage }, { "copy", bench_follow },
};

static const char elsewhere[] = " python follow"; /* sections of programs that tests/bench runs beside this one */

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

/* --- settings ----------------------------------------------------------------------------------------------------- */

/* A number from the environment within bounds; NO_NUMBER and a sentence when it is none. */
static double setting(const char *name, double otherwise, double min, double max)
{
	const char *text = getenv(name);
	char *end;
	double value = text && *text ? strtod(text, &end) : otherwise;

	if (!text || !*text)
		return otherwise;
	if (*end || !(value >= min && value <= max)) {
		fprintf(stderr, "bench: %s is \"%s\"; it must be a number, %g to %g\n", name, text, min, max);
		return NO_NUMBER;
	}
	return value;
}

static int read_settings(struct bench *bench)
{
	const char *text = getenv("BENCH_CLIENTS");
	double seconds = setting("BENCH_SECONDS", 2, 0.1, 200), repeats = setting("BENCH_REPEATS", 0, 1, REPEATS_MAX);

	if (seconds < 0 || repeats < 0)
		return -1;
	bench->run_ns = (uint64_t)(seconds * 1e9);
	bench->repeats = (unsigned)repeats;
	for (const char *at = text && *text ? text : "1 4 8 64"; *at;) {
		char *end;
		unsigned long count = strtoul(at, &end, 10);

		if (end == at || (*end && *end != ' ') || count < 1 || count > CLIENTS_MAX ||
		    bench->count_total == COUNTS_MAX)
			return fprintf(stderr,
				       "bench: BENCH_CLIENTS is \"%s\"; it must be up to %u numbers, each 1 to %u, "
				       "with a blank between them\n",
				       text, COUNTS_MAX, CLIENTS_MAX),
			       -1;
		bench->counts[bench->count_total++] = (unsigned)count;
		at = end + strspn(end, " ");
	}
	return 0;
}

/* Which sections are asked for; all when nothing is said. */
static int read_sections(bool wanted[SECTIONS])
{
	const char *text = getenv("BENCH_SECTIONS");
	bool all = !text || !*text;

	for (size_t i = 0; i < SECTIONS; i++)
		wanted[i] = all;
	for (const char *at = all ? "" : text + strspn(text, " "); *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " "), i = 0;

		while (i < SECTIONS && (strlen(sections[i].name) != length || strncmp(at, sections[i].name, length)))
			i++;
		if (i == SECTIONS) {
			fprintf(stderr, "bench: BENCH_SECTIONS: there is no section \"%.*s\"; there are:", (int)length,
				at);
			for (i = 0; i < SECTIONS; i++)
				fprintf(stderr, " %s", sections[i].name);
			return fprintf(stderr, "%s\n", elsewhere), -1;
		}
		wanted[i] = true;
		at += length;
	}
	return 0;
}

static int make_shared(struct bench *bench)
{
	size_t bytes = sizeof(*bench->shared) + CLIENTS_MAX * sizeof(bench->shared->figures[0]);

	bench->shared_fd = memfd_create("bench", 0); /* inherited by the clients */
	if (bench->shared_fd < 0 || ftruncate(bench->shared_fd, (off_t)bytes) < 0)
		return fprintf(stderr, "bench: no memory for figures: %s\n", strerror(errno)), -1;
	bench->shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bench->shared_fd, 0);
	return bench->shared == MAP_FAILED ? -1 : 0;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	bool wanted[SECTIONS];

	if (argc != 3) {
		fprintf(stderr, "usage: bench BUILD_DIR WORK_DIR\n");
		return 2;
	}
	bench.build = argv[1];
	bench.work = argv[2];
	if (read_settings(&bench) < 0 || read_sections(wanted) < 0)
		return 2;
	if (make_shared(&bench) < 0)
		return 1;
	for (size_t i = 0; i < SECTIONS; i++)
		if (wanted[i] && sections[i].run(&bench) < 0)
			return 1;
	if (bench.unbalanced)
		fprintf(stderr, "bench: for %u clients seen + missed is not what was published\n", bench.unbalanced);
	return bench.unbalanced > 0;
}
