/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feeder.c - see feeder.h: producer and consumer. A queue between the two, a bit per free buffer, and one way to sleep.
 *
 * The consumer never waits: it tells the producer by an atomic store and rings wake_fd only when the producer says that
 * it sleeps. The owner rings owner_fd whatever the producer does. Every wait of the producer is a poll() on two
 * descriptors, one of which is owner_fd.
 */
#include "source/feeder_private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* --- waking each other -------------------------------------------------------------------------------------- */

int feeder_poll(struct feeder *feeder, int fd, int timeout_ms, bool *ret_ready)
{
	struct pollfd fds[] = {
		{ .fd = feeder->owner_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};

	while (poll(fds, 2, timeout_ms) < 0) {
		if (errno != EINTR)
			return feeder_fail(feeder, -errno, "cannot wait for data: %s", strerror(errno));
	}
	if (fds[0].revents)
		bell_clear(feeder->owner_fd);
	*ret_ready = fds[1].revents != 0;
	return 0;
}

bool feeder_is_finishing(const struct feeder *feeder)
{
	/* O1 (acquire) pairs with O2 in feeder_finish(). The bell comes after the store, and is cleared before this
	 * load: what rings later wakes the next poll(). */
	return __atomic_load_n(&feeder->finishing, __ATOMIC_ACQUIRE);
}

int feeder_orders(const struct feeder *feeder)
{
	/* G1, as in feeder_wait_start(). */
	uint64_t run = __atomic_load_n(&feeder->run, __ATOMIC_ACQUIRE);

	if (feeder_is_finishing(feeder))
		return -ECANCELED;
	return run && run % 2 == 0 ? -EINTR : 0;
}

int feeder_wait_readable(struct feeder *feeder, int fd)
{
	bool ready = false;
	int rc = 0;

	while (!rc && !ready) {
		rc = feeder_orders(feeder);
		if (!rc)
			rc = feeder_poll(feeder, fd, -1, &ready);
	}
	return rc;
}

/* What kept the producer from looking for data since then is not the fault of whoever sends them. */
static void excuse(struct feeder *feeder, uint64_t since_ns)
{
	feeder->expected_ns += clock_monotonic_ns() - since_ns;
}

int feeder_wait_start(struct feeder *feeder)
{
	bool ready, stood = false;
	uint64_t since_ns = 0;
	int rc = 0;

	while (!rc) {
		/* G1 (acquire) pairs with G2 in feeder_start() and feeder_stop(): what the owner did to the feeder
		 * meanwhile. */
		uint64_t run = __atomic_load_n(&feeder->run, __ATOMIC_ACQUIRE);

		if (feeder_is_finishing(feeder))
			return -ECANCELED;
		if (run % 2)
			break;
		if (!stood)
			since_ns = clock_monotonic_ns();
		stood = true;
		if (feeder->parked != run) {
			/* P2 (release) pairs with P1 in await_parked(): all that was done to the feeder until now. */
			__atomic_store_n(&feeder->parked, run, __ATOMIC_RELEASE);
			bell_ring(feeder->parked_fd);
		}
		rc = feeder_poll(feeder, -1, -1, &ready);
	}
	if (stood) {
		feeder->due_ns = 0;
		excuse(feeder, since_ns);
	}
	if (!rc && !feeder->due_ns)
		feeder_adopt(feeder);
	return rc;
}

/* Producer. Wait until the consumer has done what `is_done` looks at. */
static int feeder_sleep(struct feeder *feeder, bool (*is_done)(const struct feeder *feeder))
{
	uint64_t since_ns;
	int rc = 0;

	if (is_done(feeder))
		return 0;
	since_ns = clock_monotonic_ns();
	while (!rc && !is_done(feeder)) {
		/* S1 (seq_cst) pairs with S2 in feeder_wake(): of the two stores, this one and the one is_done() looks
		 * at, at least one is seen by the other side, so either we do not sleep or the bell is rung. */
		__atomic_store_n(&feeder->sleeping, true, __ATOMIC_SEQ_CST);
		if (!is_done(feeder)) {
			rc = feeder_wait_readable(feeder, feeder->wake_fd);
			bell_clear(feeder->wake_fd);
		}
		/* Relaxed: a bell that rings for nothing costs one more look. */
		__atomic_store_n(&feeder->sleeping, false, __ATOMIC_RELAXED);
	}
	excuse(feeder, since_ns);
	return rc;
}

/* Consumer. Call after a seq_cst store that a sleeping producer may be waiting for. */
static void feeder_wake(struct feeder *feeder)
{
	/* S2 (seq_cst) pairs with S1 in feeder_sleep(). */
	if (__atomic_load_n(&feeder->sleeping, __ATOMIC_SEQ_CST))
		bell_ring(feeder->wake_fd);
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
	bell_ring(feeder->ready_fd);
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
		bell_clear(feeder->ready_fd);
		head = feeder_head(feeder);
		if (head == tail)
			return -EAGAIN;
		bell_ring(feeder->ready_fd);
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

int feeder_post(struct feeder *feeder, enum source_event_kind kind)
{
	struct source_event event = { .kind = kind };

	if (kind == SOURCE_FAILED)
		memcpy(event.text, feeder->text, sizeof(event.text));
	return feeder_push(feeder, &event);
}

int feeder_set_format(struct feeder *feeder, const char *where, const struct feeder_picture *picture)
{
	struct source_event event = {
		.kind = SOURCE_FORMAT,
		.format = {
			.width = picture->width,
			.height = picture->height,
			.pixels = picture->pixels,
			.stride = (uint32_t)feeder_stride(picture),
			.luma_range = picture->luma_range,
			.sensor_clock = LUMARING_CLOCK_MONOTONIC,
			.frame_duration_us = feeder_us(feeder->period_ns),
		},
	};
	int rc = feeder_check_pool(feeder, where, picture, feeder->text, sizeof(feeder->text));

	if (rc || memcmp(&event.format, &feeder->format, sizeof(event.format)) == 0)
		return rc;
	rc = feeder_push(feeder, &event);
	if (rc)
		return rc;
	feeder->format = event.format;
	/* Relaxed: a word that stands alone. */
	__atomic_store_n(&feeder->announced,
			 picture->width | (uint64_t)picture->height << 16 | (uint64_t)picture->pixels << 32,
			 __ATOMIC_RELAXED);
	return 0;
}

/* --- data that do not come ---------------------------------------------------------------------------------- */

void feeder_expect(struct feeder *feeder)
{
	feeder->expected_ns = clock_monotonic_ns();
}

int feeder_pause(struct feeder *feeder, uint64_t quiet_ns)
{
	const struct source_event event = { .kind = SOURCE_PAUSED, .quiet_ns = quiet_ns };
	int rc = feeder_push(feeder, &event);

	if (!rc)
		feeder->paused = true;
	return rc;
}

static uint64_t patience_ns(const struct feeder *feeder)
{
	uint64_t frames_ns = FEEDER_QUIET_FRAMES * feeder->period_ns;

	if (!feeder->due_ns && frames_ns > FEEDER_QUIET_FIRST_NS)
		frames_ns = FEEDER_QUIET_FIRST_NS;
	return frames_ns > FEEDER_QUIET_NS ? frames_ns : FEEDER_QUIET_NS;
}

/* How long there is nothing to be said yet, -1: any more. */
static int patience_left_ms(const struct feeder *feeder)
{
	uint64_t end_ns = feeder->expected_ns + patience_ns(feeder), now_ns = clock_monotonic_ns();

	if (feeder->paused)
		return -1;
	return end_ns > now_ns ? (int)((end_ns - now_ns) / NS_PER_MS + 1) : 0;
}

/* There is nothing now. */
static int note_silence(struct feeder *feeder)
{
	uint64_t quiet_ns = clock_monotonic_ns() - feeder->expected_ns;

	return feeder->paused || quiet_ns < patience_ns(feeder) ? 0 : feeder_pause(feeder, quiet_ns);
}

int feeder_wait_data(struct feeder *feeder, int fd)
{
	bool ready = false;
	int rc = 0;

	while (!rc && !ready) {
		rc = feeder_orders(feeder);
		if (!rc)
			rc = feeder_poll(feeder, fd, patience_left_ms(feeder), &ready);
		/* Whoever was held up finds data that have come meanwhile. */
		if (!rc && !ready)
			rc = note_silence(feeder);
	}
	return rc;
}

/* --- buffers ------------------------------------------------------------------------------------------------ */

uint8_t *feeder_map(size_t bytes)
{
	return memory_map(bytes);
}

void feeder_unmap(uint8_t *pixels, size_t bytes)
{
	memory_unmap(pixels, bytes);
}

/* Give a buffer that belongs to the producer at least so many bytes: its spare memory, or new one. */
static int feeder_grow(struct feeder *feeder, struct feeder_buffer *buffer, size_t bytes)
{
	if (buffer->spare_bytes < bytes) {
		feeder_unmap(buffer->spare, buffer->spare_bytes);
		buffer->spare = feeder_map(bytes);
		buffer->spare_bytes = buffer->spare ? bytes : 0;
	}
	if (!buffer->spare)
		return feeder_fail(feeder, -ENOMEM, "no memory for a capture buffer of %zu bytes (%ux%u pixels)", bytes,
				   feeder->format.width, feeder->format.height);
	feeder_unmap(buffer->pixels, buffer->bytes);
	buffer->pixels = buffer->spare;
	buffer->bytes = buffer->spare_bytes;
	buffer->spare = NULL;
	buffer->spare_bytes = 0;
	return 0;
}

/* Make a buffer that belongs to the producer fit the format; what it held is lost. */
static int feeder_fit(struct feeder *feeder, struct feeder_buffer *buffer)
{
	const struct source_format *format = &feeder->format;
	size_t bytes = (size_t)format->stride * format->height;
	int rc = 0;

	if (buffer->pixels && buffer->format.width == format->width && buffer->format.height == format->height &&
	    buffer->format.pixels == format->pixels && buffer->format.stride == format->stride)
		return 0;
	if (buffer->bytes < bytes)
		rc = feeder_grow(feeder, buffer, bytes);
	if (rc)
		return rc;
	memset(buffer->pixels, FEEDER_PADDING, bytes);
	buffer->format = *format;
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
	int rc = feeder_orders(feeder);

	if (!rc)
		rc = feeder_sleep(feeder, has_buffer);
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
	int rc;

	event.frame.image = feeder->buffers[buffer].pixels;
	event.frame.buffer = buffer;
	event.frame.frame_duration_us = feeder_us(feeder->frame_period_ns);
	event.frame.sensor_clock = LUMARING_CLOCK_MONOTONIC;
	feeder->expected_ns = frame.ready_ns;
	feeder->paused = false;
	rc = feeder_push(feeder, &event);
	if (rc)
		feeder_put_back(feeder, buffer);
	return rc;
}
