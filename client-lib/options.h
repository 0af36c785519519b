/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - what a caller asks for, checked, and where the daemon's socket is.
 */
#ifndef LUMARING_CLIENT_OPTIONS_H
#define LUMARING_CLIENT_OPTIONS_H

#include "handle.h"

/* A caller built with any release sets at least this much of struct lumaring_options. */
#define LR_OPTIONS_BYTES_MIN (offsetof(struct lumaring_options, region))

/*
 * The caller's options over the defaults: the part that both know, of any release's size. NULL: the defaults.
 * -EINVAL: too short; or longer than known with something set there, and then *ret_options has the known part all the
 * same, so that the sentence reaches the caller.
 */
int lr_options_read(const struct lumaring_options *options, struct lumaring_options *ret_options,
		    struct lr_error *error);

/* Check names and options, and find the socket. -EINVAL. */
int lr_options_settle(const char *camera, const char *stream, const struct lumaring_options *options,
		      struct lr_settings *ret_settings, struct lr_error *error);

/* -EINVAL: a value does not fit the 16 bits that the region word has for it. */
int lr_options_check_region(const struct lumaring_region *region, struct lr_error *error);

#endif
