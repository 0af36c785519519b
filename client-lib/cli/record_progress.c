/* SPDX-License-Identifier: BSD-2-Clause */
/* record_progress.c - see record_progress.h. One write a line, and none longer than the terminal is wide. */
#include "record_progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PERIOD_NS UINT64_C(250000000)
#define COLUMNS_UNKNOWN 80u /* where a terminal does not say */

void record_progress_init(struct record_progress *progress)
{
	*progress = (struct record_progress){ .terminal = isatty(STDERR_FILENO) };
}

static size_t columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_UNKNOWN;
	return size.ws_col;
}

static void put(const char *text, size_t bytes)
{
	if (write(STDERR_FILENO, text, bytes) < 0)
		return; /* nobody to tell */
}

void record_progress_sum(struct line *line, const struct record_figures *figures)
{
	line_tally(line, &figures->tally);
	line_add(line, "; %.2f s, %.1f MB", (double)figures->span_us / 1e6, (double)figures->bytes / 1e6);
}

void record_progress_show(struct record_progress *progress, const struct record_figures *figures, uint64_t now_ns)
{
	static const char begin[] = "\r", end[] = "\033[K";
	const size_t wide = columns() - 1;
	char text[sizeof(((struct line *)0)->text) + sizeof(begin) + sizeof(end)];
	struct line line;
	size_t n;

	if (!progress->terminal || now_ns < progress->next_ns)
		return;
	progress->next_ns = now_ns + PERIOD_NS;
	record_progress_sum(&line, figures);
	if (figures->waiting > 1) /* one is always on its way */
		line_add(&line, "; %u frames wait for the disk", figures->waiting);
	n = line.bytes < wide ? line.bytes : wide;
	n = (size_t)snprintf(text, sizeof(text), "%s%.*s%s", begin, (int)n, line.text, end);
	put(text, n);
	progress->shown = true;
}

void record_progress_clear(struct record_progress *progress)
{
	static const char clear[] = "\r\033[K";

	if (progress->shown)
		put(clear, sizeof(clear) - 1);
	progress->shown = false;
}
