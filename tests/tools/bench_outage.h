/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_outage.h - the section "descriptors" of `make bench`: what the daemon does while it has no descriptor for the
 * clients that knock, and how soon it takes them when there are some again. A part of bench.c.
 *
 * The outage is made with prlimit(2) on the running daemon, so that it begins and ends between two system calls. Few
 * frames come meanwhile, and the source's thread is left out: what is seen is what knocking costs.
 */
#ifndef LUMARING_TESTS_BENCH_OUTAGE_H
#define LUMARING_TESTS_BENCH_OUTAGE_H

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include "bench_run.h"
#include "raw.h"

#define OUTAGE_ATTACHED 16u
#define OUTAGE_KNOCKING 32u
#define OUTAGE_NS (3 * MEASURE_NS_PER_SECOND)
#define OUTAGE_AIM_PERCENT 1.0

static const struct manner outage_manners[] = {
	{ "--io epoll", "lumaring", "epoll" },
	{ "--io uring", "lumaring", "uring" },
};

struct outage {
	struct bench *bench;
	int sockets[OUTAGE_ATTACHED + OUTAGE_KNOCKING + 1];
	unsigned count;
	double before_percent, during_percent, first_ms, all_ms;
	unsigned waiting; /* of those that knock, when the outage ended: the others were turned away */
};

/* CPU of the server without its source's thread, as a share of one CPU. */
static double share_percent(const struct bench *bench)
{
	struct moment a = look(bench), b;

	measure_sleep_ns(OUTAGE_NS);
	b = look(bench);
	return 100.0 * (double)((b.cpu_ns - a.cpu_ns) - (b.cpu_source_ns - a.cpu_source_ns)) /
	       (double)(b.now_ns - a.now_ns);
}

/* Connect and say hello; who waits for the answer is told by the caller. */
static int knock(struct outage *outage)
{
	struct lumaring_hello hello = raw_hello(0);
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/bench/frames", outage->bench->work);
	fd = raw_connect(path);
	if (fd < 0)
		return fd;
	outage->sockets[outage->count++] = fd;
	return send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Take the answer that is there, or comes. */
static int take_answer(int fd)
{
	struct lumaring_welcome welcome;
	int fds[2], r = raw_receive_welcome(fd, &welcome, fds);

	if (r < 0)
		return r;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static int attach_some(struct outage *outage)
{
	int r = 0;

	while (r == 0 && outage->count < OUTAGE_ATTACHED) {
		r = knock(outage);
		if (r == 0)
			r = take_answer(outage->sockets[outage->count - 1]);
	}
	return r;
}

/* The number that the next descriptor of a process would get. */
static unsigned next_descriptor(pid_t pid)
{
	char path[64];

	for (unsigned fd = 0;; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)pid, fd);
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0) /* most lead nowhere */
			return fd;
	}
}

/* No descriptor more for the server; or, again, as many as before. */
static int begin_outage(pid_t server, struct rlimit *ret_before)
{
	struct rlimit limit;

	if (prlimit(server, RLIMIT_NOFILE, NULL, &limit) < 0)
		return -errno;
	*ret_before = limit;
	limit.rlim_cur = next_descriptor(server);
	return prlimit(server, RLIMIT_NOFILE, &limit, NULL) < 0 ? -errno : 0;
}

static int end_outage(pid_t server, const struct rlimit *before)
{
	return prlimit(server, RLIMIT_NOFILE, before, NULL) < 0 ? -errno : 0;
}

/* Forget those that were turned away. */
static void count_waiting(struct outage *outage, struct pollfd *ready)
{
	for (unsigned i = 0; i < OUTAGE_KNOCKING; i++) {
		ready[i] = (struct pollfd){ .fd = outage->sockets[OUTAGE_ATTACHED + i], .events = POLLIN };
		poll(&ready[i], 1, 0);
		if (ready[i].revents)
			ready[i].fd = -1;
		else
			outage->waiting++;
	}
}

/* From the end of the outage until all that still wait, or one that knocks now, have their answer. */
static int time_recovery(struct outage *outage, struct pollfd *ready, uint64_t since_ns)
{
	unsigned answered = 0, expected = outage->waiting ? outage->waiting : 1;

	if (outage->waiting == 0) {
		int r = knock(outage);

		if (r < 0)
			return r;
		ready[0].fd = outage->sockets[outage->count - 1];
	}
	while (answered < expected) {
		int r = poll(ready, OUTAGE_KNOCKING, (int)(DEADLINE_NS / 1000000));

		if (r <= 0)
			return r < 0 ? -errno : -ETIMEDOUT;
		for (unsigned i = 0; i < OUTAGE_KNOCKING; i++) {
			if (ready[i].fd < 0 || !ready[i].revents)
				continue;
			r = take_answer(ready[i].fd);
			if (r < 0)
				return r;
			ready[i].fd = -1;
			outage->all_ms = (double)(measure_now_ns() - since_ns) / 1e6;
			if (answered++ == 0)
				outage->first_ms = outage->all_ms;
		}
	}
	return 0;
}

static int measure_started_outage(struct outage *outage)
{
	struct pollfd ready[OUTAGE_KNOCKING];
	struct rlimit before;
	uint64_t since_ns;
	int r = attach_some(outage);

	if (r < 0)
		return r;
	outage->before_percent = share_percent(outage->bench);
	r = begin_outage(outage->bench->server, &before);
	while (r == 0 && outage->count < OUTAGE_ATTACHED + OUTAGE_KNOCKING)
		r = knock(outage);
	if (r < 0)
		return r;
	outage->during_percent = share_percent(outage->bench);
	count_waiting(outage, ready);
	since_ns = measure_now_ns();
	r = end_outage(outage->bench->server, &before);
	return r < 0 ? r : time_recovery(outage, ready, since_ns);
}

/* 0, RUN_REFUSED, or -1 after a sentence. */
static int measure_outage(struct bench *bench, const struct setup *setup, struct outage *outage)
{
	int r, server_code;

	remove_logs(bench);
	bench->client_code = 0;
	bench->server = start_lumaringd(bench, setup);
	r = wait_for_server(bench, setup);
	server_code = exit_code(bench->server);
	if (r == 0)
		r = measure_started_outage(outage);
	while (outage->count)
		close(outage->sockets[--outage->count]);
	stop_server(bench);
	if (r < 0 && was_refused(bench, setup, server_code))
		return RUN_REFUSED;
	if (r < 0) {
		fprintf(stderr, "bench: without descriptors: %s; what was said:\n", strerror(-r));
		show_logs(bench);
	}
	return r;
}

static int bench_outage(struct bench *bench)
{
	printf("\n## Descriptors exhausted\n\n"
	       "%u clients are attached when the daemon's descriptors run out, and %u more knock. CPU of the daemon\n"
	       "without its source's thread, as a share of one CPU over %.0f s (aim %.0f %%), then the time from the "
	       "end\n"
	       "of the outage until the first of them, and all that still wait, are taken.\n\n"
	       "| | CPU before | CPU meanwhile | waiting | first after | all after |\n"
	       "| --- | --- | --- | --- | --- | --- |\n",
	       OUTAGE_ATTACHED, OUTAGE_KNOCKING, (double)OUTAGE_NS / 1e9, OUTAGE_AIM_PERCENT);
	for (size_t i = 0; i < sizeof(outage_manners) / sizeof(outage_manners[0]); i++) {
		struct outage outage = { .bench = bench };
		struct setup setup = {
			.manner = &outage_manners[i],
			.slots = 8,
			.width = 320,
			.height = 240,
			.framerate = 1,
			.may_be_refused = true,
		};
		int r = measure_outage(bench, &setup, &outage);

		if (r < 0)
			return -1;
		if (r == RUN_REFUSED)
			printf("| %s | %s |\n", setup.manner->name, bench->refusal);
		else
			printf("| %s | %.3f %% | %.3f %% | %u of %u | %.0f ms | %.0f ms |\n", setup.manner->name,
			       outage.before_percent, outage.during_percent, outage.waiting, OUTAGE_KNOCKING,
			       outage.first_ms, outage.all_ms);
	}
	return 0;
}

#endif
