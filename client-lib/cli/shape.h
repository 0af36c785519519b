/* SPDX-License-Identifier: BSD-2-Clause */
/* shape.h - size and format of frames, which an output has for all of them. */
#ifndef LUMARING_CLI_SHAPE_H
#define LUMARING_CLI_SHAPE_H

#include <stdint.h>

#include <lumaring/lumaring.h>

struct shape {
	uint32_t width, height, fourcc; /* of the first frame; 0: none yet */
};

/* Is the frame like those before it, or the first? SESSION_GO_ON, or an exit code after a sentence. */
int shape_keep(struct shape *shape, const struct lumaring_frame *frame);

#endif
