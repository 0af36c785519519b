/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uring.h - how the back-end on io_uring gets its ring; nobody outside daemon/loop includes it.
 */
#ifndef LUMARING_LOOP_URING_H
#define LUMARING_LOOP_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <liburing.h>

#define URING_ENTRIES 512u      /* of the submission queue; more are started by submitting it when it is full */
#define URING_COMPLETIONS 2048u /* more are kept by the kernel until there is room */

/* Ways to set a ring up, the best first. */
enum uring_setup {
	URING_DEFERRED, /* Linux 6.1: completions only when asked for, and only in the thread that enabled the ring */
	URING_COOPERATIVE, /* Linux 5.19 */
	URING_SETUPS,
};

/* Linux 6.7; not in the headers of liburing 2.3. */
#define URING_OP_FUTEX_WAKE 52
#define URING_FUTEX_U32 2

/* What may be submitted, and nothing else: IORING_OP_*. The last one, URING_OP_FUTEX_WAKE, only where it is known. */
extern const uint8_t uring_opcodes[];
extern const unsigned uring_opcode_count;

/*
 * Make a ring, disabled and restricted to uring_opcodes[]; the only thing left to register is
 * IORING_REGISTER_ENABLE_RINGS. Tries the ways from `setup` on. *ret_wakes_words: the kernel has URING_OP_FUTEX_WAKE. A
 * negative errno: `why` says in some words, without a full stop, what forbids it.
 */
int uring_open(enum uring_setup setup, struct io_uring *ret_ring, bool *ret_wakes_words, char *why, size_t why_bytes);

#endif
