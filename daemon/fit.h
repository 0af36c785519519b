/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fit.h - makes the rings of all streams fit a format that the source announced: all of them or none. Without room in
 * shared memory it tries again for two seconds, on a timer of the main loop. Main thread only.
 */
#ifndef LUMARING_FIT_H
#define LUMARING_FIT_H

#include <stdbool.h>
#include <stdint.h>

#include "attach.h"
#include "exit.h"
#include "loop/loop.h"
#include "source/source.h"

struct fit_handler {
	void *owner;
	uint64_t (*next_plan)(const void *owner); /* the number of the plan that will name the new rings */
	/* The rings are there: a new plan is due. The format is valid for the call. */
	void (*fitted)(void *owner, const struct source_format *format);
	void (*failed)(void *owner, enum exit_code code); /* it was logged; nothing was changed */
};

/* Set up by fit_init(), until the loop is destroyed. */
struct fit {
	struct fit_handler handler;
	struct loop *loop;
	struct attach *attach;
	const struct source *source; /* a live one may come back with images too small for a region */
	struct source_format format; /* that is being fitted */
	bool waits;                  /* neither fitted nor failed yet */
	uint64_t until_ns; /* CLOCK_MONOTONIC: then there is room, or it has failed; 0: it was not missed yet */
	struct loop_op timer;
};

void fit_init(struct fit *fit, struct loop *loop, struct attach *attach, const struct source *source,
	      const struct fit_handler *handler);

/* Fit another format, in the place of one that waits. Calls the handler, now or later, unless it is called again. */
void fit_begin(struct fit *fit, const struct source_format *format);

#endif
