/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_stream.c - daemon/stream: regions and how they are clamped, when a ring will do and when it takes a new one, and
 * how many cursors can be granted.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stream.h"

static char camera[LUMARING_NAME_MAX];

/* --- regions --- */

static void check_clamp(struct region wanted, uint32_t width, uint32_t height, uint32_t width_max, uint32_t height_max,
			struct region expected)
{
	const struct region_limits limits = { width_max, height_max, 1 };
	struct region r = region_clamp(wanted, width, height, &limits);

	if (memcmp(&r, &expected, sizeof(r)))
		fail_msg("%u,%u,%u,%u in %ux%u up to %ux%u: %u,%u,%u,%u", wanted.x, wanted.y, wanted.width,
			 wanted.height, width, height, width_max, height_max, r.x, r.y, r.width, r.height);
}

static void test_clamp(void **state)
{
	(void)state;
	/* What lies inside stays as it is. */
	check_clamp((struct region){ 10, 20, 30, 40 }, 640, 480, 640, 480, (struct region){ 10, 20, 30, 40 });
	check_clamp((struct region){ 639, 479, 1, 1 }, 640, 480, 640, 480, (struct region){ 639, 479, 1, 1 });
	check_clamp((struct region){ 0, 0, 640, 480 }, 640, 480, 640, 480, (struct region){ 0, 0, 640, 480 });
	/* 0 reaches up to the edge. */
	check_clamp((struct region){ 0, 0, 0, 0 }, 640, 480, 640, 480, (struct region){ 0, 0, 640, 480 });
	check_clamp((struct region){ 600, 470, 0, 0 }, 640, 480, 640, 480, (struct region){ 600, 470, 40, 10 });
	check_clamp((struct region){ 600, 470, 0, 5 }, 640, 480, 640, 480, (struct region){ 600, 470, 40, 5 });
	/* Too large: limited; then moved back inside. */
	check_clamp((struct region){ 10, 10, 640, 480 }, 640, 480, 64, 48, (struct region){ 10, 10, 64, 48 });
	check_clamp((struct region){ 600, 450, 64, 48 }, 640, 480, 64, 48, (struct region){ 576, 432, 64, 48 });
	check_clamp((struct region){ 10, 10, 640, 480 }, 640, 480, 640, 480, (struct region){ 0, 0, 640, 480 });
	/* Outside. */
	check_clamp((struct region){ 640, 480, 0, 0 }, 640, 480, 64, 48, (struct region){ 639, 479, 1, 1 });
	check_clamp((struct region){ 65535, 65535, 65535, 65535 }, 640, 480, 64, 48,
		    (struct region){ 576, 432, 64, 48 });
	check_clamp((struct region){ UINT32_MAX, 0, UINT32_MAX, 1 }, 640, 480, 64, 48,
		    (struct region){ 576, 0, 64, 1 });
	/* The smallest image there is. */
	check_clamp((struct region){ 7, 7, 7, 7 }, 1, 1, 64, 48, (struct region){ 0, 0, 1, 1 });
}

/* Binned, a region is whole pairs of rows and columns: the odd one at the edge is left out. */
static void test_clamp_bin(void **state)
{
	static const struct {
		struct region wanted;
		uint32_t width_max, height_max;
		struct region expected;
	} cases[] = {
		{ { 0, 0, 0, 0 }, 640, 480, { 0, 0, 640, 480 } },
		{ { 1, 1, 0, 0 }, 640, 480, { 1, 1, 638, 478 } }, /* it may begin anywhere */
		{ { 10, 20, 31, 41 }, 640, 480, { 10, 20, 30, 40 } },
		{ { 10, 20, 31, 41 }, 21, 11, { 10, 20, 20, 10 } },
		{ { 10, 20, 1, 1 }, 640, 480, { 10, 20, 2, 2 } },
		{ { 639, 479, 0, 0 }, 640, 480, { 638, 478, 2, 2 } },
		{ { 638, 478, 3, 3 }, 640, 480, { 638, 478, 2, 2 } },
		{ { 65535, 65535, 65535, 65535 }, 2, 2, { 638, 478, 2, 2 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct region_limits limits = { cases[i].width_max, cases[i].height_max, 2 };
		struct region r = region_clamp(cases[i].wanted, 640, 480, &limits);

		if (memcmp(&r, &cases[i].expected, sizeof(r)))
			fail_msg("case %zu: %u,%u,%u,%u", i, r.x, r.y, r.width, r.height);
	}
}

/* Whatever is asked for: never empty, inside the image, not above the capacity. */
static void test_clamp_any(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		struct region_limits limits = { .bin = 1 + i % 2 };
		uint32_t v[8], fits;
		struct region r;

		for (unsigned k = 0; k < 8; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			v[k] = (uint32_t)(seed >> 32) >> (seed >> 20 & 31);
			if (k >= 4)
				v[k] = v[k] % LUMARING_EXTENT_MAX + 1;
			if (k >= 6 && v[k] < limits.bin)
				v[k] = limits.bin;
		}
		limits.width_max = v[6];
		limits.height_max = v[7];
		r = region_clamp((struct region){ v[0], v[1], v[2], v[3] }, v[4], v[5], &limits);
		assert_true(r.width >= 1 && r.height >= 1 && r.width <= v[6] && r.height <= v[7]);
		assert_true((uint64_t)r.x + r.width <= v[4] && (uint64_t)r.y + r.height <= v[5]);
		assert_true(r.width % limits.bin == 0 || v[4] < limits.bin);
		assert_true(r.height % limits.bin == 0 || v[5] < limits.bin);
		/* As much of what was asked for as there can be, and as near to it. */
		fits = v[2] - v[2] % limits.bin;
		if (fits && v[2] <= v[4] && v[2] <= v[6])
			assert_int_equal(r.width, fits);
		if (v[0] < v[4] && r.x != v[0])
			assert_int_equal(r.x + r.width, v[4]);
		assert_true(region_is_inside(&r, v[4], v[5]));
	}
}

static void test_word(void **state)
{
	struct region r = region_from_word(lumaring_region_word(1, 2, 3, 4));

	(void)state;
	assert_memory_equal(&r, (&(struct region){ 1, 2, 3, 4 }), sizeof(r));
	r = region_from_word(UINT64_MAX);
	assert_memory_equal(&r, (&(struct region){ 65535, 65535, 65535, 65535 }), sizeof(r));
	r = region_from_word(0);
	assert_memory_equal(&r, (&(struct region){ 0, 0, 0, 0 }), sizeof(r));
}

static void test_inside(void **state)
{
	static const struct {
		struct region region;
		bool inside;
	} cases[] = {
		{ { 0, 0, 64, 48 }, true },         { { 63, 47, 1, 1 }, true },
		{ { 63, 47, 0, 0 }, true },         { { 0, 0, 65, 48 }, false },
		{ { 0, 0, 64, 49 }, false },        { { 1, 0, 64, 48 }, false },
		{ { 64, 0, 0, 0 }, false },         { { 0, 48, 0, 0 }, false },
		{ { UINT32_MAX, 0, 2, 1 }, false }, { { 1, 0, UINT32_MAX, 1 }, false },
		{ { 0, 1, 1, UINT32_MAX }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(region_is_inside(&cases[i].region, 64, 48), cases[i].inside);
}

/* --- rings --- */

static struct source_format format_of(uint32_t width, uint32_t height)
{
	return (struct source_format){
		.width = width,
		.height = height,
		.pixels = PIXELS_R8,
		.stride = width + 64,
		.luma_range = LUMARING_RANGE_LIMITED,
		.sensor_clock = LUMARING_CLOCK_MONOTONIC,
	};
}

static struct stream *make(struct stream_config config)
{
	struct stream *stream;

	if (!config.name[0])
		strcpy(config.name, "main");
	stream = stream_create(&config, camera, (gid_t)-1, 0);
	assert_non_null(stream);
	assert_null(stream->ring);
	return stream;
}

/* Fit a format, see what came of it, and let go of the ring that was replaced. */
static void fit(struct stream *stream, uint32_t width, uint32_t height, int expected, uint32_t width_max,
		uint32_t height_max)
{
	struct source_format format = format_of(width, height);
	uint64_t needed = stream_bytes_needed(stream, &stream->config, width, height);
	struct ring *before = stream->ring;
	char text[512] = "";
	int r = stream_fit(stream, &format, text, sizeof(text));

	if (r != expected)
		fail_msg("%ux%u: %d, %s", width, height, r, text);
	assert_ptr_equal(stream->retired, r > 0 ? before : NULL);
	assert_int_equal(r > 0, stream->ring != before);
	assert_int_equal(ring_width_max(stream->ring), width_max);
	assert_int_equal(ring_height_max(stream->ring), height_max);
	if (r > 0)
		assert_int_equal(ring_bytes(stream->ring), needed);
	ring_destroy(stream->retired);
	stream->retired = NULL;
}

/* The capacity is the first size; a larger one takes a new ring, a smaller one does not. */
static void test_fit(void **state)
{
	struct stream *stream = make((struct stream_config){ .slot_count = 4 });

	(void)state;
	fit(stream, 64, 48, 1, 64, 48);
	fit(stream, 64, 48, 0, 64, 48);
	fit(stream, 32, 24, 0, 64, 48);
	fit(stream, 65, 48, 1, 65, 48);
	fit(stream, 48, 65, 1, 48, 65); /* wider than needed is not tall enough */
	fit(stream, 48, 65, 0, 48, 65);
	stream_destroy(stream);
	stream_destroy(NULL);
}

static void test_fit_capacity(void **state)
{
	struct stream *stream = make((struct stream_config){ .slot_count = 4, .width_max = 100, .height_max = 80 });

	(void)state;
	fit(stream, 64, 48, 1, 100, 80);
	fit(stream, 100, 80, 0, 100, 80);
	fit(stream, 101, 80, 1, 101, 80); /* outgrown */
	fit(stream, 100, 80, 0, 101, 80);
	stream_destroy(stream);
}

static void test_fit_region(void **state)
{
	struct stream *stream = make((struct stream_config){ .region = { 8, 8, 16, 12 } });

	(void)state;
	fit(stream, 64, 48, 1, 16, 12);
	fit(stream, 640, 480, 0, 16, 12); /* the region is what counts */
	assert_int_equal(stream->config.slot_count, 8);
	stream_destroy(stream);
	stream = make((struct stream_config){ .region = { 8, 8, 0, 0 } });
	fit(stream, 64, 48, 1, 56, 40);
	fit(stream, 640, 480, 1, 632, 472);
	stream_destroy(stream);
}

/* A ring has room for pictures: half as wide and tall as the region where it is binned, two bytes a pixel as R16. */
static void test_fit_format(void **state)
{
	struct stream *stream = make((struct stream_config){ .bin = 2, .width_max = 100, .height_max = 81 });
	struct region_limits limits;

	(void)state;
	assert_int_equal(stream->config.fourcc, LUMARING_FORMAT_R8);
	assert_int_equal(stream_bytes_per_pixel(stream), 1);
	fit(stream, 65, 49, 1, 50, 40);
	limits = stream_limits(stream);
	assert_memory_equal(&limits, (&(struct region_limits){ 100, 80, 2 }), sizeof(limits));
	fit(stream, 101, 80, 0, 50, 40); /* its odd column is left out */
	fit(stream, 102, 80, 1, 51, 40);
	stream_destroy(stream);
	stream = make((struct stream_config){ .fourcc = LUMARING_FORMAT_R16 });
	assert_int_equal(stream->config.bin, 1);
	fit(stream, 33, 10, 1, 33, 10);
	assert_int_equal(ring_bytes_per_pixel(stream->ring), 2);
	assert_true(ring_slot_bytes(stream->ring) >= 128 * 10);
	stream->config.fourcc = LUMARING_FORMAT_R8;
	fit(stream, 33, 10, 0, 33, 10); /* more room than it takes */
	stream_destroy(stream);
}

/* As many pixels do not fit any more when each takes twice the bytes. */
static void test_fit_wider_pixels(void **state)
{
	struct stream *stream = make((struct stream_config){ .slot_count = 4 });

	(void)state;
	fit(stream, 64, 48, 1, 64, 48);
	stream->config.fourcc = LUMARING_FORMAT_R16;
	fit(stream, 64, 48, 1, 64, 48);
	assert_int_equal(ring_bytes_per_pixel(stream->ring), 2);
	stream_destroy(stream);
}

static void check_region(struct stream_config config, bool is_private, uint32_t width, uint32_t height,
			 const char *expected)
{
	char text[512] = "";
	int r;

	strcpy(config.name, "main");
	r = stream_check_region(&config, is_private, width, height, text, sizeof(text));
	assert_string_equal(text, expected);
	assert_int_equal(r, expected[0] ? -EINVAL : 0);
}

static void test_region_refused(void **state)
{
	struct stream_config edge = { .region = { 63, 47, 1, 1 } }, binned = { .region = { 62, 46, 2, 2 }, .bin = 2 };
	const char *few =
		"stream main: bin 2 needs at least 2x2 pixels, region 63,46,0,2 of the image of 64x48 has fewer";

	(void)state;
	check_region(edge, false, 64, 48, "");
	check_region(edge, false, 63, 48, "stream main: region 63,47,1,1 does not lie inside the image of 63x48");
	check_region(binned, false, 64, 48, "");
	binned.region = (struct region){ 63, 46, 0, 2 };
	check_region(binned, false, 64, 48, few);
	check_region(binned, true, 64, 48, ""); /* clamped to 62,46,2,2 */
	binned.region = (struct region){ 62, 46, 0, 1 };
	check_region(binned, false, 64, 47,
		     "stream main: bin 2 needs at least 2x2 pixels, region 62,46,0,1 of the image of 64x47 has fewer");
	binned.region = (struct region){ 0 };
	check_region(binned, true, 2, 2, "");
	check_region(binned, true, 1, 2,
		     "stream main: bin 2 needs at least 2x2 pixels, region 0,0,0,0 of the image of 1x2 has fewer");
	check_region(binned, true, 2, 1,
		     "stream main: bin 2 needs at least 2x2 pixels, region 0,0,0,0 of the image of 2x1 has fewer");
}

/* A private ring keeps its capacity for life. */
static void test_fit_private(void **state)
{
	static char somebody;
	struct stream *stream = make((struct stream_config){ .width_max = 32, .height_max = 24 });

	(void)state;
	stream->owner = (struct client *)&somebody;
	fit(stream, 64, 48, 1, 32, 24); /* also below the region */
	fit(stream, 640, 480, 0, 32, 24);
	stream_destroy(stream);
	stream = make((struct stream_config){ .width_max = 1, .height_max = 3, .bin = 2 });
	stream->owner = (struct client *)&somebody;
	fit(stream, 64, 48, 1, 1, 1);
	stream_destroy(stream);
}

/*
 * The account goes over to the new ring when the capture thread carries it; what was published and lost so far never
 * seems less meanwhile.
 */
static void test_fit_account(void **state)
{
	struct stream *stream = make((struct stream_config){ .slot_count = 4 });
	struct source_format large;
	struct ring_account account;
	char text[512] = "";

	(void)state;
	fit(stream, 64, 48, 1, 64, 48);
	ring_begin(stream->ring, 41);
	for (uint64_t sequence = 41; sequence < 44; sequence++) {
		struct lumaring_descriptor d = { .width = 64, .height = 48, .stride = 64 };
		uint32_t slot;

		assert_int_equal(ring_take(stream->ring, sequence, NULL, 0, &slot), 0);
		ring_publish(stream->ring, slot, sequence, &d);
	}
	ring_count_lost(stream->ring, LUMARING_LOST_UNREAD, 7);
	large = format_of(640, 480);
	assert_int_equal(stream_fit(stream, &large, text, sizeof(text)), 1);
	assert_int_equal(ring_published(stream->ring), 0);
	assert_int_equal(stream_published(stream), 3);
	assert_int_equal(stream_lost(stream, LUMARING_LOST_UNREAD), 7);
	ring_carry(stream->ring, stream->retired);
	ring_destroy(stream->retired);
	stream->retired = NULL;
	assert_int_equal(stream_published(stream), 3);
	assert_int_equal(stream_lost(stream, LUMARING_LOST_UNREAD), 7);
	account = ring_account(stream->ring);
	assert_int_equal(account.sequence_first, 41);
	assert_int_equal(account.published, 3);
	assert_int_equal(account.lost[LUMARING_LOST_UNREAD], 7);
	assert_int_equal(ring_published(stream->ring), 3);
	ring_begin(stream->ring, 51);
	assert_int_equal(ring_account(stream->ring).sequence_first, 41);
	stream_destroy(stream);
}

/* What cannot be had leaves the ring in use. */
static void test_fit_refused(void **state)
{
	struct stream_config config = { .name = "main", .slot_count = 4 };
	struct source_format small = format_of(64, 48), large = format_of(640, 480);
	struct stream *stream;
	struct ring *ring;
	char text[512] = "";

	(void)state;
	stream = stream_create(&config, camera, (gid_t)-1, 50000);
	assert_int_equal(stream_fit(stream, &small, text, sizeof(text)), 1);
	ring = stream->ring;
	assert_int_equal(stream_fit(stream, &large, text, sizeof(text)), -EDQUOT);
	assert_non_null(strstr(text, "more than the allowed 50000"));
	assert_ptr_equal(stream->ring, ring);
	assert_null(stream->retired);
	assert_int_equal(stream_fit(stream, &small, text, sizeof(text)), 0);
	stream_destroy(stream);
}

/* --- cursors --- */

static void test_grant(void **state)
{
	struct stream *stream = make((struct stream_config){ .slot_count = 6 });

	(void)state;
	assert_int_equal(stream_grant(stream, 0), 0);
	assert_int_equal(stream_grant(stream, 2), 2);
	assert_int_equal(stream_grant(stream, 4), 4);
	assert_int_equal(stream_grant(stream, 5), 4);
	assert_int_equal(stream_grant(stream, LUMARING_CURSORS_MAX), 4);
	stream->cursors_granted = 3;
	assert_int_equal(stream_grant(stream, 2), 1);
	stream->cursors_granted = 4;
	assert_int_equal(stream_grant(stream, 2), 0);
	stream_destroy(stream);
	stream = make((struct stream_config){ .name = "other" });
	assert_int_equal(stream_grant(stream, LUMARING_CURSORS_MAX), 6); /* of 8 slots, the default */
	stream_destroy(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clamp),
		cmocka_unit_test(test_clamp_any),
		cmocka_unit_test(test_clamp_bin),
		cmocka_unit_test(test_fit_format),
		cmocka_unit_test(test_fit_wider_pixels),
		cmocka_unit_test(test_region_refused),
		cmocka_unit_test(test_word),
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_fit_capacity),
		cmocka_unit_test(test_fit_region),
		cmocka_unit_test(test_fit_private),
		cmocka_unit_test(test_fit_account),
		cmocka_unit_test(test_fit_refused),
		cmocka_unit_test(test_grant),
	};

	snprintf(camera, sizeof(camera), "stream-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
