/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feeder.h - what the stand-in sources share: a thread that produces frames, the capture buffers it fills, and the
 * queue of events from it to whoever fetches.
 *
 * A source embeds struct feeder as its first member and hands feeder_launch() a function that makes frames. Three
 * sides, marked at each call: *owner* opens, starts and destroys; *consumer*, one thread, fetches and releases, takes
 * no lock and never waits; *producer* is the feeder's own thread with all signals blocked, and may wait for a buffer, a
 * time, a pipe. All its waits end at once when the owner finishes the feeder.
 *
 * Buffers are of the kind a camera fills: page-aligned, rows FEEDER_STRIDE apart, so a stride is never a width, and
 * padding bytes that hold FEEDER_PADDING, so a reader who takes one for the other is found out.
 */
#ifndef LUMARING_SOURCE_FEEDER_H
#define LUMARING_SOURCE_FEEDER_H

#include <pthread.h>

#include "base/clock.h"
#include "base/limits.h"
#include "source/source.h"

#define FEEDER_PADDING 0xa5
#define FEEDER_STRIDE(row_bytes) (((row_bytes) + 32u + 63u) / 64u * 64u)

/* Events that fit the queue, a power of two: every buffer, and as much again for what happens between frames. */
#define FEEDER_EVENTS (2u * SOURCE_BUFFERS_MAX)

/* All capture buffers of one source. */
#define FEEDER_POOL_BYTES_MAX (UINT64_C(2) << 30)

/* Time between frames of a paced source: LIMIT_FRAMERATE, and one frame an hour. */
#define FEEDER_PERIOD_MIN_NS ((uint64_t)(1e9 / LIMIT_FRAMERATE))
#define FEEDER_PERIOD_MAX_NS (3600 * NS_PER_SECOND)

struct feeder_buffer {
	uint8_t *pixels; /* NULL: not used yet */
	size_t bytes;
	struct source_format format; /* that its padding lies around */
};

struct feeder {
	struct source source; /* stays first: the operations get its address */
	int ready_fd;         /* consumer's: readable while the queue has something */
	int stop_fd;          /* readable for good once the owner finishes */
	int wake_fd;          /* wakes the producer from feeder_sleep() */
	int timer_fd;         /* producer's */
	unsigned buffer_count;
	struct feeder_buffer buffers[SOURCE_BUFFERS_MAX];

	int (*produce)(struct feeder *feeder);
	pthread_t thread;
	bool launched;

	uint64_t free_buffers; /* atomic: bit per buffer that belongs to the producer */
	uint64_t head;         /* atomic: events posted */
	uint64_t tail;         /* atomic: events fetched */
	bool sleeping;         /* atomic: the producer may be waiting for wake_fd */
	bool started;          /* atomic */
	bool stopping;         /* atomic */

	struct source_format format;                         /* as announced; width 0: not yet */
	unsigned next_buffer;                                /* buffers are used in turn */
	uint64_t due_ns;                                     /* of the frame before */
	char text[sizeof(((struct source_event *)0)->text)]; /* why it failed */
	struct source_event events[FEEDER_EVENTS];
};

/*
 * Owner. Prepare a zeroed feeder; check what all stand-in sources have in common. 0, or a negative errno and one
 * sentence in feeder->text; feeder_finish() is due in both cases.
 */
int feeder_init(struct feeder *feeder, const struct source_operations *operations, const struct source_config *config);

/*
 * Owner. Begin the thread, which calls `produce` once: what it returns is announced as SOURCE_ENDED (0), as
 * SOURCE_FAILED with feeder->text (negative errno), or not at all (-ECANCELED: finishing). `name` is the thread's.
 */
int feeder_launch(struct feeder *feeder, const char *name, int (*produce)(struct feeder *feeder));

/* Owner. End the thread, give everything back. Buffers and queue are gone, whoever holds them. */
void feeder_finish(struct feeder *feeder);

/* Owner. Write a sentence to feeder->text; returns `error`, so that a failure is one statement. Producer, too. */
int feeder_fail(struct feeder *feeder, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The rows of the operations table that are the same for all; sides as source.h says. */
int feeder_start(struct source *source);
int feeder_fd(const struct source *source);
int feeder_fetch(struct source *source, struct source_event *ret_event);
void feeder_release(struct source *source, unsigned buffer);

/* --- producer's side; -ECANCELED from any of them: finishing, return it ----------------------------------- */

/* What feeder_set_format() announces. */
struct feeder_picture {
	uint32_t width, height;
	enum pixels pixels;
	uint32_t row_bytes; /* that the source writes, padding of its own included; 0: what the pixels take */
	enum lumaring_luma_range luma_range;
};

/*
 * Announce what the frames after this call look like, if that differs. `where` begins the sentence of a failure: -EFBIG
 * when the buffers would take more than FEEDER_POOL_BYTES_MAX. The owner may call it before feeder_launch().
 */
int feeder_set_format(struct feeder *feeder, const char *where, const struct feeder_picture *picture,
		      uint64_t period_ns);

/* Wait until source_start() was called. */
int feeder_wait_start(struct feeder *feeder);

/* Wait until the descriptor has something to read, or its other side is gone. */
int feeder_wait_readable(struct feeder *feeder, int fd);

/* Wait until CLOCK_MONOTONIC deadline_ns; at once when that is past. */
int feeder_wait_until(struct feeder *feeder, uint64_t deadline_ns);

bool feeder_is_stopping(const struct feeder *feeder);

/*
 * Take a free buffer for a frame of the announced format. feeder_take() waits for one; feeder_try_take() says -EAGAIN.
 * -ENOMEM with a sentence when there is no memory.
 */
int feeder_take(struct feeder *feeder, unsigned *ret_buffer);
int feeder_try_take(struct feeder *feeder, unsigned *ret_buffer);
void feeder_put_back(struct feeder *feeder, unsigned buffer);

/*
 * The time of the next frame of a lossless source: one period after that of the frame before, or now when that is more
 * than a period ago, so that a delay is never made good by a burst. Does not wait. now_ns is CLOCK_MONOTONIC.
 */
uint64_t feeder_next_due(struct feeder *feeder, uint64_t period_ns, uint64_t now_ns);

/*
 * The time of the next frame of a live source, one period after that of the frame before; *ret_skipped ticks are lost
 * when the thread is more periods late than there are buffers, as a camera's would be. Does not wait.
 */
uint64_t feeder_next_tick(struct feeder *feeder, uint64_t period_ns, uint64_t now_ns, uint64_t *ret_skipped);

/* Hand a taken buffer to the consumer; image and buffer of *frame are filled in. */
int feeder_deliver(struct feeder *feeder, unsigned buffer, struct source_frame frame);

/* Post an event that carries nothing. */
int feeder_post(struct feeder *feeder, enum source_event_kind kind);

#endif
