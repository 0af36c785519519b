/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - the clients that the end-to-end tests need, as one program: it reads a daemon whose source is synthetic,
 * compares every byte, and talks to the test by lines on standard output and input.
 *
 *   client count DIR CAMERA [--handles N] [--copy] [--cursors N] [--every N]   read in order until "closed"
 *   client hold DIR CAMERA [--cursors N]    pin a frame, give it back at the next line of input; again until its end
 *   client resume DIR CAMERA --count N      hold a frame over N restarts of the daemon
 *   client die DIR CAMERA --count N         N processes that pin a frame and are killed with it
 *   client storm DIR CAMERA --count N [--jobs N]  attach and detach N times in each of the jobs
 *   client deaf DIR CAMERA                  attach, never read the socket; at a line of input tell what it holds
 *   client grants DIR CAMERA [--cursors N]  how many cursors a new client gets
 *
 * All but deaf take --futex: wait on the wake word instead of the socket; `count` then has a thread for each handle.
 *
 * Results are one line of JSON. Exits with 0 when all was well.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "raw.h"
#include "tally.h"

#define TIMEOUT_MS 60000 /* for what is to happen: longer is broken */
#define HANDLES_MAX 4096u
#define JOBS_MAX 64u

struct arguments {
	const char *runtime_dir, *camera;
	uint32_t handles, cursors, jobs;
	uint64_t count, every;
	bool copy, futex;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "client: %s: %s\n", what, why);
	return 1;
}

static int open_ring(const struct arguments *a, struct lumaring **ret_ring)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	char text[320] = "";
	int r;

	options.runtime_dir = a->runtime_dir;
	options.cursors = a->cursors;
	options.flags = (a->copy ? LUMARING_COPY : 0) | (a->futex ? LUMARING_FUTEX : 0);
	options.timeout_ms = TIMEOUT_MS;
	options.error_text = text;
	options.error_bytes = sizeof(text);
	r = lumaring_open(a->camera, "main", &options, ret_ring);
	if (r < 0)
		fprintf(stderr, "client: open: %s (%s)\n", text, lumaring_strerror(r));
	return r;
}

/* --- count ----------------------------------------------------------------------------------------------------- */

struct counter {
	struct lumaring *ring;
	struct tally tally;
	uint64_t every; /* a line for every so many frames, 0: none */
	bool closed;
	pthread_t thread;
};

/* Everything there is now, or comes in time. False: this handle is at its end, well or not. */
static bool count_some(struct counter *c, int timeout_ms)
{
	const struct lumaring_frame *f;

	for (;;) {
		int r = lumaring_next(c->ring, timeout_ms, &f);

		if (r == -EAGAIN)
			return true;
		if (r != 0) {
			c->closed = r == LUMARING_EVENT_CLOSED;
			if (!c->closed)
				tally_fault(&c->tally, "%s",
					    r < 0 ? lumaring_error_text(c->ring) : lumaring_event_name(r));
			return false;
		}
		tally_account(&c->tally, f);
		tally_frame(&c->tally, f);
		if (c->every && c->tally.seen % c->every == 0)
			printf("at %" PRIu64 "\n", f->sequence);
		tally_release(&c->tally, c->ring, f);
	}
}

/* Everything published is seen or missed; what came before the first frame it saw was missed as well. */
static void close_books(struct counter *c, uint64_t *ret_missed)
{
	const struct lumaring_info *info = lumaring_info(c->ring);
	struct tally *t = &c->tally;

	*ret_missed = t->missed + (t->seen ? t->first - 1 : 0);
	if (!c->closed)
		tally_fault(t, "it ended before the daemon said \"closed\"");
	else if (t->last_publication != info->published)
		tally_fault(t, "the last frame seen is number %" PRIu64 ", published were %" PRIu64,
			    t->last_publication, info->published);
	else if (t->seen + *ret_missed != t->last)
		tally_fault(t, "%" PRIu64 " seen and %" PRIu64 " missed of %" PRIu64, t->seen, *ret_missed, t->last);
}

static int report_counters(struct counter *counters, uint32_t count)
{
	uint64_t seen = 0, missed = 0, pinned = 0, bad = 0, worst = 0, published = 0;
	const char *fault = "";

	for (uint32_t i = 0; i < count; i++) {
		struct tally *t = &counters[i].tally;
		uint64_t own;

		close_books(&counters[i], &own);
		published = lumaring_info(counters[i].ring)->published;
		seen += t->seen;
		missed += own;
		pinned += t->pinned;
		bad += t->bad;
		worst = own > worst ? own : worst;
		if (t->fault[0])
			fault = t->fault;
		lumaring_close(counters[i].ring);
	}
	printf("{\"handles\": %" PRIu32 ", \"published\": %" PRIu64 ", \"seen\": %" PRIu64 ", \"missed\": %" PRIu64
	       ", \"worst_missed\": %" PRIu64 ", \"pinned\": %" PRIu64 ", \"bad\": %" PRIu64 ", \"fault\": \"%s\"}\n",
	       count, published, seen, missed, worst, pinned, bad, fault);
	return bad || fault[0];
}

static void *count_in_a_thread(void *counter)
{
	count_some(counter, TIMEOUT_MS);
	return NULL;
}

/* Each in a thread of its own, waiting inside the calls. */
static int count_in_threads(struct counter *counters, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (pthread_create(&counters[i].thread, NULL, count_in_a_thread, &counters[i]) != 0)
			return fail("thread", "cannot make so many");
	for (uint32_t i = 0; i < count; i++)
		pthread_join(counters[i].thread, NULL);
	return 0;
}

/* All in one loop, by their descriptors. */
static int count_in_a_loop(struct counter *counters, uint32_t count)
{
	struct epoll_event events[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint32_t left = count;

	for (uint32_t i = 0; i < count; i++) {
		events[0] = (struct epoll_event){ .events = EPOLLIN, .data.u32 = i };
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, lumaring_fd(counters[i].ring), &events[0]) < 0)
			return fail("epoll_ctl", strerror(errno));
	}
	while (left > 0) {
		int n = epoll_wait(epoll, events, 64, TIMEOUT_MS);

		if (n <= 0)
			return fail("wait", n < 0 ? strerror(errno) : "no frame and no \"closed\"");
		for (int i = 0; i < n; i++) {
			struct counter *c = &counters[events[i].data.u32];

			if (count_some(c, 0))
				continue;
			epoll_ctl(epoll, EPOLL_CTL_DEL, lumaring_fd(c->ring), NULL);
			left--;
		}
	}
	close(epoll);
	return 0;
}

static int mode_count(const struct arguments *a)
{
	static struct counter counters[HANDLES_MAX];
	int r;

	counters[0].every = a->every;
	for (uint32_t i = 0; i < a->handles; i++)
		if (open_ring(a, &counters[i].ring) < 0)
			return 1;
	printf("attached\n");
	r = a->futex ? count_in_threads(counters, a->handles) : count_in_a_loop(counters, a->handles);
	return r ? r : report_counters(counters, a->handles);
}

/* --- hold, resume ---------------------------------------------------------------------------------------------- */

/* The next frame that could be pinned: a cursor may not have come back yet from a client that has just gone. */
static int take_pinned(struct lumaring *ring, struct tally *t, const struct lumaring_frame **ret_frame)
{
	for (;;) {
		int r = lumaring_next(ring, TIMEOUT_MS, ret_frame);

		if (r < 0)
			return fail("next", lumaring_error_text(ring)), r;
		if (r > 0)
			continue;
		tally_frame(t, *ret_frame);
		if ((*ret_frame)->pinned)
			return 0;
		tally_release(t, ring, *ret_frame);
	}
}

static int mode_hold(const struct arguments *a)
{
	const struct lumaring_frame *f;
	struct tally tally = { 0 };
	struct lumaring *ring;
	char line[64];

	if (open_ring(a, &ring) < 0)
		return 1;
	do {
		if (take_pinned(ring, &tally, &f) < 0)
			return 1;
		printf("held %" PRIu64 "\n", f->sequence);
		if (!fgets(line, sizeof(line), stdin))
			break;
		tally_verify(&tally, f);
		tally_release(&tally, ring, f);
		printf("{\"bad\": %" PRIu64 ", \"fault\": \"%s\"}\n", tally.bad, tally.fault);
	} while (!tally.fault[0]);
	lumaring_close(ring);
	return tally.fault[0] != '\0';
}

/* Read on until a new daemon was found. */
static int await_restart(struct lumaring *ring, struct tally *t)
{
	for (;;) {
		const struct lumaring_frame *f;
		int r = lumaring_next(ring, TIMEOUT_MS, &f);

		if (r == LUMARING_EVENT_RESTARTED)
			return 0;
		if (r < 0)
			return fail("next", lumaring_error_text(ring)), r;
		if (r > 0)
			continue;
		tally_frame(t, f);
		tally_release(t, ring, f);
	}
}

static int resume_once(struct lumaring *ring, struct tally *t)
{
	const struct lumaring_frame *old, *new;

	if (take_pinned(ring, t, &old) < 0)
		return -1;
	printf("held %" PRIu64 "\n", old->sequence);
	if (await_restart(ring, t) < 0 || take_pinned(ring, t, &new) < 0)
		return -1;
	if (new->epoch == old->epoch)
		tally_fault(t, "a new daemon and the same epoch %" PRIu64, new->epoch);
	tally_verify(t, old);
	tally_release(t, ring, old);
	tally_release(t, ring, new);
	printf("resumed\n");
	return t->fault[0] ? -1 : 0;
}

static int mode_resume(const struct arguments *a)
{
	struct tally tally = { 0 };
	struct lumaring *ring;
	uint64_t rounds = 0;
	char line[8];

	if (open_ring(a, &ring) < 0)
		return 1;
	while (rounds < a->count && resume_once(ring, &tally) == 0)
		rounds++;
	printf("{\"rounds\": %" PRIu64 ", \"verified\": %" PRIu64 ", \"bad\": %" PRIu64 ", \"fault\": \"%s\"}\n",
	       rounds, tally.verified, tally.bad, tally.fault);
	if (!fgets(line, sizeof(line), stdin)) /* its descriptors are counted meanwhile */
		line[0] = '\0';
	lumaring_close(ring);
	return rounds < a->count || tally.fault[0];
}

/* --- die, storm ------------------------------------------------------------------------------------------------- */

static void pin_and_die(const struct arguments *a)
{
	const struct lumaring_frame *f;
	uint64_t end_ns = clock_monotonic_ns() + TIMEOUT_MS * NS_PER_MS;
	struct tally tally = { .fault = "" };
	struct lumaring *ring;

	/* The daemon may still be about to take back the grants of the one before. */
	while (clock_monotonic_ns() < end_ns && open_ring(a, &ring) == 0) {
		if (lumaring_info(ring)->cursors > 0 && take_pinned(ring, &tally, &f) == 0 && !tally.fault[0])
			raise(SIGKILL);
		lumaring_close(ring);
		if (tally.fault[0])
			break;
	}
	fail("die", tally.fault[0] ? tally.fault : "no cursor was granted any more");
	_exit(1);
}

static int mode_die(const struct arguments *a)
{
	uint64_t began_ns = clock_monotonic_ns(), done = 0;

	for (; done < a->count; done++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0)
			pin_and_die(a);
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			return fail("fork", strerror(errno));
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			return fail("die", "a child ended otherwise than by SIGKILL with a frame pinned");
	}
	printf("{\"killed\": %" PRIu64 ", \"ms\": %" PRIu64 "}\n", done,
	       (clock_monotonic_ns() - began_ns) / NS_PER_MS);
	return 0;
}

static int attach_many(const struct arguments *a)
{
	for (uint64_t i = 0; i < a->count; i++) {
		struct lumaring *ring;

		if (open_ring(a, &ring) < 0)
			return 1;
		lumaring_close(ring);
	}
	return 0;
}

static int mode_storm(const struct arguments *a)
{
	uint64_t began_ns = clock_monotonic_ns(), failed = 0;
	pid_t pids[JOBS_MAX];

	for (uint32_t i = 0; i < a->jobs; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(attach_many(a));
	}
	for (uint32_t i = 0; i < a->jobs; i++) {
		int status = 1;

		waitpid(pids[i], &status, 0);
		failed += status != 0;
	}
	printf("{\"attached\": %" PRIu64 ", \"ms\": %" PRIu64 ", \"failed_jobs\": %" PRIu64 "}\n", a->count * a->jobs,
	       (clock_monotonic_ns() - began_ns) / NS_PER_MS, failed);
	return failed > 0;
}

/* --- deaf, grants ----------------------------------------------------------------------------------------------- */

static int mode_deaf(const struct arguments *a)
{
	struct lumaring_hello hello = raw_hello(0);
	uint64_t messages = 0, notices = 0, newest = 0;
	char path[PATH_MAX], line[8];
	struct lumaring_notice in;
	int queued = 0, buffer = 0;
	socklen_t buffer_bytes = sizeof(buffer);
	struct raw raw;

	snprintf(path, sizeof(path), "%s/%s/frames", a->runtime_dir, a->camera);
	if (raw_attach(&raw, path, &hello) < 0)
		return fail("attach", path);
	printf("attached\n");
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	ioctl(raw.socket, SIOCINQ, &queued);
	getsockopt(raw.socket, SOL_SOCKET, SO_RCVBUF, &buffer, &buffer_bytes);
	while (recv(raw.socket, &in, sizeof(in), MSG_DONTWAIT) > 0) {
		messages++;
		if (in.message.type == LUMARING_MESSAGE_NOTICE) {
			notices++;
			newest = in.publication;
		}
	}
	printf("{\"published\": %" PRIu64 ", \"queued_bytes\": %d, \"messages\": %" PRIu64 ", \"notices\": %" PRIu64
	       ", \"newest\": %" PRIu64 "}\n", raw_published(&raw), queued, messages, notices, newest);
	raw_detach(&raw);
	return 0;
}

static int mode_grants(const struct arguments *a)
{
	struct lumaring *ring;

	if (open_ring(a, &ring) < 0)
		return 1;
	printf("{\"cursors\": %u}\n", lumaring_info(ring)->cursors);
	lumaring_close(ring);
	return 0;
}

/* --- the command line ------------------------------------------------------------------------------------------- */

static uint64_t parse_number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end || end == text || n > max) {
		fprintf(stderr, "client: \"%s\" is not a number up to %" PRIu64 "\n", text, max);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "handles", required_argument, NULL, 'h' }, { "copy", no_argument, NULL, 'y' },
		{ "futex", no_argument, NULL, 'f' },
		{ "cursors", required_argument, NULL, 'c' }, { "every", required_argument, NULL, 'e' },
		{ "count", required_argument, NULL, 'n' },   { "jobs", required_argument, NULL, 'j' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint64_t n = optarg && c != '?' ? parse_number(optarg, INT32_MAX) : 0;

		if (c == '?')
			exit(2);
		a->handles = c == 'h' ? (uint32_t)n : a->handles;
		a->cursors = c == 'c' ? (uint32_t)n : a->cursors;
		a->jobs = c == 'j' ? (uint32_t)n : a->jobs;
		a->count = c == 'n' ? n : a->count;
		a->every = c == 'e' ? n : a->every;
		a->copy |= c == 'y';
		a->futex |= c == 'f';
	}
	if (argc - optind != 3 || a->handles > HANDLES_MAX || a->jobs > JOBS_MAX) {
		fprintf(stderr, "usage: client MODE DIR CAMERA [OPTION]...\n");
		exit(2);
	}
	a->runtime_dir = argv[optind + 1];
	a->camera = argv[optind + 2];
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct arguments *a);
	} modes[] = {
		{ "count", mode_count }, { "hold", mode_hold }, { "resume", mode_resume }, { "die", mode_die },
		{ "storm", mode_storm }, { "deaf", mode_deaf }, { "grants", mode_grants },
	};
	struct arguments a = { .handles = 1, .cursors = 2, .jobs = 1 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv, &a);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[optind], modes[i].name))
			return modes[i].run(&a);
	return fail(argv[optind], "is no mode of this program");
}
