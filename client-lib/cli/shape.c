/* SPDX-License-Identifier: BSD-2-Clause */
/* shape.c - see shape.h. */
#include "shape.h"

#include "output.h"
#include "picture.h"
#include "session.h"

int shape_keep(struct shape *shape, const struct lumaring_frame *frame)
{
	if (picture_sample_bytes(frame->fourcc) == 0) {
		talk("the frames have the pixel format 0x%08x, which this version cannot write", frame->fourcc);
		return CODE_FAILED;
	}
	if (frame->width == shape->width && frame->height == shape->height && frame->fourcc == shape->fourcc)
		return SESSION_GO_ON;
	if (shape->width) {
		talk("the frames changed from %ux%u (%u bit) to %ux%u (%u bit), and the output cannot: start again "
		     "for the new size",
		     shape->width, shape->height, 8 * picture_sample_bytes(shape->fourcc), frame->width, frame->height,
		     8 * picture_sample_bytes(frame->fourcc));
		return CODE_CLOSED;
	}
	*shape = (struct shape){ frame->width, frame->height, frame->fourcc };
	return SESSION_GO_ON;
}
