/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * configure.h - the transaction: from the settings in force to others, whole or not at all, without ever waiting.
 *
 * Checked first; then all that can fail is done: rings that will be needed are made, the source is asked; only then are
 * streams and plan changed. One change is under way at a time. Owns what is in force; streams and plans are changed
 * through attach.h and the handler. Main thread only.
 *
 *   IDLE     -> FORMAT    the source was started with another size or pixel format: its format is still to come, and
 *                         with it the prepared rings are put in place
 *   IDLE     -> SETTLING  everything else: put in place at once
 *   FORMAT   -> SETTLING  it came, or CONFIGURE_PATIENCE_MS have passed
 *   SETTLING -> IDLE      the capture thread has the plan and a frame of the new format came, or the source is paused,
 *                         or CONFIGURE_PATIENCE_MS have passed: whoever asked is told
 */
#ifndef LUMARING_CONFIGURE_H
#define LUMARING_CONFIGURE_H

#include "attach.h"
#include "capture.h"
#include "config.h"
#include "settings.h"

#define CONFIGURE_PATIENCE_MS 1000
#define CONFIGURE_RETRY_US 20000          /* what to wait for a change that is under way */
#define CONFIGURE_CAMERA_RETRY_US 2000000 /* and for a camera that is not there */

struct configure_handler {
	void *owner;
	uint64_t (*next_plan)(const void *owner); /* as attach_handler's */
	void (*replan)(void *owner);
	void (*changed)(void *owner); /* other settings are in force */
	void (*failed)(void *owner);  /* the source stands still: a change of it could not be taken back */
};

/* What became of a change. */
struct configure_outcome {
	struct settings settings; /* in force; of a dry run, what would be */
	struct adjustment adjustments[SETTINGS_ADJUSTMENTS_MAX];
	unsigned adjustment_count;
	bool restarted; /* the source */
	unsigned replaced_count;
	char replaced[LIMIT_STREAMS][LUMARING_NAME_MAX + 1]; /* streams that got another ring */
	bool has_gap, has_gap_frames;
	uint64_t gap_us, gap_frames;
};

struct configure_request {
	const struct settings *wanted; /* all of it */
	bool dry_run;                  /* say only what would be */
	bool strict;                   /* refuse what the source would adjust */
	bool force;                    /* streams with clients may be removed */
	/* Once, when all is in force; also before configure_begin() returns. */
	void (*done)(void *data, const struct configure_outcome *outcome);
	void *data;
};

/* A change that is made ready. */
struct change {
	struct settings next;
	struct stream *fresh[LIMIT_STREAMS]; /* by the index in next: a stream that is to be added */
	struct ring *rings[LIMIT_STREAMS];   /* and one that is to be put in place */
	uint64_t rings_bytes;                /* in a dry run: what those would take */
	struct configure_outcome outcome;
};

enum configure_stage { CONFIGURE_IDLE, CONFIGURE_FORMAT, CONFIGURE_SETTLING };

struct configure {
	struct configure_handler handler;
	const struct config *config;
	struct loop *loop;
	struct source *source;
	struct attach *attach;
	struct settings current; /* in force */

	enum configure_stage stage;
	void (*done)(void *data, const struct configure_outcome *outcome);
	void *data;
	struct change change;
	uint64_t plan;            /* the first with all of it */
	uint32_t format_serial;   /* of the format that was awaited, 0: none was */
	uint64_t deadline_ns;     /* CLOCK_MONOTONIC */
	struct loop_op timer;     /* may ring for a change that is over */
	uint64_t size_changes_ns; /* paid for until then, see settings_pace_wait_ns() */
};

/* All but the source, with the streams of the configuration. */
void configure_init(struct configure *configure, const struct config *config, struct loop *loop, struct attach *attach,
		    const struct configure_handler *handler);

/* The source is open: what it makes of the configuration is in force. 0, or a negative errno and a sentence. */
int configure_open(struct configure *configure, struct source *source, char *text, size_t text_bytes);

/* Rings that were never put in place are gone. What is all zero is allowed. */
void configure_finish(struct configure *configure);

/* 0, or -EBUSY and a fault: no change can begin now. */
int configure_check_ready(const struct configure *configure, struct fault *ret_fault);

/* 0: `done` says what became of it. Else nothing was changed and a fault says why. */
int configure_begin(struct configure *configure, const struct configure_request *request, struct fault *ret_fault);

/* The source announced a format: put in place what is prepared for it. The caller makes all streams fit it then, and a
 * plan of them. */
void configure_take_format(struct configure *configure, const struct source_format *format, uint32_t format_serial);

/* The report of the capture thread is another. */
void configure_progress(struct configure *configure, const struct capture_report *report);

#endif
