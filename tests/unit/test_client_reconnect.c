/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_client_reconnect.c - the daemon goes and comes back, and the region of a private stream over all of it.
 */
#include "fake_daemon.h"

static void publish(struct fake *f, unsigned count)
{
	while (count-- > 0)
		fake_publish(&f->ring);
}

/* A new daemon on the same path, with a ring and a page of its own. */
static void start_anew(struct fake *f)
{
	const uint64_t epoch = f->ring.header->epoch;

	fake_ring_destroy(&f->ring);
	fake_page_destroy(f);
	fake_ring_create(&f->ring, epoch + 1000, FAKE_SLOT_BYTES);
	fake_page_create(f);
	fake_listen(f);
	fake_answer_welcome(f);
}

/* Call without waiting, as a program with a loop of its own does, until something happens. */
static int next_by_fd(struct lumaring *ring)
{
	const struct lumaring_frame *frame = NULL;
	int r;

	while ((r = lumaring_next(ring, 0, &frame)) == -EAGAIN)
		await_ring(ring);
	assert_true(r != 0);
	return r;
}

static void *next_thread(void *ring)
{
	return (void *)(intptr_t)next_by_fd(ring);
}

/* The next thing that happens to a handle while the fake serves one connection. */
static int next_while_serving(struct fake *f, struct lumaring *ring)
{
	void *result;

	assert_int_equal(pthread_create(&f->thread, NULL, next_thread, ring), 0);
	fake_serve(f);
	assert_int_equal(pthread_join(f->thread, &result), 0);
	return (int)(intptr_t)result;
}

static void test_restarted(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *old, *frame;
	const int fd = lumaring_fd(ring);

	publish(f, 3);
	old = expect_frame(ring, 1);
	fake_die(f);
	/* What is in the ring comes first. */
	for (uint64_t sequence = 2; sequence <= 3; sequence++) {
		frame = expect_frame(ring, sequence);
		assert_int_equal(lumaring_release(ring, frame), 0);
	}
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	expect_next(ring, -EAGAIN);
	assert_int_equal(lumaring_info(ring)->connected, 0);
	assert_int_equal(lumaring_next(ring, 30, &frame), -ETIMEDOUT);
	assert_non_null(strstr(lumaring_error_text(ring), "away"));

	start_anew(f);
	f->ring.generation = 3;
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	assert_int_equal(lumaring_info(ring)->connected, 1);
	assert_int_equal(lumaring_info(ring)->epoch, FAKE_EPOCH + 1000);
	assert_int_equal(lumaring_fd(ring), fd);
	fake_lose(&f->ring, LUMARING_LOST_UNREAD, 7);
	publish(f, 1);
	frame = expect_frame(ring, 8);
	assert_int_equal(frame->epoch, FAKE_EPOCH + 1000);
	assert_int_equal(frame->missed, 0);
	assert_int_equal(frame->pinned, 1);
	check_pixels(old);
	assert_int_equal(lumaring_release(ring, old), 0);
	assert_int_equal(lumaring_release(ring, frame), 0);
	lumaring_close(ring);
}

static void test_restarted_many_times(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const int fd = lumaring_fd(ring);
	const unsigned fds = count_fds();

	for (int i = 0; i < 50; i++) {
		publish(f, 1);
		expect_frame_and_release(ring, 1);
		fake_die(f);
		assert_int_equal(next_by_fd(ring), LUMARING_EVENT_DISCONNECTED);
		start_anew(f);
		assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
		assert_int_equal(lumaring_fd(ring), fd);
		assert_int_equal(count_fds(), fds);
		assert_int_equal(count_maps(), 4);
	}
	lumaring_close(ring);
}

static void test_closed_then_restarted(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	fake_set_state(&f->ring, LUMARING_RING_SOURCE_LOST);
	expect_next(ring, LUMARING_EVENT_SOURCE_LOST);
	fake_set_state(&f->ring, LUMARING_RING_CLOSED);
	fake_die(f);
	expect_next(ring, LUMARING_EVENT_CLOSED);
	expect_next(ring, -EAGAIN);
	start_anew(f);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	expect_next(ring, -EAGAIN); /* the new camera was never lost: it is not back */
	publish(f, 1);
	expect_frame_and_release(ring, 1);
	fake_set_state(&f->ring, LUMARING_RING_CLOSED);
	expect_next(ring, LUMARING_EVENT_CLOSED); /* the new ring's own */
	lumaring_close(ring);
}

static void test_oldest_after_a_restart(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, LUMARING_OLDEST, 16);

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	publish(f, 2);
	fake_answer_welcome(f);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	expect_frame_and_release(ring, 1);
	expect_frame_and_release(ring, 2);
	lumaring_close(ring);
}

static void test_refused_after_a_restart(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	for (int i = 0; i < 2; i++) {
		fake_answer_refusal(f, ENOENT, "no stream of this name");
		assert_int_equal(next_while_serving(f, ring), -ENOENT);
		assert_string_equal(lumaring_error_text(ring), "no stream of this name");
	}
	fake_answer_welcome(f)->version = 2;
	assert_int_equal(next_while_serving(f, ring), -EPROTONOSUPPORT);
	fake_answer_welcome(f)->cursors = 99;
	assert_int_equal(next_while_serving(f, ring), -EBADMSG);
	fake_answer_welcome(f);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
}

/* Who reads frames is told at once, by a sentence that nobody's name is looked up for. */
static void test_no_permission_after_a_restart(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame;

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	chmod(f->camera, 0);
	if (geteuid() == 0)
		assert_return_code(seteuid(65534), errno);
	assert_int_equal(lumaring_next(ring, FAKE_WAIT_MS, &frame), -EACCES);
	assert_non_null(strstr(lumaring_error_text(ring), "is for the daemon's group: join it, then log in again"));
	if (getuid() == 0)
		assert_return_code(seteuid(0), errno);
	chmod(f->camera, 0755);
	start_anew(f);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
}

/* A daemon that came back and is too busy for all at once: asked again, with its words when the time is over. */
static void test_put_off(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	void *result;

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	assert_int_equal(pthread_create(&f->thread, NULL, next_thread, ring), 0);
	fake_answer_refusal(f, EBUSY, "not all at once");
	fake_serve(f);
	fake_answer_refusal(f, EMFILE, "no descriptor");
	fake_serve(f);
	fake_answer_welcome(f);
	fake_serve(f);
	assert_int_equal(pthread_join(f->thread, &result), 0);
	assert_int_equal((intptr_t)result, LUMARING_EVENT_RESTARTED);
	assert_int_equal(lumaring_next(ring, 10, &frame), -ETIMEDOUT);
	assert_non_null(strstr(lumaring_error_text(ring), "no new frame"));
	lumaring_close(ring);
}

/* Calls that time out, with more time each, until the reason they give has this in it. */
static void expect_timeouts_until(struct lumaring *ring, const char *part)
{
	const struct lumaring_frame *frame = NULL;

	for (int timeout_ms = 10; timeout_ms < FAKE_WAIT_MS; timeout_ms *= 2) {
		assert_int_equal(lumaring_next(ring, timeout_ms, &frame), -ETIMEDOUT);
		if (strstr(lumaring_error_text(ring), part))
			return;
	}
	fail_msg("\"%s\" is not in \"%s\"", part, lumaring_error_text(ring));
}

static void test_put_off_until_the_time_is_over(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	fake_answer_refusal(f, EBUSY, "not all at once");
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread_of_many, f), 0);
	expect_timeouts_until(ring, "not all at once (asked again for ");
	assert_int_equal(lumaring_info(ring)->connected, 0);
	shutdown(f->listener, SHUT_RDWR);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	fake_die(f);
	expect_timeouts_until(ring, "is away"); /* an old refusal is not the reason any more */
	start_anew(f);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
}

/* Each connection has its own time that a receive may wait: the next one begins without. */
static void test_time_of_a_receive_after_a_restart(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	int r;

	assert_int_equal(lumaring_next(ring, 400, &frame), -ETIMEDOUT);
	fake_hang_up(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
	/* For about as long as before, so that the time of the old connection would do. */
	do
		r = lumaring_next(ring, 500, &frame);
	while (r == -ETIMEDOUT);
	assert_int_equal(r, LUMARING_EVENT_RESTARTED);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	assert_int_equal(lumaring_next(ring, 500, &frame), -ETIMEDOUT); /* and not for ever */
	lumaring_close(ring);
}

/* Call without waiting until the library has connected, and waits for an answer. */
static int connect_by_fd(struct fake *f, struct lumaring *ring)
{
	while (!is_readable(f->listener)) {
		expect_next(ring, -EAGAIN);
		if (!is_readable(f->listener))
			await_ring(ring);
	}
	return accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
}

/* A daemon that closes with the hello unread: the client gets a reset before the words. */
static void test_refused_before_the_hello_was_read(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_refusal m = { .message = { .type = LUMARING_MESSAGE_REFUSAL, .size = sizeof(m) },
					    .code = EUSERS,
					    .text = "full" };
	int socket;

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	socket = connect_by_fd(f, ring);
	fake_send(socket, &m, sizeof(m), NULL, 0);
	close(socket);
	expect_next(ring, -EUSERS);
	assert_string_equal(lumaring_error_text(ring), "full");
	lumaring_close(ring);
}

/* The old socket stays open for a pinned frame, but what comes through it is nobody's business any more. */
static void test_fd_does_not_watch_the_old_socket(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_message nonsense = { .type = LUMARING_MESSAGE_HELLO, .size = sizeof(nonsense) };
	int socket;

	publish(f, 1);
	expect_frame(ring, 1);
	fake_send(f->socket, &nonsense, sizeof(nonsense), NULL, 0);
	expect_next(ring, -EBADMSG);
	socket = connect_by_fd(f, ring);
	fake_notice(f);
	assert_false(is_readable(lumaring_fd(ring))); /* nor does the time of the last attempt count */
	expect_next(ring, -EAGAIN);
	assert_false(is_readable(lumaring_fd(ring)));
	fake_answer_welcome(f);
	fake_send(socket, f->answer, f->answer_bytes, f->answer_fds, f->answer_fd_count);
	assert_true(is_readable(lumaring_fd(ring)));
	expect_next(ring, LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
	close(socket);
}

/* A daemon that dies while it greets is a daemon that is away. */
static void test_dies_while_greeting(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	void *result;

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	assert_int_equal(pthread_create(&f->thread, NULL, next_thread, ring), 0);
	f->answer_bytes = 0;
	f->close_after_answer = true;
	fake_serve(f);
	fake_serve(f);
	fake_answer_welcome(f);
	fake_serve(f);
	assert_int_equal(pthread_join(f->thread, &result), 0);
	assert_int_equal((intptr_t)result, LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
}

static void set_region(struct lumaring *ring, uint32_t x, uint32_t y, uint32_t width, uint32_t height, int result)
{
	const struct lumaring_region region = { x, y, width, height };

	assert_int_equal(lumaring_set_region(ring, &region), result);
}

/* --- a service manager keeps the socket: there is a queue, and for now nobody who takes from it --- */

static void test_nobody_takes_from_the_queue(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *old, *frame = NULL;

	publish(f, 1);
	old = expect_frame(ring, 1);
	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	for (int timeout_ms = 0; timeout_ms <= 500; timeout_ms = 2 * timeout_ms + 5)
		assert_int_equal(lumaring_next(ring, timeout_ms, &frame), timeout_ms ? -ETIMEDOUT : -EAGAIN);
	assert_non_null(strstr(lumaring_error_text(ring), "away"));
	assert_int_equal(lumaring_info(ring)->connected, 0);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	assert_false(is_readable(f->listener)); /* it stood in the queue once */
	publish(f, 1);
	expect_frame_and_release(ring, 1);
	check_pixels(old);
	assert_int_equal(lumaring_release(ring, old), 0);
	lumaring_close(ring);
}

/* What keeps the socket closes it as well: who stands in the queue is told, and tries again like before. */
static void test_queue_is_closed(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	assert_int_equal(lumaring_next(ring, 50, &frame), -ETIMEDOUT);
	assert_true(is_readable(f->listener));
	fake_die(f);
	assert_int_equal(lumaring_next(ring, 50, &frame), -ETIMEDOUT);
	start_anew(f);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
}

/* Connections that nobody waits on, until there is room for no other. */
static unsigned fill_queue(struct fake *f, int *ret_sockets, unsigned most)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	unsigned count = 0;

	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", f->path);
	for (; count < most; count++) {
		ret_sockets[count] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(ret_sockets[count], (struct sockaddr *)&address, sizeof(address)) < 0)
			break;
	}
	assert_true(count < most);
	assert_int_equal(errno, EAGAIN);
	close(ret_sockets[count]);
	return count;
}

static void test_queue_is_full(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;
	int sockets[64];
	unsigned count;
	void *result;

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	count = fill_queue(f, sockets, 64);
	assert_int_equal(lumaring_next(ring, 300, &frame), -ETIMEDOUT);
	assert_int_equal(pthread_create(&f->thread, NULL, next_thread, ring), 0);
	for (unsigned i = 0; i < count; i++) {
		int taken = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);

		assert_true(taken >= 0);
		close(taken);
		close(sockets[i]);
	}
	fake_serve(f);
	assert_int_equal(pthread_join(f->thread, &result), 0);
	assert_int_equal((intptr_t)result, LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
}

/* Until the library has given back a ring, by calls that wait, or by the descriptor alone. */
static void await_maps(struct lumaring *ring, unsigned maps, bool by_fd)
{
	const struct lumaring_frame *frame = NULL;
	const int fd = lumaring_fd(ring);

	while (count_maps() != maps) {
		if (by_fd && fd >= 0)
			await_ring(ring);
		assert_int_equal(lumaring_next(ring, by_fd ? 0 : 10, &frame), by_fd ? -EAGAIN : -ETIMEDOUT);
	}
}

/* A daemon that starts may lack the memory that its clients still map. */
static void give_back(struct fake *f, bool by_fd)
{
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frames[2];
	unsigned count = 0;

	publish(f, 2);
	expect_frame_and_release(ring, 1);
	expect_frame_and_release(ring, 2);
	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	expect_next(ring, -EAGAIN);
	assert_int_equal(count_maps(), 3); /* the fake's two, and the ring */
	assert_int_equal(lumaring_last(ring, 2, frames, &count), 0);
	assert_int_equal(count, 2); /* while nobody else could use it */
	assert_int_equal(lumaring_release(ring, frames[0]), 0);
	assert_int_equal(lumaring_release(ring, frames[1]), 0);
	start_anew(f);
	await_maps(ring, 2, by_fd);
	assert_int_equal(lumaring_last(ring, 2, frames, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	publish(f, 1);
	expect_frame_and_release(ring, 1);
	lumaring_close(ring);
}

static void test_ring_is_given_back(void **state)
{
	give_back(*state, false);
}

static void test_ring_is_given_back_by_fd(void **state)
{
	give_back(*state, true);
}

/* A daemon that answers in time: there is nothing to be given back, and nothing to wake for. */
static void test_fd_rests_after_a_restart(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	struct pollfd fd = { .fd = lumaring_fd(ring), .events = POLLIN };

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	expect_next(ring, -EAGAIN);
	assert_int_equal(poll(&fd, 1, 400), 0); /* longer than an old ring is kept while nobody answers */
	lumaring_close(ring);
}

/* Who asks for the descriptor only then is woken to give the ring back as well. */
static void test_fd_made_while_greeting(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *frame = NULL;

	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	start_anew(f);
	while (!is_readable(f->listener))
		assert_int_equal(lumaring_next(ring, 5, &frame), -ETIMEDOUT);
	await_maps(ring, 2, true);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
}

/* But not what is held. */
static void test_held_frame_keeps_its_ring(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);
	const struct lumaring_frame *old, *frame = NULL;
	unsigned maps;

	publish(f, 1);
	old = expect_frame(ring, 1);
	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	maps = count_maps();
	start_anew(f);
	assert_int_equal(lumaring_next(ring, 500, &frame), -ETIMEDOUT);
	assert_int_equal(count_maps(), maps);
	check_pixels(old);
	assert_int_equal(lumaring_release(ring, old), 0);
	assert_int_equal(count_maps(), 2);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	lumaring_close(ring);
}

static void answer_private(struct fake *f)
{
	strcpy(f->ring.header->stream, "private");
	strcpy(fake_answer_welcome(f)->stream, "private");
}

static void test_region(void **state)
{
	struct fake *f = *state;
	struct lumaring_options options = fake_options(f);
	struct lumaring *ring;

	options.flags = LUMARING_PRIVATE;
	options.region = (struct lumaring_region){ 1, 2, 30, 40 };
	answer_private(f);
	assert_int_equal(fake_open_with(f, &options, &ring), 0);
	assert_int_equal(f->hello.width_max | f->hello.height_max, 0);
	assert_int_equal(f->page->region, lumaring_region_word(1, 2, 30, 40));
	set_region(ring, 65535, 65535, 65535, 65535, 0);
	assert_int_equal(f->page->region, UINT64_MAX);
	set_region(ring, 0, 0, 0, 0, 0); /* the whole */
	assert_int_equal(f->page->region, 0);
	set_region(ring, 5, 6, 0, 8, 0);
	assert_int_equal(f->page->region, lumaring_region_word(5, 6, 0, 8));
	set_region(ring, 65536, 0, 0, 0, -EINVAL);
	set_region(ring, 0, 65536, 0, 0, -EINVAL);
	set_region(ring, 0, 0, 65536, 0, -EINVAL);
	set_region(ring, 0, 0, 0, 65536, -EINVAL);
	assert_int_equal(lumaring_set_region(ring, NULL), -EINVAL);
	assert_int_equal(f->page->region, lumaring_region_word(5, 6, 0, 8));

	/* Away: kept, and asked for by the page. The hello has the first region: it makes the capacity and lies inside.
	 */
	fake_die(f);
	expect_next(ring, LUMARING_EVENT_DISCONNECTED);
	set_region(ring, 9, 10, 11, 12, -ENOTCONN);
	start_anew(f);
	answer_private(f);
	assert_int_equal(next_while_serving(f, ring), LUMARING_EVENT_RESTARTED);
	assert_int_equal(f->hello.message.flags, LUMARING_HELLO_PRIVATE | (f->by_futex ? LUMARING_HELLO_FUTEX : 0));
	assert_int_equal(f->hello.region_x, 1);
	assert_int_equal(f->hello.region_y, 2);
	assert_int_equal(f->hello.region_width, 30);
	assert_int_equal(f->hello.region_height, 40);
	assert_int_equal(f->hello.width_max | f->hello.height_max, 0);
	assert_int_equal(f->page->region, lumaring_region_word(9, 10, 11, 12));
	lumaring_close(ring);
}

static void test_region_needs_a_private_stream(void **state)
{
	struct fake *f = *state;
	struct lumaring *ring = fake_open(f, 0, 16);

	set_region(ring, 0, 0, 0, 0, -ENOTSUP);
	assert_int_equal(f->page->region, 0);
	lumaring_close(ring);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_BOTH(test_restarted),
		FAKE_BOTH(test_restarted_many_times),
		FAKE_BOTH(test_closed_then_restarted),
		FAKE_BOTH(test_oldest_after_a_restart),
		FAKE_BOTH(test_refused_after_a_restart),
		TEST(test_time_of_a_receive_after_a_restart),
		TEST(test_no_permission_after_a_restart),
		TEST(test_put_off),
		TEST(test_put_off_until_the_time_is_over),
		FAKE_BOTH(test_refused_before_the_hello_was_read),
		FAKE_BOTH(test_dies_while_greeting),
		TEST(test_fd_does_not_watch_the_old_socket),
		FAKE_BOTH(test_nobody_takes_from_the_queue),
		FAKE_BOTH(test_queue_is_closed),
		FAKE_BOTH(test_queue_is_full),
		FAKE_BOTH(test_ring_is_given_back),
		FAKE_BOTH(test_ring_is_given_back_by_fd),
		TEST(test_fd_rests_after_a_restart),
		TEST(test_fd_made_while_greeting),
		FAKE_BOTH(test_held_frame_keeps_its_ring),
		FAKE_BOTH(test_region),
		FAKE_BOTH(test_region_needs_a_private_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
