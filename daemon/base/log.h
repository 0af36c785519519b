/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - one line per event, to standard error or to the sink that service.c sets (the journal).
 * Thread-safe; never called per frame.
 */
#ifndef LUMARING_LOG_H
#define LUMARING_LOG_H

enum log_level { /* as syslog(3) */
		 LOG_LEVEL_ERROR = 3,
		 LOG_LEVEL_WARNING = 4,
		 LOG_LEVEL_NOTICE = 5,
		 LOG_LEVEL_INFO = 6,
};

typedef void (*log_sink)(enum log_level level, const char *line);

/* NULL: standard error, "lumaringd: ..." */
void log_set_sink(log_sink sink);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
