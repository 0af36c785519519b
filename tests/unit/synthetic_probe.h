/* SPDX-License-Identifier: BSD-2-Clause */
/* synthetic_probe.h - what the tests share that change the synthetic source while it runs. */
#ifndef LUMARING_TESTS_SYNTHETIC_PROBE_H
#define LUMARING_TESTS_SYNTHETIC_PROBE_H

#include "source/synthetic.h"
#include "source_probe.h"

#define MS UINT64_C(1000000)
#define HOUR_NS (3600 * NS_PER_SECOND)

static inline struct source *start_synthetic(uint32_t width, uint32_t height, uint64_t period_ns, unsigned buffers)
{
	struct source_config config = { .name = "synthetic",
					.settings = { .width = width, .height = height },
					.unpaced = !period_ns,
					.buffer_count = buffers };
	struct source *source;

	set_fixed_rate(&config.settings, period_ns);
	source = open_source(&config);
	assert_int_equal(source_start(source), 0);
	return source;
}

/* Another size; the rate stays at `period_ns`. */
static inline void configure_size(struct source *source, uint32_t width, uint32_t height, uint64_t period_ns)
{
	struct source_settings wanted = { .width = width, .height = height }, settings;

	set_fixed_rate(&wanted, period_ns);
	settings = checked(source, &wanted);
	configure_source(source, &settings);
}

static inline bool shows(const struct source_frame *frame, const struct source_format *format)
{
	uint8_t row[2048];
	size_t row_bytes = pixels_row_bytes(format->pixels, format->width);

	for (uint32_t y = 0; y < format->height; y++) {
		const uint8_t *at = frame->image + (size_t)y * format->stride;

		synthetic_row_of(row, format->pixels, frame->camera_sequence, y, format->width);
		if (memcmp(at, row, row_bytes))
			return false;
		for (size_t x = row_bytes; x < format->stride; x++)
			if (at[x] != FEEDER_PADDING)
				return false;
	}
	return true;
}

static inline struct source_event expect_frame(struct source *source, uint64_t sequence,
					       const struct source_format *format)
{
	struct source_event event = expect_event(source, SOURCE_FRAME);

	assert_int_equal(event.frame.camera_sequence, sequence);
	assert_int_equal(event.frame.lost[LUMARING_LOST_SENSOR], 0);
	assert_true(shows(&event.frame, format));
	return event;
}

#endif
