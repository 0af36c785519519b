/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libcamera.h - libcamera as C: what source/libcamera.cpp, the only C++ file, does for device.c. No exception and no
 * type of C++ gets through; nothing here decides anything. While frames come nothing waits, and nothing is allocated
 * but libcamera's own messages to its thread.
 *
 * One *library* (a CameraManager) per process, one *camera* of it that is acquired. Threads: libcamera has one of its
 * own, in which `completed` is called, life_fd is rung and requests are handed to the driver; whoever calls the rest is
 * the *owner* (one thread at a time), but for libcamera_queue(), which is for the capture thread beside it.
 *
 * Functions that can fail return 0 or a negative errno; those with `text` put one sentence there, unless it is NULL.
 * -ENODEV: the camera is gone.
 */
#ifndef LUMARING_SOURCE_LIBCAMERA_H
#define LUMARING_SOURCE_LIBCAMERA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "source/source.h"

#ifdef __cplusplus
extern "C" {
#endif

struct libcamera_library;
struct libcamera_camera;

#define LIBCAMERA_NAME_BYTES 24u
#define LIBCAMERA_FORMATS_MAX 32u
#define LIBCAMERA_SIZES_MAX 24u

/* --- the library -------------------------------------------------------------------------------------------- */

/* "0.7.1", static storage. */
const char *libcamera_version(void);

/* Lines of libcamera's log from now on, of any thread, libcamera's too: it must not wait. Without the time and thread
 * that libcamera puts before them: "Camera camera.cpp:1005 ...". NULL: to standard error, as libcamera does. */
void libcamera_set_log(void (*line)(enum log_level level, const char *text));

/* Whether libraries are told of cameras that come and go, by udev over netlink. Where nobody tells they ring no life_fd,
 * list what was there when they were opened, and never find out that a camera is gone: see libcamera_find_gone(). */
bool libcamera_is_told(void);

/* Find the cameras. Takes up to seconds. life_fd, an eventfd of the caller's, is rung whenever a camera comes or goes,
 * also the acquired one. -ENODEV: this kernel has nothing that could have a camera, so far. */
int libcamera_open(int life_fd, struct libcamera_library **ret_library, char *text, size_t text_bytes);

/* Its cameras are released. NULL is allowed. */
void libcamera_close(struct libcamera_library *library);

/* All there are now, sorted by id: how many, up to max. */
unsigned libcamera_list(const struct libcamera_library *library, struct source_identity *ret_cameras, unsigned max);

/* --- a camera ----------------------------------------------------------------------------------------------- */

enum libcamera_status {
	LIBCAMERA_FRAME,
	LIBCAMERA_DAMAGED,   /* FrameError */
	LIBCAMERA_STARTUP,   /* FrameStartup: not to be used */
	LIBCAMERA_CANCELLED, /* no frame: the request came back without one */
};

/* What became of a request. */
struct libcamera_completion {
	unsigned buffer; /* as in libcamera_queue() */
	enum libcamera_status status;
	uint64_t ready_ns;  /* CLOCK_MONOTONIC now */
	uint64_t sensor_ns; /* SensorTimestamp, else the buffer's; 0: none */
	uint32_t camera_sequence;
	uint32_t bytes_used;                                          /* of all planes; 0: not told */
	uint32_t frame_duration_us, exposure_us, analogue_gain_milli; /* 0: not told */
};

/* Whom the camera tells. completed() is called in libcamera's thread: push and wake, nothing else. */
struct libcamera_listener {
	void *owner;
	void (*completed)(void *owner, const struct libcamera_completion *completion);
};

/*
 * Acquire the camera of this id, of libcamera_list(). -ENODEV: it is not there; -EBUSY: another process (or, of the same
 * device, another camera) has it; or as libcamera says.
 */
int libcamera_acquire(struct libcamera_library *library, const char *id, const struct libcamera_listener *listener,
		      struct libcamera_camera **ret_camera, char *text, size_t text_bytes);

/* Stop, forget its buffers, give it back. Also when it is gone. NULL is allowed. */
void libcamera_release(struct libcamera_camera *camera);

/* `disconnected` was fired, or libcamera_find_gone() or libcamera_stop() found out. Any thread. */
bool libcamera_is_gone(const struct libcamera_camera *camera);

/*
 * The same, after a look at its devices: whether the kernel still has those that were there when it was acquired. Takes
 * some microseconds. libcamera itself may not know yet, or ever: then the camera is left running when it is stopped,
 * its thread has no rest as long as it runs, and only libcamera_close() ends that.
 */
bool libcamera_find_gone(struct libcamera_camera *camera);

/* The longest time inside of the handlers of libcamera's thread so far. Any thread. */
uint64_t libcamera_longest_ns(const struct libcamera_camera *camera);

struct libcamera_size {
	uint32_t width, height;
};

struct libcamera_format {
	char name[LIBCAMERA_NAME_BYTES]; /* libcamera's: "YUV420", "R10_CSI2P", "MJPEG" */
	bool raw;                        /* of the role Raw: as the sensor delivers it */
	unsigned size_count;             /* 0: all of the range */
	struct libcamera_size sizes[LIBCAMERA_SIZES_MAX]; /* ascending by area; the largest ones if there are more */
	struct libcamera_size minimum, maximum, step;     /* step 0 or 1: any */
};

struct libcamera_description {
	struct source_identity identity;
	unsigned format_count;
	struct libcamera_format formats[LIBCAMERA_FORMATS_MAX];
	uint32_t controls; /* SOURCE_BIT() of each that it has; the crop as four */
	struct source_range ranges[SOURCE_CONTROLS];
	uint64_t frame_duration_min_ns, frame_duration_max_ns; /* FrameDurationLimits; 0: it has no such control */
};

/* What it can do. Ranges are those of the configuration in force: ask again after libcamera_configure(). */
void libcamera_describe(const struct libcamera_camera *camera, struct libcamera_description *ret_description);

/* The same of one that nobody needs to acquire, and that another process may have. */
int libcamera_look_at(struct libcamera_library *library, const char *id, struct libcamera_description *ret_description);

/* --- configuration ------------------------------------------------------------------------------------------ */

struct libcamera_wish {
	char format[LIBCAMERA_NAME_BYTES];
	bool raw;
	uint32_t width, height;
	unsigned buffer_count;
	bool full_range;                                    /* luma 0..255 where the pipeline can */
	uint32_t sensor_width, sensor_height, sensor_depth; /* CameraConfiguration::sensorConfig; 0: its choice */
};

struct libcamera_configuration {
	char format[LIBCAMERA_NAME_BYTES];
	uint32_t width, height;
	uint32_t stride, frame_bytes; /* known after libcamera_configure(), before it 0 or what is to be expected */
	unsigned buffer_count;        /* in flight at most; the pipeline's word */
	enum lumaring_luma_range luma_range;
};

/* What would become of it; also while it runs. -EINVAL: nothing like it is possible; -ENOTSUP: this libcamera cannot
 * choose a mode of the sensor (before 0.2). */
int libcamera_validate(const struct libcamera_camera *camera, const struct libcamera_wish *wish,
		       struct libcamera_configuration *ret_configuration, char *text, size_t text_bytes);

/* Stopped only. Forgets its buffers. */
int libcamera_configure(struct libcamera_camera *camera, const struct libcamera_wish *wish,
			struct libcamera_configuration *ret_configuration, char *text, size_t text_bytes);

/* --- buffers, after libcamera_configure(), stopped ------------------------------------------------------------ */

/* One piece of memory that holds all planes, luma first. */
struct libcamera_memory {
	int fd; /* a dma-buf, or what the pipeline takes instead */
	size_t offset, bytes;
};

/*
 * Buffers 0..count-1 are these from now on, instead of those before; descriptors are duplicated. Whether the driver can
 * use them shows only when a request with one is queued: it comes back cancelled. -EINVAL: smaller than frame_bytes.
 */
int libcamera_import(struct libcamera_camera *camera, const struct libcamera_memory *memories, unsigned count,
		     char *text, size_t text_bytes);

/* Have the driver allocate: *ret_count buffers, at most max. The descriptors are the camera's, until it forgets. */
int libcamera_export(struct libcamera_camera *camera, struct libcamera_memory *ret_memories, unsigned max,
		     unsigned *ret_count, char *text, size_t text_bytes);

void libcamera_forget(struct libcamera_camera *camera);

/* --- capture ------------------------------------------------------------------------------------------------- */

/* What frames are to be like. */
struct libcamera_change {
	struct source_controls controls;                       /* those given */
	uint64_t frame_duration_min_ns, frame_duration_max_ns; /* 0: stays */
};

/* Start, with a change for the first frames, or NULL; nothing is queued yet. */
int libcamera_start(struct libcamera_camera *camera, const struct libcamera_change *change, char *text,
		    size_t text_bytes);

/* Queued requests are completed as cancelled before it returns (never those of a camera that is gone); nothing is after
 * it. Stopped already: 0. */
int libcamera_stop(struct libcamera_camera *camera);

/*
 * Queue the request of a buffer that is not queued, with a change for the frames from then on, or NULL. Any thread,
 * while the camera runs and the owner sees to it that it does. Noise reduction is switched off and on again with the
 * rate. -ENODEV; -EACCES: not running. What the driver refuses comes back as cancelled.
 */
int libcamera_queue(struct libcamera_camera *camera, unsigned buffer, const struct libcamera_change *change);

#ifdef __cplusplus
}
#endif

#endif
