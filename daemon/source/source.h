/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * source.h - where frames come from: one table of operations for all sources.
 *
 * A source delivers *events* in order through source_fetch(): a format before the first frame and whenever it changes,
 * frames, and what becomes of the source. It has a thread or a device of its own; the daemon's capture thread fetches
 * and releases, its main thread does everything else. A source never calls into the daemon.
 *
 * What may change while a source lives: its *settings* (size, pixel format, time from frame to frame) and its
 * *controls* (exposure, gain ...). Controls and the rate change while frames come. Size and pixel format take three
 * steps, stop(), configure() and start(), which source_reconfigure() takes together and takes back if one fails.
 *
 * Errors of what can be asked for are negative errnos with a struct source_fault: -ERANGE, a number that lies outside
 * of minimum..maximum; -EINVAL, what makes no sense; -EFBIG, what takes too much memory; -ENOTSUP, what this source
 * does not have.
 */
#ifndef LUMARING_SOURCE_H
#define LUMARING_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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
	/* What it was taken with; 0: unknown. The duration is the time since the frame before, but where the rate
	 * changed or the source began anew. */
	uint32_t frame_duration_us, exposure_us, analogue_gain_milli;
	uint32_t sensor_clock; /* enum lumaring_clock, of sensor_ns: what is unknown at first may become known */
	bool damaged;          /* the camera says so: it is counted, never read */
	uint32_t lost[LUMARING_LOST_CAUSES]; /* lost between the frame before and this one, by cause; only causes that
						take no sequence */
};

enum source_event_kind {
	SOURCE_FRAME,  /* .frame */
	SOURCE_FORMAT, /* .format: the frames after this event have it */
	SOURCE_PAUSED, /* nothing comes for now (no writer at the pipe, or one that is silent); the next frame ends it,
			  with or without a format */
	SOURCE_LOST,   /* the camera is gone; the source looks for it */
	SOURCE_ENDED,  /* final: the footage is over */
	SOURCE_FAILED, /* final: .text says in one sentence what was wrong and where */
};

struct source_event {
	enum source_event_kind kind;
	union {
		struct source_frame frame;
		struct source_format format;
		uint64_t quiet_ns; /* PAUSED: for so long no frame came that was due, 0: none is due */
		char text[320];
	};
};

/* --- what may change ---------------------------------------------------------------------------------------- */

struct source_settings {
	uint32_t width, height;      /* 0: the source's own; raw has none */
	struct pixels_layout layout; /* name NULL: the source's own; raw has none */
	/* Shortest and longest time from frame to frame. A stand-in source runs at its own pace as far as this allows,
	 * so the same number twice is a fixed rate. 0: the source's own. */
	uint64_t frame_duration_min_ns, frame_duration_max_ns;
};

enum source_control {
	SOURCE_EXPOSURE_US,
	SOURCE_ANALOGUE_GAIN_MILLI,
	SOURCE_AUTO_EXPOSURE, /* 0 or 1 */
	SOURCE_EXPOSURE_VALUE_MILLI,
	SOURCE_BRIGHTNESS_MILLI,
	SOURCE_CONTRAST_MILLI,
	SOURCE_SHARPNESS_MILLI,
	/* The part of the sensor that becomes the image, in its own pixels; what is not given of the four stays. */
	SOURCE_SCALER_CROP_X,
	SOURCE_SCALER_CROP_Y,
	SOURCE_SCALER_CROP_WIDTH,
	SOURCE_SCALER_CROP_HEIGHT,
	SOURCE_CONTROLS,
};

/* "exposure_us" ... "scaler_crop_x" ..., as in the interface io.lumaring.Camera. */
extern const char *const source_control_names[SOURCE_CONTROLS];

struct source_controls {
	uint32_t given; /* SOURCE_BIT() of each control that has a value here */
	int64_t values[SOURCE_CONTROLS];
};

#define SOURCE_BIT(control) (UINT32_C(1) << (control))

struct source_range {
	int64_t minimum, maximum, initial;
};

#define SOURCE_MODES_MAX 16u
#define SOURCE_MODE_FORMATS_MAX 32u

/* Sizes from the smallest to the largest in these steps, in each of these pixel formats. */
struct source_mode {
	uint32_t width_min, height_min, width_max, height_max, width_step, height_step;
	unsigned format_count;
	const char *formats[SOURCE_MODE_FORMATS_MAX];          /* static storage */
	uint64_t frame_duration_min_ns, frame_duration_max_ns; /* 0: as frames are taken */
};

struct source_capabilities {
	char id[128];   /* of the camera, as --source names it */
	char model[64]; /* "": not known */
	unsigned mode_count;
	struct source_mode modes[SOURCE_MODES_MAX];
	uint32_t controls; /* SOURCE_BIT() of each control it has */
	struct source_range ranges[SOURCE_CONTROLS];
	bool resizes; /* size and pixel format can change: stop, configure, start */
	bool paces;   /* the rate can change */
};

/* A camera of this machine. */
struct source_identity {
	char id[128];      /* as --source libcamera:ID names it; the same after a restart */
	char model[64];    /* of the sensor or the device, "": not known */
	char location[16]; /* "front", "back", "external", "": not known */
};

#define SOURCE_CAMERAS_MAX 16u

/* How a source that has a device works just now, for people; what it does not have is 0 or "". */
struct source_report {
	char library[32];        /* "libcamera 0.7.1" */
	char camera[128];        /* id */
	char state[16];          /* "absent", "ready", "running", "stuck" */
	char state_reason[256];  /* one sentence, "": nothing is wrong */
	char format[24];         /* as the library calls it */
	char memory[48];         /* "dma-heap system", "the driver's" */
	char memory_reason[512]; /* why this and not another, one sentence each */
	bool memory_chosen_by_measurement;
	uint64_t cached_copy_ns, uncached_copy_ns; /* as measured at start, 0: not */
	unsigned buffer_count;
	uint64_t buffer_bytes;        /* of one */
	uint64_t completed;           /* requests, since the start */
	uint64_t restarts;            /* of a capture that stood still */
	uint64_t losses;              /* how often the camera went away */
	uint64_t callback_longest_ns; /* the longest time inside of the library's thread */
	uint32_t sensor_clock;        /* enum lumaring_clock */
	uint32_t retry_ms;            /* so often a camera that is not there is looked for */
	/* For whoever supervises it. */
	uint64_t looks; /* how often its thread looked after the camera: it moves */
	bool hung;      /* its thread has not come back from the library for far too long, and may never */
	bool given_up;  /* why it FAILED: restarts of the capture brought no frame */
};

/* Why something that was asked for is refused. */
struct source_fault {
	char field[40];                  /* "size.width", "exposure_us" ...; "": all of it */
	int64_t minimum, maximum, given; /* -ERANGE */
	char text[256];                  /* one sentence, always */
};

/* --- opening ------------------------------------------------------------------------------------------------ */

enum source_memory {
	SOURCE_MEMORY_AUTO, /* whichever reads faster, by measurement */
	SOURCE_MEMORY_CACHED,
	SOURCE_MEMORY_UNCACHED,
};

/* What the command line and the configuration say; every source reads what concerns it. */
struct source_config {
	const char *name;                    /* "libcamera", "replay", "raw", "synthetic" */
	const char *path;                    /* replay, raw: file, FIFO, or "-" for standard input; libcamera: id,
						index in order of ids, model or location, "": the first */
	struct source_settings settings;     /* adjusted as check() says */
	uint32_t row_bytes;                  /* raw: from one row to the next, 0: what the pixels take */
	uint64_t frame_bytes;                /* raw: from one frame to the next, 0: rows and colour */
	enum lumaring_luma_range luma_range; /* raw, 0: full */
	bool unpaced;                        /* as fast as frames are taken */
	bool loop;             /* replay, raw: a file begins again at its end, a FIFO waits for its next writer */
	unsigned buffer_count; /* capture buffers, 0: SOURCE_BUFFERS */
	/* libcamera alone. */
	enum source_memory memory;
	uint32_t sensor_width, sensor_height, sensor_depth; /* mode of the sensor; 0: the library's choice */
	bool gives_up; /* a camera that hangs, whatever is tried, is SOURCE_FAILED: somebody starts the daemon anew */
	/* How long it takes to copy out of an image what is wanted of it; for SOURCE_MEMORY_AUTO, NULL: cannot be
	 * told. Any thread, as long as the source lives. */
	uint64_t (*copy_ns)(const void *owner, const uint8_t *image, const struct source_format *format);
	const void *copy_owner;
};

#define SOURCE_BUFFERS 6u
#define SOURCE_BUFFERS_MAX 64u

struct source_operations {
	const char *name;
	/* Check the configuration and open. On failure a negative errno and one sentence in `text`. Never blocks: a
	 * FIFO without a writer is opened all the same. */
	int (*open)(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes);
	void (*capabilities)(const struct source *source, struct source_capabilities *ret_capabilities);
	/* What would become of these settings, with nothing changed: *ret_settings is complete but for what the source
	 * does not know itself yet (a pipe that nobody has written to: width and height as at open()) and for durations
	 * of a source without a pace (0). What differs from what was asked for has been adjusted. -EAGAIN, as of stop()
	 * and configure(): a device that does not answer just now. */
	int (*check)(const struct source *source, const struct source_settings *wanted,
		     struct source_settings *ret_settings, struct source_fault *ret_fault);
	/* Another pace, which check() has passed, without stopping: one of the next frames is the first that has it. No
	 * format event comes of it. On failure a sentence in `text`. */
	int (*set_rate)(struct source *source, uint64_t frame_duration_min_ns, uint64_t frame_duration_max_ns,
			char *text, size_t text_bytes);
	/* All of these or none, from one of the next frames on; also before start(). *ret_controls as of controls(),
	 * and what they say is never refused at the same rate: auto exposure that is asked for goes before the exposure
	 * and gain beside it. NULL: the source has none. */
	int (*set_controls)(struct source *source, const struct source_controls *wanted,
			    struct source_controls *ret_controls, struct source_fault *ret_fault);
	/* All that the source has, as they will be for the frames to come. NULL: it has none. */
	void (*controls)(const struct source *source, struct source_controls *ret_controls);
	/* Begin to deliver frames, after a format event if the format is not the one that was announced last. The first
	 * format event may come before. */
	int (*start)(struct source *source);
	/* After this has returned no frame is made until start(). Waits for the source's thread or device, never for
	 * the consumer; what is in the queue stays valid, to be fetched in order. What fails has changed nothing. NULL:
	 * size and pixel format cannot change. */
	int (*stop)(struct source *source, char *text, size_t text_bytes);
	/* After stop(), or before the first start(): settings that check() has passed, durations included. Buffers are
	 * used again where they are large enough, also those that come back later; memory that is missing is an error
	 * here. What fails has changed nothing. NULL as stop(). */
	int (*configure)(struct source *source, const struct source_settings *wanted, char *text, size_t text_bytes);
	/* A descriptor that is readable while source_fetch() has something; it stays the same for the source's life. */
	int (*fd)(const struct source *source);
	/* Take the next event: 0, or -EAGAIN when there is none. The descriptor is then not readable, but for a ring
	 * that comes late of an event that was fetched already: it costs one more look. Never blocks. */
	int (*fetch)(struct source *source, struct source_event *ret_event);
	/* Before the image of a fetched frame is read, by however many threads; release() ends it. On failure it must
	 * not be read. NULL: nothing to do. */
	int (*begin_read)(struct source *source, unsigned buffer);
	/* Give a frame's buffer back, in any order, all threads done with it. Never blocks. */
	void (*release)(struct source *source, unsigned buffer);
	/* True: like a camera, a frame that comes too late is worth nothing, and old ones are skipped for new ones.
	 * False: every frame counts and the source waits. */
	bool (*is_live)(const struct source *source);
	/* NULL: there is nothing to report. */
	void (*report)(const struct source *source, struct source_report *ret_report);
	/* All cameras that were there when it looked last, sorted by id; how many, up to max. NULL: its own alone. */
	unsigned (*cameras)(const struct source *source, struct source_identity *ret_cameras, unsigned max);
	/* Stop and free; blocks until its thread has ended (at once, also when it reads from a silent pipe). */
	void (*destroy)(struct source *source);
};

/* Every source begins with this. */
struct source {
	const struct source_operations *operations;
	bool running; /* started, and not stopped since; source.c's */
};

/*
 * Find the source by config->name and open it. -ENOENT: no such source; -ENOTSUP: this build lacks it; else as its own
 * open(). `text` says it in one sentence.
 */
int source_open(const struct source_config *config, struct source **ret_source, char *text, size_t text_bytes);

/*
 * Write to `out`, for people, all cameras that libcamera finds now and what they deliver; no source is open. -ENODEV:
 * there is none; -ENOTSUP: this build lacks libcamera; each with a sentence in `text`.
 */
int source_list_cameras(FILE *out, char *text, size_t text_bytes);

void source_get_capabilities(const struct source *source, struct source_capabilities *ret_capabilities);

/* As the operations say. A source without an operation refuses: -ENOTSUP. */
int source_check(const struct source *source, const struct source_settings *wanted,
		 struct source_settings *ret_settings, struct source_fault *ret_fault);
int source_set_rate(struct source *source, uint64_t frame_duration_min_ns, uint64_t frame_duration_max_ns, char *text,
		    size_t text_bytes);
int source_set_controls(struct source *source, const struct source_controls *wanted,
			struct source_controls *ret_controls, struct source_fault *ret_fault);
void source_get_controls(const struct source *source, struct source_controls *ret_controls);
int source_start(struct source *source);
void source_get_report(const struct source *source, struct source_report *ret_report);
unsigned source_get_cameras(const struct source *source, struct source_identity *ret_cameras, unsigned max);

enum source_step { SOURCE_STEP_STOP, SOURCE_STEP_CONFIGURE, SOURCE_STEP_START };

/*
 * Stop, configure to `wanted`, start; only configure a source that is not running. `now` and `wanted` are settings that
 * source_check() has passed. If a step fails, *ret_step says which and `text` why, and the source is configured to
 * `now` and started again: *ret_restored tells whether that went well. If not, the source stands still, `text` says
 * that too, and no event will: whoever called decides what becomes of it.
 */
int source_reconfigure(struct source *source, const struct source_settings *now, const struct source_settings *wanted,
		       enum source_step *ret_step, bool *ret_restored, char *text, size_t text_bytes);

/* For sources: fill in a fault; both return the error, so that a refusal is one statement. */
int source_refuse(struct source_fault *ret_fault, int error, const char *field, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int source_out_of_range(struct source_fault *ret_fault, const char *field, int64_t minimum, int64_t maximum,
			int64_t given, const char *what);

static inline int source_fd(const struct source *source)
{
	return source->operations->fd(source);
}

static inline int source_fetch(struct source *source, struct source_event *ret_event)
{
	return source->operations->fetch(source, ret_event);
}

static inline int source_begin_read(struct source *source, unsigned buffer)
{
	return source->operations->begin_read ? source->operations->begin_read(source, buffer) : 0;
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
