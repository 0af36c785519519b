/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout.h - the shared memory of lumaring, byte for byte.
 *
 * Two kinds of memory are described here: the *ring*, one POSIX shared-memory object per stream and epoch, written by
 * the daemon and mapped read-only by everybody else; and the *client page*, one sealed memfd per connection, written
 * by that client and read by the daemon. Most programs want lumaring.h instead: the library does all of this.
 *
 * Rules that hold for every field:
 *  - integers are little endian, naturally aligned, of the fixed width shown; 64-bit machines only;
 *  - a field marked "atomic" is read and written with the __atomic builtins; the others are constant once the object
 *    has been handed out, or (in a descriptor) are covered by the sequence word;
 *  - offsets are stored: a reader uses the stored offset, size and count, never sizeof() of its own version;
 *  - reserved bytes are zero, and a reader ignores them;
 *  - a reader treats the ring as a hostile file: it checks every stored offset, size and count against the size of the
 *    object (fstat) before it uses one, and every slot number against slot_count each time.
 *
 * How to read a frame (R1..R6 are the reader's steps, W1..W8 the writer's in daemon/ring/ring.c):
 *
 *   R1  P = load-acquire(header.published). 0: nothing has been published yet.
 *   R2  e = load-acquire(order[P % order_count]); e >> 16 must be P, else the entry was reused: go to R1 (or, for an
 *       older P, that frame is gone). slot = e & 0xffff; check it against slot_count.
 *   R3  w = load-acquire(descriptor[slot].word). State WRITING: gone. sequence = w >> 2.
 *
 *   With a granted cursor (no copy; the frame cannot change until the cursor is cleared):
 *   R4  store-seq_cst(cursor, sequence), then w = load-seq_cst(descriptor[slot].word):
 *         LIVE with the same sequence      pinned;
 *         RETIRING with the same sequence  the writer is looking at the cursors just now: load again, a bounded number
 *                                          of times (the cursor stays stored meanwhile);
 *         anything else                    gone: store-release(cursor, 0).
 *       A pin that was validated stays valid while the word says RETIRING. Only WRITING or another sequence would mean
 *       that the frame was lost, and that cannot happen to a validated pin of a granted cursor.
 *       Check descriptor.publication == P: if not, this is another frame (unpin, go to R1).
 *   R5  use the pixels; then store-release(cursor, 0).
 *
 *   Without a granted cursor (copy out, then verify):
 *   R6  copy the descriptor and the pixels; acquire fence; load the word again: if it still carries the same sequence
 *       and its state is not WRITING, the copy is good. Otherwise throw the copy away.
 *
 * How to wait for a frame without the socket (N1..N4 are the steps of a client that said LUMARING_HELLO_FUTEX, N5..N7
 * the daemon's in daemon/publish/notify.c; the words are in struct lumaring_wake of the client page):
 *
 *   N1  seen = load-seq_cst(word). Then look at the ring (R1), and at the socket if load-acquire(events) is not what it
 *       was when the socket was found empty.
 *   N2  Nothing new: store-seq_cst(waiting, 1).
 *   N3  futex(word, FUTEX_WAIT, seen), not the private kind, for at most 100 ms or so; then store-relaxed(waiting, 0) and
 *       go to N1.
 *   N4  When N3 ended by its time, look at the socket all the same: a daemon that was killed adds to no word.
 *
 *   N5  After each publication: word += 1, seq_cst.
 *   N6  load-seq_cst(waiting): if it is not 0, futex(word, FUTEX_WAKE, 1). Only now and then for a client that makes this
 *       cost the daemon too much, with thousands of waiters: it has the time of N3.
 *   N7  After each message on the socket: events += 1, release; then N5 and N6.
 *
 *   No frame is slept over: in the one order of the seq_cst steps either N2 comes before N6, and the daemon wakes; or N6
 *   before N2, then N5 as well, and N3 finds that the word is not `seen`. The kernel compares the word under the lock
 *   that a wake takes, so a wake that comes between N2 and N3 has changed the word that N3 compares.
 *
 * Nothing here is a lock: a reader can be stopped or killed at any step and nobody waits for it.
 */
#ifndef LUMARING_LAYOUT_H
#define LUMARING_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define LUMARING_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define LUMARING_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

LUMARING_STATIC_ASSERT(sizeof(void *) == 8, "lumaring is for 64-bit machines");
LUMARING_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the layout is little endian");
LUMARING_STATIC_ASSERT(__GCC_ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free");

/* First eight bytes of every ring: "LUMARING" */
#define LUMARING_MAGIC UINT64_C(0x474e4952414d554c)

/* Version of this layout, and the lowest version of a reader that can read what this version writes. */
#define LUMARING_LAYOUT_VERSION 1u
#define LUMARING_LAYOUT_READER_MIN 1u

/* Pixel formats are DRM fourccs (drm_fourcc.h of Linux): one 8-bit, or one little-endian 16-bit sample a pixel. */
#define LUMARING_FOURCC(a, b, c, d) \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define LUMARING_FORMAT_R8 LUMARING_FOURCC('R', '8', ' ', ' ')
#define LUMARING_FORMAT_R16 LUMARING_FOURCC('R', '1', '6', ' ')

/* Bounds of the layout itself; the daemon's configurable limits are lower. */
#define LUMARING_SLOTS_MIN 4u
#define LUMARING_SLOTS_MAX 65535u
#define LUMARING_EXTENT_MAX 65535u /* width or height, pixels */
#define LUMARING_NAME_MAX 32u      /* camera or stream name: [a-z0-9_-]{1,32} */

/*
 * The sequence word: sequence << 2 | state. Sequences begin at 1; a word of 0 is a slot that was never written.
 *
 *   WRITING  -> LIVE      the pixels and the descriptor are complete
 *   LIVE     -> RETIRING  the writer considers this slot for the next frame and is about to read the cursors
 *   RETIRING -> LIVE      another candidate was taken, or a cursor names this one
 *   RETIRING -> WRITING   taken: no cursor named it; the word now carries the sequence of the new frame
 */
#define LUMARING_STATE_WRITING 0u
#define LUMARING_STATE_LIVE 1u
#define LUMARING_STATE_RETIRING 2u

static inline uint64_t lumaring_word(uint64_t sequence, unsigned state)
{
	return sequence << 2 | state;
}

static inline uint64_t lumaring_word_sequence(uint64_t word)
{
	return word >> 2;
}

static inline unsigned lumaring_word_state(uint64_t word)
{
	return (unsigned)(word & 3u);
}

/* An entry of the order table: the number of a publication and the slot it went to. Publications begin at 1. */
static inline uint64_t lumaring_order_entry(uint64_t publication, uint32_t slot)
{
	return publication << 16 | slot;
}

/*
 * What became of frames that no client could have read. Every frame that was captured gets the next sequence, and is
 * then published or counted once, under one cause; so at each publication of a stream
 *     sequence - sequence_first = publication - 1 + sum of lost[c] over the causes that take a sequence.
 * Causes from LUMARING_LOST_SENSOR on never became a captured frame and take no sequence.
 */
enum lumaring_lost {
	LUMARING_LOST_UNREAD = 0,      /* nobody read the stream, so it was not copied: not a fault */
	LUMARING_LOST_NO_SLOT = 1,     /* no slot was free: never happens while the daemon keeps its own rule */
	LUMARING_LOST_COPY_LATE = 2,   /* a newer frame was already waiting: the copy could not keep up */
	LUMARING_LOST_RECONFIGURE = 3, /* captured, and overtaken by newer ones, while a change of format was under way */
	LUMARING_LOST_ERROR = 4,       /* the camera delivered it marked as damaged */
	LUMARING_LOST_SENSOR = 8,      /* the sensor or its receiver dropped it, seen from the sensor timestamps */
	LUMARING_LOST_CAMERA = 9,      /* a gap in the camera's own numbers */
	LUMARING_LOST_CANCELLED = 10,  /* the request came back cancelled */
	LUMARING_LOST_STARTUP = 11,    /* a start-up frame that the camera marked as not to be used */
};
#define LUMARING_LOST_CAUSES 16u
#define LUMARING_LOST_SEQUENCED 8u /* causes below this one take a sequence */

/* State of the ring, header.state. */
enum lumaring_ring_state {
	LUMARING_RING_PAUSED = 0,      /* no frame yet, or the source waits (for clients, for a writer of its pipe) */
	LUMARING_RING_LIVE = 1,        /* frames come */
	LUMARING_RING_SOURCE_LOST = 2, /* the camera is gone; frames come again in this ring when it is back */
	LUMARING_RING_REPLACED = 3,    /* final: frames go on in another ring, which the frame socket hands over */
	LUMARING_RING_CLOSED = 4,      /* final: the source ended or the daemon stopped */
};

/* What a luma sample means, header.luma_range. */
enum lumaring_luma_range {
	LUMARING_RANGE_UNKNOWN = 0,
	LUMARING_RANGE_FULL = 1,    /* 0..255 */
	LUMARING_RANGE_LIMITED = 2, /* 16..235 */
};

/* Clock of sensor_ns, header.sensor_clock: the two differ only after a suspend. */
enum lumaring_clock {
	LUMARING_CLOCK_UNKNOWN = 0,
	LUMARING_CLOCK_MONOTONIC = 1,
	LUMARING_CLOCK_BOOTTIME = 2,
};

/*
 * Header of a ring, at offset 0 of the object. Lines of 128 bytes: constant fields on the first two, what the writer
 * changes with every frame on the third, what it changes rarely on the fourth and fifth.
 */
struct lumaring_header {
	/* constant for the life of the object                                                                offset */
	uint64_t magic;              /* LUMARING_MAGIC                                                          0 */
	uint32_t layout_version;     /* LUMARING_LAYOUT_VERSION of the writer                                   8 */
	uint32_t reader_version_min; /* lowest layout version a reader must know                               12 */
	uint32_t header_bytes;       /* size of this header                                                    16 */
	uint32_t descriptor_bytes;   /* distance between descriptors, at least sizeof(lumaring_descriptor)     20 */
	uint64_t object_bytes;       /* size of the whole object                                               24 */
	uint64_t epoch;              /* CLOCK_BOOTTIME in ns at creation: names the ring with boot_id          32 */
	uint8_t boot_id[16];         /* /proc/sys/kernel/random/boot_id                                        40 */
	uint64_t descriptors_offset; /* from the start of the object, bytes                                    56 */
	uint64_t order_offset;       /* from the start of the object, bytes                                    64 */
	uint64_t slots_offset;       /* pixels of slot 0, from the start of the object, bytes                  72 */
	uint64_t slot_bytes;         /* distance between slots                                                 80 */
	uint32_t slot_count;         /* LUMARING_SLOTS_MIN .. LUMARING_SLOTS_MAX                               88 */
	uint32_t order_count;        /* entries of the order table, at least slot_count                        92 */
	uint32_t width_max;          /* capacity: largest frame that fits, pixels                              96 */
	uint32_t height_max;         /*                                                                       100 */
	uint64_t sequence_first;     /* sequence of the stream's first captured frame, see enum lumaring_lost 104 */
	uint32_t writer_pid;         /* the daemon, for people and for cleaning up after a crash              112 */
	uint32_t reserved_0;         /*                                                                       116 */
	uint64_t writer_start;       /* its start time: field 22 of /proc/PID/stat, clock ticks               120 */
	char camera[LUMARING_NAME_MAX]; /* NUL-padded, not NUL-terminated when 32 long                        128 */
	char stream[LUMARING_NAME_MAX]; /*                                                                    160 */
	uint8_t reserved_1[64];      /*                                                                       192 */

	/* writer-hot */
	uint64_t published; /* atomic: number of the newest publication, 0 before the first                   256 */
	uint8_t reserved_2[120];

	/* writer-cold */
	uint32_t state;        /* atomic: enum lumaring_ring_state                                            384 */
	uint32_t generation;   /* atomic: counts changes of width, height, stride or format                   388 */
	uint32_t luma_range;   /* atomic: enum lumaring_luma_range                                            392 */
	uint32_t sensor_clock; /* atomic: enum lumaring_clock                                                 396 */
	uint8_t reserved_3[112];
	uint64_t lost[LUMARING_LOST_CAUSES]; /* atomic: ledger, frames lost so far by enum lumaring_lost      512 */
};

/* One descriptor per slot, at descriptors_offset + slot * descriptor_bytes. */
struct lumaring_descriptor {
	uint64_t word;        /* atomic: the sequence word                                                      0 */
	uint64_t publication; /* number of this publication within the stream                                   8 */
	uint64_t sensor_ns;   /* start of exposure or of the first row, clock as header.sensor_clock; 0: none  16 */
	uint64_t ready_ns;    /* CLOCK_MONOTONIC when the frame was complete in the capture buffer             24 */
	uint64_t publish_ns;  /* CLOCK_MONOTONIC just before the word became LIVE                              32 */
	uint64_t camera_sequence; /* the camera's own number                                                   40 */
	uint32_t generation;      /* header.generation as of this frame                                        48 */
	uint32_t fourcc;          /* LUMARING_FORMAT_*                                                         52 */
	uint32_t width;           /* of the pixels in the slot                                                 56 */
	uint32_t height;          /*                                                                           60 */
	uint32_t stride;          /* bytes from one row to the next                                            64 */
	uint32_t bin;             /* 1, or 2 where 2x2 pixels were averaged: region = width * bin ...          68 */
	uint32_t region_x;        /* where the pixels come from, in pixels of the captured image               72 */
	uint32_t region_y;        /*                                                                           76 */
	uint32_t region_width;    /*                                                                           80 */
	uint32_t region_height;   /*                                                                           84 */
	uint32_t image_width;     /* the captured image                                                        88 */
	uint32_t image_height;    /*                                                                           92 */
	uint32_t frame_duration_us;   /* as the camera reported, 0: unknown                                    96 */
	uint32_t exposure_us;         /* 0: unknown                                                           100 */
	uint32_t analogue_gain_milli; /* thousandths, 0: unknown                                              104 */
	uint32_t flags;               /* none defined: zero                                                   108 */
	uint8_t reserved[16];         /*                                                                      112 */
	uint64_t lost[LUMARING_LOST_CAUSES]; /* the ledger as of this frame: subtract two to get what lies
	                                        between them, by cause                                        128 */
};

/*
 * The client page. Where its parts lie is told by the frame socket (struct lumaring_welcome); this is what version 1
 * of the daemon makes. A cursor holds the sequence of the frame its client has pinned, or 0. The daemon reads only the
 * granted cursors, each at most twice a frame and once to decide, and believes nothing: a value that names no live
 * frame means nothing.
 */
#define LUMARING_CURSORS_MAX 8u
struct lumaring_cursor {
	uint64_t sequence; /* atomic, on a line of its own */
	uint8_t reserved[120];
};

/* What a client waits on, see N1 to N7. The daemon only adds to its two words, and compares `waiting` with 0. */
struct lumaring_wake {
	uint32_t word;       /* atomic: the daemon adds 1 for each frame and for each message                  0 */
	uint32_t waiting;    /* atomic: the client stores 1 before it waits and 0 afterwards                   4 */
	uint32_t events;     /* atomic: the daemon adds 1 for each message on the socket                       8 */
	uint32_t reserved_0; /*                                                                               12 */
	uint8_t reserved_1[112];
};

/* What became of the frames, as the client says for the daemon's status, which shows it and believes nothing. */
struct lumaring_account {
	uint64_t seen;        /* atomic: frames handed out, in order or as the newest                          0 */
	uint64_t missed;      /* atomic: frames with a sequence that lie between those                         8 */
	uint64_t copied;      /* atomic: of `seen`, copies for lack of a granted free cursor                  16 */
	uint64_t publication; /* atomic: of the newest one handed out                                         24 */
	uint8_t reserved[96];
};

struct lumaring_client_page {
	struct lumaring_cursor cursors[LUMARING_CURSORS_MAX]; /*                                                0 */
	uint64_t region; /* atomic: wanted region of a private stream, lumaring_region_word(); 0: the whole  1024 */
	uint8_t reserved_0[120];
	struct lumaring_wake wake;       /*                                                                    1152 */
	struct lumaring_account account; /*                                                                    1280 */
	uint8_t reserved_1[2688];
};

/* x, y, width, height in pixels of the captured image, 16 bits each, as one word that changes in one store. */
static inline uint64_t lumaring_region_word(uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	return (uint64_t)(x & 0xffffu) | (uint64_t)(y & 0xffffu) << 16 | (uint64_t)(width & 0xffffu) << 32 |
	       (uint64_t)(height & 0xffffu) << 48;
}

#define LUMARING_ASSERT_AT(type, field, offset) \
	LUMARING_STATIC_ASSERT(offsetof(struct type, field) == (offset), #type "." #field " moved")

LUMARING_ASSERT_AT(lumaring_header, magic, 0);
LUMARING_ASSERT_AT(lumaring_header, layout_version, 8);
LUMARING_ASSERT_AT(lumaring_header, reader_version_min, 12);
LUMARING_ASSERT_AT(lumaring_header, header_bytes, 16);
LUMARING_ASSERT_AT(lumaring_header, descriptor_bytes, 20);
LUMARING_ASSERT_AT(lumaring_header, object_bytes, 24);
LUMARING_ASSERT_AT(lumaring_header, epoch, 32);
LUMARING_ASSERT_AT(lumaring_header, boot_id, 40);
LUMARING_ASSERT_AT(lumaring_header, descriptors_offset, 56);
LUMARING_ASSERT_AT(lumaring_header, order_offset, 64);
LUMARING_ASSERT_AT(lumaring_header, slots_offset, 72);
LUMARING_ASSERT_AT(lumaring_header, slot_bytes, 80);
LUMARING_ASSERT_AT(lumaring_header, slot_count, 88);
LUMARING_ASSERT_AT(lumaring_header, order_count, 92);
LUMARING_ASSERT_AT(lumaring_header, width_max, 96);
LUMARING_ASSERT_AT(lumaring_header, height_max, 100);
LUMARING_ASSERT_AT(lumaring_header, sequence_first, 104);
LUMARING_ASSERT_AT(lumaring_header, writer_pid, 112);
LUMARING_ASSERT_AT(lumaring_header, writer_start, 120);
LUMARING_ASSERT_AT(lumaring_header, camera, 128);
LUMARING_ASSERT_AT(lumaring_header, stream, 160);
LUMARING_ASSERT_AT(lumaring_header, published, 256);
LUMARING_ASSERT_AT(lumaring_header, state, 384);
LUMARING_ASSERT_AT(lumaring_header, generation, 388);
LUMARING_ASSERT_AT(lumaring_header, luma_range, 392);
LUMARING_ASSERT_AT(lumaring_header, sensor_clock, 396);
LUMARING_ASSERT_AT(lumaring_header, lost, 512);
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_header) == 640, "size of the header");

LUMARING_ASSERT_AT(lumaring_descriptor, word, 0);
LUMARING_ASSERT_AT(lumaring_descriptor, publication, 8);
LUMARING_ASSERT_AT(lumaring_descriptor, sensor_ns, 16);
LUMARING_ASSERT_AT(lumaring_descriptor, ready_ns, 24);
LUMARING_ASSERT_AT(lumaring_descriptor, publish_ns, 32);
LUMARING_ASSERT_AT(lumaring_descriptor, camera_sequence, 40);
LUMARING_ASSERT_AT(lumaring_descriptor, generation, 48);
LUMARING_ASSERT_AT(lumaring_descriptor, fourcc, 52);
LUMARING_ASSERT_AT(lumaring_descriptor, width, 56);
LUMARING_ASSERT_AT(lumaring_descriptor, height, 60);
LUMARING_ASSERT_AT(lumaring_descriptor, stride, 64);
LUMARING_ASSERT_AT(lumaring_descriptor, bin, 68);
LUMARING_ASSERT_AT(lumaring_descriptor, region_x, 72);
LUMARING_ASSERT_AT(lumaring_descriptor, region_y, 76);
LUMARING_ASSERT_AT(lumaring_descriptor, region_width, 80);
LUMARING_ASSERT_AT(lumaring_descriptor, region_height, 84);
LUMARING_ASSERT_AT(lumaring_descriptor, image_width, 88);
LUMARING_ASSERT_AT(lumaring_descriptor, image_height, 92);
LUMARING_ASSERT_AT(lumaring_descriptor, frame_duration_us, 96);
LUMARING_ASSERT_AT(lumaring_descriptor, exposure_us, 100);
LUMARING_ASSERT_AT(lumaring_descriptor, analogue_gain_milli, 104);
LUMARING_ASSERT_AT(lumaring_descriptor, flags, 108);
LUMARING_ASSERT_AT(lumaring_descriptor, lost, 128);
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_descriptor) == 256, "size of a descriptor");

LUMARING_STATIC_ASSERT(sizeof(struct lumaring_cursor) == 128, "a cursor has a line of its own");
LUMARING_ASSERT_AT(lumaring_wake, word, 0);
LUMARING_ASSERT_AT(lumaring_wake, waiting, 4);
LUMARING_ASSERT_AT(lumaring_wake, events, 8);
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_wake) == 128, "the wake words have a line of their own");
LUMARING_ASSERT_AT(lumaring_account, seen, 0);
LUMARING_ASSERT_AT(lumaring_account, missed, 8);
LUMARING_ASSERT_AT(lumaring_account, copied, 16);
LUMARING_ASSERT_AT(lumaring_account, publication, 24);
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_account) == 128, "an account has a line of its own");
LUMARING_ASSERT_AT(lumaring_client_page, cursors, 0);
LUMARING_ASSERT_AT(lumaring_client_page, region, 1024);
LUMARING_ASSERT_AT(lumaring_client_page, wake, 1152);
LUMARING_ASSERT_AT(lumaring_client_page, account, 1280);
LUMARING_STATIC_ASSERT(sizeof(struct lumaring_client_page) == 4096, "size of the client page");

#endif
