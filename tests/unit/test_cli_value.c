/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cli_value.c - numbers, rates, times and regions as people write them: what they become, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "../../client-lib/cli/value.c"

static void test_whole(void **state)
{
	uint64_t value = 7;
	const char *end = NULL;

	(void)state;
	assert_int_equal(value_whole("65535", '\0', 65535, &value, NULL), 0);
	assert_int_equal(value, 65535);
	assert_int_equal(value_whole("640x480", 'x', 65535, &value, &end), 0);
	assert_int_equal(value, 640);
	assert_string_equal(end, "480");
	assert_int_equal(value_whole("18446744073709551615", '\0', UINT64_MAX, &value, NULL), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(value_whole("18446744073709551616", '\0', UINT64_MAX, &value, NULL), -ERANGE);
	assert_int_equal(value_whole("65536", '\0', 65535, &value, NULL), -ERANGE);
	assert_int_equal(value_whole("", '\0', 9, &value, NULL), -EINVAL);
	assert_int_equal(value_whole("-1", '\0', 9, &value, NULL), -EINVAL);
	assert_int_equal(value_whole("1x", '\0', 9, &value, NULL), -EINVAL);
	assert_true(value == UINT64_MAX);
}

static void test_decimal(void **state)
{
	static const struct {
		const char *text;
		int r;
		int64_t value;
	} rows[] = {
		{ "2", 0, 2000 },
		{ "2.5", 0, 2500 },
		{ "-0.5", 0, -500 },
		{ "+1", 0, 1000 },
		{ "0.0004", 0, 0 },
		{ "0.0005", 0, 1 },
		{ "-0.0005", 0, -1 },
		{ "1.99949", 0, 1999 },
		{ "1.9995", 0, 2000 },
		{ ".5", 0, 500 },
		{ "1.", 0, 1000 },
		{ "100", 0, 100000 },
		{ "100.0004", 0, 100000 },
		{ "100.0005", -ERANGE, 0 },
		{ "-100.001", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ ".", -EINVAL, 0 },
		{ "-", -EINVAL, 0 },
		{ "1e2", -EINVAL, 0 },
		{ "1,5", -EINVAL, 0 },
		{ "nan", -EINVAL, 0 },
		{ "--1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "999999999999999", -ERANGE, 0 },
		{ "9999999999999999999999999999", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t value = 42;
		int r = value_decimal(rows[i].text, 3, -100000, 100000, &value);

		if (r != rows[i].r || value != (r == 0 ? rows[i].value : 42))
			fail_msg("'%s': %d, %lld", rows[i].text, r, (long long)value);
	}
}

static void test_framerate(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint32_t min_us, max_us;
	} rows[] = {
		{ "30", 0, 33333, 33333 },
		{ "56", 0, 17857, 17857 },
		{ "29.97", 0, 33367, 33367 },
		{ "30000/1001", 0, 33367, 33367 },
		{ "24000/1001", 0, 41708, 41708 },
		{ "0.5", 0, 2000000, 2000000 },
		{ ".5", 0, 2000000, 2000000 },
		{ "1/60", 0, 60000000, 60000000 },
		{ "1/3600", 0, 3600000000, 3600000000 },
		{ "1000000", 0, 1, 1 },
		{ "15-56", 0, 17857, 66667 },
		{ "30-30", 0, 33333, 33333 },
		{ "1/2-30000/1001", 0, 33367, 2000000 },
		{ "1/3601", -ERANGE, 0, 0 },
		{ "0", -ERANGE, 0, 0 },
		{ "2000001", -ERANGE, 0, 0 },
		{ "30/0", -ERANGE, 0, 0 },
		{ "999999999999/999999999999", -ERANGE, 0, 0 },
		{ "99999999999999999999", -ERANGE, 0, 0 },
		{ "56-15", -ERANGE, 0, 0 },
		{ "", -EINVAL, 0, 0 },
		{ "-30", -EINVAL, 0, 0 },
		{ "30-", -EINVAL, 0, 0 },
		{ "30--56", -EINVAL, 0, 0 },
		{ "15-30-56", -EINVAL, 0, 0 },
		{ "30fps", -EINVAL, 0, 0 },
		{ "30/", -EINVAL, 0, 0 },
		{ "30/-1", -EINVAL, 0, 0 },
		{ "3e1", -EINVAL, 0, 0 },
		{ "inf", -EINVAL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t min_us = 0, max_us = 0;
		int r = value_framerate(rows[i].text, &min_us, &max_us);

		if (r != rows[i].r || min_us != rows[i].min_us || max_us != rows[i].max_us)
			fail_msg("'%s': %d, %u to %u", rows[i].text, r, min_us, max_us);
	}
}

static void test_time(void **state)
{
	static const struct {
		const char *text;
		int r;
		int64_t us;
	} rows[] = {
		{ "5000", 0, 5000 },       { "5000us", 0, 5000 },
		{ "5ms", 0, 5000 },        { "0.5ms", 0, 500 },
		{ "0.0005ms", 0, 1 },      { "0.5s", 0, 500000 },
		{ "1s", 0, 1000000 },      { "1000001", -ERANGE, 0 },
		{ "1.1s", -ERANGE, 0 },    { "5.5", -EINVAL, 0 },
		{ "5.5us", -EINVAL, 0 },   { "", -EINVAL, 0 },
		{ "ms", -EINVAL, 0 },      { "5 ms", -EINVAL, 0 },
		{ "5m", -EINVAL, 0 },      { "-5", -EINVAL, 0 },
		{ "1.2.3ms", -EINVAL, 0 }, { "00000000000000000000000000000000000000000001", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t us = 42;
		int r = value_time_us(rows[i].text, 1000000, &us);

		if (r != rows[i].r || us != (r == 0 ? rows[i].us : 42))
			fail_msg("'%s': %d, %lld", rows[i].text, r, (long long)us);
	}
}

/* --- regions ----------------------------------------------------------------------------------------------------- */

static struct lumaring_region region_in(const char *text, uint32_t width, uint32_t height)
{
	struct value_region region;
	struct lumaring_region pixels = { 0, 0, 0, 0 };

	if (value_region(text, &region, NULL) < 0 || value_region_in(&region, width, height, &pixels) < 0)
		fail_msg("'%s' was refused", text);
	return pixels;
}

static void expect_region(const char *text, uint32_t width, uint32_t height, struct lumaring_region expected)
{
	const struct lumaring_region r = region_in(text, width, height);

	if (memcmp(&r, &expected, sizeof(r)) != 0)
		fail_msg("'%s': %u,%u,%u,%u", text, r.x, r.y, r.width, r.height);
}

static void test_regions(void **state)
{
	(void)state;
	expect_region("1,2,3,4", 0, 0, (struct lumaring_region){ 1, 2, 3, 4 });
	expect_region("0,0,0,0", 0, 0, (struct lumaring_region){ 0, 0, 0, 0 });
	expect_region("65535,65535,65535,65535", 8, 8, (struct lumaring_region){ 65535, 65535, 65535, 65535 });
	expect_region("0.25,0.25,0.5,0.5", 640, 480, (struct lumaring_region){ 160, 120, 320, 240 });
	expect_region("0,0,1,1.0", 640, 480, (struct lumaring_region){ 0, 0, 640, 480 });
	expect_region(".5,0,.5,1", 65535, 1, (struct lumaring_region){ 32768, 0, 32767, 1 });
	expect_region("0.5,0.5,0,0.5", 640, 480, (struct lumaring_region){ 320, 240, 0, 240 });
}

/* Thirds of any image leave no pixel out, and none is in two. */
static void test_fractions_that_touch(void **state)
{
	(void)state;
	for (uint32_t width = 3; width < 2000; width++) {
		const struct lumaring_region a = region_in("0.0,0,0.333333333,1", width, 5);
		const struct lumaring_region b = region_in("0.333333333,0,0.333333333,1", width, 5);
		const struct lumaring_region c = region_in("0.666666666,0,0.333333334,1", width, 5);

		assert_int_equal(a.x, 0);
		assert_int_equal(a.x + a.width, b.x);
		assert_int_equal(b.x + b.width, c.x);
		assert_int_equal(c.x + c.width, width);
	}
}

static void test_regions_refused(void **state)
{
	static const struct {
		const char *text;
		int r;
	} rows[] = {
		{ "", -EINVAL },
		{ "1,2,3", -EINVAL },
		{ "1,2,3,4,5", -EINVAL },
		{ "1,2,3,", -EINVAL },
		{ ",1,2,3", -EINVAL },
		{ "1,2,3,4 ", -EINVAL },
		{ "-1,2,3,4", -EINVAL },
		{ "1x2", -EINVAL },
		{ "65536,0,1,1", -ERANGE },
		{ "0,0,1,65536", -ERANGE },
		{ "0.5,0,0.6,1", -ERANGE },
		{ "0,0.5,1,0.500000001", -ERANGE },
		{ "1.000000001,0,0,0", -ERANGE },
		{ "0.5,0,0.5", -EINVAL },
		{ "0.5,0,0.5,1,", -EINVAL },
		{ "0.5,-0.5,0.5,1", -EINVAL },
		{ "0.5,0,1e-1,1", -EINVAL },
		{ "100,50.5,64,64", -ERANGE },
		{ "99999999999,0,1,1", -ERANGE },
	};
	struct value_region region = { .numbers = { 9 } };
	struct lumaring_region pixels;
	const char *end;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (value_region(rows[i].text, &region, NULL) != rows[i].r || region.numbers[0] != 9)
			fail_msg("'%s' was taken, or not refused so", rows[i].text);
	/* As a part of more. */
	assert_int_equal(value_region("1,2,3,4,slots=8", &region, &end), 0);
	assert_string_equal(end, ",slots=8");
	/* Less than a pixel must not become up to the edge. */
	assert_int_equal(value_region("0.5,0.5,0.001,0.5", &region, NULL), 0);
	assert_int_equal(value_region_in(&region, 64, 64, &pixels), -EINVAL);
	assert_int_equal(value_region_in(&region, 6400, 64, &pixels), 0);
	assert_int_equal(pixels.width, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),           cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_framerate),       cmocka_unit_test(test_time),
		cmocka_unit_test(test_regions),         cmocka_unit_test(test_fractions_that_touch),
		cmocka_unit_test(test_regions_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
