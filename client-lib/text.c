/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.c - every word the library says: versions, names of events and causes, sentences for errors. Reentrant; the
 * tables are constant. Never logs.
 */
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <lumaring/layout.h>
#include <lumaring/lumaring.h>

#define STRING_OF(value) #value
#define VERSION_OF(major, minor, patch) STRING_OF(major) "." STRING_OF(minor) "." STRING_OF(patch)
#define VERSION_TEXT VERSION_OF(LUMARING_VERSION_MAJOR, LUMARING_VERSION_MINOR, LUMARING_VERSION_PATCH)

LUMARING_STATIC_ASSERT(__builtin_strcmp(VERSION_TEXT, LUMARING_BUILD_VERSION) == 0,
		       "lumaring.h and the Makefile disagree about the version");

static const struct {
	int code;
	const char *sentence;
} sentences[] = {
	{ EACCES, "you may not connect to this camera: join the daemon's group" },
	{ EAGAIN, "nothing new yet" },
	{ EBADMSG, "the daemon or its shared memory makes no sense: daemon and library may not fit together" },
	{ EBUSY, "you attach more often than the daemon allows: try again later" },
	{ ECONNREFUSED, "no daemon serves this camera" },
	{ EDQUOT, "the private streams are larger, or more, than the daemon allows" },
	{ EINTR, "a signal interrupted the wait" },
	{ EINVAL, "a name, an option or an argument is out of range" },
	{ EMFILE, "this process, or the daemon, has no free file descriptor" },
	{ ENFILE, "the system has no free file descriptor" },
	{ ENOBUFS, "too many frames are held: release one" },
	{ ENOENT, "no such stream, or the frame is not in the ring" },
	{ ENOMEM, "out of memory" },
	{ ENOSPC, "no room in /dev/shm for the private stream" },
	{ ENOTCONN, "the daemon is away" },
	{ ENOTSUP,
	  "this handle or this daemon has no such thing: a region to move, a descriptor to poll, a word to wait on" },
	{ EPROTONOSUPPORT, "daemon and library have no version in common: update the older one" },
	{ ESTALE, "the frame was overwritten while it was held: discard what came from it" },
	{ ETIMEDOUT, "nothing came in time" },
	{ EUSERS, "the daemon has as many clients as it allows" },
};

LUMARING_API const char *lumaring_version(void)
{
	return VERSION_TEXT;
}

LUMARING_API const char *lumaring_strerror(int error)
{
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (error == -sentences[i].code)
			return sentences[i].sentence;
	return "unknown error";
}

LUMARING_API const char *lumaring_event_name(int event)
{
	static const char *const names[] = {
		[LUMARING_EVENT_GEOMETRY] = "geometry",         [LUMARING_EVENT_REPLACED] = "replaced",
		[LUMARING_EVENT_RESTARTED] = "restarted",       [LUMARING_EVENT_SOURCE_LOST] = "source_lost",
		[LUMARING_EVENT_SOURCE_BACK] = "source_back",   [LUMARING_EVENT_CLOSED] = "closed",
		[LUMARING_EVENT_DISCONNECTED] = "disconnected",
	};

	return event >= 0 && (size_t)event < sizeof(names) / sizeof(names[0]) ? names[event] : NULL;
}

LUMARING_API const char *lumaring_missed_name(unsigned cause)
{
	static const char *const names[LUMARING_MISSED_CAUSES] = {
		[LUMARING_MISSED_UNREAD] = "unread",       [LUMARING_MISSED_NO_SLOT] = "no_slot",
		[LUMARING_MISSED_COPY_LATE] = "copy_late", [LUMARING_MISSED_RECONFIGURE] = "reconfigure",
		[LUMARING_MISSED_ERROR] = "error",         [LUMARING_MISSED_SENSOR] = "sensor",
		[LUMARING_MISSED_CAMERA] = "camera",       [LUMARING_MISSED_CANCELLED] = "cancelled",
		[LUMARING_MISSED_STARTUP] = "startup",     [LUMARING_MISSED_SKIPPED] = "skipped",
	};

	return cause < LUMARING_MISSED_CAUSES ? names[cause] : NULL;
}

int lr_text_fail(struct lr_error *error, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return code;
}

void lr_text_from_peer(char *target, size_t target_bytes, const char *text, size_t bytes)
{
	size_t n = 0;

	for (; n < bytes && n + 1 < target_bytes && text[n]; n++)
		target[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	target[n] = '\0';
}

int lr_text_check(const struct lr_field *fields, size_t count, const char *where, struct lr_error *error)
{
	for (const struct lr_field *f = fields; f < fields + count; f++) {
		if (f->value < f->min || f->value > f->max)
			return lr_text_fail(error, -EBADMSG,
					    "%s: %s at byte %zu is %" PRIu64 ", accepted: %" PRIu64 " to %" PRIu64,
					    where, f->name, f->offset, f->value, f->min, f->max);
		if (f->multiple > 0 && f->value % f->multiple != 0)
			return lr_text_fail(error, -EBADMSG,
					    "%s: %s at byte %zu is %" PRIu64 ", accepted: a multiple of %" PRIu32,
					    where, f->name, f->offset, f->value, f->multiple);
	}
	return 0;
}

int lr_text_check_name(const char *name, size_t bytes)
{
	size_t length = strnlen(name, bytes);

	if (length == 0 || length > LUMARING_NAME_MAX)
		return -EINVAL;
	for (size_t i = 0; i < length; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", name[i]))
			return -EINVAL;
	return 0;
}
