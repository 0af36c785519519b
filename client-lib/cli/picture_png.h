/* SPDX-License-Identifier: BSD-2-Clause */
/* picture_png.h - a frame as a PNG picture. In a file of its own, so that libpng is known in one place. */
#ifndef LUMARING_CLI_PICTURE_PNG_H
#define LUMARING_CLI_PICTURE_PNG_H

#include <lumaring/lumaring.h>

#include "output.h"

/*
 * A whole PNG, grey with 8 or 16 bit, compressed for speed and not for size, with what is known of the frame as tEXt:
 * Software, sequence, epoch, region (X,Y,WIDTH,HEIGHT), sensor_ns and exposure_us, the last two only when they are
 * known. Flushes. 0, a negative errno of the output, or -ENOMEM.
 */
int picture_write_png(struct output *output, const struct lumaring_frame *frame);

#endif
