/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_silent.h - the section "never-read" of `make bench`: what clients that attach and never read cost, in memory of
 * the kernel and in lateness of the others. A part of bench.c, which is all of these clients itself.
 */
#ifndef LUMARING_TESTS_BENCH_SILENT_H
#define LUMARING_TESTS_BENCH_SILENT_H

#include <dirent.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "bench_run.h"
#include "bench_table.h"
#include "raw.h"

#define SILENT_CLIENTS 200u
#define SILENT_FRAMES 64u /* until their queues are full for sure */
#define SILENT_HONEST 8u
#define SILENT_REPEATS 3u
#define SILENT_AIM_KIB 10.0

struct silent {
	int sockets[SILENT_CLIENTS];
	unsigned count;
	double slab_kib, shared_kib, charged_kib, messages; /* for each of them */
};

/* A line of /proc/meminfo, KiB. */
static double meminfo_kib(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	double kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			kib = strtod(line + strlen(name) + 1, NULL);
	if (file)
		fclose(file);
	return kib;
}

/* What the kernel charges the server's sockets to this process for messages that were not read. */
static uint64_t charged_bytes(pid_t server)
{
	int pidfd = (int)syscall(SYS_pidfd_open, server, 0);
	struct dirent *entry;
	uint64_t sum = 0;
	char path[64];
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)server);
	fds = opendir(path);
	while (fds && (entry = readdir(fds))) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0), bytes = 0;
		struct ucred peer = { 0 };
		socklen_t peer_bytes = sizeof(peer);

		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) == 0 && peer.pid == getpid() &&
		    ioctl(fd, SIOCOUTQ, &bytes) == 0)
			sum += (uint64_t)bytes;
		close(fd);
	}
	if (fds)
		closedir(fds);
	close(pidfd);
	return sum;
}

static int attach_silent(const struct bench *bench, struct silent *silent)
{
	struct lumaring_hello hello = raw_hello(0);
	struct lumaring_welcome welcome;
	char path[4096];
	int fds[2];

	snprintf(path, sizeof(path), "%s/bench/frames", bench->work);
	for (silent->count = 0; silent->count < SILENT_CLIENTS; silent->count++) {
		int fd = raw_connect(path), r = fd;

		if (r >= 0)
			r = send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 ? -errno : 0;
		if (r == 0)
			r = raw_receive_welcome(fd, &welcome, fds);
		silent->sockets[silent->count] = fd;
		if (r < 0)
			return fprintf(stderr, "bench: client %u that never reads: %s\n", silent->count, strerror(-r)),
			       -1;
		close(fds[0]);
		close(fds[1]);
	}
	return 0;
}

static int wait_for_frames(const struct bench *bench, unsigned frames)
{
	uint64_t last = newest_sequence(bench) + frames, deadline_ns = measure_now_ns() + DEADLINE_NS;

	while (newest_sequence(bench) < last) {
		if (has_ended(bench->server) || measure_now_ns() > deadline_ns)
			return -1;
		measure_sleep_ns(5000000);
	}
	return 0;
}

/* Once the honest clients run: let the others in, and wait until the server has filled their queues. */
static int make_silent(struct bench *bench, void *owner)
{
	struct silent *silent = owner;
	double slab_kib = meminfo_kib("Slab"), shared_kib = meminfo_kib("Shmem");

	if (attach_silent(bench, silent) < 0 || wait_for_frames(bench, SILENT_FRAMES) < 0)
		return -1;
	silent->slab_kib = (meminfo_kib("Slab") - slab_kib) / SILENT_CLIENTS;
	silent->shared_kib = (meminfo_kib("Shmem") - shared_kib) / SILENT_CLIENTS;
	silent->charged_kib = (double)charged_bytes(bench->server) / 1024 / SILENT_CLIENTS;
	return 0;
}

/* They do read, now that nothing is measured any more. */
static void end_silent(struct silent *silent)
{
	uint8_t message[LUMARING_MESSAGE_MAX];
	unsigned messages = 0;

	for (unsigned i = 0; i < silent->count; i++) {
		while (recv(silent->sockets[i], message, sizeof(message), MSG_DONTWAIT) > 0)
			messages++;
		close(silent->sockets[i]);
	}
	silent->messages = (double)messages / SILENT_CLIENTS;
	silent->count = 0;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

enum { WITHOUT, WITH, SILENT_ROWS };

static void report_silent_row(const char *name, const struct result *results, const struct result *without,
			      unsigned repeats)
{
	static const enum figure shown[] = { P50, P99, DAEMON };
	double values[REPEATS_MAX], ratios[REPEATS_MAX];
	uint64_t missed = 0;
	unsigned balanced = 0;
	char text[CELL_BYTES];
	struct spread s;

	printf("| %s |", name);
	for (size_t figure = 0; figure < sizeof(shown) / sizeof(shown[0]); figure++) {
		for (unsigned i = 0; i < repeats; i++) {
			values[i] = results[i].us[shown[figure]];
			ratios[i] = values[i] / without[i].us[shown[figure]];
		}
		s = spread_of(values, repeats);
		spread_text(text, &s, 0);
		if (results == without)
			printf(" %s |", text);
		else
			printf(" %s, %.2f |", text, spread_of(ratios, repeats).median);
	}
	for (unsigned i = 0; i < repeats; i++) {
		missed += results[i].missed;
		balanced += results[i].balanced;
	}
	printf(" %" PRIu64 " | %u of %u |\n", missed, balanced, SILENT_HONEST * repeats);
}

static void report_silent_memory(const struct silent *silents, unsigned repeats)
{
	double slab[REPEATS_MAX], shared[REPEATS_MAX], charged[REPEATS_MAX], messages[REPEATS_MAX];
	char text[CELL_BYTES];
	struct spread s;

	for (unsigned i = 0; i < repeats; i++) {
		slab[i] = silents[i].slab_kib;
		shared[i] = silents[i].shared_kib;
		charged[i] = silents[i].charged_kib;
		messages[i] = silents[i].messages;
	}
	s = spread_of(slab, repeats);
	spread_text(text, &s, 1);
	printf("\nKernel memory for each that never reads: %s KiB (aim %.0f), by the growth of Slab in /proc/meminfo: "
	       "both\n"
	       "ends of its connection, the file of its page, and the messages that wait. These are %.1f messages, "
	       "for\n"
	       "which %.1f KiB are charged to the daemon's socket (SIOCOUTQ). Besides, %.1f KiB of shared memory: the\n"
	       "page itself (Shmem).\n",
	       text, SILENT_AIM_KIB, spread_of(messages, repeats).median, spread_of(charged, repeats).median,
	       spread_of(shared, repeats).median);
}

static int measure_silent(struct bench *bench, struct setup *setup, struct result *ret_result, struct silent *silent)
{
	int r;

	setup->prepare = silent ? make_silent : NULL;
	setup->owner = silent;
	r = run(bench, setup, ret_result);
	if (silent)
		end_silent(silent);
	return r;
}

static int bench_silent(struct bench *bench)
{
	static struct result results[SILENT_ROWS][REPEATS_MAX];
	static struct silent silents[REPEATS_MAX];
	unsigned repeats = repeats_of(bench, SILENT_REPEATS);
	struct setup setup = {
		.manner = &manner_lumaring,
		.clients = SILENT_HONEST,
		.slots = slots_for(SILENT_HONEST),
		.width = 2304,
		.height = 1296,
		.run_ns = bench->run_ns,
	};

	for (unsigned i = 0; i < repeats; i++)
		for (unsigned turn = 0; turn < SILENT_ROWS; turn++) {
			unsigned row = (i + turn) % SILENT_ROWS;

			if (measure_silent(bench, &setup, &results[row][i], row == WITH ? &silents[i] : NULL) < 0)
				return -1;
		}
	printf("\n## Clients that never read\n\n"
	       "%u honest clients of %ux%u at %u frames/s, beside %u that attached and never read.\n\n"
	       "| | ready to pointer p50, us | p99, us | daemon CPU per frame, us | missed | balanced |\n"
	       "| --- | --- | --- | --- | --- | --- |\n",
	       SILENT_HONEST, setup.width, setup.height, FRAMERATE, SILENT_CLIENTS);
	report_silent_row("alone", results[WITHOUT], results[WITHOUT], repeats);
	report_silent_row("beside them", results[WITH], results[WITHOUT], repeats);
	report_silent_memory(silents, repeats);
	return 0;
}

#endif
