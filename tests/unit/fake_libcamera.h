/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_libcamera.h - source/libcamera.h for tests: cameras that come, go, refuse and deliver when the test says so.
 *
 * Linked instead of source/libcamera.cpp, all of whose functions it has. As there, `completed` is called in the
 * library's own thread, which lives from libcamera_open() to libcamera_close(). Any thread may call what is below; all
 * of it has one lock. Buffers are real memory (what is imported, or memfds of its own): the first 8 bytes of a frame
 * are its camera_sequence, if the memory can be mapped for writing.
 */
#ifndef LUMARING_TESTS_FAKE_LIBCAMERA_H
#define LUMARING_TESTS_FAKE_LIBCAMERA_H

#include "source/libcamera.h"

enum fake_call {
	FAKE_OPEN,
	FAKE_ACQUIRE,
	FAKE_VALIDATE,
	FAKE_CONFIGURE,
	FAKE_IMPORT,
	FAKE_EXPORT,
	FAKE_START,
	FAKE_STOP,
	FAKE_QUEUE,
	FAKE_CALLS,
};

/* No camera, no failure, FAKE_MANUAL, all counts 0. All libraries have been closed: else the test fails here. */
void fake_reset(void);

/* --- cameras ------------------------------------------------------------------------------------------------- */

/* One with YUV420 and MJPEG of 320x240, 640x480 and 1280x800, every control, 1/120 s to 1 s from frame to frame. */
struct libcamera_description fake_description(const char *id);

/* `told`: libraries that are open hear of it and list it; else only those opened from now on do. */
void fake_plug(const struct libcamera_description *description, bool told);

/* `disconnected` fires; what is queued never comes back. `told` as above: it leaves the lists of open libraries. */
void fake_unplug(const char *id, bool told);

/* Nobody tells: what comes and goes from now on is told to no library, nor does `disconnected` fire; a camera that went
 * sends nothing back, is found out by a look at it, and is left running when it is stopped. Until fake_reset(). */
void fake_set_deaf(void);

/* --- failures ------------------------------------------------------------------------------------------------ */

/* The next `times` calls (UINT32_MAX: all) return this; their sentence is "the fake says no". */
void fake_fail(enum fake_call call, int rc, unsigned times);

/* Calls wait there until it is false again. */
void fake_hold(enum fake_call call, bool held);
void fake_await_held(enum fake_call call); /* until a call waits */

/* Memory that libcamera_import() refuses with -EINVAL, and that requests come back cancelled with; NULL: none. */
void fake_refuse_memory(bool (*refuses)(int fd), bool (*cancels)(int fd));

/* The pipeline's word on the number of buffers, 0: as wished; and what luma lies in. Until fake_reset(). */
void fake_set_buffer_count(unsigned count);

/* Limits of the time from frame to frame that a configuration has from now on; 0, 0: those of the description. Until
 * fake_reset(). */
void fake_set_durations(uint64_t min_ns, uint64_t max_ns);

/* --- frames -------------------------------------------------------------------------------------------------- */

enum fake_pace {
	FAKE_MANUAL,  /* by fake_complete() alone */
	FAKE_INSTANT, /* a queued request is complete at once */
	FAKE_PACED,   /* the oldest queued one, every millisecond */
};

/* Frames by pace are of 10 ms each, without a gap; a start goes on with the numbers. One that is under way is complete
 * when this returns. */
void fake_set_pace(enum fake_pace pace);

/*
 * Await a queued request and complete the oldest with this, in the library's thread; its buffer is filled in. Returns
 * when `completed` has returned: the buffer's index.
 */
unsigned fake_complete(const struct libcamera_completion *completion);

/* A frame with this number at number * 10 ms. */
unsigned fake_frame(uint32_t number);

/* --- looking ------------------------------------------------------------------------------------------------- */

unsigned fake_count(enum fake_call call);             /* calls so far, failed ones too */
void fake_await(enum fake_call call, unsigned count); /* until so many came (and have returned or are held) */
unsigned fake_queued(void);                           /* requests that the acquired camera has */
void fake_await_queued(unsigned count);               /* until it has so many or more */
bool fake_is_running(void);
unsigned fake_live(void);              /* libraries open and cameras acquired */
unsigned fake_left(void);              /* cameras that were left running when they were stopped */
struct libcamera_wish fake_wish(void); /* of the newest libcamera_configure() */
struct libcamera_change fake_start_change(void);
bool fake_queue_change(struct libcamera_change *ret_change); /* the newest that came with a request; false: none yet */
unsigned fake_queue_changes(void);                           /* how many came with requests */

/* Say a line in libcamera's log, as one of its threads would. */
void fake_log(enum log_level level, const char *text);

#endif
