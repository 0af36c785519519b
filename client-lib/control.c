/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.c - the calls of lumaring.h about control that any method can be called with: connecting, asking, replies
 * with and without end. Runs in the caller's thread. What the daemon sends is checked before a byte of it is looked at;
 * a connection on which an answer may be outstanding is never used for another question.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "denied.h"
#include "dial.h"
#include "options.h"

#define INTERFACE "io.lumaring.Camera."
#define NAME_MAX_BYTES 127u /* of a method or an error */

/* Every call begins so: what the one before left is gone. */
static void forget(struct lumaring_control *control)
{
	control->reply = control->error_json = "";
	control->error_name[0] = control->error.text[0] = '\0';
}

/* --- the connection ---------------------------------------------------------------------------------------------- */

/* A daemon that serves frames and cannot be controlled is not away but old. */
static int not_there(const struct lumaring_control *control, struct lr_error *error)
{
	struct lr_error unused;
	int socket;

	if (access(control->address.sun_path, F_OK) == 0 ||
	    lr_dial(&control->settings.address, SOCK_SEQPACKET, &socket, &unused) < 0)
		return -ECONNREFUSED;
	close(socket);
	return lr_text_fail(error, -EPROTONOSUPPORT,
			    "the daemon behind %s is older and cannot be controlled: update it",
			    control->settings.address.sun_path);
}

static int connect_to(struct lumaring_control *control, struct lr_wait *wait)
{
	int r = lr_channel_connect(&control->channel, &control->address, wait, &control->error);

	if (r == -EACCES)
		lr_denied_connect(&control->address, &control->error);
	return r == -ECONNREFUSED ? not_there(control, &control->error) : r;
}

LUMARING_API int lumaring_control_open(const char *camera, const struct lumaring_options *options,
				       struct lumaring_control **ret_control)
{
	struct lumaring_options o = { .size = sizeof(o) };
	struct lr_error error = { "" };
	struct lumaring_control *c = NULL;
	int r = lr_options_read(options, &o, &error);

	if (r == 0 && !ret_control)
		r = lr_text_fail(&error, -EINVAL, "lumaring_control_open() needs a place for the handle");
	if (r == 0 && !(c = calloc(1, sizeof(*c))))
		r = lr_text_fail(&error, -ENOMEM, "out of memory");
	if (c) {
		struct lr_wait wait = lr_wait_begin(o.timeout_ms);

		lr_channel_init(&c->channel);
		forget(c);
		r = lr_options_settle(camera, NULL, &o, &c->settings, &c->error);
		if (r == 0)
			r = lr_options_control(&c->settings, &c->address, &c->error);
		if (r == 0)
			r = connect_to(c, &wait);
		error = c->error;
	}
	if (r < 0) {
		if (o.error_text && o.error_bytes > 0)
			snprintf(o.error_text, o.error_bytes, "%s", error.text);
		lumaring_control_close(c);
		return r;
	}
	*ret_control = c;
	return 0;
}

LUMARING_API void lumaring_control_close(struct lumaring_control *control)
{
	if (!control)
		return;
	lr_channel_finish(&control->channel);
	free(control);
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

/* Of a method, or of an error. */
static bool is_name(const char *name)
{
	const size_t n = strlen(name);

	return n > 0 && n <= NAME_MAX_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n;
}

static int check_method(struct lumaring_control *control, const char *method)
{
	if (!method || !is_name(method))
		return lr_text_fail(&control->error, -EINVAL,
				    "\"%.40s\" is no name of a method: 1 to %u letters, digits, dots and dashes",
				    method ? method : "", NAME_MAX_BYTES);
	return 0;
}

static int check_parameters(struct lumaring_control *control, const char *parameters)
{
	struct lr_json object;
	size_t offset;

	if (lr_json_check(parameters, strlen(parameters), &object, &offset) < 0)
		return lr_text_fail(&control->error, -EINVAL,
				    "the parameters are not a JSON object: byte %zu, at \"%.20s\", cannot be there",
				    offset, parameters + offset);
	return 0;
}

static char *make_request(const char *method, const char *parameters, bool more, size_t *ret_bytes)
{
	char *text = NULL;
	int n = asprintf(&text, "{\"method\":\"%s%s\",\"parameters\":%s%s}", strchr(method, '.') ? "" : INTERFACE,
			 method, parameters, more ? ",\"more\":true" : "");

	*ret_bytes = (size_t)n + 1; /* with its NUL */
	return n < 0 ? NULL : text;
}

static int send_request(struct lumaring_control *control, const char *method, const char *parameters, bool more,
			struct lr_wait *wait)
{
	size_t bytes;
	char *text = make_request(method, parameters, more, &bytes);
	int r = 0;

	if (!text)
		return lr_text_fail(&control->error, -ENOMEM, "out of memory");
	/* A daemon that was restarted meanwhile left an end behind. */
	if (!lr_channel_is_fit(&control->channel)) {
		lr_channel_close(&control->channel);
		r = connect_to(control, wait);
	}
	if (r == 0)
		r = lr_channel_send(&control->channel, text, bytes, wait, &control->error);
	free(text);
	return r;
}

/* --- replies ----------------------------------------------------------------------------------------------------- */

static int no_reply(struct lumaring_control *control, const char *what)
{
	forget(control);
	return lr_text_fail(&control->error, -EBADMSG, "the daemon's answer makes no sense: %s", what);
}

/* The parameters, {} where there are none; they lie in the text, and become one of their own in it. */
static int take_parameters(struct lumaring_control *control, char *text, struct lr_json message)
{
	static const char none[] = "{}";
	struct lr_json value;

	if (!lr_json_find(message, "parameters", &value) || *value.begin == 'n')
		value = (struct lr_json){ none, none + strlen(none) };
	else if (!lr_json_is_object(value))
		return no_reply(control, "\"parameters\" is not an object");
	else
		text[value.end - text] = '\0';
	control->parameters = value;
	return 0;
}

/* 0: control->reply; 1: and more follow; or the daemon's error, or -EBADMSG. */
static int read_reply(struct lumaring_control *control, char *text, size_t bytes)
{
	struct lr_json message, error, continues;
	bool refused, more;
	size_t offset;
	int r;

	if (lr_json_check(text, bytes, &message, &offset) < 0)
		return lr_text_fail(&control->error, -EBADMSG,
				    "the daemon's answer is not a JSON object: byte %zu of %zu cannot be there", offset,
				    bytes);
	refused = lr_json_find(message, "error", &error) && *error.begin != 'n';
	if (refused &&
	    (!lr_json_text(error, control->error_name, sizeof(control->error_name)) || !is_name(control->error_name)))
		return no_reply(control, "\"error\" is not a name");
	more = lr_json_find(message, "continues", &continues) && lr_json_is_true(continues);
	r = take_parameters(control, text, message);
	if (r < 0)
		return r;
	if (!refused) {
		control->reply = control->parameters.begin;
		return more;
	}
	control->error_json = control->parameters.begin;
	return lr_refused(control->error_name, control->parameters, &control->error);
}

static int receive_reply(struct lumaring_control *control, struct lr_wait *wait)
{
	size_t bytes;
	char *text;
	int r = lr_channel_receive(&control->channel, wait, &text, &bytes, &control->error);

	return r < 0 ? r : read_reply(control, text, bytes);
}

/* The daemon answered, and has nothing more to say to this question. */
static bool is_settled(const struct lumaring_control *control, int r)
{
	return r >= 0 || control->error_name[0];
}

static int begin(struct lumaring_control *control, const char *method, const char *parameters)
{
	int r;

	forget(control);
	if (control->watching)
		return lr_text_fail(&control->error, -EBUSY,
				    "a call with many replies goes on: end it first, or use another handle");
	r = check_method(control, method);
	return r < 0 ? r : check_parameters(control, parameters);
}

int lr_control_ask(struct lumaring_control *control, const char *method, const char *parameters, int timeout_ms)
{
	struct lr_wait wait = lr_wait_begin(timeout_ms);
	int r = begin(control, method, parameters);

	if (r < 0)
		return r;
	r = send_request(control, method, parameters, false, &wait);
	if (r == 0)
		r = receive_reply(control, &wait);
	if (r > 0)
		r = no_reply(control, "it says that more follow");
	if (!is_settled(control, r))
		lr_channel_close(&control->channel);
	return r;
}

LUMARING_API int lumaring_control_call(struct lumaring_control *control, const char *method, const char *parameters,
				       int timeout_ms, const char **ret_json)
{
	const int r = lr_control_ask(control, method, parameters ? parameters : "{}", timeout_ms);

	if (r == 0 && ret_json)
		*ret_json = control->reply;
	return r;
}

/* --- many replies ------------------------------------------------------------------------------------------------ */

LUMARING_API int lumaring_control_watch(struct lumaring_control *control, const char *method, const char *parameters,
					int timeout_ms)
{
	struct lr_wait wait = lr_wait_begin(timeout_ms);
	int r = begin(control, method, parameters ? parameters : "{}");

	if (r < 0)
		return r;
	r = send_request(control, method, parameters ? parameters : "{}", true, &wait);
	if (r < 0)
		lr_channel_close(&control->channel);
	control->watching = r == 0;
	return r;
}

LUMARING_API int lumaring_control_next(struct lumaring_control *control, int timeout_ms, const char **ret_json)
{
	struct lr_wait wait = lr_wait_begin(timeout_ms);
	int r;

	forget(control);
	if (!control->watching)
		return lr_text_fail(&control->error, -EINVAL, "no call with many replies was begun, or it is over");
	r = receive_reply(control, &wait);
	if (r == -ETIMEDOUT && timeout_ms == 0)
		return -EAGAIN;
	if (r == -ETIMEDOUT || r == -EINTR)
		return r;
	control->watching = r > 0;
	if (!is_settled(control, r))
		lr_channel_close(&control->channel);
	if (r >= 0 && ret_json)
		*ret_json = control->reply;
	return r < 0 ? r : r == 0;
}

LUMARING_API int lumaring_control_fd(const struct lumaring_control *control)
{
	return control->watching ? control->channel.socket : -EINVAL;
}

LUMARING_API void lumaring_control_stop(struct lumaring_control *control)
{
	if (control->watching)
		lr_channel_close(&control->channel);
	control->watching = false;
}

/* --- what there is to know --------------------------------------------------------------------------------------- */

LUMARING_API const char *lumaring_control_reply(const struct lumaring_control *control)
{
	return control->reply;
}

LUMARING_API const char *lumaring_control_error_text(const struct lumaring_control *control)
{
	return control->error.text;
}

LUMARING_API const char *lumaring_control_error_name(const struct lumaring_control *control)
{
	return control->error_name;
}

LUMARING_API const char *lumaring_control_error_json(const struct lumaring_control *control)
{
	return control->error_json;
}
