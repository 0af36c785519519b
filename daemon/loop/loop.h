/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.h - an event loop of one thread, as completions: start an operation, get one call when it is done.
 *
 * Two back-ends, epoll and io_uring, behind one interface: an operation is an object of the caller's
 * (struct loop_op) whose address is the kernel's user data; `done` is called from loop_run() or loop_flush() only,
 * after the queue of completions was drained, never from inside the call that starts an operation. An operation that
 * was started may be started again inside its last `done`, not before; its owner may be freed from then on. A loop
 * belongs to one thread; loop_wake() is the only call another thread may make.
 *
 * A descriptor has at most one operation that waits for input (accept, receive, readable) and one writable at a time.
 * It may be closed once none is active. An operation that succeeded and is started again inside its own `done`, on a
 * descriptor of the same number, means the same file.
 *
 * A start that fails (no memory, not a descriptor) is told by `done` as well, with the error, after which the operation
 * is idle, whatever its kind. What can always be read, such as a regular file, is refused by epoll and ready for
 * io_uring.
 */
#ifndef LUMARING_LOOP_H
#define LUMARING_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct loop;

enum loop_backend {
	LOOP_AUTO,
	LOOP_EPOLL,
	LOOP_URING,
};

enum loop_kind {
	LOOP_IDLE, /* not started */
	LOOP_ACCEPT,
	LOOP_RECEIVE,
	LOOP_SEND,
	LOOP_WRITABLE,
	LOOP_READABLE,
	LOOP_TIMER,
	LOOP_SIGNAL,
	LOOP_WAKE,
	LOOP_WAKE_WORD,
};

/*
 * One operation. The caller sets `done` and `owner`; the rest is the loop's. Zero-initialise before first use.
 * `result` is what the kind says, or a negative errno; -ECANCELED after loop_cancel().
 */
struct loop_op {
	void (*done)(struct loop_op *op, int result);
	void *owner;

	enum loop_kind kind; /* LOOP_IDLE: may be started */
	bool repeats;        /* stays started after done */
	bool cancelled;
	bool queued;    /* its done is due */
	bool in_kernel; /* io_uring: its last completion is still to come */
	int fd;
	int result;
	void *buffer;             /* RECEIVE */
	size_t buffer_bytes;      /* RECEIVE */
	const struct msghdr *msg; /* SEND */
	uint32_t *word;           /* WAKE_WORD */
	uint64_t deadline_ns;     /* TIMER, and ACCEPT while it waits to try again */
	struct loop_op *next;     /* in the list of those whose done is due */
	struct loop_op *next_timer;
};

/* True while `done` is still to come. */
static inline bool loop_op_active(const struct loop_op *op)
{
	return op->kind != LOOP_IDLE;
}

/*
 * Create a loop. It may be made in another thread than the one that runs it. LOOP_AUTO takes io_uring, or epoll where
 * the machine refuses that. `text` receives one sentence when it fails, and also when LOOP_AUTO came to take epoll
 * (which says why); else "". Errors are those of the system: with LOOP_URING, of io_uring_setup(2).
 */
int loop_create(enum loop_backend backend, struct loop **ret_loop, char *text, size_t text_bytes);

/*
 * Operations still started are forgotten without a call; their memory may be gone already, but for that of receives: in
 * the loop's thread these are ended here. In another thread, after the loop's own has ended, none may be left. NULL is
 * allowed.
 */
void loop_destroy(struct loop *loop);

/* What it runs on: LOOP_EPOLL or LOOP_URING; and its name, "epoll" or "io_uring". */
enum loop_backend loop_backend(const struct loop *loop);
const char *loop_backend_name(const struct loop *loop);

/* What loop_create() said when LOOP_AUTO came to take epoll, else "". */
const char *loop_fallback(const struct loop *loop);

/* Run until loop_stop() is called from a callback. 0, or a negative errno when the kernel refuses to wait. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/*
 * Wait for at most timeout_ms (-1: for ever) and call `done` for what is due, at most once for each operation. 0, or a
 * negative errno. Not from inside a `done`.
 */
int loop_turn(struct loop *loop, int timeout_ms);

/*
 * Accept from a listening socket, again and again: result is a new descriptor (close-on-exec, non-blocking), or an
 * error after which it goes on by itself. What lacks descriptors or memory (EMFILE and the like) is tried again, and
 * told again, every LOOP_ACCEPT_RETRY_MS, so that a full descriptor table costs no CPU.
 */
#define LOOP_ACCEPT_RETRY_MS 100
void loop_accept(struct loop *loop, struct loop_op *op, int fd);

/*
 * Receive one packet, once: result is its size, 0 at the end. A longer one is cut to buffer_bytes, so offer more than
 * the longest that is valid. Of a stream, some of what there is; the rest is for the next time. Descriptors the peer
 * attached are never taken.
 */
void loop_receive(struct loop *loop, struct loop_op *op, int fd, void *buffer, size_t buffer_bytes);

/*
 * Send one packet, once, without ever waiting for room: result is its size, or -EAGAIN; on a stream it may be the size
 * of a first part. `msg` and what it points to stay unchanged until done. Nothing is promised to have been sent before
 * loop_flush() returned.
 */
void loop_send(struct loop *loop, struct loop_op *op, int fd, const struct msghdr *msg);

/*
 * Wake one thread of any process that waits on the word with futex(2), once, without ever waiting: result is the number
 * woken, 0 or 1. The word stays mapped until done. Nothing is promised before loop_flush() returned, as for a send.
 */
void loop_wake_word(struct loop *loop, struct loop_op *op, uint32_t *word);

/*
 * Complete the sends and the wakes of words that were started and call their `done`, and no other: so a frame's notices
 * are told before anything that could do away with one of the clients. What is started by such a `done` is not waited
 * for. May be called from inside a `done`, but not after cancelling the very operation whose `done` that is.
 */
void loop_flush(struct loop *loop);

/* Tell once when a send would find room: result is 0. */
void loop_writable(struct loop *loop, struct loop_op *op, int fd);

/* Tell again and again while the descriptor is readable: result is 0. The callback is to make it unreadable. */
void loop_readable(struct loop *loop, struct loop_op *op, int fd);

/* Tell once at or after CLOCK_MONOTONIC deadline_ns: result is 0. */
void loop_timer(struct loop *loop, struct loop_op *op, uint64_t deadline_ns);

/* Tell again and again: result is the signal's number. The caller has blocked the signals in every thread. */
int loop_signal(struct loop *loop, struct loop_op *op, const sigset_t *signals);

/*
 * A doorbell that another thread rings with loop_wake(op): result is 0; rings before the call are merged into one.
 * loop_wake() may be called from any thread while the operation is started, and from signal handlers.
 */
int loop_doorbell(struct loop *loop, struct loop_op *op);
void loop_wake(struct loop_op *op);

/* End an operation early: done(op, -ECANCELED) follows from the loop, once, unless it is idle already. */
void loop_cancel(struct loop *loop, struct loop_op *op);

#endif
