/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device.h - the source "libcamera": a camera of this machine, as libcamera drives it.
 *
 * It need not be there: whoever opens this source may wait for a camera that is plugged in, or given back by another
 * process, later. What is refused at once is what no such camera could do.
 */
#ifndef LUMARING_SOURCE_DEVICE_H
#define LUMARING_SOURCE_DEVICE_H

#include "source/source.h"

extern const struct source_operations device_operations;

#endif
