/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source.h - where frames come from: one table of operations for all sources.
 *
 * A source delivers *events* in order through source_fetch(): a format before the first frame and whenever it changes,
 * frames, and what becomes of the source. It has a thread or a device of its own; the daemon's capture thread fetches
 * and releases, its main thread opens, starts, stops and destroys. A source never calls into the daemon.
 */
#ifndef LUMARING_SOURCE_H
#define LUMARING_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lumaring/layout.h>

#include "base/pixels.h"

struct source;

/* What every frame looks like until the next format event. */
struct source_format {
	uint32_t width, height;     /* pixels, 1..LUMARING_EXTENT_MAX */
	enum pixels pixels;         /* how they lie in the capture buffer; planar: its luma plane */
	uint32_t stride;            /* bytes between rows in the capture buffer, more than a row has */
	bool uncached;              /* the CPU reads capture buffers past its caches */
	uint32_t luma_range;        /* enum lumaring_luma_range */
	uint32_t sensor_clock;      /* enum lumaring_clock */
	uint32_t frame_duration_us; /* 0: unpaced */
};

/* One captured frame. The buffer belongs to the fetcher until source_release(). */
struct source_frame {
	const uint8_t *image; /* height rows of stride bytes, format as announced; page-aligned */
	unsigned buffer;      /* for source_release() */
	unsigned behind;      /* frames of the same format that were complete and waiting when this one was fetched */
	uint64_t sensor_ns;   /* 0: none */
	uint64_t ready_ns;    /* CLOCK_MONOTONIC when it was complete in the buffer */
	uint64_t camera_sequence;
	uint32_t frame_duration_us, exposure_us, analogue_gain_milli; /* 0: unknown */
	uint32_t lost[LUMARING_LOST_CAUSES]; /* lost between the frame before and this one, by cause; only causes that
						take no sequence */
};

enum source_event_kind {
	SOURCE_FRAME,  /* .frame */
	SOURCE_FORMAT, /* .format: the frames after this event have it */
	SOURCE_PAUSED, /* nothing comes for now (no writer at the pipe); the next frame ends it, with or without a
			  format */
	SOURCE_LOST,   /* the camera is gone; the source looks for it */
	SOURCE_ENDED,  /* final: the footage is over */
	SOURCE_FAILED, /* final: .text says in one sentence what was wrong and where */
};

struct source_event {
	enum source_event_kind kind;
	union {
		struct source_frame frame;
		struct source_format format;
		char text[320];
	};
};

/* What the command line and the configuration say; every source reads what concerns it. */
struct source_config {
	const char *name;                    /* "libcamera", "replay", "raw", "synthetic" */
	const char *path;                    /* replay, raw: file, FIFO, or "-" for standard input */
	uint32_t width, height;              /* 0: the source's own; raw has none */
	struct pixels_layout layout;         /* name NULL: the source's own; raw has none */
	uint32_t row_bytes;                  /* raw: from one row to the next, 0: what the pixels take */
	uint64_t frame_bytes;                /* raw: from one frame to the next, 0: rows and colour */
	enum lumaring_luma_range luma_range; /* raw, 0: full */
	uint64_t frame_duration_ns;          /* 0: the source's own */
	bool unpaced;                        /* as fast as frames are taken */
	bool loop;             /* replay, raw: a file begins again at its end, a FIFO waits for its next writer */
	unsigned buffer_count; /* capture buffers, 0: SOURCE_BUFFERS */
};

#define SOURCE_BUFFERS 6u
#define SOURCE_BUFFERS_MAX 64u

struct source_operations {
	const char *name;
	/* Check the configuration and open. On failure a negative errno and one sentence in `text`. Never blocks: a
	 * FIFO without a writer is opened all the same. */
	int (*open)(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes);
	/* Begin to deliver frames. The format event may come before. */
	int (*start)(struct source *source);
	/* A descriptor that is readable while source_fetch() has something; it stays the same for the source's life. */
	int (*fd)(const struct source *source);
	/* Take the next event: 0, or -EAGAIN when there is none. The descriptor is then not readable, but for a ring
	 * that comes late of an event that was fetched already: it costs one more look. Never blocks. */
	int (*fetch)(struct source *source, struct source_event *ret_event);
	/* Give a frame's buffer back, in any order. Never blocks. */
	void (*release)(struct source *source, unsigned buffer);
	/* True: like a camera, a frame that comes too late is worth nothing, and old ones are skipped for new ones.
	 * False: every frame counts and the source waits. */
	bool (*is_live)(const struct source *source);
	/* Stop and free; blocks until its thread has ended (at once, also when it reads from a silent pipe). */
	void (*destroy)(struct source *source);
};

/* Every source begins with this. */
struct source {
	const struct source_operations *operations;
};

/*
 * Find the source by config->name and open it. -ENOENT: no such source; -ENOTSUP: this build lacks it; else as its own
 * open(). `text` says it in one sentence.
 */
int source_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes);

static inline int source_start(struct source *source)
{
	return source->operations->start(source);
}

static inline int source_fd(const struct source *source)
{
	return source->operations->fd(source);
}

static inline int source_fetch(struct source *source, struct source_event *ret_event)
{
	return source->operations->fetch(source, ret_event);
}

static inline void source_release(struct source *source, unsigned buffer)
{
	source->operations->release(source, buffer);
}

static inline bool source_is_live(const struct source *source)
{
	return source->operations->is_live(source);
}

static inline void source_destroy(struct source *source)
{
	if (source)
		source->operations->destroy(source);
}

#endif
