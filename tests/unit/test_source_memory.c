/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_memory.c - the capture buffers of a source whose size changes while it runs: memory that is missing is a
 * refusal, memory that is there is used again, and none is left behind.
 */
#include <pthread.h>
#include <sys/eventfd.h>

#include "synthetic_probe.h"

/* The owner's mappings, which fail when a test says so. */
static unsigned maps, maps_until_failure = UINT32_MAX;

uint8_t *__real_feeder_map(size_t bytes);
uint8_t *__wrap_feeder_map(size_t bytes);
uint8_t *__wrap_feeder_map(size_t bytes)
{
	return maps++ < maps_until_failure ? __real_feeder_map(bytes) : NULL;
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
	struct source *source = start_synthetic(64, 4, 0, 3);
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
		configure_size(source, 32, 4, 0); /* less needs none */
		configure_size(source, 64, 4, 0);
		assert_int_equal(source_start(source), 0);
		source_release(source, event.frame.buffer);
	}
	maps_until_failure = UINT32_MAX;
	stop_source(source);
	configure_size(source, 1000, 1000, 0);
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

static uint64_t address_space_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long long pages;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%llu", &pages), 1);
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A buffer that grows in small steps leaves nothing behind, nor does memory that was reserved and not used. */
static void test_growing(void **state)
{
	const uint64_t largest_bytes = UINT64_C(1088) * 100 * 60;
	struct source *source = start_synthetic(1000, 100, 0, 2);
	uint64_t before = address_space_bytes();

	(void)state;
	expect_event(source, SOURCE_FORMAT);
	for (uint32_t step = 2; step <= 60; step++) {
		struct source_event event;

		stop_source(source);
		if (step % 2)
			configure_size(source, 1000, 100 * step - 50, 0);
		configure_size(source, 1000, 100 * step, 0);
		assert_int_equal(source_start(source), 0);
		for (unsigned frames = 0; frames < 2; frames += event.kind == SOURCE_FRAME) {
			event = next_event(source);
			if (event.kind == SOURCE_FRAME)
				source_release(source, event.frame.buffer);
			else
				frames = 0;
		}
	}
	assert_true(address_space_bytes() < before + 4 * largest_bytes); /* and not 60 */
	source_destroy(source);
}

/* Nor does what could not be reserved whole. */
static void test_no_memory_leaves_none(void **state)
{
	struct source *source = start_synthetic(64, 4, 0, 3);
	struct source_settings wanted = settings_of(source, 1000, 1000);
	uint64_t before = address_space_bytes();
	char text[320];

	(void)state;
	stop_source(source);
	for (unsigned i = 0; i < 240; i++) {
		maps = 0;
		maps_until_failure = 2;
		assert_int_equal(source->operations->configure(source, &wanted, text, sizeof(text)), -ENOMEM);
	}
	maps_until_failure = UINT32_MAX;
	assert_true(address_space_bytes() < before + UINT64_C(200) * 1088000); /* and not 480; a heap of malloc takes 64 MiB */
	source_destroy(source);
}

static void test_too_much_memory(void **state)
{
	struct source *source = start_synthetic(64, 4, 0, 1);
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

/* Memory is what the largest size takes, from the first time on that it was there. */
static void test_flips(void **state)
{
	struct source *source = start_synthetic(64, 4, 0, 0);
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
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_no_memory_leaves_none),
		cmocka_unit_test(test_too_much_memory),
		cmocka_unit_test(test_flips),
	};

	return cmocka_run_group_tests_name("source_memory", tests, NULL, NULL);
}
