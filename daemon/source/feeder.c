/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feeder.c - see feeder.h. A queue of one producer and one consumer, a bit per free buffer, and one way to sleep.
 *
 * The consumer never waits: it tells the producer by an atomic store and rings wake_fd only when the producer says that
 * it sleeps. Every wait of the producer is a poll() on two descriptors, one of which is stop_fd.
 */
#include "source/feeder.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* --- waking each other -------------------------------------------------------------------------------------- */

/* An eventfd is only full after 2^64 - 2 rings that nobody heard, and is readable then: nothing to do. */
static void ring_bell(int fd)
{
	uint64_t one = 1;
	ssize_t written = write(fd, &one, sizeof(one));

	(void)written;
}

static void clear_bell(int fd)
{
	uint64_t rings;
	ssize_t got = read(fd, &rings, sizeof(rings));

	(void)got; /* EAGAIN: it was clear */
}

/* Producer. Wait until `fd` is readable or hung up. */
int feeder_wait_readable(struct feeder *feeder, int fd)
{
	struct pollfd fds[] = {
		{ .fd = feeder->stop_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0) {
		if (errno != EINTR)
			return feeder_fail(feeder, -errno, "cannot wait for data: %s", strerror(errno));
	}
	return fds[0].revents ? -ECANCELED : 0;
}

/* A timer of its own, since poll()'s timeout is relative and may come 50 us late by the default timer slack. */
int feeder_wait_until(struct feeder *feeder, uint64_t deadline_ns)
{
	struct itimerspec deadline = {
		.it_value = { .tv_sec = (time_t)(deadline_ns / NS_PER_SECOND),
			      .tv_nsec = (long)(deadline_ns % NS_PER_SECOND) },
	};

	if (clock_monotonic_ns() >= deadline_ns)
		return 0;
	if (timerfd_settime(feeder->timer_fd, TFD_TIMER_ABSTIME, &deadline, NULL))
		return feeder_fail(feeder, -errno, "cannot set a timer: %s", strerror(errno));
	return feeder_wait_readable(feeder, feeder->timer_fd);
}

/* Producer. Wait until the consumer or the owner has done what `is_done` looks at. */
static int feeder_sleep(struct feeder *feeder, bool (*is_done)(const struct feeder *feeder))
{
	int rc = 0;

	while (!rc && !is_done(feeder)) {
		/* S1 (seq_cst) pairs with S2 in feeder_wake(): of the two stores, this one and the one is_done() looks
		 * at, at least one is seen by the other side, so either we do not sleep or the bell is rung. */
		__atomic_store_n(&feeder->sleeping, true, __ATOMIC_SEQ_CST);
		if (!is_done(feeder)) {
			rc = feeder_wait_readable(feeder, feeder->wake_fd);
			clear_bell(feeder->wake_fd);
		}
		/* Relaxed: a bell that rings for nothing costs one more look. */
		__atomic_store_n(&feeder->sleeping, false, __ATOMIC_RELAXED);
	}
	return rc;
}

/* Consumer, owner. Call after a seq_cst store that a sleeping producer may be waiting for. */
static void feeder_wake(struct feeder *feeder)
{
	/* S2 (seq_cst) pairs with S1 in feeder_sleep(). */
	if (__atomic_load_n(&feeder->sleeping, __ATOMIC_SEQ_CST))
		ring_bell(feeder->wake_fd);
}

static bool has_started(const struct feeder *feeder)
{
	/* G1 (seq_cst, for S1) pairs with G2 in feeder_start(). */
	return __atomic_load_n(&feeder->started, __ATOMIC_SEQ_CST);
}

static bool has_buffer(const struct feeder *feeder)
{
	/* B1 (seq_cst, for S1) pairs with B2 in feeder_release(): the reader is done before the buffer is filled. */
	return __atomic_load_n(&feeder->free_buffers, __ATOMIC_SEQ_CST) != 0;
}

static bool has_room(const struct feeder *feeder)
{
	/* Q3 (seq_cst, for S1) pairs with Q4 in feeder_fetch(): an event is copied out before its place is reused.
	 * `head` is the producer's own: relaxed. */
	return __atomic_load_n(&feeder->head, __ATOMIC_RELAXED) - __atomic_load_n(&feeder->tail, __ATOMIC_SEQ_CST) <
	       FEEDER_EVENTS;
}

bool feeder_is_stopping(const struct feeder *feeder)
{
	/* Relaxed, without a partner: only a hint to end early, the waits and the join are what is relied on. */
	return __atomic_load_n(&feeder->stopping, __ATOMIC_RELAXED);
}

int feeder_wait_start(struct feeder *feeder)
{
	return feeder_sleep(feeder, has_started);
}

/* --- events ------------------------------------------------------------------------------------------------- */

static int feeder_push(struct feeder *feeder, const struct source_event *event)
{
	uint64_t head = feeder->head;
	int rc = feeder_sleep(feeder, has_room);

	if (rc)
		return rc;
	feeder->events[head % FEEDER_EVENTS] = *event;
	/* Q1 (release) pairs with Q2: the event, and the pixels it speaks of, before the count. */
	__atomic_store_n(&feeder->head, head + 1, __ATOMIC_RELEASE);
	ring_bell(feeder->ready_fd);
	return 0;
}

static uint64_t feeder_head(const struct feeder *feeder)
{
	/* Q2 (acquire) pairs with Q1 in feeder_push(). */
	return __atomic_load_n(&feeder->head, __ATOMIC_ACQUIRE);
}

/* Frames of the same format that wait from `at` on. */
static unsigned feeder_count_waiting(const struct feeder *feeder, uint64_t at, uint64_t head)
{
	unsigned count = 0;

	for (; at != head; at++) {
		enum source_event_kind kind = feeder->events[at % FEEDER_EVENTS].kind;

		if (kind == SOURCE_FORMAT)
			break;
		if (kind == SOURCE_FRAME)
			count++;
	}
	return count;
}

int feeder_fetch(struct source *source, struct source_event *ret_event)
{
	struct feeder *feeder = (struct feeder *)source;
	uint64_t tail = feeder->tail, head = feeder_head(feeder);

	if (head == tail) {
		/* Clear, then look again: an event posted before the clearing is seen here, and one posted after it has
		 * its own ring. What is found here may have lost its ring, so it is rung for once more. */
		clear_bell(feeder->ready_fd);
		head = feeder_head(feeder);
		if (head == tail)
			return -EAGAIN;
		ring_bell(feeder->ready_fd);
	}
	*ret_event = feeder->events[tail % FEEDER_EVENTS];
	if (ret_event->kind == SOURCE_FRAME)
		ret_event->frame.behind = feeder_count_waiting(feeder, tail + 1, head);
	/* Q4 (seq_cst, for S2) pairs with Q3 in has_room(). */
	__atomic_store_n(&feeder->tail, tail + 1, __ATOMIC_SEQ_CST);
	feeder_wake(feeder);
	return 0;
}

int feeder_fd(const struct source *source)
{
	return ((const struct feeder *)source)->ready_fd;
}

int feeder_start(struct source *source)
{
	struct feeder *feeder = (struct feeder *)source;

	/* G2 (seq_cst, for S2) pairs with G1 in has_started(). */
	__atomic_store_n(&feeder->started, true, __ATOMIC_SEQ_CST);
	feeder_wake(feeder);
	return 0;
}

int feeder_post(struct feeder *feeder, enum source_event_kind kind)
{
	struct source_event event = { .kind = kind };

	if (kind == SOURCE_FAILED)
		memcpy(event.text, feeder->text, sizeof(event.text));
	return feeder_push(feeder, &event);
}

int feeder_set_format(struct feeder *feeder, const char *where, const struct feeder_picture *picture,
		      uint64_t period_ns)
{
	uint64_t row_bytes =
		picture->row_bytes ? picture->row_bytes : pixels_row_bytes(picture->pixels, picture->width);
	uint64_t stride = FEEDER_STRIDE(row_bytes), bytes = stride * picture->height * feeder->buffer_count;
	struct source_event event = {
		.kind = SOURCE_FORMAT,
		.format = {
			.width = picture->width,
			.height = picture->height,
			.pixels = picture->pixels,
			.stride = (uint32_t)stride,
			.luma_range = picture->luma_range,
			.sensor_clock = LUMARING_CLOCK_MONOTONIC,
			.frame_duration_us = (uint32_t)((period_ns + NS_PER_US / 2) / NS_PER_US),
		},
	};

	if (bytes > FEEDER_POOL_BYTES_MAX)
		return feeder_fail(
			feeder, -EFBIG,
			"%s: %u capture buffers for %ux%u pixels take %llu bytes and at most %llu are allowed; "
			"use a smaller image",
			where, feeder->buffer_count, picture->width, picture->height, (unsigned long long)bytes,
			(unsigned long long)FEEDER_POOL_BYTES_MAX);
	if (memcmp(&event.format, &feeder->format, sizeof(event.format)) == 0)
		return 0;
	feeder->format = event.format;
	return feeder_push(feeder, &event);
}

/* --- buffers ------------------------------------------------------------------------------------------------ */

static void feeder_unmap(struct feeder_buffer *buffer)
{
	if (buffer->pixels)
		munmap(buffer->pixels, buffer->bytes);
	buffer->pixels = NULL;
}

/* Make a buffer that belongs to the producer fit the format; what it held is lost. */
static int feeder_fit(struct feeder *feeder, struct feeder_buffer *buffer)
{
	const struct source_format *format = &feeder->format;
	size_t bytes = (size_t)format->stride * format->height;
	void *pixels;

	if (buffer->pixels && buffer->format.width == format->width && buffer->format.height == format->height &&
	    buffer->format.pixels == format->pixels && buffer->format.stride == format->stride)
		return 0;
	feeder_unmap(buffer);
	pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pixels == MAP_FAILED)
		return feeder_fail(feeder, -ENOMEM, "no memory for a capture buffer of %zu bytes (%ux%u pixels)", bytes,
				   format->width, format->height);
	memset(pixels, FEEDER_PADDING, bytes);
	*buffer = (struct feeder_buffer){ pixels, bytes, *format };
	return 0;
}

int feeder_try_take(struct feeder *feeder, unsigned *ret_buffer)
{
	/* B1, as in has_buffer(). Only this thread clears bits, so what is free here stays free. */
	uint64_t available = __atomic_load_n(&feeder->free_buffers, __ATOMIC_SEQ_CST);
	uint64_t from_next = available & ~UINT64_C(0) << feeder->next_buffer;
	unsigned buffer;
	int rc;

	if (!available)
		return -EAGAIN;
	buffer = (unsigned)__builtin_ctzll(from_next ? from_next : available);
	rc = feeder_fit(feeder, &feeder->buffers[buffer]);
	if (rc)
		return rc;
	/* Relaxed: nobody but the producer acts on a bit that is clear; the order was B1's. */
	__atomic_fetch_and(&feeder->free_buffers, ~(UINT64_C(1) << buffer), __ATOMIC_RELAXED);
	feeder->next_buffer = (buffer + 1) % feeder->buffer_count;
	*ret_buffer = buffer;
	return 0;
}

int feeder_take(struct feeder *feeder, unsigned *ret_buffer)
{
	int rc = feeder_is_stopping(feeder) ? -ECANCELED : feeder_sleep(feeder, has_buffer);

	return rc ? rc : feeder_try_take(feeder, ret_buffer);
}

void feeder_put_back(struct feeder *feeder, unsigned buffer)
{
	/* Relaxed: the producer gives it to itself. */
	__atomic_fetch_or(&feeder->free_buffers, UINT64_C(1) << buffer, __ATOMIC_RELAXED);
}

void feeder_release(struct source *source, unsigned buffer)
{
	struct feeder *feeder = (struct feeder *)source;

	/* B2 (seq_cst, for S2) pairs with B1: all reads of the pixels before the producer has the buffer. */
	__atomic_fetch_or(&feeder->free_buffers, UINT64_C(1) << buffer, __ATOMIC_SEQ_CST);
	feeder_wake(feeder);
}

int feeder_deliver(struct feeder *feeder, unsigned buffer, struct source_frame frame)
{
	struct source_event event = { .kind = SOURCE_FRAME, .frame = frame };

	event.frame.image = feeder->buffers[buffer].pixels;
	event.frame.buffer = buffer;
	event.frame.frame_duration_us = feeder->format.frame_duration_us;
	return feeder_push(feeder, &event);
}

/* --- time --------------------------------------------------------------------------------------------------- */

uint64_t feeder_next_due(struct feeder *feeder, uint64_t period_ns, uint64_t now_ns)
{
	bool first = !feeder->due_ns;

	feeder->due_ns += period_ns;
	if (first || now_ns > feeder->due_ns + period_ns)
		feeder->due_ns = now_ns;
	return feeder->due_ns;
}

uint64_t feeder_next_tick(struct feeder *feeder, uint64_t period_ns, uint64_t now_ns, uint64_t *ret_skipped)
{
	uint64_t skipped = 0;

	if (!feeder->due_ns)
		feeder->due_ns = now_ns;
	else
		feeder->due_ns += period_ns;
	if (now_ns > feeder->due_ns + feeder->buffer_count * period_ns) {
		skipped = (now_ns - feeder->due_ns) / period_ns;
		feeder->due_ns += skipped * period_ns;
	}
	*ret_skipped = skipped;
	return feeder->due_ns;
}

/* --- owner's side ------------------------------------------------------------------------------------------- */

int feeder_fail(struct feeder *feeder, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(feeder->text, sizeof(feeder->text), format, arguments);
	va_end(arguments);
	return error;
}

static int feeder_check(struct feeder *feeder, const struct source_config *config)
{
	uint64_t period_ns = config->settings.frame_duration_min_ns;

	if (config->buffer_count > SOURCE_BUFFERS_MAX)
		return feeder_fail(feeder, -EINVAL, "%u capture buffers were asked for, 1..%u are possible",
				   config->buffer_count, SOURCE_BUFFERS_MAX);
	if (period_ns && (period_ns < FEEDER_PERIOD_MIN_NS || period_ns > FEEDER_PERIOD_MAX_NS))
		return feeder_fail(feeder, -EINVAL,
				   "a frame every %llu ns was asked for; from %g a second to one an hour are possible",
				   (unsigned long long)period_ns, LIMIT_FRAMERATE);
	return 0;
}

int feeder_init(struct feeder *feeder, const struct source_operations *operations, const struct source_config *config)
{
	int rc;

	feeder->source.operations = operations;
	feeder->ready_fd = feeder->stop_fd = feeder->wake_fd = feeder->timer_fd = -1;
	feeder->buffer_count = config->buffer_count ? config->buffer_count : SOURCE_BUFFERS;
	rc = feeder_check(feeder, config);
	if (rc)
		return rc;
	feeder->free_buffers = ~UINT64_C(0) >> (64 - feeder->buffer_count);
	feeder->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	feeder->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	feeder->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	feeder->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (feeder->ready_fd < 0 || feeder->stop_fd < 0 || feeder->wake_fd < 0 || feeder->timer_fd < 0)
		return feeder_fail(feeder, -errno, "no descriptors for the source's thread: %s", strerror(errno));
	return 0;
}

static void *feeder_thread(void *argument)
{
	struct feeder *feeder = argument;
	int rc = feeder->produce(feeder);

	if (rc != -ECANCELED)
		feeder_post(feeder, rc ? SOURCE_FAILED : SOURCE_ENDED);
	return NULL;
}

int feeder_launch(struct feeder *feeder, const char *name, int (*produce)(struct feeder *feeder))
{
	sigset_t all, before;
	int rc;

	feeder->produce = produce;
	/* The thread inherits the mask, so no signal can reach it, not even while it begins. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&feeder->thread, NULL, feeder_thread, feeder);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return feeder_fail(feeder, -rc, "cannot begin the source's thread: %s", strerror(rc));
	feeder->launched = true;
	pthread_setname_np(feeder->thread, name);
	return 0;
}

void feeder_finish(struct feeder *feeder)
{
	int fds[] = { feeder->ready_fd, feeder->stop_fd, feeder->wake_fd, feeder->timer_fd };

	if (feeder->launched) {
		/* Relaxed: see feeder_is_stopping(). */
		__atomic_store_n(&feeder->stopping, true, __ATOMIC_RELAXED);
		ring_bell(feeder->stop_fd);
		pthread_join(feeder->thread, NULL);
	}
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++)
		feeder_unmap(&feeder->buffers[i]);
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}
