/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_copy_floor.h - the floors that `make bench-copy` compares with: rows copied by glibc's memcpy(), and past the
 * caches by the plainest loop that the CPU has instructions for; written without a look at the kernels. And two threads
 * that share them. A part of bench_copy.c.
 */
#ifndef LUMARING_TESTS_BENCH_COPY_FLOOR_H
#define LUMARING_TESTS_BENCH_COPY_FLOOR_H

#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Rows of bytes, as copy_rows but with nothing to work out. */
struct floor_rows {
	uint8_t *destination;
	const uint8_t *source;
	size_t destination_stride, source_stride, row_bytes, rows;
};

typedef void floor_function(const struct floor_rows *rows);

static void floor_memcpy(const struct floor_rows *r)
{
	for (size_t row = 0; row < r->rows; row++)
		memcpy(r->destination + row * r->destination_stride, r->source + row * r->source_stride, r->row_bytes);
}

/* Each of them: bytes up to a whole line of the destination, whole lines, and the rest; one fence in the end. */
#define FLOOR_ROWS(name, attributes, move_line, fence)                                                                 \
	attributes static void name(const struct floor_rows *r)                                                        \
	{                                                                                                              \
		for (size_t row = 0; row < r->rows; row++) {                                                           \
			uint8_t *to = r->destination + row * r->destination_stride, *end = to + r->row_bytes;          \
			const uint8_t *from = r->source + row * r->source_stride;                                      \
			size_t head = -(uintptr_t)to % 64;                                                             \
                                                                                                                       \
			head = head < r->row_bytes ? head : r->row_bytes;                                              \
			memcpy(to, from, head);                                                                        \
			for (to += head, from += head; end - to >= 64; to += 64, from += 64)                           \
				move_line;                                                                             \
			memcpy(to, from, (size_t)(end - to));                                                          \
		}                                                                                                      \
		fence;                                                                                                 \
	}

#if defined(__x86_64__)

static inline void move_line_sse2(uint8_t *to, const uint8_t *from)
{
	const __m128i *source = (const __m128i *)(const void *)from;
	__m128i *destination = (__m128i *)(void *)to;
	__m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1);
	__m128i c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);

	_mm_stream_si128(destination, a);
	_mm_stream_si128(destination + 1, b);
	_mm_stream_si128(destination + 2, c);
	_mm_stream_si128(destination + 3, d);
}

__attribute__((target("avx2"))) static inline void move_line_avx2(uint8_t *to, const uint8_t *from)
{
	const __m256i *source = (const __m256i *)(const void *)from;
	__m256i *destination = (__m256i *)(void *)to;
	__m256i a = _mm256_loadu_si256(source), b = _mm256_loadu_si256(source + 1);

	_mm256_stream_si256(destination, a);
	_mm256_stream_si256(destination + 1, b);
}

__attribute__((target("avx512f"))) static inline void move_line_avx512(uint8_t *to, const uint8_t *from)
{
	_mm512_stream_si512((void *)to, _mm512_loadu_si512(from));
}

FLOOR_ROWS(floor_sse2, , move_line_sse2(to, from), _mm_sfence())
FLOOR_ROWS(floor_avx2, __attribute__((target("avx2"))), move_line_avx2(to, from), _mm_sfence())
FLOOR_ROWS(floor_avx512, __attribute__((target("avx512f"))), move_line_avx512(to, from), _mm_sfence())

#elif defined(__aarch64__)

static inline void move_line_neon(uint8_t *to, const uint8_t *from)
{
	uint8x16_t a = vld1q_u8(from), b = vld1q_u8(from + 16), c = vld1q_u8(from + 32), d = vld1q_u8(from + 48);

	__asm__ volatile("stnp %q1, %q2, [%0]\n\tstnp %q3, %q4, [%0, 32]"
			 :
			 : "r"(to), "w"(a), "w"(b), "w"(c), "w"(d)
			 : "memory");
}

FLOOR_ROWS(floor_stnp, , move_line_neon(to, from), __atomic_thread_fence(__ATOMIC_SEQ_CST))

#endif

struct floor_kind {
	const char *name;
	floor_function *function;
};

#define FLOORS_MAX 3u

/* What this CPU can do: memcpy() first, then at most two loops past the caches. */
static unsigned floor_kinds(struct floor_kind kinds[FLOORS_MAX])
{
	unsigned count = 0;

	kinds[count++] = (struct floor_kind){ "memcpy", floor_memcpy };
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f"))
		kinds[count++] = (struct floor_kind){ "NT AVX-512", floor_avx512 };
	if (__builtin_cpu_supports("avx2"))
		kinds[count++] = (struct floor_kind){ "NT AVX2", floor_avx2 };
	if (count == 1)
		kinds[count++] = (struct floor_kind){ "NT SSE2", floor_sse2 };
#elif defined(__aarch64__)
	kinds[count++] = (struct floor_kind){ "STNP", floor_stnp };
#endif
	return count;
}

/* --- two threads -------------------------------------------------------------------------------------------------- */

#define TEAM_SPINS 20000u /* some 20 us: as long as one who is about to be called would be awake */
#define TEAM_CHUNKS 8u

/* Two threads take chunks of rows; who is held up delays the one that it has, and a late one none. */
struct team {
	pthread_t thread;
	floor_function *function;
	struct floor_rows rows;
	uint64_t turn;     /* atomic: frame << 16 | next chunk */
	uint32_t finished; /* atomic: chunks of this frame */
	uint32_t called;   /* atomic: frames so far; what the second thread sleeps on */
	uint32_t sleeping; /* atomic */
	bool stopping;
};

static void team_futex(uint32_t *word, int operation, uint32_t value)
{
	syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void team_do_chunk(struct team *team, unsigned chunk)
{
	struct floor_rows rows = team->rows;
	size_t first = rows.rows * chunk / TEAM_CHUNKS, end = rows.rows * (chunk + 1) / TEAM_CHUNKS;

	rows.source += first * rows.source_stride;
	rows.destination += first * rows.destination_stride;
	rows.rows = end - first;
	team->function(&rows);
	/* T5 (release) pairs with T6: the pixels before the count. */
	__atomic_fetch_add(&team->finished, 1, __ATOMIC_RELEASE);
}

static void team_work(struct team *team)
{
	/* T1 (acquire) pairs with T2 in team_run(): what to do before the turn. A turn that is over cannot be taken. */
	uint64_t turn = __atomic_load_n(&team->turn, __ATOMIC_ACQUIRE);

	while ((turn & 0xffff) < TEAM_CHUNKS)
		if (__atomic_compare_exchange_n(&team->turn, &turn, turn + 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_ACQUIRE)) {
			team_do_chunk(team, (unsigned)(turn & 0xffff));
			turn = __atomic_load_n(&team->turn, __ATOMIC_ACQUIRE);
		}
}

static void *team_thread(void *argument)
{
	struct team *team = argument;

	for (uint32_t seen = 0;;) {
		/* T5 (acquire, twice) pairs with T5 in team_call(): `stopping` before the call. */
		for (unsigned spin = 0; __atomic_load_n(&team->called, __ATOMIC_ACQUIRE) == seen; spin++) {
			if (spin < TEAM_SPINS)
				continue;
			/* T3 (seq_cst) pairs with T4: either it is seen that we sleep, or we see the call. */
			__atomic_store_n(&team->sleeping, 1, __ATOMIC_SEQ_CST);
			if (__atomic_load_n(&team->called, __ATOMIC_SEQ_CST) == seen)
				team_futex(&team->called, FUTEX_WAIT, seen);
			__atomic_store_n(&team->sleeping, 0, __ATOMIC_SEQ_CST);
		}
		seen = __atomic_load_n(&team->called, __ATOMIC_ACQUIRE);
		if (team->stopping)
			return NULL;
		team_work(team);
	}
}

static void team_call(struct team *team)
{
	/* T5 (release) pairs with T5 in team_thread(). Also T4 (seq_cst), as the load, pairs with T3. */
	__atomic_store_n(&team->called, team->called + 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&team->sleeping, __ATOMIC_SEQ_CST))
		team_futex(&team->called, FUTEX_WAKE, 1);
}

static void team_run(struct team *team, floor_function *function, const struct floor_rows *rows)
{
	team->function = function;
	team->rows = *rows;
	__atomic_store_n(&team->finished, 0, __ATOMIC_RELAXED); /* nobody has a chunk now */
	/* T2 (release) pairs with T1. */
	__atomic_store_n(&team->turn, (uint64_t)(team->called + 1) << 16, __ATOMIC_RELEASE);
	team_call(team);
	team_work(team);
	/* T6 (acquire) pairs with T5. */
	while (__atomic_load_n(&team->finished, __ATOMIC_ACQUIRE) != TEAM_CHUNKS)
		;
}

static int team_create(struct team *team)
{
	memset(team, 0, sizeof(*team));
	team->turn = TEAM_CHUNKS;
	return pthread_create(&team->thread, NULL, team_thread, team);
}

static void team_destroy(struct team *team)
{
	team->stopping = true;
	team_call(team);
	pthread_join(team->thread, NULL);
}

#endif
