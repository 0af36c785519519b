/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * script_source.h - a source whose every event a test gives, one at a time, and which notes what the daemon asks of it.
 * Given by the test's thread, fetched and released by the capture thread.
 */
#ifndef LUMARING_TESTS_SCRIPT_SOURCE_H
#define LUMARING_TESTS_SCRIPT_SOURCE_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "source/source.h"

#define SCRIPT_HANG_MS 60000
#define SCRIPT_EVENTS 32u
#define SCRIPT_WIDTH 640u
#define SCRIPT_HEIGHT 480u
#define SCRIPT_STRIDE 1024u

static uint8_t script_image[SCRIPT_STRIDE * SCRIPT_HEIGHT] __attribute__((aligned(4096)));

static struct {
	struct source source;
	int fd, news_fd;
	struct source_event events[SCRIPT_EVENTS];
	uint64_t given, fetched; /* atomic */
	uint64_t begun;          /* atomic */
	uint64_t released;       /* atomic: bit per buffer */
	uint64_t started;        /* atomic */
	int error;               /* atomic: of begin_read() */
	bool stored;             /* it is no camera */
} script;

/* Whoever waits looks again. */
static inline void script_tell(void)
{
	uint64_t one = 1;

	(void)!write(script.news_fd, &one, sizeof(one));
}

static inline void script_wait(const char *what)
{
	struct pollfd poll_fd = { .fd = script.news_fd, .events = POLLIN };
	uint64_t count;

	if (poll(&poll_fd, 1, SCRIPT_HANG_MS) != 1)
		fail_msg("this did not happen: %s", what);
	assert_int_equal(read(script.news_fd, &count, sizeof(count)), sizeof(count));
}

static inline int script_fd(const struct source *source)
{
	(void)source;
	return script.fd;
}

static inline int script_fetch(struct source *source, struct source_event *ret_event)
{
	uint64_t fetched = script.fetched, count = 1;

	(void)source;
	if (fetched == __atomic_load_n(&script.given, __ATOMIC_ACQUIRE)) {
		(void)!read(script.fd, &count, sizeof(count));
		if (fetched == __atomic_load_n(&script.given, __ATOMIC_ACQUIRE))
			return -EAGAIN;
		count = 1; /* what came in between may have lost its ring */
		(void)!write(script.fd, &count, sizeof(count));
	}
	*ret_event = script.events[fetched % SCRIPT_EVENTS];
	__atomic_store_n(&script.fetched, fetched + 1, __ATOMIC_RELEASE);
	return 0;
}

static inline int script_start(struct source *source)
{
	(void)source;
	__atomic_fetch_add(&script.started, 1, __ATOMIC_SEQ_CST);
	script_tell();
	return 0;
}

static inline int script_begin_read(struct source *source, unsigned buffer)
{
	(void)source;
	(void)buffer;
	__atomic_fetch_add(&script.begun, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&script.error, __ATOMIC_SEQ_CST);
}

static inline void script_release(struct source *source, unsigned buffer)
{
	(void)source;
	__atomic_fetch_or(&script.released, UINT64_C(1) << buffer, __ATOMIC_SEQ_CST);
	script_tell();
}

static inline bool script_is_live(const struct source *source)
{
	(void)source;
	return !script.stored;
}

static inline void script_destroy(struct source *source)
{
	(void)source;
}

#define SCRIPT_OPERATIONS                                                                                              \
	.name = "script", .start = script_start, .fd = script_fd, .fetch = script_fetch,                               \
	.begin_read = script_begin_read, .release = script_release, .is_live = script_is_live,                         \
	.destroy = script_destroy

static inline void script_init(const struct source_operations *operations)
{
	memset(&script, 0, sizeof(script));
	script.source.operations = operations;
	script.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	script.news_fd = eventfd(0, EFD_CLOEXEC);
}

static inline void script_finish(void)
{
	close(script.fd);
	close(script.news_fd);
}

static inline void script_give(const struct source_event *event)
{
	uint64_t one = 1;

	assert_true(script.given - __atomic_load_n(&script.fetched, __ATOMIC_ACQUIRE) < SCRIPT_EVENTS);
	script.events[script.given % SCRIPT_EVENTS] = *event;
	__atomic_store_n(&script.given, script.given + 1, __ATOMIC_RELEASE);
	assert_int_equal(write(script.fd, &one, sizeof(one)), sizeof(one));
}

static inline struct source_format script_format(uint32_t width, uint32_t height)
{
	return (struct source_format){ .width = width,
				       .height = height,
				       .pixels = PIXELS_R8,
				       .stride = SCRIPT_STRIDE,
				       .luma_range = LUMARING_RANGE_FULL };
}

static inline void script_give_format(uint32_t width, uint32_t height)
{
	const struct source_event event = { .kind = SOURCE_FORMAT, .format = script_format(width, height) };

	script_give(&event);
}

/* One that is damaged has been overtaken as well. */
static inline void script_give_frame(unsigned buffer, uint32_t clock, bool damaged)
{
	const struct source_event event = { .kind = SOURCE_FRAME,
					    .frame = { .image = script_image,
						       .buffer = buffer,
						       .ready_ns = 1,
						       .sensor_clock = clock,
						       .damaged = damaged,
						       .behind = damaged } };

	script_give(&event);
}

/* Until the buffer of a frame is back: all is done with it but telling. */
static inline void script_await_released(unsigned buffer)
{
	while (!(__atomic_load_n(&script.released, __ATOMIC_SEQ_CST) & UINT64_C(1) << buffer))
		script_wait("a buffer comes back");
}

#endif
