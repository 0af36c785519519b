/* SPDX-License-Identifier: BSD-2-Clause */
/* first.c - the newest frame again and again: the program at the head of lumaring.h. */
#include <lumaring/lumaring.h>
#include <stdio.h>

int main(void)
{
	struct lumaring *ring;
	const struct lumaring_frame *frame;
	int r = lumaring_open("cam0", "main", NULL, &ring);
	if (r < 0)
		return fprintf(stderr, "%s\n", lumaring_strerror(r)), 1;
	while ((r = lumaring_latest(ring, 1000, &frame)) >= 0) {
		if (r > 0)
			continue;
		printf("%ux%u, top left %u\n", frame->width, frame->height, frame->pixels[0]);
		lumaring_release(ring, frame);
	}
	lumaring_close(ring);
	return 0;
}
