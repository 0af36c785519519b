/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_outage.h - the section "descriptors" of `make bench`: what the daemon does while it has no descriptor for the
 * clients that knock, and how soon it takes them when there are some again. A part of bench.c.
 *
 * The daemon starts with few descriptors, and clients attach until there is none. Few frames come meanwhile, and the
 * source's thread is left out: what is seen is what knocking costs.
 */
#ifndef LUMARING_TESTS_BENCH_OUTAGE_H
#define LUMARING_TESTS_BENCH_OUTAGE_H

#include <poll.h>

#include "bench_run.h"
#include "raw.h"

#define OUTAGE_DESCRIPTORS 64u
#define OUTAGE_ATTACHED 16u
#define OUTAGE_KNOCKING 8u /* at a time, each OUTAGE_STEP_NS: as 40 clients that ask again every half second */
#define OUTAGE_STEP_NS (MEASURE_NS_PER_SECOND / 10)
#define OUTAGE_STEPS 30u
#define OUTAGE_AIM_PERCENT 1.0

static const struct manner outage_manners[] = {
	{ "--io epoll", "lumaring", "epoll" },
	{ "--io uring", "lumaring", "uring" },
};

struct outage {
	struct bench *bench;
	int sockets[OUTAGE_DESCRIPTORS]; /* attached */
	unsigned count;
	double before_percent, during_percent, recovery_ms;
	unsigned knocked, told;
};

/* CPU of the server without its source's thread between two moments, as a share of one CPU. */
static double share_percent(const struct moment *a, const struct moment *b)
{
	return 100.0 * (double)((b->cpu_ns - a->cpu_ns) - (b->cpu_source_ns - a->cpu_source_ns)) /
	       (double)(b->now_ns - a->now_ns);
}

/* Connect and say hello: a descriptor, or a negative errno. */
static int knock(const struct outage *outage)
{
	struct lumaring_hello hello = raw_hello(0);
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/bench/frames", outage->bench->work);
	fd = raw_connect(path);
	if (fd >= 0)
		(void)!send(fd, &hello, sizeof(hello), MSG_NOSIGNAL); /* who is refused at once need not hear it */
	return fd;
}

/* Take the answer that is there, or comes: 0 when it is a welcome. */
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

/* Attach so many at most: 0, or the error that one was refused with. */
static int attach_up_to(struct outage *outage, unsigned count)
{
	int r = 0;

	while (r == 0 && outage->count < count) {
		int fd = knock(outage);

		r = fd < 0 ? fd : take_answer(fd);
		if (r == 0)
			outage->sockets[outage->count++] = fd;
		else if (fd >= 0)
			close(fd);
	}
	return r;
}

static void detach_down_to(struct outage *outage, unsigned count)
{
	while (outage->count > count)
		close(outage->sockets[--outage->count]);
}

/* Some knock, and hang up after a step; how many were told why until then. */
static int knock_for_a_step(struct outage *outage)
{
	struct pollfd knocking[OUTAGE_KNOCKING];
	int r = 0;

	for (unsigned i = 0; i < OUTAGE_KNOCKING; i++)
		knocking[i] = (struct pollfd){ .fd = knock(outage), .events = POLLIN };
	measure_sleep_ns(OUTAGE_STEP_NS);
	poll(knocking, OUTAGE_KNOCKING, 0);
	for (unsigned i = 0; i < OUTAGE_KNOCKING; i++) {
		if (knocking[i].fd < 0) {
			r = knocking[i].fd;
			continue;
		}
		outage->knocked++;
		outage->told += knocking[i].revents && take_answer(knocking[i].fd) == -EMFILE;
		close(knocking[i].fd);
	}
	return r;
}

static int measure_started_outage(struct outage *outage)
{
	struct moment a, b;
	uint64_t since_ns;
	int r = attach_up_to(outage, OUTAGE_ATTACHED);

	if (r < 0)
		return r;
	a = look(outage->bench);
	measure_sleep_ns(OUTAGE_STEPS * OUTAGE_STEP_NS);
	b = look(outage->bench);
	outage->before_percent = share_percent(&a, &b);
	r = attach_up_to(outage, OUTAGE_DESCRIPTORS);
	if (r != -EMFILE)
		return r < 0 ? r : -EPROTO;
	a = look(outage->bench);
	r = 0;
	for (unsigned i = 0; r == 0 && i < OUTAGE_STEPS; i++)
		r = knock_for_a_step(outage);
	b = look(outage->bench);
	outage->during_percent = share_percent(&a, &b);
	since_ns = measure_now_ns();
	detach_down_to(outage, OUTAGE_ATTACHED);
	while (r == 0 && (r = attach_up_to(outage, OUTAGE_ATTACHED + 1)) == -EMFILE)
		r = measure_now_ns() - since_ns < DEADLINE_NS ? 0 : -ETIMEDOUT;
	outage->recovery_ms = (double)(measure_now_ns() - since_ns) / 1e6;
	return r;
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
	detach_down_to(outage, 0);
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
	       "A daemon with %u descriptors: %u clients are attached, then as many more until it has none left, and\n"
	       "%.0f a second knock meanwhile. CPU of the daemon without its source's thread, as a share of one CPU "
	       "over\n"
	       "%.0f s (aim %.0f %%), and how soon it takes a client again once the others have left.\n\n"
	       "| | CPU before | CPU meanwhile | told why | takes one again |\n"
	       "| --- | --- | --- | --- | --- |\n",
	       OUTAGE_DESCRIPTORS, OUTAGE_ATTACHED,
	       OUTAGE_KNOCKING * (double)MEASURE_NS_PER_SECOND / (double)OUTAGE_STEP_NS,
	       OUTAGE_STEPS * (double)OUTAGE_STEP_NS / 1e9, OUTAGE_AIM_PERCENT);
	for (size_t i = 0; i < sizeof(outage_manners) / sizeof(outage_manners[0]); i++) {
		struct outage outage = { .bench = bench };
		struct setup setup = {
			.manner = &outage_manners[i],
			.slots = 8,
			.width = 320,
			.height = 240,
			.framerate = 1,
			.descriptors = OUTAGE_DESCRIPTORS,
			.may_be_refused = true,
		};
		int r = measure_outage(bench, &setup, &outage);

		if (r < 0)
			return -1;
		if (r == RUN_REFUSED)
			printf("| %s | %s |\n", setup.manner->name, bench->refusal);
		else
			printf("| %s | %.3f %% | %.3f %% | %u of %u | %.0f ms |\n", setup.manner->name,
			       outage.before_percent, outage.during_percent, outage.told, outage.knocked,
			       outage.recovery_ms);
	}
	return 0;
}

#endif
