/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * region.c - follow the brightest spot: a private stream whose region moves to where the last frame was brightest.
 *
 *     region [CAMERA [FRAMES]]
 *
 * The region is 160x120 pixels around the spot. Moving it costs one store into memory that the daemon reads before it
 * copies the next frame, so the daemon never copies more than this region for this program.
 */
#include <lumaring/lumaring.h>

#include <stdio.h>
#include <stdlib.h>

#define REGION_WIDTH 160u
#define REGION_HEIGHT 120u

struct spot {
	uint32_t x, y; /* in the captured image */
	unsigned brightness;
};

/* The brightest pixel of an 8-bit frame, in pixels of the captured image. */
static struct spot find_spot(const struct lumaring_frame *frame)
{
	struct spot spot = { frame->region.x, frame->region.y, 0 };

	for (uint32_t y = 0; y < frame->height; y++) {
		const uint8_t *row = frame->pixels + (size_t)y * frame->stride;

		for (uint32_t x = 0; x < frame->width; x++) {
			if (row[x] <= spot.brightness)
				continue;
			spot.brightness = row[x];
			spot.x = frame->region.x + x * frame->bin;
			spot.y = frame->region.y + y * frame->bin;
		}
	}
	return spot;
}

/* Where a side of the region has to begin for the spot to be in its middle, within the image. */
static uint32_t centred(uint32_t spot, uint32_t size, uint32_t image_size)
{
	const uint32_t begin = spot > size / 2 ? spot - size / 2 : 0;

	if (image_size <= size)
		return 0;
	return begin < image_size - size ? begin : image_size - size;
}

static int follow(struct lumaring *ring, long frames)
{
	while (frames > 0) {
		const struct lumaring_frame *frame;
		struct lumaring_region region = { 0, 0, REGION_WIDTH, REGION_HEIGHT };
		struct spot spot;
		int r = lumaring_latest(ring, 5000, &frame);

		if (r > 0) {
			fprintf(stderr, "%s\n", lumaring_event_name(r));
			if (r == LUMARING_EVENT_CLOSED)
				return 0;
			continue;
		}
		if (r < 0) {
			fprintf(stderr, "%s\n", lumaring_error_text(ring));
			return 1;
		}
		spot = find_spot(frame);
		region.x = centred(spot.x, REGION_WIDTH, frame->image_width);
		region.y = centred(spot.y, REGION_HEIGHT, frame->image_height);
		printf("frame %llu: region at %u,%u, brightness %u at %u,%u\n", (unsigned long long)frame->sequence,
		       frame->region.x, frame->region.y, spot.brightness, spot.x, spot.y);
		lumaring_release(ring, frame);
		lumaring_set_region(ring, &region);
		frames--;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	struct lumaring *ring;
	char text[200];
	int r;

	options.flags = LUMARING_PRIVATE;
	options.region = (struct lumaring_region){ 0, 0, REGION_WIDTH, REGION_HEIGHT };
	options.error_text = text;
	options.error_bytes = sizeof(text);
	if (lumaring_open(argc > 1 ? argv[1] : NULL, NULL, &options, &ring) < 0) {
		fprintf(stderr, "%s\n", text);
		return 1;
	}
	r = follow(ring, argc > 2 ? atol(argv[2]) : 100);
	lumaring_close(ring);
	return r;
}
