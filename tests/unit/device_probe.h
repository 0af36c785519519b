/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_probe.h - what the tests of the source "libcamera" share: opening it before a fake camera, and waiting.
 *
 * Waits have no limit of their own: a hang is a failed test, by the runner's.
 */
#ifndef LUMARING_TESTS_DEVICE_PROBE_H
#define LUMARING_TESTS_DEVICE_PROBE_H

#include "source_probe.h"

#include "fake_libcamera.h"
#include "source/device_private.h"

#define MS NS_PER_MS
#define NEVER_NS (3600 * NS_PER_SECOND)
#define CAMERA_ID "/base/usb@1:1.0-1209:0001"
#define FRAME_BUFFERS 4u

/* Looked for often; never thought to stand still, unless a test says so. */
static inline void set_times(uint64_t retry_ns, uint64_t stuck_ns)
{
	device_times = (struct device_times){
		.retry_ns = retry_ns, .stuck_ns = stuck_ns, .first_frame_ns = stuck_ns, .hang_ns = NEVER_NS,
		.answer_ns = NEVER_NS,
	};
}

static inline int set_up_fake(void **state)
{
	(void)state;
	fake_reset();
	set_times(20 * MS, NEVER_NS);
	return 0;
}

/* One memory, without trials: the driver's own. */
static inline struct source_config device_config(void)
{
	return (struct source_config){ .name = "libcamera",
				       .settings = { .width = 640, .height = 480 },
				       .buffer_count = FRAME_BUFFERS,
				       .memory = SOURCE_MEMORY_UNCACHED };
}

static inline struct source *open_device(const struct source_config *config)
{
	struct source *source = NULL;
	char text[320] = "";

	/* A trial of memory, if there is one, is not what these tests are about. */
	fake_set_pace(FAKE_INSTANT);
	if (device_operations.open(config, &source, text, sizeof(text)))
		fail_msg("%s", text);
	fake_set_pace(FAKE_MANUAL);
	assert_non_null(source);
	return source;
}

static inline void plug(bool told)
{
	struct libcamera_description description = fake_description(CAMERA_ID);

	fake_plug(&description, told);
}

static inline struct source *open_plugged(void)
{
	struct source_config config = device_config();

	plug(true);
	return open_device(&config);
}

static inline void start_device(struct source *source)
{
	assert_int_equal(source_start(source), 0);
}

static inline int stop_rc(struct source *source)
{
	char text[320] = "";

	return device_operations.stop(source, text, sizeof(text));
}

static inline void configure_with(struct source *source, const struct source_settings *settings)
{
	char text[320] = "";

	if (device_operations.configure(source, settings, text, sizeof(text)))
		fail_msg("%s", text);
}

static inline int configure_rc(struct source *source, uint32_t width, uint32_t height, char *text, size_t text_bytes)
{
	struct source_settings settings = settings_of(source, width, height);

	return device_operations.configure(source, &settings, text, text_bytes);
}

static inline void configure_device(struct source *source, uint32_t width, uint32_t height)
{
	char text[320] = "";

	if (configure_rc(source, width, height, text, sizeof(text)))
		fail_msg("%s", text);
}

static inline struct source_event expect_size(struct source *source, uint32_t width, uint32_t height)
{
	struct source_event event = expect_event(source, SOURCE_FORMAT);

	assert_int_equal(event.format.width, width);
	assert_int_equal(event.format.height, height);
	assert_true(event.format.stride > width);
	return event;
}

/* The next event is this frame, and its pixels are there; it stays with the caller. */
static inline struct source_frame expect_frame(struct source *source, uint32_t number)
{
	struct source_event event = expect_event(source, SOURCE_FRAME);
	uint64_t seen;

	assert_int_equal(event.frame.camera_sequence, number);
	assert_int_equal(source_begin_read(source, event.frame.buffer), 0);
	memcpy(&seen, event.frame.image, sizeof(seen));
	assert_int_equal(seen, number);
	return event.frame;
}

static inline void take_frame(struct source *source, uint32_t number)
{
	struct source_frame frame = expect_frame(source, number);

	source_release(source, frame.buffer);
}

/* It has been fetched all, whether or not a bell still rings. */
static inline void expect_empty(struct source *source)
{
	struct source_event event;

	assert_int_equal(source_fetch(source, &event), -EAGAIN);
}

static inline struct source_report report_of(struct source *source)
{
	struct source_report report;

	source_get_report(source, &report);
	return report;
}

static inline void await_state(struct source *source, const char *state)
{
	while (strcmp(report_of(source).state, state) != 0)
		usleep(200);
}

static inline void await_reason(struct source *source, const char *part)
{
	while (!strstr(report_of(source).state_reason, part))
		usleep(200);
}

/* All that it had is given back. */
static inline void destroy_device(struct source *source)
{
	source_destroy(source);
	assert_int_equal(fake_live(), 0);
}

#endif
