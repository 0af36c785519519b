/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_trial.c - daemon/trial: which pixels the trial of copies reads. An image is a file in memory that has no pages
 * until one is read, so that they can be counted; what lies behind it must not be touched.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "trial.h"

#define PAGE 4096u
#define STRIDE (2 * PAGE) /* two pages a row */
#define WIDTH 4000u
#define HEIGHT 512u
#define IMAGE_BYTES ((size_t)STRIDE * HEIGHT)

static struct config config;

static void add_stream(const char *text)
{
	struct stream_config stream;
	char error[512] = "";

	if (config_read_stream(&stream, "stream", text, error, sizeof(error)) < 0 ||
	    config_add_stream(&config, "stream", &stream, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

static int set_up(void **state)
{
	(void)state;
	config_init(&config);
	config.stream_count = 0;
	return 0;
}

static struct trial *make_trial(void)
{
	struct trial *trial;
	char text[512] = "";

	if (trial_create(&config, &trial, text, sizeof(text)) < 0)
		fail_msg("%s", text);
	return trial;
}

static unsigned pages_read(const struct trial *trial, uint32_t width, uint32_t height, enum pixels pixels,
			   bool uncached)
{
	const struct source_format format = { .width = width,
					      .height = height,
					      .pixels = pixels,
					      .stride = STRIDE,
					      .luma_range = LUMARING_RANGE_FULL,
					      .uncached = uncached };
	int fd = memfd_create("image", MFD_CLOEXEC);
	uint8_t *image = mmap(NULL, 2 * IMAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stat status;

	assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
	assert_ptr_not_equal(image, MAP_FAILED);
	assert_ptr_equal(mmap(image, (size_t)STRIDE * height, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0), image);
	madvise(image, (size_t)STRIDE * height, MADV_RANDOM);
	assert_true(trial_copy_ns(trial, image, &format) > 0);
	assert_int_equal(fstat(fd, &status), 0);
	munmap(image, 2 * IMAGE_BYTES);
	close(fd);
	return (unsigned)(status.st_blocks * 512 / PAGE);
}

static void test_regions(void **state)
{
	struct trial *trial;

	(void)state;
	add_stream("a=0,10,64,100");
	add_stream("c=2,20,10,20,bin=2");
	add_stream("b=2000,200,1200,312,format=R16");
	trial = make_trial();
	assert_int_equal(pages_read(trial, WIDTH, HEIGHT, PIXELS_R10, false), 100 + 2 * (HEIGHT - 200));
	assert_int_equal(pages_read(trial, WIDTH, HEIGHT, PIXELS_R10, true), 100 + 2 * (HEIGHT - 200));
	/* In a smaller image they are moved inside. */
	assert_int_equal(pages_read(trial, 80, 64, PIXELS_R8, false), 64);
	assert_int_equal(pages_read(trial, 1, 1, PIXELS_R8, true), 1);
	trial_destroy(trial);
}

static void test_streams_of_the_start(void **state)
{
	struct trial *trial;

	(void)state;
	add_stream("a=0,0,64,100,format=R16");
	trial = make_trial();
	add_stream("main");
	config.streams[0].region = (struct region){ 0, 0, 64, 7 };
	assert_int_equal(pages_read(trial, WIDTH, HEIGHT, PIXELS_YUYV, false), 100);
	trial_destroy(trial);
	trial = make_trial();
	assert_int_equal(pages_read(trial, WIDTH, HEIGHT, PIXELS_YUYV, false), 2 * HEIGHT);
	trial_destroy(trial);
}

static void test_all_of_it_where_nothing_is_said(void **state)
{
	struct trial *trial = make_trial();

	(void)state;
	assert_int_equal(pages_read(trial, WIDTH, HEIGHT, PIXELS_R10, true), 2 * HEIGHT);
	trial_destroy(trial);
}

static void test_nothing_to_copy(void **state)
{
	const struct source_format format = { .width = 1, .height = 1, .pixels = PIXELS_R8, .stride = 64 };
	static const uint8_t image[64];
	struct trial *trial;

	(void)state;
	add_stream("a,bin=2");
	trial = make_trial();
	assert_int_equal(trial_copy_ns(trial, image, &format), 0);
	trial_destroy(trial);
	trial_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_regions, set_up),
		cmocka_unit_test_setup(test_streams_of_the_start, set_up),
		cmocka_unit_test_setup(test_all_of_it_where_nothing_is_said, set_up),
		cmocka_unit_test_setup(test_nothing_to_copy, set_up),
	};

	return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
