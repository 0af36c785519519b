/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * v4l2.h - buffers of a camera driver, for reading them and for importing others; nothing is ever started.
 *
 * In order: v4l2_open(), v4l2_configure(), then v4l2_map() or v4l2_import(), v4l2_release() before the next of these
 * two, v4l2_close(). The driver's format is put back as it was when it was opened. A camera that another program has is
 * refused with -EBUSY by v4l2_configure(), before the driver is asked for more than its name, and stays as it is. All
 * return 0 or a negative errno with one sentence.
 */
#ifndef LUMARING_BENCH_V4L2_H
#define LUMARING_BENCH_V4L2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/videodev2.h>

#include "bench/memory.h"

struct v4l2_node {
	int fd;
	int media_fd; /* locked; -1: none */
	char path[48];
	char driver[17], card[33];
	bool planar; /* the interface with several memory planes */
	uint32_t type;
	bool changed; /* the format */
	struct v4l2_format before, now;
	char format[8]; /* name of the pixel format, "YU12" */
	struct bench_layout layout;
	size_t image_bytes; /* of a buffer, as the driver wants it */
	size_t mapped_bytes[BENCH_BUFFERS_MAX];
	uint8_t *mapped[BENCH_BUFFERS_MAX];
	unsigned count; /* of buffers that the driver has */
};

/* -ENODEV: it captures no images. Asks the driver only what it is: that disturbs nobody who has the camera. */
int v4l2_open(const char *path, struct v4l2_node *ret_node, char *text, size_t text_bytes);

/* Make the camera ours, and its image as near to this size as the driver can, in a format with luma where it has one.
 */
int v4l2_configure(struct v4l2_node *node, uint32_t width, uint32_t height, char *text, size_t text_bytes);

/* Have the driver allocate up to `count` buffers, and map them for reading. They are the node's. */
int v4l2_map(struct v4l2_node *node, unsigned count, struct bench_memory *ret_memory, char *text, size_t text_bytes);

/* Make the driver take these as its own, as it does to capture into them. */
int v4l2_import(struct v4l2_node *node, const struct dmabuf *buffers, unsigned count, char *text, size_t text_bytes);

void v4l2_release(struct v4l2_node *node);
void v4l2_close(struct v4l2_node *node);

#endif
