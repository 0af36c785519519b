/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_run.h - one run of `make bench`: a server, its clients, and what they took between two moments. A part of
 * bench.c, whose sections repeat runs and tell about them.
 *
 * Starts processes in WORK_DIR and always ends them; a run that failed says why on standard error.
 */
#ifndef LUMARING_TESTS_BENCH_RUN_H
#define LUMARING_TESTS_BENCH_RUN_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "measure.h"

#define CLIENTS_MAX 256u
#define COUNTS_MAX 8u
#define DEADLINE_NS (UINT64_C(60) * MEASURE_NS_PER_SECOND)
#define FRAMERATE 56u
#define RUN_REFUSED 1 /* of run(): a program said that it cannot do this; bench.refusal has its sentence */

enum figure { P50, P99, DAEMON, DAEMON_WHOLE, CLIENTS, ALL, FIGURES };

/* How frames get to the clients. */
struct manner {
	const char *name;   /* in the tables */
	const char *client; /* kind of client, for bench_client */
	const char *io;     /* of lumaringd; NULL: as it decides */
};

static const struct manner manner_lumaring = { "lumaring", "lumaring", NULL };
static const struct manner manner_floor = { "floor", "floor", NULL };

struct bench {
	const char *build, *work;
	unsigned counts[COUNTS_MAX], count_total;
	unsigned repeats; /* 0: as many as the section wants */
	uint64_t run_ns;
	struct bench_shared *shared;
	int shared_fd;
	pid_t clients[CLIENTS_MAX], server;
	unsigned client_count; /* started */
	int client_code;       /* of the first client that did not end as it should, as exit_code() */
	char refusal[256];
	unsigned unbalanced; /* clients so far whose account did not add up */
};

struct setup {
	const struct manner *manner;
	unsigned clients, slots, width, height;
	unsigned framerate;   /* 0: FRAMERATE */
	unsigned descriptors; /* limit of open files of the server, 0: as it is here */
	const char *stream;   /* --stream, NULL: the default */
	bool unpaced;
	bool may_be_refused;
	uint64_t run_ns;
	int (*prepare)(struct bench *bench, void *owner); /* between warming up and measuring; 0 or -1. NULL: nothing */
	void *owner;
};

struct result {
	double us[FIGURES];
	double fps;
	uint64_t missed, frames;
	unsigned clients_missed; /* how many missed any */
	unsigned balanced;       /* how many have an account that adds up */
};

static bool is_floor(const struct setup *setup)
{
	return strcmp(setup->manner->client, "floor") == 0;
}

static unsigned repeats_of(const struct bench *bench, unsigned wanted)
{
	return bench->repeats ? bench->repeats : wanted;
}

/* As many as let each client have a pin. */
static unsigned slots_for(unsigned clients)
{
	return clients + 2 < 8 ? 8 : clients + 2;
}

/* What a ring needs and /dev/shm has not would only end in a refusal. */
static bool has_room(const struct setup *setup)
{
	uint64_t needed = (uint64_t)setup->width * setup->height * setup->slots + (1 << 20);
	struct statvfs fs;

	if (statvfs("/dev/shm", &fs) < 0 || fs.f_bavail * fs.f_frsize >= needed)
		return true;
	printf("\n%u clients: left out, since /dev/shm has %llu bytes free and a ring of %u slots needs %llu\n",
	       setup->clients, (unsigned long long)(fs.f_bavail * fs.f_frsize), setup->slots,
	       (unsigned long long)needed);
	return false;
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

/* Start BUILD/argv[0]; its standard error goes to WORK/NAME.log. `descriptors`: its limit of open files, 0: as here. */
static pid_t start(const struct bench *bench, const char *const *argv, const char *name, unsigned descriptors)
{
	const struct rlimit limit = { descriptors, descriptors };
	char path[4096], log[4096];
	pid_t parent = getpid(), pid;

	snprintf(path, sizeof(path), "%s/%s", bench->build, argv[0]);
	snprintf(log, sizeof(log), "%s/%s.log", bench->work, name);
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent && freopen(log, "a", stderr) && (!descriptors || setrlimit(RLIMIT_NOFILE, &limit) == 0))
		execv(path, (char *const *)(uintptr_t)argv); /* which changes none of them */
	_exit(127);
}

static void show_logs(const struct bench *bench)
{
	static const char *const names[] = { "server", "client" };
	char path[4096], line[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s.log", bench->work, names[i]);
		file = fopen(path, "re");
		while (file && fgets(line, sizeof(line), file))
			fprintf(stderr, "  %s", line);
		if (file)
			fclose(file);
	}
}

static void remove_logs(const struct bench *bench)
{
	static const char *const names[] = { "server.log", "client.log", "floor" };
	char path[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", bench->work, names[i]);
		unlink(path);
	}
}

static unsigned framerate_of(const struct setup *setup)
{
	return setup->framerate ? setup->framerate : FRAMERATE;
}

static pid_t start_lumaringd(const struct bench *bench, const struct setup *setup)
{
	char size[32], rate[32], slots[16], clients[16], clients_max[16];
	const char *argv[] = {
		"lumaringd", "--camera",
		"bench",     "--runtime-dir",
		bench->work, "--source",
		"synthetic", "--size",
		size,        "--slots",
		slots,       "--wait-clients",
		clients,     "--clients-max",
		clients_max, "--unpaced",
		NULL,        NULL,
		NULL,        NULL,
		NULL,        NULL,
	};
	unsigned count = 15;

	snprintf(size, sizeof(size), "%ux%u", setup->width, setup->height);
	snprintf(rate, sizeof(rate), "%u", framerate_of(setup));
	snprintf(slots, sizeof(slots), "%u", setup->slots);
	snprintf(clients, sizeof(clients), "%u", setup->clients);
	snprintf(clients_max, sizeof(clients_max), "%u", 4 * CLIENTS_MAX);
	argv[count++] = setup->unpaced ? "--unpaced" : "--framerate";
	if (!setup->unpaced)
		argv[count++] = rate;
	if (setup->manner->io) {
		argv[count++] = "--io";
		argv[count++] = setup->manner->io;
	}
	if (setup->stream) {
		argv[count++] = "--stream";
		argv[count++] = setup->stream;
	}
	argv[count] = NULL;
	return start(bench, argv, "server", setup->descriptors);
}

static pid_t start_floor(const struct bench *bench, const struct setup *setup)
{
	char path[4096], width[16], height[16], period[32], slots[16], clients[16];
	const char *argv[] = { "tests/bench_floor", path, width, height, period, slots, clients, NULL };

	snprintf(path, sizeof(path), "%s/floor", bench->work);
	snprintf(width, sizeof(width), "%u", setup->width);
	snprintf(height, sizeof(height), "%u", setup->height);
	snprintf(period, sizeof(period), "%" PRIu64, setup->unpaced ? 0 : MEASURE_NS_PER_SECOND / framerate_of(setup));
	snprintf(slots, sizeof(slots), "%u", setup->slots);
	snprintf(clients, sizeof(clients), "%u", setup->clients);
	return start(bench, argv, "server", 0);
}

static pid_t start_client(const struct bench *bench, const struct setup *setup, unsigned index)
{
	char where[4096], fd[16], number[16], count[16];
	const char *argv[] = { "tests/bench_client", setup->manner->client, where, fd, number, count, NULL };

	snprintf(where, sizeof(where), "%s%s", bench->work, is_floor(setup) ? "/floor" : "");
	snprintf(fd, sizeof(fd), "%d", bench->shared_fd);
	snprintf(number, sizeof(number), "%u", index);
	snprintf(count, sizeof(count), "%u", CLIENTS_MAX);
	return start(bench, argv, "client", 0);
}

/* -1: not ended yet; 128 + the signal that ended it. Leaves it to be waited for. */
static int exit_code(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return 127;
	if (info.si_pid != pid)
		return -1;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static bool has_ended(pid_t pid)
{
	return exit_code(pid) >= 0;
}

/* The floor takes each connection for a client, and its name is there when it can be connected to. */
static bool is_serving(const struct setup *setup, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (is_floor(setup))
		return access(path, F_OK) == 0;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return r == 0;
}

static int wait_for_server(const struct bench *bench, const struct setup *setup)
{
	uint64_t deadline_ns = measure_now_ns() + DEADLINE_NS;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

	snprintf(path, sizeof(path), "%s/%s", bench->work, is_floor(setup) ? "floor" : "bench/frames");
	while (!is_serving(setup, path)) {
		if (has_ended(bench->server) || measure_now_ns() > deadline_ns)
			return -1;
		measure_sleep_ns(2000000);
	}
	return 0;
}

static void stop_server(struct bench *bench)
{
	if (bench->server > 0) {
		kill(bench->server, SIGTERM);
		waitpid(bench->server, NULL, 0);
	}
	bench->server = 0;
}

static void start_clients(struct bench *bench, const struct setup *setup)
{
	while (bench->client_count < setup->clients) {
		bench->clients[bench->client_count] = start_client(bench, setup, bench->client_count);
		bench->client_count++;
	}
}

/* 0 when all that were started ended as they should. */
static int stop_clients(struct bench *bench)
{
	uint64_t deadline_ns = measure_now_ns() + DEADLINE_NS;

	bench->client_code = 0;
	__atomic_store_n(&bench->shared->phase, BENCH_STOP, __ATOMIC_RELAXED); /* see phase() in bench_client.c */
	for (unsigned i = 0; i < bench->client_count; i++) {
		while (!has_ended(bench->clients[i]) && measure_now_ns() < deadline_ns)
			measure_sleep_ns(2000000);
		if (!has_ended(bench->clients[i]))
			kill(bench->clients[i], SIGKILL);
		if (bench->client_code == 0)
			bench->client_code = exit_code(bench->clients[i]);
		waitpid(bench->clients[i], NULL, 0);
	}
	bench->client_count = 0;
	return bench->client_code ? -1 : 0;
}

/* The last line of a log, without the program's name before it. */
static void read_refusal(struct bench *bench, const char *log)
{
	char path[4096], line[sizeof(bench->refusal)];
	const char *said;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", bench->work, log);
	snprintf(bench->refusal, sizeof(bench->refusal), "no reason was given");
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		said = strstr(line, ": ");
		snprintf(bench->refusal, sizeof(bench->refusal), "%s", said ? said + 2 : line);
	}
	if (file)
		fclose(file);
}

/* --- one run ------------------------------------------------------------------------------------------------------ */

static uint64_t newest_sequence(const struct bench *bench)
{
	/* Relaxed: see note_frame() in bench_client.c. */
	return __atomic_load_n(&bench->shared->figures[0].sequence, __ATOMIC_RELAXED);
}

/* Until each slot was written once, so that every page is there and mapped. */
static int warm_up(const struct bench *bench, const struct setup *setup)
{
	uint64_t deadline_ns = measure_now_ns() + DEADLINE_NS;

	while (newest_sequence(bench) < setup->slots + 8) {
		if (has_ended(bench->server) || measure_now_ns() > deadline_ns)
			return -1;
		for (unsigned i = 0; i < setup->clients; i++)
			if (has_ended(bench->clients[i]))
				return -1;
		measure_sleep_ns(5000000);
	}
	return 0;
}

struct moment {
	uint64_t now_ns, sequence, cpu_ns, cpu_source_ns;
};

static struct moment look(const struct bench *bench)
{
	return (struct moment){
		.now_ns = measure_now_ns(),
		.sequence = newest_sequence(bench),
		.cpu_ns = measure_process_cpu_ns(bench->server),
		.cpu_source_ns = measure_threads_cpu_ns(bench->server, "synthetic"),
	};
}

/* Seen and missed are what was captured, seen and skipped what was published, and the daemon's ledger has the rest. */
static bool balances(const struct bench_figures *f)
{
	return f->frames + f->missed == f->captured && f->frames + f->skipped == f->published &&
	       f->skipped + f->lost == f->missed;
}

static void add_client(struct result *result, const struct setup *setup, const struct bench_figures *f)
{
	result->us[CLIENTS] += (double)f->cpu_ns / 1e3 / (double)(f->frames + f->missed);
	result->missed += f->missed;
	result->clients_missed += f->missed > 0;
	result->balanced += is_floor(setup) || balances(f);
}

static int gather(struct bench *bench, const struct setup *setup, const struct moment *a, const struct moment *b,
		  struct result *ret_result)
{
	static uint32_t samples_ns[CLIENTS_MAX * BENCH_SAMPLES_MAX];
	uint64_t frames = b->sequence - a->sequence;
	struct result result = { .frames = frames };
	size_t count = 0;

	if (!frames)
		return -1;
	for (unsigned i = 0; i < setup->clients; i++) {
		const struct bench_figures *f = &bench->shared->figures[i];

		if (!f->frames)
			return -1;
		memcpy(samples_ns + count, f->samples_ns, f->sample_count * sizeof(samples_ns[0]));
		count += f->sample_count;
		add_client(&result, setup, f);
	}
	bench->unbalanced += setup->clients - result.balanced;
	result.us[P50] = measure_percentile(samples_ns, count, 50) / 1e3;
	result.us[P99] = measure_percentile(samples_ns, count, 99) / 1e3;
	result.us[DAEMON_WHOLE] = (double)(b->cpu_ns - a->cpu_ns) / 1e3 / (double)frames;
	result.us[DAEMON] =
		result.us[DAEMON_WHOLE] - (double)(b->cpu_source_ns - a->cpu_source_ns) / 1e3 / (double)frames;
	result.us[ALL] = result.us[DAEMON] + result.us[CLIENTS];
	result.fps = (double)frames * 1e9 / (double)(b->now_ns - a->now_ns);
	*ret_result = result;
	return 0;
}

static int run_started(struct bench *bench, const struct setup *setup, struct moment *ret_a, struct moment *ret_b)
{
	if (warm_up(bench, setup) < 0 || (setup->prepare && setup->prepare(bench, setup->owner) < 0))
		return -1;
	*ret_a = look(bench);
	__atomic_store_n(&bench->shared->phase, BENCH_MEASURE, __ATOMIC_RELAXED); /* see phase() in bench_client.c */
	measure_sleep_ns(setup->run_ns);
	*ret_b = look(bench);
	return 0;
}

/* Was it refused, rather than that something went wrong? */
static bool was_refused(struct bench *bench, const struct setup *setup, int server_code)
{
	if (!setup->may_be_refused)
		return false;
	if (server_code > 0 && server_code < 127)
		read_refusal(bench, "server.log");
	else if (bench->client_code == BENCH_UNKNOWN)
		read_refusal(bench, "client.log");
	else
		return false;
	return true;
}

/* Server and clients from their start to their end. 0; RUN_REFUSED; or -1 after the reason went to standard error. */
static int run(struct bench *bench, const struct setup *setup, struct result *ret_result)
{
	struct moment a, b;
	int server_code, r;

	memset(bench->shared, 0, sizeof(*bench->shared) + setup->clients * sizeof(bench->shared->figures[0]));
	remove_logs(bench);
	bench->server = is_floor(setup) ? start_floor(bench, setup) : start_lumaringd(bench, setup);
	r = wait_for_server(bench, setup);
	server_code = exit_code(bench->server);
	if (r == 0) {
		start_clients(bench, setup);
		r = run_started(bench, setup, &a, &b);
	}
	if (stop_clients(bench) < 0)
		r = -1;
	stop_server(bench);
	if (r == 0)
		r = gather(bench, setup, &a, &b, ret_result);
	if (r < 0 && was_refused(bench, setup, server_code))
		return RUN_REFUSED;
	if (r < 0) {
		fprintf(stderr, "bench: a run with %u clients of %s failed; what was said:\n", setup->clients,
			setup->manner->name);
		show_logs(bench);
	}
	return r;
}

#endif
