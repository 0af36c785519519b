/* SPDX-License-Identifier: BSD-2-Clause */
/* value.c - see value.h. Pure functions. */
#include "value.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define BILLION UINT64_C(1000000000)
#define RATE_PLACES 6u
#define RATE_MAX 1000000u           /* a frame a microsecond; what the source can is the daemon's to say */
#define DURATION_MAX_US 3600000000u /* a frame an hour */
#define DIGITS_MAX 18u              /* that fit 64 bits */
#define TEXT_MAX 40u                /* of one number */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int value_whole(const char *text, char end, uint64_t max, uint64_t *ret_value, const char **ret_end)
{
	uint64_t value = 0;
	const char *at = text;

	for (; is_digit(*at); at++) {
		if (value > (max - (uint64_t)(*at - '0')) / 10)
			return -ERANGE;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	if (at == text || *at != end)
		return -EINVAL;
	*ret_value = value;
	if (ret_end)
		*ret_end = at + (end != '\0');
	return 0;
}

/* A decimal up to the first character that is none of it. */
static int read_decimal(const char *text, unsigned places, int64_t *ret_value, const char **ret_end)
{
	const bool negative = *text == '-';
	const char *at = text + (*text == '-' || *text == '+');
	const char *const first = at;
	unsigned digits = 0, left = places;
	int64_t value = 0;
	bool up = false;

	for (; is_digit(*at) && digits < DIGITS_MAX; at++, digits++)
		value = value * 10 + (*at - '0');
	if (*at == '.') {
		at++;
		for (; is_digit(*at) && left > 0 && digits < DIGITS_MAX; at++, left--, digits++)
			value = value * 10 + (*at - '0');
		up = left == 0 && is_digit(*at) && *at >= '5';
		while (left == 0 && is_digit(*at))
			at++;
	}
	if (at == first || (digits == 0 && !up))
		return -EINVAL;
	if (is_digit(*at) || digits + left > DIGITS_MAX)
		return -ERANGE;
	for (; left > 0; left--)
		value *= 10;
	value += up;
	*ret_value = negative ? -value : value;
	*ret_end = at;
	return 0;
}

int value_decimal(const char *text, unsigned places, int64_t min, int64_t max, int64_t *ret_value)
{
	const char *end;
	int64_t value;
	int r = read_decimal(text, places, &value, &end);

	if (r == 0 && *end)
		return -EINVAL;
	if (r == 0 && (value < min || value > max))
		return -ERANGE;
	if (r == 0)
		*ret_value = value;
	return r;
}

/* One rate as numerator and denominator, up to the first character that is none of it. */
static int read_rate(const char *text, uint32_t *ret_us, const char **ret_end)
{
	const char *at;
	int64_t numerator, denominator = 1000000;
	uint64_t us;
	int r = is_digit(*text) || *text == '.' ? read_decimal(text, RATE_PLACES, &numerator, &at) : -EINVAL;

	if (r == 0 && *at == '/')
		r = is_digit(at[1]) ? read_decimal(at + 1, RATE_PLACES, &denominator, &at) : -EINVAL;
	if (r < 0)
		return r;
	/* So that the product below fits. */
	if (numerator <= 0 || denominator <= 0 || denominator > (int64_t)BILLION * 1000)
		return -ERANGE;
	us = ((uint64_t)denominator * 1000000 + (uint64_t)numerator / 2) / (uint64_t)numerator;
	if (us < 1000000 / RATE_MAX || us > DURATION_MAX_US)
		return -ERANGE;
	*ret_us = (uint32_t)us;
	*ret_end = at;
	return 0;
}

int value_framerate(const char *text, uint32_t *ret_min_us, uint32_t *ret_max_us)
{
	uint32_t slowest_us, fastest_us;
	int r = read_rate(text, &slowest_us, &text);

	fastest_us = slowest_us;
	if (r == 0 && *text == '-')
		r = read_rate(text + 1, &fastest_us, &text);
	if (r == 0 && *text)
		return -EINVAL;
	if (r < 0)
		return r;
	if (fastest_us > slowest_us)
		return -ERANGE;
	*ret_min_us = fastest_us;
	*ret_max_us = slowest_us;
	return 0;
}

int value_time_us(const char *text, int64_t max, int64_t *ret_us)
{
	static const struct {
		const char *unit;
		unsigned places;
	} units[] = { { "", 0 }, { "us", 0 }, { "ms", 3 }, { "s", 6 } };
	const size_t number = strspn(text, "0123456789.");

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		char digits[TEXT_MAX + 1];

		if (strcmp(text + number, units[i].unit) != 0 || number == 0 || number > TEXT_MAX)
			continue;
		memcpy(digits, text, number);
		digits[number] = '\0';
		/* What is less than a microsecond is not rounded away. */
		if (units[i].places == 0 && strchr(digits, '.'))
			return -EINVAL;
		return value_decimal(digits, units[i].places, 0, max, ret_us);
	}
	return -EINVAL;
}

/* --- regions ----------------------------------------------------------------------------------------------------- */

static int read_fractions(const char *text, struct value_region *ret_region, const char **ret_end)
{
	struct value_region region = { .fractions = true };

	for (unsigned i = 0; i < 4; i++) {
		int64_t value;
		int r = is_digit(*text) || *text == '.' ? read_decimal(text, 9, &value, &text) : -EINVAL;

		if (r == 0 && i < 3 && *text++ != ',')
			r = -EINVAL;
		if (r < 0)
			return r;
		if (value > (int64_t)BILLION)
			return -ERANGE;
		region.numbers[i] = (uint32_t)value;
	}
	for (unsigned i = 0; i < 2; i++)
		if ((uint64_t)region.numbers[i] + region.numbers[i + 2] > BILLION)
			return -ERANGE;
	*ret_region = region;
	*ret_end = text;
	return 0;
}

static int read_pixels(const char *text, struct value_region *ret_region, const char **ret_end)
{
	struct value_region region = { .fractions = false };

	for (unsigned i = 0; i < 4; i++) {
		const char *first = text;
		uint32_t value = 0;

		for (; is_digit(*text); text++) {
			value = value * 10 + (uint32_t)(*text - '0');
			if (value > UINT16_MAX)
				return -ERANGE;
		}
		if (text == first || (i < 3 && *text++ != ','))
			return -EINVAL;
		region.numbers[i] = value;
	}
	*ret_region = region;
	*ret_end = text;
	return 0;
}

int value_region(const char *text, struct value_region *ret_region, const char **ret_end)
{
	const size_t bytes = strspn(text, "0123456789.,");
	struct value_region region;
	const char *end;
	int r = memchr(text, '.', bytes) ? read_fractions(text, &region, &end) : read_pixels(text, &region, &end);

	if (r == 0 && !ret_end && *end)
		r = -EINVAL;
	if (r < 0)
		return r;
	*ret_region = region;
	if (ret_end)
		*ret_end = end;
	return 0;
}

static uint32_t share(uint64_t extent, uint64_t billionths)
{
	return (uint32_t)((extent * billionths + BILLION / 2) / BILLION);
}

int value_region_in(const struct value_region *region, uint32_t width, uint32_t height,
		    struct lumaring_region *ret_region)
{
	const uint32_t *n = region->numbers;
	struct lumaring_region r = { n[0], n[1], n[2], n[3] };

	if (region->fractions) {
		r.x = share(width, n[0]);
		r.y = share(height, n[1]);
		r.width = share(width, (uint64_t)n[0] + n[2]) - r.x;
		r.height = share(height, (uint64_t)n[1] + n[3]) - r.y;
		/* That would become up to the edge, which only a 0 that was given means. */
		if ((n[2] > 0 && r.width == 0) || (n[3] > 0 && r.height == 0))
			return -EINVAL;
		r.width = n[2] > 0 ? r.width : 0;
		r.height = n[3] > 0 ? r.height : 0;
	}
	*ret_region = r;
	return 0;
}
