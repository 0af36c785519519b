/* SPDX-License-Identifier: BSD-2-Clause */
/* test_stats.c - daemon/stats: what a known row of frames leaves in the statistics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "stats.h"

static void test_frame_duration(void **state)
{
	struct camera_stats stats = { 0 };
	uint64_t ready_ns = NS_PER_SECOND, sequence = 0;

	(void)state;
	stats_captured(&stats, ++sequence, ready_ns);
	assert_int_equal(stats_load(&stats.captured), 1);
	assert_int_equal(stats_load(&stats.frame_duration_ns), 0);
	stats_captured(&stats, ++sequence, ready_ns += 1000);
	assert_int_equal(stats_load(&stats.frame_duration_ns), 1000);
	/* A jitter of half a frame hardly shows. */
	for (unsigned i = 0; i < 200; i++) {
		stats_captured(&stats, ++sequence, ready_ns += i % 2 ? 500 : 1500);
		assert_in_range(stats_load(&stats.frame_duration_ns), 900, 1100);
	}
	/* A change of rate does, in both directions. */
	for (unsigned i = 0; i < 40; i++)
		stats_captured(&stats, ++sequence, ready_ns += 100000);
	assert_in_range(stats_load(&stats.frame_duration_ns), 99000, 100000);
	for (unsigned i = 0; i < 80; i++)
		stats_captured(&stats, ++sequence, ready_ns += 1000);
	assert_in_range(stats_load(&stats.frame_duration_ns), 1000, 1010);
	assert_int_equal(stats_load(&stats.captured), sequence);
}

static void test_interruption(void **state)
{
	struct camera_stats stats = { 0 };

	(void)state;
	stats_captured(&stats, 1, 1000);
	stats_captured(&stats, 2, 2000);
	stats_interrupted(&stats);
	stats_captured(&stats, 3, 3600 * NS_PER_SECOND);
	assert_int_equal(stats_load(&stats.frame_duration_ns), 1000);
	stats_captured(&stats, 4, 3600 * NS_PER_SECOND + 1000);
	assert_int_equal(stats_load(&stats.frame_duration_ns), 1000);
	/* A clock that stands still or goes back says nothing. */
	stats_captured(&stats, 5, 3600 * NS_PER_SECOND + 1000);
	stats_captured(&stats, 6, 5);
	assert_int_equal(stats_load(&stats.frame_duration_ns), 1000);
	assert_int_equal(stats_load(&stats.captured), 6);
}

static void test_published(void **state)
{
	struct lumaring_descriptor d = {
		.ready_ns = 1000, .publish_ns = 9000, .width = 10, .height = 7, .fourcc = LUMARING_FORMAT_R8
	};
	static struct stream_stats stats;
	struct histogram_view view;

	(void)state;
	stats_published(&stats, 8000, 500, &d);
	d.width = 1;
	stats_published(&stats, 9500, 0, &d); /* never negative */
	assert_int_equal(stats_load(&stats.bytes_copied), 77);
	histogram_look(&stats.copy_ns, &view);
	assert_int_equal(view.count, 2);
	assert_int_equal(view.max, 1000);
	assert_int_equal(histogram_percentile(&view, 50), 0);
	histogram_look(&stats.ready_to_published_ns, &view);
	assert_int_equal(view.count, 2);
	assert_int_equal(view.max, 8000);
	assert_int_equal(histogram_percentile(&view, 50), 8000);
	assert_int_equal(view.sum, 2 * 8000);
	histogram_look(&stats.sensor_to_published_ns, &view);
	assert_int_equal(view.count, 1); /* of the second one it is not known */
	assert_int_equal(view.max, 8500);
	d.fourcc = LUMARING_FORMAT_R16;
	stats_published(&stats, 8000, 9001, &d);
	assert_int_equal(stats_load(&stats.bytes_copied), 77 + 2 * 7);
	histogram_look(&stats.sensor_to_published_ns, &view);
	assert_int_equal(view.count, 1); /* exposed after it was published: no time at all */
	stats_published(&stats, 8000, 9000, &d);
	histogram_look(&stats.sensor_to_published_ns, &view);
	assert_int_equal(view.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_duration),
		cmocka_unit_test(test_interruption),
		cmocka_unit_test(test_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
