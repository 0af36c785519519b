/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.c - see service.h: the journal and the service manager. The only file that includes systemd/.
 *
 * Owns the name of the camera for the journal's fields, set once before there are threads. It must never keep the
 * daemon from working: whatever systemd does not take is dropped or goes to standard error.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION /* the place would always be this file */
#include "service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define STATUS_BYTES 512

static const char *journal_camera = "";

static void log_to_journal(enum log_level level, const char *line)
{
	if (sd_journal_send("MESSAGE=%s", line, "PRIORITY=%d", (int)level, "SYSLOG_IDENTIFIER=lumaringd",
			    "LUMARING_CAMERA=%s", journal_camera, NULL) < 0)
		dprintf(STDERR_FILENO, "<%d>lumaringd: %s\n", (int)level, line);
}

/* Whoever sets JOURNAL_STREAM says which file is the journal's; standard error may have been redirected since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;
	char rest;

	return stream && sscanf(stream, "%ju:%ju%c", &device, &inode, &rest) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

void service_log_init(const char *camera)
{
	if (!stderr_is_journal())
		return;
	journal_camera = camera;
	log_set_sink(log_to_journal);
}

void service_ready(void)
{
	sd_notify(0, "READY=1");
}

void service_reloading(void)
{
	/* The time tells the manager which READY=1 belongs to it. */
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_ns() / NS_PER_US);
}

void service_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void service_status(const char *format, ...)
{
	char status[STATUS_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(status, sizeof(status), format, arguments);
	va_end(arguments);
	sd_notifyf(0, "STATUS=%s", status);
}
