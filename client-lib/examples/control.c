/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.c - change the size and the rate of a camera while it runs, and see them in the frames: control WIDTH HEIGHT
 * FRAMES_PER_SECOND. Other readers of the camera go on as this one does.
 */
#include <lumaring/control.h>
#include <lumaring/lumaring.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const char *sentence)
{
	fprintf(stderr, "control: %s\n", sentence);
	return 1;
}

/* The first frame of the new size; those before it are as the old one. */
static int read_until(struct lumaring *ring, uint32_t width)
{
	const struct lumaring_frame *frame;
	int r;

	while ((r = lumaring_next(ring, 2000, &frame)) >= 0) {
		const uint32_t seen = r == 0 ? frame->image_width : 0;

		if (r > 0) {
			printf("event: %s\n", lumaring_event_name(r));
			continue;
		}
		if (seen == width)
			printf("frame %llu: %ux%u\n", (unsigned long long)frame->sequence, frame->width, frame->height);
		lumaring_release(ring, frame);
		if (seen == width)
			return 0;
	}
	return fail(lumaring_error_text(ring));
}

static int change(struct lumaring_control *control, struct lumaring *ring, char **words)
{
	struct lumaring_configuration wanted = LUMARING_CONFIGURATION_INIT;
	const struct lumaring_applied *got;

	wanted.width = (uint32_t)atoi(words[0]);
	wanted.height = (uint32_t)atoi(words[1]);
	wanted.frame_duration_min_us = wanted.frame_duration_max_us = (uint32_t)(1e6 / atof(words[2]));
	if (lumaring_configure(control, &wanted, 0, 5000, &got) < 0)
		return fail(lumaring_control_error_text(control));
	printf("now %ux%u, a frame every %u us; none for %lld us\n", got->width, got->height,
	       got->frame_duration_max_us, (long long)got->gap_us);
	return read_until(ring, got->width);
}

int main(int argc, char **argv)
{
	struct lumaring_control *control;
	struct lumaring *ring;
	int r, code;

	if (argc != 4 || atof(argv[3]) <= 0)
		return fail("say WIDTH HEIGHT FRAMES_PER_SECOND");
	r = lumaring_open(NULL, NULL, NULL, &ring);
	if (r < 0)
		return fail(lumaring_strerror(r));
	r = lumaring_control_open(NULL, NULL, &control);
	if (r < 0) {
		lumaring_close(ring);
		return fail(lumaring_strerror(r));
	}
	code = change(control, ring, argv + 1);
	lumaring_control_close(control);
	lumaring_close(ring);
	return code;
}
