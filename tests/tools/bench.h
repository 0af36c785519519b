/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - what the three programs of `make bench` say to each other: bench (starts, measures, reports), bench_client
 * (one reader, of lumaring or of the floor) and bench_floor (the floor: the same source and the same copy as the
 * daemon, into plain shared memory, one send for each client, nothing protected).
 */
#ifndef LUMARING_TESTS_BENCH_H
#define LUMARING_TESTS_BENCH_H

#include <stdint.h>

#define BENCH_SAMPLES_MAX 16384u
#define BENCH_PAGE_BYTES 4096u
#define BENCH_UNKNOWN 2 /* exit code of bench_client: it does not know this kind of client */

/* Both kinds of client do the same with a frame: read one byte of each page. */
static inline void bench_touch(const uint8_t *pixels, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += BENCH_PAGE_BYTES)
		(void)*(const volatile uint8_t *)(pixels + at);
}

/*
 * Set by bench, read by the clients. A client records from the first frame it sees in BENCH_MEASURE to the first one it
 * sees in BENCH_STOP, then ends.
 */
enum bench_phase { BENCH_WARM_UP, BENCH_MEASURE, BENCH_STOP };

/* One client's figures, in memory that it shares with bench. */
struct bench_figures {
	uint64_t sequence; /* atomic: of the newest frame seen */
	uint64_t frames;   /* recorded */
	uint64_t missed;   /* as told with them: captured between one of them and the one before, and not seen */
	uint64_t skipped;  /* of these, published all the same; of lumaring only, as the next three */
	uint64_t lost;     /* of these, not published, by the daemon's ledger */
	uint64_t captured; /* from the last frame before them to the last of them, by the daemon's numbers */
	uint64_t published;
	uint64_t cpu_ns; /* user and system time from the first to the last of them */
	uint32_t sample_count;
	uint32_t samples_ns[BENCH_SAMPLES_MAX]; /* frame complete in the capture buffer to pointer in hand */
};

struct bench_shared {
	uint32_t phase; /* atomic: enum bench_phase */
	struct bench_figures figures[];
};

/* First message of the floor, with the descriptor of its memory. */
struct floor_welcome {
	uint64_t ring_bytes, slot_bytes;
};

/* One for each frame. */
struct floor_notice {
	uint64_t sequence, ready_ns;
	uint32_t slot, stride, width, height;
};

#endif
