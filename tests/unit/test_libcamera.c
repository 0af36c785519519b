/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_libcamera.c - source/libcamera.cpp as far as it goes on a machine without a camera: the library starts and ends,
 * again and again, its log arrives line by line with level and without time, what is not there is told. Not built with
 * LIBCAMERA=no. Frames: `make check-libcamera`.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "source/libcamera.h"

static struct {
	unsigned lines, notices; /* in all; those that tell the version, at the level of information */
	bool has_time, has_end;
} heard;

static void on_line(enum log_level level, const char *text)
{
	heard.lines++;
	heard.notices += level == LOG_LEVEL_INFO && strncmp(text, "Camera camera_manager.cpp:", 26) == 0 &&
			 strstr(text, " libcamera v");
	heard.has_time = heard.has_time || strchr(text, '[') == text;
	heard.has_end = heard.has_end || strchr(text, '\n');
}

static void test_version(void **state)
{
	unsigned major, minor, patch;
	int end = 0;

	(void)state;
	assert_int_equal(sscanf(libcamera_version(), "%u.%u.%u%n", &major, &minor, &patch, &end), 3);
	assert_int_equal(end, strlen(libcamera_version()));
}

/* Once after the other; never two at a time. */
static void test_open_and_close(void **state)
{
	struct source_identity cameras[SOURCE_CAMERAS_MAX];
	int life_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	eventfd_t rings;
	char text[256];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct libcamera_library *library = NULL;

		assert_int_equal(libcamera_open(life_fd, &library, text, sizeof(text)), 0);
		assert_non_null(library);
		assert_true(libcamera_list(library, cameras, SOURCE_CAMERAS_MAX) <= SOURCE_CAMERAS_MAX);
		assert_int_equal(libcamera_list(library, cameras, 0), 0);
		libcamera_close(library);
	}
	/* What was there from the beginning is no news, nor that it ends with the library. */
	assert_int_equal(eventfd_read(life_fd, &rings), -1);
	assert_int_equal(errno, EAGAIN);
	close(life_fd);
	libcamera_close(NULL);
	libcamera_release(NULL);
}

static void test_log(void **state)
{
	struct libcamera_library *library = NULL;
	unsigned lines;

	(void)state;
	libcamera_set_log(on_line);
	assert_int_equal(libcamera_open(-1, &library, NULL, 0), 0);
	libcamera_close(library);
	assert_int_equal(heard.notices, 1);
	assert_false(heard.has_time);
	assert_false(heard.has_end);
	lines = heard.lines;
	libcamera_set_log(NULL);
	assert_int_equal(libcamera_open(-1, &library, NULL, 0), 0);
	libcamera_close(library);
	assert_int_equal(heard.lines, lines);
}

static void on_completed(void *owner, const struct libcamera_completion *completion)
{
	(void)owner;
	(void)completion;
}

static void test_no_such_camera(void **state)
{
	const struct libcamera_listener listener = { NULL, on_completed };
	static struct libcamera_description description;
	struct libcamera_library *library = NULL;
	struct libcamera_camera *camera = NULL;
	char text[256] = "";

	(void)state;
	assert_int_equal(libcamera_open(-1, &library, text, sizeof(text)), 0);
	assert_int_equal(libcamera_acquire(library, "nowhere", &listener, &camera, text, sizeof(text)), -ENODEV);
	assert_string_equal(text, "there is no camera \"nowhere\"");
	assert_null(camera);
	assert_int_equal(libcamera_acquire(library, "nowhere", &listener, &camera, NULL, 0), -ENODEV);
	assert_int_equal(libcamera_look_at(library, "nowhere", &description), -ENODEV);
	libcamera_close(library);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_open_and_close),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_no_such_camera),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
