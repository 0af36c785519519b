/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_private.h - what the files of the source "libcamera" share: device.c is the capture thread's side and
 * libcamera's, device_camera.c what is done to the camera, device_life.c the thread that looks after it, device_owner.c
 * the operations of the main thread, device_controls.c exposure and the like, device_log.c libcamera's log.
 *
 * Who has what:
 *   libcamera's thread  pushes completions; nothing else
 *   *reader*            the daemon's capture thread: fetches, reads, gives buffers back to the camera; takes no lock
 *   *keeper*            our own thread: opens the camera, finds out that it stands still or is gone, opens it anew
 *   *owner*             main thread or keeper, whichever has `lock`: all that is done to the camera; the main thread
 *                       does not wait for long, since the library may hang in the keeper
 *   the main thread     for whatever does not touch the camera takes `view` alone, and so never waits for one
 *
 * A buffer (by its number, see buffers.h) is *held* from its completion until the reader has given it back, also while
 * it waits in the ring; else it is with the camera, or idle. What waits stays valid whatever the owner does.
 */
#ifndef LUMARING_SOURCE_DEVICE_PRIVATE_H
#define LUMARING_SOURCE_DEVICE_PRIVATE_H

#include <pthread.h>

#include "base/bell.h"
#include "base/clock.h"
#include "base/log.h"
#include "source/buffers.h"
#include "source/choice.h"
#include "source/device.h"
#include "source/ledger.h"
#include "source/libcamera.h"
#include "source/wish.h"

/* A buffer is in it once at most, so it cannot overflow. */
#define DEVICE_COMPLETIONS SOURCE_BUFFERS_MAX

/* What happens between frames, until the reader has fetched it; and what one run of the camera may add. */
#define DEVICE_NOTES 32u
#define DEVICE_NOTES_OF_A_RUN 4u

/* A capture that was started anew so often without a frame is a camera that has to be opened anew, or given up. */
#define DEVICE_RESTARTS_MAX 3u

/* A call of the library that takes longer hangs. Opening a camera takes seconds, and more on a busy board. */
#define DEVICE_HANG_NS (30 * NS_PER_SECOND)

/* So often a camera that has not brought its first frame is looked at, at least: whoever waits for it sees that. */
#define DEVICE_FIRST_LOOKS_NS NS_PER_SECOND

/* Requests that come back cancelled, one after the other, until they stay where they are. */
#define DEVICE_CANCELLED_PER_BUFFER 4u

/* In `trial`: it has not come back. */
#define DEVICE_NO_TRIAL UINT32_MAX

struct device_times {
	uint64_t retry_ns;       /* from one look for a camera that is missing to the next */
	uint64_t stuck_ns;       /* without a frame, but at least DEVICE_STUCK_FRAMES times as long as one takes */
	uint64_t first_frame_ns; /* the same before the first one */
	uint64_t hang_ns;        /* in one call of the library */
	uint64_t answer_ns;      /* that the main thread waits for the owner: its sign of life must not be missed */
};
#define DEVICE_STUCK_FRAMES 5u

/* Taken by open(); tests have less patience. */
extern struct device_times device_times;

/*
 * ABSENT  -> READY    acquired, configured, its buffers there
 * READY   -> RUNNING  start() was called
 * RUNNING -> READY    stop(); also from STUCK
 * RUNNING -> STUCK    no frame came for too long: started anew
 * STUCK   -> RUNNING  a frame came
 * any     -> ABSENT   unplugged, or DEVICE_RESTARTS_MAX restarts brought no frame, or it cannot be started
 *
 * After those restarts a device that gives up stays ABSENT, and is SOURCE_FAILED.
 */
enum device_state {
	DEVICE_ABSENT,
	DEVICE_READY,
	DEVICE_RUNNING,
	DEVICE_STUCK,
};

/* Why there is no camera: each is logged once until there is one, or another reason. */
enum device_trouble {
	DEVICE_NO_TROUBLE,
	DEVICE_NO_LIBRARY,
	DEVICE_NO_CAMERA,
	DEVICE_UNCLEAR, /* several are meant */
	DEVICE_BUSY,
	DEVICE_NOT_ACQUIRED,
	DEVICE_UNFIT, /* it cannot do what the settings say */
	DEVICE_NOT_CONFIGURED,
	DEVICE_NO_BUFFERS,
	DEVICE_NOT_STARTED,
};

/* What libcamera's thread does with a completion. */
enum device_mode {
	DEVICE_LISTENS,
	DEVICE_TRIES, /* device_try_capture() waits for it */
	DEVICE_STOPS, /* what is cancelled now was asked for: no loss, nothing to tell */
};

enum device_note_kind {
	DEVICE_NOTE_EVENT,
	DEVICE_NOTE_RESTART, /* .min_ns, .max_ns: the rate it begins with */
	DEVICE_NOTE_STOOD_STILL,
};

/* What the owner tells the reader between two completions. */
struct device_note {
	uint64_t after; /* completions pushed before */
	enum device_note_kind kind;
	uint64_t min_ns, max_ns, now_ns;
	struct source_event event;
};

struct device {
	struct source source; /* stays first: the operations get its address */

	/* As opened. */
	char which[128];
	unsigned buffer_count;
	uint32_t sensor_width, sensor_height, sensor_depth;
	struct device_times times;
	bool gives_up;
	int ready_fd; /* the reader's: there is something to fetch */
	int life_fd;  /* libcamera rings it: a camera came or went */
	int bell_fd;  /* wakes the keeper */
	int trial_fd; /* the request of device_try_capture() came back */
	struct buffers *buffers;
	pthread_t keeper;
	bool launched;
	bool finishing; /* atomic */
	bool hurried;   /* atomic: the main thread waits for the lock to stop it */
	bool wanted;    /* atomic: start() was called, and no stop() since */

	/* Keeper to whoever supervises it. */
	uint64_t looks;      /* atomic */
	uint64_t back_by_ns; /* atomic: CLOCK_MONOTONIC, it is back from the library or hangs; 0: it is not there */

	/* libcamera's thread to the reader. */
	struct libcamera_completion completions[DEVICE_COMPLETIONS]; /* .buffer: the number */
	uint64_t head;                                               /* atomic: pushed */
	uint64_t frames;                                             /* atomic: of these, frames of whatever status */
	uint64_t held;                                               /* atomic: bit per number */
	uint32_t mode;                                               /* atomic: enum device_mode */
	uint32_t trial; /* atomic: status of the trial's request, DEVICE_NO_TRIAL */

	/* The gate between the reader, who gives a buffer back to a running camera, and the owner, who stops it. */
	bool open;     /* atomic: the owner's */
	bool entered;  /* atomic: the reader's */
	uint64_t idle; /* atomic: bit per number that came back while it was shut */
	/* Written while it is shut. */
	struct libcamera_camera *camera; /* NULL: ABSENT; with `view`, too */
	unsigned numbers[SOURCE_BUFFERS_MAX];
	int indices[SOURCE_BUFFERS_MAX]; /* by number, -1: of an older configuration */
	unsigned camera_buffers;

	/* Owner to reader. */
	struct device_note notes[DEVICE_NOTES];
	uint64_t notes_head, notes_tail; /* atomic */
	struct wish_exchange wishes;

	/* Reader's own. */
	uint64_t tail; /* completions taken */
	struct ledger ledger;
	struct source_format read_format; /* of the frames now */
	uint64_t reading;                 /* bit per number between begin_read() and release() */
	uint64_t sensor_ns;               /* of the frame before, 0: none since the start */
	unsigned cancelled;               /* one after the other */
	bool wish_due;                    /* what was taken is to go with the next request */

	/* Reader to owner: words that stand alone. */
	uint32_t sensor_clock, exposure_us, analogue_gain_milli, duration_us; /* atomic */

	/* Owner's: under `lock`, which is held as long as the camera takes. */
	pthread_mutex_t lock;
	enum device_trouble trouble;
	bool is_told;              /* libcamera is, of cameras that come and go */
	bool announced, lost_told; /* a format; LOST, when so many frames had come: */
	uint64_t lost_frames;
	struct source_format format, announced_format;
	uint64_t stale;                /* numbers of older configurations that were held then */
	bool given_up;                 /* for good */
	bool was_started, is_hopeless; /* since the beginning; while `frames` is still: */
	uint64_t hopeless_frames;
	unsigned restarts_in_row,
		restarts_failed;              /* without a frame since; of those that failed, with others between */
	uint64_t frames_started, frames_seen; /* `frames` at the start; as the keeper saw them last */
	uint64_t quiet_since_ns;
	uint64_t retry_at_ns; /* CLOCK_MONOTONIC: ABSENT, the next look for it */

	/* What calls that wait for no camera need: under `view`, which is held for some instructions and taken last.
	 * Written by the owner only, with both, who may look at it with either; but for rate, controls and wishes. */
	pthread_mutex_t view;
	enum device_state state;
	char reason[256];
	bool has_description;
	struct libcamera_description description; /* of the camera that was there last */
	struct source_identity cameras[SOURCE_CAMERAS_MAX];
	unsigned camera_count;
	struct libcamera_configuration configuration;
	struct source_report memory; /* what buffers_report() fills in */
	uint64_t restarts, losses, longest_ns;
	/* Changed by set_rate() and set_controls() at any time, so `view` it is for everybody. */
	struct source_settings settings; /* size and layout: as above */
	struct source_controls asked;    /* controls that were ever set */
	bool rate_changed;               /* since the start, so the camera no longer has its own */

	/* Main thread's own: it has waited for the keeper in vain, which was in this turn then. */
	bool has_waited;
	uint64_t waited_looks;

	/* Keeper's own. */
	struct libcamera_library *library;
	unsigned busy_looks; /* since one with a new library */
};

static inline void device_view(struct device *device)
{
	pthread_mutex_lock(&device->view);
}

/* Returns `rc`, so that an answer is one statement. */
static inline int device_unview(struct device *device, int rc)
{
	pthread_mutex_unlock(&device->view);
	return rc;
}

static inline bool device_is_wanted(const struct device *device)
{
	/* W1 (acquire) pairs with W2 in device_set_wanted(). */
	return __atomic_load_n(&device->wanted, __ATOMIC_ACQUIRE);
}

/* By the main thread, also without the lock: then the keeper is to be rung. */
static inline void device_set_wanted(struct device *device, bool wanted)
{
	/* W2 (release) pairs with W1 in device_is_wanted(): the bell comes after it. */
	__atomic_store_n(&device->wanted, wanted, __ATOMIC_RELEASE);
}

static inline uint64_t device_bit(unsigned number)
{
	return UINT64_C(1) << number;
}

static inline uint64_t device_held(const struct device *device)
{
	/* H1 (acquire) pairs with H2 in give_back(): the reader's last look before what is done to the memory. */
	return __atomic_load_n(&device->held, __ATOMIC_ACQUIRE);
}

static inline uint64_t device_frames(const struct device *device)
{
	/* Relaxed: whether something comes at all. */
	return __atomic_load_n(&device->frames, __ATOMIC_RELAXED);
}

/* --- device.c ----------------------------------------------------------------------------------------------- */

/* libcamera's thread: the listener's function. */
void device_completed(void *owner, const struct libcamera_completion *completion);

int device_fd(const struct source *source);
int device_fetch(struct source *source, struct source_event *ret_event);
int device_begin_read(struct source *source, unsigned buffer);
void device_release(struct source *source, unsigned buffer);

/* Owner. From now on the reader leaves the camera alone. */
void device_shut_gate(struct device *device);

/* Owner, of a camera that runs: it gets the buffers that came back meanwhile, if it was `started` just now all that
 * nobody holds; the others when they come. */
void device_open_gate(struct device *device, bool started);

/* Owner, while the camera does not run. */
bool device_has_room(const struct device *device, unsigned notes);
void device_post(struct device *device, struct device_note note);

/* --- device_camera.c: owner --------------------------------------------------------------------------------- */

/* Find the camera, acquire it, configure it by the settings: READY, or ABSENT as before with trouble and a sentence. */
int device_acquire(struct device *device, enum device_trouble *ret_trouble, char *text, size_t text_bytes);

/* What to ask of the camera that was described. */
int device_make_wish(const struct device *device, const struct source_settings *settings,
		     struct libcamera_wish *ret_wish, struct pixels_layout *ret_layout, struct source_fault *ret_fault);

/* Configure a camera that is stopped to device->settings. */
int device_configure(struct device *device, enum device_trouble *ret_trouble, char *text, size_t text_bytes);

/* READY -> RUNNING. -EAGAIN: the reader has to fetch first. */
int device_start(struct device *device, char *text, size_t text_bytes);

/* RUNNING, STUCK -> READY. What fails has changed nothing. */
int device_stop(struct device *device, char *text, size_t text_bytes);

/* RUNNING, STUCK -> STUCK: no frame came. */
int device_restart(struct device *device, char *text, size_t text_bytes);

/* Any -> ABSENT. */
void device_lose(struct device *device, const char *reason);

/* Tell the reader that there is no camera, once. */
void device_post_lost(struct device *device);

/* Free what the reader gave back of older configurations. */
void device_release_stale(struct device *device);

/* The longest time that a frame may take now. */
uint64_t device_longest_frame_ns(struct device *device);

/* For buffers_config. */
int device_try_capture(void *owner);

/* Its id, or what was asked for. */
const char *device_name(const struct device *device);

/* Count one more of what is reported. */
void device_count(struct device *device, uint64_t *count);

/* See which cameras there are. */
void device_list(struct device *device);

/* --- device_controls.c: under `view` -------------------------------------------------------------------------------
 */

void device_controls(const struct device *device, struct source_controls *ret_controls);
int device_take_controls(struct device *device, const struct source_controls *wanted, struct source_fault *ret_fault);

/* Drop what a camera that was not known yet turned out not to have. */
void device_fit_controls(struct device *device);

/* Once at least: what is known of rates is not what a pipeline says before, which may be anything. */
static inline bool device_was_configured(const struct device *device)
{
	return device->configuration.width > 0;
}

/* Nobody asked for a rate: the camera keeps its own. */
bool device_rate_is_own(const struct device *device, const struct source_settings *settings);

/* Complete durations, and move them into what the camera can in the configuration in force. */
void device_fit_rate(const struct device *device, struct source_settings *settings);

/* What the camera has to be told. */
void device_send_wish(struct device *device);

/* --- device_life.c ------------------------------------------------------------------------------------------ */

/* The one place where it changes. */
void device_set_state(struct device *device, enum device_state state, const char *reason);
const char *device_state_name(enum device_state state);

/* As what it is logged that there is no camera. */
enum log_event device_event_of_trouble(enum device_trouble trouble);

/* Keeper. It may be away in the library for so long beyond what is usual. */
void device_expect_back(struct device *device, uint64_t more_ns);

/* READY -> ABSENT: it cannot be started, for an error that is negative. */
void device_fail_start(struct device *device, int error, const char *text);

int device_launch(struct device *device);
void device_finish(struct device *device); /* the keeper has ended */

/* --- device_log.c ------------------------------------------------------------------------------------------- */

/* Take libcamera's log, and ring this eventfd with each line; -1: let it go. One device at a time. */
void device_log_listen(int bell_fd);

/* Write down the lines that came; with `only_once` those alone that did not come before, since the last call without: a
 * camera that is looked for says the same every time. One thread at a time. */
void device_log_drain(bool only_once);

#endif
