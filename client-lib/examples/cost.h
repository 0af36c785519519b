/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cost.h - what frames cost: time from the sensor to a position, CPU time of this program and of the daemon, bytes. The
 * part of follow.c that only measures.
 */
#ifndef LUMARING_EXAMPLE_COST_H
#define LUMARING_EXAMPLE_COST_H

#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LATENCIES_MAX 65536

/* What frames of one kind cost. */
struct account {
	uint64_t frames, found, bytes, cpu_ns, daemon_ns;
	uint32_t latency_count, latencies_us[LATENCIES_MAX];
};

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What a file of a thread of the daemon begins with; "" when it cannot be read. */
static inline const char *read_task(uint32_t pid, const char *task, const char *name, char *text, int text_bytes)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%.20s/%s", pid, task, name);
	file = fopen(path, "re");
	if (!file || !fgets(text, text_bytes, file))
		text[0] = '\0';
	if (file)
		fclose(file);
	return text;
}

/* CPU time of those threads of the daemon that do its work for each frame, capture and copy-N. 0: not known. */
static inline uint64_t daemon_cpu_ns(uint32_t pid)
{
	char path[64], text[128];
	uint64_t sum_ns = 0;
	struct dirent *task;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task", pid);
	tasks = opendir(path);
	while (tasks && (task = readdir(tasks)))
		if (!strcmp(read_task(pid, task->d_name, "comm", text, sizeof(text)), "capture\n") ||
		    !strncmp(text, "copy-", 5))
			sum_ns += strtoull(read_task(pid, task->d_name, "schedstat", text, sizeof(text)), NULL, 10);
	if (tasks)
		closedir(tasks);
	return sum_ns;
}

static inline int compare_u32(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static inline double percentile_us(struct account *a, unsigned percent)
{
	qsort(a->latencies_us, a->latency_count, sizeof(a->latencies_us[0]), compare_u32);
	return a->latency_count ? a->latencies_us[(a->latency_count - 1) * percent / 100] : 0;
}

static inline void account_print(struct account *a, const char *name)
{
	const double frames = (double)a->frames, us = 1e3 * frames;

	if (!a->frames)
		return;
	printf("%-16s %8" PRIu64 " %8.1f %9.0f %9.0f %10.1f ", name, a->frames, 100 * (double)a->found / frames,
	       percentile_us(a, 50), percentile_us(a, 99), (double)a->cpu_ns / us);
	if (a->daemon_ns)
		printf("%10.1f %10.1f", (double)a->daemon_ns / us, (double)(a->cpu_ns + a->daemon_ns) / us);
	else
		printf("%10s %10s", "unknown", "unknown");
	printf(" %10.1f\n", (double)a->bytes / 1024 / frames);
}

static inline void accounts_print(struct account *accounts, const char *const *names, unsigned count)
{
	printf("\n%-16s %8s %8s %19s %32s %10s\n", "", "", "", "sensor to position", "CPU of a frame, us", "KiB of");
	printf("%-16s %8s %8s %9s %9s %10s %10s %10s %10s\n", "", "frames", "found, %", "p50, us", "p99, us", "this",
	       "daemon", "both", "a frame");
	for (unsigned i = 0; i < count; i++)
		account_print(&accounts[i], names[i]);
}

#endif
