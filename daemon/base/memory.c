/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.c - see memory.h. What is locked the kernel counts; here is only what was meant to be, as two numbers for all
 * threads. Ranges change rarely, and never for a frame, so a mutex does no harm.
 */
#include "base/memory.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

/* Held from a change of the numbers until the kernel has followed: who looks in between would find them apart. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t wanted_bytes;
static int newest_error; /* of mlock2(2) */

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes of all pages that the range touches. */
static uint64_t bytes_of(const void *at, size_t bytes)
{
	uintptr_t mask = page_bytes() - 1, begin = (uintptr_t)at & ~mask;

	return (((uintptr_t)at + bytes + mask) & ~mask) - begin;
}

void memory_hide(const void *at, size_t bytes)
{
	/* What a kernel without it has in its core files is nothing that we could change. */
	(void)madvise((void *)(uintptr_t)at, bytes, MADV_DONTDUMP);
}

/* Not mlock(), which sanitizers take for nothing. */
static void lock(const void *at, size_t bytes, unsigned flags)
{
	pthread_mutex_lock(&mutex);
	wanted_bytes += bytes_of(at, bytes);
	if (mlock2(at, bytes, flags) < 0)
		newest_error = errno;
	pthread_mutex_unlock(&mutex);
}

void memory_lock(const void *at, size_t bytes)
{
	lock(at, bytes, MLOCK_ONFAULT);
}

void memory_unlock(const void *at, size_t bytes)
{
	pthread_mutex_lock(&mutex);
	wanted_bytes -= bytes_of(at, bytes);
	/* Not munlock(), as above. A failure is over when it is unmapped next. */
	(void)syscall(SYS_munlock, at, bytes);
	pthread_mutex_unlock(&mutex);
}

void *memory_map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	memory_hide(at, bytes);
	memory_lock(at, bytes);
	return at;
}

void memory_unmap(void *at, size_t bytes)
{
	if (!at)
		return;
	memory_unlock(at, bytes);
	munmap(at, bytes);
}

/* --- stacks and code ---------------------------------------------------------------------------------------------- */

/* Where the caller's stack begins, which grows downwards; NULL: it cannot be told. */
static const char *stack_part(void)
{
	pthread_attr_t attributes;
	void *lowest = NULL;
	size_t bytes = 0;

	if (pthread_getattr_np(pthread_self(), &attributes))
		return NULL;
	pthread_attr_getstack(&attributes, &lowest, &bytes);
	pthread_attr_destroy(&attributes);
	return bytes < MEMORY_STACK_BYTES ? NULL : (const char *)lowest + bytes - MEMORY_STACK_BYTES;
}

/* All of it there from now on, so that none has to be found in the middle of a frame. */
void memory_lock_stack(void)
{
	const char *part = stack_part();

	if (part)
		lock(part, MEMORY_STACK_BYTES, 0);
}

void memory_unlock_stack(void)
{
	const char *part = stack_part();

	if (part)
		memory_unlock(part, MEMORY_STACK_BYTES);
}

static int lock_object(struct dl_phdr_info *info, size_t info_bytes, void *unused)
{
	(void)info_bytes;
	(void)unused;
	if (info->dlpi_addr == getauxval(AT_SYSINFO_EHDR))
		return 0; /* the kernel's own, which is always there */
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && segment->p_flags & PF_X)
			memory_lock((const void *)(uintptr_t)(info->dlpi_addr + segment->p_vaddr), segment->p_memsz);
	}
	return 0;
}

void memory_lock_code(void)
{
	dl_iterate_phdr(lock_object, NULL);
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

/* VmLck of /proc/self/status. */
static uint64_t locked(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %llu kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib << 10;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1u << 20);
}

static void explain(const struct memory_view *view, int error, char *text, size_t text_bytes)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur < view->wanted_bytes)
		snprintf(text, text_bytes,
			 "%.1f of %.1f MiB that frames pass through may be paged out: %.1f MiB may be locked, which "
			 "LimitMEMLOCK=%.0fM of the unit, or ulimit -l, would change",
			 mib(view->wanted_bytes - view->locked_bytes), mib(view->wanted_bytes), mib(limit.rlim_cur),
			 mib(view->wanted_bytes) + 1);
	else
		snprintf(text, text_bytes, "%.1f of %.1f MiB that frames pass through may be paged out: %s",
			 mib(view->wanted_bytes - view->locked_bytes), mib(view->wanted_bytes), strerror(error));
}

/* Returns why the newest range that could not be locked was not: an errno, 0: all could. */
static int look(struct memory_view *ret_view)
{
	struct memory_view view = { 0 };
	int error;

	pthread_mutex_lock(&mutex);
	view.wanted_bytes = wanted_bytes;
	view.locked_bytes = locked();
	error = newest_error;
	pthread_mutex_unlock(&mutex);

	if (view.locked_bytes > view.wanted_bytes)
		view.locked_bytes = view.wanted_bytes; /* by others, such as a library; or just let go */
	if (view.locked_bytes < view.wanted_bytes)
		explain(&view, error, view.reason, sizeof(view.reason));
	*ret_view = view;
	return error;
}

void memory_look(struct memory_view *ret_view)
{
	look(ret_view);
}

static uint64_t wanted(void)
{
	uint64_t bytes;

	pthread_mutex_lock(&mutex);
	bytes = wanted_bytes;
	pthread_mutex_unlock(&mutex);
	return bytes;
}

void memory_tell(void)
{
	static bool told_locked, told_not;
	static uint64_t told_bytes = UINT64_MAX;
	struct memory_view view;
	int error;

	if ((told_locked && told_not) || told_bytes == wanted())
		return; /* said, or as it was */
	error = look(&view);
	told_bytes = view.wanted_bytes;
	if (view.reason[0] && !told_not)
		log_event(LOG_LEVEL_NOTICE,
			  &(struct log_fields){ .event = LOG_EVENT_MEMORY_NOT_LOCKED, .error = error }, "%s",
			  view.reason);
	else if (!view.reason[0] && !told_locked)
		log_info("%.1f MiB that frames pass through are locked into memory", mib(view.locked_bytes));
	told_not = told_not || view.reason[0];
	told_locked = told_locked || !view.reason[0];
}
