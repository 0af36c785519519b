/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - see log.h. A line is formatted on the stack and written with one write(2), so lines of several threads do
 * not mix.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

static void log_to_stderr(enum log_level level, const char *line)
{
	char text[LOG_LINE_MAX + 16];
	int n = snprintf(text, sizeof(text), "lumaringd: %s%s\n", level == LOG_LEVEL_WARNING ? "warning: " : "", line);

	if (n > (int)sizeof(text) - 1)
		n = (int)sizeof(text) - 1;
	if (write(STDERR_FILENO, text, (size_t)n) < 0)
		return; /* nowhere left to say it */
}

static log_sink log_current = log_to_stderr;

void log_set_sink(log_sink sink)
{
	log_current = sink ? sink : log_to_stderr;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	log_current(level, line);
}
