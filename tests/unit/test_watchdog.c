/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_watchdog.c - daemon/watchdog with threads that are played: pets while all move, none while one does not, and
 * what is logged of it. Counted in looks, not in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "watchdog.h"

#define THREADS 3u
#define INTERVAL_NS (30 * NS_PER_MS)

static struct {
	struct loop *loop;
	struct watchdog watchdog;
	uint64_t beats[THREADS];
	bool held[THREADS];
	unsigned nudges, pets, missed;
	char log[4096];
} world;

static void nudge(void *owner)
{
	assert_ptr_equal(owner, &world);
	world.nudges++;
	for (unsigned thread = 0; thread < THREADS; thread++)
		world.beats[thread] += !world.held[thread];
}

static uint64_t beats(const void *owner, unsigned thread)
{
	assert_ptr_equal(owner, &world);
	assert_true(thread < THREADS);
	return world.beats[thread];
}

static void pet(void)
{
	world.pets++;
}

static void on_log(const struct log_entry *entry)
{
	size_t used = strlen(world.log);

	world.missed += entry->fields.event == LOG_EVENT_WATCHDOG_MISSED;
	snprintf(world.log + used, sizeof(world.log) - used, "%d %s\n", (int)entry->level, entry->line);
}

static void look(unsigned times)
{
	unsigned end = world.nudges + times;

	while (world.nudges < end)
		assert_int_equal(loop_turn(world.loop, -1), 0);
}

static int set_up(void **state)
{
	const struct watchdog_threads threads = { .owner = &world, .count = THREADS, .nudge = nudge, .beats = beats };
	char text[512] = "";

	(void)state;
	memset(&world, 0, sizeof(world));
	log_set_sink(on_log);
	assert_int_equal(loop_create(LOOP_EPOLL, &world.loop, text, sizeof(text)), 0);
	watchdog_begin(&world.watchdog, world.loop, &threads, INTERVAL_NS, pet);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	loop_destroy(world.loop);
	log_set_sink(NULL);
	return 0;
}

/* Before the first look nothing is known of them. */
static void test_all_move(void **state)
{
	(void)state;
	assert_int_equal(world.pets, 0);
	look(10);
	assert_int_equal(world.pets, 10);
	assert_string_equal(world.log, "");
}

/* So often as the manager wants, though one look is late. */
static void test_as_often_as_is_wanted(void **state)
{
	uint64_t began_ns = clock_monotonic_ns();

	(void)state;
	look(WATCHDOG_LOOKS);
	assert_true(clock_monotonic_ns() - began_ns >= INTERVAL_NS / WATCHDOG_LOOKS);
	assert_int_equal(world.watchdog.look_ns, INTERVAL_NS / WATCHDOG_LOOKS);
}

static void hold(unsigned thread, const char *name)
{
	char line[64];
	unsigned pets;

	look(2);
	world.held[thread] = true;
	look(1); /* the beat of the nudge before */
	pets = world.pets;
	look(5);
	assert_int_equal(world.pets, pets);
	assert_int_equal(world.missed, 1); /* however long it lasts */
	snprintf(line, sizeof(line), "3 the thread %s has not moved for 0.", name);
	assert_non_null(strstr(world.log, line));
	world.held[thread] = false;
	look(1);
	assert_int_equal(world.pets, pets);
	look(3);
	assert_int_equal(world.pets, pets + 3);
	snprintf(line, sizeof(line), "5 the thread %s moves again, after 0.", name);
	assert_non_null(strstr(world.log, line));
}

static void test_capture_stands_still(void **state)
{
	(void)state;
	hold(0, "capture");
}

static void test_copy_stands_still(void **state)
{
	(void)state;
	hold(2, "copy-2");
}

/* Each says so, and the last one that moves again decides. */
static void test_several(void **state)
{
	unsigned pets;

	(void)state;
	world.held[1] = world.held[2] = true;
	look(2);
	pets = world.pets;
	look(3);
	assert_int_equal(world.missed, 2);
	world.held[1] = false;
	look(3);
	assert_int_equal(world.pets, pets);
	world.held[2] = false;
	look(3);
	assert_int_equal(world.pets, pets + 2);
	assert_int_equal(world.missed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_move, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_as_often_as_is_wanted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_capture_stands_still, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copy_stands_still, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_several, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
