/* SPDX-License-Identifier: BSD-2-Clause */
/* test_source_controls.c - exposure and gain: what is taken, what is refused, and what frames say they were taken with.
 */
#include "source_probe.h"
#include "source/synthetic.h"

#define MS UINT64_C(1000000)

static struct source *open_at(uint64_t period_ns)
{
	struct source_config config = { .name = "synthetic",
					.settings = { .width = 64, .height = 4 },
					.buffer_count = SOURCE_BUFFERS_MAX };

	set_fixed_rate(&config.settings, period_ns);
	return open_source(&config);
}

static struct source_controls wish(enum source_control control, int64_t value)
{
	struct source_controls controls = { .given = SOURCE_BIT(control) };

	controls.values[control] = value;
	return controls;
}

static struct source_controls with(struct source_controls controls, enum source_control control, int64_t value)
{
	controls.given |= SOURCE_BIT(control);
	controls.values[control] = value;
	return controls;
}

static void expect_same(const struct source_controls *one, const struct source_controls *other)
{
	assert_int_equal(one->given, other->given);
	assert_memory_equal(one->values, other->values, sizeof(one->values));
}

static void set(struct source *source, struct source_controls wanted)
{
	struct source_controls set = { 0 }, told = { 0 };
	struct source_fault fault;

	if (source_set_controls(source, &wanted, &set, &fault))
		fail_msg("%s: %s", fault.field, fault.text);
	source_get_controls(source, &told);
	expect_same(&set, &told);
}

static void expect_controls(const struct source *source, int64_t exposure_us, int64_t gain_milli, int64_t is_auto)
{
	struct source_controls controls;

	source_get_controls(source, &controls);
	assert_int_equal(controls.given, SOURCE_BIT(SOURCE_EXPOSURE_US) | SOURCE_BIT(SOURCE_ANALOGUE_GAIN_MILLI) |
						 SOURCE_BIT(SOURCE_AUTO_EXPOSURE));
	assert_int_equal(controls.values[SOURCE_EXPOSURE_US], exposure_us);
	assert_int_equal(controls.values[SOURCE_ANALOGUE_GAIN_MILLI], gain_milli);
	assert_int_equal(controls.values[SOURCE_AUTO_EXPOSURE], is_auto);
}

/* Refused with this errno, field and sentence, and nothing of it holds. */
static struct source_fault expect_fault(struct source *source, struct source_controls wanted, int rc, const char *field,
					const char *sentence)
{
	struct source_controls before, after, set;
	struct source_fault fault = { 0 };

	source_get_controls(source, &before);
	memset(&set, 0x5a, sizeof(set));
	assert_int_equal(source_set_controls(source, &wanted, &set, &fault), rc);
	assert_string_equal(fault.field, field);
	if (!strstr(fault.text, sentence))
		fail_msg("\"%s\" came instead of \"%s\"", fault.text, sentence);
	for (size_t i = 0; i < sizeof(set); i++)
		assert_int_equal(((uint8_t *)&set)[i], 0x5a);
	source_get_controls(source, &after);
	expect_same(&before, &after);
	return fault;
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SOURCE_CONTROLS; i++)
		assert_non_null(source_control_names[i]);
	assert_string_equal(source_control_names[SOURCE_EXPOSURE_US], "exposure_us");
	assert_string_equal(source_control_names[SOURCE_SHARPNESS_MILLI], "sharpness_milli");
}

static void test_values(void **state)
{
	struct source *source = open_at(10 * MS);

	(void)state;
	expect_controls(source, 5000, 1000, 1);
	set(source, (struct source_controls){ 0 });
	expect_controls(source, 5000, 1000, 1);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 0)); /* as it was, but by hand */
	expect_controls(source, 5000, 1000, 0);
	set(source, wish(SOURCE_EXPOSURE_US, 10000));
	set(source, wish(SOURCE_ANALOGUE_GAIN_MILLI, 16000));
	expect_controls(source, 10000, 16000, 0);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 1));
	expect_controls(source, 5000, 1000, 1);
	set(source, wish(SOURCE_EXPOSURE_US, 1)); /* ends auto exposure, leaves its gain */
	expect_controls(source, 1, 1000, 0);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 1));
	set(source, wish(SOURCE_ANALOGUE_GAIN_MILLI, 1001));
	expect_controls(source, 5000, 1001, 0);
	set(source, with(with(wish(SOURCE_AUTO_EXPOSURE, 0), SOURCE_EXPOSURE_US, 7), SOURCE_ANALOGUE_GAIN_MILLI, 2000));
	expect_controls(source, 7, 2000, 0);
	source_destroy(source);
}

/* What a source says of its controls can be given back to it, to undo a change; and auto exposure has its way. */
static void test_given_back(void **state)
{
	struct source *source = open_at(10 * MS);
	struct source_controls before;

	(void)state;
	source_get_controls(source, &before);
	set(source, with(wish(SOURCE_EXPOSURE_US, 77), SOURCE_ANALOGUE_GAIN_MILLI, 3000));
	expect_controls(source, 77, 3000, 0);
	set(source, before);
	expect_controls(source, 5000, 1000, 1);
	set(source, with(wish(SOURCE_AUTO_EXPOSURE, 1), SOURCE_EXPOSURE_US, 77));
	expect_controls(source, 5000, 1000, 1);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 0));
	expect_controls(source, 5000, 1000, 0);
	source_destroy(source);
}

static void test_refusals(void **state)
{
	struct source *source = open_at(10 * MS);
	struct source_fault fault;

	(void)state;
	set(source, wish(SOURCE_EXPOSURE_US, 77));
	fault = expect_fault(source, wish(SOURCE_EXPOSURE_US, 0), -ERANGE, "exposure_us", "0 is not in 1..1000000");
	assert_int_equal(fault.minimum, 1);
	assert_int_equal(fault.maximum, 1000000);
	assert_int_equal(fault.given, 0);
	fault = expect_fault(source, wish(SOURCE_EXPOSURE_US, 1000001), -ERANGE, "exposure_us", "1000001");
	assert_int_equal(fault.given, 1000001);
	expect_fault(source, wish(SOURCE_EXPOSURE_US, INT64_MIN), -ERANGE, "exposure_us", "");
	expect_fault(source, wish(SOURCE_ANALOGUE_GAIN_MILLI, 999), -ERANGE, "analogue_gain_milli", "1000..16000");
	expect_fault(source, wish(SOURCE_ANALOGUE_GAIN_MILLI, 16001), -ERANGE, "analogue_gain_milli", "1000..16000");
	expect_fault(source, wish(SOURCE_AUTO_EXPOSURE, 2), -ERANGE, "auto_exposure", "2 is not in 0..1");
	/* All or none. */
	expect_fault(source, with(wish(SOURCE_EXPOSURE_US, 5), SOURCE_ANALOGUE_GAIN_MILLI, 1), -ERANGE,
		     "analogue_gain_milli", "");
	expect_fault(source, with(wish(SOURCE_EXPOSURE_US, 5), SOURCE_BRIGHTNESS_MILLI, 0), -ENOTSUP,
		     "brightness_milli", "the source synthetic has no brightness_milli");
	for (unsigned control = SOURCE_EXPOSURE_VALUE_MILLI; control < SOURCE_CONTROLS; control++)
		expect_fault(source, wish((enum source_control)control, 0), -ENOTSUP, source_control_names[control],
			     "has no");
	source_destroy(source);
}

static void test_ranges(void **state)
{
	static const struct {
		uint64_t period_ns;
		int64_t cut_us, initial_us; /* the longest exposure comes to */
	} rows[] = { { 100 * NS_PER_US, 100, 50 },
		     { 20 * MS, 20000, 10000 },
		     { 21 * MS, 21000, 10000 },
		     { 3600 * NS_PER_SECOND, 1000000, 10000 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct source *source = open_at(rows[i].period_ns);
		struct source_capabilities capabilities;
		const struct source_range *range;

		source_get_capabilities(source, &capabilities);
		range = &capabilities.ranges[SOURCE_EXPOSURE_US];
		assert_int_equal(range->minimum, 1);
		assert_int_equal(range->maximum, 1000000);
		assert_int_equal(range->initial, rows[i].initial_us);
		expect_controls(source, rows[i].initial_us, 1000, 1);
		set(source, wish(SOURCE_EXPOSURE_US, range->maximum));
		expect_controls(source, rows[i].cut_us, 1000, 0);
		expect_fault(source, wish(SOURCE_EXPOSURE_US, range->maximum + 1), -ERANGE, "exposure_us", "");
		source_destroy(source);
	}
}

/* Exposure never exceeds the time there is; what was asked for comes back with a slower rate. */
static void test_rate_limits_exposure(void **state)
{
	struct source *source = open_at(20 * MS);

	(void)state;
	set(source, wish(SOURCE_EXPOSURE_US, 15000));
	set_rate(source, 5 * MS, 5 * MS);
	expect_controls(source, 5000, 1000, 0);
	set_rate(source, 30 * MS, 30 * MS);
	expect_controls(source, 15000, 1000, 0);
	set_rate(source, 5 * MS, 5 * MS);
	set(source, wish(SOURCE_EXPOSURE_US, 12000)); /* before the rate that has room for it */
	expect_controls(source, 5000, 1000, 0);
	set_rate(source, 30 * MS, 30 * MS);
	expect_controls(source, 12000, 1000, 0);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 1));
	expect_controls(source, 10000, 1000, 1);
	set_rate(source, 10 * MS, 10 * MS);
	expect_controls(source, 5000, 1000, 1);
	source_destroy(source);
}

/* Take frames up to the first with this exposure; others have `before`, and none is lost. Returns its number. */
static uint64_t take_until(struct source *source, uint64_t number, uint32_t before_us, uint32_t exposure_us,
			   uint32_t gain_milli)
{
	for (;;) {
		struct source_event event = expect_event(source, SOURCE_FRAME);
		const struct source_frame *frame = &event.frame;

		assert_int_equal(frame->camera_sequence, ++number);
		source_release(source, frame->buffer);
		assert_true(frame->exposure_us <= frame->frame_duration_us);
		if (frame->exposure_us != exposure_us) {
			assert_int_equal(frame->exposure_us, before_us);
			continue;
		}
		assert_int_equal(frame->analogue_gain_milli, gain_milli);
		return number;
	}
}

static void test_frames_tell(void **state)
{
	struct source *source = open_at(10 * MS);
	uint64_t number = 0;

	(void)state;
	set(source, wish(SOURCE_EXPOSURE_US, 1234)); /* before the start: from the first frame on */
	assert_int_equal(source_start(source), 0);
	expect_format(source, 64, 4);
	number = take_until(source, number, 1234, 1234, 1000);
	assert_int_equal(number, 1);
	set(source, with(wish(SOURCE_EXPOSURE_US, 9000), SOURCE_ANALOGUE_GAIN_MILLI, 4000));
	number = take_until(source, number, 1234, 9000, 4000);
	set_rate(source, 5 * MS, 5 * MS);
	number = take_until(source, number, 9000, 5000, 4000);
	set_rate(source, 20 * MS, 20 * MS);
	number = take_until(source, number, 5000, 9000, 4000);
	set(source, wish(SOURCE_AUTO_EXPOSURE, 1));
	number = take_until(source, number, 9000, 10000, 1000);
	set_rate(source, 8 * MS, 8 * MS);
	take_until(source, number, 10000, 4000, 1000);
	source_destroy(source);
}

/* Without a rate exposures are those of the source's own, and hold from the next frame that is begun. */
static void test_unpaced(void **state)
{
	struct source *source = open_source(&(struct source_config){ .name = "synthetic", .unpaced = true });
	struct source_event event;

	(void)state;
	expect_controls(source, 10000, 1000, 1);
	assert_int_equal(source_start(source), 0);
	expect_event(source, SOURCE_FORMAT);
	event = expect_event(source, SOURCE_FRAME);
	assert_int_equal(event.frame.exposure_us, 10000);
	set(source, wish(SOURCE_EXPOSURE_US, 33334));
	while (event.frame.exposure_us == 10000) {
		source_release(source, event.frame.buffer);
		event = expect_event(source, SOURCE_FRAME);
	}
	assert_int_equal(event.frame.exposure_us, 33333);
	source_destroy(source);
}

static void test_footage_has_none(void **state)
{
	struct source *source = open_source(&(struct source_config){ .name = "replay", .path = "/dev/null" });
	struct source_controls controls, none = { 0 };
	struct source_fault fault;

	(void)state;
	memset(&controls, 1, sizeof(controls));
	source_get_controls(source, &controls);
	assert_int_equal(controls.given, 0);
	assert_int_equal(source_set_controls(source, &none, &controls, &fault), 0);
	assert_int_equal(controls.given, 0);
	expect_fault(source, wish(SOURCE_ANALOGUE_GAIN_MILLI, 1000), -ENOTSUP, "analogue_gain_milli",
		     "the source replay has no analogue_gain_milli");
	source_destroy(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_rate_limits_exposure),
		cmocka_unit_test(test_frames_tell),
		cmocka_unit_test(test_unpaced),
		cmocka_unit_test(test_footage_has_none),
	};

	return cmocka_run_group_tests_name("source_controls", tests, NULL, NULL);
}
