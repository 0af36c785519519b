/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * footage.h - what the sources that read frames from a file, a FIFO or standard input ("-") have in common.
 *
 * Lossless: it waits for buffers and delivers every whole frame, at its pace (which can change, unless it is unpaced)
 * or as frames are taken. Size and pixel format are what was recorded, and there are no controls. camera_sequence
 * counts frames from 1 and goes on over loops and writers.
 *
 * A writer of a pipe that is there and silent, when a frame might have come, is told of once: SOURCE_PAUSED with its
 * quiet_ns (feeder_wait_data()); it may go on at any time.
 *
 * With `loop` a file begins again at its end. A FIFO then waits for its next writer, which begins where footage begins;
 * a writer may leave at any place, and the frame it left unfinished is counted as LUMARING_LOST_SENSOR. Without `loop`
 * such a frame is SOURCE_FAILED.
 *
 * A kind of footage is what struct footage_kind says; all of it runs in the feeder's thread but `opened`.
 */
#ifndef LUMARING_SOURCE_FOOTAGE_H
#define LUMARING_SOURCE_FOOTAGE_H

#include "source/feeder.h"
#include "source/input.h"

/* Bytes of a path that sentences show, so that their end still fits. */
#define FOOTAGE_NAME_BYTES 72u

/* Returned beside 0 and negative errnos: this pass over the file, or this writer of the pipe, is over. */
#define FOOTAGE_OVER 1

struct footage;

struct footage_kind {
	const char *name; /* of the source */
	const char *file; /* what it reads, for sentences: "a Y4M file" */
	const struct source_operations *operations;
	/* Owner. The input is at its beginning; leave it there. Find what is wrong with a regular file. */
	int (*opened)(struct footage *footage, const struct source_config *config);
	/* Deliver what lies between the beginning and the end of the data: FOOTAGE_OVER, or why not. */
	int (*stream)(struct footage *footage);
};

struct footage {
	struct feeder feeder; /* stays first */
	const struct footage_kind *kind;
	struct input input;
	char *path;
	char name[FOOTAGE_NAME_BYTES]; /* of the file, for sentences */

	uint32_t width, height;      /* asked for, 0: any */
	struct pixels_layout layout; /* asked for; name NULL: any */
	bool loop, fifo;

	/* How a frame lies in the data: the kind's. */
	size_t row_bytes;    /* of the rows that are kept, */
	size_t rows;         /* which come first */
	uint64_t rest_bytes; /* and what follows them, to be skipped */

	uint64_t start;           /* offset of the first byte; not 0 if standard input was read before */
	uint64_t frames;          /* delivered in this pass */
	uint64_t camera_sequence; /* of the newest frame */
	uint32_t lost;            /* frames since then that their writer left unfinished */
};

/* The operations of a kind but for its name and `open`. */
#define FOOTAGE_OPERATIONS                                                                                             \
	.capabilities = footage_capabilities, .check = footage_check, .set_rate = feeder_set_rate,                     \
	.start = feeder_start, .fd = feeder_fd, .fetch = feeder_fetch, .release = feeder_release,                      \
	.is_live = footage_is_live, .destroy = footage_destroy

int footage_open(const struct footage_kind *kind, const struct source_config *config, struct source **ret_source,
		 char *text, size_t text_bytes);
void footage_capabilities(const struct source *source, struct source_capabilities *ret_capabilities);
int footage_check(const struct source *source, const struct source_settings *wanted,
		  struct source_settings *ret_settings, struct source_fault *ret_fault);
bool footage_is_live(const struct source *source);
void footage_destroy(struct source *source);

/* Bytes of a frame in the data. */
uint64_t footage_frame_bytes(const struct footage *footage);

/* Writers of a FIFO that waits for the next one may leave at any place: that is how they usually end. */
bool footage_expects_more(const struct footage *footage);

/* A regular file has `bytes_needed` bytes from its beginning to the end of one frame; `what` takes so many. */
int footage_check_size(struct footage *footage, const char *what, uint64_t bytes_needed);

/* A sentence on an input that failed with `error`; -ECANCELED is handed on. Returns `error`. */
int footage_unreadable(struct footage *footage, int error);

/*
 * Read a frame and deliver it when it is due. What belongs to it began at `offset`; `begun`: something of it was read
 * already, so that data which end here have cut it off.
 */
int footage_frame(struct footage *footage, uint64_t offset, bool begun);

/* The data end within the frame that began at `offset`, after so many of its bytes: FOOTAGE_OVER or an error. */
int footage_cut_off(struct footage *footage, uint64_t offset, uint64_t bytes);

#endif
