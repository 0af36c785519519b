/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_bench_v4l2.c - what the camera benchmark asks of a driver, and what it leaves behind: the format as it was, no
 * buffers, and nothing started. The driver is an ioctl() of our own over a file under /tmp; a request that it does not
 * know, such as to start streaming, fails the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/v4l2.h"

#define BUFFER_BYTES 65536u
#define RAW v4l2_fourcc('p', 'B', 'A', 'A')

static char path[64], text[256];

static struct {
	uint32_t capabilities, device_caps;
	uint32_t known[2];            /* formats */
	uint32_t stride, image_bytes; /* 0: a byte a pixel */
	bool planar;
	int busy_format, busy_buffers, import_error;
	unsigned interruptions; /* EINTR before each answer */
	unsigned count_max, count;
	uint32_t length; /* of a buffer */
	uint32_t memory; /* of the buffers */
	unsigned formats_tried, formats_set;
	struct v4l2_format now;
	bool cannot_prepare;
	int imported[8];
	unsigned import_count;
} driver;

static int refuse(int error)
{
	errno = error;
	return -1;
}

static uint32_t take_fourcc(uint32_t asked)
{
	return asked == driver.known[0] || asked == driver.known[1] ? asked : RAW;
}

static void fake_format(struct v4l2_format *format)
{
	struct v4l2_pix_format *pix = &format->fmt.pix;
	struct v4l2_pix_format_mplane *planes = &format->fmt.pix_mp;
	uint32_t width = pix->width, height = pix->height; /* at the same place in both */
	uint32_t stride = driver.stride == UINT32_MAX ? 0 : driver.stride ? driver.stride : width;
	uint32_t bytes = driver.image_bytes ? driver.image_bytes : stride * height;

	if (driver.planar) {
		planes->pixelformat = take_fourcc(planes->pixelformat);
		planes->num_planes = 2;
		planes->plane_fmt[0].bytesperline = stride;
		planes->plane_fmt[0].sizeimage = bytes;
	} else {
		pix->pixelformat = take_fourcc(pix->pixelformat);
		pix->bytesperline = stride;
		pix->sizeimage = bytes;
	}
}

static int fake_capability(struct v4l2_capability *facts)
{
	facts->capabilities = driver.capabilities;
	facts->device_caps = driver.device_caps;
	snprintf((char *)facts->driver, sizeof(facts->driver), "fake");
	snprintf((char *)facts->card, sizeof(facts->card), "Card");
	return 0;
}

static int fake_buffers(struct v4l2_requestbuffers *request)
{
	if (driver.busy_buffers)
		return refuse(driver.busy_buffers);
	driver.count = request->count < driver.count_max ? request->count : driver.count_max;
	request->count = driver.count;
	driver.memory = request->memory;
	return 0;
}

static int fake_query(struct v4l2_buffer *buffer)
{
	assert_true(buffer->index < driver.count);
	assert_int_equal(buffer->memory, V4L2_MEMORY_MMAP);
	assert_int_equal(driver.memory, V4L2_MEMORY_MMAP);
	if (driver.planar) {
		buffer->m.planes[0].length = driver.length;
		buffer->m.planes[0].m.mem_offset = buffer->index * BUFFER_BYTES;
	} else {
		buffer->length = driver.length;
		buffer->m.offset = buffer->index * BUFFER_BYTES;
	}
	return 0;
}

static int fake_prepare(const struct v4l2_buffer *buffer)
{
	assert_int_equal(buffer->memory, V4L2_MEMORY_DMABUF);
	assert_int_equal(driver.memory, V4L2_MEMORY_DMABUF);
	if (driver.import_error)
		return refuse(driver.import_error);
	if (driver.planar) {
		assert_int_equal(buffer->length, 2);
		assert_int_equal(buffer->m.planes[0].m.fd, buffer->m.planes[1].m.fd);
	}
	driver.imported[driver.import_count++] = driver.planar ? buffer->m.planes[0].m.fd : buffer->m.fd;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	static unsigned interrupted;
	va_list arguments;
	void *argument;

	(void)fd;
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (interrupted++ < driver.interruptions)
		return refuse(EINTR);
	interrupted = 0;
	switch (request) {
	case VIDIOC_QUERYCAP:
		return fake_capability(argument);
	case VIDIOC_G_FMT:
		memcpy(argument, &driver.now, sizeof(driver.now));
		return 0;
	case VIDIOC_TRY_FMT:
		driver.formats_tried++;
		fake_format(argument);
		return 0;
	case VIDIOC_S_FMT:
		if (driver.busy_format)
			return refuse(driver.busy_format);
		driver.formats_set++;
		fake_format(argument);
		memcpy(&driver.now, argument, sizeof(driver.now));
		return 0;
	case VIDIOC_REQBUFS:
		return fake_buffers(argument);
	case VIDIOC_QUERYBUF:
		return fake_query(argument);
	case VIDIOC_PREPARE_BUF:
		return driver.cannot_prepare ? refuse(ENOTTY) : fake_prepare(argument);
	case VIDIOC_QBUF:
		assert_true(driver.cannot_prepare);
		return fake_prepare(argument);
	}
	fail_msg("request %lx was not expected", request);
	return -1;
}

static int setup(void **state)
{
	int fd;

	(void)state;
	memset(&driver, 0, sizeof(driver));
	driver.capabilities = V4L2_CAP_STREAMING | V4L2_CAP_VIDEO_CAPTURE;
	driver.known[0] = driver.known[1] = V4L2_PIX_FMT_YUV420;
	driver.count_max = 8;
	driver.length = BUFFER_BYTES;
	driver.now.fmt.pix.width = 99;
	driver.now.fmt.pix.pixelformat = RAW;
	snprintf(path, sizeof(path), "/tmp/lumaring-video.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pwrite(fd, &(char){ (char)('a' + i) }, 1, i * BUFFER_BYTES), 1);
	assert_int_equal(ftruncate(fd, 8 * BUFFER_BYTES), 0);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static struct v4l2_node open_node(void)
{
	struct v4l2_node node;

	if (v4l2_open(path, &node, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	return node;
}

static struct v4l2_node configured(void)
{
	struct v4l2_node node = open_node();

	if (v4l2_configure(&node, 320, 200, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	return node;
}

static void close_node(struct v4l2_node *node)
{
	v4l2_close(node);
	assert_int_equal(driver.count, 0);
	assert_int_equal(driver.now.fmt.pix.width, 99);
}

static bool is_camera(uint32_t capabilities, uint32_t device_caps)
{
	struct v4l2_node node;
	int r;

	driver.capabilities = capabilities;
	driver.device_caps = device_caps;
	r = v4l2_open(path, &node, text, sizeof(text));
	if (r == 0)
		v4l2_close(&node);
	else
		assert_int_equal(r, -ENODEV);
	return r == 0;
}

static void test_which_are_cameras(void **state)
{
	const uint32_t one = V4L2_CAP_STREAMING | V4L2_CAP_VIDEO_CAPTURE, all = V4L2_CAP_DEVICE_CAPS;
	struct v4l2_node node;

	(void)state;
	assert_true(is_camera(one, 0));
	assert_true(is_camera(V4L2_CAP_STREAMING | V4L2_CAP_VIDEO_CAPTURE_MPLANE, 0));
	assert_true(is_camera(all, one));
	assert_false(is_camera(all | one, V4L2_CAP_STREAMING | V4L2_CAP_META_CAPTURE)); /* a node beside the camera's */
	assert_false(is_camera(V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_READWRITE, 0));
	assert_false(is_camera(V4L2_CAP_STREAMING | V4L2_CAP_VIDEO_OUTPUT, 0));
	assert_false(is_camera(one | V4L2_CAP_VIDEO_M2M, 0));
	assert_false(is_camera(one | V4L2_CAP_VIDEO_M2M_MPLANE, 0));
	assert_int_equal(v4l2_open("/nowhere/video0", &node, text, sizeof(text)), -ENOENT);
	assert_string_equal(text, "cannot be opened: No such file or directory");
}

static void check_layout(enum pixels pixels, uint32_t width, uint32_t height, size_t stride, bool bytes_only,
			 const char *format)
{
	struct v4l2_node node = configured();

	assert_int_equal(node.layout.pixels, pixels);
	assert_int_equal(node.layout.width, width);
	assert_int_equal(node.layout.height, height);
	assert_int_equal(node.layout.stride, stride);
	assert_int_equal(node.layout.bytes_only, bytes_only);
	assert_string_equal(node.format, format);
	close_node(&node);
}

static void test_formats(void **state)
{
	(void)state;
	check_layout(PIXELS_R8, 320, 200, 320, false, "YU12");
	driver.known[0] = V4L2_PIX_FMT_YUYV;
	check_layout(PIXELS_R8, 320, 200, 320, false, "YU12"); /* luma alone is less to read */
	driver.known[1] = V4L2_PIX_FMT_MJPEG;
	driver.stride = 640;
	check_layout(PIXELS_YUYV, 320, 200, 640, false, "YUYV");
	driver.stride = 639; /* nonsense */
	check_layout(PIXELS_R8, 639, 200, 639, true, "YUYV");
	driver.known[0] = V4L2_PIX_FMT_MJPEG; /* which is not asked for, so the driver keeps what it had */
	driver.stride = 400;
	check_layout(PIXELS_R8, 400, 200, 400, true, "pBAA");
	driver.stride = UINT32_MAX; /* has no rows */
	driver.image_bytes = 2048 * 10 + 2047;
	check_layout(PIXELS_R8, 2048, 10, 2048, true, "pBAA");
}

static void refuses_format(uint32_t stride, uint32_t image_bytes)
{
	struct v4l2_node node = open_node();

	driver.stride = stride;
	driver.image_bytes = image_bytes;
	assert_true(v4l2_configure(&node, 320, 200, text, sizeof(text)) < 0);
	assert_non_null(strstr(text, "fake refuses an image of a size that makes sense"));
	close_node(&node);
}

/* What would be read must lie in the image. */
static void test_sizes_that_lie(void **state)
{
	struct v4l2_node node;

	(void)state;
	driver.stride = 320;
	driver.image_bytes = 320 * 200;
	node = configured();
	close_node(&node);
	refuses_format(320, 320 * 200 - 1);
	refuses_format(UINT32_MAX - 1, 320 * 200);
	driver.known[0] = driver.known[1] = V4L2_PIX_FMT_MJPEG;
	refuses_format(UINT32_MAX, 2047); /* not one row */
}

static void test_map(void **state)
{
	struct v4l2_node node;
	struct bench_memory memory;

	(void)state;
	for (unsigned planar = 0; planar < 2; planar++) {
		driver.planar = planar;
		driver.capabilities =
			V4L2_CAP_STREAMING | (planar ? V4L2_CAP_VIDEO_CAPTURE_MPLANE : V4L2_CAP_VIDEO_CAPTURE);
		driver.interruptions = 2;
		driver.count_max = 3; /* fewer than asked for */
		node = configured();
		assert_int_equal(v4l2_map(&node, 8, &memory, text, sizeof(text)), 0);
		assert_int_equal(memory.count, 3);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(memory.buffers[i][0], 'a' + i);
		assert_string_equal(memory.name, strrchr(path, '/') + 1);
		assert_false(memory.synchronised);
		v4l2_release(&node);
		assert_int_equal(driver.count, 0);
		assert_null(node.mapped[0]);
		close_node(&node);
	}
	node = configured();
	driver.count_max = 0;
	assert_int_equal(v4l2_map(&node, 8, &memory, text, sizeof(text)), -ENOMEM);
	driver.count_max = 3;
	driver.length = 320 * 200 - 1; /* the image does not fit */
	assert_int_equal(v4l2_map(&node, 8, &memory, text, sizeof(text)), -EOVERFLOW);
	assert_int_equal(driver.count, 0);
	close_node(&node);
}

static void test_busy(void **state)
{
	struct v4l2_node node = open_node();
	struct bench_memory memory;

	(void)state;
	driver.busy_buffers = EBUSY;
	assert_int_equal(v4l2_configure(&node, 320, 200, text, sizeof(text)), -EBUSY);
	assert_string_equal(text, "in use by another program");
	v4l2_close(&node);
	assert_int_equal(driver.formats_tried + driver.formats_set, 0); /* left alone */
	driver.busy_buffers = 0;
	driver.busy_format = EBUSY; /* it came between */
	node = open_node();
	assert_int_equal(v4l2_configure(&node, 320, 200, text, sizeof(text)), -EBUSY);
	assert_string_equal(text, "in use by another program");
	v4l2_close(&node);
	assert_int_equal(driver.formats_set, 0);
	driver.busy_format = 0;
	node = configured();
	driver.busy_buffers = EBUSY;
	assert_int_equal(v4l2_map(&node, 8, &memory, text, sizeof(text)), -EBUSY);
	assert_string_equal(text, "in use by another program");
	driver.busy_buffers = 0;
	close_node(&node);
}

static void imports(const struct dmabuf *buffers, bool cannot_prepare)
{
	struct v4l2_node node = configured();

	driver.cannot_prepare = cannot_prepare;
	driver.import_count = 0;
	assert_int_equal(v4l2_import(&node, buffers, 3, text, sizeof(text)), 0);
	assert_int_equal(driver.import_count, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(driver.imported[i], 7 + i);
	v4l2_release(&node);
	assert_int_equal(driver.count, 0);
	driver.cannot_prepare = false;
	close_node(&node);
}

static void test_import(void **state)
{
	static const struct dmabuf buffers[3] = { { 7, BUFFER_BYTES, NULL },
						  { 8, BUFFER_BYTES, NULL },
						  { 9, BUFFER_BYTES, NULL } };
	struct v4l2_node node;

	(void)state;
	for (unsigned planar = 0; planar < 2; planar++) {
		driver.planar = planar;
		driver.capabilities =
			V4L2_CAP_STREAMING | (planar ? V4L2_CAP_VIDEO_CAPTURE_MPLANE : V4L2_CAP_VIDEO_CAPTURE);
		imports(buffers, false);
		imports(buffers, true);
		node = configured();
		driver.import_error = EFAULT;
		assert_int_equal(v4l2_import(&node, buffers, 3, text, sizeof(text)), -EFAULT);
		assert_string_equal(text, "fake refuses the heap's buffers: Bad address");
		assert_int_equal(driver.count, 0);
		driver.import_error = 0;
		driver.count_max = 2;
		assert_int_equal(v4l2_import(&node, buffers, 3, text, sizeof(text)), -ENOBUFS);
		driver.count_max = 8;
		close_node(&node);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_which_are_cameras, setup, teardown),
		cmocka_unit_test_setup_teardown(test_formats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sizes_that_lie, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import, setup, teardown),
	};

	return cmocka_run_group_tests_name("bench_v4l2", tests, NULL, NULL);
}
