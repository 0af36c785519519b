/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lumaring.h - read the newest grey frames of a camera from shared memory. What the camera is to do, its size, rate,
 * streams and exposure, is changed by the calls of control.h, which stands beside this file.
 *
 * A daemon, lumaringd, owns the camera and copies the luma plane of each frame (or a region of it) into a ring in
 * shared memory. This library maps the ring read-only and hands out frames in place, without a copy. A complete
 * program:
 *
 *     #include <lumaring/lumaring.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *             struct lumaring *ring;
 *             const struct lumaring_frame *frame;
 *             int r = lumaring_open("cam0", "main", NULL, &ring);
 *             if (r < 0)
 *                     return fprintf(stderr, "%s\n", lumaring_strerror(r)), 1;
 *             while ((r = lumaring_latest(ring, 1000, &frame)) >= 0) {
 *                     if (r > 0)
 *                             continue;
 *                     printf("%ux%u, top left %u\n", frame->width, frame->height, frame->pixels[0]);
 *                     lumaring_release(ring, frame);
 *             }
 *             lumaring_close(ring);
 *             return 0;
 *     }
 *
 * Build: cc program.c $(pkg-config --cflags --libs lumaring)
 *
 * Pixels
 *
 * A stream has one pixel format: R8, a byte a pixel, the upper eight bits of what the camera gives; or R16, two bytes,
 * little endian, whose samples span all 16 bits whatever the camera gives (full range: 0 to 65535). It may bin: each
 * pixel is then the rounded mean of 2x2 of the captured image, and the odd column or row at the region's right or lower
 * edge is left out. frame->region is in pixels of the captured image in any case. The daemon's configuration says what a
 * shared stream has, struct lumaring_options what a private one has; frame->fourcc and frame->bin what you got, which
 * a daemon older than these options decides by itself: R8 and 1.
 *
 * Frames
 *
 * Each captured frame has a sequence, a number that only rises within an epoch. An epoch is one life of a ring: a
 * restart of the daemon, or a change of size beyond the ring's capacity, begins a new one. (epoch, sequence) names a
 * frame for good. A frame that you hold is either *pinned* (it lies in the ring and the daemon will not touch it) or
 * *copied* (the library copied it out and verified the copy). Two pins are granted to each client while there is room
 * (see struct lumaring_options); when yours are in use, or none was granted, you get copies. Either way the pixels are
 * whole and do not change while you hold the frame; hold it as long as you like, the daemon waits for nobody.
 *
 * Events
 *
 * A function that waits for frames returns 0 with a frame, or a positive enum lumaring_event when something else
 * happened in between, or a negative errno. Events are ordinary: note them or ignore them, and call again. The library
 * reconnects by itself when the daemon went away, within the time you allow each call.
 *
 * Waiting in a loop of your own
 *
 * lumaring_fd() is readable when a call with timeout 0 may return something. Call until it returns -EAGAIN, then poll.
 * The descriptor stays the same over reconnects.
 *
 * Many clients
 *
 * As a rule the daemon sends each client a notice of each frame. With LUMARING_FUTEX it adds to a word in memory that this
 * handle shares with it, and wakes the handle only when that waits: the cheapest way for daemon and client alike, one
 * system call each for a frame that was waited for, and no queue. It is for programs that wait inside lumaring_next() or
 * lumaring_latest(), above all where many of them read one camera. lumaring_fd() is not to be had then, and a daemon that
 * was killed is noticed up to 100 ms later.
 *
 * Threads
 *
 * The library makes no threads, installs no signal handlers and keeps no globals. Each function is tagged with one of
 *   [reentrant]    any thread, any time;
 *   [loop-bound]   one thread at a time for one handle; several handles are independent of each other.
 * A frame may be read by any thread between the call that returned it and its release.
 * A process that forks must not use the handle in the child: open another one there.
 *
 * Errors
 *
 * Functions return 0 (or a positive event) or a negative errno; outputs are untouched on failure. The codes are listed
 * at each function. lumaring_strerror() has a general sentence for each; lumaring_error_text() says what happened this
 * time, in the daemon's own words where it refused something. -EINTR is returned when a signal interrupts a wait and no
 * frame was there; a stop and a continue of the process may count as one.
 */
#ifndef LUMARING_H
#define LUMARING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LUMARING_VERSION_MAJOR 0
#define LUMARING_VERSION_MINOR 1
#define LUMARING_VERSION_PATCH 0

/* One reader of one stream. Opaque: made by lumaring_open(), freed by lumaring_close(). */
struct lumaring;

/* A rectangle in pixels of the captured image. */
struct lumaring_region {
	uint32_t x, y, width, height;
};

/* What a function that waits can return besides a frame. */
enum lumaring_event {
	/* Width, height, stride or format of the frames after this point differ from those before. */
	LUMARING_EVENT_GEOMETRY = 1,
	/* The daemon replaced the ring (a size beyond its capacity): the next frame has a new epoch. Nothing is lost by
	 * it that is not counted in `missed`; frames that you hold stay valid. */
	LUMARING_EVENT_REPLACED = 2,
	/* Connected anew after the daemon had gone, or after -EBADMSG: as a rule a new daemon with a new epoch, whose
	 * sequences start anew; what was captured in between is not known. Frames that you hold stay valid. */
	LUMARING_EVENT_RESTARTED = 3,
	/* The camera is gone; the daemon looks for it. */
	LUMARING_EVENT_SOURCE_LOST = 4,
	/* Frames come again after SOURCE_LOST. */
	LUMARING_EVENT_SOURCE_BACK = 5,
	/* The source ended or the daemon was stopped, and every frame that was still in the ring has been handed out.
	 * Calling again waits for a daemon to come back. */
	LUMARING_EVENT_CLOSED = 6,
	/* The daemon vanished without a word. Calling again waits for one to come back; lumaring_last() and
	 * lumaring_exact() find what is in its ring until another daemon begins to start. */
	LUMARING_EVENT_DISCONNECTED = 7,
};

/* Why frames are missing: indices of lumaring_frame.missed_by. 0..15 are the daemon's, as in layout.h. */
enum lumaring_missed {
	LUMARING_MISSED_UNREAD = 0,      /* captured while nobody read the stream, so not copied */
	LUMARING_MISSED_NO_SLOT = 1,     /* no slot was free */
	LUMARING_MISSED_COPY_LATE = 2,   /* the daemon's copy could not keep up */
	LUMARING_MISSED_RECONFIGURE = 3, /* captured while the ring was being replaced */
	LUMARING_MISSED_ERROR = 4,       /* damaged in the camera */
	LUMARING_MISSED_SENSOR = 8,      /* dropped by the sensor or its receiver, before it had a sequence */
	LUMARING_MISSED_CAMERA = 9,      /* a gap in the camera's own numbers, likewise */
	LUMARING_MISSED_CANCELLED = 10,  /* the camera's request was cancelled, likewise */
	LUMARING_MISSED_STARTUP = 11,    /* start-up frames not to be used, likewise */
	LUMARING_MISSED_SKIPPED = 16,    /* published, but this reader was too late for it, or asked for a newer one */
};
#define LUMARING_MISSED_CAUSES 17

/*
 * A frame. Made and owned by the library, constant until it is released; read any field directly. Fields are only ever
 * added at the end. Pixel (x, y) of an 8-bit frame is pixels[y * stride + x]; of a 16-bit frame the little-endian
 * sample at pixels[y * stride + 2 * x].
 */
struct lumaring_frame {
	const uint8_t *pixels;      /* first pixel, at least 64-byte aligned */
	uint32_t width, height;     /* pixels */
	uint32_t stride;            /* bytes from one row to the next, at least width times bytes per pixel */
	uint32_t fourcc;            /* DRM fourcc: LUMARING_FORMAT_R8 or _R16 of layout.h */
	uint64_t epoch, sequence;   /* the frame's identity; sequences begin at 1 */
	uint64_t publication;       /* counts the frames of this stream that were published, from 1 */
	uint64_t camera_sequence;   /* the camera's own number */
	uint64_t sensor_ns;         /* start of exposure or first row; clock as lumaring_info.sensor_clock; 0: none */
	uint64_t ready_ns;          /* CLOCK_MONOTONIC when the frame was complete in the capture buffer */
	uint64_t publish_ns;        /* CLOCK_MONOTONIC when it was published in the ring */
	struct lumaring_region region; /* where the pixels come from, in the captured image */
	uint32_t image_width, image_height; /* the captured image, pixels */
	uint32_t bin;               /* 1, or 2 where 2x2 pixels were averaged: pixel (x, y) comes from the image's pixels
	                               from (region.x + x * bin, region.y + y * bin) on */
	uint32_t generation;        /* counts changes of geometry within an epoch */
	uint32_t frame_duration_us; /* 0: unknown */
	uint32_t exposure_us;       /* 0: unknown */
	uint32_t analogue_gain_milli; /* thousandths; 0: unknown */
	uint32_t pinned;            /* 1: in the ring, pinned; 0: a verified copy */
	/* Frames between the one this handle returned before and this one that it did not return: those with a sequence
	 * (sequence minus the previous sequence minus 1), and all by cause. 0 for the first frame, after
	 * LUMARING_EVENT_RESTARTED, and for lumaring_exact(); within the frames of one lumaring_last() counted from the
	 * one before. */
	uint64_t missed;
	uint64_t missed_by[LUMARING_MISSED_CAUSES];
};

/* Flags of lumaring_options. */
#define LUMARING_COPY 1u    /* always copy out, ask for no cursor */
#define LUMARING_PRIVATE 2u /* make a stream of my own, with a region that I can move: see lumaring_set_region() */
#define LUMARING_OLDEST 4u  /* begin with what is in the ring already, instead of the first frame published later */
#define LUMARING_FUTEX 8u   /* wait on a word of my client page instead of the socket: see "Many clients" above */

/*
 * How to open. Fill with LUMARING_OPTIONS_INIT, then change what you need; `size` makes the struct extensible.
 */
struct lumaring_options {
	size_t size;             /* sizeof(struct lumaring_options) */
	const char *runtime_dir; /* NULL: $LUMARING_RUNTIME_DIR, else /run/lumaring if CAMERA/frames is there, else
	                            $XDG_RUNTIME_DIR/lumaring, else /run/lumaring */
	uint32_t flags;          /* LUMARING_COPY | ... */
	uint32_t cursors;        /* pins wanted, 0..8; fewer may be granted. Default 2 */
	uint32_t frames_max;     /* frames held at once, pinned and copied, 1..4096. Default 16 */
	int32_t timeout_ms;      /* how long lumaring_open() may wait for the daemon; -1: for ever. Default 2000 */
	struct lumaring_region region; /* LUMARING_PRIVATE: the first region; width or height 0: up to the edge */
	uint32_t width_max, height_max; /* LUMARING_PRIVATE: largest region, 0: the size of the first */
	uint32_t slots;          /* LUMARING_PRIVATE: slots of the ring, 0: the daemon's default */
	char *error_text;        /* NULL, or room for one sentence that says why lumaring_open() failed */
	size_t error_bytes;      /* bytes of error_text, the NUL included */
	uint32_t fourcc;         /* LUMARING_PRIVATE: LUMARING_FORMAT_R8 or _R16 of layout.h, 0: R8 */
	uint32_t bin;            /* LUMARING_PRIVATE: 1, or 2: each pixel the rounded mean of 2x2; 0: 1 */
};

#define LUMARING_OPTIONS_INIT \
	{ sizeof(struct lumaring_options), NULL, 0, 2, 16, 2000, { 0, 0, 0, 0 }, 0, 0, 0, NULL, 0, 0, 0 }

/* What is known of the stream. Fields are only ever added at the end. */
struct lumaring_info {
	uint64_t epoch;                    /* of the ring in use */
	uint8_t boot_id[16];               /* of the machine's boot the epoch belongs to */
	uint64_t ring_bytes;               /* size of the shared memory */
	uint64_t published;                /* newest publication in the ring, 0: none yet */
	uint32_t slot_count;               /* frames that fit */
	uint32_t width_max, height_max;    /* capacity, pixels of a frame: of its region, those divided by bin */
	uint32_t image_width, image_height; /* the captured image when the ring was handed over, pixels */
	uint32_t frame_duration_us;        /* when the connection was made; 0: unpaced or unknown. Each frame has its own */
	uint32_t cursors;                  /* pins granted */
	uint32_t state;                    /* enum lumaring_ring_state of layout.h */
	uint32_t luma_range;               /* enum lumaring_luma_range of layout.h */
	uint32_t sensor_clock;             /* enum lumaring_clock of layout.h */
	uint32_t daemon_pid;
	uint32_t connected;                /* 1 while the socket is up */
	char stream[33];                   /* name, also of a private stream */
	uint32_t futex;                    /* 1 while calls wait on the wake word (LUMARING_FUTEX) */
};

/*
 * [reentrant] Version of the library in use, "MAJOR.MINOR.PATCH". Static storage.
 */
const char *lumaring_version(void);

/*
 * [reentrant] Open a stream of a camera. `camera` NULL: $LUMARING_CAMERA, else "cam0". `stream` NULL: "main"; ignored
 * with LUMARING_PRIVATE. `options` NULL: the defaults. Waits until the daemon has a ring to hand over (a daemon that
 * reads from a pipe has none before the first header), at most options->timeout_ms.
 *
 * On success *ret_ring is yours until lumaring_close(). Errors:
 *   -EINVAL           a name, an option or a private region is out of range
 *   -ENOENT           no such stream
 *   -ECONNREFUSED     no daemon serves this camera there (also when its directory is missing)
 *   -EACCES           you may not connect: you are not in the daemon's group; the text has what makes you a member
 *   -EUSERS           the daemon has its limit of clients, of all or of your uid
 *   -EDQUOT           the private ring is beyond the daemon's limit, of bytes or of private streams
 *   -EBUSY            your uid attaches more often than the daemon allows; it was asked again until the time was over
 *   -ENOSPC           /dev/shm has no room for the private ring
 *   -EPROTONOSUPPORT  daemon and library have no protocol or layout version in common
 *   -ENOTSUP          LUMARING_FUTEX, and the daemon offers no word to wait on (one that does not know the flag refuses
 *                     it as -EINVAL)
 *   -EBADMSG          the daemon sent something that makes no sense: the text says what
 *   -ETIMEDOUT        the daemon did not answer, or had no ring yet, in time
 *   -EMFILE, -ENFILE  this process has no free descriptor; or the daemon has none, also when asked again
 *   -EINTR, -ENOMEM
 */
int lumaring_open(const char *camera, const char *stream, const struct lumaring_options *options,
		  struct lumaring **ret_ring);

/*
 * [loop-bound] Close, release every frame still held, free the handle. NULL is allowed.
 */
void lumaring_close(struct lumaring *ring);

/*
 * [loop-bound] A descriptor for poll(2)/epoll(7): readable when a call with timeout 0 may return something. It belongs
 * to the handle; do not read from it or close it. The first call makes it, later ones return the same. A handle that is
 * not asked for it is cheaper for the daemon and for itself. Errors: -EMFILE, -ENFILE, -ENOMEM; -ENOTSUP with
 * LUMARING_FUTEX.
 */
int lumaring_fd(struct lumaring *ring);

/*
 * [loop-bound] The next frame in order: the oldest one in the ring that is newer than the last one returned, so that a
 * reader that keeps up sees every published frame. What it did not see is in frame->missed and missed_by.
 *
 * timeout_ms: how long to wait for one; 0: do not wait; -1: for ever.
 * Returns 0 and *ret_frame (yours until lumaring_release()), or an enum lumaring_event, or
 *   -EAGAIN     timeout 0 and nothing new
 *   -ETIMEDOUT  nothing new within timeout_ms (also while the daemon is away, or too busy to take you back: the text
 *               says which)
 *   -EINTR      a signal arrived first
 *   -ENOBUFS    frames_max frames are held already: release one
 *   -EBADMSG    the ring or the daemon makes no sense: the text says what; the connection is dropped, and the next call
 *               begins anew
 *   -EPROTONOSUPPORT, -EACCES, -EINVAL, -ENOENT, -EDQUOT, -ENOSPC, -EUSERS, -ENOTSUP  a daemon that came back
 *               refuses: as lumaring_open(); the next call tries again
 *   -ENOMEM, -EMFILE, -ENFILE
 */
int lumaring_next(struct lumaring *ring, int timeout_ms, const struct lumaring_frame **ret_frame);

/*
 * [loop-bound] The newest frame, when it is newer than the last one returned; else waits as lumaring_next() does. What
 * lies between is counted as LUMARING_MISSED_SKIPPED. The first one is published after lumaring_open(), unless
 * LUMARING_OLDEST was given: where nobody read the stream, what is in the ring may be long ago. Returns as
 * lumaring_next().
 */
int lumaring_latest(struct lumaring *ring, int timeout_ms, const struct lumaring_frame **ret_frame);

/*
 * [loop-bound] One frame by its identity, if it is still in the ring in use; never waits, and does not change what
 * lumaring_next() returns next. 0 and *ret_frame, or
 *   -ENOENT   not in the ring: too old, not published (yet), or another epoch
 *   -ENOBUFS, -EBADMSG, -ENOMEM  as lumaring_next()
 */
int lumaring_exact(struct lumaring *ring, uint64_t epoch, uint64_t sequence,
		   const struct lumaring_frame **ret_frame);

/*
 * [loop-bound] The newest `count` frames in the ring, oldest first; never waits, and does not change what
 * lumaring_next() returns next. As many are pinned as cursors are free, the newest first; the others are copies.
 * `ret_frames` has room for `count` pointers; *ret_count says how many there were (fewer when the ring holds fewer).
 * Errors: -EINVAL (count 0), -ENOBUFS (count plus those held is over frames_max), -EBADMSG, -ENOMEM; then no frame is
 * held.
 */
int lumaring_last(struct lumaring *ring, unsigned count, const struct lumaring_frame **ret_frames,
		  unsigned *ret_count);

/*
 * [loop-bound] Give a frame back. 0: the frame was valid until now. -ESTALE: it was not, throw away what you computed
 * from it (this cannot happen while the daemon keeps its promise; it is checked all the same). -EINVAL: not a frame
 * held by this handle. NULL is allowed and does nothing.
 */
int lumaring_release(struct lumaring *ring, const struct lumaring_frame *frame);

/*
 * [loop-bound] Move the region of a private stream: one store, no system call, effective with the next captured
 * frame. The daemon clamps it to the image and to the stream's capacity, and to even sizes, at least 2x2, where it
 * bins; frame->region says what it took. Width or height 0: up to the edge, or to the capacity. Errors: -ENOTSUP (not a
 * private stream), -EINVAL (a value over 65535), -ENOTCONN (the daemon is away; the region is kept and asked for on
 * reconnect).
 */
int lumaring_set_region(struct lumaring *ring, const struct lumaring_region *region);

/*
 * [loop-bound] What is known of the stream now. The result belongs to the handle and is valid until the next call
 * with it.
 */
const struct lumaring_info *lumaring_info(struct lumaring *ring);

/*
 * [loop-bound] One sentence about the last failure of this handle, in the daemon's words where it refused something.
 * "" when nothing failed. Valid until the next call with the handle.
 */
const char *lumaring_error_text(const struct lumaring *ring);

/*
 * [reentrant] What the daemon of a camera does, and for whom: source, streams, losses, times, clients, as one JSON
 * object whose keys lumaring(1) lists (keys are only ever added). `camera` as in lumaring_open(); of `options` (NULL:
 * the defaults) runtime_dir, timeout_ms and error_text count. Whoever may open a stream may ask.
 *
 * On success *ret_json is text, UTF-8, terminated by a NUL; free(3) it. It is not looked at here: what the daemon's
 * clients told of themselves stands in it as they told it. Errors:
 *   -EINVAL           a name or an option is out of range
 *   -ECONNREFUSED, -EACCES, -EUSERS  as lumaring_open()
 *   -EBUSY            the daemon answers as many such requests as it does at once, or you ask more often than it allows;
 *                     it was asked again until the time was over
 *   -ENOTCONN         it left before the status was complete, also when asked again
 *   -EPROTONOSUPPORT  it is older and knows no such request
 *   -EBADMSG          what it sent makes no sense, or has more than 4 MiB
 *   -ETIMEDOUT        it did not answer in time
 *   -EINTR, -ENOMEM, -EMFILE, -ENFILE
 */
int lumaring_status(const char *camera, const struct lumaring_options *options, char **ret_json);

/*
 * [reentrant] A general sentence for an error code that this library returns (negative errno), for example
 * "no daemon serves this camera". Static storage; for other codes "unknown error".
 */
const char *lumaring_strerror(int error);

/*
 * [reentrant] A short lower-case name for an event ("replaced") or for a cause of missed frames ("skipped"); NULL for
 * a number that is none. Static storage.
 */
const char *lumaring_event_name(int event);
const char *lumaring_missed_name(unsigned cause);

#ifdef __cplusplus
}
#endif

#endif
