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
	{ EACCES, "you may not connect to this camera: join the daemon's group, then log in again" },
	{ EAGAIN, "nothing new yet" },
	{ EBADMSG, "the daemon or its shared memory makes no sense: daemon and library may not fit together" },
	{ EBUSY, "the daemon is busy with another change, or you ask more often than it allows: try again later" },
	{ ECONNREFUSED, "no daemon serves this camera" },
	{ EDOM, "the source cannot do exactly that" },
	{ EDQUOT, "more than the daemon allows, of private streams, their bytes, connections or requests" },
	{ EEXIST, "there is such a stream already" },
	{ EINTR, "a signal interrupted the wait" },
	{ EINVAL, "a name, an option or an argument is out of range" },
	{ EIO, "the source refused" },
	{ EMFILE, "this process, or the daemon, has no free file descriptor" },
	{ ENFILE, "the system has no free file descriptor" },
	{ ENOBUFS, "too many frames are held: release one" },
	{ ENOENT, "no such stream, or the frame is not in the ring" },
	{ ENOMEM, "out of memory" },
	{ ENOSPC, "no room in /dev/shm for the stream" },
	{ ENOSYS, "the daemon has no such method: it may be older" },
	{ ENOTCONN, "the daemon is away" },
	{ ENOTEMPTY, "the stream has clients" },
	{ ENOTSUP, "there is no such thing here: a region to move, a descriptor to poll, a word to wait on, a control "
		   "of the source" },
	{ EPERM, "you may not change this camera: join the daemon's control group, then log in again" },
	{ EPROTONOSUPPORT, "daemon and library have no version in common: update the older one" },
	{ ERANGE, "a number is out of the daemon's range" },
	{ EREMOTEIO, "the daemon refused for a reason that this library does not know" },
	{ ESTALE, "the frame was overwritten while it was held: discard what came from it" },
	{ ETIMEDOUT, "nothing came in time" },
	{ EUCLEAN, "the daemon's configuration files have faults" },
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

size_t lr_text_character(const char *text, size_t bytes)
{
	static const uint32_t least[] = { 0, 1, 0x80, 0x800, 0x10000 };
	const unsigned char *c = (const unsigned char *)text;
	const size_t n = c[0] < 0x80 ? 1 : c[0] >> 5 == 0x6 ? 2 : c[0] >> 4 == 0xe ? 3 : c[0] >> 3 == 0x1e ? 4 : 0;
	uint32_t code = n == 1 ? c[0] : n > 0 ? c[0] & (0x7fu >> n) : 0;

	if (n == 0 || n > bytes)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (c[i] >> 6 != 0x2)
			return 0;
		code = code << 6 | (c[i] & 0x3fu);
	}
	return code < least[n] || code > 0x10ffff || code >> 11 == 0x1b ? 0 : n;
}
