/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * measure.h - what `make demo` and `make bench` measure with: the clock of ready_ns, the CPU time of processes and of
 * single threads of others, and exact quantiles. In one header, since each tool is a program of one file.
 *
 * Reads /proc and clocks only; changes nothing of what it measures. Thread-safe.
 */
#ifndef LUMARING_TESTS_MEASURE_H
#define LUMARING_TESTS_MEASURE_H

#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define MEASURE_NS_PER_SECOND UINT64_C(1000000000)

static inline uint64_t measure_clock_ns(clockid_t clock)
{
	struct timespec t = { 0, 0 };

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * MEASURE_NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

static inline uint64_t measure_now_ns(void)
{
	return measure_clock_ns(CLOCK_MONOTONIC);
}

static inline void measure_sleep_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / MEASURE_NS_PER_SECOND), (long)(ns % MEASURE_NS_PER_SECOND) };

	nanosleep(&t, NULL);
}

/* User and system time of a whole process, to the nanosecond; 0 when there is no such process. */
static inline uint64_t measure_process_cpu_ns(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) == 0 ? measure_clock_ns(clock) : 0;
}

/* Time on the CPU of one thread: from schedstat, else (a kernel without it) in whole ticks from stat. */
static inline uint64_t measure_task_cpu_ns(pid_t pid, const char *tid)
{
	char path[320];
	uint64_t ns = 0, user = 0, system = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", (int)pid, tid);
	file = fopen(path, "re");
	if (file) {
		int got = fscanf(file, "%" SCNu64, &ns);

		fclose(file);
		if (got == 1)
			return ns;
	}
	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/stat", (int)pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	/* Thread names of lumaring hold no parenthesis, so the second field ends at the first one. */
	if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
		   &system) != 2)
		user = system = 0;
	fclose(file);
	return (user + system) * (MEASURE_NS_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK));
}

static inline int measure_task_is(pid_t pid, const char *tid, const char *name)
{
	char path[320], comm[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/comm", (int)pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(comm, sizeof(comm), file))
		comm[0] = '\0';
	fclose(file);
	comm[strcspn(comm, "\n")] = '\0';
	return strcmp(comm, name) == 0;
}

/* CPU time of the threads of a process that have this name. */
static inline uint64_t measure_threads_cpu_ns(pid_t pid, const char *name)
{
	char path[64];
	uint64_t sum_ns = 0;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return 0;
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.' && measure_task_is(pid, entry->d_name, name))
			sum_ns += measure_task_cpu_ns(pid, entry->d_name);
	closedir(tasks);
	return sum_ns;
}

static inline int measure_compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The smallest value that so many percent of the values do not exceed (nearest rank). Sorts; 0 of no values. */
static inline uint32_t measure_percentile(uint32_t *values, size_t count, unsigned percent)
{
	size_t rank = (count * percent + 99) / 100;

	qsort(values, count, sizeof(values[0]), measure_compare_u32);
	return count ? values[rank ? rank - 1 : 0] : 0;
}

#endif
