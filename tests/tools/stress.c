/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stress.c - many reader processes of one running daemon, whose source is synthetic: each compares every byte of every
 * frame until the daemon says "closed", and the parent judges what they counted.
 *
 *   stress --runtime-dir DIR --camera NAME [--pinned N] [--copying N] [--private N] [--seed N]
 *
 * "Pinned" readers ask for one cursor each and must get it, "copying" ones for none, "private" ones make streams of
 * their own and move the region all the time. Every other one waits with LUMARING_FUTEX.
 *
 * Prints a line per reader and "figure:" lines; exits with 0 when no frame was bad, every reader saw frames and every
 * book balances, else with 1. Together they and the parent, which only watches the ring, are N + N + N + 1 clients.
 * Single-threaded; it never talks to the daemon but through the library and raw.h.
 */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "manners.h"
#include "raw.h"

#define READERS_MAX 256u
#define TIMEOUT_MS 120000 /* the daemon sends nothing for so long: broken */
#define HOLD_US_MAX 4000

enum kind {
	KIND_PINNED,
	KIND_COPYING,
	KIND_PRIVATE,
	KINDS,
};

static const char *const kind_names[] = { "pinned", "copying", "private" };

struct arguments {
	const char *runtime_dir, *camera;
	uint32_t counts[KINDS];
	uint64_t seed;
};

/* Of one reader, which writes it. */
struct result {
	enum kind kind;
	enum manner manner;
	pid_t pid;
	bool closed; /* it read to the end */
	uint64_t geometries;
	uint32_t cursors;
	struct tally tally;
};

/* Memory that parent and readers share. */
struct board {
	bool failed; /* atomic: a reader found something wrong, so all stop */
	struct result results[KINDS * READERS_MAX];
};

static void move_region(struct reader *r)
{
	const struct lumaring_info *info = lumaring_info(r->ring);
	struct lumaring_region region = {
		.x = random_below(&r->random, info->image_width + 8),
		.y = random_below(&r->random, info->image_height + 8),
		.width = random_below(&r->random, 8) ? info->width_max : random_below(&r->random, info->width_max + 8),
		.height = random_below(&r->random, 8) ? info->height_max : 1 + random_below(&r->random, 64),
	};

	lumaring_set_region(r->ring, &region);
}

static int open_reader(const struct arguments *a, struct result *result, struct reader *r, bool by_futex)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	char text[320] = "";
	int error;

	options.runtime_dir = a->runtime_dir;
	options.timeout_ms = TIMEOUT_MS;
	options.frames_max = 64;
	options.cursors = 1;
	if (result->kind != KIND_PINNED)
		options.flags = result->kind == KIND_COPYING ? LUMARING_COPY : LUMARING_PRIVATE;
	if (by_futex)
		options.flags |= LUMARING_FUTEX;
	options.slots = 4;
	if (result->kind == KIND_PRIVATE)
		options.region = (struct lumaring_region){ 3, 5, 33, 17 };
	options.error_text = text;
	options.error_bytes = sizeof(text);
	error = lumaring_open(a->camera, "main", &options, &r->ring);
	if (error < 0)
		tally_fault(&result->tally, "open: %s (%s)", text, lumaring_strerror(error));
	else
		result->cursors = lumaring_info(r->ring)->cursors;
	return error;
}

static void run_reader(const struct arguments *a, struct board *board, unsigned index)
{
	struct result *result = &board->results[index];
	struct reader r = {
		.manner = result->manner,
		.timeout_ms = TIMEOUT_MS,
		.random = a->seed + index,
		.hold_us_max = HOLD_US_MAX,
	};
	int n = open_reader(a, result, &r, index % 2);

	/* The flag only ends the run early: relaxed, here and below. */
	while (n >= 0 && n != LUMARING_EVENT_CLOSED && !r.tally.fault[0] &&
	       !__atomic_load_n(&board->failed, __ATOMIC_RELAXED)) {
		if (result->kind == KIND_PRIVATE)
			move_region(&r);
		n = reader_step(&r);
		result->geometries += n == LUMARING_EVENT_GEOMETRY;
		if (n > 0 && n != LUMARING_EVENT_GEOMETRY && n != LUMARING_EVENT_CLOSED)
			tally_fault(&r.tally, "unexpected event: %s", lumaring_event_name(n));
	}
	if (n < 0)
		tally_fault(&r.tally, "stopped by %s", lumaring_strerror(n));
	reader_finish(&r);
	if (!result->tally.fault[0])
		result->tally = r.tally;
	if (result->tally.fault[0])
		__atomic_store_n(&board->failed, true, __ATOMIC_RELAXED);
	result->closed = n == LUMARING_EVENT_CLOSED;
}

/* --- the parent --------------------------------------------------------------------------------------------------- */

static uint64_t parse_number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end || end == text || n > max) {
		fprintf(stderr, "stress: \"%s\" is not a number up to %" PRIu64 "\n", text, max);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "runtime-dir", required_argument, NULL, 'd' }, { "camera", required_argument, NULL, 'c' },
		{ "pinned", required_argument, NULL, 'p' },      { "copying", required_argument, NULL, 'y' },
		{ "private", required_argument, NULL, 'v' },     { "seed", required_argument, NULL, 's' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			a->runtime_dir = optarg;
			break;
		case 'c':
			a->camera = optarg;
			break;
		case 'p':
			a->counts[KIND_PINNED] = (uint32_t)parse_number(optarg, READERS_MAX);
			break;
		case 'y':
			a->counts[KIND_COPYING] = (uint32_t)parse_number(optarg, READERS_MAX);
			break;
		case 'v':
			a->counts[KIND_PRIVATE] = (uint32_t)parse_number(optarg, READERS_MAX);
			break;
		case 's':
			a->seed = parse_number(optarg, UINT64_MAX);
			break;
		default:
			exit(2);
		}
	}
	if (!a->runtime_dir || !a->camera || optind < argc) {
		fprintf(stderr, "stress: --runtime-dir and --camera are needed, and nothing but options\n");
		exit(2);
	}
}

static void start_readers(const struct arguments *a, struct board *board)
{
	struct result *results = board->results;
	unsigned index = 0;

	for (unsigned kind = 0; kind < KINDS; kind++)
		for (uint32_t i = 0; i < a->counts[kind]; i++, index++) {
			pid_t pid;

			results[index].kind = (enum kind)kind;
			results[index].manner = (enum manner)(i % MANNERS);
			pid = fork();
			if (pid == 0) {
				run_reader(a, board, index);
				_exit(0);
			}
			results[index].pid = pid;
		}
}

/* One line, and whether all is as it must be. `published` is 0 for a private stream: nobody watched it. */
static bool judge(struct result *r, int status, uint64_t published)
{
	struct tally *t = &r->tally;

	if (WIFSIGNALED(status))
		tally_fault(t, "the process was ended by %s", strsignal(WTERMSIG(status)));
	if (!r->closed)
		tally_fault(t, "it ended before the daemon said \"closed\"");
	if (t->seen == 0)
		tally_fault(t, "no frame seen");
	if (published && t->last_publication != published)
		tally_fault(t, "the last frame seen is number %" PRIu64 ", published were %" PRIu64,
			    t->last_publication, published);
	if (r->cursors != (r->kind == KIND_COPYING ? 0 : 1) || (r->kind == KIND_PINNED && t->pinned == 0))
		tally_fault(t, "%u cursors granted, %" PRIu64 " frames pinned", r->cursors, t->pinned);
	printf("%-7s %-11s: %" PRIu64 " verified, %" PRIu64 " bad, %" PRIu64 " seen + %" PRIu64 " missed of %" PRIu64
	       ", %" PRIu64 " pinned, %" PRIu64 " copied, %" PRIu64 " geometries%s%s\n",
	       kind_names[r->kind], manner_names[r->manner], t->verified, t->bad, t->seen, t->missed,
	       t->seen ? t->last - t->first + 1 : 0, t->pinned, t->copied, r->geometries, t->fault[0] ? ": " : "",
	       t->fault);
	return !t->fault[0] && t->bad == 0;
}

static bool judge_ring(const struct raw *watcher)
{
	uint64_t published = raw_published(watcher), no_slot = raw_lost(watcher, LUMARING_LOST_NO_SLOT), lost = 0;

	for (unsigned c = 0; c < LUMARING_LOST_SEQUENCED; c++)
		lost += raw_lost(watcher, (enum lumaring_lost)c);
	printf("figure: ring of %u slots: %" PRIu64 " published, %" PRIu64 " lost, %" PRIu64 " for lack of a slot\n",
	       raw_header(watcher)->slot_count, published, lost, no_slot);
	return no_slot == 0 && published > 0;
}

static int judge_all(const struct arguments *a, struct result *results, const struct raw *watcher)
{
	uint32_t count = a->counts[KIND_PINNED] + a->counts[KIND_COPYING] + a->counts[KIND_PRIVATE];
	struct tally sum = { 0 };
	bool good = true;

	for (uint32_t i = 0; i < count; i++) {
		int status = 0;

		waitpid(results[i].pid, &status, 0);
		/* All end with the daemon: the ring is final. */
		good &= judge(&results[i], status, results[i].kind == KIND_PRIVATE ? 0 : raw_published(watcher));
		sum.verified += results[i].tally.verified;
		sum.bad += results[i].tally.bad;
		sum.seen += results[i].tally.seen;
		sum.missed += results[i].tally.missed;
		sum.pinned += results[i].tally.pinned;
	}
	printf("figure: %u readers: %" PRIu64 " frames verified (%" PRIu64 " pinned), %" PRIu64 " bad, %" PRIu64
	       " seen + %" PRIu64 " missed\n", count, sum.verified, sum.pinned, sum.bad, sum.seen, sum.missed);
	good &= judge_ring(watcher);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct arguments a = { .counts = { 8, 8, 2 }, .seed = 1 };
	struct lumaring_hello hello = raw_hello(0);
	struct board *board;
	struct raw watcher;
	char path[PATH_MAX];
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv, &a);
	snprintf(path, sizeof(path), "%s/%s/frames", a.runtime_dir, a.camera);
	r = raw_attach(&watcher, path, &hello);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r < 0 || board == MAP_FAILED) {
		fprintf(stderr, "stress: cannot attach to %s: %s\n", path, strerror(-r));
		return 1;
	}
	start_readers(&a, board);
	r = judge_all(&a, board->results, &watcher);
	raw_detach(&watcher);
	return r;
}
