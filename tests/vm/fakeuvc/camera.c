/* SPDX-License-Identifier: BSD-2-Clause */
/* camera.c - see fakeuvc.h: frames when they are due, and what became of them. */
#include "fakeuvc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATS_BYTES 512u

struct stats stats;
struct camera camera = { .format = 1, .size = 2, .interval = UNITS_PER_SECOND / DEFAULT_RATE };
struct frame frame;
static int stats_file = -1;

void camera_init(const char *stats_path)
{
	stats_file = open(stats_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (stats_file < 0)
		fail(stats_path);
	write_stats();
}

const struct format *camera_format(void)
{
	return &camera.formats->formats[camera.format - 1];
}

unsigned camera_frame_bytes(const struct format *format, const struct size *size)
{
	return (unsigned)size->width * size->height * format->bits_per_pixel / 8;
}

/* Padded with blanks and written at once, so that whoever reads it sees all of it. */
void write_stats(void)
{
	char text[STATS_BYTES + 1];
	int n = snprintf(
		text, sizeof(text),
		"{\"commands\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"shorts\": %" PRIu64
		", \"skipped\": %" PRIu64 ", \"paused\": %" PRIu64 ", \"slow\": %" PRIu64 ", \"n\": %" PRIu64
		", \"plugged\": %d, \"plugs\": %" PRIu64 ", \"unplugs\": %" PRIu64
		", \"streaming\": %d, \"starts\": %" PRIu64 ", \"format\": \"%s\", \"width\": %u, \"height\": %u}",
		stats.commands, stats.sent, stats.errors, stats.shorts, stats.skipped, stats.paused, stats.slow,
		camera.n, camera.plugged, stats.plugs, stats.unplugs, camera.streaming, stats.starts,
		camera_format()->fourcc, sizes[camera.size - 1].width, sizes[camera.size - 1].height);

	memset(text + n, ' ', STATS_BYTES - (size_t)n);
	text[STATS_BYTES - 1] = '\n';
	if (pwrite(stats_file, text, STATS_BYTES, 0) != (ssize_t)STATS_BYTES)
		fail("statistics");
}

static void draw_planar(unsigned width, unsigned height)
{
	static uint8_t ramp[4096];
	size_t luma = (size_t)width * height;

	for (unsigned i = 0; i < sizeof(ramp); i++)
		ramp[i] = (uint8_t)i;
	for (unsigned y = 0; y < height; y++)
		memcpy(frame.bytes + (size_t)y * width, ramp + ((y + camera.n) & 255), width);
	memset(frame.bytes + luma, 128, frame.size - luma);
}

static void draw_packed(unsigned width, unsigned height)
{
	for (unsigned y = 0; y < height; y++) {
		uint8_t *row = frame.bytes + 2 * (size_t)y * width;

		for (unsigned x = 0; x < width; x++) {
			row[2 * x] = (uint8_t)(x + y + camera.n);
			row[2 * x + 1] = 128;
		}
	}
}

static void draw(void)
{
	const struct format *format = camera_format();
	const struct size *size = &sizes[camera.size - 1];
	unsigned step = format->layout == PACKED ? 2 : 1, pixels = (unsigned)size->width * size->height;

	frame.size = camera_frame_bytes(format, size);
	frame.bytes = realloc(frame.bytes, frame.size);
	if (!frame.bytes)
		fail("a frame");
	if (format->layout == PACKED)
		draw_packed(size->width, size->height);
	else
		draw_planar(size->width, size->height);
	for (unsigned i = 0; i < 8; i++) {
		frame.bytes[step * i] = (uint8_t)(camera.n >> 8 * i);
		frame.bytes[step * (pixels - 8 + i)] = (uint8_t)(camera.n >> 8 * i);
	}
}

void camera_note_sent(void)
{
	frame.busy = false;
	stats.sent++;
	stats.errors += frame.damaged;
	stats.shorts += frame.cut;
	write_stats();
}

static void begin_frame(void)
{
	draw();
	frame.at = 0;
	frame.busy = true;
	frame.id ^= 1;
	frame.damaged = camera.error_next;
	frame.cut = camera.short_next;
	if (frame.cut)
		frame.size /= 2;
	camera.error_next = camera.short_next = false;
	usb_send_frame();
}

/* A frame is due. */
void camera_tick(void)
{
	if (!camera.streaming)
		return;
	if (camera.paused) {
		stats.paused++;
	} else if (camera.skip > 0) {
		camera.skip--;
		stats.skipped++;
	} else if (frame.busy || !usb_is_awaited()) {
		stats.slow++;
	} else {
		begin_frame();
	}
	camera.n++;
	write_stats();
}

void camera_begin_streaming(void)
{
	frame.busy = false;
	camera.streaming = true;
	stats.starts++;
	set_timer();
	write_stats();
}

void camera_end_streaming(void)
{
	camera.streaming = frame.busy = false;
	write_stats();
}
