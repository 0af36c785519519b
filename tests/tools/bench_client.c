/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_client.c - one reader for `make bench`: of lumaring through liblumaring, or of the floor with nothing between.
 * Both wait for the newest frame, take the time when they hold a pointer to it, read one byte of each page, let go.
 *
 *     bench_client lumaring       RUNTIME_DIR FD INDEX COUNT
 *     bench_client lumaring-futex RUNTIME_DIR FD INDEX COUNT      (it waits on the wake word of its page)
 *     bench_client floor          SOCKET      FD INDEX COUNT      (FD: of struct bench_shared, for COUNT clients)
 *
 * Exit code 0 when it was told to end, 2 when it does not know this kind of client, 1 when something went wrong.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <lumaring/layout.h>
#include <lumaring/lumaring.h>

#include "bench.h"
#include "measure.h"

#define WAIT_MS 200 /* how often the phase is looked at when no frame comes */

/* A frame as both kinds of client see it. */
struct seen {
	uint64_t sequence, missed, late_ns;
	uint64_t publication, skipped, lost; /* of lumaring only */
};

struct client {
	struct bench_shared *shared;
	struct bench_figures *figures;
	uint64_t cpu_begin_ns;
	struct seen begin, last;
	bool measuring;
};

static enum bench_phase phase(const struct client *client)
{
	/* A phase may be seen a frame late: relaxed. */
	return (enum bench_phase)__atomic_load_n(&client->shared->phase, __ATOMIC_RELAXED);
}

/* Begin to record; the frame at hand is not part of it. */
static void begin(struct client *client, const struct seen *seen)
{
	client->measuring = true;
	client->begin = client->last = *seen;
	client->cpu_begin_ns = measure_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* After a frame was let go. True when it is time to end. */
static bool note_frame(struct client *client, const struct seen *seen)
{
	struct bench_figures *f = client->figures;

	/* For the eyes of bench: relaxed. */
	__atomic_store_n(&f->sequence, seen->sequence, __ATOMIC_RELAXED);
	if (!client->measuring) {
		if (phase(client) == BENCH_MEASURE)
			begin(client, seen);
		return phase(client) == BENCH_STOP;
	}
	f->frames++;
	f->missed += seen->missed;
	f->skipped += seen->skipped;
	f->lost += seen->lost;
	client->last = *seen;
	if (f->sample_count < BENCH_SAMPLES_MAX)
		f->samples_ns[f->sample_count++] = seen->late_ns < UINT32_MAX ? (uint32_t)seen->late_ns : UINT32_MAX;
	return phase(client) == BENCH_STOP;
}

static void finish(struct client *client)
{
	struct bench_figures *f = client->figures;

	if (!client->measuring)
		return;
	f->cpu_ns = measure_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - client->cpu_begin_ns;
	f->captured = client->last.sequence - client->begin.sequence;
	f->published = client->last.publication - client->begin.publication;
}

/* --- of lumaring -------------------------------------------------------------------------------------------------- */

static int open_lumaring(const char *runtime_dir, uint32_t flags, struct lumaring **ret_ring)
{
	struct lumaring_options options = LUMARING_OPTIONS_INIT;
	char text[256] = "";
	int r;

	options.runtime_dir = runtime_dir;
	options.flags = flags;
	options.cursors = 1;
	options.timeout_ms = 20000;
	options.error_text = text;
	options.error_bytes = sizeof(text);
	r = lumaring_open("bench", NULL, &options, ret_ring);
	if (r < 0)
		fprintf(stderr, "bench_client: %s\n", text[0] ? text : lumaring_strerror(r));
	return r;
}

/* One frame from the hand of the library to its release. 1 when it is time to end. */
static int use_frame(struct client *client, struct lumaring *ring, const struct lumaring_frame *frame)
{
	struct seen seen = {
		.late_ns = measure_now_ns() - frame->ready_ns,
		.sequence = frame->sequence,
		.publication = frame->publication,
		.missed = frame->missed,
		.skipped = frame->missed_by[LUMARING_MISSED_SKIPPED],
	};

	for (unsigned cause = 0; cause < LUMARING_LOST_SEQUENCED; cause++)
		seen.lost += frame->missed_by[cause];
	if (!frame->pinned)
		return fprintf(stderr, "bench_client: got a copy instead of a pin\n"), -1;
	bench_touch(frame->pixels, (uint64_t)frame->stride * frame->height);
	lumaring_release(ring, frame);
	return note_frame(client, &seen);
}

static int read_lumaring(struct client *client, const char *runtime_dir, uint32_t flags)
{
	const struct lumaring_frame *frame;
	struct lumaring *ring;
	int over = 0;

	if (open_lumaring(runtime_dir, flags, &ring) < 0)
		return -1;
	while (over == 0) {
		int r = lumaring_latest(ring, WAIT_MS, &frame);

		if (r == 0)
			over = use_frame(client, ring, frame);
		else if (r == -ETIMEDOUT)
			over = phase(client) == BENCH_STOP;
		else if (r != -EINTR && r != LUMARING_EVENT_GEOMETRY)
			return fprintf(stderr, "bench_client: %s\n",
				       r < 0 ? lumaring_error_text(ring) : lumaring_event_name(r)),
			       -1;
	}
	finish(client);
	lumaring_close(ring);
	return over < 0 ? -1 : 0;
}

/* --- of the floor ------------------------------------------------------------------------------------------------- */

static int complain(const char *what)
{
	fprintf(stderr, "bench_client: %s: %s\n", what, strerror(errno));
	return -1;
}

static int connect_floor(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_usec = WAIT_MS * 1000 };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return complain(path);
	return fd;
}

static int receive_welcome(int fd, struct floor_welcome *welcome, int *ret_ring_fd)
{
	struct iovec iov = { welcome, sizeof(*welcome) };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;

	do
		got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EAGAIN);
	if (got != (ssize_t)sizeof(*welcome) || !CMSG_FIRSTHDR(&msg))
		return complain("recvmsg");
	memcpy(ret_ring_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return 0;
}

static int read_floor(struct client *client, const char *path)
{
	struct floor_welcome welcome;
	struct floor_notice notice;
	const uint8_t *ring;
	bool over = false;
	int ring_fd = -1, fd = connect_floor(path);

	if (fd < 0 || receive_welcome(fd, &welcome, &ring_fd) < 0)
		return -1;
	ring = mmap(NULL, welcome.ring_bytes, PROT_READ, MAP_SHARED, ring_fd, 0);
	if (ring == MAP_FAILED)
		return complain("mmap");
	while (!over) {
		ssize_t got = recv(fd, &notice, sizeof(notice), 0);

		if (got == (ssize_t)sizeof(notice)) {
			struct seen seen = {
				.late_ns = measure_now_ns() - notice.ready_ns,
				.sequence = notice.sequence,
				.missed = notice.sequence - client->last.sequence - 1,
			};

			bench_touch(ring + notice.slot * welcome.slot_bytes, (uint64_t)notice.stride * notice.height);
			over = note_frame(client, &seen);
		} else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
			over = phase(client) == BENCH_STOP;
		} else {
			return complain("recv");
		}
	}
	finish(client);
	return 0;
}

/* The exit code. */
static int read_as(struct client *client, const char *kind, const char *where)
{
	if (strcmp(kind, "floor") == 0)
		return read_floor(client, where) < 0;
	if (strcmp(kind, "lumaring") == 0)
		return read_lumaring(client, where, 0) < 0;
	if (strcmp(kind, "lumaring-futex") == 0)
		return read_lumaring(client, where, LUMARING_FUTEX) < 0;
	fprintf(stderr, "bench_client: there is no kind of client \"%s\"\n", kind);
	return BENCH_UNKNOWN;
}

int main(int argc, char **argv)
{
	struct client client = { 0 };
	unsigned long index, count;

	if (argc != 6) {
		fprintf(stderr, "usage: bench_client lumaring|lumaring-futex|floor WHERE FD INDEX COUNT\n");
		return 2;
	}
	index = strtoul(argv[4], NULL, 10);
	count = strtoul(argv[5], NULL, 10);
	client.shared = mmap(NULL, sizeof(*client.shared) + count * sizeof(client.shared->figures[0]),
			     PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[3]), 0);
	if (client.shared == MAP_FAILED || index >= count)
		return complain("figures"), 1;
	client.figures = &client.shared->figures[index];
	return read_as(&client, argv[1], argv[2]);
}
