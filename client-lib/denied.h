/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * denied.h - who may, and what the caller has to do to be one of them: the sentence for somebody who may not connect,
 * or may not call a method. It is looked for in the databases of users and groups, which may take a while: after a
 * refusal only, and never while frames are read.
 */
#ifndef LUMARING_CLIENT_DENIED_H
#define LUMARING_CLIENT_DENIED_H

#include <sys/un.h>

#include "text.h"

/* For a socket that lr_dial() may not connect to. */
void lr_denied_connect(const struct sockaddr_un *address, struct lr_error *error);

/* For a method that members of a group may call; both are the daemon's words, fit to be shown. */
void lr_denied_call(const char *method, const char *group, struct lr_error *error);

#endif
