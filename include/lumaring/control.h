/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h - change what the daemon does while it runs, for all of its clients: size, rate, streams, exposure.
 *
 * The second header of liblumaring: what lumaring.h says of threads, of errors and of fork holds here as well. The
 * calls go over the daemon's control socket, whose interface io.lumaring.Camera describes them with units, ranges and
 * errors (lumaring(1) says how to see it). Five calls have a C function of their own; lumaring_control_call() makes any
 * call, lumaring_control_watch() one that has many replies. For example, with <stdio.h>,
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
 *   -EPERM            PermissionDenied: you may not call this; the text has what makes you one who may
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
#ifndef LUMARING_CONTROL_H
#define LUMARING_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include <lumaring/lumaring.h>

#ifdef __cplusplus
extern "C" {
#endif

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
	/* The part of the sensor that becomes the image, in its own pixels; what is kept of the four stays. */
	int64_t scaler_crop_x, scaler_crop_y, scaler_crop_width, scaler_crop_height;
};

#define LUMARING_CONTROLS_INIT \
	{ sizeof(struct lumaring_controls), LUMARING_KEEP, LUMARING_KEEP, LUMARING_KEEP, LUMARING_KEEP, \
	  LUMARING_KEEP, LUMARING_KEEP, LUMARING_KEEP, LUMARING_KEEP, LUMARING_KEEP, LUMARING_KEEP, \
	  LUMARING_KEEP }

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

#ifdef __cplusplus
}
#endif

#endif
