/* SPDX-License-Identifier: BSD-2-Clause */
/* v4l2.c - see v4l2.h. Only the kernel's own interface: what is measured is to be there without libcamera, too. */
#include "bench/v4l2.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/memory.h"

/* Formats that luma can be taken from, what the daemon would ask for first. */
static const struct {
	uint32_t fourcc;
	enum pixels pixels;
} formats[] = {
	{ V4L2_PIX_FMT_YUV420, PIXELS_R8 }, { V4L2_PIX_FMT_NV12, PIXELS_R8 },   { V4L2_PIX_FMT_YUV420M, PIXELS_R8 },
	{ V4L2_PIX_FMT_NV12M, PIXELS_R8 },  { V4L2_PIX_FMT_GREY, PIXELS_R8 },   { V4L2_PIX_FMT_YUYV, PIXELS_YUYV },
	{ V4L2_PIX_FMT_UYVY, PIXELS_UYVY }, { V4L2_PIX_FMT_YVYU, PIXELS_YVYU }, { V4L2_PIX_FMT_VYUY, PIXELS_VYUY },
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))
#define ROW_BYTES 2048u /* of a format without rows */

static int request(int fd, unsigned long number, void *argument)
{
	int r;

	do
		r = ioctl(fd, number, argument) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r;
}

static int refuse(const struct v4l2_node *node, int error, const char *what, char *text, size_t text_bytes)
{
	if (error == -EBUSY)
		snprintf(text, text_bytes, "in use by another program");
	else
		snprintf(text, text_bytes, "%s refuses %s: %s", node->driver, what, strerror(-error));
	return error;
}

/* --- the node ----------------------------------------------------------------------------------------------------- */

/* Nodes that take images and give others (a codec) are no cameras, though some of them do capture. */
static int identify(struct v4l2_node *node)
{
	struct v4l2_capability facts = { .driver = "" };
	int r = request(node->fd, VIDIOC_QUERYCAP, &facts);
	uint32_t can = facts.capabilities & V4L2_CAP_DEVICE_CAPS ? facts.device_caps : facts.capabilities;

	if (r < 0 || !(can & V4L2_CAP_STREAMING) || !(can & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE)) ||
	    can & (V4L2_CAP_VIDEO_M2M | V4L2_CAP_VIDEO_M2M_MPLANE))
		return -ENODEV;
	snprintf(node->driver, sizeof(node->driver), "%.16s", (const char *)facts.driver);
	snprintf(node->card, sizeof(node->card), "%.32s", (const char *)facts.card);
	node->planar = !(can & V4L2_CAP_VIDEO_CAPTURE);
	node->type = node->planar ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE;
	node->before.type = node->type;
	return request(node->fd, VIDIOC_G_FMT, &node->before);
}

int v4l2_open(const char *path, struct v4l2_node *ret_node, char *text, size_t text_bytes)
{
	struct v4l2_node node = { .fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), .media_fd = -1 };
	int r;

	if (node.fd < 0) {
		r = -errno;
		if (r == -EBUSY)
			return refuse(&node, r, "", text, text_bytes);
		snprintf(text, text_bytes, "cannot be opened: %s", strerror(-r));
		return r;
	}
	snprintf(node.path, sizeof(node.path), "%s", path);
	r = identify(&node);
	if (r < 0) {
		snprintf(text, text_bytes, "it captures no images");
		close(node.fd);
		return -ENODEV;
	}
	*ret_node = node;
	return 0;
}

void v4l2_close(struct v4l2_node *node)
{
	v4l2_release(node);
	if (node->changed)
		request(node->fd, VIDIOC_S_FMT, &node->before);
	if (node->media_fd >= 0)
		close(node->media_fd);
	close(node->fd);
	memset(node, 0, sizeof(*node));
	node->fd = node->media_fd = -1;
}

/* --- nobody else's -------------------------------------------------------------------------------------------------
 */

/*
 * The media device that the node belongs to, locked as libcamera does it: who has the camera keeps it, and who wants it
 * while we have it is told so. -1: there is none, or it is not for us to open; the node's own checks remain.
 */
static int lock_media(const struct v4l2_node *node, int *ret_fd)
{
	char parent[64], path[320];
	struct dirent *entry;
	struct stat status;
	int fd = -1, r = 0;
	DIR *dir = NULL;

	if (fstat(node->fd, &status) == 0) {
		snprintf(parent, sizeof(parent), "/sys/dev/char/%u:%u/device", major(status.st_rdev),
			 minor(status.st_rdev));
		dir = opendir(parent);
	}
	while (dir && fd < 0 && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "media", 5) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	if (fd >= 0 && lockf(fd, F_TLOCK, 0) < 0 && (errno == EACCES || errno == EAGAIN))
		r = -EBUSY;
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

/*
 * Refused with -EBUSY when another program has buffers of it. Comes before all that asks the driver for more: to some
 * cameras it sends questions, even while they are streaming.
 */
static int claim(struct v4l2_node *node)
{
	struct v4l2_requestbuffers none = { .type = node->type, .memory = V4L2_MEMORY_MMAP };
	int r = lock_media(node, &node->media_fd);

	return r < 0 ? r : request(node->fd, VIDIOC_REQBUFS, &none);
}

/* --- its format --------------------------------------------------------------------------------------------------- */

static struct v4l2_format wanted(const struct v4l2_node *node, uint32_t fourcc, uint32_t width, uint32_t height)
{
	struct v4l2_format format = { .type = node->type };

	if (node->planar) {
		format.fmt.pix_mp.width = width;
		format.fmt.pix_mp.height = height;
		format.fmt.pix_mp.pixelformat = fourcc;
	} else {
		format.fmt.pix.width = width;
		format.fmt.pix.height = height;
		format.fmt.pix.pixelformat = fourcc;
	}
	return format;
}

static uint32_t fourcc_of(const struct v4l2_node *node, const struct v4l2_format *format)
{
	return node->planar ? format->fmt.pix_mp.pixelformat : format->fmt.pix.pixelformat;
}

/* The first of the known formats that the driver takes as it is; else the one that it has. */
static uint32_t choose(const struct v4l2_node *node, uint32_t width, uint32_t height)
{
	for (size_t i = 0; i < FORMATS; i++) {
		struct v4l2_format format = wanted(node, formats[i].fourcc, width, height);

		if (request(node->fd, VIDIOC_TRY_FMT, &format) == 0 && fourcc_of(node, &format) == formats[i].fourcc)
			return formats[i].fourcc;
	}
	return fourcc_of(node, &node->before);
}

/* Where the image lies, never beyond what the driver calls its size. */
static int lay_out(struct v4l2_node *node)
{
	const struct v4l2_pix_format *pix = &node->now.fmt.pix;
	const struct v4l2_pix_format_mplane *planes = &node->now.fmt.pix_mp;
	uint32_t fourcc = fourcc_of(node, &node->now);
	struct bench_layout layout = {
		.width = node->planar ? planes->width : pix->width,
		.height = node->planar ? planes->height : pix->height,
		.stride = node->planar ? planes->plane_fmt[0].bytesperline : pix->bytesperline,
		.pixels = PIXELS_R8,
		.bytes_only = true,
	};

	node->image_bytes = node->planar ? planes->plane_fmt[0].sizeimage : pix->sizeimage;
	snprintf(node->format, sizeof(node->format), "%c%c%c%c", (char)(fourcc & 0x7f), (char)(fourcc >> 8 & 0x7f),
		 (char)(fourcc >> 16 & 0x7f), (char)(fourcc >> 24 & 0x7f));
	for (size_t i = 0; i < FORMATS; i++) {
		if (formats[i].fourcc != fourcc)
			continue;
		layout.pixels = formats[i].pixels;
		layout.bytes_only = layout.stride < pixels_row_bytes(layout.pixels, layout.width);
	}
	if (layout.bytes_only) {
		layout.pixels = PIXELS_R8;
		layout.stride = layout.stride ? layout.stride : ROW_BYTES;
		layout.width = (uint32_t)layout.stride;
		layout.height = layout.height < node->image_bytes / layout.stride
					? layout.height
					: (uint32_t)(node->image_bytes / layout.stride);
	}
	node->layout = layout;
	return layout.height && bench_layout_bytes(&layout) <= node->image_bytes ? 0 : -EOVERFLOW;
}

int v4l2_configure(struct v4l2_node *node, uint32_t width, uint32_t height, char *text, size_t text_bytes)
{
	int r = claim(node);

	if (r == -EBUSY)
		return refuse(node, r, "", text, text_bytes);
	node->now = wanted(node, choose(node, width, height), width, height);
	r = request(node->fd, VIDIOC_S_FMT, &node->now);
	if (r < 0)
		return refuse(node, r, "a format", text, text_bytes);
	node->changed = true;
	r = lay_out(node);
	return r < 0 ? refuse(node, r, "an image of a size that makes sense", text, text_bytes) : 0;
}

/* --- its buffers -------------------------------------------------------------------------------------------------- */

static int request_buffers(struct v4l2_node *node, unsigned count, enum v4l2_memory memory)
{
	struct v4l2_requestbuffers buffers = { .count = count, .type = node->type, .memory = memory };
	int r = request(node->fd, VIDIOC_REQBUFS, &buffers);

	if (r == 0)
		node->count = buffers.count < BENCH_BUFFERS_MAX ? buffers.count : BENCH_BUFFERS_MAX;
	return r;
}

static int map(struct v4l2_node *node, unsigned i)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = { { .bytesused = 0 } };
	struct v4l2_buffer buffer = { .index = i, .type = node->type, .memory = V4L2_MEMORY_MMAP };
	size_t bytes, offset;
	void *pixels;
	int r;

	if (node->planar) {
		buffer.m.planes = planes;
		buffer.length = VIDEO_MAX_PLANES;
	}
	r = request(node->fd, VIDIOC_QUERYBUF, &buffer);
	if (r < 0)
		return r;
	bytes = node->planar ? planes[0].length : buffer.length;
	offset = node->planar ? planes[0].m.mem_offset : buffer.m.offset;
	if (bytes < bench_layout_bytes(&node->layout))
		return -EOVERFLOW;
	pixels = mmap(NULL, bytes, PROT_READ, MAP_SHARED, node->fd, (off_t)offset);
	if (pixels == MAP_FAILED)
		return -errno;
	memory_hide(pixels, bytes);
	node->mapped[i] = pixels;
	node->mapped_bytes[i] = bytes;
	return 0;
}

int v4l2_map(struct v4l2_node *node, unsigned count, struct bench_memory *ret_memory, char *text, size_t text_bytes)
{
	struct bench_memory memory = { .layout = node->layout };
	const char *slash = strrchr(node->path, '/');
	int r = request_buffers(node, count, V4L2_MEMORY_MMAP);

	if (r == 0 && !node->count)
		r = -ENOMEM;
	if (r < 0)
		return refuse(node, r, "buffers", text, text_bytes);
	for (unsigned i = 0; r == 0 && i < node->count; i++) {
		r = map(node, i);
		memory.buffers[i] = node->mapped[i];
	}
	if (r < 0) {
		v4l2_release(node);
		return refuse(node, r, "to have its buffers read", text, text_bytes);
	}
	memory.count = node->count;
	snprintf(memory.name, sizeof(memory.name), "%.23s", slash ? slash + 1 : node->path);
	*ret_memory = memory;
	return 0;
}

/*
 * A buffer that is prepared is mapped for the device, as one that waits to be filled: only then SYNC does its work.
 * Drivers that cannot prepare it apart do it when it is queued; nothing is filled while nobody starts the stream.
 */
static int import(struct v4l2_node *node, const struct dmabuf *dmabuf, unsigned i)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = { { .bytesused = 0 } };
	struct v4l2_buffer buffer = { .index = i, .type = node->type, .memory = V4L2_MEMORY_DMABUF };
	int r;

	if (node->planar) {
		if (node->now.fmt.pix_mp.num_planes > VIDEO_MAX_PLANES)
			return -EOVERFLOW;
		/* All planes in one buffer would need offsets, which this request has not. */
		for (unsigned plane = 0; plane < node->now.fmt.pix_mp.num_planes; plane++) {
			planes[plane].m.fd = dmabuf->fd;
			planes[plane].length = (uint32_t)dmabuf->bytes;
		}
		buffer.m.planes = planes;
		buffer.length = node->now.fmt.pix_mp.num_planes;
	} else {
		buffer.m.fd = dmabuf->fd;
		buffer.length = (uint32_t)dmabuf->bytes;
	}
	r = request(node->fd, VIDIOC_PREPARE_BUF, &buffer);
	return r == -ENOTTY ? request(node->fd, VIDIOC_QBUF, &buffer) : r;
}

int v4l2_import(struct v4l2_node *node, const struct dmabuf *buffers, unsigned count, char *text, size_t text_bytes)
{
	int r = request_buffers(node, count, V4L2_MEMORY_DMABUF);

	for (unsigned i = 0; r == 0 && i < count; i++)
		r = i < node->count ? import(node, &buffers[i], i) : -ENOBUFS;
	if (r == 0)
		return 0;
	v4l2_release(node);
	return refuse(node, r, "the heap's buffers", text, text_bytes);
}

void v4l2_release(struct v4l2_node *node)
{
	for (unsigned i = 0; i < BENCH_BUFFERS_MAX; i++) {
		if (node->mapped[i])
			munmap(node->mapped[i], node->mapped_bytes[i]);
		node->mapped[i] = NULL;
	}
	if (node->count)
		request_buffers(node, 0, V4L2_MEMORY_MMAP);
	node->count = 0;
}
