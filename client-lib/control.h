/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h - one connection for control, struct lumaring_control, and which file owns which part of it:
 *
 *   settings     options.c   what the caller asked for
 *   channel      control.c   the connection; what a reply or an error points to lies in its text
 *   error        refused.c   the daemon's errors as codes and sentences
 *   applied ...  configure.c what the typed calls read out of a reply
 */
#ifndef LUMARING_CLIENT_CONTROL_H
#define LUMARING_CLIENT_CONTROL_H

#include <stdbool.h>

#include <lumaring/control.h>

#include "channel.h"
#include "handle.h"
#include "json.h"
#include "text.h"

struct lumaring_control {
	struct lr_settings settings;
	struct sockaddr_un address; /* of the control socket */
	struct lr_channel channel;
	bool watching;             /* a call with many replies goes on */
	const char *reply;         /* parameters of the newest one; or "" */
	struct lr_json parameters; /* the same */
	struct lr_error error;
	char error_name[128];
	const char *error_json;
	struct lumaring_applied applied;
	char pixel_format[32];
	struct lumaring_controls controls;
};

/*
 * Ask, and take the one reply. `parameters` is a checked object. 0: control->parameters; or as lumaring_control_call().
 */
int lr_control_ask(struct lumaring_control *control, const char *method, const char *parameters, int timeout_ms);

/* The code and the sentence for an error of the daemon's; `parameters` is an object. */
int lr_refused(const char *name, struct lr_json parameters, struct lr_error *error);

#endif
