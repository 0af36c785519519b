/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refuse.c - linked into tests/lumaringd-refusing in front of what a source may refuse, so that a test can make any
 * step of a change fail, and those that take it back as well.
 *
 * The file that LUMARING_REFUSE names holds a 64-bit word, native order, for each function of enum call below. A call
 * takes the lowest bit and shifts the others down: 1 refuses this call, so 0b10 lets one pass and refuses the next.
 * A test writes the words while the daemon runs, and reads there how far it has come. Main thread, like the functions.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/feeder.h"

enum call { CALL_STOP, CALL_CONFIGURE, CALL_START, CALL_CHECK, CALL_SET_RATE, CALL_SET_CONTROLS, CALLS };

static uint64_t *refusals;

__attribute__((constructor)) static void open_refusals(void)
{
	const char *path = getenv("LUMARING_REFUSE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = MAP_FAILED;
	struct stat status;

	if (fd >= 0 && !fstat(fd, &status) && status.st_size == CALLS * sizeof(*refusals))
		map = mmap(NULL, CALLS * sizeof(*refusals), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		dprintf(2, "LUMARING_REFUSE must name a file of %zu bytes\n", CALLS * sizeof(*refusals));
		_exit(2);
	}
	close(fd);
	refusals = map;
}

static bool refuses(enum call call)
{
	/* Relaxed: a word that stands alone. */
	uint64_t word = __atomic_load_n(&refusals[call], __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(&refusals[call], &word, word >> 1, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED))
		;
	return word & 1;
}

int __real_feeder_stop(struct source *source, char *text, size_t text_bytes);
int __wrap_feeder_stop(struct source *source, char *text, size_t text_bytes);
int __real_feeder_reserve(struct feeder *feeder, const char *where, const struct feeder_picture *picture);
int __wrap_feeder_reserve(struct feeder *feeder, const char *where, const struct feeder_picture *picture);
int __real_feeder_start(struct source *source);
int __wrap_feeder_start(struct source *source);
int __real_source_check(const struct source *source, const struct source_settings *wanted,
			struct source_settings *ret_settings, struct source_fault *ret_fault);
int __wrap_source_check(const struct source *source, const struct source_settings *wanted,
			struct source_settings *ret_settings, struct source_fault *ret_fault);
int __real_source_set_rate(struct source *source, uint64_t min_ns, uint64_t max_ns, char *text, size_t text_bytes);
int __wrap_source_set_rate(struct source *source, uint64_t min_ns, uint64_t max_ns, char *text, size_t text_bytes);
int __real_source_set_controls(struct source *source, const struct source_controls *wanted,
			       struct source_controls *ret_controls, struct source_fault *ret_fault);
int __wrap_source_set_controls(struct source *source, const struct source_controls *wanted,
			       struct source_controls *ret_controls, struct source_fault *ret_fault);

int __wrap_feeder_stop(struct source *source, char *text, size_t text_bytes)
{
	if (refuses(CALL_STOP))
		return snprintf(text, text_bytes, "refused by a test: stop"), -EIO;
	return __real_feeder_stop(source, text, text_bytes);
}

int __wrap_feeder_reserve(struct feeder *feeder, const char *where, const struct feeder_picture *picture)
{
	if (refuses(CALL_CONFIGURE))
		return feeder_fail(feeder, -ENOMEM, "refused by a test: configure");
	return __real_feeder_reserve(feeder, where, picture);
}

int __wrap_feeder_start(struct source *source)
{
	return refuses(CALL_START) ? -EIO : __real_feeder_start(source);
}

int __wrap_source_check(const struct source *source, const struct source_settings *wanted,
			struct source_settings *ret_settings, struct source_fault *ret_fault)
{
	if (refuses(CALL_CHECK))
		return source_refuse(ret_fault, -ENOTSUP, "size", "refused by a test: check");
	return __real_source_check(source, wanted, ret_settings, ret_fault);
}

int __wrap_source_set_rate(struct source *source, uint64_t min_ns, uint64_t max_ns, char *text, size_t text_bytes)
{
	if (refuses(CALL_SET_RATE))
		return snprintf(text, text_bytes, "refused by a test: set_rate"), -EIO;
	return __real_source_set_rate(source, min_ns, max_ns, text, text_bytes);
}

int __wrap_source_set_controls(struct source *source, const struct source_controls *wanted,
			       struct source_controls *ret_controls, struct source_fault *ret_fault)
{
	if (refuses(CALL_SET_CONTROLS))
		return source_refuse(ret_fault, -ENOTSUP, "exposure_us", "refused by a test: set_controls");
	return __real_source_set_controls(source, wanted, ret_controls, ret_fault);
}
