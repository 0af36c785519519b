/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader.h - what a handle returns next: frames in order or the newest, what was missed in between, and the events that
 * the ring's header tells. Looks at memory only: it neither waits nor receives.
 */
#ifndef LUMARING_CLIENT_READER_H
#define LUMARING_CLIENT_READER_H

#include "handle.h"

/* A new connection's ring: frames after `published` count, and nothing is known of the time before. */
void lr_reader_begin(struct lumaring *l, uint64_t published);

/* Forget the frame that waits behind an event. */
void lr_reader_forget(struct lumaring *l);

/*
 * The next frame (`newest`: the newest), or what there is to report. 0 and *ret_frame, which the user holds from here
 * on; or an enum lumaring_event; or -EAGAIN: nothing new; -EBADMSG, -ENOMEM.
 */
int lr_reader_look(struct lumaring *l, bool newest, const struct lumaring_frame **ret_frame);

/* lumaring_exact() and lumaring_last(), arguments checked. */
int lr_reader_exact(struct lumaring *l, uint64_t sequence, const struct lumaring_frame **ret_frame);
int lr_reader_last(struct lumaring *l, unsigned count, const struct lumaring_frame **ret_frames, unsigned *ret_count);

#endif
