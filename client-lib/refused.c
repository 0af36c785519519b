/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refused.c - what the daemon refuses over its control socket, as a code and a sentence: see lumaring.h, "Control".
 * Runs in the caller's thread. Must never rely on a parameter being there, or being what the interface says.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "denied.h"

/* Numbers of the interface are within 2^53 on both sides. */
#define NUMBER_MAX (INT64_C(1) << 53)

/* A piece of a sentence. */
struct piece {
	char text[200];
};

static struct piece word(struct lr_json object, const char *path)
{
	struct piece piece = { "?" };
	struct lr_json value;

	if (lr_json_find(object, path, &value) && lr_json_is_string(value))
		lr_json_text(value, piece.text, sizeof(piece.text));
	return piece;
}

static int64_t number(struct lr_json object, const char *path)
{
	struct lr_json value;
	int64_t integer = 0;

	if (lr_json_find(object, path, &value))
		lr_json_integer(value, -NUMBER_MAX, NUMBER_MAX, &integer);
	return integer;
}

/* The field as the caller knows it: not by which parameter it went. */
static struct piece field(struct lr_json object)
{
	static const char *const parts[] = { "configuration.", "controls." };
	struct piece piece = word(object, "field");

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const size_t n = strlen(parts[i]);

		if (strncmp(piece.text, parts[i], n) == 0)
			memmove(piece.text, piece.text + n, strlen(piece.text + n) + 1);
	}
	return piece;
}

/* "; try again in 180 ms" where the daemon says when. */
static struct piece when(struct lr_json object)
{
	const int64_t us = number(object, "retry_after_us");
	struct piece piece = { "" };

	if (us > 0)
		snprintf(piece.text, sizeof(piece.text), ": try again in %" PRId64 " ms", (us + 999) / 1000);
	return piece;
}

/* "main, ball", as far as they fit. */
static struct piece list(struct lr_json object, const char *path)
{
	struct lr_json array, element = { NULL, NULL };
	struct piece piece = { "" };
	char name[64];

	if (!lr_json_find(object, path, &array))
		return piece;
	while (lr_json_next(array, &element)) {
		const size_t n = strlen(piece.text);

		lr_json_text(element, name, sizeof(name));
		snprintf(piece.text + n, sizeof(piece.text) - n, "%s%s", n > 0 ? ", " : "", name);
	}
	return piece;
}

static void say_range(struct lr_json p, struct lr_error *error)
{
	lr_text_fail(error, 0, "%s %" PRId64 " is out of range: %" PRId64 " to %" PRId64, field(p).text,
		     number(p, "given"), number(p, "minimum"), number(p, "maximum"));
}

static void say_field(struct lr_json p, struct lr_error *error)
{
	lr_text_fail(error, 0, "%s: %s", field(p).text, word(p, "reason").text);
}

static void say_no_stream(struct lr_json p, struct lr_error *error)
{
	const struct piece streams = list(p, "streams");

	lr_text_fail(error, 0, "there is no stream \"%s\"%s%s", word(p, "stream").text,
		     streams.text[0] ? ", only " : "", streams.text);
}

static void say_exists(struct lr_json p, struct lr_error *error)
{
	lr_text_fail(error, 0, "there is a stream \"%s\" already", word(p, "stream").text);
}

static void say_in_use(struct lr_json p, struct lr_error *error)
{
	const int64_t clients = number(p, "clients");

	lr_text_fail(error, 0,
		     "stream \"%s\" has %" PRId64 " client%s: they are disconnected only when that is asked for",
		     word(p, "stream").text, clients, clients == 1 ? "" : "s");
}

static void say_adjusted(struct lr_json p, struct lr_error *error)
{
	struct lr_json array, element = { NULL, NULL };

	lr_text_fail(error, 0, "the source cannot do exactly that:");
	if (!lr_json_find(p, "adjustments", &array))
		return;
	while (lr_json_next(array, &element)) {
		const size_t n = strlen(error->text);

		snprintf(error->text + n, sizeof(error->text) - n, "%s %s %" PRId64 " would become %" PRId64,
			 error->text[n - 1] == ':' ? "" : ",", field(element).text, number(element, "asked"),
			 number(element, "got"));
	}
}

static void say_busy(struct lr_json p, struct lr_error *error)
{
	lr_text_fail(error, 0, "%s%s", word(p, "reason").text, when(p).text);
}

static void say_no_room(struct lr_json p, struct lr_error *error)
{
	lr_text_fail(error, 0, "no room for stream \"%s\": %s (%s bytes needed, %s available)", word(p, "stream").text,
		     word(p, "reason").text, word(p, "needed_bytes").text, word(p, "available_bytes").text);
}

static void say_source(struct lr_json p, struct lr_error *error)
{
	struct lr_json restored;
	const bool as_before = lr_json_find(p, "restored", &restored) && lr_json_is_true(restored);

	lr_text_fail(error, 0, "the source refused to %s: %s; %s", word(p, "step").text, word(p, "reason").text,
		     as_before ? "it runs as before" : "it does not run any more");
}

static void say_faults(struct lr_json p, struct lr_error *error)
{
	struct lr_json faults, first = { NULL, NULL };
	char text[240] = "?";
	size_t more = 0;

	if (lr_json_find(p, "faults", &faults) && lr_json_next(faults, &first)) {
		lr_json_text(first, text, sizeof(text));
		more = lr_json_count(faults) - 1;
	}
	if (more > 0)
		lr_text_fail(error, 0, "%s (and %zu more)", text, more);
	else
		lr_text_fail(error, 0, "%s", text);
}

static void say_limit(struct lr_json p, struct lr_error *error)
{
	lr_text_fail(error, 0, "more than the daemon allows, %s is %" PRId64 "%s", word(p, "limit").text,
		     number(p, "maximum"), when(p).text);
}

static void say_permission(struct lr_json p, struct lr_error *error)
{
	const struct piece group = word(p, "group"), method = word(p, "method");
	const char *dot = strrchr(method.text, '.'), *name = dot ? dot + 1 : method.text;

	if (group.text[0] && strcmp(group.text, "?") != 0)
		lr_denied_call(name, group.text, error);
	else
		lr_text_fail(error, 0, "you may not call %s: root and the daemon's user may", name);
}

static void say_no_method(struct lr_json p, struct lr_error *error)
{
	lr_text_fail(error, 0, "this daemon has no method %s: it may be older", word(p, "method").text);
}

static void say_no_interface(struct lr_json p, struct lr_error *error)
{
	lr_text_fail(error, 0, "this daemon has no interface %s: it may be older", word(p, "interface").text);
}

static void say_parameter(struct lr_json p, struct lr_error *error)
{
	lr_text_fail(error, 0, "the daemon does not take the parameter \"%s\"", word(p, "parameter").text);
}

static void say_more(struct lr_json p, struct lr_error *error)
{
	(void)p;
	lr_text_fail(error, 0, "this method has many replies: it must be called as one that has");
}

static const struct {
	const char *name;
	int code;
	void (*say)(struct lr_json parameters, struct lr_error *error);
} known[] = {
	{ "io.lumaring.Camera.OutOfRange", ERANGE, say_range },
	{ "io.lumaring.Camera.InvalidField", EINVAL, say_field },
	{ "io.lumaring.Camera.NotSupported", ENOTSUP, say_field },
	{ "io.lumaring.Camera.NoSuchStream", ENOENT, say_no_stream },
	{ "io.lumaring.Camera.StreamExists", EEXIST, say_exists },
	{ "io.lumaring.Camera.StreamInUse", ENOTEMPTY, say_in_use },
	{ "io.lumaring.Camera.Adjusted", EDOM, say_adjusted },
	{ "io.lumaring.Camera.Busy", EBUSY, say_busy },
	{ "io.lumaring.Camera.NoRoom", ENOSPC, say_no_room },
	{ "io.lumaring.Camera.SourceRefused", EIO, say_source },
	{ "io.lumaring.Camera.BadConfiguration", EUCLEAN, say_faults },
	{ "io.lumaring.Camera.LimitReached", EDQUOT, say_limit },
	{ "io.lumaring.Camera.PermissionDenied", EPERM, say_permission },
	{ "org.varlink.service.MethodNotFound", ENOSYS, say_no_method },
	{ "org.varlink.service.MethodNotImplemented", ENOSYS, say_no_method },
	{ "org.varlink.service.InterfaceNotFound", ENOSYS, say_no_interface },
	{ "org.varlink.service.InvalidParameter", EINVAL, say_parameter },
	{ "org.varlink.service.ExpectedMore", EINVAL, say_more },
	{ "org.varlink.service.PermissionDenied", EPERM, say_permission },
};

int lr_refused(const char *name, struct lr_json parameters, struct lr_error *error)
{
	char text[200];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name) != 0)
			continue;
		known[i].say(parameters, error);
		return -known[i].code;
	}
	lr_text_from_peer(text, sizeof(text), parameters.begin, (size_t)(parameters.end - parameters.begin));
	return lr_text_fail(error, -EREMOTEIO, "the daemon refused with %s, which this library does not know: %s", name,
			    text);
}
