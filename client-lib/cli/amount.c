/* SPDX-License-Identifier: BSD-2-Clause */
/* amount.c - see amount.h. Pure functions. */
#include "amount.h"

#include <stdio.h>

const char *amount_plural(double count)
{
	return count == 1 ? "" : "s";
}

struct amount amount_bytes(double bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	struct amount amount;
	unsigned unit = 0;

	if (bytes < 1024) {
		snprintf(amount.text, sizeof(amount.text), "%.0f B", bytes);
		return amount;
	}
	for (bytes /= 1024; bytes >= 1023.95 && unit < 3; unit++)
		bytes /= 1024;
	snprintf(amount.text, sizeof(amount.text), "%.1f %s", bytes, units[unit]);
	return amount;
}

struct amount amount_time(double us)
{
	static const char *const units[] = { "us", "ms", "s" };
	struct amount amount;
	unsigned unit = 0;

	if (us < 999.5) {
		snprintf(amount.text, sizeof(amount.text), "%.0f us", us);
		return amount;
	}
	for (; us >= 999.5 && unit < 2; unit++)
		us /= 1000;
	snprintf(amount.text, sizeof(amount.text), "%.*f %s", us < 9.995 ? 2 : us < 99.95, us, units[unit]);
	return amount;
}

struct amount amount_age(double us)
{
	unsigned long s = us > 0 && us < 1e18 ? (unsigned long)(us / 1000000) : 0;
	struct amount amount;

	if (s < 60)
		snprintf(amount.text, sizeof(amount.text), "%lu s", s);
	else if (s < 3600)
		snprintf(amount.text, sizeof(amount.text), "%lu min %lu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(amount.text, sizeof(amount.text), "%lu h %lu min", s / 3600, s / 60 % 60);
	else
		snprintf(amount.text, sizeof(amount.text), "%lu d %lu h", s / 86400, s / 3600 % 24);
	return amount;
}

struct amount amount_rate(double hertz)
{
	struct amount amount;

	snprintf(amount.text, sizeof(amount.text), "%.*f", hertz > 0 && hertz < 0.9995 ? 3 : hertz < 999.95, hertz);
	return amount;
}
