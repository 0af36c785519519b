/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_configure.c - size and pixel format of the synthetic source while it runs: old frames, a format, new
 * frames; nothing made in between, nothing lost by it, no memory lost either.
 */
#include <pthread.h>
#include <sys/eventfd.h>

#include "source_probe.h"
#include "source/synthetic.h"

#define MS UINT64_C(1000000)
#define HOUR_NS (3600 * NS_PER_SECOND)

/* The owner's mappings, which fail when a test says so. */
static unsigned maps, maps_until_failure = UINT32_MAX;

uint8_t *__real_feeder_map(size_t bytes);
uint8_t *__wrap_feeder_map(size_t bytes);
uint8_t *__wrap_feeder_map(size_t bytes)
{
	return maps++ < maps_until_failure ? __real_feeder_map(bytes) : NULL;
}

static struct source *start(uint32_t width, uint32_t height, uint64_t period_ns, unsigned buffers)
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
static void configure(struct source *source, uint32_t width, uint32_t height, uint64_t period_ns)
{
	struct source_settings wanted = { .width = width, .height = height }, settings;

	set_fixed_rate(&wanted, period_ns);
	settings = checked(source, &wanted);
	configure_source(source, &settings);
}

static bool shows(const struct source_frame *frame, const struct source_format *format)
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

static struct source_event expect_frame(struct source *source, uint64_t sequence, const struct source_format *format)
{
	struct source_event event = expect_event(source, SOURCE_FRAME);

	assert_int_equal(event.frame.camera_sequence, sequence);
	assert_int_equal(event.frame.lost[LUMARING_LOST_SENSOR], 0);
	assert_true(shows(&event.frame, format));
	return event;
}

/* --- order -------------------------------------------------------------------------------------------------- */

/* With every buffer out: what was made before the stop comes first, then the format, then frames of the next numbers.
 */
static void test_order(void **state)
{
	struct source *source = start(64, 4, 0, 3);
	struct source_format old = expect_event(source, SOURCE_FORMAT).format, new;
	struct source_event events[4];

	(void)state;
	events[0] = expect_frame(source, 1, &old);
	wait_asleep(source); /* two more are in the queue, no buffer is left */
	stop_source(source);
	configure(source, 333, 11, 0);
	assert_int_equal(source_start(source), 0);
	for (unsigned i = 1; i < 3; i++)
		events[i] = expect_frame(source, i + 1, &old);
	new = expect_event(source, SOURCE_FORMAT).format;
	assert_int_equal(new.width, 333);
	assert_int_equal(new.height, 11);
	wait_asleep(source);
	expect_nothing(source);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(shows(&events[i].frame, &old)); /* as long as they are held */
		source_release(source, events[i].frame.buffer);
		events[3] = expect_frame(source, 4 + i, &new);
		assert_int_equal(events[3].frame.buffer, events[i].frame.buffer);
	}
	source_destroy(source);
}

/* Nothing is made between stop() and start(), however long that is and whatever is released. */
static void test_stands_still(void **state)
{
	struct source *source = start(64, 4, 0, 3);
	struct feeder *feeder = (struct feeder *)source;
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;
	uint64_t sequence = 1;

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct source_event event;
		uint64_t head;

		stop_source(source);
		head = __atomic_load_n(&feeder->head, __ATOMIC_SEQ_CST);
		stop_source(source); /* again: it stands already */
		while (source_fetch(source, &event) == 0) {
			assert_int_equal(event.kind, SOURCE_FRAME);
			assert_int_equal(event.frame.camera_sequence, sequence++);
			source_release(source, event.frame.buffer);
		}
		usleep(round % 5 * 1000);
		assert_int_equal(__atomic_load_n(&feeder->head, __ATOMIC_SEQ_CST), head);
		expect_nothing(source);
		assert_int_equal(source_start(source), 0); /* with the format as it was: not announced again */
		event = expect_frame(source, sequence++, &format);
		source_release(source, event.frame.buffer);
	}
	source_destroy(source);
}

/*
 * A consumer that fetches nothing at all, as the capture thread between a format and its plan: the owner never waits
 * for it. The queue fills up with formats, and those that found no room were never announced.
 */
static void test_nobody_fetches(void **state)
{
	static const uint32_t widths[] = { 64, 33, 128 };
	struct source *source = start(8, 4, 0, 3);
	uint64_t sequence = 0;
	uint32_t width = 0;

	(void)state;
	for (unsigned i = 0; i < 3 * FEEDER_EVENTS; i++) {
		stop_source(source);
		configure(source, widths[i % COUNT(widths)], 4, 0);
		assert_int_equal(source_start(source), 0);
		if (i % 16 == 0)
			wait_asleep(source);
	}
	while (sequence < 20) {
		struct source_event event = next_event(source);

		if (event.kind == SOURCE_FORMAT) {
			assert_int_not_equal(event.format.width, width);
			width = event.format.width;
			continue;
		}
		assert_int_equal(event.kind, SOURCE_FRAME);
		assert_int_equal(event.frame.camera_sequence, ++sequence);
		assert_true(synthetic_verify(event.frame.image, FEEDER_STRIDE(width), sequence, 0, 0, width, 4, NULL,
					     NULL));
		source_release(source, event.frame.buffer);
	}
	assert_int_equal(width, 128);
	source_destroy(source);
}

static void test_same_again(void **state)
{
	struct source *source = start(64, 4, 0, 3);
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;
	struct source_event event;

	(void)state;
	event = expect_frame(source, 1, &format);
	wait_asleep(source);
	stop_source(source);
	configure(source, 100, 100, 0);
	configure(source, 64, 4, 0); /* taken back before it was ever announced */
	assert_int_equal(source_start(source), 0);
	for (uint64_t sequence = 2; sequence < 10; sequence++) {
		source_release(source, event.frame.buffer);
		event = expect_frame(source, sequence, &format);
	}
	source_destroy(source);
}

static void test_before_start(void **state)
{
	struct source *source = open_source(&(struct source_config){ .name = "synthetic", .unpaced = true });
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;

	(void)state;
	assert_int_equal(format.width, 640);
	configure(source, 31, 7, 0);
	wait_asleep(source);
	expect_nothing(source);
	assert_int_equal(source_start(source), 0);
	format = expect_event(source, SOURCE_FORMAT).format;
	assert_int_equal(format.width, 31);
	expect_frame(source, 1, &format);
	source_destroy(source);
}

static void test_destroy_stopped(void **state)
{
	struct source *source = start(64, 4, 0, 3);

	(void)state;
	stop_source(source);
	source_destroy(source);
	source = start(64, 4, HOUR_NS, 3);
	stop_source(source);
	configure(source, 32, 4, HOUR_NS);
	source_destroy(source);
}

/* --- time --------------------------------------------------------------------------------------------------- */

/* Stopped in an hour's wait: the next frame comes at once, and what would have been due meanwhile is no loss. */
static void test_stop_between_ticks(void **state)
{
	struct source *source = start(64, 4, HOUR_NS, 3);
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;

	(void)state;
	for (uint64_t sequence = 1; sequence < 20; sequence++) {
		struct source_event event = expect_frame(source, sequence, &format);

		assert_int_equal(event.frame.frame_duration_us, 3600000000);
		source_release(source, event.frame.buffer);
		stop_source(source);
		configure(source, sequence % 2 ? 64 : 65, sequence % 2 ? 5 : 4, HOUR_NS);
		assert_int_equal(source_start(source), 0);
		format = expect_event(source, SOURCE_FORMAT).format;
	}
	source_destroy(source);
}

/* Ticks that pass while it stands are neither made up for nor lost; time begins anew, at the new rate. */
static void test_ticks_while_stopped(void **state)
{
	struct source *source = start(64, 4, 5 * MS, SOURCE_BUFFERS_MAX);
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;
	uint64_t before_ns = 0, started_ns, sequence = 1;
	struct source_event event;

	(void)state;
	stop_source(source);
	while (source_fetch(source, &event) == 0) {
		assert_int_equal(event.frame.camera_sequence, sequence++);
		source_release(source, event.frame.buffer);
	}
	usleep(50000);
	configure(source, 32, 4, 10 * MS);
	started_ns = clock_monotonic_ns();
	assert_int_equal(source_start(source), 0);
	format = expect_event(source, SOURCE_FORMAT).format;
	assert_int_equal(format.frame_duration_us, 10000);
	for (unsigned i = 0; i < 10; i++) {
		event = expect_frame(source, sequence++, &format);
		assert_int_equal(event.frame.frame_duration_us, 10000);
		assert_true(event.frame.sensor_ns >= started_ns);
		if (before_ns)
			assert_int_equal(event.frame.sensor_ns - before_ns, 10 * MS);
		before_ns = event.frame.sensor_ns;
		source_release(source, event.frame.buffer);
	}
	source_destroy(source);
}

/* Frames that found no buffer before the stop are told after it. */
static void test_losses_are_kept(void **state)
{
	struct source *source = start(64, 4, MS, 1);
	uint64_t sequence = 0, lost = 0;

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	for (unsigned round = 0; lost < 10; round++) {
		struct source_event event = expect_event(source, SOURCE_FRAME);

		assert_int_equal(event.frame.camera_sequence - sequence, 1 + event.frame.lost[LUMARING_LOST_SENSOR]);
		lost += event.frame.lost[LUMARING_LOST_SENSOR];
		sequence = event.frame.camera_sequence;
		assert_true(round < 1000);
		usleep(5000); /* ticks pass, the only buffer is not free */
		stop_source(source);
		source_release(source, event.frame.buffer);
		assert_int_equal(source_start(source), 0);
	}
	source_destroy(source);
}

/* --- memory ------------------------------------------------------------------------------------------------- */

static uint64_t pool_bytes(const struct source *source)
{
	const struct feeder *feeder = (const struct feeder *)source;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++)
		bytes += feeder->buffers[i].bytes + feeder->buffers[i].spare_bytes;
	return bytes;
}

/* All or none: what is missing is an error of configure(), and the source goes on as before. */
static void test_no_memory(void **state)
{
	struct source *source = start(64, 4, 0, 3);
	struct source_format format = expect_event(source, SOURCE_FORMAT).format;
	struct source_settings wanted = settings_of(source, 1000, 1000);
	uint64_t sequence = 1;

	(void)state;
	for (unsigned possible = 0; possible < 3; possible++) {
		struct source_event event = expect_frame(source, sequence++, &format);
		char text[320] = "";
		uint64_t bytes;

		wait_asleep(source);
		stop_source(source);
		bytes = pool_bytes(source);
		maps = 0;
		maps_until_failure = possible;
		assert_int_equal(source->operations->configure(source, &wanted, text, sizeof(text)), -ENOMEM);
		assert_string_equal(text,
				    "synthetic: no memory for 3 capture buffers of 1088000 bytes (1000x1000 pixels)");
		assert_int_equal(pool_bytes(source), bytes);
		configure(source, 32, 4, 0); /* less needs none */
		configure(source, 64, 4, 0);
		assert_int_equal(source_start(source), 0);
		source_release(source, event.frame.buffer);
	}
	maps_until_failure = UINT32_MAX;
	stop_source(source);
	configure(source, 1000, 1000, 0);
	/* Reserved: what follows needs none. */
	maps_until_failure = 0;
	assert_int_equal(source_start(source), 0);
	for (bool is_new = false; !is_new;) {
		struct source_event event = next_event(source);

		is_new = event.kind == SOURCE_FORMAT;
		if (event.kind == SOURCE_FRAME)
			source_release(source, event.frame.buffer);
	}
	for (unsigned i = 0; i < 6; i++)
		source_release(source, expect_event(source, SOURCE_FRAME).frame.buffer);
	maps_until_failure = UINT32_MAX;
	source_destroy(source);
}

static void test_too_much_memory(void **state)
{
	struct source *source = start(64, 4, 0, 1);
	struct source_settings wanted = settings_of(source, 65504, 32768);
	char text[320] = "";

	(void)state;
	stop_source(source);
	wanted.height++;
	assert_int_equal(source->operations->configure(source, &wanted, text, sizeof(text)), -EFBIG);
	assert_non_null(strstr(text, "use a smaller image"));
	source_destroy(source);
}

/* --- many times --------------------------------------------------------------------------------------------- */

#define FLIPS 300
#define HELD 3

static const struct {
	uint32_t width, height;
	const char *format;
} sizes[] = {
	{ 64, 4, "R8" }, { 640, 48, "R8" }, { 333, 11, "R10" }, { 640, 96, "UYVY" }, { 1, 1, "R8" },
};

/* The consumer: holds some frames, gives them back in another order, and looks at each again before it does. */
struct consumer {
	struct source *source;
	int end_fd;        /* readable: that is all */
	uint64_t frames;   /* atomic */
	const char *wrong; /* what was, NULL: nothing */
	struct source_format format, held_format[HELD];
	struct source_frame held[HELD];
	unsigned count;
	uint64_t sequence;
};

static void consume_frame(struct consumer *consumer, const struct source_frame *frame)
{
	unsigned which = (unsigned)(frame->camera_sequence * 7 % HELD);

	if (frame->camera_sequence != consumer->sequence + 1 || frame->lost[LUMARING_LOST_SENSOR])
		consumer->wrong = "a number was left out";
	consumer->sequence = frame->camera_sequence;
	if (consumer->count == HELD) {
		if (!shows(&consumer->held[which], &consumer->held_format[which]))
			consumer->wrong = "a held frame changed";
		source_release(consumer->source, consumer->held[which].buffer);
		consumer->count--;
		consumer->held[which] = consumer->held[consumer->count];
		consumer->held_format[which] = consumer->held_format[consumer->count];
	}
	if (!shows(frame, &consumer->format))
		consumer->wrong = "a frame is not of the format before it";
	consumer->held[consumer->count] = *frame;
	consumer->held_format[consumer->count++] = consumer->format;
	__atomic_fetch_add(&consumer->frames, 1, __ATOMIC_RELAXED);
}

static void *consume(void *argument)
{
	struct consumer *consumer = argument;
	struct pollfd fds[] = { { .fd = source_fd(consumer->source), .events = POLLIN },
				{ .fd = consumer->end_fd, .events = POLLIN } };

	while (!fds[1].revents) {
		struct source_event event;

		if (source_fetch(consumer->source, &event))
			poll(fds, 2, HANG_MS);
		else if (event.kind == SOURCE_FRAME)
			consume_frame(consumer, &event.frame);
		else if (event.kind == SOURCE_FORMAT)
			consumer->format = event.format;
		else
			consumer->wrong = "an event that nobody expects";
	}
	return NULL;
}

/* Some flips at once, some after frames of the size before have come. */
static void flip(struct source *source, const struct consumer *consumer, unsigned number)
{
	struct source_settings wanted = { .width = sizes[number % COUNT(sizes)].width,
					  .height = sizes[number % COUNT(sizes)].height };
	struct source_settings settings;
	uint64_t frames = __atomic_load_n(&consumer->frames, __ATOMIC_RELAXED);

	while (number % 3 && __atomic_load_n(&consumer->frames, __ATOMIC_RELAXED) < frames + number % 7)
		usleep(100);
	assert_true(pixels_find_layout(sizes[number % COUNT(sizes)].format, &wanted.layout));
	settings = checked(source, &wanted);
	stop_source(source);
	configure_source(source, &settings);
	assert_int_equal(source_start(source), 0);
}

static uint64_t address_space_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long long pages;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%llu", &pages), 1);
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Memory is what the largest size takes, from the first time on that it was there. */
static void test_flips(void **state)
{
	struct source *source = start(64, 4, 0, 0);
	struct consumer consumer = { .source = source, .end_fd = eventfd(0, EFD_CLOEXEC) };
	uint64_t space_bytes = 0, largest_bytes = FEEDER_STRIDE(2 * 640u) * 96;
	unsigned maps_once = 0;
	pthread_t thread;

	(void)state;
	maps = 0;
	assert_int_equal(pthread_create(&thread, NULL, consume, &consumer), 0);
	for (unsigned number = 1; number <= FLIPS; number++) {
		flip(source, &consumer, number);
		if (number == COUNT(sizes))
			maps_once = maps;
		if (number == FLIPS / 4)
			space_bytes = address_space_bytes();
	}
	assert_true(maps_once > 0);
	assert_int_equal(maps, maps_once);
	assert_true(address_space_bytes() < space_bytes + FLIPS / 2 * largest_bytes);
	while (__atomic_load_n(&consumer.frames, __ATOMIC_RELAXED) < 2000)
		usleep(1000);
	stop_source(source);
	assert_int_equal(pool_bytes(source), SOURCE_BUFFERS * largest_bytes);
	assert_int_equal(eventfd_write(consumer.end_fd, 1), 0);
	pthread_join(thread, NULL);
	if (consumer.wrong)
		fail_msg("%s", consumer.wrong);
	close(consumer.end_fd);
	source_destroy(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_stands_still),
		cmocka_unit_test(test_nobody_fetches),
		cmocka_unit_test(test_same_again),
		cmocka_unit_test(test_before_start),
		cmocka_unit_test(test_destroy_stopped),
		cmocka_unit_test(test_stop_between_ticks),
		cmocka_unit_test(test_ticks_while_stopped),
		cmocka_unit_test(test_losses_are_kept),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_too_much_memory),
		cmocka_unit_test(test_flips),
	};

	return cmocka_run_group_tests_name("source_configure", tests, NULL, NULL);
}
