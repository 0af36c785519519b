/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_rate.c - the pace of stand-in sources while they run: another one holds at once, loses no frame and makes
 * no burst, and each frame tells its own. Sources have so many buffers, and frames are so far apart, that a busy
 * machine makes them lose none.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "synthetic_probe.h"

/* Of 64x4 pixels. */
static struct source *start_at(uint64_t period_ns)
{
	struct source *source = start_synthetic(64, 4, period_ns, SOURCE_BUFFERS_MAX);

	expect_format(source, 64, 4);
	return source;
}

/* What was seen of a source's frames. */
struct watch {
	struct source *source;
	uint64_t sequence, sensor_ns;
	uint32_t duration_us;
	unsigned same;     /* frames since the duration changed, the first one included */
	unsigned switches; /* how often it did */
};

/* Take a frame: the next number, nothing lost; within one pace it is due exactly one period after the one before. */
static void take(struct watch *watch)
{
	struct source_event event = expect_event(watch->source, SOURCE_FRAME);
	const struct source_frame *frame = &event.frame;
	uint64_t apart_ns = frame->sensor_ns - watch->sensor_ns, duration_ns = frame->frame_duration_us * NS_PER_US;

	assert_int_equal(frame->camera_sequence, watch->sequence + 1);
	assert_int_equal(frame->lost[LUMARING_LOST_SENSOR], 0);
	if (watch->sequence && frame->frame_duration_us == watch->duration_us && source_is_live(watch->source))
		assert_int_equal(apart_ns, duration_ns);
	if (watch->sequence && watch->duration_us)
		assert_true(apart_ns >= duration_ns); /* no burst, also where it changes */
	if (watch->sequence && frame->frame_duration_us != watch->duration_us) {
		watch->switches++;
		watch->same = 0;
	}
	watch->same++;
	watch->sequence = frame->camera_sequence;
	watch->sensor_ns = frame->sensor_ns;
	watch->duration_us = frame->frame_duration_us;
	source_release(watch->source, frame->buffer);
}

/* Frames up to some of this duration; those before it have the old one. */
static void take_until(struct watch *watch, uint32_t duration_us, unsigned frames)
{
	unsigned switches = watch->switches;

	while (watch->duration_us != duration_us || watch->same < frames) {
		take(watch);
		assert_true(watch->switches <= switches + 1);
	}
}

static void test_live(void **state)
{
	static const uint64_t periods_ns[] = { 20 * MS, 5 * MS, 7 * MS, 30 * MS, 5 * MS };
	struct watch watch = { .source = start_at(10 * MS) };

	(void)state;
	take_until(&watch, 10000, 10);
	for (size_t i = 0; i < COUNT(periods_ns); i++) {
		set_rate(watch.source, periods_ns[i], periods_ns[i]);
		take_until(&watch, (uint32_t)(periods_ns[i] / NS_PER_US), 10);
	}
	assert_int_equal(watch.switches, COUNT(periods_ns));
	source_destroy(watch.source);
}

/* A producer that waits for an hour is woken. What ends a hang is a failed test. */
static void test_from_an_hour_at_once(void **state)
{
	struct watch watch = { .source = start_at(HOUR_NS) };

	(void)state;
	take(&watch);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t asked_ns = clock_monotonic_ns();

		set_rate(watch.source, 5 * MS, 5 * MS);
		take(&watch);
		assert_int_equal(watch.duration_us, 5000);
		assert_true(watch.sensor_ns >= asked_ns || i > 0);
		take(&watch);
		set_rate(watch.source, HOUR_NS, HOUR_NS);
		/* One that was late when this came has the old pace; then none comes for an hour. */
	}
	set_rate(watch.source, 5 * MS, 5 * MS);
	take_until(&watch, 5000, 10);
	source_destroy(watch.source);
}

/* Its own pace as far as the durations allow. */
static void test_range(void **state)
{
	static const struct {
		uint64_t min_ns, max_ns;
		uint32_t duration_us;
	} rows[] = {
		{ 40 * MS, 50 * MS, 40000 }, { 10 * MS, 50 * MS, 33333 }, { 10 * MS, 20 * MS, 20000 }, { 0, 0, 33333 },
		{ 0, 20 * MS, 20000 },       { 40 * MS, 0, 40000 },
	};
	struct source *source = start_at(50 * MS);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct source_event event;

		set_rate(source, rows[i].min_ns, rows[i].max_ns);
		do {
			event = expect_event(source, SOURCE_FRAME);
			source_release(source, event.frame.buffer);
		} while (event.frame.frame_duration_us != rows[i].duration_us);
	}
	source_destroy(source);
}

/* Before it is started, and after: the format that was announced already is not announced again. */
static void test_before_start(void **state)
{
	struct source_config config = { .name = "synthetic", .settings = { .width = 64, .height = 4 } };
	struct source *source = open_source(&config);
	struct source_event event = expect_event(source, SOURCE_FORMAT);

	(void)state;
	assert_int_equal(event.format.frame_duration_us, 33333);
	set_rate(source, HOUR_NS, HOUR_NS);
	set_rate(source, 10 * MS, 10 * MS);
	assert_int_equal(source_start(source), 0);
	for (unsigned i = 0; i < 5; i++) {
		event = expect_event(source, SOURCE_FRAME);
		assert_int_equal(event.frame.frame_duration_us, 10000);
		source_release(source, event.frame.buffer);
	}
	source_destroy(source);
}

static void test_unpaced(void **state)
{
	struct source_config config = { .name = "synthetic", .unpaced = true };
	struct source *source = open_source(&config);
	struct source_capabilities capabilities;
	char text[320];

	(void)state;
	source_get_capabilities(source, &capabilities);
	assert_false(capabilities.paces);
	assert_int_equal(source_set_rate(source, 5 * MS, 5 * MS, text, sizeof(text)), -ENOTSUP);
	assert_string_equal(text, "the source synthetic is unpaced: it has no rate");
	source_destroy(source);
}

/* --- footage ------------------------------------------------------------------------------------------------ */

static char path[] = "/tmp/lumaring-rate-XXXXXX";
static char fifo_path[sizeof(path) + sizeof(".fifo")];

static int make_clip(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0 || write(fd, "YUV4MPEG2 W2 H1 F25:1 Cmono\nFRAME\nab", 36) != 36)
		return -1;
	snprintf(fifo_path, sizeof(fifo_path), "%s.fifo", path);
	return close(fd);
}

static int remove_clip(void **state)
{
	(void)state;
	return unlink(path);
}

/* The header, which says 25 a second, is read again for each frame: what was set holds, and is no new format. */
static void test_replay(void **state)
{
	struct source_config config = { .name = "replay", .path = path, .loop = true };
	struct watch watch = { .source = open_source(&config) };

	(void)state;
	assert_int_equal(source_start(watch.source), 0);
	assert_int_equal(expect_event(watch.source, SOURCE_FORMAT).format.frame_duration_us, 40000);
	take_until(&watch, 40000, 3);
	set_rate(watch.source, 5 * MS, 5 * MS);
	take_until(&watch, 5000, 20);
	set_rate(watch.source, 10 * MS, 10 * MS);
	take_until(&watch, 10000, 20);
	set_rate(watch.source, 0, 0);
	take_until(&watch, 40000, 3);
	assert_int_equal(watch.switches, 3);
	set_rate(watch.source, HOUR_NS, HOUR_NS);
	set_rate(watch.source, 5 * MS, 5 * MS);
	take_until(&watch, 5000, 3);
	source_destroy(watch.source);
}

/* What is wished before anybody has written holds from the first header on, also where its rate is none. */
static void test_silent_pipe(void **state)
{
	static const char clip[] = "YUV4MPEG2 W2 H1 F1000000:1\nFRAME\n1234FRAME\n5678";
	struct source_config config = { .name = "replay", .path = fifo_path };
	struct watch watch = { 0 };
	int fd;

	(void)state;
	assert_int_equal(mkfifo(fifo_path, 0600), 0);
	watch.source = open_source(&config);
	assert_int_equal(source_start(watch.source), 0);
	expect_event(watch.source, SOURCE_PAUSED);
	set_rate(watch.source, 5 * MS, 5 * MS);
	fd = open(fifo_path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, clip, strlen(clip)), strlen(clip));
	assert_int_equal(expect_event(watch.source, SOURCE_FORMAT).format.frame_duration_us, 5000);
	take_until(&watch, 5000, 2);
	close(fd);
	source_destroy(watch.source);
	unlink(fifo_path);
}

/* A pipe without a rate gets one, and goes back to how its writer comes. */
static void test_raw_pipe(void **state)
{
	struct source_config config = { .name = "raw", .path = "/dev/zero", .settings = { .width = 4, .height = 2 } };
	struct source_settings wanted = { .frame_duration_min_ns = 5 * MS, .frame_duration_max_ns = 5 * MS }, settings;
	struct watch watch = { 0 };

	(void)state;
	assert_true(pixels_find_layout("R8", &config.settings.layout));
	watch.source = open_source(&config);
	settings = checked(watch.source, &(struct source_settings){ 0 });
	assert_int_equal(settings.frame_duration_min_ns, 0);
	assert_int_equal(settings.frame_duration_max_ns, 0);
	settings = checked(watch.source, &wanted);
	assert_int_equal(source_start(watch.source), 0);
	assert_int_equal(expect_event(watch.source, SOURCE_FORMAT).format.frame_duration_us, 0);
	take_until(&watch, 0, 20);
	set_rate(watch.source, settings.frame_duration_min_ns, settings.frame_duration_max_ns);
	take_until(&watch, 5000, 20);
	set_rate(watch.source, 0, 0);
	take_until(&watch, 0, 20);
	source_destroy(watch.source);
}

/* --- a producer by hand ------------------------------------------------------------------------------------- */

static struct feeder *create(uint64_t own_ns)
{
	static const struct source_operations operations = { .name = "test", .set_rate = feeder_set_rate };
	struct feeder *feeder = calloc(1, sizeof(*feeder));

	assert_non_null(feeder);
	assert_int_equal(feeder_init(feeder, &operations, &(struct source_config){ .buffer_count = 2 }), 0);
	feeder_set_own_period(feeder, own_ns);
	return feeder;
}

static void destroy(struct feeder *feeder)
{
	feeder_finish(feeder);
	free(feeder);
}

static uint64_t tick(struct feeder *feeder)
{
	uint64_t due_ns, skipped;

	assert_int_equal(feeder_wait_tick(feeder, &due_ns, &skipped), 0);
	assert_int_equal(skipped, 0);
	return due_ns;
}

/* What is awaited when the wish comes has the new pace already: from the frame before on, or at once. */
static void test_awaited_frame(void **state)
{
	struct feeder *feeder = create(HOUR_NS);
	uint64_t first_ns = tick(feeder), asked_ns;

	(void)state;
	set_rate(&feeder->source, 1000 * MS, 1000 * MS);
	assert_int_equal(tick(feeder), first_ns + 1000 * MS);
	assert_int_equal(feeder->frame_period_ns, 1000 * MS);
	destroy(feeder);
	feeder = create(HOUR_NS);
	tick(feeder);
	feeder->due_ns = clock_monotonic_ns() - 10 * NS_PER_SECOND; /* ten seconds of the hour are over */
	asked_ns = clock_monotonic_ns();
	set_rate(&feeder->source, MS, MS);
	assert_true(tick(feeder) >= asked_ns); /* 10,000 periods late, and none of them lost */
	assert_int_equal(feeder->frame_period_ns, MS);
	destroy(feeder);
}

/* A frame that is late already keeps its pace; the next one has the new one, and none between is lost. */
static void test_late_frame(void **state)
{
	struct feeder *feeder = create(100 * MS);
	uint64_t first_ns = tick(feeder), late_ns = clock_monotonic_ns() - 150 * MS, asked_ns;

	(void)state;
	assert_true(first_ns <= clock_monotonic_ns());
	feeder->due_ns = late_ns; /* the next one was due 50 ms ago */
	asked_ns = clock_monotonic_ns();
	set_rate(&feeder->source, MS, MS);
	assert_int_equal(tick(feeder), late_ns + 100 * MS);
	assert_int_equal(feeder->frame_period_ns, 100 * MS);
	assert_true(tick(feeder) >= asked_ns);
	assert_int_equal(feeder->frame_period_ns, MS);
	destroy(feeder);
}

/* Without a wish, lateness costs ticks as ever. */
static void test_late_without_wish(void **state)
{
	struct feeder *feeder = create(10 * MS);
	uint64_t due_ns, skipped;

	(void)state;
	tick(feeder);
	feeder->due_ns = clock_monotonic_ns() - 105 * MS;
	assert_int_equal(feeder_wait_tick(feeder, &due_ns, &skipped), 0);
	assert_true(skipped >= 9);
	destroy(feeder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_from_an_hour_at_once),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_before_start),
		cmocka_unit_test(test_unpaced),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_silent_pipe),
		cmocka_unit_test(test_raw_pipe),
		cmocka_unit_test(test_awaited_frame),
		cmocka_unit_test(test_late_frame),
		cmocka_unit_test(test_late_without_wish),
	};

	return cmocka_run_group_tests_name("source_rate", tests, make_clip, remove_clip);
}
