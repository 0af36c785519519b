/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_deliver.c - daemon/deliver: what a stream gets of a frame, in which order, and what is counted when it gets
 * none. Streams and plans are the real ones; the frame is made by hand, and nobody listens.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "deliver.h"

#define WIDTH 640u
#define HEIGHT 480u
#define STRIDE 1344u
#define STREAMS_MAX 32u

/* As after an hour of sleep. */
#define SLEPT_NS (3600 * NS_PER_SECOND)

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int r = __real_clock_gettime(clock == CLOCK_BOOTTIME ? CLOCK_MONOTONIC : clock, now);

	if (clock == CLOCK_BOOTTIME)
		now->tv_sec += SLEPT_NS / NS_PER_SECOND;
	return r;
}

static const struct source_format format = {
	.width = WIDTH, .height = HEIGHT, .pixels = PIXELS_R10, .stride = STRIDE, .luma_range = LUMARING_RANGE_FULL
};
static uint8_t image[STRIDE * HEIGHT] __attribute__((aligned(4096)));

/* A source whose buffers have to be made ready to be read. */
static struct {
	struct source source;
	unsigned begun, buffer;
	int error;
} readable;

static int begin_read(struct source *source, unsigned buffer)
{
	assert_ptr_equal(source, &readable.source);
	readable.begun++;
	readable.buffer = buffer;
	return readable.error;
}

static const struct source_operations readable_operations = { .name = "readable", .begin_read = begin_read };

static struct {
	char camera[LUMARING_NAME_MAX];
	struct stream *streams[STREAMS_MAX];
	unsigned stream_count;
	struct plan *plan;
	struct loop *loop;
	struct deliver deliver;
	uint64_t sequence;
} world;

static unsigned sample(uint32_t x, uint32_t y)
{
	return (x * 3 + y * 7 + x * y) & 1023;
}

static int set_up(void **state)
{
	const struct copy_pool_config config = { .threads = 1, .scratch_bytes = COPY_SCRATCH_BYTES };
	char text[512] = "";

	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.camera, sizeof(world.camera), "deliver-%d", (int)getpid());
	assert_int_equal(loop_create(LOOP_EPOLL, &world.loop, text, sizeof(text)), 0);
	world.deliver.teller.loop = world.loop;
	memset(&readable, 0, sizeof(readable));
	readable.source.operations = &readable_operations;
	world.deliver.source = &readable.source;
	assert_int_equal(copy_pool_create(&config, &world.deliver.pool, text, sizeof(text)), 0);
	tuner_init(&world.deliver.tuner, 1, 1, TUNER_BUDGET_PERCENT);
	for (uint32_t y = 0; y < HEIGHT; y++)
		for (uint32_t x = 0; x < WIDTH; x++) {
			image[y * STRIDE + 2 * x] = (uint8_t)sample(x, y);
			image[y * STRIDE + 2 * x + 1] = (uint8_t)(sample(x, y) >> 8);
		}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	plan_destroy(world.plan);
	for (unsigned i = 0; i < world.stream_count; i++)
		stream_destroy(world.streams[i]);
	copy_pool_destroy(world.deliver.pool);
	loop_destroy(world.loop);
	return 0;
}

static void add_stream(struct region region, uint32_t fourcc, uint32_t bin, bool always)
{
	struct stream_config config = {
		.region = region, .slot_count = 4, .fourcc = fourcc, .bin = bin, .always = always
	};
	struct stream *stream;
	char text[512] = "";

	snprintf(config.name, sizeof(config.name), "s%u", world.stream_count);
	stream = stream_create(&config, world.camera, (gid_t)-1, 0);
	assert_non_null(stream);
	if (stream_fit(stream, &format, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	if (world.stream_count)
		world.streams[world.stream_count - 1]->next = stream;
	world.streams[world.stream_count++] = stream;
}

/* The plan's streams are in the order in which they were added. */
static struct plan_stream *make_plan(void)
{
	world.plan = plan_build(1, 1, &format, world.streams[0], NULL);
	assert_non_null(world.plan);
	assert_int_equal(world.plan->stream_count, world.stream_count);
	for (unsigned i = 0; i < world.plan->stream_count; i++)
		ring_begin(world.plan->streams[i].ring, 1);
	return world.plan->streams;
}

/* Clients that are not told yet: none has its WELCOME. */
static void attach_clients(struct plan_stream *stream, unsigned count)
{
	static struct client client;
	static struct client *const clients[] = { &client, &client, &client, &client, &client,
						  &client, &client, &client, &client };

	assert_true(count <= sizeof(clients) / sizeof(clients[0]));
	stream->clients = clients;
	stream->client_count = count;
}

static struct source_frame frame_of(uint64_t sequence)
{
	return (struct source_frame){ .image = image,
				      .buffer = 3,
				      .ready_ns = 1,
				      .camera_sequence = sequence + 100,
				      .frame_duration_us = 10000,
				      .exposure_us = 77 };
}

static void deliver(unsigned cause)
{
	struct source_frame frame = frame_of(++world.sequence);

	deliver_copy(&world.deliver, world.plan, &frame, world.sequence, cause);
}

static void check_pixels(const struct plan_stream *stream)
{
	const struct lumaring_descriptor *d = &stream->picture.descriptor;
	const uint8_t *pixels = ring_pixels(stream->ring, stream->picture.slot);

	for (uint32_t y = 0; y < d->height; y++)
		for (uint32_t x = 0; x < d->width; x++) {
			uint32_t ix = d->region_x + x * d->bin, iy = d->region_y + y * d->bin;
			unsigned v = sample(ix, iy);

			if (d->bin == 2)
				v = (v + sample(ix + 1, iy) + sample(ix, iy + 1) + sample(ix + 1, iy + 1) + 2) / 4;
			if (d->fourcc == LUMARING_FORMAT_R8)
				assert_int_equal(pixels[y * d->stride + x], v >> 2);
			else
				assert_int_equal(pixels[y * d->stride + 2 * x] | pixels[y * d->stride + 2 * x + 1] << 8,
						 v << 6 | v >> 4);
		}
}

static void test_pictures(void **state)
{
	static const struct lumaring_descriptor expected[] = {
		{ .fourcc = LUMARING_FORMAT_R8, .width = 640, .height = 480, .stride = 640, .bin = 1 },
		{ .fourcc = LUMARING_FORMAT_R16, .width = 101, .height = 50, .stride = 256, .bin = 1 },
		{ .fourcc = LUMARING_FORMAT_R8, .width = 50, .height = 25, .stride = 64, .bin = 2 },
		{ .fourcc = LUMARING_FORMAT_R16, .width = 320, .height = 240, .stride = 640, .bin = 2 },
	};
	struct plan_stream *streams;

	(void)state;
	add_stream((struct region){ 0 }, 0, 0, true);
	add_stream((struct region){ 3, 5, 101, 50 }, LUMARING_FORMAT_R16, 1, true);
	add_stream((struct region){ 3, 5, 101, 51 }, LUMARING_FORMAT_R8, 2, true);
	add_stream((struct region){ 0 }, LUMARING_FORMAT_R16, 2, true);
	streams = make_plan();
	for (unsigned round = 1; round < 7; round++) {
		deliver(DELIVER_IT);
		for (unsigned i = 0; i < world.stream_count; i++) {
			const struct lumaring_descriptor *d = &streams[i].picture.descriptor, *e = &expected[i];

			assert_true(streams[i].picture.due);
			assert_int_equal(d->publication, round);
			assert_int_equal(d->camera_sequence, round + 100);
			assert_int_equal(d->exposure_us, 77);
			assert_int_equal(d->fourcc, e->fourcc);
			assert_int_equal(d->width, e->width);
			assert_int_equal(d->height, e->height);
			assert_int_equal(d->stride, e->stride);
			assert_int_equal(d->bin, e->bin);
			assert_int_equal(d->region_width, e->width * e->bin);
			assert_int_equal(d->region_height, e->height * e->bin);
			assert_int_equal(d->image_width, WIDTH);
			check_pixels(&streams[i]);
		}
		deliver_tell(&world.deliver, world.plan);
		assert_false(streams[0].picture.due);
	}
}

static void test_small_ones_first(void **state)
{
	struct plan_stream *s;

	(void)state;
	add_stream((struct region){ 0 }, 0, 0, true);
	add_stream((struct region){ 100, 100, 64, 64 }, 0, 0, true);
	add_stream((struct region){ 0, 0, 320, 240 }, 0, 0, true);
	add_stream((struct region){ 400, 100, 20, 20 }, 0, 0, true);
	s = make_plan();
	for (unsigned i = 0; i < world.stream_count; i++)
		attach_clients(&s[i], 1);
	deliver(DELIVER_IT);
	assert_true(s[1].picture.early && s[3].picture.early);
	assert_false(s[0].picture.early || s[2].picture.early);
	assert_true(s[1].picture.descriptor.publish_ns < s[0].picture.descriptor.publish_ns);
	assert_true(s[3].picture.descriptor.publish_ns < s[0].picture.descriptor.publish_ns);
	assert_true(s[1].picture.descriptor.publish_ns < s[2].picture.descriptor.publish_ns);
	/* What was published is not written again with the others. */
	assert_ptr_equal(world.plan->parts[0].job.destination, ring_pixels(s[0].ring, s[0].picture.slot));
	assert_ptr_equal(world.plan->parts[1].job.destination, ring_pixels(s[2].ring, s[2].picture.slot));
	for (unsigned i = 0; i < world.stream_count; i++)
		check_pixels(&s[i]);
}

/* So many clients may be told before the whole image is copied, and not one more. */
static void test_few_clients_first(void **state)
{
	struct plan_stream *s;

	(void)state;
	add_stream((struct region){ 0 }, 0, 0, true);
	add_stream((struct region){ 100, 100, 64, 64 }, 0, 0, true);
	s = make_plan();
	attach_clients(&s[1], DELIVER_EARLY_CLIENTS + 1);
	deliver(DELIVER_IT);
	assert_false(s[1].picture.early);
	deliver_tell(&world.deliver, world.plan);
	attach_clients(&s[1], DELIVER_EARLY_CLIENTS);
	deliver(DELIVER_IT);
	assert_true(s[1].picture.early);
	deliver_tell(&world.deliver, world.plan);
	attach_clients(&s[1], 0); /* nobody would be told */
	deliver(DELIVER_IT);
	assert_false(s[1].picture.early);
}

/* Many small streams are no small part: those that are too much for it are copied with the others, by all threads. */
static void test_small_together_first(void **state)
{
	unsigned early = 0;
	struct plan_stream *s;

	(void)state;
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		add_stream((struct region){ 8 * i, 0, 64, 64 }, 0, 0, true);
	s = make_plan();
	for (unsigned i = 0; i < world.stream_count; i++)
		attach_clients(&s[i], i < DELIVER_EARLY_CLIENTS);
	deliver(DELIVER_IT);
	for (unsigned i = 0; i < world.stream_count; i++)
		early += s[i].picture.early;
	assert_int_equal(early, STREAMS_MAX / DELIVER_EARLY_PART);
}

/* One small stream alone is all there is: it waits for nobody. */
static void test_alone(void **state)
{
	struct plan_stream *s;

	(void)state;
	add_stream((struct region){ 100, 100, 64, 64 }, 0, 0, true);
	add_stream((struct region){ 0 }, 0, 0, false);
	s = make_plan();
	deliver(DELIVER_IT);
	assert_true(s[0].picture.due);
	assert_false(s[0].picture.early || s[1].picture.due);
	assert_int_equal(ring_lost(s[1].ring, LUMARING_LOST_UNREAD), 1);
	assert_int_equal(ring_lost(s[0].ring, LUMARING_LOST_UNREAD), 0);
}

static void test_late(void **state)
{
	struct plan_stream *s;

	(void)state;
	add_stream((struct region){ 0 }, 0, 0, true);
	add_stream((struct region){ 0 }, 0, 0, false);
	s = make_plan();
	deliver(LUMARING_LOST_COPY_LATE);
	deliver_tell(&world.deliver, world.plan);
	assert_int_equal(ring_lost(s[0].ring, LUMARING_LOST_COPY_LATE), 1);
	assert_int_equal(ring_lost(s[1].ring, LUMARING_LOST_UNREAD), 1);
	assert_int_equal(ring_published(s[0].ring), 0);
	deliver(LUMARING_LOST_RECONFIGURE);
	deliver_tell(&world.deliver, world.plan);
	assert_int_equal(ring_lost(s[0].ring, LUMARING_LOST_RECONFIGURE), 1);
	assert_int_equal(ring_lost(s[0].ring, LUMARING_LOST_COPY_LATE), 1);
	deliver(DELIVER_IT);
	assert_int_equal(ring_published(s[0].ring), 1);
	assert_int_equal(ring_published(s[1].ring), 0);
}

static void deliver_exposed(uint64_t sensor_ns, uint32_t clock)
{
	struct source_frame frame = frame_of(++world.sequence);

	frame.sensor_ns = sensor_ns;
	frame.sensor_clock = clock;
	deliver_copy(&world.deliver, world.plan, &frame, world.sequence, DELIVER_IT);
	deliver_tell(&world.deliver, world.plan);
}

/* The time since the exposure is that of the sensor's own clock; where it tells none, there is none. */
static void test_since_exposure(void **state)
{
	const uint64_t ago_ns = 50 * NS_PER_SECOND, now_ns = clock_monotonic_ns();
	struct histogram_view view;

	(void)state;
	add_stream((struct region){ 0 }, 0, 0, true);
	make_plan();
	deliver_exposed(0, LUMARING_CLOCK_BOOTTIME);
	histogram_look(&world.streams[0]->stats.sensor_to_published_ns, &view);
	assert_int_equal(view.count, 0);
	deliver_exposed(now_ns - ago_ns, LUMARING_CLOCK_MONOTONIC);
	deliver_exposed(now_ns - ago_ns, LUMARING_CLOCK_UNKNOWN);
	deliver_exposed(now_ns + SLEPT_NS - ago_ns, LUMARING_CLOCK_BOOTTIME);
	histogram_look(&world.streams[0]->stats.sensor_to_published_ns, &view);
	assert_int_equal(view.count, 3);
	assert_true(view.sum >= 3 * ago_ns && view.max < SLEPT_NS);
}

/* Once a frame, and only of a frame that somebody is given. */
static void test_begin_read(void **state)
{
	struct plan_stream *s;

	(void)state;
	add_stream((struct region){ 0 }, 0, 0, true);
	add_stream((struct region){ 0, 0, 64, 64 }, 0, 0, true);
	s = make_plan();
	deliver(DELIVER_IT);
	deliver_tell(&world.deliver, world.plan);
	assert_int_equal(readable.begun, 1);
	assert_int_equal(readable.buffer, 3);
	deliver(LUMARING_LOST_COPY_LATE);
	deliver(LUMARING_LOST_ERROR);
	assert_int_equal(readable.begun, 1);
	s[0].wanted = false;
	deliver(DELIVER_IT);
	deliver_tell(&world.deliver, world.plan);
	assert_int_equal(readable.begun, 2);
	s[1].wanted = false;
	deliver(DELIVER_IT);
	assert_int_equal(readable.begun, 2);
	assert_int_equal(ring_published(s[1].ring), 2);
}

/* Nothing of it may be read: nothing is published, and it is counted where somebody reads. */
static void test_what_cannot_be_read(void **state)
{
	struct plan_stream *s;

	(void)state;
	add_stream((struct region){ 0 }, 0, 0, true);
	add_stream((struct region){ 0, 0, 64, 64 }, 0, 0, true);
	add_stream((struct region){ 0 }, 0, 0, false);
	s = make_plan();
	readable.error = -EIO;
	deliver(DELIVER_IT);
	deliver_tell(&world.deliver, world.plan);
	readable.error = 0;
	deliver(LUMARING_LOST_ERROR); /* damaged */
	deliver_tell(&world.deliver, world.plan);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ring_lost(s[i].ring, LUMARING_LOST_ERROR), 2);
		assert_int_equal(ring_published(s[i].ring), 0);
	}
	assert_int_equal(ring_lost(s[2].ring, LUMARING_LOST_UNREAD), 2);
	assert_int_equal(ring_lost(s[2].ring, LUMARING_LOST_ERROR), 0);
	deliver(DELIVER_IT); /* they took a sequence */
	assert_int_equal(ring_published(s[0].ring), 1);
	assert_int_equal(s[0].picture.descriptor.lost[LUMARING_LOST_ERROR], 2);
	check_pixels(&s[0]);
}

/* A frame may not say how long it took: that is no source without a pace. */
static void test_unknown_duration(void **state)
{
	struct source_frame frame = frame_of(1);
	struct tuner_view view;

	(void)state;
	add_stream((struct region){ 0 }, 0, 0, true);
	make_plan();
	tuner_init(&world.deliver.tuner, 0, 1, TUNER_BUDGET_PERCENT);
	frame.frame_duration_us = 0;
	deliver_copy(&world.deliver, world.plan, &frame, 1, DELIVER_IT);
	tuner_view(&world.deliver.tuner, &view);
	assert_int_equal(view.reason, TUNER_UNPACED);
	deliver_tell(&world.deliver, world.plan);
	world.plan->format.frame_duration_us = 10000;
	tuner_init(&world.deliver.tuner, 0, 1, TUNER_BUDGET_PERCENT);
	deliver_copy(&world.deliver, world.plan, &frame, 2, DELIVER_IT);
	tuner_view(&world.deliver.tuner, &view);
	assert_int_equal(view.reason, TUNER_MEASURING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pictures, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_small_ones_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_few_clients_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_small_together_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_since_exposure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_begin_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_duration, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("deliver", tests, NULL, NULL);
}
