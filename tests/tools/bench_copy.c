/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_copy.c - `make bench-copy`: every kernel of the table beside floors of the same run, as Markdown.
 *
 *     bench_copy [--kernel TEXT] [--size WxH[@WxH]] [--seconds N] [--only PART]
 *
 * --kernel   only kernels with this in their names
 * --size     only this size, any will do; "640x480@2304x1296" is a part of an image
 * --seconds  of each kernel, paced (default 1); back to back it gets a twentieth, and paced in the sizes that are not
 *            summed up a quarter
 * --only     back-to-back, paced, threads (two, through the daemon's pool) or threshold
 *
 * GB/s count bytes read and written. A ratio is the floor's time over the kernel's: the floor moves as many bytes, as
 * rows of as many rows. It judges nothing: exit code 0 when it could measure.
 */
#include <getopt.h>

#include "bench_copy_table.h"
#include "bench_copy_threshold.h"

enum { BACK_TO_BACK = 1, PACED = 2, THREADS = 4, THRESHOLD = 8, ALL_PARTS = 15 };

static const struct shape shapes[] = {
	{ "2304x1296", 2304, 1296, 2304, 1296 },
	{ "640x480 of 2304x1296", 2304, 1296, 640, 480 },
	{ "64x64", 64, 64, 64, 64 },
	{ "320x240", 320, 240, 320, 240 },
	{ "640x480", 640, 480, 640, 480 },
	{ "1920x1080", 1920, 1080, 1920, 1080 },
	{ "4608x2592", 4608, 2592, 4608, 2592 },
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))
#define SHAPES_IN_FULL 2u /* the first; the others by one thread only, and paced for a part of the time */
#define PACED_PART 4.0

struct bench {
	struct arena arena;
	struct settings settings;
	struct shape own; /* of --size */
	char own_name[32];
	unsigned parts;
	struct table table;
	struct summary summaries[SUMMARIES_MAX];
	unsigned summary_count;
};

static int complain(const char *what, const char *value)
{
	fprintf(stderr,
		"bench-copy: %s \"%s\"; usage: bench_copy [--kernel TEXT] [--size WxH[@WxH]] [--seconds N]\n"
		"  [--only back-to-back|paced|threads|threshold]\n",
		what, value);
	return -1;
}

static int read_size(struct bench *bench, const char *text)
{
	struct shape own = { bench->own_name, 0, 0, 0, 0 };
	char end;
	int count =
		sscanf(text, "%5ux%5u@%5ux%5u%c", &own.width, &own.height, &own.image_width, &own.image_height, &end);

	if (count == 2 && !strchr(text, '@')) {
		own.image_width = own.width;
		own.image_height = own.height;
		count = 4;
	}
	if (count != 4 || own.width < 2 || own.height < 2 || own.image_width > 16384 || own.image_height > 16384 ||
	    own.width > own.image_width || own.height > own.image_height)
		return complain("--size is WxH or WxH@WxH, each 2 to 16384, and not", text);
	snprintf(bench->own_name, sizeof(bench->own_name), "%s", text);
	bench->own = own;
	return 0;
}

static int read_part(struct bench *bench, const char *text)
{
	static const char *const names[] = { "back-to-back", "paced", "threads", "threshold" };

	for (unsigned i = 0; i < 4; i++)
		if (strcmp(text, names[i]) == 0) {
			bench->parts = 1u << i;
			return 0;
		}
	return complain("there is no part", text);
}

static int read_seconds(struct bench *bench, const char *text)
{
	char *end;

	bench->settings.seconds = strtod(text, &end);
	if (*end || end == text || !(bench->settings.seconds >= 0.01 && bench->settings.seconds <= 60))
		return complain("--seconds is a number, 0.01 to 60, and not", text);
	return 0;
}

static int read_words(struct bench *bench, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "kernel", required_argument, NULL, 'k' },
		{ "size", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "only", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	int code, r = 0;

	opterr = 0;
	while (r == 0 && (code = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (code == 'k')
			bench->settings.kernel = optarg;
		else if (code == 's')
			r = read_size(bench, optarg);
		else if (code == 't')
			r = read_seconds(bench, optarg);
		else if (code == 'o')
			r = read_part(bench, optarg);
		else
			r = complain("not understood:", argv[optind - 1]);
	}
	if (r == 0 && optind < argc)
		r = complain("not understood:", argv[optind]);
	return r;
}

static int prepare(struct bench *bench)
{
	const struct copy_pool_config config = {
		.threads = 2,
		.scratch_bytes = COPY_SCRATCH_BYTES,
		.policy = COPY_POLICY_INHERITED,
	};
	char text[256];

	if (copy_cpu_error())
		return fprintf(stderr, "bench-copy: %s\n", copy_cpu_error()), -1;
	if (arena_create(&bench->arena, bench->own.width ? &bench->own : shapes, bench->own.width ? 1 : SHAPES) < 0)
		return -1;
	if (copy_pool_create(&config, &bench->arena.pool, text, sizeof(text)) < 0)
		return fprintf(stderr, "bench-copy: %s\n", text), -1;
	return team_create(&bench->arena.team) == 0 ? 0 : (fprintf(stderr, "bench-copy: no second thread\n"), -1);
}

static bool in_full(const struct bench *bench, const struct shape *shape)
{
	return shape == &bench->own || shape < &shapes[SHAPES_IN_FULL];
}

static void measure_shape(struct bench *bench, const struct shape *shape, bool paced, unsigned threads)
{
	struct settings settings = bench->settings;

	if (paced && !in_full(bench, shape))
		settings.seconds /= PACED_PART;
	bench->table.shape = shape;
	bench->table.paced = paced;
	bench->table.threads = threads;
	measure_table(&bench->arena, &bench->table, &settings);
	if (bench->summary_count < SUMMARIES_MAX && in_full(bench, shape))
		sum_up(&bench->table, &bench->summaries[bench->summary_count++]);
}

/* Of each shape what is asked for. */
static void measure_shapes(struct bench *bench)
{
	const struct shape *all = bench->own.width ? &bench->own : shapes;
	unsigned count = bench->own.width ? 1 : SHAPES;

	for (unsigned i = 0; i < count; i++)
		for (unsigned threads = 1; threads <= (in_full(bench, &all[i]) ? 2u : 1u); threads++)
			for (unsigned paced = 0; paced < 2; paced++)
				if (bench->parts & (threads > 1 ? THREADS : paced ? PACED : BACK_TO_BACK))
					measure_shape(bench, &all[i], paced, threads);
}

int main(int argc, char **argv)
{
	static struct bench bench = { .settings.seconds = 1, .parts = ALL_PARTS };
	int r = 0;

	if (read_words(&bench, argc, argv) < 0)
		return 2;
	if (prepare(&bench) < 0)
		return 1;
	printf("Kernels: %s. Sources: %llu MiB in turn; destinations: %u slots in turn. Compiler: " __VERSION__ ".\n",
	       copy_cpu_name(copy_cpu()), (unsigned long long)bench.arena.bytes >> 20, SLOTS);
	measure_shapes(&bench);
	if (bench.summary_count)
		print_summaries(bench.summaries, bench.summary_count);
	if (bench.parts & THRESHOLD)
		r = measure_thresholds(&bench.arena, &bench.settings);
	team_destroy(&bench.arena.team);
	copy_pool_destroy(bench.arena.pool);
	return r < 0;
}
