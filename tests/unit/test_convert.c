/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_convert.c - daemon/copy/convert and frame: every pixel of every format, region, depth and binning, beside a
 * second way to say what it should be, one pixel at a time. Kernels have a test of their own, tests/checkasm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "copy/frame.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GUARD 0x5a
#define GUARD_BYTES 64u

/* An image that ends with its last pixel's group, right before memory that cannot be read. */
struct image {
	enum pixels pixels;
	uint32_t width, height;
	size_t stride;
	uint8_t *map, *data;
	size_t map_bytes;
};

static uint32_t random_state = 1;

static uint8_t random_byte(void)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (uint8_t)(random_state >> 24);
}

/*
 * Where no whole groups of 64 bytes are read the image begins anywhere; else it begins a page, as a capture buffer
 * does.
 */
static struct image image_make(enum pixels pixels, uint32_t width, uint32_t height, size_t padding, bool at_page)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), row = pixels_row_bytes(pixels, width);
	struct image image = { .pixels = pixels, .width = width, .height = height, .stride = row + padding };
	size_t bytes = image.stride * (height - 1) + row, whole = (bytes + page - 1) / page * page;

	image.map_bytes = whole + page;
	image.map = mmap(NULL, image.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(image.map != MAP_FAILED);
	assert_int_equal(mprotect(image.map + whole, page, PROT_NONE), 0);
	image.data = at_page ? image.map : image.map + whole - bytes;
	for (size_t i = 0; i < bytes; i++)
		image.data[i] = random_byte();
	if (pixels == PIXELS_R10 || pixels == PIXELS_R12)
		for (uint32_t y = 0; y < height; y++)
			for (uint32_t x = 0; x < width; x++)
				image.data[y * image.stride + 2 * x + 1] &= pixels == PIXELS_R10 ? 3 : 15;
	return image;
}

static void image_free(struct image *image)
{
	munmap(image->map, image->map_bytes);
}

/* --- what a pixel should be ---------------------------------------------------------------------------------- */

static unsigned luma_of_rgb(unsigned r, unsigned g, unsigned b, enum lumaring_luma_range range)
{
	const struct copy_weights *w = range == LUMARING_RANGE_LIMITED ? &copy_weights_limited : &copy_weights_full;
	unsigned luma = (r * w->red + g * w->green + b * w->blue + w->offset) >> 16;

	return luma < 255 ? luma : 255;
}

/* At the source's depth. */
static unsigned sample(const struct image *image, uint32_t x, uint32_t y, enum lumaring_luma_range range)
{
	const uint8_t *row = image->data + y * image->stride;

	switch (image->pixels) {
	case PIXELS_R8:
		return row[x];
	case PIXELS_R10:
	case PIXELS_R12:
	case PIXELS_R16:
		return row[2 * x] | row[2 * x + 1] << 8;
	case PIXELS_R10_CSI2P:
		return row[x / 4 * 5 + x % 4] << 2 | (row[x / 4 * 5 + 4] >> x % 4 * 2 & 3);
	case PIXELS_R12_CSI2P:
		return row[x / 2 * 3 + x % 2] << 4 | (row[x / 2 * 3 + 2] >> x % 2 * 4 & 15);
	case PIXELS_YUYV:
	case PIXELS_YVYU:
		return row[2 * x];
	case PIXELS_UYVY:
	case PIXELS_VYUY:
		return row[2 * x + 1];
	case PIXELS_RGB24:
		return luma_of_rgb(row[3 * x], row[3 * x + 1], row[3 * x + 2], range);
	case PIXELS_BGR24:
		return luma_of_rgb(row[3 * x + 2], row[3 * x + 1], row[3 * x], range);
	case PIXELS_XRGB8888:
		return luma_of_rgb(row[4 * x + 2], row[4 * x + 1], row[4 * x], range);
	case PIXELS_XBGR8888:
		return luma_of_rgb(row[4 * x], row[4 * x + 1], row[4 * x + 2], range);
	case PIXELS_COUNT:
		break;
	}
	return 0;
}

static unsigned expected(const struct image *image, uint32_t x, uint32_t y, unsigned bin, uint32_t fourcc,
			 enum lumaring_luma_range range)
{
	unsigned depth = pixels_facts(image->pixels)->depth, sum = 0, v;

	for (unsigned i = 0; i < bin * bin; i++)
		sum += sample(image, x + i % bin, y + i / bin, range);
	v = bin == 2 ? (sum + 2) / 4 : sum;
	if (fourcc == LUMARING_FORMAT_R8)
		return v >> (depth - 8);
	if (range != LUMARING_RANGE_FULL || depth == 16)
		return v << (16 - depth);
	return v << (16 - depth) | v >> (2 * depth - 16);
}

/* --- one stream ---------------------------------------------------------------------------------------------- */

struct picture {
	uint8_t *all;
	size_t bytes;
	struct copy_job job;
};

/* A destination with guard bytes around it and between its rows. */
static struct picture picture_make(const struct image *image, const struct copy_conversion *conversion, uint32_t x,
				   uint32_t y, uint32_t width, uint32_t height)
{
	size_t row = (size_t)width * copy_pixel_bytes(conversion->fourcc), stride = (row + 63) / 64 * 64 + 64;
	struct picture p = { .bytes = stride * height + 2 * GUARD_BYTES };

	assert_int_equal(posix_memalign((void **)&p.all, 64, p.bytes), 0);
	memset(p.all, GUARD, p.bytes);
	p.job = (struct copy_job){
		.conversion = conversion,
		.image = image->data,
		.image_stride = image->stride,
		.x = x,
		.y = y,
		.width = width,
		.height = height,
		.destination = p.all + GUARD_BYTES,
		.destination_stride = stride,
	};
	return p;
}

static void complain(const struct image *image, const struct picture *p, size_t at, unsigned is, unsigned should)
{
	const struct copy_conversion *c = p->job.conversion;

	fail_msg("%s %ux%u stride %zu to %.4s bin %u%s, region %u,%u,%u,%u: byte %zd is %u, not %u",
		 pixels_facts(image->pixels)->name, image->width, image->height, image->stride,
		 (const char *)&c->fourcc, c->bin, c->uncached ? " uncached" : "", p->job.x, p->job.y, p->job.width,
		 p->job.height, (ssize_t)at - (ssize_t)GUARD_BYTES, is, should);
}

static void picture_check(const struct image *image, struct picture *p, enum lumaring_luma_range range)
{
	const struct copy_job *job = &p->job;
	unsigned unit = copy_pixel_bytes(job->conversion->fourcc), bin = job->conversion->bin;

	for (uint32_t y = 0; y < job->height; y++) {
		for (uint32_t x = 0; x < job->width; x++) {
			size_t at = GUARD_BYTES + y * job->destination_stride + (size_t)x * unit;
			unsigned is = p->all[at] | (unit == 2 ? p->all[at + 1] << 8 : 0);
			unsigned should = expected(image, job->x + x * bin, job->y + y * bin, bin,
						   job->conversion->fourcc, range);

			if (is != should)
				complain(image, p, at, is, should);
			memset(p->all + at, GUARD, unit);
		}
	}
	for (size_t i = 0; i < p->bytes; i++)
		if (p->all[i] != GUARD)
			complain(image, p, i, p->all[i], GUARD);
	free(p->all);
}

static uint8_t scratch[COPY_SCRATCH_BYTES] __attribute__((aligned(64)));

static void check(const struct image *image, bool uncached, uint32_t fourcc, unsigned bin,
		  enum lumaring_luma_range range, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	struct copy_conversion conversion;
	struct picture p;

	copy_conversion_init(&conversion, image->pixels, range, uncached, fourcc, bin, copy_cpu());
	p = picture_make(image, &conversion, x, y, width / bin, height / bin);
	for (int streaming = 0; streaming < 2; streaming++) {
		p.job.streaming = streaming;
		/* In two pieces, as two workers would. */
		copy_job_run(&p.job, 0, p.job.height / 2, scratch);
		copy_job_run(&p.job, p.job.height / 2, p.job.height - p.job.height / 2, scratch);
		copy_fence();
		if (!streaming)
			for (uint32_t row = 0; row < p.job.height; row++)
				memset(p.job.destination + row * p.job.destination_stride, ~GUARD,
				       (size_t)p.job.width * copy_pixel_bytes(fourcc));
	}
	picture_check(image, &p, range);
}

static void check_regions(const struct image *image, bool uncached, uint32_t fourcc, unsigned bin,
			  enum lumaring_luma_range range)
{
	static const uint32_t corners[] = { 0, 1, 2, 3, 5, 64 };
	static const uint32_t widths[] = { 2, 3, 7, 64, 67 };

	check(image, uncached, fourcc, bin, range, 0, 0, image->width, image->height);
	for (unsigned i = 0; i < COUNT(corners); i++) {
		for (unsigned j = 0; j < COUNT(widths); j++)
			check(image, uncached, fourcc, bin, range, corners[i], corners[i] % 3, widths[j], 2 + j % 2);
		check(image, uncached, fourcc, bin, range, corners[i], corners[i] % 4, image->width - corners[i],
		      image->height - corners[i] % 4);
	}
}

static void check_format(enum pixels pixels, bool uncached)
{
	/* Narrower than a chunk; and several chunks, which begin wherever a stride that is no multiple of 64 lets them.
	 */
	static const struct {
		uint32_t width, height;
		size_t padding;
	} sizes[] = { { 133, 9, 59 }, { 2 * COPY_CHUNK_PIXELS + 131, 5, 64 }, { 2 * COPY_CHUNK_PIXELS + 3, 6, 6 } };
	static const uint32_t fourccs[] = { LUMARING_FORMAT_R8, LUMARING_FORMAT_R16 };

	for (unsigned i = 0; i < COUNT(sizes); i++) {
		struct image image = image_make(pixels, sizes[i].width, sizes[i].height, sizes[i].padding, uncached);

		for (unsigned f = 0; f < COUNT(fourccs); f++)
			for (unsigned bin = 1; bin <= 2; bin++) {
				check_regions(&image, uncached, fourccs[f], bin, LUMARING_RANGE_FULL);
				check(&image, uncached, fourccs[f], bin, LUMARING_RANGE_LIMITED, 1, 1, image.width - 1,
				      image.height - 1);
				check(&image, uncached, fourccs[f], bin, LUMARING_RANGE_UNKNOWN, 1, 1, image.width - 1,
				      image.height - 1);
			}
		image_free(&image);
	}
}

static void test_every_format(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PIXELS_COUNT; i++)
		check_format((enum pixels)i, false);
}

static void test_every_format_uncached(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PIXELS_COUNT; i++)
		check_format((enum pixels)i, true);
}

/* --- several streams ----------------------------------------------------------------------------------------- */

struct wish {
	uint32_t fourcc;
	unsigned bin;
	uint32_t x, y, width, height; /* of the image */
};

#define WISHES_MAX 12u

static void check_frame(enum pixels pixels, bool uncached, const struct wish *wishes, unsigned count, unsigned workers)
{
	struct image image = image_make(pixels, 1500, 200, 0, true);
	struct copy_pool_config config = { .threads = workers, .scratch_bytes = COPY_SCRATCH_BYTES };
	struct copy_conversion conversions[WISHES_MAX], inner[WISHES_MAX];
	struct picture pictures[WISHES_MAX];
	struct copy_part parts[WISHES_MAX];
	struct copy_effort effort;
	struct copy_frame frame;
	struct copy_pool *pool;
	char text[256];

	assert_int_equal(copy_pool_create(&config, &pool, text, sizeof(text)), 0);
	copy_frame_begin(&frame, parts);
	for (unsigned i = 0; i < count; i++) {
		const struct wish *w = &wishes[i];

		copy_conversion_init(&conversions[i], pixels, LUMARING_RANGE_FULL, uncached, w->fourcc, w->bin,
				     copy_cpu());
		pictures[i] = picture_make(&image, &conversions[i], w->x, w->y, w->width / w->bin, w->height / w->bin);
		if (copy_conversion_inner(&conversions[i], copy_cpu(), &inner[i]))
			pictures[i].job.inner = &inner[i];
		copy_frame_add(&frame, &pictures[i].job);
	}
	copy_frame_run(&frame, pool, workers, &effort);
	assert_in_range(effort.workers, 1, workers);
	for (unsigned i = 0; i < count; i++)
		picture_check(&image, &pictures[i], LUMARING_RANGE_FULL);
	copy_pool_destroy(pool);
	image_free(&image);
}

/* Overlapping, nested, apart, of both depths, odd and even against each other; the widest is not the first. */
static void test_frames(void **state)
{
	static const struct wish wishes[WISHES_MAX] = {
		{ LUMARING_FORMAT_R8, 1, 700, 50, 64, 64 },   { LUMARING_FORMAT_R16, 1, 3, 1, 40, 30 },
		{ LUMARING_FORMAT_R8, 2, 101, 51, 200, 100 }, { LUMARING_FORMAT_R8, 2, 100, 52, 200, 100 },
		{ LUMARING_FORMAT_R8, 1, 1, 1, 1400, 190 },   { LUMARING_FORMAT_R8, 1, 0, 0, 10, 10 },
		{ LUMARING_FORMAT_R16, 1, 2, 0, 1000, 199 },  { LUMARING_FORMAT_R16, 2, 4, 3, 600, 101 },
		{ LUMARING_FORMAT_R8, 1, 1499, 199, 1, 1 },   { LUMARING_FORMAT_R8, 1, 1390, 100, 20, 20 },
		{ LUMARING_FORMAT_R16, 2, 0, 0, 1500, 200 },  { LUMARING_FORMAT_R8, 1, 1381, 171, 20, 20 },
	};

	(void)state;
	for (unsigned pixels = 0; pixels < PIXELS_COUNT; pixels++)
		for (unsigned workers = 1; workers <= 3; workers += 2)
			for (unsigned uncached = 0; uncached < 2; uncached++) {
				check_frame((enum pixels)pixels, uncached, wishes, WISHES_MAX, workers);
				check_frame((enum pixels)pixels, uncached, wishes + 4, 1, workers);
				check_frame((enum pixels)pixels, uncached, wishes + 8, 1, workers);
			}
}

/* From an uncached image, who lies inside another's region reads from there: seen by changing the image behind it. */
static void test_read_once(void **state)
{
	struct image image = image_make(PIXELS_R8, 640, 64, 0, true);
	struct copy_pool_config config = { .threads = 1, .scratch_bytes = COPY_SCRATCH_BYTES };
	struct copy_conversion conversion, inner;
	struct copy_part parts[2];
	struct picture outside, inside;
	struct copy_effort effort;
	struct copy_frame frame;
	struct copy_pool *pool;
	char text[256];

	(void)state;
	assert_int_equal(copy_pool_create(&config, &pool, text, sizeof(text)), 0);
	for (unsigned uncached = 0; uncached < 2; uncached++) {
		copy_conversion_init(&conversion, PIXELS_R8, LUMARING_RANGE_FULL, uncached, LUMARING_FORMAT_R8, 1,
				     copy_cpu());
		assert_true(copy_conversion_inner(&conversion, copy_cpu(), &inner));
		outside = picture_make(&image, &conversion, 0, 0, 640, 64);
		inside = picture_make(&image, &conversion, 100, 10, 64, 20);
		inside.job.inner = &inner;
		copy_frame_begin(&frame, parts);
		copy_frame_add(&frame, &inside.job);
		copy_frame_add(&frame, &outside.job);
		copy_frame_run(&frame, pool, 1, &effort);
		assert_ptr_equal(frame.parts[uncached].job.image, uncached ? outside.job.destination : image.data);
		picture_check(&image, &inside, LUMARING_RANGE_FULL);
		picture_check(&image, &outside, LUMARING_RANGE_FULL);
	}
	copy_pool_destroy(pool);
	image_free(&image);
}

/* Rows that are binned are not taken from where another worker may not have put both of them yet. */
static void test_read_once_whole_rows(void **state)
{
	struct image image = image_make(PIXELS_R8, 640, 1000, 0, true);
	struct copy_pool_config config = { .threads = 1, .scratch_bytes = COPY_SCRATCH_BYTES };
	struct copy_conversion plain, binned, inner;
	struct picture pictures[3];
	struct copy_part parts[3];
	struct copy_effort effort;
	struct copy_frame frame;
	struct copy_pool *pool;
	char text[256];

	(void)state;
	assert_int_equal(copy_pool_create(&config, &pool, text, sizeof(text)), 0);
	copy_conversion_init(&plain, PIXELS_R8, LUMARING_RANGE_FULL, true, LUMARING_FORMAT_R8, 1, copy_cpu());
	copy_conversion_init(&binned, PIXELS_R8, LUMARING_RANGE_FULL, true, LUMARING_FORMAT_R8, 2, copy_cpu());
	assert_true(copy_conversion_inner(&binned, copy_cpu(), &inner));
	pictures[0] = picture_make(&image, &plain, 0, 3, 640, 996);
	pictures[1] = picture_make(&image, &binned, 10, 5, 100, 100);
	pictures[2] = picture_make(&image, &binned, 10, 6, 100, 100);
	copy_frame_begin(&frame, parts);
	for (unsigned i = 0; i < COUNT(parts); i++) {
		pictures[i].job.inner = i ? &inner : NULL;
		copy_frame_add(&frame, &pictures[i].job);
	}
	copy_frame_run(&frame, pool, 1, &effort);
	assert_true(frame.bands > 1);
	assert_int_equal(frame.band_rows % 2, 0);
	assert_ptr_equal(parts[1].job.image, pictures[0].job.destination);
	assert_ptr_equal(parts[2].job.image, image.data);
	for (unsigned i = 0; i < COUNT(parts); i++)
		picture_check(&image, &pictures[i], LUMARING_RANGE_FULL);
	copy_pool_destroy(pool);
	image_free(&image);
}

/* Past the caches from a number of bytes on, whatever they are made of; one less is stored in them. */
static void test_streaming_by_size(void **state)
{
	struct image image = image_make(PIXELS_R8, 8, 8, 0, true);
	struct copy_conversion conversion;
	struct copy_part part;
	struct copy_frame frame;

	(void)state;
	for (unsigned bytes = 1; bytes <= 2; bytes++) {
		struct copy_job job = { .conversion = &conversion, .image = image.data, .height = 1 };

		copy_conversion_init(&conversion, PIXELS_R8, LUMARING_RANGE_FULL, false,
				     bytes == 2 ? LUMARING_FORMAT_R16 : LUMARING_FORMAT_R8, 1, copy_cpu());
		for (unsigned less = 0; less < 2; less++) {
			job.width = COPY_STREAMING_BYTES / bytes - less;
			copy_frame_begin(&frame, &part);
			copy_frame_add(&frame, &job);
			assert_int_equal(part.job.streaming, !less);
		}
	}
	image_free(&image);
}

/* How often each group of 64 bytes of the image was read, by a kernel that looks on. */
static const uint8_t *seen_from;
static uint8_t seen[512];

static void fetch_and_count(const struct copy_rows *r)
{
	size_t begin = (size_t)(r->source - seen_from) / 64, end = (size_t)(r->source + r->pixels - 1 - seen_from) / 64;

	assert_int_equal(r->rows, 1);
	for (size_t i = begin; i <= end; i++)
		seen[i]++;
	memcpy(r->destination, r->source, r->pixels);
}

static void test_each_group_is_read_once(void **state)
{
	static const struct copy_kernel spy = { COPY_FETCH, false, "spy", 0, fetch_and_count };

	(void)state;
	for (unsigned pixels = PIXELS_R10; pixels < PIXELS_COUNT; pixels++) {
		struct image image = image_make((enum pixels)pixels, 3000, 2, 72, true);
		struct copy_conversion conversion;
		struct picture p;

		/* To the depth that no source has as it is, so that there are two steps. */
		copy_conversion_init(&conversion, image.pixels, LUMARING_RANGE_FULL, true,
				     pixels_facts(image.pixels)->depth > 8 ? LUMARING_FORMAT_R8 : LUMARING_FORMAT_R16,
				     1, copy_cpu());
		conversion.steps[0].kernel = &spy;
		p = picture_make(&image, &conversion, 3, 0, 2990, 2);
		memset(seen, 0, sizeof(seen));
		seen_from = image.data;
		copy_job_run(&p.job, 0, 2, scratch);
		assert_int_equal(seen[10], 1);
		for (unsigned i = 0; i < COUNT(seen); i++)
			if (seen[i] > 1)
				fail_msg("%s: group %u was read %u times", pixels_facts(image.pixels)->name, i,
					 seen[i]);
		picture_check(&image, &p, LUMARING_RANGE_FULL);
		image_free(&image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format),
		cmocka_unit_test(test_every_format_uncached),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_read_once),
		cmocka_unit_test(test_read_once_whole_rows),
		cmocka_unit_test(test_streaming_by_size),
		cmocka_unit_test(test_each_group_is_read_once),
	};

	return cmocka_run_group_tests_name("convert", tests, NULL, NULL);
}
