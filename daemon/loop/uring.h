/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uring.h - how the back-end on io_uring gets its ring; nobody outside daemon/loop includes it.
 */
#ifndef LUMARING_LOOP_URING_H
#define LUMARING_LOOP_URING_H

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

/* What may be submitted, and nothing else: IORING_OP_*. */
extern const uint8_t uring_opcodes[];
extern const unsigned uring_opcode_count;

/*
 * Make a ring, disabled and restricted to uring_opcodes[]; the only thing left to register is
 * IORING_REGISTER_ENABLE_RINGS. Tries the ways from `setup` on. A negative errno: `why` says in some words, without a
 * full stop, what forbids it.
 */
int uring_open(enum uring_setup setup, struct io_uring *ret_ring, char *why, size_t why_bytes);

#endif
