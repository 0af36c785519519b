/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_log.c - libcamera's log goes into ours: any of its threads leaves a line here and goes on, the keeper writes
 * it down. A line that finds no room is dropped and counted.
 */
#include "source/device_private.h"

#include <string.h>

#define LINES 64u
#define LINE_BYTES 256u

/* Lines that are told apart while each is written once. */
#define ONCE_MAX 64u

static struct {
	pthread_mutex_t lock; /* held for one copy of a line */
	int bell_fd;          /* -1: nobody listens */
	unsigned head, count, dropped;
	struct {
		enum log_level level;
		char text[LINE_BYTES];
	} lines[LINES];
} log_ring = { .lock = PTHREAD_MUTEX_INITIALIZER, .bell_fd = -1 };

static struct {
	unsigned count;
	uint64_t hashes[ONCE_MAX];
} once;

static void on_line(enum log_level level, const char *text)
{
	pthread_mutex_lock(&log_ring.lock);
	if (log_ring.count == LINES) {
		log_ring.dropped++;
	} else {
		unsigned at = (log_ring.head + log_ring.count++) % LINES;

		log_ring.lines[at].level = level;
		strncpy(log_ring.lines[at].text, text, LINE_BYTES - 1);
	}
	if (log_ring.bell_fd >= 0)
		bell_ring(log_ring.bell_fd);
	pthread_mutex_unlock(&log_ring.lock);
}

void device_log_listen(int bell_fd)
{
	once.count = 0;
	pthread_mutex_lock(&log_ring.lock);
	log_ring.bell_fd = bell_fd;
	pthread_mutex_unlock(&log_ring.lock);
	libcamera_set_log(bell_fd < 0 ? NULL : on_line);
}

/* False: there is none. */
static bool take_line(enum log_level *ret_level, char text[LINE_BYTES], unsigned *ret_dropped)
{
	bool any;

	pthread_mutex_lock(&log_ring.lock);
	any = log_ring.count > 0;
	if (any) {
		*ret_level = log_ring.lines[log_ring.head].level;
		memcpy(text, log_ring.lines[log_ring.head].text, LINE_BYTES);
		log_ring.head = (log_ring.head + 1) % LINES;
		log_ring.count--;
	}
	*ret_dropped = log_ring.dropped;
	log_ring.dropped = 0;
	pthread_mutex_unlock(&log_ring.lock);
	return any;
}

/* Was it written before? Lines are told apart by a hash (FNV-1a); of too many different ones some come again. */
static bool came_before(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	for (unsigned i = 0; i < once.count; i++)
		if (once.hashes[i] == hash)
			return true;
	if (once.count < ONCE_MAX)
		once.hashes[once.count++] = hash;
	return false;
}

void device_log_drain(bool only_once)
{
	static const struct log_fields fields = { .event = LOG_EVENT_LIBCAMERA };
	enum log_level level;
	char text[LINE_BYTES];
	unsigned dropped, all_dropped = 0;

	if (!only_once)
		once.count = 0;
	for (unsigned i = 0; i < LINES && take_line(&level, text, &dropped); i++) {
		all_dropped += dropped;
		if (!only_once || !came_before(text))
			log_event(level, &fields, "libcamera: %s", text);
	}
	if (all_dropped)
		log_event(LOG_LEVEL_WARNING, &fields, "libcamera: %u more lines, which came too fast", all_dropped);
}
