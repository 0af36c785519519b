/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_copy.c - frames that are copied out: good copies, buffers used again, and copies during which the writer
 * comes by. For the last, the pages of a slot are made missing (userfaultfd), so that the library stops exactly within
 * its copy and the test decides what the writer does meanwhile.
 */
#include "fake_daemon.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define PAGE 4096u

/* A copy that stops in the middle. */
struct trap {
	struct fake *f;
	uint32_t slot;
	void (*meanwhile)(struct trap *trap);
	int fd, stop[2]; /* the userfaultfd; a pipe that ends the thread */
	uint64_t page;   /* address in the library's map */
	uint8_t bytes[PAGE] __attribute__((aligned(64)));
	pthread_t thread;
	unsigned sprung;
};

/* Where the library mapped the ring: the read-only one of its mappings. */
static uint64_t find_map(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	uint64_t begin = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "memfd:fake-ring") && strstr(line, " r--s "))
			begin = strtoull(line, NULL, 16);
	fclose(maps);
	assert_true(begin > 0);
	return begin;
}

/* The copy has touched the page and waits: the writer's turn, then the page as it was. */
static void *trap_thread(void *argument)
{
	struct trap *t = argument;
	struct pollfd pollfds[] = { { .fd = t->fd, .events = POLLIN }, { .fd = t->stop[0], .events = POLLIN } };
	struct uffd_msg msg;

	while (poll(pollfds, 2, -1) > 0 && pollfds[1].revents == 0) {
		struct uffdio_copy copy = { .dst = t->page, .src = (uintptr_t)t->bytes, .len = PAGE };

		if (read(t->fd, &msg, sizeof(msg)) != (ssize_t)sizeof(msg))
			break;
		if (msg.event != UFFD_EVENT_PAGEFAULT)
			break;
		t->sprung++;
		t->meanwhile(t);
		ioctl(t->fd, UFFDIO_COPY, &copy);
	}
	return NULL;
}

static int open_userfaultfd(void)
{
	return (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
}

static void need_userfaultfd(void)
{
	const int fd = open_userfaultfd();
	const int error = errno;

	if (fd >= 0)
		close(fd);
	if (fd < 0)
		print_message("this machine allows no userfaultfd: %s\n", strerror(error));
	else if (sysconf(_SC_PAGESIZE) != PAGE)
		print_message("this machine's pages are not of %u bytes\n", PAGE);
	else
		return;
	skip();
}

/* Whoever touches the page of the ring at `offset` next springs the trap. */
static void set_trap_at(struct trap *t, size_t offset)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	t->fd = open_userfaultfd();
	assert_return_code(pipe2(t->stop, O_CLOEXEC), errno);
	memcpy(t->bytes, t->f->ring.base + offset, PAGE);
	assert_return_code(fallocate(t->f->ring.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, PAGE),
			   errno);
	t->page = find_map() + offset;
	range.range = (struct uffdio_range){ t->page, PAGE };
	assert_return_code(ioctl(t->fd, UFFDIO_API, &api), errno);
	assert_return_code(ioctl(t->fd, UFFDIO_REGISTER, &range), errno);
	assert_int_equal(pthread_create(&t->thread, NULL, trap_thread, t), 0);
}

/* Publish a frame whose copy springs the trap. */
static void set_trap(struct trap *t, struct fake *f, void (*meanwhile)(struct trap *))
{
	*t = (struct trap){ .f = f, .meanwhile = meanwhile, .slot = fake_publish(&f->ring) };
	set_trap_at(t, (size_t)(fake_pixels(&f->ring, t->slot) - f->ring.base));
}

static void check_sprung(struct trap *t)
{
	close(t->stop[1]);
	assert_int_equal(pthread_join(t->thread, NULL), 0);
	close(t->stop[0]);
	close(t->fd); /* and nothing is missing any more */
	assert_int_equal(t->sprung, 1);
}

static int setup_pages(void **state)
{
	struct fake *f;

	fake_setup(state);
	f = *state;
	fake_ring_destroy(&f->ring);
	fake_ring_create(&f->ring, FAKE_EPOCH, PAGE); /* each slot on a page of its own */
	return 0;
}

static void take_for_writing(struct trap *t)
{
	fake_set_word(&t->f->ring, t->slot, 99, LUMARING_STATE_WRITING);
}

static void write_another_frame(struct trap *t)
{
	fake_descriptor(&t->f->ring, t->slot)->publication = 99;
	fake_set_word(&t->f->ring, t->slot, 99, LUMARING_STATE_LIVE);
}

static void take_and_publish_newer(struct trap *t)
{
	take_for_writing(t);
	fake_publish(&t->f->ring);
}

static void consider(struct trap *t)
{
	fake_set_word(&t->f->ring, t->slot, t->f->ring.sequence, LUMARING_STATE_RETIRING);
}

/* The first of two frames is overwritten while it is copied: it is skipped and counted. */
static void next_loses(struct fake *f, void (*meanwhile)(struct trap *))
{
	struct lumaring *ring;
	const struct lumaring_frame *frame;
	struct trap trap;

	need_userfaultfd();
	ring = fake_open(f, LUMARING_COPY, 16);
	fake_publish(&f->ring);
	expect_frame_and_release(ring, 1);
	set_trap(&trap, f, meanwhile);
	fake_publish(&f->ring);
	frame = expect_frame(ring, 3);
	check_sprung(&trap);
	assert_int_equal(frame->missed, 1);
	assert_int_equal(frame->missed_by[LUMARING_MISSED_SKIPPED], 1);
	lumaring_close(ring);
}

static void test_next_skips_a_copy_that_was_taken(void **state)
{
	next_loses(*state, take_for_writing);
}

static void test_next_skips_a_copy_that_was_overwritten(void **state)
{
	next_loses(*state, write_another_frame);
}

static void test_next_without_another_frame(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;
	struct trap trap;

	need_userfaultfd();
	ring = fake_open(f, LUMARING_COPY, 16);
	set_trap(&trap, f, take_for_writing);
	expect_next(ring, -EAGAIN);
	check_sprung(&trap);
	fake_publish(&f->ring);
	expect_frame_and_release(ring, 2);
	lumaring_close(ring);
}

static void test_latest_takes_the_newer_one(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;
	const struct lumaring_frame *frame;
	struct trap trap;

	need_userfaultfd();
	ring = fake_open(f, LUMARING_COPY, 16);
	set_trap(&trap, f, take_and_publish_newer);
	assert_int_equal(lumaring_latest(ring, 0, &frame), 0);
	check_sprung(&trap);
	assert_int_equal(frame->sequence, 2);
	check_pixels(frame);
	lumaring_close(ring);
}

static void test_exact_and_last_lose(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;
	const struct lumaring_frame *frames[4] = { NULL };
	struct trap trap;
	unsigned count = 0;

	need_userfaultfd();
	ring = fake_open(f, LUMARING_COPY, 16);
	fake_publish(&f->ring);
	set_trap(&trap, f, take_for_writing);
	fake_publish(&f->ring);
	assert_int_equal(lumaring_last(ring, 4, frames, &count), 0);
	check_sprung(&trap);
	assert_int_equal(count, 2);
	assert_int_equal(frames[0]->sequence, 1);
	assert_int_equal(frames[1]->sequence, 3);
	lumaring_release(ring, frames[0]);
	lumaring_release(ring, frames[1]);

	set_trap(&trap, f, write_another_frame);
	assert_int_equal(lumaring_exact(ring, FAKE_EPOCH, 4, frames), -ENOENT);
	check_sprung(&trap);
	lumaring_close(ring);
}

/*
 * The descriptor lies across two pages: word and publication are read, then the trap springs, and what is read of the
 * rest is of no frame at all. That is a frame that is gone and no lie.
 */
static void test_torn_descriptor_is_no_lie(void **state)
{
	struct fake *f = *state;
	struct lumaring_header *h;
	struct lumaring *ring;
	struct trap trap = { .f = f, .meanwhile = take_for_writing };

	need_userfaultfd();
	fake_ring_destroy(&f->ring);
	fake_ring_create(&f->ring, FAKE_EPOCH, PAGE * 2);
	h = f->ring.header;
	h->descriptors_offset = 2 * PAGE - 16;
	h->slots_offset = 4 * PAGE;
	h->slot_bytes = PAGE;
	h->width_max = 512;
	ring = fake_open(f, LUMARING_COPY, 16);
	trap.slot = fake_publish(&f->ring);
	assert_int_equal(trap.slot, 0);
	set_trap_at(&trap, 2 * PAGE);
	memset(trap.bytes, 0xff, 128);
	expect_next(ring, -EAGAIN);
	check_sprung(&trap);
	fake_publish(&f->ring);
	expect_frame_and_release(ring, 2);
	lumaring_close(ring);
}

static void test_retiring_does_not_spoil_a_copy(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring;
	struct trap trap;

	need_userfaultfd();
	ring = fake_open(f, LUMARING_COPY, 16);
	set_trap(&trap, f, consider);
	expect_frame_and_release(ring, 1);
	check_sprung(&trap);
	lumaring_close(ring);
}

static void test_copies_keep_and_buffers_are_used_again(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, LUMARING_COPY, 16);
	const struct lumaring_frame *frame;
	const uint8_t *buffers[3];

	for (int i = 0; i < 3; i++)
		fake_publish(&f->ring);
	for (uint64_t i = 0; i < 3; i++) {
		frame = expect_frame(ring, i + 1);
		assert_int_equal(frame->pinned, 0);
		buffers[i] = frame->pixels;
	}
	for (int i = 0; i < 9; i++)
		fake_publish(&f->ring); /* over all of them */
	check_pixels(frame);
	assert_int_equal(lumaring_release(ring, frame), 0); /* a copy is not touched by the writer */
	for (int i = 0; i < 20; i++) {
		fake_publish(&f->ring);
		assert_int_equal(lumaring_latest(ring, 0, &frame), 0);
		assert_ptr_equal(frame->pixels, buffers[2]);
		check_pixels(frame);
		assert_int_equal(lumaring_release(ring, frame), 0);
	}
	assert_int_equal(fake_cursor(f, 0), 0);
	lumaring_close(ring);
}

/* A writer without any regard for readers, as fast as it can: what is handed out is whole all the same. */
static void *write_madly(void *fake)
{
	struct fake *f = fake;
	const bool *stop = &f->close_after_answer; /* not needed for anything else by now */

	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) { /* pairs with the store in the test */
		const uint32_t slot = f->ring.next_slot;
		struct lumaring_descriptor *d = fake_descriptor(&f->ring, slot);
		uint64_t *pixels = (void *)fake_pixels(&f->ring, slot);
		const uint64_t sequence = ++f->ring.sequence;

		f->ring.next_slot = (slot + 1) % FAKE_SLOTS;
		fake_set_word(&f->ring, slot, sequence, LUMARING_STATE_WRITING);
		__atomic_store_n(&d->publication, sequence, __ATOMIC_SEQ_CST);
		for (unsigned i = 0; i < FAKE_HEIGHT * FAKE_STRIDE / 8; i++)
			__atomic_store_n(&pixels[i], sequence, __ATOMIC_SEQ_CST);
		fake_set_word(&f->ring, slot, sequence, LUMARING_STATE_LIVE);
		__atomic_store_n(&fake_order(&f->ring)[sequence % FAKE_ORDER], lumaring_order_entry(sequence, slot),
				 __ATOMIC_RELEASE);
		__atomic_store_n(&f->ring.header->published, sequence, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void test_copies_under_a_mad_writer(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, LUMARING_COPY, 16);
	const struct lumaring_frame *frame = NULL;
	unsigned got = 0;
	pthread_t thread;

	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		fake_publish(&f->ring);
	assert_int_equal(lumaring_latest(ring, 0, &frame), 0);
	lumaring_release(ring, frame);
	assert_int_equal(pthread_create(&thread, NULL, write_madly, f), 0);
	for (unsigned empty = 0; got < 20000 && empty < 10000000; empty++) {
		int r = got % 2 ? lumaring_next(ring, 0, &frame) : lumaring_latest(ring, 0, &frame);

		if (r == -EAGAIN)
			continue;
		assert_int_equal(r, 0);
		for (uint32_t y = 0; y < frame->height; y++)
			for (uint32_t x = 0; x + 8 <= frame->width; x += 8)
				if (memcmp(&frame->pixels[y * frame->stride + x], &frame->sequence, 8) != 0)
					fail_msg("frame %llu is torn", (unsigned long long)frame->sequence);
		assert_int_equal(frame->publication, frame->sequence);
		assert_int_equal(frame->missed, frame->missed_by[LUMARING_MISSED_SKIPPED]);
		assert_int_equal(lumaring_release(ring, frame), 0);
		got++;
	}
	__atomic_store_n(&f->close_after_answer, true, __ATOMIC_RELEASE); /* pairs with the load in write_madly() */
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(got > 0);
	lumaring_close(ring);
}

#define TEST_PAGES(function) cmocka_unit_test_setup_teardown(function, setup_pages, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_PAGES(test_next_skips_a_copy_that_was_taken),
		TEST_PAGES(test_next_skips_a_copy_that_was_overwritten),
		TEST_PAGES(test_next_without_another_frame),
		TEST_PAGES(test_latest_takes_the_newer_one),
		TEST_PAGES(test_exact_and_last_lose),
		TEST_PAGES(test_torn_descriptor_is_no_lie),
		TEST_PAGES(test_retiring_does_not_spoil_a_copy),
		FAKE_BOTH(test_copies_keep_and_buffers_are_used_again),
		FAKE_BOTH(test_copies_under_a_mad_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
