/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_histogram.c - daemon/base/histogram: percentiles within the promised error of a sorted array, over the newest
 * values only, and a look from another thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>

#include "../tools/random.h"
#include "base/histogram.h"

#define WINDOW_MAX (2 * HISTOGRAM_PART)
#define EXACT_BELOW (UINT64_C(1) << HISTOGRAM_BITS)

static struct histogram histogram;
static struct histogram_view view;

static int set_up(void **state)
{
	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Every percentile of the histogram beside that of the same values, sorted. */
static void check_percentiles(const uint64_t *values, size_t count, uint64_t max)
{
	uint64_t sorted[WINDOW_MAX], before = 0;

	memcpy(sorted, values, count * sizeof(*values));
	qsort(sorted, count, sizeof(*sorted), compare);
	histogram_look(&histogram, &view);
	assert_int_equal(view.samples, count);
	assert_true(view.max == max);
	for (unsigned percent = 1; percent <= 100; percent++) {
		uint64_t exact = sorted[(count * percent + 99) / 100 - 1];
		uint64_t shown = histogram_percentile(&view, percent);

		if (shown < exact || shown < before || shown > max ||
		    (exact < EXACT_BELOW && shown > exact && (shown - exact) * HISTOGRAM_STEPS >= exact))
			fail_msg("%u %% of %zu values is %llu, shown as %llu", percent, count,
				 (unsigned long long)exact, (unsigned long long)shown);
		if (exact >= EXACT_BELOW)
			assert_true(shown == max);
		before = shown;
	}
}

static void test_empty(void **state)
{
	(void)state;
	histogram_look(&histogram, &view);
	assert_int_equal(view.count, 0);
	assert_int_equal(view.samples, 0);
	assert_int_equal(view.max, 0);
	assert_int_equal(view.sum, 0);
	assert_int_equal(histogram_percentile(&view, 50), 0);
	assert_int_equal(histogram_percentile(&view, 100), 0);
}

/* Each value alone: both sides of every bucket's border, and beyond the last. */
static void test_borders(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (uint64_t step = 0; step < HISTOGRAM_STEPS; step++) {
			uint64_t border = bit < HISTOGRAM_STEP_BITS
						  ? step
						  : (HISTOGRAM_STEPS + step) << (bit - HISTOGRAM_STEP_BITS);

			for (int off = -1; off <= 1; off++) {
				/* A larger one beside it, so that `max` does not hide the bucket's end. */
				uint64_t value = border + (uint64_t)off, values[] = { value, UINT64_MAX };

				set_up(NULL);
				histogram_add(&histogram, value);
				histogram_add(&histogram, UINT64_MAX);
				check_percentiles(values, 2, UINT64_MAX);
			}
		}
	}
}

/* Below the number of steps nothing is rounded. */
static void test_small_values(void **state)
{
	(void)state;
	for (uint64_t value = 0; value < HISTOGRAM_STEPS; value++) {
		set_up(NULL);
		histogram_add(&histogram, value);
		histogram_add(&histogram, 1000);
		histogram_look(&histogram, &view);
		assert_true(histogram_percentile(&view, 50) == value);
	}
}

/* Numbers of all magnitudes, of all counts up to the first that falls out of the window. */
static void test_random(void **state)
{
	uint64_t seed = 11, values[WINDOW_MAX], max = 0;

	(void)state;
	for (size_t i = 0; i < WINDOW_MAX - 1; i++) {
		values[i] = random_next(&seed) >> random_below(&seed, 64);
		max = values[i] > max ? values[i] : max;
		histogram_add(&histogram, values[i]);
		if (i % 97 == 0 || i < 20)
			check_percentiles(values, i + 1, max);
	}
	check_percentiles(values, WINDOW_MAX - 1, max);
}

/* What was is forgotten part by part; count, sum and max are not. */
static void test_window(void **state)
{
	uint64_t seed = 5, all[10 * HISTOGRAM_PART], count, sum = 0;

	(void)state;
	for (count = 0; count < 10 * HISTOGRAM_PART; count++)
		all[count] = 100 + random_below(&seed, 100000);
	all[3] = EXACT_BELOW - 1;
	for (count = 1; count <= 10 * HISTOGRAM_PART; count++) {
		size_t first = count < WINDOW_MAX ? 0 : (count / HISTOGRAM_PART - 1) * HISTOGRAM_PART;

		histogram_add(&histogram, all[count - 1]);
		sum += all[count - 1];
		if (count < 4 || (count % HISTOGRAM_PART > 1 && count % 61))
			continue;
		check_percentiles(all + first, count - first, EXACT_BELOW - 1);
		assert_int_equal(view.count, count);
		assert_int_equal(view.sum, sum);
	}
}

struct looker {
	bool stop; /* atomic: T1 */
	uint64_t looks, thin, bad;
};

static void *look_on(void *argument)
{
	struct looker *looker = argument;
	struct histogram_view seen;

	/* T1 pairs with T1 in test_looked_at(). */
	while (!__atomic_load_n(&looker->stop, __ATOMIC_ACQUIRE)) {
		uint64_t p50, p99;

		histogram_look(&histogram, &seen);
		p50 = histogram_percentile(&seen, 50);
		p99 = histogram_percentile(&seen, 99);
		/* All values lie between 1000 and 2000. */
		looker->bad += p50 > p99 || p99 > seen.max || (seen.samples && p50 < 1000) || seen.max > 2000;
		/* A look that was held up while a thousand values came sees fewer. */
		looker->thin += seen.count > 2 * WINDOW_MAX && seen.samples < HISTOGRAM_PART;
		/* T2 pairs with T2 in test_looked_at(): a counter. */
		__atomic_store_n(&looker->looks, looker->looks + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_looked_at(void **state)
{
	struct looker looker = { .stop = false };
	uint64_t seed = 3, added = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, look_on, &looker), 0);
	/* T2 pairs with T2 in look_on(). */
	while (added < 200 * HISTOGRAM_PART || __atomic_load_n(&looker.looks, __ATOMIC_RELAXED) < 1000) {
		histogram_add(&histogram, 1000 + random_below(&seed, 1001));
		added++;
	}
	/* T1 pairs with T1 in look_on(). */
	__atomic_store_n(&looker.stop, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(looker.bad, 0);
	print_message("figure: %llu looks while %llu values came, %llu of them held up\n",
		      (unsigned long long)looker.looks, (unsigned long long)added, (unsigned long long)looker.thin);
	histogram_look(&histogram, &view);
	assert_int_equal(view.count, added);
	assert_in_range(view.samples, HISTOGRAM_PART, WINDOW_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, set_up),        cmocka_unit_test_setup(test_borders, set_up),
		cmocka_unit_test_setup(test_small_values, set_up), cmocka_unit_test_setup(test_random, set_up),
		cmocka_unit_test_setup(test_window, set_up),       cmocka_unit_test_setup(test_looked_at, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
