/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_source_reconfigure.c - source_reconfigure(): a source that refuses any step, and any of those that take it back.
 * The source is a real one whose operations refuse first when they are told to.
 */
#include "source_probe.h"
#include "source/synthetic.h"

/* Bit n: the call n from now refuses. */
static struct {
	unsigned stop, configure, start;
} refuse;

/* The calls that came, a letter each; a capital one was refused. */
static char calls[32];

static bool refuses(unsigned *mask, char letter)
{
	bool refused = *mask & 1;
	size_t count = strlen(calls);

	*mask >>= 1;
	assert_true(count + 1 < sizeof(calls));
	calls[count] = refused ? (char)(letter - 'a' + 'A') : letter;
	return refused;
}

static int refusing_stop(struct source *source, char *text, size_t text_bytes)
{
	if (refuses(&refuse.stop, 's'))
		return snprintf(text, text_bytes, "no stop"), -EBUSY;
	return synthetic_operations.stop(source, text, text_bytes);
}

static int refusing_configure(struct source *source, const struct source_settings *wanted, char *text,
			      size_t text_bytes)
{
	if (refuses(&refuse.configure, 'c'))
		return snprintf(text, text_bytes, "no size"), -ENOMEM;
	return synthetic_operations.configure(source, wanted, text, text_bytes);
}

static int refusing_start(struct source *source)
{
	return refuses(&refuse.start, 'r') ? -EIO : synthetic_operations.start(source);
}

static struct source_operations refusing;

/* Runs at 64x4, and one frame was seen of it. */
struct world {
	struct source *source;
	struct source_settings now, wanted;
	uint64_t sequence;
	enum source_step step;
	bool restored;
	char text[320];
};

static void begin(struct world *world, bool start)
{
	struct source_config config = { .name = "synthetic",
					.settings = { .width = 64, .height = 4 },
					.unpaced = true };

	*world = (struct world){ .source = open_source(&config), .step = (enum source_step)99 };
	refusing = synthetic_operations;
	refusing.stop = refusing_stop;
	refusing.configure = refusing_configure;
	refusing.start = refusing_start;
	world->source->operations = &refusing;
	world->now = settings_of(world->source, 64, 4);
	world->wanted = settings_of(world->source, 333, 11);
	memset(&refuse, 0, sizeof(refuse));
	expect_format(world->source, 64, 4);
	if (start)
		assert_int_equal(source_start(world->source), 0);
	memset(calls, 0, sizeof(calls));
}

static int reconfigure(struct world *world)
{
	return source_reconfigure(world->source, &world->now, &world->wanted, &world->step, &world->restored,
				  world->text, sizeof(world->text));
}

static void end(struct world *world)
{
	source_destroy(world->source);
}

/* The next frame, with the next number and of this size. */
static void expect_frame(struct world *world, uint32_t width, uint32_t height)
{
	struct source_event event = expect_event(world->source, SOURCE_FRAME);

	assert_int_equal(event.frame.camera_sequence, ++world->sequence);
	assert_int_equal(event.frame.lost[LUMARING_LOST_SENSOR], 0);
	assert_true(synthetic_verify(event.frame.image, FEEDER_STRIDE(width), world->sequence, 0, 0, width, height,
				     NULL, NULL));
	source_release(world->source, event.frame.buffer);
}

/* Frames go on as they were, without a word of a format. */
static void expect_as_before(struct world *world)
{
	for (unsigned i = 0; i < 20; i++)
		expect_frame(world, 64, 4);
}

static void test_all_steps(void **state)
{
	struct world world;

	(void)state;
	begin(&world, true);
	assert_int_equal(reconfigure(&world), 0);
	assert_string_equal(calls, "scr");
	for (;;) { /* those that were made before */
		struct source_event event = next_event(world.source);

		if (event.kind == SOURCE_FORMAT)
			break;
		assert_int_equal(event.kind, SOURCE_FRAME);
		assert_int_equal(event.frame.camera_sequence, ++world.sequence);
		source_release(world.source, event.frame.buffer);
	}
	for (unsigned i = 0; i < 20; i++)
		expect_frame(&world, 333, 11);
	end(&world);
}

static void test_each_step_refused(void **state)
{
	static const struct {
		unsigned stop, configure, start; /* refuse */
		enum source_step step;
		int rc;
		const char *calls, *text;
	} rows[] = {
		{ 1, 0, 0, SOURCE_STEP_STOP, -EBUSY, "S", "no stop" },
		{ 0, 1, 0, SOURCE_STEP_CONFIGURE, -ENOMEM, "sCcr", "no size" },
		{ 0, 0, 1, SOURCE_STEP_START, -EIO, "scRcr", "the source synthetic cannot start: Input/output error" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct world world;

		begin(&world, true);
		refuse.stop = rows[i].stop;
		refuse.configure = rows[i].configure;
		refuse.start = rows[i].start;
		assert_int_equal(reconfigure(&world), rows[i].rc);
		assert_int_equal(world.step, rows[i].step);
		assert_true(world.restored);
		assert_string_equal(world.text, rows[i].text);
		assert_string_equal(calls, rows[i].calls);
		expect_as_before(&world);
		/* Nothing is left of it: the next one works. */
		memset(calls, 0, sizeof(calls));
		assert_int_equal(reconfigure(&world), 0);
		assert_string_equal(calls, "scr");
		end(&world);
	}
}

/* Not restored: it stands still, and says nothing; the next try begins with what is missing. */
static void test_not_restored(void **state)
{
	static const struct {
		unsigned configure, start; /* refuse */
		enum source_step step;
		int rc;
		const char *calls, *text;
	} rows[] = {
		{ 3, 0, SOURCE_STEP_CONFIGURE, -ENOMEM, "sCC", "no size; nor can it go on as before: no size" },
		{ 1, 1, SOURCE_STEP_CONFIGURE, -ENOMEM, "sCcR",
		  "no size; nor can it go on as before: the source synthetic cannot start: Input/output error" },
		{ 2, 1, SOURCE_STEP_START, -EIO, "scRC",
		  "the source synthetic cannot start: Input/output error; nor can it go on as before: no size" },
		{ 0, 3, SOURCE_STEP_START, -EIO, "scRcR",
		  "the source synthetic cannot start: Input/output error; nor can it go on as before: the source "
		  "synthetic cannot start: Input/output error" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct source_event event;
		struct world world;

		begin(&world, true);
		refuse.configure = rows[i].configure;
		refuse.start = rows[i].start;
		assert_int_equal(reconfigure(&world), rows[i].rc);
		assert_int_equal(world.step, rows[i].step);
		assert_false(world.restored);
		assert_string_equal(world.text, rows[i].text);
		assert_string_equal(calls, rows[i].calls);
		while (source_fetch(world.source, &event) == 0) { /* what was made before */
			assert_int_equal(event.kind, SOURCE_FRAME);
			source_release(world.source, event.frame.buffer);
			world.sequence++;
		}
		wait_asleep(world.source);
		expect_nothing(world.source);
		/* Only configured, since it does not run; then started, with the format first. */
		memset(calls, 0, sizeof(calls));
		assert_int_equal(reconfigure(&world), 0);
		assert_string_equal(calls, "c");
		assert_int_equal(source_start(world.source), 0);
		expect_format(world.source, 333, 11);
		expect_frame(&world, 333, 11);
		end(&world);
	}
}

static void test_never_started(void **state)
{
	struct world world;

	(void)state;
	begin(&world, false);
	assert_int_equal(reconfigure(&world), 0);
	assert_string_equal(calls, "c");
	expect_nothing(world.source);
	refuse.configure = 1;
	assert_int_equal(source_reconfigure(world.source, &world.wanted, &world.now, &world.step, &world.restored,
					    world.text, sizeof(world.text)),
			 -ENOMEM);
	assert_string_equal(calls, "cCc");
	assert_int_equal(world.step, SOURCE_STEP_CONFIGURE);
	assert_true(world.restored);
	expect_nothing(world.source);
	assert_int_equal(source_start(world.source), 0);
	expect_format(world.source, 333, 11);
	expect_frame(&world, 333, 11);
	end(&world);
}

/* A source that has failed of itself cannot be stopped, and says why. */
static int fail_at_start(struct feeder *feeder)
{
	int rc = feeder_wait_start(feeder);

	return rc ? rc : feeder_fail(feeder, -EIO, "the lens fell off");
}

static int configure_nothing(struct source *source, const struct source_settings *wanted, char *text, size_t text_bytes)
{
	(void)source, (void)wanted, (void)text, (void)text_bytes;
	return 0;
}

static void test_failed_source(void **state)
{
	static const struct source_operations operations = {
		.name = "test",
		.start = feeder_start,
		.stop = feeder_stop,
		.configure = configure_nothing,
		.fd = feeder_fd,
		.fetch = feeder_fetch,
	};
	struct feeder *feeder = calloc(1, sizeof(*feeder));
	struct source_settings settings = { 0 };
	enum source_step step;
	char text[320];
	bool restored;

	(void)state;
	assert_non_null(feeder);
	assert_int_equal(feeder_init(feeder, &operations, &(struct source_config){ 0 }), 0);
	assert_int_equal(feeder_launch(feeder, "test", fail_at_start), 0);
	assert_int_equal(source_start(&feeder->source), 0);
	expect_failure(&feeder->source, "the lens fell off");
	while (!__atomic_load_n(&feeder->over, __ATOMIC_ACQUIRE))
		usleep(100);
	assert_int_equal(
		source_reconfigure(&feeder->source, &settings, &settings, &step, &restored, text, sizeof(text)),
		-ENODEV);
	assert_int_equal(step, SOURCE_STEP_STOP);
	assert_string_equal(text, "the source test is over: the lens fell off");
	feeder_finish(feeder);
	free(feeder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_steps),     cmocka_unit_test(test_each_step_refused),
		cmocka_unit_test(test_not_restored),  cmocka_unit_test(test_never_started),
		cmocka_unit_test(test_failed_source),
	};

	return cmocka_run_group_tests_name("source_reconfigure", tests, NULL, NULL);
}
