/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.c - see names.h. Every parser is made of take_number() and take(), which eat what they know from the front of
 * the text; what is left at the end is an error. Keeps no state, any thread; never depends on the locale.
 */
#include "base/names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"

#define NAME_MAX_BYTES 32u
#define EXTENT_MAX 65535u
#define PLACES_MAX 9u

/* "WHAT: "TEXT" is not EXPECTED" */
__attribute__((format(printf, 5, 6))) static int refuse(const char *what, const char *text, char *error,
							size_t error_bytes, const char *expected, ...)
{
	char sentence[160];
	va_list arguments;

	va_start(arguments, expected);
	vsnprintf(sentence, sizeof(sentence), expected, arguments);
	va_end(arguments);
	snprintf(error, error_bytes, "%s: \"%.60s%s\" is not %s", what, text, strlen(text) > 60 ? "..." : "", sentence);
	return -EINVAL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Eat digits: at least one, and no more than make `max`. */
static bool take_number(const char **text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!is_digit(**text))
		return false;
	for (; is_digit(**text); (*text)++) {
		unsigned digit = (unsigned)(**text - '0');

		if (digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return true;
}

/* Eat one character if it is this one. */
static bool take(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

bool name_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return n >= 1 && n <= NAME_MAX_BYTES && name[n] == '\0';
}

int parse_size(const char *what, const char *text, uint32_t *ret_width, uint32_t *ret_height, char *error,
	       size_t error_bytes)
{
	const char *at = text;
	uint64_t width, height;

	if (!take_number(&at, EXTENT_MAX, &width) || !take(&at, 'x') || !take_number(&at, EXTENT_MAX, &height) || *at ||
	    width == 0 || height == 0)
		return refuse(what, text, error, error_bytes, "WIDTHxHEIGHT, each 1 to %u", EXTENT_MAX);
	*ret_width = (uint32_t)width;
	*ret_height = (uint32_t)height;
	return 0;
}

int parse_region(const char *what, const char *text, struct region *ret_region, char *error, size_t error_bytes)
{
	const char *at = text;
	uint64_t v[4];
	bool good = true;

	for (unsigned i = 0; i < 4 && good; i++)
		good = (i == 0 || take(&at, ',')) && take_number(&at, EXTENT_MAX, &v[i]);
	if (!good || *at || v[2] == 0 || v[3] == 0)
		return refuse(what, text, error, error_bytes,
			      "X,Y,WIDTH,HEIGHT, X and Y 0 to %u, WIDTH and HEIGHT 1 to %u", EXTENT_MAX, EXTENT_MAX);
	*ret_region = (struct region){ (uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2], (uint32_t)v[3] };
	return 0;
}

/* Eat "30", "29.97" or "30000/1001" as a fraction whose parts are small enough for what take_framerate() does. */
static bool take_rate(const char **text, uint64_t *ret_numerator, uint64_t *ret_denominator)
{
	uint64_t whole, places = 0, scale = 1;

	if (!take_number(text, UINT32_MAX, &whole))
		return false;
	*ret_numerator = whole;
	if (take(text, '/'))
		return take_number(text, UINT32_MAX, ret_denominator);
	if (take(text, '.')) {
		const char *first = *text;

		if (!take_number(text, UINT64_MAX, &places) || *text - first > (ptrdiff_t)PLACES_MAX)
			return false;
		for (; first < *text; first++)
			scale *= 10;
	}
	*ret_numerator = whole * scale + places;
	*ret_denominator = scale;
	return true;
}

/* Eat a rate that is in range, as the time of one frame. */
static bool take_framerate(const char **text, uint64_t *ret_duration_ns)
{
	uint64_t numerator, denominator;

	/* A denominator of 0 is above every limit. */
	if (!take_rate(text, &numerator, &denominator) || numerator == 0 ||
	    numerator > (uint64_t)LIMIT_FRAMERATE * denominator)
		return false;
	/* At most 10^9 * 2^32 + 2^42: fits. */
	*ret_duration_ns = (NS_PER_SECOND * denominator + numerator / 2) / numerator;
	return true;
}

int parse_framerates(const char *what, const char *text, uint64_t *ret_duration_min_ns, uint64_t *ret_duration_max_ns,
		     char *error, size_t error_bytes)
{
	const char *at = text;
	uint64_t min_ns, max_ns;
	bool good = strlen(text) < FRAMERATE_BYTES && take_framerate(&at, &max_ns);

	if (good && take(&at, '-'))
		good = take_framerate(&at, &min_ns) && min_ns <= max_ns;
	else if (good)
		min_ns = max_ns;
	if (!good || *at)
		return refuse(what, text, error, error_bytes,
			      "frames per second, such as 30, 29.97, 30000/1001 or, slowest and fastest, 15-56, above "
			      "0 and up "
			      "to %.0f",
			      LIMIT_FRAMERATE);
	*ret_duration_min_ns = min_ns;
	*ret_duration_max_ns = max_ns;
	return 0;
}

int parse_bytes(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes, char *error,
		size_t error_bytes)
{
	const char *at = text;
	unsigned shift = 0;
	uint64_t value;
	bool good = take_number(&at, UINT64_MAX, &value);

	if (good && (take(&at, 'k') || take(&at, 'K')))
		shift = 10;
	else if (good && take(&at, 'M'))
		shift = 20;
	else if (good && take(&at, 'G'))
		shift = 30;
	if (!good || *at || value > UINT64_MAX >> shift || value << shift < min || value << shift > max)
		return refuse(what, text, error, error_bytes,
			      "a number of bytes, such as 4096, 64k, 16M or 1G, %" PRIu64 " to %" PRIu64, min, max);
	*ret_bytes = value << shift;
	return 0;
}

int parse_unsigned(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *ret_value, char *error,
		   size_t error_bytes)
{
	const char *at = text;
	uint64_t value;

	if (!take_number(&at, max, &value) || *at || value < min)
		return refuse(what, text, error, error_bytes, "a whole number, %" PRIu64 " to %" PRIu64, min, max);
	*ret_value = value;
	return 0;
}

int parse_integer(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret_value, char *error,
		  size_t error_bytes)
{
	const char *at = text;
	bool minus = take(&at, '-');
	uint64_t magnitude;
	int64_t value = 0;
	bool good = take_number(&at, INT64_MAX, &magnitude) && !*at;

	if (good)
		value = minus ? -(int64_t)magnitude : (int64_t)magnitude;
	if (!good || value < min || value > max)
		return refuse(what, text, error, error_bytes, "a whole number, %" PRId64 " to %" PRId64, min, max);
	*ret_value = value;
	return 0;
}

int parse_u32(const char *what, const char *text, uint32_t min, uint32_t max, uint32_t *ret_value, char *error,
	      size_t error_bytes)
{
	uint64_t value = 0;
	int r = parse_unsigned(what, text, min, max, &value, error, error_bytes);

	if (r == 0)
		*ret_value = (uint32_t)value;
	return r;
}

/* Eat "2" or "2-3". */
static bool take_cpus(const char **text, cpu_set_t *cpus)
{
	uint64_t first, last;

	if (!take_number(text, CPU_SETSIZE - 1, &first))
		return false;
	last = first;
	if (take(text, '-') && (!take_number(text, CPU_SETSIZE - 1, &last) || last < first))
		return false;
	for (; first <= last; first++)
		CPU_SET(first, cpus);
	return true;
}

int parse_cpus(const char *what, const char *text, cpu_set_t *ret_cpus, char *error, size_t error_bytes)
{
	const char *at = text;
	cpu_set_t cpus;
	bool good;

	CPU_ZERO(&cpus);
	do
		good = take_cpus(&at, &cpus);
	while (good && take(&at, ','));
	if (!good || *at)
		return refuse(what, text, error, error_bytes, "a list of CPUs, such as 0,2-3, each 0 to %u",
			      CPU_SETSIZE - 1);
	*ret_cpus = cpus;
	return 0;
}
