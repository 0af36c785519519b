/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostile.c - clients that mean harm. Each mode does its worst for a bounded while and exits with 0 when the other side
 * kept its word as far as it can be seen from here, else with 1 and a sentence.
 *
 *   hostile takes [COUNT]                     ring.c in this process, with threads that chase its candidates with all
 *                                             granted cursors: the writer must find a slot every time
 *   hostile chase DIR CAMERA [FRAMES]         the same against a daemon with 64 client pages, while FRAMES are
 * published hostile pages DIR CAMERA [FRAMES]         pages full of random numbers, regions of private streams among
 * them hostile words DIR CAMERA [FRAMES]         a crowd of threads asleep on each of some wake words, and garbage in
 * these hostile messages DIR CAMERA [COUNT]       random first messages, and HELLOs with a byte changed hostile flood
 * DIR CAMERA [FRAMES]         messages after HELLO, with descriptors attached hostile halves DIR CAMERA [COUNT]
 * half-closed, silent and never reading connections, dropped at any point
 *
 * Nothing of the library is used.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "chaser.h"
#include "random.h"
#include "raw.h"
#include "ring/ring.h"
#include "waiters.h"

#define PATIENCE_NS (60 * NS_PER_SECOND) /* for what is to happen: longer is broken */
#define CHASE_CLIENTS 64u
#define GRANTED_MAX (CHASE_CLIENTS * LUMARING_CURSORS_MAX)
#define PAGE_CLIENTS 16u
#define WORD_CLIENTS 4u
#define WORD_WAITERS 64u
#define POOL 48u
#define FLOOD_CONNECTIONS 16u

static int fail(const char *what, int error)
{
	fprintf(stderr, "hostile: %s: %s\n", what, strerror(-error));
	return 1;
}

/* --- takes: the ring alone ------------------------------------------------------------------------------------- */

#define TAKES_SLOTS 8u
#define TAKES_CURSORS (TAKES_SLOTS - 2u)
#define TAKES_HITS_MIN 1000u /* fewer, and nobody has chased anything */

static uint64_t cursor_lines[TAKES_CURSORS][16]; /* on lines of their own, as in a client page */

static int make_ring(struct ring **ret_ring)
{
	struct ring_config config = { .camera = "hostile",
				      .stream = "takes",
				      .slot_count = TAKES_SLOTS,
				      .width_max = 64,
				      .height_max = 1,
				      .bytes_per_pixel = 1,
				      .group = (gid_t)-1 };
	char text[512];
	int r = ring_create(&config, ret_ring, text, sizeof(text));

	if (r < 0)
		fprintf(stderr, "hostile: %s\n", text);
	return r;
}

/* Map the ring as a client would. */
static const uint8_t *map_ring(const struct ring *ring)
{
	void *p = mmap(NULL, ring_bytes(ring), PROT_READ, MAP_SHARED, ring_fd(ring), 0);

	return p == MAP_FAILED ? NULL : p;
}

/* One slot taken and published; 1 when none was found. */
static uint64_t take_once(struct ring *ring, uint64_t sequence)
{
	struct lumaring_descriptor d = {
		.fourcc = LUMARING_FORMAT_R8, .width = 64, .height = 1, .stride = 64, .bin = 1
	};
	const uint64_t *cursors[TAKES_CURSORS];
	uint32_t slot;

	for (uint32_t i = 0; i < TAKES_CURSORS; i++)
		cursors[i] = cursor_lines[i];
	if (ring_take(ring, sequence, cursors, TAKES_CURSORS, &slot) < 0)
		return 1;
	ring_publish(ring, slot, sequence, &d);
	return 0;
}

/* `count` takes and more, until the chasers were close behind often enough to mean anything; or one that failed. */
static int takes_with(struct ring *ring, const uint8_t *base, enum chaser_strategy strategy, unsigned chaser_count,
		      uint64_t count, uint64_t *sequence)
{
	const struct lumaring_header *h = (const void *)base;
	uint64_t *cursors[TAKES_CURSORS], starved = 0, takes = 0, hits = 0;
	struct chaser chasers[2] = { { .strategy = strategy } };

	for (uint32_t i = 0; i < TAKES_CURSORS; i++)
		cursors[i] = cursor_lines[i];
	for (unsigned i = 0; i < chaser_count; i++) {
		chasers[i] = (struct chaser){
			.strategy = strategy,
			.words = base + h->descriptors_offset,
			.word_stride = h->descriptor_bytes,
			.slot_count = TAKES_SLOTS,
			.cursors = &cursors[i * TAKES_CURSORS / chaser_count],
			.cursor_count = TAKES_CURSORS / chaser_count,
		};
		if (chaser_start(&chasers[i]) < 0)
			return fail("thread", -EAGAIN);
	}
	/* Looking at another thread's counter only tells when to stop: relaxed. */
	for (; !starved && (takes < count || (hits < TAKES_HITS_MIN && takes < 100 * count)); takes++) {
		starved += take_once(ring, ++*sequence);
		hits = __atomic_load_n(&chasers[0].hits, __ATOMIC_RELAXED);
		if (takes % 1024 == 0)
			sched_yield();
	}
	for (unsigned i = 0; i < chaser_count; i++)
		chaser_stop(&chasers[i]);
	printf("figure: %s: %" PRIu64 " of %" PRIu64 " takes found no slot, first chaser named %" PRIu64
	       " candidates in time\n",
	       strategy == CHASER_SWARM ? "swarm" : "jump", starved, takes, chasers[0].hits);
	return starved > 0 || chasers[0].hits < TAKES_HITS_MIN;
}

static int mode_takes(uint64_t count)
{
	struct ring *ring;
	const uint8_t *base;
	uint64_t sequence = 0;
	int failed;

	if (make_ring(&ring) < 0)
		return 1;
	base = map_ring(ring);
	if (!base)
		return fail("mmap", -errno);
	for (uint32_t i = 0; i < TAKES_SLOTS; i++)
		take_once(ring, ++sequence);
	failed = takes_with(ring, base, CHASER_JUMP, 1, count / 2, &sequence);
	if (!failed)
		failed = takes_with(ring, base, CHASER_SWARM, 2, count / 2, &sequence);
	munmap((void *)(uintptr_t)base, ring_bytes(ring));
	ring_destroy(ring);
	return failed;
}

/* --- chase and pages: a daemon's ring --------------------------------------------------------------------------- */

/* Wait until `frames` more have been published; -ETIMEDOUT when they stop coming. `work` is done in between. */
static int publish_until(const struct raw *raw, uint64_t frames, void (*work)(void *), void *owner)
{
	const struct timespec step = { .tv_nsec = 1000000 };
	uint64_t first = raw_published(raw), seen = first, since_ns = clock_monotonic_ns();

	while (seen - first < frames) {
		uint64_t now = raw_published(raw);

		if (now != seen)
			since_ns = clock_monotonic_ns();
		else if (clock_monotonic_ns() - since_ns > PATIENCE_NS)
			return -ETIMEDOUT;
		seen = now;
		if (work)
			work(owner);
		else
			nanosleep(&step, NULL);
	}
	return 0;
}

/* Attach `count` clients that want `cursors` each; the sum of what they were granted, or a negative errno. */
static int attach_many(struct raw *raws, unsigned count, const char *path, uint32_t cursors)
{
	struct lumaring_hello hello = raw_hello(cursors);
	int granted = 0;

	for (unsigned i = 0; i < count; i++) {
		int r = raw_attach(&raws[i], path, &hello);

		if (r < 0)
			return r;
		granted += (int)raws[i].welcome.cursors;
	}
	return granted;
}

static int report_attack(const char *what, const struct raw *raw, uint64_t first, uint64_t hits, int r)
{
	uint64_t no_slot = raw_lost(raw, LUMARING_LOST_NO_SLOT);

	printf("figure: %s: %" PRIu64 " frames published under attack, %" PRIu64 " lost for lack of a slot, %" PRIu64
	       " blows\n",
	       what, raw_published(raw) - first, no_slot, hits);
	if (r < 0)
		fprintf(stderr, "hostile: no frame within %u s\n", (unsigned)(PATIENCE_NS / NS_PER_SECOND));
	return r < 0 || no_slot > 0;
}

static int mode_chase(const char *path, uint64_t frames)
{
	static struct raw raws[CHASE_CLIENTS];
	static uint64_t *cursors[2][GRANTED_MAX];
	struct chaser chasers[2] = { { .strategy = CHASER_JUMP }, { .strategy = CHASER_SWARM } };
	int r = attach_many(raws, CHASE_CLIENTS, path, 2);
	uint64_t first;

	if (r < 0)
		return fail("attach", r);
	printf("attached %u clients, %d cursors granted\n", CHASE_CLIENTS, r);
	for (unsigned i = 0; i < 2; i++) {
		chasers[i].words = (const uint8_t *)raw_word(&raws[0], 0);
		chasers[i].word_stride = raw_header(&raws[0])->descriptor_bytes;
		chasers[i].slot_count = raw_header(&raws[0])->slot_count;
		chasers[i].cursors = cursors[i];
	}
	/* The granted ones jump and anchor; the swarm is in every cursor of every page, granted or not. */
	for (unsigned i = 0; i < CHASE_CLIENTS; i++)
		for (unsigned k = 0; k < LUMARING_CURSORS_MAX; k++) {
			unsigned c = k >= raws[i].welcome.cursors;

			cursors[c][chasers[c].cursor_count++] = &raws[i].page->cursors[k].sequence;
		}
	first = raw_published(&raws[0]);
	for (unsigned i = 0; i < 2; i++)
		if (chasers[i].cursor_count > 0 && chaser_start(&chasers[i]) < 0)
			return fail("thread", -EAGAIN);
	r = publish_until(&raws[0], frames, NULL, NULL);
	for (unsigned i = 0; i < 2; i++)
		if (chasers[i].cursor_count > 0)
			chaser_stop(&chasers[i]);
	return report_attack("chase", &raws[0], first, chasers[0].hits + chasers[1].hits, r);
}

struct scribbler {
	struct raw *raws;
	uint64_t random, stores;
};

/* Anything anywhere in the pages, with numbers that mean something among those that do not. */
static void scribble(void *owner)
{
	struct scribbler *s = owner;

	for (int i = 0; i < 1000; i++, s->stores++) {
		struct raw *raw = &s->raws[random_below(&s->random, PAGE_CLIENTS)];
		uint64_t *words = (uint64_t *)(void *)raw->page, value = random_next(&s->random);
		uint32_t at = random_below(&s->random, sizeof(*raw->page) / sizeof(*words));

		if (value % 4 == 0)
			value = raw_published(raw) - value % 8;
		else if (value % 4 == 1)
			value = lumaring_word_sequence(*raw_word(raw, (uint32_t)(value >> 32) % 4));
		if (random_below(&s->random, 8) == 0)
			at = offsetof(struct lumaring_client_page, region) / sizeof(*words);
		/* Not even whole words matter here: relaxed. */
		__atomic_store_n(&words[at], value, __ATOMIC_RELAXED);
	}
}

static int mode_pages(const char *path, uint64_t frames)
{
	static struct raw raws[PAGE_CLIENTS];
	struct scribbler s = { .raws = raws, .random = 1 };
	struct lumaring_hello hello = raw_hello(1);
	uint64_t first;
	int r = attach_many(raws, PAGE_CLIENTS / 2, path, LUMARING_CURSORS_MAX);

	hello.message.flags = LUMARING_HELLO_PRIVATE | LUMARING_HELLO_FUTEX;
	hello.region_width = 33;
	hello.region_height = 17;
	hello.slots = LUMARING_SLOTS_MIN;
	for (unsigned i = PAGE_CLIENTS / 2; r >= 0 && i < PAGE_CLIENTS; i++)
		r = raw_attach(&raws[i], path, &hello);
	if (r < 0)
		return fail("attach", r);
	first = raw_published(&raws[0]);
	r = publish_until(&raws[0], frames, scribble, &s);
	for (unsigned i = 0; i < PAGE_CLIENTS; i++)
		if (raw_lost(&raws[i], LUMARING_LOST_NO_SLOT) > 0)
			return fail("a stream lost a frame for lack of a slot", -ENOBUFS);
	return report_attack("pages", &raws[0], first, s.stores, r);
}

/* --- words: who is woken ---------------------------------------------------------------------------------------- */

struct words {
	struct raw raws[WORD_CLIENTS];
	struct waiters waiters[WORD_CLIENTS];
	uint64_t random, stores;
};

/* Anything in the words; as a rule somebody seems to wait. */
static void garble(void *owner)
{
	struct words *w = owner;
	const struct timespec step = { .tv_nsec = 1000000 };

	for (unsigned i = 0; i < WORD_CLIENTS; i++, w->stores++) {
		struct lumaring_wake *wake = &w->raws[i].page->wake;

		/* Order is what matters least here: relaxed. */
		__atomic_store_n(&wake->word, (uint32_t)random_next(&w->random), __ATOMIC_RELAXED);
		__atomic_store_n(&wake->waiting, (uint32_t)random_below(&w->random, 8), __ATOMIC_RELAXED);
		__atomic_store_n(&wake->events, (uint32_t)random_next(&w->random), __ATOMIC_RELAXED);
	}
	nanosleep(&step, NULL);
}

static int mode_words(const char *path, uint64_t frames)
{
	static struct words w = { .random = 5 };
	struct lumaring_hello hello = raw_hello(0);
	uint64_t first, woken = 0;
	int r = 0;

	hello.message.flags = LUMARING_HELLO_FUTEX;
	for (unsigned i = 0; r == 0 && i < WORD_CLIENTS; i++) {
		r = raw_attach(&w.raws[i], path, &hello);
		if (r == 0)
			r = waiters_start(&w.waiters[i], &w.raws[i].page->wake, WORD_WAITERS);
	}
	if (r < 0)
		return fail("attach", r);
	printf("attached %u clients, %u threads wait\n", WORD_CLIENTS, WORD_CLIENTS * WORD_WAITERS);
	first = raw_published(&w.raws[0]);
	r = publish_until(&w.raws[0], frames, garble, &w);
	for (unsigned i = 0; i < WORD_CLIENTS; i++) {
		waiters_stop(&w.waiters[i]);
		woken += w.waiters[i].woken;
	}
	printf("figure: words: %" PRIu64 " waits ended by a wake\n", woken);
	return report_attack("words", &w.raws[0], first, w.stores, r) || woken == 0;
}

/* --- messages, flood, halves: the socket ------------------------------------------------------------------------ */

/* Wait for something to read. False: the daemon does not react. */
static bool react(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, (int)(PATIENCE_NS / NS_PER_MS)) == 1;
}

/* Type of the first answer, 0 when the daemon closed, -1 when nothing came. */
static int first_answer(int fd)
{
	struct lumaring_message message;
	ssize_t n;

	if (!react(fd))
		return -1;
	n = recv(fd, &message, sizeof(message), 0);
	return n >= (ssize_t)sizeof(message) ? message.type : 0;
}

/* A first message: random bytes, or a HELLO with something wrong, or with nothing wrong by chance. */
static size_t make_message(uint64_t *random, uint8_t *bytes, size_t bytes_max)
{
	struct lumaring_hello hello = raw_hello(random_below(random, 16));
	size_t size = 1 + random_below(random, (uint32_t)bytes_max - 1);

	for (size_t i = 0; i < bytes_max; i++)
		bytes[i] = (uint8_t)random_next(random);
	switch (random_below(random, 4)) {
	case 0:
		break;
	case 1: /* a header that fits */
		hello.message.size = (uint16_t)size;
		hello.message.type = (uint16_t)random_below(random, 8);
		memcpy(bytes, &hello.message, size < sizeof(hello.message) ? size : sizeof(hello.message));
		break;
	case 2: /* a private stream of any size */
		hello.message.flags = LUMARING_HELLO_PRIVATE;
		for (uint32_t *field = &hello.slots; field <= &hello.height_max; field++)
			*field = (uint32_t)random_next(random) >> random_below(random, 32);
		hello.fourcc = random_below(random, 8) ? LUMARING_FORMAT_R16 : (uint32_t)random_next(random);
		hello.bin = random_below(random, 4);
		size = sizeof(hello);
		memcpy(bytes, &hello, size);
		break;
	default:
		size = sizeof(hello);
		memcpy(bytes, &hello, size);
		bytes[random_below(random, (uint32_t)size)] = (uint8_t)random_next(random);
	}
	return size;
}

static int mode_messages(const char *path, uint64_t count)
{
	uint64_t random = 2, answers[3] = { 0 };
	uint8_t bytes[700];

	for (uint64_t i = 0; i < count; i++) {
		size_t size = make_message(&random, bytes, sizeof(bytes));
		int fd = raw_connect(path), answer;

		if (fd < 0)
			return fail("connect", fd);
		if (send(fd, bytes, size, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
			return fail("send", -errno);
		answer = first_answer(fd);
		close(fd);
		if (answer < 0)
			return fail("no answer to a first message", -ETIMEDOUT);
		answers[answer == LUMARING_MESSAGE_WELCOME ? 2 : answer == LUMARING_MESSAGE_REFUSAL]++;
	}
	printf("figure: messages: %" PRIu64 " random greetings: %" PRIu64 " refused with a sentence, %" PRIu64
	       " closed, %" PRIu64 " welcomed\n",
	       count, answers[1], answers[0], answers[2]);
	return 0;
}

/* Send with descriptors attached, as many as one packet may carry or fewer. */
static int send_with_descriptors(int fd, const void *bytes, size_t size, int descriptor, unsigned count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(count * sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)(uintptr_t)bytes, size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(count * sizeof(int)) };

	for (unsigned i = 0; i < count; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &descriptor, sizeof(int));
	if (count == 0)
		msg.msg_control = NULL, msg.msg_controllen = 0;
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

struct flooder {
	int fds[FLOOD_CONNECTIONS], null;
	uint64_t random, sent, descriptors;
	int error;
};

/* Each connection is filled up; one that is full has to wait, the others go on. */
static void flood(void *owner)
{
	struct flooder *f = owner;
	uint8_t bytes[4096];

	for (unsigned i = 0; i < FLOOD_CONNECTIONS; i++) {
		unsigned attached = random_below(&f->random, 4) ? 0 : 1 + random_below(&f->random, 8);
		int r;

		make_message(&f->random, bytes, 700);
		r = send_with_descriptors(f->fds[i], bytes, 1 + random_below(&f->random, sizeof(bytes) - 1), f->null,
					  attached);
		if (r == 0) {
			f->sent++;
			f->descriptors += attached;
		} else if (r != -EAGAIN && r != -ETOOMANYREFS) {
			f->error = r;
		}
	}
}

static int mode_flood(const char *path, uint64_t frames)
{
	struct lumaring_hello hello = raw_hello(2);
	struct flooder f = { .random = 3, .null = open("/dev/null", O_RDONLY | O_CLOEXEC) };
	struct raw watcher;
	uint64_t first;
	int r = raw_attach(&watcher, path, &hello);

	for (unsigned i = 0; r == 0 && i < FLOOD_CONNECTIONS; i++) {
		f.fds[i] = raw_connect(path);
		r = f.fds[i] < 0 ? f.fds[i] : send_with_descriptors(f.fds[i], &hello, sizeof(hello), f.null, 4);
		if (r == 0 && first_answer(f.fds[i]) != LUMARING_MESSAGE_WELCOME)
			r = -EPROTO;
	}
	if (r < 0)
		return fail("hello with descriptors", r);
	first = raw_published(&watcher);
	r = publish_until(&watcher, frames, flood, &f);
	printf("figure: flood: %" PRIu64 " messages with %" PRIu64 " descriptors after the HELLO\n", f.sent,
	       f.descriptors);
	if (f.error)
		return fail("send", f.error);
	return report_attack("flood", &watcher, first, f.sent, r);
}

/* Open one connection in one of the ways to do it badly; it stays open until its place in the pool is needed. */
static int open_badly(const char *path, uint64_t *random)
{
	struct lumaring_hello hello = raw_hello(random_below(random, 3));
	int fd = raw_connect(path);
	uint32_t way = random_below(random, 8);

	if (fd < 0)
		return fd;
	if (way >= 2)
		send(fd, &hello, way == 2 ? 5 : sizeof(hello), MSG_NOSIGNAL);
	if (way == 3 || way == 0)
		shutdown(fd, SHUT_WR);
	else if (way == 4)
		shutdown(fd, SHUT_RD);
	else if (way == 5)
		shutdown(fd, SHUT_RDWR);
	else if (way == 6)
		first_answer(fd);
	return fd;
}

static int mode_halves(const char *path, uint64_t count)
{
	int pool[POOL];
	uint64_t random = 4;

	memset(pool, 0xff, sizeof(pool));
	for (uint64_t i = 0; i < count; i++) {
		uint32_t place = random_below(&random, POOL);

		if (pool[place] >= 0)
			close(pool[place]);
		pool[place] = open_badly(path, &random);
		if (pool[place] < 0)
			return fail("connect", pool[place]);
	}
	printf("figure: halves: %" PRIu64 " connections opened badly and dropped\n", count);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *path, uint64_t count);
		uint64_t count;
	} modes[] = {
		{ "chase", mode_chase, 5000 },       { "pages", mode_pages, 5000 }, { "words", mode_words, 5000 },
		{ "messages", mode_messages, 2000 }, { "flood", mode_flood, 5000 }, { "halves", mode_halves, 2000 },
	};
	char path[PATH_MAX];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 2 && !strcmp(argv[1], "takes"))
		return mode_takes(argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000);
	for (size_t i = 0; argc >= 4 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s/frames", argv[2], argv[3]);
		return modes[i].run(path, argc > 4 ? strtoull(argv[4], NULL, 10) : modes[i].count);
	}
	fprintf(stderr, "usage: hostile takes [COUNT] | chase|pages|words|messages|flood|halves DIR CAMERA [COUNT]\n");
	return 2;
}
