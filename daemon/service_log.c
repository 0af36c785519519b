/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service_log.c - see service.h: the journal, which has what a line is about in fields of its own.
 *
 * Owns the name of the camera, set once before there are threads. It must never keep the daemon from working: what the
 * journal does not take goes to standard error.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION /* the place would always be this file */
#include "service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/log.h"

#define FIELDS_MAX 11u
#define FIELDS_BYTES (LOG_LINE_MAX + 1024u) /* of all of them; all but the line are short */

/* FIELD=value, as sd_journal_sendv() takes them. */
struct fields {
	struct iovec iov[FIELDS_MAX];
	unsigned count;
	char text[FIELDS_BYTES];
	size_t used;
};

static const char *journal_camera = "";

__attribute__((format(printf, 2, 3))) static void add(struct fields *fields, const char *format, ...)
{
	char *text = fields->text + fields->used;
	size_t room = sizeof(fields->text) - fields->used;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text, room, format, arguments);
	va_end(arguments);
	if (n < 0 || (size_t)n >= room || fields->count == FIELDS_MAX)
		return; /* better without this one than without the line */
	fields->iov[fields->count++] = (struct iovec){ text, (size_t)n };
	fields->used += (size_t)n;
}

static void log_to_journal(const struct log_entry *entry)
{
	const struct log_fields *about = &entry->fields;
	struct fields fields;

	fields.count = 0;
	fields.used = 0;
	add(&fields, "MESSAGE=%s", entry->line);
	add(&fields, "PRIORITY=%d", (int)entry->level);
	add(&fields, "SYSLOG_IDENTIFIER=lumaringd");
	add(&fields, "LUMARING_CAMERA=%s", journal_camera);
	if (about->event != LOG_EVENT_NONE) {
		add(&fields, "MESSAGE_ID=%s", log_event_id(about->event));
		add(&fields, "LUMARING_EVENT=%s", log_event_name(about->event));
	}
	if (about->stream)
		add(&fields, "LUMARING_STREAM=%s", about->stream);
	if (about->sequence)
		add(&fields, "LUMARING_SEQUENCE=%" PRIu64, about->sequence);
	if (about->client_pid > 0)
		add(&fields, "LUMARING_CLIENT_PID=%d", (int)about->client_pid);
	if (about->is_client)
		add(&fields, "LUMARING_CLIENT_UID=%u", (unsigned)about->client_uid);
	if (about->error)
		add(&fields, "ERRNO=%d", about->error);
	if (sd_journal_sendv(fields.iov, (int)fields.count) < 0)
		dprintf(STDERR_FILENO, "<%d>lumaringd: %s\n", (int)entry->level, entry->line);
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
