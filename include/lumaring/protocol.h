/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * protocol.h - the frame socket, RUNTIME_DIR/CAMERA/frames, message for message.
 *
 * SOCK_SEQPACKET: one message per packet, each beginning with struct lumaring_message. A message of an unknown type is
 * skipped; a message longer than its type is known for is read as far as known; a shorter one is an error. Integers
 * are little endian. Most programs want lumaring.h instead: the library speaks this.
 *
 *   client                                   daemon
 *   HELLO                    ->
 *                            <-  WELCOME + descriptors of the ring (read-only) and of the client page (read-write),
 *                                or REFUSAL, after which the daemon closes
 *                            <-  NOTICE, one for each published frame; dropped when the client's queue is full, or when
 *                                telling it has come to cost the daemon too much, so a client looks at the ring before
 *                                it waits; none with LUMARING_HELLO_FUTEX
 *                            <-  STATE when the ring's state or generation changed without a frame, and when there is
 *                                room again after a notice was dropped; never dropped itself
 *                            <-  REPLACED + descriptor of the new ring; never dropped
 *   close                    ->  cursors, page and private stream are gone with the connection
 *
 * Who wants to know what the daemon does, and for whom, says so instead of HELLO:
 *
 *   STATUS_REQUEST           ->      a bare struct lumaring_message
 *                            <-  STATUS, as many as it takes, the last one with LUMARING_STATUS_LAST; or REFUSAL; then
 *                                the daemon closes. It also does when the last one was not taken 5 s after the
 *                                connection was made
 *
 * The order of NOTICE against STATE and REPLACED is not fixed: each carries the epoch it speaks of. A client sends
 * nothing after its HELLO; descriptors it sends are ignored.
 */
#ifndef LUMARING_PROTOCOL_H
#define LUMARING_PROTOCOL_H

#include <lumaring/layout.h>

#define LUMARING_PROTOCOL_VERSION 1u
#define LUMARING_PROTOCOL_VERSION_MIN 1u

/* No message of this version is longer. A receiver offers at least this much and takes a longer packet as an error. */
#define LUMARING_MESSAGE_MAX 512u

enum lumaring_message_type {
	LUMARING_MESSAGE_HELLO = 1,
	LUMARING_MESSAGE_WELCOME = 2,
	LUMARING_MESSAGE_REFUSAL = 3,
	LUMARING_MESSAGE_NOTICE = 4,
	LUMARING_MESSAGE_STATE = 5,
	LUMARING_MESSAGE_REPLACED = 6,
	LUMARING_MESSAGE_STATUS_REQUEST = 7,
	LUMARING_MESSAGE_STATUS = 8,
};

struct lumaring_message {
	uint16_t type;  /* enum lumaring_message_type  0 */
	uint16_t size;  /* bytes, this header included 2 */
	uint32_t flags; /* as the type says, else zero 4 */
};

/* HELLO flags. */
#define LUMARING_HELLO_PRIVATE 1u /* make a stream of my own from the fields below; `stream` is then empty */
#define LUMARING_HELLO_FUTEX 2u   /* wake me by the wake word of my page (N1 to N7 of layout.h), send no notices */

struct lumaring_hello {
	struct lumaring_message message; /*                                                            0 */
	uint32_t version;                /* highest protocol version the client speaks                 8 */
	uint32_t version_min;            /* lowest                                                    12 */
	char stream[LUMARING_NAME_MAX];  /* NUL-padded; empty: "main"                                 16 */
	uint32_t cursors;                /* wanted, 0..LUMARING_CURSORS_MAX                           48 */
	uint32_t slots;                  /* private: slots of its ring, 0: the daemon's default       52 */
	uint32_t region_x;               /* private: first region, pixels of the captured image       56 */
	uint32_t region_y;               /*                                                           60 */
	uint32_t region_width;           /* 0: up to the right edge                                   64 */
	uint32_t region_height;          /* 0: down to the lower edge                                 68 */
	uint32_t width_max;              /* private: largest region, 0: the first one's size          72 */
	uint32_t height_max;             /*                                                           76 */
	uint32_t fourcc;                 /* private: LUMARING_FORMAT_R8 or _R16, 0: R8                80 */
	uint32_t bin;                    /* private: 1, or 2: 2x2 pixels averaged to one; 0: 1        84 */
};

/* A HELLO of an older client ends before fourcc: what it does not say is 0. */
#define LUMARING_HELLO_BYTES_MIN 80u

/* Descriptors: [0] the ring, opened read-only, [1] the client page. Both belong to the receiver. */
struct lumaring_welcome {
	struct lumaring_message message; /*                                                            0 */
	uint32_t version;                /* the version both speak from here on                        8 */
	uint32_t cursors;                /* granted: the first so many of the page count              12 */
	uint64_t epoch;                  /* of the ring                                               16 */
	uint64_t published;              /* newest publication when this client became a reader       24 */
	uint64_t ring_bytes;             /* size of the ring                                          32 */
	uint32_t page_bytes;             /* size of the client page                                   40 */
	uint32_t cursor_offset;          /* first cursor within the page                              44 */
	uint32_t cursor_stride;          /* bytes from one cursor to the next                         48 */
	uint32_t region_offset;          /* the region word within the page                           52 */
	uint32_t image_width;            /* the captured image, pixels                                56 */
	uint32_t image_height;           /*                                                           60 */
	uint32_t frame_duration_us;      /* from frame to frame at this time, 0: unpaced or unknown   64 */
	uint32_t daemon_pid;             /*                                                           68 */
	char stream[LUMARING_NAME_MAX];  /* name of the stream, also of a private one                 72 */
	uint32_t wake_offset;            /* struct lumaring_wake within the page, 0: none is offered 104 */
	uint32_t account_offset;         /* struct lumaring_account within the page, 0: none         108 */
};

/* A WELCOME of an older daemon ends before wake_offset: what it does not say is 0. */
#define LUMARING_WELCOME_BYTES_MIN 104u

/* `code` is a positive errno; `text` one sentence for people, NUL-terminated. */
struct lumaring_refusal {
	struct lumaring_message message; /*                                                            0 */
	uint32_t code;                   /*                                                            8 */
	uint32_t reserved;               /*                                                           12 */
	char text[240];                  /*                                                           16 */
};

struct lumaring_notice {
	struct lumaring_message message; /*                                                            0 */
	uint64_t epoch;                  /*                                                            8 */
	uint64_t sequence;               /*                                                           16 */
	uint64_t publication;            /*                                                           24 */
	uint64_t sensor_ns;              /* as in the descriptor                                      32 */
	uint64_t ready_ns;               /*                                                           40 */
	uint64_t publish_ns;             /*                                                           48 */
	uint32_t slot;                   /*                                                           56 */
	uint32_t generation;             /*                                                           60 */
};

struct lumaring_state {
	struct lumaring_message message; /*                                                            0 */
	uint64_t epoch;                  /*                                                            8 */
	uint32_t state;                  /* enum lumaring_ring_state                                  16 */
	uint32_t generation;             /*                                                           20 */
};

/* Descriptor: [0] the new ring, opened read-only. The client page and its cursors stay. */
struct lumaring_replaced {
	struct lumaring_message message; /*                                                            0 */
	uint64_t epoch_old;              /*                                                            8 */
	uint64_t epoch;                  /*                                                           16 */
	uint64_t ring_bytes;             /*                                                           24 */
	uint32_t image_width;            /*                                                           32 */
	uint32_t image_height;           /*                                                           36 */
	uint32_t cursors;                /* granted in the new ring, never fewer than before          40 */
	uint32_t reserved;               /*                                                           44 */
};

/* STATUS flags. */
#define LUMARING_STATUS_LAST 1u /* no other piece follows */

/* A piece of the status, as many bytes as fit the message; the pieces together are one JSON object, see lumaring(1). */
struct lumaring_status_piece {
	struct lumaring_message message;                                    /*                         0 */
	char text[LUMARING_MESSAGE_MAX - sizeof(struct lumaring_message)]; /* not NUL-terminated      8 */
};

LUMARING_STATIC_ASSERT(sizeof(struct lumaring_message) == 8, "size of a message header");
LUMARING_ASSERT_AT(lumaring_hello, stream, 16);
LUMARING_ASSERT_AT(lumaring_hello, cursors, 48);
LUMARING_ASSERT_AT(lumaring_hello, region_x, 56);
LUMARING_ASSERT_AT(lumaring_hello, fourcc, 80);
LUMARING_ASSERT_AT(lumaring_hello, bin, 84);
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_hello) == 88, "size of HELLO");
LUMARING_ASSERT_AT(lumaring_welcome, epoch, 16);
LUMARING_ASSERT_AT(lumaring_welcome, page_bytes, 40);
LUMARING_ASSERT_AT(lumaring_welcome, stream, 72);
LUMARING_ASSERT_AT(lumaring_welcome, wake_offset, 104);
LUMARING_ASSERT_AT(lumaring_welcome, account_offset, 108);
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_welcome) == 112, "size of WELCOME");
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_refusal) == 256, "size of REFUSAL");
LUMARING_ASSERT_AT(lumaring_notice, slot, 56);
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_notice) == 64, "size of NOTICE");
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_state) == 24, "size of STATE");
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_replaced) == 48, "size of REPLACED");
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_status_piece) == LUMARING_MESSAGE_MAX, "size of STATUS");

#endif
