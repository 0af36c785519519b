/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_daemon.h - the other side of the client library, made by hand for its tests: a frame socket in a directory of
 * its own, a ring in a memfd, a client page. Tests hold every byte of it and can make each one lie. Everything runs in
 * the test's own thread but the answer to lumaring_open(), which a thread gives while the test is inside the call.
 */
#ifndef LUMARING_FAKE_DAEMON_H
#define LUMARING_FAKE_DAEMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <lumaring/lumaring.h>
#include <lumaring/protocol.h>

#define FAKE_EPOCH UINT64_C(1000)
#define FAKE_SLOTS 4u
#define FAKE_WIDTH 100u /* less than its stride, and not a multiple of 8 */
#define FAKE_HEIGHT 6u
#define FAKE_STRIDE 128u
#define FAKE_SLOT_BYTES 1024u
#define FAKE_DESCRIPTORS 1024u
#define FAKE_ORDER 8u
#define FAKE_WAIT_MS 20000 /* for what must come; how long it takes decides nothing */

struct fake_ring {
	int fd;
	uint8_t *base;
	size_t bytes;
	struct lumaring_header *header;
	uint64_t published, sequence;
	uint64_t lost[LUMARING_LOST_CAUSES];
	uint32_t next_slot, generation, width, height;
};

struct fake {
	char directory[64], camera[96], path[112];
	int listener, socket; /* socket: the newest connection, -1: none */
	struct fake_ring ring;
	int page_fd;
	struct lumaring_client_page *page;
	struct lumaring_hello hello; /* as received */
	uint8_t answer[1024];        /* to the next hello */
	size_t answer_bytes;
	int answer_fds[8];
	unsigned answer_fd_count;
	bool close_after_answer;
	bool by_futex; /* handles are opened with LUMARING_FUTEX, and woken by the wake words */
	pthread_t thread;
	char text[256]; /* error text of lumaring_open() */
	unsigned open_fds;
};

static inline unsigned count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

/*
 * Skips the test that sends more descriptors than there is room for, where qemu's user mode runs it (tests/arm says
 * so): it takes up to twice as many from the kernel, and those it has no room for then stay open without a name.
 */
static inline void need_kernel_that_cuts_descriptors(void)
{
	if (!getenv("LUMARING_TEST_EMULATED"))
		return;
	print_message("qemu keeps descriptors open that a message had no room for\n");
	skip();
}

/*
 * How many mappings of fake rings and pages this process has, the fake's own included. qemu 10 calls whatever lies
 * behind the program's own pages a heap; no real one is shared.
 */
static inline unsigned count_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:fake-") || (strstr(line, "-s ") && strstr(line, "[heap]"));
	fclose(maps);
	return n;
}

/* --- ring and page ----------------------------------------------------------------------------------------------- */

static inline void fake_ring_create(struct fake_ring *ring, uint64_t epoch, size_t slot_bytes)
{
	struct lumaring_header *h;

	*ring = (struct fake_ring){ .fd = memfd_create("fake-ring", MFD_CLOEXEC),
				    .width = FAKE_WIDTH,
				    .height = FAKE_HEIGHT };
	ring->bytes = 4096 + FAKE_SLOTS * slot_bytes;
	assert_true(ring->fd >= 0);
	assert_return_code(ftruncate(ring->fd, (off_t)ring->bytes), errno);
	ring->base = mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	assert_true(ring->base != MAP_FAILED);
	h = ring->header = (void *)ring->base;
	*h = (struct lumaring_header){
		.magic = LUMARING_MAGIC,
		.layout_version = LUMARING_LAYOUT_VERSION,
		.reader_version_min = LUMARING_LAYOUT_READER_MIN,
		.header_bytes = sizeof(*h),
		.descriptor_bytes = sizeof(struct lumaring_descriptor),
		.object_bytes = ring->bytes,
		.epoch = epoch,
		.boot_id = "fifteen letters",
		.descriptors_offset = FAKE_DESCRIPTORS,
		.order_offset = FAKE_DESCRIPTORS + FAKE_SLOTS * sizeof(struct lumaring_descriptor),
		.slots_offset = 4096,
		.slot_bytes = slot_bytes,
		.slot_count = FAKE_SLOTS,
		.order_count = FAKE_ORDER,
		.width_max = (uint32_t)(slot_bytes / 8),
		.height_max = 8,
		.sequence_first = 1,
		.camera = "cam0",
		.stream = "main",
		.state = LUMARING_RING_LIVE,
		.luma_range = LUMARING_RANGE_FULL,
		.sensor_clock = LUMARING_CLOCK_BOOTTIME,
	};
}

static inline void fake_ring_destroy(struct fake_ring *ring)
{
	munmap(ring->base, ring->bytes);
	close(ring->fd);
}

static inline struct lumaring_descriptor *fake_descriptor(const struct fake_ring *ring, uint32_t slot)
{
	return (void *)(ring->base + ring->header->descriptors_offset + slot * sizeof(struct lumaring_descriptor));
}

static inline uint64_t *fake_order(const struct fake_ring *ring)
{
	return (void *)(ring->base + ring->header->order_offset);
}

static inline uint8_t *fake_pixels(const struct fake_ring *ring, uint32_t slot)
{
	return ring->base + ring->header->slots_offset + slot * ring->header->slot_bytes;
}

/* Stores as the daemon's: what readers race with is atomic. */
static inline void fake_set_word(const struct fake_ring *ring, uint32_t slot, uint64_t sequence, unsigned state)
{
	__atomic_store_n(&fake_descriptor(ring, slot)->word, lumaring_word(sequence, state), __ATOMIC_SEQ_CST);
}

static inline void fake_set_state(const struct fake_ring *ring, enum lumaring_ring_state state)
{
	__atomic_store_n(&ring->header->state, (uint32_t)state, __ATOMIC_SEQ_CST);
}

/* Pixel (x, y) of every frame, so that each byte of a frame can be checked. */
static inline uint8_t fake_pixel(uint64_t sequence, uint32_t x, uint32_t y)
{
	return (uint8_t)(sequence * 37 + x * 3 + y * 101);
}

/* Lose frames under a cause; those with a sequence take one each. */
static inline void fake_lose(struct fake_ring *ring, enum lumaring_lost cause, unsigned count)
{
	ring->lost[cause] += count;
	if (cause < LUMARING_LOST_SEQUENCED)
		ring->sequence += count;
}

/* Write a frame into the next slot, whoever has it pinned, and publish it. Returns its slot. */
static inline uint32_t fake_publish(struct fake_ring *ring)
{
	const uint32_t slot = ring->next_slot;
	const uint64_t sequence = ++ring->sequence, publication = ++ring->published;
	struct lumaring_descriptor *d = fake_descriptor(ring, slot);
	uint64_t word = lumaring_word(sequence, LUMARING_STATE_WRITING);

	ring->next_slot = (slot + 1) % FAKE_SLOTS;
	fake_set_word(ring, slot, sequence, LUMARING_STATE_WRITING);
	*d = (struct lumaring_descriptor){
		.word = word,
		.publication = publication,
		.sensor_ns = sequence * 10,
		.ready_ns = sequence * 10 + 1,
		.publish_ns = sequence * 10 + 2,
		.camera_sequence = sequence + 500,
		.generation = ring->generation,
		.fourcc = LUMARING_FORMAT_R8,
		.width = ring->width,
		.height = ring->height,
		.stride = FAKE_STRIDE,
		.bin = 1,
		.region_x = 8,
		.region_y = 4,
		.region_width = ring->width,
		.region_height = ring->height,
		.image_width = 640,
		.image_height = 480,
		.frame_duration_us = 17857,
		.exposure_us = 5000,
		.analogue_gain_milli = 1500,
	};
	memcpy(d->lost, ring->lost, sizeof(d->lost));
	for (uint32_t y = 0; y < ring->height; y++)
		for (uint32_t x = 0; x < ring->width; x++)
			fake_pixels(ring, slot)[y * FAKE_STRIDE + x] = fake_pixel(sequence, x, y);
	fake_set_word(ring, slot, sequence, LUMARING_STATE_LIVE);
	__atomic_store_n(&fake_order(ring)[publication % FAKE_ORDER], lumaring_order_entry(publication, slot),
			 __ATOMIC_RELEASE);
	__atomic_store_n(&ring->header->published, publication, __ATOMIC_RELEASE);
	return slot;
}

static inline void fake_page_create(struct fake *f)
{
	f->page_fd = memfd_create("fake-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(f->page_fd >= 0);
	assert_return_code(ftruncate(f->page_fd, sizeof(*f->page)), errno);
	assert_return_code(fcntl(f->page_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), errno);
	f->page = mmap(NULL, sizeof(*f->page), PROT_READ | PROT_WRITE, MAP_SHARED, f->page_fd, 0);
	assert_true(f->page != MAP_FAILED);
}

static inline void fake_page_destroy(struct fake *f)
{
	munmap(f->page, sizeof(*f->page));
	close(f->page_fd);
}

static inline uint64_t fake_cursor(const struct fake *f, unsigned cursor)
{
	return __atomic_load_n(&f->page->cursors[cursor].sequence, __ATOMIC_SEQ_CST);
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

static inline void fake_send(int socket, const void *message, size_t bytes, const int *fds, unsigned fd_count)
{
	struct iovec part = { (void *)(uintptr_t)message, bytes };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

	memset(&control, 0, sizeof(control));
	if (fd_count > 0) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(fd_count * sizeof(int)),
				       .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
	}
	assert_int_equal(sendmsg(socket, &msg, MSG_NOSIGNAL), bytes);
}

static inline struct lumaring_welcome *fake_answer_welcome(struct fake *f)
{
	struct lumaring_welcome w = {
		.message = { .type = LUMARING_MESSAGE_WELCOME, .size = sizeof(w) },
		.version = LUMARING_PROTOCOL_VERSION,
		.cursors = 2,
		.epoch = f->ring.header->epoch,
		.published = f->ring.published,
		.ring_bytes = f->ring.bytes,
		.page_bytes = sizeof(struct lumaring_client_page),
		.cursor_stride = sizeof(struct lumaring_cursor),
		.region_offset = offsetof(struct lumaring_client_page, region),
		.image_width = 640,
		.image_height = 480,
		.frame_duration_us = 17857,
		.daemon_pid = 4711,
		.stream = "main",
		.wake_offset = offsetof(struct lumaring_client_page, wake),
		.account_offset = offsetof(struct lumaring_client_page, account),
	};

	memcpy(f->answer, &w, sizeof(w));
	f->answer_bytes = sizeof(w);
	f->answer_fds[0] = f->ring.fd;
	f->answer_fds[1] = f->page_fd;
	f->answer_fd_count = 2;
	f->close_after_answer = false;
	return (void *)f->answer;
}

/* N5 and N6. */
static inline void fake_ring_bell(const struct fake *f)
{
	struct lumaring_wake *wake = &f->page->wake;

	__atomic_add_fetch(&wake->word, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&wake->waiting, __ATOMIC_SEQ_CST) != 0)
		syscall(SYS_futex, &wake->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* N7. */
static inline void fake_count_message(const struct fake *f)
{
	__atomic_add_fetch(&f->page->wake.events, 1, __ATOMIC_RELEASE);
	fake_ring_bell(f);
}

/* A message after the WELCOME. */
static inline void fake_say(const struct fake *f, const void *message, size_t bytes, const int *fds, unsigned fd_count)
{
	fake_send(f->socket, message, bytes, fds, fd_count);
	if (f->by_futex)
		fake_count_message(f);
}

static inline void fake_notice(const struct fake *f)
{
	const struct lumaring_notice notice = {
		.message = { .type = LUMARING_MESSAGE_NOTICE, .size = sizeof(notice) },
		.epoch = f->ring.header->epoch,
		.sequence = f->ring.sequence,
		.publication = f->ring.published,
	};

	if (f->by_futex)
		fake_ring_bell(f);
	else
		fake_send(f->socket, &notice, sizeof(notice), NULL, 0);
}

static inline void fake_tell_state(const struct fake *f)
{
	const struct lumaring_state state = { .message = { .type = LUMARING_MESSAGE_STATE, .size = sizeof(state) },
					      .epoch = f->ring.header->epoch,
					      .state = f->ring.header->state };

	fake_say(f, &state, sizeof(state), NULL, 0);
}

static inline struct lumaring_replaced fake_replaced(const struct fake *f, const struct fake_ring *ring)
{
	return (struct lumaring_replaced){
		.message = { .type = LUMARING_MESSAGE_REPLACED, .size = sizeof(struct lumaring_replaced) },
		.epoch_old = f->ring.header->epoch,
		.epoch = ring->header->epoch,
		.ring_bytes = ring->bytes,
		.image_width = 1280,
		.image_height = 960,
		.cursors = 2,
	};
}

/* Publish a frame and tell of it. */
static inline uint32_t fake_frame(struct fake *f)
{
	const uint32_t slot = fake_publish(&f->ring);

	fake_notice(f);
	return slot;
}

/* --- the socket -------------------------------------------------------------------------------------------------- */

static inline void wait_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&pollfd, 1, FAKE_WAIT_MS), 1);
}

static inline bool is_readable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, 0) == 1;
}

/* Until a call without waiting may return something, as far as that can be waited for. */
static inline void await_ring(struct lumaring *ring)
{
	const int fd = lumaring_fd(ring);

	if (fd >= 0)
		wait_readable(fd);
	else
		poll(NULL, 0, 1); /* LUMARING_FUTEX */
}

static inline void fake_hang_up(struct fake *f)
{
	if (f->socket >= 0)
		close(f->socket);
	f->socket = -1;
}

/* Take the next connection and its hello, and answer. */
static inline void fake_serve(struct fake *f)
{
	wait_readable(f->listener);
	fake_hang_up(f);
	f->socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(f->socket >= 0);
	wait_readable(f->socket);
	assert_int_equal(recv(f->socket, &f->hello, sizeof(f->hello), 0), sizeof(f->hello));
	if (f->answer_bytes > 0)
		fake_send(f->socket, f->answer, f->answer_bytes, f->answer_fds, f->answer_fd_count);
	if (f->close_after_answer)
		fake_hang_up(f);
}

static inline void *fake_thread(void *fake)
{
	fake_serve(fake);
	return NULL;
}

/* Answer every hello, whether its sender still waits or not, until the listener is shut down. */
static inline void *fake_thread_of_many(void *fake)
{
	struct fake *f = fake;
	int socket;

	while ((socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		recv(socket, &f->hello, sizeof(f->hello), 0);
		send(socket, f->answer, f->answer_bytes, MSG_NOSIGNAL);
		close(socket);
	}
	return NULL;
}

static inline struct lumaring_refusal *fake_answer_refusal(struct fake *f, int code, const char *text)
{
	struct lumaring_refusal *m = (void *)f->answer;

	*m = (struct lumaring_refusal){ .message = { .type = LUMARING_MESSAGE_REFUSAL, .size = sizeof(*m) },
					.code = (uint32_t)code };
	strcpy(m->text, text);
	f->answer_bytes = sizeof(*m);
	f->answer_fd_count = 0;
	f->close_after_answer = true;
	return m;
}

static inline void fake_listen(struct fake *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", f->path);
	f->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(f->listener >= 0);
	assert_return_code(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(f->listener, 8), errno);
}

/* The daemon is gone: no socket, no connection. */
static inline void fake_die(struct fake *f)
{
	fake_hang_up(f);
	close(f->listener);
	unlink(f->path);
	f->listener = -1;
}

static inline struct lumaring_options fake_options(struct fake *f)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;

	options.runtime_dir = f->directory;
	options.timeout_ms = FAKE_WAIT_MS;
	options.error_text = f->text;
	options.error_bytes = sizeof(f->text);
	f->text[0] = '\0';
	return options;
}

/* lumaring_open() while the fake answers. */
static inline int fake_open_with(struct fake *f, const struct lumaring_options *options, struct lumaring **ret_ring)
{
	struct lumaring_options manner = *options;
	int r;

	if (f->by_futex)
		manner.flags |= LUMARING_FUTEX;
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
	r = lumaring_open("cam0", "main", &manner, ret_ring);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	return r;
}

static inline struct lumaring *fake_open(struct fake *f, uint32_t flags, uint32_t frames_max)
{
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring = NULL;

	options.flags = flags;
	options.frames_max = frames_max;
	fake_answer_welcome(f);
	assert_int_equal(fake_open_with(f, &options, &ring), 0);
	return ring;
}

static inline int fake_setup(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->open_fds = count_fds();
	f->socket = -1;
	strcpy(f->directory, "/tmp/lumaring-test-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->camera, sizeof(f->camera), "%s/cam0", f->directory);
	snprintf(f->path, sizeof(f->path), "%s/frames", f->camera);
	assert_return_code(mkdir(f->camera, 0755), errno);
	fake_listen(f);
	fake_ring_create(&f->ring, FAKE_EPOCH, FAKE_SLOT_BYTES);
	fake_page_create(f);
	fake_answer_welcome(f);
	alarm(120); /* a call that never returns must end the test */
	*state = f;
	return 0;
}

static inline int fake_setup_by_futex(void **state)
{
	const int r = fake_setup(state);

	((struct fake *)*state)->by_futex = true;
	return r;
}

/* Also checks that the library left no descriptor and no mapping behind. */
static inline int fake_teardown(void **state)
{
	struct fake *f = *state;

	fake_die(f);
	fake_ring_destroy(&f->ring);
	fake_page_destroy(f);
	rmdir(f->camera);
	rmdir(f->directory);
	assert_int_equal(count_maps(), 0);
	assert_int_equal(count_fds(), f->open_fds);
	free(f);
	return 0;
}

/* A test in both manners of waiting. */
#define FAKE_BOTH(function)                                                                                            \
	cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown),                                          \
	{                                                                                                              \
#function "_by_futex", function, fake_setup_by_futex, fake_teardown, NULL                              \
	}

/* --- what came --------------------------------------------------------------------------------------------------- */

static inline void check_pixels(const struct lumaring_frame *frame)
{
	assert_int_equal((uintptr_t)frame->pixels % 64, 0);
	for (uint32_t y = 0; y < frame->height; y++)
		for (uint32_t x = 0; x < frame->width; x++)
			if (frame->pixels[y * frame->stride + x] != fake_pixel(frame->sequence, x, y))
				fail_msg("pixel %u,%u of frame %llu", x, y, (unsigned long long)frame->sequence);
}

/* The accounts of a frame are complete: everything missed has exactly one cause. */
static inline void check_account(const struct lumaring_frame *frame)
{
	uint64_t sum = frame->missed_by[LUMARING_MISSED_SKIPPED];

	for (unsigned c = 0; c < LUMARING_LOST_SEQUENCED; c++)
		sum += frame->missed_by[c];
	assert_int_equal(sum, frame->missed);
}

/* The next frame is there without waiting, and is this one. */
static inline const struct lumaring_frame *expect_frame(struct lumaring *ring, uint64_t sequence)
{
	const struct lumaring_frame *frame = NULL;
	int r = lumaring_next(ring, 0, &frame);

	if (r != 0)
		fail_msg("lumaring_next() returned %d (%s)", r, lumaring_error_text(ring));
	assert_int_equal(frame->sequence, sequence);
	check_pixels(frame);
	check_account(frame);
	return frame;
}

static inline void expect_frame_and_release(struct lumaring *ring, uint64_t sequence)
{
	assert_int_equal(lumaring_release(ring, expect_frame(ring, sequence)), 0);
}

/* A call without waiting returns this event or error, and no frame. */
static inline void expect_next(struct lumaring *ring, int result)
{
	const struct lumaring_frame *frame = NULL;

	assert_int_equal(lumaring_next(ring, 0, &frame), result);
	assert_null(frame);
}

#endif
