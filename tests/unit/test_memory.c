/* SPDX-License-Identifier: BSD-2-Clause */
/* test_memory.c - what the kernel says of memory that is to be in no core file, and to stay in memory. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"

#define MIB (UINT64_C(1) << 20)
#define NOBODY 65534

/* Whether the mapping at this address has a flag of smaps: "dd" is no core file, "lo" locked. */
static bool has_flag(const void *at, const char *flag)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long begin, end;
	char line[1024];
	bool inside = false, found = false;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
			inside = (uintptr_t)at >= begin && (uintptr_t)at < end;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, flag);
	}
	fclose(file);
	return found;
}

static struct memory_view look(void)
{
	struct memory_view view;

	memory_look(&view);
	return view;
}

/* qemu's user mode keeps to itself what it is told of memory. */
static void skip_where_emulated(void)
{
	if (!getenv("LUMARING_TEST_EMULATED"))
		return;
	printf("qemu does not tell the kernel\n");
	skip();
}

/* In a child that may lock so much and no more: it returns 0 if all holds. */
static void in_child(uint64_t limit_bytes, int (*check)(void))
{
	struct rlimit limit;
	int status;
	pid_t pid;

	skip_where_emulated();
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (limit.rlim_max < limit_bytes) {
		printf("%llu bytes may be locked here, too few\n", (unsigned long long)limit.rlim_max);
		skip();
	}
	limit.rlim_cur = limit.rlim_max = limit_bytes;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* Root may lock all there is. */
		if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 || (geteuid() == 0 && seteuid(NOBODY) < 0))
			_exit(100);
		_exit(check());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_hide(void **state)
{
	uint8_t *at = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	skip_where_emulated();
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_false(has_flag(at, " dd"));
	memory_hide(at, MIB);
	assert_true(has_flag(at, " dd"));
	assert_true(has_flag(at + MIB - 1, " dd"));
	assert_false(has_flag(at + MIB, " dd"));
	munmap(at, 2 * MIB);
}

static int check_map(void)
{
	uint8_t *at = memory_map(MIB / 2);

	if (!at || !has_flag(at, " dd") || !has_flag(at, " lo") || at[0] != 0)
		return 1;
	if (look().wanted_bytes != MIB / 2 || look().locked_bytes != MIB / 2 || look().reason[0])
		return 2;
	memory_unmap(at, MIB / 2);
	if (look().wanted_bytes != 0 || look().locked_bytes != 0)
		return 3;
	memory_unmap(NULL, MIB);
	return 0;
}

static void test_map(void **state)
{
	(void)state;
	in_child(MIB, check_map);
}

static char logged[1024];
static unsigned lines;

static void on_log(const struct log_entry *entry)
{
	if (entry->fields.event == LOG_EVENT_MEMORY_NOT_LOCKED && entry->level != LOG_LEVEL_NOTICE)
		_exit(50);
	snprintf(logged, sizeof(logged), "%s", entry->line);
	lines++;
}

/* What does not fit is there all the same, is told once with what to do, and holds nothing of the limit. */
static int check_limit(void)
{
	static const char expected[] =
		"4.0 of 4.5 MiB that frames pass through may be paged out: 1.0 MiB may be locked, "
		"which LimitMEMLOCK=6M of the unit, or ulimit -l, would change";
	uint8_t *small = memory_map(MIB / 2), *large = memory_map(4 * MIB), *other;

	log_set_sink(on_log);
	if (!small || !large || has_flag(large, " lo") || !has_flag(large, " dd"))
		return 1;
	memset(large, 1, 4 * MIB);
	if (look().wanted_bytes != 9 * MIB / 2 || look().locked_bytes != MIB / 2)
		return 2;
	if (strcmp(look().reason, expected) != 0)
		return fprintf(stderr, "%s\n", look().reason), 3;
	memory_tell();
	memory_tell();
	if (lines != 1 || strcmp(logged, expected) != 0)
		return 4;
	memory_unmap(large, 4 * MIB);
	other = memory_map(MIB / 2);
	if (!has_flag(other, " lo") || look().wanted_bytes != MIB || look().reason[0])
		return 5;
	memory_tell();
	if (lines != 2 || strcmp(logged, "1.0 MiB that frames pass through are locked into memory") != 0)
		return 6;
	memory_unmap(other, MIB / 2);
	memory_unmap(small, MIB / 2);
	memory_tell();
	return lines != 2 || look().wanted_bytes != 0;
}

static void test_limit(void **state)
{
	(void)state;
	in_child(MIB, check_limit);
}

static int check_none(void)
{
	uint8_t *at = memory_map(MIB);

	if (!at || look().locked_bytes != 0)
		return 1;
	if (strcmp(look().reason,
		   "1.0 of 1.0 MiB that frames pass through may be paged out: 0.0 MiB may be locked, which "
		   "LimitMEMLOCK=2M of the unit, or ulimit -l, would change") != 0)
		return fprintf(stderr, "%s\n", look().reason), 2;
	memory_unmap(at, MIB);
	return 0;
}

static void test_nothing_allowed(void **state)
{
	(void)state;
	in_child(0, check_none);
}

static void *in_thread(void *ret_code)
{
	char here;
	const char *below = (const char *)((uintptr_t)&here - MEMORY_STACK_BYTES / 2);
	uint64_t before = look().locked_bytes;

	memory_lock_stack();
	if (!has_flag(&here, " lo") || !has_flag(below, " lo"))
		*(int *)ret_code = 1;
	if (look().locked_bytes != before + MEMORY_STACK_BYTES || look().reason[0])
		*(int *)ret_code = 2;
	memory_unlock_stack();
	if (has_flag(&here, " lo") || look().wanted_bytes != look().locked_bytes)
		*(int *)ret_code = 3;
	return NULL;
}

static int check_stack(void)
{
	pthread_t thread;
	int code = 0;

	if (pthread_create(&thread, NULL, in_thread, &code) || pthread_join(thread, NULL))
		return 100;
	return code ? code : look().wanted_bytes != 0;
}

static void test_stack(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	print_message("the thread sanitizer has its own at the top of each stack, where it is locked\n");
	skip();
#endif
	in_child(MIB, check_stack);
}

#define MAPPINGS 3000u

static void *map_and_unmap(void *ret_over)
{
	for (unsigned i = 0; i < MAPPINGS; i++)
		memory_unmap(memory_map(MIB / 4), MIB / 4);
	__atomic_store_n((bool *)ret_over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* All of it is locked whenever it is looked at, also while others map and unmap. */
static int check_threads(void)
{
	pthread_t thread;
	bool over = false;
	unsigned wrong = 0;

	if (pthread_create(&thread, NULL, map_and_unmap, &over))
		return 100;
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
		wrong += look().reason[0] != '\0';
	pthread_join(thread, NULL);
	if (wrong)
		fprintf(stderr, "%u looks found something that is not locked\n", wrong);
	return wrong != 0;
}

static void test_threads(void **state)
{
	(void)state;
	in_child(MIB, check_threads);
}

/* The program's and its libraries', and nothing else: no address of the kernel's own, which cannot be. */
static int check_code(void)
{
	memory_lock_code();
	if (!has_flag((const void *)(uintptr_t)check_code, " lo") || !has_flag((const void *)(uintptr_t)memset, " lo"))
		return 1;
	if (has_flag(logged, " lo"))
		return 2;
	if (look().reason[0])
		return fprintf(stderr, "%s\n", look().reason), 3;
	return 0;
}

static void test_code(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	in_child(limit.rlim_max, check_code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hide),    cmocka_unit_test(test_map),  cmocka_unit_test(test_limit),
		cmocka_unit_test(test_stack),   cmocka_unit_test(test_code), cmocka_unit_test(test_nothing_allowed),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
