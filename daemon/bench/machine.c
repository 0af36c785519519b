/* SPDX-License-Identifier: BSD-2-Clause */
/* machine.c - see machine.h. Reads /proc, /sys and /etc/os-release, which may all be missing. */
#include "bench/machine.h"

#include <ctype.h>
#include <gnu/libc-version.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "copy/kernel.h"

#define TEXT_BYTES 160u
#define LINES_MAX 4096u /* of a file that is searched */

/* The first line of a file, without control characters; "" when there is none. */
static const char *first_line(const char *path, char text[TEXT_BYTES])
{
	FILE *file = fopen(path, "re");

	text[0] = '\0';
	if (!file)
		return text;
	if (!fgets(text, TEXT_BYTES, file))
		text[0] = '\0';
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	for (char *at = text; *at; at++)
		*at = iscntrl((unsigned char)*at) ? ' ' : *at;
	return text;
}

/* What stands behind "KEY" and any of " \t:=" on the first such line of a file, without quotes. */
static const char *look_up(const char *path, const char *key, char text[TEXT_BYTES])
{
	FILE *file = fopen(path, "re");
	char line[TEXT_BYTES];

	text[0] = '\0';
	for (unsigned lines = 0; file && !text[0] && lines < LINES_MAX && fgets(line, sizeof(line), file); lines++) {
		const char *value = line + strlen(key);

		if (strncmp(line, key, strlen(key)) != 0 || !*value || !strchr(" \t:=", *value))
			continue;
		value += strspn(value, " \t:=\"");
		snprintf(text, TEXT_BYTES, "%.*s", (int)strcspn(value, "\"\n"), value);
	}
	if (file)
		fclose(file);
	return text;
}

static void print_board(FILE *out)
{
	char board[TEXT_BYTES], vendor[TEXT_BYTES];

	if (*first_line("/proc/device-tree/model", board)) {
		fprintf(out, "- Board: %s\n", board);
		return;
	}
	first_line("/sys/class/dmi/id/sys_vendor", vendor);
	first_line("/sys/class/dmi/id/product_name", board);
	fprintf(out, "- Board: %s%s%s\n", vendor, *vendor && *board ? " " : "", *vendor || *board ? board : "unknown");
}

/* Arm's /proc/cpuinfo has numbers only. */
static const char *cpu_name(char text[TEXT_BYTES])
{
	static const struct {
		unsigned long part;
		const char *name;
	} parts[] = {
		{ 0xd03, "Cortex-A53" }, { 0xd04, "Cortex-A35" }, { 0xd05, "Cortex-A55" },
		{ 0xd07, "Cortex-A57" }, { 0xd08, "Cortex-A72" }, { 0xd09, "Cortex-A73" },
		{ 0xd0a, "Cortex-A75" }, { 0xd0b, "Cortex-A76" }, { 0xd41, "Cortex-A78" },
	};
	unsigned long part;

	if (*look_up("/proc/cpuinfo", "model name", text))
		return text;
	part = strtoul(look_up("/proc/cpuinfo", "CPU part", text), NULL, 16);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].part == part)
			return parts[i].name;
	snprintf(text, TEXT_BYTES, part ? "Arm part 0x%lx" : "unknown", part);
	return text;
}

static void print_cpu(FILE *out)
{
	char name[TEXT_BYTES], khz[TEXT_BYTES], governor[TEXT_BYTES];

	fprintf(out, "- CPU: %ld x %s", sysconf(_SC_NPROCESSORS_ONLN), cpu_name(name));
	if (*first_line("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", khz))
		fprintf(out, ", up to %lu MHz", strtoul(khz, NULL, 10) / 1000);
	if (*first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor))
		fprintf(out, " (%s)", governor);
	fprintf(out, "; copies with %s\n", copy_cpu_name(copy_cpu()));
}

static void print_memory(FILE *out)
{
	char all[TEXT_BYTES], cma[TEXT_BYTES], cma_free[TEXT_BYTES];

	look_up("/proc/meminfo", "MemTotal", all);
	look_up("/proc/meminfo", "CmaTotal", cma);
	look_up("/proc/meminfo", "CmaFree", cma_free);
	fprintf(out, "- RAM: %lu MiB", strtoul(all, NULL, 10) / 1024);
	if (*cma)
		fprintf(out, "; contiguous (CMA): %lu MiB, %lu free", strtoul(cma, NULL, 10) / 1024,
			strtoul(cma_free, NULL, 10) / 1024);
	fprintf(out, "\n");
}

void machine_print(FILE *out)
{
	struct utsname system = { .sysname = "" };
	char distribution[TEXT_BYTES];

	uname(&system);
	look_up("/etc/os-release", "PRETTY_NAME", distribution);
	print_board(out);
	print_cpu(out);
	print_memory(out);
	fprintf(out, "- System: %s %s %s; %s%sglibc %s\n", system.sysname, system.release, system.machine, distribution,
		*distribution ? "; " : "", gnu_get_libc_version());
	fprintf(out, "- lumaring %s\n", LUMARING_BUILD_VERSION);
}
