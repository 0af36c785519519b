/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_settings.c - daemon/settings: what a wish makes of the streams there are, what is refused and how it is named,
 * what a source adjusted, and the pace of changes. Pure functions.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "settings.h"

static struct settings two_streams(void)
{
	return (struct settings){
		.source = { .width = 640, .height = 480 },
		.stream_count = 2,
		.streams = { { .name = "main", .slot_count = 8, .fourcc = LUMARING_FORMAT_R8, .bin = 1 },
			     { .name = "part",
			       .region = { 10, 20, 30, 40 },
			       .width_max = 100,
			       .height_max = 90,
			       .slot_count = 5,
			       .fourcc = LUMARING_FORMAT_R16,
			       .bin = 2,
			       .always = true } },
	};
}

static struct stream_wish wish_for(const char *name)
{
	struct stream_wish wish = { 0 };

	snprintf(wish.config.name, sizeof(wish.config.name), "%s", name);
	return wish;
}

/* --- the list --- */

static void test_set_streams(void **state)
{
	struct settings settings = two_streams(), before = settings;
	struct stream_wish wishes[2] = { wish_for("part"), wish_for("new") };
	struct fault fault;

	(void)state;
	wishes[0].bin = true;
	wishes[0].config.bin = 1;
	wishes[0].config.slot_count = 99; /* not given */
	assert_int_equal(settings_set_streams(&settings, wishes, 2, &fault), 0);
	assert_int_equal(settings.stream_count, 2);
	/* What is not said stays. */
	before.streams[1].bin = 1;
	assert_true(settings_streams_equal(&settings.streams[0], &before.streams[1]));
	/* And has its default where there was nothing. */
	assert_string_equal(settings.streams[1].name, "new");
	assert_int_equal(settings.streams[1].slot_count, 8);
	assert_int_equal(settings.streams[1].bin, 1);
	assert_int_equal(settings.streams[1].fourcc, LUMARING_FORMAT_R8);
	assert_int_equal(settings_find(&settings, "main"), -1);
	assert_int_equal(settings_set_streams(&settings, NULL, 0, &fault), 0);
	assert_int_equal(settings.stream_count, 0);
}

static void test_each_wish(void **state)
{
	struct settings settings = two_streams();
	struct stream_wish wish = wish_for("main");
	struct fault fault;

	(void)state;
	wish.config = (struct stream_config){ .region = { 1, 2, 3, 4 },
					      .width_max = 50,
					      .height_max = 60,
					      .slot_count = 6,
					      .fourcc = LUMARING_FORMAT_R16,
					      .bin = 2,
					      .always = true };
	strcpy(wish.config.name, "main");
	wish.region = wish.max_size = wish.slots = wish.format = wish.bin = wish.always = true;
	assert_int_equal(settings_set_streams(&settings, &wish, 1, &fault), 0);
	assert_true(settings_streams_equal(&settings.streams[0], &wish.config));
	for (unsigned field = 0; field < 6; field++) {
		bool *const given[] = {
			&wish.region, &wish.max_size, &wish.slots, &wish.format, &wish.bin, &wish.always
		};
		struct settings again = two_streams();

		*given[field] = false;
		assert_int_equal(settings_set_streams(&again, &wish, 1, &fault), 0);
		assert_false(settings_streams_equal(&again.streams[0], &wish.config));
		*given[field] = true;
	}
}

static void test_add_and_remove(void **state)
{
	struct settings settings = two_streams();
	struct stream_wish wish = wish_for("part");
	struct fault fault;

	(void)state;
	assert_int_equal(settings_add_stream(&settings, &wish, &fault), -EINVAL);
	assert_int_equal(fault.kind, FAULT_STREAM_EXISTS);
	assert_string_equal(fault.name, "part");
	for (unsigned i = 2; i < LIMIT_STREAMS; i++) {
		snprintf(wish.config.name, sizeof(wish.config.name), "s%u", i);
		assert_int_equal(settings_add_stream(&settings, &wish, &fault), 0);
	}
	strcpy(wish.config.name, "one-more");
	assert_int_equal(settings_add_stream(&settings, &wish, &fault), -EINVAL);
	assert_int_equal(fault.kind, FAULT_FIELD);
	assert_string_equal(fault.field, "streams");
	assert_int_equal(settings.stream_count, LIMIT_STREAMS);
	assert_int_equal(settings_check(&settings, &fault), 0);
	assert_int_equal(settings_remove_stream(&settings, "one-more", &fault), -EINVAL);
	assert_int_equal(fault.kind, FAULT_NO_STREAM);
	assert_string_equal(fault.name, "one-more");
	assert_int_equal(settings_remove_stream(&settings, "main", &fault), 0);
	assert_string_equal(settings.streams[0].name, "part");
	assert_string_equal(settings.streams[LIMIT_STREAMS - 2].name, "s15");
	assert_int_equal(settings_remove_stream(&settings, "s15", &fault), 0);
	assert_int_equal(settings.stream_count, LIMIT_STREAMS - 2);
}

static void test_too_many(void **state)
{
	struct stream_wish wishes[LIMIT_STREAMS + 1];
	struct settings settings = two_streams();
	struct fault fault;

	(void)state;
	for (unsigned i = 0; i <= LIMIT_STREAMS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%u", i);
		wishes[i] = wish_for(name);
	}
	assert_int_equal(settings_set_streams(&settings, wishes, LIMIT_STREAMS, &fault), 0);
	assert_int_equal(settings_set_streams(&settings, wishes, LIMIT_STREAMS + 1, &fault), -EINVAL);
	assert_string_equal(fault.field, "streams");
	assert_string_equal(fault.reason, "17 streams are more than the 16 that a camera may have");
}

static void test_set_region(void **state)
{
	struct settings settings = two_streams();
	struct region region = { 5, 6, 7, 8 };
	struct fault fault;

	(void)state;
	assert_int_equal(settings_set_region(&settings, "nobody", region, &fault), -EINVAL);
	assert_int_equal(fault.kind, FAULT_NO_STREAM);
	assert_int_equal(settings_set_region(&settings, "part", region, &fault), 0);
	assert_memory_equal(&settings.streams[1].region, &region, sizeof(region));
}

/* --- checks --- */

static void expect_fault(const struct settings *settings, enum fault_kind kind, int stream, const char *field)
{
	struct fault fault = { 0 };

	assert_int_equal(settings_check(settings, &fault), -EINVAL);
	assert_int_equal(fault.kind, kind);
	assert_int_equal(fault.stream, stream);
	assert_string_equal(fault.field, field);
	assert_int_not_equal(fault.reason[0], 0);
}

static void test_names(void **state)
{
	struct settings settings = two_streams();
	struct fault fault;

	(void)state;
	assert_int_equal(settings_check(&settings, &fault), 0);
	strcpy(settings.streams[1].name, "main");
	expect_fault(&settings, FAULT_FIELD, 1, "name");
	strcpy(settings.streams[1].name, "Big");
	expect_fault(&settings, FAULT_FIELD, 1, "name");
	settings.streams[1].name[0] = '\0';
	expect_fault(&settings, FAULT_FIELD, 1, "name");
	strcpy(settings.streams[1].name, "private-1");
	expect_fault(&settings, FAULT_FIELD, 1, "name");
	strcpy(settings.streams[1].name, "private");
	assert_int_equal(settings_check(&settings, &fault), 0);
}

/* Each number at its limits and one beyond. */
static void test_numbers(void **state)
{
	static const struct {
		size_t offset;
		const char *field;
		uint32_t minimum, maximum;
	} cases[] = {
		{ offsetof(struct stream_config, slot_count), "slots", 4, 65535 },
		{ offsetof(struct stream_config, bin), "bin", 1, 2 },
		{ offsetof(struct stream_config, width_max), "max_size.width", 0, 65535 },
		{ offsetof(struct stream_config, height_max), "max_size.height", 0, 65535 },
	};
	struct fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings = two_streams();
		uint32_t *value = (uint32_t *)((char *)&settings.streams[1] + cases[i].offset);

		*value = cases[i].minimum;
		assert_int_equal(settings_check(&settings, &fault), 0);
		*value = cases[i].maximum;
		assert_int_equal(settings_check(&settings, &fault), 0);
		*value = cases[i].maximum + 1;
		expect_fault(&settings, FAULT_RANGE, 1, cases[i].field);
		assert_int_equal(settings_check(&settings, &fault), -EINVAL);
		assert_int_equal(fault.given, cases[i].maximum + 1);
		assert_int_equal(fault.maximum, cases[i].maximum);
		*value = cases[i].minimum - 1;
		if (cases[i].minimum)
			expect_fault(&settings, FAULT_RANGE, 1, cases[i].field);
	}
}

static void test_regions(void **state)
{
	struct settings settings = two_streams();
	struct fault fault;

	(void)state;
	settings.source.width = 40;
	settings.source.height = 60;
	assert_int_equal(settings_check(&settings, &fault), 0); /* 10+30, 20+40: just inside */
	settings.source.height = 59;
	expect_fault(&settings, FAULT_FIELD, 1, "region");
	assert_int_equal(settings_check(&settings, &fault), -EINVAL);
	assert_string_equal(fault.reason, "stream part: region 10,20,30,40 does not lie inside the image of 40x59");
	settings.streams[1].region = (struct region){ 39, 58, 0, 0 };
	expect_fault(&settings, FAULT_FIELD, 1, "region"); /* one pixel cannot be binned */
	settings.streams[1].fourcc = 7;
	expect_fault(&settings, FAULT_FIELD, 1, "format");
}

/* --- the source --- */

static void test_differ(void **state)
{
	struct source_settings a = { .width = 640,
				     .height = 480,
				     .layout = { .name = "R8", .pixels = PIXELS_R8 },
				     .frame_duration_min_ns = 1000,
				     .frame_duration_max_ns = 2000 },
			       b = a;

	(void)state;
	assert_false(settings_differ_in_format(&a, &b) || settings_differ_in_rate(&a, &b));
	b.frame_duration_max_ns++;
	assert_true(settings_differ_in_rate(&a, &b) && !settings_differ_in_format(&a, &b));
	b = a;
	b.frame_duration_min_ns--;
	assert_true(settings_differ_in_rate(&a, &b));
	b = a;
	b.width++;
	assert_true(settings_differ_in_format(&a, &b) && !settings_differ_in_rate(&a, &b));
	b = a;
	b.height--;
	assert_true(settings_differ_in_format(&a, &b));
	b = a;
	b.layout.pixels = PIXELS_YUYV;
	assert_true(settings_differ_in_format(&a, &b));
	b = a;
	b.layout.chroma = PIXELS_CHROMA_420;
	assert_true(settings_differ_in_format(&a, &b));
	b = a;
	b.layout = (struct pixels_layout){ .name = NULL }; /* the source's own, whatever that is */
	assert_true(settings_differ_in_format(&a, &b));
}

static void test_equal(void **state)
{
	struct settings a = { .source = { .width = 640, .height = 480, .frame_duration_max_ns = 2000 },
			      .stream_count = 2,
			      .streams = { { .name = "main" }, { .name = "eyes" } } },
			b = a;

	(void)state;
	assert_true(settings_same_streams(&a, &b) && settings_equal(&a, &b));
	b.streams[1].slot_count = 5;
	assert_false(settings_same_streams(&a, &b) || settings_equal(&a, &b));
	b = a;
	b.stream_count = 1;
	assert_false(settings_same_streams(&a, &b) || settings_equal(&a, &b));
	b = a;
	b.source.frame_duration_max_ns++;
	assert_true(settings_same_streams(&a, &b));
	assert_false(settings_equal(&a, &b));
	b = a;
	b.source.height++;
	assert_false(settings_equal(&a, &b));
}

static void test_adjustments(void **state)
{
	struct source_settings
		asked = { .width = 641, .height = 481, .frame_duration_min_ns = 1500, .frame_duration_max_ns = 9000 },
		got = { .width = 640, .height = 480, .frame_duration_min_ns = 2000, .frame_duration_max_ns = 8000 };
	struct adjustment adjustments[SETTINGS_ADJUSTMENTS_MAX];

	(void)state;
	assert_int_equal(settings_adjustments(&asked, &got, adjustments), 4);
	assert_string_equal(adjustments[0].field, "size.width");
	assert_int_equal(adjustments[0].asked, 641);
	assert_int_equal(adjustments[0].got, 640);
	assert_string_equal(adjustments[1].field, "size.height");
	assert_string_equal(adjustments[2].field, "frame_duration_us.minimum");
	assert_string_equal(adjustments[3].field, "frame_duration_us.maximum");
	assert_int_equal(adjustments[3].asked, 9);
	assert_int_equal(adjustments[3].got, 8);
	assert_int_equal(settings_adjustments(&asked, &asked, adjustments), 0);
	got.frame_duration_min_ns = 1999; /* the same microsecond */
	asked = (struct source_settings){ .frame_duration_min_ns = 1500 };
	assert_int_equal(settings_adjustments(&asked, &got, adjustments), 0);
}

static void test_from_source(void **state)
{
	struct source_fault refusal = { .field = "size.width", .minimum = 1, .maximum = 9, .given = 10, .text = "no" };
	struct fault fault;

	(void)state;
	fault_from_source(&fault, -ERANGE, &refusal);
	assert_int_equal(fault.kind, FAULT_RANGE);
	assert_int_equal(fault.stream, -1);
	assert_string_equal(fault.field, "size.width");
	assert_int_equal(fault.minimum + fault.maximum + fault.given, 20);
	fault_from_source(&fault, -ENOTSUP, &refusal);
	assert_int_equal(fault.kind, FAULT_UNSUPPORTED);
	assert_string_equal(fault.reason, "no");
	fault_from_source(&fault, -EFBIG, &refusal);
	assert_int_equal(fault.kind, FAULT_FIELD);
}

/* --- numbers --- */

static void test_gap(void **state)
{
	(void)state;
	assert_int_equal(settings_gap_frames(0, 1000), 0);
	assert_int_equal(settings_gap_frames(1000, 1000), 0); /* as if nothing had happened */
	assert_int_equal(settings_gap_frames(1499, 1000), 0);
	assert_int_equal(settings_gap_frames(1500, 1000), 1);
	assert_int_equal(settings_gap_frames(10000, 1000), 9);
}

static void test_pace(void **state)
{
	uint64_t paid_ns = 0, now_ns = 1000 * NS_PER_SECOND, period_ns = NS_PER_SECOND / 5;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(settings_pace_wait_ns(paid_ns, now_ns, 5), 0);
		settings_pace_pay(&paid_ns, now_ns, 5);
	}
	assert_int_equal(settings_pace_wait_ns(paid_ns, now_ns, 5), period_ns);
	assert_int_equal(settings_pace_wait_ns(paid_ns, now_ns + period_ns - 1, 5), 1);
	now_ns += period_ns;
	assert_int_equal(settings_pace_wait_ns(paid_ns, now_ns, 5), 0);
	settings_pace_pay(&paid_ns, now_ns, 5);
	assert_int_equal(settings_pace_wait_ns(paid_ns, now_ns, 5), period_ns);
	/* One a second is one at once. */
	paid_ns = 0;
	assert_int_equal(settings_pace_wait_ns(paid_ns, now_ns, 1), 0);
	settings_pace_pay(&paid_ns, now_ns, 1);
	assert_int_equal(settings_pace_wait_ns(paid_ns, now_ns, 1), NS_PER_SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_streams),
		cmocka_unit_test(test_each_wish),
		cmocka_unit_test(test_add_and_remove),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_set_region),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_differ),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_adjustments),
		cmocka_unit_test(test_from_source),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
