/* SPDX-License-Identifier: BSD-2-Clause */
/* test_source_open.c - daemon/source/source.c: names, and the limits that all stand-in sources share. */
#include "source_probe.h"

static void test_names(void **state)
{
	(void)state;
#ifdef LUMARING_NO_LIBCAMERA
	expect_refusal(
		&(struct source_config){ .name = "libcamera" }, -ENOTSUP,
		"this build of lumaringd has no libcamera source; use --source replay:FILE, raw:FILE or synthetic");
#endif
	expect_refusal(&(struct source_config){ .name = "webcam" }, -ENOENT,
		       "there is no source \"webcam\"; the sources are libcamera, replay:FILE, raw:FILE and synthetic");
	expect_refusal(&(struct source_config){ .name = "" }, -ENOENT, "there is no source \"\"");
	expect_refusal(&(struct source_config){ .name = "replay" }, -EINVAL, "replay needs a Y4M file, a FIFO or -");
	expect_refusal(&(struct source_config){ .name = "replay", .path = "" }, -EINVAL, "replay needs a Y4M file");
}

static void open_and_close(const struct source_config *config)
{
	source_destroy(open_source(config));
}

/* As announced, when it is asked for. */
static uint32_t duration_us(struct source_config *config, uint64_t asked_ns)
{
	struct source *source;
	uint32_t us;

	set_fixed_rate(&config->settings, asked_ns);
	source = open_source(config);
	us = expect_event(source, SOURCE_FORMAT).format.frame_duration_us;
	source_destroy(source);
	return us;
}

static void test_limits(void **state)
{
	struct source_config config = { .name = "synthetic", .settings = { .width = 8, .height = 8 } };

	(void)state;
	config.buffer_count = SOURCE_BUFFERS_MAX;
	open_and_close(&config);
	config.buffer_count++;
	expect_refusal(&config, -EINVAL, "65 capture buffers were asked for, 1..64 are possible");
	config.buffer_count = 1;
	assert_int_equal(duration_us(&config, 100000), 100);
	assert_int_equal(duration_us(&config, 98000), 100);
	assert_int_equal(duration_us(&config, 3600 * NS_PER_SECOND), 3600000000);
	assert_int_equal(duration_us(&config, 3700 * NS_PER_SECOND), 3600000000);
	config.unpaced = true;
	expect_refusal(&config, -ENOTSUP, "the source synthetic is unpaced, frames come as fast as they are taken");
	set_fixed_rate(&config.settings, 0);
	open_and_close(&config);
	config.unpaced = false;
	config.settings.width = 65535;
	open_and_close(&config);
	config.settings.width++;
	expect_refusal(&config, -ERANGE, "synthetic: width 65536 is not in 1..65535");
	config.settings = (struct source_settings){ .width = 8, .height = 65536 };
	expect_refusal(&config, -ERANGE, "synthetic: height 65536 is not in 1..65535");
}

/* 65536 bytes a row and 32768 rows are 2 GiB. */
static void test_pool_limit(void **state)
{
	struct source_config config = { .name = "synthetic",
					.settings = { .width = 65504, .height = 32768 },
					.buffer_count = 1 };

	(void)state;
	assert_int_equal((uint64_t)FEEDER_STRIDE(config.settings.width) * config.settings.height,
			 LIMIT_POOL_BYTES);
	open_and_close(&config);
	config.settings.height++;
	expect_refusal(
		&config, -EFBIG,
		"synthetic: 1 capture buffers for 65504x32769 pixels take 2147549184 bytes and at most 2147483648 "
		"are allowed; use a smaller image");
	config.settings.height = config.settings.width = 65535;
	config.buffer_count = 64;
	expect_refusal(&config, -EFBIG, "take 275142144000 bytes");
}

/* No descriptor is left behind, by sources that opened or that did not. */
static void test_nothing_is_left(void **state)
{
	unsigned before = count_descriptors();

	(void)state;
	open_and_close(&(struct source_config){ .name = "synthetic" });
	open_and_close(&(struct source_config){ .name = "replay", .path = "/dev/null" });
	expect_refusal(&(struct source_config){ .name = "synthetic", .settings.width = 70000 }, -ERANGE, "width 70000");
	expect_refusal(&(struct source_config){ .name = "replay" }, -EINVAL, "replay needs");
	expect_refusal(&(struct source_config){ .name = "replay", .path = "/" }, -EISDIR, "/: is a directory");
	expect_refusal(&(struct source_config){ .name = "replay", .path = "/proc/self/exe" }, -EINVAL,
		       "byte 0: found \"\\x7fELF");
	assert_int_equal(count_descriptors(), before);
}

static void test_destroy_nothing(void **state)
{
	(void)state;
	source_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),           cmocka_unit_test(test_limits),
		cmocka_unit_test(test_pool_limit),      cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_destroy_nothing),
	};

	return cmocka_run_group_tests_name("source_open", tests, NULL, NULL);
}
