/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_queue.h - frames on their way to the disk: one thread takes them from the ring, another writes them, and a
 * disk that stands still for a moment costs memory, not frames. The frames stay held (pinned in the ring, or copies)
 * until the taker has them back: it alone may use the handle that they are from.
 */
#ifndef LUMARING_CLI_RECORD_QUEUE_H
#define LUMARING_CLI_RECORD_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <lumaring/lumaring.h>

#define RECORD_QUEUE_FRAMES 4096u /* that a handle can hold */

/* In the writer's thread; 0 or a negative errno, and then it is not called again. */
typedef int (*record_queue_write)(void *user, const struct lumaring_frame *frame);

struct record_queue {
	pthread_t thread;
	pthread_mutex_t mutex; /* of what stands below */
	pthread_cond_t to_writer, to_taker;
	const struct lumaring_frame *frames[RECORD_QUEUE_FRAMES];
	uint64_t put, done, reaped; /* frames so far; done >= reaped */
	int error;                  /* the writer's; what is not done then never will be */
	bool ending;                /* nothing will be put any more */
	record_queue_write write;
	void *user;
};

/* Starts the writer's thread. 0 or a negative errno. */
int record_queue_start(struct record_queue *queue, record_queue_write write, void *user);

/* Frames that are held. */
unsigned record_queue_held(struct record_queue *queue);

/* Held, and not written yet. */
unsigned record_queue_waiting(struct record_queue *queue);

/* There is room: the taker has looked at record_queue_held(). */
void record_queue_put(struct record_queue *queue, const struct lumaring_frame *frame);

/* A frame that is written, in order, to be released; NULL: none now. */
const struct lumaring_frame *record_queue_reap(struct record_queue *queue);

/* After record_queue_stop(): a frame that was not written, in order; NULL: no more. */
const struct lumaring_frame *record_queue_take_back(struct record_queue *queue);

/* Wait until there is something to reap, or the writer failed, at most so long. */
void record_queue_wait(struct record_queue *queue, int timeout_ms);

/* 0, or what the writer failed with. */
int record_queue_error(struct record_queue *queue);

/* Ends the thread once all is written or the writer failed; the queue can still be asked and emptied. */
void record_queue_stop(struct record_queue *queue);

#endif
