/* SPDX-License-Identifier: BSD-2-Clause */
/* test_source_check.c - what a source says of itself, and of settings before they are tried: taken, adjusted, refused.
 */
#include <sys/stat.h>

#include "source_probe.h"
#include "source/synthetic.h"

#define MS UINT64_C(1000000)

static struct source *open_synthetic(void)
{
	return open_source(&(struct source_config){ .name = "synthetic" });
}

static struct source_settings format(const char *name, uint32_t width, uint32_t height)
{
	struct source_settings settings = { .width = width, .height = height };

	assert_true(pixels_find_layout(name, &settings.layout));
	return settings;
}

static struct source_settings rate(uint64_t min_ns, uint64_t max_ns)
{
	return (struct source_settings){ .frame_duration_min_ns = min_ns, .frame_duration_max_ns = max_ns };
}

/* Refused with this errno, field and sentence; the settings are untouched. */
static struct source_fault expect_fault(const struct source *source, struct source_settings wanted, int rc,
					const char *field, const char *sentence)
{
	struct source_settings settings;
	struct source_fault fault = { 0 };
	int seen;

	memset(&settings, 0x5a, sizeof(settings));
	seen = source_check(source, &wanted, &settings, &fault);
	if (seen != rc || strcmp(fault.field, field) || !strstr(fault.text, sentence))
		fail_msg("%d %s \"%s\" came instead of %d %s \"%s\"", seen, fault.field, fault.text, rc, field,
			 sentence);
	for (size_t i = 0; i < sizeof(settings); i++)
		assert_int_equal(((uint8_t *)&settings)[i], 0x5a);
	return fault;
}

static void test_own_settings(void **state)
{
	struct source *source = open_synthetic();
	struct source_settings settings = checked(source, &(struct source_settings){ 0 });

	(void)state;
	assert_int_equal(settings.width, 640);
	assert_int_equal(settings.height, 480);
	assert_string_equal(settings.layout.name, "R8");
	assert_int_equal(settings.frame_duration_min_ns, SYNTHETIC_PERIOD_NS);
	assert_int_equal(settings.frame_duration_max_ns, SYNTHETIC_PERIOD_NS);
	source_destroy(source);
}

static void expect_width(const struct source *source, const char *name, uint32_t asked, uint32_t got)
{
	struct source_settings wanted = format(name, asked, 3), settings = checked(source, &wanted);

	assert_int_equal(settings.width, got);
	assert_int_equal(settings.height, 3);
	assert_string_equal(settings.layout.name, name);
	settings = checked(source, &settings); /* what was adjusted is taken as it is */
	assert_int_equal(settings.width, got);
}

static void test_adjusted_width(void **state)
{
	struct source *source = open_synthetic();

	(void)state;
	expect_width(source, "R8", 1, 1);
	expect_width(source, "R8", 65535, 65535);
	expect_width(source, "R10", 333, 333);
	expect_width(source, "YUYV", 1, 2);
	expect_width(source, "YUYV", 640, 640);
	expect_width(source, "UYVY", 641, 642);
	expect_width(source, "UYVY", 65534, 65534);
	expect_width(source, "UYVY", 65535, 65534);
	expect_width(source, "R10_CSI2P", 1, 4);
	expect_width(source, "R10_CSI2P", 641, 644);
	expect_width(source, "R10_CSI2P", 65532, 65532);
	expect_width(source, "R10_CSI2P", 65533, 65532);
	source_destroy(source);
}

static void expect_rate(const struct source *source, uint64_t min_ns, uint64_t max_ns, uint64_t got_min_ns,
			uint64_t got_max_ns)
{
	struct source_settings wanted = rate(min_ns, max_ns), settings = checked(source, &wanted);

	assert_int_equal(settings.frame_duration_min_ns, got_min_ns);
	assert_int_equal(settings.frame_duration_max_ns, got_max_ns);
}

static void test_adjusted_rate(void **state)
{
	struct source *source = open_synthetic();

	(void)state;
	expect_rate(source, 100000, 3600 * NS_PER_SECOND, 100000, 3600 * NS_PER_SECOND);
	expect_rate(source, 99999, 3600 * NS_PER_SECOND + 1, 100000, 3600 * NS_PER_SECOND);
	expect_rate(source, 1, 1, 100000, 100000);
	expect_rate(source, UINT64_MAX, UINT64_MAX, 3600 * NS_PER_SECOND, 3600 * NS_PER_SECOND);
	expect_rate(source, 20 * MS, 50 * MS, 20 * MS, 50 * MS);
	expect_rate(source, 50 * MS, 0, 50 * MS, 50 * MS);
	expect_rate(source, 20 * MS, 0, 20 * MS, SYNTHETIC_PERIOD_NS);
	expect_rate(source, 0, 20 * MS, 20 * MS, 20 * MS);
	expect_rate(source, 0, 50 * MS, SYNTHETIC_PERIOD_NS, 50 * MS);
	expect_fault(source, rate(20 * MS + 1000, 20 * MS), -EINVAL, "frame_duration_us.minimum",
		     "the shortest time from frame to frame, 20001 us, is more than the longest, 20000 us");
	source_destroy(source);
}

static void test_refused_sizes(void **state)
{
	struct source *source = open_synthetic();
	struct source_fault fault;

	(void)state;
	fault = expect_fault(source, (struct source_settings){ .width = 65536, .height = 8 }, -ERANGE, "size.width",
			     "synthetic: width 65536 is not in 1..65535");
	assert_int_equal(fault.minimum, 1);
	assert_int_equal(fault.maximum, 65535);
	assert_int_equal(fault.given, 65536);
	fault = expect_fault(source, (struct source_settings){ .width = 8, .height = UINT32_MAX }, -ERANGE,
			     "size.height", "height 4294967295 is not in 1..65535");
	assert_int_equal(fault.given, UINT32_MAX);
	expect_fault(source, (struct source_settings){ .width = 65535, .height = 65535 }, -EFBIG, "size",
		     "6 capture buffers for 65535x65535 pixels take");
	expect_fault(source, format("RGB24", 8, 8), -ENOTSUP, "pixel_format", "RGB24 was asked for; R8, R10");
	expect_fault(source, format("NV12", 8, 8), -ENOTSUP, "pixel_format", "NV12 was asked for");
	source_destroy(source);
}

static void test_capabilities(void **state)
{
	static const char *const formats[][2] = { { "R8", "R10" }, { "YUYV", "UYVY" }, { "R10_CSI2P" } };
	struct source *source = open_synthetic();
	struct source_capabilities capabilities;

	(void)state;
	source_get_capabilities(source, &capabilities);
	assert_string_equal(capabilities.id, "synthetic");
	assert_string_equal(capabilities.model, "");
	assert_true(capabilities.resizes);
	assert_true(capabilities.paces);
	assert_int_equal(capabilities.mode_count, 3);
	for (unsigned i = 0; i < capabilities.mode_count; i++) {
		const struct source_mode *mode = &capabilities.modes[i];

		assert_int_equal(mode->width_step, 1u << i);
		assert_int_equal(mode->width_min, 1u << i);
		assert_int_equal(mode->width_max, 65536u - (1u << i));
		assert_int_equal(mode->height_step, 1);
		assert_int_equal(mode->format_count, i < 2 ? 2 : 1);
		assert_int_equal(mode->frame_duration_min_ns, FEEDER_PERIOD_MIN_NS);
		assert_int_equal(mode->frame_duration_max_ns, FEEDER_PERIOD_MAX_NS);
		for (unsigned f = 0; f < mode->format_count; f++) {
			assert_string_equal(mode->formats[f], formats[i][f]);
			expect_width(source, mode->formats[f], mode->width_min, mode->width_min);
			expect_width(source, mode->formats[f], mode->width_max, mode->width_max);
		}
	}
	source_destroy(source);
}

static void test_unpaced(void **state)
{
	struct source *source = open_source(&(struct source_config){ .name = "synthetic", .unpaced = true });
	struct source_capabilities capabilities;

	(void)state;
	expect_rate(source, 0, 0, 0, 0);
	expect_fault(source, rate(20 * MS, 20 * MS), -ENOTSUP, "frame_duration_us", "the source synthetic is unpaced");
	source_get_capabilities(source, &capabilities);
	assert_false(capabilities.paces);
	assert_int_equal(capabilities.modes[0].frame_duration_min_ns, 0);
	source_destroy(source);
}

/* --- footage ------------------------------------------------------------------------------------------------ */

static void expect_footage(struct source *source, const char *layout, uint64_t period_ns)
{
	struct source_settings settings = checked(source, &(struct source_settings){ 0 }), wanted;
	struct source_capabilities capabilities;
	char text[320];

	assert_int_equal(settings.width, 6);
	assert_int_equal(settings.height, 4);
	assert_string_equal(settings.layout.name, layout);
	assert_int_equal(settings.frame_duration_min_ns, period_ns);
	assert_int_equal(settings.frame_duration_max_ns, period_ns);
	wanted = format(layout, 6, 4);
	settings = checked(source, &wanted);
	assert_int_equal(settings.width, 6);
	expect_rate(source, 20 * MS, 50 * MS, 20 * MS, 50 * MS);
	expect_fault(source, format(layout, 7, 4), -ENOTSUP, "size", "the footage has 6x4 pixels");
	expect_fault(source, format(layout, 6, 5), -ENOTSUP, "size", "the footage has 6x4 pixels");
	expect_fault(source, format("UYVY", 6, 4), -ENOTSUP, "pixel_format", "does not convert it");
	source_get_capabilities(source, &capabilities);
	assert_false(capabilities.resizes);
	assert_true(capabilities.paces);
	assert_int_equal(capabilities.controls, 0);
	assert_int_equal(capabilities.mode_count, 1);
	assert_int_equal(capabilities.modes[0].width_min, 6);
	assert_int_equal(capabilities.modes[0].height_max, 4);
	assert_string_equal(capabilities.modes[0].formats[0], layout);
	{
		enum source_step step;
		bool restored = false;

		assert_int_equal(source_reconfigure(source, &settings, &wanted, &step, &restored, text, sizeof(text)),
				 -ENOTSUP);
		assert_true(restored);
		assert_non_null(strstr(text, "cannot change"));
	}
}

static char path[64];

static void name_file(void)
{
	snprintf(path, sizeof(path), "/tmp/lumaring-check-%d", (int)getpid());
	unlink(path);
}

static void save(const char *header)
{
	FILE *file;

	name_file();
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fprintf(file, "%sFRAME\n%036d", header, 0), strlen(header) + 42);
	assert_int_equal(fclose(file), 0);
}

static void test_replay(void **state)
{
	struct source_config config = { .name = "replay", .path = path };
	struct source_capabilities capabilities;
	struct source *source;

	(void)state;
	save("YUV4MPEG2 W6 H4 F25:1\n");
	source = open_source(&config);
	expect_footage(source, "R8", 40 * MS);
	source_get_capabilities(source, &capabilities);
	assert_string_equal(capabilities.id + strlen("replay:"), path);
	source_destroy(source);
	unlink(path);
}

static void test_raw(void **state)
{
	struct source_config config = { .name = "raw", .path = "/dev/zero", .settings = format("NV12", 6, 4) };
	struct source *source = open_source(&config);

	(void)state;
	expect_footage(source, "NV12", 0);
	source_destroy(source);
}

/* Nobody has written yet: all that can be said is of the rate. */
static void test_silent_pipe(void **state)
{
	struct source_settings settings;
	struct source_capabilities capabilities;
	struct source *source;

	(void)state;
	name_file();
	assert_int_equal(mkfifo(path, 0600), 0);
	source = open_source(&(struct source_config){ .name = "replay", .path = path });
	settings = checked(source, &(struct source_settings){ 0 });
	assert_int_equal(settings.width, 0);
	assert_null(settings.layout.name);
	expect_rate(source, 0, 0, 0, 0);
	expect_rate(source, 20 * MS, 20 * MS, 20 * MS, 20 * MS);
	expect_fault(source, (struct source_settings){ .width = 6 }, -ENOTSUP, "size", "nothing has come yet");
	source_get_capabilities(source, &capabilities);
	assert_int_equal(capabilities.mode_count, 0);
	assert_true(capabilities.paces);
	source_destroy(source);
	source = open_source(
		&(struct source_config){ .name = "replay", .path = path, .settings = { .width = 6, .height = 4 } });
	settings = settings_of(source, 6, 4); /* what must come, and nothing else */
	assert_int_equal(settings.width, 6);
	assert_int_equal(settings.height, 4);
	settings = checked(source, &(struct source_settings){ 0 });
	assert_int_equal(settings.width, 6);
	expect_fault(source, (struct source_settings){ .width = 8 }, -ENOTSUP, "size", "nothing has come yet");
	expect_fault(source, format("R8", 6, 4), -ENOTSUP, "pixel_format", "nothing has come yet");
	source_destroy(source);
	source = open_source(&(struct source_config){ .name = "replay", .path = path, .settings = format("R8", 0, 0) });
	assert_string_equal(checked(source, &(struct source_settings){ 0 }).layout.name, "R8");
	checked(source, &(struct source_settings){ .layout = format("R8", 0, 0).layout });
	expect_fault(source, format("R16", 0, 0), -ENOTSUP, "pixel_format", "nothing has come yet");
	source_destroy(source);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_settings),  cmocka_unit_test(test_adjusted_width),
		cmocka_unit_test(test_adjusted_rate), cmocka_unit_test(test_refused_sizes),
		cmocka_unit_test(test_capabilities),  cmocka_unit_test(test_unpaced),
		cmocka_unit_test(test_replay),        cmocka_unit_test(test_raw),
		cmocka_unit_test(test_silent_pipe),
	};

	return cmocka_run_group_tests_name("source_check", tests, NULL, NULL);
}
