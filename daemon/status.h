/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.h - what the daemon does and for whom, as one JSON object. How it is asked for and sent is not known here.
 *
 * lumaring(1) lists the keys. They are an interface: keys are only ever added. Units are in their names; 64-bit ids are
 * decimal strings, and all other numbers whole. Main thread only, which it keeps for some microseconds per client.
 */
#ifndef LUMARING_STATUS_H
#define LUMARING_STATUS_H

#include <stdint.h>

#include "base/json.h"
#include "capture.h"
#include "config.h"
#include "control/control.h"
#include "publish/publish.h"
#include "settings.h"
#include "stream.h"

/* Where it looks. */
struct status_view {
	const struct config *config;
	const struct settings *settings;      /* in force */
	uint64_t started_ns;                  /* CLOCK_MONOTONIC */
	const char *loop_main, *loop_capture; /* back-ends */
	const char *loop_fallback;            /* why not the best one, "": it is */
	enum capture_state state;             /* of the source */
	const struct source_format *format;   /* NULL: not known yet */
	const struct source_report *device;   /* all zero: the source has none */
	const struct camera_stats *stats;     /* of the capture thread, which writes them meanwhile */
	const struct tuner *tuner;            /* so does it this */
	const struct stream *streams;         /* linked by `next` */
	const struct client *clients;         /* linked by `next`, newest first */
	uint64_t private_bytes;               /* of all private rings */
	const struct control_stats *control;  /* of the control socket */
};

/* Names as in the status: of a cause, NULL for one that there is not; of a state of the source. */
const char *status_lost_name(unsigned cause);
const char *status_source_state(enum capture_state state);

/* Write the object under `name`, NULL at the top. Of private streams and of clients LIMIT_STATUS_LISTED are listed. */
void status_write(struct json *json, const char *name, const struct status_view *view);

#endif
