/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * picture_png.c - see picture_png.h. The only file that knows libpng.
 *
 * libpng reports an error with longjmp(3), which lands in encode(). Whatever has to outlive the jump is in struct
 * encoder and belongs to the caller of encode(), and encode() itself has no variable that could lose its value.
 */
#include "picture_png.h"

#include <errno.h>
#include <inttypes.h>
#include <png.h>
#include <stdarg.h>
#include <stdio.h>
#include <zlib.h>

#include "picture.h"

#define TEXT_BYTES 96u
#define CHUNK_BYTES 65536u /* of compressed pixels: each is three writes */

struct encoder {
	struct output *output;
	const struct lumaring_frame *frame;
	png_structp png;
	png_infop info;
	int error; /* of the output; 0: none */
};

/* libpng uses its memory again after this, so nothing may stay gathered. */
static void write_bytes(png_structp png, png_bytep data, png_size_t bytes)
{
	struct encoder *encoder = png_get_io_ptr(png);
	int r = output_put(encoder->output, data, bytes);

	if (r == 0)
		r = output_flush(encoder->output);
	if (r == 0)
		return;
	encoder->error = r;
	png_error(png, "output");
}

static void flush_nothing(png_structp png)
{
	(void)png; /* write_bytes() leaves nothing gathered */
}

/* The library's own would write to standard error; the caller has the sentence. */
static _Noreturn void on_error(png_structp png, png_const_charp text)
{
	(void)text;
	png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

__attribute__((format(printf, 3, 4))) static void add_text(struct encoder *encoder, const char *key, const char *format,
							   ...)
{
	char value[TEXT_BYTES];
	png_text text = { .compression = PNG_TEXT_COMPRESSION_NONE, .key = (char *)(uintptr_t)key, .text = value };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(value, sizeof(value), format, arguments);
	va_end(arguments);
	png_set_text(encoder->png, encoder->info, &text, 1); /* which copies both */
}

static void add_texts(struct encoder *encoder)
{
	const struct lumaring_frame *frame = encoder->frame;
	const struct lumaring_region *region = &frame->region;

	add_text(encoder, "Software", "lumaring %s", lumaring_version());
	add_text(encoder, "sequence", "%" PRIu64, frame->sequence);
	add_text(encoder, "epoch", "%" PRIu64, frame->epoch);
	add_text(encoder, "region", "%u,%u,%u,%u", region->x, region->y, region->width, region->height);
	if (frame->bin > 1)
		add_text(encoder, "bin", "%u", frame->bin);
	if (frame->sensor_ns)
		add_text(encoder, "sensor_ns", "%" PRIu64, frame->sensor_ns);
	if (frame->exposure_us)
		add_text(encoder, "exposure_us", "%u", frame->exposure_us);
}

/* Runs of what the row above leaves: the smallest of the fast ways for footage, and not slow for noise. */
static void set_compression(struct encoder *encoder)
{
	png_set_filter(encoder->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_UP);
	png_set_compression_level(encoder->png, Z_BEST_SPEED);
	png_set_compression_strategy(encoder->png, Z_RLE);
	png_set_compression_buffer_size(encoder->png, CHUNK_BYTES);
}

static void write_picture(struct encoder *encoder)
{
	const struct lumaring_frame *frame = encoder->frame;
	unsigned sample_bytes = picture_sample_bytes(frame->fourcc);

	png_set_write_fn(encoder->png, encoder, write_bytes, flush_nothing);
	set_compression(encoder);
	png_set_IHDR(encoder->png, encoder->info, frame->width, frame->height, (int)(8 * sample_bytes),
		     PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	add_texts(encoder);
	png_write_info(encoder->png, encoder->info);
	if (sample_bytes == 2)
		png_set_swap(encoder->png); /* the ring is little endian, PNG is big endian */
	for (uint32_t y = 0; y < frame->height; y++)
		png_write_row(encoder->png, frame->pixels + (size_t)y * frame->stride);
	png_write_end(encoder->png, NULL);
}

/* What is not the output's fault is for lack of memory: there is nothing else in a frame that libpng could refuse. */
static int encode(struct encoder *encoder)
{
	if (setjmp(png_jmpbuf(encoder->png)))
		return encoder->error ? encoder->error : -ENOMEM;
	write_picture(encoder);
	return 0;
}

int picture_write_png(struct output *output, const struct lumaring_frame *frame)
{
	struct encoder encoder = { .output = output, .frame = frame };
	int r = -ENOMEM;

	encoder.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
	if (encoder.png)
		encoder.info = png_create_info_struct(encoder.png);
	if (encoder.info)
		r = encode(&encoder);
	png_destroy_write_struct(&encoder.png, &encoder.info);
	return r;
}
