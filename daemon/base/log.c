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

static void log_to_stderr(const struct log_entry *entry)
{
	const char *mark = entry->level == LOG_LEVEL_WARNING ? "warning: " : "";
	char text[LOG_LINE_MAX + 32];
	int n = snprintf(text, sizeof(text), "lumaringd: %s%s\n", mark, entry->line);

	if (write(STDERR_FILENO, text, (size_t)n) < 0)
		return; /* nowhere left to say it */
}

static log_sink log_current = log_to_stderr;

void log_set_sink(log_sink sink)
{
	log_current = sink ? sink : log_to_stderr;
}

__attribute__((format(printf, 3, 0))) static void write_entry(enum log_level level, const struct log_fields *fields,
							      const char *format, va_list arguments)
{
	char line[LOG_LINE_MAX];
	struct log_entry entry = { .level = level, .line = line, .fields = *fields };

	vsnprintf(line, sizeof(line), format, arguments);
	entry.fields.is_client |= entry.fields.client_pid > 0;
	log_current(&entry);
}

void log_event(enum log_level level, const struct log_fields *fields, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_entry(level, fields, format, arguments);
	va_end(arguments);
}

void log_line(enum log_level level, const char *format, ...)
{
	static const struct log_fields none;
	va_list arguments;

	va_start(arguments, format);
	write_entry(level, &none, format, arguments);
	va_end(arguments);
}
