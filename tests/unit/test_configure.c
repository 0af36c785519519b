/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_configure.c - daemon/configure: whole or not at all. The source is a fake that refuses where it is told to,
 * streams and rings are the real ones, and the capture thread's reports are made by hand; nothing runs.
 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "configure.h"

#define NOTHING (-1)

/* --- a source that refuses on purpose --- */

static struct {
	struct source source;
	int refuse, refuse_restore; /* enum source_step, or NOTHING */
	int error;                  /* of what it refuses, 0: -EIO */
	bool silent;                /* it does not answer */
	unsigned stops, configures, starts, rates;
	struct source_settings settings;
} fake;

static int fake_check(const struct source *source, const struct source_settings *wanted,
		      struct source_settings *ret_settings, struct source_fault *ret_fault)
{
	(void)source;
	*ret_settings = *wanted;
	if (fake.silent)
		return source_refuse(ret_fault, -EAGAIN, "", "no answer");
	if (wanted->width > 2000)
		return source_out_of_range(ret_fault, "size.width", 1, 2000, wanted->width, "width");
	ret_settings->width &= ~1u; /* even ones only */
	if (!ret_settings->frame_duration_max_ns)
		ret_settings->frame_duration_min_ns = ret_settings->frame_duration_max_ns = 10 * NS_PER_MS;
	return 0;
}

static int fake_step(enum source_step step, unsigned *count, char *text, size_t text_bytes)
{
	bool restoring = step != SOURCE_STEP_STOP && *count > 0;

	++*count;
	if ((restoring ? fake.refuse_restore : fake.refuse) != (int)step)
		return 0;
	snprintf(text, text_bytes, "the fake refuses step %d", (int)step);
	return fake.error ? fake.error : -EIO;
}

static int fake_stop(struct source *source, char *text, size_t text_bytes)
{
	(void)source;
	return fake_step(SOURCE_STEP_STOP, &fake.stops, text, text_bytes);
}

static int fake_configure(struct source *source, const struct source_settings *wanted, char *text, size_t text_bytes)
{
	int r = fake_step(SOURCE_STEP_CONFIGURE, &fake.configures, text, text_bytes);

	(void)source;
	if (r == 0)
		fake.settings = *wanted;
	return r;
}

static int fake_start(struct source *source)
{
	char text[64];

	(void)source;
	return fake_step(SOURCE_STEP_START, &fake.starts, text, sizeof(text));
}

static int fake_set_rate(struct source *source, uint64_t minimum_ns, uint64_t maximum_ns, char *text, size_t text_bytes)
{
	(void)source;
	fake.settings.frame_duration_min_ns = minimum_ns;
	fake.settings.frame_duration_max_ns = maximum_ns;
	return fake_step(SOURCE_STEP_CONFIGURE, &fake.rates, text, text_bytes);
}

static const struct source_operations fake_operations = {
	.name = "fake",
	.check = fake_check,
	.set_rate = fake_set_rate,
	.start = fake_start,
	.stop = fake_stop,
	.configure = fake_configure,
};

/* --- the camera around it --- */

static struct {
	struct config config;
	struct loop *loop;
	struct attach attach;
	struct configure configure;
	struct source_format format;
	struct capture_report report;
	struct fault fault;
	struct configure_outcome outcome;
	unsigned replans, changes, failures, answers;
	char directory[64];
} world;

static void be_quiet(const struct log_entry *entry)
{
	(void)entry;
}

static uint64_t on_next_plan(const void *owner)
{
	(void)owner;
	return world.report.acknowledged + 1;
}

static void on_replan(void *owner)
{
	(void)owner;
	world.replans++;
}

static void on_changed(void *owner)
{
	(void)owner;
	world.changes++;
}

static void on_failed(void *owner)
{
	(void)owner;
	world.failures++;
}

static void on_done(void *data, const struct configure_outcome *outcome)
{
	assert_ptr_equal(data, &world);
	world.outcome = *outcome;
	world.answers++;
}

static void listen_for_clients(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(world.directory, "/tmp/configure.XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/frames", world.directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(attach_listen(&world.attach, fd), 0);
}

/* As the camera does when the source announced a format. */
static void announce(uint32_t width, uint32_t height)
{
	char text[512] = "";

	world.format = (struct source_format){
		.width = width, .height = height, .stride = width + 64, .frame_duration_us = 10000
	};
	world.report.format = world.format;
	configure_take_format(&world.configure, &world.format, ++world.report.format_serial);
	for (struct stream *s = world.attach.streams; s; s = s->next)
		if (!s->removed && stream_fit(s, &world.format, text, sizeof(text)) < 0)
			fail_msg("%s", text);
	world.attach.format = &world.format;
}

/* The capture thread has taken over a plan with all that was changed. */
static void acknowledge(void)
{
	world.report.acknowledged++;
	for (struct stream *s = world.attach.streams; s; s = s->next) {
		if (!s->retired)
			continue;
		ring_carry(s->ring, s->retired);
		ring_destroy(s->retired);
		s->retired = NULL;
	}
	attach_settle(&world.attach, world.report.acknowledged);
	configure_progress(&world.configure, &world.report);
}

static int set_up(void **state)
{
	struct attach_handler attach = { .next_plan = on_next_plan, .replan = on_replan };
	struct configure_handler handler = {
		.next_plan = on_next_plan, .replan = on_replan, .changed = on_changed, .failed = on_failed
	};
	char text[512] = "";

	(void)state;
	log_set_sink(be_quiet);
	memset(&world, 0, sizeof(world));
	memset(&fake, 0, sizeof(fake));
	fake.source.operations = &fake_operations;
	fake.refuse = fake.refuse_restore = NOTHING;
	config_init(&world.config);
	snprintf(world.config.camera, sizeof(world.config.camera), "configure-%d", (int)getpid());
	world.config.clients_per_uid = 8;
	world.config.width = 64;
	world.config.height = 48;
	world.config.streams[0] = (struct stream_config){ .name = "main" };
	world.config.streams[1] = (struct stream_config){ .name = "part", .region = { 8, 8, 16, 16 } };
	world.config.stream_count = 2;
	assert_int_equal(loop_create(LOOP_EPOLL, &world.loop, text, sizeof(text)), 0);
	configure_init(&world.configure, &world.config, world.loop, &world.attach, &handler);
	assert_int_equal(attach_init(&world.attach, &world.config, world.loop, &attach), 0);
	listen_for_clients();
	assert_int_equal(configure_open(&world.configure, &fake.source, text, sizeof(text)), 0);
	announce(64, 48);
	assert_int_equal(source_start(&fake.source), 0);
	fake.starts = 0;
	world.report.state = CAPTURE_LIVE;
	acknowledge();
	world.replans = world.changes = 0;
	return 0;
}

static int tear_down(void **state)
{
	char path[96];

	(void)state;
	loop_destroy(world.loop);
	configure_finish(&world.configure);
	attach_finish(&world.attach);
	snprintf(path, sizeof(path), "%s/frames", world.directory);
	unlink(path);
	rmdir(world.directory);
	return 0;
}

static unsigned shared_memory(void)
{
	char pattern[96];
	glob_t found = { 0 };
	unsigned count = 0;

	snprintf(pattern, sizeof(pattern), "/dev/shm/lumaring.%s.*", world.config.camera);
	if (glob(pattern, 0, NULL, &found) == 0)
		count = (unsigned)found.gl_pathc;
	globfree(&found);
	return count;
}

/* As if the time were over. */
static void ring_timer(void)
{
	loop_cancel(world.loop, &world.configure.timer);
	loop_turn(world.loop, 0);
	world.configure.timer.done(&world.configure.timer, 0);
}

static int ask(const struct settings *wanted, bool dry_run, bool strict, bool force)
{
	struct configure_request request = {
		.wanted = wanted, .dry_run = dry_run, .strict = strict, .force = force, .done = on_done, .data = &world
	};

	memset(&world.fault, 0, sizeof(world.fault));
	return configure_begin(&world.configure, &request, &world.fault);
}

static struct settings of_size(uint32_t width, uint32_t height)
{
	struct settings settings = world.configure.current;

	settings.source.width = width;
	settings.source.height = height;
	return settings;
}

/* Nothing is other than before, and nothing is under way. */
static void expect_unchanged(const struct settings *before)
{
	assert_memory_equal(&world.configure.current, before, sizeof(*before));
	assert_int_equal(world.configure.stage, CONFIGURE_IDLE);
	assert_int_equal(world.answers, 0);
	assert_int_equal(world.replans, 0);
	assert_int_equal(world.changes, 0);
	assert_false(world.attach.held);
	assert_int_equal(shared_memory(), 2);
}

/* --- changes of size --- */

static void test_size(void **state)
{
	struct settings wanted = of_size(128, 96);
	struct ring *part = attach_find(&world.attach, "part")->ring, *whole = attach_find(&world.attach, "main")->ring;

	(void)state;
	assert_int_equal(ask(&wanted, false, false, false), 0);
	assert_int_equal(world.configure.stage, CONFIGURE_FORMAT);
	assert_int_equal(fake.stops, 1);
	assert_int_equal(fake.configures, 1);
	assert_int_equal(fake.starts, 1);
	assert_int_equal(fake.settings.width, 128);
	assert_true(world.attach.held);
	/* The rings are prepared, and the old ones still in use. */
	assert_int_equal(shared_memory(), 3);
	assert_ptr_equal(attach_find(&world.attach, "main")->ring, whole);
	assert_int_equal(world.configure.current.source.width, 64);
	/* Frames of the old size may still come. */
	acknowledge();
	assert_int_equal(world.answers, 0);
	announce(128, 96);
	assert_int_equal(world.configure.stage, CONFIGURE_SETTLING);
	assert_false(world.attach.held);
	assert_int_equal(world.changes, 1);
	assert_int_equal(world.configure.current.source.width, 128);
	assert_ptr_equal(attach_find(&world.attach, "main")->retired, whole);
	assert_int_equal(ring_width_max(attach_find(&world.attach, "main")->ring), 128);
	assert_ptr_equal(attach_find(&world.attach, "part")->ring, part);
	acknowledge();
	assert_int_equal(world.answers, 0); /* the first frame is to come */
	world.report.framed_serial = world.report.format_serial;
	world.report.before_ns = 1000 * NS_PER_MS;
	world.report.after_ns = 1045 * NS_PER_MS;
	configure_progress(&world.configure, &world.report);
	assert_int_equal(world.answers, 1);
	assert_true(world.outcome.restarted);
	assert_int_equal(world.outcome.replaced_count, 1);
	assert_string_equal(world.outcome.replaced[0], "main");
	assert_true(world.outcome.has_gap && world.outcome.has_gap_frames);
	assert_int_equal(world.outcome.gap_us, 45000);
	assert_int_equal(world.outcome.gap_frames, 4);
	assert_int_equal(shared_memory(), 2);
	configure_progress(&world.configure, &world.report);
	assert_int_equal(world.answers, 1);
}

static void test_smaller(void **state)
{
	struct settings wanted = of_size(32, 24);

	(void)state;
	assert_int_equal(ask(&wanted, false, false, false), 0);
	assert_int_equal(shared_memory(), 2);
	announce(32, 24);
	acknowledge();
	world.report.state = CAPTURE_PAUSED; /* no frame will come */
	configure_progress(&world.configure, &world.report);
	assert_int_equal(world.answers, 1);
	assert_false(world.outcome.has_gap);
	assert_int_equal(world.outcome.replaced_count, 0);
}

/* A source that has nothing to announce: after a while the change counts as made. */
static void test_no_format(void **state)
{
	struct settings wanted = of_size(64, 48);

	(void)state;
	wanted.source.layout.chroma = PIXELS_CHROMA_420;
	wanted.streams[0].slot_count = 9; /* takes another ring */
	assert_int_equal(ask(&wanted, false, false, false), 0);
	/* The footage changes by itself meanwhile: the ring that this takes goes first. */
	announce(96, 64);
	world.configure.deadline_ns = 0;
	ring_timer();
	assert_int_equal(world.configure.stage, CONFIGURE_FORMAT);
	acknowledge();
	ring_timer();
	assert_int_equal(world.configure.stage, CONFIGURE_SETTLING);
	acknowledge();
	assert_int_equal(world.answers, 1);
	assert_false(world.outcome.has_gap);
	assert_int_equal(ring_slot_count(attach_find(&world.attach, "main")->ring), 9);
}

/* The footage changed its size by itself. */
static void test_own_format(void **state)
{
	(void)state;
	announce(96, 64);
	assert_int_equal(world.configure.current.source.width, 96);
	assert_int_equal(world.changes, 1);
	assert_int_equal(world.answers, 0);
	acknowledge();
	announce(96, 64); /* nothing new */
	assert_int_equal(world.changes, 1);
	acknowledge();
	world.format.pixels = PIXELS_YUYV;
	world.format.frame_duration_us = 7000;
	configure_take_format(&world.configure, &world.format, ++world.report.format_serial);
	assert_int_equal(world.changes, 2);
	assert_string_equal(world.configure.current.source.layout.name, "YUYV");
	assert_int_equal(world.configure.current.source.frame_duration_max_ns, 7 * NS_PER_MS);
}

static void refuse_step(int step, bool restored)
{
	struct settings wanted = of_size(128, 96), before = world.configure.current;

	wanted.streams[1].region.width = 20;
	fake.refuse = step;
	assert_true(ask(&wanted, false, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_SOURCE_REFUSED);
	assert_int_equal(world.fault.step, step);
	assert_int_equal(world.fault.restored, restored);
	assert_int_equal(world.failures, !restored);
	expect_unchanged(&before);
	if (restored && step != SOURCE_STEP_STOP)
		assert_int_equal(fake.settings.width, 64);
}

static void test_stop_refused(void **state)
{
	(void)state;
	refuse_step(SOURCE_STEP_STOP, true);
}

static void test_configure_refused(void **state)
{
	(void)state;
	refuse_step(SOURCE_STEP_CONFIGURE, true);
}

static void test_start_refused(void **state)
{
	(void)state;
	refuse_step(SOURCE_STEP_START, true);
}

static void test_restore_refused(void **state)
{
	(void)state;
	fake.refuse_restore = SOURCE_STEP_START;
	refuse_step(SOURCE_STEP_START, false);
}

static void test_pace(void **state)
{
	(void)state;
	world.config.size_change_rate = 2;
	for (unsigned i = 0; i < 3; i++) {
		struct settings wanted = of_size(64 - 2 * (i + 1), 48), before = world.configure.current;

		if (i == 2) {
			world.answers = world.replans = world.changes = 0;
			assert_true(ask(&wanted, false, false, false) < 0);
			assert_int_equal(world.fault.kind, FAULT_BUSY);
			assert_true(world.fault.retry_after_us > 0 && world.fault.retry_after_us <= 500000);
			expect_unchanged(&before);
			assert_int_equal(ask(&wanted, true, false, false), 0); /* to look is always allowed */
			break;
		}
		assert_int_equal(ask(&wanted, false, false, false), 0);
		announce(wanted.source.width, 48);
		world.report.framed_serial = world.report.format_serial;
		acknowledge();
		assert_int_equal(world.answers, i + 1);
	}
}

/* --- what is refused before anything is done --- */

static void test_adjusted(void **state)
{
	struct settings wanted = of_size(129, 96), before = world.configure.current;

	(void)state;
	assert_true(ask(&wanted, false, true, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_ADJUSTED);
	assert_int_equal(world.fault.adjustment_count, 1);
	assert_int_equal(world.fault.adjustments[0].got, 128);
	expect_unchanged(&before);
	assert_int_equal(ask(&wanted, true, false, false), 0);
	assert_int_equal(world.answers, 1);
	assert_int_equal(world.outcome.settings.source.width, 128);
	assert_int_equal(world.outcome.adjustment_count, 1);
	assert_true(world.outcome.restarted);
	assert_int_equal(world.outcome.replaced_count, 1);
	world.answers = 0;
	expect_unchanged(&before);
	assert_int_equal(fake.stops, 0);
}

static void test_refused_whole(void **state)
{
	struct settings before = world.configure.current, wanted = of_size(2002, 96);

	(void)state;
	assert_true(ask(&wanted, false, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_RANGE);
	assert_string_equal(world.fault.field, "size.width");
	wanted = of_size(20, 20); /* part does not lie inside any more */
	assert_true(ask(&wanted, false, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_FIELD);
	assert_int_equal(world.fault.stream, 1);
	assert_string_equal(world.fault.field, "region");
	wanted.streams[1].region = (struct region){ 4, 4, 16, 16 };
	assert_int_equal(ask(&wanted, true, false, false), 0); /* unless it gets another */
	world.answers = 0;
	expect_unchanged(&before);
	assert_int_equal(fake.stops, 0);
}

static void test_no_room(void **state)
{
	struct settings before = world.configure.current, wanted = of_size(1280, 1024);
	uint64_t needed;

	(void)state;
	needed = stream_bytes_needed(attach_find(&world.attach, "main"), &wanted.streams[0], 1280, 1024);
	/* A new stream before it is prepared, and then given up. */
	wanted.stream_count = 3;
	wanted.streams[2] = wanted.streams[0];
	wanted.streams[0] = (struct stream_config){
		.name = "new", .region = { 0, 0, 8, 8 }, .slot_count = 4, .fourcc = LUMARING_FORMAT_R8, .bin = 1
	};
	world.config.ring_bytes_max = needed - 1;
	assert_true(ask(&wanted, false, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_NO_ROOM);
	assert_string_equal(world.fault.name, "main");
	assert_int_equal(world.fault.needed_bytes, needed);
	assert_int_equal(world.fault.available_bytes, needed - 1);
	assert_true(ask(&wanted, true, false, false) < 0);
	expect_unchanged(&before);
	assert_int_equal(fake.stops, 0);
	world.config.ring_bytes_max = needed;
	assert_int_equal(ask(&wanted, true, false, false), 0);
	/* /dev/shm itself is too small. */
	world.config.ring_bytes_max = 0;
	world.answers = 0;
	wanted = world.configure.current;
	wanted.streams[0].slot_count = 65535;
	wanted.streams[0].width_max = wanted.streams[0].height_max = 65535;
	assert_true(ask(&wanted, false, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_NO_ROOM);
	assert_true(world.fault.needed_bytes > world.fault.available_bytes);
	expect_unchanged(&before);
}

/* A dry run says no where the change would: two rings of which each has room, but not both. */
static void test_no_room_for_all(void **state)
{
	struct settings before = world.configure.current, wanted = before;
	uint64_t available = ring_bytes_available();
	uint32_t side = 1024;

	(void)state;
	while (available / side / side > 65535)
		side *= 2;
	for (unsigned i = 0; i < 2; i++) {
		wanted.streams[i].width_max = wanted.streams[i].height_max = side;
		wanted.streams[i].slot_count = (uint32_t)(available / side / side * 6 / 10);
	}
	assert_true(ask(&wanted, true, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_NO_ROOM);
	assert_string_equal(world.fault.name, wanted.streams[1].name);
	assert_true(world.fault.needed_bytes > world.fault.available_bytes);
	assert_true(world.fault.available_bytes < available / 2);
	expect_unchanged(&before);
	wanted.streams[1] = before.streams[1];
	assert_int_equal(ask(&wanted, true, false, false), 0);
}

static void test_busy(void **state)
{
	struct settings wanted = of_size(128, 96), region = world.configure.current;

	(void)state;
	region.streams[1].region.x = 9;
	assert_int_equal(ask(&wanted, false, false, false), 0);
	assert_true(ask(&region, false, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_BUSY);
	assert_int_equal(world.fault.retry_after_us, CONFIGURE_RETRY_US);
	assert_int_equal(ask(&region, true, false, false), 0); /* looking does not disturb it */
	assert_int_equal(world.answers, 1);
	announce(128, 96);
	acknowledge();
	world.report.framed_serial = world.report.format_serial;
	configure_progress(&world.configure, &world.report);
	assert_int_equal(world.answers, 2);
	assert_int_equal(world.configure.current.source.width, 128);
	region = world.configure.current;
	region.streams[1].region.x = 9;
	assert_int_equal(ask(&region, false, false, false), 0);
}

/* A device that does not answer just now: come again. */
static void test_no_answer(void **state)
{
	struct settings wanted = of_size(128, 96), before = world.configure.current;
	struct settings region = before;

	(void)state;
	fake.silent = true;
	assert_int_equal(ask(&wanted, false, false, false), -EBUSY);
	assert_int_equal(world.fault.kind, FAULT_BUSY);
	assert_string_equal(world.fault.reason, "no answer");
	assert_int_equal(world.fault.retry_after_us, 500000);
	expect_unchanged(&before);
	fake.silent = false; /* for what is asked, but not when it is to stop */
	fake.refuse = SOURCE_STEP_STOP;
	fake.error = -EAGAIN;
	assert_int_equal(ask(&wanted, false, false, false), -EBUSY);
	assert_int_equal(world.fault.kind, FAULT_BUSY);
	assert_int_equal(fake.configures, 0);
	assert_int_equal(world.failures, 0);
	expect_unchanged(&before);
	fake.silent = true; /* it is not asked for what is none of its business */
	region.streams[1].region.x = 9;
	assert_int_equal(ask(&region, false, false, false), 0);
}

static void test_not_started(void **state)
{
	struct settings wanted = of_size(128, 96);

	(void)state;
	/* Its format comes when it starts, after those who were waited for. */
	fake.source.running = false;
	world.report.state = CAPTURE_PAUSED;
	assert_int_equal(ask(&wanted, false, false, false), 0);
	assert_int_equal(fake.configures, 1);
	assert_int_equal(fake.starts, 0);
	world.configure.deadline_ns = 0;
	ring_timer();
	acknowledge();
	assert_int_equal(world.answers, 1);
	announce(128, 96);
	assert_int_equal(world.configure.current.source.width, 128);
	assert_int_equal(world.changes, 1);
}

static void test_no_format_yet(void **state)
{
	(void)state;
	world.attach.format = NULL;
	assert_true(ask(&world.configure.current, true, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_BUSY);
}

/* --- what does not stop the camera --- */

static void test_rate(void **state)
{
	struct settings wanted = world.configure.current, before = wanted;

	(void)state;
	wanted.source.frame_duration_min_ns = wanted.source.frame_duration_max_ns = 5 * NS_PER_MS;
	assert_int_equal(ask(&wanted, false, false, false), 0);
	assert_int_equal(fake.rates, 1);
	assert_int_equal(fake.settings.frame_duration_max_ns, 5 * NS_PER_MS);
	acknowledge();
	assert_int_equal(world.answers, 1);
	assert_false(world.outcome.restarted || world.outcome.has_gap);
	assert_int_equal(fake.stops, 0);
	assert_int_equal(world.changes, 1);
	/* Once more the same is answered, and is no change to tell of. */
	assert_int_equal(ask(&wanted, false, false, false), 0);
	acknowledge();
	assert_int_equal(world.answers, 2);
	assert_int_equal(world.changes, 1);
	assert_int_equal(fake.rates, 1);
	world.answers = world.replans = world.changes = 0;
	before = world.configure.current;
	wanted.source.frame_duration_max_ns = 6 * NS_PER_MS;
	fake.refuse_restore = SOURCE_STEP_CONFIGURE;
	assert_true(ask(&wanted, false, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_SOURCE_REFUSED);
	assert_true(world.fault.restored);
	expect_unchanged(&before);
}

static void test_streams(void **state)
{
	struct settings wanted = world.configure.current;
	struct ring *part = attach_find(&world.attach, "part")->ring;

	(void)state;
	wanted.streams[1].region = (struct region){ 0, 0, 8, 8 };
	wanted.streams[2] =
		(struct stream_config){ .name = "new", .slot_count = 4, .fourcc = LUMARING_FORMAT_R16, .bin = 2 };
	wanted.stream_count = 3;
	assert_int_equal(ask(&wanted, false, false, false), 0);
	assert_int_equal(world.configure.stage, CONFIGURE_SETTLING);
	assert_int_equal(world.answers, 0); /* not before the capture thread has it */
	acknowledge();
	assert_int_equal(world.answers, 1);
	assert_ptr_equal(attach_find(&world.attach, "part")->ring, part);
	assert_int_equal(ring_slot_count(attach_find(&world.attach, "new")->ring), 4);
	assert_int_equal(shared_memory(), 3);
	assert_int_equal(world.outcome.replaced_count, 0);
	/* Beyond the capacity. */
	wanted = world.configure.current;
	wanted.streams[1].region = (struct region){ 0, 0, 20, 8 };
	assert_int_equal(ask(&wanted, false, false, false), 0);
	assert_ptr_equal(attach_find(&world.attach, "part")->retired, part);
	assert_true(ask(&wanted, false, false, false) < 0);
	acknowledge();
	assert_int_equal(world.outcome.replaced_count, 1);
	assert_string_equal(world.outcome.replaced[0], "part");
	/* And away. */
	wanted = world.configure.current;
	wanted.stream_count = 1;
	wanted.streams[0] = wanted.streams[2];
	assert_int_equal(ask(&wanted, false, false, false), 0);
	assert_null(attach_find(&world.attach, "main"));
	acknowledge();
	assert_int_equal(world.answers, 3);
	assert_int_equal(shared_memory(), 1);
	assert_non_null(attach_find(&world.attach, "new"));
	assert_null(attach_find(&world.attach, "new")->next);
	assert_int_equal(fake.stops, 0);
}

/* What takes another ring: each kind of thing. */
static void test_another_ring(void **state)
{
	static const struct {
		uint32_t width_max, height_max, slot_count, fourcc, bin;
		bool replaced;
	} steps[] = {
		{ 0, 0, 9, LUMARING_FORMAT_R8, 1, true },     { 0, 0, 9, LUMARING_FORMAT_R8, 2, false },
		{ 0, 0, 9, LUMARING_FORMAT_R16, 2, true },    { 0, 0, 9, LUMARING_FORMAT_R8, 1, true },
		{ 100, 100, 9, LUMARING_FORMAT_R8, 1, true }, { 100, 100, 9, LUMARING_FORMAT_R8, 1, false },
		{ 80, 100, 9, LUMARING_FORMAT_R8, 1, true },  { 0, 0, 9, LUMARING_FORMAT_R8, 1, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct settings wanted = world.configure.current;
		struct stream_config *config = &wanted.streams[0];
		struct ring *before = attach_find(&world.attach, "main")->ring;

		config->width_max = steps[i].width_max;
		config->height_max = steps[i].height_max;
		config->slot_count = steps[i].slot_count;
		config->fourcc = steps[i].fourcc;
		config->bin = steps[i].bin;
		assert_int_equal(ask(&wanted, false, false, false), 0);
		acknowledge();
		assert_int_equal(world.answers, i + 1);
		if (world.outcome.replaced_count != steps[i].replaced)
			fail_msg("step %u", i);
		assert_int_equal(attach_find(&world.attach, "main")->ring != before, steps[i].replaced);
		assert_int_equal(shared_memory(), 2);
	}
}

static void test_pins(void **state)
{
	struct settings wanted = world.configure.current, before = wanted;

	(void)state;
	attach_find(&world.attach, "main")->cursors_granted = 5;
	wanted.streams[0].slot_count = 6;
	assert_true(ask(&wanted, false, false, false) < 0);
	assert_int_equal(world.fault.kind, FAULT_FIELD);
	assert_string_equal(world.fault.field, "slots");
	assert_int_equal(world.fault.stream, 0);
	expect_unchanged(&before);
	wanted.streams[0].slot_count = 7;
	assert_int_equal(ask(&wanted, false, false, false), 0);
	acknowledge();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_size),
		TEST(test_smaller),
		TEST(test_no_format),
		TEST(test_own_format),
		TEST(test_stop_refused),
		TEST(test_configure_refused),
		TEST(test_start_refused),
		TEST(test_restore_refused),
		TEST(test_pace),
		TEST(test_adjusted),
		TEST(test_refused_whole),
		TEST(test_no_room),
		TEST(test_no_room_for_all),
		TEST(test_busy),
		TEST(test_no_answer),
		TEST(test_not_started),
		TEST(test_no_format_yet),
		TEST(test_rate),
		TEST(test_streams),
		TEST(test_another_ring),
		TEST(test_pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
