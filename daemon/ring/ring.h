/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.h - the writer of one ring: the only code that writes ring memory.
 *
 * A ring is created and destroyed by the main thread. While the capture thread's plan names it, the capture thread
 * alone calls ring_take(), ring_publish() and ring_count_lost(). ring_set_state() may come from either.
 */
#ifndef LUMARING_RING_H
#define LUMARING_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <lumaring/layout.h>

struct ring;

/* What a stream carries from one of its rings to the next, so that its accounts go on. */
struct ring_account {
	uint64_t sequence_first; /* sequence of the stream's first captured frame */
	uint64_t published;      /* number of the newest publication, 0: none */
	uint64_t lost[LUMARING_LOST_CAUSES];
};

struct ring_config {
	const char *camera, *stream; /* [a-z0-9_-]{1,32} */
	uint32_t slot_count;         /* LUMARING_SLOTS_MIN..LUMARING_SLOTS_MAX */
	uint32_t width_max, height_max;
	uint32_t bytes_per_pixel; /* 1 or 2 */
	uint64_t bytes_max;       /* ceiling for the whole object, 0: none */
	gid_t group;              /* (gid_t)-1: leave */
	bool named;               /* false: the name is gone as soon as the object exists (private streams) */
};

/* Bytes a ring of this configuration takes; 0 if that does not fit 63 bits. */
uint64_t ring_bytes_needed(const struct ring_config *config);

/*
 * Create the shared-memory object, with all of its memory. Errors, with one sentence in `text`:
 *   -ENOSPC  /dev/shm lacks room (bytes needed and available are in the sentence), or no memory
 *   -EDQUOT  more than bytes_max
 *   -EINVAL  a value is out of range
 *   others as shm_open(3), fchown(2), mmap(2)
 */
int ring_create(const struct ring_config *config, struct ring **ret_ring, char *text, size_t text_bytes);

/* Bytes that an object may still take in /dev/shm now; others may take them first. */
uint64_t ring_bytes_available(void);

/* Unlink the name and unmap; clients that mapped it keep what they have. NULL is allowed. */
void ring_destroy(struct ring *ring);

int ring_fd(const struct ring *ring); /* opened read-only, for clients; stays the ring's */
uint64_t ring_epoch(const struct ring *ring);
uint64_t ring_bytes(const struct ring *ring);
uint32_t ring_slot_count(const struct ring *ring);
uint32_t ring_width_max(const struct ring *ring);
uint32_t ring_height_max(const struct ring *ring);
uint32_t ring_bytes_per_pixel(const struct ring *ring);                /* that a slot has room for */
uint64_t ring_published(const struct ring *ring);                      /* any thread */
uint64_t ring_lost(const struct ring *ring, enum lumaring_lost cause); /* any thread */
struct ring_account ring_account(const struct ring *ring);

/* Most cursors that may be granted on a ring of so many slots: the newest frame and one more stay free. */
static inline uint32_t ring_cursors_max(uint32_t slot_count)
{
	return slot_count - 2;
}

/*
 * The stream goes on in this ring with the account of the one it had: called by the capture thread when a plan first
 * names the ring, after the last use of `previous`, and before ring_begin() and before any client is handed it.
 */
void ring_carry(struct ring *ring, const struct ring *previous);

/*
 * The stream's first captured frame will be `sequence`: called by the capture thread when a plan first names the ring.
 * A ring that goes on with the account of another one keeps that one's.
 */
void ring_begin(struct ring *ring, uint64_t sequence);

/*
 * Take a slot for the frame `sequence`. `cursors` are the granted cursors in client pages, at most ring_cursors_max():
 * each is read twice at most (once to prefer, once to decide). 0 and the slot; or -ENOBUFS when every candidate is
 * named by a cursor, which more cursors than granted would be needed for. The slot is WRITING until ring_publish(),
 * which comes before the next ring_take(): that a free slot remains counts on one being taken at a time.
 */
int ring_take(struct ring *ring, uint64_t sequence, const uint64_t *const *cursors, uint32_t cursor_count,
	      uint32_t *ret_slot);

/* First pixel of a slot; ring_slot_bytes() bytes may be written while it is taken. */
uint8_t *ring_pixels(const struct ring *ring, uint32_t slot);
uint64_t ring_slot_bytes(const struct ring *ring);

/* Bytes between rows that this writer uses for a width: a multiple of 64. */
uint32_t ring_stride(uint32_t width, uint32_t bytes_per_pixel);

/*
 * Publish the taken slot. The caller fills the frame's fields in `descriptor`; word, publication, generation,
 * publish_ns and lost are the ring's and are filled in here (also in *descriptor, for the notice).
 */
void ring_publish(struct ring *ring, uint32_t slot, uint64_t sequence, struct lumaring_descriptor *descriptor);

/* Add to the ledger. */
void ring_count_lost(struct ring *ring, enum lumaring_lost cause, uint64_t count);

void ring_set_state(struct ring *ring, enum lumaring_ring_state state);
enum lumaring_ring_state ring_state(const struct ring *ring);
uint32_t ring_generation(const struct ring *ring); /* any thread */
void ring_set_source(struct ring *ring, enum lumaring_luma_range range, enum lumaring_clock clock);
void ring_set_clock(struct ring *ring, enum lumaring_clock clock); /* any thread */

/*
 * Unlink the names of this camera's rings that no living daemon stands behind (left by a crash, or squatted); each is
 * logged. Returns how many.
 */
unsigned ring_sweep(const char *camera);

#endif
