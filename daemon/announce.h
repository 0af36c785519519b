/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * announce.h - what the service manager is told of the camera: when the daemon is ready, that a start goes on, and the
 * line of `systemctl status`. Main thread only, never for a frame.
 *
 * Ready is a daemon whose first frame was captured, or that knows why there is none: a camera that is not there, is
 * busy or hangs, clients that it shall wait for, footage that nobody writes or that is over. That is how it serves, and
 * it will get better by itself. What is still to come is neither of these, and takes as long as it takes while
 * something moves.
 */
#ifndef LUMARING_ANNOUNCE_H
#define LUMARING_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define ANNOUNCE_LINE_BYTES 512u

/* Losses and clients are told soon; that frames go on as they did, now and then: each line wakes others. */
#define ANNOUNCE_COUNTS_NS (UINT64_C(10) * 1000000000)

/* What a start is given each time that something moved. */
#define ANNOUNCE_EXTEND_NS (UINT64_C(15) * 1000000000)

struct announce_view {
	const struct status_view *status;
	bool told;             /* the source said in which state it is, or a frame did */
	uint64_t quiet_ns;     /* PAUSED: for so long no frame came that was due, 0: none is due */
	unsigned wait_clients; /* so many have to be there before the source starts, 0: it was started */
};

/* Zero-initialise. */
struct announce {
	bool ready;
	char brief[ANNOUNCE_LINE_BYTES], line[ANNOUNCE_LINE_BYTES]; /* as told last */
	uint64_t told_ns;
	uint64_t looks; /* of the camera's thread, as told last */
};

/* Is it ready? */
bool announce_is_ready(const struct announce_view *view);

/* The line; `brief`: without what changes with every frame. */
void announce_line(const struct announce_view *view, bool brief, char *line, size_t line_bytes);

/* Tell what is new; call once a second, and when the state changed. */
void announce_tell(struct announce *announce, const struct announce_view *view);

#endif
