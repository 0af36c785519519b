/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h - one reader of one stream as the verbs use it: opening with patience, waiting with a deadline and for
 * signals, counting, and turning every failure into a sentence and an exit code.
 */
#ifndef LUMARING_CLI_SESSION_H
#define LUMARING_CLI_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <lumaring/lumaring.h>

#include "line.h"
#include "options.h"

struct session {
	struct lumaring *ring;
	uint32_t fourcc, bin; /* that frames must have; 0: any */
	int timeout_ms;       /* the longest time without a frame; -1: no limit */
	uint64_t frame_ns;    /* when the last frame came, or the session began */
	uint64_t until_ns;    /* session_wait() returns then, CLOCK_MONOTONIC; 0: it has no such limit */
	struct tally tally;   /* the verb adds the frames that it has delivered */
	bool reader_gone;     /* who read our output has had enough: nothing to tell any more */
};

#define SESSION_GO_ON (-1) /* from a step of a verb: no exit code yet */

/* lumaring_next() or lumaring_latest(). */
typedef int (*session_take)(struct lumaring *ring, int timeout_ms, const struct lumaring_frame **ret_frame);

/* One question to the daemon, within how->timeout_ms: 0 and the answer in `result`, or a negative errno. */
typedef int (*session_attempt)(const struct options *options, const struct lumaring_options *how, void *result);

/*
 * Ask until there is a daemon, as long as --wait says; one that is there has 2 seconds for its answer also when that is
 * less. CODE_OK, or another exit code after a sentence.
 */
int session_ask(const struct options *options, struct lumaring_options *how, session_attempt attempt, void *result);

/* The exit code for what the library returned. */
int session_exit_code(int error);

/* CODE_OK with a session to close, or another exit code after a sentence. */
int session_open(struct session *session, const struct options *options);
void session_close(struct session *session);

/*
 * The next frame: 0 and *ret_frame; a positive event; or a negative errno, where -EINTR means that a signal
 * asked to stop, -ETIMEDOUT that no frame came for timeout_ms, -ETIME that it is until_ns and nothing is there, and
 * -EPROTO that it is none as was asked for, which has been said.
 */
int session_wait(struct session *session, session_take take, const struct lumaring_frame **ret_frame);

/* Give a frame back: 0, or -ESTALE after a sentence. */
int session_release(struct session *session, const struct lumaring_frame *frame);

/* Say what session_wait() failed with; the exit code for it, 128 + signal when it was one. */
int session_failure(struct session *session, int error);

/* Say why writing failed, unless the reader has just had enough (-EPIPE); the exit code for it. */
int session_write_failure(struct session *session, int error, const char *where);

/* Say an event in words. */
void session_tell_event(int event);

/* Say what was seen in all, if there is still somebody to tell. */
void session_tell_tally(const struct session *session);

/* The stream is closed: say so when nothing came before it; the exit code for it. */
int session_closed(const struct session *session);

uint64_t session_now_ns(void);

#endif
