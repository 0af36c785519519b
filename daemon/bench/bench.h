/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - `lumaringd --bench-camera`: what copying out of this board's capture buffers costs, as one block of text to
 * paste into a report.
 *
 * Measures the memory that cameras are read from: plain memory, the buffers that each camera driver gives, and those of
 * the first dma-heap that a driver takes; with the daemon's own kernels and worker pool. No camera is started and one
 * in use is left alone. Used instead of a daemon: it has the process to itself.
 */
#ifndef LUMARING_BENCH_H
#define LUMARING_BENCH_H

#include <stddef.h>
#include <stdint.h>

struct bench_request {
	const char *device;     /* "/dev/video0"; NULL: each that is there */
	uint32_t width, height; /* of the captured image, 0: 2304x1296; a driver may take another */
};

/*
 * Measure and print to standard output, for some seconds. 0; -ECANCELED with the signal that stopped it (SIGINT,
 * SIGTERM, SIGHUP or SIGPIPE) in *ret_signal, after what was measured was printed; or a negative errno with one sentence in `text`. That
 * there is no camera is no failure; that the one named by `device` is none, is.
 */
int bench_camera(const struct bench_request *request, int *ret_signal, char *text, size_t text_bytes);

#endif
