/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feeder.h - what the stand-in sources share: a thread that produces frames, the capture buffers it fills, and the
 * queue of events from it to whoever fetches.
 *
 * A source embeds struct feeder as its first member and hands feeder_launch() a function that makes frames. Three
 * sides, marked at each call: *owner* opens, starts, changes, stops and destroys; *consumer*, one thread, fetches and
 * releases, takes no lock and never waits; *producer* is the feeder's own thread with all signals blocked, and may wait
 * for a buffer, a time, a pipe. All its waits end at once when the owner stops or finishes the feeder.
 *
 * What the owner wants of the frames to come (a *wish*: pace and controls) is handed over without either side waiting.
 * For a change of size the producer has to stand still in feeder_wait_start(); then all of the feeder but the queue's
 * tail and the buffers that are out is the owner's until it is started again.
 *
 * Buffers are of the kind a camera fills: page-aligned, rows FEEDER_STRIDE apart, so a stride is never a width, and
 * padding bytes that hold FEEDER_PADDING, so a reader who takes one for the other is found out.
 */
#ifndef LUMARING_SOURCE_FEEDER_H
#define LUMARING_SOURCE_FEEDER_H

#include <pthread.h>

#include "base/clock.h"
#include "base/limits.h"
#include "source/wish.h"

#define FEEDER_PADDING 0xa5
#define FEEDER_STRIDE(row_bytes) (((row_bytes) + 32u + 63u) / 64u * 64u)

/* Events that fit the queue, a power of two: every buffer, and as much again for what happens between frames. */
#define FEEDER_EVENTS (2u * SOURCE_BUFFERS_MAX)

/* Time between frames of a paced source: LIMIT_FRAMERATE, and one frame an hour. */
#define FEEDER_PERIOD_MIN_NS ((uint64_t)(1e9 / LIMIT_FRAMERATE))
#define FEEDER_PERIOD_MAX_NS (3600 * NS_PER_SECOND)

struct feeder_buffer {
	uint8_t *pixels; /* NULL: not used yet */
	size_t bytes;
	uint8_t *spare; /* NULL, or larger memory that takes the place of `pixels` when nobody holds these any more */
	size_t spare_bytes;
	struct source_format format; /* that its padding lies around */
};

struct feeder {
	struct source source; /* stays first: the operations get its address */
	int ready_fd;         /* consumer's: readable while the queue has something */
	int owner_fd;         /* wakes the producer from every wait: there is an order or a wish */
	int wake_fd;          /* wakes it from feeder_sleep(): the consumer did something */
	int timer_fd;         /* producer's */
	int parked_fd;        /* wakes the owner: the producer stands still */
	unsigned buffer_count;
	struct feeder_buffer buffers[SOURCE_BUFFERS_MAX];

	int (*produce)(struct feeder *feeder);
	pthread_t thread;
	bool launched, unpaced;

	/* Owner to producer. */
	struct wish_exchange wishes;
	uint64_t run;   /* atomic: 0 not started yet, odd running, else stopped */
	bool finishing; /* atomic */

	/* Producer to owner. */
	uint64_t parked;        /* atomic: the `run` in which it stands still */
	bool over;              /* atomic: it has ended */
	uint64_t announced;     /* atomic: width, height and pixels of `format`, see feeder_announced() */
	uint64_t own_period_ns; /* atomic: 0: none */

	uint64_t free_buffers; /* atomic: bit per buffer that belongs to the producer */
	uint64_t head;         /* atomic: events posted */
	uint64_t tail;         /* atomic: events fetched */
	bool sleeping;         /* atomic: the producer may be waiting for wake_fd */

	struct source_format format;                         /* as announced; width 0: not yet */
	unsigned next_buffer;                                /* buffers are used in turn */
	uint64_t period_ns;                                  /* of the frames to come, 0: unpaced */
	uint64_t frame_period_ns;                            /* of the frame that is being made */
	uint64_t due_ns;                                     /* of the frame before, 0: none since the start */
	uint64_t expected_ns;                                /* since when data for the next one might have come */
	bool paused;                                         /* was told since the last one */
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

/* Owner. The durations of check(): moved into what is possible, and 0 where the source has no pace of its own. */
int feeder_check_rate(const struct feeder *feeder, const struct source_settings *wanted,
		      struct source_settings *ret_settings, struct source_fault *ret_fault);

/* Owner. The time between frames that these durations give a source with a pace of its own (0: none). */
uint64_t feeder_period(const struct feeder *feeder, uint64_t min_ns, uint64_t max_ns, uint64_t own_ns);

/* Owner. Controls of the frames to come. */
void feeder_set_controls(struct feeder *feeder, const struct source_controls *controls);

/* What feeder_set_format() announces. */
struct feeder_picture {
	uint32_t width, height;
	enum pixels pixels;
	uint32_t row_bytes; /* that the source writes, padding of its own included; 0: what the pixels take */
	enum lumaring_luma_range luma_range;
};

/* Any side. -EFBIG, and one sentence that begins with `where`: the buffers take more than LIMIT_POOL_BYTES. */
int feeder_check_pool(const struct feeder *feeder, const char *where, const struct feeder_picture *picture, char *text,
		      size_t text_bytes);

/*
 * Owner, of a feeder that was stopped or not started yet. See to it that each buffer has memory for such a picture when
 * it is used next; what is large enough stays. All buffers or none: -EFBIG, -ENOMEM, and a sentence in feeder->text.
 */
int feeder_reserve(struct feeder *feeder, const char *where, const struct feeder_picture *picture);

/* Owner. What was announced last, as far as the producer has come: false: nothing yet. */
bool feeder_announced(const struct feeder *feeder, uint32_t *ret_width, uint32_t *ret_height, enum pixels *ret_pixels);

/* Rows of the operations table that are the same for all; sides as source.h says. stop() is for producers that
 * return to feeder_wait_start() from an -EINTR. */
int feeder_start(struct source *source);
int feeder_stop(struct source *source, char *text, size_t text_bytes);
int feeder_set_rate(struct source *source, uint64_t frame_duration_min_ns, uint64_t frame_duration_max_ns, char *text,
		    size_t text_bytes);
int feeder_fd(const struct source *source);
int feeder_fetch(struct source *source, struct source_event *ret_event);
void feeder_release(struct source *source, unsigned buffer);

/* --- producer's side ------------------------------------------------------------------------------------------
 * -ECANCELED from any of them: finishing, return it. -EINTR: stopped, return to feeder_wait_start(). */

/* 0, -ECANCELED or -EINTR: for work that takes long without any of the calls below. */
int feeder_orders(const struct feeder *feeder);

/* The pace that the source has of itself, 0: as fast as frames are taken. Takes the wish that is there, too. The owner
 * may call it before feeder_launch(). */
void feeder_set_own_period(struct feeder *feeder, uint64_t period_ns);

/* What the owner wants of the frame that is being made. */
const struct wish *feeder_wish(const struct feeder *feeder);

/*
 * Announce what the frames after this call look like, if that differs. `where` begins the sentence of a failure, which
 * is that of feeder_check_pool(). The owner may call it before feeder_launch().
 */
int feeder_set_format(struct feeder *feeder, const char *where, const struct feeder_picture *picture);

/* Wait until source_start() was called; at once while the source runs. Time begins anew after a stop. */
int feeder_wait_start(struct feeder *feeder);

/* Wait until the descriptor has something to read, or its other side is gone. */
int feeder_wait_readable(struct feeder *feeder, int fd);

/*
 * The same for the descriptor that frames come from. If none came for FEEDER_QUIET_NS, or FEEDER_QUIET_FRAMES periods
 * where that is more, the consumer is told once: SOURCE_PAUSED. What does not count is the time in which the producer
 * waited for anything else: the consumer, a start, the time of a frame. Time begins with feeder_expect(). Before the
 * first frame since the start it is FEEDER_QUIET_FIRST_NS at most, since whoever starts us waits for an answer.
 */
#define FEEDER_QUIET_NS NS_PER_SECOND
#define FEEDER_QUIET_FRAMES 5u
#define FEEDER_QUIET_FIRST_NS (15 * NS_PER_SECOND)
int feeder_wait_data(struct feeder *feeder, int fd);
void feeder_expect(struct feeder *feeder);

/* Post SOURCE_PAUSED, with its quiet_ns: until the next frame nothing more is said of data that do not come. */
int feeder_pause(struct feeder *feeder, uint64_t quiet_ns);

/* Wait until CLOCK_MONOTONIC deadline_ns; at once when that is past. FEEDER_NEWS, earlier: there is a wish. */
#define FEEDER_NEWS 1
int feeder_wait_until(struct feeder *feeder, uint64_t deadline_ns);

bool feeder_is_finishing(const struct feeder *feeder);

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

/*
 * Wait until the next frame is due, as these two say; *ret_due_ns is 0 for a source without a pace. A wish counts from
 * the frame on that is waited for; a frame that is late already keeps the old pace, and the one after it has the new.
 * From one pace to the next no frame is lost, nor comes before the new period has passed; it comes at once when more
 * than that has.
 */
int feeder_wait_due(struct feeder *feeder, uint64_t *ret_due_ns);
int feeder_wait_tick(struct feeder *feeder, uint64_t *ret_due_ns, uint64_t *ret_skipped);

/*
 * Hand a taken buffer to the consumer; image, buffer and duration of *frame are filled in. If it fails the buffer has
 * been put back.
 */
int feeder_deliver(struct feeder *feeder, unsigned buffer, struct source_frame frame);

/* Post an event that carries nothing. */
int feeder_post(struct feeder *feeder, enum source_event_kind kind);

#endif
