/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - what a caller asks for, checked, and where the daemon's socket is.
 */
#ifndef LUMARING_CLIENT_OPTIONS_H
#define LUMARING_CLIENT_OPTIONS_H

#include "handle.h"

/* A caller built with any release sets at least this much of struct lumaring_options. */
#define LR_OPTIONS_BYTES_MIN (offsetof(struct lumaring_options, region))

/* A struct of lumaring.h that callers fill, and that begins with its size. */
struct lr_options_kind {
	const char *name, *init;
	size_t bytes_min; /* what a caller built with any release sets at least */
	size_t bytes;     /* what this release knows */
	uint64_t unset;   /* what stands in each word of a later release's fields that are not used */
};

/*
 * The caller's struct over the defaults in *known: the part that both know, of any release's size. -EINVAL: too short,
 * and then *known is as it was; or longer than known with something set there.
 */
int lr_options_copy(const struct lr_options_kind *kind, const void *given, void *known, struct lr_error *error);

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

/* The control socket beside the frame socket. -EINVAL: its path is too long, being longer. */
int lr_options_control(const struct lr_settings *settings, struct sockaddr_un *ret_address, struct lr_error *error);

/* -EINVAL: a value does not fit the 16 bits that the region word has for it. */
int lr_options_check_region(const struct lumaring_region *region, struct lr_error *error);

#endif
