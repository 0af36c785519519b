/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload.h - reads the configuration anew while the daemon works: what can change is changed, by the transaction of
 * configure.h; what cannot is named. What clients of the control socket changed meanwhile stays, unless the files now
 * say something else than they did. Main thread only.
 */
#ifndef LUMARING_RELOAD_H
#define LUMARING_RELOAD_H

#include "config_load.h"
#include "configure.h"

/* The configuration that the daemon works by, and where it came from. */
struct reload_origin {
	struct config *config;
	int argc;
	char **argv;
};

struct reload_outcome {
	const struct config_changes *changes;    /* live ones that were not in force already, and those for a restart */
	const struct configure_outcome *applied; /* NULL: nothing of it concerned source or streams */
	bool controls;                           /* of the sensor were changed */
};

struct reload {
	struct reload_origin origin;
	struct configure *configure;
	bool active;
	struct config next;            /* while active */
	struct config_changes changes; /* of what the files say */
	struct config_changes told;    /* without what was in force already */
	bool controls;
	void (*done)(void *data, const struct reload_outcome *outcome);
	void *data;
};

void reload_init(struct reload *reload, const struct reload_origin *origin, struct configure *configure);
void reload_finish(struct reload *reload);

/*
 * 0: `done` says what became of it, perhaps before this returns. -EINVAL: the configuration is wrong, `faults` has the
 * sentences. Another negative errno: a fault says why. Nothing was changed then.
 */
int reload_begin(struct reload *reload, void (*done)(void *data, const struct reload_outcome *outcome), void *data,
		 struct config_faults *faults, struct fault *ret_fault);

#endif
