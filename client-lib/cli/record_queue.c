/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record_queue.c - see record_queue.h. Two threads, one lock, which nobody holds while bytes are written. Signals are
 * the taker's: the writer blocks them all.
 */
#include "record_queue.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static void *run(void *argument)
{
	struct record_queue *queue = argument;

	pthread_mutex_lock(&queue->mutex);
	while (queue->error == 0 && (queue->done < queue->put || !queue->ending)) {
		const struct lumaring_frame *frame;
		int r;

		if (queue->done == queue->put) {
			pthread_cond_wait(&queue->to_writer, &queue->mutex);
			continue;
		}
		frame = queue->frames[queue->done % RECORD_QUEUE_FRAMES];
		pthread_mutex_unlock(&queue->mutex);
		r = queue->write(queue->user, frame);
		pthread_mutex_lock(&queue->mutex);
		if (r < 0)
			queue->error = r;
		else
			queue->done++;
		pthread_cond_signal(&queue->to_taker);
	}
	pthread_mutex_unlock(&queue->mutex);
	return NULL;
}

int record_queue_start(struct record_queue *queue, record_queue_write write, void *user)
{
	pthread_condattr_t attributes;
	sigset_t all, before;
	int r;

	memset(queue, 0, sizeof(*queue));
	queue->write = write;
	queue->user = user;
	pthread_mutex_init(&queue->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->to_writer, &attributes);
	pthread_cond_init(&queue->to_taker, &attributes);
	pthread_condattr_destroy(&attributes);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&queue->thread, NULL, run, queue);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

/* One number of the other thread's. */
#define LOOK(queue, expression)                                                                                        \
	(__extension__({                                                                                               \
		pthread_mutex_lock(&(queue)->mutex);                                                                   \
		__typeof__(expression) value = (expression);                                                           \
		pthread_mutex_unlock(&(queue)->mutex);                                                                 \
		value;                                                                                                 \
	}))

unsigned record_queue_held(struct record_queue *queue)
{
	return LOOK(queue, (unsigned)(queue->put - queue->reaped));
}

unsigned record_queue_waiting(struct record_queue *queue)
{
	return LOOK(queue, (unsigned)(queue->put - queue->done));
}

int record_queue_error(struct record_queue *queue)
{
	return LOOK(queue, queue->error);
}

void record_queue_put(struct record_queue *queue, const struct lumaring_frame *frame)
{
	pthread_mutex_lock(&queue->mutex);
	queue->frames[queue->put++ % RECORD_QUEUE_FRAMES] = frame;
	pthread_cond_signal(&queue->to_writer);
	pthread_mutex_unlock(&queue->mutex);
}

const struct lumaring_frame *record_queue_reap(struct record_queue *queue)
{
	const struct lumaring_frame *frame = NULL;

	pthread_mutex_lock(&queue->mutex);
	if (queue->reaped < queue->done)
		frame = queue->frames[queue->reaped++ % RECORD_QUEUE_FRAMES];
	pthread_mutex_unlock(&queue->mutex);
	return frame;
}

const struct lumaring_frame *record_queue_take_back(struct record_queue *queue)
{
	return queue->reaped < queue->put ? queue->frames[queue->reaped++ % RECORD_QUEUE_FRAMES] : NULL;
}

void record_queue_wait(struct record_queue *queue, int timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&queue->mutex);
	while (queue->error == 0 && queue->done == queue->reaped)
		if (pthread_cond_timedwait(&queue->to_taker, &queue->mutex, &until) != 0)
			break;
	pthread_mutex_unlock(&queue->mutex);
}

void record_queue_stop(struct record_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->ending = true;
	pthread_cond_signal(&queue->to_writer);
	pthread_mutex_unlock(&queue->mutex);
	pthread_join(queue->thread, NULL);
}
