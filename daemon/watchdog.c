/* SPDX-License-Identifier: BSD-2-Clause */
/* watchdog.c - see watchdog.h. */
#include "watchdog.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

static void name_of(unsigned thread, char *name, size_t name_bytes)
{
	if (thread)
		snprintf(name, name_bytes, "copy-%u", thread);
	else
		snprintf(name, name_bytes, "capture");
}

static void note_missed(struct watchdog *watchdog, unsigned thread, uint64_t now_ns)
{
	char name[24];

	if (watchdog->seen[thread].missed)
		return;
	watchdog->seen[thread].missed = true;
	name_of(thread, name, sizeof(name));
	log_event(LOG_LEVEL_ERROR, &(struct log_fields){ .event = LOG_EVENT_WATCHDOG_MISSED },
		  "the thread %s has not moved for %.1f s, no sign of life to the service manager until it does", name,
		  (double)(now_ns - watchdog->seen[thread].moved_ns) / (double)NS_PER_SECOND);
}

static void note_moved(struct watchdog *watchdog, unsigned thread, uint64_t now_ns)
{
	char name[24];

	if (watchdog->seen[thread].missed) {
		name_of(thread, name, sizeof(name));
		log_notice("the thread %s moves again, after %.1f s", name,
			   (double)(now_ns - watchdog->seen[thread].moved_ns) / (double)NS_PER_SECOND);
	}
	watchdog->seen[thread].missed = false;
	watchdog->seen[thread].moved_ns = now_ns;
}

/* True: it has moved since the last look. */
static bool look_at(struct watchdog *watchdog, unsigned thread, uint64_t now_ns)
{
	uint64_t beats = watchdog->threads.beats(watchdog->threads.owner, thread);
	bool moved = beats != watchdog->seen[thread].beats;

	watchdog->seen[thread].beats = beats;
	if (moved)
		note_moved(watchdog, thread, now_ns);
	else
		note_missed(watchdog, thread, now_ns);
	return moved;
}

/* Looked at before they are nudged, so that a beat which is seen the next time came after this. */
static void on_timer(struct loop_op *op, int result)
{
	struct watchdog *watchdog = op->owner;
	uint64_t now_ns = clock_monotonic_ns();
	bool moved = true;

	if (result < 0)
		return;
	for (unsigned thread = 0; thread < watchdog->threads.count; thread++)
		moved = look_at(watchdog, thread, now_ns) && moved;
	if (moved)
		watchdog->pet();
	watchdog->threads.nudge(watchdog->threads.owner);
	loop_timer(watchdog->loop, &watchdog->timer, now_ns + watchdog->look_ns);
}

void watchdog_begin(struct watchdog *watchdog, struct loop *loop, const struct watchdog_threads *threads,
		    uint64_t interval_ns, void (*pet)(void))
{
	uint64_t now_ns = clock_monotonic_ns();

	assert(threads->count <= WATCHDOG_THREADS_MAX);
	*watchdog = (struct watchdog){
		.loop = loop,
		.timer = { .done = on_timer, .owner = watchdog },
		.threads = *threads,
		.pet = pet,
		.look_ns = interval_ns / WATCHDOG_LOOKS,
	};
	for (unsigned thread = 0; thread < threads->count; thread++) {
		watchdog->seen[thread].beats = threads->beats(threads->owner, thread);
		watchdog->seen[thread].moved_ns = now_ns;
	}
	threads->nudge(threads->owner);
	loop_timer(loop, &watchdog->timer, now_ns + watchdog->look_ns);
}
