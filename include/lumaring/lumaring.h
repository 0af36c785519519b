/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lumaring.h - read the newest grey frames of a camera from shared memory, and say what the camera is to do.
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
	/* The daemon vanished without a word. Calling again waits for one to come back. */
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
 *   -EACCES           you may not connect: you are not in the daemon's group
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
 * Control
 *
 * What follows changes what the daemon does, for all of its clients: size, rate, streams, exposure. It goes over the
 * daemon's control socket; the interface io.lumaring.Camera describes its calls, with units, ranges and errors
 * (lumaring(1) says how to see it). Five calls have a C function of their own; lumaring_control_call() makes any
 * call, lumaring_control_watch() one that has many replies. For example
 *
 *     struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
 *     const struct lumaring_applied *got;
 *     struct lumaring_control *control;
 *     int r = lumaring_control_open("cam0", NULL, &control);
 *     if (r < 0)
 *             return fprintf(stderr, "%s\n", lumaring_strerror(r)), 1;
 *     wanted.width = 1280;
 *     wanted.height = 720;
 *     wanted.frame_duration_min_us = wanted.frame_duration_max_us = 20000;
 *     if (lumaring_configure(control, &wanted, 0, 5000, &got) < 0)
 *             fprintf(stderr, "%s\n", lumaring_control_error_text(control));
 *     else
 *             printf("%ux%u, no frame for %lld us\n", got->width, got->height, (long long)got->gap_us);
 *     lumaring_control_close(control);
 *
 * A call is done whole or not at all. Each waits for its answer at most timeout_ms (-1: for ever); a change of size
 * stops and starts the camera, so allow it some seconds. All return 0 or a negative errno. What they hand out belongs
 * to the handle and is valid until the next call with it; places for results may be NULL. What the daemon refuses has
 * a code each:
 *   -ERANGE           OutOfRange: the text has the field and the range
 *   -EINVAL           InvalidField; or an argument that this library does not take, and then nothing was asked
 *   -ENOTSUP          NotSupported: not with this source
 *   -ENOENT           NoSuchStream
 *   -EEXIST           StreamExists
 *   -ENOTEMPTY        StreamInUse: it has clients
 *   -EDOM             Adjusted: LUMARING_STRICT, and the source would have taken something else
 *   -EBUSY            Busy: another change is under way, or the size changes too often; also: this handle watches
 *   -ENOSPC           NoRoom: no shared memory for a ring
 *   -EIO              SourceRefused: the text says whether it runs as before
 *   -EUCLEAN          BadConfiguration: the configuration files have faults
 *   -EDQUOT           LimitReached: more connections or requests than allowed
 *   -EPERM            PermissionDenied: you may not call this
 *   -ENOSYS           the daemon has no such method (it is older)
 *   -EREMOTEIO        another error of the daemon: see lumaring_control_error_name()
 * and what happens on the way to it and back:
 *   -ECONNREFUSED, -EACCES, -EMFILE, -ENFILE, -ENOMEM  as lumaring_open()
 *   -EPROTONOSUPPORT  the daemon is older and has no control socket
 *   -ENOTCONN         it left before it answered
 *   -ETIMEDOUT        no answer in time
 *   -EINTR            a signal arrived first
 *   -EBADMSG          the answer makes no sense: the text says what
 * After these last four it is not known whether the change was made. The connection is dropped, and made anew by the
 * next call, as it is when the daemon was restarted in between.
 */

/* One connection for control. Opaque: made by lumaring_control_open(), freed by lumaring_control_close(). */
struct lumaring_control;

/*
 * [reentrant] Connect for control. `camera` as in lumaring_open(); of `options` (NULL: the defaults) runtime_dir,
 * timeout_ms (for opening alone) and error_text count. Who may call what is decided at each call: a member of the
 * daemon's reading group may look; one of its control group, root and the daemon's own user may change.
 */
int lumaring_control_open(const char *camera, const struct lumaring_options *options,
			  struct lumaring_control **ret_control);

/*
 * [loop-bound] Disconnect, free the handle. NULL is allowed.
 */
void lumaring_control_close(struct lumaring_control *control);

/*
 * [loop-bound] The last failure of this handle: one sentence; the error's name as the daemon gave it
 * ("io.lumaring.Camera.OutOfRange"), and its parameters, a JSON object. "" when nothing failed, or when it was no error
 * of the daemon that has them. Valid until the next call that asks the daemon.
 */
const char *lumaring_control_error_text(const struct lumaring_control *control);
const char *lumaring_control_error_name(const struct lumaring_control *control);
const char *lumaring_control_error_json(const struct lumaring_control *control);

/*
 * [loop-bound] Any method. `method`: "GetCapabilities", or with its interface "org.varlink.service.GetInfo".
 * `parameters`: a JSON object, NULL for none. *ret_json: the reply's parameters as they came, a JSON object, checked to
 * be one, at most 8 MiB.
 */
int lumaring_control_call(struct lumaring_control *control, const char *method, const char *parameters, int timeout_ms,
			  const char **ret_json);

/*
 * [loop-bound] The parameters of the newest reply, JSON; "" before the first and after a failure. For what the results
 * of the functions below leave out, such as the adjustments of lumaring_configure().
 */
const char *lumaring_control_reply(const struct lumaring_control *control);

/*
 * [loop-bound] Begin a call with many replies, such as "Watch": connects and asks within timeout_ms, and does not wait
 * for a reply. Until the last one has come, or lumaring_control_stop(), other calls of this handle return -EBUSY.
 */
int lumaring_control_watch(struct lumaring_control *control, const char *method, const char *parameters,
			   int timeout_ms);

/*
 * [loop-bound] The next reply. 0: *ret_json, and more may follow; 1: *ret_json, and it was the last. -EAGAIN
 * (timeout_ms 0) or -ETIMEDOUT: none yet, and -EINTR: after these three the call goes on. After any other error it is
 * over, and so it is when there was none: -EINVAL.
 */
int lumaring_control_next(struct lumaring_control *control, int timeout_ms, const char **ret_json);

/*
 * [loop-bound] A descriptor for poll(2), readable when lumaring_control_next() with timeout 0 may return something:
 * call until it returns -EAGAIN, then poll. It belongs to the handle and is good as long as the call that was begun
 * goes on; -EINVAL when there is none.
 */
int lumaring_control_fd(const struct lumaring_control *control);

/*
 * [loop-bound] End the call with many replies, if there is one: what has not been taken is lost.
 */
void lumaring_control_stop(struct lumaring_control *control);

/* Flags of the calls below. */
#define LUMARING_DRY_RUN 1u /* change nothing; the result says what would be */
#define LUMARING_STRICT 2u  /* refuse (-EDOM) what the source would adjust */
#define LUMARING_FORCE 4u   /* also with clients: they are disconnected */

/*
 * A stream that all clients share. Fill with LUMARING_STREAM_INIT and a name.
 */
struct lumaring_stream {
	size_t size;                   /* sizeof(struct lumaring_stream) */
	const char *name;              /* 1 to 32 of a-z 0-9 _ - */
	struct lumaring_region region; /* width or height 0: up to the edge; all 0: all of the image, or as it is */
	uint32_t width_max, height_max; /* regions up to this need no new ring; 0: those of the first, or as it is */
	uint32_t slots;                /* frames its ring holds; 0: the daemon's default, or as it is */
	uint32_t fourcc;               /* LUMARING_FORMAT_R8 or _R16 of layout.h; 0: R8, or as it is */
	uint32_t bin;                  /* 1 or 2; 0: 1, or as it is */
	int32_t always;                /* 1: copied also when nobody reads; 0: not; -1: not, or as it is */
};

#define LUMARING_STREAM_INIT \
	{ sizeof(struct lumaring_stream), NULL, { 0, 0, 0, 0 }, 0, 0, 0, 0, 0, -1 }

/*
 * What the camera is to deliver. Fill with LUMARING_CONFIGURATION_INIT, then set what is to change.
 */
struct lumaring_configuration {
	size_t size;                    /* sizeof(struct lumaring_configuration) */
	uint32_t width, height;         /* of the captured image; both 0: as it is */
	uint32_t frame_duration_min_us; /* shortest time from frame to frame, and */
	uint32_t frame_duration_max_us; /* longest; the same twice: a fixed rate; both 0: as it is */
	const char *pixel_format;       /* how the source delivers pixels, "YUV420"; NULL: as it is */
	const struct lumaring_stream *streams; /* NULL: as they are; else all that are to be: others are removed */
	size_t stream_count;            /* elements of `streams`, each with the `size` of the first */
};

#define LUMARING_CONFIGURATION_INIT \
	{ sizeof(struct lumaring_configuration), 0, 0, 0, 0, NULL, NULL, 0 }

/* What was made of it. Fields are only ever added at the end. */
struct lumaring_applied {
	uint32_t width, height;   /* of the captured image; 0: not known yet */
	uint32_t frame_duration_min_us, frame_duration_max_us; /* 0: the source has no rate */
	const char *pixel_format; /* "" where the source does not tell */
	uint32_t adjustments;     /* fields that the source took otherwise: lumaring_control_reply() has them */
	uint32_t replaced;        /* streams whose clients were handed a new ring */
	uint32_t restarted;       /* 1: the camera was stopped and started for it */
	int64_t gap_us;           /* from the last frame before to the first after; -1: not known */
	int64_t gap_frames;       /* frames of the new rate that would have fitted in between; -1: not known */
};

/*
 * [loop-bound] Change size, rate, pixel format and streams: everything or nothing. `flags`: LUMARING_DRY_RUN,
 * LUMARING_STRICT.
 */
int lumaring_configure(struct lumaring_control *control, const struct lumaring_configuration *configuration,
		       uint32_t flags, int timeout_ms, const struct lumaring_applied **ret_applied);

/* As it is; or, in a result, that the source has no such control. */
#define LUMARING_KEEP INT64_MIN

/*
 * Controls of the sensor. Fill with LUMARING_CONTROLS_INIT, then set what is to change.
 */
struct lumaring_controls {
	size_t size;                  /* sizeof(struct lumaring_controls) */
	int64_t exposure_us;          /* ends auto exposure, unless that is set as well */
	int64_t analogue_gain_milli;  /* thousandths; likewise */
	int64_t auto_exposure;        /* 1 or 0 */
	int64_t exposure_value_milli; /* thousandths of stops that auto exposure aims above its own idea */
	int64_t brightness_milli;     /* -1000 to 1000; 0: none */
	int64_t contrast_milli;       /* 1000: none */
	int64_t sharpness_milli;      /* 1000: none */
};

#define LUMARING_CONTROLS_INIT \
	{ sizeof(struct lumaring_controls), LUMARING_KEEP, LUMARING_KEEP, LUMARING_KEEP, LUMARING_KEEP, \
	  LUMARING_KEEP, LUMARING_KEEP, LUMARING_KEEP }

/*
 * [loop-bound] Change controls, from one of the next frames on: all of them or none. *ret_controls: all that are in
 * force.
 */
int lumaring_set_controls(struct lumaring_control *control, const struct lumaring_controls *controls, int timeout_ms,
			  const struct lumaring_controls **ret_controls);

/*
 * [loop-bound] Make a stream; it is there for lumaring_open() when this returns.
 */
int lumaring_add_stream(struct lumaring_control *control, const struct lumaring_stream *stream, int timeout_ms);

/*
 * [loop-bound] Remove one. `flags`: LUMARING_FORCE, else -ENOTEMPTY when it has clients.
 */
int lumaring_remove_stream(struct lumaring_control *control, const char *stream, uint32_t flags, int timeout_ms);

/*
 * [loop-bound] Move a shared stream's region, from the next captured frame on, for all who read it. Width or height 0:
 * up to the edge. *ret_region is filled with what was taken. (A private stream has lumaring_set_region().)
 */
int lumaring_set_stream_region(struct lumaring_control *control, const char *stream,
			       const struct lumaring_region *region, int timeout_ms,
			       struct lumaring_region *ret_region);

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
