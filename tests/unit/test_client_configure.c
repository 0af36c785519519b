/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_configure.c - the library's control calls that have a C type: what is asked, to the byte; what is read
 * out of replies, of any daemon's; and callers of an older and of a newer release.
 */
#include "fake_control.h"

#include <lumaring/layout.h>

#define METHOD(name) "{\"method\":\"io.lumaring.Camera." name "\",\"parameters\":"

static const char applied[] = "{\"parameters\":{\"applied\":{\"configuration\":{\"size\":{\"width\":1280,\"height\":"
			      "720},\"pixel_format\":\"YUV420\","
			      "\"frame_duration_us\":{\"minimum\":17857,\"maximum\":66667},\"streams\":[]},"
			      "\"adjustments\":[{\"field\":\"size.width\","
			      "\"asked\":1283,\"got\":1280}],\"restarted\":true,\"replaced\":[\"main\",\"ball\"],\"gap_"
			      "us\":214000,\"gap_frames\":12}}}";

static void expect_request(struct fake *f, const char *text)
{
	fake_stop(f);
	assert_int_equal(f->request_count, 1);
	assert_string_equal(f->requests[0], text);
}

/* --- configuration ----------------------------------------------------------------------------------------------- */

static void test_configure(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
	const struct lumaring_applied *got = NULL;

	fake_reply(f, applied);
	wanted.width = 1283;
	wanted.height = 720;
	wanted.frame_duration_min_us = 17857;
	wanted.frame_duration_max_us = 66667;
	wanted.pixel_format = "YUV420";
	assert_int_equal(lumaring_configure(control, &wanted, 0, FAKE_WAIT_MS, &got), 0);
	assert_int_equal(got->width, 1280);
	assert_int_equal(got->height, 720);
	assert_int_equal(got->frame_duration_min_us, 17857);
	assert_int_equal(got->frame_duration_max_us, 66667);
	assert_string_equal(got->pixel_format, "YUV420");
	assert_int_equal(got->adjustments, 1);
	assert_int_equal(got->replaced, 2);
	assert_int_equal(got->restarted, 1);
	assert_int_equal(got->gap_us, 214000);
	assert_int_equal(got->gap_frames, 12);
	assert_memory_equal(lumaring_control_reply(control), "{\"applied\":", 11);
	lumaring_control_close(control);
	expect_request(f, METHOD("Configure") "{\"configuration\":{\"size\":{\"width\":1283,\"height\":720},"
					      "\"pixel_format\":\"YUV420\",\"frame_duration_us\":{\"minimum\":17857,"
					      "\"maximum\":66667}}}}");
}

/* What a source does not know, or there was nothing to measure of. */
static void test_configure_little(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	const struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
	const struct lumaring_applied *got = NULL;

	fake_reply(f, "{\"parameters\":{\"applied\":{\"configuration\":{\"size\":null,\"pixel_format\":null},"
		      "\"adjustments\":[],"
		      "\"restarted\":false,\"replaced\":[],\"gap_us\":null}}}");
	assert_int_equal(lumaring_configure(control, &wanted, LUMARING_DRY_RUN | LUMARING_STRICT, FAKE_WAIT_MS, &got),
			 0);
	assert_int_equal(got->width | got->height, 0);
	assert_int_equal(got->frame_duration_min_us | got->frame_duration_max_us, 0);
	assert_string_equal(got->pixel_format, "");
	assert_int_equal(got->adjustments | got->replaced | got->restarted, 0);
	assert_int_equal(got->gap_us, -1);
	assert_int_equal(got->gap_frames, -1);
	lumaring_control_close(control);
	expect_request(f, METHOD("Configure") "{\"configuration\":{},\"dry_run\":true,\"strict\":true}}");
}

static void test_configure_streams(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
	struct lumaring_stream streams[3] = { LUMARING_STREAM_INIT, LUMARING_STREAM_INIT, LUMARING_STREAM_INIT };

	fake_reply(f, applied);
	streams[0].name = "main";
	streams[1] = (struct lumaring_stream){
		sizeof(streams[1]), "b\"\\\n", { 1, 2, 3, 0 }, 64, 48, 5, LUMARING_FORMAT_R16, 2, 1
	};
	streams[2].name = "c";
	streams[2].fourcc = LUMARING_FORMAT_R8;
	streams[2].always = 0;
	wanted.streams = streams;
	wanted.stream_count = 3;
	assert_int_equal(lumaring_configure(control, &wanted, 0, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_request(f,
		       METHOD("Configure") "{\"configuration\":{\"streams\":[{\"name\":\"main\"},"
					   "{\"name\":\"b\\\"\\\\\\u000a\",\"region\":{\"x\":1,\"y\":2,\"width\":3,"
					   "\"height\":0},"
					   "\"max_size\":{\"width\":64,\"height\":48},\"slots\":5,\"format\":\"R16\","
					   "\"bin\":2,"
					   "\"always\":true},{\"name\":\"c\",\"format\":\"R8\",\"always\":false}]}}}");
}

/* None is not the same as all as they are. */
static void test_configure_no_streams(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
	const struct lumaring_stream none = LUMARING_STREAM_INIT;

	fake_reply(f, applied);
	wanted.streams = &none;
	assert_int_equal(lumaring_configure(control, &wanted, 0, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_request(f, METHOD("Configure") "{\"configuration\":{\"streams\":[]}}}");
}

/* A program of a later release, whose structs are longer. */
static void test_later_release(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	struct {
		struct lumaring_stream known;
		uint64_t later;
	} streams[2] = { { LUMARING_STREAM_INIT, 0 }, { LUMARING_STREAM_INIT, 0 } };
	struct {
		struct lumaring_controls known;
		int64_t later;
	} controls = { LUMARING_CONTROLS_INIT, LUMARING_KEEP };
	struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;

	fake_reply(f, applied);
	fake_reply(f, "{\"parameters\":{\"controls\":{}}}");
	for (int i = 0; i < 2; i++) {
		streams[i].known.size = sizeof(streams[i]);
		streams[i].known.name = i == 0 ? "a" : "b";
	}
	wanted.streams = &streams[0].known;
	wanted.stream_count = 2;
	assert_int_equal(lumaring_configure(control, &wanted, 0, FAKE_WAIT_MS, NULL), 0);
	streams[1].later = 1;
	assert_int_equal(lumaring_configure(control, &wanted, 0, FAKE_WAIT_MS, NULL), -EINVAL);
	assert_string_equal(
		lumaring_control_error_text(control),
		"stream.size is 64 and byte 56 is set, but this library knows 56 bytes: update it, or leave that "
		"as LUMARING_STREAM_INIT has it");
	controls.known.size = sizeof(controls);
	assert_int_equal(lumaring_set_controls(control, &controls.known, FAKE_WAIT_MS, NULL), 0);
	controls.later = 0;
	assert_int_equal(lumaring_set_controls(control, &controls.known, FAKE_WAIT_MS, NULL), -EINVAL);
	lumaring_control_close(control);
	fake_stop(f);
	assert_int_equal(f->request_count, 2);
	assert_string_equal(
		f->requests[0],
		METHOD("Configure") "{\"configuration\":{\"streams\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}}");
}

static void test_bad_arguments(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
	struct lumaring_stream stream = LUMARING_STREAM_INIT;
	struct lumaring_controls controls = LUMARING_CONTROLS_INIT;
	const struct lumaring_region region = { 0, 0, 1, 1 };

	assert_int_equal(lumaring_configure(control, NULL, 0, 0, NULL), -EINVAL);
	assert_int_equal(lumaring_configure(control, &wanted, LUMARING_FORCE, 0, NULL), -EINVAL);
	wanted.size -= 8;
	assert_int_equal(lumaring_configure(control, &wanted, 0, 0, NULL), -EINVAL);
	assert_string_equal(
		lumaring_control_error_text(control),
		"configuration.size is 40, accepted: a multiple of 8 from 48: use LUMARING_CONFIGURATION_INIT");
	wanted.size += 8;
	wanted.streams = &stream;
	wanted.stream_count = 1;
	assert_int_equal(lumaring_configure(control, &wanted, 0, 0, NULL), -EINVAL);
	assert_string_equal(lumaring_control_error_text(control), "a stream needs a name");
	assert_int_equal(lumaring_add_stream(control, NULL, 0), -EINVAL);
	assert_int_equal(lumaring_add_stream(control, &stream, 0), -EINVAL);
	stream.name = "a";
	stream.fourcc = 7;
	assert_int_equal(lumaring_add_stream(control, &stream, 0), -EINVAL);
	stream.fourcc = 0;
	stream.always = 2;
	assert_int_equal(lumaring_add_stream(control, &stream, 0), -EINVAL);
	assert_int_equal(lumaring_remove_stream(control, NULL, 0, 0), -EINVAL);
	assert_int_equal(lumaring_remove_stream(control, "a", LUMARING_STRICT, 0), -EINVAL);
	assert_int_equal(lumaring_set_stream_region(control, NULL, &region, 0, NULL), -EINVAL);
	assert_int_equal(lumaring_set_stream_region(control, "a", NULL, 0, NULL), -EINVAL);
	assert_int_equal(lumaring_set_controls(control, NULL, 0, NULL), -EINVAL);
	controls.auto_exposure = 2;
	assert_int_equal(lumaring_set_controls(control, &controls, 0, NULL), -EINVAL);
	assert_string_equal(lumaring_control_error_name(control), "");
	lumaring_control_close(control);
	fake_stop(f);
	assert_int_equal(f->request_count, 0);
}

/* --- controls and streams ---------------------------------------------------------------------------------------- */

static void test_controls(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	struct lumaring_controls wanted = LUMARING_CONTROLS_INIT;
	const struct lumaring_controls *got = NULL;

	fake_reply(f, "{\"parameters\":{\"controls\":{\"exposure_us\":5000,\"auto_exposure\":false,\"brightness_"
		      "milli\":-1000,\"scaler_crop_x\":16,\"scaler_crop_y\":0,\"scaler_crop_width\":640,"
		      "\"scaler_crop_height\":480,"
		      "\"exposure_value_milli\":null,\"later\":7}}}");
	wanted.exposure_us = 5000;
	wanted.analogue_gain_milli = INT64_C(1) << 40;
	wanted.auto_exposure = 1;
	wanted.exposure_value_milli = -500;
	wanted.brightness_milli = 0;
	wanted.contrast_milli = 1500;
	wanted.sharpness_milli = INT64_MAX;
	wanted.scaler_crop_x = 0;
	wanted.scaler_crop_y = 1;
	wanted.scaler_crop_width = 4608;
	wanted.scaler_crop_height = 2592;
	assert_int_equal(lumaring_set_controls(control, &wanted, FAKE_WAIT_MS, &got), 0);
	assert_int_equal(got->size, sizeof(*got));
	assert_int_equal(got->exposure_us, 5000);
	assert_int_equal(got->auto_exposure, 0);
	assert_int_equal(got->brightness_milli, -1000);
	assert_int_equal(got->scaler_crop_x, 16);
	assert_int_equal(got->scaler_crop_y, 0);
	assert_int_equal(got->scaler_crop_width, 640);
	assert_int_equal(got->scaler_crop_height, 480);
	assert_true(got->analogue_gain_milli == LUMARING_KEEP && got->exposure_value_milli == LUMARING_KEEP &&
		    got->contrast_milli == LUMARING_KEEP && got->sharpness_milli == LUMARING_KEEP);
	lumaring_control_close(control);
	expect_request(
		f, METHOD("SetControls") "{\"controls\":{\"exposure_us\":5000,\"analogue_gain_milli\":1099511627776,"
					 "\"auto_exposure\":true,\"exposure_value_milli\":-500,\"brightness_milli\":0,"
					 "\"contrast_milli\":1500,\"sharpness_milli\":9223372036854775807,"
					 "\"scaler_crop_x\":0,\"scaler_crop_y\":1,\"scaler_crop_width\":4608,"
					 "\"scaler_crop_height\":2592}}}");
}

/* A program that was built before the crop was there: nothing is read beyond its struct. */
static void test_controls_of_before(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	struct lumaring_controls wanted = LUMARING_CONTROLS_INIT;

	fake_reply(f, "{\"parameters\":{\"controls\":{\"scaler_crop_x\":16}}}");
	wanted.size = offsetof(struct lumaring_controls, scaler_crop_x);
	wanted.sharpness_milli = 7;
	wanted.scaler_crop_x = wanted.scaler_crop_height = 9;
	assert_int_equal(lumaring_set_controls(control, &wanted, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	expect_request(f, METHOD("SetControls") "{\"controls\":{\"sharpness_milli\":7}}}");
}

static void test_streams(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	struct lumaring_stream stream = LUMARING_STREAM_INIT;
	const struct lumaring_region region = { 1, 2, 0, 65535 };
	struct lumaring_region got = { 9, 9, 9, 9 };

	fake_reply(f, "{\"parameters\":{\"stream\":{\"name\":\"ball\"}}}");
	fake_reply(f, "{\"parameters\":{}}");
	fake_reply(f, "{}");
	fake_reply(f,
		   "{\"parameters\":{\"region\":{\"x\":1,\"y\":2,\"width\":639,\"height\":478},\"replaced\":false}}");
	stream.name = "ball";
	stream.bin = 1;
	assert_int_equal(lumaring_add_stream(control, &stream, FAKE_WAIT_MS), 0);
	assert_string_equal(lumaring_control_reply(control), "{\"stream\":{\"name\":\"ball\"}}");
	assert_int_equal(lumaring_remove_stream(control, "ball", 0, FAKE_WAIT_MS), 0);
	assert_int_equal(lumaring_remove_stream(control, "ball", LUMARING_FORCE, FAKE_WAIT_MS), 0);
	assert_int_equal(lumaring_set_stream_region(control, "main", &region, FAKE_WAIT_MS, &got), 0);
	assert_int_equal(got.x, 1);
	assert_int_equal(got.y, 2);
	assert_int_equal(got.width, 639);
	assert_int_equal(got.height, 478);
	lumaring_control_close(control);
	fake_stop(f);
	assert_string_equal(f->requests[0], METHOD("AddStream") "{\"stream\":{\"name\":\"ball\",\"bin\":1}}}");
	assert_string_equal(f->requests[1], METHOD("RemoveStream") "{\"name\":\"ball\"}}");
	assert_string_equal(f->requests[2], METHOD("RemoveStream") "{\"name\":\"ball\",\"force\":true}}");
	assert_string_equal(f->requests[3],
			    METHOD("SetRegion") "{\"stream\":\"main\",\"region\":{\"x\":1,\"y\":2,\"width\":0,"
						"\"height\":65535}}}");
}

/* --- lies -------------------------------------------------------------------------------------------------------- */

#define APPLIED(inside) "{\"parameters\":{\"applied\":{\"configuration\":{" inside "}}}}"

static void test_lies_about_what_was_applied(void **state)
{
	static const struct {
		const char *text, *what;
	} lies[] = {
		{ "{}", "applied.configuration" },
		{ "{\"parameters\":{\"applied\":7}}", "applied.configuration" },
		{ "{\"parameters\":{\"applied\":{\"configuration\":[]}}}", "applied.configuration" },
		{ APPLIED("\"size\":{\"width\":65536,\"height\":1}"), "size.width" },
		{ APPLIED("\"size\":{\"width\":-1,\"height\":1}"), "size.width" },
		{ APPLIED("\"size\":{\"width\":1,\"height\":1.5}"), "size.height" },
		{ APPLIED("\"size\":{\"width\":1,\"height\":\"1\"}"), "size.height" },
		{ APPLIED("\"frame_duration_us\":{\"minimum\":4294967296}"), "frame_duration_us.minimum" },
		{ APPLIED("\"frame_duration_us\":{\"maximum\":true}"), "frame_duration_us.maximum" },
		{ APPLIED("\"pixel_format\":4"), "pixel_format" },
		{ "{\"parameters\":{\"applied\":{\"configuration\":{},\"gap_us\":-5}}}", "gap_us" },
		{ "{\"parameters\":{\"applied\":{\"configuration\":{},\"gap_frames\":{}}}}", "gap_frames" },
	};
	const size_t count = sizeof(lies) / sizeof(lies[0]);
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	const struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;

	for (size_t i = 0; i < count; i++)
		fake_reply(f, lies[i].text);
	for (size_t i = 0; i < count; i++) {
		const struct lumaring_applied *got = NULL;

		if (lumaring_configure(control, &wanted, 0, FAKE_WAIT_MS, &got) != -EBADMSG ||
		    !strstr(lumaring_control_error_text(control), lies[i].what))
			fail_msg("'%s': %s", lies[i].text, lumaring_control_error_text(control));
		assert_null(got);
	}
	lumaring_control_close(control);
}

/* Longer than there is room for, and with what a terminal takes for more than letters. */
static void test_odd_format(void **state)
{
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	const struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
	const struct lumaring_applied *got = NULL;

	fake_reply(f, APPLIED("\"pixel_format\":\"\\u001b[31m0123456789012345678901234567890\""));
	assert_int_equal(lumaring_configure(control, &wanted, 0, FAKE_WAIT_MS, &got), 0);
	assert_string_equal(got->pixel_format, "?[31m01234567890123456789012345");
	lumaring_control_close(control);
}

static void test_lies_about_controls_and_regions(void **state)
{
	static const char *const lies[] = {
		"{}",
		"{\"parameters\":{\"controls\":[]}}",
		"{\"parameters\":{\"controls\":{\"exposure_us\":true}}}",
		"{\"parameters\":{\"controls\":{\"exposure_us\":1.5}}}",
		"{\"parameters\":{\"controls\":{\"auto_exposure\":1}}}",
		"{\"parameters\":{\"controls\":{\"sharpness_milli\":99999999999999999999}}}",
	};
	const size_t count = sizeof(lies) / sizeof(lies[0]);
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	const struct lumaring_controls wanted = LUMARING_CONTROLS_INIT;
	struct lumaring_region region = { 1, 2, 3, 4 };

	for (size_t i = 0; i < count; i++)
		fake_reply(f, lies[i]);
	fake_reply(f, "{\"parameters\":{\"region\":{\"x\":65536}}}");
	for (size_t i = 0; i < count; i++) {
		const struct lumaring_controls *got = NULL;

		assert_int_equal(lumaring_set_controls(control, &wanted, FAKE_WAIT_MS, &got), -EBADMSG);
		assert_null(got);
	}
	assert_int_equal(lumaring_set_stream_region(control, "main", &region, FAKE_WAIT_MS, &region), -EBADMSG);
	assert_int_equal(region.x, 1);
	lumaring_control_close(control);
}

/* --- mutations --------------------------------------------------------------------------------------------------- */

#define MUTATIONS 2000u

static uint32_t random_below(uint32_t bound)
{
	static uint64_t seed = 19700101;

	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % bound;
}

/* Some bytes of an answer are others, or it ends early; NULs make several of it. */
static struct fake_answer *add_mutated(struct fake *f, const char *text)
{
	static const char bytes[] = "{}[]\",:\\0919-.etfn\0";
	const size_t n = strlen(text) + 1;
	char *mutated = malloc(n);
	struct fake_answer *answer;

	assert_non_null(mutated);
	memcpy(mutated, text, n);
	for (uint32_t i = random_below(4); i > 0; i--)
		mutated[random_below((uint32_t)n - 1)] = bytes[random_below(sizeof(bytes) - 1)];
	answer = fake_bytes(f, mutated, n);
	answer->hang_up = random_below(8) == 0;
	if (answer->hang_up)
		answer->bytes = random_below((uint32_t)n);
	return answer;
}

/* Each is taken, refused or told to make no sense, and the next call is none the worse for it. */
static void test_mutations(void **state)
{
	static const char *const texts[] = {
		applied,
		"{\"parameters\":{\"controls\":{\"exposure_us\":5000,\"auto_exposure\":false,\"ev\":-1}}}",
		"{\"error\":\"io.lumaring.Camera.OutOfRange\",\"parameters\":{\"field\":\"size\",\"minimum\":1,"
		"\"given\":9}}",
		"{\"error\":\"io.lumaring.Camera.NoSuchStream\",\"parameters\":{\"stream\":\"a\",\"streams\":[\"b\","
		"\"c\"]}}",
		"{\"parameters\":{\"region\":{\"x\":1,\"y\":2,\"width\":639,\"height\":478},\"replaced\":false}}",
	};
	struct fake *f = *state;
	struct lumaring_control *control = fake_open(f);
	const struct lumaring_configuration configuration = LUMARING_CONFIGURATION_INIT;
	const struct lumaring_controls controls = LUMARING_CONTROLS_INIT;
	const struct lumaring_region region = { 0, 0, 1, 1 };
	unsigned good = 0, nonsense = 0;

	for (unsigned i = 0; i < MUTATIONS; i++)
		add_mutated(f, texts[i % 5]);
	fake_reply(f, applied);
	for (unsigned i = 0; i < MUTATIONS; i++) {
		int r = i % 5 == 1   ? lumaring_set_controls(control, &controls, FAKE_WAIT_MS, NULL)
			: i % 5 == 4 ? lumaring_set_stream_region(control, "a", &region, FAKE_WAIT_MS, NULL)
				     : lumaring_configure(control, &configuration, 0, FAKE_WAIT_MS, NULL);

		assert_true(r <= 0 && r != -ETIMEDOUT);
		assert_true((r == 0) == !lumaring_control_error_text(control)[0]);
		good += r == 0;
		nonsense += r == -EBADMSG;
	}
	assert_in_range(good, MUTATIONS / 10, MUTATIONS);
	assert_in_range(nonsense, MUTATIONS / 10, MUTATIONS);
	assert_int_equal(lumaring_configure(control, &configuration, 0, FAKE_WAIT_MS, NULL), 0);
	lumaring_control_close(control);
	fake_stop(f);
	for (unsigned i = 0; i < MUTATIONS; i++)
		free((void *)(uintptr_t)f->answers[i].text);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_configure),         TEST(test_configure_little),
		TEST(test_configure_streams), TEST(test_configure_no_streams),
		TEST(test_later_release),     TEST(test_bad_arguments),
		TEST(test_controls),          TEST(test_controls_of_before),
		TEST(test_streams),           TEST(test_lies_about_what_was_applied),
		TEST(test_odd_format),        TEST(test_lies_about_controls_and_regions),
		TEST(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
