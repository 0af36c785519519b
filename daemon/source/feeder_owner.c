/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feeder_owner.c - see feeder.h: what the owner does to a feeder. None of it waits for the consumer. Only a stop, a
 * reservation and the end wait for the producer, which sees the order at its next wait, and after each row of pixels
 * that it makes; what takes longest is to fill a buffer that is used for the first time.
 */
#include "source/feeder_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

int feeder_fail(struct feeder *feeder, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(feeder->text, sizeof(feeder->text), format, arguments);
	va_end(arguments);
	return error;
}

/* --- beginning and end -------------------------------------------------------------------------------------- */

static int open_descriptors(struct feeder *feeder)
{
	feeder->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	feeder->owner_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	feeder->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	feeder->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	feeder->parked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (feeder->ready_fd < 0 || feeder->owner_fd < 0 || feeder->wake_fd < 0 || feeder->timer_fd < 0 ||
	    feeder->parked_fd < 0)
		return feeder_fail(feeder, -errno, "no descriptors for the source's thread: %s", strerror(errno));
	return 0;
}

int feeder_init(struct feeder *feeder, const struct source_operations *operations, const struct source_config *config)
{
	struct source_settings settings = config->settings;
	struct source_fault fault;
	int rc;

	feeder->source.operations = operations;
	feeder->ready_fd = feeder->owner_fd = feeder->wake_fd = feeder->timer_fd = feeder->parked_fd = -1;
	feeder->buffer_count = config->buffer_count ? config->buffer_count : SOURCE_BUFFERS;
	feeder->unpaced = config->unpaced;
	feeder->parked = UINT64_MAX; /* nowhere yet */
	if (config->buffer_count > SOURCE_BUFFERS_MAX)
		return feeder_fail(feeder, -EINVAL, "%u capture buffers were asked for, 1..%u are possible",
				   config->buffer_count, SOURCE_BUFFERS_MAX);
	rc = feeder_check_rate(feeder, &config->settings, &settings, &fault);
	if (rc)
		return feeder_fail(feeder, rc, "%s", fault.text);
	wish_init(&feeder->wishes, &(struct wish){ .frame_duration_min_ns = settings.frame_duration_min_ns,
						   .frame_duration_max_ns = settings.frame_duration_max_ns });
	feeder->free_buffers = ~UINT64_C(0) >> (64 - feeder->buffer_count);
	return open_descriptors(feeder);
}

static void *feeder_thread(void *argument)
{
	struct feeder *feeder = argument;
	int rc = feeder->produce(feeder);

	if (rc != -ECANCELED) {
		/* Stopped while the queue is full: when it is started again. */
		while (feeder_post(feeder, rc ? SOURCE_FAILED : SOURCE_ENDED) == -EINTR && !feeder_wait_start(feeder))
			;
	}
	/* P2 (release) pairs with P1 in await_parked(). */
	__atomic_store_n(&feeder->over, true, __ATOMIC_RELEASE);
	bell_ring(feeder->parked_fd);
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
	int fds[] = { feeder->ready_fd, feeder->owner_fd, feeder->wake_fd, feeder->timer_fd, feeder->parked_fd };

	if (feeder->launched) {
		/* O2 (release) pairs with O1 in feeder_is_finishing(). */
		__atomic_store_n(&feeder->finishing, true, __ATOMIC_RELEASE);
		bell_ring(feeder->owner_fd);
		pthread_join(feeder->thread, NULL);
	}
	for (unsigned i = 0; i < SOURCE_BUFFERS_MAX; i++) {
		feeder_unmap(feeder->buffers[i].pixels, feeder->buffers[i].bytes);
		feeder_unmap(feeder->buffers[i].spare, feeder->buffers[i].spare_bytes);
	}
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* --- pace and controls -------------------------------------------------------------------------------------- */

static uint64_t possible_ns(uint64_t duration_ns)
{
	if (duration_ns && duration_ns < FEEDER_PERIOD_MIN_NS)
		return FEEDER_PERIOD_MIN_NS;
	return duration_ns < FEEDER_PERIOD_MAX_NS ? duration_ns : FEEDER_PERIOD_MAX_NS;
}

int feeder_check_rate(const struct feeder *feeder, const struct source_settings *wanted,
		      struct source_settings *ret_settings, struct source_fault *ret_fault)
{
	/* Relaxed: see feeder_set_own_period(). */
	uint64_t own_ns = __atomic_load_n(&feeder->own_period_ns, __ATOMIC_RELAXED);
	uint64_t min_ns = wanted->frame_duration_min_ns, max_ns = wanted->frame_duration_max_ns;

	if (feeder->unpaced && (min_ns || max_ns))
		return source_refuse(
			ret_fault, -ENOTSUP, "frame_duration_us",
			"the source %s is unpaced, frames come as fast as they are taken: start it without "
			"unpaced to give it a rate",
			feeder->source.operations->name);
	if (min_ns && max_ns && min_ns > max_ns)
		return source_refuse(ret_fault, -EINVAL, "frame_duration_us.minimum",
				     "the shortest time from frame to frame, %u us, is more than the longest, %u us",
				     feeder_us(min_ns), feeder_us(max_ns));
	if (!min_ns)
		min_ns = max_ns && max_ns < own_ns ? max_ns : own_ns;
	if (!max_ns)
		max_ns = min_ns < own_ns ? own_ns : min_ns;
	ret_settings->frame_duration_min_ns = feeder->unpaced ? 0 : possible_ns(min_ns);
	ret_settings->frame_duration_max_ns = feeder->unpaced ? 0 : possible_ns(max_ns);
	return 0;
}

static void send_wish(struct feeder *feeder)
{
	wish_send(&feeder->wishes);
	bell_ring(feeder->owner_fd);
}

int feeder_set_rate(struct source *source, uint64_t frame_duration_min_ns, uint64_t frame_duration_max_ns, char *text,
		    size_t text_bytes)
{
	struct feeder *feeder = (struct feeder *)source;

	if (feeder->unpaced && (frame_duration_min_ns || frame_duration_max_ns))
		return snprintf(text, text_bytes, "the source %s is unpaced: it has no rate", source->operations->name),
		       -ENOTSUP;
	feeder->wishes.wished.frame_duration_min_ns = frame_duration_min_ns;
	feeder->wishes.wished.frame_duration_max_ns = frame_duration_max_ns;
	send_wish(feeder);
	return 0;
}

void feeder_set_controls(struct feeder *feeder, const struct source_controls *controls)
{
	feeder->wishes.wished.controls = *controls;
	send_wish(feeder);
}

/* --- stop, configure, start --------------------------------------------------------------------------------- */

/* Wait until the producer stands still, or has ended. */
static void await_parked(struct feeder *feeder)
{
	struct pollfd fd = { .fd = feeder->parked_fd, .events = POLLIN };

	if (!feeder->launched)
		return;
	/* P1 (acquire) pairs with P2 in feeder_wait_start() and feeder_thread(): what the producer did to the feeder.
	 * `run` is the owner's own: relaxed. */
	while (__atomic_load_n(&feeder->parked, __ATOMIC_ACQUIRE) != __atomic_load_n(&feeder->run, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&feeder->over, __ATOMIC_ACQUIRE)) {
		poll(&fd, 1, -1);
		bell_clear(feeder->parked_fd);
	}
}

/* Set `run` to the next number that is odd (running), or even. */
static void set_running(struct feeder *feeder, bool running)
{
	uint64_t run = __atomic_load_n(&feeder->run, __ATOMIC_RELAXED);

	if ((run % 2 != 0) == running)
		return;
	/* G2 (release) pairs with G1 in feeder_wait_start(): what was done to the feeder while it stood still. */
	__atomic_store_n(&feeder->run, run + 1, __ATOMIC_RELEASE);
	bell_ring(feeder->owner_fd);
}

int feeder_start(struct source *source)
{
	set_running((struct feeder *)source, true);
	return 0;
}

int feeder_stop(struct source *source, char *text, size_t text_bytes)
{
	struct feeder *feeder = (struct feeder *)source;

	/* P1, as in await_parked(). */
	if (__atomic_load_n(&feeder->over, __ATOMIC_ACQUIRE))
		return snprintf(text, text_bytes, "the source %s is over: %s", source->operations->name,
				feeder->text[0] ? feeder->text : "it came to its end"),
		       -ENODEV;
	set_running(feeder, false);
	await_parked(feeder);
	return 0;
}

int feeder_check_pool(const struct feeder *feeder, const char *where, const struct feeder_picture *picture, char *text,
		      size_t text_bytes)
{
	uint64_t bytes = feeder_stride(picture) * picture->height * feeder->buffer_count;

	if (bytes <= LIMIT_POOL_BYTES)
		return 0;
	snprintf(text, text_bytes,
		 "%s: %u capture buffers for %ux%u pixels take %llu bytes and at most %llu are allowed; use a smaller "
		 "image",
		 where, feeder->buffer_count, picture->width, picture->height, (unsigned long long)bytes,
		 (unsigned long long)LIMIT_POOL_BYTES);
	return -EFBIG;
}

/* Memory for each buffer that has not enough: 0, or -ENOMEM with none. */
static int map_spares(const struct feeder *feeder, size_t bytes, uint8_t **ret_spares)
{
	for (unsigned i = 0; i < feeder->buffer_count; i++) {
		if (feeder->buffers[i].bytes >= bytes || feeder->buffers[i].spare_bytes >= bytes)
			continue;
		ret_spares[i] = feeder_map(bytes);
		if (ret_spares[i])
			continue;
		while (i-- > 0)
			feeder_unmap(ret_spares[i], bytes);
		return -ENOMEM;
	}
	return 0;
}

int feeder_reserve(struct feeder *feeder, const char *where, const struct feeder_picture *picture)
{
	size_t bytes = (size_t)feeder_stride(picture) * picture->height;
	uint8_t *spares[SOURCE_BUFFERS_MAX] = { 0 };
	int rc;

	await_parked(feeder);
	rc = feeder_check_pool(feeder, where, picture, feeder->text, sizeof(feeder->text));
	if (rc)
		return rc;
	if (map_spares(feeder, bytes, spares))
		return feeder_fail(feeder, -ENOMEM, "%s: no memory for %u capture buffers of %zu bytes (%ux%u pixels)",
				   where, feeder->buffer_count, bytes, picture->width, picture->height);
	for (unsigned i = 0; i < feeder->buffer_count; i++) {
		struct feeder_buffer *buffer = &feeder->buffers[i];

		if (!spares[i])
			continue;
		feeder_unmap(buffer->spare, buffer->spare_bytes);
		buffer->spare = spares[i];
		buffer->spare_bytes = bytes;
	}
	return 0;
}

bool feeder_announced(const struct feeder *feeder, uint32_t *ret_width, uint32_t *ret_height, enum pixels *ret_pixels)
{
	/* Relaxed: see feeder_set_format(). */
	uint64_t announced = __atomic_load_n(&feeder->announced, __ATOMIC_RELAXED);

	*ret_width = announced & 0xffff;
	*ret_height = announced >> 16 & 0xffff;
	*ret_pixels = (enum pixels)(announced >> 32);
	return *ret_width != 0;
}
