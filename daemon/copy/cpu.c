/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu.c - what the CPU can do, and what LUMARING_CPU leaves of it. Looked up once, by whichever thread asks first. */
#include "copy/private.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef COPY_ARM
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/* Lowest first. A level has those of its own family below it; "c" has none. */
static const struct level {
	const char *name;
	unsigned cpu;
	unsigned with; /* this and those below it */
} levels[] = {
	{ "c", 0, 0 },
	{ "sse41", COPY_CPU_SSE41, COPY_CPU_SSE41 },
	{ "avx2", COPY_CPU_AVX2, COPY_CPU_SSE41 | COPY_CPU_AVX2 },
	{ "avx512", COPY_CPU_AVX512, COPY_CPU_SSE41 | COPY_CPU_AVX2 | COPY_CPU_AVX512 },
	{ "neon", COPY_CPU_NEON, COPY_CPU_NEON },
	{ "a53", COPY_CPU_A53, COPY_CPU_NEON | COPY_CPU_A53 },
	{ "a72", COPY_CPU_A72, COPY_CPU_NEON | COPY_CPU_A72 },
};

#define LEVELS (sizeof(levels) / sizeof(levels[0]))

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned flags;
static char error[160];

#ifdef COPY_ARM
/*
 * What the core is good at, which no capability says. The kernel answers this register for programs; where cores differ
 * it is that of the core at hand.
 */
static unsigned look_at_core(void)
{
	const unsigned arm = 0x41, a35 = 0xd04, a53 = 0xd03, a57 = 0xd07, a72 = 0xd08;
	uint64_t midr;
	unsigned part;

	if (!(getauxval(AT_HWCAP) & HWCAP_CPUID))
		return 0;
	__asm__("mrs %0, MIDR_EL1" : "=r"(midr));
	part = midr >> 4 & 0xfff;
	if (midr >> 24 != arm)
		return 0;
	return part == a53 || part == a35 ? COPY_CPU_A53 : part == a72 || part == a57 ? COPY_CPU_A72 : 0;
}
#endif

static unsigned look(void)
{
	unsigned has = 0;

#ifdef COPY_X86
	if (__builtin_cpu_supports("sse4.1"))
		has |= COPY_CPU_SSE41;
	if (__builtin_cpu_supports("avx2"))
		has |= COPY_CPU_AVX2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl"))
		has |= COPY_CPU_AVX512;
#endif
#ifdef COPY_ARM
	if (getauxval(AT_HWCAP) & HWCAP_ASIMD)
		has |= COPY_CPU_NEON | look_at_core();
#endif
	return has;
}

static bool has_level(unsigned has, const struct level *level)
{
	return (has & level->with) == level->with;
}

static void refuse(const char *value, unsigned has, char *text, size_t text_bytes)
{
	char names[40] = "c", last[8] = "";

	for (unsigned i = 1; i < LEVELS; i++) {
		if (!has_level(has, &levels[i]))
			continue;
		if (last[0])
			snprintf(names + strlen(names), sizeof(names) - strlen(names), ", %s", last);
		snprintf(last, sizeof(last), "%s", levels[i].name);
	}
	snprintf(text, text_bytes, "LUMARING_CPU is \"%.40s\"; on this machine it can be %s%s%s", value, names,
		 last[0] ? " or " : "", last);
}

unsigned copy_cpu_limit(const char *value, unsigned has, char *text, size_t text_bytes)
{
	text[0] = '\0';
	if (!value || !value[0])
		return has;
	for (unsigned i = 0; i < LEVELS; i++) {
		if (!strcmp(levels[i].name, value) && has_level(has, &levels[i]))
			return levels[i].with;
	}
	refuse(value, has, text, text_bytes);
	return has;
}

static void look_once(void)
{
	flags = copy_cpu_limit(secure_getenv("LUMARING_CPU"), look(), error, sizeof(error));
}

unsigned copy_cpu(void)
{
	pthread_once(&once, look_once);
	return flags;
}

const char *copy_cpu_error(void)
{
	pthread_once(&once, look_once);
	return error[0] ? error : NULL;
}

const char *copy_cpu_name(unsigned cpu)
{
	unsigned i = LEVELS - 1;

	while (i && !(cpu & levels[i].cpu))
		i--;
	return levels[i].name;
}
