/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * throttle.c - linked into tests/lumaringd-throttled in front of copy_job_run(): reads of the capture buffer take as
 * long as if its memory were slow.
 *
 * The file that LUMARING_THROTTLE names holds one 32-bit number, native order: nanoseconds for each KiB that comes out.
 * A test changes it while the daemon runs. A thread whose loads stall would spin; this one sleeps, so that what a test
 * sees does not depend on how busy the machine is otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "copy/convert.h"

void __real_copy_job_run(const struct copy_job *job, uint32_t row, uint32_t rows, void *scratch);
void __wrap_copy_job_run(const struct copy_job *job, uint32_t row, uint32_t rows, void *scratch);

static const uint32_t *ns_per_kib;

__attribute__((constructor)) static void open_throttle(void)
{
	const char *path = getenv("LUMARING_THROTTLE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = mmap(NULL, sizeof(*ns_per_kib), PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		static const char text[] = "LUMARING_THROTTLE must name a file of 4 bytes\n";

		if (write(2, text, sizeof(text) - 1)) /* there is nothing else to be done */
			_exit(2);
		_exit(2);
	}
	close(fd);
	ns_per_kib = map;
}

void __wrap_copy_job_run(const struct copy_job *job, uint32_t row, uint32_t rows, void *scratch)
{
	uint64_t bytes = (uint64_t)job->width * rows * copy_pixel_bytes(job->conversion->fourcc);
	/* Relaxed: a number that stands alone. */
	uint64_t end_ns = clock_monotonic_ns() + bytes * __atomic_load_n(ns_per_kib, __ATOMIC_RELAXED) / 1024;

	struct timespec end = { .tv_sec = (time_t)(end_ns / NS_PER_SECOND), .tv_nsec = (long)(end_ns % NS_PER_SECOND) };

	__real_copy_job_run(job, row, rows, scratch);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
}
