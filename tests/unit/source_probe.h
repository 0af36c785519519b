/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source_probe.h - what the tests of sources share: waiting for events, and Y4M clips whose every byte is known.
 *
 * Waits have a limit only so that a hang is a failed test; no test passes or fails by time.
 */
#ifndef LUMARING_TESTS_SOURCE_PROBE_H
#define LUMARING_TESTS_SOURCE_PROBE_H

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "source/feeder.h"
#include "source/source.h"

#define HANG_MS 60000
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline void set_fixed_rate(struct source_settings *settings, uint64_t frame_duration_ns)
{
	settings->frame_duration_min_ns = settings->frame_duration_max_ns = frame_duration_ns;
}

static inline bool is_readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static inline void wait_readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	if (poll(&poll_fd, 1, HANG_MS) != 1)
		fail_msg("no event came");
}

/* Wait for an event, whatever it is. */
static inline struct source_event next_event(struct source *source)
{
	struct source_event event;

	while (source_fetch(source, &event))
		wait_readable(source_fd(source));
	return event;
}

static inline struct source_event expect_event(struct source *source, enum source_event_kind kind)
{
	struct source_event event = next_event(source);

	if (event.kind != kind)
		fail_msg("event %d came instead of %d: %s", (int)event.kind, (int)kind,
			 event.kind == SOURCE_FAILED ? event.text : "");
	return event;
}

static inline void expect_format_of(struct source *source, uint32_t width, uint32_t height, enum pixels pixels)
{
	struct source_event event = expect_event(source, SOURCE_FORMAT);

	assert_int_equal(event.format.width, width);
	assert_int_equal(event.format.height, height);
	assert_int_equal(event.format.pixels, pixels);
	assert_int_equal(event.format.sensor_clock, LUMARING_CLOCK_MONOTONIC);
	assert_true(event.format.stride > pixels_row_bytes(pixels, width));
	assert_int_equal(event.format.stride % 64, 0);
}

static inline void expect_format(struct source *source, uint32_t width, uint32_t height)
{
	expect_format_of(source, width, height, PIXELS_R8);
}

static inline void expect_failure(struct source *source, const char *sentence)
{
	struct source_event event = expect_event(source, SOURCE_FAILED);

	if (!strstr(event.text, sentence))
		fail_msg("\"%s\" came instead of \"%s\"", event.text, sentence);
}

/*
 * Nothing is there, and the descriptor says so. An event is in the queue before its bell rings, so one that was fetched
 * in between rings once more, for nothing: each event fetched so far may do so.
 */
static inline void expect_nothing(struct source *source)
{
	struct source_event event;
	unsigned rings = 0;

	do
		assert_int_equal(source_fetch(source, &event), -EAGAIN);
	while (is_readable(source_fd(source)) && rings++ < FEEDER_EVENTS);
	assert_true(rings <= FEEDER_EVENTS);
}

/* Wait until a stand-in source's thread waits for its consumer or for source_start(). */
static inline void wait_asleep(struct source *source)
{
	struct feeder *feeder = (struct feeder *)source;

	while (!__atomic_load_n(&feeder->sleeping, __ATOMIC_SEQ_CST) &&
	       __atomic_load_n(&feeder->parked, __ATOMIC_SEQ_CST) != feeder->run)
		usleep(100);
}

static inline struct source *open_source(const struct source_config *config)
{
	struct source *source = NULL;
	char text[320] = "";

	if (source_open(config, &source, text, sizeof(text)))
		fail_msg("%s", text);
	assert_non_null(source);
	return source;
}

/* What becomes of these settings; it must be possible. */
static inline struct source_settings checked(const struct source *source, const struct source_settings *wanted)
{
	struct source_settings settings = { 0 };
	struct source_fault fault;

	if (source_check(source, wanted, &settings, &fault))
		fail_msg("%s: %s", fault.field, fault.text);
	return settings;
}

static inline struct source_settings settings_of(const struct source *source, uint32_t width, uint32_t height)
{
	return checked(source, &(struct source_settings){ .width = width, .height = height });
}

/* Stop a stand-in source: its thread stands still when that returns. */
static inline void stop_source(struct source *source)
{
	const struct feeder *feeder = (const struct feeder *)source;
	char text[320] = "";

	if (source->operations->stop(source, text, sizeof(text)))
		fail_msg("%s", text);
	assert_int_equal(__atomic_load_n(&feeder->parked, __ATOMIC_ACQUIRE), feeder->run);
}

static inline void configure_source(struct source *source, const struct source_settings *settings)
{
	char text[320] = "";

	if (source->operations->configure(source, settings, text, sizeof(text)))
		fail_msg("%s", text);
}

static inline void set_rate(struct source *source, uint64_t min_ns, uint64_t max_ns)
{
	char text[320] = "";

	if (source_set_rate(source, min_ns, max_ns, text, sizeof(text)))
		fail_msg("%s", text);
}

static inline void expect_refusal(const struct source_config *config, int rc, const char *sentence)
{
	struct source *source = NULL;
	char text[320] = "";
	int rc_seen = source_open(config, &source, text, sizeof(text));

	if (rc_seen != rc || !strstr(text, sentence))
		fail_msg("%d \"%s\" came instead of %d \"%s\"", rc_seen, text, rc, sentence);
	assert_null(source);
}

static inline unsigned count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* --- clips -------------------------------------------------------------------------------------------------- */

struct bytes {
	uint8_t *data;
	size_t count;
};

static inline void bytes_add(struct bytes *bytes, const void *data, size_t count)
{
	bytes->data = realloc(bytes->data, bytes->count + count + 1);
	assert_non_null(bytes->data);
	memcpy(bytes->data + bytes->count, data, count);
	bytes->count += count;
}

static inline void bytes_text(struct bytes *bytes, const char *text)
{
	bytes_add(bytes, text, strlen(text));
}

/* A byte of a frame that no other frame, plane or place is likely to have; now and then a newline or an F. */
static inline uint8_t clip_byte(unsigned clip, unsigned frame, unsigned plane, size_t at)
{
	uint64_t mixed = (clip * 1000003u + frame * 8191u + plane * 131u + at) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)(mixed >> 56);
}

static inline void clip_plane(struct bytes *bytes, unsigned clip, unsigned frame, unsigned plane, size_t count)
{
	uint8_t *data = malloc(count ? count : 1);

	assert_non_null(data);
	for (size_t i = 0; i < count; i++)
		data[i] = clip_byte(clip, frame, plane, i);
	bytes_add(bytes, data, count);
	free(data);
}

/* 2 for "420p10", "mono16" ... */
static inline size_t clip_sample_bytes(const char *colour)
{
	size_t length = strlen(colour);

	return length >= 2 && strstr("10 12 16", colour + length - 2) ? 2 : 1;
}

/* One frame, its first line included. `colour` is the text of the header's field C, or "" for none. */
static inline void clip_frame(struct bytes *bytes, unsigned clip, unsigned frame, uint32_t width, uint32_t height,
			      const char *colour)
{
	uint32_t half_width = (width + 1) / 2, half_height = (height + 1) / 2;
	size_t chroma = (size_t)half_width * half_height, sample = clip_sample_bytes(colour);

	if (strncmp(colour, "422", 3) == 0)
		chroma = (size_t)half_width * height;
	else if (strncmp(colour, "444", 3) == 0)
		chroma = (size_t)width * height;
	else if (strncmp(colour, "mono", 4) == 0)
		chroma = 0;
	bytes_text(bytes, frame % 2 ? "FRAME\n" : "FRAME Ip Xnumber=even\n");
	clip_plane(bytes, clip, frame, 0, sample * width * height);
	clip_plane(bytes, clip, frame, 1, sample * chroma);
	clip_plane(bytes, clip, frame, 2, sample * chroma);
}

static inline void clip_header(struct bytes *bytes, uint32_t width, uint32_t height, const char *more)
{
	char line[256];

	snprintf(line, sizeof(line), "YUV4MPEG2 W%u H%u%s\n", width, height, more);
	bytes_text(bytes, line);
}

/* Header and `frames` frames, numbered from 1. */
static inline void clip(struct bytes *bytes, unsigned number, unsigned frames, uint32_t width, uint32_t height,
			const char *colour)
{
	char more[64] = "";

	if (colour[0])
		snprintf(more, sizeof(more), " C%s", colour);
	clip_header(bytes, width, height, more);
	for (unsigned frame = 1; frame <= frames; frame++)
		clip_frame(bytes, number, frame, width, height, colour);
}

/* All pixels of the frame are the clip's, all bytes between the rows padding. */
static inline void check_pixels(const struct source_frame *frame, uint32_t width, uint32_t height, unsigned clip_number,
				unsigned clip_frame_number)
{
	uint32_t stride = FEEDER_STRIDE(width);

	for (size_t i = 0; i < (size_t)stride * height; i++) {
		size_t row = i / stride, column = i % stride;
		uint8_t expected = FEEDER_PADDING;

		if (column < width)
			expected = clip_byte(clip_number, clip_frame_number, 0, row * width + column);
		if (frame->image[i] != expected)
			fail_msg("clip %u frame %u: row %zu column %zu is %02x, not %02x", clip_number,
				 clip_frame_number, row, column, frame->image[i], expected);
	}
}

static inline void expect_clip_frame(struct source *source, uint32_t width, uint32_t height, unsigned number,
				     unsigned frame)
{
	struct source_event event = expect_event(source, SOURCE_FRAME);

	check_pixels(&event.frame, width, height, number, frame);
	assert_int_equal(event.frame.sensor_clock, LUMARING_CLOCK_MONOTONIC);
	assert_true(event.frame.ready_ns >= event.frame.sensor_ns);
	assert_true(event.frame.sensor_ns > 0);
	source_release(source, event.frame.buffer);
}

#endif
